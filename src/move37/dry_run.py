"""What would be asked, before a weight is loaded: the first problem's prompt, its tokens, how long all prompts are.

For studies and for trainings. An engine whose tokenizer can be opened alone (`renderer`) loads nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from move37.config import ModelConfig, StudyConfig, TemplateConfig
from move37.engines import ENGINES, Renderer
from move37.errors import InputError
from move37.hub import refuse_unreachable
from move37.problems import load_problems
from move37.rollouts import Room, check_room, render_prompts, template_of
from move37.session import sampled_models
from move37.training.recipe import TrainConfig
from move37.types import Problem, Prompt


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    """The first prompt of a model, and what is true of all of them.

    `tokens` and `longest` are None where the engine does not know its tokenizer, `token_ids` unless asked for.
    """

    model: str
    template: str
    text: str
    stop: tuple[str, ...]
    tokens: int | None
    prompts: int
    longest: int | None
    max_new_tokens: int
    token_ids: tuple[int, ...] | None


def prompts_of_study(study: StudyConfig, token_ids: bool = False, asked: Mapping[str, Any] | None = None) -> list[Any]:
    """The first prompt of each model that the study samples. `asked`: prompts that were stored before, by model.

    Raises ConfigError where a prompt leaves no room, and as an engine does when it is opened.
    """
    problems, shown = load_problems(study.problems), []
    for name in sampled_models(study):
        own = study.sampling_of(name)
        with _renderer(study.models[name]) as engine:
            before = (asked or {}).get(name, ())
            prompts = _prompts(problems, engine, own.template, study.templates, before)
            check_room(engine, prompts, Room("sampling", own.max_new_tokens), repr(name))
            shown.append(_shown(name, engine, prompts, own.max_new_tokens, token_ids))
    if not shown:
        raise InputError("models: the study samples none, so nothing is asked")
    return shown


def prompt_of_recipe(recipe: TrainConfig, token_ids: bool = False) -> ShownPrompt | None:
    """The first prompt that a training asks; None for imitation, which samples nothing. Raises as above."""
    if not recipe.problems:
        return None
    model = ModelConfig(path=recipe.model.path, engine=recipe.model.engine)
    problems, settings = load_problems(recipe.problems), recipe.rollout
    with _renderer(model) as engine:
        prompts = _prompts(problems, engine, settings.template, recipe.templates, ())
        check_room(engine, prompts, Room("rollout", settings.max_new_tokens, settings.max_prompt_tokens), "problems")
        return _shown(recipe.model.path, engine, prompts, settings.max_new_tokens, token_ids)


def _prompts(
    problems: Sequence[Problem],
    engine: Renderer,
    template: str,
    own: Mapping[str, TemplateConfig],
    before: Sequence[Prompt],
) -> list[Prompt]:
    return render_prompts(problems, template_of(template, own), engine, before)


@contextmanager
def _renderer(model: ModelConfig) -> Iterator[Renderer]:
    """The part of the engine that writes prompts, where it can be had alone; else the engine, for the block."""
    if model.engine == "transformers":
        refuse_unreachable(model.path, "model.path")
    kind = ENGINES.load(model.engine)
    if hasattr(kind, "renderer"):
        yield kind.renderer(model)
        return
    engine = kind.load(model)
    try:
        yield engine
    finally:
        engine.close()


def _shown(name: str, engine: Renderer, prompts: Sequence[Prompt], max_new_tokens: int, token_ids: bool) -> ShownPrompt:
    first, lengths = prompts[0], [engine.count_tokens(prompt) for prompt in prompts]
    longest = max((length for length in lengths if length is not None), default=None)
    ids = None
    if token_ids:
        encode = getattr(engine, "encode", None)
        if encode is None:
            raise InputError(f"--token-ids: the engine of {name!r} does not say which tokens a prompt has")
        ids = tuple(encode(first.text, rendered=True) if first.rendered else encode(first.text))
    return ShownPrompt(
        name, first.template, first.text, first.stop, lengths[0], len(prompts), longest, max_new_tokens, ids
    )
