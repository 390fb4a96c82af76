"""Stored responses under another model: how probable would it have found them, token by token?

    <run>/scores/<author>-under-<model>.json          what was scored by what: weights, sampling distribution
          scores/<author>-under-<model>/part-*.parquet  a row for each response, append-only

The prompt is the one that the author was asked, and the response the very tokens that the author drew: those that were
kept (`sampling.keep_tokens`). Where they were not, the text is encoded anew, and counts only if that gives back what
was drawn: as many tokens, and, under the author itself, the log-probability that stands with the sample. So authors
without kept tokens are scored by themselves first. Whatever cannot be known to be the same is refused, and counted. So
is a response that the model's own tokenizer reads as another text: it is another tokenizer.

Resumable: a response that has a row with its digest is done. Rows reach the disk every few seconds. Responses go to the
engine in chunks of a bounded number of tokens, those of one prompt together. References are scored like an author named
`references`: every one that is written out in full (`--references FILE` names rows {"question", "response"}).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from move37.config import IMPORTED
from move37.engines import BatchScorer, Scored, opened, token_ids
from move37.errors import ConfigError, EngineError, InputError
from move37.files import read_json, write_json
from move37.parts import Appender, PartFolder
from move37.progress import Progress, Silent
from move37.rows import read_rows
from move37.schema import KEY, SCORES, sample_digest, samples_of
from move37.store import RunStore
from move37.types import FinishReason, Problem, Prompt, Sample
from move37.worlds.known import WORLDS

FOLDER = "scores"
REFERENCES = "references"
"""The author of reference solutions. No model of a run that is scored may have this name."""
_CHUNK_TOKENS = 65_536
_FLOAT32, _NARROW = 1e-3, 2e-2
"""How far, relative to it, a log-probability may lie from the one that was stored and still be of the same tokens."""


@dataclass(frozen=True, slots=True)
class PairScored:
    """What was done for one author under one model, in this call and before."""

    author: str
    model: str
    scored: int
    """In this call."""
    kept: int
    """All that are there now."""
    refused: Mapping[str, int]
    """Responses that cannot be scored, by reason."""


@dataclass(frozen=True, slots=True)
class Reencoding:
    """Why the tokens of a response are not known."""

    reason: str


DIFFERS = "encoded anew the text has other tokens than were drawn (set sampling.keep_tokens)"
UNKNOWN = "its tokens were not kept and nothing shows which they were (set sampling.keep_tokens)"
OTHER_TOKENIZER = "the model's tokenizer reads other text from these tokens"
TOO_LONG = "longer than the model's context"


def scores_folder(store: RunStore, author: str, model: str) -> PartFolder:
    """The scores of one author's responses under one model."""
    return SCORES.parts(store.folder / FOLDER / f"{author}-under-{model}")


def scored_pairs(store: RunStore, authors: Sequence[str] | None, models: Sequence[str] | None) -> list[tuple[str, str]]:
    """(author, model) for every author under every other model of the run, or those that are named.

    Raises InputError for a name that the run does not have.
    """
    study = store.study()
    known = [name for name in store.models() if store.samples(name).files()]
    scorers = [name for name in known if study.models[name].engine != IMPORTED]
    for name, there in [*((a, known) for a in authors or ()), *((m, scorers) for m in models or ())]:
        if name not in there:
            raise InputError(
                f"{store.folder}: no model {name!r} whose responses and weights are known ({', '.join(there)})"
            )
    return [
        (author, model)
        for author in authors or known
        for model in models or scorers
        if author != model or (authors and models)
    ]


def score_pairs(
    store: RunStore, pairs: Sequence[tuple[str, str]], progress: Progress | None = None
) -> list[PairScored]:
    """Score every pair; each model is loaded once. For the run's writer. Raises as `_scoring`."""
    own_weights = {name for name, model in store.study().models.items() if model.engine != IMPORTED}
    needs = [(author, author) for author, _ in pairs if author in own_weights and not _keeps_tokens(store, author)]
    asked = list(dict.fromkeys([*needs, *pairs]))
    own_first = sorted(asked, key=lambda pair: pair[0] != pair[1])
    by_model: dict[str, list[str]] = {}
    for author, model in own_first:
        by_model.setdefault(model, []).append(author)
    done: dict[tuple[str, str], PairScored] = {}
    # An author's own pass may be what another model waits for: all own passes, then all others.
    for own in (True, False):
        for model, authors in by_model.items():
            chosen = [author for author in authors if (author == model) is own]
            if chosen:
                with _scoring(store, model, progress) as scoring:
                    done |= {(author, model): scoring.author(author) for author in chosen}
    return [done[pair] for pair in asked]


