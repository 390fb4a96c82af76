"""Verifiers that tests send to worker processes. Most misbehave for real: they spin, sleep, crash, hoard memory.

Apart from the tests, since every worker that verifies by one imports its module: what a test module imports takes a
second or two, and the tests start hundreds of workers.
"""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from move37.types import Flag, Outcome, Problem, StepVerdict, Verdict
from move37.verifiers import Verifier
from move37.verifiers.exact import ExactVerifier
from move37.verifiers.worker import HOARD_BYTES


class Obedient:
    """Does what the answer says, in the worker; the text is the answer, and an empty text holds none."""

    name, version = "obedient", "1"

    def extract(self, problem: Problem, text: str) -> str | None:
        if text == "extract raises":
            raise LookupError("no such thing")
        return text or None

    def format_answer(self, problem: Problem, reference: str) -> str:
        return reference

    def set_up(self) -> None:
        pass

    def verify(self, problem: Problem, answer: str) -> Verdict:
        log = problem.metadata.get("log")
        if log:
            with open(log, "a", encoding="utf-8") as file:
                file.write(answer + "\n")
        match answer.split()[0]:
            case "spin":
                while True:
                    pass
            case "sleep":
                time.sleep(10_000)
            case "burn":  # a tenth of a second of CPU time
                end = time.process_time() + 0.1
                while time.process_time() < end:
                    pass
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "crash-once" if log and Path(log).read_text().count(answer) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(3)
            case "exit-well":
                os._exit(0)
            case "leave":
                sys.exit()
            case "garble":  # as if the judge wrote to every file that is open
                for descriptor in range(3, 256):
                    with suppress(OSError):
                        os.write(descriptor, b"\0\0\0\5hello")
            case "mute":  # the worker cannot ring any more
                os.close(int(sys.argv[3]))
            case "write":  # a whole message, but none that a worker sends
                message = answer.partition(" ")[2].encode()
                for descriptor in range(3, 256):
                    with suppress(OSError):
                        os.write(descriptor, message + b"\n")
            case "no-verdict":
                return True  # type: ignore[return-value]
            case "no-outcome":
                return Verdict("banana", "matches")  # type: ignore[arg-type]
            case "long-reason":
                return Verdict(Outcome.CORRECT, "\ud800" + "x" * 10_000_000)
            case "leave-a-thread":
                threading.Thread(target=_spin, daemon=True).start()
                return Verdict(Outcome.CORRECT, str(os.getpid()))
            case "fork":
                child = os.fork()
                if child == 0:
                    time.sleep(10_000)
                return Verdict(Outcome.CORRECT, str(child))
            case "raise":
                raise ValueError("two\nlines")
            case "recurse":
                return self.verify(problem, answer)
            case "hoard":  # 1.2 GiB, resident, and then a swallowed MemoryError for all we know
                hoard = bytearray(1_300_000_000)
                hoard[::4096] = b"x" * len(hoard[::4096])
            case "allocate":
                bytearray(1 << 40)
            case "print":
                print("noise " * 10_000, flush=True)
                os.write(1, b"noise")
            case "who":
                return Verdict(Outcome.CORRECT, str(os.getpid()))
            case "steps":
                import numpy as np  # here, as no other answer needs it

                steps = (StepVerdict(Outcome.CORRECT, span=(0, 2)), StepVerdict(score=np.float32(0.25)))  # type: ignore[arg-type]
                return Verdict(Outcome.CORRECT, "in steps", flags=frozenset({Flag.UNSANDBOXED}), steps=steps)
            case "many-steps":
                return Verdict(Outcome.INCORRECT, "in steps", steps=(StepVerdict(score=1 / 3),) * 10_000)
            case "no-flag":
                return Verdict(Outcome.CORRECT, "matches", flags={"alone"})  # type: ignore[arg-type]
            case "no-step":
                return Verdict(Outcome.CORRECT, "matches", steps=(0.5,))  # type: ignore[arg-type]
            case "text-flag":
                return Verdict(Outcome.CORRECT, "matches", flags="timed_out")  # type: ignore[arg-type]
            case "torch":
                return Verdict(Outcome.INCORRECT if "torch" in sys.modules else Outcome.CORRECT, "loaded?")
        if answer in problem.references:
            return Verdict(Outcome.CORRECT, "matches")
        return Verdict(Outcome.INCORRECT, "differs")


def _spin() -> None:
    while True:
        pass


class CannotWarm(Obedient):
    name = "cold"

    def set_up(self) -> None:
        raise ImportError("no module\nnamed 'gold'")


class NeedsMuch(Obedient):
    """Is larger than a worker may grow while it judges before it has judged anything."""

    name = "large"

    def set_up(self) -> None:
        self.table = bytearray(HOARD_BYTES + 2**20)
        self.table[::4096] = b"x" * len(self.table[::4096])


class DiesAtStart(Obedient):
    name = "stillborn"

    def set_up(self) -> None:
        os._exit(7)


class Yes(Obedient):
    name = "yes"

    def verify(self, problem: Problem, answer: str) -> Verdict:
        return Verdict(Outcome.CORRECT, "yes")


class Repeatable(Obedient):
    """Judging again gives the same verdict, unless the reason is "fickle"."""

    name = "repeatable"

    def is_cacheable(self, verdict: Verdict) -> bool:
        return verdict.reason != "fickle"

    def verify(self, problem: Problem, answer: str) -> Verdict:
        verdict = super().verify(problem, answer)
        return replace(verdict, reason="fickle") if answer.startswith("fickle") else verdict


class Hangs:
    """A member whose judge never returns."""

    def __init__(self, member: Verifier) -> None:
        self.member, self.name, self.version = member, f"hanging {member.name}", member.version
        self.extract, self.format_answer, self.set_up = member.extract, member.format_answer, member.set_up

    def verify(self, problem: Problem, answer: str) -> Verdict:
        while True:
            pass


class Waits:
    """Answers that are judged side by side: "slow" ones wait, one ends its process, the others answer at once."""

    name, version, threads, wall_seconds = "waits", "1", 8, 3.0

    def extract(self, problem: Problem, text: str) -> str | None:
        return text

    def format_answer(self, problem: Problem, reference: str) -> str:
        return reference

    def set_up(self) -> None:
        """Nothing to import."""

    def verify(self, problem: Problem, answer: str) -> Verdict:
        if answer.startswith("slow"):
            time.sleep(1)
        if answer == "never":
            time.sleep(1000)
        if answer == "exit":
            os._exit(3)
        if answer == "raise":
            raise ValueError
        return Verdict(Outcome.CORRECT if answer.startswith("slow") else Outcome.INCORRECT, answer)


class Gullible(ExactVerifier):
    """Accepts every answer that is not "17", leaves "18" unscored."""

    name = "gullible"

    def verify(self, problem: Problem, answer: str) -> Verdict:
        outcome = {"17": Outcome.INCORRECT, "18": Outcome.UNSCORED}.get(answer, Outcome.CORRECT)
        return Verdict(outcome, "so be it")
