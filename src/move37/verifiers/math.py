r"""Is the final answer mathematically equal to the reference? Math-Verify decides what plain comparison cannot.

The answer is, in this order: the last complete `\boxed{}`, the `<answer>` tag, the last final-answer phrase, the last
formula or number of the response. The order is the same for every model, in evaluation and in training.

How an answer is verified, in this order:
  equal strings, up to spacing and sizing commands, match;
  both sides are put into one spelling (`spelling.py`): Unicode, formatting, mixed numbers, "3 million" and the like;
  an answer of more than `LONGEST_ANSWER` characters or `DEEPEST_NESTING` nested brackets is unscored, and SymPy
  never sees it (a number of so many digits is not a plain reference: incorrect);
  plain constants, and sets, tuples and intervals of them, are compared exactly (`closed_forms.py`), whatever their
  size: those that are equal match, those that are clearly apart differ, and none of them is a formula in a letter;
  an answer with a power, factorial or binomial too large to be written out is unscored, and SymPy never sees it;
  Math-Verify parses both, the reference first (its comparison is not symmetric: "x = 5" answers "5"). A formula that
  takes two values is no constant, and constants with other values differ; everything else Math-Verify compares.
Several references are alternatives. A reference that cannot be read as mathematics decides only if it is plain text
("4:30 p.m."); one in LaTeX leaves answers that are not the same string unscored.

Differs from Math-Verify 0.9 alone in that (each is a test; `bench/agreement.py` counts those among its pairs):
  what `spelling.py` rewrites is read: "24\text{ thousand}" is not 24, "4:30 a.m." not "4:30 p.m.";
  formulas that agree to 15 digits at three points are equal, letters being positive: \sqrt{4 r^2} is 2r;
  an i is the imaginary unit, not one more letter: 2e^{2\pi i/3} is -1 + \sqrt{3} i;
  "4.4e7" is a number, not a product with Euler's number; "-1./3" is a fraction; "np.arcsin" is \arcsin;
  tiny references are compared relative to their size: rounding to a fixed number of decimals and chopping make
  Math-Verify call 1.325e-27 and 9.11e-31 equal;
  "18 dollars" answers "18", and "June 20" answers "\text{June 20}";
  "8." and "2.24 \times 10^5" are whole numbers; "1\,920" is not 1 + 920; "62.5 percent" is 62.5%;
  an angle of 90 degrees is also pi / 2; "2i" has the same i as "2 i"; E_1 is not Euler's number;
  in "x + 5t" the t is no unit; "(2,251,252)" is a point; sets of tuples have no order; \frac{dM}{dt} is not 0;
  "2516_9" is not "2516_8"; of two half-open intervals with other ends neither is the other;
  a box that is never closed holds no answer: Math-Verify takes what there is of it.
Left out: units are ignored, not converted; a number without a base is not asked for it; an inequality is no answer to
a reference that is an interval (the reverse is), nor a tuple to one that is a matrix; of a list given as a tuple, and
of "x = 1, y = 2", the order is not looked at.
"""

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.closed_forms import (
    CLEARLY,
    Constant,
    Real,
    compare,
    holds_several,
    read,
    read_size,
    too_large,
    varies,
)
from move37.verifiers.extraction import after_phrase, last_boxed, last_math_or_number, last_tagged
from move37.verifiers.spelling import clock, common, labelled

LONGEST_ANSWER = 1000
"""Characters. The longest reference of the six benchmarks has 210."""
DEEPEST_NESTING = 40
"""Brackets of any kind inside one another."""

