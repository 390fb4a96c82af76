"""The unit of everything that is said: a sentence, with the terms under which it may be said.

A sentence either describes (counts, settings, what is open) or asserts something that could be wrong. What it asserts
is also there as `Assertion`, a quantity within bounds, so that whoever knows the truth can check the sentence without
reading it (`tests/test_sentences.py` does). Its terms are of which problems it speaks, at which confidence, what that
confidence covers together, and whether the question was fixed before the data were seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from move37.estimates.settings import BENCHMARK
from move37.report.number_format import level

THESE, LIKE_THESE = "these problems", "problems like these"


@dataclass(frozen=True, slots=True)
class Assertion:
    """`quantity` of `models` lies within [lower, upper], at each of `ks` where it depends on k."""

    quantity: str
    """"difference": pass@k of the first model minus the second's; "difference, T right": where "solved" asks for T
    right tries of k; "difference in S": in a stratum; "difference with these strata": with as many problems of each;
    "difference at tokens": `ks` are budgets; "mean difference": of an algorithm's runs from the base; "difference by
    format", "difference by content": its parts with one try. "pass@k": of the one model. "gap": the first model's
    pass@k minus the second's pass@1. "better on": on how many problems the first has a higher chance than the second
    ("better on clusters": in how many clusters it has on some member). "different chances": on how many problems they
    differ. "cover@T": the share of problems with a chance of T or more; "cover above T", "cover up to T": more than T,
    T or less. "solvable": how many problems the model never solves in as many samples although they have a chance above
    0, on average. "zero set": the share that the first model solves in `ks` samples of the problems that the second
    solves in none of its own. "different answers", "different right answers": how many the first model gives in `ks`
    samples of a problem more than the second, on average. "difference of best arms": as "difference", each model asked
    in the best of its ways. "false accepts": the share of the model's wrong samples that
    the verifier accepts. "clean accepted", "corrupted accepted": the share of such chains that a judge accepts. "same
    answer": the first model's chance that two samples of a problem give the same answer, minus the second's."""
    models: tuple[str, ...]
    ks: tuple[int, ...] = ()
    lower: float = -float("inf")
    upper: float = float("inf")
    problems: tuple[str, ...] = ()
    """For "better on": problems that are among them."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence. `kind` names the claims of the first screen: gained, lost, sharpened, not known."""

    text: str
    asserts: tuple[Assertion, ...] = ()
    kind: str = ""
    target: str = ""
    """THESE or LIKE_THESE; empty where nothing is asserted beyond what was counted."""
    confidence: float | None = None
    corrected_over: str = ""
    """What the confidence covers together."""
    before_looking: bool = True
    """Whether what is asserted was fixed before the data were seen, or covered whatever they would single out."""

    @property
    def established(self) -> bool:
        """Whether something is asserted; otherwise the sentence describes, or says that something is open."""
        return bool(self.asserts)

    @property
    def terms(self) -> str:
        """ "95% confidence, for these problems, corrected over 6 tests"; empty where nothing is asserted."""
        if not self.established:
            return ""
        parts = [f"{level(self.confidence)} confidence"] if self.confidence is not None else []
        parts += [f"for {self.target}"] if self.target else []
        parts += [self.corrected_over] if self.corrected_over else []
        parts += [] if self.before_looking else ["singled out after looking"]
        return ", ".join(parts)


def described(text: str) -> Claim:
    """A sentence that asserts nothing beyond the data at hand."""
    return Claim(text)


def texts(claims: Iterable[Claim]) -> list[str]:
    return [claim.text for claim in claims]


def joined(claims: Iterable[Claim]) -> str:
    """One paragraph."""
    return " ".join(texts(claims))


def retold(claim: Claim, text: str) -> Claim:
    """The same claim in other words around it."""
    return replace(claim, text=text)


def problems_of(target: str) -> str:
    """ "these problems" or "problems like these", for the target of a band."""
    return THESE if target == BENCHMARK else LIKE_THESE
