r"""One spelling for what models write in many ways: `\textbf{204}`, "≈ 204", "1 4/5", "sqrt3", "５", "0.\overline{3}".

Which text stands for which is decided here, for references and answers alike, before anything is read; what the text
is worth is decided later (`reading.py`). The common spelling is LaTeX in which every word stands in `\text{}`, in lower
case unless it is a name, and every digit outside. Everything is rewritten that has one reading only:
  characters   NFKC, digits of every script, π ∞ ∪ ≤ √ × ² ₁ ½ ℝ ， 、 and their like; a minus sign of any length
  formatting   `\mathbf{}`, `\left`, `\dfrac`, `\colorbox{}{}`, `$`, `**`, `\begin{aligned}`, spaces; text around digits
  plain maths  sqrt3, pi/3, x**2, exp(2), theta, <=, inf, 2^10, cbrt(2), abs(x), log2(8)
  binomials    C(10,3), {}^{10}C_3, 10C3 are binomials
  numbers      1,234 and 1{,}234 and 1_234 and 58 500 are whole; 3{,}75 and 1.234,5 have a decimal comma; "1 4/5" is
               1\frac{4}{5}; 0.1\overline{6}, 0.1(6), 0.1\dot{6} and 0.1666... are 1/6; 12th is 12
Left out: Roman numerals. Words for numbers are read where they are the whole answer (`numerals.py`).
"""

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache

from move37.verifiers.numerals import number_in_words
from move37.verifiers.units import known
from move37.verifiers.words import MULTIPLES, OTHER_VALUE


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# -- characters ----------------------------------------------------------------------------------------------------

_SIGNS = {
    "\u2212": "-", "\u2010": "-", "\u2011": "-", "\uff0d": "-", "\ufe63": "-", "\u00a0": " ", "\u2009": " ",
    "\u202f": " ", "\u3000": " ", "\u200b": "", "\ufeff": "", "\u202e": "", "\u202a": "", "\u202c": "", "\u200e": "",
    "\u200f": "", "\u2044": "/", "\u2215": "/", "∞": "\\infty ", "∪": "\\cup ", "∩": "\\cap ",
    "∈": "\\in ", "∉": "\\notin ", "∅": "\\emptyset ", "∖": "\\setminus ", "×": "\\times ", "·": "\\cdot ",
    "⋅": "\\cdot ", "∙": "\\cdot ",
    "•": "\\cdot ", "∗": "\\cdot ", "÷": "\\div ", "±": "\\pm ", "∓": "\\mp ", "≤": "\\leq ", "≥": "\\geq ",
    "⩽": "\\leq ", "⩾": "\\geq ",
    "≠": "\\neq ", "≈": "\\approx ", "≅": "\\approx ", "≃": "\\approx ", "∼": "\\sim ", "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}",
    "ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}", "⌊": "\\lfloor ", "⌋": "\\rfloor ", "⌈": "\\lceil ", "⌉": "\\rceil ",
    "⟨": "\\langle ", "⟩": "\\rangle ", "〈": "\\langle ", "〉": "\\rangle ", "º": "°", "˚": "°", "℃": "°C", "℉": "°F",
    "′": "'", "’": "'", "‘": "'", "″": "''", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "…": "\\ldots ",
    "⋯": "\\ldots ",
    "、": ",", "。": ".", "∑": "\\sum ", "∫": "\\int ", "∠": "\\angle ", "△": "\\triangle ", "∣": "|", "→": "\\to ",
    "⇒": "\\implies ", "∧": "\\land ", "∨": "\\lor ", "∀": "\\forall ", "∃": "\\exists ", "∂": "\\partial ",
    "✓": " ", "✅": " ", "✔": " ",
    "ℓ": "l", "Ω": "Ω", "μ": "µ", "ϕ": "\\phi ", "℮": "e", "₽": "₽", "∆": "\\Delta ",
}  # fmt: skip
_GREEK = {}
"""α is \\alpha. Not μ and Ω, which units have, nor ο, for which there is no command."""
for _code in (*range(0x391, 0x3AA), *range(0x3B1, 0x3CA)):
    _name = unicodedata.name(chr(_code), "").replace("LAMDA", "LAMBDA").split()
    if len(_name) == 4 and (_name[3] not in ("MU", "OMEGA", "OMICRON") or chr(_code) == "ω"):
        _letter = _name[3].lower() if _name[1] == "SMALL" else _name[3].capitalize()
        _GREEK[chr(_code)] = f"\\{_letter} "
