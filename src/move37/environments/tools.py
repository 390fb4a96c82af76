"""Tools: the model writes a call, the environment its result, and the model goes on.

    ... <calc>12*7</calc>          the model's own; its turn ends at the closing tag
    <result>84</result>            the environment's
    so the answer is 84            the model's next turn

A member says its tags and `call`. The closing tag is a stop string of every turn (`stops`), which samples do not keep,
so the environment writes it again before the result. A call that fails gives its reason as the result, in a segment
whose role is `FAILED`: the model may try again. After `most_calls` calls the episode ends with the model's turn, and a
result is cut at `most_characters`. A turn that was cut at its token limit calls nothing.
"""

from typing import ClassVar, NamedTuple

from move37.types import FinishReason, Prompt, Sample, Segment

CALLED, FAILED = "tool", "tool error"
"""Roles of segments: what a call gave, and why it gave nothing."""


class ToolError(Exception):
    """A call cannot be answered; the message goes to the model."""


class ToolEnvironment:
    """Derive from it: tags and `call`."""

    opens: ClassVar[str]
    closes: ClassVar[str]
    most_calls: ClassVar[int] = 8
    most_characters: ClassVar[int] = 2_000

    @property
    def stops(self) -> tuple[str, ...]:
        """Where the model's turn ends, beside the prompt's own stop strings."""
        return (self.closes,)

    def call(self, argument: str) -> str:
        """The result. Raises ToolError."""
        raise NotImplementedError

    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        _, opened, argument = sample.text.rpartition(self.opens)
        called = sum(not segment.own for segment in sample.trajectory.segments)
        if not opened or sample.finish_reason is FinishReason.LENGTH or called >= self.most_calls:
            return None
        try:
            role, result = CALLED, self.call(argument)
        except ToolError as error:
            role, result = FAILED, f"error: {error}"
        if len(result) > self.most_characters:
            result = result[: self.most_characters] + " ..."
        return (Segment(role, f"{self.closes}<result>{result}</result>", own=False),)


class ToolUse(NamedTuple):
    """What happened in one episode."""

    turns: int
    """Of the model's."""
    calls: int
    failed: int
    """Calls whose result was an error."""


def tool_use(sample: Sample) -> ToolUse:
    """Turns and calls of an episode, from its segments."""
    roles = [segment.role for segment in sample.segments or () if not segment.own]
    turns = sum(segment.own for segment in sample.segments or ()) or 1
    return ToolUse(turns, roles.count(CALLED) + roles.count(FAILED), roles.count(FAILED))
