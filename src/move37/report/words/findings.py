"""What several models, seeds, strata, budgets and a decision establish, in plain words.

Each sentence follows from the fields of one result object. Model names stand as they are: these sentences are shown
in sections and on a terminal, where names are not set apart.
"""

from move37.analyses.curves import CurveDifference
from move37.analyses.decision import Decision
from move37.analyses.families import Family
from move37.analyses.strata import StratifiedComparison
from move37.analyses.token_budget import TokenBudget
from move37.analyses.training_seeds import TrainingSeeds
from move37.estimates.anytime import Status, fewest_to_decide


def decision_sentences(decision: Decision) -> tuple[str, ...]:
    """What the decision says in plain words, for a terminal or a report."""
    d = decision
    split = (
        f"{d.base_only} solved by {d.base} only and {d.rl_only} by {d.rl} only in {d.k} sample{'s' * (d.k != 1)} each"
    )
    seen = f"{d.examined} of {d.problems} problems in random order: {split}"
    if d.status is Status.DECIDED:
        first = (
            f"Decided: {d.better} solves more. {seen}; the e-value reached {d.largest_e_value:.3g} "
            f"(needed: {1 / d.alpha:.3g}), anytime-valid p = {d.anytime_p:.2g}."
        )
    elif d.status is Status.UNDECIDABLE:
        first = (
            f"Cannot be decided: {seen}; even if every problem left went one way, the e-value would reach "
            f"{d.largest_reachable:.3g}, not {1 / d.alpha:.3g}. This does not say that the models are equal."
        )
    else:
        first = f"Not decided yet: {seen}; e-value {d.e_value:.3g} of {1 / d.alpha:.3g} needed."
    sentences = [first]
    if d.problems < fewest_to_decide(d.alpha):
        sentences.append(
            f"{d.problems} problems can never decide it: at least {fewest_to_decide(d.alpha)} must be solved by one "
            "model only."
        )
    if d.status is Status.DECIDED and d.examined < d.problems:
        sentences.append(
            "How many problems were examined depended on the outcomes: this direction and p-value allow for that; "
            "curves, bands and McNemar's p over these problems do not, and overstate the difference."
        )
    if d.set_aside:
        sentences.append(
            f"{d.set_aside} problem{'s' * (d.set_aside != 1)} set aside: some model has no scored sample there."
        )
    return tuple(sentences)


def family_sentences(result: Family) -> tuple[str, ...]:
    """What the family band establishes, in plain words."""
    together = (
        f"All {len(result.members)} models against {result.base} in one {result.confidence:.0%} band "
        f"(critical value {result.critical_value:.2f}): the following holds for all of them together."
    )
    found = [
        (result.better_somewhere, f"better than {result.base} at some k"),
        (result.worse_somewhere, f"worse than {result.base} at some k"),
        (result.crossing, "better at a smaller k and worse at a larger one"),
    ]
    insecure = [m.rl for m in result.members if {*m.gain, *m.loss} & set(m.few_problems)]
    warning = [f"Few problems carry some of these ks for {', '.join(insecure)}: the band is too narrow there."]
    return (
        together,
        *(f"{', '.join(models) if models else 'No model'}: {what}." for models, what in found),
        *(warning if insecure else []),
    )


def strata_sentences(result: StratifiedComparison) -> tuple[str, ...]:
    """What each stratum and the total establish, in plain words."""
    base, rl = result.total.base, result.total.rl
    lines = [
        f"By {result.tag}, all {len(result.strata)} strata together at {result.confidence:.0%} confidence:",
        *(f"{each.name} ({each.problems} problems): {_established(each.difference)}." for each in result.strata),
        f"Over all problems, strata held fixed: {rl} is {_established(result.total)} against {base}.",
    ]
    return tuple(lines)


def _established(difference: CurveDifference) -> str:
    parts = [
        f"{word} at {len(ks)} of {len(difference.k)} ks ({ks[0]} to {ks[-1]})"
        for word, ks in (("better", difference.gain), ("worse", difference.loss))
        if ks
    ]
    insecure = {*difference.gain, *difference.loss} & set(difference.few_problems)
    warning = " (insecure: few problems carry some of these ks)" if insecure else ""
    return " and ".join(parts) + warning if parts else "not shown to differ"


def seeds_sentences(result: TrainingSeeds) -> tuple[str, ...]:
    """What several seeds establish about the algorithm, in plain words."""
    last = int(result.k[-1])
    found = [
        f"{word} than {result.base} at {_span(ks)}"
        for word, ks in (("better", result.gain), ("worse", result.loss))
        if ks
    ]
    claim = " and ".join(found) if found else f"not shown to differ from {result.base} at any k up to {last}"
    insecure = {*result.gain, *result.loss} & set(result.few_problems)
    warning = ["Few problems carry some of these ks: the band is too narrow there."] if insecure else []
    return (
        f"{result.algorithm}, over {len(result.runs)} training seeds and {result.problems} problems, is {claim} "
        f"({result.band.confidence:.0%} confidence for other seeds and other problems).",
        f"At k={last} the mean difference is {result.band.mean[-1]:+.4f} "
        f"[{result.band.lower[-1]:+.4f}, {result.band.upper[-1]:+.4f}]; "
        f"runs differ from each other by a standard deviation of {result.between_seeds[-1]:.4f}.",
        *warning,
    )


def _span(ks: tuple[int, ...]) -> str:
    if ks[-1] - ks[0] == len(ks) - 1:
        return f"k={ks[0]}" if len(ks) == 1 else f"k={ks[0]}-{ks[-1]}"
    return f"{len(ks)} ks between {ks[0]} and {ks[-1]}"


def budget_sentences(result: TokenBudget) -> tuple[str, ...]:
    """What is established at equal tokens, in plain words."""
    cost = (
        f"A sample takes {result.mean_tokens_base:.0f} generated tokens from {result.base} and "
        f"{result.mean_tokens_rl:.0f} from {result.rl}."
    )
    parts = [
        f"{word} with {budgets[0]:,.0f} to {budgets[-1]:,.0f} tokens per problem"
        for word, budgets in (("better", result.gain), ("worse", result.loss))
        if budgets
    ]
    span = f"{result.tokens[0]:,.0f} to {result.tokens[-1]:,.0f}"
    if not parts:
        return cost, f"At equal tokens no difference is established anywhere from {span} tokens per problem."
    return cost, f"At equal tokens, {result.rl} is {' and '.join(parts)} (compared from {span})."
