"""CoT-pass@k: a real reader of chains, its calibration on corrupted ones, and what a run says of both."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from move37 import pipeline
from move37.analyses.chains import ChainCounts, ChainErrors, chain_curve
from move37.cli import app
from move37.config import StudyConfig
from move37.corrupted_chains import CLEAN, CORRUPTIONS, chain_attempts
from move37.estimates.rows import pass_at_k_rows
from move37.evidence import RunEvidence
from move37.imports import import_samples
from move37.report.sections import section_lines
from move37.second_looks import chain_counts
from move37.store import RunStore
from move37.types import Problem
from move37.verifiers.extraction import answers
from tests.test_analyses_gains_losses import tally

GRADER = '''
import re


def grade(problem, text):
    """Every line "a + b = c" of the chain has to be true, and there has to be one."""
    sums = re.findall(r"(\\d+) \\+ (\\d+) = (\\d+)", text)
    return bool(sums) and all(int(a) + int(b) == int(c) for a, b, c in sums)
'''
CHAIN = "First {a} + {a} = {twice}.\nThen {twice} + {b} = {sum}.\nThe answer is \\boxed{{{sum}}}."
BROKEN = "I guess that 1 + 1 = 3.\nSo that is it.\nThe answer is \\boxed{{{sum}}}."
WRONG = "First {a} + {a} = {twice}.\nThe answer is \\boxed{{0}}."


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """Eight problems; of base's eight samples two are right with a valid chain, two with a broken one; RL has six."""
    folder = tmp_path_factory.mktemp("chains")
    (folder / "grader.py").write_text(GRADER)
    for model, shares in (("base", (2, 2, 4)), ("rl", (6, 1, 1))):
        rows = []
        for i in range(8):
            named = {"a": i + 3, "b": i + 20, "twice": 2 * i + 6, "sum": 3 * i + 26}
            texts = [t.format(**named) for t, n in zip((CHAIN, BROKEN, WRONG), shares, strict=True) for _ in range(n)]
            question = f"What is {i + 3} + {i + 3} + {i + 20}?"
            rows += [{"question": question, "answer": str(3 * i + 26), "response": text} for text in texts]
        path = folder / f"{model}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        import_samples("jsonl", path, model, "math", folder / "run")
    store = RunStore.open(folder / "run")
    pipeline.compare_verifiers(store, "math", f"{folder / 'grader.py'}:grade")
    study = store.study()
    named = study.model_copy(update={"analysis": study.analysis.model_copy(update={"chain_judge": "function"})})
    assert isinstance(named, StudyConfig)
    with store.writing():
        store.adopt(named)
    return store


@pytest.mark.slow
def test_a_run_counts_right_answers_by_what_the_judge_says_of_their_chains(run: RunStore) -> None:
    found = chain_counts(RunEvidence(run), "base", None)
    assert found is not None
    assert found.counts.tolist() == [[4] * 8, [2] * 8, [2] * 8]
    assert not found.unjudged.any()
    curve = pipeline.analyse_run(run).models[0].chains
    assert curve is not None
    assert (curve.answers[0], curve.accepted[0]) == (pytest.approx(0.5), pytest.approx(0.25))
    assert curve.sensitivity is None


@pytest.mark.slow
def test_the_judge_is_calibrated_on_corrupted_chains_and_the_curve_corrected(run: RunStore) -> None:
    name = f"{run.folder.parent / 'grader.py'}:grade"
    done = CliRunner().invoke(app, ["calibrate", str(run.folder), "--chains", "--verifier", name, "--json"])
    figures = json.loads(done.stdout)
    assert figures["ok"]
    # One right response of each problem and model: a valid chain each.
    assert (figures["clean"]["accepted"], figures["clean"]["scored"]) == (16, 16)
    by_kind = {rate["kind"]: rate for rate in figures["by_kind"]}
    assert by_kind["changed number"]["share"] < 0.2
    assert by_kind["dropped step"]["share"] == 1.0  # sums that are true one by one: this reader cannot tell
    findings = pipeline.analyse_run(run)
    curve = findings.models[0].chains
    assert curve is not None
    assert curve.false_accepts is not None
    assert any(line.startswith("With a chain that a judge accepts: base: pass@8") for line in section_lines(findings))


