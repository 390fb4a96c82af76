"""Models on this machine through transformers: a Hugging Face folder, a hub name or a GGUF file, on CPU or GPU.

Decisions. The sampling distribution is the study's alone: temperature, then top-p, then nothing. Of a model's own
generation settings only the end tokens are taken; penalties and top-k that it recommends are left out, and `identity`
lists them. A prompt that already begins with the beginning-of-text token (chat templates write it out) does not get a
second one. `auto` means the GPU where there is one, with the weights' own dtype, and otherwise the CPU with float32. A
model whose samples would be wrong is refused when it is loaded: branches of the cache are compared with the model's own
reading.

The loop is in `transformers_decode.py`, the sampling distribution in `transformers_draw.py`, the cache in
`transformers_cache.py`, the calls of the model in `transformers_forward.py`, scores in `transformers_score.py`. Images,
several GPUs, quantised kernels and adapters are left out: serve such a model elsewhere.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stderr
from functools import cached_property
from hashlib import blake2b
from io import StringIO
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
import transformers
from pydantic import Field
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file

from move37.config import ModelConfig, SamplingConfig, Settings
from move37.engines import Completion, Scored, TrainableSettings, parse_options, refuse_images, seeds_statement
from move37.engines.forest import Forest
from move37.engines.transformers_cache import SlotMemory, supports
from move37.engines.transformers_decode import DecodeLoop
from move37.engines.transformers_draw import log_distribution
from move37.engines.transformers_forest import forest_logits
from move37.engines.transformers_forward import distance_of_rows, forward_of
from move37.engines.transformers_packed import can_pack, pack, packed
from move37.engines.transformers_score import score, score_together
from move37.engines.transformers_text import ResponseText
from move37.errors import ConfigError, EngineError, MissingExtraError
from move37.types import FloatArray, IntArray, Message, Prompt, Request, Sample

Made = TypeVar("Made", Sample, Completion)

_WEIGHTS = (".safetensors", ".bin", ".gguf")
_MEBIBYTE = 2**20
_GPU_ROWS = 128
_GPU_ROWS_IN_TRAINING = 512
_CPU_ROWS = (64, 1024)
"""A large model gains nothing beyond 64 rows; of a small one a step costs little more for many than for few."""
_CPU_CACHE = 2**29
"""Bytes of keys and values that more than the fewest rows may take."""
_LARGEST_DISTANCE = 0.2
"""See `distance_of_rows`: far above what rounding does."""
_DISTRIBUTION_SETTINGS = (
    "repetition_penalty",
    "top_k",
    "min_p",
    "typical_p",
    "no_repeat_ngram_size",
    "suppress_tokens",
)


class Options(Settings):
    batch_size: int | None = Field(
        None,
        ge=1,
        description="Samples decoded together; default 128 on a GPU, on a CPU 64 to 1024 by the model's size.",
    )
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="Precision of the weights.")
    threads: int | None = Field(None, ge=1, le=4096, description="Threads of torch; default: torch's own choice.")
    revision: str | None = Field(None, description="Branch, tag or commit of a hub name.")
    trust_remote_code: bool = Field(False, description="Run the model's own Python code.")
    packed: bool = Field(True, description="Lay out float32 weights for oneDNN on a CPU; off: torch's own kernels.")
    cuda_graphs: bool = Field(True, description="Record steps of Llama-type models on a GPU; off: launch every kernel.")


class TransformersRenderer:
    """The tokenizer and the configuration of a model, without its weights: prompts, and how long they are."""

    def __init__(self, path: str, tokenizer: PreTrainedTokenizerBase, context_length: int | None) -> None:
        self._path, self._tokenizer, self.context_length = path, tokenizer, context_length

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._tokenizer

    def render_prompt(self, messages: Sequence[Message]) -> str:
        refuse_images(self._path, messages)
        if self._tokenizer.chat_template is None:
            raise ConfigError(f"sampling.template: {self._path} has no chat template; use qwen-boxed, r1 or completion")
        written = [{"role": message.role, "content": message.text} for message in messages]
        text = self._tokenizer.apply_chat_template(written, add_generation_prompt=True, tokenize=False)
        assert isinstance(text, str)
        return text

    def count_tokens(self, prompt: Prompt) -> int:
        refuse_images(self._path, prompt.messages)
        return len(self.encode(prompt.text))

    def encode(self, text: str) -> list[int]:
        """The token ids of a prompt, as `generate` would see it."""
        begin = self._tokenizer.bos_token
        written_out = isinstance(begin, str) and text.startswith(begin)
        return self._tokenizer(text, add_special_tokens=not written_out)["input_ids"]  # type: ignore[return-value]


class TransformersEngine(TransformersRenderer):
    """See the module."""

    seed_reproduces_sample = True

    def __init__(self, path: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, options: Options) -> None:
        super().__init__(path, tokenizer, _context_length(model.config))
        self._model = model
        self._options = options
        self._text = ResponseText(tokenizer)
        self._end_tokens = _end_tokens(model, tokenizer)
        self._parameters = model.num_parameters()
        self._forward, self._memory = forward_of(model, options.cuda_graphs), SlotMemory()
        self._packed = 0
        if options.packed and model.device.type == "cpu" and can_pack():
            self._packed = pack(model, options.batch_size or _CPU_ROWS[0])

    @classmethod
    def load(cls, model: ModelConfig) -> "TransformersEngine":
        """Raises ConfigError for an unknown option, EngineError where nothing usable is at `model.path`."""
        options = parse_options(model, Options)
        device = _device(options.device, model.path)
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        dtype = options.dtype if options.dtype != "auto" or device.type != "cpu" else "float32"
        with _classified(model.path), quiet():
            where = _where(model.path, options)
            tokenizer = AutoTokenizer.from_pretrained(**where)
            opened: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=dtype, output_loading_info=True)
        loaded, report = opened
        if report["missing_keys"]:
            raise EngineError(
                f"{model.path}: {len(report['missing_keys'])} weights are missing, such as "
                f"{min(report['missing_keys'])}; transformers would make them up"
            )
        with _classified(model.path):
            engine = cls(model.path, loaded.eval().to(device), tokenizer, options)
            reason = engine._why_unfit()
        if reason is not None:
            raise EngineError(f"{model.path}: {type(loaded).__name__} {reason}")
        return engine

    @classmethod
    def renderer(cls, model: ModelConfig) -> TransformersRenderer:
        """The tokenizer alone, for prompts and their lengths where no weights are needed. Raises as `load` does."""
        options = parse_options(model, Options)
        with _classified(model.path), quiet():
            where = _where(model.path, options)
            tokenizer, config = AutoTokenizer.from_pretrained(**where), AutoConfig.from_pretrained(**where)
        return TransformersRenderer(model.path, tokenizer, _context_length(config))

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
        return cls.load(ModelConfig(path=path, options=options))

    def close(self) -> None:
        for name in ("_model", "_forward", "_memory"):
            self.__dict__.pop(name, None)
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()

    def _why_unfit(self) -> str | None:
        """Why samples of this model would be wrong or impossible, or None."""
        if not supports(self._model.config) or self._token_bytes == 0:
            return (
                "keeps a state other than keys and values, which this engine cannot share between samples; serve the "
                "model with another engine"
            )
        if distance_of_rows(self._forward) > _LARGEST_DISTANCE:
            return (
                "has other probabilities token by token than for a text read at once: it is an encoder or needs one, "
                "and continues no text"
            )
        return None

    @property
    def model(self) -> PreTrainedModel:
        """The model itself: whoever trains it samples from the weights as they are."""
        return self._model

    @property
    def end_tokens(self) -> frozenset[int]:
        """The tokens at which a response ends."""
        return self._end_tokens

    def identity(self) -> Mapping[str, str]:
        model, settings = self._model, self._model.generation_config
        ignored = (
            {name: getattr(settings, name, None) for name in _DISTRIBUTION_SETTINGS} if settings is not None else {}
        )
        revision = getattr(model.config, "_commit_hash", None) or self._options.revision
        return {
            "engine": f"transformers {transformers.__version__}, torch {torch.__version__}",
            "model": self._path,
            "revision": revision or "local files",
            "weights": _fingerprint(self._path, self._options),
            "architecture": type(model).__name__,
            "parameters": str(self._parameters),
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": _device_name(model.device),
            "kernels": f"oneDNN with packed weights in {self._packed} layers" if self._packed else "torch",
            "context_length": str(self.context_length),
            "end_tokens": ", ".join(str(token) for token in sorted(self._end_tokens)) or "none",
            "ignored_settings": ", ".join(f"{k}={v}" for k, v in ignored.items() if v not in (None, 1.0)) or "none",
            **seeds_statement(self),
        }

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        """One sample per request, as they end.

        Raises EngineError where a prompt leaves too little room, memory runs out, or probabilities are not finite.
        """
        yield from self._decode(requests, sampling, DecodeLoop.run)

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]:
        """`generate` with token ids and their log-probabilities under the sampling distribution.

        Raises ConfigError unless top_p is 1.
        """
        if sampling.top_p != 1:
            raise ConfigError("top_p must be 1 where a model is trained: cut-off tokens have no log-probability")
        yield from self._decode(requests, sampling, DecodeLoop.completions)

    def score(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[float]:
        """See `engines.Scorer`. A response to an empty prompt, or one beyond the context, is an EngineError."""
        self._check_length(prompt_ids, response_ids)
        return score(self._model, prompt_ids, response_ids)

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
        yield from score_together(self._model, texts, sampling.temperature, sampling.top_p)

    def read_back(self, token_ids: Sequence[int], stop: tuple[str, ...]) -> str:
        """See `engines.BatchScorer`."""
        tokens = list(token_ids)
        return self._text.visible(tokens[:-1] if tokens and tokens[-1] in self._end_tokens else tokens, stop)

    def distribution(self, forest: Forest, sampling: SamplingConfig) -> Iterator[tuple[IntArray, FloatArray]]:
        """See `engines.DistributionReader`. Raises EngineError where a path is longer than the context."""
        longest = int(forest.depths.max(initial=-1)) + 1
        if self.context_length is not None and longest > self.context_length:
            raise EngineError(f"{self._path}: {longest} tokens to read exceed the context of {self.context_length}")
        for nodes, logits in forest_logits(self._model, forest):
            yield nodes, log_distribution(logits, sampling.temperature, sampling.top_p).cpu().numpy()

    def shown(self, token: int) -> str:
        """What one token leaves in the text of a response: nothing of a special one."""
        return self._text.visible([token], ())

    @property
    def vocabulary_size(self) -> int:
        """How many tokens may be drawn."""
        head: Any = self._model.get_output_embeddings()
        return int(head.weight.shape[0])

    def sampling_layout(self, rows: int) -> AbstractContextManager[object]:
        return packed(self._model, rows)

    def _decode(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        run: Callable[[DecodeLoop], Iterator[Made]],
    ) -> Iterator[Made]:
        for problem_id, prompt in {request.prompt.problem_id: request.prompt for request in requests}.items():
            refuse_images(f"problem {problem_id}", prompt.messages)
        prompts = {text: self.encode(text) for text in dict.fromkeys(request.prompt.text for request in requests)}
        for request in requests:
            self._check_room(request, len(prompts[request.prompt.text]), sampling.max_new_tokens)
        slots = min(self._rows(max(map(len, prompts.values()), default=0) + sampling.max_new_tokens), len(requests))
        asked = (prompts, requests, slots, sampling)
        try:
            yield from run(DecodeLoop(self._forward, self._text, self._end_tokens, *asked, self._memory))
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            raise EngineError(
                f"{self._path}: out of memory on {_device_name(self._model.device)} with {slots} rows; set a smaller "
                f"options.batch_size (for example {max(1, slots // 2)}) or a smaller max_new_tokens"
            ) from error

    def _rows(self, tokens: int) -> int:
        """How many samples of so many tokens are decoded together."""
        if self._options.batch_size is not None:
            return self._options.batch_size
        if self._model.device.type != "cpu":
            return _GPU_ROWS
        fewest, most = _CPU_ROWS
        return max(fewest, min(most, _CPU_CACHE // (tokens * self._token_bytes)))

    @cached_property
    def _token_bytes(self) -> int:
        """What one token of one row takes in the cache. One is read to see it: configs say it in many ways."""
        with torch.inference_mode():
            (read,) = self._forward.read([[0]])
        return sum(states.nbytes for layer in read.states for states in layer)

    def _check_room(self, request: Request, prompt_tokens: int, max_new_tokens: int) -> None:
        if prompt_tokens == 0:
            raise EngineError(f"problem {request.prompt.problem_id}: its prompt is empty for this tokenizer")
        if self.context_length is not None and prompt_tokens + max_new_tokens > self.context_length:
            raise EngineError(
                f"problem {request.prompt.problem_id}: {prompt_tokens} prompt tokens and max_new_tokens = "
                f"{max_new_tokens} exceed the context of {self.context_length} tokens of {self._path}; set "
                f"max_new_tokens to at most {self.context_length - prompt_tokens}"
            )


def _where(path: str, options: Options) -> dict[str, Any]:
    """The arguments that make transformers open `path`. Raises EngineError where nothing can be there."""
    found = Path(path).expanduser()
    common = {"revision": options.revision, "trust_remote_code": options.trust_remote_code}
    if path.endswith(".gguf"):
        if not found.is_file():
            raise EngineError(f"{path}: no such GGUF file")
        with found.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise EngineError(f"{path}: not a GGUF file (it does not begin with the letters GGUF)")
        return {"pretrained_model_name_or_path": str(found.parent), "gguf_file": found.name, **common}
    if found.is_file():
        raise EngineError(f"{path}: a file, but not a .gguf one; give the model's folder, a hub name or a GGUF file")
    if found.is_dir() and not (found / "config.json").is_file():
        raise EngineError(f"{path}: not a model folder (no config.json in it)")
    return {"pretrained_model_name_or_path": str(found) if found.is_dir() else path, **common}


@contextmanager
def _classified(path: str) -> Iterator[None]:
    """What transformers raises while loading, in one line."""
    try:
        yield
    except EngineError:
        raise
    except ImportError as error:
        raise MissingExtraError(f"{path}: {_one_line(error)}: pip install 'move37[local]'") from error
    except Exception as error:  # transformers raises a dozen kinds, and a plugin's errors are classified here
        hint = "" if Path(path).exists() else "; there is no such local folder, so it was looked up as a hub name"
        raise EngineError(f"{path}: cannot be loaded as a causal language model: {_one_line(error)}{hint}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own progress bars, which would be drawn over ours (GGUF's heeds no setting)."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _device(name: str, path: str) -> torch.device:
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= available:
        raise ConfigError(f"model {path!r}: options.device: {name} is not there (GPUs: {available}); use cpu or auto")
    return device


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens at which `generate` would end: the generation settings', else the tokenizer's."""
    ends = None if model.generation_config is None else model.generation_config.eos_token_id
    if ends is None:
        ends = tokenizer.eos_token_id
    return frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends])  # type: ignore[arg-type]


