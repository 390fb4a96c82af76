"""What `move37 status` and `move37 doctor` show: a table of the models, one of their copies, and one of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from move37.console import plain_text
from move37.doctor import Check

if TYPE_CHECKING:  # what a run does is read from its tables; what a machine can run needs none
    from move37.status import ModelStatus, RunStatus

REFRESH_SECONDS = 2.0
_WORDS = ("state", "copy", "failed")
"""Columns without numbers, beside the first."""
_EDGE, _NARROWEST = 3, 10
"""Room that a column takes beside its text, and of the first column in a narrow terminal."""
_COLOURS = {"ok": "green", "limited": "yellow", "missing": "red"}


def print_status(found: RunStatus) -> None:
    console = Console()
    console.print(_drawn(found, console.width))


def watch_status(look: Callable[[], RunStatus]) -> None:
    """Draw what `look` finds again and again, until Ctrl-C."""
    console = Console()
    with Live(_drawn(look(), console.width), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            live.update(_drawn(look(), console.width), refresh=True)


def print_checks(checks: Sequence[Check]) -> None:
    states = (f"[{_COLOURS[check.state]}]{check.state}[/]" for check in checks)
    rows = [(plain_text(c.name), state, plain_text(c.found)) for c, state in zip(checks, states, strict=True)]
    console = Console()
    console.print(_table("This machine", ("", "state", "found"), rows, numbers=False))
    for check in checks:
        if check.mend is not None:
            console.print(f"{plain_text(check.name)}: {plain_text(check.mend)}", soft_wrap=True, highlight=False)


def _drawn(found: RunStatus, width: int = 1000) -> Group:
    since = "no log yet" if found.seconds_since is None else f"last event {_duration(found.seconds_since)} ago"
    header = ("model", "state", "samples", "of at most", "samples/s", "tokens/s", "stopped", "backlog", "unscored")
    header += ("truncated", "left", "at most", "cost", "to go", "budget left")
    rows = [_row(model) for model in found.models]
    # What no model has a figure for takes no room.
    used = [i for i, name in enumerate(header) if i < 4 or any(row[i] for row in rows)]
    title = f"{plain_text(found.name)} ({since})"
    tables = _side_by_side(title, [header[i] for i in used], [[row[i] for i in used] for row in rows], width)
    copies = [(model.model, replica) for model in found.models for replica in model.replicas if model.state != "idle"]
    if copies:
        header = ("model", "copy", "in flight", "limit", "answered", "failed")
        tables += _side_by_side("Copies", header, [_replica_row(model, replica) for model, replica in copies], width)
    ended = [Text(f"{model.model} ended: {model.broke_off}") for model in found.models if model.broke_off]
    return Group(*tables, *ended)


def _row(model: ModelStatus) -> tuple[str, ...]:
    cost = model.cost or {}
    goes = model.state == "sampling"
    return (
        model.model,
        model.state if model.state == "sampling" or not model.samples else f"{model.state}, {_undone(model)}",
        f"{model.samples:,}",
        f"{model.planned:,}",
        _number(model.samples_per_second if goes else None),
        _number(model.tokens_per_second if goes else None),
        "" if model.stopped is None or model.problems is None else f"{model.stopped:,} of {model.problems:,}",
        f"{model.backlog:,}" if model.backlog else "",
        f"{model.unscored:,}" if model.unscored else "",
        f"{model.truncated:,}" if model.truncated else "",
        _duration(model.seconds_left if goes else None),
        _duration(model.most_seconds_left if goes else None),
        _number(None if not cost else cost.get("spent", 0.0) + cost.get("lost", 0.0)),
        _number(cost.get("to_go") if goes else None),
        _number(cost.get("left")),
    )


def _undone(model: ModelStatus) -> str:
    if model.owed:
        return f"{model.owed:,} owed"
    return "to verify" if model.backlog else "done"


def _replica_row(model: str, replica: object) -> tuple[str, ...]:
    assert isinstance(replica, dict)
    failed = ", ".join(f"{count:,} {kind}" for kind, count in replica["failures"].items())
    figures = (f"{replica[key]:,}" for key in ("in_flight", "limit", "answered"))
    return model, replica["name"], *figures, failed or "none"


def _side_by_side(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Table]:
    """A table, or where it is wider than the terminal several below each other, so that no word is broken."""
    widths = [max(cell_len(cell) for cell in column) + _EDGE for column in zip(header, *rows, strict=True)]
    first = min(widths[0], max(width // 3, _NARROWEST))
    groups: list[list[int]] = [[]]
    left = width - 1 - first
    for i in range(1, len(header)):
        if groups[-1] and widths[i] > left:
            groups.append([])
            left = width - 1 - first
        groups[-1].append(i)
        left -= widths[i]
    shown = [[0, *group] for group in groups]
    return [
        _table(title if position == 0 else None, [header[i] for i in group], [[row[i] for i in group] for row in rows])
        for position, group in enumerate(shown)
    ]


def _table(title: str | None, header: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> Table:
    table = Table(title=title, title_justify="left")
    for position, name in enumerate(header):
        is_number = numbers and position > 0 and name not in _WORDS
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for row in rows:
        table.add_row(*(row if not numbers else map(plain_text, row)))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return (
        f"{minutes:.0f} min"
        if minutes < 90
        else f"{minutes / 60:.1f} h"
        if minutes < 2880
        else f"{minutes / 1440:.1f} d"
    )
