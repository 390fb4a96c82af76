"""Which text in a response is the program. One order, for HumanEval, MBPP, LiveCodeBench and tests of one's own:

1. What follows the last end of reasoning (</think> and what other models write), up to the end of the turn, if there is
   a program in it; else the whole text.
2. Blocks: between fences (``` or ~~~, also behind prose, a list mark, a quotation mark or a tag). A fence ends a block
   wherever it stands in a line and whatever follows it, but not inside a docstring or a text of the program's. Text
   before a first fence that has no opening is a block if it is Python: the prompt opened it. A block that is never
   closed ends with the text, and counts where no closed one does, or where it is a program to its end: no beginning
   of a closed one, and with a result.
3. Where no such block is what was asked for: [PYTHON] and [/PYTHON], [BEGIN] and [DONE], <code> and </code>; text
   without the prose around it; between any tags; texts in JSON (calls of tools, notebooks); indented paragraphs; code
   in a line.
4. Of several blocks:
     functions   the last one that defines a tested name, of those that are Python; else the last that continues the
                 problem's head
     scripts     the last one that reads input and prints, else the last that reads input with what goes on from it,
                 else one that says that it is Python, reads input and is none; else the last one that prints something
                 computed, else the last that prints
     else        the last one that is Python
   Not signatures without a body, beginnings cut from another block, methods without their class, or tests that put
   something in place of the input. What stands in <answer> and </answer> comes before what stands outside.
   Blocks that say that they are another language, or output, are none, unless they define a tested name. If the chosen
   one uses names that it does not define, or lacks a tested one, what other blocks define is put before it.

From what was found, prompts (>>> and ...), quotation marks, labels, a notebook's commands, unusual spaces, invisible
characters and a model's special tokens are taken off. A block at the margin that is the inside of a function is
indented as the head needs it; how a continuation that is indented was indented is its own affair.

Pure string work in time linear in the text: a parse is tried a bounded number of times, on bounded texts.
"""

import ast
import builtins
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from textwrap import dedent
from typing import NamedTuple

from move37.verifiers.program_blocks import (
    OTHER,
    PYTHON,
    UNKNOWN,
    Block,
    between_prose,
    between_tags,
    fenced,
    in_json,
    indented,
    inline,
    tagged,
    without_special,
)
from move37.verifiers.program_parsing import (
    MOST_CUTS,
    STARTS,
    as_body,
    binds,
    cleaned,
    continues,
    defines_at_margin,
    definitions,
    forget,
    has,
    is_stub,
    is_whole,
    missing,
    parsed,
    reads_input,
    returns_a_value,
    returns_outside,
    takes_self,
    up_to_prose,
    without_docstrings,
)

MOST_BLOCKS = 200
MOST_ANSWERS = 4
_REASONED = re.compile(
    r"</(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|seed:think)>|\[/THINK\]"
    r"|\u25c1/think\u25b7|<\|(?:end_of_thought|END_THINKING|inner_suffix)\|>|<\|channel\|>final<\|message\|>"
    r"|<channel\|>|<unused95>|^Here is my response:",
    re.IGNORECASE | re.MULTILINE,
)
"""Ends of what a model thought, and did not answer."""
_CHANNEL = "assistantfinal"
_CHANNEL_ENDED = re.compile(rf"(?<=[^\w\s]){_CHANNEL}")
"""What is left of a channel's marks where special tokens were dropped."""
_TURN_ENDED = re.compile(
    r"<\|(?:im_end|eot_id|endoftext|end_of_text|EOT|eot|return|end|eos|end_of_turn|file_separator)\|>"
    r"|</s>|<eos>|<(?:end_of_turn|endoftext|end_of_text|EOT|file_sep)>|<\uff5cend[^\n>]{1,30}\uff5c>"
)
_READS = re.compile(
    r"\binput\s*\(|\bstdin\b|\b__stdin__\b|\bopen\s*\(\s*0|\bfileinput\b|os\.read\s*\(\s*0|=\s*input\b|\(input\b"
)
_PRINTS = re.compile(r"\bprint\b|\bwrite\b|\bwritelines\b|\bexit\b|\bpprint\b")
_FEEDS = re.compile(r"\bstdin\s*=|\bsubprocess\b|\bpatch\b|\bassert\b|\bunittest\b")
"""What stands in a test that puts something in place of the input."""


