"""every_eval_ever (github.com/evaleval/every_eval_ever, schema 0.2.1): one record per model and benchmark, with its
samples beside.

    data/<benchmark>/<developer>/<model>/<id>.json            pass@1 and pass@n, with intervals, settings and verifier
    data/<benchmark>/<developer>/<model>/<id>_samples.jsonl   one instance per sample

The id is made from the content, so the same run gives the same files. An instance must say correct or not: samples that
are unscored have no record there and are counted in the record's details.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

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

SCHEMA = "0.2.1"


class EveryEvalEverExporter:
    def write(self, store: RunStore, models: Sequence[str], out: Path) -> list[Path]:
        """Raises InputError for a model that was stopped early: the schema has no place for a plan."""
        evidence, files = RunEvidence(store), []
        problems = {problem.id: problem for problem in store.problems()}
        for model in models:
            tally = evidence.tally(model)
            if not isinstance(tally, Tally):
                raise InputError(f"{model}: was stopped early, which every_eval_ever cannot say: export counts")
            benchmarks = dict.fromkeys(_benchmark(problems.get(id)) for id in tally.problem_ids)
            for benchmark in benchmarks:
                of = np.array([_benchmark(problems.get(id)) == benchmark for id in tally.problem_ids])
                files += _write(_Record(store, model, benchmark, tally.select(of), problems), out)
        return files


class _Record:
    """A model on a benchmark."""

    def __init__(
        self, store: RunStore, model: str, benchmark: str, tally: Tally, problems: Mapping[str, Problem]
    ) -> None:
        self.store, self.model, self.benchmark, self.tally, self.problems = store, model, benchmark, tally, problems
        self.identity = store.model_record(model).identity
        path = store.study().models[model].path
        # A hub name has a developer; a folder or a log has none.
        developer, _, name = path.rpartition("/")
        is_hub = bool(developer) and "/" not in developer and not path.startswith((".", "/")) and ", " not in path
        self.developer, self.model_id = (developer, path) if is_hub else ("unknown", f"unknown/{model}")
        self.name = name if is_hub else model
        stamp = int((store.folder / "config.json").stat().st_mtime)
        self.timestamp = str(stamp)
        self.id = f"{benchmark}/{self.model_id.replace('/', '_')}/{stamp}"


def _benchmark(problem: Problem | None) -> str:
    return problem.benchmark.replace("/", "_") if problem is not None else "counts"


def _write(record: _Record, out: Path) -> Iterator[Path]:
    folder = out / "data" / record.benchmark / record.developer / record.name
    content = json.dumps([record.id, record.tally.problem_ids, record.tally.correct.tolist(), record.tally.n.tolist()])
    name = str(UUID(sha256(content.encode()).hexdigest()[:32], version=4))
    value = _aggregate(record)
    if record.store.samples(record.model).files():
        samples = write_rows(folder / f"{name}_samples.jsonl", _instances(record))
        data = samples.read_bytes()
        value["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": samples.name,
            "hash_algorithm": "sha256",
            "checksum": sha256(data).hexdigest(),
            "total_rows": data.count(b"\n"),
        }
        yield samples
    yield write_object(folder / f"{name}.json", value)


def _aggregate(record: _Record) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA,
        "evaluation_id": record.id,
        "retrieved_timestamp": record.timestamp,
        "source_metadata": {
            "source_name": "move37",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
            "additional_details": {"note": record.store.study().note or "none"},
        },
        "eval_library": {"name": "move37", "version": __version__},
        "model_info": {"name": record.name, "id": record.model_id, "developer": record.developer},
        "evaluation_results": list(_results(record)),
    }


def _results(record: _Record) -> Iterator[dict[str, Any]]:
    for k, value, error in curve_ends(record.tally):
        uncertainty: dict[str, Any] = {"num_samples": int(record.tally.n.sum())}
        if error is not None:
            uncertainty["standard_error"] = {"value": error, "method": "over problems"}
        yield {
            "evaluation_name": f"{record.benchmark} pass@{k}",
            "source_data": {"dataset_name": record.benchmark, "source_type": "other"},
            "metric_config": {
                "evaluation_description": f"pass@{k}, unbiased, mean over problems",
                "lower_is_better": False,
                "score_type": "continuous",
                "min_score": 0.0,
                "max_score": 1.0,
            },
            "score_details": {"score": value, "details": _details(record), "uncertainty": uncertainty},
            "generation_config": _generation(record),
        }


def _details(record: _Record) -> dict[str, str]:
    labels = ", ".join(sorted(set(record.store.current_labels().values()))) or "counts"
    n = record.tally.n
    return {
        "verifier": labels,
        "problems": str(record.tally.problems),
        "samples_per_problem": f"{n.min()} to {n.max()}",
        "unscored_samples": str(int(record.tally.unscored.sum())),
    }


def _generation(record: _Record) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for name, kind in (("temperature", float), ("top_p", float), ("top_k", float), ("max_tokens", int)):
        try:
            known[name] = kind(record.identity[name])
        except (KeyError, ValueError):
            continue
    details = {name: value for name, value in record.identity.items() if name not in known}
    return {"generation_args": known, "additional_details": details}


def _instances(record: _Record) -> Iterator[dict[str, Any]]:
    for row in sample_rows(record.store, record.model):
        if _benchmark(record.problems.get(row["problem_id"])) != record.benchmark or row["score"] is None:
            continue
        question, references = row.get("question", ""), row.get("answer", [])
        answer = row.get("extracted")
        tokens = row.get("tokens")
        attribution = {
            "turn_idx": 0,
            "source": "output.raw",
            "extracted_value": answer or "",
            "extraction_method": row["verifier"],
            "is_terminal": True,
        }
        yield {
            "schema_version": f"instance_level_eval_{SCHEMA}",
            "evaluation_id": record.id,
            "model_id": record.model_id,
            "evaluation_name": record.benchmark,
            "sample_id": row["problem_id"],
            "sample_hash": sha256((question + "".join(references)).encode("utf-8", "surrogatepass")).hexdigest(),
            "interaction_type": "single_turn",
            "input": {"raw": question, "formatted": row.get("prompt"), "reference": references},
            "output": {"raw": [row["response"]]},
            "messages": None,
            "answer_attribution": [] if answer is None else [attribution],
            "evaluation": {"score": float(row["score"]), "is_correct": row["score"] == 1},
            "metadata": {"index": str(row["index"]), "finish_reason": row["finish_reason"]}
            | ({} if tokens is None else {"output_tokens": str(tokens)}),
        }
