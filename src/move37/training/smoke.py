"""A recipe in a size in which a step takes a moment, for studies of smoke size (`move37.smoke`)."""

from typing import Any

from move37.config import ProblemsConfig
from move37.training.recipe import TrainConfig

PROBLEMS, PROMPTS, RESPONSES, TOKENS = 24, 4, 4, 48
"""At most: problems of each source, prompts of a step, responses to each, tokens of a response."""


def small_recipe(recipe: TrainConfig) -> TrainConfig:
    """The recipe in that size; no evaluation on the way, and no warm-up, which would be all there is."""
    rollout = recipe.rollout.model_copy(
        update={
            "prompts": min(recipe.rollout.prompts, PROMPTS),
            "responses": min(recipe.rollout.responses, RESPONSES),
            "max_new_tokens": min(recipe.rollout.max_new_tokens, TOKENS),
        }
    )
    changes: dict[str, Any] = {
        "rollout": rollout,
        "problems": _few(recipe.problems),
        "evaluation": type(recipe.evaluation)(),
        "optimizer": recipe.optimizer.model_copy(update={"warmup_steps": 0}),
    }
    if recipe.imitation is not None:
        few = {"problems": _few(recipe.imitation.problems), "examples": min(recipe.imitation.examples, PROBLEMS)}
        changes["imitation"] = recipe.imitation.model_copy(update=few)
    return recipe.model_copy(update=changes)


def _few(sources: tuple[ProblemsConfig, ...]) -> tuple[ProblemsConfig, ...]:
    return tuple(
        source.model_copy(update={"size": min(source.size, PROBLEMS), "limit": min(source.limit or PROBLEMS, PROBLEMS)})
        for source in sources
    )
