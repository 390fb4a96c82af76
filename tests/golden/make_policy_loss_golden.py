"""Make policy_losses.json: token losses and rewards as their authors compute them, from their own code.

    git clone https://github.com/CLR-Lab/SimKO                                306f4ff
    git clone https://github.com/volcengine/verl                              b178a3c
    git clone https://github.com/facebookresearch/darling                     c07a323
    python tests/golden/make_policy_loss_golden.py FOLDER_OF_THE_CLONES

Of each loss: its value and its gradient with respect to the logits, on random logits, tokens and advantages. As in
make_boundary_golden.py only the functions are taken out of their files.
"""

import asyncio
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.golden.make_boundary_golden import taken

ROWS, PLACES, VOCABULARY, K = 8, 6, 7, 3


def make_inputs(seed: int) -> dict[str, Any]:
    """Right and wrong responses of several lengths; old logits near the present ones, so that some ratios are cut."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(ROWS, PLACES, VOCABULARY)) * 1.5
    right = generator.permutation([1.0] * 4 + [0.0] * 4)
    return {
        "logits": logits.round(4).tolist(),
        "old_logits": (logits + generator.normal(size=logits.shape) * 0.4).round(4).tolist(),
        "tokens": generator.integers(0, VOCABULARY, (ROWS, PLACES)).tolist(),
        "lengths": generator.integers(2, PLACES + 1, ROWS).tolist(),
        "right": right.tolist(),
        "advantages": (np.where(right > 0, 1.3, -0.8) * generator.uniform(0.5, 2, ROWS)).round(4).tolist(),
        "modes": generator.integers(0, 3, ROWS).tolist(),
        "groups": [0] * 5 + [1] * 3,
    }


def losses(given: dict[str, Any], clones: Path) -> dict[str, Any]:
    mask = torch.arange(PLACES)[None] < torch.tensor(given["lengths"])[:, None]
    tokens, advantages = torch.tensor(given["tokens"]), torch.tensor(given["advantages"])[:, None] * mask
    old = torch.tensor(given["old_logits"]).log_softmax(-1)
    old_logprobs = old.gather(-1, tokens[..., None])[..., 0]
    masked = SimpleNamespace(masked_mean=lambda values, where: (values * where).sum() / where.sum())

    def measured(loss_of: Any) -> dict[str, Any]:
        logits = torch.tensor(given["logits"], requires_grad=True)
        every = logits.log_softmax(-1)
        loss = loss_of(every, every.gather(-1, tokens[..., None])[..., 0])
        loss.backward()
        assert logits.grad is not None
        return {"loss": loss.item(), "gradient": logits.grad.tolist()}

    names = ("compute_policy_loss_simko", "row_quantile_masked")
    simko = taken(clones / "SimKO/verl/trainer/ppo/core_algos.py", *names, verl_F=masked)["compute_policy_loss_simko"]
    scores = torch.zeros(mask.shape)
    scores[:, 0] = torch.tensor(given["right"])

    def of_simko(every: torch.Tensor, logprobs: torch.Tensor) -> torch.Tensor:
        top = every.detach().topk(K, -1).indices
        entropy = -(every.exp() * every).sum(-1)
        likeliest = (every.argmax(-1) == tokens).float()
        arguments = (old_logprobs, old.gather(-1, top), logprobs, every.gather(-1, top), entropy, advantages, mask)
        return simko(*arguments, 0.2, scores, likeliest, 0.1, 0.6)[0]

    def of_verl(name: str, **settings: float) -> Any:
        space = {"verl_F": masked, "agg_loss": lambda loss_mat, loss_mask, **_: masked.masked_mean(loss_mat, loss_mask)}
        file = clones / "verl/verl/trainer/ppo/core_algos.py"
        function = taken(file, name, **space, ActorConfig=object, AlgoConfig=dict)[name]
        about = {"clip_ratio": 0.2, "clip_ratio_low": 0.2, "clip_ratio_high": 0.28, "global_batch_info": {}}
        config = SimpleNamespace(**about, policy_loss=SimpleNamespace(**settings))
        return lambda _, logprobs: function(old_logprobs, logprobs, advantages, mask, "token-mean", config)[0]

    clip = {"clip_cov_ratio": 0.9, "clip_cov_lb": 0.3, "clip_cov_ub": 2.0}  # all between the bounds: no draw
    kl = {"kl_cov_ratio": 0.15, "ppo_kl_coef": 0.7}
    return {
        "simko": measured(of_simko),
        "clip_cov": measured(of_verl("compute_policy_loss_clip_cov", **clip)),
        "kl_cov": measured(of_verl("compute_policy_loss_kl_cov", **kl)),
        "darling": diversities(given, clones),
    }


def diversities(given: dict[str, Any], clones: Path) -> list[float]:
    """What DARLING multiplies rewards by, with given modes in place of the classifier's."""

    async def parts(solution_str: Any, uid: Any, prompts: Any) -> dict[str, list[list[int]]]:
        found: dict[str, dict[int, list[int]]] = {}
        for place, (group, mode) in enumerate(zip(uid, given["modes"], strict=True)):
            found.setdefault(group, {}).setdefault(mode, []).append(place)
        return {group: list(modes.values()) for group, modes in found.items()}

    file = clones / "darling/verl/verl/utils/reward_score/partition_reward_vllm_serve_deepscaler.py"
    partition = taken(file, "partition", partition_async=parts, asyncio=asyncio, List=list, Dict=dict)["partition"]
    return partition(solution_str=[""] * ROWS, uid=[str(group) for group in given["groups"]], prompts=[""] * ROWS)


def main() -> None:
    clones = Path(sys.argv[1])
    cases = [{"inputs": inputs, "theirs": losses(inputs, clones)} for inputs in map(make_inputs, (0, 1))]
    Path(__file__).with_name("policy_losses.json").write_text(json.dumps({"cases": cases}, indent=None) + "\n")


if __name__ == "__main__":
    main()
