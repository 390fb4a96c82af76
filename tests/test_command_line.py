"""The command line's contract: one JSON object however a command ends, one line for every error."""

import contextlib
import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from move37 import pipeline
from move37.errors import StoreError, described
from move37.rows import read_rows
from move37.store import RunStore
from move37.verifiers.cache import VerdictCache, open_cache
from tests.studies import judged_run, sums_study
from tests.test_bad_inputs import run


@pytest.mark.parametrize(
    ("arguments", "name", "code", "error"),
    [
        (["--json"], None, 2, "no command given"),
        (["smaple", "--json"], "smaple", 2, "No such command"),
        (["run", "--json"], "run", 2, "give a study file"),
        (["verify", "--json"], "verify", 2, "Missing"),
        (["--json", "demo", "--fast"], "demo", 2, "No such option"),
        (["demo", "--json", "--seed", "x"], "demo", 2, "valid integer"),
        (["compare", "a", "b", "--at-k", "0", "--json"], "compare", 2, "greater than or equal to 1"),
        (["--json", "list", "engine"], "list", 2, "no registry"),
        (["report", "x" * 300, "--json"], "report", 2, "File name too long"),
    ],
)
def test_json_is_one_object_for_every_usage_error(
    arguments: list[str], name: str | None, code: int, error: str
) -> None:
    ended, out, err = run(arguments)
    answer = json.loads(out)
    assert (answer["command"], answer["ok"], answer["exit_code"]) == (name, False, code)
    assert error in answer["error"]
    assert "\n" not in answer["error"]
    assert err == f"move37: {answer['error']}\n"
    assert ended == code


def test_json_may_stand_before_the_command_and_help_is_an_object_too() -> None:
    assert json.loads(run(["--json", "list", "engines"])[1])["ok"] is True
    assert "Usage" in json.loads(run(["list", "--help", "--json"])[1])["help"]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyError("x"), 1, "a defect of move37"),
        (OSError(errno.ENOSPC, "No space left on device", "/a"), 1, "/a: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), 1, "/a: cannot be used: Permission denied"),
        (MemoryError(), 1, "out of memory; lower n"),
        (RecursionError("deep"), 2, "nested too deeply"),
        (UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates"), 2, "not valid Unicode"),
    ],
)
def test_json_is_one_object_for_every_exception(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(folder: Path) -> RunStore:
        raise error

    monkeypatch.setattr(RunStore, "open", fail)
    ended, out, _ = run(["report", str(tmp_path), "--json"])
    answer = json.loads(out)
    assert ended == answer["exit_code"] == code
    assert line in answer["error"]
    assert ("defect" in answer["error"]) == (described(error) is None and code == 1)


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"{}" * 99, mtime=0)[:-9], gzip.compress(b"{}\n", mtime=0)[:12] + b"\xff" * 30],
    ids=["no gzip", "cut", "garbage"],
)
def test_a_damaged_gz_is_named_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(content)
    code, _, error = run(["compare", str(path), str(path)])
    assert code == 2
    assert error.startswith(f"move37: {path}: ")
    assert "defect" not in error


def test_a_pipe_is_refused_and_a_name_with_brackets_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "not a file" in run(["compare", str(tmp_path / "pipe.jsonl"), "b.jsonl"])[2]
    import polars as pl

    pl.DataFrame({"id": ["a"]}).write_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").rename(tmp_path / "a[1]*.parquet")
    assert read_rows(tmp_path / "a[1]*.parquet")[0].values == {"id": "a"}


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    counts = tmp_path / "c.jsonl"
    counts.write_text('{"id": "a", "c": 1, "n": 8}\n')
    code, _, error = run(["compare", str(counts), str(counts), "--draws", "1000", "--out", str(counts / "out")])
    assert code == 1
    assert "cannot be written" in error
    assert "defect" not in error


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_report_elsewhere_writes_nothing_to_the_run(tmp_path: Path) -> None:
    store, out = judged_run(sums_study(tmp_path), tmp_path / "run"), tmp_path / "out"
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")}
    done = pipeline.report_run(store, out)
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")} == before
    assert done.report == out / "report.html"
    assert {path.name for path in out.iterdir()} >= {"analyses.json", "report.html", "report.md", "figures", "tables"}


