"""maj@k: how often is the most frequent of k answers correct? The exact expectation over k-subsets of the n samples.

maj@k (arXiv 2203.11171) draws k of a problem's n samples without replacement and lets their answers vote. Decisions:
- Ties are shared: with j answers on top, each counts 1/j. That is the expectation of breaking ties at random.
- A sample without an answer never votes but uses up its draw, and k draws without any answer are incorrect. NeMo-Skills
  does the same; Qwen2.5-Math's evaluation lets the empty string vote, which differs where many samples are truncated.
- Equal answer texts are one candidate. Two correct texts ("1/2", "0.5") stay two candidates: merging only what the
  reference happens to identify would favour the correct side. (The same text with two verdicts is two candidates too.)
- Unscored samples are not part of the problem, as everywhere.

How: give every sample an independent coin with P(drawn) = k/n and condition on k draws; the counts X_a of the answers
are then independent binomials. Answer a wins with t votes against a random priority x in [0, 1] if every other answer
has fewer than t, or t and a smaller priority: the product over the others of P(X < t) + x P(X = t). Its integral
over x, a polynomial, is exact by Gauss-Legendre; the conditioning on k draws is one coefficient of a generating
function, read off by a discrete Fourier sum whose length makes aliasing smaller than rounding. Answers with equally
many votes are one factor to a power, all (t, x) are one array, and problems with equal votes are computed once.

Left out: weighted votes and confidence intervals for one problem.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from move37.errors import InputError
from move37.types import FloatArray, IntArray

_NEGLIGIBLE = 1e-18
"""Vote counts less likely than this cannot change a double."""


@dataclass(frozen=True, eq=False)
class AnswerCounts:
    """The scored samples of one problem by answer: `votes` (A,) >= 1, whether each is `correct` (A,), and how many gave
    no answer. n is their sum."""

    votes: IntArray
    correct: NDArray[np.bool_]
    unanswered: int

    def __post_init__(self) -> None:
        if self.votes.ndim != 1 or self.votes.shape != self.correct.shape:
            raise InputError(f"answers: votes {self.votes.shape} and correct {self.correct.shape} must be equally long")
        if self.unanswered < 0 or (self.votes < 1).any():
            raise InputError("answers: every answer needs at least one vote, and unanswered cannot be negative")

    @property
    def n(self) -> int:
        return int(self.votes.sum()) + self.unanswered


def answers_by_problem(rows: Iterable[tuple[str, str | None, bool, int]]) -> dict[str, AnswerCounts]:
    """Collect (problem id, answer or None, correct, count) rows. Rows of the same (id, answer, correct) are added."""
    votes: dict[str, dict[tuple[str, bool], int]] = defaultdict(lambda: defaultdict(int))
    unanswered: dict[str, int] = defaultdict(int)
    for problem_id, answer, correct, count in rows:
        if answer is None:
            unanswered[problem_id] += count
        else:
            votes[problem_id][answer, bool(correct)] += count
    return {
        problem_id: AnswerCounts(
            np.array(list(votes[problem_id].values()), dtype=np.int64),
            np.array([correct for _, correct in votes[problem_id]], dtype=bool),
            unanswered[problem_id],
        )
        for problem_id in dict.fromkeys([*votes, *unanswered])
    }


def majority_at_k(answers: AnswerCounts, k: int) -> float:
    """Expected maj@k of one problem. Raises InputError for k > n."""
    return float(majority_at_ks([answers], [k])[0, 0])


def majority_at_ks(problems: Sequence[AnswerCounts], ks: Sequence[int]) -> FloatArray:
    """Expected maj@k of M problems at each of K ks, shape (M, K). Raises InputError for a k beyond some problem's n."""
    for k in ks:
        short = [answers.n for answers in problems if not 1 <= k <= answers.n]
        if short:
            raise InputError(f"maj@{k}: k must be between 1 and the {min(short)} scored samples of the problem")
    distinct: dict[tuple[bytes, int], int] = {}
    votes = [_Votes.of(answers) for answers in problems]
    where = [distinct.setdefault(each.key, len(distinct)) for each in votes]
    firsts = dict(zip(where, votes, strict=True))
    values = np.empty((len(distinct), len(ks)))
    # Equal (k, n) one after the other: they share the roots of unity.
    for column, k in enumerate(ks):
        for row, each in sorted(firsts.items(), key=lambda item: item[1].n):
            values[row, column] = each.share_of_correct(k)
    return values[where]


