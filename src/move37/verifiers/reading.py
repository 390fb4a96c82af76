r"""The reader: an answer or a reference -> a typed value (`values.py`). One grammar for both, all or nothing.

  answer     lead? list explanation?                 the answer is 5, where x > 0
  lead       words that only lead to a value         the answer is, exactly, x =
  list       element ((, | ; | and | or) element)*   3, 5 and 7    x = 1 or x = 2
  element    number unit? | bound number | expression | words
  number     a plain constant, percent, currency, base, 3 million, 2 h 30 min, 5 km/h, 12 apples
  bound      at least 5    5 or more    x > 5        (a relation, never 5)
  expression relation | ratio | set expression | bracketed | matrix | cases | plus-minus | formula
  relation   side ((= | < | >= | in ...) side)+      a name or an equal constant at the left of a value names it
  bracketed  (1, 2)    [1, 2)    \{1, 2\}    \langle 1, 2 \rangle
Words count: those that neither lead to a value nor are its unit, what was counted or an explanation make the whole a
text ("5 if n is even", "not 5", "between 5 and 7"), which no number equals.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from move37.verifiers import expressions
from move37.verifiers.constants import Real
from move37.verifiers.numerals import number_in_words
from move37.verifiers.spelling import common
from move37.verifiers.units import read_unit
from move37.verifiers.values import Letter, Named, Number, Ratio, Relation, SetExpression, Several, Text, Value
from move37.verifiers.words import (
    MULTIPLES,
    concludes,
    explains,
    is_counted,
    is_idle,
    plain,
    without_lead,
)

Part = tuple[str, str]
"""("words", lower-case words) or ("maths", LaTeX)."""

_SPLIT = re.compile(
    r"\\text\{([^{}]*)\}|\\[{}]|\\(?:begin|end)\{[a-z]+\*?\}|\\lfloor|\\rfloor"
    r"|\\lceil|\\rceil|\\langle|\\rangle|[{}()\[\],;]|\\\\"
)
_OPENING, _CLOSING = (
    frozenset(("{", "(", "[", "\\{", "\\lfloor", "\\lceil", "\\langle")),
    frozenset(("}", ")", "]", "\\}", "\\rfloor", "\\rceil", "\\rangle")),
)
_JOINTS = re.compile(
    r"\b(?:(?:(?:and|or|but)\s+)?(?:also|possibly|maybe|perhaps|alternatively|else)(?=\s|$)|and|or|或|和|与|及)"
)
_MORE = re.compile(
    r"(?P<noun>.*?)\s*(?:(?:or|and)\s+(?:(?P<up>more|greater|above|over|up|higher"
    r"|larger|later)|(?P<down>less|fewer|below|under|lower|smaller|earlier))"
    r"|at\s+(?:(?P<least>least)|(?P<most>most)))(?: of (?:it|them))?"
)
_BOUND = {
    "at least": "\\geq", "no less than": "\\geq", "no fewer than": "\\geq", "not less than": "\\geq",
    "at most": "\\leq", "no more than": "\\leq", "not more than": "\\leq", "up to": "\\leq",
    "less than": "<", "fewer than": "<", "smaller than": "<", "below": "<", "under": "<",
    "more than": ">", "greater than": ">", "larger than": ">", "above": ">", "over": ">",
}  # fmt: skip
_NOT = re.compile(r"(?:.*\b)?(?:not|no|never|cannot|can't|isn't|neither)\b.*")
_ASIDE = re.compile(r"\s*\(\s*(?:\\text\{([^{}]*)\}|\\approx|\\sim|=|(?<=\s\()[a-zA-Z]\s*=\s*([^()=]*)\)\s*$)")
_BASE = re.compile(r"(?:in )?base")
_ONLY_WORDS = re.compile(r"\\text\{([^{}]*)\}")
_IN_BASE = re.compile(r"\s*\(\s*\\text\{(?:in )?base\}\s*([0-9]{1,2})\s*\)\s*$")
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_OPTION = re.compile(r"(?:(?:the )?(?:correct |best |right )?(?:option|choice|answer)s? )?\(?([a-z])\)?", re.IGNORECASE)
_LABEL = re.compile(r"\(?\s*(?:\\text\{([A-Z])\}|([A-Z]))\s*(?:\)|\.(?=\s)|:(?!\s*[0-9A-Za-z]))\s*(?=\S)")
_JOINED = re.compile(r"\\text\{\s*(?:or|and)\b")
_ALL_REALS = frozenset(
    ("all real numbers", "all reals", "real numbers", "all real values", "any real number", "all real x",
     "every real number", "set of all real numbers", "set of real numbers", "reals", "全体实数")
)  # fmt: skip
_INFINITE = frozenset(("infinity", "infinite", "infinitely many", "infinitely many solutions"))
_NONE = frozenset(("no solution", "no solutions", "no real solution", "no real solutions", "empty set", "none exist"))


@lru_cache(maxsize=8192)
def read(text: str) -> Value:
    """The value that `text` states; a `Text` where it is none of the others."""
    return read_common(common(text))


def read_common(latex: str) -> Value:
    """`read` for what is in the common spelling."""
    try:
        label = _LABEL.match(latex)
        if label and not _JOINED.match(latex, label.end()) and "," not in latex[: label.end() + 1]:
            rest = read_common(latex[label.end() :].strip())
            return Letter(latex, label[1] or label[2], rest)
        return _Statement(latex).value()
    except RecursionError:
        return Text(latex, latex)


def parts_of(latex: str) -> list[list[Part]]:
    """The elements of a list, each as words and maths in turn; what is in brackets is not taken apart."""
    elements: list[list[Part]] = [[]]
    depth = start = 0

    def maths(end: int) -> None:
        piece = latex[start:end].strip()
        if piece:
            elements[-1].append(("maths", piece))

    for token in _SPLIT.finditer(latex):
        sign = token[0]
        if sign in _OPENING or sign.startswith("\\begin"):
            depth += 1
        elif sign in _CLOSING or sign.startswith("\\end"):
            depth -= 1
        elif depth == 0 and sign in (",", ";"):
            maths(token.start())
            start = token.end()
            elements.append([])
        elif depth == 0 and token[1] is not None:
            maths(token.start())
            start = token.end()
            elements[-1].append(("words", " ".join(token[1].split())))
    maths(len(latex))
    return elements


class _Statement:
    """One answer, from its list down to its elements."""

    def __init__(self, latex: str) -> None:
        self.latex = latex

    def text(self) -> Text:
        return Text(self.latex, normal_text(self.latex))

    def value(self) -> Value:
        if "\\text" not in self.latex and "," not in self.latex and ";" not in self.latex:
            return self.expression(_without_asides(self.latex) if "(" in self.latex else self.latex)
        words = _ONLY_WORDS.fullmatch(self.latex)
        stated = _stated_in_words(plain(without_lead(words[1]))) if words else None
        if stated is not None:
            return stated  # three hundred and five, which is no list
        elements, joint = self.elements()
        if not elements:
            return self.text()
        if len(elements) == 1:
            return self.element(elements[0])
        words = " ".join(piece for element in elements for kind, piece in element if kind == "words")
        if re.search(r"\b(?:between|from|neither|nor|not)\b", words):
            return self.turned(elements)
        values = tuple(each for element in elements for each in _flat(self.element(element)))
        values = _with_shared_unit(_without_shared_name(values))
        if joint == "and" and len(values) == 2:
            compound = _compound(values)
            if compound is not None:
                return compound
        if all(isinstance(value, Relation) for value in values) and joint != ",":
            return SetExpression(self.latex, values, ("\\cup" if joint == "or" else "\\cap",) * (len(values) - 1))
        decimal = expressions.decimal_comma(self.latex) if len(values) == 2 else None
        return Several(self.latex, values, decimal=decimal)

    def elements(self) -> tuple[list[list[Part]], str]:
        """The elements without lead and explanation, and the last joint between two of them."""
        found: list[list[Part]] = []
        joint, dangles = ",", False
        for given in parts_of(_without_asides(self.latex)):
            element: list[Part] = []
            for kind, piece in given:
                if kind == "maths":
                    element.append((kind, piece))
                    dangles = False
                    continue
                rest = piece if found or element else without_lead(piece)
                if (found or element) and explains(rest.lower()) and not _concludes_a_number(rest, given):
                    return [*found, element] if element else found, joint
                if _MORE.fullmatch(rest.lower()) and (element or found):
                    element.append(("words", rest))
                    continue
                position = 0
                for match in _JOINTS.finditer(rest.lower()):
                    before = rest[position : match.start()].strip()
                    if before:
                        element.append(("words", before))
                    if element:
                        found.append(element)
                    element, position, joint = [], match.end(), "or" if "or" in match[0] else "and"
                tail = rest[position:].strip()
                dangles = bool(position) and not tail
                if tail:
                    element.append(("words", tail))
            if element:
                found.append(element)
        return [*found, [("words", joint)]] if dangles else found, joint  # "5 or", and no more

    def turned(self, elements: Sequence[Sequence[Part]]) -> Value:
        """ "not 5 but 7" is 7, "5 and not 6" is 5; what else says between, from or not is a text."""
        denied = [element[0][1].lower() for element in elements[1:] if element[0][0] == "words"]
        if len(denied) == len(elements) - 1 and all(each.startswith("not") for each in denied) and denied:
            return self.element(elements[0])
        flat = [part for element in elements for part in element]
        for place, (kind, piece) in enumerate(flat):
            denied = " ".join(words for sort, words in flat[:place] if sort == "words").lower()
            if kind == "words" and re.fullmatch(r"but(?: rather)?", piece.lower()) and _NOT.fullmatch(denied):
                return self.element(flat[place + 1 :])
        return self.text()

    def element(self, parts: Sequence[Part]) -> Value:
        parts = list(parts)
        if not parts:
            return self.text()
        if len(parts) > 1 and parts[0][0] == "words" and not without_lead(parts[0][1]):
            return self.element(parts[1:])
        if len(parts) > 1 and parts[0][0] == "maths" and parts[0][1] in (":", "=", "-"):
            return self.element(parts[1:])
        kind, first = parts[0]
        if len(parts) == 3 and [kind for kind, _ in parts] == ["maths", "words", "maths"] and parts[1][1] == "to":
            sides = tuple(map(self.expression, (first, parts[2][1])))
            return Ratio(self.latex, sides) if all(isinstance(side, Number) for side in sides) else self.text()
        if len(parts) > 1 and expressions.relates(_latex_of(parts)) and not self.is_bound(parts):
            relation = expressions.read_relation(_latex_of(parts), read_common)
            if relation is not None:
                return relation
        if kind == "maths":
            return self.expression(first) if len(parts) == 1 else self.with_words(first, parts[1:])
        words = without_lead(first.lower())
        if len(parts) == 1:
            return self.of_words(first)
        if not words:
            return self.element(parts[1:])
        if words in ("minus", "negative") and parts[1][0] == "maths":
            return self.element([("maths", f"-{parts[1][1]}"), *parts[2:]])
        if words in _BOUND:
            return self.bound(_BOUND[words], parts[1:])
        if "but" in words or any(piece.lower() in ("but", "but rather") for kind, piece in parts if kind == "words"):
            return self.turned([parts])
        unit = read_unit(first.replace("US", "$") if first == "US" else first)
        if unit is not None and parts[1][0] == "maths" and len(parts) == 2:
            value = self.expression(parts[1][1])
            if isinstance(value, Number) and (value.unit is None or first == "US"):
                return expressions.replaced(value, unit=value.unit or unit)
        return self.text()

    def is_bound(self, parts: Sequence[Part]) -> bool:
        return parts[0][0] == "words" and without_lead(parts[0][1].lower()) in _BOUND

    def bound(self, sign: str, rest: Sequence[Part]) -> Value:
        value = self.element(rest)
        if isinstance(value, Number):
            return expressions.read_relation(f"x {sign} {value.latex}", self.expression) or self.text()
        return self.text()

    def of_words(self, words: str) -> Value:
        bare = without_lead(words)
        lower = plain(bare)
        if lower in _ALL_REALS:
            return expressions.REALS
        if lower in _NONE:
            return Several("\\emptyset", (), is_set=True)
        if lower in _INFINITE:
            return expressions.read_number("\\infty") or self.text()
        stated = _stated_in_words(lower)
        if stated is not None:
            return stated
        option = _OPTION.fullmatch(bare)
        if option:
            return Letter(option[1], option[1].upper() if option[1].isupper() or len(words) > 3 else option[1])
        return Text(self.latex, normal_text(bare or words))

    def with_words(self, maths: str, rest: Sequence[Part]) -> Value:
        """A value and what is said behind it: its unit, what was counted, or something that makes it another one."""
        quantity = expressions.read_number(_latex_of([("maths", maths), *rest]))
        if quantity is not None:
            return quantity
        words = rest[0][1]
        lower = words.lower()
        if _BASE.fullmatch(lower) and len(rest) == 2 and rest[1][1].isdigit():
            return expressions.in_base(maths, rest[1][1], self.latex) or self.text()
        if explains(lower) or (is_idle(lower) and len(rest) == 1):
            return self.expression(maths)
        value = self.expression(maths)
        if not isinstance(value, Number):
            time = expressions.clock(f"{maths}{words}") if len(rest) == 1 else None
            return time or self.text()
        more = _MORE.fullmatch(lower)
        if more and len(rest) == 1 and (not more["noun"] or is_counted(more["noun"], False) or read_unit(more["noun"])):
            sign = "\\geq" if more["up"] or more["least"] else "\\leq"
            return self.bound(sign, [("maths", maths)])
        return self.counted(value, words, rest)

    def counted(self, value: Number, words: str, rest: Sequence[Part]) -> Value:
        first, _, others = words.partition(" ")
        multiple = MULTIPLES.get(first.lower().rstrip("s")) or MULTIPLES.get(first.lower())
        if multiple is not None:
            made = expressions.times(value, multiple, self.latex)
            if len(rest) > 1:
                return self.text()
            return made if not others or is_idle(others.lower()) else self.counted(made, others, [("words", others)])
        if first.lower().rstrip(".") in ("percent", "percentage", "pct", "per") and (
            not others or (first.lower() == "per" and others.lower() == "cent")
        ):
            return self.text() if len(rest) > 1 else expressions.replaced(value, percent=True, latex=value.latex)
        if len(rest) > 1:
            return self.more(value, words, rest)
        lower = words.lower()
        if is_idle(lower):
            return value
        one = value.value.fraction is not None and abs(value.value.fraction) <= 1
        if is_counted(lower, one):
            return expressions.replaced(value, noun=plain(lower))
        return self.text()

    def more(self, value: Number, words: str, rest: Sequence[Part]) -> Value:
        """What follows a number, its word, and more: 2 hours 30 minutes, or an explanation."""
        for place, (kind, piece) in enumerate(rest):
            if kind == "words" and concludes(piece.lower()) and place + 1 < len(rest):
                return self.text()  # 5 each, so 10
            if kind == "words" and explains(piece.lower()):
                shortened = rest[:place]
                return self.with_words(value.latex, shortened) if shortened else value
        unit = read_unit(words)
        if unit is not None and rest[1][0] == "maths":
            compound = _compound((expressions.replaced(value, unit=unit), self.element(rest[1:])))
            if compound is not None:
                return compound
        return self.text()

    def expression(self, maths: str) -> Value:
        return expressions.read_expression(maths, read_common)


def _flat(value: Value) -> tuple[Value, ...]:
    return value.elements if isinstance(value, Several) and not value.is_set else (value,)


def _latex_of(parts: Sequence[Part]) -> str:
    return " ".join(piece if kind == "maths" else f"\\text{{{piece}}}" for kind, piece in parts)


def _without_asides(latex: str) -> str:
    r"""Without what only explains, in brackets behind the value: "(since 3 * 4 = 12)", "(\approx 1.41)", "(x = 5)"."""
    base = _IN_BASE.search(latex)
    if base:
        return f"{latex[: base.start()]} \\text{{base}} {base[1]}"
    for aside in _ASIDE.finditer(latex):
        if aside[1] is not None and not _only_explains(aside[1].lower(), latex[: aside.start()].strip()):
            continue
        if aside[2] is not None and aside[2].strip() != latex[: aside.start()].strip():
            continue
        end = expressions.closing(latex, latex.index("(", aside.start()))
        if aside.start() and end is not None:
            return _without_asides(latex[: aside.start()] + latex[end + 1 :])
    return latex


def _concludes_a_number(words: str, parts: Sequence[Part]) -> bool:
    """5 each, so 10: what follows is another answer, no explanation."""
    kind, last = parts[-1]
    return (
        (concludes(words.lower()) or words.lower() in ("ie", "i.e", "i.e.", "that is", "or rather"))
        and kind == "maths"
        and expressions.read_number(last) is not None
    )


def _only_explains(words: str, value: str) -> bool:
    """Whether words in brackets behind a value say no other one: "by symmetry", "five" behind 5."""
    said = number_in_words(words)
    if said is not None:
        return value == str(said)
    return (
        explains(words)
        or is_idle(words)
        or not without_lead(words)
        or words.startswith(("by ", "from ", "via ", "after ", "see "))
    )


def _stated_in_words(words: str) -> Number | None:
    """Twenty-one, and twenty-one apples."""
    said = number_in_words(words)
    pieces = words.split()
    for place in range(len(pieces) - 1, 0, -1):
        if said is not None:
            break
        counted = " ".join(pieces[place:])
        if is_idle(counted) or is_counted(counted, pieces[:place] in (["one"], ["zero"])):
            said = number_in_words(" ".join(pieces[:place]))
    return None if said is None else expressions.read_number(f"\\frac{{{said.numerator}}}{{{said.denominator}}}")


def _without_shared_name(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """x = 1, 2, 3 and x = 1, x = 2 and x_1 = 1, x_2 = 2 are lists of values."""
    names = [value.name for value in values if isinstance(value, Named)]
    heads = {re.sub(r"_(?:\{[^{}]*\}|\w)$", "", name) for name in names}
    first = isinstance(values[0], Named)
    if first and len(names) == 1 and len(values) > 1 and not any(isinstance(v, Text) for v in values):
        head = values[0]
        return (head.value, *values[1:]) if isinstance(head, Named) else values
    if len(names) == len(values) and len(heads) == 1:
        return tuple(value.value for value in values if isinstance(value, Named))
    return values


def _with_shared_unit(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """5 and 7 cm: both are in cm."""
    last = values[-1]
    if not isinstance(last, Number) or last.unit is None or last.loose_unit:
        return values
    if all(isinstance(value, Number) and value.unit is None for value in values[:-1]):
        return tuple(expressions.replaced(v, unit=last.unit) if isinstance(v, Number) else v for v in values)
    return values


def _compound(values: Sequence[Value]) -> Number | None:
    """2 h 30 min as 2.5 h; None where the second is not a smaller unit of the same."""
    a, b = values
    if not isinstance(a, Number) or not isinstance(b, Number) or a.unit is None or b.unit is None:
        return None
    if a.unit.dimension != b.unit.dimension or a.unit.factor <= b.unit.factor:
        return None
    total = a.value + b.value * Real.rational(b.unit.factor / a.unit.factor)
    return expressions.replaced(a, value=total, decimals=None, latex=a.latex)


def normal_text(latex: str) -> str:
    """The form in which texts are compared: words and maths without their marks, "15 March" as "March 15"."""
    text = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", latex)
    words = plain(re.sub(r"[{}\\]", "", re.sub(r"\s*([,;:()=<>+*/^-])\s*", r"\1", text)))
    date = re.fullmatch(r"([0-9]{1,2})(?: of)? ([a-z]+)(,? [0-9]{4})?", words)
    if date and any(month.startswith(date[2][:3]) for month in _MONTHS):
        words = f"{date[2]} {date[1]}{date[3] or ''}"
    bracketed = re.fullmatch(r"\(([^()]*)\)", words)
    return bracketed[1] if bracketed else words
