"""Early stopping from the study to the report: what is sampled, kept, tallied and shown under a plan."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from move37 import imports, pipeline
from move37.analyses.extrapolation import DifferenceAtK, Refusal
from move37.analyses.reliability import UNDER_ANY_PLAN
from move37.config import AnalysisConfig, StudyConfig, load_study, parse_study, resolved_json
from move37.counts import StoppedTally, StoppingPlan, Tally
from move37.errors import ConfigError, InputError
from move37.estimates.curtailed import stopped_pass_at_k
from move37.evidence import RunEvidence
from move37.report.words.extrapolation import at_k_sentence
from move37.stopping import CODES, apply_plan
from move37.store import RunStore
from move37.tallies import outcome_tables
from move37.types import Outcome
from tests.studies import SHARED, judged_run, sums_study

pytestmark = pytest.mark.usefixtures("kept_workers")

COUNTS = SHARED / "data" / "counts" / "deepscaler32k"
PLAN = "{ successes = 3, batch = 4 }"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunStore, RunStore]:
    """The same study sampled 40 times per problem, and under "3 correct or 40, looking every 4"."""
    stores = []
    for name, stop in (("fixed", "{ successes = 0 }"), ("stopped", PLAN)):
        folder = tmp_path_factory.mktemp(name)
        stores.append(judged_run(sums_study(folder, n=40, stop=stop), folder / "run"))
    return stores[0], stores[1]


def outcomes(store: RunStore, model: str) -> np.ndarray:
    label = next(iter(store.current_labels().values()))
    ids = sorted(problem.id for problem in store.problems())
    return outcome_tables([store.verdicts(label, model).read()], ids, 40)[0]


def test_a_stopped_run_is_a_prefix_of_the_fixed_one_that_ends_where_the_plan_says(
    both: tuple[RunStore, RunStore],
) -> None:
    fixed, stopped = both
    for model in ("base", "rl"):
        all_samples = fixed.samples(model).read().rows_by_key(("problem_id", "index"), unique=True)
        kept = stopped.samples(model).read().rows_by_key(("problem_id", "index"), unique=True)
        assert kept.items() <= all_samples.items()
        assert len(kept) < len(all_samples)
        # What the plan makes of all 40 outcomes is exactly what was sampled.
        stops = apply_plan(outcomes(fixed, model), StoppingPlan.until(3, 40, batch=4))
        tally = RunEvidence(stopped).tally(model)
        assert isinstance(tally, StoppedTally)
        assert tally.successes.tolist() == stops.successes.tolist()
        assert tally.trials.tolist() == stops.trials.tolist()
        assert stops.used.sum() == len(kept)
        assert not tally.surplus.any()


def test_the_same_run_again_owes_nothing(both: tuple[RunStore, RunStore]) -> None:
    assert pipeline.sample_run(both[1]).sampled == {}


def test_the_curves_of_both_runs_reach_the_same_k(both: tuple[RunStore, RunStore]) -> None:
    fixed, stopped = (pipeline.analyse_run(store) for store in both)
    assert len(stopped.curves[0].k) == len(fixed.curves[0].k) == 40
    assert stopped.curves[0].plan == "stop at 3 correct or at 40 samples, looking every 4"
    # At k = n_max an estimate is "was it ever solved", which stopping at a success does not change.
    for a, b in zip(stopped.curves, fixed.curves, strict=True):
        assert a.pass_at_k[-1] == b.pass_at_k[-1]
    ours, theirs = stopped.comparisons[0].solvable, fixed.comparisons[0].solvable
    assert (ours.both, ours.base_only, ours.rl_only) == (theirs.both, theirs.base_only, theirs.rl_only)


def test_what_needs_a_fixed_n_is_made_of_the_samples_before_the_first_look(both: tuple[RunStore, RunStore]) -> None:
    fixed, stopped = both
    first = RunEvidence(stopped).fixed_tally("base", 4)
    assert set(first.n.tolist()) == {4}
    assert first.correct.tolist() == (outcomes(fixed, "base")[:, :4] == CODES[Outcome.CORRECT]).sum(axis=1).tolist()
    findings = pipeline.analyse_run(stopped)
    rows = findings.models[0].reliability
    assert {row.first for row in rows if row.measure in UNDER_ANY_PLAN} == {None}
    early = [row for row in rows if row.measure not in UNDER_ANY_PLAN]
    assert {(row.first, row.estimate.n) for row in early} == {(4, (4, 4))}
    audit = findings.audits[0]
    assert audit.first_look is not None
    assert (audit.first, audit.first_look.correct, audit.first_look.samples) == (4, first.correct.sum(), first.n.sum())
    assert audit.accuracy == findings.curves[0].pass_at_k[0]  # pass@1 has one estimator, that of the plan


@pytest.mark.slow
def test_a_run_killed_between_rounds_goes_on_to_the_same_samples(
    tmp_path: Path, both: tuple[RunStore, RunStore]
) -> None:
    store = pipeline.start_run(load_study(sums_study(tmp_path, n=40, stop=PLAN)), tmp_path / "run")
    whole = both[1].samples("base").read()
    # As if the process had died with an odd part of the samples on disk and none of them verified.
    store.samples("base").append(whole.sample(fraction=0.37, seed=1))
    pipeline.sample_run(store)
    order = ["problem_id", "index"]
    assert store.samples("base").read().sort(order).equals(whole.sort(order))


@pytest.mark.slow
def test_samples_beyond_the_stopping_point_are_kept_and_not_used(
    tmp_path: Path, both: tuple[RunStore, RunStore]
) -> None:
    store = pipeline.start_run(load_study(sums_study(tmp_path, n=40, stop=PLAN)), tmp_path / "run")
    store.samples("base").append(both[0].samples("base").read())  # all 40 are there already
    pipeline.sample_run(store)
    surplus, lean = RunEvidence(store).tally("base"), RunEvidence(both[1]).tally("base")
    assert isinstance(surplus, StoppedTally)
    assert isinstance(lean, StoppedTally)
    assert surplus.surplus.sum() == 240 - lean.trials.sum()
    np.testing.assert_array_equal(stopped_pass_at_k(surplus), stopped_pass_at_k(lean))


def test_a_problem_short_of_its_stopping_point_is_refused_with_what_to_do(
    tmp_path: Path, both: tuple[RunStore, RunStore]
) -> None:
    store = pipeline.start_run(load_study(sums_study(tmp_path, n=40, stop=PLAN)), tmp_path / "run")
    store.samples("base").append(both[1].samples("base").read().filter(pl.col("index") != 2))
    pipeline.verify_run(store)
    with pytest.raises(InputError, match=r"base: 6 of 6 problems have not reached .* run `move37 sample .*run`"):
        RunEvidence(store).tally("base")


def test_a_plan_cannot_change_within_a_run(tmp_path: Path, both: tuple[RunStore, RunStore]) -> None:
    other = load_study(sums_study(tmp_path, n=40, stop="{ successes = 2, batch = 4 }"))
    with pytest.raises(ConfigError, match=r"sampling\.stop: differs"):
        pipeline.start_run(other, both[1].folder)


def test_a_token_budget_lowers_n_before_anything_is_sampled(tmp_path: Path) -> None:
    # 6 problems x 2 models x 200 tokens: 2,400 tokens buy one sample each, 50,000 buy 20.
    path = sums_study(tmp_path, n=64, stop="{ successes = 0 }")
    text = path.read_text()
    path.write_text(text.replace("n = 64", "n = 64\ntoken_budget = 50_000"))
    store = pipeline.start_run(load_study(path), tmp_path / "run")
    assert store.study().sampling.n == 20
    path.write_text(text.replace("n = 64", "n = 64\ntoken_budget = 50_000\ntokens_per_sample = 100"))
    assert pipeline.start_run(load_study(path), tmp_path / "other").study().sampling.n == 41
    path.write_text(text.replace("n = 64", "n = 64\ntoken_budget = 2000"))
    with pytest.raises(ConfigError, match=r"token_budget: 2000 tokens do not pay .* that takes 2400"):
        pipeline.start_run(load_study(path), tmp_path / "third")


def test_a_written_plan_is_read_back_as_it_was() -> None:
    study = parse_study(
        {"name": "s", "problems": {"benchmark": "aime24"}, "sampling": {"n": 64, "stop": {"looks": [16]}}}, "x"
    )
    assert parse_study(json.loads(resolved_json(study)), "config.json") == study


def test_new_studies_stop_at_eight_looking_every_sixteen() -> None:
    assert plan_of(n=256) == StoppingPlan.until(8, 256, batch=16)
    assert plan_of(n=1024, stop={"successes": 4, "batch": 64}) == StoppingPlan.until(4, 1024, batch=64)
    assert plan_of(n=16).is_fixed
    assert plan_of(n=256, stop={"successes": 0}) == StoppingPlan((256,), 1)
    # Two stages: 128 for all, and on to 1024 for those below 8.
    assert plan_of(n=1024, stop={"successes": 8, "looks": [128]}) == StoppingPlan((128, 1024), 8)
    assert plan_of(n=64, stop={"successes": [8, 2], "looks": [16, 32]}) == StoppingPlan((16, 32, 64), (8, 2))


@pytest.mark.parametrize(
    ("stop", "line"),
    [
        ({"successes": -1}, "sampling.stop: successes: must be at least 1, or the single number 0 for a fixed n"),
        ({"looks": [4], "batch": 5}, "sampling.stop: batch: give looks or batch, not both"),
        ({"looks": [8, 8]}, "sampling.stop: looks: must rise, the first at 1 sample or later"),
        ({"looks": [8, 40]}, "sampling: stop.looks: the last, 40, must be below n = 32"),
        ({"successes": [3, 2], "looks": [8]}, "sampling.stop: successes: 2 thresholds for 1 looks; give one for each"),
        ({"sucesses": 3}, "sampling.stop.sucesses: unknown key; did you mean 'successes'?"),
    ],
)
def test_impossible_plans_are_refused_with_the_key(stop: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(n=32, stop=stop)
    assert str(caught.value) == f"study.toml: {line}"


def plan_of(**sampling: object) -> StoppingPlan:
    study: StudyConfig = parse_study(
        {"name": "s", "problems": {"benchmark": "aime24"}, "sampling": sampling}, "study.toml"
    )
    return study.sampling.plan()


@pytest.mark.slow
@pytest.mark.skipif(not COUNTS.exists(), reason="needs the published counts")
@pytest.mark.usefixtures("undrawn")
def test_compare_takes_counts_that_say_how_they_were_stopped(tmp_path: Path) -> None:
    """The published counts, each problem's 128 outcomes put in a random order and stopped at the 8th success.

    The first-loss set of all samples is [11, 61]; stopped ones give a lower end of 10 to 12 and an upper of 60 to 66
    in all but a few of 200 replays (bench/replay.py), and this seed is one of the others' majority.
    """
    rng = np.random.default_rng(5)
    plan = StoppingPlan.until(8, 128)
    used = 0
    for model in ("base", "rl"):
        rows = [json.loads(line) for line in (COUNTS / f"{model}.jsonl").read_text().splitlines()]
        table = np.array([np.arange(128) < row["c"] for row in rows], dtype=np.int8)
        stops = apply_plan(rng.permuted(table, axis=1), plan)
        used += int(stops.used.sum())
        stopped = [
            {"id": row["id"], "c": int(c), "n": int(n), "stop_successes": 8, "n_max": 128}
            for row, c, n in zip(rows, stops.successes, stops.trials, strict=True)
        ]
        (tmp_path / f"{model}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stopped))
    findings = pipeline.compare_counts(
        tmp_path / "base.jsonl", tmp_path / "rl.jsonl", AnalysisConfig(), tmp_path / "out"
    ).findings
    base, rl = findings.curves
    assert used < 0.3 * 2 * 1060 * 128
    assert base.pass_at_k[127] == pytest.approx(0.89057, abs=1e-5)  # at k = n nothing is lost
    assert rl.pass_at_k[127] == pytest.approx(0.87075, abs=1e-5)
    assert base.pass_at_k[0] == pytest.approx(0.60411, abs=0.01)
    (first, last) = findings.comparisons[0].difference.first_loss_set
    assert 9 <= first <= 13
    assert last is not None
    assert 58 <= last <= 67
    table = findings.comparisons[0].solvable
    assert (table.both, table.base_only, table.rl_only, table.neither) == (911, 33, 12, 104)
    assert "stop at 8 correct or at 128 samples" in (tmp_path / "out" / "report.html").read_text()


def test_stopped_counts_in_a_run_keep_their_plan(tmp_path: Path) -> None:
    rows = [{"id": f"p{i}", "c": 2, "n": 3 + i, "stop_successes": 2, "n_max": 8} for i in range(4)]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    imports.import_samples("counts", tmp_path / "c.jsonl", "base", "mine", tmp_path / "run")
    tally = RunEvidence(RunStore.open(tmp_path / "run")).tally("base")
    assert isinstance(tally, StoppedTally)
    assert tally.plan == StoppingPlan(tuple(range(1, 9)), 2)
    assert tally.went_on.tolist() == [2, 3, 4, 5]


def test_a_fixed_and_a_stopped_model_can_be_compared(tmp_path: Path) -> None:
    # Both solve p0 in 8 tries; p1 is solved by the stopped model alone.
    (tmp_path / "base.jsonl").write_text('{"id": "p0", "c": 4, "n": 8}\n{"id": "p1", "c": 0, "n": 8}\n')
    stopped = [{"id": "p0", "c": 1, "n": 2}, {"id": "p1", "c": 1, "n": 5}]
    rows = (json.dumps(row | {"stop_successes": 1, "n_max": 8}) + "\n" for row in stopped)
    (tmp_path / "rl.jsonl").write_text("".join(rows))
    quick = AnalysisConfig(draws=1000)
    findings = pipeline.compare_counts(tmp_path / "base.jsonl", tmp_path / "rl.jsonl", quick).findings
    table = findings.comparisons[0].solvable
    assert (table.k, table.both, table.base_only, table.rl_only, table.neither) == (8, 1, 0, 1, 0)
    assert isinstance(findings.comparisons[0].difference.band.mean[7], float)


def test_the_tally_of_a_fixed_plan_is_an_ordinary_one(both: tuple[RunStore, RunStore]) -> None:
    assert isinstance(RunEvidence(both[0]).tally("base"), Tally)


@pytest.mark.slow
@pytest.mark.skipif(not COUNTS.exists(), reason="needs the published counts")
def test_a_claim_beyond_twice_n_is_refused_with_bounds() -> None:
    settings = AnalysisConfig(draws=1000)
    within = pipeline.compare_counts(COUNTS / "base.jsonl", COUNTS / "rl.jsonl", settings, at_k=256).at_k
    assert isinstance(within, DifferenceAtK)
    assert within.extrapolated
    assert within.lower < within.value < within.upper < 0
    beyond = pipeline.compare_counts(COUNTS / "base.jsonl", COUNTS / "rl.jsonl", settings, at_k=1024).at_k
    assert isinstance(beyond, Refusal)
    assert beyond.lower < 0 < beyond.upper
    assert at_k_sentence(beyond).text.startswith("No claim at k = 1024: k = 1024 is more than 2 times the 128 samples")


@pytest.mark.slow
def test_clusters_and_strata_of_a_study_come_from_the_problems_tags(tmp_path: Path) -> None:
    path = sums_study(tmp_path, n=8, problems=12)
    rows = [json.loads(line) for line in (tmp_path / "sums.jsonl").read_text().splitlines()]
    tagged = [row | {"level": str(i % 2), "twin": f"t{i // 2}"} for i, row in enumerate(rows)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tagged))
    text = path.read_text().replace('path = "sums.jsonl"', 'path = "sums.jsonl"\nfields.tags = ["level", "twin"]')
    path.write_text(text.replace("[analysis]", '[analysis]\nstrata = ["level"]\nclusters = "twin"'))
    findings = pipeline.analyse_run(judged_run(path, tmp_path / "run"))
    (strata,) = findings.pairs[0].strata
    assert {each.name: each.problems for each in strata.strata} == {"0": 6, "1": 6}
    path.write_text(text)
    alone = pipeline.start_run(load_study(path), tmp_path / "run")
    assert not np.array_equal(
        pipeline.analyse_run(alone).comparisons[0].difference.band.standard_error,
        findings.comparisons[0].difference.band.standard_error,
    )


@pytest.mark.slow
def test_runs_of_one_algorithm_are_analysed_over_their_training_seeds(tmp_path: Path) -> None:
    path = sums_study(tmp_path, n=8, problems=12)
    before, rl, after = path.read_text().partition("[models.rl]")[0], "", "[analysis]\ndraws = 2000\nbeyond = false\n"
    for name in ("rl", "rl2"):
        rl += f'[models.{name}]\npath = "scripted"\nengine = "scripted"\nalgorithm = "grpo"\n'
    text = before + rl + after
    path.write_text(text)
    findings = pipeline.analyse_run(judged_run(path, tmp_path / "run"))
    (seeds,) = findings.seeds
    assert (seeds.algorithm, seeds.runs) == ("grpo", ("rl", "rl2"))
    assert findings.family is not None
    assert [member.rl for member in findings.family.members] == ["rl", "rl2"]


@pytest.mark.slow
def test_models_of_very_different_lengths_have_no_common_budget_and_cut_problems_are_left_out(tmp_path: Path) -> None:
    # rl's answers are cut at 200 tokens while base's take a few: one sample of rl costs more than two of base.
    path = sums_study(tmp_path, n=2)
    text = path.read_text()
    path.write_text(text.replace('path = "scripted RL"', 'path = "scripted RL"\noptions.length = 400'))
    findings = pipeline.analyse_run(judged_run(path, tmp_path / "run"))
    assert findings.pairs[0].tokens is None
    assert findings.models[1].finished is None or findings.models[1].finished.left_out
