"""What does a reader see of the further findings about models and pairs? Result objects -> tables of text.

As in `tables.py`: rounded by their errors, a dash with its reason where a number does not exist. `sections.py` puts
the sentences to them and decides which are shown at once and which are folded.
"""

from collections.abc import Iterable, Mapping, Sequence

from move37.analyses.arms import Arms
from move37.analyses.between import Between
from move37.analyses.compute_parity import ComputeParity, ParityAtK
from move37.analyses.curves import CurveDifference
from move37.analyses.details import ModelDetail, PairDetail
from move37.analyses.families import Family
from move37.analyses.guessing import GuessBaseline
from move37.analyses.sensitivity import DifferenceBracket, FinishedCurve, UnscoredBracket
from move37.analyses.solvable_sets import ExpectedFourWay
from move37.analyses.strata import StratifiedComparison
from move37.analyses.support import Support, SupportMeasure
from move37.analyses.token_budget import TokenBudget
from move37.analyses.training_seeds import TrainingSeeds
from move37.counts import Estimate
from move37.report.number_format import (
    Missing,
    Shown,
    count,
    level,
    percent,
    percent_interval,
    points,
    points_interval,
)
from move37.report.tables import (
    Cell,
    Estimated,
    Table,
    difference_cell,
    first_samples,
    measure_name,
    powers_of_two,
)
from move37.report.words import established
from move37.report.words.claim import problems_of

_UNVARIED = "the value does not vary between problems, so it has no interval"
_SHOWN_BUDGETS = 8


def tables_at_k_table(found: Sequence[ExpectedFourWay]) -> Table:
    """The four-way table to expect in one row for each k."""
    rows = [
        (count(t.k), *(f"{number:,.1f}" for number in (t.both, t.base_only, t.rl_only, t.neither, t.noise_floor)))
        for t in found
    ]
    base, rl = found[0].base, found[0].rl
    return Table(
        caption="Problems solved at least once in k tries, to be expected of these problems",
        header=("k", "both", f"{base} only", f"{rl} only", "neither", "by luck, each"),
        rows=tuple(rows),
        csv="solvable_by_k.csv",
    )


def support_table(found: Support) -> Table:
    """SRR, NDR, SDS and NSCR beside what luck would make of them."""
    whole = {
        "SRR": "kept of what base solves (SRR)",
        "NDR": "new of what RL solves (NDR)",
        "SDS": "both together (SDS, harmonic mean)",
        "NSCR": "net change of the solvable set (NSCR)",
    }
    return Table(
        caption=f"Support at k = {count(found.k)}, {level(found.confidence)} intervals for problems like these, "
        "each for itself",
        header=("measure", "value", "by luck alone"),
        rows=tuple((whole[m.name], _support_cell(m), _by_luck(m)) for m in found.measures),
        csv="support.csv",
        notes=("By luck alone: the value if both models had the same chance on every problem.",),
    )


def _support_cell(measure: SupportMeasure) -> Cell:
    if measure.value is None:
        return Missing("its denominator is zero")
    if measure.name == "NSCR":
        return Estimated(points(measure.value), points_interval(measure.lower, measure.upper, None))
    return Estimated(percent(measure.value), percent_interval(measure.lower, measure.upper, None, ""))


def _by_luck(measure: SupportMeasure) -> Shown:
    shown = points if measure.name == "NSCR" else percent
    return shown(measure.by_luck, None, "nothing was solved")


def budget_table(found: TokenBudget) -> Table:
    """Some of the budgets, evenly over the grid."""
    lower, upper = found.reported
    last = len(found.tokens) - 1
    chosen = sorted({round(i * last / (_SHOWN_BUDGETS - 1)) for i in range(_SHOWN_BUDGETS)})
    rows = [
        (
            count(found.tokens[i]),
            f"{found.k_base[i]:,.1f}",
            f"{found.k_rl[i]:,.1f}",
            percent(found.base_pass[i], found.band.standard_error[i]),
            percent(found.rl_pass[i], found.band.standard_error[i]),
            _difference(found.band.mean[i], lower[i], upper[i], found.band.standard_error[i]),
            budget_shown(found, float(found.tokens[i])),
        )
        for i in chosen
    ]
    return Table(
        caption=f"Solved at equal generated tokens, simultaneous {level(found.band.confidence)} band of the "
        "difference for problems like these",
        header=(
            "tokens per problem",
            f"k of {found.base}",
            f"k of {found.rl}",
            found.base,
            found.rl,
            "difference",
            "established",
        ),
        rows=tuple(rows),
        csv="tokens.csv",
        text_columns=frozenset({0, 6}),
    )


