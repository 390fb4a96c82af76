"""Run in inspect's environment: a task with our scorer on its mock model; prints inspect's own metrics and scores.

inspect_judge.py FOLDER
"""

import json
import math
import sys

from inspect_ai import Epochs, Task
from inspect_ai import eval as run
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ModelOutput, ModelUsage, get_model
from inspect_ai.solver import generate

from move37.elsewhere.inspect_ai import move37

TEXTS = {"half of 1?": "so \\boxed{\\frac{1}{2}}", "1+1?": "\\boxed{3}", "no reference": "\\boxed{1}"}


def reply(messages: list[ChatMessage], *_: object) -> ModelOutput:
    """With its usage: inspect would fetch a tokenizer to count it."""
    made = ModelOutput.from_content("mockllm/model", TEXTS[messages[-1].text])
    made.usage = ModelUsage(input_tokens=3, output_tokens=3, total_tokens=6)
    return made


def main() -> None:
    golds = {"half of 1?": "0.5", "1+1?": ["2", "two"], "no reference": ""}
    task = Task(
        dataset=MemoryDataset([Sample(input=q, target=gold, id=q) for q, gold in golds.items()], name="sums"),
        solver=generate(),
        scorer=move37(verifier="math", settings={"workers": 1}),
        epochs=Epochs(2, ["mean", "pass_at_1"]),
    )
    answer = get_model("mockllm/model", custom_outputs=reply)
    [log] = run(task, model=answer, log_dir=sys.argv[1], display="none", log_format="json")
    assert log.results is not None
    metrics = {
        (score.reducer or "") + "/" + name: metric.value
        for score in log.results.scores
        for name, metric in score.metrics.items()
    }
    values = {sample.id: [score.value for score in (sample.scores or {}).values()] for sample in log.samples or []}
    plain = {
        id: [None if isinstance(value, float) and math.isnan(value) else value for value in of]
        for id, of in values.items()
    }
    print(json.dumps({"status": log.status, "metrics": metrics, "values": plain}))


if __name__ == "__main__":
    main()
