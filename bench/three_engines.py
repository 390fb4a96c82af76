"""Claim: transformers, vLLM and a served vLLM are three tables of one study file: the same prompts and stop rules, the
same pass@1 within a paired test, early stopping and a killed run continued on each, and under 5 % of processor time
around the bare engine.

    python bench/three_engines.py [--n 64] [--rounds 3] [--only killed]      # with the environment of scripts/vllm

One server, the lab's base. Rounds alternate; processor seconds are compared, of this process and of those that hold the
model, so that others on the machine do not count. Bare is transformers' own `generate` on the same batch, vLLM's
`LLM.generate` (`bench/vllm_engine.py`), and a loop of httpx calls with the same bodies, as many at once.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import numpy as np
import polars as pl
from scipy.stats import wilcoxon

from bench.vllm_engine import BASE, OPTIONS, SETTINGS, TEXTS
from bench.vllm_engine import overhead as overhead_of_vllm
from move37.config import ModelConfig, parse_study
from move37.engines import ENGINES
from move37.pipeline import sample_run, start_run
from move37.rollouts import requests_for
from move37.store import RunStore
from move37.types import Prompt, Request
from tests.served import free_port, served

ROOT, PROBLEMS, AT_ONCE = Path(__file__).parents[1], 12, 64
STUDY = """
name = "three-engines"
problems = {{ benchmark = "countdown:edge", size = {problems} }}
templates.until-times = {{ text = "{{{{ question }}}}", stop = ["*"] }}

[sampling]
n = {n}
stop = {{ successes = {successes}, batch = 32 }}
temperature = 1.0
top_p = 1.0
max_new_tokens = 64
template = "{template}"
keep_tokens = {keep}

[models.transformers]
path = {base}

[models.vllm]
path = {base}
engine = "vllm"
options = {{ {options} }}

