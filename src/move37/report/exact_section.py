"""What a report says of the exact truth: computed curves beside sampled ones, and what RL did to the chances."""

from collections.abc import Iterator, Sequence

import numpy as np

from move37.analyses import Findings
from move37.analyses.exact_truth import ExactCheck, ExactFindings, ExactModel, ExactPair, KnownModel, Move
from move37.report.number_format import Missing, Shown, count, percent
from move37.report.tables import Cell, Table
from move37.report.words.exact import check_sentence, checks_sentence, rarest_sentence

_KS = (1, 4, 16, 64, 256, 1024, 16_384, 2**20)
_NEVER = "never under this model's sampling distribution"
_MOVES = 10
Row = tuple[object, ...]

CURVES_STEM = "exact"
FEW = 4
"""Models up to which each has its sentences and its band; more are one sentence, a table and thin lines."""


def chances_stem(number: int, pairs: int) -> str:
    """The name of a pair's figure of chances."""
    return f"chances-{number}" if pairs > 1 else "chances"


def curves_sentences(found: ExactFindings) -> list[str]:
    """What was computed, how the samples agree with it, and what is rare."""
    first = (
        "Every right chain of these puzzles is known, so the chance of solving each is a sum and needs no sample: "
        "lines are computed, bands are what the samples said."
    )
    if len(found.models) <= FEW:
        return [first, *map(check_sentence, found.checks), *map(rarest_sentence, found.models)]
    return [first, checks_sentence(found.checks)]


def curves_table(found: ExactFindings) -> Table:
    """pass@k at some ks: a row computed for every model, and one sampled where it was."""
    checks = {check.model: check for check in found.checks}
    rows: list[tuple[Cell, ...]] = []
    for model in found.models:
        ks = model.k.tolist()
        exact = (float(model.pass_at_k[ks.index(k)]) for k in _KS)
        rows.append((model.model, *(percent(value, value / 100) for value in exact)))
        if model.model in checks:
            rows.append((f"{model.model}, sampled", *(_sampled(checks[model.model], k) for k in _KS)))
    header = ("model", *(f"k = {count(k)}" for k in _KS))
    return Table("pass@k computed from chances, and sampled", header, tuple(rows), "exact.csv")


def models_table(found: ExactFindings) -> Table:
    """How far each model's samples are from what was computed, and its rarest problem."""
    checks = {check.model: check for check in found.checks}
    rows = [(model.model, *_checked(checks.get(model.model)), *_rare(model)) for model in found.models]
    header = ("model", "inside the band", "largest distance (standard errors)", "log10 p of the rarest", "never solved")
    return Table("Every model: samples against chances, and what is rare", header, tuple(rows), "exact_problems.csv")


def _checked(check: ExactCheck | None) -> tuple[Cell, Cell]:
    if check is None:
        unknown = Missing("not sampled to the same ks")
        return unknown, unknown
    distance = check.largest_distance
    far: Cell = Missing("its standard errors are not known") if distance is None else f"{distance:.1f}"
    return ("yes" if check.inside_band else "no"), far


def _rare(model: ExactModel) -> tuple[Cell, Cell]:
    known = model.log10_p[np.isfinite(model.log10_p)]
    rarest: Cell = f"{known.min():.1f}" if len(known) else Missing("no problem has a chance")
    return rarest, count(len(model.log10_p) - len(known))


def _sampled(check: ExactCheck, k: int) -> Shown:
    if k not in check.k:
        return Missing("fewer samples")
    at = check.k.tolist().index(k)
    return percent(float(check.sampled[at]), float(check.standard_errors[at]))


def moves_table(pair: ExactPair) -> Table:
    """The likeliest new and lost moves."""
    rows = [(what, *_move(move)) for what, moves in (("new", pair.new), ("lost", pair.lost)) for move in moves[:_MOVES]]
    return Table(
        caption=f"Right chains below {pair.below:g} under one model and above {pair.above:g} under the other",
        header=("move", "chain", f"log10 p, {pair.base}", f"log10 p, {pair.rl}"),
        rows=tuple(rows),
        csv="exact_moves.csv",
        text_columns=frozenset({0, 1}),
    )


def problems_table(pair: ExactPair, base: ExactModel, rl: ExactModel) -> Table:
    """The chance of every problem under both models, by how much it changed."""
    order = pair.log10_ratio.argsort(kind="stable").tolist()
    before, after, change = base.log10_p.tolist(), rl.log10_p.tolist(), pair.log10_ratio.tolist()
    rows = [(base.problem_ids[i], _power(before[i]), _power(after[i]), _power(change[i])) for i in order]
    return Table(
        caption="Chance of each problem in powers of ten, what became rarest first",
        header=("problem", f"log10 p, {pair.base}", f"log10 p, {pair.rl}", "change"),
        rows=tuple(rows),
        csv="exact_problems.csv",
    )


def _move(move: Move) -> tuple[Cell, ...]:
    return move.chain, *(Missing(_NEVER) if of is None else f"{of:.1f}" for of in (move.log10_base, move.log10_rl))


def _power(log10: float) -> Cell:
    return f"{log10:.2f}" if abs(log10) < float("inf") else Missing(_NEVER)


# -- CSV -----------------------------------------------------------------------------------------------------------


def exact_rows(findings: Findings) -> Iterator[Row]:
    """model, k, pass_at_k."""
    yield from curve_rows(findings.exact.models if findings.exact is not None else ())


def curve_rows(models: Sequence[ExactModel]) -> Iterator[Row]:
    """model, k, pass_at_k."""
    for model in models:
        for k, value in zip(model.k.tolist(), model.pass_at_k.tolist(), strict=True):
            yield model.model, k, value


def exact_problem_rows(findings: Findings) -> Iterator[Row]:
    """A row for each model and problem."""
    yield from problem_rows(findings.exact.models if findings.exact is not None else ())


def problem_rows(models: Sequence[ExactModel]) -> Iterator[Row]:
    """A row for each model and problem."""
    for model in models:
        columns = (model.log10_p, model.log10_unlisted, model.relative_error, model.right_chains, model.entropy)
        for problem, *row in zip(model.problem_ids, *(column.tolist() for column in columns), strict=True):
            yield model.model, problem, *row


def exact_move_rows(findings: Findings) -> Iterator[Row]:
    """A row for each listed move."""
    for pair in findings.exact.pairs if findings.exact is not None else ():
        for what, moves in (("new", pair.new), ("lost", pair.lost)):
            for move in moves:
                yield pair.base, pair.rl, what, move.problem_id, move.chain, move.log10_base, move.log10_rl


def chain_rows(known: KnownModel) -> Iterator[Row]:
    """A row for each right chain of one model, with its share of the chance of a right response."""
    for problem, chains, logprobs in zip(known.problem_ids, known.chains, known.chain_logprobs, strict=True):
        total = np.logaddexp.reduce(logprobs)
        for chain, logprob in zip(chains, logprobs.tolist(), strict=True):
            share = float(np.exp(logprob - total)) if np.isfinite(total) else 0.0
            yield known.model, problem, chain, logprob / np.log(10), share


EXACT_FILES = {
    "exact.csv": ("model,k,pass_at_k", exact_rows),
    "exact_problems.csv": (
        "model,problem_id,log10_p,log10_unlisted,relative_error,right_chains,entropy",
        exact_problem_rows,
    ),
    "exact_moves.csv": ("base,rl,move,problem_id,chain,log10_base,log10_rl", exact_move_rows),
}
"""As `further_csv.FILES`."""
