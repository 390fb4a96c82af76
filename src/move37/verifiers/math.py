r"""Is the final answer mathematically equal to the reference? Typed values decide; computer algebra about formulas.

Where the answer stands is the work of `extraction.py`, for all verifiers in one order. Reference and answer are then
put into one spelling (`spelling.py`), read as typed values by one grammar (`reading.py`), and compared by a table of
types (`equality.py`); only formulas and equations are left to computer algebra (`algebra.py`), Math-Verify last.

Equal texts match, whatever they are. Several references are alternatives. An answer of more than `LONGEST_ANSWER`
characters or `DEEPEST_NESTING` nested brackets is looked at only as a plain number; where the reference is a plain
value it is incorrect otherwise, so that no answer can make itself unscored. Unscored is left for what the instrument
cannot do: a reference that nobody can read, a formula or equation too large or too long to work out, against one.

Differs from Math-Verify 0.9 in what the tables in `spelling.py` and `equality.py` say (each line is a test;
`bench/agreement.py` counts the differences among its pairs), above all: words are read or make a text, never dropped;
units are converted; exact constants have no tolerance; 1,1 is not 1; 2x = 6 is no 6; tuples in a list have no order.
Left out: a number without a base is not asked for it; equations of higher degree are not solved.
"""

import re
from importlib.metadata import version

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.algebra import UndecidedError, equal_formulas
from move37.verifiers.equality import Comparison
from move37.verifiers.extraction import answers
from move37.verifiers.quantities import LONGEST_DECIMAL, read_number
from move37.verifiers.reading import read
from move37.verifiers.spelling import common
from move37.verifiers.values import Clock, Dots, Letter, Matrix, Named, Number, Ratio, Several, Text, Tuple, Value

LONGEST_ANSWER = 1000
"""Characters. The longest reference of the six benchmarks has 210."""
DEEPEST_NESTING = 40
"""Brackets of any kind inside one another."""

_BRACKET = re.compile(r"[{}()\[\]]")
_PERCENT_ASKED = re.compile(r"%|\bper\s?cent(?:age)?s?\b", re.IGNORECASE)

CORRECT = Verdict(Outcome.CORRECT, "matches")
DIFFERS = Verdict(Outcome.INCORRECT, "differs")


class MathVerifier:
    name = "math"

    def __init__(self) -> None:
        self.version = f"4+math-verify-{version('math-verify')}"

    def extract(self, problem: Problem, text: str) -> str | None:
        return next(answers(text), None)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"\\boxed{{{reference}}}"

    def is_cacheable(self, verdict: Verdict) -> bool:
        """The rules and Math-Verify always decide alike."""
        return True

    def set_up(self) -> None:
        """Import Math-Verify and SymPy and let them build their tables: half a second, once per worker."""
        equal_formulas("\\frac{x}{2}", "0.5x")

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not problem.references:
            return Verdict(Outcome.UNSCORED, "no reference answer")
        asks_percent = _PERCENT_ASKED.search(problem.question) is not None
        verdicts: list[Verdict] = []
        for reference in problem.references:
            verdicts.append(_decide(reference, answer, asks_percent))
            if verdicts[-1].outcome is Outcome.CORRECT:
                return CORRECT
        return next((v for v in verdicts if v.outcome is Outcome.UNSCORED), verdicts[0])


def _decide(reference: str, answer: str, asks_percent: bool) -> Verdict:
    if reference == answer:
        return CORRECT
    if _nesting(reference) > DEEPEST_NESTING:
        return Verdict(Outcome.UNSCORED, "reference nested too deeply to decide")
    expected = read(reference)
    too_long = len(answer) > LONGEST_ANSWER
    if too_long or _nesting(answer) > DEEPEST_NESTING:
        given = (
            read_number(answer)
            if len(answer) <= LONGEST_DECIMAL and answer.isascii() and not too_deep(answer)
            else None
        )
        if given is None:
            if is_plain(expected):
                return Verdict(
                    Outcome.INCORRECT, f"too {'long' if too_long else 'deeply nested'} to be the value asked for"
                )
            return Verdict(Outcome.UNSCORED, f"answer {'too long' if too_long else 'nested too deeply'} to decide")
    else:
        if _tight(common(reference)) == _tight(common(answer)):
            return CORRECT
        given = read(answer)
    try:
        equal = Comparison(equal_formulas, asks_percent).equal(expected, given)
    except UndecidedError as undecided:
        return Verdict(Outcome.UNSCORED, str(undecided))
    if equal is None:
        return Verdict(Outcome.UNSCORED, "answer too large to work out")
    return CORRECT if equal else DIFFERS


def is_plain(value: Value) -> bool:
    """Whether it holds nothing that another formula could be equal to."""
    if isinstance(value, (Number, Ratio, Clock, Letter, Text, Dots)):
        return True
    if isinstance(value, Named):
        return is_plain(value.value)
    if isinstance(value, (Several, Tuple)):
        return all(map(is_plain, value.elements))
    return isinstance(value, Matrix) and all(is_plain(cell) for row in value.rows for cell in row)


def too_deep(text: str) -> bool:
    return _nesting(text) > DEEPEST_NESTING


def _nesting(text: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKET.findall(text):
        depth += 1 if bracket in "{([" else -1
        deepest = max(deepest, depth)
    return deepest


def _tight(latex: str) -> str:
    """Without spaces that mean nothing: what is equal then is equal."""
    return re.sub(r"(?<![A-Za-z0-9,]) | (?![A-Za-z0-9])", "", " ".join(latex.split()))
