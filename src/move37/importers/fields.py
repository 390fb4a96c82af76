"""Fields that sample formats share: a response, why it ended, another tool's score, tags."""

from typing import Any

from move37.rows import Row
from move37.types import FinishReason

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "unknown": FinishReason.UNKNOWN,
}


def problem_tags(row: Row) -> dict[str, str]:
    """The fields about a problem that sample files often carry along; "Level 3" becomes "3", as benchmarks have it."""
    tags = row.tags("level", "subject", "type", "subfield", "source", "split", "difficulty")
    if "level" in tags:
        tags["level"] = tags["level"].removeprefix("Level ")
    return tags


def response(row: Row, *fields: str) -> str:
    """The model's text, which may be empty (that is an incorrect answer, not a broken row)."""
    text = row.require(*fields)
    if isinstance(text, list):
        raise row.error("a list of responses in one row; give one row per sample, or import it as 'paper'")
    if not isinstance(text, str):
        raise row.error(f"the response is not a text but {str(text)[:40]}")
    return text


def finish_reason(row: Row, value: Any) -> FinishReason:
    """Why a response ended. An unknown word is refused: it may mean that the response was cut."""
    if value is None:
        return FinishReason.UNKNOWN
    if not isinstance(value, str) or value not in _FINISH_REASONS:
        raise row.error(f"'finish_reason': unknown {str(value)[:40]!r} (known: {', '.join(_FINISH_REASONS)})")
    return _FINISH_REASONS[value]


def reported_score(row: Row, value: Any) -> bool:
    """true/false, or 1/0. A partial score is no verdict and is refused."""
    if value not in (0, 1):
        raise row.error(f"'score': expected true, false, 1 or 0, found {str(value)[:40]}")
    return bool(value)
