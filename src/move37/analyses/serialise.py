"""Result objects as plain JSON values and back: every number, under the names of the result objects' fields.

NaN and infinities become null (JSON has neither), arrays and tuples become lists. analyses.json begins with its
`FORMAT` and the version that wrote it; `load_findings` makes the typed objects again, null being NaN where a number is
required and None where it may be missing. Files from before there was a format number are format 0, and a higher
format is refused. `comparison_json` is the contract of `move37 compare --json`; its keys do not change. Nothing is
computed or rounded here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from move37 import __version__
from move37.analyses import Comparison, Findings
from move37.analyses.agreement import Agreement
from move37.analyses.curves import ModelCurve
from move37.analyses.fragility import Fragility
from move37.analyses.gains_losses import Change
from move37.errors import StoreError
from move37.estimates.bands import Band
from move37.estimates.two_level import TwoLevelBand
from move37.files import read_json

FORMAT = 1
"""Rises when what is written today could no longer be read by the version before."""
IN_PLACE = (Band, TwoLevelBand)
"""What these hold stands among the fields of the object that holds them."""

MOST_DISAGREEMENTS = 1000
"""Disagreements of two verifiers that are listed; all are counted."""


def findings_json(findings: Findings) -> dict[str, Any]:
    """All findings of a run, nested as the result objects are, after the format and the version."""
    return {"format": FORMAT, "move37": __version__, **plain(findings)}


def load_findings(path: Path) -> Findings:
    """The findings in an analyses.json. Raises StoreError in one line for a file that is torn, newer, or none."""
    recorded = read_json(path)
    if recorded is None:
        raise StoreError(f"{path}: no such file; `move37 analyse RUN` writes it")
    number = recorded.get("format", 0) if isinstance(recorded, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise StoreError(f"{path}: no findings in it; run `move37 analyse` again")
    if number > FORMAT:
        raise StoreError(
            f"{path}: format {number}, written by move37 {recorded.get('move37', 'of a later version')}; this is "
            f"{__version__}, which reads up to format {FORMAT}: update it (pip install -U move37)"
        )
    try:
        return _rebuilt(Findings, recorded)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path}: not the findings that move37 {__version__} writes ({error}); run `move37 analyse` again"
        ) from None


def _rebuilt(kind: Any, value: Any) -> Any:
    """`value` of JSON as an object of the type `kind`. Raises KeyError, TypeError or ValueError where it is none."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        (known,) = (each for each in inner if each is not NoneType)
        return None if value is None else _rebuilt(known, value)
    if is_dataclass(kind):
        return _rebuilt_object(kind, value)
    if origin is tuple:
        _require(isinstance(value, list), kind, value)
        kinds = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_rebuilt(each, item) for each, item in zip(kinds, value, strict=True))
    if origin is dict:
        _require(isinstance(value, dict), kind, value)
        return {key: _rebuilt(inner[1], item) for key, item in value.items()}
    if origin is np.ndarray:
        (number,) = get_args(inner[1])
        return np.array(value, dtype=float).astype(number)
    if kind is float:
        _require(value is None or (isinstance(value, int | float) and not isinstance(value, bool)), kind, value)
        return float("nan") if value is None else float(value)
    if kind in (int, bool, str):
        _require(type(value) is kind, kind, value)
    return kind(value)  # an enumeration takes its value


def _rebuilt_object(kind: Any, value: Any) -> Any:
    _require(isinstance(value, dict), kind, value)
    found = {}
    for field in fields(kind):
        if _hints(kind)[field.name] in IN_PLACE:
            found[field.name] = _rebuilt_object(_hints(kind)[field.name], value)
        elif field.name in value:
            found[field.name] = _rebuilt(_hints(kind)[field.name], value[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(f"no {field.name}")
    return kind(**found)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _require(fits: bool, kind: Any, value: Any) -> None:
    if not fits:
        raise TypeError(f"{str(value)[:40]!r} where {getattr(kind, '__name__', kind)} is expected")


def comparisons_json(findings: Findings) -> dict[str, Any]:
    """The only comparison as `comparison_json` has it; of several, all of them with the names of their models."""
    curves = {curve.model: curve for curve in findings.curves}
    names = [(each.difference.base, each.difference.rl) for each in findings.comparisons]
    pairs = [
        comparison_json(each, curves[base], curves[rl])
        for each, (base, rl) in zip(findings.comparisons, names, strict=True)
    ]
    if len(pairs) == 1:
        return pairs[0]
    return {"comparisons": [{"base": base, "rl": rl} | pair for (base, rl), pair in zip(names, pairs, strict=True)]}


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
                "mean": difference.band.mean,
                "lower": difference.band.lower,
                "upper": difference.band.upper,
                "critical_value": difference.band.critical_value,
                "draws": difference.band.draws,
                "confidence": difference.band.confidence,
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
            "gained": _change(comparison.gained),
            "lost": _change(comparison.lost),
            "fragility": _fragility(comparison.fragility),
            "delta_se": {"k": gap.k, "value": gap.value, "lower": gap.lower, "upper": gap.upper},
            "warnings": comparison.warnings,
        }
    )


def agreement_json(found: Agreement) -> dict[str, Any]:
    """One model in the shape of `verify --verifier A --verifier B --json`; the first disagreements are listed."""
    return plain(
        {
            "samples": found.samples,
            "differ": len(found.disagreements),
            "k": found.k,
            "pass_at_1": found.pass_at_1,
            "pass_at_k": found.pass_at_k,
            "disagreements": found.disagreements[:MOST_DISAGREEMENTS],
        }
    )


def _change(found: Change | None) -> dict[str, Any] | None:
    """None where the tests do not hold."""
    keys = ("only", "expected", "p", "p_adjusted", "at_least", "problems")
    return None if found is None else {key: getattr(found, key) for key in keys}


def _fragility(found: Fragility | None) -> dict[str, Any] | None:
    """What the claims of the band stand under, at the largest k of each reading."""
    if found is None:
        return None
    readings = (found.measured, *found.thresholds, *found.unscored, *found.truncated)
    return {
        "largest_t": {"gain": found.largest_t_gain, "loss": found.largest_t_loss},
        "readings": [
            {
                "reading": each.kind,
                "t": each.threshold,
                "k": each.k[-1],
                "difference": each.difference[-1],
                "gain": each.gain,
                "loss": each.loss,
                "first_loss_set": each.first_loss_set,
            }
            for each in readings
        ],
        "tipping": {"k": found.measured.k, **plain(found.tipping)},
        "influence": [
            {name: value for name, value in plain(each).items() if name != "without_them"} for each in found.influence
        ],
    }


def plain(value: Any) -> Any:
    """`value` with dataclasses as dicts, arrays as lists, numpy numbers as Python's, paths as text, NaN as None."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and np.isfinite(value).all():
        return value.tolist()  # long curves, number by number, would take longer than making them
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        found = {}
        for field in fields(value):
            held = plain(getattr(value, field.name))
            found |= held if type(getattr(value, field.name)) in IN_PLACE else {field.name: held}
        return found
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