def budget_shown(found: TokenBudget, tokens: float) -> str:
    """What the band that is shown establishes at one budget."""
    return "gain" if tokens in found.shown_gain else "loss" if tokens in found.shown_loss else "undetermined"


def budget_settled(found: TokenBudget, tokens: float) -> str:
    """What the band, not widened anywhere, says at one budget: for files that hold its ends."""
    return "gain" if tokens in found.gain else "loss" if tokens in found.loss else "undetermined"


def measures_table(pair: PairDetail, base: ModelDetail, rl: ModelDetail) -> Table:
    """Every measure of both models, and its paired difference."""
    ours, theirs = _by_measure(base), _by_measure(rl)
    rows = [
        (
            measure_name(row.measure, row.k, row.first),
            *(_level_cell(known.get(_key(row.measure, row.k))) for known in (ours, theirs)),
            _estimated_points(row.estimate),
        )
        for row in pair.differences
    ]
    bounded = any(row.estimate.lower is not None for row in pair.differences)
    notes = ["Intervals are for problems like these, each for itself."] if bounded else []
    unsteady = [row.tau for row in pair.coverage if row.steady is False]
    if pair.coverage:
        notes.append("The intervals of Cover@τ assume nothing about p.")
    if unsteady:
        names = ", ".join(f"Cover@{tau:g}" for tau in unsteady)
        notes.append(f"{names}: n and n/2 samples disagree, so the values' condition does not hold; use the intervals.")
    of_base, of_rl = ({row.tau: row.estimate for row in model.coverage} for model in (base, rl))
    early = first_samples(base.first or rl.first)
    rows += [
        (
            f"Cover@{row.tau:g}{early}",
            _level_cell(of_base.get(row.tau)),
            _level_cell(of_rl.get(row.tau)),
            _estimated_points(row.estimate),
        )
        for row in pair.coverage
    ]
    if pair.bayes is not None and base.bayes is not None and rl.bayes is not None:
        for name, each in (
            (f"avg@n{early}, these problems", (base.bayes.average, rl.bayes.average, pair.bayes.average)),
            (f"Bayes@N{early}, these problems", (base.bayes.estimate, rl.bayes.estimate, pair.bayes.estimate)),
        ):
            rows.append((name, _level_cell(each[0]), _level_cell(each[1]), _estimated_points(each[2])))
        notes.append("These problems: fresh samples of the same problems, not other problems.")
        if pair.bayes.displaced:
            notes.append("The prior of Bayes@N moves the difference by more than its interval: rely on avg@n.")
    return Table(
        caption=f"{pair.base}, {pair.rl}, and {pair.rl} minus {pair.base} in points, paired by problem{_sure(pair)}",
        header=("measure", pair.base, pair.rl, "difference"),
        rows=tuple(rows),
        csv="measures.csv",
        notes=tuple(notes),
    )


def _sure(pair: PairDetail) -> str:
    """ ", 95% intervals", where there are any."""
    estimates = [row.estimate for row in (*pair.differences, *pair.coverage)]
    estimates += [pair.bayes.estimate] if pair.bayes is not None else []
    known = sorted({each.confidence for each in estimates if each.confidence is not None})
    return f", {' or '.join(map(level, known))} intervals" if known else ""


def _key(measure: str, k: int) -> tuple[str, int]:
    """avg@n stands for itself whatever n is."""
    return measure, 0 if measure == "avg@n" else k


def _by_measure(model: ModelDetail) -> dict[tuple[str, int], Estimate]:
    return {_key(row.measure, row.k): row.estimate for row in model.reliability}


def _level_cell(estimate: Estimate | None) -> Shown:
    if estimate is None:
        return Missing("the pair's k is not among those at which this model alone is shown")
    return percent(estimate.value, estimate.standard_error)


def _estimated_points(estimate: Estimate) -> Cell:
    value = points(estimate.value, estimate.standard_error)
    if estimate.lower is None or estimate.upper is None:
        return Estimated(value, Missing(_UNVARIED))
    return Estimated(value, points_interval(estimate.lower, estimate.upper, estimate.standard_error))


