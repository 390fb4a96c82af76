"""Where right answers can be listed: what is every model's chance, and which moves did RL make likelier or rarer?

Sampling sees what happens at least once in n tries; here the chances are computed (`lab/exact.py`), so a move that RL
made a million times rarer is not "lost" but rarer by 10^6, and a move that no sample shows yet has a size. Decisions:
- A new move is a right chain that is below 10^-6 under base and above 10^-3 under rl: not to be expected in a million
  tries, and one in a thousand. A lost move is the reverse. Both thresholds are in the result.
- Beside each sampled curve stands the exact one at the ks that both have, with the distance in standard errors of fresh
  samples of these problems: for an instrument that is right, about one in twenty is beyond two.
Left out: how the chances are computed, and pass@k of chances (`estimates/known.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from move37.analyses.curves import ModelCurve
from move37.estimates.known import POWERS_OF_TWO, known_pass_at_k
from move37.types import FloatArray, IntArray

BELOW, ABOVE = 1e-6, 1e-3
"""A new move's chance under base is below the first and under rl above the second."""
_LISTED = 20
"""Moves that are listed; all are counted."""
_TEN = float(np.log(10.0))


@dataclass(frozen=True, eq=False)
class KnownModel:
    """What is known of one model: its chance on every problem, and on every right chain."""

    model: str
    problem_ids: tuple[str, ...]
    logprobs: FloatArray
    """Natural logs, (problems,); minus infinity where no response can be right."""
    unlisted: FloatArray
    """At most this much is missing in them, natural logs, (problems,)."""
    standard_errors: FloatArray
    """Of the chances, relative; 0 where they are sums over all right chains."""
    chains: tuple[tuple[str, ...], ...]
    chain_logprobs: tuple[FloatArray, ...]
    """Natural logs by problem, (chains,)."""
    temperature: float
    top_p: float
    max_new_tokens: int

    def on(self, ids: tuple[str, ...]) -> KnownModel | None:
        """What is known on these problems, in their order; None where it is not known of all of them."""
        if ids == self.problem_ids:
            return self
        place = {problem: i for i, problem in enumerate(self.problem_ids)}
        if not place.keys() >= set(ids):
            return None
        at = [place[problem] for problem in ids]
        return replace(
            self,
            problem_ids=ids,
            logprobs=self.logprobs[at],
            unlisted=self.unlisted[at],
            standard_errors=self.standard_errors[at],
            chains=tuple(self.chains[i] for i in at),
            chain_logprobs=tuple(self.chain_logprobs[i] for i in at),
        )


@dataclass(frozen=True, eq=False)
class ExactModel:
    """The exact curve of one model, and its chances in powers of ten. NaN is what it never does."""

    model: str
    problem_ids: tuple[str, ...]
    log10_p: FloatArray
    log10_unlisted: FloatArray
    """At most this much is missing in p, (problems,)."""
    relative_error: FloatArray
    """Standard error of p over p; 0 where p is exact."""
    right_chains: IntArray
    entropy: FloatArray
    """Of the distribution over right chains, given that the response is right, in nats, (problems,)."""
    k: IntArray
    pass_at_k: FloatArray
    temperature: float
    top_p: float
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Move:
    """One right chain, with its chance in powers of ten; None is what a model never does."""

    problem_id: str
    chain: str
    log10_base: float | None
    log10_rl: float | None


@dataclass(frozen=True, eq=False)
class ExactPair:
    """What RL did to the chances of problems and of single chains."""

    base: str
    rl: str
    log10_ratio: FloatArray
    """log10 of p under rl over p under base, (problems,)."""
    likelier: int
    rarer: int
    below: float
    above: float
    chains: int
    """Right chains of all problems together."""
    new_moves: int
    lost_moves: int
    new: tuple[Move, ...]
    """The likeliest of them under rl."""
    lost: tuple[Move, ...]


@dataclass(frozen=True, eq=False)
class ExactCheck:
    """A sampled curve beside the exact one, at the ks that both have."""

    model: str
    k: IntArray
    exact: FloatArray
    sampled: FloatArray
    standard_errors: FloatArray
    """Of the sampled one over fresh samples of these problems; NaN where it is not known."""
    inside_band: bool
    """Whether the simultaneous band of the sampled curve holds the exact one at all of these ks."""

    @property
    def largest_distance(self) -> float | None:
        """The largest distance in standard errors; None where none is known."""
        known = np.flatnonzero(self.standard_errors > 0)
        if not len(known):
            return None
        return float(np.abs((self.sampled - self.exact)[known] / self.standard_errors[known]).max())


