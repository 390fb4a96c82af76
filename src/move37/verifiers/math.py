r"""Is the final answer mathematically equal to the reference? Math-Verify decides what plain comparison cannot.

The answer is, in this order: the last complete `\boxed{}`, the `<answer>` tag, the last final-answer phrase, the last
formula or number of the response. The order is the same for every model, in evaluation and in training.

Judging, in this order:
  equal strings, up to spacing and sizing commands, match;
  two plain numbers (12, 1,234.5, 3/4, \frac{3}{4}) that are equal match, and that are clearly not equal differ;
  an answer of more than `LONGEST_ANSWER` characters or `DEEPEST_NESTING` nested brackets is unscored, and SymPy
  never sees it (a number of so many digits is not a plain reference: incorrect);
  Math-Verify parses both and compares, the reference first (its comparison is not symmetric: "x = 5" answers "5").
Several references are alternatives. A reference that cannot be read as mathematics decides only if it is plain text
("4:30 p.m."); one in LaTeX leaves answers that are not the same string unscored.

Differs from Math-Verify 0.9 alone in that (each is a test):
  "4.4e7" is a number, not a product with Euler's number; "-1./3" is a fraction; "np.arcsin" is \arcsin;
  tiny references are compared relative to their size: rounding to a fixed number of decimals and chopping make
  Math-Verify call 1.325e-27 and 9.11e-31 equal;
  "18 dollars" answers "18", and "June 20" answers "\text{June 20}";
  a box that is never closed holds no answer: Math-Verify takes what there is of it.
Left out: units are ignored, not converted; a base ("4343_6") is not checked.
"""

import logging
import re
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.extraction import after_phrase, last_boxed, last_math_or_number, last_tagged

LONGEST_ANSWER = 1000
"""Characters. The longest reference of the six benchmarks has 210."""
DEEPEST_NESTING = 40
"""Brackets of any kind inside one another."""
CLEARLY = Fraction(1, 100_000)
"""Plain numbers further apart than this differ. Closer ones may be roundings of each other: Math-Verify decides."""

_SIZING = re.compile(r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle)(?![A-Za-z])\s*|\\[!,;:>]|~")
_LOOSE_SPACE = re.compile(r"(?<![A-Za-z0-9,]) | (?![A-Za-z0-9])")
_PLAIN_NUMBER = re.compile(
    r"([+-]?)(?:([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]*)?|(\.[0-9]+)"
    r"|\\[dt]?frac\{([0-9]+)\}\{([0-9]+)\}|([0-9]+)/([0-9]+))"
)
_LONG_NUMBER = re.compile(rf"[+-]?[1-9][0-9]{{{LONGEST_ANSWER - 1},}}")
_E_NOTATION = re.compile(r"(?<![\w.])([+-]?(?:\d+\.?\d*|\.\d+))[eE]([+-]?\d+)(?!\w)")
_TEXT = re.compile(r"\\(?:text|mbox|textbf|mathrm)\s*\{([^{}]*)\}")
_MARKUP = re.compile(r"[\\{}^_$=]")
_WORD = re.compile(r"[A-Za-z]{3}")
_WORD_SUBSCRIPT = re.compile(
    r"_(?:\{\s*\\(?:text|mathrm|mathit|rm)\s*\{([^{}]*)\}\s*\}"
    r"|(\{\s*)?\\(odot|oplus|max|min|star|ast|perp|parallel|infty)(?![A-Za-z])(?(2)\s*\}))"
)
_E_WITH_SUBSCRIPT = re.compile(r"(?<![A-Za-z\\])([Ee])_")
_NAMED_INTERVAL = re.compile(r"[A-Za-z](\(.*\]|\[.*\))")
_TRAILING_POINT = re.compile(r"(?<=\d)\.(?=/|\)|$)")
_NUMBER_AND_WORDS = re.compile(r"(\\?\$?[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s+[A-Za-z][A-Za-z .]*[A-Za-z.]")
_NUMBER_WORDS = re.compile(r"\b(?:hundred|thousand|million|billion|trillion|dozen|percent|pct|and|or|half|x|pi|sqrt)\b")

CORRECT = Verdict(Outcome.CORRECT, "matches")
DIFFERS = Verdict(Outcome.INCORRECT, "differs")


class MathVerifier:
    name = "math"

    def __init__(self) -> None:
        self.version = f"1+math-verify-{version('math-verify')}"

    def extract(self, problem: Problem, text: str) -> str | None:
        return last_boxed(text) or last_tagged(text) or after_phrase(text) or last_math_or_number(text)

    def present(self, problem: Problem, reference: str) -> str:
        return f"\\boxed{{{reference}}}"

    def warm(self) -> None:
        """Import Math-Verify and SymPy and let them build their tables: half a second, once per worker."""
        _compare("\\frac{1}{2}", "0.5")

    def judge(self, problem: Problem, answer: str) -> Verdict:
        if not problem.references:
            return Verdict(Outcome.UNSCORED, "no reference answer")
        answer = _unwrapped(answer)
        references = [_unwrapped(reference) for reference in problem.references]
        if _tight(answer) in map(_tight, references):
            return CORRECT
        verdicts: list[Verdict] = []
        for reference in references:
            verdicts.append(_decide(reference, answer))
            if verdicts[-1].outcome is Outcome.CORRECT:
                return CORRECT
        return next((v for v in verdicts if v.outcome is Outcome.UNSCORED), verdicts[0])


