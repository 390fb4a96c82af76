"""What only a GPU can show: recorded steps are the steps, and what was learnt there is what a CPU learns.

Skipped where there is none. Everything that does not need one about the same code is in test_engines.py and
test_training.py, where recorded steps run without being recorded.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs move37[local]")
if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)

from move37.config import ModelConfig, SamplingConfig  # noqa: E402
from move37.engines.transformers import TransformersEngine  # noqa: E402
from move37.engines.transformers_forward import LlamaForward  # noqa: E402
from move37.lab import checkpoint_folder  # noqa: E402
from move37.seeds import sample_seed  # noqa: E402
from move37.training.algorithms import Needs  # noqa: E402
from move37.training.loop import train  # noqa: E402
from move37.training.policy import Policy  # noqa: E402
from move37.training.recipe import TrainConfig, parse_recipe  # noqa: E402
from move37.types import Prompt, Request  # noqa: E402
from tests.test_training import gradient_of, random_batch, records, relative_error, update_batch_of  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402

ALGORITHMS = ("ppo", "grpo", "reinforce_pp", "rloo", "remax", "dapo")


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("llama"), initializer_range=0.1)


def load(path: Path, **options: object) -> TransformersEngine:
    return TransformersEngine.load(ModelConfig(path=str(path), options=options))


def sample(engine: TransformersEngine, texts: Sequence[str], n: int, longest: int = 100, seed: int = 0) -> list[str]:
    requests = [
        Request(Prompt(f"p{number}", text, (), "completion"), index, sample_seed(seed, "m", f"p{number}", index))
        for number, text in enumerate(texts)
        for index in range(n)
    ]
    sampling = SamplingConfig(n=n, temperature=1.0, top_p=1.0, max_new_tokens=longest, template="completion")
    made = {(s.problem_id, s.index): s.text for s in engine.generate(requests, sampling)}
    return [made[request.prompt.problem_id, request.index] for request in requests]


@pytest.mark.parametrize("rows", [5, 200])
def test_recorded_steps_make_the_samples_of_steps_that_are_not(llama: Path, rows: int) -> None:
    """Float32, 64 samples in each of three calls, rows admitted late or all at once. Rounding may turn one of them."""
    recorded, plain = load(llama, batch_size=rows), load(llama, batch_size=rows, cuda_graphs=False)
    for call, texts in enumerate((["a b", "what is 1?"], ["abc", "longer than the others were"], ["a b", "x"])):
        ours, theirs = (sample(engine, texts, 32, seed=call) for engine in (recorded, plain))
        assert sum(a != b for a, b in zip(ours, theirs, strict=True)) <= 1
    forward = recorded._forward
    assert isinstance(forward, LlamaForward)
    assert forward._recorded is not None
    assert any(graph is not None for graph in forward._recorded._graphs.values())


def test_recorded_steps_follow_weights_that_move_in_their_place(llama: Path) -> None:
    recorded, plain = load(llama), load(llama, cuda_graphs=False)
    before = [sample(recorded, ["a b"], 32, seed=call) for call in range(3)]
    with torch.no_grad():
        for engine in (recorded, plain):
            for parameter in engine.model.parameters():
                parameter.mul_(0.8)
    after = sample(recorded, ["a b"], 32, seed=2)
    assert after != before[2]
    assert sum(a != b for a, b in zip(after, sample(plain, ["a b"], 32, seed=2), strict=True)) <= 1


def test_a_gpu_draws_what_a_cpu_draws() -> None:
    """The lab's base, float32, equal seeds. A rounding at the edge of a draw may turn one sample in fifty."""
    ours, theirs = (
        sample(load(checkpoint_folder("countdown-base"), device=device), ["2 3 5 7 12:", "1 4 6 9 20:"], 64, 48)
        for device in ("cuda", "cpu")
    )
    assert sum(a != b for a, b in zip(ours, theirs, strict=True)) <= 2


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_a_gpu_has_the_gradient_of_a_cpu(kind: str, tmp_path: Path) -> None:
    model, update = save_model(tmp_path, kind, initializer_range=0.1), update_batch_of(random_batch())
    policies = {device: Policy(recipe(model, tmp_path, "grpo", device=device), Needs()) for device in ("cpu", "cuda")}
    expected = gradient_of(policies["cpu"], update)
    there = replace(
        update,
        batch=replace(
            update.batch,
            **{key: getattr(update.batch, key).cuda() for key in update.batch.__slots__ if key != "prompts"},
        ),
        advantages=replace(update.advantages, advantages_BT=update.advantages.advantages_BT.cuda()),
        old_logprobs_BT=update.old_logprobs_BT.cuda(),
    )
    assert relative_error(gradient_of(policies["cuda"], there).cpu(), expected) < 1e-5


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_trains_on_a_gpu(algorithm: str, precision: str, llama: Path, tmp_path: Path) -> None:
    recipe_ = recipe(llama, tmp_path, algorithm, device="cuda", precision=precision)
    train(recipe_, tmp_path / "run")
    steps = records(tmp_path / "run")
    assert len(steps) == recipe_.steps
    gaps = [step["logprob_gap_max"] for step in steps if "logprob_gap_max" in step]
    assert gaps
    assert max(gaps) < (1e-3 if precision == "float32" else 1.0)


def recipe(model: Path, folder: Path, algorithm: str, **changes: object) -> TrainConfig:
    file = folder / "letters.jsonl"
    file.write_text("".join(f'{{"question": "say {c}:", "answer": "{c}"}}\n' for c in "abcd"))
    return parse_recipe(
        {
            "name": "gpu",
            "steps": 3,
            "algorithm": {"name": algorithm},
            "model": {"path": str(model), **changes},
            "problems": {"benchmark": "jsonl", "path": str(file), "verifier": "exact"},
            "rollout": {"prompts": 4, "responses": 64, "max_new_tokens": 3, "template": "completion"},
            "optimizer": {"learning_rate": 1e-3},
            "verification": {"workers": 1},
        }
    )
