"""Would the curve look different if the instrument had not failed, or no sample had been cut off?

Two questions, each a curve beside pass@k and neither a correction. A bracket has a band: the lower end of the band of
the worst curve to the upper end of that of the best, which holds the full curve with the confidence of either, since it
lies between the two and can be missed on one side only (Imbens & Manski 2004).
- *Unscored samples*: pass@k with all of them wrong and with all of them right. A verdict is missing for a reason, which
  may have to do with being right; whatever it is, the full curve lies between the two. With n fixed both are exact.
  Where sampling stopped early, all wrong is exact as well (a missing success never stopped a problem, so it stopped
  where it did). All right would have stopped some problems earlier: with a tally to which the plan was applied anew it
  is exact, without one a problem with unscored samples counts as solved, which no estimate can exceed.
- *Truncated samples*: pass@k among the samples that ended by themselves, on the problems that have any. It ends at the
  smallest number of those, and stands beside pass@k of all samples on the same problems, so that the two differ by the
  truncated samples only. Given their number, the finished samples are exchangeable, so it is unbiased for "k finished
  samples hold a correct one"; it is not what a longer limit would give, since the longest answers are the cut ones.

Left out: a band of the finished samples' curve, and partial identification of single problems.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from move37.analyses.curves import simulated_columns
from move37.analyses.pairing import on_problems, paired
from move37.counts import AnyTally, Tally
from move37.errors import InputError
from move37.estimates.bands import simultaneous_band
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, BandSettings, Design
from move37.types import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class UnscoredBracket:
    """pass@k of one model for k = 1..K with every unscored sample wrong, and right, arrays of shape (K,)."""

    model: str
    unscored: int
    problems_with_unscored: int
    k: IntArray
    if_wrong: FloatArray
    if_right: FloatArray
    right_is_exact: bool
    """False where `if_right` only bounds what all right would give: sampling stopped early, and no replay was given."""
    lower: FloatArray = field(default_factory=lambda: np.empty(0))
    upper: FloatArray = field(default_factory=lambda: np.empty(0))
    """Simultaneous band for the curve with every sample scored, whatever the unscored are. Empty in findings from
    before there was one."""
    confidence: float = 0.95


@dataclass(frozen=True, eq=False)
class DifferenceBracket:
    """pass@k of rl minus base with unscored samples at their worst and at their best for rl, shape (K,)."""

    base: str
    rl: str
    k: IntArray
    lower: FloatArray
    upper: FloatArray
    band_lower: FloatArray = field(default_factory=lambda: np.empty(0))
    band_upper: FloatArray = field(default_factory=lambda: np.empty(0))
    """Simultaneous band for the difference with every sample scored, as in `UnscoredBracket`."""
    confidence: float = 0.95


@dataclass(frozen=True, eq=False)
class FinishedCurve:
    """pass@k among samples that were not truncated, beside pass@k of all samples on the same problems, (K,) each."""

    model: str
    truncated: int
    k: IntArray
    finished: FloatArray
    all_samples: FloatArray
    left_out: tuple[str, ...]
    """Problems without a single scored sample that ended by itself."""


def unscored_bracket(
    tally: AnyTally,
    replayed_right: AnyTally | None = None,
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
) -> UnscoredBracket:
    """Bracket pass@k by the unscored samples, up to the smallest number of samples of any problem.

    `replayed_right`, for a tally that stopped early: the same samples with every unscored one correct and the plan
    applied anew. The band is for problems like these. Raises InputError for a problem without any sample, and for a
    replay of other problems.
    """
    wrong, right = _rows(tally, replayed_right)
    at = simulated_columns(wrong.shape[1])
    ends = [simultaneous_band(rows, settings, design, (0.0, 1.0), simulate_at=at) for rows in (wrong, right)]
    return UnscoredBracket(
        model=tally.model,
        unscored=int(tally.unscored.sum()),
        problems_with_unscored=int((tally.unscored > 0).sum()),
        k=np.arange(1, wrong.shape[1] + 1),
        if_wrong=wrong.mean(axis=0),
        if_right=right.mean(axis=0),
        right_is_exact=isinstance(tally, Tally) or replayed_right is not None or not tally.unscored.any(),
        lower=ends[0].reported[0],
        upper=ends[1].reported[1],
        confidence=settings.confidence,
    )


def _rows(tally: AnyTally, replayed_right: AnyTally | None = None) -> tuple[FloatArray, FloatArray]:
    """pass@k of every problem with its unscored samples wrong, and right (at most), (M, K) each."""
    with_samples = tally.scored + tally.unscored
    if not with_samples.size or not with_samples.all():
        raise InputError(f"{tally.model}: {int((with_samples == 0).sum())} problems have no samples to bracket")
    wrong = with_unscored_wrong(tally)
    k_max = k_limit(wrong)
    if replayed_right is None:
        return pass_at_k_rows(wrong, k_max), rows_with_unscored_right(tally, k_max)
    if replayed_right.problem_ids != tally.problem_ids:
        raise InputError(f"{tally.model}: the replay is not of the same problems in the same order")
    return pass_at_k_rows(wrong, k_max), pass_at_k_rows(replayed_right, k_max)


def difference_bracket(
    base: AnyTally, rl: AnyTally, settings: BandSettings = DEFAULT_BAND, design: Design = INDEPENDENT
) -> DifferenceBracket:
    """What unscored samples can do to the difference, at the ks that both have. `design` labels the base's problems.

    Raises InputError as `unscored_bracket` does, and unless both cover the same problems.
    """
    base, rl = paired(base, rl)
    (base_wrong, base_right), (rl_wrong, rl_right) = _rows(base), _rows(rl)
    k_max = min(base_wrong.shape[1], rl_wrong.shape[1])
    worst, best = rl_wrong[:, :k_max] - base_right[:, :k_max], rl_right[:, :k_max] - base_wrong[:, :k_max]
    at = simulated_columns(k_max)
    ends = [simultaneous_band(rows, settings, design, simulate_at=at) for rows in (worst, best)]
    return DifferenceBracket(
        base=base.model,
        rl=rl.model,
        k=np.arange(1, k_max + 1),
        lower=worst.mean(axis=0),
        upper=best.mean(axis=0),
        band_lower=ends[0].reported[0],
        band_upper=ends[1].reported[1],
        confidence=settings.confidence,
    )


def finished_curve(tally: AnyTally, not_truncated: Tally) -> FinishedCurve | None:
    """pass@k among finished samples. None where no problem has any.

    `not_truncated` counts the samples that ended by themselves; where sampling stopped early, those before the first
    look, whose number did not depend on the outcomes; a problem that it lacks has no such sample. Raises InputError
    for a problem that the tally lacks.
    """
    ended = {i for i, n in zip(not_truncated.problem_ids, not_truncated.n, strict=True) if n > 0}
    if not ended:
        return None
    left_out = tuple(problem for problem in tally.problem_ids if problem not in ended)
    kept = not_truncated.select(not_truncated.n > 0)
    everything = on_problems(tally, ended)
    finished, everything = paired(kept, everything)
    k_max = min(k_limit(finished), k_limit(everything))
    return FinishedCurve(
        model=tally.model,
        truncated=int(tally.truncated.sum()),
        k=np.arange(1, k_max + 1),
        finished=pass_at_k_rows(finished, k_max).mean(axis=0),
        all_samples=pass_at_k_rows(everything, k_max).mean(axis=0),
        left_out=left_out,
    )


def with_unscored_wrong(tally: AnyTally) -> AnyTally:
    """The counts with every unscored sample wrong."""
    zeros = np.zeros_like(tally.unscored)
    if isinstance(tally, Tally):
        return replace(tally, incorrect=tally.incorrect + tally.unscored, unscored=zeros)
    # Looks fall on samples, scored or not: with all of them scored, the look before the stop is the plan's own.
    used = tally.trials + tally.unscored
    looks = np.array([0, *tally.plan.looks])
    return replace(tally, trials=used, went_on=looks[np.searchsorted(looks, used) - 1], unscored=zeros)


def rows_with_unscored_right(tally: AnyTally, k_max: int) -> FloatArray:
    """pass@k (M, k_max) with every unscored sample right; after early stopping, at most what they could be."""
    if isinstance(tally, Tally):
        right = replace(tally, correct=tally.correct + tally.unscored, unscored=np.zeros_like(tally.unscored))
        return pass_at_k_rows(right, k_max)
    rows = np.ones((tally.problems, k_max))
    scored = tally.unscored == 0
    if scored.any():
        rows[scored] = pass_at_k_rows(tally.select(scored), k_max)
    return rows
