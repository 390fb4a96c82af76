"""Which further findings have a section, and what is its one plain sentence?

A section is a heading, sentences, the tables that are shown at once and those that are folded, and perhaps a figure.
It exists only where its finding does. Longer texts are those of `words/`, and page, markdown and terminal say the
same. Left out: what `summary.py` says first, and the sections that every report has.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from move37.analyses import Comparison, Findings
from move37.analyses.arms import Arms
from move37.analyses.between import Between
from move37.analyses.curves import CurveDifference
from move37.analyses.details import ModelDetail, PairDetail
from move37.analyses.exact_truth import ExactFindings
from move37.analyses.families import Family
from move37.analyses.fragility import THRESHOLDS
from move37.analyses.reliability import Coverage, ReliabilityDifference
from move37.analyses.sensitivity import FinishedCurve, UnscoredBracket
from move37.analyses.strata import StratifiedComparison
from move37.analyses.support import Support
from move37.report import (
    contamination,
    details,
    exact_section,
    extrapolation,
    format_split,
    fragility,
    perplexity_section,
    picture_readings,
    training_section,
    variety_section,
    verifier_errors,
    zero_set,
)
from move37.report.number_format import count, counted, level, percent, percent_interval, points, points_interval
from move37.report.tables import Cell, Estimated, Table
from move37.report.tool_section import tools_sentence, tools_table
from move37.report.words import established, stopped_by_outcomes
from move37.report.words.claim import LIKE_THESE, Assertion, Claim, described, joined, problems_of
from move37.report.words.exact import exact_pair_sentences
from move37.report.words.extrapolation import pair_sentence, unseen_sentence
from move37.report.words.findings import budget_sentences, seeds_sentences, signs, strata_sentences
from move37.report.words.format_split import format_sentences
from move37.report.words.parity import parity_sentence
from move37.report.words.perplexity import perplexity_sentences
from move37.report.words.verifier_errors import (
    chain_sentence,
    corrected_sentence,
    cot_sentence,
    false_solves_sentence,
    four_way_sentence,
)
from move37.report.words.zero_set import zero_set_sentences

_LONG = 12
"""Rows above which a table is folded."""
_SAID_STRATA = 6
"""Strata up to which each has its words; the table has all of them."""
_WIDE = 7
"""Plain columns above which a table has the width of the page."""


@dataclass(frozen=True)
class Section:
    """`folded` tables have a summary each; `stem` names a figure, which brings its own files."""

    heading: str
    sentences: tuple[Claim, ...]
    tables: tuple[Table, ...] = ()
    folded: tuple[tuple[str, Table], ...] = ()
    stem: str | None = None

    @property
    def wide(self) -> bool:
        """Whether some table that is shown at once needs the width of the page."""
        return any(sum(map(_width, row)) > _WIDE for table in self.tables for row in table.rows[:1])


@dataclass(frozen=True)
class FurtherSections:
    """All sections, by the place where a page has them."""

    guessing: tuple[Section, ...]
    together: tuple[Section, ...]
    """All models in one band, and algorithms over their seeds."""
    variety: tuple[tuple[Section, ...], ...]
    """How many different answers; in the order of the comparisons, as `pairs`."""
    pairs: tuple[tuple[Section, ...], ...]
    reliability: tuple[Section, ...]
    outcomes: tuple[Section, ...]
    graders: tuple[Section, ...]
    extrapolation: tuple[Section, ...]


def further_sections(findings: Findings) -> FurtherSections:
    """Every section that these findings carry."""
    models = {model.model: model for model in findings.models}
    return FurtherSections(
        guessing=_guessing(findings),
        together=(
            *_family(findings.family),
            *_between(findings.between),
            *_trainings(findings),
            *_seeds(findings),
            *_arms(findings.arms),
            *_parity(findings),
            *_zero_set(findings),
            *_exact(findings.exact),
        ),
        variety=tuple(tuple(_diversity(pair)) for pair in findings.pairs),
        pairs=tuple(
            (
                *_fragility(comparison),
                *_pair(pair, models, findings, token_stem(number, len(findings.pairs))),
                *_likelihoods(findings, pair),
            )
            for number, (pair, comparison) in enumerate(zip(findings.pairs, findings.comparisons, strict=True), start=1)
        ),
        reliability=_reliability(findings.models),
        outcomes=(
            *_readings(findings),
            *_unscored(findings),
            *_finished(findings.models),
            *_format(findings),
            *_tools(findings),
        ),
        graders=(*_probed(findings), *_audits(findings), *_chains(findings.models), *_corrected(findings.models)),
        extrapolation=_extrapolation(findings),
    )


def section_lines(findings: Findings) -> list[str]:
    """Heading and sentences of every section, for a terminal."""
    found = further_sections(findings)
    lines = [_line(each) for each in (*found.together, *found.guessing)]
    for pair, variety, sections in zip(findings.pairs, found.variety, found.pairs, strict=True):
        several = f"{pair.rl} against {pair.base}, " if len(findings.pairs) > 1 else ""
        lines += [f"{several}{_line(each)}" for each in (*variety, *sections)]
    rest = (*found.reliability, *found.outcomes, *found.graders, *found.extrapolation)
    return [*lines, *map(_line, rest)]


def token_stem(number: int, pairs: int) -> str:
    """The name of a pair's figure of token budgets."""
    return f"tokens-{number}" if pairs > 1 else "tokens"


