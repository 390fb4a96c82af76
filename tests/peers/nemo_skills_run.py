"""Run in NeMo-Skills' environment: its own generation loop, evaluation and metrics of three problems with two seeds,
with a model that gives fixed answers; prints what its metrics found.

nemo_skills_run.py FOLDER
"""

import json
import sys
from pathlib import Path
from unittest.mock import MagicMock

FOLDER = Path(sys.argv[1])
ANSWERS = {
    "What is 3 + 4?": (("<think>3 + 4</think>It is \\boxed{7}.", "stop"), ("<think>7</think>\\boxed{7.0}", "stop")),
    "What is 5 + 6?": (("<think>10?</think>\\boxed{10}.", "stop"), ("<think>11</think>It is \\boxed{11}.", "stop")),
    "What is 1 + 1?": (("<think>it is \\boxed{2}, or", "length"), ("</think>Two.", "stop")),
}
GOLDS = ("7", "11", "2")


def main() -> None:
    rows = [
        {"id": f"sums-{i}", "problem": question, "expected_answer": gold}
        for i, (question, gold) in enumerate(zip(ANSWERS, GOLDS, strict=True))
    ]
    (FOLDER / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    # Its launcher of cluster jobs and its clients of tools are imported on the way and not used.
    sys.modules["nemo_skills.pipeline.utils"] = sys.modules["nemo_skills.mcp.clients"] = MagicMock()
    from nemo_skills.evaluation.metrics.compute_metrics import ComputeMetrics
    from nemo_skills.inference.generate import GenerateSolutionsConfig, GenerationTask

    class FixedAnswers:
        def __init__(self, seed):
            self.seed = seed

        async def generate_async(self, prompt, **options):
            text = str(prompt)
            ((answer, end),) = (given[self.seed] for question, given in ANSWERS.items() if question in text)
            return {"generation": answer, "num_generated_tokens": len(answer.split()), "finish_reason": end}

    class Task(GenerationTask):
        def setup_llm(self):
            self.sandbox = None
            return FixedAnswers(self.cfg.inference.random_seed)

        def wait_for_server(self):
            pass

    files = []
    for seed in (0, 1):
        path = FOLDER / "eval-results" / "sums" / f"output-rs{seed}.jsonl"
        config = GenerateSolutionsConfig(
            _init_nested=True,
            input_file=str(FOLDER / "test.jsonl"),
            output_file=str(path),
            prompt_config="generic/math",
            server={"server_type": "openai", "model": "org/fixed", "base_url": "http://127.0.0.1:9"},
            inference={"random_seed": seed, "temperature": 0.6, "tokens_to_generate": 64},
            parse_reasoning=True,
            eval_type="math",
            eval_config={},
        )
        Task(config).generate()
        files.append(str(path))
    found = ComputeMetrics("sums", metric_type="math").compute_metrics(files)
    print()
    print(json.dumps(found, default=float))


if __name__ == "__main__":
    main()
