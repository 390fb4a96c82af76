"""Run folders at a URL (s3, gs, az, hf, memory: whatever fsspec knows), worked on as a copy on this machine.

An object store has no rename, no lock and no cheap small files, and the run folder's guarantees rest on the first two.
So a run at a URL is worked on in a folder of the user's cache, with all that a local folder promises, and brought over
whole file by whole file: an object is there complete or not at all. Samples go before the verdicts on them, and a
merged part before the small ones that it replaces are taken away, so the run at the URL can be opened at any moment:
equal rows in two parts count once (`parts.py`). It is brought over every `PUSH_SECONDS` and when the command ends.

What a machine that is lost loses is what it made since then. A process that is killed loses less: its folder is still
here, and the next command on this machine brings it over. One machine writes at a time: a note says who does
(`writer_note.py`). A command that reads on the machine that writes takes its folder as it is: it is newer than the URL.
Where nothing is left at the URL (a bucket that was deleted, or by mistake) the copy here stays.

Left out: file systems that show half-written files (sftp, webdav).
"""

import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import unquote
from uuid import uuid4

from move37.errors import InputError, MissingExtraError, Move37Error, StoreError
from move37.files import UNFINISHED, read_json, write_atomically
from move37.locks import lock
from move37.paths import SWITCH, called
from move37.writer_note import CLOCK, NOTE, WriterNote

SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory")
PUSH_SECONDS = 30.0
_FRESH_SECONDS = 3 * PUSH_SECONDS
"""How old the note of another writer may be before it counts as gone."""
_PART = re.compile(r"(?:^|/)part-[^/]*\.parquet$")
_KNOWN, _WRITING, _PULLING = ".brought-over.json", ".writing.lock", ".pulling.lock"
_LOCAL_ONLY = (".lock", _KNOWN, NOTE, _WRITING, _PULLING)
_URL = re.compile(r"(?P<option>--[\w-]+=)?(?P<url>(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://.*)", re.DOTALL)
_NEARLY = re.compile(rf"(?P<scheme>{'|'.join(SCHEMES[:-2])}):/?(?P<place>[^/].*)", re.DOTALL)
"""What looks like a URL that was mistyped, or that a `Path` took a slash from: s3:/bucket/run."""
_READERS = ("show", "status", "compare", "export", "labels", "plan")
"""Commands that write nothing into the run that they are given."""
_READERS_WITH_OUT = ("report", "analyse")
_OUT = ("--out", "-o")
_VOLATILE = ("memory",)
"""Of the schemes, those whose runs end with the process, which is no loss."""
_ROUNDS = 3
"""How often a run that changes while it is read is listed anew."""
_LONGEST_NAME = 60


