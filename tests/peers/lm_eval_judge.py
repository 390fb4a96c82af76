"""Run in lm-eval's environment: a task whose filter and metrics are ours, on a mock model; prints lm-eval's results.

lm_eval_judge.py FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

QUESTIONS = {"half of 1?": "0.5", "1+1?": "2", "no reference": ""}
TEXTS = {
    "half of 1?": ["\\boxed{\\frac{1}{2}}", "\\boxed{2}", "\\boxed{50\\%}", "I do not know"],
    "1+1?": ["\\boxed{3}"] * 4,
    "no reference": ["\\boxed{1}"] * 4,
}
TASK = """
task: move37_sums
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{gold}}}}"
repeats: 4
generation_kwargs: {{do_sample: true, temperature: 1.0, until: ["END"]}}
filter_list:
  - name: move37
    filter:
      - {{function: move37, answer: gold, verifier: math, workers: 1}}
process_results: !function move37.elsewhere.lm_eval.process_results
metric_list:
  - {{metric: pass@1, aggregation: !function move37.elsewhere.lm_eval.mean, higher_is_better: true}}
  - {{metric: pass@n, aggregation: !function move37.elsewhere.lm_eval.mean, higher_is_better: true}}
  - {{metric: unscored, aggregation: mean, higher_is_better: false}}
"""


class Mock(LM):
    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, int] = {}

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        found = []
        for request in requests:
            question = request.args[0]
            place = self.asked.get(question, 0)
            self.asked[question] = place + 1
            found.append(TEXTS[question][place])
        return found

    def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


def main() -> None:
    folder = Path(sys.argv[1])
    data = folder / "sums.jsonl"
    golds = [{"question": q, "gold": [gold] if gold else []} for q, gold in QUESTIONS.items()]
    data.write_text("".join(json.dumps(row) + "\n" for row in golds))
    (folder / "sums.yaml").write_text(TASK.format(data=data))
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = simple_evaluate(Mock(), tasks=["move37_sums"], task_manager=manager, bootstrap_iters=0, log_samples=True)
    assert found is not None
    samples = {row["doc"]["question"]: row["filtered_resps"] for row in found["samples"]["move37_sums"]}
    print(json.dumps({"results": found["results"]["move37_sums"], "samples": samples}))


if __name__ == "__main__":
    main()
