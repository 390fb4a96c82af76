"""Guess baselines: the published figures, spaces found from references, and benchmarks where none can be stated."""

import numpy as np
import pytest

from move37.analyses.guessing import ANSWER_PRIOR, UNIFORM, guess_baselines
from move37.errors import InputError
from move37.types import Problem


def problems(*references: str, verifier: str = "math", benchmark: str = "b") -> list[Problem]:
    return [
        Problem(f"{benchmark}{i}", "?", tuple(reference.split("|")), benchmark, verifier)
        for i, reference in enumerate(references)
    ]


def test_answers_of_three_digits_are_guessed_among_a_thousand():
    (uniform,) = guess_baselines(problems("902", "073", "4"), 1024)
    assert (uniform.name, uniform.description) == (UNIFORM, "any whole number from 0 to 999")
    assert (round(uniform.at(128), 3), round(uniform.at(1024), 3)) == (0.120, 0.641)
    assert uniform.k.tolist() == list(range(1, 1025))


def test_options_are_guessed_among_the_letters_that_occur():
    baselines = guess_baselines(problems("B", "(d)", "A. Paris", "C", verifier="choice"), 16)
    (uniform,) = baselines  # no letter twice, so no prior
    assert uniform.description == "any of the 4 options A to D"
    assert uniform.at(16) == pytest.approx(1 - 0.75**16)


def test_a_benchmark_that_often_has_the_same_answer_has_a_strong_prior():
    uniform, prior = guess_baselines(problems("7", "7", "7", "21"), 2)
    assert uniform.description == "any whole number from 0 to 99"
    assert prior.name == ANSWER_PRIOR
    # 7 is right for the other sevens with chance 2/3 each, for 21 never: at k = 2, (3 (1 - 1/9) + 0) / 4.
    assert prior.pass_at_k.tolist() == pytest.approx([0.5, 2 / 3])


def test_equal_answers_in_other_spellings_are_one():
    _, prior = guess_baselines(problems("073", "73", "5"), 1)
    assert prior.at(1) == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)


def test_alternatives_are_all_right():
    # 3 or 4 is right for the first: 2 of 10 guesses, and the second's 4 from the hat.
    uniform, prior = guess_baselines(problems("3|4", "4", "9"), 1)
    assert uniform.at(1) == pytest.approx((2 / 10 + 1 / 10 + 1 / 10) / 3)
    assert prior.at(1) == pytest.approx((1 / 2 + 0 + 0) / 3)


@pytest.mark.parametrize("answers", [("\\frac{1}{2}", "3"), ("-1", "5"), ("1625", "3"), ("2.5", "7")])
def test_free_answers_have_no_honest_space(answers: tuple[str, ...]):
    assert guess_baselines(problems(*answers), 4) == ()


def test_free_answers_that_repeat_have_a_prior():
    (prior,) = guess_baselines(problems("\\frac{1}{2}", "\\frac{1} {2}", "x"), 1)
    assert prior.name == ANSWER_PRIOR
    assert prior.at(1) == pytest.approx(1 / 3)


def test_programs_are_not_guessed():
    assert guess_baselines(problems("assert f(1) == 1", "assert f(1) == 1", verifier="code"), 4) == ()
    assert guess_baselines(problems("not a letter at all", "B", verifier="choice"), 4) == ()


def test_several_benchmarks_are_guessed_one_by_one_and_averaged():
    mixed = [*problems("902", benchmark="aime"), *problems("B", "D", verifier="choice", benchmark="quiz")]
    (uniform,) = guess_baselines(mixed, 1)
    assert uniform.at(1) == pytest.approx((0.001 + 0.25 + 0.25) / 3)
    assert uniform.description == "any whole number from 0 to 999; any of the 4 options A to D"
    assert uniform.problems == 3
    # One of them without a space leaves no uniform line for the whole.
    assert guess_baselines([*mixed, *problems("x", benchmark="free")], 1) == ()


def test_nothing_to_guess_is_refused():
    with pytest.raises(InputError, match="at least one problem"):
        guess_baselines([], 4)
    with pytest.raises(InputError, match="k_max of at least 1"):
        guess_baselines(problems("1"), 0)


def test_a_guesser_agrees_with_counting():
    # 200,000 rounds of 3 guesses among 10 for the answers 3, 3 and 8: standard error below .001.
    uniform, prior = guess_baselines(problems("3", "3", "8"), 3)
    rng = np.random.default_rng(0)
    golds = np.array([3, 3, 8])
    guesses = rng.integers(0, 10, (200_000, 3, 1))
    assert (guesses == golds).any(axis=1).mean() == pytest.approx(uniform.at(3), abs=0.005)
    hats = (np.array([3, 8]), np.array([3, 8]), np.array([3, 3]))
    drawn = [(rng.choice(hat, (200_000, 3)) == gold).any(axis=1).mean() for hat, gold in zip(hats, golds, strict=True)]
    assert np.mean(drawn) == pytest.approx(prior.at(3), abs=0.005)


def test_problems_that_carry_their_options_are_guessed_among_these():
    # Chances 1/2 and 1/4; at k = 2: ((1 - 1/4) + (1 - 9/16)) / 2 = (3/4 + 7/16) / 2.
    asked = [
        Problem("a", "?", ("A",), "b", "choice", metadata={"options": ["yes", "no"]}),
        Problem("b", "?", ("B",), "b", "choice", metadata={"options": ["1", "2", "3", "4"]}),
    ]
    (uniform,) = guess_baselines(asked, 2)
    assert uniform.description == "any of the 2 to 4 options"
    assert uniform.pass_at_k.tolist() == pytest.approx([3 / 8, 19 / 32])
