"""What was sampled in a training, on a terminal: the steps that are kept, and the responses of one of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from move37.browse import OUTCOMES
from move37.console import plain_text, tell
from move37.errors import InputError
from move37.terminal import print_table
from move37.terminal_samples import COLOURS, shown, visible
from move37.training.samples import FOLDER, kept_steps, read_samples


@dataclass(frozen=True, slots=True)
class Kept:
    """Which responses of a step are shown; as the options of `move37 show`."""

    outcome: str | None
    text: str | None
    limit: int
    full: bool


def is_training(run: Path) -> bool:
    return (run / "recipe.json").is_file() and not (run / "config.json").exists()


def step_named(run: Path, name: str) -> int:
    """Raises InputError for what is no step's number."""
    if not name.isdecimal():
        steps = ", ".join(map(str, steps_of(run)))
        raise InputError(f"{name!r}: of a training give the number of a step (kept: {steps})")
    return int(name)


def steps_of(run: Path) -> list[int]:
    """The steps whose responses are kept. Raises InputError where there are none."""
    steps = kept_steps(run)
    if not steps:
        raise InputError(
            f"{run}: no responses are kept in {run / FOLDER} yet: those of every records.samples_every-th step and of "
            "the last one are"
        )
    return steps


def print_steps(found: list[dict[str, int]]) -> None:
    title = f"{len(found):,} step{'s' * (len(found) != 1)}"
    print_table(title, tuple(found[0]), [tuple(map(str, each.values())) for each in found])


def counts_of(run: Path, step: int) -> dict[str, int]:
    rows = read_samples(run, step)
    return {
        "step": step,
        "responses": len(rows),
        "prompts": rows["group"].n_unique(),
        "correct": int((rows["outcome"] == "correct").sum()),
        "unscored": int((rows["outcome"] == "unscored").sum()),
        "truncated": int((rows["finish_reason"] == "length").sum()),
    }


def wanted(rows: pl.DataFrame, kept: Kept) -> pl.DataFrame:
    """Raises InputError for an outcome that there is not."""
    if kept.outcome is not None:
        if kept.outcome not in OUTCOMES:
            raise InputError(f"--outcome: one of {', '.join(OUTCOMES)}, not {kept.outcome!r}")
        is_cut = kept.outcome == "truncated"
        rows = rows.filter(pl.col("finish_reason") == "length" if is_cut else pl.col("outcome") == kept.outcome)
    if kept.text is not None:
        rows = rows.filter(pl.col("text").str.to_lowercase().str.contains(kept.text.lower(), literal=True))
    return rows


def print_responses(rows: list[dict[str, Any]], kept: Kept) -> None:
    """Responses under their questions."""
    console, group = Console(highlight=False), None
    for row in rows[: kept.limit]:
        if row["group"] != group:
            group = row["group"]
            console.print(plain_text(f"\n{row['problem_id']}\n{visible(row['question'])}"), soft_wrap=True)
        reward = "no reward" if row["reward"] is None else f"reward {row['reward']:.3g}"
        advantage = "not trained on" if row["advantage"] is None else f"advantage {row['advantage']:+.3g}"
        heading = f"#{row['index']} · {row['outcome']} · {reward} · {advantage} · {row['tokens']:,} tokens · "
        heading += f"{row['finish_reason']} · {visible(row['reason'] or '')}"
        console.print(Rule(Text(heading, style=COLOURS.get(row["outcome"], "")), align="left"))
        console.print(plain_text(shown(row["text"], kept.full)), soft_wrap=True)
    if len(rows) > kept.limit:
        tell(False, f"{len(rows) - kept.limit:,} more responses: --limit {len(rows)} shows them.")
    if not rows:
        tell(False, "No response of this step is like that.")
