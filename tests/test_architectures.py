"""Every architecture: the sampler against the model's own reading of the whole text, the trainer against both."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.config import ModelConfig, SamplingConfig  # noqa: E402
from move37.engines import Completion  # noqa: E402
from move37.engines.transformers import TransformersEngine  # noqa: E402
from move37.training.algorithms import Needs  # noqa: E402
from move37.training.batches import make_batch  # noqa: E402
from move37.training.policy import Policy  # noqa: E402
from move37.training.recipe import parse_recipe  # noqa: E402
from move37.types import Prompt, Request  # noqa: E402
from tests.architectures import ALONE, SHARED, save_architecture  # noqa: E402

TEMPERATURE = 0.8
HOT = SamplingConfig(temperature=TEMPERATURE, top_p=1.0, max_new_tokens=10)
PROMPTS = ("what is 2", "abc def", "a")
WITHOUT_A_CACHE = {"openai-gpt", "rwkv", "recurrent_gemma"}
"""It has none, has one of its own kind, and keeps its state beside the cache."""


def own_logprobs(model: Any, made: Completion) -> Any:
    """Of the tokens of a response, by the model's own forward over the whole text."""
    ids = torch.tensor([[*made.prompt_ids, *made.token_ids]])
    logits = model(input_ids=ids, use_cache=False).logits[0, len(made.prompt_ids) - 1 : -1] / TEMPERATURE
    return logits.log_softmax(-1)[torch.arange(len(made.token_ids)), list(made.token_ids)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*SHARED, *ALONE])
def test_a_model_is_sampled_and_trained_with_its_own_probabilities(kind: str, tmp_path: Path) -> None:
    save_architecture(tmp_path, kind)
    engine = TransformersEngine.load(ModelConfig(path=str(tmp_path), options={"batch_size": 4}))
    requests = [
        Request(Prompt(f"p{place}", text, (), "x"), index, 7 * index + place)
        for place, text in enumerate(PROMPTS)
        for index in range(3)
    ]
    made = list(engine.completions(requests, HOT))
    with torch.inference_mode():
        gaps = [(own_logprobs(engine.model, each) - torch.tensor(each.logprobs)).abs().max() for each in made]
    assert max(gaps) < 5e-5  # the largest is qwen3_5's, 2e-5: its states are sums over the whole text
    assert engine.shares_prompts == (kind in SHARED)
    said = engine.identity().get("decoding", "")
    assert said.startswith("the whole text" if kind in WITHOUT_A_CACHE else "one row" if kind in ALONE else "")

    recipe = {"name": "x", "model": {"path": str(tmp_path)}, "problems": {"benchmark": "gsm8k"}}
    policy = Policy(parse_recipe({**recipe, "rollout": {"temperature": TEMPERATURE}}), Needs())
    prompts = list(dict.fromkeys(each.prompt_ids for each in made))
    groups = [prompts.index(each.prompt_ids) for each in made]
    batch = make_batch(prompts, groups, [each.token_ids for each in made], [each.logprobs for each in made])
    assert (policy.logprobs(batch) - batch.behaviour_logprobs_BT)[batch.own_BT].abs().max() < 5e-5

    for micro_batch in policy.reader.micro_batches(batch, torch.arange(len(batch))):
        policy.head.logprobs(micro_batch, batch, TEMPERATURE, False)[0].sum().backward()
    ours = {name: parameter.grad for name, parameter in policy.model.named_parameters()}
    policy.model.zero_grad(set_to_none=True)
    for each in made:
        own_logprobs(policy.model, each).sum().backward()
    difference, size = 0.0, 0.0
    for name, parameter in policy.model.named_parameters():
        if parameter.grad is not None:
            mine = ours[name]
            difference += float((parameter.grad - (0 if mine is None else mine)).square().sum())
            size += float(parameter.grad.square().sum())
    assert difference**0.5 < 2e-5 * size**0.5


def test_there_are_sixty_of_them() -> None:
    assert len(SHARED) + len(ALONE) >= 60
