"""How far a command is, on standard error: one line that moves on a terminal, a plain line every 30 s elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from move37.console import plain_text
from move37.progress import Progress, Silent, SoFar

EVERY_SECONDS = 30.0


def progress(quiet: bool) -> Progress:
    """Bars on a terminal, plain lines elsewhere, nothing when `quiet`."""
    console = Console(stderr=True)
    if quiet:
        return Silent()
    return BarsOnTerminal(console) if console.is_terminal else PlainLines()


class BarsOnTerminal:
    """One bar for each piece of work, and one for a model whatever the rounds in which it is sampled."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn(f"{{task.completed:,.0f}}/{{task.total:,.0f}} {unit}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=self._console) as bars:
            task = bars.add_task(plain_text(label), total=total, rate="")

            def advance(done: int) -> None:
                speed = bars.tasks[0].speed
                bars.update(task, advance=done, rate=f"{speed:,.1f}/s" if speed else "")

            yield advance

    @contextmanager
    def watch_model(self, model: str, so_far: Callable[[], SoFar]) -> Iterator[Progress]:
        columns = TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[said]}")
        with Bars(*columns, console=self._console) as bars:
            task, begun = bars.add_task(plain_text(model), total=so_far().problems or None, said=""), time.monotonic()

            def show() -> None:
                known = so_far()
                said = ", ".join(_parts(known, time.monotonic() - begun))
                bars.update(task, completed=known.finished, said=said)

            show()
            yield _WhenItMoves(show)
            show()


class PlainLines:
    """For logs and pipes: a line at most every 30 s, so that work of less than that says nothing."""

    def __init__(self, say: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`say` and `clock` are those of the tests."""
        self._say, self._clock = say or _on_stderr, clock

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done, begun = 0, self._clock()
        said = begun

        def advance(more: int) -> None:
            nonlocal done, said
            done += more
            now = self._clock()
            if now - said >= EVERY_SECONDS:
                said = now
                left = (now - begun) * (total - done) / max(done, 1)
                self._say(
                    f"{label}: {done:,} of {total:,} {unit}, {clock_time(now - begun)} elapsed, {clock_time(left)} left"
                )

        yield advance

    @contextmanager
    def watch_model(self, model: str, so_far: Callable[[], SoFar]) -> Iterator[Progress]:
        begun = said = self._clock()

        def show() -> None:
            nonlocal said
            now = self._clock()
            if now - said >= EVERY_SECONDS:
                said = now
                self._say(f"{model}: {', '.join(_parts(so_far(), now - begun))}")

        yield _WhenItMoves(show)


class _WhenItMoves:
    """Work whose parts are not counted here: whoever watches looks again."""

    def __init__(self, show: Callable[[], None]) -> None:
        self._show = show

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda done: self._show()


def _parts(known: SoFar, elapsed: float) -> Sequence[str]:
    """ "42 of 150 problems", "3,904 samples", "28.6 % right so far", "1:30 elapsed", "at most 2:10 left"."""
    judged = known.right + known.wrong
    right = [f"{known.right / judged:.1%} right so far"] if judged else []
    left = elapsed * known.most_left / known.samples if known.samples else None
    most = "" if known.is_fixed else "at most "
    return (
        f"{known.finished:,} of {known.problems:,} problems",
        f"{known.samples:,} samples",
        *right,
        f"{clock_time(elapsed)} elapsed",
        *([] if left is None else [f"{most}{clock_time(left)} left"]),
    )


def clock_time(seconds: float) -> str:
    """ "1:05", "2:03:00"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
