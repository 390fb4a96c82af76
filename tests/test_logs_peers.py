"""Logs that OpenCompass, the BigCode harness and NeMo-Skills wrote themselves (`scripts/peers opencompass bigcode
nemo-skills`), with the scores that they found; and the shapes of them that such a small run does not make."""

import json
from pathlib import Path

import pytest

from move37 import pipeline
from move37.errors import InputError
from move37.importers import IMPORTERS
from move37.importers.joining import Gathered, gather
from move37.importers.logs import Reading
from move37.importers.recognition import recognise
from move37.imports import ImportRequest, import_logs
from move37.store import RunStore
from move37.types import FinishReason, Outcome
from tests import log_files
from tests.log_files import LOGS, QUESTIONS
from tests.peer_environments import run_in

PROMPT = [{"role": "HUMAN", "prompt": QUESTIONS[0]}]


def read(path: Path) -> Gathered:
    ((name, files),) = recognise([path]).files.items()
    (log,) = IMPORTERS.load(name)().logs(files, Reading())
    return gather(log, "m", log.task or "sums")


def prediction(question: str, text: object, gold: str = "2") -> log_files.Row:
    return {"origin_prompt": [{"role": "HUMAN", "prompt": question}], "prediction": text, "gold": gold}


def human_eval(i: int) -> log_files.Row:
    asked = {"task_id": f"HumanEval/{i}", "prompt": f"def f{i}(x):\n", "entry_point": f"f{i}"}
    return asked | {"canonical_solution": "    return x", "test": "def check(candidate): pass"}


class TestOpenCompass:
    @pytest.mark.peer
    @pytest.mark.slow
    def test_its_own_run_has_the_accuracy_that_it_found(self, tmp_path: Path) -> None:
        found = run_in("opencompass", "opencompass_run.py", str(tmp_path), HF_HUB_OFFLINE="1")
        log = read(tmp_path / "predictions")
        right = [outcome is Outcome.CORRECT for outcome in log.reported["correct"].values()]
        assert found["accuracy (3 runs average)"] == 100 * sum(right) / len(right) == 50.0
        by_problem = [[log.reported["correct"][problem.id, j] for j in range(3)] for problem in log.problems]
        assert [[outcome is Outcome.CORRECT for outcome in each] for each in by_problem] == [
            detail["correct"] for detail in found["details"]
        ]

    @pytest.mark.parametrize(
        ("predictions", "details"),
        [
            ({"0": "a", "1": "b", "2": "c", "3": "d"}, [{"correct": [True, False]}, {"correct": [False, True]}]),
            ({"0": ["a", "c"], "1": ["b", "d"]}, [{"correct": [True, False]}, {"is_correct": [False, True]}]),
            (
                {"0": "a", "1": "b", "2": "c", "3": "d"},
                {
                    "type": "GEN",
                    **{str(i): {"correct": verdict} for i, verdict in enumerate((True, False, False, True))},
                },
            ),
        ],
        ids=["repeats behind", "a list each", "one each"],
    )
    def test_verdicts_belong_to_their_predictions(
        self, tmp_path: Path, predictions: dict[str, object], details: object
    ) -> None:
        rows = {key: prediction(QUESTIONS[int(key) % 2], text) for key, text in predictions.items()}
        log_files.whole(tmp_path / "predictions" / "tiny" / "sums.json", rows)
        log_files.whole(tmp_path / "results" / "tiny" / "sums.json", {"accuracy": 50.0, "details": details})
        log = read(tmp_path / "predictions")
        texts = {(sample.problem_id, sample.index): sample.text for sample in log.samples}
        assert {texts[key] for key, said in log.reported["correct"].items() if said is Outcome.CORRECT} == {"a", "d"}
        assert len(log.reported["correct"]) == 4

    def test_an_unfinished_run_is_read_and_said_and_a_finished_one_takes_its_place(self, tmp_path: Path) -> None:
        folder = tmp_path / "predictions" / "tiny"
        rows = [{"idx": i, **prediction(QUESTIONS[i], "x")} for i in (0, 1)]
        log_files.lines(folder / "tmp_sums.jsonl", rows[:1])
        log = read(tmp_path)
        assert len(log.samples) == 1
        assert log.notices == ("tmp_sums.jsonl: the run was not finished; what it had is read",)
        log_files.whole(folder / "sums.json", {str(row.pop("idx")): row for row in rows})
        assert len(read(tmp_path).samples) == 2


