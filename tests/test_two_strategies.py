"""The measuring stack against a world with a closed-form truth: two strategies, chosen by one shared coin.

On nine problems of ten strategy A solves .6 and B .1; on the others A solves nothing and B .3. Base takes A half of
the time, RL 999 times in 1,000. Samples of one problem are independent with p_i = P(A) a_i + (1 - P(A)) b_i: base .35
and .15, RL .5995 and .0003. So RL is better at small k, has learned nothing, and loses the tenth that only B solves.

400 problems with random kinds, n = 256, sampled in full and under two stopping plans. Seeds are fixed; every bound
below states the chance at which a fresh seed would break it, or is a multiple z of an exact standard deviation
(z = 4.5: 7e-6 each for a normal law).
"""

from fractions import Fraction
from functools import cache
from math import comb

import numpy as np
import pytest

from move37.analyses.accuracy_shift import BINS, accuracy_shift
from move37.analyses.curves import curve_difference, model_curve, sampling_gap
from move37.analyses.decision import decide, decision_plan, finished_problems
from move37.analyses.reliability import reliability
from move37.analyses.solvable_sets import solvable_table
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.estimates.anytime import Status
from move37.estimates.bands import FEW_PROBLEMS, simultaneous_band
from move37.estimates.curtailed import stopped_interval
from move37.estimates.planning import AssumedPair, MeanTokens, planned_errors, sampling_cost
from move37.estimates.rows import pass_at_k_rows
from move37.estimates.settings import BandSettings
from move37.stopping import apply_plan

SHARE = np.array([0.9, 0.1])
SOLVES = {"A": (Fraction(6, 10), Fraction(0)), "B": (Fraction(1, 10), Fraction(3, 10))}
TAKES_A = {"base": Fraction(1, 2), "rl": Fraction(999, 1000)}
PROBLEMS, N, Z = 400, 256, 4.5
KS = np.arange(1, N + 1)
PLANS = {
    "fixed n": StoppingPlan((N,), 1),
    "stop at 8": StoppingPlan.until(8, N),
    "stop at 8, looking every 16": StoppingPlan.until(8, N, batch=16),
}


def chances(model: str) -> list[Fraction]:
    a = TAKES_A[model]
    return [a * by_a + (1 - a) * by_b for by_a, by_b in zip(SOLVES["A"], SOLVES["B"], strict=True)]


P = {model: np.array([float(p) for p in chances(model)]) for model in TAKES_A}
TRUTH = {model: SHARE @ (1 - (1 - p[:, None]) ** KS) for model, p in P.items()}
DIFFERENCE = TRUTH["rl"] - TRUTH["base"]


@cache
def kinds() -> np.ndarray:
    return (np.random.default_rng(1).random(PROBLEMS) >= 0.9).astype(int)


@cache
def outcomes(model: str) -> np.ndarray:
    seed = {"base": 2, "rl": 3, "base again": 4}[model]
    p = P[model.split()[0]][kinds()]
    return (np.random.default_rng(seed).random((PROBLEMS, N)) < p[:, None]).astype(np.int8)


@cache
def tally(model: str, plan: str) -> AnyTally:
    zeros, ids = np.zeros(PROBLEMS, dtype=np.int64), tuple(f"p{i}" for i in range(PROBLEMS))
    if PLANS[plan].is_fixed:
        correct = outcomes(model).sum(axis=1, dtype=np.int64)
        return Tally(model, ids, correct, N - correct, zeros, zeros)
    stops = apply_plan(outcomes(model), PLANS[plan])
    return StoppedTally(
        model, ids, stops.successes, stops.trials, stops.went_on, zeros, zeros, N - stops.used, PLANS[plan]
    )


every_plan = pytest.mark.parametrize("plan", PLANS)
every_model = pytest.mark.parametrize("model", TAKES_A)


