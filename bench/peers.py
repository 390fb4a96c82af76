"""The answer graders of lm-eval and verl, each called as its own package calls it, without the rest of that package.

Install each beside the environment, for their requirements would change it (ANTLR 4.11 changes Math-Verify's verdicts):
  pip install --no-deps --target LM_EVAL lm-eval antlr4-python3-runtime==4.11.1
  pip install --no-deps --target VERL verl pylatexenc
`bench/graders.py --peers LM_EVAL --peers VERL` runs this file once per folder, in a process of its own; a grader that
is not there is left out. Of lm-eval only `exact_match` is asked: minerva_math's other metric is Math-Verify itself.
verl's Math-Verify runs in this process, where verl starts a pool. What a grader raises is no acceptance, as in verl.
On stdin: [[reference, response, answer in the response or null], ...] as JSON; on stdout each grader's verdicts.
"""

import contextlib
import io
import json
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

Grade = Callable[[str, str], bool]
"""Of a reference and a response: whether it counts as right."""


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    grade: Grade
    form: str | None
    """How the grader's own prompt asks for the answer, with %s for it; None: it reads whole responses."""

    def accepts(self, reference: str, response: str) -> bool:
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                return self.grade(reference, response)
            except Exception:
                return False


def peers() -> list[Peer]:
    """Those that are installed; one line on stderr for each that lacks something."""
    found: list[Peer] = []
    for name, module, make, form in _ALL:
        package = name.split()[0]
        if find_spec(module.split(".")[0]) is None:
            continue
        try:
            _without_its_package(module)
            grade = make(import_module(module))
        except (ImportError, AssertionError) as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            continue
        found.append(Peer(f"{package} {version(package)} {name.split()[1]}", grade, form))
    return found


def _without_its_package(module: str) -> None:
    """Let `module` be imported without the `__init__` of its packages, which wants Ray, vLLM or a hundred metrics."""
    for end, letter in enumerate(module):
        if letter != "." or (name := module[:end]) in sys.modules or name.endswith("reward_score"):
            continue
        spec = find_spec(name)
        assert spec is not None
        package = types.ModuleType(name)
        package.__path__ = list(spec.submodule_search_locations or ())
        package.__spec__ = spec
        sys.modules[name] = package


def _lm_eval(task: Any) -> Grade:
    def grade(reference: str, response: str) -> bool:
        solution = f"\\boxed{{{reference}}}"
        normal = getattr(task, "normalize_final_answer", str)
        return bool(
            task.process_results({"solution": solution, "answer": normal(reference)}, [response])["exact_match"]
        )

    return grade


def _verl(rule: Any) -> Grade:
    def grade(reference: str, response: str) -> bool:
        score = rule.compute_score(response, reference)
        return bool(score["acc"] if isinstance(score, dict) else score[0] if isinstance(score, tuple) else score)

    return grade


def _verl_math_verify(rule: Any) -> Grade:
    return lambda reference, response: bool(rule._verify_in_subprocess(f"\\boxed{{{reference}}}", response))


_RULES = "verl.utils.reward_score"
_ALL: tuple[tuple[str, str, Callable[[Any], Grade], str | None], ...] = (
    ("lm-eval hendrycks_math", "lm_eval.tasks.hendrycks_math.utils", _lm_eval, "$%s$"),
    (
        "lm-eval minerva_math",
        "lm_eval.tasks.minerva_math.utils",
        _lm_eval,
        "Final Answer: The final answer is $%s$. I hope it is correct.",
    ),
    ("verl math_reward", f"{_RULES}.math_reward", _verl, "\\boxed{%s}"),
    ("verl math_dapo", f"{_RULES}.math_dapo", _verl, "Answer: $%s$"),
    ("verl prime_math", f"{_RULES}.prime_math", _verl, None),
    ("verl math_verify", f"{_RULES}.math_verify", _verl_math_verify, None),
)


def main() -> None:
    rows: list[tuple[str, str, str | None]] = json.load(sys.stdin)
    verdicts: dict[str, dict[str, list[bool]]] = {}
    for peer in peers():
        whole = [peer.accepts(reference, response) for reference, response, _ in rows]
        in_form = [
            whole[i] if peer.form is None or answer is None else peer.accepts(reference, peer.form % answer)
            for i, (reference, _, answer) in enumerate(rows)
        ]
        verdicts[peer.name] = {"whole": whole, "in_form": in_form}
    json.dump(verdicts, sys.stdout)


if __name__ == "__main__":
    main()
