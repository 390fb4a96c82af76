"""Which text in a response is the program: the kinds of responses that models give, for functions and for scripts."""

import pytest

from move37.verifiers.program_text import Task, find_program

HEAD = 'def triple(n: int) -> int:\n    """Three times n."""\n'
FUNCTION = Task(frozenset({"triple"}), "", False)
COMPLETION = Task(frozenset({"triple"}), HEAD, False)
SCRIPT = Task(frozenset(), "", True)
WHOLE = "def triple(n):\n    return 3 * n\n"
READS = "n = int(input())\nprint(3 * n)\n"


def same(found: str | None, program: str) -> bool:
    return found is not None and found.strip() == program.strip()


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{WHOLE.rstrip()}```",
        f"So:\n```python\n{WHOLE.rstrip()}``` and that is all.",
        f"```python\n{WHOLE}``` It triples.",
        f"```python\n{WHOLE}```<|endoftext|>",
        f"```python\n{WHOLE}```</answer>",
        f"<answer>```python\n{WHOLE}```\n</answer>",
        f"The solution: ```python\n{WHOLE}```",
        f"* ```py\n{WHOLE}```",
        f"**1.** ```python3\n{WHOLE}```",
        "> Look:\n> ```python\n> def triple(n):\n>     return 3 * n\n> ```",
        f"```python\n{WHOLE}",
        f"```Python\n{WHOLE}</s>",
        f"{WHOLE}```\nThat was it.",
        f"{WHOLE}```\nUse it:\n```python\nprint(triple(1))\n```",
        f"~~~python\n{WHOLE}~~~ done",
        f"```{{.python}}\n{WHOLE}```",
        f"```python title=a.py\n{WHOLE}```",
        f"[PYTHON]\n{WHOLE}[/PYTHON]",
        f"[PYTHON]{WHOLE}",
        f"<pre><code class=x>{WHOLE}</code></pre>",
        f"Here you are.\n\n{WHOLE}",
        f"Here you are.\n\n{WHOLE}\nThis multiplies the number by three, as was asked.",
        ">>> def triple(n):\n...     return 3 * n\n...\n>>> triple(2)",
        "```pycon\n>>> def triple(n):\n...     return 3 * n\n```",
        f"\ufeff{WHOLE}",
        "```python\ndef triple(n):\n\u00a0\u00a0\u00a0 return 3 * n\n```",
        f"<think>\n```python\ndef triple(n): return n\n```\n</think>\n```python\n{WHOLE}```",
        f"<think>maybe def triple</think>\n{WHOLE}",
        f"```python\n{WHOLE}```\n```text\nO(1)\n```",
        f"```python\n{WHOLE}```\nTest:\n```python\nassert triple(1) == 3\n```",
        f"```bash\npip install x\n```\n```python\n{WHOLE}```",
    ],
)
def test_a_function_is_found_in_whatever_stands_around_it(text: str) -> None:
    found = find_program(text, FUNCTION)
    names: dict[str, object] = {}
    assert found is not None
    exec(found, names)
    assert names["triple"](5) == 15  # type: ignore[operator]


@pytest.mark.parametrize("fence", ["```", "~~~"])
@pytest.mark.parametrize("inner", ["```", "```python", "~~~"])
def test_a_fence_in_a_docstring_ends_no_block(fence: str, inner: str) -> None:
    program = (
        f'def triple(n):\n    """Triples.\n\n    {inner}\n    triple(1)\n    {inner[:3]}\n    """\n    return 3 * n\n'
    )
    assert same(find_program(f"{fence}python\n{program}{fence}\nSo.", FUNCTION), program)


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("    return 3 * n\n", "    return 3 * n"),
        ("# three times\n    return 3 * n\n", "# three times\n    return 3 * n"),
        ("```python\n# three times\n    return 3 * n\n```", "# three times\n    return 3 * n"),
        ("    return 3 * n\n```", "    return 3 * n"),
        ("    return 3 * n\n\nIt returns three times n.", "    return 3 * n"),
        ("```\n    return 3 * n\n```", "    return 3 * n"),
    ],
)
def test_a_completion_continues_the_head(text: str, program: str) -> None:
    found = find_program(text, COMPLETION)
    assert found is not None
    assert found.rstrip() == program


def test_helpers_in_other_blocks_come_before_the_block_that_needs_them() -> None:
    text = (
        "```python\nimport operator\n```\nthen\n```python\ndef times(a, b):\n    return operator.mul(a, b)\n```\n"
        "and\n```python\ndef triple(n):\n    return times(3, n)\n```\n```python\nprint(triple(2))\n```"
    )
    found = find_program(text, FUNCTION)
    names: dict[str, object] = {}
    assert found is not None
    assert "print" not in found
    exec(found, names)
    assert names["triple"](4) == 12  # type: ignore[operator]


@pytest.mark.parametrize(
    "body",
    [
        "try: return 3 * n\n    except TypeError as name: return name",
        "match n:\n        case [*name]: return name\n        case name: return 3 * name",
        "match n:\n        case {'n': 1, **name}: return name\n    return 3 * n",
        "return [3 * name for name in [n]][0]",
        "import operator as name\n    return name.mul(3, n)",
    ],
)
def test_a_name_that_the_program_binds_itself_is_not_looked_for_in_other_blocks(body: str) -> None:
    program = f"def triple(n):\n    {body}\n"
    assert same(find_program(f"```python\nname = 'a block'\n```\nthen\n```python\n{program}```", FUNCTION), program)


@pytest.mark.parametrize("helper", ["a, base = 1, 3", "base: int = 3", "try:\n    base = 3\nexcept OSError:\n    pass"])
def test_a_helper_may_be_bound_in_any_way(helper: str) -> None:
    text = f"```python\n{helper}\n```\nthen\n```python\ndef triple(n):\n    return base * n\n```"
    assert (find_program(text, FUNCTION) or "").startswith(helper)


@pytest.mark.parametrize(
    "after",
    [
        "",
        "```\n9\n```",
        "```text\nO(n)\n```",
        "```bash\necho 3 | python a.py\n```",
        "```python\nassert 3 * 2 == 6\nprint('ok')\n```",
        "```cpp\nint main() { return 0; }\n```",
        "```python\nprint(9)\n```",
        "Output:\n```\n1 2 3\n```",
    ],
)
def test_a_script_is_the_last_block_that_reads_its_input(after: str) -> None:
    assert same(find_program(f"```python\n{READS}```\nExplained.\n{after}", SCRIPT), READS)
    improved = READS.replace("3 * n", "n * 3")
    assert same(find_program(f"```python\n{READS}```\nBetter:\n```python\n{improved}```\n{after}", SCRIPT), improved)


def test_a_script_whose_call_stands_apart_gets_it() -> None:
    main = "def main():\n    print(3 * int(input()))\n"
    found = find_program(f"```python\n{main}```\nand call it:\n```python\nmain()\n```", SCRIPT)
    assert found is not None
    assert found.rstrip().endswith("main()")
    assert found.startswith("def main")


@pytest.mark.parametrize("text", ["", "I cannot.", "</think>", "```\n```", "The answer is 3.", "~~~", "`code`"])
def test_where_there_is_no_program_there_is_none(text: str) -> None:
    assert find_program(text, FUNCTION) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["```", "```python\n", "'''", '"""\n```\n', "`", "[PYTHON]", "<code>", ">>> x\n", "((("]
)
def test_a_megabyte_of_marks_takes_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    for task in (FUNCTION, COMPLETION, SCRIPT):
        find_program(text, task)  # the suite's time limit is the assertion
