r"""Where in a response the answer stands. One order for all verifiers; each takes the first of these that it can read.

  1. What stands before the last </think> is reasoning and is not looked at, if anything follows; neither is a <think>
     that never ends.                                   <think>\boxed{1}</think> So it is 2.    2
  2. The last mark counts:
     a complete box; boxes with nothing but "and", "or" and commas between them are one list
                                                        \boxed{3} or \boxed{5}                  3 or 5
     the <answer> tag, whose end may be missing         <answer>7</answer>                      7
     a final-answer phrase that a value follows at once: "the answer is", "Final answer:", "####", "correct option is",
     and their like in other languages; of its sentence, all that is no explanation
                                                        The answer is 5 or 7, as shown.         5 or 7
  3. The marks before it, and phrases that lead to words, from the last one back; a mark that yields nothing counts for
     nothing.                                           Answer: 12 \boxed{}                     12
  4. Without marks, the last value of the last sentence that has one, with all that is joined to it; nothing in a
     response that ends with a question or a task
                                                        So x is between 5 and 7.                between 5 and 7
An answer is not searched in half an answer: where a box is never closed, only what began like it counts.

Every function is pure string work in time linear in the text (a megabyte of open braces is a test), because extraction
runs in the caller's process, once per sample, and cannot be killed.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKENS = re.compile(r"\\.|[{}]", re.DOTALL)
_PIECE = r"[^{}\\]++|\\."
_GROUP = re.compile(
    rf"\s*+\{{((?:{_PIECE}|\{{(?:{_PIECE}|\{{(?:{_PIECE}|\{{(?:{_PIECE})*+\}})*+\}})*+\}})*+)\}}", re.DOTALL
)
"""Braces with at most three more inside one another: a quarter of the time that counting them takes."""
_MATH = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$\n]+)(?<!\\)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_TWO_WORDS = re.compile(r"(?<!\\)\b[A-Za-z]{2,}\s+[A-Za-z]{2,}\b")

_ANSWER_WORDS = r"answers?|antwort|respuesta|r[ée]ponse|risposta|resposta|antwoord|svar|cevap|ответ|jawaban|lösung"
_COPULAS = r"is|are|be|=|:|：|comes\s+to|equals|becomes|ist|lautet|es|est|è|é|är|is|adalah|：|[-–—](?=\s)"
_PHRASE = re.compile(
    r"(?<!#)####(?!#)"  # GSM8K's own mark; six are a heading
    rf"|\b(?:{_ANSWER_WORDS})\b[\"'*_]*(?:\s+(?!\n)[\w'-]+){{0,8}}?[\"'*_]*\s*(?:\b(?:is"
    rf"|are|be|ist|lautet|es|est|adalah|equals|isn't|aren't)\b|comes\s+to\b|=|:"
    rf"|：|\bè\b|\bé\b|[-–—](?=\s))"
    rf"|\b(?:{_ANSWER_WORDS})\b[\"'*_:]*[ \t]*(?=\n|$)"
    r"|\b(?:correct|right|best|final)\s+(?:option|choice)\b(?:\s+[\w'-]+){0,4}?\s*(?:\bis\b|\bare\b|:|=)"
    r"|(?:答案|答え|正解|解答|정답|답)(?:应该|應該)?\s*(?:是|为|為|は|은|는|이|:|：|=)*"
    r"|\banswer[ \t]+(?=[(*]*[A-Z]\b[^\n]{0,3}$)",
    re.IGNORECASE | re.MULTILINE,
)
_PHRASE_LETTERS = (
    "####", "nswer", "ntwor", "espuesta", "ponse", "isposta", "esposta", "svar", "cevap", "твет", "awaban",
    "ösung", "option", "choice", "答", "正解", "解答", "답", "NSWER", "NTWOR", "OPTION", "CHOICE", "ТВЕТ",
)  # fmt: skip
_EMPTY_BOX = re.compile(r"\\f?boxed\s*\{\s*\}")
_ANY_LETTERS = re.compile("|".join(_PHRASE_LETTERS))
_NEGATED = re.compile(r"\b(?:not|cannot|can't|isn't|aren't|never|neither)\b", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:\*\*|__|[\s:=~\"'`]|(?:is|are|therefore|thus|then|simply|clearly|approximately"
    r"|probably|likely|most likely|just|exactly|indeed|about|equal to|equals|to be|also|now|option"
    r"|choice)\s+(?=\S)|#+\s)*",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"\$\$.+?\$\$|(?<!\\)\$[^$\n]+\$|\\\(.+?\\\)|\\\[.+?\\\]"
    r"|(?P<end>(?<!\b[A-Z])(?<!\b[a-z]\.[a-z])(?<!\bRs)(?<!\bNo)(?<!\bapprox)[.。](?=\s"
    r"|$|[*_\"'`}]*(?:\s|$))|(?<=[0-9])[。]|\n|\*\*(?=\s|$)|<\||</|<(?=[a-z]+>)"
    r"|[!?](?=\s|$)(?<![0-9\\]!))",
    re.DOTALL,
)
_EXPLANATION = re.compile(
    r"\s*(?:,\s*(?:and\s+)?|\(|—\s*|–\s+|-\s+|;\s*|\s)"
    r"(?:I(?=\s+[a-z])|we|you|because|since|as|so|which|that is|this|it|he|she"
    r"|they|but this|but that|given|due|hence|thus|after|where|when we|using|note)\b(?!\s*=)",
)
_DIRECT = re.compile(
    r"[$\\(\[{]*\s*(?:[-+−–±√≈~<>≤≥€£¥]|\\\$|\\[A-Za-z\[({]|\$|[0-9.]*[0-9]|[A-Za-z](?![A-Za-z])|[π∞½⅓¼])"
)
_LIST_GLUE = re.compile(
    r"(?:[\s,;$&~]|\\quad|\\qquad|\\[,;:!]|\\\)|\\\(|\\text\s*\{\s*,?\s*(?:and"
    r"|or)\s*,?\s*\}|(?:and|or)(?:\s+(?:possibly|maybe|perhaps|also))?\b|\*\*)*"
)
_HEDGED = re.compile(
    r"[\s$~]*(?:\\text\s*\{\s*)?,?\s*(?:or|and)\b(?:\s+(?:possibly|maybe|perhaps"
    r"|also))?\s*\}?\s*\$?\s*(-?[0-9]+(?:[.,][0-9]+)*(?![A-Za-z]))"
)

_TOLD = re.compile(r"(?:that|there|it|he|she|they|we|you)\b(?!\s*=)", re.IGNORECASE)
"""How a phrase goes on that tells its value in a sentence: "the answer is that they have 5 apples"."""

PHRASE_WINDOW = 20_000
"""Characters at the end of a response in which a final-answer phrase is looked for."""
PHRASE_REACH = 300
"""Characters after a final-answer phrase in which its answer is looked for."""
TAIL = 1000
"""Characters at the end of a response in which an unmarked answer is looked for."""
MOST_BOXES = 40
"""In one list."""


class _Mark(NamedTuple):
    start: int
    end: int
    content: str


def answers(text: str) -> Iterator[str]:
    """What may be the answer, in the order of preference."""
    return _begun_alike(text, with_last_statement=True)


def marked(text: str) -> Iterator[str]:
    """`answers` that something marks."""
    return _begun_alike(text, with_last_statement=False)


def _begun_alike(text: str, with_last_statement: bool) -> Iterator[str]:
    text = conclusion(text)
    begun, end, last = _scanned(text)
    for answer in _candidates(text if end == len(text) else text[:end], last, with_last_statement):
        if begun is None or _tight(answer).startswith(_tight(begun)):
            yield answer


def _candidates(text: str, last: "_Mark | None", with_last_statement: bool) -> Iterator[str]:
    marks = [mark for mark in (_boxes(text, last), _tag(text)) if mark is not None]
    if len(marks) == 2 and marks[0].start < marks[1].start:
        marks.reverse()
    after = marks[0].end if marks else 0
    phrase = _phrase(text, after)
    if phrase is not None and (not marks or _DIRECT.match(phrase)):
        yield phrase
        phrase = None
    for mark in marks:
        if mark.content:
            yield mark.content
    if marks:
        phrase = phrase or _phrase(text[: marks[0].start], 0)
    if phrase is not None:
        yield (_TOLD.match(phrase) and last_statement(phrase)) or phrase
    if with_last_statement and not marks:
        statement = last_statement(text)
        if statement is not None:
            yield statement


def conclusion(text: str) -> str:
    """What follows the reasoning of a model that marks it; nothing where the reasoning never ends."""
    if ">" not in text or "think>" not in text:
        return text
    end = text.rfind("</think>")
    if end >= 0 and text[end + len("</think>") :].strip():
        text = text[end + len("</think>") :]
    start = text.find("<think>")
    return text[:start] if start >= 0 and end < 0 else text


def _scanned(text: str) -> tuple[str | None, int, "_Mark | None"]:
    """How the content of a box begins that is never closed, or None; where it starts, else the end; the last full box.

    A box still open where the next one starts is open for good, for that one was not closed either: each character is
    looked at once.
    """
    end = limit = len(text)
    begun, is_open = None, True
    for start, opening in _boxes_from_last(text):
        group = _group(text, opening, limit)
        if group is not None and group.content:
            return begun, end, _Mark(start, group.end, group.content)
        limit = start
        is_open = is_open and group is None
        if is_open:
            written = text[opening : opening + 60].lstrip()
            if written.startswith("{"):
                begun, end = written[1:], start
            elif not text[opening:end].strip():
                end = start
    return begun, end, None


def _tight(answer: str) -> str:
    return re.sub(r"[\s$]", "", answer)


# -- boxes and tags ------------------------------------------------------------------------------------------------


def last_boxed(text: str) -> str | None:
    r"""The content of the last complete, non-empty `\boxed{...}` or `\fbox{...}`, braces matched.

    A box that is never closed is no box. Inside nested boxes the innermost counts.
    """
    mark = _scanned(text)[2]
    return mark.content if mark else None


def _boxes(text: str, last: _Mark | None) -> _Mark | None:
    """The last box, with those before it that make a list with it, and with an "or 6" right behind it."""
    if last is None:
        return None
    contents, start = [last.content], last.start
    while len(contents) < MOST_BOXES:
        before = text.rfind("box", max(0, start - 300), start)
        mark = _scanned(text[max(0, start - 2000) : start])[2] if before >= 0 else None
        if mark is None:
            break
        offset = max(0, start - 2000)
        glue = text[offset + mark.end : start]
        if not _LIST_GLUE.fullmatch(glue) or "\n\n" in glue:
            break
        contents.append(mark.content)
        start = offset + mark.start
    hedge = _HEDGED.match(text, last.end)
    if len(contents) == 1 and not hedge:
        return last
    distinct = list(dict.fromkeys(reversed(contents)))
    if hedge:
        distinct.append(hedge[1])
    return _Mark(start, last.end, ", ".join(distinct))


def _boxes_from_last(text: str) -> Iterator[tuple[int, int]]:
    """Where boxes start, and where their braces should, from the last box to the first."""
    start = len(text)
    while (start := text.rfind("box", 0, start)) >= 0:
        if text.startswith("\\boxed", start - 1):
            yield start - 1, start + len("boxed")
        elif text.startswith("\\fbox", start - 2):
            yield start - 2, start + len("box")
        elif text.startswith("\\framebox", start - 6):
            yield start - 6, start + len("box")


def _group(text: str, position: int, end: int) -> _Mark | None:
    """What the braces opening at `position` (after white space) enclose; None if they are not closed before `end`."""
    if shallow := _GROUP.match(text, position, end):
        return _Mark(position, shallow.end(), shallow[1].strip())
    start, depth = position, 0
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
                return _Mark(start, token.end(), text[position : token.start()].strip())
            if depth < 0:
                return None
        elif depth == 0:
            return None
    return None


def last_tagged(text: str, tag: str = "answer") -> str | None:
    """The content of the last `<answer>...</answer>`. The closing tag may be missing: it may be a stop string."""
    mark = _tag(text, tag)
    return mark.content or None if mark else None


def _tag(text: str, tag: str = "answer") -> _Mark | None:
    opening, closing = f"<{tag}>", f"</{tag}>"
    if ">" not in text or opening not in text:
        return None
    start = text.rfind(opening)
    inner = start + len(opening)
    end = text.find(closing, inner)
    content = text[inner : end if end >= 0 else len(text)].strip()
    before = text.rfind(opening, max(0, start - 2000), start)
    if before >= 0 and end >= 0 and content:
        first_end = text.find(closing, before)
        glue = text[first_end + len(closing) : start] if 0 <= first_end < start else "no"
        if _LIST_GLUE.fullmatch(glue) and "\n\n" not in glue:
            other = text[before + len(opening) : first_end].strip()
            content = content if other == content else f"{other}, {content}"
            start = before
    return _Mark(start, end + len(closing) if end >= 0 else len(text), content)


# -- phrases -------------------------------------------------------------------------------------------------------


def after_phrase(text: str) -> str | None:
    """What the last "the answer is ...", "Final answer: ..." or "#### ..." announces, up to the end of its sentence."""
    return _phrase(text[: _scanned(text)[1]], 0)


def _phrase(text: str, after: int) -> str | None:
    window = text[max(after, len(text) - PHRASE_WINDOW) :]
    if len(window) < PHRASE_REACH and not _ANY_LETTERS.search(window):
        return None
    place = len(window)
    while (found := _last_phrase(window, place)) is not None:
        clause = _clause(window[found.end() : found.end() + PHRASE_REACH])
        if clause is not None:
            return f"not {clause}" if _NEGATED.search(found[0]) else clause
        place = found.start()
    return None


def _last_phrase(text: str, end: int) -> re.Match[str] | None:
    """The last phrase that starts before `end`. Looks for its letters from the end, which `str` does fastest."""
    places = [text.rfind(mark, 0, end) for mark in _PHRASE_LETTERS]
    while (last := max(places)) >= 0:
        which = places.index(last)
        mark = _PHRASE_LETTERS[which]
        start = last
        while start > 0 and text[start - 1].isalpha() and text[start - 1] < "\u2000" and last - start < 12:
            start -= 1
        if mark.lower() in ("option", "choice"):
            word = re.search(r"(?:correct|right|best|final)\s+$", text[max(0, start - 12) : start], re.IGNORECASE)
            start = max(0, start - 12) + word.start() if word else start
        phrase = _PHRASE.match(text, start)
        if phrase and phrase.end() > last:
            return phrase
        places[which] = text.rfind(mark, 0, last + len(mark) - 1)
    return None


def _clause(reach: str) -> str | None:
    """The sentence that begins there, without what leads to its value and without what explains it."""
    reach = reach[_LEAD.match(reach).end() :]  # pyright: ignore[reportOptionalMemberAccess]
    end = len(reach)
    label = re.match(r"[\"'`(\[{]*[A-Z]\.(?=\s)", reach)
    for step in _STEP.finditer(reach, label.end() if label else 0):
        if step["end"] is not None:
            end = step.start()
            break
        if step[0].startswith("$") and not step[0].startswith("$$") and _TWO_WORDS.search(step[0]):
            return _clause_of(reach, _plain_end(reach, step.start() + 1))  # "$5 per week and $6"
    return _clause_of(reach, end)


def _plain_end(reach: str, start: int) -> int:
    ends = (step.start() for step in _STEP.finditer(reach, start) if step["end"] is not None)
    return next(ends, len(reach))


def _clause_of(reach: str, end: int) -> str | None:
    clause = reach[:end]
    explanation = next(
        (each for each in _EXPLANATION.finditer(clause) if any(map(str.isalnum, clause[: each.start()]))), None
    )
    if explanation:
        clause = clause[: explanation.start()]
    clause = _EMPTY_BOX.sub("", clause).strip(" \t\n*_\"'`:,;✓✅")
    if clause.startswith("$") and clause.count("$") == 1 and not re.match(r"\$\s*-?[0-9]", clause):
        clause = clause[1:]
    return _bare(clause) if any(map(str.isalnum, clause)) else None


# -- the last sentence ---------------------------------------------------------------------------------------------

_NUMBER = r"(?:[0-9]{1,3}(?:[,_ \u00a0\u202f][0-9]{3})+(?![0-9])|[0-9]+)(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+"
_ROOT = r"√\s*(?:\([^()\n]{1,40}\)|[0-9]+|[A-Za-z])|sqrt\s*(?:\([^()\n]{1,40}\)|[0-9]+)"
_ATOM = rf"(?:{_NUMBER}|{_ROOT}|\\[A-Za-z]+(?:\{{[^{{}}\n]{{0,60}}\}}){{0,2}}|[π∞½⅓⅔¼¾⅛⅜⅝⅞]|\bpi\b)"
_TIMES = r"\s*(?:[-+*/^×·÷−]|\*\*|\\times|\\cdot|:(?=[0-9]))\s*"
_VALUE = re.compile(
    rf"(?:(?<![A-Za-z0-9_.)])[-−–+±≈~]\s?)?(?:[$€£¥]\s?)?(?<![A-Za-z0-9_.\\]){_ATOM}(?:{_TIMES}[-−]?\(?{_ATOM}\)?"
    rf"|(?=[√π\\^!²³⁰-⁹]|sqrt|pi\b)(?:{_ATOM}|\^\{{?-?[0-9]+\}}?|!|[⁰¹²³⁴-⁹⁻]+)"
    rf"|\s(?=[0-9]+/[0-9])[0-9]+/[0-9]+)*"
    r"(?:\s?\\?%|°)?"
)
_JOINED = re.compile(
    r"\s*(?:,?\s*(?:and|or|to|but|nor|through|rather than)\b(?:\s+(?:possibly"
    r"|maybe|perhaps|also|else))?|[,;&]|[-–—±≤<≥>=≈]|\\(?:leq?|geq?|pm|approx)\b)\s*(?:[$€£¥(]?\s*)(?:[A-Za-z]\w?\s*[=≤<≥>]\s*)?\s*",
)
_BEFORE = re.compile(
    r"(?:\b(?:between|from|not|at most|at least|no more than|no less than|less than"
    r"|fewer than|more than|greater than|either|neither|cannot be|isn't|is not"
    r"|minus|negative|over|under|below|above|up to|half of|exceeds)\s+|\b[A-Za-z](?:_\w)?\s*(?:[=<>≤≥]"
    r"|\\leq?|\\geq?)\s*)$",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"\s*(?:(?:thousand|million|billion|trillion|dozen|hundred|lakh|crore|percent"
    r"|per cent|pct|squared|cubed|factorial|or (?:more|less|fewer|greater|above)"
    r"|and (?:above|over|below)|at (?:least|most)|if\b[^\n]*|unless\b[^\n]*|is (?:not"
    r"|wrong|incorrect)[^\n]*|times [0-9]+|x\b)(?![\w]))",
    re.IGNORECASE,
)
_TASK = re.compile(
    r"\W*(?:we (?:are asked|have|need|want) to\s+)?(?:compute|evaluate|find|enter"
    r"|give|choose|select|state|name|list|describe|identify|simplify|write|factor"
    r"|express|determine|calculate|solve|"
    r"convert|expand|prove|show|let|suppose|assume|consider|given|what|how (?:many"
    r"|much)|which)\b(?!\s*(?:this|that|it)\b)",
    re.IGNORECASE,
)
_TERM = (
    r"(?:[0-9]+(?:\.[0-9]+)?|(?<![A-Za-z])[A-Za-z](?![A-Za-z])|(?<![A-Za-z])(?:sin|cos|tan|ln|log|sqrt|exp|pi)(?![A-Za-z])"
    r"|\([^()\n]{1,60}\))"
)
_ATTACHED = re.compile(r"[A-Za-z^(]")
_ALGEBRA = re.compile(rf"(?:-\s*)?{_TERM}(?:(?:\s*(?:\*\*|[-+*/^=])\s*-?\s*)?{_TERM})+")
_OFFER = re.compile(r"\b(?:you|I|me)\b")
"""In a question that follows the answer: would you like to see another way?"""
_SENTENCE = re.compile(r"(?<=[0-9A-Za-z)$*}!?])[.!?](?=\s+[A-Z*]|\s*$)|\n+")


def last_statement(text: str) -> str | None:
    """The last value of the last sentence in the last `TAIL` characters that has one, with all that is joined to it."""
    tail = text[-TAIL:]
    ends = [0, *(match.end() for match in _SENTENCE.finditer(tail)), len(tail)]
    for place in range(len(ends) - 2, -1, -1):
        start, end = ends[place], ends[place + 1]
        sentence = tail[start:end]
        if _TASK.match(sentence) or (sentence.rstrip(" \n*\"'").endswith("?") and not _OFFER.search(sentence)):
            return None  # the response ends with a task or a question
        statement = _statement(sentence)
        if statement is not None:
            before = tail[ends[place - 1] : start] if place else ""
            return None if _TASK.match(before) and _MATH.fullmatch(sentence.strip(" \n.")) else statement
    return None


def _statement(sentence: str) -> str | None:
    values: list[tuple[int, int]] = []
    position = 0
    for math in _MATH.finditer(sentence):
        content = _content(math)
        if _TWO_WORDS.search(content) or not content or "\\boxed" in content:
            continue
        values += [value.span() for value in _VALUE.finditer(sentence, position, math.start())]
        values.append(math.span())
        position = math.end()
    values += [value.span() for value in _VALUE.finditer(sentence, position)]
    if not values:
        return None
    first = len(values) - 1
    while first and _is_joined(sentence, values[first - 1][1], values[first][0]):
        first -= 1
    start, end = values[first][0], values[-1][1]
    if sentence[start] in "+-−" or sentence[start - 1 : start] in ("^", "_", ")") or _ATTACHED.match(sentence, end):
        whole = next((each for each in _ALGEBRA.finditer(sentence) if each.start() <= start < each.end()), None)
        if whole:
            return whole[0]  # x^2 + 3x, and not its 2 + 3
    before = _BEFORE.search(sentence, 0, start)
    behind = _BEHIND.match(sentence, end)
    statement = sentence[before.start() if before else start : behind.end() if behind else end].strip()
    return _bare(statement)


def _is_joined(sentence: str, end: int, start: int) -> bool:
    return bool(_JOINED.fullmatch(sentence, end, start)) or (
        sentence[start] in "≈±" and not sentence[end:start].strip()
    )


def _bare(statement: str) -> str:
    whole = _MATH.fullmatch(statement)
    return _content(whole) if whole else statement


def numbers(text: str) -> list[str]:
    """All numbers in the last `TAIL` characters: "-3", "1234.5", "3/4", "20%"; thousands commas removed."""
    return [_plain(number[0]) for number in _PLAIN_NUMBER.finditer(text[-TAIL:])]


_PLAIN_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?\s?(?:\$\s?)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:\s?/\s?\d+(?![\d.]))?(?:\s?\\?%)?"
)


def _plain(number: str) -> str:
    """A number as matched, without spaces, currency sign and thousands commas."""
    return re.sub(r"[\s,$]", "", number).replace("\u2212", "-")


def last_lines(text: str, count: int = 1) -> str | None:
    """The last `count` lines with anything on them, from the last `TAIL` characters."""
    lines = [line.strip() for line in text[: _scanned(text)[1]][-TAIL:].splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or None


def _content(math: re.Match[str]) -> str:
    return next(group for group in math.groups() if group is not None).strip()
