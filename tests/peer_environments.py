"""Other tools in environments of their own: `scripts/peers NAME` makes one, in the user's cache folder.

What they depend on contradicts what the project runs on (verl asks for an older transformers), so a test runs a script
in the tool's own interpreter, with this source tree on its path. Without the environment the test is skipped.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PEERS = Path(os.environ.get("MOVE37_PEERS", "~/.cache/move37/peers")).expanduser()


def interpreter(name: str) -> Path:
    """The tool's Python; skips the test where there is none."""
    found = PEERS / name / "bin" / "python"
    if not (PEERS / name / ".done").exists():
        pytest.skip(f"{name} is not installed: scripts/peers {name}")
    return found


def run_in(name: str, script: str, *arguments: str, **environment: str) -> Any:
    """The last line that tests/peers/<script> prints in the tool's environment, as JSON."""
    command = [str(interpreter(name)), str(ROOT / "tests" / "peers" / script), *arguments]
    known = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    known |= {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=known, timeout=600)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.rstrip().rpartition("\n")[2])