_TABLE = str.maketrans(_SIGNS | _GREEK)
_RAISED, _LOWERED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺⁽⁾ⁿ", "₀₁₂₃₄₅₆₇₈₉₋₊₍₎ₙ"
_LEVEL = str.maketrans(_RAISED + _LOWERED, "0123456789-+()n" * 2)
_RAISED_RUN, _LOWERED_RUN = re.compile(f"[{_RAISED}]+"), re.compile(f"[{_LOWERED}]+")
_ROOTS = {"√": "", "∛": "[3]", "∜": "[4]"}
_ROOT = re.compile(r"([√∛∜])\s*(?:\(([^()]*)\)|\{([^{}]*)\}|([0-9]+(?:\.[0-9]+)?|[A-Za-z]|\\[a-z]+))")
_DASH = re.compile(r"^(\s*)[–—](?=\s*[0-9.\\A-Za-z])|(?<=[(,=\[{])(\s*)[–—](?=\s*[0-9.\\A-Za-z])")

# -- formatting ----------------------------------------------------------------------------------------------------

_WORDY = r"text|textbf|textit|textrm|textsf|texttt|textnormal|textmd|textup|mbox|hbox|mathrm|operatorname\*?|rm|mathop"
_STYLED = (
    r"boldsymbol|bm|mathbf|mathit|mathsf|mathtt|mathnormal|pmb|underline|boxed|fbox|framebox|emph|displaystyle|tag\*?"
    r"|cancel|ensuremath"
)
_SUBSCRIPT_WORD = re.compile(rf"_\s*\{{\s*\\(?:{_WORDY}|mathit)\s*\{{([^{{}}]*)\}}\s*\}}")
_BASE_IN_WORDS = re.compile(r"_\{\s*(?:\x01\s*base\s*\x02\s*)?\(?\s*([0-9]{1,2})\s*\)?\s*\}")
_NAMED_BASE = re.compile(r"(?<=[0-9A-Fa-f)])_\{(two|three|four|five|six|seven|eight|nine|ten|twelve|sixteen)\}")
_BLACKBOARD = re.compile(r"\\mathbb\s+([A-Z])(?![A-Za-z])")
_CHOOSE = re.compile(r"\{([^{}]*)\\choose([^{}A-Za-z][^{}]*)\}")
_SUBSCRIPT_SIGN = re.compile(
    r"_(?:\{\s*\\(odot|oplus|max|min|star|ast|perp|parallel|infty)(?:\s|\\[,;:!])*\}"
    r"|\\(odot|oplus|max|min)(?![A-Za-z]))"
)
_MINUTES = re.compile(r"(?<=[0-9])\s*\^\s*\{?\s*\\prime\s*\}?")
_COLOURED = re.compile(r"\\(?:textcolor|colorbox|color|fcolorbox)\s*(?:\[[^\]]*\]\s*)?\{[^{}]*\}\s*")
_STYLE = re.compile(rf"\\(?:{_STYLED})\s*\{{((?:[^{{}}]|\{{(?:[^{{}}]|\{{[^{{}}]*\}})*\}})*)\}}")
_FONT = re.compile(rf"\\({_WORDY})\s*\{{([^{{}}]*)\}}")
_UNIT_VECTOR = re.compile(
    r"\\(?:mathbf|boldsymbol|bm|hat|vec|widehat)\s*\{\s*\\?(?:(?:mathbf|hat)\s*\{)?\s*\\?([ijk])(?:math)?\s*\}?\s*\}"
)
_ENVIRONMENT = re.compile(
    r"\\(?:begin|end)\s*\{(?:aligned|align\*?|gathered|gather\*?|equation\*?|split|center|math|displaymath)\}"
)
_ROW_GAP = re.compile(r"\\\\\s*\[\s*-?[0-9.]+\s*(?:pt|em|ex|cm|mm)\s*\]")
_DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]")
_DOLLARS = re.compile(r"(?<!\\)\$\$?([^$]*)\$\$?")
_TWO_WORDS = re.compile(r"(?<!\\)\b[A-Za-z]{2,}\s+[A-Za-z]{2,}\b")
_COMMAND = re.compile(r"\\(?:left|right)\s*\.|\\[A-Za-z]+\*?|\\[^A-Za-z]")
_RENAMED = {
    "\\dfrac": "\\frac", "\\tfrac": "\\frac", "\\cfrac": "\\frac", "\\dbinom": "\\binom", "\\tbinom": "\\binom",
    "\\choose": "\\choose", "\\lvert": "|", "\\rvert": "|", "\\vert": "|", "\\mid": "|", "\\lbrace": "\\{",
    "\\rbrace": "\\}",
    "\\lbrack": "[", "\\rbrack": "]", "\\le": "\\leq ", "\\leqslant": "\\leq ", "\\leqq": "\\leq ", "\\ge": "\\geq ",
    "\\geqslant": "\\geq ",
    "\\geqq": "\\geq ", "\\ne": "\\neq ", "\\lt": "<", "\\gt": ">", "\\dots": "\\ldots ", "\\cdots": "\\ldots ",
    "\\dotsc": "\\ldots ",
    "\\dotsb": "\\ldots ", "\\degree": "^\\circ ", "\\textdegree": "^\\circ ", "\\colon": ":", "\\slash": "/",
    "\\varnothing": "\\emptyset ", "\\bigcup": "\\cup ", "\\bigcap": "\\cap ", "\\backslash": "\\setminus ",
    "\\%": "%", "\\&": "\\text{and}",
    "\\simeq": "\\approx ", "\\approxeq": "\\approx ", "\\cong": "\\approx ", "\\to": "\\to ", "\\infin": "\\infty ",
    "\\rightarrow": "\\to ", "\\Reals": "\\mathbb{R}", "\\R": "\\mathbb{R}", "\\land": "\\text{and}",
    "\\wedge": "\\text{and}", "\\lor": "\\text{or}",
    "\\vee": "\\text{or}", "\\lg": "\\log_{10}", "\\textdollar": "\\$", "\\pounds": "£", "\\euro": "€",
    "\\micro": "µ", "\\ohm": "Ω",
    "\\textquotedblleft": "", "\\textquotedblright": "", "\\lq": "", "\\rq": "", "\\#": "#", "\\_": "_",
    "\\arctan": "\\arctan",
    "\\ldotp": ".", "\\cdotp": "\\cdot ", "\\ast": "*", "\\mathord": "", "\\thinspace": " ", "\\enspace": " ",
    "\\-": "",
}  # fmt: skip
_IDLE = frozenset(
    ("\\left", "\\right", "\\big", "\\Big", "\\bigg", "\\Bigg", "\\bigl", "\\bigr", "\\Bigl", "\\Bigr", "\\biggl",
     "\\biggr", "\\Biggl", "\\Biggr", "\\displaystyle", "\\textstyle", "\\scriptstyle", "\\limits", "\\nolimits",
     "\\!", "\\checkmark", "\\bf", "\\it", "\\rm", "\\tt", "\\sf", "\\large", "\\Large", "\\LARGE", "\\huge", "\\Huge",
     "\\small", "\\normalsize", "\\centering", "\\blacksquare", "\\square", "\\Box", "\\therefore", "\\because",
     "\\implies", "\\Rightarrow", "\\Longrightarrow", "\\quad*", "\\nonumber", "\\hline")
)  # fmt: skip
_SPACES = frozenset(("\\,", "\\;", "\\:", "\\>", "\\ ", "\\quad", "\\qquad", "\\hspace", "\\enskip", "\\\n", "\\\t"))

