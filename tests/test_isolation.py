"""What one judged program does changes no other's verdict, and what could have is noticed.

`MOVE37_SEQUENCES=2000 pytest tests/test_isolation.py -k sequences` is the long form of the property.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from move37.config import VerificationConfig
from move37.types import Flag, Outcome, Problem
from move37.verification import VerifierPool
from move37.verifiers import program_runs
from move37.verifiers.code import CodeVerifier
from move37.verifiers.sandbox import host, rooms
from move37.verifiers.sandbox.activity import Idleness
from move37.verifiers.sandbox.host import Limits, Sandbox, SandboxLostError
from move37.verifiers.sandbox.rooms import Sandboxes
from tests.hostile_sequences import AREA, HONEST, sequences
from tests.test_attacks import needs_isolation
from tests.unsteady import SPOILER, UnsteadyVerifier

pytestmark = pytest.mark.own_workers

SEQUENCES = int(os.environ.get("MOVE37_SEQUENCES", "25"))
TESTS = {"head": "", "once": "", "setup": "", "tests": ["assert f() == 1"], "reference": "", "entry_point": "f"}
LIMITS = Limits(cpu_seconds=2.0, wall_seconds=20.0)


@pytest.fixture
def sandboxes() -> Iterator[Sandboxes]:
    made = Sandboxes()
    yield made
    made.close()


@pytest.mark.slow
@needs_isolation
def test_in_random_sequences_with_hostile_programs_every_honest_verdict_is_as_alone() -> None:
    verifier = CodeVerifier(cpu_seconds=1.0)
    judged = 0
    with VerifierPool(VerificationConfig(workers=2)) as pool:
        for items in sequences(SEQUENCES):
            offered = ((AREA, verifier.format_answer(AREA, item.program), item) for item in items)
            for item, verdict in pool.verify(verifier, offered):
                wanted = Outcome.INCORRECT if item.wanted is None else item.wanted
                assert verdict.outcome is wanted, (item.name, verdict, [each.name for each in items])
                judged += 1
    assert judged >= 4 * SEQUENCES


@pytest.mark.slow
@needs_isolation
def test_the_wanted_verdicts_of_the_sequences_are_those_that_programs_get_alone() -> None:
    verifier = CodeVerifier(cpu_seconds=1.0)
    try:
        outcomes = {name: verifier.verify(AREA, program).outcome for name, (program, _) in HONEST.items()}
    finally:
        verifier.close()
    assert outcomes == {name: outcome for name, (_, outcome) in HONEST.items()}


@needs_isolation
def test_a_sandbox_with_other_limits_is_noticed_and_replaced(sandboxes: Sandboxes) -> None:
    assert sandboxes.are_intact()
    soft, hard = resource.getrlimit(resource.RLIMIT_RSS)  # one that the supervisor does not set itself
    resource.setrlimit(resource.RLIMIT_RSS, (1 << 20, hard))
    try:
        other = Sandbox()  # as if a program had lowered the limits of its supervisor, which none can any more
    finally:
        resource.setrlimit(resource.RLIMIT_RSS, (soft, hard))
    sandboxes.start()[0].close()
    sandboxes._programs = other
    assert not sandboxes.are_intact()
    assert sandboxes.start()[0] is not other
    assert sandboxes.are_intact()


@needs_isolation
def test_sandboxes_start_whatever_is_open_here() -> None:
    opened = [os.open("/dev/null", os.O_RDONLY)]
    try:
        while opened[-1] < 40:  # the numbers under which the sandbox has descriptors of its own are among them
            opened.append(os.open("/dev/null", os.O_RDONLY))
            if opened[-1] > 27:
                made = Sandboxes()
                assert made.examine(TESTS, ["def f(): return 1"], LIMITS).kind == "passed"
                made.close()
    finally:
        for each in opened:
            os.close(each)


@needs_isolation
def test_a_child_that_ends_before_its_program_begins_is_the_sandboxs_failure(sandboxes: Sandboxes) -> None:
    with pytest.raises(SandboxLostError, match="before its program began"):
        sandboxes.examine(TESTS, ["def f(): return 1"], Limits(float("nan"), 5.0))  # no time that could be set
    assert sandboxes.examine(TESTS, ["def f(): return 1"], LIMITS).kind == "passed"


@pytest.mark.parametrize("place", [0, 3, 20])
def test_what_cannot_be_confirmed_is_verified_again(place: int) -> None:
    problem = Problem("made-up/1", "?", (), "made-up", "unsteady")
    answers = [f"right {i}" if i % 3 else f"wrong {i}" for i in range(40)]
    answers.insert(place, SPOILER)
    with VerifierPool(VerificationConfig(workers=1)) as pool:
        verdicts = dict(pool.verify(UnsteadyVerifier(), ((problem, answer, answer) for answer in answers)))
    assert {answer for answer, verdict in verdicts.items() if verdict.outcome is Outcome.CORRECT} == {
        answer for answer in answers if answer.startswith("right")
    }


@pytest.mark.slow
@needs_isolation
@pytest.mark.parametrize(
    ("program", "idle"),
    [
        ("import time\ndef f():\n    time.sleep(60)", True),
        ("import threading\ndef f():\n    threading.Event().wait()", True),
        ("import os\ndef f():\n    return os.read(os.pipe()[0], 1)", True),
        ("import time\ndef f():\n    time.sleep(0.5)\n    return 1", False),
        (
            "import time\nend = time.monotonic() + 1.5\ndef f():\n    while time.monotonic() < end: pass\n    return 1",
            False,
        ),
    ],
)
def test_a_program_that_waits_is_ended_early_and_one_that_works_is_not(
    program: str, idle: bool, sandboxes: Sandboxes
) -> None:
    began = time.monotonic()
    examined = sandboxes.examine(TESTS, [program], Limits(5.0, 60.0, idle_seconds=1.0))
    assert examined.kind == ("idle" if idle else "passed")
    assert time.monotonic() - began < 20


@pytest.mark.slow
@needs_isolation
@pytest.mark.slow
def test_a_script_that_writes_a_word_now_and_then_waits_all_the_same(sandboxes: Sandboxes) -> None:
    drips = "import time\nwhile True:\n    print('x', flush=True)\n    time.sleep(0.05)"
    ran = sandboxes.run_script([drips], b"", Limits(5.0, 60.0, idle_seconds=1.0))
    assert ran.idle
    assert ran.report.wall_seconds < 20


@pytest.mark.parametrize(("text", "is_idle"), [("while True: pass", False), ("input()", True)])
def test_a_process_is_busy_when_it_computes_and_idle_when_it_waits(text: str, is_idle: bool) -> None:
    command = [sys.executable, "-S", "-c", f"print(flush=True)\n{text}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        idleness = Idleness([process.pid])
        for _ in range(11):
            idleness.look()
            time.sleep(0.1)
        process.kill()
    assert idleness.seconds > 0.7 if is_idle else idleness.seconds < 0.3


def test_what_waits_for_a_processor_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    # Looks a second apart; the kernel adds what the task waited only once it runs: 0, 0, then 2.9 s at once.
    seen = iter([[("t", 0.0, True)], [("t", 0.0, True)], [("t", 0.0, True)], [("t", 2.9, True)], [("t", 2.9, False)]])
    clock = iter(range(10))
    monkeypatch.setattr(Idleness, "_tasks", lambda self: iter(next(seen)))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    idleness = Idleness([1])
    found = []
    for _ in range(5):
        idleness.look()
        found.append(round(idleness.seconds, 6))
    assert found == [0, 1, 2, 0.1, 0.1]  # in the last second it was ready to run and did not come to it


@pytest.mark.slow
@needs_isolation
def test_tests_that_keep_busy_with_a_result_have_a_limit_of_their_own() -> None:
    problem = Problem("made-up/2", "?", (), "made-up", "code", metadata={"tests": ["assert int(f()) == 1"]})
    verifier = CodeVerifier(cpu_seconds=0.5)
    try:
        verdict = verifier.verify(problem, "from decimal import Decimal\ndef f(): return Decimal('1e999999999')")
        after = verifier.verify(problem, "def f(): return 1.5")
    finally:
        verifier.close()
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "out of time in the tests")
    assert after.outcome is Outcome.CORRECT


@pytest.mark.slow
@needs_isolation
def test_tests_may_take_as_long_as_their_processor_time_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "TESTS_SECONDS", 0.1)  # as on a machine with much else to do
    monkeypatch.setattr(program_runs, "WALL_PER_CPU", 200)  # which this one may be as well
    problem = Problem("made-up/2", "?", (), "made-up", "code", metadata={"tests": ["assert len(set(f())) == 1"]})
    verifier = CodeVerifier(cpu_seconds=0.5)
    try:
        verdict = verifier.verify(problem, "def f(): return [(2**61 - 1) * i for i in range(30_000)]")
    finally:
        verifier.close()
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "out of time in the tests")


@needs_isolation
def test_what_one_program_returns_does_not_decide_how_the_next_is_judged() -> None:
    problem = Problem("made-up/3", "?", (), "made-up", "code", metadata={"tests": ["assert isinstance(f(), int)"]})
    verifier = CodeVerifier()
    try:
        honest = verifier.verify(problem, "def f(): return 1")
        needs_its_process = verifier.verify(problem, "class A: pass\ndef f(): return A()")
        after = verifier.verify(problem, "def f(): return 1\n")
    finally:
        verifier.close()
    assert (needs_its_process.outcome, needs_its_process.flags) == (Outcome.INCORRECT, {Flag.IN_PROCESS})
    assert after == honest
    assert (honest.outcome, honest.flags) == (Outcome.CORRECT, frozenset())


@needs_isolation
@pytest.mark.parametrize(
    ("metadata", "program", "reason"),
    [
        ({"tests": ["assert f() == 1"]}, f"x = '{chr(0xD800) * 900_000}'\ndef f(): return 1", "holds half"),
        ({"cases": [{"input": "", "output": "1"}]}, f"# {chr(0xD800)}\nprint(1)", "holds half"),
        (
            {"cases": [{"input": "", "output": "1"}], "checker": "def check(given, output, expected): return False"},
            "import os\nfor _ in range(15): os.write(1, bytes(1 << 20))",
            "prints too much",
        ),
    ],
)
def test_no_size_of_a_program_or_its_output_leaves_it_unscored(
    metadata: dict[str, Any], program: str, reason: str
) -> None:
    verifier = CodeVerifier(cpu_seconds=1.0)
    try:
        verdict = verifier.verify(Problem("made-up/4", "?", (), "made-up", "code", metadata=metadata), program)
    finally:
        verifier.close()
    assert verdict.outcome is Outcome.INCORRECT
    assert verdict.reason.startswith(reason)


def test_what_runs_inside_is_compiled_once_and_not_at_each_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "one.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("x = \n")
    monkeypatch.setattr(host, "__file__", str(tmp_path / "host.py"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    host._compile_inside.__wrapped__()
    assert not (tmp_path / "__pycache__").exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    host._compile_inside.__wrapped__()
    (compiled,) = (tmp_path / "__pycache__").iterdir()
    before = compiled.stat().st_mtime_ns
    host._compile_inside.__wrapped__()
    assert compiled.stat().st_mtime_ns == before
    (tmp_path / "one.py").write_text("x = 2\n")
    os.utime(tmp_path / "one.py", ns=(before + 10**9, before + 10**9))
    host._compile_inside.__wrapped__()
    assert compiled.stat().st_mtime_ns > before


@needs_isolation
def test_bubblewrap_may_be_anywhere_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = shutil.which("bwrap")
    assert installed is not None
    shutil.copy(os.path.realpath(installed), tmp_path / "bwrap")
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    made = Sandboxes()
    try:
        assert made.examine(TESTS, ["def f(): return 1"], LIMITS).kind == "passed"
    finally:
        made.close()
