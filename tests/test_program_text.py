"""Which text in a response is the program: the kinds of responses that models give, for functions and for scripts."""

import json
import time

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
    "piece",
    [
        *("```", "```python\n", "'''", '"""\n```\n', "`", "[PYTHON]", "<code>", ">>> x\n", "((("),
        *("</a>", "<x>\n", "{", "`abcd`", "  \n\n", "</think>", "x</s>", "def triple(n): ```x", "> ```py\n"),
        *("```bash\ncat << EOF\n```\n", "```py x = ```"),
    ],
)
def test_a_row_of_marks_takes_as_long_as_it_is(piece: str) -> None:
    def seconds(characters: int) -> float:
        text, start = piece * (characters // len(piece)), time.process_time()
        for task in (FUNCTION, COMPLETION, SCRIPT):
            find_program(text, task)
        return time.process_time() - start

    # A machine that others share is at times half as fast for one call, so that one pair of them proves nothing.
    pairs = ((seconds(160_000), seconds(40_000)) for _ in range(5))
    assert any(longer < 8 * shorter for longer, shorter in pairs)  # its square would be 16 times as long


WRONG = "def triple(n):\n    return n\n"
CODE = WHOLE.rstrip()


def triples(text: str, task: Task = FUNCTION) -> bool:
    """Whether the program found in a text is right."""
    found = find_program(text, task)
    names: dict[str, object] = {}
    try:
        exec((task.head if found and found[:1].isspace() else "") + (found or ""), names)
        return names["triple"](5) == 15  # type: ignore[operator]
    except Exception:
        return False


REASONING = [
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysis", "Good.assistantfinal"),
]


@pytest.mark.parametrize(("begin", "end"), REASONING)
def test_what_a_model_thought_is_no_answer(begin: str, end: str) -> None:
    for thought in (f"```python\n{WRONG}```", WRONG):
        assert triples(f"{begin}\n{thought}\n{end}\n{WHOLE}")
        assert triples(f"{begin}\n{thought}\n{end}\n    return 3 * n\n", COMPLETION)
    assert same(find_program(f"{begin}\n```python\nprint(input())\n```\n{end}\n{READS}", SCRIPT), READS)
    assert not triples(f"{begin}\n```python\n{WHOLE}```\n{end}\n```python\n{WRONG}```")


def test_a_program_may_speak_of_the_end_of_reasoning() -> None:
    assert triples(f"```python\n{CODE}\n\ndef cut(t):\n    return t.split('</think>')[-1]\n```")


@pytest.mark.parametrize("end", ["<|im_end|>\n<|im_start|>user\nWrong?\n", "<|endoftext|>", "</s>", "<file_sep>"])
def test_what_comes_after_the_end_of_a_turn_is_no_answer(end: str) -> None:
    assert triples(f"```python\n{WHOLE}```{end}```python\n{WRONG}```")
    assert triples(f"    return 3 * n\n{end}import no_such_module\n", COMPLETION)


@pytest.mark.parametrize(
    "label",
    [
        "python3.11",
        "py3.10",
        "solution.py",
        "python:solution.py",
        "lang-python",
        "tool_code",
        "python#",
        "python;",
        "[python]",
        "sage",
        "notebook",
        "Solution",
        "text",
        "python # solution",
        "Python 3 (solution.py)",
        "python - solution",
        "{code-cell} python",
        "\U0001f40d",
        "#python",
    ],
)
def test_a_block_is_python_whatever_it_is_labelled(label: str) -> None:
    assert triples(f"So\n```{label}\n{WHOLE}```\nwhich prints\n```\n15\n```\nand\n```output\n15\n```")
    assert same(find_program(f"```{label}\n{READS}```\nprints\n```\n15\n```", SCRIPT), READS)


@pytest.mark.parametrize(
    "text",
    [
        f"```\npython\n{WHOLE}```",
        f"pythonCopy code\n{WHOLE}\nIt triples.",
        f"```python {CODE}\n```",
        f"```{CODE}\n```",
        "```python def triple(n): return 3 * n```",
        "Use `def triple(n): return 3 * n` here.",
        f"'''python\n{WHOLE}'''",
        f"````python\n{WHOLE}```\nDone.",
        f"```python\n{WHOLE}``\nDone.",
        "> > ```python\n> > def triple(n):\n> >     return 3 * n\n> > ```",
        f"```python\nFENCE = '```'\n{WHOLE}```\nDone.",
        f"Call ```triple(5)``` so:\n```python\n{WHOLE}```\nThe ```triple``` is done.",
        f"Here it is:\n{WHOLE}```\nDone.",
        f"```python\n{WHOLE}\nThis multiplies by three.",
        f"```python\n    {CODE.replace(chr(10), chr(10) + '    ')}\n```",
        f"Here is the code:\n\n    {CODE.replace(chr(10), chr(10) + '    ')}\n\nIt triples.",
        f"<answer>{CODE}</answer>",
        f"<solution><![CDATA[\n{WHOLE}]]></solution>",
        f'<invoke name="python"><parameter name="code">{WHOLE}</parameter></invoke>',
        f"The function <code>triple</code>:\n\n{WHOLE}",
        "<code>def triple(n):<br>    return 3 * n</code>",
        f"I use [PYTHON] tags.\n[PYTHON]\n{WHOLE}[/PYTHON]",
        "<tool_call>\n" + json.dumps({"name": "run", "arguments": {"code": WHOLE}}) + "\n</tool_call>",
        "<tool_call>\n" + json.dumps({"name": "run", "arguments": json.dumps({"code": WHOLE})}) + "\n</tool_call>",
        json.dumps({"cells": [{"cell_type": "code", "source": WHOLE.splitlines(keepends=True)}]}),
        f"```json\n{json.dumps({'solution': WHOLE})}\n```",
        f"```bash\ncat > a.py << 'EOF'\n{WHOLE}EOF\npython a.py\n```",
        "```diff\n def triple(n):\n-    return n\n+    return 3 * n\n```",
        f"```python\n!pip install x\n%matplotlib inline\n{WHOLE}```",
        "In [1]: def triple(n):\n   ...:     return 3 * n\n   ...:\n\nIn [2]: triple(5)\nOut[2]: 15\n",
        "```python\n\u200bdef triple(n):\n\u3000\u3000return 3 * n\n```",
        f"```python\r{WHOLE}```".replace("\n", "\r"),
        f"{WHOLE}\nDone\n",
        "First:\n\ndef times(a):\n    return 3 * a\n\nThen:\n\ndef triple(n):\n    return times(n)\n\nSo it is.",
        f"import math is not needed.\n\n{WHOLE}",
        f"Answer: {WHOLE}",
    ],
)
def test_a_function_is_found_in_what_models_put_around_it_today(text: str) -> None:
    assert triples(text)


SHOWN = 'def triple(n):\n    """Triples.\n\n    >>> triple(1)\n    3\n    """\n    return 3 * n\n'
ADDS = "def triple(n):\n    if n: return n + n + n\n    return 0\n"


@pytest.mark.parametrize(
    "text",
    [
        # Prompts in a docstring, and a session behind the program, are none that stand before it.
        f"Here it is:\n\n{SHOWN}\nIt multiplies by three.",
        f"```python\n{SHOWN}\nIt multiplies by three.",
        f'{SHOWN}\n\ndef other(n):\n    """Other.\n\n    >>> other(1)\n    2\n    """\n    return [',
        f"{WHOLE}\n>>> triple(1)\n3\n",
        f"```python\n{WHOLE}\n>>> triple(1)\n3\n```",
        f">>> 3 * 1\n3\n\nSo:\n\n{WHOLE}",
        # Words that are Python by accident.
        f"Solution\n\n{WHOLE}\nDone\n",
        f"{WHOLE}\nComplexity: O(n)\n",
        f"{WHOLE}\n#### Notes\n\n- simple\n- fast\n",
        # What is not Python defines nothing beside what is.
        f"```python\n{WHOLE}```\nIn short:\n```\ndef triple(n):\n    add n three times\n```",
        f"```python\n{WHOLE}```\nShorter:\n```python\ndef triple(n): return 3 * n)\n```",
        # A block that was left open is the program, if it is one, and none that only began to repeat another.
        f"```python\n{WRONG}```\nNo:\n```python\n{WHOLE}",
        f"```python\n{WRONG}```\nNo:\n```python\n{WHOLE.rstrip()}<|im_end|>",
        f"```python\n{WRONG}```\nNo:\n```python\n{WHOLE}\nassert triple(1) ==",
        f"```python\n{WHOLE}```\nAgain:\n```python\ndef triple(n):\n    # by addition\n    total = n\n",
        f"```python\n{ADDS}```\nAgain:\n```python\ndef triple(n):\n    '''Adds.'''\n    if n: return n + n + n\n",
        # The answer stands in its tag.
        f"<answer>\n```python\n{WHOLE}```\n</answer>\nNot this:\n```python\n{WRONG}```",
        f"<answer>{WRONG}</answer> No.\n<answer>\n{WHOLE}</answer>\nNot this:\n```python\n{WRONG}```",
        f"<answer>the code below</answer>\n```python\n{WHOLE}```",
        "```python\ndef times(a):\n    return 3 * a\n```\n"
        "<answer>```python\ndef triple(n):\n    return times(n)\n```</answer>",
        # A text that holds a program defines nothing; what binds a name anew needs what it was.
        f"```python\n{WHOLE}```\n```python\ncode = '''\n{WRONG}'''\nprint(code)\n```",
        f"```python\n{WHOLE}```\nLogged:\n```python\ndef logged(f):\n    return lambda n: f(n)\n\n"
        "triple = logged(triple)\n```",
        f"```python\n{WHOLE}```\nTo begin with:\n```python\ndef triple(n):\n    # yours\n    return None\n```",
        # Fences that nobody counted.
        f"  `````python\n  # A plan.\n\n  ```\n\nNow\n\n````python\n{WHOLE}````\n",
    ],
)
def test_a_function_is_found_beside_what_is_nearly_one(text: str) -> None:
    assert triples(text)


@pytest.mark.parametrize(
    "text",
    [
        f"```python\n{READS}```\n```python\n# input() gives a text\nx = '1'.split()\nprint(x)\n```",
        f"```python\n{READS}```\n```python\nprint('input() asks for a line')\n```",
        f"```python\nprint(input())\n```\nNo:\n```python\n{READS}",
        f"```python\n{READS}```\nAgain:\n```python\n# the number\nn = int(input())\n",
        f"```python\n{READS}```\nAgain:\n```python\ndef main():\n    n = int(input())\n",
        f"```python\n{READS}```\nShorter:\n```python\nprint(3 * int(input())\n```",
    ],
)
def test_a_script_is_found_beside_what_is_nearly_one(text: str) -> None:
    assert same(find_program(text, SCRIPT), READS)


def test_a_completion_may_have_a_function_of_the_same_name_within() -> None:
    assert triples("    def triple(m):\n        return 3 * m\n    return triple(n)\n", COMPLETION)


def test_a_signature_and_the_inside_of_its_function_may_stand_in_two_blocks() -> None:
    assert triples("```python\ndef triple(n: int) -> int:\n```\nbecomes\n```python\n    return 3 * n\n```", COMPLETION)


def test_a_message_to_a_tool_ends_no_turn() -> None:
    assert triples(f"<|python_tag|>{WRONG}<|eom_id|>\n3\n```python\n{WHOLE}```<|eot_id|>")


@pytest.mark.parametrize("label", ["json", ""])
def test_a_script_may_stand_in_an_objects_text(label: str) -> None:
    found = find_program(f"```{label}\n{json.dumps({'language': 'python', 'code': READS})}\n```", SCRIPT)
    assert same(found, READS)


def test_behind_reasoning_the_inside_of_a_function_may_stand_at_the_margin() -> None:
    assert triples("<think>easy</think>\n\nreturn 3 * n", COMPLETION)


def test_a_repetition_that_is_cut_in_a_line_is_none_although_the_line_is_python() -> None:
    program = "n = int(input())\nprint(n)\nn, m = 1, n\nprint(m)\n"
    cut = program[: program.index("m =")]
    assert same(find_program(f"```python\n{program}```\nAgain:\n```python\n{cut}", SCRIPT), program)


def test_a_script_that_is_no_python_is_not_mended() -> None:
    for broken in (f"{READS}print(n n)\n", f"import sys os\n{READS}", f"{READS}\nThis prints three times n.\n"):
        assert same(find_program(f"```python\n{broken}```", SCRIPT), broken)


@pytest.mark.parametrize("program", ["print('Hello')", "for n in range(2):\n    print(n)"])
@pytest.mark.parametrize("label", ["", "python"])
def test_an_output_that_is_python_too_is_no_script(program: str, label: str) -> None:
    assert same(find_program(f"```{label}\n{program}\n```\nprints\n```\nHello\n```", SCRIPT), program)


def test_where_a_class_or_a_function_will_do_the_last_of_either_counts() -> None:
    task = Task(frozenset({"triple"}), "", False, frozenset({"Solution"}))
    method = "class Solution:\n    def triple(self, n):\n        return 3 * n\n"
    assert same(find_program(f"```python\n{WRONG}```\nNo:\n```python\n{method}```", task), method)
    assert same(find_program(f"```python\n{method}```\nAs a function:\n```python\n{WHOLE}```", task), WHOLE)
    core = "def triple(self, n):\n    return 3 * n\n"
    assert same(find_program(f"```python\n{method}```\nIts core:\n```python\n{core}```", task), method)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 3 * n\nreturn x\n```",
        "The completed body:\n\n    return 3 * n\n",
        f"The head\n```python\n{HEAD}```\ngoes on so:\n```python\n    return 3 * n\n```",
    ],
)
def test_the_inside_of_a_function_is_found_in_a_block_and_behind_prose(text: str) -> None:
    found = find_program(text, COMPLETION)
    names: dict[str, object] = {}
    exec(HEAD + (found or ""), names)
    assert names["triple"](5) == 15  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["return 3 * n\n", "x = 3 * n\n    return x\n", "  return 3 * n\n", "\treturn 3 * n\n"]
)
def test_a_completion_that_is_indented_otherwise_than_its_head_is_left_so(text: str) -> None:
    # It fails wherever the prompt and the completion are put together as they are.
    assert not triples(HEAD + (find_program(text, COMPLETION) or ""))


def test_the_inside_of_another_function_continues_no_head() -> None:
    for text in ("def three(n):\n    return 3 * n\n", "```python\ndef three(n):\n    return 3 * n\n```"):
        assert "def three" in (find_program(text, COMPLETION) or "")


@pytest.mark.parametrize(
    "after",
    [
        "def triple(n): ...",
        'def triple(n: int) -> int:\n    """Three times n."""\n',
        "def triple(n):",
        "def triple(n):\n    m = n + n",
    ],
)
def test_a_signature_or_the_beginning_of_a_block_is_no_newer_program(after: str) -> None:
    assert triples(f"```python\ndef triple(n):\n    m = n + n\n    return m + n\n```\nwhere\n```python\n{after}\n```")


@pytest.mark.parametrize(
    "program", ["triple = lambda n: 3 * n", "from operator import mul\ndef f(n): return mul(3, n)\ntriple = f"]
)
def test_a_function_need_not_be_defined_with_def(program: str) -> None:
    assert triples(f"```python\n{program}\n```\nso\n```\n15\n```")


def test_functions_that_stand_apart_are_put_together_without_what_their_blocks_do() -> None:
    task = Task(frozenset({"triple", "third"}), "", False)
    third = "def third(n):\n    return n // 3\n"
    text = f"```python\n{third}assert third(3) == 2\nprint(input())\nthird(None)\n```\nand\n```python\n{WHOLE}```"
    found = find_program(text, task)
    assert found is not None
    assert "assert" not in found
    names: dict[str, object] = {}
    exec(found, names)
    assert names["third"](9) == 3  # type: ignore[operator]
    assert triples(text, task)


def test_where_a_class_is_wanted_a_function_of_the_methods_name_will_do() -> None:
    task = Task(frozenset({"Solution"}), "", False, frozenset({"triple"}))
    assert triples(f"```python\n{WHOLE}```\nso\n```\n15\n```", task)
    text = f"```python\nclass Solution:\n    pass\n```\n```python\n{WHOLE}```\n"
    assert "class Solution:\n    triple = 1" in (find_program(text.replace("pass", "triple = 1"), task) or "")


@pytest.mark.parametrize(
    "after",
    [
        "reads\n```python\nn = int(input())\n```\nand prints\n```python\nprint(3 * n)\n```",
        "```python\nimport io, sys\nsys.stdin = io.StringIO('3')\nn = int(input())\nprint(n)\n```",
        "```python\nimport subprocess\nprint(subprocess.run(['python', 'a.py'], input='3').stdout)\n```",
    ],
)
def test_an_excerpt_or_a_test_of_a_script_is_none(after: str) -> None:
    assert same(find_program(f"```python\n{READS}```\nwhich\n{after}", SCRIPT), READS)


@pytest.mark.parametrize(
    "steps",
    [
        ["n = int(input())", "m = 3 * n", "print(m)"],
        ["import sys", "def read():\n    return int(input())", "def main():\n    print(3 * read())", "main()"],
        [
            "def tri(n):\n    return 3 * n\ndef main():\n    print(tri(input()))\nmain()",
            "def main():\n    print(tri(int(input())))\nmain()",
        ],
    ],
)
def test_the_steps_of_a_script_are_one_program(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = find_program("\nthen\n".join(f"```python\n{step}\n```" for step in steps), SCRIPT)
    monkeypatch.setattr("builtins.input", lambda: "5")
    exec(found or "", {})
    assert capsys.readouterr().out == "15\n"