# -- words ---------------------------------------------------------------------------------------------------------

_FUNCTIONS = _words(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot ln log exp gcd lcm max min det "
    "lim sup inf mod cis arg dim ker deg Re Im sgn sign floor ceil"
)
_LETTERS = _words(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi "
    "chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega infty infinity sqrt cdot times frac"
)
_AS_COMMAND = {
    "infinity": "\\infty ",
    "inf": "\\infty ",
    "oo": "\\infty ",
    "asin": "\\arcsin ",
    "acos": "\\arccos ",
    "atan": "\\arctan ",
    "lcm": "\\operatorname{lcm}",
    "cis": "\\operatorname{cis}",
    "sgn": "\\operatorname{sgn}",
    "sign": "\\operatorname{sgn}",
}
_TEXT_OPEN, _TEXT_CLOSE = "\x01", "\x02"
_SCAN = re.compile(
    r"\x01(?P<text>[^\x01\x02]*)\x02|(?P<command>\\begin\s*\{array\}\s*\{[^{}]*\}"
    r"|\\(?:begin|end|mathbb|mathcal|mathbf|operatorname|mathscr|mathfrak)\s*\{[^{}]*\}"
    r"|\\[A-Za-z]+|\\.)"
    r"|(?P<subscript>_\{[A-Za-z][A-Za-z, ]*\})|(?P<ordinal>(?<=[0-9])(?:st|nd"
    r"|rd|th)\b)|(?P<word>[^\W\d_](?:[^\W\d_]|'(?=[a-z]{1,2}(?![A-Za-z]))|-(?=[^\W\d_]{3}))*\.?)",
    re.DOTALL,
)
_IN_TEXT = re.compile(r"&|\\[A-Za-z]+|[^\W\d_](?:[^\W\d_]|['.-](?=[^\W\d_]))*\.?", re.DOTALL)
_CURRENCIES = frozenset(("Rs", "rs", "USD", "EUR", "GBP", "JPY", "INR", "CNY", "RMB", "US"))
_BEFORE_UNITS = frozenset("0123456789})/*°µ\x01\x02$")
_VOWEL = re.compile(r"[aeiouyAEIOUY]")
_SHORT_WORDS = _words(
    "a an as at be by do eg he i ie if in is it me my no of on or so to up us we am pm ad bc the and for but "
    "not nor all are was has had any can may get got let use yes who why how its our out off per two one six "
    "ten day age men sum odd red row set new old box boy car cat dog way via"
)
_HALF_DAY = re.compile(r"([0-9][\s~\x01]*)([ap])(?:\.\s?)?m\b\.?", re.IGNORECASE)
"""Behind a time; the a M of a formula is none."""
_TEXTS = re.compile(r"\\text\{[^{}]*\}(?:\s*\\text\{[^{}]*\})+")

