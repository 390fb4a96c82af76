"""Models on this machine through vLLM's engine itself, without a server: many samples at a time, on one or many GPUs.

Decisions. vLLM runs in a process of its own (`engine_process.py`, `vllm_child.py`) that ends when the model is let go
of, so that checkpoints one after the other leave nothing behind; it may run in another environment than this one
(`python`), for vLLM pins the versions of what it needs. Prompts are written, and cut into tokens, here: token for token
what the engine `transformers` continues. Images are handed over decoded, as files, once each, and what vLLM puts into a
prompt for them has to be what the model's own processor puts there. Every sample is a request of its own with its own
seed, and comes back when it ends. Its text is made here from its tokens, and where a stop string was completed is
looked for here again, so that both mean what they mean to the engine `transformers`. The sampling distribution is the
study's alone: the model's own generation settings are not read but for the tokens at which a response ends, the same
union as there.

vLLM draws the same sample for a seed only where nothing else depends on what runs beside it (`batch_invariant`).
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field
from transformers import GenerationConfig, PreTrainedTokenizerBase

from move37.config import ModelConfig, SamplingConfig, Settings
from move37.engines import Completion, Scored, check_room, parse_options, refuse_images, seeds_statement
from move37.engines.engine_process import EngineProcess, EngineProcesses, Program
from move37.engines.metering import Replica
from move37.engines.transformers_images import ImagePrompt, ImageReader
from move37.engines.transformers_load import (
    adapter_base,
    context_length_of,
    open_images,
    open_renderer,
    place_of,
)
from move37.engines.transformers_render import (
    TransformersRenderer,
    end_sources,
    end_tokens_statement,
    ignored_statement,
)
from move37.engines.transformers_text import ResponseText
from move37.engines.vllm_adapter import adapter_arguments
from move37.engines.weight_files import fingerprint, refuse_torn
from move37.errors import ConfigError, EngineError, MissingExtraError
from move37.images import pixels
from move37.types import FinishReason, Prompt, Request, Sample, Segment

_CHILD = Path(__file__).with_name("vllm_child.py")
_AT_ONCE = 1024
"""Requests that vLLM is taken to sample at once where `max_num_seqs` does not say."""
_ADVICE = {
    "max_model_len": " (options.max_model_len, options.gpu_memory_utilization)",
    "gpu_memory_utilization": " (options.gpu_memory_utilization)",
    "out of memory": "; lower options.gpu_memory_utilization, options.max_num_seqs or options.max_num_batched_tokens",
    "SIGKILL": "; if nobody ended it, the machine was short of memory",
    "unexpected keyword argument": " (options.engine_args)",
    "orld size": " (options.tensor_parallel_size, options.pipeline_parallel_size)",
    "quantization": " (options.quantization, options.dtype)",
    "KVCACHE_SPACE": "; export VLLM_CPU_KVCACHE_SPACE=<GiB that are free>",
}
"""What a reason holds, and the setting that helps."""
_AROUND = re.compile(r"^(\w+: )\d+ validation errors? for \w+ (?:Value error, )?|\s*\[type=.*$")
"""What pydantic says around a reason."""
_PASSED = {
    *("dtype", "quantization", "tensor_parallel_size", "pipeline_parallel_size", "gpu_memory_utilization"),
    *("max_model_len", "max_num_seqs", "max_num_batched_tokens", "enable_prefix_caching", "enforce_eager"),
    *("revision", "trust_remote_code"),
}
"""Options that vLLM's engine takes as they are."""
_OWN = frozenset(
    {"model", "tokenizer", "generation_config", "seed", "enable_lora", "logprobs_mode", "skip_tokenizer_init"}
    | {"mm_processor_kwargs"}
    | {"data_parallel_size", "disable_log_stats"}
)


