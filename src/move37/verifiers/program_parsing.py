"""Pieces of a response read as Python: whether they are, where they stop being it, what they have, what they lack.

A parse is tried a bounded number of times, on bounded texts, and kept while one response is looked at.
"""

import ast
import builtins
import re
import warnings
from collections.abc import Collection, Iterator
from functools import lru_cache
from textwrap import dedent, indent

from move37.verifiers.sandbox.names import defined_and_imported, nodes, used_and_bound

LONGEST_PARSED = 200_000
"""Characters of a text that is parsed to find out what it is."""
MOST_CUTS = 4
"""Times that prose behind a program is cut off."""
MOST_PIECES = 12
"""Programs that are looked for between prose."""
STARTS = re.compile(
    r"^(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[ \t]*[:(]|@\w"
    r"|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b"
    r"|[\w.\[\]]+(?:[ \t]*,[ \t]*[\w.\[\]]+)*[ \t]*(?:[-+*/%&|^]|//|\*\*|<<|>>)?=[^=]|print\("
    r"|(?:for|while|if|try|with)\b[^\n]*:[ \t]*(?:#[^\n]*)?$|[\w.]+\([^\n]*\)[ \t]*$)",
    re.MULTILINE,
)
"""A line with which a program may begin."""
_CONTINUES = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]+[^\s#]")
"""The first line of code is indented; comments before it may stand anywhere."""
_BINDS = re.compile(
    r"^(?:(?:async[ \t]+def|def|class)[ \t]+(\w+)|(\w+)[ \t]*(?::[^=\n]*)?=[^=]"
    r"|(?:from|import)[ \t][^\n]*\bas[ \t]+(\w+))",
    re.MULTILINE,
)
_DEFINITION = re.compile(r"^(?:async[ \t]+def|def|class)[ \t]", re.MULTILINE)
_DROPPED = re.compile(r"\bprint\s*\(|\binput\s*\(|\bstdin\b|\bassert\b|__name__")
_UNPARSED = (ValueError, RecursionError, MemoryError)


def continues(program: str) -> bool:
    """Whether it goes on inside a function, instead of being whole."""
    return _CONTINUES.match(program) is not None


@lru_cache(maxsize=64)
def parsed(text: str) -> ast.Module | None:
    try:
        return _parse(text)
    except (SyntaxError, *_UNPARSED):
        return None


def forget() -> None:
    """Let go of the trees of a response."""
    parsed.cache_clear()


def is_whole(text: str) -> bool:
    """Whether it is Python, or the inside of a function."""
    return parsed(text) is not None or (continues(text) and parsed(f"if 1:\n{text}") is not None)


def _parse(text: str) -> ast.Module:
    if len(text) > LONGEST_PARSED:
        raise ValueError("too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the program's spelling
        return ast.parse(text)


def error_line(program: str) -> int | None:
    """The line at which a text stops being Python; None if it does not, or is too long to tell."""
    try:
        _parse(program)
    except SyntaxError as error:
        return error.lineno or 1
    except _UNPARSED:
        return None
    return None


# -- names -------------------------------------------------------------------------------------------------------------


def defines_at_margin(text: str) -> bool:
    return _DEFINITION.search(text) is not None


def binds(text: str) -> set[str]:
    """The names that its lines define, assign or import as another: also where it is no Python as a whole."""
    return {name for found in _BINDS.findall(text) for name in found if name}


def has(text: str) -> set[str]:
    """What a piece has for others."""
    tree = parsed(text)
    return set() if tree is None else set().union(*defined_and_imported(tree))


def missing(text: str, head: str = "") -> set[str]:
    """What it uses and has not, or binds anew from what it has not: `f = logged(f)`."""
    tree = parsed(head + text if continues(text) else text)
    if tree is None:
        return set()
    used, bound = used_and_bound(nodes(tree))
    return (used - bound - set(dir(builtins))) | _bound_anew(tree)


def _bound_anew(tree: ast.Module) -> set[str]:
    """The names to which its first assignment gives something made of themselves."""
    before, anew = set(dir(builtins)), set[str]()
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                if name not in before and any(
                    isinstance(n, ast.Name) and n.id == name for n in ast.walk(statement.value)
                ):
                    anew.add(name)
                before.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                before.add(name)
            case _:
                before |= used_and_bound(nodes(ast.Module([statement], [])))[1]
    return anew


def definitions(text: str) -> str:
    """What a piece has for others, without what it does: no tests, no input, no output."""
    tree = parsed(text)
    if tree is None:
        return text
    lines = text.split("\n")
    kept = [
        source
        for statement in tree.body
        for first in [min(each.lineno for each in (statement, *getattr(statement, "decorator_list", ())))]
        for source in ["\n".join(lines[first - 1 : statement.end_lineno])]
        if not _does(statement, source)
    ]
    return text if len(kept) == len(tree.body) else "\n".join(kept)


def _does(statement: ast.stmt, source: str) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
        return False
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name())):
            return True
    return _DROPPED.search(source) is not None


