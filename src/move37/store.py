"""The run folder: append, read back, say what is owed and which verdicts stand.

    <run>/config.json                          the resolved study, with the format of the folder
          problems.parquet                     id, question, references, tags, what the verifier needs
          images/<digest>.<format>             the images of problems, each once
          models/<model>/                      identity.json (weights, versions), prompts.parquet (the exact texts),
                                               spending.json (what its samples cost, if they cost money),
                                               images.json (what its processor made of images),
                                               plan.json (of imported counts that were stopped early)
          samples/<model>/part-*.parquet       append-only
          verdicts/<verifier>@<version>/<model>/part-*.parquet   beside the samples, never over older ones
          verdicts/current.json                which of them the analyses read, for each verifier of the problems
          verdicts/standing.json               parts of which it is known that every verdict in them stands
          counts/<model>/part-*.parquet        imported counts, for models without samples
          log.jsonl  analyses.json  report.html  report.md  figures/  tables/

The key of a sample is (model, problem id, index). Resuming is asking what is owed, by key. One process writes at a
time (`writing`); readers need no lock. A verdict row repeats whether its sample was truncated, so that a tally reads
one file set and never the text.

A verdict stands while the sample and the problem that it is about are those in the run: both by digest, so it does not
matter by which road one of them changed (a damaged part that was made again, a corrected reference). One that does not
stand is counted nowhere, and is taken out when its verifier looks at the samples the next time. What a run was made
from is compared by content as well, never by path: folders may be moved and renamed.

Which columns there are is `schema.py`'s; what the analyses see of a run is `evidence.py`'s.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from move37 import __version__
from move37.config import IMPORTED, TRAININGS, StudyConfig, changed_keys, parse_study, resolved_json
from move37.counts import AnyTally, StoppedTally, StoppingPlan
from move37.errors import ConfigError, InputError, StoreError
from move37.files import UNFINISHED, read_json, write_atomically
from move37.kept_images import keep_images, prompt_with_images_in, with_images_in
from move37.locks import LINGER_SECONDS, held
from move37.owed import missing
from move37.parts import Appender, PartFolder
from move37.schema import (
    COUNTS,
    FORMAT,
    KEY,
    PROBLEMS,
    PROMPTS,
    SAMPLES,
    plan_json,
    plan_of,
    problem_digest,
    problem_of,
    problem_row,
    prompt_of,
    prompt_row,
    read_table,
    sample_row,
    samples_of,
    verdict_row,
    verdict_table,
    write_table,
)
from move37.stopping import apply_plan
from move37.tallies import counts_frame, outcome_tables
from move37.types import Outcome, Problem, Prompt, Sample, Verdict
from move37.verifiers import CODE

REPORTED = "reported"
"""Verdicts under the label "reported@<format>" are another tool's, kept for comparison and never tallied."""

ASKED_AT = "asked_at"
"""In a model's identity: the local time that its chat template was given as now, where it prints the date."""
ANSWERS_AS = "answers_as"
"""In a model's identity: the name that a server's answers give to the model."""
NEUTRAL = frozenset(
    {"engine", "model", "label", "revision", "architecture", "parameters", "device", "kernels", "context_length"}
    | {"ignored_settings", "ends_named_by", "batch_size", "delay_seconds", "seeds", "engine_package"}
    | {"environment_package", "notes", "server", "room", ASKED_AT}
)
"""What may change in an engine's identity while a model is sampled: it leaves the sampling distribution as it is.
Everything else that an engine says of itself (weights, dtype, end tokens, options of its own) may not."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What is known of a model whose samples are in the run: where it came from and what it was asked."""

    identity: Mapping[str, str]
    prompts: tuple[Prompt, ...]


