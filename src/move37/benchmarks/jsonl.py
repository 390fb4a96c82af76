"""A set of the user's own: any JSONL, JSON list or Parquet file, with a mapping of its field names.

Every row must have a question and an answer (a text, a number, or a list of alternatives). Without a mapping the keys
are `question` or `prompt`, and `answer`, `ground_truth`, `reward_model.ground_truth` or `solution`, which
are those of TRL's and verl's data. A question may be a chat (`row_questions.py`).
Where answers are compared (math, numeric), a worked solution stands for what is behind its last "####", between the
<answer> tags at its end or in its last box; all else is taken as it stands. A question that occurs twice is refused:
unlike in a published set, nobody counts on it, and one problem counted twice makes every interval too narrow.
The tag `source` is the file's name.

A row may have images (`row_images.py`), under `images` or `image`; names of files are relative to the file of the rows.
They stand where the question says "<image>" (the next one) or "<image 2>", those without a mark before it.

A row with options is a choice question, judged by `choice`. Options are a list, {"A": ..., "B": ...} or {"text": [...],
"label": [...]}; the answer is a letter (or label), a number counted from 0, or an option's text, and a row in which
these disagree is refused. The question shows the options with letters, the reference is the right one's letter.
With `verifier = "code"` an answer is a program, and every row must have tests (`program_tests.py`) under `tests`,
`test`, `test_list`, `test_cases`, `input_output` or verl's `reward_model.ground_truth`. It may have `entry_point`;
`fn_name`, the function that inputs are arguments of; `prefix`, program text to be continued; `setup` (MBPP:
`test_setup_code`, `test_imports`), code that the tests need; `checker`, a Python function
check(input, output, expected) for scripts with several right outputs; `cpu_seconds`; and a reference solution as its
answer.

`shuffle_options` puts them in a random order of the problem's own, from `seed` and the problem's id, which does not
depend on the order. Options that speak of others are not torn from them: "all of the above" at the end stays there,
and a question whose options name letters ("both A and B") keeps its order. Metadata: "options" as shown, and "order",
the place in the file (from 0) of each option shown, with which every analysis can undo the shuffling.
"""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from move37.benchmarks.math_sets import solution_box
from move37.benchmarks.row_images import images_of
from move37.benchmarks.row_questions import asked
from move37.config import FieldMapping, ProblemsConfig
from move37.errors import ConfigError, InputError
from move37.identity import content_id
from move37.program_tests import read_source, read_tests
from move37.rows import Row, read_rows
from move37.seeds import generation_seed
from move37.types import Problem

