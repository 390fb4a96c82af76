"""Every importer keeps the registry's contract; each format reads as its tool wrote it; bad files are named.

The contract: problems have content ids, sample keys are unique and run from 0, reported scores belong to samples,
and nothing depends on the order of rows or files.
"""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from move37.config import ProblemsConfig
from move37.counts import Tally
from move37.errors import InputError
from move37.identity import content_id
from move37.importers import IMPORTERS
from move37.importers.counts import _plain_counts, load_counts
from move37.importers.joining import Gathered, gather
from move37.importers.logs import Reading
from move37.problems import load_problems
from move37.types import FinishReason, Outcome

pytestmark = pytest.mark.usefixtures("kept_workers")

SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample files are not beside the project")

Row = dict[str, Any]
ROWS = ("paper", "jsonl", "counts")
"""Formats of rows that people write themselves; tests/test_logs.py has those of the tools."""
NAME = "test_qwen-boxed_-1_seed{seed}_t0.6_s{start}_e{end}.jsonl"


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def load(importer: str, path: Path, benchmark: str = "math500", **reading: Any) -> Gathered:
    (log,) = IMPORTERS.load(importer)().logs([path], Reading(benchmark, **reading))
    return gather(log, "base", benchmark)


def refusal(action: Callable[[], object]) -> str:
    """The message with which `action` is refused."""
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def paper_row(idx: int, texts: list[str], **more: Any) -> Row:
    return {"idx": idx, "question": f"What is {idx}+1?", "gt": str(idx + 1), "code": texts} | more


def small_file(importer: str, path: Path) -> Path:
    """Two problems with two samples each, the second of each right, in the importer's own format."""
    rows = {
        "paper": [paper_row(i, ["0", str(i + 1)], score=[False, True]) for i in (1, 2)],
        "jsonl": [
            {"question": f"What is {i}+1?", "answer": i + 1, "response": text, "score": right}
            for i in (1, 2)
            for text, right in (("0", 0), (str(i + 1), 1))
        ],
        "counts": [{"id": f"p{i}", "c": 1, "n": 2} for i in (1, 2)],
    }
    return write(path, rows[importer])


class TestContract:
    @pytest.mark.parametrize("name", ROWS)
    def test_an_importer_gives_samples_of_its_problems_or_counts(self, name: str, tmp_path: Path) -> None:
        imported = load(name, small_file(name, tmp_path / "samples.jsonl"))
        if imported.counts is not None:
            assert not imported.samples
            assert imported.counts.model == "base"
            assert isinstance(imported.counts, Tally)
            assert imported.counts.n.tolist() == [2, 2]
        else:
            keys = [(sample.problem_id, sample.index) for sample in imported.samples]
            ids = [content_id("math500", f"What is {i}+1?") for i in (1, 2)]
            assert [problem.id for problem in imported.problems] == ids
            assert sorted(keys) == sorted((problem, index) for problem in ids for index in (0, 1))
            right = {True: Outcome.CORRECT, False: Outcome.INCORRECT}
            assert imported.reported == {"score": {key: right[key[1] == 1] for key in keys}}
            assert [p.references for p in imported.problems] == [("2",), ("3",)]

    @pytest.mark.parametrize("name", ROWS)
    def test_an_empty_a_torn_and_a_missing_file_are_named(self, name: str, tmp_path: Path) -> None:
        path = small_file(name, tmp_path / "samples.jsonl")
        whole = path.read_bytes()
        lines = whole.count(b"\n")
        path.write_bytes(whole[:-9])
        assert refusal(lambda: load(name, path)).startswith(f"{path}:{lines}: not valid JSON (")
        assert refusal(lambda: load(name, path)).endswith("; the file ends inside this line, it was cut short")
        path.write_bytes(b"")
        assert refusal(lambda: load(name, path)) == f"{path}: empty, it holds no rows"
        path.unlink()
        assert refusal(lambda: load(name, path)) == f"{path}: no such file"

    @pytest.mark.parametrize("name", ["jsonl", "paper"])
    def test_two_models_imported_from_two_formats_land_on_the_same_problems(self, name: str, tmp_path: Path) -> None:
        other = "paper" if name == "jsonl" else "jsonl"
        base = load(name, small_file(name, tmp_path / "base.jsonl"))
        rl = load(other, small_file(other, tmp_path / "rl.jsonl"))
        assert [p.id for p in base.problems] == [p.id for p in rl.problems]