def test_the_closed_form_has_the_published_numbers() -> None:
    assert chances("base") == [Fraction(35, 100), Fraction(15, 100)]
    assert chances("rl") == [Fraction(5995, 10_000), Fraction(3, 10_000)]
    for model, at_1, at_256 in (("base", 0.330, 1.000), ("rl", 0.540, 0.907)):
        assert TRUTH[model][[0, 255]] == pytest.approx([at_1, at_256], abs=5e-4)
    # D(6) = .9 (.65^6 - .4005^6) + .1 (.85^6 - .9997^6) = +.0059; D(7) = -.0251.
    assert DIFFERENCE[5] > 0
    assert DIFFERENCE[6] < 0


@every_model
@every_plan
def test_curves_are_within_their_standard_error_of_these_problems_truth(model: str, plan: str) -> None:
    """At 5 ks, z = 4.5 each: 4e-5 per case."""
    true = (1 - (1 - P[model][kinds()][:, None]) ** KS).mean(axis=0)
    pair = AssumedPair(P["base"], P["rl"], np.bincount(kinds()) / PROBLEMS)
    ks = np.array([1, 2, 4, 8, 128])
    errors = planned_errors(PLANS[plan], pair, ks, PROBLEMS)
    exact = errors.base_benchmark if model == "base" else errors.rl_benchmark
    estimate = model_curve(tally(model, plan), BandSettings(draws=1000)).pass_at_k
    assert (np.abs(estimate - true)[ks - 1] <= Z * exact + 1e-12).all()


@every_model
@every_plan
def test_the_stated_error_over_fresh_samples_is_the_exact_one(model: str, plan: str) -> None:
    # A sum over 400 problems of unbiased variance estimates; within 10 % at small ks (seen: 5 %).
    pair = AssumedPair(P["base"], P["rl"], np.bincount(kinds()) / PROBLEMS)
    errors = planned_errors(PLANS[plan], pair, np.array([1, 2, 4]), PROBLEMS)
    exact = errors.base_benchmark if model == "base" else errors.rl_benchmark
    stated = model_curve(tally(model, plan), BandSettings(draws=1000)).se_benchmark[[0, 1, 3]]
    assert stated == pytest.approx(exact, rel=0.1)


@every_model
@every_plan
def test_the_band_of_a_model_holds_the_population_curve_at_all_ks(model: str, plan: str) -> None:
    """Confidence .999 over the ks that at least 10 problems carry. Where fewer do, nearly all is settled, the band is
    too narrow, and the curve is held to six exact standard errors (Chebyshev: .03 at one k, whatever the law)."""
    curve = model_curve(tally(model, plan), BandSettings(0.999))
    carried = (
        simultaneous_band(pass_at_k_rows(tally(model, plan)), BandSettings(draws=100)).effective_problems
        >= FEW_PROBLEMS
    )
    inside = (curve.lower <= TRUTH[model]) & (TRUTH[model] <= curve.upper)
    assert inside[carried].all()
    errors = planned_errors(PLANS[plan], AssumedPair(P["base"], P["rl"], SHARE), KS, PROBLEMS)
    exact = errors.base_population if model == "base" else errors.rl_population
    assert (np.abs(curve.pass_at_k - TRUTH[model]) <= 6 * exact + 1e-12)[~carried].all()


@every_plan
def test_the_band_of_the_difference_holds_the_truth_and_claims_only_what_is_true(plan: str) -> None:
    """Confidence .999; more than 10 problems carry the difference at every k here."""
    found = curve_difference(tally("base", plan), tally("rl", plan), BandSettings(0.999))
    assert found.few_problems == ()
    assert ((found.band.lower <= DIFFERENCE) & (found.band.upper >= DIFFERENCE)).all()
    assert (DIFFERENCE[np.array(found.gain) - 1] > 0).all()
    assert (DIFFERENCE[np.array(found.loss) - 1] < 0).all()
    assert {1, 2, 3} <= set(found.gain)
    assert {12, 64, 256} <= set(found.loss)


@every_plan
def test_the_first_loss_set_holds_the_true_crossing(plan: str) -> None:
    # The first k with a negative mean is 7. Confidence .999.
    found = curve_difference(tally("base", plan), tally("rl", plan), BandSettings(0.999))
    first, last = found.first_loss_set
    assert last is not None
    assert first <= 7 <= last <= 12
    assert found.point_crossing is not None
    assert first <= found.point_crossing <= last


