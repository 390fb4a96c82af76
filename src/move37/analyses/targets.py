"""Of which problems does an interval speak, and how do curves vary if it speaks of those? One door for both targets.

"population": other problems like these, drawn anew and sampled anew; rows of single problems say how much they vary.
"benchmark": these problems, sampled anew (`estimates/benchmark.py`), which serves k up to n / 8.

Several models against one base stand on the same problems and the same samples of the base. Statements about single
pairs that are made of m of them together are each at `share(confidence, m)` (Sidak 1967: for normal estimates, however
they depend on each other, intervals at confidence^(1/m) all hold together).
"""

from collections.abc import Sequence

from move37.counts import AnyTally
from move37.estimates import benchmark
from move37.estimates.bands import Spread, spread
from move37.estimates.rows import alike_problems, k_limit, pass_at_k_rows
from move37.estimates.settings import BENCHMARK, INDEPENDENT, Design, Target
from move37.types import IntArray


def curve_spread(tally: AnyTally, target: Target, design: Design, simulate_at: IntArray | None = None) -> Spread:
    """pass@k of one model for k = 1..K."""
    if target == BENCHMARK:
        return benchmark.curve_spread(tally, design, simulate_at)
    (tally,), design, _ = with_alike_together([tally], design)
    return spread(pass_at_k_rows(tally), design, simulate_at)


def difference_spreads(
    base: AnyTally,
    models: Sequence[AnyTally],
    k_max: int,
    target: Target,
    design: Design = INDEPENDENT,
    simulate_at: IntArray | None = None,
) -> list[Spread]:
    """Each model minus base for k = 1..k_max. Tallies hold the same problems in one order, which `design` labels."""
    if target == BENCHMARK:
        return benchmark.difference_spreads(base, models, k_max, design, simulate_at)
    pairs = [(0, place) for place in range(1, len(models) + 1)]
    return pair_spreads([base, *models], pairs, k_max, target, design, simulate_at)


def pair_spreads(
    models: Sequence[AnyTally],
    pairs: Sequence[tuple[int, int]],
    k_max: int,
    target: Target,
    design: Design = INDEPENDENT,
    simulate_at: IntArray | None = None,
) -> list[Spread]:
    """For each pair of places the second model minus the first, as in `difference_spreads`."""
    if target == BENCHMARK:
        return benchmark.pair_spreads(models, pairs, k_max, design, simulate_at)
    models, design, _ = with_alike_together(models, design)
    rows = [pass_at_k_rows(model, k_max) for model in models]
    return [spread(rows[b] - rows[a], design, simulate_at) for a, b in pairs]


def with_alike_together(
    models: Sequence[AnyTally], design: Design
) -> tuple[Sequence[AnyTally], Design, IntArray | None]:
    """The tallies with one problem of each kind, the design that says how many there are, and each problem's kind (M,).

    What is asked of rows alone is the same, and is had in a fraction of time and memory. As they are, and None, where
    that gains nothing.
    """
    alike = None if design.is_labelled else alike_problems(tuple(models))
    if alike is None:
        return models, design, None
    return [model.select(alike.first) for model in models], Design(weights=alike.weights), alike.kind


def largest_k(target: Target, *tallies: AnyTally) -> int:
    """The largest k with an interval under this target; 0 where there is none."""
    limit = min(k_limit(tally) for tally in tallies)
    return benchmark.served(limit) if target == BENCHMARK else limit


def share(confidence: float, statements: int) -> float:
    """The confidence of each of several statements that are to hold together with `confidence`."""
    return confidence ** (1 / max(1, statements))
