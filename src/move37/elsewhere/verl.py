"""verl 0.9: our algorithms as advantage estimators, and the boundary watched from within (`logger`)."""

from typing import Any

import numpy as np

from move37.training.algorithms import ALGORITHMS, AdvantageInputs


def register_advantages(name: str, algorithm: str, options: dict[str, Any]) -> None:
    """Make `algorithm.adv_estimator=name` ask an algorithm of ours. verl imports the file that calls this, where
    VERL_USE_EXTERNAL_MODULES names it."""
    from verl.trainer.ppo.core_algos import register_adv_est  # type: ignore[import-not-found]

    kind = ALGORITHMS.load(algorithm)
    made = kind(kind.Options.model_validate(options))

    def advantages(token_level_rewards: Any, response_mask: Any, index: Any, **_: Any) -> tuple[Any, Any]:
        """verl's shapes: (responses, tokens) both, and the prompt of each response."""
        import torch

        groups = torch.as_tensor(np.unique(np.asarray(index), return_inverse=True)[1], device=response_mask.device)
        inputs = AdvantageInputs(
            token_rewards_BT=token_level_rewards,
            groups_B=groups,
            mask_BT=response_mask.bool(),
            max_length=response_mask.shape[1],
        )
        found = made.advantages(inputs).advantages_BT
        return found, found

    register_adv_est(name)(advantages)
