"""Stored responses under other models: the very tokens, the very numbers, whatever happens on the way."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from move37 import pipeline, scoring
from move37.config import SamplingConfig, parse_study
from move37.errors import ConfigError, InputError
from move37.lab import checkpoint_folder
from move37.schema import SAMPLES
from move37.store import RunStore
from tests.tiny_models import save_model

torch = pytest.importorskip("torch")

BASE = str(checkpoint_folder("countdown-base"))
PAIR = {"base": {"path": BASE}, "sharper": {"path": BASE, "temperature": 0.7, "top_p": 0.9}}


def study(models: dict[str, Any], keep_tokens: bool, **problems: Any) -> dict[str, Any]:
    return {
        "name": "scores",
        "problems": {"benchmark": "countdown", "size": 4} | problems,
        "sampling": {
            "n": 6,
            "stop": {"successes": 0},
            "temperature": 1.0,
            "top_p": 1.0,
            "max_new_tokens": 32,
            "template": "completion",
            "keep_tokens": keep_tokens,
        },
        "models": models,
        "analysis": {"draws": 2000, "beyond": False},
    }


def sampled(folder: Path, keep_tokens: bool = True, models: dict[str, Any] = PAIR, **problems: Any) -> RunStore:
    store = pipeline.start_run(parse_study(study(models, keep_tokens, **problems)), folder)
    pipeline.sample_run(store, verify=True)
    return store


def rows(store: RunStore, author: str, model: str) -> pl.DataFrame:
    return scoring.scores_folder(store, author, model).read().sort("problem_id", "index")


@cache
def opened(path: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)


def directly(path: str, prompt: str, response: list[int]) -> np.ndarray:
    """Log-probabilities (tokens, vocabulary) of what comes at each place of the response, by transformers alone."""
    model, tokenizer = opened(path)
    ids = tokenizer(prompt)["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[*ids, *response]])).logits[0, len(ids) - 1 : -1]
    return logits.double().log_softmax(-1).numpy()


@pytest.mark.slow
def test_scores_are_those_of_transformers_to_five_digits(tmp_path: Path) -> None:
    store = sampled(tmp_path / "run")
    done = pipeline.score_run(store).pairs
    assert [(each.author, each.model, each.scored, each.refused) for each in done] == [
        ("base", "sharper", 24, {}),
        ("sharper", "base", 24, {}),
    ]
    prompts = {prompt.problem_id: prompt.text for prompt in store.model_record("base").prompts}
    kept = store.samples("base").read().sort("problem_id", "index")
    for sample, row in zip(
        kept.iter_rows(named=True), rows(store, "base", "sharper").iter_rows(named=True), strict=True
    ):
        ids = sample["segments"][0]["token_ids"]
        logprobs = directly(BASE, prompts[sample["problem_id"]], ids)
        own = logprobs[np.arange(len(ids)), ids]
        assert row["logprobs"] == pytest.approx(own, rel=1e-5, abs=1e-5)
        assert row["logprob"] == pytest.approx(own.sum(), rel=1e-5)
        assert np.exp(-row["logprob"] / row["tokens"]) == pytest.approx(np.exp(-own.mean()), rel=1e-5)
        # The sampling distribution of "sharper": temperature .7, and the smallest set that reaches .9.
        chances = np.exp(logprobs / 0.7)
        chances /= chances.sum(axis=1, keepdims=True)
        mine = chances[np.arange(len(ids)), ids]
        ahead = np.array([row[row > own].sum() for row, own in zip(chances, mine, strict=True)])
        assert row["mass_ahead"] == pytest.approx(ahead.max(), abs=1e-5)
        if ahead.max() >= 0.9:
            assert row["drawn"] == -np.inf
        else:
            mass = [np.sort(each)[::-1].cumsum() for each in chances]
            kept_mass = np.array([each[np.searchsorted(each, 0.9)] for each in mass])
            assert row["drawn"] == pytest.approx(np.log(mine / kept_mass).sum(), rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_what_a_model_drew_itself_it_could_have_drawn(tmp_path: Path) -> None:
    store = sampled(tmp_path / "run")
    pipeline.score_run(store, ["sharper"], ["sharper"])
    own = rows(store, "sharper", "sharper")
    assert own["drawn"].is_finite().all()
    assert (own["mass_ahead"] < 0.9).all()
    stored = store.samples("sharper").read().sort("problem_id", "index")
    assert own["logprob"].to_list() == pytest.approx(stored["logprob"].to_list(), rel=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_long_and_short_texts_are_scored_alike(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from move37.config import ModelConfig
    from move37.engines import transformers_score
    from move37.engines.transformers import TransformersEngine

    engine = TransformersEngine.load(ModelConfig(path=str(save_model(tmp_path / kind, kind))))
    rng = np.random.default_rng(0)
    texts = [([0, 5, 6], rng.integers(0, 43, int(rng.integers(1, 12))).tolist()) for _ in range(9)]
    drawn_by = SamplingConfig(temperature=0.8, top_p=0.7)
    together = list(engine.score_together(texts, drawn_by))
    monkeypatch.setattr(transformers_score, "_SHORT", 0)
    monkeypatch.setattr(transformers_score, "_STRETCH", 4)
    for one, other, (prompt, response) in zip(together, engine.score_together(texts, drawn_by), texts, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert one.logprobs == pytest.approx(engine.score(prompt, response), abs=1e-4)
        assert one.drawn == pytest.approx(other.drawn, abs=1e-4)
        assert one.mass_ahead == pytest.approx(other.mass_ahead, abs=1e-5)


@pytest.mark.slow
def test_a_pass_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from move37.engines.transformers import TransformersEngine

    whole, stopped = sampled(tmp_path / "whole"), sampled(tmp_path / "stopped")
    pipeline.score_run(whole)
    plain, calls = TransformersEngine.score_together, []

    def breaking(self, texts, settings):
        calls.append(len(texts))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return plain(self, texts, settings)

    monkeypatch.setattr(scoring, "_CHUNK_TOKENS", 200)
    with monkeypatch.context() as patch:
        patch.setattr(TransformersEngine, "score_together", breaking)
        with pytest.raises(KeyboardInterrupt):
            pipeline.score_run(stopped)
    before = rows(stopped, "base", "sharper").height
    assert 0 < before < 24
    again = pipeline.score_run(stopped).pairs
    assert again[0].scored == 24 - before
    assert pipeline.score_run(stopped).pairs[0].scored == 0
    for pair in (("sharper", "base"), ("base", "sharper")):
        one, other = (rows(store, *pair) for store in (whole, stopped))
        assert one.drop("logprobs", "logprob", "drawn", "mass_ahead").equals(
            other.drop("logprobs", "logprob", "drawn", "mass_ahead")
        )
        assert one["logprob"].to_list() == pytest.approx(other["logprob"].to_list(), abs=1e-4)


@pytest.mark.slow
def test_text_without_kept_tokens_counts_only_if_it_gives_back_what_was_drawn(tmp_path: Path) -> None:
    store = sampled(tmp_path / "run", keep_tokens=False)
    path = store.samples("base").files()[0]
    frame = pl.read_parquet(path)
    # One sample whose stored log-probability is of other tokens, one with another number of them.
    first, second = (frame["problem_id"] == frame["problem_id"][0]) & (frame["index"] == 0), frame["index"] == 1
    changed = frame.with_columns(
        logprob=pl.when(first).then(pl.col("logprob") - 1).otherwise(pl.col("logprob")),
        tokens=pl.when(second).then(pl.col("tokens") + 1).otherwise(pl.col("tokens")).cast(pl.Int32),
    )
    columns: dict[Any, Any] = dict(SAMPLES.columns)
    changed.cast(columns).write_parquet(path)
    done = {(each.author, each.model): each for each in pipeline.score_run(store).pairs}
    assert done["base", "base"].refused == {scoring.DIFFERS: 5}
    assert done["base", "sharper"].refused == {scoring.UNKNOWN: 5}
    assert done["base", "sharper"].scored == 19
    assert done["sharper", "base"].refused == {}


@pytest.mark.slow
def test_another_tokenizer_is_refused_response_by_response(tmp_path: Path) -> None:
    other = save_model(tmp_path / "other")
    store = sampled(tmp_path / "run", models={"base": {"path": BASE}, "other": {"path": str(other)}})
    done = pipeline.score_run(store, ["base"], ["other"]).pairs
    assert [(each.scored, each.refused) for each in done] == [(0, {scoring.OTHER_TOKENIZER: 24})]


@pytest.mark.slow
def test_scores_of_other_weights_are_not_mixed_in(tmp_path: Path) -> None:
    store = sampled(tmp_path / "run")
    pipeline.score_run(store, ["base"], ["sharper"])
    path = store.folder / "scores" / "base-under-sharper.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"weights": "others"}))
    with pytest.raises(ConfigError, match="scores made with another weights; move them away"):
        pipeline.score_run(store, ["base"], ["sharper"])
    with pytest.raises(InputError, match="no model 'nobody' whose responses and weights are known"):
        pipeline.score_run(store, ["nobody"])


@pytest.mark.slow
def test_references_are_scored_where_they_are_solutions(tmp_path: Path) -> None:
    store = sampled(tmp_path / "run")
    done = pipeline.score_run(store, with_references=True).pairs
    assert [(each.author, each.scored) for each in done[-2:]] == [("references", 4)] * 2
    problem = store.problems()[0]
    file = tmp_path / "solutions.jsonl"
    lines = [{"question": problem.question, "response": problem.references[0]}, {"question": "other", "response": "x"}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    again = pipeline.score_run(store, ["base"], ["sharper"], references=file).pairs
    assert again[-1].author == "references"
    file.write_text(json.dumps(lines[1]) + "\n")
    with pytest.raises(InputError, match="none of its questions is a problem of this run"):
        pipeline.score_run(store, ["base"], ["sharper"], references=file)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_report_and_the_command_show_perplexities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from move37.analyses.serialise import load_findings
    from move37.cli import app

    store = sampled(tmp_path / "run")
    app(["score", str(store.folder), "--references", "--json"], standalone_mode=False)
    assert [pair["scored"] for pair in json.loads(capsys.readouterr().out)["pairs"]] == [24, 24, 4, 4]
    app(["report", str(store.folder)], standalone_mode=False)
    (pair,) = load_findings(store.folder / "analyses.json").perplexities
    assert {(group.author, group.model) for group in pair.groups} == {
        (author, model) for author in ("base", "sharper", "references") for model in ("base", "sharper")
    }
    assert "How likely is each model’s work under the other" in (store.folder / "report.html").read_text()
    assert (store.folder / "figures" / "perplexity.svg").exists()
    assert (store.folder / "tables" / "perplexity.csv").exists()


@pytest.mark.slow
def test_a_real_language_model_is_scored_as_by_transformers(smollm2: Path) -> None:
    from move37.config import ModelConfig
    from move37.engines.transformers import TransformersEngine

    engine = TransformersEngine.load(ModelConfig(path=str(smollm2)))
    prompt, response = "The capital of France is", " Paris, and its river is the Seine.\n"
    ids = engine.encode(prompt + response)[len(engine.encode(prompt)) :]
    (found,) = engine.score_together([(engine.encode(prompt), ids)], SamplingConfig(temperature=1.0, top_p=0.95))
    direct = directly(str(smollm2), prompt, ids)[np.arange(len(ids)), ids]
    assert np.exp(-np.mean(found.logprobs)) == pytest.approx(np.exp(-direct.mean()), rel=1e-5)
