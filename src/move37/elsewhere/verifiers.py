"""verifiers and prime-rl: our verdict as a reward of a task (0.4), and as a rubric of an environment (up to 0.3).

Unscored raises. In 0.4 that is an error of the trace, which then has no reward; up to 0.3 a rubric logs the error and
goes on with 0, and has no other way to say it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from move37.config import VerificationConfig, from_options
from move37.elsewhere.rewards import ProblemRewards
from move37.errors import VerifierError
from move37.rewards import Reward, references_of, text_of
from move37.types import Outcome, Verdict


async def judged(judge: ProblemRewards, problem_id: str, reply: str | None) -> float:
    """1 or 0 for a reply to a problem of ours. Raises VerifierError where there is no verdict."""
    [verdict] = await asyncio.to_thread(judge.verdicts, [(problem_id, reply or "")])
    return _number(verdict)


def rubric(verifier: str = "math", settings: Mapping[str, Any] | None = None) -> Any:
    """A `Rubric` for `vf.SingleTurnEnv(rubric=...)`: the last message against the column `answer`."""
    import verifiers as vf  # type: ignore[import-not-found]

    reward = Reward(verifier, settings=from_options(VerificationConfig, **(settings or {})))

    async def move37(prompt: Any, completion: Any, answer: Any) -> float:
        [verdict] = await asyncio.to_thread(
            reward.verdicts, [(str(prompt), text_of(completion), references_of(answer))]
        )
        return _number(verdict)

    return vf.Rubric(funcs=[move37], weights=[1.0])


def _number(verdict: Verdict) -> float:
    if verdict.outcome is Outcome.UNSCORED:
        raise VerifierError(f"no verdict: {verdict.reason}")
    return float(verdict.outcome is Outcome.CORRECT)
