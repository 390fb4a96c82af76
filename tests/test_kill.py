"""SIGKILL at random moments: after each restart the run goes on, and in the end equals an undisturbed one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.studies import sums_study
from tests.test_pipeline import content

KILLS = 20


def start(study: Path, run: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "move37", "run", str(study), "--out", str(run)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


@pytest.mark.slow
def test_a_run_killed_twenty_times_equals_an_undisturbed_run_sample_for_sample(tmp_path: Path) -> None:
    # 6 problems x 150 samples x 2 models at 4 ms a sample: about 7 seconds of sampling, then verification.
    study = sums_study(tmp_path, n=150, delay_seconds=0.004)
    rng = random.Random(0)
    disturbed = tmp_path / "disturbed"
    killed = 0
    while killed < KILLS:
        process = start(study, disturbed)
        # The start of Python takes a second or two; the kill falls anywhere from there to the end of the run.
        time.sleep(rng.uniform(1.0, 4.0))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, process.stderr.read().decode() if process.stderr else ""
    final = start(study, disturbed)
    _, errors = final.communicate(timeout=300)
    assert final.returncode == 0, errors.decode()

    undisturbed = tmp_path / "undisturbed"
    whole = start(study, undisturbed)
    _, errors = whole.communicate(timeout=300)
    assert whole.returncode == 0, errors.decode()
    assert content(disturbed) == content(undisturbed)
    assert killed >= 3, "the machine finished before it could be killed; raise delay_seconds"
    assert not list(disturbed.rglob(".unfinished-*"))
