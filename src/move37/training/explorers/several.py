"""Several explorers at once: a problem starts where the first member gives it a start; all members' rows are learnt.

    [explorer]
    name = "several"
    options.members = [{ name = "hints", options.start = 0.9 }, { name = "replay", options.first_steps = 5 }]

Every member sees all that came out of a step.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from numpy.random import Generator
from pydantic import Field, field_validator

from move37.config import Settings
from move37.errors import Move37Error
from move37.training.explorers import EXPLORERS, Attempt, Explorer, FixedRow, State
from move37.training.explorers.fresh import Fresh
from move37.types import Problem


class Member(Settings):
    """One of them."""

    name: str = Field(description="A name of `move37 list explorers`.")
    options: dict[str, Any] = Field(default={}, description="Its own settings.")


class Several(Fresh):
    """See the module."""

    class Options(Fresh.Options):
        members: tuple[Member, ...] = Field(min_length=1, description="Tables of name and options, the first first.")

        @field_validator("members")
        @classmethod
        def _known(cls, value: tuple[Member, ...]) -> tuple[Member, ...]:
            for member in value:
                try:
                    EXPLORERS.load(member.name).Options.model_validate(member.options)
                except Move37Error as error:
                    raise ValueError(str(error)) from None
            return value

    adds_rows: ClassVar[bool] = True

    def __init__(self, options: Options, problems: Sequence[Problem]) -> None:
        kinds = [(EXPLORERS.load(member.name), member.options) for member in options.members]
        self.members: list[Explorer] = [kind(kind.Options.model_validate(own), problems) for kind, own in kinds]

    def starts(self, problems: Sequence[Problem], generator: Generator) -> list[str]:
        given = [member.starts(problems, generator) for member in self.members]
        return [next(filter(None, starts), "") for starts in zip(*given, strict=True)]

    def rows(self, generator: Generator) -> list[FixedRow]:
        return [row for member in self.members for row in member.rows(generator)]

    def observe(self, attempts: Sequence[Attempt]) -> None:
        for member in self.members:
            member.observe(attempts)

    def state(self) -> State:
        return {"members": [member.state() for member in self.members]}

    def load(self, state: State) -> None:
        for member, own in zip(self.members, state["members"], strict=True):
            member.load(own)
