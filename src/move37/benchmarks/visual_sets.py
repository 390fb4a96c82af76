"""Sets whose problems have images: MathVista (arXiv 2310.02255), MathVision (2402.14804), Geometry3K (2105.04165, as
EasyR1 trains on it) and MMMU (2311.16502), in the field names that they have on the Hugging Face hub.

Choice questions are left out, as the reference study does: four options guessed 256 times are solved by nearly anybody.
`multiple_choice = true` keeps them: judged as a choice, with options in an order of the problem's own, from `seed`.
Options that are letters (drawn in the image under them, most often) or name letters stay where they are. Geometry3K is
published with four choices that its question does not show, so all of it is kept, without them.

A question shows its images where it marks them ("<image>", "<image1>", "<image 1>"), else before its text. The unit of
an answer, and to how many decimals it is wanted, is said behind the question in MathVista's manner: without it nobody
could know. Both stand in the metadata ("unit", "precision"), the type of the answer in the tag `answer_type`.
Left out: hidden test parts (MathVista, MMMU), MathVista's hint of how to end an answer, which is the template's work.
"""

import ast
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from move37.benchmarks.jsonl import shuffled_order
from move37.benchmarks.published import HubSet, PublishedSet, TrainingPart
from move37.benchmarks.row_images import images_of
from move37.config import ProblemsConfig
from move37.errors import InputError
from move37.identity import content_id, number_repeats
from move37.rows import Row
from move37.seeds import generation_seed
from move37.types import ImagePart, Problem

_LETTERS = string.ascii_uppercase
_LETTER = re.compile(r"\W*[A-Za-z]\W*")
_CHOICE = "choice"
_DECIMALS = ("a whole number", "one decimal place", "two decimal places", "three decimal places")


@dataclass(frozen=True)
class Question:
    """What a row asks. `options` are None for a free answer: then `answers` are alternatives, else an option's text."""

    text: str
    answers: tuple[str, ...]
    images: tuple[ImagePart, ...]
    options: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class VisualSet(PublishedSet):
    """`read` is given the row and the folder of its file; `free_counts`, where known, are what is left without choices.

    Counts and names are those of `PublishedSet`, before anything is left out.
    """

    read: Callable[[Row, Path | None], Question]
    free_counts: tuple[int, ...] = ()

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """All problems with free answers, or all. Raises InputError for another count, a bad row, an image."""
        if source.split == "train" and self.train is not None:
            return replace(self, **self.train.fields(), train=None, free_counts=()).load(source)
        rows, folder = self._rows(source)
        asked = [self.read(row, folder) for row in rows]
        if not source.multiple_choice:
            free = [question for question in asked if question.options is None]
            if self.free_counts and len(free) not in self.free_counts:
                raise InputError(
                    f"{source.path or self.hub.name}: {len(free)} of {len(rows)} rows have a free answer, but "
                    f"{self.name} has {' or '.join(map(str, self.free_counts))}; is it another version of the set?"
                )
            asked = free
        return number_repeats(self._visual_problem(question, source.seed) for question in asked)

    def _visual_problem(self, question: Question, seed: int) -> Problem:
        text, options = question.text, question.options
        problem_id = content_id(self.name, "\n".join((text, *sorted(options or ()))), question.images)
        references, verifier, metadata = question.answers, self.verifier, dict(question.metadata)
        if options is not None:
            order = list(range(len(options)))
            if not any(map(_LETTER.fullmatch, options)):  # "$d$" as option B would be chosen by either letter
                order = shuffled_order(options, generation_seed(seed, f"options {problem_id}"))
            shown = [options[place] for place in order]
            references, verifier = (_LETTERS[order.index(options.index(question.answers[0]))],), _CHOICE
            metadata |= {"options": shown, "order": order}
            text = f"{text}\n\n{_listed(shown)}"
        return Problem(
            problem_id, text, references, self.name, verifier, question.tags, metadata, images=question.images
        )


def _listed(options: Sequence[str]) -> str:
    """The options with their letters; those that are drawn in the image have no text of their own."""
    if list(options) == list(_LETTERS[: len(options)]):
        return f"The options are shown in the image, A to {options[-1]}."
    return "\n".join(map("{}. {}".format, _LETTERS, options))


def _mathvista(row: Row, folder: Path | None) -> Question:
    kind, unit, precision = row.text("answer_type"), row.find("unit"), row.find("precision")
    text = row.text("question").strip()
    metadata = {"pid": row.identifier("pid")}
    if isinstance(unit, str) and unit.strip():
        text, metadata["unit"] = f"{text} (Unit: {unit.strip()})", unit.strip()
    if kind == "float" and precision is not None:
        decimals = int(row.answer("precision"))
        text, metadata["precision"] = f"{text} (Answer to {_DECIMALS[decimals]}.)", str(decimals)
    given = row.find("metadata")
    tags = {"answer_type": kind}
    if isinstance(given, Mapping):
        tags |= {key: str(given[key]) for key in ("task", "context", "grade") if given.get(key)}
    images = images_of(row, ("decoded_image", "image"), folder)
    choices = row.find("choices")
    if row.text("question_type") == "multi_choice":
        return Question(text, *_right(row, choices, row.answer("answer"), images), tags, metadata)
    return Question(text, (row.answer("answer"),), images, None, tags, metadata)


