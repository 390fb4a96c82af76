"""vLLM's engine itself (its build for CPUs), in a process of its own: contract, prompts, stop rules, weights, deaths.

`scripts/vllm` makes the environment that it needs, 3 GB once per machine; without it these tests are skipped. It takes
most of a minute to start, so one is started for all tests of a model that is there, with the lab's base.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from move37.config import ModelConfig, ProblemsConfig, SamplingConfig, parse_study
from move37.engines import ENGINES, BatchScorer
from move37.errors import ConfigError, EngineError, MissingExtraError
from move37.lab import checkpoint_folder
from move37.pipeline import sample_run, start_run
from move37.problems import load_problems
from move37.rollouts import render_prompts, requests_for, template_of
from move37.testing import check_engine
from move37.types import FinishReason, Prompt, Request
from tests.vllm_environment import NEEDS_VLLM, PYTHON, on_one_core

pytest.importorskip("torch", reason="the [local] extra is not installed")

BASE = str(checkpoint_folder("countdown-base"))
HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64, keep_tokens=True)
TEXTS = ("3,5,7,9:31=", "2,4,6,8:20=", "1,2,3,4:24=")


def model(**options: Any) -> ModelConfig:
    plain = {"python": str(PYTHON), "enforce_eager": True, "max_num_seqs": 64, "dtype": "float32"}
    return ModelConfig(path=BASE, engine="vllm", options=plain | options)


@pytest.fixture(scope="module")
def vllm() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        on_one_core(patch)
        engine = ENGINES.load("vllm").load(model())
        try:
            yield engine
        finally:
            engine.close()


@pytest.fixture(scope="module")
def own() -> Iterator[Any]:
    engine = ENGINES.load("transformers").load(ModelConfig(path=BASE))
    yield engine
    engine.close()


def requests(n: int, stop: tuple[str, ...] = (), seed: int = 0) -> list[Request]:
    prompts = [Prompt(f"p{number}", text, stop, "completion") for number, text in enumerate(TEXTS)]
    return [each for prompt in prompts for each in requests_for(prompt, range(n), seed, "m")]


@NEEDS_VLLM
class TestWithAnEngine:
    def test_it_keeps_the_contract(self, vllm: Any) -> None:
        check_engine(vllm, texts=TEXTS)

    def test_it_says_what_it_is(self, vllm: Any, own: Any) -> None:
        identity, other = vllm.identity(), own.identity()
        assert identity["engine"].startswith("vllm 0.")
        alike = ("weights", "dtype", "context_length", "end_tokens", "ends_named_by", "ignored_settings")
        assert [identity[key] for key in alike] == [other[key] for key in alike]

    def test_prompts_and_probabilities_are_those_of_our_own_engine(self, vllm: Any, own: Any) -> None:
        problems = load_problems((ProblemsConfig(benchmark="countdown:edge", size=6),))
        template = template_of("completion", {})
        prompts = render_prompts(problems, template, vllm)
        assert prompts == render_prompts(problems, template, own)
        assert [vllm.count_tokens(prompt) for prompt in prompts] == [own.count_tokens(prompt) for prompt in prompts]
        made = list(vllm.generate([each for prompt in prompts for each in requests_for(prompt, range(8), 0, "m")], HOT))
        encoded = {prompt.problem_id: own.encode(prompt.text) for prompt in prompts}
        for sample in made:
            assert own.score(encoded[sample.problem_id], sample.token_ids) == pytest.approx(sample.logprobs, abs=1e-3)
            assert own.read_back(encoded[sample.problem_id], sample.token_ids, ()) == sample.text

    def test_it_scores_as_our_own_engine_does_up_to_the_end_of_the_context(self, vllm: Any, own: Any) -> None:
        assert isinstance(vllm, BatchScorer)
        prompt = own.encode(TEXTS[0])
        filled = [5 + place % 9 for place in range(own.context_length - len(prompt))]
        texts = [(prompt, filled), (prompt, [6, 7]), (prompt, []), (prompt[:1], [1])]
        ours = list(own.score_together(texts, HOT))
        for found, expected in zip(vllm.score_together(texts, HOT), ours, strict=True):
            assert found.logprobs == pytest.approx(expected.logprobs, abs=1e-3)
            assert found.drawn == found.logprobs
        cold = HOT.model_copy(update={"temperature": 0.6})
        [found] = vllm.score_together(texts[:1], cold)
        assert (found.drawn, found.mass_ahead) == (None, None)  # vLLM does not say
        assert vllm.score(prompt, [6, 7]) == pytest.approx(own.score(prompt, [6, 7]), abs=1e-3)
        with pytest.raises(EngineError, match="exceed the context"):
            vllm.score(prompt, [*filled, 5])
        with pytest.raises(EngineError, match="without a prompt"):
            vllm.score([], [5])

    def test_a_stop_string_ends_a_response_at_the_token_that_completes_it(self, vllm: Any, own: Any) -> None:
        for sample in vllm.generate(requests(16, stop=("*", "zz")), HOT):
            assert "*" not in sample.text
            said = [token for token in sample.token_ids if token not in own.end_tokens]
            written = "".join(own.shown(token) for token in said)
            assert written.find("*") in (-1, len(written) - 1)
            assert sample.finish_reason is FinishReason.STOP or len(sample.token_ids) == HOT.max_new_tokens

    def test_what_is_given_up_leaves_nothing_behind(self, vllm: Any) -> None:
        begun = vllm.generate(requests(40), HOT)
        next(begun)
        begun.close()
        assert all(replica.in_flight == 0 for replica in vllm.replicas())
        assert len(list(vllm.generate(requests(2), HOT))) == 6

    def test_samples_come_while_others_are_made(self, vllm: Any) -> None:
        """A study with a stopping plan: what is judged in between decides what is asked next."""
        begun = vllm.generate(requests(100), HOT)
        next(begun)
        assert any(replica.in_flight > 100 for replica in vllm.replicas())
        begun.close()

    def test_no_room_is_refused_before_a_token_is_made(self, vllm: Any) -> None:
        with pytest.raises(EngineError, match="max_model_len"):
            list(vllm.generate(requests(1), HOT.model_copy(update={"max_new_tokens": 125})))

    def test_weights_that_are_pushed_are_sampled_from(self, vllm: Any, own: Any, tmp_path: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        other: Any = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
        with torch.no_grad():
            other.get_output_embeddings().weight *= 0.5
        other.save_pretrained(tmp_path / "other")
        AutoTokenizer.from_pretrained(BASE).save_pretrained(tmp_path / "other")
        changed = ENGINES.load("transformers").load(ModelConfig(path=str(tmp_path / "other")))
        prompt = own.encode(TEXTS[0])
        try:
            for folder, reader in ((tmp_path / "other", changed), (Path(BASE), own)):
                vllm.load_weights(folder)
                made = list(vllm.completions(requests(4), HOT))
                assert len(made) == 12
                for each in (each for each in made if each.sample.problem_id == "p0"):
                    assert list(each.prompt_ids) == prompt
                    assert reader.score(prompt, each.token_ids) == pytest.approx(each.logprobs, abs=1e-3)
        finally:
            vllm.load_weights(Path(BASE))
        assert changed.score(prompt, [6, 7]) != pytest.approx(own.score(prompt, [6, 7]), abs=1e-2)

    def test_a_study_on_it_stops_early_and_solves_as_much_as_on_our_own_engine(
        self, vllm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of 12 puzzles with up to 32 samples each: a paired test over the puzzles, at three standard errors."""
        kind = type(vllm)
        monkeypatch.setattr(kind, "load", classmethod(lambda cls, config: vllm))
        monkeypatch.setattr(kind, "close", lambda self: None)
        problems = {"benchmark": "countdown:edge", "size": 12}
        sampling = {"n": 32, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 64, "template": "completion"}
        models = {"own": {"path": BASE}, "vllm": model().model_dump()}
        study = {"name": "s", "problems": problems, "sampling": sampling, "models": models}
        fixed = start_run(parse_study(study | {"sampling": sampling | {"stop": {"successes": 0}}}), tmp_path / "fixed")
        assert sample_run(fixed, verify=True).sampled == {"own": 384, "vllm": 384}
        ids = [problem.id for problem in fixed.problems()]
        ours, theirs = (fixed.outcomes(name, ids, 32) for name in ("own", "vllm"))
        differences = (theirs == 1).mean(axis=1) - (ours == 1).mean(axis=1)
        error = differences.std(ddof=1) / np.sqrt(len(differences))
        assert (ours == 1).mean() > 0.02
        assert abs(differences.mean()) <= 3 * max(error, 0.01)

        early = start_run(parse_study(study | {"sampling": sampling | {"stop": {"successes": 2}}}), tmp_path / "early")
        made = sample_run(early, verify=True).sampled["vllm"]
        assert made < 384
        assert early.owed("vllm", ids, early.study().sampling.plan()) == {}

    def test_a_training_samples_on_it_with_the_weights_of_every_step(
        self, vllm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from move37.training.loop import train
        from tests.test_samplers import figures, recipe_of

        kind = type(vllm)
        monkeypatch.setattr(kind, "load_to_roll_out", classmethod(lambda cls, config: vllm))
        monkeypatch.setattr(kind, "close", lambda self: None)
        try:
            train(recipe_of(engine="vllm", responses=32), tmp_path / "run")
        finally:
            vllm.load_weights(Path(BASE))
        steps = figures(tmp_path / "run")
        assert [step["step"] for step in steps] == [1, 2]
        assert all(step["logprob_gap_max"] < 1e-3 for step in steps)
        assert steps[0]["gradient_norm"] > 0  # so the second step samples from other weights

    def test_a_process_that_is_killed_ends_the_work_and_keeps_what_was_made(self, vllm: Any) -> None:
        """The last test: it ends the engine."""
        begun = vllm.generate(requests(64), HOT)
        made = [next(begun)]
        os.killpg(vllm._processes.running[0].pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="SIGKILL"):
            made += list(begun)
        assert 0 < len(made) < 192
        assert len({(each.problem_id, each.index) for each in made}) == len(made)


def test_an_environment_without_vllm_is_said_with_the_line_that_installs_it() -> None:
    engine = ENGINES.load("vllm").load(ModelConfig(path=BASE, engine="vllm", options={"python": "/usr/bin/python3"}))
    with pytest.raises(MissingExtraError, match=r"pip install 'move37\[vllm\]'"):
        engine.identity()
    engine.close()


def test_options_are_vllms_and_those_that_are_ours_are_refused() -> None:
    kind = ENGINES.load("vllm")
    with pytest.raises(ConfigError, match="engine_args: generation_config"):
        kind.load(ModelConfig(path=BASE, engine="vllm", options={"engine_args": {"generation_config": "auto"}}))
    with pytest.raises(ConfigError, match="options.tensor_parallel"):
        kind.load(ModelConfig(path=BASE, engine="vllm", options={"tensor_parallel": 2}))


def test_an_adapter_brings_room_for_its_rank(tmp_path: Path) -> None:
    pytest.importorskip("move37.engines.vllm")
    from move37.engines.vllm_adapter import adapter_arguments

    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 12, "rank_pattern": {"q_proj": 20}}')
    assert adapter_arguments(str(tmp_path)) == {"enable_lora": True, "max_loras": 1, "max_lora_rank": 32}
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "IA3", "r": 8}')
    with pytest.raises(ConfigError, match="IA3"):
        adapter_arguments(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(EngineError, match="rank"):
        adapter_arguments(str(tmp_path))


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        (
            "ValidationError: 1 validation error for VllmConfig Value error, float32 is not supported for quantization "
            "method fp8 [type=value_error, input_value=ArgsKwargs((), {'model_co...), input_type=ArgsKwargs] For more",
            "vLLM ended: ValidationError: float32 is not supported for quantization method fp8 (options.quantization, "
            "options.dtype)",
        ),
        (
            "AssertionError: Given number of CPU id list ['0-0'] doesn't match local world size 2.",
            "local world size 2. (options.tensor_parallel_size, options.pipeline_parallel_size)",
        ),
        ("exit code 1: ValueError: Decrease VLLM_CPU_KVCACHE_SPACE", "; export VLLM_CPU_KVCACHE_SPACE=<GiB that"),
    ],
)
def test_why_vllm_ended_is_said_without_what_stands_around_it(reason: str, line: str) -> None:
    from move37.engines.vllm import _explained

    said = str(_explained("m", reason))
    assert line in said
    assert "input_value" not in said


