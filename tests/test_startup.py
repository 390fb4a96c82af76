"""What a command loads before it works: whoever asks for help waits for no library of numbers."""

import json
import subprocess
import sys

import pytest

LIBRARIES = frozenset(("numpy", "scipy", "polars", "pydantic", "torch", "transformers", "altair", "jinja2", "sympy"))
READERS = frozenset(
    f"move37.verifiers.{name}" for name in ("choice", "extraction", "math", "reading", "spelling", "units", "values")
)


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`."""
    code += "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["sample", "--help"], ["reprot"]], ids=" ".join)
def test_help_and_misspelt_commands_load_no_library_of_numbers(arguments: list[str]) -> None:
    code = f"import sys\nfrom move37.cli import main\nsys.argv = ['move37', *{arguments}]\n"
    of_typer = {"pydantic"} if arguments != ["--help"] else set()  # to read a command's arguments
    assert LIBRARIES & loaded(f"{code}try: main()\nexcept SystemExit: pass") <= of_typer


@pytest.mark.slow
def test_importing_the_package_loads_nothing_but_itself() -> None:
    assert {name for name in loaded("import move37") if name.startswith("move37")} == {"move37"}
    assert "numpy" in loaded("import move37; move37.compare")


@pytest.mark.slow
def test_the_system_loads_no_reader_of_answers_and_no_drawing_before_it_verifies_or_draws() -> None:
    found = loaded("import move37.pipeline, move37.imports, move37.terminal")
    assert "numpy" in found
    assert READERS & found == set()
    assert found & {"torch", "transformers", "altair", "vl_convert", "math_verify", "sympy"} == set()


def test_a_process_that_verifies_loads_no_library_of_numbers_of_its_own() -> None:
    assert LIBRARIES & loaded("import move37.verifiers.worker, move37.verifiers.math") == set()
