"""Which methods widened the boundary? Trained models against their start, tier by tier, on exact chances.

In the lab's worlds the chance that a model solves a puzzle is computed (`lab/exact.py`), so nothing here is uncertain
about the models that there are; what is, is what other training seeds and other puzzles would have given. Decisions:

- A method is its training seeds. The difference of pass@k to the start, at k = 1, 256, 2^14 and 2^20, has a band for
  other seeds and other puzzles (`estimates/two_level.py`), at a level that holds for all methods and tiers of the board
  together (Bonferroni: the level's complement is divided by their number). With one seed the band is over puzzles
  alone, and the row says so.
- Three seeds hardly say how a fourth would differ (two degrees of freedom), so little is ever claimed of other seeds.
  Beside it stands what holds for other puzzles in every one of the trainings that there are, each by a band over
  puzzles alone: that says nothing of other seeds, and needs no further correction, because all of them have to say so.
- **Widened** is claimed where that band is above 0 at the largest k, or where a puzzle is new under every one of at
  least two seeds: its chance below 10^-6 under the start and above 10^-3 after training (`exact_truth.py`'s thresholds:
  not to be expected in a million tries, and one in a thousand). **Narrowed** is the mirror image. A loss in between,
  which the largest k makes good, is said as "less at k = 256".
- A band at a k where few puzzles carry the difference is too narrow, so nothing is claimed from it there
  (`bands.carried_by_few`).
- A tier on which the start solves more than .98 at the largest k has no head-room: nothing could be shown to widen it.
- Every method is judged against the base, and against the model that its own training started from where that is
  another: mid-training may widen what the RL behind it narrows again.

Left out: training the methods, and where right answers cannot be listed (there `gains_losses.py` tests counts).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from move37.analyses.exact_truth import ABOVE, BELOW, KnownModel, entropy
from move37.errors import InputError
from move37.estimates.bands import Band, carried_by_few, simultaneous_band
from move37.estimates.known import solved_within
from move37.estimates.settings import DEFAULT_BAND, BandSettings
from move37.estimates.two_level import TwoLevelBand, two_level_band
from move37.types import FloatArray, IntArray

KS: IntArray = np.array([1, 256, 2**14, 2**20])
HEAD_ROOM = 0.98
"""pass@k of the start at the largest k above which a tier has no head-room."""
ITS_START = "its start"
_TEN = float(np.log(10.0))


@dataclass(frozen=True, slots=True)
class Method:
    """One method: the truth about its models, one for each training seed, and what they started from."""

    name: str
    models: tuple[KnownModel, ...]
    starts: tuple[KnownModel, ...] = ()
    """What each of them started from, where that is not the base."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Of one training: samples, tokens, seconds (means over seeds)."""


@dataclass(frozen=True, eq=False)
class Claims:
    """What a band of the difference of pass@k to the start allows to say. Arrays are (ks,)."""

    k: IntArray
    lower: FloatArray
    upper: FloatArray
    few_puzzles: tuple[int, ...]
    """ks at which so few puzzles carry the difference that the band claims nothing."""
    has_new: bool
    """Whether under every one of several seeds there is a new puzzle."""
    has_lost: bool

    @property
    def better_at_one(self) -> bool:
        return self._is_above(0)

    @property
    def worse_at_one(self) -> bool:
        return self._is_below(0)

    @property
    def less_between(self) -> tuple[int, ...]:
        """ks between one try and the largest at which pass@k is shown to have fallen."""
        return tuple(int(self.k[place]) for place in range(1, len(self.k) - 1) if self._is_below(place))

    @property
    def widened(self) -> bool:
        return self._is_above(-1) or self.has_new

    @property
    def narrowed(self) -> bool:
        return self._is_below(-1) or self.has_lost

    @property
    def outcome(self) -> str:
        """What may be said, in one word or two."""
        if self.widened:
            return "widened, and narrowed elsewhere" if self.narrowed else "widened"
        if self.narrowed:
            return "sharpened" if self.better_at_one else "narrowed"
        one = "better at one try" if self.better_at_one else "worse at one try" if self.worse_at_one else ""
        between = f"less at k = {', '.join(f'{k:,}' for k in self.less_between)}" if self.less_between else ""
        return ", ".join(filter(None, (one, between))) or "nothing shown"

    def _is_above(self, place: int) -> bool:
        return bool(self.lower[place] > 0) and int(self.k[place]) not in self.few_puzzles

    def _is_below(self, place: int) -> bool:
        return bool(self.upper[place] < 0) and int(self.k[place]) not in self.few_puzzles


@dataclass(frozen=True, eq=False)
class BoardRow:
    """What one method did on one tier, against one model. Arrays are (ks,) unless said otherwise."""

    method: str
    tier: str
    against: str
    seeds: int
    puzzles: int
    k: IntArray
    start_pass_at_k: FloatArray
    pass_at_k: FloatArray
    """Mean over seeds."""
    differences: FloatArray
    """Of pass@k to the start, on these puzzles, by training: (seeds, ks)."""
    claims: Claims
    """For other seeds and other puzzles; with one seed for other puzzles alone."""
    in_every_training: Claims
    """For other puzzles, in each of these trainings."""
    log10_ratio: FloatArray
    """log10 of the chance after training over that before, mean over seeds, (puzzles,); NaN where both are 0."""
    new_puzzles: tuple[str, ...]
    """New under every seed."""
    lost_puzzles: tuple[str, ...]
    chains_kept: float
    """Effective number of right chains, exp(entropy), after training over before: median over puzzles, mean over seeds;
    nan where no puzzle has any."""

    @property
    def has_head_room(self) -> bool:
        return bool(self.start_pass_at_k[-1] <= HEAD_ROOM)


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """All rows, and the level at which they hold together."""

    base: str
    rows: tuple[BoardRow, ...]
    confidence: float
    comparisons: int
    """How many rows the level is divided over."""
    below: float = BELOW
    above: float = ABOVE

    @property
    def widened(self) -> tuple[BoardRow, ...]:
        """The rows against the base that widened it."""
        return tuple(row for row in self.rows if row.claims.widened and row.against == self.base)


