"""What fresh samples say about the problems that base never solved, in plain words."""

from move37.analyses.zero_set import ZeroSetFindings, ZeroSetModel
from move37.report.number_format import count, counted, exists, level, p_value, percent_interval
from move37.report.words.claim import LIKE_THESE, THESE, Assertion, Claim, described


def zero_set_sentences(found: ZeroSetFindings) -> tuple[Claim, ...]:
    """About the set and base's second chance, then about each other model; of each, what it would do on other sets."""
    base, *others = found.models
    again = "none of them" if not base.solved else f"{count(base.solved)} of them"
    luck = ", so that many were bad luck" if base.solved else ""
    chosen = (
        f"{found.base} solved {counted(found.problems, 'problem')} in none of its first {count(found.start)} samples. "
        f"With {counted(found.n, 'fresh sample')} each it solves {again}{luck}."
    )
    return (
        described(chosen),
        *_share(found, base),
        *(claim for each in others for claim in (_other(found, each), *_share(found, each))),
    )


def _other(found: ZeroSetFindings, each: ZeroSetModel) -> Claim:
    text = f"{each.model} solves {count(each.solved)} of the same problems with as many fresh samples"
    gained = each.gained
    if gained is None:
        return described(f"{text}.")
    p = min((p for p in gained.p_adjusted.values() if exists(p)), default=1.0)
    over = f"corrected over {counted(gained.corrected_over, 'test')}"
    if not gained.shown:
        return described(
            f"{text}; that it is better than {found.base} on any of them is not shown ({p_value(p)}, {over})."
        )
    better = Assertion(
        "better on" if gained.unit == "problem" else "better on clusters",
        (each.model, found.base),
        (),
        gained.at_least,
        problems=gained.problems,
    )
    of = "of them" if gained.unit == "problem" else f"{gained.unit}s of them"
    return Claim(
        f"{text}; on at least {count(gained.at_least)} {of} it is better than {found.base}, and not luckier "
        f"({p_value(p)}, {over}; {level(gained.confidence)} confidence, for {THESE}).",
        (better,),
        target=THESE,
        confidence=gained.confidence,
        corrected_over=over,
    )


def _share(found: ZeroSetFindings, each: ZeroSetModel) -> list[Claim]:
    """What share it solves of other problems that base fails on as often; nothing where the interval is everything."""
    if each.lower <= 0 and each.upper >= 1:
        return []
    text = (
        f"Of {LIKE_THESE}, which {found.base} solves in none of {count(found.start)} samples, {each.model} solves "
        f"{percent_interval(each.lower, each.upper, None, '')} in {counted(found.n, 'sample')} "
        f"({level(found.confidence)} confidence, for this model and number of samples alone)."
    )
    solved = Assertion("zero set", (each.model, found.base), (found.n,), each.lower, each.upper)
    over = "for this model and number of samples alone"
    return [Claim(text, (solved,), target=LIKE_THESE, confidence=found.confidence, corrected_over=over)]
