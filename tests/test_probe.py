"""Partial questions: how they are cut, what counts as completed, and a model that knows a benchmark by heart."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from move37 import pipeline
from move37.cli import app
from move37.config import load_study
from move37.errors import InputError
from move37.probe import completes, kept_probes, parts_of
from move37.report.exports import csv_files
from move37.report.sections import section_lines
from tests.studies import judged_run, sums_study

QUESTIONS = [
    f"Alice has {i + 3} apples, buys {i + 5} more at the market, and counts all at home: What is {i + 3} + {i + 5}?"
    for i in range(6)
]
PARROT = '''
"""An engine for a test: it knows the even ones of its questions by heart, with their answers."""

import json
from pathlib import Path

from move37.engines.scripted import ScriptedEngine
from move37.types import FinishReason, Sample

KNOWN = [row["question"] for row in map(json.loads, (Path(__file__).parent / "sums.jsonl").read_text().splitlines())]


class Parrot(ScriptedEngine):
    def generate(self, requests, sampling):
        for request in requests:
            text = request.prompt.text
            known = next((q for q in KNOWN[::2] if q.startswith(text)), None)
            if sampling.temperature == 0 and known is not None:
                said = known[len(text):] + f" The answer is {eval(known.split('What is ')[1].rstrip('?'))}."
                yield Sample(request.prompt.problem_id, request.index, said, FinishReason.STOP, 9, None, request.seed)
            else:
                yield from super().generate([request], sampling)
'''


def study(folder: Path) -> Path:
    path = sums_study(folder, n=2, problems=6)
    rows = [{"question": q, "answer": str(2 * i + 8)} for i, q in enumerate(QUESTIONS)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "parrot.py").write_text(PARROT)
    text = path.read_text().replace('engine = "scripted"', 'engine = "parrot.py:Parrot"', 1)
    path.write_text(text.replace("beyond = false", 'beyond = false\nstrata = ["probe"]'))
    return path


def test_a_question_is_cut_between_words() -> None:
    assert parts_of("a b  c d e f g h i j", 40) == ("a b  c d", " e f g h i j")
    for share in (40, 60, 80):
        assert "".join(parts_of(QUESTIONS[0], share)) == QUESTIONS[0]


@pytest.mark.parametrize(
    ("continuation", "rest", "is_completed"),
    [
        (" at home: What is 3 + 5? It is 8.", " at home: what is 3+5?", True),
        ("At  home, WHAT is 3 + 5", " at home: What is 3 + 5?", True),
        (" at the shop: What is 3 + 5?", " at home: What is 3 + 5?", False),
        (" at home", " at home: What is 3 + 5?", False),
        ("anything", "?", False),
    ],
)
def test_completed_means_word_for_word(continuation: str, rest: str, is_completed: bool) -> None:
    assert completes(continuation, rest) is is_completed


@pytest.mark.slow
def test_a_model_that_knows_half_of_the_questions_by_heart_is_found_out(tmp_path: Path) -> None:
    path = study(tmp_path)
    path.write_text(path.read_text().replace('strata = ["probe"]', ""))
    store = judged_run(path, tmp_path / "run")
    before = store.samples("base").read()
    done = CliRunner().invoke(app, ["probe", str(store.folder), "--json"])
    figures = json.loads(done.stdout)
    assert (figures["ok"], figures["models"], figures["problems"]) == (True, ["base", "rl"], 6)
    assert store.samples("base").read().equals(before)
    probes = kept_probes(store.folder)
    assert sum(seen.completed for seen in probes["base"]) == 9  # three questions, three shares
    assert not any(seen.completed for seen in probes["rl"])
    path.write_text(path.read_text().replace("beyond = false", 'beyond = false\nstrata = ["probe"]'))
    findings = pipeline.analyse_run(pipeline.start_run(load_study(path), store.folder))
    base = [each for each in findings.contamination if each.model == "base"]
    assert [(each.share, each.completed, each.problems) for each in base] == [(40, 3, 6), (60, 3, 6), (80, 3, 6)]
    assert all(each.answered >= 3 for each in base)
    (by_probe,) = findings.pairs[0].strata
    assert "seen from 40 %" in [each.name for each in by_probe.strata]
    assert any("base completes 3 of 6 questions word for word" in line for line in section_lines(findings))
    assert csv_files(findings, ())["contamination.csv"].startswith("model,share,")


def test_questions_of_a_few_words_cannot_be_probed(tmp_path: Path) -> None:
    store = pipeline.start_run(load_study(sums_study(tmp_path, n=1)), tmp_path / "run")
    with pytest.raises(InputError, match="10 words"):
        pipeline.probe_models(store)
    with pytest.raises(InputError, match="no sampled model 'x'"):
        pipeline.probe_models(store, "x")
