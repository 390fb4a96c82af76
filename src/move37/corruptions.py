r"""Answers and responses whose truth is known: what a calibration puts before a verifier.

From a reference, seeded by the problem's id. Wrong answers, each of a kind:
    changed number    one digit is another                      off by one      a whole number is one more or less
    flipped sign      of a plain number                         wrong unit      centimetres for metres, and the like
    another option    of a choice question                      another answer  the reference of another problem
    no answer         an opening such as "Let's solve this problem step by step.", which language models that judge are
                      known to accept (arXiv 2507.08794)
Wrong responses, as a policy writes them that learns what its reward takes:
    hedge             the reference, or something else          two boxes       the reference in one of them
    taken back        the reference in a box, then another      in the reasoning  it stands before </think> alone
    negated           "The answer is not 7."                    bound           at least 7, 7 or more
    equation          2x = 7, 3 = 7                             multiple        7 million, 7 squared
    near miss         7 + 10^{-9}                               cut off         the box is never closed
    all options       of a choice question                      restated        the question, and no answer
Right responses, the reference said in other ways: sentence, named, in words, explained, after reasoning, said twice,
answer tag.
Left out: the wrong answers of a real model, which may be more or less tempting; wrong reasoning before a right answer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from move37.seeds import generation_seed
from move37.types import Problem
from move37.verifiers import CODE, Verifier
from move37.verifiers.equality import Comparison
from move37.verifiers.exact import normal
from move37.verifiers.letters import LETTERS, letter
from move37.verifiers.numeric import quantity

GOLD = "reference"
LONGEST_ALTERED = 200
"""Characters of a reference inside which something is altered; longer ones are texts or programs."""
READERS_OF_RESPONSES = frozenset(("math", "numeric", "choice", "exact", "judge"))
"""Verifiers that look for the answer in a response as `verifiers/extraction.py` does."""

_OPENINGS = ("Let's solve this problem step by step.", "Thought process:", "Solution", ":", ".", "I do not know.")
_DIGIT = re.compile(r"[0-9]")
_WHOLE = re.compile(r"(-?)([0-9][0-9,]*)(?![0-9.]|\s*/)")
_SIGNED = re.compile(r"-?[0-9.\\$]")
_NEAR_UNITS = {
    "mm": "cm", "cm": "m", "m": "cm", "km": "m", "g": "kg", "kg": "g", "s": "ms", "ms": "s", "J": "kJ", "N": "kN",
    "Hz": "kHz", "eV": "keV", "meters": "centimeters", "inches": "feet", "feet": "inches", "miles": "kilometers",
    "seconds": "minutes", "minutes": "hours", "hours": "minutes", "days": "weeks", "years": "months",
    "dollars": "cents", "cents": "dollars", "degrees": "radians",
}  # fmt: skip
_UNIT = re.compile(rf"(?<=[0-9\s{{}}~])({'|'.join(sorted(_NEAR_UNITS, key=len, reverse=True))})(?=$|[\s}}^/.,])")
_EXACTLY = Comparison(lambda a, b: None)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is put before the verifier; `kind` is `GOLD`, or how the answer or response was made."""

    problem: Problem
    kind: str
    answer: str
    """The reference, the corrupted answer, or the whole response."""
    right: bool = False
    is_response: bool = False
    """The text is a response as it stands; otherwise the verifier writes one around the answer."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What a corruption is made from."""

    problem: Problem
    gold: str
    random: Random
    golds: Sequence[str]
    """The references of all problems."""