def _width(cell: Cell) -> float:
    """A value with its interval is as wide as two or three plain ones."""
    return 2.5 if isinstance(cell, Estimated) else 1


def _line(section: Section) -> str:
    return f"{section.heading}: {joined(section.sentences)}"


def _section(
    heading: str, sentences: Sequence[Claim | str], *tables: Table, folded: Sequence[tuple[str, Table]] = ()
) -> Section:
    """Long tables are folded as well. A sentence that is but text describes."""
    short = tuple(table for table in tables if len(table.rows) <= _LONG)
    long = tuple(("As a table", table) for table in tables if len(table.rows) > _LONG)
    said = tuple(described(each) if isinstance(each, str) else each for each in sentences)
    return Section(heading, said, short, (*long, *folded))


# -- all models together -------------------------------------------------------------------------------------------


def _guessing(findings: Findings) -> tuple[Section, ...]:
    if not findings.guesses:
        return ()
    said = [
        f"{each.name} ({each.description}) solves {details.guessed(each, 1)} with one try and "
        f"{details.guessed(each, len(each.k))} with {counted(len(each.k), 'try')}"
        for each in findings.guesses
    ]
    text = f"{'; '.join(said)}. A curve near such a line says nothing about reasoning."
    return (
        _section("What guessing would reach", [f"{text[0].upper()}{text[1:]}"], details.guess_table(findings.guesses)),
    )


def _family(found: Family | None) -> tuple[Section, ...]:
    if found is None:
        return ()
    text = (
        f"One {level(found.confidence)} band for {problems_of(found.members[0].target)} covers the differences of all "
        f"{count(len(found.members))} models from {found.base} at every k (critical value {found.critical_value:.2f}), "
        "so what is established here holds of all of them together; it is wider than the band of one comparison."
    )
    return (_section("All models in one band", [text], details.family_table(found)),)


def _seeds(findings: Findings) -> tuple[Section, ...]:
    return tuple(
        _section(f"Several training seeds of {each.algorithm}", seeds_sentences(each), details.seeds_table(each))
        for each in findings.seeds
    )


def _trainings(findings: Findings) -> tuple[Section, ...]:
    found, rules = findings.trajectory, findings.variants
    sections = []
    if found is not None:
        folded = (("Every checkpoint as a table", training_section.trajectory_table(found)),)
        said = tuple(training_section.trajectory_sentences(found))
        sections.append(Section("Over the course of training", said, (), folded, training_section.STEM))
    if rules is not None:
        folded = [("Every pair of rules", training_section.pairs_table(rules))]
        said = training_section.variants_sentences(rules)
        heading = "Training rules beside each other"
        sections.append(_section(heading, said, training_section.variants_table(rules), folded=folded))
    if findings.entropy_matches:
        table = training_section.matches_table(findings.entropy_matches)
        said = training_section.matches_sentences(findings.entropy_matches)
        sections.append(_section("At the same entropy", said, table))
    return tuple(sections)


