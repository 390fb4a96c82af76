"""The edge of capability as a filter: of the groups sampled, those solved sometimes and not often are trained on.

A group counts where `low` < right / scored <= `high` (0 and .5): "RL at the edge" of Interplay (2512.07783), which
found gains at large k there and nothing on mastered or hopeless data. What is left out is sampled in vain, so a step
costs up to `rollout.refill_rounds` times as much.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, model_validator

from move37.config import Settings
from move37.training.curricula import Counts, State
from move37.training.curricula.uniform import Uniform
from move37.types import Problem


class EdgeFilter:
    """See the module. Problems come as in `uniform`."""

    class Options(Settings):
        low: float = Field(default=0.0, ge=0, lt=1, description="Groups solved this often or less are left out.")
        high: float = Field(default=0.5, gt=0, le=1, description="Groups solved more often than this are left out.")

        @model_validator(mode="after")
        def _consistent(self) -> "EdgeFilter.Options":
            if self.low >= self.high:
                raise ValueError(f"high: must be above low ({self.low:g}), or no group is trained on")
            return self

    filters: ClassVar[bool] = True

    def __init__(self, options: Options, problems: Sequence[Problem], seed: int) -> None:
        self.options = options
        self.order = Uniform(Uniform.Options(), problems, seed)

    def take(self, count: int, step: int) -> list[Problem]:
        return self.order.take(count, step)

    def keeps(self, right: int, scored: int) -> bool:
        return scored > 0 and self.options.low < right / scored <= self.options.high

    def observe(self, counts: Counts) -> None:
        """Nothing that came out changes what comes next."""

    def state(self) -> State:
        return self.order.state()

    def load(self, state: State) -> None:
        self.order.load(state)
