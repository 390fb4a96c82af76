"""Run in the BigCode evaluation harness's environment: it writes and scores its own file of completions of three small
problems, which stand in for a model's; prints what it found.

bigcode_run.py FOLDER
"""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

FOLDER = Path(sys.argv[1])
PROBLEMS = [
    {
        "task_id": f"HumanEval/{i}",
        "prompt": f'\n\ndef f{i}(x):\n    """x plus {i}"""\n',
        "entry_point": f"f{i}",
        "canonical_solution": f"    return x + {i}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {1 + i}\n    assert candidate(-5) == {i - 5}\n",
    }
    for i in range(3)
]
BODIES = ("    return x + {i}\n", "    return abs(x) + {i}\n", "    return x\n", "    return x + {i}\n\nprint(f(0))")
"""Right; wrong; wrong but for HumanEval/0; right once what comes after it is cut off."""


def main() -> None:
    os.chdir(FOLDER)
    (FOLDER / "HumanEval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    from bigcode_eval import evaluator, tasks
    from bigcode_eval.tasks.humaneval import GeneralHumanEval

    def task_of(name, arguments):
        task = GeneralHumanEval(strip_prompt=True, k=[1, 2], num_workers=1)
        task.dataset = {"test": PROBLEMS}
        return task

    def completions(task, dataset, *rest, n_tasks, **options):
        return [
            [task.postprocess_generation(task.get_prompt(row) + "\n" + body.format(i=i), i) for body in BODIES]
            for i, row in enumerate(dataset)
        ]

    tasks.get_task, evaluator.parallel_generations = task_of, completions
    arguments = SimpleNamespace(
        metric_output_path="evaluation_results.json",
        allow_code_execution=True,
        limit=None,
        limit_start=0,
        n_samples=len(BODIES),
        check_references=False,
        save_every_k_tasks=-1,
        load_generations_path=None,
        save_generations=True,
        save_references=True,
        save_generations_path="generations.json",
        model="org/tiny",
        temperature=0.2,
        top_p=0.95,
        max_length_generation=512,
    )
    found = evaluator.Evaluator(SimpleNamespace(is_main_process=True), None, None, arguments).evaluate("humaneval")
    # As its main program ends.
    results = {"humaneval": found, "config": vars(arguments)}
    Path(arguments.metric_output_path).write_text(json.dumps(results, indent=2))
    print(json.dumps({name: float(value) for name, value in found.items()}))


if __name__ == "__main__":
    main()
