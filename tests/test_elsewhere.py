"""Our verdict within other tools, run by the tools themselves in environments of their own (`scripts/peers`)."""

import asyncio
from pathlib import Path

import pytest

from move37.elsewhere.verifiers import judged
from move37.errors import VerifierError
from tests.peer_environments import run_in

peer = [pytest.mark.peer, pytest.mark.slow]


@pytest.mark.parametrize("tool", [pytest.param("lm-eval", marks=peer)])
def test_lm_eval_judges_every_repeat_and_leaves_unscored_out(tool: str, tmp_path: Path) -> None:
    # Three documents with 4 repeats each: 2 of 4 right, 0 of 4, and one without a reference (unscored).
    found = run_in(tool, "lm_eval_judge.py", str(tmp_path), HF_HOME=str(tmp_path / "hub"))
    results = {name.partition(",")[0]: value for name, value in found["results"].items()}
    assert (results["pass@1"], results["pass@n"], results["unscored"]) == (0.25, 0.5, pytest.approx(1 / 3))
    assert found["samples"]["half of 1?"] == [["correct", "incorrect", "correct", "incorrect"]]


@pytest.mark.parametrize("tool", [pytest.param("inspect", marks=peer)])
def test_inspect_scores_and_its_means_skip_what_is_unscored(tool: str, tmp_path: Path) -> None:
    found = run_in(tool, "inspect_judge.py", str(tmp_path))
    assert found["status"] == "success"
    assert found["values"] == {"half of 1?": ["C"], "1+1?": ["I"], "no reference": [None]}
    assert found["metrics"]["mean/accuracy"] == 0.5  # of the two that have a verdict


@pytest.mark.parametrize("tool", [pytest.param("lighteval", marks=peer)])
def test_lighteval_gets_pass_at_k(tool: str) -> None:
    # 2 of 4 and 0 of 4: pass@1 .5 and 0, pass@4 1 and 0.
    found = run_in(tool, "lighteval_judge.py")
    assert found["rows"] == [{"move37_pass@1": 0.5, "move37_pass@4": 1.0}, {"move37_pass@1": 0.0, "move37_pass@4": 0.0}]
    assert (found["means"], found["n"]) == ({"move37_pass@1": 0.25, "move37_pass@4": 0.5}, 4)


@pytest.mark.parametrize("tool", [pytest.param("verifiers-0.3", marks=peer)])
def test_verifiers_asks_our_rubric(tool: str) -> None:
    assert run_in(tool, "verifiers_rubric.py") == {"scores": [1.0, 0.0], "environment": "SingleTurnEnv"}


@pytest.mark.slow
def test_no_verdict_is_an_error_of_a_trace(tmp_path: Path) -> None:
    from move37.elsewhere.rewards import ProblemRewards
    from move37.handover.problems import write_problems
    from move37.types import Problem

    write_problems(tmp_path / "p.jsonl", [Problem("none", "?", (), "sums", "math")])
    with (
        ProblemRewards(tmp_path / "p.jsonl", settings={"workers": 1}) as judge,
        pytest.raises(VerifierError, match="no verdict"),
    ):
        asyncio.run(judged(judge, "none", "\\boxed{1}"))
