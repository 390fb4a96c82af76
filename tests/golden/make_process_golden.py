"""Make process.json: PRIME's and TreeRL's credit as their authors compute it, from their own code.

    git clone https://github.com/PRIME-RL/PRIME                               18ad596
    git clone https://github.com/THUDM/TreeRL                                 f0edbea
    python tests/golden/make_process_golden.py FOLDER_OF_THE_CLONES

PRIME: the loss of the reward model with its gradient, the scores of tokens scaled over the batch, and the advantages of
three groups. TreeRL: the credit of every token of every leaf, for trees that are left at random places (at the first
token too, and several times at one place). As in make_boundary_golden.py only functions are taken out of the files.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydantic
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.golden.make_boundary_golden import taken

SIZE, GROUPS, LONGEST, BETA = 4, 3, 6, 0.05


def prime(seed: int, clone: Path) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    rows = SIZE * GROUPS
    lengths = torch.tensor(generator.integers(1, LONGEST + 1, rows))
    mask = torch.arange(LONGEST)[None] < lengths[:, None]
    own = torch.tensor(generator.normal(size=(rows, LONGEST)).round(4))
    reference = torch.tensor(generator.normal(size=(rows, LONGEST)).round(4))
    right = torch.tensor([1.0, 0, 0, 1, *[0.0] * 4, 0, 1, 1, 1], dtype=torch.float64)
    verl = clone / "training" / "verl"
    masked = SimpleNamespace(**taken(verl / "utils/torch_functional.py", "masked_mean", "masked_var", "masked_whiten"))
    known = taken(verl / "trainer/ppo/core_algos.py", "compute_rloo_returns", "compute_ce_dpo_loss_rm", verl_F=masked)
    scored = taken(verl / "workers/actor/dp_prime.py", "compute_implicit_reward", within="DataParallelPRIME")
    batch = {"responses": torch.zeros(rows, LONGEST), "prompts": torch.zeros(rows, 1)}
    batch["input_ids"] = torch.zeros(rows, LONGEST + 1)
    batch["attention_mask"] = torch.cat([torch.ones(rows, 1, dtype=torch.long), mask.long()], 1)
    asked = SimpleNamespace(config=SimpleNamespace(prime_granularity="token"))
    leaf = own.clone().requires_grad_()
    scores, differences = scored["compute_implicit_reward"](asked, batch, leaf, reference)
    loss = known["compute_ce_dpo_loss_rm"](differences, right, mask, BETA)
    loss.backward()
    to_go = scores.flip(dims=[1]).cumsum(-1).flip(dims=[1])
    batch["rm_scores"] = scores / (to_go.abs().max() + 1e-6)  # what `update_policy` does with prime_norm = batch_norm
    batch["gt_scores"] = torch.zeros(rows, LONGEST).scatter(1, lengths[:, None] - 1, right[:, None].float())
    settings = SimpleNamespace(adv_params=SimpleNamespace(reward_model_gamma=1.0, verifier_gamma=1.0))
    config = SimpleNamespace(algorithm=settings)
    found, _ = known["compute_rloo_returns"](SimpleNamespace(batch=batch), mask.long(), SIZE, config)
    assert leaf.grad is not None
    return {
        "lengths": lengths.tolist(),
        "logprobs": own.tolist(),
        "reference": reference.tolist(),
        "right": right.tolist(),
        "loss": loss.item(),
        "gradient": leaf.grad.tolist(),
        "advantages": found.tolist(),
    }


def tree(seed: int, clone: Path, style: str) -> dict[str, Any]:
    """Trees of one prompt. A response is written down as (which one it left, at which token, tokens of its own)."""
    generator = np.random.default_rng(seed)
    utilities = clone / "openrlhf/trainer/ppo_utils"
    nodes: dict[str, Any] = {"__name__": "tree_node"}
    source = (utilities / "tree_node.py").read_text()
    sys.modules["tree_node"] = SimpleNamespace(**nodes)  # type: ignore[assignment]
    exec(compile(source, "tree_node.py", "exec"), nodes)
    nodes["MCTSNode"].model_rebuild(_types_namespace={**nodes, **vars(pydantic)})
    known = taken(utilities / "parallel_mcts.py", "gather_paths", "path_from_root_to_node", "fill_in_paths")
    made, responses, trees = [], [], []
    for root in range(3):
        sampled = [nodes["TreeNode"](root, 0, str, list(range(int(generator.integers(3, 7)))), [0.0] * 9)]
        made.append(sampled[0])
        responses.append([-1, 0, len(sampled[0].token_id_list)])
        for _ in range(2):
            number = int(generator.integers(len(sampled)))
            left = sampled[number]
            least = 0 if left.parent_node is None else 1
            at = int(generator.integers(least, max(least + 1, len(left.token_id_list))))
            for _ in range(2):
                length = int(generator.integers(2, 6))
                child = nodes["TreeNode"](
                    root, len(sampled), str, list(range(length)), [0.0] * 9, None, True, left, 0, at
                )
                left.add_child(child, at)
                sampled.append(child)
                before = responses[made.index(left)][1]
                responses.append([made.index(left), before + at, length])
                made.append(child)
        trees.append(sampled)
    rewards = generator.permutation([1.0] * (len(made) // 3) + [0.0] * (len(made) - len(made) // 3)).tolist()
    for node, reward in zip(made, rewards, strict=True):
        node.score = node.binary_score = reward
        node.finish_reason = str(made.index(node))  # their leaves carry it: it says whose leaf it is
    root, leaves = nodes["build_into_tree_format"](
        trees, str, len(made), use_weighted_value=True, use_all_terminals=True, weighted_value_style=style
    )
    paths = known["gather_paths"](root, leaves, len(made), use_state_value_reward=True)
    credit: list[Any] = [None] * len(made)
    for leaf, path in zip(leaves, paths, strict=True):
        credit[int(leaf.finish_reason)] = [part["value"] for part in path for _ in part["token_answer"]]
    return {"style": style, "responses": responses, "rewards": rewards, "credit": credit}


def main(clones: Path) -> None:
    styles = ("sqrt", "uniform", "original", "sqrt")
    cases = {
        "prime": [prime(seed, clones / "PRIME") for seed in (0, 1)],
        "trees": [tree(seed, clones / "TreeRL", style) for seed, style in enumerate(styles)],
    }
    (Path(__file__).parent / "process.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
