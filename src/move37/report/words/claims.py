"""What is claimed of a pair of models: gained, lost, sharpened, and what is not known. Each claim carries its terms.

A claim's sentence says no more than its terms: of which problems it speaks (those tried, or problems like them), at
which confidence, what it was corrected over. Whatever is not established is said as open, never as absent.
"""

from collections.abc import Sequence

from move37.analyses import Comparison
from move37.analyses.curves import CurveDifference
from move37.analyses.gains_losses import Change
from move37.report.number_format import count, counted, exists, p_value, points, points_interval
from move37.report.words import named, tries, undecided
from move37.report.words.claim import THESE, Assertion, Claim, problems_of

NAMED = 8
"""Problems named in a sentence; all are in analyses.json and in tables/gains_losses.csv."""


def claims(comparison: Comparison) -> tuple[Claim, ...]:
    """The four claims of a pair, in the order of the page; none where sampling stopped because of what it found."""
    if comparison.gained is None or comparison.lost is None:
        return ()
    difference, k = comparison.difference, comparison.solvable.k
    base, rl = difference.base, difference.rl
    return (
        _change("gained", comparison.gained, rl, base, k),
        _change("lost", comparison.lost, base, rl, k),
        _sharpened(difference, comparison.solvable.corrected_over),
        _not_known(comparison),
    )


def claim_lines(found: Sequence[Claim]) -> list[str]:
    """ "Gained: ..." for a terminal."""
    return [f"{each.kind.capitalize()}: {each.text}{f' ({each.terms})' if each.terms else ''}" for each in found]


def _change(kind: str, found: Change, winner: str, other: str, k: int) -> Claim:
    one, two = named(winner), named(other)
    seen = f"{one} alone solved {counted(found.only, found.unit)} in {counted(k, 'try')}"
    luck = f"luck alone makes up to {found.expected:.1f} on average"
    p = min((p for p in found.p_adjusted.values() if exists(p)), default=1.0)
    terms = {
        "target": THESE,
        "confidence": found.confidence,
        "corrected_over": f"corrected over {counted(found.corrected_over, 'test')}",
    }
    if not found.shown:
        none = f"Not shown: {seen}, and {luck} ({p_value(p)})" if found.only else f"Not seen: {seen}"
        return Claim(f"{none}. That is no evidence that there are none.", kind=kind, **terms)
    which = _which(found)
    text = (
        f"At least {count(found.at_least)} of the {counted(found.only, found.unit)} that {one} alone solved in "
        f"{counted(k, 'try')} are not luck: on them {one} has a better chance than {two}; {luck} ({p_value(p)}).{which}"
    )
    quantity = "better on" if found.unit == "problem" else "better on clusters"
    better = Assertion(quantity, (winner, other), (), found.at_least, problems=found.problems)
    return Claim(text, (better,), kind, **terms)


def _which(found: Change) -> str:
    if not found.problems:
        return " Which of them cannot be said one by one."
    shown = ", ".join(found.problems[:NAMED])
    more = len(found.problems) - NAMED
    return f" Shown one by one: {shown}{f' and {count(more)} more' if more > 0 else ''}."


def _sharpened(difference: CurveDifference, models: int) -> Claim:
    """What RL does better with one try and a few more, in the band that is reported."""
    base, rl, band = named(difference.base), named(difference.rl), difference.band
    served = len(difference.k) - len(difference.unserved)
    terms = {
        "target": problems_of(difference.target),
        "confidence": band.confidence,
        "corrected_over": f"for all k up to {count(served)} at once{'' if models < 2 else ', for this model alone'}",
    }
    lower, upper = difference.reported
    models_of = (difference.rl, difference.base)
    if 1 not in difference.shown_gain:
        worse = 1 in difference.shown_loss
        said = f"{rl} solves fewer" if worse else f"Not shown: the data do not say that {rl} solves more"
        below = (Assertion("difference", models_of, (1,), lower[0], upper[0]),) if worse else ()
        return Claim(f"{said} with one try than {base} does.", below, "sharpened", **terms)
    run = next((k for k in range(1, len(difference.k) + 1) if k not in difference.shown_gain), len(difference.k) + 1)
    error = float(band.standard_error[0])
    return Claim(
        f"With {tries(range(1, run))} {rl} solves more of the problems than {base}: with one try "
        f"{points(band.mean[0], error)} points ({points_interval(lower[0], upper[0], error)}).",
        (
            Assertion("difference", models_of, tuple(range(1, run)), 0.0),
            Assertion("difference", models_of, (1,), lower[0], upper[0]),
        ),
        "sharpened",
        **terms,
    )


def _not_known(comparison: Comparison) -> Claim:
    """What a reader might take from the page and may not."""
    difference = comparison.difference
    base, rl, last = named(difference.base), named(difference.rl), counted(len(difference.k), "try")
    open_ks = undecided(difference)
    said = [f"which of them solves more with {tries(open_ks)}"] if open_ks else []
    if comparison.gained is not None and not comparison.gained.shown:
        said.append(f"whether {rl} gained any problem")
    if comparison.lost is not None and not comparison.lost.shown:
        said.append(f"whether it lost any that {base} solves")
    said.append(f"what either would solve with more than {last}")
    text = f"{'; '.join(said)}."
    return Claim(f"{text[0].upper()}{text[1:]}", kind="not known")
