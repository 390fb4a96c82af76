"""What a framework itself logs of each step: entropy, length, and the scores that it calls pass@k, best@k or reward.

    verl      metrics.jsonl of trainer.logger=[file]: {"step", "data": {"actor/entropy", "response_length/mean", ...}}
    TRL       trainer_state.json: {"log_history": [{"step", "entropy", "completions/mean_length", "reward", ...}]}
    move37    log.jsonl: {"kind", "step", "entropy", "length_mean", "pass@k"}; metrics.jsonl of `elsewhere/trl.py`
    prime-rl  nothing on disk that is read here

A file is found in the folder that is watched and two above it. Lines that cannot be read are left: they are numbers
beside ours, and the last one may be half written.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ENTROPY = ("entropy", "actor/entropy", "eval_entropy", "policy/entropy")
_LENGTH = ("length_mean", "response_length/mean", "completions/mean_length", "eval_completions/mean_length", "length")
_OWN = ("best@", "mean@", "maj@", "pass@", "reward", "eval_reward", "acc", "critic/rewards/mean", "accuracy")
_FILES = ("metrics.jsonl", "log.jsonl")
_ABOVE = 2


@dataclass
class StepMetrics:
    """`own`: the framework's scores by its own names."""

    entropy: float | None = None
    length: float | None = None
    """Tokens."""
    own: dict[str, float] = field(default_factory=dict)


def metrics_of(folder: Path) -> dict[int, StepMetrics]:
    """By step; empty where nothing was logged."""
    found: dict[int, StepMetrics] = {}
    for values in _records(folder):
        step = values.get("step")
        if isinstance(step, int | float):
            _take(found.setdefault(int(step), StepMetrics()), values)
    return found


def framework_of(folder: Path) -> str | None:
    """Who samples here, where the numbers beside the samples say so."""
    return next((str(values["framework"]) for values in _records(folder) if "framework" in values), None)


def _take(into: StepMetrics, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if name in _ENTROPY:
            into.entropy = float(value)
        elif name in _LENGTH:
            into.length = float(value)
        elif _is_own(name):
            into.own[name] = float(value)


def _is_own(name: str) -> bool:
    """Means of scores, not their spreads, minima and shares."""
    last = [part for part in name.split("/") if part]
    if not last or last[-1] in ("std", "min", "max") or name.endswith("_std"):
        return False
    return any(part == own or (own.endswith("@") and part.startswith(own)) for part in last for own in _OWN)


def _records(folder: Path) -> Iterator[Mapping[str, Any]]:
    for place in (folder, *folder.absolute().parents[:_ABOVE]):
        for name in _FILES:
            for line in _text(place / name).splitlines():
                values = _object(line)
                data = values.get("data")
                yield values | data if isinstance(data, dict) else values
        states = [place / "trainer_state.json", *sorted(place.glob("checkpoint-*/trainer_state.json"), key=_number)]
        for state in states:
            history = _object(_text(state)).get("log_history")
            yield from (entry for entry in history or () if isinstance(entry, dict))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(path: Path) -> int:
    tail = path.parent.name.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 0