_SIZING = re.compile(r"\\(?:left|right|[bB]igg?[lr]?|displaystyle|textstyle)(?![A-Za-z])\s*|\\[!,;:>]|~")
_LOOSE_SPACE = re.compile(r"(?<![A-Za-z0-9,]) | (?![A-Za-z0-9])")
_LONG_NUMBER = re.compile(rf"[+-]?[1-9][0-9]{{{LONGEST_ANSWER - 1},}}")
_E_NOTATION = re.compile(r"(?<![\w.])([+-]?(?:\d++\.?\d*+|\.\d++))[eE]([+-]?\d+)(?!\w)")
_TEXT = re.compile(r"\\(?:text|mbox|textbf|mathrm)\s*\{([^{}]*)\}")
_MARKUP = re.compile(r"[\\{}^_$=]")
_WORD = re.compile(r"[A-Za-z]{3}")
_WORD_SUBSCRIPT = re.compile(
    r"_(?:\{\s*\\(?:text|mathrm|mathit|rm)\s*\{([^{}]*)\}\s*\}"
    r"|(\{\s*)?\\(odot|oplus|max|min|star|ast|perp|parallel|infty)(?![A-Za-z])(?(2)\s*\}))"
)
_E_WITH_SUBSCRIPT = re.compile(r"(?<![A-Za-z\\])([Ee])_")
_IMAGINARY = re.compile(r"(?<=\d)i(?![A-Za-z])")
"""Math-Verify looks for an i that stands alone to tell complex letters from real ones."""
_LAST_LETTER = re.compile(
    r"((?:^|=)[^=]*(?:(?<![A-Za-z\\])[A-Za-z]|\\(?:sin|cos|tan|log|ln|exp))[^=]*\d)\s*([A-Za-z])$"
)
"""In a formula, a letter that Math-Verify would drop as a unit: of x + 5t it leaves x + 5."""
_NAMED_INTERVAL = re.compile(r"[A-Za-z](\(.*\]|\[.*\))")
_TRAILING_POINT = re.compile(r"(?<=\d)\.(?=/|\)|$)")
_BASED = re.compile(r"([0-9]+)_(?:\{([0-9]{1,2})\}|([0-9]))")

_PERCENT = re.compile(r"\s*(?:\\text\s*\{\s*(?:percent|%|\\%)\s*\}|\bpercent)\s*$")
_UNIT_IN_TEXT = re.compile(
    r"(?<=[0-9}])(?:\s|\\[ ,;:]|~)*\\(?:text|mbox|textrm|mathrm)\s*\{([A-Za-z .,/]+)\}"
    r"\s*(?:\^\s*(?:[23]|\{\s*[23]\s*\}))?"
)
_NUMBER_AND_WORDS = re.compile(
    r"(\\?\$?[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s+([A-Za-z][A-Za-z ./]*[A-Za-z.])(?:\s?(?:\^\{?[23]\}?|[²³]))?"
)
_NOT_A_UNIT = re.compile(
    r"\b(?:hundred|thousand|million|billion|trillion|dozen|percent|pct|and|or|half|if|for|when|mod|sqrt)s?\b",
    re.IGNORECASE,
)
_UNIT_WORD = re.compile(
    r"(?=[a-z]*[aeiouy])[a-z]{3,}|cm|mm|km|dm|nm|kg|mg|ft|in|lbs?|oz|hrs?|mph|kmh|yd|mi|ml|pm|am|sq|cu|of|kw|mw|hz|ms|"
    r"m|s|g|h|l|j|w|v|n|k",
    re.IGNORECASE,
)
"""One that may follow a plain number: something to pronounce, or a usual abbreviation. "5 xy" is a product."""

_LETTER_OF_CHOICE = re.compile(r"\(?[a-z]\)?")
_LETTER = re.compile(r"\\?[A-Za-z]+")
_DERIVATIVE = re.compile(r"\\frac\{\s*(?:d|\\partial)|\\d?dot|'")
_PRIME = 2**61 - 1
_SAME_DIGITS = 1e-15

CORRECT = Verdict(Outcome.CORRECT, "matches")
DIFFERS = Verdict(Outcome.INCORRECT, "differs")


