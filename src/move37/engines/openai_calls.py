"""Calls for the samples that are owed: sent as servers can bear them, tried again where that helps, within a budget.

The unit of work is a call for one or more samples of one prompt. Which server takes it is decided when it is sent: the
one with the most room. A call that failed goes to the end of the queue, so that one that never succeeds holds up no
other; after `retries` failures of its own it is left owed, and named in the error at the end, when all others are done.
Nobody gives up while servers are down for less than `patience_seconds`: a server may be restarted.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from move37.config import SamplingConfig
from move37.endpoint import CallError, Endpoint, Failure
from move37.engines.metering import Spending, Usage
from move37.engines.openai_repeats import PROBE, PROBE_TOKENS, PROBES, RepeatGuard, fault_in
from move37.engines.openai_wire import Choice, Form, read_answer, refuse_other_limits, sample_of
from move37.errors import EngineError, RunError
from move37.types import FinishReason, Prompt, Request, Sample

_IDLE_SECONDS = 0.05
_MOST_UNREAD = 4096
"""Samples that may wait for whoever takes them, before calls wait too."""


@dataclass
class Call:
    """Samples of one prompt that one request asks for."""

    requests: Sequence[Request]
    ids: Sequence[int] | None
    tries: int = 0
    said: str = ""

    @property
    def prompt(self) -> Prompt:
        return self.requests[0].prompt


@dataclass(frozen=True, slots=True)
class Policy:
    """`samples_per_call`: most samples that one request asks for (`n`)."""

    samples_per_call: int
    retries: int
    patience_seconds: float


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
    prompt_tokens: Callable[[Prompt], int]
    """At most so many; the server's own count takes its place once there is one."""
    check: Callable[[Prompt, str | None, Usage | None], object]
    """Raises EngineError for the name of a model, or a count of tokens, that shows another prompt or model."""
    deliver: Callable[[Sample], object]
    unread: Callable[[], int]
    _prompt_tokens: dict[tuple[str, ...], int] = field(default_factory=dict)
    _waiting: "deque[Call]" = field(default_factory=deque)
    _running: "dict[asyncio.Task[Any], Call]" = field(default_factory=dict)
    _left_owed: list[Call] = field(default_factory=list)
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
                self._prompt_tokens[shown] = self.prompt_tokens(prompt)
            last = calls[-1] if calls else None
            if last and last.prompt == prompt and len(last.requests) < self.policy.samples_per_call:
                calls[-1] = replace(last, requests=(*last.requests, request))
            else:
                calls.append(Call((request,), known[shown]))
        return calls

    def _send(self) -> None:
        """Begin as many calls as the servers, the budget and the reader have room for."""
        while self._waiting and self._fatal is None and self.unread() < _MOST_UNREAD:
            endpoint = max(self.endpoints, key=lambda each: each.room)
            if endpoint.room < 1:
                return
            if not self._n_is_honoured:
                self._split_first()
            call = self._waiting[0]
            most = self._most(call)
            if not self.spending.allows(most):
                self._out_of_budget = True  # until a call under way turns out to cost less than it might have
                return
            self._out_of_budget = False
            self._waiting.popleft()
            self.spending.reserve(most)
            endpoint.in_flight += 1  # until the task takes it over: room is asked for before it runs
            self._running[asyncio.create_task(self._answered(call, endpoint, most))] = call

    def _most(self, call: Call) -> float:
        return self.spending.most(
            self._prompt_tokens[call.prompt.content], self.sampling.max_new_tokens * len(call.requests)
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
        alone = len(choices) == 1
        return [
            sample_of(request, choice, usage, alone, self.sampling)
            for request, choice in zip(call.requests, choices, strict=False)
        ]

    def _refuse_other_terms(self, call: Call, answer: Any, choices: Sequence[Choice], usage: Usage | None) -> None:
        """Raises EngineError where an answer shows that something else was done than what was asked for."""
        if usage is not None:
            self._prompt_tokens[call.prompt.content] = usage.prompt
        elif self.spending.budget is not None:
            raise EngineError("options.budget: the server does not say how many tokens an answer took")
        named = answer.get("model")
        self.check(call.prompt, named if isinstance(named, str) else None, usage)
        refuse_other_limits(call.prompt, choices, usage, self.form, self.sampling)

    def _take(self, call: Call, task: "asyncio.Task[list[Sample]]") -> None:
        """What became of a call: samples, a call that is to be made again, or the end."""
        error = task.exception()
        if error is None:
            samples = task.result()
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
        if failed.may_pass:
            self._last_failure = time.monotonic(), failed.said
            down = failed.kind in (Failure.OVERLOADED, Failure.UNREACHABLE)  # not this call's own doing
            call = replace(call, tries=call.tries + (not down), said=failed.said)
            is_last = call.tries > self.policy.retries
            if is_last and len(call.requests) > 1:  # perhaps it bears one at a time
                self._waiting.extend(replace(call, requests=(each,), tries=0) for each in call.requests)
            else:
                (self._left_owed if is_last else self._waiting).append(call)
        elif "content_filter" in failed.said:
            for request in call.requests:
                self._pass_on(_filtered(request))
        elif len(call.requests) > 1 and failed.status in (400, 422):  # perhaps it knows no n
            self._n_is_honoured = False
            self._waiting.append(call)
        else:
            self._fatal = self._fatal or EngineError(self._refusal(call, failed))

    def _refusal(self, call: Call, failed: CallError) -> str:
        place = self.endpoints[0].connection.shown
        if failed.status in (401, 403):
            return f"{place} refuses the key ({failed.said}); set options.api_key_env to the variable that holds it"
        return f"{place} refuses problem {call.prompt.problem_id}: {failed.said}"

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
        most = self.spending.most(self.prompt_tokens(prompt), PROBE_TOKENS * together)
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
            places = ", ".join(each.connection.shown for each in self.endpoints)
            raise EngineError(
                f"{places}: no answer for {waited:.0f} s ({said}); what was finished is kept: run the same command "
                "again when the server is up"
            )

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
            reasons = Counter(call.said for call in self._left_owed).most_common(1)[0][0]
            many = sum(len(call.requests) for call in self._left_owed)
            first = self._left_owed[0].prompt.problem_id
            raise EngineError(
                f"{many} samples (the first of problem {first}) failed {self.policy.retries + 1} times each "
                f"({reasons}); all others are kept: run the same command again to make them"
            )


def _filtered(request: Request) -> Sample:
    key = request.prompt.problem_id, request.index
    return Sample(*key, "", FinishReason.UNKNOWN, seed=request.seed, error="the server's content filter refused it")
