"""The run folder: append, read back, say what is owed, hand out Tallies.

    <run>/config.json                          the resolved study
          problems.parquet                     id, question, references, tags, what the verifier needs
          models/<model>/                      identity.json (weights, versions), prompts.parquet (the exact texts),
                                               plan.json (of imported counts that were stopped early)
          samples/<model>/part-*.parquet       append-only
          verdicts/<verifier>@<version>/<model>/part-*.parquet   beside the samples, never over older ones
          verdicts/current.json                which of them the analyses read, for each verifier of the problems
          counts/<model>/part-*.parquet        imported counts, for models without samples
          log.jsonl  analyses.json  report.html  report.md  figures/  tables/

The key of a sample is (model, problem id, index). Resuming is asking what is owed, by key. One process writes at a
time (`writing`); readers need no lock. A verdict row repeats whether its sample was truncated, so that a tally reads
one file set and never the text.
"""

import fcntl
import io
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from move37.config import IMPORTED, StudyConfig, changed_keys, parse_study, resolved_json
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.errors import ConfigError, InputError, StoreError
from move37.parts import UNFINISHED, Appender, PartFolder, write_atomically
from move37.stopping import apply_plan
from move37.tallies import (
    COUNT_SCHEMA,
    count_outcomes,
    counted_tally,
    counts_frame,
    fixed_tally,
    outcome_tables,
    stopped_tally,
)
from move37.types import FinishReason, Outcome, Problem, Prompt, Sample, Verdict

_FINISH = pl.Enum([reason.value for reason in FinishReason])
_OUTCOME = pl.Enum([outcome.value for outcome in Outcome])

SAMPLE_SCHEMA = {
    "problem_id": pl.String,
    "index": pl.Int32,
    "text": pl.String,
    "finish_reason": _FINISH,
    "tokens": pl.Int32,
    "logprob": pl.Float64,
    "seed": pl.Int64,
}
VERDICT_SCHEMA = {
    "problem_id": pl.String,
    "index": pl.Int32,
    "outcome": _OUTCOME,
    "reason": pl.String,
    "answer": pl.String,
    "truncated": pl.Boolean,
}
PROBLEM_SCHEMA = {
    "id": pl.String,
    "question": pl.String,
    "references": pl.List(pl.String),
    "benchmark": pl.String,
    "verifier": pl.String,
    "tags": pl.String,
    "metadata": pl.String,
}
_KEY = ("problem_id", "index")
REPORTED = "reported"
"""Verdicts under the label "reported@<format>" are another tool's, kept for comparison and never tallied."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What is known of a model whose samples are in the run: where it came from and what it was asked."""

    identity: Mapping[str, str]
    prompts: tuple[Prompt, ...]


