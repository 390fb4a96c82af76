"""Sets whose answers are Python programs: HumanEval, MBPP, EvalPlus's larger tests of both, LiveCodeBench.

The reference is the published solution (LiveCodeBench has none). What judging needs is in `metadata`, in one shape for
all sets (verifier "code"), all of it texts, numbers and lists:
  task_id   the set's own name of the problem
  prefix    program text that comes before a completion (HumanEval's prompt), or that a program may rely on
  setup     code that the tests need and that uses the program
  once      code that the tests need and that does not
  tests     a list of programs, each of which must run through without an exception
  entry_point  the function that is tested, where the set names it
  cases     instead of tests, for scripts: a list of {"input", "output"}
  cpu_seconds  where the set allows more time than the verifier does

HumanEval's question is its prompt, to be continued (template `code-completion`); MBPP's is the task with its tests,
as in the paper (template `mbpp`); chat models get any of them with `chat-code`.
MBPP has no single size. The hub gives the 500 problems of the test split, which is what the literature reports; a
local file may hold all 974, or 964 (without the 10 few-shot examples), with the split as a tag. Its sanitised
version is a different set and is left out. EvalPlus's sets are read as the hub has them (tests written out) and as
its releases have them (inputs, for which the published solution says what is expected).
"""

from typing import Any

from move37.benchmarks.published import Content, HubSet, PublishedBenchmark
from move37.rows import Row

PLUS_SECONDS = 20.0
"""CPU seconds for a program's thousand EvalPlus inputs."""

# How EvalPlus (arXiv 2305.01210) compares: floats to 1e-6, some MBPP tasks by what their wording leaves open.
_PLUS_ONCE = """\
from copy import deepcopy
from math import inf, isclose, nan, pow

names = {{}}
exec({solution!r}, names)
reference, tolerance = names[{entry_point!r}], {tolerance!r}
inputs = {inputs}
expected = [reference(*deepcopy(given)) for given in inputs]
as_sets = {{"similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
           "intersection_array", "find_dissimilar", "Diff"}}
found_or_not = {{"check_str", "text_match_three", "text_starta_endb"}}


def close(found, wanted, within):
    if isinstance(wanted, (list, tuple)):
        return (isinstance(found, (list, tuple)) and len(found) == len(wanted)
                and all(close(a, b, within) for a, b in zip(found, wanted)))
    if isinstance(wanted, (int, float, complex)) and isinstance(found, (int, float, complex)):
        return found == wanted or abs(found - wanted) <= within + 1e-7 * abs(wanted)
    return found == wanted


def agree(found, wanted, given):
    if {entry_point!r} == "find_zero":
        return abs(sum(c * pow(found, i) for i, c in enumerate(given[0]))) <= tolerance
    if {entry_point!r} in as_sets:
        return set(found) == set(wanted)
    if {entry_point!r} in found_or_not:
        return (found if isinstance(found, bool) else found is not None) == (
            wanted if isinstance(wanted, bool) else wanted is not None)
    within = tolerance
    if not within and (isinstance(wanted, float) or isinstance(wanted, (list, tuple)) and wanted
                       and all(isinstance(item, float) for item in wanted)):
        within = 1e-6
    return found == wanted or bool(within) and close(found, wanted, within)
"""
_PLUS_TEST = """\
for given, wanted in zip(inputs, expected):
    assert agree({entry_point}(*deepcopy(given)), wanted, given)
"""


def _humaneval_row(row: Row) -> Content:
    prompt, entry_point = row.text("prompt"), row.text("entry_point")
    return Content(
        prompt,
        (row.text("canonical_solution"),),
        metadata={
            "task_id": row.identifier("task_id"),
            "prefix": prompt,
            "setup": "",
            "tests": [f"{row.text('test')}\ncheck({entry_point})\n"],
            "entry_point": entry_point,
        },
    )


def _humaneval_plus_row(row: Row) -> Content:
    if row.find("plus_input") is None:
        content = _humaneval_row(row)
        return Content(content.question, content.references, metadata={**content.metadata, "cpu_seconds": PLUS_SECONDS})
    prompt, solution = row.text("prompt"), row.text("canonical_solution")
    return Content(prompt, (solution,), metadata=_plus(row, prompt, prompt + solution, _inputs(row)))


def _mbpp_row(row: Row) -> Content:
    tests = row.answers("test_list")
    return Content(
        f"{row.text('text').strip()} Your code should pass these tests:\n\n" + "\n".join(tests),
        (row.text("code"),),
        tags=row.tags("split"),
        metadata={
            "task_id": row.identifier("task_id"),
            "prefix": "",
            "setup": row.find("test_setup_code") or "",
            "tests": list(tests),
        },
    )


