"""`move37 run` without a file, how `move37` begins, a hub that is not there, and how far a command is."""

import json
import socket
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from move37 import __version__, hub
from move37.cli import app
from move37.config import StudyConfig, parse_study
from move37.errors import ConfigError, InputError, UnknownNameError
from move37.progress import SoFar, watch_model
from move37.quick_study import quick_study, written
from move37.session import check_names
from move37.terminal_progress import PlainLines, clock_time


def test_models_and_a_benchmark_become_a_study_that_can_be_read_again(tmp_path: Path) -> None:
    sampling = {"n": 64, "template": None}
    config, text = quick_study("org/base-7B", ["org/rl"], ["math500", "aime25"], None, sampling)
    assert config == parse_study(tomllib.loads(written(tmp_path / "run", text).read_text()))
    assert (tmp_path / "run.toml").is_file()
    assert [source.benchmark for source in config.problems] == ["math500", "aime25"]
    assert {name: model.path for name, model in config.models.items()} == {"base": "org/base-7B", "rl": "org/rl"}
    assert (config.name, config.sampling.n, config.sampling.template) == ("math500-aime25", 64, "qwen-boxed")
    several, _ = quick_study("a", ["b", "c"], ["countdown:edge"], "scripted")
    assert (list(several.models), several.name) == (["base", "rl-1", "rl-2"], "countdown-edge")
    assert several.models["rl-2"].engine == "scripted"


def test_what_lacks_is_named() -> None:
    with pytest.raises(InputError, match="lacking: --rl, --benchmark"):
        quick_study("a", [], [])
    with pytest.raises(ConfigError, match=r"sampling\.n"):
        quick_study("a", ["b"], ["math500"], None, {"n": 0})
    with pytest.raises(InputError, match="--rl: give a study file or options, not both"):
        app(["run", "study.toml", "--rl", "x"], standalone_mode=False)


def test_the_bare_command_says_how_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    app([], standalone_mode=False)
    assert "move37 demo" in capsys.readouterr().out
    app(["--version"], standalone_mode=False)
    assert capsys.readouterr().out == f"move37 {__version__}\n"


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An address at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    hub.is_reachable.cache_clear()
    yield
    hub.is_reachable.cache_clear()


def study(**changes: str) -> StudyConfig:
    words = {"engine": "transformers", "benchmark": "math500", "path": "org/model"} | changes
    models = {name: {"path": words["path"], "engine": words["engine"]} for name in ("base", "rl")}
    return parse_study({"name": "s", "problems": {"benchmark": words["benchmark"]}, "models": models})


@pytest.mark.usefixtures("no_hub")
def test_without_a_hub_a_model_that_is_not_here_is_refused_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(InputError, match="hub cannot be reached; give the path of a local folder") as raised:
        check_names(study())
    assert time.monotonic() - begun < 3
    assert "\n" not in str(raised.value)
    assert "models.base.path" in str(raised.value)
    (tmp_path / "hf" / "hub" / "models--org--model").mkdir(parents=True)
    hub.refuse_unreachable("org/model", "models.base.path")  # the client's cache has it
    with pytest.raises(InputError, match="no such folder or file"):
        hub.refuse_unreachable("./runs/none/at/all", "models.base.path")


def test_misspelt_names_are_found_before_a_model_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'transformers'"):
        check_names(study(engine="transfomers"))
    with pytest.raises(UnknownNameError, match="did you mean 'math500'"):
        check_names(study(benchmark="maths500", path="/nowhere"))


def test_without_a_terminal_a_line_is_said_every_thirty_seconds() -> None:
    now, said = [0.0], []
    lines = PlainLines(said.append, lambda: now[0])
    with lines.track("Verifying base", 400, "samples") as advance:
        for now[0] in (10.0, 29.0, 31.0, 40.0, 62.0):
            advance(50)
    assert said == [
        "Verifying base: 150 of 400 samples, 0:31 elapsed, 0:52 left",
        "Verifying base: 250 of 400 samples, 1:02 elapsed, 0:37 left",
    ]
    assert (clock_time(59.6), clock_time(3725)) == ("1:00", "1:02:05")


def test_a_model_is_one_line_whatever_its_rounds() -> None:
    now, said, known = [0.0], [], SoFar(0, 150, 0, 0, 0, 4800, False)
    lines = PlainLines(said.append, lambda: now[0])
    with watch_model(lines, "base", lambda: known) as progress:
        for begun in (0.0, 40.0):
            with progress.track("Sampling base", 2400, "samples") as advance:
                now[0] = begun + 35
                known = SoFar(42, 150, 1200, 300, 900, 2400, False)
                advance(1)
    assert said == [
        "base: 42 of 150 problems, 1,200 samples, 25.0% right so far, 0:35 elapsed, at most 1:10 left",
        "base: 42 of 150 problems, 1,200 samples, 25.0% right so far, 1:15 elapsed, at most 2:30 left",
    ]


def test_a_dry_run_of_a_study_from_options_writes_nothing_and_a_smoke_run_is_small(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--base", "a", "--rl", "b", "--benchmark", "countdown", "--engine", "scripted", "--n", "64", "--json"]
    owed = []
    for flags in (["--dry-run"], ["--dry-run", "--smoke"]):
        app(["run", *options, *flags, "--out", str(tmp_path / "run")], standalone_mode=False)
        owed.append(json.loads(capsys.readouterr().out.splitlines()[-1])["samples_owed"])
    assert owed[0] == 2 * 100 * 64
    assert owed[1] < owed[0] / 100
    assert list(tmp_path.iterdir()) == []