class Task(NamedTuple):
    """What is asked for: names that the program must define, the head that it may continue, or a script."""

    names: frozenset[str]
    head: str
    is_script: bool
    stand_ins: frozenset[str] = frozenset()
    """Names that will do where none of `names` is defined; a class `Solution` will do as well as they."""


def find_program(text: str, task: Task) -> str | None:
    """The program in a response; None where there is none."""
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    try:
        return _find_in_answer(text, task)
    finally:
        forget()


def _find_in_answer(text: str, task: Task) -> str | None:
    ends = deque(_REASONED.finditer(text), maxlen=1)
    if not ends and _CHANNEL in text:
        ends.extend(_CHANNEL_ENDED.finditer(text))
    answer, reasoned = (text[ends[0].end() :], ends[0][0]) if ends else (text, "")
    begun = len(answer) - len(answer.lstrip())
    turn = next((answer[: end.start()] for end in _TURN_ENDED.finditer(answer) if end.start() > begun), "")
    for tagged_answer in _tagged_answers(turn or answer):
        found, sure = _find(tagged_answer, task)
        if found is not None and sure:
            around = fenced(without_special(turn or answer), partial(_fits, task=task), task.head)
            return _with_helpers(Block(found), deque(map(_clean, around), maxlen=MOST_BLOCKS), task)
    if turn:
        found, sure = _find(turn, task)
        if found is not None and sure:
            return found
    found, sure = _find(answer, task)
    if not reasoned or (found is not None and sure):
        return found
    if found is None and task.head and not task.is_script and returns_outside(answer):
        return as_body(answer, task.head)
    whole, sure = _find(text, task)
    # A program may itself speak of such marks.
    return whole if found is None or (whole is not None and sure and reasoned in whole) else found


def _tagged_answers(text: str) -> Iterator[str]:
    """What stands in <answer> and </answer>, the last first."""
    begin = len(text)
    for _ in range(MOST_ANSWERS if "</answer>" in text else 0):
        end = text.rfind("</answer>", 0, begin)
        begin = text.rfind("<answer>", 0, end) if end >= 0 else -1
        if begin < 0:
            return
        yield text[begin + len("<answer>") : end]


def _find(text: str, task: Task) -> tuple[str | None, bool]:
    """The program, and whether it is what was asked for."""
    text = without_special(text)
    fits = partial(_fits, task=task)
    first: list[Block] = []
    sources: Iterable[Callable[[str], Iterable[Block]]] = (
        lambda text: fenced(text, fits, task.head), tagged, partial(_in_prose, task=task),
        between_tags, in_json, indented, inline,
    )  # fmt: skip
    for source in sources:
        blocks = [block for block in map(_clean, deque(source(text), maxlen=MOST_BLOCKS)) if block.text.strip()]
        chosen = _asked_for(blocks, task)
        if chosen is not None:
            return _finished(chosen, blocks, task)
        first = first or blocks
    return (_finished(_any(first), first, task)[0] if first else None), False


def _clean(block: Block) -> Block:
    return block._replace(text=cleaned(block.text))


def _in_prose(text: str, task: Task) -> Iterator[Block]:
    """What a text without marks has of programs."""
    text = text.partition("[DONE]")[0].strip("\r\n")
    if not task.head or task.is_script:
        yield from between_prose(text)
        return
    if continues(text):
        yield Block(up_to_prose(text, task.head) or text)
        return
    yield from (block for block in between_prose(text) if not returns_outside(block.text))
    at = re.search(r"^[ \t]+\S", text, re.MULTILINE)
    if at and not STARTS.search(text[: at.start()]) and not defines_at_margin(text):
        body = up_to_prose(text[at.start() :], task.head)
        if body is not None:
            yield Block(body)


# -- which of them -----------------------------------------------------------------------------------------------------


def _fits(text: str, task: Task) -> bool:
    return _asked_for([Block(text)], task) is not None


