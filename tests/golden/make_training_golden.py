"""Make training.json: advantages, losses and gradients as verl 0.9.1 and TRL 1.16 compute them.

    python -m venv peers && peers/bin/pip install torch==2.13.0 verl==0.9.1 trl==1.16.0
    peers/bin/python tests/golden/make_training_golden.py

Inputs are random with ragged masks, ties, a group of one and a group of equal rewards. The functions here are also
what tests/test_peers_*.py call where a peer is installed.
"""

# verl is in an environment of its own, and TRL loads its trainers lazily.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

GROUPS = [0, 0, 0, 0, 1, 1, 1, 2, 3, 3]
"""Four responses, three, a group of one, and two that will be equal."""
LONGEST = 7
AGGREGATIONS = ("token-mean", "seq-mean-token-mean", "seq-mean-token-sum", "seq-mean-token-sum-norm")
CLIPS = ((0.2, 0.2, 1e9), (0.2, 0.28, 10.0), (0.2, 0.2, 3.0))
"""clip low, clip high, dual clip; 1e9 stands for none."""
OVERLONG = {"limit": 7, "buffer": 3, "factor": 0.5}


def make_inputs(seed: int, binary: bool) -> dict[str, Any]:
    """Random inputs as lists. Log-ratios are large enough that every clip is met."""
    generator = np.random.default_rng(seed)
    rows = len(GROUPS)
    lengths = generator.integers(1, LONGEST + 1, rows)
    lengths[0] = LONGEST
    rewards = generator.integers(0, 2, rows).astype(float) if binary else np.round(generator.normal(size=rows), 2)
    rewards[1] = rewards[0]  # a tie
    rewards[8:] = 0.1  # equal rewards that binary floating point cannot hold
    draw = lambda scale: (generator.normal(size=(rows, LONGEST)) * scale).round(4)  # noqa: E731
    old = -np.abs(draw(1.0)) - 0.1
    return {
        "groups": GROUPS,
        "lengths": lengths.tolist(),
        "rewards": rewards.tolist(),
        "greedy": generator.integers(0, 2, 4)[GROUPS].astype(float).tolist(),
        "values": draw(0.5).tolist(),
        "new_values": draw(0.9).tolist(),
        "old": old.tolist(),
        "policy": (old + draw(0.4)).tolist(),
        "reference": (old + draw(0.4)).tolist(),
        "advantages": draw(1.0).tolist(),
    }


def tensors(inputs: dict[str, Any]) -> SimpleNamespace:
    lengths = torch.tensor(inputs["lengths"])
    mask = torch.arange(LONGEST)[None] < lengths[:, None]
    rewards = torch.zeros(mask.shape).scatter(1, lengths[:, None] - 1, torch.tensor(inputs["rewards"])[:, None])
    names = ("greedy", "values", "new_values", "old", "policy", "reference", "advantages")
    rest = {name: torch.tensor(inputs[name]) for name in names}
    return SimpleNamespace(mask=mask, lengths=lengths, token_rewards=rewards, **rest)


def verl_advantages(inputs: dict[str, Any]) -> dict[str, Any]:
    from verl.trainer.config import AlgoConfig
    from verl.trainer.ppo import core_algos as verl

    t, index = tensors(inputs), np.array(inputs["groups"])
    mask = t.mask.float()
    config = AlgoConfig(gamma=0.9)
    gae, returns = verl.compute_gae_advantage_return(t.token_rewards, t.values, mask, 0.95, 0.9)
    overlong = [
        min(-(n - (7 - 3)) / 3 * 0.5, 0) for n in inputs["lengths"]
    ]  # verl's DAPO reward manager, lines 121-127
    shaped = t.token_rewards.clone()
    shaped[torch.arange(len(mask)), t.lengths - 1] += torch.tensor(overlong)
    rewards = lambda: t.token_rewards.clone()  # noqa: E731
    made = {
        "ppo": gae * mask,
        "ppo_returns": returns * mask,
        "grpo": verl.compute_grpo_outcome_advantage(rewards(), mask, index)[0],
        "dr_grpo": verl.compute_grpo_outcome_advantage(rewards(), mask, index, norm_adv_by_std_in_grpo=False)[0],
        "rloo": verl.compute_rloo_outcome_advantage(rewards(), mask, index)[0],
        "reinforce_pp": verl.compute_reinforce_plus_plus_outcome_advantage(rewards(), mask, config=config)[0],
        "reinforce_pp_baseline": verl.compute_reinforce_plus_plus_baseline_outcome_advantage(rewards(), mask, index)[0],
        "remax": verl.compute_remax_outcome_advantage(rewards(), t.greedy, mask)[0],
        "dapo": verl.compute_grpo_outcome_advantage(shaped, mask, index)[0],
    }
    return {name: value.tolist() for name, value in made.items()}


