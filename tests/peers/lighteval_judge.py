"""Run in lighteval's environment: our metric through its own `apply_metric`, and the corpus mean; prints both."""

import json
from typing import Any

import huggingface_hub

# lighteval 0.13 asks the hub at import, with an argument that newer clients do not know; here is no hub.
huggingface_hub.HfApi.list_models = lambda *_, **__: []  # type: ignore[method-assign]

import requests  # noqa: E402

_get = requests.get


def _offline(url: str, *args: Any, **named: Any) -> Any:
    """lighteval 0.13 downloads a table for one of its tasks when it is imported."""
    import pickle

    if "tinyBenchmarks" in url:
        found = requests.Response()
        found.status_code, found._content = 200, pickle.dumps({})
        return found
    return _get(url, *args, **named)


requests.get = _offline

from lighteval.metrics import apply_metric  # noqa: E402
from lighteval.models.model_output import ModelResponse  # noqa: E402
from lighteval.tasks.requests import Doc  # noqa: E402

from move37.elsewhere.lighteval import pass_at_k  # noqa: E402

DOCS = {
    "half of 1?": ("0.5", ["\\boxed{\\frac{1}{2}}", "\\boxed{2}", "\\boxed{0.5}", "no idea"]),
    "1+1?": ("2", ["\\boxed{3}"] * 4),
}


def main() -> None:
    metrics = [pass_at_k(k, 4, settings={"workers": 1}) for k in (1, 4)]
    docs = [Doc(query=q, choices=[gold], gold_index=0) for q, (gold, _) in DOCS.items()]
    responses = [ModelResponse(text=texts) for _, texts in DOCS.values()]
    rows = apply_metric(responses, docs, metrics)
    means = {
        name: float(over([row[name] for row in rows]))
        for metric in metrics
        for name, over in metric.get_corpus_aggregations().items()
    }
    print(json.dumps({"rows": rows, "means": means, "n": metrics[0].sample_level_fn.num_samples()}))


if __name__ == "__main__":
    main()
