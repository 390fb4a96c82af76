"""Commands in processes of their own that start in milliseconds: forked from one that has loaded everything.

What such a process does from its first instruction on is what `move37 ...` does, and it may be killed as any other.
What is left out is Python loading numpy, polars and torch anew, which takes seconds each time.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

_STARTER = """
import importlib.util, json, os, sys
import move37.cli, move37.imports, move37.pipeline, move37.terminal
import move37.parts
if importlib.util.find_spec("torch"):
    import torch
    import move37.engines.transformers, move37.training.distillation, move37.training.loop
    torch.set_num_threads(1)
os.fsync = lambda descriptor: None
if sys.argv[1:]:
    move37.parts.WRITE_EVERY_SECONDS = float(sys.argv[1])
for line in sys.stdin:
    process = os.fork()
    if process == 0:
        sys.argv = ["move37", *json.loads(line)]
        os.dup2(2, 1)
        move37.cli.main()
    print(process, flush=True)
    ended = os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    print(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status, flush=True)
    sys.stdin.readline()
    os.waitpid(process, 0)
"""
"""Reads the words of a command per line, answers with the number of its process, then with how that ended. The number
is given away when another line is read."""

_WAIT_SECONDS = 120.0


@dataclass
class Starter:
    """Starts one command at a time."""

    words: IO[bytes]
    answers: IO[bytes]

    def start(self, *words: str) -> int:
        """The number of the process, which is its own until `end`, even if it is over by then."""
        self._say(words)
        return int(self.answers.readline())

    def is_over(self) -> bool:
        return bool(select.select([self.answers], [], [], 0)[0])

    def end(self) -> int:
        """Wait for the command; its exit code, negative for a signal."""
        code = int(self.answers.readline())
        self._say("thanks")
        return code

    def finish(self, *words: str) -> None:
        self.start(*words)
        assert self.end() == 0

    def _say(self, what: object) -> None:
        self.words.write(json.dumps(what).encode() + b"\n")


@contextmanager
def starter(write_every_seconds: float | None = None) -> Iterator[Starter]:
    """`write_every_seconds`: how often a running command writes what it has, where the usual two seconds are long."""
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "POLARS")}
    options = [] if write_every_seconds is None else [str(write_every_seconds)]
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **threads, "POLARS_MAX_THREADS": "1"},
        bufsize=0,  # what is there to be read can be seen
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Starter(process.stdin, process.stdout)
        process.stdin.close()
        process.wait(timeout=_WAIT_SECONDS)
