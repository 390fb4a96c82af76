"""Claim: `sample --until decided` may look after every problem and keep its error below the nominal 5 %, and uses fewer
problems and samples than a fixed design where the models differ.

2,000 studies per setting. A study draws, for every problem and model, the index of the first correct sample; a problem
is solved if that is at most K. The problems come in a random order, and the rule of `estimates/anytime.py` is applied
after every one; what is used is counted in blocks of 16. Settings are nulls (equal p on every problem; different p, but
the two sides alike in the population) and alternatives, among them a law shaped like the DeepScaleR counts. One null
lies outside what is proved: a fixed set of problems whose differences only balance out.

In the same studies: the exact McNemar test once, after all problems (the fixed design: what looking early costs in
power), and the same test after every problem (what people do: its error is not 5 %). "samples" is the share of the
2 M K samples of a fixed n, if sampling a problem stops at its first correct sample; "of all" is that share if all
problems are examined. "seen" against "true" is the mean difference of solved shares in percent among the problems
examined, where it was decided: stopping at a lead overstates it. The last line is what the rule does not cover: the
same problems, with a look at every k.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from move37.estimates.anytime import BASE_ONLY, CONCORDANT, RL_ONLY, log_e_value, standing
from move37.estimates.planning import reference_pair
from move37.types import FloatArray, IntArray

STUDIES, ALPHA, K, BLOCK = 2000, 0.05, 128, 16
Law = Callable[[np.random.Generator, int], tuple[FloatArray, FloatArray]]
"""(rng, M) -> success probabilities of one sample of base and of RL, (STUDIES, M) each, in random order."""


@dataclass(frozen=True)
class Setting:
    name: str
    problems: int
    law: Law
    side: int
    """Which model solves more in truth; CONCORDANT: neither, a null."""


def that_solves(chance: FloatArray) -> FloatArray:
    """p with 1 - (1-p)^K = chance."""
    return -np.expm1(np.log1p(-np.minimum(chance, 1 - 1e-12)) / K)


def same_everywhere(rng: np.random.Generator, problems: int) -> tuple[FloatArray, FloatArray]:
    p = rng.beta(0.3, 8.0, (STUDIES, problems))
    return p, p


def alike_in_the_population(rng: np.random.Generator, problems: int) -> tuple[FloatArray, FloatArray]:
    first, second = that_solves(rng.uniform(0.0, 1.0, (2, STUDIES, problems)) ** 3)
    swap = rng.random((STUDIES, problems)) < 0.5
    return np.where(swap, first, second), np.where(swap, second, first)


def like_deepscaler(rng: np.random.Generator, problems: int) -> tuple[FloatArray, FloatArray]:
    pair = reference_pair()
    kinds = rng.choice(len(pair.weight), (STUDIES, problems), p=pair.weight / pair.weight.sum())
    return pair.base_p[kinds], pair.rl_p[kinds]


def settled(base_only: float, rl_only: float) -> Law:
    """Shares of problems solved by one model only whatever is drawn; both solve half of the others."""

    def law(rng: np.random.Generator, problems: int) -> tuple[FloatArray, FloatArray]:
        kind = rng.random((STUDIES, problems))
        base, rl = kind < base_only, (kind >= base_only) & (kind < base_only + rl_only)
        both = kind > (1 + base_only + rl_only) / 2
        return np.where(base | both, 0.6, 0.0), np.where(rl | both, 0.6, 0.0)

    return law


def balanced_by_a_few(rng: np.random.Generator, problems: int) -> tuple[FloatArray, FloatArray]:
    """A fixed set: one problem in 20 is solved by RL only, each of the others by base with chance 1/19."""
    rl = np.zeros((STUDIES, problems))
    rl[:, : problems // 20] = 1.0
    rl = rng.permuted(rl, axis=1)
    return that_solves((1.0 - rl) / 19), rl


SETTINGS = (
    Setting("null: same p on every problem", 500, same_everywhere, CONCORDANT),
    Setting("null: different p, sides alike", 500, alike_in_the_population, CONCORDANT),
    Setting("null: 10 % settled each way", 500, settled(0.10, 0.10), CONCORDANT),
    Setting("null: 2 % settled each way", 1000, settled(0.02, 0.02), CONCORDANT),
    Setting("not proved: balanced by a few problems", 500, balanced_by_a_few, CONCORDANT),
    Setting("like DeepScaleR: base +2 %", 1060, like_deepscaler, BASE_ONLY),
    Setting("RL +2 %: 3 against 1 %", 1060, settled(0.01, 0.03), RL_ONLY),
    Setting("base +4 %: 6 against 2 %", 500, settled(0.06, 0.02), BASE_ONLY),
    Setting("base +10 %: 12 against 2 %", 500, settled(0.12, 0.02), BASE_ONLY),
    Setting("RL +9 %: 10 against 1 %", 272, settled(0.01, 0.10), RL_ONLY),
    Setting("AIME24: 13 against 0 % of 30", 30, settled(0.13, 0.0), BASE_ONLY),
)


def first_successes(p: FloatArray, rng: np.random.Generator) -> IntArray:
    """Index from 1 of the first correct sample, K + 1 where it comes later or never."""
    return np.where(p > 0, np.minimum(rng.geometric(np.maximum(p, 1e-9)), K + 1), K + 1)


def mcnemar(base_only: IntArray, rl_only: IntArray) -> FloatArray:
    return np.minimum(1.0, 2 * bdtr(np.minimum(base_only, rl_only), base_only + rl_only, 0.5))


def measure(setting: Setting, rng: np.random.Generator) -> dict[str, float | str | int]:
    base, rl = (first_successes(p, rng) for p in setting.law(rng, setting.problems))
    directions = (rl <= K).astype(np.int64) - (base <= K)
    stand = standing(directions, setting.problems, ALPHA)
    p = mcnemar(np.cumsum(directions == BASE_ONLY, axis=1), np.cumsum(directions == RL_ONLY, axis=1))
    decided = stand.decided != CONCORDANT
    used = np.minimum(-(-stand.stopped_at // BLOCK) * BLOCK, setting.problems)
    samples = np.cumsum(np.minimum(base, K) + np.minimum(rl, K), axis=1)
    fixed_n = 2 * K * setting.problems
    lead = np.cumsum(directions, axis=1)[np.arange(STUDIES), used - 1] / used
    return {
        "setting": setting.name,
        "null": int(setting.side == CONCORDANT),
        "problems": setting.problems,
        "decided": float(decided.mean()),
        "wrong": float((decided & (stand.decided != setting.side)).mean()),
        "problems_used": float(used.mean() / setting.problems),
        "samples_used": float(samples[np.arange(STUDIES), used - 1].mean() / fixed_n),
        "samples_of_all_problems": float(samples[:, -1].mean() / fixed_n),
        "difference_seen": float(lead[decided].mean()),
        "difference_true": float(directions.mean()),
        "mcnemar_at_the_end": float((p[:, -1] <= ALPHA).mean()),
        "mcnemar_every_problem": float((p <= ALPHA).any(axis=1).mean()),
    }


def looking_again_with_more_samples(rng: np.random.Generator, problems: int = 500, looks: int = 10) -> dict[str, float]:
    """Errors under equal p if e is looked at for k = 1, 2, 4, ... of the same problems, and for the last k alone."""
    p, _ = same_everywhere(rng, problems)
    first = {model: rng.geometric(np.maximum(p, 1e-12)) for model in ("base", "rl")}
    largest = log_e = np.full(STUDIES, -np.inf)
    for k in 2 ** np.arange(looks):
        base, rl = first["base"] <= k, first["rl"] <= k
        log_e = log_e_value((base & ~rl).sum(axis=1), (rl & ~base).sum(axis=1))
        largest = np.maximum(largest, log_e)
    threshold = -np.log(ALPHA)
    return {
        "looks": looks,
        "every_k": float((largest >= threshold).mean()),
        "last_k": float((log_e >= threshold).mean()),
    }


def main() -> None:
    rng = np.random.default_rng(2026)
    error = np.sqrt(ALPHA * (1 - ALPHA) / STUDIES)
    print(f"{STUDIES} studies each, K = {K}, alpha {ALPHA}; the standard error of a rate of {ALPHA} is {error:.4f}")
    print(f"{'':103}{'McNemar':>12}{'McNemar':>14}")
    print(
        f"{'':40}{'M':>5}{'decided':>9}{'wrong':>8}{'problems':>10}{'samples':>9}{'of all':>8}{'seen':>7}{'true':>7}"
        f"{'at the end':>12}{'every problem':>14}"
    )
    rows = []
    for setting in SETTINGS:
        row = measure(setting, rng)
        rows.append(row)
        print(
            f"{row['setting']:40}{row['problems']:>5}{row['decided']:>9.3f}{row['wrong']:>8.3f}"
            f"{row['problems_used']:>10.1%}{row['samples_used']:>9.1%}{row['samples_of_all_problems']:>8.1%}"
            f"{row['difference_seen'] * 100:>7.1f}{row['difference_true'] * 100:>7.1f}"
            f"{row['mcnemar_at_the_end']:>12.3f}{row['mcnemar_every_problem']:>14.3f}"
        )
    again = looking_again_with_more_samples(rng)
    print(
        f"not covered, equal p, the same 500 problems looked at for k = 1, 2, 4, ..., 512: decided "
        f"{again['every_k']:.4f}; at k = 512 alone {again['last_k']:.4f}"
    )
    worst = max(row["wrong"] for row in rows)
    figures = {"bench": "decided", "studies": STUDIES, "alpha": ALPHA, "k": K, "worst_error": worst, "settings": rows}
    print(json.dumps(figures | {"looking_again": again}))


if __name__ == "__main__":
    main()