def _asked_for(blocks: Sequence[Block], task: Task) -> Block | None:
    """The block that is what was asked for; None if none is."""
    pythons = [block for block in blocks if block.kind == PYTHON]
    closed = [block for block in pythons if block.closed]
    if closed and not pythons[-1].closed:
        last = _up_to_cut(pythons[-1])
        closed += [last] if _is_finished(last, closed, task) else []
    groups = [
        closed,
        pythons,
        [block for block in blocks if block.kind == UNKNOWN and is_whole(block.text)],
        [block for block in blocks if block.kind == OTHER and is_whole(block.text)],
    ]
    choose = _script if task.is_script else partial(_function, task=task)
    return next((found for group in groups if group and (found := choose(group)) is not None), None)


def _up_to_cut(block: Block) -> Block:
    """Without the statement in which it was cut off, where that stands at the margin: what is before it is whole."""
    if parsed(block.text) is not None:
        return block
    text = up_to_prose(block.text) or ""
    rest = block.text[len(text) :].lstrip("\n")
    return block._replace(text=text) if rest[:1].strip() else block


def _is_finished(block: Block, closed: Sequence[Block], task: Task) -> bool:
    """Whether a block that was never closed is a program all the same, and not cut off while it repeated another."""
    tree = parsed(block.text)
    if tree is None:
        return False
    if task.is_script:
        others = [other.text for other in closed if _READS.search(other.text)]
        if _script([block]) is None or not _prints(tree) or _only_defines(block.text):
            return False
    else:
        wanted = task.names | task.stand_ins
        others = [other.text for other in closed if _defines(other, wanted)]
        if not _defines(block, wanted) or (any(map(returns_a_value, others)) and not returns_a_value(block.text)):
            return False
    text, said = block.text.strip(), without_docstrings(block.text)
    return not any(
        other.strip().startswith(text) or without_docstrings(other).startswith(said)
        for other in others[-MOST_CUTS:]
        if other != block.text
    )


def _any(blocks: Sequence[Block]) -> Block:
    """The last that is Python, of those that say so."""
    pythons = [block for block in blocks if block.kind == PYTHON]
    for group in ([b for b in pythons if b.closed], pythons):
        found = _last(group, lambda block: parsed(block.text) is not None) or _last(group, lambda block: True)
        if found is not None:
            return found
    return blocks[-1]


def _last(blocks: Sequence[Block], fits: Callable[[Block], bool]) -> Block | None:
    return next((block for block in reversed(blocks) if fits(block)), None)


def _defines(block: Block, names: frozenset[str]) -> bool:
    """Whether it binds one of them, and not only in a text."""
    bound = names & binds(block.text)
    return bool(bound) and (parsed(block.text) is None or bool(bound & has(block.text)))


def _function(blocks: Sequence[Block], task: Task) -> Block | None:
    if not task.names and not task.head:
        return _last(blocks, lambda block: parsed(block.text) is not None and _computes(parsed(block.text)))
    blocks = [block for each in blocks for block in [_at_margin(each, task)]]
    either = "Solution" in task.stand_ins
    for names in (task.names | task.stand_ins,) if either else (task.names, task.stand_ins):
        fitting = [block for block in blocks if names & binds(block.text)]
        if len(fitting) > 1:  # some may only speak of it
            fitting = [block for block in fitting if _defines(block, names)] or fitting
        if task.stand_ins:
            fitting = [block for block in fitting if not takes_self(block.text, names)]
        whole = [block for block in fitting if not is_stub(block.text, names) and not _is_cut(block, blocks)]
        found = _last(whole, lambda block: is_whole(block.text))
        found = found or (_last(blocks, _goes_on) if task.head else None)
        if found is not None or fitting:
            return found or (whole or fitting)[-1]
    return None


def _at_margin(block: Block, task: Task) -> Block:
    """A block that is indented as a whole, at the margin, if it is no continuation."""
    if not continues(block.text):
        return block
    moved = dedent(block.text)
    is_all = (task.names | task.stand_ins) & binds(moved) and is_whole(moved) and not returns_outside(moved)
    return block._replace(text=moved) if is_all else block


def _goes_on(block: Block) -> bool:
    return continues(block.text) or returns_outside(block.text)


def _is_cut(block: Block, blocks: Sequence[Block]) -> bool:
    """Whether it is the beginning of something that another block has to its end."""
    text = block.text.strip()
    for other in blocks:
        at = other.text.find(text) if len(other.text) > len(block.text) else -1
        if at >= 0 and re.match(r"[^\n]*\n\s*?^[ \t]+\S", other.text[at + len(text) :], re.MULTILINE):
            return True
    return False