def _exact(found: ExactFindings | None) -> tuple[Section, ...]:
    if found is None:
        return ()
    table = exact_section.curves_table(found)
    folded = [("Computed and sampled as a table", table)]
    if len(found.models) > exact_section.FEW:
        folded.append(("Every model as a table", exact_section.models_table(found)))
    said = tuple(map(described, exact_section.curves_sentences(found)))
    return (Section("The exact truth of this world", said, (), tuple(folded), exact_section.CURVES_STEM),)


def _diversity(pair: PairDetail) -> Iterator[Section]:
    if pair.diversity is not None:
        said = variety_section.diversity_sentences(pair.diversity)
        yield _section("How many different answers", said, variety_section.diversity_table(pair.diversity))


def _by_chance(findings: Findings, pair: PairDetail) -> Iterator[Section]:
    """Problems by chance beside problems by share of right samples."""
    if pair.deconvolved is not None:
        shifts = {(each.shift.base, each.shift.rl): each.shift for each in findings.comparisons}
        table = variety_section.shift_table(pair.deconvolved, shifts[pair.base, pair.rl])
        said = [variety_section.shift_sentence(pair.deconvolved)]
        yield _section("Problems by chance, without the noise of the samples", said, table)


def _likelihoods(findings: Findings, pair: PairDetail) -> tuple[Section, ...]:
    """What RL did to exact chances, and how likely each model's work is under the other, where that is known."""
    found = list(_by_chance(findings, pair))
    models = {} if findings.exact is None else {model.model: model for model in findings.exact.models}
    pairs = () if findings.exact is None else findings.exact.pairs
    for number, each in enumerate(pairs, start=1):
        if (each.base, each.rl) == (pair.base, pair.rl):
            moves = exact_section.moves_table(each)
            folded = [("Every problem", exact_section.problems_table(each, models[each.base], models[each.rl]))]
            folded += [("New and lost moves", moves)] if moves.rows else []
            stem = exact_section.chances_stem(number, len(pairs))
            said = tuple(map(described, exact_pair_sentences(each)))
            found.append(Section("Which problems became likelier, which rarer", said, (), tuple(folded), stem))
    for number, each in enumerate(findings.perplexities, start=1):
        if (each.base, each.rl) == (pair.base, pair.rl):
            table = perplexity_section.groups_table(each)
            folded = [("Perplexities as a table", table), *perplexity_section.rare_tables(each)]
            stem = perplexity_section.perplexity_stem(number, len(findings.perplexities))
            said = tuple(map(described, perplexity_sentences(each)))
            found.append(Section("How likely is each model’s work under the other", said, (), tuple(folded), stem))
    return tuple(found)


def _between(found: Between | None) -> tuple[Section, ...]:
    if found is None:
        return ()
    text = (
        f"One {level(found.confidence)} band for {problems_of(found.pairs[0].target)} covers every pair of RL models "
        f"at every k (critical value {found.critical_value:.2f}). The models tried the same problems and base does not "
        "enter: this, and not whose curve is further from base's, decides between two of them."
    )
    said = [_apart(p, found.confidence) for p in found.pairs if p.shown_gain or p.shown_loss]
    return (_section("RL models against each other", [text, *said[:_SAID_STRATA]], details.between_table(found)),)


def _apart(pair: CurveDifference, confidence: float) -> Claim:
    """What the common band establishes of one pair."""
    return Claim(
        f"{pair.rl} against {pair.base}: {established(pair)}.",
        signs(pair),
        target=problems_of(pair.target),
        confidence=confidence,
        corrected_over="for all pairs of RL models and all k at once",
    )


def _arms(found: Arms | None) -> tuple[Section, ...]:
    if found is None:
        return ()
    text = (
        "Each model by the best of the ways in which it was asked, chosen for every k on one half of the problems and "
        f"measured on the other ({count(found.splits)} splits), so that the choice does not flatter it."
    )
    said = [_over_arms(each) for each in found.differences]
    return (_section("Over several ways of asking", [text, *said], details.arms_table(found)),)