class RunStore:
    """A run folder. Nothing is created before the first write.

    The study and the problems are read once, and again only after this object wrote them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._study: StudyConfig | None = None
        self._problems: tuple[Problem, ...] | None = None
        self._digests: dict[str, int] | None = None
        self.elsewhere: frozenset[str] = frozenset()
        """Models of the study that other parts of it are about."""

    # -- the study and its problems ------------------------------------------------------------------------------

    @classmethod
    def open(cls, folder: Path) -> "RunStore":
        """An existing run. Raises InputError where there is none, StoreError where a newer version wrote it."""
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: not a run folder (no config.json); give the folder that `move37 run` made")
        store = cls(folder)
        store.study()
        return store

    @property
    def exists(self) -> bool:
        return (self.folder / "config.json").exists()

    @contextmanager
    def writing(self, linger_seconds: float = LINGER_SECONDS) -> Iterator[None]:
        """Hold the run for writing. Raises StoreError when another process writes to it, and goes on doing so."""
        if self.exists:
            self.study()  # a run of a newer version is not touched
        with held(self.folder, linger_seconds):
            for path in self.folder.rglob(f"{UNFINISHED}*"):
                # Left by a writer that was killed: nothing that was promised is in it. Trainings clear up after theirs.
                if path.relative_to(self.folder).parts[0] != TRAININGS:
                    path.unlink()
            if self.exists and self._config()[0] < 2:
                self._tie_old_verdicts()
            yield

    def study(self) -> StudyConfig:
        """The study as it was resolved when the run was made or last continued. Raises StoreError as `open`."""
        if self._study is None:
            written = parse_study(self._config()[1], str(self.folder / "config.json"))
            self._study = written.trained_in(self.folder)
        return self._study

    def against(self, base: str) -> "RunStore":
        """The run as one of that part of its study alone that is compared with `base`; to be read."""
        whole, part = self.study(), copy(self)
        part._study = whole.against(base)
        part.elsewhere = frozenset(whole.models.keys() - part._study.models.keys())
        return part

    def adopt(self, study: StudyConfig) -> None:
        """Make `study` the run's own. Raises ConfigError as `refuse_changes`."""
        self.refuse_changes(study)
        self._write_config(study)

    def refuse_changes(self, study: StudyConfig) -> None:
        """Raises ConfigError for a change that would mix two sampling distributions in one run."""
        changes = changed_keys(self.study(), study) if self.exists else []
        if changes:
            raise ConfigError(
                f"{', '.join(changes)}: differs from what {self.folder} was made with; "
                "use another --out folder, or the old value"
            )

    def _write_config(self, study: StudyConfig) -> None:
        write_atomically(
            self.folder / "config.json", resolved_json(study, {"format": FORMAT, "move37": __version__}).encode()
        )
        self._study = study.trained_in(self.folder)

    def _config(self) -> tuple[int, dict[str, Any]]:
        """The format of the folder, and the study as it is written. Raises StoreError."""
        path = self.folder / "config.json"
        written = read_json(path)
        if not isinstance(written, dict):
            raise StoreError(f"{path}: no study in it; restore it or start a new run folder")
        number, version = written.pop("format", 1), written.pop("move37", "0.1.0")
        if not isinstance(number, int) or number > FORMAT:
            raise StoreError(
                f"{self.folder}: written by move37 {version} in format {number}; this is move37 {__version__}, which "
                f"reads up to format {FORMAT}: update it (pip install -U move37)"
            )
        return number, written

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
        if len(known) > before or not self._problem_path.exists():
            self._write_problems(known.values())

    def lacks_problems_of(self, study: StudyConfig) -> bool:
        """Whether a study's problems have to be read: they are not here, or their file may have been edited since."""
        if not self.exists or not self.problems() or self.study().problems != study.problems:
            return True
        return any(source.path is not None for source in study.problems)

    def take_problems(self, problems: Sequence[Problem], where: str) -> None:
        """Let `problems` be the run's own: new ones are added, and what is known of old ones is brought up to date.

        A corrected reference makes the verdicts on that problem fall. Raises ConfigError, which names the source
        `where`, if one that is here is missing, or asks something else: its samples would answer another question.
        """
        known, new = {problem.id: problem for problem in self.problems()}, {problem.id: problem for problem in problems}
        gone = [problem for problem in known if problem not in new]
        gone += [id for id, each in known.items() if id in new and each.question.split() != new[id].question.split()]
        if gone:
            raise ConfigError(
                f"{where}: {len(gone)} problems of {self.folder} are not there any more, or ask something else (first: "
                f"{gone[0]}); put them back, or use another --out folder"
            )
        kept = [old if old == new[id] else new[id] for id, old in known.items()]
        added = [problem for id, problem in new.items() if id not in known]
        if added or any(old is not now for old, now in zip(known.values(), kept, strict=True)) or not known:
            self._write_problems([*kept, *added])

    def problems(self) -> tuple[Problem, ...]:
        """The problems in the order in which they were added; empty in a run of imported counts."""
        if self._problems is None:
            found = map(problem_of, read_table(self._problem_path, PROBLEMS))
            self._problems = tuple(with_images_in(self._image_folder, problem) for problem in found)
        return self._problems

    def require_problems(self) -> None:
        """Raises StoreError where there are samples and the problems are gone."""
        if self.exists and not self._problem_path.exists() and self._folders(self.folder / "samples"):
            raise StoreError(
                f"{self._problem_path}: missing, and there are samples; run the study again (`move37 sample "
                "STUDY.toml`): it will be made again"
            )

    def digests(self) -> Mapping[str, int]:
        """The digest of every problem by its id."""
        if self._digests is None:
            self._digests = {problem.id: problem_digest(problem) for problem in self.problems()}
        return self._digests

    @property
    def _problem_path(self) -> Path:
        return self.folder / "problems.parquet"

    @property
    def _image_folder(self) -> Path:
        return self.folder / "images"

    def _write_problems(self, problems: Iterable[Problem]) -> None:
        problems = tuple(problems)
        keep_images(self._image_folder, problems)  # first: a problem never stands there without its images
        write_table(self._problem_path, [problem_row(problem) for problem in problems], PROBLEMS)
        self._problems = self._digests = None

    # -- models and their samples --------------------------------------------------------------------------------

    def models(self) -> tuple[str, ...]:
        """Models of the study with samples or counts, in the order of the study."""
        found = self._models_here()
        return tuple(name for name in self.study().models if name in found)

    def unnamed_models(self) -> tuple[str, ...]:
        """Models that have samples or counts here, and that the study names no longer."""
        return tuple(sorted(self._models_here() - self.study().models.keys() - self.elsewhere))

    def _models_here(self) -> set[str]:
        return {path.name for kind in ("samples", "counts") for path in self._folders(self.folder / kind)}

    def refuse_other_weights(self, model: str, identity: Mapping[str, str]) -> None:
        """Raises ConfigError where a loaded model is not the one that was sampled here."""
        known = self.model_record(model).identity
        changed = [name for name, of in identity.items() if name not in NEUTRAL and known.get(name, of) != of]
        if changed:
            was, now = (", ".join(f"{name} {each.get(name)}" for name in changed) for each in (known, identity))
            raise ConfigError(
                f"models.{model}: its samples in {self.folder} were made with {was}, and now it has {now}; use another "
                "--out folder, or what it was made with"
            )

    def record_model(self, model: str, record: ModelRecord) -> None:
        """Write down what a model is and what it is asked. Raises ConfigError if either changed during the run."""
        self.refuse_other_weights(model, record.identity)
        known = self.model_record(model)
        asked = {prompt.problem_id: prompt for prompt in known.prompts}
        for prompt in record.prompts:
            if asked.setdefault(prompt.problem_id, prompt) != prompt:
                raise ConfigError(
                    f"models.{model}: the prompt of {prompt.problem_id} is not the one that it was sampled with in "
                    f"{self.folder}; use another --out folder"
                )
        folder = self.folder / "models" / model
        write_atomically(folder / "identity.json", _json(dict(record.identity)))
        write_table(folder / "prompts.parquet", [prompt_row(prompt) for prompt in asked.values()], PROMPTS)

    def model_record(self, model: str) -> ModelRecord:
        """What is known of `model`; empty for imports that did not say."""
        folder = self.folder / "models" / model
        found = map(prompt_of, read_table(folder / "prompts.parquet", PROMPTS))
        prompts = tuple(prompt_with_images_in(self._image_folder, prompt) for prompt in found)
        return ModelRecord(_mapping(folder / "identity.json"), prompts)

    def record_images(self, model: str, seen: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down what a model's processor made of the images of each problem, beside the size that they have."""
        sizes = {p.id: [[image.digest, image.width, image.height] for image in p.images] for p in self.problems()}
        rows = {problem: {"images": sizes.get(problem, []), **made} for problem, made in seen.items()}
        write_atomically(self.folder / "models" / model / "images.json", _json(rows))

    def spending(self, model: str) -> Mapping[str, Any]:
        """What the samples of `model` have cost so far, as its engine wrote it down; empty where nothing did."""
        return _mapping(self._spending_path(model))

    def write_spending(self, model: str, record: Mapping[str, Any]) -> None:
        write_atomically(self._spending_path(model), _json(record))

    def _spending_path(self, model: str) -> Path:
        return self.folder / "models" / model / "spending.json"

    def samples(self, model: str) -> PartFolder:
        return SAMPLES.parts(self.folder / "samples" / model)

    def owed(self, model: str, problem_ids: Sequence[str], plan: StoppingPlan) -> dict[str, Sequence[int]]:
        """The indices that `model` lacks for the next decision about each problem, where it lacks any.

        Under a plan with several looks a problem is judged by its current verdicts; one whose samples for the next
        look are all there, but not yet verified, owes nothing until they are.
        """
        if plan.is_fixed:
            looks = [plan.n_max] * len(problem_ids)
        else:
            looks = apply_plan(self.outcomes(model, problem_ids, plan.n_max), plan).next_look.tolist()
        wanted = {problem: range(look) for problem, look in zip(problem_ids, looks, strict=True)}
        return missing(self.samples(model), wanted)

    def lacking(self, model: str, problem_ids: Sequence[str], indices: range) -> dict[str, Sequence[int]]:
        """Those of `indices` that `model` has no sample of, for each problem where there are some."""
        return missing(self.samples(model), dict.fromkeys(problem_ids, indices))

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
            pl.col(name).ne_missing(pl.col(f"{name}_mine"))
            for name in SAMPLES.columns
            if name not in (*KEY, "segments", "text", "finish_reason")  # the digest is of these two
        )
        both = rows.join(mine.scan(), on=KEY, suffix="_mine").filter(differs).select(KEY).sort(KEY)
        contradictions = mine.collect(both)
        if contradictions.height:
            shown = "; ".join(f"{problem} {index}" for problem, index in contradictions.head(3).rows())
            raise StoreError(
                f"{origin}: {contradictions.height} samples of {model!r} differ from those in {self.folder} under the "
                f"same key ({shown}); these do not belong together"
            )
        new = mine.collect(rows.join(mine.scan(KEY), on=KEY, how="anti"))
        mine.append(new)
        return new.height

    # -- verdicts ------------------------------------------------------------------------------------------------

    def verdicts(self, label: str, model: str) -> PartFolder:
        """Verdicts of one verifier, those that do not stand among them; `label` is "<verifier>@<version>"."""
        return verdict_table(label.startswith(f"{CODE}@")).parts(self.folder / "verdicts" / label / model)

    def standing(self, label: str, model: str, columns: Sequence[str]) -> pl.LazyFrame:
        """Those columns of the verdicts of one verifier that are about samples and problems as they are here now."""
        parts = self.verdicts(label, model)
        if self._all_stand(label, model):
            return parts.scan(columns)
        return self._those_that_stand(parts.scan(), model).select(columns)

    def drop_fallen(self, label: str, model: str) -> int:
        """Take out the verdicts that do not stand; how many those were. For the run's writer."""
        parts = self.verdicts(label, model)
        if self._all_stand(label, model) or not parts.files():
            return 0
        parts.compact()
        return parts.keep(lambda rows: self._those_that_stand(rows, model))

    def seal(self, label: str, model: str) -> None:
        """Write down that every verdict of one verifier stands, if that is so: tallies then need not look."""
        if self._all_stand(label, model):
            return
        parts = self.verdicts(label, model)
        rows = parts.scan([*KEY, "sample", "problem"])
        standing = parts.collect(self._those_that_stand(rows, model).select(pl.len())).item()
        if standing == parts.collect(rows.select(pl.len())).item():
            known = self._seals()
            known.setdefault(label, {})[model] = self._stamp(label, model)
            write_atomically(self._standing_path, _json(known))

    def unverified(self, label: str, model: str, problem_ids: Sequence[str]) -> Iterator[Sample]:
        """Samples of these problems that have no verdict under `label` yet, part by part. For the run's writer."""
        done = self.samples(model).collect(self.standing(label, model, KEY))
        samples = self.samples(model)
        samples.compact()  # from here on each key stands in one part
        wanted = pl.Series([*problem_ids], dtype=pl.String).implode()
        for frame in samples.frames():
            rows = frame.filter(pl.col("problem_id").is_in(wanted)).join(done, on=KEY, how="anti")
            yield from samples_of(rows)

    def forget_unscored(self, label: str, model: str) -> int:
        """Take back the verdicts that say "unscored", so that these samples are judged again; how many they were."""
        return self.verdicts(label, model).drop(pl.col("outcome") == Outcome.UNSCORED.value)

    def count_unverified(self, label: str, model: str, problem_ids: Sequence[str]) -> int:
        """How many samples `unverified` would hand out."""
        wanted = pl.Series([*problem_ids], dtype=pl.String).implode()
        samples, done = self.samples(model), self.standing(label, model, KEY)
        rows = samples.scan(KEY).filter(pl.col("problem_id").is_in(wanted)).join(done, on=KEY, how="anti")
        return samples.collect(rows.select(pl.len())).item()

    @contextmanager
    def appending_verdicts(
        self, label: str, model: str, samples: "SampleWriter | None" = None
    ) -> Iterator["VerdictWriter"]:
        """Take verdicts one by one. Those on what `samples` writes never reach the disk before it."""
        about = {} if label.startswith(f"{REPORTED}@") else self.digests()
        with Appender(self.verdicts(label, model), after=samples.appender if samples else None) as appender:
            yield VerdictWriter(appender, about)

    def labels(self, model: str) -> list[str]:
        """Every "<verifier>@<version>" under which `model` has verdicts."""
        return sorted(path.name for path in self._folders(self.folder / "verdicts") if (path / model).is_dir())

    def current_labels(self) -> dict[str, str]:
        """For each verifier that the problems name: the label whose verdicts count."""
        return _mapping(self.folder / "verdicts" / "current.json")

    def set_current_labels(self, labels: Mapping[str, str]) -> None:
        merged = self.current_labels() | dict(labels)
        write_atomically(self.folder / "verdicts" / "current.json", _json(merged))

    def outcomes(self, model: str, problem_ids: Sequence[str], n_max: int) -> NDArray[np.int8]:
        """Current outcomes by sample index, as `stopping.CODES`, shape (M, n_max)."""
        return outcome_tables(self.outcome_frames(model), problem_ids, n_max)[0]

    def outcome_frames(self, model: str) -> Iterator[pl.DataFrame]:
        """Current verdicts as tables of problem_id, index, outcome and truncated, one for each label."""
        for label in sorted(set(self.current_labels().values())):
            parts = self.verdicts(label, model)
            if parts.files():
                yield parts.collect(self.standing(label, model, [*KEY, "outcome", "truncated"]))

    def _those_that_stand(self, rows: pl.LazyFrame, model: str) -> pl.LazyFrame:
        """Rows of verdicts without those whose sample or problem is another one now, or is not here."""
        samples = self.samples(model).scan([*KEY, "digest"])
        digests = self.digests()
        problems = pl.LazyFrame(
            {"problem_id": list(digests), "now": list(digests.values())},
            schema={"problem_id": pl.String, "now": pl.Int64},
        )
        beside = rows.join(samples, on=KEY, how="inner", maintain_order="left")
        if digests:
            beside = beside.join(problems, on="problem_id", how="left", maintain_order="left")
        else:
            beside = beside.with_columns(now=pl.col("problem"))  # imported samples may come without questions
        # A verdict of format 1 has no digests: it is taken to be about what is here.
        same_sample = pl.col("sample").is_null() | (pl.col("sample") == pl.col("digest"))
        same_problem = pl.col("problem").is_null() | (pl.col("problem") == pl.col("now"))
        return beside.filter(same_sample & same_problem).drop("digest", "now")

    def _all_stand(self, label: str, model: str) -> bool:
        """Whether it is known that every verdict of one verifier stands: the same files were looked through before."""
        known = self._seals().get(label, {}).get(model)
        return known is not None and known == self._stamp(label, model)

    def _seals(self) -> dict[str, Any]:
        """What was looked through before. A damaged file says nothing: it saves time, and is made again."""
        try:
            return {
                label: models for label, models in _mapping(self._standing_path).items() if isinstance(models, dict)
            }
        except StoreError:
            return {}

    def _stamp(self, label: str, model: str) -> dict[str, Any]:
        return {
            "problems": _digest_of(self._problem_path),
            "samples": self.samples(model).stamp(),
            "verdicts": self.verdicts(label, model).stamp(),
        }

    @property
    def _standing_path(self) -> Path:
        return self.folder / "verdicts" / "standing.json"

    def _tie_old_verdicts(self) -> None:
        """Give verdicts of format 1 the digests of what they are about. Those without a sample fall."""
        for parts, model, label in self._verdict_folders():
            samples = self.samples(model).scan([*KEY, "digest"])
            problems = pl.LazyFrame(
                {"problem_id": list(self.digests()), "now": list(self.digests().values())},
                schema={"problem_id": pl.String, "now": pl.Int64},
            )
            now = pl.lit(None, pl.Int64) if label.startswith(f"{REPORTED}@") else pl.col("now")

            def tied(rows: pl.LazyFrame, samples=samples, problems=problems, now=now) -> pl.LazyFrame:  # type: ignore[no-untyped-def]
                beside = rows.join(samples, on=KEY, how="inner", maintain_order="left")
                beside = beside.join(problems, on="problem_id", how="left", maintain_order="left")
                return beside.with_columns(
                    sample=pl.coalesce("sample", "digest"), problem=pl.coalesce(pl.col("problem"), now)
                )

            parts.rewrite(tied)
        self._write_config(self.study())

    # -- counts and plans ----------------------------------------------------------------------------------------

    def plan(self, model: str) -> StoppingPlan | None:
        """The plan under which `model` was stopped early; None where its n was fixed beforehand."""
        path = self._plan_path(model)
        written = read_json(path)
        if written is not None:
            try:
                return plan_of(written)
            except (KeyError, TypeError, ValueError) as error:
                raise StoreError(f"{path}: no stopping plan in it; restore it, or import the counts again") from error
        if not self._is_sampled_here(model):
            return None
        plan = self.study().sampling.plan()
        return None if plan.is_fixed else plan

    def fixed_n(self, model: str) -> int | None:
        """The n that was fixed beforehand for `model`; None where it was not, or the samples came from elsewhere."""
        plan = self.study().sampling.plan() if self._is_sampled_here(model) else None
        return plan.n_max if plan is not None and plan.is_fixed else None

    def _is_sampled_here(self, model: str) -> bool:
        known = self.study().models.get(model) if self.exists else None
        return known is not None and known.engine != IMPORTED

    def counts(self, model: str) -> PartFolder:
        """Imported counts of `model`."""
        return COUNTS.parts(self.folder / "counts" / model)

    def add_counts(self, tally: AnyTally) -> None:
        """Keep imported counts. Raises StoreError if the model has samples, which counts would contradict."""
        if self.samples(tally.model).files():
            raise StoreError(
                f"{self.folder}: {tally.model!r} has samples already; import its counts under another name"
            )
        parts = self.counts(tally.model)
        if parts.files():
            raise StoreError(f"{self.folder}: counts of {tally.model!r} are here already; use another --out folder")
        if isinstance(tally, StoppedTally):
            write_atomically(self._plan_path(tally.model), json.dumps(plan_json(tally.plan)).encode())
        parts.append(counts_frame(tally))

    def _plan_path(self, model: str) -> Path:
        return self.folder / "models" / model / "plan.json"

    # -- housekeeping --------------------------------------------------------------------------------------------

    def compact(self) -> None:
        """Merge the small parts that a run leaves behind."""
        for folder in self._folders(self.folder / "samples"):
            self.samples(folder.name).compact()
        for parts, _, _ in self._verdict_folders():
            parts.compact()
        for folder in self._folders(self.folder / "counts"):
            self.counts(folder.name).compact()

    def log(self, event: str, **figures: Any) -> None:
        """Add a line to log.jsonl."""
        line = json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event} | figures)
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _verdict_folders(self) -> Iterator[tuple[PartFolder, str, str]]:
        """Verdicts, their model and their label."""
        for label in self._folders(self.folder / "verdicts"):
            for model in self._folders(label):
                yield self.verdicts(label.name, model.name), model.name, label.name

    @staticmethod
    def _folders(folder: Path) -> list[Path]:
        """The folders in `folder`, without hidden ones, by name."""
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


@dataclass(frozen=True, slots=True)
class SampleWriter:
    """The writing end of `RunStore.appending_samples`."""

    appender: Appender

    def add(self, sample: Sample) -> None:
        self.appender.add(sample_row(sample), len(sample.text))


@dataclass(frozen=True, slots=True)
class VerdictWriter:
    """The writing end of `RunStore.appending_verdicts`."""

    appender: Appender
    about: Mapping[str, int]
    """Digests of the problems that were looked at, by id; a problem that is not there was not looked at."""

    def add(self, sample: Sample, verdict: Verdict) -> None:
        row = verdict_row(sample, verdict, self.about.get(sample.problem_id))
        self.appender.add(row, len(verdict.answer or ""))


def _digest_of(path: Path) -> str | None:
    """A digest of a file's content; None where there is none."""
    if not path.exists():
        return None
    status = path.stat()
    return _content_digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _content_digest(path: Path, size: int, changed: int) -> str:
    """`size` and `changed` say whether the file is still the one that was read."""
    return blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _mapping(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file. Raises StoreError for anything else."""
    found = read_json(path)
    if found is not None and not isinstance(found, dict):
        raise StoreError(f"{path}: no JSON object in it; restore it, or move it away and run again")
    return found or {}


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
