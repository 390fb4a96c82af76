"""The whole flow on real files, with the scripted engine: what a user gets, and what happens when it is interrupted."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import numpy as np
import polars as pl
import pytest

from move37 import imports, pipeline
from move37.analyses.details import ModelData
from move37.analyses.findings import find
from move37.config import AnalysisConfig, ProblemsConfig, from_options, load_study
from move37.counts import Tally
from move37.engines import ENGINES
from move37.errors import ConfigError, InputError, StoreError, UnknownNameError
from move37.estimates.settings import BandSettings
from move37.evidence import RunEvidence
from move37.progress import Silent
from move37.report import summary_sentences
from move37.store import RunStore
from tests.studies import SHARED, sums_study, write_problems
from tests.undrawn import nothing_drawn

pytestmark = pytest.mark.usefixtures("kept_workers")

QUICK = AnalysisConfig(draws=2000)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with nothing_drawn():
        pipeline.run_study(load_study(sums_study(folder)), folder / "run")
    return folder / "run"


def content(run: Path) -> dict[str, list[tuple]]:
    """Everything that a run holds, sorted: samples and verdicts by file set."""
    found = {}
    for folder in sorted({path.parent for path in run.rglob("part-*.parquet")}):
        frame = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("part-*"))])
        found[str(folder.relative_to(run))] = sorted(frame.rows())
    return found


class TestStudy:
    def test_a_run_folder_holds_what_the_design_says(self, finished: Path) -> None:
        there = {str(path.relative_to(finished)) for path in finished.rglob("*")}
        assert {
            "config.json",
            "problems.parquet",
            "analyses.json",
            "report.html",
            "report.md",
            "log.jsonl",
            "models/base/identity.json",
            "models/rl/prompts.parquet",
        } <= there
        assert {name.split("/")[0] for name in there} >= {"samples", "verdicts", "figures", "tables"}

    def test_every_sample_is_there_once_with_its_verdict(self, finished: Path) -> None:
        store = RunStore.open(finished)
        for model in ("base", "rl"):
            assert store.owed(model, [p.id for p in store.problems()], store.study().sampling.plan()) == {}
            tally = RunEvidence(store).tally(model)
            assert isinstance(tally, Tally)
            assert tally.n.tolist() == [8] * 6
            assert tally.unscored.sum() == 0

    def test_verdicts_are_the_truth_that_the_scripted_engine_plays(self, finished: Path) -> None:
        store = RunStore.open(finished)
        right = {problem.id: problem.references[0] for problem in store.problems()}
        (label,) = (label for label in store.labels("base") if label.startswith("math@"))
        judged = (
            store.verdicts(label, "base")
            .read()
            .join(store.samples("base").read(["problem_id", "index", "text"]), on=["problem_id", "index"])
        )
        assert judged.height == 48
        for row in judged.rows(named=True):
            is_right = f"\\boxed{{{right[row['problem_id']]}}}" in row["text"]
            assert row["outcome"] == ("correct" if is_right else "incorrect"), row

    @pytest.mark.slow
    @pytest.mark.usefixtures("undrawn")
    def test_running_again_changes_nothing(self, finished: Path) -> None:
        before = content(finished)
        done = pipeline.run_study(RunStore.open(finished).study(), finished)
        assert done.sampled.sampled == {}
        assert done.verified.verified == {"base": {}, "rl": {}}
        assert content(finished) == before

    def test_analyses_json_holds_valid_json_without_nan(self, finished: Path) -> None:
        text = (finished / "analyses.json").read_text()
        assert "NaN" not in text
        found = json.loads(text)
        assert len(found["comparisons"]) == 1

    def test_more_samples_keep_the_old_ones(self, tmp_path: Path) -> None:
        study = load_study(sums_study(tmp_path, n=4))
        store = pipeline.start_run(study, tmp_path / "run")
        pipeline.sample_run(store)
        before = content(tmp_path / "run")["samples/base"]
        store.adopt(study.model_copy(update={"sampling": study.sampling.model_copy(update={"n": 8})}))
        assert pipeline.sample_run(store).sampled == {"base": 24, "rl": 24}
        assert set(before) < set(content(tmp_path / "run")["samples/base"])

    def test_two_halves_pooled_equal_the_whole(self, tmp_path: Path, finished: Path) -> None:
        # The seed of a sample is its key, so another machine makes the very same sample.
        study = load_study(sums_study(tmp_path))
        for name, n in (("a", 3), ("b", 8)):
            smaller = study.model_copy(update={"sampling": study.sampling.model_copy(update={"n": n})})
            pipeline.sample_run(pipeline.start_run(smaller, tmp_path / name))
        assert imports.pool_runs(tmp_path / "a", [tmp_path / "b"]).added == {"base": 30, "rl": 30}
        whole, pooled = content(finished), content(tmp_path / "a")
        assert pooled["samples/base"] == whole["samples/base"]
        assert pooled["samples/rl"] == whole["samples/rl"]

    def test_runs_with_another_seed_cannot_be_pooled(self, tmp_path: Path) -> None:
        study = load_study(sums_study(tmp_path))
        for name, seed in (("a", 3), ("b", 4)):
            pipeline.sample_run(pipeline.start_run(study.model_copy(update={"seed": seed}), tmp_path / name))
        with pytest.raises(ConfigError, match="seed: the runs were made with different values; they cannot be pooled"):
            imports.pool_runs(tmp_path / "a", [tmp_path / "b"])

    def test_regrading_leaves_the_old_verdicts_and_changes_the_tally(self, tmp_path: Path, finished: Path) -> None:
        store = pipeline.start_run(load_study(sums_study(tmp_path)), tmp_path / "run")
        pipeline.sample_run(store)
        pipeline.verify_run(store)
        before = content(store.folder)
        pipeline.verify_run(store, verifier="exact")
        after = content(store.folder)
        assert before.items() <= after.items()
        assert any(folder.startswith("verdicts/exact@") for folder in after)
        assert all(label.startswith("exact@") for label in store.current_labels().values())

    def test_two_verifiers_are_compared_sample_by_sample(self, tmp_path: Path) -> None:
        # Right answers are numbers, which `choice` does not take for letters: it calls every sample wrong.
        store = pipeline.start_run(load_study(sums_study(tmp_path)), tmp_path / "run")
        pipeline.sample_run(store)
        compared = pipeline.compare_verifiers(store, "math", "choice")
        right = int(RunEvidence(store).fixed_tally("base").correct.sum())
        assert right > 0
        found = compared.models["base"]
        assert (found.samples, len(found.disagreements)) == (48, right)
        assert found.pass_at_1 == (pytest.approx(right / 48), 0.0)
        (agreement, _) = pipeline.analyse_run(store).agreements  # the report shows it too
        assert agreement.pass_at_k is not None
        assert (agreement.other.partition("@")[0], agreement.k, agreement.pass_at_k[1]) == ("choice", 8, 0.0)
        assert {(row.ours, row.theirs) for row in found.disagreements} == {("correct", "incorrect")}
        assert [label.partition("@")[0] for label in compared.verifiers] == ["math", "choice"]
        assert store.current_labels()["math"].startswith("math@")

    @pytest.mark.slow
    @pytest.mark.usefixtures("undrawn")
    def test_the_analysis_of_one_model_alone_has_no_comparison(self, tmp_path: Path) -> None:
        path = sums_study(tmp_path)
        path.write_text(path.read_text().split("[models.rl]")[0])
        pipeline.run_study(load_study(path), tmp_path / "run")
        findings = pipeline.analyse_run(RunStore.open(tmp_path / "run"))
        assert [curve.model for curve in findings.curves] == ["base"]
        assert findings.comparisons == ()

    def test_truncated_samples_are_counted(self, tmp_path: Path) -> None:
        path = sums_study(tmp_path, truncated=0.5)
        store = pipeline.start_run(load_study(path), tmp_path / "run")
        pipeline.sample_run(store)
        pipeline.verify_run(store)
        finish = store.samples("base").read(["finish_reason"]).to_series().to_list()
        # 48 samples, each cut off with probability 1/2: P(none or all) < 1e-14.
        assert 0 < finish.count("length") < 48
        assert RunEvidence(store).tally("base").truncated.sum() == finish.count("length")

    def test_unknown_names_are_refused_before_anything_is_made(self, tmp_path: Path) -> None:
        study = load_study(sums_study(tmp_path))
        wrong = study.model_copy(update={"sampling": study.sampling.model_copy(update={"template": "qwen"})})
        with pytest.raises(UnknownNameError, match="unknown template 'qwen'"):
            pipeline.start_run(wrong, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_nothing_to_analyse_says_what_to_run(self, tmp_path: Path) -> None:
        store = pipeline.start_run(load_study(sums_study(tmp_path)), tmp_path / "run")
        with pytest.raises(InputError, match="no samples or counts yet; run `move37 sample"):
            pipeline.analyse_run(store)


class EndsAtTheFirstVerdict(Silent):
    """Ends the run, as a user would, as soon as a verdict is on the disk while a model is still being sampled."""

    def __init__(self, run: Path) -> None:
        self.run = run

    @contextmanager
    def track(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        def advance(done: int) -> None:
            if label == "Sampling base" and any(self.run.glob("verdicts/*/base/part-*")):
                raise KeyboardInterrupt

        yield advance


@pytest.mark.slow
def test_samples_are_judged_while_the_next_ones_are_made(tmp_path: Path) -> None:
    # 6 problems x 10,000 samples at 2 ms: two minutes, unless verdicts come before the sampling is over.
    study = load_study(sums_study(tmp_path, n=10_000, delay_seconds=0.002))
    with pytest.raises(KeyboardInterrupt):
        pipeline.run_study(study, tmp_path / "run", EndsAtTheFirstVerdict(tmp_path / "run"))

    found = content(tmp_path / "run")
    samples = {row[:2] for row in found.pop("samples/base")}
    ((folder, verdicts),) = found.items()
    assert folder.startswith("verdicts/math@")
    assert 0 < len(verdicts) <= len(samples) < 60_000
    assert {row[:2] for row in verdicts} <= samples  # no verdict on a sample that was lost


class TestImports:
    def rows(self, path: Path, right: int, n: int = 4) -> Path:
        rows = [
            {"idx": i, "question": f"What is {i} + 1?", "gt": str(i + 1), "score": [j < right for j in range(n)]}
            | {"code": [f"So \\boxed{{{i + 1 if j < right else 99}}}." for j in range(n)]}
            for i in range(5)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    @pytest.mark.slow
    @pytest.mark.usefixtures("undrawn")
    def test_two_models_imported_separately_are_compared(self, tmp_path: Path) -> None:
        run = tmp_path / "run"
        for model, right in (("base", 1), ("rl", 3)):
            path = self.rows(tmp_path / f"{model}.jsonl", right)
            done = imports.import_samples("paper", path, model, "math500", run)
            assert (done.problems, done.samples) == (5, 20)
        store = RunStore.open(run)
        pipeline.verify_run(store)
        pipeline.report_run(store)
        findings = pipeline.analyse_run(store)
        assert findings.comparisons[0].difference.band.mean[0] == pytest.approx(0.5)  # 3/4 - 1/4
        assert [a.agree for a in findings.agreements] == [20, 20]

    def test_importing_the_same_file_again_adds_nothing(self, tmp_path: Path) -> None:
        path = self.rows(tmp_path / "base.jsonl", 2)
        assert imports.import_samples("paper", path, "base", "math500", tmp_path / "run").samples == 20
        assert imports.import_samples("paper", path, "base", "math500", tmp_path / "run").samples == 0

    def test_other_samples_under_a_known_name_are_refused(self, tmp_path: Path) -> None:
        first, second = self.rows(tmp_path / "a.jsonl", 2), self.rows(tmp_path / "b.jsonl", 3)
        imports.import_samples("paper", first, "base", "math500", tmp_path / "run")
        with pytest.raises(InputError, match="there is a model 'base' already; import this one under another name"):
            imports.import_samples("paper", second, "base", "math500", tmp_path / "run")
        self.rows(tmp_path / "a.jsonl", 3)  # the same file name, rewritten
        with pytest.raises(StoreError, match="samples of 'base' differ"):
            imports.import_samples("paper", first, "base", "math500", tmp_path / "run")

    @pytest.mark.slow
    @pytest.mark.usefixtures("undrawn")
    def test_counts_are_analysed_without_samples(self, tmp_path: Path) -> None:
        for model, c in (("base", 2), ("rl", 6)):
            path = tmp_path / f"{model}.jsonl"
            path.write_text("".join(json.dumps({"id": f"p{i}", "c": c + i % 2, "n": 8}) + "\n" for i in range(6)))
            imports.import_samples("counts", path, model, "math500", tmp_path / "run")
        pipeline.report_run(RunStore.open(tmp_path / "run"))
        findings = pipeline.analyse_run(RunStore.open(tmp_path / "run"))
        assert findings.comparisons[0].difference.band.mean[0] == pytest.approx(0.5)  # 6.5/8 - 2.5/8

    @pytest.mark.slow
    def test_compare_writes_a_report_where_it_is_told(self, tmp_path: Path) -> None:
        for model, c in (("base", 2), ("rl", 6)):
            rows = "".join(json.dumps({"id": f"p{i}", "c": c + i % 2, "n": 8}) + "\n" for i in range(6))
            (tmp_path / f"{model}.jsonl").write_text(rows)
        done = pipeline.compare_counts(tmp_path / "base.jsonl", tmp_path / "rl.jsonl", QUICK, tmp_path / "out")
        assert (tmp_path / "out" / "report.html").is_file()
        assert (tmp_path / "out" / "analyses.json").is_file()
        assert done.report == tmp_path / "out" / "report.html"
        assert done.findings.curves[0].problems == 6


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data beside the project")
def test_the_papers_sample_file_agrees_with_its_own_scores_but_where_ours_are_right(tmp_path: Path) -> None:
    path = SHARED / "data" / "samples" / "qwen_math_cot_100x8.jsonl"
    imports.import_samples("paper", path, "qwen", "math500", tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    pipeline.verify_run(store)
    (agreement,) = pipeline.analyse_run(store).agreements
    assert agreement.samples == 800
    # Eight responses say 4:30 p.m. and the reference is \text{4:30 p.m.}; one says 10000 for 10,000.
    assert agreement.agree == 791
    assert {case.reference for case in agreement.disagreements} == {"\\text{4:30 p.m.}", "10{,}000"}


def test_validate_names_the_references_that_fail(tmp_path: Path) -> None:
    found = pipeline.validate_benchmark(ProblemsConfig(benchmark="jsonl", path=write_problems(tmp_path)))
    assert (found.problems, found.references, found.failures) == (6, 6, ())


def test_a_problem_that_the_instrument_failed_on_is_left_out_for_every_model_and_named() -> None:
    three = np.array([1, 2, 3])
    zero = np.zeros(3, dtype=np.int64)
    ids = ("a", "b", "c")
    base = Tally("base", ids, three, 4 - three, zero, zero)
    kept = np.array([1, 0, 1])
    rl = Tally("rl", ids, three * kept, (4 - three) * kept, 4 * (1 - kept), zero)
    findings = find([ModelData(base), ModelData(rl)], BandSettings(draws=2000))
    assert [curve.problems for curve in findings.curves] == [2, 2]
    assert findings.curves[0].pass_at_k[0] == pytest.approx(0.5)  # a: 1/4, c: 3/4
    assert findings.warnings[0].startswith("1 problem (b) left out for every model")
    assert findings.audits[1].unscored == 4  # the audit still counts them


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="torch has its threads from GNU's OpenMP on Linux alone")
@pytest.mark.parametrize("way", ["a command", "train() from Python"])
@pytest.mark.parametrize(("given", "spins"), [({}, "2000"), ({"GOMP_SPINCOUNT": "70"}, "70")])
def test_idle_threads_sleep_soon_in_commands_and_in_training_unless_the_user_says_otherwise(
    given: dict[str, str], spins: str, way: str
) -> None:
    """OpenMP itself says what it goes by when it is loaded, which is after a command or the import has begun. Here it
    is loaded where torch would be: torch brings it, and takes seconds for all else."""
    places = Path(pytest.importorskip("torch").__file__).parents[1]
    openmp = [*places.glob("torch/lib/libgomp*"), *places.glob("torch.libs/libgomp*")]
    if not openmp:
        pytest.skip("this build of torch brings no OpenMP of GNU's")
    stops_at_torch = f"""
        import ctypes, sys
        class Torch:
            def find_spec(self, name, *_):
                if name == "torch":
                    ctypes.CDLL({str(openmp[0])!r})
                    raise SystemExit
        sys.meta_path.insert(0, Torch())
    """
    code = "sys.argv = ['move37', 'list', 'engines']\nfrom move37.cli import main\ntry: main()\n"
    code += "except SystemExit: import torch"
    if way != "a command":
        code = "from move37.training.loop import train"
    code = dedent(stops_at_torch) + code
    known = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    environment = {**known, **given, "OMP_DISPLAY_ENV": "VERBOSE"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_target_of_a_study_reaches_its_findings_and_its_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 0.7, 60)
    for name, chance in (("base", p), ("rl", np.sqrt(p))):
        rows = [{"id": f"p{i}", "c": int(c), "n": 64} for i, c in enumerate(rng.binomial(64, chance))]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    counts = tmp_path / "base.jsonl", tmp_path / "rl.jsonl"
    found = pipeline.compare_counts(*counts, AnalysisConfig(draws=2000, target="benchmark"), tmp_path / "out")
    (comparison,) = found.findings.comparisons
    assert comparison.difference.target == comparison.sampling_gap.target == "benchmark"
    assert {curve.target for curve in found.findings.curves} == {"benchmark"}
    written = json.loads((tmp_path / "out" / "analyses.json").read_text())
    assert written["comparisons"][0]["difference"]["target"] == "benchmark"
    said = " ".join(summary_sentences(found.findings))
    assert "for 1 to 8 tries at once, with 95% confidence, for fresh samples of these problems." in said
    assert "can be told only up to 8 tries" in said
    page = (tmp_path / "out" / "report.md").read_text()
    assert "simultaneous 95% band for these problems" in page
    with pytest.raises(ConfigError, match="target"):
        from_options(AnalysisConfig, target="these")


def test_models_without_samples_or_verdicts_are_named_and_what_to_do(tmp_path: Path) -> None:
    study = load_study(sums_study(tmp_path))
    store = pipeline.start_run(study, tmp_path / "run")
    pipeline.sample_run(store, verify=True)
    for part in (tmp_path / "run").glob("verdicts/*/rl/part-*"):
        whole = pl.read_parquet(part)
        whole.filter(pl.col("problem_id") != whole["problem_id"][0]).write_parquet(part)
    with pytest.raises(InputError, match=r"8 samples of 'rl' have no verdict yet, on 1 problem .*; run `move37 verify"):
        pipeline.findings_of(RunStore.open(tmp_path / "run"))
    for part in (tmp_path / "run").glob("*/**/rl/part-*"):
        part.unlink()
        part.parent.rmdir()
    said = pipeline.findings_of(RunStore.open(tmp_path / "run")).warnings
    named = "rl: in the study, without samples or counts: left out of this report; run `move37 sample"
    assert any(warning.startswith(named) for warning in said)


def test_models_with_a_base_of_their_own_have_a_report_of_their_own(tmp_path: Path) -> None:
    study = sums_study(tmp_path)
    more = "".join(
        f'[models.{name}]\npath = "{name}"\nengine = "scripted"\noptions.accuracy = {share}\n{base}'
        for name, share, base in (("base-7b", 0.5, ""), ("rl-7b", 0.9, 'base = "base-7b"\n'))
    )
    study.write_text(study.read_text() + more)
    with nothing_drawn():
        done = pipeline.run_study(load_study(study), tmp_path / "run").reported
    [other] = done.others
    assert (done.report, other.report) == (
        tmp_path / "run/report.html",
        tmp_path / "run/against-base-7b/report.html",
    )
    for report, models in ((done, ["base", "rl"]), (other, ["base-7b", "rl-7b"])):
        found = json.loads((report.report.parent / "analyses.json").read_text())
        assert [curve["model"] for curve in found["curves"]] == models
        assert [(each["difference"]["base"], each["difference"]["rl"]) for each in found["comparisons"]] == [
            tuple(models)
        ]
    assert "with bases of their own, in reports of their own: base-7b, rl-7b" in done.warnings
    assert not any("names it no longer" in warning for warning in (*done.warnings, *other.warnings))
    with nothing_drawn():
        elsewhere = pipeline.report_run(RunStore.open(tmp_path / "run"), tmp_path / "out")
    assert elsewhere.others[0].report == tmp_path / "out/against-base-7b/report.html"


def test_a_checkpoint_that_was_sampled_may_be_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here by a fake that samples in the place of the engine transformers, whose models have to be there."""
    monkeypatch.setitem(ENGINES.table, "transformers", "move37.engines.scripted:ScriptedEngine")
    monkeypatch.setattr("move37.hub.is_reachable", lambda *_: False)
    study = sums_study(tmp_path, n=2)
    text = study.read_text().replace('"scripted base"', '"ck/step-1"').replace('"scripted RL"', '"ck/step-2"')
    study.write_text(text.replace('engine = "scripted"', 'engine = "transformers"'))
    for step in (1, 2):
        (tmp_path / f"ck/step-{step}").mkdir(parents=True)
    pipeline.sample_run(pipeline.start_run(load_study(study), tmp_path / "run"), verify=True)
    (tmp_path / "ck/step-2").rmdir()
    store = pipeline.start_run(load_study(study), tmp_path / "run")
    assert pipeline.sample_run(store, verify=True).sampled == {}
    study.write_text(study.read_text().replace("n = 2", "n = 3"))
    with pytest.raises(InputError, match=r"models\.rl\.path: .*ck/step-2"):
        pipeline.start_run(load_study(study), tmp_path / "run")
