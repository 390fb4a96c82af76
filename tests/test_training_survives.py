"""Trainings that real users stop, change, continue and read: what may change, what is kept, what ends them early."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import polars as pl  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from move37 import hub  # noqa: E402
from move37.config import ModelConfig  # noqa: E402
from move37.dry_run import prompt_of_recipe  # noqa: E402
from move37.engines.transformers import TransformersEngine  # noqa: E402
from move37.errors import ConfigError, EngineError, InputError, StoreError, VerifierError  # noqa: E402
from move37.locks import held  # noqa: E402
from move37.training.algorithms import Needs  # noqa: E402
from move37.training.checkpoints import RunFolder  # noqa: E402
from move37.training.loop import Trainer, train  # noqa: E402
from move37.training.policy import Policy, memory_advice  # noqa: E402
from move37.training.recipe import TrainConfig, parse_recipe  # noqa: E402
from move37.training.records import Silent  # noqa: E402
from move37.training.samples import kept_steps, read_samples  # noqa: E402
from move37.training.view import LineView, Pace, duration, sparkline  # noqa: E402
from move37.verification import VerifierPool  # noqa: E402
from tests.tiny_models import CHAT, save_model, save_tokenizer  # noqa: E402

pytestmark = pytest.mark.usefixtures("kept_workers")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("policy"), initializer_range=0.1)


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    return letters_of(tmp_path / "letters.jsonl", "abcd")


def letters_of(path: Path, answers: str) -> Path:
    path.write_text("".join(json.dumps({"question": f"say {c}:", "answer": c}) + "\n" for c in answers))
    return path


def recipe_of(start: Path, file: Path, **changes: Any) -> TrainConfig:
    raw: dict[str, Any] = {
        "name": "letters",
        "steps": 2,
        "model": {"path": str(start), "threads": 1},
        "problems": {"benchmark": "jsonl", "path": str(file), "verifier": "exact"},
        "rollout": {"prompts": 4, "responses": 6, "max_new_tokens": 2, "template": "completion"},
        "optimizer": {"learning_rate": 5e-3},
        "verification": {"workers": 1},
    }
    for key, value in changes.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) and isinstance(raw.get(key), dict) else value
    return parse_recipe(raw)


def weights_of(run: Path, step: int) -> dict[str, Any]:
    return load_file(run / "checkpoints" / f"step-{step:06d}" / "model.safetensors")


# ---- Continuing


@pytest.mark.slow
def test_what_changes_no_result_may_change_on_the_way_and_all_else_is_refused_by_its_key(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    run, held_out = tmp_path / "run", letters_of(tmp_path / "other.jsonl", "ef")
    train(recipe_of(llama, letters, steps=1), run)
    free: dict[str, Any] = {
        "optimizer": {"micro_batch_tokens": 7, "skip_zero_advantage": False, "max_logprob_gap": 0.01},
        "rollout": {"rows": 3, "max_prompt_tokens": 40},
        "model": {"gradient_checkpointing": True, "device": "cpu"},
        "verification": {"workers": 2},
        "checkpoints": {"keep_every": 1},
        "evaluation": {
            "problems": {"benchmark": "jsonl", "path": str(held_out), "verifier": "exact"},
            "n": 1,
            "k": [1],
        },
    }
    train(recipe_of(llama, letters, **free), run)
    plainly = tmp_path / "plainly"
    train(recipe_of(llama, letters), plainly)
    ours, theirs = weights_of(run, 2), weights_of(plainly, 2)
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in theirs) < 1e-4
    refused: list[tuple[dict[str, Any], str]] = [
        ({"optimizer": {"learning_rate": 1e-3}}, "optimizer.learning_rate"),
        ({"loss": {"clip_low": 0.1}}, "loss.clip_low"),
        ({"rollout": {"temperature": 0.9, "responses": 8}}, "rollout.responses, rollout.temperature"),
        ({"model": {"precision": "bfloat16"}}, "model.precision"),
        ({"seed": 1}, "seed"),
        ({"rewards": [{"verifier": "math"}]}, "rewards"),
    ]
    for changes, keys in refused:
        with pytest.raises(ConfigError, match=f"was begun with another {keys}; continue it with the old recipe"):
            train(recipe_of(llama, letters, steps=3, **changes), run)


@pytest.mark.slow
def test_data_or_a_grader_that_was_edited_is_refused_and_one_that_was_moved_is_not(llama: Path, tmp_path: Path) -> None:
    letters, run = letters_of(tmp_path / "letters.jsonl", "abcd"), tmp_path / "run"
    grader = tmp_path / "grader.py"
    grader.write_text("def grade(problem, text):\n    return problem.references[0] in text\n")
    problems = {"benchmark": "jsonl", "path": str(letters), "verifier": f"{grader}:grade"}
    train(recipe_of(llama, letters, steps=1, problems=problems), run)
    moved = letters_of(tmp_path / "moved.jsonl", "abcd")
    train(recipe_of(llama, letters, problems={**problems, "path": str(moved)}), run)
    grader.write_text("def grade(problem, text):\n    return True\n")
    with pytest.raises(ConfigError, match="was begun with another content of verifier grader.py:grade"):
        train(recipe_of(llama, letters, steps=3, problems=problems), run)
    letters_of(moved, "abce")
    with pytest.raises(ConfigError, match="was begun with another content of problems"):
        train(recipe_of(llama, letters, steps=3, problems={**problems, "path": str(moved)}), run)


@pytest.mark.slow
def test_a_start_model_of_other_weights_is_refused_and_one_that_was_moved_is_not(letters: Path, tmp_path: Path) -> None:
    # With adapters the state holds none of its weights, so the run would go on from another model.
    model, run = save_model(tmp_path / "model", initializer_range=0.1), tmp_path / "run"
    lora = {"lora_rank": 2, "threads": 1}
    train(recipe_of(model, letters, steps=1, model={"path": str(model), **lora}), run)
    moved = model.rename(tmp_path / "moved")
    train(recipe_of(moved, letters, steps=1, model={"path": str(moved), **lora}), run)
    (moved / "model.safetensors").write_bytes(
        (save_model(tmp_path / "other", seed=5, initializer_range=0.1) / "model.safetensors").read_bytes()
    )
    with pytest.raises(ConfigError, match="was begun with another content of model.path"):
        train(recipe_of(moved, letters, steps=2, model={"path": str(moved), **lora}), run)


def test_a_chat_template_that_leaves_the_question_out_is_refused(letters: Path, tmp_path: Path) -> None:
    model = save_model(tmp_path / "model", initializer_range=0.1)
    save_tokenizer(model, chat_template="hello")
    chat = {"template": "chat-plain", "max_prompt_tokens": 200}
    with pytest.raises(ConfigError, match="chat template leaves the question out"):
        train(recipe_of(model, letters, steps=1, rollout=chat), tmp_path / "run")


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] * float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError, match=r"hold what is no number, such as model\.norm\.weight"):
        TransformersEngine.load(ModelConfig(path=str(model)))


def test_a_folder_that_another_process_works_in_is_refused(llama: Path, letters: Path, tmp_path: Path) -> None:
    with held(tmp_path / "run"), pytest.raises(StoreError, match="another process is writing to this run"):
        train(recipe_of(llama, letters), tmp_path / "run")


@pytest.mark.slow
def test_a_chat_template_with_todays_date_asks_on_the_next_day_what_it_asked_on_the_first(
    letters: Path, tmp_path: Path
) -> None:
    model, runs = save_model(tmp_path / "model", initializer_range=0.1), (tmp_path / "in one", tmp_path / "in two")
    chat = {"rollout": {"template": "chat-plain", "max_prompt_tokens": 200}, "checkpoints": {"every": 1}}

    def on(day: str, run: Path, steps: int) -> None:
        save_tokenizer(model, chat_template=f"today is {day}.\n" + CHAT)
        train(recipe_of(model, letters, steps=steps, **chat), run)

    on("monday", runs[0], 2)
    on("monday", runs[1], 1)
    on("tuesday", runs[1], 2)
    first, second = (weights_of(run, 2) for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_that_cannot_be_saved_costs_no_step(
    llama: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no room")

    run, recipe = tmp_path / "run", recipe_of(llama, letters, checkpoints={"every": 100})
    with monkeypatch.context() as broken:
        broken.setattr(Policy, "save", fails)
        with pytest.raises(StoreError, match="no room"):
            train(recipe, run)
    assert (run / "state" / "step-000002").is_dir()
    stepped: list[int] = []
    monkeypatch.setattr(Trainer, "step", lambda self: stepped.append(1))
    assert train(recipe, run).model.is_dir()
    assert not stepped


def test_a_model_that_is_not_there_is_refused_at_once_where_there_is_no_hub(
    letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "is_reachable", lambda: False)
    recipe = recipe_of(Path("SmolLM2"), letters)
    for act in (lambda: train(recipe, tmp_path / "run"), lambda: prompt_of_recipe(recipe)):
        with pytest.raises(InputError, match=r"model\.path: SmolLM2 is no folder here, and the Hugging Face hub"):
            act()


def test_out_of_memory_is_one_line_that_names_the_setting() -> None:
    with (
        pytest.raises(EngineError, match=r"update of step 3 with 1,024 .* optimizer.micro_batch_tokens = 512"),
        memory_advice(1024, 2),
    ):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: you tried")
    with pytest.raises(RuntimeError, match="another fault"), memory_advice(1024, 2):
        raise RuntimeError("another fault")


# ---- Models that are kept


@pytest.mark.slow
def test_adapters_on_experts_are_merged_and_adapters_alone_are_a_model(letters: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    shape = {"num_key_value_heads": 2, "intermediate_size": 16, "num_local_experts": 2, "num_experts_per_tok": 1}
    model = save_model(tmp_path / "model", "mixtral", **shape)
    ids = torch.tensor([[5, 6, 7, 8]])
    for keep in ("merged", "adapter"):
        recipe = recipe_of(model, letters, model={"lora_rank": 2}, checkpoints={"keep": keep})
        made = train(recipe, tmp_path / keep).model
        assert (made / "config.json").exists() == (keep == "merged")
        policy = Policy(recipe, Needs())
        RunFolder(tmp_path / keep).load_state(policy)
        loaded = TransformersEngine.load(ModelConfig(path=str(made), options={"packed": False})).model
        with torch.inference_mode():
            gap = (loaded(input_ids=ids).logits - policy.model(input_ids=ids).logits).abs().max()
        assert gap < 1e-5


def test_an_adapter_without_its_base_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(EngineError, match="does not name the model that the adapter belongs to"):
        TransformersEngine.load(ModelConfig(path=str(tmp_path)))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_config_of_a_saved_model_names_the_precision_that_was_written(
    precision: str, llama: Path, letters: Path, tmp_path: Path
) -> None:
    policy = Policy(recipe_of(llama, letters, model={"precision": precision}), Needs())
    RunFolder(tmp_path).save_model(policy, 1)
    folder = tmp_path / "checkpoints" / "step-000001"
    assert json.loads((folder / "config.json").read_text())["dtype"] == precision
    assert {str(value.dtype) for value in load_file(folder / "model.safetensors").values()} == {f"torch.{precision}"}


@pytest.mark.slow
def test_the_best_model_is_kept_and_older_ones_go(llama: Path, letters: Path, tmp_path: Path) -> None:
    held_out = letters_of(tmp_path / "other.jsonl", "abce")  # as questions these are other problems
    held_out.write_text(held_out.read_text().replace("say", "tell"))
    evaluation = {
        "problems": {"benchmark": "jsonl", "path": str(held_out), "verifier": "exact"},
        "every": 1,
        "n": 1,
        "k": [1],
        "temperature": 0,
    }
    kept = {"keep_every": 1, "keep_limit": 2, "keep_best": "pass@1"}
    train(recipe_of(llama, letters, steps=4, evaluation=evaluation, checkpoints=kept), tmp_path / "run")
    folders = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert folders == ["best", "step-000003", "step-000004"]
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["pass@1"] for line in log if line["kind"] == "evaluation"}
    about = json.loads((tmp_path / "run" / "checkpoints" / "best" / "move37.json").read_text())
    assert about["metric"] == "pass@1"
    assert about["value"] == max(scores.values())
    assert about["step"] == min(step for step, value in scores.items() if value == about["value"])


def test_a_best_model_needs_its_metric_and_greedy_evaluation_one_sample(llama: Path, letters: Path) -> None:
    with pytest.raises(ConfigError, match="checkpoints.keep_best: pass@4 is not evaluated"):
        recipe_of(llama, letters, checkpoints={"keep_best": "pass@4"})
    evaluation = {"problems": {"benchmark": "gsm8k"}, "temperature": 0}
    with pytest.raises(ConfigError, match="evaluation: n: at temperature 0 all 8 samples of a problem are one"):
        recipe_of(llama, letters, evaluation=evaluation)


# ---- Rewards


def test_a_number_is_a_reward_and_correct_stays_a_boolean(llama: Path, letters: Path, tmp_path: Path) -> None:
    grader = tmp_path / "graders.py"
    grader.write_text(
        "def near(problem, text):\n"
        "    return max(0.0, 1 - abs(ord(problem.references[0]) - ord(text.strip()[0])) / 40)\n"
        "def short(problem, text):\n"
        "    return 0.5 if len(text) == 1 else None\n"
    )
    problems = {"benchmark": "jsonl", "path": str(letters), "verifier": f"{grader}:near"}
    rewards = [{"verifier": f"{grader}:short", "weight": 0.2}]
    train(recipe_of(llama, letters, problems=problems, rewards=rewards, steps=1), tmp_path / "run")
    rows = read_samples(tmp_path / "run", 1).to_dicts()
    assert len(rows) == 24
    for row in rows:
        if row["outcome"] == "unscored" or not row["text"].strip():
            continue
        near = max(0.0, 1 - abs(ord(row["references"][0]) - ord(row["text"].strip()[0])) / 40)
        added = 0.2 * 0.5 if len(row["text"].strip()) == 1 else 0.0  # None adds nothing
        assert row["reward"] == pytest.approx(near + added)
        assert row["outcome"] == ("correct" if near == 1 else "incorrect")
    assert len({row["reward"] for row in rows}) > 2
    (step,) = (json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    scored = [row for row in rows if row["outcome"] != "unscored"]
    assert step["accuracy"] == pytest.approx(sum(row["outcome"] == "correct" for row in scored) / len(scored))


def test_an_algorithm_that_counts_takes_a_score_for_a_wrong_response(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    grader = tmp_path / "grader.py"
    grader.write_text("def near(problem, text):\n    return 1.0 if problem.references[0] in text else 0.25\n")
    problems = {"benchmark": "jsonl", "path": str(letters), "verifier": f"{grader}:near"}
    recipe = recipe_of(llama, letters, problems=problems, algorithm={"name": "maxrl"}, rollout={"max_new_tokens": 6})
    train(recipe, tmp_path / "run")
    rows = [row for row in read_samples(tmp_path / "run", 2).to_dicts() if row["outcome"] != "unscored"]
    assert {row["reward"] for row in rows} == {float(row["outcome"] == "correct") for row in rows}
    step = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert 0 < step["accuracy"] < 1


@pytest.mark.parametrize("said", ["1.5", "-0.1", "float('nan')", "'right'"])
def test_what_is_no_score_leaves_a_response_unscored_and_a_first_step_of_them_stops(
    said: str, llama: Path, letters: Path, tmp_path: Path
) -> None:
    grader = tmp_path / "grader.py"
    grader.write_text(f"def grade(problem, text):\n    return {said}\n")
    problems = {"benchmark": "jsonl", "path": str(letters), "verifier": f"{grader}:grade"}
    recipe = recipe_of(llama, letters, problems=problems, rollout={"max_new_tokens": 4}, seed=3)
    with VerifierPool(recipe.verification) as pool, pytest.raises(VerifierError, match="none of the 24 responses"):
        trainer = Trainer(recipe, tmp_path / "run", pool, Silent())
        trainer.rollout_worker.verify = unscored(trainer.rollout_worker.verify)  # an empty response has a verdict
        trainer.run()


def unscored(verify: Any) -> Any:
    """The same without those that wrote nothing, whose verdict is not the grader's."""
    from dataclasses import replace

    from move37.types import Outcome, Verdict

    def all_of(made: Any) -> Any:
        nothing = Verdict(Outcome.UNSCORED, "wrote nothing")
        found = verify(made)
        judged = [each for each in found if each.verdict.answer is not None]
        assert judged
        assert {each.verdict.outcome for each in judged} == {Outcome.UNSCORED}
        return [each if each.verdict.answer is not None else replace(each, verdict=nothing) for each in found]

    return all_of