[models.served]
path = {base}
engine = "openai"
options = {{ base_url = "{url}" }}
"""
PARTS = ("agreement", "stops", "overhead", "killed")
Work = Callable[[list[Request]], int]
"""Makes samples of the requests; how many tokens."""


def study_text(url: str, n: int, successes: int = 0, template: str = "completion", keep: bool = False) -> str:
    options = ", ".join(f"{key} = {json.dumps(value)}" for key, value in OPTIONS.items())
    asked = {"n": n, "successes": successes, "template": template, "keep": json.dumps(keep)}
    return STUDY.format(problems=PROBLEMS, base=json.dumps(BASE), options=options, url=url, **asked)


def agreement(url: str, n: int, folder: Path) -> None:
    """Prompts, and pass@1 over the problems."""
    store = start_run(parse_study(tomllib.loads(study_text(url, n))), folder / "fixed")
    sample_run(store, verify=True)
    ids = [problem.id for problem in store.problems()]
    asked = {model: store.model_record(model).prompts for model in store.models()}
    assert len(set(asked.values())) == 1, "asked in other words"
    rates = {model: (store.outcomes(model, ids, n) == 1).mean(axis=1) for model in store.models()}
    print("pass@1: " + ", ".join(f"{model} {rate.mean():.4f}" for model, rate in rates.items()))
    for (one, first), (other, second) in combinations(rates.items(), 2):
        tested: Any = None if np.array_equal(first, second) else wilcoxon(first, second)
        p = 1.0 if tested is None else float(tested.pvalue)
        print(f"  {one} and {other}: difference {(second - first).mean():+.4f}, paired p {p:.2f}")


def stop_rules(url: str, folder: Path) -> None:
    """A response ends at the token that completes a stop string, and the string is no part of it, on each of them."""
    study = parse_study(tomllib.loads(study_text(url, 16, template="until-times", keep=True)))
    store = start_run(study, folder / "stopped")
    sample_run(store, verify=False)
    own: Any = ENGINES.load("transformers").load(ModelConfig(path=BASE))
    for model in store.models():
        stopped = 0
        for row in pl.concat(list(store.samples(model).frames())).iter_rows(named=True):
            ids = row["segments"][0]["token_ids"]
            written = "".join(own.shown(token) for token in ids if token not in own.end_tokens)
            assert written.find("*") in (-1, len(written) - 1), f"{model} went on behind the stop string"
            assert row["text"] == written.removesuffix("*"), f"{model} reads its tokens in another way"
            stopped += written.endswith("*")
        assert stopped, f"{model} never came to a stop string"
        print(f"stop rule, {model}: {stopped} of {16 * PROBLEMS} responses end at it, each token for token")
    own.close()


def killed(url: str, model: str, folder: Path) -> None:
    """A run with a stopping plan, SIGKILL to all of it, and the same command again."""
    text = study_text(url, 128, successes=4)
    begin, parts = text.split("[models.")[0], text.split("[models.")[1:]
    chosen = next(part for part in parts if part.startswith(f"{model}]"))
    (folder / f"{model}.toml").write_text(f"{begin}[models.{chosen}")
    out = folder / f"killed-{model}"
    command = [sys.executable, "-m", "move37", "sample", str(folder / f"{model}.toml"), "--out", str(out)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not list(out.rglob(f"samples/{model}/part-*")):
        assert run.poll() is None, "it was over before it could be killed"
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    before = keys_of(RunStore.open(out), model)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    store = RunStore.open(out)
    keys, ids = keys_of(store, model), [problem.id for problem in store.problems()]
    assert before <= keys, "lost what was there"
    assert store.owed(model, ids, store.study().sampling.plan()) == {}, "not complete"
    assert len(keys) < PROBLEMS * 128, "no problem stopped early"
    print(f"{model}: killed at {len(before)} of {len(keys)} samples (at most {PROBLEMS * 128}); complete, none twice")


def keys_of(store: RunStore, model: str) -> set[tuple[str, int]]:
    rows = pl.concat(list(store.samples(model).frames())).select("problem_id", "index").rows()
    assert len(rows) == len(set(rows)), "made twice"
    return set(rows)


# -- overhead ----------------------------------------------------------------------------------------------------------


def compared(name: str, ours: Work, bare: Work, seconds: Callable[[], float], n: int, rounds: int) -> None:
    """Processor seconds a token of the two in turns; the first round warms both up."""
    ratios = []
    for number in range(rounds + 1):
        prompts = [Prompt(f"p{place}", text, (), "completion") for place, text in enumerate(TEXTS)]
        asked = [each for prompt in prompts for each in requests_for(prompt, range(n), number, "m")]
        spent = {}
        for which, work in (("bare", bare), ("ours", ours)) if number % 2 else (("ours", ours), ("bare", bare)):
            start = seconds()
            tokens = work(asked)
            spent[which] = (seconds() - start) / tokens
        if number:
            ratios.append(spent["ours"] / spent["bare"])
    each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"around {name}: {statistics.median(ratios):.3f} of the bare engine's processor time a token ({each})")


def overhead_of_transformers(n: int, rounds: int) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    engine: Any = ENGINES.load("transformers").load(ModelConfig(path=BASE, options={"threads": 1}))
    model: Any = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
    end = next(iter(engine.end_tokens))

    def ours(asked: list[Request]) -> int:
        return sum(sample.tokens or 0 for sample in engine.generate(asked, SETTINGS))

    def bare(asked: list[Request]) -> int:
        """All prompts have one length, so they are one batch, as they are for the engine."""
        ids = torch.tensor([engine.encode(each.prompt.text) for each in asked])
        settings = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_new_tokens": 64}
        with torch.inference_mode():
            made = model.generate(
                ids, attention_mask=torch.ones_like(ids), eos_token_id=end, pad_token_id=end, **settings
            )
        rows = made[:, ids.shape[1] :].tolist()
        return sum(row.index(end) + 1 if end in row else len(row) for row in rows)

    compared("transformers' generate", ours, bare, time.process_time, n, rounds)
    engine.close()


def overhead_of_serving(url: str, port: int, n: int, rounds: int) -> None:
    engine: Any = ENGINES.load("openai").load(ModelConfig(path=BASE, options={"base_url": url}))

    def ours(asked: list[Request]) -> int:
        return sum(sample.tokens or 0 for sample in engine.generate(asked, SETTINGS))

    def bare(asked: list[Request]) -> int:
        bodies = [engine._form.body([each], engine._encode(each.prompt), SETTINGS, "") for each in asked]
        return asyncio.run(_called(f"{url}/completions", bodies))

    def seconds() -> float:
        return time.process_time() + session_seconds(port)

    compared("a server's calls", ours, bare, seconds, n, rounds)
    engine.close()


async def _called(url: str, bodies: list[dict[str, Any]]) -> int:
    """Tokens of all answers, `AT_ONCE` calls in flight."""
    room = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=AT_ONCE)) as client:

        async def call(body: dict[str, Any]) -> int:
            async with room:
                answer = await client.post(url, json=body)
                return answer.raise_for_status().json()["usage"]["completion_tokens"]

        return sum(await asyncio.gather(*map(call, bodies)))


def session_seconds(port: int) -> float:
    """Processor seconds of the server at a port, with all that it started."""
    leader, total = None, 0.0
    stats = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        stats[int(path.name)] = fields
        if b"--port" in words and str(port).encode() in words:
            leader = int(fields[3])
    for fields in stats.values():
        if int(fields[3]) == leader:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone")
    asked = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "0-0")
    port = free_port()
    command = [ROOT / "scripts" / "vllm", BASE, "--port", str(port), "--max-model-len", "128", "--max-num-seqs", "64"]
    alone = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    quiet = {key: value for key, value in (os.environ | alone).items() if key != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with served(command, port, folder / "server.log", quiet, 3600) as url:
            print(f"load {os.getloadavg()}", flush=True)
            if "agreement" in asked.only:
                agreement(url, asked.n, folder)
            if "stops" in asked.only:
                stop_rules(url, folder)
            if "overhead" in asked.only:
                overhead_of_transformers(asked.n, asked.rounds)
                overhead_of_serving(url, port, asked.n, asked.rounds)
            if "killed" in asked.only:
                for model in ("transformers", "served", "vllm"):
                    killed(url, model, folder)
        if "overhead" in asked.only:
            overhead_of_vllm(asked.n, asked.rounds)
        print(f"load {os.getloadavg()}")


if __name__ == "__main__":
    main()