def score_references(
    store: RunStore, models: Sequence[str], responses: Path | None, progress: Progress | None = None
) -> list[PairScored]:
    """Reference solutions under each of the models: those of a file, or the problems' own where they are in full."""
    written = _reference_samples(store, responses)
    done = []
    for model in models:
        with _scoring(store, model, progress) as scoring:
            done.append(scoring.references(written))
    return done


@contextmanager
def _scoring(store: RunStore, model: str, progress: Progress | None) -> Iterator["_Scoring"]:
    """A model that scores, loaded for the block.

    Raises EngineError where the engine cannot score, ConfigError where older scores were made with other weights.
    """
    config = store.study().models[model]
    with opened(config) as engine:
        if not isinstance(engine, BatchScorer):
            raise EngineError(f"{model!r}: the engine {config.engine!r} does not say how probable a given text is")
        identity = engine.identity()
        store.refuse_other_weights(model, identity)
        yield _Scoring(store, model, engine, engine.context_length, identity, progress or Silent())


class _Scoring:
    """A loaded model that scores."""

    def __init__(
        self,
        store: RunStore,
        model: str,
        engine: BatchScorer,
        context_length: int | None,
        identity: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._store, self._model, self._progress = store, model, progress
        self._engine, self._context_length = engine, context_length
        self._sampling = store.study().sampling_of(model)
        self._about = {
            "weights": identity.get("weights"),
            "dtype": identity.get("dtype"),
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
        }
        self._tolerance = _FLOAT32 if identity.get("dtype") == "float32" else _NARROW

    def author(self, author: str) -> PairScored:
        """Every stored response of a model that has no score yet."""
        store, parts = self._store, self._open(author)
        prompts = {prompt.problem_id: prompt for prompt in _prompts(store, author, self._model)}
        proven = None
        if not _keeps_tokens(store, author) and author != self._model:
            own = scores_folder(store, author, author).read([*KEY, "sample"])
            proven = set(own.select(*KEY, "sample").iter_rows())
        samples = store.samples(author)
        samples.compact()
        total = samples.collect(samples.scan(KEY).select(pl.len())).item()
        return self._score(author, parts, _unscored(samples, parts), prompts, total, proven)

    def references(self, written: Sequence[Sample]) -> PairScored:
        """Reference solutions, encoded by the model itself: nobody drew them."""
        parts = self._open(REFERENCES)
        prompts = {prompt.problem_id: prompt for prompt in _prompts(self._store, self._model, self._model)}
        done = set(parts.read([*KEY, "sample"]).iter_rows())
        owed = (each for each in written if _key(each) not in done)
        return self._score(REFERENCES, parts, owed, prompts, len(written), None)

    def _open(self, author: str) -> PartFolder:
        path = self._store.folder / FOLDER / f"{author}-under-{self._model}.json"
        about = {"author": author, "model": self._model} | self._about
        known = read_json(path)
        if known is not None and known != about:
            changed = [key for key in about if not isinstance(known, Mapping) or known.get(key) != about[key]]
            raise ConfigError(
                f"{path}: scores made with another {', '.join(changed)}; move them away to score again, or use what "
                "they were made with"
            )
        write_json(path, about)
        return scores_folder(self._store, author, self._model)

    def _score(
        self,
        author: str,
        parts: PartFolder,
        owed: Iterable[Sample],
        prompts: Mapping[str, Prompt],
        total: int,
        proven: set[tuple[Any, ...]] | None,
    ) -> PairScored:
        refused, scored = Counter[str](), 0
        label = f"Scoring {author} under {self._model}"
        with Appender(parts) as appender, self._progress.track(label, total, "responses") as advance:
            for chunk in self._chunks(author, owed, prompts, proven, refused, advance):
                texts = [(each.prompt_ids, each.token_ids) for each in chunk]
                for each, found in zip(chunk, self._engine.score_together(texts, self._sampling), strict=True):
                    row = _row(each, found)
                    if author == self._model and self._is_another(each.sample, row):
                        refused[DIFFERS] += 1
                    else:
                        appender.add(row, 16 * len(each.token_ids))
                        scored += 1
                advance(len(chunk))
        parts.compact()
        kept = parts.collect(parts.scan(KEY).select(pl.len())).item()
        self._store.log("scored", model=self._model, author=author, responses=scored, refused=dict(refused))
        return PairScored(author, self._model, scored, kept, dict(refused))

    def _is_another(self, sample: Sample, row: tuple[Any, ...]) -> bool:
        """Whether the author's own log-probability is not the one that was stored when the response was drawn."""
        return sample.logprob is not None and abs(row[4] - sample.logprob) > self._tolerance * max(
            1.0, abs(sample.logprob)
        )

    def _chunks(
        self,
        author: str,
        owed: Iterable[Sample],
        prompts: Mapping[str, Prompt],
        proven: set[tuple[Any, ...]] | None,
        refused: Counter[str],
        advance: Any,
    ) -> Iterator[list["_Text"]]:
        """Responses whose tokens are known, so many tokens at a time."""
        encoded: dict[tuple[str, ...], Sequence[int]] = {}
        chunk, tokens = list[_Text](), 0
        for sample in owed:
            prompt = prompts[sample.problem_id]
            shown = prompt.content
            if shown not in encoded:
                encoded[shown] = token_ids(self._engine, prompt)
            text = self._tokens(author, sample, prompt, encoded[shown], proven)
            if isinstance(text, Reencoding):
                refused[text.reason] += 1
                advance(1)
                continue
            chunk.append(text)
            tokens += len(text.prompt_ids) + len(text.token_ids)
            if tokens >= _CHUNK_TOKENS:
                yield chunk
                chunk, tokens = [], 0
        if chunk:
            yield chunk

    def _tokens(
        self,
        author: str,
        sample: Sample,
        prompt: Prompt,
        prompt_ids: Sequence[int],
        proven: set[tuple[Any, ...]] | None,
    ) -> "_Text | Reencoding":
        """The tokens of a response after its prompt, or why they are not known."""
        kept = _kept(sample)
        if kept is not None:
            token_ids, own = kept
            alone = sample.segments is not None and len(sample.segments) == 1
            if alone and self._engine.read_back(prompt_ids, token_ids, prompt.stop) != sample.text:
                return Reencoding(OTHER_TOKENIZER)
        else:
            if proven is not None and _key(sample) not in proven:
                return Reencoding(UNKNOWN)
            found = self._encoded(sample, prompt, prompt_ids)
            if isinstance(found, Reencoding):
                return found
            if author != REFERENCES and (sample.tokens is None or sample.logprob is None):
                return Reencoding(UNKNOWN)
            if author != REFERENCES and len(found) != sample.tokens:
                return Reencoding(DIFFERS)
            token_ids, own = tuple(found), None
        if self._context_length is not None and len(prompt_ids) + len(token_ids) > self._context_length:
            return Reencoding(TOO_LONG)
        ids = prompt_ids if isinstance(prompt_ids, tuple) else tuple(prompt_ids)  # those with images stay what they are
        return _Text(sample, ids, token_ids, own)

    def _encoded(self, sample: Sample, prompt: Prompt, prompt_ids: Sequence[int]) -> list[int] | Reencoding:
        """The text as tokens behind the prompt's, with the end token where the response ended by itself."""
        if prompt.stop and sample.finish_reason is FinishReason.STOP:
            return Reencoding(UNKNOWN)  # a stop string was taken off, or an end token: the text does not say
        whole = token_ids(self._engine, replace(prompt, text=prompt.text + sample.text))
        if whole[: len(prompt_ids)] != prompt_ids:
            return Reencoding(DIFFERS)
        found = list(whole[len(prompt_ids) :])
        if self._engine.read_back(prompt_ids, found, ()) != sample.text:
            return Reencoding(OTHER_TOKENIZER)
        if sample.finish_reason is FinishReason.STOP:
            ends = sorted(self._engine.end_tokens)
            if len(ends) != 1:
                return Reencoding(UNKNOWN)
            found = [*found, *ends]
        return found


@dataclass(frozen=True, slots=True)
class _Text:
    """A response as tokens. `own` says which of them its author wrote; None: all."""

    sample: Sample
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    own: tuple[bool, ...] | None = field(default=None)


def _row(text: _Text, found: Scored) -> tuple[Any, ...]:
    """In the order of `SCORES`."""
    logprobs = _own(found.logprobs, text)
    drawn = None if found.drawn is None else sum(_own(found.drawn, text))
    ahead = None if found.mass_ahead is None else max(_own(found.mass_ahead, text), default=0.0)
    return *_key(text.sample), len(logprobs), sum(logprobs), drawn, ahead, logprobs


def _own(values: tuple[float, ...], text: _Text) -> list[float]:
    """Those of the author's own tokens."""
    return [value for value, own in zip(values, text.own, strict=True) if own] if text.own else list(values)


def _key(sample: Sample) -> tuple[str, int, int]:
    return sample.problem_id, sample.index, sample_digest(sample.text, sample.finish_reason.value)


def _kept(sample: Sample) -> tuple[tuple[int, ...], tuple[bool, ...] | None] | None:
    """The tokens of all segments, and which are the model's own; None where one of them was not kept."""
    if sample.segments is None or any(segment.token_ids is None for segment in sample.segments):
        return None
    token_ids = tuple(token for segment in sample.segments for token in segment.token_ids or ())
    if all(segment.own for segment in sample.segments):
        return token_ids, None
    return token_ids, tuple(segment.own for segment in sample.segments for _ in segment.token_ids or ())


def _keeps_tokens(store: RunStore, author: str) -> bool:
    """Whether every response of an author has its tokens."""
    samples = store.samples(author)
    lacking = samples.scan(["segments"]).select(pl.col("segments").is_null().any())
    return not samples.collect(lacking).item()


def _unscored(samples: PartFolder, scores: PartFolder) -> Iterator[Sample]:
    """Responses without a row of their digest, those of one problem together in each part."""
    done = scores.read([*KEY, "sample"])
    for frame in samples.frames():
        rows = frame.join(done, left_on=[*KEY, "digest"], right_on=[*KEY, "sample"], how="anti")
        yield from samples_of(rows.sort("problem_id", maintain_order=True))


def _prompts(store: RunStore, author: str, model: str) -> tuple[Prompt, ...]:
    """What the author was asked; of imported responses, what the model was. Raises InputError without either."""
    for name in (author, model):
        found = store.model_record(name).prompts
        if found:
            return found
    raise InputError(f"{store.folder}: the prompts of {author!r} and {model!r} are not known, so nothing can be scored")


def _reference_samples(store: RunStore, responses: Path | None) -> list[Sample]:
    """Reference solutions as responses that ended by themselves. Raises InputError where there is none."""
    problems = store.problems()
    if responses is None:
        written = [(problem, text) for problem in problems if _is_solution(problem) for text in problem.references]
        if not written:
            raise InputError(
                f"{store.folder}: the references of these problems are answers, not solutions; give solutions as "
                '--references FILE with rows {"question", "response"}'
            )
    else:
        written = list(_written_in(responses, problems))
    counts = Counter[str]()
    found = []
    for problem, text in written:
        found.append(Sample(problem.id, counts[problem.id], text, FinishReason.STOP))
        counts[problem.id] += 1
    return found


def _is_solution(problem: Problem) -> bool:
    return problem.verifier in WORLDS


def _written_in(path: Path, problems: Sequence[Problem]) -> Iterator[tuple[Problem, str]]:
    by_question = {" ".join(problem.question.split()): problem for problem in problems}
    found = 0
    for row in read_rows(path):
        question, response = row.text("question"), row.text("response")
        problem = by_question.get(" ".join(question.split()))
        if problem is not None:
            found += 1
            yield problem, response
    if not found:
        raise InputError(f"{path}: none of its questions is a problem of this run")
