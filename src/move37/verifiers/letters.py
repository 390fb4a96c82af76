r"""Which option's letter does a text name? For choice questions, before anybody looks at what the options say.

"B", "(b)", "B. Paris", "\text{(B)}", "Rome (B)", "B is correct", "I choose B"; a letter inside a sentence is no choice.
Two letters are no answer ("A, B", "A, or possibly B", "A) Paris B) Rome"), nor is one that is denied ("A is wrong").
Loading this file loads no reader of numbers or formulas: `choice.py` brings the options in.
"""

import re
import unicodedata
from collections.abc import Set

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SEVERAL = ""
"""What is said instead of a letter where several are chosen, or one is denied."""
LONGEST = 300
"""Characters of an answer that are looked at."""

_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathsf|boldsymbol|bf|rm|boxed)\s*\{([^{}]*)\}")
_MARKUP = re.compile(r"\\[A-Za-z]+|\\.|[$*_`{}\"“”<>#✓✅~]")
_LABEL = re.compile(
    r"\W*?(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Z])\s*[.):\]-](?!\w)|([A-Z])(?=\s*(?:,|$))|([A-Za-z])(?=(?:[^\w]|です|だ|입니다|이다)*$))"
)
_MENTION = re.compile(r"(?<![A-Za-z0-9_'’.-])(?:[(\[]\s*([A-Z])\s*[)\]]|([A-Z])(?![A-Za-z0-9_'’])(?!-\w))")
_OTHER_LABEL = re.compile(
    r"(?:[(\[]\s*([A-Z])\s*[)\]]|(?<!\w)([A-Z])[.)]\s+\w|(?:\bor\b|\band\b|[/,&;])\s*(?:(?:possibly|maybe|perhaps|also|even|option)\s+)*\(?([A-Z])\)?(?!\w))"
)
_ARTICLE = re.compile(r"\s+(?!is\b|are\b|was\b|because\b|since\b|as\b|or\b|and\b|but\b|would\b|seems\b|must\b)[a-z]")
_CHOOSES = re.compile(
    r"(?:\b(?:(?:it|that|answer)['’]s|option|choice|answer|is|be|are|choose|chose|pick|select|with|therefore|thus|hence|so|ist|es|est)|[:=(\[-])\s*$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r".*[,.;:!](?=\s)", re.DOTALL)
_CONFIRMED = re.compile(
    r"\W*(?:$|(?:is|seems|must be|would be)\s+(?:the\s+)?(?:correct|right|best|answer|true)|because|since|as\b)"
)
_DENIED = re.compile(
    r"\b(?:not|isn't|wrong|incorrect|false|cannot|can't|neither|none|except)\b|\bnot\b|n't\b", re.IGNORECASE
)
_SENTENCE = re.compile(r"[.!]\s+(?=[A-Z])")
_EXPLAINED = re.compile(r"[,.;]?\s*(?:\(|\b)(?:because|since|as the|for the reason)\b.*", re.IGNORECASE | re.DOTALL)


def letter(text: str) -> str | None:
    """The letter, A to Z, of the option that `text` names; None where it names none, or several ("A, B")."""
    return named_letter(text, frozenset(LETTERS)) or None


def named_letter(text: str, shown: Set[str]) -> str | None:
    """The letter of `shown` that `text` names; `SEVERAL` where that is no single one, None where it names none."""
    plain = _EXPLAINED.sub("", without_markup(text)[:LONGEST]).strip()
    label = _LABEL.match(plain)
    if label:
        first = next(group for group in label.groups() if group).upper()
        if first in shown:
            others = {next(filter(None, each.groups())) for each in _OTHER_LABEL.finditer(plain, label.end())}
            if others & shown - {first}:
                return SEVERAL
            return SEVERAL if _DENIED.match(plain, label.end()) else first
    mentions = [each for each in _MENTION.finditer(plain) if _is_mention(each, plain) and (each[1] or each[2]) in shown]
    distinct = {each[1] or each[2] for each in mentions}
    if not mentions:
        return None
    if len(distinct) > 1 or _DENIED.search(plain):
        return SEVERAL
    return distinct.pop() if any(_is_chosen(each, plain) for each in mentions) else None


def last_sentence(line: str) -> str:
    return _SENTENCE.split(line)[-1]


def without_markup(text: str) -> str:
    """The text without TeX, Markdown and quotes, with single spaces."""
    text = unicodedata.normalize("NFKC", text[: 4 * LONGEST])
    for _ in range(3):
        text = unwrapped(text)
    return " ".join(_MARKUP.sub(" ", text).split()).strip()


def unwrapped(text: str) -> str:
    r"""What stands in \text{...}, \boxed{...} and their like, without these."""
    return _TEXT.sub(r"\1", text)


def _is_mention(mention: re.Match[str], text: str) -> bool:
    """Whether a capital letter is no article and no pronoun."""
    return mention[1] is not None or mention[2] not in "AI" or not _ARTICLE.match(text, mention.end())


def _is_chosen(mention: re.Match[str], text: str) -> bool:
    before = text[: mention.start()]
    return bool(
        mention[1]
        or _CHOOSES.search(before)
        or (not _CLAUSE.sub("", before).strip(" (") and _CONFIRMED.match(text, mention.end()))
    )
