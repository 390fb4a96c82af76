"""Look at what a run holds: its problems with what each model made of them, and one problem's samples.

For reading, so every sample of the run is shown, also those beyond n or a stopping point, which no estimate uses; the
counts here are counts of what lies there, and no accuracies. Samples of one model with equal text, end and verdict are
one entry with all their indices. Nothing is written.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from move37.errors import InputError
from move37.schema import KEY
from move37.store import RunStore
from move37.types import FinishReason, Outcome, Problem

OUTCOMES = (*(outcome.value for outcome in Outcome), "truncated", "unjudged")
"""What may be asked for. A truncated sample has another outcome too; an unjudged one has none yet."""
BOTH, NEITHER = "both", "neither"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which samples and problems are looked for; what is not set wants all. Values as in `move37 show --help`."""

    models: tuple[str, ...] = ()
    outcome: str | None = None
    text: str | None = None
    """A part of the response, in any case."""
    only: str | None = None
    """A model that alone solved the problem, or BOTH (every model did), or NEITHER (none did)."""

    def check(self, models: Sequence[str]) -> None:
        """Raises InputError for a model that the run does not have and an outcome that there is not."""
        for name in self.models:
            if name not in models:
                raise InputError(f"--model: no model {name!r} in this run (models: {', '.join(models)})")
        if self.outcome is not None and self.outcome not in OUTCOMES:
            raise InputError(f"--outcome: one of {', '.join(OUTCOMES)}, not {self.outcome!r}")
        if self.only is not None and self.only not in (*models, BOTH, NEITHER):
            raise InputError(f"--only: one of {', '.join((*models, BOTH, NEITHER))}, not {self.only!r}")


@dataclass(frozen=True, slots=True)
class Counted:
    """What one model made of one problem, in samples. `wanted` are those that were looked for."""

    correct: int
    incorrect: int
    unscored: int
    unjudged: int
    truncated: int
    wanted: int

    @property
    def scored(self) -> int:
        return self.correct + self.incorrect


@dataclass(frozen=True, slots=True)
class SeenProblem:
    number: int
    """Its place in the run, from 1."""
    id: str
    question: str
    references: tuple[str, ...]
    models: Mapping[str, Counted]


@dataclass(frozen=True, slots=True)
class SeenSample:
    """One response of a model and how often it gave it. Outcome, reason and answer are None before a verdict."""

    model: str
    indices: tuple[int, ...]
    text: str
    finish_reason: str
    tokens: int | None
    outcome: str | None
    reason: str | None
    answer: str | None
    flags: tuple[str, ...]


def problems_seen(store: RunStore, wanted: Wanted) -> list[SeenProblem]:
    """The problems with a sample that is wanted, in the order of the run. Raises InputError as `Wanted.check`."""
    wanted.check(store.models())
    counts = {model: _counts(store, model, wanted) for model in _models(store, wanted)}
    none = Counted(0, 0, 0, 0, 0, 0)
    seen: list[SeenProblem] = []
    for number, problem in enumerate(store.problems(), 1):
        found = {model: of_model.get(problem.id, none) for model, of_model in counts.items()}
        if _is_wanted(found, wanted):
            seen.append(SeenProblem(number, problem.id, problem.question, problem.references, found))
    return seen


def samples_seen(store: RunStore, problem: Problem, wanted: Wanted) -> list[SeenSample]:
    """The wanted samples of one problem, by model and first index. Raises InputError as `Wanted.check`."""
    wanted.check(store.models())
    return [sample for model in _models(store, wanted) for sample in _folded(store, model, problem, wanted)]


def problem_named(store: RunStore, name: str) -> Problem:
    """The problem with this id, its only one that begins so, or with this number, from 1. Raises InputError."""
    problems = store.problems()
    same = [problem for problem in problems if problem.id == name]
    begun = same or [problem for problem in problems if problem.id.startswith(name)]
    if not same and name.isdecimal() and 1 <= int(name) <= len(problems):
        return problems[int(name) - 1]
    if len(begun) != 1:
        what = "no problem has" if not begun else f"{len(begun):,} problems have ids that begin with"
        raise InputError(f"{what} {name!r}; give an id or a number from 1 to {len(problems):,}")
    return begun[0]


