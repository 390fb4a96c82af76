"""lm-evaluation-harness: samples_<task>_<date>.jsonl (--log_samples), with results_<date>.json beside.

A line is a document under one filter, so a document comes once per filter; `resps` holds all its repeats, and the
scores are mostly of the first repeat alone (filter take_first). Where the results name the filter's rule and the
metric's, the same rule is applied to all repeats (`lm_eval_filters.py`). Lines are joined by document.
Left out: log-likelihoods. They are no text, so a task of them is refused by name.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from move37.importers.base import About, LogImporter
from move37.importers.fields import golds, problem_tags, prompt_text, question_in, setting_texts, text_of, tool_verdict
from move37.importers.heads import Head, read_json_beside
from move37.importers.lm_eval_filters import Rule, rules_of
from move37.importers.logs import Asked, LogRow, NotSamplesError, Reading, Remarks, Response
from move37.rows import Row, stream_rows
from move37.types import Outcome

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT[\d:.-]+)\.jsonl?(?:\.gz|\.zst)?")
_QUESTIONS = ("question", "Question", "problem", "Problem", "query", "prompt", "input", "instruction", "text")
_NO_SCORES = {"doc_id", "schema_version", "task_id", "repeat", "higher_is_better", "bypass", "epoch", "index"}
_TOP_LEVEL = ("temperature", "top_p", "top_k", "min_p")


class LmEvalImporter(LogImporter):
    format = "lm-eval"

    def claims(self, head: Head) -> bool:
        return head.has("doc_id", "doc", "resps")

    def about(self, file: Path) -> About:
        named = _NAME.fullmatch(file.name)
        results = _results(file)
        task = named["task"] if named else _task_from_name(file.name)
        if results is None:
            return About(_model_from_folder(file), task, str(file), _generation(file))
        settings = {"lm-eval task version": str(results.version(task))} if results.version(task) is not None else {}
        settings |= setting_texts(few_shot=results.few_shot(task), limit=results.limit) | results.printed(task)
        return About(results.model or _model_from_folder(file), task, str(file), settings | _generation(file))

    def rows(self, file: Path, reading: Reading, remarks: Remarks) -> Iterator[LogRow]:
        results = _results(file)
        named = _NAME.fullmatch(file.name)
        task = named["task"] if named else _task_from_name(file.name)
        rules = results.rules(task) if results else {}
        trusted = {name: _Trust() for name in rules}
        repeats: dict[str, int] = {}
        for row in stream_rows(file):
            texts = _texts(row, task)
            # Filters that keep all repeats make one number of them, which is no verdict on any.
            of_one = len(texts) == 1 or not _keeps_all(row)
            named_scores = dict(_scores(row, results.lower_is_better(task) if results else set())) if of_one else {}
            first = {name: tool_verdict(name, value, remarks) for name, value in named_scores.items()}
            asked = _asked(row, reading)
            for name in first:
                if len(texts) > 1:
                    repeats[name] = len(texts)
            whole = _by_rules(row, texts, asked, rules, first, trusted)
            responses = [Response(text, scores=_of_repeat(place, first, whole)) for place, text in enumerate(texts)]
            yield LogRow(asked, tuple(responses), row, first=0)
        _explain(repeats, trusted, remarks)


class _Trust:
    """Whether a rule gave what the tool itself logged, wherever it logged something."""

    def __init__(self) -> None:
        self.agreed = self.differed = 0


class _Results:
    """What a results file says of the run. Fields came and went; whatever is not there is not known."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def _of(self, name: str, task: str) -> Any:
        found = self._values.get(name)
        return found.get(task) if isinstance(found, Mapping) else None

    @cached_property
    def _config(self) -> Mapping[str, Any]:
        found = self._values.get("config")
        return found if isinstance(found, Mapping) else {}

    @property
    def model(self) -> str | None:
        arguments = self._config.get("model_args")
        if isinstance(arguments, str):
            arguments = dict(part.split("=", 1) for part in arguments.split(",") if "=" in part)
        arguments = arguments if isinstance(arguments, Mapping) else {}
        path = arguments.get("pretrained") or arguments.get("model") or arguments.get("path")
        # Without any argument lm-eval makes up a name.
        named = self._values.get("model_name") if arguments else self._values.get("model_source")
        found = path or named or self._config.get("model")
        return str(found) if found else None

    @property
    def limit(self) -> Any:
        return self._config.get("limit")

    def version(self, task: str) -> Any:
        return self._of("versions", task)

    def few_shot(self, task: str) -> Any:
        found = self._of("n-shot", task)
        return found if found is not None else (self._of("configs", task) or {}).get("num_fewshot")

    def lower_is_better(self, task: str) -> set[str]:
        directions = self._of("higher_is_better", task)
        return {name for name, higher in directions.items() if higher is False} if directions else set()

    def printed(self, task: str) -> dict[str, str]:
        """The scores that the tool printed."""
        found = self._of("results", task)
        return {
            f"reported {name}": f"{value:.4f}"
            for name, value in (found.items() if isinstance(found, Mapping) else ())
            if isinstance(value, float) and "stderr" not in name
        }

    def rules(self, task: str) -> dict[str, Rule]:
        return rules_of(self._of("configs", task) or {})


