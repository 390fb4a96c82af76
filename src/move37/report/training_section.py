"""What a report says of trainings: their course (Figure 1, right), and their rules beside each other (Figure 8)."""

from collections.abc import Iterator, Sequence

from move37.analyses import Findings
from move37.analyses.entropy import EntropyMatch
from move37.analyses.trajectory import MOST_TRIES, Change, OverSeeds, Point, Trajectory
from move37.analyses.variants import VariantPair, Variants
from move37.report.number_format import Missing, Shown, count, level, percent, points, points_interval
from move37.report.tables import Cell, Estimated, Table
from move37.report.words.claim import LIKE_THESE, Assertion, Claim, described

STEM = "trajectory"
Row = tuple[object, ...]
_ERROR = 0.001
"""To what values are rounded whose errors are in their intervals."""


def trajectory_sentences(found: Trajectory) -> list[Claim]:
    """What the changes over seeds establish, and the terms."""
    text = (
        "As Figure 1 (right) of arXiv 2504.13837: every checkpoint beside the model that its training started from, on "
        f"the same {count(found.problems)} problems. Intervals of all checkpoints, at k = 1 and k = {count(found.k)}, "
        f"hold together with {level(found.confidence)} confidence for problems like these."
    )
    last = {each.algorithm: each for each in found.over_seeds}
    return [described(text), *(_over_seeds(found, each) for each in last.values())]


def _over_seeds(found: Trajectory, of: OverSeeds) -> Claim:
    ends = ((1, of.change_at_1), (found.k, of.change_at_k))
    said = [
        f"pass@{count(k)} {'rises' if change.lower > 0 else 'falls' if change.upper < 0 else 'moves, undecided,'} by "
        f"{points(change.value, _ERROR)} points ({_interval(change)})"
        for k, change in ends
    ]
    return Claim(
        f"{of.algorithm}, {of.seeds} seeds, after {count(of.step)} steps: {'; '.join(said)}.",
        tuple(Assertion("mean difference", (of.algorithm,), (k,), c.lower, c.upper) for k, c in ends),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="for all algorithms and steps, other seeds and other problems",
    )


def trajectory_table(found: Trajectory) -> Table:
    """A row for each checkpoint."""
    header = ("training", "seed", "step", "pass@1", "change", f"pass@{count(found.k)}", "change", "gained", "lost")
    answers = f"answers in {count(found.samples)}" if found.samples else "answers"
    known = any(point.known is not None for point in found.points)
    return Table(
        caption=f"Checkpoints; changes from step 0 in points, all intervals together at {level(found.confidence)}",
        header=(*header, "entropy", "tokens", answers, *(_exact_header(found) if known else ())),
        rows=tuple((*_row(point), *(_exact(point) if known else ())) for point in found.points),
        csv="trajectory.csv",
        notes=(
            "Gained and lost: problems that the checkpoint or its start alone solves in "
            f"{count(found.k)} samples; trajectory.csv says how many luck alone makes.",
        ),
    )


def _row(point: Point) -> tuple[Cell, ...]:
    changes = [_changed(point.change_at_1), _changed(point.change_at_k)]
    return (
        point.algorithm,
        str(point.seed),
        count(point.step),
        percent(point.pass_at_1, _ERROR),
        changes[0],
        percent(point.pass_at_k, _ERROR),
        changes[1],
        count(point.gained),
        count(point.lost),
        _number(point.entropy, ".3f", "the samples do not say the entropy of what they were drawn from"),
        _number(point.length, ".1f", "tokens were not counted"),
        _number(point.answers, ".1f", "answers are not known"),
    )


def _exact_header(found: Trajectory) -> tuple[str, ...]:
    return tuple(f"exact pass@{count(k)}" for k in (1, found.k, MOST_TRIES))


def _exact(point: Point) -> tuple[Cell, ...]:
    known = point.known
    if known is None:
        return (Missing("the chances of this model were not computed"),) * 3
    return tuple(percent(each, _ERROR) for each in (known.pass_at_1, known.pass_at_k, known.pass_at_most))


