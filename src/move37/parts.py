"""An append-only folder of Parquet parts: what was finished is on disk, what is on disk is whole.

A part is written to a temporary name, synced, and renamed, so a reader sees a whole part or none. A killed writer
leaves at most a temporary file, which the next writer removes (writers hold the run's lock). Hidden files (a desktop
leaves them everywhere) are not looked at. Any other file that is not a whole part of the right columns is an error that
names it: nothing is dropped in silence.

Columns may be added from one version to the next: `absent` says what stands for a column that an older part lacks. A
part with a column that is not known here was written by a newer version, which the message names. What follows from
other columns (the digest of a text) is believed in parts that move37 wrote, and worked out anew in those that somebody
edited.

Rows have a key. A key may stand in two parts only with equal content (a compaction that was killed half-way, or
pooled folders): then it counts once. Different content under one key is an error that names it.
Out of scope: what the columns mean (`store.py`), remote file systems.
"""

import io
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl

from move37 import __version__
from move37.errors import StoreError
from move37.files import UNFINISHED, sync_folder, unwritable, write_atomically

_PART = re.compile(r"part-\d{6}-[0-9a-f]{8}\.parquet")
WRITE_EVERY_SECONDS = 2.0
"""What a crash may lose of the rows that are being collected."""
_WRITER = {"move37": __version__}
"""Written into every part: which version made it."""
_LARGE_BYTES = 4 * 2**20
"""Parts of at least this size are left alone when small ones are merged."""
_COMPACT_BYTES = 64 * 2**20
"""Parts are merged up to about this size, so that one part still fits in memory easily when it is read back."""


