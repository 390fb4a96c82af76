"""How often is the judge wrong? Right answers and answers that are wrong for certain, put before a verifier.

Reference answers should all be accepted. Corrupted ones should all be rejected: they are made from the references, of
a kind each, seeded by the problem's id:
    changed number    one digit is another                      off by one      a whole number is one more or less
    flipped sign      of a plain number                         wrong unit      centimetres for metres, and the like
    another option    of a choice question                      another answer  the reference of another problem
    no answer         an opening such as "Let's solve this problem step by step.", which language models that judge are
                      known to accept (arXiv 2507.08794)
A corruption that equals a reference, as text or as a number with its unit, is not used. Shares are of scored answers,
with Clopper-Pearson intervals.

Why it matters here: if every wrong sample is accepted with chance f, a model that is never right reaches pass@k =
1 - (1-f)^k. At k = 1024, f = 0.001 makes 0.64. The floor is that of wrong answers which all differ: equal answers are
judged once and share their verdict. Small f takes many answers to show, and the result says how many.

A verifier that tolerates (numeric) accepts some corruptions on purpose; what was accepted is listed to be looked at.
Left out: the wrong answers of a real model, which may be more or less tempting; wrong reasoning before a right answer.
"""

import math
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from random import Random

from move37.analyses.grader_errors import floor
from move37.config import VerificationConfig
from move37.errors import InputError
from move37.estimates.reliability import exact_share_interval
from move37.seeds import generation_seed
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers import CODE, Verifier, label_of
from move37.verifiers.choice import LETTERS, letter
from move37.verifiers.exact import normal
from move37.verifiers.numeric import quantity
from move37.verifiers.old_names import with_new_names
from move37.verifiers.options import make_verifier

GOLD = "reference"
FEW = 0.05
"""A floor that low leaves the curve to the model: how many answers it takes to show that is said."""
MOST_LISTED = 100
LONGEST_ALTERED = 200
"""Characters of a reference inside which something is altered; longer ones are texts or programs."""

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


@dataclass(frozen=True, slots=True)
class Attempt:
    """An answer put before the verifier; `kind` is `GOLD` or the kind of corruption."""

    problem: Problem
    kind: str
    answer: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The share of answers of one kind that were accepted: `accepted` of `scored`; None without any scored."""

    kind: str
    accepted: int
    scored: int
    unscored: int
    share: float | None
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Floor:
    """pass@k that a model reaches which is never right: with the share of corruptions accepted, and its upper limit."""

    k: int
    value: float | None
    upper: float


@dataclass(frozen=True, slots=True)
class Surprise:
    """An answer that was judged against expectation, or not at all."""

    problem: str
    kind: str
    answer: str
    references: tuple[str, ...]
    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Calibration:
    """What a verifier does with answers whose truth is known. Intervals are two-sided at `confidence`."""

    verifier: str
    confidence: float
    problems: int
    references: Rate
    corrupted: Rate
    by_kind: tuple[Rate, ...]
    floor: tuple[Floor, ...]
    answers_needed: int
    """Corruptions, none of them accepted, after which the floor's upper limit at the largest k would be `FEW`."""
    surprises: tuple[Surprise, ...]


Track = Callable[[int], AbstractContextManager[Callable[[int], None]]]


def calibrate(
    verifier: Verifier,
    problems: Sequence[Problem],
    settings: VerificationConfig | None = None,
    per_kind: int = 1,
    seed: int = 0,
    k_max: int = 1024,
    confidence: float = 0.95,
    track: Track = lambda total: nullcontext(lambda done: None),
) -> Calibration:
    """Judge every reference, and up to `per_kind` corruptions of each kind per problem. `track` shows the progress.

    Raises InputError where there is nothing to judge or a number makes no sense.
    """
    if per_kind < 1 or k_max < 1 or not 0 < confidence < 1:
        raise InputError("a calibration needs per_kind and k of at least 1, and a confidence between 0 and 1")
    verifier = with_new_names(verifier)
    asked = attempts(problems, verifier, per_kind, seed)
    if not asked:
        raise InputError("there is no reference answer to calibrate with")
    judged: list[tuple[Attempt, Verdict]] = []
    with VerifierPool(settings) as pool, track(len(asked)) as advance:
        responses = ((a.problem, verifier.format_answer(a.problem, a.answer), a) for a in asked)
        for attempt, verdict in pool.verify(verifier, responses):
            judged.append((attempt, verdict))
            advance(1)
    place = {id(attempt): number for number, attempt in enumerate(asked)}
    return _summary(verifier, sorted(judged, key=lambda each: place[id(each[0])]), k_max, confidence)


def calibrate_each(
    problems: Sequence[Problem],
    settings: VerificationConfig,
    replacement: str | None = None,
    track: Callable[..., AbstractContextManager[Callable[[int], None]]] = lambda *asked, **unit: nullcontext(
        lambda done: None
    ),
    **numbers: int,
) -> list[Calibration]:
    """`calibrate` for each verifier that the problems have, or for `replacement`; `numbers` are its own.

    `track` is that of a progress: given what is done, of how many, and their unit.
    """
    by_verifier: dict[str, list[Problem]] = {}
    for problem in problems:
        by_verifier.setdefault(replacement or problem.verifier, []).append(problem)
    made = []
    for name, own in by_verifier.items():
        shown = partial(track, f"Calibrating {name}", unit="answers")
        made.append(calibrate(make_verifier(name, settings), own, settings, track=shown, **numbers))
    return made