def attempts(problems: Sequence[Problem], verifier: Verifier, per_kind: int = 1, seed: int = 0) -> list[Attempt]:
    """The references, their corruptions and other ways to say them, in the order of the problems. Seeded."""
    answers = WRONG_ANSWERS if verifier.name != CODE else {"another answer": _another_answer}
    reads = verifier.name in READERS_OF_RESPONSES
    responses = WRONG_RESPONSES if reads else {}
    spelled = {"named", "in words"} if verifier.name not in ("math", "numeric") else set()  # another text, for others
    renderings = {kind: make for kind, make in RIGHT_RESPONSES.items() if reads and kind not in spelled}
    golds = [problem.references[0] for problem in problems if problem.references]
    made: list[Attempt] = []
    for problem in problems:
        made += [Attempt(problem, GOLD, reference, right=True) for reference in problem.references]
        if not problem.references:
            continue

        def drawn(kind: str, make: Callable[[_Case], str | None], problem: Problem = problem) -> list[str]:
            random = Random(generation_seed(seed, f"corruption {kind} {problem.id}"))
            cases = (_Case(problem, random.choice(problem.references), random, golds) for _ in range(per_kind))
            return [text for text in dict.fromkeys(map(make, cases)) if text]

        for kind, make in answers.items():
            made += [Attempt(problem, kind, text) for text in drawn(kind, make) if not _is_right(problem, text)]
        for kind, make in responses.items():
            made += [Attempt(problem, kind, text, is_response=True) for text in drawn(kind, make)]
        for kind, make in renderings.items():
            made += [Attempt(problem, kind, text, right=True, is_response=True) for text in drawn(kind, make)]
    return made


def _is_right(problem: Problem, answer: str) -> bool:
    given = quantity(answer)
    for reference in problem.references:
        if normal(answer) == normal(reference):
            return True
        expected = quantity(reference)
        if given is not None and expected is not None and _EXACTLY.equal(expected, given) is True:
            return True
    return False


# -- wrong answers -------------------------------------------------------------------------------------------------


def _changed_number(case: _Case) -> str | None:
    gold, random = case.gold, case.random
    digits = [match.start() for match in _DIGIT.finditer(gold)] if _is_plain(gold) else []
    if not digits:
        return None
    at = random.choice(digits)
    return gold[:at] + random.choice([d for d in "0123456789" if d != gold[at]]) + gold[at + 1 :]


def _flipped_sign(case: _Case) -> str | None:
    number = quantity(case.gold)
    if number is None or not number.value.terms or not _SIGNED.match(case.gold):
        return None
    return case.gold.removeprefix("-") if case.gold.startswith("-") else f"-{case.gold}"


def _off_by_one(case: _Case) -> str | None:
    number = _WHOLE.match(case.gold)
    if number is None or quantity(case.gold) is None:
        return None
    value = int(number[1] + number[2].replace(",", "")) + case.random.choice((-1, 1))
    return f"{value}{case.gold[number.end() :]}"


def _wrong_unit(case: _Case) -> str | None:
    if not _is_plain(case.gold) or not _DIGIT.search(case.gold):
        return None
    changed, count = _UNIT.subn(lambda unit: _NEAR_UNITS[unit[1]], case.gold, count=1)
    return changed if count else None


def _another_option(case: _Case) -> str | None:
    options = len(case.problem.metadata.get("options", ()))
    right = {letter(reference) for reference in case.problem.references}
    wrong = [each for each in LETTERS[:options] if each not in right]
    return case.random.choice(wrong) if wrong else None


def _another_answer(case: _Case) -> str | None:
    for _ in range(20):
        other = case.random.choice(case.golds)
        if not _is_right(case.problem, other) and not _same_number(case.problem, other):
            return other
    return None


def _same_number(problem: Problem, answer: str) -> bool:
    """Whatever the unit."""
    given = quantity(answer)
    expected = [number for number in map(quantity, problem.references) if number]
    return given is not None and any(number.value.fraction == given.value.fraction for number in expected)


def _no_answer(case: _Case) -> str | None:
    return case.random.choice(_OPENINGS)


def _is_plain(gold: str) -> bool:
    return len(gold) <= LONGEST_ALTERED and "\n" not in gold


# -- wrong responses -----------------------------------------------------------------------------------------------


def _other(case: _Case) -> str | None:
    """A wrong answer of the same sort as the reference: another option, number or text."""
    if case.problem.metadata.get("options"):
        return _another_option(case)
    for make in (_off_by_one, _another_answer):
        other = make(case)
        if other and not _is_right(case.problem, other) and _is_plain(other):
            return other
    return None


def _with_other(*templates: str) -> Callable[[_Case], str | None]:
    """A response made of the reference and a wrong answer."""

    def make(case: _Case) -> str | None:
        other = _other(case) if _is_plain(case.gold) else None
        if other is None:
            return None
        return case.random.choice(templates).replace("GOLD", case.gold).replace("OTHER", other)

    return make


