"""Run in evalplus's environment: its own evaluation of six samples of two small problems; prints what it printed.

evalplus_run.py FOLDER
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
PROBLEMS = [
    {
        "task_id": f"HumanEval/{i}",
        "prompt": f'def f{i}(x):\n    """x plus {i}"""\n',
        "entry_point": f"f{i}",
        "canonical_solution": f"    return x + {i}\n",
        "test": "",
        "contract": "",
        "atol": 0,
        "base_input": [[1], [2]],
        "plus_input": [[-5]],
    }
    for i in (0, 1)
]
BODIES = ("return x + {i}", "return abs(x) + {i}", "return x")
"""Right; right on the base tests alone; wrong, but for HumanEval/0."""


def main() -> None:
    os.environ["HUMANEVAL_OVERRIDE_PATH"] = str(FOLDER / "problems.jsonl")
    (FOLDER / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    samples = [
        {"task_id": row["task_id"], "solution": row["prompt"] + "    " + body.format(i=i) + "\n"}
        for i, row in enumerate(PROBLEMS)
        for body in BODIES
    ]
    (FOLDER / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
    from evalplus.evaluate import evaluate

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        evaluate("humaneval", str(FOLDER / "samples.jsonl"), parallel=1)
    print(json.dumps({"said": said.getvalue()}))


if __name__ == "__main__":
    main()
