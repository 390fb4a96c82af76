"""Claim: a million samples of 1 kB are kept, read back and tallied at 50,000 a second in under 1.5 GB of memory, and
ten million verdicts are tallied in under 3 seconds.

The peer is one JSON line per sample (what lm-eval-harness, lighteval and verl leave behind), on a tenth of the samples.
Runs alternate; each runs in a process of its own, so that its peak memory is its own.
"""

import json
import multiprocessing
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from move37 import schema
from move37.evidence import RunEvidence
from move37.store import RunStore
from move37.types import FinishReason, Outcome, Sample, Verdict

SAMPLES, PROBLEMS, ROUNDS = 1_000_000, 1_000, 3
VERDICTS = 10_000_000
PEER_SHARE = 10


def texts() -> list[str]:
    """A thousand texts of 1 kB with the redundancy of prose, so that compression is neither free nor useless."""
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoin shrdlu", k=rng.randint(2, 9))) for _ in range(5000)]
    return [" ".join(rng.choices(words, k=200))[:1000] for _ in range(1000)]


def made_samples(count: int) -> Iterator[Sample]:
    pool = texts()
    for i in range(count):
        text = f"{pool[i * 7 % 1000]}{i:024d}"
        yield Sample(f"b/{i % PROBLEMS:012x}", i // PROBLEMS, text, FinishReason.STOP, 250, -80.5, i)


def ours(folder: Path, count: int) -> int:
    store = RunStore(folder)
    with store.writing():
        with store.appending_samples("m") as writer:
            for sample in made_samples(count):
                writer.add(sample)
        store.compact()
        ids = [f"b/{p:012x}" for p in range(PROBLEMS)]
        judgements = (Verdict(Outcome.CORRECT, "matches", "42"), Verdict(Outcome.INCORRECT, "differs", "41"))
        with store.appending_verdicts("exact@1", "m") as verdicts:
            for sample in store.unverified("exact@1", "m", ids):
                verdicts.add(sample, judgements[sample.index % 2])
        store.set_current_labels({"exact": "exact@1"})
    return int(RunEvidence(store).tally("m").scored.sum())


def json_lines(folder: Path, count: int) -> int:
    folder.mkdir(parents=True)
    path = folder / "samples.jsonl"
    with path.open("w") as file:
        for s in made_samples(count):
            row = {"id": s.problem_id, "index": s.index, "text": s.text, "tokens": s.tokens, "logprob": s.logprob}
            file.write(json.dumps(row) + "\n")
    counts: dict[str, list[int]] = {}
    with path.open() as file:
        for line in file:
            row = json.loads(line)
            counts.setdefault(row["id"], [0, 0])[row["index"] % 2] += 1
    return sum(map(sum, counts.values()))


def measured(work: Callable[[Path, int], int], count: int) -> tuple[float, float]:
    """Seconds and peak GB of `work` on `count` samples, in a process of its own; making the samples counts for both."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (work, count))


def _measure(work: Callable[[Path, int], int], count: int) -> tuple[float, float]:
    folder = Path(tempfile.mkdtemp())
    start = time.perf_counter()
    assert work(folder / "run", count) == count
    seconds = time.perf_counter() - start
    shutil.rmtree(folder)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def tally_seconds() -> list[float]:
    """Seconds to tally ten million verdicts, read from disk each time."""
    folder = Path(tempfile.mkdtemp())
    store = RunStore(folder / "run")
    per_problem = VERDICTS // PROBLEMS
    parts, samples = store.verdicts("exact@1", "m"), store.samples("m")
    for block in range(10):
        ids = [f"b/{p:012x}" for p in range(block * PROBLEMS // 10, (block + 1) * PROBLEMS // 10)]
        count = len(ids) * per_problem
        frame = pl.DataFrame({"problem_id": pl.Series(ids).repeat_by(per_problem).explode()}).with_columns(
            index=pl.int_range(count, dtype=pl.Int32) % per_problem,
            outcome=pl.when(pl.int_range(count) % 3 == 0).then(pl.lit("correct")).otherwise(pl.lit("incorrect")),
            reason=pl.lit("matches"),
            answer=(pl.int_range(count) % 50).cast(pl.String),
            truncated=pl.int_range(count) % 20 == 0,
            sample=pl.lit(0),
            problem=pl.lit(None),
            text=pl.lit(""),
            finish_reason=pl.lit("stop"),
            tokens=pl.lit(1),
            logprob=pl.lit(0.0),
            seed=pl.lit(0),
            digest=pl.lit(0),
        )
        samples.append(frame.select(pl.col(name).cast(kind) for name, kind in schema.SAMPLES.columns.items()))
        parts.append(frame.select(pl.col(name).cast(kind) for name, kind in schema.VERDICTS.columns.items()))
    store.set_current_labels({"exact": "exact@1"})
    store.seal("exact@1", "m")  # as a pass does that has looked through them
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        assert int(RunEvidence(store).tally("m").scored.sum()) == VERDICTS
        seconds.append(time.perf_counter() - start)
    shutil.rmtree(folder)
    return seconds


def main() -> None:
    mine, peer = [], []
    for _ in range(ROUNDS):
        mine.append(measured(ours, SAMPLES))
        peer.append(measured(json_lines, SAMPLES // PEER_SHARE))
    rates = [SAMPLES / seconds for seconds, _ in mine]
    peer_rates = [SAMPLES / PEER_SHARE / seconds for seconds, _ in peer]
    memory = max(gigabytes for _, gigabytes in mine)
    tally = tally_seconds()
    rows = [
        ("run folder, samples/s", rates, ",.0f"),
        ("JSON lines, samples/s", peer_rates, ",.0f"),
        ("run folder, peak memory, GB", [gigabytes for _, gigabytes in mine], ".2f"),
        ("tally of 10,000,000 verdicts, s", tally, ".2f"),
    ]
    print(f"{'':34} {'median':>10} {'min':>10} {'max':>10}")
    for name, values, style in rows:
        print(f"{name:34}", *(f"{value:>10{style}}" for value in (statistics.median(values), min(values), max(values))))
    print(
        json.dumps(
            {
                "bench": "store",
                "samples_per_second": statistics.median(rates),
                "json_lines_per_second": statistics.median(peer_rates),
                "peak_gigabytes": memory,
                "tally_seconds": statistics.median(tally),
            }
        )
    )


if __name__ == "__main__":
    main()
