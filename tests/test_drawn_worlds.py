"""Worlds that are drawn: pictures byte for byte, chains checked whole, arms over the same tasks."""

from io import BytesIO
from itertools import islice
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from move37.config import ProblemsConfig, from_options
from move37.countdown import Puzzle, Split
from move37.errors import ConfigError, InputError
from move37.problems import load_problems
from move37.training.disjoint import check_disjoint
from move37.types import Outcome, Problem, Verdict
from move37.verifiers.options import make_verifier
from move37.worlds.drawing import FONTS, Canvas
from move37.worlds.drawn_geometry import DRAWN_GEOMETRY, FIGURES, Drawn
from move37.worlds.known import WORLDS, task_of
from move37.worlds.shown import SIDE, DrawnTask
from move37.worlds.visual_countdown import DrawnPuzzle

DRAWN = ("visual-countdown", "drawn-geometry")
TIERS = [(name, tier) for name in DRAWN for tier in WORLDS[name].tiers]
DIGESTS = [
    "bc4bd8223e5c0debdce89e27eb427abd",
    "8d57d798e0479823e3f3668cf134b87d",
    "3b89bd0d0c1f5a92b018d700bd251179",
    "ddfc30b58c580c38cf4eeca171f25c7f",
]
PUZZLE = DrawnPuzzle(Puzzle((7, 2, 4, 11), 11), 5)
both = pytest.mark.parametrize("name", DRAWN)


def problems(benchmark: str, size: int = 12, **settings: object) -> tuple[Problem, ...]:
    return load_problems((from_options(ProblemsConfig, benchmark=benchmark, size=size, **settings),))


def verdict(problem: Problem, text: str) -> Verdict:
    verifier = make_verifier(problem.verifier)
    answer = verifier.extract(problem, text)
    return Verdict(Outcome.INCORRECT, "none") if answer is None else verifier.verify(problem, answer)


def test_a_picture_is_the_same_file_everywhere() -> None:
    """The digests were made on another day: neither fonts nor compressors nor random streams may change them."""
    digests = [problem.images[0].digest for name in DRAWN for problem in problems(name, size=2)]
    assert digests == DIGESTS
    image = Image.open(BytesIO(PUZZLE.picture()))
    assert (image.size, image.mode, image.format) == ((SIDE, SIDE), "L", "PNG")
    assert PUZZLE.picture() == DrawnPuzzle(PUZZLE.puzzle, 5).picture() != DrawnPuzzle(PUZZLE.puzzle, 6).picture()


def test_digits_are_written_in_all_fonts_and_what_means_nothing_is_fainter() -> None:
    def ink(seed: int) -> int:
        canvas = Canvas(20, 20, Random(seed))
        canvas.write("8", (10, 10), 12, canvas.ink())
        return Image.open(BytesIO(canvas.png())).tobytes().__hash__()

    assert len({ink(seed) for seed in range(40)}) > len(FONTS)
    canvas = Canvas(SIDE, SIDE, Random(3))
    canvas.distract(30)
    assert 140 < np.asarray(Image.open(BytesIO(canvas.png()))).min() < 200


@pytest.mark.parametrize(("name", "tier"), TIERS)
def test_every_tier_has_pictures_and_plays_that_are_right(name: str, tier: str) -> None:
    seen = set()
    for task, play in islice(WORLDS[name].plays(tier, Split.TRAINING, Random(4)), 12):
        assert isinstance(task, DrawnTask)
        assert task.split is Split.TRAINING
        assert task.fault(play) is None
        assert play.startswith(f"{task.written}:")
        assert WORLDS[name].task(task.metadata).question == task.question
        seen.add(task.picture())
    assert len(seen) == 12


@both
def test_the_same_tasks_are_shown_in_two_ways(name: str) -> None:
    arms = {shown: problems(name, options={"shown": shown}) for shown in ("image", "text")}
    assert arms["image"] == problems(name)
    assert len({problem.id for arm in arms.values() for problem in arm}) == 24
    for image, text in zip(*arms.values(), strict=True):
        assert (len(image.images), text.images) == (1, ())
        assert image.question == ":"
        assert image.references == (text.question + text.references[0],)
        for problem in (image, text):
            assert verdict(problem, problem.references[0] + "$").outcome is Outcome.CORRECT
            assert problem.tags["shown"] == problem.metadata["shown"]
        assert verdict(image, text.references[0]).reason == "does not say what is in the picture"
        assert verdict(text, image.references[0]).reason == "says again what was asked"
    training = problems(name, options={"split": "training"})
    assert not {task_of(p).key for p in training} & {task_of(p).key for p in arms["image"]}  # type: ignore[union-attr]


