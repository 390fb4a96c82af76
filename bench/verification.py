"""Claim: 200,000 responses with the repetition of real sampling are verified at least 100 times as fast as by
Math-Verify one by one, and no slower where no two answers are equal.

First row: MATH500, n = 512 per problem. Each problem has its own chance of success (.6 on average, mostly near 0 or 1);
right answers come in up to four spellings, wrong ones from a list in which the r-th is drawn with weight r^-1.5
(mutated golds, golds of other problems, numbers, roots, formulas), some responses are garbage (cut off in the box, or
no answer). That is less repetition than in the real samples at hand (printed: distinct answers among eight responses).
Second row: golds written otherwise or mutated (`tests/math_pairs.py`), one response per answer: nothing repeats.

The peer parses the reference once per problem, then parses and compares each response, in one process, as its README
has it, on a random part of the same responses, because all would take hours. Ours includes starting two workers. Runs
alternate; medians and ranges over the rounds; processor seconds include the workers. JSON last.
"""

import argparse
import json
import logging
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from math_verify import parse
from math_verify import verify as math_verify

from move37.config import ProblemsConfig, VerificationConfig
from move37.problems import load_problems
from move37.types import Outcome, Problem
from move37.verification import VerifierPool
from move37.verifiers.math import MathVerifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.math_pairs import BENCHMARKS, pairs

N, WORKERS = 512, 2
MOST_WRONG = 250
"""Distinct wrong answers a problem may have."""

Response = tuple[Problem, str, int]
REASONING = "We rewrite the condition as $a_{k} + b_{k} = \\frac{k}{2}$ and substitute $x = 3$ into it. " * 20


def response(answer: str) -> str:
    """About 1.8 kB, as short chains of thought are."""
    return f"{REASONING}\n\nTherefore the final answer is $\\boxed{{{answer}}}$."


