"""Claim: what many samples of a small model have in common is computed once, and that pays: against transformers'
`generate(num_return_sequences=n)` of the same model, law and precision.

Samples of one prompt that have drawn the same tokens so far go on as one row, so the work grows with the number of
distinct beginnings, not with n. The table has the tokens that were computed for every hundred that were sampled, and
seconds in turns. Nothing about the samples changes: tests/test_engines.py compares each with itself alone.

    python bench/sharing.py [--model FOLDER] [--n 16 256 1024] [--puzzles 4] [--rounds 3] [--threads 2]

Without a folder the lab's base; a checkpoint of studies/countdown-grpo.toml has more in common.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from move37.config import ModelConfig, ProblemsConfig, SamplingConfig
from move37.engines.transformers import TransformersEngine
from move37.engines.transformers_forward import LlamaForward
from move37.lab import checkpoint_folder
from move37.problems import load_problems
from move37.seeds import sample_seed
from move37.types import Prompt, Request

LONGEST = 48


class Ours:
    def __init__(self, path: Path, prompts: list[Prompt]) -> None:
        self.engine = TransformersEngine.load(ModelConfig(path=str(path)))
        self.prompts = prompts
        self.rows = 0
        step = LlamaForward.step

        def counted(forward: LlamaForward, tokens: NDArray[np.int64], *rest: Any) -> torch.Tensor:
            self.rows += len(tokens)
            return step(forward, tokens, *rest)

        LlamaForward.step = counted  # type: ignore[assignment, method-assign]

    def sample(self, n: int, seed: int) -> int:
        """How many tokens the samples have."""
        requests = [Request(p, i, sample_seed(seed, "bench", p.problem_id, i)) for p in self.prompts for i in range(n)]
        sampling = SamplingConfig(n=n, temperature=1.0, top_p=1.0, max_new_tokens=LONGEST, template="completion")
        return sum(sample.tokens or 0 for sample in self.engine.generate(requests, sampling))


class Theirs:
    def __init__(self, path: Path, prompts: list[Prompt]) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(path)
        self.prompts = [tokenizer(p.text, return_tensors="pt")["input_ids"] for p in prompts]
        self.end: int = tokenizer.eos_token_id

    def sample(self, n: int, seed: int) -> int:
        torch.manual_seed(seed)
        settings = GenerationConfig(
            do_sample=True,
            temperature=1.0,
            top_p=1.0,
            top_k=0,
            max_new_tokens=LONGEST,
            num_return_sequences=n,
            eos_token_id=self.end,
            pad_token_id=self.end,
        )
        tokens = 0
        for ids in self.prompts:
            with torch.inference_mode():
                made = self.model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
            ended = (made[:, ids.shape[1] :] == self.end).long()
            tokens += int((ended.cumsum(1) - ended == 0).sum())  # up to and including the first end token
        return tokens


def seconds_per_token(sample: Callable[[int, int], int], n: int, seed: int) -> float:
    start = time.perf_counter()
    tokens = sample(n, seed)
    return (time.perf_counter() - start) / tokens


def main() -> None:
    parser = argparse.ArgumentParser(description="What samples of one prompt have in common.")
    parser.add_argument("--model", type=Path, default=checkpoint_folder("countdown-base"))
    parser.add_argument("--n", type=int, nargs="+", default=[16, 256, 1024])
    parser.add_argument("--puzzles", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    problems = load_problems((ProblemsConfig(benchmark="countdown", size=args.puzzles, seed=1),))
    prompts = [Prompt(p.id, p.question, (), "completion") for p in problems]
    ours, theirs = Ours(args.model, prompts), Theirs(args.model, prompts)
    figures = []
    print(f"{'n':>6} {'computed':>9} {'us a token':>11} {'generate':>9}  ratio (range)")
    for n in args.n:
        for sample in (ours.sample, theirs.sample):
            seconds_per_token(sample, n, 0)  # warm
        ours.rows, sampled, pairs = 0, 0, []
        for seed in range(1, args.rounds + 1):
            start = time.perf_counter()
            tokens = ours.sample(n, seed)
            own = (time.perf_counter() - start) / tokens
            sampled += tokens
            pairs.append((own, seconds_per_token(theirs.sample, n, seed)))
        share, ratios = ours.rows / sampled, sorted(other / own for own, other in pairs)
        own, other = (1e6 * statistics.median(side) for side in zip(*pairs, strict=True))
        ratio = statistics.median(ratios)
        print(f"{n:6d} {share:9.1%} {own:11.1f} {other:9.1f}  {ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        figures.append({"n": n, "computed": round(share, 4), "us": [own, other], "ratios": ratios})
    print(json.dumps({"model": str(args.model.name), "settings": {"puzzles": args.puzzles}, "figures": figures}))


if __name__ == "__main__":
    main()
