"""Problems -> verified responses of the model as it is now. The same prompts, engine and verifiers as evaluation.

Decisions. A response's seed depends on the run's seed, the step, the problem and its place, so nothing about sampling
has to be stored for a resume. Prompts that are too long are refused before the first step, all of them by id.
Evaluation during training is the same sampling on held-out problems, with the project's own estimator.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from move37.config import SamplingConfig
from move37.engines import Completion, Trainable
from move37.estimates.pass_at_k import pass_at_k
from move37.progress import Progress, Silent
from move37.rollouts import Room, Where, check_room, has_room, requests_for, roll_out, template_of
from move37.training.batches import Rollout
from move37.training.prompts import AskedPrompts
from move37.training.recipe import TrainConfig
from move37.types import Outcome, Problem, Prompt, Verdict
from move37.verification import VerifierPool
from move37.verifiers import Verifier, label_of
from move37.verifiers.options import check_options, make_verifier


class PromptSlot(NamedTuple):
    """A prompt of a step: `group` is its number there (a problem may come up twice)."""

    group: int
    problem: Problem
    prefix: str = ""
    """What the responses start from, behind the prompt."""

    def started(self, prompt: Prompt) -> Prompt:
        """The prompt with the prefix behind it: what the model goes on from."""
        return replace(prompt, text=prompt.text + self.prefix) if self.prefix else prompt


class RolloutWorker:
    """Samples and verifies. `pool` must be open; `progress` sees how far the samples of a step are."""

    def __init__(
        self,
        recipe: TrainConfig,
        engine: Trainable,
        pool: VerifierPool,
        progress: Progress | None = None,
        folder: Path | None = None,
    ) -> None:
        """`folder` is the run's, where prompts of before are found."""
        self._recipe, self._engine, self._pool = recipe, engine, pool
        self._progress = progress or Silent()
        self.prompts = AskedPrompts(folder, template_of(recipe.rollout.template, recipe.templates), engine)
        self._verifiers: dict[str, Verifier] = {}

    def check(self, problems: Sequence[Problem], what: str) -> None:
        """Refuse prompts for which there is no room, and unknown verifiers. Raises ConfigError, UnknownNameError."""
        settings = self._recipe.rollout
        check_options(self._recipe.verification)
        for name in {problem.verifier for problem in problems} | {each.verifier for each in self._recipe.rewards}:
            self._verifier(name)
        room = Room("rollout", settings.max_new_tokens, settings.max_prompt_tokens)
        check_room(self._engine, self.prompts.of_all(problems), room, what)

    def fitting(self, problems: Sequence[Problem]) -> list[Problem]:
        """Those whose prompts have room."""
        settings, context = self._recipe.rollout, self._engine.context_length
        most = [settings.max_prompt_tokens] if settings.max_prompt_tokens is not None else []
        most += [context - settings.max_new_tokens] if context is not None else []
        if not most:
            return list(problems)
        return [each for each in problems if self._engine.count_tokens(self.prompts.of(each)) <= min(most)]

    def with_room(self, slot: PromptSlot) -> PromptSlot:
        """The slot with as much of its prefix as leaves room for a whole response."""
        context, most = self._engine.context_length, self._recipe.rollout.max_new_tokens
        prompt = self.prompts.of(slot.problem)
        while slot.prefix and context is not None:
            beyond = self._engine.count_tokens(slot.started(prompt)) + most - context
            if beyond <= 0:
                break
            slot = slot._replace(prefix=slot.prefix[: max(0, len(slot.prefix) - beyond)])
        return slot

    def versions(self) -> dict[str, str]:
        """The versions of all verifiers that were checked, by "verifier NAME"."""
        return {f"verifier {name.rpartition('/')[2]}": label_of(each) for name, each in self._verifiers.items()}

    def reading(self, problems: Sequence[Problem]) -> dict[str, str]:
        """How the model reads and ends texts: a digest of the tokens of all prompts, and the tokens that end one."""
        digest = blake2b(digest_size=16)
        for prompt in self.prompts.of_all(problems):
            tokens = self._engine.encode(prompt.text, prompt.rendered)
            digest.update(np.array([len(tokens), *tokens], dtype="<i8").tobytes())
        ends = " ".join(map(str, sorted(self._engine.end_tokens)))
        return {"the tokens of prompts (model.path)": digest.hexdigest(), "the end tokens (model.path)": ends}

    def sample(
        self, slots: Sequence[PromptSlot], n: int, purpose: str, temperature: float | None = None
    ) -> dict[int, list[Completion]]:
        """`n` responses to every slot by group number, in the order of their indices. `purpose` goes into the seeds."""
        settings = self._recipe.rollout
        sampling = SamplingConfig(
            n=n,
            temperature=settings.temperature if temperature is None else temperature,
            top_p=1.0,
            max_new_tokens=settings.max_new_tokens,
            template=settings.template,
        )
        requests, groups = [], {}
        for slot in slots:
            indices = range(slot.group * n, slot.group * n + n)
            requests += requests_for(slot.started(self.prompts.of(slot.problem)), indices, self._recipe.seed, purpose)
            groups |= {(slot.problem.id, index): slot.group for index in indices}
        made: dict[int, list[Completion]] = {slot.group: [] for slot in slots}
        plain = not self._recipe.model.lora_rank  # adapters read the weights of the layers they sit on
        generate = partial(self._engine.completions, sampling=sampling)
        room = has_room(self._engine, settings.max_new_tokens)
        where = Where(settings.environment, progress=self._progress, label=f"sampling: {purpose}", has_room=room)
        with self._engine.sampling_layout(min(len(requests), 64)) if plain else nullcontext():
            for completion in roll_out(generate, requests, self._recipe.model.path, where):
                made[groups[completion.sample.problem_id, completion.sample.index]].append(completion)
        return {group: sorted(of, key=lambda completion: completion.sample.index) for group, of in made.items()}

    def verify(self, made: Sequence[tuple[PromptSlot, Completion]]) -> list[Rollout]:
        """Verdicts from the problems' own verifiers, and what further ones add to rewards, in the order given."""
        verdicts = self._verdicts(made, [slot.problem.verifier for slot, _ in made])
        further = [0.0] * len(made)
        for reward in self._recipe.rewards:
            for place, verdict in self._verdicts(made, [reward.verifier] * len(made)).items():
                if verdict.outcome is not Outcome.UNSCORED:  # what says nothing adds nothing
                    score = float(verdict.outcome is Outcome.CORRECT) if verdict.score is None else verdict.score
                    further[place] += reward.weight * score
        return [
            Rollout(slot.problem, slot.group, t, verdicts[place], further[place], slot.prefix)
            for place, (slot, t) in enumerate(made)
        ]

    def _verdicts(self, made: Sequence[tuple[PromptSlot, Completion]], names: Sequence[str]) -> dict[int, Verdict]:
        """Of each response by the verifier of that name, by its place."""
        by_verifier: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            by_verifier.setdefault(name, []).append(place)
        verdicts: dict[int, Verdict] = {}
        for name, places in by_verifier.items():
            items = ((made[p][0].problem, made[p][0].prefix + made[p][1].sample.text, p) for p in places)
            verdicts.update(self._pool.verify(self._verifier(name), items))
        return verdicts

    def evaluate(self, problems: Sequence[Problem]) -> dict[str, float | None]:
        """pass@k of the model as it is now, "pass@1" and so on, and the unscored share. Same seeds at every step.

        None where a problem has fewer than k scored samples: a mean over the others would be about other problems.
        """
        settings = self._recipe.evaluation
        slots = [PromptSlot(number, problem) for number, problem in enumerate(problems)]
        made = self.sample(slots, settings.n, "evaluation", settings.temperature)
        rollouts = self.verify([(slot, completion) for slot in slots for completion in made[slot.group]])
        correct, n = np.zeros((2, len(problems)), dtype=np.int64)
        for rollout in rollouts:
            correct[rollout.group] += rollout.is_correct
            n[rollout.group] += rollout.is_scored
        figures: dict[str, float | None] = {"unscored": 1 - float(n.sum()) / len(rollouts)}
        for k in settings.k:
            figures[f"pass@{k}"] = float(pass_at_k(correct, n, k)[:, -1].mean()) if int(n.min()) >= k else None
        return figures

    def _verifier(self, name: str) -> Verifier:
        if name not in self._verifiers:
            self._verifiers[name] = make_verifier(name, self._recipe.verification)
        return self._verifiers[name]
