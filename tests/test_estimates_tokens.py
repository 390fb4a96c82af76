"""Mean tokens after early stopping: unbiased in simulation, by hand, and from a run's own samples."""

from pathlib import Path

import numpy as np
import pytest

from move37.analyses.power import draw_stops
from move37.counts import StoppedTally, StoppingPlan
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.tokens import mean_length
from move37.evidence import RunEvidence
from tests.studies import judged_run, sums_study

RIGHT, WRONG = 100.0, 200.0


def means(plan: StoppingPlan, p: float, problems: int = 20_000) -> tuple[float, float]:
    """The plain mean over problems of each one's mean length, and ours; right answers take 100 and wrong ones 200."""
    trials, successes, went_on = draw_stops(plan, np.full(problems, p), np.random.default_rng(1))
    zeros, ids = np.zeros(problems, dtype=np.int64), tuple(str(i) for i in range(problems))
    tally = StoppedTally("m", ids, successes, trials, went_on, zeros, zeros, zeros, plan)
    plain = (successes * RIGHT + (trials - successes) * WRONG) / trials
    right, wrong = np.where(successes > 0, RIGHT, np.nan), np.where(successes < trials, WRONG, np.nan)
    ours = mean_length(pass_at_k_rows(tally, 1)[:, 0], right, wrong)
    return float(plain.mean()), float(ours.mean())


@pytest.mark.parametrize(
    ("plan", "p", "off"),
    [(StoppingPlan.until(1, 64), 0.3, -0.10), (StoppingPlan.until(8, 128, 16), 0.2, -0.005)],
)
def test_the_plain_mean_is_biased_after_early_stopping_and_ours_is_not(plan: StoppingPlan, p: float, off: float):
    plain, ours = means(plan, p)
    truth = p * RIGHT + (1 - p) * WRONG
    assert plain / truth - 1 < off
    assert ours == pytest.approx(truth, rel=0.005)


def test_one_kind_of_samples_stands_for_itself():
    nan = np.nan
    found = mean_length(np.array([0.0, 1.0, 0.25]), np.array([nan, 30.0, 20.0]), np.array([40.0, nan, 60.0]))
    assert found.tolist() == [40.0, 30.0, 50.0]
    assert np.isnan(mean_length(np.array([0.0]), np.array([nan]), np.array([nan]))).all()


@pytest.mark.slow
def test_a_run_that_stopped_early_has_mean_tokens_of_every_problem(tmp_path: Path):
    store = judged_run(sums_study(tmp_path, n=16, stop="{ successes = 2, batch = 4 }"), tmp_path / "run")
    evidence = RunEvidence(store)
    by_problem = evidence.mean_tokens_by_problem("rl")
    assert len(by_problem) == 6
    assert evidence.mean_tokens("rl") == pytest.approx(np.mean(list(by_problem.values())))
    # Its problems' plain means are others: each one's last sample is right.
    every = evidence.mean_tokens_by_outcome("rl")
    assert every is not None
    assert min(by_problem.values()) > 0
