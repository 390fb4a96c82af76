"""Which text in a response is the program. One order, for HumanEval, MBPP, LiveCodeBench and tests of one's own:

1. What follows the last </think>, if there is a program in it; else the whole text.
2. Blocks: between fences (``` or ~~~, also behind prose, a list mark, a quotation mark or a tag), [PYTHON] and
   [/PYTHON], [BEGIN] and [DONE], <code> and </code>. A fence ends a block wherever it stands in a line and whatever
   follows it, but not inside a docstring. Text before a first fence that has no opening is a block if it is Python: the
   prompt opened it. A block that is never closed ends with the text, and counts only where no closed one does.
   Of several blocks:
     functions   the last one that defines a tested name, else the last that continues the problem's head
     scripts     the last one that reads input, else the last one that prints something computed
     else        the last one that is Python
   Blocks that say that they are another language, or output, are none. If the chosen one uses names that it does not
   define, other blocks that define them are put before it.
3. Without blocks the whole text, without the prose before and after, if it is Python.

In what was found, prompts (>>> and ...), quotation marks, no-break spaces in indentation, a byte-order mark and a
model's special tokens are taken off.

Pure string work in time linear in the text: a parse is tried a bounded number of times, on bounded texts.
"""

import ast
import builtins
import html
import re
import warnings
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from move37.verifiers.sandbox.names import defined_and_imported, nodes, used_and_bound

