"""Who samples for a training: the process that trains, several processes (one for each GPU), or vLLM's engine.

The last two are given the weights after every step, before the next sample is made, through a file in memory where the
machine has one. Seeds belong to requests, so it changes no sample who makes it, but for rounding; by how much the
sampler's log-probabilities differ from the trainer's is measured at every step all the same (`logprob_gap`).

Prompts, their lengths and everything else that an engine is asked for stay with the engine that trains.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, cast

import torch

from move37.config import ModelConfig, SamplingConfig
from move37.engines import ENGINES, Completion, Trainable
from move37.engines.engine_process import EngineProcess, EngineProcesses, Program
from move37.errors import ConfigError, EngineError
from move37.training.recipe import TrainConfig
from move37.types import Request

_CHILD = Path(sys.modules["move37.engines"].__path__[0]) / "transformers_child.py"
_MEMORY = Path("/dev/shm")


class Elsewhere(Protocol):
    """Who samples in place of the engine that trains."""

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]: ...

    def push(self, folder: Path) -> None:
        """Take the present weights, by way of a folder that is there and empty."""
        ...

    def close(self) -> None: ...


class PushedSampler:
    """The engine that trains, but for samples: those are made elsewhere, with its weights as they are."""

    def __init__(self, engine: Trainable, elsewhere: Elsewhere) -> None:
        self._engine, self._elsewhere = engine, elsewhere
        self._is_fresh = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def outdated(self) -> None:
        """The weights have changed."""
        self._is_fresh = False

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]:
        """See `engines.Trainable`. Raises EngineError where who samples has ended."""
        if not self._is_fresh:
            folder = Path(tempfile.mkdtemp(prefix="move37-weights-", dir=_roomiest()))
            try:
                self._elsewhere.push(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            self._is_fresh = True
        yield from self._elsewhere.completions(requests, sampling)

    def sampling_layout(self, rows: int) -> AbstractContextManager[object]:
        return nullcontext()  # the weights here make no sample

    def close(self) -> None:
        self._elsewhere.close()


def sampling_engine(
    engine: Trainable,
    recipe: TrainConfig,
    weights: Callable[[], Mapping[str, torch.Tensor]],
    save: Callable[[Path], None],
) -> Trainable:
    """The engine that samples as the recipe says. `weights` are the present ones, `save` writes them as a model.

    Raises ConfigError for more samplers than GPUs, EngineError and MissingExtraError as vLLM does.
    """
    if recipe.rollout.engine == "vllm":
        return cast("Trainable", PushedSampler(engine, _VLLM(recipe, save)))
    if recipe.rollout.samplers > 1:
        return cast("Trainable", PushedSampler(engine, _Processes(recipe, weights)))
    return engine


class _Processes:
    """Processes with the engine `transformers`, one for each GPU; on a CPU they share its cores."""

    def __init__(self, recipe: TrainConfig, weights: Callable[[], Mapping[str, torch.Tensor]]) -> None:
        count, self._weights = recipe.rollout.samplers, weights
        gpus = torch.cuda.device_count() if recipe.model.device != "cpu" and torch.cuda.is_available() else 0
        if gpus and count > gpus:
            raise ConfigError(f"rollout.samplers: {count} processes need a GPU each, and there are {gpus}")
        if recipe.model.engine != "transformers":
            raise ConfigError("rollout.samplers: several processes are for model.engine = 'transformers'")
        devices = [f"cuda:{number}" if gpus else "cpu" for number in range(count)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = (sys.executable, "-P", str(_CHILD))
        self._processes: list[EngineProcess] = []
        try:
            for number, device in enumerate(devices):
                opening = {"path": recipe.model.path, "settings": _settings(recipe, device)}
                program = Program(f"sampler {number}", command, environment, opening, _ended)
                self._processes.append(EngineProcess(program))
        except BaseException:
            self.close()
            raise
        self._is_open = False

    def push(self, folder: Path) -> None:
        file = folder / "weights.pt"
        torch.save({name: value.detach() for name, value in self._weights().items()}, file)
        together = EngineProcesses(self._processes, 1)
        if not self._is_open:
            together.opened()
            self._is_open = True
        together.load_weights(file)

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]:
        share = -(-len(requests) // (2 * len(self._processes)))  # two shares each: whoever is faster takes more
        together = EngineProcesses(self._processes, max(1, share), ahead=1)
        jobs = [(request,) for request in requests]
        for _, (made,) in together.run("sample", jobs, sampling=sampling.model_dump(mode="json")):
            yield made

    def close(self) -> None:
        for process in self._processes:
            process.close()


def _settings(recipe: TrainConfig, device: str) -> dict[str, Any]:
    model = recipe.model
    return {
        "device": device,
        "dtype": model.precision,
        "threads": model.threads,
        "trust_remote_code": model.trust_remote_code,
        "rows": recipe.rollout.rows,
    }


def _ended(reason: str) -> EngineError:
    return EngineError(f"a sampler of the training ended: {reason}; run the same command to go on")


class _VLLM:
    """vLLM's engine. `engine_options` are its options (`engines/vllm.py`)."""

    def __init__(self, recipe: TrainConfig, save: Callable[[Path], None]) -> None:
        self._save = save
        options = {"trust_remote_code": recipe.model.trust_remote_code} | recipe.rollout.engine_options
        options.setdefault("dtype", recipe.model.precision)
        model = ModelConfig(path=recipe.model.path, engine="vllm", options=options)
        self._engine: Any = ENGINES.load("vllm").load_to_roll_out(model)

    def push(self, folder: Path) -> None:
        self._save(folder)
        self._engine.load_weights(folder)

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]:
        return self._engine.completions(requests, sampling)

    def close(self) -> None:
        self._engine.close()


def _roomiest() -> Path | None:
    """Where weights are handed over: in memory, where that has room to compare with the disk's."""
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    disk = Path(tempfile.gettempdir())
    return _MEMORY if shutil.disk_usage(_MEMORY).free > 0.5 * shutil.disk_usage(disk).free else None
