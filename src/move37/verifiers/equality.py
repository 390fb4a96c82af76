r"""Are two values equal? True, False where it is proven that they differ, None where computer algebra has to say.

What is False here stays False: it reaches no tolerance and no computer algebra. By type:

  number      exactly. A decimal of at least six places and six digits is also the number that it is a rounding of, if
              that is no decimal itself: 0.333333 is 1/3; 3.1416 is not pi, 0.0005 not 0.00050002. Of more than 15
              digits the first 15 count.
    unit        both state one: converted, and different if they measure different things. One: not looked at, save that
                an angle in degrees is also that number of radians: 90° is pi / 2. "5m" as a reference is 5 times m.
    percent     both: the numbers. A reference of 50% is also 0.5 and 50; an answer of 50% is 0.5, and 50 only where the
                question asks for a percentage.
    base        110_2 is 6, and as a reference 110; not 110_3. As an answer 12_3 is not 12.
  ratio       the parts are proportional: 1:3:5 is 2:6:10. Two parts are also their quotient. 3:45 is also a time.
  time        the same time; without a.m. or p.m. either half, 15:45 is 3:45 PM.
  list        a multiset: 1,1 is not 1. A list of named values is by name. Of a list with dots counts what it shows.
  set         without repetitions; a list of as many elements, too. A set of one is its element.
  tuple       element by element, in the same brackets; \langle \rangle and a matrix of one column or row are round. For
              a reference that is a list, also a tuple in any order; for one that is a tuple, also a list in its order,
              and values with names, in the order of the alphabet of these: (1, 2) is y=2, x=1.
  interval, inequality, union   the same set of real numbers: x < 4 is (-\infty, 4).
  matrix, cases  element by element, row by row.
  named       its value, for an unnamed one. Two names: two single letters with different constants in one question are
              different; a function is the same with another argument or as y.
  equation    computer algebra; never a number.
  formula     computer algebra; a number only if it is constant.
  letter      the same letter; "(B) 12" is B, and 12.
  text        the same words, without articles, punctuation and capitals. Never a number.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from move37.verifiers.constants import DIGITS, MORE_DIGITS, MOST_DIGITS, Real, differs, pi
from move37.verifiers.quantities import agrees_in_unit
from move37.verifiers.reading import read_common
from move37.verifiers.regions import region_of, same_region, variable_of
from move37.verifiers.values import (
    Clock,
    Dots,
    Formula,
    Letter,
    Matrix,
    Named,
    Number,
    Piecewise,
    Ratio,
    Relation,
    SetExpression,
    Several,
    Text,
    Tuple,
    Value,
)

ROUNDED_PLACES = 6
"""Places and digits that a decimal has to show to be taken for the rounding of a number that is none."""
_FLOAT_DIGITS = 15
_LARGEST_EXPONENT = 10_000
"""Of numbers that are worked out to thousands of digits."""
_RADIANS = pi() * Real.rational(Fraction(1, 180))
_HUNDREDTH = Real.rational(Fraction(1, 100))
_FUNCTION_NAME = re.compile(r"[A-Za-z](?:_\w)?\(([a-z])\)|y")
_ONE_LETTER = re.compile(r"\\?[A-Za-z]+(?:_(?:\w|\{[^{}]*\}))?")

Algebra = Callable[[str, str], bool | None]
"""Whether two formulas or equations, in LaTeX, are equal; the reference first."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How to compare: by what, and whether the question asks for a percentage."""

    algebra: Algebra
    asks_percent: bool = False
    close: Callable[[Number, Number], bool | None] | None = None
    """What is close enough, of two bare numbers; None: `_same_value`."""

    def formulas(self, expected: str, given: str) -> bool | None:
        r"""By computer algebra, which never sees words: Math-Verify would drop them."""
        return False if "\\text" in expected + given else self.algebra(expected, given)

    def equal(self, expected: Value, given: Value) -> bool | None:
        """Of a reference and an answer, in this order."""
        same = _BY_TYPE.get(type(expected)) if type(expected) is type(given) else None
        if same is not None:
            return same(self, expected, given)
        return _across(self, expected, given)


# -- numbers -------------------------------------------------------------------------------------------------------


