"""verl 0.9: parquet data, a reward file and a launch script with the recipe in the words of its Hydra configuration.

Decisions.
- An algorithm that verl has under settings of its own goes over as verl's; any other without a critic or a greedy
  response goes over as a registered advantage estimator that asks our code (`advantages.py` in the folder).
- A text template goes over with a chat template that prints the message and nothing else.
- Old log-probabilities are the trainer's: a sampler in another precision than the trainer is another policy.
- The validation samples n responses at the training's temperature, so that pass@k can be read from its dumps; by
  default verl takes one greedy response.
"""

import math
import shlex
from pathlib import Path
from typing import Any

import polars as pl

from move37.exporters.written import writing_text
from move37.handover.plan import HandOver
from move37.handover.problems import FILE, ground_truth, write_problems
from move37.handover.verl_settings import algorithm_overrides, loss_overrides, optimizer_overrides, refuse_impossible
from move37.types import Problem

_VERBATIM = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
_SAME = """\
The reward is the verifiers of move37 on `problems.jsonl`; a response is cut at the template's stop strings before it is
judged, as verl has none of its own. What the verifiers cannot decide gets the reward of a wrong answer, with
`unscored = 1` beside it in verl's dumps, and is unscored again for `move37 watch` and `move37 import`.
"""


class VerlTrainer:
    def write(self, plan: HandOver, out: Path) -> tuple[list[Path], list[str]]:
        differs = refuse_impossible(plan)
        held_out = plan.held_out or plan.problems[:1]
        files = [
            write_problems(out / FILE, {each.id: each for each in (*plan.problems, *held_out)}.values()),
            _write_rows(out / "train.parquet", plan, plan.problems, "train"),
            _write_rows(out / "validation.parquet", plan, held_out, "validation"),
            _write(out / "reward.py", _reward(plan)),
        ]
        values = overrides(plan)
        if values["algorithm.adv_estimator"] == "move37":
            files.append(_write(out / "move37_advantages.py", _advantages(plan)))
        files.append(_write(out / "launch.sh", _launch(plan, values)))
        files.append(_write(out / "README.md", _readme(plan, differs)))
        return files, differs


def overrides(plan: HandOver) -> dict[str, Any]:
    """verl's settings, by their Hydra keys. A value that begins with "$" is the launch script's."""
    recipe, rollout, evaluation = plan.recipe, plan.recipe.rollout, plan.recipe.evaluation
    per_pass = len(plan.problems) // rollout.prompts
    values: dict[str, Any] = {
        "data.train_files": "$here/train.parquet",
        "data.val_files": "$here/validation.parquet",
        "data.train_batch_size": rollout.prompts,
        "data.max_prompt_length": plan.longest_prompt,
        "data.max_response_length": rollout.max_new_tokens,
        "data.seed": recipe.seed % 2**32,
        "data.truncation": "error",
        "actor_rollout_ref.model.path": recipe.model.path,
        "actor_rollout_ref.model.trust_remote_code": recipe.model.trust_remote_code,
        "actor_rollout_ref.model.enable_gradient_checkpointing": recipe.model.gradient_checkpointing,
        "actor_rollout_ref.rollout.name": "$ROLLOUT",
        "actor_rollout_ref.rollout.tensor_model_parallel_size": "$TENSOR_PARALLEL",
        "actor_rollout_ref.rollout.dtype": recipe.model.precision,
        "actor_rollout_ref.rollout.n": rollout.responses,
        "actor_rollout_ref.rollout.temperature": rollout.temperature,
        "actor_rollout_ref.rollout.top_p": 1.0,
        "actor_rollout_ref.rollout.val_kwargs.do_sample": True,
        "actor_rollout_ref.rollout.val_kwargs.n": evaluation.n,
        "actor_rollout_ref.rollout.val_kwargs.temperature": rollout.temperature,
        "actor_rollout_ref.rollout.val_kwargs.top_p": 1.0,
        "reward.custom_reward_function.path": "$here/reward.py",
        "reward.custom_reward_function.name": "compute_score",
        **algorithm_overrides(plan),
        **loss_overrides(plan),
        **optimizer_overrides(plan),
        "trainer.total_training_steps": recipe.steps,
        "trainer.total_epochs": math.ceil(recipe.steps / per_pass),
        "trainer.test_freq": evaluation.every if plan.held_out else -1,
        "trainer.val_before_train": bool(plan.held_out),
        "trainer.save_freq": recipe.checkpoints.keep_every or -1,
        "trainer.validation_data_dir": "$here/validation",
        "trainer.rollout_data_dir": "$here/rollouts",
        "trainer.default_local_dir": "$here/checkpoints",
        "trainer.project_name": "move37",
        "trainer.experiment_name": recipe.name,
        "trainer.logger": ["console", "file", "move37"],
        "trainer.n_gpus_per_node": "$GPUS",
        "trainer.nnodes": "$NODES",
    }
    if not plan.template.chat:
        values["actor_rollout_ref.model.custom_chat_template"] = plan.begins_with + _VERBATIM
    return values


