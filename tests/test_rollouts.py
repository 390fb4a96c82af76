"""Requests carry the right seeds, contexts are checked before a token is made, engines are held to their contract."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from move37.config import ModelConfig, SamplingConfig
from move37.engines.scripted import ScriptedEngine
from move37.environments import ENVIRONMENTS
from move37.errors import ConfigError, EngineError
from move37.executors import EXECUTORS, Lost
from move37.executors.local import LocalExecutor
from move37.rollouts import Room, Where, check_room, owed_requests, roll_out
from move37.seeds import sample_seed
from move37.testing import check_environment, check_executor
from move37.types import Prompt, Request, Sample, Segment

PROMPTS = [Prompt("a", "What is 1 + 1?", (), "completion"), Prompt("b", "What is 2 + 2, then?", (), "completion")]
SETTINGS = SamplingConfig(max_new_tokens=64)


def scripted(kind: type[ScriptedEngine] = ScriptedEngine) -> ScriptedEngine:
    return kind.load(ModelConfig(path="a label", engine="scripted"))


def answering(engine: ScriptedEngine) -> Callable[[Sequence[Request]], Iterator[Sample]]:
    return lambda requests: engine.generate(requests, SETTINGS)


def test_requests_come_prompt_by_prompt_with_the_seed_of_their_key() -> None:
    requests = owed_requests(PROMPTS, {"b": [3], "a": [0, 2]}, run_seed=5, model="base")
    assert [(r.prompt.problem_id, r.index) for r in requests] == [("a", 0), ("a", 2), ("b", 3)]
    assert requests[2].seed == sample_seed(5, "base", "b", 3)


def test_every_request_gives_one_sample() -> None:
    requests = owed_requests(PROMPTS, {"a": [0, 1], "b": [0]}, 0, "base")
    made = list(roll_out(answering(scripted()), requests, "base"))
    assert sorted((s.problem_id, s.index) for s in made) == [("a", 0), ("a", 1), ("b", 0)]


def test_no_requests_ask_nothing_of_the_engine() -> None:
    assert list(roll_out(answering(scripted(Failing)), [], "base")) == []


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
        list(roll_out(answering(scripted(kind)), requests, "base"))
    assert str(caught.value) == line


def test_a_context_shorter_than_the_limit_asked_for_is_refused_before_sampling() -> None:
    # Prompts of 5 and 6 words in a context of 100: 94 tokens fit behind the longer one, 95 do not.
    check_room(scripted(Short), PROMPTS, Room("sampling", 94), "'base'")
    with pytest.raises(ConfigError) as caught:
        check_room(scripted(Short), PROMPTS, Room("sampling", 95), "'base'")
    assert str(caught.value) == (
        "'base': 1 prompts are longer than 5 tokens (b; the longest takes 6): sampling.max_new_tokens is 95 in a "
        "context of 100; leave them out, or set sampling.max_new_tokens to at most 94"
    )


def test_a_limit_on_prompts_alone_is_named_where_it_is_what_binds() -> None:
    with pytest.raises(ConfigError) as caught:
        check_room(scripted(), PROMPTS, Room("rollout", 95, max_prompt_tokens=4), "problems")
    assert str(caught.value) == (
        "problems: 2 prompts are longer than 4 tokens (a, b; the longest takes 6): rollout.max_prompt_tokens is 4; "
        "leave them out, or raise it to 6"
    )


def test_no_room_for_any_prompt_is_said_as_that() -> None:
    with pytest.raises(
        ConfigError, match="max_new_tokens: 100 leaves no room for a prompt in .* context of 100 tokens"
    ):
        check_room(scripted(Short), PROMPTS, Room("sampling", 100), "'base'")


# ---- Episodes of several turns.


class Asking:
    """Answers the model's first `turns` turns."""

    turns = 2

    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        if prompt.text.count("Again") >= self.turns:
            return None
        return (Segment("user", f"\nAgain, {sample.problem_id}: ", own=False),)


def test_an_episode_goes_on_in_the_text_of_both_until_the_environment_has_nothing_to_add(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ENVIRONMENTS.table, "asking", "tests.test_rollouts:Asking")  # type: ignore[arg-type]
    requests = owed_requests(PROMPTS, {"a": [0, 1], "b": [0]}, 0, "base")
    seen: list[Request] = []
    engine = scripted()

    def generate(asked: Sequence[Request]) -> Iterator[Sample]:
        seen.extend(asked)
        yield from engine.generate(asked, SETTINGS)

    made = list(roll_out(generate, requests, "base", Where(environment="asking")))
    assert sorted((s.problem_id, s.index) for s in made) == [("a", 0), ("a", 1), ("b", 0)]
    assert len(seen) == 9
    assert len({request.seed for request in seen}) == 9, "every turn draws its own"
    for sample in made:
        segments = sample.trajectory.segments
        assert [segment.own for segment in segments] == [True, False, True, False, True]
        assert sample.text == segments[-1].text, "what a verifier reads is the model's last turn"
        turns = [r for r in seen if (r.prompt.problem_id, r.index) == (sample.problem_id, sample.index)]
        assert turns[-1].prompt.text == turns[0].prompt.text + "".join(segment.text for segment in segments[:-1])
        assert sample.seed == turns[0].seed
        alone = [next(engine.generate([turn], SETTINGS)) for turn in turns]
        assert sample.tokens == sum(turn.tokens or 0 for turn in alone)
        assert sample.logprob == pytest.approx(sum(turn.logprob or 0 for turn in alone))


# ---- The registries.


@pytest.mark.parametrize("name", [name for name in ENVIRONMENTS.names if name not in ENVIRONMENTS.arguments])
def test_every_environment_keeps_the_contract(name: str) -> None:
    check_environment(ENVIRONMENTS.load(name)())


def test_the_contract_of_environments_catches_segments_that_pass_for_the_models_own() -> None:
    class Forging:
        def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
            return (Segment("assistant", "42"),)

    with pytest.raises(AssertionError, match="own"):
        check_environment(Forging())


@pytest.mark.parametrize("name", EXECUTORS.names)
def test_every_executor_keeps_the_contract(name: str) -> None:
    check_executor(EXECUTORS.load(name))


def test_the_contract_of_executors_catches_one_that_forgets_what_is_handed_over_later() -> None:
    class Once(LocalExecutor[Sample]):
        def results(self) -> Iterator[Sample | Lost]:
            yield from super().results()
            self._generate = lambda requests: iter(())

    with pytest.raises(AssertionError):
        check_executor(Once)


def test_a_worker_that_dies_loses_its_shard_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXECUTORS.table, "dying", "tests.test_rollouts:Dying")  # type: ignore[arg-type]
    requests = owed_requests(PROMPTS, {"a": [0, 1, 2], "b": [0]}, 0, "base")
    made: list[Sample] = []
    with pytest.raises(EngineError) as caught:
        for sample in roll_out(answering(scripted()), requests, "base", Where(executor="dying")):
            made.append(sample)
    assert sorted((s.problem_id, s.index) for s in made) == [("a", 0), ("a", 2), ("b", 0)]
    assert str(caught.value) == (
        "'base': workers died and left 1 samples unfinished (signal 9); the others are kept: run the same command "
        "again to make the rest"
    )


class Dying(LocalExecutor[Sample]):
    """Shards of one request; the worker of the second dies."""

    def results(self) -> Iterator[Sample | Lost]:
        for number, request in enumerate([request for shard in self._shards for request in shard]):
            if number == 1:
                yield Lost((request,), "signal 9")
            else:
                yield from self._generate([request])
        self._shards.clear()
