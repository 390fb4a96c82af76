"""How long do exact chances take, and how much is saved by reading equal beginnings once?

    python bench/exact.py

The shipped base on 100 puzzles in pretraining and 100 of five numbers that need four steps; CPU seconds of this
process, without loading. Padded tokens: a row for each chain with its prompt, padded to the longest of its puzzle.
"""

import json
import time

import numpy as np
import torch

from move37.config import ModelConfig, ProblemsConfig, SamplingConfig
from move37.countdown import Oracle, Puzzle
from move37.engines.transformers import TransformersEngine
from move37.estimates.known import known_pass_at_k
from move37.lab import checkpoint_folder
from move37.lab.exact import puzzle_truths
from move37.problems import load_problems
from move37.prompting import find_template, render_prompt

KS = np.array([1, 4, 16, 64, 256, 1024, 16_384, 2**20])


def main() -> None:
    torch.set_num_threads(1)
    engine = TransformersEngine.load(ModelConfig(path=str(checkpoint_folder("countdown-base"))))
    sampling = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64, template="completion")
    figures = {}
    for tier in ("in-pretraining", "five-long"):
        problems = load_problems([ProblemsConfig(benchmark=f"countdown:{tier}", size=100)])
        template = find_template("completion", {})
        asked = [(Oracle(Puzzle.of(problem.metadata)), render_prompt(problem, template)) for problem in problems]
        start = time.process_time()
        truths = list(puzzle_truths(engine, asked, sampling, "base"))
        seconds = time.process_time() - start
        logs = np.array([truth.logprob for truth in truths])
        tokens, padded = (sum(getattr(truth, name) for truth in truths) for name in ("tokens", "padded_tokens"))
        curve = known_pass_at_k(logs, KS).round(5).tolist()
        print(f"{tier}: {seconds:.1f} CPU s, {tokens:,} tokens ({padded / tokens:.1f} times as many padded)")
        bound = np.exp(max(truth.unlisted - truth.logprob for truth in truths))
        print(f"  right responses that are not listed: at most {bound:.2g} of a puzzle's chance")
        print(f"  pass@k {dict(zip(KS.tolist(), curve, strict=True))}, rarest 10^{logs.min() / np.log(10):.1f}")
        figures[tier] = {"cpu_seconds": seconds, "tokens": tokens, "padded_tokens": padded, "pass_at_k": curve}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
