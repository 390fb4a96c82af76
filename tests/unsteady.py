"""A verifier that cannot confirm its verdicts where a certain answer was among them: its state is spoilt by it."""

from move37.types import Outcome, Problem, Verdict

SPOILER = "spoiler"


class UnsteadyVerifier:
    """After the spoiler everything is incorrect, until `confirm` has noticed."""

    name, version = "unsteady", "1"

    def __init__(self) -> None:
        self.spoilt = False

    def extract(self, problem: Problem, text: str) -> str | None:
        return text

    def format_answer(self, problem: Problem, reference: str) -> str:
        return reference

    def set_up(self) -> None:
        self.spoilt = False

    def verify(self, problem: Problem, answer: str) -> Verdict:
        right = answer.startswith("right") and not self.spoilt
        self.spoilt = self.spoilt or answer.startswith(SPOILER)
        return Verdict(Outcome.CORRECT if right else Outcome.INCORRECT, "said")

    def confirm(self) -> bool:
        sound, self.spoilt = not self.spoilt, False
        return sound