def reads_input(text: str) -> bool:
    """Whether it does read its input, and not only speak of that in a comment or a text."""
    tree = parsed(text)
    return tree is None or any(map(_reads, ast.walk(tree)))


def _reads(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="input" | "stdin" | "fileinput") | ast.alias(name="stdin" | "input" | "fileinput"):
            return True
        case ast.Attribute(attr="stdin" | "__stdin__" | "input"):
            return True
        case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open" | "read" | "fdopen"), args=[first, *_]):
            return isinstance(first, ast.Constant) and first.value in (0, "/dev/stdin")
    return False


def returns_a_value(text: str) -> bool:
    tree = parsed(text)
    return tree is not None and any(
        isinstance(node, ast.Return | ast.Yield | ast.YieldFrom | ast.Lambda)
        and getattr(node, "value", True) is not None
        for node in ast.walk(tree)
    )


def without_docstrings(text: str) -> str:
    """What it does, in one spelling; "" where it is no Python."""
    if parsed(text) is None:
        return ""
    tree = ast.parse(text)  # a tree of its own, which is changed
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | _DEFINED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def takes_self(text: str, names: Collection[str]) -> bool:
    """Whether what it defines of these names are methods without their class."""
    tree = parsed(text)
    found = [] if tree is None else [each for each in tree.body if isinstance(each, _DEFINED) and each.name in names]
    return bool(found) and all(
        isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and [argument.arg for argument in each.args.args[:1]] == ["self"]
        for each in found
    )


def is_stub(text: str, names: Collection[str]) -> bool:
    """Whether all that it defines of these names is without a body."""
    tree = parsed(text)
    found = [] if tree is None else [each for each in tree.body if isinstance(each, _DEFINED) and each.name in names]
    return bool(found) and all(_is_empty(each.body) for each in found)


