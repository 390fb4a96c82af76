"""A training run to watch on a terminal: what the model gets right, how sure it is, where the time goes.

One panel, drawn four times a second. Numbers are those of log.jsonl (`records.py` says what each means); below them
stands how far the roll-outs of the step are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from move37.training.records import Record

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 48
_ROWS = (
    ("accuracy", "accuracy", ".1%"),
    ("mixed groups", "groups_mixed", ".1%"),
    ("entropy", "entropy", ".3f"),
    ("length", "length_mean", ".1f"),
    ("truncated", "truncated", ".1%"),
    ("gradient norm", "gradient_norm", ".3g"),
    ("loss", "loss", ".2g"),
)
_PHASES = ("sample", "verify", "credit", "update", "sync")


class TerminalView:
    """Draws on `console`. `begin`, then `show` for every record, then `end`; a `track` for every roll-out between."""

    def __init__(self, console: Console) -> None:
        self._history: dict[str, list[float]] = defaultdict(list)
        self._evaluation: Record = {}
        self._latest: Record = {}
        self._title, self._steps = "", 1
        self._rollout = ""
        # Last: it draws the panel once.
        self._live = Live(console=console, refresh_per_second=4, transient=False, get_renderable=self._panel)

    def begin(self, title: str, step: int, steps: int) -> None:
        self._title, self._steps = title, steps
        self._live.start()

    def show(self, record: Record) -> None:
        if record["kind"] == "evaluation":
            self._evaluation = record
        else:
            self._latest = record
            for _, key, _ in _ROWS:
                if isinstance(record.get(key), int | float):
                    self._history[key].append(float(record[key]))

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            self._rollout = f"{label}: {done:,} of {total:,} {unit}"

        advance(0)
        try:
            yield advance
        finally:
            self._rollout = ""

    def end(self) -> None:
        self._live.stop()

    def _panel(self) -> Panel:
        step = int(self._latest.get("step", 0))
        bar = Table.grid()  # a bar alone would leave the next line behind it
        bar.add_row(ProgressBar(total=self._steps, completed=step, width=_WIDTH + 30))
        parts: list[Any] = [bar, self._table()]
        if self._evaluation:
            figures = [f"{name} {value:.1%}" for name, value in self._evaluation.items() if _is_pass(name, value)]
            parts.append(Text(f"held-out problems after step {self._evaluation['step']}: {', '.join(figures)}"))
        seconds = {phase: self._latest.get(f"seconds_{phase}", 0.0) for phase in _PHASES}
        if any(seconds.values()):
            shares = ", ".join(f"{phase} {value:.2f}" for phase, value in seconds.items() if value >= 0.005)
            parts.append(Text(f"seconds of this step: {shares}", style="dim"))
        if self._rollout:
            parts.append(Text(self._rollout, style="dim"))
        if self._latest.get("note"):
            parts.append(Text(self._latest["note"], style="yellow"))
        elif abs(self._latest.get("loss", 1.0)) < 1e-4:
            parts.append(Text("a loss near 0 is how it should be: watch accuracy and the gradient", style="dim"))
        return Panel(Group(*parts), title=f"{self._title}, step {step} of {self._steps}", title_align="left")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, key, form in _ROWS:
            history = self._history.get(key)
            if history:
                table.add_row(name, Text(sparkline(history, _WIDTH), style="cyan"), format(history[-1], form))
        return table


def sparkline(values: list[float], width: int) -> str:
    """The values as bars between their least and largest, averaged down to at most `width` of them."""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(values), max(values)
    if high == low:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int(8 * (value - low) / (high - low)))] for value in values)


def _is_pass(name: str, value: Any) -> bool:
    return name.startswith("pass@") and isinstance(value, float)
