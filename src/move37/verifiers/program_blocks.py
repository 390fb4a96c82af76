"""Where a response may hold a program: between fences, in tags, as JSON, between prose, in a line of text."""

import html
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from move37.verifiers.program_parsing import (
    LONGEST_PARSED,
    MOST_CUTS,
    STARTS,
    cleaned,
    error_line,
    indented_programs,
    is_whole,
    parsed,
    programs_between_prose,
)

_SPECIAL = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|</s>|<eos>|<(?:end_of_turn|endoftext|end_of_text)>|<\uff5c[^\n>]{1,40}\uff5c>"
)
_FENCE = re.compile(r"`{3,}|~{3,}")
_LEAD = re.compile(r"[ \t>*_\-+\d.):]*(?:</?\w+>)?[ \t]*")
"""What may stand before a fence of tildes: marks of lists, quotations, bold type, a tag."""
_INFO = re.compile(r"[ \t]*\{?\.?([\w+#.-]*)\}?(?:[ \t]*[{(\[:,=][^`\n]*|[ \t]+[^\s`]+)?[ \t]*")
_PYTHON_INFO = re.compile(
    r"[^\n`]{0,40}?(?<![a-z])(?:[ci]?py(?:con|py)?\d*(?![a-z])|[ci]?python)[^\n`]*", re.IGNORECASE
)
_SYMBOLS_INFO = re.compile(r"[^\w\s`]{1,3}[ \t]*")
_CODE_INFO = re.compile(
    r"[ \t]*(?:(?:python3?|py)[ \t]+)?(?=(?:async[ \t]+def|def|class)[ \t]+\w+[ \t]*[(:]|@\w"
    r"|from[ \t]+[\w.]+[ \t]+import\b|import[ \t]+\w)",
    re.IGNORECASE,
)
"""The program begins on the line of the fence."""
_WORD = re.compile(r"[\w+#-]+[ \t]*(?=\n|\Z)")
"""All that stands behind a fence that opens a block."""
_QUOTE = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_TAGS = re.compile(
    r"\[PYTHON\]\n?(?P<python>(?:(?!\[PYTHON\]).)*?)(?:\[/PYTHON\]|\Z)"
    r"|\[BEGIN\]\n?(?P<begin>.*?)(?:\[DONE\]|\Z)"
    r"|<code[^<>\n]{0,80}>(?P<code>.*?)(?:</code>|\Z)"
    r"|^(?P<mark>'''|\"\"\"|\u00b4\u00b4\u00b4|\uff40\uff40\uff40)python\n(?P<quoted>.*?)(?:^(?P=mark)|\Z)",
    re.DOTALL | re.MULTILINE,
)
_MARKS = ("[PYTHON]", "[BEGIN]", "<code", "'''python\n", '"""python\n', "\u00b4\u00b4\u00b4", "\uff40\uff40\uff40")
_HERE_DOCUMENT = re.compile(r"<<-?[ \t]*['\"]?(\w+)['\"]?[^\n]*\n(.*?\n)[ \t]*\1[ \t]*(?:\n|\Z)", re.DOTALL)
_TAG = re.compile(r"[ \t]*(?:</?[A-Za-z][^<>\n]{0,200}>|<!\[CDATA\[)")
_TAG_AT_END = re.compile(r"(?:</[A-Za-z][\w:.=-]{0,60}>|\]\]>)[ \t]*\Z")
_LINE_BREAK = re.compile(r"<br[ \t]*/?>")
_INLINE = re.compile(r"(?<!`)(`{1,3})([^`\n]{4,})\1(?!`)")
_LABELLED = re.compile(r"^[A-Z][\w ]{0,20}:[ \t]+(?=(?:def|class|from|import)[ \t])", re.MULTILINE)
PYTHON, UNKNOWN, OTHER = "python", "unknown", "other"
_NESTING = frozenset({"markdown", "md"})
_DIFFS = frozenset({"diff", "patch"})
_OTHER_LANGUAGES = (
    "bash sh shell zsh console text txt plaintext plain output json yaml yml xml html css scss sql java javascript js "
    "typescript ts tsx jsx c cpp c++ csharp cs c# go golang rust ruby php kotlin swift r haskell scala perl lua matlab "
    "latex tex mermaid diff patch ini toml makefile dockerfile powershell pytest input stdin stdout result math none"
)
_OTHERS = frozenset(_OTHER_LANGUAGES.split())
_OPENING = _OTHERS | _NESTING | {"python", "python3", "py", "py3", "python2", "cpython", "pypy", "pypy3", "ipython"}
_OPENING |= {"code", "pycon", "python-repl", "ipython3", "doctest"}
"""Words behind a fence that begin a new block, also where the one before was never closed."""

