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
function, read off by a discrete Fourier sum whose length makes aliasing smaller than rounding.

Left out: weighted votes and confidence intervals for one problem.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from move37.errors import InputError
from move37.estimates.pass_at_k import log_choose
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
    n = answers.n
    if not 1 <= k <= n:
        raise InputError(f"maj@{k}: k must be between 1 and the {n} scored samples of the problem")
    if not answers.correct.any():
        return 0.0
    if k == n:
        top = answers.votes == answers.votes.max()
        return float(answers.correct[top].mean())
    return _Vote(answers, k).share_of_correct()


class _Vote:
    """One problem and one k < n. Answers with equally many votes form a group; groups are ordered by size."""

    def __init__(self, answers: AnswerCounts, k: int) -> None:
        self.k, self.n = k, answers.n
        self.sizes, where, self.members = np.unique(answers.votes, return_inverse=True, return_counts=True)
        self.correct_members = np.bincount(where, weights=answers.correct, minlength=len(self.sizes))
        self.unanswered = answers.unanswered
        # P(|sum X - k| >= N) <= 2 exp(-2 N^2 / n) (Hoeffding): below 1e-17 at N^2 = 20.5 n; N = n + 1 has no aliasing.
        self.length = min(self.n + 1, int(np.ceil(np.sqrt(20.5 * self.n))))
        self.powers = _powers_of_unity(self.length)
        self.mass = [_binomial_mass(size, k, self.n) for size in self.sizes]

    def share_of_correct(self) -> float:
        """Sum over correct answers a and vote counts t of P(a wins with t votes | k draws)."""
        exhausted = self._exhausted_products()
        terms = [mass[:, None] * self.powers[np.arange(len(mass)) % self.length] for mass in self.mass]
        fewer = [np.cumsum(term, axis=0) - term for term in terms]
        half = np.arange(self.length // 2 + 1)
        # Only half of the Fourier sum is held: the other half is its complex conjugate.
        twice = np.where((half == 0) | (2 * half == self.length), 1.0, 2.0)
        read_off = twice * self.powers[self.k % self.length].conj() / self.length
        total = 0.0
        for t in self._relevant_counts():
            first = int(np.searchsorted(self.sizes, t))
            active = range(first, len(self.sizes))
            priorities, weights = _nodes(int(self.members[first:].sum()), self.k // t)
            # Axes: priority x, active group, root of unity.
            loses = np.stack([fewer[g][t] + priorities[:, None] * terms[g][t] for g in active], axis=1)
            for g in active:
                if not self.correct_members[g]:
                    continue
                others = self.members[first:] - (np.arange(first, len(self.sizes)) == g)
                rivals = np.prod(loses ** others[:, None], axis=1)
                wins = (weights @ rivals) * terms[g][t] * exhausted[first]
                total += self.correct_members[g] * float((wins * read_off).sum().real)
        return min(1.0, max(0.0, total / _chance_of_k_draws(self.k, self.n)))

    def _exhausted_products(self) -> NDArray[np.complex128]:
        """[g]: generating function of the unanswered samples and of all groups before g, which cannot reach t."""
        chance = self.k / self.n
        one_sample = 1 - chance + chance * self.powers[1]
        samples_before = self.unanswered + np.concatenate([[0], np.cumsum(self.sizes * self.members)[:-1]])
        return one_sample ** samples_before[:, None]

    def _relevant_counts(self) -> list[int]:
        """The t at which a correct answer can win with more than negligible probability."""
        most = min(self.k, int(self.sizes[-1]))
        counts = np.arange(1, most + 1)
        at_most, wins = np.ones(most), np.zeros(most)
        for mass, members, correct in zip(self.mass, self.members, self.correct_members, strict=True):
            inside = np.minimum(counts, len(mass) - 1)
            at_most *= np.cumsum(mass)[inside] ** float(members)
            wins += correct * np.where(counts < len(mass), mass[inside], 0.0)
        return counts[np.minimum(at_most, wins) > _NEGLIGIBLE].tolist()


@lru_cache(maxsize=8)
def _powers_of_unity(length: int) -> NDArray[np.complex128]:
    """[i, w]: root of unity w to the power i, for i < length and the first half of the roots."""
    exponents = np.outer(np.arange(length), np.arange(length // 2 + 1)) % length
    return np.exp(2j * np.pi * np.arange(length) / length)[exponents]


def _binomial_mass(size: int, k: int, n: int) -> FloatArray:
    """P(X = 0 .. min(size, k)) for X ~ Bin(size, k / n), 0 < k < n."""
    i = np.arange(min(size, k) + 1)
    return np.exp(log_choose(np.full_like(i, size), i) + i * np.log(k / n) + (size - i) * np.log1p(-k / n))


def _chance_of_k_draws(k: int, n: int) -> float:
    """P(X = k) for X ~ Bin(n, k / n), 0 < k < n. Every result is divided by it, so the binomial is taken exactly."""
    return math.exp(math.log(math.comb(n, k)) + k * math.log(k / n) + (n - k) * math.log1p(-k / n))


def _nodes(candidates: int, most_on_top: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on [0, 1], exact for the ties that `candidates` answers can make."""
    # At most min(candidates, most_on_top) - 1 rivals tie, and s nodes are exact up to degree 2 s - 1. Draws beyond k
    # are conditioned away, so higher powers of x do not contribute.
    degree = min(candidates, most_on_top) - 1
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (nodes + 1) / 2, weights / 2
