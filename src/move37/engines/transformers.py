"""Models on this machine through transformers: a Hugging Face folder, a hub name or a GGUF file, on CPU or GPU.

Decisions. The sampling distribution is the study's alone: temperature, then top-p, then nothing. Of a model's own
generation settings only the end tokens are taken; penalties and top-k that it recommends are left out, and `identity`
lists them. `auto` means the GPU where there is one, with the weights' own dtype, and otherwise the CPU with float32.
When a model is loaded, branches of the cache are compared with the model's own reading; one whose state cannot be
branched (state spaces, linear attention) goes the plain way, and one that continues no text is refused.

Loading is in `transformers_load.py`. Prompts, special tokens and ends of responses are `transformers_render.py`'s. The
loop is in `transformers_decode.py` (the plain one in `transformers_plain.py`), the sampling distribution in
`transformers_draw.py`, the cache in `transformers_cache.py`, the calls of the model in `transformers_forward.py`,
scores in `transformers_score.py`, images in `transformers_images.py`: a model that reads images and keeps keys and
values reads a prompt and its images once for all samples. Several GPUs and quantised kernels are left out: such a model
is served elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, Literal, TypeVar

import torch
import transformers
from pydantic import Field
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from move37.config import ModelConfig, SamplingConfig, Settings
from move37.engines import Completion, Scored, TrainableSettings, check_room, parse_options, seeds_statement
from move37.engines.forest import Forest
from move37.engines.transformers_cache import SlotMemory, supports
from move37.engines.transformers_decode import DecodeLoop
from move37.engines.transformers_draw import log_distribution
from move37.engines.transformers_forest import forest_logits
from move37.engines.transformers_forward import Forward, distance_of_images, distance_of_rows, forward_of
from move37.engines.transformers_images import ImagePrompt, ImageReader, probe_images
from move37.engines.transformers_load import (
    classified,
    context_length_of,
    device_of,
    embedded_tokens,
    one_line,
    open_images,
    open_model,
    open_renderer,
)
from move37.engines.transformers_load import is_out_of_memory as _is_out_of_memory
from move37.engines.transformers_packed import can_pack, pack, packed
from move37.engines.transformers_plain import PlainForward, PlainLoop, measure, waits_for_encoder
from move37.engines.transformers_render import (
    TransformersRenderer,
    end_sources,
    end_tokens_statement,
    ignored_statement,
    vocabulary_size,
)
from move37.engines.transformers_score import score, score_together
from move37.engines.transformers_text import Before, ResponseText
from move37.engines.weight_files import fingerprint
from move37.errors import ConfigError, EngineError, MissingExtraError
from move37.types import FloatArray, IntArray, Request, Sample

Made = TypeVar("Made", Sample, Completion)

_GPU_ROWS = 128
_GPU_ROWS_IN_TRAINING = 512
_CPU_ROWS = (64, 1024)
"""A large model gains nothing beyond 64 rows; of a small one a step costs little more for many than for few."""
_CPU_CACHE = 2**29
"""Bytes of keys and values that more than the fewest rows may take."""
_LARGEST_DISTANCE = 0.2
"""See `distance_of_rows`: far above what rounding does."""


class Options(Settings):
    batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Samples decoded together; default 128 on a GPU, on a CPU 64 to 1024 by the model's size.",
    )
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Precision of the weights."
    )
    threads: int | None = Field(
        default=None, ge=1, le=4096, description="Threads of torch; default: torch's own choice."
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of a hub name.")
    trust_remote_code: bool = Field(default=False, description="Run the model's own Python code.")
    packed: bool = Field(
        default=True, description="Lay out float32 weights for oneDNN on a CPU; off: torch's own kernels."
    )
    processor: dict[str, Any] = Field(
        default={}, description="Settings of the model's image processor, such as max_pixels; default: its own."
    )
    cuda_graphs: bool = Field(
        default=True, description="Record steps of Llama-type models on a GPU; off: launch every kernel."
    )


class TransformersEngine(TransformersRenderer):
    """See the module."""

    seed_reproduces_sample = True
    rows_key = "options.batch_size"
    """The setting of how many samples are decoded together, for messages."""

    def __init__(
        self,
        path: str,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        options: Options,
        images: ImageReader | MissingExtraError | None = None,
    ) -> None:
        super().__init__(path, tokenizer, context_length_of(model.config), images)
        self._model = model
        self._options = options
        self._text = ResponseText(tokenizer)
        self._end_sources = end_sources(model.generation_config, vocabulary_size(model), tokenizer)
        self._end_tokens = frozenset[int]().union(*self._end_sources.values())
        self._parameters = model.num_parameters()
        self._embedded = embedded_tokens(model)
        self._forward, self._memory = self._fastest(), SlotMemory()
        self._token_bytes = 0 if isinstance(self._forward, PlainForward) else self._state_bytes(self._forward)
        self._packed, self._images_checked = 0, False
        if options.packed and model.device.type == "cpu" and can_pack():
            self._packed = pack(model, options.batch_size or _CPU_ROWS[0])

    @classmethod
    def load(cls, model: ModelConfig) -> "TransformersEngine":
        """Raises ConfigError for an unknown option, EngineError where nothing usable is at `model.path`."""
        options = parse_options(model, Options)
        device = device_of(options.device, model.path)
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        dtype = options.dtype if options.dtype != "auto" or device.type != "cpu" else "float32"
        loaded, tokenizer = open_model(model.path, options.revision, options.trust_remote_code, dtype)
        images = open_images(model.path, options.revision, options.trust_remote_code, options.processor)
        with classified(model.path):
            return cls(model.path, loaded.to(device), tokenizer, options, images)  # type: ignore[arg-type]

    @classmethod
    def renderer(cls, model: ModelConfig) -> TransformersRenderer:
        """The tokenizer alone, for prompts and their lengths where no weights are needed. Raises as `load` does."""
        options = parse_options(model, Options)
        tokenizer, config = open_renderer(model.path, options.revision, options.trust_remote_code)
        images = open_images(model.path, options.revision, options.trust_remote_code, options.processor)
        return TransformersRenderer(model.path, tokenizer, context_length_of(config), images)

    @classmethod
    def load_to_train(cls, path: str, settings: TrainableSettings) -> "TransformersEngine":
        """A model whose layers stay torch's own. Raises ConfigError for a GGUF file, and as `load` does."""
        if path.endswith(".gguf"):
            raise ConfigError(
                f"model.path: {path}: a GGUF file holds rounded weights and can only be sampled; train a folder"
            )
        options: dict[str, Any] = {
            "device": settings.device,
            "dtype": settings.dtype,
            "threads": settings.threads,
            "trust_remote_code": settings.trust_remote_code,
            "packed": False,
        }
        cuda = settings.device.startswith("cuda") or (settings.device == "auto" and torch.cuda.is_available())
        options["batch_size"] = settings.rows or (_GPU_ROWS_IN_TRAINING if cuda else None)
        engine = cls.load(ModelConfig(path=path, options=options))
        engine.rows_key = "rollout.rows"
        return engine

    def close(self) -> None:
        for name in ("_model", "_forward", "_memory"):
            self.__dict__.pop(name, None)
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _fastest(self) -> Forward | PlainForward:
        """The fastest way through the model that gives its own probabilities. Raises EngineError where none does."""
        model, what = self._model, f"{self._path}: {type(self._model).__name__}"
        if supports(model.config):
            forward = forward_of(model, self._options.cuda_graphs)
            if self._state_bytes(forward) and distance_of_rows(forward) <= _LARGEST_DISTANCE:
                return forward
        encodes, behind = (float("inf"), 0.0) if waits_for_encoder(model) else measure(model)
        if encodes > _LARGEST_DISTANCE:
            broken = next((name for name, each in model.named_parameters() if not torch.isfinite(each).all()), None)
            if broken is not None:
                raise EngineError(
                    f"{self._path}: its weights hold what is no number, such as {broken}: the checkpoint is damaged, "
                    "or its training diverged"
                )
            raise EngineError(
                f"{what} has other probabilities token by token than for a text read at once: it is an encoder or "
                "needs one, and continues no text"
            )
        return PlainForward(model, cached=behind <= _LARGEST_DISTANCE)

    @staticmethod
    @torch.inference_mode()
    def _state_bytes(forward: Forward) -> int:
        """What one token of one row takes in the cache. One is read to see it: configs say it in many ways."""
        (read,) = forward.read([[0]])
        return sum(states.nbytes for layer in read.states for states in layer)

    @property
    def shares_prompts(self) -> bool:
        """Whether the model's cache is keys and values, which samples can share."""
        return not isinstance(self._forward, PlainForward)

    @property
    def model(self) -> PreTrainedModel:
        """The model itself: whoever trains it samples from the weights as they are."""
        return self._model

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens at which a response ends."""
        return self._end_tokens

    def identity(self) -> Mapping[str, str]:
        model = self._model
        revision = getattr(model.config, "_commit_hash", None) or self._options.revision
        return {
            "engine": f"transformers {transformers.__version__}, torch {torch.__version__}",
            "model": self._path,
            "revision": revision or "local files",
            "weights": fingerprint(self._path, self._options.revision),
            "architecture": type(model).__name__,
            "parameters": str(self._parameters),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": _device_name(model.device),
            "kernels": f"oneDNN with packed weights in {self._packed} layers" if self._packed else "torch",
            "context_length": str(self.context_length),
            **({"decoding": self._forward.statement} if isinstance(self._forward, PlainForward) else {}),
            **({"images": self._images.statement()} if isinstance(self._images, ImageReader) else {}),
            "end_tokens": ", ".join(str(token) for token in sorted(self._end_tokens)) or "none",
            "ends_named_by": end_tokens_statement(self._end_sources),
            "ignored_settings": ignored_statement(model.generation_config),
            **seeds_statement(self),
        }

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        """One sample per request, as they end.

        Raises EngineError where a prompt leaves too little room, memory runs out, or probabilities are not finite.
        """
        yield from self._decode(requests, sampling, completely=False)

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]:
        """`generate` with token ids and their log-probabilities under the sampling distribution.

        Raises ConfigError unless top_p is 1.
        """
        if sampling.top_p != 1:
            raise ConfigError("top_p must be 1 where a model is trained: cut-off tokens have no log-probability")
        yield from self._decode(requests, sampling, completely=True)

    def score(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[float]:
        """See `engines.Scorer`. A response to an empty prompt, or one beyond the context, is an EngineError."""
        self._check_length(prompt_ids, response_ids)
        return score(self._model, prompt_ids, response_ids, self.shares_prompts)

    def _check_length(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> None:
        tokens = len(prompt_ids) + len(response_ids)
        if not prompt_ids:
            raise EngineError(f"{self._path}: a response without a prompt has no probability of its first token")
        if self.context_length is not None and tokens > self.context_length:
            raise EngineError(f"{self._path}: {tokens} tokens to score exceed the context of {self.context_length}")

    def score_together(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], sampling: SamplingConfig
    ) -> Iterator[Scored]:
        """See `engines.BatchScorer`. Raises EngineError as `score`."""
        for prompt, response in texts:
            self._check_length(prompt, response)
        yield from score_together(self._model, texts, sampling.temperature, sampling.top_p, self.shares_prompts)

    def read_back(self, prompt_ids: Sequence[int], token_ids: Sequence[int], stop: tuple[str, ...]) -> str:
        """See `engines.BatchScorer`."""
        tokens = list(token_ids)
        said = tokens[:-1] if tokens and tokens[-1] in self._end_tokens else tokens
        return self._text.visible(said, stop, self._text.before(prompt_ids))

    def distribution(self, forest: Forest, sampling: SamplingConfig) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `engines.DistributionReader`. Raises EngineError where a path is longer than the context."""
        longest = int(forest.depths.max(initial=-1)) + 1
        if self.context_length is not None and longest > self.context_length:
            raise EngineError(f"{self._path}: {longest} tokens to read exceed the context of {self.context_length}")
        for nodes, logits in forest_logits(self._model, forest):
            yield nodes, log_distribution(logits, sampling.temperature, sampling.top_p).cpu().numpy()

    def shown(self, token: int) -> str:
        """What one token leaves in the text of a response: nothing of a special one."""
        return self._text.visible([token], (), self._behind_a_letter)

    @cached_property
    def _behind_a_letter(self) -> Before:
        return self._text.before(self.encode("a", rendered=True))

    @property
    def vocabulary_size(self) -> int:
        """How many tokens may be drawn."""
        head: Any = self._model.get_output_embeddings()
        return int(head.weight.shape[0])

    def sampling_layout(self, rows: int) -> AbstractContextManager[object]:
        return packed(self._model, rows)

    def _decode(self, requests: Sequence[Request], sampling: SamplingConfig, completely: bool) -> Iterator[Any]:
        asked_for = {request.prompt.content: request for request in requests}
        prompts = {shown: self.encode_prompt(request.prompt) for shown, request in asked_for.items()}
        if any(isinstance(prompt, ImagePrompt) for prompt in prompts.values()):
            self._check_images()
        for shown, request in asked_for.items():
            self._refuse_unknown_tokens(request.prompt.problem_id, prompts[shown])
            check_room(request, len(prompts[shown]), sampling.max_new_tokens, self.context_length, self._path)
        slots = min(self._rows(max(map(len, prompts.values()), default=0) + sampling.max_new_tokens), len(requests))
        asked = (prompts, requests, slots, sampling)
        try:
            kind: Any = PlainLoop if isinstance(self._forward, PlainForward) else DecodeLoop
            loop = kind(self._forward, self._text, self._end_tokens, *asked, self._memory)
            yield from loop.completions() if completely else loop.run()
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            raise EngineError(
                f"{self._path}: out of memory on {_device_name(self._model.device)} with {slots} rows; set a smaller "
                f"{self.rows_key} (for example {max(1, slots // 2)}) or a smaller max_new_tokens"
            ) from error

    def _check_images(self) -> None:
        """Once, before the first image is read. Raises EngineError where branches of the cache would be another model.

        Two small pictures of other shapes are read, branched and gone on with, and read at once by the model alone.
        """
        if self._images_checked or not isinstance(self._images, ImageReader):
            return
        what = f"{self._path}: {type(self._model).__name__}"
        if isinstance(self._forward, PlainForward):
            raise EngineError(f"{what} reads images, but {self._forward.statement}; serve it (engine = 'openai')")
        try:
            distance = distance_of_images(self._forward, self._images.probes(probe_images()))
        except Exception as error:  # models of a hundred authors
            raise EngineError(f"{what} cannot be read with images here ({one_line(error)}); serve it") from error
        if not distance <= _LARGEST_DISTANCE:
            raise EngineError(
                f"{what} has other probabilities token by token behind an image than for all of it read at once; "
                "serve it (engine = 'openai')"
            )
        self._images_checked = True

    def _rows(self, tokens: int) -> int:
        """How many samples of so many tokens are decoded together."""
        if self._options.batch_size is not None:
            return self._options.batch_size
        if self._model.device.type != "cpu":
            return _GPU_ROWS
        fewest, most = _CPU_ROWS
        if not self._token_bytes:
            return fewest
        return max(fewest, min(most, _CPU_CACHE // (tokens * self._token_bytes)))

    def _refuse_unknown_tokens(self, problem_id: str, prompt: Sequence[int]) -> None:
        if max(prompt, default=0) >= self._embedded:
            raise EngineError(
                f"problem {problem_id}: its prompt has the token {max(prompt)}; {self._path} embeds {self._embedded}"
            )


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"
