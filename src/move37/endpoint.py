"""One client for every server that speaks OpenAI's protocol: what a call was answered, or how it failed.

`Endpoint` is used by the engine `openai` and by the judge. It knows how many calls the server bears at once
(`AdaptiveLimit`), waits as long as it was told to (Retry-After), and says of each failure whether the same call may
succeed later and whether it may have been paid for. What a body holds is the caller's.

The key is read from an environment variable, in each process, and is cut out of whatever a server says
(`server_words.py`). Calls run on an event loop in a thread of its own, so that both a verifier's threads and the
engine's loop can use one client.
"""

import asyncio
import json
import math
import os
import random
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

import openai

from move37.server_words import error_in, is_spent, message_in, message_of, one_line, read_json, without_key, words_of

T = TypeVar("T")

CONNECT_SECONDS = 10.0
"""To open a connection; the rest of a call may take as long as the caller says."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
"""Seconds without a call after failures in a row, doubled from one to the next."""
_FEWEST_SECRET = 8
"""Characters of a key from which it is looked for where it must not be."""
_NOT_SENT = ("LocalProtocolError", "UnsupportedProtocol", "InvalidURL", "TooManyRedirects", "ProxyError")
"""Errors of the client about a call that no server has answered, and that will not pass."""
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Failure(StrEnum):
    REFUSED = "refused"
    """4xx: the same call would be refused again."""
    OVERLOADED = "overloaded"
    """429: too many calls."""
    BROKEN = "server error"
    """5xx."""
    TIMED_OUT = "timed out"
    """Nothing came for as long as the caller would wait."""
    UNREACHABLE = "unreachable"
    """No connection was made."""
    CUT_OFF = "cut off"
    """The connection ended before the answer was whole."""
    UNREADABLE = "unreadable"
    """An answer that is not what was asked for."""


class CallError(Exception):
    """A call without an answer. `said` is one line; `status` the HTTP status, where there was one.

    `words` are the server's own (`server_words.words_of`), to look into and not to show: a key may be in them.
    """

    def __init__(
        self,
        kind: Failure,
        said: str,
        status: int | None = None,
        wait_seconds: float | None = None,
        words: str | None = None,
    ) -> None:
        super().__init__(said)
        self.kind, self.said, self.status, self.wait_seconds = kind, said, status, wait_seconds
        self.words = said if words is None else words

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later."""
        return self.kind is not Failure.REFUSED

    @property
    def may_cost(self) -> bool:
        """Whether the server may have made an answer, and charged for it, that did not arrive."""
        gateway = self.status in (502, 504)
        return gateway or self.kind in (Failure.TIMED_OUT, Failure.CUT_OFF, Failure.UNREADABLE)

    @property
    def is_congestion(self) -> bool:
        """Whether it says that the server has too much to do."""
        return self.kind in (Failure.OVERLOADED, Failure.BROKEN, Failure.TIMED_OUT)


def kind_of_status(status: int) -> Failure:
    """What a status of HTTP from 400 on says of a call."""
    if status in (409, 425, 429):
        return Failure.OVERLOADED
    if status == 408:
        return Failure.TIMED_OUT
    return Failure.BROKEN if status >= 500 else Failure.REFUSED


class AdaptiveLimit:
    """How many calls may be in flight: additive increase, multiplicative decrease, as TCP does (Jacobson 1988).

    It doubles from round to round until the first failure (slow start), then grows by one a round; a failure halves it,
    once for all calls that were under way by then.
    """

    def __init__(self, most: int, start: int) -> None:
        self.most, self.value = most, float(min(start, most))
        self._slow_start_below = float(most)
        self._cut_at = -1.0

    def room(self, in_flight: int) -> int:
        return int(self.value) - in_flight

    def succeeded(self, in_flight: int) -> None:
        """`in_flight` counts the call that ended: a limit that was not reached has not been tried, and stays."""
        if in_flight >= int(self.value):
            self.value = min(self.most, self.value + (1 if self.value < self._slow_start_below else 1 / self.value))

    def failed(self, sent_at: float, now: float) -> bool:
        """Whether the limit was halved: a call that was under way at the last failure says nothing new."""
        if sent_at <= self._cut_at:
            return False
        self.value = self._slow_start_below = max(1.0, self.value / 2)
        self._cut_at = now
        return True


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a server is and how it is called. `start`: calls in flight at first, of `concurrency` at most."""

    base_url: str
    api_key_env: str | None = None
    timeout_seconds: float = 600.0
    concurrency: int = 256
    start: int = 8
    longest_wait: float = 600.0
    """Seconds that a server may ask to wait for, at most."""

    def refuse_what_cannot_be(self) -> None:
        """Raises ValueError, or LookupError with the name of a variable that is not set."""
        if not re.match(r"https?://[^\s/]+\S*$", self.base_url):
            raise ValueError(f"base_url: must start with http:// or https:// (given: {self.base_url!r})")
        try:
            parts = urlsplit(self.base_url)
            _ = parts.port
        except ValueError as error:
            raise ValueError(f"base_url: is no address ({error})") from None
        if "@" in parts.netloc or parts.query:
            raise ValueError(
                f"base_url: {self.shown} was given with a user, a password or a query, which would be written into the "
                "run folder; give the key by api_key_env"
            )
        if self.api_key_env is None:
            return
        if not _ENVIRONMENT_NAME.fullmatch(self.api_key_env):
            raise ValueError("api_key_env: takes the name of an environment variable, never the key itself")
        key = self.key()
        if not key:
            raise LookupError(self.api_key_env)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ValueError(
                f"api_key_env: {self.api_key_env} holds what no key has (a space, a line break, a typographic quote); "
                f"export {self.api_key_env}=<the key> again"
            )
        if self.is_told_in(self.base_url):
            raise ValueError("base_url: holds the key, which would be written into the run folder; leave it out there")

    def key(self) -> str | None:
        """The key, without what stands around it where it was read from a file; None where there is none."""
        return (os.environ.get(self.api_key_env, "").strip() if self.api_key_env else "") or None

    def is_told_in(self, text: str) -> bool:
        """Whether the key stands in a text. What servers without keys are told ("EMPTY") is no secret."""
        key = self.key()
        return key is not None and len(key) >= _FEWEST_SECRET and key in text

    @property
    def shown(self) -> str:
        """The address without a user's name, password or query."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")

    @property
    def root(self) -> str:
        """The address without its "/v1", where servers keep what OpenAI's protocol lacks."""
        return self.base_url.rstrip("/").removesuffix("/v1")


