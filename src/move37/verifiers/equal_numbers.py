"""When two numbers, ratios or times are equal. The rules are stated in the table of `equality.py`."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from move37.verifiers.comparing import Comparer, any_of, in_order
from move37.verifiers.constants import Real, differs, pi
from move37.verifiers.enclosures import DIGITS, MORE_DIGITS, MOST_DIGITS
from move37.verifiers.quantities import agrees_in_unit
from move37.verifiers.values import Clock, Number, Ratio, Value

ROUNDED_PLACES = 6
"""Places and digits that a decimal has to show to be taken for the rounding of a number that is none."""
_FLOAT_DIGITS = 15
_LARGEST_EXPONENT = 10_000
"""Of numbers that are worked out to thousands of digits."""
_RADIANS = pi() * Real.rational(Fraction(1, 180))
_HUNDREDTH = Real.rational(Fraction(1, 100))


def same_numbers(by: Comparer, expected: Number, given: Number) -> bool | None:
    if expected.digits and not given.digits and digits_of(given) == expected.digits:
        return True
    if given.digits and not expected.digits and digits_of(expected) == given.digits:
        return False  # 12_3 is not 12, and nobody who means 5 writes 5_7
    if expected.loose_unit and not given.unit:
        return False  # 5m, of which 5 is not the value
    readings = list(_readings(expected, given, by.asks_percent))
    verdicts = [(by.close or _same_value)(a, b) for a, b in readings]
    verdicts += [same_numbers(by, expected, about) for about in given.approximations if True not in verdicts]
    return any_of(verdicts)


def digits_of(value: Value) -> str:
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


def quotient_of(ratio: Ratio) -> Number | None:
    if len(ratio.parts) != 2:
        return None
    a, b = ratio.parts
    if not isinstance(a, Number) or not isinstance(b, Number) or b.value.terms is None or not b.value.terms:
        return None
    return Number(f"\\frac{{{a.latex}}}{{{b.latex}}}", a.value * b.value.inverse())


def same_ratios(by: Comparer, expected: Ratio, given: Ratio) -> bool | None:
    if expected.clock and given.clock:
        return same_clocks(by, expected.clock, given.clock)
    if len(expected.parts) != len(given.parts):
        return False
    if not all(isinstance(part, Number) for part in (*expected.parts, *given.parts)):
        return in_order(by, expected.parts, given.parts)
    a, b = ([part for part in ratio.parts if isinstance(part, Number)] for ratio in (expected, given))
    if any(part.value.terms == {} for part in (*a, *b)):
        return in_order(by, expected.parts, given.parts)
    crosses = [differs(a[0].value * y.value, x.value * b[0].value) for x, y in zip(a[1:], b[1:], strict=True)]
    return False if True in crosses else None if None in crosses else True


def same_clocks(by: Comparer, expected: Clock, given: Clock) -> bool:
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