CODE = "code"
"""The verifier of rows with tests of programs."""
_TESTS = ("tests", "test", "test_list", "test_cases", "input_output", "reward_model.ground_truth")
_BEFORE_TESTS = ("test_imports", "test_setup_code")
_QUESTIONS = ("question", "prompt")
_ANSWERS = ("answer", "ground_truth", "reward_model.ground_truth", "solution")
_IMAGES = ("images", "image")
_READS_ANSWERS = (None, "math", "numeric")
"""Verifiers that compare a final answer: others are given references as they stand."""
_HASHES = re.compile(r"####\s*(\S[^\n]*)\s*$")
_HASHED_NUMBER = re.compile(r"^####[ \t]*([-+]?\$?[-+]?\d[\d,./]*%?)[ \t]*$", re.MULTILINE)
"""A number stands behind GSM8K's mark also where something follows; a heading does not."""
_TAGS = re.compile(r"<answer>((?:(?!<answer>).)*?)</answer>\s*$", re.DOTALL)
_COMMAS = re.compile(r"(?<=\d),(?=\d{3}\b)")
SYSTEM = "system"
"""In a problem's metadata: the message of the system that its chat began with."""
CHOICE = "choice"
"""The verifier of rows with options."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OPTION_FIELDS = ("options", "choices")
_OF_THE_ABOVE = re.compile(r"\b(?:above|preceding|(?:of|other) (?:these|those))\b", re.IGNORECASE)
_NAMES_LETTERS = re.compile(
    r"\b[A-Z]\)?\s*(?:,|&|\band\b|\bor\b|\bnor\b)\s*\(?[A-Z]\b"  # "both A and B"
    r"|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Oo]nly|[Bb]oth|[Nn]either|[Ee]ither)s?\s+\(?[A-Z]\b"  # "only B"
    r"|^\W*[A-Z]\W*$|^\W*[A-Z]\W+only\b"  # "B", "B only"
)


class JsonlBenchmark:
    name = "jsonl"
    verifier = "math"
    expected_counts: Mapping[int, str] = {}

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """One problem per row. Raises ConfigError without a path, InputError for a bad or repeated row."""
        if source.path is None:
            raise ConfigError("problems.path: benchmark = 'jsonl' needs the path of the file")
        places: dict[str, str] = {}
        problems = []
        for row in read_rows(source.path):
            problem = self._problem(row, source)
            if problem.id in places:
                raise row.error(f"the same question as {places[problem.id]}; remove one of the two")
            places[problem.id] = row.place
            problems.append(problem)
        return tuple(problems)

    def _problem(self, row: Row, source: ProblemsConfig) -> Problem:
        fields = source.fields or _usual_fields(row)
        question, system = asked(row, fields.question)
        assert source.path is not None
        images = images_of(row, (fields.images,) if fields.images else _IMAGES, source.path.parent)
        tags = {"source": source.path.name.partition(".")[0], **row.tags(*fields.tags)}
        if source.verifier == CODE:
            return _program(self.name, row, (question, system), fields.answer, tags)
        said = {} if system is None else {SYSTEM: system}
        whole = "\n".join((system, question)) if system else question
        key = fields.options or next((key for key in _OPTION_FIELDS if isinstance(row.find(key), list | dict)), None)
        if key is None:
            references = row.answers(fields.answer)
            if source.verifier in _READS_ANSWERS:
                references = tuple(dict.fromkeys(map(final_answer, references)))
            problem_id = content_id(self.name, whole, images)
            return Problem(problem_id, question, references, self.name, self.verifier, tags, said, images)
        labels, options = _options(row, key)
        right = _right_options(row, fields.answer, labels, options)
        # The options belong to what is asked, their order does not.
        problem_id = content_id(self.name, "\n".join((whole, *sorted(options))), images)
        order = list(range(len(options)))
        if source.shuffle_options:
            order = shuffled_order(options, generation_seed(source.seed, f"options {problem_id}"))
        shown = [options[place] for place in order]
        return Problem(
            id=problem_id,
            question="\n".join((question, "", *map("{}. {}".format, _LETTERS, shown))),
            references=tuple(sorted(_LETTERS[order.index(place)] for place in right)),
            benchmark=self.name,
            verifier=CHOICE,
            tags=tags,
            metadata={"options": shown, "order": order, **said},
            images=images,
        )


def _usual_fields(row: Row) -> FieldMapping:
    """The keys of a row that nobody named: move37's own, or those of TRL's and verl's data."""
    question = next((key for key in _QUESTIONS if row.find(key) is not None), _QUESTIONS[0])
    answer = next((key for key in _ANSWERS if row.find(key) is not None), _ANSWERS[0])
    return FieldMapping.model_validate({"question": question, "answer": answer})


def final_answer(reference: str) -> str:
    """The answer in a worked solution: behind GSM8K's "####", in tags at its end, or in the last box; any other text
    as it stands."""
    behind = _HASHES.search(reference)
    if behind is not None:
        return _COMMAS.sub("", behind[1].strip())
    tagged = _TAGS.search(reference)
    if tagged is not None and tagged[1].strip():
        reference = tagged[1].strip()
    if reference.startswith("\\boxed{"):
        return reference
    numbers = _HASHED_NUMBER.findall(reference)
    return solution_box(reference) or (_COMMAS.sub("", numbers[-1]) if numbers else reference)


def _program(benchmark: str, row: Row, said: tuple[str, str | None], answer: str, tags: Mapping[str, str]) -> Problem:
    question, system = said
    entry_point = row.identifier("entry_point") if row.find("entry_point") is not None else None
    references = (row.text(answer),) if answer not in _TESTS and row.find(answer) is not None else ()
    try:
        tests = _of_a_function(row.require(*_TESTS), row.find("fn_name"))
        others = row.find("setup", "prefix", *_BEFORE_TESTS)  # they may define what the tests use
        metadata = read_tests(tests, entry_point, bool(references or others))
        for field in ("prefix", "setup", "checker"):
            if row.find(field) is not None:
                metadata[field] = read_source(field, row.text(field))
        before = _before_tests(row)
        if before:
            metadata["setup"] = read_source("setup", "\n".join([*before, metadata.get("setup", "")]))
    except InputError as error:
        raise error if str(error).startswith(row.place) else row.error(str(error)) from None
    if row.find("cpu_seconds") is not None:
        metadata["cpu_seconds"] = float(row.answer("cpu_seconds"))
    if system is not None:
        metadata[SYSTEM] = system
    problem_id = content_id(benchmark, f"{system}\n{question}" if system else question)
    return Problem(problem_id, question, references, benchmark, CODE, tags, metadata)


