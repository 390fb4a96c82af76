"""What the passes over a run are made of: models asked for the samples that they owe, samples given their verdicts.

A `Session` holds the run for writing, with its verifier processes and the models that are loaded. Samples can be judged
as they come (`VerdictStream`), while the model makes the next ones; a verdict never reaches the disk before its sample.
Under a stopping plan what is owed depends on what was right: there sampling goes from look to look, and waits at each
for the last verdicts.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import product
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from move37.benchmarks import BENCHMARKS
from move37.config import GENERATED, IMPORTED, ModelConfig, StudyConfig, VerificationConfig
from move37.counts import StoppingPlan
from move37.engines import ENGINES, Dated, Engine, Seeing
from move37.engines.metering import Metered, Named
from move37.environments import ENVIRONMENTS
from move37.errors import ConfigError, InputError, SamplesLeftError
from move37.executors import EXECUTORS, is_placing
from move37.hub import refuse_unreachable
from move37.interrupts import Terminated
from move37.monitoring import BROKE_OFF, Monitor, Round
from move37.owed import in_shares
from move37.progress import Progress, Silent, SoFar, watch_model
from move37.prompting import without_images
from move37.reported import is_reported, reported_label
from move37.rollouts import Room, Where, check_room, has_room, owed_requests, render_prompts, roll_out, template_of
from move37.stopping import expected_left
from move37.store import ANSWERS_AS, ASKED_AT, ModelRecord, RunStore, SampleWriter, VerdictWriter
from move37.types import Outcome, Problem, Request, Sample, Verdict
from move37.verification import InFlight, VerifierPool
from move37.verifiers import Verifier, label_of
from move37.verifiers.cache import open_cache
from move37.verifiers.options import check_options, make_verifier
from move37.verifiers.workforce import Workforce

MOST_AT_ONCE = 2**18
"""Requests that an engine is given at once, about 100 MB of them: a study may owe more than memory holds. Between two
such shares an engine's batch runs empty."""


def sampled_models(study: StudyConfig) -> list[str]:
    """The models that are sampled here, not imported."""
    return [name for name, model in study.models.items() if model.engine != IMPORTED]


def check_names(study: StudyConfig, folder: Path | None = None) -> None:
    """Refuse a name that nothing goes by, and options that no verifier has, before anything is loaded.

    A model that owes the run in `folder` nothing need not be there any more: trainings delete old checkpoints.
    """
    for template in {study.sampling.template, *(model.template for model in study.models.values() if model.template)}:
        template_of(template, study.templates)
    for environment in {study.sampling_of(name).environment for name in sampled_models(study)}:
        ENVIRONMENTS.load(environment)
    placing = is_placing(EXECUTORS.load(study.sampling.executor))
    check_options(study.verification)
    engines = {name: study.models[name].engine for name in sampled_models(study)}
    for name, engine in engines.items():
        ENGINES.check(engine)
        own = study.sampling_of(name)
        if own.temperature == 0 and own.n > 1:
            raise ConfigError(
                f"sampling.n: at temperature 0 all {own.n} samples of a problem by {name} are one and the same; set "
                "n = 1, or a temperature"
            )
    for source in study.problems:
        family = source.benchmark.partition(":")[0]
        BENCHMARKS.check(family if family in GENERATED else source.benchmark)
        if source.verifier is not None:
            make_verifier(source.verifier, study.verification)
    if placing:
        return  # paths and packages are those of other machines
    finished: set[str] = set()
    for name, engine in engines.items():
        if engine == "transformers":
            try:
                refuse_unreachable(study.models[name].path, f"models.{name}.path")
            except InputError:
                if folder is None or not _owes_nothing(name, study, folder):
                    raise
                finished.add(name)
    for name, engine in engines.items():  # last: this loads torch
        loaded: Any = ENGINES.load(engine)
        if hasattr(loaded, "check") and name not in finished:
            loaded.check(study.models[name])


def _owes_nothing(name: str, study: StudyConfig, folder: Path) -> bool:
    store = RunStore(folder)
    return store.exists and not store.owed(name, [problem.id for problem in store.problems()], study.sampling.plan())


def _engine(study: StudyConfig, model: ModelConfig) -> Engine:
    """The loaded model, here or where the study's executor opens it."""
    executor = EXECUTORS.load(study.sampling.executor)
    return executor.open(model, study.cluster) if is_placing(executor) else ENGINES.load(model.engine).load(model)


def _workforce(study: StudyConfig, settings: VerificationConfig) -> Workforce | None:
    """Processes that verify where the study's executor has them; None: on this machine."""
    executor = EXECUTORS.load(study.sampling.executor)
    return executor.workforce(settings, study.cluster) if hasattr(executor, "workforce") else None


