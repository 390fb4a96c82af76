"""The command that makes a sandbox: what bubblewrap is asked for, and what of this machine is seen inside.

Started by root, a process in a user namespace still counts as root for the limit on processes, which root is exempt
from. So root first enters a plain sandbox, becomes nobody there, and makes the real one inside.
"""

import importlib.util
import os
import shutil
import sys
from functools import lru_cache
from pathlib import Path

from move37.errors import MissingExtraError, VerifierError

NOBODY = 65534
TMP_BYTES = 1 << 20
"""Of the sandbox's own /tmp, in which nobody works: every child mounts its own over it."""
INSTALL = "install bubblewrap (Debian, Ubuntu: apt install bubblewrap; Fedora: dnf install bubblewrap)"
HOME = "/opt/move37"
"""Where this folder is seen in a sandbox, as the package `confined`."""


def bubblewrap() -> str:
    """The path of bubblewrap. Raises MissingExtraError with the line that installs it."""
    found = shutil.which("bwrap")
    if found is None:
        raise MissingExtraError(
            f"running programs needs bubblewrap, which isolates them: {INSTALL}; "
            "or judge programs that you trust with --unsafe-local"
        )
    return os.path.realpath(found)


def isolated_python(packages: list[Path]) -> list[str]:
    """The command that runs this machine's Python in a sandbox, up to its first argument.

    The supervisor keeps one capability in the sandbox's own user namespace: it gives every child its own namespaces.
    """
    program = bubblewrap()
    as_root = os.geteuid() == 0
    inner = [
        f"{HOME}/bwrap" if as_root else program,
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox"),
        *_mounts(packages, stepped_down=as_root),
        *("--size", str(TMP_BYTES), "--tmpfs", "/tmp", "--remount-ro", "/", "--chdir", "/tmp"),
        *("--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"),
        *("--new-session", "--die-with-parent", "--as-pid-1", "--"),
        *(_interpreter(), "-P", "-s", "-S", "-B"),
    ]
    if not as_root:
        return inner
    step_down = shutil.which("setpriv")
    if step_down is None:
        raise VerifierError("as root, isolating programs needs setpriv: install util-linux, or use another user")
    outer = [
        program,
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *_mounts(packages),
        *("--ro-bind", program, f"{HOME}/bwrap", "--ro-bind", os.path.realpath(step_down), f"{HOME}/setpriv"),
        *("--proc", "/proc", "--tmpfs", "/tmp", "--die-with-parent", "--new-session"),
        *("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"),
        *(f"{HOME}/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"),
    ]
    return outer + inner


def environment(home: str) -> dict[str, str]:
    """All of it. Hashes are fixed: the order of a set must not decide a verdict."""
    single = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return {
        "PYTHONPATH": f"{home}:{HOME}/packages",
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
        "HOME": "/tmp",
        **single,
    }


@lru_cache
def package_places(package: str) -> list[Path]:
    """What of an installed package is mounted: its folder, with the `<name>.libs` where wheels keep libraries, or its
    file; nothing if it is absent."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    if not spec.submodule_search_locations:
        return [Path(spec.origin)]
    folder = Path(next(iter(spec.submodule_search_locations)))
    return [each for each in (folder, folder.with_name(f"{package}.libs")) if each.is_dir()]


def _interpreter() -> str:
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def _mounts(packages: list[Path], stepped_down: bool = False) -> list[str]:
    """What a program can read: the C library, Python, packages, the code that runs it. Nothing of it can be written.

    `stepped_down`: made inside the first sandbox, where everything is already where it will be.
    """
    python = _interpreter()
    libraries = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", f"{sys.base_prefix}/lib")
    mounts = _read_only(*libraries)
    mounts += ["--ro-bind", python, python]
    for place in packages:
        mounts += ["--ro-bind", str(place), f"{HOME}/packages/{place.name}"]
    for device in ("null", "zero", "random", "urandom"):
        mounts += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    mounts += ["--ro-bind", str(Path(__file__).parent), f"{HOME}/confined"]
    if stepped_down:
        mounts = [m if i % 3 != 1 or mounts[i - 1] == "--symlink" else mounts[i + 1] for i, m in enumerate(mounts)]
    # bubblewrap would make the folders in between for their owner alone.
    between = {str(parent) for place in mounts[2::3] for parent in Path(place).parents} - {"/"}
    return [word for folder in sorted(between) for word in ("--dir", folder)] + mounts


def _read_only(*places: str) -> list[str]:
    """Mount each place that there is where it is, links as links, each once."""
    mounts: list[str] = []
    for place in dict.fromkeys(places):
        if os.path.islink(place):
            mounts += ["--symlink", os.readlink(place), place]
        elif os.path.exists(place):
            mounts += ["--ro-bind", place, place]
    return mounts
