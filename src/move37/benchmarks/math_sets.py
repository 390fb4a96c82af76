"""The six maths sets of the reference study (arXiv 2504.13837), with the sizes it reports, MATH-Beyond, and contests
that came after the training data of many models: AIME 2025, HMMT of February 2025, BeyondAIME.

Gold answers are kept as published, except for what is not part of the answer:
  `$` signs and an outer `\\boxed`; a final full stop; the thousands commas of GSM8K ("2,125" is 2125); the leading
  zeros of AIME's answer sheets ("073" is 73); the ".0" of AMC answers stored as floats (27.0 is 27).
Several parts of one answer (OlympiadBench's "is_multiple_answer") are one reference, joined by commas: all must be
given. Three spellings are mended because a maths parser misreads them, so that wrong answers would pass:
  Minerva's Python ("-1./3" reads as -1, "np.arcsin(10/13)"; "3.83e35" gets its LaTeX form as an alternative);
  a trailing ", where ..." clause of OlympiadBench, which no checker can compare (its "(a)=0" reads as 0);
  percentages there: "62.5%", and 4.2 with the unit "%", may be given with or without the sign.
MATH-Beyond (arXiv 2510.11653) says for each of 21 models whether it solved a problem within 1,024 samples: that is a
tag of every problem ("qwen2.5-7b_unsolved", "yes" or "no"), so the zero set of one base, whose problems the protocol
resamples, is a stratum; `unsolved_by` counts them. Columns and names as in the release on the hub.
Left out: OlympiadBench's images, other languages and proofs (the study uses the English text-only competition part).
"""

import re

from move37.benchmarks.published import Content, HubSet, PublishedBenchmark, TrainingPart
from move37.rows import Row

_QUESTION = ("question", "problem")
_ANSWER = ("answer", "final_answer", "gt")
_SOLUTION = ("solution", "gt_cot")
_CONTEST = re.compile(r"(\d{4}_(?:AIME|AMC)_\w+?)_Problems")
_UNSOLVED = "_unsolved"
_YES = ("true", "1", "1.0", "yes")
_SCIENTIFIC = re.compile(r"([+-]?\d+(?:\.\d*)?)e([+-]?\d+)")


def solution_box(text: str) -> str | None:
    """What stands in the last `\\boxed{...}` of a published solution, braces matched; None where there is none or it
    is not closed. Not the rule for responses (`verifiers/extraction.last_boxed`), where a box that was cut off or is
    empty makes an earlier one count and `\\fbox` is a box: a solution with such an end is refused, not guessed at.
    """
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for position in range(start + len("\\boxed"), len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start + len("\\boxed{") : position].strip()
    return None


def _contest_row(row: Row) -> Content:
    """AIME and AMC: the answer is a whole number. The tag `contest` is read off the problem's address."""
    answer = _gold(row)
    contest = _CONTEST.search(str(row.find("url") or ""))
    tags = {"contest": contest[1].replace("_", " ")} if contest else {}
    return Content(row.text(*_QUESTION).strip(), (_plain_integer(row, answer),), tags)


def _plain_row(row: Row) -> Content:
    return Content(row.text(*_QUESTION).strip(), (_gold(row),))


def _math500_row(row: Row) -> Content:
    tags = row.tags("subject", "level")
    if "level" in tags:
        tags["level"] = tags["level"].removeprefix("Level ")
    return Content(row.text(*_QUESTION).strip(), (_gold(row),), tags)


def _minerva_row(row: Row) -> Content:
    gold = _gold(row)
    subject = row.find("type", "subject")
    return Content(
        row.text(*_QUESTION).strip(),
        _without_python(gold),
        {"subject": str(subject)} if subject is not None else {},
    )


def _olympiad_row(row: Row) -> Content:
    gold = _bare(",".join(row.answers("final_answer", "answer", "gt"))).partition(", where ")[0]
    if row.find("unit") == "%" or gold.endswith("%"):
        number = gold.removesuffix("%").removesuffix("\\").strip()
        references = (f"{number}\\%", number)
    else:
        references = (gold,)
    context = row.find("context")
    question = row.text(*_QUESTION).strip()
    return Content(
        f"{context.strip()}\n\n{question}" if isinstance(context, str) and context.strip() else question,
        references,
        row.tags("subfield", "answer_type"),
        # The tolerance and the unit belong to the answer; only the verifier may need them.
        row.tags("unit", "error"),
    )


def _math_beyond_row(row: Row) -> Content:
    flags = {name: str(value).lower() in _YES for name, value in row.values.items() if name.endswith(_UNSOLVED)}
    if not flags:
        raise row.error(f"no column that ends in {_UNSOLVED!r}: which models failed on it is what this set is about")
    tags = row.tags("topic", "difficulty", "data_source") | {"unsolved_by": str(sum(flags.values()))}
    tags |= {name: "yes" if failed else "no" for name, failed in sorted(flags.items())}
    return Content(row.text(*_QUESTION).strip(), (_gold(row),), tags)


def _gsm8k_row(row: Row) -> Content:
    answer = row.answer(*_ANSWER).rpartition("####")[2]
    return Content(row.text(*_QUESTION).strip(), (_plain_integer(row, answer.replace(",", "")),))


