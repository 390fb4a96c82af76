"""A shelf of alternatives: NAME -> "module:Class", loaded when used.

One class for the shelves (benchmarks, engines, verifiers, importers), so that an unknown name always lists the
known ones and a missing package always names the line that installs it. It holds no instances and no settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from move37.errors import MissingExtraError, UnknownNameError


@dataclass(frozen=True)
class Shelf:
    """`kind` is the singular noun for messages; `extras` maps a name to the extra that installs what it imports."""

    kind: str
    table: Mapping[str, str]
    extras: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.table)

    def load(self, name: str) -> Any:
        """The class (or object) behind `name`. Raises UnknownNameError or MissingExtraError."""
        if name not in self.table:
            close = get_close_matches(name, self.table, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise UnknownNameError(f"unknown {self.kind} {name!r}{hint} (known: {', '.join(self.table)})")
        module, _, attribute = self.table[name].partition(":")
        try:
            return getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise missing_extra(f"{self.kind} {name!r}", error, self.extras.get(name)) from error


def missing_extra(what: str, error: ModuleNotFoundError, extra: str | None) -> Exception:
    """The error to raise when `what` needs a package that is not installed (a bug of ours stays what it is)."""
    if extra is None or (error.name or "").startswith("move37"):
        return error
    return MissingExtraError(f"{what} needs the package {error.name!r}: pip install 'move37[{extra}]'")