# -- numbers -------------------------------------------------------------------------------------------------------

_BRACED_COMMA = re.compile(r"(?<=[0-9])\{,\}\s*(?=[0-9])")
_BRACED_GROUPS = re.compile(r"(?<![0-9.,])([1-9][0-9]{0,2})((?:\{,\}\s*[0-9]{3})+)(?![0-9])")
_TIGHT_GROUPS = re.compile(r"(?<=[0-9])(?:,?\\!|\\,)(?:\s|\\[!,;:])*(?=[0-9]{3}(?![0-9]))")
_GROUPS = re.compile(r"(?<![0-9.,])[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9]|,[0-9])")
_EUROPEAN = re.compile(r"([+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+),([0-9]+)")
_POINT_GROUPS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}")
_UNDERSCORED = re.compile(r"(?<![\w.])[1-9][0-9]{0,2}(?:_[0-9]{3})+(?![\w])")
_SPACED = re.compile(r"(?<![0-9.,])(?<![0-9] )[1-9][0-9]{0,2}(?: [0-9]{3})+(?![0-9]| [0-9])")
_BRACKET = re.compile(r"[(\[{]")
_MIXED = re.compile(r"(?<![\w.^_/])([0-9]+)\s+([0-9]+)\s*/\s*([0-9]+)(?![\w.])")
_EXPONENT = re.compile(r"(\^)\s*(?:\(\s*([+-]?[0-9]+(?:/[0-9]+)?)\s*\)|([+-]?[0-9]{2,}|-[0-9]|[+-]?[0-9]*\.[0-9]+))")
_ORDINAL = re.compile(r"([0-9]+)\s*(?:\^\s*)?(?:\{\s*)?\\text\{(?:st|nd|rd|th)\}(?:\s*\})?")
_REPEATING = re.compile(
    r"(?<![0-9.])([0-9]*)\.([0-9]*)(?:\\(?:overline|bar|dot)\s*(?:\{\s*([0-9]+)\s*\}"
    r"|([0-9]))(?![0-9.])|\(([0-9]+)\)(?![0-9.!^]))"
)
_DOTTED = re.compile(r"(?<![0-9.])([0-9]*)\.([0-9]*)\\dot\s*\{?([0-9])\}?([0-9]*)\\dot\s*\{?([0-9])\}?(?![0-9])")
_ENDLESS = re.compile(r"(?<![0-9.])([0-9]*)\.([0-9]*?)([0-9]{1,12}?)(\3+)\s*(?:\\ldots|\.\.\.)\s*$")
_ASCII_DOTS = re.compile(r"\.{3,}")
_ROOT_OF_BRACKET = re.compile(r"\\(sqrt(?:\[[^\]]*\])?)\s*\(")
_LOG_OF_BASE = re.compile(r"(?<![\\A-Za-z])log_?(2|10)\s*(?=\()")
_CUBE_ROOT = re.compile(r"(?<![\\A-Za-z])cbrt\s*(?=\()")
_BAR_OF_BRACKET = re.compile(r"(?<![\\A-Za-z])abs\s*\(")
_ROOT_OF_DIGITS = re.compile(r"(?<![\\A-Za-z])sqrt\s*([0-9]+(?:\.[0-9]+)?)")
_CHOICES = re.compile(
    r"(?<![A-Za-z\\])(?:C\s*\(\s*([0-9]+|[a-z])\s*,\s*([0-9]+|[a-z])\s*\)"
    r"|\{?\}?\s*[\^_]\s*\{?\s*([0-9]+)\s*\}?\s*C\s*_\s*\{?\s*([0-9]+)\s*\}?"
    r"|C\s*_\s*\{?\s*([0-9]+)\s*\}?\s*\^\s*\{?\s*([0-9]+)\s*\}?|C\s*\^\s*\{?\s*([0-9]+)\s*\}?\s*_\s*\{?\s*([0-9]+)\s*\}?"
    r"|([0-9]+)\s?C\s?([0-9]+))(?![A-Za-z0-9])"
)
_NESTED_SUBSCRIPT = re.compile(r"_\{([A-Za-z0-9+\- ]*[+-][A-Za-z0-9+\- ]*)\}")
_PLAIN_SIGNS = (
    ("<=", "\\leq "),
    (">=", "\\geq "),
    ("!=", "\\neq "),
    ("≔", "="),
    ("==", "="),
    ("+/-", "\\pm "),
    ("np.", "\\"),
)
_POWER = re.compile(r"(?<=[\w)}\]])\s*\*\*\s*(?=[\w({\\-])")


