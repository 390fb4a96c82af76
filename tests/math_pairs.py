r"""(gold, answer) pairs from the golds of the six math benchmarks: the same answer written otherwise, or another one.

Each pair knows what it is by construction: a rewriting keeps the value, a mutation changes it (where both are plain
numbers this is checked with `Fraction`). So where two graders differ, the construction says who is right, without
asking either. Deterministic for a seed. Left out: verdicts; golds are not repeated here, they are read from the files.
"""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from move37.config import ProblemsConfig
from move37.problems import load_problems

BENCHMARKS = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
SETS = ("aime24", "amc23", "math500", "minerva", "olympiadbench", "gsm8k")

Change = Callable[[str, random.Random], str | None]
"""A gold, changed; None where the change does not apply."""
REWRITINGS: dict[str, Change] = {}
MUTATIONS: dict[str, Change] = {}


@dataclass(frozen=True, slots=True)
class Pair:
    gold: str
    answer: str
    kind: str
    same: bool
    """Whether the answer is right, by construction."""


def golds() -> list[str]:
    """Every distinct reference of the six sets, in order."""
    problems = load_problems(tuple(ProblemsConfig(benchmark=name, path=BENCHMARKS) for name in SETS))
    return list(dict.fromkeys(reference for problem in problems for reference in problem.references))


def pairs(golds: list[str], count: int, seed: int = 0) -> list[Pair]:
    """`count` distinct pairs: every applicable change of every gold, in an order drawn from `seed`, cut off."""
    found: dict[tuple[str, str], Pair] = {}
    for gold in golds:
        for pair in _changed(
            gold, golds, random.Random(f"{seed} {gold}")
        ):  # a gold's pairs do not depend on the others
            found.setdefault((pair.gold, pair.answer), pair)
    drawn = list(found.values())
    random.Random(seed).shuffle(drawn)
    return drawn[:count]


def _changed(gold: str, golds: list[str], rng: random.Random) -> Iterator[Pair]:
    yield Pair(gold, gold, "as it stands", True)
    for kind, change in REWRITINGS.items():
        answer = change(gold, rng)
        if answer is not None and answer != gold:
            yield Pair(gold, answer, kind, True)
    others = [(f"another gold {i}", rng.choice(golds)) for i in range(4)]
    changes = ((kind, change(gold, rng)) for kind, change in MUTATIONS.items())
    for kind, answer in (*changes, *others):
        if answer is not None and _is_another(gold, answer):
            yield Pair(gold, answer, kind.rstrip(" 0123456789"), False)


def _is_another(gold: str, answer: str) -> bool:
    value = number(answer)
    return value != number(gold) if value is not None else _skeleton(answer) != _skeleton(gold)


def known_difference(pair: Pair) -> str | None:
    """Where Math-Verify 0.9 is known to differ from the construction, and why; None where it should not."""
    either = f"{pair.gold} {pair.answer}"
    if re.search(r"\d_\{?\d", either):
        return "it does not look at the base of a number"
    if re.search(r"\de-?\d", either):
        return "it reads 1e5 as a product with Euler's number"
    if re.search(r"10\^\{-\d", either):
        return "it rounds to six decimals, which makes all tiny numbers equal"
    if re.search(r"(?<![A-Za-z])E_", either):
        return "it takes E_1 for Euler's number"
    if re.search(r"\\hbar|\\odot|_\{\\(?:max|text)", either):
        return "it cannot read this letter or subscript, and takes a stray number instead"
    if re.search(r"\d\s?i(?![A-Za-z])", either):
        return "it sees that letters are complex only where an i stands alone"
    if re.search(r"\\[,;!]", either):
        return "it adds up digits on both sides of a thin space (1\\,920 is 921), or cannot read it"
    if re.search(r"\\times\s*10\^", either):
        return _UNREAD["scientific notation"]
    if pair.kind in _UNREAD:
        return _UNREAD[pair.kind]
    return None


_UNREAD = {
    "final full stop": "it cannot read a number that ends in a point",
    "scientific notation": "it makes 1.1 * 10^4 a float, and SymPy's 11000.0 is not 11000",
    "word beside a number": "it knows apples and hours, but reads 'dollars' as a product of letters",
    "percent in words": "it drops the word as a unit, and 62.5 is not 62.5%",
    "set in braces": "it does not order a set of tuples",
}


