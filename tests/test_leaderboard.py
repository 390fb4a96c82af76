"""The leaderboard of methods, on chances that are made up so that what each method did is known."""

import numpy as np
import pytest

from move37.analyses.exact_truth import KnownModel
from move37.analyses.leaderboard import BoardRow, Leaderboard, Method, leaderboard
from move37.errors import InputError
from move37.estimates.settings import BandSettings

PUZZLES = 60
IDS = tuple(f"p{i}" for i in range(PUZZLES))
SETTINGS = BandSettings(draws=20_000)
SPREAD = np.linspace(-1.0, 1.0, PUZZLES)
"""Puzzles differ: in powers of ten around a tier's middle."""


def known(name: str, log10_p: np.ndarray, ids: tuple[str, ...] = IDS) -> KnownModel:
    """A model with these chances; each puzzle has two right chains, equally likely."""
    logprobs = np.log(10.0) * np.minimum(log10_p, -1e-3)
    zeros = np.zeros(len(ids))
    chains = tuple(np.array([value, value]) - np.log(2) for value in logprobs)
    return KnownModel(name, ids, logprobs, zeros - np.inf, zeros, (("a", "b"),) * len(ids), chains, 1.0, 1.0, 48)


def seeds(name: str, log10_p: np.ndarray, count: int = 3, noise: float = 0.05) -> tuple[KnownModel, ...]:
    generator = np.random.default_rng(7)
    return tuple(known(f"{name}-{s}", log10_p + generator.normal(0, noise, len(log10_p))) for s in range(count))


def only_row(base: KnownModel, method: Method, tier: str = "edge") -> BoardRow:
    (row,) = leaderboard(base, [method], {tier: IDS}, SETTINGS).rows
    return row


def test_a_method_that_solves_more_at_one_try_and_less_at_a_million_has_sharpened() -> None:
    base = known("base", -2.0 + SPREAD)
    after = np.where(SPREAD > 0, -0.5, -9.0) + 0.1 * SPREAD  # half of the puzzles up, half of them all but gone
    row = only_row(base, Method("grpo", seeds("grpo", after)))
    assert (row.claims.better_at_one, row.claims.narrowed, row.claims.widened, row.claims.outcome) == (
        True,
        True,
        False,
        "sharpened",
    )
    assert row.pass_at_k[0] > row.start_pass_at_k[0]
    assert len(row.lost_puzzles) == 29  # the thirtieth was solved once in a thousand tries, which is not above it
    assert (row.log10_ratio > 0).sum() == 30


def test_a_method_that_reaches_what_the_base_never_does_has_widened() -> None:
    base = known("base", -12.0 + SPREAD)
    row = only_row(base, Method("mid", seeds("mid", -1.5 + SPREAD)))
    assert row.claims.outcome == "widened"
    assert set(row.new_puzzles) == set(IDS)
    assert row.claims.lower[-1] > 0.9
    assert row.has_head_room


def test_a_puzzle_is_new_only_if_every_seed_found_it_and_one_seed_proves_nothing_of_the_kind() -> None:
    base, after = known("base", np.full(PUZZLES, -8.0)), np.full(PUZZLES, -8.0)
    after[0] = -2.0
    found = seeds("m", after, noise=0.0)
    assert only_row(base, Method("m", found)).claims.outcome == "widened"
    lucky = (found[0], known("m-1", np.full(PUZZLES, -8.0)), found[2])
    assert only_row(base, Method("m", lucky)).claims.outcome == "nothing shown"
    alone = only_row(base, Method("m", found[:1]))
    assert alone.new_puzzles == ("p0",)
    assert alone.claims.outcome == "nothing shown"


def test_what_few_puzzles_carry_is_not_claimed() -> None:
    base, after = known("base", np.full(PUZZLES, -7.0)), np.full(PUZZLES, -7.0)
    after[:4] = -5.0  # solved by the million, and still below one in a thousand: not new
    row = only_row(base, Method("m", seeds("m", after, noise=0.0)))
    assert 2**20 in row.claims.few_puzzles
    assert row.claims.outcome == "nothing shown"


def test_a_tier_that_the_start_has_solved_has_no_head_room() -> None:
    base = known("base", np.full(PUZZLES, -1.0))
    row = only_row(base, Method("m", seeds("m", np.full(PUZZLES, -0.5))))
    assert not row.has_head_room
    assert row.claims.outcome == "better at one try"
    worse = only_row(base, Method("m", seeds("m", np.full(PUZZLES, -1.5))))
    assert worse.claims.outcome == "worse at one try, less at k = 256"  # the largest k makes the loss good
    assert worse.claims.less_between == (256,)


