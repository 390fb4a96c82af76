"""Is the response a right answer to its task in one of the lab's worlds? Its rules decide, not the reference.

The response has to be one answer and nothing else (white space around it and the end mark do not count). The task is
read from the problem's metadata. Countdown has a file of its own because it had one first.

In a drawn world what the answer says of the picture and every step of its chain have verdicts of their own.
"""

from typing import ClassVar

from move37.types import Outcome, Problem, StepVerdict, Verdict
from move37.worlds import Task, World
from move37.worlds.drawn_geometry import DRAWN_GEOMETRY
from move37.worlds.parity import PARITY
from move37.worlds.paths import PATHS
from move37.worlds.shown import DrawnTask, parted
from move37.worlds.two_strategies import TWO_STRATEGIES
from move37.worlds.visual_countdown import VISUAL_COUNTDOWN


class WorldVerifier:
    """Judges the answers of one world."""

    name: str
    version = "1"
    world: ClassVar[World]

    def extract(self, problem: Problem, text: str) -> str | None:
        return self.world.find(text)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return reference

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        try:
            task = self.world.task(problem.metadata)
        except (KeyError, TypeError, ValueError):
            return Verdict(Outcome.UNSCORED, f"no task of {self.name} in the problem")
        fault, steps = task.fault(answer), self.steps(task, answer)
        if fault is None:
            return Verdict(Outcome.CORRECT, "matches", steps=steps)
        return Verdict(Outcome.INCORRECT, fault, steps=steps)

    def steps(self, task: Task, answer: str) -> tuple[StepVerdict, ...] | None:
        """Verdicts on the parts of an answer; None where there are none of their own."""
        return None


class PathsVerifier(WorldVerifier):
    name, world = "paths", PATHS


class ParityVerifier(WorldVerifier):
    name, world = "parity", PARITY


class TwoStrategiesVerifier(WorldVerifier):
    name, world = "two-strategies", TWO_STRATEGIES


class DrawnVerifier(WorldVerifier):
    """Of a drawn world: first what the picture was taken for, then the chain."""

    def steps(self, task: Task, answer: str) -> tuple[StepVerdict, ...] | None:
        assert isinstance(task, DrawnTask)
        read, chain = parted(answer)
        if read is None:
            return None
        is_right = task.fault(task.answer(chain)) is None
        return _step(read == task.written, (0, len(read))), _step(is_right, (len(read) + 1, len(answer)))


def _step(is_right: bool, span: tuple[int, int]) -> StepVerdict:
    return StepVerdict(Outcome.CORRECT if is_right else Outcome.INCORRECT, span=span)


class VisualCountdownVerifier(DrawnVerifier):
    name, world = "visual-countdown", VISUAL_COUNTDOWN


class DrawnGeometryVerifier(DrawnVerifier):
    name, world = "drawn-geometry", DRAWN_GEOMETRY