def verl_losses(inputs: dict[str, Any]) -> list[dict[str, Any]]:
    from verl.trainer.ppo import core_algos as verl
    from verl.workers.config import ActorConfig

    t, made = tensors(inputs), []
    mask = t.mask.float()
    for low, high, dual in CLIPS:
        for aggregation in AGGREGATIONS:
            config = ActorConfig(
                strategy="fsdp",
                rollout_n=4,
                ppo_micro_batch_size_per_gpu=1,
                clip_ratio_low=low,
                clip_ratio_high=high,
                clip_ratio_c=dual,
            )
            policy = t.policy.clone().requires_grad_()
            loss, _ = verl.compute_policy_loss_vanilla(t.old, policy, t.advantages, mask, aggregation, config)
            loss.backward()
            made.append(
                {"clip_low": low, "clip_high": high, "dual_clip": dual, "aggregation": aggregation}
                | {"loss": float(loss), "gradient": policy.grad.tolist()}  # type: ignore[union-attr]
            )
    return made


def verl_penalties(inputs: dict[str, Any]) -> dict[str, Any]:
    from verl.trainer.ppo import core_algos as verl

    t, made = tensors(inputs), {}
    for estimator in ("k1", "k2", "k3"):
        policy = t.policy.clone().requires_grad_()
        kl = verl.agg_loss(verl.kl_penalty(policy, t.reference, estimator), t.mask.float(), "token-mean")
        kl.backward()
        made[estimator] = {"loss": float(kl), "gradient": policy.grad.tolist()}  # type: ignore[union-attr]
    values = t.new_values.clone().requires_grad_()
    loss, _ = verl.compute_value_loss(values, t.advantages, t.values, t.mask.float(), 0.5)
    loss.backward()
    made["value"] = {"loss": float(loss), "gradient": values.grad.tolist()}  # type: ignore[union-attr]
    return made


def trl_losses(inputs: dict[str, Any]) -> list[dict[str, Any]]:
    """TRL's own `_compute_loss` on given log-probabilities, one advantage per response as it has them."""
    from trl import GRPOTrainer, RLOOTrainer

    t, made = tensors(inputs), []
    advantages = t.advantages[:, 0]
    cases = [(GRPOTrainer, kind, delta) for kind in ("grpo", "bnpo", "dr_grpo", "dapo") for delta in (None, 3.0)]
    for trainer, kind, delta in [*cases, (RLOOTrainer, "rloo", None)]:
        policy = t.policy.clone().requires_grad_()
        stand_in = trl_stand_in(kind, delta)
        stand_in._get_per_token_logps_and_entropies = lambda *_, p=policy, **__: (p, torch.zeros_like(p), None)
        loss = trainer._compute_loss(stand_in, None, _trl_batch(t, advantages))
        loss.backward()
        made.append({"kind": kind, "delta": delta, "loss": float(loss), "gradient": policy.grad.tolist()})  # type: ignore[union-attr]
    return made


def _trl_batch(t: SimpleNamespace, advantages: torch.Tensor) -> dict[str, torch.Tensor]:
    rows = len(t.mask)
    return {
        "prompt_ids": torch.zeros(rows, 1, dtype=torch.int64),
        "prompt_mask": torch.ones(rows, 1, dtype=torch.int64),
        "completion_ids": torch.zeros(t.mask.shape, dtype=torch.int64),
        "completion_mask": t.mask.long(),
        "advantages": advantages,
        "old_per_token_logps": t.old,
        "old_logps": (t.old * t.mask).sum(1),
        "ref_per_token_logps": t.reference,
        "num_items_in_batch": t.mask.sum(),
    }


class _Anything:
    """Attributes that TRL's loss reads but that change nothing here (metrics, options that are off)."""

    def __init__(self, **known: Any) -> None:
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"TRL reads {name!r}: give it a value")


def trl_stand_in(kind: str, delta: float | None) -> Any:
    """What `_compute_loss` reads of a trainer, its log-probabilities aside."""
    from collections import defaultdict

    gathered = SimpleNamespace(
        gather=lambda value: value,
        gather_for_metrics=lambda value: value,
        reduce=lambda value, reduction="sum": value,
        num_processes=1,
    )
    return _Anything(
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=0.04 if kind != "rloo" else 0.0,
        args=SimpleNamespace(delta=delta, use_bias_correction_kl=False, steps_per_generation=1),
        loss_type=kind,
        epsilon_low=0.2,
        epsilon_high=0.28,
        use_vllm=False,
        vllm_importance_sampling_correction=False,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=LONGEST,
        accelerator=gathered,
        _entropy_bonus_enabled=False,
        use_adaptive_entropy=False,
        _metrics={"train": defaultdict(list), "eval": defaultdict(list)},
    )


def main() -> None:
    import trl
    import verl

    cases = []
    for seed, binary in ((0, True), (1, False), (2, True)):
        inputs = make_inputs(seed, binary)
        cases.append(
            {
                "inputs": inputs,
                "verl_advantages": verl_advantages(inputs),
                "verl_losses": verl_losses(inputs),
                "verl_penalties": verl_penalties(inputs),
                "trl_losses": trl_losses(inputs),
            }
        )
    source = f"verl {verl.__version__}, TRL {trl.__version__}, torch {torch.__version__}"
    text = json.dumps({"source": source, "cases": cases}, separators=(",", ":"))
    Path(__file__).with_name("training.json").write_text(text + "\n")
    print(source, len(text))


if __name__ == "__main__":
    main()
