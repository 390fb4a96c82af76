"""Accuracy split into format and content: parts add up, known worlds come out, and a run says what it found."""

import json
from pathlib import Path

import numpy as np
import pytest

from move37 import pipeline
from move37.analyses.details import ModelData
from move37.analyses.findings import find
from move37.analyses.format_split import format_difference, format_share
from move37.counts import Tally
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.settings import BandSettings, Design
from move37.evidence import RunEvidence
from move37.imports import import_samples
from move37.report.sections import section_lines
from move37.store import RunStore
from tests.test_analyses_gains_losses import tally

Pair = tuple[Tally, Tally]


def world(model: str, found: float, right: float, problems: int = 300, n: int = 32, seed: int = 1) -> Pair:
    """Counts of all samples and of those with an answer."""
    rng = np.random.default_rng(seed)
    answered = rng.binomial(n, np.full(problems, found))
    correct = rng.binomial(answered, right)
    with_answer = tally(model, correct.tolist(), n)
    zeros = np.zeros(problems, dtype=np.int64)
    return with_answer, Tally(model, with_answer.problem_ids, correct, answered - correct, zeros, zeros)


def test_rl_that_only_learns_the_format_gains_by_format_alone() -> None:
    found = format_difference(world("base", 0.5, 0.6), world("rl", 1.0, 0.6, seed=2))
    assert found.format == pytest.approx(0.3, abs=0.01)
    assert found.content == pytest.approx(0.0, abs=0.01)
    assert found.content_interval[0] < 0 < found.content_interval[1]
    assert found.format_interval[0] > 0.28
    assert found.format + found.content == pytest.approx(found.total, abs=1e-12)


def test_rl_that_learns_to_solve_gains_by_content() -> None:
    found = format_difference(world("base", 0.8, 0.3), world("rl", 0.8, 0.5, seed=2))
    assert found.format == pytest.approx(0.0, abs=0.01)
    assert found.content == pytest.approx(0.16, abs=0.01)
    whole = np.mean(world("rl", 0.8, 0.5, seed=2)[0].correct - world("base", 0.8, 0.3)[0].correct) / 32
    assert found.total == pytest.approx(whole, abs=1e-12)


def test_a_model_that_never_says_an_answer_differs_by_format() -> None:
    base, rl = world("base", 0.0, 0.5, 40), world("rl", 1.0, 0.5, 40)
    found = format_difference(base, rl)
    assert found.content == 0
    assert found.format == pytest.approx(found.total)
    nothing = format_difference(base, (tally("rl", [0] * 40, 32), base[1]))
    assert (nothing.total, nothing.format, nothing.content) == (0, 0, 0)
    share = format_share(*base)
    assert share is not None
    assert (share.found, share.problems_without, share.k.size) == (0, 40, 0)
    assert np.isnan(share.right_when_found)


def test_pass_at_k_among_found_is_that_of_those_samples() -> None:
    everything, found = world("m", 0.6, 0.2, 50)
    share = format_share(everything, found)
    assert share is not None
    k = len(share.k)
    assert k == int(found.n[found.n > 0].min())
    assert share.among_found == pytest.approx(pass_at_k_rows(found.select(found.n > 0), k).mean(axis=0), abs=1e-12)
    assert share.among_found[0] > share.all_samples[0]
    assert format_share(everything, everything) is None


def test_doubling_every_problem_under_one_cluster_changes_no_interval() -> None:
    base, rl = world("base", 0.5, 0.6, 60), world("rl", 0.9, 0.6, 60, seed=2)
    once = format_difference(base, rl)
    rows = np.repeat(np.arange(60), 2)

    def twice(each: Tally) -> Tally:
        chosen = each.select(rows)
        names = tuple(f"{name}{copy}" for name, copy in zip(chosen.problem_ids, "ab" * 60, strict=True))
        return Tally(each.model, names, chosen.correct, chosen.incorrect, chosen.unscored, chosen.truncated)

    again = format_difference(
        (twice(base[0]), twice(base[1])), (twice(rl[0]), twice(rl[1])), 0.95, Design(clusters=rows)
    )
    assert again.format_interval == pytest.approx(once.format_interval, abs=1e-9)


def test_findings_and_report_have_it() -> None:
    known = [
        ModelData(each[0], with_answer=each[1]) for each in (world("base", 0.5, 0.6), world("rl", 1.0, 0.6, seed=2))
    ]
    findings = find(known, BandSettings(draws=2_000))
    assert findings.models[1].format is None  # every sample has an answer
    said = next(line for line in section_lines(findings) if line.startswith("Format and content: "))
    assert "An answer is found in 49." in said or "An answer is found in 50." in said
    assert "are answers that are found" in said


@pytest.mark.slow
def test_a_run_counts_samples_in_which_no_answer_is_found(tmp_path: Path) -> None:
    """Imported responses, of which every other one of base says nothing."""
    for model, rest in (("base", "Let me think."), ("rl", "So it is \\boxed{5}.")):
        path = tmp_path / f"{model}.jsonl"
        texts = ["The answer is \\boxed{4}.", rest] * 4
        rows = [
            {"question": f"What is {i} + {4 - i}?", "answer": "4", "response": text} for i in range(4) for text in texts
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        import_samples("jsonl", path, model, "math", tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    pipeline.verify_run(store)
    evidence = RunEvidence(store)
    found = evidence.tally_with_answer("base")
    assert found is not None
    assert (found.n.tolist(), found.correct.tolist()) == ([4] * 4, [4] * 4)
    findings = pipeline.analyse_run(store)
    base, rl = (model.format for model in findings.models)
    assert rl is None
    assert base is not None
    assert (base.found, base.right_when_found, base.accuracy) == (0.5, 1.0, 0.5)
    split = findings.pairs[0].format
    assert split is not None
    assert (split.total, split.format, split.content) == (0.0, 0.375, -0.375)
