"""The zero-set protocol: what no sample of base solved is sampled anew, by every model.

The problems that base solves in none of its n samples are chosen by an outcome, so those samples cannot say how hard
they are for base: some were bad luck. Fresh samples can. Every model gets N more on each of them, with the indices
that follow n, and only these count here; they count nowhere else, since they lie beyond what the study asks for.

zero_set.json says which problems were chosen, by which model, from which index on: chosen once, whatever is verified
later. The same call goes on after a crash; a larger N adds samples to the same problems.
Left out: what the samples say (`analyses/zero_set.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from move37.errors import InputError, StoreError
from move37.files import read_json, write_json

FILE = "zero_set.json"
"""In the run folder."""


@dataclass(frozen=True, slots=True)
class ZeroSet:
    """`problems` had no correct one among the first `start` samples of `base`; each model gets `n` from there on."""

    base: str
    start: int
    n: int
    problems: tuple[str, ...]

    @property
    def samples(self) -> pl.Expr:
        """Whether a row, by its problem_id and index, is of a fresh sample."""
        mine = pl.col("problem_id").is_in(pl.Series(self.problems, dtype=pl.String).implode())
        return mine & pl.col("index").is_between(self.start, self.start + self.n - 1)

    @property
    def indices(self) -> range:
        """Of the fresh samples of each problem."""
        return range(self.start, self.start + self.n)


@dataclass(frozen=True, slots=True)
class ZeroSetSampled:
    """A pass over the zero set: how many samples it made, by model."""

    run: Path
    zero_set: ZeroSet
    sampled: dict[str, int]


def kept_zero_set(folder: Path) -> ZeroSet | None:
    """The zero set of a run, None where there is none. Raises StoreError for a file that holds none."""
    written = read_json(folder / FILE)
    if written is None:
        return None
    try:
        return ZeroSet(
            str(written["base"]), int(written["start"]), int(written["n"]), tuple(map(str, written["problems"]))
        )
    except (KeyError, TypeError, ValueError):
        raise StoreError(
            f"{folder / FILE}: no zero set in it; restore it, or move it away together with this run's samples beyond n"
        ) from None


def zero_set_for(folder: Path, base: str, start: int, unsolved: Sequence[str], n: int) -> ZeroSet:
    """The zero set of the run, as it was chosen before, or chosen now and written down. For the run's writer.

    Raises InputError where nothing is unsolved, for an `n` below that of before, and for another base.
    """
    known = kept_zero_set(folder)
    if known is not None and known.base != base:
        raise InputError(f"{folder}: its zero set was chosen by {known.base}, and the study's base is {base} now")
    if known is not None and n < known.n:
        raise InputError(f"{folder}: its zero set has {known.n} samples already; --zero-set takes that or more")
    if known is None and not unsolved:
        raise InputError(f"{folder}: {base} solves every problem, so there is no zero set to sample again")
    chosen = (
        ZeroSet(base, start, n, tuple(unsolved)) if known is None else ZeroSet(base, known.start, n, known.problems)
    )
    if chosen != known:
        write_json(folder / FILE, asdict(chosen) | {"problems": list(chosen.problems)})
    return chosen
