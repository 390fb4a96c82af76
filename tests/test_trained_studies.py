"""Studies that train their models: what is trained, used again, continued, refused, and said beforehand."""

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from move37.config import load_study  # noqa: E402
from move37.errors import ConfigError  # noqa: E402
from move37.pipeline import analyse_run, dry_run, sample_run, start_run, train_run, verify_run  # noqa: E402
from move37.store import RunStore  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402

pytestmark = pytest.mark.usefixtures("kept_workers", "one_thread")

STUDY = """
name = "letters"
problems = { benchmark = "jsonl", path = "held.jsonl", verifier = "exact" }
sampling = { n = 8, stop.successes = 0, temperature = 1.0, top_p = 1.0, max_new_tokens = 2, template = "completion" }
analysis = { draws = 1000, beyond = false }
verification = { workers = 1 }
models.base.path = "model"
models."{algorithm}-{seed}" = { recipe = "rl.toml", algorithm = ["grpo", "rloo"], seed = [0, 1], steps = [0, 2, 4] }
models.after = { recipe = "rl.toml", start = "grpo-0@4", set.rollout.responses = 4, steps = 1 }
models.hot = { weights_of = "grpo-0@4", temperature = 2.0 }
"""
RECIPE = """
name = "grpo"
problems = { benchmark = "jsonl", path = "letters.jsonl", verifier = "exact" }
model = { path = "model", threads = 1 }
rollout = { prompts = 4, responses = 8, max_new_tokens = 2, template = "completion" }
optimizer.learning_rate = 5e-3
verification.workers = 1
"""