def _context_length(model_config: PreTrainedConfig) -> int | None:
    """Most tokens of a prompt and its response, None where there is no limit.

    Beyond its first length `longrope` turns all tokens by other angles, which keys that are kept and other rows cannot
    follow: such models end there.
    """
    config = model_config.get_text_config(decoder=True)
    longest = getattr(config, "max_position_embeddings", None)
    angles: Any = getattr(config, "rope_parameters", None) or {}
    return angles["original_max_position_embeddings"] if angles.get("rope_type") == "longrope" else longest


def _fingerprint(path: str, options: Options) -> str:
    """A hash of the weight files' names, sizes and first and last MiB: cheap, and enough to tell checkpoints apart."""
    found = Path(path).expanduser()
    if not found.exists():
        config = cached_file(path, "config.json", revision=options.revision)
        if config is None:
            return "unknown"
        found = Path(config).parent
    files = [found] if found.is_file() else sorted(f for f in found.iterdir() if f.suffix in _WEIGHTS)
    digest = blake2b(digest_size=8)
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}:".encode())
        with file.open("rb") as content:
            digest.update(content.read(_MEBIBYTE))
            content.seek(max(0, size - _MEBIBYTE))
            digest.update(content.read(_MEBIBYTE))
    return f"blake2b {digest.hexdigest()} of {len(files)} files' names, sizes, first and last MiB"


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 240 else text[:237] + "..."
