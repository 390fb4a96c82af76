"""The actors of one model, as one engine: requests are spread over them, samples come back as they end.

Decisions. Shares shrink as the work does (guided self-scheduling, Polychronopoulos and Kuck 1987): half of an even
share of what is left, so that engines batch as they like and all of them end at about the same time. An actor that dies
is started again by Ray, on another node if need be, and takes a share once it has loaded the model; what it had not
handed over goes to whoever asks next. Work ends where actors die again and again and nothing is made between.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from move37.cluster.actors import EngineActor
from move37.cluster.connection import (
    LOST,
    PAUSE_SECONDS,
    RESTARTING,
    Waiting,
    alive_nodes,
    connected,
    reachable,
    refuse_gone,
    refuse_other_version,
    resources,
    why_dead,
)
from move37.config import ClusterConfig, ModelConfig, SamplingConfig
from move37.engines import Scored, seeds_statement
from move37.engines.metering import Replica
from move37.errors import ConfigError, EngineError, Move37Error
from move37.types import Message, Prompt, Request, Sample

_SMALLEST_SHARE = 64
_DEATHS = 3
"""Deaths of each actor, on average, without a single sample between them, after which the work ends."""


@dataclass(eq=False)
class _Member:
    """One actor. `asked` is the question that is under way: to open the model, or for what was made."""

    number: int
    handle: Any
    asked: Any = None
    is_open: bool = False
    retry_at: float = 0.0
    share: dict[tuple[str, int], Request] = field(default_factory=dict)
    node: str = ""
    answered: int = 0
    deaths: int = 0


class ClusterEngine:
    """See the module. Opened by `open`."""

    def __init__(self, model: ModelConfig, settings: ClusterConfig, members: list[_Member], ray: Any) -> None:
        self._model, self._settings, self._members, self._ray = model, settings, members, ray
        self._why = ""
        self._begin_opening()
        self._said = self._wait_for_first()
        self.context_length: int | None = self._said["context_length"]
        self.seed_reproduces_sample: bool = self._said["seed_reproduces_sample"]
        self._lengths: dict[str, int | None] = {}

    @classmethod
    def open(cls, model: ModelConfig, settings: ClusterConfig) -> "ClusterEngine":
        """Raises ConfigError for an engine that needs no cluster, EngineError where no actor finds room in time."""
        if model.engine == "openai":
            raise ConfigError(
                f"model {model.path!r}: the engine 'openai' asks servers, wherever they are; use executor = 'local'"
            )
        ray = connected(settings)
        gpus = gpus_of(model, settings)
        count = settings.engines or (resources("GPU") // int(gpus) if gpus >= 1 else len(alive_nodes()))
        if not count:
            raise ConfigError(
                f"cluster: a copy of {model.path!r} takes {gpus:g} GPUs, and the cluster has {resources('GPU')}; set "
                "cluster.engines for nodes that are still to come"
            )
        _refuse_crowd(count, settings)
        kind = ray.remote(EngineActor).options(
            num_gpus=gpus, num_cpus=settings.cpus, max_restarts=-1, max_task_retries=0, max_concurrency=1,
            scheduling_strategy="SPREAD",
        )  # fmt: skip
        members = [_Member(number, kind.remote(model.model_dump(mode="json"))) for number in range(count)]
        try:
            return cls(model, settings, members, ray)
        except BaseException:
            for member in members:
                ray.kill(member.handle)
            raise

    def _begin_opening(self) -> None:
        for member in self._members:
            if member.asked is None and not member.is_open and time.monotonic() >= member.retry_at:
                member.asked = member.handle.open.remote()

    def _wait_for_first(self) -> dict[str, Any]:
        """What the first actor says that has the model; the others go on loading it."""
        deadline = time.monotonic() + self._settings.patience_seconds
        deaths = 0
        needed = f"{gpus_of(self._model, self._settings):g} GPUs, {self._settings.cpus:g} CPUs"
        waiting = Waiting(f"a copy of {self._model.path!r} ({needed})", self._settings.patience_seconds)
        while time.monotonic() < deadline:
            waiting.look()
            for member in self._answered(1.0):
                said = self._opened(member)
                if said:
                    return said
                deaths += said is None
                if deaths >= _DEATHS * len(self._members):
                    raise EngineError(
                        f"{self._model.path}: actors die while they load the model: {self._why}; see Ray's logs"
                    )
        raise EngineError(
            f"{self._model.path}: no node had room for a copy ({needed}) within {self._settings.patience_seconds:g} s "
            "(cluster.patience_seconds)"
        )

    def _answered(self, seconds: float) -> list[_Member]:
        """Actors whose question has an answer, or that died of it, after the next of them within so many seconds."""
        self._begin_opening()
        refuse_gone()
        asked = {member.asked: member for member in self._members if member.asked is not None}
        if not asked:
            time.sleep(PAUSE_SECONDS / 5)
            return []
        self._ray.wait(list(asked), timeout=seconds)
        ready, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=0)
        return [asked[each] for each in ready]

    def _opened(self, member: _Member) -> dict[str, Any] | None:
        """What an actor says that has loaded the model; None where it died, nothing while Ray starts it again.

        Raises what loading raised.
        """
        try:
            said = self._ray.get(member.asked)
        except RESTARTING:
            member.asked, member.retry_at = None, time.monotonic() + PAUSE_SECONDS
            return {}
        except LOST as error:
            member.asked, member.deaths = None, member.deaths + 1
            self._why = why_dead(error)
            return None
        except self._ray.exceptions.RayTaskError as error:
            raise _own(error) from None
        refuse_other_version(said["version"], said["node"])
        member.asked, member.is_open, member.node = None, True, said["node"]
        return said

    # -- what an engine is asked -------------------------------------------------------------------------------------

    def identity(self) -> Mapping[str, str]:
        cluster = f"ray {self._ray.__version__}, {len(self._members)} engines"
        return {**self._said["identity"], "cluster": cluster, **seeds_statement(self)}

    def unchecked(self) -> list[str]:
        """See `metering.Unsure`."""
        return self._said["unchecked"]

    def render_prompt(self, messages: Sequence[Message], **variables: Any) -> str:
        return self._ask("render_prompt", messages, variables)

    def count_tokens(self, prompt: Prompt) -> int | None:
        if prompt.text not in self._lengths:
            self._lengths[prompt.text] = self._ask("count_tokens", [prompt])[0]
        return self._lengths[prompt.text]

    def _ask(self, name: str, *arguments: Any) -> Any:
        """An actor that has the model; the next one if it dies."""
        while True:
            member = next((each for each in self._members if each.is_open), None)
            if member is None:
                self._wait_for_first()
                continue
            try:
                return self._ray.get(getattr(member.handle, name).remote(*arguments))
            except LOST:
                self._bury(member, deque())
            except self._ray.exceptions.RayTaskError as error:
                raise _own(error) from None

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        """One sample per request, as they end. Raises what an engine raises, and EngineError where actors keep dying.

        Everything that was finished has been delivered before.
        """
        with reachable():
            yield from self._made(deque(requests), sampling.model_dump(mode="json"))

    def _made(self, todo: deque[Request], settings: dict[str, Any]) -> Iterator[Sample]:
        failed: Move37Error | None = None
        in_vain = 0
        try:
            while todo or any(member.share for member in self._members):
                if failed is None:
                    self._hand_out(todo, settings)
                elif not any(member.share for member in self._members):
                    break
                for member in self._answered(1.0):
                    try:
                        made = self._received(member, todo)
                    except Move37Error as error:
                        failed, made = failed or error, []
                        member.share, member.asked = {}, None
                    if made is None:
                        in_vain += 1
                        if in_vain >= _DEATHS * len(self._members):
                            raise EngineError(f"{self._model.path}: actors die again and again and make nothing")
                        continue
                    in_vain = 0 if made else in_vain
                    yield from made
            if failed is not None:
                raise failed
        finally:
            self._give_up()

    def _hand_out(self, todo: deque[Request], settings: Mapping[str, Any]) -> None:
        """A share for every actor that has none."""
        for member in self._members:
            if not todo or not member.is_open or member.share:
                continue
            size = max(_SMALLEST_SHARE, len(todo) // (2 * len(self._members)))
            share = [todo.popleft() for _ in range(min(size, len(todo)))]
            member.share = {(each.prompt.problem_id, each.index): each for each in share}
            member.asked = member.handle.begin.remote(share, settings)

    def _received(self, member: _Member, todo: deque[Request]) -> list[Sample] | None:
        """What an actor finished; None where it died. Raises what its engine raised."""
        if not member.is_open:
            return None if self._opened(member) is None else []
        try:
            made, ended = self._ray.get(member.asked)
        except LOST:
            self._bury(member, todo)
            return None
        except self._ray.exceptions.RayTaskError as error:
            raise _own(error) from None
        owed = [each for each in made if member.share.pop((each.problem_id, each.index), None) is not None]
        member.answered += len(owed)
        member.asked = None if ended else member.handle.take.remote()
        if ended and member.share:
            raise EngineError(f"{self._model.path}: the engine finished without {len(member.share)} of its samples")
        return owed

    def _bury(self, member: _Member, todo: deque[Request]) -> None:
        """Take back what an actor had not handed over, and wait for Ray to start it again."""
        todo.extendleft(reversed(member.share.values()))
        member.share, member.is_open = {}, False
        member.deaths += 1
        member.asked, member.retry_at = None, time.monotonic() + PAUSE_SECONDS

    def _give_up(self) -> None:
        for member in self._members:
            if member.share:
                member.share, member.asked = {}, None
                member.handle.stop.remote()

    # -- scoring -----------------------------------------------------------------------------------------------------

    def encode(self, text: str, rendered: bool = False) -> list[int]:
        """See `engines.BatchScorer`, as the next ones. Raises EngineError where the engine cannot score."""
        return self._ask("of_scorer", "encode", text, rendered)

    @property
    def end_tokens(self) -> frozenset[int]:
        return self._ask("of_scorer", "end_tokens")

    def score(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[float]:
        return self._ask("of_scorer", "score", prompt_ids, response_ids)

    def score_together(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], sampling: SamplingConfig
    ) -> Iterator[Scored]:
        yield from self._ask("score_together", texts, sampling.model_dump(mode="json"))

    def read_back(self, prompt_ids: Sequence[int], token_ids: Sequence[int], stop: tuple[str, ...]) -> str:
        return self._ask("of_scorer", "read_back", prompt_ids, token_ids, stop)

    # -- watching and ending -----------------------------------------------------------------------------------------

    def replicas(self) -> list[Replica]:
        """See `metering.Replicated`."""
        return [
            Replica(
                f"{each.node or 'waiting for room'} #{each.number}",
                len(each.share),
                len(each.share),
                each.answered,
                {"died": each.deaths} if each.deaths else {},
            )
            for each in self._members
        ]

    def close(self) -> None:
        with suppress(ConnectionError):
            for member in self._members:
                self._ray.kill(member.handle)
        self._members = []


def gpus_of(model: ModelConfig, settings: ClusterConfig) -> float:
    """The GPUs of one copy: as set, or what its engine takes on a cluster that has GPUs."""
    if settings.gpus is not None:
        return settings.gpus
    if not resources("GPU"):
        return 0
    if model.engine == "vllm":
        sizes = (int(model.options.get(f"{name}_parallel_size", 1)) for name in ("tensor", "pipeline", "data"))
        product = 1
        for size in sizes:
            product *= size
        return product
    return 1 if model.engine == "transformers" and model.options.get("device", "auto") != "cpu" else 0


def _refuse_crowd(copies: int, settings: ClusterConfig) -> None:
    """Raises ConfigError where copies and verifiers cannot all be there: verifiers would hold what copies wait for."""
    wanted, there = copies * settings.cpus + settings.verifiers, resources("CPU")
    if settings.engines is None and settings.verifiers and wanted > there:
        raise ConfigError(
            f"cluster: {settings.verifiers} verifiers and {copies} copies of a model take {wanted:g} CPUs, and the "
            f"cluster has {there}; lower cluster.verifiers, or set cluster.engines where nodes are still to come"
        )


def _own(error: Any) -> Move37Error:
    """What was raised in an actor, as it was raised there."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Move37Error):
        return cause
    first = str(cause or error).strip().splitlines()
    return EngineError(f"an actor failed: {type(cause or error).__name__}: {first[-1] if first else ''}")