def _results(file: Path) -> _Results | None:
    named = _NAME.fullmatch(file.name)
    try:
        stamp = file.stat().st_mtime_ns if file.is_file() else 0
    except OSError:
        stamp = 0
    return _results_of(file.parent, named["date"] if named else None, stamp)


@lru_cache(maxsize=64)
def _results_of(folder: Path, date: str | None, stamp: int) -> _Results | None:
    """The results of the same date; where the name has none, the only results in the folder."""
    found = sorted(folder.glob("*results*.json"))
    same = [path for path in found if date is not None and date in path.name]
    row = read_json_beside(same[0] if same else found[0]) if same or len(found) == 1 else None
    return _Results(row.values) if row is not None and "results" in row.values else None


def _task_from_name(name: str) -> str:
    stem = name.partition(".json")[0]
    return stem.rpartition("samples_")[2] or stem


def _model_from_folder(file: Path) -> str | None:
    """Newer versions write into a folder named after the model, with "__" for "/"."""
    return file.parent.name.replace("__", "/") if "__" in file.parent.name else None


@lru_cache(maxsize=64)
def _first_row(file: Path) -> Row:
    return next(iter(stream_rows(file)))


def _generation(file: Path) -> dict[str, str]:
    """How samples were drawn, from the first row's arguments. No sampling is temperature 0."""
    options = _arguments(_first_row(file))[1]
    if not isinstance(options, Mapping):
        return {}
    temperature = options.get("temperature") if options.get("do_sample", True) else 0
    if temperature is None and options.get("do_sample") is None:
        temperature = 0  # lm-eval's default
    limit = next((options[name] for name in ("max_gen_toks", "max_tokens", "max_new_tokens") if name in options), None)
    others = {name: options.get(name) for name in _TOP_LEVEL if name != "temperature"}
    return setting_texts(temperature=temperature, max_tokens=limit, **others)


def _arguments(row: Row) -> tuple[Any, Any]:
    """The prompt and how it was to be continued: an object in newer versions, a list of pairs in older ones."""
    arguments = row.find("arguments")
    if isinstance(arguments, Mapping):
        arguments = next(iter(arguments.values()), None)
        pair = list(arguments.values()) if isinstance(arguments, Mapping) else arguments
    else:
        pair = arguments[0] if isinstance(arguments, list) and arguments else None
    pair = list(pair) if isinstance(pair, list | tuple) else [pair]
    return pair[0] if pair else None, pair[1] if len(pair) > 1 else None


def _texts(row: Row, task: str) -> list[str]:
    """All repeats of a document. Raises NotSamplesError for log-likelihoods."""
    resps = row.require("resps")
    if not isinstance(resps, list) or not resps:
        raise row.error("'resps': expected a list of responses")
    group = resps[0] if isinstance(resps[0], list) else resps
    pairs = [each for each in group if isinstance(each, list | tuple)]
    if pairs or isinstance(_arguments(row)[1], str):
        raise NotSamplesError(
            f"{row.place.rpartition(':')[0] or row.place}: {task} compares log-likelihoods of given options; the model "
            "wrote no text, so there is nothing to verify (a generative variant of the task has text)"
        )
    return [text_of(row, text) for text in group]


