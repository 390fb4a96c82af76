"""What servers answer beside good completions: each is a sample, a failure that says why, or the end; never a guess."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from move37.config import SamplingConfig, StoppingConfig, parse_study
from move37.engines.openai_repeats import RepeatGuard
from move37.errors import ConfigError, EngineError, RunError
from move37.pipeline import sample_run, start_run
from move37.seeds import sample_seed
from move37.types import FinishReason, Message, Prompt, Request, Sample
from tests.openai_engines import engines_opened
from tests.scripted_server import ScriptedServer

pytest.importorskip("openai", reason="the [server] extra is not installed")

HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64, stop=StoppingConfig(successes=0))
Answer = dict[str, Any]


@pytest.fixture
def load(server: ScriptedServer) -> Iterator[Callable[..., Any]]:
    with engines_opened() as opened:
        yield partial(opened, server, retries=1, concurrency=4)


def asked(n: int, chat: bool = False) -> list[Request]:
    said = (Message.of("user", "What is 1 + 2?"),) if chat else ()
    text = "user: What is 1 + 2?\n" if chat else "What is 1 + 2?"
    prompt = Prompt("p", text, (), "chat-plain" if chat else "completion", said)
    return [Request(prompt, index, sample_seed(0, "m", "p", index)) for index in range(n)]


def changed(server: ScriptedServer, change: Callable[[Answer, Answer], Any]) -> None:
    """Have `change` done to every answer; it gets the answer and the request."""
    honest = server.answer

    def answer(body: Answer, chat: bool) -> Answer:
        made = honest(body, chat)
        return change(made, body) or made

    server.answer = answer  # type: ignore[method-assign]


def first(answer: Answer) -> Answer:
    return answer["choices"][0]


# ---- how a response ended


@pytest.mark.parametrize(
    ("reason", "finish", "error"),
    [
        ("STOP", FinishReason.STOP, None),
        ("tool_calls", FinishReason.UNKNOWN, "the server ended it for a reason of its own (tool_calls)"),
        ("repetition", FinishReason.UNKNOWN, "the server ended it for a reason of its own (repetition)"),
        (None, FinishReason.UNKNOWN, None),
    ],
)
def test_a_response_that_the_server_ended_for_its_own_reasons_is_unscored(
    reason: str | None, finish: FinishReason, error: str | None, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    changed(server, lambda answer, _: first(answer).update(finish_reason=reason))
    assert {(each.finish_reason, each.error) for each in load().generate(asked(3), HOT)} == {(finish, error)}


def test_a_response_that_the_server_gave_up_is_made_again(server: ScriptedServer, load: Callable[..., Any]) -> None:
    reasons = iter(["insufficient_system_resource", "cancelled"])
    changed(server, lambda answer, _: first(answer).update(finish_reason=next(reasons, "stop")))
    made = list(load().generate(asked(4), HOT))
    assert [each.finish_reason for each in made] == [FinishReason.STOP] * 4
    assert len(server.requests) == 6


@pytest.mark.parametrize("together", [1, 4])
def test_a_response_that_was_cut_off_early_is_an_error_also_among_several(
    together: int, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    def cut(answer: Answer, _: Answer) -> None:
        for choice in answer["choices"]:
            choice["finish_reason"] = "model_length"
        answer["usage"] |= {"completion_tokens": 20 * len(answer["choices"]), "total_tokens": 0}

    changed(server, cut)
    with pytest.raises(EngineError, match="cut a response off after 20 of 64 tokens"):
        list(load(samples_per_call=together).generate(asked(4), HOT))


def test_a_server_that_does_not_know_the_limit_is_refused(server: ScriptedServer, load: Callable[..., Any]) -> None:
    changed(server, lambda answer, _: answer["usage"].update(completion_tokens=900))
    with pytest.raises(EngineError, match=r"made 900 tokens where max_tokens = 64 .* set options\.limit_key"):
        list(load().generate(asked(4), HOT))


# ---- which model, which prompt


def test_answers_of_another_model_end_the_run_and_the_next_process_knows(
    server: ScriptedServer, tmp_path: Path
) -> None:
    names = iter(["m-may"] * 6)
    changed(server, lambda answer, _: answer.update(model=next(names, "m-june")))
    (tmp_path / "p.jsonl").write_text(json.dumps({"question": "What is 1 + 2?", "answer": "3"}))
    options = {"base_url": server.base_url, "concurrency": 1}
    study = {
        "name": "s",
        "problems": {"benchmark": "jsonl", "path": str(tmp_path / "p.jsonl"), "verifier": "exact"},
        "sampling": {"n": 12, "stop": {"successes": 0}, "max_new_tokens": 64, "template": "completion"},
        "models": {"base": {"path": "m", "engine": "openai", "options": options}},
    }
    store = start_run(parse_study(study), tmp_path / "run")
    with pytest.raises(EngineError, match="answers came from 'm-may', and now from 'm-june'"):
        sample_run(store)
    assert store.samples("base").count() == 6
    assert store.model_record("base").identity["answers_as"] == "m-may"
    with pytest.raises(EngineError, match="answers came from 'm-may', and now from 'm-june'"):
        sample_run(start_run(parse_study(study), tmp_path / "run"))
    assert store.samples("base").count() == 6


def test_a_prompt_that_the_server_cut_short_is_refused(server: ScriptedServer, load: Callable[..., Any]) -> None:
    engine = load()
    assert engine.count_tokens(asked(1)[0].prompt) == 5
    changed(server, lambda answer, _: answer["usage"].update(prompt_tokens=3))
    with pytest.raises(EngineError, match="read 3 of the 5 tokens of the prompt of p"):
        list(engine.generate(asked(4), HOT))


def test_of_many_models_the_likely_ones_are_named(server: ScriptedServer, load: Callable[..., Any]) -> None:
    listed = {"data": [{"id": f"other/thing-{i}"} for i in range(400)] + [{"id": "lab/Mixtral-7B"}]}
    server.about = lambda path: listed if path == "/v1/models" else None  # type: ignore[method-assign]
    with pytest.raises(Exception, match=r"serves 401 models, among them lab/Mixtral-7B; set options.model") as caught:
        load(model="mixtral-7b")
    assert len(str(caught.value)) < 300
    server.about = lambda path: listed | {"has_more": True} if path == "/v1/models" else None  # type: ignore[method-assign]
    load(model="mixtral-7b")


@pytest.mark.parametrize("options", [{"api_key_env": "sk-hidden"}, {"base_url": "http://me:sk-hidden@host/v1"}])
def test_a_key_in_the_wrong_place_is_refused_before_anything_is_written(options: Answer, tmp_path: Path) -> None:
    study = {
        "name": "s",
        "problems": {"benchmark": "countdown:edge"},
        "models": {"base": {"path": "m", "engine": "openai", "options": {"base_url": "http://host/v1"} | options}},
    }
    with pytest.raises(ConfigError, match=r"options\.(api_key_env|base_url): "):
        start_run(parse_study(study), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# ---- forms of answers


def test_choices_without_order_and_counts_without_numbers_are_read(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    def odd(answer: Answer, _: Answer) -> None:
        for choice in answer["choices"]:
            choice["index"] = None
        answer["usage"] = {"prompt_tokens": 5, "completion_tokens": None}

    changed(server, odd)
    made = list(load(samples_per_call=4).generate(asked(8), HOT))
    assert len({each.text for each in made}) == 8
    assert len(server.requests) == 2
    assert {each.tokens for each in made} == {None}


def test_json_is_read_whatever_the_server_calls_it(server: ScriptedServer, load: Callable[..., Any]) -> None:
    engine = load()
    kind: Any = server._server.RequestHandlerClass
    sent = kind.send_header
    kind.send_header = lambda handler, name, value: sent(handler, name, value.replace("application/json", "text/plain"))
    assert len(list(engine.generate(asked(4), HOT))) == 4
    assert len(server.requests) == 4


def test_an_error_that_comes_as_an_answer_says_what_it_is_without_the_key(
    server: ScriptedServer, load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVER_KEY", "sk-hidden")
    said = {"code": 403, "message": "key sk-hidden has no credit"}
    changed(server, lambda *_: {"error": said})
    with pytest.raises(EngineError, match=r"refuses the key .*key \*\*\* has no credit") as caught:
        list(load(api_key_env="SERVER_KEY").generate(asked(4), HOT))
    assert "sk-hidden" not in str(caught.value)
    changed(server, lambda *_: {"error": "overloaded, sk-hidden"})
    with pytest.raises(EngineError, match="failed 2 times each .the answer is an error: overloaded, ") as caught:
        list(load(api_key_env="SERVER_KEY").generate(asked(4), HOT))
    assert "sk-hidden" not in str(caught.value)


def chat_texts(load: Callable[..., Any]) -> list[Sample]:
    return list(load(api="chat", reasoning_tags=["<t>", "</t>"]).generate(asked(3, chat=True), HOT))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": [{"type": "text", "text": "3"}, {"type": "text", "text": "."}]}, "3."),
        ({"content": "3", "reasoning": {"text": "one and two"}}, "<t>one and two</t>3"),
        ({"content": "3", "reasoning_content": [{"summary": "one and two"}]}, "<t>one and two</t>3"),
        ({"content": None}, ""),
        ({"content": None, "refusal": "no"}, "no"),
    ],
)
def test_a_message_is_read_in_whatever_form_its_text_comes(
    message: Answer, text: str, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    changed(server, lambda answer, _: first(answer).update(message=message))
    assert [each.text for each in chat_texts(load)] == [text] * 3


def test_a_response_that_the_limit_ended_before_it_said_anything_is_truncated(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    def thinks(answer: Answer, _: Answer) -> None:
        first(answer).update(message={"content": None}, finish_reason="length")
        answer["usage"]["completion_tokens"] = 64

    changed(server, thinks)
    made = list(load(api="chat").generate([*asked(24, chat=True)], HOT.model_copy(update={"temperature": 0.0})))
    assert {(each.finish_reason, each.tokens) for each in made} == {(FinishReason.LENGTH, 64)}


def test_log_probabilities_are_kept_of_a_chat_too(server: ScriptedServer, load: Callable[..., Any]) -> None:
    def of_chat(answer: Answer, body: Answer) -> None:
        assert body["logprobs"] is True
        given = first(answer)["logprobs"].pop("token_logprobs")
        first(answer)["logprobs"] = {"content": [{"logprob": each} for each in given]}

    changed(server, of_chat)
    made = list(load(api="chat").generate(asked(3, chat=True), HOT.model_copy(update={"keep_tokens": True})))
    assert all(len(each.logprobs) == len(each.token_ids) > 0 for each in made)


# ---- several samples in one call


def test_copies_of_one_sample_are_refused(server: ScriptedServer, load: Callable[..., Any]) -> None:
    def copied(answer: Answer, _: Answer) -> None:
        for choice in answer["choices"]:
            choice["text"] = first(answer)["text"]

    changed(server, copied)
    made: list[Sample] = []
    with pytest.raises(EngineError, match=r"makes one and copies it; set options\.samples_per_call to 1"):
        made.extend(load(samples_per_call=4).generate(asked(40), HOT))
    assert made == []


def test_a_server_that_fails_for_several_is_asked_for_one(server: ScriptedServer, load: Callable[..., Any]) -> None:
    changed(server, lambda _, body: {"choices": "broken"} if body.get("n", 1) > 1 else None)
    made = list(load(samples_per_call=4).generate(asked(8), HOT))
    assert len({each.text for each in made}) == 8


def test_a_server_that_says_nothing_is_refused_with_what_it_may_be(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    changed(server, lambda answer, _: first(answer).update(message={"content": ""}))
    with pytest.raises(EngineError, match="a test prompt is answered without any text"):
        list(load(api="chat").generate(asked(24, chat=True), HOT))


def test_a_cache_that_begins_late_is_seen_as_soon() -> None:
    guard, kept = RepeatGuard(), []
    for index in range(5000):
        text = "the same" if index >= 4000 else str(index)
        kept += guard.take(Sample("p", index, text, FinishReason.STOP, 3, None, 0))
    assert guard.is_suspicious
    assert len(kept) < 4060


# ---- time and money


def test_a_call_takes_no_longer_than_it_may_though_bytes_keep_coming(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    engine = load(timeout_seconds=1.0)
    kind: Any = server._server.RequestHandlerClass

    def trickle(handler: Any, *_: object) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _number in range(40):
            try:
                handler.wfile.write(b"\n")
            except OSError:
                return
            time.sleep(0.2)

    kind.reply = trickle
    began = time.monotonic()
    with pytest.raises(EngineError, match="timed out after 1 s"):
        list(engine.generate(asked(1), HOT))
    assert time.monotonic() - began < 7


def test_patience_is_not_lost_while_calls_are_under_way(server: ScriptedServer, load: Callable[..., Any]) -> None:
    numbers = iter(range(100))

    def slow(*_: object) -> Answer | None:
        if next(numbers) == 0:
            return {"choices": "broken"}
        time.sleep(2.0)
        return None

    changed(server, slow)
    assert len(list(load(patience_seconds=0.5, timeout_seconds=30).generate(asked(4), HOT))) == 4


@pytest.mark.parametrize(
    ("usage", "each"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 44}, 44),
        ({"prompt_tokens": 5, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 30}}, 44),
    ],
)
def test_tokens_count_wherever_the_server_counts_them(
    usage: Answer, each: int, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    changed(server, lambda answer, _: answer.update(usage=usage))
    engine = load(prompt_price=1e6, completion_price=1e6, budget=300.0)
    with pytest.raises(RunError, match="would not pay for another sample"):
        list(engine.generate(asked(40), HOT))
    assert 0 < engine.spending.spent <= 300
    assert engine.spending.spent % each == 0


def test_zeros_are_no_count_of_tokens(server: ScriptedServer, load: Callable[..., Any]) -> None:
    changed(server, lambda answer, _: answer.update(usage={"prompt_tokens": 0, "completion_tokens": 0}))
    with pytest.raises(EngineError, match=r"options\.budget: the server does not say how many tokens"):
        list(load(prompt_price=1, completion_price=1, budget=1.0).generate(asked(4), HOT))


def test_a_budget_holds_where_recalled_tokens_cost_more(server: ScriptedServer, load: Callable[..., Any]) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}}
    changed(server, lambda answer, _: answer.update(usage=usage))
    engine = load(prompt_price=1e6, completion_price=1e6, cached_prompt_price=2e7, budget=1200.0)
    with pytest.raises(RunError, match="would not pay for another sample"):
        list(engine.generate(asked(40), HOT))
    assert 0 < engine.spending.spent <= 1200


def test_questions_about_the_server_itself_are_no_failed_calls(load: Callable[..., Any]) -> None:
    [replica] = load().replicas()
    assert (replica.answered, replica.failures) == (0, {})
