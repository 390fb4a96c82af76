"""How reliable is a model, beside how wide: avg@k, pass@k, pass^k, G-Pass@k and maj@k at a few ks."""

from dataclasses import dataclass

from move37.types import Estimate


@dataclass(frozen=True, slots=True)
class ReliabilityRow:
    """One measure of one model at one k. maj@k needs answers, so it is absent for imported counts."""

    model: str
    measure: str
    k: int
    estimate: Estimate
