"""Run in the environment of verifiers up to 0.3: environment packages by name, as episodes of our rollouts.

verifiers_tools.py FOLDER: two packages are written there, one with tools, one that talks back.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from move37.environments import ENVIRONMENTS
from move37.environments.tools import tool_use
from move37.errors import InputError
from move37.rollouts import Where, roll_out
from move37.testing import check_environment
from move37.types import FinishReason, Prompt, Request, Sample

SUMS = '''
import verifiers as vf
from datasets import Dataset


def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


def load_environment(**_):
    rows = Dataset.from_list([{"question": "What is 20+22?", "answer": "42"}])
    return vf.ToolEnv(tools=[add], max_turns=4, dataset=rows, rubric=vf.Rubric())
'''
GUESS = """
import verifiers as vf
from datasets import Dataset


class Guess(vf.MultiTurnEnv):
    async def setup_state(self, state):
        state["guesses"] = 0
        return state

    async def env_response(self, messages, state, **_):
        state["guesses"] += 1
        wanted, said = int(state["answer"]), int(messages[-1].content)
        if said == wanted:
            state["final_env_response"] = [{"role": "user", "content": "yes"}]
            return state["final_env_response"]
        hint = "more" if said < wanted else "less"
        return [{"role": "user", "content": f"guess {state['guesses']}: {hint}"}]


def load_environment(**_):
    rows = Dataset.from_list([{"question": f"I think of a number of {n} digits.", "answer": "7" * n} for n in (1, 2)])
    return Guess(max_turns=5, dataset=rows, rubric=vf.Rubric())
"""


def said(turns: Sequence[str], seen: list[str]) -> Any:
    """A model that says these turns, whatever it is asked."""

    def generate(asked: Sequence[Request]) -> Iterator[Sample]:
        for request in asked:
            seen.append(request.prompt.text)
            text = turns[len(seen) - 1]
            yield Sample(request.prompt.problem_id, request.index, text, FinishReason.STOP, 3, -1.0)

    return generate


def episode(name: str, question: str, turns: Sequence[str]) -> dict[str, Any]:
    seen: list[str] = []
    prompt = Prompt("p", question, ("\n\n\n",), "completion")
    (made,) = roll_out(said(turns, seen), [Request(prompt, 0, 1)], "base", Where(f"verifiers:{name}"))
    return {"read": seen[-1], "use": list(tool_use(made)), "last": made.text}


def refused(name: str) -> str:
    try:
        ENVIRONMENTS.load(f"verifiers:{name}")()
    except InputError as error:
        return str(error)
    return ""


def main(folder: Path) -> None:
    (folder / "my_sums.py").write_text(SUMS)
    (folder / "my_guess.py").write_text(GUESS)
    sys.path.insert(0, str(folder))
    check_environment(ENVIRONMENTS.load("verifiers:my_sums")())
    call = '<tool_call>{"name": "add", "arguments": {"a": 20, "b": 22}}'
    wrong = '<tool_call>{"name": "add", "arguments": {"a": 20}}'
    chat = "<|im_start|>user\nWhat is 20+22?<|im_end|>\n<|im_start|>assistant\n"
    print(
        json.dumps(
            {
                "tools": episode("my_sums", "What is 20+22? ", [f"I add. {call}", wrong, "<tool_call>no JSON", "42"]),
                "chat": episode("my_sums", chat, [call, "42"]),
                "guess": episode("my_guess", "I think of a number of 2 digits.", ["50", "90", "77"]),
                "missing": refused("nowhere"),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