class Session:
    """A run that is being written to; a context manager. Leaving it merges the small parts that it wrote."""

    def __init__(
        self, store: RunStore, progress: Progress | None = None, settings: VerificationConfig | None = None
    ) -> None:
        """`settings` of verification count in place of the study's."""
        self.store = store
        self.settings = settings or store.study().verification
        self.progress = progress or Silent()
        self._cache = open_cache() if self.settings.cache else None
        self.pool = VerifierPool(self.settings, self._cache, partial(_workforce, store.study(), self.settings))
        self.verified: dict[str, Counter[str]] = {model: Counter() for model in store.models()}
        """Verdicts made in this session, by model and outcome."""
        self._looked_through: set[tuple[str, str]] = set()
        """Labels and models whose verdicts all stand by now."""
        self.unchecked: list[str] = []
        """What could not be checked of the models that were loaded, one line each."""
        self._samplers: dict[str, Sampler] = {}
        self._running: VerdictStream | None = None
        """Of which the verdicts are not in `verified` yet."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.store.writing())
        self._stack.callback(self._release_all)
        self.store.require_problems()
        if self._cache is not None:
            self._stack.enter_context(self._cache)
        self._stack.enter_context(self.pool)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack:
            if error is None:
                self.store.compact()
                for label, model in self._looked_through:
                    self.store.seal(label, model)

    def sample(self, name: str, problem_ids: Sequence[str], verify: bool = True) -> int:
        """Ask a model for all that it owes on these problems under the study's plan; how many samples were made.

        They are judged meanwhile, unless told not to: then nothing is, which a stopping plan does not allow. Problems
        of which samples cannot be made hold up no other: SamplesLeftError is raised when all others are finished.
        """
        with self._telling_why(name):
            return self._sample(name, problem_ids, verify)

    def _sample(self, name: str, problem_ids: Sequence[str], verify: bool) -> int:
        left: SamplesLeftError | None = None
        plan, rounds = self.store.study().sampling.plan(), _Rounds(len(problem_ids))
        verify = verify or not plan.is_fixed
        if verify:
            self.verify((name,))  # what was left without a verdict, which decides about what is owed
        owed = self.store.owed(name, problem_ids, plan)
        if not owed:
            return 0
        with watch_model(self.progress, name, lambda: rounds.so_far(plan, self._outcomes(name))) as progress:
            while owed:
                sampler = self._sampler(name)
                rounds.begin(owed, plan.n_max)
                try:
                    self._sample_round(sampler, name, owed, verify, progress, rounds.take, plan)
                except SamplesLeftError as error:
                    left = left or error
                    problem_ids = [each for each in problem_ids if each not in error.problem_ids]
                if verify:
                    self.verify((name,))
                owed = self.store.owed(name, problem_ids, plan)
            rounds.begin(owed, plan.n_max)
        if left is not None:
            raise left
        return rounds.made

    def _outcomes(self, name: str) -> Counter[str]:
        """Verdicts of this session, those that are being made as well."""
        running = self._running.counts.values() if self._running is not None else ()
        return sum(running, start=self.verified.get(name, Counter()).copy())

    def sample_indices(self, name: str, problem_ids: Sequence[str], indices: range) -> int:
        """Ask a model for those samples of each problem that it lacks, beside any plan; how many were made.

        They are judged meanwhile, and so is what was left without a verdict.
        """
        with self._telling_why(name):
            self.verify((name,))
            owed = self.store.lacking(name, problem_ids, indices)
            if not owed:
                return 0
            return self._sample_round(self._sampler(name), name, owed, True, self.progress)

    @contextmanager
    def _telling_why(self, name: str) -> Iterator[None]:
        """Write down what ended sampling, for whoever comes back the next day and has no screen to read."""
        try:
            yield
        except BaseException as error:
            interrupted = isinstance(error, (KeyboardInterrupt, Terminated))
            why = "interrupted" if interrupted else " ".join(str(error).split()) or type(error).__name__
            with suppress(OSError):  # the disk may be what it was
                self.store.log(BROKE_OFF, model=name, why=why)
            raise

    def _sampler(self, name: str) -> "Sampler":
        """The model, loaded when it is first asked."""
        if name not in self._samplers:
            self._samplers[name] = Sampler(self.store, name)
            self.unchecked += self._samplers[name].unchecked
        return self._samplers[name]

    def _sample_round(
        self,
        sampler: "Sampler",
        name: str,
        owed: Mapping[str, Sequence[int]],
        verify: bool,
        progress: Progress,
        made_one: Callable[[Sample], object] = lambda sample: None,
        plan: StoppingPlan | None = None,
    ) -> int:
        asked = self._asked(name, owed, plan)
        with self.store.appending_samples(name) as writer:
            if not verify:
                with sampler.monitor(asked) as monitor:
                    return sampler.sample(owed, progress, _all_of(writer.add, made_one, monitor.take))
            with (
                self._verdict_stream(name, self._verifiers(), writer) as stream,
                sampler.monitor(asked, lambda: stream.waiting, stream.outcomes) as monitor,
            ):
                keep = _all_of(writer.add, made_one, stream.take, monitor.take)
                made = sampler.sample(owed, progress, keep)
                with progress.track(f"Verifying {name}", stream.waiting, "samples") as advance:
                    stream.finish(advance)
            return made

    def _asked(self, name: str, owed: Mapping[str, Sequence[int]], plan: StoppingPlan | None) -> Round:
        """What a round asks for, what the problems in it can owe at most, and what they will by what was right."""
        problems, most = len(self.store.problems()), self.store.study().sampling.n
        at_most = sum(max(len(indices), most - indices[0]) for indices in owed.values())
        asked = Round(sum(map(len, owed.values())), at_most, problems, problems - len(owed))
        if plan is None or plan.is_fixed:
            return asked
        left = expected_left(self.store.outcomes(name, list(owed), plan.n_max), plan)
        return replace(asked, expected=None if left is None else min(at_most, round(left)), is_last=False)

    def release(self, name: str) -> None:
        """Let go of a loaded model."""
        sampler = self._samplers.pop(name, None)
        if sampler is not None:
            sampler.close()

    def _release_all(self) -> None:
        for name in list(self._samplers):
            self.release(name)

    def verify(
        self,
        models: Sequence[str],
        replacement: str | None = None,
        make_current: bool = True,
        retry_unscored: bool = False,
    ) -> str:
        """Verify what `models` have without a verdict, each problem with its own verifier or with `replacement`.

        Returns the label of the last verifier, and lets its verdicts count unless told not to. With `retry_unscored`,
        samples that were left unscored are judged again. What another tool reported is there already: it is but
        looked up.
        """
        if replacement is not None and is_reported(replacement):
            label = reported_label(self.store, models, replacement)
            if make_current:
                self.store.set_current_labels({problem.verifier: label for problem in self.store.problems()})
            return label
        label, verifiers = "", self._verifiers(replacement)
        if retry_unscored:
            for each, model in product(set(map(label_of, verifiers.values())), models):
                self.store.forget_unscored(each, model)
        for own_name, verifier in verifiers.items():
            label = label_of(verifier)
            problem_ids = [problem.id for problem in self.store.problems() if problem.verifier == own_name]
            for model in models:
                self._drop_fallen(label, model)
                owed = self.store.count_unverified(label, model, problem_ids)
                if not owed:
                    continue
                with (
                    self._verdict_stream(model, verifiers) as stream,
                    self.progress.track(f"Verifying {model}", owed, "samples") as advance,
                ):
                    for sample in self.store.unverified(label, model, problem_ids):
                        advance(stream.take(sample))
                    stream.finish(advance)
            if make_current:
                self.store.set_current_labels({own_name: label})
        return label

    def _drop_fallen(self, label: str, model: str) -> None:
        """Take out the verdicts that are about something else than what is here, and say so in the log."""
        if (label, model) not in self._looked_through:
            fallen = self.store.drop_fallen(label, model)
            if fallen:
                self.store.log("dropped", model=model, verifier=label, verdicts=fallen)
            self._looked_through.add((label, model))

    def _verifiers(self, replacement: str | None = None) -> dict[str, Verifier]:
        """The verifier of each name that the problems have, but for problems that the tool's own score decides."""
        names = dict.fromkeys(problem.verifier for problem in self.store.problems())
        wanted = {name: replacement or name for name in names}
        return {name: make_verifier(own, self.settings) for name, own in wanted.items() if not is_reported(own)}

    @contextmanager
    def _verdict_stream(
        self, model: str, verifiers: Mapping[str, Verifier], samples: SampleWriter | None = None
    ) -> Iterator["VerdictStream"]:
        """Judge samples of `model` in this block. What was decided when it is left is kept, also after an error."""
        before = self.pool.answers.copy()
        with ExitStack() as stack:
            writers = {
                label: stack.enter_context(self.store.appending_verdicts(label, model, samples))
                for label in {label_of(verifier) for verifier in verifiers.values()}
            }
            in_flight = stack.enter_context(self.pool.in_flight())
            stream = self._running = VerdictStream(in_flight, self.store.problems(), verifiers, writers)
            stack.callback(setattr, self, "_running", None)
            yield stream
        answers = self.pool.answers - before
        for label, counts in stream.counts.items():
            self.store.log("verified", model=model, verifier=label, verdicts=counts, distinct_answers=answers)
            self.verified.setdefault(model, Counter()).update(counts)


