r"""One spelling for what models write in many ways: `\textbf{204}`, "≈ 204", "1 4/5", "3 million", "0.\overline{3}".

Which text stands for which is decided here, for references and answers alike, before anything is parsed; what the
text is worth is decided later (`closed_forms.py`, Math-Verify). Everything is rewritten that has one reading only:
  formatting   `\mathbf{}`, `\boldsymbol{}`, `\large`, `\textcolor{}{}` ..., and `\text{}` around what holds a digit
  Unicode      π ∞ ∪ ≤ √ × · ² ½ and their like; a minus sign of any length
  openings     "= 5", "\approx 5", "\therefore 5"
  numbers      "1 4/5" is 1\frac{4}{5}, "58 500" is 58500, "0.1\overline{6}" is 1/6, "3 million" and "2 dozen" are
               products, "12^{\text{th}}" is 12, "(43)_6" is 43_6
  angles       \sin 30^\circ is \sin\frac{30\pi}{180}
  plus-minus   \frac{1 \pm \sqrt{5}}{2} is two values
  times        "4:30 \text{ p.m.}", "4:30 PM" (`clock`)
Left out: intervals in outward brackets, "0.333...", words for numbers.
"""

import re
from fractions import Fraction
from functools import lru_cache

_TEXT_COMMANDS = r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|mbox|math(?:bf|it|rm|sf|tt|normal)|operatorname)"
_INNER = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"
_WHOLE = re.compile(
    rf"(?:({_TEXT_COMMANDS})|\\(?:boldsymbol|bm|underline|fbox|boxed)|\\(?:text)?color\s*\{{[a-z]+\}})"
    rf"\s*\{{({_INNER})\}}"
)
_FORMATTED_NUMBER = re.compile(
    rf"(?<![_^])(?:{_TEXT_COMMANDS}|\\boldsymbol|\\bm)\s*\{{\s*((?:\\?\$)?[0-9][0-9.,]*)\s*\}}"
)
_OPENING = re.compile(
    r"(?:\\(?:therefore|approx|simeq|implies|Rightarrow|quad|bf|it|rm|tt|[lL]arge|LARGE|[hH]uge|displaystyle)(?![A-Za-z])"
    r"|\\[ ,;:!]|[=~\s])+"
)
_CLOSING = re.compile(r"(?:\s|\\[ ,;:!]|\\q?quad|\\checkmark|\\+|~)+\Z")
_ROMAN_CONSTANT = re.compile(r"\\(?:mathrm|rm|text)\s*\{\s*([ei])\s*\}(?![A-Za-z])")
_ROW_GAP = re.compile(r"\\\\\s*\[\s*-?[0-9.]+\s*(?:pt|em|ex|cm|mm)\s*\]")

_SIGNS = str.maketrans(
    {
        "\u2212": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2044": "/", "π": "\\pi ", "∞": "\\infty ",
        "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "∅": "\\emptyset ", "×": "\\times ", "·": "\\cdot ", "⋅": "\\cdot ",
        "÷": "\\div ", "±": "\\pm ", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "≈": "\\approx ", "½": "\\frac{1}{2}",
        "⅓": "\\frac{1}{3}", "⅔": "\\frac{2}{3}", "¼": "\\frac{1}{4}", "¾": "\\frac{3}{4}",
    }
)  # fmt: skip
_COMMANDS = {"\\varnothing": "\\emptyset ", "\\bigcup": "\\cup ", "\\colon": ":"}
_COMMAND = re.compile(r"\\(?:varnothing|bigcup|colon)(?![A-Za-z])")
_EMPTY_SET = re.compile(r"\\\{\s*\\\}")
_DASH_IN_FRONT = re.compile(r"(?:^|(?<=[(,=\[{]))(\s*)\u2013(?=\s*[0-9.\\A-Za-z])")
_ROOT = re.compile(r"√\s*(?:\(([^()]*)\)|\{([^{}]*)\}|([0-9]+|[A-Za-z]))")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")

_SPACED_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?: [0-9]{3})+(?:\.[0-9]+)?")
_MIXED = re.compile(r"([+-]?[0-9]+)(?:\s|\\[ ,;:]|~)+([0-9]+)\s*/\s*([0-9]+)")
_MULTIPLES = {
    "dozen": "12",
    "hundred": "10^{2}",
    "thousand": "10^{3}",
    "million": "10^{6}",
    "billion": "10^{9}",
    "trillion": "10^{12}",
}
_WORDS = r"(?:\s(?!(?:or|and|to|more|less|plus|minus)\b)[A-Za-z]+){0,3}"
_MULTIPLE = re.compile(
    r"((?:\\?\$\s*)?[+-]?(?:[0-9]{1,3}(?:(?:,|\{,\})[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?)(?:\s|\\[ ,;:]|~)*"
    rf"(?:(?:\\(?:text|mbox|textrm|mathrm)\s*\{{\s*)?({'|'.join(_MULTIPLES)})s?\b{_WORDS}\}}?\.?)"
)
_ORDINAL = re.compile(r"([0-9]+)\s*(?:\^\s*)?(?:\{\s*)?\\(?:text|mathrm|textrm)\s*\{\s*(?:st|nd|rd|th)\s*\}(?:\s*\})?")
_REPEATING = re.compile(r"(?<![0-9.])([0-9]*)\.([0-9]*)\\(?:overline|bar)\s*(?:\{\s*([0-9]+)\s*\}|([0-9]))(?![0-9])")
_BASE = re.compile(r"\(?\s*([0-9]+)\s*\)?\s*_\s*(?:\{\s*\(?([0-9]{1,2})\)?\s*\}|([0-9]))")
_ANGLE = re.compile(
    r"(\\(?:sin|cos|tan|cot|sec|csc)\s*(?:\^\s*\{?\s*[0-9]\s*\}?)?\s*(?:\\left)?\s*[({]?\s*)"
    r"([0-9]+(?:\.[0-9]+)?)\s*(?:\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|°)"
)
_NAME = re.compile(r"\s*[A-Za-z]\s*=(?![=>])")
_PLUS_MINUS = re.compile(r"\\pm(?![A-Za-z])")
_LABELLED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s*\{\s*\(?([A-Z])\)\s*\}(?:\s|\\[ ,;:]|\\quad|~)*(?=\S)")
_CLOCK = re.compile(r"(1[0-2]|0?[1-9]):([0-5][0-9])\s*(?:([ap])\.?\s?m?\.?)?")