@dataclass(frozen=True, eq=False)
class _Votes:
    """One problem's answers in groups of equally many votes: `sizes` (G,), rising, with `right` and `wrong` answers of
    each size, both (G,)."""

    sizes: IntArray
    right: IntArray
    wrong: IntArray
    unanswered: int

    @classmethod
    def of(cls, answers: AnswerCounts) -> "_Votes":
        sizes, where = np.unique(answers.votes, return_inverse=True)
        right = np.bincount(where[answers.correct], minlength=len(sizes))
        return cls(sizes, right, np.bincount(where, minlength=len(sizes)) - right, answers.unanswered)

    @property
    def key(self) -> tuple[bytes, int]:
        """The same for problems whose maj@k is the same."""
        return np.stack([self.sizes, self.right, self.wrong]).tobytes(), self.unanswered

    @property
    def members(self) -> IntArray:
        return self.right + self.wrong

    @property
    def n(self) -> int:
        return int((self.sizes * self.members).sum()) + self.unanswered

    def share_of_correct(self, k: int) -> float:
        """maj@k: sum over right answers a and vote counts t of P(a wins with t votes | k draws)."""
        if not self.right.any():
            return 0.0
        if k == self.n:
            return float(self.right[-1] / self.members[-1])
        contest = _Contest.of(self, k, self.n)
        if contest is None:
            return 0.0
        spectrum = _Spectrum.of(k, self.n)
        won = contest.chances_to_win(spectrum)
        return min(1.0, max(0.0, spectrum.coefficient(won) / spectrum.chance_of_k_draws))


