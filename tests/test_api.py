"""move37 in Python: the same findings from files, frames and arrays; a run as frames; examples that run."""

import doctest
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import move37 as m
from move37 import api, pipeline
from move37.errors import InputError
from move37.provenance import run_context
from tests.test_one_number import constructed

BASE, RL, N = [3, 4, 5, 4] * 5, [15, 16, 0, 14] * 5, 16


def by_hand(correct: list[int]) -> np.ndarray:
    """Samples of each problem, the right ones first."""
    return np.arange(N) < np.array(correct)[:, None]


@pytest.fixture(scope="module")
def from_counts() -> m.Found:
    return m.compare(np.array(BASE), np.array(RL), n=N, draws=1000)


def test_every_form_of_the_same_data_says_the_same(tmp_path: Path, from_counts: m.Found) -> None:
    ids = [str(i) for i in range(20)]
    rows = [[{"id": i, "c": c, "n": N} for i, c in zip(ids, of, strict=True)] for of in (BASE, RL)]
    for name, of in zip(("base", "rl"), rows, strict=True):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in of))
    long = [pl.DataFrame({"id": [i for i in ids for _ in range(N)], "score": by_hand(of).ravel()}) for of in (BASE, RL)]
    forms = {
        "files": (tmp_path / "base.jsonl", str(tmp_path / "rl.jsonl")),
        "frames of counts": tuple(pl.DataFrame(of) for of in rows),
        "frames of scores": tuple(long),
        "arrays of samples": (by_hand(BASE), by_hand(RL).astype(float)),
        "mappings": tuple({i: (c, N) for i, c in zip(ids, of, strict=True)} for of in (BASE, RL)),
    }
    expected = from_counts.curves()
    for form, (base, rl) in forms.items():
        found = m.compare(base, rl, draws=1000)
        assert found.curves().equals(expected), form
        assert found.title == from_counts.title, form


def test_several_models_have_their_names(from_counts: m.Found) -> None:
    found = m.compare(np.array(BASE), {"one": np.array(RL), "two": np.array(BASE)}, n=N, draws=1000)
    assert [curve.model for curve in found.findings.curves] == ["base", "one", "two"]
    assert found.differences().filter(rl="one")["difference"][0] == from_counts.differences()["difference"][0]


@pytest.mark.slow
def test_what_was_found_is_said_in_words_and_as_html(from_counts: m.Found) -> None:
    title, *answers = repr(from_counts).splitlines()
    assert title == from_counts.title
    assert len(answers) == 4
    html = from_counts._repr_html_()
    assert "<svg" in html
    assert "Better at one try?" in html
    assert from_counts.claims()[0].text.startswith("⁨rl⁩")


@pytest.mark.parametrize(
    ("data", "n", "complaint"),
    [
        (np.array([1, 2]), None, "need n="),
        (np.zeros((2, 2, 2)), 2, "an array is"),
        (pl.DataFrame({"id": ["a"], "c": [3], "n": [2]}), None, "c = 3 is more than n = 2"),
        (pl.DataFrame({"id": []}), None, "no rows"),
    ],
)
def test_other_data_is_refused_in_one_line(data: object, n: int | None, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as raised:
        m.compare(data, data, n=n)
    assert "\n" not in str(raised.value)


def test_a_run_is_opened_read_and_not_written_to(tmp_path: Path) -> None:
    store = constructed(tmp_path / "study", 1, early=False, silent=False, models=2)
    before = sorted(path for path in store.folder.rglob("*"))
    run = m.open_run(store.folder)
    frame = run.samples("rl")
    assert frame.columns == [
        *("model", "problem_id", "index", "text", "finish_reason", "tokens", "outcome", "reason", "answer")
    ]
    assert frame.height == 12 * 32
    shares = frame.group_by("problem_id").agg((pl.col("outcome") == "correct").mean())["outcome"].to_numpy()
    assert shares.mean() == pytest.approx(run.curves().filter(model="rl", k=1)["pass_at_k"][0])
    assert run.samples().height == 2 * frame.height
    assert sorted(path for path in store.folder.rglob("*")) == before
    assert run.title == pipeline.first_screen(run.findings).title.text.replace("⁨", "").replace("⁩", "")
    with pytest.raises(InputError, match="no model 'other'"):
        run.samples("other")
    examples = run_context(store).examples
    assert [each.outcome for each in examples] == ["correct", "incorrect"]
    assert len({each.problem_id for each in examples}) == 1


@pytest.mark.usefixtures("kept_workers")
def test_responses_are_judged() -> None:
    one = m.verify(r"So it is \boxed{\frac{1}{2}}.", "0.5")
    assert one.outcome is m.Outcome.CORRECT
    both = m.verify([r"\boxed{3}", r"\boxed{4}"], ["3", "3"])
    assert [each.outcome.value for each in both] == ["correct", "incorrect"]
    with pytest.raises(InputError, match="2 responses and 1 references"):
        m.verify(["a", "b"], ["1"])


def test_a_plan_says_what_a_study_can_show() -> None:
    assert "30 problems" in repr(m.plan(problems=30, n=64))
    with pytest.raises(InputError, match="give a study file"):
        m.plan()


def test_the_examples_of_the_documentation_run() -> None:
    assert doctest.testmod(api).failed == 0
