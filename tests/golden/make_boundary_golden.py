"""Make boundary.json: advantages as the authors of the methods beyond GRPO compute them, from their own code.

    git clone https://github.com/RUCAIBox/Passk_Training                      c3ba575
    git clone https://github.com/tajwarfahim/maxrl                            c0698eb
    git clone https://github.com/test-time-training/discover                  96df74f
    git clone https://github.com/TianHongZXY/RLVR-Decomposed                  a5d4e7c
    git clone https://github.com/AndreHe02/rewarding-unlikely-release         ca1cff0
    python tests/golden/make_boundary_golden.py FOLDER_OF_THE_CLONES

Only the functions that hold the credit are taken out of their files (they need numpy, scipy and torch), so none of the
five frameworks has to be installed. Groups are of equal size, as all of the five assume; counts run from none right to
all right.
"""

import ast
import json
import math
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scipy.special import comb

SIZE, LONGEST = 8, 5
RIGHT = [0, 1, 2, 3, 5, 7, 8]
"""Right responses of each group."""


def make_inputs(seed: int) -> dict[str, Any]:
    """One group per count, right responses at random places, responses of several lengths."""
    generator = np.random.default_rng(seed)
    rewards = np.concatenate([generator.permutation([1.0] * c + [0.0] * (SIZE - c)) for c in RIGHT])
    rows = len(rewards)
    return {
        "groups": np.repeat(np.arange(len(RIGHT)), SIZE).tolist(),
        "lengths": generator.integers(1, LONGEST + 1, rows).tolist(),
        "rewards": rewards.tolist(),
        "old": (-np.abs(generator.normal(size=(rows, LONGEST))) - 0.1).round(4).tolist(),
    }


def taken(file: Path, *names: str, within: str | None = None, **known: Any) -> dict[str, Any]:
    """Functions of these names of a file (or of one of its classes), as they stand there, without what decorates them.

    Names that the functions use are given in `known`.
    """
    body = ast.parse(file.read_text()).body
    if within:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == within)
    found = [node for node in body if isinstance(node, ast.FunctionDef) and node.name in names]
    for node in found:
        node.decorator_list, node.returns = [], None
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
    space = {"torch": torch, "np": np, "math": math, "comb": comb, "defaultdict": defaultdict, **known}
    exec(compile(ast.Module([*found], []), str(file), "exec"), space)
    return space


def advantages(inputs: dict[str, Any], clones: Path) -> dict[str, Any]:
    """Per response: every method gives the same number to all tokens."""
    groups, rewards = np.array(inputs["groups"]), torch.tensor(inputs["rewards"])
    mask = torch.arange(LONGEST)[None] < torch.tensor(inputs["lengths"])[:, None]
    token_rewards = torch.zeros(mask.shape).scatter(1, torch.tensor(inputs["lengths"])[:, None] - 1, rewards[:, None])
    made: dict[str, Any] = {}
    passk = taken(clones / "Passk_Training/code/passk_adv.py", "calc_adv")["calc_adv"]
    for k in (1, 4, 8):
        made[f"pass_at_k {k}"] = np.concatenate([passk(g.numpy(), k) for g in rewards.view(-1, SIZE)]).tolist()
    maxrl = taken(clones / "maxrl/verl/trainer/ppo/core_algos.py", "compute_maxrl_outcome_advantage")
    whole, _ = maxrl["compute_maxrl_outcome_advantage"](token_rewards.clone(), torch.ones(mask.shape), groups)
    made["maxrl"] = whole[:, 0].tolist()
    series = taken(clones / "maxrl/verl/trainer/ppo/maclaurin.py", "maclaurin_weights")["maclaurin_weights"]
    for order in (1, 3, 8):
        right, wrong = series(torch.tensor(RIGHT), SIZE, order)
        pairs = zip(inputs["rewards"], inputs["groups"], strict=True)
        made[f"maxrl order {order}"] = [float(right[g] if reward else wrong[g]) * SIZE for reward, g in pairs]
    decomposed = taken(clones / "RLVR-Decomposed/verl/trainer/ppo/core_algos.py", "compute_psr_nsr_outcome_advantage")
    for name in ("positive", "negative", "weighted"):
        theirs, _ = decomposed["compute_psr_nsr_outcome_advantage"](
            token_rewards, token_rewards, mask.float(), 1.0, name, 0.1
        )
        made[f"weighted_reinforce {name}"] = theirs[:, 0].tolist()
    made["unlikeliness"] = unlikeliness(inputs, mask, rewards, groups, clones)
    entropic = taken(clones / "discover/tinker_cookbook/rl/train.py", "compute_advantages")
    of_groups = [SimpleNamespace(get_total_rewards=lambda g=g: g.tolist()) for g in rewards.view(-1, SIZE)]
    theirs = entropic["compute_advantages"](of_groups, "entropic_adaptive_beta", 2.0)
    made["entropic"] = torch.cat(theirs).tolist()
    return made


def unlikeliness(
    inputs: dict[str, Any], mask: torch.Tensor, rewards: torch.Tensor, groups: np.ndarray, clones: Path
) -> list[float]:
    """Of the trainer's method, which wants a batch of verl's and the trainer's settings."""

    def masked_mean(values: torch.Tensor, where: torch.Tensor, axis: int) -> torch.Tensor:
        return (values * where).sum(axis) / where.sum(axis)

    file = clones / "rewarding-unlikely-release/verl/trainer/ppo/ray_lean_trainer.py"
    classes = [node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
    (holder,) = [name for name in classes if "_compute_advantages" in taken(file, "_compute_advantages", within=name)]
    method = taken(file, "_compute_advantages", within=holder, masked_mean=masked_mean)["_compute_advantages"]
    trainer = SimpleNamespace(config=SimpleNamespace(lean={"rank_penalty": 0.25}))
    batch = SimpleNamespace(
        batch={
            "rewards": rewards.clone(),
            "old_log_probs": torch.tensor(inputs["old"]),
            "responses": mask.long(),
            "attention_mask": mask.float(),
        },
        non_tensor_batch={"uid": groups},
    )
    return method(trainer, batch).batch["advantages"][:, 0].tolist()


def main() -> None:
    clones = Path(sys.argv[1])
    cases = [{"inputs": inputs, "advantages": advantages(inputs, clones)} for inputs in map(make_inputs, (0, 1))]
    Path(__file__).with_name("boundary.json").write_text(json.dumps({"cases": cases}, indent=None) + "\n")


if __name__ == "__main__":
    main()
