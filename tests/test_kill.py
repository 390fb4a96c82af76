"""SIGKILL at twenty random moments: after each restart the run goes on, and in the end equals an undisturbed one."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from move37 import pipeline
from move37.config import load_study
from move37.seeds import sample_seed
from move37.store import RunStore
from tests.forked_commands import Starter, starter
from tests.studies import judged_run, sums_study, write_problems
from tests.test_pipeline import content
from tests.tiny_models import save_model

pytestmark = [pytest.mark.own_workers, pytest.mark.slow]

WRITE_EVERY_SECONDS = 0.2
"""A tenth of what is usual, and so are all other times here: as many kills at the same moments, in less time."""


@pytest.fixture(scope="module")
def commands() -> Iterator[Starter]:
    with starter(WRITE_EVERY_SECONDS) as started:
        yield started


def kill_at_random(commands: Starter, kills: int, folder: Path, seed: int, *arguments: str) -> int:
    """Start the command again and again; how often it was still running when it was killed.

    Every other time that is while it starts, otherwise after it has written a part into `folder`: moments of its work,
    however busy the machine is.
    """
    rng = random.Random(seed)
    killed = 0
    for number in range(kills):
        process = commands.start(*arguments)
        if number % 2:
            wait_for_a_part(commands, folder)
        time.sleep(rng.uniform(0, 0.3))
        os.kill(process, signal.SIGKILL)
        code = commands.end()
        assert code in (-9, 0)
        killed += code == -9
    return killed


def wait_for_a_part(commands: Starter, folder: Path) -> None:
    """Until the command has written a part into `folder`, or is over."""
    before = set(folder.rglob("part-*"))
    while not commands.is_over() and set(folder.rglob("part-*")) <= before:
        time.sleep(0.02)


def test_sampling_killed_twelve_times_equals_an_undisturbed_run_sample_for_sample(
    commands: Starter, tmp_path: Path
) -> None:
    # 6 problems x 200 samples x 2 models at 3 ms a sample: 7 seconds, of which a kill leaves half of one or none.
    study, run = sums_study(tmp_path, n=200, verifier="numeric", delay_seconds=0.003), tmp_path / "run"
    assert kill_at_random(commands, 12, run / "samples", 0, "run", str(study), "--out", str(run)) == 12
    halfway = content(run)
    samples = {
        (folder.split("/")[-1], *row[:2]) for folder, rows in halfway.items() if folder[0] == "s" for row in rows
    }
    judged = {(folder.split("/")[-1], *row[:2]) for folder, rows in halfway.items() if folder[0] == "v" for row in rows}
    assert 0 < len(samples) < 2400  # the kills fell between the first sample and the last
    assert judged <= samples  # verdicts are written while samples are made, never before them
    commands.finish("run", str(study), "--out", str(run))

    study.write_text(study.read_text().replace("options.delay_seconds = 0.003", ""))
    judged_run(study, tmp_path / "undisturbed")
    assert content(run) == content(tmp_path / "undisturbed")
    assert not list(run.rglob(".unfinished-*"))


def kill_at_the_next_part(commands: Starter, folder: Path, *arguments: str) -> bool:
    """Start the command and kill it as soon as it has written a part into `folder`; False if it ended before."""
    process = commands.start(*arguments)
    wait_for_a_part(commands, folder)
    os.kill(process, signal.SIGKILL)
    code = commands.end()
    assert code in (-9, 0)
    return code == -9


def test_a_real_model_killed_again_and_again_loses_no_sample_and_makes_none_twice(
    commands: Starter, tmp_path: Path
) -> None:
    # 6 problems x 60 samples of 64 tokens from a random two-layer Llama, in 45 waves of 8.
    study, run = tmp_path / "study.toml", tmp_path / "run"
    study.write_text(f"""
name = "tiny"
problems = {{ benchmark = "jsonl", path = "{write_problems(tmp_path)}", verifier = "math" }}
sampling = {{ n = 60, temperature = 1.0, max_new_tokens = 64, template = "completion", stop.successes = 0 }}
models.base = {{ path = "{save_model(tmp_path / "tiny")}", options = {{ batch_size = 8 }} }}
""")
    arguments = ("sample", str(study), "--out", str(run))
    killed = [kill_at_the_next_part(commands, run / "samples" / "base", *arguments) for _ in range(3)]
    assert killed[0]
    commands.finish(*arguments)

    store = RunStore.open(run)
    rows = pl.concat(list(store.samples("base").frames()))
    keys = rows.select("problem_id", "index").rows()
    assert sorted(keys) == sorted((problem.id, index) for problem in store.problems() for index in range(60))
    seeds = rows.select("problem_id", "index", "seed").rows()
    assert all(seed == sample_seed(store.study().seed, "base", problem, index) for problem, index, seed in seeds)
    assert rows["tokens"].is_between(1, 64).all()


def test_verification_killed_eight_times_equals_an_undisturbed_run_verdict_for_verdict(
    commands: Starter, tmp_path: Path
) -> None:
    # 6 problems x 5,000 samples x 2 models take seconds to verify.
    store = pipeline.start_run(load_study(sums_study(tmp_path, n=5_000, verifier="numeric")), tmp_path / "run")
    pipeline.sample_run(store)
    shutil.copytree(store.folder, tmp_path / "undisturbed")
    killed = kill_at_random(commands, 8, store.folder / "verdicts", 1, "verify", str(store.folder))
    halfway = sum(len(rows) for folder, rows in content(store.folder).items() if folder.startswith("verdicts/"))
    assert killed == 8 or halfway == 60_000
    commands.finish("verify", str(store.folder))

    undisturbed = RunStore.open(tmp_path / "undisturbed")
    pipeline.verify_run(undisturbed)
    assert content(store.folder) == content(undisturbed.folder)
    assert not list(store.folder.rglob(".unfinished-*"))