class TestBigcode:
    @pytest.mark.peer
    @pytest.mark.slow
    def test_its_own_run_has_its_pass_at_1_and_2_by_our_verifier(self, tmp_path: Path) -> None:
        printed = run_in("bigcode", "bigcode_run.py", str(tmp_path), HF_HUB_OFFLINE="1")
        done = import_logs(ImportRequest((tmp_path,), problems=tmp_path / "HumanEval.jsonl"), tmp_path / "run")
        assert [(log.model, log.benchmark, log.samples) for log in done.logs] == [("tiny", "humaneval", 12)]
        store = RunStore.open(tmp_path / "run")
        pipeline.verify_run(store)
        (curve,) = pipeline.analyse_run(store).curves
        assert curve.pass_at_k[:2] == pytest.approx([printed["pass@1"], printed["pass@2"]], abs=1e-9)
        assert printed["pass@1"] == pytest.approx(7 / 12)
        known = store.model_record("tiny").identity
        assert (known["temperature"], known["reported pass@1"]) == ("0.2", "0.5833")

    def test_problems_are_told_by_the_prompt_and_not_by_the_place(self, tmp_path: Path) -> None:
        rows = [human_eval(i) for i in range(3)]
        problems = log_files.lines(tmp_path / "HumanEval.jsonl", rows)
        programs = [[f"def f{i}(x):\n    return {j}" for j in range(2)] for i in (2, 0)]
        path = log_files.whole(tmp_path / "logs" / "mine_humaneval.json", [*programs, []])
        import_logs(ImportRequest((path,), models=("m",), problems=problems), tmp_path / "run")
        store = RunStore.open(tmp_path / "run")
        asked, found = {problem.id: problem.question for problem in store.problems()}, store.samples("m")
        rows = found.collect(found.scan(["problem_id", "text"])).rows()
        assert {(asked[id].split("(")[0], text.split("(")[0]) for id, text in rows} == {
            ("def f2",) * 2,
            ("def f0",) * 2,
        }

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            ([["def f9(x): pass"]], "problem ids have samples but no question in the file"),
            ([["def f0(x): pass", {}]], "list 1: the response is not a text but {}"),
            ([["def f0(x): pass"], {"a": 1}], "list 2: expected a list of programs for each problem"),
        ],
    )
    def test_what_is_odd_is_one_line(self, tmp_path: Path, content: object, line: str) -> None:
        problems = log_files.lines(tmp_path / "HumanEval.jsonl", [human_eval(0)])
        path = tmp_path / "generations_humaneval.json"
        path.write_text(json.dumps(content))
        with pytest.raises(InputError) as caught:
            import_logs(ImportRequest((path,), models=("m",), problems=problems), tmp_path / "run")
        assert line in str(caught.value)
        assert "\n" not in str(caught.value)


class TestNemoSkills:
    @pytest.mark.peer
    @pytest.mark.slow
    def test_its_own_run_has_the_pass_at_1_and_2_that_its_metrics_found(self, tmp_path: Path) -> None:
        found = run_in("nemo-skills", "nemo_skills_run.py", str(tmp_path))["_all_"]
        log = read(tmp_path / "eval-results")
        right = [
            [log.reported["symbolic_correct"][problem.id, j] is Outcome.CORRECT for j in range(2)]
            for problem in log.problems
        ]
        assert right == [[True, True], [False, True], [False, False]]
        assert found["pass@1[avg-of-2]"]["symbolic_correct"] == pytest.approx(100 * 3 / 6)
        assert found["pass@2"]["symbolic_correct"] == pytest.approx(100 * 2 / 3)
        (cut,) = [sample for sample in log.samples if sample.finish_reason is FinishReason.LENGTH]
        assert cut.text == "<think>it is \\boxed{2}, or"  # its `generation` is empty

    def test_the_whole_response_counts_and_an_unfinished_run_is_said(self, tmp_path: Path) -> None:
        row = {"problem": QUESTIONS[0], "expected_answer": "2", "generation": "", "_full_generation": "<think>so 2"}
        path = log_files.lines(tmp_path / "output-rs0.jsonl-async", [row])
        log = read(tmp_path)
        assert log.samples[0].text == "<think>so 2"
        assert log.notices == ("output-rs0.jsonl-async: the run was not finished; what it had is read",)
        log_files.lines(path.with_name("output-rs0.jsonl"), [row, row | {"problem": QUESTIONS[1]}])
        assert len(read(tmp_path).samples) == 2


class TestFiles:
    def test_zstd_reads_like_gzip_and_damage_is_one_line(self, tmp_path: Path) -> None:
        zstd = pytest.importorskip("backports.zstd")
        path = log_files.verl(tmp_path / "a")
        plain = read(path)
        kept = path.read_bytes()
        zipped = path.with_name("0.jsonl.zst")
        path.unlink()
        zipped.write_bytes(zstd.compress(kept))
        assert read(zipped) == plain
        zipped.write_bytes(zstd.compress(kept)[:-9])
        assert refusal(zipped) == f"{zipped}: the compressed file is cut short; copy it again"
        zipped.write_bytes(zstd.compress(kept)[:10] + b"\xff" * 80)
        assert refusal(zipped).startswith(f"{zipped}: the compressed file is ")
        zipped.write_bytes(kept)
        assert refusal(zipped) == f"{zipped}: cannot be read (not a file of zstd)"

    @pytest.mark.parametrize("name", ["x.yaml", "x.json", "x.csv"])
    def test_a_file_that_cannot_be_read_beside_a_log_is_not_passed_over(self, tmp_path: Path, name: str) -> None:
        log_files.verl(tmp_path)
        (tmp_path / name).write_bytes("samples".encode("utf-16"))
        with pytest.raises(InputError, match="not UTF-8 text"):
            recognise([tmp_path])

    @pytest.mark.parametrize(("what", "field"), [("lm-eval", "exact_match"), ("verifiers results", "reward")])
    def test_a_score_as_text_is_read_or_said(self, tmp_path: Path, what: str, field: str) -> None:
        name, write = LOGS[what]
        write(tmp_path)
        (path,) = recognise([tmp_path]).files[name]
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        log_files.lines(path, [row | {field: "1.0"} for row in rows])
        assert {*next(iter(read(tmp_path).reported.values())).values()} == {Outcome.CORRECT}
        log_files.lines(path, [row | {field: "perhaps"} for row in rows])
        assert any("'perhaps' of the score" in notice for notice in read(tmp_path).notices)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value)