@every_plan
@pytest.mark.parametrize("k", [4, N])
def test_the_four_way_table_is_the_exact_one_within_its_spread(plan: str, k: int) -> None:
    """Given the kinds, every cell is a sum of independent indicators, also where k draws stand for more; 4 cells,
    z = 4.5: 3e-5 per case."""
    table = solvable_table(tally("base", plan), tally("rl", plan), k=k)
    base, rl = (1 - (1 - P[model][kinds()]) ** k for model in ("base", "rl"))
    for count, chance in (
        (table.both, base * rl),
        (table.base_only, base * (1 - rl)),
        (table.rl_only, rl * (1 - base)),
        (table.neither, (1 - base) * (1 - rl)),
    ):
        assert abs(count - chance.sum()) <= Z * np.sqrt((chance * (1 - chance)).sum()) + 1e-9
    if k == N:
        assert table.base_only > 20
        assert table.mcnemar_p < 1e-6


def pooled_floor_law(p: float, k: int) -> tuple[float, float]:
    """Exact mean and variance over one problem of U(k) - U(2k) of 2N pooled samples, all with success chance p."""
    total = 2 * N
    mean = square = 0.0
    for c in range(total + 1):
        chance = comb(total, c) * p**c * (1 - p) ** (total - c)
        value = Fraction(comb(total - c, k), comb(total, k)) - Fraction(comb(total - c, 2 * k), comb(total, 2 * k))
        mean += chance * float(value)
        square += chance * float(value) ** 2
    return mean, square - mean**2


@pytest.mark.parametrize("k", [2, 8])
def test_the_noise_floor_is_what_two_runs_of_one_model_show(k: int) -> None:
    # Exact mean of the floor: sum u (1 - u), u = (1 - p)^k; z = 4.5 of its exact spread, and of the table's.
    table = solvable_table(tally("base", "fixed n"), tally("base again", "fixed n"), k=k)
    u = (1 - P["base"][kinds()]) ** k
    truth = (u * (1 - u)).sum()
    laws = [pooled_floor_law(p, k) for p in P["base"]]
    means, variances = (np.array(column)[kinds()].sum() for column in zip(*laws, strict=True))
    assert means == pytest.approx(truth, rel=1e-9)
    assert abs(table.noise_floor - truth) <= Z * variances**0.5
    for count in (table.base_only, table.rl_only):
        assert abs(count - truth) <= Z * (u * (1 - u) * (1 - u * (1 - u))).sum() ** 0.5


@pytest.mark.parametrize("plan", list(PLANS)[1:])
@pytest.mark.parametrize("k", [2, 8])
def test_the_noise_floor_of_stopped_counts_is_close_to_the_truth(plan: str, k: int) -> None:
    # Smoothed by the fitted law of p, without a stated error: within 15 % (seen: 8 %).
    table = solvable_table(tally("base", plan), tally("base again", plan), k=k)
    u = (1 - P["base"][kinds()]) ** k
    assert table.noise_floor == pytest.approx((u * (1 - u)).sum(), rel=0.15)


@every_plan
def test_delta_se_is_within_its_interval(plan: str) -> None:
    # base pass@256 - RL pass@1 = 1.000 - .540. Confidence .9999.
    gap = sampling_gap(tally("base", plan), tally("rl", plan), confidence=0.9999)
    assert gap.k == 256
    assert gap.lower <= TRUTH["base"][255] - TRUTH["rl"][0] <= gap.upper
    assert gap.upper - gap.lower < 0.2


def test_every_problem_never_solved_is_below_its_bound() -> None:
    # Base solves the hardest kind with .15: unsolved in 256 with 1e-18. RL's .0003 is below the bound of .0116.
    table = solvable_table(tally("base", "fixed n"), tally("rl", "fixed n"))
    unsolved = outcomes("rl").sum(axis=1) == 0
    assert unsolved.sum() > 20
    assert (P["rl"][kinds()][unsolved] < table.never_solved_bound_rl).all()
    assert (outcomes("base").sum(axis=1) > 0).all()


