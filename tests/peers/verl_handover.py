"""Run in verl's environment: folders of `move37 export verl`, composed, validated and called as verl does it.

verl_handover.py FOLDER...      prints {folder: what was found} as JSON
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from transformers import AutoTokenizer


def arguments_of(folder: Path) -> list[str]:
    """What launch.sh calls verl with: its interpreter is replaced by one that prints its arguments."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
        file.write(f'#!/bin/sh\nexec {sys.executable} -c "import sys, json; print(json.dumps(sys.argv[1:]))" "$@"\n')
    os.chmod(file.name, 0o755)
    done = subprocess.run(
        [folder / "launch.sh"], capture_output=True, text=True, check=True, env={**os.environ, "PYTHON": file.name}
    )
    module, *overrides = json.loads(done.stdout)[1:]
    assert module == "verl.trainer.main_ppo"
    return overrides


def checked(folder: Path) -> dict[str, Any]:
    from verl.trainer.ppo import core_algos
    from verl.trainer.ppo.reward import get_custom_reward_fn
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    config = compose("ppo_trainer", overrides=arguments_of(folder))
    validate_config(config, need_reference_policy(config), need_critic(config))
    if (folder / "move37_advantages.py").exists():
        sys.path.insert(0, str(folder))
        sys.modules.pop("move37_advantages", None)
        core_algos.ADV_ESTIMATOR_REGISTRY.pop("move37", None)
        import move37_advantages  # noqa: F401  # pyright: ignore
    estimator = core_algos.get_adv_estimator_fn(config.algorithm.adv_estimator)
    [row] = pl.read_parquet(config.data.train_files).head(1).to_dicts()
    reward = get_custom_reward_fn(config)
    assert reward is not None
    asked = {"data_source": row["data_source"], "ground_truth": row["reward_model"]["ground_truth"]}
    answers = (row["reward_model"]["ground_truth"], "nonsense")
    scores = [reward(solution_str=answer, extra_info=row["extra_info"], **asked) for answer in answers]
    tokenizer = AutoTokenizer.from_pretrained(config.actor_rollout_ref.model.path)
    tokenizer.chat_template = config.actor_rollout_ref.model.custom_chat_template or tokenizer.chat_template
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=True)
    return {
        "config": OmegaConf.to_container(config, resolve=False),
        "critic": need_critic(config),
        "reference": need_reference_policy(config),
        "scores": [(score["score"], score["acc"], score["unscored"]) for score in scores],
        "prompt_ids": list(getattr(prompt, "input_ids", prompt)),
        "advantages": advantages(estimator, config),
        "rows": list(row),
    }


def advantages(estimator: Any, config: Any) -> list[list[float]] | None:
    """Of two groups of three with fixed rewards, where the estimator needs no more than those."""
    if config.algorithm.adv_estimator in ("gae", "remax"):
        return None
    rewards, mask = torch.zeros(6, 4), torch.ones(6, 4)
    mask[1, 3:] = mask[4, 2:] = 0
    ends = mask.sum(1).long() - 1
    rewards[torch.arange(6), ends] = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    found, _ = estimator(
        token_level_rewards=rewards,
        response_mask=mask,
        index=np.array(["a"] * 3 + ["b"] * 3),
        norm_adv_by_std_in_grpo=config.algorithm.norm_adv_by_std_in_grpo,
        config=config.algorithm,
    )
    return found.tolist()


def main() -> None:
    with initialize_config_module("verl.trainer.config", version_base=None):
        found = {folder: checked(Path(folder)) for folder in sys.argv[1:]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
