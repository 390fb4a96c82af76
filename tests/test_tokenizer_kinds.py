"""Prompts, texts and ends for tokenizers of every kind, against what transformers computes with the whole text."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch")

from move37.config import parse_study
from move37.engines import Completion
from move37.engines.transformers_render import TransformersRenderer, end_sources
from move37.engines.transformers_text import ResponseText
from move37.errors import ConfigError, EngineError
from move37.prompting import TEMPLATES, as_asked, render_prompt, user_template
from move37.training.step_values import tokens_before
from move37.types import FinishReason, Message, Problem, Sample
from tests.tokenizer_kinds import KINDS, tokenizer_of

PROMPTS = ("What is 2 and 2?\n", "def add(a, b):\n", "Question: 12 or 34? ", "a", "π is", "ends in é")
TEXTS = (
    *(
        "    return a + b\n",
        " return x",
        "return x",
        "  two  spaces",
        "\n\n  then",
        "\tx",
        "4",
        "  ",
        "é π \N{SNOWMAN}!",
    ),
    *("\\boxed{4}.", "def f():\n        return 1\n", "a" * 40, " ", "user"),
)
"""Responses: with and without spaces and lines at their beginning, with characters of several bytes."""


def prompts_of(kind: str) -> Iterator[list[int]]:
    """Prompts of text alone and, where there is a chat template, in it."""
    tokenizer = tokenizer_of(kind)
    renderer = TransformersRenderer("model", tokenizer, None)
    for text in PROMPTS:
        yield renderer.encode(text)
        if tokenizer.chat_template is not None:
            yield renderer.encode(renderer.render_prompt([Message.of("user", text)]), rendered=True)


def added(tokenizer: Any, prompt: list[int], response: list[int]) -> str:
    """What the response adds to the text of its prompt, by the wrapper's own decoding of the whole."""
    keys = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    before, whole = (tokenizer.decode(tokens, **keys) for tokens in (prompt, prompt + response))
    assert whole.startswith(before)
    return whole[len(before) :]


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_of_a_response_is_what_it_adds_to_its_prompt(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    text = ResponseText(tokenizer)
    cut = [tokenizer(each, add_special_tokens=False)["input_ids"] for each in TEXTS]
    behind = [tokenizer("x" + each, add_special_tokens=False)["input_ids"] for each in TEXTS]
    special = tokenizer.all_special_ids[-1]
    responses = [*cut, *(tokens[1:] for tokens in behind), *([*tokens[:1], special, *tokens[1:]] for tokens in cut)]
    responses += [[special, *tokens] for tokens in cut] + [[*one, *other] for one, other in pairwise(cut)]
    for prompt, response in product(prompts_of(kind), responses):
        found = text.visible(response, (), text.before(prompt))
        assert found == added(tokenizer, prompt, response), (prompt, response)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_encoded_to_tokens_that_leave_it_behind_the_prompt(kind: str) -> None:
    """What is imitated is what the model would have written: to the space."""
    tokenizer = tokenizer_of(kind)
    text = ResponseText(tokenizer)
    unknown = "é π" if kind == "metaspace" else "\0"  # characters that this tokenizer has no tokens for
    for prompt, written in product(prompts_of(kind), TEXTS):
        before = text.before(prompt)
        assert text.visible(text.encode(written, before), (), before) == written or unknown in written


@pytest.mark.parametrize("kind", ["llama-2", "mistral", "gemma", "qwen", "metaspace"])
def test_tokens_and_beginnings_are_found_in_the_text_that_was_judged(kind: str) -> None:
    """Credit for the steps of a response, and forks that leave it, count in its text: to the space."""
    tokenizer = tokenizer_of(kind)
    text, prompt = ResponseText(tokenizer), TransformersRenderer("model", tokenizer, None).encode("Solve:\n")
    ids = text.encode("  return x + 1\n  return 4", text.before(prompt))
    sample = Sample("p", 0, "", FinishReason.STOP, len(ids), None, 0)
    made = Completion(sample, tuple(prompt), tuple(ids), (0.0,) * len(ids))
    lengths = [len(added(tokenizer, prompt, ids[:count])) for count in range(len(ids) + 1)]
    assert lengths[-1] == len("  return x + 1\n  return 4")
    for end in range(1, lengths[-1] + 1):
        assert tokens_before(made, end, text) == next(count for count, length in enumerate(lengths) if length >= end)
    for count in range(len(ids)):
        beginning = text.written(ids[:count], text.before(prompt))
        assert beginning == "  return x + 1\n  return 4"[: lengths[count]]


@pytest.mark.parametrize("stop", [("\nQuestion:",), (" x",), ("return",), ("</s>", "<|im_end|>"), ("é",)])
@pytest.mark.parametrize("kind", ["llama-2", "mistral", "qwen", "metaspace"])
def test_a_response_stops_at_the_first_token_that_completes_a_stop_string(kind: str, stop: tuple[str, ...]) -> None:
    tokenizer = tokenizer_of(kind)
    text = ResponseText(tokenizer)
    prompt = TransformersRenderer("model", tokenizer, None).encode("Solve:\n")
    before = text.before(prompt)
    for written in ("  return x + 1\nQuestion: é", " x", "return", "Question:\nQuestion: x", " \n"):
        tokens = [*tokenizer(written, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        for count in range(1, len(tokens) + 1):
            whole = tokenizer.decode(prompt + tokens[:count], clean_up_tokenization_spaces=False)
            said = whole[len(tokenizer.decode(prompt, clean_up_tokenization_spaces=False)) :]
            assert text.stops(tokens[:count], stop, before) == any(each in said for each in stop), (written, count)
            assert not any(each in text.visible(tokens[:count], stop, before) for each in stop)
            if text.stops(tokens[:count], stop, before):
                break  # nothing is sampled behind it


@pytest.mark.parametrize("kind", [kind for kind in KINDS if tokenizer_of(kind).chat_template is not None])
def test_a_chat_prompt_has_the_tokens_of_its_template(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    renderer = TransformersRenderer("model", tokenizer, None)
    for question in (*PROMPTS, "What is <b>?"):
        prompt = render_prompt(problem(question), TEMPLATES["chat-plain"], renderer.render_prompt)
        turns = [{"role": "user", "content": question}]
        given = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=True, return_dict=False)
        assert renderer.encode(prompt.text, prompt.rendered) == list(given)
        assert renderer.count_tokens(prompt) == len(given)


BEGINS = {
    "llama-2": ["<s>"],
    "llama-3": ["<|begin|>"],
    "gemma": ["<bos>"],
    "glm": ["[gMASK]", "<sop>"],
    "qwen": [],
    "gpt-2": [],
    "appends an end token": ["<s>"],
}


@pytest.mark.parametrize("kind", BEGINS)
def test_a_text_of_its_own_gets_what_the_tokenizer_puts_before_it_once_and_nothing_behind(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    renderer = TransformersRenderer("model", tokenizer, None)
    begin = [tokenizer.convert_tokens_to_ids(each) for each in BEGINS[kind]]
    plain = tokenizer("Question: 12", add_special_tokens=False)["input_ids"]
    assert renderer.encode("Question: 12") == [*begin, *plain]
    again = renderer.encode("".join(BEGINS[kind]) + "Question: 12")
    assert again[: len(begin)] == begin
    assert not begin or again[len(begin)] not in begin


def test_a_template_whose_tokens_are_not_those_of_its_text_is_refused() -> None:
    tokenizer = KINDS["qwen"]()
    own = tokenizer.apply_chat_template

    def otherwise(turns: Any, **keys: Any) -> Any:
        given = own(turns, **keys)
        return [*given[:-1]] if keys.get("tokenize") else given

    tokenizer.apply_chat_template = otherwise  # as a tokenizer that renders to tokens by its own code
    with pytest.raises(ConfigError, match="its chat template gives other tokens than its text has"):
        TransformersRenderer("model", tokenizer, None).render_prompt([Message.of("user", "a")])


ENDS = {
    "qwen": ("<|im_end|>", "<|im_end|>"),
    "qwen base": ("<|endoftext|>", "<|im_end|>"),
    "llama-2": ("</s>", "</s>"),
    "llama-3": ("<|end_of_text|>", "<|eot_id|>"),
    "gemma": ("<eos>", "<end_of_turn>"),
    "mistral": ("</s>", "</s>"),
    "deepseek": ("<|end|>", "<|end|>"),
    "glm": ("<|endoftext|>", None),
    "gpt-2": ("<|endoftext|>", None),
}


@pytest.mark.parametrize("kind", ENDS)
def test_a_response_ends_at_what_any_of_the_three_names(kind: str) -> None:
    tokenizer = tokenizer_of(kind)
    usual, turn = (each and tokenizer.convert_tokens_to_ids(each) for each in ENDS[kind])
    sources = end_sources(SimpleNamespace(eos_token_id=[7, 9_999, 10_000]), 10_000, tokenizer)
    assert sources["generation_config"] == {7, 9_999}  # one that the model has no row for cannot be drawn
    assert sources["tokenizer"] == {usual}
    assert sources.get("template", frozenset()) == ({turn} if turn is not None else frozenset())


def test_an_end_that_was_added_to_the_vocabulary_and_not_called_special_is_one() -> None:
    tokenizer = KINDS["gpt-2"]()
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = KINDS["qwen"]().chat_template
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") not in tokenizer.all_special_ids
    assert end_sources(None, 10_000, tokenizer)["template"] == {tokenizer.convert_tokens_to_ids("<|im_end|>")}
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}assistant:"
    tokenizer.add_tokens(["\n\n"])
    assert "template" not in end_sources(None, 10_000, tokenizer)  # a response may hold them


def problem(question: str) -> Problem:
    return Problem("b/1", question, ("4",), "b", "math")


def test_a_template_that_prints_todays_date_asks_what_was_asked_before() -> None:
    tokenizer = KINDS["qwen"]()
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y %H:%M:%S.%f') }}" + tokenizer.chat_template
    monday, tuesday = (TransformersRenderer("model", tokenizer, None) for _ in range(2))
    first, second = (render_prompt(problem("1+1?"), TEMPLATES["chat"], day.render_prompt) for day in (monday, tuesday))
    assert first.text != second.text
    assert as_asked(second, first).text == first.text
    other = render_prompt(problem("1+2?"), TEMPLATES["chat"], tuesday.render_prompt)
    assert as_asked(other, first) is other  # another question is another prompt


@pytest.mark.parametrize(
    "date",
    [
        "{{ strftime_now(format='%d %b %Y') }}",
        "{%- set form = '%A' %}{%- if strftime_now is defined %}{{strftime_now(form)}}{% endif %} isn't",
        "{%- set parts = ['%d', '%b', '%-Y'] %}\n{{ strftime_now(parts | join(' ')) }} at 100%%",
        "{% set now = strftime_now %}{{ now('%%d %A') }}",
        '{% macro day(of) %}{{ strftime_now ( of ) }}{% endmacro %}{{ day("%j") }}{{ strftime_now("%H") | trim }}',
    ],
)
def test_the_date_is_that_of_the_first_prompt_however_a_template_asks_for_it(date: str) -> None:
    tokenizer = KINDS["qwen"]()
    tokenizer.chat_template = date + tokenizer.chat_template
    turns = [{"role": "user", "content": "1+1?"}]
    today = TransformersRenderer("model", tokenizer, None)
    assert today.prints_date
    now = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert today.render_prompt([Message.of("user", "1+1?")]) == now
    long_ago = TransformersRenderer("model", tokenizer, None)
    long_ago.asked_at = datetime(2001, 2, 3, 4)
    then = long_ago.render_prompt([Message.of("user", "1+1?")])
    assert any(each in then for each in ("03 Feb 2001", "Saturday", "03404"))


def test_a_template_of_ones_own_goes_into_the_chat_template_with_a_system_message_and_variables() -> None:
    tokenizer = KINDS["qwen"]()
    tokenizer.chat_template = tokenizer.chat_template + "{% if enable_thinking is false %}<think></think>{% endif %}"
    renderer = TransformersRenderer("model", tokenizer, None)
    template = user_template(
        "mine", "Solve: {{ question }}", (), chat=True, system="Be brief.", variables={"enable_thinking": False}
    )
    prompt = render_prompt(problem("1+1?"), template, renderer.render_prompt)
    assert prompt.text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nSolve: 1+1?<|im_end|>\n"
        "<|im_start|>assistant\n<think></think>"
    )
    assert [message.role for message in prompt.messages] == ["system", "user"]


def test_a_variable_that_the_chat_template_does_not_read_is_refused() -> None:
    tokenizer = KINDS["qwen"]()
    tokenizer.chat_template = tokenizer.chat_template + "{% if enable_thinking is false %}<think></think>{% endif %}"
    renderer = TransformersRenderer("model", tokenizer, None)
    for variables, hint in (({"enable_thinkng": False}, "did you mean 'enable_thinking'"), ({"budget": 5}, "leave it")):
        template = user_template("mine", "{{ question }}", (), chat=True, variables=variables)
        with pytest.raises(ConfigError, match=rf"kwargs\.{next(iter(variables))}: the chat template of model.*{hint}"):
            render_prompt(problem("1+1?"), template, renderer.render_prompt)
    own = {"text": "{{ question }}", "chat": True, "chat_template_kwargs": {"add_generation_prompt": False}}
    with pytest.raises(ConfigError, match="chat_template_kwargs.add_generation_prompt: no variable of a chat template"):
        parse_study({"name": "x", "problems": {"benchmark": "gsm8k"}, "templates": {"mine": own}})


def test_a_tokenizer_larger_than_the_embedding_is_refused_and_a_padded_embedding_is_not(tmp_path: Path) -> None:
    from move37.config import ModelConfig
    from move37.engines.transformers import TransformersEngine
    from tests.tiny_models import VOCABULARY, save_model

    padded = TransformersEngine.load(ModelConfig(path=str(save_model(tmp_path / "padded", vocab_size=VOCABULARY + 21))))
    assert padded.vocabulary_size == VOCABULARY + 21
    small = save_model(tmp_path / "small", vocab_size=VOCABULARY - 1)
    with pytest.raises(EngineError, match=r"its tokenizer has tokens up to 42 \('.+'\) and the model embeds 42"):
        TransformersEngine.load(ModelConfig(path=str(small)))