def _write_rows(path: Path, plan: HandOver, problems: tuple[Problem, ...], split: str) -> Path:
    rows = [
        {
            "data_source": problem.benchmark,
            "prompt": plan.chat(problem),
            "ability": problem.verifier,
            "reward_model": {"style": "rule", "ground_truth": ground_truth(problem)},
            "extra_info": {"split": split, "index": place, "id": problem.id, "question": problem.question},
        }
        for place, problem in enumerate(problems)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(path)
    return path


def _reward(plan: HandOver) -> str:
    settings = plan.recipe.verification.model_dump(mode="json") | {"workers": 1}
    return f'''"""The reward of {plan.recipe.name} for verl: `compute_score`, by the verifiers of move37."""

from pathlib import Path

from move37.elsewhere.rewards import ProblemRewards

rewards = ProblemRewards(
    Path(__file__).with_name({FILE!r}),
    stop={plan.template.stop!r},
    settings={settings!r},
)
compute_score = rewards.compute_score
'''


def _advantages(plan: HandOver) -> str:
    algorithm = plan.recipe.algorithm
    return f'''"""The advantages of {algorithm.name} for verl; launch.sh has verl import this file."""

from move37.elsewhere.verl import register_advantages

register_advantages("move37", {algorithm.name!r}, {algorithm.options!r})
'''


def _launch(plan: HandOver, values: dict[str, Any]) -> str:
    lines = "\n".join(f"    {key}={_shell(value)}" for key, value in values.items())
    modules = "move37.elsewhere.verl_logger"
    modules += ",move37_advantages" if values["algorithm.adv_estimator"] == "move37" else ""
    return f"""#!/usr/bin/env bash
# {plan.recipe.name}, trained by verl. Written by `move37 export verl`; further arguments go to verl.
#     GPUS=8 ./launch.sh          with verl and move37 installed (PYTHON=... for another interpreter)
#     ./launch.sh --cfg job       shows the whole configuration
set -euo pipefail
here="$(cd "$(dirname "${{BASH_SOURCE[0]}}")" && pwd)"
GPUS=${{GPUS:-1}} NODES=${{NODES:-1}} TENSOR_PARALLEL=${{TENSOR_PARALLEL:-1}} ROLLOUT=${{ROLLOUT:-vllm}}
export VERL_FILE_LOGGER_PATH="${{VERL_FILE_LOGGER_PATH:-$here/metrics.jsonl}}"
# What verl imports with itself: the logger that watches the boundary, and advantages that are ours.
export PYTHONPATH="$here${{PYTHONPATH:+:$PYTHONPATH}}" VERL_USE_EXTERNAL_MODULES={modules}
overrides=(
{lines}
    "+ray_kwargs.ray_init.runtime_env.env_vars.PYTHONPATH='$PYTHONPATH'"
    "+ray_kwargs.ray_init.runtime_env.env_vars.VERL_USE_EXTERNAL_MODULES='$VERL_USE_EXTERNAL_MODULES'"
)
exec "${{PYTHON:-python}}" -m verl.trainer.main_ppo "${{overrides[@]}}" "$@"
"""


def _shell(value: Any) -> str:
    """A value as Hydra reads it, as the shell reads it."""
    if isinstance(value, str) and value.startswith("$"):
        return f"\"'{value}'\"" if "/" in value else f'"{value}"'
    return shlex.quote(_hydra(value))


def _hydra(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_hydra, value))}]"
    if not isinstance(value, str):
        return str(value)
    plain = value.replace("_", "").replace("-", "").replace(".", "").isalnum()
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write(path: Path, text: str) -> Path:
    with writing_text(path) as file:
        file.write(text)
    if path.suffix == ".sh":
        path.chmod(0o755)
    return path


def _readme(plan: HandOver, differs: list[str]) -> str:
    notes = "".join(f"- {each}\n" for each in differs) or "- nothing\n"
    return f"""# {plan.recipe.name}, for verl

    GPUS=8 ./launch.sh
    move37 watch validation --verifier reported

{_SAME}
What verl does otherwise than `move37 train`:

{notes}"""
