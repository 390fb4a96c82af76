"""Recipes as verl, TRL and verifiers take them: what goes over, what is refused, and what the folder holds."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

torch = pytest.importorskip("torch")

from move37.cli import app  # noqa: E402
from move37.elsewhere.rewards import Overlong, ProblemRewards  # noqa: E402
from move37.errors import ConfigError, InputError, Move37Error  # noqa: E402
from move37.handover import hand_over  # noqa: E402
from move37.handover.plan import plan_of  # noqa: E402
from move37.handover.problems import read_problems, write_problems  # noqa: E402
from move37.handover.trl import settings_of  # noqa: E402
from move37.handover.verl import overrides  # noqa: E402
from move37.lab import checkpoint_folder  # noqa: E402
from move37.problems import load_problems  # noqa: E402
from move37.training.recipe import TrainConfig, parse_recipe  # noqa: E402
from move37.types import Outcome, Problem  # noqa: E402

BASE = str(checkpoint_folder("countdown-base"))
ROLLOUT = {"prompts": 4, "responses": 4, "max_new_tokens": 48, "template": "completion"}
HELD_OUT = {"problems": {"benchmark": "countdown", "size": 3, "seed": 1}, "every": 2, "n": 8, "k": [1, 8]}


def recipe(algorithm: str = "grpo", options: dict[str, Any] | None = None, **tables: Any) -> TrainConfig:
    raw = {
        "name": "sums",
        "steps": 10,
        "model": {"path": BASE},
        "problems": {"benchmark": "countdown", "size": 12, "options": {"split": "training"}},
        "algorithm": {"name": algorithm, "options": options or {}},
        "rollout": ROLLOUT,
        "evaluation": HELD_OUT,
    }
    return parse_recipe(raw | tables)


def verl(algorithm: str = "grpo", options: dict[str, Any] | None = None, **tables: Any) -> dict[str, Any]:
    return overrides(plan_of(recipe(algorithm, options, **tables)))


@pytest.mark.parametrize(
    ("algorithm", "options", "estimator"),
    [
        ("ppo", {}, "gae"),
        ("grpo", {}, "grpo"),
        ("reinforce_pp", {}, "reinforce_plus_plus"),
        ("reinforce_pp", {"baseline": True}, "reinforce_plus_plus_baseline"),
        ("rloo", {}, "rloo"),
        ("remax", {}, "remax"),
        ("dapo", {}, "grpo"),
        ("grpo", {"ddof": 0}, "move37"),
    ],
)
def test_every_algorithm_has_its_estimator_in_verl(algorithm: str, options: dict[str, Any], estimator: str) -> None:
    values = verl(algorithm, options)
    assert values["algorithm.adv_estimator"] == estimator
    assert values["reward.custom_reward_function.path"] == "$here/reward.py"
    assert ("critic.model.path" in values) == (algorithm == "ppo")
    assert values.get("trainer.use_v1", True) == (algorithm != "remax")


def test_numbers_of_a_recipe_in_verls_words() -> None:
    values = verl(
        "dapo",
        {"buffer_share": 0.25, "penalty": 0.5},
        loss={"kl_coefficient": 0.01, "kl_estimator": "k2"},
        optimizer={"learning_rate": 2e-6, "mini_batches": 2, "epochs": 3, "warmup_steps": 5},
    )
    actor = "actor_rollout_ref.actor"
    expected = {
        "data.train_batch_size": 4,
        f"{actor}.ppo_mini_batch_size": 2,
        f"{actor}.ppo_epochs": 3,
        f"{actor}.optim.lr": 2e-6,
        f"{actor}.optim.lr_warmup_steps": 5,
        f"{actor}.clip_ratio_high": 0.28,
        f"{actor}.clip_ratio_c": 10.0,
        f"{actor}.use_kl_loss": True,
        f"{actor}.kl_loss_coef": 0.01,
        f"{actor}.kl_loss_type": "mse",
        "algorithm.use_kl_in_reward": False,
        "algorithm.filter_groups.enable": True,
        "+reward.reward_kwargs.overlong_buffer_cfg.len": 12,
        "+reward.reward_kwargs.overlong_buffer_cfg.penalty_factor": 0.5,
        "actor_rollout_ref.rollout.n": 4,
        "actor_rollout_ref.rollout.val_kwargs.n": 8,
        "actor_rollout_ref.rollout.val_kwargs.do_sample": True,
        # 12 problems are 3 steps a pass; 10 steps are 4 passes.
        "trainer.total_epochs": 4,
        "trainer.total_training_steps": 10,
        "trainer.test_freq": 2,
    }
    assert {key: values[key] for key in expected} == expected
    in_reward = verl("reinforce_pp", loss={"kl_coefficient": 0.1, "kl_in": "reward", "kl_estimator": "k1"})
    assert (in_reward["algorithm.use_kl_in_reward"], in_reward["algorithm.kl_penalty"]) == (True, "kl")


@pytest.mark.parametrize(
    ("algorithm", "tables", "key"),
    [
        ("ppo", {"options": {"whiten": False}}, "algorithm.options.whiten"),
        ("ppo", {"optimizer": {"shared_critic": True}}, "optimizer.shared_critic"),
        ("rloo", {"loss": {"ratio": "sequence", "aggregation": "seq-mean-token-mean"}}, "loss.ratio"),
        ("grpo", {"optimizer": {"schedule": "linear"}}, "optimizer.schedule"),
        ("grpo", {"optimizer": {"mini_batches": 3}}, "optimizer.mini_batches"),
        ("dapo", {"options": {"epsilon": 1e-4}}, "algorithm.options.epsilon"),
        ("grpo", {"rollout": {**ROLLOUT, "prompts": 13}}, "rollout.prompts"),
    ],
)
def test_what_verl_cannot_do_is_refused_by_its_key(
    algorithm: str, tables: dict[str, Any], key: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: "):
        hand_over("verl", recipe(algorithm, **tables), tmp_path / "out")


def test_the_folder_for_verl_stands_alone(tmp_path: Path) -> None:
    done = hand_over("verl", recipe("grpo", {"ddof": 0}), tmp_path)
    assert {str(file) for file in done.files} == {
        "problems.jsonl", "train.parquet", "validation.parquet", "reward.py", "move37_advantages.py", "launch.sh",
        "README.md",
    }  # fmt: skip
    [row] = pl.read_parquet(tmp_path / "train.parquet").head(1).to_dicts()
    problem = read_problems(tmp_path / "problems.jsonl")[row["extra_info"]["id"]]
    assert row["prompt"] == [{"role": "user", "content": problem.question}]
    assert row["reward_model"] == {"style": "rule", "ground_truth": problem.references[0]}
    assert len(pl.read_parquet(tmp_path / "validation.parquet")) == 3
    assert (tmp_path / "launch.sh").stat().st_mode & 0o100
    assert all(sentence in (tmp_path / "README.md").read_text() for sentence in done.differs)


def test_settings_of_trl() -> None:
    tables = {"loss": {"aggregation": "seq-mean-token-sum-norm", "clip_high": 0.3}, "optimizer": {"mini_batches": 2}}
    found = settings_of(plan_of(recipe("grpo", {"scale": "none"}, **tables)))
    expected = {
        "loss_type": "dr_grpo",
        "scale_rewards": "none",
        "epsilon_high": 0.3,
        "num_generations": 4,
        "steps_per_generation": 4,
        "gradient_accumulation_steps": 2,
        # each of the 10 steps is two optimizer steps of TRL
        "max_steps": 20,
        "eval_steps": 4,
        "num_generations_eval": 8,
    }
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("algorithm", "tables", "message"),
    [
        ("ppo", {}, "algorithm.name: TRL has no ppo"),
        ("remax", {}, "algorithm.name: TRL has no remax"),
        ("rloo", {}, 'loss.ratio: TRL takes one ratio per response with rloo: set loss.ratio = "sequence"'),
        ("grpo", {"options": {"ddof": 0}}, "algorithm.options.ddof"),
        ("grpo", {"loss": {"kl_coefficient": 0.1, "kl_in": "reward"}}, "loss.kl_in"),
    ],
)
def test_what_trl_cannot_do_is_refused(algorithm: str, tables: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        hand_over("trl", recipe(algorithm, **tables), tmp_path)


def test_texts_do_not_go_to_a_trainer_of_chats(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="completion is a text to be continued"):
        hand_over("verifiers", recipe(), tmp_path)


def test_the_command_says_what_is_done_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        f'name = "x"\nsteps = 1\nmodel = {{ path = "{BASE}" }}\nproblems = {{ benchmark = "countdown", size = 4 }}\n'
        'rollout = { prompts = 4, responses = 2, template = "completion", max_new_tokens = 8 }\n'
    )
    app(["export", "verl", str(path), "--out", str(tmp_path / "out"), "--json"], standalone_mode=False)
    said = json.loads(capsys.readouterr().out)
    assert (said["trainer"], said["recipe"]) == ("verl", "x")
    assert any("validation.parquet holds one problem" in each for each in said["differs"])
    with pytest.raises(Move37Error, match="unknown trainer 'verll'; did you mean 'verl'"):
        app(["export", "verll", str(path), "--out", str(tmp_path / "out")], standalone_mode=False)


def test_problems_come_back_as_they_were(tmp_path: Path) -> None:
    [problem] = load_problems(recipe().problems)[:1]
    write_problems(tmp_path / "p.jsonl", [problem])
    again = read_problems(tmp_path / "p.jsonl")[problem.id]
    assert (again.question, again.references, again.verifier) == (
        problem.question, problem.references, problem.verifier
    )  # fmt: skip
    assert again.metadata == problem.metadata


def test_one_reward_for_problems_of_several_verifiers(tmp_path: Path) -> None:
    [puzzle] = load_problems(recipe().problems)[:1]
    sums = Problem("sum", "1+1?", ("2",), "sums", "math")
    write_problems(tmp_path / "p.jsonl", [puzzle, sums, Problem("none", "?", (), "sums", "math")])
    logged: dict[str, list[Any]] = {}
    with ProblemRewards(tmp_path / "p.jsonl", stop=("END",), settings={"workers": 1}) as rewards:
        found = rewards(
            ["", "", "", ""],
            [puzzle.references[0], "\\boxed{2} END \\boxed{3}", "\\boxed{3}", "\\boxed{1}"],
            [puzzle.id, "sum", "sum", "none"],
            log_extra=lambda name, values: logged.update({name: values}),
            completion_ids=[],
        )
        assert found == [1.0, 1.0, 0.0, None]
        assert logged["problem_id"][1] == "sum"
        [verdict] = rewards.verdicts([("none", "\\boxed{1}")])
        assert verdict.outcome is Outcome.UNSCORED
        said = rewards.compute_score("sums", "\\boxed{3}", "2", {"id": "sum"})
        assert (said["score"], said["acc"], said["unscored"]) == (0.0, 0.0, 0.0)
        with pytest.raises(InputError, match="no problem 'other'"):
            rewards.verdicts([("other", "x")])


def test_the_penalty_of_dapo_keeps_no_verdict_none() -> None:
    shaped = Overlong(lambda **_: [1.0, 1.0, None], limit=10, buffer=4, penalty=0.5)
    # 8 tokens are 2 of the buffer's 4: half of the largest penalty.
    assert shaped(completion_ids=[[0] * 6, [0] * 8, [0] * 10]) == [1.0, 0.75, None]
