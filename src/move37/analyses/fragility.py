"""On what does a gain or a loss hang? The same difference under other readings of the same samples.

Beside every band of a pair:
- *thresholds*: "solved" asks for t = 2, 3, 4, 5 right samples of k. One right sample of 128 may be the verifier erring,
  or a lucky guess; t of them are less easily. (A larger t also moves a crossing outward: a sensitivity, no refutation.)
- *tipping*: how many more of its wrong samples the verifier would have to accept of one model than of the other, to
  erase the difference at k, with the range in which the band cannot tell it from zero.
- *unscored*, *truncated*: at their worst for each model; without the samples that were cut off.
- *influence*: the first-loss set without each problem in turn, without the five most telling ones, and how many of the
  most telling ones have to go until nothing is established.

Decisions:
- Every reading has a band of its own over all its ks, widened where few problems carry them, uncorrected over readings:
  they are asked whether a claim stands, and make none.
- Every k up to 256 is looked at, beyond it steps of 5 %. Side bands take 20,000 draws.
- Under a stopping plan t ends at the plan's smallest threshold.
- Problems (clusters, where there are any) are left out in the order in which they carry the strongest k of the claim.

Left out: combinations of readings. After sampling until decided there is none of this: the bands establish nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from move37.analyses.curves import EVERY_K_UP_TO, CurveDifference
from move37.analyses.pairing import on_problems, paired
from move37.analyses.sensitivity import rows_with_unscored_right, with_unscored_wrong
from move37.analyses.targets import with_alike_together
from move37.counts import AnyTally, Tally
from move37.estimates.bands import (
    DEGENERATE,
    Band,
    band_ends,
    first_loss_sets,
    half_width,
    simultaneous_band,
    thinned_columns,
)
from move37.estimates.influence import Units, none_stands
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import DEFAULT_BAND, INDEPENDENT, BandSettings, Design
from move37.estimates.thresholds import at_least_rows, largest_threshold
from move37.estimates.verifier_errors import Tipping, tipping
from move37.types import FloatArray, IntArray

THRESHOLDS = (2, 3, 4, 5)
"""Right samples of k that "solved" asks for, beside one."""
LEFT_OUT = 5
"""The most telling problems that are left out together."""
SIDE_DRAWS = 20_000
_STEP = 1.05


@dataclass(frozen=True, eq=False)
class Reading:
    """rl minus base under one reading of the samples, at the ks `k` (K,), with its own simultaneous band."""

    kind: str
    """"measured", "threshold", "unscored_for_base", "unscored_for_rl" (unscored samples right for that model and wrong
    for the other), "finished" (those that ended by themselves), "cut_right_for_base", "cut_right_for_rl" (those that
    were cut off and wrong taken for right), "without" (the most telling problems left out)."""
    threshold: int
    """Right samples that "solved" asks for."""
    problems: int
    k: IntArray
    base_curve: FloatArray
    rl_curve: FloatArray
    difference: FloatArray
    lower: FloatArray
    upper: FloatArray
    gain: tuple[int, ...]
    loss: tuple[int, ...]
    first_loss_set: tuple[int, int | None]


@dataclass(frozen=True, eq=False)
class Influence:
    """What a claim ("gain" or "loss") owes to single problems."""

    claim: str
    k: int
    """Where it is strongest."""
    unit: str
    """What is left out: "problem" or "cluster"."""
    units: int
    first: tuple[int, int]
    """Smallest and largest lower end of the first-loss set, each unit left out in turn."""
    last: tuple[int | None, int | None]
    """The same of its upper end; None: no loss."""
    overturned_by_one: int
    """Units without which, one at a time, the claim is established nowhere."""
    most_telling: tuple[str, ...]
    """The problems of the `LEFT_OUT` units that carry it most."""
    without_them: Reading
    overturned_by: int | None
    """How many of the most telling units have to go until the claim is established nowhere; None: however many."""


@dataclass(frozen=True, eq=False)
class Fragility:
    """Every reading of one pair."""

    base: str
    rl: str
    confidence: float
    measured: Reading
    thresholds: tuple[Reading, ...]
    most_successes: int | None
    """The largest t that the plan allows; None: any."""
    largest_t_loss: int | None
    """The largest t, of those looked at, at which a loss is established; None: at none."""
    largest_t_gain: int | None
    tipping: Tipping
    """At the ks of `measured`."""
    unscored: tuple[Reading, ...]
    truncated: tuple[Reading, ...]
    influence: tuple[Influence, ...]


def fragility(
    base: AnyTally,
    rl: AnyTally,
    difference: CurveDifference,
    finished: tuple[Tally | None, Tally | None] = (None, None),
    settings: BandSettings = DEFAULT_BAND,
    design: Design = INDEPENDENT,
) -> Fragility:
    """Every reading that the counts allow. `difference` is what is claimed, `design` labels base's problems.

    `finished` counts the samples of base and rl that ended by themselves, where that is known. Raises InputError unless
    the problems match.
    """
    base, rl = paired(base, rl)
    problems = Named(base.problem_ids)
    if not any(each.any() for tally in (base, rl) for each in (tally.unscored, tally.truncated)):
        (base, rl), design, kind_of = with_alike_together((base, rl), design)
        problems = replace(problems, kind_of=kind_of)
    ks, side = looked_at(len(difference.k)), replace(settings, draws=SIDE_DRAWS, monte_carlo_error=None)
    rows = tuple(pass_at_k_rows(tally, int(ks[-1]))[:, ks - 1] for tally in (base, rl))
    at_k = _columns(difference.band, ks - 1)
    measured = _reading("measured", rows, ks, at_k, design)
    limits = [most for tally in (base, rl) if (most := largest_threshold(tally)) is not None]
    most = min(limits, default=None)
    thresholds = _thresholds(base, rl, ks, most, side, design)
    readings = (measured, *thresholds)
    return Fragility(
        base=base.model,
        rl=rl.model,
        confidence=settings.confidence,
        measured=measured,
        thresholds=thresholds,
        most_successes=most,
        largest_t_loss=max((each.threshold for each in readings if each.loss), default=None),
        largest_t_gain=max((each.threshold for each in readings if each.gain), default=None),
        tipping=tipping(1 - rows[0], 1 - rows[1], ks, at_k.critical_values(), design),
        unscored=_unscored(base, rl, ks, side, design),
        truncated=_truncated(base, rl, finished, ks, side, design),
        influence=tuple(
            each
            for claim in ("gain", "loss")
            if (each := _influence(claim, measured, at_k, rows, problems, side, design)) is not None
        ),
    )


def looked_at(k_max: int) -> IntArray:
    """The ks of the readings."""
    return np.arange(1, k_max + 1) if k_max <= EVERY_K_UP_TO else thinned_columns(k_max, _STEP) + 1


def _columns(band: Band, columns: IntArray) -> Band:
    """The band at some of its ks; it goes on to hold at all of them."""
    arrays = {name: getattr(band, name)[columns] for name in ("mean", "standard_error", "lower", "upper")}
    carriers = band.effective_problems
    return replace(band, **arrays, effective_problems=carriers[columns] if carriers.size else carriers)


def _reading(
    kind: str, rows: tuple[FloatArray, ...], ks: IntArray, band: Band, design: Design, threshold: int = 1
) -> Reading:
    """`rows` are those of base and of rl, `band` is that of their difference, both at `ks`."""
    lower, upper = band_ends(band.mean, band.standard_error, band.critical_values(), (-1.0, 1.0))
    first, last = first_loss_sets(lower[None, :], upper[None, :], ks)
    return Reading(
        kind=kind,
        threshold=threshold,
        problems=design.problems(rows[0]),
        k=ks,
        base_curve=design.mean(rows[0]),
        rl_curve=design.mean(rows[1]),
        difference=band.mean,
        lower=lower,
        upper=upper,
        gain=tuple(ks[lower > 0].tolist()),
        loss=tuple(ks[upper < 0].tolist()),
        first_loss_set=(first[0], last[0]),
    )


def _band(rows: tuple[FloatArray, ...], ks: IntArray, settings: BandSettings, design: Design) -> Band:
    """Of the difference of two models' rows at the ks (K,); the maximum is simulated as for a pair's own band."""
    last = int(ks[-1])
    chosen = None if last <= EVERY_K_UP_TO else np.unique(np.searchsorted(ks, thinned_columns(last) + 1))
    if chosen is not None:
        chosen = chosen[chosen < len(ks)]
    return simultaneous_band(rows[1] - rows[0], settings, design, simulate_at=chosen)


def _thresholds(
    base: AnyTally, rl: AnyTally, ks: IntArray, most: int | None, settings: BandSettings, design: Design
) -> tuple[Reading, ...]:
    found, last = [], int(ks[-1])
    for t in (t for t in THRESHOLDS if t <= last and (most is None or t <= most)):
        own = ks[ks >= t]
        rows = tuple(at_least_rows(tally, t, own) for tally in (base, rl))
        band = _band(rows, own, settings, design)
        found.append(_reading("threshold", rows, own, band, design, t))
    return tuple(found)


def _unscored(
    base: AnyTally, rl: AnyTally, ks: IntArray, settings: BandSettings, design: Design
) -> tuple[Reading, ...]:
    if not (base.unscored.any() or rl.unscored.any()):
        return ()
    last, columns = int(ks[-1]), ks - 1
    wrong = [pass_at_k_rows(with_unscored_wrong(tally), last)[:, columns] for tally in (base, rl)]
    right = [rows_with_unscored_right(tally, last)[:, columns] for tally in (base, rl)]
    cases = {"unscored_for_base": (right[0], wrong[1]), "unscored_for_rl": (wrong[0], right[1])}
    return tuple(_reading(kind, rows, ks, _band(rows, ks, settings, design), design) for kind, rows in cases.items())


def _truncated(
    base: AnyTally,
    rl: AnyTally,
    finished: tuple[Tally | None, Tally | None],
    ks: IntArray,
    settings: BandSettings,
    design: Design,
) -> tuple[Reading, ...]:
    of_base, of_rl = finished
    if not (base.truncated.any() or rl.truncated.any()) or of_base is None or of_rl is None:
        return ()
    found, columns = [], ks - 1
    if isinstance(base, Tally) and isinstance(rl, Tally):
        cases = (
            ("cut_right_for_base", _with_cut_right(base, of_base), rl),
            ("cut_right_for_rl", base, _with_cut_right(rl, of_rl)),
        )
        for kind, one, two in cases:
            rows = tuple(pass_at_k_rows(tally, int(ks[-1]))[:, columns] for tally in (one, two))
            found.append(_reading(kind, rows, ks, _band(rows, ks, settings, design), design))
    ended = [{i for i, n in zip(each.problem_ids, each.n.tolist(), strict=True) if n} for each in (of_base, of_rl)]
    kept = base.id_set & ended[0] & ended[1]
    if len(kept) < 2:
        return tuple(found)
    one, two = (on_problems(tally, kept) for tally in (of_base, of_rl))
    place = {problem: i for i, problem in enumerate(base.problem_ids)}
    one, two = paired(one, two)
    own = ks[ks <= min(k_limit(one), k_limit(two))]
    rows = tuple(pass_at_k_rows(tally, int(own[-1]))[:, own - 1] for tally in (one, two))
    chosen = design.select(np.array([place[problem] for problem in one.problem_ids]))
    found.append(_reading("finished", rows, own, _band(rows, own, settings, chosen), chosen))
    return tuple(found)


def _with_cut_right(tally: Tally, finished: Tally) -> Tally:
    """The counts with every sample right that was cut off and scored as wrong."""
    known = dict(zip(finished.problem_ids, finished.incorrect.tolist(), strict=True))
    ended_wrong = np.array([known.get(problem, 0) for problem in tally.problem_ids], dtype=np.int64)
    cut = np.maximum(tally.incorrect - ended_wrong, 0)
    return replace(tally, correct=tally.correct + cut, incorrect=tally.incorrect - cut)


@dataclass(frozen=True, eq=False)
class Named:
    """The problems by name, and where rows are those of kinds of problems, each one's kind (M,)."""

    ids: Sequence[str]
    kind_of: IntArray | None = None


