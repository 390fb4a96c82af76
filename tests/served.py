"""A server for tests: a process of its own that is waited for, and ended with everything that it started."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def served(
    command: Sequence[str | Path], port: int, log: Path, environment: Mapping[str, str], seconds_to_start: float
) -> Iterator[str]:
    """The base URL of a server that speaks OpenAI's protocol, once it answers; it writes to `log`."""
    with log.open("w") as output:
        server = subprocess.Popen(
            [*map(str, command)], env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + seconds_to_start
        while not answers(f"http://localhost:{port}/health"):
            assert server.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.2)
        yield f"http://localhost:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False