@every_model
@pytest.mark.parametrize("plan", list(PLANS)[1:])
def test_the_intervals_of_single_problems_cover(model: str, plan: str) -> None:
    # At least .95 each, 400 independent ones: 380 - 4.5 x 4.36 = 360.
    stopped = tally(model, plan)
    assert isinstance(stopped, StoppedTally)
    lower, upper = stopped_interval(stopped)
    p = P[model][kinds()]
    assert ((lower <= p) & (p <= upper)).sum() >= 360


def test_the_accuracy_bins_hold_what_the_binomial_law_puts_there() -> None:
    """22 marginal counts, z = 4.5 and one problem for the discreteness of nearly empty bins."""
    shift = accuracy_shift(tally("base", "fixed n"), tally("rl", "fixed n"))
    c = np.arange(N + 1)
    bins = -(-10 * c // N)
    for model, counts in (("base", shift.base_counts), ("rl", shift.rl_counts)):
        law = np.array([[comb(N, x) * p**x * (1 - p) ** (N - x) for x in range(N + 1)] for p in P[model]])
        shares = np.array([law[:, bins == b].sum(axis=1) for b in range(len(BINS))])[:, kinds()]
        spread = np.sqrt((shares * (1 - shares)).sum(axis=1))
        assert (np.abs(counts - shares.sum(axis=1)) <= Z * spread + 1).all()


@every_model
def test_reliability_rows_hold_the_truth(model: str) -> None:
    """Intervals at .9999, eight rows: 8e-4 per model if they were independent."""
    fixed = tally(model, "fixed n")
    assert isinstance(fixed, Tally)
    rows = reliability(fixed, ks=[4, 16], confidence=0.9999)
    found = {(row.measure, row.k): row.estimate for row in rows}
    p = P[model]
    truth = {("avg@n", N): p}
    for k in (4, 16):
        truth["pass@k", k] = 1 - (1 - p) ** k
        truth["pass^k", k] = p**k
        at_least = range(k // 2, k + 1)
        truth["G-Pass@k_0.5", k] = np.array(sum(comb(k, j) * p**j * (1 - p) ** (k - j) for j in at_least))
    for key, values in truth.items():
        lower, upper = found[key].lower, found[key].upper
        assert lower is not None
        assert upper is not None
        assert lower <= SHARE @ values <= upper


@every_model
@pytest.mark.parametrize("plan", list(PLANS)[1:])
def test_the_samples_used_are_those_that_planning_expects(model: str, plan: str) -> None:
    # The number of samples of a problem is at most 256; its spread over 400 problems is taken from the data. z = 4.5.
    stopped = tally(model, plan)
    assert isinstance(stopped, StoppedTally)
    weight = np.bincount(kinds()) / PROBLEMS
    expected = sampling_cost(PLANS[plan], P[model], weight, MeanTokens(1, 1)).samples
    within = [stopped.trials[kinds() == kind].var() * share for kind, share in enumerate(weight)]
    assert abs(stopped.trials.mean() - expected) <= Z * np.sqrt(sum(within) / PROBLEMS) + 1e-9


def test_deciding_while_sampling_finds_that_base_solves_more_and_stops_early() -> None:
    # At k = 256 base solves all, RL nine tenths and a few more: 7 to none decide it after about 75 problems.
    ids = tuple(f"p{i}" for i in range(PROBLEMS))
    plan, sampled = decision_plan(ids, k=N, seed=0), set[str]()
    while True:
        rows = [int(problem[1:]) for problem in sampled]
        names = [ids[row] for row in rows]
        decision = decide(plan, finished_problems(names, outcomes("base")[rows], outcomes("rl")[rows], N))
        if decision.status is not Status.OPEN:
            break
        sampled |= set(decision.next_problems)
    assert decision.status is Status.DECIDED
    assert decision.better == "base"
    assert decision.rl_only == 0
    assert decision.examined < 200  # fewer than 7 of 200 with 20 expected: 1e-4