class Options(Settings):
    """Those that vLLM has too go by the name that they have there."""

    python: str | None = Field(default=None, description="Interpreter of the environment with vLLM; default: this one.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="Precision of the weights."
    )
    quantization: str | None = Field(
        default=None, description="How weights are rounded; default: as the model's config says."
    )
    tensor_parallel_size: int = Field(default=1, ge=1, description="GPUs that share each layer.")
    pipeline_parallel_size: int = Field(default=1, ge=1, description="Groups of GPUs with a part of the layers each.")
    data_parallel_size: int = Field(
        default=1, ge=1, le=1024, description="Copies of the model, which share the requests."
    )
    gpu_memory_utilization: float | None = Field(
        default=None, gt=0, le=1, description="Share of each GPU's memory that vLLM takes; default: vLLM's own."
    )
    max_model_len: int | None = Field(
        default=None, ge=2, description="Context: a shorter one takes less memory; default: the model's own."
    )
    max_num_seqs: int | None = Field(
        default=None, ge=1, description="Samples made at once by each copy; default: vLLM's own."
    )
    enable_prefix_caching: bool = Field(default=True, description="Read each prompt once for all of its samples.")
    enforce_eager: bool = Field(default=False, description="Compile and record nothing: slower, and there sooner.")
    batch_invariant: bool = Field(
        default=False,
        description="Kernels that do not depend on the batch, so that a seed reproduces a sample; GPUs only.",
    )
    logprobs: bool = Field(default=True, description="Keep each sample's log-probability; off: somewhat faster.")
    max_num_batched_tokens: int = Field(
        default=2048,
        ge=16,
        description="Tokens of one step; bounds the memory that scoring takes (this by the vocabulary).",
    )
    revision: str | None = Field(default=None, description="Branch, tag or commit of a hub name.")
    trust_remote_code: bool = Field(default=False, description="Run the model's own Python code.")
    processor: dict[str, Any] = Field(
        default={}, description="Settings of the model's image processor, such as max_pixels; default: its own."
    )
    engine_args: dict[str, Any] = Field(
        default={}, description="Further arguments of vLLM's EngineArgs, as it takes them."
    )

    def arguments(self) -> dict[str, Any]:
        """Of vLLM's engine, but for what model it is. Raises ConfigError for one that is not the user's to give."""
        given = _OWN | type(self).model_fields.keys()
        if taken := sorted(self.engine_args.keys() & given):
            raise ConfigError(f"options.engine_args: {', '.join(taken)}: not here; see the other options")
        settings = self.model_dump(include=_PASSED, exclude_none=True)
        return {
            **settings,
            "generation_config": "vllm",
            "disable_log_stats": True,
            **({"mm_processor_kwargs": self.processor} if self.processor else {}),
            "seed": 0,  # of nothing that is sampled: each request has its own
            **self.engine_args,
        }


class _Made(NamedTuple):
    """What came of a request: `logprob` of all tokens together, None where it was not asked for."""

    request: Request
    prompt: list[int]
    tokens: list[int]
    logprob: float | None
    logprobs: list[float] | None
    finish: FinishReason


