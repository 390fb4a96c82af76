"""Verdicts kept from one run to the next: what is recalled, what is judged again, and what a broken file says."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from move37 import pipeline
from move37.config import load_study
from move37.errors import StoreError
from move37.types import Flag, Outcome, Problem, StepVerdict, Verdict
from move37.verification import VerifierPool
from move37.verifiers import VERIFIERS
from move37.verifiers.cache import VerdictCache, cache_path
from tests.studies import judged_run, sums_study
from tests.test_pipeline import content
from tests.test_verification import problem, settings
from tests.worker_verifiers import Obedient, Repeatable

pytestmark = pytest.mark.usefixtures("kept_workers")


def judged(path: Path, texts: list[str], verifier: Obedient, of: Problem | None = None) -> tuple[list[Verdict], dict]:
    """The verdicts on texts, by a fresh pool with the cache at `path`, and where its distinct answers came from."""
    with VerdictCache(path) as cache, VerifierPool(settings(), cache) as pool:
        verdicts = dict(pool.verify(verifier, [(of or problem(), text, i) for i, text in enumerate(texts)]))
        return [verdicts[i] for i in range(len(texts))], dict(pool.answers)


@pytest.mark.slow
def test_an_answer_is_judged_once_whichever_run_asks(tmp_path: Path) -> None:
    path, texts = tmp_path / "verdicts.sqlite", ["gold", "lead", "gold", "tin"]
    first, origin = judged(path, texts, Repeatable())
    assert origin == {"judged": 3}
    again, origin = judged(path, [*reversed(texts), "zinc"], Repeatable())
    assert origin == {"recalled": 3, "judged": 1}
    assert again[:4] == first[::-1]
    assert [verdict.outcome is Outcome.CORRECT for verdict in again] == [False, True, False, True, False]


def full(path: Path, is_optional: bool) -> VerdictCache:
    """A cache that opens, and whose file may not grow any more."""
    cache = VerdictCache(path, is_optional)
    cache._file.execute("PRAGMA max_page_count = 1")  # SQLite takes the number of pages that there are
    return cache


def test_a_disk_that_fills_up_is_a_warning_in_the_default_place_and_an_error_in_a_named_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    verdict = Verdict(Outcome.CORRECT, "x" * 10_000)
    with full(tmp_path / "a", is_optional=True) as cache:
        for _ in range(2):
            cache.keep(b"1", verdict)
            cache.flush()
        assert cache.find(b"1") is None
    assert [record.getMessage() for record in caplog.records] == [
        f"Warning: no verdicts are kept for later runs: {tmp_path / 'a'}: database or disk is full"
    ]
    cache = full(tmp_path / "b", is_optional=False)
    cache.keep(b"1", verdict)
    with pytest.raises(StoreError, match=r"verdicts cannot be kept here \(database or disk is full\)"):
        cache.__exit__(None, None, None)


@pytest.mark.slow
def test_a_run_whose_cache_fills_up_has_all_its_verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("move37.session.open_cache", lambda: full(tmp_path / "cache", is_optional=True))
    monkeypatch.setattr("move37.verifiers.cache.WRITE_EVERY_SECONDS", 0.0)
    store = judged_run(sums_study(tmp_path), tmp_path / "run")
    keys = ["problem_id", "index"]
    for model in ("base", "rl"):
        label = store.current_labels()["math"]
        assert store.verdicts(label, model).read(keys).height == store.samples(model).read(keys).height == 48


@pytest.mark.slow
def test_another_version_or_another_problem_is_judged_anew(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    assert judged(path, ["gold"], Repeatable())[1] == {"judged": 1}
    newer = Repeatable()
    newer.version = "of another day"
    assert judged(path, ["gold"], newer)[1] == {"judged": 1}
    assert judged(path, ["gold"], Repeatable(), problem(references=("tin",)))[1] == {"judged": 1}
    assert judged(path, ["gold"], Repeatable(), problem(hint="gold"))[1] == {"judged": 1}
    assert judged(path, ["gold"], Repeatable())[1] == {"recalled": 1}


@pytest.mark.slow
@pytest.mark.parametrize("text", ["raise", "fickle gold"])
def test_what_judging_again_might_change_is_not_kept(text: str, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    for _ in range(2):
        assert judged(path, [text], Repeatable())[1] == {"judged": 1}


def test_a_verifier_that_does_not_promise_to_repeat_itself_is_asked_again(tmp_path: Path) -> None:
    for _ in range(2):
        assert judged(tmp_path / "verdicts.sqlite", ["gold"], Obedient())[1] == {"judged": 1}


def test_programs_that_time_decided_about_are_run_again_in_every_run() -> None:
    verifier = VERIFIERS.load("code")()
    assert verifier.is_cacheable(Verdict(Outcome.CORRECT, "passes"))
    assert verifier.is_cacheable(Verdict(Outcome.INCORRECT, "raises ValueError"))
    for flag in (Flag.TIMED_OUT, Flag.KILLED, Flag.RERUN_ALONE):
        assert not verifier.is_cacheable(Verdict(Outcome.INCORRECT, "says nothing", flags=frozenset({flag})))
    assert verifier.is_cacheable(Verdict(Outcome.CORRECT, "passes", flags=frozenset({Flag.UNSANDBOXED})))


def test_flags_and_steps_are_kept_with_the_verdict_and_a_file_of_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    with sqlite3.connect(path) as file:  # as it was made before there were flags
        columns = "digest BLOB PRIMARY KEY, correct INTEGER NOT NULL, reason TEXT NOT NULL"
        file.execute(f"CREATE TABLE verdicts ({columns}) WITHOUT ROWID")
        file.execute("INSERT INTO verdicts VALUES (x'01', 1, 'matches')")
    file.close()
    steps = (StepVerdict(Outcome.CORRECT, 1.0, (0, 3)), StepVerdict(score=0.5))
    verdict = Verdict(Outcome.INCORRECT, "differs", flags=frozenset({Flag.UNSANDBOXED}), steps=steps)
    with VerdictCache(path) as cache:
        assert cache.find(b"\x01") == Verdict(Outcome.CORRECT, "matches")
        cache.keep(b"2", verdict)
    with VerdictCache(path) as cache:
        assert cache.find(b"2") == verdict
    with sqlite3.connect(path) as file:
        file.execute("""UPDATE further SET fields = '{"flags": ["of a later version"]}'""")
    file.close()
    with VerdictCache(path) as cache:
        assert cache.find(b"2") is None  # verified again


def test_two_writers_share_the_file(tmp_path: Path) -> None:
    right, wrong = Verdict(Outcome.CORRECT, "matches"), Verdict(Outcome.INCORRECT, "differs")
    with VerdictCache(tmp_path / "a" / "v.sqlite") as one, VerdictCache(tmp_path / "a" / "v.sqlite") as other:
        one.keep(b"1", right)
        other.keep(b"1", right)
        other.keep(b"2", wrong)
        one.flush()
        other.flush()
        assert (one.find(b"1"), one.find(b"2"), one.find(b"3")) == (right, wrong, None)
        with pytest.raises(ValueError, match="unscored"):
            one.keep(b"3", Verdict(Outcome.UNSCORED, "crashed"))


def test_a_file_that_is_no_cache_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"verdicts.sqlite: .*MOVE37_CACHE=off") as error:
        VerdictCache(path)
    assert "\n" not in str(error.value)


def test_a_file_that_another_version_made_is_refused_before_anything_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE verdicts (digest BLOB PRIMARY KEY, outcome TEXT)")
    file.close()
    with pytest.raises(StoreError, match=r"another version: its columns are digest, outcome\); delete the file"):
        VerdictCache(path)


def test_a_file_that_was_cut_off_is_refused_before_anything_is_judged(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.sqlite"
    with VerdictCache(path) as cache:
        for i in range(2000):
            cache.keep(b"%016d" % i, Verdict(Outcome.CORRECT, "matches"))
    os.truncate(path, 5000)
    with pytest.raises(StoreError, match="malformed"):
        VerdictCache(path)


def test_a_file_that_can_only_be_read_is_refused_before_anything_is_judged() -> None:
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts.sqlite"
        VerdictCache(path).__exit__(None, None, None)
        path.chmod(0o444)
        Path(folder).chmod(0o755)
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)  # root may write everywhere
                VerdictCache(path)
            except StoreError as error:
                os.write(writing, str(error).encode())
            finally:
                os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        assert "cannot be kept here (attempt to write a readonly database)" in os.read(reading, 1000).decode()
    os.close(reading)


@pytest.mark.slow
def test_two_processes_use_the_file_at_once(tmp_path: Path) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from move37.types import Outcome, Verdict
        from move37.verifiers import cache
        cache.WRITE_EVERY_SECONDS = 0.0
        with cache.VerdictCache(Path(sys.argv[1])) as kept:
            for i in range(300):
                digest = f"{sys.argv[2] if i % 2 else 'both'} {i}".encode()
                kept.find(digest)
                kept.keep(digest, Verdict(Outcome.CORRECT, "matches"))
    """
    command = [sys.executable, "-c", program, str(tmp_path / "v.sqlite")]
    processes = [subprocess.Popen([*command, name]) for name in ("one", "other")]
    assert [process.wait(120) for process in processes] == [0, 0]
    with sqlite3.connect(tmp_path / "v.sqlite") as file:
        assert file.execute("SELECT count(*) FROM verdicts").fetchone() == (150 + 2 * 150,)
    file.close()


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVE37_CACHE", "off")
    assert cache_path() is None
    monkeypatch.setenv("MOVE37_CACHE", "/somewhere")
    assert cache_path() == Path("/somewhere/verdicts.sqlite")
    monkeypatch.delenv("MOVE37_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_path() == Path("/elsewhere/move37/verdicts.sqlite")


@pytest.mark.slow
def test_a_second_run_of_a_study_judges_nothing_and_has_the_same_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVE37_CACHE", str(tmp_path / "cache"))
    study = load_study(sums_study(tmp_path, n=40))
    answers = []
    for name in ("first", "second"):
        store = pipeline.start_run(study, tmp_path / name)
        pipeline.sample_run(store)
        pipeline.verify_run(store)
        log = [json.loads(line) for line in (store.folder / "log.jsonl").read_text().splitlines()]
        answers.append([line["distinct_answers"] for line in log if line["event"] == "verified"])
    assert content(tmp_path / "first") == content(tmp_path / "second")
    assert all(set(found) <= {"judged"} for found in answers[0])
    assert all(set(found) <= {"recalled"} for found in answers[1])
    assert sum(found.get("recalled", 0) for found in answers[1]) > 0

    uncached = study.model_copy(update={"verification": study.verification.model_copy(update={"cache": False})})
    store = pipeline.start_run(uncached, tmp_path / "third")
    pipeline.sample_run(store)
    pipeline.verify_run(store)
    assert '"recalled"' not in (store.folder / "log.jsonl").read_text()
