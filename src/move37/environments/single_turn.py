"""One question, one response: after the model's turn comes nothing."""

from move37.types import Prompt, Sample, Segment


class SingleTurn:
    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        return None
