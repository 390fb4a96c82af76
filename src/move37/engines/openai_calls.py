"""Calls for the samples that are owed: sent as servers can bear them, tried again where that helps, within a budget.

The unit of work is a call for one or more samples of one prompt. Which server takes it is decided when it is sent: the
one with the most room. A call that failed goes to the end of the queue, so that one that never succeeds holds up no
other; after `retries` failures of its own it is left owed, and named in the error at the end, when all others are done.
So are all calls for a prompt that fails again and again, or is refused, while the server answers others. Nobody gives
up while servers are down for less than `patience_seconds`: a server may be restarted.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from move37.config import SamplingConfig
from move37.endpoint import CallError, Endpoint, Failure
from move37.engines.metering import PromptTokens, Spending, Usage
from move37.engines.openai_refusals import is_of_one_prompt, refusal
from move37.engines.openai_repeats import PROBE, PROBE_TOKENS, PROBES, RepeatGuard, fault_in
from move37.engines.openai_wire import Choice, Form, read_answer, refuse_other_limits, sample_of
from move37.errors import EngineError, RunError, SamplesLeftError
from move37.server_words import is_filtered
from move37.types import FinishReason, Prompt, Request, Sample

_IDLE_SECONDS = 0.05
_MOST_UNREAD = 4096
"""Samples that may wait for whoever takes them, before calls wait too."""
_MOST_REFUSED = 3
"""Prompts that are refused with no answer in between: then it is not the prompts."""


@dataclass
class Call:
    """Samples of one prompt that one request asks for."""

    requests: Sequence[Request]
    ids: Sequence[int] | None
    tries: int = 0
    said: str = ""
    sent_at: float = 0.0
    is_put_off: bool = False
    """Whether others have been asked first."""

    @property
    def prompt(self) -> Prompt:
        return self.requests[0].prompt


@dataclass(frozen=True, slots=True)
class Policy:
    """`samples_per_call`: most samples that one request asks for (`n`)."""

    samples_per_call: int
    retries: int
    patience_seconds: float


@dataclass(slots=True)
class Strikes:
    """Failures in a row of one prompt's calls: those that were under way together count once."""

    since: int
    """Answers that there were before the first."""
    times: int = 0
    last: float = -1.0


