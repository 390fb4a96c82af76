"""The sentences about perplexities, the same on the page, in markdown and on a terminal."""

from move37.analyses.perplexity import NucleusCoverage, PairPerplexity, PerplexityGroup, Reweighting
from move37.report.number_format import count, counted, level, percent, percent_interval


def perplexity_sentences(found: PairPerplexity) -> list[str]:
    """Whose work is how likely, what re-weighting explains, and what a nucleus would have kept."""
    said = []
    ours = _find(found, found.base, found.base)
    theirs = _find(found, found.rl, found.base)
    if ours is not None and theirs is not None:
        side = "lower than" if theirs.quantiles[2] < ours.quantiles[2] else "not lower than"
        said.append(
            f"Under {found.base} the median perplexity of {found.rl}’s responses is {_with_interval(theirs)}, {side} "
            f"that of {found.base}’s own, {_with_interval(ours)} (in brackets: {level(ours.confidence)} each, for "
            f"problems like these; their difference is not tested)."
        )
    if found.reweighting is not None:
        said.append(_reweighting(found, found.reweighting))
    if found.coverage is not None:
        said.append(_coverage(found, found.coverage))
    return said


def _find(found: PairPerplexity, author: str, model: str) -> PerplexityGroup | None:
    wanted = (author, model, "all", "all")
    return next((g for g in found.groups if (g.author, g.model, g.outcome, g.on) == wanted), None)


def _with_interval(group: PerplexityGroup) -> str:
    return f"{group.quantiles[2]:.4g} ({group.lower:.4g} to {group.upper:.4g})"


def _reweighting(found: PairPerplexity, known: Reweighting) -> str:
    base, rl = found.base, found.rl
    text = (
        f"If {rl} only re-weighted what {base} does, {base} would miss up to {known.expected:.1f} ± "
        f"{known.deviation:.1f} of the {counted(known.solved, 'problem')} that {rl} solves in k = {count(known.k)} "
        f"tries, by the chance that its seen solutions have under {base}; {rl} alone solved {count(known.rl_only)}"
    )
    if known.rl_only:
        text += (
            f", on {count(known.beyond)} of which all that it wrote is together rarer than 1 in {count(known.k)} under "
            f"{base} ({count(known.rare_solutions)} of {counted(known.solutions, 'right response')} are so each)"
        )
    return f"{text}."


def _coverage(found: PairPerplexity, known: NucleusCoverage) -> str:
    interval = percent_interval(known.lower, known.upper, None, "no interval")
    return (
        f"With top-p {known.top_p:g} {found.base} could have drawn {percent(known.share)} of {found.rl}’s right "
        f"responses ({interval}, {level(known.confidence)} for problems like these)."
    )
