"""Engines `openai` for tests, closed when the test is over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from move37.config import ModelConfig
from move37.engines import ENGINES
from tests.scripted_server import ScriptedServer


@contextmanager
def engines_opened() -> Iterator[Callable[..., Any]]:
    """What loads an engine on a server, or an address, with options."""
    opened = []

    def loaded(server: ScriptedServer | str, **options: Any) -> Any:
        address = server if isinstance(server, str) else server.base_url
        model = ModelConfig(path="m", engine="openai", options={"base_url": address, **options})
        opened.append(ENGINES.load("openai").load(model))
        return opened[-1]

    yield loaded
    for engine in opened:
        engine.close()
