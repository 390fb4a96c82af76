"""Which model solves more with as many generated tokens, rather than with as many samples?

RL often makes answers longer or shorter, so equal k is unequal cost. With T tokens per problem a model affords
k(T) = T / (its mean tokens per sample) samples, and pass@k(T) of both is compared over a grid of T.

Decisions:
- k(T) is no whole number. The budget is used by taking one sample more with the chance that makes the expected tokens
  T: pass@k between two ks is the straight line between them (pass@0 = 0), which stays unbiased.
- "overall" (default): one mean per model, over problems, and so one k(T) for all of them. That mean is an estimate
  made from the same problems, so its linearised error enters every problem's row,
  - slope(k) k (tokens_i - mean) / mean, and the band holds for the budget curves, not only at these ks.
- "per problem": each problem gets T tokens, k_i(T) = T / tokens_i. Easy, short problems get more samples.
- Token counts are of all generated samples, right or wrong. After early stopping their plain mean is biased: use
  `estimates/tokens.py`.
- The band is for problems like these, whatever the target of the study: how token counts vary with the samples of one
  problem is not known here.

Left out: prompt tokens, time, and any T at which a model would need k beyond its samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from move37.analyses.pairing import name_some, paired
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.bands import FEW_PROBLEMS, Band, simultaneous_band
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, BandSettings, Design
from move37.types import FloatArray

GRID = 64
"""Budgets at which models are compared by default, in equal ratios."""


@dataclass(frozen=True, eq=False)
class TokenBudget:
    """RL minus base at equal generated tokens per problem, arrays of shape (T,)."""

    base: str
    rl: str
    tokens: FloatArray
    """Budgets, generated tokens per problem, rising."""
    k_base: FloatArray
    k_rl: FloatArray
    """Samples that a budget affords; their mean over problems if `per_problem`."""
    base_pass: FloatArray
    rl_pass: FloatArray
    band: Band
    mean_tokens_base: float
    mean_tokens_rl: float
    """Mean generated tokens per sample, over problems."""
    per_problem: bool
    gain: tuple[float, ...]
    """Budgets at which the whole band is above zero."""
    loss: tuple[float, ...]
    point_crossing: float | None
    """Budget at which the point estimate turns negative after having been positive; a landmark, not a claim."""
    crossing: tuple[float, float] | None
    """Between the last budget of the unbroken run of gains from the start, and the first established loss; None if
    there is no such gain or no loss."""
    few_problems: tuple[float, ...]

    @property
    def reported(self) -> tuple[FloatArray, FloatArray]:
        """The ends of the band that is shown, (T,) each: widened at the budgets that few problems carry."""
        return self.band.reported

    @property
    def shown_gain(self) -> tuple[float, ...]:
        """Budgets at which the whole band that is shown is above zero."""
        return tuple(self.tokens[self.reported[0] > 0].tolist())

    @property
    def shown_loss(self) -> tuple[float, ...]:
        return tuple(self.tokens[self.reported[1] < 0].tolist())


def token_budget(
    base: AnyTally,
    rl: AnyTally,
    base_tokens: Mapping[str, float],
    rl_tokens: Mapping[str, float],
    budgets: Sequence[float] | None = None,
    per_problem: bool = False,
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
) -> TokenBudget:
    """Compare at equal tokens. `*_tokens`: mean generated tokens per sample of each problem, by id.

    Budgets default to `GRID` from one sample of the costlier model to as much as both models' samples allow. Raises
    InputError for problems without tokens, problems that do not match, and budgets that need k beyond the samples.
    """
    base, rl = paired(base, rl)
    costs = [_costs(tally, tokens) for tally, tokens in ((base, base_tokens), (rl, rl_tokens))]
    per_sample = [cost if per_problem else np.full_like(cost, cost.mean()) for cost in costs]
    limits = [k_limit(base), k_limit(rl)]
    grid = _grid(budgets, per_sample, limits)
    curves, rows, ks = [], [], []
    for tally, cost, each, limit in zip((base, rl), costs, per_sample, limits, strict=True):
        k = np.minimum(grid / each[:, None], limit)
        solved, slope = _between(pass_at_k_rows(tally, limit), k)
        curves.append(solved.mean(axis=0))
        ks.append(k.mean(axis=0))
        if not per_problem:
            solved = solved - slope.mean(axis=0) * k * (cost[:, None] / cost.mean() - 1)
        rows.append(solved)
    # The linearised part has mean zero over problems, so the band is around the difference itself.
    band = simultaneous_band(rows[1] - rows[0], settings, design)
    few = (band.effective_problems > 0) & (band.effective_problems < FEW_PROBLEMS)
    return TokenBudget(
        base=base.model,
        rl=rl.model,
        tokens=grid,
        k_base=ks[0],
        k_rl=ks[1],
        base_pass=curves[0],
        rl_pass=curves[1],
        band=band,
        mean_tokens_base=float(costs[0].mean()),
        mean_tokens_rl=float(costs[1].mean()),
        per_problem=per_problem,
        gain=tuple(grid[band.lower > 0].tolist()),
        loss=tuple(grid[band.upper < 0].tolist()),
        point_crossing=_point_crossing(grid, band.mean),
        crossing=_crossing(grid, band.lower, band.upper),
        few_problems=tuple(grid[few].tolist()),
    )


def _costs(tally: AnyTally, tokens: Mapping[str, float]) -> FloatArray:
    """Mean tokens per sample in the order of the tally's problems, shape (M,)."""
    missing = [problem for problem in tally.problem_ids if problem not in tokens]
    if missing:
        raise InputError(
            f"{tally.model}: no token counts for {name_some(missing)}; leave token budgets out, or count them"
        )
    costs = np.array([tokens[problem] for problem in tally.problem_ids], dtype=float)
    wrong = [p for p, cost in zip(tally.problem_ids, costs, strict=True) if not (np.isfinite(cost) and cost > 0)]
    if wrong:
        raise InputError(
            f"{tally.model}: mean tokens per sample must be above 0, which they are not for {name_some(wrong)}"
        )
    return costs


