"""A study in a size in which every part of it runs within minutes: does it run at all, before it is let run for days?

Same models, trainings, checkpoints, templates and analyses; few problems, few samples, short responses, and one step
between two checkpoints. Nothing that comes out of it means anything. Its run says so and mixes with no other.
"""

from collections.abc import Mapping

from move37.config import SamplingConfig, StoppingConfig, StudyConfig

PROBLEMS, SAMPLES, TOKENS, DRAWS = 6, 8, 48, 1000
"""Problems of each source, samples of each, tokens of a response, draws of a band; at most."""


def smoke_sized(study: StudyConfig) -> StudyConfig:
    """The study in that size. What has no size (a file of problems) is limited."""
    sources = tuple(
        source.model_copy(update={"size": min(source.size, PROBLEMS), "limit": min(source.limit or PROBLEMS, PROBLEMS)})
        for source in study.problems
    )
    small = SamplingConfig.model_validate(
        study.sampling.model_dump()
        | {
            "n": min(study.sampling.n, SAMPLES),
            "stop": StoppingConfig(successes=0).model_dump(),
            "token_budget": None,
            "tokens_per_sample": None,
            "max_new_tokens": min(study.sampling.max_new_tokens, TOKENS),
        }
    )
    steps = _steps(study)
    models = {}
    for name, model in study.models.items():
        short = model.max_new_tokens and min(model.max_new_tokens, TOKENS)
        step = steps[model.training][model.step] if model.training is not None and model.step else model.step
        models[name] = model.model_copy(update={"max_new_tokens": short, "step": step})
    analysis = study.analysis.model_copy(update={"draws": DRAWS, "monte_carlo_error": None})
    changes = {"problems": sources, "sampling": small, "models": models, "analysis": analysis}
    return study.model_copy(update={**changes, "name": f"{study.name}-smoke", "smoke": True})


def _steps(study: StudyConfig) -> Mapping[str, Mapping[int, int]]:
    """For each training its checkpoints, counted: the first is after one step, the next after two."""
    found: dict[str, set[int]] = {}
    for model in study.models.values():
        if model.training is not None and model.step:
            found.setdefault(model.training, set()).add(model.step)
    return {name: {step: i for i, step in enumerate(sorted(steps), start=1)} for name, steps in found.items()}
