"""A Python interpreter: what `<python>print(6*7)</python>` prints is its result.

Programs run in the sandbox of the verifiers of programs (`verifiers/sandbox/`): no network, no files of the machine's,
5 seconds of CPU time and 1 GiB. Every call is a program of its own, nothing is kept from one to the next, and random
numbers start from the same seed, so the same call gives the same result. Needs bubblewrap.
"""

import atexit
from functools import lru_cache
from typing import ClassVar

from move37.environments.tools import ToolEnvironment, ToolError
from move37.verifiers.sandbox.host import Limits, SandboxLostError
from move37.verifiers.sandbox.rooms import Ran, Sandboxes

_LIMITS = Limits(cpu_seconds=5.0, wall_seconds=60.0, idle_seconds=5.0, memory_bytes=1 << 30)


class Python(ToolEnvironment):
    """See the module."""

    opens: ClassVar[str] = "<python>"
    closes: ClassVar[str] = "</python>"

    def call(self, argument: str) -> str:
        """Raises ToolError; VerifierError and MissingExtraError where there is no sandbox."""
        ran = self._run(argument.strip("\n"))
        if ran.idle:
            raise ToolError("the program waits without end")
        if ran.report.stopped == "wall" or ran.report.status < 0:
            raise ToolError("the program ran out of time or memory")
        if ran.report.status != 0:
            raise ToolError("the program raised an exception")
        return ran.output.decode("utf-8", "replace").rstrip("\n")

    def _run(self, program: str) -> Ran:
        try:
            return _sandboxes().run_script([program], b"", _LIMITS)
        except SandboxLostError:  # one that ended is started again
            try:
                return _sandboxes().run_script([program], b"", _LIMITS)
            except SandboxLostError as error:
                raise ToolError("the program broke its sandbox") from error


@lru_cache(maxsize=1)
def _sandboxes() -> Sandboxes:
    """Started with the first call, closed with the process."""
    made = Sandboxes()
    atexit.register(made.close)
    return made
