"""What does a reader see of the readings under which a difference stands or falls? Tables, as in `details.py`."""

import numpy as np

from move37.analyses.fragility import Fragility, Reading
from move37.report.number_format import Missing, count, level, points, points_interval
from move37.report.tables import Cell, Estimated, Table, powers_of_two
from move37.report.words.fragility import looked_at_list, reading_label

_UNBOUNDED = "the problems do not bound it"


def readings_table(found: Fragility) -> Table:
    """Every reading in one row, at its largest k."""
    left_out = [(f"without the {len(each.most_telling)} problems that carry the {each.claim} most", each.without_them)
                for each in found.influence]  # fmt: skip
    named = [(reading_label(found, each), each) for each in _all(found)]
    return Table(
        caption=f"{found.rl} minus {found.base} under other readings of the same samples, "
        f"{level(found.confidence)} band each, for problems like these",
        header=("reading", "k", "difference there", "gain at k", "loss at k", "first loss"),
        rows=tuple((label, *_row(reading)) for label, reading in (*named, *left_out)),
        csv="fragility.csv",
        text_columns=frozenset({0, 3, 4, 5}),
    )


def tipping_table(found: Fragility) -> Table:
    """The difference in false accepts that erases the difference, at powers of two."""
    ks = found.measured.k.tolist()
    chosen = [ks.index(k) for k in powers_of_two(ks[-1]) if k in ks]
    tip = found.tipping
    columns = (tip.value.tolist(), tip.lower.tolist(), tip.upper.tolist())
    rates = list(zip(*columns, strict=True))
    rows = [(count(ks[i]), _rate(*rates[i])) for i in chosen]
    return Table(
        caption=f"By how many points more of {found.base}'s wrong samples the verifier would have to accept to erase "
        f"the difference (negative: of {found.rl}'s)",
        header=("k", "difference in false accepts"),
        rows=tuple(rows),
        csv="tipping.csv",
        notes=(
            f"In brackets: where the {level(found.confidence)} band for problems like these cannot tell the corrected "
            "difference from zero.",
        ),
    )


def _all(found: Fragility) -> tuple[Reading, ...]:
    return (found.measured, *found.thresholds, *found.unscored, *found.truncated)


def _row(reading: Reading) -> tuple[Cell, ...]:
    first, last = reading.first_loss_set
    lower, upper = float(reading.lower[-1]), float(reading.upper[-1])
    bounded = lower > -1 or upper < 1
    error = (upper - lower) / 4
    value = points(float(reading.difference[-1]), error)
    return (
        count(reading.k[-1]),
        Estimated(value, points_interval(lower, upper, error) if bounded else Missing(_UNBOUNDED)),
        looked_at_list(reading, reading.gain),
        looked_at_list(reading, reading.loss),
        f"{count(first)} to {'never' if last is None else count(last)}",
    )


def _rate(value: float, lower: float, upper: float) -> Cell:
    if not np.isfinite(value):
        return Missing("nothing is left unsolved there")
    error = abs(value) or None
    if lower <= -1 or upper >= 1:
        return Estimated(points(value, error), Missing(_UNBOUNDED))
    return Estimated(points(value, error), points_interval(lower, upper, error))
