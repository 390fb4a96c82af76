"""Is the response a right answer to its task in one of the lab's worlds? Its rules decide, not the reference.

The response has to be one answer and nothing else (white space around it and the end mark do not count). The task is
read from the problem's metadata. Countdown has a file of its own because it had one first.
"""

from typing import ClassVar

from move37.types import Outcome, Problem, Verdict
from move37.worlds import World
from move37.worlds.parity import PARITY
from move37.worlds.paths import PATHS
from move37.worlds.two_strategies import TWO_STRATEGIES


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
        fault = task.fault(answer)
        return Verdict(Outcome.CORRECT, "matches") if fault is None else Verdict(Outcome.INCORRECT, fault)


class PathsVerifier(WorldVerifier):
    name, world = "paths", PATHS


class ParityVerifier(WorldVerifier):
    name, world = "parity", PARITY


class TwoStrategiesVerifier(WorldVerifier):
    name, world = "two-strategies", TWO_STRATEGIES
