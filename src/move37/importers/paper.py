"""The reference study's sample files (arXiv 2504.13837), also Qwen2.5-Math's and SimpleRL-Zoo's.

    <run>/eval_results/<step>/<benchmark>/<split>_<template>_<num>_seed<seed>_t<T>_s<start>_e<end>.jsonl

A row is a problem: idx, question, gt (and often the set's own answer, level, ...), code[n] (the responses), score[n],
and in some finish_reason[n]. The files of a folder are pooled: shards (start, end) by idx, then seeds in increasing
order, joined by idx and never by line. Every seed must hold the same problems with the same questions, and every row
as many responses as the others of its file: a shorter file is a broken run, not a problem with fewer samples.
Settings are read off the file name. `pred` and `report` are left: the text is judged again.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.identity import content_id, number_repeats
from move37.importers import MATH, Imported
from move37.importers.fields import finish_reason, problem_tags, reported_score
from move37.rows import Row, read_rows
from move37.types import Problem, Sample

_FILE_NAME = re.compile(
    r"(?P<split>[^_]+)_(?P<template>.+)_(?P<num>-?\d+)_seed(?P<seed>\d+)"
    r"_t(?P<temperature>\d+(?:\.\d+)?)_s(?P<start>-?\d+)_e(?P<end>-?\d+)"
)
_OF_THE_RUN = ("split", "template", "num", "temperature")
"""Facts in a file name on which all pooled files must agree."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    rows: dict[str, Row]
    """By idx."""
    n: int
    facts: Mapping[str, str]
    """What the name says; empty where it is not of the known form."""


class PaperImporter:
    def load(self, path: Path, model: str, benchmark: str) -> Imported:
        """One file, or all files of a run's folder for `benchmark`. Raises InputError with the file and the row."""
        files = [_read(file) for file in _find_files(path, benchmark)]
        facts = _common_facts(files)
        seeds = _pool_shards(files)
        order = _common_problems(seeds)
        problems = number_repeats(_problem(seeds[0].rows[idx], benchmark) for idx in order)
        samples: list[Sample] = []
        reported: dict[tuple[str, int], bool] = {}
        for idx, problem in zip(order, problems, strict=True):
            offset = 0
            for seed in seeds:
                _add_samples(seed.rows[idx], problem.id, offset, samples, reported)
                offset += seed.n
        return Imported(problems, tuple(samples), reported, facts)


def _find_files(path: Path, benchmark: str) -> list[Path]:
    """`path` itself, or the .jsonl files of one folder below it: the one named after the benchmark."""
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.jsonl"))
    if not files:
        raise InputError(f"{path}: no .jsonl file in it or below")
    folders = sorted({file.parent for file in files})
    if len(folders) > 1:
        # Qwen2.5-Math's folder names: minerva_math, olympiadbench, ...
        folders = [f for f in folders if f.name == benchmark or f.name.startswith(f"{benchmark}_")] or folders
    if len(folders) > 1:
        listed = ", ".join(str(folder.relative_to(path)) for folder in folders[:4])
        raise InputError(
            f"{path}: files in {len(folders)} folders ({listed}{', ...' if len(folders) > 4 else ''}); "
            "give the one folder that holds this model's samples on this benchmark"
        )
    return [file for file in files if file.parent == folders[0]]


def _read(path: Path) -> _File:
    rows: dict[str, Row] = {}
    sizes: Counter[int] = Counter()
    for row in read_rows(path):
        idx = row.identifier("idx")
        if idx in rows:
            raise row.error(f"idx {idx} stands already at {rows[idx].place}")
        rows[idx] = row
        size = len(_responses(row))
        if sizes and size not in sizes:
            raise row.error(f"{size} responses where the rows before have {next(iter(sizes))}; the file is not whole")
        sizes[size] += 1
    match = _FILE_NAME.fullmatch(path.name.removesuffix(".jsonl"))
    return _File(path, rows, next(iter(sizes)), match.groupdict() if match else {})


def _responses(row: Row) -> list[str]:
    responses = row.require("code")
    if not isinstance(responses, list) or not responses or not all(isinstance(text, str) for text in responses):
        raise row.error("'code': expected a list of responses, each a text")
    return responses


def _common_facts(files: list[_File]) -> dict[str, str]:
    """What the file names say of the whole run. Raises InputError where two files are of different runs."""
    first = files[0]
    digests: dict[bytes, Path] = {}
    for file in files:
        digest = blake2b(file.path.read_bytes()).digest()
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


def _pool_shards(files: list[_File]) -> list[_File]:
    """One entry per seed, seeds increasing. Files whose names say no seed count as a seed each, in name order."""
    pooled: dict[tuple[int, str], _File] = {}
    for file in files:
        key = (int(file.facts["seed"]), "") if file.facts else (-1, file.path.name)
        known = pooled.setdefault(key, file)
        if known is file:
            continue
        twice = known.rows.keys() & file.rows.keys()
        if twice:
            raise InputError(f"{file.path}: idx {min(twice)} of seed {key[0]} stands already in {known.path.name}")
        if file.n != known.n:
            raise InputError(f"{file.path}: {file.n} responses per problem, but {known.n} in {known.path.name}")
        pooled[key] = _File(known.path, known.rows | file.rows, known.n, known.facts)
    return [pooled[key] for key in sorted(pooled)]


def _common_problems(seeds: list[_File]) -> list[str]:
    """The idx that all seeds hold, numbers in numerical order. Raises InputError where one seed lacks some."""
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
            if row.text("question").split() != first.rows[idx].text("question").split():
                raise row.error(f"idx {idx} has another question than at {first.rows[idx].place}")
    return sorted(first.rows, key=lambda idx: (not idx.isdigit(), int(idx) if idx.isdigit() else 0, idx))


def _problem(row: Row, benchmark: str) -> Problem:
    """The set's own answer where the row has one as text, else gt.

    gt is the tool's normal form and at times mangled: "4:30 p.m." became "4:30p..", which a maths parser reads as 4.
    In GSM8K's rows the answer is the whole solution, and the gold stands after ####.
    """
    own = row.find("answer")
    gold = row.answer("answer").rpartition("####")[2].strip() if isinstance(own, str) else row.answer("gt")
    question = row.text("question")
    return Problem(
        id=content_id(benchmark, question),
        question=question.strip(),
        references=(gold,),
        benchmark=benchmark,
        verifier=MATH,
        tags=problem_tags(row),
    )


def _add_samples(
    row: Row, problem_id: str, offset: int, samples: list[Sample], reported: dict[tuple[str, int], bool]
) -> None:
    """Take the responses of one row as the samples from index `offset` on."""
    texts = _responses(row)
    scores, reasons = _beside(row, "score", len(texts)), _beside(row, "finish_reason", len(texts))
    for index, (text, score, reason) in enumerate(zip(texts, scores, reasons, strict=True), start=offset):
        samples.append(Sample(problem_id, index, text, finish_reason(row, reason)))
        if score is not None:
            reported[problem_id, index] = reported_score(row, score)


def _beside(row: Row, field: str, n: int) -> list[Any]:
    """A list that runs parallel to the responses; all None where the row has none."""
    values = row.find(field)
    if values is None:
        return [None] * n
    if not isinstance(values, list) or len(values) != n:
        found = f"{len(values)} entries" if isinstance(values, list) else "no list"
        raise row.error(f"{field!r}: {found} for {n} responses")
    return values
