"""May a training go on in this folder? What was begun there against what is asked for now.

    <run>/recipe.json       the resolved recipe
          code.json         digests of the files of the user's own that the recipe names
          contents.json     digests of what is learnt from, and the versions of the verifiers

A recipe may change in what moves no weight: how long to go on, what is kept, recorded and evaluated, and on what and
how fast it is computed. All else is refused by its key. Data, graders, models and code are compared by what they are,
not by where they stand (`moved.py`): a file may be moved, and one that was edited under the same name is refused.
Folders that were begun before contents were written down take those of now.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from move37.engines import ENGINES
from move37.environments import ENVIRONMENTS
from move37.errors import ConfigError, StoreError
from move37.files import read_json, write_atomically
from move37.schema import problem_digest
from move37.training.algorithms import ALGORITHMS
from move37.training.curricula import CURRICULA
from move37.training.explorers import EXPLORERS
from move37.training.moved import CODE, CONTENTS, read_digests, relocated
from move37.training.policy_losses import POLICY_LOSSES
from move37.training.recipe import TrainConfig, parse_recipe, resolved_json
from move37.types import Problem

_FREE = {"checkpoints", "records", "evaluation", "problems", "templates"}
"""Tables that move no weight, or that are compared in another way."""
_FREE_KEYS: Mapping[str, frozenset[str]] = {
    "model": frozenset({"device", "threads", "gradient_checkpointing", "trust_remote_code"}),
    "rollout": frozenset({"rows", "samplers", "max_prompt_tokens"}),
    "optimizer": frozenset({"micro_batch_tokens", "skip_zero_advantage", "max_logprob_gap"}),
    "verification": frozenset({"workers", "cache"}),
    "imitation": frozenset({"run", "file"}),
}
"""Keys of other tables that change no result: where and how fast it is computed, and checks that only refuse."""


def changed_keys(old: TrainConfig, new: TrainConfig) -> list[str]:
    """Keys whose change would make a continued run another run.

    A schedule other than constant depends on the number of steps, so there `steps` may not change either.
    """
    free = _FREE | ({"steps"} if new.optimizer.schedule == "constant" else set())
    changed = []
    for table in TrainConfig.model_fields:
        was, now = getattr(old, table), getattr(new, table)
        if table in free or was == now:
            continue
        if table in _FREE_KEYS and was is not None and now is not None:
            keys = type(now).model_fields.keys() - _FREE_KEYS[table]
            changed += [f"{table}.{key}" for key in sorted(keys) if getattr(was, key) != getattr(now, key)]
        else:
            changed += _inner(table, was, now)
    name = new.rollout.template
    if old.templates.get(name) != new.templates.get(name):
        changed.append(f"templates.{name}")
    return changed


def _inner(table: str, was: Any, now: Any) -> list[str]:
    """The keys of a table that differ; the table itself where it is no table, or was not there."""
    if not hasattr(type(now), "model_fields") or was is None:
        return [table]
    return [f"{table}.{key}" for key in type(now).model_fields if getattr(was, key) != getattr(now, key)]


def digest_of_problems(problems: Iterable[Problem]) -> str:
    """Of all that sampling and verifying see of them, in their order; not of the name of their file, which is a tag,
    nor of the folder of their grader."""
    digest = blake2b(digest_size=16)
    for problem in problems:
        tags = {key: value for key, value in problem.tags.items() if key != "source"}
        problem = replace(problem, tags=tags, verifier=problem.verifier.rpartition("/")[2])
        digest.update(problem.id.encode() + problem_digest(problem).to_bytes(8, "big"))
    return digest.hexdigest()


def key_of_problems(problems: Sequence[Problem]) -> str:
    """Under what their digest is written down. Where graders stand in files it had their folders in it before."""
    return "problems and their graders" if any("/" in problem.verifier for problem in problems) else "problems"


def digest_of_texts(texts: Iterable[str]) -> str:
    digest = blake2b(digest_size=16)
    for text in texts:
        content = text.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def refuse_a_file(folder: Path) -> None:
    """Raises StoreError where there is a file in place of the folder."""
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder}: a file, not a folder; choose another place for the run")


def adopt(folder: Path, recipe: TrainConfig, contents: Mapping[str, str]) -> None:
    """Write down what the run is, or refuse what contradicts what is there. Raises ConfigError, StoreError.

    `contents` has digests of data and of the start model by the recipe's key, and versions of verifiers by "verifier
    NAME".
    """
    refuse_a_file(folder)
    path, advice = folder / "recipe.json", "restore it, or start in a new folder"
    code = code_of(recipe)
    if path.exists():
        written = read_json(path, advice)
        if not isinstance(written, dict):
            raise StoreError(f"{path}: holds no recipe; {advice}")
        known = relocated(written, recipe, folder, code)
        changes = changed_keys(known, parse_recipe(recipe.model_dump(mode="json")))
        if changes:
            raise ConfigError(
                f"{folder}: was begun with another {', '.join(changes)}; continue it with the old recipe, or "
                "start in a new folder"
            )
    _agree(folder / CODE, code, "content of the file that {} names", folder)
    _agree(folder / CONTENTS, contents, "content of {}", folder)
    write_atomically(path, resolved_json(recipe).encode())


def code_of(recipe: TrainConfig) -> dict[str, str]:
    """Digests of the user's own files that a recipe names beside data and graders, by its key."""
    named = {"algorithm.name": (ALGORITHMS, recipe.algorithm.name), "model.engine": (ENGINES, recipe.model.engine)}
    named["curriculum.name"] = CURRICULA, recipe.curriculum.name
    named["explorer.name"] = EXPLORERS, recipe.explorer.name
    named["loss.policy.name"] = POLICY_LOSSES, recipe.loss.policy.name
    named["rollout.environment"] = ENVIRONMENTS, recipe.rollout.environment
    origins = {key: registry.origin(name) for key, (registry, name) in named.items()}
    found = {key: origin.get("file") or origin.get("corpus") for key, origin in origins.items()}
    responses = recipe.explorer.options.get("file")
    if responses is not None and Path(responses).is_file():
        found["explorer.options.file"] = blake2b(Path(responses).read_bytes(), digest_size=8).hexdigest()
    return {key: digest for key, digest in found.items() if digest is not None}


def _agree(path: Path, now: Mapping[str, str], what: str, folder: Path) -> None:
    """Write digests down. Raises ConfigError where one of them was another."""
    known = read_digests(path)
    changed = [key for key, digest in now.items() if known.get(key, digest) != digest]
    if changed:
        raise ConfigError(
            f"{folder}: was begun with another {what.format(', '.join(changed))}; continue it with the old one, or "
            "start in a new folder"
        )
    if now:
        write_atomically(path, (json.dumps({**known, **now}, indent=1) + "\n").encode())