def _of_number(*templates: str) -> Callable[[_Case], str | None]:
    """A response made of a reference that is a plain number other than zero."""

    def make(case: _Case) -> str | None:
        number = quantity(case.gold)
        if number is None or number.unit or number.percent or not number.value.terms or not _is_plain(case.gold):
            return None
        if re.search(r"[=<>]|\\(?:in|leq?|geq?)\b", case.gold):
            return None  # it has a name already
        return case.random.choice(templates).replace("GOLD", case.gold)

    return make


def _of_gold(*templates: str) -> Callable[[_Case], str | None]:
    def make(case: _Case) -> str | None:
        return case.random.choice(templates).replace("GOLD", case.gold) if _is_plain(case.gold) else None

    return make


def _cut_off(case: _Case) -> str | None:
    if not _is_plain(case.gold):
        return None
    kept = case.random.randint(0, len(case.gold) - 1)
    return f"We add everything up and find that it is \\boxed{{{case.gold[:kept]}"


def _all_options(case: _Case) -> str | None:
    options = case.problem.metadata.get("options", ())
    return "\n".join(f"{LETTERS[i]}) {option}" for i, option in enumerate(options)) if len(options) > 1 else None


def _restated(case: _Case) -> str | None:
    """A question in which the reference does not occur, or it would be an answer."""
    if case.gold in case.problem.question or case.problem.metadata.get("options"):
        return None
    return f"We are asked the following. {case.problem.question}"


# -- right responses -----------------------------------------------------------------------------------------------


def _after_reasoning(case: _Case) -> str | None:
    other = _other(case)
    return f"<think>Perhaps \\boxed{{{other}}}?</think> No: \\boxed{{{case.gold}}}" if other else None


WRONG_ANSWERS: dict[str, Callable[[_Case], str | None]] = {
    "changed number": _changed_number,
    "flipped sign": _flipped_sign,
    "off by one": _off_by_one,
    "wrong unit": _wrong_unit,
    "another option": _another_option,
    "another answer": _another_answer,
    "no answer": _no_answer,
}
WRONG_RESPONSES: dict[str, Callable[[_Case], str | None]] = {
    "hedge": _with_other(
        "The answer is GOLD or OTHER.", "\\boxed{GOLD \\text{ or } OTHER}", "Answer: GOLD, or possibly OTHER"
    ),
    "two boxes": _with_other("It is \\boxed{GOLD} or \\boxed{OTHER}.", "\\boxed{OTHER}, \\boxed{GOLD}"),
    "taken back": _with_other("So it is \\boxed{GOLD}. No, that is wrong. It is \\boxed{OTHER}."),
    "in the reasoning": _with_other("<think>It is \\boxed{GOLD}.</think> The answer is OTHER."),
    "negated": _of_gold("The answer is not GOLD.", "The answer cannot be GOLD."),
    "bound": _of_number("The answer is at least GOLD.", "\\boxed{x \\ge GOLD}", "\\boxed{GOLD \\text{ or more}}"),
    "equation": _of_number("\\boxed{2x = GOLD}", "\\boxed{x^2 - 1 = GOLD}", "\\boxed{GOLD + 1 = GOLD}"),
    "multiple": _of_number(
        "\\boxed{GOLD \\text{ million}}", "The answer is GOLD hundred.", "\\boxed{GOLD \\text{ dozen}}"
    ),
    "near miss": _of_number("\\boxed{GOLD + 10^{-2}}", "\\boxed{GOLD - \\frac{1}{2^{5}}}"),
    "cut off": _cut_off,
    "all options": _all_options,
    "restated": _restated,
}
RIGHT_RESPONSES: dict[str, Callable[[_Case], str | None]] = {
    "sentence": _of_gold("The answer is GOLD.", "**Final answer:** GOLD", "Therefore, the final answer is GOLD."),
    "named": _of_number("\\boxed{x = GOLD}", "The answer is $n = GOLD$."),
    "in words": _of_gold("\\boxed{\\text{The answer is } GOLD}", "\\boxed{\\text{Answer: } GOLD}"),
    "explained": _of_gold(
        "The answer is GOLD, because everything else fails.", "The answer is GOLD (since nothing else fits)."
    ),
    "after reasoning": _after_reasoning,
    "said twice": _of_gold("So it is \\boxed{GOLD}. The final answer is \\boxed{GOLD}."),
    "answer tag": _of_gold("<answer>GOLD</answer>", "<answer> GOLD </answer> That is all."),
}
