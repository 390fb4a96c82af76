"""A `scripted` judge: a real HTTP server that speaks OpenAI's chat completions and decides by a rule.

It says CORRECT if the response it is shown equals the reference, white space and case aside. What else it does is
scripted by the response it is asked about: fail with a status so many times ("fail 429 twice"), answer with something
that is no chat completion ("malformed"), keep silent ("silence"), or mumble ("mumble").
"""

import json
import re
import threading
import time
from collections import Counter
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TIMES = {"once": 1, "twice": 2, "always": 10**9}
_SCRIPT = re.compile(r"fail (\d{3}) (once|twice|always)")
_REPLIES = {
    "mumble": "Hard to say.",
    "thinker": "<think>CORRECT or INCORRECT?\nINCORRECT</think>\n**CORRECT**",
    "negation": "It is not correct",
}


class ScriptedJudge:
    """Serves on a port of its own until the process ends. `requests` are the bodies received, in order."""

    def __init__(self, key: str | None = None, delay_seconds: float = 0.0) -> None:
        self.key, self.delay_seconds = key, delay_seconds
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.tries: Counter[str] = Counter()
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        """From now on nobody listens."""
        self._server.shutdown()
        self._server.server_close()

    def shown(self, name: str) -> list[str]:
        """What it was shown between <name> and </name>, request by request, without the question it is tried with."""
        return [
            re.findall(rf"<{name}>\n(.*?)\n</{name}>", request["messages"][0]["content"], re.DOTALL)[0]
            for request in self.requests
            if "What is 1 + 1?" not in request["messages"][0]["content"]
        ]

    def reply(self, body: dict[str, Any], key: str | None) -> tuple[int, bytes]:
        content = body["messages"][0]["content"]
        found = dict(re.findall(r"<(reference|response)>\n(.*?)\n</\1>", content, re.DOTALL))
        response = found.get("response", "")
        with self._lock:
            self.requests.append(body)
            self.keys.append(key)
            self.tries[response] += 1
            tried = self.tries[response]
        if self.key is not None and key != f"Bearer {self.key}":
            return 401, b'{"error": {"message": "wrong key"}}'
        script = _SCRIPT.fullmatch(response)
        if script and tried <= _TIMES[script[2]]:
            return int(script[1]), b'{"error": {"message": "scripted"}}'
        if response == "malformed":
            return 200, b'{"choices": [{"mess'
        if response == "another shape":
            return 200, b'{"choices": []}'
        if response == "silence":
            time.sleep(3)
        same = response.strip().casefold() == found.get("reference", "").strip().casefold()
        said = _REPLIES.get(response, "CORRECT" if same else "INCORRECT")
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        return 200, json.dumps(answer).encode()

    def _handler(judge) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (self is the handler's)
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with judge._lock:
                    judge._now += 1
                    judge.most_at_once = max(judge.most_at_once, judge._now)
                time.sleep(judge.delay_seconds)
                status, answer = (404, b"{}")
                if self.path == "/v1/chat/completions":
                    status, answer = judge.reply(body, self.headers.get("Authorization"))
                with judge._lock:
                    judge._now -= 1
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Retry-After-Ms", "10")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        return Handler


@cache
def shared_judge() -> ScriptedJudge:
    """One judge for tests that do not look at what it was asked."""
    return ScriptedJudge()
