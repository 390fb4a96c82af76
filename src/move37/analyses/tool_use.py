"""What does a model do with its tools? Turns, calls and failed calls of a sample, and how many of those are right.

Means over samples, each counted once. Samples with and without a call are not the same problems, so the two shares of
right ones describe and compare nothing. Base with tools against base without is a comparison of two models of a study
(`environment` of a model), with a band like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from move37.environments.tools import CALLED, FAILED
from move37.types import Outcome

if TYPE_CHECKING:  # tables are of runs: counts are compared without a table library
    import polars as pl


@dataclass(frozen=True, slots=True)
class ToolUse:
    """Of one model's samples."""

    model: str
    samples: int
    turns: float
    """Of the model's, in a sample."""
    calls: float
    failed: float
    """Calls whose result was an error, in a sample."""
    calling: float
    """Share of samples with a call."""
    right_with: float | None
    """Share of right ones among the scored samples with a call; None where there are none."""
    right_without: float | None


def tool_columns(episodes: pl.LazyFrame) -> pl.LazyFrame:
    """Turns, calls and failed calls of every sample in place of its segments; one without segments has one turn."""
    import polars as pl

    def of(element: pl.Expr) -> pl.Expr:
        return pl.col("segments").list.eval(element).list.sum().fill_null(0)

    own, role = pl.element().struct.field("own"), pl.element().struct.field("role")
    return episodes.with_columns(
        turns=of(own.cast(pl.Int64)).clip(lower_bound=1),
        calls=of((~own & role.is_in([CALLED, FAILED])).cast(pl.Int64)),
        failed=of((~own & (role == FAILED)).cast(pl.Int64)),
    ).drop("segments")


def tool_use_of(model: str, frame: pl.DataFrame) -> ToolUse:
    """From `tool_columns` with outcomes, one row for each sample."""
    import polars as pl

    scored = frame.filter(pl.col("outcome") != Outcome.UNSCORED.value)
    shares = []
    for part in (scored.filter(pl.col("calls") > 0), scored.filter(pl.col("calls") == 0)):
        right = int((part["outcome"] == Outcome.CORRECT.value).sum())
        shares.append(right / len(part) if len(part) else None)
    count = max(1, len(frame))
    turns, calls, failed = (int(frame[name].sum()) / count for name in ("turns", "calls", "failed"))
    calling = int((frame["calls"] > 0).sum()) / count
    return ToolUse(model, len(frame), turns, calls, failed, calling, *shares)
