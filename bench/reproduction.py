"""The tables of docs/reproduction.md, from the finished run of a study that trains (studies/limit-of-rlvr.toml):

    python bench/reproduction.py RUN

Everything is read from the run's analyses.json, as `move37 report RUN` leaves it; nothing is computed anew but means
over training seeds. Brackets are simultaneous 95 % intervals for other seeds and problems like these (Student t over
three seeds is wide: two degrees of freedom). `exact` is without samples: means over seeds of pass@k from chances.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from move37.analyses import Findings
from move37.analyses.serialise import load_findings
from move37.analyses.trajectory import Change, KnownPoint, Point, Trajectory
from move37.analyses.variants import Variants

MOST = "2^20"


def main() -> None:
    found = load_findings(Path(sys.argv[1]) / "analyses.json")
    tables = [*_course(found.trajectory), *_rules(found.variants, found.trajectory), *_pairs(found.variants)]
    print("\n\n".join([*tables, *_pooled(found), *_instrument(found), *_entropy(found), *_arms(found)]))


def _course(of: Trajectory | None) -> Iterable[str]:
    """Figure 1 (right): every step of every rule, over seeds."""
    if of is None:
        return
    head = ["rule", "step", "pass@1", f"pass@{of.k}", f"change at {of.k}", "gained", "lost", "entropy"]
    rows = []
    for rule, step, points in _groups(of):
        change = next((e.change_at_k for e in of.over_seeds if (e.algorithm, e.step) == (rule, step)), None)
        means = [fmean(p.pass_at_1 for p in points), fmean(p.pass_at_k for p in points)]
        counts = [f"{fmean(p.gained for p in points):.1f}", f"{fmean(p.lost for p in points):.1f}"]
        known = [p.known for p in points if p.known is not None]
        rows.append([rule, step, *map(_share, means), _change(change), *counts, _entropy_of(points), *_exact(known)])
    yield _table("Figure 1 (right)", [*head, *(f"exact {k}" for k in ("1", str(of.k), MOST))], rows)


def _groups(of: Trajectory) -> Iterable[tuple[str, int, list[Point]]]:
    groups: dict[tuple[str, int], list[Point]] = {}
    for point in of.points:
        groups.setdefault((point.algorithm, point.step), []).append(point)
    for (rule, step), points in sorted(groups.items(), key=lambda item: (of.algorithms.index(item[0][0]), item[0][1])):
        yield rule, step, points


def _rules(of: Variants | None, course: Trajectory | None) -> Iterable[str]:
    """Figure 8, Tables 2 and 3, and the ablations: the last checkpoint of every rule."""
    if of is None:
        return
    rows = [
        [v.algorithm, v.step, v.seeds, _share(v.pass_at_1), _share(v.pass_at_k), _change(v.gap)] for v in of.variants
    ]
    yield _table(
        "Figure 8, Tables 2 and 3, Figure 7, ablations",
        ["rule", "step", "seeds", "pass@1", f"pass@{of.k}", f"Delta_SE ({of.base} pass@{of.k} - pass@1)"],
        rows,
    )


def _pairs(of: Variants | None) -> Iterable[str]:
    if of is None:
        return
    rows = [[p.other, p.one, p.seeds, _change(p.at_1), _change(p.at_k)] for p in of.pairs]
    yield _table("Rules beside each other", ["rule", "minus", "seeds", "at k = 1", f"at k = {of.k}"], rows)


def _pooled(of: Findings) -> Iterable[str]:
    """The four-way tables: every last checkpoint against base."""
    rows = []
    for each in of.comparisons:
        t = each.solvable
        gained = "-" if each.gained is None else f"{each.gained.at_least}"
        lost = "-" if each.lost is None else f"{each.lost.at_least}"
        rows.append([each.difference.rl, t.both, t.base_only, t.rl_only, t.neither, lost, gained])
    head = ["model", "both", "base only", "RL only", "neither", "lost beyond luck", "gained beyond luck"]
    yield _table("Four-way tables (at least so many beyond luck, corrected over models)", head, rows)


def _instrument(of: Findings) -> Iterable[str]:
    """How many sampled bands hold the exact curve, and what became rarer."""
    if of.exact is None:
        return
    held = sum(check.inside_band for check in of.exact.checks)
    yield f"{held} of {len(of.exact.checks)} sampled bands hold the exact curve at every k."
    head = ["model", "likelier", "rarer", "median of log10 p ratio", "rarest", "new moves", "lost moves", "of chains"]
    rows = []
    for pair in of.exact.pairs:
        ratio = pair.log10_ratio[np.isfinite(pair.log10_ratio)]
        moved = [f"{np.median(ratio):+.2f}", f"{ratio.min():+.1f}"]
        rows.append([pair.rl, pair.likelier, pair.rarer, *moved, pair.new_moves, pair.lost_moves, pair.chains])
    yield _table("Moves, exactly", head, rows)


def _entropy(of: Findings) -> Iterable[str]:
    for match in of.entropy_matches:
        yield (
            f"{match.model} is as random as {match.of} at temperature {match.temperature:.3f} "
            f"({match.lower:.3f} to {match.upper:.3f}): {match.target.entropy:.4f} nats a token."
        )


def _arms(of: Findings) -> Iterable[str]:
    if of.arms is None:
        return
    for each in of.arms.differences:
        first, last = each.k.tolist().index(1), len(each.k) - 1
        told = [f"k = {each.k[i]}: {_points(each.band.mean[i], each.band.lower[i], each.band.upper[i])}" for i in (first, last)]
        yield f"Envelope over temperatures, {each.rl} against {each.base}: {'; '.join(told)}."


def _exact(known: Sequence[KnownPoint]) -> list[str]:
    if not known:
        return ["-"] * 3
    columns = zip(*((p.pass_at_1, p.pass_at_k, p.pass_at_most) for p in known), strict=True)
    return [f"{100 * fmean(column):.2f}" for column in columns]


def _entropy_of(points: Sequence[Point]) -> str:
    known = [p.entropy for p in points if p.entropy is not None]
    return f"{fmean(known):.3f}" if known else "-"


def _share(value: float) -> str:
    return f"{100 * value:.1f}"


def _change(of: Change | None) -> str:
    return "-" if of is None else _points(of.value, of.lower, of.upper)


def _points(value: float, lower: float, upper: float) -> str:
    return f"{100 * value:+.1f} ({100 * lower:+.1f} to {100 * upper:+.1f})"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [f"### {title}", "", _row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
