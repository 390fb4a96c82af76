"""The contracts of environments and executors. They need no model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from move37.environments import Environment
from move37.executors import Executor, Lost
from move37.testing.claims import require
from move37.types import FinishReason, Prompt, Request, Sample, Segment

_TURNS = 64


def check_environment(environment: Environment, prompt: Prompt | None = None) -> None:
    """What follows depends on the trajectory alone, is never the model's own, and ends. Raises AssertionError."""
    asked = prompt or Prompt("p", "What is 1 + 1?", (), "completion")
    for text in ("", "2", "The answer is \\boxed{2}.", "\x00\n" * 40):
        segments: tuple[Segment, ...] = ()
        for turn in range(_TURNS):
            segments = (*segments, Segment("assistant", text))
            sample = Sample("p", 0, text, FinishReason.STOP, 1, -1.0, turn, segments)
            added = environment.after(asked, sample)
            require(added == deepcopy(environment).after(asked, sample), "the same trajectory, another answer")
            if added is None:
                break
            require(isinstance(added, tuple), f"expected a tuple of segments or None, got {added!r}")
            require(bool(added), "an empty tuple: return None where the episode is over")
            require(not any(segment.own for segment in added), "a segment passes for the model's own")
            segments = (*segments, *added)
        else:
            raise AssertionError(f"no end after {_TURNS} turns")


def check_executor(kind: Any) -> None:
    """Everything handed over comes back once, also what is handed over later; errors are raised, not lost.

    `kind` is called with the function that does the work. Raises AssertionError.
    """
    prompts = [Prompt(f"p{number}", "a", (), "completion") for number in range(3)]
    requests = [Request(prompt, index, index) for prompt in prompts for index in range(7)]
    executor: Executor[Sample] = kind(_echo)
    require(list(executor.results()) == [], "results although nothing was handed over")
    for _ in range(2):
        executor.submit(requests[:5])
        executor.submit(requests[5:])
        made = list(executor.results())
        require(not any(isinstance(each, Lost) for each in made), "a shard was lost although no worker died")
        keys = Counter((each.problem_id, each.index) for each in made if isinstance(each, Sample))
        expected = Counter((request.prompt.problem_id, request.index) for request in requests)
        require(keys == expected, "not every request came back exactly once")
    executor.submit([])
    require(list(executor.results()) == [], "results although no request was handed over")
    executor.close()
    executor.close()
    _check_errors(kind)


def _check_errors(kind: Any) -> None:
    executor: Executor[Sample] = kind(_failing)
    executor.submit([Request(Prompt("p", "a", (), "completion"), 0, 0)])
    try:
        made = list(executor.results())
    except ZeroDivisionError:
        made = None
    executor.close()
    require(made is None, "an error of the work was swallowed")


def _echo(requests: Sequence[Request]) -> Iterator[Sample]:
    for request in requests:
        yield Sample(request.prompt.problem_id, request.index, request.prompt.text, FinishReason.STOP)


def _failing(requests: Sequence[Request]) -> Iterator[Sample]:
    raise ZeroDivisionError(f"{len(requests)} requests")
