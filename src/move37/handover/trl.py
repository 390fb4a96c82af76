"""TRL 1.16: one script that runs as it is, for GRPO, Dr. GRPO, DAPO and RLOO; TRL has no PPO, ReMax or Reinforce++.

Decisions.
- Prompts of a text template go over as texts, so TRL adds what our engine adds and nothing else.
- Token mean is TRL's "dapo" ("bnpo" takes the mean of each micro-batch).
- One generation serves one of our steps: `steps_per_generation` covers the whole batch, and `max_steps` counts TRL's
  optimizer steps.
- Held-out problems are sampled by TRL's own evaluation; `Boundary` reads them there (`elsewhere/trl.py`).
"""

from pathlib import Path
from pprint import pformat
from typing import Any

from move37.exporters.written import write_rows, writing_text
from move37.handover.plan import HandOver
from move37.handover.problems import FILE, ground_truth, write_problems
from move37.training.algorithms.dapo import DAPO
from move37.training.algorithms.grpo import GRPO
from move37.training.algorithms.rloo import RLOO
from move37.types import Problem

_LOSS = {"token-mean": "dapo", "seq-mean-token-mean": "grpo", "seq-mean-token-sum-norm": "dr_grpo"}
_SCHEDULE = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}


class TrlTrainer:
    def write(self, plan: HandOver, out: Path) -> tuple[list[Path], list[str]]:
        differs = _refuse_impossible(plan)
        everything = {each.id: each for each in (*plan.problems, *plan.held_out)}
        files = [
            write_problems(out / FILE, everything.values()),
            write_rows(out / "train.jsonl", (_row(plan, each) for each in plan.problems)),
            write_rows(out / "validation.jsonl", (_row(plan, each) for each in plan.held_out)),
        ]
        for name, text in (("train.py", _script(plan)), ("README.md", _readme(plan, differs))):
            with writing_text(out / name) as file:
                file.write(text)
            files.append(out / name)
        return files, differs


def settings_of(plan: HandOver) -> dict[str, Any]:
    """The arguments of GRPOConfig or RLOOConfig that the recipe decides."""
    recipe, rollout, loss, optimizer = plan.recipe, plan.recipe.rollout, plan.recipe.loss, plan.recipe.optimizer
    mini_batches = optimizer.mini_batches
    settings: dict[str, Any] = {
        "max_steps": recipe.steps * optimizer.epochs * mini_batches,
        "num_generations": rollout.responses,
        "per_device_train_batch_size": rollout.responses,
        "gradient_accumulation_steps": rollout.prompts // mini_batches,
        "steps_per_generation": rollout.prompts,
        "num_iterations": optimizer.epochs,
        "max_completion_length": rollout.max_new_tokens,
        "temperature": rollout.temperature,
        "top_p": 1.0,
        "top_k": 0,
        "learning_rate": optimizer.learning_rate,
        "lr_scheduler_type": _SCHEDULE[optimizer.schedule],
        "warmup_steps": optimizer.warmup_steps,
        "adam_beta1": optimizer.betas[0],
        "adam_beta2": optimizer.betas[1],
        "weight_decay": optimizer.weight_decay,
        "max_grad_norm": optimizer.gradient_norm,
        "beta": loss.kl_coefficient,
        "epsilon": loss.clip_low,
        "epsilon_high": loss.clip_high,
        "seed": recipe.seed % 2**32,
        "bf16": recipe.model.precision == "bfloat16",
        "gradient_checkpointing": recipe.model.gradient_checkpointing,
        "log_completions": True,
        "num_completions_to_print": 0,
        "logging_steps": 1,
        "report_to": [] if not recipe.records.to else list(recipe.records.to),
        "save_strategy": "steps" if recipe.checkpoints.keep_every else "no",
        "save_steps": recipe.checkpoints.keep_every or 500,
    }
    if not isinstance(plan.algorithm, RLOO):
        scaled = not (isinstance(plan.algorithm, GRPO) and plan.algorithm.options.scale == "none")
        settings |= {"loss_type": _LOSS[loss.aggregation], "scale_rewards": "group" if scaled else "none"}
        settings |= {"delta": loss.dual_clip, "entropy_coef": loss.entropy_coefficient}
    if plan.held_out:
        every = {"eval_strategy": "steps", "eval_steps": recipe.evaluation.every * optimizer.epochs * mini_batches}
        n = {"num_generations_eval": recipe.evaluation.n, "per_device_eval_batch_size": 8 * recipe.evaluation.n}
        settings |= every | {"eval_on_start": True} | n
    return settings


