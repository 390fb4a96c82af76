"""What importers of logs share: files are claimed by what they look like and grouped by model, task and series.

A format says, in a small class of its own, which files are its (`claims`), what is known of a file beside its rows
(`about`), and how a file is read (`rows`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from move37.errors import InputError
from move37.importers.heads import Head, files_in
from move37.importers.logs import Log, LogRow, Reading, Remarks, Series

_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a file beside its rows. `series` is what the samples of its kind are numbered within."""

    model: str | None = None
    task: str | None = None
    series: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class LogImporter:
    """A format of logs. `format` is its name in the registry."""

    format: str
    unique_questions = False

    def claims(self, head: Head) -> bool:
        """Whether a file is one of this format, by its name and its first row."""
        raise NotImplementedError

    def about(self, file: Path) -> About:
        """What the file's name and the files beside it say."""
        return About()

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        """The rows of one file. Raises InputError with one line that begins with its path."""
        raise NotImplementedError

    def chosen(self, files: list[Path]) -> list[Path]:
        """Those files that are read, of those that were claimed: some tools write the same samples twice."""
        return files

    def logs(self, paths: Sequence[Path], reading: Reading) -> list[Log]:
        """The logs in some files and folders. Raises InputError where a folder holds none."""
        files = self.chosen([file for path in paths for file in self._files(path)])
        groups: dict[tuple[str | None, str | None], dict[Path, About]] = {}
        for file in files:
            about = self.about(file)
            groups.setdefault((about.model, about.task), {})[file] = about
        return [self._log(model, task, found, reading) for (model, task), found in groups.items()]

    def _files(self, path: Path) -> list[Path]:
        if not path.is_dir():
            return [path]  # whoever names a file means it: what is wrong with it is said when it is read
        found = [file for file in files_in(path) if self.claims(Head(file))]
        if not found:
            raise InputError(f"{path}: no log of {self.format} in it or below")
        return found

    def _log(self, model: str | None, task: str | None, found: Mapping[Path, About], reading: Reading) -> Log:
        remarks = Remarks(reading.threshold)
        files, copies = without_copies(list(found))
        by_series: dict[str, list[Path]] = {}
        for file in files:
            by_series.setdefault(found[file].series, []).append(file)
            for note in found[file].notes:
                remarks.say(note)
            if file in copies:
                remarks.say(f"{copies[file].name} has the same content as {file.name}: it is read once")
        ordered = sorted(by_series.items(), key=lambda item: in_order(item[0]))
        return Log(
            format=self.format,
            model=model,
            task=task,
            files=tuple(map(str, files)),
            series=[Series(name, partial(self._series, files, reading, remarks)) for name, files in ordered],
            settings=common_settings([found[file] for file in files], files),
            remarks=remarks,
            unique_questions=self.unique_questions,
        )

    def _series(self, files: Sequence[Path], reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        return chain.from_iterable(self.rows(file, reading, remarks) for file in sorted(files, key=_by_name))


def without_copies(files: Sequence[Path]) -> tuple[list[Path], dict[Path, Path]]:
    """The files without those whose content another has already, and for each that has copies the last of them."""
    sizes: dict[int, list[Path]] = {}
    for file in dict.fromkeys(files):
        sizes.setdefault(file.stat().st_size if file.is_file() else -1, []).append(file)
    first: dict[bytes, Path] = {}
    copies: dict[Path, Path] = {}
    dropped = set()
    for same_size in sizes.values():
        for file in same_size if len(same_size) > 1 and same_size[0].is_file() else ():
            known = first.setdefault(_digest(file), file)
            if known is not file:
                copies[known] = file
                dropped.add(file)
    return [file for file in dict.fromkeys(files) if file not in dropped], copies


def common_settings(abouts: Sequence[About], files: Sequence[Path]) -> dict[str, str]:
    """What several files say of how they were sampled. Raises InputError where they contradict each other."""
    known: dict[str, str] = {}
    where: dict[str, Path] = {}
    for about, file in zip(abouts, files, strict=True):
        for name, value in about.settings.items():
            if known.setdefault(name, value) != value and not name.startswith("reported"):
                raise InputError(
                    f"{file}: {name} is {value}, but {known[name]} in {where[name].name}; import them separately"
                )
            where.setdefault(name, file)
    return known


def in_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts names by the numbers in them: rs2 before rs10."""
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


def _by_name(file: Path) -> tuple[tuple[int, int, str], ...]:
    return in_order(str(file))


def _digest(file: Path) -> bytes:
    digest = blake2b(digest_size=16)
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
