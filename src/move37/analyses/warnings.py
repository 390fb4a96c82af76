"""What should a reader know before believing the numbers? One sentence each, only where it applies.

These are properties of the data at hand (too few problems, unequal n, unscored samples), not of the methods, which
their own modules describe. Nothing is corrected here.
"""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from move37.analyses.curves import CurveDifference
from move37.analyses.solvable_sets import SolvableTable
from move37.counts import AnyTally, StoppedTally
from move37.estimates.bands import DEGENERATE, FEW_PROBLEMS
from move37.estimates.settings import BENCHMARK
from move37.estimates.solvable import fewest_discordant
from move37.types import Flag, IntArray


def flaky_warnings(model: str, flags: Sequence[tuple[str, str, int]]) -> list[str]:
    """About programs that ended in two ways. `flags` are (outcome, flag, samples)."""
    flaky: Counter[str] = Counter()
    for outcome, flag, samples in flags:
        flaky[outcome] += samples * (flag == Flag.RERUN_ALONE)
    total = flaky.total()
    if not total:
        return []
    counts = " and ".join(f"{samples} {outcome}" for outcome, samples in sorted(flaky.items()) if samples)
    return [
        f"{model}: {total} sample{'s' * (total != 1)} ran out of time or were killed and ended otherwise when they ran "
        f"again, which decided: {counts}; on a slower machine they may not"
    ]


def in_process_warnings(model: str, flags: Sequence[tuple[str, str, int]]) -> list[str]:
    """About programs that shared a process with their tests. `flags` as for `flaky_warnings`."""
    correct = sum(samples for outcome, flag, samples in flags if (outcome, flag) == ("correct", Flag.IN_PROCESS))
    total = sum(samples for _, flag, samples in flags if flag == Flag.IN_PROCESS)
    if not total:
        return []
    return [
        f"{model}: {total} sample{'s' * (total != 1)} had tests that need real objects and ran in one process with "
        f"them: a program can forge that, and {correct} of them count as correct"
    ]


def model_warnings(tally: AnyTally) -> list[str]:
    """About one model: samples that nobody scored, and problems that can speak about fewer ks than others."""
    if isinstance(tally, StoppedTally):
        return _about_stopped(tally)
    warnings = []
    unscored, low, high = int(tally.unscored.sum()), int(tally.n.min()), int(tally.n.max())
    if unscored:
        samples = unscored + int(tally.n.sum())
        total = tally.n + tally.unscored
        wrong, right = (tally.correct / total).mean(), ((tally.correct + tally.unscored) / total).mean()
        warnings.append(
            f"{tally.model}: {unscored} of {samples} samples are unscored (the instrument failed, not the model); "
            f"pass@1 would be {wrong:.1%} if they are all wrong and {right:.1%} if all right"
        )
    if low < high:
        short = int((tally.n < high).sum())
        warnings.append(
            f"{tally.model}: {short} of {tally.problems} problems have fewer scored samples than the others' {high}; "
            f"curves end at k={low}, the smallest n"
        )
    return warnings


def _about_stopped(tally: StoppedTally) -> list[str]:
    warnings = []
    unscored, low = int(tally.unscored.sum()), int(tally.k_limit.min())
    if unscored:
        warnings.append(
            f"{tally.model}: {unscored} of {unscored + int(tally.trials.sum())} samples are unscored (the instrument "
            "failed, not the model); the estimates hold if that does not depend on being right"
        )
    if low < tally.plan.n_max:
        short = int((tally.k_limit < tally.plan.n_max).sum())
        warnings.append(
            f"{tally.model}: {short} of {tally.problems} problems have fewer than {tally.plan.n_max} scored samples at "
            f"the plan's last look; curves end at k={low}"
        )
    return warnings


def comparison_warnings(
    base: AnyTally,
    rl: AnyTally,
    difference: CurveDifference,
    table: SolvableTable,
    stopped_by_outcomes: bool = False,
    shown: Collection[str] = (),
) -> list[str]:
    """About a pair, beside what holds for each model alone. `stopped_by_outcomes`: then only the e-value is a test.

    `shown`: models of which it is shown that they are better on problems which they alone solved.
    """
    return [
        *_about_sample_sizes(base, rl),
        *_about_band(base.problems, difference, "e-value" if stopped_by_outcomes else "four-way table's exact test"),
        *([] if stopped_by_outcomes else _about_table(table, shown)),
    ]


def _about_sample_sizes(base: AnyTally, rl: AnyTally) -> list[str]:
    limits = [base.k_limit, rl.k_limit]
    if np.unique(np.concatenate(limits)).size == 1:
        return []
    speaks = " and ".join(f"{t.model} has n={_range(limit)}" for t, limit in zip((base, rl), limits, strict=True))
    return [
        f"{speaks}: compared up to k={min(limit.min() for limit in limits)}; the four-way table gives both models "
        "the same number of samples on each problem, a random subset of the larger set"
    ]


def _about_band(problems: int, difference: CurveDifference, test: str) -> list[str]:
    if problems == 1 and difference.target != BENCHMARK:
        return ["one problem only: nothing can be said about other problems, and every band is the whole range"]
    warnings = []
    if difference.few_problems:
        warnings.append(
            f"k={_runs(difference.few_problems)}: fewer than {FEW_PROBLEMS} problems carry the difference, so the band "
            f"is likely too narrow there; {_what_stands(difference)}rely on the {test}"
        )
    constant = tuple(difference.k[difference.band.standard_error < DEGENERATE].tolist())
    if constant:
        why = (
            "the samples do not say how much fresh ones of these problems would differ"
            if difference.target == BENCHMARK
            else "the difference is the same on every problem"
        )
        warnings.append(f"k={_runs(constant)}: {why}, so no interval can be estimated and the band is the whole range")
    return warnings


def _what_stands(difference: CurveDifference) -> str:
    """What a band that is wide enough for few problems leaves of the gains and losses at those ks."""
    shaky = {*difference.gain, *difference.loss} & set(difference.few_problems)
    if not shaky:
        return ""
    stands = sorted(shaky & {*difference.still_gain, *difference.still_loss})
    if not stands:
        return "widened for that, it establishes nothing at them; "
    return f"widened for that, it still establishes k={_runs(stands)}; "


def _about_table(table: SolvableTable, shown: Collection[str]) -> list[str]:
    warnings = []
    alpha = 1 - table.confidence
    discordant, needed = table.discordant, fewest_discordant(alpha)
    unit = "problem" if table.discordant_clusters is None else "cluster"
    if discordant < needed:
        warnings.append(
            f"four-way table: {discordant} {unit}{'s' * (discordant != 1)} solved by one model only; the exact test "
            f"needs at least {needed} to reach p < {alpha:.2g}, so this set cannot show a difference at k={table.k}"
        )
    for model, count in ((table.base, table.base_only), (table.rl, table.rl_only)):
        if 0 < count <= table.noise_floor and model not in shown:
            are = "is" if count == 1 else "are"
            warnings.append(
                f"{count} problem{'s' * (count != 1)} solved by {model} only {are} no more than luck makes on average "
                f"({table.noise_floor:.1f} if both models had the same chance on every problem): it shows nothing"
            )
    return warnings


def _range(values: Sequence[int] | IntArray) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)}-{max(values)}"


def _runs(ks: Sequence[int]) -> str:
    """1-3, 7 for (1, 2, 3, 7)."""
    known = set(ks)
    starts = [k for k in ks if k - 1 not in known]
    ends = [k for k in ks if k + 1 not in known]
    return ", ".join(_range(run) for run in zip(starts, ends, strict=True))
