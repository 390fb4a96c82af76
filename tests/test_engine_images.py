"""Models that read images, against the same models through transformers alone: tiny random ones of three families."""

import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
from scipy import stats  # noqa: E402
from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: E402

from move37.config import ModelConfig, SamplingConfig  # noqa: E402
from move37.engines import transformers_images  # noqa: E402
from move37.engines.transformers import TransformersEngine  # noqa: E402
from move37.engines.transformers_images import ImagePrompt  # noqa: E402
from move37.engines.transformers_load import open_images  # noqa: E402
from move37.errors import ConfigError, MissingExtraError  # noqa: E402
from move37.images import pixels  # noqa: E402
from move37.types import ImagePart, Message, Prompt, Request, TextPart  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402
from tests.tiny_vision import KINDS, picture, save_vision_model, tokenizer  # noqa: E402

IMAGES = (picture(40, 60), picture(90, 30, seed=1), picture(64, 64, seed=2))
SIZES = ((0,), (1,), (), (2, 0))
"""Which of the images each prompt has."""


class Plain:
    """A model through transformers alone."""

    def __init__(self, folder: Path) -> None:
        self.model: Any = AutoModelForImageTextToText.from_pretrained(folder).eval()
        self.processor = AutoProcessor.from_pretrained(folder, backend="pil")
        self.image_token = self.model.config.image_token_id

    def inputs(self, prompt: Prompt) -> dict[str, Any]:
        images = [[pixels(image, "p") for image in prompt.images]] if prompt.images else None
        return self.processor(text=[prompt.text], images=images, add_special_tokens=False, return_tensors="pt")

    def logprobs(self, prompt: Prompt, response: tuple[int, ...]) -> list[float]:
        """Of a response, with all read at once."""
        inputs = dict(self.inputs(prompt))
        start = inputs["input_ids"].shape[1]
        for name, values in inputs.items():
            if values.shape == (1, start):
                behind = torch.full((1, len(response)), int(name == "attention_mask"))
                inputs[name] = torch.cat([values, torch.tensor([response]) if name == "input_ids" else behind], 1)
        with torch.inference_mode():
            logits = self.model(**inputs, use_cache=False).logits[0, start - 1 : -1].double()
        return logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None])[:, 0].tolist()


@pytest.fixture(scope="module", params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vision_model(tmp_path_factory.mktemp("seeing"), request.param)


@pytest.fixture(scope="module")
def engine(folder: Path) -> TransformersEngine:
    return TransformersEngine.load(ModelConfig(path=str(folder), options={"batch_size": 7}))


def asked(engine: TransformersEngine, name: str, images: tuple[ImagePart, ...], text: str = "what is it?") -> Prompt:
    message = Message("user", (*images, TextPart(text)))
    return Prompt(name, engine.render_prompt([message]), (), "chat", (message,), rendered=True)


def prompts_of(engine: TransformersEngine) -> list[Prompt]:
    return [asked(engine, f"p{i}", tuple(IMAGES[place] for place in which)) for i, which in enumerate(SIZES)]


def requests_of(prompts: list[Prompt], n: int) -> list[Request]:
    return [Request(prompt, index, 100 * p + index) for p, prompt in enumerate(prompts) for index in range(n)]


@pytest.mark.slow
def test_samples_have_the_probabilities_of_one_reading(folder: Path, engine: TransformersEngine) -> None:
    plain, prompts = Plain(folder), prompts_of(engine)
    settings = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=12, keep_tokens=True)
    made = list(engine.generate(requests_of(prompts, 5), settings))
    assert Counter(sample.problem_id for sample in made) == {prompt.problem_id: 5 for prompt in prompts}
    by_id = {prompt.problem_id: prompt for prompt in prompts}
    for sample in made:
        assert sample.token_ids is not None
        if plain.image_token in sample.token_ids:
            continue  # read at once it would stand for an image that is not there
        prompt = by_id[sample.problem_id]
        expected = plain.logprobs(prompt, sample.token_ids)
        assert sample.logprobs == pytest.approx(expected, abs=2e-4)
        scored = engine.score(engine.encode_prompt(prompt), sample.token_ids)
        assert scored == pytest.approx(expected, abs=2e-4)
        assert engine.count_tokens(prompt) == plain.inputs(prompt)["input_ids"].shape[1]


def test_greedy_samples_are_those_of_generate(folder: Path, engine: TransformersEngine) -> None:
    plain, prompts = Plain(folder), prompts_of(engine)
    settings = SamplingConfig(temperature=0.0, top_p=1.0, max_new_tokens=10, keep_tokens=True)
    for prompt, sample in zip(prompts, engine.generate(requests_of(prompts, 1), settings), strict=True):
        inputs = plain.inputs(prompt)
        given = plain.model.generate(**inputs, do_sample=False, max_new_tokens=10)
        assert sample.token_ids == tuple(given[0, inputs["input_ids"].shape[1] :].tolist())


def test_the_same_text_with_another_image_is_another_prompt(engine: TransformersEngine) -> None:
    one, other = (asked(engine, "p", IMAGES[place : place + 1]) for place in (0, 2))
    settings = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=6)
    together = list(engine.generate([Request(one, 0, 5), Request(other, 1, 5)], settings))
    alone = [next(iter(engine.generate([Request(prompt, 0, 5)], settings))) for prompt in (one, other)]
    assert one.text == other.text
    by_index = {sample.index: sample for sample in together}
    assert [by_index[place].logprob for place in (0, 1)] == pytest.approx([each.logprob for each in alone], abs=1e-4)
    assert alone[0].logprob != alone[1].logprob


