"""When two values of different types are equal. The rules are stated in the table of `equality.py`."""

import re

from move37.verifiers.comparing import Comparer, by_algebra, in_order, same_set
from move37.verifiers.equal_collections import by_alphabet, matched
from move37.verifiers.equal_numbers import digits_of, quotient_of, same_clocks
from move37.verifiers.values import (
    Clock,
    Formula,
    Letter,
    Matrix,
    Named,
    Number,
    Ratio,
    Relation,
    SetExpression,
    Several,
    Text,
    Tuple,
    Value,
)


def across_types(by: Comparer, expected: Value, given: Value) -> bool | None:
    for rule in (_unwrapped, _as_letters, _as_regions, _as_ordered, _as_time, _as_formula):
        verdict = rule(by, expected, given)
        if verdict is not NotImplemented:
            return verdict
    return False


def _unwrapped(by: Comparer, expected: Value, given: Value) -> bool | None:
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


def _as_letters(by: Comparer, expected: Value, given: Value) -> bool | None:
    if isinstance(expected, Letter) and isinstance(given, Several):
        return False
    if isinstance(expected, Number) and expected.digits and digits_of(given) == expected.digits:
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


def _as_regions(by: Comparer, expected: Value, given: Value) -> bool | None:
    same = same_set(expected, given)
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


def _as_ordered(by: Comparer, expected: Value, given: Value) -> bool | None:
    """Tuples, matrices of one row or column, lists."""
    a, b = _ordered(expected), _ordered(given)
    if a is not None and b is not None:
        return in_order(by, a, b)
    if a is not None and isinstance(given, Several) and not given.is_set and isinstance(expected, Tuple):
        if (expected.opening, expected.closing) != ("(", ")"):
            return False
        if all(isinstance(each, Named) for each in given.elements):
            return in_order(by, a, by_alphabet(given.elements))
        return in_order(by, a, given.elements)
    if b is not None and isinstance(expected, Several) and not expected.is_set and isinstance(given, Tuple):
        if all(isinstance(each, Named) for each in expected.elements):
            return in_order(by, by_alphabet(expected.elements), b)
        return matched(by, expected.elements, b)
    return NotImplemented


def _ordered(value: Value) -> tuple[Value, ...] | None:
    if isinstance(value, Tuple):
        return value.elements if (value.opening, value.closing) in (("(", ")"), ("[", "]")) else None
    if isinstance(value, Matrix):
        if len(value.rows) == 1:
            return value.rows[0]
        return tuple(row[0] for row in value.rows) if len(value.rows[0]) == 1 else None
    return None


def _as_time(by: Comparer, expected: Value, given: Value) -> bool | None:
    if isinstance(expected, Ratio) and isinstance(given, Clock):
        return expected.clock is not None and same_clocks(by, expected.clock, given)
    if isinstance(expected, Clock) and isinstance(given, Ratio):
        return given.clock is not None and same_clocks(by, expected, given.clock)
    for one in (expected, given):
        if isinstance(one, Ratio):
            other = given if one is expected else expected
            quotient = None if "\\text" in one.latex else quotient_of(one)  # "5 to 7" may be a range
            if quotient is None or not isinstance(other, (Number, Formula)):
                return by_algebra(by, expected, given) if isinstance(other, Formula) and len(one.parts) == 2 else False
            return by.equal(quotient, given) if one is expected else by.equal(expected, quotient)
    return NotImplemented


def _as_formula(by: Comparer, expected: Value, given: Value) -> bool | None:
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
