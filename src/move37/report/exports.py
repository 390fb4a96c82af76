"""Every number as CSV: one file per result, full precision, shares as fractions from 0 to 1, empty where none exists.

Column names are those of the result objects. Rows of several models or comparisons stand in one file and name them.
`further_csv.py` has the rows of the further findings.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Any

from move37.analyses import Findings
from move37.analyses.accuracy_shift import BINS
from move37.analyses.exact_truth import ExactFindings, KnownModel
from move37.analyses.truncation import Samples
from move37.report.exact_section import EXACT_FILES, chain_rows, curve_rows, problem_rows
from move37.report.further_csv import FILES, Row
from move37.report.perplexity_section import PERPLEXITY_FILES
from move37.report.tool_section import TOOL_FILES
from move37.report.training_section import TRAINING_FILES
from move37.report.variety_section import VARIETY_FILES
from move37.report.words import outside_zero

_FURTHER = {**FILES, **VARIETY_FILES, **EXACT_FILES, **PERPLEXITY_FILES, **TRAINING_FILES, **TOOL_FILES}


def csv_files(findings: Findings, settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """File name -> content. Files without a row are left out."""
    files = {
        "curves.csv": _csv(
            "model,k,pass_at_k,se_benchmark,se_population,lower,upper,confidence,problems,n_min,n_max,target",
            _curves(findings),
        ),
        "difference.csv": _csv(
            "base,rl,k,mean,standard_error,lower,upper,confidence,established,few_problems,established_if_widened,target",
            _differences(findings),
        ),
        "solvable.csv": _csv(
            "base,rl,k,both,base_only,rl_only,neither,mcnemar_p,noise_floor,never_solved_bound_base,"
            "never_solved_bound_rl,confidence,mcnemar_p_adjusted,corrected_over",
            _solvable(findings),
        ),
        "solvable_problems.csv": _csv("base,rl,problem_id,solved_only_by", _solved_alone(findings)),
        "gains_losses.csv": _csv(
            "base,rl,claim,c0,p,p_adjusted,only,expected,at_least,confidence,unit,named", _gains_losses(findings)
        ),
        "accuracy.csv": _csv("base,rl,accuracy_bin,base_problems,rl_problems", _accuracy(findings)),
        "transition.csv": _csv("base,rl,base_bin,rl_bin,problems", _transition(findings)),
        "sampling_gap.csv": _csv("base,rl,k,value,lower,upper,confidence,target,corrected_over", _gaps(findings)),
        "reliability.csv": _csv(
            "model,measure,k,value,standard_error,lower,upper,confidence,method,target,problems,n_min,n_max,first",
            _reliability(findings),
        ),
        "outcomes.csv": _csv(
            "model,samples,correct,incorrect,unscored,truncated,mean_tokens,accuracy,accuracy_if_unscored_wrong,"
            "accuracy_if_unscored_right,accuracy_not_truncated,correct_among_truncated,ending_unknown,first,"
            "first_correct,first_incorrect,first_unscored,first_truncated",
            _outcomes(findings),
        ),
        "reasons.csv": _csv(
            "model,outcome,reason,samples", ((a.model, *reason) for a in findings.audits for reason in a.reasons)
        ),
        "agreement.csv": _csv(
            "model,verifier,other,samples,agree,k,pass_at_1_ours,pass_at_1_theirs,pass_at_k_ours,pass_at_k_theirs",
            (
                (a.model, a.verifier, a.other, a.samples, a.agree, a.k, *(a.pass_at_1 or none), *(a.pass_at_k or none))
                for none in [(None, None)]
                for a in findings.agreements
            ),
        ),
        "grader_errors.csv": _csv(
            "verifier,confidence,references,references_accepted,corrupted,corrupted_accepted,lower,upper,k,floor,"
            "floor_upper",
            (astuple(each) for each in findings.grader_errors),
        ),
        "disagreements.csv": _csv(
            "model,verifier,other,problem_id,index,ours,theirs,answer,reference", _disagreements(findings)
        ),
        **{name: _csv(columns, rows(findings)) for name, (columns, rows) in _FURTHER.items()},
        "settings.csv": _csv("setting,value", settings),
    }
    return {name: content for name, content in files.items() if content}


def exact_csv_files(known: Sequence[KnownModel], found: ExactFindings) -> dict[str, str]:
    """File name -> content of what is known of models without samples, chain by chain."""
    curves, problems = EXACT_FILES["exact.csv"][0], EXACT_FILES["exact_problems.csv"][0]
    chains = (row for each in known for row in chain_rows(each))
    return {
        "exact.csv": _csv(curves, curve_rows(found.models)),
        "exact_problems.csv": _csv(problems, problem_rows(found.models)),
        "exact_chains.csv": _csv("model,problem_id,chain,log10_p,share", chains),
    }


def _csv(header: str, rows: Iterable[Row]) -> str:
    """CSV text, or nothing where there are no rows."""
    written = [[_value(value) for value in row] for row in rows]
    if not written:
        return ""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(written)
    return text.getvalue()


def _value(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):  # numpy's float64 too
        return repr(float(value)) if math.isfinite(value) else ""
    return value


def _curves(findings: Findings) -> Iterator[Row]:
    for curve in findings.curves:
        columns = (curve.k, curve.pass_at_k, curve.se_benchmark, curve.se_population, curve.lower, curve.upper)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield curve.model, *row, curve.confidence, curve.problems, *curve.n, curve.target


def _differences(findings: Findings) -> Iterator[Row]:
    for difference in (each.difference for each in findings.comparisons):
        band = difference.band
        columns = (difference.k, band.mean, band.standard_error, band.lower, band.upper)
        for k, *numbers in zip(*(column.tolist() for column in columns), strict=True):
            few = "yes" if k in difference.few_problems else "no"
            widened = "gain" if k in difference.still_gain else "loss" if k in difference.still_loss else "undetermined"
            yield (
                difference.base,
                difference.rl,
                k,
                *numbers,
                difference.band.confidence,
                outside_zero(difference, k),
                few,
                widened,
                difference.target,
            )


def _solvable(findings: Findings) -> Iterator[Row]:
    for table in (each.solvable for each in findings.comparisons):
        counts = (table.both, table.base_only, table.rl_only, table.neither, table.mcnemar_p, table.noise_floor)
        bounds = (table.never_solved_bound_base, table.never_solved_bound_rl)
        adjusted = (table.test_p, table.corrected_over)
        yield table.base, table.rl, table.k, *counts, *bounds, table.confidence, *adjusted


def _solved_alone(findings: Findings) -> Iterator[Row]:
    for table in (each.solvable for each in findings.comparisons):
        for model, ids in ((table.base, table.base_only_ids), (table.rl, table.rl_only_ids)):
            for problem_id in ids:
                yield table.base, table.rl, problem_id, model


def _gains_losses(findings: Findings) -> Iterator[Row]:
    for each in findings.comparisons:
        for claim, found in (("gained", each.gained), ("lost", each.lost)):
            if found is None:
                continue
            about = (found.only, found.expected, found.at_least, found.confidence, found.unit, ";".join(found.problems))
            for c0, p in found.p.items():
                yield each.difference.base, each.difference.rl, claim, int(c0), p, found.p_adjusted[c0], *about


def _accuracy(findings: Findings) -> Iterator[Row]:
    for shift in (each.shift for each in findings.comparisons):
        for label, base, rl in zip(BINS, shift.base_counts, shift.rl_counts, strict=True):
            yield shift.base, shift.rl, label, base, rl
        yield shift.base, shift.rl, "exactly 1", shift.base_exactly_one, shift.rl_exactly_one


def _transition(findings: Findings) -> Iterator[Row]:
    for shift in (each.shift for each in findings.comparisons):
        for base_bin, row in zip(BINS, shift.transition, strict=True):
            for rl_bin, problems in zip(BINS, row, strict=True):
                yield shift.base, shift.rl, base_bin, rl_bin, problems


def _gaps(findings: Findings) -> Iterator[Row]:
    for each in findings.comparisons:
        gap, difference = each.sampling_gap, each.difference
        ends = (gap.value, gap.lower, gap.upper, gap.confidence, gap.target, gap.corrected_over)
        yield difference.base, difference.rl, gap.k, *ends


def _reliability(findings: Findings) -> Iterator[Row]:
    for row in (row for model in findings.models for row in model.reliability):
        e = row.estimate
        numbers = (e.value, e.standard_error, e.lower, e.upper, e.confidence)
        yield row.model, row.measure, row.k, *numbers, e.method, e.target, e.problems, *e.n, row.first


def _outcomes(findings: Findings) -> Iterator[Row]:
    for audit in findings.audits:
        yield (
            audit.model,
            audit.samples,
            audit.correct,
            audit.incorrect,
            audit.unscored,
            audit.truncated,
            audit.mean_tokens,
            audit.accuracy,
            audit.accuracy_if_unscored_wrong,
            audit.accuracy_if_unscored_right,
            audit.accuracy_not_truncated,
            audit.correct_among_truncated,
            audit.ending_unknown,
            audit.first,
            *(_samples(audit.first_look) if audit.first_look else (None,) * 4),
        )


def _samples(found: Samples) -> tuple[int | None, ...]:
    return found.correct, found.incorrect, found.unscored, found.truncated


def _disagreements(findings: Findings) -> Iterator[Row]:
    for each in findings.agreements:
        for d in each.disagreements:
            labels = (each.model, each.verifier, each.other)
            yield *labels, d.problem_id, d.index, d.ours, d.theirs, d.answer, d.reference