def _estimated_percent(estimate: Estimate) -> Cell:
    interval = percent_interval(estimate.lower, estimate.upper, estimate.standard_error, _UNVARIED)
    return Estimated(percent(estimate.value, estimate.standard_error), interval)


def _difference(mean: float, lower: float, upper: float, error: float) -> Cell:
    value = points(mean, error)
    if lower <= -1 and upper >= 1:
        return Estimated(value, Missing("problems do not vary there, so nothing bounds it"))
    return Estimated(value, points_interval(lower, upper, error))


def strata_table(found: StratifiedComparison) -> Table:
    """Each stratum and the total, at one try and at the largest k."""
    parts = [(each.name, count(each.problems), each.difference) for each in found.strata]
    total = count(sum(each.problems for each in found.strata))
    rows = [
        (name, problems, *_ends(difference), established(difference))
        for name, problems, difference in (*parts, ("all, strata held fixed", total, found.total))
    ]
    models = "" if found.corrected_over == 1 else f" of all {found.corrected_over} models"
    return Table(
        caption=f"{found.total.rl} minus {found.total.base} in points by {found.tag}",
        header=(found.tag, "problems", *_end_names(found.total), "established"),
        rows=tuple(rows),
        csv="strata.csv",
        notes=(
            f"The rows{models} hold together with {level(found.confidence)} confidence, and the totals{models} for "
            f"themselves, each for all k at once, for {problems_of(found.total.target)}.",
        ),
        text_columns=frozenset({0, 2 + len(_end_names(found.total))}),
    )


def _ends(difference: CurveDifference) -> tuple[Cell, ...]:
    return tuple(difference_cell(difference, k) for k in sorted({1, len(difference.k)}))


def _end_names(difference: CurveDifference) -> tuple[str, ...]:
    return tuple(f"k = {count(k)}" for k in sorted({1, len(difference.k)}))


def family_table(found: Family) -> Table:
    """Every model minus the base under the band that covers all."""
    names = _end_names(found.members[0])
    return Table(
        caption=f"Each model minus {found.base} in points, one {level(found.confidence)} band for all models and "
        f"all k, for {problems_of(found.members[0].target)}",
        header=("model", *names, "established for all together"),
        rows=tuple((member.rl, *_ends(member), established(member)) for member in found.members),
        csv="family.csv",
        text_columns=frozenset({0, 1 + len(names)}),
    )


def arms_table(found: Arms) -> Table:
    """Every arm and every envelope, at one try and at the largest k."""
    last = len(found.envelopes[0].k)
    ks = sorted({1, last})
    rows: list[tuple[Cell, ...]] = []
    for each in found.envelopes:
        for arm, curve, share in zip(each.arms, each.by_arm, each.chosen, strict=True):
            rows.append((arm, *(f"{percent(curve[k - 1])}, chosen by {share[k - 1]:.0%}" for k in ks)))
        if len(each.arms) > 1:
            rows.append((f"{each.model}, its best arm", *(percent(each.pass_at_k[k - 1]) for k in ks)))
    return Table(
        caption="pass@k of each way of asking, and of the best one, on these problems",
        header=("arm", *(f"k = {count(k)}" for k in ks)),
        rows=tuple(rows),
        csv="arms.csv",
    )


def parity_table(found: ComputeParity) -> Table:
    """Extra tries and break-even at each k, and the difference at the stated number of uses."""
    rows = [
        (
            count(row.k),
            percent(row.rl_pass),
            Missing("base does not get there with its samples")
            if row.extra_tries is None
            else f"{row.extra_tries:,.1f}",
            _break_even(row.extra_tries, row.break_even),
            *([_at_parity(row)] if found.uses is not None else []),
        )
        for row in found.rows
    ]
    stated = [f"difference over {count(found.uses)} uses"] if found.uses is not None else []
    return Table(
        caption=f"{found.rl} with k tries against {found.base} with more",
        header=("k", found.rl, f"tries more of {found.base}", "training pays from so many uses", *stated),
        rows=tuple(rows),
        csv="parity.csv",
        notes=()
        if found.uses is None
        else (f"{level(found.confidence)} intervals, each for its k alone, for problems like these.",),
    )