def _numbers(by: Comparison, expected: Number, given: Number) -> bool | None:
    if expected.digits and not given.digits and _digits(given) == expected.digits:
        return True
    if given.digits and not expected.digits and _digits(expected) == given.digits:
        return False  # 12_3 is not 12, and nobody who means 5 writes 5_7
    if expected.loose_unit and not given.unit:
        return False  # 5m, of which 5 is not the value
    readings = list(_readings(expected, given, by.asks_percent))
    verdicts = [(by.close or _same_value)(a, b) for a, b in readings]
    verdicts += [_numbers(by, expected, about) for about in given.approximations if True not in verdicts]
    return _any(verdicts)


def _digits(value: Value) -> str:
    return value.latex.strip("() ").upper().lstrip("0")


def _readings(expected: Number, given: Number, asks_percent: bool) -> Sequence[tuple[Number, Number]]:
    """The pairs of bare numbers of which one has to be equal."""
    if expected.unit and given.unit:
        return _in_one_unit(expected, given)
    pairs = [(expected, given)]
    for one, other in ((expected, given), (given, expected)):
        if one.unit and one.unit.dimension == (("degree", 1),) and not other.unit:
            angle = replace(one, value=one.value * _RADIANS, decimals=None)
            pairs.append((angle, other) if one is expected else (other, angle))
    if expected.percent == given.percent:
        return pairs
    if expected.percent:
        return [*pairs, (_hundredth(expected), given)]
    return [(expected, _hundredth(given)), *(pairs if asks_percent else ())]


def _in_one_unit(expected: Number, given: Number) -> Sequence[tuple[Number, Number]]:
    assert expected.unit
    assert given.unit
    if {expected.unit.dimension, given.unit.dimension} == {(("degree", 1),), (("radian", 1),)}:

        def radians(number: Number) -> Number:
            in_degrees = number.unit is not None and number.unit.dimension == (("degree", 1),)
            return replace(number, value=number.value * _RADIANS, decimals=None) if in_degrees else number

        return [(radians(expected), radians(given))]
    factor = agrees_in_unit(expected.unit, given.unit)
    if factor is None:
        return []
    return [
        (expected, given if factor == 1 else replace(given, value=given.value * Real.rational(factor), decimals=None))
    ]


def _hundredth(number: Number) -> Number:
    decimals = None if number.decimals is None else number.decimals + 2
    return replace(number, value=number.value * _HUNDREDTH, decimals=decimals)


def _same_value(expected: Number, given: Number) -> bool | None:
    different = differs(expected.value, given.value)
    if different is None:
        sizes = [abs(bound.adjusted()) for each in (expected, given) for bound in _bounds(each.value) if bound]
        if max(sizes, default=0) > _LARGEST_EXPONENT:
            return None
        different = differs(expected.value, given.value, MOST_DIGITS)
        return different is not True  # so many digits do not agree by chance
    return not different or _is_rounding(given, expected) or _is_rounding(expected, given)


def _bounds(value: Real) -> tuple[Decimal, Decimal]:
    return value.enclosure.low, value.enclosure.high


def _is_rounding(decimal: Number, exact: Number) -> bool:
    """Whether a decimal with enough digits is an exact number rounded, which is no decimal itself."""
    if (
        decimal.decimals is None
        or min(decimal.decimals, decimal.significant) < ROUNDED_PLACES
        or exact.decimals is not None
    ):
        return False
    if _terminates(exact.value):
        return False
    places = min(decimal.decimals, decimal.decimals - decimal.significant + _FLOAT_DIGITS)
    distance = (exact.value + -decimal.value).enclosed(DIGITS if places < 30 else MORE_DIGITS)
    half = Fraction(1, 2 * 10**places) if places >= 0 else Fraction(10**-places, 2)
    if not distance.low.is_finite() or not distance.high.is_finite():
        return False
    return Fraction(max(abs(distance.low), abs(distance.high))) <= half


def _terminates(value: Real) -> bool:
    exact = value.fraction
    if exact is None:
        return False
    rest = exact.denominator
    if rest.bit_length() > 400:
        return False
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _quotient(ratio: Ratio) -> Number | None:
    if len(ratio.parts) != 2:
        return None
    a, b = ratio.parts
    if not isinstance(a, Number) or not isinstance(b, Number) or b.value.terms is None or not b.value.terms:
        return None
    return Number(f"\\frac{{{a.latex}}}{{{b.latex}}}", a.value * b.value.inverse())


