"""Does a server give the same response again and again? A cache, or seeds that nobody reads, would be counted as luck.
And does it write the prompt before each response? Then what ends a turn in the prompt would end the response.

Equal responses to one prompt are no proof: a short answer, or a model that is sure, repeats itself. So repeats raise a
suspicion, and a prompt to which every model has more than one thing to say, and none says it back, decides. The first
responses are held back until there is no suspicion, so that a run of repeats is refused before any of it is kept.
"""

import re
from collections import Counter
from collections.abc import Sequence

from move37.types import Sample

HELD = 8
"""Responses that are held back at first."""
FEWEST, SHARE = 4, 0.05
"""Repeats that raise a suspicion: so many, and such a share of those that could be one."""
PROBE = "Once upon a time, in a place that nobody had ever heard of, there lived"
PROBES, PROBE_TOKENS = 8, 96
_UNSEEN = re.compile(r"<\|[^|<>]*\|>|\s+")
"""What may be lost of a prompt that is written back."""
_LONG = 200
"""Characters from which two equal responses to the probe are no accident."""


_WINDOW = 1024
"""Responses after which the share of repeats is counted anew, so that a cache which begins late is seen as soon."""
_REMEMBERED = 2**20
"""Responses that are remembered at most; the oldest prompts go first."""


class RepeatGuard:
    """Counts responses that equal an earlier one to the same prompt. `settled` once the server is known to be sound."""

    def __init__(self) -> None:
        self.repeats = self.responses = 0
        self.echoes = self._looked = 0
        """Responses that began with their prompt, of so many that were looked at."""
        self.settled = False
        self._firsts = 0
        """Responses of this window to a prompt that had none: they can repeat nothing."""
        self._seen: dict[str, set[int]] = {}
        self._remembered = 0
        self._held: list[Sample] = []

    def take(self, sample: Sample) -> list[Sample]:
        """What may be delivered now that this sample is there."""
        if self.settled:
            return [*self.release(), sample]
        if self.responses >= _WINDOW and not self.is_suspicious:
            self.repeats = self.responses = self._firsts = self.echoes = self._looked = 0
        known = self._seen.setdefault(sample.problem_id, set())
        digest = hash(sample.text)
        self.repeats += digest in known
        self.responses += 1
        self._firsts += not known
        self._remembered += digest not in known
        known.add(digest)
        self._held.append(sample)
        self._forget()
        return [] if self.is_suspicious or self.responses < HELD else self.release()

    def _forget(self) -> None:
        while self._remembered > _REMEMBERED and len(self._seen) > 1:
            self._remembered -= len(self._seen.pop(next(iter(self._seen))))

    @property
    def is_suspicious(self) -> bool:
        possible = self.responses - self._firsts
        repeats = self.repeats >= FEWEST and self.repeats >= SHARE * possible
        return not self.settled and (repeats or self._is_echoing)

    @property
    def _is_echoing(self) -> bool:
        return self.echoes >= max(FEWEST, self._looked / 2)

    def note_echo(self, text: str, prompt: str) -> None:
        """Look whether a response, as the server gave it, begins with its prompt."""
        if not self.settled:
            self._looked += 1
            self.echoes += _is_echoed(text, prompt)

    def release(self) -> list[Sample]:
        held, self._held = self._held, []
        return held

    def said(self, temperature: float) -> str:
        if self._is_echoing:
            return f"{self.echoes} of {self._looked} responses begin with their prompt"
        return (
            f"{self.repeats} of {self.responses} responses at temperature {temperature:g} repeat an earlier one to the "
            "same prompt word for word"
        )


def fault_in(probes: Sequence[Sequence[str]]) -> str | None:
    """What is wrong with a server that gave these responses to the probe, those of one call together; None: nothing."""
    texts = [text for call in probes for text in call]
    if len(texts) > 1 and set(texts) == {""}:
        return (
            "a test prompt is answered without any text: the server keeps back what the model writes, or hands it over "
            "under a name other than content, reasoning_content and reasoning"
        )
    if texts and all(_is_echoed(text, PROBE) for text in texts):
        return "so do those to a test prompt: the server writes the prompt before each response; turn that off (echo)"
    several = [call for call in probes if len(call) > 1]
    if several and all(map(_is_recalled, several)) and not _is_recalled([call[0] for call in several]):
        return (
            "samples of one call answer a test prompt alike: the server makes one and copies it; set "
            "options.samples_per_call to 1"
        )
    if _is_recalled(texts):
        return (
            "a test prompt is answered alike every time: the server recalls responses or ignores seeds; turn its cache "
            "of responses off"
        )
    return None


def _is_echoed(text: str, prompt: str) -> bool:
    """Whether a text begins with a prompt, which may have lost its special tokens and some space on the way."""
    asked = _UNSEEN.sub("", prompt)
    return bool(asked) and _UNSEEN.sub("", text[: 2 * len(prompt) + _LONG]).startswith(asked)


def _is_recalled(texts: Sequence[str]) -> bool:
    """Whether these come from a cache: all alike, or two long ones alike."""
    common = Counter(texts)
    longest = max((len(text) for text, times in common.items() if times > 1), default=0)
    return longest >= _LONG or (len(texts) > 1 and len(common) == 1)
