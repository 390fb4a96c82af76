"""lighteval: our verdict as a metric, pass@k over the scored responses of a document.

    LightevalTaskConfig(..., metrics=[pass_at_k(k=1, n=8), pass_at_k(k=8, n=8)])

A document with fewer than k scored responses is NaN, and the task's mean is over the others.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from lighteval.metrics.metrics_sample import SampleLevelComputation  # type: ignore[import-not-found]
from lighteval.metrics.utils.metric_utils import SampleLevelMetric  # type: ignore[import-not-found]
from lighteval.tasks.requests import SamplingMethod  # type: ignore[import-not-found]

from move37.config import VerificationConfig, from_options
from move37.estimates import pass_at_k as estimates
from move37.rewards import Reward
from move37.types import Outcome


class Move37PassAtK(SampleLevelComputation):
    """The k of `pass_at_k`, for one document."""

    def __init__(self, k: int, n: int, verifier: str, settings: Mapping[str, Any]) -> None:
        self.k, self.n = k, n
        self._reward = Reward(verifier, settings=from_options(VerificationConfig, **settings))

    def compute(self, doc: Any, model_response: Any, **_: Any) -> float:
        golds = tuple(map(str, doc.get_golds()))
        verdicts = self._reward.verdicts([(doc.query, text, golds) for text in model_response.final_text[: self.n]])
        scored = [verdict.outcome for verdict in verdicts if verdict.outcome is not Outcome.UNSCORED]
        if len(scored) < self.k:
            return float("nan")
        correct, n = np.array([scored.count(Outcome.CORRECT)]), np.array([len(scored)])
        return float(estimates.pass_at_k(correct, n, self.k)[0, -1])

    def num_samples(self) -> int:
        """How many responses lighteval samples of each document."""
        return self.n


def pass_at_k(
    k: int = 1, n: int = 1, verifier: str = "math", settings: Mapping[str, Any] | None = None
) -> SampleLevelMetric:
    """`settings`: those of [verification]."""
    return SampleLevelMetric(
        metric_name=f"move37_pass@{k}",
        higher_is_better=True,
        category=SamplingMethod.GENERATIVE,
        sample_level_fn=Move37PassAtK(k, n, verifier, settings or {}),
        corpus_level_fn=np.nanmean,
    )
