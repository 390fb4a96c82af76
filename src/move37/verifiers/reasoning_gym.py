"""Does the task's own scorer give the answer full marks? For problems made by Reasoning Gym (arXiv 2505.24760).

Judged by the `score_answer` of the task that made the problem, called with the task's options and the problem's own
entry (metadata "task", "options", "entry"). Score 1 is correct, anything less is incorrect: partial credit is for
shaping a reward, not for pass@k. Comparison with 1 - 1e-9 forgives rounding. Some scorers give full marks to wrong
answers too; there the answer is checked first (`_LENIENT`). An answer that a scorer fails over, where it does not fail
over the task's own answer, is incorrect.

The answer is the `<answer>` tag (Reasoning Gym's convention), else the last complete box, else the last final-answer
phrase, else the last line. Scorers compare strings, so where the task's own answer is a plain number, the number is
taken out of the words around it: in a tag or box the only number after the last "=" ("= 1,234 apples" is "1234",
"5x + 3" stays what it is), in prose the last number. Where the task's own answer has several lines (a grid), so many
last lines are taken instead of one.

Some scorers hand the answer to Python's `eval` or SymPy's parser, which is one. There an answer that calls anything
but a mathematical function, or reaches for an attribute, is incorrect unseen. That keeps accidents out; it is no
sandbox, so let such tasks judge your own models, not an adversary's.
"""

import json
import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from move37.types import Outcome, Problem, Verdict
from move37.verifiers.extraction import after_phrase, last_boxed, last_lines, last_tagged, numbers

_EVALUATED = {
    "binary_matrix",
    "countdown",
    "intermediate_integration",
    "n_queens",
    "polynomial_multiplication",
    "puzzle24",
    "simple_integration",
    "spiral_matrix",
    "string_insertion",
}
"""Tasks of reasoning-gym 0.1.25 whose scorer evaluates the answer."""
_TUPLES = {"arc_agi", "rearc"}
"""Tasks whose scorer compares with tuples, which an entry that went through JSON no longer has."""
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_CALL_OR_ATTRIBUTE = re.compile(
    r"__|\blambda\b|[)\]\"'A-Za-z_]\s*\.\s*[A-Za-z_]|"
    r"(?<![A-Za-z0-9_])(?!(?:sqrt|exp|log|ln|a?(?:sin|cos|tan|sec|csc|cot)h?|[Aa]bs|asinh|acosh|atanh)\b)[A-Za-z_]\w+\s*\("
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_DIGITS = re.compile(r"\d+")
_FORMULA = re.compile(r"\\(?!text|mathrm|[$%,!;: ])|[\^_*/+]|\d[A-Za-z]")
_WRAPPED = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\{([^{}]*)\}|\$([^$]*)\$|\*\*(.*)\*\*", re.DOTALL)


def _is_near(answer: str, reference: str) -> bool:
    """Within the tolerance of coin_flip's own scorer."""
    try:
        return abs(Fraction(answer.replace(",", "")) - Fraction(reference.replace(",", ""))) <= Fraction(1, 10_000)
    except (ValueError, ZeroDivisionError):
        return False


def _uses_the_same_numbers(answer: str, reference: str) -> bool:
    return sorted(_DIGITS.findall(answer)) == sorted(_DIGITS.findall(reference))


_LENIENT: dict[str, Callable[[str, str], bool]] = {
    "coin_flip": _is_near,  # full marks for a beginning of the number: "0" for 0.234375
    "complex_arithmetic": lambda answer, reference: "nan" not in answer.casefold(),  # min(1, nan) is 1
    "gsm_symbolic": lambda answer, reference: _is_near(answer.lstrip("$"), reference),  # "-20" for 20
    "puzzle24": _uses_the_same_numbers,  # any formula that makes 24
    "game_of_life_halting": lambda answer, reference: answer.strip().casefold() == reference.casefold(),  # for any text
}
"""Tasks of reasoning-gym 0.1.25 whose scorer gives full marks to wrong answers, and what an answer must be as well."""


class ReasoningGymVerifier:
    name = "reasoning-gym"
    version = f"2+reasoning-gym-{version('reasoning-gym')}"

    def extract(self, problem: Problem, text: str) -> str | None:
        lines = max((reference.count("\n") + 1 for reference in problem.references), default=1)
        marked = last_tagged(text) or last_boxed(text)
        answer = marked or (after_phrase(text) if lines == 1 else None) or last_lines(text, lines)
        if answer is None:
            return None
        wrapped = _WRAPPED.fullmatch(answer)
        if wrapped:
            answer = next(group for group in wrapped.groups() if group is not None).strip()
        if problem.references and all(map(_NUMBER.fullmatch, problem.references)):
            return _number_in(answer, prose=marked is None)
        return answer or None

    def format_answer(self, problem: Problem, reference: str) -> str:
        return f"<answer>{reference}</answer>"

    def set_up(self) -> None:
        """Import the hundred task modules: a second, once per worker."""
        import reasoning_gym  # noqa: F401

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if not {"task", "options", "entry"} <= problem.metadata.keys():
            return Verdict(Outcome.UNSCORED, "no task, options and entry in the problem")
        task, entry = problem.metadata["task"], dict(problem.metadata["entry"])
        if task in _EVALUATED and _CALL_OR_ATTRIBUTE.search(answer):
            return Verdict(Outcome.INCORRECT, "a program, not an answer")
        if task in _LENIENT and not _LENIENT[task](answer, str(entry["answer"])):
            return Verdict(Outcome.INCORRECT, "differs")
        if task in _TUPLES:
            entry = _with_tuples(entry)
        scorer = _dataset(task, json.dumps(problem.metadata["options"], sort_keys=True))
        try:
            score = scorer.score_answer(answer, entry)
        except _UNREADABLE:
            if not problem.references:
                raise
            scorer.score_answer(problem.references[0], entry)  # raises as well where it is not the answer's fault
            return Verdict(Outcome.INCORRECT, "not readable by the task's scorer")
        if score >= 1 - 1e-9:
            return Verdict(Outcome.CORRECT, "matches")
        return Verdict(Outcome.INCORRECT, "differs")


def _number_in(answer: str, prose: bool) -> str | None:
    """The number that the words around it announce; `answer` itself where a formula stands in a tag or box."""
    if _NUMBER.fullmatch(answer):
        return answer
    candidates = numbers(answer if prose else answer.rpartition("=")[2])
    if not prose and (len(candidates) != 1 or _FORMULA.search(answer.rpartition("=")[2])):
        return answer or None
    return candidates[-1].rstrip("\\%") if candidates else None


@lru_cache(maxsize=64)
def _dataset(task: str, options: str) -> Any:
    """The task set up as the problem's own; of its problems none is made."""
    from reasoning_gym import create_dataset

    return create_dataset(task, **{"size": 1, "seed": 0, **json.loads(options)})


def _with_tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_with_tuples, value))
    if isinstance(value, dict):
        return {key: _with_tuples(inner) for key, inner in value.items()}
    return value
