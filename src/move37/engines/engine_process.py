"""Processes with an engine each: started, given work, listened to, ended. What runs in them: `*_child.py`.

Each has a bounded number of requests at a time and is given more as it finishes some, so a fast one gets more of the
work and nothing holds a million requests. What a process that dies had in flight the others make again; the last one
that dies ends the work with its reason.
"""

import os
import pickle
import re
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from move37.engines.metering import Replica
from move37.errors import Move37Error

_AHEAD = 2
"""Requests that a process has, in multiples of those that it samples at once."""
_CAUSE = re.compile(r"\b(\w*(?:Error|Exception)): (.+)")
_LOG_TAIL = 60_000
_SECOND_HAND = ("Engine core", "See root cause", "WorkerProc")
"""What vLLM says of its own processes where the cause was said before."""


@dataclass(frozen=True, slots=True)
class Program:
    """What runs in a process: the command (the number of its socket is added), its variables, and what it opens.

    `explain` makes the error of why it ended; `name` is for people.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    opening: Mapping[str, Any]
    explain: Callable[[str], Exception]


class EngineProcess:
    """One process, which is started at once."""

    def __init__(self, program: Program) -> None:
        self._explain, self.name = program.explain, program.name
        self.in_flight: dict[int, tuple[Any, ...]] = {}
        self.answered = 0
        self.failed = ""
        """Why it ended; empty while it runs."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.channel, theirs = Pipe()
        self._process = subprocess.Popen(
            [*program.command, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,  # it is ended with all that it starts, and Ctrl-C reaches the parent alone
            env=dict(program.environment),
        )
        theirs.close()
        self.send({"do": "open", **program.opening})

    @property
    def pid(self) -> int:
        """Also the number of its process group."""
        return self._process.pid

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message. To a process that is gone this does nothing: reading from it will tell."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send_bytes(pickle.dumps(message, 4))

    def receive(self) -> dict[str, Any]:
        """The next message. Raises what `explain` makes of it where the process has ended."""
        try:
            message = pickle.loads(self.channel.recv_bytes())
        except (EOFError, OSError):
            message = {}
        if not message or "failed" in message:
            self.failed = message.get("failed") or self._last_words()
            raise self.why
        return message

    @property
    def why(self) -> Exception:
        """Why it ended."""
        return self._explain(self.failed)

    def expect(self, kind: str) -> Any:
        """What the next message of a kind says; what was made for nobody meanwhile is passed over."""
        while True:
            message = self.receive()
            if kind in message:
                return message[kind]

    def drop(self) -> None:
        """Give up what is in flight. A process that ends meanwhile is noticed when it is given work again."""
        if self.in_flight and not self.failed:
            self.in_flight.clear()
            self.send({"do": "drop"})
            with suppress(Move37Error):
                self.expect("dropped")

    def close(self) -> None:
        """End it, and with it everything that it started. A second call does nothing."""
        if self.channel.closed:
            return
        self.channel.close()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def _last_words(self) -> str:
        """How the process ended, and the last error that it wrote."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        status = self._process.poll()
        ended = "it closed its channel" if status is None else f"exit code {status}"
        if status is not None and status < 0:
            ended = signal.Signals(-status).name
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _LOG_TAIL))
        said = _CAUSE.findall(self._log.read().decode(errors="replace"))
        first_hand = [each for each in said if not each[1].startswith(_SECOND_HAND)] or said
        return f"{ended}: {first_hand[-1][0]}: {first_hand[-1][1]}" if first_hand else ended


class EngineProcesses:
    """The processes of one model, which share its work.

    `at_once`: requests that each of them samples at once; it has `ahead` times as many.
    """

    def __init__(self, processes: Sequence[EngineProcess], at_once: int, ahead: int = _AHEAD) -> None:
        self._all = tuple(processes)
        self._limit = ahead * at_once

    @property
    def running(self) -> list[EngineProcess]:
        return [each for each in self._all if not each.failed]

    def opened(self) -> dict[str, Any]:
        """What they say of themselves, once all are there. Raises EngineError where one cannot open the model."""
        first, *_ = [each.expect("opened") for each in self._all]
        return first

    def run(self, do: str, jobs: Sequence[tuple[Any, ...]], **common: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """The place of each job and what came of it, as they finish. Raises EngineError where no process is left."""
        if not self.running:
            raise self._all[0].why
        todo = deque(enumerate(jobs))
        try:
            while True:
                for process in self.running:
                    self._fill(process, do, todo, common)
                busy = [process for process in self.running if process.in_flight]
                if not busy:
                    return
                for channel in wait([process.channel for process in busy]):
                    process = next(each for each in busy if each.channel is channel)
                    yield from self._made(process, todo)
        finally:
            for process in self.running:
                process.drop()

    def _fill(self, process: EngineProcess, do: str, todo: deque[tuple[int, Any]], common: Mapping[str, Any]) -> None:
        """Give it work once half of its share is done."""
        if not todo or len(process.in_flight) > self._limit // 2:
            return
        given = [todo.popleft() for _ in range(min(len(todo), self._limit - len(process.in_flight)))]
        process.in_flight |= dict(given)
        process.send({"do": do, "jobs": [(place, *job) for place, job in given], **common})

    def _made(self, process: EngineProcess, todo: deque[tuple[int, Any]]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        try:
            message = process.receive()
        except Move37Error:
            if not self.running:
                raise
            todo.extendleft(reversed(process.in_flight.items()))
            process.in_flight = {}
            return
        for place, *made in message.get("made", ()):
            if process.in_flight.pop(place, None) is not None:
                process.answered += 1
                yield place, tuple(made)

    def load_weights(self, folder: Path) -> None:
        """Take the weights in a folder from now on. Raises EngineError."""
        for process in self.running:
            process.send({"do": "weights", "folder": str(folder)})
        for process in self.running:
            process.expect("updated")

    def replicas(self) -> list[Replica]:
        return [
            Replica(each.name, len(each.in_flight), self._limit, each.answered, {"died": 1} if each.failed else {})
            for each in self._all
        ]

    def close(self) -> None:
        for process in self._all:
            process.close()
