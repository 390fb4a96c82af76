"""What several models, seeds, strata, budgets and a decision establish, in plain words.

Each sentence is a claim that follows from the fields of one result object. Model names stand as they are: these
sentences are shown in sections and on a terminal, where names are not set apart.
"""

from dataclasses import replace

from move37.analyses.curves import CurveDifference
from move37.analyses.decision import Decision
from move37.analyses.families import Family
from move37.analyses.strata import StratifiedComparison
from move37.analyses.token_budget import TokenBudget
from move37.analyses.training_seeds import TrainingSeeds
from move37.estimates.anytime import Status, fewest_to_decide
from move37.estimates.settings import BENCHMARK
from move37.report.number_format import counted, k_words, level, runs
from move37.report.words.claim import LIKE_THESE, Assertion, Claim, described, problems_of


def decision_sentences(decision: Decision) -> tuple[Claim, ...]:
    """What the decision says in plain words, for a terminal or a report."""
    d = decision
    split = (
        f"{d.base_only} solved by {d.base} only and {d.rl_only} by {d.rl} only in {d.k} sample{'s' * (d.k != 1)} each"
    )
    seen = f"{d.examined} of {d.problems} {d.unit}s in random order: {split}"
    if d.status is Status.DECIDED:
        sentences = [_decided(d, seen)]
    elif d.status is Status.UNDECIDABLE:
        sentences = [
            described(
                f"Cannot be decided: {seen}; even if every {d.unit} left went one way, the e-value would reach "
                f"{d.largest_reachable:.3g}, not {1 / d.alpha:.3g}. This does not say that the models are equal."
            )
        ]
    else:
        sentences = [described(f"Not decided yet: {seen}; e-value {d.e_value:.3g} of {1 / d.alpha:.3g} needed.")]
    if d.problems < fewest_to_decide(d.alpha):
        sentences.append(
            described(
                f"{counted(d.problems, d.unit)} can never decide it: at least {fewest_to_decide(d.alpha)} must be "
                "solved by one model only."
            )
        )
    if d.status is Status.DECIDED and d.examined < d.problems:
        sentences.append(
            described(
                f"How many {d.unit}s were examined depended on the outcomes: this direction and p-value allow for "
                f"that; curves, bands and McNemar's p over these {d.unit}s do not, and overstate the difference."
            )
        )
    if d.set_aside:
        sentences.append(described(f"{counted(d.set_aside, d.unit)} set aside: some model has no scored sample there."))
    return tuple(sentences)


def _decided(d: Decision, seen: str) -> Claim:
    other = d.base if d.better == d.rl else d.rl
    text = (
        f"Decided: {d.better} solves more of problems like these. {seen}; the e-value reached {d.largest_e_value:.3g} "
        f"(needed: {1 / d.alpha:.3g}), anytime-valid p = {d.anytime_p:.2g} ({level(1 - d.alpha)} confidence)."
    )
    return Claim(
        text,
        (Assertion("difference", (d.better or "", other), (d.k,), 0.0, 1.0),),
        target=LIKE_THESE,
        confidence=1 - d.alpha,
        corrected_over=f"over looking after every {d.unit}",
    )


def family_sentences(result: Family) -> tuple[Claim, ...]:
    """What the family band establishes, in plain words, in the ends that are shown (widened where few carry a k)."""
    target = problems_of(result.members[0].target)
    terms = {
        "target": target,
        "confidence": result.confidence,
        "corrected_over": f"over {counted(len(result.members), 'model')} and all k",
    }
    together = (
        f"All {len(result.members)} models against {result.base} in one {level(result.confidence)} band for {target} "
        f"(critical value {result.critical_value:.2f}): the following holds for all of them together."
    )
    found = (
        ([m for m in result.members if m.shown_gain], f"better than {result.base} at some k"),
        ([m for m in result.members if m.shown_loss], f"worse than {result.base} at some k"),
        ([m for m in result.members if _crosses(m)], "better at a smaller k and worse at a larger one"),
    )
    asserted = [tuple(each for m in members for each in signs(m)) for members, _ in found]
    said = [f"{', '.join(m.rl for m in members) if members else 'No model'}: {what}." for members, what in found]
    insecure = [m.rl for m in result.members if m.few_problems]
    warning = f"Few problems carry some ks for {', '.join(insecure)}: the band is widened there."
    return (
        described(together),
        *(Claim(text, asserts, **terms) for text, asserts in zip(said, asserted, strict=True)),
        *([described(warning)] if insecure else []),
    )


def signs(difference: CurveDifference) -> tuple[Assertion, ...]:
    """What the band that is shown asserts of signs."""
    pair = (difference.rl, difference.base)
    gains = Assertion("difference", pair, difference.shown_gain, 0.0, 1.0)
    losses = Assertion("difference", pair, difference.shown_loss, -1.0, 0.0)
    return tuple(each for each in (gains, losses) if each.ks)


def _crosses(difference: CurveDifference) -> bool:
    gains, losses = difference.shown_gain, difference.shown_loss
    return bool(gains and losses and gains[0] < losses[-1])


