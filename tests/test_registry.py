"""What a name may be: a row of the table, a class in a file or module, an entry point of an installed package."""

import pickle
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from move37.config import ConfigError, ProblemsConfig, VerificationConfig, load_study
from move37.engines import ENGINES
from move37.errors import InputError, Move37Error, UnknownNameError
from move37.problems import load_problems
from move37.testing import check_verifier
from move37.training.recipe import load_recipe
from move37.types import Outcome, Problem
from move37.verification import verify
from move37.verifiers import VERIFIERS, Verifier, label_of
from move37.verifiers.options import check_options, make_verifier, with_options

pytestmark = pytest.mark.own_workers

PROBLEM = Problem("fruit/1", "Which?", ("apple",), "fruit", "exact")
STRICT = """
    from move37.types import Outcome, Verdict

    class Strict:
        name = "strict"
        version = "1"

        def __init__(self, prefix: str = "fruit:"):
            self.prefix = prefix

        def extract(self, problem, text):
            return text.removeprefix(self.prefix) if text.startswith(self.prefix) else None

        def verify(self, problem, answer):
            return Verdict(Outcome.CORRECT if answer in problem.references else Outcome.INCORRECT, "said")

        def format_answer(self, problem, reference):
            return self.prefix + reference

        def set_up(self):
            pass


    def grade(problem, text):
        return True
"""


def write(folder: Path, code: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(dedent(code))
    return path


def package(folder: Path, name: str, points: dict[str, dict[str, str]], code: str = STRICT) -> None:
    """An installed distribution `name` with its module and entry points."""
    write(folder, code, f"{name}.py")
    info = folder / f"{name}-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    groups = (
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in each.items()) for group, each in points.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def refusal(action: object) -> str:
    with pytest.raises(Move37Error) as caught:
        action()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_class_in_a_file_is_run_once_and_anew_after_an_edit(tmp_path: Path) -> None:
    path = write(tmp_path, "class Mine:\n    def load(self): pass\n")
    first, again = ENGINES.load(f"{path}:Mine"), ENGINES.load(f"{path}:Mine")
    path.write_text(path.read_text() + "    edited = True\n")
    assert first is again is not ENGINES.load(f"{path}:Mine")
    other = write(tmp_path, path.read_text(), "other.py")
    assert ENGINES.load(f"{other}:Mine").__module__ != ENGINES.load(f"{path}:Mine").__module__


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("class Mine:\n    pass\n", "mine.py:Mine", "has no load"),
        ("class Mine:\n    pass\n", "mine.py:Mime", "no 'Mime' in .*did you mean 'Mine'"),
        ("1 / 0\n", "mine.py:Mine", r"cannot be loaded \(ZeroDivisionError: division by zero\)"),
        ("raise SystemExit(0)\n", "mine.py:Mine", r"cannot be loaded \(SystemExit: 0\)"),
        ("def broken(:\n", "mine.py:Mine", r"cannot be loaded \(SyntaxError"),
        ("", "nowhere.py:Mine", "no such file: .*nowhere.py"),
        ("", "mine.py:no-name", "write it as path/to/file.py:Class or package.module:Class"),
    ],
)
def test_a_file_that_does_not_do_is_refused_in_one_line(tmp_path: Path, code: str, name: str, said: str) -> None:
    write(tmp_path, code)
    with pytest.raises(InputError, match=said) as caught:
        ENGINES.load(f"{tmp_path}/{name}")
    assert "\n" not in str(caught.value)


def test_a_class_in_a_module_needs_no_path() -> None:
    assert ENGINES.load("move37.engines.scripted:ScriptedEngine") is ENGINES.load("scripted")
    assert "no Python module 'no_such_module'" in refusal(lambda: ENGINES.load("no_such_module:Engine"))


