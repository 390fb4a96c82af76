"""The exact truth about the models of a run, in worlds whose right answers can be listed: computed, kept, read back.

    <run>/exact/<model>.json      the chance on every problem, and what it is the chance of (weights, distribution)
          exact/<model>.parquet   the chance of every right chain

What is kept counts as long as weights, sampling distribution, prompts and problems are those that it was computed for;
otherwise it is not read, and computed anew when it is asked for. `lab/exact.py` says what is summed. Torch is loaded by
the engine, when something has to be computed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from move37.analyses.exact_truth import KnownModel
from move37.config import IMPORTED, ModelConfig, SamplingConfig
from move37.engines import DistributionReader, Engine, opened
from move37.errors import InputError, StoreError
from move37.files import read_json, write_json
from move37.lab import model_folder
from move37.lab.exact import PuzzleTruth, puzzle_truths
from move37.lab.spelling import Alphabet
from move37.progress import Progress, Silent
from move37.prompting import find_template, render_prompt
from move37.schema import RIGHT_CHAINS, read_table, write_table
from move37.store import RunStore
from move37.types import Message, Problem, Prompt
from move37.worlds import Task
from move37.worlds.known import task_of

FOLDER = "exact"
AT_ONCE = 50_000
"""Right chains of all problems up to which a study computes the truth on its own: a few seconds a model."""
_LARGEST = 20_000_000
"""Parameters of a model that a study loads once more for it."""
_TEMPLATE, _OF_PICTURES = "completion", "chat-plain"
"""The question alone, and behind its picture by the chat template of a model of the lab, which adds nothing."""


def known_checkpoint(
    path: str, problems: Sequence[Problem], sampling: SamplingConfig, progress: Progress | None = None
) -> KnownModel:
    """What is true of one model: a folder, or the name of a shipped checkpoint. Raises InputError, EngineError."""
    template = find_template(_TEMPLATE, {})
    prompts = {problem.id: render_prompt(problem, template) for problem in problems}
    with opened(ModelConfig(path=model_folder(path))) as engine:
        return _computed(path, engine, problems, prompts, sampling, progress)


def truth_can_be_known(store: RunStore) -> bool:
    """Whether a run's right answers can be listed, and are asked for in words that the lab's models read."""
    study, problems = store.study(), store.problems()
    template = study.sampling.template
    alone = all(study.sampling_of(name).environment == "single_turn" for name in study.models)
    plain = alone and template in (_TEMPLATE, _OF_PICTURES)
    return bool(problems) and plain and template not in study.templates and all(map(task_of, problems))


def is_quickly_known(store: RunStore) -> bool:
    """Whether that takes no more than a few seconds: few right chains, and models of the lab's size."""
    if not truth_can_be_known(store) or any(problem.images for problem in store.problems()):
        return False
    sizes = [store.model_record(name).identity.get("parameters", "") for name in store.models()]
    small = all(int(size) <= _LARGEST for size in sizes if size.isdecimal())
    return small and sum(_task(problem).count() for problem in store.problems()) <= AT_ONCE


def known_models(
    store: RunStore, progress: Progress | None = None, every: bool = True, among: Sequence[str] | None = None
) -> list[KnownModel]:
    """The truth about every model that is sampled in a run, base first; what is not kept yet is computed. `among`
    leaves models out that nobody looks at.

    For the run's writer. Raises InputError where right answers cannot be listed, or a model is of another world: unless
    not `every` one is asked for. ConfigError where a model's weights are not those that were sampled.
    """
    if not truth_can_be_known(store):
        raise InputError(
            f"{store.folder}: right answers can be listed for countdown puzzles and the other worlds of the lab, under "
            f"the template {_TEMPLATE!r} alone, and this run asks something else, or asks otherwise"
        )
    study, found = store.study(), list[KnownModel]()
    names = [name for name in store.models() if study.models[name].engine != IMPORTED]
    names = [name for name in names if among is None or name in among]
    for name in sorted(names, key=lambda name: name != study.base_model()):
        kept = kept_truth(store, name)
        if kept is None:
            with opened(study.models[name]) as engine:
                store.refuse_other_weights(name, engine.identity())
                if not every and not _is_of_this_world(engine):
                    store.log("no exact truth", model=name)
                    continue
                prompts = _prompts(store, name)
                kept = _computed(name, engine, store.problems(), prompts, study.sampling_of(name), progress)
            keep_truth(_place(store, name), kept, _about(store, name))
        found.append(kept)
    if every and not found:
        raise InputError(f"{store.folder}: no model was sampled here yet; run `move37 sample {store.folder}`")
    return found


def kept_truths(store: RunStore) -> list[KnownModel]:
    """What is kept and still holds, base first; empty where the base's is not."""
    study = store.study()
    names = sorted(store.models(), key=lambda name: name != study.base_model())
    found = [kept for name in names if (kept := kept_truth(store, name)) is not None]
    return found if found and found[0].model == study.base_model() else []


def kept_truth(store: RunStore, name: str) -> KnownModel | None:
    """What is kept of one model; None where there is nothing, or what is there is about something else."""
    return read_truth(_place(store, name), name, _about(store, name))


