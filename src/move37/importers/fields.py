"""Fields that logs share: a response, why it ended, a tool's score, a gold answer, a question within a prompt."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from move37.importers.logs import Remarks
from move37.rows import Row, brief
from move37.types import FinishReason, Outcome, Segment

_FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "stop_token": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "completed": FinishReason.STOP,
    "tool_calls": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "max_new_tokens": FinishReason.LENGTH,
    "max_length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "max_total_tokens": FinishReason.LENGTH,
    "truncated": FinishReason.LENGTH,
    "unknown": FinishReason.UNKNOWN,
}
_WORDS = {
    "c": 1.0, "correct": 1.0, "true": 1.0, "yes": 1.0, "pass": 1.0, "passed": 1.0, "judgement: yes": 1.0,
    "p": 0.5, "partial": 0.5,
    "i": 0.0, "n": 0.0, "incorrect": 0.0, "false": 0.0, "no": 0.0, "fail": 0.0, "failed": 0.0, "judgement: no": 0.0,
}  # fmt: skip
"""Words that stand for scores: inspect's letters, a judge's answer, a test's."""

_CHAT_MARKS = (
    re.compile(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", re.DOTALL),
    re.compile(r"<\|start_header_id\|>user<\|end_header_id\|>\n\n(.*?)<\|eot_id\|>", re.DOTALL),
    re.compile(r"<｜User｜>(.*?)<｜Assistant｜>", re.DOTALL),
    re.compile(r"<start_of_turn>user\n(.*?)<end_of_turn>", re.DOTALL),
    re.compile(r"\[INST\](.*?)\[/INST\]", re.DOTALL),
    # The same without its special tokens, as decoding leaves it.
    re.compile(r"(?:^|\n)user\n(.*?)\nassistant(?:\n|$)", re.DOTALL),
)


def problem_tags(row: Row) -> dict[str, str]:
    """The fields about a problem that sample files often carry along; "Level 3" becomes "3", as benchmarks have it."""
    tags = row.tags("level", "subject", "type", "subfield", "source", "split", "difficulty")
    if "level" in tags:
        tags["level"] = tags["level"].removeprefix("Level ")
    return tags


def text_of(row: Row, value: Any) -> str:
    """A response, which may be empty (that is an incorrect answer, not a broken row); null is an empty one.

    Of a list of messages it is the last that the model wrote.
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return last_reply(value)
    if not isinstance(value, str):
        raise row.error(f"the response is not a text but {brief(value)}")
    return value


def finish_reason(row: Row, value: Any, remarks: Remarks) -> FinishReason:
    """Why a response ended. A word that is not known may mean that it was cut: it is unknown, and counted."""
    if value is None:
        return FinishReason.UNKNOWN
    if isinstance(value, bool):  # is_truncated
        return FinishReason.LENGTH if value else FinishReason.STOP
    if not isinstance(value, str):
        raise row.error(f"'finish_reason': expected a word, found {brief(value)}")
    known = _FINISH_REASONS.get(value.lower())
    if known is None:
        remarks.unknown_end(value)
    return known or FinishReason.UNKNOWN


def tool_verdict(name: str, value: Any, remarks: Remarks) -> Outcome | None:
    """A tool's score as a verdict: numbers from the threshold up are correct, NaN is unscored, null is none at all."""
    if value is None:
        return None
    if isinstance(value, str):
        word = _WORDS.get(value.strip().lower())
        if word is None:
            try:
                word = float(value)
            except ValueError:
                remarks.unread_score(name, value)
                return None
        value = word
    if not isinstance(value, bool | int | float):
        remarks.unread_score(name, str(value))
        return None
    if isinstance(value, float) and math.isnan(value):
        return Outcome.UNSCORED
    if value not in (0, 1):
        remarks.number(name, float(value))
    return Outcome.CORRECT if value >= remarks.threshold else Outcome.INCORRECT


def tool_verdicts(values: Mapping[str, Any], remarks: Remarks) -> dict[str, Outcome]:
    """Those of several scores that are verdicts."""
    found = {name: tool_verdict(name, value, remarks) for name, value in values.items()}
    return {name: verdict for name, verdict in found.items() if verdict is not None}


def beside(row: Row, field: str, n: int) -> Sequence[Any]:
    """A list that runs parallel to n responses; all None where the row has none."""
    values = row.find(field)
    if values is None:
        return [None] * n
    if not isinstance(values, list) or len(values) != n:
        found = f"{len(values)} entries" if isinstance(values, list) else "no list"
        raise row.error(f"{field!r}: {found} for {n} responses")
    return values


def golds(row: Row, value: Any) -> tuple[str, ...]:
    """Reference answers as logs have them: a text, a number, a list of alternatives, an object that holds one.

    Of a whole solution it is what stands behind #### (GSM8K) or in the last box (MATH).
    """
    if isinstance(value, dict):
        value = next((value[name] for name in ("ground_truth", "answer", "target", "value") if name in value), None)
    if value is None:
        return ()
    alternatives = value if isinstance(value, list | tuple) else [value]
    found = (_gold(row.answer_of(item)) for item in alternatives if item is not None and item != "")
    return tuple(dict.fromkeys(found))


def _gold(text: str) -> str:
    if "####" in text:
        return text.rpartition("####")[2].strip() or text
    start = text.rfind("\\boxed{")
    if start < 0:
        return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] == "$" and "$" not in text[1:-1] else text
    depth, begin = 0, start + len("\\boxed{")
    for place in range(begin - 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return text[begin:place].strip() or text
    return text


# -- conversations -----------------------------------------------------------------------------------------------------


def content_text(content: Any) -> str:
    """The text of a message's content, which may be a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") or "" if isinstance(part, dict) else part for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def messages_of(value: Any) -> list[Mapping[str, Any]]:
    """The messages in a list of them, roles in small letters; OpenCompass calls a text "prompt" and a user HUMAN."""
    roles = {"human": "user", "bot": "assistant", "gpt": "assistant"}
    found = []
    for each in value if isinstance(value, list) else ():
        if not isinstance(each, dict):
            continue
        role = str(each.get("role") or each.get("from") or "user").lower()
        text = each.get("content", each.get("prompt", each.get("value")))
        found.append(each | {"role": roles.get(role, role), "content": content_text(text)})
    return found


def last_of(messages: Sequence[Mapping[str, Any]], role: str) -> str | None:
    """The text of the last message with this role, None where there is none."""
    return next((each["content"] for each in reversed(messages) if each["role"] == role), None)


def last_reply(messages: Any) -> str:
    """What the model wrote last; empty where it wrote nothing."""
    return last_of(messages_of(messages), "assistant") or ""


def segments_of(messages: Any) -> tuple[Segment, ...] | None:
    """A conversation of several turns as segments; None for a single turn."""
    turns = messages_of(messages)
    if len(turns) < 2:
        return None
    return tuple(Segment(each["role"], each["content"], own=each["role"] == "assistant") for each in turns)


def prompt_text(prompt: Any) -> str | None:
    """A prompt as one text: as it stands, or its messages each behind its role."""
    if isinstance(prompt, str):
        return prompt
    messages = messages_of(prompt)
    return "\n".join(f"{each['role']}: {each['content']}" for each in messages) if messages else None


def question_in(prompt: Any) -> str | None:
    """What was asked: the last message of the user, also where a chat template wrote it out; else the whole prompt."""
    if isinstance(prompt, str):
        for marks in _CHAT_MARKS:
            if found := marks.findall(prompt):
                return found[-1].strip() or None
        return prompt.strip() or None
    messages = messages_of(prompt)
    return last_of(messages, "user") or (messages[-1]["content"] if messages else None) or None


def setting_texts(**values: Any) -> dict[str, str]:
    """Settings that are known, as texts: 0.60 and 0.6 are one temperature."""
    known = {name: value for name, value in values.items() if value is not None}
    return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in known.items()}