def _models(store: RunStore, wanted: Wanted) -> list[str]:
    """The models that are looked at, base first. Raises InputError where none of them has samples."""
    base = store.study().base_model()
    chosen = wanted.models if wanted.models and wanted.only is None else store.models()
    models = sorted(chosen, key=lambda name: name != base)
    having = [model for model in models if store.samples(model).files()]
    if not having:
        raise InputError(f"{store.folder}: no samples to show ({', '.join(models) or 'no model'} has counts alone)")
    return having


def _rows(store: RunStore, model: str, columns: Sequence[str], of: Problem | None = None) -> pl.LazyFrame:
    """Samples with their verdicts that stand; null where there is none yet."""
    samples = store.samples(model).scan(list(dict.fromkeys([*KEY, "finish_reason", *columns])))
    if of is not None:
        samples = samples.filter(pl.col("problem_id") == of.id)
    judged = ["outcome", "reason", "answer", "flags", "truncated"]
    verdicts = [
        store.standing(label, model, [*KEY, *judged]).with_columns(pl.col("outcome").cast(pl.String))
        for label in sorted(set(store.current_labels().values()))
        if store.verdicts(label, model).files()
    ]
    cut = pl.col("finish_reason").cast(pl.String) == FinishReason.LENGTH.value
    if not verdicts:
        types = {"outcome": pl.String, "reason": pl.String, "answer": pl.String, "flags": pl.List(pl.String)}
        return samples.with_columns(cut.alias("truncated"), *(pl.lit(None, kind).alias(n) for n, kind in types.items()))
    rows = samples.join(pl.concat(verdicts), on=list(KEY), how="left")
    return rows.with_columns(pl.col("truncated").fill_null(cut))


def _condition(wanted: Wanted) -> pl.Expr:
    """Whether a sample is wanted."""
    asked = [pl.lit(True)]
    if wanted.outcome == "truncated":
        asked.append(pl.col("truncated"))
    elif wanted.outcome == "unjudged":
        asked.append(pl.col("outcome").is_null())
    elif wanted.outcome is not None:
        asked.append((pl.col("outcome") == wanted.outcome).fill_null(False))
    if wanted.text is not None:
        asked.append(pl.col("text").str.contains(f"(?i){re.escape(wanted.text)}"))
    return pl.all_horizontal(asked)


def _counts(store: RunStore, model: str, wanted: Wanted) -> dict[str, Counted]:
    columns = ["text"] if wanted.text is not None else []
    named = [pl.col("outcome").eq(outcome.value).sum().alias(outcome.value) for outcome in Outcome]
    counted = (
        _rows(store, model, columns)
        .with_columns(wanted=_condition(wanted))
        .group_by("problem_id")
        .agg(
            *named,
            pl.col("outcome").is_null().sum().alias("unjudged"),
            pl.col("truncated").sum(),
            pl.col("wanted").sum(),
        )
    )
    rows = store.samples(model).collect(counted)
    return {row.pop("problem_id"): Counted(**row) for row in rows.to_dicts()}


def _is_wanted(found: Mapping[str, Counted], wanted: Wanted) -> bool:
    looked_at = [counted for model, counted in found.items() if not wanted.models or model in wanted.models]
    if not any(counted.wanted for counted in looked_at):
        return False
    if wanted.only is None:
        return True
    solved = {model for model, counted in found.items() if counted.correct}
    if wanted.only in (BOTH, NEITHER):
        return solved == (set(found) if wanted.only == BOTH else set())
    return solved == {wanted.only}


def _folded(store: RunStore, model: str, problem: Problem, wanted: Wanted) -> Iterator[SeenSample]:
    same = ["text", "finish_reason", "outcome", "reason", "answer"]
    rows = _rows(store, model, ["text", "tokens"], problem).filter(_condition(wanted)).sort("index")
    folded = rows.group_by(same, maintain_order=True).agg("index", pl.col("tokens", "flags").first())
    for row in store.samples(model).collect(folded).to_dicts():
        indices, flags = tuple(row.pop("index")), tuple(row.pop("flags") or ())
        yield SeenSample(model, indices, flags=flags, **row)