def _ratios(by: Comparison, expected: Ratio, given: Ratio) -> bool | None:
    if expected.clock and given.clock:
        return _clocks(by, expected.clock, given.clock)
    if len(expected.parts) != len(given.parts):
        return False
    if not all(isinstance(part, Number) for part in (*expected.parts, *given.parts)):
        return _each(by, expected.parts, given.parts)
    a, b = ([part for part in ratio.parts if isinstance(part, Number)] for ratio in (expected, given))
    if any(part.value.terms == {} for part in (*a, *b)):
        return _each(by, expected.parts, given.parts)
    crosses = [differs(a[0].value * y.value, x.value * b[0].value) for x, y in zip(a[1:], b[1:], strict=True)]
    return False if True in crosses else None if None in crosses else True


def _clocks(by: Comparison, expected: Clock, given: Clock) -> bool:
    def readings(clock: Clock) -> set[tuple[int, int, int]]:
        hours = {clock.hour}
        if clock.half:
            hours = {clock.hour % 12 + (12 if clock.half == "p" else 0)}
        return {(hour, clock.minute, clock.second) for hour in hours}

    if readings(expected) & readings(given):
        return True
    # without its half, an hour up to 12 may be in either
    loose = [clock for clock in (expected, given) if not clock.half and 1 <= clock.hour <= 12]
    if len(loose) == 1 and (expected.half or given.half):
        return (expected.hour % 12, expected.minute, expected.second) == (given.hour % 12, given.minute, given.second)
    return False


# -- collections ---------------------------------------------------------------------------------------------------


def _several(by: Comparison, expected: Several, given: Several) -> bool | None:
    if any(isinstance(each, Dots) for each in (*expected.elements, *given.elements)):
        return _with_dots(by, expected.elements, given.elements)
    if all(isinstance(each, Named) for each in (*expected.elements, *given.elements)):
        return _by_name(by, expected.elements, given.elements)
    if expected.elements and all(isinstance(each, Named) for each in expected.elements):
        return _each(by, _by_alphabet(expected.elements), given.elements)
    both = expected.is_set and given.is_set
    a, b = (_distinct(by, side.elements) if both else side.elements for side in (expected, given))
    if both and (same := _same_set(expected, given)) is not NotImplemented:
        return same
    return _matched(by, a, b)


def _distinct(by: Comparison, elements: Sequence[Value]) -> tuple[Value, ...]:
    kept: list[Value] = []
    for element in elements:
        if not any(type(other) is type(element) and by.equal(other, element) is True for other in kept):
            kept.append(element)
    return tuple(kept)