Fits = Callable[[str], bool]


class Block(NamedTuple):
    text: str
    kind: str = PYTHON
    closed: bool = True
    labelled: bool = False
    """Whether it says itself that it is Python."""


def without_special(text: str) -> str:
    return _SPECIAL.sub("", text)


# -- fences ------------------------------------------------------------------------------------------------------------


def fenced(text: str, fits: Fits, head: str = "") -> Iterator[Block]:
    """The contents of the fenced blocks, in order. `fits`: whether a text is a program that was asked for."""
    position, first = 0, True
    while (opening := _opening(text, position)) is not None:
        mark, line_start, content_start, info = opening
        if first and not info and (before := _before(text, line_start, fits, head)):
            yield from before  # the prompt opened it, and this fence closes it
            position, first = content_start, False
            continue
        first = False
        end, position, closed = _closing(text, content_start, mark)
        content = text[content_start:end]
        lead = text[line_start : text.index(mark, line_start)]
        if ">" in lead and _QUOTE.match(lead):
            for _ in range(min(lead.count(">"), MOST_CUTS)):
                content = _QUOTE.sub("", content)
        elif not lead.strip():
            content = _unindented(content, lead)
        yield from _of_language(content, info, closed, fits, head)


def _of_language(content: str, info: str, closed: bool, fits: Fits, head: str) -> Iterator[Block]:
    word = re.match(r"[\W_]*([\w+#]*)", info)
    language = word[1] if word else ""
    if language in _NESTING:
        yield from fenced(content, fits, head)
    elif language in _DIFFS:
        lines = [line[1:] for line in content.split("\n") if not line.startswith(("-", "+++", "@@", "diff ", "index "))]
        yield Block("\n".join(lines), OTHER, closed)
    elif language in _OTHERS:
        yield Block(content, OTHER, closed)
        yield from (Block(found[2], PYTHON, True) for found in _HERE_DOCUMENT.finditer(content))
    else:
        labelled = _PYTHON_INFO.fullmatch(info) is not None
        is_python = labelled or not language or language == "code"
        yield Block(content, PYTHON if is_python else UNKNOWN, closed, labelled)


def _before(text: str, line_start: int, fits: Fits, head: str) -> list[Block]:
    """What stands before a first fence without a label, if it is the program and the fence its end."""
    before = text[:line_start].strip("\n")
    if not before:
        return []
    if _is_python(before, head):
        return [Block(before + "\n")]
    if len(_FENCE.findall(text)) % 2 == 0 or not STARTS.search(before):
        return []
    return [Block(program) for program in programs_between_prose(before) if fits(program)]


def _is_python(text: str, head: str) -> bool:
    """Whether a text is a program, or continues the head."""
    if head and text[:1].isspace():
        return error_line(head + text) is None
    return STARTS.search(text) is not None and parsed(text) is not None


def _opening(text: str, start: int) -> tuple[str, int, int, str] | None:
    """The next fence from which a block may begin: the fence, where its line and its content begin, what it says."""
    counted = line_start = text.rfind("\n", 0, start) + 1
    line_end, ticks = -1, 0
    for fence in _FENCE.finditer(text, start):
        if fence.start() > line_end:  # of a line with many, only what is new is looked at: their number may be large
            line_start = text.rfind("\n", start, fence.start()) + 1 or line_start
            line_end = text.find("\n", fence.end())
            line_end = len(text) if line_end < 0 else line_end
        if line_start < start:
            ticks += text.count("`", counted, fence.start())
            counted = fence.start()
            if ticks % 2:
                continue
        leads = _LEAD.fullmatch(text, max(line_start, start), fence.start()) is not None
        if fence[0].startswith("~") and not leads:
            continue
        code = _CODE_INFO.match(text, fence.end(), line_end) if leads else None
        if code:
            return fence[0], max(line_start, start), code.end(), "python"
        forms = (_INFO, _PYTHON_INFO, _SYMBOLS_INFO) if leads else (_INFO,)
        if any(form.fullmatch(text, fence.end(), line_end) for form in forms):
            info = text[fence.end() : line_end].strip().lower()
            return fence[0], max(line_start, start), min(line_end + 1, len(text)), info
    return None