# Values that a field may have in a file that something else wrote, or half wrote.
_VALUES = (None, True, -1, 0, 1, 2, 1.5, 10**12, float("nan"), float("inf"), "", "1", "a\nb", [], ["a"], ["a", 1], {})
_FIELDS = ("idx", "id", "question", "gt", "answer", "code", "response", "score", "index", "finish_reason", "c", "n")


class TestAnyRows:
    @pytest.mark.parametrize("name", ROWS)
    # A machine at work on other tests draws slowly, and files are written for every example.
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.dictionaries(st.sampled_from(_FIELDS), st.sampled_from(_VALUES)), min_size=1, max_size=4))
    def test_any_rows_are_read_or_refused_with_one_line(
        self, tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[Row]
    ) -> None:
        path = write(tmp_path_factory.getbasetemp() / f"any-{name}.jsonl", rows)
        line = ""
        try:
            load(name, path)
        except InputError as error:
            line = str(error)
        assert "\n" not in line


class TestPaper:
    def folder(self, tmp_path: Path, files: dict[str, list[Row]]) -> Path:
        for name, rows in files.items():
            write(tmp_path / name, rows)
        return tmp_path

    def seed_file(self, seed: int, start: int = 0, end: int = -1) -> str:
        return NAME.format(seed=seed, start=start, end=end)

    def test_seeds_are_pooled_by_idx_and_never_by_line(self, tmp_path: Path) -> None:
        one = [paper_row(i, [f"seed 1, problem {i}"]) for i in (1, 2, 3)]
        ten = [paper_row(i, [f"seed 10, problem {i}", "more"]) for i in (3, 1, 2)]
        folder = self.folder(tmp_path, {self.seed_file(10): ten, self.seed_file(1): one})
        imported = load("paper", folder)
        texts = {(s.problem_id, s.index): s.text for s in imported.samples}
        # Seed 1 has one response per problem, so seed 10's are samples 1 and 2.
        for i, problem in enumerate(imported.problems, start=1):
            assert problem.question == f"What is {i}+1?"
            assert [texts[problem.id, k] for k in range(3)] == [f"seed 1, problem {i}", f"seed 10, problem {i}", "more"]

    def test_settings_are_read_off_the_file_names(self, tmp_path: Path) -> None:
        rows = [paper_row(1, ["2"])]
        folder = self.folder(tmp_path, {self.seed_file(0): rows, self.seed_file(7): [paper_row(1, ["3"])]})
        assert load("paper", folder).settings == {
            "split": "test",
            "template": "qwen-boxed",
            "num": "-1",
            "temperature": "0.6",
            "seeds": "0, 7",
            "files": f"{self.seed_file(0)}, {self.seed_file(7)}",
        }

    def test_shards_of_one_seed_are_joined(self, tmp_path: Path) -> None:
        first, second = [paper_row(i, ["a"]) for i in (0, 1)], [paper_row(i, ["b"]) for i in (2, 11)]
        folder = self.folder(tmp_path, {self.seed_file(0, 0, 2): first, self.seed_file(0, 2, 12): second})
        imported = load("paper", folder)
        # In the order of the numbers: 2 before 11.
        assert [p.question for p in imported.problems] == [f"What is {i}+1?" for i in (0, 1, 2, 11)]
        assert [s.text for s in imported.samples] == ["a", "a", "b", "b"]
        assert {s.index for s in imported.samples} == {0}

    def test_files_with_names_of_their_own_are_pooled_too(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path, {"b.jsonl": [paper_row(1, ["b"])], "a.jsonl": [paper_row(1, ["a"])]})
        imported = load("paper", folder)
        assert [(s.index, s.text) for s in imported.samples] == [(0, "a"), (1, "b")]
        assert imported.settings == {"files": "a.jsonl, b.jsonl"}

    @pytest.mark.slow
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.randoms(use_true_random=False))
    def test_the_order_of_rows_changes_nothing(
        self, tmp_path_factory: pytest.TempPathFactory, rng: random.Random
    ) -> None:
        rows = [paper_row(i, [f"{i}a", f"{i}b"], score=[True, False], level=f"Level {i}") for i in range(5)]
        path = tmp_path_factory.getbasetemp() / "shuffled.jsonl"
        in_order = load("paper", write(path, rows))
        rng.shuffle(rows)
        again = load("paper", write(path, rows))
        assert set(again.samples) == set(in_order.samples)
        assert {p.id: p for p in again.problems} == {p.id: p for p in in_order.problems}
        assert again.reported == in_order.reported
        assert [p.tags["level"] for p in in_order.problems] == ["0", "1", "2", "3", "4"]

    def test_a_run_folder_is_searched_for_the_benchmark(self, tmp_path: Path) -> None:
        step = "eval_results/global_step_100"
        files = {
            f"{step}/minerva_math/{self.seed_file(0)}": [paper_row(1, ["2"])],
            f"{step}/math500/{self.seed_file(0)}": [paper_row(2, ["3"]), paper_row(3, ["4"])],
        }
        folder = self.folder(tmp_path, files)
        assert len(load("paper", folder, "minerva").samples) == 1
        assert len(load("paper", folder, "math500").samples) == 2
        assert refusal(lambda: load("paper", folder, "gsm8k")) == (
            f"{folder}: files in 2 folders ({step}/math500, {step}/minerva_math); "
            "give the one folder that holds this model's samples on this benchmark"
        )

    def test_the_sets_own_answer_is_the_gold_and_gt_stands_in_for_it(self, tmp_path: Path) -> None:
        rows = [
            # A maths parser reads the mangled gt as 4.
            paper_row(0, ["a"], gt="4:30p..", answer="\\text{4:30 p.m.}"),
            # GSM8K's answer is the whole solution.
            paper_row(1, ["a"], gt="18", answer="She sells 9 for $2.\n#### 18"),
            # AMC's is a float, as its data set has it.
            paper_row(2, ["a"], gt="27", answer=27.0),
            paper_row(3, ["a"], gt=4.0),
        ]
        problems = load("paper", write(tmp_path / "run.jsonl", rows)).problems
        assert [p.references for p in problems] == [("\\text{4:30 p.m.}",), ("18",), ("27",), ("4",)]

    def test_finish_reasons_and_missing_scores_are_kept(self, tmp_path: Path) -> None:
        row = paper_row(1, ["a", "", "c"], score=[True, None, False], finish_reason=["stop", "length", None])
        imported = load("paper", write(tmp_path / "run.jsonl", [row]))
        assert [s.finish_reason for s in imported.samples] == [
            FinishReason.STOP,
            FinishReason.LENGTH,
            FinishReason.UNKNOWN,
        ]
        problem = imported.problems[0].id
        assert imported.reported == {"score": {(problem, 0): Outcome.CORRECT, (problem, 2): Outcome.INCORRECT}}

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"idx": ...}, "no 'idx' (fields here: question, gt, code)"),
            ({"idx": 0}, "idx 0 stands already at {path}:1"),
            ({"idx": 1.5}, "'idx': expected a text or a whole number, found 1.5"),
            ({"code": ...}, "no 'code' (fields here: idx, question, gt)"),
            ({"code": "a"}, "'code': expected a list of responses, each a text"),
            ({"code": []}, "'code': expected a list of responses, each a text"),
            ({"code": ["a", 1]}, "'code': expected a list of responses, each a text"),
            ({"code": ["a"]}, "1 responses where the rows before have 2; the file is not whole"),
            ({"question": ...}, "no 'question' (fields here: idx, gt, code)"),
            ({"gt": ...}, "no 'gt' (fields here: idx, question, code)"),
            ({"gt": float("nan")}, "'gt': expected an answer (a text or a finite number), found nan"),
            ({"score": [True]}, "'score': 1 entries for 2 responses"),
            ({"score": True}, "'score': no list for 2 responses"),
            ({"finish_reason": ["stop"]}, "'finish_reason': 1 entries for 2 responses"),
            ({"finish_reason": ["stop", 7]}, "'finish_reason': expected a word, found 7"),
        ],
    )
    def test_a_bad_row_is_refused_with_its_line(self, tmp_path: Path, change: Row, line: str) -> None:
        bad = {k: v for k, v in (paper_row(1, ["a", "b"]) | change).items() if v is not ...}
        path = write(tmp_path / "run.jsonl", [paper_row(0, ["a", "b"]), bad])
        assert refusal(lambda: load("paper", path)).startswith(f"{path}:2: {line.format(path=path)}")

    @pytest.mark.parametrize(
        ("second_name", "second_rows", "line"),
        [
            (
                NAME.format(seed=1, start=0, end=-1),
                [paper_row(0, ["c"])],
                "{second}: 1 problems of {first.name} are missing here (idx 1); "
                "finish that run, or import the whole seeds alone",
            ),
            (
                NAME.format(seed=1, start=0, end=-1),
                [paper_row(i, ["c"]) for i in (0, 1, 2)],
                "{first}: 1 problems of {second.name} are missing here (idx 2); "
                "finish that run, or import the whole seeds alone",
            ),
            (
                NAME.format(seed=1, start=0, end=-1),
                [paper_row(0, ["c"]), paper_row(1, ["d"], question="What is 5+5?")],
                "{second}:2: idx 1 has another question than at {first}:2",
            ),
            (
                NAME.format(seed=0, start=1, end=2),
                [paper_row(1, ["c"])],
                "{second}: idx 1 of seed 0 stands already in {first.name}",
            ),
            (
                NAME.format(seed=0, start=2, end=3),
                [paper_row(2, ["c", "d"])],
                "{second}: 2 responses per problem, but 1 in {first.name}",
            ),
            (
                NAME.format(seed=1, start=0, end=-1).replace("_t0.6_", "_t1.0_"),
                [paper_row(i, ["c"]) for i in (0, 1)],
                "{second}: temperature is 1.0, but 0.6 in {first.name}; import them separately",
            ),
            (
                "unnamed.jsonl",
                [paper_row(i, ["c"]) for i in (0, 1)],
                "{second}: split is not in the name, but test in {first.name}; import them separately",
            ),
            (
                NAME.format(seed=1, start=0, end=-1),
                [paper_row(i, ["a"]) for i in (0, 1)],
                "{second}: the same content as {first.name}; remove the copy",
            ),
            (NAME.format(seed=1, start=0, end=-1), [], "{second}: empty, it holds no rows"),
        ],
    )
    def test_files_that_do_not_belong_together_are_refused(
        self, tmp_path: Path, second_name: str, second_rows: list[Row], line: str
    ) -> None:
        first = write(tmp_path / self.seed_file(0), [paper_row(i, ["a"]) for i in (0, 1)])
        second = write(tmp_path / second_name, second_rows)
        assert refusal(lambda: load("paper", tmp_path)) == line.format(first=first, second=second)

    def test_a_folder_without_files_is_refused(self, tmp_path: Path) -> None:
        assert refusal(lambda: load("paper", tmp_path)) == f"{tmp_path}: no .jsonl file in it or below"

    @needs_shared
    def test_the_real_file_has_800_samples_of_100_problems_with_800_scores(self) -> None:
        imported = load("paper", SHARED / "samples" / "qwen_math_cot_100x8.jsonl")
        scores = imported.reported["score"]
        assert (len(imported.problems), len(imported.samples), len(scores)) == (100, 800, 800)
        assert len({(s.problem_id, s.index) for s in imported.samples}) == 800
        # The file's own score lists hold 728 true and 72 false.
        assert sum(verdict is Outcome.CORRECT for verdict in scores.values()) == 728
        assert {p.tags["level"] for p in imported.problems} == {"1", "2", "3", "4", "5"}

    @needs_shared
    def test_imported_questions_meet_the_benchmarks_own(self) -> None:
        imported = load("paper", SHARED / "samples" / "qwen_math_cot_100x8.jsonl")
        source = ProblemsConfig.model_validate({"benchmark": "math500", "path": SHARED / "benchmarks"})
        # 5 of these 100 MATH problems are in MATH500, found by the question's text.
        assert len({p.id for p in imported.problems} & {p.id for p in load_problems([source])}) == 5


