"""The reference study's sample files (arXiv 2504.13837), also Qwen2.5-Math's and SimpleRL-Zoo's.

    <run>/eval_results/<step>/<benchmark>/<split>_<template>_<num>_seed<seed>_t<T>_s<start>_e<end>.jsonl

A row is a problem: idx, question, gt (and often the set's own answer, level, ...), code[n] (the responses), score[n],
and in some finish_reason[n]. The files of a folder are pooled: shards (start, end) by idx, then seeds in increasing
order, joined by idx and never by line. A shard that was started again holds rows of the one before: equal ones count
once. Every seed must hold the same problems with the same questions, and every row as many responses as the others of
its file: a shorter file is a broken run, not a problem with fewer samples. So every file is looked through before its
samples are read.
Settings are read off the file name. `pred` and `report` are left: the text is judged again.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

from move37.errors import InputError
from move37.importers.base import LogImporter
from move37.importers.fields import beside, finish_reason, problem_tags, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, Log, LogRow, Reading, Remarks, Response, Series
from move37.rows import Row, plain_name, stream_rows

_FILE_NAME = re.compile(
    r"(?P<split>[^_]+)_(?P<template>.+)_(?P<num>-?\d+)_seed(?P<seed>\d+)"
    r"_t(?P<temperature>\d+(?:\.\d+)?)_s(?P<start>-?\d+)_e(?P<end>-?\d+)"
)
_OF_THE_RUN = ("split", "template", "num", "temperature")
"""Facts in a file name on which all pooled files must agree."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row that was looked at: where it stands, and digests of its question and of its responses."""

    place: str
    question: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    rows: dict[str, _Seen]
    """By idx."""
    n: int
    facts: Mapping[str, str]
    """What the name says; empty where it is not of the known form."""


@dataclass(frozen=True, slots=True)
class _Seed:
    """The shards of one seed; `rows` are those of all."""

    paths: tuple[Path, ...]
    rows: dict[str, _Seen]
    n: int

    @property
    def path(self) -> Path:
        return self.paths[0]


class PaperImporter(LogImporter):
    format = "paper"

    def claims(self, head: Head) -> bool:
        return head.has("idx", "code") and head.has_any("question", "gt", "answer")

    def logs(self, paths: Sequence[Path], reading: Reading) -> list[Log]:
        """One for each folder; of the folders below a path, the one named after the benchmark if there are several."""
        files = [file for path in paths for file in _find_files(path, reading.benchmark)]
        folders: dict[Path, list[Path]] = {}
        for file in files:
            folders.setdefault(file.parent, []).append(file)
        return [_log(found, reading) for found in folders.values()]


def _find_files(path: Path, benchmark: str | None) -> list[Path]:
    """`path` itself, or the .jsonl files of one folder below it: the one named after the benchmark."""
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.jsonl"))
    if not files:
        raise InputError(f"{path}: no .jsonl file in it or below")
    folders = sorted({file.parent for file in files})
    if len(folders) > 1:
        # Qwen2.5-Math's folder names: minerva_math, olympiadbench, ...
        named = [f for f in folders if f.name == benchmark or f.name.startswith(f"{benchmark}_")]
        folders = named or folders
    if len(folders) > 1:
        listed = ", ".join(str(folder.relative_to(path)) for folder in folders[:4])
        raise InputError(
            f"{path}: files in {len(folders)} folders ({listed}{', ...' if len(folders) > 4 else ''}); "
            "give the one folder that holds this model's samples on this benchmark"
        )
    return [file for file in files if file.parent == folders[0]]


def _log(paths: Sequence[Path], reading: Reading) -> Log:
    files = [_look_through(path) for path in paths]
    facts = _common_facts(files)
    seeds = _pool_shards(files)
    repeats = _repeats(seeds)
    remarks = Remarks(reading.threshold)
    folder = paths[0].parent
    step = folder.parent
    return Log(
        format="paper",
        model=f"{step.parent.parent.name}-{step.name}" if step.parent.name == "eval_results" else None,
        task=folder.name if files[0].facts else None,
        files=tuple(map(str, paths)),
        series=[Series(str(seed.path), partial(_rows, seed, repeats, remarks)) for seed in seeds],
        settings=facts,
        remarks=remarks,
    )


def _look_through(path: Path) -> _File:
    rows: dict[str, _Seen] = {}
    sizes: Counter[int] = Counter()
    for row in stream_rows(path):
        idx, texts = row.identifier("idx"), _responses(row)
        seen = _Seen(row.place, _digest(" ".join(row.text("question").split())), _digest("\0".join(texts)))
        known = rows.setdefault(idx, seen)
        if (known.question, known.content) != (seen.question, seen.content):
            raise row.error(f"idx {idx} stands already at {known.place}")
        if sizes and len(texts) not in sizes:
            usual = next(iter(sizes))
            raise row.error(f"{len(texts)} responses where the rows before have {usual}; the file is not whole")
        sizes[len(texts)] += 1
    match = _FILE_NAME.fullmatch(plain_name(path).removesuffix(".jsonl"))
    return _File(path, rows, next(iter(sizes)), match.groupdict() if match else {})


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _responses(row: Row) -> list[str]:
    """The responses of a row; null is an empty one."""
    responses = row.require("code")
    if not isinstance(responses, list) or not responses or not all(isinstance(t, str | None) for t in responses):
        raise row.error("'code': expected a list of responses, each a text")
    return [text or "" for text in responses]


