"""Is the answer, as text, the same as the reference? For words, names, codes: what has one right spelling.

Where the answer stands is the work of `extraction.py`, in one order for all verifiers; without a mark it is the last
line.
Equal means equal after: Unicode NFKC, case folding, runs of white space as one space, and without surrounding quotes,
`$`, `**` and a final full stop. Accents, hyphens and inner punctuation count.
"""

import unicodedata

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.extraction import last_lines, marked

_AROUND = "\"'`$*\u2018\u2019\u201c\u201d "


class ExactVerifier:
    name = "exact"
    version = "2"

    def extract(self, problem: Problem, text: str) -> str | None:
        return next(marked(text), None) or last_lines(text)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"<answer>{reference}</answer>"

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not problem.references:
            return Verdict(Outcome.UNSCORED, "no reference answer")
        if normal(answer) in map(normal, problem.references):
            return Verdict(Outcome.CORRECT, "matches")
        return Verdict(Outcome.INCORRECT, "differs")


def normal(text: str) -> str:
    """The form in which answers are compared."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return words.strip(_AROUND).removesuffix(".").strip(_AROUND)