class TestJsonl:
    def row(self, **fields: Any) -> Row:
        return {"question": "What is 1+1?", "answer": "2", "response": "It is 2."} | fields

    def read(self, tmp_path: Path, *rows: Row) -> Gathered:
        kept = [{k: v for k, v in row.items() if v is not ...} for row in rows]
        return load("jsonl", write(tmp_path / "samples.jsonl", kept))

    def test_samples_without_an_index_are_numbered_in_file_order(self, tmp_path: Path) -> None:
        other = {"question": "What is 2+2?", "answer": 4}
        imported = self.read(
            tmp_path,
            self.row(response="a"),
            self.row(**other, response="b"),
            self.row(response="c"),
            self.row(response=""),
        )
        # Problems may have different numbers of samples: here three and one.
        assert [(s.problem_id, s.index, s.text) for s in imported.samples] == [
            (content_id("math500", "What is 1+1?"), 0, "a"),
            (content_id("math500", "What is 2+2?"), 0, "b"),
            (content_id("math500", "What is 1+1?"), 1, "c"),
            (content_id("math500", "What is 1+1?"), 2, ""),
        ]

    def test_all_fields_are_read_under_either_name(self, tmp_path: Path) -> None:
        fields = {"index": 5, "finish_reason": "length", "tokens": 17.0, "score": 1.0, "level": "Level 4"}
        named = self.read(tmp_path, self.row(**fields))
        renamed = self.read(
            tmp_path,
            {"problem": "What is 1+1?", "gt": 2, "completion": "It is 2.", "id": 7} | fields,
        )
        assert (named.problems, named.samples, named.reported) == (renamed.problems, renamed.samples, renamed.reported)
        sample = named.samples[0]
        assert (sample.index, sample.finish_reason, sample.tokens) == (5, FinishReason.LENGTH, 17)
        assert named.reported == {"score": {(sample.problem_id, 5): Outcome.CORRECT}}
        assert dict(named.problems[0].tags) == {"level": "4"}

    def test_an_id_alone_belongs_to_a_problem_that_the_run_has(self, tmp_path: Path) -> None:
        imported = self.read(tmp_path, {"problem_id": "math500/3f2a9c1b7d04", "response": "2"})
        assert imported.problems == ()
        assert imported.samples[0].problem_id == "math500/3f2a9c1b7d04"

    def test_an_id_with_an_answer_is_a_problem_without_a_question(self, tmp_path: Path) -> None:
        imported = self.read(tmp_path, {"id": "p1", "response": "2", "answer": ["2", "two"]})
        assert [(p.id, p.question, p.references) for p in imported.problems] == [("p1", "", ("2", "two"))]

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"response": ...}, "no 'response' or 'text' or 'completion' (fields here: question, answer, id)"),
            ({"response": ["a", "b"], "score": [1]}, "'score': expected a list of 2, one for each response"),
            ({"response": 2}, "the response is not a text but 2"),
            ({"answer": ...}, "no 'answer' or 'gt' (fields here: question, response, id)"),
            ({"answer": float("nan")}, "'answer': expected an answer (a text or a finite number), found nan"),
            ({"answer": "3"}, "another answer for {id} than before ('3'; before '2')"),
            (
                {"question": ..., "id": ...},
                "no 'question' or 'problem' or 'problem_id' or 'id' (fields here: answer, response)",
            ),
            ({"question": "What is 9+9?"}, "id 'p1' has another question than before"),
            ({"id": "p2"}, "id 'p2' has the same question as id 'p1'"),
            ({"id": ["p1"]}, "'id': expected a text or a whole number, found ['p1']"),
            ({"index": 1}, "some rows have an 'index' and some have none; give it to all or to none"),
            ({"tokens": -1}, "'tokens': expected a whole number from 0, found -1"),
            ({"tokens": 2.5}, "'tokens': expected a whole number from 0, found 2.5"),
            ({"finish_reason": ["stop"]}, "'finish_reason': expected a word, found ['stop']"),
        ],
    )
    def test_a_bad_row_is_refused_with_its_line(self, tmp_path: Path, change: Row, line: str) -> None:
        rows = (self.row(id="p1"), self.row(id="p1") | change)
        path = tmp_path / "samples.jsonl"
        expected = f"{path}:2: {line.format(id=content_id('math500', 'What is 1+1?'))}"
        assert refusal(lambda: self.read(tmp_path, *rows)).startswith(expected)

    @pytest.mark.parametrize(
        ("index", "line"),
        [
            (-1, "'index': expected a whole number from 0, found -1"),
            (True, "'index': expected a whole number from 0, found True"),
            (2**31, "'index': 2147483648 is too large"),
        ],
    )
    def test_a_bad_index_is_refused_with_its_line(self, tmp_path: Path, index: int, line: str) -> None:
        path = tmp_path / "samples.jsonl"
        expected = line.format(id=content_id("math500", "What is 1+1?"), path=path)
        message = refusal(lambda: self.read(tmp_path, self.row(index=0), self.row(index=index)))
        assert message == f"{path}:2: {expected}"

    def test_a_sample_told_twice_counts_once_and_two_under_one_index_are_refused(self, tmp_path: Path) -> None:
        assert len(self.read(tmp_path, self.row(index=0), self.row(index=0)).samples) == 1
        message = refusal(lambda: self.read(tmp_path, self.row(index=0), self.row(index=0, response="3")))
        id = content_id("math500", "What is 1+1?")
        assert message == f"{tmp_path}/samples.jsonl:2: sample 0 of {id} is here already, with another text or end"

    def test_files_are_one_series_unless_their_names_say_a_seed(self, tmp_path: Path) -> None:
        shards = [write(tmp_path / f"part{i}.jsonl", [self.row(index=i, response=str(i))]) for i in (0, 1)]
        seeds = [write(tmp_path / f"seed{i}.jsonl", [self.row(index=0, response=str(i))]) for i in (10, 2)]
        for paths, texts in ((shards, ["0", "1"]), (seeds, ["2", "10"])):
            (log,) = IMPORTERS.load("jsonl")().logs(paths, Reading("math500"))
            assert [(s.index, s.text) for s in gather(log, "base", "math500").samples] == [
                (0, texts[0]),
                (1, texts[1]),
            ]

    def test_unknown_ends_null_responses_and_scores_of_any_range_are_read_and_said(self, tmp_path: Path) -> None:
        rows = [
            self.row(response=None, finish_reason="abort", score=-1),
            self.row(finish_reason="abort", score=2.5),
            self.row(score=float("nan")),
            self.row(score="perhaps"),
        ]
        imported = self.read(tmp_path, *rows)
        id = content_id("math500", "What is 1+1?")
        assert imported.samples[0].text == ""
        assert imported.samples[0].finish_reason is FinishReason.UNKNOWN
        verdicts = {(id, 0): Outcome.INCORRECT, (id, 1): Outcome.CORRECT, (id, 2): Outcome.UNSCORED}
        assert imported.reported == {"score": verdicts}
        assert imported.notices == (
            "2 finish reasons 'abort' are not known here and count as unknown",
            "the score 'score' has values from -1 to 2.5: 1 or more counts as correct (--threshold)",
            "1 values 'perhaps' of the score 'score' are no verdict and are left out",
        )

    def test_fields_of_other_names_are_told(self, tmp_path: Path) -> None:
        path = write(
            tmp_path / "s.jsonl", [{"q": "What is 1+1?", "gold": 2, "out": {"texts": ["2", None]}, "ok": [1, 0]}]
        )
        fields = {"question": "q", "answer": "gold", "response": "out.texts", "score": "ok"}
        imported = load("jsonl", path, fields=fields)
        assert [(s.index, s.text) for s in imported.samples] == [(0, "2"), (1, "")]
        assert list(imported.reported["ok"].values()) == [Outcome.CORRECT, Outcome.INCORRECT]

    def test_a_call_that_failed_is_no_response(self, tmp_path: Path) -> None:
        imported = self.read(tmp_path, self.row(response="", error="timeout"), self.row(response="2", error=""))
        assert [s.error for s in imported.samples] == ["timeout", None]
        assert imported.notices == ("1 of 2 calls failed: they are unscored, not wrong",)