def rewriting(kind: str) -> Callable[[Change], Change]:
    return lambda change: REWRITINGS.setdefault(kind, change)


def mutation(kind: str) -> Callable[[Change], Change]:
    return lambda change: MUTATIONS.setdefault(kind, change)


# -- what a gold is ----------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
_FRACTION = re.compile(r"(-?)\\frac\{(\d+)\}\{(\d+)\}|(-?)(\d+)/(\d+)")
_LETTERS = re.compile(r"(?<!\\)(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")


def number(text: str) -> Fraction | None:
    """The value of an integer, a decimal or a fraction."""
    text = _bare(text)
    text = re.sub(r"\\times10\^\{(-?\d+)\}", r"e\1", text)
    if _NUMBER.fullmatch(text):
        return Fraction(text)  # also of "1.70e4"
    match = _FRACTION.fullmatch(text)
    if match is None:
        return None
    sign, over, under = match.groups()[:3] if match[2] else match.groups()[3:]
    return Fraction(int(over), int(under)) * (-1 if sign else 1) if int(under) else None


def _bare(text: str) -> str:
    return text.replace(" ", "").replace("\\!", "").replace("{,}", "").replace("\\left", "").replace("\\right", "")


def _skeleton(text: str) -> str:
    """What remains if nothing but letters, digits and signs is looked at, in order of the alphabet."""
    return "".join(sorted(re.sub(r"\\(?:text|mbox|left|right|dfrac|tfrac|frac)|[^\w+\-,()\[\]]", "", text.lower())))


def _elements(gold: str) -> tuple[str, list[str], str] | None:
    r"""("(", ["1", "\frac{1}{2}"], ")") of a tuple, set or list with at least two parts."""
    tight = gold.replace("\\left", "").replace("\\right", "").strip()
    if re.search(r"\\!|\\\$|\{,\}", gold) or re.fullmatch(r"\d{1,3}(,\d{3})+", tight):
        return None  # thousands
    opening, closing, inner = "", "", tight
    for left, right in (("(", ")"), ("[", "]"), ("(", "]"), ("[", ")"), ("\\{", "\\}")):
        if tight.startswith(left) and tight.endswith(right) and _balanced(tight[len(left) : -len(right)]):
            opening, closing, inner = left, right, tight[len(left) : -len(right)]
    parts, depth, start = [], 0, 0
    for i, sign in enumerate(inner):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append(inner[start:i].strip())
            start = i + 1
    parts.append(inner[start:].strip())
    return (opening, parts, closing) if len(parts) > 1 and "" not in parts and "\\text" not in gold else None


def _balanced(text: str) -> bool:
    depth = 0
    for sign in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        if depth < 0:
            return False
    return depth == 0


def _only_in_numbers(change: Change) -> Change:
    return lambda gold, rng: change(gold, rng) if number(gold) is not None else None


def _joined(parts: tuple[str, list[str], str], elements: list[str], comma: str = ", ") -> str:
    return parts[0] + comma.join(elements) + parts[2]


# -- rewritings --------------------------------------------------------------------------------------------------------


def _replace(old: str, new: str) -> Change:
    return lambda gold, rng: gold.replace(old, new)


for _kind, _old, _new in [
    ("dfrac", "\\frac", "\\dfrac"),
    ("tfrac", "\\frac", "\\tfrac"),
    ("cfrac", "\\frac", "\\cfrac"),
    ("times for cdot", "\\cdot", "\\times"),
    ("cdot for times", "\\times", "\\cdot"),
    ("degrees in braces", "^\\circ", "^{\\circ}"),
    ("degrees left out", "^\\circ", ""),
    ("commas without space", ", ", ","),
    ("mbox for text", "\\text{", "\\mbox{"),
    ("textbf for text", "\\text{", "\\textbf{"),
    ("infinity with a sign", ",\\infty", ",+\\infty"),
    ("geq for ge", "\\geqslant", "\\geq"),
]:
    REWRITINGS[_kind] = _replace(_old, _new)


