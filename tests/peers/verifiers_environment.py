"""Run in the environment of verifiers 0.4: a package of `move37 export verifiers`, loaded and scored as it does it.

verifiers_environment.py FOLDER PACKAGE
"""

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

import verifiers.v1 as vf
from verifiers.v1.trace import AgentInfo

sys.path.insert(0, sys.argv[1])


def trace_of(task: Any, reply: str) -> Any:
    """A finished trace whose last message is the reply."""
    asked = vf.TraceTask(type=type(task).__name__, data=task.data)
    trace = vf.Trace(task=asked, agent=AgentInfo.model_construct())
    trace.root_reply = reply
    return trace


async def rewards(task: Any, replies: list[str]) -> list[Any]:
    found: list[Any] = []
    for reply in replies:
        trace = trace_of(task, reply)
        try:
            await task.score(trace)
            found.append(trace.reward)
        except Exception as error:  # what a rollout records as the trace's error
            found.append(f"{type(error).__name__}: {error}")
    return found


def main() -> None:
    package = import_module(sys.argv[2])
    tasks = list(package.Move37Taskset(package.taskset.Move37Config(split="train")))
    held_out = list(package.Move37Taskset(package.taskset.Move37Config(split="evaluation")))
    scores = asyncio.run(rewards(tasks[0], ["so \\boxed{2}", "\\boxed{9}"]))
    unscored = asyncio.run(rewards(tasks[-1], ["\\boxed{1}"]))
    print(
        json.dumps(
            {
                "train": [task.data.prompt for task in tasks],
                "evaluation": [task.data.prompt for task in held_out],
                "scores": scores,
                "unscored": unscored,
            }
        )
    )


if __name__ == "__main__":
    main()
