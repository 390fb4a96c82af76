"""Run in OpenCompass's environment: its own inference and evaluation of two problems, three times each, with a model
that gives fixed answers; prints what its evaluation found.

opencompass_run.py FOLDER
"""

import json
import os
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
ANSWERS = {"3 and 4": ("It is 7.", "It is 8.", "It is 7."), "5 and 6": ("It is 10.", "It is 10.", "It is 11.")}
"""By what the question holds, one for each run."""


def main() -> None:
    os.chdir(FOLDER)
    for split in ("train", "test"):
        rows = [
            {"question": f"What is {pair.replace('and', '+')}? ({pair})", "answer": f"sum\n#### {gold}"}
            for pair, gold in zip(ANSWERS, (7, 11), strict=True)
        ]
        (FOLDER / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    from mmengine.config import ConfigDict
    from opencompass.datasets import GSM8KDataset
    from opencompass.datasets.gsm8k import Gsm8kEvaluator, gsm8k_dataset_postprocess, gsm8k_postprocess
    from opencompass.models.base import BaseModel
    from opencompass.openicl.icl_inferencer import GenInferencer
    from opencompass.openicl.icl_prompt_template import PromptTemplate
    from opencompass.openicl.icl_retriever import ZeroRetriever
    from opencompass.registry import MODELS
    from opencompass.tasks import OpenICLEvalTask, OpenICLInferTask

    asked: dict[str, int] = {}

    @MODELS.register_module()
    class FixedAnswers(BaseModel):
        is_api = True

        def generate(self, inputs, max_out_len):
            found = []
            for text in map(str, inputs):
                pair = next(each for each in ANSWERS if each in text)
                found.append(ANSWERS[pair][asked.setdefault(pair, 0)])
                asked[pair] += 1
            return found

        def get_token_len(self, prompt):
            return len(str(prompt).split())

    round_ = {"role": "HUMAN", "prompt": "{question}\nPut the answer last."}
    dataset = {
        "abbr": "gsm8k",
        "type": GSM8KDataset,
        "path": str(FOLDER),
        "k": 1,
        "n": 3,
        "reader_cfg": {"input_columns": ["question"], "output_column": "answer"},
        "infer_cfg": {
            "prompt_template": {"type": PromptTemplate, "template": {"round": [round_]}},
            "retriever": {"type": ZeroRetriever},
            "inferencer": {"type": GenInferencer, "max_out_len": 64},
        },
        "eval_cfg": {
            "evaluator": {"type": Gsm8kEvaluator},
            "pred_postprocessor": {"type": gsm8k_postprocess},
            "dataset_postprocessor": {"type": gsm8k_dataset_postprocess},
        },
    }
    model = {"abbr": "fixed", "type": "FixedAnswers", "path": "fixed", "max_out_len": 64, "batch_size": 2}
    run = {"task": {"dump_details": True}}
    config = ConfigDict(
        models=[model], datasets=[[dataset]], work_dir=str(FOLDER), eval={"runner": run}, infer={"runner": {"task": {}}}
    )
    OpenICLInferTask(config).run()
    OpenICLEvalTask(config).run()
    print()
    print((FOLDER / "results" / "fixed" / "gsm8k.json").read_text().replace("\n", " "))


if __name__ == "__main__":
    main()
