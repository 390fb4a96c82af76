"""What the parent and its workers tell each other: records with named fields, in both directions.

    parent -> worker   {"load": a pickled verifier}
                       {"cpu_seconds": 10.0, "problems": [{"id": ..., ...}, ...],
                        "answers": [{"number": 3, "problem": 0, "answer": "42"}, ...]}
    worker -> parent   {"ready": name} or {"failed": why}; {"tainted": true}; {"confirmed": true};
                       {"number": 3, "outcome": "correct", "reason": "matches", "flags": [...], "steps": [...]}

`problem` is the place among the message's own problems. An unknown field is ignored and an optional one that is missing
has its default, so a message may gain fields. What the parent sends is pickled, which the worker is started to trust
(JSON took 1.6 times as long for small problems, 3.3 times with 100 kB of tests); what comes back is lines of JSON of
bounded size, never a pickle, for the code that verifies may have written it. Lines, since many are read at once.

A verdict is checked and bounded before it leaves the worker. A reason keeps its first characters. Flags are the names
of `types.Flag`; another name, or steps that are none, leave the answer unscored with one line that says so: whoever
wrote the verifier has to know. Steps that take more than MOST_STEP_BYTES are dropped, and the verdict, which is sound,
stays and is flagged `steps_dropped`.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from move37.types import Flag, Outcome, Problem, StepVerdict, Verdict

NO_VERDICT = Verdict(Outcome.UNSCORED, "verifier returned no verdict")
LONGEST_REASON = 1000
"""Characters of a verdict's reason that are kept."""
MOST_STEP_BYTES = 200_000
"""Of a verdict's steps as JSON: some 4,000 steps."""
LONGEST_NEWS = 1 << 18
"""Bytes of one line from a worker; what is longer was written by the verifier's code."""
_OUTCOMES = frozenset(Outcome)
_FLAGS = frozenset(Flag)
_PROBLEM = tuple(each.name for each in fields(Problem))


# -- parent -> worker --------------------------------------------------------------------------------------------------


def asking(answers: Iterable[tuple[int, Problem, str]], cpu_seconds: float) -> dict[str, Any]:
    """The message that asks for verdicts on (number, problem, answer), each problem once."""
    places: dict[int, int] = {}
    problems: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []
    for number, problem, answer in answers:
        if id(problem) not in places:
            places[id(problem)] = len(problems)
            named = {name: getattr(problem, name) for name in _PROBLEM}
            named["tags"], named["metadata"] = dict(problem.tags), dict(problem.metadata)  # read-only ones do not cross
            problems.append(named)
        asked.append({"number": number, "problem": places[id(problem)], "answer": answer})
    return {"cpu_seconds": cpu_seconds, "problems": problems, "answers": asked}


def answers_in(message: Mapping[str, Any]) -> list[tuple[int, Problem, str]]:
    """(number, problem, answer) of each answer that a message of `asking` holds."""
    problems = [Problem(**{name: named[name] for name in _PROBLEM if name in named}) for named in message["problems"]]
    return [(each["number"], problems[each["problem"]], each["answer"]) for each in message["answers"]]


# -- worker -> parent --------------------------------------------------------------------------------------------------


def say(channel: int, record: Mapping[str, Any]) -> None:
    """Write a record to a descriptor. Raises OSError where nobody listens any more."""
    line = json.dumps(record).encode() + b"\n"
    while line:
        line = line[os.write(channel, line) :]


class Listener:
    """Reads what `say` writes to the other end of a descriptor."""

    def __init__(self, channel: int) -> None:
        self._channel, self._begun = channel, b""

    def records(self) -> Iterator[dict[str, Any]]:
        """What was said by now, or is said next. Raises EOFError or OSError where nobody will say more, ValueError
        where it comes to what no worker says."""
        said = os.read(self._channel, LONGEST_NEWS)
        if not said:
            raise EOFError
        *lines, self._begun = (self._begun + said).split(b"\n")
        for line in lines:
            record = json.loads(line.decode())
            if not isinstance(record, dict):
                raise ValueError("no record")
            yield record
        if len(self._begun) > LONGEST_NEWS:
            raise ValueError("too long")


