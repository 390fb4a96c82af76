r"""Where in a response the answer stands: boxes, answer tags, final-answer phrases, the last number.

What more than one verifier reads. Every function is pure string work in time linear in the text (a megabyte of open
braces is a test), because extraction runs in the caller's process, once per sample, and cannot be killed. Each
returns None where its mark is missing or holds nothing, and none reads into a box that is never closed (a response
cut off at the limit). In which order the marks are tried is the verifier's choice.
"""

import re
from collections import deque
from collections.abc import Iterator

_TOKENS = re.compile(r"\\.|[{}]", re.DOTALL)
_PHRASE = re.compile(
    r"(?<!#)####(?!#)"  # GSM8K's own mark; six are a heading
    r"|\banswers?\b(?:\*\*)?(?:\s+[\w'-]+){0,8}?(?:\*\*)?\s*(?:\bis\b|\bare\b|:|=)",
    re.IGNORECASE,
)
_PHRASE_MARKS = ("####", "nswer", "NSWER")
_LEAD = re.compile(r"(?:\*\*|__|[\s:=~])*(?:(?:is|are|therefore|thus|approximately|about|equal to)\s+|\*\*)*")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n|\*\*|<")
_MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$\n]+)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_TWO_WORDS = re.compile(r"(?<!\\)\b[A-Za-z]{2,}\s+[A-Za-z]{2,}\b")
_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?\s?(?:\$\s?)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s?/\s?\d+(?![\d.]))?(?:\s?\\?%)?"
)
_ENDS_NUMBER = re.compile(r"(?=[\s.,;:!?)*\]]|$)(?!\s*[-+*/^=<>\u00d7\u00b7\\]\s*[^*\s])")

PHRASE_WINDOW = 20_000
"""Characters at the end of a response in which a final-answer phrase is looked for."""
PHRASE_REACH = 300
"""Characters after a final-answer phrase in which its answer is looked for."""
TAIL = 1000
"""Characters at the end of a response in which an unmarked answer is looked for."""


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete, non-empty `\boxed{...}` or `\fbox{...}`, braces matched.

    A box that is never closed is no box. Inside nested boxes the innermost counts.
    """
    end = len(text)
    for start, opening in _boxes_from_last(text):
        # A box still open where the next one starts is open for good, for that one was not closed either:
        # each character is looked at once.
        content = _group(text, opening, end)
        if content:
            return content
        end = start
    return None


def _closed_part(text: str) -> str:
    """The text up to a box that is never closed: half an answer is not searched for a whole one."""
    end = len(text)
    for start, opening in _boxes_from_last(text):
        if _group(text, opening, end) is not None:
            break
        end = start
    return text[:end]


def _boxes_from_last(text: str) -> Iterator[tuple[int, int]]:
    """Where boxes start, and where their braces should, from the last box to the first."""
    start = len(text)
    while (start := text.rfind("box", 0, start)) >= 0:
        if text.startswith("\\boxed", start - 1):
            yield start - 1, start + len("boxed")
        elif text.startswith("\\fbox", start - 2):
            yield start - 2, start + len("box")


def _group(text: str, position: int, end: int) -> str | None:
    """What the braces opening at `position` (after white space) enclose; None if they are not closed before `end`."""
    depth = 0
    for token in _TOKENS.finditer(text, position, end):
        if token[0] == "{":
            if depth == 0 and text[position : token.start()].strip():
                return None
            depth += 1
            if depth == 1:
                position = token.end()
        elif token[0] == "}":
            depth -= 1
            if depth == 0:
                return text[position : token.start()].strip()
            if depth < 0:
                return None
        elif depth == 0:
            return None
    return None


def last_tagged(text: str, tag: str = "answer") -> str | None:
    """The content of the last `<answer>...</answer>`. The closing tag may be missing: it may be a stop string."""
    opening, closing = f"<{tag}>", f"</{tag}>"
    start = text.rfind(opening)
    if start < 0:
        return None
    start += len(opening)
    end = text.find(closing, start)
    return text[start : end if end >= 0 else len(text)].strip() or None


def after_phrase(text: str) -> str | None:
    """What the last "the answer is ...", "Final answer: ..." or "#### ..." announces, up to the end of its sentence.

    Of the sentence only the mathematics (`$...$`, `\\(...\\)`, `\\[...\\]`) or else a number at its start is taken.
    """
    reach = _reach(text)
    if reach is None:
        return None
    math = _MATH.search(reach)
    if math and math.start() <= _sentence_length(reach) and not _TWO_WORDS.search(_content(math)):
        return _content(math) or None
    number = _NUMBER.match(reach)
    if number and _ENDS_NUMBER.match(reach, number.end()):
        return _plain(number[0])
    return _words(reach)


def sentence_after_phrase(text: str) -> str | None:
    """All that the last final-answer phrase announces, up to the end of its sentence: "5 cm", "3 million"."""
    reach = _reach(text)
    return None if reach is None else _words(reach)


def _reach(text: str) -> str | None:
    """What follows the last final-answer phrase, and the words that lead to its answer."""
    window = _closed_part(text)[-PHRASE_WINDOW:]
    end = _last_phrase(window)
    if end is None:
        return None
    reach = window[end : end + PHRASE_REACH]
    return reach[_lead(reach) :]


def _words(reach: str) -> str | None:
    words = reach[: _sentence_length(reach)].strip(" \t*_\"'`$")
    return words if any(map(str.isalnum, words)) else None


def last_math_or_number(text: str) -> str | None:
    """The last formula or number in the last `TAIL` characters, whichever ends later."""
    tail = _closed_part(text)[-TAIL:]
    formulas = reversed(list(_MATH.finditer(tail)))
    formula = next((match for match in formulas if not _TWO_WORDS.search(_content(match))), None)
    number = _last(_NUMBER, tail, formula.end() if formula else 0)
    if number:
        return _plain(number[0])
    return _content(formula) or None if formula else None


def numbers(text: str) -> list[str]:
    """All numbers in the last `TAIL` characters: "-3", "1234.5", "3/4", "20%"; thousands commas removed."""
    return [_plain(number[0]) for number in _NUMBER.finditer(text[-TAIL:])]


def last_lines(text: str, count: int = 1) -> str | None:
    """The last `count` lines with anything on them, from the last `TAIL` characters."""
    lines = [line.strip() for line in _closed_part(text)[-TAIL:].splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or None


def _last(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text, start), maxlen=1)), None)


def _last_phrase(text: str) -> int | None:
    """Where the last final-answer phrase ends. Looks for its letters from the end, which `str` does fastest."""
    places = [text.rfind(mark) for mark in _PHRASE_MARKS]
    while (last := max(places)) >= 0:
        which = places.index(last)
        phrase = _PHRASE.match(text, last - (which > 0))
        if phrase:
            return phrase.end()
        places[which] = text.rfind(_PHRASE_MARKS[which], 0, last + len(_PHRASE_MARKS[which]) - 1)
    return None


def _plain(number: str) -> str:
    """A number as matched, without spaces, currency sign and thousands commas."""
    return re.sub(r"[\s,$]", "", number).replace("\u2212", "-")


def _content(math: re.Match[str]) -> str:
    return next(group for group in math.groups() if group is not None).strip()


def _lead(text: str) -> int:
    match = _LEAD.match(text)
    return match.end() if match else 0


def _sentence_length(text: str) -> int:
    end = _SENTENCE_END.search(text)
    return end.start() if end else len(text)
