"""How often is the judge wrong? Right answers and answers that are wrong for certain, put before a verifier.

`corruptions.py` makes them from the references: corrupted answers, which should all be rejected; responses as a policy
writes them that learns what its reward takes (hedges, two boxes, equations), which should be rejected too; and the
references said in other ways, which should all be accepted. A corruption that equals a reference, as text or as a
number with its unit, is not used. Shares are of scored answers, with Clopper-Pearson intervals, by kind and together.

What they do to pass@k: if every wrong sample is accepted with chance f, a model that is never right reaches pass@k =
1 - (1-f)^k. At k = 1024, f = 0.001 makes 0.64. If every right sample is rejected with chance r, a model that is always
right has pass@1 = 1 - r, and pass@k = 1 - r^k. Both are for samples that all differ: equal answers are judged once and
share their verdict. Small shares take many answers to show, and the result says how many.

A verifier that tolerates (numeric) accepts some corruptions on purpose; what was accepted is listed to be looked at.
`calibrate_chains` does the same for a judge of reasoning, with right answers behind corrupted chains
(`corrupted_chains.py`). Left out: the wrong answers of a real model, which may be more or less tempting.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from move37.analyses.grader_errors import floor
from move37.config import VerificationConfig
from move37.corrupted_chains import CLEAN, CORRUPTIONS, chain_attempts
from move37.corruptions import GOLD, RIGHT_RESPONSES, WRONG_ANSWERS, WRONG_RESPONSES, Attempt, attempts
from move37.error_rates import FEW, MOST_LISTED, Calibration, ChainCalibration, Floor, Rate, Surprise
from move37.errors import InputError
from move37.estimates.reliability import exact_share_interval
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers import Verifier, label_of
from move37.verifiers.old_names import with_new_names
from move37.verifiers.options import make_verifier

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
    return _summary(verifier, _judged(verifier, asked, settings, track), k_max, confidence)


def calibrate_chains(
    verifier: Verifier,
    chains: Sequence[tuple[Problem, str]],
    settings: VerificationConfig | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    track: Track = lambda total: nullcontext(lambda done: None),
) -> ChainCalibration:
    """Judge responses with right answers, and the same with corrupted reasoning. `verifier` reads whole responses.

    Raises InputError where there is no response, or none has any reasoning to corrupt.
    """
    asked = chain_attempts(chains, seed)
    if all(attempt.right for attempt in asked):
        raise InputError("no right response has reasoning that can be corrupted; a judge of chains has nothing to read")
    outcomes: dict[str, list[Outcome]] = {}
    for attempt, verdict in _judged(with_new_names(verifier), asked, settings, track):
        outcomes.setdefault(attempt.kind, []).append(verdict.outcome)
    kinds, alpha = [kind for kind in CORRUPTIONS if kind in outcomes], 1 - confidence
    return ChainCalibration(
        verifier=label_of(verifier),
        confidence=confidence,
        clean=_rate(CLEAN, outcomes.get(CLEAN, []), alpha),
        corrupted=_rate("corrupted chain", [outcome for kind in kinds for outcome in outcomes[kind]], alpha),
        by_kind=tuple(_rate(kind, outcomes[kind], alpha) for kind in kinds),
    )


def _judged(
    verifier: Verifier, asked: Sequence[Attempt], settings: VerificationConfig | None, track: Track
) -> list[tuple[Attempt, Verdict]]:
    """Every attempt with its verdict, in order."""
    judged: list[tuple[Attempt, Verdict]] = []
    with VerifierPool(settings) as pool, track(len(asked)) as advance:
        responses = (
            (a.problem, a.answer if a.is_response else verifier.format_answer(a.problem, a.answer), a) for a in asked
        )
        for attempt, verdict in pool.verify(verifier, responses):
            judged.append((attempt, verdict))
            advance(1)
    place = {id(attempt): number for number, attempt in enumerate(asked)}
    return sorted(judged, key=lambda each: place[id(each[0])])


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


def _summary(
    verifier: Verifier, judged: Sequence[tuple[Attempt, Verdict]], k_max: int, confidence: float
) -> Calibration:
    outcomes: dict[str, list[Outcome]] = {}
    for attempt, verdict in judged:
        outcomes.setdefault(attempt.kind, []).append(verdict.outcome)
    alpha = 1 - confidence
    wrong = [kind for kind in (*WRONG_ANSWERS, *WRONG_RESPONSES) if kind in outcomes]
    said = [kind for kind in RIGHT_RESPONSES if kind in outcomes]
    corrupted = _rate("corrupted", [outcome for kind in wrong for outcome in outcomes[kind]], alpha)
    renderings = _rate("said otherwise", [outcome for kind in said for outcome in outcomes[kind]], alpha)
    ks = sorted({2**i for i in range(k_max.bit_length())} | {k_max})
    low = FEW if k_max == 1 else -math.expm1(math.log1p(-FEW) / k_max)
    expected = {True: Outcome.CORRECT, False: Outcome.INCORRECT}
    surprises = [
        Surprise(a.problem.id, a.kind, a.answer, a.problem.references, verdict.outcome, verdict.reason)
        for a, verdict in judged
        if verdict.outcome is not expected[a.right]
    ]
    return Calibration(
        verifier=label_of(verifier),
        confidence=confidence,
        problems=len({attempt.problem.id for attempt, _ in judged}),
        references=_rate(GOLD, outcomes.get(GOLD, []), alpha),
        corrupted=corrupted,
        by_kind=tuple(_rate(kind, outcomes[kind], alpha) for kind in wrong),
        renderings=renderings,
        by_rendering=tuple(_rate(kind, outcomes[kind], alpha) for kind in said),
        ceiling=renderings.share,
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