class Endpoint:
    """Calls to one server. Its methods but `ask` and `close` belong to its event loop's thread."""

    def __init__(self, connection: Connection, loop: "LoopThread | None" = None) -> None:
        self.connection = connection
        self.limit = AdaptiveLimit(connection.concurrency, connection.start)
        self.in_flight = 0
        self.answered = 0
        self.failures: Counter[str] = Counter()
        self.last_answer = time.monotonic()
        """When the server last answered; at first, when it was first called."""
        self._not_before = self._asked_until = 0.0
        self._failed_at = -1.0
        self._failures_in_a_row = 0
        self._loop = loop or LoopThread()
        self._key = connection.key()
        self._client: openai.AsyncOpenAI | None = None

    @property
    def pause(self) -> float:
        """Seconds until the next call may be made."""
        return max(0.0, self._not_before - time.monotonic())

    @property
    def asked_pause(self) -> float:
        """Seconds until then that the server asked for itself."""
        return max(0.0, self._asked_until - time.monotonic())

    @property
    def room(self) -> int:
        """How many more calls may be made now."""
        return 0 if self.pause else self.limit.room(self.in_flight)

    def ask(self, path: str, body: Mapping[str, Any], retries: int) -> Any:
        """The answer to one call, tried again `retries` times, for callers in other threads. Raises CallError."""
        return self._loop.start(self._ask(path, body, retries)).result()

    async def _ask(self, path: str, body: Mapping[str, Any], retries: int) -> Any:
        for tried in range(retries + 1):
            while self.room < 1:
                await asyncio.sleep(min(0.05, self.pause or 0.05))
            try:
                return await self.call(path, body)
            except CallError as failed:
                if tried == retries or not failed.may_pass:
                    raise
                if failed.wait_seconds is None:
                    await asyncio.sleep(_FIRST_PAUSE * 2**tried * random.uniform(0.5, 1.0))
        raise AssertionError("a call has at least one try")

    async def call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON that the server answers to one call: a POST of `body`, or a GET. Raises CallError."""
        sent_at = time.monotonic()
        self.in_flight += 1
        try:
            answer = await self._sent(path, body)
        except CallError as failed:
            self.note_failure(failed, sent_at)
            raise
        else:
            self.limit.succeeded(self.in_flight)
            self.answered, self._failures_in_a_row, self.last_answer = self.answered + 1, 0, time.monotonic()
            return answer
        finally:
            self.in_flight -= 1

    def forget_calls(self) -> None:
        """Begin to count anew: questions about the server itself are done, and some it need not know."""
        self.answered = 0
        self.failures.clear()

    def note_failure(self, failed: CallError, sent_at: float) -> None:
        """Take a failure into account: fewer calls at once, and none for a while where it goes on or was asked for."""
        self.failures[failed.kind.value] += 1
        if failed.kind is Failure.REFUSED:
            return
        now = time.monotonic()
        if failed.is_congestion:
            self.limit.failed(sent_at, now)
        if sent_at > self._failed_at:  # calls that were under way together fail together
            self._failures_in_a_row, self._failed_at = self._failures_in_a_row + 1, now
        in_a_row = self._failures_in_a_row if failed.kind is Failure.OVERLOADED else self._failures_in_a_row - 2
        pause = 0.0 if in_a_row < 1 else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(in_a_row - 1, 20))
        if failed.wait_seconds is not None:
            pause = min(failed.wait_seconds, self.connection.longest_wait)
            self._asked_until = max(self._asked_until, now + pause)
        else:
            pause *= random.uniform(0.5, 1.0)  # so that clients which failed together do not come back together
        self._not_before = max(self._not_before, now + pause)

    async def _sent(self, path: str, body: Mapping[str, Any] | None) -> Any:
        client, seconds = self._opened(), self.connection.timeout_seconds
        content = b""
        try:
            async with asyncio.timeout(seconds):  # the client's own limit begins anew with every byte
                asked = client.get(path, cast_to=bytes) if body is None else client.post(path, body=body, cast_to=bytes)
                content = await asked
            answer = read_json(content)
        except (openai.APITimeoutError, TimeoutError) as error:
            if "Connect" in type(error.__cause__).__name__:
                raise CallError(Failure.UNREACHABLE, "cannot be reached") from error
            raise CallError(Failure.TIMED_OUT, f"timed out after {seconds:g} s") from error
        except openai.APIConnectionError as error:
            raise self._unanswered(error) from error
        except openai.APIStatusError as error:
            raise self._refused(error) from error
        except (openai.OpenAIError, ValueError) as error:  # ValueError: the body is no JSON
            said = f"the answer is no JSON: {message_in(content.decode('utf-8', 'replace'))}"
            raise CallError(Failure.UNREADABLE, self.without_key(said).rstrip(": ")) from error
        if body is not None and isinstance(answer, dict) and answer.get("error"):
            failed = _failure_inside(answer["error"], bool(answer.get("choices")))
            failed.said = self.without_key(failed.said)
            raise failed
        return answer

    def _unanswered(self, error: openai.APIConnectionError) -> CallError:
        """No answer, or not all of one; why not stands in brackets, where it is more than that nobody listens."""
        kind, first = type(error.__cause__).__name__, _innermost(error)
        said = f"({self.without_key(str(first)) or type(first).__name__})"
        if kind == "ConnectError":
            known = isinstance(first, (socket.gaierror, ssl.SSLError))
            return CallError(Failure.UNREACHABLE, f"cannot be reached {said}" if known else "cannot be reached")
        if kind in _NOT_SENT:
            return CallError(Failure.REFUSED, f"cannot be asked {said}")
        return CallError(Failure.CUT_OFF, "the connection ended before the answer was whole")

    def _refused(self, error: openai.APIStatusError) -> CallError:
        status, body = error.status_code, error.response.text
        words = words_of(error_in(body))
        kind = Failure.REFUSED if status == 402 or (status < 500 and is_spent(words)) else kind_of_status(status)
        said = self.without_key(f"HTTP {status}: {message_in(body)}").rstrip(": ")
        if kind is Failure.REFUSED and error.response.history:  # a call that is moved on may arrive without its body
            moved = one_line(str(error.response.url))
            said = self.without_key(f"{said}, at {moved}, where it was sent on to")
        return CallError(kind, said, status, _wait_seconds(error.response.headers), words)

    def without_key(self, text: str) -> str:
        """What a server said, in one line that may be shown."""
        return without_key(text, self._key)

    def _opened(self) -> openai.AsyncOpenAI:
        if self._client is None:
            seconds = self.connection.timeout_seconds
            timeout = openai.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
            self._client = openai.AsyncOpenAI(
                base_url=self.connection.base_url, api_key=self._key or "none", timeout=timeout, max_retries=0
            )
        return self._client

    async def disconnect(self) -> None:
        """Close the connections. The next call opens new ones."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    def close(self) -> None:
        """Close the connections and the loop. A second call does nothing."""
        if self._loop.is_running:
            self._loop.start(self.disconnect()).result(CONNECT_SECONDS)
            self._loop.close()


