"""Does a server give the same response again and again? A cache, or seeds that nobody reads, would be counted as luck.

Equal responses to one prompt are no proof: a short answer, or a model that is sure, repeats itself. So repeats raise a
suspicion, and a prompt to which every model has more than one thing to say decides. The first responses are held back
until there is no suspicion, so that a run of repeats is refused before any of it is kept.
"""

from collections import Counter
from collections.abc import Sequence

from move37.types import Sample

HELD = 8
"""Responses that are held back at first."""
FEWEST, SHARE = 4, 0.05
"""Repeats that raise a suspicion: so many, and such a share of those that could be one."""
PROBE = "Once upon a time, in a place that nobody had ever heard of, there lived"
PROBES, PROBE_TOKENS = 8, 96
_LONG = 200
"""Characters from which two equal responses to the probe are no accident."""


class RepeatGuard:
    """Counts responses that equal an earlier one to the same prompt. `settled` once the server is known to be sound."""

    def __init__(self) -> None:
        self.repeats = self.responses = 0
        self.settled = False
        self._seen: dict[str, set[int]] = {}
        self._held: list[Sample] = []

    def take(self, sample: Sample) -> list[Sample]:
        """What may be delivered now that this sample is there."""
        known = self._seen.setdefault(sample.problem_id, set())
        digest = hash(sample.text)
        self.repeats += digest in known
        self.responses += 1
        known.add(digest)
        self._held.append(sample)
        return [] if self.is_suspicious or self.responses < HELD else self.release()

    @property
    def is_suspicious(self) -> bool:
        possible = self.responses - len(self._seen)
        return not self.settled and self.repeats >= FEWEST and self.repeats >= SHARE * possible

    def release(self) -> list[Sample]:
        held, self._held = self._held, []
        return held

    def said(self, temperature: float) -> str:
        return (
            f"{self.repeats} of {self.responses} responses at temperature {temperature:g} repeat an earlier one to the "
            "same prompt word for word, and a test prompt is answered alike every time"
        )


def is_recalled(texts: Sequence[str]) -> bool:
    """Whether responses to the probe come from a cache: all alike, or two long ones alike."""
    common = Counter(text for text in texts if text)
    if not common:
        return False
    longest = max((len(text) for text, times in common.items() if times > 1), default=0)
    return longest >= _LONG or (len(texts) > 1 and max(common.values()) == len(texts))
