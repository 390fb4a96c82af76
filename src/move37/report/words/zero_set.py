"""What fresh samples say about the problems that base never solved, in plain words."""

from move37.analyses.zero_set import ZeroSetFindings, ZeroSetModel
from move37.report.number_format import count, counted, exists, level, p_value


def zero_set_sentences(found: ZeroSetFindings) -> tuple[str, ...]:
    """One about the set and base's second chance, one for each other model."""
    base, *others = found.models
    again = "none of them" if not base.solved else f"{count(base.solved)} of them"
    chosen = (
        f"{found.base} solved {counted(found.problems, 'problem')} in none of its first {count(found.start)} samples. "
        f"With {counted(found.n, 'fresh sample')} each it solves {again}, so that many were bad luck."
    )
    return (chosen, *(_other(found, each) for each in others))


def _other(found: ZeroSetFindings, each: ZeroSetModel) -> str:
    text = f"{each.model} solves {count(each.solved)} of the same problems with as many fresh samples"
    gained = each.gained
    if gained is None:
        return f"{text}."
    p = min((p for p in gained.p_adjusted.values() if exists(p)), default=1.0)
    terms = f"{p_value(p)}, corrected over {counted(gained.corrected_over, 'test')}"
    if gained.shown:
        return (
            f"{text}; on at least {count(gained.at_least)} of them it is better than {found.base}, and not luckier "
            f"({terms}; {level(gained.confidence)} confidence, for these problems)."
        )
    return f"{text}; that it is better than {found.base} on any of them is not shown ({terms})."
