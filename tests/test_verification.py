"""The one door: every response gets a verdict, once per distinct answer, whatever the judge does to its process.

The judges here misbehave for real: they spin, sleep, crash, hoard memory. Times are bounds with room for a loaded
machine, never measurements.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import pytest

from move37 import verification
from move37.config import ProblemsConfig, VerificationConfig
from move37.errors import InputError, UsageError, VerifierError
from move37.problems import load_problems
from move37.types import Flag, ImagePart, Outcome, Problem, StepVerdict, Verdict
from move37.verification import VerifierPool, validate, verify
from move37.verifiers import messages, workforce
from move37.verifiers.math import MathVerifier
from move37.verifiers.worker import HOARD_BYTES
from tests.worker_verifiers import CannotWarm, DiesAtStart, NeedsMuch, Obedient, Yes

pytestmark = pytest.mark.own_workers

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared (benchmarks, real responses) is not here")


def settings(workers: int = 2, timeout_seconds: float = 10.0) -> VerificationConfig:
    return VerificationConfig(workers=workers, timeout_seconds=timeout_seconds)


def problem(name: str = "p", references: tuple[str, ...] = ("gold",), **metadata: str) -> Problem:
    return Problem(name, "What is it?", references, "made-up", "exact", metadata=MappingProxyType(metadata))


def flagged(*flags: Flag) -> frozenset[Flag]:
    return frozenset(flags)


def judge_all(texts: list[str], pool_settings: VerificationConfig, of: Problem | None = None) -> list[Verdict]:
    """The verdicts on texts, in their order."""
    with VerifierPool(pool_settings) as pool:
        verdicts = dict(pool.verify(Obedient(), ((of or problem(), text, i) for i, text in enumerate(texts))))
    assert sorted(verdicts) == list(range(len(texts)))
    return [verdicts[i] for i in range(len(texts))]


def gone(pid: int, within_seconds: float = 20.0) -> bool:
    """Whether the process has ended (or is a zombie that somebody else has to bury)."""
    end = time.monotonic() + within_seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


# -- every response, once per distinct answer ----------------------------------------------------------------------


@pytest.mark.slow
def test_every_response_gets_its_verdict_with_its_answer_and_an_empty_one_is_incorrect() -> None:
    assert judge_all(["gold", "lead", ""], settings(1)) == [
        Verdict(Outcome.CORRECT, "matches", "gold"),
        Verdict(Outcome.INCORRECT, "differs", "lead"),
        Verdict(Outcome.INCORRECT, "no answer", None, flagged(Flag.NO_ANSWER)),
    ]


def test_no_responses_need_no_worker_and_give_no_verdicts() -> None:
    assert judge_all([], settings()) == []


@pytest.mark.slow
def test_equal_answers_to_one_problem_are_judged_once(tmp_path: Path) -> None:
    log = tmp_path / "judged"
    texts = [f"answer {i % 7}" for i in range(700)]
    assert len(judge_all(texts, settings(), problem(log=str(log)))) == 700
    assert Counter(log.read_text().splitlines()) == Counter({f"answer {i}": 1 for i in range(7)})


def test_equal_answers_to_two_problems_are_judged_twice() -> None:
    with VerifierPool(settings(1)) as pool:
        items = [(problem("a", ("yes",)), "yes", "a"), (problem("b", ("no",)), "yes", "b")]
        outcomes = {key: verdict.outcome for key, verdict in pool.verify(Obedient(), items)}
    assert outcomes == {"a": Outcome.CORRECT, "b": Outcome.INCORRECT}


@pytest.mark.slow
def test_verifiers_that_come_and_go_are_never_taken_for_each_other() -> None:
    # A verifier made for each answer: the next one may lie where the last one lay in memory.
    found = {}
    with VerifierPool(settings(1)) as pool, pool.in_flight() as in_flight:
        for i in range(40):
            in_flight.offer(Yes() if i % 2 else Obedient(), problem(), f"lead {i}", i)
        while in_flight.waiting:
            found |= dict(in_flight.decided(wait=True))
    assert [found[i].reason for i in range(40)] == ["differs", "yes"] * 20


def test_a_pool_remembers_its_verdicts_from_one_call_to_the_next(tmp_path: Path) -> None:
    log = tmp_path / "judged"
    asked = problem(log=str(log))
    with VerifierPool(settings(1)) as pool:
        first = list(pool.verify(Obedient(), [(asked, "gold", 1)]))
        second = list(pool.verify(Obedient(), [(asked, "gold", 1)]))
    assert first == second
    assert log.read_text() == "gold\n"


def test_a_verdict_that_was_forgotten_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "MOST_REMEMBERED", 2)
    asked, log = problem(log=str(tmp_path / "judged")), tmp_path / "judged"
    with VerifierPool(settings(1)) as pool:
        for text in ("a", "b", "c", "a", "c"):  # "a" is the oldest of three when "c" comes; "c" is kept throughout
            list(pool.verify(Obedient(), [(asked, text, None)]))
    assert Counter(log.read_text().split()) == Counter({"a": 2, "b": 1, "c": 1})


@pytest.mark.slow
def test_one_and_four_workers_forwards_and_backwards_give_identical_verdicts() -> None:
    texts = [f"{word} {i % 50}" for i in range(300) for word in ("gold", "raise", "print")] + ["gold", "segfault"]
    one = judge_all(texts, settings(1))
    assert judge_all(texts, settings(4)) == one
    assert judge_all(texts[::-1], settings(4)) == one[::-1]


@pytest.mark.slow
def test_only_so_many_responses_are_read_ahead() -> None:
    read = 0

    def endless() -> Iterator[tuple[Problem, str, int]]:
        nonlocal read
        for read in count(1):
            yield problem(), f"answer {read}", read

    with VerifierPool(settings(2)) as pool:
        assert len(list(islice(pool.verify(Obedient(), endless()), 1000))) == 1000
    # 1000 were decided; at most 4 batches of 16 wait for each of 2 workers, a batch is with each, 1 is being read.
    assert read <= 1000 + 2 * 4 * 16 + 2 * 16 + 1


@pytest.mark.slow
def test_copies_of_an_answer_that_hangs_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workforce, "MOST_WAITING", 50)
    read: list[int] = []

    def copies() -> Iterator[tuple[Problem, str, int]]:
        for i in range(500):
            read.append(i)
            yield problem(), "spin", i

    with VerifierPool(settings(2, timeout_seconds=0.5)) as pool:
        verdicts = pool.verify(Obedient(), copies())
        assert next(verdicts)[1].outcome is Outcome.UNSCORED
        assert len(read) == 50
        assert len(list(verdicts)) == 499


def test_what_the_source_of_responses_raises_is_raised_and_the_pool_goes_on() -> None:
    def breaks() -> Iterator[tuple[Problem, str, int]]:
        yield problem(), "gold", 1
        raise OSError("the disk is gone")

    with VerifierPool(settings(1)) as pool:
        with pytest.raises(OSError, match="the disk is gone"):
            list(pool.verify(Obedient(), breaks()))
        assert [v.outcome for _, v in pool.verify(Obedient(), [(problem(), "gold", 1)])] == [Outcome.CORRECT]


# -- what judges may do to their process ---------------------------------------------------------------------------


@pytest.mark.slow
def test_an_answer_that_spins_is_unscored_and_costs_its_batch_mates_nothing() -> None:
    texts = [f"lead {i}" for i in range(20)] + ["spin"] + [f"lead {i}" for i in range(20, 40)] + ["gold"]
    verdicts = judge_all(texts, settings(1, timeout_seconds=0.5))
    assert verdicts[20] == Verdict(Outcome.UNSCORED, "timed out after 0.5 s", "spin", flagged(Flag.TIMED_OUT))
    assert [v.reason for v in verdicts[:20] + verdicts[21:]] == ["differs"] * 40 + ["matches"]


@pytest.mark.slow
def test_an_answer_that_sleeps_is_ended_by_the_wall_clock() -> None:
    start = time.monotonic()
    verdicts = judge_all(["gold", "sleep", "lead"], settings(1, timeout_seconds=0.2))
    assert [v.reason for v in verdicts] == ["matches", "timed out after 0.2 s", "differs"]
    assert time.monotonic() - start < 30  # ten times 0.2 s, and two starts of a worker


@pytest.mark.slow
def test_the_time_in_the_queue_does_not_count() -> None:
    # 12 answers of 0.1 s each follow one another in one worker: 1.2 s in all, 0.5 s allowed for each.
    verdicts = judge_all([f"burn {i}" for i in range(12)], settings(1, timeout_seconds=0.5))
    assert {v.reason for v in verdicts} == {"differs"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("segfault", "verifier crashed: SIGSEGV"),
        ("exit", "verifier crashed: exit code 3"),
        ("exit-well", "verifier crashed: exit code 0"),
        ("leave", "verifier crashed: SystemExit"),
        ("garble", "verifier crashed: SIGKILL"),
        ("no-verdict", "verifier returned no verdict"),
        ("no-outcome", "verifier returned no verdict"),
        ("raise", "verifier crashed: ValueError"),
        ("recurse", "verifier crashed: RecursionError"),
        ("allocate", "out of memory"),
        ("hoard", "out of memory"),
        ("extract raises", "verifier crashed: LookupError"),
    ],
)
def test_a_judge_that_breaks_leaves_the_answer_unscored_and_the_others_judged(answer: str, reason: str) -> None:
    verdicts = judge_all(["lead 1", answer, "lead 2", "gold"], settings(1))
    assert (verdicts[1].outcome, verdicts[1].reason) == (Outcome.UNSCORED, reason)
    flags = {"verifier crashed": {Flag.CRASHED}, "out of memory": {Flag.OUT_OF_MEMORY}}.get(reason.split(":")[0], set())
    assert verdicts[1].flags == flags
    assert [v.reason for v in (verdicts[0], *verdicts[2:])] == ["differs", "differs", "matches"]


def test_a_worker_that_cannot_ring_loses_no_answer() -> None:
    texts = ["lead 1", "mute", *(f"lead {i}" for i in range(2, 40)), "gold"]
    assert [verdict.outcome.value for verdict in judge_all(texts, settings(1))] == ["incorrect"] * 40 + ["correct"]


def test_verdicts_come_while_their_worker_is_busy() -> None:
    """Reports are read together, and yet wait for no other answer."""
    texts = ["lead 1", "gold", "sleep", "lead 2"]
    with VerifierPool(settings(1, timeout_seconds=0.3)) as pool:
        start = time.monotonic()
        at = {key: time.monotonic() - start for key, _ in pool.verify(Obedient(), [(problem(), t, t) for t in texts])}
    assert at["gold"] < at["sleep"] - 2  # which is given up after ten times its CPU time
    assert at["lead 2"] > at["sleep"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "message",
    [
        '"hello"',
        "[]",
        "7",
        "null",
        '{"failed": 7, "number": []}',
        '{"number": 1, "outcome": "correct", "reason": "x", "flags": ["of nobody"]}',
        '{"number": 1, "outcome": "correct", "reason": "x", "steps": [[0.5, null]]}',
        '{"number": 1, "outcome": "banana", "reason": "x"}',
        '{"number": 1, "outcome": "correct"}',
    ],
)
def test_a_message_that_is_none_ends_its_worker_and_loses_no_answer(message: str) -> None:
    verdicts = judge_all(["lead 1", f"write {message}", "lead 2", "gold"], settings(1))
    assert (verdicts[1].outcome, verdicts[1].reason) == (Outcome.UNSCORED, "verifier crashed: SIGKILL")
    assert [v.reason for v in (verdicts[0], *verdicts[2:])] == ["differs", "differs", "matches"]


@pytest.mark.slow
def test_a_thread_that_an_answer_leaves_computing_spends_no_time_of_the_next() -> None:
    verdicts = judge_all(["leave-a-thread", "who"], settings(1))
    assert [v.outcome for v in verdicts] == [Outcome.CORRECT] * 2
    assert verdicts[0].reason != verdicts[1].reason  # another process


def test_what_a_judge_forks_ends_with_its_worker() -> None:
    [verdict] = judge_all(["fork"], settings(1))
    assert gone(int(verdict.reason))


def test_a_reason_is_kept_up_to_a_length_and_without_what_cannot_be_written() -> None:
    assert judge_all(["long-reason"], settings(1))[0].reason == "?" + "x" * 999


@pytest.mark.slow
def test_flags_and_steps_reach_the_caller_and_what_is_none_of_them_is_refused_in_one_line() -> None:
    steps, many, no_flag, no_step, text, after = judge_all(
        ["steps", "many-steps", "no-flag", "no-step", "text-flag", "gold"], settings(1)
    )
    expected = (StepVerdict(Outcome.CORRECT, span=(0, 2)), StepVerdict(score=0.25))
    assert steps == Verdict(Outcome.CORRECT, "in steps", "steps", flagged(Flag.UNSANDBOXED), expected)
    # 10,000 steps of {"score": 0.3333333333333333} take 300 kB: the verdict is sound, its steps are not kept.
    assert many == Verdict(Outcome.INCORRECT, "in steps", "many-steps", flagged(Flag.STEPS_DROPPED))
    assert no_flag == Verdict(
        Outcome.UNSCORED,
        "verifier's verdict is refused: unknown flag 'alone' (known: no_answer, timed_out, out_of_memory, crashed, "
        "killed, rerun_alone, unsandboxed, in_process, steps_dropped)",
        "no-flag",
    )
    refused = "verifier's verdict is refused: its steps hold float, not StepVerdict"
    assert no_step == Verdict(Outcome.UNSCORED, refused, "no-step")
    assert text == Verdict(Outcome.CORRECT, "matches", "text-flag", flagged(Flag.TIMED_OUT))
    assert after == Verdict(Outcome.CORRECT, "matches", "gold")


@pytest.mark.parametrize("step", [{}, {"score": 1.5}, {"score": float("nan")}, {"score": 0.5, "span": (3, 2)}])
def test_a_step_that_says_nothing_or_the_impossible_is_refused(step: dict) -> None:
    with pytest.raises(ValueError, match="step"):
        StepVerdict(**step)


def test_messages_may_gain_fields_and_lack_those_that_are_optional() -> None:
    asked = problem(unit="m")
    written = messages.asking([(7, asked, "\ud800 5"), (9, asked, "6")], cpu_seconds=2.0)
    assert len(written["problems"]) == 1  # each once, however large its tests
    written["problems"][0]["sounds"] = ["of a later version"]
    written["later"] = 1
    assert messages.answers_in(written) == [(7, asked, "\ud800 5"), (9, asked, "6")]
    del written["problems"][0]["tags"], written["problems"][0]["metadata"]
    assert messages.answers_in(written)[1] == (9, problem(), "6")
    news = {"number": 7, "outcome": "correct", "reason": "matches", "later": [], "steps": [{"score": 1, "later": 0}]}
    assert messages.verdict_in(news) == Verdict(Outcome.CORRECT, "matches", steps=(StepVerdict(score=1),))


def test_the_images_of_a_problem_reach_its_verifier() -> None:
    images = (ImagePart.of(b"\x89PNG", "image/png"), ImagePart("0" * 32, "image/webp", path="/somewhere/a.webp"))
    sent = messages.asking([(0, replace(problem(), images=images), "x")], 1.0)
    [(_, asked, _)] = messages.answers_in(pickle.loads(pickle.dumps(sent)))  # as a channel sends it
    assert [(each.digest, each.media_type, each.data, each.path) for each in asked.images] == [
        (each.digest, each.media_type, each.data, each.path) for each in images
    ]


@pytest.mark.slow
def test_a_verifier_that_needs_much_memory_to_get_ready_judges_like_any_other() -> None:
    with VerifierPool(settings(1)) as pool:
        verdicts = dict(pool.verify(NeedsMuch(), [(problem(), text, text) for text in ("gold", "lead", "hoard")]))
    assert [verdicts[text].reason for text in ("gold", "lead")] == ["matches", "differs"]
    assert verdicts["hoard"] == Verdict(Outcome.UNSCORED, "out of memory", "hoard", flagged(Flag.OUT_OF_MEMORY))


@pytest.mark.slow
def test_an_answer_whose_worker_was_killed_from_outside_is_judged_again(tmp_path: Path) -> None:
    # As the kernel does when memory is short: SIGKILL in the middle of judging, the first time only.
    log = tmp_path / "judged"
    verdicts = judge_all(["crash-once", "gold"], settings(1), problem(log=str(log)))
    assert [v.reason for v in verdicts] == ["differs", "matches"]
    assert log.read_text().split().count("crash-once") == 2


@pytest.mark.slow
def test_a_worker_that_is_killed_while_idle_is_replaced() -> None:
    with VerifierPool(settings(1)) as pool:
        [(_, first)] = pool.verify(Obedient(), [(problem(), "who", None)])
        os.kill(int(first.reason), signal.SIGKILL)
        assert gone(int(first.reason))
        [(_, second)] = pool.verify(Obedient(), [(problem(), "who again", None)])
    assert second.outcome is Outcome.CORRECT
    assert second.reason != first.reason


def test_what_a_judge_prints_does_not_disturb_the_results(capfd: pytest.CaptureFixture[str]) -> None:
    assert [v.reason for v in judge_all(["print", "gold"], settings(1))] == ["differs", "matches"]
    assert capfd.readouterr() == ("", "")


def test_workers_do_not_have_the_modules_that_the_parent_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert judge_all(["torch"], settings(1))[0].outcome is Outcome.CORRECT


# -- nothing is left running ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_leaving_the_block_early_ends_the_workers() -> None:
    texts = [f"who {i}" for i in range(100)] + ["spin"]
    with VerifierPool(settings(2)) as pool:
        verdicts = pool.verify(Obedient(), ((problem(), text, None) for text in texts))
        pids = {int(verdict.reason) for _, verdict in islice(verdicts, 50)}
    assert pids
    assert all(gone(pid) for pid in pids)


def test_an_error_in_the_block_ends_the_workers() -> None:
    pids = []
    with pytest.raises(ZeroDivisionError), VerifierPool(settings(1)) as pool:
        for _, verdict in pool.verify(Obedient(), [(problem(), "who", None), (problem(), "spin", None)]):
            pids.append(int(verdict.reason))
            raise ZeroDivisionError
    assert len(pids) == 1
    assert gone(pids[0])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("busy_with", ["spin", "sleep"])
def test_workers_end_with_their_parent_even_when_stuck(sent: signal.Signals, busy_with: str) -> None:
    script = f"""
        import signal, sys
        from move37.config import VerificationConfig
        from move37.types import Problem
        from move37.verification import VerifierPool
        from tests.worker_verifiers import Obedient
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        texts = ["who 1", "who 2", "{busy_with} 1", "{busy_with} 2"]
        asked = Problem("p", "What is it?", ("gold",), "made-up", "exact")
        with VerifierPool(VerificationConfig(workers=2, timeout_seconds=1000.0)) as pool:
            for _, verdict in pool.verify(Obedient(), ((asked, text, text) for text in texts)):
                print(verdict.reason, flush=True)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    )
    assert parent.stdout is not None
    pids = {int(parent.stdout.readline()) for _ in range(2)}
    time.sleep(0.3)  # until the workers are at the answers on which they get stuck
    assert not any(gone(pid, within_seconds=0.1) for pid in pids)
    os.killpg(parent.pid, sent)
    try:
        assert all(gone(pid) for pid in pids)
        parent.wait(20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()


# -- misuse --------------------------------------------------------------------------------------------------------


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_two_different_problems_with_one_id_are_refused() -> None:
    items = [(problem("same", ("a",)), "x", 1), (problem("same", ("b",)), "y", 2)]
    with VerifierPool(settings(1)) as pool, pytest.raises(InputError) as error:
        list(pool.verify(Obedient(), items))
    assert one_line(error) == "two different problems have the id 'same'; give each an id of its own"


def test_a_pool_judges_only_inside_its_block() -> None:
    with pytest.raises(UsageError) as error:
        list(VerifierPool(settings(1)).verify(Obedient(), []))
    assert "with VerifierPool() as pool" in one_line(error)


def test_a_pool_serves_one_iterator_at_a_time() -> None:
    items = [(problem(), f"lead {i}", i) for i in range(50)]
    with VerifierPool(settings(1)) as pool:
        first = pool.verify(Obedient(), items)
        next(first)
        with pytest.raises(UsageError) as error:
            list(pool.verify(Obedient(), items))
        assert "verifying already" in one_line(error)
        assert len(list(first)) == 49


def test_a_verifier_that_workers_cannot_import_is_refused() -> None:
    class Local(Obedient):
        pass

    with VerifierPool(settings(1)) as pool, pytest.raises(UsageError) as error:
        list(pool.verify(Local(), [(problem(), "gold", 1)]))
    assert "define its class at the top level of a module" in one_line(error)


def test_a_verifier_defined_in_the_script_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Obedient, "__module__", "__main__")
    with VerifierPool(settings(1)) as pool, pytest.raises(UsageError) as error:
        list(pool.verify(Obedient(), [(problem(), "gold", 1)]))
    assert "move its class into a module" in one_line(error)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verifier", "says"),
    [(CannotWarm(), "ImportError: no module named 'gold'"), (DiesAtStart(), "exit code 7")],
)
def test_a_verifier_that_cannot_start_is_an_error_not_a_verdict(verifier: Obedient, says: str) -> None:
    with VerifierPool(settings(1)) as pool, pytest.raises(VerifierError) as error:
        list(pool.verify(verifier, [(problem(), "gold", 1)]))
    assert says in one_line(error)


