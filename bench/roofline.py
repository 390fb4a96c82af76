"""How near a GPU's own limits sampling and training of SmolLM2-135M come: the same world as `bench/training.py --device
cuda` (bfloat16, 32 prompts, 16 responses each, up to 512 tokens).

The floor of a decode step is the larger of two times: what it must read (all weights once, keys and values of every
live token) over the bandwidth, and its products over the rate of products. The floor of an update is its products
alone: six operations per weight and token that has an advantage (two forward, four backward), and attention's. Both
limits are measured first, by a large copy and a large product. The share is floor over time; whatever else is done
(drawing tokens, norms, launching kernels, the optimizer) lowers it.

    python bench/roofline.py [--rounds 3] [--unrecorded]

`--unrecorded` also samples without recorded steps.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from training import MadeUp, clocks, make_smollm2, our_step, recipe_of, replace_verdicts, story

from move37.config import ModelConfig, SamplingConfig
from move37.engines.transformers import TransformersEngine
from move37.engines.transformers_forward import LlamaForward
from move37.engines.transformers_llama import head_width
from move37.seeds import sample_seed
from move37.training.loop import Trainer
from move37.training.records import Silent
from move37.types import Prompt, Request
from move37.verification import VerifierPool


class Limits(NamedTuple):
    """Bytes a second (read and written) and bfloat16 operations a second."""

    bandwidth: float
    rate: float


def measure_limits() -> Limits:
    halves = torch.randn(2, 2**30, device="cuda")
    copied = halves.nbytes / median_seconds(lambda: halves[0].copy_(halves[1]))
    left, right = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return Limits(copied, 2 * 8192**3 / median_seconds(lambda: left @ right))


def median_seconds(work: Callable[[], object], times: int = 10) -> float:
    seconds = []
    for _ in range(times + 3):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])


class Work:
    """Adds up the floor of all decode steps of a model while it samples."""

    def __init__(self, engine: TransformersEngine, limits: Limits) -> None:
        config: Any = engine.model.config
        weights = sum(p.numel() for p in engine.model.parameters())  # embeddings are tied: the head reads them all
        width = head_width(engine.model)
        token_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * width * 2
        token_operations = 4 * config.num_hidden_layers * config.num_attention_heads * width
        self.steps, self.floor = 0, 0.0
        step = LlamaForward.step

        def counted(forward: LlamaForward, tokens: Any, positions: Any, *rest: Any) -> Tensor:
            live = int(positions.sum()) + len(tokens)
            read = 2 * weights + token_bytes * live
            operations = 2 * weights * len(tokens) + token_operations * live
            self.steps, self.floor = self.steps + 1, self.floor + max(read / limits.bandwidth, operations / limits.rate)
            return step(forward, tokens, positions, *rest)

        LlamaForward.step = counted  # type: ignore[method-assign]
        self.stop = lambda: setattr(LlamaForward, "step", step)


def measure_sampling(path: Path, prompts: int, rounds: int, limits: Limits, recorded: bool) -> dict[str, float]:
    options = {"device": "cuda", "dtype": "bfloat16", "batch_size": 512, "cuda_graphs": recorded}
    engine = TransformersEngine.load(ModelConfig(path=str(path), options=options))
    sampling = SamplingConfig(n=16, temperature=1.0, top_p=1.0, max_new_tokens=512, template="completion")
    seconds = tokens = 0.0
    work = Work(engine, limits)
    for turn in range(rounds + 1):
        if turn == 1:
            work.steps, work.floor = 0, 0.0
        requests = [
            Request(Prompt(f"p{number}", story(number), (), "completion"), n, sample_seed(turn, "b", f"p{number}", n))
            for number in range(prompts)
            for n in range(16)
        ]
        start = clocks()["wall"]
        made = sum(sample.tokens or 0 for sample in engine.generate(requests, sampling))
        spent = clocks()["wall"] - start
        print(f"sampling, recorded {recorded}, round {turn}: {made} tokens in {spent:.2f} s", flush=True)
        if turn:
            seconds, tokens = seconds + spent, tokens + made
    work.stop()
    return {
        "tokens_per_second": tokens / seconds,
        "ms_per_step": 1e3 * seconds / work.steps,
        "floor_ms_per_step": 1e3 * work.floor / work.steps,
        "share": work.floor / seconds,
    }


def measure_update(args: argparse.Namespace, folder: Path, limits: Limits) -> dict[str, float]:
    recipe = recipe_of(args, folder)
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, folder / "run", pool, Silent())
        trainer.begin()
        replace_verdicts(trainer.rollout_worker, MadeUp(recipe, args.mixed))
        config: Any = trainer.policy.model.config
        weights = sum(p.numel() for p in trainer.policy.model.parameters())
        attention = 12 * config.num_hidden_layers * config.num_attention_heads * head_width(trainer.policy.model)
        seconds = floor = tokens = sampling = sampled = 0.0
        for turn in range(args.rounds + 1):
            our_step(trainer)
            last = json.loads(trainer.training.folder.log.read_text().splitlines()[-1])
            phases = {key: round(last[key], 3) for key in last if key.startswith("seconds_")}
            print(f"training, round {turn}: {last['trained_tokens']:.0f} tokens, {phases}", flush=True)
            if turn:
                trained = last["trained_tokens"]
                operations = trained * (6 * weights + attention * last["length_mean"] / 2)
                seconds, floor = seconds + last["seconds_update"], floor + operations / limits.rate
                tokens, sampled = tokens + trained, sampled + last["sampled_tokens"]
                sampling += last["seconds_sample"]
    return {
        "trained_tokens_per_second": tokens / seconds,
        "sampled_tokens_per_second": sampled / sampling,
        "seconds_per_step": seconds / args.rounds,
        "floor_seconds_per_step": floor / args.rounds,
        "share": floor / seconds,
        "peak_mib": torch.cuda.max_memory_reserved() / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Shares of a GPU's limits.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--unrecorded", action="store_true")
    parser.add_argument("--mixed", type=float, default=0.6, help="Share of prompts with right and wrong responses.")
    args = parser.parse_args()
    args.model, args.device, args.threads = "smollm2", "cuda", 2
    if not torch.cuda.is_available():  # scripts/bench goes on with what can be measured here
        print("nothing measured: needs a GPU")
        return
    limits = measure_limits()
    print(f"{torch.cuda.get_device_name()}: {limits.bandwidth / 1e12:.2f} TB/s, {limits.rate / 1e12:.0f} TFLOP/s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_smollm2(folder / "model")
        shares: dict[str, Any] = {}
        for recorded in (True, False) if args.unrecorded else (True,):
            label = "sampling" if recorded else "sampling, not recorded"
            shares[label] = measure_sampling(folder / "model", args.prompts, args.rounds, limits, recorded)
            torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        shares["update"] = measure_update(args, folder, limits)
    for label, figures in shares.items():
        print(f"{label}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))
    figures = {label: {key: round(value, 4) for key, value in each.items()} for label, each in shares.items()}
    settings = {"device": torch.cuda.get_device_name(), "prompts": args.prompts, "rounds": args.rounds}
    print(json.dumps({"settings": settings, "bandwidth": limits.bandwidth, "rate": limits.rate, **figures}))


if __name__ == "__main__":
    main()
