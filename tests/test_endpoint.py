"""The client of OpenAI-compatible servers: how many calls at once, how long to wait, what a failure means."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

pytest.importorskip("openai", reason="the [server] extra is not installed")

from move37.endpoint import AdaptiveLimit, CallError, Connection, Endpoint, Failure, _wait_seconds
from tests.scripted_server import ScriptedServer


def a_round(limit: AdaptiveLimit) -> None:
    """As many calls as may be in flight, all answered."""
    for _ in range(int(limit.value)):
        limit.succeeded(int(limit.value))


def test_the_limit_doubles_then_halves_then_grows_by_one_a_round() -> None:
    limit = AdaptiveLimit(most=1000, start=4)
    a_round(limit)
    assert limit.value == 8
    assert limit.failed(sent_at=1.0, now=2.0)
    assert limit.value == 4
    a_round(limit)
    assert 4.9 < limit.value <= 5
    assert not limit.failed(sent_at=1.5, now=2.5)  # it was under way when the limit was halved
    assert 4.9 < limit.value <= 5


def test_the_limit_stays_between_one_and_the_most() -> None:
    limit = AdaptiveLimit(most=6, start=8)
    for now in range(10):
        limit.failed(now + 0.5, now + 1.0)
    assert limit.value == 1
    for _ in range(100):
        a_round(limit)
    assert limit.value == 6


def test_a_limit_that_is_not_reached_does_not_grow() -> None:
    limit = AdaptiveLimit(most=100, start=8)
    for _ in range(50):
        limit.succeeded(in_flight=2)
    assert limit.value == 8


def test_a_server_says_how_long_to_wait_in_seconds_or_by_a_date() -> None:
    assert _wait_seconds({"retry-after": "7"}) == 7
    assert _wait_seconds({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < (_wait_seconds({"retry-after": later}) or 0) <= 60
    assert _wait_seconds({"retry-after": "soon"}) is None
    assert _wait_seconds({}) is None


def failed(kind: Failure, **more: float) -> CallError:
    return CallError(kind, "said", **more)  # type: ignore[arg-type]


def test_nothing_is_sent_for_as_long_as_the_server_asks_and_never_longer_than_is_borne() -> None:
    endpoint = Endpoint(Connection("http://127.0.0.1:1/v1", longest_wait=30))
    endpoint.note_failure(failed(Failure.OVERLOADED, wait_seconds=5.0), time.monotonic())
    assert (4 < endpoint.pause <= 5, endpoint.room) == (True, 0)
    endpoint.note_failure(failed(Failure.OVERLOADED, wait_seconds=1e9), time.monotonic())
    assert 29 < endpoint.pause <= 30


def test_a_single_broken_call_does_not_stop_the_others_and_a_row_of_them_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("move37.endpoint.random.uniform", lambda low, high: high)
    endpoint = Endpoint(Connection("http://127.0.0.1:1/v1"))
    for _ in range(2):
        endpoint.note_failure(failed(Failure.BROKEN), time.monotonic())
        assert endpoint.pause == 0
    pauses = []
    for _ in range(12):
        endpoint.note_failure(failed(Failure.UNREACHABLE), time.monotonic())
        pauses.append(endpoint.pause)
    assert [round(pause, 1) for pause in pauses[:4]] == [0.2, 0.5, 1.0, 2.0]
    assert 29 < pauses[-1] <= 30


@pytest.mark.parametrize("kind", [Failure.CUT_OFF, Failure.UNREADABLE, Failure.UNREACHABLE])
def test_only_too_much_work_lowers_the_limit(kind: Failure) -> None:
    endpoint = Endpoint(Connection("http://127.0.0.1:1/v1"))
    endpoint.note_failure(failed(kind), time.monotonic())
    assert endpoint.limit.value == 8
    endpoint.note_failure(failed(Failure.BROKEN), time.monotonic())
    assert endpoint.limit.value == 4


def test_what_may_have_been_charged_for_is_known_by_the_kind_of_failure() -> None:
    charged = {kind for kind in Failure if failed(kind).may_cost}
    assert charged == {Failure.TIMED_OUT, Failure.CUT_OFF, Failure.UNREADABLE}
    assert CallError(Failure.BROKEN, "gateway", 504).may_cost


def test_an_address_is_shown_without_what_opens_it() -> None:
    assert Connection("https://me:secret@host:8000/v1?key=secret").shown == "https://host:8000/v1"
    assert Connection("http://host/v1/").root == "http://host"


@pytest.mark.parametrize("address", ["https://me:secret@host/v1", "https://host/v1?key=secret", "http://[::1/v1"])
def test_an_address_that_opens_something_or_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="^base_url: ") as caught:
        Connection(address).refuse_what_cannot_be()
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_a_call_is_tried_again_as_often_as_is_asked() -> None:
    server = ScriptedServer().start()
    endpoint = Endpoint(Connection(server.base_url))
    server.status, server.said = 503, "busy"
    with pytest.raises(CallError, match="HTTP 503: .*busy"):
        endpoint.ask("/completions", {"prompt": "x"}, retries=2)
    assert len(server.requests) == 3
    endpoint.close()
    endpoint.close()
    server.close()
