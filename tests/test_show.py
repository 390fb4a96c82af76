"""`move37 show`: what models wrote, read from a run of earlier code and from runs made here."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from move37.browse import SeenProblem, Wanted, problem_named, problems_seen, samples_seen
from move37.cli import app
from move37.console import visible
from move37.errors import InputError
from move37.store import RunStore
from move37.terminal_samples import SHOWN_CHARACTERS
from move37.types import FinishReason, Outcome, Problem, Sample, Verdict

OLD = Path(__file__).parent / "runs_of_05bb719"
PROBLEMS = tuple(Problem(f"made-up/{i}", f"What is {i} + {i}?", (str(2 * i),), "made-up", "math") for i in range(4))
LONG = "so we add again, " * 200 + "The answer is 0."
WRITTEN = {
    "base": [[("0", True), ("0", True), (LONG, False)], [("5", False)], [("4", True)], [("?", None), ("late", ...)]],
    "rl": [[("0", True)], [("2", True), ("\x1b[31mEvil\r\x07", False)], [("5", False)], [("6?", False)]],
}
"""By model, the responses to each problem: text, and whether it is correct (None: unscored; ...: no verdict)."""
OUTCOMES = {True: Outcome.CORRECT, False: Outcome.INCORRECT, None: Outcome.UNSCORED}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    folder = tmp_path_factory.mktemp("show") / "run"
    shutil.copytree(OLD / "complete", folder)
    for part in ("samples", "verdicts"):
        shutil.rmtree(folder / part)
    (folder / "problems.parquet").unlink()
    made = RunStore.open(folder)
    with made.writing():
        made.add_problems(PROBLEMS)
        made.set_current_labels({"math": "math@1"})
        for model, responses in WRITTEN.items():
            for problem, texts in zip(PROBLEMS, responses, strict=True):
                _write(made, model, problem, texts)
    return made


def invoke(arguments: list[str]) -> Result:
    return CliRunner().invoke(app, arguments)


def _write(store: RunStore, model: str, problem: Problem, texts: list[tuple[str, object]]) -> None:
    samples = [
        Sample(problem.id, i, text, FinishReason.LENGTH if text is LONG else FinishReason.STOP, tokens=len(text))
        for i, (text, _) in enumerate(texts)
    ]
    with store.appending_samples(model) as kept:
        for sample in samples:
            kept.add(sample)
    with store.appending_verdicts("math@1", model) as kept:
        for sample, (text, outcome) in zip(samples, texts, strict=True):
            if outcome is not ...:
                kept.add(sample, Verdict(OUTCOMES[outcome], "because", text[-9:]))


def numbers(seen: list[SeenProblem]) -> list[int]:
    return [problem.number for problem in seen]


def test_problems_come_with_what_each_model_made_of_them(store: RunStore) -> None:
    first, *_, last = problems_seen(store, Wanted())
    assert (first.number, first.id, first.references) == (1, "made-up/0", ("0",))
    base = first.models["base"]
    assert (base.correct, base.incorrect, base.unscored, base.unjudged, base.truncated) == (2, 1, 0, 0, 1)
    assert list(first.models) == ["base", "rl"]
    assert (last.models["base"].unscored, last.models["base"].unjudged, last.models["base"].scored) == (1, 1, 0)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [1, 2, 3, 4]),
        (Wanted(only="base"), [3]),
        (Wanted(only="rl"), [2]),
        (Wanted(only="both"), [1]),
        (Wanted(only="neither"), [4]),
        (Wanted(outcome="unscored"), [4]),
        (Wanted(outcome="unjudged"), [4]),
        (Wanted(outcome="truncated"), [1]),
        (Wanted(outcome="correct", models=("rl",)), [1, 2]),
        (Wanted(text="EVIL"), [2]),
        (Wanted(text="?"), [4]),
        (Wanted(text="5", models=("base",)), [2]),
        (Wanted(text="5", only="base"), [3]),
        (Wanted(text="nobody wrote this"), []),
    ],
    ids=str,
)
def test_what_is_wanted_is_found(store: RunStore, wanted: Wanted, expected: list[int]) -> None:
    assert numbers(problems_seen(store, wanted)) == expected


def test_equal_responses_are_one_entry_with_all_their_indices(store: RunStore) -> None:
    first, cut, rl = samples_seen(store, PROBLEMS[0], Wanted())
    assert (first.model, first.indices, first.text, first.outcome) == ("base", (0, 1), "0", "correct")
    assert (cut.finish_reason, cut.tokens, cut.answer) == ("length", len(LONG), LONG[-9:])
    assert rl.model == "rl"
    assert samples_seen(store, PROBLEMS[3], Wanted(outcome="unjudged"))[0].outcome is None


@pytest.mark.parametrize("name", ["2", "made-up/1"])
def test_a_problem_is_named_by_its_number_or_its_id(store: RunStore, name: str) -> None:
    assert problem_named(store, name) == PROBLEMS[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["9"], "no problem has '9'; give an id or a number from 1 to 4"),
        (["made-up"], "4 problems have ids that begin with 'made-up'; give an id or a number from 1 to 4"),
        (["--model", "rk"], "--model: no model 'rk' in this run (models: base, rl)"),
        (["--outcome", "right"], "--outcome: one of correct, incorrect, unscored, truncated, unjudged, not 'right'"),
        (["--only", "nobody"], "--only: one of base, rl, both, neither, not 'nobody'"),
    ],
    ids=str,
)
def test_what_there_is_not_is_one_line(store: RunStore, arguments: list[str], line: str) -> None:
    done = invoke(["show", str(store.folder), *arguments])
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == line


def test_a_run_of_counts_has_no_samples_to_show() -> None:
    with pytest.raises(InputError, match=r"no samples to show \(base, rl has counts alone\)"):
        problems_seen(RunStore.open(OLD / "counts"), Wanted())


def test_a_terminal_obeys_nothing_that_a_model_wrote(store: RunStore) -> None:
    shown = invoke(["show", str(store.folder), "2"]).stdout
    assert "\\x1b[31mEvil\\x0d\\x07" in shown
    assert "\x1b[31m" not in shown
    assert "\r" not in shown
    assert visible("a\u202eb\tc\nd") == "a\\x202eb\tc\nd"


def test_a_long_response_is_shown_from_its_end_unless_all_is_asked_for(store: RunStore) -> None:
    short = invoke(["show", str(store.folder), "1"]).stdout
    assert f"[{len(LONG) - SHOWN_CHARACTERS:,} characters before: --full]" in short
    assert "The answer is 0." in short
    full = invoke(["show", str(store.folder), "1", "--full"]).stdout
    assert full.count("so we add again") == 200
    assert "base: 2 correct, 1 incorrect; 2 different responses, 2 different answers" in full


def test_json_holds_what_the_terminal_shows(store: RunStore) -> None:
    listed = json.loads(invoke(["show", str(store.folder), "--json"]).stdout)
    assert [problem["id"] for problem in listed["problems"]] == [problem.id for problem in PROBLEMS]
    one = json.loads(invoke(["show", str(store.folder), "2", "--json"]).stdout)
    assert [(each["model"], each["text"], each["outcome"]) for each in one["samples"]] == [
        ("base", "5", "incorrect"),
        ("rl", "2", "correct"),
        ("rl", "\x1b[31mEvil\r\x07", "incorrect"),
    ]


def test_a_run_of_earlier_code_can_be_read() -> None:
    seen = problems_seen(RunStore.open(OLD / "complete"), Wanted(outcome="correct"))
    assert len(seen) == 12