def _break_even(extra: float | None, uses: float | None) -> Cell:
    if uses is None:
        return Missing("base solves as much with k tries" if extra is not None else "this is base's last k")
    return f"at most {uses:,.0f}" if extra is None else f"{uses:,.0f}"


def _at_parity(row: ParityAtK) -> Cell:
    if row.difference is None or row.lower is None or row.upper is None:
        return Missing("base has not so many samples")
    error = (row.upper - row.lower) / 4
    return Estimated(points(row.difference, error), points_interval(row.lower, row.upper, error))


def between_table(found: Between) -> Table:
    """Every pair of RL models under the band that covers all."""
    names = _end_names(found.pairs[0])
    return Table(
        caption=f"RL models minus each other in points, one {level(found.confidence)} band for all pairs and all k, "
        f"for {problems_of(found.pairs[0].target)}",
        header=("pair", *names, "established for all together"),
        rows=tuple((f"{each.rl} minus {each.base}", *_ends(each), established(each)) for each in found.pairs),
        csv="between.csv",
        text_columns=frozenset({0, 1 + len(names)}),
    )


def seeds_table(found: TrainingSeeds) -> Table:
    """Each run, their mean with its band, and how far runs differ."""
    at = sorted({0, len(found.k) - 1})
    rows: list[tuple[Cell, ...]] = [
        (run, *(points(each[i], found.between_seeds[i]) for i in at))
        for run, each in zip(found.runs, found.by_seed, strict=True)
    ]
    errors = [float((found.band.se_seeds[i] ** 2 + found.band.se_problems[i] ** 2) ** 0.5) for i in at]
    band = found.band
    mean = [_difference(band.mean[i], band.lower[i], band.upper[i], e) for i, e in zip(at, errors, strict=True)]
    share = [percent(found.seed_share[i], reason="nothing varies") for i in at]
    rows += [("mean over seeds", *mean), ("share of its variance that is the seeds'", *share)]
    return Table(
        caption=f"{found.algorithm} minus {found.base} in points, {level(band.confidence)} band for other seeds and "
        f"{problems_of(band.target)}",
        header=("run", *(f"k = {count(found.k[i])}" for i in at)),
        rows=tuple(rows),
        csv="seeds.csv",
    )


def guess_table(found: Sequence[GuessBaseline]) -> Table:
    """pass@k of each guesser."""
    ks = powers_of_two(min(len(each.k) for each in found))
    return Table(
        caption="pass@k of guessing",
        header=("k", *(each.name for each in found)),
        rows=tuple((count(k), *(guessed(each, k) for each in found)) for k in ks),
        csv="guesses.csv",
        notes=tuple(f"{each.name}: {each.description}." for each in found),
    )


def guessed(found: GuessBaseline, k: int) -> Shown:
    """pass@k of a guesser to three digits: it may be small, and has no error."""
    return percent(found.at(k), found.at(k) / 10)


def coverage_table(models: Sequence[ModelDetail]) -> Table:
    """Cover@tau of every model, with the biased share and the bounds that assume nothing."""
    rows = [
        (
            model.model,
            f"{row.tau:g}",
            percent_interval(row.estimate.lower, row.estimate.upper, row.estimate.standard_error, ""),
            percent(row.estimate.value, row.estimate.standard_error),
            _STEADY[row.steady],
            percent(row.plug_in, row.estimate.standard_error),
        )
        for model in models
        for row in model.coverage
    ]
    return Table(
        caption=f"Share of problems that a model solves with chance τ or more in one try (Cover@τ){of_firsts(models)}, "
        f"{_of_cover(models)}",
        header=("model", "τ", "interval", "estimate", "n and n/2", "counted"),
        rows=tuple(rows),
        csv="coverage.csv",
        notes=(
            "The interval assumes nothing about p; each row for itself, for problems like these. The estimate needs "
            "chances that are spread smoothly around τ: where n and n/2 samples disagree by two standard errors they "
            "are not. Counted: problems with a share of right samples of τ or more, which is biased.",
        ),
        text_columns=frozenset({0, 4}),
    )


def _of_cover(models: Sequence[ModelDetail]) -> str:
    known = sorted({row.estimate.confidence or 0.0 for model in models for row in model.coverage})
    return f"{' or '.join(map(level, known))} intervals"


_STEADY = {True: "agree", False: "disagree", None: "too few to tell"}


