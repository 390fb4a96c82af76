"""verifiers (Prime Intellect): results.jsonl with metadata.json beside (up to 0.3), traces.jsonl (from 0.4).

A row of results is a rollout: example_id (or id), prompt, completion, answer, reward. One without any completion is a
call that failed: its reward of 0 says nothing about the model. Rows are joined by their prompt, because some versions
number the rows and not the examples; the rows of one prompt are counted as they come.
A line of traces is a trace, or an episode with several; its messages are nodes, of which the model wrote those that
were sampled; `rewards` are named and weighted.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from move37.importers.base import About, LogImporter
from move37.importers.fields import (
    content_text,
    finish_reason,
    golds,
    last_of,
    messages_of,
    prompt_text,
    question_in,
    segments_of,
    setting_texts,
    text_of,
    tool_verdicts,
)
from move37.importers.heads import Head, read_json_beside
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.rows import Row, stream_rows
from move37.types import FinishReason

_CUT = ("max_turns", "max_input_tokens", "max_output_tokens", "max_total_tokens", "max_tokens", "length", "truncated")
_NO_SCORES = ("generation_ms", "scoring_ms", "total_ms", "num_turns", "turn", "timing")


class VerifiersImporter(LogImporter):
    format = "verifiers"

    def claims(self, head: Head) -> bool:
        if not head.is_jsonl:
            return False
        results = head.has("prompt", "completion", "reward") and head.has_any("id", "example_id")
        return results or head.has("traces") or head.has("nodes", "rewards")

    def about(self, file: Path) -> About:
        row = read_json_beside(file.parent / "metadata.json")
        known = row.values if row is not None else {}
        asked = known.get("sampling_args")
        asked = asked if isinstance(asked, Mapping) else {}
        settings = setting_texts(**{name: asked.get(name) for name in ("temperature", "top_p", "max_tokens")})
        if isinstance(known.get("avg_reward"), int | float):
            settings["reported avg_reward"] = f"{known['avg_reward']:.4f}"
        model, task = known.get("model"), known.get("env_id") or known.get("env")
        if row is None:
            model, task, settings = _from_traces(file)
        return About(str(model) if model else None, str(task) if task else None, str(file), settings)

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        for row in stream_rows(file):
            if "nodes" in row.values or "traces" in row.values:
                traces = row.find("traces") if "traces" in row.values else [row.values]
                yield from _episode(row, traces, remarks)
            else:
                yield LogRow(_asked(row), (_rollout(row, remarks),), row)


def _asked(row: Row) -> Asked:
    prompt = row.require("prompt")
    text, references = prompt_text(prompt), golds(row, row.find("answer"))
    question = question_in(prompt)
    if not text or not question:
        raise row.error("'prompt': expected a text or a list of messages")
    return Asked("\0".join((text, *references)), question, references, text)


def _rollout(row: Row, remarks: Remarks) -> Response:
    if "completion" not in row.values:
        row.require("completion")
    completion, error = row.values["completion"], row.find("error")
    if error or completion == [] or (completion is None):
        return Response("", error=_said(error) if error else "the completion holds no message")
    turns = messages_of(completion) if isinstance(completion, list) else []
    cut = row.find("is_truncated")
    numbers = {
        name: value
        for name, value in row.values.items()
        if (isinstance(value, bool | int | float) or (isinstance(value, str) and name == "reward"))
        and (name == "reward" or name.endswith(("reward", "_func", "correct", "score")))
        and name not in _NO_SCORES
    }
    return Response(
        text=text_of(row, completion),
        finish_reason=FinishReason.UNKNOWN if cut is None else finish_reason(row, cut, remarks),
        scores=tool_verdicts(numbers, remarks),
        segments=segments_of(turns),
    )


def _said(error: Any) -> str:
    text = error.get("message") or error.get("error") or error.get("type") if isinstance(error, Mapping) else error
    return " ".join(str(text).split())[:200]


# -- traces ------------------------------------------------------------------------------------------------------------


def _from_traces(file: Path) -> tuple[Any, Any, dict[str, str]]:
    """Model, task and settings as the first trace says."""
    first = next(stream_rows(file)).values
    traces = _objects(first.get("traces")) or [first]
    trace = traces[0]
    config = _object(_object(trace, "agent"), "config")
    sampling = _object(config, "sampling")
    calls = _objects(trace.get("calls"))
    model = config.get("model") or next((call["model"] for call in calls if call.get("model")), None)
    names = ("temperature", "top_p", "max_tokens")
    task = _object(first, "env").get("id") or _object(trace, "task").get("type")
    return model, task, setting_texts(**{name: sampling.get(name) for name in names})


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _episode(row: Row, traces: Any, remarks: Remarks) -> Iterator[LogRow]:
    if not isinstance(traces, list):
        raise row.error("'traces': expected a list")
    if not traces:  # nothing was even begun
        asked = _asked_of_trace(row, row.values, ())
        yield LogRow(asked, (Response("", error=_errors(row.values) or "the episode holds no trace"),), row)
    for trace in traces:
        if not isinstance(trace, dict) or not isinstance(trace.get("nodes", []), list):
            raise row.error("'traces': expected traces with nodes")
        if _object(trace, "agent").get("trainable") is False and len(traces) > 1:
            continue  # a judge, or an opponent
        nodes = _objects(trace.get("nodes"))
        data = {"task": trace.get("task") or row.find("task")} | trace
        yield LogRow(_asked_of_trace(row, data, nodes), (_trace(row, trace, nodes, remarks),), row)


def _message(node: Mapping[str, Any]) -> dict[str, Any]:
    message = node.get("message", node)
    return message if isinstance(message, dict) else {}


def _is_own(node: Mapping[str, Any]) -> bool:
    return bool(node.get("sampled", _message(node).get("role") == "assistant"))


def _asked_of_trace(row: Row, trace: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> Asked:
    task = _object(trace, "task")
    data = _object(task, "data") or task
    asked = []
    for node in nodes:
        if _is_own(node):
            break
        asked.append(_message(node))
    messages = messages_of(asked)
    given = data.get("question") or data.get("problem") or data.get("prompt")
    question = question_in(given) if given else last_of(messages, "user")
    key = task.get("key") or task.get("hash") or data.get("example_id", data.get("idx", data.get("id")))
    if key is None and not question:
        raise row.error("no task in the trace: neither a key nor a question")
    return Asked(
        key=str(key if key is not None else question),
        question=question,
        references=golds(row, data.get("answer", data.get("ground_truth", data.get("target")))),
        prompt=prompt_text(asked) or prompt_text(given),
    )


def _trace(row: Row, trace: dict[str, Any], nodes: Sequence[dict[str, Any]], remarks: Remarks) -> Response:
    own = [place for place, node in enumerate(nodes) if _is_own(node)]
    failed = trace.get("ok") is False or (trace.get("stop_condition") == "error")
    if not own or (failed and _errors(trace)):
        return Response("", error=_errors(trace) or "the trace holds no message of the model")
    calls = _objects(trace.get("calls"))
    used = [_object(call, "usage").get("completion_tokens") for call in calls]
    numbers = [tokens for tokens in used if isinstance(tokens, int)]
    reason: Any = next((call.get("finish_reason") for call in reversed(calls) if call.get("finish_reason")), None)
    if trace.get("stop_condition") in _CUT:
        reason = "length"
    text = trace.get("root_reply") or content_text(_message(nodes[own[-1]]).get("content"))
    return Response(
        text=text,
        finish_reason=finish_reason(row, reason, remarks),
        tokens=sum(numbers) if numbers else None,
        scores=tool_verdicts(_rewards(trace), remarks),
        segments=segments_of([_message(node) for node in nodes[own[0] :]]),
    )


def _rewards(trace: Mapping[str, Any]) -> dict[str, Any]:
    """Each reward, and their weighted sum where there are several."""
    found: dict[str, Any] = {}
    total = 0.0
    for name, reward in _object(trace, "rewards").items():
        weight = reward.get("weight", 1.0) if isinstance(reward, Mapping) else 1.0
        score = reward.get("score") if isinstance(reward, Mapping) else reward
        if isinstance(score, str):
            found[name] = score
        elif isinstance(score, int | float):
            found[name] = score
            total += score * (weight if isinstance(weight, int | float) else 1.0)
    summed = len(found) > 1 and not any(isinstance(score, str) for score in found.values())
    return {"reward": total} | found if summed else found


def _errors(trace: Mapping[str, Any]) -> str | None:
    errors = trace.get("errors") or ([trace["error"]] if trace.get("error") else [])
    return _said(errors[-1]) if isinstance(errors, list) and errors else None
