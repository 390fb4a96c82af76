r"""Reads one expression in the common spelling: relations, ratios, sets, brackets, matrices, cases, formulas.

What stands inside brackets, and at the sides of a relation, is read by the reader that is passed in (`reading.py`).
"""

import re
from collections.abc import Callable
from fractions import Fraction

from move37.verifiers.constants import Real, differs
from move37.verifiers.quantities import (
    clock,
    decimal_comma,
    in_base,
    read_number,
    replaced,
    times,
)
from move37.verifiers.values import (
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
from move37.verifiers.words import OTHER_VALUE

__all__ = [
    "clock",
    "closing",
    "decimal_comma",
    "in_base",
    "read_expression",
    "read_number",
    "read_relation",
    "relates",
    "replaced",
    "times",
]

Read = Callable[[str], Value]

_BRACKETS = re.compile(
    r"\\[{}]|\\(?:langle|rangle|lfloor|rfloor|lceil|rceil)(?![A-Za-z])|\\(?:begin|end)\{[a-z]+\*?\}|[{}()\[\]]"
)
_OPENS = frozenset(("{", "(", "[", "\\{", "\\langle", "\\lfloor", "\\lceil"))
_SIGN = re.compile(r"\\(?:leq|geq|neq|approx|sim|in|notin|equiv|subset|subseteq)(?![A-Za-z])|[=<>]")
_JOIN = re.compile(r"\\(?:cup|cap|setminus)(?![A-Za-z])")
_COLON = re.compile(r":")
_COMMA = re.compile(r"[,;]")
_BAR = re.compile(r"\||:")
_PLUS_MINUS = re.compile(r"\\pm(?![A-Za-z])")
_MATRIX = re.compile(
    r"\s*[(\[]?\s*\\begin\{(pmatrix|bmatrix|matrix|smallmatrix|array|Bmatrix)\}(?:\{[clr"
    r"| ]*\})?(.*)\\end\{\1\}\s*[)\]]?\s*",
    re.DOTALL,
)
_TRANSPOSED = re.compile(r"(.*)\^\s*\{?\s*(?:T|\\top|\\text\{T\}|\\mathrm\{T\}|\\intercal)\s*\}?\s*", re.DOTALL)
_CASES = re.compile(r"\s*\\begin\{(?:cases|array)\}(?:\{[clr| ]*\})?(.*)\\end\{(?:cases|array)\}\s*", re.DOTALL)
_UNIT_VECTORS = re.compile(r"([+-]?)\s*([^+-]*?)\s*(?:\\cdot|\*)?\s*\\vec\{([ijk])\}\s*")
_NAMED_INTERVAL = re.compile(r"\s*[A-Za-z]\s*(\(.*\]|\[.*\))\s*")
_NAMED_POINT = re.compile(r"\s*[A-Z]\s*(\([^()]*,[^()]*\))\s*")
_TURNED_INTERVAL = re.compile(r"\s*([\[\]])([^\[\]]*[,;][^\[\]]*)([\[\]])\s*")
_DOTS = re.compile(r"\s*\\ldots\s*")
_REAL_LINE = re.compile(r"\s*(?:\\mathbb\{R\}|\\Re|\(\s*-\s*\\infty\s*,\s*\+?\s*\\infty\s*\))\s*")
_RESIDUE = re.compile(r"[+-]?[0-9]+\s*\(?\s*\\p?b?mod\s*\{?\s*[0-9]+\s*\}?\s*\)?")
"""5 mod 7: a class of numbers, which 5 is not."""
_LETTER = re.compile(r"\s*\(?\s*\{?\s*([A-Z])\s*\}?\s*\)?\s*\.?\s*")
REALS = SetExpression("\\mathbb{R}", ())

_SUBSCRIPT = r"(?:_(?:\{[^{}]*\}|[A-Za-z0-9]|\\[a-z]+))"
_PRIMES = r"(?:'|\^\s*\{?\s*(?:\\ast|\*|'+|\\prime)\s*\}?)*"
_SIMPLE_NAME = re.compile(
    rf"\s*(?:\\text\{{[^{{}}]*\}}|\\(?:vec|hat|bar|overline|tilde|mathbf|mathcal"
    rf"|mathbb|dot|ddot)\s*\{{[^{{}}]*\}}|\\[A-Za-z]+|[A-Za-z])"
    rf"{_SUBSCRIPT}?{_PRIMES}(?:\s*\([^()=]*\))?\s*"
)
_FREE_NAME = re.compile(
    r"\\(?:sum|prod|int|lim|max|min|sup|inf|gcd|det|deg|dim|ker|Pr|angle|triangle"
    r"|overline|widehat|operatorname|sin|cos|tan|cot|sec|csc|text|mathbb\{E\}"
    r"|mathbb\{P\})"
    r"(?![a-z])|\|[^|]*\||^[A-Z]{2,}$"
)
_NUMBER_IN_NAME = re.compile(r"(?<![A-Za-z_^{])[0-9]|\^\s*\{?[0-9A-Za-z]|^\s*-")
_LOWERED = re.compile(r"_(?:\{[^{}]*\}|[A-Za-z0-9])|\^\{[^{}]*\\ldots[^{}]*\}|\([^()]*\)|\\text\{[^{}]*\}")


def closing(latex: str, start: int) -> int | None:
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for bracket in _BRACKETS.finditer(latex, start):
        depth += 1 if bracket[0] in _OPENS or bracket[0].startswith("\\begin") else -1
        if depth == 0:
            return bracket.start()
    return None


def split(latex: str, separator: re.Pattern[str]) -> tuple[list[str], list[str]]:
    """What stands between separators outside all brackets, and the separators."""
    if not separator.search(latex):
        return [latex], []
    both = re.compile(f"(?:{_BRACKETS.pattern})|({separator.pattern})")
    pieces, found, depth, start = [], [], 0, 0
    for token in both.finditer(latex):
        if token[1] is None:
            depth += 1 if token[0] in _OPENS or token[0].startswith("\\begin") else -1
        elif depth == 0:
            pieces.append(latex[start : token.start()].strip())
            found.append(token[1])
            start = token.end()
    return [*pieces, latex[start:].strip()], found


def read_expression(latex: str, read: Read) -> Value:
    """The value of one expression; its words, if it has any, are in brackets."""
    latex = _trimmed(latex)
    number = read_number(latex)
    if number is not None:
        return number
    if _RESIDUE.fullmatch(latex):
        return Text(latex, "".join(latex.split()))
    for reader in (
        read_relation, _read_dots, _read_set_expression, _read_ratio, _read_plus_minus, _read_bracketed, _read_matrix,
        _read_cases, _read_unit_vectors, _read_letter,
    ):  # fmt: skip
        value = reader(latex, read)
        if value is not None:
            return value
    return Text(latex, " ".join(latex.split())) if "\\text" in latex else Formula(latex)


def _trimmed(latex: str) -> str:
    """Without signs that only lead to the value, and braces around all of it."""
    latex = re.sub(r"^(?:\s|=(?!=)|:|\\approx(?![A-Za-z])|\\sim(?![A-Za-z])|\\cdot\s|~)+", "", latex.strip())
    latex = latex.strip().removesuffix(".").strip()
    while latex.startswith("{") and closing(latex, 0) == len(latex) - 1:
        latex = latex[1:-1].strip()
    return latex


# -- relations -----------------------------------------------------------------------------------------------------


def relates(latex: str) -> bool:
    """Whether it is a relation."""
    return bool(split(latex, _SIGN)[1])


def read_relation(latex: str, read: Read) -> Value | None:
    """A chain of sides with signs between them: a named value, an equation or an inequality."""
    sides, signs = split(latex, _SIGN)
    if not signs or not all(sides):
        return None
    relation = Relation(latex, tuple(sides), tuple(signs))
    if "\\text" in latex and any(_is_statement(read(side), side) for side in sides):
        return Text(latex, " ".join(latex.split()))
    if set(signs) <= {"=", "\\approx", "\\sim", "\\equiv"}:
        return relation if "\\equiv" in signs else _equation(relation, read)
    if signs[-1] == "\\in" and len(signs) == 1:
        member = read(sides[1])
        return Named(latex, sides[0], member) if _SIMPLE_NAME.fullmatch(sides[0]) else relation
    return relation


def _is_statement(side: Value, latex: str) -> bool:
    """Whether the words of a side say more than a name: x = 5 or more, n if k = 1."""
    if "\\text" in latex and isinstance(side, (Relation, Several)):
        return True
    if not isinstance(side, Text):
        return False
    words = " ".join(re.findall(r"\\text\{([^{}]*)\}", latex)).lower().split()
    return (not _SIMPLE_NAME.fullmatch(latex) and bool(OTHER_VALUE & set(words))) or bool(re.match(r"\s*[0-9]", latex))


def _equation(relation: Relation, read: Read) -> Value:
    sides = list(relation.sides)
    values = [read(side) for side in sides]
    if isinstance(values[0], Number) and not isinstance(values[-1], Number) and len(sides) == 2:
        if _is_name(sides[1], values[0]) and not isinstance(values[1], Number):  # 5 = x
            return Named(relation.latex, _tight(sides[1]), values[0])
        return relation
    constants = [(i, value) for i, value in enumerate(values) if isinstance(value, Number)]
    if constants:
        return _named_constant(relation, sides, values, constants)
    last = values[-1]
    if isinstance(last, Relation):
        return relation
    if (len(sides) == 2 and _SIMPLE_NAME.fullmatch(sides[0])) or (
        _is_tuple_of_names(values[0]) and isinstance(last, Tuple)
    ):
        return Named(relation.latex, _tight(sides[0]), last)
    if not isinstance(last, Formula) and _is_name(sides[0], last):
        return Named(relation.latex, _tight(sides[0]), last)
    if len(sides) > 2 and _SIMPLE_NAME.fullmatch(sides[0]):
        return Named(relation.latex, _tight(sides[0]), last)
    return relation


def _named_constant(
    relation: Relation, sides: list[str], values: list[Value], constants: list[tuple[int, Number]]
) -> Value:
    """A name and its value, by way of other forms of it: x = 5, S = 2 + 3 = 5, P(A) = 1/3 = 0.333."""
    first, main = constants[0]
    exact = next((number for _, number in constants if number.decimals is None), main)
    about: list[Number] = []
    for place, number in constants:
        if number is exact:
            continue
        sign = relation.signs[place - 1] if place else "="
        if not _is_same(exact, number, sign):
            return relation
        if sign != "=" or number.decimals is not None:
            about.append(number)
    value = replaced(exact, approximations=tuple(about)) if about else constants[-1][1]
    if first == 0:
        return value if len(constants) == len(sides) else relation
    if constants[-1][0] != len(sides) - 1 or not _is_name(sides[0], value) or _is_tuple_of_names(values[0]):
        return relation
    return Named(relation.latex, _tight(sides[0]), value)


def _is_same(exact: Number, other: Number, sign: str) -> bool:
    """Whether a chain may state both: equal, or the one rounded to the digits that the other shows."""
    value = other.value * Real.rational(1) if not other.percent or exact.percent else other.value * _HUNDREDTH
    if differs(exact.value, value) is not True:
        return True
    if other.decimals is None or (sign == "=" and other.decimals < 1):
        return False
    places = other.decimals + (2 if other.percent and not exact.percent else 0)
    distance = (exact.value + -value).enclosure
    unit = Fraction(1, 10**places) if places >= 0 else Fraction(10**-places)
    return Fraction(max(abs(distance.low), abs(distance.high))) <= unit


def _is_name(side: str, value: Value) -> bool:
    """Whether it only says what the value at the other side is: x, f(2), |AB|, a + b, but not 2x, x^2 or -x."""
    if _SIMPLE_NAME.fullmatch(side):
        return True
    if isinstance(value, Number) and value.value.terms == {} and not _FREE_NAME.search(side):
        return False  # a + b = 0 is an equation
    if _FREE_NAME.search(side):
        return not re.match(r"\s*-|\s*[0-9]", side)
    if re.search(r"\\(?:sqrt|ln|log|exp|frac)", side):
        return False
    return not _NUMBER_IN_NAME.search(_LOWERED.sub("", side))


def _is_tuple_of_names(value: Value) -> bool:
    return isinstance(value, Tuple) and all(isinstance(each, (Formula, Letter)) for each in value.elements)


def _tight(latex: str) -> str:
    return re.sub(r"_\{(\w)\}", r"_\1", "".join(latex.split()))


# -- the others ----------------------------------------------------------------------------------------------------


def _read_dots(latex: str, read: Read) -> Value | None:
    return Dots("\\ldots") if _DOTS.fullmatch(latex) else None


def _read_set_expression(latex: str, read: Read) -> Value | None:
    if _REAL_LINE.fullmatch(latex):
        return REALS
    if latex.strip() == "\\emptyset":
        return Several(latex, (), is_set=True)
    pieces, signs = split(latex, _JOIN)
    if not signs or not all(pieces):
        return None
    return SetExpression(latex, tuple(read(piece) for piece in pieces), tuple(sign.strip() for sign in signs))


def _read_ratio(latex: str, read: Read) -> Value | None:
    pieces, signs = split(latex, _COLON)
    if not signs or not all(pieces):
        return None
    time = clock(latex)
    if time is not None and time.half:
        return time
    return Ratio(latex, tuple(read(piece) for piece in pieces), time)


def _read_plus_minus(latex: str, read: Read) -> Value | None:
    """A formula with one plus-minus sign, wherever it stands, is two values; \\mp is the other sign of the two."""
    if len(_PLUS_MINUS.findall(latex)) != 1:
        return None
    upper = re.sub(r"\\mp(?![A-Za-z])", "-", _PLUS_MINUS.sub("+", latex))
    lower = re.sub(r"\\mp(?![A-Za-z])", "+", _PLUS_MINUS.sub("-", latex))
    values = tuple(read(re.sub(r"^\s*\+", "", each)) for each in (upper, lower))
    flat: list[Value] = []
    is_set = all(isinstance(each, Several) and each.is_set for each in values)
    for value in values:
        for each in value.elements if isinstance(value, Several) else (value,):
            if not (is_set and any(each.latex == other.latex for other in flat)):
                flat.append(each)
    return Several(latex, tuple(flat), is_set)


def _read_bracketed(latex: str, read: Read) -> Value | None:
    named = _NAMED_INTERVAL.fullmatch(latex) or _NAMED_POINT.fullmatch(latex)  # t(0,4], which leaves out \in
    latex = named[1] if named else latex
    turned = _TURNED_INTERVAL.fullmatch(latex)
    if turned:  # ]0,1[
        latex = f"{'[' if turned[1] == '[' else '('}{turned[2]}{']' if turned[3] == ']' else ')'}"
    opening = next((o for o in ("\\{", "\\langle", "(", "[") if latex.startswith(o)), None)
    if opening is None:
        return None
    end = closing(latex, 0)
    if end is None:
        return None
    ending = latex[end:].strip()
    if ending not in ("\\}", "\\rangle", ")", "]"):
        return None
    inner = latex[len(opening) : end].strip()
    if opening == "\\{":
        return _read_set(latex, inner, read) if ending == "\\}" else None
    pieces, commas = split(inner, _COMMA)
    if not commas:
        value = read(inner)
        if opening == "[" and isinstance(value, Number):
            return value
        return value if opening == "(" and not isinstance(value, (Formula, Text)) else None
    if not all(pieces):
        return None
    elements: list[Value] = []
    for piece in pieces:
        value = read(piece)
        elements += value.elements if isinstance(value, Several) and not value.is_set else (value,)
    opening, ending = ("(", ")") if opening == "\\langle" else (opening, ending)
    return Tuple(latex, opening, ending, tuple(elements))


def _read_set(latex: str, inner: str, read: Read) -> Value | None:
    if not inner:
        return Several(latex, (), is_set=True)
    pieces, _ = split(inner, _BAR)
    if len(pieces) == 2 and _SIMPLE_NAME.fullmatch(re.sub(r"\\in.*", "", pieces[0])):
        value = read(pieces[1])  # {x | x > 2}
        if isinstance(value, Several):
            return Several(latex, value.elements, is_set=True)
        return (
            Several(latex, (value.value,), is_set=True)
            if isinstance(value, Named) and isinstance(value.value, Number)
            else value
        )
    value = read(inner)
    elements = value.elements if isinstance(value, Several) else (value,)
    return Several(latex, elements, is_set=True)


def _read_matrix(latex: str, read: Read) -> Value | None:
    transposed = _TRANSPOSED.fullmatch(latex)
    if transposed:
        matrix = read(transposed[1])
        if isinstance(matrix, Tuple):
            return Matrix(latex, tuple((element,) for element in matrix.elements))
        return Matrix(latex, tuple(zip(*matrix.rows, strict=False))) if isinstance(matrix, Matrix) else None
    found = _MATRIX.fullmatch(latex)
    if found is None or "\\begin" in found[2]:
        return None
    rows = [row for row in found[2].split("\\\\") if row.strip()]
    cells = tuple(tuple(read(cell.strip()) for cell in row.split("&")) for row in rows)
    return Matrix(latex, cells) if len({len(row) for row in cells}) == 1 else Text(latex, "".join(latex.split()))


def _read_cases(latex: str, read: Read) -> Value | None:
    found = _CASES.fullmatch(latex)
    if found is None:
        return None
    rows: list[tuple[Value, str]] = []
    for row in found[1].split("\\\\"):
        if row.strip():
            value, _, condition = row.partition("&")
            words = re.sub(r"\\text\{\s*(?:if|for|when|where)?\s*\}", " ", condition)
            rows.append((read(value.strip().rstrip(",;").strip()), _tight(words).strip(",.;")))
    return Piecewise(latex, tuple(rows))


def _read_unit_vectors(latex: str, read: Read) -> Value | None:
    r"""2\vec{i} + 3\vec{j} is (2, 3)."""
    if "\\vec{" not in latex:
        return None
    parts = list(_UNIT_VECTORS.finditer(latex))
    if not parts or "".join(part[0] for part in parts) != latex:
        return None
    found = {part[3]: read(f"{part[1].replace('+', '')}{part[2] or 1}") for part in parts}
    zero = read("0")
    names = "ijk" if "k" in found else "ij"
    return Tuple(latex, "(", ")", tuple(found.get(name, zero) for name in names))


def _read_letter(latex: str, read: Read) -> Value | None:
    match = _LETTER.fullmatch(latex)
    return Letter(match[1], match[1]) if match else None


_HUNDREDTH = read_number("0.01").value  # pyright: ignore[reportOptionalMemberAccess]