@lru_cache(maxsize=8192)
def common(text: str) -> str:
    """`text` in the common spelling. Worth the same, whoever reads it."""
    if not text.isascii():
        text = _plain_characters(text)
    text = _undelimited(text)
    text = _formatted(text)
    text = _numbers(_worded(text))
    return text.strip()


def _plain_characters(text: str) -> str:
    text = _DASH.sub(lambda dash: f"{dash[1] or dash[2] or ''}-", text)
    text = _RAISED_RUN.sub(lambda run: "^{" + run[0].translate(_LEVEL) + "}", text)
    text = _LOWERED_RUN.sub(lambda run: "_{" + run[0].translate(_LEVEL) + "}", text)
    text = "".join(map(_plain_character, text.translate(_TABLE)))
    text = _ROOT.sub(lambda root: f"\\sqrt{_ROOTS[root[1]]}{{{root[2] or root[3] or root[4]}}}", text)
    return text.translate(_TABLE)


@lru_cache(maxsize=2048)
def _plain_character(sign: str) -> str:
    if sign.isascii() or sign == "°":
        return sign
    if unicodedata.category(sign) == "Nd":
        return str(unicodedata.decimal(sign))
    plain = unicodedata.normalize("NFKC", sign)
    if "\u2044" in plain:  # ⅔
        over, under = plain.split("\u2044")
        return f"\\frac{{{over}}}{{{under}}}"
    return plain