def _changed(change: Change | None) -> Cell:
    if change is None:
        return Missing("step 0 is what the others are compared with")
    return Estimated(points(change.value, _ERROR), _interval(change))


def _interval(change: Change) -> Shown:
    if (change.lower, change.upper) == (-1.0, 1.0):
        return Missing("problems do not vary there, so nothing bounds it")
    return points_interval(change.lower, change.upper, _ERROR)


def _number(value: float | None, form: str, reason: str) -> Shown:
    return Missing(reason) if value is None else format(value, form)


# -- rules beside each other -------------------------------------------------------------------------------------------


def variants_sentences(found: Variants) -> list[Claim]:
    """What Delta_SE is, and the differences that are established."""
    text = (
        "As Figure 8 and Tables 2 and 3 of arXiv 2504.13837; settings that were changed (KL, rollouts) are rules too. "
        f"Delta_SE is {found.base}'s pass@{count(found.k)} minus a trained model's pass@1: what one try leaves of what "
        "base reaches with many; lower is better. Rules are compared by their differences on the same problems and "
        "seeds, in which base cancels."
    )
    told = [claim for pair in found.pairs if (claim := _apart(pair, found)) is not None]
    open_ = len(found.pairs) - len(told)
    rest = f"Of {count(len(found.pairs))} pairs {count(open_)} are not told apart." if open_ else ""
    return [described(text), *told, *([described(rest)] if rest else [])]


def _apart(pair: VariantPair, found: Variants) -> Claim | None:
    said, asserted = [], []
    for k, change in ((1, pair.at_1), (found.k, pair.at_k)):
        if change.lower > 0 or change.upper < 0:
            more = "more" if change.lower > 0 else "less"
            said.append(f"{more} at k = {count(k)} ({points(change.value, _ERROR)} points, {_interval(change)})")
            asserted.append(Assertion("mean difference", (pair.other, pair.one), (k,), change.lower, change.upper))
    if not said:
        return None
    return Claim(
        f"{pair.other} solves {' and '.join(said)} than {pair.one}.",
        tuple(asserted),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="for all pairs of rules",
    )


def variants_table(found: Variants) -> Table:
    """Delta_SE and what it is made of, the smallest first (Tables 2 and 3)."""
    ordered = sorted(found.variants, key=lambda each: each.gap.value)
    rows = [
        (
            each.algorithm,
            count(each.seeds),
            count(each.step),
            percent(each.pass_at_1, _ERROR),
            percent(each.pass_at_k, _ERROR),
            Estimated(points(each.gap.value, _ERROR), _interval(each.gap)),
            _number(each.entropy, ".3f", "the samples do not say the entropy of what they were drawn from"),
        )
        for each in ordered
    ]
    return Table(
        caption=f"Rules over their seeds; Delta_SE in points, intervals together at {level(found.confidence)}",
        header=("training", "seeds", "steps", "pass@1", f"pass@{count(found.k)}", "Delta_SE", "entropy"),
        rows=tuple(rows),
        csv="variants.csv",
    )


def pairs_table(found: Variants) -> Table:
    """Every pair that is compared."""
    rows = [
        (
            f"{each.other} minus {each.one}",
            count(each.seeds),
            Estimated(points(each.at_1.value, _ERROR), _interval(each.at_1)),
            Estimated(points(each.at_k.value, _ERROR), _interval(each.at_k)),
        )
        for each in found.pairs
    ]
    return Table(
        caption=f"Differences of rules in points, intervals of all pairs together at {level(found.confidence)}",
        header=("pair", "seeds", "k = 1", f"k = {count(found.k)}"),
        rows=tuple(rows),
        csv="variant_pairs.csv",
    )


# -- temperatures of one entropy -----------------------------------------------------------------------------------


def matches_sentences(found: Sequence[EntropyMatch]) -> list[Claim]:
    """What was matched, and how."""
    text = (
        "As in the appendix of arXiv 2504.13837: a model that is asked at the temperature at which it writes as "
        "randomly as another one does: nats per token of the distribution drawn from, found by bisection on samples of "
        "its own. Its curve is in the figures above."
    )
    return [described(text)]


