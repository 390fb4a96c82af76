"""lighteval: details_<task>_<date>.parquet (--save-details), with results_<date>.json beside or in results/.

A row is a document with all its responses; metrics are per document, so the tool has no verdict on a sample unless
there is but one. Newer files have the columns doc, model_response and metric; their documentation calls them __doc__
and so on; files up to 0.9 have example, predictions, gold. The query is the whole prompt: give the benchmark's file
(--problems) to find the question in it. There is no finish reason.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from move37.importers.base import About, LogImporter
from move37.importers.fields import golds, question_in, setting_texts, text_of, tool_verdicts
from move37.importers.heads import Head, read_json_beside
from move37.importers.logs import Asked, LogRow, NotSamplesError, Reading, Remarks, Response
from move37.rows import Row, stream_rows

_NAME = re.compile(r"details_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d:.-]+)\.parquet")
_GENERATION = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_new_tokens": "max_tokens"}


class LightevalImporter(LogImporter):
    format = "lighteval"

    def claims(self, head: Head) -> bool:
        if not head.name.endswith(".parquet"):
            return False
        old = head.has("predictions", "gold") and head.has_any("example", "full_prompt")
        return old or head.has("doc", "model_response") or head.has("__doc__", "__model_response__")

    def about(self, file: Path) -> About:
        task, date = _task_and_date(file)
        suite = task.split("|")
        # "lighteval|aime24|0" in older files, "aime24|0" in newer ones: the number is that of few-shot examples.
        name = suite[-2] if len(suite) > 1 else task
        few_shot = suite[-1] if len(suite) > 1 and suite[-1].isdigit() else None
        results = _results(file, date) if date else None
        if results is None:
            return About(None, name, str(file), setting_texts(few_shot=few_shot))
        general = results.get("config_general")
        general = general if isinstance(general, Mapping) else {}
        config = general.get("model_config")
        config = config if isinstance(config, Mapping) else {}
        asked = config.get("generation_parameters")
        asked = asked if isinstance(asked, Mapping) else {}
        settings = setting_texts(
            few_shot=few_shot,
            limit=general.get("max_samples"),
            **{ours: asked.get(theirs) for theirs, ours in _GENERATION.items()},
        )
        model = general.get("model_name") or config.get("model_name")
        return About(str(model) if model else None, name, str(file), settings | _printed(results, task))

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        task = _task_and_date(file)[0]
        for number, row in enumerate(stream_rows(file)):
            doc, answer, metrics = _parts(row, number)
            texts = answer.find("text", "predictions")
            if not isinstance(texts, list) or (not texts and answer.find("logprobs") is not None):
                raise NotSamplesError(
                    f"{file}: {task} compares log-likelihoods of given options; the model wrote no text, so there is "
                    "nothing to verify"
                )
            wanted = doc.find("num_samples")
            if isinstance(wanted, int) and wanted > 1 and len(texts) != wanted:
                raise row.error(f"{len(texts)} responses where the document asks for {wanted}; the file is not whole")
            scores = tool_verdicts(metrics, remarks) if len(texts) == 1 else {}
            tokens = answer.find("output_tokens", "generated_tokens") or []
            lengths = [len(each) if isinstance(each, list) else None for each in tokens]
            lengths = lengths if len(lengths) == len(texts) else [None] * len(texts)
            responses = (
                Response(text_of(row, text), tokens=length or None, scores=scores)
                for text, length in zip(texts, lengths, strict=True)
            )
            yield LogRow(_asked(doc, row), tuple(responses), row, first=0)
            if metrics and len(texts) > 1:
                remarks.say(
                    f"lighteval scores documents, not samples: {', '.join(metrics)} are shown as it printed them"
                )


def _parts(row: Row, number: int) -> tuple[Row, Row, dict[str, Any]]:
    """The document, the response and the metrics, whichever version wrote them."""
    doc, answer = row.find("doc", "__doc__"), row.find("model_response", "__model_response__")
    metrics = row.find("metric", "__metric__", "metrics") or {}
    if doc is None and row.find("predictions") is not None:
        gold = row.find("gold")
        doc = {"id": str(row.find("example_id", "id") or number), "query": row.find("full_prompt", "example")}
        doc |= {"question": row.find("example"), "choices": gold if isinstance(gold, list) else [gold]}
        doc |= {"gold_index": list(range(len(doc["choices"]))), "num_samples": None}
        answer = {"text": row.find("predictions"), "output_tokens": row.find("output_tokens", "tokens")}
    if not isinstance(doc, dict) or not isinstance(answer, dict):
        row.require("doc", "__doc__", "predictions")
        raise row.error("'doc' and 'model_response': expected structures, as lighteval writes them")
    return Row(doc, row.place), Row(answer, row.place), {k: v for k, v in dict(metrics).items() if v is not None}


def _asked(doc: Row, row: Row) -> Asked:
    prompt = doc.text("query")
    choices, index = doc.find("choices"), doc.find("gold_index")
    places = index if isinstance(index, list) else [index]
    if not isinstance(choices, list) or not all(isinstance(i, int) and 0 <= i < len(choices) for i in places):
        raise row.error("'gold_index': does not point at one of 'choices'")
    return Asked(
        key=doc.identifier("id"),
        question=doc.find("question", "original_query") or question_in(prompt) or prompt,
        references=golds(row, [choices[i] for i in places]),
        prompt=prompt,
    )


def _task_and_date(file: Path) -> tuple[str, str | None]:
    named = _NAME.fullmatch(file.name)
    stem = file.name.removesuffix(".parquet").removeprefix("details_")
    return (named["task"], named["date"]) if named else (stem, None)


@lru_cache(maxsize=64)
def _results(file: Path, date: str) -> Mapping[str, Any] | None:
    """The results of the same date: beside the file, or in results/ where the output folder has its usual shape."""
    name = f"results_{date}.json"
    beside = [file.parent / name]
    for above in list(file.parents)[1:5]:
        if (above / "results").is_dir():
            beside += sorted((above / "results").rglob(name))
    row = next((found for path in beside if (found := read_json_beside(path)) is not None), None)
    return row.values if row is not None else None


def _printed(results: Mapping[str, Any], task: str) -> dict[str, str]:
    scores = results.get("results")
    found = scores.get(task) if isinstance(scores, Mapping) else None
    return {
        f"reported {name}": f"{value:.4f}"
        for name, value in (found.items() if isinstance(found, Mapping) else ())
        if isinstance(value, int | float) and not name.endswith("_stderr")
    }
