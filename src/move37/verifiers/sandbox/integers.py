"""Sets of integers, as intervals with a congruence: what a loop's counter can be (`endless.py`).

`Integers(low, high, step, rest)` are the integers from low to high, either of which may be infinite, that leave `rest`
when divided by `step`; step 0 stands for the one integer `rest`. Every operation gives a set that holds all results,
and perhaps more. (Cousot and Cousot 1976 for intervals and widening, Granger 1989 for congruences.)
"""

from math import gcd, inf
from typing import NamedTuple, Self

Bound = int | float
"""An integer, or infinity of either sign."""
LARGEST = 1 << 1000
"""Bounds beyond it count as infinite; a smaller integer fits into a float."""
MOST_FACTOR = 1 << 64


class Integers(NamedTuple):
    """A set of integers that is not empty. `of` makes one, or None where nothing is left."""

    low: Bound = -inf
    high: Bound = inf
    step: int = 1
    rest: int = 0

    @classmethod
    def of(cls, low: Bound, high: Bound, step: int = 1, rest: int = 0) -> Self | None:
        if step == 0:
            return cls(rest, rest, 0, rest) if low <= rest <= high else None
        rest %= step
        low = -inf if low < -LARGEST else low
        high = inf if high > LARGEST else high
        if isinstance(low, int):
            low += (rest - low) % step
        if isinstance(high, int):
            high -= (high - rest) % step
        if low > high:
            return None
        return cls(low, high, 0, int(low)) if low == high else cls(low, high, step, rest)

    @classmethod
    def one(cls, value: int) -> Self:
        return cls(value, value, 0, value)

    @property
    def only(self) -> int | None:
        """The integer, if there is only one."""
        return self.rest if self.step == 0 else None

    @property
    def is_bounded(self) -> bool:
        return self.low >= -LARGEST and self.high <= LARGEST

    @property
    def is_factor(self) -> bool:
        """Whether multiplying by it makes a number longer by a few bytes only."""
        return self.low >= -MOST_FACTOR and self.high <= MOST_FACTOR

    def may_equal(self, other: "Integers") -> bool:
        if self.low > other.high or other.low > self.high:
            return False
        common = gcd(self.step, other.step)
        return (self.rest - other.rest) % common == 0 if common else self.rest == other.rest

    def joined(self, other: "Integers") -> "Integers":
        step = gcd(self.step, other.step, self.rest - other.rest)
        return _made(min(self.low, other.low), max(self.high, other.high), step, self.rest)

    def widened(self, grown: "Integers") -> "Integers":
        """More than both, so that a sequence of such sets comes to an end."""
        joined = self.joined(grown)
        low = self.low if grown.low >= self.low else -inf
        high = self.high if grown.high <= self.high else inf
        return _made(low, high, joined.step, joined.rest)

    def within(self, low: Bound, high: Bound) -> "Integers | None":
        return Integers.of(max(self.low, low), min(self.high, high), self.step, self.rest)

    def without(self, value: int) -> "Integers | None":
        """Without one integer, where it is at an end."""
        if self.only == value:
            return None
        low = self.low + self.step if self.low == value else self.low
        high = self.high - self.step if self.high == value else self.high
        return Integers.of(low, high, self.step, self.rest)

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    def plus(self, other: "Integers") -> "Integers":
        step = gcd(self.step, other.step)
        return _made(_sum(self.low, other.low), _sum(self.high, other.high), step, self.rest + other.rest)

    def negated(self) -> "Integers":
        return _made(-self.high, -self.low, self.step, -self.rest)

    def times(self, other: "Integers") -> "Integers":
        ends = [_product(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        step = gcd(self.step * other.step, self.step * other.rest, other.step * self.rest)
        return _made(min(ends), max(ends), step, self.rest * other.rest)

    def over(self, divisor: "Integers") -> "Integers":
        """Rounded down; the divisor is positive."""
        by = divisor.only
        if by is not None:
            low, high = (end // by if isinstance(end, int) else end for end in (self.low, self.high))
            return _made(low, high, 1, 0)
        return _made(min(self.low, 0), max(self.high, 0), 1, 0)

    def modulo(self, divisor: "Integers") -> "Integers":
        """The divisor is positive."""
        by = divisor.only
        if by is None:
            return _made(0, divisor.high - 1, 1, 0)
        if self.step % by == 0:
            return Integers.one(self.rest % by)
        if self.low >= 0 and self.high < by:
            return self
        return _made(0, by - 1, gcd(self.step, by), self.rest)


def _made(low: Bound, high: Bound, step: int, rest: int) -> Integers:
    found = Integers.of(low, high, step, rest)
    assert found is not None
    return found


def _sum(a: Bound, b: Bound) -> Bound:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return a if not isinstance(a, int) else b


def _product(a: Bound, b: Bound) -> Bound:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if a == 0 or b == 0:
        return 0
    return inf if (a > 0) == (b > 0) else -inf
