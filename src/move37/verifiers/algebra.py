r"""Formulas and equations compared by computer algebra: by their values where that is proof, else by Math-Verify.

What reaches this has letters, functions of angles, complex numbers, sums or integrals; everything else is decided by
`equality.py`. In this order:
  a formula with a power, factorial or binomial too large to be written out is given to nobody (`UndecidedError`);
  Math-Verify's parser reads both, the reference first; an i is the imaginary unit, not one more letter;
  a formula that takes two values is no constant; two constants with the same 50 digits are equal, others differ;
  formulas in letters are evaluated at three points (letters being positive): they differ if they are apart at all of
  them, and are equal if 15 digits agree at all of them and nothing in them looks at signs: |x| is not x;
  arbitrary constants (C_1, A, k) may have other names;
  everything else Math-Verify compares, the reference first: its comparison is not symmetric.
"""

import logging
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from move37.verifiers.closed_forms import constant, too_large, varies

_NOT_IN_NUMBERS = (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError)
"""What SymPy raises for an expression that it cannot put in numbers."""
_E_NOTATION = re.compile(r"(?<![\w.])([+-]?(?:\d++\.?\d*+|\.\d++))[eE]([+-]?\d+)(?!\w)")
_E_WITH_SUBSCRIPT = re.compile(r"(?<![A-Za-z\\])([Ee])_")
_IMAGINARY = re.compile(r"(?<=\d)i(?![A-Za-z])")
"""Math-Verify looks for an i that stands alone to tell complex letters from real ones."""
_LAST_LETTERS = re.compile(r"(?<=[^\s=])(?:\s*(?<![A-Za-z\\_^])[A-Za-z](?![A-Za-z]))+\s*$")
"""What Math-Verify would drop as units behind a formula: of x + 5t it leaves x + 5, of m g h it leaves m."""
_COMMAND_OR_LETTER = re.compile(r"\\[A-Za-z]+|[A-Za-z]")
_ALPHABET = "bdhjklmnpqrstuvwxyzacfgo"
"""Letters that may stand for a capital, without e and i."""
_TRAILING_POINT = re.compile(r"(?<=\d)\.(?=/|\)|$)")
_ANGLE = re.compile(
    r"(\\(?:sin|cos|tan|cot|sec|csc)\s*(?:\^\s*\{?\s*[0-9]\s*\}?)?\s*[({]?\s*)([0-9]+(?:\.[0-9]+)?)\s*"
    r"(?:\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|°)"
)
_CIS = re.compile(r"\\(?:cis(?![A-Za-z])|operatorname\{cis\}|angle)\s*")
_DEGREES_BEHIND = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:\^\s*\{?\s*\\circ\s*\}?|°)")
_ZETA = re.compile(r"\\zeta\s*\(\s*([2468]|10)\s*\)")
_BRACED_ARGUMENTS = re.compile(r"\\(max|min|gcd)\s*\\\{([^{}]*)\\\}")
_EXPONENTIAL = re.compile(r"\\exp\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_LETTER = re.compile(r"\\?[A-Za-z]+")
_DERIVATIVE = re.compile(r"\\frac\{\s*(?:d|\\partial)|\\d?dot|'")
_BARE_ARGUMENT = re.compile(r"\\(sin|cos|tan|cot|sec|csc|ln)\s+([A-Za-z])(?![A-Za-z_^(])")
_ODD_DOUBLE_FACTORIAL = re.compile(r"\(2\s*([a-z])\s*-\s*1\)\s*!!")
_OF_REFERENCE = re.compile(r"(?<![A-Za-z\\])(?:[Cc]_(?:\{\w\}|\w)|[CK](?![_A-Za-z(]))")
_OF_ANSWER = re.compile(r"(?<![A-Za-z\\])(?:[A-DKck](?:_(?:\{\w\}|\w))?)(?![(])")
_PRIME = 2**61 - 1
_SAME_DIGITS = 1e-15
_CONSTANT_DIGITS = 60
_CLEARLY = 1e-5


class UndecidedError(Exception):
    """Nobody can say whether the formulas are equal; the text is the reason."""


def equal_formulas(reference: str, answer: str) -> bool | None:
    """Whether two formulas or equations are equal. Raises UndecidedError."""
    from math_verify import verify

    if varies(answer) and constant(reference) is not None:
        return False
    if too_large(answer):
        if constant(reference) is not None or (constant(answer) is not None and _varies(_parse_reference(reference))):
            return False  # no plain number; and a constant is no formula that varies
        raise UndecidedError("answer too large to work out")
    if too_large(reference):
        raise UndecidedError("reference too large to work out")
    reference, answer = _with_distinct_capitals(*_right_sides(reference, answer))
    gold = _parse_reference(reference)
    if gold is None:
        raise UndecidedError("reference cannot be read")
    given = _parse(answer)
    if given is None:
        return False
    gold, given = _with_imaginary_unit(gold), _with_imaginary_unit(given)
    given = _with_same_constants(gold, given, reference, answer)
    agree = _agree(gold, given)
    return bool(verify(gold, given, timeout_seconds=None, raise_on_error=True)) if agree is None else agree


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


def _readable(latex: str) -> str:
    """The common spelling as Math-Verify reads it."""
    latex = latex.replace("%", "\\%")
    latex = _ANGLE.sub(r"\1\\frac{\2\\pi}{180}", latex)
    latex = _polar(latex)
    latex = _ZETA.sub(_even_zeta, latex)
    latex = _BRACED_ARGUMENTS.sub(r"\\\1(\2)", latex)
    latex = _EXPONENTIAL.sub(r"e^{\1}", latex)
    latex = _ODD_DOUBLE_FACTORIAL.sub(r"\\frac{(2\1)!}{2^{\1}\1!}", latex)
    latex = _BARE_ARGUMENT.sub(r"\\\1(\2)", latex)
    latex = re.sub(r"\\vec\{([ijk])\}", r"\\mathbf{\1}", latex)
    latex = _IMAGINARY.sub(" i", latex)
    latex = _E_WITH_SUBSCRIPT.sub(r"\\mathcal{\1}_", latex)
    latex = _E_NOTATION.sub(lambda number: f"{number[1]} \\times 10^{{{int(number[2])}}}", latex)
    latex = _LAST_LETTERS.sub(lambda letters: re.sub(r"[A-Za-z]", r"{\g<0>}", letters[0]), latex)
    return _TRAILING_POINT.sub("", latex)


def _polar(latex: str) -> str:
    r"""r \cis \theta and r \angle \theta as r e^{i\theta}."""
    polar = _CIS.search(latex)
    if polar is None or not (polar.start() or "cis" in polar[0]):
        return latex
    angle = latex[polar.end() :].strip()
    angle = _DEGREES_BEHIND.sub(r"\\frac{\1\\pi}{180}", angle)
    return f"{latex[: polar.start()]} e^{{i ({angle})}}"


def _even_zeta(zeta: re.Match[str]) -> str:
    r"""\zeta(2) = \frac{\pi^2}{6}, and so on."""
    from sympy import bernoulli, factorial

    n = int(zeta[1])
    factor = abs(bernoulli(n)) * 2 ** (n - 1) / factorial(n)
    return f"\\frac{{{factor.p} \\pi^{{{n}}}}}{{{factor.q}}}"


def _right_sides(reference: str, answer: str) -> tuple[str, str]:
    r"""The right sides, where both solve for the same left side: SymPy takes \frac{dM}{dt} for 0."""
    expected, given = reference.split("="), answer.split("=")
    if len(expected) != 2 or len(given) != 2 or expected[0].split() != given[0].split():
        return reference, answer
    left = set(_LETTER.findall(expected[0]))
    if _DERIVATIVE.search(expected[0]) or not left & {*_LETTER.findall(expected[1]), *_LETTER.findall(given[1])}:
        return expected[1].strip(), given[1].strip()
    return reference, answer


def _with_distinct_capitals(reference: str, answer: str) -> tuple[str, str]:
    """With another letter for each capital that stands beside its small letter: Math-Verify takes both for one."""
    if "\\begin" in reference + answer or "\\operatorname" in reference + answer:
        return reference, answer
    letters = [{each for each in _COMMAND_OR_LETTER.findall(latex) if len(each) == 1} for latex in (reference, answer)]
    used = letters[0] | letters[1]
    free = [each for each in _ALPHABET if each not in used and each.upper() not in used]
    both = sorted(each for each in used if each.isupper() and any({each, each.lower()} <= side for side in letters))
    other = dict(zip(both, free, strict=False))

    def renamed(latex: str) -> str:
        return _COMMAND_OR_LETTER.sub(lambda each: other.get(each[0], each[0]), latex)

    return (renamed(reference), renamed(answer)) if other else (reference, answer)


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


def _with_same_constants(gold: Any, given: Any, reference: str, answer: str) -> Any:
    """`given` with the reference's names for arbitrary constants, in the order in which they appear."""
    mine, theirs = _arbitrary(gold, reference, _OF_REFERENCE), _arbitrary(given, answer, _OF_ANSWER)
    missing = [name for name in mine if name not in {each.name for each in getattr(given, "free_symbols", ())}]
    extra = [name for name in theirs if name not in {each.name for each in getattr(gold, "free_symbols", ())}]
    if not missing or len(missing) != len(extra):
        return given
    return given.xreplace({theirs[b]: mine[a] for a, b in zip(missing, extra, strict=True)})


def _arbitrary(tree: Any, latex: str, pattern: re.Pattern[str]) -> dict[str, Any]:
    """The letters of a tree that are written as arbitrary constants, in order; Math-Verify reads capitals as small."""
    letters = {symbol.name.lower(): symbol for symbol in getattr(tree, "free_symbols", ())}
    written = [re.sub(r"[{}\s]", "", match[0]).lower() for match in pattern.finditer(latex)]
    return {letters[name].name: letters[name] for name in dict.fromkeys(written) if name in letters}


def _is_number(tree: Any) -> bool:
    from sympy import Expr

    return isinstance(tree, Expr) and not tree.free_symbols


def _agree(gold: Any, given: Any) -> bool | None:
    """What two expressions' values prove about them, and None where that is not enough."""
    from sympy import Abs, Max, Min, Mod, Piecewise, ceiling, floor, sign

    if (_is_number(gold) and _varies(given)) or (_is_number(given) and _varies(gold)):
        return False
    if _is_number(gold) and _is_number(given):
        return _same_constants(gold, given)
    if not (_is_elementary(gold) and _is_elementary(given)):
        return None
    gaps = [_gap(gold, given, start) for start in (2, -5, 11)]
    broken = (Abs, Max, Min, Mod, Piecewise, ceiling, floor, sign)
    looks_at_signs = gold.has(*broken) or given.has(*broken)
    if None not in gaps and max(gaps) < _SAME_DIGITS:
        return None if looks_at_signs else not _depends_on_signs(gold, given)
    if not looks_at_signs and _has_odd_root(gold) and _has_odd_root(given):
        # where roots of negative numbers come in, all hangs on the branch: look where everything is real
        real = [gap for start in (30, 51, 83, 120) if (gap := _gap(gold, given, start, only_real=True)) is not None]
        if len(real) > 2 and max(real) < _SAME_DIGITS:
            return True
    return False if None not in gaps and min(gaps) > 2 * _CLEARLY else None


def _has_odd_root(tree: Any) -> bool:
    from sympy import Pow

    return any(power.exp.is_Rational and not power.exp.is_Integer for power in tree.atoms(Pow))


def _depends_on_signs(gold: Any, given: Any) -> bool:
    r"""Whether formulas of one letter that are equal where it is positive differ elsewhere: \sqrt{x^2} is not x."""
    from sympy import Rational

    letters = gold.free_symbols | given.free_symbols
    if len({letter.name for letter in letters}) != 1 or next(iter(letters)).name not in "xyzt":
        return False
    point = {letter: Rational(-13, 7) for letter in letters}
    try:
        expected, found = gold.xreplace(point).evalf(20), given.xreplace(point).evalf(20)
        if not (expected.is_real and found.is_real):
            return False
        return bool(abs(expected - found) > _CLEARLY * (abs(expected) + abs(found)))
    except _NOT_IN_NUMBERS:
        return False


def _same_constants(gold: Any, given: Any) -> bool | None:
    """Whether two constants have the same 50 digits; 15 of a sum or integral, which are worked out numerically."""
    from sympy import Derivative, Limit, MatrixBase, Product, UnevaluatedExpr

    if any(tree.has(Derivative, Limit, MatrixBase, Product, UnevaluatedExpr) for tree in (gold, given)):
        return None
    digits = _CONSTANT_DIGITS if _is_elementary(gold) and _is_elementary(given) else 25
    try:
        expected, found = gold.evalf(digits), given.evalf(digits)
        size, gap = abs(expected) + abs(found), abs(expected - found)
        if not (size.is_finite and size.is_Number and gap.is_Number):
            return None
        return bool(gap <= size * 10 ** (10 - digits)) if size else True
    except _NOT_IN_NUMBERS:
        return None


def _gap(gold: Any, given: Any, start: int, only_real: bool = False) -> Any:
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
        if only_real and not (expected.is_real and found.is_real):
            return None
        size, gap = abs(expected) + abs(found), abs(expected - found)
        return gap / size if size.is_finite and size > _SAME_DIGITS else None
    except _NOT_IN_NUMBERS:
        return None


def _varies(tree: Any) -> bool:
    """Whether it is an expression in letters that takes two values at two points, and so is no constant.

    A polynomial is evaluated modulo a prime, where any difference is a proof; other elementary functions in numbers.
    """
    from sympy import Rational

    if tree is None or not _is_elementary(tree) or not tree.free_symbols:
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
        return bool(size.is_Number and size.is_finite) and size > 2 * _CLEARLY
    except _NOT_IN_NUMBERS:
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
