"""Is the response a chain that solves its countdown puzzle? Every step is checked, so nothing can be guessed.

The rules are `move37.countdown`'s. The response has to be one chain and nothing else (white space around it and the
end mark do not count); anything that is not written as a chain is no answer. The puzzle is read from the problem's
metadata ("numbers", "target"); the reference chain is one of many right ones and is not consulted.

`steps` asks for verdicts on the steps too, up to the first that breaks the rules: "rules" says of each whether it does,
"values" also whether the target can still be reached behind it (score 1 or 0), which the exhaustive solver knows.
Left out: scores for chains that come close.
"""

from typing import Literal

from move37.countdown import Oracle, Puzzle, find_chain, find_fault
from move37.types import Outcome, Problem, StepVerdict, Verdict
from move37.worlds.countdown_steps import JudgedStep, judged_steps


class CountdownVerifier:
    name = "countdown"
    version = "1"

    def __init__(self, steps: Literal["none", "rules", "values"] = "none") -> None:
        self._steps = steps
        if steps != "none":
            self.version = f"1+steps={steps}"

    def extract(self, problem: Problem, text: str) -> str | None:
        return find_chain(text)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return reference

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not {"numbers", "target"} <= problem.metadata.keys():
            return Verdict(Outcome.UNSCORED, "no numbers and target in the problem")
        puzzle = Puzzle.of(problem.metadata)
        fault = find_fault(puzzle, answer)
        outcome, reason = (Outcome.CORRECT, "matches") if fault is None else (Outcome.INCORRECT, fault.value)
        if self._steps == "none":
            return Verdict(outcome, reason)
        return Verdict(outcome, reason, steps=tuple(map(self._judged, judged_steps(Oracle(puzzle), answer))))

    def _judged(self, step: JudgedStep) -> StepVerdict:
        outcome = Outcome.CORRECT if step.fault is None else Outcome.INCORRECT
        score = float(step.can_reach) if self._steps == "values" else None
        return StepVerdict(outcome, score, (step.start, step.end))