@pytest.mark.slow
def test_a_class_of_a_users_own_verifies_in_worker_processes_and_its_edit_is_another_version(tmp_path: Path) -> None:
    name = f"{write(tmp_path, STRICT)}:Strict"
    made = make_verifier(name)
    asked = Problem("fruit/1", "Which?", ("apple",), "fruit", name)
    assert [verify(asked, text).outcome for text in ("fruit:apple", "fruit:pear")] == [
        Outcome.CORRECT,
        Outcome.INCORRECT,
    ]
    assert label_of(pickle.loads(pickle.dumps(made))) == label_of(made)
    assert made.version.startswith("1+")
    sent = pickle.dumps(made)
    write(tmp_path, STRICT + "\n    # edited\n")
    assert label_of(make_verifier(name)) != label_of(made)
    assert "was edited" in refusal(lambda: pickle.loads(sent))


def test_a_function_in_the_same_file_is_a_function_verifier(tmp_path: Path) -> None:
    path = write(tmp_path, STRICT)
    assert make_verifier(f"{path}:grade").name == "function"
    assert "no function 'gade'" in refusal(lambda: make_verifier(f"{path}:gade"))


def test_options_of_a_users_own_class_go_by_its_whole_name(tmp_path: Path) -> None:
    name = f"{write(tmp_path, STRICT)}:Strict"
    settings = with_options(VerificationConfig(), [f"{name}.prefix=it is "])
    made = make_verifier(name, settings)
    assert made.extract(PROBLEM, "it is apple") == "apple"
    wrong = VerificationConfig(options={name: {"prefx": "x"}})
    for refused in (lambda: make_verifier(name, wrong), lambda: check_options(wrong)):
        assert "prefx: unknown key; did you mean 'prefix'?" in refusal(refused)


def test_a_users_own_class_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, STRICT.replace("self.prefix = prefix", "raise RuntimeError('no\\n luck')"))
    assert "cannot be made (RuntimeError: no luck)" in refusal(lambda: make_verifier(f"{path}:Strict"))
    path = write(tmp_path, STRICT.replace('name = "strict"', 'name = "../strict"'))
    assert "name '../strict' has to be of letters" in refusal(lambda: make_verifier(f"{path}:Strict"))


def test_names_in_a_study_are_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, STRICT)
    (tmp_path / "study.toml").write_text(
        """
        name = "own"
        problems = {benchmark = "mine.py:Set", verifier = "mine.py:Strict", size = 3}
        models.base = {path = "x", engine = "mine.py:Engine"}
        verification.options."mine.py:Strict" = {prefix = ""}
        """
    )
    monkeypatch.chdir("/")
    study = load_study(tmp_path / "study.toml")
    assert study.problems[0].benchmark == f"{tmp_path}/mine.py:Set"
    assert study.problems[0].verifier == f"{tmp_path}/mine.py:Strict"
    assert study.models["base"].engine == f"{tmp_path}/mine.py:Engine"
    assert set(study.verification.options) == {f"{tmp_path}/mine.py:Strict"}
    (tmp_path / "study.toml").write_text('name = "own"\nproblems.benchmark = "gone.py:Set"')
    with pytest.raises(ConfigError, match=r"problems\.0\.benchmark: no such file or folder: gone\.py"):
        load_study(tmp_path / "study.toml")


def test_an_algorithm_in_a_recipe_is_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        """
        from move37.config import Settings
        from move37.training.algorithms import Needs

        class Flat:
            class Options(Settings):
                pass

            needs = Needs()
            loss_defaults = {"clip_high": 0.5}

            def __init__(self, options):
                pass

            def advantages(self, evidence):
                raise NotImplementedError
        """,
    )
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "own"\nsteps = 1\nmodel.path = "org/x"\nproblems.benchmark = "gsm8k"\nalgorithm.name = "mine.py:Flat"'
    )
    monkeypatch.chdir("/")
    loaded = load_recipe(recipe)
    assert loaded.algorithm.name == f"{tmp_path}/mine.py:Flat"
    assert loaded.loss.clip_high == 0.5