@contextmanager
def local_copies(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The arguments of a command with a folder of this machine for every URL of a run, kept equal while it runs.

    What the command says meanwhile names the URL: a command on the folder alone would change the copy and not the run.
    Raises InputError for a URL at which no run can be kept.
    """
    names: dict[str, str] = {}
    with ExitStack() as stack:
        local = [_translated(each, _writes(arguments, i), stack, names) for i, each in enumerate(arguments)]
        for folder, url in names.items():
            stack.enter_context(called(Path(folder), url))
        with redirect_stdout(_Renamed(sys.stdout, names)), redirect_stderr(_Renamed(sys.stderr, names)):
            try:
                yield local
            except Move37Error as error:
                error.args = tuple(_by_url(each, names) if isinstance(each, str) else each for each in error.args)
                raise


def _writes(arguments: Sequence[str], position: int) -> bool:
    """Whether a command may write to what is named there: not to a run that it exports, compares or pools."""
    words = [each for each in arguments[:position] if not each.startswith("-")]
    if arguments[position].startswith(tuple(f"{name}=" for name in _OUT)) or arguments[position - 1] in _OUT:
        return True
    if not words or words[0] in _READERS:
        return not words
    if words[0] in _READERS_WITH_OUT:  # all that they make goes there
        return not any(each.partition("=")[0] in _OUT for each in arguments)
    return words[0] != "pool" or len(words) == 1


def refuse_mistyped(argument: str) -> None:
    """Raises InputError for what is nearly the URL of a store, and would be made a folder of that name."""
    found = _NEARLY.fullmatch(argument)
    if found and not Path(argument).exists():
        raise InputError(f"{argument}: not a URL; a run in a store is at {found['scheme']}://{found['place']}")


def _translated(argument: str, writes: bool, stack: ExitStack, names: dict[str, str]) -> str:
    found = _URL.fullmatch(argument)
    if found is None:
        refuse_mistyped(argument)
        return argument
    if found["scheme"].lower() in ("http", "https"):
        return argument
    option, scheme, url = found["option"] or "", found["scheme"].lower(), found["url"]
    url = scheme + url[len(scheme) :]
    if scheme in ("file", "local"):
        return f"{option}{unquote(url.partition('://')[2])}"
    if scheme not in SCHEMES:
        raise InputError(f"{url}: runs are kept in a folder, or at a URL of {', '.join(SCHEMES)}")
    if not url.partition("://")[2].strip("/"):
        raise InputError(f"{url}: names no place; a run has one of its own, such as {scheme}://BUCKET/RUN")
    folder = _file_of(url) if not writes or not option else None
    if folder is None:
        folder = stack.enter_context(mirrored(url, writes))
    names |= {str(folder): url.rstrip("/"), str(folder.resolve()): url.rstrip("/")}
    return f"{option}{folder}"


def _file_of(url: str) -> Path | None:
    """The copy of a URL that is one file (counts, a study), brought here; None where it is a folder or nothing."""
    files, place = _opened(url)
    try:
        if not files.isfile(place):
            return None
        path = _folder_of(url) / Path(url).name
        path.parent.mkdir(parents=True, exist_ok=True)
        files.get_file(place, str(path))
        return path
    except Exception as error:  # every kind of storage raises errors of its own
        raise StoreError(f"{url}: cannot be read ({_one_line(error)})") from error


def _by_url(text: str, names: Mapping[str, str]) -> str:
    for folder, url in names.items():
        text = text.replace(folder, url)
    return text


class _Renamed:
    """A stream on which the folder of a copy goes by the URL of its run."""

    def __init__(self, stream: Any, names: Mapping[str, str]) -> None:
        self._stream, self._names = stream, names

    def write(self, text: str) -> int:
        self._stream.write(_by_url(text, self._names))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def mirrored(url: str, writes: bool = True) -> Iterator[Path]:
    """The run at `url` as a folder on this machine; with `writes`, what changes there is brought over to the URL.

    Raises StoreError where the URL cannot be used, or another machine writes to it.
    """
    with Mirror(url, _folder_of(url), writes) as mirror:
        yield mirror.folder


def renewed(folder: Path) -> None:
    """Bring what is new at the URL to the copy that is read in `folder`, where it is one; not more often than it comes
    there. For whoever looks at a run again and again."""
    mirror = _READ.get(folder)
    if mirror is not None:
        mirror.renew()


def is_copy(folder: Path) -> bool:
    """Whether a folder is the copy of a run at a URL, which is as old as what was brought over last."""
    return (folder / _KNOWN).exists()


_READ: dict[Path, "Mirror"] = {}


class Mirror:
    """A folder and the run at a URL that it is a copy of; a context manager. See the module."""

    def __init__(self, url: str, folder: Path, writes: bool = True, every: float | None = None) -> None:
        self.url, self.folder, self._writes = url.rstrip("/"), folder, writes
        self._every = PUSH_SECONDS if every is None else every
        self._files, self._root = _opened(self.url)
        self._known: dict[str, list[Any]] = {}
        """What was brought over, by name: size and time of change here, and the mark that it has there."""
        self._pulled = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_pushing, name="mirror", daemon=True)

    def __enter__(self) -> Self:
        me = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._note = WriterNote(self._files, self._root, me, _FRESH_SECONDS)
        with ExitStack() as stack, self._named():
            if self._writes:
                stack.callback(self._note.leave)
                self._note.claim(self.url, self.folder)
            self._held = stack.enter_context(self._pulled_alone())
            self._begun = stack.pop_all()
        if self._writes:
            self._thread.start()
        else:
            self._held.close()
            _READ[self.folder] = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._writes:
            _READ.pop(self.folder, None)
            return
        self._ended.set()
        self._thread.join()
        with self._begun, self._named():
            self._note.claim(self.url, self.folder)
            self.push()

    def renew(self) -> None:
        """Pull, where that was not done lately. A storage that does not answer leaves the copy as it is."""
        if time.monotonic() - self._pulled >= self._every / 2:
            with suppress(Move37Error), self._named(), self._pulled_alone():
                pass

    @contextmanager
    def _pulled_alone(self) -> Iterator[IO[Any]]:
        """Pull while no other process of this machine does, unless one writes: then the copy is newer than the URL.

        Gives the lock that says so of a process that writes, to be held while it does.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.url}: its copy on this machine cannot be kept in {self.folder} ({error.strerror}); set "
                f"{SWITCH} to a folder with room that you may write to"
            ) from error
        with (self.folder / _WRITING).open("w") as writing:
            with (self.folder / _PULLING).open("w") as pulling:
                lock(pulling)
                try:
                    lock(writing, wait=False)
                    is_newer = False
                except (BlockingIOError, PermissionError):  # the second is Windows' word for it
                    is_newer = not self._writes
                self._known = read_json(self.folder / _KNOWN) or {}
                if not is_newer:
                    self.pull()
                self._pulled = time.monotonic()
            yield writing

    def pull(self) -> None:
        """Bring what is new at the URL here. What changed here alone since the last time stays, to be brought over."""
        there = self._there()
        self._refuse_runs_below(there)
        if not there and not self._writes and not self._here("."):
            raise InputError(f"{self.url}: nothing is there; give the URL of a run, or of a file, that is")
        lasts = self.url.partition(":")[0] not in _VOLATILE
        if lasts and self._known and not there and not any(self._exists(name) for name in self._known):
            raise StoreError(
                f"{self.url}: nothing is there any more; the copy on this machine is kept in {self.folder}: to bring "
                f"it back, delete {self.folder / _KNOWN} and run a command that writes, such as verify; to begin anew, "
                f"delete {self.folder}"
            )
        for _ in range(_ROUNDS):
            if not self._missed(there):
                break
            there = self._there()
        for name in self._known.keys() - there.keys():  # merged into others, or taken away, by another machine
            if self._exists(name):
                continue  # a listing may lag behind
            if _state(self.folder / name) == self._known[name][:2]:
                (self.folder / name).unlink()
            del self._known[name]
        self._remember()

    def _exists(self, name: str) -> bool:
        return bool(self._files.exists(f"{self._root}/{name}"))

    def _refuse_runs_below(self, there: Mapping[str, str]) -> None:
        """A folder of runs is none, and bringing all of them here is not what was meant."""
        if "config.json" in there:
            return
        runs = sorted(name.rpartition("/")[0] for name in there if name.endswith("/problems.parquet"))
        if runs:
            more = ", ..." if len(runs) > 3 else ""
            raise InputError(
                f"{self.url}: holds other runs ({', '.join(runs[:3])}{more}); give one, or a place of its own, as "
                f"{self.url}/{runs[0]}"
            )

    def _missed(self, there: Mapping[str, str]) -> bool:
        """Bring files here; whether some were merged into others meanwhile, which are to be listed again."""
        missed = False
        for name, mark in there.items():
            known = self._known.get(name)
            local = _state(self.folder / name)
            if local is not None and known is not None and known[2] == mark:
                continue  # only the copy here may have changed since
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.parent / f"{UNFINISHED}{uuid4().hex[:8]}-{path.name}"
            try:
                self._files.get_file(f"{self._root}/{name}", str(temporary))
            except FileNotFoundError:
                temporary.unlink(missing_ok=True)
                missed = True
                continue
            if local is not None and _PART.search(name) and _is_whole(path) and not _is_whole(temporary):
                temporary.unlink()
                self._keep_whole(name)
                continue
            temporary.replace(path)
            self._known[name] = [*(_state(path) or ()), mark]
        return missed

    def _keep_whole(self, name: str) -> None:
        """A part is never written to again: where the one at the URL is damaged, the whole one here is its content."""
        done = "is brought over again" if self._writes else "is read; a command that writes brings it over"
        print(f"move37: {self.url}/{name}: damaged there; the whole copy on this machine {done}", file=sys.stderr)
        if self._writes:
            self._known.pop(name, None)

    def push(self) -> None:
        """Bring what changed here over to the URL, then take away there what is gone here."""
        # Listed before the samples: a verdict is not brought over before the sample that it is about.
        verdicts = self._here("verdicts")
        others = [name for name in self._here(".") if name.partition("/")[0] != "verdicts"]
        changed = False
        for name in (*others, *verdicts):
            local = _state(self.folder / name)
            known = self._known.get(name)
            if local is None or (known is not None and known[:2] == local):
                continue
            with suppress(FileNotFoundError):  # merged into another part meanwhile, which comes the next time
                self._files.put_file(str(self.folder / name), f"{self._root}/{name}")
                self._known[name], changed = [*local, None], True
        for name in [name for name in self._known if _state(self.folder / name) is None]:
            with suppress(FileNotFoundError):
                self._files.rm_file(f"{self._root}/{name}")
            del self._known[name]
            changed = True
        if changed:
            there = self._there()
            for name, known in self._known.items():
                known[2] = there.get(name, known[2])
            self._remember()

    def _keep_pushing(self) -> None:
        while not self._ended.wait(self._every):
            try:
                self._note.claim(self.url, self.folder)
                self.push()
            except Exception as error:  # the last push, which nothing follows, raises; until then it is tried again
                print(f"move37: {self.url}: not brought over yet ({_one_line(error)})", file=sys.stderr)

    def _there(self) -> dict[str, str]:
        """The files at the URL, each with what says whether it changed."""
        self._files.invalidate_cache()
        try:
            found = self._files.find(self._root, detail=True)
        except FileNotFoundError:
            return {}
        start = len(self._root) + 1
        names = {info["name"].lstrip("/")[start:]: _mark(info) for info in found.values()}
        return {name: mark for name, mark in names.items() if name and not _is_of_machines(name)}

    def _here(self, part: str) -> list[str]:
        """The files below a folder of the copy, in order, without those that are being written."""
        paths = sorted(path for path in (self.folder / part).rglob("*") if path.is_file())
        names = (path.relative_to(self.folder).as_posix() for path in paths if not path.name.startswith(UNFINISHED))
        return [name for name in names if not _is_of_machines(name)]

    def _remember(self) -> None:
        write_atomically(self.folder / _KNOWN, json.dumps(self._known).encode())

    @contextmanager
    def _named(self) -> Iterator[None]:
        """What the file system of the URL raises, as one line that names it."""
        try:
            yield
        except Move37Error:
            raise
        except Exception as error:  # every kind of storage raises errors of its own
            if not self._writes:
                raise StoreError(f"{self.url}: cannot be read ({_one_line(error)})") from error
            raise StoreError(
                f"{self.url}: cannot be used ({_one_line(error)}); what was made is kept in {self.folder}: run the "
                "same command again on this machine"
            ) from error


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the place in it. Raises MissingExtraError."""
    try:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url)
    except ImportError as error:
        raise MissingExtraError(f"{url}: {_one_line(error)}: pip install 'move37[remote]'") from error
    return files, str(root).strip("/")


def _folder_of(url: str) -> Path:
    """Where the copy of a URL is on this machine."""
    digest = blake2b(url.rstrip("/").encode(), digest_size=6).hexdigest()
    name = f"{Path(url).name[:_LONGEST_NAME]}-{digest}"
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "move37" / "runs" / name
    except RuntimeError:
        raise InputError(f"{url}: no home for its copy on this machine; set {SWITCH} to a folder") from None
    given = os.environ.get(SWITCH, "off")
    return folder if given == "off" or folder.exists() else Path(given) / "runs" / name


def _is_of_machines(name: str) -> bool:
    """Whether a file is about who works on the run, and none of the run."""
    return name in _LOCAL_ONLY or name.startswith(CLOCK)


def _is_whole(path: Path) -> bool:
    from move37.parts import is_whole  # here: a command without a URL of a run needs no Polars for this

    return is_whole(path)


def _state(path: Path) -> list[int] | None:
    """Size and time of change; None where there is no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _mark(info: dict[str, Any]) -> str:
    """What changes when an object does: its tag, or its size and time."""
    tag = info.get("ETag") or info.get("etag") or info.get("md5Hash")
    times = (info.get(key) for key in ("mtime", "LastModified", "last_modified", "updated", "created"))
    return str(tag or [info.get("size"), *(str(each) for each in times if each)])


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:240]
