"""The life of a training around its steps: go on where it was stopped, write down, evaluate, save, end.

What a step is belongs to whoever trains (`loop.py`, `distillation.py`); all of them are stopped, continued, measured
and kept alike.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from move37.locks import held
from move37.training.checkpoints import RunFolder
from move37.training.moved import MODEL
from move37.training.policy import Policy
from move37.training.recipe import TrainConfig
from move37.training.records import Clock, Record, Recorder, View
from move37.training.result import Trained
from move37.training.rollouts import RolloutWorker
from move37.types import Problem


class TrainingRun:
    """`begin`, then a `record` for every step. `step` counts the steps that are done.

    `held_out` are the problems of the evaluation during the training; there may be none.
    """

    def __init__(
        self,
        recipe: TrainConfig,
        folder: Path,
        policy: Policy,
        rollout_worker: RolloutWorker,
        held_out: Sequence[Problem],
        view: View,
        contents: Mapping[str, str],
    ) -> None:
        """`contents`: see `continuing.adopt`."""
        self.recipe, self.policy, self.rollout_worker, self.view = recipe, policy, rollout_worker, view
        self.folder = RunFolder(folder)
        self._held_out = held_out
        rollout_worker.check(held_out, "evaluation.problems")
        start = {MODEL: policy.start_weights} if policy.start_weights else {}
        self._contents = {**contents, **start, **rollout_worker.versions()}
        self.step = 0

    def carry_out(self, begin: Callable[[], None], step: Callable[[], None], warnings: Sequence[str]) -> Trained:
        """All steps that are left. Raises StoreError where another process is at work in the folder."""
        self.folder.refuse_a_file()
        with held(self.folder.folder):
            try:
                begin()
                while self.step < self.recipe.steps:
                    step()
            finally:
                self.view.end()
            model = self.folder.model_folder(self.step)
            if not model.exists():  # the steps that the recipe asks for were done before, as a part of more
                self.folder.save_model(self.policy, self.step)
        return Trained(self.folder.folder, model, self.step, tuple(warnings))

    def begin(self, title: str, state: Mapping[str, Any]) -> dict[str, Any]:
        """Start, or go on where the run was stopped. Returns the `state` of what decides what comes next: as it was
        then, or as it is given here."""
        self.folder.adopt(self.recipe, self._contents)
        self.rollout_worker.prompts.keep()
        counters = self.folder.load_state(self.policy)
        self.step = counters["step"] if counters is not None else 0
        self.folder.rewind(self.step if counters is not None else -1)
        self._recorder = Recorder(self.folder.log, self.recipe.records.to, self.recipe.name, self.view)
        self.view.begin(title, self.step, self.recipe.steps)
        if counters is not None:
            if self._keeps_model() and not self.folder.model_folder(self.step).exists():
                self.folder.save_model(self.policy, self.step)  # saving it had failed
            return {key: value for key, value in counters.items() if key != "step"}
        self._evaluate()
        self.folder.save_state(self.policy, 0, state)
        return dict(state)

    def record(self, figures: Record, state: Mapping[str, Any]) -> None:
        """Count a step and write it down; evaluate and save where it is time. A resume starts from `state`."""
        self.step += 1
        self._recorder.write({"kind": "step", "step": self.step, "algorithm": self.recipe.algorithm.name, **figures})
        last, checkpoints = self.step == self.recipe.steps, self.recipe.checkpoints
        if last or self.step % self.recipe.evaluation.every == 0:
            self._evaluate()
        self.view.stage("save")
        # The state first: a model that cannot be written costs no step.
        if last or self.step % checkpoints.every == 0 or self._keeps_model():
            self.folder.save_state(self.policy, self.step, state)
        if self._keeps_model():
            self.folder.save_model(self.policy, self.step)

    def _keeps_model(self) -> bool:
        """Whether the model after this step is asked for."""
        checkpoints, every = self.recipe.checkpoints, self.recipe.checkpoints.keep_every
        if self.step == self.recipe.steps or self.step in checkpoints.keep_at:
            return True
        return every is not None and self.step > 0 and self.step % every == 0

    def _evaluate(self) -> None:
        if self._held_out:
            clock = Clock(self.view.stage)
            with clock.phase("evaluation"):
                figures = self.rollout_worker.evaluate(self._held_out)
            self._recorder.write({"kind": "evaluation", "step": self.step, **figures, **clock.seconds})
            best = self.recipe.checkpoints.keep_best
            if best is not None and (value := figures[best]) is not None:
                self.folder.save_best(self.policy, self.step, best, value)
