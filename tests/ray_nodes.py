"""A Ray cluster on this machine: real `ray start` processes, one for each node, ended with all that they started."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.processes import family
from tests.served import free_port

_SECONDS_TO_START = 240


class Nodes:
    """The nodes of a cluster, the head first."""

    def __init__(self, cpus: int, gpus: int = 0) -> None:
        """`gpus` of each node are simulated: Ray hands them out, and nobody looks for them."""
        self.address = f"127.0.0.1:{free_port()}"
        self.client_address = f"ray://127.0.0.1:{free_port()}"
        """For a process that is on none of the nodes."""
        self._cpus, self._gpus = cpus, gpus
        self._folder = Path(tempfile.mkdtemp(prefix="m37-", dir="/tmp"))  # short: sockets are in it
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """One more node."""
        port = self.address.partition(":")[2]
        where = [f"--address={self.address}"]
        if not self._processes:
            where = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
            where.append(f"--ray-client-server-port={self.client_address.rpartition(':')[2]}")
        sizes = [f"--num-cpus={self._cpus}", "--object-store-memory=80000000", "--disable-usage-stats"]
        sizes += [f"--num-gpus={self._gpus}"] if self._gpus else []
        program = [str(Path(sys.executable).with_name("ray")), "start", "--block", *where, *sizes]
        log = (self._folder / f"node-{len(self._processes)}.log").open("w")
        node = subprocess.Popen(program, stdout=log, stderr=log, start_new_session=True)
        log.close()
        self._processes.append(node)

    def kill(self, number: int) -> None:
        """SIGKILL to everything that a node is."""
        node = self._processes[number]
        for process in family(node.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        node.wait()

    def processes(self, *names: str) -> list[int]:
        """Those of all nodes whose titles begin so ("ray::EngineActor")."""
        found = []
        for process in self.all_processes():
            with suppress(OSError):
                if Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").startswith(names):
                    found.append(process)
        return found

    def all_processes(self) -> list[int]:
        return [process for node in self._processes for process in family(node.pid)]

    def wait(self) -> None:
        """Until all nodes are there; connects this process."""
        import logging

        import ray

        deadline = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                if not ray.is_initialized():
                    ray.init(self.address, namespace="move37", log_to_driver=False, logging_level=logging.ERROR)
                if sum(node["Alive"] for node in ray.nodes()) >= len(self._processes):
                    return
            except (ConnectionError, RuntimeError, ValueError):
                pass
            dead = [each for each in self._processes if each.poll() is not None]
            logs = "".join(each.read_text()[-2000:] for each in self._folder.glob("node-*.log"))
            assert not dead, logs
            assert time.monotonic() < deadline, f"the cluster does not start: {logs}"
            time.sleep(0.2)

    def close(self) -> None:
        import ray

        ray.shutdown()
        for number in range(len(self._processes)):
            self.kill(number)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def nodes(count: int, cpus: int, gpus: int = 0) -> Iterator[Nodes]:
    """A cluster of so many nodes, each with so many processors, to which this process is connected."""
    cluster = Nodes(cpus, gpus)
    try:
        for _ in range(count):
            cluster.start()
            cluster.wait()  # four that start at once are too slow for Ray, which gives a node 30 seconds
        yield cluster
    finally:
        cluster.close()
