"""What the functions of `pipeline.py` and `imports.py` hand back: typed, one class per function.

The command line prints them as JSON (`analyses/serialise.py` makes the dicts); a notebook reads their fields. Verdicts
are counted by "correct", "incorrect" and "unscored".
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from move37.analyses import Findings
from move37.analyses.agreement import Agreement
from move37.analyses.decision import Decision
from move37.analyses.exact_truth import ExactFindings
from move37.analyses.extrapolation import DifferenceAtK, Refusal
from move37.error_rates import Calibration
from move37.errors import InputError
from move37.types import Outcome

if TYPE_CHECKING:  # scores are of runs, with their tables
    from move37.scoring import PairScored


@dataclass(frozen=True, slots=True)
class Trainings:
    """A pass that trained: the steps that were made of each training; those that owed none lack."""

    run: Path
    trained: Mapping[str, int]
    temperatures: Mapping[str, float]
    """Found by entropy, by model."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A pass that sampled. `sampled` holds how many samples each model was asked for; models that owed none lack."""

    run: Path
    problems: int
    sampled: Mapping[str, int]
    plan: str
    """The stopping plan, in words."""
    verified: Mapping[str, Counter[str]]
    """Verdicts made meanwhile, by model and outcome."""
    unchecked: tuple[str, ...] = ()
    """What could not be checked before sampling (a server that does not say its context length), one line each."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Two models sampled until it was clear which of them solves more problems, or that it cannot become clear."""

    run: Path
    sampled: Mapping[str, int]
    decision: Decision


@dataclass(frozen=True, slots=True)
class Verified:
    """A pass that verified: the verdicts that it made, and the label whose verdicts count now, by verifier name."""

    run: Path
    verified: Mapping[str, Counter[str]]
    verifiers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class VerifiersCompared:
    """Two verifiers on the samples of a run: their labels, and where they differ by model."""

    run: Path
    verifiers: tuple[str, str]
    models: Mapping[str, Agreement]


@dataclass(frozen=True, slots=True)
class Reported:
    """A report: its page, and what its reader is warned of."""

    run: Path
    report: Path
    warnings: tuple[str, ...]
    title: str = ""
    """What it says first."""
    answers: tuple[str, ...] = ()
    """The answers beside it, a line each."""
    others: tuple[Reported, ...] = ()
    """Reports of the models whose base is another."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What models and report are called, for people; defaults for whatever is not given."""

    names: tuple[str, ...] = ()
    """Of the models, base first."""
    title: str | None = None
    note: str | None = None

    def of_models(self, models: int) -> tuple[str, ...]:
        """A name for each model. Raises InputError for another number of names, or one that is empty or twice."""
        if not self.names:
            return ("base", "rl") if models == 2 else ("base", *(f"rl-{i}" for i in range(1, models)))
        if len(self.names) != models or len(set(self.names)) != models or not all(map(str.strip, self.names)):
            raise InputError(f"--names: {models} files need {models} different names, base first, not {self.names}")
        return self.names

    def as_options(self) -> str:
        """The options of `move37 compare` that say the same."""
        given = {"names": ",".join(self.names), "title": self.title, "note": self.note}
        return "".join(f" --{name} {shlex.quote(value)}" for name, value in given.items() if value)


@dataclass(frozen=True, slots=True)
class StudyRun:
    """A whole study in one call: its passes. `verified` counts all verdicts, those made while sampling as well."""

    trained: Trainings
    sampled: Sampled
    verified: Verified
    reported: Reported


@dataclass(frozen=True, slots=True)
class ExactTruth:
    """The exact truth about one model, or about the models of a run."""

    found: ExactFindings
    run: Path | None = None


@dataclass(frozen=True, slots=True)
class ResponsesScored:
    """Stored responses under other models, by pair."""

    run: Path
    pairs: tuple[PairScored, ...]


@dataclass(frozen=True, slots=True)
class CountsCompared:
    """Two models compared from counts; `at_k` and `report` only where they were asked for."""

    findings: Findings
    at_k: DifferenceAtK | Refusal | None = None
    report: Path | None = None


@dataclass(frozen=True, slots=True)
class FailedReference:
    """A reference answer that its problem's own verifier does not accept."""

    problem: str
    reference: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Validated:
    """All reference answers of a benchmark put before its verifier."""

    benchmark: str
    problems: int
    references: int
    failures: tuple[FailedReference, ...]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration of each verifier; `run` where the problems are those of a run."""

    calibrations: tuple[Calibration, ...]
    run: Path | None = None


@dataclass(frozen=True, slots=True)
class ImportedLog:
    """One log that was brought in. `samples` are in it, of which `new` were not in the run; `scores` are the labels of
    the tool's own verdicts, `notices` what a reader should know."""

    format: str
    files: tuple[str, ...]
    model: str
    benchmark: str
    problems: int
    samples: int
    new: int
    scores: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportedSamples:
    """What logs brought into a run: the most problems that one has, and the samples that are new, of all of them."""

    run: Path
    model: str
    """The models, by name."""
    problems: int
    samples: int
    logs: tuple[ImportedLog, ...]
    notices: tuple[str, ...]
    """About files that were found beside."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: the files, relative to the folder that they are in."""

    run: Path
    out: Path
    format: str
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A recipe as another trainer takes it: the files, relative to `out`, and what that trainer does otherwise."""

    recipe: str
    out: Path
    trainer: str
    files: tuple[Path, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pooled:
    """Samples that other runs brought into one, by model."""

    run: Path
    added: Mapping[str, int]
