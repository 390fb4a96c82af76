"""Deciding while sampling: the order, the prefix, unscored samples, and the sentences."""

from collections import Counter

import numpy as np
import pytest

from move37.analyses.decision import (
    Decision,
    DecisionPlan,
    decide,
    decision_plan,
    finished_problems,
)
from move37.errors import InputError
from move37.estimates.anytime import Status
from move37.report.words.claim import texts
from move37.report.words.findings import decision_sentences
from move37.stopping import CODES, UNKNOWN
from move37.types import Outcome

IDS = tuple(f"p{i:03d}" for i in range(100))
BASE_ONLY, RL_ONLY, BOTH, NEITHER = (True, False), (False, True), (True, True), (False, False)


def outcome_table(*rows: str) -> np.ndarray:
    codes = {"0": 0, "1": 1, "u": CODES[Outcome.UNSCORED], "x": UNKNOWN}
    return np.array([[codes[c] for c in row] for row in rows], dtype=np.int8)


def after(plan: DecisionPlan, *solved: tuple[bool, bool] | None) -> Decision:
    return decide(plan, dict(zip(plan.order, solved, strict=False)))


def test_the_order_is_random_reproducible_and_does_not_depend_on_the_file() -> None:
    plan = decision_plan(IDS, k=8, seed=3)
    assert sorted(plan.order) == sorted(IDS)
    assert plan.order == decision_plan(IDS[::-1], k=8, seed=3).order
    assert plan.order != decision_plan(IDS, k=8, seed=4).order
    assert plan.order != IDS


def test_a_problem_more_leaves_the_order_of_the_others() -> None:
    order = decision_plan((*IDS, "new"), k=8).order
    assert tuple(problem for problem in order if problem != "new") == decision_plan(IDS, k=8).order


def test_every_problem_comes_first_equally_often() -> None:
    # 2,000 seeds, 4 problems: 500 each, standard deviation 19.4; +-100 fails by chance with 1e-6.
    first = Counter(decision_plan(("a", "b", "c", "d"), k=1, seed=seed).order[0] for seed in range(2000))
    assert all(abs(count - 500) < 100 for count in first.values())


def test_at_the_start_the_first_block_is_next() -> None:
    plan = decision_plan(IDS, k=8, block=16)
    decision = decide(plan, {})
    assert decision.status is Status.OPEN
    assert decision.next_problems == plan.order[:16]
    assert (decision.examined, decision.e_value, decision.anytime_p) == (0, 1.0, 1.0)


def test_a_clear_lead_is_decided_and_nothing_more_is_asked_for() -> None:
    plan = decision_plan(IDS, k=8, block=16)
    decision = after(plan, *[BOTH] * 6, *[RL_ONLY] * 7, *[NEITHER] * 3)
    assert decision.status is Status.DECIDED
    assert decision.better == "rl"
    assert (decision.both, decision.base_only, decision.rl_only, decision.neither) == (6, 0, 7, 3)
    assert decision.stopped_at == 13
    assert decision.e_value == pytest.approx(3432 / 128)  # 7-0
    assert decision.next_problems == ()


def test_a_decision_stands_whatever_follows() -> None:
    plan = decision_plan(IDS, k=8)
    decision = after(plan, *[BASE_ONLY] * 7, *[RL_ONLY] * 9)
    assert decision.status is Status.DECIDED
    assert decision.better == "base"
    assert decision.e_value < 1
    assert decision.largest_e_value == pytest.approx(3432 / 128)
    assert decision.anytime_p == pytest.approx(128 / 3432)


def test_only_the_prefix_of_the_order_is_looked_at() -> None:
    plan = decision_plan(IDS, k=8, block=8)
    finished = dict.fromkeys(plan.order[:4], NEITHER)
    beyond_a_gap = dict.fromkeys((*plan.order[5:7], *plan.order[20:40]), RL_ONLY)
    decision = decide(plan, finished | beyond_a_gap)
    assert (decision.examined, decision.rl_only) == (4, 0)
    assert decision.status is Status.OPEN
    assert decision.next_problems == (plan.order[4], plan.order[7])  # the unfinished rest of the block


def test_blocks_follow_one_another() -> None:
    plan = decision_plan(IDS, k=8, block=30)
    assert after(plan, *[NEITHER] * 30).next_problems == plan.order[30:60]
    assert after(plan, *[NEITHER] * 93).next_problems == plan.order[93:]
    assert after(plan, *[NEITHER] * 94).status is Status.UNDECIDABLE  # 6 left, and 7 are needed


def test_what_cannot_be_decided_any_more_is_said() -> None:
    plan = decision_plan(IDS[:30], k=64)
    decision = after(plan, *[BOTH] * 19, *[BASE_ONLY] * 4, *[NEITHER] * 7)
    assert decision.status is Status.UNDECIDABLE
    assert decision.better is None
    assert decision.e_value == pytest.approx(4.375)
    (sentence,) = texts(decision_sentences(decision))
    assert sentence.startswith("Cannot be decided: 30 of 30 problems in random order: 4 solved by base only and 0 by")
    assert "would reach 4.38, not 20. This does not say that the models are equal." in sentence


