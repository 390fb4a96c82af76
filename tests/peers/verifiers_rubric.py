"""Run in the environment of verifiers up to 0.3: our rubric, asked as `SingleTurnEnv` asks it."""

import asyncio
import json
from typing import Any

import verifiers as vf
from datasets import Dataset

from move37.elsewhere.verifiers import rubric


async def scores(made: Any) -> list[float]:
    found = []
    for text, answer in (("so \\boxed{2}", "2"), ("\\boxed{3}", "2")):
        state = vf.State(
            prompt=[{"role": "user", "content": "1+1?"}],
            completion=[{"role": "assistant", "content": text}],
            answer=answer,
            task="sums",
            info={},
            example_id=0,
        )
        await made.score_rollout(state)
        found.append(state["reward"])
    return found


def main() -> None:
    made = rubric("math", {"workers": 1})
    data = Dataset.from_list([{"question": "1+1?", "answer": "2"}])
    environment = vf.SingleTurnEnv(dataset=data, rubric=made)
    print(json.dumps({"scores": asyncio.run(scores(made)), "environment": type(environment).__name__}))


if __name__ == "__main__":
    main()
