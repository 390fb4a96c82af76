"""Claim: on hand-checked answers of every kind that graders are known to misjudge, ours accept fewer wrong and reject
fewer right ones than Math-Verify, and than the graders of lm-eval and verl (`--peers FOLDER`, installed there as
`peers.py` says).

The examples are those of `tests/verdict_kinds.py`; `--cases FILE` takes others, JSON lines of reference, response,
verifier, right ("correct" or "incorrect"), kind and perhaps options. Math-Verify reads the whole response, and the
reference in a box, with its own defaults, as its README has it. A grader that reads no answer but in the form that its
own prompt asks for gets, in the table by kind, the answer that ours finds in that form (the whole response where ours
finds none); the second table says how it does on the responses as they are. The examples were written where graders
fail, so the shares are no rates of any model. Two tables in Markdown; `--list` prints each wrong verdict of ours. JSON
last.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import version
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


def _problem(row: Row, i: int = 0) -> Problem:
    example, metadata = row
    return Problem(f"graders/{i}", "?", (example.reference,), "graders", example.verifier, metadata=metadata)


def ours(rows: Sequence[Row]) -> list[bool | None]:
    """Whether each response counts as right, in order; None where it is unscored."""
    found: list[bool | None] = [None] * len(rows)
    with VerifierPool(VerificationConfig(workers=2, timeout_seconds=20.0)) as pool:
        for name in {example.verifier for example, _ in rows}:
            items = [(_problem(row, i), row[0].response, i) for i, row in enumerate(rows) if row[0].verifier == name]
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


def of_peers(folder: Path, rows: Sequence[Row]) -> dict[str, dict[str, list[bool | None]]]:
    """By grader that is installed in `folder`: its verdicts on "whole" responses and on answers "in_form"."""
    asked = [i for i, (example, _) in enumerate(rows) if example.verifier != "choice"]
    sent = [
        (example.reference, example.response, make_verifier(example.verifier).extract(_problem(row), example.response))
        for example, row in ((rows[i][0], rows[i]) for i in asked)
    ]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("peers.py"))],
        input=json.dumps(sent),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )
    found: dict[str, dict[str, list[bool | None]]] = {}
    for name, by_input in json.loads(done.stdout).items():
        found[name] = {which: [None] * len(rows) for which in by_input}
        for which, verdicts in by_input.items():
            for i, verdict in zip(asked, verdicts, strict=True):
                found[name][which][i] = verdict
    return found


Verdicts = Mapping[str, Sequence[bool | None]]
"""By grader, in the order of the rows."""


def table_by_kind(rows: Sequence[Row], graders: Verdicts) -> None:
    by_kind: defaultdict[str, list[int]] = defaultdict(list)
    for i, (example, _) in enumerate(rows):
        by_kind[example.kind].append(i)
    print(f"| kind | cases | {' | '.join(graders)} |", f"|---|---:|{'---|' * len(graders)}", sep="\n")
    for kind, places in (*by_kind.items(), ("all", range(len(rows)))):
        counted = [count([rows[i] for i in places], [verdicts[i] for i in places]) for verdicts in graders.values()]
        print(f"| {kind} | {len(places)} | {' | '.join(map(shown, counted))} |")


def table_of_whole_responses(rows: Sequence[Row], graders: Verdicts) -> None:
    print("\n| on whole responses | right / wrong accepted / right rejected |", "|---|---|", sep="\n")
    for name, verdicts in graders.items():
        print(f"| {name} | {shown(count(rows, verdicts))} |")


def count(rows: Sequence[Row], verdicts: Sequence[bool | None]) -> Counter[str]:
    return Counter(classify(example.right, verdict) for (example, _), verdict in zip(rows, verdicts, strict=True))


def shown(counts: Counter[str]) -> str:
    if set(counts) == {"not asked"}:
        return "–"
    return " / ".join(str(counts[sort]) for sort in ("right", "wrong accepted", "right rejected"))


def classify(right: bool, verdict: bool | None) -> str:
    if verdict is None:
        return "not asked"
    return "right" if verdict is right else "wrong accepted" if verdict else "right rejected"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--cases", type=Path, help="JSON lines instead of our own examples")
    options.add_argument("--list", action="store_true", help="print every wrong verdict of ours")
    options.add_argument("--peers", type=Path, action="append", default=[], help="where lm-eval or verl is installed")
    chosen = options.parse_args()
    logging.disable(logging.CRITICAL)
    rows = from_file(chosen.cases) if chosen.cases else own()
    graders = {"ours": ours(rows), f"Math-Verify {version('math-verify')}": theirs(rows)}
    whole = dict(graders)
    if not chosen.peers:
        print("lm-eval's and verl's graders are not asked: no --peers (bench/peers.py says how)", file=sys.stderr)
    for folder in chosen.peers:
        verdicts_of = of_peers(folder, rows)
        if not verdicts_of:
            print(f"{folder}: no grader of lm-eval or verl there", file=sys.stderr)
        for name, verdicts in verdicts_of.items():
            graders[name], whole[name] = verdicts["in_form"], verdicts["whole"]
    table_by_kind(rows, graders)
    table_of_whole_responses(rows, whole)
    if chosen.list:
        for (example, _), verdict in zip(rows, graders["ours"], strict=True):
            if verdict is not example.right:
                print(f"  {example.kind}: {example.reference!r} and {example.response!r}: ours {verdict}")
    totals = {name: dict(count(rows, verdicts)) for name, verdicts in graders.items()}
    print(json.dumps({"bench": "graders", "cases": len(rows)} | totals))


if __name__ == "__main__":
    main()
