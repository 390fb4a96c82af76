"""Models that were asked differently are not compared without a word; what is exported comes back as it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from move37 import pipeline
from move37.counts import StoppedTally
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.exporters import EXPORTERS, export_run
from move37.imports import ImportRequest, import_logs
from move37.store import RunStore
from tests import log_files


def pair(folder: Path, **differently: Any) -> RunStore:
    """A run of two lm-eval logs, the second of them made differently."""
    paths = log_files.lm_eval(folder / "a", "org/base"), log_files.lm_eval(folder / "b", "org/rl", **differently)
    import_logs(ImportRequest(paths, base="base"), folder / "run")
    store = RunStore.open(folder / "run")
    pipeline.verify_run(store)
    return store


@pytest.mark.slow
@pytest.mark.parametrize(
    ("differently", "said"),
    [
        ({"temperature": 1.0}, "temperature is 0.6 for base and 1 for rl"),
        ({"few_shot": 4}, "number of few-shot examples is 0 for base and 4 for rl"),
        ({"n": 1}, "n is 2 for base and 1 for rl, on 2 of 2 problems"),
        ({"problems": 1}, "1 of 2 problems of base were not put to rl"),
    ],
    ids=["temperature", "few-shot", "n", "problems"],
)
def test_a_difference_is_named_and_refused_unless_there_is_a_reason(
    tmp_path: Path, differently: dict[str, Any], said: str
) -> None:
    store = pair(tmp_path, **differently)
    with pytest.raises(InputError) as caught:
        pipeline.analyse_run(store)
    assert said in str(caught.value)
    assert str(caught.value).endswith('--accept-differences "REASON"')
    pipeline.accept_differences(store, "a pilot")
    findings = pipeline.analyse_run(RunStore.open(store.folder))
    assert any(said in warning and warning.endswith("all the same: a pilot") for warning in findings.warnings)


def test_other_prompts_are_refused(tmp_path: Path) -> None:
    second = log_files.lm_eval(tmp_path / "b", "org/rl")
    second.write_text(second.read_text().replace("Solve:", "Answer:"))
    import_logs(ImportRequest((log_files.lm_eval(tmp_path / "a", "org/base"), second), base="base"), tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    pipeline.verify_run(store)
    with pytest.raises(InputError, match="the prompts of base and rl differ on 2 of 2 problems"):
        pipeline.report_run(store)


@pytest.mark.slow
def test_models_that_were_asked_the_same_are_compared(tmp_path: Path) -> None:
    findings = pipeline.analyse_run(pair(tmp_path))
    assert [curve.problems for curve in findings.curves] == [2, 2]
    assert not any("compared all the same" in warning for warning in findings.warnings)


@pytest.fixture
def run(tmp_path: Path) -> RunStore:
    """Two models, one call that failed, one sample of several turns."""
    rows = [json.loads(line) for line in log_files.verifiers(tmp_path / "a").read_text().splitlines()]
    rows[0] |= {"completion": [], "error": "gone"}
    rows[1]["completion"] = [
        {"role": "assistant", "content": "let me see"},
        {"role": "tool", "content": "9"},
        {"role": "assistant", "content": "\\boxed{9}"},
    ]
    log_files.lines(tmp_path / "a" / "results.jsonl", rows)
    path = tmp_path / "a" / "results.jsonl"
    import_logs(ImportRequest((path,), models=("base",)), tmp_path / "run")
    import_logs(ImportRequest((log_files.inspect_json(tmp_path / "b"),), models=("rl",)), tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    pipeline.verify_run(store)
    return store


def samples(store: RunStore, model: str) -> list[dict[str, Any]]:
    return store.samples(model).read().sort("problem_id", "index").to_dicts()


@pytest.mark.parametrize("name", ["samples", "hub"])
def test_samples_come_back_as_they_were(run: RunStore, tmp_path: Path, name: str) -> None:
    done = export_run(name, run, tmp_path / "out")
    assert all((tmp_path / "out" / file).is_file() for file in done.files)
    import_logs(ImportRequest((tmp_path / "out",)), tmp_path / "back")
    back = RunStore.open(tmp_path / "back")
    assert back.models() == run.models()
    for model in run.models():
        assert samples(back, model) == samples(run, model)
    assert {problem.id: problem for problem in back.problems()} == {problem.id: problem for problem in run.problems()}
    mine, theirs = ({p.problem_id: p.text for p in s.model_record("base").prompts} for s in (run, back))
    assert mine == theirs


def test_counts_come_back_as_they_were(run: RunStore, tmp_path: Path) -> None:
    export_run("counts", run, tmp_path / "out")
    evidence = RunEvidence(run)
    for model in run.models():
        request = ImportRequest((tmp_path / "out" / f"{model}.jsonl",), "counts", (model,), "sums")
        import_logs(request, tmp_path / "back")
        mine, theirs = evidence.tally(model), RunEvidence(RunStore.open(tmp_path / "back")).tally(model)
        assert mine.problem_ids == theirs.problem_ids
        for name in ("correct", "incorrect", "unscored", "truncated"):
            assert getattr(mine, name).tolist() == getattr(theirs, name).tolist()


def test_counts_that_were_stopped_early_keep_their_plan(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "c": 2, "n": 4, "stop_successes": 2, "n_max": 8, "batch": 4},
        {"id": "b", "c": 1, "n": 8, "stop_successes": 2, "n_max": 8, "batch": 4},
    ]
    import_logs(
        ImportRequest((log_files.lines(tmp_path / "c.jsonl", rows),), "counts", ("m",), "sums"), tmp_path / "run"
    )
    assert isinstance(RunEvidence(RunStore.open(tmp_path / "run")).tally("m"), StoppedTally)
    export_run("counts", RunStore.open(tmp_path / "run"), tmp_path / "out")
    written = [json.loads(line) for line in (tmp_path / "out" / "m.jsonl").read_text().splitlines()]
    assert written == rows


def test_lm_evals_form_is_read_by_its_importer(run: RunStore, tmp_path: Path) -> None:
    export_run("lm-eval", run, tmp_path / "out", ("rl",))
    done = import_logs(ImportRequest((tmp_path / "out",)), tmp_path / "back")
    assert [(log.format, log.model, log.benchmark) for log in done.logs] == [("lm-eval", "rl", "sums")]
    back = RunStore.open(tmp_path / "back")
    texts = [[(row["problem_id"], row["index"], row["text"]) for row in samples(store, "rl")] for store in (run, back)]
    assert texts[0] == texts[1]
    (results,) = (tmp_path / "out" / "rl").glob("results_*.json")
    assert json.loads(results.read_text())["results"]["sums"]["pass@1,none"] == 0.5
    assert json.loads(results.read_text())["results"]["sums"]["pass@2,none"] == 1.0


def test_every_eval_ever_gets_a_record_with_its_instances(run: RunStore, tmp_path: Path) -> None:
    done = export_run("every_eval_ever", run, tmp_path / "out", ("base",))
    again = export_run("every_eval_ever", run, tmp_path / "again", ("base",))
    assert done.files == again.files  # names come from content
    record = json.loads(next((tmp_path / "out").rglob("*[0-9a-f].json")).read_text())
    by_name = {each["evaluation_name"]: each["score_details"]["score"] for each in record["evaluation_results"]}
    # Of 1+1 one sample failed and one is right, of 2+1 one of two: pass@1 is (1 + .5) / 2.
    assert by_name == {"sums pass@1": 0.75}
    instances = [json.loads(line) for line in next((tmp_path / "out").rglob("*.jsonl")).read_text().splitlines()]
    assert len(instances) == record["detailed_evaluation_results"]["total_rows"] == 3  # the failed call has none
    assert {instance["evaluation_id"] for instance in instances} == {record["evaluation_id"]}
    assert [instance["evaluation"]["is_correct"] for instance in instances].count(True) == 2


@pytest.mark.parametrize("name", EXPORTERS.names)
def test_a_model_that_is_not_there_is_refused(run: RunStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no model 'nobody' with samples or counts"):
        export_run(name, run, tmp_path / "out", ("nobody",))


def test_models_loaded_in_other_precisions_and_ends_that_disagree_are_cautions(tmp_path: Path) -> None:
    from move37.config import parse_study
    from move37.fairness import loaded_apart
    from move37.store import ModelRecord, RunStore
    from move37.types import FinishReason, Message, Prompt, Sample

    study = parse_study(
        {
            "name": "x",
            "problems": {"benchmark": "gsm8k"},
            "models": {"base": {"path": "a"}, "rl": {"path": "b"}},
        }
    )
    store = RunStore(tmp_path)
    asked = Message.of("user", "1+1?")
    with store.writing():
        store.adopt(study)
        for name, dtype, ends, text in (
            ("base", "float32", "7 (generation_config, tokenizer), 9 (template)", "on monday: 1+1?"),
            ("rl", "bfloat16", "7 (generation_config), 9 (generation_config, tokenizer, template)", "on tuesday: 1+1?"),
        ):
            prompt = Prompt("p/1", text, (), "chat", (asked,), rendered=True)
            store.record_model(name, ModelRecord({"dtype": dtype, "ends_named_by": ends}, (prompt,)))
            with store.appending_samples(name) as writer:
                writer.add(Sample("p/1", 0, "2", FinishReason.STOP))
    ends, precision, prompts = loaded_apart(store)
    assert ends.startswith("base: its generation_config does not name all tokens that end a response, and 9 (template)")
    assert precision.startswith("base was sampled in float32 and rl in bfloat16: a difference between them may be")
    assert prompts.startswith(
        "the prompts of base and rl differ on 1 of 1 problems (first: p/1), as their chat templates"
    )
