"""Counts: one JSON object per problem, {"id", "c", "n"}: c of n samples were correct. passk-inference reads the same.

`unscored` (samples that nobody could judge; not part of n) and `truncated` may stand beside. Ids are the file's own:
they pair base with RL. Rows may differ in n. Early-stopped counts, {"stop_successes", "n_max"}, are refused: the
fixed-n estimator is biased on them, and their own estimator does not exist here yet.
"""

from pathlib import Path

import numpy as np

from move37.importers import Imported
from move37.rows import Row, read_rows
from move37.types import IntArray, Tally


class CountsImporter:
    def load(self, path: Path, model: str, benchmark: str) -> Imported:
        """The counts of `model`, as a Tally. `benchmark` changes nothing: counts know no questions."""
        return Imported(counts=load_counts(path, model), settings={"file": path.name})


def load_counts(path: Path, model: str) -> Tally:
    """The tally in a counts file, in file order. Raises InputError with the line of the first bad row."""
    rows = read_rows(path)
    places: dict[str, str] = {}
    for row in rows:
        problem = row.identifier("id")
        if problem in places:
            raise row.error(f"id {problem!r} stands already at {places[problem]}; one row per problem")
        places[problem] = row.place
    pairs = [_correct_and_n(row) for row in rows]
    return Tally(
        model=model,
        problem_ids=tuple(places),
        correct=_array([c for c, _ in pairs]),
        incorrect=_array([n - c for c, n in pairs]),
        unscored=_array([_optional(row, "unscored") for row in rows]),
        truncated=_array([_optional(row, "truncated") for row in rows]),
    )


def _correct_and_n(row: Row) -> tuple[int, int]:
    if row.find("stop_successes", "n_max") is not None:
        raise row.error(
            "early-stopped counts (stop_successes, n_max) are not supported yet; "
            "the fixed-n estimator would be biased on them, so give counts of a fixed n"
        )
    n, c = row.count("n", least=1), row.count("c")
    if c > n:
        raise row.error(f"c = {c} is more than n = {n}")
    return c, n


def _optional(row: Row, field: str) -> int:
    return 0 if row.find(field) is None else row.count(field)


def _array(values: list[int]) -> IntArray:
    return np.array(values, dtype=np.int64)