def read_truth(path: Path, model: str, about: Mapping[str, Any]) -> KnownModel | None:
    """The truth kept in a JSON file and the table beside it, if it is `about` just that. Raises StoreError."""
    written = read_json(path)
    if written is None:
        return None
    try:
        if written["about"] != about:
            return None
        ids = tuple(written["problem_ids"])
        chains: dict[str, tuple[list[str], list[float]]] = {problem: ([], []) for problem in ids}
        for row in read_table(path.with_suffix(".parquet"), RIGHT_CHAINS):
            texts, logprobs = chains[row["problem_id"]]
            texts.append(row["chain"])
            logprobs.append(row["logprob"])
        numbers = {key: _numbers(written[key]) for key in ("logprobs", "unlisted", "standard_errors")}
        return KnownModel(
            model=model,
            problem_ids=ids,
            chains=tuple(tuple(texts) for texts, _ in chains.values()),
            chain_logprobs=tuple(np.array(logprobs, dtype=np.float64) for _, logprobs in chains.values()),
            **numbers,
            **{key: written[key] for key in ("temperature", "top_p", "max_new_tokens")},
        )
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{path}: no exact truth in it; move it away and run again") from None


def keep_truth(path: Path, known: KnownModel, about: Mapping[str, Any]) -> None:
    """Write it down for `read_truth`. The chains first: what the other file says is then true."""
    rows = [
        {"problem_id": problem, "chain": chain, "logprob": float(logprob)}
        for problem, chains, logprobs in zip(known.problem_ids, known.chains, known.chain_logprobs, strict=True)
        for chain, logprob in zip(chains, logprobs, strict=True)
    ]
    write_table(path.with_suffix(".parquet"), rows, RIGHT_CHAINS)
    numbers = {key: _written(getattr(known, key)) for key in ("logprobs", "unlisted", "standard_errors")}
    same = {key: getattr(known, key) for key in ("problem_ids", "temperature", "top_p", "max_new_tokens")}
    write_json(path, {"about": dict(about)} | same | numbers)


def _is_of_this_world(engine: Engine) -> bool:
    return isinstance(engine, DistributionReader) and Alphabet.find(engine) is not None


def _computed(
    label: str,
    engine: Engine,
    problems: Sequence[Problem],
    prompts: Mapping[str, Prompt],
    sampling: SamplingConfig,
    progress: Progress | None,
) -> KnownModel:
    asked = [(_task(problem), prompts[problem.id]) for problem in problems]
    if not isinstance(engine, DistributionReader):
        raise InputError(f"{label}: its engine does not say how probable every next token is; use transformers")
    with (progress or Silent()).track(f"Exact truth of {label}", len(asked), "problems") as advance:
        truths = list(_watched(puzzle_truths(engine, asked, sampling, label), advance))
    return KnownModel(
        model=label,
        problem_ids=tuple(problem.id for problem in problems),
        logprobs=np.array([truth.logprob for truth in truths]),
        unlisted=np.array([truth.unlisted for truth in truths]),
        standard_errors=np.array([truth.standard_error for truth in truths]),
        chains=tuple(truth.chains for truth in truths),
        chain_logprobs=tuple(truth.chain_logprobs for truth in truths),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_new_tokens=sampling.max_new_tokens,
    )


def _prompts(store: RunStore, name: str) -> dict[str, Prompt]:
    """What a model was asked, with the images as they are in the run folder."""
    images = {problem.id: problem.images for problem in store.problems()}
    return {
        prompt.problem_id: replace(prompt, messages=(Message("user", images[prompt.problem_id]),))
        for prompt in store.model_record(name).prompts
    }


def _watched(truths: Iterator[PuzzleTruth], advance: Any) -> Iterator[PuzzleTruth]:
    for truth in truths:
        yield truth
        advance(1)


def _place(store: RunStore, name: str) -> Path:
    return store.folder / FOLDER / f"{name}.json"


def _about(store: RunStore, name: str) -> dict[str, Any]:
    """What the truth about a model depends on."""
    study, record = store.study(), store.model_record(name)
    own = study.sampling_of(name)
    asked = [(prompt.problem_id, prompt.text) for prompt in record.prompts]
    return {
        "weights": record.identity.get("weights"),
        "dtype": record.identity.get("dtype"),
        "temperature": own.temperature,
        "top_p": own.top_p,
        "max_new_tokens": own.max_new_tokens,
        "prompts": digest_of(asked),
        "problems": digest_of(sorted(store.digests().items())),
    }


def digest_of(asked: Sequence[tuple[str, Any]]) -> str:
    """Of pairs, in their order."""
    return blake2b(repr(asked).encode(), digest_size=8).hexdigest()


def _written(numbers: np.ndarray) -> list[float | str]:
    """JSON has neither infinities nor what is not a number."""
    return [value if math.isfinite(value) else str(value) for value in numbers.tolist()]


def _numbers(written: Sequence[float | str]) -> np.ndarray:
    return np.array([float(value) for value in written], dtype=np.float64)


def _task(problem: Problem) -> Task:
    task = task_of(problem)
    if task is None:
        raise InputError(f"{problem.id}: no problem of a world of the lab (what it is made of is not in its metadata)")
    return task


def is_run(path: Path) -> bool:
    """Whether a folder is a run and not a model, which has a config.json of its own."""
    written = read_json(path / "config.json") if (path / "config.json").is_file() else None
    return isinstance(written, dict) and {"problems", "sampling", "models"} <= written.keys()
