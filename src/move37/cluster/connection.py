"""The Ray cluster of a run, and what there is on it."""

import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from move37 import __version__
from move37.config import ClusterConfig
from move37.errors import ConfigError, EngineError, MissingExtraError

try:
    import ray
    from ray import exceptions
    from ray.util.client import ray as client
except ImportError:
    raise MissingExtraError("executor = 'ray' needs Ray: pip install 'move37[ray]'") from None

GONE = (exceptions.ActorDiedError, exceptions.ActorUnavailableError, exceptions.RayActorError)
"""What asking an actor raises where it, its process or its node has died."""
RESTARTING = exceptions.ActorUnavailableError
"""What asking an actor raises that Ray is starting again."""
PAUSE_SECONDS = 0.5
"""Before such an actor, or a busy head, is asked again."""
_HOST_PORT = re.compile(r"(ray://)?\[?(?P<host>[^\[\]/]+?)\]?:(?P<port>\d+)")
_NO_MODULE = re.compile(r"No module named '[\w.]+'")
_CONNECT_SECONDS = 10.0
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How a gRPC connection, which Ray's are, begins: the answer has the same kind of frame (4)."""
_GONE_SECONDS, _LOOK_SECONDS = 20.0, 4.0
"""How long a head may not be reached before its cluster counts as gone, and how often that is looked at. After 60 s Ray
ends this process, without a word that says so."""
_SILENCE_SECONDS = 15.0
"""After so long without room, it is said what is waited for."""
_ATTEMPTS, _BUSY = 4, "Initialization failure from server"
"""What a busy head says where the process that it starts for each client (ray://) was not there in time."""
LOST = (*GONE, exceptions.ObjectLostError, exceptions.OwnerDiedError, exceptions.WorkerCrashedError)
"""The same, or its answer was lost with a node."""


def connected(settings: ClusterConfig) -> Any:
    """Ray, connected: to `address`, to the cluster that RAY_ADDRESS or `ray start` names, or to one that begins here.

    A second call keeps the connection. Raises EngineError where no cluster answers.
    """
    if not ray.is_initialized():
        address = settings.address or os.environ.get("RAY_ADDRESS")
        refuse_dead(address)
        local: dict[str, Any] = {} if address else {"include_dashboard": False}
        for left in reversed(range(_ATTEMPTS)):
            try:
                with _own_signals():
                    ray.init(address, namespace="move37", log_to_driver=False, logging_level=logging.ERROR, **local)
                break
            except (ConnectionError, exceptions.RaySystemError, RuntimeError, ValueError) as error:
                if not left or not str(error).startswith(_BUSY):
                    raise _no_cluster(address, error) from None
                time.sleep(PAUSE_SECONDS)
    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and ends the process where samples are still to be written down."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM) if is_main else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def refuse_dead(address: str | None) -> None:
    """Raises EngineError where nothing listens at HOST:PORT, or something else: Ray itself asks there for minutes."""
    found = _HOST_PORT.fullmatch(address or "")
    if found is None:
        return
    try:
        _greet(found["host"], int(found["port"]))
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from None


def _greet(host: str, port: int) -> None:
    with socket.create_connection((host, port), _CONNECT_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return
        connection.sendall(_GREETING)
        said = connection.recv(9)
    if said[3:4] != b"\x04":
        raise ConnectionError("something listens there that is not Ray")


class Waiting:
    """Says once what is waited for, where that takes long: a cluster may have no room, and may get it."""

    def __init__(self, what: str, patience_seconds: float) -> None:
        self._what, self._patience, self._since = what, patience_seconds, time.monotonic()
        self._said = False

    def look(self) -> None:
        if not self._said and time.monotonic() - self._since > min(_SILENCE_SECONDS, self._patience / 2):
            self._said = True
            free = ray.available_resources()
            have = ", ".join(f"{free.get(kind, 0):g} of {resources(kind)} {kind}s free" for kind in ("GPU", "CPU"))
            print(
                f"move37: waiting for room for {self._what}: {len(alive_nodes())} nodes, {have}; "
                f"at most {self._patience:g} s (cluster.patience_seconds)",
                file=sys.stderr,
            )


class _Head:
    """Whether the head of the cluster can be reached, as far as it was looked at."""

    looked_at = 0.0
    reached_at = 0.0


def refuse_gone() -> None:
    """Raises EngineError where the head has not been reached for a while. For loops that wait for actors."""
    now = time.monotonic()
    if now - _Head.looked_at < _LOOK_SECONDS or client.is_connected():  # a client is told by Ray
        return
    if now - _Head.looked_at > _GONE_SECONDS:  # nobody looked meanwhile
        _Head.reached_at = now
    _Head.looked_at = now
    address = ray.get_runtime_context().gcs_address
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _LOOK_SECONDS).close()
        _Head.reached_at = now
    except OSError as error:
        if now - _Head.reached_at > _GONE_SECONDS:
            raise EngineError(
                f"the Ray cluster at {address} is gone ({error}); what was finished is kept: start it again, and the "
                "same command goes on"
            ) from None


def _no_cluster(address: str | None, error: Exception) -> EngineError:
    shown = " ".join(str(error).split())[:300]
    return EngineError(
        f"cluster.address: no Ray cluster at {address or 'this machine'}: {shown}; start one with ray start --head"
    )


def resources(kind: str) -> int:
    """How many GPUs or CPUs ("GPU", "CPU") the nodes have that are alive now."""
    return int(sum(node["Resources"].get(kind, 0) for node in alive_nodes()))


def alive_nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


@contextmanager
def reachable() -> Iterator[None]:
    """What Ray's client (ray://) raises where the head is gone, as one line."""
    try:
        yield
    except ConnectionError as error:
        raise EngineError(
            f"the Ray cluster cannot be reached any more ({' '.join(str(error).split())[:200]}); what was finished is "
            "kept: the same command goes on once it can be"
        ) from None


def why_dead(error: BaseException) -> str:
    """Why an actor died, from the page that Ray writes about it."""
    text = str(error)
    missing = _NO_MODULE.search(text)
    if missing is not None:
        return f"{missing[0]} on its node: install the same on every node, pip install 'move37[ray]'"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]


def refuse_other_version(version: str, node: str) -> None:
    """Raises ConfigError unless an actor runs the same move37 as this process."""
    if version != __version__:
        raise ConfigError(
            f"cluster: node {node} has move37 {version}, and this is {__version__}; install the same on every node"
        )
