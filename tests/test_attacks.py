"""No program passes without computing, none does harm, and nothing of it is left.

Every file in tests/attacks/ is one program; its first line says what it attempts. Many would be correct if what they
attempt worked: they compute the right result only where they found the tests, reached a server, wrote a file. All
are judged by one pool, with honest programs before, between and after them.
"""

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from move37.config import VerificationConfig
from move37.types import Outcome, Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers.code import CodeVerifier

ATTACKS = sorted((Path(__file__).parent / "attacks").glob("*.txt"))
CANARY, SECRET = "nobody may read or change this", "MOVE37_TEST_SECRET"
RIGHT = "def solve(xs):\n    return sum(x * x for x in xs)\n"
WRONG = "def solve(xs):\n    return sum(xs)\n"
SUM_OF_SQUARES = Problem(
    "made-up/squares",
    "Add up the squares.",
    (RIGHT,),
    "made-up",
    "code",
    metadata={
        "tests": [
            "def check(candidate):\n"
            "    assert candidate([1, 2, 3]) == 14\n"
            "    assert candidate([]) == 0\n"
            "    assert candidate([-4, 0.5]) == 16.25\n"
            "check(solve)\n"
        ]
    },
)


def why_not_isolated() -> str:
    """Why programs cannot be isolated here; "" if they can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    command = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "true"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"bubblewrap is not permitted here: {tried.stderr.strip()}"


needs_isolation = pytest.mark.skipif(bool(why_not_isolated()), reason=why_not_isolated() or "isolated")
pytestmark = [pytest.mark.own_workers, pytest.mark.slow, needs_isolation]


@dataclass
class Aftermath:
    """What was seen while and after all attacks were judged."""

    verdicts: dict[str, Verdict]
    honest: list[Verdict]
    canary: Path
    visitors: int
    processes_left: list[str]
    seconds_attacked: float
    seconds_fresh: float
    """Of ten honest programs where the attacks were judged, and in sandboxes that never saw one."""


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    canary = tmp_path_factory.mktemp("home") / "canary"
    canary.write_text(CANARY)
    os.environ[SECRET] = "14"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = str(server.getsockname()[1])
        programs = {
            path.stem: path.read_text().replace("@CANARY@", str(canary)).replace("@PORT@", port) for path in ATTACKS
        }
        verifier = CodeVerifier(cpu_seconds=0.2)
        with VerifierPool(VerificationConfig(workers=1)) as pool:
            items = [
                (SUM_OF_SQUARES, verifier.format_answer(SUM_OF_SQUARES, program), name)
                for attack, source in programs.items()
                for program, name in ((source, attack), (f"{RIGHT}# after {attack}", f"after {attack}"))
            ]
            verdicts = dict(pool.verify(verifier, items))
            with VerifierPool(VerificationConfig(workers=1)) as fresh:
                turns = [[time_of_honest_programs(each, verifier, turn) for each in (pool, fresh)] for turn in range(6)]
        visitors = count_visitors(server)
    del os.environ[SECRET]
    return Aftermath(
        {name: verdicts[name] for name in programs},
        [verdicts[f"after {name}"] for name in programs],
        canary,
        visitors,
        processes_of_sandboxes(),
        *(min(times) for times in zip(*turns[1:], strict=True)),
    )


def time_of_honest_programs(pool: VerifierPool, verifier: CodeVerifier, turn: int) -> float:
    """The wall time of ten programs."""
    start = time.perf_counter()
    texts = [verifier.format_answer(SUM_OF_SQUARES, f"{RIGHT}# {turn} {i}") for i in range(10)]
    verdicts = dict(pool.verify(verifier, ((SUM_OF_SQUARES, text, i) for i, text in enumerate(texts))))
    assert {verdict.outcome for verdict in verdicts.values()} == {Outcome.CORRECT}
    return time.perf_counter() - start


def count_visitors(server: socket.socket) -> int:
    visitors = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return visitors
        visitors += 1


def processes_of_sandboxes() -> list[str]:
    """Command lines of processes that belong to a sandbox, once those that are dying had ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parent = int((entry.parent / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            # Orphans count, and what this process started; other sandboxes of this user's have living parents.
            if "confined.supervisor" in line and parent in (1, os.getpid()):
                found.append(line)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_there_are_at_least_forty_attacks_and_each_says_what_it_attempts() -> None:
    assert len(ATTACKS) >= 40
    assert all(path.read_text().startswith("# ") for path in ATTACKS)


@pytest.mark.parametrize("attack", [path.stem for path in ATTACKS])
def test_it_is_called_incorrect(attack: str, aftermath: Aftermath) -> None:
    assert aftermath.verdicts[attack].outcome is Outcome.INCORRECT, aftermath.verdicts[attack].reason


def test_after_every_attack_an_honest_program_passes(aftermath: Aftermath) -> None:
    assert [verdict.outcome for verdict in aftermath.honest] == [Outcome.CORRECT] * len(ATTACKS)


def test_no_file_was_changed_no_connection_made_and_no_process_is_left(aftermath: Aftermath) -> None:
    assert aftermath.canary.read_text() == CANARY
    assert [path.name for path in aftermath.canary.parent.iterdir()] == ["canary"]
    assert aftermath.visitors == 0
    assert aftermath.processes_left == []


def test_honest_programs_take_as_long_where_attacks_were_judged_as_elsewhere(aftermath: Aftermath) -> None:
    # In turns, so that the machine is as busy for both: a lower priority or fewer processors would show as a factor.
    assert aftermath.seconds_attacked < 5 * aftermath.seconds_fresh
