"""The measuring stack against the exact truth of a real model: counts drawn from chances that were computed.

The chances are those of the shipped base on 60 puzzles (from 10^-2.6 to .9), and of the same model at temperature .6,
which is sharper: better at small k, worse at large. Nothing here is a model's closed form: whatever shape the chances
of a trained model have, an estimate must be unbiased for them, and a claim must be true of them.

Seeds are fixed; the stated chances are for fresh ones.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from move37.analyses.curves import curve_difference, model_curve
from move37.analyses.gains_losses import gains_and_losses
from move37.analyses.solvable_sets import solvable_table
from move37.config import ProblemsConfig, SamplingConfig
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.estimates.known import solved_within
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.settings import BandSettings
from move37.problems import load_problems
from move37.stopping import apply_plan
from move37.truth import known_checkpoint

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

PROBLEMS, N, SEEDS = 60, 64, 20
KS = np.arange(1, N + 1)
PLANS = {"fixed n": StoppingPlan((N,), 1), "stop at 4": StoppingPlan.until(4, N, batch=8)}
every_plan = pytest.mark.parametrize("plan", PLANS)


@dataclass(frozen=True)
class World:
    """Chances of both models, (problems,), and the exact curves of their mean."""

    base: np.ndarray
    rl: np.ndarray

    def curve(self, model: str) -> np.ndarray:
        return solved_within(np.log(getattr(self, model)), KS).mean(axis=0)

    def tally(self, model: str, seed: int, plan: str = "fixed n", places: np.ndarray | None = None) -> AnyTally:
        """N samples of every problem, or of the problems at `places`."""
        places = np.arange(PROBLEMS) if places is None else places
        rng = np.random.default_rng([seed, model == "rl"])
        outcomes = (rng.random((len(places), N)) < getattr(self, model)[places][:, None]).astype(np.int8)
        zeros, ids = np.zeros(len(places), dtype=np.int64), tuple(f"p{i}" for i in range(len(places)))
        if PLANS[plan].is_fixed:
            correct = outcomes.sum(axis=1, dtype=np.int64)
            return Tally(model, ids, correct, N - correct, zeros, zeros)
        stops = apply_plan(outcomes, PLANS[plan])
        counts = (stops.successes, stops.trials, stops.went_on, zeros, zeros, N - stops.used)
        return StoppedTally(model, ids, *counts, PLANS[plan])


@pytest.fixture(scope="module")
def world() -> World:
    problems = load_problems([ProblemsConfig(benchmark="countdown", size=PROBLEMS)])
    chances = []
    for temperature in (1.0, 0.6):
        settings = SamplingConfig(temperature=temperature, top_p=1.0, max_new_tokens=48, template="completion")
        chances.append(np.exp(known_checkpoint("countdown-base", problems, settings).logprobs))
    return World(*chances)


def test_the_models_cross(world: World) -> None:
    difference = world.curve("rl") - world.curve("base")
    assert difference[0] > 0.02
    assert difference[-1] < -0.02


@every_plan
@pytest.mark.parametrize("model", ["base", "rl"])
def test_estimates_are_unbiased_for_exact_chances(world: World, model: str, plan: str) -> None:
    """The mean over 200 seeds lies within 5 of its own standard errors at 7 ks: 4e-6."""
    ks = np.array([1, 2, 4, 8, 16, 32, 64]) - 1
    found = np.stack([pass_at_k_rows(world.tally(model, s, plan)).mean(axis=0)[ks] for s in range(200)])
    error = found.std(axis=0, ddof=1) / np.sqrt(200)
    assert (np.abs(found.mean(axis=0) - world.curve(model)[ks]) < 5 * error + 1e-12).all()


@every_plan
@pytest.mark.parametrize("model", ["base", "rl"])
def test_sampled_bands_cover_the_exact_curve_at_their_level(world: World, model: str, plan: str) -> None:
    """Problems drawn anew each time. At confidence .9 of 20 seeds at least 14 cover with probability .998."""
    covered = 0
    for seed in range(SEEDS):
        places = np.random.default_rng([seed, 7]).integers(0, PROBLEMS, PROBLEMS)
        curve = model_curve(world.tally(model, seed, plan, places), BandSettings(0.9, draws=2000))
        covered += bool(((curve.lower <= world.curve(model)) & (world.curve(model) <= curve.upper)).all())
    assert covered >= 14


@every_plan
def test_differences_cover_and_first_losses_hold_the_true_one(world: World, plan: str) -> None:
    """Band and first-loss set at confidence .9, as above. What is called a gain or a loss has its sign then."""
    truth = world.curve("rl") - world.curve("base")
    first_loss, covered, held = int(KS[truth < 0][0]), 0, 0
    for seed in range(SEEDS):
        places = np.random.default_rng([seed, 8]).integers(0, PROBLEMS, PROBLEMS)
        base, rl = (world.tally(model, seed, plan, places) for model in ("base", "rl"))
        found = curve_difference(base, rl, BandSettings(0.9, draws=2000))
        inside = bool(((found.reported[0] <= truth) & (truth <= found.reported[1])).all())
        covered += inside
        first, last = found.first_loss_set
        held += first <= first_loss and (last is None or first_loss <= last)
        if inside:
            assert (truth[np.array(found.shown_gain, dtype=int) - 1] > 0).all()
            assert (truth[np.array(found.shown_loss, dtype=int) - 1] < 0).all()
    assert covered >= 14
    assert held >= 14


def test_the_noise_floor_is_what_luck_makes_of_equal_chances(world: World) -> None:
    """Two runs of one model: how many problems one alone solves on average, over 300 seeds, and what the floor says.

    Exactly sum of q (1 - q) with q = (1 - p)^N; the mean floor within 5 standard errors of it: 6e-7.
    """
    missed = (1 - world.base) ** N
    exact = float((missed * (1 - missed)).sum())
    twin = World(world.base, world.base)
    tables = [solvable_table(twin.tally("base", s), twin.tally("rl", s)) for s in range(300)]
    floors = np.array([table.noise_floor for table in tables])
    alone = np.array([table.base_only for table in tables])
    for found in (floors, alone):
        assert abs(found.mean() - exact) < 5 * found.std(ddof=1) / np.sqrt(300)


def test_gains_and_losses_are_claimed_only_where_the_chances_differ(world: World) -> None:
    """Of equal chances, a claim in at most 1 of 20 runs on average: more than 25 of 200 with probability 1e-5. Of the
    sharper model against base, no gain is named on a problem on which it is worse: 1 in 20 a run at most."""
    twin = World(world.base, world.base)
    claims = false = shown = 0
    for seed in range(200):
        ((gained, lost),) = gains_and_losses(twin.tally("base", seed), [twin.tally("rl", seed)])
        claims += gained.at_least > 0 or lost.at_least > 0
    assert claims <= 25
    for seed in range(60):
        ((gained, lost),) = gains_and_losses(world.tally("base", seed), [world.tally("rl", seed)])
        truly = {f"p{i}" for i in np.flatnonzero(world.rl < world.base)}
        false += not set(lost.problems) <= truly or lost.at_least > len(truly)
        shown += lost.at_least > 0
    assert false <= 9  # 3 on average at most
    assert shown > 0
