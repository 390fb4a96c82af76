"""Options of verifiers: from a study, from a command, checked strictly, and part of the label of every verdict."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from move37 import pipeline
from move37.cli import app
from move37.config import VerificationConfig, load_study
from move37.errors import ConfigError, InputError, UnknownNameError
from move37.rewards import Reward
from move37.store import RunStore
from move37.types import Outcome, Problem
from move37.verification import verify
from move37.verifiers.numeric import NumericVerifier
from move37.verifiers.options import check_options, make_verifier, with_options
from tests.studies import judged_run, sums_study


def settings(**options: Any) -> VerificationConfig:
    return VerificationConfig(options=options)


def test_options_are_the_keyword_arguments_of_the_class() -> None:
    verifier = make_verifier("numeric", settings(numeric={"relative_tolerance": 1e-3, "units": "same"}))
    assert isinstance(verifier, NumericVerifier)
    assert (verifier.relative_tolerance, verifier.absolute_tolerance, verifier.units) == (1e-3, 0, "same")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"relative_tolerence": 1}, "relative_tolerence: unknown key; did you mean 'relative_tolerance'?"),
        ({"zzz": 1}, "zzz: unknown key (known: relative_tolerance, absolute_tolerance, units)"),
        ({"relative_tolerance": "much"}, "relative_tolerance: input should be a valid number"),
        ({"relative_tolerance": -1}, "relative_tolerance: must be a finite number from 0 up (given: -1.0)"),
        ({"units": "metric"}, "units: input should be 'convert', 'ignore' or 'same' (given: 'metric')"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_verifier("numeric", settings(numeric=options))
    assert str(caught.value).startswith(f"verification.options.numeric.{line}")


def test_not_a_number_is_no_tolerance() -> None:
    with pytest.raises(ConfigError, match=r"numeric\.absolute_tolerance: input should be a finite number"):
        make_verifier("numeric", settings(numeric={"absolute_tolerance": float("nan")}))


def test_options_of_verifiers_that_have_none_or_do_not_exist_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"verification\.options\.paths: this verifier has no options"):
        check_options(settings(paths={"zeal": 1}))
    with pytest.raises(UnknownNameError, match="unknown verifier 'numerics'; did you mean 'numeric'"):
        check_options(settings(numerics={}))


def test_options_that_are_needed_may_come_later_but_not_misspelt() -> None:
    check_options(settings(judge={"model": "m"}))
    with pytest.raises(ConfigError, match=r"judge\.modell: unknown key; did you mean 'model'"):
        check_options(settings(judge={"modell": "m"}))


def test_a_command_adds_to_the_options_of_the_study() -> None:
    known = settings(numeric={"relative_tolerance": 0.1, "absolute_tolerance": 2})
    joined = with_options(known, ["numeric.relative_tolerance=0.5", 'judge.request={"seed": 1}', "judge.model=org/m=1"])
    assert joined.options == {
        "numeric": {"relative_tolerance": 0.5, "absolute_tolerance": 2},
        "judge": {"request": {"seed": 1}, "model": "org/m=1"},
    }
    assert known.options == {"numeric": {"relative_tolerance": 0.1, "absolute_tolerance": 2}}


@pytest.mark.parametrize("assignment", ["numeric", "numeric=1", "numeric.units", ".units=same", "numeric.=1"])
def test_an_option_that_is_not_name_key_value_is_refused(assignment: str) -> None:
    with pytest.raises(InputError, match=r"write it as NAME\.KEY=VALUE"):
        with_options(settings(), [assignment])


def test_programs_lose_their_sandbox_only_if_that_is_asked_for() -> None:
    assert "not-isolated" not in make_verifier("code").version
    assert "not-isolated" in make_verifier("code", with_options(settings(), [], unsafe_local=True)).version


@pytest.mark.slow
def test_evaluation_and_reward_take_the_same_options() -> None:
    lenient = settings(numeric={"relative_tolerance": 0.1})
    asked = Problem("p", "How much?", ("10",), "b", "numeric")
    assert verify(asked, "\\boxed{10.5}", lenient).outcome is Outcome.CORRECT
    assert verify(asked, "\\boxed{10.5}").outcome is Outcome.INCORRECT
    with Reward("numeric", settings=lenient) as reward:
        assert reward(prompts=["?", "?"], completions=["\\boxed{10.5}", "\\boxed{12}"], answer=["10", "10"]) == [1, 0]


@pytest.mark.slow
def test_a_study_gives_options_and_other_options_never_share_verdicts(tmp_path: Path) -> None:
    study = sums_study(tmp_path, n=2, verifier="numeric")
    study.write_text(study.read_text() + "\n[verification.options.numeric]\nrelative_tolerance = 0.25\n")
    store = judged_run(study, tmp_path / "run")
    label = "numeric@3+relative-0.25+absolute-0.0"
    assert store.current_labels() == {"numeric": label}
    # the options are in the run's config, and are read back from it
    assert RunStore.open(tmp_path / "run").study().verification.options == {"numeric": {"relative_tolerance": 0.25}}
    strict = with_options(store.study().verification, ["numeric.relative_tolerance=0"])
    pipeline.verify_run(RunStore.open(tmp_path / "run"), settings=strict)
    assert store.labels("rl") == ["numeric@3+relative-0.0+absolute-0.0", label]


def test_a_study_with_a_wrong_option_is_refused_before_anything_is_sampled(tmp_path: Path) -> None:
    study = sums_study(tmp_path, n=2)
    study.write_text(study.read_text() + "\n[verification.options.numeric]\ntolerance = 0.25\n")
    with pytest.raises(ConfigError, match=r"verification\.options\.numeric\.tolerance: unknown key"):
        pipeline.start_run(load_study(study), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_verify_and_validate_take_options(tmp_path: Path) -> None:
    store = judged_run(sums_study(tmp_path, n=2), tmp_path / "run")
    done = CliRunner().invoke(
        app,
        ["verify", str(store.folder), "--verifier", "numeric", "--option", "numeric.absolute_tolerance=1000", "--json"],
    )
    assert json.loads(done.stdout)["verifiers"] == {"math": "numeric@3+relative-1e-06+absolute-1000.0"}
    wrong = CliRunner().invoke(
        app, ["validate", "jsonl", "--path", str(tmp_path / "sums.jsonl"), "--option", "math.zeal=1", "--json"]
    )
    assert "verification.options.math" in json.loads(wrong.stdout)["error"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["math", "exact", "numeric"], "--verifier: one to regrade, two to compare, not 3"),
        (["math", "math"], "--verifier: math twice compares a verifier with itself; name two"),
        (["math", "exact", "--retry-unscored"], "--retry-unscored: takes one verifier at a time"),
    ],
)
def test_verifiers_that_verify_cannot_take_are_one_line_also_as_json(
    tmp_path: Path, arguments: list[str], line: str
) -> None:
    given = [word for name in arguments for word in ([name] if name.startswith("--") else ["--verifier", name])]
    done = CliRunner().invoke(app, ["verify", str(tmp_path), *given, "--json"])
    assert json.loads(done.stdout) == {"command": "verify", "ok": False, "error": line}