def test_a_benchmark_of_a_users_own_decides_about_its_settings(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        from move37.types import Problem

        class Set:
            name, verifier, expected_counts = "set", "exact", {}

            def load(self, source):
                return tuple(Problem(f"set/{i}", f"{i}?", (str(i),), "set", "exact") for i in range(source.size))
        """,
    )
    assert len(load_problems([ProblemsConfig(benchmark=f"{tmp_path}/mine.py:Set", size=3)])) == 3
    assert "unknown benchmark 'math500:x'" in refusal(lambda: load_problems([ProblemsConfig(benchmark="math500:x")]))


def test_an_entry_point_is_a_name_like_any_other(site: Path) -> None:
    package(site, "fruit_plugin", {"move37.verifiers": {"strict": "fruit_plugin:Strict"}})
    assert make_verifier("strict").name == "strict"
    assert VERIFIERS.known() == (*VERIFIERS.names, "strict")
    with pytest.raises(UnknownNameError, match="did you mean 'strict'.*known: math, .*, strict"):
        VERIFIERS.load("stric")


def test_an_entry_point_that_cannot_be_imported_names_its_package(site: Path) -> None:
    package(site, "fruit_plugin", {"move37.engines": {"fruit": "no_such_place:Engine", "empty": "fruit_plugin:Empty"}})
    where = "of the installed package fruit_plugin 0.1 cannot be loaded"
    assert f"engine 'fruit' {where} (ModuleNotFoundError" in refusal(lambda: ENGINES.load("fruit"))
    assert f"engine 'empty' {where} (AttributeError" in refusal(lambda: ENGINES.load("empty"))


def test_a_name_of_the_table_stays_ours_and_the_package_that_takes_it_is_refused(site: Path) -> None:
    package(site, "fruit_plugin", {"move37.verifiers": {"math": "fruit_plugin:Strict", "other": "fruit_plugin:Strict"}})
    assert VERIFIERS.load("math").__module__ == "move37.verifiers.math"
    assert "'math' is a name of move37's own, and the installed package fruit_plugin 0.1" in refusal(VERIFIERS.known)
    assert "its class calls itself 'strict'" in refusal(lambda: make_verifier("other"))


def test_two_packages_with_one_name_are_refused_and_other_names_still_load(site: Path) -> None:
    package(site, "one", {"move37.verifiers": {"strict": "one:Strict"}})
    package(site, "two", {"move37.verifiers": {"strict": "two:Strict", "mine": "two:Strict"}})
    said = "verifier 'strict' is in two installed packages, one 0.1 and two 0.1; uninstall one of them"
    assert refusal(VERIFIERS.known) == refusal(lambda: VERIFIERS.load("strict")) == said
    assert VERIFIERS.load("mine").__name__ == "Strict"


@pytest.mark.slow
def test_importing_move37_and_its_help_look_at_no_installed_package() -> None:
    code = (
        "import sys, importlib.metadata as m, move37.registry as r\n"
        "def fail(**k): raise AssertionError('scanned')\n"
        "r.entry_points = fail\n"
        "import move37.cli as c, move37.pipeline\n"
        "c.app(['--help'], standalone_mode=False); c.members('engines').load('scripted')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).returncode == 0


class TestContractTests:
    """`move37.testing` finds what is not kept."""

    def strict(self, folder: Path, old: str = "", new: str = "") -> Verifier:
        return make_verifier(f"{write(folder, STRICT.replace(old, new) if old else STRICT)}:Strict")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            (
                "CORRECT if answer in problem",
                "INCORRECT if answer in problem",
                "the reference 'apple' has to be correct",
            ),
            ("else Outcome.INCORRECT", "else Outcome.CORRECT", "the wrong response has to be incorrect"),
            ("else None", "else 3", "extract has to return a text or None, not 3"),
            ('version = "1"', 'version = "one"', "has to begin with your own revision"),
        ],
    )
    def test_a_verifier_that_breaks_its_contract(self, tmp_path: Path, old: str, new: str, said: str) -> None:
        with pytest.raises(AssertionError, match=said):
            check_verifier(self.strict(tmp_path, old, new), [PROBLEM], "fruit:pear")

    def test_a_verifier_that_keeps_it(self, tmp_path: Path) -> None:
        check_verifier(self.strict(tmp_path), [PROBLEM], "fruit:pear")