def _of_a_function(tests: Any, name: Any) -> Any:
    """Cases with the name of the function that they call, where the row has that beside them."""
    if name is None or (isinstance(tests, Mapping) and tests.get("fn_name")):
        return tests
    return {**tests, "fn_name": name} if isinstance(tests, Mapping) else {"tests": tests, "fn_name": name}


def _before_tests(row: Row) -> list[str]:
    """What MBPP's rows have under names of their own, mostly nothing: imports and code that the tests need."""
    given = [row.find(name) for name in _BEFORE_TESTS]
    lines = [line for each in given for line in (each if isinstance(each, list) else [each])]
    return [line for line in lines if isinstance(line, str) and line.strip()]


def _options(row: Row, key: str) -> tuple[list[str] | None, list[str]]:
    """The labels that the row gives its options (None: it gives none) and their texts, in the file's order."""
    given: Any = row.require(key)
    labels: Any = None
    if isinstance(given, dict) and set(given) == {"text", "label"}:
        labels, given = given["label"], given["text"]
    elif isinstance(given, dict):
        labels, given = list(given), list(given.values())
    if not isinstance(given, list) or not isinstance(labels, list | None):
        raise row.error(f"{key!r}: expected a list of options, or letters with their texts")
    if not 2 <= len(given) <= len(_LETTERS):
        raise row.error(f"{key!r}: {len(given)} options; a choice question has 2 to {len(_LETTERS)}")
    if labels is not None and len(labels) != len(given):
        raise row.error(f"{key!r}: {len(labels)} labels for {len(given)} options")
    if None in given:
        raise row.error(f"{key!r}: an option is null")
    options = [Row({key: text}, row.place).answer(key) for text in given]
    plain = list(map(_plain, options))
    repeated = next((text for text in options if plain.count(_plain(text)) > 1), None)
    if repeated is not None:
        raise row.error(f"{key!r}: two options say {repeated!r}; nobody could choose between them")
    return None if labels is None else [_label(str(label)) for label in labels], options


def _right_options(row: Row, key: str, labels: Sequence[str] | None, options: Sequence[str]) -> tuple[int, ...]:
    """The places of the right options in the file's order. Raises InputError."""
    given = row.require(key)
    answers = given if isinstance(given, list) else [given]
    return tuple(dict.fromkeys(_right_option(row, key, each, labels, options) for each in answers))


def _right_option(row: Row, key: str, given: Any, labels: Sequence[str] | None, options: Sequence[str]) -> int:
    answer = Row({key: given}, row.place).answer(key)
    if labels is not None and _label(answer) in labels:
        return labels.index(_label(answer))
    letters = _LETTERS[: len(options)]
    readings: dict[str, int] = {}
    if not isinstance(given, str) and answer.isdecimal() and int(answer) < len(options):
        readings[f"option {letters[int(answer)]}, counted from 0"] = int(answer)
    if labels is None and len(_label(answer)) == 1 and _label(answer) in letters:
        readings[f"option {_label(answer)}"] = letters.index(_label(answer))
    readings |= {f"the option that says {t!r}": i for i, t in enumerate(options) if _plain(t) == _plain(answer)}
    if len(set(readings.values())) > 1:
        raise row.error(f"{key!r}: {answer!r} may be {' or '.join(readings)}; write the option's letter")
    if not readings:
        raise row.error(
            f"{key!r}: {answer!r} is none of the {len(options)} options; give a letter from A to {letters[-1]}, "
            f"a number from 0 to {len(options) - 1}, or an option's text"
        )
    return next(iter(readings.values()))


def _label(text: str) -> str:
    """ "(b)" and "B." are "B"."""
    return text.strip().strip("().").upper()


def shuffled_order(options: Sequence[str], seed: int) -> list[int]:
    """A random order; options at the end that speak of those above stay there, options that name letters all stay."""
    order = list(range(len(options)))
    if any(map(_NAMES_LETTERS.search, options)):
        return order
    free = len(options)
    while free and _OF_THE_ABOVE.search(options[free - 1]):
        free -= 1
    if any(_OF_THE_ABOVE.search(text) for text in options[:free]):
        return order
    moved = order[:free]
    random.Random(seed).shuffle(moved)
    return moved + order[free:]


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


JSONL = JsonlBenchmark()
