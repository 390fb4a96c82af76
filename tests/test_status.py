"""`move37 status` and `move37 doctor`: what a run is doing, from its folder; what a machine can run."""

import json
import re
import shutil
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from move37 import doctor, monitoring, terminal_status
from move37.commands import app
from move37.config import parse_study
from move37.interrupts import Terminated
from move37.monitoring import Monitor, Round
from move37.pipeline import sample_run, start_run, verify_run
from move37.status import run_status
from move37.store import RunStore
from move37.types import FinishReason, Sample


def study(folder: Path, **sampling: Any) -> Any:
    rows = [{"question": f"What is {i} + 2?", "answer": str(i + 2)} for i in range(5)]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return parse_study(
        {
            "name": "s",
            "problems": {"benchmark": "jsonl", "path": str(folder / "p.jsonl"), "verifier": "exact"},
            "sampling": {"n": 32, "max_new_tokens": 40, "template": "completion"} | sampling,
            "models": {"m": {"path": "m", "engine": "scripted", "options": {"truncated": 0.2}}},
        }
    )


@pytest.fixture
def run(tmp_path: Path) -> RunStore:
    return start_run(study(tmp_path, stop={"successes": 4, "batch": 8}), tmp_path / "run")


def lines(store: RunStore) -> list[dict[str, Any]]:
    written = [json.loads(line) for line in (store.folder / "log.jsonl").read_text().splitlines()]
    return [line for line in written if line["event"] == "progress"]


def test_a_run_that_ended_is_counted_from_its_folder(run: RunStore) -> None:
    before = run_status(run)
    assert [(model.state, model.samples, model.planned) for model in before.models] == [("nothing yet", 0, 160)]
    sample_run(run)
    [model] = run_status(run).models
    assert (model.state, model.samples) == ("idle", run.samples("m").count())
    assert sum(model.verdicts.values()) == model.samples
    assert model.truncated > 0
    rounds = lines(run)
    assert all(line["ended"] for line in rounds)
    assert sum(line["samples"] for line in rounds) == model.samples
    assert [line["stopped"] for line in rounds] == sorted(line["stopped"] for line in rounds)
    assert rounds[0]["stopped"] == 0
    assert rounds[0]["most_seconds_left"] > rounds[0]["seconds_left"] == 0


def test_samples_that_two_parts_hold_are_counted_once(run: RunStore) -> None:
    sample_run(run)
    [before] = run_status(run).models
    parts = run.samples("m")
    for path in parts.files():  # as a merge leaves them that is killed before it takes the small parts away
        shutil.copy(path, parts.folder / f"part-{900 + int(path.name[5:11]):06d}-00000000.parquet")
    [after] = run_status(run).models
    assert (after.samples, after.backlog) == (before.samples, before.backlog)


def test_what_another_command_verified_waits_no_more(run: RunStore, tmp_path: Path) -> None:
    fixed = start_run(study(tmp_path, stop={"successes": 0}, n=4), tmp_path / "fixed")
    sample_run(fixed)
    assert run_status(fixed).models[0].backlog == 20
    verify_run(fixed)
    [model] = run_status(fixed).models
    assert (model.state, model.backlog, model.stopped) == ("idle", 0, None)


class Costly:
    """An engine that costs money and has two copies."""

    def __init__(self) -> None:
        from move37.engines.metering import Price, Replica, Spending, Usage

        self.spending = Spending(Price(1.0, 2.0), budget=1.0)
        self.spending.settle(0.0, Usage(100, 1000))
        self._copies = [Replica(f"http://{name}/v1", 3, 8, 17, {"timed out": 2}) for name in ("a", "b")]

    def replicas(self) -> Any:
        return self._copies


