"""Claim: on countdown each of the six algorithms, and distillation from the solver, raises pass@1 of the shipped base.

The recipes are studies/algorithms/*.toml. Those of the algorithms differ in the algorithm alone: the same base, the
same training problems in the same order for a seed, prompts and responses per step, steps, learning rate, one update
per batch, no KL and no entropy term; what a method brings itself (PPO's critic, ReMax's greedy response, DAPO's
refilled groups and length penalty) is as its card says. Distillation imitates a solver that answers with a shortest
right chain; it samples nothing, so its batch, rate and number of steps are its own. All are evaluated by the project's
pipeline on the same fresh puzzles of the evaluation half, stopped early, base measured once.

    python bench/learning.py --out runs/learning                              six and distillation, three seeds
    python bench/learning.py --out runs/learning --algorithms grpo --seeds 0  a part; what is there is not made again

The tables show all that is in the folder. About 70 processor minutes, most of it PPO, DAPO and distillation.

Columns: pass@k with the simultaneous 95 % band over problems, the paired difference to base at k = 1 with its band and
with its interval for k = 1 alone, entropy per token in the first and the last step, and the processor seconds of the
training (one thread; without the verifier's worker process). The second table is over training seeds: the mean
difference with the band for other seeds and other problems (`analyses/training_seeds.py`), and how many seeds raised
pass@1, in all and beyond the interval for k = 1. The third is of pairs of algorithms: their difference on the same
puzzles, run by run of one seed, in which the base cancels. Its brackets hold at every k and for all pairs together
(95 %, each pair's band at .95^(1/pairs)): first for these very runs on other puzzles, then for other seeds too, which
with three seeds says little (Student's quantile with 2 degrees of freedom). p: that the two do not differ at any k, the
smallest level at which the band leaves zero out somewhere, corrected over the pairs (Holm).
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from move37.analyses import Findings
from move37.analyses.curves import mean_interval, simulated_columns
from move37.analyses.targets import share
from move37.config import ProblemsConfig, StudyConfig, parse_study
from move37.countdown import Oracle, Puzzle, Split, choose
from move37.estimates.bands import simultaneous_band
from move37.estimates.conditional import holm
from move37.estimates.rows import k_limit, pass_at_k_rows
from move37.estimates.settings import BandSettings
from move37.estimates.two_level import two_level_band
from move37.evidence import RunEvidence
from move37.lab import checkpoint_folder
from move37.pipeline import analyse_run, sample_run, start_run, verify_run
from move37.problems import load_problems
from move37.seeds import sample_seed
from move37.store import RunStore
from move37.training.recipe import TrainConfig, load_recipe
from move37.training.records import Record, Silent
from move37.types import FloatArray

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "studies" / "algorithms"
ROWS = ("grpo", "rloo", "reinforce_pp", "remax", "ppo", "dapo", "distillation")
LESSONS = ROOT / "runs" / "countdown-shortest.jsonl"
"""Where the recipe of distillation looks for what the solver says; written if it is not there."""
PUZZLES_TAUGHT, CHAINS = 8000, 8
KS = (1, 8, 64, 256)
TOKENS = 48


class Meter(Silent):
    """Writes the processor seconds of every step beside the log, so that a run that was stopped keeps its sum."""

    def __init__(self, path: Path) -> None:
        self._path, self._start = path, time.process_time()

    def show(self, record: Record) -> None:
        now = time.process_time()
        if record["kind"] == "step":
            with self._path.open("a") as file:
                file.write(json.dumps({"step": record["step"], "processor_seconds": now - self._start}) + "\n")
        self._start = now


def write_shortest(path: Path) -> None:
    """What a solver says that looks no further than it must: for each puzzle of the training half, 8 of its shortest
    right chains, drawn with replacement.
    """
    options = {"split": Split.TRAINING.value}
    source = ProblemsConfig(benchmark="countdown:in-pretraining", size=PUZZLES_TAUGHT, options=options)
    rows = []
    for problem in load_problems([source]):
        chains = list(Oracle(Puzzle.of(problem.metadata)).chains())
        fewest = min(chain.count("=") for chain in chains)
        shortest = [chain for chain in chains if chain.count("=") == fewest]
        rng = Random(sample_seed(0, "oracle", problem.id, 0))
        rows += [{"question": problem.question, "response": choose(shortest, rng)} for _ in range(CHAINS)]
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def recipe_of(row: str, seed: int, steps: int | None) -> TrainConfig:
    """The recipe of a row with the seed's number, on one thread of the processor; `steps` instead of its own."""
    if row == "distillation" and not LESSONS.exists():
        write_shortest(LESSONS)
    recipe = load_recipe(RECIPES / f"{row}.toml")
    model = recipe.model.model_copy(update={"device": "cpu", "threads": 1})
    judges = recipe.verification.model_copy(update={"workers": 1})
    changes = {"name": f"{row}-{seed}", "seed": seed, "model": model, "verification": judges}
    changes |= {"steps": steps} if steps else {}
    return recipe.model_copy(update=changes)


