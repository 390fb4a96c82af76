"""Runs drawn from a known law, and what is true of them: the ground under `test_sentences.py`.

A world is a law of kinds of problems: a share, the chance under base, the chance under RL. Problems are drawn from it
and sampled, so what is true of these problems and of problems like them is known, whatever a sentence asserts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy.special import bdtrc

from move37.analyses import Findings
from move37.analyses.chain_audit import AuditReading
from move37.analyses.chains import ChainCounts, ChainErrors
from move37.analyses.decision import Decision, decide, decision_plan
from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.analyses.power import draw_stops
from move37.counts import AnyTally, StoppedTally, StoppingPlan, Tally
from move37.estimates.rows import correct_samples
from move37.estimates.settings import BandSettings, Target
from move37.report.words.claim import THESE, Assertion, Claim
from move37.types import FloatArray, Problem

Kinds = tuple[tuple[float, float, float], ...]

N, COST = 32, 10.0
FIXED = StoppingPlan((N,), 1)
EQUAL = ((0.4, 0.1), (0.3, 0.5), (0.3, 0.9))
WRONG = 4
"""Different wrong answers that there are to a problem, all as likely."""
VALID = 0.7
"""Share of right samples whose chain is valid, where a judge reads them."""
AUDITED = 3
"""Accepted samples up to which a problem is audited."""


@dataclass(frozen=True)
class World:
    """Kinds of problems (share, base, RL), and how a study of them is made."""

    kinds: Kinds
    problems: int = 90
    plan: StoppingPlan = FIXED
    copies: int = 1
    """Problems of a cluster, which share their kind."""
    unscored: float = 0.0
    """Chance of a sample to go unscored."""
    models: int = 1
    target: Target = "population"
    beyond: bool = False
    decided: bool = False
    confidence: float = 0.95
    fresh: int = 0
    """Fresh samples of what base never solved."""
    false_accepts: float = 0.0
    """Chance of a wrong sample to be accepted; readers audit what was solved rarely."""
    corrupted: float | None = None
    """Chance of a corrupted answer to be accepted, in a calibration; answers are known then."""
    judge: tuple[float, float] | None = None
    """Chances of a judge to accept valid chains and others."""
    answered: tuple[float, float] | None = None
    """Chance of a wrong sample of base and of RL to hold an answer."""
    arm: float | None = None
    """Base was asked in another way too, with which every chance is so many times as large."""
    expect: Mapping[str, bool] = field(default_factory=dict)
    """Claims of the first screen that have to be established, or must not be."""

    @property
    def law(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Shares of the kinds, and the chance that a sample of each is accepted, under base and RL."""
        share, base, rl = (np.array(column) for column in zip(*self.kinds, strict=True))
        accepted = [p + (1 - p) * self.false_accepts for p in (base, rl)]
        return share / share.sum(), accepted[0], accepted[1]


@dataclass(frozen=True)
class Study:
    """A study and what is true of it: each problem's chances under base and RL, its cluster, its kind."""

    world: World
    tallies: tuple[AnyTally, ...]
    findings: Findings
    base: FloatArray
    rl: FloatArray
    cluster: np.ndarray
    kind: np.ndarray


