"""A user's own class as a verifier: `verifier = "graders.py:Strict"`, or "package.module:Strict".

The class is a `Verifier` as the table's are (`verifiers/__init__.py`), with keyword arguments for options. Two things
are done for it. Its version gets a digest of its file, so that after an edit every response is verified anew; and it
reaches other processes by its source and options instead of by its module, which only this process knows. What it
keeps of earlier answers is therefore not sent. Left out of the digest: what the file imports. It is your code, and
runs with your rights: no sandbox.
"""

from collections.abc import Callable, Mapping
from typing import Any

from move37.errors import InputError
from move37.registry import Source
from move37.types import Problem, Verdict
from move37.verifiers import VERIFIERS
from move37.verifiers.old_names import with_new_names


class SourceVerifier:
    """The verifier that `source` names, made with `options`. Raises InputError in one line."""

    def __init__(self, source: Source, options: Mapping[str, Any]) -> None:
        self._source, self._options = source, dict(options)
        self._own = with_new_names(VERIFIERS.load(source.full)(**options))
        self.name = self._own.name
        self.version = f"{self._own.version}{'-' if '+' in self._own.version else '+'}{source.digest}"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str, dict[str, Any]]]:
        return _made_again, (self._source.full, self._source.digest, self._options)

    def __getattr__(self, name: str) -> Any:
        """What a verifier may have beside its protocol (`verifiers/__init__.py`) is the user's class's own."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._own, name)

    def extract(self, problem: Problem, text: str) -> str | None:
        return self._own.extract(problem, text)

    def verify(self, problem: Problem, answer: str) -> Verdict:
        return self._own.verify(problem, answer)

    def format_answer(self, problem: Problem, reference: str) -> str:
        return self._own.format_answer(problem, reference)

    def set_up(self) -> None:
        self._own.set_up()


def _made_again(full: str, digest: str, options: dict[str, Any]) -> SourceVerifier:
    """The verifier in another process, from the same file as before."""
    source = Source.parse("verifier", full)
    if source.digest != digest:
        raise InputError(f"{source.path}: was edited while answers were verified; verify again")
    return SourceVerifier(source, options)
