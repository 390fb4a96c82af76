"""Runs at a URL: in memory, and on a real server of S3's protocol (moto's) on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="the [remote] extra is not installed")

import fsspec

import move37
from move37 import remote, writer_note
from move37.config import parse_study
from move37.errors import InputError, StoreError
from move37.pipeline import findings_of, run_study, sample_run, start_run
from move37.provenance import run_context
from move37.remote import Mirror, local_copies
from move37.store import RunStore


def study(folder: Path, n: int = 4, **options: Any) -> dict[str, Any]:
    rows = [{"question": f"What is {i} + 2?", "answer": str(i + 2)} for i in range(6)]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = {"path": "m", "engine": "scripted", "options": options}
    return {
        "name": "s",
        "problems": {"benchmark": "jsonl", "path": str(folder / "p.jsonl"), "verifier": "exact"},
        "sampling": {"n": n, "stop": {"successes": 0}, "max_new_tokens": 64, "template": "completion"},
        "models": {"base": model, "rl": model | {"options": options | {"accuracy": 0.8}}},
    }


@pytest.fixture
def url() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    yield "memory://bucket/run"
    for name in files.find("/bucket"):
        files.rm_file(name)


def names(url: str) -> set[str]:
    files, root = fsspec.core.url_to_fs(url)
    return {name.split("bucket/run/", 1)[1] for name in files.find(root)}


def test_a_run_is_there_when_the_block_is_left_and_can_be_taken_up_elsewhere(url: str, tmp_path: Path) -> None:
    with Mirror(url, tmp_path / "one") as mirror:
        sample_run(start_run(parse_study(study(tmp_path)), mirror.folder), verify=True)
    there = names(url)
    assert {"config.json", "problems.parquet", "log.jsonl"} <= there
    assert not any(name.rpartition("/")[2].startswith(".") for name in there)
    with Mirror(url, tmp_path / "two") as mirror:
        store = RunStore.open(mirror.folder)
        assert store.samples("base").count() == 24
        sample_run(start_run(parse_study(study(tmp_path, n=6)), mirror.folder))
    with Mirror(url, tmp_path / "one", writes=False) as mirror:
        assert RunStore.open(mirror.folder).samples("base").count() == 36


def test_small_parts_that_were_merged_are_taken_away_there_after_the_large_one_came(url: str, tmp_path: Path) -> None:
    with Mirror(url, tmp_path / "one", every=1000) as mirror:
        store = start_run(parse_study(study(tmp_path)), mirror.folder)
        sample_run(store)
        mirror.push()
        first = {name for name in names(url) if name.startswith("samples/base")}
        sample_run(start_run(parse_study(study(tmp_path, n=8)), mirror.folder))
    last = {name for name in names(url) if name.startswith("samples/base")}
    assert len(first) == len(last) == 1
    assert first != last


def test_what_a_killed_process_left_here_is_brought_over_by_the_next(url: str, tmp_path: Path) -> None:
    mirror = Mirror(url, tmp_path / "one", every=1000)
    mirror.__enter__()
    sample_run(start_run(parse_study(study(tmp_path)), mirror.folder))
    assert "config.json" not in names(url)  # and here the process is killed: nothing was brought over
    fsspec.filesystem("memory").rm_file("/bucket/run/.writer.json")
    with Mirror(url, tmp_path / "one"):
        pass
    with Mirror(url, tmp_path / "two", writes=False) as other:
        assert RunStore.open(other.folder).samples("rl").count() == 24


def test_one_machine_writes_at_a_time_and_any_may_read(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Mirror(url, tmp_path / "one") as mirror:
        sample_run(start_run(parse_study(study(tmp_path)), mirror.folder))
        mirror.push()
        monkeypatch.setattr(remote.socket, "gethostname", lambda: "another")
        with pytest.raises(StoreError, match=r"memory://bucket/run: .* is writing to this run"):
            Mirror(url, tmp_path / "two").__enter__()
        with Mirror(url, tmp_path / "two", writes=False) as reader:
            assert RunStore.open(reader.folder).models() == ("base", "rl")
        monkeypatch.setattr(remote, "_FRESH_SECONDS", 0.0)
        monkeypatch.setattr(remote.socket, "gethostname", lambda: "a third")
        with Mirror(url, tmp_path / "three"):  # the note is old: whoever wrote it is gone
            pass


def test_verdicts_never_stand_there_without_their_samples(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(url, tmp_path / "one", every=1000)
    order: list[str] = []
    put = type(mirror._files).put_file
    monkeypatch.setattr(
        type(mirror._files), "put_file", lambda self, here, there, **more: (order.append(there), put(self, here, there))
    )
    with mirror:
        sample_run(start_run(parse_study(study(tmp_path)), mirror.folder), verify=True)
    kinds = [name.partition("bucket/run/")[2].partition("/")[0] for name in order]
    assert max(i for i, kind in enumerate(kinds) if kind == "samples") < kinds.index("verdicts")


def test_urls_among_the_arguments_become_folders(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given = ["run", "study.toml", f"--out={url}", "--option", "judge.base_url=http://x/v1", "s3:"]
    with local_copies(given) as arguments:
        assert arguments[2].startswith(f"--out={tmp_path}/move37/runs/run-")
        assert arguments[:2] + arguments[3:] == given[:2] + given[3:]


def test_what_is_said_of_a_run_at_a_url_names_the_url(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with local_copies(["report", url + "/"]) as (_, folder):
        print(f"Next: move37 verify {folder}")
        print(f"{folder}/report.html", file=sys.stderr)
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"Next: move37 verify {url}\n", f"{url}/report.html\n")
    with pytest.raises(InputError, match=rf"^{url}: not a run"), local_copies(["report", url]) as (_, folder):
        raise InputError(f"{folder}: not a run")


def test_a_url_of_this_machine_is_its_path_and_one_that_keeps_no_runs_is_refused(tmp_path: Path) -> None:
    given = ["run", f"--out=file://{tmp_path}/a%20run", "http://host/v1"]
    with local_copies(given) as arguments:
        assert arguments == ["run", f"--out={tmp_path}/a run", "http://host/v1"]
    for url in ("sftp://host/run", "s4://bucket/run"):
        refused = pytest.raises(InputError, match=rf"^{url}: runs are kept in a folder, or at a URL of s3, ")
        with refused, local_copies(["report", url]):
            pass


def test_a_place_that_cannot_be_used_is_one_line_that_says_where_the_work_is(tmp_path: Path) -> None:
    mirror = Mirror("memory://bucket/run", tmp_path / "one")

    def broken(*_: object, **__: object) -> None:
        raise PermissionError("no such key")

    mirror._files = type("Files", (), {"cat_file": broken, "pipe_file": broken})()
    with pytest.raises(StoreError, match=r"cannot be used \(PermissionError: no such key\); what was made is kept in"):
        mirror.__enter__()


def made(url: str, folder: Path, source: Path) -> Mirror:
    """A run at `url` that was made in `folder`."""
    with Mirror(url, folder, every=1000) as mirror:
        sample_run(start_run(parse_study(study(source)), mirror.folder), verify=True)
    return mirror


def part_at(url: str) -> tuple[Any, str]:
    files, _ = fsspec.core.url_to_fs(url)
    return files, "/bucket/run/" + next(name for name in names(url) if name.startswith("samples/base/part-"))


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-100], lambda data: b"<html>" + data])
def test_a_part_that_is_damaged_at_the_url_does_not_replace_the_whole_one_here(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    made(url, tmp_path / "one", tmp_path)
    files, name = part_at(url)
    whole = files.cat_file(name)
    files.pipe_file(name, damage(whole))
    torn = pytest.raises(StoreError, match=r"part-\d+-\w+\.parquet: torn part")  # where nothing else is known of it
    with Mirror(url, tmp_path / "two", writes=False) as mirror, torn:
        RunStore.open(mirror.folder).samples("base").count()
    with Mirror(url, tmp_path / "one", writes=False) as mirror:
        assert RunStore.open(mirror.folder).samples("base").count() == 24
    with Mirror(url, tmp_path / "one") as mirror:
        assert RunStore.open(mirror.folder).samples("base").count() == 24
    assert files.cat_file(name) == whole
    said = capsys.readouterr().err.splitlines()
    assert [f"{url}/{name.partition('run/')[2]}: damaged there" in line for line in said] == [True, True]
    with Mirror(url, tmp_path / "two", writes=False) as mirror:  # a part that was mended is taken
        assert RunStore.open(mirror.folder).samples("base").count() == 24


def test_what_a_listing_does_not_show_yet_is_not_taken_for_gone(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = made(url, tmp_path / "one", tmp_path)
    whole = type(mirror)._there

    def lagging(self: Mirror) -> dict[str, str]:
        return {name: mark for name, mark in whole(self).items() if not name.startswith("samples/")}

    monkeypatch.setattr(Mirror, "_there", lagging)
    with Mirror(url, tmp_path / "one") as again:
        assert RunStore.open(again.folder).samples("base").count() == 24
    monkeypatch.undo()
    assert any(name.startswith("samples/base/part-") for name in names(url))


def test_a_writer_that_slept_while_another_took_over_brings_nothing_over_and_says_where_its_work_is(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(url, tmp_path / "one", tmp_path)
    sleeper = Mirror(url, tmp_path / "one", every=1000)
    sleeper.__enter__()
    sample_run(start_run(parse_study(study(tmp_path, n=6)), sleeper.folder))
    before = names(url)
    note = {"who": "another:1:abcd", "time": time.time()}
    fsspec.filesystem("memory").pipe_file("/bucket/run/.writer.json", json.dumps(note).encode())
    refused = pytest.raises(StoreError, match=r"another is writing to this run .* what was made here is kept in .*one")
    with refused:
        sleeper.__exit__(None, None, None)
    assert names(url) == before
    assert json.loads(fsspec.filesystem("memory").cat_file("/bucket/run/.writer.json")) == note


def test_a_report_names_the_url_of_its_run_and_no_folder_of_this_machine(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made(url, tmp_path / "one", tmp_path)
    with local_copies(["report", url]) as (_, folder):
        store = RunStore.open(Path(folder))
        for part in Path(folder).glob("samples/rl/part-*"):
            part.unlink()
            part.parent.rmdir()
        assert run_context(store).command == f"move37 report {url}"
        assert f"run `move37 sample {url}`" in findings_of(store).warnings[0]
    assert run_context(RunStore(Path(folder))).command == f"move37 report {folder}"


# ---- two machines, a store that goes, and what is nearly a URL


@pytest.mark.parametrize("given", ["s3:bucket/run", "s3:/bucket/run", "gs:/b/r", "s3a:b/r"])
def test_what_is_nearly_a_url_makes_no_folder_of_that_name(given: str) -> None:
    refused = pytest.raises(InputError, match=rf"^{given}: not a URL; a run in a store is at \w+://b")
    with refused, local_copies(["run", "study.toml", "--out", given]):
        pass


@pytest.mark.parametrize("given", ["s3://", "hf:///", "memory://"])
def test_a_url_without_a_place_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="names no place"), local_copies(["run", "study.toml", "--out", given]):
        pass


def test_a_url_with_spaces_and_signs_is_a_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with local_copies(["run", "study.toml", "--out", "memory://bucket/a b\nü#?%41/run"]) as arguments:
        assert arguments[3].startswith(f"{tmp_path}/move37/runs/run-")
    with local_copies(["report", f"file://{tmp_path}/a b"]) as arguments:
        assert arguments == ["report", f"{tmp_path}/a b"]


def test_a_url_with_a_long_name_has_a_copy(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with local_copies(["run", "s.toml", "--out", url + "/" + 300 * "ü"]) as arguments:
        assert Path(arguments[3]).is_dir()


def test_copies_lie_with_the_other_caches(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MOVE37_CACHE", str(tmp_path / "large"))
    with local_copies(["run", "s.toml", "--out", url]) as arguments:
        assert Path(arguments[3]).is_relative_to(tmp_path / "large")


@pytest.mark.parametrize("writes", [False, True])
def test_a_machine_without_a_place_for_copies_is_told_how_to_name_one(url: str, tmp_path: Path, writes: bool) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StoreError, match=r"its copy on this machine cannot be kept in .*; set MOVE37_CACHE to a folder"
    ):
        Mirror(url, tmp_path / "file/run", writes).__enter__()
    assert not fsspec.filesystem("memory").exists("/bucket/run/.writer.json")


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_folder_of_runs_is_not_brought_over_in_place_of_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made(url, tmp_path / "one", tmp_path)
    refused = pytest.raises(InputError, match=r"memory://bucket: holds other runs \(run\); give one")
    with refused, local_copies([command, "memory://bucket"]):
        pass
    assert not list((tmp_path / "cache").rglob("*.parquet"))
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


@pytest.mark.parametrize("writes", [False, True])
def test_a_store_that_lost_the_run_takes_no_copy_away(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    monkeypatch.setattr(remote, "_VOLATILE", ())
    made(url, tmp_path / "one", tmp_path)
    fsspec.filesystem("memory").rm("/bucket", recursive=True)
    with pytest.raises(StoreError, match="nothing is there any more; the copy on this machine is kept in"):
        Mirror(url, tmp_path / "one", writes).__enter__()
    assert RunStore.open(tmp_path / "one").samples("base").count() == 24
    (tmp_path / "one/.brought-over.json").unlink()  # as it says
    with Mirror(url, tmp_path / "one"):
        pass
    with Mirror(url, tmp_path / "two", writes=False) as other:
        assert RunStore.open(other.folder).samples("rl").count() == 24


def test_who_reads_on_the_machine_that_writes_leaves_its_folder_alone(url: str, tmp_path: Path) -> None:
    made(url, tmp_path / "one", tmp_path)
    with Mirror(url, tmp_path / "one", every=1000) as writer:
        log = writer.folder / "log.jsonl"
        log.write_text(log.read_text() + "{}\n")
        writer.push()  # and before it has noted that:
        (writer.folder / ".brought-over.json").write_text("{}")
        with log.open("a") as still_open:
            with Mirror(url, tmp_path / "one", writes=False) as reader:
                assert reader.folder == writer.folder
            still_open.write('{"after": 1}\n')
        assert log.read_text().endswith('{"after": 1}\n')
        fsspec.filesystem("memory").rm_file("/bucket/run/config.json")
        with Mirror(url, tmp_path / "one", writes=False):
            assert (writer.folder / "config.json").exists()


def test_who_watches_a_run_elsewhere_sees_it_go_on(url: str, tmp_path: Path) -> None:
    with Mirror(url, tmp_path / "one", every=1000) as writer:
        sample_run(start_run(parse_study(study(tmp_path)), writer.folder))
        writer.push()
        with Mirror(url, tmp_path / "two", writes=False, every=0) as reader:
            sample_run(start_run(parse_study(study(tmp_path, n=8)), writer.folder))
            writer.push()
            assert RunStore.open(reader.folder).samples("base").count() == 24
            remote.renewed(reader.folder)
            assert RunStore.open(reader.folder).samples("base").count() == 48
    remote.renewed(tmp_path / "two")  # one that is read no more


def test_parts_that_are_merged_while_they_are_brought_here_are_listed_again(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Mirror(url, tmp_path / "one", every=1000)
    with writer:
        sample_run(start_run(parse_study(study(tmp_path)), writer.folder))
        writer.push()
        listed = Mirror._there
        there = listed(writer)
        sample_run(start_run(parse_study(study(tmp_path, n=8)), writer.folder))
        writer.push()
        lists = iter([there])
        monkeypatch.setattr(Mirror, "_there", lambda self: next(lists, None) or listed(self))
        with Mirror(url, tmp_path / "two", writes=False) as reader:
            assert RunStore.open(reader.folder).samples("base").count() == 48


def test_what_is_only_read_needs_no_leave_to_write(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made(url, tmp_path / "one", tmp_path)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError("read only")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "pipe_file", refused)
    for arguments in (
        ["export", "counts", url],
        ["labels", url],
        ["pool", str(tmp_path / "one"), url],
        ["--debug", "status", url],
        ["report", url, "--out", "here"],
    ):
        with local_copies(arguments):
            pass
    for arguments in (
        ["export", "counts", "run", "--out", url],
        ["pool", url, "other"],
        ["view", url],
        ["run", "s.toml", f"--out={url}"],
    ):
        with pytest.raises(StoreError, match="cannot be used"), local_copies(arguments):
            pass


def test_python_opens_a_run_at_a_url(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made(url, tmp_path / "one", tmp_path)
    for given in (url, f"file://{tmp_path}/one", tmp_path / "one"):
        assert move37.open_run(given).models == ["base", "rl"]
    with pytest.raises(InputError, match="not a URL; a run in a store is at s3://bucket/run"):
        move37.open_run(Path("s3://bucket/run"))


def test_a_file_at_a_url_is_a_file(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fsspec.filesystem("memory").pipe_file("/bucket/run/base.jsonl", b"{}\n")
    with local_copies(["compare", f"{url}/base.jsonl"]) as (_, file):
        assert Path(file).read_text() == "{}\n"
    with pytest.raises(InputError, match="rl.jsonl: nothing is there"), local_copies(["compare", f"{url}/rl.jsonl"]):
        pass


def test_the_clock_of_the_store_says_how_old_a_note_is(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    monkeypatch.setattr(writer_note.time, "time", lambda: now() - 600)  # a machine whose clock is slow writes
    monkeypatch.setattr(writer_note.socket, "gethostname", lambda: "slow")
    with Mirror(url, tmp_path / "one"):
        for ahead in (0, 600, -6000):
            monkeypatch.setattr(writer_note.time, "time", lambda ahead=ahead: now() + ahead)
            monkeypatch.setattr(writer_note.socket, "gethostname", lambda ahead=ahead: f"host {ahead}")
            with pytest.raises(StoreError, match=r"slow is writing to this run \(its last note is [01] s old\)"):
                Mirror(url, tmp_path / "two").__enter__()
        monkeypatch.undo()
    assert not [name for name in names(url) if name.startswith(".")]


def test_of_two_that_begin_in_the_same_moment_one_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fsspec.filesystem("memory")
    read = files.cat_file
    with Mirror(url, tmp_path / "one"):
        monkeypatch.setattr(writer_note.socket, "gethostname", lambda: "another")
        unseen = iter([FileNotFoundError()])

        def too_early(path: str, *more: Any, **options: Any) -> bytes:
            for error in unseen:
                raise error
            return read(path, *more, **options)

        monkeypatch.setattr(files, "cat_file", too_early)
        with pytest.raises(StoreError, match="is writing to this run"):
            Mirror(url, tmp_path / "two").__enter__()
        monkeypatch.undo()


def test_a_note_stays_fresh_while_much_is_brought_over(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_FRESH_SECONDS", 0.6)
    with Mirror(url, tmp_path / "one", every=1000):
        time.sleep(1.5)
        monkeypatch.setattr(writer_note.socket, "gethostname", lambda: "another")
        with pytest.raises(StoreError, match="is writing to this run"):
            Mirror(url, tmp_path / "two").__enter__()
        monkeypatch.undo()


# ---- S3


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """moto's server, as an environment in which s3fs finds it."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    yield {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
    }
    server.stop()