def _all_of(*takers: Callable[[Sample], object]) -> Callable[[Sample], None]:
    """Hands a sample to one after the other."""

    def take(sample: Sample) -> None:
        for each in takers:
            each(sample)

    return take


class _Rounds:
    """What a model owes and has made, for whoever watches."""

    def __init__(self, problems: int) -> None:
        self.made, self._problems, self._finished = 0, problems, 0
        self._most: Counter[str] = Counter()
        """Samples that each unfinished problem may still owe."""
        self._left: Counter[str] = Counter()
        """Of these, samples of the present round."""

    def begin(self, owed: Mapping[str, Sequence[int]], n_max: int) -> None:
        self._left = Counter({problem: len(indices) for problem, indices in owed.items()})
        later = {problem: max(0, n_max - 1 - indices[-1]) for problem, indices in owed.items()}
        self._most = self._left + Counter(later)
        self._finished = self._problems - len(owed)

    def take(self, sample: Sample) -> None:
        self.made += 1
        self._left[sample.problem_id] -= 1
        self._most[sample.problem_id] -= 1

    def so_far(self, plan: StoppingPlan, outcomes: Mapping[str, int]) -> SoFar:
        """At a fixed n a problem is finished when it owes nothing more, under a plan when a round begins without it."""
        ended = sum(not left for left in self._left.values()) if plan.is_fixed else 0
        right, wrong = (outcomes.get(each.value, 0) for each in (Outcome.CORRECT, Outcome.INCORRECT))
        left = self._most.total()
        return SoFar(self._finished + ended, self._problems, self.made, right, wrong, left, plan.is_fixed)