class VLLMEngine(TransformersRenderer):
    """See the module. vLLM loads the model while prompts are written; what needs it waits for it."""

    def __init__(
        self, path: str, options: Options, tokenizer: PreTrainedTokenizerBase, config: Any, processes: EngineProcesses
    ) -> None:
        context = context_length_of(config)
        given = [each for each in (options.max_model_len, context) if each is not None]
        images = open_images(path, options.revision, options.trust_remote_code, options.processor)
        super().__init__(path, tokenizer, min(given, default=None), images)
        self.seed_reproduces_sample = options.batch_invariant
        self._options, self._processes = options, processes
        self._text = ResponseText(tokenizer)
        self._settings = _generation_settings(path, config, options)
        rows = int(config.get_text_config(decoder=True).vocab_size)
        self._end_sources = end_sources(self._settings, rows, tokenizer)
        self.end_tokens = frozenset[int]().union(*self._end_sources.values())
        self._opened: dict[str, Any] = {}

    @classmethod
    def load(cls, model: ModelConfig) -> "VLLMEngine":
        """Raises ConfigError for an option, EngineError where nothing usable is at `model.path`."""
        return cls._start(model, "raw_logprobs")

    @classmethod
    def load_to_roll_out(cls, model: ModelConfig) -> "VLLMEngine":
        """For `completions`: log-probabilities are those of the sampling distribution. Raises as `load`."""
        return cls._start(model, "processed_logprobs")

    @classmethod
    def _start(cls, model: ModelConfig, logprobs_mode: str) -> "VLLMEngine":
        options = parse_options(model, Options)
        if options.python is not None and shutil.which(options.python) is None:
            raise ConfigError(
                f"options.python: no program at {options.python!r}; give the interpreter of an environment"
            )
        base = adapter_base(model.path)
        tokenizer, config = open_renderer(model.path, options.revision, options.trust_remote_code)
        where = place_of(base or model.path, options.revision, options.trust_remote_code)
        if "gguf_file" in where:
            raise ConfigError(f"model {model.path!r}: vLLM reads folders and hub names; use engine = 'transformers'")
        refuse_torn(where["pretrained_model_name_or_path"])
        arguments = {"model": where["pretrained_model_name_or_path"], **options.arguments()}
        arguments |= {"tokenizer": tokenizer.name_or_path or arguments["model"], "logprobs_mode": logprobs_mode}
        arguments |= {} if base is None else adapter_arguments(model.path)
        share = options.tensor_parallel_size * options.pipeline_parallel_size if options.data_parallel_size > 1 else 0
        opening = {"arguments": arguments, "devices": share, "adapter": model.path if base is not None else None}
        started: list[EngineProcess] = []
        try:
            for replica in range(options.data_parallel_size):
                started.append(EngineProcess(_program(model.path, options, {**opening, "replica": replica})))
            processes = EngineProcesses(started, options.max_num_seqs or _AT_ONCE)
            return cls(model.path, options, tokenizer, config, processes)
        except BaseException:
            for process in started:
                process.close()
            raise

    def _open(self) -> dict[str, Any]:
        """What vLLM says of the model, once it has it. Raises EngineError where it cannot open it."""
        if not self._opened:
            self._opened = self._processes.opened()
            self.context_length = min(self._opened["context"], self.context_length or self._opened["context"])
        return self._opened

    def identity(self) -> Mapping[str, str]:
        opened, options = self._open(), self._options
        sizes = ("tensor", "pipeline", "data")
        parallel = {name: getattr(options, f"{name}_parallel_size") for name in sizes}
        quantized = {"quantization": str(opened["quantization"])} if opened["quantization"] else {}
        return {
            "engine": f"vllm {opened['version']}",
            "model": self._path,
            "revision": options.revision or "local files",
            "weights": fingerprint(self._path, options.revision),
            "dtype": opened["dtype"],
            **quantized,
            "device": opened["device"],
            "parallel": ", ".join(f"{name} {size}" for name, size in parallel.items() if size > 1) or "none",
            "context_length": str(self.context_length),
            "prefix_caching": "on" if opened["prefix_caching"] else "off",
            "end_tokens": ", ".join(str(token) for token in sorted(self.end_tokens)) or "none",
            "ends_named_by": end_tokens_statement(self._end_sources),
            "ignored_settings": ignored_statement(self._settings),
            **({"images": self._images.statement()} if isinstance(self._images, ImageReader) else {}),
            **({"engine_args": str(options.engine_args)} if options.engine_args else {}),
            **seeds_statement(self),
        }

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        """One sample per request, as they end.

        Raises EngineError where a prompt leaves too little room, or vLLM ends; what was made before was delivered.
        """
        if sampling.keep_tokens and not self._options.logprobs:
            raise ConfigError("sampling.keep_tokens: needs log-probabilities; set options.logprobs = true")
        for made in self._made(requests, sampling, sampling.keep_tokens):
            yield self._sample(made, made.logprob, sampling.keep_tokens)

    def completions(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Completion]:
        """`generate` with token ids and their log-probabilities under the sampling distribution.

        Of an engine from `load_to_roll_out`. Raises ConfigError unless top_p is 1, and for images.
        """
        for prompt in {request.prompt.problem_id: request.prompt for request in requests}.values():
            refuse_images(f"problem {prompt.problem_id}: vLLM in training", prompt.messages)
        if sampling.top_p != 1:
            raise ConfigError("top_p must be 1 where a model is trained: cut-off tokens have no log-probability")
        for made in self._made(requests, sampling, keep=True):
            own = made.logprob if sampling.temperature in (0.0, 1.0) else None  # at others the model's is not known
            sample = self._sample(made, own, keep=False)
            yield Completion(sample, tuple(made.prompt), tuple(made.tokens), tuple(made.logprobs or ()))

    def _made(self, requests: Sequence[Request], sampling: SamplingConfig, keep: bool) -> Iterator["_Made"]:
        """What vLLM makes, cut behind the first completed stop string."""
        prompts = {request.prompt.content: request.prompt for request in requests}
        encoded = {content: self.encode_prompt(prompt) for content, prompt in prompts.items()}
        self._open()
        for request in requests:
            check_room(
                request,
                len(encoded[request.prompt.content]),
                sampling.max_new_tokens,
                self.context_length,
                self._path,
                ", or a larger options.max_model_len",
            )
        settings = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            "ends": sorted(self.end_tokens),
            "logprobs": self._options.logprobs or keep,
            "keep": keep,
        }
        with tempfile.TemporaryDirectory(prefix="move37-images-") as folder:
            given = {content: self._given(prompt, Path(folder)) for content, prompt in prompts.items()}
            jobs = [(*given[each.prompt.content], each.seed, each.prompt.stop) for each in requests]
            for place, made in self._processes.run("sample", jobs, sampling=settings):
                request = requests[place]
                yield self._taken(request, list(encoded[request.prompt.content]), made, bool(settings["logprobs"]))

    def _given(self, prompt: Prompt, folder: Path) -> tuple[list[int], list[tuple[str, str]]]:
        """The tokens of a prompt as its author wrote it, one mark for an image, and the images by digest and file."""
        files = []
        for image in prompt.images:
            file = folder / f"{image.digest}.png"
            if not file.exists():
                pixels(image, prompt.problem_id).save(file)
            files.append((image.digest, str(file)))
        return self.encode(prompt.text, prompt.rendered), files

    def _taken(self, request: Request, prompt: list[int], made: tuple[Any, ...], has_logprobs: bool) -> "_Made":
        tokens, logprob, logprobs, reason, read = made
        problem = request.prompt.problem_id
        if reason not in ("stop", "length"):
            raise EngineError(f"{self._path}: vLLM gave up a sample of {problem}: {reason}")
        if read is not None and read != prompt:
            raise EngineError(
                f"{self._path}: vLLM reads problem {problem} with its images as {len(read)} tokens, the model's own "
                f"processor as {len(prompt)} others; use engine = 'transformers'"
            )
        stopped = reason == "stop"
        if request.prompt.stop:
            length, found = self._first_stop(prompt, tokens, request.prompt.stop)
            tokens, logprobs, stopped = tokens[:length], logprobs and logprobs[:length], stopped or found
        total = (logprob if logprobs is None else sum(logprobs)) if has_logprobs else None
        return _Made(request, prompt, tokens, total, logprobs, FinishReason.STOP if stopped else FinishReason.LENGTH)

    def _first_stop(self, prompt: Sequence[int], tokens: Sequence[int], stop: tuple[str, ...]) -> tuple[int, bool]:
        """How many tokens there are when the first stop string is complete, and whether one is.

        vLLM ends there too, unless the string stands around a special token that a reader does not see.
        """
        before = self._text.before(prompt)
        earlier = list(tokens[:-1])
        if self._text.visible(earlier, stop, before) == self._text.visible(earlier, (), before):
            return len(tokens), self._text.stops(tokens, stop, before)
        ends = (count for count in range(1, len(tokens)) if self._text.stops(tokens[:count], stop, before))
        return next(ends, len(tokens)), True

    def _sample(self, made: "_Made", logprob: float | None, keep: bool) -> Sample:
        request, segments = made.request, None
        text = self.read_back(made.prompt, made.tokens, request.prompt.stop)
        if keep and made.logprobs is not None:
            segments = (Segment("assistant", text, tuple(made.tokens), True, tuple(made.logprobs)),)
        key = request.prompt.problem_id, request.index
        return Sample(*key, text, made.finish, len(made.tokens), logprob, request.seed, segments)

    def read_back(self, prompt_ids: Sequence[int], token_ids: Sequence[int], stop: tuple[str, ...]) -> str:
        """See `engines.BatchScorer`."""
        tokens = list(token_ids)
        said = tokens[:-1] if tokens and tokens[-1] in self.end_tokens else tokens
        return self._text.visible(said, stop, self._text.before(prompt_ids))

    def score(self, prompt_ids: Sequence[int], response_ids: Sequence[int]) -> list[float]:
        """See `engines.Scorer`. A response to an empty prompt, or one beyond the context, is an EngineError."""
        [(logprobs,)] = self._scored([(prompt_ids, response_ids)]).values()
        return logprobs

    def score_together(
        self, texts: Sequence[tuple[Sequence[int], Sequence[int]]], sampling: SamplingConfig
    ) -> Iterator[Scored]:
        """See `engines.BatchScorer`: vLLM returns no more than log-probabilities under the model itself.

        So `drawn` is known at temperature 1 and top-p 1 alone, and `mass_ahead` never. Raises EngineError as `score`.
        """
        found = self._scored(texts)
        as_drawn = sampling.temperature == 1 and sampling.top_p == 1
        for place in range(len(texts)):
            logprobs = tuple(found[place][0])
            yield Scored(logprobs, logprobs if as_drawn else None, None)

    def _scored(self, texts: Sequence[tuple[Sequence[int], Sequence[int]]]) -> dict[int, tuple[Any, ...]]:
        """By their places. Memory: `max_num_batched_tokens` by the vocabulary, and a number for each token."""
        self._open()
        for prompt, response in texts:
            if isinstance(prompt, ImagePrompt):
                raise ConfigError(f"{self._path}: vLLM scores text alone here; use engine = 'transformers' for images")
            tokens = len(prompt) + len(response)
            if not prompt:
                raise EngineError(f"{self._path}: a response without a prompt has no probability of its first token")
            if self.context_length is not None and tokens > self.context_length:
                raise EngineError(f"{self._path}: {tokens} tokens to score exceed the context of {self.context_length}")
        full = {place: text for place, text in enumerate(texts) if text[1]}
        jobs = [([*prompt, *response], len(prompt)) for prompt, response in full.values()]
        found = {place: ([],) for place in range(len(texts))}
        places = list(full)
        return found | {places[job]: made for job, made in self._processes.run("score", jobs)}

    def load_weights(self, folder: Path) -> None:
        """Sample from the weights in this folder from now on: of the same model, as a training saved them."""
        self._open()
        self._processes.load_weights(folder)

    def replicas(self) -> list[Replica]:
        """See `metering.Replicated`."""
        return self._processes.replicas()

    def close(self) -> None:
        self._processes.close()


