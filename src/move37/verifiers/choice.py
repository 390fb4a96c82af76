r"""Is the chosen option the right one? For questions whose options have letters.

The answer is looked for in the `<answer>` tag, else the last complete box, else the last final-answer phrase, else the
last line. It is a letter that stands first there ("B", "(b)", "B. Paris", "\text{(B)}", "option B"; a letter inside a
sentence is not a choice) or, where the problem knows its options (metadata "options", in the order in which they are
shown), the whole text of exactly one of them, which comes first ("E. coli" is no E). With other words behind it
("B. Rome" where B is Paris) the letter counts: that is what the prompt shows. Two letters ("A, B") are no answer.
References are letters, written in any of these ways; shuffled options have theirs already moved along
(`benchmarks/jsonl.py`). An answer that is a letter and the text of another option ("B" where option A says "B") leaves
its response unscored: nobody can know which is meant.
Left out: an option with a full stop inside, said in a sentence ("The answer is E. coli" ends at "E.").
"""

import re
from collections.abc import Sequence

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.exact import normal
from move37.verifiers.extraction import after_phrase, last_boxed, last_lines, last_tagged

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_BRACKETED = r"[(\[]\s*([A-Za-z])\s*[)\]]"
_CAPITAL = r"([A-Z])(?=\s*(?:[.:),\]}*$]|\\\)|-\s|$))"
_ALONE = r"([a-z])(?=\W*$)"
_CHOICE = re.compile(
    r"(?:\$|\*|\s|\\\(|\\(?:text|textbf|mathrm|mathbf|bf|rm)\s*\{|\{)*"
    r"(?:(?i:the\s+)?(?i:option|choice|answer)\s+)?\*{0,2}"
    rf"(?:{_BRACKETED}|{_CAPITAL}|{_ALONE})"
)
_SEVERAL = re.compile(r"\W*[A-Za-z]\W*(?:(?:,|;|/|&|\band\b|\bor\b)\W*[A-Za-z]\b\W*)+")
"""Letters and nothing else: more than one option."""
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}")


class ChoiceVerifier:
    name = "choice"
    version = "2"

    def extract(self, problem: Problem, text: str) -> str | None:
        marked = last_tagged(text) or last_boxed(text) or after_phrase(text)
        answer = marked if marked is not None else last_lines(text) or ""
        options = problem.metadata.get("options", ())
        shown = set(LETTERS[: len(options)])
        named = None if normal(answer).upper() in shown else letter_of_text(answer, options)
        return named or letter(answer)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"The answer is ({letter(reference) or reference})."

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        right = [letter(reference) for reference in problem.references]
        if not right or None in right:
            return Verdict(Outcome.UNSCORED, "reference is not a letter" if right else "no reference answer")
        meant = letter_of_text(answer, problem.metadata.get("options", ()))
        if meant is not None and meant != answer:
            return Verdict(Outcome.UNSCORED, "a letter, and another option's text")
        if answer in right:
            return Verdict(Outcome.CORRECT, "matches")
        return Verdict(Outcome.INCORRECT, "differs")


def letter(text: str) -> str | None:
    """The letter, A to Z, of the option that `text` chooses; None where it chooses none, or several ("A, B")."""
    text = text.strip()[:200]
    match = None if _SEVERAL.fullmatch(_TEXT.sub(r"\1", text)) else _CHOICE.match(text)
    return next(group for group in match.groups() if group).upper() if match else None


def letter_of_text(text: str, options: Sequence[str]) -> str | None:
    """The letter of the only option whose text is `text`, up to case, spaces and markup; None without one."""
    wanted = _comparable(text)
    found = [LETTERS[place] for place, option in enumerate(options) if _comparable(option) == wanted]
    return found[0] if len(found) == 1 else None


def _comparable(text: str) -> str:
    return normal(_TEXT.sub(r"\1", text))