class LoopThread:
    """An event loop in a daemon thread, started with the first thing that it is given."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        return self._loop is not None

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), name="calls", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        if self._loop is not None:
            loop, self._loop = self._loop, None
            loop.call_soon_threadsafe(loop.stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _wait_seconds(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, in seconds: a number, or a date (RFC 9110, 10.2.3); None where it asks for nothing."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        given = headers.get(name)
        if given is None:
            continue
        try:
            seconds = float(given) * scale
            if math.isfinite(seconds):
                return max(0.0, seconds)
        except ValueError:
            pass
        try:
            return max(0.0, parsedate_to_datetime(given).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            pass
    return None


def _failure_inside(error: Any, begun: bool) -> CallError:
    """An error that came as an answer, with status 200: taken as the status that it says, if it says one.

    `begun`: text came with it, so that tokens were made.
    """
    words = words_of(error)
    said = f"the answer is an error: {message_of(error) or json.dumps(error)}"
    code = str(error.get("code")) if isinstance(error, Mapping) else ""
    status = int(code) if code.isdecimal() and 400 <= int(code) < 600 else None
    if is_spent(words):
        return CallError(Failure.REFUSED, said, status, words=words)
    if begun or status is None:
        return CallError(Failure.CUT_OFF if begun else Failure.UNREADABLE, said, words=words)
    return CallError(kind_of_status(status), said, status, words=words)


def _innermost(error: BaseException) -> BaseException:
    """The first of a chain of errors: those that follow say that there was one."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
