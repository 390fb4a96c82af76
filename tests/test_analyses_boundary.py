"""The boundary over the steps of a training, from tallies."""

import numpy as np
import pytest

from move37.analyses.boundary import FIRST_STEP, FIRST_VISIT, boundary, resampled_at_k
from move37.analyses.families import FAMILY_BAND, family
from move37.counts import Tally
from move37.errors import InputError
from tests.dumps import PROBLEMS, STEPS, N, outcomes


def tally(correct: list[int] | np.ndarray, n: int, name: str = "m", ids: list[str] | None = None) -> Tally:
    right = np.asarray(correct, dtype=np.int64)
    nothing = np.zeros_like(right)
    names = ids or [f"p{i}" for i in range(len(right))]
    return Tally(name, tuple(names), right, n - right, nothing, nothing)


def steps() -> dict[int, Tally]:
    return {step: tally(outcomes(step).sum(1), N, f"step-{step}") for step in STEPS}


def test_best_of_k_with_replacement_is_not_pass_at_k() -> None:
    # 1 of 4 right, k = 4: 1 - (3/4)^4 = 0.68359375, though one of the four is right for sure.
    found = boundary({0: tally([1, 1], 4)})
    (step,) = found.steps
    assert step.k == (1, 2, 4)
    assert step.pass_at_k == (0.25, 0.5, 1.0)
    assert step.resampled[2] == pytest.approx(0.68359375)
    assert resampled_at_k(tally([4, 0], 4), [1, 3]).tolist() == [0.5, 0.5]


def test_differences_are_those_of_the_family_of_models() -> None:
    tallies = steps()
    found = boundary(tallies)
    theirs = family(tallies[0], [tallies[10], tallies[20]], FAMILY_BAND)
    assert found.paired_with == FIRST_STEP
    for step, member in zip(found.steps[1:], theirs.members, strict=True):
        lower, upper = member.reported
        assert step.against_first is not None
        for k, (mean, low, high) in zip(step.k, step.against_first.at, strict=True):
            assert (mean, low, high) == (member.band.mean[k - 1], lower[k - 1], upper[k - 1])


def test_gained_and_lost_are_counted_against_the_first_step() -> None:
    first, later = outcomes(0).any(1), outcomes(20).any(1)
    against = boundary(steps()).steps[-1].against_first
    assert against is not None
    assert (against.gained, against.lost) == ((later & ~first).sum(), (first & ~later).sum())
    assert against.gained_at_least <= against.gained
    assert boundary(steps()).steps[-1].solved == later.sum()


def test_problems_without_a_scored_sample_leave_every_step_and_are_counted() -> None:
    tallies = steps()
    half = tallies[10]
    none = half.select(np.arange(PROBLEMS))
    unscored = np.zeros(PROBLEMS, dtype=np.int64)
    unscored[:2] = N
    kept = np.where(unscored > 0, 0, none.correct), np.where(unscored > 0, 0, none.incorrect)
    tallies[10] = Tally("step-10", none.problem_ids, *kept, unscored, none.truncated)
    found = boundary(tallies)
    assert (found.left_out, found.steps[0].problems, found.steps[1].problems) == (2, PROBLEMS - 2, PROBLEMS - 2)


def test_rollouts_of_other_problems_are_compared_with_their_first_visit() -> None:
    ids = [f"p{i}" for i in range(80)]
    rng = np.random.default_rng(0)
    tallies = {1: tally(rng.integers(0, 3, 40), 4, ids=ids[:40]), 2: tally(rng.integers(0, 3, 40), 4, ids=ids[40:])}
    tallies[3] = tally(rng.integers(2, 5, 40), 4, ids=ids[20:60])
    found = boundary(tallies, confidence=0.9)
    assert found.paired_with == FIRST_VISIT
    assert [step.against_first is None for step in found.steps] == [True, True, False]
    against = found.steps[2].against_first
    assert against is not None
    first = np.concatenate([tallies[1].correct[20:], tallies[2].correct[:20]])
    assert against.problems == 40
    assert against.at[0][0] == pytest.approx((tallies[3].correct - first).mean() / 4)


def test_which_ks_are_shown() -> None:
    assert boundary({0: tally([1], 6)}).steps[0].k == (1, 2, 4, 6)
    assert boundary({0: tally([1], 6)}, [3, 8]).steps[0].k == (3,)
    assert boundary({0: tally([1], 6)}, [8]).steps[0].k == (1,)


def test_no_step_is_said() -> None:
    with pytest.raises(InputError, match="no step"):
        boundary({})
