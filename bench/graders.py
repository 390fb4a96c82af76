"""Claim: on hand-checked answers of every kind that graders are known to misjudge, ours accept fewer wrong and reject
fewer right ones than Math-Verify.

The examples are those of `tests/verdict_kinds.py`; `--cases FILE` takes others, JSON lines of reference, response,
verifier, right ("correct" or "incorrect"), kind and perhaps options. Math-Verify reads the whole response, and the
reference in a box, with its own defaults, as its README has it. They were written where graders fail, so the shares
are no rates of any model. One table by kind, in Markdown; `--list` prints each wrong verdict of ours. JSON last.
"""

import argparse
import json
import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from math_verify import parse
from math_verify import verify as math_verify

from move37.config import VerificationConfig
from move37.types import Outcome, Problem
from move37.verification import VerifierPool
from move37.verifiers.options import make_verifier

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.verdict_kinds import EXAMPLES, OPTIONS, Example

Row = tuple[Example, dict[str, object]]
"""An example, and the metadata of its problem."""


def own() -> list[Row]:
    return [(each, {"options": list(OPTIONS)} if each.verifier == "choice" else {}) for each in EXAMPLES]


def from_file(path: Path) -> list[Row]:
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    return [
        (
            Example(row["kind"], row["verifier"], row["reference"], row["response"], row["right"] == "correct"),
            {"options": row["options"]} if row.get("options") else {},
        )
        for row in rows
    ]


def ours(rows: Sequence[Row]) -> list[bool | None]:
    """Whether each response counts as right, in order; None where it is unscored."""
    found: list[bool | None] = [None] * len(rows)
    with VerifierPool(VerificationConfig(workers=2, timeout_seconds=20.0)) as pool:
        for name in {example.verifier for example, _ in rows}:
            items = [
                (Problem(f"graders/{i}", "?", (e.reference,), "graders", name, metadata=metadata), e.response, i)
                for i, (e, metadata) in enumerate(rows)
                if e.verifier == name
            ]
            for i, verdict in pool.verify(make_verifier(name), items):
                found[i] = {Outcome.CORRECT: True, Outcome.INCORRECT: False}.get(verdict.outcome)
    return found


def theirs(rows: Sequence[Row]) -> list[bool | None]:
    """Math-Verify's verdicts; it is not asked about options."""

    def verdict(example: Example) -> bool | None:
        if example.verifier == "choice":
            return None
        return bool(math_verify(parse(f"\\boxed{{{example.reference}}}"), parse(example.response)))

    return [verdict(example) for example, _ in rows]


def table(rows: Sequence[Row], graders: Mapping[str, Sequence[bool | None]]) -> dict[str, Counter[str]]:
    by_kind: defaultdict[str, Counter[str]] = defaultdict(Counter)
    totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for i, (example, _) in enumerate(rows):
        by_kind[example.kind]["cases"] += 1
        for name, verdicts in graders.items():
            sort = classify(example.right, verdicts[i])
            by_kind[example.kind][f"{name} {sort}"] += 1
            totals[name][sort] += 1
    print(f"| kind | cases | {' | '.join(graders)} |", f"|---|---:|{'---|' * len(graders)}", sep="\n")
    for kind, counts in by_kind.items():
        shown = (
            "–"
            if counts[f"{name} not asked"] == counts["cases"]
            else " / ".join(str(counts[f"{name} {sort}"]) for sort in ("right", "wrong accepted", "right rejected"))
            for name in graders
        )
        print(f"| {kind} | {counts['cases']} | {' | '.join(shown)} |")
    sums = (" / ".join(str(totals[name][s]) for s in ("right", "wrong accepted", "right rejected")) for name in graders)
    print(f"| all | {len(rows)} | {' | '.join(sums)} |")
    return dict(totals)


def classify(right: bool, verdict: bool | None) -> str:
    if verdict is None:
        return "not asked"
    return "right" if verdict is right else "wrong accepted" if verdict else "right rejected"


def timed(grade: Callable[[Sequence[Row]], list[bool | None]], rows: Sequence[Row]) -> list[bool | None]:
    start = time.perf_counter()
    found = grade(rows)
    print(f"{grade.__name__}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--cases", type=Path, help="JSON lines instead of our own examples")
    options.add_argument("--list", action="store_true", help="print every wrong verdict of ours")
    chosen = options.parse_args()
    logging.disable(logging.CRITICAL)
    rows = from_file(chosen.cases) if chosen.cases else own()
    graders = {"ours": timed(ours, rows), "Math-Verify 0.9": timed(theirs, rows)}
    totals = table(rows, graders)
    if chosen.list:
        for (example, _), verdict in zip(rows, graders["ours"], strict=True):
            if verdict is not example.right:
                print(f"  {example.kind}: {example.reference!r} and {example.response!r}: ours {verdict}")
    print(
        json.dumps({"bench": "graders", "cases": len(rows)} | {name: dict(counts) for name, counts in totals.items()})
    )


if __name__ == "__main__":
    main()
