"""The further findings as rows of CSV: every number in full, one generator for each file.

`FILES` says which file has which columns; column names are those of the result objects. `exports.py` writes them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from move37.analyses import Findings
from move37.analyses.curves import CurveDifference
from move37.counts import Estimate
from move37.report.details import budget_settled
from move37.report.words import outside_zero
from move37.types import FloatArray

Row = Sequence[Any]
_BAND = "k,mean,standard_error,lower,upper,confidence,established,few_problems"
_ESTIMATE = "value,standard_error,lower,upper,confidence,method,target,problems,n_min,n_max"


def _estimate(e: Estimate) -> Row:
    return (e.value, e.standard_error, e.lower, e.upper, e.confidence, e.method, e.target, e.problems, *e.n)


def _band(difference: CurveDifference) -> Iterator[Row]:
    band = difference.band
    columns = (difference.k, band.mean, band.standard_error, band.lower, band.upper)
    few = set(difference.few_problems)
    for k, *numbers in zip(*(column.tolist() for column in columns), strict=True):
        yield k, *numbers, difference.band.confidence, outside_zero(difference, k), "yes" if k in few else "no"


def _tables_at_k(findings: Findings) -> Iterator[Row]:
    for t in (table for pair in findings.pairs for table in pair.expected):
        yield t.base, t.rl, t.k, t.both, t.base_only, t.rl_only, t.neither, t.noise_floor


def _readings(findings: Findings) -> Iterator[Row]:
    for found in (each.fragility for each in findings.comparisons if each.fragility is not None):
        left_out = [(each.without_them, ";".join(each.most_telling)) for each in found.influence]
        readings = (found.measured, *found.thresholds, *found.unscored, *found.truncated)
        for reading, without in (*((each, None) for each in readings), *left_out):
            columns = (
                reading.k,
                reading.base_curve,
                reading.rl_curve,
                reading.difference,
                reading.lower,
                reading.upper,
            )
            for k, *numbers in zip(*(column.tolist() for column in columns), strict=True):
                said = "gain" if k in reading.gain else "loss" if k in reading.loss else "undetermined"
                about = (reading.kind, reading.threshold, without, reading.problems)
                yield found.base, found.rl, *about, k, *numbers, found.confidence, said


def _tipping(findings: Findings) -> Iterator[Row]:
    for found in (each.fragility for each in findings.comparisons if each.fragility is not None):
        columns = (found.measured.k, found.tipping.value, found.tipping.lower, found.tipping.upper)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield found.base, found.rl, *row, found.confidence


def _influence(findings: Findings) -> Iterator[Row]:
    for found in (each.fragility for each in findings.comparisons if each.fragility is not None):
        for i in found.influence:
            counts = (i.units, i.overturned_by_one, i.overturned_by)
            yield found.base, found.rl, i.claim, i.k, i.unit, *counts, *i.first, *i.last, ";".join(i.most_telling)


def _audits(findings: Findings) -> Iterator[Row]:
    for a in (model.audit for model in findings.models if model.audit is not None):
        counts = (a.problems, a.solved, a.audited, a.with_valid, a.without_valid, a.open, a.read, a.valid, a.unread)
        yield a.model, a.max_correct, *counts, *a.solved_validly, a.false_accepts, a.lower, a.upper, a.confidence


def _valid_chains(findings: Findings) -> Iterator[Row]:
    for t in (pair.valid for pair in findings.pairs if pair.valid is not None):
        yield t.base, t.rl, *t.both, *t.base_only, *t.rl_only, *t.neither


def _corrected(findings: Findings) -> Iterator[Row]:
    for c in (model.corrected for model in findings.models if model.corrected is not None):
        errors = (c.box.sensitivity, *c.box.sensitivity_range, c.box.false_accepts, *c.box.false_accepts_range)
        columns = (c.k, c.measured, c.corrected, c.lower, c.upper)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield c.model, c.source, *errors, *row


def _false_solves(findings: Findings) -> Iterator[Row]:
    for f in (model.false_solves for model in findings.models if model.false_solves is not None):
        shares = (f.false_accepts, f.false_accepts_upper)
        yield f.model, f.verifier, f.solved, f.unsolved, f.distinct_wrong, *shares, f.expected, f.expected_upper


def _zero_set(findings: Findings) -> Iterator[Row]:
    found = findings.zero_set
    for each in found.models if found is not None else ():
        about = (each.solved, found.problems, each.lower, each.upper, found.confidence) if found is not None else ()
        for k, value in zip(each.k.tolist(), each.pass_at_k.tolist(), strict=True):
            yield each.model, *about, k, value


def _format(findings: Findings) -> Iterator[Row]:
    for each in (model.format for model in findings.models if model.format is not None):
        about = (each.model, each.found, each.right_when_found, each.accuracy, each.problems_without)
        for row in zip(each.k.tolist(), each.among_found.tolist(), each.all_samples.tolist(), strict=True):
            yield *about, *row


def _format_difference(findings: Findings) -> Iterator[Row]:
    for d in (pair.format for pair in findings.pairs if pair.format is not None):
        parts = (d.format, *d.format_interval, d.content, *d.content_interval)
        yield d.base, d.rl, d.total, *parts, d.confidence


def _chains(findings: Findings) -> Iterator[Row]:
    for c in (model.chains for model in findings.models if model.chains is not None):
        errors = (*(c.sensitivity or (None,) * 3), *(c.false_accepts or (None,) * 3))
        columns = [c.k, c.answers, c.accepted, c.accepted_upper]
        none = [None] * len(c.k)
        corrected = (none if each is None else each.tolist() for each in (c.corrected, c.lower, c.upper))
        for row in zip(*(column.tolist() for column in columns), *corrected, strict=True):
            yield c.model, c.judge, *errors, *row


def _arms(findings: Findings) -> Iterator[Row]:
    for each in findings.arms.envelopes if findings.arms is not None else ():
        for arm, curve, share in zip(each.arms, each.by_arm.tolist(), each.chosen.tolist(), strict=True):
            for row in zip(each.k.tolist(), curve, share, strict=True):
                yield each.model, arm, *row
        for k, value in zip(each.k.tolist(), each.pass_at_k.tolist(), strict=True):
            yield each.model, "best", k, value, None


def _arms_difference(findings: Findings) -> Iterator[Row]:
    for each in findings.arms.differences if findings.arms is not None else ():
        for row in _band(each):
            yield each.base, each.rl, *row


def _parity(findings: Findings) -> Iterator[Row]:
    for found in findings.parity:
        about = (found.training_tokens, found.tokens_per_try, found.uses)
        for r in found.rows:
            numbers = (r.rl_pass, r.extra_tries, r.break_even, r.base_tries, r.difference, r.lower, r.upper)
            yield found.base, found.rl, *about, r.k, *numbers, found.confidence


def _contamination(findings: Findings) -> Iterator[Row]:
    for c in findings.contamination:
        answered = (c.judged, c.answered, *c.answered_interval, c.confidence)
        yield c.model, c.share, c.problems, c.completed, *c.completed_interval, *answered


def _of_pictures(findings: Findings) -> Iterator[Row]:
    for r in findings.readings:
        shares = (r.digits, *r.digits_interval, r.read, *r.read_interval, r.right_when_read, r.wrong_though_read)
        yield r.model, r.shown, r.problems, *shares, r.confidence


def _support(findings: Findings) -> Iterator[Row]:
    for found in (pair.support for pair in findings.pairs):
        for m in found.measures:
            numbers = (m.value, m.lower, m.upper, found.confidence, m.by_luck, m.method)
            yield found.base, found.rl, found.k, m.name, *numbers


def _tokens(findings: Findings) -> Iterator[Row]:
    for found in (pair.tokens for pair in findings.pairs if pair.tokens is not None):
        columns = (found.tokens, found.k_base, found.k_rl, found.base_pass, found.rl_pass, found.band.mean)
        columns += (found.band.standard_error, found.band.lower, found.band.upper)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            few = "yes" if row[0] in found.few_problems else "no"
            yield found.base, found.rl, *row, found.band.confidence, budget_settled(found, row[0]), few


def _measures(findings: Findings) -> Iterator[Row]:
    firsts = {model.model: model.first for model in findings.models}
    for pair in findings.pairs:
        for row in pair.differences:
            yield pair.base, pair.rl, row.measure, row.k, *_estimate(row.estimate), None, row.first
        for row in pair.coverage:
            yield pair.base, pair.rl, f"Cover@{row.tau:g}", None, *_estimate(row.estimate), _STEADY[row.steady], None
        if pair.bayes is not None:
            for name, estimate in (("Bayes@N", pair.bayes.estimate), ("avg@n", pair.bayes.average)):
                yield pair.base, pair.rl, name, None, *_estimate(estimate), None, firsts[pair.base] or firsts[pair.rl]


def _coverage(findings: Findings) -> Iterator[Row]:
    for row in (row for model in findings.models for row in model.coverage):
        yield row.model, row.tau, *_estimate(row.estimate), row.plug_in, _STEADY[row.steady]


_STEADY = {True: "yes", False: "no", None: None}


def _bayes(findings: Findings) -> Iterator[Row]:
    for found in (model.bayes for model in findings.models if model.bayes is not None):
        displaced = "yes" if found.displaced else "no"
        for name, estimate in (("Bayes@N", found.estimate), ("avg@n", found.average)):
            yield found.model, name, *_estimate(estimate), displaced


def _strata(findings: Findings) -> Iterator[Row]:
    for pair in findings.pairs:
        for found in pair.strata:
            total = sum(each.problems for each in found.strata)
            parts = [(each.name, each.problems, each.difference) for each in found.strata]
            for name, problems, difference in (*parts, (None, total, found.total)):
                for row in _band(difference):
                    yield pair.base, pair.rl, found.tag, name, problems, *row


def _family(findings: Findings) -> Iterator[Row]:
    for member in findings.family.members if findings.family is not None else ():
        for row in _band(member):
            yield member.base, member.rl, *row


def _between(findings: Findings) -> Iterator[Row]:
    for pair in findings.between.pairs if findings.between is not None else ():
        for row in _band(pair):
            yield pair.base, pair.rl, *row


def _seeds(findings: Findings) -> Iterator[Row]:
    for found in findings.seeds:
        band = found.band
        columns = (found.k, band.mean, band.lower, band.upper, band.se_seeds, band.se_problems)
        columns += (found.between_seeds, found.seed_share)
        for k, *row in zip(*(column.tolist() for column in columns), strict=True):
            settled_there = "gain" if k in found.gain else "loss" if k in found.loss else "undetermined"
            few = "yes" if k in found.few_problems else "no"
            yield found.base, found.algorithm, k, *row, found.band.confidence, settled_there, few


def _seed_runs(findings: Findings) -> Iterator[Row]:
    for found in findings.seeds:
        for run, curve in zip(found.runs, found.by_seed.tolist(), strict=True):
            for k, value in zip(found.k.tolist(), curve, strict=True):
                yield found.base, found.algorithm, run, k, value


def _guesses(findings: Findings) -> Iterator[Row]:
    for found in findings.guesses:
        for k, value in zip(found.k.tolist(), found.pass_at_k.tolist(), strict=True):
            yield found.name, found.description, k, value, found.problems


def _unscored(findings: Findings) -> Iterator[Row]:
    for found in (model.unscored for model in findings.models if model.unscored is not None):
        bands = [_or_none(ends, len(found.k)) for ends in (found.lower, found.upper)]
        for row in zip(found.k.tolist(), found.if_wrong.tolist(), found.if_right.tolist(), *bands, strict=True):
            yield found.model, found.unscored, *row, found.confidence, "yes" if found.right_is_exact else "no"


def _or_none(values: FloatArray, length: int) -> list[float | None]:
    """Values that findings of an earlier version do not have."""
    return values.tolist() if values.size else [None] * length


def _unscored_difference(findings: Findings) -> Iterator[Row]:
    for found in (pair.unscored for pair in findings.pairs if pair.unscored is not None):
        bands = [_or_none(ends, len(found.k)) for ends in (found.band_lower, found.band_upper)]
        for row in zip(found.k.tolist(), found.lower.tolist(), found.upper.tolist(), *bands, strict=True):
            yield found.base, found.rl, *row, found.confidence


def _finished(findings: Findings) -> Iterator[Row]:
    for found in (model.finished for model in findings.models if model.finished is not None):
        for row in zip(found.k.tolist(), found.finished.tolist(), found.all_samples.tolist(), strict=True):
            yield found.model, found.truncated, len(found.left_out), *row


def _beyond(findings: Findings) -> Iterator[Row]:
    for found in (model.beyond for model in findings.models if model.beyond is not None):
        columns = (found.k, found.pass_at_k, found.lower, found.upper)
        for row in zip(*(column.tolist() for column in columns), strict=True):
            yield found.model, found.n, *row, found.confidence, found.method


def _beyond_methods(findings: Findings) -> Iterator[Row]:
    for found in (model.beyond for model in findings.models if model.beyond is not None):
        for row in found.methods:
            used = "yes" if row.is_default else "no"
            yield found.model, 2 * found.n, row.method, used, *_estimate(row.estimate)


def _beyond_difference(findings: Findings) -> Iterator[Row]:
    for found in (pair.beyond for pair in findings.pairs if pair.beyond is not None):
        for d in found.differences:
            numbers = (d.k, d.value, d.lower, d.upper, d.confidence)
            yield found.base, found.rl, *numbers, "yes" if d.extrapolated else "no", found.method


def _beyond_refused(findings: Findings) -> Iterator[Row]:
    for found in (pair.beyond for pair in findings.pairs if pair.beyond is not None):
        for r in found.refusals:
            yield found.base, found.rl, r.k, r.lower, r.upper, r.lower_alone, r.upper_alone, r.reason


def _beyond_table(findings: Findings) -> Iterator[Row]:
    for found in (pair.beyond for pair in findings.pairs if pair.beyond is not None):
        t = found.table
        yield found.base, found.rl, t.k, t.both, t.base_only, t.rl_only, t.neither, t.noise_floor


def _unseen(findings: Findings) -> Iterator[Row]:
    for found in (model.beyond for model in findings.models if model.beyond is not None):
        u = found.unseen
        bounds = (None,) * 5 if u is None else (u.solved_once, u.solved_twice, u.at_least, u.lower, u.confidence)
        yield found.model, found.n, found.never_solved, *bounds, found.unseen_refused


FILES: Mapping[str, tuple[str, Callable[[Findings], Iterator[Row]]]] = {
    "solvable_by_k.csv": ("base,rl,k,both,base_only,rl_only,neither,noise_floor", _tables_at_k),
    "fragility.csv": (
        "base,rl,reading,threshold,left_out,problems,k,base_curve,rl_curve,difference,lower,upper,confidence,"
        "established",
        _readings,
    ),
    "tipping.csv": ("base,rl,k,value,lower,upper,confidence", _tipping),
    "influence.csv": (
        "base,rl,claim,k,unit,units,overturned_by_one,overturned_by,first_low,first_high,last_low,last_high,"
        "most_telling",
        _influence,
    ),
    "audit.csv": (
        "model,max_correct,problems,solved,audited,with_valid,without_valid,open,read,valid,unread,solved_validly_low,"
        "solved_validly_high,false_accepts,lower,upper,confidence",
        _audits,
    ),
    "valid_chains.csv": (
        "base,rl,both_low,both_high,base_only_low,base_only_high,rl_only_low,rl_only_high,neither_low,neither_high",
        _valid_chains,
    ),
    "corrected.csv": (
        "model,source,sensitivity,sensitivity_low,sensitivity_high,false_accepts,false_accepts_low,"
        "false_accepts_high,k,measured,corrected,lower,upper",
        _corrected,
    ),
    "false_solves.csv": (
        "model,verifier,solved,unsolved,distinct_wrong,false_accepts,false_accepts_upper,expected,expected_upper",
        _false_solves,
    ),
    "zero_set.csv": ("model,solved,problems,lower,upper,confidence,k,pass_at_k", _zero_set),
    "format.csv": (
        "model,found,right_when_found,accuracy,problems_without,k,among_found,all_samples",
        _format,
    ),
    "format_difference.csv": (
        "base,rl,total,format,format_lower,format_upper,content,content_lower,content_upper,confidence",
        _format_difference,
    ),
    "chains.csv": (
        "model,judge,sensitivity,sensitivity_low,sensitivity_high,false_accepts,false_accepts_low,false_accepts_high,"
        "k,answers,accepted,accepted_upper,corrected,lower,upper",
        _chains,
    ),
    "arms.csv": ("model,arm,k,pass_at_k,chosen", _arms),
    "arms_difference.csv": (f"base,rl,{_BAND}", _arms_difference),
    "parity.csv": (
        "base,rl,training_tokens,tokens_per_try,uses,k,rl_pass,extra_tries,break_even,base_tries,difference,lower,upper,"
        "confidence",
        _parity,
    ),
    "contamination.csv": (
        "model,share,problems,completed,completed_lower,completed_upper,judged,answered,answered_lower,answered_upper,"
        "confidence",
        _contamination,
    ),
    "readings.csv": (
        "model,shown,problems,digits,digits_lower,digits_upper,read,read_lower,read_upper,right_when_read,"
        "wrong_though_read,confidence",
        _of_pictures,
    ),
    "support.csv": ("base,rl,k,measure,value,lower,upper,confidence,by_luck,method", _support),
    "tokens.csv": (
        "base,rl,tokens,k_base,k_rl,base_pass,rl_pass,mean,standard_error,lower,upper,confidence,established,"
        "few_problems",
        _tokens,
    ),
    "measures.csv": (f"base,rl,measure,k,{_ESTIMATE},steady,first", _measures),
    "coverage.csv": (f"model,tau,{_ESTIMATE},plug_in,steady", _coverage),
    "bayes.csv": (f"model,measure,{_ESTIMATE},displaced", _bayes),
    "strata.csv": (f"base,rl,tag,stratum,problems,{_BAND}", _strata),
    "family.csv": (f"base,rl,{_BAND}", _family),
    "between.csv": (f"model,other,{_BAND}", _between),
    "seeds.csv": (
        "base,algorithm,k,mean,lower,upper,se_seeds,se_problems,between_seeds,seed_share,confidence,established,"
        "few_problems",
        _seeds,
    ),
    "seed_runs.csv": ("base,algorithm,run,k,difference", _seed_runs),
    "guesses.csv": ("name,description,k,pass_at_k,problems", _guesses),
    "unscored.csv": ("model,unscored,k,if_wrong,if_right,lower,upper,confidence,right_is_exact", _unscored),
    "unscored_difference.csv": ("base,rl,k,lower,upper,band_lower,band_upper,confidence", _unscored_difference),
    "finished.csv": ("model,truncated,problems_left_out,k,finished,all_samples", _finished),
    "beyond.csv": ("model,n,k,pass_at_k,lower,upper,confidence,method", _beyond),
    "beyond_methods.csv": (f"model,k,fit,used,{_ESTIMATE}", _beyond_methods),
    "beyond_difference.csv": ("base,rl,k,value,lower,upper,confidence,extrapolated,method", _beyond_difference),
    "beyond_refused.csv": ("base,rl,k,lower,upper,lower_alone,upper_alone,reason", _beyond_refused),
    "beyond_table.csv": ("base,rl,k,both,base_only,rl_only,neither,noise_floor", _beyond_table),
    "unseen.csv": (
        "model,n,never_solved,solved_once,solved_twice,at_least,lower,confidence,refused",
        _unseen,
    ),
}
"""File name -> columns, and what makes its rows."""
