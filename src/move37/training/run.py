"""The life of a training around its steps: go on where it was stopped, write down, evaluate, save, end.

What a step is belongs to whoever trains (`loop.py`, `distillation.py`); all of them are stopped, continued, measured
and kept alike.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from move37.training.checkpoints import RunFolder
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
    ) -> None:
        self.recipe, self.policy, self.rollout_worker, self.view = recipe, policy, rollout_worker, view
        self.folder = RunFolder(folder)
        self._held_out = held_out
        rollout_worker.check(held_out, "evaluation.problems")
        self.step = 0

    def carry_out(self, begin: Callable[[], None], step: Callable[[], None], warnings: Sequence[str]) -> Trained:
        """All steps that are left."""
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

    def begin(self, title: str) -> int:
        """Start, or go on where the run was stopped. Returns how much had been `drawn` by then."""
        self.folder.adopt(self.recipe)
        counters = self.folder.load_state(self.policy)
        self.step = counters["step"] if counters is not None else 0
        self.folder.rewind_log(self.step if counters is not None else -1)
        self._recorder = Recorder(self.folder.log, self.recipe.records.to, self.recipe.name, self.view)
        self.view.begin(title, self.step, self.recipe.steps)
        if counters is not None:
            return counters["drawn"]
        self._evaluate()
        self.folder.save_state(self.policy, 0, {"drawn": 0})
        return 0

    def record(self, figures: Record, drawn: int) -> None:
        """Count a step and write it down; evaluate and save where it is time. `drawn` is what a resume starts from."""
        self.step += 1
        self._recorder.write({"kind": "step", "step": self.step, "algorithm": self.recipe.algorithm.name, **figures})
        last = self.step == self.recipe.steps
        if last or self.step % self.recipe.evaluation.every == 0:
            self._evaluate()
        checkpoints = self.recipe.checkpoints
        if last or (checkpoints.keep_every is not None and self.step % checkpoints.keep_every == 0):
            self.folder.save_model(self.policy, self.step)
        if last or self.step % checkpoints.every == 0:
            self.folder.save_state(self.policy, self.step, {"drawn": drawn})

    def _evaluate(self) -> None:
        if self._held_out:
            clock = Clock()
            with clock.phase("evaluation"):
                figures = self.rollout_worker.evaluate(self._held_out)
            self._recorder.write({"kind": "evaluation", "step": self.step, **figures, **clock.seconds})
