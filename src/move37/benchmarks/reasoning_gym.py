"""Problems made by Reasoning Gym's generators (arXiv 2505.24760), named `reasoning-gym:<task>`.

Task, size, seed and options determine the problems. Each carries its generator's own entry, because the task's
own scorer judges the answers (verifier "reasoning-gym"): metadata is {"task", "options", "entry"}, JSON only.
A small task may make a question twice; such repeats get numbered ids, as in published sets.
`move37 validate reasoning-gym:<task>` says whether a task's own answers still pass once its entries were written as
JSON (the verifier gives arc_agi and rearc back the tuples that their scorers compare).
Left out: curricula and composite tasks.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from reasoning_gym import create_dataset
from reasoning_gym.factory import DATASETS

from move37.config import ProblemsConfig
from move37.errors import ConfigError, InputError, UnknownNameError
from move37.identity import content_id, number_repeats
from move37.types import Problem


class ReasoningGymBenchmark:
    name = "reasoning-gym"
    verifier = "reasoning-gym"
    expected_counts: Mapping[int, str] = {}

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """`source.size` problems of the task after the colon. Raises UnknownNameError or ConfigError."""
        task = source.benchmark.partition(":")[2]
        _check_task(task)
        _check_options(task, source.options)
        try:
            dataset = create_dataset(task, size=source.size, seed=source.seed, **source.options)
            entries = [dataset[i] for i in range(source.size)]
        except AssertionError as error:  # how its configurations refuse a value
            raise ConfigError(f"problems.options: {task} refuses them: {_first_line(error)}") from error
        except Exception as error:
            raise InputError(
                f"{source.benchmark}: the generator failed: {type(error).__name__}: {_first_line(error)}"
            ) from error
        plain = [json.loads(json.dumps(entry, default=str)) for entry in entries]
        return number_repeats(self._problem(task, source.options, entry) for entry in plain)

    def _problem(self, task: str, options: Mapping[str, Any], entry: Mapping[str, Any]) -> Problem:
        name = f"{self.name}:{task}"
        difficulty = entry["metadata"].get("difficulty")
        return Problem(
            id=content_id(name, entry["question"]),
            question=entry["question"],
            references=(str(entry["answer"]),) if entry["answer"] is not None else (),
            benchmark=name,
            verifier=self.verifier,
            tags={"task": task} | ({"difficulty": _compact(difficulty)} if difficulty else {}),
            metadata={"task": task, "options": dict(options), "entry": dict(entry)},
        )


def _check_task(task: str) -> None:
    if task in DATASETS and task != "composite":
        return
    if not task:
        raise ConfigError(
            "problems.benchmark: name the task: reasoning-gym:<task>, for example reasoning-gym:chain_sum"
        )
    close = get_close_matches(task, DATASETS, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(close)}?" if close else f"for example {', '.join(sorted(DATASETS)[:5])}"
    raise UnknownNameError(f"unknown reasoning-gym task {task!r} ({len(DATASETS) - 1} tasks); {hint}")


def _check_options(task: str, options: Mapping[str, Any]) -> None:
    known = [field.name for field in fields(DATASETS[task][1])]
    for option in options:
        if option in ("seed", "size"):
            raise ConfigError(f"problems.options.{option}: give it as problems.{option}")
        if option not in known:
            others = [name for name in known if name not in ("seed", "size")]
            raise ConfigError(f"problems.options.{option}: {task} has no such option (known: {', '.join(others)})")


def _compact(difficulty: Any) -> str:
    """A difficulty as one short tag: "num_terms=2-6 num_digits=1-4"."""
    if not isinstance(difficulty, Mapping):
        return str(difficulty)
    parts = [f"{k}={'-'.join(map(str, v)) if isinstance(v, tuple | list) else v}" for k, v in difficulty.items()]
    return " ".join(parts)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]


REASONING_GYM = ReasoningGymBenchmark()
