"""Verdicts against Math-Verify 0.9 and against how the answers were made: on pairs from the benchmarks' golds.

`bench/agreement.py` does the same on all 27,000 pairs and on the real responses; these are seeded parts.
"""

import json
import logging
import random
import subprocess
import sys
import time

import pytest

from move37.config import VerificationConfig
from move37.types import Outcome, Problem
from move37.verification import VerifierPool
from move37.verifiers.math import MathVerifier
from tests.math_pairs import BENCHMARKS, Pair, golds, known_difference, pairs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="needs the six math sets in ../shared/data/benchmarks"),
]

RESPONSES = BENCHMARKS.parent / "samples" / "qwen_math_cot_100x8.jsonl"
PAIRS = 1500


@pytest.fixture(scope="module")
def drawn() -> list[Pair]:
    return pairs(golds(), PAIRS)


def items(drawn: list[Pair]) -> list[tuple[Problem, str, tuple[str, str]]]:
    problems = {gold: Problem(f"pairs/{gold}", "?", (gold,), "pairs", "math") for gold in {pair.gold for pair in drawn}}
    return [(problems[pair.gold], f"\\boxed{{{pair.answer}}}", (pair.gold, pair.answer)) for pair in drawn]


def responses(rows: int) -> list[tuple[Problem, str, tuple[str, str]]]:
    """All eight responses to the first so many problems."""
    read = [json.loads(line) for line in RESPONSES.open(encoding="utf-8")][:rows]
    return [
        (
            Problem(f"real/{row['idx']}", row["question"], (row["gt"],), "real", "math"),
            text,
            (f"real {row['idx']}", str(i)),
        )
        for row in read
        for i, text in enumerate(row["code"])
    ]


def outcomes(asked: list[tuple[Problem, str, tuple[str, str]]], workers: int = 2) -> dict[tuple[str, str], Outcome]:
    with VerifierPool(VerificationConfig(workers=workers, timeout_seconds=10.0)) as pool:
        return {key: verdict.outcome for key, verdict in pool.verify(MathVerifier(), asked)}


@pytest.fixture(scope="module")
def verdicts(drawn: list[Pair]) -> dict[tuple[str, str], Outcome]:
    return outcomes(items(drawn))


def test_there_are_more_than_20000_pairs_and_the_same_seed_makes_the_same() -> None:
    all_golds = golds()
    assert len(pairs(all_golds, 100_000)) > 20_000
    assert pairs(all_golds, 50, seed=3) == pairs(all_golds, 50, seed=3)


def test_every_pair_gets_the_verdict_it_was_made_for(
    drawn: list[Pair], verdicts: dict[tuple[str, str], Outcome]
) -> None:
    due = {(pair.gold, pair.answer): Outcome.CORRECT if pair.same else Outcome.INCORRECT for pair in drawn}
    assert {key: outcome for key, outcome in verdicts.items() if outcome is not due[key]} == {}


@pytest.mark.peer
def test_where_math_verify_says_otherwise_it_is_known_why(
    drawn: list[Pair], verdicts: dict[tuple[str, str], Outcome]
) -> None:
    from math_verify import parse, verify

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    part = drawn[:300]
    differ = [
        pair
        for pair in part
        if verify(parse(f"\\boxed{{{pair.gold}}}"), parse(f"\\boxed{{{pair.answer}}}"))
        is not (verdicts[pair.gold, pair.answer] is Outcome.CORRECT)
    ]
    assert [pair for pair in differ if known_difference(pair) is None] == []
    assert 0 < len(differ) < 40  # 5 % of all pairs: 15 expected, standard deviation 4


def test_verdicts_do_not_depend_on_order_workers_or_repetition(
    drawn: list[Pair], verdicts: dict[tuple[str, str], Outcome]
) -> None:
    asked = [*items(drawn[:300]), *responses(10)]
    turned = asked[::-1]
    random.Random(1).shuffle(turned)
    first, second = outcomes(asked, workers=1), outcomes(turned, workers=4)
    assert first == second
    assert all(first[pair.gold, pair.answer] is verdicts[pair.gold, pair.answer] for pair in drawn[:300])


def test_real_responses_get_the_verdicts_that_were_reported_for_them() -> None:
    rows = [json.loads(line) for line in RESPONSES.open(encoding="utf-8")][4:24]
    found = outcomes(responses(24))
    reported = {(f"real {row['idx']}", str(i)): score for row in rows for i, score in enumerate(row["score"])}
    assert {key: outcome is Outcome.CORRECT for key, outcome in found.items() if key in reported} == reported


def test_no_correct_answer_turns_incorrect_on_a_busy_machine(drawn: list[Pair]) -> None:
    right = items([pair for pair in drawn if pair.same][:150])
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        start = time.monotonic()
        found = outcomes(right)
        assert time.monotonic() - start < 120
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    assert set(found.values()) == {Outcome.CORRECT}