@dataclass(frozen=True, eq=False)
class _Contest:
    """k draws of one problem: who can still be on top, and with how many votes.

    A right answer can win with t = lowest .. highest votes; other t are negligible. The groups are those that can reach
    `lowest`; the samples of the others may be drawn without restriction.
    """

    votes: _Votes
    k: int
    lowest: int
    highest: int
    first_group: int
    laws: "list[_GroupLaw]"
    """Of the groups from `first_group` on."""
    tops: IntArray
    """The most draws that are not negligible, for every group, (G,), rising."""

    @classmethod
    def of(cls, votes: _Votes, k: int, n: int) -> "_Contest | None":
        """None where no right answer wins with more than negligible probability."""
        every = [_GroupLaw.of(int(size), k, n) for size in votes.sizes]
        tops = np.array([law.top for law in every])
        # The winner has no fewer votes than any answer is sure to have.
        lowest = max(1, every[-1].first)
        counts = np.arange(lowest, min(k, int(tops[votes.right > 0][-1])) + 1)
        at_most, wins = np.ones(len(counts)), np.zeros(len(counts))
        first_group = int(np.searchsorted(tops, lowest))
        for g, law in enumerate(every[first_group:], first_group):
            exactly = law.mass[lowest - law.first :][: len(counts)]
            at_most[: len(exactly)] *= law.at_most[lowest - law.first :][: len(counts)] ** float(votes.members[g])
            if votes.right[g]:
                wins[: len(exactly)] += votes.right[g] * exactly
        matter = counts[np.minimum(at_most, wins) > _NEGLIGIBLE]
        if not matter.size:
            return None
        lowest = int(matter[0])
        first_group = int(np.searchsorted(tops, lowest))
        return cls(votes, k, lowest, int(matter[-1]), first_group, every[first_group:], tops)

    def chances_to_win(self, spectrum: "_Spectrum") -> NDArray[np.complex128]:
        """Generating function, over the samples drawn, of "a right answer wins", at the roots of unity, shape (W,)."""
        counts = np.arange(self.lowest, self.highest + 1)
        where, priority, weight = self._nodes(counts)
        # Axes from here: (t, x) pairs in the order of t, root of unity. A group that cannot reach t has lost already.
        rivals = weight[:, None] * spectrum.everything(self._samples_below(counts))[where]
        reach = np.searchsorted(where, self.tops - self.lowest, side="right")
        contenders = []
        for g, law in enumerate(self.laws, self.first_group):
            fewer, exactly = law.fewer_and_exactly(self.lowest, self.highest, spectrum)
            at = where[: reach[g]]
            exactly = exactly[at]
            factor = priority[: len(at), None] * exactly
            factor += fewer[at]
            if self.votes.wrong[g]:
                rivals[: len(at)] *= _power(factor, int(self.votes.wrong[g]))
            if self.votes.right[g]:
                contenders.append(_Contender(factor, exactly, int(self.votes.right[g])))
        return sum((_wins(rivals, contenders, own) for own in contenders), np.zeros(rivals.shape[1], np.complex128))

    def _samples_below(self, counts: IntArray) -> IntArray:
        """Samples of answers that cannot reach t, and samples without an answer, for every t of `counts`."""
        below = np.concatenate([[0], np.cumsum(self.votes.sizes * self.votes.members)])
        return self.votes.unanswered + below[np.searchsorted(self.tops, counts)]

    def _nodes(self, counts: IntArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """Whose t each node is, the Gauss-Legendre nodes x on [0, 1] of every t one after the other, and weights."""
        # At most min(candidates, k // t) - 1 rivals tie with t votes, and s nodes are exact up to degree 2 s - 1. Draws
        # beyond k are conditioned away, so higher powers of x do not contribute.
        members = self.votes.members
        candidates = members.sum() - np.concatenate([[0], np.cumsum(members)])
        degrees = np.minimum(candidates[np.searchsorted(self.tops, counts)], self.k // counts) - 1
        rules = [_gauss_legendre(degree // 2 + 1) for degree in degrees.tolist()]
        where = np.repeat(np.arange(len(degrees)), degrees // 2 + 1)
        return where, np.concatenate([nodes for nodes, _ in rules]), np.concatenate([weights for _, weights in rules])


@dataclass(frozen=True, eq=False)
class _Contender:
    """A group of right answers over the (t, x) within its reach, as generating functions (rows, W): `factor`, that one
    of them does not beat (t, x), and `exactly`, that it has t votes."""

    factor: NDArray[np.complex128]
    exactly: NDArray[np.complex128]
    members: int


def _wins(rivals: NDArray[np.complex128], contenders: list[_Contender], own: _Contender) -> NDArray[np.complex128]:
    """One of the answers of `own` wins: it has t votes, and nobody else beats (t, x). Shape (W,)."""
    product = own.members * own.exactly * rivals[: len(own.exactly)]
    for each in contenders:
        exponent = each.members - (each is own)
        rows = min(len(each.factor), len(product))
        if exponent:
            product[:rows] *= _power(each.factor[:rows], exponent)
    return product.sum(axis=0)


@dataclass(frozen=True, eq=False)
class _GroupLaw:
    """X ~ Bin(size, k/n), the draws of one answer: P(X = first), ..., P(X = top), the others being negligible."""

    first: int
    mass: FloatArray
    at_most: FloatArray
    """P(X <= first), ..., P(X <= top)."""

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(size: int, k: int, n: int) -> "_GroupLaw":
        # P(X = i + 1) / P(X = i), multiplied up from the mode: logarithms of factorials would lose three digits.
        i, mode = np.arange(size), (size + 1) * k // n
        ratios = (size - i) * k / ((i + 1) * (n - k))
        mass = np.concatenate([np.cumprod(1 / ratios[:mode][::-1])[::-1], [1.0], np.cumprod(ratios[mode:])])
        mass /= mass.sum()
        kept = np.flatnonzero(mass > _NEGLIGIBLE)
        mass = mass[kept[0] : kept[-1] + 1]
        return _GroupLaw(int(kept[0]), mass, np.cumsum(mass))

    @property
    def top(self) -> int:
        return self.first + len(self.mass) - 1

    def fewer_and_exactly(
        self, lowest: int, highest: int, spectrum: "_Spectrum"
    ) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Generating functions of X < t and of X = t, both (T, W), for t = lowest .. min(highest, top)."""
        below, end = self.mass[: lowest - self.first], min(highest, self.top) + 1
        exactly = self.mass[lowest - self.first : end - self.first, None] * spectrum.powers[lowest:end]
        fewer = np.cumsum(exactly, axis=0)
        fewer -= exactly
        fewer += below @ spectrum.powers[self.first : lowest]
        return fewer, exactly


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Generating functions of the number of samples drawn, held at half of the `length` roots of unity: the other half
    is the complex conjugate. `powers[i, w]` is root w to the power i = 0..n."""

    k: int
    n: int
    length: int
    powers: NDArray[np.complex128]
    chance_of_k_draws: float

    @staticmethod
    @lru_cache(maxsize=2)
    def of(k: int, n: int) -> "_Spectrum":
        # Sums of draws that are a multiple of `length` away from k count as k: they must be negligible.
        law = _GroupLaw.of(n, k, n)
        length = min(n, max(k - law.first, law.top - k)) + 1
        exponents = np.outer(np.arange(n + 1), np.arange(length // 2 + 1)) % length
        powers = np.exp(2j * np.pi * np.arange(length) / length)[exponents]
        return _Spectrum(k, n, length, powers, float(law.mass[k - law.first]))

    def everything(self, samples: IntArray) -> NDArray[np.complex128]:
        """Of `samples` samples that may be drawn without restriction, one row per entry."""
        distinct, where = np.unique(samples, return_inverse=True)
        chance, root = self.k / self.n, self.powers[1]
        # In polar form: powers of a rounded number would lose digits. A size may be 0, and 0 samples have size 1.
        with np.errstate(divide="ignore", invalid="ignore"):
            log_size = np.log1p(-2 * chance * (1 - chance) * (1 - root.real)) / 2
            sizes = np.where(distinct[:, None] == 0, 1.0, np.exp(distinct[:, None] * log_size))
        angle = np.arctan2(chance * root.imag, 1 - chance + chance * root.real)
        return (sizes * np.exp(1j * distinct[:, None] * angle))[where]

    def coefficient(self, values: NDArray[np.complex128]) -> float:
        """The chance of k draws, from a generating function's values at the roots, (W,)."""
        half = np.arange(self.length // 2 + 1)
        twice = np.where((half == 0) | (2 * half == self.length), 1.0, 2.0)
        return float((values * twice * self.powers[self.k % self.length].conj()).sum().real / self.length)


def _power(base: NDArray[np.complex128], exponent: int) -> NDArray[np.complex128]:
    """base ** exponent for exponent >= 0, by squaring: numpy's complex power is ten times slower."""
    result = None
    while exponent:
        if exponent & 1:
            result = base if result is None else result * base
        exponent >>= 1
        if exponent:
            base = base * base
    return np.ones_like(base) if result is None else result


@lru_cache(maxsize=1024)
def _gauss_legendre(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [0, 1]."""
    at, weights = np.polynomial.legendre.leggauss(nodes)
    return (at + 1) / 2, weights / 2