def _refuse_impossible(plan: HandOver) -> list[str]:
    recipe, loss, algorithm = plan.recipe, plan.recipe.loss, plan.algorithm
    rloo, kl = isinstance(algorithm, RLOO), bool(loss.kl_coefficient)
    plan.refuse(
        "TRL",
        {
            "algorithm.name": None
            if isinstance(algorithm, GRPO | DAPO | RLOO)
            else f"has no {recipe.algorithm.name} (it has grpo, dapo and rloo; verl has all six)",
            "algorithm.options.ddof": "divides by G - 1"
            if isinstance(algorithm, GRPO) and not _trls(algorithm)
            else None,
            "rollout.responses": "compares responses to one prompt; give at least 2"
            if recipe.rollout.responses < 2
            else None,
            "rollout.prompts": "needs mini-batches of equal size"
            if recipe.rollout.prompts % recipe.optimizer.mini_batches
            else None,
            "loss.ratio": 'takes one ratio per response with rloo: set loss.ratio = "sequence" and loss.aggregation = '
            '"seq-mean-token-mean"'
            if rloo and loss.ratio == "token"
            else "has one ratio per response with rloo alone"
            if not rloo and loss.ratio == "sequence"
            else None,
            "loss.aggregation": f"has no {loss.aggregation}" if not rloo and loss.aggregation not in _LOSS else None,
            "loss.kl_in": "has the KL in the loss" if kl and loss.kl_in == "reward" and not rloo else None,
            "loss.kl_estimator": "has k3 alone" if kl and loss.kl_estimator != "k3" and not rloo else None,
            "loss.kl_coefficient": "puts the KL into the reward with rloo, by k1; do so too (kl_in, kl_estimator)"
            if kl and rloo and (loss.kl_in, loss.kl_estimator) != ("reward", "k1")
            else None,
            "loss.dual_clip": "has a dual clip with grpo alone" if rloo and loss.dual_clip else None,
            "loss.entropy_coefficient": "has an entropy bonus with grpo alone"
            if rloo and loss.entropy_coefficient
            else None,
        },
    )
    differs = []
    if not rloo:
        differs.append("the standard deviation of a group gets 1e-4 added, not 1e-6")
    if isinstance(algorithm, DAPO):
        differs.append(
            "groups that are all right or all wrong are trained on with an advantage of 0, not refilled; a response "
            "that nears the limit pays DAPO's penalty in the reward, as here"
        )
    differs.append("the order of the problems is TRL's own")
    return differs


def _trls(algorithm: GRPO) -> bool:
    return algorithm.options.scale == "none" or algorithm.options.ddof == 1


def _row(plan: HandOver, problem: Problem) -> dict[str, Any]:
    prompt = plan.chat(problem) if plan.template.chat else plan.prompt(problem)
    return {"prompt": prompt, "problem_id": problem.id, "answer": ground_truth(problem)}