@pytest.mark.slow
def test_a_run_on_s3_is_sampled_killed_resumed_and_reported(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
    lines = ["name = 's'", "[problems]", "benchmark = 'jsonl'", "path = 'p.jsonl'", "verifier = 'exact'"]
    lines += ["[sampling]", "n = 16", "stop.successes = 0", "max_new_tokens = 64", "template = 'completion'"]
    for model in ("base", "rl"):
        lines += [f"[models.{model}]", "path = 'm'", "engine = 'scripted'", "options.delay_seconds = 0.02"]
    study(tmp_path)
    (tmp_path / "s.toml").write_text("\n".join(lines))
    url, command = "s3://bucket/run", [sys.executable, "-m", "move37", "run", str(tmp_path / "s.toml")]
    here = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "MOVE37_CACHE": "off"}
    killed = subprocess.Popen([*command, "--out", url], env=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while not list((tmp_path / "cache").rglob("part-*.parquet")):
        assert killed.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    done = subprocess.run([*command, "--out", url, "--json"], env=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Mirror(url, tmp_path / "elsewhere", writes=False) as mirror:
        store = RunStore.open(mirror.folder)
        for model in ("base", "rl"):
            rows = store.samples(model).read(["problem_id", "index"])
            assert rows.height == rows.n_unique() == 96
            assert len(store.samples(model).files()) == 1
        assert (mirror.folder / "report.html").stat().st_size > 100_000
        assert run_study(store.study(), mirror.folder).sampled.sampled == {}
