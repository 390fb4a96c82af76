"""What was handed over, as the trainers take it: verl and verifiers in environments of their own, TRL here."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.handover import hand_over  # noqa: E402
from move37.handover.problems import read_problems  # noqa: E402
from move37.training.algorithms import AdvantageInputs  # noqa: E402
from move37.training.recipe import parse_recipe  # noqa: E402
from tests.peer_environments import interpreter, run_in  # noqa: E402
from tests.test_advantages import advantages_of  # noqa: E402
from tests.test_handover import BASE, ROLLOUT, recipe  # noqa: E402

pytestmark = [pytest.mark.peer, pytest.mark.slow]

PASS_AT_K = '''
"""Pass@k training (arXiv 2508.10751, simplified): a group's reward is 1 where any response is right."""

from move37.config import Settings
from move37.training.advantages import group_centred, spread
from move37.training.algorithms import Advantages, Needs


class PassAtK:
    class Options(Settings):
        pass

    needs = Needs(siblings=True)
    loss_defaults = {}

    def __init__(self, options):
        pass

    def advantages(self, inputs):
        return Advantages(spread(group_centred(inputs.rewards_B, inputs.peers_B) / 2, inputs.mask_BT))
'''
RECIPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "ppo": ("ppo", {}, {}),
    "grpo": ("grpo", {}, {}),
    "dr_grpo": ("grpo", {"scale": "none"}, {"loss": {"aggregation": "seq-mean-token-sum-norm"}}),
    "population": ("grpo", {"ddof": 0}, {}),
    "reinforce_pp": ("reinforce_pp", {}, {}),
    "kl_in_reward": ("reinforce_pp", {"baseline": True}, {"loss": {"kl_coefficient": 0.01, "kl_in": "reward"}}),
    "rloo": ("rloo", {}, {}),
    "remax": ("remax", {}, {}),
    "dapo": ("dapo", {}, {}),
    "kl_in_loss": ("grpo", {}, {"loss": {"kl_coefficient": 0.001}}),
    "more_rollouts": ("grpo", {}, {"rollout": {**ROLLOUT, "responses": 32}}),
    "boxed": ("grpo", {}, {"rollout": {**ROLLOUT, "template": "qwen-boxed"}}),
}


@pytest.fixture(scope="module")
def from_verl(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Every recipe composed, validated, and its reward and advantages asked by verl, in one process of verl's."""
    interpreter("verl")
    out = tmp_path_factory.mktemp("verl")
    (out / "own.py").write_text(PASS_AT_K)
    recipes = {name: recipe(*given[:2], **given[2]) for name, given in RECIPES.items()}
    recipes["pass_at_k"] = recipe(f"{out / 'own.py'}:PassAtK")
    for name, each in recipes.items():
        hand_over("verl", each, out / name)
    found = run_in("verl", "verl_handover.py", *(str(out / name) for name in recipes))
    return out, {name: found[str(out / name)] for name in recipes}


def test_verl_composes_and_validates_every_recipe(from_verl: tuple[Path, dict[str, Any]]) -> None:
    _, found = from_verl
    assert [name for name, each in found.items() if each["critic"]] == ["ppo"]
    assert [name for name, each in found.items() if each["reference"]] == ["kl_in_reward", "kl_in_loss"]
    assert found["remax"]["config"]["trainer"]["use_v1"] is False
    assert found["more_rollouts"]["config"]["actor_rollout_ref"]["rollout"]["n"] == 32
    dapo = found["dapo"]["config"]
    assert dapo["algorithm"]["filter_groups"]["enable"] is True
    assert dapo["reward"]["reward_manager"]["name"] == "dapo"
    assert dapo["reward"]["reward_kwargs"]["max_resp_len"] == 48


def test_verl_finds_the_reward_and_gets_our_verdicts(from_verl: tuple[Path, dict[str, Any]]) -> None:
    # The reference, and a text that is none: (score, acc, unscored) of each.
    for each in from_verl[1].values():
        assert each["scores"] == [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_verls_prompt_is_ours_to_the_token(from_verl: tuple[Path, dict[str, Any]]) -> None:
    from transformers import AutoTokenizer

    from move37.prompting import TEMPLATES, render_prompt

    out, found = from_verl
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    for name, template in (("grpo", "completion"), ("boxed", "qwen-boxed")):
        problem = next(iter(read_problems(out / name / "problems.jsonl").values()))
        assert found[name]["prompt_ids"] == tokenizer(render_prompt(problem, TEMPLATES[template]).text)["input_ids"]


def test_verls_advantages_are_ours(from_verl: tuple[Path, dict[str, Any]]) -> None:
    out, found = from_verl
    rewards, mask = torch.zeros(6, 4), torch.ones(6, 4, dtype=torch.bool)
    mask[1, 3:] = mask[4, 2:] = False
    rewards[torch.arange(6), mask.sum(1) - 1] = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    inputs = AdvantageInputs(rewards, torch.tensor([0, 0, 0, 1, 1, 1]), mask, max_length=4)
    of = {name: given[:2] for name, given in RECIPES.items()} | {"pass_at_k": (f"{out / 'own.py'}:PassAtK", {})}
    compared = 0
    for name, (algorithm, options) in of.items():
        if found[name]["advantages"] is None or algorithm == "dapo":  # DAPO's penalty is in the reward there
            continue
        ours = advantages_of(algorithm, inputs, **options).advantages_BT
        torch.testing.assert_close(torch.tensor(found[name]["advantages"]), ours, rtol=1e-5, atol=1e-5)
        compared += 1
    assert compared == len(of) - 3


def test_two_steps_of_trl_have_our_advantages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trl", reason="TRL is not installed: pip install 'move37[peers]'")
    import polars as pl

    hand_over("trl", recipe("grpo", rollout={**ROLLOUT, "responses": 6}, evaluation={}), tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", "--max_steps", "2"])
    runpy.run_path(str(tmp_path / "train.py"), run_name="__main__")
    files = sorted((tmp_path / "output" / "completions").glob("*.parquet"))
    assert len(files) == 2
    for file in files:
        rows = pl.read_parquet(file)
        rewards = torch.tensor(rows["move37"].to_list())
        groups = torch.tensor(rows["problem_id"].rank("dense").to_list()).long()
        mask = torch.ones(len(rewards), 1, dtype=torch.bool)
        inputs = AdvantageInputs(rewards[:, None], groups, mask, max_length=48)
        # TRL adds 1e-4 to the standard deviation (its README says so), the recipe 1e-6.
        theirs = torch.tensor(rows["advantage"].to_list())
        exact = advantages_of("grpo", inputs, epsilon=1e-4).advantages_BT[:, 0]
        torch.testing.assert_close(theirs, exact, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(theirs, advantages_of("grpo", inputs).advantages_BT[:, 0], rtol=1e-3, atol=1e-3)


def test_verifiers_loads_the_environment_and_scores_with_it(tmp_path: Path) -> None:
    interpreter("verifiers")
    rows = [{"question": f"{i}+1?", "answer": str(i + 1)} for i in (1, 2, 3)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    raw = {
        "name": "my-sums",
        "model": {"path": "base"},
        "problems": {"benchmark": "jsonl", "path": str(tmp_path / "sums.jsonl")},
        "rollout": {"prompts": 2, "responses": 2, "template": "chat-plain", "max_new_tokens": 8},
    }
    hand_over("verifiers", parse_recipe(raw), tmp_path / "out")
    found = run_in("verifiers", "verifiers_environment.py", str(tmp_path / "out"), "move37_my_sums")
    assert (found["train"], found["evaluation"]) == (["1+1?", "2+1?", "3+1?"], [])
    assert found["scores"] == [1.0, 0.0]
