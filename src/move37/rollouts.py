"""Model x environment x seeds -> trajectories, for evaluation and for training alike.

Which samples are owed is the caller's knowledge, how a prompt is continued is the engine's. Here is what lies between:
the template by its name, prompts, the check that prompt and response fit the model's context before a single token is
made, requests with their seeds in an order that lets an engine prefill each prompt once, the turns of an episode, and
the check that each sample that was asked for is delivered once. What follows the model's turn is the environment's
(`environments/`), where the work is done the executor's (`executors/`).

An episode of several turns goes on in text: what the environment adds is put behind the model's own, and the next turn
has a seed made from the first one's. An episode ends as cut at its limit where the next turn would not fit
(`has_room`). Left out: verdicts, stopping.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from move37.config import TemplateConfig
from move37.engines import Completion, Renderer, Trainable
from move37.engines.metering import Unsure
from move37.environments import ENVIRONMENTS, Environment
from move37.errors import ConfigError, EngineError, Move37Error, SamplesLeftError
from move37.executors import EXECUTORS, Executor, Generate, Lost
from move37.progress import Progress, Silent
from move37.prompting import Template, as_asked, find_template, render_prompt, user_template
from move37.seeds import sample_seed, sample_seeds
from move37.types import FinishReason, Problem, Prompt, Request, Sample, Segment

MadeT = TypeVar("MadeT", Sample, Completion)

_SHOWN = 5


def template_of(name: str, own: Mapping[str, TemplateConfig]) -> Template:
    """The template that a study or a recipe names, of the user's own or a known one.

    Raises UnknownNameError, or ConfigError for one of the user's own that cannot be.
    """
    return find_template(name, {each: _own_template(each, of) for each, of in own.items()})


def _own_template(name: str, of: TemplateConfig) -> Template:
    return user_template(name, of.text, of.stop, chat=of.chat, system=of.system, variables=of.chat_template_kwargs)


def render_prompts(
    problems: Iterable[Problem],
    template: Template,
    engine: Renderer | Trainable,
    asked: Iterable[Prompt] = (),
) -> list[Prompt]:
    """The prompts, in order; those `asked` before are asked in the same words again (`as_asked`).

    Raises ConfigError where the model has no chat template or does not see images.
    """
    before = {prompt.problem_id: prompt for prompt in asked}
    return [
        as_asked(render_prompt(problem, template, engine.render_prompt), before.get(problem.id)) for problem in problems
    ]


@dataclass(frozen=True, slots=True)
class Room:
    """How long a prompt may be. `section` is the table of the settings that a message should name."""

    section: str
    max_new_tokens: int
    max_prompt_tokens: int | None = None


def check_room(engine: Renderer | Trainable, prompts: Sequence[Prompt], room: Room, what: str) -> tuple[str, ...]:
    """Refuse settings under which a response would be cut short in silence. Raises ConfigError with the ids.

    Also a chat template that writes the same text for different questions. Returns what could not be checked, one line
    each, where the engine does not know its context or its tokenizer.
    """
    _refuse_left_out(prompts, what)
    _refuse_too_long(engine, prompts, room, what)
    unchecked = engine.unchecked() if isinstance(engine, Unsure) else ()
    key = f"{room.section}.max_new_tokens"
    return tuple(f"{what}: {why}: that prompts and {key} fit the context was not checked" for why in unchecked)


def _refuse_left_out(prompts: Sequence[Prompt], what: str) -> None:
    by_text: dict[str, Prompt] = {}
    for prompt in prompts:
        if not prompt.rendered or prompt.images:
            continue
        other = by_text.setdefault(prompt.text, prompt)
        asked, before = ("".join(each.text for each in one.messages).split() for one in (prompt, other))
        if asked != before:
            raise ConfigError(
                f"{what}: the model's chat template leaves the question out: {other.problem_id} and "
                f"{prompt.problem_id} have the same prompt; use a template that is written out (qwen-boxed, r1)"
            )


def _refuse_too_long(engine: Renderer | Trainable, prompts: Sequence[Prompt], room: Room, what: str) -> None:
    key, most = f"{room.section}.max_new_tokens", room.max_prompt_tokens
    context = engine.context_length
    if context is not None:
        left = context - room.max_new_tokens
        if left < 1:
            raise ConfigError(
                f"{key}: {room.max_new_tokens} leaves no room for a prompt in the model's context of {context} tokens"
            )
        most = left if most is None else min(most, left)
    counted = {prompt.problem_id: engine.count_tokens(prompt) for prompt in prompts}
    lengths = {problem_id: length for problem_id, length in counted.items() if length is not None}
    if most is None:
        return
    long = [problem_id for problem_id, length in lengths.items() if length > most]
    if not long:
        return
    longest = max(lengths.values())
    if context is not None and most == context - room.max_new_tokens:
        fits = context - longest
        why = f"{key} is {room.max_new_tokens} in a context of {context}"
        advice = f"set {key} to at most {fits}" if fits > 0 else "use a model with a longer context"
    else:
        why, advice = f"{room.section}.max_prompt_tokens is {most}", f"raise it to {longest}"
    shown = ", ".join(long[:_SHOWN]) + (f" and {len(long) - _SHOWN} more" if len(long) > _SHOWN else "")
    raise ConfigError(
        f"{what}: {len(long)} prompts are longer than {most} tokens ({shown}; the longest takes {longest}): {why}; "
        f"leave them out, or {advice}"
    )


def requests_for(prompt: Prompt, indices: Iterable[int], run_seed: int, model: str) -> list[Request]:
    """One request per index, each with the seed that belongs to its key. `model`: whoever answers, or for what."""
    indices = list(indices)
    seeds = sample_seeds(run_seed, model, prompt.problem_id, indices)
    return [Request(prompt, index, seed) for index, seed in zip(indices, seeds, strict=True)]


def owed_requests(
    prompts: Sequence[Prompt], owed: Mapping[str, Sequence[int]], run_seed: int, model: str
) -> list[Request]:
    """One request per owed sample, prompt by prompt."""
    return [
        request
        for prompt in prompts
        for request in requests_for(prompt, owed.get(prompt.problem_id, ()), run_seed, model)
    ]


@dataclass(frozen=True, slots=True)
class Where:
    """The surroundings of a rollout: names of the two registries, and who watches, under which label."""

    environment: str = "single_turn"
    executor: str = "local"
    progress: Progress = field(default_factory=Silent)
    label: str = "Sampling"
    has_room: Callable[[Prompt], bool] = lambda prompt: True
    """Whether a turn more fits behind this text; an episode without room for it ends as cut at its limit."""


def roll_out(
    generate: Generate[MadeT], requests: Sequence[Request], model: str, where: Where | None = None
) -> Iterator[MadeT]:
    """What `generate` makes of the requests, as episodes end, each checked against what was asked.

    Raises EngineError where the engine fails, delivers what it does not owe, or not what it owes, and where workers
    died: then everything that was finished has been delivered before. Of an engine that cannot make some samples all
    others are played to their end first.
    """
    if not requests:
        return
    where = where or Where()
    environment: Environment = ENVIRONMENTS.load(where.environment)()
    requests = _with_stops(requests, getattr(environment, "stops", ()))
    joins = getattr(environment, "joins", False)
    episodes = _Episodes(requests, environment, model, where.has_room, joins)
    workers: Executor[MadeT] = EXECUTORS.load(where.executor)(generate)
    lost: list[Lost] = []
    left: SamplesLeftError | None = None
    with closing(workers), where.progress.track(where.label, len(requests), "samples") as advance:
        while requests:
            workers.submit(requests)
            try:
                for made in _classified(workers.results(), model):
                    if isinstance(made, Lost):
                        lost.append(made)
                    elif (ended := episodes.take(made)) is not None:
                        yield ended
                        advance(1)
            except SamplesLeftError as error:
                left = left or error
            requests = episodes.next_turns()
    if left is not None:
        raise left
    if lost:
        raise EngineError(
            f"{model!r}: workers died and left {episodes.open} samples unfinished ({lost[0].reason}); the others are "
            "kept: run the same command again to make the rest"
        )
    if episodes.open:
        raise EngineError(f"{model!r}: the engine finished without {episodes.open} of the samples that it owes")


def _with_stops(requests: Sequence[Request], stops: tuple[str, ...]) -> Sequence[Request]:
    """The requests with the environment's stop strings beside their prompts' own."""
    if not stops:
        return requests
    prompts = {id(each.prompt): replace(each.prompt, stop=(*each.prompt.stop, *stops)) for each in requests}
    return [replace(request, prompt=prompts[id(request.prompt)]) for request in requests]


def has_room(engine: Renderer | Trainable, max_new_tokens: int) -> Callable[[Prompt], bool]:
    """Whether a response fits behind a text; an engine that does not know its context always says yes."""

    def fits(prompt: Prompt) -> bool:
        context, length = engine.context_length, engine.count_tokens(prompt)
        return context is None or length is None or length + max_new_tokens <= context

    return fits


def _classified(results: Iterator[MadeT | Lost], model: str) -> Iterator[MadeT | Lost]:
    """What an engine raises, as one line."""
    try:
        yield from results
    except Move37Error:
        raise
    except Exception as error:  # an engine is a plugin: it may raise anything
        first = str(error).splitlines()[0] if str(error) else ""
        raise EngineError(f"{model!r}: the engine failed while sampling: {type(error).__name__}: {first}") from error


@dataclass(frozen=True, slots=True)
class _Episode:
    """Turns that are done: the request that began it, all segments so far, and what they sum to."""

    first: Request
    segments: tuple[Segment, ...]
    tokens: int | None
    logprob: float | None
    made: Completion | None = None
    """The turns so far as one completion, where completions are made."""


class _Episodes:
    """Episodes in the making, by the key of their sample. Most have one turn and are nothing but their request."""

    def __init__(
        self,
        requests: Sequence[Request],
        environment: Environment,
        model: str,
        has_room: Callable[[Prompt], bool],
        joins: bool = False,
    ) -> None:
        self._running = {(request.prompt.problem_id, request.index): request for request in requests}
        self._after, self._model, self._has_room, self._joins = environment.after, model, has_room, joins
        self._begun: dict[tuple[str, int], _Episode] = {}
        self._next: list[Request] = []

    @property
    def open(self) -> int:
        """Samples that were asked for and have not ended."""
        return len(self._running) + len(self._next)

    def take(self, made: MadeT) -> MadeT | None:
        """The model's turn: the whole episode where it ended with it, else None. Raises EngineError."""
        sample = made.sample if isinstance(made, Completion) else made
        key = (sample.problem_id, sample.index)
        request = self._running.pop(key, None)
        if request is None:
            raise EngineError(f"{self._model!r}: the engine returned a sample that it does not owe: {key[0]} {key[1]}")
        begun = self._begun.pop(key, None)
        if begun is None:
            added = self._after(request.prompt, sample)
            if added is None:  # most episodes: not one object more is made for them
                return made
            episode = _with_turn(_Episode(request, (), 0, 0.0), sample, made)
        else:
            episode = _with_turn(begun, sample, made)
            added = self._after(request.prompt, replace(sample, segments=episode.segments))
        if added is not None:
            going = replace(episode, segments=(*episode.segments, *added))
            asked = _next_request(request, going, sample, added)
            if self._has_room(asked.prompt):
                self._begun[key] = going
                self._next.append(asked)
                return None
            sample = replace(sample, finish_reason=FinishReason.LENGTH)
        return cast("MadeT", _ended(episode, sample, self._joins))

    def next_turns(self) -> list[Request]:
        """The requests of episodes that go on, once."""
        asked, self._next = self._next, []
        self._running.update({(request.prompt.problem_id, request.index): request for request in asked})
        return asked


