"""The tables of docs/reproduction.md, from the finished run of a study that trains (studies/limit-of-rlvr.toml):

    python bench/reproduction.py RUN                    from its analyses.json, as `move37 report RUN` leaves it
    python bench/reproduction.py RUN --exact FOLDER     without a sample: the chances of all models trained by now

Nothing is computed anew but means over training seeds, and with --exact the chances of every right chain (4 CPU s a
model; kept in FOLDER, so that it goes on where it was stopped). Brackets are simultaneous 95 % intervals for other
seeds and problems like these (Student t over three seeds is wide: two degrees of freedom).
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from move37.analyses import Findings
from move37.analyses.exact_truth import KnownModel, Thresholds, exact_pair
from move37.analyses.serialise import load_findings
from move37.analyses.trajectory import Change, KnownPoint, Point, Trajectory
from move37.analyses.variants import Variants
from move37.config import StudyConfig
from move37.estimates.known import known_pass_at_k
from move37.paths import checkpoint_of
from move37.store import RunStore
from move37.trainings import trainings_of
from move37.truth import known_checkpoint
from move37.types import Problem

MOST = "2^20"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--exact", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.exact is not None:
        print(_without_samples(asked.run, asked.exact))
        return
    found = load_findings(asked.run / "analyses.json")
    tables = [*_course(found.trajectory), *_rules(found.variants, found.trajectory), *_pairs(found.variants)]
    print("\n\n".join([*tables, *_pooled(found), *_instrument(found), *_entropy(found), *_arms(found)]))


def _without_samples(run: Path, kept: Path) -> str:
    """Every checkpoint of every training that is there, by rule and step: means over seeds, and moves."""
    store = RunStore.open(run)
    study, problems = store.study(), store.problems()
    kept.mkdir(parents=True, exist_ok=True)
    base = _known(study.models[study.base_model() or ""].path, study, problems, kept / "base.npz")
    groups: dict[tuple[str, int], list[KnownModel]] = {}
    for training in trainings_of(study, run):
        for step, name in training.checkpoints.items():
            if training.has(step):
                place = kept / f"{name}.npz"
                model = _known(str(checkpoint_of(training.folder, step)), study, problems, place)
                groups.setdefault((training.algorithm, step), []).append(model)
    rows = [["base", "-", 1, *_curve([base]), *["-"] * 5]]
    for (rule, step), models in groups.items():
        pairs = [exact_pair(base, model, Thresholds()) for model in models]
        ratios = np.array([pair.log10_ratio for pair in pairs])
        moves = [f"{fmean(p.likelier for p in pairs):.0f}", f"{fmean(p.rarer for p in pairs):.0f}"]
        moves += [f"{np.median(ratios):+.2f}"]
        moves += [f"{fmean(p.new_moves for p in pairs):.1f}", f"{fmean(p.lost_moves for p in pairs):.1f}"]
        rows.append([rule, step, len(models), *_curve(models), *moves])
    head = ["rule", "step", "seeds", *(f"pass@{k}" for k in (1, 16, 256, MOST))]
    head += ["likelier", "rarer", "median of log10 p ratio", "new moves", "lost moves"]
    return _table(f"Exactly, {len(problems)} problems; means over seeds", head, rows)


def _known(path: str, study: StudyConfig, problems: Sequence[Problem], kept: Path) -> KnownModel:
    """The chances of one model, from the file or computed into it."""
    if not kept.exists():
        known = known_checkpoint(path, problems, study.sampling)
        lengths = [len(each) for each in known.chains]
        np.savez(kept, logs=known.logprobs, chains=np.concatenate(known.chain_logprobs), ends=np.cumsum(lengths)[:-1])
    with np.load(kept) as file:
        each = tuple(np.split(file["chains"], file["ends"]))
        ids, none = tuple(problem.id for problem in problems), np.full(len(problems), -np.inf)
        names = tuple(("",) * len(of) for of in each)  # which chain it is does not matter here
        return KnownModel(kept.stem, ids, file["logs"], none, np.zeros(len(ids)), names, each, 1.0, 1.0, 0)


def _curve(models: Sequence[KnownModel]) -> list[str]:
    ks = np.array([1, 16, 256, 2**20])
    return [f"{100 * value:.2f}" for value in np.mean([known_pass_at_k(m.logprobs, ks) for m in models], axis=0)]


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
    """Models that were asked at several temperatures."""
    if of.arms is None:
        return
    several = {each.model for each in of.arms.envelopes if len(each.arms) > 1}
    for each in of.arms.differences:
        if each.rl in several:
            band = each.band
            told = [f"k = {each.k[i]}: {_points(band.mean[i], band.lower[i], band.upper[i])}" for i in (0, -1)]
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