@rewriting("commas with space")
def _comma_space(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    return _joined(parts, parts[1]) if parts and "\\pm" not in gold else None


@rewriting("left and right")
def _left_right(gold: str, rng: random.Random) -> str | None:
    if "\\left" in gold:
        return gold.replace("\\left", "").replace("\\right", "")
    return re.sub(r"(?<!\\)([(\[])", r"\\left\1", re.sub(r"([)\]])", r"\\right\1", gold)) if _balanced(gold) else None


@rewriting("spaces added")
def _spaced(gold: str, rng: random.Random) -> str | None:
    if "\\text" in gold or "\\mbox" in gold or "begin" in gold:
        return None
    return re.sub(r"(?<=[\w})])([+\-=])(?=[\w\\({])", r" \1 ", gold)


@rewriting("spaces left out")
def _unspaced(gold: str, rng: random.Random) -> str | None:
    if "\\text" in gold or "\\mbox" in gold or not re.search(r"\\|,", gold):
        return None
    return re.sub(r"(?<![A-Za-z]) | (?![A-Za-z0-9])", "", gold)


@rewriting("thin spaces")
def _thin(gold: str, rng: random.Random) -> str | None:
    return (
        gold.replace(", ", ",\\, ").replace(" ", "\\; ", 1) if "\\begin" not in gold and "\\text" not in gold else None
    )


@rewriting("displaystyle")
def _display(gold: str, rng: random.Random) -> str | None:
    return "\\displaystyle " + gold if "\\frac" in gold else None


@rewriting("fraction by a slash")
@_only_in_numbers
def _slash(gold: str, rng: random.Random) -> str | None:
    return re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\1/\2", gold)


@rewriting("fraction without braces")
def _unbraced(gold: str, rng: random.Random) -> str | None:
    return re.sub(r"\\frac\{(\d)\}\{(\d)\}(?!\d)", r"\\frac\1\2", gold)


@rewriting("fraction with an unreduced form")
@_only_in_numbers
def _unreduced(gold: str, rng: random.Random) -> str | None:
    value, factor = number(gold), rng.randint(2, 9)
    if value is None or value.denominator == 1:
        return None
    sign = "-" if value < 0 else ""
    return f"{sign}\\frac{{{abs(value.numerator) * factor}}}{{{value.denominator * factor}}}"


@rewriting("sign inside the fraction")
def _sign_inside(gold: str, rng: random.Random) -> str | None:
    return re.sub(r"^-\\frac\{([^{}]+)\}", r"\\frac{-\1}", gold)


@rewriting("sign under the fraction")
def _sign_under(gold: str, rng: random.Random) -> str | None:
    return re.sub(r"^-\\frac\{(\d+)\}\{(\d+)\}$", r"\\frac{\1}{-\2}", gold)


@rewriting("decimal")
@_only_in_numbers
def _decimal(gold: str, rng: random.Random) -> str | None:
    value = number(gold)
    if value is None or 10**6 % value.denominator or value.denominator == 1:
        return None
    text = f"{float(value):.6f}".rstrip("0")
    return text if Fraction(text) == value else None


@rewriting("decimal with zeros")
@_only_in_numbers
def _zeros(gold: str, rng: random.Random) -> str | None:
    if gold.lstrip("-").isdigit():
        return gold + ".00"
    return gold + "0" if "." in gold and "e" not in gold else None


@rewriting("fraction for a decimal")
@_only_in_numbers
def _as_fraction(gold: str, rng: random.Random) -> str | None:
    value = number(gold)
    if value is None or "." not in gold:
        return None
    return f"{'-' if value < 0 else ''}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


@rewriting("whole number over one")
@_only_in_numbers
def _over_one(gold: str, rng: random.Random) -> str | None:
    return f"\\frac{{{gold}}}{{1}}" if gold.isdigit() else None


@rewriting("mixed number")
@_only_in_numbers
def _mixed(gold: str, rng: random.Random) -> str | None:
    value = number(gold)
    if value is None or value.denominator == 1 or abs(value) < 1:
        return None
    whole, rest = divmod(abs(value.numerator), value.denominator)
    return f"{'-' if value < 0 else ''}{whole}\\frac{{{rest}}}{{{value.denominator}}}"


@rewriting("scientific notation")
@_only_in_numbers
def _scientific(gold: str, rng: random.Random) -> str | None:
    if not gold.isdigit() or len(gold) < 3:
        return None
    mantissa = f"{gold[0]}.{gold[1:]}".rstrip("0").rstrip(".")
    return rng.choice((f"{mantissa} \\times 10^{{{len(gold) - 1}}}", f"{mantissa}e{len(gold) - 1}"))


def _thousands(separator: str) -> Change:
    def change(gold: str, rng: random.Random) -> str | None:
        return f"{int(gold):,}".replace(",", separator) if gold.isdigit() and 1000 <= int(gold) < 10**15 else None

    return change


for _kind, _separator in [
    ("thousands by comma", ","),
    ("thousands by comma in braces", "{,}"),
    ("thousands by thin space", "\\,"),
    ("thousands by tightened comma", ",\\!"),
]:
    REWRITINGS[_kind] = _thousands(_separator)


def _around(before: str, after: str) -> Change:
    def change(gold: str, rng: random.Random) -> str | None:
        return before + gold + after if number(gold) is not None and "/" not in gold else None

    return change


for _kind, _start, _end in [
    ("degrees added", "", "^\\circ"),
    ("unit in text", "", "\\text{ cm}"),
    ("square unit in text", "", " \\text{ cm}^2"),
    ("unit in mathrm", "", " \\, \\mathrm{m}"),
    ("word in text", "", " \\text{ dollars}"),
    ("dollar sign", "\\$", ""),
    ("plus sign", "+", ""),
    ("brackets around", "(", ")"),
    ("braces around", "{", "}"),
    ("final full stop", "", "."),
]:
    REWRITINGS[_kind] = _around(_start, _end)


@rewriting("word beside a number")
def _word(gold: str, rng: random.Random) -> str | None:
    return gold + rng.choice((" dollars", " apples", " hours", " square feet", " cm")) if gold.isdigit() else None


@rewriting("name and equals sign")
def _named(gold: str, rng: random.Random) -> str | None:
    plain = number(gold) is not None or re.fullmatch(r"[\d\\{}a-z]*(?:sqrt|pi)[\d\\{}a-z]*", gold)
    return rng.choice(("x = ", "x=", "n = ", "S = ")) + gold if plain else None


@rewriting("percent sign left out")
def _no_percent(gold: str, rng: random.Random) -> str | None:
    return gold.replace("\\%", "") if re.fullmatch(r"\d+\\%", gold) else None


@rewriting("percent as a decimal")
def _percent_decimal(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\\%", gold)
    return str(float(Fraction(match[1]) / 100)) if match else None


@rewriting("percent in words")
def _percent_words(gold: str, rng: random.Random) -> str | None:
    return gold.replace("\\%", "\\text{ percent}") if gold.endswith("\\%") else None


@rewriting("set in another order")
def _reordered(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    if parts is None or parts[0] not in ("", "\\{"):
        return None
    return _joined(parts, parts[1][1:] + parts[1][:1])


@rewriting("set in braces")
def _braced(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    if parts is None or parts[0] or any("=" in part for part in parts[1]):
        return None
    return "\\{" + ", ".join(parts[1]) + "\\}"


@rewriting("list with a last and")
def _with_and(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    if parts is None or parts[0]:
        return None
    return ", ".join(parts[1][:-1]) + rng.choice((" \\text{ and } ", " and ", " \\text{ or } ")) + parts[1][-1]


@rewriting("plus-minus for two values")
def _plus_minus(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    values = [number(part) for part in parts[1]] if parts and not parts[0] else []
    if len(values) != 2 or None in values:
        return None
    low, high = sorted(value for value in values if value is not None)
    middle, spread = (low + high) / 2, (high - low) / 2
    return f"{_latex(middle)} \\pm {_latex(spread)}" if middle else f"\\pm {_latex(spread)}"


@rewriting("decimals in a tuple or set")
def _decimal_elements(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    if parts is None:
        return None
    decimals = [_decimal(part, rng) if number(part) is not None else None for part in parts[1]]
    return _joined(parts, [decimal or part for decimal, part in zip(decimals, parts[1], strict=True)])


@rewriting("root without braces")
def _root_unbraced(gold: str, rng: random.Random) -> str | None:
    return re.sub(r"\\sqrt\{(\d)\}", r"\\sqrt\1", gold)


@rewriting("factor under the root")
def _under_root(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"(\d+)\\sqrt\{(\d+)\}", gold)
    return f"\\sqrt{{{int(match[1]) ** 2 * int(match[2])}}}" if match else None


@rewriting("root as a power")
def _as_power(gold: str, rng: random.Random) -> str | None:
    return re.sub(r"\\sqrt\{(\d+)\}", r"\1^{1/2}", gold) if re.fullmatch(r"\\sqrt\{\d+\}", gold) else None


@rewriting("root rationalised")
def _rationalised(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"\\frac\{\\sqrt\{(\d+)\}\}\{(\d+)\}", gold)
    return f"\\frac{{{match[1]}}}{{{match[2]}\\sqrt{{{match[1]}}}}}" if match else None


@rewriting("fraction before the root or pi")
def _before(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"\\frac\{(\d*)(\\sqrt\{\d+\}|\\pi)\}\{(\d+)\}", gold)
    return f"\\frac{{{match[1] or 1}}}{{{match[3]}}}{match[2]}" if match else None


@rewriting("slash for a fraction of pi or a root")
def _pi_slash(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"\\frac\{(\d*(?:\\sqrt\{\d+\}|\\pi))\}\{(\d+)\}", gold)
    return f"{match[1]}/{match[2]}" if match else None


@rewriting("times one")
def _times_one(gold: str, rng: random.Random) -> str | None:
    return f"1 \\cdot {gold}" if number(gold) is not None and not gold.startswith("-") and "/" not in gold else None


@rewriting("sum for a number")
def _as_sum(gold: str, rng: random.Random) -> str | None:
    return f"{int(gold) - 1}+1" if gold.isdigit() and gold != "0" else None


@rewriting("first term last")
def _first_last(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"([\w^{}\\]+?)\s*([+-])\s*([\w^{}\\]+)", gold)
    if match is None or "text" in gold or "e-" in gold or not _LETTERS.search(gold):
        return None
    if not all(match[side].count("{") == match[side].count("}") for side in (1, 3)):
        return None
    return f"{'-' if match[2] == '-' else ''}{match[3]}+{match[1]}"


@rewriting("words without text")
def _without_text(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"\\text\{([A-Za-z0-9 ]+)\}", gold)
    return match[1] if match else None


@rewriting("words in capitals")
def _capitals(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"\\text\{([A-Za-z]+)\}", gold)
    return f"\\text{{{match[1].swapcase()}}}" if match and len(match[1]) > 2 else None


def _latex(value: Fraction) -> str:
    sign = "-" if value < 0 else ""
    over, under = abs(value.numerator), value.denominator
    return f"{sign}{over}" if under == 1 else f"{sign}\\frac{{{over}}}{{{under}}}"


# -- mutations ---------------------------------------------------------------------------------------------------------


@mutation("digit changed")
def _digit_changed(gold: str, rng: random.Random) -> str | None:
    places = [i for i, sign in enumerate(gold) if sign.isdigit()]
    if not places or "mbox" in gold:
        return None
    place = rng.choice(places)
    digit = rng.choice([d for d in "123456789" if d != gold[place]])
    return gold[:place] + digit + gold[place + 1 :]


@mutation("digit added")
def _digit_added(gold: str, rng: random.Random) -> str | None:
    match = re.search(r"\d+", gold)
    return gold[: match.end()] + rng.choice("123456789") + gold[match.end() :] if match and "." not in gold else None


@mutation("one more")
@_only_in_numbers
def _one_more(gold: str, rng: random.Random) -> str | None:
    return str(int(gold) + 1) if gold.isdigit() else None


@mutation("sign flipped")
def _sign_flipped(gold: str, rng: random.Random) -> str | None:
    if number(gold) is not None:
        return gold[1:] if gold.startswith("-") else f"-{gold}" if number(gold) else None
    parts = _elements(gold)
    if parts is None or number(parts[1][0]) in (None, 0):
        return None
    flipped = _sign_flipped(parts[1][0], rng)
    changed = [flipped or "", *parts[1][1:]]
    return _joined(parts, changed) if sorted(changed) != sorted(parts[1]) else None


@mutation("element dropped")
def _dropped(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    if parts is None or len(set(parts[1])) < len(parts[1]):
        return None
    return _joined(parts, parts[1][:-1])


@mutation("element added")
def _added(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    return _joined(parts, [*parts[1], str(rng.randint(10**4, 10**5))]) if parts else None


@mutation("elements of a tuple swapped")
def _swapped(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    if parts is None or parts[0] != "(" or parts[1][0] == parts[1][1] or "infty" in gold:
        return None
    return _joined(parts, [parts[1][1], parts[1][0], *parts[1][2:]])


@mutation("interval end opened or closed")
def _opened(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    if parts is None or len(parts[1]) != 2 or parts[0] not in ("(", "[") or "infty" in gold:
        return None
    return _joined(({"(": "[", "[": "("}[parts[0]], parts[1], parts[2]), parts[1])


@mutation("interval end moved")
def _moved(gold: str, rng: random.Random) -> str | None:
    parts = _elements(gold)
    last = number(parts[1][-1]) if parts else None
    return _joined(parts, [*parts[1][:-1], _latex(last + 1)]) if parts and last is not None and parts[0] else None


@mutation("fraction turned over")
def _inverted(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"(-?)\\frac\{([^{}]+)\}\{([^{}]+)\}", gold)
    return f"{match[1]}\\frac{{{match[3]}}}{{{match[2]}}}" if match and match[2] != match[3] else None


@mutation("pi left out")
def _no_pi(gold: str, rng: random.Random) -> str | None:
    return re.sub(r"(?<=\d)\s*\\pi", "", gold) if re.search(r"\d\s*\\pi", gold) else None


@mutation("root left out")
def _no_root(gold: str, rng: random.Random) -> str | None:
    match = re.search(r"\\sqrt\{(\d+)\}", gold)
    return gold.replace(match[0], f"({match[1]})", 1) if match and int(match[1]) > 1 else None


@mutation("exponent changed")
def _exponent(gold: str, rng: random.Random) -> str | None:
    match = re.search(r"\^\{?(\d)\}?", gold) if "mbox" not in gold else None
    return gold[: match.start()] + f"^{{{int(match[1]) + 1}}}" + gold[match.end() :] if match else None


@mutation("ten times")
@_only_in_numbers
def _ten_times(gold: str, rng: random.Random) -> str | None:
    return gold + "0" if gold.isdigit() and gold != "0" else None


@mutation("rounded to a tenth")
@_only_in_numbers
def _rounded(gold: str, rng: random.Random) -> str | None:
    value = number(gold)
    return str(round(float(value), 1)) if value is not None and value.denominator not in (1, 2, 5, 10) else None


@mutation("plus sign turned")
def _plus_turned(gold: str, rng: random.Random) -> str | None:
    return gold.replace("+", "-", 1) if "+" in gold and _LETTERS.search(gold) and not gold.startswith("+") else None


@mutation("letter changed")
def _letter(gold: str, rng: random.Random) -> str | None:
    match = _LETTERS.search(gold)
    if match is None or "text" in gold or "begin" in gold or "=" in gold or gold.endswith("]"):
        return None
    other = "q" if match[0].lower() != "q" else "w"
    return gold[: match.start()] + other + gold[match.end() :]


@mutation("another base")
def _base(gold: str, rng: random.Random) -> str | None:
    match = re.fullmatch(r"(\d+)_\{?(\d)\}?", gold)
    return f"{match[1]}_{{{int(match[2]) + 1}}}" if match else None


@mutation("another word")
def _another_word(gold: str, rng: random.Random) -> str | None:
    return "\\text{neither}" if re.fullmatch(r"\\text\{[A-Za-z ]+\}", gold) else None
