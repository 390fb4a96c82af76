"""GPQA-diamond (arXiv 2311.12022): 198 questions by experts, four options each, judged as a choice.

The release names the right answer and three wrong ones without an order. Here each question gets one order of its own,
from a hash of its text: the same on every machine and for every model, and no letter is right more often by design.
The data set is gated on the hub (accept its terms and `hf auth login`), so that it is not found in training data; for
the same reason no question of it belongs into a report that is published.
"""

from random import Random

from move37.benchmarks.published import Content, HubSet, PublishedBenchmark
from move37.rows import Row
from move37.seeds import generation_seed

_LETTERS = "ABCD"
_WRONG = tuple(f"Incorrect Answer {i}" for i in (1, 2, 3))


def _row(row: Row) -> Content:
    question = row.text("Question").strip()
    options = [row.text(name).strip() for name in ("Correct Answer", *_WRONG)]
    if len(set(options)) < len(options):
        raise row.error("two options say the same; nobody could choose between them")
    order = list(range(len(options)))
    Random(generation_seed(0, f"options {question}")).shuffle(order)
    shown = [options[place] for place in order]
    tags = {"subject": str(row.find("High-level domain"))} if row.find("High-level domain") is not None else {}
    return Content(
        "\n".join((question, "", *map("{}. {}".format, _LETTERS, shown))),
        (_LETTERS[order.index(0)],),
        tags,
        {"options": shown, "order": order},
    )


GPQA_DIAMOND = PublishedBenchmark(
    name="gpqa-diamond",
    expected_counts={198: "Rein et al. 2311.12022, the diamond set"},
    verifier="choice",
    hub=HubSet("Idavidrein/gpqa", "train", "gpqa_diamond"),
    read=_row,
    file_names=("gpqa-diamond", "gpqa_diamond"),
)
