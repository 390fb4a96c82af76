"""HumanEval and MBPP: problems whose answer is a Python program that must pass tests.

The reference is the published solution. What running needs is in `metadata`, in one shape for both sets:
  task_id   the set's own name of the problem
  prefix    program text that comes before a completion (HumanEval's prompt; empty for MBPP)
  setup     code to run before the tests
  tests     a list of programs, each of which must run through without an exception
  entry_point  the function that is tested (HumanEval only; MBPP's tests name theirs)
HumanEval's question is its prompt, to be continued (template `code-completion`); MBPP's is the task with its tests,
as in the paper (template `mbpp`); chat models get either with `chat-code`.
MBPP has no single size. The hub gives the 500 problems of the test split, which is what the literature reports; a
local file may hold all 974, or 964 (without the 10 few-shot examples), with the split as a tag. Its sanitised
version is a different set and is left out.
"""

from move37.benchmarks.published import Content, HubSet, PublishedBenchmark
from move37.rows import Row


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


HUMANEVAL = PublishedBenchmark(
    name="humaneval",
    expected_counts={164: "Chen et al. 2107.03374"},
    verifier="code",
    hub=HubSet("openai/openai_humaneval", "test"),
    read=_humaneval_row,
    file_names=("humaneval", "HumanEval"),
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
