"""EvalPlus's results as it wrote them at different times, and as it writes them now (`scripts/peers evalplus`)."""

import re
from pathlib import Path

import pytest

from move37.errors import InputError
from move37.importers import IMPORTERS
from move37.importers.joining import Gathered, gather
from move37.importers.logs import Reading
from move37.types import Outcome
from tests import log_files
from tests.peer_environments import run_in

OLD = {
    "date": "2023-06-01 10:00",
    "hash": "x",
    "eval": {"HumanEval/0": {"nfiles": 2, "base": [["success", []], ["failed", [0]]], "plus": [["timed out", []]] * 2}},
}


def read(path: Path) -> Gathered:
    (log,) = IMPORTERS.load("evalplus")().logs([path], Reading())
    return gather(log, "m", "humaneval-plus", "code")


def test_results_before_0_2_take_their_solutions_from_the_samples_beside(tmp_path: Path) -> None:
    rows = [{"task_id": "HumanEval/0", "solution": text} for text in ("def f(): return 1", "def f(): return 2")]
    log_files.lines(tmp_path / "samples.jsonl", rows)
    path = log_files.whole(tmp_path / "samples_eval_results.json", OLD)
    found = read(path)
    assert [sample.text for sample in found.samples] == ["def f(): return 1", "def f(): return 2"]
    assert list(found.reported["base"].values()) == [Outcome.CORRECT, Outcome.INCORRECT]
    assert list(found.reported["plus"].values()) == [Outcome.INCORRECT] * 2


def test_without_the_samples_or_with_others_it_is_one_line(tmp_path: Path) -> None:
    path = log_files.whole(tmp_path / "samples_eval_results.json", OLD)
    with pytest.raises(InputError, match=r"hold no solutions; put the samples beside \(samples\.jsonl\)"):
        read(path)
    log_files.lines(tmp_path / "samples.jsonl", [{"task_id": "HumanEval/0", "solution": "x"}])
    with pytest.raises(InputError, match=r"2 verdicts for 1 solutions in samples\.jsonl"):
        read(path)


@pytest.mark.peer
@pytest.mark.slow
def test_what_evalplus_itself_wrote_has_the_scores_that_it_printed(tmp_path: Path) -> None:
    said = run_in("evalplus", "evalplus_run.py", str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))["said"]
    printed = [float(value) for value in re.findall(r"pass@1:\s+([\d.]+)", said)]
    found = read(tmp_path / "samples_eval_results.json")
    means = []
    for score in ("base", "plus"):
        by_problem: dict[str, list[bool]] = {}
        for (problem, _), outcome in found.reported[score].items():
            by_problem.setdefault(problem, []).append(outcome is Outcome.CORRECT)
        means.append(sum(sum(of) / len(of) for of in by_problem.values()) / len(by_problem))
    # 3 of 3 and 2 of 3 on the base tests; 2 and 1 of 3 on all.
    assert printed == [0.833, 0.5]
    assert [round(mean, 3) for mean in means] == printed
