"""One run of reinforcement learning, step by step: sample, verify, advantages, update, sync, record.

No algorithm is named here: `needs` says what the loop must bring, `advantages` what the responses are worth, and the
rest is the same for all, which is what makes a comparison of algorithms fair. `train` is the way in, for imitation
too (`distillation.py`). A run that was stopped at any point is continued by the same call.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from move37.engines.weight_files import fingerprint
from move37.errors import VerifierError
from move37.files import read_log
from move37.problems import load_problems
from move37.seeds import analysis_seed
from move37.training.algorithms import AdvantageInputs
from move37.training.batches import Batch, Rollout, batch_of, modes_of
from move37.training.continuing import digest_of_problems, key_of_problems
from move37.training.critic_check import critic_figures, oracle_figures
from move37.training.disjoint import check_disjoint
from move37.training.distillation import imitate
from move37.training.explorers import Attempt
from move37.training.fixed_rows import with_fixed_rows
from move37.training.forks import Forest, tree_inputs
from move37.training.implicit_rewards import implied_values
from move37.training.losses import kl_estimate
from move37.training.moved import TEACHER
from move37.training.policy import Policy
from move37.training.recipe import IMITATION, TrainConfig, build_algorithm, build_curriculum, build_explorer
from move37.training.records import Clock, Record, Silent, View, sampling_figures, why_no_update
from move37.training.result import Trained
from move37.training.rollouts import PromptSlot, RolloutWorker
from move37.training.run import TrainingRun
from move37.training.samples import keep_samples
from move37.training.step_values import StateValues, step_gains
from move37.training.steps import sound_length
from move37.training.teacher import Teacher
from move37.training.updates import UpdateBatch
from move37.types import Outcome
from move37.verification import VerifierPool

_EXPLORER = "explorer"
"""Where the explorer's state stands beside the curriculum's."""


def train(recipe: TrainConfig, folder: Path, view: View | None = None) -> Trained:
    """Do what the recipe says, in `folder`, while `view` watches.

    Raises ConfigError for a recipe that cannot be run, InputError for its data, EngineError for its model.
    """
    watching = view or Silent()
    if recipe.algorithm.name == IMITATION:
        return imitate(recipe, folder, watching)
    with VerifierPool(recipe.verification) as pool:
        return Trainer(recipe, folder, pool, watching).run()


@dataclass(frozen=True, slots=True)
class StepRollouts:
    """What was sampled for one step: everything, and what is trained on."""

    everything: list[Rollout]
    kept: list[Rollout]
    greedy_rewards: dict[int, float] = field(default_factory=dict)
    """By group, where the algorithm needs them."""


class Trainer:
    """See the module."""

    def __init__(self, recipe: TrainConfig, folder: Path, pool: VerifierPool, view: View) -> None:
        self.recipe = recipe
        self.algorithm = build_algorithm(recipe)
        self.problems, held_out = load_problems(recipe.problems), load_problems(recipe.evaluation.problems)
        self.warnings = check_disjoint(self.problems, held_out)
        self.policy = Policy(recipe, self.algorithm.needs)
        self.teacher = Teacher(recipe, self.policy) if self.algorithm.needs.teacher else None
        self.rollout_worker = RolloutWorker(recipe, self.policy.engine, pool, view, folder)
        if recipe.rollout.drop_long_prompts:
            self._drop_long_prompts()
        self.rollout_worker.check(self.problems, "problems")
        contents = {key_of_problems(self.problems): digest_of_problems(self.problems)}
        contents |= self.rollout_worker.reading(self.problems)
        if recipe.teacher is not None:
            contents[TEACHER] = fingerprint(recipe.teacher)
        self.training = TrainingRun(recipe, folder, self.policy, self.rollout_worker, held_out, view, contents)
        self.curriculum = build_curriculum(recipe, self.problems)
        self.explorer = build_explorer(recipe, self.problems)

    def run(self) -> Trained:
        """All steps that are left."""
        with closing(self.policy):
            done = self.training.carry_out(self.begin, self.step, self.warnings)
        return replace(done, warnings=(*done.warnings, *self._idle_explorer()))

    def _idle_explorer(self) -> list[str]:
        """A warning where the explorer had nothing to give: the training is then one without it, under its name."""
        name = self.recipe.explorer.name
        if name == "fresh":
            return []
        if any({"prefixed", "fixed_rows"} & record.keys() for _, record in read_log(self.training.folder.log)):
            return []
        return [
            f"the explorer {name} gave no response a beginning and added no rows, so this is the training without it; "
            "it learns from problems that are asked again: take fewer problems, or more steps"
        ]

    def _drop_long_prompts(self) -> None:
        given, self.problems = len(self.problems), tuple(self.rollout_worker.fitting(self.problems))
        if len(self.problems) < given:
            left_out = given - len(self.problems)
            self.warnings.append(f"{left_out:,} of {given:,} problems are left out: their prompts are too long")

    def begin(self) -> None:
        """Start the run, or go on where it was stopped."""
        state = self.training.begin(f"{self.recipe.name}: {self.recipe.algorithm.name}", self._state())
        if _EXPLORER in state:
            self.explorer.load(state.pop(_EXPLORER))
        self.curriculum.load(state)

    def _state(self) -> dict[str, Any]:
        """What curriculum and explorer have seen so far."""
        explored = self.explorer.state()
        return {**self.curriculum.state(), **({_EXPLORER: explored} if explored else {})}

    def step(self) -> None:
        """One step."""
        clock = Clock(self.training.view.stage)
        every = self.recipe.loss.reference_reset_every
        if every is not None and self.training.step and self.training.step % every == 0:
            self.policy.reset_reference()
        rollouts = self._collect(clock)
        figures = sampling_figures(rollouts.everything)
        if self.training.step == 0 and self.algorithm.needs.verdicts:
            refuse_blind_start(rollouts.everything)
        self._show_example(rollouts.everything)
        with clock.phase("credit"):
            update = self._credit(rollouts, figures)
        if update is not None:
            with clock.phase("update"):
                figures |= self.policy.update(update, self.training.step)
            with clock.phase("sync"):
                self.policy.sync()
        note = why_no_update(figures)
        figures |= {**clock.seconds, **({"note": note} if note else {})}
        self._keep_samples(rollouts, update)
        self.curriculum.observe(_counts(rollouts.everything))
        self.explorer.observe([_attempt(rollout) for rollout in rollouts.everything])
        self.training.record(figures, self._state())

    def _show_example(self, rollouts: Sequence[Rollout]) -> None:
        one = rollouts[0]
        self.training.view.example(one.problem.question, one.text, one.verdict.outcome.value)

    def _keep_samples(self, rollouts: StepRollouts, update: UpdateBatch | None) -> None:
        """Write responses down to be read, in the steps in which the recipe wants it."""
        records, step = self.recipe.records, self.training.step + 1
        if not records.samples_every or (step % records.samples_every and step != self.recipe.steps):
            return
        advantages: dict[int, float] = {}
        if update is not None:
            own_BT, given_BT = update.batch.own_BT, update.advantages.advantages_BT
            means_B = (given_BT * own_BT).sum(-1) / own_BT.sum(-1).clamp(min=1)
            pairs = zip(rollouts.kept, means_B.tolist(), strict=False)  # rows of a fixed credit stand behind
            advantages = {id(each): mean for each, mean in pairs}
        keep_samples(self.training.folder.folder, step, rollouts.everything, advantages, records.samples_limit)

    # -- the phases ------------------------------------------------------------------------------------------------

    def _collect(self, clock: Clock) -> StepRollouts:
        """Sample and verify until there are enough prompts to learn from."""
        needs, wanted = self.algorithm.needs, self.recipe.rollout.prompts
        everything: list[Rollout] = []
        kept: list[Rollout] = []
        greedy: dict[int, float] = {}
        refills = needs.mixed_groups or self.curriculum.filters
        for number in range(self.recipe.rollout.refill_rounds if refills else 1):
            missing = wanted - len({rollout.group for rollout in kept})
            slots = self._slots(number * wanted, missing)
            rollouts = self._roll_out(slots, self.recipe.rollout.responses, clock)
            if needs.forks is not None:
                rollouts = self._with_forks(rollouts, number, clock)
            everything += rollouts
            if needs.greedy_response:
                greedily = self._roll_out(slots, 1, clock, temperature=0.0)
                greedy |= {r.group: r.reward for r in greedily if r.is_scored and r.has_own_tokens}
                rollouts = [rollout for rollout in rollouts if rollout.group in greedy]
            kept += self._at_hand(rollouts, self._trainable(rollouts))
            if len({rollout.group for rollout in kept}) >= wanted:
                break
        return StepRollouts(everything, kept, greedy)

    def _with_forks(self, rollouts: list[Rollout], number: int, clock: Clock) -> list[Rollout]:
        """These and the responses that leave them."""
        assert self.algorithm.needs.forks is not None
        purpose = f"step {self.training.step} forks {number}"
        with clock.phase("fork"):
            return Forest(self.algorithm.needs.forks, self.rollout_worker, self.policy.engine, purpose).of(rollouts)

    def _trainable(self, rollouts: Sequence[Rollout]) -> list[Rollout]:
        """Those to learn from: the model's own, with a verdict, not alone at their prompt where they are compared."""
        needs = self.algorithm.needs
        own = [rollout for rollout in rollouts if rollout.has_own_tokens]
        scored = [rollout for rollout in own if rollout.is_scored or not needs.verdicts]
        if needs.mixed_groups:
            return _mixed(scored)
        if needs.siblings and self.recipe.rollout.responses > 1:
            sizes = Counter(rollout.group for rollout in scored)
            return [rollout for rollout in scored if sizes[rollout.group] > 1]
        return scored

    def _at_hand(self, sampled: Sequence[Rollout], trainable: Sequence[Rollout]) -> list[Rollout]:
        """The trainable ones to prompts that the curriculum keeps, by all that was sampled: how often a prompt is
        solved does not hang on which responses can be learnt from."""
        counts = _counts(sampled, by=lambda rollout: rollout.group)
        return [rollout for rollout in trainable if self.curriculum.keeps(*counts[rollout.group])]

    def _roll_out(
        self, slots: Sequence[PromptSlot], n: int, clock: Clock, temperature: float | None = None
    ) -> list[Rollout]:
        purpose = f"step {self.training.step}{' greedy' if temperature == 0 else ''}"
        with clock.phase("sample"):
            made = self.rollout_worker.sample(slots, n, purpose, temperature)
        with clock.phase("verify"):
            verified = self.rollout_worker.verify([(slot, each) for slot in slots for each in made[slot.group]])
        return [each.without_score() for each in verified] if self.algorithm.needs.binary_rewards else verified

    def _credit(self, rollouts: StepRollouts, figures: Record) -> UpdateBatch | None:
        """What the step learns from: its rollouts, and the explorer's rows; None where there is neither."""
        update = None
        if rollouts.kept:
            update = self._compute_advantages(batch_of(rollouts.kept, self.policy.device), rollouts, figures)
        prefixed = sum(bool(rollout.prefix) for rollout in rollouts.everything)
        figures |= {"prefixed": prefixed / len(rollouts.everything)} if prefixed else {}
        rows = self.explorer.rows(self._generator("rows"))
        if rows:
            figures["fixed_rows"] = len(rows)
            in_loss = self.recipe.loss.kl_coefficient != 0
            update = with_fixed_rows(update, rows, self.policy, self.rollout_worker.prompts, in_loss)
        return update

    def _generator(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng(analysis_seed(self.recipe.seed, f"explorer, step {self.training.step}: {purpose}"))

    def _compute_advantages(self, batch: Batch, rollouts: StepRollouts, figures: Record) -> UpdateBatch:
        """What every token is worth, with the log-probabilities that the updates start from."""
        loss, records = self.recipe.loss, self.recipe.records
        trainer = self.recipe.optimizer.old_logprobs == "trainer"
        old_BT = self.policy.logprobs(batch) if trainer else batch.behaviour_logprobs_BT
        measures_kl = records.kl_every != 0 and self.training.step % records.kl_every == 0
        needs_kl = loss.kl_coefficient != 0
        reference_BT = self.policy.reference_logprobs(batch) if needs_kl or measures_kl else None
        token_rewards_BT = batch.token_rewards_BT
        if reference_BT is not None and batch.own_BT.any():
            figures["kl_to_start"] = float(kl_estimate(old_BT, reference_BT, "k3")[batch.own_BT].mean())
            if needs_kl and loss.kl_in == "reward":
                penalty_BT = loss.kl_coefficient * kl_estimate(old_BT, reference_BT, loss.kl_estimator)
                token_rewards_BT = token_rewards_BT - penalty_BT * batch.own_BT
        greedy = [rollouts.greedy_rewards[rollout.group] for rollout in rollouts.kept if rollouts.greedy_rewards]
        inputs = AdvantageInputs(
            token_rewards_BT=token_rewards_BT,
            groups_B=batch.groups_B,
            mask_BT=batch.own_BT,
            max_length=self.recipe.rollout.max_new_tokens,
            values_BT=self.policy.values(batch) if self.algorithm.needs.critic else None,
            greedy_rewards_B=torch.tensor(greedy, device=self.policy.device) if greedy else None,
            old_logprobs_BT=old_BT,
            teacher_logprobs_BT=self.teacher.logprobs(batch) if self.teacher else None,
            step_gains_BT=self._step_gains(batch, rollouts),
            implicit_rewards_BT=self._implicit_rewards(batch, rollouts, old_BT, figures),
            **(tree_inputs(rollouts.kept, batch) if self.algorithm.needs.forks else {}),
            modes_B=modes_of(rollouts.kept, self.policy.device) if self.algorithm.needs.modes else None,
        )
        advantages = self.algorithm.advantages(inputs)
        if inputs.values_BT is not None:
            figures |= critic_figures(inputs.values_BT, batch)
            figures |= oracle_figures(inputs.values_BT, rollouts.kept, batch, self.policy.engine.tokenizer)
        figures |= _advantage_figures(advantages.advantages_BT[batch.own_BT])
        if self.algorithm.needs.verdicts:
            figures["reward"] = float(inputs.rewards_B.mean())
        if loss.mask_truncated:
            whole_B = torch.tensor([not rollout.is_truncated for rollout in rollouts.kept], device=self.policy.device)
            batch = replace(batch, own_BT=batch.own_BT & whole_B[:, None])
        return UpdateBatch(batch, advantages, old_BT, reference_BT, inputs.values_BT)

    def _implicit_rewards(
        self, batch: Batch, rollouts: StepRollouts, old_BT: torch.Tensor, figures: Record
    ) -> torch.Tensor | None:
        """Of every token, by a reward model that learns from this batch first; None where the recipe has none."""
        if self.policy.implicit_reward is None:
            return None
        implicit_BT, learnt = self.policy.implicit_rewards(batch, old_BT)
        values_BT = implied_values(implicit_BT, self.policy.implicit_reward.beta)
        figures |= learnt
        figures |= oracle_figures(values_BT, rollouts.kept, batch, self.policy.engine.tokenizer, "implicit_oracle")
        return implicit_BT

    def _step_gains(self, batch: Batch, rollouts: StepRollouts) -> torch.Tensor | None:
        asked = self.algorithm.needs.step_values
        if asked is None:
            return None
        purpose = f"step {self.training.step} values"
        found = StateValues(asked, self.rollout_worker, purpose).of(rollouts.kept)
        return step_gains(rollouts.kept, found, batch, self.policy.engine.tokenizer)

    def _slots(self, first: int, count: int) -> list[PromptSlot]:
        taken = self.curriculum.take(count, self.training.step)
        starts = self.explorer.starts(taken, self._generator(f"starts from {first}"))
        slots = [PromptSlot(first + place, *pair) for place, pair in enumerate(zip(taken, starts, strict=True))]
        return [self.rollout_worker.with_room(slot) for slot in slots]


def _attempt(rollout: Rollout) -> Attempt:
    """What the explorer sees of a response."""
    right = rollout.is_correct if rollout.is_scored else None
    sound = sound_length(rollout.text, rollout.verdict) if rollout.is_scored else None
    text = rollout.made.sample.text
    return Attempt(rollout.problem, rollout.prefix, text, right, not rollout.is_truncated, sound)


def _counts(
    rollouts: Sequence[Rollout], by: Callable[[Rollout], Any] = lambda rollout: rollout.problem.id
) -> dict[Any, tuple[int, int]]:
    """Responses that are right, and responses with a verdict, by problem or by prompt of the step.

    A response that left another one within it (`forks.py`) is no draw of its own and does not count.
    """
    counts: dict[Any, tuple[int, int]] = {}
    for rollout in rollouts:
        if rollout.is_fork:
            continue
        right, scored = counts.get(by(rollout), (0, 0))
        is_right = rollout.verdict.outcome is Outcome.CORRECT
        counts[by(rollout)] = right + is_right, scored + rollout.is_scored
    return counts


def refuse_blind_start(rollouts: Sequence[Rollout]) -> None:
    """Raises VerifierError where the first step has no verdict at all: no later one would."""
    if not any(rollout.is_scored for rollout in rollouts):
        reason, times = Counter(rollout.verdict.reason for rollout in rollouts).most_common(1)[0]
        raise VerifierError(
            f"none of the {len(rollouts):,} responses of the first step has a verdict ({times:,} times: {reason}); "
            "nothing can be learnt before the verifier, or the answers of the problems, are set right"
        )


def _mixed(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """Of scored responses, those to prompts that have a right and a wrong one."""
    rewards: dict[int, set[float]] = {}
    for rollout in rollouts:
        rewards.setdefault(rollout.group, set()).add(rollout.reward)
    return [rollout for rollout in rollouts if len(rewards[rollout.group]) > 1]


def _advantage_figures(advantages_N: torch.Tensor) -> dict[str, Any]:
    """Of all own tokens; nothing where there is none."""
    if not len(advantages_N):
        return {}
    return {
        "advantage_mean": float(advantages_N.mean()),
        "advantage_std": float(advantages_N.std(correction=0)),
        "advantage_max": float(advantages_N.abs().max()),
    }