# -- golds and real responses --------------------------------------------------------------------------------------


def test_one_response_can_be_judged_without_a_pool() -> None:
    assert verify(problem(), "The answer is gold.", settings(1)) == Verdict(Outcome.CORRECT, "matches", "gold")


@pytest.mark.slow
def test_validate_lists_references_that_their_own_verifier_does_not_accept_in_order() -> None:
    bad = Problem("bad", "q", ("B", "both"), "made-up", "choice")  # "both" is no letter: neither can be judged
    worse = Problem("worse", "q", ("\\frac{",), "made-up", "math")  # its box never closes
    good = [problem(), Problem("good", "q", ("7", "seven"), "made-up", "math"), problem("none", ())]
    failures = validate([worse, *good, bad], settings(1))
    assert [(f.problem.id, f.reference, f.verdict.outcome) for f in failures] == [
        ("worse", "\\frac{", Outcome.INCORRECT),
        ("bad", "B", Outcome.UNSCORED),
        ("bad", "both", Outcome.INCORRECT),
    ]


@pytest.mark.slow
@needs_shared
def test_every_gold_answer_of_the_six_sets_passes_its_own_verifier() -> None:
    names = ("aime24", "amc23", "math500", "minerva", "olympiadbench", "gsm8k")
    sets = [ProblemsConfig(benchmark=name, path=SHARED / "data" / "benchmarks") for name in names]
    assert validate([problem for each in sets for problem in load_problems((each,))], settings(2)) == []


