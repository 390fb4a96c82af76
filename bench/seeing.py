"""Claim: many samples of one question about one image read the image once, and that pays: against transformers'
`generate(num_return_sequences=n)` of the same model, law and precision, which reads it n times.

A random Idefics3-shaped model (SmolVLM's family) of about a million parameters, saved and opened by both. Seconds per
token, in turns; the ratio is the median of rounds. tests/test_engine_images.py has that the samples follow one law.

    python bench/seeing.py [--n 64] [--images 4] [--tokens 24] [--rounds 5]
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

sys.path.insert(0, str(Path(__file__).parents[1]))

from move37.config import ModelConfig, SamplingConfig
from move37.engines.transformers import TransformersEngine
from move37.images import pixels
from move37.types import Message, Prompt, Request, TextPart
from tests.tiny_vision import picture, save_vision_model


class Ours:
    def __init__(self, folder: Path, images: int) -> None:
        self.engine = TransformersEngine.load(ModelConfig(path=str(folder)))
        self.prompts = []
        for number in range(images):
            message = Message("user", (picture(64 + 32 * number, 64, number), TextPart("how many are there?")))
            text = self.engine.render_prompt([message])
            self.prompts.append(Prompt(f"p{number}", text, (), "chat", (message,), rendered=True))

    def sample(self, n: int, tokens: int, seed: int) -> int:
        requests = [Request(prompt, i, seed * 10_000 + i) for prompt in self.prompts for i in range(n)]
        sampling = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=tokens)
        return sum(sample.tokens or 0 for sample in self.engine.generate(requests, sampling))


class Theirs:
    def __init__(self, folder: Path, prompts: list[Prompt]) -> None:
        self.model: Any = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = AutoProcessor.from_pretrained(folder, backend="pil")
        self.prompts = prompts

    def sample(self, n: int, tokens: int, seed: int) -> int:
        torch.manual_seed(seed)
        made = 0
        for prompt in self.prompts:
            images = [[pixels(image, prompt.problem_id) for image in prompt.images]]
            inputs = self.processor(text=[prompt.text], images=images, add_special_tokens=False, return_tensors="pt")
            with torch.inference_mode():
                given = self.model.generate(
                    **inputs, do_sample=True, top_k=0, max_new_tokens=tokens, num_return_sequences=n
                )
            ended = (given[:, inputs["input_ids"].shape[1] :] == 1).long()
            made += int((ended.cumsum(1) - ended == 0).sum())
        return made


def seconds_per_token(sample: Callable[[int, int, int], int], n: int, tokens: int, seed: int) -> float:
    start = time.perf_counter()
    made = sample(n, tokens, seed)
    return (time.perf_counter() - start) / made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("n", 64), ("images", 4), ("tokens", 24), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        shape = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "head_dim": 32}
        path = save_vision_model(Path(folder) / "m", "idefics3", **shape)
        ours = Ours(path, asked.images)
        theirs = Theirs(path, ours.prompts)
        rows = []
        for turn in range(asked.rounds + 1):
            both = [seconds_per_token(each.sample, asked.n, asked.tokens, turn) for each in (ours, theirs)]
            if turn:  # the first one prepares
                rows.append(both)
                print(f"round {turn}: move37 {1e6 * both[0]:9.1f} us/token, generate {1e6 * both[1]:9.1f} us/token")
    ratio = statistics.median(theirs / ours for ours, theirs in rows)
    print(f"{asked.n} samples of {asked.images} images: generate takes {ratio:.2f} times as long per token")
    print(json.dumps({"bench": "seeing", "n": asked.n, "images": asked.images, "ratio": round(ratio, 3)}))


if __name__ == "__main__":
    main()
