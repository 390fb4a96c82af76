"""What does a reader see of the zero set? A table, as in `details.py`."""

from move37.analyses.zero_set import ZeroSetFindings
from move37.report.number_format import count, level, percent, percent_interval
from move37.report.tables import Estimated, Table, powers_of_two


def zero_set_table(found: ZeroSetFindings) -> Table:
    """pass@k of fresh samples by model, and the share of problems solved at all."""
    ks = powers_of_two(found.n)
    rows = []
    for each in found.models:
        solved = Estimated(
            percent(each.solved / found.problems), percent_interval(each.lower, each.upper, None, "no interval")
        )
        rows.append((each.model, *(percent(each.pass_at_k[k - 1]) for k in ks[:-1]), solved))
    return Table(
        caption=f"Fresh samples of {count(found.problems)} problems {found.base} never solved: pass@k, and the "
        f"share solved in {count(found.n)} ({level(found.confidence)} interval for problems like these, each for "
        "itself)",
        header=("model", *(f"k = {count(k)}" for k in ks[:-1]), f"solved in {count(found.n)}"),
        rows=tuple(rows),
        csv="zero_set.csv",
    )
