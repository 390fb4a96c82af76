"""Guess control: the blind arm and the answer-only arm, from the study to the report, and the filter."""

import json
from pathlib import Path

import numpy as np
import pytest

from move37 import pipeline
from move37.analyses.guess_controls import GuessControl, control_baseline, guessed
from move37.config import load_study
from move37.counts import Tally
from move37.errors import ConfigError, InputError
from move37.guess_filter import guessable
from move37.prompting import without_images
from move37.report.sections import section_lines
from move37.types import Problem
from tests.studies import judged_run, sums_study
from tests.tiny_vision import picture

GUESS = """
[models.base-guess]
path = "scripted base"
engine = "scripted"
arm_of = "base"
guess = "answer-only"
template = "completion"
options.accuracy = 0.2
options.spread = 0.1

[models.rl]"""


def study(folder: Path, guess: str = GUESS) -> Path:
    path = sums_study(folder, n=8, problems=10)
    path.write_text(path.read_text().replace("[models.rl]", guess, 1))
    return path


def test_a_guess_control_is_a_baseline_and_no_model(tmp_path: Path) -> None:
    store = judged_run(study(tmp_path), tmp_path / "run")
    findings = pipeline.analyse_run(store)
    assert [curve.model for curve in findings.curves] == ["base", "rl"]
    assert findings.arms is None  # it is no way of asking that a model may be credited with
    baseline = next(each for each in findings.guesses if each.name == "base, answer-only")
    tally = pipeline.RunEvidence(store).tally("base-guess")
    assert isinstance(tally, Tally)
    solved = int((tally.correct > 0).sum())
    assert baseline.at(1) == pytest.approx(float((tally.correct / tally.scored).mean()))
    assert baseline.at(8) == pytest.approx(solved / 10)
    assert f"{solved} of 10 problems solved at least once" in baseline.description
    assert any("Base, answer-only" in line or "base, answer-only" in line for line in section_lines(findings))
    (found,) = guessable(store, below=0.5)
    assert len(found.never) == 10 - solved
    assert sorted((*found.never, *found.rarely, *found.often)) == sorted(tally.problem_ids)
    with pytest.raises(InputError, match=r"no guess control 'other' with samples here \(there: base-guess\)"):
        guessable(store, "other")


def test_shares_decide_what_is_guessed() -> None:
    correct, n = np.array([0, 4, 5, 40, 0]), np.array([100, 100, 100, 100, 0])
    none = np.zeros(5, dtype=np.int64)
    tally = Tally("m", ("a", "b", "c", "d", "e"), correct, n - correct, none, none)
    found = guessed(GuessControl("m", "m-blind", "blind", tally), 0.05)
    assert (found.never, found.rarely, found.often, found.unknown) == (("a",), ("b",), ("c", "d"), ("e",))
    assert control_baseline(GuessControl("m", "m-blind", "blind", tally), tally.id_set) is None
    whole = control_baseline(GuessControl("m", "m-blind", "blind", tally), {"a", "b"})
    assert whole is not None
    assert whole.name == "m, blind"
    assert whole.at(1) == pytest.approx(0.02)
    # A blind arm guesses where something is to be seen: what is asked in text is no guess of its.
    seeing = GuessControl("m", "m-blind", "blind", tally, about={"b", "c"})
    of_seen = control_baseline(seeing, tally.id_set)
    assert of_seen is not None
    assert (of_seen.problems, of_seen.at(1)) == (2, pytest.approx(0.045))
    assert (guessed(seeing, 0.05).never, guessed(seeing, 0.05).often) == ((), ("c",))


def test_a_blind_model_is_asked_the_same_question(tmp_path: Path) -> None:
    problem = Problem("p", "In <image 1>, how many dots?\n<image>", ("3",), "b", "math", images=(picture(4, 4),))
    blind = without_images(problem)
    assert (blind.id, blind.images, blind.question) == ("p", (), "In , how many dots?")
    blind_arm = GUESS.replace("answer-only", "blind")
    with pytest.raises(ConfigError, match="models.base-guess.guess: no problem of this study has an image"):
        judged_run(study(tmp_path, blind_arm), tmp_path / "run")
    with pytest.raises(ConfigError, match="models.base-guess.guess: only an arm guesses"):
        load_study(study(tmp_path, blind_arm.replace('arm_of = "base"\n', "")))


def test_a_visual_study_without_a_blind_arm_says_what_is_not_known(tmp_path: Path) -> None:
    """The scripted engine is asked blind throughout: it sees no images."""
    (tmp_path / "a.png").write_bytes(picture(8, 8).data or b"")
    path = study(tmp_path, GUESS.replace("answer-only", "blind"))
    rows = [{"question": f"What is {i} + 1?", "answer": str(i + 1), "image": "a.png"} for i in range(6)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = pipeline.start_run(load_study(path), tmp_path / "run")
    with pytest.raises(ConfigError, match="the engine reads text only, and the prompt has an image"):
        pipeline.sample_run(store)
    said = list(pipeline.RunEvidence(store).notices())
    assert any(line.startswith("6 problems have images, and no model was asked without them") for line in said)
