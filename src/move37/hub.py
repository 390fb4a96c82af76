"""Is there a Hugging Face hub? Asked once, within two seconds, before anything waits for its client's retries.

Where it cannot be reached, its client is told so: what is in the local cache is found as before, everything else fails
at once, and the caller says what to give instead.
"""

import os
import re
import socket
import sys
from functools import cache
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from move37.errors import InputError

_SECONDS = 2.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def refuse_unreachable(path: str, key: str) -> None:
    """Refuse a model that is neither here nor to be had. Raises InputError, which names `key`."""
    if Path(path).expanduser().exists() or path.endswith(".gguf") or is_cached(path):
        return
    if not _NAME.fullmatch(path):
        raise InputError(f"{key}: {path}: no such folder or file; give a model's folder, a hub name or a GGUF file")
    if not is_reachable():
        raise InputError(
            f"{key}: {path} is no folder here, and the Hugging Face hub cannot be reached; give the path of a local "
            f"folder or GGUF file, or fetch it where there is a network (hf download {path})"
        )


def is_cached(name: str) -> bool:
    """Whether the hub's client has something of this model in its cache."""
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    return (folder / f"models--{name.replace('/', '--')}").is_dir()


def go_offline_if_unreachable() -> bool:
    """Tell the hub's client where there is no hub; whether that was so."""
    if is_reachable():
        return False
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    for module, name in (("huggingface_hub.constants", "HF_HUB_OFFLINE"), ("datasets.config", "HF_HUB_OFFLINE")):
        if module in sys.modules:  # read when it was imported
            setattr(sys.modules[module], name, True)
    return True


@cache
def is_reachable() -> bool:
    """Whether something answers at the hub's address, or at the proxy on the way to it."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    way = next((os.environ[name] for name in _PROXIES if os.environ.get(name)), None)
    address = urlsplit(way or os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    port = address.port or (80 if address.scheme == "http" else 443)
    answered: list[bool] = []
    # A name that no server knows can keep the resolver busy for long, and it takes no time limit.
    asking = Thread(target=_connect, args=(address.hostname or "", port, answered), daemon=True)
    asking.start()
    asking.join(_SECONDS)
    return bool(answered)


def _connect(host: str, port: int, answered: list[bool]) -> None:
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            answered.append(True)
    except OSError:
        return
