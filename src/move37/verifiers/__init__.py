"""Verifiers decide about one answer. One registry, one shape; the contract is in tests/test_verifiers.py.

Verifying is split in two so that equal answers are decided once: `extract` finds the answer in the text (pure string
work, fast, total), `verify` decides (may be slow, may hang, may crash). Nobody calls `verify` directly:
`verification.py` is the one door, for evaluation, regrading and training reward, and it bounds every call.
"""

from typing import Protocol

from move37.registry import Registry
from move37.types import Problem, Verdict


class Verifier(Protocol):
    """Instances are pickled to the worker processes, so a class lives in a module that they can import.

    A verifier may also have
      threads: int                 answers that one process verifies at once, if it mostly waits for others
      wall_seconds: float          how long it may be silent, if it bounds its own work
      is_cacheable(verdict) -> bool  whether verifying again would give this correct or incorrect verdict again: those
                                   are kept from one run to the next (`cache.py`). Without it none is.
      confirm() -> bool            asked after every few answers, not with `threads`: whether the verdicts given since
                                   it was last asked stand. If not, they are verified again one by one

    Names of before (judge, present, warm, lasting) still work: `old_names.py`.
    """

    name: str
    version: str
    """Changes whenever a verdict could: own revision plus the version of the library that decides."""

    def extract(self, problem: Problem, text: str) -> str | None:
        """The answer in `text`, or None where there is none (which is incorrect). Equal answers, equal verdicts.

        Runs in the caller's process and cannot be killed: time linear in the text, no exceptions.
        """
        ...

    def verify(self, problem: Problem, answer: str) -> Verdict:
        """Decide about an extracted answer. What it raises makes the sample unscored, not incorrect.

        The verdict's own `answer` is not read: the pool fills in what was extracted.
        """
        ...

    def format_answer(self, problem: Problem, reference: str) -> str:
        """A response whose answer is `reference`, as this verifier expects responses to be written."""
        ...

    def set_up(self) -> None:
        """Import what `verify` needs. Called once in each worker, off every answer's clock."""
        ...


def label_of(verifier: Verifier) -> str:
    """ "<verifier>@<version>": under what its verdicts are kept and compared."""
    return f"{verifier.name}@{verifier.version}"


CODE = "code"
"""The verifier that runs programs: the only one that takes `isolated`."""

FUNCTION = "function"
"""The verifier that a user's own function is: the only one whose name may stand for it as "grader.py:function"."""

OLD_NAMES = {"verify": "judge", "format_answer": "present", "set_up": "warm", "is_cacheable": "lasting"}
"""What a verifier's methods were called before (`old_names.py`)."""

VERIFIERS = Registry(
    "verifier",
    {
        "math": "move37.verifiers.math:MathVerifier",
        "exact": "move37.verifiers.exact:ExactVerifier",
        "numeric": "move37.verifiers.numeric:NumericVerifier",
        "choice": "move37.verifiers.choice:ChoiceVerifier",
        CODE: "move37.verifiers.code:CodeVerifier",
        "reasoning-gym": "move37.verifiers.reasoning_gym:ReasoningGymVerifier",
        "countdown": "move37.verifiers.countdown:CountdownVerifier",
        "paths": "move37.verifiers.worlds:PathsVerifier",
        "parity": "move37.verifiers.worlds:ParityVerifier",
        "two-strategies": "move37.verifiers.worlds:TwoStrategiesVerifier",
        "visual-countdown": "move37.verifiers.worlds:VisualCountdownVerifier",
        "drawn-geometry": "move37.verifiers.worlds:DrawnGeometryVerifier",
        FUNCTION: "move37.verifiers.function:FunctionVerifier",
        "judge": "move37.verifiers.judge:JudgeVerifier",
    },
    extras={"reasoning-gym": "gym", "judge": "server"},
    methods=("extract", "verify", "format_answer", "set_up"),
    old_names=OLD_NAMES,
)
