"""The nouns of move37, in the order in which data flows: Problem, Prompt, Request, Sample, Verdict.

All are frozen and hold plain Python values, so that every layer may import them. What is counted of them has its own
nouns (`counts.py`).

A `Prompt` is messages and the text written from them. A `Sample` is a trajectory seen from its last turn: a million of
them are one turn of text each, so segments are kept only where there is more to say (`Sample.trajectory` always works).

How they will grow (built when an issue asks, and paid for in the shapes now): `Prompt.template` already records
everything that was put around the question, so a hint or a prefix is one more recorded field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from hashlib import blake2b
from mimetypes import guess_type
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    FloatArray = NDArray[np.float64]

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """An image, by its bytes or by the file that holds them. `digest` (BLAKE2b of the bytes) says which image it is.

    `width` and `height` are in pixels; None where nobody has looked (`images.measured`).
    """

    digest: str
    media_type: str
    data: bytes | None = field(default=None, repr=False, compare=False)
    path: str | None = field(default=None, compare=False)
    width: int | None = field(default=None, compare=False)
    height: int | None = field(default=None, compare=False)

    @classmethod
    def of(cls, data: bytes, media_type: str) -> Self:
        return cls(blake2b(data, digest_size=16).hexdigest(), media_type, data)

    @classmethod
    def at(cls, path: Path) -> Self:
        """The image in a file, read once for its digest. Raises OSError, ValueError if it is no image's name."""
        media_type = guess_type(path.name)[0]
        if media_type is None or not media_type.startswith("image/"):
            raise ValueError(f"{path}: not the name of an image (expected .png, .jpg, .webp, ...)")
        return cls(blake2b(path.read_bytes(), digest_size=16).hexdigest(), media_type, path=str(path))

    def read(self) -> bytes:
        """The bytes. Raises OSError where the file is gone, ValueError where it holds another image by now."""
        if self.data is not None:
            return self.data
        if self.path is None:
            raise ValueError(f"image {self.digest}: neither its bytes nor its file are known")
        data = Path(self.path).read_bytes()
        if blake2b(data, digest_size=16).hexdigest() != self.digest:
            raise ValueError(f"{self.path}: holds another image than when the problem was loaded")
        return data


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: `role` is "system", "user", "assistant" or "tool"."""

    role: str
    content: tuple[TextPart | ImagePart, ...]

    @classmethod
    def of(cls, role: str, text: str, images: tuple[ImagePart, ...] = ()) -> Self:
        """Images first, then the text."""
        return cls(role, (*images, TextPart(text)))

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def images(self) -> tuple[ImagePart, ...]:
        return tuple(part for part in self.content if isinstance(part, ImagePart))


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with the answers that count as right.

    `id` is made from the content (`identity.content_id`), so the same question has the same id wherever it was
    loaded from. `references` are alternatives: matching any one is correct. `tags` (subset, level, ...) stratify
    analyses. `metadata` carries what only the verifier reads (unit tests, a task's own entry): JSON values only.
    """

    id: str
    question: str
    references: tuple[str, ...]
    benchmark: str
    verifier: str
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    metadata: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    images: tuple[ImagePart, ...] = ()

    def plain(self) -> tuple[Any, ...]:
        """The fields in their order as values that can be pickled, which read-only mappings cannot.

        Images come last, and only where there are some.
        """
        named = self.id, self.question, self.references, self.benchmark, self.verifier
        return *named, dict(self.tags), dict(self.metadata), *((self.images,) if self.images else ())


@dataclass(frozen=True, slots=True)
class Prompt:
    """The exact text a model continues, and the strings that end its answer. `template` names how it was made.

    `messages` are the conversation that `text` was written from, by a template or by the model's own chat template;
    they carry the images. They are not compared: a prompt is known by its problem and its text, and one that was
    written down before there were messages equals one made today. `rendered` says that the model's own chat template
    wrote the text: then all special tokens that belong there stand in it, and none is added.
    """

    problem_id: str
    text: str
    stop: tuple[str, ...]
    template: str
    messages: tuple[Message, ...] = field(default=(), compare=False)
    rendered: bool = field(default=False, compare=False)

    @property
    def images(self) -> tuple[ImagePart, ...]:
        return tuple(image for message in self.messages for image in message.images)

    @property
    def content(self) -> tuple[str, ...]:
        """What a model is shown: the text, and the digests of the images. Prompts that agree in it are read once."""
        return self.text, *(image.digest for image in self.images)


@dataclass(frozen=True, slots=True)
class Request:
    """One owed sample: continue `prompt`, drawing all randomness from `seed`."""

    prompt: Prompt
    index: int
    seed: int


