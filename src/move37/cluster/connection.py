"""The Ray cluster of a run, and what there is on it."""

import logging
import os
import re
import socket
import time
from typing import Any

from move37 import __version__
from move37.config import ClusterConfig
from move37.errors import ConfigError, EngineError, MissingExtraError

try:
    import ray
    from ray import exceptions
except ImportError:
    raise MissingExtraError("executor = 'ray' needs Ray: pip install 'move37[ray]'") from None

GONE = (exceptions.ActorDiedError, exceptions.ActorUnavailableError, exceptions.RayActorError)
"""What asking an actor raises where it, its process or its node has died."""
RESTARTING = exceptions.ActorUnavailableError
"""What asking an actor raises that Ray is starting again."""
PAUSE_SECONDS = 0.5
"""Before such an actor, or a busy head, is asked again."""
_HOST_PORT = re.compile(r"(ray://)?\[?(?P<host>[^\[\]/]+?)\]?:(?P<port>\d+)")
_CONNECT_SECONDS = 10.0
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
                ray.init(address, namespace="move37", log_to_driver=False, logging_level=logging.ERROR, **local)
                break
            except (ConnectionError, exceptions.RaySystemError, RuntimeError, ValueError) as error:
                if not left or not str(error).startswith(_BUSY):
                    raise _no_cluster(address, error) from None
                time.sleep(PAUSE_SECONDS)
    return ray


def refuse_dead(address: str | None) -> None:
    """Raises EngineError where nothing listens at HOST:PORT: Ray itself asks there for many minutes."""
    found = _HOST_PORT.fullmatch(address or "")
    if found is None:
        return
    try:
        socket.create_connection((found["host"], int(found["port"])), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from None


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


def refuse_other_version(version: str, node: str) -> None:
    """Raises ConfigError unless an actor runs the same move37 as this process."""
    if version != __version__:
        raise ConfigError(
            f"cluster: node {node} has move37 {version}, and this is {__version__}; install the same on every node"
        )
