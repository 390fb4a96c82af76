"""Studies with images from problem to report: a tiny model that sees, its blind arm, and the studies that ship."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
from move37 import pipeline
from move37.config import ModelConfig, load_study
from move37.engines.transformers import TransformersEngine
from move37.problems import load_problems
from move37.rollouts import render_prompts, template_of
from move37.session import check_names
from move37.store import RunStore
from tests.studies import judged_run
from tests.tiny_vision import picture, save_vision_model

ROOT = Path(__file__).parents[1]
SHIPPED = ("paper/easyr1-vl-7b.toml", "smolvlm-mathvision.toml")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vision_model(tmp_path_factory.mktemp("seeing") / "m")


@pytest.fixture(scope="module")
def store(model: Path, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    folder = tmp_path_factory.mktemp("study")
    for number in range(3):
        (folder / f"{number}.png").write_bytes(picture(30 + 30 * number, 60, number).data or b"")
    rows = [{"question": "<image> how many?", "answer": str(i), "image": f"{i}.png"} for i in range(3)]
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arm = f'path = "{model}"\noptions.batch_size = 8\n'
    (folder / "study.toml").write_text(
        'name = "seen"\n[problems]\nbenchmark = "jsonl"\npath = "own.jsonl"\n'
        '[sampling]\nn = 4\ntemperature = 1.0\ntop_p = 1.0\nmax_new_tokens = 8\ntemplate = "chat"\nkeep_tokens = true\n'
        f'[models.base]\n{arm}[models.blind]\n{arm}arm_of = "base"\nguess = "blind"\n'
    )
    return judged_run(folder / "study.toml", folder / "run")


def test_the_same_question_about_other_images_is_asked_with_them_and_without(store: RunStore) -> None:
    problems = store.problems()
    assert len({problem.id for problem in problems}) == 3
    seen, blind = (store.model_record(name).prompts for name in ("base", "blind"))
    assert [prompt.images for prompt in seen] == [problem.images for problem in problems]
    assert all(image.read() for prompt in seen for image in prompt.images)
    assert all(prompt.text.count("<image>") == 1 for prompt in seen)
    assert all(not prompt.images and "<image>" not in prompt.text for prompt in blind)
    # One text about three images: other probabilities, unless nobody looks.
    first = {name: {s.problem_id: s for s in store_samples(store, name) if s.index == 0} for name in ("base", "blind")}
    assert len({round(sample.logprob or 0, 9) for sample in first["base"].values()}) == 3
    identity = store.model_record("base").identity
    assert identity["images"].startswith("Idefics3ImageProcessor")


def store_samples(store: RunStore, name: str) -> list:
    from move37.schema import SAMPLES, samples_of

    return list(samples_of(store.samples(name).read(list(SAMPLES.columns))))


def test_what_the_processor_made_is_on_record(store: RunStore) -> None:
    written = json.loads((store.folder / "models" / "base" / "images.json").read_text())
    problem = store.problems()[2]
    made = written[problem.id]
    assert made["images"] == [[problem.images[0].digest, 90, 60]]
    assert made["tokens"] > 0
    assert made["tensors"]["pixel_values"][-2:] == [32, 32]
    assert not (store.folder / "models" / "blind" / "images.json").exists()


@pytest.mark.slow
def test_the_blind_arm_is_a_line_under_the_curves(store: RunStore) -> None:
    findings = pipeline.findings_of(store)
    assert [curve.model for curve in findings.curves] == ["base"]
    assert any(each.name == "base, blind" for each in findings.guesses)
    assert not any("no model was asked without them" in warning for warning in findings.warnings)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_studies_that_ship_name_what_there_is(name: str, model: Path, tmp_path: Path) -> None:
    """Names, templates and prompts, by the renderer of a model that sees; rows of the sets are made here."""
    study = load_study(ROOT / "studies" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("move37.session.refuse_unreachable", lambda *_: None)
        check_names(study)
    (tmp_path / "a.png").write_bytes(picture(50, 40).data or b"")
    row = {"question": "<image1> how many?", "answer": "3", "image": "a.png"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    source = study.problems[0].model_copy(update={"benchmark": "jsonl", "path": tmp_path / "rows.jsonl", "limit": None})
    renderer = TransformersEngine.renderer(ModelConfig(path=str(model)))
    for each in study.models:
        template = template_of(study.sampling_of(each).template, study.templates)
        (prompt,) = render_prompts(load_problems([source]), template, renderer)
        assert len(prompt.images) == 1
        assert "\\boxed{" in prompt.text
    assert {model.guess for model in study.models.values()} == {None, "blind"}