def matches_table(found: Sequence[EntropyMatch]) -> Table:
    """Temperatures with their range, and both entropies."""
    rows = []
    for each in found:
        nearest = min(each.steps, key=lambda step: abs(step.entropy - each.target.entropy))
        rows.append(
            (
                each.model,
                each.of,
                f"{each.target.entropy:.3f} at {each.target.temperature:g}",
                Estimated(f"{each.temperature:.3f}", f"{each.lower:.3f} to {each.upper:.3f}"),
                f"{nearest.entropy:.3f} at {nearest.temperature:.3f}",
            )
        )
    return Table(
        caption="Temperatures at which entropies are equal, with the range of one standard error",
        header=("model", "as random as", "its entropy", "temperature", "nearest that was measured"),
        rows=tuple(rows),
        csv="entropy.csv",
        text_columns=frozenset({0, 1}),
    )


# -- CSV -----------------------------------------------------------------------------------------------------------


def _ends(change: Change | None) -> Row:
    return (None, None, None) if change is None else (change.value, change.lower, change.upper)


def point_rows(findings: Findings) -> Iterator[Row]:
    """A row for each checkpoint."""
    found = findings.trajectory
    for p in found.points if found is not None else ():
        changes = (*_ends(p.change_at_1), *_ends(p.change_at_k))
        varied = (p.gained, p.lost, p.by_luck, p.entropy, p.length, p.answers)
        about = (p.algorithm, p.seed, p.step, p.model)
        exact = (None,) * 3 if p.known is None else (p.known.pass_at_1, p.known.pass_at_k, p.known.pass_at_most)
        yield *about, p.pass_at_1, found.k if found else None, p.pass_at_k, *changes, *varied, *exact


def over_seeds_rows(findings: Findings) -> Iterator[Row]:
    """A row for each algorithm and step."""
    found = findings.trajectory
    for each in found.over_seeds if found is not None else ():
        yield each.algorithm, each.step, each.seeds, *_ends(each.change_at_1), *_ends(each.change_at_k)


def variant_rows(findings: Findings) -> Iterator[Row]:
    """A row for each rule."""
    found = findings.variants
    for v in found.variants if found is not None else ():
        k = found.k if found else None
        yield v.algorithm, v.step, v.seeds, v.pass_at_1, k, v.pass_at_k, *_ends(v.gap), v.entropy


def pair_rows(findings: Findings) -> Iterator[Row]:
    """A row for each pair of rules."""
    for each in findings.variants.pairs if findings.variants is not None else ():
        yield each.one, each.other, each.seeds, *_ends(each.at_1), *_ends(each.at_k)


def match_rows(findings: Findings) -> Iterator[Row]:
    """A row for each temperature that was tried; the target's first."""
    for found in findings.entropy_matches:
        for step in (found.target, *found.steps):
            about = (found.model, found.of, found.temperature, found.lower, found.upper)
            yield *about, step.temperature, step.entropy, step.standard_error, step.responses, step.tokens


def _columns(names: Sequence[str]) -> str:
    return ",".join(f"{name},{name}_lower,{name}_upper" for name in names)


TRAINING_FILES = {
    "trajectory.csv": (
        f"algorithm,seed,step,model,pass_at_1,k,pass_at_k,{_columns(['change_at_1', 'change_at_k'])},gained,lost,"
        "by_luck,entropy,length,answers,exact_at_1,exact_at_k,exact_at_2_20",
        point_rows,
    ),
    "trajectory_seeds.csv": (f"algorithm,step,seeds,{_columns(['change_at_1', 'change_at_k'])}", over_seeds_rows),
    "variants.csv": (f"algorithm,step,seeds,pass_at_1,k,pass_at_k,{_columns(['delta_se'])},entropy", variant_rows),
    "entropy.csv": (
        "model,of,temperature,lower,upper,tried,entropy,standard_error,responses,tokens",
        match_rows,
    ),
    "variant_pairs.csv": (f"one,other,seeds,{_columns(['at_1', 'at_k'])}", pair_rows),
}
"""As `further_csv.FILES`."""
