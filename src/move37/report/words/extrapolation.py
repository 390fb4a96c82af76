"""What may be said beyond the samples taken, in plain words: estimates up to 2n, a refusal with bounds after that."""

from move37.analyses.extrapolation import DifferenceAtK, ModelExtrapolation, PairExtrapolation, Refusal
from move37.report.number_format import count, counted, level

_WHICH_IS_ABOVE = {1: "RL is above base", -1: "RL is below base", 0: "which one is above is not established"}


def pair_sentence(pair: PairExtrapolation) -> str:
    """What is established beyond the samples, and what is not, in one paragraph."""
    last = pair.differences[-1]
    found = _WHICH_IS_ABOVE[last.sign] + (" there" if last.sign else "")
    refusal = pair.refusals[0]
    return (
        f"Continued from n = {pair.n} to k = {last.k} ({pair.method}), {pair.rl} minus {pair.base} is "
        f"{last.value:+.3f}; the counts do not exclude {last.lower:+.3f} to {last.upper:+.3f} ({last.confidence:.0%}, "
        f"this k by itself): {found}. Nothing is claimed beyond k = {pair.refused_beyond}: at k = {refusal.k} anything "
        f"from {refusal.lower:+.3f} to {refusal.upper:+.3f} agrees with the counts."
    )


def at_k_sentence(found: DifferenceAtK | Refusal) -> str:
    """What can be said at one k, or why nothing can and what remains possible."""
    if isinstance(found, Refusal):
        return (
            f"No claim at k = {found.k}: {found.reason}. The counts do not exclude a difference of {found.lower:+.3f} "
            f"to {found.upper:+.3f}; with every never-solved problem taken alone, {found.lower_alone:+.3f} to "
            f"{found.upper_alone:+.3f}."
        )
    how = "continued beyond the samples" if found.extrapolated else "within the samples"
    return (
        f"At k = {found.k} ({how}) RL minus base is {found.value:+.3f}; the counts do not exclude "
        f"{found.lower:+.3f} to {found.upper:+.3f} ({found.confidence:.0%}, this k by itself): "
        f"{_WHICH_IS_ABOVE[found.sign]}."
    )


def unseen_sentence(model: ModelExtrapolation) -> str:
    """What is certain about the problems that a model never solved."""
    if model.unseen is None:
        return f"{model.unseen_refused}."
    if not model.never_solved:
        return f"{model.model} has solved every problem at least once."
    found, never = model.unseen, counted(model.never_solved, "problem")
    counts = f"{count(found.solved_once)} solved once and {count(found.solved_twice)} twice"
    if not found.at_least:
        return (
            f"Nothing says that any of the {never} that {model.model} never solved in its {count(model.n)} samples can "
            f"be solved (Chao's lower bound is 0, from {counts})."
        )
    return (
        f"Of the {never} that {model.model} never solved in its {count(model.n)} samples, an estimated "
        f"{found.at_least:.1f} or more can be solved (Chao's lower bound, from {counts}); with "
        f"{level(found.confidence)} confidence at least {found.lower:.1f}."
    )
