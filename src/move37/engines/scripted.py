"""A fake that says so: a deterministic stand-in for a language model, for tests and demonstrations of the machinery.

It runs no model. Everything about a response is drawn from its request's seed, so a run with it can be repeated to
the byte after any interruption, a million samples take seconds, and the truth behind every estimate is known: a
sample that is not cut off is right with probability p = accuracy + spread * (2v - 1), clipped to [0, 1], where v in
[0, 1) is fixed by the question. Two scripted models share v, so they agree on which problems are hard.

Decisions. An engine sees prompts, not references, so the right answer comes from a file (`answers`) or, for prompts
that hold a sum, difference or product of two integers ("What is 12 + 30?"), from working it out; where neither
applies every answer is a number drawn from the seed. A token is a word, and the end of a response is one more. The
log-probability of a sample is that of its branch (right, wrong or cut off); by token, all of it lies on the first.
Token ids are checksums of the words, 0 the end. Temperature and top-p change nothing.
"""

import json
import math
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from move37.config import ModelConfig, SamplingConfig, Settings
from move37.engines import parse_options, refuse_images, seeds_statement
from move37.errors import InputError
from move37.types import FinishReason, Message, Prompt, Request, Sample, Segment

_CHUNK = 4096
_WORDS = ("so", "then", "we", "add", "this", "to", "that", "and", "check", "each", "step", "once", "more", "before")
_FILLER = random.Random(37).choices(_WORDS, k=8192)
_ARITHMETIC = re.compile(r"(-?\d+)\s*([-+*])\s*(-?\d+)")


class Options(Settings):
    accuracy: float = Field(
        default=0.5, ge=0, le=1, description="Probability that a sample is right, in the middle problem."
    )
    spread: float = Field(
        default=0.0, ge=0, le=1, description="How far a problem's own probability may lie from accuracy."
    )
    answers: Path | None = Field(
        default=None, description='JSONL of {"question", "answer"}, found by the question\'s text.'
    )
    length: int = Field(
        default=48, ge=8, description="Mean words of a response; uniform between half and one and a half."
    )
    truncated: float = Field(default=0.0, ge=0, le=1, description="Share of samples that run into max_new_tokens.")
    delay_seconds: float = Field(default=0.0, ge=0, le=3600, description="Pause before each sample, for tests.")


class _Part(NamedTuple):
    """What a prompt asks: the right answer where known, and the probability of giving it."""

    answer: str | None
    accuracy: float