def _over_arms(each: CurveDifference) -> Claim:
    """What the band of two envelopes establishes."""
    sure = f"{level(each.band.confidence)} confidence for {problems_of(each.target)}, all k at once, this pair alone"
    return Claim(
        f"{each.rl} against {each.base}: {established(each)} ({sure}).",
        tuple(replace(said, quantity="difference of best arms") for said in signs(each)),
        target=problems_of(each.target),
        confidence=each.band.confidence,
        corrected_over="for all k at once, for this pair alone",
    )


def _parity(findings: Findings) -> tuple[Section, ...]:
    if not findings.parity:
        return ()
    said = [parity_sentence(each) for each in findings.parity]
    return (_section("Training against more tries", said, *map(details.parity_table, findings.parity)),)


def _zero_set(findings: Findings) -> tuple[Section, ...]:
    found = findings.zero_set
    if found is None:
        return ()
    return (
        _section("What base never solved, sampled again", zero_set_sentences(found), zero_set.zero_set_table(found)),
    )


# -- a pair --------------------------------------------------------------------------------------------------------


def _pair(pair: PairDetail, models: dict[str, ModelDetail], findings: Findings, stem: str) -> tuple[Section, ...]:
    measured = details.measures_table(pair, models[pair.base], models[pair.rl])
    return (
        *_tables_at_k(pair, stopped_by_outcomes(findings.decision)),
        _support(pair.support),
        *_tokens(pair, stem),
        *([_measures(pair, measured)] if measured.rows else []),
        *(_strata(each) for each in pair.strata),
    )


def _fragility(comparison: Comparison) -> tuple[Section, ...]:
    found = comparison.fragility
    if found is None:
        return ()
    limit = found.most_successes
    text = (
        "The same difference if the samples are read otherwise, each row with a band of its own. They ask whether a "
        "gain or a loss stands, and claim none."
    )
    planned = (
        f"Sampling stopped at {counted(limit, 'right sample')}, so no more than that can be asked for."
        if limit is not None and limit < max(THRESHOLDS)
        else ""
    )
    tables = fragility.readings_table(found)
    folded = [("How much false accepts would have to differ", fragility.tipping_table(found))]
    said = tuple(map(described, (text, *([planned] if planned else ()))))
    return (Section("Under other readings", said, (tables,), tuple(folded)),)


def _tables_at_k(pair: PairDetail, stopped: bool) -> tuple[Section, ...]:
    if len(pair.expected) < 2:
        return ()
    text = (
        "How many of these problems one model alone is expected to solve in k tries, beside what luck would make of it "
        "if both had the same chances. Expected numbers, unbiased; nothing is tested here."
    )
    warning = "They do not allow for sampling having stopped at a decision."
    table = details.tables_at_k_table(pair.expected)
    return (_section("The four-way table at other k", [text, *([warning] if stopped else [])], table),)


def _support(found: Support) -> Section:
    base, rl, k = found.base, found.rl, counted(found.k, "try")
    text = (
        f"Of the {counted(found.preserved + found.lost, 'problem')} that {base} solves in {k}, {rl} keeps "
        f"{count(found.preserved)} and loses {count(found.lost)}; it gains {count(found.gained)} that {base} does not "
        "solve."
    )
    return _section("Support kept, gained, lost", [text], details.support_table(found))


def _tokens(pair: PairDetail, stem: str) -> tuple[Section, ...]:
    if pair.tokens is None:
        return ()
    table = details.budget_table(pair.tokens)
    return (Section("At equal tokens", budget_sentences(pair.tokens), (), (("Some budgets as a table", table),), stem),)


def _measures(pair: PairDetail, table: Table) -> Section:
    text = f"Every measure of both models, and how far {pair.rl} is ahead of {pair.base} on the same problems."
    said = [
        Claim(
            f"For one try, {points(e.value, e.standard_error)} points "
            f"({points_interval(e.lower, e.upper, e.standard_error)}, {level(e.confidence)} confidence for this "
            f"measure alone, for {problems_of(e.target)}).",
            (Assertion("difference", (pair.rl, pair.base), (1,), e.lower, e.upper),),
            target=problems_of(e.target),
            confidence=e.confidence,
            corrected_over="for this measure alone",
        )
        for e in (row.estimate for row in pair.differences if _is_pass_at_1(row))
        if e.lower is not None and e.upper is not None and e.confidence is not None
    ]
    return _section("Measures side by side", [text, *said], table)


