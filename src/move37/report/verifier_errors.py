"""What does a reader see of audits and corrected curves? Tables, as in `details.py`."""

from collections.abc import Sequence

from move37.analyses.chain_audit import ChainAudit, ValidFourWay
from move37.analyses.chains import ChainCurve
from move37.analyses.corrected_curves import AUDIT, CorrectedCurve
from move37.analyses.false_solves import FalseSolves
from move37.report.number_format import Missing, count, level, percent, percent_interval, small_share
from move37.report.tables import Cell, Estimated, Table, powers_of_two


def audits_table(found: Sequence[ChainAudit]) -> Table:
    """What was read of each model, and how many problems are solved with a valid chain."""
    return Table(
        caption=f"Solved with a valid chain (audit of problems with at most {count(found[0].max_correct)} accepted "
        "samples)",
        header=("model", "solved", "audited", "valid", "none valid", "unread", "solved validly", "false accepts"),
        rows=tuple(
            (
                each.model,
                count(each.solved),
                count(each.audited),
                count(each.with_valid),
                count(each.without_valid),
                count(each.open),
                _between(each.solved_validly),
                _false_accepts(each),
            )
            for each in found
        ),
        csv="audit.csv",
        notes=(
            f"False accepts: share of wrong samples that the verifier accepted, {level(found[0].confidence)} interval, "
            "with all that is unread valid at the one end and invalid at the other.",
        ),
    )


def valid_four_way_table(found: Sequence[ValidFourWay]) -> Table:
    """The four-way table with valid chains, a row for each pair."""
    return Table(
        caption="Problems solved with a valid chain, from fewest to most",
        header=("pair", "both", "base only", "RL only", "neither"),
        rows=tuple(
            (f"{t.rl} against {t.base}", *map(_between, (t.both, t.base_only, t.rl_only, t.neither))) for t in found
        ),
        csv="valid_chains.csv",
    )


def chains_table(found: Sequence[ChainCurve]) -> Table:
    """CoT-pass@k of each model at its powers of two, beside pass@k."""
    rows: list[tuple[Cell, ...]] = []
    for each in found:
        for k in powers_of_two(len(each.k)):
            at = k - 1
            accepted: Cell = percent(each.accepted[at])
            if each.unjudged:
                ends = percent_interval(each.accepted[at], each.accepted_upper[at], None, "no range")
                accepted = Estimated(percent(each.accepted[at]), ends)
            rows.append((each.model, count(k), percent(each.answers[at]), accepted, _cot(each, at)))
    return Table(
        caption="pass@k by answers, and with a chain that the judge accepts (CoT-pass@k)",
        header=("model", "k", "answers", "accepted chain", "corrected for the judge's errors"),
        rows=tuple(rows),
        csv="chains.csv",
        notes=(
            f"In brackets: over the {level(found[0].confidence)} intervals of both of the judge's errors; how the "
            "samples vary is not in it.",
        ),
    )


def _cot(found: ChainCurve, at: int) -> Cell:
    if found.corrected is None or found.lower is None or found.upper is None:
        return Missing(found.note or "the judge was not calibrated on corrupted chains")
    value = percent(found.corrected[at], None, "a judge that errs so often leaves no digit of it")
    return Estimated(value, percent_interval(found.lower[at], found.upper[at], None, "no range"))


def corrected_table(found: Sequence[CorrectedCurve]) -> Table:
    """pass@k as measured and without the verifier's errors, at powers of two."""
    longest = max(len(each.k) for each in found)
    rows = []
    for k in powers_of_two(longest):
        cells: list[Cell] = []
        for each in found:
            cells += _corrected_cells(each, k)
        rows.append((count(k), *cells))
    header = tuple(name for each in found for name in (each.model, f"{each.model}, corrected"))
    return Table(
        caption="pass@k as measured, and without the verifier's errors over their range",
        header=("k", *header),
        rows=tuple(rows),
        csv="corrected.csv",
        notes=tuple(
            f"{each.model}: errors from {'its audit' if each.source == AUDIT else 'the calibration'}, over their "
            f"{level(each.confidence)} range; how the samples vary is not in it."
            for each in found
        ),
    )


def false_solves_table(found: Sequence[FalseSolves]) -> Table:
    """Different wrong answers, and the problems that they alone may have solved."""
    return Table(
        caption="Problems that a wrong answer alone may have solved, if the verifier accepts corrupted answers as "
        "often as a model's own wrong ones",
        header=("model", "solved", "unsolved", "different wrong answers there", "expected", "at most that often"),
        rows=tuple(
            (
                each.model,
                count(each.solved),
                count(each.unsolved),
                count(each.distinct_wrong),
                f"{each.expected:.1f}",
                f"{each.expected_upper:.1f}",
            )
            for each in found
        ),
        csv="false_solves.csv",
        notes=(
            f"Accepted of corrupted answers: {small_share(found[0].false_accepts)}, at most "
            f"{small_share(found[0].false_accepts_upper)}. Equal answers share one verdict.",
        ),
    )


def _corrected_cells(found: CorrectedCurve, k: int) -> tuple[Cell, Cell]:
    if k > len(found.k):
        none = Missing(f"{found.model} has fewer samples on some problem")
        return none, none
    at = k - 1
    corrected = percent(found.corrected[at], None, "a verifier that errs so often leaves no digit of it")
    return percent(found.measured[at]), Estimated(
        corrected, percent_interval(found.lower[at], found.upper[at], None, "no range")
    )


def _between(ends: tuple[int, int]) -> str:
    return count(ends[0]) if ends[0] == ends[1] else f"{count(ends[0])} to {count(ends[1])}"


def _false_accepts(found: ChainAudit) -> Cell:
    if found.false_accepts is None:
        return Missing("nothing was read")
    return Estimated(small_share(found.false_accepts), f"{small_share(found.lower)} to {small_share(found.upper)}")