def _mbpp_plus_row(row: Row) -> Content:
    if row.find("plus_input") is not None:
        solution = row.text("canonical_solution")
        inputs = [_as_mbpp_wants(row.identifier("task_id"), given) for given in _inputs(row)]
        return Content(
            row.text("prompt").strip().strip('"').strip(), (solution,), metadata=_plus(row, "", solution, inputs)
        )
    tests = row.answers("test_list")
    return Content(
        f"{row.text('prompt').strip()} Your code should pass these tests:\n\n" + "\n".join(tests),
        (row.text("code"),),
        metadata={
            "task_id": row.identifier("task_id"),
            "prefix": "",
            "setup": "",
            "tests": [row.text("test")],
            "cpu_seconds": PLUS_SECONDS,
        },
    )


def _plus(row: Row, prefix: str, solution: str, inputs: list[Any]) -> dict[str, Any]:
    entry_point = row.text("entry_point")
    tolerance = row.find("atol") or 0
    if not isinstance(tolerance, int | float):
        raise row.error("'atol': expected a number")
    return {
        "task_id": row.identifier("task_id"),
        "prefix": prefix,
        "setup": "",
        "once": _PLUS_ONCE.format(solution=solution, entry_point=entry_point, tolerance=tolerance, inputs=repr(inputs)),
        "tests": [_PLUS_TEST.format(entry_point=entry_point)],
        "entry_point": entry_point,
        "cpu_seconds": PLUS_SECONDS,
    }


def _inputs(row: Row) -> list[Any]:
    """All inputs, each a list of arguments."""
    inputs = [*(row.find("base_input") or []), *row.require("plus_input")]
    if not all(isinstance(given, list) for given in inputs):
        raise row.error("'plus_input': expected a list of lists of arguments")
    return inputs


# JSON has no tuples, sets and complex numbers; these are the MBPP tasks whose arguments are some, by how they are.
_TUPLES_INSTEAD = {
    "every argument": "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
    "items of arguments": "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780",
    "items of the first": "75 413 444 753",
    "the second": "106 750",
    "the first": "250 405 446 617 720 763 808 307",
    "arguments and items": "259 401 445",
    "first and its items": "278",
    "throughout": "580 615 791",
}
_TUPLES_OF_TASK = {int(task): how for how, tasks in _TUPLES_INSTEAD.items() for task in tasks.split()}


def _as_mbpp_wants(task_id: str, given: list[Any]) -> list[Any]:
    """The arguments of one call with their tuples, sets and complex numbers."""
    task = int(task_id.rpartition("/")[2])
    if task == 115:
        return [[set(item) if item else {} for item in given[0]]]
    if task == 124:
        return [float(given[0]), complex(given[1])]
    if task == 252:
        return [complex(given[0])]
    if task == 722:
        return [{key: tuple(value) for key, value in given[0].items()}, *given[1:]]
    match _TUPLES_OF_TASK.get(task):
        case "every argument":
            return [_tuple(argument) for argument in given]
        case "items of arguments":
            return [[_tuple(item) for item in argument] for argument in given]
        case "items of the first":
            return [[_tuple(item) for item in given[0]], *given[1:]]
        case "the second":
            return [given[0], _tuple(given[1]), *given[2:]]
        case "the first":
            return [_tuple(given[0]), *given[1:]]
        case "arguments and items":
            return [tuple(_tuple(item) for item in argument) for argument in given]
        case "first and its items":
            return [tuple(_tuple(item) for item in given[0])]
        case "throughout":
            return [_tuples_throughout(argument) for argument in given]
    return given


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _tuples_throughout(value: Any) -> Any:
    return tuple(map(_tuples_throughout, value)) if isinstance(value, list) else value


HUMANEVAL = PublishedBenchmark(
    name="humaneval",
    expected_counts={164: "Chen et al. 2107.03374"},
    verifier="code",
    hub=HubSet("openai/openai_humaneval", "test"),
    read=_humaneval_row,
    file_names=("humaneval", "HumanEval"),
)
HUMANEVAL_PLUS = PublishedBenchmark(
    name="humaneval-plus",
    expected_counts={164: "Liu et al. 2305.01210"},
    verifier="code",
    hub=HubSet("evalplus/humanevalplus", "test"),
    read=_humaneval_plus_row,
    file_names=("humanevalplus", "HumanEvalPlus"),
)
MBPP = PublishedBenchmark(
    name="mbpp",
    expected_counts={
        500: "the test split of Austin et al. 2108.07732",
        974: "all splits",
        964: "all splits but the 10 few-shot examples",
    },
    verifier="code",
    hub=HubSet("google-research-datasets/mbpp", "test", config="full"),
    read=_mbpp_row,
    file_names=("mbpp",),
)
MBPP_PLUS = PublishedBenchmark(
    name="mbpp-plus",
    expected_counts={378: "EvalPlus v0.2.0", 399: "EvalPlus v0.1.0"},
    verifier="code",
    hub=HubSet("evalplus/mbppplus", "test"),
    read=_mbpp_plus_row,
    file_names=("mbppplus", "MbppPlus"),
)
