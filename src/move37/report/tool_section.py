"""What a report says of tools: turns, calls and failures of every model that has any."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from move37.analyses import Findings
from move37.analyses.tool_use import ToolUse
from move37.report.number_format import count, percent
from move37.report.tables import Cell, Table


def tools_sentence(found: ToolUse) -> str:
    share = found.failed / found.calls if found.calls else None
    failing = "" if share is None else f"; {percent(share)} of its calls fail"
    return (
        f"{found.model} takes {found.turns:.2f} turns and calls a tool {found.calls:.2f} times in a sample, on "
        f"average; {percent(found.calling)} of its samples call one{failing}."
    )


def tools_table(found: Sequence[ToolUse]) -> Table:
    return Table(
        caption="Turns and calls in a sample, on average, and the share of right samples among those that call a tool "
        "and those that do not",
        header=("model", "samples", "turns", "calls", "failed", "call a tool", "right with", "right without"),
        rows=tuple(map(_row, found)),
        csv="tools.csv",
        notes=("Samples with and without a call are of different problems: the last two columns compare nothing.",),
    )


def _row(each: ToolUse) -> tuple[Cell, ...]:
    none = "there are no such samples"
    return (
        each.model,
        count(each.samples),
        f"{each.turns:.2f}",
        f"{each.calls:.2f}",
        f"{each.failed:.2f}",
        percent(each.calling),
        percent(each.right_with, reason=none),
        percent(each.right_without, reason=none),
    )


def _rows(findings: Findings) -> Iterator[Sequence[Any]]:
    return (astuple(model.tools) for model in findings.models if model.tools is not None)


TOOL_FILES: Mapping[str, tuple[str, Callable[[Findings], Iterator[Sequence[Any]]]]] = {
    "tools.csv": ("model,samples,turns,calls,failed,calling,right_with,right_without", _rows),
}