def test_completions_carry_their_images(engine: TransformersEngine) -> None:
    prompt = asked(engine, "p", IMAGES[:1])
    settings = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=3)
    (made,) = engine.completions(requests_of([prompt], 1), settings)
    assert isinstance(made.prompt_ids, ImagePrompt)
    assert made.prompt_ids == tuple(engine.encode_prompt(prompt))
    assert "pixel_values" in made.prompt_ids.inputs()


@pytest.mark.slow
def test_samples_follow_the_law_of_generate(tmp_path: Path) -> None:
    """First two tokens of 600 samples each, images of two sizes in one batch: chi-square of two samples."""
    folder = save_vision_model(tmp_path / "m")
    engine, plain = TransformersEngine.load(ModelConfig(path=str(folder), options={"batch_size": 64})), Plain(folder)
    prompts = [asked(engine, f"p{place}", IMAGES[place : place + 1]) for place in (0, 1)]
    settings = SamplingConfig(temperature=0.5, top_p=1.0, max_new_tokens=2, keep_tokens=True)
    made = list(engine.generate(requests_of(prompts, 600), settings))
    torch.manual_seed(0)
    for prompt in prompts:
        inputs = plain.inputs(prompt)
        start = inputs["input_ids"].shape[1]
        given = plain.model.generate(
            **inputs, do_sample=True, temperature=0.5, top_k=0, top_p=1.0, max_new_tokens=2, num_return_sequences=600
        )
        theirs = Counter(tuple(row[: 1 + (row[0] != 1)]) for row in given[:, start:].tolist())
        ours: Counter[Any] = Counter(sample.token_ids for sample in made if sample.problem_id == prompt.problem_id)
        frequent = [each for each, count in (ours + theirs).most_common(12) if count >= 10]
        table = [[of[each] for each in frequent] for of in (ours, theirs)]
        table = [[*row, 600 - sum(row)] for row in table]
        tested: Any = stats.chi2_contingency(table)
        assert tested.pvalue > 1e-3


def test_a_prompt_is_read_once_for_all_samples(engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    forward = type(engine.model).forward
    prompts = prompts_of(engine)

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        read.append(kwargs["input_ids"].shape[1])
        return forward(self, *args, **kwargs)

    list(engine.generate(requests_of(prompts, 1), SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=1)))
    monkeypatch.setattr(engine._forward, "model", _Counting(engine.model, counting))  # type: ignore[attr-defined]
    settings = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=4)
    assert len(list(engine.generate(requests_of(prompts, 20), settings))) == 80
    assert sum(length > 1 for length in read) == len(prompts)


class _Counting:
    """A model of which every call is seen."""

    def __init__(self, model: Any, call: Any) -> None:
        self._model, self._call = model, call

    def __call__(self, **kwargs: Any) -> Any:
        return self._call(self._model, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def test_what_cannot_be_seen_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = TransformersEngine.load(ModelConfig(path=str(save_model(tmp_path / "text"))))
    message = Message("user", (IMAGES[0], TextPart("a")))
    with pytest.raises(ConfigError, match="reads text only"):
        text.render_prompt([message])
    folder = save_vision_model(tmp_path / "seeing")
    engine = TransformersEngine.load(ModelConfig(path=str(folder)))
    unplaced = Prompt("p7", "what is it?", (), "completion", (message,))
    with pytest.raises(ConfigError, match=r"problem p7: .* cannot place its 1 images in the prompt"):
        engine.count_tokens(unplaced)
    placed = Prompt("p7", "<image>what is it?", (), "completion", (message,))
    assert engine.encode_prompt(placed)[0] == 0  # the begin token that texts of no template get
    settings = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=500)
    with pytest.raises(Exception, match="exceed the context"):
        list(engine.generate([Request(placed, 0, 0)], settings))

    def missing(*_: Any, **__: Any) -> Any:
        raise ImportError("Qwen2VLVideoProcessor requires the Torchvision library (torchvision)")

    monkeypatch.setattr(transformers_images.AutoProcessor, "from_pretrained", missing)
    monkeypatch.setattr(transformers_images, "find_spec", lambda package: package != "torchvision" or None)
    blind = TransformersEngine.load(ModelConfig(path=str(folder)))
    assert blind.render_prompt([Message.of("user", "a")])
    with pytest.raises(MissingExtraError, match="needs torchvision: pip install torchvision"):
        blind.render_prompt([message])


def test_a_package_that_a_processor_needs_is_named_with_its_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of Qwen2.5-VL, whose processor of videos has no way without torchvision; and packages taken away."""
    tokenizer("<|image_pad|>").save_pretrained(tmp_path)
    written = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(written))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    found = open_images(str(tmp_path), None, False, {})
    if find_spec("torchvision") is None:
        assert isinstance(found, MissingExtraError)
        install = "pip install torchvision (the build that belongs to your torch)"
        assert str(found) == f"{tmp_path}: its image processor needs torchvision: {install}"

    def missing(*_: Any, **__: Any) -> Any:
        raise ImportError("Package `num2words` is required to run\nSmolVLM processor.")

    monkeypatch.setattr(transformers_images.AutoProcessor, "from_pretrained", missing)
    found = open_images(str(tmp_path), None, False, {})
    said = "Package `num2words` is required to run SmolVLM processor."
    assert str(found) == f"{tmp_path}: its image processor cannot be loaded: {said}"
    monkeypatch.setattr(transformers_images, "find_spec", lambda _: None)
    assert str(open_images(str(tmp_path), None, False, {})).endswith("needs Pillow: pip install 'move37[vision]'")
