"""A real language model as judge, behind a real server: SmolLM2-135M on `transformers serve`.

A model this small is no judge, and both ways of finding that out are what is tested: asked for a verdict at the end of
a reply it is refused before it judges anything; held to one word it says CORRECT to everything it answers, which
`move37 calibrate` must show.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from move37.cli import app
from move37.config import VerificationConfig
from move37.errors import VerifierError
from move37.types import Problem
from move37.verification import VerifierPool
from move37.verifiers.options import make_verifier
from tests.served import free_port, served

pytest.importorskip("openai", reason="the [server] extra is not installed")
pytest.importorskip("uvicorn", reason="`transformers serve` is not installed: pip install 'transformers[serving]'")

pytestmark = [pytest.mark.own_workers, pytest.mark.peer, pytest.mark.slow]

SECONDS_TO_START = 120
YES_SAYER = "Is {{ response }} the same as {{ reference }}? Say CORRECT or INCORRECT."


@pytest.fixture(scope="module")
def base_url(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of SmolLM2 as a folder of weights: it reads GGUF files from the hub only."""
    port = free_port()
    command = [Path(sys.executable).with_name("transformers"), "serve", smollm2, "--device", "cpu", "--port", str(port)]
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    log = tmp_path_factory.mktemp("served") / "server.log"
    with served(command, port, log, os.environ | quiet, SECONDS_TO_START) as url:
        yield url


def test_a_model_that_does_not_keep_to_the_form_is_refused_before_it_judges(smollm2: Path, base_url: str) -> None:
    own = {"base_url": base_url, "model": str(smollm2), "request": {"temperature": 0, "max_tokens": 40}}
    settings = VerificationConfig(options={"judge": own}, workers=1)
    problem = Problem("made-up/1", "Who?", ("Evelyn",), "made-up", "judge")
    with VerifierPool(settings) as pool, pytest.raises(VerifierError, match=r"did not say CORRECT \(judge's reply"):
        dict(pool.verify(make_verifier("judge", settings), [(problem, "\\boxed{Bob}", 0)]))


def test_calibration_finds_a_judge_that_accepts_everything(
    smollm2: Path, base_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"question": f"What is {value}?", "answer": str(value)} for value in (7, 540)]
    (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, rows)))
    own = {
        "base_url": base_url,
        "model": str(smollm2),
        "prompt": YES_SAYER,
        "request": json.dumps({"temperature": 0, "max_tokens": 3}),
        "timeout_seconds": 120,
    }
    command = ["calibrate", "jsonl", "--path", str(tmp_path / "problems.jsonl")]
    options = [word for key, value in own.items() for word in ("--option", f"judge.{key}={value}")]
    app([*command, "--verifier", "judge", *options, "--json"], standalone_mode=False)
    [found] = json.loads(capsys.readouterr().out)["calibrations"]
    assert found["references"]["accepted"] == len(rows)
    corrupted = found["corrupted"]
    assert corrupted["scored"] + corrupted["unscored"] == sum(e["scored"] + e["unscored"] for e in found["by_kind"])
    assert corrupted["accepted"] == corrupted["scored"] >= 2 * len(rows)
    assert found["floor"][-1] == {"k": 1024, "value": 1.0, "upper": 1.0}
