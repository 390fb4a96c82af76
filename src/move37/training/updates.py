"""What an update needs, fixed before the first of a step's."""

from dataclasses import dataclass

from torch import Tensor

from move37.training.algorithms import Advantages
from move37.training.batches import Batch


@dataclass(frozen=True, slots=True)
class UpdateBatch:
    """A batch with everything that its updates need."""

    batch: Batch
    advantages: Advantages
    old_logprobs_BT: Tensor
    reference_logprobs_BT: Tensor | None = None
    old_values_BT: Tensor | None = None