def test_a_set_that_is_too_small_is_undecidable_before_anything_is_sampled() -> None:
    decision = decide(decision_plan(IDS[:6], k=8), {})
    assert decision.status is Status.UNDECIDABLE
    assert decision.next_problems == ()
    assert texts(decision_sentences(decision))[1] == (
        "6 problems can never decide it: at least 7 must be solved by one model only."
    )


def test_the_sentence_of_a_decision_has_its_figures() -> None:
    decision = after(decision_plan(IDS, k=8), *[RL_ONLY] * 7)
    assert tuple(texts(decision_sentences(decision))) == (
        "Decided: rl solves more of problems like these. 7 of 100 problems in random order: 0 solved by base only and "
        "7 by rl only in 8 samples each; the e-value reached 26.8 (needed: 20), anytime-valid p = 0.037 (95% "
        "confidence).",
        "How many problems were examined depended on the outcomes: this direction and p-value allow for that; curves, "
        "bands and McNemar's p over these problems do not, and overstate the difference.",
    )
    assert len(texts(decision_sentences(after(decision_plan(IDS[:7], k=8), *[RL_ONLY] * 7)))) == 1


def test_problems_without_a_scored_sample_are_set_aside_and_counted() -> None:
    decision = after(decision_plan(IDS, k=8), None, RL_ONLY, None)
    assert (decision.examined, decision.set_aside, decision.rl_only) == (3, 2, 1)
    said = texts(decision_sentences(decision))
    assert said[-1] == "2 problems set aside: some model has no scored sample there."


def test_a_problem_is_finished_at_its_first_success_or_at_k_samples() -> None:
    base = outcome_table("001x", "0000", "000x", "x111", "0000")
    rl = outcome_table("1xxx", "0001", "1xxx", "1xxx", "0000")
    assert finished_problems("abcde", base, rl, k=4) == {"a": BOTH, "b": RL_ONLY, "e": NEITHER}


def test_samples_beyond_k_are_not_looked_at() -> None:
    assert finished_problems("a", outcome_table("0001"), outcome_table("1000"), k=3) == {"a": RL_ONLY}


def test_unscored_samples_leave_both_models_the_same_number_of_draws() -> None:
    base = outcome_table("uu00", "0u1x", "uuuu")
    rl = outcome_table("0001", "0100", "1xxx")
    # a: base has 2 scored samples, so RL's first 2 count: neither. b: base's 1st success is its 2nd scored of 3,
    # RL's its 2nd of 4: both. c: nothing of base is scored.
    assert finished_problems("abc", base, rl, k=4) == {"a": NEITHER, "b": BOTH, "c": None}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decision_plan((), k=8), "no problems"),
        (lambda: decision_plan(("a", "a"), k=8), "a problem comes twice"),
        (lambda: decision_plan(IDS, k=0), "k and block must be at least 1"),
        (lambda: decision_plan(IDS, k=1, alpha=1.0), "alpha must be between 0 and 1"),
        (lambda: decide(decision_plan(IDS, k=8), {"other": BOTH}), "1 finished problems are not of this plan.*other"),
        (lambda: finished_problems("a", outcome_table("01"), outcome_table("011"), k=3), r"shape \(1, 3\) or wider"),
    ],
)
def test_bad_input_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


# -- near duplicates ---------------------------------------------------------------------------------------------------


def twins() -> tuple[tuple[str, ...], dict[str, str]]:
    ids = tuple(f"p{i:03d}{copy}" for i in range(30) for copy in ("a", "b"))
    return ids, {problem: problem[:4] for problem in ids}


def test_the_problems_of_a_cluster_come_together_and_count_once() -> None:
    ids, clusters = twins()
    plan = decision_plan(ids, k=8, clusters=clusters)
    assert plan.units == 30
    assert all(plan.order[i][:4] == plan.order[i + 1][:4] for i in range(0, 60, 2))
    decision = after(plan, *[RL_ONLY] * 14)
    assert (decision.unit, decision.problems, decision.examined, decision.rl_only) == ("cluster", 30, 7, 7)
    # 14 problems won by RL would be an e-value of 1,400 and more; seven clusters are 7-0.
    assert decision.e_value == pytest.approx(3432 / 128)
    assert texts(decision_sentences(decision))[0].startswith("Decided: rl solves more of problems like these. 7 of 30 ")


def test_half_a_cluster_is_no_unit_yet_and_a_split_one_goes_with_most() -> None:
    ids, clusters = twins()
    plan = decision_plan(ids, k=8, clusters=clusters)
    assert after(plan, RL_ONLY, RL_ONLY, RL_ONLY).examined == 1
    assert plan.order[3] in after(plan, RL_ONLY, RL_ONLY, RL_ONLY).next_problems
    # One each way balances; a problem set aside leaves the word to the other.
    decision = after(plan, RL_ONLY, BASE_ONLY, None, RL_ONLY, BOTH, RL_ONLY, None, None)
    assert (decision.both, decision.rl_only, decision.set_aside) == (1, 2, 1)


def test_a_tag_that_no_problem_has_changes_nothing() -> None:
    assert decision_plan(IDS, k=8, clusters={}).order == decision_plan(IDS, k=8).order
