"""One name, one number: every number of a page is collected by its name, over runs that could tempt it to have two.

The runs are written as samples and verdicts, so that all of the road from the store to the page is walked: fixed n and
early stopping, unscored and truncated samples, imports that do not say how a sample ended, two graders, several models.
A page is made of tables, claims and pictures; its CSV files hold the same numbers in full. Two numbers of one name must
be equal to the last digit that is shown.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from move37 import pipeline
from move37.analyses import Findings
from move37.config import load_study
from move37.evidence import RunEvidence
from move37.provenance import run_context
from move37.report import ReportContext
from move37.report.drawing import Figure
from move37.report.exports import csv_files
from move37.report.figures import figures_of
from move37.report.page import content_of
from move37.report.sections import FurtherSections
from move37.report.tables import Estimated, Table
from move37.report.words import unnamed
from move37.report.words.claim import Claim
from move37.store import RunStore
from move37.types import FinishReason, Outcome, Sample, Verdict
from move37.verifiers import label_of
from move37.verifiers.options import make_verifier
from tests.studies import sums_study

Name = tuple[str, str]
"""What the number is, and of which model or pair."""
Number = tuple[float, float, str]
"""A value, half of the unit of its last digit, and where it stands."""

RUNS = [(seed, seed % 2 == 0, seed % 4 > 1, 3 if seed in (5, 12) else 2) for seed in range(20)]
"""(seed, stopped early, an import that says little, models)."""


def constructed(folder: Path, seed: int, early: bool, silent: bool, models: int) -> RunStore:
    """A run of 12 sums. `silent`: as of an import that does not say how a sample ended, nor its tokens."""
    rng, n = np.random.default_rng(seed), 32
    folder.mkdir(exist_ok=True)
    path = sums_study(folder, n=n, problems=12, stop="{ successes = 3, batch = 8 }" if early else "{ successes = 0 }")
    text = path.read_text().replace("draws = 2000", "draws = 1000")
    if models == 3:
        text = text.replace("[analysis]", '[models.other]\npath = "x"\nengine = "scripted"\n\n[analysis]')
    path.write_text(text)
    store = pipeline.start_run(load_study(path), folder / "run")
    label = label_of(make_verifier("math"))
    problems = [problem.id for problem in store.problems()]
    spread, unscored = rng.uniform(0.2, 2), (0.05 if seed % 3 == 0 else 0.0)
    with store.writing():
        for model in store.study().models:
            chances = rng.beta(0.7 * spread, spread, len(problems))
            with store.appending_samples(model) as samples:
                second = "graders@1" if seed % 5 == 0 else None
                writers = [store.appending_verdicts(each, model, samples) for each in (label, second) if each]
                opened = [each.__enter__() for each in writers]
                for problem, chance in zip(problems, chances, strict=True):
                    for index, right in enumerate(drawn(rng, chance, n, early)):
                        cut = not right and rng.random() < 0.2
                        finish = FinishReason.UNKNOWN if silent else FinishReason.LENGTH if cut else FinishReason.STOP
                        tokens = None if silent else int(rng.integers(5, 50)) + 30 * cut
                        sample = Sample(problem, index, f"{rng.integers(9)}", finish, tokens)
                        samples.add(sample)
                        outcome = Outcome.CORRECT if right else Outcome.INCORRECT
                        # Under a plan an unscored sample would move the looks.
                        outcome = Outcome.UNSCORED if not early and rng.random() < unscored else outcome
                        answer = "right" if right else [None, "a", "b"][rng.integers(3)]
                        opened[0].add(sample, Verdict(outcome, f"because it is {outcome.value}", answer))
                        if second:
                            flipped = Outcome.CORRECT if rng.random() < 0.5 else Outcome.INCORRECT
                            opened[1].add(sample, Verdict(flipped, "so", answer))
                for each in writers:
                    each.__exit__(None, None, None)
        store.set_current_labels({"math": label})
    return store


def drawn(rng: np.random.Generator, chance: float, n: int, early: bool) -> list[bool]:
    """n samples, or those up to the stop at 3 right ones, looking every 8."""
    right = (rng.random(n) < chance).tolist()
    used = next((look for look in range(8, n + 1, 8) if sum(right[:look]) >= 3), n) if early else n
    return right[:used]


# -- collecting ------------------------------------------------------------------------------------------------------


def numbers_of(findings: Findings, context: ReportContext) -> dict[Name, list[Number]]:
    """Every number of the page and of its CSV files, by its name."""
    figures = figures_of(findings)
    content = content_of(findings, context, figures, [])
    models = [curve.model for curve in findings.curves]
    found: dict[Name, list[Number]] = defaultdict(list)
    for path, part in walked(content, "page"):
        if isinstance(part, Table):
            comparison = re.search(r"comparisons\[(\d)\]", path)
            for name, number in of_table(part, models, f"comparison {comparison[1]}, " if comparison else ""):
                found[name].append((*number, f"{path}: {part.caption}"))
        else:
            for name, number in of_text(unnamed(part), models):
                found[name].append((*number, f"{path}: {part}"))
    for name, value, where in of_csv(csv_files(findings, context.settings)):
        found[name].append((value, 1e-9, where))
    return found


def walked(part: Any, path: str) -> Iterator[tuple[str, Table | str]]:
    """All tables and all sentences below `part`; the findings themselves are no part of the page."""
    if isinstance(part, Findings | ReportContext):
        return
    if isinstance(part, Table):
        yield path, part
        for note in part.notes:
            yield path, note
    elif isinstance(part, Claim):
        yield path, part.text
    elif isinstance(part, str):
        yield path, part
    elif is_dataclass(part) and not isinstance(part, type):
        shown_elsewhere = {FurtherSections: ("pairs", "variety"), Figure: ("spec",)}.get(type(part), ())
        for field in fields(part):
            if field.name in shown_elsewhere:
                continue
            yield from walked(getattr(part, field.name), f"{path}.{field.name}")
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from walked(value, f"{path}.{key}")
    elif isinstance(part, list | tuple):
        for i, value in enumerate(part):
            yield from walked(value, f"{path}[{i}]")


def of_table(table: Table, models: list[str], section: str) -> Iterator[tuple[Name, tuple[float, float]]]:
    """A table of k names its numbers in the caption, one of models in the header, every other one in its rows.

    What is no measure is known by the caption as well: rows of two tables may be called alike.
    """
    by_k = table.header[0] == "k"
    what = re.split(r" with | in |, | of ", table.caption)[0]
    pairs = re.search(r"(\S+) minus (\S+)", table.caption)
    labels = [str(row[0]) for row in table.rows]
    for row, label in zip(table.rows, labels, strict=True):
        once = labels.count(label) == 1
        for column, cell in zip(table.header[1:], row[1:], strict=True):
            number = read(str(cell.value if isinstance(cell, Estimated) else cell))
            if number is None:
                continue
            of_pair = " minus ".join(pairs.groups()) if pairs and column == "difference" else ""
            if by_k and (of_pair or what.startswith("pass@k")):
                yield (f"pass@{label}", of_pair or column), number
            elif re.match(MEASURE, label):
                yield (plain_name(label), of_pair or column), number
            elif re.match(MEASURE, column) and label in models and once:
                yield (plain_name(column), label), number
            else:
                named = label if once else f"{label}, {', '.join(map(str, row[1:3]))}"
                yield (f"{section}{table.caption}: {named}", column), number


MEASURE = r"(pass|avg|G-Pass|maj|AUC|AUC_log|Cover|Bayes)[@^_]|accuracy$|correct share"


def plain_name(quantity: str) -> str:
    """Names that say the same: avg@n and accuracy are pass@1, unless they say of which samples they are."""
    quantity = quantity.removesuffix(", these problems")
    return "pass@1" if quantity in ("avg@n", "accuracy", "avg@1") else quantity


SENTENCES = [
    (r"[Ww]ith (one try|[\d,]+ tries) (\S+) solves ({n})% of the problems and (\S+) ({n})% \(({d}) points", "size"),
    (r"(\S+): ({n})% at k = (\d+), ({n})% at k = (\d+)", "alt"),
    (r"For one try, ({d}) points", "one try"),
    (r"([\d,]+) problems? (?:was |were )?solved by (\S+) alone", "alone"),
    (r"(\S+) alone solved ([\d,]+) problems?", "alone turned"),
    (r"of the ([\d,]+) problems? that (\S+) alone solved", "alone"),
    (r"pass@1 is ({n})%", "pass@1"),
]
NUMBER, SIGNED = r"\d+(?:\.\d+)?", r"[+−]?\d+(?:\.\d+)?"


def of_text(text: str, models: list[str]) -> Iterator[tuple[Name, tuple[float, float]]]:
    """What sentences say of the same numbers."""
    base, *others = models
    for pattern, kind in SENTENCES:
        for match in re.finditer(pattern.replace("{n}", NUMBER).replace("{d}", SIGNED), text):
            g = match.groups()
            if kind == "size":
                k = 1 if g[0] == "one try" else int(g[0].split()[0].replace(",", ""))
                yield (f"pass@{k}", g[1]), number_in(g[2])
                yield (f"pass@{k}", g[3]), number_in(g[4])
                yield (f"pass@{k}", f"{g[1]} minus {g[3]}"), number_in(g[5])
            elif kind == "alt" and g[0] in models:
                yield (f"pass@{g[2]}", g[0]), number_in(g[1])
                yield (f"pass@{g[4]}", g[0]), number_in(g[3])
            elif kind == "one try" and len(others) == 1:
                yield ("pass@1", f"{others[0]} minus {base}"), number_in(g[0])
            elif kind.startswith("alone") and len(others) == 1:
                count, model = g if kind == "alone" else g[::-1]
                if model in models:
                    yield ("solved alone", model), (float(count.replace(",", "")), 1e-9)
            elif kind == "pass@1" and len(models) == 1:
                yield ("pass@1", base), number_in(g[0])


def of_csv(files: dict[str, str]) -> Iterator[tuple[Name, float, str]]:
    """The same numbers in full, in percent."""

    def rows(name: str) -> Iterator[dict[str, str]]:
        return csv.DictReader(io.StringIO(files.get(name, "")))

    for row in rows("curves.csv"):
        yield (f"pass@{row['k']}", row["model"]), 100 * float(row["pass_at_k"]), "curves.csv"
    for row in rows("outcomes.csv"):
        if row["accuracy"]:
            yield ("pass@1", row["model"]), 100 * float(row["accuracy"]), "outcomes.csv"
    for row in rows("difference.csv"):
        yield (f"pass@{row['k']}", f"{row['rl']} minus {row['base']}"), 100 * float(row["mean"]), "difference.csv"
    for name in ("reliability.csv", "measures.csv"):
        for row in rows(name):
            of = row["model"] if "model" in row else f"{row['rl']} minus {row['base']}"
            measure = row["measure"].replace("@k", f"@{row['k']}").replace("^k", f"^{row['k']}")
            first = f", first {row['first']} samples" if row["first"] else ""
            yield (plain_name(f"{measure}{first}"), of), 100 * float(row["value"]), name
    for row in rows("solvable.csv"):
        if len([*rows("solvable.csv")]) == 1:
            yield ("solved alone", row["base"]), float(row["base_only"]), "solvable.csv"
            yield ("solved alone", row["rl"]), float(row["rl_only"]), "solvable.csv"


def read(text: str) -> tuple[float, float] | None:
    """A single number, in percent, points or none, with half of the unit of its last digit; None for anything else."""
    match = re.fullmatch(rf"({SIGNED})%?", text.replace(",", ""))
    return None if match is None else number_in(match[1])


def number_in(text: str) -> tuple[float, float]:
    digits = len(text.partition(".")[2])
    return float(text.replace("−", "-").replace("+", "")), 0.5 * 10.0**-digits


def contradictions(found: dict[Name, list[Number]]) -> list[str]:
    """Names with two values that no rounding explains."""
    wrong = []
    for name, numbers in found.items():
        best = min(numbers, key=lambda each: each[1])
        wrong += [
            f"{name}: {each[0]:g} in {each[2][:90]}; {best[0]:g} in {best[2][:90]}"
            for each in numbers
            if abs(each[0] - best[0]) > each[1] + best[1] + 1e-9
        ]
    return wrong


# -- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "early", "silent", "models"), RUNS)
def test_every_name_on_a_page_has_one_value(tmp_path: Path, seed: int, early: bool, silent: bool, models: int) -> None:
    store = constructed(tmp_path, seed, early, silent, models)
    found = numbers_of(pipeline.analyse_run(store), run_context(store))
    assert contradictions(found) == []
    # What is compared: pass@1 alone stands in the curve, its table, the audit, the answers and the measures.
    assert len(found["pass@1", "base"]) >= 6
    assert len(found["pass@1", "rl minus base"]) >= 3
    assert models > 2 or len(found["solved alone", "rl"]) >= 2
    assert sum(len(numbers) > 1 for numbers in found.values()) > 20


@pytest.mark.slow
def test_a_number_from_another_estimator_is_found(tmp_path: Path) -> None:
    """What stood on the page before: the plain share of the first samples under the name of pass@1."""
    store = constructed(tmp_path, 4, early=True, silent=False, models=2)
    findings = pipeline.analyse_run(store)
    first = RunEvidence(store).fixed_tally("base", 8)
    plain = float(first.correct.sum() / first.n.sum())
    assert findings.audits[0].accuracy is not None
    assert abs(plain - findings.audits[0].accuracy) > 0.001
    bent = (replace(findings.audits[0], accuracy=plain), *findings.audits[1:])
    assert contradictions(numbers_of(replace(findings, audits=bent), run_context(store)))


def test_what_an_import_does_not_say_is_not_zero(tmp_path: Path) -> None:
    findings = pipeline.analyse_run(constructed(tmp_path, 2, early=False, silent=True, models=2))
    audit = findings.audits[0]
    assert (audit.truncated, audit.correct_among_truncated, audit.mean_tokens) == (None, None, None)
    assert audit.accuracy_not_truncated is None
    assert findings.models[0].finished is None
    (row,) = [row for row in content_of(findings, CONTEXT, [], [])["outcomes"].rows if "truncated at" in str(row[0])]
    assert [str(cell) for cell in row[1:]] == ["–", "–"]


CONTEXT = ReportContext("a study", "", (), (), "move37 report runs/a")
