"""The shape of the code: functions fit a screen, imports stand at the top unless one is heavy, and in no circle."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
SOURCE, BENCHES = ROOT / "src" / "move37", ROOT / "bench"
LONGEST = 60

LATE_IMPORTS = {
    "__init__.py": "importing the package takes no more than reading this file",
    "cli.py": "a run at a URL, which few commands are given",
    "remote.py": "fsspec is in the extra remote",
    "__main__.py": "Ctrl-C is answered before the rest is loaded",
    "commands/application.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/checks.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/exchange.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/lab.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/guessing.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/observing.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/reading.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/rehearsal.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/trained.py": "each command loads what it needs, so that --help waits for none of it",
    "commands/watching.py": "each command loads what it needs, so that --help waits for none of it",
    "analyses/agreement.py": "Polars, for tables of runs: counts are compared without",
    "analyses/tool_use.py": "Polars, for tables of runs: counts are compared without",
    "analyses/diversity.py": "Polars, for tables of runs: counts are compared without",
    "analyses/false_solves.py": "Polars, for tables of runs: counts are compared without",
    "importers/counts.py": "Polars, for large files",
    "api.py": "what draws, and what opens runs, is in extras",
    "lab/exact.py": "torch, for chances behind images alone",
    "elsewhere/trl.py": "torch, which TRL has loaded",
    "elsewhere/verifiers.py": "verifiers, the tool that it is for",
    "elsewhere/verl.py": "verl, the tool that it is for, and torch",
    "handover/plan.py": "transformers, for how long prompts are",
    "watch/page.py": "altair and vl-convert take half a second, which --help should not",
    "commands/studies.py": "each command loads what it needs, so that --help waits for none of it",
    "benchmarks/published.py": "datasets is in the extra hub",
    "images.py": "Pillow is in the extra vision",
    "environments/verifiers_package.py": "verifiers, the tool whose packages they are",
    "engines/transformers_images.py": "Pillow is in the extra vision",
    "pipeline.py": "the trainer loads torch; a calibration, every reader of answers",
    "engines/weight_files.py": "huggingface_hub is in the extra local",
    "engines/vllm_child.py": "vLLM, which reads variables that are set before it is imported",
    "engines/transformers_load.py": "peft is in the extra lora",
    "importers/monkeys.py": "PyYAML is in the extra logs",
    "report/assets.py": "vl-convert, where the drawing library is not kept yet",
    "report/page.py": "altair and vl-convert take half a second, which --help should not",
    "report/pictures.py": "vl-convert, where a picture is drawn",
    "registry.py": "importlib.metadata, a quarter of the start of a process that verifies, for names of other packages",
    "rows.py": "only Parquet files need a table library",
    "testing/algorithms.py": "torch, for a test of a loss of your own",
    "testing/policy_losses.py": "torch, for a test of a loss of your own",
    "trainings.py": "the trainer loads torch",
    "worlds/drawing.py": "Pillow is in the extra vision",
    "training/policy.py": "peft is in the extra lora",
    "training/records.py": "tensorboard and wandb are in the extra track",
    "types.py": "numpy, whose import was half of the start of a process that verifies",
    "verifiers/enclosures.py": "mpmath, for constants that 40 digits cannot tell apart",
    "verifiers/algebra.py": "SymPy and Math-Verify take seconds, in the worker that judges",
    "verifiers/reasoning_gym.py": "reasoning-gym is in the extra gym",
}
"""Files whose functions may import, with the reason."""


@cache
def functions(folder: Path) -> tuple[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef], ...]:
    trees = {str(path.relative_to(folder)): ast.parse(path.read_text()) for path in sorted(folder.rglob("*.py"))}
    return tuple(
        (path, node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.slow
@pytest.mark.parametrize("folder", [SOURCE, BENCHES], ids=["move37", "bench"])
def test_every_function_fits_a_screen(folder: Path) -> None:
    lengths = {f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in functions(folder)}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def names_in(module: str) -> set[str]:
    """What a module of the package can be asked for: what its file says at the top, and the modules below it."""
    path = SOURCE.parent.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text())
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    named |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    named |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return named | {below.stem for below in path.glob("*") if path.is_dir()}


@pytest.mark.slow
def test_every_bench_asks_the_package_for_what_it_has() -> None:
    """No test runs the benches: some take hours."""
    asked = {
        (path.name, node.module, alias.name)
        for path in BENCHES.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("move37")
        for alias in node.names
    }
    assert len(asked) > 100
    known = {module: names_in(module) for module in {module for _, module, _ in asked if module}}
    assert [each for each in sorted(asked) if each[2] not in known[each[1] or ""]] == []


@pytest.mark.slow
def test_functions_import_only_what_is_heavy_or_optional() -> None:
    importing = {
        path
        for path, node in functions(SOURCE)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    assert importing == set(LATE_IMPORTS), "add the file with its reason, or import at the top"


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = grimp.build_graph("move37", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        raise AssertionError(f"import circle: {' -> '.join(error.args[1])}") from None
