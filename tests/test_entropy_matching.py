"""Temperatures found by entropy: of a fake whose entropy is known in closed form, and in a study."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import log_softmax

from move37 import entropy_matching
from move37.config import ModelConfig, SamplingConfig, load_study, parse_study
from move37.engines import Scored
from move37.entropy_matching import match_entropy
from move37.errors import ConfigError
from move37.evidence import RunEvidence
from move37.pipeline import analyse_run, sample_run, start_run, train_run, verify_run
from move37.store import RunStore
from move37.types import FinishReason, Message, Prompt, Request, Sample, Segment

LOGITS = {"flat": np.array([0.0, 1.2, 2.5, 3.5]), "sharp": np.array([0.0, 2.0, 4.1, 5.5])}
LENGTH = 400


def true_entropy(model: str, temperature: float) -> float:
    logs = log_softmax(LOGITS[model] / temperature)
    return float(-(np.exp(logs) * logs).sum())


class FourLetters:
    """A fake: every token is one of four letters, drawn alone from fixed logits; a response has 400 of them."""

    context_length: int | None = None
    seed_reproduces_sample = True
    end_tokens: frozenset[int] = frozenset()

    def __init__(self, label: str) -> None:
        self.label = label

    @classmethod
    def load(cls, model: ModelConfig) -> "FourLetters":
        return cls(model.path.rpartition("/")[2])

    def identity(self) -> Mapping[str, str]:
        return {"engine": "a fake of four letters", "label": self.label}

    def render_prompt(self, messages: Sequence[Message]) -> str:
        return " ".join(message.text for message in messages)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(prompt.text)

    def encode(self, text: str) -> list[int]:
        return [0]

    def close(self) -> None: ...

    def read_back(self, token_ids: Sequence[int], stop: tuple[str, ...]) -> str:
        return "".join("abcd"[token] for token in token_ids)

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        logs = log_softmax(LOGITS[self.label] / sampling.temperature)
        edges, own = np.cumsum(np.exp(logs)), log_softmax(LOGITS[self.label])
        for request in requests:
            tokens = np.searchsorted(edges, np.random.default_rng(request.seed).random(LENGTH)).clip(0, 3)
            kept = tuple(tokens.tolist())
            text, logprobs = self.read_back(kept, ()), tuple(own[tokens].tolist())
            segments = (Segment("assistant", text, kept, True, logprobs),) if sampling.keep_tokens else None
            finish, about = FinishReason.LENGTH, (request.prompt.problem_id, request.index)
            yield Sample(*about, text, finish, LENGTH, sum(logprobs), request.seed, segments)

    def score(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[float]:
        return log_softmax(LOGITS[self.label])[list(response_ids)].tolist()

    def score_together(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], sampling: SamplingConfig
    ) -> Iterator[Scored]:
        logs = log_softmax(LOGITS[self.label] / sampling.temperature)
        for _, response in texts:
            drawn = tuple(logs[list(response)].tolist())
            yield Scored(tuple(self.score((), response)), drawn, (0.0,) * len(drawn))


def study_of(folder: Path) -> Path:
    rows = [{"question": f"problem {i}", "answer": "abc"} for i in range(8)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    engine = f"{Path(__file__)}:FourLetters"
    path = folder / "study.toml"
    path.write_text(f"""
name = "letters"
problems = {{ benchmark = "jsonl", path = "rows.jsonl", verifier = "exact" }}
sampling.n = 2
sampling.stop.successes = 0
sampling.temperature = 1.0
sampling.top_p = 1.0
sampling.max_new_tokens = 400
sampling.template = "completion"
analysis = {{ draws = 1000, beyond = false }}
models.base = {{ path = "flat", engine = "{engine}" }}
models.rl = {{ path = "sharp", engine = "{engine}" }}
models.matched = {{ weights_of = "rl", match_entropy = "base" }}
""")
    return path


@pytest.mark.slow
def test_the_temperature_of_a_model_with_known_entropy_is_found_to_a_hundredth(tmp_path: Path) -> None:
    """409,600 tokens at each temperature."""
    store = start_run(load_study(study_of(tmp_path)), tmp_path / "run")
    found = train_run(store).temperatures
    true = brentq(lambda t: true_entropy("sharp", t) - true_entropy("flat", 1.0), 0.1, 20)
    assert found["matched"] == pytest.approx(true, abs=0.01)
    (match,) = entropy_matching.kept_matches(store)
    assert match.target.entropy == pytest.approx(true_entropy("flat", 1.0), abs=4.5 * match.target.standard_error)
    for step in match.steps:
        assert step.entropy == pytest.approx(
            true_entropy("sharp", step.temperature), abs=4.5 * step.standard_error + 1e-9
        )
    assert match.lower < match.temperature < match.upper


@pytest.mark.slow
def test_a_study_samples_there_shows_it_and_finds_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entropy_matching, "RESPONSES", 64)
    study, run = load_study(study_of(tmp_path)), tmp_path / "run"
    store = start_run(study, run)
    sample_run(store)
    verify_run(store)
    first = RunStore.open(run).study().models["matched"].temperature
    assert first is not None
    again = start_run(study, run)
    assert train_run(again).temperatures == {}
    assert again.study().models["matched"].temperature == first
    assert sample_run(again).sampled == {}
    (match,) = analyse_run(again, tmp_path / "out").entropy_matches
    assert (match.model, match.of, match.temperature) == ("matched", "base", first)
    assert RunEvidence(again).entropy("base") == pytest.approx(true_entropy("flat", 1.0), abs=0.1)
    assert RunEvidence(again).entropy("matched") is None  # what it was drawn from is not the model's own


def test_an_entropy_that_no_temperature_has_is_refused() -> None:
    def measure(temperature: float) -> entropy_matching.Measured:
        return entropy_matching.Measured(temperature, min(1.0, temperature), 0.01, 1, 1)

    target = entropy_matching.Measured(1.0, 1.5, 0.01, 1, 1)
    with pytest.raises(ConfigError, match=r"models\.rl\.match_entropy: no temperature makes it as random as base"):
        match_entropy(measure, target, "rl", "base")


def test_a_model_that_is_not_there_cannot_be_matched() -> None:
    models = {"base": {"path": "a"}, "rl": {"path": "b", "match_entropy": "bse"}}
    with pytest.raises(ConfigError, match=r"models\.rl\.match_entropy: 'bse' is no other model"):
        parse_study({"name": "x", "problems": {"benchmark": "aime24"}, "models": models})
