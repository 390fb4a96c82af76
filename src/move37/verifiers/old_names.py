"""Verifiers written with the names that methods had before: they keep working, and one line names the new ones.

    judge -> verify      present -> format_answer      warm -> set_up      lasting -> is_cacheable

A class may mix old and new names, also by inheritance: of a pair, the one that its own class or nearest base defines
is in force, and the new one where both stand in one class. The file of a user's function may define `present`.
The line is a FutureWarning at the place of the definition, shown once per process.
"""

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

from move37.verifiers import OLD_NAMES, Verifier

_shown: dict[Any, Any] = {}
"""What `warnings` has shown, in the form that it keeps itself."""


class Renamed:
    """A verifier under the new names; what it calls itself by the old ones it still finds."""

    def __init__(self, verifier: Any, old_of: dict[str, str]) -> None:
        self._verifier, self._old_of = verifier, old_of

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pickle and copy ask before there is a `_verifier`
            raise AttributeError(name)
        return getattr(self._verifier, self._old_of.get(name, name))

    def __reduce__(self) -> tuple[type["Renamed"], tuple[Any, dict[str, str]]]:
        return Renamed, (self._verifier, self._old_of)


def with_new_names(verifier: Any) -> Verifier:
    """The verifier itself, or, where it defines old names, a view of it under the new ones (with the warning)."""
    old_of = {new: old for new, old in OLD_NAMES.items() if _distance(verifier, old) < _distance(verifier, new)}
    if not old_of:
        return verifier
    for new, old in old_of.items():
        _warn(getattr(verifier, old), f"verifier {verifier.name!r}: {old}() is called {new}() now; please rename it")
    return cast(Verifier, Renamed(verifier, old_of))


def format_answer_of(module: ModuleType) -> Callable[..., Any] | None:
    """`format_answer` of a grader's file, or `present`, as it was called before (with the warning)."""
    if hasattr(module, "format_answer") or not hasattr(module, "present"):
        return getattr(module, "format_answer", None)
    _warn(module.present, f"{module.__file__}: present() is called format_answer() now; please rename it")
    return module.present


def _distance(verifier: Any, name: str) -> float:
    """How far up the definition stands: 0 in the instance, 1 in its class, 2 in the next base; infinite for none."""
    places = [getattr(verifier, "__dict__", {}), *map(vars, type(verifier).__mro__)]
    return next((distance for distance, names in enumerate(places) if name in names), float("inf"))


def _warn(defined: Any, message: str) -> None:
    code = getattr(defined, "__code__", None) or getattr(getattr(defined, "__func__", None), "__code__", None)
    path, line = (code.co_filename, code.co_firstlineno) if code else ("move37", 1)
    warnings.warn_explicit(message, FutureWarning, path, line, registry=_shown)
