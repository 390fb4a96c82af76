"""At which temperature was one model's output as random as another's? What was measured on the way, and the answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Measured:
    """Output entropy at one temperature, in nats per token, with its standard error over responses."""

    temperature: float
    entropy: float
    standard_error: float
    responses: int
    tokens: int


@dataclass(frozen=True, slots=True)
class EntropyMatch:
    """The temperature at which `model` is as random as `of` is at its own."""

    model: str
    of: str
    temperature: float
    lower: float
    """As far from it as one standard error of both entropies reaches."""
    upper: float
    target: Measured
    steps: tuple[Measured, ...]
    """In the order in which temperatures were tried."""


def temperature_at(measured: Iterable[Measured], target: float) -> float:
    """Where straight lines through what was measured, by temperature, first reach the target; at an end if never."""
    known = sorted(measured, key=lambda each: each.temperature)
    for low, high in pairwise(known):
        if low.entropy <= target <= high.entropy and high.entropy > low.entropy:
            share = (target - low.entropy) / (high.entropy - low.entropy)
            return low.temperature + share * (high.temperature - low.temperature)
    return known[0].temperature if target < known[0].entropy else known[-1].temperature