class MathVerifier:
    name = "math"

    def __init__(self) -> None:
        self.version = f"2+math-verify-{version('math-verify')}"

    def extract(self, problem: Problem, text: str) -> str | None:
        return last_boxed(text) or last_tagged(text) or after_phrase(text) or last_math_or_number(text)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"\\boxed{{{reference}}}"

    def is_cacheable(self, verdict: Verdict) -> bool:
        """The rules and Math-Verify always decide alike."""
        return True

    def set_up(self) -> None:
        """Import Math-Verify and SymPy and let them build their tables: half a second, once per worker."""
        _compare("\\frac{1}{2}", "0.5")

    def verify(self, problem: Problem, answer: str) -> Verdict:
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
    if _nesting(reference) > DEEPEST_NESTING:
        return Verdict(Outcome.UNSCORED, "reference nested too deeply to decide")
    if len(answer) > LONGEST_ANSWER:
        expected = read(reference)
        apart = (
            expected is not None and _LONG_NUMBER.fullmatch(answer) and compare(expected, read_size(answer)) is False
        )
        return DIFFERS if apart else Verdict(Outcome.UNSCORED, "answer too long to decide")
    if _nesting(answer) > DEEPEST_NESTING:
        return Verdict(Outcome.UNSCORED, "answer nested too deeply to decide")
    choice = labelled(answer)
    if choice is not None:
        answer = choice[not _LETTER_OF_CHOICE.fullmatch(_plain_text(reference) or "")]
    reference, answer = common(reference), common(answer)
    if _other_base(reference, answer):
        return DIFFERS
    bare = _without_unit(answer)
    expected, given = read(_without_unit(reference)), read(bare)
    equal = compare(expected, given) if expected is not None and given is not None else None
    if equal is not None:
        return CORRECT if equal else DIFFERS
    if expected is None and given is not None and _is_of_another_kind(reference, given.value):
        return DIFFERS
    if expected is not None and given is None and varies(bare):
        return DIFFERS
    if too_large(_readable(bare)):
        return Verdict(Outcome.UNSCORED, "answer too large to work out")
    return _compare(reference, answer)


def _compare(reference: str, answer: str) -> Verdict:
    from math_verify import verify

    reference, answer = _right_sides(reference, answer)
    text, said = _plain_text(reference), _plain_text(answer)
    if text is not None and said is not None:
        if text == said and _WORD.search(text):
            return CORRECT
        same = _same_time(text, said)
        if same is not None:
            return CORRECT if same else DIFFERS
    gold = _parse_reference(reference)
    if gold is None:
        return DIFFERS if text is not None else Verdict(Outcome.UNSCORED, "reference cannot be read")
    given = _parse(answer)
    if given is None:
        return Verdict(Outcome.INCORRECT, "not readable as mathematics")
    gold, given = _with_imaginary_unit(gold), _with_imaginary_unit(given)
    agree = _agree(gold, given)
    if agree is not None:
        return CORRECT if agree else DIFFERS
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
    if answer.startswith(("(", "[", "\\{")):
        answer = answer.replace(", ", ",")  # in brackets no comma groups digits
    return _LOOSE_SPACE.sub("", " ".join(answer.split()))


def _plain_text(latex: str) -> str | None:
    r"""Lower-case words, `\text{}` undone; None where any other LaTeX is left."""
    text = _TEXT.sub(r"\1", latex)
    return None if _MARKUP.search(text) else " ".join(text.casefold().split()).strip(" .,;")


def _readable(latex: str) -> str:
    """Spellings that Math-Verify misreads, in LaTeX."""
    latex = latex.replace("np.", "\\")
    if _NUMBER_AND_WORDS.fullmatch(latex):
        latex = _without_unit(latex)
    latex = _NAMED_INTERVAL.sub(r"\1", latex) if _NAMED_INTERVAL.fullmatch(latex) else latex
    latex = _WORD_SUBSCRIPT.sub(lambda word: f"_{{{(word[1] or word[3]).strip()}}}", latex)
    latex = _IMAGINARY.sub(" i", latex)
    latex = _E_WITH_SUBSCRIPT.sub(r"\\mathcal{\1}_", latex)
    latex = _E_NOTATION.sub(lambda number: f"{number[1]} \\times 10^{{{int(number[2])}}}", latex)
    latex = _LAST_LETTER.sub(r"\1{\2}", latex)
    return _TRAILING_POINT.sub("", latex)