@pytest.fixture
def watched(run: RunStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The run in the middle of a round."""
    monkeypatch.setattr(monitoring, "EVERY_SECONDS", 0.05)
    asked = Round(owed=1010, at_most=5010, problems=5, stopped=1)
    with Monitor(run.log, "m", asked, Costly(), lambda: 7, lambda: {"correct": 3}) as monitor:
        for index in range(10):
            monitor.take(Sample("p", index, "text", FinishReason.LENGTH, tokens=30))
        until = time.monotonic() + 20
        while not any(line["samples"] == 10 for line in lines_so_far(run)):
            assert time.monotonic() < until
            time.sleep(0.01)
        yield run


def lines_so_far(store: RunStore) -> list[dict[str, Any]]:
    return lines(store) if (store.folder / "log.jsonl").exists() else []


def test_a_round_that_goes_on_says_how_fast_and_what_is_left(watched: RunStore) -> None:
    found = run_status(watched)
    [model] = found.models
    assert found.is_active
    assert (model.state, model.backlog, model.stopped, model.problems) == ("sampling", 7, 1, 5)
    assert model.seconds_left is not None
    assert model.most_seconds_left == pytest.approx(model.seconds_left * 5, rel=0.1)
    assert model.cost is not None
    assert model.cost["spent"] == pytest.approx(0.0021)
    assert model.cost["to_go"] == pytest.approx(0.0021 * 100)
    assert model.cost["left"] == pytest.approx(1 - 0.0021)
    assert [replica["name"] for replica in model.replicas] == ["http://a/v1", "http://b/v1"]


def test_it_is_shown_with_every_copy(watched: RunStore) -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(terminal_status._drawn(run_status(watched)))
    shown = console.export_text()
    for text in ("sampling", "1 of 5", "0.0021", "http://b/v1", "2 timed out", "tokens/s"):
        assert text in shown


def test_between_two_looks_a_model_is_sampled_and_afterwards_done(run: RunStore) -> None:
    appending, begun, seen = RunStore.appending_samples, [], []

    def looking(store: RunStore, model: str) -> Any:
        begun.append(model)
        if len(begun) == 3:
            seen.append((lines(run)[-1], run_status(run).models))
        return appending(store, model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunStore, "appending_samples", looking)
        sample_run(run)
    [(last, [model])] = seen
    assert last["ended"]
    assert not last["is_last"]
    assert model.state == "sampling"
    assert model.seconds_left is not None
    assert model.most_seconds_left is not None
    assert 0 < model.seconds_left <= model.most_seconds_left
    assert (model.owed or 0) > 0
    [model] = run_status(run).models
    assert (model.state, model.owed, model.backlog) == ("idle", 0, 0)


def test_what_is_left_to_do_of_a_model_that_stands_still_is_shown(run: RunStore, tmp_path: Path) -> None:
    def shown(store: RunStore) -> str:
        console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        console.print(terminal_status._drawn(run_status(store), 100))
        return console.export_text()

    sample_run(run)
    assert "idle, done" in shown(run)
    fixed = start_run(study(tmp_path, stop={"successes": 0}, n=4), tmp_path / "fixed")
    sample_run(fixed)
    assert "idle, to verify" in shown(fixed)
    verify_run(fixed)
    assert "idle, 20 owed" in shown(start_run(study(tmp_path, stop={"successes": 0}, n=8), tmp_path / "fixed"))


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_no_word_of_it_is_broken_in_a_narrow_terminal(watched: RunStore, width: int) -> None:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(terminal_status._drawn(run_status(watched), width))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    for word in ("samples/s", "of at most", "sampling", "tokens/s", "in flight", "budget left"):
        assert word in text


def test_a_copy_of_a_run_elsewhere_is_not_silent_between_two_times_that_it_is_brought_over(run: RunStore) -> None:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 45))
    line = {"time": when, "event": "progress", "model": "m", "ended": False, "samples": 3}
    (run.folder / "log.jsonl").write_text(json.dumps(line) + "\n")
    assert run_status(run).models[0].state == "silent"
    (run.folder / ".brought-over.json").write_text("{}")
    assert run_status(run).models[0].state == "sampling"


def test_a_round_that_was_killed_is_silent_after_a_while(run: RunStore) -> None:
    line = {"time": "2020-01-01T00:00:00Z", "event": "progress", "model": "m", "ended": False, "samples": 3}
    (run.folder / "log.jsonl").write_text(json.dumps(line) + "\n" + '{"event": "progr')
    found = run_status(run)
    assert [model.state for model in found.models] == ["silent"]
    assert not found.is_active


def test_only_the_end_of_a_long_log_is_read(run: RunStore) -> None:
    long = json.dumps({"event": "verified", "what": "x" * 1000}) + "\n"
    last = {"time": "2020-01-01T00:00:00Z", "event": "progress", "model": "m", "ended": True}
    (run.folder / "log.jsonl").write_text(long * 2000 + json.dumps(last) + "\n")
    assert run_status(run).models[0].state == "idle"


@pytest.mark.slow
def test_the_command_prints_one_object(run: RunStore) -> None:
    sample_run(run)
    done = CliRunner().invoke(app, ["status", str(run.folder), "--json"])
    found = json.loads(done.stdout)
    assert (found["ok"], found["name"], found["models"][0]["state"]) == (True, "s", "idle")
    assert "idle" in CliRunner().invoke(app, ["status", str(run.folder)]).stdout
    refused = CliRunner().invoke(app, ["status", str(run.folder), "--watch", "--json"])
    assert json.loads(refused.stdout)["ok"] is False
    assert "not a run folder" in str(CliRunner().invoke(app, ["status", str(run.folder.parent)]).exception)


# ---- the machine


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without programs and packages, whose hub is not to be asked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MOVE37_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def states() -> dict[str, str]:
    return {check.name: check.state for check in doctor.examine()}


def test_what_is_missing_has_the_line_that_mends_it(machine: Path) -> None:
    found = {check.name: check for check in doctor.examine()}
    named = ("runs", "report", "view", "local", "server", "hub", "lora", "gym", "ray")
    named += ("vision", "remote", "logs", "track")
    extras = {f"move37[{name}]" for name in named}
    assert {name for name, check in found.items() if check.state == "missing"} == extras | {"vllm", "bubblewrap"}
    assert found["move37[server]"].mend == "pip install 'move37[server]'"
    assert all(check.mend for check in found.values() if check.state == "missing")
    assert (found["gpu"].state, found["hub"].state, found["verdict cache"].state) == ("limited", "limited", "ok")


def test_programs_are_tried_not_only_found(machine: Path) -> None:
    program(machine, "bwrap", "exit 0")
    program(machine, "nvidia-smi", "echo 'NVIDIA H200, 143771 MiB, 570.1'")
    assert (states()["bubblewrap"], states()["gpu"]) == ("ok", "ok")
    program(machine, "bwrap", "echo 'No permissions to create new namespace' >&2; exit 1")
    program(machine, "nvidia-smi", "echo 'driver mismatch'; exit 9")
    assert (states()["bubblewrap"], states()["gpu"]) == ("missing", "missing")


def test_a_torch_that_cannot_use_the_gpu_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine, "nvidia-smi", "echo 'NVIDIA H200, 143771 MiB, 570.1'")
    monkeypatch.setattr(doctor, "_version", lambda package: "2.13.0+cpu" if package == "torch" else "1")
    [gpu] = [check for check in doctor.examine() if check.name == "gpu"]
    assert (gpu.state, gpu.mend) == ("limited", "pip install -U torch")


def test_a_cache_that_is_off_or_cannot_be_written_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVE37_CACHE", "off")
    assert states()["verdict cache"] == "limited"
    monkeypatch.setenv("MOVE37_CACHE", str(machine / "cache"))
    monkeypatch.setattr(doctor.os, "access", lambda path, how: False)
    assert states()["verdict cache"] == "missing"


@pytest.mark.parametrize("place", ["/proc/none", "/dev/null", "a file/cache"])
def test_a_cache_where_no_file_can_be_made_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (machine / "a file").write_text("")
    monkeypatch.setenv("MOVE37_CACHE", str(machine / place))
    assert states()["verdict cache"] == "missing"


def test_a_home_that_cannot_be_looked_at_ends_no_doctor(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor, "_hub_home", refused)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    found = {check.name: check for check in doctor.examine()}
    assert (found["hub"].state, found["model cache"].state) == ("missing", "missing")
    assert "Permission denied" in found["hub"].found
    assert "HF_HOME" in str(found["model cache"].mend)


def test_every_extra_for_users_is_looked_for_by_packages_of_its_own() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    looked_for = {name: set(packages) for name, packages, _ in doctor._EXTRAS}
    assert extras.keys() - {"vllm", "peers", "docs", "dev"} == looked_for.keys()
    for name, packages in looked_for.items():
        assert packages <= {re.split(r"[\[<>=;! ]", each)[0] for each in extras[name]}, name


def test_the_command_shows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    checks = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)["checks"]
    assert {"gpu", "vllm", "bubblewrap", "hub", "model cache", "verdict cache"} <= {check["name"] for check in checks}
    assert "This machine" in CliRunner().invoke(app, ["doctor"]).stdout


def test_what_ended_sampling_is_said_until_it_goes_on(run: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    from move37.engines.scripted import ScriptedEngine
    from move37.errors import EngineError

    honest = ScriptedEngine.generate

    def breaks(engine: Any, requests: Any, sampling: Any) -> Iterator[Sample]:
        for made, sample in enumerate(honest(engine, requests, sampling)):
            if made == 3:
                raise EngineError("http://host/v1: no answer for 600 s [x]")
            yield sample

    monkeypatch.setattr(ScriptedEngine, "generate", breaks)
    with pytest.raises(EngineError):
        sample_run(run)
    [model] = run_status(run).models
    assert (model.state, model.samples) == ("idle", 3)
    assert model.broke_off == "http://host/v1: no answer for 600 s [x]"
    shown = CliRunner().invoke(app, ["status", str(run.folder)]).output
    assert "m ended: http://host/v1: no answer for 600 s [x]" in " ".join(shown.split())
    told = json.loads(CliRunner().invoke(app, ["status", str(run.folder), "--json"]).output)
    assert told["models"][0]["broke_off"] == model.broke_off
    for error in (KeyboardInterrupt(), Terminated()):
        monkeypatch.setattr(ScriptedEngine, "generate", raises(error))
        with pytest.raises(type(error)):
            sample_run(run)
        assert run_status(run).models[0].broke_off == "interrupted"
    monkeypatch.setattr(ScriptedEngine, "generate", honest)
    sample_run(run)
    assert run_status(run).models[0].broke_off is None


def raises(error: BaseException) -> Any:
    def generate(*_: Any) -> Iterator[Sample]:
        raise error

    return generate
