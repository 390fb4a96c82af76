"""A registry of alternatives: a name -> the class (or object) behind it, loaded when it is used.

One class for all registries (engines, verifiers, benchmarks, algorithms, importers, ...). A name is one of
  a row of the table                       "transformers"
  the same with what it is made of         "search:notes.jsonl"   (`arguments` says which members take it)
  a class in a file of the user's own      "path/to/file.py:Class"
  a class in an importable module          "package.module:Class"
  an entry point of an installed package   any name in its group `move37.engines`, `move37.verifiers`, ...
The table comes first and never looks at installed packages. A package that takes a name of the table, or the name of
another package, is refused with one line that names it; so is one that cannot be imported. Unknown names list the
known ones, a missing package names the line that installs it, and what a user's file raises becomes one line.
Left out: instances and settings.
"""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from move37.errors import InputError, MissingExtraError, UnknownNameError
from move37.paths import absolute

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


@dataclass(frozen=True)
class Registry:
    """`kind` is the singular noun for messages; `extras` maps a name to the extra that installs what it imports.

    `methods` are what a member cannot do without: one from outside the table that lacks any is refused, unless it has
    the method under the name that it had before (`old_names`: new name -> old name).
    """

    kind: str
    table: Mapping[str, str]
    extras: Mapping[str, str] = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    old_names: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Rows of the table that are named with what they are made of, and what that is, for messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the table: what comes with move37."""
        return tuple(self.table)

    @property
    def plural(self) -> str:
        return f"{self.kind}es" if self.kind.endswith("ss") else f"{self.kind}s"

    @property
    def group(self) -> str:
        """The group of entry points in which other packages add members."""
        return f"move37.{self.plural}"

    def installed(self) -> "dict[str, list[EntryPoint]]":
        """What installed packages add, by name, sorted; more than one for a name that several packages claim."""
        from importlib.metadata import entry_points

        found: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=self.group):
            claims = found.setdefault(entry.name, [])
            if (entry.value, _package(entry)) not in {(each.value, _package(each)) for each in claims}:
                claims.append(entry)
        return dict(sorted(found.items()))

    def known(self) -> tuple[str, ...]:
        """All names, those of installed packages too. Raises InputError for a name that is claimed twice."""
        installed = self.installed()
        for name, claims in installed.items():
            self._refuse_conflict(name, claims)
        return (*self.names, *installed)

    def load(self, name: str) -> Any:
        """The class (or object) behind `name`. Raises UnknownNameError, MissingExtraError or InputError."""
        kind, _, argument = name.partition(":")
        if kind in self.arguments and argument:
            return partial(self._load_row(kind), argument)
        if kind in self.arguments:
            raise InputError(f"{self.kind} {name!r}: say {self.arguments[kind]}, as {kind}:NAME")
        if name in self.table:
            return self._load_row(name)
        installed = {} if is_file_source(name) else self.installed()
        if name in installed:
            return self._load_installed(name, installed[name])
        if is_source(name) and name.partition(":")[0] not in {*self.table, *installed}:
            return self._checked(name, Source.parse(self.kind, name).load())
        known = (*self.table, *(each for each in installed if each not in self.table))
        close = get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UnknownNameError(f"unknown {self.kind} {name!r}{hint} (known: {', '.join(known)})")

    def _load_row(self, name: str) -> Any:
        module, _, attribute = self.table[name].partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise missing_extra(f"{self.kind} {name!r}", error, self.extras.get(name)) from error

    def check(self, name: str) -> None:
        """Refuse an unknown name as `load` does, without loading what is in the table."""
        if name not in self.table:
            self.load(name)

    def origin(self, name: str) -> dict[str, str]:
        """What says which code is behind `name`: {"file": digest of its content} for one of the user's own, {"package":
        name and version} for one that is installed, nothing for the table's but what a member that takes an argument
        says of it (`origin`). Raises InputError."""
        if name in self.table:
            return {}
        kind, _, argument = name.partition(":")
        if kind in self.arguments:
            return self._load_row(kind).origin(argument)
        if is_source(name):
            return {"file": Source.parse(self.kind, name).digest}
        return {"package": ", ".join(map(_package, self.installed().get(name, ())))}

    def _load_installed(self, name: str, claims: "list[EntryPoint]") -> Any:
        self._refuse_conflict(name, claims)
        [entry] = claims
        try:
            found = entry.load()
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{self.kind} {name!r} of the installed package {_package(entry)} cannot be loaded ({_one_line(error)})"
            ) from error
        return self._checked(name, found, f" of the installed package {_package(entry)}")

    def _refuse_conflict(self, name: str, claims: "list[EntryPoint]") -> None:
        packages = " and ".join(sorted(map(_package, claims)))
        if name in self.table:
            raise InputError(
                f"{self.kind} {name!r} is a name of move37's own, and the installed package {packages} takes it too; "
                "uninstall the package, or have it take another name"
            )
        if len(claims) > 1:
            raise InputError(f"{self.kind} {name!r} is in two installed packages, {packages}; uninstall one of them")

    def _checked(self, name: str, found: Any, of: str = "") -> Any:
        """A member from outside the table, if it can do what a member must."""
        missing = [
            each
            for each in self.methods
            if not any(callable(getattr(found, name, None)) for name in (each, self.old_names.get(each, each)))
        ]
        if missing:
            raise InputError(f"{self.kind} {name!r}{of} has no {', '.join(missing)}: see docs/extending.md")
        return found


@dataclass(frozen=True, slots=True)
class Source:
    """One name in a user's own file or in an importable module, as "path/to/file.py:name" or "package.module:name".

    A file is run once for each content and path, as a module whose name holds their digest.
    """

    kind: str
    """What it is used as, for messages."""
    given: str
    place: str
    attribute: str
    path: Path
    digest: str
    """Of the file's content."""

    @classmethod
    def parse(cls, kind: str, given: str, form: str = "file.py:Class") -> "Source":
        """Find the file; it is not run yet. Raises InputError, in one line. `form` is an example, for messages."""
        place, _, attribute = given.rpartition(":")
        if not (place and attribute.isidentifier()):
            name = form.rpartition(":")[2]
            raise InputError(f"{kind} {given!r}: write it as path/to/{form} or package.module:{name}")
        path = _file_of(kind, place, given, form)
        try:
            digest = blake2b(path.read_bytes(), digest_size=6).hexdigest()
        except OSError as error:
            raise InputError(f"{kind} {given!r}: {place} cannot be read ({_one_line(error)})") from None
        return cls(kind, given, place, attribute, path, digest)

    @property
    def full(self) -> str:
        """The same, whatever the working folder is."""
        return f"{self.path}:{self.attribute}" if self.place.endswith(".py") else self.given

    def module(self) -> ModuleType:
        """The module, run if it was not. What running a user's file may raise becomes one line: InputError."""
        try:
            if not self.place.endswith(".py"):
                return importlib.import_module(self.place)
            # The path counts too: two files of one content may read what lies beside them.
            name = f"move37_file_{self.digest}_{blake2b(bytes(self.path), digest_size=4).hexdigest()}"
            return sys.modules.get(name) or _run_file(name, self.path)
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{self.kind} {self.given!r}: {self.path} cannot be loaded ({_one_line(error)})"
            ) from error

    def load(self) -> Any:
        """What stands there under the name. Raises InputError, which lists the classes there are."""
        module = self.module()
        if hasattr(module, self.attribute):
            return getattr(module, self.attribute)
        here = [
            key for key, each in vars(module).items() if isinstance(each, type) and each.__module__ == module.__name__
        ]
        close = get_close_matches(self.attribute, here, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f" (classes there: {', '.join(here) or 'none'})"
        raise InputError(f"{self.kind} {self.given!r}: no {self.attribute!r} in {self.path}{hint}")


def is_source(name: str) -> bool:
    """Whether a name is written as a place and what stands there, rather than as a plain name."""
    place, colon, attribute = name.rpartition(":")
    return bool(colon) and (is_file_source(name) or (attribute.isidentifier() and _is_dotted(place)))


def is_file_source(name: str) -> bool:
    """Whether a name is written as "path/to/file.py:name"."""
    return name.rpartition(":")[0].endswith(".py")


def missing_extra(what: str, error: ModuleNotFoundError, extra: str | None) -> Exception:
    """The error to raise when `what` needs a package that is not installed (a bug of ours stays what it is)."""
    if extra is None or (error.name or "").startswith("move37"):
        return error
    return MissingExtraError(f"{what} needs the package {error.name!r}: pip install 'move37[{extra}]'")


def _run_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for what the file defines
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # half a module is not to be found by the next one who asks
        raise
    return module


def _file_of(kind: str, place: str, given: str, form: str) -> Path:
    if place.endswith(".py"):
        try:
            path = absolute(place)
        except InputError as error:
            raise InputError(f"{kind} {given!r}: {error}") from None
        if not path.is_file():
            raise InputError(f"{kind} {given!r}: no such file: {place}")
        return path
    try:
        spec = importlib.util.find_spec(place)
    except (Exception, SystemExit) as error:  # finding a module runs the packages that it is in
        raise InputError(f"{kind} {given!r}: {place} cannot be imported ({_said(error)})") from None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise InputError(f"{kind} {given!r}: no Python module {place!r}; a file is written as path/to/{form}")
    return Path(spec.origin)


def _is_dotted(place: str) -> bool:
    return all(part.isidentifier() for part in place.split("."))


def _package(entry: "EntryPoint") -> str:
    """ "fruit-verifier 0.1": the distribution that an entry point belongs to."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else repr(entry.value)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _said(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
