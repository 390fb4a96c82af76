"""The only place where randomness starts: a seed for every sample, from what the sample is.

Seeds depend on content alone, so the order of sampling, the batch size and resuming change nothing. The model's
name is part of the key: with a seed shared by base and RL the two would be coupled, and the noise floor of the
four-way table assumes that they are not.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b


def sample_seed(run_seed: int, model: str, problem_id: str, index: int) -> int:
    """A 63-bit seed for sample `index` of `problem_id` from `model` in a run seeded with `run_seed`."""
    return _digest("sample", str(run_seed), model, problem_id, str(index))


def sample_seeds(run_seed: int, model: str, problem_id: str, indices: Iterable[int]) -> Iterator[int]:
    """`sample_seed` of each of `indices`, in a third of the time: what they share is digested once."""
    begun = blake2b(_joined("sample", str(run_seed), model, problem_id).encode(), digest_size=8)
    for index in indices:
        digest = begun.copy()
        digest.update(_joined(str(index)).encode())
        yield int.from_bytes(digest.digest(), "big") >> 1


def analysis_seed(run_seed: int, purpose: str) -> int:
    """A 63-bit seed for a Monte-Carlo computation named `purpose` (for example "band")."""
    return _digest("analysis", str(run_seed), purpose)


def generation_seed(run_seed: int, purpose: str) -> int:
    """A 63-bit seed for problems or texts that are generated (for example "countdown edge evaluation")."""
    return _digest("generation", str(run_seed), purpose)


def _digest(*parts: str) -> int:
    return int.from_bytes(blake2b(_joined(*parts).encode(), digest_size=8).digest(), "big") >> 1


def _joined(*parts: str) -> str:
    # The separator cannot occur in a part's own encoding by accident: each part is length-prefixed.
    return "".join(f"{len(part)}:{part}" for part in parts)
