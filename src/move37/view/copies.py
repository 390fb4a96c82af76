"""The rows of one problem out of a folder of parts, in milliseconds: large parts have a copy sorted by problem.

A part is never written to again, so a copy is good for as long as its parts are there; nothing has to be invalidated.
While a copy is not made yet, and for small parts always, the part itself is read: slower, and the same rows. Copies are
compressed for speed (LZ4), in row groups of about a megabyte, and hold a few dozen megabytes of text in each file, so
that making one takes a bounded amount of memory.

A problem has rows in every part, and each file that is opened costs milliseconds, so copies of like size are merged
into one: of P parts at most about log2 P copies are left, and no row is written more than as many times.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import polars as pl

from move37.files import UNFINISHED
from move37.parts import PartFolder
from move37.schema import KEY

LARGE_BYTES = 2**14
"""Parts of at least this size on disk are copied."""
COPY_BYTES = 96 * 2**20
"""Text in one file of a copy, about."""
GROUP_BYTES = 2**20
MERGED_UP_TO = 2
"""A copy is merged with smaller ones that have together at least 1 / this of its rows."""
_ROW_BYTES = 64
"""What a row weighs beside its strings, about."""
_STEMS, _BYTES = "parts", "bytes"
"""Written into every file of a copy: the names of the copied parts, and what its rows weigh."""
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the rows of one problem lie."""

    file: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy of these parts, sorted by problem."""

    folder: Path
    stems: frozenset[str]
    files: tuple[Path, ...]
    places: dict[str, list[_Place]]
    rows: int
    bytes: int

    @classmethod
    def read(cls, folder: Path) -> "_Copy | None":
        """None for what is no whole copy of this version."""
        places: dict[str, list[_Place]] = {}
        stems, rows, weight, files = "", 0, 0, tuple(sorted(folder.iterdir()))
        for file in files:
            written = pl.read_parquet_metadata(file)
            if _STEMS not in written:
                return None
            stems, weight = written[_STEMS], weight + int(written[_BYTES])
            runs = pl.scan_parquet(file, glob=False).select(pl.col("problem_id").rle()).unnest("problem_id")
            offset = 0
            for length, problem_id in runs.collect().select("len", "value").rows():
                places.setdefault(problem_id, []).append(_Place(file, offset, length))
                offset += length
            rows += offset
        return cls(folder, frozenset(stems.split()), files, places, rows, weight) if files else None


class SortedParts:
    """A folder of parts keyed by problem and index, and the copies of them in `folder`."""

    def __init__(self, parts: PartFolder, folder: Path) -> None:
        self.parts, self.folder = parts, folder
        self._known: dict[str, _Copy | None] = {}

    def refresh(self) -> None:
        """Copy the parts that have no copy, merge small copies, and remove those that are of no use any more."""
        there = {path.stem: path for path in self.parts.files()}
        copies = self._copies()
        self._remove(self._folders() - {each.folder for each in copies if each.stems <= there.keys()})
        copied = {stem for each in self._copies() for stem in each.stems}
        for stem, path in there.items():
            if stem not in copied and path.stat().st_size >= LARGE_BYTES:
                self._copy(path)
        while len(small := _to_merge(self._copies())) > 1:
            self._merge(small)
            self._remove(each.folder for each in small)

    def of_problem(self, problem_id: str, columns: Sequence[str]) -> pl.DataFrame:
        """The rows of one problem by index, each key once."""
        wanted = list(dict.fromkeys([*KEY, *columns]))
        return twice(lambda: self._of_problem(problem_id, wanted))

    def _of_problem(self, problem_id: str, wanted: list[str]) -> pl.DataFrame:
        frames = []
        for source in self._sources():
            if isinstance(source, Path):
                rows = self.parts.scan_part(source)
                frames.append(rows.filter(pl.col("problem_id") == problem_id).select(wanted))
                continue
            for place in source.places.get(problem_id, ()):
                frames.append(pl.scan_parquet(place.file, glob=False).slice(place.offset, place.length).select(wanted))
        if not frames:
            return pl.DataFrame(schema={name: self.parts.schema[name] for name in wanted})
        if len(frames) == 1:  # of one part, or sorted already
            return self.parts.collect(frames[0]).unique(KEY, keep="first").sort("index")
        return self.parts.collect(pl.concat(frames).unique(KEY, keep="first").sort("index"))

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """All rows, copies in place of parts. A key that stands in two parts comes twice."""
        scans = [self._scan(source).select(columns) for source in self._sources()]
        return pl.concat(scans) if scans else pl.LazyFrame(schema=self.parts.schema).select(columns)

    def _scan(self, source: Path | _Copy) -> pl.LazyFrame:
        if isinstance(source, Path):
            return self.parts.scan_part(source)
        return pl.scan_parquet(list(source.files), glob=False)

    def _sources(self) -> Iterator[Path | _Copy]:
        """What holds the rows of all parts once: copies, and the parts that are in none."""
        left = {path.stem: path for path in self.parts.files()}
        for copy in sorted(self._copies(), key=lambda each: -each.rows):
            if copy.stems <= left.keys():  # while copies are being merged, a part may be in two
                left = {stem: path for stem, path in left.items() if stem not in copy.stems}
                yield copy
        yield from left.values()

    def _folders(self) -> set[Path]:
        return set(self.folder.iterdir()) if self.folder.is_dir() else set()

    def _copies(self) -> list[_Copy]:
        found = []
        for folder in self._folders():
            if folder.name.startswith(UNFINISHED):
                continue
            if folder.name not in self._known:
                self._known[folder.name] = _Copy.read(folder)
            found.append(self._known[folder.name])
        return [each for each in found if each is not None]

    def _remove(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            self._known.pop(folder.name, None)

    def _copy(self, path: Path) -> None:
        """Of one part."""
        rows = self.parts.scan_part(path)
        strings = [pl.col(name).str.len_bytes().sum() for name, kind in self.parts.schema.items() if kind == pl.String]
        weighed = rows.select(pl.sum_horizontal(strings).alias("bytes"), rows=pl.len()).collect(engine="streaming")
        size, height = weighed.row(0)
        size = max(size, 2 * path.stat().st_size) + _ROW_BYTES * height
        files = 1 + size // COPY_BYTES
        share = pl.col("problem_id").hash(0) % files
        pieces = (rows if files == 1 else rows.filter(share == number) for number in range(files))
        self._write({path.stem}, pieces, size // max(1, height))

    def _merge(self, copies: Sequence[_Copy]) -> None:
        """Problem by problem, as many at once as fill a file: no more than that is held."""
        problems = sorted({problem for each in copies for problem in each.places})
        row_bytes = sum(each.bytes for each in copies) // max(1, sum(each.rows for each in copies))

        def pieces() -> Iterator[pl.LazyFrame]:
            spans: dict[Path, tuple[int, int]] = {}
            held = 0
            for problem in problems:
                for place in (place for each in copies for place in each.places.get(problem, ())):
                    # Files are sorted by problem, so what problems in a row have in one is one stretch.
                    first, _ = spans.get(place.file, (place.offset, 0))
                    spans[place.file] = first, place.offset + place.length
                    held += place.length * row_bytes
                if held >= COPY_BYTES or problem == problems[-1]:
                    scans = [pl.scan_parquet(file, glob=False).slice(a, b - a) for file, (a, b) in spans.items()]
                    yield pl.concat(scans)
                    spans, held = {}, 0

        self._write({stem for each in copies for stem in each.stems}, pieces(), row_bytes)

    def _write(self, stems: Iterable[str], pieces: Iterable[pl.LazyFrame], row_bytes: int) -> None:
        """A copy of the parts `stems`, a file for each of `pieces`."""
        name = " ".join(sorted(stems))
        temporary = self.folder / f"{UNFINISHED}{blake2b(name.encode(), digest_size=8).hexdigest()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for number, piece in enumerate(pieces):
            frame = self.parts.collect(piece).sort(KEY)
            frame.write_parquet(
                temporary / f"{number:04d}.parquet",
                compression="lz4",
                row_group_size=max(32, GROUP_BYTES // max(1, row_bytes)),
                metadata={_STEMS: name, _BYTES: str(row_bytes * frame.height)},
            )
        temporary.replace(self.folder / temporary.name.removeprefix(UNFINISHED))


def _to_merge(copies: Iterable[_Copy]) -> list[_Copy]:
    """The smallest copies, as far as they are of like size."""
    found: list[_Copy] = []
    for each in sorted(copies, key=lambda each: each.rows):
        if found and each.rows > MERGED_UP_TO * sum(other.rows for other in found):
            break
        found.append(each)
    return found


def twice(read: Callable[[], Found]) -> Found:
    """Once more where a file went away between the listing and the reading: it was merged with others."""
    try:
        return read()
    except (OSError, pl.exceptions.PolarsError):
        time.sleep(0.2)
        return read()