def test_corruptions_leave_the_answer_alone_and_break_the_reasoning() -> None:
    problem = Problem("p", "What is 3 + 3 + 20?", ("26",), "b", "math")
    text = CHAIN.format(a=3, b=20, twice=6, sum=26)
    for seed in range(20):
        found = chain_attempts([(problem, text)], seed)
        assert [each.kind for each in found] == [CLEAN, *CORRUPTIONS]
        for each in found:
            assert next(answers(each.answer)) == "26"
            assert each.answer.endswith("The answer is \\boxed{26}.")
            assert (each.answer == text) is each.right
    assert chain_attempts([(problem, text)], 1) == chain_attempts([(problem, text)], 1)
    assert [each.kind for each in chain_attempts([(problem, "\\boxed{26}")])] == [CLEAN]


# -- the curve -------------------------------------------------------------------------------------------------------


def counts(shares: tuple[float, float, float], problems: int = 1600, n: int = 16) -> ChainCounts:
    drawn = np.random.default_rng(0).multinomial(n, shares, problems).T.astype(np.int64)
    return ChainCounts("judge@1", drawn, np.zeros(problems, dtype=np.int64))


def test_the_corrected_curve_finds_the_truth_behind_a_judge_that_errs() -> None:
    right, valid, s, f = 0.4, 0.5, 0.9, 0.3
    accept = valid * s + (1 - valid) * f
    found = counts((1 - right, right * (1 - accept), right * accept))
    curve = chain_curve("m", found, ChainErrors("judge@1", (9000, 10_000), (3000, 10_000)))
    assert curve is not None
    assert curve.corrected is not None
    assert curve.lower is not None
    assert curve.upper is not None
    for k in (1, 4):
        truth = 1 - (1 - right * valid) ** k
        assert curve.corrected[k - 1] == pytest.approx(truth, abs=0.03)
        assert curve.lower[k - 1] < curve.corrected[k - 1] < curve.upper[k - 1]
    assert curve.accepted[0] == pytest.approx(right * accept, abs=0.01)


def test_a_judge_that_cannot_tell_corrects_nothing_and_says_so() -> None:
    curve = chain_curve("m", counts((0.5, 0.2, 0.3)), ChainErrors("judge@1", (18, 20), (16, 20)))
    assert curve is not None
    assert curve.corrected is None
    assert "as often as clean ones" in curve.note
    other = chain_curve("m", counts((0.5, 0.2, 0.3)), ChainErrors("judge@2", (20, 20), (0, 20)))
    assert other is not None
    assert (other.corrected, other.sensitivity, other.note) == (None, None, "")


def test_what_the_judge_left_unjudged_is_a_bracket() -> None:
    found = counts((0.5, 0.2, 0.3), 50)
    open_ = ChainCounts("judge@1", found.counts - np.minimum(found.counts, [[0], [0], [1]]), (found.counts[2] > 0) * 1)
    curve = chain_curve("m", open_)
    whole = chain_curve("m", found)
    assert curve is not None
    assert whole is not None
    assert curve.accepted_upper == pytest.approx(whole.accepted)
    assert (curve.accepted <= whole.accepted).all()
    assert curve.answers == pytest.approx(whole.answers)


def test_pass_at_k_by_answers_is_that_of_the_tally() -> None:
    found = counts((0.5, 0.2, 0.3), 50)
    curve = chain_curve("m", found)
    assert curve is not None
    right = (found.counts[1] + found.counts[2]).tolist()
    assert curve.answers == pytest.approx(pass_at_k_rows(tally("m", right, 16)).mean(axis=0))
