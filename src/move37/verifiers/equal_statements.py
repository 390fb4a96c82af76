"""When two named values, relations, set expressions, letters or texts are equal. Rules: the table of `equality.py`."""

import re

from move37.verifiers.comparing import FUNCTION_NAME, Comparer, by_algebra, same_set, without_spaces
from move37.verifiers.equal_collections import matched
from move37.verifiers.reading import read_common
from move37.verifiers.regions import region_of, variable_of
from move37.verifiers.values import Letter, Named, Number, Relation, SetExpression, Text, Value

_ONE_LETTER = re.compile(r"\\?[A-Za-z]+(?:_(?:\w|\{[^{}]*\}))?")


def same_named(by: Comparer, expected: Named, given: Named) -> bool | None:
    if expected.name == given.name:
        return by.equal(expected.value, given.value)
    plain = _ONE_LETTER.fullmatch(expected.name), _ONE_LETTER.fullmatch(given.name)
    functions = FUNCTION_NAME.fullmatch(expected.name), FUNCTION_NAME.fullmatch(given.name)
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
        return by_algebra(by, expected, given)
    return by.equal(expected.value, given.value)


def _renamed(value: Value, letter: str, other: str) -> Value:
    return read_common(re.sub(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", other, value.latex))


def same_relations(by: Comparer, expected: Relation, given: Relation) -> bool | None:
    if without_spaces(expected.latex) == without_spaces(given.latex):
        return True
    if (same := same_set(expected, given)) is not NotImplemented:
        letters = {variable_of(expected), variable_of(given)}
        return same if len(letters) == 1 or "x" in letters else False
    if set(expected.signs) == {"="} != set(given.signs) or set(given.signs) == {"="} != set(expected.signs):
        return False
    return by_algebra(by, expected, given)


def same_set_expressions(by: Comparer, expected: SetExpression, given: SetExpression) -> bool | None:
    if (same := same_set(expected, given)) is not NotImplemented:
        return same
    if expected.signs == given.signs == ("\\cup",) * len(expected.signs):
        return matched(by, expected.parts, given.parts)
    return by_algebra(by, expected, given)


def same_letters(by: Comparer, expected: Letter, given: Letter) -> bool | None:
    if expected.letter == given.letter:
        return True
    return False if expected.labelled is None or given.labelled is None else by.equal(expected.labelled, given.labelled)


def same_texts(by: Comparer, expected: Text, given: Text) -> bool:
    return expected.words == given.words