def strata_sentences(result: StratifiedComparison) -> tuple[Claim, ...]:
    """What each stratum and the total establish, in plain words."""
    base, rl, target = result.total.base, result.total.rl, problems_of(result.total.target)
    models = "" if result.corrected_over == 1 else f" and {result.corrected_over} models"
    terms = {"target": target, "confidence": result.confidence}
    over = f"over {len(result.strata)} strata{models}"
    sure = f"at {level(result.confidence)} confidence for {target}"
    begins = f"By {result.tag}, all {len(result.strata)} strata{models} together {sure}:"
    each = [
        Claim(
            f"{stratum.name} ({counted(stratum.problems, 'problem')}): {_established(stratum.difference)}.",
            _renamed(stratum.difference, f"difference in {stratum.name}"),
            corrected_over=over,
            **terms,
        )
        for stratum in result.strata
    ]
    total = f"Over all problems, strata held fixed, {sure}: {rl} is {_established(result.total)} against {base}."
    return (
        described(begins),
        *each,
        Claim(
            total, _renamed(result.total, "difference with these strata"), corrected_over=f"over all k{models}", **terms
        ),
    )


def _renamed(difference: CurveDifference, quantity: str) -> tuple[Assertion, ...]:
    """The signs of a difference that is not that over all problems like these."""
    return tuple(replace(each, quantity=quantity) for each in signs(difference))


def _established(difference: CurveDifference) -> str:
    parts = [
        f"{word} at {len(ks)} of {len(difference.k)} ks ({ks[0]} to {ks[-1]})"
        for word, ks in (("better", difference.shown_gain), ("worse", difference.shown_loss))
        if ks
    ]
    widened = " (the band is widened where few problems carry a k)" if parts and difference.few_problems else ""
    return " and ".join(parts) + widened if parts else "not shown to differ"


def seeds_sentences(result: TrainingSeeds) -> tuple[Claim, ...]:
    """What several seeds establish about the algorithm, in plain words."""
    last, band = int(result.k[-1]), result.band
    found = [
        f"{word} than {result.base} at {_span(ks)}"
        for word, ks in (("better", result.shown_gain), ("worse", result.shown_loss))
        if ks
    ]
    claim = " and ".join(found) if found else f"not shown to differ from {result.base} at any k up to {last}"
    on = "fresh samples of these problems" if band.target == BENCHMARK else "other problems like these"
    sure = f"{level(band.confidence)} confidence for other seeds and {on}, all k at once"
    terms = {
        "target": problems_of(band.target),
        "confidence": band.confidence,
        "corrected_over": "for all k at once",
    }
    algorithm = (result.algorithm, result.base)
    gains = Assertion("mean difference", algorithm, result.shown_gain, 0.0, 1.0)
    losses = Assertion("mean difference", algorithm, result.shown_loss, -1.0, 0.0)
    bounded = band.lower[-1] > -1 or band.upper[-1] < 1
    ends = f" [{band.lower[-1]:+.4f}, {band.upper[-1]:+.4f}]" if bounded else " (no interval)"
    at_last = Assertion("mean difference", algorithm, (last,), band.lower[-1], band.upper[-1])
    few = ["Few problems carry some ks: nothing is said of those."] if result.few_problems else []
    return (
        Claim(
            f"{result.algorithm}, over {len(result.runs)} training seeds and {counted(result.problems, 'problem')}, is "
            f"{claim} ({sure}).",
            tuple(each for each in (gains, losses) if each.ks),
            **terms,
        ),
        Claim(
            f"At k={last} the mean difference is {band.mean[-1]:+.4f}{ends}, with {sure}; "
            f"runs differ from each other by a standard deviation of {result.between_seeds[-1]:.4f}.",
            (at_last,) if bounded and last not in result.few_problems else (),
            **terms,
        ),
        *map(described, few),
    )


def _span(ks: tuple[int, ...]) -> str:
    return f"k={k_words(ks)}"


def budget_sentences(result: TokenBudget) -> tuple[Claim, ...]:
    """What is established at equal tokens, in plain words."""
    cost = described(
        f"A sample takes {result.mean_tokens_base:.0f} generated tokens from {result.base} and "
        f"{result.mean_tokens_rl:.0f} from {result.rl}."
    )
    gain, loss = result.shown_gain, result.shown_loss
    grid = result.tokens.tolist()
    parts = [
        f"{word} with {_budgets(budgets, grid)} tokens per problem"
        for word, budgets in (("better", gain), ("worse", loss))
        if budgets
    ]
    span = f"{result.tokens[0]:,.0f} to {result.tokens[-1]:,.0f}"
    sure = f"{level(result.band.confidence)} confidence for problems like these, all budgets at once"
    terms = {
        "target": LIKE_THESE,
        "confidence": result.band.confidence,
        "corrected_over": "for all budgets at once",
    }
    if not parts:
        text = f"At equal tokens no difference is established anywhere from {span} tokens per problem ({sure})."
        return cost, Claim(text, **terms)
    pair = (result.rl, result.base)
    asserts = [
        Assertion("difference at tokens", pair, tuple(round(each) for each in budgets), lower, upper)
        for budgets, lower, upper in ((gain, 0.0, 1.0), (loss, -1.0, 0.0))
        if budgets
    ]
    text = f"At equal tokens, {result.rl} is {' and '.join(parts)} (compared from {span}; {sure})."
    return cost, Claim(text, tuple(asserts), **terms)


def _budgets(budgets: tuple[float, ...], grid: list[float]) -> str:
    """Unbroken runs over the grid: "100 to 200 or 400"."""
    spans = [(grid[first], grid[last]) for first, last in runs(grid.index(each) for each in budgets)]
    return " or ".join(f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}" for low, high in spans)
