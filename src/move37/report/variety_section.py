"""What a report says of chances with the sampling noise taken out, and of how many different answers a model gives."""

from collections.abc import Iterator

from move37.analyses import Findings
from move37.analyses.accuracy_shift import AccuracyShift
from move37.analyses.deconvolved import DeconvolvedShift
from move37.analyses.diversity import Diversity, Variety
from move37.report.number_format import (
    Missing,
    Shown,
    count,
    counted,
    exists,
    level,
    percent,
    percent_interval,
    points,
    points_interval,
)
from move37.report.tables import Cell, Estimated, Table
from move37.report.words.claim import LIKE_THESE, Assertion, Claim, described

Row = tuple[object, ...]
_NO_RIGHT = "nothing was right"


def bins(n: int) -> list[str]:
    """The names of the bins of p, in percent."""
    return [f"at most 1/{count(n)}", "to 10", *(f"{low}–{low + 10}" for low in range(10, 100, 10))]


def shift_sentence(found: DeconvolvedShift) -> Claim:
    """The two bins that matter, with what the counts do not exclude."""
    rarely = [percent_interval(*ends, None, "") for ends in (found.base_rarely, found.rl_rarely)]
    always = [percent_interval(*ends, None, "") for ends in (found.base_nearly_always, found.rl_nearly_always)]
    return Claim(
        f"With the noise of the samples taken out, {found.base} solves {rarely[0]} of the problems with a chance of at "
        f"most 1/{count(found.n)} a try and {found.rl} {rarely[1]}; with more than 90% a try {always[0]} and "
        f"{always[1]} (all that the counts do not exclude at {level(found.confidence)}, each by itself, for "
        f"{LIKE_THESE}).",
        (
            Assertion(f"cover up to {1 / found.n!r}", (found.base,), (), *found.base_rarely),
            Assertion(f"cover up to {1 / found.n!r}", (found.rl,), (), *found.rl_rarely),
            Assertion("cover above 0.9", (found.base,), (), *found.base_nearly_always),
            Assertion("cover above 0.9", (found.rl,), (), *found.rl_nearly_always),
        ),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="each share by itself",
    )


def shift_table(found: DeconvolvedShift, raw: AccuracyShift) -> Table:
    """Problems by chance, estimated, beside problems by share of right samples."""
    columns = (
        found.base_problems.tolist(),
        raw.base_counts.tolist(),
        found.rl_problems.tolist(),
        raw.rl_counts.tolist(),
    )
    rows = [
        (name, f"{base:.1f}", count(raw_base), f"{rl:.1f}", count(raw_rl))
        for name, base, raw_base, rl, raw_rl in zip(bins(found.n), *columns, strict=True)
    ]
    return Table(
        caption="Problems by their chance in one try (%), estimated, beside those by their share of right samples",
        header=("chance", found.base, "by samples", found.rl, "by samples"),
        rows=tuple(rows),
        csv="deconvolved.csv",
        notes=("By samples the first row is: never right.",),
    )


def diversity_sentences(found: Diversity) -> list[Claim]:
    """The one sentence that says whether RL repeats itself, then different answers, and whose they are."""
    said = [] if found.same is None or found.top is None else [_repeats(found, found.same, found.top)]
    said += [_variety(found, each) for each in (found.answers, found.right)]
    if found.shared_by_rl is not None and found.kept_of_base is not None:
        text = (
            f"{percent(found.shared_by_rl)} of {found.rl}’s right samples are answers that {found.base} gave too, and "
            f"{found.rl} gave {percent(found.kept_of_base)} of {found.base}’s different right answers; by luck alone "
            "both fall short of 100%."
        )
        said.append(described(text))
    return said


def _repeats(found: Diversity, same: Variety, top: Variety) -> Claim:
    """Whether two samples of rl agree more often than two of base."""
    shown = same.lower > 0 or same.upper < 0
    word = "repeats itself more than" if same.lower > 0 else "varies more than"
    who = f"{found.rl} {word} {found.base}" if shown else f"{found.rl} is not shown to repeat itself more or less"
    bounded = exists(same.lower) and exists(same.upper)
    ends = points_interval(max(-1.0, same.lower), min(1.0, same.upper), None) if bounded else "no interval"
    sure = f"{ends}; {level(found.confidence)} confidence, for {LIKE_THESE}" if bounded else ends
    text = (
        f"{who}: two of its tries at a problem give the same answer with a chance of {percent(same.rl)}, two of "
        f"{found.base}’s {percent(same.base)} ({points(same.difference)} points, {sure}), and its most frequent answer "
        f"takes {percent(top.rl)} of the samples against {percent(top.base)}."
    )
    asserts = (Assertion("same answer", (found.rl, found.base), (), same.lower, same.upper),) if shown else ()
    return Claim(text, asserts, "", LIKE_THESE, found.confidence, "for this measure alone")


