"""What every trainer is handed: the recipe, its problems, and each prompt to the letter.

A template of ours is a text that the model continues, or a message that the model's own chat template renders. The
first goes over as text (a trainer that knows chats alone gets it as the one message of a template that prints it), the
second as a chat. Lengths and the token that begins a text are known where the tokenizer is at hand; elsewhere the bytes
of a prompt bound its tokens.
"""

from dataclasses import dataclass
from typing import Any

from move37.errors import ConfigError
from move37.problems import load_problems
from move37.prompting import Template, render_prompt
from move37.rollouts import template_of
from move37.training.algorithms import Algorithm
from move37.training.recipe import TrainConfig, build_algorithm
from move37.types import Problem

_ROOM = 16
"""Tokens that a chat template may put around a message, at least, where there is no tokenizer to ask."""


@dataclass(frozen=True, eq=False)
class HandOver:
    """A recipe with its problems. `tokenizer` is None where the model's is not at hand."""

    recipe: TrainConfig
    algorithm: Algorithm
    template: Template
    problems: tuple[Problem, ...]
    held_out: tuple[Problem, ...]
    tokenizer: Any

    def prompt(self, problem: Problem) -> str:
        """The text that the model continues, or the message that its chat template is given."""
        asked = render_prompt(problem, self.template, lambda messages: messages[0].text)
        return asked.text

    def chat(self, problem: Problem) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.prompt(problem)}]

    @property
    def begins_with(self) -> str:
        """What the tokenizer puts before a text: nothing, or the token that begins one."""
        if self.tokenizer is None or self.template.chat or not self.tokenizer.bos_token_id:
            return ""
        first = self.tokenizer("")["input_ids"][:1]
        return str(self.tokenizer.bos_token) if first == [self.tokenizer.bos_token_id] else ""

    @property
    def longest_prompt(self) -> int:
        """Tokens of the longest prompt, or a bound on them."""
        limit = self.recipe.rollout.max_prompt_tokens
        return limit if limit is not None else max(map(self._tokens, (*self.problems, *self.held_out)))

    def refuse(self, trainer: str, impossible: dict[str, str | None]) -> None:
        """Raises ConfigError for the first key that has a reason."""
        for key, reason in impossible.items():
            if reason is not None:
                raise ConfigError(f"{key}: {trainer} {reason}")

    def _tokens(self, problem: Problem) -> int:
        if self.tokenizer is None:
            return len(self.prompt(problem).encode()) + _ROOM
        if self.template.chat:
            text = self.tokenizer.apply_chat_template(self.chat(problem), add_generation_prompt=True, tokenize=False)
            return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return len(self.tokenizer(self.prompt(problem))["input_ids"])


def plan_of(recipe: TrainConfig) -> HandOver:
    """Load what a recipe names. Raises ConfigError, UnknownNameError or InputError."""
    problems, held_out = load_problems(recipe.problems), load_problems(recipe.evaluation.problems)
    if len(problems) < recipe.rollout.prompts:
        raise ConfigError(
            f"rollout.prompts: a step of {recipe.rollout.prompts} prompts needs as many problems, and there are "
            f"{len(problems)}"
        )
    template = template_of(recipe.rollout.template, recipe.templates)
    return HandOver(recipe, build_algorithm(recipe), template, problems, held_out, _tokenizer(recipe))


def _tokenizer(recipe: TrainConfig) -> Any:
    """The model's tokenizer, None where it cannot be had here: what it is needed for has a bound without it."""
    try:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(recipe.model.path, trust_remote_code=recipe.model.trust_remote_code)
    except (ImportError, OSError, ValueError):
        return None
