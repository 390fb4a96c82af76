"""Claim: our verdicts are Math-Verify's on real responses and on more than 20,000 (gold, answer) pairs, or better.

Pairs: golds of the six math benchmarks, written otherwise or mutated (`tests/math_pairs.py`), so that the construction
says which verdict is right wherever the two differ. Ours come from a pool with two workers, given the text
`\\boxed{answer}`; Math-Verify's from `verify(parse(gold), parse(answer))`, both in boxes, as its README has it. Then
the 800 real responses, of which each grader reads the whole text. Every difference is counted by kind and verdicts;
`--list` prints each; `--types` prints how many references of each benchmark are read as each type, and nothing else.
JSON last.
"""

import argparse
import json
import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from math_verify import parse
from math_verify import verify as math_verify

from move37.config import ProblemsConfig, VerificationConfig
from move37.problems import load_problems
from move37.types import Outcome, Problem
from move37.verification import VerifierPool
from move37.verifiers.math import MathVerifier
from move37.verifiers.reading import read

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.math_pairs import BENCHMARKS, Pair, golds, known_difference, pairs

RESPONSES = BENCHMARKS.parent / "samples" / "qwen_math_cot_100x8.jsonl"
SETS = ("aime24", "amc23", "math500", "minerva", "olympiadbench", "gsm8k")
WORKERS = 2
JUDGED = {Outcome.CORRECT: "correct", Outcome.INCORRECT: "incorrect", Outcome.UNSCORED: "unscored"}


def ours(asked: Iterable[tuple[str, str]]) -> list[str]:
    """Verdicts on (gold, text), in order."""
    problems: dict[str, Problem] = {}
    items = []
    for i, (gold, text) in enumerate(asked):
        problem = problems.setdefault(gold, Problem(f"agreement/{len(problems)}", "?", (gold,), "agreement", "math"))
        items.append((problem, text, i))
    with VerifierPool(VerificationConfig(workers=WORKERS, timeout_seconds=10.0)) as pool:
        verdicts = dict(pool.verify(MathVerifier(), items))
    return [JUDGED[verdicts[i].outcome] for i in range(len(items))]


def theirs(asked: Iterable[tuple[str, str]]) -> list[str]:
    parsed: dict[str, Any] = {}
    verdicts = []
    for gold, text in asked:
        if gold not in parsed:
            parsed[gold] = parse(f"\\boxed{{{gold}}}")
        verdicts.append("correct" if math_verify(parsed[gold], parse(text)) else "incorrect")
    return verdicts


def compare_pairs(drawn: list[Pair], listed: bool) -> dict[str, int]:
    asked = [(pair.gold, f"\\boxed{{{pair.answer}}}") for pair in drawn]
    start = time.perf_counter()
    verdicts = ours(asked)
    print(f"{len(drawn):,} pairs: ours in {time.perf_counter() - start:.0f} s", end=", ", flush=True)
    start = time.perf_counter()
    peers = theirs(asked)
    print(f"Math-Verify in {time.perf_counter() - start:.0f} s")
    by_kind: defaultdict[tuple[bool, str], Counter[str]] = defaultdict(Counter)
    classes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for pair, verdict, peer in zip(drawn, verdicts, peers, strict=True):
        right = "correct" if pair.same else "incorrect"
        row = by_kind[not pair.same, pair.kind]
        row["pairs"] += 1
        if verdict == peer:
            row["both right" if verdict == right else "both wrong"] += 1
            classes["both right" if verdict == right else "both wrong"] += 1
            continue
        reasons[known_difference(pair) or "not explained"] += 1
        name = "ours right" if verdict == right else "ours unscored" if verdict == "unscored" else "theirs right"
        row[name] += 1
        classes[name] += 1
        if listed:
            print(f"  {name:14}{pair.kind:32}{pair.gold!r} and {pair.answer!r}: ours {verdict}, theirs {peer}")
    columns = ("pairs", "both right", "ours right", "theirs right", "ours unscored", "both wrong")
    print(f"{'':36}", *(f"{column:>14}" for column in columns), sep="")
    for (_, kind), row in sorted(by_kind.items()):
        print(f"{kind:36}", *(f"{row[column]:14,}" for column in columns), sep="")
    print("differences, by what Math-Verify does:", *(f"{n:8,}  {why}" for why, n in reasons.most_common()), sep="\n")
    unexplained = reasons["not explained"]
    return {"pairs": len(drawn), "not explained": unexplained} | {column: classes[column] for column in columns[1:]}


def compare_responses(listed: bool) -> dict[str, int]:
    rows = [json.loads(line) for line in RESPONSES.open(encoding="utf-8")]
    asked = [(row["gt"], text) for row in rows for text in row["code"]]
    scores = [score for row in rows for score in row["score"]]
    verdicts, peers = ours(asked), theirs(asked)
    for (gold, text), verdict, peer, score in zip(asked, verdicts, peers, scores, strict=True):
        if verdict != peer and listed:
            print(f"  {gold!r} and ...{text[-60:]!r}: ours {verdict}, theirs {peer}, the file's score {score}")
    return {
        "responses": len(asked),
        "differ": sum(verdict != peer for verdict, peer in zip(verdicts, peers, strict=True)),
        "differ_from_reported": sum((v == "correct") != s for v, s in zip(verdicts, scores, strict=True)),
        "unscored": verdicts.count("unscored"),
    }


def print_types() -> None:
    by_type: dict[str, Counter[str]] = defaultdict(Counter)
    for benchmark in SETS:
        for problem in load_problems((ProblemsConfig(benchmark=benchmark, path=BENCHMARKS),)):
            for reference in problem.references:
                by_type[type(read(reference)).__name__][benchmark] += 1
    print(f"| type | {' | '.join(SETS)} |\n|---|{'---:|' * len(SETS)}")
    for name, counts in sorted(by_type.items(), key=lambda each: -each[1].total()):
        print(f"| {name} | {' | '.join(f'{counts[benchmark]:,}' for benchmark in SETS)} |")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=100_000, help="at most so many")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--list", action="store_true", help="print every difference")
    options.add_argument("--types", action="store_true", help="print the references by type, and compare nothing")
    chosen = options.parse_args()
    if not BENCHMARKS.is_dir():
        sys.exit("bench/agreement.py needs the six math sets in ../shared/data/benchmarks")
    logging.disable(logging.CRITICAL)
    if chosen.types:
        print_types()
        return
    of_pairs = compare_pairs(pairs(golds(), chosen.pairs, chosen.seed), chosen.list)
    of_responses = compare_responses(chosen.list)
    print(f"{of_responses['responses']} real responses: {of_responses['differ']} different verdicts")
    print(json.dumps({"bench": "agreement", "seed": chosen.seed, "pairs": of_pairs, "responses": of_responses}))


if __name__ == "__main__":
    main()
