"""lm-evaluation-harness: our verdict as a filter and as a metric of a task's YAML.

    filter_list:
      - name: move37
        filter:
          - {function: move37, answer: answer}       # the document's key with the reference; verifier: math by default
    process_results: !function move37.elsewhere.lm_eval.process_results
    metric_list:
      - {metric: pass@1, aggregation: !function move37.elsewhere.lm_eval.mean, higher_is_better: true}
      - {metric: pass@n, aggregation: !function move37.elsewhere.lm_eval.mean, higher_is_better: true}

The filter judges every repeat (lm-eval's own take the first alone) and leaves "correct", "incorrect" or "unscored" of
each, which the metrics are made from. A document without a scored response is NaN, and `mean` is over the others.
lm-eval's own way through several targets would turn both into "any". Naming one of these functions in the YAML is what
registers the filter.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lm_eval.api.filter import Filter  # type: ignore[import-not-found]
from lm_eval.api.registry import register_filter  # type: ignore[import-not-found]

from move37.config import VerificationConfig, from_options
from move37.errors import InputError
from move37.rewards import Reward, references_of
from move37.types import Outcome


@register_filter("move37")
class Move37Filter(Filter):
    """Responses -> verdicts, all of them."""

    def __init__(self, answer: str = "answer", verifier: str = "math", question: str = "question", **settings: Any):
        """`settings`: those of [verification]."""
        self._answer, self._question = answer, question
        self._reward = Reward(verifier, settings=from_options(VerificationConfig, **settings))

    def apply(self, resps: Iterable[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
        """Raises InputError for a document without the key."""
        responses = [list(each) for each in resps]
        asked = [(*self._of(doc), texts) for doc, texts in zip(docs, responses, strict=True)]
        with self._reward as reward:
            found = iter(reward.verdicts([(question, text, gold) for question, gold, of in asked for text in of]))
            return [[next(found).outcome.value for _ in texts] for texts in responses]

    def _of(self, doc: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        if self._answer not in doc:
            raise InputError(f"filter move37: no {self._answer!r} in a document (keys: {', '.join(doc)}); give answer:")
        return str(doc.get(self._question, "")), references_of(doc[self._answer])


def process_results(doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
    """pass@1 and pass@n of a document, n being its scored responses, and the share of unscored ones."""
    words = [word for each in results for word in (each if isinstance(each, list) else [each])]
    scored = [word == Outcome.CORRECT.value for word in words if word != Outcome.UNSCORED.value]
    unscored = 1 - len(scored) / len(words)
    if not scored:
        return {"pass@1": math.nan, "pass@n": math.nan, "unscored": unscored}
    return {"pass@1": sum(scored) / len(scored), "pass@n": float(any(scored)), "unscored": unscored}


def mean(values: Sequence[float]) -> float:
    """Over the documents that have a verdict."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
