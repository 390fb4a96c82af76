"""Rows of a log -> problems and samples: ids from content, indices from series and place, each sample once.

A sample's index is its place within its series, behind all samples of the series before: index = seed x j. The same
sample told twice counts once; two different ones under one place are refused. Rows are joined by the problem that they
name, never by their position.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from move37.counts import AnyTally
from move37.identity import content_id
from move37.importers.logs import Asked, Log, LogRow, Response
from move37.rows import LARGEST_COUNT
from move37.schema import sample_digest
from move37.types import Outcome, Problem, Prompt, Sample

_OUR_ID = re.compile(r".+/[0-9a-f]{12}(?:#\d+)?")
TEMPLATE = "imported"
"""What stands for the template of a prompt that another tool wrote."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A sample, with the tool's verdicts on it; not `is_new` where a row before told it already."""

    sample: Sample
    scores: Mapping[str, Outcome]
    is_new: bool


@dataclass
class _Known:
    number: int
    id: str
    question: str | None
    references: tuple[str, ...]
    prompt: str | None
    asked: Asked
    """The object that it was told by: a reader may hand out the same one again."""
    varied_prompts: int = 0


@dataclass
class Joiner:
    """Takes the rows of one log in. `find` gives the problem of a benchmark that a row is about, where it is given."""

    benchmark: str
    verifier: str
    unique_questions: bool = False
    find: Callable[[Asked], Problem | None] | None = None
    problems: dict[str, Problem] = field(default_factory=dict)
    """By id, those that the rows tell."""
    prompts: dict[str, Prompt] = field(default_factory=dict)
    samples: int = 0
    failed: int = 0
    """Samples of calls that failed, among them."""
    scored: Counter[str] = field(default_factory=Counter)
    """Verdicts of the tool's, by score."""
    _known: dict[str, _Known] = field(default_factory=dict)
    """By the log's own key."""
    _key_of: dict[str, str] = field(default_factory=dict)
    """The log's own key by problem id."""
    _next: Counter[int] = field(default_factory=Counter)
    """By number of the problem: one more than its largest index so far."""
    _digests: dict[int, int] = field(default_factory=dict)
    """Of samples whose place is known, by the problem's number and their index."""
    _scores_told: dict[int, frozenset[str]] = field(default_factory=dict)
    _names: dict[frozenset[str], frozenset[str]] = field(default_factory=dict)
    """Each set of names once, for a million samples share a few."""

    def join(self, log: Log) -> Iterator[Joined]:
        """The samples of a log. Raises InputError, with the place of the row."""
        for series in log.series:
            start = self._next.copy()
            within: Counter[int] = Counter()
            for row in series.rows():
                known = self._problem(row)
                first = row.first
                if first is None:
                    first = within[known.number]
                    within[known.number] += len(row.responses)
                base = start[known.number] + first
                for place, response in enumerate(row.responses, start=base):
                    yield self._joined(row, known, place, response)

    def _joined(self, row: LogRow, known: _Known, index: int, response: Response) -> Joined:
        if index > LARGEST_COUNT:
            raise row.row.error(f"index {index} is too large")
        sample = Sample(
            problem_id=known.id,
            index=index,
            text=response.text,
            finish_reason=response.finish_reason,
            tokens=response.tokens,
            logprob=response.logprob,
            seed=response.seed,
            segments=response.segments,
            error=response.error,
        )
        is_new, scores = True, response.scores
        if row.first is not None:
            is_new, scores = self._told_before(row, known, sample, scores)
        if is_new:
            self.samples += 1
            self.failed += response.error is not None
            self._next[known.number] = max(self._next[known.number], index + 1)
        self.scored.update(scores.keys())
        return Joined(sample, scores, is_new)

    def _told_before(
        self, row: LogRow, known: _Known, sample: Sample, scores: Mapping[str, Outcome]
    ) -> tuple[bool, Mapping[str, Outcome]]:
        """Whether a sample of a known place is told for the first time, and the scores that are."""
        key = known.number << 32 | sample.index
        digest = sample_digest(sample.text, sample.finish_reason.value)
        before = self._digests.setdefault(key, digest)
        if before != digest:
            raise row.row.error(f"sample {sample.index} of {known.id} is here already, with another text or end")
        names = self._names.setdefault(frozenset(scores), frozenset(scores))
        told = self._scores_told.get(key)
        if told is None:
            self._scores_told[key] = names
            return True, scores
        self._scores_told[key] = self._names.setdefault(told | names, told | names)
        return False, {name: verdict for name, verdict in scores.items() if name not in told}

    def _problem(self, row: LogRow) -> _Known:
        asked = row.asked
        known = self._known.get(asked.key)
        if known is None:
            known = self._known[asked.key] = self._first_of(row)
            return known
        if asked is known.asked:
            return known
        if asked.question != known.question and (asked.question or "").split() != (known.question or "").split():
            raise row.row.error(f"id {asked.key!r} has another question than before")
        if asked.references != known.references:
            now, before = (" or ".join(map(repr, each)) or "none" for each in (asked.references, known.references))
            raise row.row.error(f"another answer for {known.id} than before ({now}; before {before})")
        known.varied_prompts += asked.prompt is not None and asked.prompt != known.prompt
        return known

    def _first_of(self, row: LogRow) -> _Known:
        asked = row.asked
        problem = self.find(asked) if self.find is not None else None
        if problem is not None:
            problem_id = self._distinct(row, problem.id)
            self.problems.setdefault(problem.id, problem)
        elif self.find is not None and asked.question is not None:
            raise row.row.error(f"{asked.key!r} is none of the problems of {self.benchmark} that were given")
        else:
            problem_id = self._told(row)
        if asked.prompt is not None:
            self.prompts.setdefault(problem_id, Prompt(problem_id, asked.prompt, (), TEMPLATE))
        return _Known(len(self._known), problem_id, asked.question, asked.references, asked.prompt, asked)

    def _told(self, row: LogRow) -> str:
        """The id of a problem that the row tells, or names."""
        asked, benchmark = row.asked, row.asked.benchmark or self.benchmark
        if asked.question is None:
            problem_id = asked.key
            if asked.references:  # a problem without a question, known by its id alone
                self._add(Problem(problem_id, "", asked.references, benchmark, self.verifier, asked.tags))
            return problem_id
        problem_id = content_id(benchmark, asked.question)
        if _OUR_ID.fullmatch(asked.key) and asked.key.startswith(f"{benchmark}/"):
            problem_id = asked.key  # of an export: it may know more than the question (options, repeats)
        distinct = self._distinct(row, problem_id if asked.repeat == 1 else f"{problem_id}#{asked.repeat}")
        tags = asked.tags if distinct == problem_id else {**asked.tags, "repeats": problem_id}
        self._add(
            Problem(
                id=distinct,
                question=asked.question.strip(),
                references=asked.references,
                benchmark=benchmark,
                verifier=self.verifier,
                tags=tags,
                metadata=asked.metadata,
            )
        )
        return distinct

    def _add(self, problem: Problem) -> None:
        self.problems[problem.id] = problem

    def _distinct(self, row: LogRow, problem_id: str) -> str:
        """The id for a key that was not there before: two keys of one question are two problems, or are refused."""
        other = self._key_of.get(problem_id)
        if other is not None and self.unique_questions:
            raise row.row.error(f"id {row.asked.key!r} has the same question as id {other!r}")
        number, distinct = 1, problem_id
        while distinct in self._key_of:
            number += 1
            distinct = f"{problem_id}#{number}"
        self._key_of[distinct] = row.asked.key
        if number > 1 and problem_id in self.problems and self.find is not None:
            self.problems[distinct] = replace(self.problems[problem_id], id=distinct)
        return distinct

    def notices(self) -> Iterator[str]:
        """What is worth saying of what was taken in."""
        if self.failed:
            yield f"{self.failed:,} of {self.samples:,} calls failed: they are unscored, not wrong"
        varied = [known for known in self._known.values() if known.varied_prompts]
        if varied:
            count = sum(known.varied_prompts for known in varied)
            yield f"{count:,} rows asked with another prompt than the first row of their problem; the first is kept"
        sizes = Counter(self._next[known.number] for known in self._known.values())
        if len(sizes) > 1:
            yield f"problems have between {min(sizes)} and {max(sizes)} samples"


