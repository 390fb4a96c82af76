"""Requests carry the right seeds, contexts are checked before a token is made, engines are held to their contract."""

from collections.abc import Iterator, Sequence

import pytest

from move37.config import ModelConfig, SamplingConfig
from move37.engines.scripted import ScriptedEngine
from move37.errors import ConfigError, EngineError
from move37.sampling import check_context, owed_requests, sample
from move37.seeds import sample_seed
from move37.types import Prompt, Request, Sample

PROMPTS = [Prompt("a", "What is 1 + 1?", (), "completion"), Prompt("b", "What is 2 + 2, then?", (), "completion")]
SETTINGS = SamplingConfig(max_new_tokens=64)


def scripted(kind: type[ScriptedEngine] = ScriptedEngine) -> ScriptedEngine:
    return kind.load(ModelConfig(path="a label", engine="scripted"))


def test_requests_come_prompt_by_prompt_with_the_seed_of_their_key() -> None:
    requests = owed_requests(PROMPTS, {"b": [3], "a": [0, 2]}, run_seed=5, model="base")
    assert [(r.prompt.problem_id, r.index) for r in requests] == [("a", 0), ("a", 2), ("b", 3)]
    assert requests[2].seed == sample_seed(5, "base", "b", 3)


def test_every_request_gives_one_sample() -> None:
    requests = owed_requests(PROMPTS, {"a": [0, 1], "b": [0]}, 0, "base")
    made = list(sample(scripted(), requests, SETTINGS, "base"))
    assert sorted((s.problem_id, s.index) for s in made) == [("a", 0), ("a", 1), ("b", 0)]


def test_no_requests_ask_nothing_of_the_engine() -> None:
    assert list(sample(scripted(Failing), [], SETTINGS, "base")) == []


class Failing(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        raise ZeroDivisionError("in the kernel\nsecond line")


class Repeating(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        made = list(super().generate(requests, sampling))
        yield from [*made, made[0]]


class Forgetting(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        yield from list(super().generate(requests, sampling))[1:]


class Short(ScriptedEngine):
    context_length = 100


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (Failing, "'base': the engine failed while sampling: ZeroDivisionError: in the kernel"),
        (Repeating, "'base': the engine returned a sample that it does not owe: a 0"),
        (Forgetting, "'base': the engine finished without 1 of the samples that it owes"),
    ],
)
def test_an_engine_that_breaks_its_contract_is_an_error(kind: type[ScriptedEngine], line: str) -> None:
    requests = owed_requests(PROMPTS, {"a": [0], "b": [0]}, 0, "base")
    with pytest.raises(EngineError) as caught:
        list(sample(scripted(kind), requests, SETTINGS, "base"))
    assert str(caught.value) == line


def test_a_context_shorter_than_the_limit_asked_for_is_refused_before_sampling() -> None:
    # Prompts of 5 and 6 words in a context of 100: 94 tokens fit behind the longer one, 95 do not.
    check_context(scripted(Short), PROMPTS, SamplingConfig(max_new_tokens=95 - 1), "base")
    with pytest.raises(ConfigError) as caught:
        check_context(scripted(Short), PROMPTS, SamplingConfig(max_new_tokens=95), "base")
    assert str(caught.value) == (
        "sampling.max_new_tokens: 95 tokens do not fit 'base': its context is 100 and the longest prompt (b) takes 6; "
        "ask for at most 94"
    )
