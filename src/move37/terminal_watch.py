"""A training watched on the terminal: the table of its steps, drawn anew with every look."""

import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from move37.watch import Watch, Watched
from move37.watch.page import write_page
from move37.watch.shown import header, rows, sentences

_MOST_STEPS = 30


def follow(watch: Watch, every: float, once: bool, rounds: int | None = None) -> Watched | None:
    """Look every so many seconds until interrupted (`rounds` looks at most), or once; the last look.

    A terminal shows a panel; elsewhere every look that finds something prints the newest step's line.
    """
    console = Console()
    if once or not console.is_terminal:
        return _in_lines(watch, console, every, 1 if once else rounds)
    with Live(console=console, auto_refresh=False) as live:
        return _rounds(watch, every, rounds, lambda watched: live.update(panel(watched), refresh=True))


def panel(watched: Watched) -> Group:
    """The table of the last steps, and what they say."""
    table = Table(title=f"{watched.folder}", title_justify="left")
    for place, name in enumerate(header(watched)):
        table.add_column(name, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows(watched)[-_MOST_STEPS:]:
        table.add_row(*map(Text, row))
    return Group(table, *(Text(each) for each in sentences(watched) if each))


def _in_lines(watch: Watch, console: Console, every: float, rounds: int | None) -> Watched | None:
    def show(watched: Watched) -> None:
        if rounds == 1:
            console.print(panel(watched))
        else:
            named = zip(header(watched), rows(watched)[-1], strict=True)
            console.print(Text("  ".join(f"{name} {value}" for name, value in named)), soft_wrap=True)

    return _rounds(watch, every, rounds, show)


def _rounds(watch: Watch, every: float, rounds: int | None, show: Callable[[Watched], None]) -> Watched | None:
    last, done = None, 0
    try:
        while rounds is None or done < rounds:
            done += 1
            found = watch.look()
            if found is not None:
                last = found
                write_page(found, live=rounds is None)
                show(found)
            if rounds is None or done < rounds:
                time.sleep(every)
    except KeyboardInterrupt:
        if last is None:
            raise
    if last is not None:
        write_page(last, live=False)
    return last