_DEFINED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _is_empty(body: list[ast.stmt]) -> bool:
    return all(
        isinstance(each, ast.Pass | ast.Raise)
        or (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
        or (isinstance(each, ast.Return) and _is_none(each.value))
        or (isinstance(each, _DEFINED) and _is_empty(each.body))
        for each in body
    )


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


# -- between prose -----------------------------------------------------------------------------------------------------


def up_to_prose(program: str, head: str = "") -> str | None:
    """The program without what follows it and is no Python; None if nothing of it is."""
    for _ in range(MOST_CUTS):
        line = error_line(head + program)
        if line is None:
            return _without_words(program) if program.strip() else None
        lines = program.split("\n")
        # The error is where prose begins, or in the paragraph that it ends.
        kept = lines[: max(0, line - 1 - head.count("\n"))]
        while kept and kept[-1].strip() and not kept[-1][0].isspace() and not STARTS.match(kept[-1]):
            kept.pop()
        if not any(each.strip() for each in kept):
            return None
        program = "\n".join(kept).rstrip()
    return None


def _without_words(program: str) -> str:
    """Without words around it that are Python by accident: `Solution`, `Done`, `Note: fast`, `Time: O(n)`."""
    tree = parsed(program)
    if tree is None or len(tree.body) < 2 or not (_word(tree.body[0]) or _word(tree.body[-1])):
        return program
    known, statements = has(program) | set(dir(builtins)), list(tree.body)
    while len(statements) > 1 and _says(statements[-1], known):
        statements.pop()
    while len(statements) > 1 and _says(statements[0], known) and isinstance(_word(statements[0]), ast.Name):
        statements.pop(0)
    if len(statements) == len(tree.body):
        return program
    lines = program.split("\n")
    first = 0 if statements[0] is tree.body[0] else tree.body[tree.body.index(statements[0]) - 1].end_lineno
    last = None if statements[-1] is tree.body[-1] else statements[-1].end_lineno
    return "\n".join(lines[first:last]).rstrip() + "\n"


def _word(statement: ast.stmt) -> ast.expr | None:
    match statement:
        case ast.Expr(value=word) | ast.AnnAssign(annotation=word, value=None):
            return word
    return None


def _says(statement: ast.stmt, known: set[str]) -> bool:
    """Whether it does nothing but mention names that nothing binds: Python would stop at it."""
    word = _word(statement)
    names = [node.id for node in ast.walk(word) if isinstance(node, ast.Name)] if word is not None else []
    is_call = isinstance(word, ast.Call) and isinstance(statement, ast.Expr)
    return bool(names) and not known & set(names) and (not is_call or "*" not in known)


def programs_between_prose(text: str) -> Iterator[str]:
    """Each from its first line of code up to where it stops being Python."""
    if parsed(text) is not None:
        if STARTS.search(text):
            yield _without_words(text)
        return
    position = 0
    for _ in range(MOST_PIECES):
        start = STARTS.search(text, position)
        if start is None:
            return
        program = up_to_prose(text[start.start() :])
        if program is None:
            position = text.find("\n", start.start()) + 1 or len(text)
        else:
            yield program
            position = start.start() + len(program)


_PARAGRAPH = re.compile(r"(?:\A|\n[ \t]*\n)((?:(?:[ ]{2,}|\t)[^\n]*(?:\n|\Z)(?:[ \t]*\n)*)+)")


def indented_programs(text: str) -> Iterator[str]:
    """Paragraphs that are indented, as Markdown marks code without a fence."""
    for found in _PARAGRAPH.finditer(text):
        program = dedent(found[1])
        if parsed(program) is not None and STARTS.search(program) and not returns_outside(program):
            yield program


def as_body(text: str, head: str) -> str:
    """The inside of a function that stands at the margin, indented as the end of the head is."""
    step = re.findall(r"^[ \t]*", head.rstrip("\n"), re.MULTILINE)[-1] or "    "
    return indent(text.strip("\n"), step)


def returns_outside(text: str) -> bool:
    """Whether it returns without being in a function."""
    tree = parsed(text)
    return tree is not None and any(
        isinstance(each, ast.Return) for statement in tree.body for each in _in_this_scope(statement)
    )


def _in_this_scope(statement: ast.stmt) -> Iterator[ast.AST]:
    left: list[ast.AST] = [statement]
    while left:
        node = left.pop()
        yield node
        if not isinstance(node, _DEFINED | ast.Lambda):
            left += ast.iter_child_nodes(node)


# -- what a screen or a model added ------------------------------------------------------------------------------------

_LABEL = re.compile(r"\s*(?:python3?|py|(?:python)?[ \t]*copy(?: code)?)[ \t]*\n", re.IGNORECASE)
_SPACES = re.compile(r"[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile(r"[\u200b-\u200d\u2060\ufeff]")
_INDENTATION = re.compile(r"^[ \t\u00a0\u2000-\u200a\u202f\u205f\u3000]+", re.MULTILINE)
_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?: |$)(.*)$|^[ \t]*(?:In \[\d*\]|\.{3,}): ?(.*)$", re.MULTILINE)
_PROMPTED = re.compile(r"^[ \t]*(?:>>>|In \[)", re.MULTILINE)
_MAGIC = re.compile(r"^[ \t]*(?:!|%%?)[a-z_][^\n]*\n?", re.MULTILINE)


def cleaned(text: str) -> str:
    """The text without prompts, labels, unusual spaces, invisible characters and a notebook's commands."""
    label = _LABEL.match(text)
    text = text[label.end() :] if label else text.lstrip("\ufeff")
    if is_whole(text):
        return text
    for repaired in (_with_plain_spaces, _without_invisible, _without_prompts, _without_commands):
        after = repaired(text)
        if after != text:
            text = after
            if is_whole(text):
                break
    return text


def _with_plain_spaces(text: str) -> str:
    text = _INDENTATION.sub(lambda found: _SPACES.sub(" ", found[0]), text)
    return text if is_whole(text) else _SPACES.sub(" ", text)


def _without_invisible(text: str) -> str:
    return _INVISIBLE.sub("", text)


def _without_prompts(text: str) -> str:
    """A session's program; or the program in front of a session that shows it. Prompts in a docstring are none."""
    prompt = _PROMPTED.search(text)
    if not prompt:
        return text
    before = text[: prompt.start()]
    if parsed(before) is not None and STARTS.search(before):
        return before
    program = "\n".join(a or b for a, b in _PROMPT.findall(text)) + "\n"
    return text if _DEFINITION.search(text) or parsed(program) is None else program


def _without_commands(text: str) -> str:
    return _MAGIC.sub("", text)
