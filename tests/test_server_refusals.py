"""What servers will not do: one line with the setting that mends it, all other samples made, and no key in it."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from move37.config import ModelConfig, SamplingConfig, StoppingConfig, parse_study
from move37.endpoint import CallError, Connection, Failure, _wait_seconds
from move37.engines import ENGINES
from move37.engines.metering import PromptTokens
from move37.engines.openai_refusals import refusal
from move37.errors import ConfigError, EngineError, RunError, SamplesLeftError
from move37.pipeline import sample_run, start_run
from move37.seeds import sample_seed
from move37.server_words import is_filtered, is_spent, message_in, read_json, without_key, words_of
from move37.types import Message, Prompt, Request, Sample
from tests.openai_engines import engines_opened
from tests.scripted_server import ScriptedServer

pytest.importorskip("openai", reason="the [server] extra is not installed")

HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64, stop=StoppingConfig(successes=0))
Body = dict[str, Any]
KEY = "sk-hidden-0123456789"


@pytest.fixture
def load(server: ScriptedServer) -> Iterator[Callable[..., Any]]:
    with engines_opened() as opened:
        yield partial(opened, server, retries=2, concurrency=4)


def asked(n: int, *texts: str) -> list[Request]:
    prompts = [Prompt(f"p{place}", text, (), "completion") for place, text in enumerate(texts or ("a", "b", "c"))]
    return [Request(each, index, sample_seed(0, "m", each.problem_id, index)) for each in prompts for index in range(n)]


def made_until_the_end(engine: Any, requests: list[Request]) -> tuple[list[Sample], SamplesLeftError]:
    made = []
    with pytest.raises(SamplesLeftError) as caught:
        for sample in engine.generate(requests, HOT):
            made.append(sample)
    return made, caught.value


def error_body(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


# ---- one prompt, and every prompt


@pytest.mark.parametrize("poison", ["a", "b", "c"])
@pytest.mark.parametrize(
    ("status", "said", "advice"),
    [
        (400, "the maximum context length is 10 tokens", "lower sampling.max_new_tokens"),
        (413, "<html><title>Request Entity Too Large</title>", "lower sampling.max_new_tokens"),
        (422, "no such word", ""),
    ],
)
def test_a_prompt_that_is_refused_holds_up_no_other_and_is_said(
    poison: str, status: int, said: str, advice: str, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    server.refuses = lambda body: (status, error_body(said)) if body["prompt"] == poison else None
    made, error = made_until_the_end(load(), asked(6))
    assert len({(each.problem_id, each.index) for each in made}) == len(made) == 12
    [problem] = error.problem_ids
    assert problem == f"p{'abc'.index(poison)}"
    assert f"refuses problem {problem}: HTTP {status}: " in str(error)
    assert advice in str(error)
    assert f"6 samples of problem {problem} are still owed; all others are kept" in str(error)
    assert sum(request["prompt"] == poison for request in server.requests) <= 4  # those that were under way


def test_a_prompt_that_breaks_the_server_again_and_again_is_given_up_as_a_whole(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    server.refuses = lambda body: (500, error_body("device-side assert")) if body["prompt"] == "b" else None
    made, error = made_until_the_end(load(), asked(16))
    assert len(made) == 32
    assert "calls for problem p1 failed 3 times in a row (HTTP 500: device-side assert): 16 samples" in str(error)
    assert sum(request["prompt"] == "b" for request in server.requests) < 20  # 48 if each were tried three times


@pytest.mark.slow
def test_prompts_that_break_the_server_when_all_others_are_done_are_given_up_too(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    server.refuses = lambda body: (500, error_body("device-side assert")) if body["prompt"] in "bc" else None
    made, error = made_until_the_end(load(), asked(8))
    assert len(made) == 8
    assert error.problem_ids == {"p1", "p2"}
    assert sum(request["prompt"] in "bc" for request in server.requests) < 24  # 48


def test_what_is_refused_of_every_prompt_ends_the_pass(server: ScriptedServer, load: Callable[..., Any]) -> None:
    server.refuses = lambda body: (400, error_body("'seed' is not supported")) if "seed" in body else None
    with pytest.raises(EngineError, match=r"'seed' is not supported; set options\.seed = false") as caught:
        list(load().generate(asked(6, *"abcdefghij"), HOT))
    assert not isinstance(caught.value, SamplesLeftError)
    assert len({request["prompt"] for request in server.requests}) <= 4
    assert len(list(load(seed=False).generate(asked(1), HOT))) == 3


def test_who_was_answered_has_the_right_key(server: ScriptedServer, load: Callable[..., Any]) -> None:
    server.refuses = lambda body: (403, error_body("not from here")) if body["prompt"] == "c" else None
    made, error = made_until_the_end(load(concurrency=1), asked(2))
    assert len(made) == 4
    assert error.problem_ids == {"p2"}


@pytest.mark.parametrize(
    "error",
    [
        {"message": "x" * 400, "code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
        {"message": "your prompt was flagged as potentially violating our usage policy", "code": "invalid_prompt"},
        {"message": "inappropriate content", "code": "data_inspection_failed"},
    ],
)
def test_a_prompt_that_a_filter_refuses_is_unscored(
    error: Body, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    server.refuses = lambda body: (400, json.dumps({"error": error}).encode()) if body["prompt"] == "b" else None
    made = list(load().generate(asked(2), HOT))
    assert [each.problem_id for each in made if each.error == "the server's content filter refused it"] == ["p1", "p1"]


def test_what_a_request_says_is_no_filter() -> None:
    repeated = {"detail": [{"loc": ["body", "n"], "msg": "must be 1", "input": "content_filter, insufficient_quota"}]}
    assert words_of(repeated) == "body.n: must be 1"
    assert not is_filtered(words_of({"message": "model names are case-sensitive"}))


def test_all_rounds_of_all_models_are_made_but_for_the_prompt_that_is_refused(
    server: ScriptedServer, tmp_path: Path
) -> None:
    rows = [{"question": text, "answer": "never"} for text in ("alpha", "beta", "gamma")]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"base_url": server.base_url, "concurrency": 4}
    study = {
        "name": "s",
        "problems": {"benchmark": "jsonl", "path": str(tmp_path / "p.jsonl"), "verifier": "exact"},
        "sampling": {"n": 12, "stop": {"successes": 1, "batch": 4}, "max_new_tokens": 64, "template": "completion"},
        "models": {name: {"path": "m", "engine": "openai", "options": options} for name in ("m", "other")},
    }
    server.refuses = lambda body: (400, error_body("too long")) if "beta" in body["prompt"] else None
    store = start_run(parse_study(study), tmp_path / "run")
    with pytest.raises(SamplesLeftError, match="4 samples of problem"):
        sample_run(store, verify=True)
    assert [store.samples(name).count() for name in ("m", "other")] == [24, 24]
    server.refuses = lambda body: None
    sample_run(store, verify=True)
    assert [store.samples(name).count() for name in ("m", "other")] == [36, 36]


# ---- the line that mends it


@pytest.mark.parametrize(
    ("status", "said", "line"),
    [
        (400, "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'",
         'set options.limit_key = "max_completion_tokens"'),
        (400, "'temperature' does not support 0.6 with this model", 'with options.unsent = ["temperature"]'),
        (400, "`top_p` is deprecated", 'with options.unsent = ["top_p"]'),
        (400, "min_p: extra inputs are not permitted", "see options.request and options.server for min_p"),
        (400, "'max_tokens' is too large: 64. This model's maximum context length is 20", "lower sampling.max_new_tok"),
        (404, "The model `m` does not exist", "set options.model to a name that it serves (it lists one, two)"),
        (404, "Not Found", "set options.base_url to the address with its /v1"),
        (400, "a chat template is needed", 'set options.api = "completions"'),
        (402, "Insufficient Balance", "wants money first (HTTP: Insufficient Balance); top up"),
        (403, "Key limit exceeded (total limit)", "top up, and run the same command again"),
        (401, "who are you?", "refuses the key (HTTP: who are you?); set options.api_key_env"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_set(status: int, said: str, line: str) -> None:
    failed = CallError(Failure.REFUSED, f"HTTP: {said}", status, words=said)
    assert line in refusal("http://host/v1", "problem p", failed, ("min_p",), ("one", "two"))


def test_settings_that_a_server_will_not_be_told_are_not_sent_where_they_are_1(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    engine = load(unsent=["temperature", "top_p"])
    list(engine.generate(asked(1), HOT))
    assert not {"temperature", "top_p"} & server.requests[0].keys()
    assert engine.identity()["unsent"].startswith("temperature and top_p")
    with pytest.raises(ConfigError, match=r"options\.unsent: top_p is 0\.9: set sampling\.top_p = 1"):
        list(engine.generate(asked(1), HOT.model_copy(update={"top_p": 0.9})))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "slow\\ndown"}}', "slow down"),
        ('{"detail": [{"loc": ["body", "seed"], "msg": "extra"}]}', "body.seed: extra"),
        ('{"error": {"message": "upstream", "metadata": {"raw": "busy"}}}', "upstream (busy)"),
        ("<html><head><title>502 Bad\nGateway</title></head>", "502 Bad Gateway"),
        ('{"code": 5}', '{"code": 5}'),
        ("", ""),
    ],
)
def test_of_an_error_its_message_is_shown(body: str, message: str) -> None:
    assert message_in(body) == message


def test_no_waiting_helps_where_money_is_wanted() -> None:
    assert is_spent("You exceeded your current quota, please check your plan")
    assert not is_spent("Rate limit reached for requests per minute")


# ---- bodies


def test_half_a_character_is_marked_and_nothing_is_lost(server: ScriptedServer, load: Callable[..., Any]) -> None:
    honest = server.answer

    def cut(body: Body, chat: bool) -> Body:
        made = honest(body, chat)
        made["choices"][0]["text"] += " \ud83d"
        return made

    server.answer = cut  # type: ignore[method-assign]
    made = list(load().generate(asked(4), HOT))
    assert len(made) == 12
    assert all(each.text.endswith(" \ufffd") for each in made)
    assert read_json(b'"\\ud83d\\ude00 \\\\ud83d"') == "\U0001f600 \\ud83d"


def test_what_is_nested_without_end_is_a_failure_that_may_pass(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    times = iter(range(100))
    server.refuses = lambda body: (200, b"[" * 100_000) if next(times) < 2 else None
    assert len(list(load().generate(asked(4), HOT))) == 12


def test_an_error_beside_an_answer_counts(server: ScriptedServer, load: Callable[..., Any]) -> None:
    honest, times = server.answer, iter(range(100))

    def broken(body: Body, chat: bool) -> Body:
        made, number = honest(body, chat), next(times)
        if number == 0:
            made["error"] = {"message": "upstream failed", "code": 500}
        if number == 1:
            made["choices"][0]["error"] = {"message": "upstream failed"}
        return made

    server.answer = broken  # type: ignore[method-assign]
    engine = load()
    assert len(list(engine.generate(asked(2), HOT))) == 6
    assert engine.replicas()[0].failures == {"cut off": 2}


# ---- waiting


@pytest.mark.parametrize("given", ["nan", "inf", "1e400", "-inf", "soon", "Wed, 99 Foo 2026 99:99:99 GMT"])
def test_a_time_to_wait_that_is_none_is_not_obeyed(given: str) -> None:
    assert _wait_seconds({"retry-after": given}) is None


def test_who_asks_for_more_patience_than_there_is_ends_the_run_with_what_it_asked(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    engine = load(patience_seconds=30, concurrency=1)
    kind: Any = server._server.RequestHandlerClass
    ended = kind.end_headers
    kind.end_headers = lambda handler: (handler.send_header("Retry-After", "86400"), ended(handler))
    server.status, server.said = 429, "requests per day"
    with pytest.raises(EngineError, match=r"left alone for 86\d{3} s \(HTTP 429: requests per day\)"):
        list(engine.generate(asked(2), HOT))
    assert len(server.requests) == 1


# ---- money


def test_a_template_that_adds_more_than_was_thought_costs_no_token_beyond_the_budget(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    honest = server.answer

    def hidden(body: Body, chat: bool) -> Body:
        made = honest(body, chat)
        made["usage"]["prompt_tokens"] += 5000
        server.billed["hidden"] += 5000
        return made

    server.answer, server.kind = hidden, "someone"  # type: ignore[method-assign]
    said = [Message.of("user", f"{word}?") for word in ("one", "two", "three")]
    prompts = [Prompt(f"p{at}", f"user: {each.text}\n", (), "chat-plain", (each,)) for at, each in enumerate(said)]
    requests = [Request(prompt, index, index + 1) for prompt in prompts for index in range(8)]
    engine = load(api="chat", prompt_price=1e6, completion_price=1e6, budget=40_000, concurrency=64)
    with pytest.raises(RunError, match="would not pay"):
        list(engine.generate(requests, HOT))
    assert 30_000 < server.billed.total() <= 40_000


def test_what_the_server_adds_to_one_prompt_it_may_add_to_all() -> None:
    prompts = [Prompt(name, "x" * length, (), "completion") for name, length in (("a", 10), ("b", 20))]
    tokens = PromptTokens(lambda prompt: len(prompt.text), is_sure=False)
    assert [tokens.most(each) for each in prompts] == [10, 20]
    tokens.learn(prompts[0], 110)
    assert tokens.is_sure
    assert [tokens.most(each) for each in prompts] == [110, 120]
    tokens.learn(prompts[1], 15)
    assert [tokens.most(each) for each in prompts] == [110, 15]


@pytest.mark.parametrize(
    ("usage", "booked"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 30}}, 45),
        ({"prompt_tokens": 5, "completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 30}}, 45),
        ({"prompt_tokens": 5.0, "completion_tokens": 10.0}, 15),
    ],
)
def test_reasoning_counts_where_it_is_more_than_was_made(
    usage: Body, booked: int, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    honest = server.answer
    server.answer = lambda body, chat: honest(body, chat) | {"usage": usage}  # type: ignore[method-assign]
    engine = load(prompt_price=1e6, completion_price=1e6, budget=1e6)
    list(engine.generate(asked(1, "a"), HOT))
    assert engine.spending.spent == booked


def test_zeros_for_an_empty_response_are_no_count_either(server: ScriptedServer, load: Callable[..., Any]) -> None:
    honest = server.answer

    def nothing(body: Body, chat: bool) -> Body:
        made = honest(body, chat)
        made["choices"][0]["text"] = ""
        return made | {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}

    server.answer = nothing  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="leave options.budget out"):
        list(load(prompt_price=1e6, completion_price=1e6, budget=1e6).generate(asked(1), HOT))


# ---- keys


@pytest.mark.parametrize(
    "said", [f"no such key: {KEY}", "no such key: sk-hid*********6789", "no such key: sk-hid...789", "key …456789"]
)
def test_no_part_of_a_key_is_shown(said: str) -> None:
    shown = without_key(said, KEY)
    assert re.fullmatch(r"(no such )?key:? \*\*\*", shown)
    assert without_key("wait ... and **try** again", KEY) == "wait ... and **try** again"


@pytest.mark.parametrize(
    ("key", "options", "line"),
    [
        (KEY, {"base_url": f"http://host/{KEY}/v1"}, "options.base_url: holds the key"),
        (KEY, {"request": {"user": KEY}}, "options: hold the key of MY_KEY"),
        ("sk-\u201cquoted\u201d", {}, "options.api_key_env: MY_KEY holds what no key has"),
        ("sk-one two", {}, "options.api_key_env: MY_KEY holds what no key has"),
    ],
)
def test_a_key_that_would_be_written_down_or_cannot_be_sent_is_refused(
    key: str, options: Body, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    model = {
        "path": "m",
        "engine": "openai",
        "options": {"base_url": "http://host/v1", "api_key_env": "MY_KEY"} | options,
    }
    study = {"name": "s", "problems": {"benchmark": "countdown:edge"}, "models": {"base": model}}
    with pytest.raises(ConfigError, match=re.escape(line)):
        start_run(parse_study(study), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_stands_around_a_key_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", f" {KEY}\n")
    connection = Connection("http://host/v1", "MY_KEY")
    connection.refuse_what_cannot_be()
    assert connection.key() == KEY
    monkeypatch.setenv("MY_KEY", "EMPTY")
    assert not connection.is_told_in("an EMPTY address")


@pytest.mark.slow
def test_why_a_server_cannot_be_reached_is_said() -> None:
    load = ENGINES.load("openai").load
    with pytest.raises(EngineError, match=r"cannot be reached \(.+\); start the server, or mend options.base_url"):
        load(ModelConfig(path="m", engine="openai", options={"base_url": "http://no-such-host.invalid/v1"}))


@pytest.mark.parametrize("key", ["max_model_len", "context_length", "context_window", "max_context_length"])
def test_the_context_is_read_under_whatever_name_it_is_listed(
    key: str, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    listed = {"data": [{"id": "m", key: 77}]}
    server.about = lambda path: listed if path == "/v1/models" else None  # type: ignore[method-assign]
    assert load().context_length == 77


# ---- prompts that come back


@pytest.mark.parametrize("keeps_tokens", [True, False])
def test_a_server_that_writes_the_prompt_before_each_response_is_refused(
    keeps_tokens: bool, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    honest = server.answer

    def echoing(body: Body, chat: bool) -> Body:
        made = honest(body, chat)
        said = body["prompt"] if keeps_tokens else re.sub(r"<\|.*?\|>", "", body["prompt"])
        made["choices"][0]["text"] = said + made["choices"][0]["text"]
        return made

    server.answer = echoing  # type: ignore[method-assign]
    prompt = Prompt("p", "<|im_start|>user\nWhat is 1 + 2?<|im_end|>\n<|im_start|>assistant\n", ("<|im_end|>",), "own")
    requests = [Request(prompt, index, index + 1) for index in range(12)]
    made = []
    with pytest.raises(
        EngineError, match=r"of \d+ responses begin with their prompt, and so do those to a test prompt"
    ):
        for sample in load().generate(requests, HOT):
            made.append(sample)
    assert not made


def test_a_model_may_say_back_what_it_was_asked(server: ScriptedServer, load: Callable[..., Any]) -> None:
    honest = server.answer

    def repeats(body: Body, chat: bool) -> Body:
        made = honest(body, chat)
        if len(body["prompt"]) < 20:
            made["choices"][0]["text"] = body["prompt"] + made["choices"][0]["text"]
        return made

    server.answer = repeats  # type: ignore[method-assign]
    assert len(list(load().generate(asked(12, "1,2:3="), HOT))) == 12
