"""Result objects as plain JSON values: every number, under the names of the result objects' fields.

NaN and infinities become null (JSON has neither), arrays become lists, tuples become lists. `comparison_json` is the
contract of `move37 compare --json`; its keys do not change. Nothing is computed or rounded here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from move37.analyses import Comparison, Findings
from move37.analyses.curves import ModelCurve


def findings_json(findings: Findings) -> dict[str, Any]:
    """All findings of a run, nested as the result objects are."""
    return plain(findings)


def comparison_json(comparison: Comparison, base_curve: ModelCurve, rl_curve: ModelCurve) -> dict[str, Any]:
    """One pair of models in the shape of `compare --json`. Curves end at the comparison's largest k."""
    difference, table, gap = comparison.difference, comparison.solvable, comparison.sampling_gap
    k_max = len(difference.k)
    return plain(
        {
            "problems": base_curve.problems,
            "n": {"base": base_curve.n, "rl": rl_curve.n},
            "curves": {
                "k": difference.k,
                "base": base_curve.pass_at_k[:k_max],
                "rl": rl_curve.pass_at_k[:k_max],
            },
            "difference": {
                "mean": difference.mean,
                "lower": difference.lower,
                "upper": difference.upper,
                "critical_value": difference.critical_value,
                "draws": difference.draws,
                "confidence": difference.confidence,
            },
            "gain": difference.gain,
            "loss": difference.loss,
            "first_loss_set": difference.first_loss_set,
            "first_loss_monte_carlo": {
                "last_low": difference.first_loss_monte_carlo[0],
                "last_high": difference.first_loss_monte_carlo[1],
            },
            "solvable": {
                "k": table.k,
                "both": table.both,
                "base_only": table.base_only,
                "rl_only": table.rl_only,
                "neither": table.neither,
                "mcnemar_p": table.mcnemar_p,
                "noise_floor": table.noise_floor,
            },
            "delta_se": {"k": gap.k, "value": gap.value, "lower": gap.lower, "upper": gap.upper},
            "warnings": comparison.warnings,
        }
    )


def plain(value: Any) -> Any:
    """`value` with dataclasses as dicts, arrays and sequences as lists, numpy numbers as Python's, NaN as None."""
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