def _influence(
    claim: str,
    measured: Reading,
    band: Band,
    rows: tuple[FloatArray, ...],
    problems: Named,
    settings: BandSettings,
    design: Design,
) -> Influence | None:
    """None where the claim is not established, or too few units are left without the most telling ones."""
    sign, claimed = (1, measured.gain) if claim == "gain" else (-1, measured.loss)
    difference, critical = rows[1] - rows[0], band.critical_values()
    units = Units.of(difference, design, problems.kind_of)
    if not claimed or len(units.kind_of) < LEFT_OUT + 2:
        return None
    at = np.isin(measured.k, claimed)
    strength = np.where(at, sign * band.mean / np.maximum(band.standard_error, DEGENERATE), -np.inf)
    column = int(np.argmax(strength))
    mean, error = units.without_each()
    half = half_width(error, critical)
    first, last = first_loss_sets(mean - half, mean + half, measured.k)
    order = np.argsort(-sign * units.deviations(column), kind="stable")
    left, rest = _without(rows, units, order[:LEFT_OUT], design)
    own = _band(left, measured.k, settings, rest)
    ends = sorted(last, key=lambda k: (k is None, k or 0))
    return Influence(
        claim=claim,
        k=int(measured.k[column]),
        unit="problem" if design.clusters is None else "cluster",
        units=len(units.kind_of),
        first=(min(first), max(first)),
        last=(ends[0], ends[-1]),
        overturned_by_one=int(units.alike @ np.array(none_stands(mean, half, sign))),
        most_telling=tuple(
            problems.ids[i] for u in order[:LEFT_OUT] for i in np.flatnonzero(units.unit_of == u).tolist()
        ),
        without_them=_reading("without", left, measured.k, own, rest),
        overturned_by=_overturned_by(units, order[:-2], critical, sign),
    )


def _without(
    rows: tuple[FloatArray, ...], units: Units, gone: IntArray, design: Design
) -> tuple[tuple[FloatArray, ...], Design]:
    """The rows without some units, and their design."""
    if design.weights is None:
        kept = ~np.isin(units.unit_of, gone)
        return tuple(each[kept] for each in rows), design.select(kept)
    weights = design.weights - np.bincount(units.kind_of[gone], minlength=len(design.weights))
    return tuple(each[weights > 0] for each in rows), Design(weights=weights[weights > 0])


def _overturned_by(units: Units, order: IntArray, critical: FloatArray, sign: int) -> int | None:
    """How many of the first units of `order` have to go until nothing is established; None: however many."""
    before = 0
    for mean, error in units.without_first(order):
        gone = none_stands(mean, half_width(error, critical), sign)
        if True in gone:
            return before + gone.index(True) + 1
        before += len(gone)
    return None
