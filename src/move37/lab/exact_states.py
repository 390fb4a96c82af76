"""The exact chance of success from a state between two steps: what a value network stands for, without a sample.

    chance(state) = sum of the chances of the right chains that begin as the state does / chance of that beginning

under the policy itself (temperature in it). The first sum is `exact.py`'s; the second is what the sampler said of the
tokens that were drawn.
"""

import numpy as np

from move37.lab.exact import PuzzleTruth


def chance_from(truth: PuzzleTruth, beginning: str, logprob: float) -> float:
    """Of a right response behind `beginning`, which ends with a step; `logprob` is natural, of its tokens.

    At most 1: two float32 sums are divided. 0 where no right chain begins so.
    """
    ahead = [
        chance
        for chain, chance in zip(truth.chains, truth.chain_logprobs.tolist(), strict=True)
        if chain == beginning or chain.startswith(f"{beginning};")
    ]
    if not ahead:
        return 0.0
    return float(min(1.0, np.exp(np.logaddexp.reduce(ahead) - logprob)))