@dataclass
class Dispatcher:
    """One pass over owed samples. Everything here runs on the event loop of the endpoints."""

    endpoints: Sequence[Endpoint]
    form: Form
    sampling: SamplingConfig
    policy: Policy
    spending: Spending
    guard: RepeatGuard
    encode: Callable[[Prompt], Sequence[int] | None]
    prompt_tokens: PromptTokens
    models: Sequence[str]
    """Names that the server lists."""
    check: Callable[[Prompt, str | None, Usage | None], object]
    """Raises EngineError for the name of a model, or a count of tokens, that shows another prompt or model."""
    deliver: Callable[[Sample], object]
    unread: Callable[[], int]
    _waiting: "deque[Call]" = field(default_factory=deque)
    _running: "dict[asyncio.Task[Any], Call]" = field(default_factory=dict)
    _left_owed: list[Call] = field(default_factory=list)
    _strikes: dict[tuple[str, ...], Strikes] = field(default_factory=dict)
    _given_up: dict[tuple[str, ...], str] = field(default_factory=dict)
    """What was said of prompts that are asked no more."""
    _refused: set[tuple[str, ...]] = field(default_factory=set)
    """Prompts that were refused since the last answer."""
    _refusals: set[str] = field(default_factory=set)
    """Of what was said, that which will not pass."""
    _answers: int = 0
    _fatal: Exception | None = None
    _out_of_budget: bool = False
    _n_is_honoured: bool = True
    _began: float = field(default_factory=time.monotonic)
    _last_failure: tuple[float, str] = (-1.0, "")

    async def run(self, requests: Iterable[Request]) -> None:
        """Deliver one sample for each request. Raises EngineError, or RunError where the budget is used up."""
        self._waiting.extend(self._calls(requests))
        try:
            while self._waiting or self._running:
                self._send()
                if self._running:
                    done, _ = await asyncio.wait(self._running, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        self._take(self._running.pop(task), task)
                elif self._fatal is not None or self._out_of_budget:
                    break
                else:
                    await asyncio.sleep(_IDLE_SECONDS)
                await self._look_into_repeats()
                self._lose_patience()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        self._release()
        self._raise_what_is_left()

    def _calls(self, requests: Iterable[Request]) -> list[Call]:
        calls: list[Call] = []
        known: dict[tuple[str, ...], Sequence[int] | None] = {}
        for request in requests:
            prompt = request.prompt
            shown = prompt.content
            if shown not in known:
                known[shown] = self.encode(prompt)
            last = calls[-1] if calls else None
            if last and last.prompt == prompt and len(last.requests) < self.policy.samples_per_call:
                calls[-1] = replace(last, requests=(*last.requests, request))
            else:
                calls.append(Call((request,), known[shown]))
        return calls

    def _send(self) -> None:
        """Begin as many calls as the servers, the budget and the reader have room for."""
        while self._waiting and self._fatal is None and self.unread() < _MOST_UNREAD:
            if (said := self._given_up.get(self._waiting[0].prompt.content)) is not None:
                self._left_owed.append(replace(self._waiting.popleft(), said=said))
                continue
            if self._running and self.spending.budget is not None and not self.prompt_tokens.is_sure:
                return  # what the first answer shows may be more than the budget bears many times
            endpoint = max(self.endpoints, key=lambda each: each.room)
            if endpoint.room < 1:
                return
            if not self._n_is_honoured:
                self._split_first()
            call = self._waiting[0]
            if call.prompt.content in self._strikes and not call.is_put_off:  # others first: it may be the prompt
                call.is_put_off = True
                self._waiting.rotate(-1)
                continue
            most = self._most(call)
            if not self.spending.allows(most):
                self._out_of_budget = True  # until a call under way turns out to cost less than it might have
                return
            self._out_of_budget = False
            self._waiting.popleft()
            self.spending.reserve(most)
            call.sent_at = time.monotonic()
            endpoint.in_flight += 1  # until the task takes it over: room is asked for before it runs
            self._running[asyncio.create_task(self._answered(call, endpoint, most))] = call

    def _most(self, call: Call) -> float:
        return self.spending.most(
            self.prompt_tokens.most(call.prompt), self.sampling.max_new_tokens * len(call.requests)
        )

    def _split_first(self) -> None:
        call = self._waiting.popleft()
        self._waiting.extendleft(replace(call, requests=(each,)) for each in reversed(call.requests))

    async def _answered(self, call: Call, endpoint: Endpoint, most: float) -> list[Sample]:
        endpoint.in_flight -= 1
        sent_at, usage, may_cost = time.monotonic(), None, True
        try:
            body = self.form.body(call.requests, call.ids, self.sampling, call.prompt.text)
            answer = await endpoint.call(self.form.path, body)
            try:
                choices, usage = read_answer(answer, self.form, call.prompt.text)
            except CallError as failed:
                failed.said = endpoint.without_key(failed.said)
                endpoint.note_failure(failed, sent_at)
                raise
            self._refuse_other_terms(call, answer, choices, usage)
        except CallError as failed:
            may_cost = failed.may_cost
            raise
        finally:
            self.spending.settle(most, usage, may_cost)
        for choice in choices if self.form.api == "completions" else ():
            self.guard.note_echo(choice.text, call.prompt.text)
        alone = len(choices) == 1
        return [
            sample_of(request, choice, usage, alone, self.sampling)
            for request, choice in zip(call.requests, choices, strict=False)
        ]

    def _refuse_other_terms(self, call: Call, answer: Any, choices: Sequence[Choice], usage: Usage | None) -> None:
        """Raises EngineError where an answer shows that something else was done than what was asked for."""
        if usage is not None:
            self.prompt_tokens.learn(call.prompt, usage.prompt)
        elif self.spending.budget is not None:
            raise EngineError(
                "options.budget: the server does not say how many tokens an answer took, so that no budget can be "
                "kept; leave options.budget out, or take a server that counts (usage)"
            )
        named = answer.get("model")
        self.check(call.prompt, named if isinstance(named, str) else None, usage)
        refuse_other_limits(call.prompt, choices, usage, self.form, self.sampling)

    def _take(self, call: Call, task: "asyncio.Task[list[Sample]]") -> None:
        """What became of a call: samples, a call that is to be made again, or the end."""
        error = task.exception()
        if error is None:
            samples = task.result()
            self._answers += 1
            self._refused.clear()
            self._strikes.pop(call.prompt.content, None)
            for sample in samples:
                self._pass_on(sample)
            if missing := call.requests[len(samples) :]:  # the server makes one at a time, whatever n says
                self._n_is_honoured = False
                self._waiting.append(replace(call, requests=missing))
        elif isinstance(error, CallError):
            self._retry(call, error)
        elif isinstance(error, Exception):
            self._fatal = self._fatal or error

    def _retry(self, call: Call, failed: CallError) -> None:
        call = replace(call, said=failed.said)
        if failed.may_pass:
            self._again(call, failed)
        elif is_filtered(failed.words):
            for request in call.requests:
                self._pass_on(_filtered(request))
        elif len(call.requests) > 1 and failed.status in (400, 422):  # perhaps it knows no n
            self._n_is_honoured = False
            self._waiting.append(call)
        else:
            self._refuse(call, failed)

    def _again(self, call: Call, failed: CallError) -> None:
        """Later, unless this call has failed too often, or all of its prompt have while others were answered."""
        self._last_failure = time.monotonic(), failed.said
        if failed.kind in (Failure.OVERLOADED, Failure.UNREACHABLE):  # not this call's own doing
            self._waiting.append(call)
            return
        call = replace(call, tries=call.tries + 1)
        is_last = call.tries > self.policy.retries
        if len(call.requests) == 1:
            self._strike(call)
            if self._is_hopeless(call) and not is_last:
                self._given_up[call.prompt.content] = failed.said
            (self._left_owed if is_last else self._waiting).append(call)
        elif is_last:  # perhaps it bears one at a time
            self._waiting.extend(replace(call, requests=(each,), tries=0) for each in call.requests)
        else:
            self._waiting.append(call)

    def _strike(self, call: Call) -> None:
        """Count failures in a row of this prompt's calls."""
        strikes = self._strikes.setdefault(call.prompt.content, Strikes(self._answers))
        if call.sent_at >= strikes.last:
            strikes.times, strikes.last = strikes.times + 1, time.monotonic()

    def _is_hopeless(self, call: Call) -> bool:
        """Whether this prompt's calls fail and it is not the server: others were answered meanwhile, or before, and
        all that is left fails as often."""
        if not self._is_struck_out(call) or not self._answers:
            return False
        others_answered = self._answers > self._strikes[call.prompt.content].since
        return others_answered or all(map(self._is_struck_out, chain(self._waiting, self._running.values())))

    def _is_struck_out(self, call: Call) -> bool:
        strikes = self._strikes.get(call.prompt.content)
        return strikes is not None and strikes.times > self.policy.retries

    def _refuse(self, call: Call, failed: CallError) -> None:
        """End, or ask this prompt no more where another may be taken."""
        place, asked = self.endpoints[0].connection.shown, f"problem {call.prompt.problem_id}"
        said = refusal(place, asked, failed, self.form.extra.keys(), self.models)
        self._refused.add(call.prompt.content)
        known = self._answers or failed.status != 403  # who was answered has the right key
        if known and is_of_one_prompt(failed) and len(self._refused) < _MOST_REFUSED:
            self._given_up[call.prompt.content] = said
            self._refusals.add(said)
            self._left_owed.append(replace(call, said=said))
        else:
            self._fatal = self._fatal or EngineError(said)

    def _pass_on(self, sample: Sample) -> None:
        if self.sampling.temperature == 0:
            self.deliver(sample)
            return
        for each in self.guard.take(sample):
            self.deliver(each)

    def _release(self) -> None:
        if not self.guard.is_suspicious:
            for sample in self.guard.release():
                self.deliver(sample)

    async def _look_into_repeats(self) -> None:
        """Ask a question that has many answers, where responses repeat. Raises EngineError if they repeat there too."""
        if self._fatal is not None or not self.guard.is_suspicious:
            return
        together = self.policy.samples_per_call if self._n_is_honoured else 1
        probes = await asyncio.gather(*(self._probe(number, together) for number in range(PROBES)))
        if why := fault_in(probes):
            place = self.endpoints[0].connection.shown
            raise EngineError(f"{place}: {self.guard.said(self.sampling.temperature)}, and {why}")
        self.guard.settled = True
        self._release()

    async def _probe(self, number: int, together: int) -> list[str]:
        """The responses to the probe, asked for as samples are: `together` in one call; none where it failed."""
        prompt = Prompt("probe", PROBE, (), "completion")
        requests = [Request(prompt, index, number + 1) for index in range(together)]
        settings = self.sampling.model_copy(
            update={"temperature": 1.0, "top_p": 1.0, "max_new_tokens": PROBE_TOKENS, "keep_tokens": False}
        )
        most = self.spending.most(self.prompt_tokens.most(prompt), PROBE_TOKENS * together)
        if not self.spending.allows(most):
            return []
        self.spending.reserve(most)
        usage: Usage | None = None
        try:
            endpoint = self.endpoints[number % len(self.endpoints)]
            answer = await endpoint.call(self.form.path, self.form.body(requests, None, settings, PROBE))
            choices, usage = read_answer(answer, self.form, PROBE)
        except CallError:
            return []
        finally:
            self.spending.settle(most, usage, may_cost=True)
        return [choice.text for choice in choices if choice.text or not choice.is_cut]

    def _lose_patience(self) -> None:
        failed_at, said = self._last_failure
        answered_at = max(self._began, *(each.last_answer for each in self.endpoints))
        waited = time.monotonic() - answered_at
        patience = self.policy.patience_seconds
        if self._running:  # a server may be at work on these for as long as a call may take
            patience = max(patience, *(each.connection.timeout_seconds for each in self.endpoints))
        if failed_at > answered_at and waited > patience:
            raise EngineError(
                f"{self._places}: no answer for {waited:.0f} s ({said}); what was finished is kept: run the same "
                "command again when the server is up"
            )
        asked = min(each.asked_pause for each in self.endpoints)
        if not self._running and asked > self.policy.patience_seconds:
            raise EngineError(
                f"{self._places} asks to be left alone for {asked:.0f} s ({said}); what was finished is kept: run the "
                "same command again then, or set options.patience_seconds to more"
            )

    @property
    def _places(self) -> str:
        return ", ".join(each.connection.shown for each in self.endpoints)

    def _raise_what_is_left(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        owed = sum(len(call.requests) for call in self._waiting)
        if owed:
            raise RunError(
                f"options.budget: {self.spending.budget:g} would not pay for another sample ({self.spending.spent:.6g} "
                f"spent, {self.spending.lost:.6g} perhaps on calls that failed): {owed} samples are still owed; what "
                "was finished is kept: raise the budget and run the same command again"
            )
        if self._left_owed:
            raise self._what_is_left()

    def _what_is_left(self) -> SamplesLeftError:
        """Most of what is left, and why: the reason of most of them."""
        said = Counter(call.said for call in self._left_owed).most_common(1)[0][0]
        many = sum(len(call.requests) for call in self._left_owed)
        ids = dict.fromkeys(call.prompt.problem_id for call in self._left_owed)
        first = next(call.prompt.problem_id for call in self._left_owed if call.said == said)
        times = f"{self.policy.retries + 1} times"
        if said in self._refusals:
            rest = f" and of {len(ids) - 1} others" if len(ids) > 1 else ""
            line = f"{said}: {many} samples of problem {first}{rest} are still owed"
        elif said in self._given_up.values():
            line = f"calls for problem {first} failed {times} in a row ({said}): {many} samples are still owed"
        else:
            line = f"{many} samples (the first of problem {first}) failed {times} each ({said})"
        return SamplesLeftError(f"{line}; all others are kept: run the same command again to make them", ids)


def _filtered(request: Request) -> Sample:
    key = request.prompt.problem_id, request.index
    return Sample(*key, "", FinishReason.UNKNOWN, seed=request.seed, error="the server's content filter refused it")