@dataclass(frozen=True, eq=False)
class ExactFindings:
    """The exact truth about the models that it is known of; base comes first."""

    models: tuple[ExactModel, ...]
    pairs: tuple[ExactPair, ...]
    checks: tuple[ExactCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of new and lost moves."""

    below: float = BELOW
    above: float = ABOVE


def exact_findings(
    known: Sequence[KnownModel],
    curves: Sequence[ModelCurve] = (),
    problem_ids: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
) -> ExactFindings | None:
    """Everything about the known models, each against the first, on these problems (all where they are not given).

    None where nothing is known, or not of the problems that are analysed.
    """
    if not known:
        return None
    ids = tuple(known[0].problem_ids if problem_ids is None else problem_ids)
    chosen = [of for each in known if (of := each.on(ids)) is not None]
    if len(chosen) < len(known):
        return None
    models, by_name = tuple(map(exact_model, chosen)), {curve.model: curve for curve in curves}
    return ExactFindings(
        models=models,
        pairs=tuple(exact_pair(chosen[0], each, thresholds or Thresholds()) for each in chosen[1:]),
        checks=tuple(_check(each, by_name[each.model]) for each in models if each.model in by_name),
    )


def exact_model(known: KnownModel, ks: IntArray = POWERS_OF_TWO) -> ExactModel:
    """The exact curve of one model."""
    return ExactModel(
        model=known.model,
        problem_ids=known.problem_ids,
        log10_p=known.logprobs / _TEN,
        log10_unlisted=known.unlisted / _TEN,
        relative_error=known.standard_errors,
        right_chains=np.array([len(each) for each in known.chains], dtype=np.int64),
        entropy=np.array([entropy(each) for each in known.chain_logprobs]),
        k=ks,
        pass_at_k=known_pass_at_k(known.logprobs, ks),
        temperature=known.temperature,
        top_p=known.top_p,
        max_new_tokens=known.max_new_tokens,
    )


def entropy(logprobs: FloatArray) -> float:
    """Of chances given that one of them happens, in nats; NaN where none can."""
    top = logprobs.max(initial=-np.inf)
    if not np.isfinite(top):
        return float("nan")
    weights = np.exp(logprobs - top)
    shares = weights[weights > 0] / weights.sum()
    return float(-(shares * np.log(shares)).sum())


def exact_pair(base: KnownModel, rl: KnownModel, thresholds: Thresholds) -> ExactPair:
    """Both know the same problems in the same order."""
    with np.errstate(invalid="ignore"):  # never under both: no ratio
        ratio = (rl.logprobs - base.logprobs) / _TEN
    moves = [
        Move(problem, chain, _in_tens(before), _in_tens(after))
        for problem, chains, base_logprobs, rl_logprobs in zip(
            base.problem_ids, base.chains, base.chain_logprobs, rl.chain_logprobs, strict=True
        )
        for chain, before, after in zip(chains, base_logprobs.tolist(), rl_logprobs.tolist(), strict=True)
        if _crosses(before, after, thresholds) or _crosses(after, before, thresholds)
    ]
    new = [move for move in moves if _rank(move.log10_rl) > _rank(move.log10_base)]
    lost = [move for move in moves if _rank(move.log10_rl) < _rank(move.log10_base)]
    return ExactPair(
        base=base.model,
        rl=rl.model,
        log10_ratio=ratio,
        likelier=int((ratio > 0).sum()),
        rarer=int((ratio < 0).sum()),
        below=thresholds.below,
        above=thresholds.above,
        chains=sum(map(len, base.chains)),
        new_moves=len(new),
        lost_moves=len(lost),
        new=tuple(sorted(new, key=lambda move: -_rank(move.log10_rl))[:_LISTED]),
        lost=tuple(sorted(lost, key=lambda move: -_rank(move.log10_base))[:_LISTED]),
    )


def _crosses(before: float, after: float, thresholds: Thresholds) -> bool:
    return before < np.log(thresholds.below) and after > np.log(thresholds.above)


def _in_tens(logprob: float) -> float | None:
    return logprob / _TEN if np.isfinite(logprob) else None


def _rank(log10: float | None) -> float:
    return -np.inf if log10 is None else log10


def _check(exact: ExactModel, curve: ModelCurve) -> ExactCheck:
    ks = exact.k[exact.k <= len(curve.k)]
    at, truth = ks - 1, exact.pass_at_k[: len(ks)]
    return ExactCheck(
        model=exact.model,
        k=ks,
        exact=truth,
        sampled=curve.pass_at_k[at],
        standard_errors=curve.se_benchmark[at],
        inside_band=bool(((curve.lower[at] <= truth) & (truth <= curve.upper[at])).all()),
    )
