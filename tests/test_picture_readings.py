"""Seeing or reasoning: what answers say of a picture against what stands in it."""

import polars as pl
import pytest

from move37.analyses.picture_readings import digits_right, picture_reading
from move37.config import ProblemsConfig, from_options
from move37.problems import load_problems
from move37.report.picture_readings import reading_sentence, readings_table
from move37.types import Problem


def problems(size: int, **options: str) -> tuple[Problem, ...]:
    return load_problems((from_options(ProblemsConfig, benchmark="visual-countdown", size=size, options=options),))


def test_digits_are_compared_number_by_number_from_the_last() -> None:
    assert digits_right("7,12=36", "7,12=36") == 1
    assert digits_right("7,12=36", "7,12=35") == 4 / 5
    assert digits_right("7,12=36", "7,2=36") == 4 / 5
    assert digits_right("7,12=36", "17,12=36") == 1  # what is too many is none that is right, and none that is wrong
    assert digits_right("7,12=36", "12=36") == 0  # the one number that is missing is not guessed at
    assert digits_right("7,12=36", None) == 0


def test_readings_are_means_over_problems_with_pictures() -> None:
    image, text = problems(2), problems(2, shown="text")
    read, chain = image[0].references[0].split(":")
    rows = [
        (image[0].id, f"{read}:{chain}", True, 1),
        (image[0].id, f"{read}:1+1=2", False, 2),
        (image[0].id, None, False, 1),
        (image[1].id, None, False, 4),
        (text[0].id, text[0].references[0], True, 4),
    ]
    answers = pl.DataFrame(rows, schema=["problem_id", "answer", "correct", "count"], orient="row")
    shown = picture_reading("base", answers, [*image, *text])
    blind = pl.DataFrame(
        [(image[0].id, f"{read}:{chain}", True, 1), (image[0].id, None, False, 3)], answers.schema, orient="row"
    )
    guessed = picture_reading("base", blind, [*image, *text], shown="nothing")
    assert shown is not None
    assert guessed is not None
    assert (shown.shown, shown.problems, shown.digits, shown.read) == ("image", 2, 0.375, 0.375)
    assert shown.right_when_read == pytest.approx(1 / 3)
    assert shown.wrong_though_read == pytest.approx(0.25)
    assert (guessed.shown, guessed.read) == ("nothing", 0.25)
    assert "base reads 37.5% of the digits" in reading_sentence(shown)
    assert reading_sentence(guessed) == "Without the picture base guesses 25.0% of the digits."
    assert len(readings_table([shown, guessed]).rows) == 2
    assert picture_reading("base", answers, text) is None