def _decide(reference: str, answer: str) -> Verdict:
    expected, given = _plain_number(reference), _plain_number(answer)
    if expected is not None and given is not None:
        if expected == given:
            return CORRECT
        if abs(expected - given) > CLEARLY:
            return DIFFERS
    if len(answer) > LONGEST_ANSWER:
        if expected is not None and _LONG_NUMBER.fullmatch(answer):
            return DIFFERS
        return Verdict(Outcome.UNSCORED, "answer too long to decide")
    if _nesting(answer) > DEEPEST_NESTING:
        return Verdict(Outcome.UNSCORED, "answer nested too deeply to decide")
    return _compare(reference, answer)


def _compare(reference: str, answer: str) -> Verdict:
    from math_verify import verify

    text = _plain_text(reference)
    if text is not None and _WORD.search(text) and text == _plain_text(answer):
        return CORRECT
    gold = _parse_reference(reference)
    if gold is None:
        return DIFFERS if text is not None else Verdict(Outcome.UNSCORED, "reference cannot be read")
    given = _parse(answer)
    if given is None:
        return Verdict(Outcome.INCORRECT, "not readable as mathematics")
    equal = verify(gold, given, timeout_seconds=None, raise_on_error=True)
    return CORRECT if equal and _same_size(gold, given) else DIFFERS


@lru_cache(maxsize=4096)
def _parse_reference(reference: str) -> Any:
    return _parse(reference)


def _parse(latex: str) -> Any:
    """A SymPy object, or None where Math-Verify finds none in the text."""
    from math_verify import LatexExtractionConfig, parse

    # Bounding the time is the pool's work: Math-Verify's own alarms do not add up (and it warns without them).
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    # LaTeX only: its reader of plain expressions would pick a stray number out of what cannot be read.
    found = parse(
        f"\\boxed{{{_readable(latex)}}}",
        (LatexExtractionConfig(),),
        parsing_timeout=None,  # pyright: ignore[reportArgumentType]
        raise_on_error=True,
    )
    return next((each for each in found if not isinstance(each, str)), None)


def _unwrapped(answer: str) -> str:
    """Without what stands around it: white space, `$`, a final full stop."""
    answer = answer.strip().removesuffix(".").strip().replace("\u2212", "-")
    return answer.strip("$").strip() if answer.startswith("$") and answer.endswith("$") else answer


def _tight(answer: str) -> str:
    """Without spaces and sizing commands that mean nothing: what is equal then is equal."""
    answer = _SIZING.sub("", answer).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    return _LOOSE_SPACE.sub("", " ".join(answer.split()))


def _plain_text(latex: str) -> str | None:
    r"""Lower-case words, `\text{}` undone; None where any other LaTeX is left."""
    text = _TEXT.sub(r"\1", latex)
    return None if _MARKUP.search(text) else " ".join(text.casefold().split()).strip(" .,;")


def _readable(latex: str) -> str:
    """Spellings that Math-Verify misreads, in LaTeX."""
    latex = latex.replace("np.", "\\")
    words = _NUMBER_AND_WORDS.fullmatch(latex)
    if words and not _NUMBER_WORDS.search(latex.lower()):
        latex = words[1]
    latex = _NAMED_INTERVAL.sub(r"\1", latex) if _NAMED_INTERVAL.fullmatch(latex) else latex
    latex = _WORD_SUBSCRIPT.sub(lambda word: f"_{{{(word[1] or word[3]).strip()}}}", latex)
    latex = _E_WITH_SUBSCRIPT.sub(r"\\mathcal{\1}_", latex)
    latex = _E_NOTATION.sub(lambda number: f"{number[1]} \\times 10^{{{int(number[2])}}}", latex)
    return _TRAILING_POINT.sub("", latex)


def _plain_number(text: str) -> Fraction | None:
    """The value of a plain number, exactly; None for anything else."""
    match = _PLAIN_NUMBER.fullmatch(text) if len(text) <= LONGEST_ANSWER else None
    if match is None:
        return None
    sign, whole, decimals, point, *fractions = match.groups()
    if whole or point:
        value = Fraction((whole or "0").replace(",", "") + (decimals or "").rstrip(".") + (point or ""))
    else:
        over, under = [int(digits) for digits in fractions if digits]
        if under == 0:
            return None
        value = Fraction(over, under)
    return -value if sign == "-" else value


def _nesting(text: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[{}()\[\]]", text):
        depth += 1 if bracket in "{([" else -1
        deepest = max(deepest, depth)
    return deepest


def _same_size(gold: Any, given: Any) -> bool:
    """Whether a reference below a thousandth and the answer agree to 0.05 %; True for any other reference.

    The bound joins Math-Verify's six decimals: half a millionth is 0.05 % of a thousandth.
    """
    expected = _number(gold)
    if expected is None or not 0 < abs(expected) < 1e-3:
        return True
    found = _number(given)
    return found is None or abs(expected - found) <= 5e-4 * abs(expected)


def _number(expression: Any) -> complex | None:
    from sympy import Expr

    if not isinstance(expression, Expr) or not expression.is_number:
        return None
    value = expression.doit().evalf()
    return complex(value) if value.is_Number or value.is_complex else None
