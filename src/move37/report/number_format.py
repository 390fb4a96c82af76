"""How is a number shown? Rounded by its own error, in percent, with a real minus sign, and never as "nan".

Shares are fractions in the result objects and in the CSV files, percent in text; differences of shares are percentage
points with a sign. A number keeps two significant digits of its standard error. A number that does not exist is
`Missing`, which carries the reason: tables print a dash and the reasons below. Nothing is computed but the rounding.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from move37.types import FloatArray


@dataclass(frozen=True, slots=True)
class Missing:
    """A number that does not exist, and why."""

    reason: str

    def __str__(self) -> str:
        return "–"


Shown = str | Missing


def exists(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def widest(errors: FloatArray) -> float | None:
    """The largest of some standard errors, which rounds a whole column alike; None if none exists."""
    known = errors[np.isfinite(errors)]
    return float(known.max()) if known.size else None


def percent(share: float | None, error: float | None = None, reason: str = "not known") -> Shown:
    """A share as "60.4%", to two significant digits of `error` (both fractions); one decimal where it is not known."""
    return f"{_fixed(share, error)}%" if share is not None and exists(share) else Missing(reason)


def points(difference: float | None, error: float | None = None, reason: str = "not known") -> Shown:
    """A difference of shares in percentage points: "+7.60", "−1.98"."""
    if difference is None or not exists(difference):
        return Missing(reason)
    text = _fixed(difference, error)
    return text if text.startswith("−") or float(text) == 0 else f"+{text}"


def percent_interval(lower: float | None, upper: float | None, error: float | None, reason: str) -> Shown:
    """ "58.0 to 62.8%"."""
    if lower is None or upper is None or not (exists(lower) and exists(upper)):
        return Missing(reason)
    return f"{_fixed(lower, error)} to {_fixed(upper, error)}%"


def points_interval(lower: float, upper: float, error: float | None) -> str:
    """ "+6.55 to +8.64"."""
    return f"{points(lower, error)} to {points(upper, error)}"


def small_share(share: float) -> str:
    """A bound on a share, to two significant digits: "2.3%"."""
    return f"{_significant(100 * share)}%"


def p_value(p: float) -> str:
    """ "p = 0.0025"; below 0.0001 only that it is."""
    return "p < 0.0001" if p < 1e-4 else f"p = {_significant(p)}"


def level(confidence: float) -> str:
    """ "95%", "99.9%"."""
    return f"{100 * confidence:.6g}%"


def count(number: float) -> str:
    """ "1,060"."""
    return f"{number:,.0f}"


def counted(number: int, noun: str) -> str:
    """ "1 problem", "1,060 problems", "one try", "5 tries"."""
    if noun == "try":
        return "one try" if number == 1 else f"{count(number)} tries"
    return f"{count(number)} {noun}{'s' * (number != 1)}"


def times(number: int) -> str:
    """ "once", "128 times"."""
    return "once" if number == 1 else f"{count(number)} times"


def runs(ks: Iterable[int]) -> list[tuple[int, int]]:
    """Unbroken runs: (1, 2, 3, 7) -> [(1, 3), (7, 7)]."""
    found: list[tuple[int, int]] = []
    for k in sorted(ks):
        if found and found[-1][1] == k - 1:
            found[-1] = (found[-1][0], k)
        else:
            found.append((k, k))
    return found


def k_list(ks: Iterable[int]) -> str:
    """ "1–3, 7"; "none" for no k."""
    return ", ".join(_joined(run, "–") for run in runs(ks)) or "none"


def k_words(ks: Iterable[int]) -> str:
    """ "1 to 3 or 7", for a sentence about tries."""
    parts = [_joined(run, " to ") for run in runs(ks)]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _joined(run: tuple[int, int], dash: str) -> str:
    first, last = run
    return count(first) if first == last else f"{count(first)}{dash}{count(last)}"


def _fixed(share: float, error: float | None) -> str:
    text = f"{100 * share:.{_decimals(error)}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def _decimals(error: float | None) -> int:
    """Decimals of a percentage that keep two significant digits of its error, at most four."""
    if error is None or not math.isfinite(error) or error <= 0:
        return 1
    return min(4, max(0, 1 - math.floor(math.log10(100 * error))))


def _significant(value: float) -> str:
    """Two significant digits without an exponent."""
    if value == 0:
        return "0"
    text = f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
