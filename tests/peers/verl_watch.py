"""Run in verl's environment: verl's own validation metrics and its Tracking with our logger, on dumps of our test.

verl_watch.py FOLDER      FOLDER/validation holds the dumps; prints what verl says and what our logger handed on
"""

import importlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ["VERL_USE_EXTERNAL_MODULES"] = "move37.elsewhere.verl_logger"

from verl.trainer.ppo.metric_utils import process_validation_metrics
from verl.utils.tracking import Tracking


class Kept:
    """Stands for another logger, wandb say: what it was given, by step."""

    def __init__(self) -> None:
        self.data: dict[int, dict[str, Any]] = {}

    def log(self, data: dict[str, Any], step: int) -> None:
        self.data.setdefault(step, {}).update(data)


def best(path: Path) -> dict[str, float]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    ids = [row["uid"].partition("_")[0] for row in rows]
    found = process_validation_metrics(["sums"] * len(rows), ids, {"acc": [row["acc"] for row in rows]})
    return {name: float(value) for name, value in found["sums"]["acc"].items()}


def main() -> None:
    importlib.import_module("verl")
    dumps, folder = Path(sys.argv[1]) / "dumps", Path(sys.argv[1]) / "validation"
    folder.mkdir()
    config = {"trainer": {"validation_data_dir": str(folder)}}
    tracking = Tracking("p", "e", default_backend=["console", "move37"], config=config)
    tracking.logger["wandb"] = kept = Kept()
    said = {}
    for dump in sorted(dumps.glob("*.jsonl"), key=lambda path: int(path.stem)):
        step = int(dump.stem)
        said[step] = best(dump)
        shutil.copy(dump, folder)
        tracking.log({f"val-core/sums/acc/{name}": value for name, value in said[step].items()}, step=step)
    # 1 of 4 right, as `best@4` draws it.
    quarter = process_validation_metrics(["s"] * 4, ["u"] * 4, {"acc": [1.0, 0.0, 0.0, 0.0]})
    del tracking.logger["wandb"]
    print(json.dumps({"verl": said, "handed": kept.data, "quarter": quarter["s"]["acc"]["best@4/mean"]}))


if __name__ == "__main__":
    main()
