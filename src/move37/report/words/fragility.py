"""On what do the gains and losses of a band hang? One plain sentence for each, from the readings of `fragility.py`.

A sentence names what the claim stands under and what it falls under; what was not looked at (no sample was unscored, a
plan that stops at one success) is not mentioned as if it had been. What it stands under is asserted, each reading with
the confidence of its own band; what it falls under is open there, not refuted.
"""

from collections.abc import Sequence

import numpy as np

from move37.analyses.fragility import LEFT_OUT, Fragility, Influence, Reading
from move37.report.number_format import count, counted, k_words, level, points, runs
from move37.report.words import named
from move37.report.words.claim import LIKE_THESE, Assertion, Claim

_LABELS = {
    "measured": "as measured",
    "unscored_for_base": "unscored: right for {base}, wrong for {rl}",
    "unscored_for_rl": "unscored: right for {rl}, wrong for {base}",
    "finished": "without the samples that were cut off",
    "cut_right_for_base": "cut off and wrong: right for {base}",
    "cut_right_for_rl": "cut off and wrong: right for {rl}",
}


def fragility_sentences(found: Fragility | None) -> list[Claim]:
    """One claim about the loss and one about the gain, each where it is established."""
    if found is None:
        return []
    return [_sentence(found, claim) for claim in ("loss", "gain") if getattr(found.measured, claim)]


def reading_label(found: Fragility, reading: Reading) -> str:
    """What a row of the table is called."""
    if reading.kind == "threshold":
        return f"solved: {reading.threshold} right of k"
    return _LABELS[reading.kind].format(base=found.base, rl=found.rl)


def looked_at_list(reading: Reading, ks: Sequence[int]) -> str:
    """ "9–300": neighbours among the ks that were looked at are one run, though not every k between them was."""
    places = np.flatnonzero(np.isin(reading.k, ks)).tolist()
    ranges = [(int(reading.k[first]), int(reading.k[last])) for first, last in runs(places)]
    return ", ".join(count(a) if a == b else f"{count(a)}–{count(b)}" for a, b in ranges) or "none"


def _sentence(found: Fragility, claim: str) -> Claim:
    stands: list[str] = []
    falls: list[str] = []
    asked = {each.threshold: bool(getattr(each, claim)) for each in found.thresholds}
    for side, outcome in ((stands, True), (falls, False)):
        ts = [t for t, holds in asked.items() if holds is outcome]
        if ts:
            side.append(f"if {k_words(ts)} right tries are asked for in place of one")
    falls += _tipping(found, claim)
    for each in found.influence:
        if each.claim == claim:
            _influence(each, stands, falls)
    for reading in _against(found, claim):
        side = stands if getattr(reading, claim) else falls
        side.append(_case(found, reading))
    ks = looked_at_list(found.measured, getattr(found.measured, claim))
    parts = [f"stands {_joined(stands)}"] if stands else []
    parts += [f"falls {_joined(falls)}"] if falls else []
    return Claim(
        f"The {claim} (k = {ks}) {'; it '.join(parts)}. Each reading is taken by itself, with "
        f"{level(found.confidence)} confidence for {LIKE_THESE}.",
        _asserted(found, claim),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="each reading by itself, all its k at once",
    )


def _asserted(found: Fragility, claim: str) -> tuple[Assertion, ...]:
    """The sign of the difference as measured, and of that under each threshold that it stands under."""
    lower, upper = (0.0, 1.0) if claim == "gain" else (-1.0, 0.0)
    readings = [each for each in (found.measured, *found.thresholds) if getattr(each, claim)]
    return tuple(
        Assertion(
            "difference" if each.threshold == 1 else f"difference, {each.threshold} right",
            (found.rl, found.base),
            getattr(each, claim),
            lower,
            upper,
        )
        for each in readings
    )


def _tipping(found: Fragility, claim: str) -> list[str]:
    """How large a difference in false accepts is enough: until nothing is established, and until the sign turns."""
    at = np.isin(found.measured.k, getattr(found.measured, claim))
    ahead, behind = (found.base, found.rl) if claim == "loss" else (found.rl, found.base)
    sign = 1 if claim == "loss" else -1
    nearest = found.tipping.lower if claim == "loss" else -found.tipping.upper
    firmest = int(np.argmax(np.where(at, nearest, -np.inf)))
    enough, erased = float(nearest[firmest]), float(sign * found.tipping.value[firmest])
    if not (np.isfinite(enough) and np.isfinite(erased)):
        return []
    k = count(found.measured.k[firmest])
    return [
        f"if the verifier accepts {_rate(enough)} points more of the wrong samples of {named(ahead)} than of those of "
        f"{named(behind)} ({_rate(erased)} points erase the difference at k = {k})"
    ]


def _rate(share: float) -> str:
    """A difference of rates in points, to two significant digits and without its sign."""
    return str(points(share, share)).lstrip("+")


def _influence(found: Influence, stands: list[str], falls: list[str]) -> None:
    unit = found.unit
    if found.overturned_by_one:
        falls.append(f"without any one of {counted(found.overturned_by_one, unit)}")
    else:
        stands.append(f"whichever {unit} is left out")
    if getattr(found.without_them, found.claim):
        stands.append(f"without the {LEFT_OUT} {unit}s that carry it most")
    elif found.overturned_by is None:
        falls.append(f"without the {LEFT_OUT} {unit}s that carry it most")
    if found.overturned_by is not None and (found.overturned_by > 1 or not found.overturned_by_one):
        carriers = counted(found.overturned_by, unit)
        falls.append(f"without the {carriers} (of {count(found.units)}) that carry it most")


def _against(found: Fragility, claim: str) -> list[Reading]:
    """The readings of unscored and truncated samples that speak against a claim."""
    other = "rl" if claim == "loss" else "base"
    kinds = (f"unscored_for_{other}", f"cut_right_for_{other}", "finished")
    return [each for each in (*found.unscored, *found.truncated) if each.kind in kinds]


def _case(found: Fragility, reading: Reading) -> str:
    base, rl = named(found.base), named(found.rl)
    one, two = (base, rl) if reading.kind.endswith("base") else (rl, base)
    if reading.kind.startswith("unscored"):
        return f"if the unscored samples are right for {one} and wrong for {two}"
    if reading.kind.startswith("cut"):
        return f"if the samples of {one} that were cut off were right"
    return "among the samples that were not cut off"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
