"""What is written down and shown of a training run, and what each number means.

One JSON line per step, {"kind": "step", "step": steps done, ...}, and one per evaluation, {"kind": "evaluation", ...}.
Figures of a step, over everything that was sampled in it unless said otherwise:

    accuracy            correct / scored responses
    reward              mean reward of the responses trained on, less the KL penalty if that is in the reward
    unscored            share of responses without a verdict; where rewards are read they are not trained on
    groups_right, groups_wrong, groups_mixed     shares of prompts whose rewards are all one, of right responses or of
                        wrong ones, and of those whose rewards differ; only mixed ones tell a group method anything
    entropy             nats per token, from the log-probabilities of the sampled tokens: unbiased for the mean entropy
    length_mean, length_max, truncated           tokens; share cut off at the limit
    advantage_mean, advantage_std, advantage_max over the tokens trained on (max: of the absolute value)
    clip_share, gradient_norm, loss, value_loss, learning_rate      of the updates (norm before clipping)
    turns, tool_calls, failed_calls              of a response, on average; absent where all had one turn
    prefixed            share of responses that an explorer gave a beginning, and fixed_rows, the rows of a fixed credit
                        that were learnt from beside; absent where there are none
    critic_explained, critic_bias, critic_separation   of a critic's values against the rewards
                        (analyses/learnt_values.py), and critic_oracle_... against the verifier's scores of states
    kl_to_start         nats per token, k3 on the sampled tokens, in the steps that the recipe asks for
    logprob_gap, logprob_gap_max                 |sampler - trainer| per token, before the first update
    trained_tokens      tokens that went through a backward pass; sampled_tokens: all that were drawn (greedy ones not)
    seconds_sample, seconds_verify, seconds_credit, seconds_update, seconds_sync

A loss near 0 is no fault: advantages of a group sum to about 0 and the ratio is 1, so the value of the loss says
nothing about learning; its gradient does. Watch accuracy and gradient_norm.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import compress
from pathlib import Path
from typing import Any, Protocol

from move37 import progress
from move37.engines import Completion
from move37.environments.tools import tool_use
from move37.errors import MissingExtraError
from move37.progress import Progress
from move37.training.batches import Rollout

Record = dict[str, Any]


class View(Progress, Protocol):
    """Someone who watches: steps, what is being done, and how far the roll-outs of a step are. `Silent` here, a
    terminal and a log file in `view.py`."""

    def begin(self, title: str, step: int, steps: int) -> None: ...

    def stage(self, name: str) -> None:
        """This phase of a step begins: sample, verify, credit, update, sync, evaluation, save."""
        ...

    def example(self, question: str, response: str, verdict: str) -> None:
        """A response of the step that was just sampled."""
        ...

    def show(self, record: Record) -> None: ...

    def end(self) -> None: ...


class Silent(progress.Silent):
    def begin(self, title: str, step: int, steps: int) -> None: ...

    def stage(self, name: str) -> None: ...

    def example(self, question: str, response: str, verdict: str) -> None: ...

    def show(self, record: Record) -> None: ...

    def end(self) -> None: ...


class Recorder:
    """Appends to log.jsonl, and passes on to whoever else wants the numbers."""

    def __init__(self, log: Path, to: Sequence[str], name: str, view: View) -> None:
        self._log, self._view = log, view
        self._others = [_SINKS[kind](log.parent, name) for kind in to]

    def write(self, record: Record) -> None:
        with self._log.open("a") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
        numbers = {name: value for name, value in record.items() if isinstance(value, int | float) and name != "step"}
        for other in self._others:
            other(record["step"], {f"{record['kind']}/{name}": value for name, value in numbers.items()})
        self._view.show(record)


class Clock:
    """Seconds per phase of one step. `stage` is told which one begins."""

    def __init__(self, stage: Callable[[str], object] = lambda name: None) -> None:
        self.seconds: dict[str, float] = {}
        self._stage = stage

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._stage(name)
        start = time.perf_counter()
        try:
            yield
        finally:
            key = f"seconds_{name}"
            self.seconds[key] = self.seconds.get(key, 0.0) + time.perf_counter() - start


def sampling_figures(rollouts: Sequence[Rollout]) -> Record:
    """What the responses of one step say, whether they are trained on or not."""
    scored = [rollout for rollout in rollouts if rollout.is_scored]
    lengths = [len(rollout.made.token_ids) for rollout in rollouts]
    logprobs = [value for rollout in rollouts for value in _own_logprobs(rollout.made)]
    groups: dict[int, set[float]] = {}
    correct: dict[int, bool] = {}
    for rollout in scored:
        groups.setdefault(rollout.group, set()).add(rollout.reward)
        correct[rollout.group] = rollout.is_correct
    mixed = sum(len(rewards) > 1 for rewards in groups.values())
    right = sum(len(rewards) == 1 and correct[group] for group, rewards in groups.items())
    count = max(1, len(groups))
    return {
        "responses": len(rollouts),
        "accuracy": sum(r.is_correct for r in scored) / len(scored) if scored else None,
        "unscored": 1 - len(scored) / len(rollouts),
        "groups_right": right / count,
        "groups_wrong": (len(groups) - right - mixed) / count,
        "groups_mixed": mixed / count,
        "entropy": -sum(logprobs) / len(logprobs) if logprobs else None,
        "length_mean": sum(lengths) / len(lengths),
        "length_max": max(lengths),
        "truncated": sum(r.is_truncated for r in rollouts) / len(rollouts),
        "sampled_tokens": sum(lengths) - sum(rollout.branch.at for rollout in rollouts if rollout.branch),
        **_tool_figures(rollouts),
    }


def _tool_figures(rollouts: Sequence[Rollout]) -> Record:
    """Of episodes of several turns; nothing where there were none."""
    used = [tool_use(rollout.made.sample) for rollout in rollouts]
    if all(each.turns == 1 for each in used):
        return {}
    count = len(used)
    return {
        "turns": sum(each.turns for each in used) / count,
        "tool_calls": sum(each.calls for each in used) / count,
        "failed_calls": sum(each.failed for each in used) / count,
    }


def _own_logprobs(made: Completion) -> Sequence[float]:
    return made.logprobs if made.own is None else list(compress(made.logprobs, made.own))


def why_no_update(figures: Mapping[str, Any]) -> str | None:
    """A sentence for a step from which nothing can be learned, or None."""
    if figures.get("advantage_max", 0.0) > 0:
        return None
    if figures["accuracy"] is None:
        return "no response has a verdict: look at the verifier"
    if "advantage_max" not in figures and (figures["unscored"] > 0.5 or figures["groups_mixed"] > 0):
        return "too few responses have a verdict to compare them: look at the verifier"
    if figures["groups_right"] == 1:
        return "every response is right: the problems are too easy to learn from"
    if figures["groups_wrong"] == 1:
        if (cut := figures.get("truncated") or 0.0) > 0.5:
            return f"every response is wrong, and {cut:.0%} were cut at rollout.max_new_tokens: raise it"
        return "every response is wrong: the problems are too hard, or the prompt or the token limit is at fault"
    return "every prompt is all right or all wrong: more responses per prompt would find mixed ones"


def _tensorboard(folder: Path, name: str) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter  # type: ignore[attr-defined]
    except ModuleNotFoundError as error:
        raise MissingExtraError("records.to: tensorboard is not installed: pip install 'move37[track]'") from error
    writer = SummaryWriter(str(folder / "tensorboard"))

    def write(step: int, numbers: Mapping[str, float]) -> None:
        for key, value in numbers.items():
            writer.add_scalar(key, value, step)
        writer.flush()

    return write


def _wandb(folder: Path, name: str) -> Any:
    try:
        import wandb  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        raise MissingExtraError("records.to: wandb is not installed: pip install 'move37[track]'") from error
    # The folder is the run: continuing it continues the curves, and no other run has its name.
    identity = blake2b(str(folder.resolve()).encode(), digest_size=8).hexdigest()
    run = wandb.init(
        project="move37", name=name, dir=str(folder), id=identity, resume="allow", reinit="finish_previous"
    )
    run.define_metric("*", step_metric="steps_done")  # its own steps would drop the second record of one step
    return lambda step, numbers: run.log({"steps_done": step, **numbers})


_SINKS = {"tensorboard": _tensorboard, "wandb": _wandb}
