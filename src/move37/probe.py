"""Has a model seen these problems? The beginning of each question is continued, and compared with the rest of it.

A model that was trained on a benchmark completes a question of which it is shown a part, word for word, and answers it
without having been asked the whole (arXiv 2507.10532). So the first 40, 60 and 80 % of a question's words are continued
greedily, as plain text under no template. *Completed*: the continuation begins with the rest of the question, case,
spaces and punctuation aside. *Answered*: what is found in the continuation as an answer is right, by the problem's own
verifier.

Kept in probe.json, by model, problem and share, and not among the samples: it enters no estimate. A problem gets the
tag "probe" from it: the smallest share from which any model completes or answers, else "not seen", which can be
stratified by (`analysis.strata = ["probe"]`). Left out: paraphrases; questions of fewer than `FEWEST_WORDS` words, the
rest of which tells too little.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from move37.config import SamplingConfig
from move37.engines import Engine, opened
from move37.errors import InputError, StoreError
from move37.files import read_json, write_json
from move37.progress import Progress, Silent
from move37.rollouts import Where, requests_for, roll_out
from move37.store import RunStore
from move37.types import Outcome, Problem, Prompt, Request, Sample
from move37.verification import VerifierPool
from move37.verifiers.options import make_verifier

FILE = "probe.json"
SHARES = (40, 60, 80)
"""Percent of a question's words that are shown."""
FEWEST_WORDS = 10
TAG, UNSEEN = "probe", "not seen"


@dataclass(frozen=True, slots=True)
class Probed:
    """A pass of probing: how many problems were probed, and how many had words enough, by model."""

    run: Path
    models: tuple[str, ...]
    problems: int
    too_short: int

    def __str__(self) -> str:
        left = f" ({self.too_short:,} questions are too short)" if self.too_short else ""
        return f"Probed {', '.join(self.models)} on {self.problems:,} problems{left}. Next: move37 report {self.run}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model made of a part of one question; `answered` is None where the answer could not be judged."""

    problem_id: str
    share: int
    completed: bool
    answered: bool | None


def probe_run(store: RunStore, names: Sequence[str], progress: Progress | None = None) -> Probed:
    """Probe each of the models on the run's problems, and write down what was found.

    Raises InputError where no question is long enough.
    """
    problems = [problem for problem in store.problems() if len(problem.question.split()) >= FEWEST_WORDS]
    if not problems:
        raise InputError(f"{store.folder}: no question has {FEWEST_WORDS} words, so none can be shown in part")
    with store.writing():
        for name in names:
            found = [*_probe(store, name, problems, progress or Silent())]
            written = (read_json(store.folder / FILE) or {}) | {
                name: [[each.problem_id, each.share, each.completed, each.answered] for each in found]
            }
            write_json(store.folder / FILE, written)
            store.log("probed", model=name, problems=len(problems))
    return Probed(store.folder, tuple(names), len(problems), len(store.problems()) - len(problems))


def kept_probes(folder: Path) -> dict[str, list[Seen]]:
    """What was found, by model; empty where nothing was probed. Raises StoreError for a file that holds none."""
    written: Any = read_json(folder / FILE) or {}
    try:
        return {name: [Seen(*row) for row in rows] for name, rows in written.items()}
    except (AttributeError, TypeError):
        raise StoreError(f"{folder / FILE}: no probe in it; move it away and run `move37 probe` again") from None


def tagged(problems: Sequence[Problem], probes: Mapping[str, Sequence[Seen]]) -> tuple[Problem, ...]:
    """The problems, each with the tag of the probe, where there was one."""
    if not probes:
        return tuple(problems)
    first: dict[str, int] = {}
    for each in (seen for found in probes.values() for seen in found):
        if each.completed or each.answered:
            first[each.problem_id] = min(first.get(each.problem_id, 100), each.share)
    said = {problem: f"seen from {share} %" for problem, share in first.items()}
    return tuple(replace(each, tags={**each.tags, TAG: said.get(each.id, UNSEEN)}) for each in problems)


def _probe(store: RunStore, name: str, problems: Sequence[Problem], progress: Progress) -> Iterator[Seen]:
    study = store.study()
    settings = study.sampling_of(name).model_copy(update={"temperature": 0.0, "top_p": 1.0})
    with opened(study.models[name]) as engine:
        samples = list(_continued(engine, settings, problems, name, study.seed, progress))
    by_id = {problem.id: problem for problem in problems}
    right: dict[tuple[str, int], Outcome] = {}
    with VerifierPool(study.verification) as pool:
        for verifier in {problem.verifier for problem in problems}:
            own = [(by_id[s.problem_id], s.text, s) for s in samples if by_id[s.problem_id].verifier == verifier]
            for sample, verdict in pool.verify(make_verifier(verifier, study.verification), own):
                right[sample.problem_id, sample.index] = verdict.outcome
    for sample in sorted(samples, key=lambda each: (each.problem_id, each.index)):
        outcome, share = right[sample.problem_id, sample.index], SHARES[sample.index]
        answered = None if outcome is Outcome.UNSCORED else outcome is Outcome.CORRECT
        rest = parts_of(by_id[sample.problem_id].question, share)[1]
        yield Seen(sample.problem_id, share, completes(sample.text, rest), answered)


def _continued(
    engine: Engine, settings: SamplingConfig, problems: Sequence[Problem], name: str, seed: int, progress: Progress
) -> Iterator[Sample]:
    requests: list[Request] = []
    for problem in problems:
        for index, share in enumerate(SHARES):
            shown = parts_of(problem.question, share)[0]
            requests += requests_for(Prompt(problem.id, shown, (), f"first {share} %"), [index], seed, f"probe {name}")
    where = Where(progress=progress, label=f"Probing {name}")
    return roll_out(lambda asked: engine.generate(asked, settings), requests, name, where)


def parts_of(question: str, share: int) -> tuple[str, str]:
    """The first `share` percent of the words of a question as they stand in it, and the rest."""
    words = list(re.finditer(r"\S+", question))
    end = words[max(1, len(words) * share // 100) - 1].end()
    return question[:end], question[end:]


def completes(continuation: str, rest: str) -> bool:
    """Whether a continuation begins with the rest of a question: letters and digits alike, in their order."""
    wanted = _plain(rest)
    return bool(wanted) and _plain(continuation).startswith(wanted)


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