def test_an_interpreter_that_is_not_there_is_refused_by_its_key() -> None:
    with pytest.raises(ConfigError, match=r"options\.python: no program at '/no/python'"):
        ENGINES.load("vllm").load(ModelConfig(path=BASE, engine="vllm", options={"python": "/no/python"}))


@pytest.mark.parametrize("bytes_left", [4, 1000, -8])
def test_torn_weights_are_named_before_anything_starts(bytes_left: int, tmp_path: Path) -> None:
    import shutil

    from move37.engines.weight_files import refuse_torn

    shutil.copytree(BASE, tmp_path / "m")
    refuse_torn(str(tmp_path / "m"))
    file = tmp_path / "m" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:bytes_left])
    with pytest.raises(EngineError, match=r"model\.safetensors: is torn or no file of weights"):
        ENGINES.load("vllm").load(ModelConfig(path=str(tmp_path / "m"), engine="vllm"))


def test_every_setting_of_a_model_that_is_not_applied_is_said() -> None:
    from transformers import GenerationConfig

    from move37.engines.transformers_render import ignored_statement

    asked = GenerationConfig(top_k=1, repetition_penalty=1.3, min_p=1.0, do_sample=True)
    assert ignored_statement(asked) == "repetition_penalty=1.3, top_k=1, min_p=1.0"
    assert ignored_statement(GenerationConfig(top_k=0, repetition_penalty=1.0, do_sample=True)) == "none"
