"""How a problem becomes a prompt, and what a template of the user's own may do."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from move37.errors import ConfigError, UnknownNameError
from move37.identity import content_id
from move37.prompting import TEMPLATES, find_template, render_prompt, user_template
from move37.types import ImagePart, Message, Problem


def problem(question: str) -> Problem:
    return Problem("b/1", question, ("2",), "b", "math")


def test_qwen_boxed_is_the_reference_studys_prompt() -> None:
    prompt = render_prompt(problem("What is 1+1?"), TEMPLATES["qwen-boxed"])
    assert prompt.text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nWhat is 1+1?\nPlease reason step by step, and put your final answer within \\boxed{}."
        "<|im_end|>\n<|im_start|>assistant\n"
    )
    assert (prompt.problem_id, prompt.template) == ("b/1", "qwen-boxed")


def test_r1_opens_the_thought_and_ends_with_the_answer() -> None:
    prompt = render_prompt(problem("What is 1+1?"), TEMPLATES["r1"])
    assert prompt.text.endswith("User: What is 1+1?\nPut your final answer within \\boxed{}. Assistant: <think>")
    assert prompt.stop == ("</answer>",)


def test_chat_hands_one_user_message_to_the_models_own_template() -> None:
    prompt = render_prompt(
        problem("1+1?"), TEMPLATES["chat"], lambda messages: f"<{messages[0].role}: {messages[0].text}>"
    )
    boxed = "1+1?\nPlease reason step by step, and put your final answer within \\boxed{}."
    assert prompt.text == f"<user: {boxed}>"
    assert prompt.messages == (Message.of("user", boxed),)


def test_chat_needs_a_model_with_a_chat_template() -> None:
    with pytest.raises(ConfigError) as caught:
        render_prompt(problem("1+1?"), TEMPLATES["chat"])
    assert str(caught.value) == (
        "sampling.template: 'chat' needs a model with a chat template; use qwen-boxed, r1 or completion"
    )


def test_every_template_writes_the_text_that_it_wrote_before_there_were_messages() -> None:
    # golden/prompts.json was written by the code of commit 05bb719, whose messages were dicts.
    golden = json.loads((Path(__file__).parent / "golden" / "prompts.json").read_text())
    assert {case["template"] for case in golden} | {"answer-only", "easyr1"} == set(TEMPLATES)  # these came later
    for case in golden:
        made = render_prompt(
            problem(case["question"]),
            TEMPLATES[case["template"]],
            lambda messages: json.dumps([{"role": message.role, "content": message.text} for message in messages]),
        )
        assert (made.text, list(made.stop)) == (case["text"], case["stop"])


def test_images_of_a_problem_are_in_the_users_message_and_in_the_id_of_the_problem() -> None:
    image, other = ImagePart.of(b"one", "image/png"), ImagePart.of(b"two", "image/png")
    asked = replace(problem("What is this?"), images=(image,))
    prompt = render_prompt(asked, TEMPLATES["completion"])
    assert prompt.text == "What is this?"
    assert prompt.images == (image,)
    ids = {content_id("b", "What is this?", images) for images in ((), (image,), (other,), (image, other))}
    assert len(ids) == 4
    # The id that the code of commit 05bb719 gave to the question.
    assert content_id("b", "What is this?") == "b/9435de822bc2"


def test_an_image_in_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    image = ImagePart.at(file)
    assert image == ImagePart.of(b"one", "image/png")
    assert image.read() == b"one"
    file.write_bytes(b"another")
    with pytest.raises(ValueError, match="another image"):
        image.read()
    with pytest.raises(ValueError, match="not the name of an image"):
        ImagePart.at(tmp_path / "a.txt")


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(
    "question", ["{{ 1+1 }} {% if %} {# #}", "a < b & c > 'd'", "  def f():\n    \n", "\\frac{1}{2}\r\n"]
)
def test_a_question_goes_into_every_template_as_it_stands(name: str, question: str) -> None:
    prompt = render_prompt(problem(question), TEMPLATES[name], lambda messages: messages[0].text)
    assert question in prompt.text


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_stop_string_would_cut_ordinary_words(name: str) -> None:
    # The reference code stops at the plain words "user" and "assistant", which honest answers contain.
    answer = "The user of the assistant answers: so 1 + 1 = 2, and the answer is \\boxed{2}."
    assert not any(stop in answer for stop in TEMPLATES[name].stop)


def test_the_users_own_template_comes_first() -> None:
    own = user_template("r1", "Q: {{ question }}\nA:\n", ("\nQ:",))
    found = find_template("r1", {"r1": own})
    assert render_prompt(problem("1+1?"), found).text == "Q: 1+1?\nA:\n"
    assert found.stop == ("\nQ:",)


def test_an_unknown_template_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_template("qwen", {"mine": user_template("mine", "{{ question }}", ())})
    assert str(caught.value).startswith("unknown template 'qwen' (known: mine, qwen-boxed, r1, chat,")


@pytest.mark.parametrize(
    ("text", "stop", "line"),
    [
        ("Solve it.", (), "templates.t.text: {{ question }} does not appear in it"),
        ("{{ question }", (), "templates.t.text: unexpected '}'"),
        ("{{ problem }} {{ question }}", (), "templates.t.text: 'problem' is undefined"),
        ("{{ question }}{{ 1 / 0 }}", (), "templates.t.text: division by zero"),
        (
            "{{ question.__class__.__mro__ }}",
            (),
            "templates.t.text: access to attribute '__class__' of 'str' object is unsafe.",
        ),
        ("{{ question }}", ("",), "templates.t.stop: an empty stop string would end every response at once"),
    ],
)
def test_a_bad_template_is_refused_with_one_line(text: str, stop: tuple[str, ...], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        user_template("t", text, stop)
    assert str(caught.value) == line
