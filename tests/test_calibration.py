"""Calibration: corruptions that are wrong for certain, shares with exact intervals, and the floor under pass@k."""

import json
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from move37 import pipeline
from move37.calibration import calibrate, floor
from move37.cli import app
from move37.config import VerificationConfig
from move37.corruptions import GOLD, RIGHT_RESPONSES, WRONG_RESPONSES, Attempt, attempts
from move37.error_rates import FEW
from move37.errors import InputError
from move37.types import Outcome, Problem
from move37.verifiers.choice import ChoiceVerifier
from move37.verifiers.numeric import NumericVerifier
from tests.studies import judged_run, sums_study, write_problems
from tests.worker_verifiers import Gullible

pytestmark = pytest.mark.usefixtures("kept_workers")


def problems(*references: str, verifier: str = "numeric") -> list[Problem]:
    return [Problem(f"p{i}", f"How much {i}?", (gold,), "b", verifier) for i, gold in enumerate(references)]


def corrupted(gold: str, kind: str, *others: str, seed: int = 0) -> str | None:
    """The corruption of one kind of `gold`, beside problems with other answers."""
    made = attempts(problems(gold, *others), NumericVerifier(), seed=seed)
    return next((a.answer for a in made if a.problem.id == "p0" and a.kind == kind), None)


@pytest.mark.parametrize(
    ("kind", "gold", "possible"),
    [
        ("changed number", "7", set("012345689")),
        ("changed number", "x^2 + 1", {f"x^{d} + 1" for d in "013456789"} | {f"x^2 + {d}" for d in "023456789"}),
        ("changed number", "Paris", {None}),
        ("flipped sign", "7", {"-7"}),
        ("flipped sign", "-0.5 m", {"0.5 m"}),
        ("flipped sign", "\\frac{1}{2}", {"-\\frac{1}{2}"}),
        ("flipped sign", "0", {None}),
        ("flipped sign", "x = 5", {None}),
        ("flipped sign", "\\pm 5", {None}),
        ("off by one", "7", {"6", "8"}),
        ("off by one", "-1", {"-2", "0"}),
        ("off by one", "1,000 m", {"999 m", "1001 m"}),
        ("off by one", "0.5", {None}),
        ("off by one", "3/4", {None}),
        ("wrong unit", "5 cm", {"5 m"}),
        ("wrong unit", "864 \\mbox{ inches}^2", {"864 \\mbox{ feet}^2"}),
        ("wrong unit", "37 \\text{ degrees}", {"37 \\text{ radians}"}),
        ("wrong unit", "18 dollars", {"18 cents"}),
        ("wrong unit", "5", {None}),
        ("wrong unit", "5 minuteships", {None}),
        ("another answer", "7", {"8"}),
        ("another option", "B", {None}),  # the options are not known
    ],
)
def test_a_corruption_is_near_the_reference_and_wrong(kind: str, gold: str, possible: set[str | None]) -> None:
    made = {corrupted(gold, kind, "8", seed=seed) for seed in range(30)}
    assert made <= possible
    assert len(made) > 1 or len(possible) == 1


def test_another_answer_is_never_the_same_number_or_text() -> None:
    assert corrupted("0.5", "another answer", "1/2", "\\frac{2}{4}", "0.50 m") is None
    assert corrupted("Evelyn", "another answer", "evelyn.", "Bob") == "Bob"


def test_a_corruption_that_hits_an_alternative_reference_is_not_used() -> None:
    either = Problem("p", "?", ("7", "-7", "8"), "b", "numeric")
    made = [(a.kind, a.answer) for seed in range(30) for a in attempts([either], NumericVerifier(), seed=seed)]
    assert {answer for kind, answer in made if kind == "flipped sign"} == {"-8"}
    # 7 + 1 and 8 - 1 are references; -7 - 1 is not
    assert {answer for kind, answer in made if kind == "off by one"} == {"6", "-6", "-8", "9"}