def trained_model(folder: Path, steps: int) -> Path | None:
    """The model that a run ended with, or None while it is not there."""
    path = folder / "checkpoints" / f"step-{steps:06d}"
    return path if path.exists() else None


def train_rows(args: argparse.Namespace, seed: int) -> Iterator[str]:
    """Train what is missing for a seed, run by run; the names of the runs that are there."""
    from move37.training.loop import train

    for row in args.algorithms:
        recipe = recipe_of(row, seed, args.steps)
        folder = args.out / recipe.name
        if trained_model(folder, recipe.steps) is None:
            folder.mkdir(parents=True, exist_ok=True)
            train(recipe, folder, Meter(folder / "processor.jsonl"))
        yield recipe.name


def study_of(args: argparse.Namespace) -> StudyConfig:
    """Base and every model that is trained by now, on the same fresh puzzles."""
    options = {"batch_size": 256, "device": "cpu"}
    models: dict[str, Any] = {"base": {"path": str(checkpoint_folder("countdown-base")), "options": options}}
    for path in sorted(args.out.glob("*-[0-9]*/recipe.json")):
        recipe = json.loads(path.read_text())
        model = trained_model(path.parent, recipe["steps"])
        if model is not None:
            row = recipe["name"].rpartition("-")[0]
            models[recipe["name"]] = {"path": str(model.resolve()), "algorithm": row, "options": options}
    return parse_study(
        {
            "name": "learning",
            "problems": {"benchmark": "countdown", "size": args.puzzles},
            "sampling": {
                "n": max(KS),
                "stop": {"successes": args.successes, "batch": 16},
                "temperature": 1.0,
                "top_p": 1.0,
                "max_new_tokens": TOKENS,
                "template": "completion",
            },
            "models": models,
            "verification": {"workers": 1},
            "analysis": {"base": "base", "beyond": False},
        },
        "learning",
    )


def evaluate(args: argparse.Namespace) -> RunStore:
    """Sample and verify what is missing."""
    store = start_run(study_of(args), args.out / "study")
    sample_run(store)
    verify_run(store)
    return store


def processor_seconds(folder: Path) -> float:
    """Of every step once: a step that was made again after a stop counts as it was made last."""
    lines = [json.loads(line) for line in (folder / "processor.jsonl").read_text().splitlines()]
    return sum({line["step"]: line["processor_seconds"] for line in lines}.values())