def write_project(folder: Path) -> Path:
    """A study with its recipe, its problems and a random model; the path of the study."""
    for name, letters in (("letters", "abcdef"), ("held", "ghijklmn")):
        rows = [{"question": f"say {letter}:", "answer": letter} for letter in letters]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save_model(folder / "model", initializer_range=0.1)
    (folder / "rl.toml").write_text(RECIPE)
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study was run, in the folder `run` of it."""
    project = tmp_path_factory.mktemp("project")
    store = start_run(load_study(write_project(project)), project / "run")
    trained = train_run(store).trained
    assert trained == {"grpo-0": 4, "grpo-1": 4, "rloo-0": 4, "rloo-1": 4, "after": 1}
    sample_run(store)
    verify_run(store)
    return project


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copied"))


def weights(run: Path, training: str, step: int) -> bytes:
    return (run / "trainings" / training / "checkpoints" / f"step-{step:06d}" / "model.safetensors").read_bytes()


def test_what_is_trained_is_used_and_a_second_run_makes_nothing(finished: Path) -> None:
    before = weights(finished / "run", "grpo-0", 4)
    store = start_run(load_study(finished / "study.toml"), finished / "run")
    assert train_run(store).trained == {}
    assert sample_run(store).sampled == {}
    assert weights(finished / "run", "grpo-0", 4) == before
    assert weights(finished / "run", "grpo-0", 2) != before
    assert weights(finished / "run", "grpo-1", 4) != before


def test_a_training_starts_from_the_model_that_the_study_names(finished: Path) -> None:
    about = json.loads((finished / "run/trainings/after/checkpoints/step-000001/move37.json").read_text())
    assert about["start"].endswith("run/trainings/grpo-0/checkpoints/step-000004")
    recipe = json.loads((finished / "run/trainings/after/recipe.json").read_text())
    assert recipe["rollout"]["responses"] == 4


@pytest.mark.slow
def test_the_report_has_the_course_of_trainings_and_compares_last_checkpoints(finished: Path) -> None:
    findings = analyse_run(RunStore.open(finished / "run"), finished / "analysed")
    assert [curve.model for curve in findings.curves] == [
        *("base", "grpo-0@4", "grpo-1@4", "rloo-0@4", "rloo-1@4", "after", "hot"),
    ]
    found = findings.trajectory
    assert found is not None
    steps = [(point.algorithm, point.seed, point.step) for point in found.points]
    assert steps[:6] == [("grpo", 0, 0), ("grpo", 0, 2), ("grpo", 0, 4), ("grpo", 1, 0), ("grpo", 1, 2), ("grpo", 1, 4)]
    assert ("grpo, responses 4 after grpo", 0, 1) in steps
    after = [point for point in found.points if "after" in point.algorithm]
    assert after[0].model == "grpo-0@4"  # its step 0 is where it started
    assert all(point.entropy is not None and point.entropy > 0 for point in found.points)
    assert {(each.algorithm, each.step, each.seeds) for each in found.over_seeds} == {
        (algorithm, step, 2) for algorithm in ("grpo", "rloo") for step in (2, 4)
    }
    assert {each.algorithm for each in findings.seeds} == {"grpo", "rloo"}
    rules = findings.variants
    assert rules is not None
    assert [each.algorithm for each in rules.variants] == ["grpo", "rloo", "grpo, responses 4 after grpo"]


@pytest.mark.slow
def test_more_steps_continue_a_training_to_where_it_would_have_come_at_once(copied: Path, tmp_path: Path) -> None:
    for project, steps in ((copied, "[0, 2, 4, 6]"), (tmp_path / "at once", "[2, 4, 6]")):
        if project is not copied:
            project.mkdir()
            write_project(project)
        study = project / "study.toml"
        study.write_text(STUDY.replace("[0, 2, 4]", steps))
        store = start_run(load_study(study), project / "run")
        trained = train_run(store).trained
        assert trained["grpo-0"] == (2 if project is copied else 6)
    for step in (2, 4, 6):
        assert weights(copied / "run", "grpo-0", step) == weights(tmp_path / "at once" / "run", "grpo-0", step)


def test_a_step_that_was_passed_without_being_kept_is_refused(copied: Path) -> None:
    study = copied / "study.toml"
    study.write_text(STUDY.replace("[0, 2, 4]", "[0, 2, 3, 4]"))
    with pytest.raises(ConfigError, match="is 4 steps far, and its model after 3 was not kept"):
        start_run(load_study(study), copied / "run")


def test_another_recipe_is_refused_by_its_key(copied: Path) -> None:
    (copied / "rl.toml").write_text(RECIPE.replace("5e-3", "4e-3"))
    with pytest.raises(ConfigError, match=r"grpo-0: was begun with another optimizer\.learning_rate than the recipe"):
        start_run(load_study(copied / "study.toml"), copied / "run")
    (copied / "rl.toml").write_text(RECIPE)
    study = copied / "study.toml"
    study.write_text(STUDY.replace("responses = 4", "responses = 2"))
    with pytest.raises(ConfigError, match="after: was begun with another rollout"):
        start_run(load_study(study), copied / "run")


def test_a_project_in_another_folder_goes_on_where_it_was(copied: Path, finished: Path, tmp_path: Path) -> None:
    moved = copied.rename(tmp_path / "moved")
    shutil.rmtree(moved / "run/trainings/after")
    store = start_run(load_study(moved / "study.toml"), moved / "run")
    assert train_run(store).trained == {"after": 1}
    assert weights(moved / "run", "after", 1) == weights(finished / "run", "after", 1)


def test_a_recipe_that_cannot_be_run_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    study = write_project(tmp_path)
    study.write_text(STUDY.replace("set.rollout.responses = 4", "set.rollout.respones = 4"))
    with pytest.raises(ConfigError, match=r"models\.after: .*rollout\.respones: unknown key; did you mean 'responses'"):
        start_run(load_study(study), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dry_run_says_what_is_owed_and_writes_nothing(finished: Path, tmp_path: Path) -> None:
    fresh = dry_run(load_study(write_project(tmp_path)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert {each.training: each.owed for each in fresh.trainings} == {
        **dict.fromkeys(("grpo-0", "grpo-1", "rloo-0", "rloo-1"), 4),
        "after": 1,
    }
    assert {each.basis for each in fresh.trainings} == {"rough"}
    assert fresh.totals()["steps_owed"] == 17
    assert fresh.totals()["samples_owed"] == 8 * 8 * 11
    study = load_study(finished / "study.toml")
    assert dry_run(study, finished / "run").totals() == {"steps_owed": 0, "samples_owed": 0, "seconds": 0.0}


def test_a_dry_run_knows_the_time_from_what_was_measured(copied: Path) -> None:
    shutil.rmtree(copied / "run/trainings/grpo-1")
    shutil.rmtree(copied / "run/samples/hot")
    work = dry_run(load_study(copied / "study.toml"), copied / "run")
    (again,) = [each for each in work.trainings if each.owed]
    assert (again.training, again.basis) == ("grpo-1", "like another")
    assert again.seconds is not None
    assert again.seconds > 0
    (asked,) = [each for each in work.sampling if each.samples]
    assert (asked.model, asked.samples, asked.basis) == ("hot", 64, "measured")