def test_another_option_is_one_of_the_problems_own() -> None:
    asked = Problem("p", "?", ("B",), "b", "choice", metadata={"options": ["x", "y", "z"]})
    made = {
        a.answer for s in range(30) for a in attempts([asked], ChoiceVerifier(), seed=s) if a.kind == "another option"
    }
    assert made == {"A", "C"}


def test_of_programs_only_the_whole_is_exchanged() -> None:
    from move37.verifiers.code import CodeVerifier

    asked = problems("def f():\n    return 1", "def f():\n    return 2", verifier="code")
    assert {a.kind for a in attempts(asked, CodeVerifier())} == {GOLD, "another answer"}


def test_the_same_seed_gives_the_same_corruptions_whatever_stands_beside_them() -> None:
    def plain(made: list[Attempt]) -> list[tuple[str, str, str]]:
        return [(a.problem.id, a.kind, a.answer) for a in made if a.kind != "another answer"]

    golds = problems("7", "12 cm", "0.25")
    both = plain(attempts(golds, NumericVerifier(), seed=3))
    assert plain(attempts(golds[:2], NumericVerifier(), seed=3)) == [each for each in both if each[0] != "p2"]
    assert plain(attempts(golds, NumericVerifier(), seed=4)) != both


def test_a_good_verifier_accepts_every_reference_and_no_corruption() -> None:
    golds = problems(*(str(10 + 3 * i) for i in range(20)))
    found = calibrate(NumericVerifier(), golds, VerificationConfig(workers=1), k_max=64)
    assert (found.references.accepted, found.references.scored) == (20, 20)
    assert found.references.lower == pytest.approx(0.025 ** (1 / 20))  # Clopper-Pearson with all of n right
    # Five kinds of answers apply to whole numbers (digit, sign, one, another problem's, none), and eleven of responses.
    assert {rate.kind for rate in found.by_kind} == {
        "changed number", "flipped sign", "off by one", "another answer", "no answer",
    } | WRONG_RESPONSES.keys() - {"all options"}  # fmt: skip
    n = found.corrupted.scored
    assert (found.corrupted.accepted, found.corrupted.share) == (0, 0.0)
    assert n > 20 * 14
    assert {rate.kind for rate in found.by_rendering} == set(RIGHT_RESPONSES)
    assert (found.renderings.accepted, found.ceiling) == (20 * len(RIGHT_RESPONSES), 1.0)
    assert found.corrupted.upper == pytest.approx(1 - 0.025 ** (1 / n))
    assert [each.k for each in found.floor] == [1, 2, 4, 8, 16, 32, 64]
    assert found.floor[-1].value == 0
    assert found.floor[-1].upper == pytest.approx(1 - (1 - found.corrupted.upper) ** 64)
    assert found.surprises == ()


def test_a_gullible_verifier_shows_by_kind_and_by_answer() -> None:
    found = calibrate(Gullible(), problems("17", "18", "16"), VerificationConfig(workers=1), k_max=4)
    # references: 17 rejected, 18 unscored, 16 accepted
    assert (found.references.accepted, found.references.scored, found.references.unscored) == (1, 2, 1)
    assert found.references.share == 0.5
    rates = {rate.kind: rate for rate in found.by_kind}
    assert rates["flipped sign"].share == rates["no answer"].share == 1
    listed = {(each.kind, each.answer): each.outcome for each in found.surprises}
    assert listed[GOLD, "17"] is Outcome.INCORRECT
    assert listed[GOLD, "18"] is Outcome.UNSCORED
    assert listed["flipped sign", "-16"] is Outcome.CORRECT
    accepted = sum(rate.accepted for rate in found.by_kind)
    assert found.corrupted.accepted == accepted
    assert found.floor[-1].value == pytest.approx(1 - (1 - accepted / found.corrupted.scored) ** 4)


def test_the_floor_is_what_acceptance_alone_reaches() -> None:
    # 1 - 0.999^1024 = 1 - exp(1024 ln 0.999) = 0.641
    assert round(floor(0.001, 1024), 3) == 0.641
    assert (floor(0.0, 1024), floor(1.0, 1)) == (0.0, 1.0)
    assert floor(0.25, 2) == pytest.approx(7 / 16)


