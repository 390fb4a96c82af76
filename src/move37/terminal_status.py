"""What `move37 status` and `move37 doctor` show: a table of the models, one of their copies, and one of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from move37.console import plain_text
from move37.doctor import Check

if TYPE_CHECKING:  # what a run does is read from its tables; what a machine can run needs none
    from move37.status import ModelStatus, RunStatus

REFRESH_SECONDS = 2.0
_COLOURS = {"ok": "green", "limited": "yellow", "missing": "red"}


def print_status(found: RunStatus) -> None:
    Console().print(_drawn(found))


def watch_status(look: Callable[[], RunStatus]) -> None:
    """Draw what `look` finds again and again, until Ctrl-C."""
    with Live(_drawn(look()), console=Console(), auto_refresh=False) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            live.update(_drawn(look()), refresh=True)


def print_checks(checks: Sequence[Check]) -> None:
    states = (f"[{_COLOURS[check.state]}]{check.state}[/]" for check in checks)
    rows = [(plain_text(c.name), state, plain_text(c.found)) for c, state in zip(checks, states, strict=True)]
    console = Console()
    console.print(_table("This machine", ("", "state", "found"), rows, numbers=False))
    for check in checks:
        if check.mend is not None:
            console.print(f"{plain_text(check.name)}: {plain_text(check.mend)}", soft_wrap=True, highlight=False)


def _drawn(found: RunStatus) -> Group:
    since = "no log yet" if found.seconds_since is None else f"last event {_duration(found.seconds_since)} ago"
    header = ("model", "state", "samples", "of at most", "samples/s", "tokens/s", "stopped", "backlog", "unscored")
    header += ("truncated", "left", "at most", "cost", "to go", "budget left")
    rows = [_row(model) for model in found.models]
    # What no model has a figure for takes no room.
    used = [i for i, name in enumerate(header) if i < 4 or any(row[i] for row in rows)]
    tables = [_table(f"{found.name} ({since})", [header[i] for i in used], [[row[i] for i in used] for row in rows])]
    copies = [(model.model, replica) for model in found.models for replica in model.replicas if model.state != "idle"]
    if copies:
        header = ("model", "copy", "in flight", "limit", "answered", "failed")
        tables.append(_table("Copies", header, [_replica_row(model, replica) for model, replica in copies]))
    return Group(*tables)


def _row(model: ModelStatus) -> tuple[str, ...]:
    cost = model.cost or {}
    goes = model.state == "sampling"
    return (
        model.model,
        model.state,
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


def _replica_row(model: str, replica: object) -> tuple[str, ...]:
    assert isinstance(replica, dict)
    failed = ", ".join(f"{count:,} {kind}" for kind, count in replica["failures"].items())
    figures = (f"{replica[key]:,}" for key in ("in_flight", "limit", "answered"))
    return model, replica["name"], *figures, failed or "none"


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], numbers: bool = True) -> Table:
    table = Table(title=title, title_justify="left")
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if numbers and position > 1 else "left", overflow="fold")
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
