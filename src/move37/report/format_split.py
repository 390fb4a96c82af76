"""What does a reader see of format and content? A table, as in `details.py`."""

from collections.abc import Sequence

from move37.analyses.format_split import FormatShare
from move37.report.number_format import count, percent
from move37.report.tables import Cell, Table, first_samples


def format_table(found: Sequence[FormatShare]) -> Table:
    """How often an answer is found and right, and both ends of pass@k among the samples that have one."""
    early = ", ".join(sorted({first_samples(each.first) for each in found} - {""}))
    return Table(
        caption="Is an answer found, and is it right? Means over problems; pass@k among samples with an answer beside "
        "that of all, on the problems that have any",
        header=(
            "model",
            "found",
            "right when found",
            f"found and right{early}",
            "problems without",
            "k",
            "among found",
            "all samples",
        ),
        rows=tuple(map(_row, found)),
        csv="format.csv",
    )


def _row(each: FormatShare) -> tuple[Cell, ...]:
    last = len(each.k) - 1
    none = "no problem has an answer"
    return (
        each.model,
        percent(each.found),
        percent(each.right_when_found, reason=none),
        percent(each.accuracy),
        count(each.problems_without),
        count(last + 1),
        percent(float(each.among_found[last]) if last >= 0 else None, reason=none),
        percent(float(each.all_samples[last]) if last >= 0 else None, reason=none),
    )
