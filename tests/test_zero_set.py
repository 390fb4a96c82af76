"""What base never solved is sampled anew: chosen once, resumed, never mixed in, and tested on fresh samples alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from move37 import pipeline
from move37.analyses.serialise import findings_json, load_findings
from move37.analyses.zero_set import zero_set_findings
from move37.cli import app
from move37.config import load_study
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.report.sections import section_lines
from move37.second_looks import unsolved, zero_set_tally
from move37.store import RunStore
from move37.zero_set import FILE, kept_zero_set
from tests.studies import judged_run, sums_study
from tests.test_analyses_gains_losses import tally

PLANS = {"fixed": "{ successes = 0 }", "stopped": "{ successes = 2, batch = 2 }"}


def a_run(folder: Path, stop: str = PLANS["fixed"]) -> RunStore:
    return judged_run(sums_study(folder, n=4, problems=14, stop=stop), folder / "run")


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS)
def test_every_model_gets_fresh_samples_of_what_base_never_solved_and_nothing_else_changes(
    tmp_path: Path, plan: str
) -> None:
    store = a_run(tmp_path, PLANS[plan])
    before = {model: RunEvidence(store).tally(model) for model in ("base", "rl")}
    without = findings_json(pipeline.analyse_run(store))
    never = unsolved(RunEvidence(store), "base", [problem.id for problem in store.problems()])
    assert 0 < len(never) < 14
    done = pipeline.sample_zero_set(store, 5)
    assert done.zero_set.problems == tuple(never)
    assert done.sampled == {"base": 5 * len(never), "rl": 5 * len(never)}
    evidence = RunEvidence(store)
    for model, known in before.items():
        now = evidence.tally(model)
        assert np.array_equal(now.scored, known.scored)
        fresh = zero_set_tally(evidence, model)
        assert fresh is not None
        assert fresh.problem_ids == tuple(sorted(never))
        assert (fresh.n + fresh.unscored == 5).all()
    findings = pipeline.analyse_run(store)
    after = findings_json(findings)
    assert after.pop("zero_set") is not None
    assert without.pop("zero_set") is None
    for named in ("curves", "comparisons", "models", "warnings", "audits"):
        assert after[named] == without[named], named
    assert "What base never solved, sampled again: base solved" in " ".join(section_lines(findings))
    assert load_findings(store.folder / "analyses.json").zero_set is not None


def test_the_choice_is_made_once_and_a_larger_number_goes_on_with_it(tmp_path: Path) -> None:
    store = a_run(tmp_path)
    first = pipeline.sample_zero_set(store, 3)
    # A regrading that turns every verdict changes what base solves, and not the zero set.
    again = pipeline.sample_zero_set(RunStore.open(store.folder), 3)
    assert (again.zero_set, again.sampled) == (first.zero_set, {})
    more = pipeline.sample_zero_set(store, 5)
    assert more.zero_set == replace(first.zero_set, n=5)
    assert more.sampled == {name: 2 * len(first.zero_set.problems) for name in ("base", "rl")}
    with pytest.raises(InputError, match="has 5 samples already"):
        pipeline.sample_zero_set(store, 4)


def test_samples_lost_in_a_crash_are_made_again(tmp_path: Path) -> None:
    store = a_run(tmp_path)
    done = pipeline.sample_zero_set(store, 4)
    whole = store.samples("rl").read().sort("problem_id", "index")
    store.samples("rl").drop(pl.col("index") >= 6)
    again = pipeline.sample_zero_set(store, 4)
    assert again.sampled == {"rl": 2 * len(done.zero_set.problems)}
    assert store.samples("rl").read().sort("problem_id", "index").select("text").equals(whole.select("text"))


def test_with_n_raised_later_the_same_samples_belong_to_both_and_every_problem_has_them(tmp_path: Path) -> None:
    store = a_run(tmp_path)
    chosen = pipeline.sample_zero_set(store, 2).zero_set
    path = tmp_path / "study.toml"
    path.write_text(path.read_text().replace("n = 4", "n = 6"))
    store = pipeline.start_run(load_study(path), store.folder)
    pipeline.sample_run(store, verify=True)
    evidence = RunEvidence(store)
    assert (evidence.fixed_tally("base").n + evidence.fixed_tally("base").unscored == 6).all()
    fresh = zero_set_tally(evidence, "base")
    assert fresh is not None
    assert (chosen.start, int((fresh.n + fresh.unscored).max())) == (4, 2)
    assert evidence.surplus("base") == 0


def test_base_needs_all_its_samples_first_and_something_unsolved(tmp_path: Path) -> None:
    store = pipeline.start_run(load_study(sums_study(tmp_path, n=4)), tmp_path / "run")
    with pytest.raises(InputError, match="when it has all"):
        pipeline.sample_zero_set(store, 2)
    assert kept_zero_set(store.folder) is None


def test_the_command(tmp_path: Path) -> None:
    store = a_run(tmp_path)
    done = CliRunner().invoke(app, ["sample", str(store.folder), "--zero-set", "2", "--json"])
    figures = json.loads(done.stdout)
    assert figures["zero_set"]["n"] == 2
    assert (store.folder / FILE).exists()
    both = CliRunner().invoke(app, ["sample", str(store.folder), "--zero-set", "2", "--until", "decided"])
    assert both.exit_code != 0


@pytest.mark.slow
def test_of_equal_models_neither_is_said_to_be_better_on_a_zero_set_chosen_by_one() -> None:
    """200 studies of 200 hard problems: what one model's 32 samples chose, both sample 32 times more."""
    rng = np.random.default_rng(3)
    claimed = 0
    for _ in range(200):
        p = rng.beta(0.2, 6, 200)
        zero = rng.binomial(32, p) == 0
        base, rl = (tally(name, rng.binomial(32, p[zero]).tolist(), 32) for name in ("base", "rl"))
        found = zero_set_findings(base, [rl], 32)
        (_, model) = found.models
        assert model.gained is not None
        assert model.lost is not None
        claimed += model.gained.shown or model.lost.shown
    assert claimed / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
