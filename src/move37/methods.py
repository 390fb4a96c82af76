"""The bench of methods: train each with several seeds from one base, compute what is true of every model, and judge.

    <out>/<method>/seed-0/           a training's folder; of a method of several stages, stage-1, stage-2, ...
          <method>/seed-0/exact.json   the chances of its last model, with exact.parquet (exact-1: of an earlier one)
          exact.json, exact.parquet  the base's
          leaderboard.json, leaderboard.md

A method is a recipe, as `move37 train` takes it, or a file with a name and the recipes of its stages, each of which
starts from the model of the one before:

    name = "mid-training, then GRPO"
    stages = ["midtraining.toml", "../algorithms/grpo.toml"]

Decisions. The seed of a training is the recipe's, counted up. All methods start from one base, or they could not be
compared. Everything is resumed: trainings as `move37 train` resumes them, chances as long as they are of the same
puzzles. Puzzles are of the evaluation half, which no training may ask. What is judged is `analyses/leaderboard.py`'s;
worlds whose right answers cannot be listed are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from move37.analyses.exact_truth import KnownModel
from move37.analyses.leaderboard import Leaderboard, Method, leaderboard
from move37.analyses.serialise import plain
from move37.config import ProblemsConfig, SamplingConfig, Settings, from_options, read_toml, there
from move37.countdown import TIERS
from move37.errors import ConfigError
from move37.files import read_log, write_atomically, write_json
from move37.pipeline import train_model
from move37.problems import load_problems
from move37.progress import Progress, Silent
from move37.training.recipe import TrainConfig, load_recipe
from move37.truth import digest_of, keep_truth, known_checkpoint, read_truth
from move37.types import Problem

QUICK = {"steps": 10, "seeds": 2, "problems": 20}
"""What a first look asks: whether everything runs, not who wins."""


class MethodFile(Settings):
    """A method of several stages."""

    name: str = Field(min_length=1, description="What the method is called on the page.")
    stages: tuple[Path, ...] = Field(min_length=1, description="Recipes; each starts from the model of the one before.")


@dataclass(frozen=True, slots=True)
class Contender:
    """A method that is to be trained."""

    name: str
    key: str
    """Of its folder."""
    stages: tuple[TrainConfig, ...]

    def on(self, base: str) -> "Contender":
        """The same from another base."""
        first, *others = self.stages
        started = first.model_copy(update={"model": first.model.model_copy(update={"path": base})})
        return replace(self, stages=(started, *others))

    def at(self, seed: int) -> Iterator[TrainConfig]:
        """Its recipes with the seed of one training."""
        for stage in self.stages:
            yield stage.model_copy(update={"seed": stage.seed + seed})


class BenchSettings(Settings):
    """What all methods are asked."""

    tiers: tuple[str, ...] = Field(default=("in-pretraining", "edge", "five-long"), min_length=1)
    problems: int = Field(default=100, ge=2, description="Puzzles of each tier.")
    seeds: int = Field(default=3, ge=1, description="Trainings of each method.")
    seed: int = Field(default=0, ge=0, description="Of the puzzles.")
    steps: int | None = Field(default=None, ge=1, description="In place of what the recipes say.")
    max_new_tokens: int = Field(default=64, ge=1, description="Of a response.")

    @field_validator("tiers")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for tier in value:
            if tier not in TIERS:
                raise ValueError(f"unknown tier {tier!r} (known: {', '.join(TIERS)})")
        return tuple(dict.fromkeys(value))


@dataclass(frozen=True, slots=True)
class Bench:
    """The board, and where it was written."""

    folder: Path
    board: Leaderboard
    costs: Mapping[str, Mapping[str, float]]
    """By method: samples, tokens and seconds of one training."""


def load_contender(path: Path) -> Contender:
    """A method from its file: a recipe, or a name with stages. Raises ConfigError."""
    written = read_toml(path, "method")
    if "stages" not in written:
        recipe = load_recipe(path)
        return Contender(recipe.name, path.stem, (recipe,))
    file = from_options(MethodFile, **written)
    stages = tuple(load_recipe(there(path.parent, stage, f"{path}: stages")) for stage in file.stages)
    return Contender(file.name, path.stem, stages)


def run_bench(
    contenders: Sequence[Contender], settings: BenchSettings, folder: Path, progress: Progress | None = None
) -> Bench:
    """Train what is not trained yet, compute what is not known yet, judge. Raises ConfigError, and as `train_model`."""
    base_path, watching = _common_base(contenders), progress or Silent()
    by_tier = {tier: _puzzles(tier, settings) for tier in settings.tiers}
    problems = [problem for found in by_tier.values() for problem in found]
    truths = _Truths(problems, settings, watching)
    base = replace(truths.of(base_path, folder / "exact.json"), model="base")
    methods, costs = [], {}
    with watching.track("Trainings", len(contenders) * settings.seeds, "trainings") as advance:
        for contender in contenders:
            trained = []
            for seed in range(settings.seeds):
                trained.append(_train(contender, seed, settings, folder / contender.key / f"seed-{seed}", watching))
                advance(1)
            models = [truths.of(each.models[-1], each.folder / "exact.json") for each in trained]
            starts = [
                truths.of(each.models[-2], each.folder / f"exact-{len(each.models) - 1}.json")
                for each in trained
                if len(each.models) > 1
            ]
            costs[contender.name] = _mean([each.costs for each in trained])
            methods.append(Method(contender.name, tuple(models), tuple(starts)))
    board = leaderboard(base, methods, {tier: [p.id for p in found] for tier, found in by_tier.items()})
    write_json(folder / "leaderboard.json", {"settings": plain(settings.model_dump()), **plain(board), "costs": costs})
    return Bench(folder, board, costs)


def write_page(bench: Bench, text: str) -> Path:
    """The board as a page to read, beside its figures."""
    path = bench.folder / "leaderboard.md"
    write_atomically(path, text.encode())
    return path


@dataclass(frozen=True, slots=True)
class _Trained:
    folder: Path
    models: tuple[Path, ...]
    """Of every stage."""
    costs: Mapping[str, float]


def _train(contender: Contender, seed: int, settings: BenchSettings, folder: Path, progress: Progress) -> _Trained:
    models: list[Path] = []
    costs: dict[str, float] = {}
    for number, recipe in enumerate(contender.at(seed), start=1):
        where = folder if len(contender.stages) == 1 else folder / f"stage-{number}"
        changes: dict[str, Any] = {} if settings.steps is None else {"steps": settings.steps}
        if models:
            changes["model"] = recipe.model.model_copy(update={"path": str(models[-1])})
        done = train_model(recipe.model_copy(update=changes), where)
        models.append(done.model)
        for key, value in _costs(where / "log.jsonl").items():
            costs[key] = costs.get(key, 0.0) + value
    return _Trained(folder, tuple(models), costs)


def _costs(log: Path) -> dict[str, float]:
    """What a training took: responses, their tokens, seconds."""
    steps = [record for _, record in read_log(log) if record.get("kind") == "step"]
    seconds = sum(value for step in steps for key, value in step.items() if key.startswith("seconds_"))
    samples = sum(step.get("responses", 0) for step in steps)
    return {"samples": samples, "tokens": sum(step.get("sampled_tokens", 0) for step in steps), "seconds": seconds}


def _mean(costs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {key: sum(each[key] for each in costs) / len(costs) for key in costs[0]}


def _common_base(contenders: Sequence[Contender]) -> str:
    if not contenders:
        raise ConfigError("bench: give at least one method, a recipe or a file with stages")
    keys = [contender.key for contender in contenders]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise ConfigError(f"bench: two methods have files of the name {twice}; rename one, it names their folder")
    paths = {contender.stages[0].model.path: contender.name for contender in contenders}
    if len(paths) > 1:
        (one, first), (other, second) = list(paths.items())[:2]
        raise ConfigError(
            f"bench: {first} starts from {one}, {second} from {other}; methods are compared from one base"
        )
    return next(iter(paths))


def _puzzles(tier: str, settings: BenchSettings) -> tuple[Problem, ...]:
    source = ProblemsConfig(benchmark=f"countdown:{tier}", size=settings.problems, seed=settings.seed)
    return load_problems((source,))


class _Truths:
    """What is known of models on the bench's puzzles, kept beside them."""

    def __init__(self, problems: Sequence[Problem], settings: BenchSettings, progress: Progress) -> None:
        self._problems, self._progress = problems, progress
        self._sampling = SamplingConfig(
            temperature=1.0, top_p=1.0, max_new_tokens=settings.max_new_tokens, template="completion"
        )
        self._asked = digest_of([(problem.id, problem.question) for problem in problems])

    def of(self, model: Path | str, kept: Path) -> KnownModel:
        about = {"model": str(model), "problems": self._asked, "max_new_tokens": self._sampling.max_new_tokens}
        found = read_truth(kept, str(model), about)
        if found is None:
            found = known_checkpoint(str(model), self._problems, self._sampling, self._progress)
            keep_truth(kept, found, about)
        return found
