r"""Is the chosen option the right one? For questions whose options have letters.

The letter is looked for in the `<answer>` tag, else the last complete box, else the last final-answer phrase, else the
last line, and must stand first there: "B", "(b)", "B. Paris", "\text{(B)}", "option B". A letter inside a sentence is
not a choice. References are letters, written in any of these ways.
Left out: matching the option's text instead of its letter; shuffled options.
"""

import re

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.extraction import after_phrase, last_boxed, last_lines, last_tagged

_BRACKETED = r"[(\[]\s*([A-Za-z])\s*[)\]]"
_CAPITAL = r"([A-Z])(?=\s*(?:[.:),\]}]|-\s|$))"
_ALONE = r"([a-z])(?=\W*$)"
_CHOICE = re.compile(
    r"(?:\$|\*|\s|\\(?:text|textbf|mathrm|mathbf|bf|rm)\s*\{|\{)*"
    r"(?:(?i:the\s+)?(?i:option|choice|answer)\s+)?\*{0,2}"
    rf"(?:{_BRACKETED}|{_CAPITAL}|{_ALONE})"
)


class ChoiceVerifier:
    name = "choice"
    version = "1"

    def extract(self, problem: Problem, text: str) -> str | None:
        marked = last_tagged(text) or last_boxed(text) or after_phrase(text)
        return letter(marked if marked is not None else last_lines(text) or "")

    def present(self, problem: Problem, reference: str) -> str:
        return f"The answer is ({letter(reference) or reference})."

    def warm(self) -> None:
        """Nothing to import."""

    def judge(self, problem: Problem, answer: str) -> Verdict:
        right = [letter(reference) for reference in problem.references]
        if not right or None in right:
            return Verdict(Outcome.UNSCORED, "reference is not a letter" if right else "no reference answer")
        if answer in right:
            return Verdict(Outcome.CORRECT, "matches")
        return Verdict(Outcome.INCORRECT, "differs")


def letter(text: str) -> str | None:
    """The letter, A to Z, of the option that `text` chooses."""
    match = _CHOICE.match(text.strip()[:200])
    return next(group for group in match.groups() if group).upper() if match else None
