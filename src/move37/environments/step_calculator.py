"""A calculator for worlds whose answers are written steps: the model writes `7+4=`, the calculator `11`.

    7+4        the model's own; its turn ends at the equals sign
    =11        the calculator's
    ;11*2      the model's next turn, and so on

Which step to take is the model's, and so is what it writes behind the result: one that goes on with a digit there makes
another number of it, and the step wrong. Its response is the whole chain (`joins`).
"""

import re
from typing import ClassVar

from move37.countdown import combine
from move37.environments.tools import CALLED
from move37.types import FinishReason, Prompt, Sample, Segment

_OPEN_STEP = re.compile(r"(?:^|;)([0-9]{1,4})([-+*])([0-9]{1,4})$")


class StepCalculator:
    """See the module."""

    joins: ClassVar[bool] = True
    stops: ClassVar[tuple[str, ...]] = ("=",)
    most_calls: ClassVar[int] = 16

    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        segments = sample.trajectory.segments
        called = sum(not segment.own for segment in segments)
        found = _OPEN_STEP.search(next((s.text for s in reversed(segments) if s.own), ""))
        if found is None or sample.finish_reason is FinishReason.LENGTH or called >= self.most_calls:
            return None
        return (Segment(CALLED, f"={combine(int(found[1]), found[2], int(found[3]))}", own=False),)