@both
def test_a_misread_answer_and_a_wrong_chain_are_told_apart(name: str) -> None:
    problem = problems(name)[0]
    read, chain = problem.references[0].split(":")
    for text, steps in {
        f"{read}:{chain}": "correct correct",
        f"{read}1:{chain}": "incorrect correct",
        f"{read}:{chain}1": "correct incorrect",
        f"{read}:": "correct incorrect",
    }.items():
        found = verdict(problem, text)
        assert " ".join(step.outcome for step in found.steps or () if step.outcome) == steps
        assert [text[slice(*step.span)] for step in found.steps or () if step.span] == list(text.split(":"))
        assert (found.outcome is Outcome.CORRECT) == (steps == "correct correct")
    assert verdict(problem, f"{read}1:{chain}").reason == "misread"
    assert verdict(problem, f"{read}:").reason == "no chain"
    assert verdict(problem, "what?").reason == "none"


def test_all_answers_that_are_listed_are_right_and_counted() -> None:
    """Of the geometry all of them; countdown's list is tested with countdown."""
    for task, _ in islice(DRAWN_GEOMETRY.plays("in-pretraining", Split.EVALUATION, Random(1)), 10):
        answers = list(task.chains())
        assert len(set(answers)) == len(answers) == task.count() > 0
        assert [each for each in answers if task.fault(each) is not None or DRAWN_GEOMETRY.find(each) != each] == []
    assert PUZZLE.count() == len(set(PUZZLE.chains()))
    assert PUZZLE.fault("7,2,4,11=11:7+4=11;11*2=22;22-11=11") is None


def test_a_chain_must_be_the_law_of_its_figure_and_not_a_coincidence() -> None:
    square = Drawn("area", (2, 2), 0)
    assert square.fault("2=2,2:2*2=4") is None
    assert square.fault("2=2,2:2+2=4") == "not the law of the figure"
    assert square.fault("1=2,2:2*2=4") == "misread"
    angle = Drawn("angle", (60, 60), 0)
    assert angle.fault("3=60,60:60+60=120;180-120=60") is None
    assert angle.fault("3=60,60:180-60=120;120-60=60") is None
    assert angle.fault("3=60,60:180-60=121;121-60=60") == "wrong arithmetic"
    assert angle.fault("3=60,60:60+60=120;180-60=120") == "differs"
    perimeter = Drawn("perimeter", (3, 3), 0)
    assert perimeter.fault("1=3,3:3+3=6;6*2=12") is None
    assert perimeter.fault("1=3,3:3*2=6;6*2=12") == "not the law of the figure"
    assert perimeter.fault("1=3,3:3+3=6;6+3=9;9+3=12") is None
    assert Drawn("corner", (6, 5, 2, 3), 0).fault("6=6,5,2,3:6*5=30;2*3=6;30-6=24") is None


def test_laws_hold_for_figures_that_were_worked_out_by_hand() -> None:
    by_hand = {
        "perimeter": ((3, 5), 16),
        "area": ((3, 5), 15),
        "angle": ((50, 60), 70),
        "whole": ((4, 5, 6), 15),
        "part": ((20, 8), 12),
        "corner": ((6, 5, 2, 3), 24),
    }
    assert by_hand.keys() == FIGURES.keys()
    assert {name: Drawn(name, numbers, 0).asked for name, (numbers, _) in by_hand.items()} == {
        name: asked for name, (_, asked) in by_hand.items()
    }


def test_a_triangle_is_drawn_to_scale() -> None:
    """An equilateral one is 30 pixels high, so its base is 34.6 wide."""
    dark = np.asarray(Image.open(BytesIO(Drawn("angle", (60, 60), 3).picture()))) < 110
    assert 33 <= max(dark.sum(1)) <= 38


@both
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"problems\.options\.shown: 'ears' is none of image, text"):
        problems(name, options={"shown": "ears"})
    with pytest.raises(ConfigError, match=r"problems\.options\.splt: .* has no such option"):
        problems(name, options={"splt": "training"})
    assert WORLDS[name].find("seven") is None
    with pytest.raises(ValueError, match="no figure 'circle'"):
        Drawn("circle", (1, 2), 0)
    with pytest.raises(ValueError, match="holds 6 numbers"):
        DrawnPuzzle(Puzzle((1,) * 7, 3), 0)


def test_the_same_question_with_another_picture_is_another_problem_to_train_on() -> None:
    trained, asked = problems("visual-countdown", options={"split": "training"}), problems("visual-countdown")
    assert check_disjoint(trained, asked) == []
    with pytest.raises(InputError, match="12 problems are in the training set and in the evaluation set"):
        check_disjoint(asked, asked)


def test_numbers_are_shown_in_reading_order_wherever_the_block_stands() -> None:
    """Ink in every cell that has a number and in the frame, for each drawing."""
    rows = set()
    for drawing in range(8):
        shade = np.asarray(Image.open(BytesIO(DrawnPuzzle(PUZZLE.puzzle, drawing).picture())))
        cells: Any = (shade < 110).reshape(4, 16, 2, 32).any((1, 3))
        first = int(cells[:3].all(1).argmax())
        assert cells[first : first + 2].all()
        assert cells[3].any()
        rows.add(first)
    assert rows == {0, 1}
