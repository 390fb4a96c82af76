"""Problem + template -> Prompt. The same file serves evaluation and training, so both ask in the same words.

A template is a Jinja text over `question`, or a message that the model's own chat template renders. A prompt keeps the
messages beside the text that was written from them. A problem's images go into the user's message: where the question
says "<image>" (the next one) or "<image 2>" (the second), and before its text where it does not.
Stop strings belong to the template: they end a response in every engine and are printed in the report. Only turn
markers are stop strings here; the reference code's plain words "user" and "assistant" would cut honest answers short.
Stop strings are not part of the response; a verifier must not wait for them. Tools and few-shot examples are left out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from move37.errors import ConfigError, UnknownNameError
from move37.types import ImagePart, Message, Problem, Prompt, TextPart

RenderMessages = Callable[..., str]
"""A conversation -> the text that a model continues: `Renderer.render_prompt` of an engine, with its variables."""

_MARK = re.compile(r"<image ?(\d{1,2})?>")
_BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True)
class Template:
    """`text` is Jinja over `question`. With `chat`, the text is one user message for the model's own template.

    `system` is the message before it, and `variables` are the chat template's own (`enable_thinking`).
    """

    name: str
    text: str
    stop: tuple[str, ...] = ()
    chat: bool = False
    system: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (
        # The reference study's prompt, ChatML written out (arXiv 2504.13837, qwen-boxed).
        Template(
            "qwen-boxed",
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\n{{ question }}\n" + _BOXED + "<|im_end|>\n"
            "<|im_start|>assistant\n",
            stop=("<|im_end|>", "<|im_start|>", "<|endoftext|>"),
        ),
        # The think/answer conversation of DeepSeek-R1-Zero (arXiv 2501.12948, table 1), with a boxed answer.
        Template(
            "r1",
            "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
            "The assistant first thinks about the reasoning process in the mind and then provides the user with the "
            "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> "
            "tags, respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. "
            "User: {{ question }}\nPut your final answer within \\boxed{}. Assistant: <think>",
            stop=("</answer>",),
        ),
        Template("chat", "{{ question }}\n" + _BOXED, chat=True),
        Template("chat-plain", "{{ question }}", chat=True),
        # EasyR1's prompt for mathematics with images (github.com/hiyouga/EasyR1, examples/format_prompt/math.jinja).
        Template(
            "easyr1",
            "{{ question }} You FIRST think about the reasoning process as an internal monologue and then "
            "provide the final answer. The reasoning process MUST BE enclosed within <think> </think> tags. The final "
            "answer MUST BE put in \\boxed{}.",
            chat=True,
        ),
        # A guess control (arXiv 2504.13837, appendix D.2): what is right without reasoning may have been guessed.
        Template(
            "answer-only",
            "{{ question }}\nReply with the final answer alone, within \\boxed{}, and with no reasoning before it.",
            chat=True,
        ),
        Template("completion", "{{ question }}"),
        Template("question-answer", "Question: {{ question }}\nAnswer:", stop=("\nQuestion:",)),
        # HumanEval: the function's head is continued until something new begins (arXiv 2107.03374).
        Template("code-completion", "{{ question }}", stop=("\nclass", "\ndef", "\n#", "\nif", "\nprint")),
        # MBPP's words, without the paper's three worked examples (arXiv 2108.07732).
        Template(
            "mbpp",
            "You are an expert Python programmer, and here is your task: {{ question }}\n[BEGIN]\n",
            stop=("[DONE]",),
        ),
        Template(
            "chat-code",
            "Solve this programming task. Reply with one complete Python program in a ```python block.\n\n"
            "{{ question }}",
            chat=True,
        ),
    )
}

# Sandboxed: a study file may come from somebody else, and a template in it must not be able to run code.
_JINJA = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)


def find_template(name: str, own: Mapping[str, Template]) -> Template:
    """The template called `name`, the user's own first. Raises UnknownNameError."""
    found = own.get(name) or TEMPLATES.get(name)
    if found is None:
        raise UnknownNameError(f"unknown template {name!r} (known: {', '.join([*own, *TEMPLATES])})")
    return found


def user_template(name: str, text: str, stop: tuple[str, ...], **chat: Any) -> Template:
    """A template of the user's own, checked; `chat` are further fields of `Template`. Raises ConfigError."""
    if any(not string for string in stop):
        raise ConfigError(f"templates.{name}.stop: an empty stop string would end every response at once")
    template = Template(name, text, stop, **chat)
    marker = "\x00question\x00"
    if marker not in _render(template, marker):
        raise ConfigError(f"templates.{name}.text: {{{{ question }}}} does not appear in it")
    return template


def render_prompt(problem: Problem, template: Template, render: RenderMessages | None = None) -> Prompt:
    """The prompt for `problem`. Raises ConfigError where a chat template is needed and the model has none.

    A problem that came with a message of the system (its metadata) has it in the chat, or before its question; an empty
    one keeps a chat template from putting in its own.
    """
    given = problem.metadata.get("system")
    said = None if given is None else str(given)
    if not template.chat:
        text = _render(template, f"{said}\n\n{problem.question}" if said else problem.question)
        asked = with_images("user", problem.question, problem.images)
        return Prompt(problem.id, text, template.stop, template.name, (asked,))
    text = _render(template, problem.question)
    if render is None:
        raise ConfigError(
            f"sampling.template: {template.name!r} needs a model with a chat template; use qwen-boxed, r1 or completion"
        )
    before = "\n\n".join(filter(None, (template.system, said)))
    system = (Message.of("system", before),) if before or said is not None else ()
    messages = (*system, with_images("user", text, problem.images))
    written = render(messages, **template.variables)
    return Prompt(problem.id, written, template.stop, template.name, messages, rendered=True)


def with_images(role: str, text: str, images: Sequence[ImagePart]) -> Message:
    """A message with its images where the text marks their places; those without a mark come first, in their order."""
    places = list(_MARK.finditer(text)) if images else []
    shown, following = [], 0
    for mark in places:
        following += not mark[1]
        shown.append(int(mark[1]) - 1 if mark[1] else following - 1)
    marked = [(mark, place) for mark, place in zip(places, shown, strict=True) if place in range(len(images))]
    named = {place for _, place in marked}
    content: list[TextPart | ImagePart] = [image for place, image in enumerate(images) if place not in named]
    start = 0
    for mark, place in marked:
        content += [TextPart(text[start : mark.start()]), images[place]]
        start = mark.end()
    content.append(TextPart(text[start:]))
    return Message(role, tuple(part for part in content if not isinstance(part, TextPart) or part.text or not images))


def without_images(problem: Problem) -> Problem:
    """The same question to somebody who does not see: its marks for images are taken out with them."""
    if not problem.images:
        return problem
    seen = with_images("user", problem.question, problem.images)
    return replace(problem, question=seen.text.strip(), images=())


def as_asked(prompt: Prompt, before: Prompt | None) -> Prompt:
    """The prompt in the words in which its messages were written `before`.

    A chat template may print today's date: what was asked first is asked again, or samples of one run would answer
    different prompts. Other messages, or a text that is none of a chat template's, stay as they are.
    """
    if before is None or not prompt.rendered or before.template != prompt.template:
        return prompt
    if before.messages and before.messages != prompt.messages:
        return prompt
    return replace(prompt, text=before.text, rendered=before.rendered)


def _render(template: Template, question: str) -> str:
    try:
        return _compile(template.text).render(question=question)
    except Exception as error:  # a template is a small program of the user's: it may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"templates.{template.name}.text: {reason}") from error


@cache
def _compile(text: str) -> jinja2.Template:
    return _JINJA.from_string(text)