_SPECIAL = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|</s>|<eos>|<(?:end_of_turn|endoftext|end_of_text)>|<\uff5c[^\n>]{1,40}\uff5c>"
)
_FENCE = re.compile(r"`{3,}|~{3,}")
_LEAD = re.compile(r"[ \t>*_\-+\d.):]*(?:</?\w+>)?[ \t]*")
"""What may stand before a fence of tildes: marks of lists, quotations, bold type, a tag."""
_INFO = re.compile(r"[ \t]*\{?\.?([\w+#.-]*)\}?(?:[ \t]*[{(\[:,=].*|[ \t]+\S+)?[ \t]*")
_WORD = re.compile(r"[\w+#-]+[ \t]*(?=\n|\Z)")
"""All that stands behind a fence that opens a block."""
_QUOTE = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)
_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?: |$)(.*)$|^[ \t]*In \[\d*\]: ?(.*)$", re.MULTILINE)
_TAGS = re.compile(
    r"\[PYTHON\](?P<python>.*?)(?:\[/PYTHON\]|\Z)"
    r"|\[BEGIN\](?P<begin>.*?)(?:\[DONE\]|\Z)"
    r"|<code[^<>\n]{0,80}>(?P<code>.*?)(?:</code>|\Z)",
    re.DOTALL,
)
_PYTHONS = frozenset({"", "python", "python3", "py", "py3", "python2", "cpython", "pypy", "pypy3", "ipython", "code"})
_PROGRAMS_OF_CONSOLES = frozenset({"pycon", "python-repl", "ipython3", "doctest"})
_NESTING = frozenset({"markdown", "md"})
_DEFINES = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)", re.MULTILINE)
_READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0|\bfileinput\b|os\.read\s*\(\s*0")
_PYTHON = re.compile(
    r"^(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[ \t]*[:(]|@\w"
    r"|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b"
    r"|[\w.\[\]]+(?:[ \t]*,[ \t]*[\w.\[\]]+)*[ \t]*(?:[-+*/%&|^]|//|\*\*|<<|>>)?=[^=]|print\("
    r"|(?:for|while|if|try|with)\b[^\n]*:[ \t]*(?:#[^\n]*)?$|[\w.]+\([^\n]*\)[ \t]*$)",
    re.MULTILINE,
)
_CONTINUES = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]+[^\s#]")
"""The first line of code is indented; comments before it may stand anywhere."""
LONGEST_PARSED = 200_000
"""Characters of a text that is parsed to find out what it is."""
MOST_CUTS = 4
"""Times that prose behind a program is cut off."""
MOST_BLOCKS = 200


class Task(NamedTuple):
    """What is asked for: names that the program must define, the head that it may continue, or a script."""

    names: frozenset[str]
    head: str
    is_script: bool


class _Block(NamedTuple):
    text: str
    language: str
    closed: bool


def continues(program: str) -> bool:
    """Whether it goes on inside a function, instead of being whole."""
    return _CONTINUES.match(program) is not None


def find_program(text: str, task: Task) -> str | None:
    """The program in a response; None where there is none."""
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    thought = text.rfind("</think>")
    if thought >= 0:
        found = _find(text[thought + len("</think>") :], task)
        if found is not None:
            return found
    return _find(text, task)


def _find(text: str, task: Task) -> str | None:
    blocks = [_clean(block) for block in deque(_blocks(text, task), maxlen=MOST_BLOCKS)]
    blocks = [block for block in blocks if block.text.strip()]
    if blocks:
        return _with_helpers(_chosen(blocks, task), blocks, task)
    if _FENCE.search(text):
        return None
    return _from_prose(_clean(_Block(_SPECIAL.sub("", text.partition("[DONE]")[0]), "", True)).text, task)


# -- blocks ------------------------------------------------------------------------------------------------------------


def _blocks(text: str, task: Task) -> Iterator[_Block]:
    if _FENCE.search(text):
        yield from _fenced(text, task)
    elif any(mark in text for mark in ("[PYTHON]", "[BEGIN]", "<code")):
        for match in _TAGS.finditer(text):
            kind = match.lastgroup or "code"
            content = html.unescape(match[kind]) if kind == "code" else match[kind]
            yield _Block(content.lstrip("\n") if kind == "code" else content.strip("\n"), "", True)


def _fenced(text: str, task: Task) -> Iterator[_Block]:
    """The contents of the fenced blocks, in order."""
    text = _SPECIAL.sub("", text)
    position, first = 0, True
    while (opening := _opening(text, position)) is not None:
        mark, line_start, content_start, language = opening
        before = text[:line_start].strip("\n") if first and not language else ""
        if before and _is_python(before, task):
            yield _Block(before + "\n", "", True)  # the prompt opened it, and this fence closes it
            position, first = content_start, False
            continue
        first = False
        end, position, closed = _closing(text, content_start, mark)
        content = text[content_start:end]
        lead = text[line_start : text.index(mark, line_start)]
        if ">" in lead and _QUOTE.match(lead):
            content = _QUOTE.sub("", content)
        elif not lead.strip():
            content = _unindented(content, lead)
        if language in _NESTING:
            yield from _fenced(content, task)
        else:
            yield _Block(content, language, closed)


def _opening(text: str, start: int) -> tuple[str, int, int, str] | None:
    """The next fence from which a block may begin: the fence, where its line and its content begin, the language."""
    for fence in _FENCE.finditer(text, start):
        line_start = text.rfind("\n", 0, fence.start()) + 1
        line_end = text.find("\n", fence.end())
        line_end = len(text) if line_end < 0 else line_end
        info = _INFO.fullmatch(text, fence.end(), line_end)
        if info is None or (line_start < start and text[line_start : fence.start()].count("`") % 2):
            continue
        lead = text[max(line_start, start) : fence.start()]
        if fence[0].startswith("~") and not _LEAD.fullmatch(lead):
            continue
        return fence[0], max(line_start, start), min(line_end + 1, len(text)), info[1].lower()
    return None


def _closing(text: str, start: int, mark: str) -> tuple[int, int, bool]:
    """Where the block that begins at `start` ends, where the text goes on behind it, and whether it was closed."""
    first: tuple[int, int, bool] | None = None
    quotes, counted = 0, start
    for fence in _FENCE.finditer(text, start):
        if fence[0][0] != mark[0] or len(fence[0]) < len(mark):
            continue
        quotes += text.count('"""', counted, fence.start()) + text.count("'''", counted, fence.start())
        counted = fence.end()
        line_start = max(text.rfind("\n", 0, fence.start()) + 1, start)
        alone = not text[line_start : fence.start()].strip(" \t>")
        info = _WORD.match(text, fence.end())
        opens = alone and info is not None and info[0].strip().lower() in _LANGUAGES
        end = line_start if alone else fence.start()
        found = (end, line_start, False) if opens else (end, fence.end(), True)
        first = first or found
        if quotes % 2 == 0:
            return found
    return first if first is not None else (len(text), len(text), False)


def _unindented(block: str, indent: str) -> str:
    """A block in a list is indented like its fence; a continuation of a function, or a careless block, is not."""
    lines = block.split("\n")
    code = [line for line in lines if line.strip()]
    if not code or not all(line.startswith(indent) for line in code) or code[0][len(indent)].isspace():
        return block
    return "\n".join(line.removeprefix(indent) for line in lines)


def _clean(block: _Block) -> _Block:
    """The block without what a screen or a model added to the program."""
    text = block.text.lstrip("\ufeff")
    if "\u00a0" in text:
        text = re.sub(r"^[ \t\u00a0]+", lambda space: space[0].replace("\u00a0", " "), text, flags=re.MULTILINE)
        if _parsed(text) is None and not continues(text):
            text = text.replace("\u00a0", " ")
    lines = _PROMPT.findall(text)
    if lines and re.search(r"^[ \t]*(?:>>>|In \[)", text, re.MULTILINE) and _parsed(text) is None:
        text = "\n".join(a or b for a, b in lines) + "\n"
    return block._replace(text=text)


# -- which of them -----------------------------------------------------------------------------------------------------


def _chosen(blocks: Sequence[_Block], task: Task) -> _Block:
    pythons = [block for block in blocks if block.language in _PYTHONS | _PROGRAMS_OF_CONSOLES]
    for group in ([b for b in pythons if b.closed], pythons):
        found = _last(group, lambda block: bool(task.names & set(_DEFINES.findall(block.text))))
        if found is None and task.head and not task.is_script:
            found = _last(group, lambda block: continues(block.text))
        if found is None and task.is_script:
            found = _script(group)
        if found is not None:
            return found
    for group in ([b for b in pythons if b.closed], pythons):
        found = _last(group, lambda block: _parsed(block.text) is not None) or _last(group, lambda block: True)
        if found is not None:
            return found
    return blocks[-1]


def _last(blocks: Sequence[_Block], fits) -> _Block | None:
    return next((block for block in reversed(blocks) if fits(block)), None)


def _script(blocks: Sequence[_Block]) -> _Block | None:
    """The last that reads input, with what follows and calls it; else the last that prints something computed."""
    for place in range(len(blocks) - 1, -1, -1):
        block = blocks[place]
        if not _READS.search(block.text) or _parsed(block.text) is None:
            continue
        tree = _parsed(block.text)
        if tree is not None and all(isinstance(node, _DEFINITIONS) for node in tree.body):
            calls = (
                later for later in blocks[place + 1 :] if _only_calls(later.text, set(_DEFINES.findall(block.text)))
            )
            call = next(calls, None)
            if call is not None:
                return block._replace(text=f"{block.text.rstrip()}\n\n{call.text}")
        return block
    return _last(blocks, lambda block: "print" in block.text and _computes(_parsed(block.text)))


_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign


def _only_calls(text: str, names: Collection[str]) -> bool:
    """Whether it begins what another block defined."""
    tree = _parsed(text)
    return tree is not None and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
        for node in ast.walk(tree)
    )


