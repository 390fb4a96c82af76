"""Runs to look at, made row by row: what models wrote is given, and so is every verdict. No model and no verifier."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from move37.config import parse_study
from move37.store import RunStore
from move37.types import FinishReason, Flag, Outcome, Problem, Sample, Verdict

OUTCOMES = {True: Outcome.CORRECT, False: Outcome.INCORRECT, None: Outcome.UNSCORED}
Response = tuple[str, object, str | None]
"""Text, whether it is correct (None: unscored; ...: no verdict yet), the answer that was judged."""


def empty_run(
    folder: Path, n: int, models: Sequence[str] = ("base", "rl"), engine: str = "scripted", path: str = "made"
) -> RunStore:
    store = RunStore(folder)
    sampling = {"n": n, "stop": {"successes": 0}, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 99}
    study = {
        "name": folder.name,
        "seed": 3,
        "problems": {"benchmark": "jsonl", "path": "made.jsonl"},
        "sampling": sampling | {"template": "completion"},
        "models": {name: {"path": path, "engine": engine} for name in models},
        "analysis": {"draws": 1000, "beyond": False},
    }
    with store.writing():
        store.adopt(parse_study(study))
        store.set_current_labels({"math": "math@1"})
    return store


def made_run(
    folder: Path,
    problems: Sequence[Problem],
    written: Mapping[str, Sequence[Sequence[Response]]],
    logprob: float | None = -1.5,
) -> RunStore:
    """By model, the responses to each problem in order."""
    n = max(len(responses) for by_problem in written.values() for responses in by_problem)
    store = empty_run(folder, n, list(written))
    with store.writing():
        store.add_problems(problems)
        for model, by_problem in written.items():
            with store.appending_samples(model) as samples:
                made = [
                    (_sample(problem, index, text, logprob), said, answer)
                    for problem, responses in zip(problems, by_problem, strict=True)
                    for index, (text, said, answer) in enumerate(responses)
                ]
                for sample, _, _ in made:
                    samples.add(sample)
            with store.appending_verdicts("math@1", model) as verdicts:
                for sample, said, answer in made:
                    if said is not ...:
                        verdicts.add(sample, _verdict(said, answer))
            store.seal("math@1", model)
    return store


def judge_again(store: RunStore, label: str, model: str, outcome: Outcome, count: int = 1) -> None:
    """Another grader's word on the first samples of a model."""
    with store.writing(), store.appending_verdicts(label, model) as verdicts:
        for sample in list(store.unverified(label, model, [problem.id for problem in store.problems()]))[:count]:
            verdicts.add(sample, Verdict(outcome, "as another grader says"))


def _sample(problem: Problem, index: int, text: str, logprob: float | None) -> Sample:
    finish = FinishReason.LENGTH if text.endswith("...") else FinishReason.STOP
    return Sample(problem.id, index, text, finish, len(text.split()), logprob, 7 * index)


def _verdict(said: object, answer: str | None) -> Verdict:
    reason = {True: "matches", False: "differs", None: "ran out of time"}[said]  # type: ignore[index]
    flags = frozenset({Flag.RERUN_ALONE}) if answer == "flaky" else frozenset()
    return Verdict(OUTCOMES[said], reason, answer, flags)  # type: ignore[index]
