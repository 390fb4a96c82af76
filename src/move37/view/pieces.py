"""A text taken apart for the page: words, maths, code, and the answer that was judged.

The page gets pieces and never markup, so nothing that a model wrote can become part of the page. A piece is a list: its
kind and then

    ["t", text]                      words as they are; control and formatting characters as codes
    ["m", TeX, in a block?, judged?] maths between $ $, $$ $$, \\( \\), \\[ \\], or a \\boxed{} by itself
    ["c", language, [[class, text]]] a fenced block of code, by Pygments' short classes
    ["a", text]                      the judged answer
    ["gap", characters]              what is left out of the middle

Every step is linear in the text. Left out: Markdown; maths in environments without delimiters.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pygments.lexers import get_lexer_by_name
from pygments.lexers.special import TextLexer
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from move37.console import visible

Piece = list[Any]

LONGEST_MATHS = 4000
"""Characters between two delimiters; more is taken for two that do not belong together."""
LONGEST_CODE = 50_000
"""Characters of code that are coloured."""
_OPENERS = re.compile(r"```|\$\$|\\\[|\\\(|\\boxed\s*\{|\$")
_CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_BRACE = re.compile(r"[{}]")
_LANGUAGE = re.compile(r"[\w+#.-]{0,30}[ \t]*\n")
_PROGRAM = re.compile(r"\s*(?:from\s+\w|import\s+\w|def\s+\w|class\s+\w|@\w|#)|\s{4}\S")


def pieces_of(text: str, answer: str | None = None, is_program: bool = False) -> list[Piece]:
    """`text` in pieces. `answer` is what was judged: its last place is marked. `is_program`: code without a fence."""
    if is_program and "```" not in text and _PROGRAM.match(text):
        found = [("```", "python\n" + text, 0)]
    else:
        found = list(_split(text))
    where = text.rfind(answer) if answer else -1
    span = (where, where + len(answer or "")) if where >= 0 else None
    pieces: list[Piece] = []
    for kind, content, start in found:
        if kind == "t":
            pieces += _words(content, start, span)
        elif kind == "```":
            pieces.append(_code(content))
        else:
            judged = span is not None and span[0] < start + len(content) and start < span[1]
            pieces.append(["m", visible(content), kind in ("$$", "\\["), judged])
    return _without_line_ends_around_blocks(pieces)


def shortened(text: str, answer: str | None, head: int, tail: int, is_program: bool = False) -> list[Piece]:
    """The pieces of a text with its middle left out where it is longer than `head` + `tail` characters."""
    if len(text) <= head + tail:
        return pieces_of(text, answer, is_program)
    start, end = text[:head], text[-tail:]
    in_end = answer is not None and answer in end
    gap: Piece = ["gap", len(text) - head - tail]
    return [*pieces_of(start, None if in_end else answer), gap, *pieces_of(end, answer if in_end else None)]


def _without_line_ends_around_blocks(pieces: list[Piece]) -> list[Piece]:
    """A block stands on lines of its own: the line ends before and behind it would be empty lines."""
    for place, piece in enumerate(pieces):
        if piece[0] == "c" or (piece[0] == "m" and piece[2]):
            if place and pieces[place - 1][0] == "t":
                pieces[place - 1][1] = pieces[place - 1][1].removesuffix("\n")
            if place + 1 < len(pieces) and pieces[place + 1][0] == "t":
                pieces[place + 1][1] = pieces[place + 1][1].removeprefix("\n")
    return pieces


def _split(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, content, where it starts): words, code after its fence, maths by its opener."""
    done = at = 0
    braces = _braces(text)
    while (opener := _OPENERS.search(text, at)) is not None:
        found = _closed(text, opener, braces)
        if found is None:
            at = opener.end()
            continue
        content, start, end = found
        if opener.start() > done:
            yield "t", text[done : opener.start()], done
        yield opener[0], content, start
        done = at = end
    if done < len(text):
        yield "t", text[done:], done


def _closed(text: str, opener: re.Match[str], braces: Mapping[int, int]) -> tuple[str, int, int] | None:
    """What stands behind an opener, where it starts, and where what closes it ends; None where nothing does."""
    kind, start = opener[0], opener.end()
    if kind == "```":
        end = text.find("```", start)
        end = len(text) if end < 0 else end
        return text[start:end], start, min(len(text), end + 3)
    if kind == "$":
        end = text.find("$", start, start + LONGEST_MATHS)
        content = text[start:end]
        # A price is no maths: no space inside the dollars, no line end, no digit behind them.
        if end <= start or content != content.strip() or "\n" in content or text[end + 1 : end + 2].isdigit():
            return None
        return content, start, end + 1
    if kind.startswith("\\boxed"):
        end = braces.get(start - 1, len(text)) + 1
        is_near = end - start <= LONGEST_MATHS and end <= len(text)
        return (text[opener.start() : end], opener.start(), end) if is_near else None
    closer = _CLOSERS[kind]
    end = text.find(closer, start, start + LONGEST_MATHS)
    return None if end < 0 or not text[start:end].strip() else (text[start:end], start, end + len(closer))


def _braces(text: str) -> dict[int, int]:
    """Where each brace that is closed is closed, by where it is opened."""
    if "\\boxed" not in text:
        return {}
    opened: list[int] = []
    found = {}
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif opened:
            found[opened.pop()] = brace.start()
    return found


def _words(content: str, start: int, span: tuple[int, int] | None) -> Iterator[Piece]:
    end = start + len(content)
    if span is None or span[1] <= start or span[0] >= end:
        yield ["t", visible(content)]
        return
    first, last = max(span[0], start) - start, min(span[1], end) - start
    for kind, part in (("t", content[:first]), ("a", content[first:last]), ("t", content[last:])):
        if part:
            yield [kind, visible(part)]


def _code(content: str) -> Piece:
    named = _LANGUAGE.match(content)
    language, code = (named[0].strip().lower(), content[named.end() :]) if named else ("", content)
    if len(code) > LONGEST_CODE:
        return ["c", language, [["", visible(code)]]]
    tokens = ((STANDARD_TYPES.get(kind, ""), visible(value)) for kind, value in _lexer(language).get_tokens(code))
    return ["c", language, [[name, value] for name, value in tokens if value]]


@lru_cache(maxsize=64)
def _lexer(language: str) -> Any:
    try:
        return get_lexer_by_name(language or "text", stripnl=False, ensurenl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False, ensurenl=False)
