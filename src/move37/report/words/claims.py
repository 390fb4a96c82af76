"""What is claimed of a pair of models: gained, lost, sharpened, and what is not known. Each claim carries its terms.

A claim's sentence says no more than its terms: of which problems it speaks (those tried, or problems like them), at
which confidence, what it was corrected over. Whatever is not established is said as open, never as absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from move37.analyses import Comparison
from move37.analyses.curves import CurveDifference
from move37.analyses.gains_losses import Change
from move37.report.number_format import count, counted, exists, level, p_value, points, points_interval
from move37.report.words import named, tries, undecided

NAMED = 8
"""Problems named in a sentence; all are in analyses.json and in tables/gains_losses.csv."""
THESE, LIKE_THESE = "these problems", "problems like these"


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that is said. `established` is False where it says that something is open."""

    kind: str
    """gained, lost, sharpened or not known."""
    text: str
    established: bool
    target: str = ""
    """THESE or LIKE_THESE; empty for what is not known."""
    confidence: float | None = None
    corrected_over: str = ""
    before_looking: bool = True
    """Whether what is tested was fixed before the data were seen."""

    @property
    def terms(self) -> str:
        """ "95% confidence, for these problems, corrected over 6 tests"; empty where nothing is established."""
        if not self.established:
            return ""
        parts = [f"{level(self.confidence)} confidence"] if self.confidence is not None else []
        parts += [f"for {self.target}"] if self.target else []
        parts += [self.corrected_over] if self.corrected_over else []
        return ", ".join(parts)


def claims(comparison: Comparison) -> tuple[Claim, ...]:
    """The four claims of a pair, in the order of the page; none where sampling stopped because of what it found."""
    if comparison.gained is None or comparison.lost is None:
        return ()
    difference = comparison.difference
    base, rl = difference.base, difference.rl
    return (
        _change("gained", comparison.gained, rl, base, len(difference.k)),
        _change("lost", comparison.lost, base, rl, len(difference.k)),
        _sharpened(difference),
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
        return Claim(kind, f"{none}. That is no evidence that there are none.", False, **terms)
    which = _which(found)
    text = (
        f"At least {count(found.at_least)} of the {counted(found.only, found.unit)} that {one} alone solved in "
        f"{counted(k, 'try')} are not luck: on them {one} has a better chance than {two}; {luck} ({p_value(p)}).{which}"
    )
    return Claim(kind, text, True, **terms)


def _which(found: Change) -> str:
    if not found.problems:
        return " Which of them cannot be said one by one."
    shown = ", ".join(found.problems[:NAMED])
    more = len(found.problems) - NAMED
    return f" Shown one by one: {shown}{f' and {count(more)} more' if more > 0 else ''}."


def _sharpened(difference: CurveDifference) -> Claim:
    """What RL does better with one try and a few more, in the band that is reported."""
    base, rl, band = named(difference.base), named(difference.rl), difference.band
    terms = {
        "target": LIKE_THESE,
        "confidence": band.confidence,
        "corrected_over": f"for all k up to {count(len(difference.k))} at once",
    }
    lower, upper = difference.reported
    if 1 not in difference.shown_gain:
        worse = 1 in difference.shown_loss
        said = "It solves fewer" if worse else "Not shown: the data do not say that it solves more"
        return Claim("sharpened", f"{said} with one try than {base} does.", worse, **terms)
    run = next((k for k in range(1, len(difference.k) + 1) if k not in difference.shown_gain), len(difference.k) + 1)
    error = float(band.standard_error[0])
    return Claim(
        "sharpened",
        f"With {tries(range(1, run))} {rl} solves more of the problems than {base}: with one try "
        f"{points(band.mean[0], error)} points ({points_interval(lower[0], upper[0], error)}).",
        True,
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
    return Claim("not known", f"{text[0].upper()}{text[1:]}", False)