def _without_unit(answer: str) -> str:
    r"""Without the unit or base after a number: "15\text{ cm}^2", "18 dollars"; a percent sign in words becomes one."""
    based = _BASED.fullmatch(answer)
    if based:
        return based[1]  # as Math-Verify reads it; `_other_base` has looked at the base
    if answer.endswith((")", "]", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")) and "^" not in answer[-4:]:
        return answer
    answer = _PERCENT.sub(r"\\%", answer)
    if "\\" in answer:
        unit = next((unit for unit in _UNIT_IN_TEXT.finditer(answer) if unit.end() == len(answer)), None)
        if unit and not _NOT_A_UNIT.search(unit[1]):
            return answer[: unit.start()]
    words = _NUMBER_AND_WORDS.fullmatch(answer)
    if (
        words
        and not _NOT_A_UNIT.search(words[2])
        and all(map(_UNIT_WORD.fullmatch, re.split(r"[ ./]+", words[2].strip("."))))
    ):
        return words[1]
    return answer


def _is_of_another_kind(reference: str, given: Constant) -> bool:
    """Whether the reference holds letters, or is an interval or matrix, and so is no constant; or no tuple."""
    from sympy import Expr, FiniteSet, MatrixBase, Set

    gold = _parse_reference(reference)
    if isinstance(given, Real):
        infinite = isinstance(gold, Set) and not isinstance(gold, FiniteSet) and gold.is_finite_set is False
        return _varies(gold) or infinite or (isinstance(gold, MatrixBase) and len(gold) > 1)
    return isinstance(gold, Expr) and not isinstance(gold, MatrixBase) and holds_several(given)


def _other_base(reference: str, answer: str) -> bool:
    """Whether both name a base ("2516_8"), and not the same."""
    expected, given = _BASED.fullmatch(reference), _BASED.fullmatch(answer)
    return expected is not None and given is not None and (expected[2] or expected[3]) != (given[2] or given[3])


def _nesting(text: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[{}()\[\]]", text):
        depth += 1 if bracket in "{([" else -1
        deepest = max(deepest, depth)
    return deepest


def _with_imaginary_unit(tree: Any) -> Any:
    """With the imaginary unit for the i of what Math-Verify took for complex: for it that is one more letter."""
    from sympy import Eq, FiniteSet, I, Symbol

    unit = Symbol("i", real=False)
    if unit not in tree.free_symbols:
        return tree
    if isinstance(tree, (Eq, FiniteSet)):
        options = {"evaluate": False} if isinstance(tree, Eq) else {}
        return tree.func(*map(_with_imaginary_unit, tree.args), **options)
    return tree.xreplace({unit: I}) if _is_elementary(tree) else tree


def _same_time(expected: str, given: str) -> bool | None:
    """Whether two times of day are the same, one of which may leave out its half of the day; None for other texts."""
    a, b = clock(expected), clock(given)
    if a is None or b is None or not (a[2] or b[2]):  # "3:15" and "1:05" may be ratios
        return None
    return a[:2] == b[:2] and (a[2] == b[2] or not (a[2] and b[2]))


def _same_size(gold: Any, given: Any) -> bool:
    """Whether a reference below a thousandth and the answer agree to 0.05 %; True for any other reference.

    The bound joins Math-Verify's six decimals: half a millionth is 0.05 % of a thousandth.
    """
    expected = _number(gold)
    if expected is None or not 0 < abs(expected) < 1e-3:
        return True
    found = _number(given)
    return found is None or abs(expected - found) <= 5e-4 * abs(expected)


def _right_sides(reference: str, answer: str) -> tuple[str, str]:
    r"""The right sides, where both solve for the same left side: SymPy takes \frac{dM}{dt} for 0."""
    expected, given = reference.split("="), answer.split("=")
    if len(expected) != 2 or len(given) != 2 or _tight(expected[0]) != _tight(given[0]):
        return reference, answer
    left = set(_LETTER.findall(expected[0]))
    if _DERIVATIVE.search(expected[0]) or not left & {*_LETTER.findall(expected[1]), *_LETTER.findall(given[1])}:
        return expected[1].strip(), given[1].strip()
    return reference, answer


def _is_number(tree: Any) -> bool:
    from sympy import Expr

    return isinstance(tree, Expr) and not tree.free_symbols


def _agree(gold: Any, given: Any) -> bool | None:
    """What two expressions' values prove about them, and None where that is not enough.

    A constant is no formula that varies; constants differ whose values no rounding joins. Formulas are evaluated at
    three points: further apart than a rounding at all of them they differ; with the same 15 digits at all of them they
    are equal, for analytic functions are not equal by chance. Letters stand for positive numbers there.
    """
    from sympy import Abs, Max, Min, Mod, Piecewise, ceiling, floor, sign

    if (_is_number(gold) and _varies(given)) or (_is_number(given) and _varies(gold)):
        return False
    if not (_is_elementary(gold) and _is_elementary(given)):
        return None
    if _is_number(gold) and _is_number(given):
        return False if _exceeds(lambda: gold - given) else None
    gaps = [_gap(gold, given, start) for start in (2, -5, 11)]
    if None in gaps:
        return None
    if min(gaps) > 2 * CLEARLY:
        return False
    broken = (Abs, Max, Min, Mod, Piecewise, ceiling, floor, sign)
    return True if max(gaps) < _SAME_DIGITS and not gold.has(*broken) and not given.has(*broken) else None


def _gap(gold: Any, given: Any, start: int) -> Any:
    """How far their values are apart at a point, relative to their size; None where that is not known or too small.

    Letters are told apart by name: Math-Verify's may be real on one side only.
    """
    from sympy import Rational

    letters = gold.free_symbols | given.free_symbols
    names = sorted({letter.name for letter in letters})
    values = {name: Rational(abs(start + 3 * i), 7) for i, name in enumerate(names)}
    point = {letter: values[letter.name] for letter in letters}
    try:
        expected, found = gold.xreplace(point).evalf(20), given.xreplace(point).evalf(20)
        size, gap = abs(expected) + abs(found), abs(expected - found)
        return gap / size if size.is_finite and size > _SAME_DIGITS else None
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        return None


def _varies(tree: Any) -> bool:
    """Whether it is an expression in letters that takes two values at two points, and so is no constant.

    A polynomial is evaluated modulo a prime, where any difference is a proof; other elementary functions in numbers.
    """
    from sympy import Rational

    if not _is_elementary(tree) or not tree.free_symbols:
        return False
    symbols = sorted(tree.free_symbols, key=str)
    points = [{symbol: start + 7919 * i for i, symbol in enumerate(symbols)} for start in (2, 104_729)]
    values = {_modulo(tree, point) for point in points}
    if None not in values:
        return len(values) == 2
    points = [{symbol: Rational(start + 3 * i, 7) for i, symbol in enumerate(symbols)} for start in (2, 5)]
    return _exceeds(lambda: tree.xreplace(points[0]) - tree.xreplace(points[1]))


def _is_elementary(tree: Any) -> bool:
    """Whether evaluating it in numbers needs no more than its arithmetic; a percentage is not just a number either."""
    from sympy import Derivative, Expr, Integral, Limit, MatrixBase, MatrixExpr, Product, Sum, UnevaluatedExpr
    from sympy.core.function import AppliedUndef

    harder = (AppliedUndef, Derivative, Integral, Limit, MatrixBase, MatrixExpr, Product, Sum, UnevaluatedExpr)
    return isinstance(tree, Expr) and not tree.has(*harder)


def _exceeds(distance: Callable[[], Any]) -> bool:
    """Whether a distance is clear. What SymPy cannot put in numbers is not: then Math-Verify decides."""
    try:
        size = abs(distance().evalf(20))
        return bool(size.is_Number and size.is_finite) and size > 2 * CLEARLY
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        return False


def _modulo(tree: Any, point: dict[Any, int]) -> int | None:
    """A polynomial's value at a point modulo `_PRIME`; None for what is no polynomial with rational coefficients."""
    if tree.is_Symbol:
        return point[tree]
    if tree.is_Rational:
        return tree.p * pow(tree.q, -1, _PRIME) % _PRIME if tree.q % _PRIME else None
    if tree.is_Pow and tree.exp.is_Integer and tree.exp >= 0:
        base = _modulo(tree.base, point)
        return None if base is None else pow(base, int(tree.exp), _PRIME)
    if not tree.is_Add and not tree.is_Mul:
        return None
    total = 0 if tree.is_Add else 1
    for part in tree.args:
        value = _modulo(part, point)
        if value is None:
            return None
        total = (total + value if tree.is_Add else total * value) % _PRIME
    return total


def _number(expression: Any) -> complex | None:
    from sympy import Expr

    if not isinstance(expression, Expr) or not expression.is_number:
        return None
    value = expression.doit().evalf()
    return complex(value) if value.is_Number or value.is_complex else None
