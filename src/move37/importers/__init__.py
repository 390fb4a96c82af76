"""Importers read samples or counts that another tool wrote. The contract is `move37.testing.check_importer`.

An importer finds the logs in files and folders and reads them row by row (`logs.py`); `joining.py` makes problems and
samples of the rows, the same way for all. Rows are joined by problem, never by their position in a file, and problems
get the same content ids that benchmarks give, so that two models imported separately land on the same problems. Another
tool's scores are kept beside, as what it reported: they are not verdicts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from move37.importers.heads import Head
from move37.importers.logs import Log, Reading
from move37.registry import Registry


class Importer(Protocol):
    format: str

    def claims(self, head: Head) -> bool:
        """Whether a file is of this format, by its name and its first row. Never raises."""
        ...

    def logs(self, paths: Sequence[Path], reading: Reading) -> list[Log]:
        """The logs in some files and folders: one for each model and task. Raises InputError with one line, at once or
        when a row is read."""
        ...


AUTO = "auto"
"""What stands for a format that shall be recognised (`recognition.py`)."""

IMPORTERS = Registry(
    "importer",
    {
        "lm-eval": "move37.importers.lm_eval:LmEvalImporter",
        "inspect": "move37.importers.inspect_ai:InspectImporter",
        "lighteval": "move37.importers.lighteval:LightevalImporter",
        "evalplus": "move37.importers.evalplus:EvalplusImporter",
        "human-eval": "move37.importers.human_eval:HumanEvalImporter",
        "bigcode": "move37.importers.bigcode:BigcodeImporter",
        "livecodebench": "move37.importers.livecodebench:LiveCodeBenchImporter",
        "verifiers": "move37.importers.verifiers_logs:VerifiersImporter",
        "nemo-skills": "move37.importers.nemo_skills:NemoSkillsImporter",
        "opencompass": "move37.importers.opencompass:OpenCompassImporter",
        "verl": "move37.importers.verl:VerlImporter",
        "large-language-monkeys": "move37.importers.monkeys:MonkeysImporter",
        "trl": "move37.importers.trl:TrlImporter",
        "paper": "move37.importers.paper:PaperImporter",
        "counts": "move37.importers.counts:CountsImporter",
        "jsonl": "move37.importers.jsonl:JsonlImporter",
    },
    methods=("claims", "logs"),
)
"""In the order in which `auto` asks them: a file that several could read is the first one's."""
