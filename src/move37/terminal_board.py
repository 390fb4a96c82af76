"""What `move37 bench` shows: a table a tier and one sentence for the whole, on a terminal and as a page."""

from collections.abc import Mapping, Sequence

import numpy as np

from move37.analyses.leaderboard import HEAD_ROOM, ITS_START, BoardRow, Claims, Leaderboard
from move37.console import tell
from move37.methods import Bench
from move37.report.number_format import count
from move37.terminal import print_table
from move37.types import FloatArray


def board_sentence(board: Leaderboard) -> str:
    """Which methods widened the boundary of the base, or that none was shown to."""
    level = f"at {board.confidence:.0%} for all {board.comparisons} comparisons together"
    found = dict.fromkeys((row.method, row.tier) for row in board.widened)
    if not found:
        return f"No method was shown to widen the boundary of {board.base} ({level})."
    named = "; ".join(f"{method} on {tier}" for method, tier in found)
    return f"Shown to widen the boundary of {board.base} ({level}): {named}."


def print_board(bench: Bench) -> None:
    """The tables and the sentence."""
    for tier, rows in _by_tier(bench.board).items():
        first, last = (f"pass@{count(int(k))}, after - before" for k in (rows[0].k[0], rows[0].k[-1]))
        header = ("method", first, last, "log10 p", "outcome")
        print_table(_title(tier, rows), header, [_short(row) for row in rows])
    tell(False, board_sentence(bench.board))


def board_page(bench: Bench) -> str:
    """The same as Markdown, with what each training cost and how to read it."""
    board, parts = bench.board, ["# Methods against their base\n", board_sentence(bench.board) + "\n"]
    for tier, rows in _by_tier(board).items():
        parts += [f"## {_title(tier, rows)}\n", _markdown(_header(rows), [_cells(row) for row in rows])]
    costs = [
        (name, *(count(round(each[key])) for key in ("samples", "tokens", "seconds")))
        for name, each in bench.costs.items()
    ]
    parts += ["## What a training cost\n", _markdown(("method", "samples", "tokens", "seconds"), costs)]
    parts.append(
        "Chances are computed, not sampled (`move37 exact`). pass@k is the mean over trainings; behind it stand the "
        "differences to the start on these puzzles, from the lowest to the highest of the trainings, and in brackets "
        f"what other training seeds and other puzzles would leave of them, at {board.confidence:.0%} for all rows "
        "together (no brackets: too few puzzles carry the difference). A new puzzle has a chance below "
        f"{board.below:g} before and above {board.above:g} after training, under every seed; a lost one the reverse. "
        "Ways kept: the effective number of right chains after training over before, median over puzzles. The outcome "
        "is for other seeds and other puzzles; the last column says what holds for other puzzles in every one of the "
        "trainings, each by itself, and nothing of other seeds.\n"
    )
    return "\n".join(parts)


def _by_tier(board: Leaderboard) -> Mapping[str, list[BoardRow]]:
    tiers: dict[str, list[BoardRow]] = {}
    for row in board.rows:
        tiers.setdefault(row.tier, []).append(row)
    return tiers


def _title(tier: str, rows: Sequence[BoardRow]) -> str:
    row = rows[0]
    room = "" if row.has_head_room else f"; no head-room (base is above {HEAD_ROOM:g} at k = {count(int(row.k[-1]))})"
    base = ", ".join(f"{value:.3f} at {count(int(k))}" for k, value in zip(row.k, row.start_pass_at_k, strict=True))
    return f"{tier}: {row.puzzles} puzzles, {_seeds(row.seeds)}; base {base}{room}"


def _seeds(seeds: int) -> str:
    return f"{seeds} seeds" if seeds > 1 else "1 seed (nothing is said of others)"


def _header(rows: Sequence[BoardRow]) -> tuple[str, ...]:
    ks = (f"pass@{count(int(k))}" for k in rows[0].k)
    return ("method", "against", *ks, "log10 p", "likelier", "new", "lost", "ways kept", "outcome", "in each training")


def _short(row: BoardRow) -> tuple[str, ...]:
    """What fits on a terminal."""
    method = row.method if row.against != ITS_START else f"{row.method}, against its start"
    changes = row.pass_at_k - row.start_pass_at_k
    ends = (f"{changes[i]:+.3f}{_band(row.claims, i)}" for i in (0, -1))
    ratio = row.log10_ratio[np.isfinite(row.log10_ratio)]
    return (method, *ends, f"{np.median(ratio):+.1f}" if len(ratio) else "never", _outcome(row))


def _cells(row: BoardRow) -> tuple[str, ...]:
    curves = (
        f"{value:.3f} ({_range(row.differences[:, place])}){_band(row.claims, place)}"
        for place, value in enumerate(row.pass_at_k)
    )
    ratio = row.log10_ratio[np.isfinite(row.log10_ratio)]
    moved = f"{np.median(ratio):+.1f} ({ratio.min():+.1f} to {ratio.max():+.1f})" if len(ratio) else "never"
    kept = f"{row.chains_kept:.2f}" if np.isfinite(row.chains_kept) else "not known"
    likelier = f"{int((row.log10_ratio > 0).sum())} of {row.puzzles}"
    return (
        row.method,
        row.against,
        *curves,
        moved,
        likelier,
        str(len(row.new_puzzles)),
        str(len(row.lost_puzzles)),
        kept,
        row.claims.outcome,
        row.in_every_training.outcome,
    )


def _range(differences: FloatArray) -> str:
    low, high = (f"{value:+.3f}" for value in (differences.min(), differences.max()))
    return low if low == high else f"{low} to {high}"


def _band(claims: Claims, place: int) -> str:
    """ " [lower upper]", or nothing where too few puzzles carry the difference, or none."""
    low, high = claims.lower[place], claims.upper[place]
    if int(claims.k[place]) in claims.few_puzzles or (low, high) == (-1.0, 1.0):
        return ""
    return f" [{low:+.3f} {high:+.3f}]"


def _outcome(row: BoardRow) -> str:
    """For other seeds; and where that is nothing, what every training shows by itself."""
    every = row.in_every_training.outcome
    if row.claims.outcome != every and row.claims.outcome == "nothing shown":
        return f"nothing shown of other seeds; in each of these: {every}"
    return row.claims.outcome


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines) + "\n"