def _common_facts(files: list[_File]) -> dict[str, str]:
    """What the file names say of the whole run. Raises InputError where two files are of different runs."""
    first = files[0]
    digests: dict[bytes, Path] = {}
    for file in files:
        digest = b"".join(seen.question + seen.content for seen in file.rows.values())
        if digest in digests:
            raise InputError(f"{file.path}: the same content as {digests[digest].name}; remove the copy")
        digests[digest] = file.path
        for fact in _OF_THE_RUN:
            if file.facts.get(fact) != first.facts.get(fact):
                raise InputError(
                    f"{file.path}: {fact} is {file.facts.get(fact, 'not in the name')}, "
                    f"but {first.facts.get(fact, 'not in the name')} in {first.path.name}; import them separately"
                )
    facts = {fact: first.facts[fact] for fact in _OF_THE_RUN if first.facts}
    seeds = sorted({int(file.facts["seed"]) for file in files if file.facts})
    if seeds:
        facts["seeds"] = ", ".join(map(str, seeds))
    return facts | {"files": ", ".join(file.path.name for file in files)}


def _pool_shards(files: list[_File]) -> list[_Seed]:
    """One entry per seed, seeds increasing. Files whose names say no seed count as a seed each, in name order."""
    pooled: dict[tuple[int, str], _Seed] = {}
    for file in files:
        key = (int(file.facts["seed"]), "") if file.facts else (-1, file.path.name)
        known = pooled.get(key)
        if known is None:
            pooled[key] = _Seed((file.path,), file.rows, file.n)
            continue
        twice = [i for i in known.rows.keys() & file.rows.keys() if known.rows[i].content != file.rows[i].content]
        if twice:
            raise InputError(f"{file.path}: idx {min(twice)} of seed {key[0]} stands already in {known.path.name}")
        if file.n != known.n:
            raise InputError(f"{file.path}: {file.n} responses per problem, but {known.n} in {known.path.name}")
        pooled[key] = _Seed((*known.paths, file.path), known.rows | file.rows, known.n)
    return [pooled[key] for key in sorted(pooled)]


def _repeats(seeds: list[_Seed]) -> dict[str, int]:
    """For each idx how many problems up to it, in numerical order, have its question. Raises InputError where one seed
    lacks problems of another, or asks something else under an idx."""
    first = seeds[0]
    for seed in seeds[1:]:
        for one, other in ((first, seed), (seed, first)):
            missing = other.rows.keys() - one.rows.keys()
            if missing:
                raise InputError(
                    f"{one.path}: {len(missing)} problems of {other.path.name} are missing here "
                    f"(idx {min(missing)}); finish that run, or import the whole seeds alone"
                )
        for idx, row in seed.rows.items():
            if row.question != first.rows[idx].question:
                raise InputError(f"{row.place}: idx {idx} has another question than at {first.rows[idx].place}")
    in_order = sorted(first.rows, key=lambda idx: (not idx.isdecimal(), int(idx) if idx.isdecimal() else 0, idx))
    counts: Counter[bytes] = Counter()
    repeats = {}
    for idx in in_order:
        question = first.rows[idx].question
        counts[question] += 1
        repeats[idx] = counts[question]
    return repeats


def _rows(seed: _Seed, repeats: Mapping[str, int], remarks: Remarks) -> Iterator[LogRow]:
    for path in seed.paths:
        for row in stream_rows(path):
            texts = _responses(row)
            scores, reasons = beside(row, "score", len(texts)), beside(row, "finish_reason", len(texts))
            responses = tuple(
                Response(text, finish_reason(row, reason, remarks), scores=tool_verdicts({"score": score}, remarks))
                for text, score, reason in zip(texts, scores, reasons, strict=True)
            )
            yield LogRow(_asked(row, repeats), responses, row, first=0)


def _asked(row: Row, repeats: Mapping[str, int]) -> Asked:
    """The set's own answer where the row has one as text, else gt.

    gt is the tool's normal form and at times mangled: "4:30 p.m." became "4:30p..", which a maths parser reads as 4.
    In GSM8K's rows the answer is the whole solution, and the gold stands after ####.
    """
    own = row.find("answer")
    gold = row.answer("answer").rpartition("####")[2].strip() if isinstance(own, str) else row.answer("gt")
    idx = row.identifier("idx")
    return Asked(idx, row.text("question"), (gold,), tags=problem_tags(row), repeat=repeats[idx])
