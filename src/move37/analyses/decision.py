"""Is it clear by now which of two models solves more problems, and which problems come next if not?

The state of `sample --until decided`. Nothing is stored: the plan is made of the study's settings, and a decision of
the plan and of what has been verified, so a run that was stopped goes on where it was.

Decisions:
- The order of the problems comes from a digest of (seed, problem id): random, fixed before any sample, and not
  changed by the order of a file or by problems that are added or missing.
- Only the prefix of that order counts: problems that happen to be finished beyond a gap are not looked at.
- A problem is "solved" by at least one correct one of its first k samples. With unscored samples both models are
  given the same number of scored ones, the first of each, as in the four-way table; a problem where a model has none
  is set aside and counts as no evidence.
- Near duplicates are one unit: the problems of a cluster come one after another, and the unit goes the way in which
  most of its discordant problems go. What is counted are units.
- The rule and its validity are those of `estimates/anytime.py`. A decision stands, whatever is sampled afterwards.

Left out: more than one pair (give each of m pairs alpha / m), and how large the difference is. Where the number of
problems depended on the outcomes, curves, bands and McNemar's p over the examined ones describe them and no more:
stopping at a lead overstates it (`bench/decided.py` has figures), and their error probabilities do not hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from move37.errors import ConfigError, InputError
from move37.estimates.anytime import (
    BASE_ONLY,
    CONCORDANT,
    RL_ONLY,
    Status,
    anytime_p,
    e_process,
    largest_reachable,
    standing,
)
from move37.seeds import analysis_seed
from move37.stopping import CODES, UNKNOWN
from move37.types import IntArray, Outcome

Solved = tuple[bool, bool] | None
"""Whether (base, RL) solved a finished problem. None: set aside, because some model has no scored sample of it."""


@dataclass(frozen=True, slots=True)
class DecisionPlan:
    """What is fixed before the first sample: the order, how many problems at a time, samples per problem, alpha."""

    order: tuple[str, ...]
    block: int
    k: int
    alpha: float
    ends: tuple[int, ...] | None = None
    """Where each cluster ends in the order, rising; None where every problem is a unit of its own."""

    @property
    def units(self) -> int:
        return len(self.order) if self.ends is None else len(self.ends)


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the comparison stands after the first `examined` units of the order: problems, or clusters of them."""

    base: str
    rl: str
    status: Status
    better: str | None
    """The model that solves more, if that is decided."""
    k: int
    alpha: float
    problems: int
    """Units that there are."""
    examined: int
    stopped_at: int | None
    """Unit of the order at which it was decided or became undecidable; the rest of its block came anyway."""
    both: int
    base_only: int
    rl_only: int
    neither: int
    set_aside: int
    e_value: float
    """After all examined problems."""
    largest_e_value: float
    anytime_p: float
    """min(1, 1 / largest e-value): valid whenever one stops."""
    largest_reachable: float
    """The e-value if all problems left went the way that leads."""
    next_problems: tuple[str, ...]
    """What to sample next from both models, k samples each; empty unless the status is to go on."""
    unit: str = "problem"
    """What is counted: problems, or clusters of near duplicates."""


def decision_plan(
    problem_ids: Sequence[str],
    k: int,
    seed: int = 0,
    block: int = 16,
    alpha: float = 0.05,
    clusters: Mapping[str, str] | None = None,
) -> DecisionPlan:
    """The plan for these problems. `clusters`: the label of each problem that has near duplicates, by id.

    Raises InputError for impossible settings, no problem, or one that comes twice.
    """
    if not problem_ids:
        raise InputError("no problems: there is nothing to decide")
    if len(set(problem_ids)) < len(problem_ids):
        raise InputError("a problem comes twice; every problem may count once")
    if k < 1 or block < 1:
        raise InputError(f"until decided: k and block must be at least 1, not {k} and {block}")
    if not 0 < alpha < 1:
        raise InputError(f"alpha must be between 0 and 1, not {alpha}")
    if clusters is None:
        return DecisionPlan(tuple(sorted(problem_ids, key=lambda each: _place(seed, each))), block, k, alpha)
    home = {each: ("cluster " + clusters[each]) if each in clusters else each for each in problem_ids}
    order = sorted(problem_ids, key=lambda each: (_place(seed, home[each]), _place(seed, each)))
    last = [i + 1 == len(order) or home[order[i + 1]] != home[each] for i, each in enumerate(order)]
    return DecisionPlan(tuple(order), block, k, alpha, tuple(i + 1 for i, ends in enumerate(last) if ends))


def _place(seed: int, name: str) -> tuple[int, str]:
    return analysis_seed(seed, f"decision order {name}"), name


def refuse_another_question(known: Decision | None, plan: DecisionPlan, where: str) -> None:
    """Raises ConfigError for another k or alpha than before: changing one after a look at the outcomes is what the
    e-value does not cover. `where` is the run, for the message."""
    if known is not None and (known.k, known.alpha) != (plan.k, plan.alpha):
        raise ConfigError(
            f"{where}: was sampled until decided with n = {known.k} and alpha = {known.alpha:g}; another question "
            f"(n = {plan.k}, alpha = {plan.alpha:g}) needs fresh samples in another --out folder"
        )


