"""A `scripted` server: real HTTP with OpenAI's completions and chat completions, whose model is the scripted engine.

It says that it is vLLM: it has a context length, counts tokens, returns token ids. `errors` is the share of calls that
fail, each kind in turn: too many calls, broken, a connection that is reset, an answer that is cut off or no JSON or no
completion, and silence. `billed` counts the tokens of every answer that was made, delivered or not; with `--bill FILE`
each is a line there too, so that a server may be killed. Run as a program it serves until it is killed.
"""

import argparse
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from move37.config import ModelConfig, SamplingConfig
from move37.engines.scripted import ScriptedEngine
from move37.types import Message, Prompt, Request

FAULTS = ("429", "500", "503", "reset", "cut", "garbage", "empty", "silence")


class ScriptedServer:
    def __init__(
        self,
        port: int = 0,
        errors: float = 0.0,
        kind: str = "vllm",
        key: str | None = None,
        context: int | None = 4096,
        delay_seconds: float = 0.0,
        silence_seconds: float = 3.0,
        bill: Path | None = None,
        **options: Any,
    ) -> None:
        """`options` are the scripted engine's."""
        self.engine = ScriptedEngine.load(ModelConfig(path="m", options={"length": 12} | options))
        self.errors, self.kind, self.key, self.context = errors, kind, key, context
        self.delay_seconds, self.silence_seconds, self.bill = delay_seconds, silence_seconds, bill
        self.honours_n, self.ignores_seeds, self.reasons = True, False, False
        self.says_usage, self.status, self.said = True, 0, ""
        """`status`: fail every call with it and say `said`."""
        self.refuses: Callable[[dict[str, Any]], tuple[int, bytes] | None] = lambda body: None
        """The status and the body that a request gets in place of an answer."""
        self.requests: list[dict[str, Any]] = []
        self.billed: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.most_at_once = self._now = self._calls = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def start(self) -> "ScriptedServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def serve(self) -> None:
        self._server.serve_forever()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self) -> str | None:
        """The fault of this call, if it has one: spread evenly over the calls, each kind in turn."""
        with self._lock:
            self._calls += 1
            due = int(self._calls * self.errors) - int((self._calls - 1) * self.errors)
            if not due:
                return None
            kind = FAULTS[sum(self.faults.values()) % len(FAULTS)]
            self.faults[kind] += 1
            return kind

    def answer(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        messages = [Message.of(each["role"], str(each["content"])) for each in body.get("messages", ())]
        text = self.engine.render_prompt(messages) if chat else body["prompt"]
        if isinstance(text, list):
            text = " ".join(map(str, text))
        prompt = Prompt("p", text, tuple(body.get("stop", ())), "completion")
        keep = bool(body.get("return_token_ids"))
        settings = SamplingConfig(max_new_tokens=body.get("max_tokens", 16), keep_tokens=keep)
        n = body.get("n", 1) if self.honours_n else 1
        seed = 7 if self.ignores_seeds else body.get("seed", 1_000 * self._calls)
        requests = [Request(prompt, index, seed + index * 1_000_003) for index in range(n)]
        made = list(self.engine.generate(requests, settings))
        choices = [self._choice(sample, index, chat) for index, sample in enumerate(made)]
        usage = {"prompt_tokens": len(text.split()), "completion_tokens": sum(s.tokens or 0 for s in made)}
        with self._lock:
            self.billed.update(usage)
            if self.bill is not None:
                with self.bill.open("a") as file:
                    file.write(json.dumps(usage) + "\n")
        answer = {"object": "completion", "model": body["model"], "choices": choices}
        return answer | ({"usage": usage | {"total_tokens": sum(usage.values())}} if self.says_usage else {})

    def _choice(self, sample: Any, index: int, chat: bool) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "finish_reason": sample.finish_reason.value}
        if sample.segments:
            choice["token_ids"] = list(sample.token_ids)
            choice["logprobs"] = {"token_logprobs": list(sample.logprobs)}
        if not chat:
            return choice | {"text": sample.text}
        message = {"role": "assistant", "content": sample.text}
        if self.reasons:
            message |= {"reasoning_content": "Let me see."}
        return choice | {"message": message}

    def about(self, path: str) -> dict[str, Any] | None:
        if path == "/v1/models":
            return {"data": [{"id": "m", "owned_by": self.kind, "max_model_len": self.context}]}
        return {"version": "0.32.0"} if path == "/version" and self.kind == "vllm" else None

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (self is the handler's)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = server.about(self.path)
                self.send(404 if found is None else 200, json.dumps(found).encode())

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/tokenize":
                    self.send(200, json.dumps({"count": len(str(body.get("prompt", body)).split())}).encode())
                    return
                if server.key is not None and self.headers.get("Authorization") != f"Bearer {server.key}":
                    self.send(401, f'{{"error": "no such key: {self.headers.get("Authorization")}"}}'.encode())
                    return
                with server._lock:
                    server.requests.append(body)
                    server._now += 1
                    server.most_at_once = max(server.most_at_once, server._now)
                try:
                    self.reply(body, server.fault())
                finally:
                    with server._lock:
                        server._now -= 1

            def reply(self, body: dict[str, Any], fault: str | None) -> None:
                time.sleep(server.delay_seconds)
                if (refused := server.refuses(body)) is not None:
                    self.send(*refused)
                elif server.status:
                    self.send(server.status, json.dumps({"error": {"message": server.said}}).encode())
                elif fault in ("429", "500", "503"):
                    self.send(int(fault), b'{"error": {"message": "injected"}}', {"Retry-After-Ms": "20"})
                elif fault == "reset":
                    self.reset()
                elif fault == "empty":
                    self.send(200, b'{"choices": []}')
                else:
                    made = json.dumps(server.answer(body, self.path.endswith("/chat/completions"))).encode()
                    if fault == "silence":
                        time.sleep(server.silence_seconds)
                    if fault == "cut":
                        self.send(200, made, sent=len(made) // 2)
                    else:
                        self.send(200, made[: len(made) // 2] if fault == "garbage" else made)

            def reset(self) -> None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

            def send(
                self, status: int, body: bytes, headers: dict[str, str] | None = None, sent: int | None = None
            ) -> None:
                try:
                    self.send_response(status)
                    sizes = {"Content-Type": "application/json", "Content-Length": str(len(body))}
                    for name, value in (sizes | (headers or {})).items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body[:sent])
                    self.close_connection = self.close_connection or sent is not None
                except OSError:
                    self.close_connection = True  # the client has gone

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--errors", type=float, default=0.0)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--bill", type=Path)
    given = parser.parse_args()
    ScriptedServer(given.port, given.errors, delay_seconds=given.delay, silence_seconds=1.5, bill=given.bill).serve()