def _computes(tree: ast.Module | None) -> bool:
    """Whether a program is more than assertions and the printing of constants."""
    if tree is None or any(isinstance(node, ast.Assert) for node in tree.body):
        return False
    return any(isinstance(node, ast.Name) and not hasattr(builtins, node.id) for node in ast.walk(tree))


def _with_helpers(chosen: _Block, blocks: Sequence[_Block], task: Task) -> str:
    """The chosen block, behind the other blocks that define what it uses and does not define."""
    others = [b for b in blocks if b.text not in chosen.text and b.language in _PYTHONS]
    taken: list[_Block] = []
    missing = _missing(chosen.text, task.head)
    for _ in range(len(others)):
        wanted = [b for b in others if b not in taken and missing & _has(b.text)]
        if not wanted:
            break
        # Of several that define the same, the last before the program is its newest.
        needed = wanted[-1]
        taken.append(needed)
        missing = (missing | _missing(needed.text)) - _has(needed.text)
    if not taken:
        return chosen.text
    ordered = [b.text.rstrip() for b in others if b in taken and not task.names & set(_DEFINES.findall(b.text))]
    return "\n\n".join((*ordered, chosen.text))


def _missing(text: str, head: str = "") -> set[str]:
    tree = _parsed(head + text if continues(text) else text)
    if tree is None:
        return set()
    used, bound = used_and_bound(nodes(tree))
    return used - bound - set(dir(builtins))


