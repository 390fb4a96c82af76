"""Of the problems that a model solved rarely, how many did it solve with a valid chain? From an audit (`audit.py`).

A right answer in one of 128 samples may be luck on top of a wrong argument, and rarely solved problems decide large k.
An audit reads the accepted samples of the problems with 1 <= c <= c0, in random order and per problem until the first
valid one. What it says of each model:
- *solved with a valid chain*: problems with c > c0 are taken as solved, those with a valid one are, those read to the
  end without one are not. What is unread is a bracket: none of it, and all of it valid.
- *false accepts*: the share of wrong samples (rejected, or accepted and invalid) that the verifier accepted, over all
  problems with c <= c0, those without a correct sample among them (without them the share would be of problems that
  were chosen for an acceptance). Estimated from the sample that is read first in each problem, which is a random one
  of its c: c times "invalid" is unbiased for the invalid ones among them. Bounds: Clopper-Pearson, with every unread
  sample valid and with every one invalid.

Left out: reading errors of the auditor; problems with c > c0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from move37.counts import AnyTally
from move37.estimates.reliability import exact_share_interval
from move37.estimates.rows import correct_samples


@dataclass(frozen=True, slots=True)
class AuditReading:
    """What was read of one model: for each problem in the audit its accepted samples, and the verdicts in order."""

    max_correct: int
    accepted: Mapping[str, int]
    """Accepted samples by problem."""
    verdicts: Mapping[str, Sequence[bool]]
    """Whether each sample that was read is valid, in the order of reading, by problem."""


@dataclass(frozen=True, slots=True)
class ChainAudit:
    """One model under an audit of what it solved rarely."""

    model: str
    max_correct: int
    problems: int
    solved: int
    """Problems with an accepted sample."""
    audited: int
    """Of them, those with at most `max_correct`, which the audit is about."""
    with_valid: int
    without_valid: int
    """Read to the end, and no chain was valid."""
    open: int
    """Nothing valid so far, and something is unread."""
    read: int
    valid: int
    unread: int
    solved_validly: tuple[int, int]
    """Problems solved with a valid chain, with everything unread invalid, and valid."""
    false_accepts: float | None
    """Share of wrong samples that were accepted; None where nothing was read."""
    lower: float
    upper: float
    confidence: float


@dataclass(frozen=True, slots=True)
class ValidFourWay:
    """The four-way table of problems solved with a valid chain, each count from (fewest, most)."""

    base: str
    rl: str
    both: tuple[int, int]
    base_only: tuple[int, int]
    rl_only: tuple[int, int]
    neither: tuple[int, int]


def chain_audit(tally: AnyTally, reading: AuditReading, confidence: float = 0.95) -> ChainAudit:
    """What the audit says of one model. Problems of the reading that the tally lacks are left out."""
    correct = dict(zip(tally.problem_ids, correct_samples(tally).tolist(), strict=True))
    rejected = sum(
        n - c for n, c in zip(tally.scored.tolist(), correct.values(), strict=True) if c <= reading.max_correct
    )
    here = [problem for problem in reading.accepted if problem in correct]
    states = _states(reading, here)
    read = sum(len(reading.verdicts.get(problem, ())) for problem in here)
    valid = sum(sum(reading.verdicts.get(problem, ())) for problem in here)
    accepted = sum(reading.accepted[problem] for problem in here)
    solved = sum(c > 0 for c in correct.values())
    certain = solved - len(here) + states["valid"]
    alpha = 1 - confidence
    invalid, possible = read - valid, accepted - valid
    return ChainAudit(
        model=tally.model,
        max_correct=reading.max_correct,
        problems=tally.problems,
        solved=solved,
        audited=len(here),
        with_valid=states["valid"],
        without_valid=states["invalid"],
        open=states["open"],
        read=read,
        valid=valid,
        unread=accepted - read,
        solved_validly=(certain, certain + states["open"]),
        false_accepts=_false_accepts(reading, here, rejected),
        lower=exact_share_interval(invalid, rejected + invalid, alpha)[0],
        upper=exact_share_interval(possible, rejected + possible, alpha)[1],
        confidence=confidence,
    )


def valid_four_way(base: AnyTally, rl: AnyTally, of_base: AuditReading, of_rl: AuditReading) -> ValidFourWay:
    """Problems solved with a valid chain by both, one, or neither; what is unread at either end."""
    ends = []
    for tally, reading in ((base, of_base), (rl, of_rl)):
        solved = dict(zip(tally.problem_ids, (correct_samples(tally) > 0).tolist(), strict=True))
        sure, possible = set[str](), set[str]()
        for problem in (p for p, is_solved in solved.items() if is_solved):
            verdicts = reading.verdicts.get(problem, ())
            if problem not in reading.accepted or any(verdicts):
                sure.add(problem)
            if problem not in reading.accepted or any(verdicts) or len(verdicts) < reading.accepted[problem]:
                possible.add(problem)
        ends.append((sure, possible))
    (base_sure, base_may), (rl_sure, rl_may) = ends
    every = base.id_set
    return ValidFourWay(
        base=base.model,
        rl=rl.model,
        both=(len(base_sure & rl_sure), len(base_may & rl_may)),
        base_only=(len(base_sure - rl_may), len(base_may - rl_sure)),
        rl_only=(len(rl_sure - base_may), len(rl_may - base_sure)),
        neither=(len(every - base_may - rl_may), len(every - base_sure - rl_sure)),
    )


def _states(reading: AuditReading, problems: Sequence[str]) -> dict[str, int]:
    found = {"valid": 0, "invalid": 0, "open": 0}
    for problem in problems:
        verdicts = reading.verdicts.get(problem, ())
        is_whole = len(verdicts) >= reading.accepted[problem]
        found["valid" if any(verdicts) else "invalid" if is_whole else "open"] += 1
    return found


def _false_accepts(reading: AuditReading, problems: Sequence[str], rejected: int) -> float | None:
    """From the first that was read of each problem; unread problems are taken to be like them."""
    begun = [problem for problem in problems if reading.verdicts.get(problem)]
    if not begun:
        return None if problems else 0.0
    weights = np.array([reading.accepted[problem] for problem in begun], dtype=float)
    wrong = np.array([not reading.verdicts[problem][0] for problem in begun], dtype=float)
    share = float(weights @ wrong / weights.sum())
    false = share * sum(reading.accepted[problem] for problem in problems)
    return false / (rejected + false) if rejected + false else 0.0