def _generation_settings(path: str, config: Any, options: Options) -> Any:
    """What the model recommends: its generation_config, or what its config says where it has none."""
    where = place_of(adapter_base(path) or path, options.revision, options.trust_remote_code)
    try:
        place = where["pretrained_model_name_or_path"]
        return GenerationConfig.from_pretrained(place, revision=options.revision or "main")
    except OSError:
        return GenerationConfig.from_model_config(config)


def _program(path: str, options: Options, opening: Mapping[str, Any]) -> Program:
    python = options.python or sys.executable
    command, environment = (python, "-P", str(_CHILD)), _environment(python, options)
    return Program(f"vllm {opening['replica']}", command, environment, opening, partial(_explained, path))


def _explained(what: str, reason: str) -> EngineError | MissingExtraError:
    """Why a process ended, and the setting that helps."""
    if "No module named 'vllm'" in reason:
        return MissingExtraError(
            "the engine 'vllm' needs vLLM: pip install 'move37[vllm]', or set options.python to the interpreter of an "
            "environment that has it"
        )
    reason = _AROUND.sub(lambda found: found[1] or "", reason)
    shown = reason if len(reason) <= 400 else reason[:397] + "..."
    advice = next((advice for sign, advice in _ADVICE.items() if sign in reason), "")
    return EngineError(f"{what}: vLLM ended: {shown}{advice}")


def _environment(program: str, options: Options) -> dict[str, str]:
    """Variables for an interpreter: of another environment than this one without what leads it back here."""
    environment = dict(os.environ) | ({"VLLM_BATCH_INVARIANT": "1"} if options.batch_invariant else {})
    if options.python is not None:
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
            environment.pop(name, None)
    # vLLM's build for CPUs brings an OpenMP of its own, which has to come before torch's.
    openmp = Path(program).parent.parent / "lib" / "libiomp5.so"
    if openmp.is_file():
        preloaded = environment.get("LD_PRELOAD", "").split()
        environment["LD_PRELOAD"] = " ".join([*preloaded, *([] if str(openmp) in preloaded else [str(openmp)])])
    return environment
