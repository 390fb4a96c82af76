"""Dumps of a training that runs elsewhere, as verl 0.9 writes them: one JSONL file per validation."""

import json
from pathlib import Path

import numpy as np

STEPS = (0, 10, 20)
N = 8
PROBLEMS = 60


def outcomes(step: int, seed: int = 0) -> np.ndarray:
    """Right or wrong, (problems, N): easy problems get easier with the steps, the hardest ones are lost."""
    rng = np.random.default_rng([seed, step])
    chances = np.linspace(0.02, 0.9, PROBLEMS)
    moved = np.where(chances > 0.3, chances + 0.01 * step, chances * (1 - 0.04 * step))
    return rng.random((PROBLEMS, N)) < moved[:, None].clip(0, 1)


def verl_dump(path: Path, right: np.ndarray, step: int) -> Path:
    """What `trainer.validation_data_dir` holds after a validation, rows of one prompt together."""
    rows = [
        {
            "input": f"user\nWhat is {p}+1?\nassistant\n",
            "output": f"It is \\boxed{{{p + 1 if correct else 0}}}.",
            "gts": str(p + 1),
            "score": float(correct),
            "step": step,
            "reward": float(correct),
            "acc": float(correct),
            "uid": f"u{p}_{place}_0",
        }
        for p, of in enumerate(right)
        for place, correct in enumerate(of)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def verl_validation(folder: Path, steps: tuple[int, ...] = STEPS) -> Path:
    for step in steps:
        verl_dump(folder / f"{step}.jsonl", outcomes(step), step)
    return folder