def _script(blocks: Sequence[Block]) -> Block | None:
    """The last that reads and prints; else the last that reads, with what follows and goes on from it; else one that
    would read if it were Python, as it says; else the last that prints something computed; else the last that prints.
    """
    blocks = [each._replace(text=dedent(each.text)) if continues(each.text) else each for each in blocks]
    reading = [
        (place, block)
        for place, block in enumerate(blocks)
        if _READS.search(block.text) and not _FEEDS.search(block.text) and parsed(block.text) is not None
        if block.text.lstrip()[0] not in "{[" or reads_input(block.text)  # an object may have the text of a program
    ]
    if len(reading) > 1:  # some may only speak of it
        reading = [(place, block) for place, block in reading if reads_input(block.text)] or reading
    for _, block in reversed(reading):
        if _PRINTS.search(block.text) and not _only_defines(block.text):
            return block
    if reading:
        return _with_what_follows(*reading[-1], blocks)
    return (
        _last(blocks, _is_broken)
        or _last(blocks, lambda block: "print" in block.text and _computes(parsed(block.text)))
        or _last(blocks, lambda block: _prints(parsed(block.text)))
    )


def _is_broken(block: Block) -> bool:
    """Whether it was given as a script and is none."""
    return (
        block.labelled
        and block.closed
        and parsed(block.text) is None
        and _READS.search(block.text) is not None
        and STARTS.match(block.text.lstrip()) is not None
    )


def _prints(tree: ast.Module | None) -> bool:
    return tree is not None and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) in ("print", "write", "writelines")
        for node in ast.walk(tree)
    )  # fmt: skip


_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign


def _only_defines(text: str) -> bool:
    tree = parsed(text)
    return tree is not None and all(isinstance(node, _DEFINITIONS) for node in tree.body)


def _with_what_follows(place: int, block: Block, blocks: Sequence[Block]) -> Block:
    """The block, and those behind it that use what it, or one of them, defines."""
    texts, known = [block.text.rstrip()], has(block.text)
    for later in blocks[place + 1 :]:
        if known & missing(later.text) and not _FEEDS.search(later.text):
            texts.append(later.text)
            known |= has(later.text)
    return block._replace(text="\n\n".join(texts)) if len(texts) > 1 else block


def _computes(tree: ast.Module | None) -> bool:
    """Whether a program is more than assertions and the printing of constants."""
    if tree is None or any(isinstance(node, ast.Assert) for node in tree.body):
        return False
    return any(isinstance(node, ast.Name) and not hasattr(builtins, node.id) for node in ast.walk(tree))


# -- the whole of it ---------------------------------------------------------------------------------------------------


def _finished(chosen: Block, blocks: Sequence[Block], task: Task) -> tuple[str, bool]:
    """The program with what it needs of other blocks, and whether it is Python."""
    text = chosen.text
    if not is_whole(text):
        body = up_to_prose(text, task.head if continues(text) else "") if not chosen.closed else None
        if body is not None and (task.is_script or task.names & binds(body)):
            text = body
    if task.head and not task.is_script and not task.names & binds(text) and returns_outside(text):
        text = as_body(text, task.head)
    text = _with_helpers(chosen._replace(text=text), blocks, task)
    return text, is_whole(text)


def _with_helpers(chosen: Block, blocks: Iterable[Block], task: Task) -> str:
    """The chosen block, behind what other blocks define of what it uses or lacks."""
    others = [b for b in blocks if b.text not in chosen.text and b.kind != OTHER]
    if not others:
        return chosen.text
    taken: list[Block] = []
    is_all = continues(chosen.text) or task.stand_ins & binds(chosen.text)
    wanted = missing(chosen.text, task.head) | (set() if is_all else task.names - binds(chosen.text))
    for _ in range(len(others)):
        having = [b for b in others if b not in taken and wanted & has(b.text)]
        if not having:
            break
        # Of several that define the same, the last before the program is its newest.
        needed = having[-1]
        taken.append(needed)
        wanted = (wanted | missing(definitions(needed.text))) - has(needed.text)
    ordered = [definitions(b.text).rstrip() for b in others if b in taken]
    return "\n\n".join((*ordered, chosen.text))
