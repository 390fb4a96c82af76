"""How often does the grader err, and how much of pass@k could that alone make?

From a calibration (`move37 calibrate`): answers whose truth is known, put before the verifier that judged the run. If
it accepts wrong answers with chance f, a model that is always wrong, each time in another way, reaches 1 - (1-f)^k.
Left out: correcting the curves, for a real model's wrong answers may tempt a grader more or less than corrupted ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from move37.estimates.guessing import guess_pass_at_k
from move37.estimates.reliability import exact_share_interval


@dataclass(frozen=True, slots=True)
class GraderErrors:
    """What a verifier did with answers whose truth is known; `lower` and `upper` are of the share wrongly accepted."""

    verifier: str
    confidence: float
    references: int
    references_accepted: int
    corrupted: int
    corrupted_accepted: int
    lower: float
    upper: float
    k: int
    floor: float
    """pass@k at `k` of a model that is never right, at the share that was found."""
    floor_upper: float


def grader_errors(
    verifier: str, references: tuple[int, int], corrupted: tuple[int, int], k: int, confidence: float
) -> GraderErrors | None:
    """From (accepted, scored) references and corrupted answers; None where no corrupted answer was scored."""
    accepted, scored = corrupted
    if not scored:
        return None
    lower, upper = exact_share_interval(accepted, scored, 1 - confidence)
    return GraderErrors(
        verifier=verifier,
        confidence=confidence,
        references=references[1],
        references_accepted=references[0],
        corrupted=scored,
        corrupted_accepted=accepted,
        lower=lower,
        upper=upper,
        k=k,
        floor=floor(accepted / scored, k),
        floor_upper=floor(upper, k),
    )


def floor(false_accepts: float, k: int) -> float:
    """pass@k of a model whose samples are all wrong, each accepted with this chance: 1 - (1-f)^k."""
    return float(guess_pass_at_k(np.array([false_accepts]), np.array([k]))[0])


def grader_warnings(errors: Sequence[GraderErrors]) -> list[str]:
    """About graders that were seen to err."""
    warnings = []
    for each in errors:
        if each.references_accepted < each.references:
            warnings.append(
                f"{each.verifier} rejects {each.references - each.references_accepted} of {each.references} reference "
                "answers: right samples are counted wrong"
            )
        if each.corrupted_accepted:
            warnings.append(
                f"{each.verifier} accepts {each.corrupted_accepted} of {each.corrupted} corrupted answers: a model "
                f"that is always wrong, each time in another way, would reach pass@{each.k} = {each.floor:.3f} "
                f"(up to {each.floor_upper:.3f})"
            )
    return warnings
