"""Counts: one JSON object per problem, {"id", "c", "n"}: c of n samples were correct. passk-inference reads the same.

`unscored` (samples that nobody could judge; not part of n) and `truncated` may stand beside; a file in which no row has
them does not say how many there were. Ids are the file's own: they pair base with RL. Rows may differ in n.

Scores are counted, too: {"id", "scores": [1, 0, ...]} per problem, or {"id", "score"} per sample; null is unscored, and
numbers from the threshold up are correct. A CSV file has the same in columns (id,c,n or id,score), or one column per
sample behind the id. All of these may be JSONL, a JSON list, CSV or Parquet.

Counts that were stopped early say so in every row: {"id", "c", "n", "stop_successes": r, "n_max": N} was sampled one by
one until r samples were correct, or N. With "batch": B it was looked at only after every B samples. All rows of a file
share one plan, and a row that the plan cannot have ended in is refused. They become a `StoppedTally`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.errors import InputError
from move37.importers.base import LogImporter
from move37.importers.fields import tool_verdict
from move37.importers.heads import Head
from move37.importers.logs import Log, Reading, Remarks
from move37.rows import LARGEST_COUNT, Row, brief, naming, read_rows
from move37.types import IntArray, Outcome

if TYPE_CHECKING:  # a large file alone is read by a table library, where there is one
    import polars as pl

_LARGE_BYTES = 2**20
_COLUMNS = {"problem_id": "id", "problem": "id", "task_id": "id", "correct": "c", "num_correct": "c"}
_COLUMNS |= {"total": "n", "num_samples": "n", "samples": "n"}
"""Other names of columns in CSV files."""
_OF_A_SAMPLE = re.compile(r"(?:s|sample|run|seed|score)?[_ ]?\d+", re.IGNORECASE)
"""What a column of one sample per problem is called."""
_BESIDE = ("unscored", "truncated")
"""What may stand beside c and n."""


class CountsImporter(LogImporter):
    format = "counts"

    def claims(self, head: Head) -> bool:
        if head.name.endswith(".csv"):
            names = {_COLUMNS.get(name.lower(), name) for name in head.first}
            counted = {"c", "n"} <= names or "score" in names
            return "id" in names and (counted or all(map(_OF_A_SAMPLE.fullmatch, names - {"id"})))
        return head.has("id", "c", "n") or head.has("id", "scores")

    def logs(self, paths: Sequence[Path], reading: Reading) -> list[Log]:
        """One per file: counts know no questions and no model."""
        files = [file for path in paths for file in self._files(path)]
        logs = []
        for file in files:
            remarks = Remarks(reading.threshold)
            load = partial(load_counts, file, remarks=remarks)
            settings = {"file": file.name}
            logs.append(Log(self.format, None, None, (str(file),), settings=settings, remarks=remarks, counts=load))
        return logs


def load_counts(path: Path, model: str, remarks: Remarks | None = None) -> AnyTally:
    """The tally in a counts file, in file order. Raises InputError with the line of the first bad row."""
    plain = _plain_counts(path)
    if plain is not None:
        nothing = np.zeros(plain.height, dtype=np.int64)
        c, n = (plain[name].to_numpy().astype(np.int64) for name in ("c", "n"))
        return Tally(model, tuple(plain["id"]), c, n - c, nothing, nothing, unknown=frozenset(_BESIDE))
    rows = _csv_rows(path) if path.name.endswith(".csv") else read_rows(path)
    return tally_of_rows(rows, model, remarks)


def tally_of_rows(rows: Sequence[Row], model: str, remarks: Remarks | None = None) -> AnyTally:
    """The tally in rows of counts, or of scores. Raises InputError with the place of the first bad row."""
    if "c" not in rows[0].values and ("scores" in rows[0].values or "score" in rows[0].values):
        return _counted(rows, model, remarks or Remarks())
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
    plan, ids = _common_plan(rows), tuple(places)
    unknown = frozenset(name for name in _BESIDE if all(row.find(name) is None for row in rows))
    if plan is None:
        return Tally(model, ids, correct, n - correct, unscored, truncated, unknown=unknown)
    went_on = _array([_went_on(row, plan, c, trials) for row, (c, trials) in zip(rows, pairs, strict=True)])
    return StoppedTally(model, ids, correct, n, went_on, unscored, truncated, np.zeros_like(n), plan, unknown)


def _counted(rows: Sequence[Row], model: str, remarks: Remarks) -> Tally:
    """The tally of rows of scores."""
    columns = {Outcome.CORRECT: 0, Outcome.INCORRECT: 1, Outcome.UNSCORED: 2}
    counts: dict[str, list[int]] = {}
    for row in rows:
        problem = row.identifier("id")
        if "scores" in row.values and problem in counts:
            raise row.error(f"id {problem!r} stands here twice; one row per problem")
        scores = row.require("scores") if "scores" in row.values else [row.values.get("score")]
        if not isinstance(scores, list):
            raise row.error("'scores': expected a list of scores")
        for score in scores:
            verdict = Outcome.UNSCORED if score is None else tool_verdict("score", score, remarks)
            if verdict is None:
                raise row.error(f"'score': expected a number, true or false, found {brief(score)}")
            counts.setdefault(problem, [0, 0, 0])[columns[verdict]] += 1
    correct, incorrect, unscored = (_array(list(column)) for column in zip(*counts.values(), strict=True))
    none, unknown = np.zeros_like(correct), frozenset({"truncated"})
    return Tally(model, tuple(counts), correct, incorrect, unscored, none, unknown=unknown)


def _csv_rows(path: Path) -> list[Row]:
    """The rows of a CSV file with a header: counts, a score per row, or a column of scores per sample."""
    with naming(path), path.open(encoding="utf-8-sig", newline="") as file:
        table = [(number, cells) for number, cells in enumerate(csv.reader(file), start=1) if any(cells)]
    if not table:
        raise InputError(f"{path}: empty, it holds no rows")
    header = [_COLUMNS.get(name.strip().lower(), name.strip()) for name in table[0][1]]
    if "id" not in header:
        raise InputError(f"{path}:1: no column 'id' (columns here: {', '.join(header)[:120]})")
    if len(table) == 1:
        raise InputError(f"{path}: empty, it holds no rows")
    rows = []
    for number, cells in table[1:]:
        if len(cells) != len(header):
            raise InputError(f"{path}:{number}: {len(cells)} cells where the header has {len(header)}")
        rows.append(Row(dict(_named(header, cells)), f"{path}:{number}"))
    return rows


def _named(header: Sequence[str], cells: Sequence[str]) -> Iterator[tuple[str, Any]]:
    values = {name: (name == "id" and cell) or _value(cell) for name, cell in zip(header, cells, strict=True)}
    if "c" in values or "score" in values:
        yield from values.items()
        return
    yield "id", values.pop("id")
    yield "scores", list(values.values())


def _value(cell: str) -> Any:
    """A cell as the value that JSON would have there."""
    text = cell.strip()
    if not text or text.lower() in ("null", "none"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def _plain_counts(path: Path) -> pl.DataFrame | None:
    """The rows of a large file that holds nothing but whole counts at a fixed n, read at once; else None.

    A million rows take seconds so, and a minute one by one. Wherever something is unusual they are read one by one, and
    an error then names its line.
    """
    if not path.name.endswith(".jsonl") or not path.is_file() or path.stat().st_size < _LARGE_BYTES:
        return None
    if find_spec("polars") is None:
        return None
    import polars as pl  # here: smaller files need no table library

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
    # Without a single scored sample there are unscored ones, or the row would say nothing.
    n, c = row.count("n", least=0 if _optional(row, "unscored") else 1), row.count("c")
    if c > n:
        raise row.error(f"c = {c} is more than n = {n}")
    return c, n


def _optional(row: Row, field: str) -> int:
    return 0 if row.find(field) is None else row.count(field)


def _array(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)