def _undelimited(text: str) -> str:
    """Without white space, `$`, `**`, quotes and a full stop around, and without `$` and `\\(` inside."""
    text = text.strip().rstrip("\\").rstrip()
    if text.endswith(".") and not text.endswith(".."):
        text = text[:-1].rstrip()
    if "**" in text:
        text = _POWER.sub("^", text).replace("**", "")
    if "`" in text or '"' in text:
        text = text.replace("``", "").replace("`", "").replace('"', "").removesuffix("''")
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1].strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        text = text[1:-1]
    if "\\(" in text or "\\[" in text:
        text = _DELIMITERS.sub(" ", _ROW_GAP.sub(r"\\\\", text))
    if "$" in text:
        text = _DOLLARS.sub(lambda math: math[0] if _TWO_WORDS.search(math[1]) else f" {math[1]} ", text)
        text = re.sub(r"(?<!\\)\$(?=\s*[-+]?[0-9.])", r"\\$", text)
        text = re.sub(r"(?<!\\)\$", "", text)
    return text.strip()


def _formatted(text: str) -> str:
    """Without fonts and sizes, with one command for each meaning; what stood in `\\text{}` is marked."""
    for written, meant in _PLAIN_SIGNS:
        if written in text:
            text = text.replace(written, meant)
    if "\\" not in text:
        return text.replace("~", " ")
    text = _TIGHT_GROUPS.sub("", _ENVIRONMENT.sub("", text))
    text = _UNIT_VECTOR.sub("\x03\\1", text)
    text = _SUBSCRIPT_WORD.sub(lambda word: "_{" + re.sub(r"[\s()]|base", "", word[1]) + "}", text)
    text = _MINUTES.sub("'", text)
    text = _SUBSCRIPT_SIGN.sub(lambda sign: f"_{{{sign[1] or sign[2]}}}", text)
    text = _COMMAND.sub(_renamed, text)
    text = _COLOURED.sub("", text)
    for _ in range(8):
        plainer = _STYLE.sub(lambda style: "" if style[0].startswith("\\tag") else style[1], text)
        plainer = _FONT.sub(_without_font, plainer)
        if plainer == text:
            break
        text = plainer
    text = _BASE_IN_WORDS.sub(r"_{\1}", text)
    text = _BLACKBOARD.sub(r"\\mathbb{\1}", text) if "\\mathbb" in text else text
    text = _CHOOSE.sub(r"\\binom{\1}{\2}", text) if "\\choose" in text else text
    return re.sub("\x03([ijk])", r"\\vec{\1}", text).replace("~", " ")


