"""Does training pay, if base may spend the training's tokens on more tries instead?

T tokens were generated in training, a try of base takes t of them, and the trained model is used on u problems. Then
for each use of RL with k tries base may have k + T / (u t). Two readings:
- *break-even*: the extra tries e with which base solves as much as RL with k, and the uses u = T / (e t) from which on
  training is the cheaper way. Where base solves as much with k tries anyway, training never pays at that k; where it
  does not get there within its samples, training pays after fewer uses than a bound says.
- *at a stated number of uses*: the paired difference at parity, with an interval for this k alone.

Between whole ks pass@k is a straight line: one try more with the chance that makes the expected number of tries right
(as in `token_budget.py`), which stays unbiased. Left out: the cost of gradients (T counts generated tokens, or what you
make of it), and that a use of RL may be longer or shorter (the token budgets show that).
"""

from dataclasses import dataclass

import numpy as np

from move37.analyses.curves import mean_interval
from move37.analyses.pairing import paired
from move37.counts import AnyTally
from move37.errors import InputError
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import INDEPENDENT, Design
from move37.types import FloatArray


@dataclass(frozen=True, slots=True)
class ParityAtK:
    """RL with k tries against base with more."""

    k: int
    rl_pass: float
    extra_tries: float | None
    """Tries more with which base solves as much; 0 where it does anyway, None where it does not within its samples."""
    break_even: float | None
    """Uses from which on training is cheaper; None where it never is, or k is base's last.
    Where `extra_tries` is None, an upper bound."""
    base_tries: float | None
    """Tries of base at the stated number of uses; None where no number was stated."""
    difference: float | None
    """rl minus base at parity; None also where base lacks so many samples."""
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class ComputeParity:
    """One pair at its powers of two."""

    base: str
    rl: str
    training_tokens: float
    tokens_per_try: float
    """Mean generated tokens of a try of base."""
    uses: float | None
    confidence: float
    rows: tuple[ParityAtK, ...]


def compute_parity(
    base: AnyTally,
    rl: AnyTally,
    training_tokens: float,
    tokens_per_try: float,
    uses: float | None = None,
    confidence: float = 0.95,
    design: Design = INDEPENDENT,
) -> ComputeParity:
    """Raises InputError unless the problems match and tokens (and uses) are above 0."""
    if not (training_tokens > 0 and tokens_per_try > 0 and (uses is None or uses > 0)):
        raise InputError("compute parity needs tokens of training, tokens of a try and uses above 0")
    base, rl = paired(base, rl)
    of_base, of_rl = pass_at_k_rows(base), pass_at_k_rows(rl)
    last = min(k_limit(base), k_limit(rl))
    ks = sorted({2**i for i in range(last.bit_length())} | {last})
    afforded = None if uses is None else training_tokens / (uses * tokens_per_try)
    return ComputeParity(
        base=base.model,
        rl=rl.model,
        training_tokens=training_tokens,
        tokens_per_try=tokens_per_try,
        uses=uses,
        confidence=confidence,
        rows=tuple(
            _at_k(of_base, of_rl, k, training_tokens / tokens_per_try, afforded, confidence, design) for k in ks
        ),
    )


def _at_k(
    base: FloatArray, rl: FloatArray, k: int, tries: float, afforded: float | None, confidence: float, design: Design
) -> ParityAtK:
    """`tries`: what all of the training buys; `afforded`: what one use has of it."""
    reached, curve = float(rl[:, k - 1].mean()), base.mean(axis=0)
    extra = _extra(curve, k, reached)
    left = len(curve) - k
    uses = tries / extra if extra else None
    if extra is None:
        uses = tries / left if left else None
    value = lower = upper = None
    if afforded is not None and k + afforded <= len(curve):
        gap = rl[:, k - 1] - _between(base, k + afforded)
        value = float(gap.mean())
        lower, upper = mean_interval(gap, confidence, (-1.0, 1.0), design) or (-1.0, 1.0)
    tries_of_base = None if afforded is None else k + afforded
    return ParityAtK(k, reached, extra, uses, tries_of_base, value, lower, upper)


def _extra(curve: FloatArray, k: int, reached: float) -> float | None:
    """The extra tries with which a rising curve reaches a value; None beyond its end."""
    if curve[k - 1] >= reached:
        return 0.0
    above = np.flatnonzero(curve[k:] >= reached)
    if not above.size:
        return None
    at = k + int(above[0])  # the position of the first k that is enough
    return float(at + (reached - curve[at - 1]) / (curve[at] - curve[at - 1]) - k)


def _between(rows: FloatArray, tries: float) -> FloatArray:
    """pass@k at a number of tries that need not be whole, (M,)."""
    below = int(tries)
    part = tries - below
    return rows[:, below - 1] if part == 0 else (1 - part) * rows[:, below - 1] + part * rows[:, below]
