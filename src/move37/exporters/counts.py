"""Counts: {"id", "c", "n"} per problem, one file per model. `move37 compare`, `move37 import counts` and
passk-inference read them. Counts that were stopped early name their plan in every row."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.exporters.written import write_rows
from move37.store import RunStore


class CountsExporter:
    def write(self, store: RunStore, models: Sequence[str], out: Path) -> list[Path]:
        """Raises InputError for a plan that rows of counts cannot name."""
        evidence = RunEvidence(store)
        return [write_rows(out / f"{model}.jsonl", _rows(evidence.tally(model))) for model in models]


def _rows(tally: AnyTally) -> Iterator[dict[str, Any]]:
    plan = _plan(tally) if isinstance(tally, StoppedTally) else {}
    correct = tally.correct if isinstance(tally, Tally) else tally.successes
    counts = zip(tally.problem_ids, correct, tally.scored, tally.unscored, tally.truncated, strict=True)
    for problem, c, n, unscored, truncated in counts:
        beside = {"unscored": int(unscored), "truncated": int(truncated)}
        known = {name: value for name, value in beside.items() if name not in tally.unknown}
        yield {"id": problem, "c": int(c), "n": int(n)} | known | plan


def _plan(tally: StoppedTally) -> dict[str, int]:
    plan = tally.plan
    if tally.unscored.any():
        raise InputError(
            f"{tally.model}: was stopped early and has unscored samples, which move the looks of its plan; counts "
            "cannot say that: export samples"
        )
    batch = plan.looks[0]
    enough = plan.successes if isinstance(plan.successes, int) else 1
    named = StoppingPlan.until(enough, plan.n_max, batch)
    if plan.successes != enough or tuple(named.looks) != tuple(plan.looks):
        raise InputError(f"{tally.model}: its stopping plan is none that counts can name ({plan}): export samples")
    return {"stop_successes": enough, "n_max": plan.n_max, "batch": batch}