def table(args: argparse.Namespace, store: RunStore, findings: Findings) -> list[dict[str, Any]]:
    """One record per model and one per algorithm."""
    records: list[dict[str, Any]] = []
    differences = {each.difference.rl: each.difference for each in findings.comparisons}
    alone = {name: gain_alone(store, name) for name in differences}
    for curve in findings.curves:
        bounds = (curve.pass_at_k, curve.lower, curve.upper)
        record: dict[str, Any] = {"model": curve.model, "samples": curve.samples}
        record |= {f"pass@{k}": [float(values[k - 1]) for values in bounds] for k in KS}
        if curve.model in differences:
            gap = differences[curve.model]
            record["gain@1"] = [float(gap.band.mean[0]), float(gap.band.lower[0]), float(gap.band.upper[0])]
            record |= {"gain@1 alone": alone[curve.model], "gain": ends(gap.gain), "loss": ends(gap.loss)}
            record |= trained_figures(args.out / curve.model)
        records.append(record)
    for each in findings.seeds:
        bounds = (each.band.mean, each.band.lower, each.band.upper)
        records.append(
            {
                "algorithm": each.algorithm,
                "runs": len(each.runs),
                "raised": sum(float(value) > 0 for value in each.by_seed[:, 0]),
                "beyond": sum(alone[run][0] > 0 for run in each.runs),
                **{f"difference@{k}": [float(values[k - 1]) for values in bounds] for k in KS},
            }
        )
    return records