def _closing(text: str, start: int, mark: str) -> tuple[int, int, bool]:
    """Where the block that begins at `start` ends, where the text goes on behind it, and whether it was closed."""
    first: tuple[int, int, bool] | None = None
    inside: tuple[int, int, bool] | None = None
    quotes, counted, tries = 0, start, MOST_CUTS
    for fence in _FENCE.finditer(text, start):
        if fence[0][0] != mark[0] or len(fence[0]) < len(mark):
            continue
        quotes += text.count('"""', counted, fence.start()) + text.count("'''", counted, fence.start())
        counted = fence.end()
        line_start = text.rfind("\n", start, fence.start()) + 1 or start
        alone = not text[line_start : fence.start()].strip(" \t>")
        info = _WORD.match(text, fence.end())
        opens = alone and info is not None and info[0].strip().lower() in _OPENING
        end = line_start if alone else fence.start()
        found = (end, line_start, False) if opens else (end, fence.end(), True)
        first = first or found
        if quotes % 2:
            continue
        if (alone and inside is None) or is_whole(text[start:end]):
            return found
        inside = inside or found  # within a line it may be text of the program's, which then goes on behind it
        tries -= 1
        if not tries:
            break
    if first is None and len(mark) > 3:
        return _closing(text, start, mark[:3])  # a model does not count them
    return inside or first or (len(text), len(text), False)


def _unindented(block: str, indent: str) -> str:
    """A block in a list is indented like its fence; a continuation of a function, or a careless block, is not."""
    if not indent:
        return block
    lines = block.split("\n")
    code = [line for line in lines if line.strip()]
    if not code or not all(line.startswith(indent) for line in code) or code[0][len(indent)].isspace():
        return block
    return "\n".join(line.removeprefix(indent) for line in lines)


# -- tags and JSON -----------------------------------------------------------------------------------------------------


def tagged(text: str) -> Iterator[Block]:
    """What stands in the tags of models that were trained to use them, in HTML, or in quotation marks for a fence."""
    if not any(mark in text for mark in _MARKS):
        return
    for match in _TAGS.finditer(text):
        content = next(match[kind] for kind in ("python", "begin", "code", "quoted") if match[kind] is not None)
        yield Block(_unescaped(content) if match["code"] is not None else content.strip("\n"))


def _unescaped(text: str) -> str:
    return html.unescape(_LINE_BREAK.sub("\n", text)).removeprefix("<![CDATA[").removesuffix("]]>").lstrip("\n")


def between_tags(text: str) -> Iterator[Block]:
    """The programs between any tags at the beginning or the end of lines."""
    if "<" not in text or len(text) > LONGEST_PARSED:
        return
    piece: list[str] = []
    for line in (*text.split("\n"), "</end>"):
        position = 0
        while (tag := _TAG.match(line, position)) is not None:
            position = tag.end()
        closing = _TAG_AT_END.search(line, max(position, len(line) - 200))
        end = closing.start() if closing else len(line)
        if position and piece:
            yield from between_prose(html.unescape("\n".join(piece)))
            piece = []
        piece.append(line[position:end])
        if closing:
            yield from between_prose(html.unescape("\n".join(piece)))
            piece = []


def in_json(text: str) -> Iterator[Block]:
    """Programs that are texts of a JSON object: a call of a tool, a structured answer, a notebook."""
    position, decoder = 0, json.JSONDecoder()
    for _ in range(MOST_CUTS):
        position = text.find("{", position)
        if position < 0:
            return
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
            continue
        yield from map(Block, _texts(value, MOST_CUTS))


def _texts(value: Any, deep: int) -> Iterator[str]:
    if isinstance(value, str):
        if deep and value.lstrip().startswith("{"):
            yield from (block.text for block in in_json(value))
        elif STARTS.search(value):
            yield value
    elif isinstance(value, dict) and deep:
        source = value.get("source")
        if isinstance(source, list) and all(isinstance(line, str) for line in source):
            yield "".join(source)
        else:
            yield from (text for each in value.values() for text in _texts(each, deep - 1))
    elif isinstance(value, list) and deep:
        yield from (text for each in value for text in _texts(each, deep - 1))


# -- without marks -----------------------------------------------------------------------------------------------------


def between_prose(text: str) -> Iterator[Block]:
    text = cleaned(_LABELLED.sub("", text.strip("\r\n")))
    yield from map(Block, programs_between_prose(text))


def indented(text: str) -> Iterator[Block]:
    yield from map(Block, indented_programs(text))


def inline(text: str) -> Iterator[Block]:
    """Programs that are part of a line."""
    for found in _INLINE.finditer(text):
        code = re.sub(r"\A(?:python3?|py)[ \t]+", "", found[2].strip())
        if STARTS.search(code) and parsed(code) is not None:
            yield Block(code)
