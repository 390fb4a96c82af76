"""The edge of capability as a belief: problems come in proportion to what their solve rate promises to teach.

Every problem has a Beta belief about its solve rate p, from what was seen of it; before each step beliefs fade by
`decay` towards the start, for the policy moves. A step draws p of every problem from its belief (Thompson sampling) and
takes problems without replacement with a chance in proportion to `weight` of it:

    "variance"   p (1 - p): half of what RLOO's advantages of a group amount to
    "maxrl"      1 - (1 - p)^G - p: half of what MaxRL's amount to (Tajwar et al. 2602.02710 for the rule), which
                 prefers rarer successes; G is `group`
    "group"      1 - p^G - (1 - p)^G: the chance that a group is mixed, GRPO's and DAPO's

A share `floor` of a step is drawn from all problems alike, so that none is given up. Facts of the idea and of how such
claims fail: linjiw/curriculum-maxrl (2026), whose own study withdrew several.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from move37.config import Settings
from move37.errors import InputError
from move37.seeds import analysis_seed
from move37.training.curricula import Counts, State
from move37.types import FloatArray, Problem


class EdgePosterior:
    """See the module."""

    class Options(Settings):
        weight: Literal["variance", "maxrl", "group"] = Field(
            default="variance", description="What a problem is worth at a solve rate."
        )
        group: int = Field(default=16, ge=2, description="Responses per prompt, for the weights that read it.")
        decay: float = Field(default=0.9, gt=0, le=1, description="What is left of a belief after a step.")
        floor: float = Field(default=0.1, ge=0, le=1, description="Share of a step that comes from all problems alike.")
        prior: tuple[float, float] = Field(default=(1.0, 1.0), description="The belief before anything is seen.")

    filters: ClassVar[bool] = False

    def __init__(self, options: Options, problems: Sequence[Problem], seed: int) -> None:
        if min(options.prior) <= 0:
            raise InputError("curriculum.options.prior: both numbers of a Beta belief are above 0")
        self.options, self.problems, self.seed = options, problems, seed
        self.places = {problem.id: place for place, problem in enumerate(problems)}
        self.seen_M2 = np.zeros((len(problems), 2))
        """Right and wrong responses, faded."""
        self.drawn = 0

    def take(self, count: int, step: int) -> list[Problem]:
        generator = np.random.default_rng(analysis_seed(self.seed, f"curriculum step {step}, draw {self.drawn}"))
        self.drawn += 1
        if count >= len(self.problems):
            places = generator.permutation(len(self.problems))
            return [self.problems[int(places[i % len(places)])] for i in range(count)]
        right_M, wrong_M = (self.seen_M2 + self.options.prior).T
        weights_M = self.worth(generator.beta(right_M, wrong_M)) + 1e-12
        chances_M = (1 - self.options.floor) * weights_M / weights_M.sum() + self.options.floor / len(weights_M)
        return [self.problems[int(i)] for i in generator.choice(len(weights_M), count, False, chances_M)]

    def worth(self, p_M: FloatArray) -> FloatArray:
        """What problems of these solve rates promise to teach."""
        group = self.options.group
        if self.options.weight == "variance":
            return p_M * (1 - p_M)
        if self.options.weight == "maxrl":
            return 1 - (1 - p_M) ** group - p_M
        return 1 - p_M**group - (1 - p_M) ** group

    def keeps(self, right: int, scored: int) -> bool:
        return True

    def observe(self, counts: Counts) -> None:
        self.seen_M2 *= self.options.decay
        for problem, (right, scored) in counts.items():
            self.seen_M2[self.places[problem]] += right, scored - right

    def state(self) -> State:
        return {"drawn": self.drawn, "seen": self.seen_M2.tolist()}

    def load(self, state: State) -> None:
        self.drawn, self.seen_M2 = state["drawn"], np.array(state["seen"], dtype=np.float64).reshape(-1, 2)
