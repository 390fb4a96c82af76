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

from collections.abc import Callable
from dataclasses import dataclass

from move37.verifiers.comparing import Close, by_algebra
from move37.verifiers.equal_across import across_types
from move37.verifiers.equal_collections import same_cases, same_matrices, same_several, same_tuples
from move37.verifiers.equal_numbers import same_clocks, same_numbers, same_ratios
from move37.verifiers.equal_statements import same_letters, same_named, same_relations, same_set_expressions, same_texts
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

Algebra = Callable[[str, str], bool | None]
"""Whether two formulas or equations, in LaTeX, are equal; the reference first."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How to compare: by what, and whether the question asks for a percentage."""

    algebra: Algebra
    asks_percent: bool = False
    close: Close | None = None
    """What is close enough, of two bare numbers; None: equal, as numbers."""

    def formulas(self, expected: str, given: str) -> bool | None:
        r"""By computer algebra, which never sees words: Math-Verify would drop them."""
        return False if "\\text" in expected + given else self.algebra(expected, given)

    def equal(self, expected: Value, given: Value) -> bool | None:
        """Of a reference and an answer, in this order."""
        same = _BY_TYPE.get(type(expected)) if type(expected) is type(given) else None
        if same is not None:
            return same(self, expected, given)
        return across_types(self, expected, given)


_BY_TYPE: dict[type[Value], Callable[..., bool | None]] = {
    Number: same_numbers, Ratio: same_ratios, Clock: same_clocks, Several: same_several, Tuple: same_tuples,
    Matrix: same_matrices, Piecewise: same_cases, Named: same_named, Relation: same_relations,
    SetExpression: same_set_expressions, Formula: by_algebra, Letter: same_letters, Text: same_texts,
    Dots: lambda by, expected, given: True,
}  # fmt: skip
