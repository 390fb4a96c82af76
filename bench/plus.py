"""Claim: on the real files of HumanEval+ and MBPP+ every published solution is correct, and no empty function is.

The files are those of EvalPlus's releases (github.com/evalplus/humanevalplus_release and mbppplus_release, *.jsonl.gz).

    python bench/plus.py [--humaneval FILE] [--mbpp FILE]
"""

import argparse
import json
import re
import time
from pathlib import Path

from move37.config import ProblemsConfig, VerificationConfig
from move37.problems import load_problems
from move37.types import Problem, Verdict
from move37.verification import VerifierPool
from move37.verifiers.code import CodeVerifier


def empty(problem: Problem) -> str:
    """The solution's functions with nothing in them."""
    if problem.metadata.get("prefix"):
        return "    pass\n"
    names = re.findall(r"^def\s+(\w+)", problem.references[0], re.MULTILINE)
    return "\n".join(f"def {name}(*args, **kwargs):\n    pass" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--humaneval", type=Path)
    parser.add_argument("--mbpp", type=Path)
    options = parser.parse_args()
    figures: dict[str, dict[str, object]] = {}
    for benchmark, path in (("humaneval-plus", options.humaneval), ("mbpp-plus", options.mbpp)):
        if path is None:
            continue
        problems = load_problems((ProblemsConfig(benchmark=benchmark, path=path),))
        verifier = CodeVerifier()
        asked = [
            (problem, verifier.format_answer(problem, program), (problem.id, kind))
            for problem in problems
            for kind, program in (("solution", problem.references[0]), ("empty", empty(problem)))
        ]
        started = time.perf_counter()
        with VerifierPool(VerificationConfig(workers=2)) as pool:
            verdicts: dict[tuple[str, str], Verdict] = dict(pool.verify(verifier, asked))
        wanted = {"solution": "correct", "empty": "incorrect"}
        odd = [
            f"{name} {kind}: {v.outcome}, {v.reason}"
            for (name, kind), v in verdicts.items()
            if v.outcome != wanted[kind]
        ]
        print(f"{benchmark}: {len(problems)} problems, {len(odd)} not as they should be", *odd, sep="\n  ")
        seconds = round(time.perf_counter() - started, 1)
        figures[benchmark] = {"problems": len(problems), "odd": len(odd), "seconds": seconds}
    print(json.dumps({"bench": "plus", **figures}))


if __name__ == "__main__":
    main()
