"""The engine `openai` against a real HTTP server whose model is the scripted engine (`scripted_server.py`)."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from move37.config import ModelConfig, SamplingConfig, StoppingConfig, parse_study
from move37.engines import ENGINES
from move37.errors import ConfigError, EngineError, RunError
from move37.pipeline import sample_run, start_run
from move37.prompting import with_images
from move37.rollouts import Room, check_room
from move37.seeds import sample_seed
from move37.store import RunStore
from move37.testing import check_engine
from move37.types import FinishReason, ImagePart, Message, Outcome, Prompt, Request, Sample
from tests.openai_engines import engines_opened
from tests.scripted_server import FAULTS, ScriptedServer

pytest.importorskip("openai", reason="the [server] extra is not installed")

HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64, stop=StoppingConfig(successes=0))


@pytest.fixture
def load() -> Iterator[Callable[..., Any]]:
    with engines_opened() as opened:
        yield opened


def asked(n: int, *texts: str, stop: tuple[str, ...] = ()) -> list[Request]:
    prompts = [Prompt(f"p{i}", text, stop, "completion") for i, text in enumerate(texts or ("What is 1 + 2?",))]
    return [Request(each, index, sample_seed(0, "m", each.problem_id, index)) for each in prompts for index in range(n)]


def chat(*texts: str, stop: tuple[str, ...] = ()) -> list[Request]:
    """Prompts as a chat template without a tokenizer writes them."""
    prompts = [
        Prompt(f"p{i}", f"user: {t}\n", stop, "chat-plain", (Message.of("user", t),)) for i, t in enumerate(texts)
    ]
    return [Request(each, 0, 1) for each in prompts]


def keys(samples: list[Sample]) -> Counter[tuple[str, int]]:
    return Counter((sample.problem_id, sample.index) for sample in samples)


# ---- the contract; on a server that says what it is, tests/test_engines.py checks it


@pytest.mark.slow
@pytest.mark.parametrize("api", ["completions", "chat"])
def test_it_keeps_the_contract_on_a_server_that_says_nothing_of_itself(api: str, load: Callable[..., Any]) -> None:
    server = ScriptedServer(kind="somebody", context=None).start()
    engine = load(server, api=api)
    check_engine(engine, keeps_tokens=False)
    assert engine.identity()["context_length"] == "unknown"
    assert "defaults" in engine.identity()
    server.close()


@pytest.mark.slow
def test_what_cannot_be_checked_is_said_instead_of_passed(load: Callable[..., Any]) -> None:
    server = ScriptedServer(kind="somebody", context=None).start()
    prompt = Prompt("p", "What is 1 + 2?", (), "completion")
    said = check_room(load(server), [prompt], Room("sampling", 64), "'m'")
    assert [line.partition(": ")[2].partition(" (")[0] for line in said] == [
        "the tokenizer is not known",
        "the server does not say its context length",
    ]
    known = load(server, context_length=10)
    with pytest.raises(ConfigError, match="leaves no room for a prompt in the model's context of 10 tokens"):
        check_room(known, [prompt], Room("sampling", 64), "'m'")
    server.close()


def test_a_prompt_that_does_not_fit_is_refused_where_the_server_counts(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigError, match="1 prompts are longer than 32 tokens"):
        check_room(load(server), [Prompt("p", "word " * 33, (), "completion")], Room("sampling", 4064), "'m'")


# ---- what is sent


@pytest.mark.slow
def test_the_servers_own_sampling_defaults_are_undone_by_kind(load: Callable[..., Any]) -> None:
    for kind, key, value in (("vllm", "top_k", -1), ("sglang", "repetition_penalty", 1.0), ("llamacpp", "top_k", 0)):
        server = ScriptedServer(kind=kind).start()
        list(load(server, request={"min_p": 0.1}).generate(asked(1), HOT))
        [body] = server.requests
        assert (body[key], body["min_p"]) == (value, 0.1)
        server.close()


def test_every_sample_has_its_own_seed_and_the_study_s_distribution(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    made = list(load(server).generate(asked(20, "a", "b"), HOT.model_copy(update={"top_p": 0.9})))
    assert keys(made) == keys([Sample(f"p{i}", j, "", FinishReason.STOP) for i in range(2) for j in range(20)])
    assert len({body["seed"] for body in server.requests}) == 40
    assert {(body["temperature"], body["top_p"], body["max_tokens"]) for body in server.requests} == {(1.0, 0.9, 64)}


def test_stop_strings_end_a_response_also_those_that_the_server_does_not_take(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    stop = ("zzz", "answer", "yyy")
    made = list(load(server, stop_strings=1).generate(asked(4, stop=stop), HOT))
    assert {tuple(body["stop"]) for body in server.requests} == {("zzz",)}
    assert all(sample.text.endswith("The ") and sample.finish_reason is FinishReason.STOP for sample in made)


def test_messages_are_sent_with_their_images(server: ScriptedServer, load: Callable[..., Any]) -> None:
    server.engine.render_prompt = lambda messages: "what is shown?"  # type: ignore[method-assign]
    engine = load(server, api="chat", images=True)
    message = Message.of("user", "what is shown?", (ImagePart.of(b"\x89PNG", "image/png"),))
    prompt = Prompt("p", engine.render_prompt([message]), (), "chat-plain", (message,))
    [sample] = engine.generate([Request(prompt, 0, 1)], HOT)
    image, text = server.requests[0]["messages"][0]["content"]
    assert image["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert text == {"type": "text", "text": "what is shown?"}
    assert "boxed" in sample.text


RECORDED = (
    '[{"role": "system", "content": "Look."}, {"role": "user", "content": [{"type": "text", "text": "Is "}, {"type": '
    '"image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}, {"type": "text", "text": " left of "}, '
    '{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/"}}, {"type": "text", "text": "?"}]}]'
)
"""What a server received."""


def test_the_messages_that_a_server_receives_are_those_of_the_recording(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    """Parts in their order, and the bytes of each image as they are."""
    server.engine.render_prompt = lambda messages: "what is shown?"  # type: ignore[method-assign]
    engine = load(server, api="chat", images=True)
    images = ImagePart.of(b"\x89PNG", "image/png"), ImagePart.of(b"\xff\xd8\xff", "image/jpeg")
    messages = (Message.of("system", "Look."), with_images("user", "Is <image> left of <image>?", images))
    list(engine.generate([Request(Prompt("p", engine.render_prompt(messages), (), "chat", messages), 0, 1)], HOT))
    assert json.dumps(server.requests[0]["messages"]) == RECORDED


def test_a_template_that_writes_the_whole_prompt_cannot_be_sent_as_a_chat(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    prompt = Prompt("p", "Question: 1 + 2?\nAnswer:", (), "question-answer", (Message.of("user", "1 + 2?"),))
    with pytest.raises(ConfigError, match="'question-answer' writes the whole text"):
        list(load(server, api="chat").generate([Request(prompt, 0, 1)], HOT))


def test_reasoning_that_is_handed_back_apart_stands_in_front_of_the_answer(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    server.reasons = True
    [sample] = load(server, api="chat").generate(chat("What is 1 + 2?"), HOT)
    assert sample.text.startswith("<think>\nLet me see.\n</think>\n\nDraft")
    [other] = load(server, api="chat", reasoning_tags=["[THINK]", "[/THINK]"]).generate(chat("What is 1 + 2?"), HOT)
    assert other.text.startswith("[THINK]Let me see.[/THINK]Draft")


# ---- n


@pytest.mark.slow
@pytest.mark.parametrize("honours", [True, False])
def test_samples_of_one_call_are_all_made_whether_n_is_honoured_or_not(
    honours: bool, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    server.honours_n = honours
    made = list(load(server, samples_per_call=8, concurrency=1).generate(asked(20, "a", "b"), HOT))
    assert len(made) == len(keys(made)) == 40
    assert len({(sample.problem_id, sample.text) for sample in made}) == 40
    sizes = Counter(body.get("n", 1) for body in server.requests)
    assert sizes == ({8: 4, 4: 2} if honours else {8: 1, 1: 39})


# ---- servers that repeat themselves


@pytest.mark.parametrize("n", [3, 40])
def test_a_server_that_ignores_seeds_is_refused_with_the_count_before_anything_is_kept(
    n: int, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    server.ignores_seeds = True
    made = []
    with pytest.raises(EngineError, match=r"\d+ of \d+ responses at temperature 1 repeat an earlier one") as caught:
        for sample in load(server, concurrency=4).generate(asked(n, "a", "b", "c"), HOT):
            made.append(sample)
    assert made == []
    assert "turn its cache of responses off" in str(caught.value)


@pytest.mark.slow
def test_a_model_that_is_sure_may_repeat_itself(server: ScriptedServer, load: Callable[..., Any]) -> None:
    honest = server.answer

    def sure(body: dict[str, Any], chat: bool) -> dict[str, Any]:
        answer = honest(body, chat)
        if "Once upon a time" not in str(body["prompt"]):
            answer["choices"][0]["text"] = "\\boxed{3}"
        return answer

    server.answer = sure  # type: ignore[method-assign]
    assert len(list(load(server).generate(asked(30, "a", "b"), HOT))) == 60


def test_at_temperature_0_repeats_are_what_was_asked_for(server: ScriptedServer, load: Callable[..., Any]) -> None:
    server.ignores_seeds = True
    cold = HOT.model_copy(update={"temperature": 0.0})
    assert len(list(load(server).generate(asked(30), cold))) == 30


# ---- failures


@pytest.mark.slow
def test_every_kind_of_failure_is_tried_again(load: Callable[..., Any]) -> None:
    server = ScriptedServer(errors=0.2, silence_seconds=0.5).start()
    engine = load(server, timeout_seconds=0.25)
    made = list(engine.generate(asked(20, "a", "b", "c", "d"), HOT))
    assert len(made) == len(keys(made)) == 80
    assert set(server.faults) == set(FAULTS)
    [replica] = engine.replicas()
    assert set(replica.failures) >= {"overloaded", "server error", "cut off", "unreadable", "timed out"}
    assert sum(replica.failures.values()) >= sum(server.faults.values())  # a busy machine adds time-outs
    server.close()


def test_a_call_that_never_succeeds_is_left_owed_and_all_others_are_made(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    honest = server.answer

    def poisoned(body: dict[str, Any], chat: bool) -> dict[str, Any]:
        return {"choices": []} if body["prompt"] == "poison" else honest(body, chat)

    server.answer = poisoned  # type: ignore[method-assign]
    made = []
    with pytest.raises(EngineError, match=r"1 samples \(the first of problem p1\) failed 3 times each"):
        for sample in load(server, retries=2).generate(asked(1, "a", "poison", "b"), HOT):
            made.append(sample)
    assert {sample.problem_id for sample in made} == {"p0", "p2"}


@pytest.mark.parametrize(
    ("status", "said", "line"),
    [
        (400, "context is too long", "refuses problem p0: HTTP 400: .*context is too long"),
        (401, "no such key", "refuses the key"),
        (429, "insufficient_quota", "HTTP 429: .*insufficient_quota"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    status: int, said: str, line: str, server: ScriptedServer, load: Callable[..., Any]
) -> None:
    engine = load(server, concurrency=1)
    server.status, server.said = status, said
    with pytest.raises(EngineError, match=line):
        list(engine.generate(asked(5), HOT))
    assert len(server.requests) == 1


def test_a_response_that_the_content_filter_refuses_is_unscored(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    engine = load(server)
    server.status, server.said = 400, "content_filter"
    [sample] = engine.generate(asked(1), HOT)
    assert sample.error == "the server's content filter refused it"


def test_a_response_that_the_context_cuts_off_early_is_an_error(
    server: ScriptedServer, load: Callable[..., Any]
) -> None:
    honest = server.answer
    server.answer = lambda body, chat: honest(body | {"max_tokens": 5}, chat)  # type: ignore[method-assign]
    with pytest.raises(EngineError, match="cut a response off after 5 of 64 tokens: its context is too short"):
        list(load(server).generate(asked(2), HOT))


@pytest.mark.slow
def test_patience_ends_where_no_server_comes_back(server: ScriptedServer, load: Callable[..., Any]) -> None:
    engine = load(server, patience_seconds=0.3)
    server.status = 503
    with pytest.raises(EngineError, match=r"no answer for \d s \(HTTP 503.*what was finished is kept"):
        list(engine.generate(asked(5), HOT))


@pytest.mark.slow
def test_a_server_that_is_not_there_is_one_line(load: Callable[..., Any]) -> None:
    with pytest.raises(EngineError, match=r"http://127\.0\.0\.1:1/v1 cannot be reached; start the server"):
        load("http://127.0.0.1:1/v1")


def test_a_model_that_is_not_served_is_refused_with_those_that_are(server: ScriptedServer) -> None:
    model = ModelConfig(path="other", engine="openai", options={"base_url": server.base_url})
    with pytest.raises(ConfigError, match="serves m; set options.model"):
        ENGINES.load("openai").load(model)


# ---- as many calls at once as the server bears


@pytest.mark.slow
def test_calls_in_flight_grow_to_the_limit_and_not_beyond(load: Callable[..., Any]) -> None:
    server = ScriptedServer(delay_seconds=0.3).start()  # all that are allowed are sent before the first answer comes
    list(load(server, concurrency=24).generate(asked(160), HOT))
    assert server.most_at_once == 24
    server.close()


@pytest.mark.slow
def test_several_servers_share_the_work(server: ScriptedServer, load: Callable[..., Any]) -> None:
    second = ScriptedServer(delay_seconds=0.01).start()
    server.delay_seconds = 0.01
    engine = load(server, base_url=[server.base_url, second.base_url], concurrency=4)
    assert len(list(engine.generate(asked(80), HOT))) == 80
    assert min(len(server.requests), len(second.requests)) > 15
    assert [replica.name for replica in engine.replicas()] == [server.base_url, second.base_url]
    second.close()


# ---- keys


@pytest.mark.slow
def test_the_key_comes_from_the_environment_and_stands_nowhere(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = ScriptedServer(key="s3cret").start()
    monkeypatch.setenv("MY_KEY", "s3cret")
    store = start_run(study(server, tmp_path, n=4, api_key_env="MY_KEY"), tmp_path / "run")
    sample_run(store)
    monkeypatch.setenv("MY_KEY", "wr0ng")
    engine = load(server, api_key_env="MY_KEY")
    with pytest.raises(EngineError, match=r"refuses the key .*Bearer \*\*\*"):
        list(engine.generate(asked(1), HOT))
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"s3cret" not in written
    assert "wr0ng" not in json.dumps(dict(engine.identity()))
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ConfigError, match="MY_KEY is not set; export MY_KEY=<the key>"):
        load(server, api_key_env="MY_KEY")
    server.close()


# ---- money


def study(server: ScriptedServer | str, folder: Path, n: int = 8, problems: int = 4, **options: Any) -> Any:
    rows = [{"question": f"What is {i} + 2?", "answer": str(i + 2)} for i in range(problems)]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    address = server if isinstance(server, str) else server.base_url
    model = {"path": "m", "engine": "openai", "options": {"base_url": address, **options}}
    return parse_study(
        {
            "name": "s",
            "problems": {"benchmark": "jsonl", "path": str(folder / "p.jsonl"), "verifier": "exact"},
            "sampling": {"n": n, "stop": {"successes": 0}, "max_new_tokens": 64, "template": "completion"},
            "models": {"m": model},
        }
    )


PRICES: dict[str, Any] = {"prompt_price": 1e6, "completion_price": 1e6}
"""A token costs 1."""


@pytest.mark.slow
def test_a_budget_is_never_exceeded_and_what_is_left_owed_can_be_bought_later(
    server: ScriptedServer, tmp_path: Path
) -> None:
    config = study(server, tmp_path, n=8, budget=300.0, **PRICES)
    store = start_run(config, tmp_path / "run")
    with pytest.raises(RunError, match=r"options.budget: 300 would not pay for another sample \(\d+ spent"):
        sample_run(store)
    spent = server.billed.total()
    assert 300 - 64 - 512 <= spent <= 300
    there = store.samples("m").count()
    assert 0 < there < 32
    assert store.spending("m")["spent"] == spent
    more = study(server, tmp_path, n=8, budget=3000.0, **PRICES)
    sample_run(start_run(more, tmp_path / "run"))
    assert store.samples("m").count() == 32
    assert RunStore.open(tmp_path / "run").spending("m")["spent"] == server.billed.total()


def test_without_a_count_of_tokens_there_is_no_budget(server: ScriptedServer, load: Callable[..., Any]) -> None:
    server.says_usage = False
    with pytest.raises(EngineError, match="budget: the server does not say how many tokens"):
        list(load(server, **PRICES, budget=10_000.0).generate(asked(2), HOT))
    with pytest.raises(ConfigError, match="options.budget: needs prompt_price and completion_price"):
        load(server, budget=1.0)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_one_call_in_five_fails_and_the_server_is_killed_twice(tmp_path: Path) -> None:
    """Complete, nothing twice, nothing lost, and no token beyond the budget, which the server counts itself."""
    port, bill = free_port(), tmp_path / "bill.jsonl"
    command = [sys.executable, "-m", "tests.scripted_server", "--port", str(port), "--bill", str(bill)]
    command += ["--errors", "0.2", "--delay", "0.02"]

    def serve() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=0.1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return process

    processes = [serve()]
    options = {**PRICES, "budget": 100_000.0, "timeout_seconds": 1.0, "concurrency": 16}
    store = start_run(study(f"http://127.0.0.1:{port}/v1", tmp_path, n=36, problems=5, **options), tmp_path / "run")
    made = 0

    class Killer:
        """Ends the server after a third and after two thirds of the samples, and starts another."""

        def track(self, label: str, total: int, unit: str) -> Any:
            from contextlib import nullcontext

            def advance(done: int) -> None:
                nonlocal made
                made += done
                if made in (60, 120):
                    os.kill(processes[-1].pid, signal.SIGKILL)
                    processes[-1].wait()
                    processes.append(serve())

            return nullcontext(advance)

    try:
        sample_run(store, Killer())
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert len(processes) == 3
    assert store.samples("m").count() == 180
    rows = store.samples("m").read(["problem_id", "index"])
    assert rows.n_unique() == 180
    billed = sum(sum(json.loads(line).values()) for line in bill.read_text().splitlines())
    record = store.spending("m")
    assert record["spent"] <= billed <= record["spent"] + record["lost"] <= record["budget"]
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    [last] = [line for line in lines if line["event"] == "progress" and line["ended"]]
    assert last["samples"] == 180
    assert set(last["replicas"][0]["failures"]) >= {"overloaded", "server error", "cut off", "timed out", "unreachable"}


def test_samples_get_their_verdicts(server: ScriptedServer, tmp_path: Path) -> None:
    store = start_run(study(server, tmp_path, n=8), tmp_path / "run")
    done = sample_run(store, verify=True)
    assert set(done.verified["m"]) <= {outcome.value for outcome in Outcome}
    assert done.verified["m"].total() == 32
    assert done.unchecked == ()