def _has(text: str) -> set[str]:
    """What a block has for others."""
    tree = _parsed(text)
    return set() if tree is None else set().union(*defined_and_imported(tree))


# -- a text without blocks ---------------------------------------------------------------------------------------------


def _is_python(text: str, task: Task) -> bool:
    """Whether a text is a program, or continues the head."""
    if task.head and continues(text):
        return _error_line(task.head + text) is None
    return _PYTHON.search(text) is not None and _parsed(text) is not None


def _from_prose(text: str, task: Task) -> str | None:
    """The program in a text without fences: from the first line of code up to where it stops being Python."""
    text = text.strip("\r\n")
    if task.head and continues(text):
        return _up_to_prose(text, task.head) or text
    start = _PYTHON.search(text)
    if start is None:
        return None
    if not text[: start.start()].strip() or _parsed(text) is not None:
        return _up_to_prose(text, "") or text
    for match in _starts(text):
        program = _up_to_prose(text[match:], "")
        if program is not None and (not task.names or task.names & set(_DEFINES.findall(program))):
            return program
    return text


def _starts(text: str) -> Iterator[int]:
    for _, match in zip(range(MOST_CUTS), _PYTHON.finditer(text), strict=False):
        yield match.start()


def _up_to_prose(program: str, head: str) -> str | None:
    """The program without what follows it and is no Python; None if nothing of it is."""
    for _ in range(MOST_CUTS):
        line = _error_line(head + program)
        if line is None:
            return program if program.strip() else None
        lines = program.split("\n")
        # The error is where prose begins, or in the paragraph that it ends.
        kept = lines[: max(0, line - 1 - head.count("\n"))]
        while kept and kept[-1].strip() and not kept[-1][0].isspace() and not _PYTHON.match(kept[-1]):
            kept.pop()
        if not any(each.strip() for each in kept):
            return None
        program = "\n".join(kept).rstrip()
    return None


def _error_line(program: str) -> int | None:
    """The line at which a text stops being Python; None if it does not, or is too long to tell."""
    try:
        _parse(program)
    except SyntaxError as error:
        return error.lineno or 1
    except _UNPARSED:
        return None
    return None


def _parsed(text: str) -> ast.Module | None:
    try:
        return _parse(text)
    except (SyntaxError, *_UNPARSED):
        return None


def _parse(text: str) -> ast.Module:
    if len(text) > LONGEST_PARSED:
        raise ValueError("too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the program's spelling
        return ast.parse(text)


_UNPARSED = (ValueError, RecursionError, MemoryError)
_OTHERS = (
    "bash sh shell zsh console text txt plaintext plain output json yaml xml html css sql java javascript js "
    "typescript ts c cpp c++ csharp cs go rust ruby php kotlin swift r haskell scala perl lua matlab latex tex "
    "mermaid diff ini toml makefile dockerfile powershell"
)
_LANGUAGES = _PYTHONS - {""} | _PROGRAMS_OF_CONSOLES | _NESTING | set(_OTHERS.split())
"""Words behind a fence that begin a new block, also where the one before was never closed."""
