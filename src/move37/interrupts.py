"""Ctrl-C and a scheduler's SIGTERM: what they do before the work of a command has begun, and what afterwards.

Loading numpy, polars and the rest takes a large part of a second. Nothing is begun by then, so both end the process at
once, with one line: raised as exceptions inside a half-loaded package they would be a traceback, or lost. Afterwards
both are exceptions, and whoever holds finished samples writes them down on the way out.
"""

import json
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

_ENDS = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("terminated", 143)}

_before: dict[signal.Signals, Any] = {}
"""The handlers that stood before `end_at_once`; empty once there is work to be interrupted."""


class Terminated(BaseException):
    """SIGTERM, as an exception."""


def end_at_once() -> None:
    """Until `raise_from_now_on`, both signals end this process. In the main thread only: others get no signals."""
    if threading.current_thread() is threading.main_thread():
        for number in _ENDS:
            found = signal.signal(number, _end)
            _before.setdefault(number, found)


def raise_from_now_on() -> None:
    """The work begins: KeyboardInterrupt (or whatever stood before) and Terminated. Without `end_at_once`, nothing."""
    if _before:
        signal.signal(signal.SIGINT, _before.pop(signal.SIGINT))
        signal.signal(signal.SIGTERM, _raising_in(os.getpid()))
        _before.clear()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    what, code = _ENDS[signal.Signals(number)]
    line = f"{what} before anything was begun"
    os.write(2, f"move37: {line}\n".encode())
    if "--json" in sys.argv:
        answer = {"command": None, "ok": False, "error": line, "exit_code": code}
        os.write(1, (json.dumps(answer) + "\n").encode())
    os._exit(code)


def _raising_in(owner: int) -> Any:
    """Processes forked from the one that works end at SIGTERM as they always did."""

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            raise Terminated
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    return end
