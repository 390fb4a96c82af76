"""SIGKILL at twenty random moments: after each restart the run goes on, and in the end equals an undisturbed one."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from move37 import pipeline
from move37.config import load_study
from move37.seeds import sample_seed
from move37.store import RunStore
from tests.studies import judged_run, sums_study, write_problems
from tests.test_pipeline import content
from tests.tiny_models import save_model

pytestmark = pytest.mark.slow


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "move37", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_at_random(kills: int, seconds: tuple[float, float], seed: int, *arguments: str) -> int:
    """Start the command again and again, each time killed after so many seconds; how often it was still running.

    The seconds count from where a command begins its work: what Python takes to start, on a machine as busy as this
    one is now, comes on top.
    """
    rng = random.Random(seed)
    begin = time.monotonic()
    finish("list", "engines")
    start_seconds = time.monotonic() - begin
    killed = 0
    for _ in range(kills):
        process = start(*arguments)
        time.sleep(start_seconds + rng.uniform(*seconds))
        process.kill()
        _, errors = process.communicate()
        assert process.returncode in (-9, 0), errors.decode()
        killed += process.returncode == -9
    return killed


def finish(*arguments: str) -> None:
    process = start(*arguments)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def test_sampling_killed_twelve_times_equals_an_undisturbed_run_sample_for_sample(tmp_path: Path) -> None:
    # 6 problems x 150 samples x 2 models at 25 ms a sample: 45 seconds, of which a kill leaves one or two behind it.
    study, run = sums_study(tmp_path, n=150, delay_seconds=0.025), tmp_path / "run"
    assert kill_at_random(12, (0.0, 3.5), 0, "run", str(study), "--out", str(run)) == 12
    halfway = content(run)
    samples = {
        (folder.split("/")[-1], *row[:2]) for folder, rows in halfway.items() if folder[0] == "s" for row in rows
    }
    judged = {(folder.split("/")[-1], *row[:2]) for folder, rows in halfway.items() if folder[0] == "v" for row in rows}
    assert 0 < len(samples) < 1800  # the kills fell between the first sample and the last
    assert judged <= samples  # verdicts are written while samples are made, never before them
    finish("run", str(study), "--out", str(run))

    study.write_text(study.read_text().replace("options.delay_seconds = 0.025", ""))
    judged_run(study, tmp_path / "undisturbed")
    assert content(run) == content(tmp_path / "undisturbed")
    assert not list(run.rglob(".unfinished-*"))


def kill_at_the_next_part(folder: Path, *arguments: str) -> bool:
    """Start the command and kill it as soon as it has written a part into `folder`; False if it ended before."""
    before = set(folder.glob("part-*"))
    process = start(*arguments)
    while process.poll() is None and set(folder.glob("part-*")) <= before:
        time.sleep(0.02)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode in (-9, 0), errors.decode()
    return process.returncode == -9


def test_a_real_model_killed_again_and_again_loses_no_sample_and_makes_none_twice(tmp_path: Path) -> None:
    # 6 problems x 60 samples of 64 tokens from a random two-layer Llama, in 45 waves of 8: parts every two seconds.
    study, run = tmp_path / "study.toml", tmp_path / "run"
    study.write_text(f"""
name = "tiny"
problems = {{ benchmark = "jsonl", path = "{write_problems(tmp_path)}", verifier = "math" }}
sampling = {{ n = 60, temperature = 1.0, max_new_tokens = 64, template = "completion", stop.successes = 0 }}
models.base = {{ path = "{save_model(tmp_path / "tiny")}", options = {{ batch_size = 8 }} }}
""")
    arguments = ("sample", str(study), "--out", str(run))
    killed = [kill_at_the_next_part(run / "samples" / "base", *arguments) for _ in range(3)]
    assert killed[0]
    finish(*arguments)

    store = RunStore.open(run)
    rows = pl.concat(list(store.samples("base").frames()))
    keys = rows.select("problem_id", "index").rows()
    assert sorted(keys) == sorted((problem.id, index) for problem in store.problems() for index in range(60))
    seeds = rows.select("problem_id", "index", "seed").rows()
    assert all(seed == sample_seed(store.study().seed, "base", problem, index) for problem, index, seed in seeds)
    assert rows["tokens"].is_between(1, 64).all()


def test_verification_killed_eight_times_equals_an_undisturbed_run_verdict_for_verdict(tmp_path: Path) -> None:
    # 6 problems x 16,000 samples x 2 models take seconds to verify, and seconds more to start.
    store = pipeline.start_run(load_study(sums_study(tmp_path, n=16_000)), tmp_path / "run")
    pipeline.sample_run(store)
    shutil.copytree(store.folder, tmp_path / "undisturbed")
    killed = kill_at_random(8, (0.0, 2.5), 1, "verify", str(store.folder))
    halfway = sum(len(rows) for folder, rows in content(store.folder).items() if folder.startswith("verdicts/"))
    assert killed == 8 or halfway == 192_000
    finish("verify", str(store.folder))

    undisturbed = RunStore.open(tmp_path / "undisturbed")
    pipeline.verify_run(undisturbed)
    assert content(store.folder) == content(undisturbed.folder)
    assert not list(store.folder.rglob(".unfinished-*"))