def _mathvision(row: Row, folder: Path | None) -> Question:
    text, images = row.text("question").strip(), images_of(row, ("decoded_image", "image"), folder)
    tags, metadata = row.tags("subject", "level"), {"id": row.identifier("id")}
    options = row.find("options")
    if not options:
        return Question(text, (row.answer("answer"),), images, None, tags, metadata)
    return Question(text, *_of_letter(row, options, images), tags, metadata)


def _geometry3k(row: Row, folder: Path | None) -> Question:
    images = images_of(row, ("images",), folder)
    return Question(row.text("problem").strip(), (row.answer("answer"),), images)


def _mmmu(row: Row, folder: Path | None) -> Question:
    text = row.text("question").strip()
    images = tuple(image for number in range(1, 8) for image in images_of(row, (f"image_{number}",), folder))
    tags, metadata = row.tags("subfield", "topic_difficulty"), {"id": row.identifier("id")}
    if row.text("question_type") == "multiple-choice":
        return Question(text, *_of_letter(row, _literal(row, "options"), images), tags, metadata)
    answers = _literal(row, "answer") if row.answer("answer").startswith("[") else row.answers("answer")
    return Question(text, tuple(str(each) for each in answers), images, None, tags, metadata)


def _literal(row: Row, key: str) -> list[Any]:
    """A list, or a text that writes one in Python."""
    given = row.require(key)
    try:
        found = ast.literal_eval(given) if isinstance(given, str) else given
    except (ValueError, SyntaxError):
        found = None
    if not isinstance(found, list) or not found:
        raise row.error(f"{key!r}: expected a list, found {str(given)[:60]!r}")
    return found


def _of_letter(
    row: Row, options: Any, images: tuple[ImagePart, ...]
) -> tuple[tuple[str], tuple[ImagePart, ...], tuple[str, ...]]:
    """The right option's text, where the answer is its letter."""
    letter = row.answer("answer").strip("().").upper()
    if not isinstance(options, list) or len(letter) != 1 or letter not in _LETTERS[: len(options)]:
        raise row.error(f"'answer': {letter!r} is the letter of none of the options")
    return _right(row, options, str(options[_LETTERS.index(letter)]), images)


def _right(
    row: Row, options: Any, answer: str, images: tuple[ImagePart, ...]
) -> tuple[tuple[str], tuple[ImagePart, ...], tuple[str, ...]]:
    """Answer, images and options of a choice question, in the order of `Question`. Raises InputError."""
    texts = tuple(str(option) for option in options or ())
    counts = Counter(texts)
    if counts[answer] != 1 or len(texts) < 2:
        raise row.error(f"the answer {answer[:40]!r} is not one of the {len(texts)} options, once")
    return (answer,), images, texts


MATHVISTA = VisualSet(
    name="mathvista",
    expected_counts={1000: "testmini of Lu et al. 2310.02255"},
    verifier="math",
    hub=HubSet("AI4Math/MathVista", "testmini"),
    read=_mathvista,
    file_names=("mathvista", "testmini"),
    free_counts=(460,),
)
MATHVISION = VisualSet(
    name="mathvision",
    expected_counts={3040: "test of Wang et al. 2402.14804"},
    verifier="math",
    hub=HubSet("MathLLMs/MathVision", "test"),
    read=_mathvision,
    file_names=("mathvision", "test"),
)
MATHVISION_TESTMINI = VisualSet(
    name="mathvision-testmini",
    expected_counts={304: "testmini of Wang et al. 2402.14804"},
    verifier="math",
    hub=HubSet("MathLLMs/MathVision", "testmini"),
    read=_mathvision,
    file_names=("mathvision-testmini", "mathvision_testmini", "testmini"),
    free_counts=(114,),
)
GEOMETRY3K = VisualSet(
    name="geometry3k",
    expected_counts={601: "test of Lu et al. 2105.04165, as hiyouga/geometry3k"},
    verifier="math",
    hub=HubSet("hiyouga/geometry3k", "test"),
    read=_geometry3k,
    file_names=("geometry3k", "test"),
    train=TrainingPart(
        expected_counts={2101: "the training split of Lu et al. 2105.04165, as hiyouga/geometry3k"},
        hub=HubSet("hiyouga/geometry3k", "train"),
        file_names=("geometry3k_train", "geometry3k-train", "train"),
    ),
)
MMMU = VisualSet(
    name="mmmu",
    expected_counts={900: "validation of Yue et al. 2311.16502"},
    verifier="math",
    hub=HubSet(
        "MMMU/MMMU",
        "validation",
        configs=(
            *("Accounting", "Agriculture", "Architecture_and_Engineering", "Art", "Art_Theory"),
            *("Basic_Medical_Science", "Biology", "Chemistry", "Clinical_Medicine", "Computer_Science", "Design"),
            *("Diagnostics_and_Laboratory_Medicine", "Economics", "Electronics", "Energy_and_Power", "Finance"),
            *("Geography", "History", "Literature", "Manage", "Marketing", "Materials", "Math"),
            *("Mechanical_Engineering", "Music", "Pharmacy", "Physics", "Psychology", "Public_Health", "Sociology"),
        ),
    ),
    read=_mmmu,
    file_names=("mmmu", "validation"),
)
