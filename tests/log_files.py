"""Small logs as the tools write them: two problems, 1+1 and 2+1, each with a wrong sample and then a right one.

Written after the tools' own writers; tests that have the real logs beside read those too.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl

QUESTIONS = ("What is 1+1?", "What is 2+1?")
GOLDS = ("2", "3")
TEXTS = (("It is \\boxed{9}.", "It is \\boxed{2}."), ("It is \\boxed{9}.", "It is \\boxed{3}."))
PROMPTS = tuple(f"Solve: {question}\n" for question in QUESTIONS)

Row = dict[str, Any]


def lines(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def whole(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def lm_eval(
    folder: Path,
    model: str = "org/tiny",
    task: str = "sums",
    n: int = 2,
    temperature: float = 0.6,
    few_shot: int = 0,
    texts: Any = TEXTS,
    problems: int = 2,
) -> Path:
    """Two filters, of which lm-eval scores the first repeat."""
    date = "2026-11-29T01-00-00.000001"
    options = {"until": ["\n\n"], "do_sample": True, "temperature": temperature, "max_gen_toks": 64}
    patterns = {"strict": r"\\boxed\{(\d+)\}", "loose": r"(\d+)"}
    rows = [
        {
            "doc_id": i,
            "doc": {"question": QUESTIONS[i], "answer": GOLDS[i]},
            "target": GOLDS[i],
            "arguments": {"gen_args_0": {"arg_0": PROMPTS[i], "arg_1": options}},
            "resps": [list(texts[i][:n])],
            "filtered_resps": ["9"],
            "filter": name,
            "metrics": ["exact_match"],
            "doc_hash": f"hash{i}",
            "exact_match": 0.0,
        }
        for name in patterns
        for i in range(problems)
    ]
    path = lines(folder / model.replace("/", "__") / f"samples_{task}_{date}.jsonl", rows)
    filters = [
        {"name": name, "filter": [{"function": "regex", "regex_pattern": pattern}, {"function": "take_first"}]}
        for name, pattern in patterns.items()
    ]
    config = {"metric_list": [{"metric": "exact_match", "ignore_case": True}], "filter_list": filters}
    results = {
        "results": {task: {"alias": task, "exact_match,strict": 0.0, "exact_match_stderr,strict": 0.0}},
        "configs": {task: config},
        "n-shot": {task: few_shot},
        "config": {"model": "hf", "model_args": f"pretrained={model},dtype=float32"},
    }
    whole(path.parent / f"results_{date}.json", results)
    return path


def inspect_sample(i: int, epoch: int, **more: Any) -> Row:
    text = TEXTS[i][epoch - 1]
    return {
        "id": i + 1,
        "epoch": epoch,
        "input": QUESTIONS[i],
        "target": GOLDS[i],
        "output": {
            "model": "mock/tiny",
            "choices": [{"message": {"role": "assistant", "content": text}, "stop_reason": "stop"}],
            "completion": text,
            "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12},
        },
        "scores": {"match": {"value": "C" if epoch == 2 else "I"}},
        "metadata": {"level": "easy"},
    } | more


def inspect_header(status: str = "success") -> Row:
    evaluation = {
        "task": "sums",
        "task_id": "abc",
        "created": "2026-11-29T01:00:00+00:00",
        "model": "mock/tiny",
        "dataset": {"name": "sums", "samples": 2, "sample_ids": [1, 2]},
        "config": {"epochs": 2},
    }
    plan = {"name": "plan", "steps": [], "config": {"temperature": 0.6, "max_tokens": 64}}
    metrics = {"accuracy": {"name": "accuracy", "value": 0.5}}
    results = {"scores": [{"name": "match", "scorer": "match", "reducer": "mean", "metrics": metrics}]}
    return {"version": 2, "status": status, "eval": evaluation, "plan": plan, "results": results, "stats": {}}


def inspect_json(folder: Path) -> Path:
    samples = [inspect_sample(i, epoch) for epoch in (1, 2) for i in (0, 1)]
    return whole(folder / "2026-11-29_sums_abc.json", inspect_header() | {"samples": samples})


def zstd_zipfile() -> Any:
    """The module `zipfile` that can write zstd; ModuleNotFoundError where none can."""
    if sys.version_info >= (3, 14):
        return import_module("zipfile")
    return import_module("backports.zstd.zipfile")


def inspect_eval(folder: Path, finished: bool = True, samples: list[Row] | None = None) -> Path:
    zipfile = zstd_zipfile()
    kept = samples or [inspect_sample(i, epoch) for epoch in (1, 2) for i in (0, 1)]
    path = folder / "2026-11-29_sums_abc.eval"
    path.parent.mkdir(parents=True, exist_ok=True)
    start = {name: inspect_header()[name] for name in ("version", "eval", "plan")}
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_ZSTANDARD) as archive:
        archive.writestr("_journal/start.json", json.dumps(start))
        for sample in kept:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        if finished:
            archive.writestr("header.json", json.dumps(inspect_header()))
    return path


def lighteval(folder: Path, names: tuple[str, str, str] = ("doc", "model_response", "metric")) -> Path:
    rows = [
        {
            names[0]: {
                "query": PROMPTS[i],
                "choices": [GOLDS[i]],
                "gold_index": 0,
                "id": str(i),
                "task_name": "sums|0",
                "num_samples": 2,
            },
            names[1]: {"input": PROMPTS[i], "text": list(TEXTS[i]), "output_tokens": [[1, 2], [1, 2, 3]]},
            names[2]: {"pass@k:k=1&n=2": 0.5},
        }
        for i in (0, 1)
    ]
    date = "2026-11-29T01-00-00.000001"
    path = folder / "details" / "tiny" / date / f"details_sums|0_{date}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(path)
    config = {"model_name": "org/tiny", "generation_parameters": {"temperature": 0.6}}
    results = {"config_general": {"model_config": config}, "results": {"sums|0": {"pass@k:k=1&n=2": 0.5}}}
    whole(folder / "results" / "tiny" / f"results_{date}.json", results)
    return path


def old_lighteval(folder: Path) -> Path:
    """Columns of versions up to 0.9."""
    rows = [
        {"example": QUESTIONS[i], "full_prompt": PROMPTS[i], "predictions": list(TEXTS[i]), "gold": [GOLDS[i]]}
        for i in (0, 1)
    ]
    path = folder / "details_lighteval|sums|0_2025-01-01T00-00-00.000001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(path)
    return path


def nemo_skills(folder: Path) -> Path:
    """Two seeds, the second in another order of lines."""
    for seed in (0, 1):
        rows = [
            {
                "problem": QUESTIONS[i],
                "expected_answer": GOLDS[i],
                "generation": TEXTS[i][seed],
                "symbolic_correct": seed == 1,
                "num_generated_tokens": 7,
                "finish_reason": "stop",
            }
            for i in ((0, 1) if seed == 0 else (1, 0))
        ]
        lines(folder / "eval-results" / "sums" / f"output-rs{seed}.jsonl", rows)
    return folder


def verifiers(folder: Path) -> Path:
    rows = [
        {
            "example_id": i,
            "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTIONS[i]}],
            "completion": [{"role": "assistant", "content": TEXTS[i][j]}],
            "answer": GOLDS[i],
            "reward": float(j),
        }
        for j in (0, 1)
        for i in (0, 1)
    ]
    whole(folder / "metadata.json", {"env": "sums", "model": "org/tiny", "sampling_args": {"temperature": 0.6}})
    return lines(folder / "results.jsonl", rows)


def verifiers_trace(i: int, j: int, **more: Any) -> Row:
    return {
        "version": 1,
        "task": {"type": "Sums", "data": {"question": QUESTIONS[i], "answer": GOLDS[i]}, "key": f"task{i}"},
        "agent": {"config": {"model": "org/tiny", "sampling": {"temperature": 0.6}}, "trainable": True},
        "nodes": [
            {"parent": None, "message": {"role": "user", "content": PROMPTS[i]}, "sampled": False},
            {"parent": 0, "message": {"role": "assistant", "content": TEXTS[i][j]}, "sampled": True},
        ],
        "calls": [{"node": 1, "finish_reason": "stop", "usage": {"completion_tokens": 7}}],
        "rewards": {"right": {"score": float(j), "weight": 1.0}},
        "ok": True,
        "stop_condition": "agent_completed",
    } | more


def verifiers_traces(folder: Path) -> Path:
    rows = [{"env": {"id": "sums"}, "traces": [verifiers_trace(i, j)]} for j in (0, 1) for i in (0, 1)]
    return lines(folder / "traces.jsonl", rows)


def opencompass(folder: Path) -> Path:
    """The second repeat stands behind the whole data set."""
    order = [(i, j) for j in (0, 1) for i in (0, 1)]
    predictions = {
        str(place): {
            "origin_prompt": [{"role": "HUMAN", "prompt": QUESTIONS[i]}],
            "prediction": TEXTS[i][j],
            "gold": GOLDS[i],
        }
        for place, (i, j) in enumerate(order)
    }
    details = {str(place): {"correct": j == 1} for place, (_, j) in enumerate(order)}
    whole(folder / "results" / "tiny" / "sums.json", {"accuracy": 50.0, "details": details})
    return whole(folder / "predictions" / "tiny" / "sums.json", predictions)


def verl(folder: Path, step: int = 0) -> Path:
    rows = [
        {
            "input": f"user\n{QUESTIONS[i]}\nassistant\n",
            "output": TEXTS[i][j],
            "gts": GOLDS[i],
            "score": float(j),
            "step": step,
            "data_source": "mine/sums",
        }
        for i in (0, 1)
        for j in (0, 1)
    ]
    return lines(folder / f"{step}.jsonl", rows)


def trl(folder: Path) -> Path:
    rows = [
        {
            "step": 10,
            "prompt": [{"role": "user", "content": QUESTIONS[i]}],
            "completion": [{"role": "assistant", "content": TEXTS[i][j]}],
            "reward_right": float(j),
            "answer": GOLDS[i],
            "advantage": 0.5 - j,
        }
        for i in (0, 1)
        for j in (0, 1)
    ]
    path = folder / "completions" / "completions_00010.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(path)
    return path


def monkeys(folder: Path) -> Path:
    for i in (0, 1):
        path = folder / "sums_tiny" / f"{i}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        value = {
            "prompt": PROMPTS[i],
            "question": QUESTIONS[i],
            "samples": list(TEXTS[i]),
            "gt_answer": f"work\n#### {GOLDS[i]}",
            "is_corrects": [False, True],
        }
        path.write_text("".join(f"{name}: {json.dumps(each)}\n" for name, each in value.items()))
    return folder / "sums_tiny"


LOGS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "lm-eval": ("lm-eval", lm_eval),
    "inspect json": ("inspect", inspect_json),
    "lighteval": ("lighteval", lighteval),
    "lighteval of its documentation": (
        "lighteval",
        lambda folder: lighteval(folder, ("__doc__", "__model_response__", "__metric__")),
    ),
    "lighteval up to 0.9": ("lighteval", old_lighteval),
    "nemo-skills": ("nemo-skills", nemo_skills),
    "verifiers results": ("verifiers", verifiers),
    "verifiers traces": ("verifiers", verifiers_traces),
    "opencompass": ("opencompass", opencompass),
    "verl": ("verl", verl),
    "trl": ("trl", trl),
    "large-language-monkeys": ("large-language-monkeys", monkeys),
}
"""By what it is: the format, and how it is written."""
