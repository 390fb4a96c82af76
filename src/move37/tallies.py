"""From tables of verdicts and counts to tallies, under a fixed n or under a stopping plan.

A verdict table has one row per sample; what is counted never needs the text. Under a stopping plan the outcomes of a
problem are laid out by sample index, so that only the prefix up to its stopping point counts (`stopping.py`).
Out of scope: where the tables are kept (`store.py`), what is estimated from them.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.schema import COUNTS
from move37.stopping import CODES, UNKNOWN, apply_plan
from move37.types import IntArray, Outcome

_FIXED = ("correct", "incorrect", "unscored", "truncated")


def count_outcomes(verdicts: pl.LazyFrame) -> pl.LazyFrame:
    """Counts by problem of rows with problem_id, outcome and truncated, in the columns of `schema.COUNTS`."""
    outcomes = {o.value: (pl.col("outcome") == o.value).sum().cast(pl.Int64) for o in Outcome}
    counted = verdicts.group_by("problem_id").agg(truncated=pl.col("truncated").sum().cast(pl.Int64), **outcomes)
    return counted.with_columns(went_on=pl.lit(None, pl.Int64)).select(list(COUNTS.columns))


def first_samples(below: int | None) -> pl.Expr:
    """Whether a row's sample index is below `below`; every row's is below None."""
    return pl.lit(True) if below is None else pl.col("index") < below


def fixed_tally(model: str, counts: pl.DataFrame) -> Tally:
    """The tally in rows of counts, in their order."""
    correct, incorrect, unscored, truncated = (_column(counts, name) for name in _FIXED)
    ids = tuple(counts["problem_id"])
    return Tally(model, ids, correct, incorrect, unscored, truncated, unknown=_unknown(counts))


def counted_tally(model: str, counts: pl.DataFrame, plan: StoppingPlan | None) -> AnyTally:
    """The tally in rows of imported counts, stopped early under `plan` if there is one."""
    if plan is None:
        return fixed_tally(model, counts)
    correct, incorrect, unscored, truncated, went_on = (_column(counts, name) for name in (*_FIXED, "went_on"))
    ids, none = tuple(counts["problem_id"]), np.zeros_like(correct)
    scored, unknown = correct + incorrect, _unknown(counts)
    return StoppedTally(model, ids, correct, scored, went_on, unscored, truncated, none, plan, unknown)


def counts_frame(tally: AnyTally) -> pl.DataFrame:
    """The rows that `counted_tally` reads."""
    if isinstance(tally, Tally):
        columns = {name: getattr(tally, name) for name in _FIXED} | {"went_on": [None] * tally.problems}
    else:
        columns = {
            "correct": tally.successes,
            "incorrect": tally.trials - tally.successes,
            "unscored": tally.unscored,
            "truncated": tally.truncated,
            "went_on": tally.went_on,
        }
    columns |= {name: [None] * tally.problems for name in tally.unknown}
    return pl.DataFrame({"problem_id": list(tally.problem_ids)} | columns, schema=COUNTS.columns)


def outcome_tables(
    verdicts: Iterable[pl.DataFrame], problem_ids: Sequence[str], n_max: int
) -> tuple[NDArray[np.int8], NDArray[np.bool_], IntArray]:
    """Rows with problem_id, index, outcome, truncated, laid out by sample index.

    Returns the outcomes as `stopping.CODES` (M, n_max), which of them were truncated (M, n_max), and how many samples
    each problem has beyond n_max (M,).
    """
    shape = len(problem_ids), n_max
    outcomes, truncated = np.full(shape, UNKNOWN, dtype=np.int8), np.zeros(shape, dtype=np.bool_)
    beyond = np.zeros(len(problem_ids), dtype=np.int64)
    places = pl.DataFrame({"problem_id": list(problem_ids), "row": range(len(problem_ids))}, schema_overrides=_PLACE)
    codes = {outcome.value: code for outcome, code in CODES.items()}
    for frame in verdicts:
        placed = frame.join(places, on="problem_id", how="inner")
        row, index = placed["row"].to_numpy(), placed["index"].to_numpy()
        inside = index < n_max
        np.add.at(beyond, row[~inside], 1)
        code = placed["outcome"].cast(pl.String).replace_strict(codes, return_dtype=pl.Int8).to_numpy()
        outcomes[row[inside], index[inside]] = code[inside]
        truncated[row[inside], index[inside]] = placed["truncated"].to_numpy()[inside]
    return outcomes, truncated, beyond


def stopped_tally(
    model: str, verdicts: Iterable[pl.DataFrame], problem_ids: Sequence[str], plan: StoppingPlan, advice: str
) -> StoppedTally:
    """The tally of the problems that have verdicts. Raises InputError, ending in `advice`, where one is unfinished."""
    outcomes, truncated, beyond = outcome_tables(verdicts, problem_ids, plan.n_max)
    begun = (outcomes != UNKNOWN).any(axis=1)
    outcomes, truncated, beyond = outcomes[begun], truncated[begun], beyond[begun]
    ids = tuple(problem for problem, has_any in zip(problem_ids, begun, strict=True) if has_any)
    stops = apply_plan(outcomes, plan)
    if not stops.stopped.all():
        unfinished = int((~stops.stopped).sum())
        raise InputError(
            f"{model}: {unfinished} of {len(ids)} problems have not reached their stopping point ({plan}); {advice}"
        )
    used = np.arange(plan.n_max) < stops.used[:, None]
    return StoppedTally(
        model=model,
        problem_ids=ids,
        successes=stops.successes,
        trials=stops.trials,
        went_on=stops.went_on,
        unscored=stops.unscored,
        truncated=(truncated & used).sum(axis=1),
        surplus=((outcomes != UNKNOWN) & ~used).sum(axis=1) + beyond,
        plan=plan,
    )


_PLACE = {"problem_id": pl.String, "row": pl.Int64}


def _column(counts: pl.DataFrame, name: str) -> IntArray:
    return counts[name].fill_null(0).to_numpy().astype(np.int64)


def _unknown(counts: pl.DataFrame) -> frozenset[str]:
    """What no row says."""
    return frozenset(n for n in ("unscored", "truncated") if counts.height and counts[n].null_count() == counts.height)
