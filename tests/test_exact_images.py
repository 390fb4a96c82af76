"""Exact chances behind a picture: the sum over right chains that the model itself gives, chain by chain."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, LlamaForCausalLM

from move37.config import ModelConfig, ProblemsConfig, SamplingConfig, from_options
from move37.engines.transformers import TransformersEngine
from move37.errors import InputError
from move37.lab import checkpoint_folder
from move37.lab.exact import puzzle_truths
from move37.lab.vision import VisionShape, make_vision_model, save_vision_model
from move37.problems import load_problems
from move37.prompting import find_template, render_prompt
from move37.types import Problem
from move37.worlds.known import task_of


def problems(size: int, **options: str) -> tuple[Problem, ...]:
    return load_problems((from_options(ProblemsConfig, benchmark="visual-countdown", size=size, options=options),))


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text base with a tower of random weights: it can reason and not see."""
    shape = VisionShape(width=16, layers=1)
    text: Any = LlamaForCausalLM.from_pretrained(checkpoint_folder("countdown-base"))
    return save_vision_model(make_vision_model(text, shape, 0), shape, tmp_path_factory.mktemp("seeing"))


def test_exact_chances_behind_a_picture_are_those_of_every_chain(seeing: Path) -> None:
    engine = TransformersEngine.load(ModelConfig(path=str(seeing), options={"device": "cpu"}))
    (problem,) = problems(1)
    prompt = render_prompt(problem, find_template("chat-plain", {}), engine.render_prompt)
    task: Any = task_of(problem)
    settings = SamplingConfig(n=1, temperature=1.5, top_p=1, max_new_tokens=64, template="chat-plain")
    (truth,) = puzzle_truths(engine, [(task, prompt)], settings, "seeing")
    assert set(truth.chains) == set(task.chains())
    model: Any = AutoModelForImageTextToText.from_pretrained(seeing)
    processor: Any = AutoProcessor.from_pretrained(seeing)
    image = Image.open(BytesIO(problem.images[0].read())).convert("RGB")
    for chain, logprob in list(zip(truth.chains, truth.chain_logprobs, strict=True))[:3]:
        given = processor(text=[prompt.text + chain + "$"], images=[[image]], return_tensors="pt")
        ids, length = given["input_ids"], len(chain) + 1
        with torch.no_grad():
            logits = model(**given).logits[0, -length - 1 : -1]
        own = (logits / 1.5).log_softmax(-1).gather(1, ids[0, -length:, None]).sum()
        assert logprob == pytest.approx(float(own), abs=1e-3)
    assert truth.logprob == pytest.approx(float(np.logaddexp.reduce(truth.chain_logprobs)))
    with pytest.raises(InputError, match="chances behind images are computed at top_p = 1"):
        list(puzzle_truths(engine, [(task, prompt)], settings.model_copy(update={"top_p": 0.9}), "seeing"))
