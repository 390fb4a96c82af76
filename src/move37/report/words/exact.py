"""The sentences about the exact truth, the same on the page, in markdown and on a terminal."""

from collections.abc import Sequence

import numpy as np

from move37.analyses.exact_truth import ExactCheck, ExactModel, ExactPair
from move37.report.number_format import count, counted

_WORST = 5


def check_sentence(check: ExactCheck) -> str:
    """How far the samples are from what was computed."""
    held = "lies inside the sampled band" if check.inside_band else "leaves the sampled band"
    text = f"{check.model}: the computed curve {held} at every k that was sampled" if check.inside_band else ""
    text = text or f"{check.model}: the computed curve {held} at some k that was sampled"
    distance = check.largest_distance
    if distance is None:
        return f"{text}."
    return f"{text}; the largest distance is {distance:.1f} standard errors of fresh samples of these problems."


def checks_sentence(checks: Sequence[ExactCheck]) -> str:
    """The same of many models in one sentence: how many bands hold, and the distances."""
    outside = [check.model for check in checks if not check.inside_band]
    held = f"{count(len(checks) - len(outside))} of {count(len(checks))}" if outside else count(len(checks))
    text = f"The computed curve lies inside the sampled band, at every k that was sampled, for {held} models"
    text += f", not for {', '.join(outside)}" if outside else ""
    distances = sorted(check.largest_distance for check in checks if check.largest_distance is not None)
    if not distances:
        return f"{text}."
    middle = distances[len(distances) // 2]
    return f"{text}; the largest distances are {middle:.1f} standard errors in the middle, {distances[-1]:.1f} at most."


def rarest_sentence(model: ExactModel) -> str:
    """The rarest problem, what may be missing, and what was estimated."""
    known = model.log10_p[np.isfinite(model.log10_p)]
    never, estimated = len(model.log10_p) - len(known), int((model.relative_error > 0).sum())
    text = f"{model.model}: the rarest of {counted(len(model.log10_p), 'problem')}"
    text += f" has a chance of 10^{known.min():.1f}" if len(known) else " has no chance"
    text += f"; {count(never)} can never be solved under this sampling distribution" if never and len(known) else ""
    if estimated:
        largest = model.relative_error.max()
        text += (
            f"; {count(estimated)} have too many right chains and are estimated, relative errors at most {largest:.0%}"
        )
    return f"{text}."


def exact_pair_sentences(pair: ExactPair) -> list[str]:
    """What became likelier, what rarer, by how much, and the moves that are new or lost."""
    known = np.sort(pair.log10_ratio[np.isfinite(pair.log10_ratio)])
    text = (
        f"{pair.rl} makes {counted(pair.likelier, 'problem')} likelier and {count(pair.rarer)} rarer than {pair.base}"
    )
    if pair.likelier and len(known) and known[-1] > 0:
        text += f", at most {10 ** known[-1]:.3g} times likelier"
    worst = known[known < 0][:_WORST]
    if len(worst):
        text += f"; the rarest become rarer by {', '.join(f'10^{-each:.1f}' for each in worst)}"
    moves = (
        f"Of {count(pair.chains)} right chains {count(pair.new_moves)} are new moves (below {pair.below:g} under "
        f"{pair.base}, above {pair.above:g} under {pair.rl}) and {count(pair.lost_moves)} are lost (the reverse)."
    )
    return [f"{text}.", moves]