def decide(plan: DecisionPlan, finished: Mapping[str, Solved], base: str = "base", rl: str = "rl") -> Decision:
    """Where the comparison stands, given the finished problems by id. Raises InputError for ids not in the order."""
    foreign = finished.keys() - set(plan.order)
    if foreign:
        raise InputError(f"{len(foreign)} finished problems are not of this plan, among them {min(foreign)}")
    known = next((i for i, problem in enumerate(plan.order) if problem not in finished), len(plan.order))
    ends = range(1, known + 1) if plan.ends is None else [end for end in plan.ends if end <= known]
    starts = [0, *ends]
    solved = [_of_unit([finished[each] for each in plan.order[a:b]]) for a, b in pairwise(starts)]
    examined = len(solved)
    directions = np.array([_direction(each) for each in solved], dtype=np.int64)[None, :]
    stand = standing(directions, plan.units, plan.alpha)
    status, (base_only, rl_only) = stand.status(), (solved.count((True, False)), solved.count((False, True)))
    e_values = np.concatenate([[1.0], e_process(directions)[0]])
    return Decision(
        base=base,
        rl=rl,
        status=status,
        better={BASE_ONLY: base, RL_ONLY: rl, CONCORDANT: None}[int(stand.decided[0])],
        k=plan.k,
        alpha=plan.alpha,
        problems=plan.units,
        examined=examined,
        stopped_at=None if status is Status.OPEN else int(stand.stopped_at[0]),
        both=solved.count((True, True)),
        base_only=base_only,
        rl_only=rl_only,
        neither=solved.count((False, False)),
        set_aside=solved.count(None),
        e_value=float(e_values[-1]),
        largest_e_value=float(e_values.max()),
        anytime_p=float(anytime_p(directions)[0, -1]) if examined else 1.0,
        largest_reachable=largest_reachable(base_only, rl_only, plan.units - examined),
        next_problems=_next_block(plan, finished, known) if status is Status.OPEN else (),
        unit="problem" if plan.ends is None else "cluster",
    )


def _of_unit(members: Sequence[Solved]) -> Solved:
    """What a unit says: the way of most of its discordant problems, and where they balance, whether any is solved."""
    known = [each for each in members if each is not None]
    if len(members) == 1 or not known:
        return known[0] if known else None
    lead = sum(_direction(each) for each in known)
    if lead:
        return lead < 0, lead > 0
    solved = any(any(each) for each in known)
    return solved, solved


def finished_problems(
    problem_ids: Sequence[str], base_outcomes: NDArray[np.int8], rl_outcomes: NDArray[np.int8], k: int
) -> dict[str, Solved]:
    """The finished ones of M problems, from two outcome tables (`stopping.CODES`) of shape (M, at least k).

    A problem is finished when each model has a correct sample or k judged ones, in the order of the indices.
    """
    shape = (len(problem_ids), k)
    base_first, base_scored, base_done = _first_success(_first_columns(base_outcomes, shape))
    rl_first, rl_scored, rl_done = _first_success(_first_columns(rl_outcomes, shape))
    common = np.minimum(base_scored, rl_scored)
    return {
        problem: None if common[i] < 1 else (bool(base_first[i] <= common[i]), bool(rl_first[i] <= common[i]))
        for i, problem in enumerate(problem_ids)
        if base_done[i] and rl_done[i]
    }


def _direction(solved: Solved) -> int:
    if solved is None or solved[0] == solved[1]:
        return CONCORDANT
    return BASE_ONLY if solved[0] else RL_ONLY


def _next_block(plan: DecisionPlan, finished: Mapping[str, Solved], examined: int) -> tuple[str, ...]:
    """The unfinished rest of the block that holds the first unfinished problem."""
    start = examined // plan.block * plan.block
    return tuple(problem for problem in plan.order[start : start + plan.block] if problem not in finished)


def _first_columns(outcomes: NDArray[np.int8], shape: tuple[int, int]) -> NDArray[np.int8]:
    if outcomes.ndim != 2 or len(outcomes) != shape[0] or outcomes.shape[1] < shape[1]:
        raise InputError(f"until decided: expected outcomes of shape {shape} or wider, not {outcomes.shape}")
    return outcomes[:, : shape[1]]


def _first_success(outcomes: NDArray[np.int8]) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Per problem: the number, among scored samples, of the first correct one; how many scored ones k samples give;
    whether that is known. Where a correct one was found, samples that were never made count as scored: whatever they
    hold, the problem is solved."""
    known = np.logical_and.accumulate(outcomes != UNKNOWN, axis=1)
    unscored = known & (outcomes == CODES[Outcome.UNSCORED])
    correct = known & (outcomes == CODES[Outcome.CORRECT])
    solved = correct.any(axis=1)
    scored_so_far = np.cumsum(known & ~unscored, axis=1)
    at = np.argmax(correct, axis=1)
    never = outcomes.shape[1] + 1
    first = np.where(solved, scored_so_far[np.arange(len(outcomes)), at], never)
    scored = outcomes.shape[1] - unscored.sum(axis=1)
    return first, scored, solved | known.all(axis=1)
