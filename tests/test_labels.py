"""Labels of readers: kept as verdicts of their own, lost never, counted as the hand counts them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from move37 import pipeline
from move37.audit import LABEL as AUDITED
from move37.audit import read_key
from move37.cli import app
from move37.errors import InputError
from move37.estimates.reader_agreement import cohen_kappa, krippendorff_alpha
from move37.evidence import RunEvidence
from move37.labels import PENDING, Label, Said, labels_in, readings, say, settle
from move37.report.sections import section_lines
from move37.store import RunStore
from move37.types import Problem
from tests.reading_runs import Response, made_run

PROBLEMS = tuple(Problem(f"made/{i}", f"What is {i} + {i}?", (str(2 * i),), "made", "math") for i in range(3))
RIGHT, WRONG = ("yes", True, "y"), ("no", False, "n")
WRITTEN: dict[str, list[list[Response]]] = {
    "base": [[RIGHT, RIGHT, WRONG, WRONG], [RIGHT, WRONG, WRONG, WRONG], [WRONG] * 4],
    "rl": [[RIGHT] * 4, [RIGHT, RIGHT, WRONG, WRONG], [WRONG] * 4],
}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return made_run(tmp_path / "run", PROBLEMS, WRITTEN)


def label(reader: str, problem: int, index: int, said: str, model: str = "rl", note: str = "") -> Label:
    return Label(reader, model, PROBLEMS[problem].id, index, Said(said), note)


def outcomes(store: RunStore, name: str, model: str = "rl") -> dict[tuple[str, int], str]:
    rows = store.samples(model).collect(store.standing(name, model, ["problem_id", "index", "outcome"]))
    return {(problem[-1], index): outcome for problem, index, outcome in rows.rows()}


# -- agreement, against numbers worked out by hand -----------------------------------------------------------------


def test_kappa_is_that_of_the_two_by_two_table() -> None:
    # Both valid 20, both invalid 15, valid-invalid 5, invalid-valid 10: (.7 - .5) / (1 - .5).
    first = np.repeat([0, 1, 0, 1], [20, 15, 5, 10])
    second = np.repeat([0, 1, 1, 0], [20, 15, 5, 10])
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_kappa_needs_two_words() -> None:
    assert cohen_kappa(np.zeros(4, int), np.zeros(4, int)) is None
    assert cohen_kappa(np.zeros(0, int), np.zeros(0, int)) is None
    assert cohen_kappa(np.array([0, 1]), np.array([1, 0])) == pytest.approx(-1)


def test_alpha_is_krippendorffs_published_example() -> None:
    """Four observers, twelve units, missing values: nominal alpha .743 (Krippendorff 2011, section C)."""
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
    ]
    assert krippendorff_alpha(np.array(table) - 1) == pytest.approx(0.743, abs=0.0005)


def test_alpha_of_two_readers_by_hand() -> None:
    # Ten samples, 0101... against one disagreement. Values: nine 0, eleven 1; coincidences: o_01 = 1 twice.
    # D_o = 2 / 20; D_e = 2 * 9 * 11 / (20 * 19); alpha = 1 - .1 / .521053.
    first = np.array([0, 1] * 5)
    second = first.copy()
    second[0] = 1
    assert krippendorff_alpha(np.stack([first, second])) == pytest.approx(1 - 0.1 / (198 / 380))


def test_alpha_needs_two_labels_and_two_words() -> None:
    assert krippendorff_alpha(np.array([[0, 1], [-1, -1]])) is None
    assert krippendorff_alpha(np.zeros((2, 3), int)) is None
    assert krippendorff_alpha(np.zeros((0, 0), int)) is None


# -- in the run ----------------------------------------------------------------------------------------------------


def test_each_reader_is_a_verifier_and_the_majority_is_the_audits_word(store: RunStore) -> None:
    assert say(store, [label("anna", 0, 0, "valid"), label("anna", 0, 1, "invalid"), label("anna", 1, 0, "unsure")])
    assert say(store, [label("ben", 0, 0, "invalid"), label("ben", 0, 1, "invalid", note="circular")])
    assert outcomes(store, "reader-anna@1") == {("0", 0): "correct", ("0", 1): "incorrect", ("1", 0): "unscored"}
    assert outcomes(store, AUDITED) == {("0", 1): "incorrect"}
    assert say(store, [label("cleo", 0, 0, "valid")])
    assert outcomes(store, AUDITED) == {("0", 0): "correct", ("0", 1): "incorrect"}
    # The last word counts, and one can be taken back.
    assert say(
        store, [label("cleo", 0, 0, "invalid"), label("ben", 0, 1, "withdrawn"), label("anna", 0, 1, "withdrawn")]
    )
    assert outcomes(store, AUDITED) == {("0", 0): "incorrect"}
    assert outcomes(store, "reader-ben@1") == {("0", 0): "incorrect"}
    # Labels never count as the run's own verdicts.
    assert RunEvidence(store).fixed_tally("rl").correct.tolist() == [4, 2, 0]


@pytest.mark.slow
def test_labels_change_cot_pass_at_k_as_computed_by_hand(store: RunStore) -> None:
    assert pipeline.analyse_run(store).models[1].chains is None
    say(store, [label("anna", 0, index, "valid") for index in range(3)] + [label("anna", 0, 3, "invalid")])
    say(store, [label("anna", 1, 0, "valid")])
    found = pipeline.analyse_run(store)
    chains = found.models[1].chains
    assert chains is not None
    # Accepted of 4: 3, 1 and 0. pass@1: (3/4 + 1/4 + 0) / 3; pass@2: (1 + 1/2 + 0) / 3, as C(3,2) / C(4,2) = 1/2.
    assert chains.accepted[:2].tolist() == pytest.approx([1 / 3, 1.5 / 3])
    # What is not read may be valid: sample 1 of problem 1. pass@1: (3/4 + 2/4) / 3.
    assert chains.accepted_upper[0] == pytest.approx(1.25 / 3)
    assert chains.unjudged == 1
    assert "a chain that the majority of readers accepts" in " ".join(section_lines(found))
    say(store, [label("anna", 1, 1, "invalid")])
    chains = pipeline.analyse_run(store).models[1].chains
    assert chains is not None
    assert chains.accepted_upper[0] == pytest.approx(1 / 3)


def test_the_disagreement_table_has_every_reader(store: RunStore) -> None:
    say(store, [label("anna", 0, 0, "invalid"), label("anna", 0, 1, "valid")])
    found = {each.other: each for each in pipeline.analyse_run(store).agreements}
    assert (found["reader-anna@1"].samples, found["reader-anna@1"].agree) == (2, 1)
    assert AUDITED not in found


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_report_has_the_readers_and_how_far_they_agree(store: RunStore) -> None:
    say(store, [label(reader, 0, index, "valid") for reader in ("anna", "bela") for index in (0, 1)])
    say(store, [label("anna", 0, 2, "valid"), label("bela", 0, 2, "invalid")])
    pipeline.report_run(store)
    lines = str(readings(store)).splitlines()
    assert lines[2].startswith("anna and bela: the same on 2 of 3 samples, Cohen's kappa")
    for name, escaped in (("report.html", True), ("report.md", False)):
        said = (store.folder / name).read_text()
        assert "What readers say of chains" in said
        assert all((line.replace("'", "&#39;") if escaped else line) in said for line in lines), name


@pytest.mark.slow
def test_the_audit_counts_what_was_read_in_its_order(store: RunStore) -> None:
    pipeline.export_audit(store)
    items = [json.loads(line) for line in (store.folder / "audit.jsonl").read_text().splitlines()]
    key = read_key(store.folder)
    assert key is not None
    of_set = [item for item in key.items if item.model == "rl" and item.problem_id == PROBLEMS[0].id]
    assert len(of_set) == 4
    assert len(items) == len(key.items)
    last = of_set[-1]
    say(store, [Label("anna", "rl", last.problem_id, last.index, Said.VALID)])
    audit = pipeline.analyse_run(store).models[1].audit
    assert audit is not None
    assert (audit.read, audit.with_valid) == (0, 0)  # it was not its turn
    say(store, [Label("anna", "rl", each.problem_id, each.index, Said.INVALID) for each in of_set[:-1]])
    audit = pipeline.analyse_run(store).models[1].audit
    assert audit is not None
    assert (audit.read, audit.with_valid) == (4, 1)
    assert audit.false_accepts is not None


def test_a_label_waits_while_another_process_writes_and_is_not_lost(store: RunStore) -> None:
    with RunStore.open(store.folder).writing():
        assert not say(store, [label("anna", 0, 0, "valid")])
        assert labels_in(store) == []
        assert readings(store).waiting == 1
    assert settle(store)
    assert [each.said for each in labels_in(store)] == ["valid"]
    assert (store.folder / PENDING).read_text() == ""


def test_many_labels_stay_few_files(store: RunStore) -> None:
    for index in range(4):
        for said in ("valid", "invalid", "unsure"):
            say(store, [label("anna", 0, index, said)])
    assert len(store.verdicts("reader-anna@1", "rl").files()) <= 9
    assert [each.said for each in labels_in(store)] == ["unsure"] * 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Label("anna", "rk", "made/0", 0, Said.VALID), "no model 'rk'"),
        (Label("anna", "rl", "made/0", 9, Said.VALID), "there is no sample 9"),
        (Label("../x", "rl", "made/0", 0, Said.VALID), "a name has up to 40"),
        (Label("anna", "rl", "made/0", 0, Said.VALID, sample=1), "another text here"),
    ],
    ids=["model", "sample", "reader", "text"],
)
def test_a_label_of_what_is_not_there_changes_nothing(store: RunStore, wrong: Label, message: str) -> None:
    with pytest.raises(InputError, match=message):
        say(store, [label("anna", 0, 0, "valid"), wrong])
    assert labels_in(store) == []
    assert not (store.folder / PENDING).exists()


# -- out and in ----------------------------------------------------------------------------------------------------


def test_labels_go_out_and_come_into_another_copy_of_the_run(store: RunStore, tmp_path: Path) -> None:
    say(store, [label("anna", 0, 0, "valid", note="clear: it is"), label("anna", 1, 0, "unsure", "rl")])
    say(store, [label("ben", 0, 0, "valid"), label("ben", 1, 0, "invalid")])
    file = tmp_path / "labels.jsonl"
    done = CliRunner().invoke(app, ["labels", str(store.folder), "--out", str(file)])
    assert f"4 labels: {file}" in done.stdout.replace("\n", "")
    other = made_run(tmp_path / "other", PROBLEMS, WRITTEN)
    told = CliRunner().invoke(app, ["labels", str(other.folder), "--read", str(file), "--json"])
    found = json.loads(told.stdout)
    assert found["readers"] == {
        "anna": {"valid": 1, "invalid": 0, "unsure": 1},
        "ben": {"valid": 1, "invalid": 1, "unsure": 0},
    }
    # They agree on one of two: observed 1/2, expected 1/4 + 0 + 0; (1/2 - 1/4) / (3/4).
    assert found["pairs"][0]["kappa"] == pytest.approx(1 / 3)
    assert labels_in(other) == labels_in(store)
    assert labels_in(other)[0].note == "clear: it is"


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[1]",
        "{}",
        '{"reader": "a", "model": "rl", "problem_id": "made/0", "index": 0, "said": "right"}',
        '{"reader": "a", "model": "rl", "problem_id": "made/0", "index": "0", "said": "valid"}',
        '{"reader": "a", "model": "rl", "problem_id": "made/0", "index": 0, "said": "valid", "more": 1}',
        '{"reader": "a/b", "model": "rl", "problem_id": "made/0", "index": 0, "said": "valid"}',
    ],
)
def test_a_line_that_is_no_label_is_named_and_nothing_is_taken(store: RunStore, tmp_path: Path, line: str) -> None:
    good = '{"reader": "a", "model": "rl", "problem_id": "made/0", "index": 0, "said": "valid"}'
    (tmp_path / "bad.jsonl").write_text(f"{good}\n{line}\n")
    done = CliRunner().invoke(app, ["labels", str(store.folder), "--read", str(tmp_path / "bad.jsonl")])
    assert isinstance(done.exception, InputError)
    assert "bad.jsonl:2: " in str(done.exception)
    assert labels_in(store) == []
