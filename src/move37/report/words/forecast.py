"""What a study is expected to cost and to show, in plain words."""

from move37.analyses.planning import DEFAULT_STOP, Forecast, PlanRow
from move37.estimates.planning import LARGEST_N_MAX
from move37.estimates.solvable import mcnemar_p
from move37.report.words.claim import Claim, described


def forecast_sentences(plan: Forecast) -> tuple[Claim, ...]:
    """What the forecast says in plain words, for a terminal or a report. It describes what follows from an assumed law,
    which its first sentence names: nothing is asserted of the models."""
    return tuple(map(described, _sentences(plan)))


def _sentences(plan: Forecast) -> tuple[str, ...]:
    fixed = plan.rows[0]
    own = next(row for row in plan.rows if row.own)
    at = f"pass@{plan.n_max}"
    sentences = [
        f"Assumed: {plan.assumed}; {at} {plan.base_pass_at_k[-1]:.3f} ({plan.base}) and {plan.rl_pass_at_k[-1]:.3f} "
        f"({plan.rl}), pass@1 {plan.base_pass_at_k[0]:.3f} and {plan.rl_pass_at_k[0]:.3f}. If the problems are "
        "otherwise, so are the figures.",
        *_about_pilot(plan),
        f"{plan.problems} problems, {_models(plan)}, {plan.n_max} samples of each: "
        f"{_amount(fixed.samples)} samples{_tokens(fixed)}.",
    ]
    if own is not fixed:
        sentences.append(
            f"The study's plan ({own.plan}) is expected to take {_amount(own.samples)} samples{_tokens(own)}, "
            f"{_share(own)} of that; standard error of the difference at k={plan.n_max}: "
            f"{own.errors.difference_population[-1]:.4f} over fresh problems (fixed n: "
            f"{fixed.errors.difference_population[-1]:.4f}), at k=1 {own.errors.difference_population[0]:.4f} "
            f"({fixed.errors.difference_population[0]:.4f})."
        )
    if not plan.rl_models:
        return (*sentences, *_about_budget(plan))
    return (*sentences, *_about_budget(plan), *_about_detection(plan), *_about_limits(plan))


def _about_pilot(plan: Forecast) -> list[str]:
    if plan.pilot_n is None or plan.pilot_n >= plan.n_max:
        return []
    return [
        f"The pilot has {plan.pilot_n} samples per problem and the study up to {plan.n_max}: what is said of larger k "
        "rests on problems that the pilot never saw solved."
    ]


def _about_budget(plan: Forecast) -> list[str]:
    if plan.token_budget is None:
        return []
    shown = "; ".join(
        f'n_max = {_capped(row.n_max_in_budget)} in place of {plan.n_max} for "{row.plan}"'
        for row in plan.rows
        if row.n_max_in_budget and (row.own or row.stop_at in (None, DEFAULT_STOP))
    )
    if not shown:
        return [f"{_amount(plan.token_budget)} tokens do not pay for one sample of every problem and model."]
    return [
        f"{_amount(plan.token_budget)} tokens are expected to pay for {shown}. Set it before sampling, the same for "
        "all problems and models; stopping when the tokens run out would bias every estimate."
    ]


def _about_detection(plan: Forecast) -> list[str]:
    share = f"{plan.discordant:.1%} of problems solved by one model only at k={plan.n_max}"
    if plan.detectable is None:
        found = f"no difference can be found with a chance of {plan.power:.0%}, not even if all of them went one way"
    else:
        found = f"the smallest difference found with a chance of {plan.power:.0%} is {plan.detectable:.3f}"
    sentences = [
        f"With {share}, {found} (exact McNemar test, {plan.problems} problems, level {plan.alpha:g}); the expected "
        f"difference of {plan.expected_difference:+.3f} is found with a chance of {plan.chance_to_find_it:.0%}."
    ]
    if plan.problems_for:
        prices = ", ".join(f"{delta:g}: {count:,}" for delta, count in plan.problems_for)
        sentences.append(f"Problems needed for a difference of {prices}.{_for_headline(plan)}")
    return [*sentences, *_about_claims(plan)]