@dataclass(frozen=True, slots=True)
class Gathered:
    """A whole log in memory, for those who look at all of it: tests, and small files.

    `reported` holds the tool's verdicts by score and by (problem id, index).
    """

    problems: tuple[Problem, ...] = ()
    samples: tuple[Sample, ...] = ()
    reported: Mapping[str, Mapping[tuple[str, int], Outcome]] = field(default_factory=dict)
    prompts: Mapping[str, Prompt] = field(default_factory=dict)
    counts: AnyTally | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def gather(log: Log, model: str, benchmark: str, verifier: str = "math") -> Gathered:
    """Read a log to its end. Raises InputError as its rows do."""
    if log.counts is not None:
        return Gathered(counts=log.counts(model), settings=log.settings, notices=log.remarks.sentences())
    joiner = Joiner(benchmark, verifier, log.unique_questions)
    samples, reported = [], {}
    for joined in joiner.join(log):
        if joined.is_new:
            samples.append(joined.sample)
        for score, verdict in joined.scores.items():
            reported.setdefault(score, {})[joined.sample.problem_id, joined.sample.index] = verdict
    notices = (*log.remarks.sentences(), *joiner.notices())
    problems, prompts = tuple(joiner.problems.values()), joiner.prompts
    return Gathered(problems, tuple(samples), reported, prompts, None, log.settings, notices)