class VerdictStream:
    """Takes the samples of one model and writes their verdicts down as they are decided."""

    def __init__(
        self,
        in_flight: InFlight,
        problems: Iterable[Problem],
        verifiers: Mapping[str, Verifier],
        writers: Mapping[str, VerdictWriter],
    ) -> None:
        self._in_flight, self._writers = in_flight, writers
        labelled = {name: (verifier, label_of(verifier)) for name, verifier in verifiers.items()}
        self._judged = {
            problem.id: (problem, *labelled[problem.verifier]) for problem in problems if problem.verifier in labelled
        }
        """Each problem with its verifier and that one's label."""
        self.counts: dict[str, Counter[str]] = {label: Counter() for label in writers}
        """Verdicts by label and outcome."""

    def outcomes(self) -> Counter[str]:
        """Verdicts that were made, by outcome."""
        return sum(list(self.counts.values()), Counter())

    @property
    def waiting(self) -> int:
        """Samples that were taken and have no verdict yet."""
        return self._in_flight.waiting

    def take(self, sample: Sample) -> int:
        """Take a sample in; how many verdicts were written meanwhile."""
        problem, verifier, label = self._judged[sample.problem_id]
        if sample.error is not None:  # there is no response to judge
            self._keep(label, sample, Verdict(Outcome.UNSCORED, f"the call failed: {sample.error}"))
            return 1 + self._write(wait=False)
        self._in_flight.offer(verifier, problem, sample.text, (label, sample))
        written = self._write(wait=False)
        while self._in_flight.full:
            written += self._write(wait=True)
        return written

    def finish(self, advance: Callable[[int], None]) -> None:
        """Wait for the verdicts that are missing."""
        while self._in_flight.waiting:
            advance(self._write(wait=True))

    def _write(self, wait: bool) -> int:
        decided = self._in_flight.decided(wait)
        for (label, sample), verdict in decided:
            self._keep(label, sample, verdict)
        return len(decided)

    def _keep(self, label: str, sample: Sample, verdict: Verdict) -> None:
        self._writers[label].add(sample, verdict)
        self.counts[label][verdict.outcome._value_] += 1


