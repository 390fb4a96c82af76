"""Counts: one JSON object per problem, {"id", "c", "n"}: c of n samples were correct. passk-inference reads the same.

`unscored` (samples that nobody could judge; not part of n) and `truncated` may stand beside. Ids are the file's own:
they pair base with RL. Rows may differ in n.

Counts that were stopped early say so in every row: {"id", "c", "n", "stop_successes": r, "n_max": N} was sampled one by
one until r samples were correct, or N. With "batch": B it was looked at only after every B samples. All rows of a file
share one plan, and a row that the plan cannot have ended in is refused. They become a `StoppedTally`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.importers import Imported
from move37.rows import LARGEST_COUNT, Row, read_rows
from move37.types import IntArray

_LARGE_BYTES = 2**20


class CountsImporter:
    def load(self, path: Path, model: str, benchmark: str) -> Imported:
        """The counts of `model`, as a Tally. `benchmark` changes nothing: counts know no questions."""
        return Imported(counts=load_counts(path, model), settings={"file": path.name})


def load_counts(path: Path, model: str) -> AnyTally:
    """The tally in a counts file, in file order. Raises InputError with the line of the first bad row."""
    plain = _plain_counts(path)
    if plain is not None:
        nothing = np.zeros(plain.height, dtype=np.int64)
        c, n = (plain[name].to_numpy().astype(np.int64) for name in ("c", "n"))
        return Tally(model, tuple(plain["id"]), c, n - c, nothing, nothing)
    rows = read_rows(path)
    places: dict[str, str] = {}
    for row in rows:
        problem = row.identifier("id")
        if problem in places:
            raise row.error(f"id {problem!r} stands already at {places[problem]}; one row per problem")
        places[problem] = row.place
    pairs = [_correct_and_n(row) for row in rows]
    correct, n = _array([c for c, _ in pairs]), _array([n for _, n in pairs])
    unscored = _array([_optional(row, "unscored") for row in rows])
    truncated = _array([_optional(row, "truncated") for row in rows])
    plan = _common_plan(rows)
    if plan is None:
        return Tally(model, tuple(places), correct, n - correct, unscored, truncated)
    went_on = _array([_went_on(row, plan, c, trials) for row, (c, trials) in zip(rows, pairs, strict=True)])
    return StoppedTally(model, tuple(places), correct, n, went_on, unscored, truncated, np.zeros_like(n), plan)


def _plain_counts(path: Path) -> pl.DataFrame | None:
    """The rows of a large file that holds nothing but whole counts at a fixed n, read at once; else None.

    A million rows take seconds so, and a minute one by one. Wherever something is unusual they are read one by one, and
    an error then names its line.
    """
    if not path.name.endswith(".jsonl") or not path.is_file() or path.stat().st_size < _LARGE_BYTES:
        return None
    content = path.read_bytes()
    if b"\\" in content or content.startswith(b"\xef\xbb\xbf"):
        return None  # escapes and byte order marks are for the reader that knows them
    try:
        rows = pl.read_ndjson(content, infer_schema_length=None)
    except pl.exceptions.PolarsError:
        return None
    if rows.schema != {"id": pl.String, "c": pl.Int64, "n": pl.Int64} or rows.null_count().sum_horizontal().item():
        return None
    is_plain = (pl.col("n") >= 1) & (pl.col("n") <= LARGEST_COUNT) & (pl.col("c") >= 0) & (pl.col("c") <= pl.col("n"))
    named = pl.col("id").str.strip_chars() != ""
    return rows if rows.select((is_plain & named).all()).item() and rows["id"].is_unique().all() else None


def _common_plan(rows: Sequence[Row]) -> StoppingPlan | None:
    """The plan that every row names, None where none does."""
    plans = [_plan(row) for row in rows]
    for row, plan in zip(rows, plans, strict=True):
        if plan != plans[0]:
            raise row.error(
                f"stopped under another plan than the first row ({plan or 'a fixed n'}; {plans[0] or 'a fixed n'}); "
                "one file holds counts of one plan"
            )
    return plans[0]


def _plan(row: Row) -> StoppingPlan | None:
    if row.find("stop_successes", "n_max") is None:
        return None
    successes, n_max = row.count("stop_successes", least=1), row.count("n_max", least=1)
    batch = 1 if row.find("batch") is None else row.count("batch", least=1)
    return StoppingPlan.until(successes, n_max, batch)


def _went_on(row: Row, plan: StoppingPlan, successes: int, trials: int) -> int:
    """Samples at the look before this row's last one. Raises InputError if the plan does not stop here."""
    looks = (0, *plan.looks)
    if _optional(row, "unscored"):
        raise row.error("unscored samples move the looks of a stopping plan; give the samples, not counts")
    if trials not in looks[1:]:
        raise row.error(f"n = {trials} is not where this plan looks ({plan})")
    before = looks[looks.index(trials) - 1]
    enough = plan.successes if isinstance(plan.successes, int) else 1
    gap = trials - before
    if (trials < plan.n_max and successes < enough) or (before and successes - gap >= enough):
        raise row.error(f"c = {successes} at n = {trials} is not where this plan stops ({plan})")
    return before


def _correct_and_n(row: Row) -> tuple[int, int]:
    n, c = row.count("n", least=1), row.count("c")
    if c > n:
        raise row.error(f"c = {c} is more than n = {n}")
    return c, n


def _optional(row: Row, field: str) -> int:
    return 0 if row.find(field) is None else row.count(field)


def _array(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)
