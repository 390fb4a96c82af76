"""What the states between the steps of responses are worth, and what each token's step adds to that.

    prompt | step ; step ; step         values  V0   V1   V2   reward        gains  V1 - V0, V2 - V1, reward - V2

A step ends behind the separator; the last one ends with the response. A token belongs to the step in which its first
character stands.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from move37.engines import Completion
from move37.engines.transformers_text import ResponseText
from move37.errors import VerifierError
from move37.training.algorithms import StepValues
from move37.training.batches import Batch, Rollout
from move37.training.rollouts import PromptSlot, RolloutWorker
from move37.types import Outcome, StepVerdict

Values = list[tuple[int, float]]
"""Where a step ends (characters of what the model wrote), and the value of the state there; the last is the reward."""


def ends_of_steps(text: str, separator: str) -> list[int]:
    """Where the steps of a text end, but for its last one."""
    ends, place = [], text.find(separator)
    while place >= 0:
        if place + len(separator) < len(text):
            ends.append(place + len(separator))
        place = text.find(separator, place + len(separator))
    return ends


class StateValues:
    """Finds the values of a step's responses."""

    def __init__(self, asked: StepValues, worker: RolloutWorker, purpose: str) -> None:
        """`purpose` goes into the seeds."""
        self._asked, self._worker, self._purpose = asked, worker, purpose

    def of(self, rollouts: Sequence[Rollout]) -> list[tuple[float, Values]]:
        """The value of each response's prompt, and those behind its steps. Raises VerifierError for missing ones."""
        if not self._asked.rollouts:
            return [(1.0, self._judged(rollout)) for rollout in rollouts]
        ends = [ends_of_steps(rollout.made.sample.text, self._asked.separator) for rollout in rollouts]
        starts = {
            (rollout.problem.id, rollout.prefix + rollout.made.sample.text[:end]): rollout.problem
            for rollout, of in zip(rollouts, ends, strict=True)
            for end in of
        }
        known = self._sampled([PromptSlot(n, each, key[1]) for n, (key, each) in enumerate(starts.items())])
        means: dict[int, list[float]] = {}
        for rollout in rollouts:
            means.setdefault(rollout.group, []).append(rollout.reward)
        found = []
        for rollout, of in zip(rollouts, ends, strict=True):
            text = rollout.made.sample.text
            values = [(end, known[rollout.problem.id, rollout.prefix + text[:end]]) for end in of]
            before = sum(means[rollout.group]) / len(means[rollout.group])
            found.append((before, [*values, (len(text), rollout.reward)]))
        return found

    def _sampled(self, slots: Sequence[PromptSlot]) -> dict[tuple[str, str], float]:
        """The share of right ones among fresh responses from each start; 0 where none has a verdict."""
        if not slots:
            return {}
        fitting = [self._worker.with_room(slot) for slot in slots]
        made = self._worker.sample(fitting, self._asked.rollouts, self._purpose)
        verified = self._worker.verify([(slot, each) for slot in fitting for each in made[slot.group]])
        rewards: dict[int, list[float]] = {}
        for rollout in verified:
            if rollout.is_scored:
                rewards.setdefault(rollout.group, []).append(rollout.reward)
        means = {group: sum(found) / len(found) for group, found in rewards.items()}
        return {(slot.problem.id, slot.prefix): means.get(slot.group, 0.0) for slot in slots}

    def _judged(self, rollout: Rollout) -> Values:
        """From verdicts on steps; a response without an answer has none but its reward."""
        verdict, text = rollout.verdict, rollout.made.sample.text
        if verdict.answer is not None and verdict.steps is None:
            raise VerifierError(
                f"{rollout.problem.id}: the verifier {rollout.problem.verifier} judges no steps; ask it to "
                '(countdown: verification.options.countdown = { steps = "values" }), or set rollouts above 0'
            )
        begin = 0 if verdict.answer is None else rollout.text.rfind(verdict.answer) - len(rollout.prefix)
        ends: Values = []
        for step in (verdict.steps or ())[:-1]:
            if step.span is not None and begin + step.span[1] > 0:
                ends.append((begin + step.span[1], _value(step)))
        return [*ends, (len(text), rollout.reward)]


def _value(step: StepVerdict) -> float:
    return step.score if step.score is not None else float(step.outcome is Outcome.CORRECT)


def step_gains(
    rollouts: Sequence[Rollout],
    values: Sequence[tuple[float, Values]],
    batch: Batch,
    tokenizer: PreTrainedTokenizerBase,
) -> Tensor:
    """By how much the step of each token raised the value, (B, T), 0 off the own tokens."""
    gains_BT, text = torch.zeros_like(batch.behaviour_logprobs_BT), ResponseText(tokenizer)
    for row, (rollout, (before, steps)) in enumerate(zip(rollouts, values, strict=True)):
        first, ids = 0, rollout.made.token_ids
        for number, (end, value) in enumerate(steps):
            last = len(ids) if number == len(steps) - 1 else tokens_before(rollout.made, end, text)
            gains_BT[row, first:last] = value - before
            first, before = max(first, last), value
    return gains_BT * batch.own_BT


def tokens_before(made: Completion, end: int, text: ResponseText) -> int:
    """How many tokens begin before character `end` of the text: found by halving, as a prefix's text only grows."""
    low, high, before = 0, len(made.token_ids), text.before(made.prompt_ids)
    while low < high:
        middle = (low + high) // 2
        shown = text.visible(list(made.token_ids[:middle]), (), before)
        low, high = (middle + 1, high) if len(shown) < end else (low, middle)
    return low
