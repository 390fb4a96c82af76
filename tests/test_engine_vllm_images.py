"""The lab's model that sees through vLLM (its build for CPUs), as an engine and behind a server: what it reads off
pictures is what transformers reads, token for token.

`scripts/vllm` makes the environment that this needs, 3 GB once per machine; without it these tests are skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from move37.config import ModelConfig, ProblemsConfig, SamplingConfig
from move37.engines import ENGINES
from move37.errors import ConfigError
from move37.lab import checkpoint_folder
from move37.problems import load_problems
from move37.rollouts import render_prompts, requests_for, template_of
from move37.types import Prompt
from tests.served import free_port
from tests.served import served as serving
from tests.vllm_environment import NEEDS_VLLM, PYTHON, on_one_core

pytest.importorskip("torch", reason="the [local] extra is not installed")
pytest.importorskip("openai", reason="the [server] extra is not installed")

ROOT = Path(__file__).parents[1]
BASE = str(checkpoint_folder("visual-countdown-base"))
GREEDY = SamplingConfig(temperature=0.0, top_p=1.0, max_new_tokens=64, keep_tokens=True)
HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64, keep_tokens=True)


@pytest.fixture(scope="module")
def own() -> Iterator[Any]:
    engine = ENGINES.load("transformers").load(ModelConfig(path=BASE))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def vllm() -> Iterator[Any]:
    options = {"python": str(PYTHON), "enforce_eager": True, "max_num_seqs": 16, "dtype": "float32"}
    with pytest.MonkeyPatch.context() as patch:
        on_one_core(patch)
        engine = ENGINES.load("vllm").load(ModelConfig(path=BASE, engine="vllm", options=options))
        try:
            yield engine
        finally:
            engine.close()


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = free_port(), tmp_path_factory.mktemp("vllm") / "server.log"
    command = [ROOT / "scripts" / "vllm", BASE, "--port", str(port), "--max-model-len", "128", "--max-num-seqs", "16"]
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    quiet.pop("PYTHONPATH", None)
    with serving(command, port, log, quiet, 600) as url:
        yield url


def prompts_of(engine: Any) -> list[Prompt]:
    """Three puzzles in pictures and one in text."""
    pictures = ProblemsConfig(benchmark="visual-countdown", size=3)
    text = ProblemsConfig.model_validate({"benchmark": "visual-countdown", "size": 1, "options": {"shown": "text"}})
    return render_prompts(load_problems((pictures, text)), template_of("chat-plain", {}), engine)


def sampled(engine: Any, n: int, settings: SamplingConfig) -> dict[tuple[str, int], Any]:
    requests = [each for prompt in prompts_of(engine) for each in requests_for(prompt, range(n), 0, "m")]
    return {(sample.problem_id, sample.index): sample for sample in engine.generate(requests, settings)}


@NEEDS_VLLM
class TestEngine:
    def test_it_reads_pictures_as_our_own_engine_does(self, vllm: Any, own: Any) -> None:
        prompts = prompts_of(vllm)
        assert [prompt.content for prompt in prompts] == [prompt.content for prompt in prompts_of(own)]
        assert [vllm.count_tokens(prompt) for prompt in prompts] == [own.count_tokens(prompt) for prompt in prompts]
        assert vllm.seen_images(prompts[0]) == own.seen_images(prompts[0])
        assert vllm.identity()["images"] == own.identity()["images"]
        ours, theirs = (sampled(engine, 1, GREEDY) for engine in (own, vllm))
        assert len(ours) == 4
        assert {key: sample.token_ids for key, sample in theirs.items()} == {
            key: sample.token_ids for key, sample in ours.items()
        }

    def test_its_samples_have_the_probabilities_of_our_own_engine(self, vllm: Any, own: Any) -> None:
        encoded = {prompt.problem_id: own.encode_prompt(prompt) for prompt in prompts_of(own)}
        for (problem, _), sample in sampled(vllm, 6, HOT).items():
            assert own.score(encoded[problem], sample.token_ids) == pytest.approx(sample.logprobs, abs=1e-3)

    def test_what_it_does_not_do_with_images_is_refused(self, vllm: Any, own: Any) -> None:
        prompt = prompts_of(own)[0]
        with pytest.raises(ConfigError, match="vLLM scores text alone here"):
            vllm.score(own.encode_prompt(prompt), [6, 7])
        with pytest.raises(ConfigError, match="vLLM in training: the engine reads text only"):
            next(vllm.completions(requests_for(prompt, range(1), 0, "m"), HOT))


@NEEDS_VLLM
class TestServer:
    def test_it_answers_pictures_as_our_own_engine_does(self, base_url: str, own: Any) -> None:
        options = {"base_url": base_url, "api": "chat", "images": True}
        served = ENGINES.load("openai").load(ModelConfig(path=BASE, options=options))
        try:
            told = GREEDY.model_copy(update={"keep_tokens": False})  # messages come back as text
            ours, theirs = (sampled(engine, 1, told) for engine in (own, served))
        finally:
            served.close()
        assert {key: sample.text for key, sample in theirs.items()} == {
            key: sample.text for key, sample in ours.items()
        }
