"""Verdicts on the steps of a response, as the trainer reads them."""

from move37.types import Outcome, Verdict


def sound_length(text: str, verdict: Verdict) -> int | None:
    """Characters of the response before its first step that is wrong; None where the verifier judged no steps.

    All of it where no step is. Spans are those of the answer, which is looked for in the response.
    """
    if verdict.steps is None or verdict.answer is None:
        return None
    begin = text.rfind(verdict.answer)
    wrong = [step.span[0] for step in verdict.steps if step.outcome is Outcome.INCORRECT and step.span is not None]
    if begin < 0:
        return None
    return begin + min(wrong) if wrong else len(text)
