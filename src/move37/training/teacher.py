"""A second model that only says how probable it finds what the student wrote.

The teacher must cut text into the same tokens as the student: the two vocabularies are compared when it is loaded.
"""

from torch import Tensor

from move37.errors import ConfigError
from move37.training.batches import Batch
from move37.training.policy import Policy, open_engine
from move37.training.recipe import TrainConfig
from move37.training.responses import Head, ResponseReader, score


class Teacher:
    """The recipe's teacher, frozen. Raises ConfigError where its tokens are not the student's."""

    def __init__(self, recipe: TrainConfig, student: Policy) -> None:
        if recipe.teacher is None:
            raise ConfigError("teacher: this algorithm needs one; give a folder or a hub name")
        engine = open_engine(recipe.model, recipe.teacher, recipe.rollout.rows)
        if engine.tokenizer.get_vocab() != student.tokenizer.get_vocab():
            raise ConfigError(
                f"teacher: {recipe.teacher} has another vocabulary than {recipe.model.path}, so it cannot score what "
                "the student writes token by token; take one of the same tokenizer, or imitate its samples (imitation)"
            )
        self._temperature = recipe.rollout.temperature
        model = engine.model.requires_grad_(False)
        self._reader = ResponseReader(model, student.tokens_at_once, None, getattr(engine, "shares_prompts", True))
        self._head = Head(model)

    def logprobs(self, batch: Batch) -> Tensor:
        """Of every own token under the teacher at the sampling temperature, (B, T)."""
        return score(self._reader, self._head, batch, self._temperature)
