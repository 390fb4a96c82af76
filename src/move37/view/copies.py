"""The rows of one problem out of a folder of parts, in milliseconds: each large part has a copy sorted by problem.

A part is never written to again, so a copy is good for as long as its part is there; nothing has to be invalidated.
While a copy is not made yet, and for small parts always, the part itself is read: slower, and the same rows. Copies are
compressed for speed (LZ4), in row groups of about a megabyte, and hold a few dozen megabytes of text each, so that
making one takes a bounded amount of memory.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from move37.files import UNFINISHED
from move37.parts import PartFolder
from move37.schema import KEY

LARGE_BYTES = 2**17
"""Parts of at least this size on disk are copied."""
COPY_BYTES = 96 * 2**20
"""Text in one file of a copy, about."""
GROUP_BYTES = 2**20
_ROW_BYTES = 64
"""What a row weighs beside its strings, about."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the rows of one problem lie."""

    file: Path
    offset: int
    length: int


class SortedParts:
    """A folder of parts keyed by problem and index, and the copies of them in `folder`."""

    def __init__(self, parts: PartFolder, folder: Path) -> None:
        self.parts, self.folder = parts, folder
        self._places: dict[str, dict[str, list[_Place]]] = {}

    def refresh(self) -> None:
        """Copy the parts that have no copy, and remove copies of parts that are gone."""
        there = {path.stem: path for path in self.parts.files()}
        for stem, path in there.items():
            if path.stat().st_size >= LARGE_BYTES and not (self.folder / stem).is_dir():
                self._copy(path)
        known = self.folder.iterdir() if self.folder.is_dir() else ()
        for copy in [path for path in known if path.name not in there]:
            self._places.pop(copy.name, None)
            shutil.rmtree(copy, ignore_errors=True)

    def of_problem(self, problem_id: str, columns: Sequence[str]) -> pl.DataFrame:
        """The rows of one problem by index, each key once."""
        wanted = list(dict.fromkeys([*KEY, *columns]))
        frames = []
        for path, places in self._sources():
            if places is None:
                rows = self.parts.scan_part(path)
                frames.append(rows.filter(pl.col("problem_id") == problem_id).select(wanted))
                continue
            for place in places.get(problem_id, ()):
                frames.append(pl.scan_parquet(place.file, glob=False).slice(place.offset, place.length).select(wanted))
        if not frames:
            return pl.DataFrame(schema={name: self.parts.schema[name] for name in wanted})
        return self.parts.collect(pl.concat(frames).unique(KEY, keep="first").sort("index"))

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """All rows, copies in place of parts. A key that stands in two parts comes twice."""
        scans = []
        for path, places in self._sources():
            files = None if places is None else sorted({each.file for found in places.values() for each in found})
            rows = self.parts.scan_part(path) if files is None else pl.scan_parquet(files, glob=False)
            scans.append(rows.select(columns))
        return pl.concat(scans) if scans else pl.LazyFrame(schema=self.parts.schema).select(columns)

    def _sources(self) -> Iterator[tuple[Path, dict[str, list[_Place]] | None]]:
        """Each part, and where problems lie in its copy; None where it has none."""
        for path in self.parts.files():
            yield path, self._places_in(path.stem)

    def _places_in(self, stem: str) -> dict[str, list[_Place]] | None:
        if stem not in self._places:
            copy = self.folder / stem
            if not copy.is_dir():
                return None
            found: dict[str, list[_Place]] = {}
            for file in sorted(copy.iterdir()):
                runs = pl.scan_parquet(file, glob=False).select(pl.col("problem_id").rle()).unnest("problem_id")
                offset = 0
                for length, problem_id in runs.collect().select("len", "value").rows():
                    found.setdefault(problem_id, []).append(_Place(file, offset, length))
                    offset += length
            self._places[stem] = found
        return self._places[stem]

    def _copy(self, path: Path) -> None:
        rows = self.parts.scan_part(path)
        strings = [pl.col(name).str.len_bytes().sum() for name, kind in self.parts.schema.items() if kind == pl.String]
        weighed = rows.select(pl.sum_horizontal(strings).alias("bytes"), rows=pl.len()).collect(engine="streaming")
        size, height = weighed.row(0)
        size = max(size, 2 * path.stat().st_size) + _ROW_BYTES * height
        files, per_group = 1 + size // COPY_BYTES, max(32, height * GROUP_BYTES // size)
        temporary = self.folder / f"{UNFINISHED}{path.stem}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for number in range(files):
            part = rows if files == 1 else rows.filter(pl.col("problem_id").hash(0) % files == number)
            frame = self.parts.collect(part).sort(KEY)
            frame.write_parquet(temporary / f"{number:04d}.parquet", compression="lz4", row_group_size=per_group)
        temporary.replace(self.folder / path.stem)