@lru_cache(maxsize=4096)
def common(latex: str) -> str:
    """`latex` in the spelling that the readers know. Worth the same, whoever reads it."""
    latex = _bare(_signs(latex))
    latex = _FORMATTED_NUMBER.sub(r"\1", _ROMAN_CONSTANT.sub(r" \1", latex))
    return _two_values(_numbers(latex))


def labelled(latex: str) -> tuple[str, str] | None:
    r"""The letter and the value of a choice: ("C", "12") of `\textbf{(C) } 12`; None where there are not both."""
    label = _LABELLED.match(latex)
    return (label[1], latex[label.end() :]) if label else None


def clock(text: str) -> tuple[int, int, str] | None:
    """Hour, minute and "a", "p" or "" of a time of day in plain lower-case words; None where it is none."""
    match = _CLOCK.fullmatch(text)
    return (int(match[1]), int(match[2]), match[3] or "") if match else None


def _signs(latex: str) -> str:
    """Unicode and rare commands as plain LaTeX."""
    latex = _DASH_IN_FRONT.sub(r"\1-", latex)
    latex = _ROOT.sub(lambda root: f"\\sqrt{{{root[1] or root[2] or root[3]}}}", latex)
    latex = _SUPERSCRIPT.sub(lambda digits: "^{" + digits[0].translate(_SUPERSCRIPTS) + "}", latex.translate(_SIGNS))
    latex = _COMMAND.sub(lambda command: _COMMANDS[command[0]], latex)
    return _ROW_GAP.sub(r"\\\\", _EMPTY_SET.sub(r"\\{\\}", latex))


def _bare(latex: str) -> str:
    """Without formatting and without signs that only lead to the answer. Words in `\\text{}` stay there."""
    opening = _OPENING.match(latex)
    bare = _CLOSING.sub("", latex[opening.end() :] if opening else latex)
    whole = _WHOLE.fullmatch(bare)
    if whole and (not whole[1] or re.search(r"[0-9\\]", whole[2])):
        bare = whole[2].strip()
    return latex if not bare else bare if bare == latex else _bare(bare)


def _numbers(latex: str) -> str:
    if _SPACED_THOUSANDS.fullmatch(latex):
        return latex.replace(" ", "")
    mixed = _MIXED.fullmatch(latex)
    if mixed and int(mixed[2]) < int(mixed[3]):
        return f"{mixed[1]}\\frac{{{mixed[2]}}}{{{mixed[3]}}}"
    multiple = _MULTIPLE.fullmatch(latex)
    if multiple:
        return f"{multiple[1]} \\times {_MULTIPLES[multiple[2]]}"
    ordinal = _ORDINAL.fullmatch(latex)
    if ordinal:
        return ordinal[1]
    based = _BASE.fullmatch(latex)
    if based and max(map(int, based[1])) < int(based[2] or based[3]):
        return f"{based[1]}_{{{based[2] or based[3]}}}"
    latex = _ANGLE.sub(r"\1\\frac{\2\\pi}{180}", latex)
    return _REPEATING.sub(_repeating, latex)


def _repeating(decimal: re.Match[str]) -> str:
    r"""0.1\overline{6} = 0.1 + 6 / 90."""
    whole, fixed, period = decimal[1] or "0", decimal[2], decimal[3] or decimal[4]
    scale = 10 ** len(fixed)
    value = int(whole) + Fraction(int(fixed or "0"), scale) + Fraction(int(period), scale * (10 ** len(period) - 1))
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def _two_values(latex: str) -> str:
    """A single plus-minus sign inside braces, where no reader looks for one, as two formulas."""
    signs = list(_PLUS_MINUS.finditer(latex))
    if len(signs) != 1 or "," in latex:
        return latex
    before = latex[: signs[0].start()].replace("\\{", "").replace("\\}", "")
    if before.count("{") <= before.count("}"):
        return latex
    named = _NAME.match(latex)
    formula = latex[named.end() :] if named else latex
    return ", ".join(_PLUS_MINUS.sub(sign, formula) for sign in "+-")
