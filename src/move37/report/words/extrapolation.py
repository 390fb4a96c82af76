"""What may be said beyond the samples taken, in plain words: estimates up to 2n, a refusal with bounds after that."""

from move37.analyses.extrapolation import DifferenceAtK, ModelExtrapolation, PairExtrapolation, Refusal
from move37.report.number_format import count, counted, level
from move37.report.words.claim import LIKE_THESE, Assertion, Claim, described

_WHICH_IS_ABOVE = {1: "RL is above base", -1: "RL is below base", 0: "which one is above is not established"}
_BY_ITSELF = "this k by itself, for problems like these"


def pair_sentence(pair: PairExtrapolation) -> Claim:
    """What is established beyond the samples, and what is not, in one paragraph."""
    last = pair.differences[-1]
    found = _WHICH_IS_ABOVE[last.sign] + (" there" if last.sign else "")
    refusal = pair.refusals[0]
    text = (
        f"Continued from n = {pair.n} to k = {last.k} ({pair.method}), {pair.rl} minus {pair.base} is "
        f"{last.value:+.3f}; the counts do not exclude {last.lower:+.3f} to {last.upper:+.3f} "
        f"({level(last.confidence)}, {_BY_ITSELF}): {found}. Nothing is claimed beyond k = {pair.refused_beyond}: "
        f"at k = {refusal.k} anything from {refusal.lower:+.3f} to {refusal.upper:+.3f} agrees with the counts."
    )
    return _at_one_k(last, text, (pair.rl, pair.base))


def at_k_sentence(found: DifferenceAtK | Refusal, models: tuple[str, str] = ("RL", "base")) -> Claim:
    """What can be said at one k, or why nothing can and what remains possible."""
    if isinstance(found, Refusal):
        return described(
            f"No claim at k = {found.k}: {found.reason}. The counts do not exclude a difference of {found.lower:+.3f} "
            f"to {found.upper:+.3f}; with every never-solved problem taken alone, {found.lower_alone:+.3f} to "
            f"{found.upper_alone:+.3f}."
        )
    how = "continued beyond the samples" if found.extrapolated else "within the samples"
    text = (
        f"At k = {found.k} ({how}) RL minus base is {found.value:+.3f}; the counts do not exclude "
        f"{found.lower:+.3f} to {found.upper:+.3f} ({level(found.confidence)}, {_BY_ITSELF}, if it was named before "
        f"looking): {_WHICH_IS_ABOVE[found.sign]}."
    )
    return _at_one_k(found, text, models)


def _at_one_k(found: DifferenceAtK, text: str, models: tuple[str, str]) -> Claim:
    return Claim(
        text,
        (Assertion("difference", models, (found.k,), found.lower, found.upper),),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="for this k by itself",
    )


def unseen_sentence(model: ModelExtrapolation) -> Claim:
    """What is certain about the problems that a model never solved."""
    if model.unseen is None:
        return described(f"{model.unseen_refused}.")
    if not model.never_solved:
        return described(f"{model.model} has solved every problem at least once.")
    found, never = model.unseen, counted(model.never_solved, "problem")
    counts = f"{count(found.solved_once)} solved once and {count(found.solved_twice)} twice"
    if not found.at_least:
        return described(
            f"Nothing says that any of the {never} that {model.model} never solved in its {count(model.n)} samples can "
            f"be solved (Chao's lower bound is 0, from {counts})."
        )
    text = (
        f"Of the {never} that {model.model} never solved in its {count(model.n)} samples, an estimated "
        f"{found.at_least:.1f} or more can be solved (Chao's lower bound, from {counts}); with "
        f"{level(found.confidence)} confidence at least {found.lower:.1f}, on average over problems like these."
    )
    return Claim(
        text,
        (Assertion("solvable", (model.model,), (), found.lower),),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="for this model alone",
    )
