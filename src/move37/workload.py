"""What is still to do of a study, and about how long it takes, before anything is spent. Writes nothing.

Seconds come from what was measured in this run folder, the nearest of it first: the same training, one with the same
recipe but for the seed, one of the same algorithm, any other, scaled by the responses of a step; and for sampling the
same model, else another, by tokens. Where nothing was measured they are rough: operations of the model (twice its
parameters for a token that is sampled, six times for one that is trained on) over half of what a matrix product
reaches here at the moment. That is right within a factor of two or so for models of the lab, on this processor; a model
that is not on this disk or runs on a GPU has none.

Samples are at most what is said, for a problem stops early; tokens are at most the limit where no mean was measured.
Left out: verdicts (programs and judges may take longer than the samples), scoring, and the report.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np

from move37.config import StudyConfig
from move37.counts import StoppingPlan
from move37.files import read_log
from move37.problems import load_problems
from move37.session import sampled_models
from move37.store import RunStore
from move37.trainings import Training, check_trainings

_LAST = 20
"""Steps of a log that say how long one takes: later ones, when the models write as they will."""
_REACHED = 0.5
"""Of the speed of a matrix product: about what sampling and training of a model of the lab reach."""
MEASURED, ALIKE, ROUGH, UNKNOWN = "measured", "like another", "rough", "not known"


@dataclass(frozen=True, slots=True)
class TrainingWork:
    """One training. `seconds` are of the steps that are owed; None where nothing says it."""

    training: str
    algorithm: str
    seed: int
    start: str | None
    checkpoints: tuple[int, ...]
    steps: int
    owed: int
    seconds: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class SamplingWork:
    """One model. `samples` and `tokens` are at most what is owed."""

    model: str
    samples: int
    tokens: float
    seconds: float | None
    basis: str


@dataclass(frozen=True, slots=True)
class Workload:
    """All of it, in the order in which it is done."""

    problems: int
    trainings: tuple[TrainingWork, ...]
    sampling: tuple[SamplingWork, ...]

    def totals(self) -> dict[str, float | int | None]:
        """Of everything that is owed; seconds are None where some are not known."""
        every = [each.seconds for each in (*self.trainings, *self.sampling)]
        known = [seconds for seconds in every if seconds is not None]
        return {
            "steps_owed": sum(each.owed for each in self.trainings),
            "samples_owed": sum(each.samples for each in self.sampling),
            "seconds": sum(known) if len(known) == len(every) else None,
        }


@dataclass(frozen=True, slots=True)
class _Speed:
    """What one log says: seconds of a step and its responses; seconds and tokens of a pass that sampled."""

    seconds: float
    units: float


def workload_of(study: StudyConfig, folder: Path) -> Workload:
    """What `move37 run` would still do. Raises what it would raise before it begins."""
    store = RunStore(folder)
    problems = load_problems(study.problems) if store.lacks_problems_of(study) else store.problems()
    study = study.within_budget(len(problems)).trained_in(folder)
    if store.exists:
        store.refuse_changes(study)
    trainings = check_trainings(study, folder)
    events = [record for _, record in read_log(folder / "log.jsonl")]
    return Workload(
        problems=len(problems),
        trainings=tuple(_trainings(trainings)),
        sampling=tuple(_sampling(study, store, [problem.id for problem in problems], events)),
    )


# -- trainings ---------------------------------------------------------------------------------------------------------


def _trainings(trainings: Sequence[Training]) -> Iterable[TrainingWork]:
    known = {each.name: speed for each in trainings if (speed := _speed_of(each)) is not None}
    for each in trainings:
        seconds, basis = _step_seconds(each, trainings, known)
        yield TrainingWork(
            training=each.name,
            algorithm=each.algorithm,
            seed=each.recipe.seed,
            start=each.start,
            checkpoints=tuple(each.checkpoints),
            steps=each.recipe.steps,
            owed=each.owed,
            seconds=None if seconds is None and each.owed else (seconds or 0.0) * each.owed,
            basis=basis if each.owed else "",
        )


def _speed_of(training: Training) -> _Speed | None:
    steps = [record for _, record in read_log(training.folder / "log.jsonl") if record.get("kind") == "step"]
    seconds = [sum(v for k, v in each.items() if k.startswith("seconds_")) for each in steps[-_LAST:]]
    return _Speed(fmean(seconds), _responses(training)) if seconds else None


def _responses(training: Training) -> float:
    """Responses of one step."""
    recipe = training.recipe
    return float(recipe.imitation.examples if recipe.imitation else recipe.rollout.prompts * recipe.rollout.responses)


def _step_seconds(
    training: Training, others: Sequence[Training], known: Mapping[str, _Speed]
) -> tuple[float | None, str]:
    """Seconds of one step, and what says so."""
    if training.name in known:
        return known[training.name].seconds, MEASURED
    alike = [
        [known[each.name] for each in others if each.name in known and same(each)]
        for same in (
            lambda each: each.algorithm == training.algorithm,
            lambda each: each.recipe.algorithm == training.recipe.algorithm,
            lambda each: (each.recipe.imitation is None) == (training.recipe.imitation is None),
        )
    ]
    for speeds in alike:
        if speeds:
            return fmean(speed.seconds / speed.units for speed in speeds) * _responses(training), ALIKE
    parameters = _parameters(Path(training.recipe.model.path))
    if parameters is None:
        starts = [each for each in others if training.start in each.checkpoints.values()]
        parameters = _parameters(Path(starts[0].recipe.model.path)) if starts else None
    if parameters is None or training.recipe.model.device.startswith("cuda"):
        return None, UNKNOWN
    tokens = _responses(training) * training.recipe.rollout.max_new_tokens
    each_token = 6 if training.recipe.imitation else 8
    return each_token * parameters * tokens / (_REACHED * operations_per_second()), ROUGH


# -- sampling ----------------------------------------------------------------------------------------------------------


def _sampling(
    study: StudyConfig, store: RunStore, problem_ids: Sequence[str], events: Sequence[Mapping[str, Any]]
) -> Iterable[SamplingWork]:
    plan = study.sampling.plan()
    passes = [each for each in events if each.get("event") == "sampled" and each.get("tokens") and each.get("seconds")]
    every = _passes(passes)
    for name in sampled_models(study):
        model, own = study.models[name], _passes([each for each in passes if each["model"] == name])
        samples = _at_most(store, name, problem_ids, plan)
        known = own or every
        length = known[1] / known[2] if known else float(study.sampling_of(name).max_new_tokens)
        seconds, basis = _sampling_seconds(samples * length, own, every, Path(model.path), study, name)
        yield SamplingWork(name, samples, samples * length, seconds if samples else 0.0, basis if samples else "")


def _at_most(store: RunStore, model: str, problem_ids: Sequence[str], plan: StoppingPlan) -> int:
    """Samples that a model makes from here on if no problem stops before its last look."""
    if not store.exists or not store.samples(model).files():
        return len(problem_ids) * plan.n_max
    rows = store.samples(model).scan(["problem_id"]).group_by("problem_id").len()
    here = Counter(dict(store.samples(model).collect(rows).iter_rows()))
    return sum(plan.n_max - here[problem] for problem in store.owed(model, problem_ids, plan))


def _passes(events: Sequence[Mapping[str, Any]]) -> tuple[float, float, float] | None:
    """Seconds, tokens and samples of these passes; None where there are none."""
    if not events:
        return None
    seconds, tokens, samples = (float(sum(each[key] for each in events)) for key in ("seconds", "tokens", "samples"))
    return seconds, tokens, samples


def _sampling_seconds(
    tokens: float,
    own: tuple[float, float, float] | None,
    every: tuple[float, float, float] | None,
    path: Path,
    study: StudyConfig,
    name: str,
) -> tuple[float | None, str]:
    for known, basis in ((own, MEASURED), (every, ALIKE)):
        if known is not None:
            return tokens * known[0] / known[1], basis
    model = study.models[name]
    if model.engine == "scripted":
        return None, UNKNOWN
    start = model.start and study.models[model.start].path
    for each in (path, *([Path(start)] if start else []), *(Path(other.path) for other in study.models.values())):
        parameters = _parameters(each)
        if parameters is not None:
            return 2 * parameters * tokens / (_REACHED * operations_per_second()), ROUGH
    return None, UNKNOWN


def _parameters(model: Path) -> int | None:
    """Of a model folder, by the size of its float32 weights; None where it is not here."""
    files = list(model.glob("*.safetensors")) if model.is_dir() else []
    return sum(path.stat().st_size for path in files) // 4 or None


@cache
def operations_per_second() -> float:
    """Of a float32 matrix product on this machine, at this moment; a quarter of a second."""
    size, best = 512, 0.0
    left = np.random.default_rng(0).random((size, size), dtype=np.float32)
    until = perf_counter() + 0.25
    while perf_counter() < until:
        start = perf_counter()
        np.matmul(left, left)
        best = max(best, 2 * size**3 / (perf_counter() - start))
    return best
