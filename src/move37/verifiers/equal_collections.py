"""When two lists, sets, tuples, matrices or cases are equal. The rules are stated in the table of `equality.py`."""

from collections.abc import Sequence
from itertools import pairwise

from move37.verifiers.comparing import FUNCTION_NAME, Comparer, in_order, same_set
from move37.verifiers.reading import read_common
from move37.verifiers.values import Dots, Matrix, Named, Number, Piecewise, Several, Tuple, Value


def same_several(by: Comparer, expected: Several, given: Several) -> bool | None:
    if any(isinstance(each, Dots) for each in (*expected.elements, *given.elements)):
        return _with_dots(by, expected.elements, given.elements)
    if all(isinstance(each, Named) for each in (*expected.elements, *given.elements)):
        return _by_name(by, expected.elements, given.elements)
    if expected.elements and all(isinstance(each, Named) for each in expected.elements):
        return in_order(by, by_alphabet(expected.elements), given.elements)
    both = expected.is_set and given.is_set
    a, b = (_distinct(by, side.elements) if both else side.elements for side in (expected, given))
    if both and (same := same_set(expected, given)) is not NotImplemented:
        return same
    return matched(by, a, b)


def _distinct(by: Comparer, elements: Sequence[Value]) -> tuple[Value, ...]:
    kept: list[Value] = []
    for element in elements:
        if not any(type(other) is type(element) and by.equal(other, element) is True for other in kept):
            kept.append(element)
    return tuple(kept)


def matched(by: Comparer, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
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


def _same_element(by: Comparer, expected: Value, given: Value) -> bool | None:
    """In a list what was counted tells elements apart: 5 boys and 7 girls."""
    nouns = [each.noun.rstrip("s") for each in (expected, given) if isinstance(each, Number) and each.noun]
    if len(nouns) == 2 and nouns[0] != nouns[1]:
        return False
    return by.equal(expected, given)


def _by_name(by: Comparer, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
    """x = 1, y = 2 in any order."""
    a, b = ({each.name: each.value for each in side if isinstance(each, Named)} for side in (expected, given))
    if len(a) < len(expected) or len(b) < len(given):
        return matched(by, expected, given)
    if a.keys() != b.keys():
        functions = all(FUNCTION_NAME.fullmatch(name) for name in (*a, *b))
        return matched(by, expected, given) if functions else False
    return in_order(by, list(a.values()), [b[name] for name in a])


def by_alphabet(elements: Sequence[Value]) -> list[Value]:
    named = [element for element in elements if isinstance(element, Named)]
    return [element.value for element in sorted(named, key=lambda element: element.name)]


def _with_dots(by: Comparer, expected: Sequence[Value], given: Sequence[Value]) -> bool | None:
    """1, 2, ..., 10 is what it leaves out, too; 1, 3, 5, ... only what is shown of it."""
    a, b = _filled(expected), _filled(given)
    if any(isinstance(each, Dots) for each in a) != any(isinstance(each, Dots) for each in b):
        return False
    return in_order(by, *_progressions(a, b))


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


def same_tuples(by: Comparer, expected: Tuple, given: Tuple) -> bool | None:
    if (expected.opening, expected.closing) != (given.opening, given.closing):
        return False
    return in_order(by, expected.elements, given.elements)


def same_matrices(by: Comparer, expected: Matrix, given: Matrix) -> bool | None:
    if [len(row) for row in expected.rows] != [len(row) for row in given.rows]:
        return False
    return in_order(by, [c for row in expected.rows for c in row], [c for row in given.rows for c in row])


def same_cases(by: Comparer, expected: Piecewise, given: Piecewise) -> bool | None:
    if len(expected.rows) != len(given.rows):
        return False
    conditions = {condition: value for value, condition in given.rows}
    if set(conditions) != {condition for _, condition in expected.rows}:
        return False
    return in_order(
        by, [value for value, _ in expected.rows], [conditions[condition] for _, condition in expected.rows]
    )
