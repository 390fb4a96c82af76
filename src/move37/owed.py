"""Which samples a model lacks: for each problem the indices that are wanted and not there.

Bounded in memory whatever the number of samples: a problem of which nothing is missing in between, as nearly all are,
is a count and a last index, and what it owes is a `range`. Only the indices of a problem with a gap are looked at.
What is owed is asked for in shares (`in_shares`).
Left out: how many are wanted (the stopping plan's), whether those that are there have verdicts.
"""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from move37.parts import PartFolder


def missing(samples: PartFolder, wanted: Mapping[str, range]) -> dict[str, Sequence[int]]:
    """The indices of `wanted` that have no sample, ascending, for each problem where there are some.

    `samples` has the columns problem_id and index; every range counts up by one, and all begin at the same index.
    """
    first = min((indices.start for indices in wanted.values()), default=0)
    keys = samples.scan(("problem_id", "index")).filter(pl.col("index") >= first)
    there = samples.collect(keys.group_by("problem_id").agg(count=pl.len(), last=pl.col("index").max()))
    reached = {problem: last + 1 for problem, count, last in there.rows() if count == last + 1 - first}
    gaps = wanted.keys() & set(there["problem_id"]) - reached.keys()
    indices = _indices(samples, keys, sorted(gaps))
    owed: dict[str, Sequence[int]] = {}
    for problem, all_of in wanted.items():
        begun = max(all_of.start, reached.get(problem, all_of.start))
        owed[problem] = (
            sorted(set(all_of).difference(indices[problem])) if problem in gaps else range(begun, all_of.stop)
        )
    return {problem: each for problem, each in owed.items() if each}


def in_shares(owed: Mapping[str, Sequence[int]], at_once: int) -> Iterator[dict[str, Sequence[int]]]:
    """What is owed in the same order, at most `at_once` indices together."""
    share: dict[str, Sequence[int]] = {}
    room = at_once
    for problem, indices in owed.items():
        while len(indices) > room:
            yield share | {problem: indices[:room]} if room else share
            share, indices, room = {}, indices[room:], at_once
        share[problem] = indices
        room -= len(indices)
    if share:
        yield share


def _indices(samples: PartFolder, keys: pl.LazyFrame, problems: Sequence[str]) -> dict[str, list[int]]:
    """The indices that some problems have."""
    if not problems:
        return {}
    chosen = pl.Series(problems, dtype=pl.String).implode()
    found = samples.collect(keys.filter(pl.col("problem_id").is_in(chosen)))
    return {str(key[0]): frame["index"].to_list() for key, frame in found.group_by("problem_id")}
