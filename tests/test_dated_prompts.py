"""Chat templates that print the date: a study or a training that goes on tomorrow asks what it asked today."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from move37.config import parse_study
from move37.engines import transformers_render
from move37.fairness import loaded_apart
from move37.pipeline import sample_run, start_run
from move37.session import Session
from move37.store import ASKED_AT, RunStore
from move37.training.loop import train
from tests.test_training_survives import letters_of, recipe_of, weights_of
from tests.tiny_models import CHAT, save_model, save_tokenizer

MONDAY = datetime(2026, 3, 2, 9)


class Clock(datetime):
    """Stands for the clock: `moment` is what the test sets."""

    moment: datetime = MONDAY

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(transformers_render, "datetime", Clock)
    monkeypatch.setattr(Clock, "moment", MONDAY)
    return Clock


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = save_model(tmp_path / "model", initializer_range=0.1)
    save_tokenizer(folder, chat_template="{{ strftime_now('on %d.%m.') }}\n" + CHAT)
    return folder


def prompts_of(store: RunStore, name: str) -> list[str]:
    return [prompt.text for prompt in store.model_record(name).prompts]


@pytest.mark.slow
def test_a_study_that_goes_on_tomorrow_asks_every_model_as_of_today(
    clock: type[Clock], model: Path, tmp_path: Path
) -> None:
    letters = letters_of(tmp_path / "letters.jsonl", "abc")
    raw = {
        "name": "dated",
        "problems": {"benchmark": "jsonl", "path": str(letters), "verifier": "exact"},
        "models": {name: {"path": str(model)} for name in ("base", "rl")},
        "sampling": {"n": 2, "max_new_tokens": 3, "template": "chat"},
    }
    once = start_run(parse_study(raw), tmp_path / "once")
    sample_run(once)
    store = start_run(parse_study(raw), tmp_path / "twice")
    with Session(store) as session:
        session.sample("base", [problem.id for problem in store.problems()][:2], False)
    clock.moment = MONDAY + timedelta(days=1)
    sample_run(RunStore.open(store.folder))
    for name in ("base", "rl"):
        asked = prompts_of(store, name)
        assert len(asked) == 3
        assert all("on 02.03." in text for text in asked), name
        assert store.model_record(name).identity[ASKED_AT] == MONDAY.isoformat()
        made, at_once = (each.samples(name).read().sort("problem_id", "index") for each in (store, once))
        assert made.select("text", "digest").equals(at_once.select("text", "digest"))
    assert not [each for each in loaded_apart(store) if "prompts" in each]
    assert prompts_of(store, "rl") == prompts_of(once, "rl")
    sample_run(start_run(parse_study(raw), tmp_path / "new"))
    assert all("on 03.03." in text for text in prompts_of(RunStore.open(tmp_path / "new"), "base"))  # another run


@pytest.mark.slow
def test_a_training_that_goes_on_tomorrow_ends_with_the_same_weights(
    clock: type[Clock], model: Path, tmp_path: Path
) -> None:
    letters = letters_of(tmp_path / "letters.jsonl", "abcdefgh")
    chat = {"rollout": {"template": "chat-plain", "max_prompt_tokens": 200}, "checkpoints": {"every": 1}}
    runs = tmp_path / "in one", tmp_path / "in two"
    train(recipe_of(model, letters, steps=2, **chat), runs[0])
    train(recipe_of(model, letters, steps=1, **chat), runs[1])  # the second step asks the other four
    clock.moment = MONDAY + timedelta(days=1)
    train(recipe_of(model, letters, steps=2, **chat), runs[1])
    first, second = (weights_of(run, 2) for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