def test_truncated_responses_are_masked_and_stay_in_the_baseline(llama: Path, letters: Path, tmp_path: Path) -> None:
    recipe = recipe_of(llama, letters, loss={"mask_truncated": True}, rollout={"max_new_tokens": 1}, steps=1)
    train(recipe, tmp_path / "run")
    (step,) = (json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    # One token each: a response that did not end with it is cut off, so only end tokens are learnt from.
    assert step["truncated"] > 0.5
    assert step.get("trained_tokens", 0) <= round((1 - step["truncated"]) * 24)


# ---- Watching and reading


@pytest.mark.slow
def test_the_responses_of_every_tenth_and_the_last_step_can_be_read(llama: Path, letters: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    grader = tmp_path / "grader.py"
    grader.write_text("def grade(problem, text):\n    return ord(text.strip()[0]) / 200\n")
    problems = {"benchmark": "jsonl", "path": str(letters), "verifier": f"{grader}:grade"}
    recipe = recipe_of(llama, letters, steps=3, problems=problems, records={"samples_every": 2, "samples_limit": 13})
    train(recipe, run)
    assert kept_steps(run) == [2, 3]
    rows = read_samples(run, 3)
    assert rows["group"].value_counts()["count"].to_list() == [6, 6]  # whole prompts, at most 13 responses
    scored = rows.drop_nulls("advantage").with_columns(above=pl.col("reward") - pl.col("reward").mean().over("group"))
    largest: Any = scored["advantage"].abs().max()
    assert largest > 0.5
    assert (scored["advantage"].sign() == scored["above"].round(6).sign()).all()
    train(recipe_of(llama, letters, steps=4, problems=problems, records={"samples_every": 0}), run)
    assert kept_steps(run) == [2, 3]


def test_without_a_terminal_there_is_a_line_for_every_step_and_every_evaluation(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    held_out = letters_of(tmp_path / "other.jsonl", "ef")
    evaluation = {"problems": {"benchmark": "jsonl", "path": str(held_out), "verifier": "exact"}, "n": 2, "k": [1]}
    lines: list[str] = []
    train(recipe_of(llama, letters, evaluation={**evaluation, "every": 1}), tmp_path / "run", LineView(lines.append))
    kinds = [line.partition(" ")[0] for line in lines]
    assert kinds == ["letters:", "evaluation", "step", "evaluation", "step", "evaluation"]
    assert lines[2].startswith("step 1 of 2: accuracy ")
    assert " so far, about " in lines[2]
    assert "pass@1" in lines[1]


def test_times_and_axes() -> None:
    assert [duration(seconds) for seconds in (4.21, 61, 600, 12_000)] == ["4.2 s", "61 s", "10 min", "3 h 20 min"]
    pace = Pace(2, 4)
    assert str(pace).endswith("so far")
    pace.at(3)
    assert str(pace).endswith("left")
    pace.at(4)
    assert str(pace).endswith("in all")
    # An accuracy that goes up and down by a hundredth looks flat on an axis from 0 to 1.
    assert sparkline([0.50, 0.51, 0.50], 3, (0.0, 1.0)) == "▅▅▅"