def test_a_method_with_a_start_of_its_own_is_judged_against_both() -> None:
    base, mid = known("base", -15.0 + SPREAD), known("mid", -1.5 + SPREAD)
    after = np.where(SPREAD > 0, -0.4, -8.0) + 0.1 * SPREAD
    method = Method("mid, then grpo", seeds("m", after), starts=(mid,) * 3)
    board = leaderboard(base, [method, Method("mid", seeds("d", -1.5 + SPREAD))], {"five-long": IDS}, SETTINGS)
    outcomes = {(row.method, row.against): row.claims.outcome for row in board.rows}
    assert outcomes == {
        ("mid, then grpo", "base"): "widened",
        ("mid, then grpo", "its start"): "sharpened",
        ("mid", "base"): "widened",
    }
    assert board.comparisons == 3
    assert [row.method for row in board.widened] == ["mid, then grpo", "mid"]


def test_the_level_is_shared_by_all_methods_and_tiers() -> None:
    base, after = known("base", -3.0 + SPREAD), -2.8 + SPREAD
    alone = only_row(base, Method("m", seeds("m", after)))
    many = leaderboard(
        base, [Method(f"m{i}", seeds("m", after)) for i in range(7)], {"a": IDS, "b": IDS[:30]}, SETTINGS
    )
    assert many.comparisons == 14
    assert many.rows[0].claims.lower[1] < alone.claims.lower[1] < alone.claims.upper[1] < many.rows[0].claims.upper[1]


def test_what_each_of_three_trainings_shows_is_said_beside_what_other_seeds_would_show() -> None:
    """Seeds that differ widely: all worse at 256 tries, and three of them cannot say that a fourth would be."""
    base = known("base", -2.0 + SPREAD)
    models = tuple(known(f"m{s}", -2.0 + SPREAD - shift) for s, shift in enumerate((0.7, 1.5, 4.0)))
    row = only_row(base, Method("m", models))
    assert row.claims.less_between == ()
    assert 256 in row.in_every_training.less_between
    assert (row.differences[:, 1] < 0).all()
    row = only_row(base, Method("m", (*models[:2], known("m2", -2.0 + SPREAD + 0.5))))
    assert row.in_every_training.outcome == "nothing shown"  # one of them is better


@pytest.mark.slow
def test_a_rule_that_does_nothing_is_rarely_said_to_do_something() -> None:
    """100 boards of a method whose seeds wander around the base: at most .05 may claim, so more than 11 is a fault."""
    generator, claims = np.random.default_rng(3), 0
    base = known("base", -4.0 + SPREAD)
    for _ in range(100):
        models = tuple(
            known(f"m{s}", base.logprobs / np.log(10) + generator.normal(0, 0.3, PUZZLES) + generator.normal(0, 0.1))
            for s in range(3)
        )
        board = leaderboard(base, [Method("m", models)], {"edge": IDS}, BandSettings(draws=2_000))
        claims += board.rows[0].claims.outcome != "nothing shown"
    assert claims <= 11


def test_chains_kept_counts_ways_and_not_chances() -> None:
    base, after = known("base", np.full(PUZZLES, -2.0)), known("m", np.full(PUZZLES, -1.0))
    narrow = tuple(np.array([value, value - 50.0]) for value in after.logprobs)
    collapsed = KnownModel(
        "m", IDS, after.logprobs, after.unlisted, after.standard_errors, after.chains, narrow, 1, 1, 48
    )
    assert only_row(base, Method("m", (after,))).chains_kept == pytest.approx(1)
    assert only_row(base, Method("m", (collapsed,))).chains_kept == pytest.approx(0.5)


def test_what_cannot_be_judged_is_refused_in_one_line() -> None:
    base = known("base", np.full(PUZZLES, -2.0))
    for methods, tiers, words in (
        ([], {"edge": IDS}, "at least one trained model"),
        ([Method("m", ())], {"edge": IDS}, "at least one trained model"),
        ([Method("m", (base,))], {"edge": (*IDS, "q")}, "not known on 1 problems of a tier, the first q"),
        ([Method("m", (base,))], {"edge": ()}, "an empty tier"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            leaderboard(base, methods, tiers, SETTINGS)
        assert "\n" not in str(caught.value)


def test_the_board_is_what_it_says() -> None:
    base = known("base", np.full(PUZZLES, -2.0))
    board = leaderboard(base, [Method("m", (base,))], {"edge": IDS}, SETTINGS)
    assert isinstance(board, Leaderboard)
    assert (board.base, board.confidence, board.rows[0].seeds, board.rows[0].puzzles) == ("base", 0.95, 1, PUZZLES)
