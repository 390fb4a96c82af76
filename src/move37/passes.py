"""What the passes over a run are made of: models asked for the samples that they owe, samples given their verdicts.

A `Session` holds the run for writing, with its verifier processes and the models that are loaded. Under a stopping plan
what is owed depends on what was right, so its two halves work in turns: from look to look, each round verified before
the next.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from types import TracebackType
from typing import Protocol, Self

from move37 import sampling
from move37.config import IMPORTED, StudyConfig
from move37.engines import ENGINES, Engine
from move37.prompting import Template, find_template, pose, user_template
from move37.store import ModelRecord, RunStore
from move37.types import Problem
from move37.verification import VerifierPool
from move37.verifiers import CODE, VERIFIERS, Verifier


class Progress(Protocol):
    """Shows how far a pass is; `Silent` here, a terminal's bars in `terminal.py`."""

    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        """Enter for a function that is told how many more are done."""
        ...


class Silent:
    def track(self, label: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda done: None)


def sampled_models(study: StudyConfig) -> list[str]:
    """The models that are sampled here, not imported."""
    return [name for name, model in study.models.items() if model.engine != IMPORTED]


def template_of(study: StudyConfig) -> Template:
    """The study's prompt template, of the user's own or a known one. Raises ConfigError for an unknown name."""
    own = {name: user_template(name, template.text, template.stop) for name, template in study.templates.items()}
    return find_template(study.sampling.template, own)


class Session:
    """A run that is being written to; a context manager. Leaving it merges the small parts that it wrote."""

    def __init__(self, store: RunStore, progress: Progress | None = None, unsafe_local: bool = False) -> None:
        self.store = store
        self.unsafe_local = unsafe_local or store.study().verification.unsafe_local
        self.progress = progress or Silent()
        self.pool = VerifierPool(store.study().verification)
        self.judged: dict[str, Counter[str]] = {model: Counter() for model in store.models()}
        """Verdicts made in this session, by model and outcome."""
        self._samplers: dict[str, Sampler] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.store.writing())
        self._stack.enter_context(self.pool)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack:
            if error is None:
                self.store.compact()

    def sample(self, name: str, problem_ids: Sequence[str]) -> int:
        """Ask a model for all that it owes on these problems under the study's plan; how many samples were made."""
        plan, made = self.store.study().sampling.plan(), 0
        while True:
            if not plan.is_fixed:
                self.judge((name,))
            owed = self.store.owed(name, problem_ids, plan)
            if not owed:
                return made
            if name not in self._samplers:
                self._samplers[name] = Sampler(self.store, name)
            made += self._samplers[name].sample(owed, self.progress)

    def release(self, name: str) -> None:
        """Let go of a loaded model."""
        self._samplers.pop(name, None)

    def judge(self, models: Sequence[str], replacement: str | None = None, make_current: bool = True) -> str:
        """Verify what `models` have without a verdict, each problem with its own verifier or with `replacement`.

        Returns the label of the last verifier, and lets its verdicts count unless told not to.
        """
        label = ""
        by_verifier: dict[str, list[Problem]] = {}
        for problem in self.store.problems():
            by_verifier.setdefault(problem.verifier, []).append(problem)
        for own_name, problems in by_verifier.items():
            kind = VERIFIERS.load(replacement or own_name)
            judge: Verifier = kind(isolated=False) if self.unsafe_local and kind.name == CODE else kind()
            label = f"{judge.name}@{judge.version}"
            made = {model: self._judge_model(judge, label, model, problems) for model in models}
            if make_current:
                self.store.set_current_labels({own_name: label})
            if any(made.values()):
                self.store.log("verified", verifier=label, verdicts=made)
            for model, counts in made.items():
                self.judged.setdefault(model, Counter()).update(counts)
        return label

    def _judge_model(self, judge: Verifier, label: str, model: str, problems: list[Problem]) -> Counter[str]:
        by_id = {problem.id: problem for problem in problems}
        owed = self.store.count_unverified(label, model, list(by_id))
        counts: Counter[str] = Counter()
        if not owed:
            return counts
        items = ((by_id[s.problem_id], s.text, s) for s in self.store.unverified(label, model, list(by_id)))
        with (
            self.store.appending_verdicts(label, model) as writer,
            self.progress.track(f"Verifying {model}", owed, "samples") as advance,
        ):
            for sample, verdict in self.pool.verify(judge, items):
                writer.add(sample, verdict)
                counts[verdict.outcome.value] += 1
                advance(1)
        return counts


class Sampler:
    """A loaded model that has been checked to be able to answer as asked."""

    def __init__(self, store: RunStore, name: str) -> None:
        self._store, self._name, self._study = store, name, store.study()
        self._settings = self._study.sampling_of(name)
        model, template = self._study.models[name], template_of(self._study)
        self._engine: Engine = ENGINES.load(model.engine).load(model)
        self._prompts = [pose(problem, template, self._engine.render_chat) for problem in store.problems()]
        sampling.check_context(self._engine, self._prompts, self._settings, name)
        store.record_model(name, ModelRecord(self._engine.identity(), tuple(self._prompts)))
        store.log("loaded", model=name, engine=dict(self._engine.identity()))

    def sample(self, owed: Mapping[str, list[int]], progress: Progress) -> int:
        """Keep the owed samples as they come; how many were made."""
        requests = sampling.owed_requests(self._prompts, owed, self._study.seed, self._name)
        with (
            self._store.appending_samples(self._name) as writer,
            progress.track(f"Sampling {self._name}", len(requests), "samples") as advance,
        ):
            for made in sampling.sample(self._engine, requests, self._settings, self._name):
                writer.add(made)
                advance(1)
        self._store.log("sampled", model=self._name, samples=len(requests))
        return len(requests)
