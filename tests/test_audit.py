"""An audit: out blind and in sets, back as verdicts, and what it says of the problems that a model solved rarely."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from move37 import pipeline
from move37.analyses.chain_audit import AuditReading, chain_audit, valid_four_way
from move37.analyses.corrected_curves import AUDIT, CALIBRATION, corrected_curves
from move37.audit import LABEL, read_key
from move37.cli import app
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.report.sections import section_lines
from move37.store import RunStore
from tests.studies import judged_run, sums_study
from tests.test_analyses_gains_losses import tally


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    folder = tmp_path_factory.mktemp("audit")
    return judged_run(sums_study(folder, n=8, problems=12), folder / "run")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def fill(path: Path, said: Mapping[str, bool]) -> Path:
    """The file with the verdicts of a reader."""
    rows = [row | {"valid": said.get(row["item"], row["valid"])} for row in lines(path)]
    filled = path.with_name("filled.jsonl")
    filled.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return filled


def test_what_goes_out_are_all_accepted_samples_of_rarely_solved_problems_and_hides_the_model(run: RunStore) -> None:
    done = pipeline.export_audit(run, max_correct=3)
    rows, key = lines(done.file), read_key(run.folder)
    assert key is not None
    assert [row["item"] for row in rows] == [item.name for item in key.items]
    expected = set()
    evidence = RunEvidence(run)
    for model in ("base", "rl"):
        counts = evidence.fixed_tally(model)
        few = {p for p, c in zip(counts.problem_ids, counts.correct.tolist(), strict=True) if 1 <= c <= 3}
        expected |= {(model, p) for p in few}
        of_model = [item for item in key.items if item.model == model]
        assert len(of_model) == sum(counts.correct[list(counts.problem_ids).index(p)] for p in few)
    assert {(item.model, item.problem_id) for item in key.items} == expected
    assert done.sets == len(expected) > 3
    text = done.file.read_text()
    assert '"base"' not in text
    assert "rl" not in json.dumps([[row["item"], row["set"]] for row in rows])
    for name in {row["set"] for row in rows}:
        assert [row["order"] for row in rows if row["set"] == name] == list(range(1, 1 + text.count(f'"{name}"')))
    assert set(rows[0]) == {"item", "set", "order", "question", "reference", "response", "valid"}


def test_exporting_again_gives_the_same_names_in_the_same_order(run: RunStore, tmp_path: Path) -> None:
    one = pipeline.export_audit(run, tmp_path / "one.jsonl", 3)
    two = pipeline.export_audit(run, tmp_path / "two.jsonl", 3)
    assert one.file.read_text() == two.file.read_text()


def test_verdicts_come_back_as_those_of_a_verifier_and_never_count_as_the_runs_own(run: RunStore) -> None:
    file = pipeline.export_audit(run, max_correct=3).file
    before = {model: RunEvidence(run).tally(model) for model in ("base", "rl")}
    key = read_key(run.folder)
    assert key is not None
    first = {item.set: item for item in reversed(key.items)}  # the first of each set
    said = {item.name: item.model == "rl" for item in first.values()}
    done = pipeline.read_audit(run, fill(file, said))
    assert sum(each["valid"] + each["invalid"] for each in done.verdicts.values()) == len(said)
    assert done.verdicts["rl"]["invalid"] == 0
    assert pipeline.read_audit(run, fill(file, said)).verdicts == {}  # again: nothing new
    assert LABEL in run.labels("base")
    for model, known in before.items():
        assert np.array_equal(RunEvidence(run).tally(model).scored, known.scored)
    findings = pipeline.analyse_run(run)
    base, rl = (model.audit for model in findings.models)
    assert base is not None
    assert rl is not None
    assert (rl.without_valid, rl.open, rl.with_valid) == (0, 0, rl.audited)
    assert base.with_valid == 0
    assert base.false_accepts is not None
    assert base.false_accepts > 0
    assert rl.false_accepts == 0
    assert findings.agreements == ()
    said_of = " ".join(section_lines(findings))
    assert "Solved with a valid chain: " in said_of
    assert "Without the verifier's errors: " in said_of
    # What is known is filled in when it goes out again, and another verdict takes its place.
    again = pipeline.export_audit(run, max_correct=3)
    assert again.read == len(said)
    name = next(iter(said))
    changed = pipeline.read_audit(run, fill(again.file, {name: not said[name]}))
    assert sum(each["valid"] + each["invalid"] for each in changed.verdicts.values()) == 1


def test_the_command_exports_and_reads(run: RunStore, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = CliRunner().invoke(app, ["audit", str(run.folder), "--max-correct", "3", "--out", str(out), "--json"])
    figures = json.loads(done.stdout)
    assert (figures["command"], figures["ok"], figures["samples"]) == ("audit", True, len(lines(out)))
    read = CliRunner().invoke(app, ["audit", str(run.folder), "--read", str(out)])
    assert "Next: move37 report" in read.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not a JSON object"), ('{"item": "x", "valid": true}', "not of this run"), ("[1]", "not of this run")],
)
def test_a_file_that_is_not_of_the_audit_changes_nothing(
    run: RunStore, tmp_path: Path, text: str, message: str
) -> None:
    pipeline.export_audit(run, max_correct=3)
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        pipeline.read_audit(run, path)


def test_a_verdict_is_true_false_or_nothing(run: RunStore) -> None:
    file = pipeline.export_audit(run, max_correct=3).file
    bad = file.with_name("bad.jsonl")
    bad.write_text(json.dumps(lines(file)[0] | {"valid": 1}))
    with pytest.raises(InputError, match="true, false, or null"):
        pipeline.read_audit(run, bad)


def test_a_run_without_an_audit_says_how_to_begin_one(tmp_path: Path) -> None:
    store = judged_run(sums_study(tmp_path, n=2, problems=2), tmp_path / "run")
    with pytest.raises(InputError, match="move37 audit"):
        pipeline.read_audit(store, tmp_path / "x.jsonl")


# -- what it says ----------------------------------------------------------------------------------------------------


def test_the_bracket_holds_what_is_unread() -> None:
    counts = tally("m", [0, 1, 2, 3, 3, 9], 10)
    reading = AuditReading(
        3,
        {"p001": 1, "p002": 2, "p003": 3, "p004": 3},
        {"p001": [True], "p002": [False, False], "p003": [False]},
    )
    found = chain_audit(counts, reading)
    assert (found.solved, found.audited, found.with_valid, found.without_valid, found.open) == (5, 4, 1, 1, 2)
    assert found.solved_validly == (2, 4)
    assert (found.read, found.valid, found.unread) == (4, 1, 5)
    rejected = 10 + 9 + 8 + 7 + 7
    # First read: valid (weight 1), invalid (2), invalid (3): 5/6 of 9 accepted samples.
    assert found.false_accepts == pytest.approx(7.5 / (rejected + 7.5))
    assert found.lower < 7.5 / (rejected + 7.5) < found.upper


def test_the_four_way_table_with_valid_chains() -> None:
    base, rl = tally("base", [1, 1, 9, 0], 10), tally("rl", [1, 9, 0, 1], 10)
    of_base = AuditReading(3, {"p000": 1, "p001": 1}, {"p000": [False]})
    of_rl = AuditReading(3, {"p000": 1, "p003": 1}, {"p000": [True], "p003": [True]})
    table = valid_four_way(base, rl, of_base, of_rl)
    assert (table.both, table.base_only, table.rl_only, table.neither) == ((0, 1), (1, 1), (2, 3), (0, 0))


def test_the_share_of_false_accepts_is_unbiased_for_readers_that_stop_at_the_first_valid_one() -> None:
    """1,000 studies: wrong samples are accepted with chance .02, and a tenth of the problems is solved truly."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(1000):
        true = rng.binomial(64, np.where(rng.random(60) < 0.1, 0.02, 0.0))
        false = rng.binomial(64 - true, 0.02)
        counts = tally("m", (true + false).tolist(), 64)
        accepted, verdicts = {}, {}
        for problem, right, wrong in zip(counts.problem_ids, true.tolist(), false.tolist(), strict=True):
            if 1 <= right + wrong <= 64:
                accepted[problem] = right + wrong
                order = rng.permutation([True] * right + [False] * wrong).tolist()
                verdicts[problem] = order[: order.index(True) + 1] if True in order else order
        each = chain_audit(counts, AuditReading(64, accepted, verdicts))
        found.append(each.false_accepts)
    assert np.mean(found) == pytest.approx(0.02, abs=0.0005)


def test_curves_are_corrected_by_the_audit_and_else_by_the_calibration() -> None:
    base, rl = tally("base", [0, 1, 5, 20], 32), tally("rl", [0, 1, 9, 30], 32)
    audit = chain_audit(base, AuditReading(2, {"p001": 1}, {"p001": [False]}))
    calibrations = [("math@1", (50, 50), (1, 100))]
    of_base, of_rl = corrected_curves([base, rl], [audit], calibrations, 1, 0.95)
    assert (of_base.source, of_rl.source) == (AUDIT, CALIBRATION)
    f = audit.false_accepts
    assert f is not None
    failure = 1 - of_base.measured
    assert of_base.corrected == pytest.approx(np.clip(1 - failure / (1 - f) ** of_base.k, 0, 1), abs=1e-12)
    for each in (of_base, of_rl):
        assert (each.lower <= each.upper).all()
        assert (each.lower[:8] <= each.corrected[:8] + 1e-12).all()
    assert corrected_curves([base], [], [*calibrations, ("code@1", (1, 1), (0, 9))], 2, 0.95) == ()
    assert corrected_curves([replace(base, model="x")], [audit], [], 1, 0.95) == ()