def _is_pass_at_1(row: ReliabilityDifference) -> bool:
    """avg@n is pass@1 but where it is of the first samples alone."""
    return (row.measure == "avg@n" and row.first is None) or (row.measure, row.k) == ("pass@k", 1)


def _strata(found: StratifiedComparison) -> Section:
    sentences = strata_sentences(found)
    said = sentences if len(found.strata) <= _SAID_STRATA else sentences[-1:]
    return _section(f"By {found.tag}", said, details.strata_table(found))


# -- a model -------------------------------------------------------------------------------------------------------


def _reliability(models: Sequence[ModelDetail]) -> tuple[Section, ...]:
    found = []
    if any(model.coverage for model in models):
        said = _dependably(models)
        found.append(
            _section(
                "Solved with a chance of at least τ", said, folded=[("As a table", details.coverage_table(models))]
            )
        )
    if any(model.bayes is not None for model in models):
        text = "The posterior mean under a uniform prior for every problem, beside the plain average."
        found.append(_section("Bayes@N beside avg@n", [text], details.bayes_table(models)))
    return tuple(found)


def _dependably(models: Sequence[ModelDetail]) -> list[Claim]:
    """Cover@tau at the middle threshold that there is: the interval, which assumes nothing, and the estimate."""
    known = [model.coverage[len(model.coverage) // 2] for model in models if model.coverage]
    unsteady = dict.fromkeys(row.model for model in models for row in model.coverage if row.steady is False)
    condition = (
        "The intervals assume nothing about how chances are spread over problems. The estimates beside them hold if "
        "the problems' chances are spread smoothly around τ."
    )
    if unsteady:
        condition += f" For {', '.join(unsteady)} n and n/2 samples disagree on some of them: there they do not."
    return [*map(_covered, known), described(condition)]


def _covered(row: Coverage) -> Claim:
    e = row.estimate
    share = percent_interval(e.lower, e.upper, e.standard_error, "an unknown share")
    text = (
        f"{row.model} solves {share} of problems like these with a chance of {row.tau:.0%} or more in each try "
        f"({level(e.confidence or 0)} confidence, for this threshold alone; estimate "
        f"{percent(e.value, e.standard_error)})."
    )
    return Claim(
        text,
        (Assertion(f"cover@{row.tau:g}", (row.model,), (), e.lower or 0.0, 1.0 if e.upper is None else e.upper),),
        target=problems_of(e.target),
        confidence=e.confidence,
        corrected_over="for this threshold alone",
    )


def _unscored(findings: Findings) -> tuple[Section, ...]:
    brackets = [model.unscored for model in findings.models if model.unscored is not None]
    if not brackets:
        return ()
    said = [claim for each in brackets for claim in _bracketed(each)]
    tables = [details.unscored_table(brackets)]
    pairs = [pair for pair in findings.pairs if pair.unscored is not None]
    if pairs:
        tables.append(details.unscored_difference_table(pairs))
    return (_section("If the unscored were right or wrong", said, *tables),)


def _bracketed(found: UnscoredBracket) -> list[Claim]:
    counts = described(
        f"{counted(found.unscored, 'sample')} of {found.model} on {counted(found.problems_with_unscored, 'problem')} "
        f"{'is' if found.unscored == 1 else 'are'} unscored: pass@1 would be {percent(found.if_wrong[0])} with all of "
        f"them wrong and {percent(found.if_right[0])} with all right."
    )
    if not found.lower.size or (found.lower[0] <= 0 and found.upper[0] >= 1):
        return [counts]
    text = (
        f"Whatever they are, {found.model} solves {percent_interval(found.lower[0], found.upper[0], None, '')} of "
        f"problems like these with one try ({level(found.confidence)} confidence, for all k at once)."
    )
    bounds = Assertion("pass@k", (found.model,), (1,), found.lower[0], found.upper[0])
    over = "for all k at once"
    return [counts, Claim(text, (bounds,), target=LIKE_THESE, confidence=found.confidence, corrected_over=over)]


def _finished(models: Sequence[ModelDetail]) -> tuple[Section, ...]:
    found = [model.finished for model in models if model.finished is not None]
    if not found:
        return ()
    limits = "This is not what a higher token limit would give: the longest answers are the cut ones."
    return (
        _section("Without truncated samples", [*map(_finished_sentence, found), limits], details.finished_table(found)),
    )


def _finished_sentence(found: FinishedCurve) -> str:
    left = f" ({counted(len(found.left_out), 'problem')} without any left out)" if found.left_out else ""
    return (
        f"{counted(found.truncated, 'sample')} of {found.model} {'was' if found.truncated == 1 else 'were'} cut off; "
        f"among those that ended by themselves{left} {percent(found.finished[0])} are right, among all samples of the "
        f"same problems {percent(found.all_samples[0])}."
    )


def _format(findings: Findings) -> tuple[Section, ...]:
    found = [model.format for model in findings.models if model.format is not None]
    if not found:
        return ()
    said = format_sentences(found, [pair.format for pair in findings.pairs if pair.format is not None])
    return (_section("Format and content", said, format_split.format_table(found)),)


def _tools(findings: Findings) -> tuple[Section, ...]:
    found = [model.tools for model in findings.models if model.tools is not None]
    if not found:
        return ()
    return (_section("Tools", [*map(tools_sentence, found)], tools_table(found)),)


def _readings(findings: Findings) -> tuple[Section, ...]:
    found = findings.readings
    if not found:
        return ()
    said = [*map(picture_readings.reading_sentence, found)]
    return (_section("Seeing or reasoning", said, picture_readings.readings_table(found)),)


def _probed(findings: Findings) -> tuple[Section, ...]:
    found = findings.contamination
    if not found:
        return ()
    models = dict.fromkeys(each.model for each in found)
    said = [contamination.partial_sentence([each for each in found if each.model == model]) for model in models]
    limits = "A question completed word for word was most likely seen in training; some give their answer away."
    return (_section("Were the problems seen before?", [*said, limits], contamination.partial_table(found)),)


def _audits(findings: Findings) -> tuple[Section, ...]:
    found = [model.audit for model in findings.models if model.audit is not None]
    if not found:
        return ()
    pairs = [pair.valid for pair in findings.pairs if pair.valid is not None]
    said = [*map(chain_sentence, found), *map(four_way_sentence, pairs)]
    tables = [verifier_errors.audits_table(found), *([verifier_errors.valid_four_way_table(pairs)] if pairs else [])]
    return (_section("Solved with a valid chain", said, *tables),)


def _chains(models: Sequence[ModelDetail]) -> tuple[Section, ...]:
    found = [model.chains for model in models if model.chains is not None]
    if not found:
        return ()
    return (
        _section("With a chain that a judge accepts", [*map(cot_sentence, found)], verifier_errors.chains_table(found)),
    )


def _corrected(models: Sequence[ModelDetail]) -> tuple[Section, ...]:
    found = [model.corrected for model in models if model.corrected is not None]
    false = [model.false_solves for model in models if model.false_solves is not None]
    if not found and not false:
        return ()
    tables = [verifier_errors.corrected_table(found)] if found else []
    tables += [verifier_errors.false_solves_table(false)] if false else []
    said = [*map(corrected_sentence, found), *map(false_solves_sentence, false)]
    return (_section("Without the verifier's errors", said, *tables),)


def _extrapolation(findings: Findings) -> tuple[Section, ...]:
    models = [model.beyond for model in findings.models if model.beyond is not None]
    pairs = [pair.beyond for pair in findings.pairs if pair.beyond is not None]
    if not models and not pairs:
        return ()
    shown, folded = [], []
    if pairs:
        shown.append(extrapolation.differences_table(pairs))
        folded += [
            ("Where no claim is made: what remains possible", extrapolation.refusals_table(pairs)),
            ("The four-way table to expect", extrapolation.expected_tables_table(pairs)),
        ]
    if models:
        folded += [
            ("Each model continued", extrapolation.curves_table(models)),
            ("Every method beside the one used", extrapolation.methods_table(models)),
        ]
    said = [*map(pair_sentence, pairs), *map(unseen_sentence, models)]
    return (_section("Beyond the samples taken", said, *shown, folded=folded),)
