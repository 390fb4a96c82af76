"""The study behind `move37 demo`: the paper's effect on a laptop, from nothing but the package.

A small model that comes with the package, pretrained on worked number puzzles, is trained by reinforcement learning on
the spot (GRPO, 50 steps). Base and trained model then try 150 puzzles that neither has seen, up to 256 times each, with
early stopping, and the report says which of them solves more with few tries and with many. Recipe and study are those
of `studies/countdown-grpo.toml` and `studies/countdown.toml`, half as long.
"""

from pathlib import Path

from move37.config import StudyConfig, parse_study
from move37.lab import checkpoint_folder
from move37.training.recipe import TrainConfig, parse_recipe

NOTE = (
    "Number puzzles: reach the target with four given numbers. “base” is a small model that has seen worked solutions; "
    "“rl” is the same model after 50 steps of reinforcement learning, trained a few minutes ago on this machine, in "
    "which every right solution was rewarded. Neither has seen the puzzles asked here."
)
STEPS = 50
STAGES = (
    f"1 of 3: train the base that comes with the package, {STEPS} steps of GRPO",
    "2 of 3: base and trained model each try 150 new puzzles, up to 256 times",
    "3 of 3: compare them and write the report",
)
_RESPONSE_TOKENS = 48


def demo_recipe(seed: int = 0) -> TrainConfig:
    """GRPO from the shipped base, 64 puzzles x 16 responses a step."""
    return parse_recipe(
        {
            "name": "demo",
            "seed": seed,
            "steps": STEPS,
            "algorithm": {"name": "grpo"},
            "model": {"path": str(checkpoint_folder("countdown-base"))},
            "problems": {"benchmark": "countdown", "size": 2000, "options": {"split": "training"}},
            "rollout": {
                "prompts": 64,
                "responses": 16,
                "max_new_tokens": _RESPONSE_TOKENS,
                "template": "completion",
            },
            "optimizer": {"learning_rate": 3e-4},
        },
        "demo",
    )


def demo_study(trained: Path, seed: int = 0) -> StudyConfig:
    """150 fresh puzzles, both models, at most 256 samples each."""
    return parse_study(
        {
            "name": "demo",
            "seed": seed,
            "note": NOTE,
            "problems": {"benchmark": "countdown", "size": 150},
            "sampling": {
                "n": 256,
                "stop": {"successes": 8, "batch": 32},
                "temperature": 1.0,
                "top_p": 1.0,
                "max_new_tokens": _RESPONSE_TOKENS,
                "template": "completion",
            },
            "models": {
                "base": {"path": str(checkpoint_folder("countdown-base"))},
                "rl": {"path": str(trained.resolve()), "algorithm": "grpo"},
            },
        },
        "demo",
    )