def attempts(problems: Sequence[Problem], verifier: Verifier, per_kind: int = 1, seed: int = 0) -> list[Attempt]:
    """The references and their corruptions, in the order of the problems. The same seed gives the same."""
    kinds = _KINDS if verifier.name != CODE else {"another answer": _another_answer}
    golds = [problem.references[0] for problem in problems if problem.references]
    made: list[Attempt] = []
    for problem in problems:
        made += [Attempt(problem, GOLD, reference) for reference in problem.references]
        if not problem.references:
            continue
        for kind, corrupt in kinds.items():
            random = Random(generation_seed(seed, f"corruption {kind} {problem.id}"))
            answers = (corrupt(problem, random.choice(problem.references), random, golds) for _ in range(per_kind))
            made += [Attempt(problem, kind, a) for a in dict.fromkeys(answers) if a and not _is_right(problem, a)]
    return made


def _summary(
    verifier: Verifier, judged: Sequence[tuple[Attempt, Verdict]], k_max: int, confidence: float
) -> Calibration:
    outcomes: dict[str, list[Outcome]] = {}
    for attempt, verdict in judged:
        outcomes.setdefault(attempt.kind, []).append(verdict.outcome)
    alpha = 1 - confidence
    corrupted = _rate("corrupted", [o for kind, of in outcomes.items() if kind != GOLD for o in of], alpha)
    ks = sorted({2**i for i in range(k_max.bit_length())} | {k_max})
    low = FEW if k_max == 1 else -math.expm1(math.log1p(-FEW) / k_max)
    expected = {True: Outcome.CORRECT, False: Outcome.INCORRECT}
    surprises = [
        Surprise(a.problem.id, a.kind, a.answer, a.problem.references, verdict.outcome, verdict.reason)
        for a, verdict in judged
        if verdict.outcome is not expected[a.kind == GOLD]
    ]
    return Calibration(
        verifier=label_of(verifier),
        confidence=confidence,
        problems=len({attempt.problem.id for attempt, _ in judged}),
        references=_rate(GOLD, outcomes.get(GOLD, []), alpha),
        corrupted=corrupted,
        by_kind=tuple(_rate(kind, outcomes[kind], alpha) for kind in _KINDS if kind in outcomes),
        floor=tuple(
            Floor(k, None if corrupted.share is None else floor(corrupted.share, k), floor(corrupted.upper, k))
            for k in ks
        ),
        answers_needed=math.ceil(math.log(alpha / 2) / math.log1p(-low)),
        surprises=tuple(surprises[:MOST_LISTED]),
    )


def _rate(kind: str, outcomes: Sequence[Outcome], alpha: float) -> Rate:
    accepted, unscored = outcomes.count(Outcome.CORRECT), outcomes.count(Outcome.UNSCORED)
    scored = len(outcomes) - unscored
    lower, upper = exact_share_interval(accepted, scored, alpha)
    return Rate(kind, accepted, scored, unscored, accepted / scored if scored else None, lower, upper)


def _is_right(problem: Problem, answer: str) -> bool:
    given = quantity(answer)
    return any(
        normal(answer) == normal(reference) or (given is not None and given == quantity(reference))
        for reference in problem.references
    )


# -- corruptions: (problem, a reference of it, random, the references of all problems) -> a wrong answer or None -----


def _changed_number(problem: Problem, gold: str, random: Random, golds: Sequence[str]) -> str | None:
    digits = [match.start() for match in _DIGIT.finditer(gold)] if _is_plain(gold) else []
    if not digits:
        return None
    at = random.choice(digits)
    return gold[:at] + random.choice([d for d in "0123456789" if d != gold[at]]) + gold[at + 1 :]


def _flipped_sign(problem: Problem, gold: str, random: Random, golds: Sequence[str]) -> str | None:
    number = quantity(gold)
    if number is None or not number.value or not _SIGNED.match(gold):
        return None
    return gold.removeprefix("-") if gold.startswith("-") else f"-{gold}"


def _off_by_one(problem: Problem, gold: str, random: Random, golds: Sequence[str]) -> str | None:
    number = _WHOLE.match(gold)
    if number is None or quantity(gold) is None:
        return None
    value = int(number[1] + number[2].replace(",", "")) + random.choice((-1, 1))
    return f"{value}{gold[number.end() :]}"


def _wrong_unit(problem: Problem, gold: str, random: Random, golds: Sequence[str]) -> str | None:
    if not _is_plain(gold) or not _DIGIT.search(gold):
        return None
    changed, count = _UNIT.subn(lambda unit: _NEAR_UNITS[unit[1]], gold, count=1)
    return changed if count else None


def _another_option(problem: Problem, gold: str, random: Random, golds: Sequence[str]) -> str | None:
    options = len(problem.metadata.get("options", ()))
    right = {letter(reference) for reference in problem.references}
    wrong = [each for each in LETTERS[:options] if each not in right]
    return random.choice(wrong) if wrong else None


def _another_answer(problem: Problem, gold: str, random: Random, golds: Sequence[str]) -> str | None:
    mine = {normal(reference) for reference in problem.references}
    values = {number.value for number in map(quantity, problem.references) if number}
    for _ in range(20):
        other = random.choice(golds)
        number = quantity(other)
        if normal(other) not in mine and (number is None or number.value not in values):
            return other
    return None


def _no_answer(problem: Problem, gold: str, random: Random, golds: Sequence[str]) -> str | None:
    return random.choice(_OPENINGS)


def _is_plain(gold: str) -> bool:
    return len(gold) <= LONGEST_ALTERED and "\n" not in gold


_KINDS = {
    "changed number": _changed_number,
    "flipped sign": _flipped_sign,
    "off by one": _off_by_one,
    "wrong unit": _wrong_unit,
    "another option": _another_option,
    "another answer": _another_answer,
    "no answer": _no_answer,
}