def pairs(store: RunStore, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record per pair of algorithms that have two seeds or more in common: the first minus the second."""
    evidence, names = RunEvidence(store), [record["model"] for record in records if "model" in record]
    seeds = {row: {int(n.rpartition("-")[2]) for n in names if n.rpartition("-")[0] == row} for row in ROWS}
    both = [(a, b, sorted(seeds[a] & seeds[b])) for a, b in combinations(ROWS, 2) if len(seeds[a] & seeds[b]) > 1]
    found = []
    for first, second, common in both:
        sides = [[evidence.tally(f"{row}-{seed}") for seed in common] for row in (first, second)]
        k_max = min(k_limit(tally) for side in sides for tally in side)
        one, two = (np.stack([pass_at_k_rows(tally, k_max) for tally in side]) for side in sides)
        found.append({"pair": f"{first} - {second}", "runs": len(common), **_apart(one - two, len(both))})
    for of in ("these runs", "other seeds"):
        for record, p in zip(found, holm([record[of]["p"] for record in found]), strict=True):
            record[of]["p"] = p
    return found


def _apart(rows: FloatArray, pairs: int) -> dict[str, dict[str, Any]]:
    """A difference (seeds, puzzles, K) with its bands at the level that `pairs` of them hold together, and p alone."""
    at = simulated_columns(rows.shape[2])
    ways = {
        "these runs": partial(simultaneous_band, rows.mean(axis=0), simulate_at=at),
        "other seeds": partial(two_level_band, rows, simulate_at=at),
    }

    def ends_at(make: Callable[..., Any], confidence: float) -> list[FloatArray]:
        band = make(BandSettings(confidence, draws=20_000))
        return [band.mean, *(band.reported if hasattr(band, "reported") else (band.lower, band.upper))]

    def leaves_zero_out(make: Callable[..., Any], alpha: float) -> bool:
        _, lower, upper = ends_at(make, 1 - alpha)
        return bool((lower > 0).any() or (upper < 0).any())

    return {
        of: {
            **{
                f"difference@{k}": [float(each[k - 1]) for each in ends_at(make, share(0.95, pairs))]
                for k in KS
                if k <= rows.shape[2]
            },
            "p": _smallest(partial(leaves_zero_out, make)),
        }
        for of, make in ways.items()
    }


def _smallest(is_excluded: Callable[[float], bool]) -> float:
    """The smallest level that excludes, from .0005 on (20,000 draws); 1 if none does."""
    low, high = 0.0005, 0.999
    if not is_excluded(high):
        return 1.0
    if is_excluded(low):
        return low
    while high / low > 1.02:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if is_excluded(middle) else (middle, high)
    return high


def gain_alone(store: RunStore, name: str) -> list[float]:
    """The 95 % interval over problems of the paired difference to base at k = 1, for this k alone."""
    base, rl = (pass_at_k_rows(RunEvidence(store).tally(each), 1)[:, 0] for each in ("base", name))
    return list(mean_interval(rl - base, 0.95, (-1.0, 1.0)) or (-1.0, 1.0))


def ends(ks: Sequence[int]) -> list[int]:
    """The first and the last k of a claim."""
    return [ks[0], ks[-1]] if ks else []


def trained_figures(folder: Path) -> dict[str, Any]:
    """What the log says of a run: entropy at its ends, what it took, and what it cost."""
    steps = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    steps = [step for step in steps if step["kind"] == "step"]
    figures: dict[str, Any] = {"steps": len(steps), "processor_seconds": round(processor_seconds(folder), 1)}
    if "entropy" in steps[0]:
        figures |= {"entropy": [steps[0]["entropy"], steps[-1]["entropy"]]}
        figures |= {"responses": sum(step["responses"] for step in steps)}
    return figures | {"trained_tokens": sum(step.get("trained_tokens", 0) for step in steps)}


def show(records: Sequence[dict[str, Any]]) -> None:
    heads = " ".join(f"{f'pass@{k}':>16}" for k in KS)
    print(f"{'model':15} {heads} {'gain at k=1':>19} {'alone':>14} {'entropy':>10} {'CPU s':>6}")
    for record in records:
        if "model" in record:
            cells = " ".join(f"{interval(record[f'pass@{k}']):>16}" for k in KS)
            gain = interval(record["gain@1"], signed=True) if "gain@1" in record else ""
            alone = " ".join(digits(value, signed=True) for value in record.get("gain@1 alone", ()))
            entropy = " ".join(digits(value) for value in record.get("entropy", ()))
            cost = record.get("processor_seconds", "")
            print(f"{record['model']:15} {cells} {gain:>19} {alone:>14} {entropy:>10} {cost:>6}")
    heads = " ".join(f"{f'gain at k={k}':>19}" for k in KS)
    print(f"\n{'over seeds':15} {heads}  raised, beyond its interval")
    for record in records:
        if "algorithm" in record:
            cells = " ".join(f"{interval(record[f'difference@{k}'], signed=True):>19}" for k in KS)
            print(f"{record['algorithm']:15} {cells}  {record['raised']} of {record['runs']}, {record['beyond']}")
    for of in ("these runs", "other seeds"):
        print(f"\n{f'pair, {of}':30} {heads}  {'p':>5}")
        for record in (each[of] | {"pair": each["pair"]} for each in records if "pair" in each):
            cells = " ".join(f"{interval(record[f'difference@{k}'], signed=True):>19}" for k in KS)
            print(f"{record['pair']:30} {cells}  {record['p']:5.3f}")


def interval(values: Sequence[float], signed: bool = False) -> str:
    """mean [lower upper]."""
    mean, lower, upper = (digits(value, signed) for value in values)
    return f"{mean} [{lower} {upper}]"


def digits(value: float, signed: bool = False) -> str:
    """Three digits, no zero before the point."""
    return f"{value:{'+' if signed else ''}.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3g}"


def main() -> None:
    known = sorted(path.stem for path in RECIPES.glob("*.toml"))
    parser = argparse.ArgumentParser(description="Six algorithms and distillation on countdown, seed by seed.")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "learning")
    parser.add_argument("--algorithms", nargs="+", choices=known, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="Instead of the recipes' own; take another --out for it.")
    parser.add_argument("--puzzles", type=int, default=100, help="Puzzles of the evaluation.")
    parser.add_argument("--successes", type=int, default=4, help="Right samples that are enough; 0: always 256.")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for seed in args.seeds:
        for name in train_rows(args, seed):
            evaluate(args)
            print(f"{name}: there after {time.monotonic() - started:.0f} s", flush=True)
    store = evaluate(args)
    records = table(args, store, analyse_run(store))
    records += pairs(store, records)
    show(records)
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()}
    print(json.dumps({"settings": settings, "records": records}))


if __name__ == "__main__":
    main()
