"""TRL: a reward that is also a callback, so that its evaluation says where the boundary stands.

TRL samples the held-out problems itself (`eval_dataset`, `eval_strategy`, `num_generations_eval`) and asks the reward
for each response. `Boundary` wraps that reward, keeps what it saw of an evaluation, and writes it down at the end:

    <folder>/<step>.jsonl     every response with its reward, in the form of verl's validation dumps
    <folder>/metrics.jsonl    entropy and length as TRL measured them
    <folder>/run/             the same as a run folder, with watch.html; `move37 report <folder>/run` says the rest

    rewards = Boundary(reward, "output/boundary")
    GRPOTrainer(reward_funcs=rewards, callbacks=[rewards], ...)

The reward decides what is right: 1 or more is, None is no verdict. `move37 watch <folder> --verifier reported` shows
the same from outside.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from move37.elsewhere.within import BoundaryWithin
from move37.rewards import Completion, text_of

_ANSWERS = ("answer", "solution", "ground_truth")


class Boundary(TrainerCallback):
    """Give it to `reward_funcs` and to `callbacks` alike. `tell` gets a line for every evaluation."""

    def __init__(
        self, reward: Callable[..., list[float | None]], folder: str | Path, tell: Callable[[str], None] = print
    ) -> None:
        self._reward, self._within = reward, BoundaryWithin(Path(folder), tell, "trl")
        self._model: Any = None
        self._rows: list[dict[str, Any]] = []
        self.__name__ = getattr(reward, "__name__", "reward")  # TRL logs a reward under its function's name

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Completion], **columns: Any) -> list[float | None]:
        rewards = self._reward(prompts=prompts, completions=completions, **columns)
        if self._model is not None and not self._model.training:
            answers = next((columns[name] for name in _ANSWERS if name in columns), [None] * len(prompts))
            self._rows += map(_row, prompts, completions, answers, rewards)
        return rewards

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self._model = model

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, float] | None = None, **_: Any
    ) -> None:
        rows, self._rows = _of_all_processes(self._rows), []
        if rows and state.is_world_process_zero:
            self._within.take(int(state.global_step), rows, _measured(metrics or {}))


def _row(prompt: Any, completion: Completion, answer: Any, reward: float | None) -> dict[str, Any]:
    asked = prompt if isinstance(prompt, str) else text_of(prompt)
    scored = {"score": reward, "acc": reward, "unscored": 0.0} if reward is not None else {"unscored": 1.0}
    return {"input": asked, "output": text_of(completion), "gts": answer, **scored}


def _measured(metrics: Mapping[str, float]) -> dict[str, float]:
    named = {"entropy": "eval_entropy", "length": "eval_completions/mean_length", "eval_reward": "eval_reward"}
    return {name: float(metrics[theirs]) for name, theirs in named.items() if metrics.get(theirs) is not None}


def _of_all_processes(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each process sees its own share of an evaluation."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    gathered: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, json.dumps(rows))
    return [row for part in gathered for row in json.loads(part)]
