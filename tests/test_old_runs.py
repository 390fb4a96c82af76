"""Run folders that an older version made open, continue, verify, report and pool.

`runs_of_05bb719` was written by the commit of that name (format 1: no format number, no digests) and is never written
again: `complete` is `study.toml` run, regraded with `exact` and back, `counts` two imported files of stopped counts.
"""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from move37 import imports, pipeline
from move37.analyses.serialise import findings_json, load_findings
from move37.config import load_study
from move37.errors import StoreError
from move37.schema import FORMAT
from move37.store import RunStore
from move37.verifiers import label_of
from move37.verifiers.options import make_verifier

pytestmark = pytest.mark.usefixtures("kept_workers")

OLD = Path(__file__).parent / "runs_of_05bb719"
SAMPLE = ["problem_id", "index", "text", "finish_reason", "tokens", "logprob", "seed"]
VERDICT = ["problem_id", "index", "outcome", "reason", "answer", "truncated"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    shutil.copytree(OLD, tmp_path / "old")
    return tmp_path / "old"


REVISED = {
    r"curves\[\d+\]\.(lower|upper)\[": "reported bands are widened where few problems carry a k",
    r"audits\[\d+\]\.mean_tokens|pairs\[\d+\]\.tokens\.": "mean tokens after early stopping were biased",
    r"audits\[\d+\]\.(reasons|accuracy)": "after early stopping shares are of the first look, accuracy is pass@1",
    r"coverage\[\d+\]\.(lower_bound|upper_bound|few_problems)": "Cover@tau's interval is what its bounds were",
    r"coverage\[\d+\]\.estimate\.method": "and its estimate is named by what it does",
    r"pairs\[\d+\]\.tables": "tables at smaller k were one random thinning each; what is to be expected has come",
}
"""Numbers that were wrong or said too much at 05bb719, by their place in analyses.json, and why."""


OF_THE_CURVE = ("pass@k", "AUC@k", "AUC_log@k")


def contained(before: Any, after: Any, where: str = "") -> None:
    """Everything that was in an old analyses.json is in the new one with the same value, but for `REVISED`; more may
    have come. Sums may be taken in another order: the last digits of a float may differ."""
    if any(re.search(place, where) for place in REVISED):
        return
    if isinstance(before, dict):
        for key, value in before.items():
            missing = key not in after and not any(re.search(place, f"{where}.{key}") for place in REVISED)
            assert not missing, f"{where}.{key}"
            contained(value, after.get(key), f"{where}.{key}")
    elif isinstance(before, float) and isinstance(after, float):
        assert math.isclose(before, after, rel_tol=1e-12, abs_tol=1e-15), where
    elif isinstance(before, list) and before and isinstance(before[0], dict) and "measure" in before[0]:
        # After early stopping pass@k and the areas are of the plan, as the curves are: compared there.
        by_name = [
            {f"{row['measure']} {row['k']}": row for row in rows if row["measure"] not in OF_THE_CURVE}
            for rows in (before, after)
        ]
        contained(*by_name, where=where)
    elif isinstance(before, list):
        assert len(before) == len(after), where
        for place, (a, b) in enumerate(zip(before, after, strict=True)):
            contained(a, b, f"{where}[{place}]")
    else:
        assert before == after, where


def rows(run: Path, kind: str, columns: list[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Samples or verdicts by the folder that they stand in, sorted, in the columns that the old version had."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for path in sorted((run / kind).rglob("part-*.parquet")):
        name = str(path.parent.relative_to(run / kind))
        found.setdefault(name, []).extend(pl.read_parquet(path, columns=columns, glob=False).rows())
    return {name: sorted(of, key=lambda row: row[:2]) for name, of in found.items()}


Verdicts = dict[str, list[tuple[Any, ...]]]


def by_verifier(verdicts: Verdicts) -> Verdicts:
    """Problem, index and outcome by "<verifier>/<model>", whatever the version; the second edition reads one wrong
    answer as a longer one ("1e03" in a draft, of which the first read "1")."""
    short = {name.partition("@")[0] + name[name.index("/") :]: of for name, of in verdicts.items()}
    return {name: [row[:3] for row in of] for name, of in short.items()}


def of_today(run: Path) -> Verdicts:
    """Those of the verifiers as they are now."""
    labels = {label_of(make_verifier(name)) for name in ("math", "exact")}
    made = rows(run, "verdicts", VERDICT)
    return by_verifier({name: of for name, of in made.items() if name.partition("/")[0] in labels})


def without_graders(analyses: Any) -> Any:
    """What is said of the verdicts that count. The verifiers have new versions since: the verdicts of the old ones are
    kept, and compared with those of today as any other grader's are."""
    return {key: value for key, value in analyses.items() if key != "agreements"}


@pytest.mark.slow
@pytest.mark.parametrize("run", ["complete", "counts"])
def test_an_old_run_gives_the_analyses_that_it_gave(old: Path, run: str) -> None:
    before = json.loads((old / run / "analyses.json").read_text())
    pipeline.analyse_run(RunStore.open(old / run))
    contained(before, json.loads((old / run / "analyses.json").read_text()))


@pytest.mark.parametrize("run", ["complete", "counts"])
def test_the_analyses_of_an_old_run_are_read_without_making_them_again(run: str) -> None:
    recorded = OLD / run / "analyses.json"
    contained(json.loads(recorded.read_text()), findings_json(load_findings(recorded)))


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_an_old_run_is_continued_and_nothing_in_it_changes(old: Path) -> None:
    run = old / "complete"
    samples, verdicts = rows(run, "samples", SAMPLE), rows(run, "verdicts", VERDICT)
    before = json.loads((run / "analyses.json").read_text())
    done = pipeline.run_study(load_study(old / "study.toml"), run)
    assert done.sampled.sampled == {}
    assert rows(run, "samples", SAMPLE) == samples
    assert verdicts.items() <= rows(run, "verdicts", VERDICT).items()
    now = of_today(run)  # of other versions, and the same
    assert set(now) == {"math/base", "math/rl"}
    assert now.items() <= by_verifier(verdicts).items()
    contained(without_graders(before), json.loads((run / "analyses.json").read_text()))
    again = pipeline.run_study(load_study(old / "study.toml"), run)
    assert again.verified.verified == {"base": {}, "rl": {}}
    assert json.loads((run / "config.json").read_text())["format"] == FORMAT


@pytest.mark.slow
def test_what_an_old_run_lacks_is_made_as_the_old_version_made_it(old: Path) -> None:
    run = old / "complete"
    samples, verdicts = rows(run, "samples", SAMPLE), rows(run, "verdicts", VERDICT)
    before = json.loads((run / "analyses.json").read_text())
    shutil.rmtree(run / "samples" / "rl")
    for label in (run / "verdicts").glob("*@*"):
        shutil.rmtree(label / "rl")
    store = pipeline.start_run(load_study(old / "study.toml"), run)
    pipeline.sample_run(store)
    pipeline.verify_run(store, "exact")
    pipeline.verify_run(store)
    pipeline.analyse_run(store)
    assert rows(run, "samples", SAMPLE) == samples
    assert of_today(run) == by_verifier(verdicts)
    contained(without_graders(before), json.loads((run / "analyses.json").read_text()))


@pytest.mark.slow
def test_an_old_run_whose_samples_are_made_again_loses_the_verdicts_on_the_old_ones(old: Path) -> None:
    run = old / "complete"
    shutil.rmtree(run / "samples" / "rl")
    config = json.loads((run / "config.json").read_text())
    config["models"]["rl"]["options"]["accuracy"] = 0.0  # a model that does not repeat itself: always wrong now
    config["models"]["rl"]["options"]["spread"] = 0.0
    (run / "config.json").write_text(json.dumps(config))
    shutil.rmtree(run / "models" / "rl")
    store = RunStore.open(run)
    pipeline.sample_run(store)
    pipeline.verify_run(store)
    outcomes = [
        row[2]
        for name, of in rows(run, "verdicts", VERDICT).items()
        if name.startswith("math") and name.endswith("rl")
        for row in of
    ]
    assert set(outcomes) == {"incorrect"}


def test_an_old_run_is_pooled_with_a_new_one(old: Path, tmp_path: Path) -> None:
    study = load_study(old / "study.toml")
    new = pipeline.start_run(study.model_copy(update={"models": {"base": study.models["base"]}}), tmp_path / "new")
    pipeline.sample_run(new)
    pooled = imports.pool_runs(new.folder, [old / "complete"])
    assert pooled.added == {"base": 0, "rl": 96}
    assert RunStore.open(new.folder).study().base_model() == "base"


def test_a_run_of_a_newer_format_is_refused_and_names_both_versions(old: Path) -> None:
    config = json.loads((old / "complete" / "config.json").read_text())
    content = json.dumps({"format": FORMAT + 1, "move37": "7.5.0"} | config)
    (old / "complete" / "config.json").write_text(content)
    with pytest.raises(StoreError, match=r"written by move37 7\.5\.0 in format \d+; this is move37 0\.1\.0") as refused:
        RunStore.open(old / "complete")
    assert "\n" not in str(refused.value)
    with pytest.raises(StoreError, match=r"7\.5\.0"):
        pipeline.start_run(load_study(old / "study.toml"), old / "complete")
    assert (old / "complete" / "config.json").read_text() == content


def test_a_part_with_a_newer_column_names_the_version_that_wrote_it(old: Path) -> None:
    (path,) = (old / "complete" / "samples" / "rl").glob("*.parquet")
    pl.read_parquet(path).with_columns(mood=1).write_parquet(path, metadata={"move37": "7.5.0"})
    with pytest.raises(StoreError, match=r"written by move37 7\.5\.0, with columns that this move37 .* \(mood\)"):
        RunStore.open(old / "complete").samples("rl").read()
