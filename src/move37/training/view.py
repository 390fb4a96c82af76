"""A training run to watch: what the model gets right, how sure it is, where the time goes, how much is left.

On a terminal one panel, drawn four times a second, with a response of the newest step below. Elsewhere (nohup, Slurm,
a file) one line for each step and each evaluation. Numbers are those of log.jsonl (`records.py` says what each means).
Lines over steps stand on 0, and shares of a whole go from 0 to 1, so that noise looks like noise.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
_SHARES = frozenset({"accuracy", "groups_mixed", "truncated"})
_PHASES = ("sample", "verify", "credit", "update", "sync")
_STAGES = {
    "sample": "sampling",
    "verify": "verifying",
    "credit": "computing advantages",
    "update": "updating",
    "sync": "giving the sampler the new weights",
    "evaluation": "evaluating",
    "save": "saving",
}
_EXAMPLE = 200
"""Characters of a response that are shown."""


class Pace:
    """How long a run has taken since it was begun or continued, and what is left at that speed."""

    def __init__(self, step: int, steps: int) -> None:
        self._first, self._steps, self._start = step, steps, time.monotonic()
        self._step, self._last = step, self._start

    def at(self, step: int) -> None:
        self._step, self._last = step, time.monotonic()

    def __str__(self) -> str:
        done, elapsed = self._step - self._first, time.monotonic() - self._start
        if not done:
            return f"{duration(elapsed)} so far"
        if self._step >= self._steps:
            return f"{duration(elapsed)} in all"
        left = (self._last - self._start) / done * (self._steps - self._step)
        return f"{duration(elapsed)} so far, about {duration(left)} left"


class LineView:
    """Writes a line for every step and every evaluation to standard error: for logs that nobody's terminal shows."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._steps, self._pace = 1, Pace(0, 1)

    def begin(self, title: str, step: int, steps: int) -> None:
        self._steps, self._pace = steps, Pace(step, steps)
        self._write(f"{title}: {steps:,} steps" if not step else f"{title}: goes on after step {step:,} of {steps:,}")

    def stage(self, name: str) -> None: ...

    def example(self, question: str, response: str, verdict: str) -> None: ...

    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda done: None)

    def show(self, record: Record) -> None:
        if record["kind"] == "evaluation":
            figures = [f"{name} {value:.1%}" for name, value in record.items() if _is_pass(name, value)]
            self._write(
                f"evaluation after step {record['step']:,}: {', '.join(figures) or 'no problem has k verdicts'}"
            )
            return
        self._pace.at(record["step"])
        figures = [
            f"{name} {format(record[key], form)}"
            for name, key, form in _ROWS
            if isinstance(record.get(key), int | float)
        ]
        seconds = sum(record.get(f"seconds_{phase}", 0.0) for phase in _PHASES)
        note = f" ({record['note']})" if record.get("note") else ""
        self._write(
            f"step {record['step']:,} of {self._steps:,}: {', '.join(figures)}; {duration(seconds)}, {self._pace}{note}"
        )

    def end(self) -> None: ...


class TerminalView:
    """Draws on `console`. `begin`, then `show` for every record, then `end`; a `track` for every roll-out between."""

    def __init__(self, console: Console) -> None:
        self._history: dict[str, list[float]] = defaultdict(list)
        self._evaluation: Record = {}
        self._latest: Record = {}
        self._title, self._steps = "", 1
        self._rollout = self._stage = ""
        self._pace = Pace(0, 1)
        self._example: tuple[str, str, str] | None = None
        # Last: it draws the panel once.
        self._live = Live(console=console, refresh_per_second=4, transient=False, get_renderable=self._panel)

    def begin(self, title: str, step: int, steps: int) -> None:
        self._title, self._steps, self._pace = title, steps, Pace(step, steps)
        self._live.start()

    def stage(self, name: str) -> None:
        self._stage = _STAGES.get(name, name)

    def example(self, question: str, response: str, verdict: str) -> None:
        self._example = question, response, verdict

    def show(self, record: Record) -> None:
        if record["kind"] == "evaluation":
            self._evaluation = record
        else:
            self._latest = record
            self._pace.at(record["step"])
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
        stage = self._rollout or self._stage
        parts.append(Text(f"{stage}; {self._pace}" if stage else str(self._pace), style="dim"))
        if self._example is not None:
            parts.append(self._shown_example(*self._example))
        if self._latest.get("note"):
            parts.append(Text(self._latest["note"], style="yellow"))
        elif abs(self._latest.get("loss", 1.0)) < 1e-4:
            parts.append(Text("a loss near 0 is how it should be: watch accuracy and the gradient", style="dim"))
        return Panel(Group(*parts), title=f"{self._title}, step {step} of {self._steps}", title_align="left")

    @staticmethod
    def _shown_example(question: str, response: str, verdict: str) -> Text:
        """On one line each: a model may write anything, also what a terminal would obey."""
        asked, said = (
            "".join(c if c.isprintable() else " " for c in " ".join(t.split())) for t in (question, response)
        )
        end = f"...{said[-_EXAMPLE:]}" if len(said) > _EXAMPLE else said
        return Text(f"asked: {asked[: _EXAMPLE // 2]}\nwrote ({verdict}): {end}", style="dim italic")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, key, form in _ROWS:
            history = self._history.get(key)
            if history:
                axis = (min(0.0, *history), 1.0 if key in _SHARES else max(history))
                line = sparkline(history, _WIDTH, axis)
                table.add_row(name, Text(line, style="cyan"), format(history[-1], form))
        return table


def sparkline(values: list[float], width: int, axis: tuple[float, float] | None = None) -> str:
    """The values as bars over an axis, averaged down to at most `width` of them; default: their least and largest."""
    if len(values) > width:
        edges = [round(i * len(values) / width) for i in range(width + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = axis or (min(values), max(values))
    if high == low:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int(8 * (value - low) / (high - low)))] for value in values)


def _on_a_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in " ".join(text.split()))


def duration(seconds: float) -> str:
    """ "4.2 s", "12 min", "3 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _is_pass(name: str, value: Any) -> bool:
    return name.startswith("pass@") and isinstance(value, float)
