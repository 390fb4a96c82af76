"""Does a user's own Python function say that the response is right? `verifier = "grader.py:grade"`.

    def grade(problem, text):            # problem: move37.types.Problem
        return problem.references[0] in text

It returns True, False or None (correct, incorrect, unscored), a number in [0, 1] (1 is correct, anything below is not;
training takes the number for its reward; within a billionth it is 1 or 0, as sums of weights are rounded), or a
`move37.types.Verdict`. Arrays and tensors of one number are that number. What it raises, and any other value, makes the
response unscored with the reason: a grader's bug is not a model's mistake. It runs in the worker processes within their
budgets, like every verifier. It is given the whole response, or, where its file also has
`extract(problem, text) -> str | None`, what that returns (None: no answer, incorrect); equal answers are graded once.
`format_answer(problem, reference) -> str` may say what a response with a right answer looks like, which
`move37 validate` asks.

The function stands in a file ("graders/mine.py:grade", in a study relative to the study's file) or in an importable
module ("package.module:grade"). The verifier's version is a digest of that file: after an edit every sample is graded
anew. Left out of it: what the file imports. A class that stands there is a
verifier of its own (`source.py`). It is your code, and runs with your rights: no sandbox.
"""

import inspect
import numbers
import traceback
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from difflib import get_close_matches
from types import ModuleType
from typing import Any

from move37.errors import InputError
from move37.registry import Source
from move37.types import Flag, Outcome, Problem, Verdict
from move37.verifiers.old_names import format_answer_of

FORM = "grader.py:function"
"""How a function is named, for messages."""
_ROUNDING = 1e-9
"""Of a sum of weights: .7 + .2 + .1 is less than 1."""


class FunctionVerifier:
    """`source` is "path/to/grader.py:function" or "package.module:function". Raises InputError, in one line."""

    name = "function"

    def __init__(self, source: str) -> None:
        found = Source.parse("verifier", source, FORM)
        self._path, self._source, self._digest = found.path, found.full, found.digest
        self._module = found.module()
        self._function = _function(self._module, found.attribute, source)
        self._extract: Callable[..., Any] | None = getattr(self._module, "extract", None)
        self._format_answer = format_answer_of(self._module)
        self.version = f"1+{found.attribute}-{self._digest}"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return _made_again, (self._source, self._digest)

    def extract(self, problem: Problem, text: str) -> str | None:
        answer = text.strip() or None
        if answer is None or self._extract is None:
            return answer
        found = self._extract(problem, text)
        if found is not None and not isinstance(found, str):
            raise TypeError(f"extract returned {type(found).__name__}, not a text or None")
        return found

    def format_answer(self, problem: Problem, reference: str) -> str:
        return str(self._format_answer(problem, reference)) if self._format_answer else f"\\boxed{{{reference}}}"

    def set_up(self) -> None:
        """Loaded when it was made."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        name = self._function.__name__
        try:
            # a copy, so that what a function does to it is not the next answer's problem
            said = self._function(replace(problem, metadata=deepcopy(dict(problem.metadata))), answer)
        except MemoryError:
            raise
        except Exception as error:
            raised = f"{name} raises {type(error).__name__} ({self._line(error)})"
            return Verdict(Outcome.UNSCORED, raised, flags=frozenset({Flag.CRASHED}))
        if isinstance(said, Verdict):
            return said
        if getattr(said, "ndim", None) == 0 and hasattr(said, "item"):  # one number of NumPy's or torch's
            said = said.item()
        if said is None:
            return Verdict(Outcome.UNSCORED, f"{name} returned None")
        if isinstance(said, bool):
            return Verdict(Outcome.CORRECT, "matches") if said else Verdict(Outcome.INCORRECT, "differs")
        if isinstance(said, numbers.Real | Decimal):  # NumPy's scalars are
            return _of_number(name, float(said))
        return Verdict(
            Outcome.UNSCORED,
            f"{name} returned {type(said).__name__}, not True, False, None, a number in [0, 1] or a Verdict",
        )

    def _line(self, error: Exception) -> str:
        """The last line of the user's own file that the error came through."""
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(self._path)]
        return f"{self._path.name} line {lines[-1]}" if lines else self._path.name


def _of_number(name: str, score: float) -> Verdict:
    score = next((whole for whole in (0.0, 1.0) if abs(score - whole) <= _ROUNDING), score)
    if not 0 <= score <= 1:
        return Verdict(Outcome.UNSCORED, f"{name} returned {score:g}, and a score lies in [0, 1]")
    if score in (0, 1):
        return Verdict(Outcome.CORRECT, "matches") if score else Verdict(Outcome.INCORRECT, "differs")
    return Verdict(Outcome.INCORRECT, f"score {score:g}, and 1 is correct", score=score)


def _made_again(source: str, digest: str) -> FunctionVerifier:
    """The verifier in another process, from the same file as before."""
    verifier = FunctionVerifier(source)
    if verifier._digest != digest:
        raise InputError(f"{verifier._path}: was edited while answers were verified; verify again")
    return verifier


def _function(module: ModuleType, name: str, source: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f" (functions there: {', '.join(known) or 'none'})"
        raise InputError(f"verifier {source!r}: no function {name!r} in {module.__file__}{hint}")
    try:
        inspect.signature(found).bind("problem", "text")
    except (TypeError, ValueError):
        raise InputError(f"verifier {source!r}: {name} has to take two arguments, (problem, text)") from None
    if inspect.iscoroutinefunction(found):
        raise InputError(f"verifier {source!r}: {name} is asynchronous; write it with def, not async def")
    return found