class PartFolder:
    """Parts in `folder` whose rows have the columns of `schema`, unique in the `key` columns."""

    def __init__(
        self,
        folder: Path,
        schema: Mapping[str, Any],
        key: Sequence[str],
        absent: Mapping[str, pl.Expr] = MappingProxyType({}),
        derived: Sequence[str] = (),
    ) -> None:
        """`absent`: columns that a part of an older version may lack, with what is read in their place. `derived`:
        those of them that follow from other columns, and are read so, too, in a part that somebody else wrote."""
        self.folder = folder
        self.schema = pl.Schema(schema)
        self.key = tuple(key)
        self._absent = absent
        self._derived = tuple(derived)

    def files(self) -> list[Path]:
        """The parts, oldest first. Raises StoreError for a file that is not a whole part."""
        return [path for path, _ in self._parts()]

    def stamp(self) -> list[list[Any]]:
        """Names and sizes of the parts: the same stamp, the same rows, since no part is ever written to again. Of one
        that somebody edited also when that was."""
        found = []
        for path in self.files():
            status = path.stat()
            found.append([path.name, status.st_size, *(() if self._is_trusted(path) else (status.st_mtime_ns,))])
        return found

    def _parts(self) -> list[tuple[Path, bool]]:
        """The parts, and whether each is as it is written today."""
        if not self.folder.exists():
            return []
        found = []
        for path in sorted(p for p in self.folder.iterdir() if not p.name.startswith(".")):
            if not path.is_file() or not _PART.fullmatch(path.name):
                raise StoreError(f"{path}: foreign file in a run folder; move it away")
            columns = _columns(path)
            if columns != dict(self.schema):
                self._refuse_unreadable(path, columns)
            found.append((path, columns == dict(self.schema) and self._is_trusted(path)))
        return found

    def _is_trusted(self, path: Path) -> bool:
        """Whether what follows from other columns does so in this part."""
        return not self._derived or _writer_of(path) is not None

    def _refuse_unreadable(self, path: Path, columns: Mapping[str, Any]) -> None:
        """Raises StoreError unless the part is one of an older version. Enumerations may have gained members since."""
        writer = _writer_of(path) if columns.keys() & set(self.key) else None
        if unknown := columns.keys() - self.schema.keys():
            if writer is not None:
                raise StoreError(
                    f"{path}: written by move37 {writer}, with columns that this move37 {__version__} does not know "
                    f"({', '.join(sorted(unknown))}); use that version"
                )
            raise StoreError(f"{path}: foreign file: its columns are {', '.join(columns)}; move it away")
        lacking = self.schema.keys() - columns.keys() - self._absent.keys()
        other = [name for name, kind in columns.items() if not _fits(kind, self.schema[name])]
        if lacking or other:
            what = f"lacks {', '.join(sorted(lacking))}" if lacking else f"has another type in {', '.join(other)}"
            made = f" (written by move37 {writer})" if writer else ""
            raise StoreError(
                f"{path}: foreign file: its columns are {', '.join(columns)}{made}: it {what}; move it away"
            )

    def _scans(self) -> Iterator[pl.LazyFrame]:
        """The rows of consecutive parts, in today's columns."""
        for is_complete, group in groupby(self._parts(), key=lambda part: part[1]):
            paths = [path for path, _ in group]
            if is_complete:
                yield pl.scan_parquet(paths, glob=False)
            else:
                yield from map(self._completed, paths)

    def _completed(self, path: Path) -> pl.LazyFrame:
        columns = _columns(path)
        derived = () if self._is_trusted(path) else self._derived
        lacking = {name: self._absent[name] for name in self.schema if name not in columns or name in derived}
        rows = pl.scan_parquet(path, glob=False).with_columns(**lacking)
        return rows.select(pl.col(name).cast(kind) for name, kind in self.schema.items())

    def scan_part(self, path: Path) -> pl.LazyFrame:
        """The rows of one part in today's columns, without a look at the others."""
        return self._completed(path)

    def append(self, frame: pl.DataFrame) -> None:
        """Write `frame` as one new part, atomically and synced. An empty frame writes nothing."""
        if frame.is_empty():
            return
        buffer = io.BytesIO()
        frame.select(self.schema.names()).cast(self.schema).write_parquet(
            buffer, compression="zstd", compression_level=1, metadata=_WRITER
        )
        number = self._next_number
        write_atomically(self.folder / f"part-{number:06d}-{uuid4().hex[:8]}.parquet", buffer.getvalue())
        self.__dict__["_next_number"] = number + 1

    def adopt(self, other: "PartFolder") -> None:
        """Take the parts of another folder of the same file system over, as they are; that folder has none then.

        The caller knows that no key of theirs is here with other content.
        """
        for path in other.files():
            number = self._next_number
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                path.replace(self.folder / f"part-{number:06d}-{uuid4().hex[:8]}.parquet")
                sync_folder(self.folder)
            except OSError as error:
                raise StoreError(unwritable(self.folder, error)) from error
            self.__dict__["_next_number"] = number + 1

    def scan(self, columns: Sequence[str] | None = None) -> pl.LazyFrame:
        """All rows, each key once, lazily and only `columns` if given. Raises StoreError for contradictions."""
        stamps, scans = self._stamps(), list(self._scans())
        if not scans:
            return pl.LazyFrame(schema=self.schema).select(columns or self.schema.names())
        rows = pl.concat(scans) if len(scans) > 1 else scans[0]
        if self._has_duplicates(rows, stamps):
            self._refuse_contradictions(rows)
            rows = rows.unique(subset=list(self.key), keep="first", maintain_order=True)
        return rows.select(columns) if columns else rows

    def read(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """`scan`, collected."""
        return self.collect(self.scan(columns))

    def count(self) -> int:
        """How many rows there are, each key once."""
        return self.collect(self.scan(self.key).select(pl.len())).item()

    def collect(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Collect a query over `scan`; a part that turns out to be damaged inside is named. Raises StoreError."""
        try:
            return rows.collect()
        except pl.exceptions.PolarsError as error:
            for path in self.files():
                if not is_whole(path):
                    raise StoreError(_torn(path)) from error
            raise

    def frames(self) -> Iterable[pl.DataFrame]:
        """The rows part by part, for passes that should not hold everything. `compact` first: only then does each key
        come once."""
        for path, is_complete in self._parts():
            yield self.collect(pl.scan_parquet(path, glob=False) if is_complete else self._completed(path))

    def compact(self) -> None:
        """Merge small parts into large ones. Killed at any point, every row is still there (perhaps twice, equal).

        Parts of older versions are given the columns that they lack.
        """
        parts = self._parts()
        files = [path for path, _ in parts]
        outdated = [path for path, is_complete in parts if not is_complete]
        stamps, scans = self._stamps(), list(self._scans())
        if scans and self._has_duplicates(pl.concat(scans), stamps):
            self._replace(files, self.scan())
            return
        for path in outdated:
            self._replace([path], self._completed(path))
        for group in _small_neighbours(self.files() if outdated else files):
            self._replace(group, pl.scan_parquet(group, glob=False))

    def drop(self, rows: pl.Expr) -> int:
        """Take `rows` out for good; how many they were. Killed at any point, some of them are still there."""
        return self.keep(lambda part: part.filter(~rows))

    def keep(self, chosen: Callable[[pl.LazyFrame], pl.LazyFrame]) -> int:
        """Take out for good what `chosen` leaves out of the rows of a part; how many those were, as `drop`."""
        dropped = 0
        for path in self.files():
            part = self._completed(path)
            before = self.collect(part.select(pl.len())).item()
            kept = self.collect(chosen(part).select(self.schema.names()))
            if kept.height < before:
                self._replace([path], kept.lazy())
            dropped += before - kept.height
        return dropped

    def rewrite(self, changed: Callable[[pl.LazyFrame], pl.LazyFrame]) -> None:
        """Replace every part by what `changed` makes of its rows. Killed at any point, some parts are done: `changed`
        must leave alone what it changed before."""
        for path in self.files():
            self._replace([path], self.collect(changed(self._completed(path)).select(self.schema.names())).lazy())

    @cached_property
    def _next_number(self) -> int:
        return 1 + max((int(path.name[5:11]) for path in self.files()), default=0)

    def _replace(self, group: list[Path], merged: pl.LazyFrame) -> None:
        number = self._next_number
        target = self.folder / f"part-{number:06d}-{uuid4().hex[:8]}.parquet"
        temporary = self.folder / f"{UNFINISHED}{target.name}"
        try:
            merged.sink_parquet(temporary, compression="zstd", metadata=_WRITER)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(unwritable(target, error)) from error
        temporary.replace(target)
        sync_folder(self.folder)
        for path in group:
            path.unlink()
        self.__dict__["_next_number"] = number + 1

    def _stamps(self) -> tuple[tuple[Path, int, int], ...]:
        """The parts with what stands for their content. To be taken before they are read: parts may be added then."""
        found = []
        for path in self.files():
            try:
                status = path.stat()
            except OSError as error:
                raise StoreError(_torn(path)) from error
            found.append((path, status.st_size, status.st_mtime_ns))
        return tuple(found)

    def _has_duplicates(self, rows: pl.LazyFrame, stamps: tuple[tuple[Path, int, int], ...]) -> bool:
        """Whether a key stands in two of the `rows`; reading every key anew for every question adds up."""
        known = _known_of(stamps)
        if self.key not in known:
            known[self.key] = self._find_duplicates(rows)
        return known[self.key]

    def _find_duplicates(self, rows: pl.LazyFrame) -> bool:
        keys = self.collect(rows.select(self.key))
        if "index" not in self.key:
            return keys.height != keys.n_unique()
        # A table of one byte for each possible (problem, index): 10^7 keys take a fraction of a second.
        problem = keys["problem_id"].cast(pl.Categorical).to_physical().to_numpy().astype(np.int64)
        index = keys["index"].to_numpy().astype(np.int64)
        if not index.size:
            return False
        problem = problem - problem.min()
        width = int(index.max()) + 1
        if (int(problem.max()) + 1) * width > 100_000_000 + 10 * keys.height:
            return keys.n_unique() != keys.height  # sparse indices: the table would not fit
        seen = np.zeros((int(problem.max()) + 1) * width, dtype=np.bool_)
        seen[problem * width + index] = True
        return int(np.count_nonzero(seen)) != keys.height

    def _refuse_contradictions(self, rows: pl.LazyFrame) -> None:
        distinct = self.collect(rows.unique().group_by(self.key).len().filter(pl.col("len") > 1).sort(self.key))
        if distinct.height:
            shown = "; ".join(" ".join(str(v) for v in row[:-1]) for row in distinct.head(3).rows())
            raise StoreError(
                f"{self.folder}: {distinct.height} keys stand here twice with different content ({shown}); "
                "these folders do not belong together"
            )


class Appender:
    """Collects rows and writes a part when enough of them, or enough seconds (`WRITE_EVERY_SECONDS`), came together.

    A context manager. What it still holds when the block is left, also by an exception, is written. What `after` holds
    is always written before: rows that refer to rows of another folder must not outlive a crash that those do not.
    """

    def __init__(
        self,
        parts: PartFolder,
        max_rows: int = 65_536,
        max_bytes: int = 2**25,
        max_seconds: float | None = None,
        after: "Appender | None" = None,
    ) -> None:
        self._parts, self._after = parts, after
        self._limits = (max_rows, max_bytes, WRITE_EVERY_SECONDS if max_seconds is None else max_seconds)
        self._width = len(parts.schema)
        self._values: list[Any] = []
        """Row behind row. A list of rows would be a container each for the garbage collector to walk over."""
        self._bytes = 0
        self._since = time.monotonic()

    def add(self, row: tuple[Any, ...], size: int = 0) -> None:
        """Take one row, in the order of the schema; `size` is its text in bytes, roughly."""
        now = time.monotonic()
        if not self._values:
            self._since = now
        self._values += row
        self._bytes += size
        max_rows, max_bytes, max_seconds = self._limits
        full = len(self._values) >= max_rows * self._width or self._bytes >= max_bytes
        if full or now - self._since >= max_seconds:
            self.flush()

    def flush(self) -> None:
        """Write what was collected as one part. It is held until it is written: where that fails, so does the next
        attempt, and with it the writing of whatever comes after it."""
        if self._values:
            if self._after is not None:
                self._after.flush()
            columns = enumerate(self._parts.schema.items())
            series = [_series(name, self._values[at :: self._width], kind) for at, (name, kind) in columns]
            self._parts.append(pl.DataFrame(series))
            self._values, self._bytes = [], 0

    def __enter__(self) -> "Appender":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()


def _series(name: str, values: list[Any], kind: Any) -> pl.Series:
    """A column of a part; one in which there is nothing is not looked through value by value."""
    if values.count(None) == len(values):
        return pl.repeat(None, len(values), dtype=kind, eager=True).alias(name)
    return pl.Series(name, values, dtype=kind)


def _columns(path: Path) -> dict[str, Any]:
    """The columns of a part and their types. Raises StoreError for a file that is not whole."""
    try:
        status = path.stat()
        return _columns_of(path, status.st_size, status.st_mtime_ns)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StoreError(_torn(path)) from error


def _writer_of(path: Path) -> str | None:
    """The version of move37 that wrote a part; None for a part that somebody else wrote, or wrote anew."""
    status = path.stat()
    return _metadata_of(path, status.st_size, status.st_mtime_ns).get("move37")


@lru_cache(maxsize=4096)
def _metadata_of(path: Path, size: int, changed: int) -> dict[str, str]:
    """See `_columns_of`."""
    return pl.read_parquet_metadata(path)


@lru_cache(maxsize=4096)
def _columns_of(path: Path, size: int, changed: int) -> dict[str, Any]:
    """`size` and `changed` stand for the content: opening every part anew for every question adds up."""
    return dict(pl.scan_parquet(path, glob=False).collect_schema())


@lru_cache(maxsize=4096)
def _known_of(stamps: tuple[tuple[Path, int, int], ...]) -> dict[tuple[str, ...], bool]:
    """To be filled with whether parts of this content hold a key twice, by the columns of the key."""
    return {}


def _fits(found: Any, expected: Any) -> bool:
    """Whether values of one type can be read as the other: the same type, or an enumeration that has grown since."""
    if isinstance(found, pl.Enum) and isinstance(expected, pl.Enum):
        return set(found.categories) <= set(expected.categories)
    return found == expected


def _small_neighbours(files: list[Path]) -> list[list[Path]]:
    """Groups of at least two consecutive small parts that together stay below the compaction size."""
    groups: list[list[Path]] = [[]]
    total = 0
    for path in files:
        size = path.stat().st_size
        if size >= _LARGE_BYTES or total + size > _COMPACT_BYTES:
            groups.append([])
            total = 0
        if size < _LARGE_BYTES:
            groups[-1].append(path)
            total += size
    return [group for group in groups if len(group) > 1]


def is_whole(path: Path) -> bool:
    """Whether all of a part can be read."""
    try:
        pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        return False
    return True


def _torn(path: Path) -> str:
    return f"{path}: torn part (not a whole Parquet file); move it away and run again, its rows will be made again"
