"""Claim: 20,000 responses with the repetition of real sampling are verified far faster than by Math-Verify one by one,
with the same verdicts; and nothing is lost where no two answers are equal.

Responses are drawn from MATH500's reference answers, 64 per problem: about half right (in one of three spellings), a
third with one of four common wrong answers, the rest with an answer of their own. The second row has one response per
answer: nothing repeats. The peer parses the reference once per problem, then parses and compares each response, in one
process (its own way of use); on a random part of the same responses, for it takes minutes on all. Ours includes
starting the workers. Runs alternate; medians and ranges over the rounds.
"""

import json
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from math_verify import parse
from math_verify import verify as math_verify

from move37.config import ProblemsConfig, VerificationConfig
from move37.problems import load_problems
from move37.types import Outcome, Problem
from move37.verification import VerifierPool
from move37.verifiers.math import MathVerifier

BENCHMARKS = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
RESPONSES, N, ROUNDS, WORKERS = 20_000, 64, 3, 2
PEER_PART = 500

Response = tuple[Problem, str, int]
Judge = Callable[[list[Response]], dict[int, bool]]
REASONING = "We rewrite the condition as $a_{k} + b_{k} = \\frac{k}{2}$ and substitute $x = 3$ into it. " * 20


def response(answer: str) -> str:
    """About 1.8 kB, as short chains of thought are."""
    return f"{REASONING}\n\nTherefore the final answer is $\\boxed{{{answer}}}$."


def repetitive(problems: tuple[Problem, ...], rng: random.Random) -> list[Response]:
    golds = [problem.references[0] for problem in problems]
    drawn: list[Response] = []
    for problem in problems[: -(-RESPONSES // N)]:
        gold = problem.references[0]
        right = [gold, gold.replace("\\frac", "\\dfrac"), gold.replace(",", ", ")]
        wrong = [*rng.sample(golds, 3), f"-{gold}"]
        for _ in range(N):
            kind = rng.random()
            own = f"{rng.randint(1, 10**6)}/{rng.randint(2, 10**4)}"
            answer = rng.choice(right) if kind < 0.5 else rng.choice(wrong) if kind < 0.83 else own
            drawn.append((problem, response(answer), len(drawn)))
    rng.shuffle(drawn)
    return drawn[:RESPONSES]


def all_distinct(problems: tuple[Problem, ...], rng: random.Random) -> list[Response]:
    golds = sorted({problem.references[0] for problem in problems})
    answers = [(problem, gold) for problem in problems for gold in (problem.references[0], *rng.sample(golds, 3))]
    distinct = sorted({(problem.id, answer) for problem, answer in answers})
    by_id = {problem.id: problem for problem in problems}
    rng.shuffle(distinct)
    return [(by_id[name], response(answer), i) for i, (name, answer) in enumerate(distinct)]


def ours(responses: list[Response]) -> dict[int, bool]:
    with VerifierPool(VerificationConfig(workers=WORKERS, timeout_seconds=10.0)) as pool:
        return {key: verdict.outcome is Outcome.CORRECT for key, verdict in pool.verify(MathVerifier(), responses)}


def one_by_one(responses: list[Response]) -> dict[int, bool]:
    golds: dict[str, list[object]] = {}
    verdicts = {}
    for problem, text, key in responses:
        if problem.id not in golds:
            golds[problem.id] = parse(f"\\boxed{{{problem.references[0]}}}")
        verdicts[key] = math_verify(golds[problem.id], parse(text))
    return verdicts


def timed(judge: Judge, responses: list[Response]) -> tuple[float, dict[int, bool]]:
    start = time.perf_counter()
    verdicts = judge(responses)
    return len(verdicts) / (time.perf_counter() - start), verdicts


def spread(rates: list[float]) -> str:
    return f"{statistics.median(rates):10,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def main() -> None:
    if not BENCHMARKS.is_dir():
        sys.exit("bench/verification.py needs MATH500 in ../shared/data/benchmarks")
    logging.disable(logging.CRITICAL)
    problems = load_problems((ProblemsConfig(benchmark="math500", path=BENCHMARKS),))
    one_by_one([(problems[0], response("1"), 0)])  # its regular expressions are compiled once
    figures: dict[str, dict[str, float]] = {}
    print(f"{'responses/s':34}{'move37, ' + str(WORKERS) + ' workers':>32}{'Math-Verify one by one':>32}{'ratio':>8}")
    for name, draw in (("n = 64, realistic repetition", repetitive), ("all distinct", all_distinct)):
        rng = random.Random(0)
        responses = draw(problems, rng)
        rates: list[float] = []
        peer_rates: list[float] = []
        compared, differ = 0, set[str]()
        by_key = {key: (problem.references[0], text[len(REASONING) :].strip()) for problem, text, key in responses}
        for _ in range(ROUNDS):
            rate, verdicts = timed(ours, responses)
            peer_rate, peer_verdicts = timed(one_by_one, rng.sample(responses, PEER_PART))
            rates.append(rate)
            peer_rates.append(peer_rate)
            compared += len(peer_verdicts)
            differ |= {
                f"{by_key[key][0]!r} against {by_key[key][1]!r}: ours {verdicts[key]}, Math-Verify {verdict}"
                for key, verdict in peer_verdicts.items()
                if verdicts[key] != verdict
            }
        ratio = statistics.median(rates) / statistics.median(peer_rates)
        print(f"{name:34}{spread(rates):>32}{spread(peer_rates):>32}{ratio:8.1f}")
        print(
            f"  {len(responses)} responses; {len(differ)} different verdicts among {compared} compared",
            *differ,
            sep="\n    ",
        )
        figures[name] = {
            "responses": len(responses),
            "move37_per_s": round(statistics.median(rates), 1),
            "math_verify_per_s": round(statistics.median(peer_rates), 1),
            "ratio": round(ratio, 2),
            "compared": compared,
            "differ": len(differ),
        }
    print(json.dumps({"bench": "verification", "workers": WORKERS, "rounds": ROUNDS, **figures}))


if __name__ == "__main__":
    main()
