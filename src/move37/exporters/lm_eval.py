"""Results as lm-evaluation-harness writes them: <model>/results_<date>.json and samples_<task>_<date>.jsonl.

A document's samples are its repeats. pass@1 and pass@n stand where lm-eval has its metrics, with the standard error
over problems; whoever reads lm-eval's files reads these, `move37 import lm-eval` among them. What lm-eval has no place
for (finish reasons, token counts) is left out: export samples to keep it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from move37 import __version__
from move37.counts import Tally
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.exporters.curve_ends import curve_ends
from move37.exporters.samples import sample_rows
from move37.exporters.written import write_object, write_rows
from move37.store import RunStore
from move37.types import Problem


class LmEvalExporter:
    def write(self, store: RunStore, models: Sequence[str], out: Path) -> list[Path]:
        """Raises InputError for a model that was stopped early: its repeats are not of one number."""
        evidence, files = RunEvidence(store), []
        for model in models:
            tally = evidence.tally(model)
            if not isinstance(tally, Tally):
                raise InputError(f"{model}: was stopped early, and lm-eval knows no stopping plan: export counts")
            files += _write_model(store, model, tally, out / model)
        return files


def _write_model(store: RunStore, model: str, tally: Tally, out: Path) -> Iterator[Path]:
    date = datetime.fromtimestamp((store.folder / "config.json").stat().st_mtime, UTC).strftime("%Y-%m-%dT%H-%M-%S")
    problems = {problem.id: problem for problem in store.problems()}
    tasks = dict.fromkeys(_task(problems.get(id)) for id in tally.problem_ids)
    by_task = {task: [i for i, id in enumerate(tally.problem_ids) if _task(problems.get(id)) == task] for task in tasks}
    identity = dict(store.model_record(model).identity)
    results = {task: {"alias": task} | _metrics(tally.select(np.array(rows))) for task, rows in by_task.items()}
    value = {
        "results": results,
        "configs": {task: {"task": task, "output_type": "generate_until"} for task in tasks},
        "n-shot": {task: int(identity["few_shot"]) for task in tasks if identity.get("few_shot", "").isdecimal()},
        "n-samples": {task: {"original": len(rows), "effective": len(rows)} for task, rows in by_task.items()},
        "config": {"model": "move37", "model_args": {"pretrained": model}},
        "source": store.study().models[model].path,
        "model_name": model,
        "verifiers": dict(store.current_labels()),
        "move37_version": __version__,
        "date": date,
    }
    yield write_object(out / f"results_{date}.json", value)
    if store.samples(model).files():
        for task in tasks:
            yield write_rows(out / f"samples_{task}_{date}.jsonl", _documents(store, model, task, problems))


def _task(problem: Problem | None) -> str:
    return problem.benchmark.replace("/", "_") if problem is not None else "counts"


def _metrics(tally: Tally) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for k, value, error in curve_ends(tally):
        found |= {f"pass@{k},none": value, f"pass@{k}_stderr,none": "N/A" if error is None else error}
    return found


def _documents(store: RunStore, model: str, task: str, problems: Mapping[str, Problem]) -> Iterator[dict[str, Any]]:
    """One line per problem: all of its samples in the order of their indices."""
    texts: dict[str, list[tuple[int, str, Any]]] = {}
    prompts: dict[str, str] = {}
    for row in sample_rows(store, model):
        problem = problems.get(row["problem_id"])
        if _task(problem) == task:
            texts.setdefault(row["problem_id"], []).append((row["index"], row["response"], row["score"]))
            prompts.setdefault(row["problem_id"], row.get("prompt", ""))
    for number, (id, samples) in enumerate(texts.items()):
        problem = problems.get(id)
        in_order = sorted(samples, key=lambda sample: sample[0])
        scores = [score for _, _, score in in_order if score is not None]
        yield {
            "doc_id": number,
            "doc": {"id": id, "question": problem.question if problem else ""},
            "target": list(problem.references) if problem else [],
            "arguments": {"gen_args_0": {"arg_0": prompts[id], "arg_1": {}}},
            "resps": [[text for _, text, _ in in_order]],
            "filtered_resps": [[text for _, text, _ in in_order]],
            "filter": "none",
            "metrics": ["pass@1"] if scores else [],
            "doc_hash": id,
        } | ({"pass@1": sum(scores) / len(scores)} if scores else {})