class Sampler:
    """A loaded model that has been checked to be able to answer as asked."""

    def __init__(self, store: RunStore, name: str) -> None:
        self._store, self._name, self._study = store, name, store.study()
        self._settings = self._study.sampling_of(name)
        model, template = self._study.models[name], template_of(self._settings.template, self._study.templates)
        self._engine: Engine = _engine(self._study, model)
        asked, dated = store.model_record(name).prompts, self._as_of_the_first()
        self._prompts = render_prompts(self._shown(model), template, self._engine, asked)
        room = Room("sampling", self._settings.max_new_tokens)
        self.unchecked = check_room(self._engine, self._prompts, room, repr(name))
        if isinstance(self._engine, Metered) and self._engine.spending is not None:
            self._engine.spending.keep_with(partial(store.write_spending, name), store.spending(name))
        self._named: Named | None = self._engine if isinstance(self._engine, Named) else None
        self._identity = dict(self._engine.identity()) | self._origins(model) | dated | self._as_before()
        self._record()
        if isinstance(self._engine, Seeing) and any(prompt.images for prompt in self._prompts):
            store.record_images(name, {p.problem_id: self._engine.seen_images(p) for p in self._prompts if p.images})
        store.log("loaded", model=name, engine=self._identity)

    def _record(self) -> None:
        self._store.record_model(self._name, ModelRecord(self._identity, tuple(self._prompts)))

    def _as_before(self) -> dict[str, str]:
        """The name under which answers came so far, where an engine is told one."""
        known = self._store.model_record(self._name).identity.get(ANSWERS_AS)
        if known is None or self._named is None:
            return {}
        self._named.answered_as = known
        return {ANSWERS_AS: known}

    def _note_name(self) -> None:
        """Write that name down once it is known, so that another process does not go on with another model's."""
        if self._named is None or ANSWERS_AS in self._identity or self._named.answered_as is None:
            return
        self._identity[ANSWERS_AS] = self._named.answered_as
        self._record()

    def _as_of_the_first(self) -> dict[str, str]:
        """Where the chat template prints the date: the moment as of which all models of this run are asked.

        It is that of the first one, so that no difference between models is that of two days.
        """
        if not (isinstance(self._engine, Dated) and self._engine.prints_date):
            return {}
        known = (self._store.model_record(each).identity.get(ASKED_AT) for each in self._study.models)
        first = min((each for each in known if each is not None), default=None)
        if first is not None:
            self._engine.asked_at = datetime.fromisoformat(first)
        return {ASKED_AT: self._engine.asked_at.isoformat()}

    def _shown(self, model: ModelConfig) -> Sequence[Problem]:
        """The problems as this model is asked them. Raises ConfigError for a blind arm where nothing is to be seen."""
        problems = self._store.problems()
        if model.guess != "blind":
            return problems
        if not any(problem.images for problem in problems):
            raise ConfigError(f"models.{self._name}.guess: no problem of this study has an image to leave out")
        return list(map(without_images, problems))

    def _origins(self, model: ModelConfig) -> dict[str, str]:
        """Which code made the samples, as "engine_file", "environment_package", ..., where it is not move37's own."""
        named = (ENGINES, model.engine), (ENVIRONMENTS, self._settings.environment)
        return {f"{each.kind}_{of}": what for each, name in named for of, what in each.origin(name).items()}

    def sample(self, owed: Mapping[str, Sequence[int]], progress: Progress, keep: Callable[[Sample], object]) -> int:
        """Hand the owed samples to `keep` as they come; how many were made."""
        room = has_room(self._engine, self._settings.max_new_tokens)
        where = Where(self._settings.environment, self._settings.executor, has_room=room)
        start, samples, tokens = perf_counter(), 0, 0
        left: SamplesLeftError | None = None
        with progress.track(f"Sampling {self._name}", sum(map(len, owed.values())), "samples") as advance:
            for share in in_shares(owed, MOST_AT_ONCE):
                requests = owed_requests(self._prompts, share, self._study.seed, self._name)
                try:
                    for made in roll_out(self._generate, requests, self._name, where):
                        self._note_name()
                        keep(made)
                        samples, tokens = samples + 1, tokens + (made.tokens or 0)
                        advance(1)
                except SamplesLeftError as error:
                    left = left or error
        seconds = round(perf_counter() - start, 3)
        self._store.log("sampled", model=self._name, samples=samples, tokens=tokens, seconds=seconds)
        if left is not None:
            raise left
        return samples

    def monitor(
        self,
        asked: Round,
        waiting: Callable[[], int] = lambda: 0,
        verdicts: Callable[[], Mapping[str, int]] = dict,
    ) -> Monitor:
        """Who writes down how far a round is."""
        return Monitor(self._store.log, self._name, asked, self._engine, waiting, verdicts)

    def _generate(self, requests: Sequence[Request]) -> Iterator[Sample]:
        return self._engine.generate(requests, self._settings)

    def close(self) -> None:
        self._engine.close()
