"""`move37 sample --until decided` and `move37 plan`, through the pipeline and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

from move37 import imports, pipeline
from move37.analyses.decision import decision_plan
from move37.config import load_study, parse_study
from move37.errors import ConfigError, InputError
from move37.estimates.anytime import Status
from move37.store import RunStore
from tests.studies import SHARED, judged_run, sums_study
from tests.test_bad_inputs import run

pytestmark = pytest.mark.usefixtures("kept_workers")

AIME = SHARED / "data" / "benchmarks" / "aime24.jsonl"


def study_of(folder: Path, base_accuracy: float, rl_accuracy: float, problems: int = 64) -> Path:
    """Models that solve a problem in 4 tries with very different chances, or with the same."""
    path = sums_study(folder, n=4, problems=problems)
    text = path.read_text()
    for old, new in (
        ("accuracy = 0.4", f"accuracy = {base_accuracy}"),
        ("accuracy = 0.7", f"accuracy = {rl_accuracy}"),
        ("spread = 0.4", "spread = 0.0"),
        ("spread = 0.9", "spread = 0.0"),
    ):
        text = text.replace(f"options.{old}", f"options.{new}")
    path.write_text(text)
    return path


def test_sampling_ends_when_it_is_clear_which_model_solves_more(tmp_path: Path) -> None:
    # Solved in 4 tries: .04 of the problems against .94. e(0, 7) = 26.8 >= 20: seven one way decide.
    store = pipeline.start_run(load_study(study_of(tmp_path, 0.01, 0.5)), tmp_path / "run")
    done = pipeline.sample_until_decided(store, block=8)
    decision = done.decision
    assert decision.status is Status.DECIDED
    assert decision.better == "rl"
    assert decision.rl_only >= 7
    assert decision.examined < 64
    assert done.sampled == {"base": 4 * decision.examined, "rl": 4 * decision.examined}
    assert json.loads((store.folder / "decision.json").read_text())["better"] == "rl"
    # It examined the first problems of the order that the seed gives, and nothing else.
    order = decision_plan([p.id for p in store.problems()], 4, store.study().seed).order
    assert set(store.samples("base").read()["problem_id"]) == set(order[: decision.examined])
    again = pipeline.sample_until_decided(store, block=8)
    assert again.decision == decision
    assert sum(again.sampled.values()) == 0
    with pytest.raises(ConfigError, match="was sampled until decided with n = 4 and alpha = 0.05; another question"):
        pipeline.sample_until_decided(store, alpha=0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_report_says_that_sampling_stopped_at_a_decision(tmp_path: Path) -> None:
    store = pipeline.start_run(load_study(study_of(tmp_path, 0.01, 0.5)), tmp_path / "run")
    decision = pipeline.sample_until_decided(store, block=8).decision
    findings = pipeline.analyse_run(store)
    assert findings.decision == decision
    assert any("sampled until it was decided" in warning for warning in findings.warnings)
    pipeline.report_run(store)
    assert "Decided: rl solves more" in (store.folder / "report.md").read_text()


@pytest.mark.slow
def test_equal_models_end_undecided_and_before_all_problems_where_that_is_futile(tmp_path: Path) -> None:
    store = pipeline.start_run(load_study(study_of(tmp_path, 0.99, 0.99, problems=16)), tmp_path / "run")
    decision = pipeline.sample_until_decided(store, block=4).decision
    assert decision.status is Status.UNDECIDABLE
    assert decision.better is None
    assert decision.examined == 12  # at the fourth block, 4 problems cannot bring 6 discordant ones


def test_until_decided_needs_exactly_two_models(tmp_path: Path) -> None:
    path = study_of(tmp_path, 0.4, 0.7)
    path.write_text(path.read_text() + '\n[models.third]\npath = "scripted"\nengine = "scripted"\n')
    store = pipeline.start_run(load_study(path), tmp_path / "run")
    with pytest.raises(InputError, match="compares two models that are sampled here, and this study has 3"):
        pipeline.sample_until_decided(store)


def test_the_command_prints_the_decision(tmp_path: Path) -> None:
    path = study_of(tmp_path, 0.01, 0.5)
    code, out, _ = run(["sample", str(path), "--out", str(tmp_path / "run"), "--until", "decided", "--json"])
    assert code == 0
    assert json.loads(out)["decision"]["status"] == "decided"
    code, _, error = run(["sample", str(path), "--out", str(tmp_path / "run"), "--until", "tired"])
    assert (code, error.strip()) == (2, "move37: --until: knows only 'decided', not 'tired'")


# -- planning ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not AIME.exists(), reason="needs the benchmark file")
def test_a_plan_says_before_spending_what_thirty_problems_cannot_show(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        f'name = "s"\nproblems = {{ benchmark = "aime24", path = "{AIME}" }}\nsampling.n = 1024\n'
        'models = { base = { path = "a/b" }, rl = { path = "a/c" } }\n'
    )
    code, out, _ = run(["plan", str(tmp_path / "s.toml"), "--tokens", "2000", "--token-budget", "5e7", "--json"])
    assert code == 0
    figures = json.loads(out)
    assert (figures["command"], figures["problems"], figures["n_max"]) == ("plan", 30, 1024)
    assert figures["rows"][0]["samples"] == pytest.approx(2 * 30 * 1024)
    assert figures["rows"][0]["tokens"] == pytest.approx(2 * 30 * 1024 * 2000)
    assert figures["rows"][0]["n_max_in_budget"] == 416  # 5e7 / (2 x 30 x 2000)
    code, out, _ = run(["plan", str(tmp_path / "s.toml")])
    assert "4-0 has p = 0.125" in " ".join(out.split())


@pytest.mark.slow
def test_a_pilot_gives_the_plan_its_law_and_its_lengths(tmp_path: Path) -> None:
    judged_run(sums_study(tmp_path, n=32, problems=12), tmp_path / "pilot")
    planned = pipeline.plan_study(load_study(sums_study(tmp_path, n=64, problems=12)), tmp_path / "pilot")
    pilot = pipeline.analyse_run(RunStore.open(tmp_path / "pilot"))
    # Up to k = 32 the fitted law repeats the pilot's own curves, and its lengths are the pilot's.
    at_8 = int(np.flatnonzero(planned.k == 8)[0])
    assert planned.base_pass_at_k[at_8] == pytest.approx(pilot.curves[0].pass_at_k[7], abs=0.03)
    assert planned.rl_pass_at_k[at_8] == pytest.approx(pilot.curves[1].pass_at_k[7], abs=0.03)
    fixed, lengths = planned.rows[0], [audit.mean_tokens for audit in pilot.audits]
    assert fixed.tokens == pytest.approx(12 * 64 * sum(length or 0 for length in lengths), rel=0.05)


@pytest.mark.slow
def test_a_pilot_with_one_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"id": "a", "c": 1, "n": 4}\n')
    imports.import_samples("counts", tmp_path / "c.jsonl", "base", "mine", tmp_path / "pilot")
    study = parse_study({"name": "s", "problems": {"benchmark": "reasoning-gym:chain_sum", "size": 5}}, "s")
    with pytest.raises(InputError, match="a pilot needs base and another model with verdicts, and has 1"):
        pipeline.plan_study(study, tmp_path / "pilot")
