"""large_language_monkeys (arXiv 2407.21787): a folder per model and data set, with one YAML file per problem.

    prompt, question, samples (a list), gt_answer, is_corrects (a list, after judging)

The name of a file is the problem's; the folder is named after the run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.importers.base import About, LogImporter
from move37.importers.fields import beside, golds, prompt_text, text_of, tool_verdicts
from move37.importers.heads import Head
from move37.importers.logs import Asked, LogRow, Reading, Remarks, Response
from move37.registry import missing_extra
from move37.rows import Row, brief, naming


class MonkeysImporter(LogImporter):
    format = "large-language-monkeys"

    def claims(self, head: Head) -> bool:
        return head.name.endswith((".yaml", ".yml")) and head.has("samples") and head.has_any("question", "prompt")

    def about(self, file: Path) -> About:
        name = file.parent.name
        task = next((each for each in ("gsm8k", "math", "codecontests", "minif2f") if each in name.lower()), None)
        return About(name or None, task)

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        row = Row(_read(file), str(file))
        texts = row.require("samples")
        if not isinstance(texts, list) or not texts:
            raise row.error("'samples': expected a list of responses")
        verdicts = beside(row, "is_corrects", len(texts))
        responses = tuple(
            Response(text_of(row, text), scores=tool_verdicts({"is_correct": verdict}, remarks))
            for text, verdict in zip(texts, verdicts, strict=True)
        )
        asked = Asked(
            key=file.stem,
            question=row.text("question", "prompt"),
            references=golds(row, row.find("gt_answer", "answer")),
            prompt=prompt_text(row.find("prompt")),
        )
        yield LogRow(asked, responses, row, first=0)


def _read(file: Path) -> dict[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise missing_extra("a YAML log", error, "logs") from error
    with naming(file):
        text = file.read_text(encoding="utf-8-sig")
    if not text.strip():
        raise InputError(f"{file}: empty, it holds no rows")
    try:
        value = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not valid YAML ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected the fields of a problem (question, samples), found {brief(value)}")
    return value
