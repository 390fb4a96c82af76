"""How are models, ks and what a band establishes called? The words that all sentences of a report share.

Model names are words of the user's own ("base" is one), so in sentences they stand between the two characters of
`NAME`, which a page turns into type and a terminal drops (`unnamed`).
"""

from collections.abc import Iterable

from move37.analyses.curves import CurveDifference
from move37.analyses.decision import Decision
from move37.analyses.solvable_sets import SolvableTable
from move37.report.number_format import k_list, k_words, p_value

NAME = ("\u2068", "\u2069")
"""Around every model name in a summary: Unicode's first strong isolate and its end."""


def named(model: str) -> str:
    """`model` between the marks of a name."""
    return f"{NAME[0]}{model}{NAME[1]}"


def sentence(text: str) -> str:
    """`text` with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def tries(ks: Iterable[int]) -> str:
    """ "one try", "2 to 5 tries"."""
    found = tuple(ks)
    return "one try" if found == (1,) else f"{k_words(found)} tries"


def was(number: int) -> str:
    """ "was" or "were"."""
    return "was" if number == 1 else "were"


def unnamed(text: str) -> str:
    """`text` without the marks around model names."""
    return text.replace(NAME[0], "").replace(NAME[1], "")


def undecided(difference: CurveDifference) -> tuple[int, ...]:
    """The ks at which neither gain nor loss is claimed."""
    established = {*difference.shown_gain, *difference.shown_loss}
    return tuple(k for k in difference.k.tolist() if k not in established)


def settled(difference: CurveDifference, k: int) -> str:
    """What the reported band establishes at k: gain, loss or undetermined."""
    return "gain" if k in difference.shown_gain else "loss" if k in difference.shown_loss else "undetermined"


def outside_zero(difference: CurveDifference, k: int) -> str:
    """What the band as published, not widened anywhere, says at k: for files that hold its ends."""
    return "gain" if k in difference.gain else "loss" if k in difference.loss else "undetermined"


def established(difference: CurveDifference) -> str:
    """ "gain at k = 1–3, loss at k = 9–16", for a cell of a table."""
    found = (("gain", difference.shown_gain), ("loss", difference.shown_loss))
    return ", ".join(f"{word} at k = {k_list(ks)}" for word, ks in found if ks) or "undetermined"


def stopped_by_outcomes(decision: Decision | None) -> bool:
    """Whether the number of problems depended on their outcomes, which bands and McNemar's p do not allow for."""
    return decision is not None and decision.examined < decision.problems


def split_test(table: SolvableTable, decision: Decision | None) -> tuple[str, str, bool]:
    """The test of how problems split into those that one model alone solves: name, result, whether luck is excluded.

    McNemar's p holds for a number of problems that was fixed; after sampling until decided the e-value takes its place.
    """
    if decision is None:
        over = "" if table.corrected_over == 1 else f", corrected over {table.corrected_over} models"
        return "exact McNemar test", f"{p_value(table.test_p)}{over}", table.test_p < 1 - table.confidence
    result = f"e-value {decision.largest_e_value:.3g}, {p_value(decision.anytime_p)}"
    return "anytime-valid test", result, decision.anytime_p <= decision.alpha