class RunStore:
    """A run folder. Nothing is created before the first write."""

    def __init__(self, folder: Path, judged_by: str | None = None) -> None:
        """`judged_by` is a label whose verdicts count in place of the current ones."""
        self.folder = folder
        self._judged_by = judged_by

    # -- the study and its problems ------------------------------------------------------------------------------

    @classmethod
    def open(cls, folder: Path) -> "RunStore":
        """An existing run. Raises InputError where there is none."""
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: not a run folder (no config.json); give the folder that `move37 run` made")
        return cls(folder)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run for writing. Raises StoreError when another process writes to it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(f"{self.folder}: another process is writing to this run; wait for it") from None
            for path in self.folder.rglob(f"{UNFINISHED}*"):
                path.unlink()  # left by a writer that was killed: nothing that was promised is in it
            yield

    def study(self) -> StudyConfig:
        """The study as it was resolved when the run was made or last continued."""
        path = self.folder / "config.json"
        try:
            return parse_study(json.loads(path.read_text(encoding="utf-8")), str(path))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise StoreError(f"{path}: not valid JSON ({error}); restore it or start a new run folder") from error

    def adopt(self, study: StudyConfig) -> None:
        """Make `study` the run's own. Raises ConfigError for a change that would mix two laws in one run."""
        if (self.folder / "config.json").exists():
            changes = changed_keys(self.study(), study)
            if changes:
                raise ConfigError(
                    f"{', '.join(changes)}: differs from what {self.folder} was made with; "
                    "use another --out folder, or the old value"
                )
        write_atomically(self.folder / "config.json", resolved_json(study).encode())

    def add_problems(self, problems: Iterable[Problem]) -> None:
        """Take problems that are not there yet. Raises StoreError for other content under a known id."""
        known = {problem.id: problem for problem in self.problems()}
        before = len(known)
        for problem in problems:
            there = known.setdefault(problem.id, problem)
            # Ids ignore white space, and so does this.
            same_question = there.question.split() == problem.question.split()
            if not same_question or there.references != problem.references:
                what = "reference answer" if same_question else "question"
                raise StoreError(f"{self.folder}: problem {problem.id} is already here with another {what}")
        if len(known) > before or not (self.folder / "problems.parquet").exists():
            rows = [_problem_row(problem) for problem in known.values()]
            write_atomically(self.folder / "problems.parquet", _parquet(rows, PROBLEM_SCHEMA))

    def problems(self) -> tuple[Problem, ...]:
        """The problems in the order in which they were added; empty in a run of imported counts."""
        rows = _read_table(self.folder / "problems.parquet", PROBLEM_SCHEMA)
        return tuple(
            Problem(
                id=row["id"],
                question=row["question"],
                references=tuple(row["references"]),
                benchmark=row["benchmark"],
                verifier=row["verifier"],
                tags=json.loads(row["tags"]),
                metadata=json.loads(row["metadata"]),
            )
            for row in rows
        )

    # -- models and their samples --------------------------------------------------------------------------------

    def models(self) -> tuple[str, ...]:
        """Models with samples or counts, in the order of the study, then by name."""
        found = {path.name for kind in ("samples", "counts") for path in (self.folder / kind).glob("*")}
        listed = [name for name in self.study().models if name in found]
        return (*listed, *sorted(found - set(listed)))

    def record_model(self, model: str, record: ModelRecord) -> None:
        """Write down what a model is and what it is asked. Raises StoreError if either changed during the run."""
        known = self.model_record(model)
        if known.identity and known.identity.get("weights") != record.identity.get("weights"):
            raise StoreError(
                f"{self.folder}: the weights of {model!r} are not those that made its samples; use another --out folder"
            )
        asked = {prompt.problem_id: prompt for prompt in known.prompts}
        for prompt in record.prompts:
            if asked.setdefault(prompt.problem_id, prompt) != prompt:
                raise StoreError(
                    f"{self.folder}: the prompt of {prompt.problem_id} is not the one that {model!r} was sampled with; "
                    "use another --out folder"
                )
        folder = self.folder / "models" / model
        write_atomically(folder / "identity.json", (json.dumps(dict(record.identity), indent=2) + "\n").encode())
        rows = [
            {"problem_id": p.problem_id, "text": p.text, "stop": list(p.stop), "template": p.template}
            for p in asked.values()
        ]
        write_atomically(folder / "prompts.parquet", _parquet(rows, _PROMPT_SCHEMA))

    def model_record(self, model: str) -> ModelRecord:
        """What is known of `model`; empty for imports that did not say."""
        folder = self.folder / "models" / model
        identity = json.loads((folder / "identity.json").read_text()) if (folder / "identity.json").exists() else {}
        rows = _read_table(folder / "prompts.parquet", _PROMPT_SCHEMA)
        prompts = tuple(Prompt(r["problem_id"], r["text"], tuple(r["stop"]), r["template"]) for r in rows)
        return ModelRecord(identity, prompts)

    def samples(self, model: str) -> PartFolder:
        return PartFolder(self.folder / "samples" / model, SAMPLE_SCHEMA, _KEY)

    def owed(self, model: str, problem_ids: Sequence[str], plan: StoppingPlan) -> dict[str, list[int]]:
        """The indices that `model` lacks for the next decision about each problem, where it lacks any.

        Under a plan with several looks a problem is judged by its current verdicts; one whose samples for the next
        look are all there, but not yet verified, owes nothing until they are.
        """
        there = self._indices(self.samples(model))
        if plan.is_fixed:
            wanted = np.full(len(problem_ids), plan.n_max)
        else:
            wanted = apply_plan(self.outcomes(model, problem_ids, plan.n_max), plan).next_look
        owed = {
            problem: sorted(set(range(look)).difference(there.get(problem, ())))
            for problem, look in zip(problem_ids, wanted.tolist(), strict=True)
        }
        return {problem: indices for problem, indices in owed.items() if indices}

    @contextmanager
    def appending_samples(self, model: str) -> Iterator["SampleWriter"]:
        """Take samples one by one; whole parts reach the disk every few seconds and when the block is left."""
        with Appender(self.samples(model)) as appender:
            yield SampleWriter(appender)

    def absorb_samples(self, model: str, rows: pl.LazyFrame, origin: str) -> int:
        """Copy the rows of samples made elsewhere that this run lacks; how many those were.

        Raises StoreError, before anything is copied, if a key that both have holds different content.
        """
        mine = self.samples(model)
        differs = pl.any_horizontal(
            pl.col(name).ne_missing(pl.col(f"{name}_mine")) for name in SAMPLE_SCHEMA if name not in _KEY
        )
        both = rows.join(mine.scan(), on=_KEY, suffix="_mine").filter(differs).select(_KEY).sort(_KEY)
        contradictions = mine.collect(both)
        if contradictions.height:
            shown = "; ".join(f"{problem} {index}" for problem, index in contradictions.head(3).rows())
            raise StoreError(
                f"{origin}: {contradictions.height} samples of {model!r} differ from those in {self.folder} under the "
                f"same key ({shown}); these do not belong together"
            )
        new = mine.collect(rows.join(mine.scan(_KEY), on=_KEY, how="anti"))
        mine.append(new)
        return new.height

    # -- verdicts ------------------------------------------------------------------------------------------------

    def verdicts(self, label: str, model: str) -> PartFolder:
        """Verdicts of one verifier; `label` is "<verifier>@<version>"."""
        return PartFolder(self.folder / "verdicts" / label / model, VERDICT_SCHEMA, _KEY)

    def unverified(self, label: str, model: str, problem_ids: Sequence[str]) -> Iterator[Sample]:
        """Samples of these problems that have no verdict under `label` yet, part by part. For the run's writer."""
        done = self.verdicts(label, model).read(_KEY)
        samples = self.samples(model)
        samples.compact()  # from here on each key stands in one part
        wanted = pl.Series([*problem_ids], dtype=pl.String).implode()
        reasons = {reason.value: reason for reason in FinishReason}
        for frame in samples.frames():
            rows = frame.filter(pl.col("problem_id").is_in(wanted)).join(done, on=_KEY, how="anti")
            for problem_id, index, text, finish, *rest in zip(
                *(rows[name].to_list() for name in SAMPLE_SCHEMA), strict=True
            ):
                yield Sample(problem_id, index, text, reasons[finish], *rest)

    def forget_unscored(self, label: str, model: str) -> int:
        """Take back the verdicts that say "unscored", so that these samples are judged again; how many they were."""
        return self.verdicts(label, model).drop(pl.col("outcome") == Outcome.UNSCORED.value)

    def count_unverified(self, label: str, model: str, problem_ids: Sequence[str]) -> int:
        """How many samples `unverified` would hand out."""
        wanted = pl.Series([*problem_ids], dtype=pl.String).implode()
        samples, done = self.samples(model), self.verdicts(label, model).scan(_KEY)
        rows = samples.scan(_KEY).filter(pl.col("problem_id").is_in(wanted)).join(done, on=_KEY, how="anti")
        return samples.collect(rows.select(pl.len())).item()

    @contextmanager
    def appending_verdicts(
        self, label: str, model: str, samples: "SampleWriter | None" = None
    ) -> Iterator["VerdictWriter"]:
        """Take verdicts one by one. Those on what `samples` writes never reach the disk before it."""
        with Appender(self.verdicts(label, model), after=samples.appender if samples else None) as appender:
            yield VerdictWriter(appender)

    def labels(self, model: str) -> list[str]:
        """Every "<verifier>@<version>" under which `model` has verdicts."""
        return sorted(path.parent.name for path in (self.folder / "verdicts").glob(f"*/{model}"))

    def current_labels(self) -> dict[str, str]:
        """For each verifier that the problems name: the label whose verdicts count."""
        if self._judged_by is not None:
            return dict.fromkeys({problem.verifier for problem in self.problems()}, self._judged_by)
        path = self.folder / "verdicts" / "current.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def set_current_labels(self, labels: Mapping[str, str]) -> None:
        merged = self.current_labels() | dict(labels)
        write_atomically(self.folder / "verdicts" / "current.json", (json.dumps(merged, indent=2) + "\n").encode())

    # -- tallies -------------------------------------------------------------------------------------------------

    def outcomes(self, model: str, problem_ids: Sequence[str], n_max: int) -> NDArray[np.int8]:
        """Current outcomes by sample index, as `stopping.CODES`, shape (M, n_max)."""
        return outcome_tables(self._outcome_frames(model), problem_ids, n_max)[0]

    def plan(self, model: str) -> StoppingPlan | None:
        """The plan under which `model` was stopped early; None where its n was fixed beforehand."""
        path = self._plan_path(model)
        if path.exists():
            written = json.loads(path.read_text())
            looks, successes = tuple(written["looks"]), written["successes"]
            return StoppingPlan(looks, tuple(successes) if isinstance(successes, list) else successes)
        study = self.study() if (self.folder / "config.json").exists() else None
        if study is None or model not in study.models or study.models[model].engine == IMPORTED:
            return None
        plan = study.sampling.plan()
        return None if plan.is_fixed else plan

    def tally(self, model: str) -> AnyTally:
        """Counts of `model` from imported counts or its current verdicts, stopped early where its plan says so.

        Raises InputError where there are none, and where a problem has not reached its stopping point.
        """
        plan, counts = self.plan(model), self._count_parts(model).read()
        if not counts.is_empty():
            return counted_tally(model, counts.sort("problem_id"), plan)
        if plan is None:
            return self.fixed_tally(model)
        ids = sorted(problem.id for problem in self.problems())
        tally = stopped_tally(model, self._outcome_frames(model), ids, plan, f"run `move37 sample {self.folder}`")
        if not tally.problems:
            raise self._no_verdicts(model)
        return tally

    def fixed_tally(self, model: str, below: int | None = None) -> Tally:
        """Counts of `model` over all its samples, or over those with an index below `below`.

        Unbiased for a fixed n only if that was decided beforehand: under a stopping plan, at most its first look.
        """
        keep = pl.lit(True) if below is None else pl.col("index") < below
        counts = self._count_verdicts(model, keep)
        if counts.is_empty():
            raise self._no_verdicts(model)
        return fixed_tally(model, counts.sort("problem_id"))

    def tally_not_truncated(self, model: str, below: int | None = None) -> Tally | None:
        """Counts over the samples that ended by themselves; None where that is not known or there are none."""
        keep = pl.lit(True) if below is None else pl.col("index") < below
        counts = self._count_verdicts(model, keep & ~pl.col("truncated"))
        return None if counts.is_empty() else fixed_tally(model, counts.sort("problem_id"))

    def add_counts(self, tally: AnyTally) -> None:
        """Keep imported counts. Raises StoreError if the model has samples, which counts would contradict."""
        if self.samples(tally.model).files():
            raise StoreError(
                f"{self.folder}: {tally.model!r} has samples already; import its counts under another name"
            )
        parts = self._count_parts(tally.model)
        if parts.files():
            raise StoreError(f"{self.folder}: counts of {tally.model!r} are here already; use another --out folder")
        if isinstance(tally, StoppedTally):
            plan = {"looks": list(tally.plan.looks), "successes": tally.plan.successes}
            write_atomically(self._plan_path(tally.model), json.dumps(plan).encode())
        parts.append(counts_frame(tally))

    def reasons(self, model: str) -> list[tuple[str, str, int]]:
        """(outcome, reason, count) over the current verdicts, most frequent first; empty for imported counts."""
        totals: dict[tuple[str, str], int] = {}
        for parts in self._current_verdicts(model):
            grouped = parts.collect(parts.scan(["outcome", "reason"]).group_by("outcome", "reason").len())
            for outcome, reason, count in grouped.rows():
                totals[outcome, reason] = totals.get((outcome, reason), 0) + count
        ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
        return [(outcome, reason, count) for (outcome, reason), count in ordered]

    def answers(self, model: str, below: int | None = None) -> pl.DataFrame:
        """Distinct answers: problem_id, answer (null: none), correct, count; unscored samples are left out.

        Of all samples, or of those with an index below `below`.
        """
        columns = ["problem_id", "index", "answer", "outcome"]
        keep = pl.lit(True) if below is None else pl.col("index") < below
        frames = [
            parts.collect(
                parts.scan(columns)
                .filter(keep & (pl.col("outcome") != Outcome.UNSCORED.value))
                .group_by("problem_id", "answer", correct=pl.col("outcome") == Outcome.CORRECT.value)
                .agg(count=pl.len())
            )
            for parts in self._current_verdicts(model)
        ]
        empty = pl.DataFrame(
            schema={"problem_id": pl.String, "answer": pl.String, "correct": pl.Boolean, "count": pl.UInt32}
        )
        return pl.concat([empty, *(f.select(pl.col(n).cast(t) for n, t in empty.schema.items()) for f in frames)])

    def mean_tokens(self, model: str) -> float | None:
        """Mean generated tokens per sample; None where no sample knows."""
        parts = self.samples(model)
        value = parts.collect(parts.scan(["tokens"]).select(pl.col("tokens").mean())).item()
        return None if value is None else float(value)

    def mean_tokens_by_problem(self, model: str) -> dict[str, float]:
        """Mean generated tokens per sample of each problem; empty where a sample does not know its own."""
        parts = self.samples(model)
        lengths = parts.scan(["problem_id", "tokens"])
        means = lengths.group_by("problem_id").agg(pl.col("tokens").mean(), lost=pl.col("tokens").is_null().any())
        frame = parts.collect(means)
        return {} if frame["lost"].any() else dict(frame.select("problem_id", "tokens").rows())

    def mean_tokens_by_outcome(self, model: str) -> tuple[float, float] | None:
        """Mean generated tokens of correct and of incorrect samples; None where one of them is not known."""
        lengths = self.samples(model).scan([*_KEY, "tokens"])
        frames = [
            parts.collect(parts.scan([*_KEY, "outcome"]).join(lengths, on=_KEY).drop(_KEY))
            for parts in self._current_verdicts(model)
        ]
        if not frames:
            return None
        means = dict(pl.concat(frames).group_by("outcome").agg(pl.col("tokens").mean()).rows())
        correct, incorrect = (means.get(o.value) for o in (Outcome.CORRECT, Outcome.INCORRECT))
        return None if correct is None or incorrect is None else (correct, incorrect)

    def compare_verdicts(self, model: str, other: str) -> pl.DataFrame:
        """Current verdicts beside those under the label `other`: problem_id, index, outcome, answer, theirs."""
        theirs = self.verdicts(other, model).scan(["problem_id", "index", "outcome"]).rename({"outcome": "theirs"})
        frames = [
            parts.collect(parts.scan(["problem_id", "index", "outcome", "answer"]).join(theirs, on=_KEY, how="inner"))
            for parts in self._current_verdicts(model)
        ]
        return pl.concat(frames).sort(_KEY) if frames else pl.DataFrame()

    # -- housekeeping --------------------------------------------------------------------------------------------

    def compact(self) -> None:
        """Merge the small parts that a run leaves behind."""
        for folder in self._part_folders():
            folder.compact()

    def log(self, event: str, **figures: Any) -> None:
        """Add a line to log.jsonl."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event} | figures)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _part_folders(self) -> Iterator[PartFolder]:
        for folder in sorted((self.folder / "samples").glob("*")):
            yield self.samples(folder.name)
        for folder in sorted((self.folder / "verdicts").glob("*/*")):
            yield self.verdicts(folder.parent.name, folder.name)
        for folder in sorted((self.folder / "counts").glob("*")):
            yield self._count_parts(folder.name)

    def _count_parts(self, model: str) -> PartFolder:
        return PartFolder(self.folder / "counts" / model, COUNT_SCHEMA, ("problem_id",))

    def _current_verdicts(self, model: str) -> Iterator[PartFolder]:
        for label in sorted(set(self.current_labels().values())):
            parts = self.verdicts(label, model)
            if parts.files():
                yield parts

    def _count_verdicts(self, model: str, keep: pl.Expr) -> pl.DataFrame:
        frames = [pl.DataFrame(schema=COUNT_SCHEMA)]
        for parts in self._current_verdicts(model):
            rows = parts.scan(["problem_id", "index", "outcome", "truncated"]).filter(keep)
            frames.append(parts.collect(count_outcomes(rows)))
        return pl.concat(frames)

    def _outcome_frames(self, model: str) -> Iterator[pl.DataFrame]:
        for parts in self._current_verdicts(model):
            yield parts.read(["problem_id", "index", "outcome", "truncated"])

    def _plan_path(self, model: str) -> Path:
        return self.folder / "models" / model / "plan.json"

    def _no_verdicts(self, model: str) -> InputError:
        return InputError(f"{self.folder}: {model!r} has no verdicts yet; run `move37 verify {self.folder}`")

    def _indices(self, parts: PartFolder) -> dict[str, list[int]]:
        keys = parts.read(_KEY)
        return {str(p[0]): frame["index"].to_list() for p, frame in keys.group_by("problem_id")}


def sample_rows(samples: Sequence[Sample]) -> pl.LazyFrame:
    """Samples as rows of the store."""
    rows = [(s.problem_id, s.index, s.text, s.finish_reason.value, s.tokens, s.logprob, s.seed) for s in samples]
    return pl.LazyFrame(rows, schema=SAMPLE_SCHEMA, orient="row")


@dataclass(frozen=True, slots=True)
class SampleWriter:
    """The writing end of `RunStore.appending_samples`."""

    appender: Appender

    def add(self, sample: Sample) -> None:
        self.appender.add(
            (
                sample.problem_id,
                sample.index,
                sample.text,
                sample.finish_reason.value,
                sample.tokens,
                sample.logprob,
                sample.seed,
            ),
            len(sample.text),
        )


@dataclass(frozen=True, slots=True)
class VerdictWriter:
    """The writing end of `RunStore.appending_verdicts`."""

    appender: Appender

    def add(self, sample: Sample, verdict: Verdict) -> None:
        truncated = sample.finish_reason is FinishReason.LENGTH
        row = (sample.problem_id, sample.index, verdict.outcome.value, verdict.reason, verdict.answer, truncated)
        self.appender.add(row, len(verdict.answer or ""))


_PROMPT_SCHEMA = {
    "problem_id": pl.String,
    "text": pl.String,
    "stop": pl.List(pl.String),
    "template": pl.String,
}


def _problem_row(problem: Problem) -> dict[str, Any]:
    return {
        "id": problem.id,
        "question": problem.question,
        "references": list(problem.references),
        "benchmark": problem.benchmark,
        "verifier": problem.verifier,
        "tags": json.dumps(dict(problem.tags), ensure_ascii=False),
        "metadata": json.dumps(dict(problem.metadata), ensure_ascii=False),
    }


def _parquet(rows: list[dict[str, Any]], schema: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema=dict(schema)).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _read_table(path: Path, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        return pl.read_parquet(path, columns=list(schema)).rows(named=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StoreError(f"{path}: damaged; restore it or start a new run folder") from error