def study(world: World, seed: int) -> Study:
    """Draw problems and samples, and analyse them."""
    rng = np.random.default_rng([seed, world.problems])
    share, *law = world.law
    clusters = max(1, world.problems // world.copies)
    kind = np.repeat(rng.choice(len(share), clusters, p=share), world.copies)
    base, rl = (chances[kind] for chances in law)
    names = ["base", *(f"rl{i}" if world.models > 1 else "rl" for i in range(world.models))]
    tallies = tuple(sampled(name, base if name == "base" else rl, world, rng) for name in names)
    cluster = np.repeat(np.arange(clusters), world.copies)
    decision = None
    if world.decided:
        decision, kept = decided(tallies, rng)
        tallies = tuple(each.select(kept) for each in tallies)
        base, rl, cluster, kind = base[kept], rl[kept], cluster[kept], kind[kept]
    problems = [
        Problem(name, f"{name}?", (name,), "made", "math", {"twin": str(cluster[i]), "kind": f"kind {kind[i]}"})
        for i, name in enumerate(tallies[0].problem_ids)
    ]
    chances = {name: base if name == "base" else rl for name in names}
    facts = Facts(
        problems=problems,
        strata=("kind",) if world.problems > 30 else (),
        clusters="twin" if world.copies > 1 else None,
        runs={"GRPO": tuple(names[1:])} if world.models > 1 else {},
        decision=decision,
        beyond=world.beyond,
        **further_facts(world, base, rng),
    )
    data = [ModelData(each, **what_else(world, tallies[0], each, chances[each.model], rng)) for each in tallies]
    settings = BandSettings(world.confidence, draws=1000, seed=seed, target=world.target)
    return Study(world, tallies, find(data, settings, facts), base, rl, cluster, kind)


def sampled(name: str, p: FloatArray, world: World, rng: np.random.Generator) -> AnyTally:
    ids, zeros = tuple(f"q{i:03}" for i in range(len(p))), np.zeros(len(p), dtype=np.int64)
    trials, successes, went_on = draw_stops(world.plan, p, rng)
    if not world.plan.is_fixed:
        return StoppedTally(name, ids, successes, trials, went_on, zeros, zeros, zeros, world.plan)
    lost = rng.binomial(successes, world.unscored), rng.binomial(trials - successes, world.unscored)
    return Tally(name, ids, successes - lost[0], trials - successes - lost[1], lost[0] + lost[1], zeros)


def decided(tallies: tuple[AnyTally, ...], rng: np.random.Generator) -> tuple[Decision, np.ndarray]:
    """Sampling in blocks of 8 problems until it is decided; which problems were examined."""
    base, rl = tallies
    assert isinstance(base, Tally)
    assert isinstance(rl, Tally)
    plan = decision_plan(base.problem_ids, N, int(rng.integers(1000)), block=8)
    solved = {name: (bool(b), bool(r)) for name, b, r in zip(base.problem_ids, base.correct, rl.correct, strict=True)}
    seen: dict[str, tuple[bool, bool] | None] = {}
    while (decision := decide(plan, seen)).next_problems:
        seen |= {name: solved[name] for name in decision.next_problems}
    return decision, np.array([name in seen for name in base.problem_ids])


def further_facts(world: World, base: FloatArray, rng: np.random.Generator) -> dict:
    found: dict = {"zero_set_start": N} if world.fresh else {}
    if world.corrupted is not None:
        found["calibrations"] = [("math@1", (200, 200), (int(rng.binomial(400, world.corrupted)), 400))]
    if world.judge is not None:
        clean, broken = (int(rng.binomial(200, share)) for share in world.judge)
        found["chain_errors"] = ChainErrors("judge@1", (clean, 200), (broken, 200))
    if world.arm is not None:
        found["arms"] = {"base": (sampled("base, asked otherwise", world.arm * base, world, rng),)}
    return found


def what_else(world: World, base: AnyTally, tally: AnyTally, p: FloatArray, rng: np.random.Generator) -> dict:
    """What is known of a model beside its tally, as far as the world has it."""
    found: dict = {"tokens_by_problem": dict.fromkeys(tally.problem_ids, COST), "verifier": "math@1"}
    correct = correct_samples(tally)
    wrong = tally.scored - correct
    if world.fresh:
        never = tuple(np.array(base.problem_ids)[correct_samples(base) == 0].tolist())
        right = rng.binomial(world.fresh, p[correct_samples(base) == 0])
        zeros = np.zeros_like(right)
        found["zero_set"] = Tally(tally.model, never, right, world.fresh - right, zeros, zeros)
    if world.false_accepts:
        true = (p - world.false_accepts) / (1 - world.false_accepts)
        found["audit"] = reading(tally, true / p, rng)
    if world.corrupted is not None:
        rows = [(name, "right", True, int(c)) for name, c in zip(tally.problem_ids, correct, strict=True) if c]
        for name, missed in zip(tally.problem_ids, wrong, strict=True):
            votes = rng.multinomial(missed, [1 / WRONG] * WRONG)
            rows += [(name, f"wrong {i}", False, int(each)) for i, each in enumerate(votes) if each]
        found["answers"] = pl.DataFrame(rows, ["problem_id", "answer", "correct", "count"], orient="row")
    if world.judge is not None:
        valid = rng.binomial(correct, VALID)
        accepted = rng.binomial(valid, world.judge[0]) + rng.binomial(correct - valid, world.judge[1])
        counts = np.stack([wrong, correct - accepted, accepted])
        found["chains"] = ChainCounts("judge@1", counts, np.zeros_like(wrong))
    if world.answered is not None:
        held = rng.binomial(wrong, world.answered[tally.model != "base"])
        zeros = np.zeros_like(held)
        found["with_answer"] = Tally(tally.model, tally.problem_ids, correct, held, zeros, zeros)
    return found


def reading(tally: AnyTally, valid: FloatArray, rng: np.random.Generator) -> AuditReading:
    """Readers who are never wrong, and who leave one problem in ten unread."""
    accepted: dict[str, int] = {}
    verdicts: dict[str, list[bool]] = {}
    for name, c, share in zip(tally.problem_ids, correct_samples(tally).tolist(), valid, strict=True):
        if not 1 <= c <= AUDITED:
            continue
        accepted[name] = c
        said = (rng.random(c) < share).tolist()
        if rng.random() < 0.9:
            verdicts[name] = said[: said.index(True) + 1] if True in said else said
    return AuditReading(AUDITED, accepted, verdicts)


# -- what is true --------------------------------------------------------------------------------------------------


def is_true(made: Study, claim: Claim) -> bool:
    """Whether everything that the claim asserts holds of the world."""
    return all(
        said.lower - 1e-9 <= value <= said.upper + 1e-9 for said in claim.asserts for value in truths(made, claim, said)
    )


def truths(made: Study, claim: Claim, said: Assertion) -> Iterator[float]:
    """The true value of what is asserted, at each of its ks."""
    kind, _, rest = said.quantity.partition(" ")
    if kind.rstrip(",") in ("difference", "mean", "pass@k", "gap"):
        yield from of_curves(made, claim, said)
    elif kind in ("better", "solvable") or said.quantity == "different chances":
        yield number_of_problems(made, said)
    else:
        yield of_shares(made, said, kind, rest)


def solved(p: FloatArray, k: int, right: int = 1) -> FloatArray:
    """The chance of `right` right tries or more of k."""
    return bdtrc(right - 1, k, p) if right <= k else np.zeros_like(p)


def mean_over(made: Study, claim: Claim, of: Callable[[FloatArray, FloatArray], FloatArray], only: str = "") -> float:
    """The mean of a function of a problem's chances under base and RL, over these problems or problems like these."""
    share, base, rl = made.world.law
    kinds = np.arange(len(share))
    if claim.target == THESE:
        share, base, rl, kinds = np.ones(len(made.base)), made.base, made.rl, made.kind
    kept = np.array([not only or f"kind {kind}" == only for kind in kinds])
    return float(of(base, rl)[kept] @ share[kept] / share[kept].sum())


def of_curves(made: Study, claim: Claim, said: Assertion) -> Iterator[float]:
    name, (one, two) = said.quantity, (*said.models, "base")[:2]

    def level(model: str, k: int, only: str = "", right: int = 1, times: float = 1.0) -> float:
        return mean_over(made, claim, lambda base, rl: solved(times * base if model == "base" else rl, k, right), only)

    if name == "pass@k":
        yield from (level(one, k) for k in said.ks)
    elif name == "gap":
        yield level(one, said.ks[0]) - level(two, 1)
    elif name == "difference at tokens":
        for tokens in said.ks:
            low, part = divmod(tokens / COST, 1)
            ends = [level(one, int(k)) - level(two, int(k)) for k in (low, low + 1)]
            yield (1 - part) * ends[0] + part * ends[1]
    elif name == "difference with these strata":
        here = np.array([(made.kind == kind).mean() for kind in range(len(made.world.kinds))])
        _, base, rl = made.world.law
        yield from (float(here @ (solved(rl, k) - solved(base, k))) for k in said.ks)
    elif name == "difference of best arms":
        times = max(1.0, made.world.arm or 1.0)
        yield from (level(one, k, times=times) - level(two, k, times=times) for k in said.ks)
    elif name.startswith("difference by "):
        yield part_of_difference(made, claim, name.removeprefix("difference by "))
    elif name.startswith("difference, "):
        right = int(name.split()[1])
        yield from (level(one, k, right=right) - level(two, k, right=right) for k in said.ks)
    else:
        only = name.removeprefix("difference in ") if name.startswith("difference in ") else ""
        yield from (level(one, k, only) - level(two, k, only) for k in said.ks)


def part_of_difference(made: Study, claim: Claim, part: str) -> float:
    """How much of the difference with one try comes from the answers that are found, and from those that are right."""
    assert made.world.answered is not None
    of_base, of_rl = made.world.answered

    def parts(base: FloatArray, rl: FloatArray) -> FloatArray:
        found = base + (1 - base) * of_base, rl + (1 - rl) * of_rl
        right = base / found[0], rl / found[1]
        if part == "format":
            return (found[1] - found[0]) * (right[0] + right[1]) / 2
        return (right[1] - right[0]) * (found[0] + found[1]) / 2

    return mean_over(made, claim, parts)


def number_of_problems(made: Study, said: Assertion) -> float:
    first, second = (made.base if model == "base" else made.rl for model in (*said.models, "base")[:2])
    ids = np.array(made.tallies[0].problem_ids)
    if said.quantity == "different chances":
        return float((first != second).sum())
    if said.quantity == "solvable":
        share, base, rl = made.world.law
        p = base if said.models[0] == "base" else rl
        return len(ids) * float(share[p > 0] @ (1 - p[p > 0]) ** N)
    better = first > second
    assert set(said.problems) <= set(ids[better].tolist()), said
    return float(len(set(made.cluster[better].tolist())) if said.quantity == "better on clusters" else better.sum())


def of_shares(made: Study, said: Assertion, kind: str, rest: str) -> float:
    """Shares of problems, of samples and of chains, and numbers of answers."""
    world, (share, base, rl) = made.world, made.world.law
    p = base if said.models[0] == "base" else rl
    if kind.startswith("cover@"):
        return float(share[p >= float(kind[6:])].sum())
    if said.quantity.startswith("cover above "):
        return float(share[p > float(rest.removeprefix("above "))].sum())
    if said.quantity.startswith("cover up to "):
        return float(share[p <= float(rest.removeprefix("up to "))].sum())
    if said.quantity == "zero set":
        never = share * (1 - base) ** N
        return float(never @ solved(p, said.ks[0]) / never.sum())
    if said.quantity == "false accepts":
        return world.corrupted if world.corrupted is not None else world.false_accepts
    if rest == "accepted":
        assert world.judge is not None
        return world.judge[kind == "corrupted"]
    if said.quantity == "same answer":
        agree = [chance**2 + (1 - chance) ** 2 / WRONG for chance in (base, rl)]
        return float(share @ (agree[1] - agree[0]))
    assert said.quantity in ("different answers", "different right answers")
    samples = said.ks[0]

    def different(chance: FloatArray) -> FloatArray:
        wrong = 0.0 if "right" in said.quantity else WRONG * solved((1 - chance) / WRONG, samples)
        return solved(chance, samples) + wrong

    return float(share @ (different(rl) - different(base)))