class TestCounts:
    def read(self, tmp_path: Path, *rows: Row) -> Gathered:
        return load("counts", write(tmp_path / "counts.jsonl", list(rows)))

    def test_counts_become_a_tally_in_file_order(self, tmp_path: Path) -> None:
        counts = self.read(
            tmp_path,
            {"id": "b", "c": 3, "n": 8, "source": "aime24"},
            {"id": 7, "c": 0, "n": 4.0, "unscored": 2, "truncated": 1},
        ).counts
        assert isinstance(counts, Tally)
        assert counts.problem_ids == ("b", "7")
        assert counts.correct.tolist() == [3, 0]
        assert counts.incorrect.tolist() == [5, 4]
        assert counts.unscored.tolist() == [0, 2]
        assert counts.truncated.tolist() == [0, 1]
        # Different n per problem is what the file says; unscored samples are not part of it.
        assert counts.n.tolist() == [8, 4]

    @pytest.mark.parametrize(
        ("row", "line"),
        [
            ({"id": "a", "c": 1, "n": 2}, "id 'a' stands already at {path}:1; one row per problem"),
            ({"c": 1, "n": 2}, "no 'id' (fields here: c, n)"),
            ({"id": None, "c": 1, "n": 2}, "no 'id' (fields here: id, c, n)"),
            ({"id": "b", "n": 2}, "no 'c' (fields here: id, n)"),
            ({"id": "b", "c": 1}, "no 'n' (fields here: id, c)"),
            ({"id": "b", "c": 3, "n": 2}, "c = 3 is more than n = 2"),
            ({"id": "b", "c": -1, "n": 2}, "'c': expected a whole number from 0, found -1"),
            ({"id": "b", "c": 0, "n": 0}, "'n': expected a whole number from 1, found 0"),
            ({"id": "b", "c": 0, "n": -2}, "'n': expected a whole number from 1, found -2"),
            ({"id": "b", "c": float("nan"), "n": 2}, "'c': expected a whole number from 0, found nan"),
            ({"id": "b", "c": 1, "n": float("inf")}, "'n': expected a whole number from 1, found inf"),
            ({"id": "b", "c": 0.5, "n": 2}, "'c': expected a whole number from 0, found 0.5"),
            ({"id": "b", "c": True, "n": 2}, "'c': expected a whole number from 0, found True"),
            ({"id": "b", "c": "1", "n": 2}, "'c': expected a whole number from 0, found '1'"),
            ({"id": "b", "c": 1, "n": 10**12}, "'n': 1000000000000 is too large"),
            ({"id": "b", "c": 1, "n": 2, "unscored": -1}, "'unscored': expected a whole number from 0, found -1"),
            (
                {"id": "b", "c": 2, "n": 9, "stop_successes": 2, "n_max": 64},
                "stopped under another plan than the first row (stop at 2 correct or at 64 samples, looking every 1; "
                "a fixed n); one file holds counts of one plan",
            ),
        ],
    )
    def test_a_bad_row_is_refused_with_its_line(self, tmp_path: Path, row: Row, line: str) -> None:
        path = tmp_path / "counts.jsonl"
        message = refusal(lambda: self.read(tmp_path, {"id": "a", "c": 1, "n": 2}, row))
        assert message == f"{path}:2: {line.format(path=path)}"

    @needs_shared
    @pytest.mark.parametrize(("name", "correct"), [("base", 81965), ("rl", 92271)])
    def test_the_real_counts_load_whole(self, name: str, correct: int) -> None:
        counts = load("counts", SHARED / "counts" / "deepscaler32k" / f"{name}.jsonl").counts
        assert isinstance(counts, Tally)
        assert counts.problems == 1060
        assert set(counts.n.tolist()) == {128}
        # The published success rates .60411 and .68006, of 1060 x 128 = 135,680 samples.
        assert counts.correct.sum() == correct