@pytest.mark.slow
@needs_shared
def test_verdicts_on_real_responses_agree_with_their_scores_but_for_nine_where_ours_are_right() -> None:
    file = SHARED / "data" / "samples" / "qwen_math_cot_100x8.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    items = [
        (
            Problem(str(row["idx"]), row["question"], (row["gt"],), "math", "math"),
            text,
            (row["idx"], i, row["gt"], score),
        )
        for row in rows
        for i, (text, score) in enumerate(zip(row["code"], row["score"], strict=True))
    ]
    assert len(items) == 800
    with VerifierPool(settings(2)) as pool:
        verdicts = list(pool.verify(MathVerifier(), items))
    assert Counter(verdict.outcome for _, verdict in verdicts)[Outcome.UNSCORED] == 0
    differing = [(*key, v.answer) for key, v in verdicts if (v.outcome is Outcome.CORRECT) != key[3]]
    # The reference is \text{4:30 p.m.}, spoilt by the tool that made the file, and all eight responses say 4:30 p.m.;
    # the other is 10{,}000, "10,000" as LaTeX spaces it, and the response says 10000.
    half_past_four = [(3, i, "4:30p..", False, "4:30 \\text{ p.m.}") for i in range(8)]
    assert differing == [*half_past_four, (72, 7, "10{,}000", False, "10000")]


@pytest.mark.slow
def test_a_parent_larger_than_a_worker_may_be_is_no_reason_to_end() -> None:
    # Measured on Linux: the peak size that the kernel reports for a new program includes that of its parent.
    hoard = np.ones(HOARD_BYTES // 8 + 2**20)
    problem = Problem("b/1", "1 + 1?", ("2",), "b", "math")
    assert verify(problem, "\\boxed{2}").outcome is Outcome.CORRECT
    assert hoard[-1] == 1