def _renamed(command: re.Match[str]) -> str:
    name = command[0]
    if name in _IDLE:
        return ""
    if name in _SPACES:
        return " "
    if name.startswith(("\\left", "\\right")) and name.endswith("."):
        return ""
    renamed = _RENAMED.get(name)
    return name if renamed is None else renamed


def _without_font(font: re.Match[str]) -> str:
    command, inner = font[1], font[2]
    if command in ("mathrm", "rm") and inner.strip() in ("e", "i", "d"):
        return inner
    if command.startswith("operatorname") and inner.strip() in _FUNCTIONS:
        return _AS_COMMAND.get(inner.strip(), f"\\{inner.strip()} ")
    return _TEXT_OPEN + inner.replace(_TEXT_OPEN, "").replace(_TEXT_CLOSE, "") + _TEXT_CLOSE


def _worded(text: str) -> str:
    """With every word in `\\text{}`, and nothing but words there."""
    text = _HALF_DAY.sub(r"\1\2m", text) if "m" in text or "M" in text else text
    text = _ROOT_OF_DIGITS.sub(r"\\sqrt{\1}", text) if "sqrt" in text else text
    text = _LOG_OF_BASE.sub(r"\\log_{\1}", text) if "log" in text else text
    text = _rewritten(text, _BAR_OF_BRACKET, "|", "|") if "abs" in text else text
    text = _CUBE_ROOT.sub(r"\\sqrt[3]", text) if "cbrt" in text else text
    return _together(_SCAN.sub(lambda match: _word_or_letters(match, text), text))


def _word_or_letters(match: re.Match[str], text: str) -> str:
    if match["command"] or match["subscript"]:
        return match[0]
    if match["text"] is not None:
        return _IN_TEXT.sub(_in_text, match["text"])
    if match["ordinal"]:
        return ""
    word = match["word"].rstrip(".")
    point = "." if len(word) < len(match["word"]) and len(word) == 1 else ""
    if len(word) == 1 and word.isascii():
        return word + point
    lower = word.lower()
    if word in _FUNCTIONS or word in _LETTERS or word in _AS_COMMAND:
        return _AS_COMMAND.get(word, f"\\{word} ")
    if not word.isascii() or _is_word(word, lower, text, match.start(), match.end()):
        return f"\\text{{{word}}}"
    return word + point


def _in_text(word: re.Match[str]) -> str:
    if word[0] == "&":
        return "\\text{and}"
    return word[0] if word[0][0] == "\\" else f"\\text{{{word[0].rstrip('.')}}}"


def _is_word(word: str, lower: str, text: str, start: int, end: int) -> bool:
    """Whether letters in a row are a word, and not a product."""
    alone = (start == 0 or text[start - 1] in " \n\t,;:(-.'\x02") and (
        end == len(text) or text[end] in " \n\t,;:.)!?'\x01$\\"
    )
    if known(word) and (text[:start].rstrip()[-1:] in _BEFORE_UNITS or word in _CURRENCIES):
        return True
    if lower in _SHORT_WORDS or lower in MULTIPLES or lower in OTHER_VALUE:
        return alone or (text[start - 1 : start].isdigit() and lower in MULTIPLES)
    if not _VOWEL.search(word) or (word.isupper() and len(word) < 5):
        return False
    return alone and (len(word) > 3 or (word[1:].islower() and word[0].isupper()) or " " in text.strip())


def _together(text: str) -> str:
    """Words beside one another in one `\\text{}`."""
    if "\\text" not in text:
        return text
    return _TEXTS.sub(lambda words: "\\text{" + " ".join(re.findall(r"\{([^{}]*)\}", words[0])) + "}", text)