def _gold(row: Row) -> str:
    """The answer field, or the last box of the solution where the set has no answer field."""
    if row.find(*_ANSWER) is not None:
        return _bare(row.answer(*_ANSWER))
    boxed = solution_box(row.text(*_ANSWER, *_SOLUTION))
    if not boxed:
        raise row.error("no answer field, and no \\boxed{...} in the solution")
    return _bare(boxed)


def _bare(answer: str) -> str:
    """Without the marks around it: `$`, an outer `\\boxed{}`, a final full stop."""
    answer = re.sub(r"(?<!\\)\$", "", answer).strip().removesuffix(".").strip()
    if answer.startswith("\\boxed{") and answer.endswith("}"):
        answer = solution_box(answer) or answer
    return answer


def _plain_integer(row: Row, answer: str) -> str:
    answer = answer.strip()
    if not re.fullmatch(r"-?\d+", answer):
        raise row.error(f"expected a whole number as the answer, found {answer[:60]!r}")
    return str(int(answer))


def _without_python(answer: str) -> tuple[str, ...]:
    """Minerva's Python spellings in LaTeX: 1./3 and np.arcsin(x) replaced, 3.83e35 kept beside its LaTeX form."""
    answer = re.sub(r"(\d)\.(?=/)", r"\1", answer).replace("np.", "\\")
    latex = _SCIENTIFIC.sub(lambda number: rf"{number[1]} \times 10^{{{int(number[2])}}}", answer)
    return tuple(dict.fromkeys((answer, latex)))


AIME24 = PublishedBenchmark(
    name="aime24",
    expected_counts={30: "AIME I and II of 2024"},
    verifier="math",
    hub=HubSet("HuggingFaceH4/aime_2024", "train"),
    read=_contest_row,
    file_names=("aime24", "aime_2024"),
)
AIME25 = PublishedBenchmark(
    name="aime25",
    expected_counts={30: "AIME I and II of 2025"},
    verifier="math",
    hub=HubSet("MathArena/aime_2025", "train"),
    read=_contest_row,
    file_names=("aime25", "aime_2025"),
)
HMMT25 = PublishedBenchmark(
    name="hmmt25",
    expected_counts={30: "HMMT of February 2025, as MathArena poses it"},
    verifier="math",
    hub=HubSet("MathArena/hmmt_feb_2025", "train"),
    read=_plain_row,
    file_names=("hmmt25", "hmmt_feb_2025"),
)
BEYOND_AIME = PublishedBenchmark(
    name="beyond-aime",
    expected_counts={100: "ByteDance-Seed/BeyondAIME"},
    verifier="math",
    hub=HubSet("ByteDance-Seed/BeyondAIME", "test"),
    read=_contest_row,
    file_names=("beyond-aime", "beyond_aime", "BeyondAIME"),
)
AMC23 = PublishedBenchmark(
    name="amc23",
    expected_counts={40: "AMC 12 of 2023, whole-number answers"},
    verifier="math",
    hub=HubSet("math-ai/amc23", "test"),
    read=_contest_row,
    file_names=("amc23",),
)
MATH500 = PublishedBenchmark(
    name="math500",
    expected_counts={500: "Lightman et al. 2305.20050"},
    verifier="math",
    hub=HubSet("HuggingFaceH4/MATH-500", "test"),
    read=_math500_row,
    file_names=("math500", "math-500", "math_500"),
    train=TrainingPart(
        expected_counts={12_000: "the rest of MATH, Lightman et al. 2305.20050", 7_500: "MATH's own, 2103.03874"},
        hub=HubSet("nlile/hendrycks-MATH-benchmark", "train"),
        file_names=("math_train", "math-train", "train"),
    ),
)
# For the next two the hub has several copies; these are SimpleRL-Zoo's, whose models the study evaluates.
MINERVA = PublishedBenchmark(
    name="minerva",
    expected_counts={272: "Lewkowycz et al. 2206.14858, the OCW part"},
    verifier="math",
    hub=HubSet("zwhe99/simplerl-minerva-math", "test"),
    read=_minerva_row,
    file_names=("minerva", "minerva_math"),
)
OLYMPIADBENCH = PublishedBenchmark(
    name="olympiadbench",
    expected_counts={
        675: "English text-only competition maths as in Qwen2.5-Math and the study",
        674: "OE_TO_maths_en_COMP of the authors' release",
    },
    verifier="math",
    hub=HubSet("zwhe99/simplerl-OlympiadBench", "test"),
    read=_olympiad_row,
    file_names=("olympiadbench", "olympiad_bench"),
)
MATH_BEYOND = PublishedBenchmark(
    name="math-beyond",
    expected_counts={181: "Mayilvahanan et al. 2510.11653, the union set"},
    verifier="math",
    hub=HubSet("brendel-group/MATH-Beyond", "test"),
    read=_math_beyond_row,
    file_names=("math-beyond", "math_beyond"),
)
GSM8K = PublishedBenchmark(
    name="gsm8k",
    expected_counts={1319: "the test split of Cobbe et al. 2110.14168"},
    verifier="math",
    hub=HubSet("openai/gsm8k", "test", config="main"),
    read=_gsm8k_row,
    file_names=("gsm8k",),
    train=TrainingPart(
        expected_counts={7473: "the training split of Cobbe et al. 2110.14168"},
        hub=HubSet("openai/gsm8k", "train", config="main"),
        file_names=("gsm8k_train", "gsm8k-train", "train"),
    ),
)
