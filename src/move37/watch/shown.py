"""A look at a training as rows and sentences, for the terminal and the page alike."""

from collections.abc import Iterator

from move37.analyses.boundary import FIRST_VISIT, BoundaryStep
from move37.watch.looking import Watched
from move37.watch.metrics import StepMetrics

NOTHING = "–"
TOO_FEW = "carried by too few problems for an interval"
_VERL = (
    "verl's best@k is no pass@k: it draws k of a problem's n responses with replacement, 1,000 times. Where c of n are "
    "right that is 1-(1-c/n)^k on average, at most pass@k = 1-C(n-c,k)/C(n,k): with 1 of 4 right and k = 4 it is .684, "
    "and one of the four is right for sure. It also counts a response without a verdict as wrong."
)
_TRL = (
    "TRL logs the mean reward of the batch that it trains on: other problems at every step, and no pass@k. Its "
    "eval_reward is a mean of the means of batches, in which a smaller last batch counts as much as a whole one."
)
_PRIME = (
    "prime-rl's pass@k is the same estimate as ours, over the responses that did not fail; it comes without an "
    "interval, and each step is a number by itself."
)
_OWN = "The evaluation in log.jsonl is the same estimate; it comes without an interval and without the problems."
EXPLAINED = {"verl": _VERL, "trl": _TRL, "verifiers": _PRIME, "checkpoints": _OWN}
"""What the framework's own number is, by format."""


def header(watched: Watched) -> tuple[str, ...]:
    last = watched.boundary.steps[-1]
    shown = [f"pass@{k}" for k in _ends(last)]
    return "step", "problems", *shown, "solved", "gained", "lost", "entropy", watched.length_unit, _own_name(watched)


def rows(watched: Watched) -> list[tuple[str, ...]]:
    """One per step. A difference stands behind the value with its interval; gained and lost with what is no luck."""
    ks = _ends(watched.boundary.steps[-1])
    return [_row(watched, step, ks) for step in watched.boundary.steps]


def sentences(watched: Watched) -> list[str]:
    """What the last step says, what the intervals hold for, and why the framework's number is another."""
    found = watched.boundary
    return [*_latest(watched), _about_pairs(watched), *_left_out(found.left_out), EXPLAINED.get(watched.framework, "")]


def figures(watched: Watched) -> dict[str, float]:
    """The newest step in numbers, under names for a trainer's own loggers."""
    step = watched.boundary.steps[-1]
    found = {f"boundary/pass@{k}": value for k, value in zip(step.k, step.pass_at_k, strict=True)}
    found |= {"boundary/solved": float(step.solved), "boundary/unscored": float(step.unscored)}
    against = step.against_first
    if against is not None:
        for k, (mean, lower, upper) in zip(step.k, against.at, strict=False):
            ends = {"minus_first": mean, "lower": lower, "upper": upper}
            found |= {f"boundary/pass@{k}/{name}": value for name, value in ends.items()}
        found |= {"boundary/gained": float(against.gained), "boundary/lost": float(against.lost)}
    return found


def _latest(watched: Watched) -> Iterator[str]:
    step = watched.boundary.steps[-1]
    against = step.against_first
    if against is None:
        yield f"Step {step.step}: {step.solved} of {step.problems} problems solved; nothing to compare with yet."
        return
    for k, (mean, lower, upper) in zip(step.k, against.at, strict=False):
        if k in _ends(step):
            verdict = "better" if lower > 0 else "worse" if upper < 0 else "not told apart"
            between = f"[{lower:+.1%}, {upper:+.1%}], {verdict}"
            shown = f"{mean:+.1%}, {TOO_FEW}" if is_everything(lower, upper) else f"{mean:+.1%} {between}"
            yield f"Step {step.step}, pass@{k}: {shown}."
    yield (
        f"It solves {against.gained} problems that had no right sample, of which at least {against.gained_at_least} "
        f"are more than luck; {against.lost} that had one have none any more (at least {against.lost_at_least})."
    )


def _about_pairs(watched: Watched) -> str:
    found = watched.boundary
    if found.paired_with == FIRST_VISIT:
        return (
            "These are other problems at every step: each is compared with what was first seen of it, which an older "
            f"policy made; intervals hold at all k and steps with {found.confidence:.0%} together. For the boundary, "
            "sample the same held-out problems at every step."
        )
    first = found.steps[0].step
    return (
        f"Differences are from step {first} on the same problems; intervals hold at all k and at all steps with "
        f"{found.confidence:.0%} together."
    )


def _left_out(count: int) -> Iterator[str]:
    if count:
        yield f"{count} problems are left out: some step has no scored sample of them."


def _row(watched: Watched, step: BoundaryStep, ks: tuple[int, ...]) -> tuple[str, ...]:
    metrics = watched.metrics.get(step.step, StepMetrics())
    against = step.against_first
    gained, lost = (NOTHING, NOTHING)
    if against is not None:
        gained = f"{against.gained} (≥ {against.gained_at_least})"
        lost = f"{against.lost} (≥ {against.lost_at_least})"
    unscored = f" ({step.unscored} unscored)" if step.unscored else ""
    return (
        str(step.step),
        f"{step.problems} × {_n(step)}{unscored}",
        *(_pass_at(step, k) for k in ks),
        str(step.solved),
        gained,
        lost,
        NOTHING if metrics.entropy is None else f"{metrics.entropy:.3f}",
        f"{watched.length.get(step.step, 0):,.0f}",
        _own(watched, step, metrics),
    )


def _pass_at(step: BoundaryStep, k: int) -> str:
    if k not in step.k:
        return NOTHING
    place = step.k.index(k)
    value = f"{step.pass_at_k[place]:.3f}"
    if step.against_first is None or place >= len(step.against_first.at):
        return value
    mean, lower, upper = step.against_first.at[place]
    if is_everything(lower, upper):
        return f"{value} {mean:+.3f} [few]"
    return f"{value} {mean:+.3f} [{lower:+.3f}, {upper:+.3f}]"


def is_everything(lower: float, upper: float) -> bool:
    """Whether an interval says nothing: too few problems carry the difference."""
    return lower <= -1 and upper >= 1


def _own_name(watched: Watched) -> str:
    k = watched.boundary.steps[-1].k[-1]
    names = {"verl": f"verl's best@{k}", "trl": "TRL's reward", "verifiers": "its own", "checkpoints": "its own"}
    return names.get(watched.framework, "its own")


def _own(watched: Watched, step: BoundaryStep, metrics: StepMetrics) -> str:
    """The framework's number: as it logged it, or for verl what its rule gives on average."""
    if watched.framework == "verl":
        k = step.k[-1]
        logged = [value for name, value in metrics.own.items() if f"best@{k}/mean" in name and "/acc/" in name]
        return f"{logged[0]:.3f}" if logged else f"{step.resampled[-1]:.3f} (by its rule)"
    names = ("eval_reward", "reward") if watched.framework == "trl" else sorted(metrics.own)
    found = next((metrics.own[name] for name in names if name in metrics.own), None)
    return NOTHING if found is None else f"{found:.3f}"


def _n(step: BoundaryStep) -> str:
    low, high = step.n
    return str(low) if low == high else f"{low}-{high}"


def _ends(step: BoundaryStep) -> tuple[int, ...]:
    """The ks that a table has room for: the first, one between, the last."""
    ks = step.k
    return tuple(dict.fromkeys((ks[0], ks[len(ks) // 2], ks[-1])))