def test_an_unusable_default_cache_is_a_warning_and_a_named_one_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.delenv("MOVE37_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert open_cache() is None
    assert len(caplog.records) == 1
    monkeypatch.setenv("MOVE37_CACHE", str(file / "x"))
    with pytest.raises(StoreError, match="verdicts cannot be kept here"):
        open_cache()


def test_a_damaged_default_cache_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOVE37_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "move37").mkdir()
    (tmp_path / "move37" / "verdicts.sqlite").write_bytes(b"not a database" * 100)
    cache = open_cache()
    assert isinstance(cache, VerdictCache)
    cache.__exit__(None, None, None)
    assert (tmp_path / "move37" / "verdicts.sqlite.damaged").exists()


@pytest.mark.slow
@pytest.mark.parametrize("library", ["_multiarray_umath", "_pydantic_core"])
def test_an_interrupt_while_libraries_load_is_one_line(library: str) -> None:
    command = [sys.executable, "-m", "move37", "list", "engines", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                if library in Path(f"/proc/{process.pid}/maps").read_text():
                    break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["exit_code"] == 130
    assert err.splitlines() == ["move37: interrupted before anything was begun"]


@pytest.mark.slow
def test_a_closed_pipe_is_no_traceback() -> None:
    command = f"{sys.executable} -m move37 list engines --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


SLOW = "options.delay_seconds = 0.01"


@pytest.mark.slow
def test_a_schedulers_sigterm_keeps_what_was_sampled_and_is_one_line(tmp_path: Path) -> None:
    study = sums_study(tmp_path, n=400)
    study.write_text(study.read_text().replace("options.accuracy = 0.4", f"options.accuracy = 0.4\n{SLOW}"))
    command = [sys.executable, "-m", "move37", "sample", str(study), "--out", str(tmp_path / "run"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if (tmp_path / "run" / "log.jsonl").exists():
                break
            time.sleep(0.05)
        time.sleep(1)
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert json.loads(out)["exit_code"] == 143
    assert err.splitlines() == ["move37: terminated; what was finished is kept, the same command continues"]
    kept = RunStore.open(tmp_path / "run").samples("base").read(["index"]).height
    assert 10 < kept < 2400


needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")


@pytest.mark.slow
@needs_bwrap
def test_a_run_on_a_read_only_share_is_reported_elsewhere_and_refused_in_place(tmp_path: Path) -> None:
    run_folder = tmp_path / "run"
    judged_run(sums_study(tmp_path, n=2, verifier="exact"), run_folder)
    inside = ["bwrap", "--dev-bind", "/", "/", "--ro-bind", str(run_folder), str(run_folder), sys.executable]
    for command in (["analyse", str(run_folder)], ["verify", str(run_folder)]):
        done = subprocess.run([*inside, "-m", "move37", *command, "--json"], capture_output=True, text=True)
        assert done.returncode == 1, done.stdout
        assert "Read-only file system" in json.loads(done.stdout)["error"]
    command = ["analyse", str(run_folder), "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run([*inside, "-m", "move37", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "analyses.json").is_file()


@pytest.mark.slow
@needs_bwrap
def test_a_full_disk_is_one_line_and_the_same_command_goes_on_when_there_is_room(tmp_path: Path) -> None:
    study = sums_study(tmp_path, n=4000, verifier="exact")
    (tmp_path / "disk").mkdir()
    command = ["-m", "move37", "sample", str(study), "--out", str(tmp_path / "disk" / "run"), "--json"]
    small = ["--size", str(256 * 1024), "--tmpfs", str(tmp_path / "disk")]
    done = subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", *small, sys.executable, *command], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout
    assert "the disk is full; everything finished before is kept" in json.loads(done.stdout)["error"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