def _numbers(text: str) -> str:
    text = _ORDINAL.sub(r"\1", text) if "\\text" in text else text
    if "sqrt" in text and "(" in text:
        text = _rewritten(text, _ROOT_OF_BRACKET, r"\\\1{", "}")
    if "C" in text:
        text = _CHOICES.sub(_binomial, text)
    if "^" in text:
        text = _EXPONENT.sub(lambda exponent: f"^{{{exponent[2] or exponent[3]}}}", text)
    if "_" in text:
        text = _NAMED_BASE.sub(lambda base: f"_{{{number_in_words(base[1])}}}", text)
        text = _UNDERSCORED.sub(lambda number: number[0].replace("_", ""), text)
        text = _NESTED_SUBSCRIPT.sub(_sorted_subscript, text)
    text = _grouped(text)
    if " " in text:
        text = _SPACED.sub(lambda number: number[0].replace(" ", ""), text)
        text = _MIXED.sub(_mixed, text)
    if "." in text:
        text = _endless(text)
        text = _ASCII_DOTS.sub(r"\\ldots ", text)
    return text


def _rewritten(text: str, name: re.Pattern[str], opening: str, closing: str) -> str:
    """sqrt(x+1) as \\sqrt{x+1}, abs(x) as |x|: `name` ends with the bracket that opens."""
    while True:
        found = name.search(text)
        if found is None:
            return text
        depth = 0
        for position in range(found.end() - 1, len(text)):
            depth += {"(": 1, ")": -1}.get(text[position], 0)
            if depth == 0:
                break
        else:
            return text
        inner = text[found.end() : position]
        text = f"{text[: found.start()]}{found.expand(opening)}{inner}{closing}{text[position + 1 :]}"


def _binomial(choice: re.Match[str]) -> str:
    found = choice.groups()
    pair = next(found[i : i + 2] for i in range(0, len(found), 2) if found[i])
    return f"\\binom{{{pair[0]}}}{{{pair[1]}}}"


def _sorted_subscript(subscript: re.Match[str]) -> str:
    """a_{n-k-1} for a_{n-1-k}: a name, whose terms have no order."""
    terms = re.findall(r"[+-]?[A-Za-z0-9]+", subscript[1].replace(" ", ""))
    signed = [term if term[0] in "+-" else f"+{term}" for term in terms]
    ordered = sorted(signed, key=lambda term: (term[1:].isdigit(), term[0] == "-", term[1:]))
    return "_{" + "".join(ordered).removeprefix("+") + "}"


def _grouped(text: str) -> str:
    """Digits that a comma or point groups, in one piece; a decimal comma that can be nothing else as a point."""
    if "," not in text and text.count(".") < 2:
        return text
    text = _BRACED_GROUPS.sub(lambda number: number[1] + re.sub(r"[^0-9]", "", number[2]), text)
    text = _BRACED_COMMA.sub(".", text)
    european = _EUROPEAN.fullmatch(text)
    if european:
        return f"{european[1].replace('.', '')}.{european[2]}"
    if _POINT_GROUPS.fullmatch(text):
        return text.replace(".", "")
    if not _BRACKET.search(text.replace("\\text{", "").replace("\\frac{", "")):
        text = _GROUPS.sub(lambda number: number[0].replace(",", ""), text)
    return text


def _mixed(number: re.Match[str]) -> str:
    whole, over, under = number.groups()
    return f"{whole}\\frac{{{over}}}{{{under}}}" if int(over) < int(under) else number[0]


def _endless(text: str) -> str:
    r"""0.1\overline{6} = 0.1 + 6 / 90."""
    text = _DOTTED.sub(lambda d: _fraction(d[1], d[2], d[3] + d[4] + d[5]), text)
    text = _REPEATING.sub(lambda d: _fraction(d[1], d[2], d[3] or d[4] or d[5]), text)
    return _ENDLESS.sub(lambda d: _fraction(d[1], d[2], d[3]), text)


def _fraction(whole: str, fixed: str, period: str) -> str:
    scale = 10 ** len(fixed)
    value = int(whole or 0) + Fraction(int(fixed or 0), scale) + Fraction(int(period), scale * (10 ** len(period) - 1))
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"
