"""English words for whole numbers and simple fractions: "twenty-one", "two hundred and five", "three quarters".

Only words that are a number as a whole are read: "five or six" is none, nor is "no one".
"""

import re
from fractions import Fraction


def _in_order(words: str, step: int = 1, start: int = 0) -> dict[str, int]:
    return {word: step * place for place, word in enumerate(words.split(), start)}


_ONES = _in_order(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = _in_order("twenty thirty forty fifty sixty seventy eighty ninety", step=10, start=2)
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8, "ninth": 9,
    "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
WORDS = frozenset((*_ONES, *_TENS, *_PARTS))
"""Those that are a number, or a part of one, in any place."""
_WORD = re.compile(r"[a-z]+")
_BETWEEN = re.compile(r"[a-z]+(?:(?: and |[ -])[a-z]+)*")


def number_in_words(text: str) -> Fraction | None:
    """The number that `text`, in lower case, is as a whole; None where it is none."""
    if not _BETWEEN.fullmatch(text):
        return None
    words = _WORD.findall(text)
    if words[0] in ("minus", "negative") and len(words) > 1:
        rest = number_in_words(text[len(words[0]) + 1 :])
        return None if rest is None or rest < 0 else -rest
    if words[-1] in _PARTS and len(words) > 1:
        over = 1 if words[:-1] in (["a"], ["one"]) else _whole(words[:-1])
        return None if not over or " and " in text else Fraction(over, _PARTS[words[-1]])
    value = _whole(words)
    return None if value is None else Fraction(value)


def _whole(words: list[str]) -> int | None:
    """Sum of groups of at most three digits, each with a smaller scale than the one before."""
    total, scale = 0, None
    group: list[str] = []
    for word in words:
        if word not in SCALES:
            group.append(word)
            continue
        value = _below_thousand(group)
        if not value or (scale is not None and SCALES[word] >= scale):
            return None
        scale = SCALES[word]
        total, group = total + value * scale, []
    if not group:
        return total if scale else None
    last = _below_thousand(group[1:] if scale and group[0] == "and" else group)
    return None if last is None or (scale and not last) else total + last


def _below_thousand(words: list[str]) -> int | None:
    if "hundred" in words:
        place = words.index("hundred")
        hundreds = 1 if words[:place] == ["a"] else _ONES.get(words[0]) if place == 1 else None
        rest = words[place + 1 :]
        last = _below_hundred(rest[1:] if rest[:1] == ["and"] else rest) if rest else 0
        return None if not hundreds or last is None or (rest and not last) else 100 * hundreds + last
    return _below_hundred(words)


def _below_hundred(words: list[str]) -> int | None:
    if len(words) == 1:
        return _ONES.get(words[0], _TENS.get(words[0]))
    if len(words) == 2 and words[0] in _TENS and 0 < _ONES.get(words[1], 0) < 10:
        return _TENS[words[0]] + _ONES[words[1]]
    return None