class TestLargeCounts:
    """Read at once where nothing is unusual, and then as if row by row."""

    @pytest.fixture(autouse=True)
    def every_file_is_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("move37.importers.counts._LARGE_BYTES", 0)

    def test_they_are_the_counts_that_are_read_row_by_row(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "c.jsonl"
        path.write_text("".join(f'{{"id": "p{i}", "c": {i % 5}, "n": {4 + i % 3}}}\n' for i in range(50)))
        assert _plain_counts(path) is not None
        at_once = load_counts(path, "m")
        monkeypatch.setattr("move37.importers.counts._LARGE_BYTES", 10**9)
        one_by_one = load_counts(path, "m")
        assert at_once.problem_ids == one_by_one.problem_ids
        for name in ("correct", "incorrect", "unscored", "truncated"):
            assert getattr(at_once, name).tolist() == getattr(one_by_one, name).tolist()
            assert getattr(at_once, name).dtype == np.int64

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('{"id": "p", "c": 5, "n": 4}', "c = 5 is more than n = 4"),
            ('{"id": "p", "c": -1, "n": 4}', "expected a whole number from 0"),
            ('{"id": "p", "c": 1, "n": 0}', "expected a whole number from 1"),
            ('{"id": "p", "c": 1}', "no 'n'"),
            ('{"id": "p", "c": true, "n": 4}', "found True"),
            ('{"id": " ", "c": 1, "n": 4}', "'id': expected a text"),
            ('{"id": "a", "c": 1, "n": 4}', "id 'a' stands already at"),
            ('{"id": "p", "c": 1, "n": 99999999999}', "too large"),
            ('{"id": "p", "c": 1, "n"', "not valid JSON"),
            ('{"id": "p", "c": NaN, "n": 4}', "expected a whole number"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line(self, tmp_path: Path, line: str, said: str) -> None:
        path = tmp_path / "c.jsonl"
        path.write_text('{"id": "a", "c": 1, "n": 4}\n{"id": "b", "c": 2, "n": 4}\n' + line)
        with pytest.raises(InputError, match=r"c\.jsonl:3: .*" + re.escape(said)):
            load_counts(path, "m")

    @pytest.mark.parametrize("line", ['{"id": 7, "c": 1, "n": 4}', '{"id": "p", "c": 2.0, "n": 4}'])
    def test_what_is_unusual_is_read_all_the_same(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "c.jsonl"
        path.write_text('{"id": "a", "c": 1, "n": 4}\n' + line)
        assert load_counts(path, "m").scored.tolist() == [4, 4]
