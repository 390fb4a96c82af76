r"""Is the chosen option the right one? For questions whose options have letters.

Where the answer stands is the work of `extraction.py`, as for `math`; without a mark it is the last line. It is a
letter that is chosen there ("B", "(b)", "B. Paris", "\text{(B)}", "Rome (B)", "B is correct", "I choose B"; a letter
inside a sentence is no choice) or, where the problem knows its options (metadata "options", in the order in which they
are shown), the text or the value of exactly one of them, which comes first ("E. coli" is no E).
With other words behind it
("B. Rome" where B is Paris) the letter counts: that is what the prompt shows. Two letters are no answer ("A, B", "A, or
possibly B", "A) Paris B) Rome"), nor is one that is denied ("A is wrong").
References are letters, written in any of these ways; shuffled options have theirs already moved along
(`benchmarks/jsonl.py`). An answer that is a letter and the text of another option ("B" where option A says "B") leaves
its response unscored: nobody can know which is meant.
Left out: an option with a full stop inside, said in a sentence ("The answer is E. coli" ends at "E.").
"""

from collections.abc import Sequence

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.equality import Comparison
from move37.verifiers.exact import normal
from move37.verifiers.extraction import last_lines, marked
from move37.verifiers.letters import (
    LETTERS,
    LONGEST,
    SEVERAL,
    last_sentence,
    letter,
    named_letter,
    unwrapped,
    without_markup,
)
from move37.verifiers.reading import read
from move37.verifiers.values import Formula, Letter, Text


class ChoiceVerifier:
    name = "choice"
    version = "4"

    def extract(self, problem: Problem, text: str) -> str | None:
        options = problem.metadata.get("options", ())
        for answer in marked(text):
            found = chosen(answer, options)
            if found is not None:
                return found or None
        line = last_lines(text)
        if not line:
            return None
        found = chosen(line, options)
        if found == SEVERAL:
            found = chosen(last_sentence(line), options)  # A is wrong. So B.
        return found or None

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


def chosen(text: str, options: Sequence[str]) -> str | None:
    """The letter that `text` chooses; `SEVERAL` where that is no single one, None where it speaks of none."""
    shown = set(LETTERS[: len(options)] or LETTERS)
    if normal(without_markup(text)).strip("() ").upper() not in shown:
        named = letter_of_text(text, options)
        if named:
            return named
    found = named_letter(text, shown)
    return letter_of_value(text, options) if found is None else found


def letter_of_text(text: str, options: Sequence[str]) -> str | None:
    """The letter of the only option whose text is `text`, up to case, spaces and markup; None without one."""
    if not options:
        return None
    wanted = _comparable(text)
    found = [LETTERS[place] for place, option in enumerate(options) if _comparable(option) == wanted]
    return found[0] if len(found) == 1 else None


def letter_of_value(text: str, options: Sequence[str]) -> str | None:
    """The letter of the only option with the value of `text`: 0.5 where an option says 1/2."""
    if not options or len(text) > LONGEST:
        return None
    given = read(text)
    if isinstance(given, (Text, Formula, Letter)):
        return None
    compare = Comparison(lambda a, b: False)
    found = [LETTERS[place] for place, option in enumerate(options) if compare.equal(read(option), given)]
    return found[0] if len(found) == 1 else None


def _comparable(text: str) -> str:
    return normal(unwrapped(text))