class ScriptedEngine:
    """See the module. `path` of the model is a free label."""

    context_length: int | None = None
    seed_reproduces_sample = True

    def __init__(self, label: str, options: Options) -> None:
        self._label = label
        self._options = options
        self._answers = {} if options.answers is None else _read_answers(options.answers)
        self._parts: dict[str, _Part] = {}

    @classmethod
    def load(cls, model: ModelConfig) -> Self:
        """Raises ConfigError for an unknown option, InputError for an unreadable file of answers."""
        return cls(model.path, parse_options(model, Options))

    def identity(self) -> Mapping[str, str]:
        shown = {key: str(value) for key, value in self._options.model_dump(mode="json").items()}
        known = {"engine": "scripted: a deterministic fake, no model", "label": self._label}
        return {**known, **shown, **seeds_statement(self)}

    def count_tokens(self, prompt: Prompt) -> int:
        return len(prompt.text.split())

    def render_prompt(self, messages: Sequence[Message], **variables: object) -> str:
        refuse_images(self._label, messages)
        turns = "".join(f"{message.role}: {message.text}\n" for message in messages)
        return turns + "assistant: "

    def close(self) -> None:
        self._parts.clear()

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        limit, keep = sampling.max_new_tokens, sampling.keep_tokens
        for start in range(0, len(requests), _CHUNK):
            chunk = requests[start : start + _CHUNK]
            uniforms = _uniforms([request.seed for request in chunk], 5).tolist()
            for request, draws in zip(chunk, uniforms, strict=True):
                if self._options.delay_seconds:
                    time.sleep(self._options.delay_seconds)
                yield self._respond(request, draws, limit, keep)

    def _respond(self, request: Request, draws: list[float], limit: int, keep: bool) -> Sample:
        part = self._part(request.prompt)
        cut_off, is_right, length, opening, number = draws
        right = is_right < part.accuracy
        if cut_off < self._options.truncated:
            words, chance = limit + 6, self._options.truncated  # the answer lies beyond the limit
        else:
            words = round(self._options.length * (0.5 + length))
            chance = (1 - self._options.truncated) * (part.accuracy if right else 1 - part.accuracy)
        # Response = two words that tell samples apart, filler, four words of answer; the end is a token of its own.
        filler = _filler(int(opening * len(_FILLER)), max(0, words - 6))
        answer = part.answer if right and part.answer is not None else _other_number(part.answer, number)
        text = f"Draft {request.seed:x}: {filler}The answer is \\boxed{{{answer}}}."
        tokens, finish = max(words, 6) + 1, FinishReason.STOP
        if tokens > limit:
            text, tokens, finish = " ".join(text.split(" ")[:limit]), limit, FinishReason.LENGTH
        logprob, made, cut, segments = math.log(chance), text, finish is FinishReason.LENGTH, None
        for stop in request.prompt.stop:
            if stop in text:
                text, finish = text[: text.index(stop)], FinishReason.STOP
        if keep:
            ids = _token_ids(made, tokens) if cut else (*_token_ids(made, tokens - 1), 0)
            segments = (Segment("assistant", text, ids, True, (logprob, *[0.0] * (tokens - 1))),)
        return Sample(request.prompt.problem_id, request.index, text, finish, tokens, logprob, request.seed, segments)

    def _part(self, prompt: Prompt) -> _Part:
        part = self._parts.get(prompt.text)
        if part is None:
            refuse_images(self._label, prompt.messages)
            asked = [question for question in self._answers if question in prompt.text]
            question = max(asked, key=len) if asked else prompt.text
            hardness = int.from_bytes(blake2b(question.encode(), digest_size=7).digest(), "big") / 2**56
            accuracy = self._options.accuracy + self._options.spread * (2 * hardness - 1)
            answer = self._answers.get(question) or _work_out(question)
            part = self._parts[prompt.text] = _Part(answer, min(1.0, max(0.0, accuracy)))
        return part


def _read_answers(path: Path) -> dict[str, str]:
    answers: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: answers of the scripted engine cannot be read ({error})") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            answers[str(row["question"])] = str(row["answer"])
        except (ValueError, KeyError, TypeError):
            raise InputError(f'{path}:{number}: expected a JSON object with "question" and "answer"') from None
    return answers


def _work_out(question: str) -> str | None:
    found = _ARITHMETIC.search(question)
    if found is None:
        return None
    left, operator, right = int(found[1]), found[2], int(found[3])
    return str(left + right if operator == "+" else left - right if operator == "-" else left * right)


def _other_number(answer: str | None, uniform: float) -> str:
    """A wrong integer near a right one, so that wrong answers repeat as a model's do; any number otherwise."""
    if answer is not None and re.fullmatch(r"-?\d+", answer):
        return str(int(answer) + 1 + int(uniform * 9))
    return str(int(uniform * 1_000_000))


def _token_ids(text: str, tokens: int) -> tuple[int, ...]:
    """A checksum for each of so many words; what an answer of several words has beyond them belongs to the last."""
    return tuple(crc32(word.encode("utf-8", "surrogatepass")) >> 1 for word in text.split(" ", tokens - 1))


def _filler(start: int, words: int) -> str:
    if words == 0:
        return ""
    repeats = (start + words) // len(_FILLER) + 1
    return " ".join((_FILLER * repeats)[start : start + words] if repeats > 1 else _FILLER[start : start + words]) + " "


def _uniforms(seeds: Sequence[int], draws: int) -> NDArray[np.float64]:
    """Uniforms in [0, 1) of shape (len(seeds), draws): splitmix64 (Steele, Lea, Flood 2014) started at each seed."""
    steps = np.arange(1, draws + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = np.asarray(seeds, dtype=np.uint64)[:, None] + steps
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