class FinishReason(StrEnum):
    """Why a sample ended. `LENGTH` is truncation at `max_new_tokens`; `UNKNOWN` is an import that did not say."""

    STOP = "stop"
    LENGTH = "length"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a trajectory. `own`: the model wrote it; otherwise the environment did (a tool's answer).

    `logprobs` are natural-log probabilities of `token_ids`, one each, under the model itself (temperature 1, no top-p),
    whatever distribution they were drawn from; those of own segments sum to the sample's `logprob`. None: not kept.
    """

    role: str
    text: str
    token_ids: tuple[int, ...] | None = None
    own: bool = True
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """All that came after a prompt, by segment."""

    problem_id: str
    index: int
    segments: tuple[Segment, ...]
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True, init=False)
class Sample:
    """One response. Its key in a run is (model, problem_id, index).

    `tokens` counts generated tokens including the end token; `logprob` is the sum of their natural-log
    probabilities under the model itself (temperature 1, no top-p), whatever distribution they were
    drawn from. Both are None where an import does not know them. `text` has the stop string and special tokens
    removed; of several turns it is the model's last, which is what verifiers and analyses read. `segments` are kept
    where there was more than one, or where token ids were asked for (`sampling.keep_tokens`). `error` says what went
    wrong with a call that gave no response: such a sample is unscored, whatever the verifier.
    """

    problem_id: str
    index: int
    text: str
    finish_reason: FinishReason
    tokens: int | None = None
    logprob: float | None = None
    seed: int | None = None
    segments: tuple[Segment, ...] | None = None
    error: str | None = None

    def __init__(
        self,
        problem_id: str,
        index: int,
        text: str,
        finish_reason: FinishReason,
        tokens: int | None = None,
        logprob: float | None = None,
        seed: int | None = None,
        segments: tuple[Segment, ...] | None = None,
        error: str | None = None,
    ) -> None:
        # What `frozen` writes takes twice as long, and a run makes and reads samples by the million.
        own = _SAMPLE_SLOTS
        own[0](self, problem_id)
        own[1](self, index)
        own[2](self, text)
        own[3](self, finish_reason)
        own[4](self, tokens)
        own[5](self, logprob)
        own[6](self, seed)
        own[7](self, segments)
        own[8](self, error)

    @property
    def trajectory(self) -> Trajectory:
        """The whole episode: one segment of the model's own unless `segments` says otherwise."""
        segments = self.segments or (Segment("assistant", self.text),)
        return Trajectory(self.problem_id, self.index, segments, self.finish_reason)

    @property
    def token_ids(self) -> tuple[int, ...] | None:
        """The model's own tokens, the end token included; None unless they were kept."""
        return self._kept("token_ids")

    @property
    def logprobs(self) -> tuple[float, ...] | None:
        """Of each of `token_ids`: natural log, under the model itself; they sum to `logprob`. None unless kept."""
        return self._kept("logprobs")

    def _kept(self, name: str) -> tuple[Any, ...] | None:
        own = [getattr(segment, name) for segment in self.segments or () if segment.own]
        return None if not own or None in own else tuple(value for values in own for value in values)


_SAMPLE_SLOTS = tuple(getattr(Sample, each.name).__set__ for each in fields(Sample))
"""What sets each of its fields, in their order."""


class Outcome(StrEnum):
    """Three outcomes, never two: `UNSCORED` means that the instrument failed, not the model."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNSCORED = "unscored"


class Flag(StrEnum):
    """What code may ask of a verdict: its `reason` is for people, and nothing reads it. The outcome says whose fault
    it was: a crash that is unscored is the verifier's, one that is incorrect the program's."""

    NO_ANSWER = "no_answer"
    """The text held no answer."""
    TIMED_OUT = "timed_out"
    """The verifier, or the program that it ran, used up its time."""
    OUT_OF_MEMORY = "out_of_memory"
    """The verifier, or the program that it ran, wanted more memory than it may have."""
    CRASHED = "crashed"
    """The verifier raised or its process died, or a signal ended the program that it ran."""
    KILLED = "killed"
    """Something outside ended the program that was run."""
    RERUN_ALONE = "rerun_alone"
    """The program ran out of time or was killed, and ended otherwise when it ran again, which decided."""
    UNSANDBOXED = "unsandboxed"
    """The program ran without a sandbox (`--unsafe-local`)."""
    IN_PROCESS = "in_process"
    """The tests needed real objects, so they shared a process with the program, which could have forged the verdict."""
    STEPS_DROPPED = "steps_dropped"
    """There were step verdicts, too many of them to keep."""


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """One step of an answer, for process rewards: an outcome, a score in [0, 1], or both.

    `span` is where the step stands in the answer that was verified: its first character, and the one after its last.
    Raises ValueError for a step without outcome and score, a score outside [0, 1], or a span that is none.
    """

    outcome: Outcome | None = None
    score: float | None = None
    span: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.outcome is None and self.score is None:
            raise ValueError("a step verdict needs an outcome or a score")
        if self.score is not None and not 0 <= self.score <= 1:
            raise ValueError(f"the score of a step lies in [0, 1], not {self.score!r}")
        if self.span is not None and not 0 <= self.span[0] <= self.span[1]:
            raise ValueError(f"the span of a step is (start, end) with 0 <= start <= end, not {self.span!r}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, why, and the answer that was verified (None where the text held none).

    `steps` are verdicts on parts of the answer, in its order; None where the verifier gives none. `score` in [0, 1] is
    how far right a graded answer is, which training takes for its reward; the outcome stays right or not. None where
    the outcome says all.
    """

    outcome: Outcome
    reason: str
    answer: str | None = None
    flags: frozenset[Flag] = frozenset()
    steps: tuple[StepVerdict, ...] | None = None
    score: float | None = None

    def of(self, answer: str | None) -> "Verdict":
        """The same verdict on another answer; a third of the time of `dataclasses.replace`, once per response."""
        return Verdict(self.outcome, self.reason, answer, self.flags, self.steps, self.score)


def __getattr__(name: str) -> Any:
    """`IntArray` and `FloatArray`, made when asked for: a process that verifies needs no numpy, half of its start."""
    if name not in ("IntArray", "FloatArray"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np
    from numpy.typing import NDArray

    return NDArray[np.int64 if name == "IntArray" else np.float64]