def _for_headline(plan: Forecast) -> str:
    if not plan.problems_for_headline or plan.chances is None:
        return ""
    prices = ", ".join(f"{delta:g}: {count:,}" for delta, count in plan.problems_for_headline)
    return (
        f" That is this one test at this one k; in the band that headlines are made of, with its critical value of "
        f"{plan.chances.critical_value:.2f}, it takes {prices}."
    )


def _about_claims(plan: Forecast) -> list[str]:
    """What headlines would say in simulated studies, and the cheapest plan that makes them say it."""
    if plan.chances is None:
        return []
    found = plan.chances
    shares = "; ".join(f"{what} {getattr(found, claim):.0%}" for claim, what in _CLAIMS.items())
    sentences = [
        f"In {found.studies:,} studies simulated under the study's own plan, the report says: {shares} (standard error "
        f"up to {found.standard_error:.1%})."
    ]
    if len(plan.headline_power):
        ends = {int(plan.k[i]): float(plan.headline_power[i]) for i in (0, -1)}
        said = " and ".join(f"{power:.0%} at k={k}" for k, power in ends.items())
        sentences.append(f"The chance that its band excludes zero on the assumed side is about {said}.")
    reached = [
        f'{_CLAIMS[each.claim]} with "{each.plan}" ({_amount(each.samples)} samples'
        f"{'' if each.tokens is None else f', {_amount(each.tokens)} tokens'})"
        for each in plan.cheapest
    ]
    lacking = [what for claim, what in _CLAIMS.items() if claim not in {each.claim for each in plan.cheapest}]
    if reached:
        sentences.append(
            f"The cheapest plans that make a claim with a chance of {plan.power:.0%} or more: {'; '.join(reached)}."
        )
    if lacking:
        more = "more problems, or an effect that the assumed law does not have"
        sentences.append(f"No plan looked at reaches {plan.power:.0%} for: {'; '.join(lacking)}. That takes {more}.")
    return sentences


_CLAIMS = {
    "better": "better with some number of tries",
    "worse": "worse with some number of tries",
    "crossing": "better with few tries and worse with many",
    "gained": "a problem gained",
    "lost": "a problem lost",
}


def _about_limits(plan: Forecast) -> list[str]:
    if not plan.splits:
        return [
            f"{plan.problems} problems cannot show any difference at k={plan.n_max}: {plan.fewest_discordant} must be "
            f"solved by one model only, and even {plan.problems}-0 has p = {mcnemar_p(0, plan.problems):.3g}."
        ]
    larger = plan.splits[0][0]
    splits = ", ".join(f"{big}-{small}" for big, small, _ in plan.splits)
    return [
        f"What {plan.problems} problems cannot show: a difference below {larger}/{plan.problems} = "
        f"{larger / plan.problems:.3f} of problems solved at k={plan.n_max}. The smallest significant splits are "
        f"{splits}; {larger - 2}-0 has p = {mcnemar_p(0, larger - 2):.3g}."
    ]


def _models(plan: Forecast) -> str:
    return f"{1 + plan.rl_models} models" if plan.rl_models else "1 model"


def _capped(n_max: int) -> str:
    return f"{n_max:,} or more" if n_max >= LARGEST_N_MAX else f"{n_max:,}"


def _tokens(row: PlanRow) -> str:
    return "" if row.tokens is None else f" and {_amount(row.tokens)} tokens"


def _share(row: PlanRow) -> str:
    samples = f"{row.share_of_samples:.0%}"
    return samples if row.share_of_tokens is None else f"{samples} and {row.share_of_tokens:.0%}"


def _amount(value: float) -> str:
    """1,234 or 5.67 million."""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:,.0f}"