def _grid(budgets: Sequence[float] | None, per_sample: Sequence[FloatArray], limits: Sequence[int]) -> FloatArray:
    """The budgets, checked against what both models' samples allow, shape (T,)."""
    highest = min(float(each.min()) * limit for each, limit in zip(per_sample, limits, strict=True))
    if budgets is None:
        lowest = max(float(each.mean()) for each in per_sample)
        if lowest > highest:
            raise InputError(
                f"no common token budget: one sample costs up to {lowest:.0f} tokens, and the other samples end at "
                f"{highest:.0f}; sample the model with the shorter answers more"
            )
        return np.geomspace(lowest, highest, GRID) if lowest < highest else np.array([lowest])
    grid = np.asarray(budgets, dtype=float)
    if grid.ndim != 1 or not grid.size or not np.isfinite(grid).all() or grid[0] <= 0 or (np.diff(grid) <= 0).any():
        raise InputError("token budgets must be positive and rise")
    if grid[-1] > highest * (1 + 1e-9):
        raise InputError(
            f"a budget of {grid[-1]:.0f} tokens per problem needs more samples than there are; the largest is "
            f"{highest:.0f}"
        )
    return grid


def _between(rows: FloatArray, k: FloatArray) -> tuple[FloatArray, FloatArray]:
    """pass@k at fractional k (M, T) on the straight lines between whole ks, and the lines' slopes, both (M, T)."""
    with_zero = np.concatenate([np.zeros((len(rows), 1)), rows], axis=1)
    below = np.minimum(np.floor(k + 1e-9).astype(int), rows.shape[1] - 1)  # at k = K the line before it
    low = np.take_along_axis(with_zero, below, axis=1)
    slope = np.take_along_axis(with_zero, below + 1, axis=1) - low
    return low + (k - below) * slope, slope


def _point_crossing(grid: FloatArray, mean: FloatArray) -> float | None:
    """Where the mean's straight line between two budgets passes zero from above, first time."""
    falls = np.flatnonzero((mean[:-1] > 0) & (mean[1:] <= 0))
    if not falls.size or not (mean[falls[0] + 1 :] < 0).any():
        return None
    i = int(falls[0])
    return float(grid[i] + (grid[i + 1] - grid[i]) * mean[i] / (mean[i] - mean[i + 1]))


def _crossing(grid: FloatArray, lower: FloatArray, upper: FloatArray) -> tuple[float, float] | None:
    gains, losses = lower > 0, np.flatnonzero(upper < 0)
    if not gains[0] or not losses.size:
        return None
    run = len(gains) if gains.all() else int(np.argmin(gains))
    return float(grid[run - 1]), float(grid[losses[0]])