def _variety(found: Diversity, each: Variety) -> Claim:
    text = (
        f"In {counted(found.samples, 'sample')} of a problem {found.base} gives {each.base:.2f} {each.measure} and "
        f"{found.rl} {each.rl:.2f}"
    )
    if not (exists(each.lower) and exists(each.upper)):
        return described(f"{text} ({_signed(each.difference)}).")
    sure = f"{level(found.confidence)} confidence for this measure alone, for {LIKE_THESE}"
    return Claim(
        f"{text} ({_signed(each.difference)}, {_signed(each.lower)} to {_signed(each.upper)}, {sure}).",
        (Assertion(each.measure, (found.rl, found.base), (found.samples,), each.lower, each.upper),),
        target=LIKE_THESE,
        confidence=found.confidence,
        corrected_over="for this measure alone",
    )


def _signed(number: float) -> str:
    """Two decimals in every sentence and cell, with a real minus sign."""
    return f"{number:+.2f}".replace("-", "−")


def diversity_table(found: Diversity) -> Table:
    """Both models in every measure, and their paired difference."""
    return Table(
        caption=f"Different answers a problem, in {counted(found.samples, 'sample')}; {level(found.confidence)} "
        "intervals of the paired difference for problems like these, each for itself",
        header=("measure", found.base, found.rl, "difference"),
        rows=tuple(_measure(each) for each in found.measures),
        csv="diversity.csv",
        notes=(
            "The chance that two samples are the same does not depend on how many there are; the number of different "
            "ones does, and so does the share of the most frequent one.",
            f"Of {found.rl}’s right samples that {found.base} gave too: {_share(found.shared_by_rl)}. Of "
            f"{found.base}’s different right answers that {found.rl} gave too: {_share(found.kept_of_base)}.",
        ),
    )


def _measure(each: Variety) -> tuple[Cell, ...]:
    bounded = exists(each.lower) and exists(each.upper)
    unbounded = Missing("the difference does not vary between problems, so it has no interval")
    if each.measure.startswith("different"):
        ends: Shown = f"{_signed(each.lower)} to {_signed(each.upper)}" if bounded else unbounded
        return each.measure, f"{each.base:.2f}", f"{each.rl:.2f}", Estimated(_signed(each.difference), ends)
    ends = points_interval(max(-1.0, each.lower), min(1.0, each.upper), None) if bounded else unbounded
    return each.measure, percent(each.base), percent(each.rl), Estimated(points(each.difference), ends)


def _share(value: float | None) -> Shown:
    return Missing(_NO_RIGHT) if value is None else percent(value)


# -- CSV -----------------------------------------------------------------------------------------------------------


def _deconvolved(findings: Findings) -> Iterator[Row]:
    for found in (pair.deconvolved for pair in findings.pairs if pair.deconvolved is not None):
        for i, base_bin in enumerate(bins(found.n)):
            for j, rl_bin in enumerate(bins(found.n)):
                yield found.base, found.rl, base_bin, rl_bin, float(found.transition[i, j])


def _diversity(findings: Findings) -> Iterator[Row]:
    for found in (pair.diversity for pair in findings.pairs if pair.diversity is not None):
        for each in found.measures:
            numbers = (each.base, each.rl, each.difference, each.lower, each.upper, found.confidence)
            shares = (found.shared_by_rl, found.kept_of_base)
            yield found.base, found.rl, each.measure, found.samples, found.problems, *numbers, *shares


VARIETY_FILES = {
    "deconvolved.csv": ("base,rl,base_bin,rl_bin,problems", _deconvolved),
    "diversity.csv": (
        "base,rl,measure,samples,problems,base_mean,rl_mean,difference,lower,upper,confidence,shared_by_rl,kept_of_base",
        _diversity,
    ),
}
"""As `further_csv.FILES`."""
