"""The worlds by name, and the task that a problem is."""

from collections.abc import Mapping

from move37.types import Problem
from move37.worlds import Task, World
from move37.worlds.countdown import COUNTDOWN
from move37.worlds.drawn_geometry import DRAWN_GEOMETRY
from move37.worlds.parity import PARITY
from move37.worlds.paths import PATHS
from move37.worlds.two_strategies import TWO_STRATEGIES
from move37.worlds.visual_countdown import VISUAL_COUNTDOWN

WORLDS: Mapping[str, World] = {
    world.name: world for world in (COUNTDOWN, PATHS, PARITY, TWO_STRATEGIES, VISUAL_COUNTDOWN, DRAWN_GEOMETRY)
}


def task_of(problem: Problem) -> Task | None:
    """The task of a world that a problem is; None for a problem of another kind.

    A world's problems are those that its own verifier judges.
    """
    world = WORLDS.get(problem.verifier)
    if world is None:
        return None
    try:
        return world.task(problem.metadata)
    except (KeyError, TypeError, ValueError):
        return None
