"""One tree of errors, named after the boundary that broke.

    Move37Error
    |-- UsageError (ValueError)            the caller can mend it: exit code 2
    |   |-- ConfigError                    a key of a study file
    |   |-- InputError                     a file or a value that the user handed in
    |   |-- UnknownNameError (LookupError) a name that no registry holds
    |   `-- MissingExtraError (ImportError) a package that an extra installs
    `-- RunError (RuntimeError)            the run broke: exit code 1
        |-- StoreError (OSError)           the run folder: torn, foreign or contradictory files, full disk
        |-- EngineError                    a model could not be loaded or failed while sampling
        |   `-- SamplesLeftError           all but some samples were made
        `-- VerifierError                  the judging machinery itself failed

Messages are one line and say what to do. What the machine or a file's content can cause anywhere (a disk, a lack of
memory, a name that is no text) and no module has named is put into such a line by `described`. Plugins raise whatever
is natural to them; the module that calls a plugin classifies it. A bad sample is data (a verdict with a reason), never
an error.
"""

import errno
from collections.abc import Collection
from typing import Self

_INPUT_ERRNOS = (
    errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.EEXIST
)  # fmt: skip
"""What is wrong with a path that somebody gave, as opposed to a machine that refuses."""

_EXTRAS = {
    "polars": ("runs", "a run folder"),
    "math-verify": ("runs", "judging answers"),
    "math_verify": ("runs", "judging answers"),
    "altair": ("report", "drawing a report"),
    "vl_convert": ("report", "drawing a report"),
}
"""Packages outside the core: the extra that installs each, and what needs it."""


class Move37Error(Exception):
    """Root of every error that move37 raises on purpose. One line that says what to do."""

    exit_code = 1


class UsageError(Move37Error, ValueError):
    """Bad usage or bad input; nothing was changed."""

    exit_code = 2


class ConfigError(UsageError):
    """A study file is wrong; the message names the key."""


class InputError(UsageError):
    """A file or value handed in by the user is wrong; the message names the place."""


class UnknownNameError(UsageError, LookupError):
    """A name is in no registry; the message lists the known ones."""


class MissingExtraError(UsageError, ImportError):
    """A package is not installed; the message has the line that installs it."""


class RunError(Move37Error, RuntimeError):
    """The run could not go on; what was finished is kept."""


class StoreError(RunError, OSError):
    """The run folder holds something that it should not, or cannot be written."""


class EngineError(RunError):
    """A model could not be loaded, or failed while sampling."""


class SamplesLeftError(EngineError):
    """Some samples could not be made, those of `problem_ids`; all others that were asked for have been delivered."""

    def __init__(self, said: str, problem_ids: Collection[str] = ()) -> None:
        super().__init__(said)
        self.problem_ids = frozenset(problem_ids)

    def __reduce__(self) -> tuple[type[Self], tuple[str, frozenset[str]]]:
        return type(self), (str(self), self.problem_ids)  # it crosses from process to process


class VerifierError(RunError):
    """The judging machinery failed, as opposed to one verdict (which is then unscored)."""


def described(error: BaseException) -> tuple[str, int] | None:
    """One line about an error of the machine or of a file's content, and the exit code; None for anything else.

    None means a mistake in this package: an error on purpose has its own message.
    """
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        code = 2 if error.errno in _INPUT_ERRNOS else 1
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"{place}the disk is full; make room and run the same command again", 1
        return f"{place}cannot be used: {error.strerror or error or type(error).__name__}", code
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:  # of a distribution, too
        extra, what = _EXTRAS[error.name]
        return f"{what} needs the package {error.name}: pip install 'move37[{extra}]'", 2
    if isinstance(error, MemoryError):
        what = f" ({error})" if str(error) else ""
        return f"out of memory{what}; lower n, k, draws, batch_size or the number of problems", 1
    if isinstance(error, RecursionError):
        return f"a value is nested too deeply ({error}); flatten the file that holds it", 2
    if isinstance(error, UnicodeError):
        return f"a name or a text is not valid Unicode ({error}); rename or rewrite it as UTF-8", 2
    return None
