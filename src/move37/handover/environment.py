"""An environment package for verifiers 0.4 and prime-rl: the recipe's problems as a taskset, our verifiers as reward.

`pip install ./DIR` makes it known to `uv run eval` of verifiers and to prime-rl by its name; what is trained with is
prime-rl's own configuration, of which `prime-rl.toml` holds what the recipe decides. A response without a verdict
raises, which verifiers keeps as an error beside the trace: its reward is not 0.
"""

import re
from pathlib import Path

from move37.errors import ConfigError
from move37.exporters.written import write_rows, writing_text
from move37.handover.plan import HandOver
from move37.handover.problems import FILE, write_problems


class VerifiersEnvironment:
    def write(self, plan: HandOver, out: Path) -> tuple[list[Path], list[str]]:
        if not plan.template.chat:
            raise ConfigError(
                f"rollout.template: {plan.template.name} is a text to be continued, and verifiers asks in chats; take "
                "a chat template (chat, chat-plain, chat-code)"
            )
        name = "move37_" + re.sub(r"\W+", "_", plan.recipe.name).lower()
        package = out / name
        everything = {each.id: each for each in (*plan.problems, *plan.held_out)}
        splits = {"train": plan.problems, "evaluation": plan.held_out}
        prompts = (
            {"split": split, "id": each.id, "prompt": plan.prompt(each)} for split, of in splits.items() for each in of
        )
        files = [write_problems(package / FILE, everything.values()), write_rows(package / "prompts.jsonl", prompts)]
        texts = {
            out / "pyproject.toml": _PROJECT.format(name=name, title=plan.recipe.name),
            package / "__init__.py": _INIT.format(name=name),
            package / "taskset.py": _TASKSET.format(
                title=plan.recipe.name,
                stop=plan.template.stop,
                settings=plan.recipe.verification.model_dump(mode="json") | {"workers": 1},
            ),
            out / "README.md": _README.format(name=name, title=plan.recipe.name),
        }
        for path, text in texts.items():
            with writing_text(path) as file:
                file.write(text)
        return [*files, *texts], [
            "what is trained with is prime-rl's own configuration: the package has data and reward"
        ]


_PROJECT = """[project]
name = "{name}"
version = "0.1.0"
description = "{title}: problems and verifiers of move37 as an environment"
requires-python = ">=3.11"
dependencies = ["move37", "verifiers>=0.4"]

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["{name}"]
artifacts = ["*.jsonl"]
"""

_INIT = """from {name}.taskset import Move37Taskset

__all__ = ["Move37Taskset"]
"""

_TASKSET = '''"""{title}: tasks from prompts.jsonl, judged by the verifiers of move37 on problems.jsonl."""

import json
from pathlib import Path
from typing import Literal

import verifiers.v1 as vf

from move37.elsewhere.verifiers import judged
from move37.elsewhere.rewards import ProblemRewards

HERE = Path(__file__).parent
JUDGE = ProblemRewards(HERE / "problems.jsonl", stop={stop!r}, settings={settings!r})


class Move37Data(vf.TaskData):
    problem_id: str
    """Of problems.jsonl."""


class Move37Task(vf.Task[Move37Data]):
    @vf.stop
    async def single_turn(self, trace: vf.Trace) -> bool:
        return trace.num_turns >= 1

    @vf.reward(weight=1.0)
    async def correct(self, trace: vf.Trace) -> float:
        return await judged(JUDGE, self.data.problem_id, trace.last_reply)


class Move37Config(vf.TasksetConfig):
    split: Literal["train", "evaluation"] = "train"


class Move37Taskset(vf.Taskset[Move37Task, Move37Config]):
    def load(self) -> list[Move37Task]:
        lines = (HERE / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [row for row in map(json.loads, lines) if row["split"] == self.config.split]
        return [
            Move37Task(Move37Data(idx=place, prompt=row["prompt"], problem_id=row["id"]), self.config.task)
            for place, row in enumerate(rows)
        ]
'''

_README = """# {title}, for verifiers and prime-rl

    pip install .
    uv run eval {name} -n 16 -r 8               # verifiers: 16 problems, 8 responses each
    uv run eval {name} --taskset.split evaluation

prime-rl trains on it by the same name. The reward is 1 or 0 by the verifiers of move37; where they cannot decide, it
raises, and the trace has an error and no reward.
"""
