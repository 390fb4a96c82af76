"""Executors: where rollouts run. One registry; the contract is `move37.testing.check_executor`.

Work is handed over in shards of requests and comes back as it finishes. The unit of loss is the shard: an executor
whose worker dies reports that shard as lost, with the reason, and goes on with the others; what the worker had
finished of it before stays. What raised an error in the caller's own process is the caller's error and is raised.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from move37.registry import Registry
from move37.types import Request

MadeT = TypeVar("MadeT")
ResultT = TypeVar("ResultT", covariant=True)
Generate = Callable[[Sequence[Request]], Iterator[MadeT]]
"""Requests -> what an engine makes of them (samples, or completions), in any order."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A shard whose worker died: `requests` may have been delivered in part, `reason` is one line."""

    requests: tuple[Request, ...]
    reason: str


class Executor(Protocol[ResultT]):
    """Members are made with the one function that does the work, `Member(generate)`."""

    def submit(self, requests: Sequence[Request]) -> None:
        """Hand over requests; the executor cuts them into shards of its own size, which keep their order."""
        ...

    def results(self) -> Iterator[ResultT | Lost]:
        """What finishes, as it finishes, until nothing that was submitted is left. May be called again after that."""
        ...

    def close(self) -> None:
        """Let go of workers. A second call does nothing."""
        ...


class Placing(Protocol):
    """What an executor may have beside its protocol, as static methods: engines and verifiers in places of its own.

    One that opens engines is asked for them in place of the registry: nothing is loaded in this process.
    """

    @staticmethod
    def open(model: Any, settings: Any) -> Any:
        """The model as an engine, for these settings (`[cluster]`). Raises as engines do."""
        ...

    @staticmethod
    def workforce(verification: Any, settings: Any) -> Any:
        """Processes that verify, with the interface of `verifiers.workforce.Workforce`; None: those of this machine."""
        ...


EXECUTORS = Registry(
    "executor",
    {"local": "move37.executors.local:LocalExecutor", "ray": "move37.cluster.executor:RayExecutor"},
    extras={"ray": "ray"},
    methods=("submit", "results", "close"),
)


def is_placing(executor: Any) -> bool:
    """Whether an executor opens engines in places of its own."""
    return hasattr(executor, "open")