def _with_turn(episode: _Episode, sample: Sample, made: Sample | Completion) -> _Episode:
    return replace(
        episode,
        segments=(*episode.segments, *sample.trajectory.segments),
        tokens=None if sample.tokens is None or episode.tokens is None else episode.tokens + sample.tokens,
        logprob=None if sample.logprob is None or episode.logprob is None else episode.logprob + sample.logprob,
        made=_one_completion(episode.made, made) if isinstance(made, Completion) else None,
    )


def _ended(episode: _Episode, last: Sample, joins: bool) -> Sample | Completion:
    """The whole episode; its text is the model's last turn, or, where `joins`, all that was written."""
    if joins:
        last = replace(last, text="".join(segment.text for segment in episode.segments))
    tokens, logprob = episode.tokens, episode.logprob
    whole = replace(last, tokens=tokens, logprob=logprob, seed=episode.first.seed, segments=episode.segments)
    return whole if episode.made is None else replace(episode.made, sample=whole)


def _one_completion(before: Completion | None, made: Completion) -> Completion:
    """The turns so far and the newest as one: all that stands between the first prompt and the newest turn is part of
    it, and the model's own where it is token for token what the model wrote.

    The newest turn was asked for in text, so what was written before may be cut into other tokens when it is read
    again. The model then went on from tokens that it did not draw: nothing is learnt from these. An end token that a
    turn ended with is no part of what went on, so it is left out.
    """
    if before is None:
        return made
    between = made.prompt_ids[len(before.prompt_ids) :]
    drawn = before.token_ids
    if len(drawn) > 1 and between[: len(drawn)] != drawn and between[: len(drawn) - 1] == drawn[:-1]:
        drawn = drawn[:-1]
    count = len(drawn)
    if made.prompt_ids[: len(before.prompt_ids)] != before.prompt_ids:
        # Even the beginning is cut differently: the newest turn alone is known.
        return made
    kept = count if between[:count] == drawn else 0
    own = (True,) * kept if before.own is None else before.own[:kept]
    own_between = own + (False,) * (len(between) - kept)
    logprobs = before.logprobs[:kept] + (0.0,) * (len(between) - kept)
    newest = made.own if made.own is not None else (True,) * len(made.token_ids)
    return Completion(
        made.sample,
        before.prompt_ids,
        (*between, *made.token_ids),
        (*logprobs, *made.logprobs),
        (*own_between, *newest),
    )


def _next_request(request: Request, episode: _Episode, made: Sample, added: Sequence[Segment]) -> Request:
    text = request.prompt.text + made.text + "".join(segment.text for segment in added)
    seed = sample_seed(episode.first.seed, "turn", made.problem_id, len(episode.segments))
    return Request(replace(request.prompt, text=text), request.index, seed)