def _asked(row: Row, reading: Reading) -> Asked:
    doc = row.find("doc")
    doc = Row(doc if isinstance(doc, Mapping) else {}, row.place)
    prompt = _prompt(_arguments(row)[0])
    names = (reading.fields["question"],) if "question" in reading.fields else _QUESTIONS
    question = next((value for name in names if isinstance(value := doc.find(name), str) and value.strip()), None)
    answer = doc.find(reading.fields["answer"]) if "answer" in reading.fields else row.find("target")
    key = row.find("doc_hash") or row.find("doc_id")
    return Asked(
        key=str(key) if key is not None else row.identifier("doc_id"),
        question=question or question_in(prompt) or row.text("doc"),
        references=golds(row, answer),
        prompt=prompt_text(prompt),
        tags=problem_tags(doc) | ({"task_id": str(doc.find("task_id"))} if doc.find("task_id") is not None else {}),
    )


def _prompt(value: Any) -> Any:
    """Chat models are asked with the messages as JSON text."""
    if isinstance(value, str) and value.startswith("[{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _scores(row: Row, lower_is_better: set[str]) -> Iterator[tuple[str, Any]]:
    """The metrics of a line by "metric,filter", as the tool prints them."""
    names = row.find("metrics")
    if not isinstance(names, list):
        names = [name for name, value in row.values.items() if isinstance(value, bool | int | float)]
    for name in names:
        value = row.values.get(name) if isinstance(name, str) else None
        if isinstance(value, bool | int | float | str) and name not in _NO_SCORES and name not in lower_is_better:
            yield f"{name},{row.find('filter') or 'none'}", value


def _by_rules(
    row: Row,
    texts: Sequence[str],
    asked: Asked,
    rules: Mapping[str, Rule],
    first: Mapping[str, Outcome | None],
    trusted: Mapping[str, _Trust],
) -> dict[str, list[Outcome]]:
    """The verdicts of the tool's own rules on every repeat, and what that says about whether ours are its rules."""
    found = {}
    target = row.find("target")
    for name in first:
        if name in rules and len(texts) > 1 and isinstance(target, str):
            found[name] = [rules[name].verdict(text, target) for text in texts]
            same = found[name][0] is first[name]
            trusted[name].agreed += same
            trusted[name].differed += not same
    return found


def _of_repeat(
    place: int, first: Mapping[str, Outcome | None], whole: Mapping[str, list[Outcome]]
) -> dict[str, Outcome]:
    scores = {}
    for name, verdict in first.items():
        if place == 0 and verdict is not None:
            scores[name] = verdict
        if name in whole:
            scores[f"{name},all-repeats"] = whole[name][place]
    return scores


def _keeps_all(row: Row) -> bool:
    """Whether the filter left several repeats of the document, as it does for pass@k and for votes."""
    kept = row.find("filtered_resps")
    kept = kept[0] if isinstance(kept, list) and len(kept) == 1 else kept
    return isinstance(kept, list) and len(kept) > 1


def _explain(repeats: Mapping[str, int], trusted: Mapping[str, _Trust], remarks: Remarks) -> None:
    for name, n in repeats.items():
        if name in trusted and trusted[name].agreed and not trusted[name].differed:
            remarks.say(
                f"lm-eval scored {name} on the first of {n} repeats alone; {name},all-repeats is its own rule on all "
                f"{n}, and gives what lm-eval logged on every first one"
            )
        elif name in trusted and trusted[name].differed:
            remarks.say(
                f"{name},all-repeats is not what lm-eval logged on {trusted[name].differed} first repeats: its rule is "
                "another than the results file says; do not use it"
            )
        else:
            remarks.say(f"lm-eval scored {name} on the first of {n} repeats alone")
