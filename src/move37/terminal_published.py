"""What `move37 published` shows of the reference study's numbers, recomputed."""

from move37.analyses.published import K, Published
from move37.console import tell
from move37.report.number_format import count, p_value, percent, small_share
from move37.terminal import print_table


def print_published(found: Published) -> None:
    """A table for each kind of number, and what does not come out as printed."""
    rows = [
        (
            gap.algorithm,
            gap.problems,
            f"{gap.computed:.1f}",
            f"{gap.printed:.1f}",
            f"{gap.error:.1f}",
            _agrees(gap.agrees),
        )
        for gap in found.gaps
    ]
    header = ("algorithm", "problems", "computed", "printed", "standard error at most", "")
    print_table(f"Delta_SE = base pass@{K} - RL pass@1, in points", header, rows)
    for order in found.orders:
        tell(
            False,
            f"{order.problems}: {order.apart} of {order.pairs} pairs of algorithms are told apart by these alone.",
        )
    rows = [
        (
            each.problems,
            "not said" if each.k is None else count(each.k),
            f"{each.both} / {each.base_only} / {each.rl_only} / {each.neither}",
            str(percent(each.base_pass_at_k)),
            str(percent(each.rl_pass_at_k)),
            p_value(each.p),
            "not known" if each.never_solved_bound is None else small_share(each.never_solved_bound),
        )
        for each in found.four_way
    ]
    header = (
        "problems",
        "k",
        "both / base only / RL only / neither",
        "base",
        "RL",
        "exact test",
        "never solved: below",
    )
    print_table("Which problems are solved at all", header, rows)
    fewest = found.four_way[0].fewest
    tell(False, f"A table needs {fewest} problems solved by one model only, all on one side, to reach p < 0.05.")
    rows = [(each.problems, count(each.step), f"{each.at_1:+.1f}", f"{each.at_k:+.1f}") for each in found.steps]
    print_table("GRPO minus base over training steps, in points", ("problems", "step", "k = 1", f"k = {K}"), rows)
    rows = [(count(k), f"{difference:+.1f}") for k, difference in found.replication]
    print_table("Replication on MATH500: RL minus base, in points", ("k", "difference"), rows)
    low, high = found.crossing
    tell(False, f"There RL falls behind base between k = {low} and k = {high}.")
    tell(False, f"{len(found.exceptions)} printed numbers do not follow from the others. Source: {found.source}.")


def _agrees(agrees: bool) -> str:
    return "as printed" if agrees else "not as printed"