def garbage(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{REASONING}\n\nTherefore the final answer is $\\boxed{{\\frac{{{rng.randint(1, 99)}}}{{",
            f"{REASONING} " * 2,
            f"{REASONING} I do not know.",
            response("\\text{no solution}"),
            "",
        )
    )


def made_up(rng: random.Random) -> str:
    a, b, c = rng.randint(1, 99), rng.randint(2, 99), rng.randint(2, 9)
    return rng.choice(
        (
            f"{a * b}",
            f"\\frac{{{a}}}{{{b}}}",
            f"{c}\\sqrt{{{b}}}",
            f"{a}.{b}",
            f"{c}x^2 - {a}",
            f"({a}, {b})",
            f"{a}\\pi",
        )
    )


def realistic(problems: tuple[Problem, ...], count: int, rng: random.Random) -> list[Response]:
    golds = [problem.references[0] for problem in problems]
    drawn: list[Response] = []
    for problem in problems[: -(-count // N)]:
        gold = problem.references[0]
        changed = pairs([gold], 1000, rng.randint(0, 10**9))
        right = [gold, *islice((pair.answer for pair in changed if pair.same), 3)]
        wrong = [pair.answer for pair in changed if not pair.same] + rng.sample(golds, 5)
        wrong += [made_up(rng) for _ in range(MOST_WRONG - len(wrong))]
        chance = rng.betavariate(0.6, 0.4)
        rights = rng.choices(right, [0.9, 0.06, 0.03, 0.01][: len(right)], k=N)
        wrongs = rng.choices(wrong, [rank**-1.5 for rank in range(1, len(wrong) + 1)], k=N)
        for ours, theirs in zip(rights, wrongs, strict=True):
            text = response(ours if rng.random() < chance else theirs) if rng.random() < 0.95 else garbage(rng)
            drawn.append((problem, text, len(drawn)))
    rng.shuffle(drawn)
    return drawn[:count]


def all_distinct(problems: tuple[Problem, ...], count: int, rng: random.Random) -> list[Response]:
    by_gold = {problem.references[0]: problem for problem in problems}
    drawn = pairs(list(by_gold), count, rng.randint(0, 10**9))
    return [(by_gold[pair.gold], response(pair.answer), i) for i, pair in enumerate(drawn)]


def ours(responses: list[Response]) -> dict[int, bool]:
    with VerifierPool(VerificationConfig(workers=WORKERS, timeout_seconds=10.0)) as pool:
        return {key: verdict.outcome is Outcome.CORRECT for key, verdict in pool.verify(MathVerifier(), responses)}


def one_by_one(responses: list[Response]) -> dict[int, bool]:
    golds: dict[str, Any] = {}
    verdicts = {}
    for problem, text, key in responses:
        if problem.id not in golds:
            golds[problem.id] = parse(f"\\boxed{{{problem.references[0]}}}")
        verdicts[key] = math_verify(golds[problem.id], parse(text))
    return verdicts


def processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Timed:
    """Rates of one way of verifying, over the rounds."""

    def __init__(self, judge: Callable[[list[Response]], dict[int, bool]]) -> None:
        self.judge = judge
        self.rates: list[float] = []
        self.cpu: list[float] = []
        """Processor seconds per thousand responses."""

    def run(self, responses: list[Response]) -> dict[int, bool]:
        cpu, start = processor_seconds(), time.perf_counter()
        verdicts = self.judge(responses)
        self.rates.append(len(verdicts) / (time.perf_counter() - start))
        self.cpu.append(1000 * (processor_seconds() - cpu) / len(verdicts))
        return verdicts

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def __str__(self) -> str:
        return f"{self.rate:10,.0f} ({min(self.rates):,.0f} to {max(self.rates):,.0f})"


def compare(name: str, responses: list[Response], rounds: int, part: int, rng: random.Random) -> dict[str, float]:
    mine, peer = Timed(ours), Timed(one_by_one)
    compared, differ = 0, 0
    for _ in range(rounds):
        verdicts = mine.run(responses)
        peers = peer.run(rng.sample(responses, part))
        compared += len(peers)
        differ += sum(verdicts[key] != verdict for key, verdict in peers.items())
    distinct = len({(problem.id, text) for problem, text, _ in responses})
    ratio, cpu_ratio = mine.rate / peer.rate, statistics.median(peer.cpu) / statistics.median(mine.cpu)
    print(f"{name:24}{mine!s:>32}{peer!s:>28}{ratio:9.1f}{cpu_ratio:12.1f}")
    print(f"  {len(responses):,} responses, {distinct:,} distinct; {differ} other verdicts among {compared} compared")
    if len(responses) > distinct:
        print(f"  of eight responses to one problem {of_eight(responses, rng):.2f} have different answers")
    return {
        "responses": len(responses),
        "distinct": distinct,
        "move37_per_s": round(mine.rate, 1),
        "move37_cpu_s_per_1000": round(statistics.median(mine.cpu), 3),
        "math_verify_per_s": round(peer.rate, 1),
        "math_verify_cpu_s_per_1000": round(statistics.median(peer.cpu), 3),
        "ratio": round(ratio, 2),
        "cpu_ratio": round(cpu_ratio, 2),
        "compared": compared,
        "differ": differ,
    }


def of_eight(responses: list[Response], rng: random.Random) -> float:
    """Distinct answers among eight responses to a problem, on average. In `data/samples`, a strong model's: 1.3."""
    texts: dict[str, list[str]] = {}
    for problem, text, _ in responses:
        texts.setdefault(problem.id, []).append(text)
    return statistics.mean(len(set(rng.sample(each, 8))) for each in texts.values() if len(each) >= 8)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--responses", type=int, default=200_000)
    options.add_argument("--distinct", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--part", type=int, default=400, help="responses the peer judges in each round")
    chosen = options.parse_args()
    if not BENCHMARKS.is_dir():
        sys.exit("bench/verification.py needs MATH500 in ../shared/data/benchmarks")
    logging.disable(logging.CRITICAL)
    problems = load_problems((ProblemsConfig(benchmark="math500", path=BENCHMARKS),))
    one_by_one([(problems[0], response("1"), 0)])  # its regular expressions are compiled once
    title = f"move37, {WORKERS} workers"
    print(f"{'responses/s':24}{title:>32}{'Math-Verify one by one':>28}{'ratio':>9}{'CPU ratio':>12}")
    rng = random.Random(0)
    figures = {
        name: compare(name, draw(problems, count, rng), chosen.rounds, chosen.part, rng)
        for name, draw, count in (
            (f"n = {N}, realistic", realistic, chosen.responses),
            ("all distinct", all_distinct, chosen.distinct),
        )
    }
    print(json.dumps({"bench": "verification", "workers": WORKERS, "rounds": chosen.rounds, **figures}))


if __name__ == "__main__":
    main()
