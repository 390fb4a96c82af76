"""Writes passk_inference.json: what passk-inference says about counts made here. Needs the `peers` extra.

Run by hand (python tests/golden/make_passk_inference.py) when the peer changes; the tests read the JSON alone.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from passk_inference import compare

DRAWS = 100_000


def made_counts(problems: int, n: int, lost: float, seed: int) -> dict[str, list[int]]:
    """Two models on problems whose chances are U-shaped; the second is sharper and nearly loses a share of them."""
    rng = np.random.default_rng(seed)
    base = rng.beta(0.4, 0.6, problems)
    sharper = np.where(rng.random(problems) < lost, base / 20, base**0.6)
    return {"base": rng.binomial(n, base).tolist(), "rl": rng.binomial(n, sharper).tolist(), "n": [n] * problems}


def main() -> None:
    cases = []
    for problems, n, lost, seed in ((40, 16, 0.1, 1), (120, 32, 0.1, 2), (300, 24, 0.25, 3)):
        counts = made_counts(problems, n, lost, seed)
        result = compare(counts["base"], counts["n"], counts["rl"], counts["n"], bootstrap=DRAWS, seed=0)
        kept = ("base_pass_at_k", "rl_pass_at_k", "mean", "se", "lower", "upper", "critical_value")
        kept += ("certified_positive_budgets", "certified_negative_budgets", "first_loss_interval")
        cases.append({"counts": counts} | {key: result[key] for key in kept})
    source = {"package": "passk-inference", "version": version("passk-inference"), "draws": DRAWS, "cases": cases}
    Path(__file__).with_name("passk_inference.json").write_text(json.dumps(source, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
