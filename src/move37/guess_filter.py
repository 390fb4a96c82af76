"""The guessability filter of the reference study (arXiv 2504.13837, appendix D.2): which problems to trust less.

A model is asked for the answer alone, or without the images: an arm of the study with `guess`. A problem that it then
solves rarely, but does, may have been solved by luck at large k, and is left out of what is read by hand.
"""

from move37.analyses.guess_controls import Guessed, guessed
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.store import RunStore

BELOW = 0.05
"""The reference study's share of right answers below which a problem counts as guessed."""


def guessable(store: RunStore, arm: str | None = None, below: float = BELOW) -> tuple[Guessed, ...]:
    """What each guess control of a run says of its problems, or one of them. Raises InputError where there is none."""
    controls = RunEvidence(store).guess_controls()
    chosen = [each for each in controls if arm in (None, each.arm)]
    if not chosen:
        known = ", ".join(each.arm for each in controls) or "none"
        raise InputError(
            f"{store.folder}: no guess control{'' if arm is None else f' {arm!r}'} with samples here (there: {known}); "
            'give the study a model with arm_of and guess = "answer-only" or "blind", and run it'
        )
    return tuple(guessed(each, below) for each in chosen)