def test_how_many_answers_it_takes_is_said() -> None:
    found = calibrate(NumericVerifier(), problems("7", "20"), VerificationConfig(workers=1), k_max=1)
    # With none of n accepted the upper limit is 1 - .025^(1/n): below 5 % from n = ln .025 / ln .95 = 71.9 on.
    assert found.answers_needed == 72
    assert 1 - 0.025 ** (1 / 72) <= FEW < 1 - 0.025 ** (1 / 71)


def test_guessing_corruptions_leaves_the_callers_random_numbers_alone() -> None:
    random = Random(1)
    expected = Random(1).random()
    attempts(problems("7", "8"), NumericVerifier())
    assert random.random() == expected


@pytest.mark.parametrize("numbers", [{"per_kind": 0}, {"k_max": 0}, {"confidence": 1.0}])
def test_numbers_that_make_no_sense_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(InputError, match="a calibration needs per_kind and k of at least 1"):
        calibrate(NumericVerifier(), problems("7"), **numbers)  # pyright: ignore[reportArgumentType]


def test_without_references_there_is_nothing_to_calibrate_with() -> None:
    with pytest.raises(InputError, match="there is no reference answer to calibrate with"):
        calibrate(NumericVerifier(), [Problem("p", "?", (), "b", "numeric")])


# -- commands ------------------------------------------------------------------------------------------------------


def test_a_benchmark_is_calibrated_with_any_verifier_and_its_options(tmp_path: Path) -> None:
    path = write_problems(tmp_path, 6)  # 2, 10, 18, 26, 34, 42
    asked = f"calibrate jsonl --path {path} --verifier numeric --option numeric.absolute_tolerance=1 --k 8 --json"
    done = CliRunner().invoke(app, asked.split())
    figures = json.loads(done.stdout)
    assert (figures["command"], figures["ok"]) == ("calibrate", True)
    (found,) = figures["calibrations"]
    assert found["verifier"] == "numeric@3+relative-1e-06+absolute-1.0"
    rates = {rate["kind"]: (rate["accepted"], rate["scored"]) for rate in found["by_kind"]}
    assert rates["off by one"] == (6, 6)  # tolerated
    assert rates["another answer"] == (0, 6)
    assert found["floor"][-1]["k"] == 8


def test_a_run_keeps_its_calibrations_by_the_verifiers_label(tmp_path: Path) -> None:
    run = judged_run(sums_study(tmp_path, n=1), tmp_path / "run").folder
    for name in ("exact", "numeric"):
        done = CliRunner().invoke(app, ["calibrate", str(run), "--verifier", name])
        assert done.exit_code == 0
        assert "another answer" in done.stdout
    kept = json.loads((run / "calibration.json").read_text())
    assert sorted(kept) == ["exact@2", "numeric@3+relative-1e-06+absolute-0.0"]
    assert kept["exact@2"]["corrupted"]["accepted"] == 0


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_the_report_says_what_the_calibration_of_its_own_verifier_found(tmp_path: Path) -> None:
    store = judged_run(sums_study(tmp_path, n=2), tmp_path / "run")
    for name in ("math", "exact"):  # the run was judged by math
        assert CliRunner().invoke(app, ["calibrate", str(store.folder), "--verifier", name]).exit_code == 0
    (found,) = pipeline.analyse_run(store).grader_errors
    assert found.verifier.startswith("math@")
    assert (found.references_accepted, found.references) == (6, 6)
    assert (found.corrupted_accepted, found.floor) == (0, 0.0)
    assert 0 < found.floor_upper < 1
    pipeline.report_run(store)
    report = (store.folder / "report.md").read_text()
    assert "Can the grader be trusted?" in report
    assert "6 of 6" in report
    assert (store.folder / "tables" / "grader_errors.csv").read_text().count("\n") == 2
