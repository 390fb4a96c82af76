"""Is the response a chain that solves its countdown puzzle? Every step is checked, so nothing can be guessed.

The rules are `move37.countdown`'s. The response has to be one chain and nothing else (white space around it and the
end mark do not count); anything that is not written as a chain is no answer. The puzzle is read from the problem's
metadata ("numbers", "target"); the reference chain is one of many right ones and is not consulted.
Left out: scores for chains that come close.
"""

from move37.countdown import Puzzle, find_chain, find_fault
from move37.types import Outcome, Problem, Verdict


class CountdownVerifier:
    name = "countdown"
    version = "1"

    def extract(self, problem: Problem, text: str) -> str | None:
        return find_chain(text)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return reference

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not {"numbers", "target"} <= problem.metadata.keys():
            return Verdict(Outcome.UNSCORED, "no numbers and target in the problem")
        fault = find_fault(Puzzle.of(problem.metadata), answer)
        return Verdict(Outcome.CORRECT, "matches") if fault is None else Verdict(Outcome.INCORRECT, fault.value)