def _matched(by: Comparison, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
    """Whether the elements can be paired, in any order."""
    if len(expected) != len(given):
        return False
    verdicts = [[_same_element(by, a, b) for b in given] for a in expected]
    if any(all(verdict is False for verdict in row) for row in verdicts):
        return False
    for allowed, meaning in (((True,), True), ((True, None), None)):
        partner: dict[int, int] = {}
        if all(_pair(row, verdicts, allowed, partner, set()) for row in range(len(expected))):
            return meaning
    return False


def _pair(
    row: int,
    verdicts: Sequence[Sequence[bool | None]],
    allowed: tuple[bool | None, ...],
    partner: dict[int, int],
    seen: set[int],
) -> bool:
    """An augmenting path from `row`: bipartite matching."""
    for column, verdict in enumerate(verdicts[row]):
        if verdict in allowed and column not in seen:
            seen.add(column)
            if column not in partner or _pair(partner[column], verdicts, allowed, partner, seen):
                partner[column] = row
                return True
    return False


def _same_element(by: Comparison, expected: Value, given: Value) -> bool | None:
    """In a list what was counted tells elements apart: 5 boys and 7 girls."""
    nouns = [each.noun.rstrip("s") for each in (expected, given) if isinstance(each, Number) and each.noun]
    if len(nouns) == 2 and nouns[0] != nouns[1]:
        return False
    return by.equal(expected, given)


def _each(by: Comparison, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
    """Element by element, in order."""
    if len(expected) != len(given):
        return False
    verdicts: list[bool | None] = []
    for a, b in zip(expected, given, strict=True):
        verdicts.append(by.equal(a, b))
        if verdicts[-1] is False:
            return False
    return None if None in verdicts else True


def _by_name(by: Comparison, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
    """x = 1, y = 2 in any order."""
    a, b = ({each.name: each.value for each in side if isinstance(each, Named)} for side in (expected, given))
    if len(a) < len(expected) or len(b) < len(given):
        return _matched(by, expected, given)
    if a.keys() != b.keys():
        functions = all(_FUNCTION_NAME.fullmatch(name) for name in (*a, *b))
        return _matched(by, expected, given) if functions else False
    return _each(by, list(a.values()), [b[name] for name in a])


def _by_alphabet(elements: Sequence[Value]) -> list[Value]:
    named = [element for element in elements if isinstance(element, Named)]
    return [element.value for element in sorted(named, key=lambda element: element.name)]


def _with_dots(by: Comparison, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
    """1, 2, ..., 10 is what it leaves out, too; 1, 3, 5, ... only what is shown of it."""
    a, b = _filled(expected), _filled(given)
    if any(isinstance(each, Dots) for each in a) != any(isinstance(each, Dots) for each in b):
        return False
    return _each(by, *_progressions(a, b))


def _filled(elements: Sequence[Value]) -> Sequence[Value]:
    """With the whole numbers that dots stand for, between two steps and a last number."""
    at = [place for place, each in enumerate(elements) if isinstance(each, Dots)]
    numbers = [each.value.whole if isinstance(each, Number) else None for each in elements]
    if len(at) != 1 or at[0] != len(elements) - 2 or at[0] < 2:
        return elements
    known = [number for place, number in enumerate(numbers) if place != at[0] and number is not None]
    if len(known) != len(elements) - 1:
        return elements
    step, last = known[1] - known[0], known[-1]
    if not step or (last - known[0]) % step or not 0 <= (last - known[0]) // step < 1000:
        return elements
    every = range(known[0], last + (1 if step > 0 else -1), step)
    if list(every)[: len(known) - 1] != known[:-1]:
        return elements
    return [read_common(str(number)) for number in every]


def _progressions(a: Sequence[Value], b: Sequence[Value]) -> tuple[Sequence[Value], Sequence[Value]]:
    """As long as the shorter of the two where one only shows more of the same arithmetic progression."""
    if len(a) == len(b):
        return a, b
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    at = next((place for place, each in enumerate(longer) if isinstance(each, Dots)), 0)
    shown = [each.value.whole if isinstance(each, Number) else None for each in longer[:at]]
    steps = {y - x for x, y in pairwise(shown) if x is not None and y is not None}
    cut = len(longer) - len(shorter)
    if None in shown or len(steps) != 1 or at - cut < 2:
        return a, b
    reduced = [*longer[: at - cut], *longer[at:]]
    return (reduced, b) if longer is a else (a, reduced)


def _tuples(by: Comparison, expected: Tuple, given: Tuple) -> bool | None:
    if (expected.opening, expected.closing) != (given.opening, given.closing):
        return False
    return _each(by, expected.elements, given.elements)


def _matrices(by: Comparison, expected: Matrix, given: Matrix) -> bool | None:
    if [len(row) for row in expected.rows] != [len(row) for row in given.rows]:
        return False
    return _each(by, [c for row in expected.rows for c in row], [c for row in given.rows for c in row])


def _cases(by: Comparison, expected: Piecewise, given: Piecewise) -> bool | None:
    if len(expected.rows) != len(given.rows):
        return False
    conditions = {condition: value for value, condition in given.rows}
    if set(conditions) != {condition for _, condition in expected.rows}:
        return False
    return _each(by, [value for value, _ in expected.rows], [conditions[condition] for _, condition in expected.rows])


# -- names, equations, formulas, words -----------------------------------------------------------------------------


def _named(by: Comparison, expected: Named, given: Named) -> bool | None:
    if expected.name == given.name:
        return by.equal(expected.value, given.value)
    plain = _ONE_LETTER.fullmatch(expected.name), _ONE_LETTER.fullmatch(given.name)
    functions = _FUNCTION_NAME.fullmatch(expected.name), _FUNCTION_NAME.fullmatch(given.name)
    if functions[0] and functions[1]:
        mine, theirs = functions[0][1] or functions[1][1], functions[1][1] or functions[0][1]
        value = given.value if mine == theirs else _renamed(given.value, theirs, mine)
        if by.equal(expected.value, value) is True:
            return True
    if region_of(expected.value) is not None or region_of(given.value) is not None:
        return by.equal(expected.value, given.value)
    if all(plain):
        if isinstance(expected.value, Number) or isinstance(given.value, Number):
            return False
        return _by_algebra(by, expected, given)
    return by.equal(expected.value, given.value)


def _renamed(value: Value, letter: str, other: str) -> Value:
    return read_common(re.sub(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", other, value.latex))


def _relations(by: Comparison, expected: Relation, given: Relation) -> bool | None:
    if _without_spaces(expected.latex) == _without_spaces(given.latex):
        return True
    if (same := _same_set(expected, given)) is not NotImplemented:
        letters = {variable_of(expected), variable_of(given)}
        return same if len(letters) == 1 or "x" in letters else False
    if set(expected.signs) == {"="} != set(given.signs) or set(given.signs) == {"="} != set(expected.signs):
        return False
    return _by_algebra(by, expected, given)


def _by_algebra(by: Comparison, expected: Value, given: Value) -> bool | None:
    if _without_spaces(expected.latex) == _without_spaces(given.latex):
        return True
    return by.formulas(expected.latex, given.latex)


def _without_spaces(latex: str) -> str:
    tight = re.sub(r"([_^])\{(\w)\}", r"\1\2", latex)
    return "".join(re.sub(r"(\\[A-Za-z]+)\s+(?=[A-Za-z])", "\\1\x00", tight).split())


def _same_set(expected: Value, given: Value) -> Any:
    """Whether two sets of real numbers are the same; NotImplemented where one is no such set."""
    a, b = region_of(expected), region_of(given)
    return NotImplemented if a is None or b is None else same_region(a, b)


def _set_expressions(by: Comparison, expected: SetExpression, given: SetExpression) -> bool | None:
    if (same := _same_set(expected, given)) is not NotImplemented:
        return same
    if expected.signs == given.signs == ("\\cup",) * len(expected.signs):
        return _matched(by, expected.parts, given.parts)
    return _by_algebra(by, expected, given)


def _letters(by: Comparison, expected: Letter, given: Letter) -> bool | None:
    if expected.letter == given.letter:
        return True
    return False if expected.labelled is None or given.labelled is None else by.equal(expected.labelled, given.labelled)


def _texts(by: Comparison, expected: Text, given: Text) -> bool:
    return expected.words == given.words


def _any(verdicts: Sequence[bool | None]) -> bool | None:
    return True if True in verdicts else None if None in verdicts else False


_BY_TYPE: dict[type[Value], Callable[..., bool | None]] = {
    Number: _numbers, Ratio: _ratios, Clock: _clocks, Several: _several, Tuple: _tuples, Matrix: _matrices,
    Named: _named, Relation: _relations, SetExpression: _set_expressions, Piecewise: _cases, Formula: _by_algebra,
    Letter: _letters,
    Text: _texts, Dots: lambda by, expected, given: True,
}  # fmt: skip


# -- between types -------------------------------------------------------------------------------------------------


def _across(by: Comparison, expected: Value, given: Value) -> bool | None:
    for rule in (_unwrapped, _as_letters, _as_regions, _as_ordered, _as_time, _as_formula):
        verdict = rule(by, expected, given)
        if verdict is not NotImplemented:
            return verdict
    return False


def _unwrapped(by: Comparison, expected: Value, given: Value) -> bool | None:
    """A name, a set of one, a decimal comma."""
    if isinstance(given, Named) and not isinstance(expected, Relation):
        return by.equal(expected, given.value)
    if isinstance(expected, Named) and not isinstance(given, (Relation, Several)):
        return by.equal(expected.value, given)
    if isinstance(expected, Several) and expected.is_set and len(expected.elements) == 1:
        return by.equal(expected.elements[0], given)
    if isinstance(given, Several):
        if given.is_set and len(given.elements) == 1:
            return by.equal(expected, given.elements[0])
        if isinstance(expected, Named):
            return by.equal(expected.value, given)
        if isinstance(expected, Number) and given.decimal is not None:
            return by.equal(expected, given.decimal)
    return NotImplemented


def _as_letters(by: Comparison, expected: Value, given: Value) -> bool | None:
    if isinstance(expected, Letter) and isinstance(given, Several):
        return False
    if isinstance(expected, Number) and expected.digits and _digits(given) == expected.digits:
        return True
    if isinstance(given, Letter) and given.labelled is not None and not isinstance(expected, Letter):
        return by.equal(expected, given.labelled)
    if isinstance(expected, Letter) and expected.labelled is not None:
        return by.equal(expected.labelled, given)
    if isinstance(given, Several) and isinstance(expected, (Formula, Text)):
        chosen = [each.letter for each in given.elements if isinstance(each, Letter)]
        if len(chosen) == len(given.elements) > 1:
            return sorted(chosen) == sorted(expected.latex.strip("() "))
    if isinstance(expected, Several) and isinstance(given, (Formula, Text)):
        chosen = [each.letter for each in expected.elements if isinstance(each, Letter)]
        if len(chosen) == len(expected.elements) > 1:
            return sorted(chosen) == sorted(given.latex.strip("() "))
    if isinstance(expected, Text) or isinstance(given, Text):
        return _spelled(expected) == _spelled(given)
    return NotImplemented


def _spelled(value: Value) -> str:
    """The letters of words that were taken for a product, or the other way round."""
    words = value.words if isinstance(value, Text) else re.sub(r"\\text\{([^{}]*)\}", r" \1", value.latex)
    return re.sub(r"[\s{}\\.]", "", words).casefold()


def _as_regions(by: Comparison, expected: Value, given: Value) -> bool | None:
    same = _same_set(expected, given)
    if same is not NotImplemented:
        return same
    sets = (SetExpression, Relation)
    if isinstance(expected, sets) and isinstance(given, Several):
        return False
    if isinstance(expected, sets) and isinstance(given, (*sets, Tuple, Formula)):
        return by.formulas(expected.latex, given.latex)
    if isinstance(given, SetExpression) and isinstance(expected, (Tuple, Formula)):
        return by.formulas(expected.latex, given.latex)
    return NotImplemented


def _as_ordered(by: Comparison, expected: Value, given: Value) -> bool | None:
    """Tuples, matrices of one row or column, lists."""
    a, b = _ordered(expected), _ordered(given)
    if a is not None and b is not None:
        return _each(by, a, b)
    if a is not None and isinstance(given, Several) and not given.is_set and isinstance(expected, Tuple):
        if (expected.opening, expected.closing) != ("(", ")"):
            return False
        if all(isinstance(each, Named) for each in given.elements):
            return _each(by, a, _by_alphabet(given.elements))
        return _each(by, a, given.elements)
    if b is not None and isinstance(expected, Several) and not expected.is_set and isinstance(given, Tuple):
        if all(isinstance(each, Named) for each in expected.elements):
            return _each(by, _by_alphabet(expected.elements), b)
        return _matched(by, expected.elements, b)
    return NotImplemented


def _ordered(value: Value) -> tuple[Value, ...] | None:
    if isinstance(value, Tuple):
        return value.elements if (value.opening, value.closing) in (("(", ")"), ("[", "]")) else None
    if isinstance(value, Matrix):
        if len(value.rows) == 1:
            return value.rows[0]
        return tuple(row[0] for row in value.rows) if len(value.rows[0]) == 1 else None
    return None


def _as_time(by: Comparison, expected: Value, given: Value) -> bool | None:
    if isinstance(expected, Ratio) and isinstance(given, Clock):
        return expected.clock is not None and _clocks(by, expected.clock, given)
    if isinstance(expected, Clock) and isinstance(given, Ratio):
        return given.clock is not None and _clocks(by, expected, given.clock)
    for one in (expected, given):
        if isinstance(one, Ratio):
            other = given if one is expected else expected
            quotient = _quotient(one)
            if quotient is None or not isinstance(other, (Number, Formula)):
                return _by_algebra(by, expected, given) if isinstance(other, Formula) and len(one.parts) == 2 else False
            return by.equal(quotient, given) if one is expected else by.equal(expected, quotient)
    return NotImplemented


def _as_formula(by: Comparison, expected: Value, given: Value) -> bool | None:
    """Numbers and formulas, equations and named values: computer algebra."""
    plain = (Number, Formula, Letter)
    if isinstance(expected, plain) and isinstance(given, plain):
        return by.formulas(_bare(expected), _bare(given))
    if isinstance(expected, (Relation, Named)) and isinstance(given, (Relation, Named)):
        value = expected.value if isinstance(expected, Named) else given.value if isinstance(given, Named) else None
        return False if isinstance(value, Several) else by.formulas(expected.latex, given.latex)
    if Matrix in (type(expected), type(given)) and Formula in (type(expected), type(given)):
        return by.formulas(expected.latex, given.latex)
    return NotImplemented


def _bare(value: Value) -> str:
    """Of a number without its unit, and in decimals where it has a base."""
    if isinstance(value, Number) and (value.unit or value.percent or value.digits or value.noun):
        exact = value.value.fraction
        if exact is not None:
            return (
                f"\\frac{{{exact.numerator}}}{{{exact.denominator}}}" if exact.denominator > 1 else str(exact.numerator)
            )
    return value.latex
