"""The reading room as a web page of this machine: one address on the loopback, a secret in it, nothing from outside.

Whoever does not have the secret gets nothing, whatever he asks for; a page of another site that finds the port gets
nothing either (the Host must be this machine's, the Origin this page's). The page may load from here alone (Content
Security Policy), and nothing that a model wrote becomes markup (`pieces.py`).
"""

import hmac
import secrets
import socket
from collections.abc import Callable
from getpass import getuser
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from move37 import pipeline
from move37.console import visible
from move37.errors import InputError, Move37Error
from move37.labels import Label, Said, say
from move37.types import Problem
from move37.view.blind import audit_state, say_blind
from move37.view.pieces import pieces_of
from move37.view.responses import FOLDS, ORDERS, Asked, ModelFiles, responses, whole
from move37.view.room import Room, pattern, tags_shown
from move37.view.tokens import shaded_tokens

STATIC = Path(str(files("move37.view") / "static"))
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What is shown; an image that can hold a script is not."""
LARGEST_BODY = 2**16
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets in who has the secret in the path, on this machine's own names."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token.encode()
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        if not self._is_known(Request(scope)):
            answer = PlainTextResponse("Not found", 404, headers={"X-Content-Type-Options": "nosniff"})
            await answer(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _is_known(self, request: Request) -> bool:
        first = request.url.path.split("/")[1].encode("utf-8", "surrogatepass")
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        from_here = host in self.hosts and origin in (None, f"http://{host}")
        return hmac.compare_digest(first, self.token) and from_here


def application(room: Room, token: str, port: int, reader: str) -> ASGIApp:
    """The page and what it asks for, under /<token>/."""
    api = Api(room, reader)
    routes = [
        Route("/", lambda _: FileResponse(STATIC / "index.html")),
        Route("/static/{path:path}", _static),
        Route("/api/{name}", _answered(api.get), methods=["GET"]),
        Route("/api/{name}", _answered(api.post), methods=["POST"]),
        Route("/image/{digest}", api.image),
    ]
    return Guard(Starlette(routes=[Mount(f"/{token}", routes=routes)]), token, port)


class Api:
    """What the page asks for by name. Parameters are in the address; every answer is one JSON object."""

    def __init__(self, room: Room, reader: str) -> None:
        self.room, self.reader = room, reader

    def get(self, name: str, asked: dict[str, str], _: dict[str, Any]) -> dict[str, Any]:
        """Raises InputError."""
        known: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
            "version": lambda _: {"version": self.room.look().version},
            "overview": lambda _: self.room.overview() | {"reader": self.reader},
            "search": lambda asked: {"found": self.room.search(asked["text"])},
            "problem": lambda asked: problem_shown(self.room.problem(asked["id"]), self.room),
            "responses": self._responses,
            "response": self._whole,
            "tokens": lambda asked: {"tokens": shaded_tokens(*self._of(asked), index=_whole(asked, "index"))},
            "audit": lambda asked: audit_state(
                self.room, self.room.store_of(asked.get("run")), asked["reader"], asked.get("item")
            ),
            "readings": lambda _: {"runs": self.room.readings()},
        }
        if name not in known:
            raise InputError(f"no {name!r} here")
        return known[name](asked)

    def post(self, name: str, _: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        """Raises InputError; StoreError where the run cannot be written to at all."""
        reader = str(body.get("reader", self.reader))
        if name == "begin":
            pipeline.export_audit(self.room.store_of(body.get("run")))
            return audit_state(self.room, self.room.store_of(body.get("run")), reader)
        if name != "label":
            raise InputError(f"no {name!r} here")
        said, note = Said(body["said"]), str(body.get("note", ""))[:2000]
        if "item" in body:
            store = self.room.store_of(body.get("run"))
            return {"settled": say_blind(store, reader, str(body["item"]), said, note)}
        source = self.room.source(int(body["source"]))
        label = Label(reader, source.model, str(body["id"]), int(body["index"]), said, note)
        return {"settled": say(source.files.store, [label])}

    async def image(self, request: Request) -> Response:
        """An image of a problem, by its digest."""
        digest = request.path_params["digest"]
        images = (image for problem in self.room.known.problems.values() for image in problem.images)
        found = next((image for image in images if image.digest == digest), None)
        if found is None or found.media_type not in IMAGES:
            return PlainTextResponse("Not found", 404)
        try:
            return Response(await run_in_threadpool(found.read), media_type=found.media_type)
        except (OSError, ValueError) as error:
            return PlainTextResponse(str(error), 404)

    def _responses(self, asked: dict[str, str]) -> dict[str, Any]:
        fold, order = asked.get("fold", "text"), asked.get("order", "outcome")
        if fold not in FOLDS or order not in ORDERS:
            raise InputError(f"fold is one of {', '.join(FOLDS)}, order one of {', '.join(ORDERS)}")
        chosen = Asked(
            fold, order, asked.get("outcome"), asked.get("answer"), asked.get("text"), _whole(asked, "offset"),
            min(_whole(asked, "limit", 40), 200),
        )  # fmt: skip
        files, problem = self._of(asked)
        return responses(files, problem, chosen, pattern(chosen.text) if chosen.text else None)

    def _whole(self, asked: dict[str, str]) -> dict[str, Any]:
        return whole(*self._of(asked), index=_whole(asked, "index"), start=_whole(asked, "from"))

    def _of(self, asked: dict[str, str]) -> tuple[ModelFiles, Problem]:
        return self.room.source(_whole(asked, "source")).files, self.room.problem(asked["id"])


def problem_shown(problem: Problem, room: Room) -> dict[str, Any]:
    """What was asked, and what is right."""
    prompts = {}
    for source in room.look().sources:
        record = source.files.store.model_record(source.model)
        text = next((prompt.text for prompt in record.prompts if prompt.problem_id == problem.id), None)
        if text is not None:
            prompts.setdefault(visible(text), []).append(f"{source.name} {source.model}")
    return {
        "id": problem.id,
        "question": pieces_of(problem.question),
        "references": [visible(each[:2000]) for each in problem.references],
        "benchmark": problem.benchmark,
        "verifier": problem.verifier,
        "tags": tags_shown(problem),
        "images": [image.digest for image in problem.images if image.media_type in IMAGES],
        "prompts": [{"of": names, "text": text[:20_000]} for text, names in prompts.items()],
    }


def serve(room: Room, port: int, reader: str | None, ready: Callable[[str], None]) -> None:
    """Serve the page until it is interrupted. `ready` is called with its address. Raises InputError for a port that is
    taken."""
    token = secrets.token_urlsafe(24)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(f"--port {port}: {error.strerror or error}; without it, a free one is taken") from None
        listening.listen(128)  # whoever has the address may call at once
        port = listening.getsockname()[1]
        app = application(room, token, port, reader or default_reader())
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
        room.copy_soon()
        ready(f"http://127.0.0.1:{port}/{token}/")
        try:
            server.run(sockets=[listening])
        finally:
            room.close()


def default_reader() -> str:
    """The name of whoever runs this, as far as it can name a reader."""
    try:
        name = getuser()
    except (OSError, KeyError, ImportError):
        name = ""
    return (
        "".join(each for each in name if each.isascii() and (each.isalnum() or each in "-_."))[:40].lstrip("-_.")
        or "me"
    )


def _static(request: Request) -> Response:
    path = (STATIC / request.path_params["path"]).resolve()
    if not path.is_relative_to(STATIC.resolve()) or not path.is_file():
        return PlainTextResponse("Not found", 404)
    return FileResponse(path)


def _answered(answer: Callable[[str, dict[str, str], dict[str, Any]], dict[str, Any]]) -> Any:
    """An endpoint that answers in a thread; what was wrongly asked is one line, with status 400."""

    async def endpoint(request: Request) -> Response:
        try:
            body: dict[str, Any] = {}
            if request.method == "POST":
                if int(request.headers.get("content-length", LARGEST_BODY + 1)) > LARGEST_BODY:
                    raise InputError("too large")
                body = await request.json()
                if not isinstance(body, dict):
                    raise InputError("not an object")
            found = await run_in_threadpool(answer, request.path_params["name"], dict(request.query_params), body)
            return JSONResponse(found)
        except Move37Error as error:
            return JSONResponse({"error": str(error)}, 400)
        except (KeyError, ValueError, TypeError) as error:
            return JSONResponse({"error": f"not understood: {error}"}, 400)

    return endpoint


def _whole(asked: dict[str, str], name: str, default: int = 0) -> int:
    found = int(asked.get(name, default))
    if found < 0:
        raise InputError(f"{name}: not below 0")
    return found
