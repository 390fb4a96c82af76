"""move37 in Python: compare models, open a run, plan a study, judge a response. For notebooks and scripts.

    import move37 as m

Everything that a command prints is here as an object: findings are those of `analyses`, claims those of the report.
Importing move37 loads none of this: it is loaded when one of these names is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from move37.analyses import Findings
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.analyses.planning import Forecast, forecast
from move37.comparison import band_of
from move37.config import AnalysisConfig, ProblemsConfig, from_options, load_study
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.errors import InputError, MissingExtraError
from move37.importers.counts import load_counts, tally_of_rows
from move37.problems import load_problems
from move37.report import ReportContext
from move37.report.settings import analysis_rows
from move37.report.words import unnamed
from move37.report.words.claim import Claim, texts
from move37.report.words.first_screen import Answer, FirstScreen, first_screen
from move37.report.words.forecast import forecast_sentences
from move37.report.words.tallied import answer_lines
from move37.rows import Row
from move37.types import Outcome, Verdict

if TYPE_CHECKING:  # what a run needs is loaded when one is opened
    import polars as pl

    from move37.store import RunStore

__all__ = ["Found", "Outcome", "Planned", "Run", "compare", "open_run", "plan", "verify"]

_INDENT = "  "


class Found:
    """What a comparison found: a title and answers in words, curves and claims as data, a report on request."""

    def __init__(self, findings: Findings, context: ReportContext) -> None:
        self.findings = findings
        """Every number, as in analyses.json."""
        self._context = context

    @cached_property
    def _screen(self) -> FirstScreen:
        return first_screen(self.findings)

    @property
    def title(self) -> str:
        """The claim about moves, in one line."""
        return unnamed(self._screen.title.text)

    @property
    def answers(self) -> tuple[tuple[Answer, ...], ...]:
        """Better at one try, wider with many, new moves, lost moves: of every comparison."""
        return self._screen.answers

    def claims(self) -> list[Claim]:
        """The title and the claims of the answers, each with what it asserts and its terms."""
        return [self._screen.title, *(each.claim for answers in self.answers for each in answers)]

    def curves(self, pandas: bool = False) -> Any:
        """model, k, pass_at_k, lower, upper as a Polars frame, or one of pandas: shares, all k of a model in one band.

        Raises ModuleNotFoundError where pandas or pyarrow is asked for and not installed.
        """
        pl = _polars()
        parts = [
            pl.DataFrame(
                {
                    "model": [curve.model] * len(curve.k),
                    "k": curve.k,
                    "pass_at_k": curve.pass_at_k,
                    "lower": curve.lower,
                    "upper": curve.upper,
                }
            )
            for curve in self.findings.curves
        ]
        return _frame(pl.concat(parts), pandas)

    def differences(self, pandas: bool = False) -> Any:
        """base, rl, k, difference, lower, upper: rl minus base with its simultaneous band, as it is reported."""
        pl, parts = _polars(), []
        for each in (comparison.difference for comparison in self.findings.comparisons):
            lower, upper = each.reported
            columns = {"k": each.k, "difference": each.band.mean, "lower": lower, "upper": upper}
            parts.append(pl.DataFrame({"base": [each.base] * len(each.k), "rl": [each.rl] * len(each.k)} | columns))
        return _frame(pl.concat(parts) if parts else pl.DataFrame(), pandas)

    def report(self, folder: str | Path) -> Path:
        """Write report.html, report.md, report.json, figures/ and tables/ there; the path of the page."""
        from move37.report.page import write_report  # here: it loads what draws

        return write_report(self.findings, self._context, Path(folder))

    def __repr__(self) -> str:
        lines = (unnamed(line) for line in answer_lines(self._screen))
        return "\n".join((self.title, *(f"{_INDENT}{line}" for line in lines)))

    def _repr_html_(self) -> str:
        from move37.report.page import curves_svg  # here: it loads what draws

        items = "".join(f"<li>{escape(unnamed(line))}</li>" for line in answer_lines(self._screen))
        return f"<div><h3>{escape(self.title)}</h3>{curves_svg(self.findings)}<ul>{items}</ul></div>"


class Run(Found):
    """A run folder, as it is now. Nothing is written to it."""

    def __init__(self, store: RunStore) -> None:
        from move37 import pipeline, provenance

        self.store = store
        super().__init__(pipeline.findings_of(store), provenance.run_context(store))

    @property
    def models(self) -> list[str]:
        """Models with samples or counts."""
        return list(self.store.models())

    def samples(self, model: str | None = None, pandas: bool = False) -> Any:
        """model, problem_id, index, text, finish_reason, tokens, outcome, reason, answer of every sample.

        `outcome` is null where there is no verdict yet. Raises InputError for a model that the run does not have.
        """
        if model is not None and model not in self.models:
            raise InputError(f"no model {model!r} in {self.store.folder} (models: {', '.join(self.models)})")
        found = [self._samples_of(each) for each in (self.models if model is None else [model])]
        return _frame(_polars().concat(found), pandas)

    def _samples_of(self, model: str) -> pl.DataFrame:
        import polars as pl

        from move37.schema import KEY

        columns, judged = ["text", "finish_reason", "tokens"], ["outcome", "reason", "answer"]
        parts = self.store.samples(model)
        verdicts = [
            self.store.standing(label, model, [*KEY, *judged])
            for label in sorted(set(self.store.current_labels().values()))
            if self.store.verdicts(label, model).files()
        ]
        rows = parts.scan([*KEY, *columns])
        if verdicts:
            rows = rows.join(pl.concat(verdicts), on=list(KEY), how="left")
        else:
            rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in judged)
        texts_of = (pl.col(name).cast(pl.String) for name in ("finish_reason", "outcome"))
        ordered = rows.with_columns(*texts_of, model=pl.lit(model)).select("model", *KEY, *columns, *judged)
        return parts.collect(ordered.sort(list(KEY)))


class Planned:
    """What a study will cost and can show."""

    def __init__(self, found: Forecast) -> None:
        self.forecast = found
        self.sentences = tuple(map(unnamed, texts(forecast_sentences(found))))

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        return f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in self.sentences)}</ul>"


def compare(
    base: Any,
    rl: Any,
    n: int | None = None,
    names: Sequence[str] = ("base", "rl"),
    beyond: bool = False,
    **settings: Any,
) -> Found:
    """Compare two models on the same problems, as `move37 compare` does.

    `base` and `rl` may each be

    - the path of a file of counts or scores (JSONL, JSON, CSV, Parquet);
    - a frame of Polars or pandas with the columns id, c, n (c of n samples are right), or id, score (one row for each
      sample; null is unscored);
    - a mapping of problem ids to (c, n);
    - an array of shape (problems, samples): 1 or True is right, NaN unscored;
    - an array of shape (problems,) of right samples, of `n` each.

    `rl` may also be a mapping of model names to any of these, for several models. `settings` are those of [analysis]
    in a study: confidence, draws, seed, target. `beyond` continues the curves past the samples (seconds).
    Raises InputError for data that is none of these, or of other problems.

    Examples:
        >>> import numpy as np
        >>> import move37 as m
        >>> base = np.array([3, 4, 5, 4] * 10)  # right samples of 16, for 40 problems
        >>> rl = np.array([15, 16, 15, 14, 16] * 8)
        >>> found = m.compare(base, rl, n=16, draws=2000)
        >>> found.title
        'rl plays known moves more often. No new ones are shown, and no lost ones.'
        >>> found.curves().filter(k=1)["pass_at_k"].to_list()
        [0.25, 0.95]
        >>> [answer.short for answer in found.answers[0]][:2]
        ['Yes: 25.00% → 95.00%', 'Not shown: 100.0% → 100.0%']
    """
    several = isinstance(rl, Mapping) and bool(rl) and not _is_counted(next(iter(rl.values())))
    others = dict(rl) if several else {names[1]: rl}
    tallies = [_tally(base, names[0], n), *(_tally(data, name, n) for name, data in others.items())]
    known = from_options(AnalysisConfig, **settings)
    findings = find([ModelData(each) for each in tallies], band_of(known), Facts(beyond=beyond))
    context = ReportContext(
        title=f"{', '.join(others)} against {names[0]}",
        note="Made from counts of correct samples; no sample was seen.",
        settings=analysis_rows(known),
        prompts=(),
        command="move37.compare(...)",
    )
    return Found(findings, context)


def open_run(path: str | Path) -> Run:
    """A run folder, or a run at a URL ("s3://bucket/run"), as it is now.

    Raises StoreError where there is none, InputError where it has no verdicts yet.
    """
    _polars()
    from move37.remote import local_copies
    from move37.store import RunStore

    with local_copies(["show", str(path)]) as (_, folder):
        return Run(RunStore.open(Path(folder)))


def plan(
    study: str | Path | None = None,
    problems: int | str | None = None,
    n: int = 256,
    stop_at: int | None = 8,
    batch: int = 16,
    studies: int = 0,
) -> Planned:
    """What a study will cost and can show, before anything is sampled.

    Give the path of a study file, or a number of `problems` (or a benchmark's name), `n` samples of each at most, and
    how many right ones are enough (`stop_at`; None: always n). `studies` are simulated: what headlines could say.

    Examples:
        >>> import move37 as m
        >>> planned = m.plan(problems=30, n=64)
        >>> planned.forecast.problems, planned.forecast.n_max
        (30, 64)
    """
    if study is not None:
        _polars()
        from move37 import pipeline

        return Planned(pipeline.plan_study(load_study(Path(study)), studies=studies))
    if problems is None:
        raise InputError("plan: give a study file, or problems = a number or a benchmark's name")
    if isinstance(problems, str):
        problems = len(load_problems((from_options(ProblemsConfig, benchmark=problems),)))
    stopping = StoppingPlan((n,), 1) if stop_at is None else StoppingPlan.until(stop_at, n, batch)
    return Planned(forecast(problems, stopping, studies=studies))


# One text is a sequence of texts too: the first of these overlaps the second on purpose.
@overload
def verify(responses: str, references: str | Sequence[str], verifier: str = "math") -> Verdict: ...  # pyright: ignore[reportOverlappingOverload]
@overload
def verify(responses: Sequence[str], references: str | Sequence[str], verifier: str = "math") -> list[Verdict]: ...
def verify(
    responses: str | Sequence[str], references: str | Sequence[str], verifier: str = "math"
) -> Verdict | list[Verdict]:
    """The verdict on a response to a problem with this reference answer, or on several, one reference for each.

    Answers are judged in a process of their own. Raises UnknownNameError for a verifier that there is not.

    Examples:
        >>> import move37 as m
        >>> m.verify(r"So the answer is \\boxed{\\frac{1}{2}}.", "0.5").outcome.value  # doctest: +SKIP
        'correct'
    """
    one = isinstance(responses, str)
    texts_of = [responses] if isinstance(responses, str) else list(responses)
    golds = [references] if isinstance(references, str) else list(references)
    if len(golds) != len(texts_of):
        raise InputError(f"verify: {len(texts_of)} responses and {len(golds)} references; give one for each")
    from move37.rewards import Reward

    with Reward(verifier) as judge:
        found = judge.verdicts([("", text, (gold,)) for text, gold in zip(texts_of, golds, strict=True)])
    return found[0] if one else found


# -- what data may be ----------------------------------------------------------------------------------------------


def _is_counted(value: Any) -> bool:
    """Whether a mapping's value is (c, n) of a problem, not the data of a model."""
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2


def _tally(data: Any, model: str, n: int | None) -> AnyTally:
    if isinstance(data, Tally | StoppedTally):
        return data
    if isinstance(data, str | Path):
        return load_counts(Path(data), model)
    if isinstance(data, Mapping):
        rows = [{"id": str(problem), "c": c, "n": of} for problem, (c, of) in data.items()]
    elif hasattr(data, "columns"):
        names = [str(name) for name in data.columns]
        columns = [[_value(cell) for cell in data[name]] for name in data.columns]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    else:
        rows = _rows_of_array(np.asarray(data), model, n)
    if not rows:
        raise InputError(f"{model}: no rows, nothing to compare")
    return tally_of_rows([Row(values, f"{model}, row {i}") for i, values in enumerate(rows, 1)], model)


def _rows_of_array(data: np.ndarray, model: str, n: int | None) -> list[dict[str, Any]]:
    """Problems are numbered: the same rows of both arrays are the same problem."""
    if data.ndim == 2:
        scores = [[_value(cell) for cell in row] for row in data]
        return [{"id": str(i), "scores": row} for i, row in enumerate(scores)]
    if data.ndim != 1 or data.dtype.kind not in "iub":
        raise InputError(f"{model}: an array is (problems, samples), or (problems,) of whole counts with n=...")
    if n is None:
        raise InputError(f"{model}: counts of right samples need n=..., the samples of each problem")
    return [{"id": str(i), "c": int(c), "n": n} for i, c in enumerate(data)]


def _value(cell: Any) -> Any:
    """A cell as the value that JSON would have there; NaN is null."""
    plain = cell.item() if isinstance(cell, np.generic) else cell
    return None if isinstance(plain, float) and np.isnan(plain) else plain


def _polars() -> Any:
    """The table library. Raises MissingExtraError with the line that installs it."""
    try:
        import polars
    except ModuleNotFoundError as error:
        raise MissingExtraError("tables and runs need Polars: pip install 'move37[runs]'") from error
    return polars


def _frame(frame: pl.DataFrame, pandas: bool) -> Any:
    return frame.to_pandas() if pandas else frame