def _script(plan: HandOver) -> str:
    recipe = plan.recipe
    kind = "RLOO" if isinstance(plan.algorithm, RLOO) else "GRPO"
    model, rank = recipe.model, recipe.model.lora_rank
    lora = ""
    if rank:
        lora = f"LoraConfig(r={rank}, lora_alpha={model.lora_alpha or 2 * rank}, target_modules='all-linear')"
    reward = _with_penalty(plan)
    return _SCRIPT.format(
        name=recipe.name,
        kind=kind,
        model=model.path,
        stop=plan.template.stop,
        verification=pformat(recipe.verification.model_dump(mode="json"), width=110),
        settings=pformat(settings_of(plan), width=110, sort_dicts=False),
        trust=model.trust_remote_code,
        peft="\nfrom peft import LoraConfig" if rank else "",
        lora=f", peft_config={lora}" if rank else "",
        reward=reward,
        extra="Overlong, " if reward != "rewards" else "",
    )


def _with_penalty(plan: HandOver) -> str:
    """The reward as the script writes it."""
    match plan.algorithm:
        case DAPO(options=options) if options.buffer_share:
            limit = plan.recipe.rollout.max_new_tokens
            return f"Overlong(rewards, {limit}, {max(1, round(options.buffer_share * limit))}, {options.penalty})"
    return "rewards"


_SCRIPT = '''"""{name}, trained by TRL. Written by `move37 export trl`; needs `pip install trl` and move37.

    python train.py                     # all steps
    python train.py --max_steps 2       # any setting of TRL by its name
    move37 watch output/boundary --verifier reported
"""

import json
import sys
from pathlib import Path

import torch
from datasets import Dataset{peft}
from transformers import AutoModelForCausalLM, AutoTokenizer, HfArgumentParser
from trl import {kind}Config, {kind}Trainer

from move37.elsewhere.rewards import {extra}ProblemRewards
from move37.elsewhere.trl import Boundary

HERE = Path(__file__).resolve().parent
MODEL = {model!r}
STOP = {stop!r}
VERIFICATION = {verification}
SETTINGS = {settings}


def rows(name: str) -> Dataset | None:
    found = [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    return Dataset.from_list(found) if found else None


def main() -> {kind}Trainer:
    given = [f"--output_dir={{HERE / 'output'}}", *sys.argv[1:]]
    defaults = SETTINGS | {{"use_cpu": not torch.cuda.is_available()}}
    parser = HfArgumentParser({kind}Config)
    parser.set_defaults(**defaults)
    (settings,) = parser.parse_args_into_dataclasses(given)
    tokenizer = AutoTokenizer.from_pretrained(MODEL, padding_side="left", trust_remote_code={trust})
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, trust_remote_code={trust})
    # A stop string that is one token ends a response; the reward cuts at the others.
    ends = [tokenizer.eos_token_id, *(tokenizer.get_vocab()[each] for each in STOP if each in tokenizer.get_vocab())]
    model.generation_config.eos_token_id = list(dict.fromkeys(ends))
    with ProblemRewards(HERE / "problems.jsonl", stop=STOP, settings=VERIFICATION) as judge:
        rewards = Boundary(judge, Path(settings.output_dir) / "boundary")
        trainer = {kind}Trainer(
            model=model,
            reward_funcs={reward},
            args=settings,
            train_dataset=rows("train.jsonl"),
            eval_dataset=rows("validation.jsonl"),
            processing_class=tokenizer,
            callbacks=[rewards]{lora},
        )
        trainer.train()
        trainer.save_model(str(Path(settings.output_dir) / "model"))
    return trainer


if __name__ == "__main__":
    main()
'''


def _readme(plan: HandOver, differs: list[str]) -> str:
    notes = "".join(f"- {each}\n" for each in differs)
    return f"""# {plan.recipe.name}, for TRL

    python train.py
    move37 watch output/boundary --verifier reported        # held-out problems, as TRL's evaluation samples them
    move37 watch output/completions --verifier reported     # what it trains on

The reward is the verifiers of move37 on `problems.jsonl`; it says nothing (None) where they cannot decide, and TRL
leaves such a response out of its group.

What TRL does otherwise than `move37 train`:

{notes}"""
