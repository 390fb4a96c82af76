"""Files of rows, content ids, and the union of several sources of problems."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from move37.config import ProblemsConfig
from move37.errors import InputError, Move37Error, UnknownNameError
from move37.identity import content_id, number_repeats
from move37.problems import load_problems
from move37.rows import read_rows
from move37.types import Problem

pytestmark = pytest.mark.usefixtures("kept_workers")

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def source(**keys: Any) -> ProblemsConfig:
    return ProblemsConfig.model_validate(keys)


def refusal(action: Callable[[], object], kind: type[Move37Error] = InputError) -> str:
    """The message with which `action` is refused."""
    with pytest.raises(kind) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestContentIds:
    def test_an_id_is_the_benchmark_and_twelve_hexadecimal_digits(self) -> None:
        # printf 'What is 1+1?' | b2sum -l 48
        assert content_id("math500", "What is 1+1?") == "math500/1de22c3db15e"

    @given(st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1), min_size=1))
    def test_white_space_does_not_change_an_id(self, words: list[str]) -> None:
        assert content_id("b", " ".join(words)) == content_id("b", "\n " + "\t\n".join(words) + "  ")

    def test_another_question_or_another_benchmark_is_another_problem(self) -> None:
        ids = {content_id("a", "1+1"), content_id("a", "1+2"), content_id("b", "1+1"), content_id("a", "1 +1")}
        assert len(ids) == 4

    def test_repeats_are_numbered_and_tagged(self) -> None:
        one, two = (Problem(content_id("b", q), q, ("2",), "b", "math") for q in ("1+1", "2+2"))
        numbered = number_repeats([one, two, one, one])
        assert [p.id for p in numbered] == [one.id, two.id, f"{one.id}#2", f"{one.id}#3"]
        assert [dict(p.tags) for p in numbered] == [{}, {}, {"repeats": one.id}, {"repeats": one.id}]


class TestRowsOfAFile:
    ROWS = ({"question": "1+1", "answer": "2"}, {"question": "a\u2028b", "answer": "é"})

    def test_all_formats_give_the_same_rows(self, write: Write, tmp_path: Path) -> None:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.ROWS)
        pl.DataFrame(list(self.ROWS)).write_parquet(tmp_path / "rows.parquet")
        paths = [
            write("rows.jsonl", lines),
            write("rows.jsonl.gz", gzip.compress(lines.encode())),
            write("rows.json", json.dumps(self.ROWS)),
            write("byte-order-mark.jsonl", b"\xef\xbb\xbf" + lines.encode()),
            write("windows.jsonl", lines.replace("\n", "\r\n")),
            write("no-last-newline.jsonl", lines.rstrip("\n")),
            write("blank-lines.jsonl", "\n" + lines.replace("\n", "\n\n")),
            tmp_path / "rows.parquet",
        ]
        for path in paths:
            assert [row.values for row in read_rows(path)] == list(self.ROWS), path.name

    def test_a_row_knows_its_line(self, write: Write) -> None:
        path = write("rows.jsonl", '{"a": 1}\n\n{"a": 2}\n')
        assert [row.place for row in read_rows(path)] == [f"{path}:1", f"{path}:3"]

    @pytest.mark.parametrize(
        ("name", "content", "line"),
        [
            ("rows.jsonl", "", "{path}: empty, it holds no rows"),
            ("rows.jsonl", "\n \n", "{path}: empty, it holds no rows"),
            ("rows.json", "", "{path}: empty, it holds no rows"),
            ("rows.json", "[]", "{path}: empty, it holds no rows"),
            (
                "rows.jsonl",
                '{"question": "1+1", "answer": "2"}\n{"question": "1+',
                "{path}:2: not valid JSON (Unterminated string starting at, column 14); "
                "the file ends inside this line, it was cut short",
            ),
            (
                "rows.jsonl",
                '{"question": 1+1}\n{"question": "2"}\n',
                "{path}:1: not valid JSON (Expecting ',' delimiter, column 15)",
            ),
            ("rows.jsonl", "[1, 2]\n", "{path}:1: expected a JSON object, found [1, 2]"),
            ("rows.jsonl", '{"a": ' + "9" * 5000 + "}\n", "{path}:1: not usable JSON (Exceeds the limit"),
            ("rows.jsonl", "[" * 100_000 + "\n", "{path}:1: not usable JSON (maximum recursion depth exceeded"),
            ("rows.json", '{"a": 1}', "{path}: expected a JSON list of objects; one object per line is .jsonl"),
            ("rows.json", '[{"a": 1},\n 2 3]', "{path}: not valid JSON (Expecting ',' delimiter, line 2 column 4)"),
            (
                "rows.jsonl",
                '{"a": "\\uD83D\\uDE00"}\n{"a": "\\uD83D"}\n',
                "{path}:2: half of a character (an unpaired surrogate such as \\ud83d); remove it",
            ),
            ("rows.jsonl", b'{"a": "\xff"}\n', "{path}: not UTF-8 text (byte 7)"),
            (
                "rows.jsonl.gz",
                gzip.compress(b'{"a": 1}\n' * 100, mtime=0)[:-9],
                "{path}: the compressed file is cut short;",
            ),
            ("rows.jsonl.gz", b'{"a": 1}\n', "{path}: cannot be read (Not a gzipped file"),
            ("rows.parquet", b"PAR1 but not really", "{path}: not a whole Parquet file ("),
            (
                "rows.csv",
                "a,b\n",
                "{path}: cannot tell the format; the name must end in .jsonl, .jsonl.gz, .json, .par",
            ),
        ],
    )
    def test_a_bad_file_is_refused_with_a_line_that_names_the_place(
        self, write: Write, name: str, content: str | bytes, line: str
    ) -> None:
        path = write(name, content)
        assert refusal(lambda: read_rows(path)).startswith(line.format(path=path))

    def test_a_missing_file_and_a_folder_are_refused(self, tmp_path: Path) -> None:
        assert refusal(lambda: read_rows(tmp_path / "no.jsonl")) == f"{tmp_path}/no.jsonl: no such file"
        assert refusal(lambda: read_rows(tmp_path)) == f"{tmp_path}: a folder; give one of its files"

    @given(st.binary(max_size=200), st.sampled_from([".jsonl", ".jsonl.gz", ".json", ".parquet"]))
    def test_any_bytes_are_rows_or_one_line(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
    ) -> None:
        path = tmp_path_factory.getbasetemp() / f"any{suffix}"
        path.write_bytes(content)
        line = ""
        try:
            read_rows(path)
        except InputError as error:
            line = str(error)
        assert "\n" not in line


class TestOwnSets:
    def test_field_names_are_mapped_and_answers_are_texts(self, write: Write) -> None:
        rows = [
            {"q": "1+1?", "gold": 2, "tier": 1},
            {"q": "pi?", "gold": ["3.14", 22.5, "3.14"]},
            {"q": "1.5*2?", "gold": 3.0},
        ]
        path = write("mine.v2.jsonl", "\n".join(map(json.dumps, rows)))
        keys = {"question": "q", "answer": "gold", "tags": ["tier"]}
        problems = load_problems([source(benchmark="jsonl", path=path, fields=keys)])
        assert [p.references for p in problems] == [("2",), ("3.14", "22.5"), ("3",)]
        assert [dict(p.tags) for p in problems] == [
            {"source": "mine", "tier": "1"},
            {"source": "mine"},
            {"source": "mine"},
        ]
        assert problems[0].id == content_id("jsonl", "1+1?")
        assert problems[0].verifier == "math"

    @pytest.mark.parametrize(
        ("row", "line"),
        [
            ('{"problem": "1+1", "answer": "2"}', "{place}: no 'question' (fields here: problem, answer)"),
            ('{"question": "1+1"}', "{place}: no 'answer' (fields here: question)"),
            ('{"question": "1+1", "answer": null}', "{place}: no 'answer' (fields here: question, answer)"),
            ("{}", "{place}: no 'question' (fields here: none)"),
            (
                '{"question": "1+1", "answer": NaN}',
                "{place}: 'answer': expected an answer (a text or a finite number), found nan",
            ),
            (
                '{"question": "1+1", "answer": -Infinity}',
                "{place}: 'answer': expected an answer (a text or a finite number), found -inf",
            ),
            (
                '{"question": "1+1", "answer": true}',
                "{place}: 'answer': expected an answer (a text or a finite number), found True",
            ),
            (
                '{"question": "1+1", "answer": " "}',
                "{place}: 'answer': expected an answer (a text or a finite number), found ' '",
            ),
            ('{"question": "1+1", "answer": []}', "{place}: 'answer': an empty list of answers"),
            (
                '{"question": "1+1", "answer": ["2", NaN]}',
                "{place}: 'answer': expected an answer (a text or a finite number), found nan",
            ),
            (
                '{"question": ["1+1"], "answer": "2"}',
                "{place}: 'question': expected a text that is not blank, found ['1+1']",
            ),
            (
                '{"question": "", "answer": "2"}',
                "{place}: 'question': expected a text that is not blank, found ''",
            ),
            (
                '{"question": " first  one", "answer": "1"}',
                "{place}: the same question as {first}; remove one of the two",
            ),
        ],
    )
    def test_a_bad_row_is_refused_with_a_line_that_names_it(self, write: Write, row: str, line: str) -> None:
        path = write("mine.jsonl", '{"question": "first one", "answer": "1"}\n' + row + "\n")
        message = refusal(lambda: load_problems([source(benchmark="jsonl", path=path)]))
        assert message == line.format(place=f"{path}:2", first=f"{path}:1")


class TestUnion:
    def two_files(self, write: Write, second: str) -> list[ProblemsConfig]:
        first = write("first.jsonl", '{"question": "1+1", "answer": "2"}\n{"question": "2+2", "answer": "4"}\n')
        return [
            source(benchmark="jsonl", path=first),
            source(benchmark="jsonl", path=write("second.jsonl", second)),
        ]

    def test_a_problem_in_two_sources_is_one_problem(self, write: Write) -> None:
        sources = self.two_files(write, '{"question": "3+3", "answer": "6"}\n{"question": "1+1 ", "answer": 2}\n')
        assert [p.question for p in load_problems(sources)] == ["1+1", "2+2", "3+3"]

    def test_sources_that_disagree_on_an_answer_are_refused(self, write: Write) -> None:
        sources = self.two_files(write, '{"question": "1+1", "answer": "3"}\n')
        same = content_id("jsonl", "1+1")
        assert refusal(lambda: load_problems(sources)) == (
            f"{sources[1].path}: {same} is in an earlier source with another answer or verifier "
            "('2' by math; here '3' by math); keep one of the two sources"
        )

    def test_limit_takes_the_first_and_verifier_overrides(self, write: Write) -> None:
        path = self.two_files(write, "")[0].path
        problems = load_problems([source(benchmark="jsonl", path=path, limit=1, verifier="exact")])
        assert [(p.question, p.verifier) for p in problems] == [("1+1", "exact")]

    @pytest.mark.parametrize("name", ["mth500", "math500:algebra"])
    def test_an_unknown_benchmark_lists_the_known_ones(self, name: str) -> None:
        message = refusal(lambda: load_problems([source(benchmark=name)]), UnknownNameError)
        assert message.startswith(f"unknown benchmark {name!r}; did you mean 'math500'? (known: aime24, aime25, ")
