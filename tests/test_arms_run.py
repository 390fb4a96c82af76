"""A study whose base is asked in two ways, and whose RL model says what its training cost."""

from pathlib import Path

import pytest

from move37 import pipeline
from move37.config import load_study
from move37.errors import ConfigError
from move37.report.exports import csv_files
from move37.report.sections import section_lines
from tests.studies import judged_run, sums_study

ARM = """
[models.base-long]
path = "scripted base"
engine = "scripted"
arm_of = "base"
template = "qwen-boxed"
max_new_tokens = 400
options.accuracy = 0.7
options.spread = 0.2

"""


def study(folder: Path, arm: str = ARM) -> Path:
    path = sums_study(folder, n=8, problems=10)
    text = path.read_text().replace("[models.rl]", f"{arm}[models.rl]\ntraining_tokens = 1e5")
    path.write_text(text.replace("[analysis]", "[analysis]\nuses = 500"))
    return path


def test_an_arm_is_sampled_in_its_own_way_and_is_no_model_of_its_own(tmp_path: Path) -> None:
    store = judged_run(study(tmp_path), tmp_path / "run")
    asked = {name: store.model_record(name).prompts[0].template for name in store.models()}
    assert asked == {"base": "completion", "base-long": "qwen-boxed", "rl": "completion"}
    findings = pipeline.analyse_run(store)
    assert [curve.model for curve in findings.curves] == ["base", "rl"]
    assert len(findings.comparisons) == 1
    assert findings.arms is not None
    base, rl = findings.arms.envelopes
    assert (base.arms, rl.arms) == (("base", "base-long"), ("rl",))
    assert base.pass_at_k[0] > findings.curves[0].pass_at_k[0]
    (parity,) = findings.parity
    assert (parity.training_tokens, parity.uses) == (1e5, 500)
    assert parity.tokens_per_try == pytest.approx(findings.audits[0].mean_tokens, rel=0.05)
    lines = section_lines(findings)
    assert not any("template" in warning for warning in findings.warnings)  # an arm is asked otherwise on purpose
    assert any(line.startswith("Over several ways of asking: ") for line in lines)
    assert any(line.startswith("Training against more tries: The 100,000 tokens") for line in lines)
    files = csv_files(findings, ())
    assert {"arms.csv", "arms_difference.csv", "parity.csv"} <= files.keys()


@pytest.mark.slow
def test_a_model_that_is_asked_otherwise_and_is_no_arm_is_warned_of(tmp_path: Path) -> None:
    store = judged_run(study(tmp_path, ARM.replace('arm_of = "base"\n', "")), tmp_path / "run")
    warnings = pipeline.analyse_run(store).warnings
    assert any(w.startswith("template is completion for base and qwen-boxed for base-long") for w in warnings)
    assert any(w.startswith("token limit is 200 for base and 400 for base-long") for w in warnings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('arm_of = "base"', 'arm_of = "nobody"'), "is no other model"),
        (('arm_of = "base"', 'arm_of = "base-long"'), "is no other model"),
        (('path = "scripted base"', 'path = "other weights"'), "the same weights"),
    ],
)
def test_an_arm_needs_a_model_of_the_same_weights(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_study(study(tmp_path, ARM.replace(*change)))


def test_another_template_for_a_sampled_model_is_another_law(tmp_path: Path) -> None:
    path = study(tmp_path)
    store = pipeline.start_run(load_study(path), tmp_path / "run")
    path.write_text(path.read_text().replace('template = "qwen-boxed"', 'template = "r1"'))
    with pytest.raises(ConfigError, match=r"models\.base-long\.template"):
        pipeline.start_run(load_study(path), store.folder)
