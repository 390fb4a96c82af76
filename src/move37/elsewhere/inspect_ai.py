"""inspect_ai: our verdict as a scorer. Unscored is inspect's own unscored: NaN, left out of every mean.

Task(dataset=..., solver=generate(), scorer=move37(verifier="math"))
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from inspect_ai.scorer import (  # type: ignore[import-not-found]
    CORRECT,
    INCORRECT,
    Score,
    Scorer,
    Target,
    accuracy,
    scorer,
    stderr,
)
from inspect_ai.solver import TaskState  # type: ignore[import-not-found]

from move37.config import VerificationConfig, from_options
from move37.rewards import Reward
from move37.types import Outcome


@scorer(metrics=[accuracy(), stderr()])
def move37(verifier: str = "math", settings: Mapping[str, Any] | None = None) -> Scorer:
    """Any of the target's texts is a right answer. `settings`: those of [verification]."""
    reward = Reward(verifier, settings=from_options(VerificationConfig, **(settings or {})))

    async def score(state: TaskState, target: Target) -> Score:
        asked = (state.input_text, state.output.completion, tuple(target))
        [verdict] = await asyncio.to_thread(reward.verdicts, [asked])
        if verdict.outcome is Outcome.UNSCORED:
            return Score.unscored(explanation=verdict.reason)
        value = CORRECT if verdict.outcome is Outcome.CORRECT else INCORRECT
        return Score(value=value, answer=state.output.completion, explanation=verdict.reason)

    return score
