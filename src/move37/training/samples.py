"""What is sampled in training, to be read: responses with verdicts, rewards and advantages of some of the steps.

    <run>/rollouts/step-000010.parquet      a row for each response: see `COLUMNS`

Kept of the last step and of every so many (`records.samples_every`), at most `records.samples_limit` responses of each,
whole prompts in the order of the step. `move37 show RUN` reads them. Importing this file loads no torch.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from move37.errors import InputError, StoreError
from move37.files import write_atomically

if TYPE_CHECKING:
    from move37.training.batches import Rollout

FOLDER = "rollouts"
COLUMNS: Mapping[str, Any] = {
    "step": pl.Int32,
    "group": pl.Int32,
    "problem_id": pl.String,
    "question": pl.String,
    "references": pl.List(pl.String),
    "index": pl.Int32,
    "text": pl.String,
    "prefix": pl.Int32,
    "finish_reason": pl.String,
    "tokens": pl.Int32,
    "logprob": pl.Float64,
    "outcome": pl.String,
    "reason": pl.String,
    "answer": pl.String,
    "reward": pl.Float64,
    "advantage": pl.Float64,
}
"""`group` numbers the prompts of the step. `logprob` is the sum under the sampling distribution. `reward` is null where
there is no verdict. The first `prefix` characters of `text` were there before the model went on (null in files from
before there were prefixes). `advantage` (the mean over the response's own tokens) where it was not trained on."""


def keep_samples(
    folder: Path, step: int, rollouts: "Sequence[Rollout]", advantages: Mapping[int, float], limit: int
) -> None:
    """Write down the rollouts of a step. `advantages` by `id` of the rollout. Raises StoreError."""
    groups: dict[int, list[Any]] = {}
    for rollout in rollouts:
        groups.setdefault(rollout.group, []).append(rollout)
    kept: list[Any] = []
    for of_prompt in groups.values():
        kept += of_prompt[:limit] if not kept else of_prompt if len(kept) + len(of_prompt) <= limit else []
    rows = [_row(step, rollout, advantages.get(id(rollout))) for rollout in kept]
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema=dict(COLUMNS), orient="row").write_parquet(buffer, compression="zstd")
    write_atomically(folder / FOLDER / f"step-{step:06d}.parquet", buffer.getvalue())


def kept_steps(folder: Path) -> list[int]:
    """The steps whose samples are kept, rising."""
    return sorted(int(path.stem.partition("-")[2]) for path in (folder / FOLDER).glob("step-*.parquet"))


def read_samples(folder: Path, step: int) -> pl.DataFrame:
    """The kept samples of a step. Raises InputError where there are none, StoreError for a damaged file."""
    path = folder / FOLDER / f"step-{step:06d}.parquet"
    if not path.exists():
        steps = ", ".join(map(str, kept_steps(folder))) or "none"
        raise InputError(f"{folder}: no samples of step {step} are kept (steps: {steps})")
    try:
        rows = pl.read_parquet(path, glob=False)
        if "prefix" not in rows.columns:
            rows = rows.with_columns(prefix=pl.lit(None, dtype=pl.Int32))
        return rows.select(list(COLUMNS))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise StoreError(f"{path}: damaged; remove it") from error


def forget_samples_after(folder: Path, step: int) -> None:
    """A run that goes on from `step` makes the later ones again."""
    for later in kept_steps(folder):
        if later > step:
            (folder / FOLDER / f"step-{later:06d}.parquet").unlink()


def _row(step: int, rollout: "Rollout", advantage: float | None) -> tuple[Any, ...]:
    sample, verdict, problem = rollout.made.sample, rollout.verdict, rollout.problem
    return (
        *(step, rollout.group, problem.id, problem.question, list(problem.references)),
        *(sample.index, rollout.text, len(rollout.prefix), sample.finish_reason.value, len(rollout.made.token_ids)),
        *(float(sum(rollout.made.logprobs)), verdict.outcome.value, verdict.reason, verdict.answer),
        *(rollout.reward if rollout.is_scored else None, advantage),
    )