def of_firsts(models: Sequence[ModelDetail]) -> str:
    """Of which samples it is where some model was stopped early; empty where none was."""
    firsts = sorted({model.first for model in models if model.first is not None})
    return f", of the first {' or '.join(map(count, firsts))} samples of each problem" if firsts else ""


def bayes_table(models: Sequence[ModelDetail]) -> Table:
    """Bayes@N beside avg@n, both for fresh samples of these problems."""
    known = [model.bayes for model in models if model.bayes is not None]
    moved = [each.model for each in known if each.displaced]
    firsts = {model.first for model in models if model.first is not None}
    early = first_samples(max(firsts)) if firsts else ""
    notes = (f"{level(known[0].estimate.confidence or 0.0)} intervals. Both are about these problems, not others.",)
    if moved:
        notes += (f"{', '.join(moved)}: the prior moves Bayes@N by more than its interval, so rely on avg@n.",)
    return Table(
        caption="Accuracy on these problems",
        header=("model", f"Bayes@N{early}", f"avg@n{early}"),
        rows=tuple((each.model, _estimated_percent(each.estimate), _estimated_percent(each.average)) for each in known),
        csv="bayes.csv",
        notes=notes,
    )


def unscored_table(brackets: Sequence[UnscoredBracket]) -> Table:
    """pass@k of each model with all unscored samples wrong, and with all right."""
    notes = tuple(
        f"{each.model} was stopped early, so its upper end is a bound that no outcome of the unscored can exceed."
        for each in brackets
        if not each.right_is_exact
    )
    return _curves_table(
        f"pass@k with every unscored sample wrong to every one right, and its {level(brackets[0].confidence)} band for "
        "problems like these",
        {each.model: _bracket_cells(each) for each in brackets},
        "unscored.csv",
        notes,
    )


def _bracket_cells(found: UnscoredBracket) -> list[Cell]:
    ranges: list[Cell] = [_range(*ends) for ends in zip(found.if_wrong, found.if_right, strict=True)]
    if not found.lower.size:
        return ranges
    bands = [_range(*ends) for ends in zip(found.lower, found.upper, strict=True)]
    return [Estimated(str(each), band) for each, band in zip(ranges, bands, strict=True)]


def unscored_difference_table(pairs: Sequence[PairDetail]) -> Table:
    """The differences at their worst and at their best for rl."""
    return _curves_table(
        "Difference in points, unscored samples at their worst to at their best for the first, and its "
        f"{level(next(pair.unscored.confidence for pair in pairs if pair.unscored is not None))} band for problems "
        "like these",
        {
            f"{pair.rl} minus {pair.base}": _difference_cells(pair.unscored)
            for pair in pairs
            if pair.unscored is not None
        },
        "unscored_difference.csv",
    )


def _difference_cells(found: DifferenceBracket) -> list[Cell]:
    ranges: list[Cell] = [points_interval(*ends, None) for ends in zip(found.lower, found.upper, strict=True)]
    if not found.band_lower.size:
        return ranges
    bands = [points_interval(*ends, None) for ends in zip(found.band_lower, found.band_upper, strict=True)]
    return [Estimated(str(each), band) for each, band in zip(ranges, bands, strict=True)]


def finished_table(found: Sequence[FinishedCurve]) -> Table:
    """pass@k of samples that ended by themselves, beside that of all on the same problems."""
    columns = {
        f"{each.model}, {name}": [percent(share) for share in shares]
        for each in found
        for name, shares in (("not truncated", each.finished), ("all", each.all_samples))
    }
    return _curves_table("pass@k without truncated samples and with them, same problems", columns, "finished.csv")


def _curves_table(caption: str, columns: Mapping[str, Sequence[Cell]], csv: str, notes: Iterable[str] = ()) -> Table:
    """One column for each name, whose cells are for k = 1, 2, ..., shown at powers of two."""
    lacking = Missing("fewer samples")
    rows = [
        (count(k), *(cells[k - 1] if k <= len(cells) else lacking for cells in columns.values()))
        for k in powers_of_two(max(len(cells) for cells in columns.values()))
    ]
    return Table(caption, ("k", *columns), tuple(rows), csv, tuple(notes))


def _range(lower: float, upper: float) -> Shown:
    return percent_interval(lower, upper, None, "not known")
