"""Does a verifier keep the contract of `move37.verifiers.Verifier`?"""

import pickle
import time
from collections.abc import Sequence

from move37.config import VerificationConfig
from move37.testing.claims import require
from move37.types import Outcome, Problem
from move37.verification import VerifierPool
from move37.verifiers import Verifier, label_of

MEGABYTE = 1_000_000
LONG_TEXTS = {  # a megabyte each
    "braces": "{" * MEGABYTE,
    "open boxes": "\\boxed{" * (MEGABYTE // 7),
    "digits and commas": "1," * (MEGABYTE // 2),
    "answer answer": "answer " * (MEGABYTE // 7),
    "tags": "<answer>" * (MEGABYTE // 8),
    "line ends": "\n" * MEGABYTE,
    "spaces": "answer" + " " * MEGABYTE,
    "control characters": "\x00\x1b[2J\x07" * (MEGABYTE // 6),
    "half of a surrogate pair": "\ud800" * MEGABYTE,
}
EXTRACT_SECONDS = 10.0
"""CPU time for finding the answer in two megabytes: what is linear takes less than one, what is quadratic minutes."""


def check_verifier(verifier: Verifier, problems: Sequence[Problem], wrong: str, silent: str = " \n ") -> None:
    """Raises AssertionError unless `verifier` can be used for `problems`.

    `wrong` is a response with another answer than any of their references, `silent` one without any answer. Checked:
    name and version can be those of a folder, and survive pickling; in worker processes every reference is correct,
    `wrong` is incorrect, `silent` and the empty response are incorrect for want of an answer;
    finding the answer raises nothing, gives a text or None, the same twice, in linear time.
    """
    require(bool(problems) and any(p.references for p in problems), "give at least one problem with a reference")
    _check_label(verifier)
    for kind, text in {"a wrong response": wrong, "no answer": silent, **LONG_TEXTS}.items():
        _check_extraction(verifier, problems[0], kind, text)
    _check_verdicts(verifier, problems, wrong, silent)


def _check_label(verifier: Verifier) -> None:
    for key in ("name", "version"):
        value = getattr(verifier, key, None)
        require(isinstance(value, str) and bool(value), f"{key} has to be a text, not {value!r}")
        require(not set(str(value)) & set("/\\\0\n"), f"{key} {value!r} cannot be the name of a folder")
    revision = verifier.version.split("+")[0]
    require(revision.isdigit(), f"version {verifier.version!r} has to begin with your own revision, as in '1'")
    again = pickle.loads(pickle.dumps(verifier))
    require(label_of(again) == label_of(verifier), "name or version is another one after pickling")


def _check_verdicts(verifier: Verifier, problems: Sequence[Problem], wrong: str, silent: str) -> None:
    asked: list[tuple[Problem, str, tuple[str, Outcome]]] = []
    for problem in problems:
        for reference in problem.references:
            text = _right_response(verifier, problem, reference)
            asked.append((problem, text, (f"{problem.id}: the reference {reference!r}", Outcome.CORRECT)))
        asked.append((problem, wrong, (f"{problem.id}: the wrong response", Outcome.INCORRECT)))
        for text in (silent, ""):
            asked.append((problem, text, (f"{problem.id}: {text!r}, a response without an answer", Outcome.INCORRECT)))
    with VerifierPool(VerificationConfig(workers=1, cache=False)) as pool:
        for (what, outcome), verdict in pool.verify(verifier, asked):
            said = f"{what} has to be {outcome.value}, but is {verdict.outcome.value} ({verdict.reason})"
            require(verdict.outcome is outcome, said)
            if what.endswith("without an answer"):
                require(verdict.answer is None, f"{what}: extract found {verdict.answer!r} in it")


def _right_response(verifier: Verifier, problem: Problem, reference: str) -> str:
    text = verifier.format_answer(problem, reference)
    require(isinstance(text, str), f"format_answer has to return a text, not {type(text).__name__}")
    return text


def _check_extraction(verifier: Verifier, problem: Problem, kind: str, text: str) -> None:
    start = time.process_time()
    try:
        found = [verifier.extract(problem, text) for _ in range(2)]
    except Exception as error:
        raise AssertionError(f"extract raises {type(error).__name__} on {kind}: {error}") from error
    spent = time.process_time() - start
    require(spent < EXTRACT_SECONDS, f"extract took {spent:.0f} s for {kind}, twice; make it linear")
    for each in found:
        require(each is None or isinstance(each, str), f"extract has to return a text or None, not {each!r:.60}")
    require(found[0] == found[1], f"extract gives two answers for one text, {kind}")