def leaderboard(
    base: KnownModel,
    methods: Sequence[Method],
    tiers: Mapping[str, Sequence[str]],
    settings: BandSettings = DEFAULT_BAND,
    ks: IntArray = KS,
) -> Leaderboard:
    """Judge methods on the problems of each tier, given by their ids.

    Raises InputError where there is no method, a method has no model or not as many starts as models, or a model is not
    known on a tier's problems.
    """
    if any(method.starts and len(method.starts) != len(method.models) for method in methods):
        raise InputError("a method with starts of its own has one for each of its models")
    if not methods or not all(method.models for method in methods):
        raise InputError("a leaderboard needs methods, and of each at least one trained model")
    pairs = [(method, (base,) * len(method.models), base.model) for method in methods]
    pairs += [(method, method.starts, ITS_START) for method in methods if method.starts]
    pairs.sort(key=lambda pair: methods.index(pair[0]))
    comparisons = len(pairs) * len(tiers)
    shared = replace(settings, confidence=1 - (1 - settings.confidence) / max(1, comparisons))
    rows = [_row(*pair, tier, ids, shared, ks) for tier, ids in tiers.items() for pair in pairs]
    return Leaderboard(base.model, tuple(rows), settings.confidence, comparisons)


def _row(
    method: Method,
    starts: Sequence[KnownModel],
    against: str,
    tier: str,
    ids: Sequence[str],
    settings: BandSettings,
    ks: IntArray,
) -> BoardRow:
    before_SM, after_SM = (np.stack([_logprobs(each, ids) for each in models]) for models in (starts, method.models))
    start_SMK, solved_SMK = (np.stack([solved_within(row, ks) for row in rows]) for rows in (before_SM, after_SM))
    difference_SMK = solved_SMK - start_SMK
    is_new = ((before_SM < np.log(BELOW)) & (after_SM > np.log(ABOVE))).all(0)
    is_lost = ((before_SM > np.log(ABOVE)) & (after_SM < np.log(BELOW))).all(0)
    several = len(after_SM) > 1
    changed = bool(several and is_new.any()), bool(several and is_lost.any())
    alone = [simultaneous_band(rows_MK, settings) for rows_MK in difference_SMK]
    with np.errstate(invalid="ignore"):  # never before and never after: no ratio
        ratio_SM = (after_SM - before_SM) / _TEN
    return BoardRow(
        method=method.name,
        tier=tier,
        against=against,
        seeds=len(after_SM),
        puzzles=len(ids),
        k=ks,
        start_pass_at_k=start_SMK.mean((0, 1)),
        pass_at_k=solved_SMK.mean((0, 1)),
        differences=difference_SMK.mean(1),
        claims=_claims([two_level_band(difference_SMK, settings)] if several else alone, ks, *changed),
        in_every_training=_claims(alone, ks, *changed),
        log10_ratio=ratio_SM.mean(0),
        new_puzzles=tuple(np.array(ids, dtype=object)[is_new]),
        lost_puzzles=tuple(np.array(ids, dtype=object)[is_lost]),
        chains_kept=_chains_kept(starts, method.models, ids),
    )


def _claims(bands: Sequence[Band | TwoLevelBand], ks: IntArray, has_new: bool, has_lost: bool) -> Claims:
    """What all of these bands allow to say."""
    few = {place for band in bands for place in carried_by_few(band.effective_problems)}
    return Claims(
        k=ks,
        lower=np.min([band.lower for band in bands], axis=0),
        upper=np.max([band.upper for band in bands], axis=0),
        few_puzzles=tuple(int(ks[place - 1]) for place in sorted(few)),
        has_new=has_new,
        has_lost=has_lost,
    )


def _logprobs(model: KnownModel, ids: Sequence[str]) -> FloatArray:
    return model.logprobs[_places(model, ids)]


def _places(model: KnownModel, ids: Sequence[str]) -> list[int]:
    place = {problem: i for i, problem in enumerate(model.problem_ids)}
    missing = [problem for problem in ids if problem not in place]
    if missing or not ids:
        what = f"{len(missing)} problems of a tier, the first {missing[0]}" if missing else "an empty tier"
        raise InputError(f"{model.model}: its chances are not known on {what}; compute them with `move37 exact`")
    return [place[problem] for problem in ids]


def _chains_kept(starts: Sequence[KnownModel], models: Sequence[KnownModel], ids: Sequence[str]) -> float:
    """exp(entropy over right chains) after training over before; puzzles without listed chains are left out."""
    ratios = [_ways(model, ids) / _ways(start, ids) for start, model in zip(starts, models, strict=True)]
    known = [ratio[np.isfinite(ratio)] for ratio in ratios]
    return float(np.mean([np.median(each) for each in known])) if all(map(len, known)) else float("nan")


def _ways(model: KnownModel, ids: Sequence[str]) -> FloatArray:
    return np.exp([entropy(model.chain_logprobs[place]) for place in _places(model, ids)])
