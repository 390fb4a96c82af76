"""SRR, NDR, SDS and NSCR: the published MATH500 table by hand, and the coverage of their intervals by enumeration."""

from math import comb

import numpy as np
import pytest

from move37.analyses.solvable_sets import solvable_table
from move37.analyses.support import score_interval, support, support_of_counts
from move37.counts import Tally
from move37.errors import InputError
from move37.estimates.reliability import exact_share_interval


def tally(model: str, correct: list[int], n: int) -> Tally:
    right, zeros = np.array(correct, dtype=np.int64), np.zeros(len(correct), dtype=np.int64)
    return Tally(model, tuple(f"p{i}" for i in range(len(correct))), right, n - right, zeros, zeros)


def test_the_published_math500_table_by_hand():
    found = support_of_counts(462, 18, 5, k=128)
    assert found.retention.value == pytest.approx(462 / 480)
    assert found.discovery.value == pytest.approx(5 / 467)
    # 2 P E / (P^2 + 2 P E + E S)
    assert found.dynamic.value == pytest.approx(2 * 462 * 5 / (462**2 + 2 * 462 * 5 + 5 * 18))
    assert found.net_change.value == pytest.approx(-13 / 485)
    assert [measure.name for measure in found.measures] == ["SRR", "NDR", "SDS", "NSCR"]
    for measure in found.measures:
        assert measure.value is not None
        assert measure.lower < measure.value < measure.upper
        assert measure.by_luck is None
    # 18 against 5 is p = .011: the loss is beyond doubt at 95 %.
    assert found.net_change.upper < 0


def test_shares_have_exact_intervals():
    found = support_of_counts(462, 18, 5, k=128)
    assert (found.retention.lower, found.retention.upper) == pytest.approx(exact_share_interval(462, 480, 0.05))
    assert (found.discovery.lower, found.discovery.upper) == pytest.approx(exact_share_interval(5, 467, 0.05))


def test_no_discovery_still_has_an_upper_end():
    found = support_of_counts(19, 4, 0, k=1024)
    assert (found.discovery.value, found.discovery.lower) == (0.0, 0.0)
    assert found.discovery.upper == pytest.approx(1 - 0.025 ** (1 / 19))
    assert (found.dynamic.value, found.dynamic.lower) == (0.0, 0.0)
    assert found.dynamic.upper > 0.2
    assert found.net_change.value == pytest.approx(-4 / 23)


def test_nothing_solved_leaves_every_measure_open():
    found = support_of_counts(0, 0, 0, k=4)
    assert [measure.value for measure in found.measures] == [None] * 4
    assert [(measure.lower, measure.upper) for measure in found.measures] == [(0, 1), (0, 1), (0, 1), (-1, 1)]


def test_the_score_interval_is_the_textbooks():
    # Without discordant problems Tango's interval is +- z^2 / (z^2 + n); exchanging the models mirrors it.
    z2 = 1.959964**2
    assert score_interval(0, 0, 40, 0.05) == pytest.approx((-z2 / (z2 + 40), z2 / (z2 + 40)), abs=1e-6)
    for b, c in ((6, 6), (5, 18), (0, 4)):
        mirrored = [-end for end in reversed(score_interval(c, b, 40, 0.05))]
        assert score_interval(b, c, 40, 0.05) == pytest.approx(mirrored, abs=1e-9)


@pytest.mark.parametrize(("gained", "lost"), [(0.05, 0.05), (0.02, 0.10), (0.3, 0.1), (0.0, 0.2)])
def test_the_score_interval_covers_about_as_often_as_it_says(gained: float, lost: float):
    # Every outcome of 40 problems is enumerated with its probability: .957, .966, .943 and .928.
    n, covered = 40, 0.0
    for b in range(n + 1):
        for c in range(n - b + 1):
            probability = comb(n, b) * comb(n - b, c) * gained**b * lost**c * (1 - gained - lost) ** (n - b - c)
            if probability > 1e-12:
                lower, upper = score_interval(b, c, n, 0.05)
                covered += probability * (lower <= gained - lost <= upper)
    assert 0.925 <= covered <= 0.98


def test_the_interval_of_the_harmonic_mean_is_never_too_narrow():
    # 30 problems solved by someone, each kept, gained or lost with fixed chances; enumerated, truth from the chances.
    kept, gained, lost, n = 0.7, 0.1, 0.2, 30
    truth = 2 * kept * gained / (kept**2 + 2 * kept * gained + gained * lost)
    covered = 0.0
    for e in range(n + 1):
        for s in range(n - e + 1):
            probability = comb(n, e) * comb(n - e, s) * gained**e * lost**s * kept ** (n - e - s)
            if probability > 1e-9:
                measure = support_of_counts(n - e - s, s, e, k=1).dynamic
                covered += probability * (measure.lower <= truth <= measure.upper)
    assert covered >= 0.95


def test_a_table_of_two_tallies_says_what_luck_alone_would_give():
    # n = 2, one success each on another problem, and one problem that both solve: P = 1, E = S = 1. The noise floor of
    # one success in 2 + 2 samples is 1/2 per problem, 1 in all; each model solves 2. By luck SRR = 1 - 1/2, NDR = 1/2.
    table = solvable_table(tally("base", [1, 0, 2], 2), tally("rl", [0, 1, 2], 2))
    found = support(table)
    assert (found.preserved, found.gained, found.lost, found.k) == (1, 1, 1, 2)
    assert (found.base, found.rl) == ("base", "rl")
    assert found.retention.by_luck == pytest.approx(0.5)
    assert found.discovery.by_luck == pytest.approx(0.5)
    assert found.dynamic.by_luck == pytest.approx(0.5)
    assert found.net_change.by_luck == 0.0


def test_the_deepscaler_table_keeps_less_than_luck_would_and_finds_no_more():
    # Published counts at k = 128: 911 / 33 / 12, noise floor 16.1. Each model solves (2 * 911 + 45) / 2 = 933.5.
    found = support_of_counts(911, 33, 12, k=128, noise_floor=16.1)
    assert found.retention.by_luck == pytest.approx(1 - 16.1 / 933.5)
    assert found.discovery.by_luck == pytest.approx(16.1 / 933.5)
    assert found.retention.by_luck is not None
    assert found.discovery.by_luck is not None
    assert found.retention.upper < found.retention.by_luck
    assert found.discovery.lower < found.discovery.by_luck < found.discovery.upper


def test_impossible_counts_are_refused():
    with pytest.raises(InputError, match="counts of at least 0"):
        support_of_counts(1, -1, 0, k=1)
    with pytest.raises(InputError, match="confidence between 0 and 1"):
        support_of_counts(1, 1, 0, k=1, confidence=1.0)
