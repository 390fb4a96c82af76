"""`python -m move37` and the installed command: the command line, and Ctrl-C while it is still being loaded.

Loading numpy, polars and the rest takes a large part of a second. Nothing is begun by then, so an interrupt ends the
process at once with one line: raised as an exception inside a half-loaded package it would be a traceback, or lost.
"""

import json
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def _end_before_the_start(number: int, frame: FrameType | None) -> NoReturn:
    line = "interrupted before anything was begun"
    os.write(2, f"move37: {line}\n".encode())
    if "--json" in sys.argv:
        answer = {"command": None, "ok": False, "error": line, "exit_code": 130}
        os.write(1, (json.dumps(answer) + "\n").encode())
    os._exit(130)


def main() -> None:
    """Load the commands and run the one that was asked for."""
    before = signal.signal(signal.SIGINT, _end_before_the_start)
    from move37.cli import main as command_line  # here: an interrupt while this loads is answered above

    signal.signal(signal.SIGINT, before)
    command_line()


if __name__ == "__main__":
    main()