def reporting(number: int, verdict: Verdict) -> dict[str, Any]:
    """The record that carries a verdict of `as_it_crosses`."""
    return {"number": number, **verdict_fields(verdict)}


def verdict_fields(verdict: Verdict) -> dict[str, Any]:
    """A verdict without its answer, as values for JSON; no field for what is not there."""
    named: dict[str, Any] = {"outcome": verdict.outcome.value, "reason": verdict.reason}
    if verdict.flags:
        named["flags"] = sorted(verdict.flags)
    if verdict.steps is not None:
        named["steps"] = [_step_fields(step) for step in verdict.steps]
    if verdict.score is not None:
        named["score"] = verdict.score
    return named


def verdict_in(named: Mapping[str, Any]) -> Verdict:
    """The verdict in a message or a cache. Raises what reading it raises where it is none."""
    steps = named.get("steps")
    return Verdict(
        Outcome(named["outcome"]),
        str(named["reason"]),
        flags=frozenset(map(Flag, named["flags"])) if "flags" in named else frozenset(),
        steps=None if steps is None else tuple(map(_step_in, steps)),
        score=_score(named.get("score")),
    )


def crashed(cause: str) -> Verdict:
    """Of an answer on which the verifier raised, or its process died."""
    return Verdict(Outcome.UNSCORED, f"verifier crashed: {cause}", flags=frozenset({Flag.CRASHED}))


def as_it_crosses(said: object) -> Verdict:
    """What a verifier returned, checked and bounded; unscored where that is no verdict, or not allowed in one."""
    if not isinstance(said, Verdict) or said.outcome not in _OUTCOMES:
        return NO_VERDICT
    try:
        flags, steps, score = _flags(said.flags), _steps(said.steps), _score(said.score)
    except (TypeError, ValueError, OverflowError) as error:
        return Verdict(Outcome.UNSCORED, _plain(f"verifier's verdict is refused: {error}"))
    if steps is not None and len(json.dumps([_step_fields(step) for step in steps])) > MOST_STEP_BYTES:
        flags, steps = flags | {Flag.STEPS_DROPPED}, None
    return Verdict(Outcome(said.outcome), _plain(said.reason), flags=flags, steps=steps, score=score)


def _score(given: Any) -> float | None:
    """Raises ValueError or TypeError for what is no number in [0, 1]."""
    if given is None:
        return None
    score = float(given)
    if not 0 <= score <= 1:
        raise ValueError(f"its score is {score:g}, not in [0, 1]")
    return score


def _flags(given: Any) -> frozenset[Flag]:
    """Flags, also given as texts, or as one text. Raises ValueError for a name that is none, TypeError."""
    if not given:
        return frozenset()
    flags = []
    for each in [given] if isinstance(given, str) else given:
        if each not in _FLAGS:
            raise ValueError(f"unknown flag {each!r} (known: {', '.join(Flag)})")
        flags.append(Flag(each))
    return frozenset(flags)


def _steps(given: Any) -> tuple[StepVerdict, ...] | None:
    """Steps with plain values inside, where they were NumPy's, say. Raises TypeError or ValueError for what is none."""
    if given is None:
        return None
    steps: Sequence[Any] = list(given)
    for step in steps:
        if not isinstance(step, StepVerdict):
            raise TypeError(f"its steps hold {type(step).__name__}, not StepVerdict")
    return tuple(_step_in(_step_fields(step)) for step in steps)


def _step_fields(step: StepVerdict) -> dict[str, Any]:
    named: dict[str, Any] = {}
    if step.outcome is not None:
        named["outcome"] = Outcome(step.outcome).value
    if step.score is not None:
        named["score"] = float(step.score)
    if step.span is not None:
        start, end = step.span
        named["span"] = [int(start), int(end)]
    return named


def _step_in(named: Mapping[str, Any]) -> StepVerdict:
    outcome, span = named.get("outcome"), named.get("span")
    return StepVerdict(
        None if outcome is None else Outcome(outcome),
        named.get("score"),
        None if span is None else (int(span[0]), int(span[1])),
    )


def _plain(reason: object) -> str:
    """A reason as text that can be kept: of bounded length, without halves of surrogate pairs."""
    return str(reason)[:LONGEST_REASON].encode("utf-8", "replace").decode()
