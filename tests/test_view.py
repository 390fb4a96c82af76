"""The reading room without a browser: what it answers, to whom, and how a run's rows become the page's."""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from move37 import pipeline
from move37.browse import Wanted, problems_seen, samples_seen
from move37.cli import app
from move37.errors import InputError
from move37.labels import Label, Said, say
from move37.schema import SAMPLES
from move37.store import RunStore
from move37.types import FinishReason, ImagePart, Outcome, Problem, Sample, Segment
from move37.view import copies
from move37.view.copies import SortedParts
from move37.view.export import export_copy
from move37.view.pieces import pieces_of, shortened
from move37.view.responses import Asked, responses
from move37.view.room import Room
from move37.view.server import application, default_reader
from move37.view.tokens import shaded_tokens
from tests.reading_runs import Response, empty_run, judge_again, made_run
from tests.studies import judged_run, sums_study
from tests.tiny_models import ALPHABET, save_model

TOKEN, PORT = "secret", 4321
PIXEL = (Path(copies.__file__).parent / "static" / "icon.png").read_bytes()
PROBLEMS = (
    Problem("made/0", "What is $1 + 1$?", ("2",), "made", "math", tags={"level": "1"}),
    Problem("made/1", "What is 2 + 2?", ("4",), "made", "math", images=(ImagePart.of(PIXEL, "image/png"),)),
    Problem("made/2", "What is 3 + 3?", ("6",), "made", "math"),
)
WRITTEN: dict[str, list[list[Response]]] = {
    "base": [
        [("It is $2$.", True, "2"), ("It is $2$.", True, "2"), ("Three!", False, "3"), ("and so on ...", False, None)],
        [("four", True, "4"), ("five", False, "5"), ("5", False, "5"), ("late", ..., None)],
        [("?", None, None), ("7", False, "7"), ("7", False, "7"), ("7", False, "7")],
    ],
    "rl": [
        [("2", True, "2"), ("2", True, "2"), ("2", True, "2"), ("2", True, "flaky")],
        [("5", False, "5")] * 4,
        [("6", True, "6"), ("6", True, "6"), ("Tausend Küsse", False, None), ("Tausend Küsse", False, None)],
    ],
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVE37_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    made = made_run(tmp_path / "run", PROBLEMS, WRITTEN)
    judge_again(made, "exact@1", "base", Outcome.INCORRECT)
    return made


@pytest.fixture
def room(store: RunStore) -> Iterator[Room]:
    made = Room([store.folder])
    yield made
    made.close()


@pytest.fixture
def client(room: Room) -> TestClient:
    return TestClient(application(room, TOKEN, PORT, "anna"), base_url=f"http://127.0.0.1:{PORT}")


def get(client: TestClient, name: str, **asked: Any) -> dict[str, Any]:
    answer = client.get(f"/{TOKEN}/api/{name}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- who is let in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/", "/static/view.js", "/api/overview", "/secre/", "/secret2/api/overview", "//secret/", "/image/x", "/é/"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_without_the_secret_nothing_is_served(client: TestClient, path: str, method: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.text) == (404, "Not found")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1:1"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
    ids=str,
)
def test_a_page_of_another_site_gets_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get(f"/{TOKEN}/api/overview", headers=headers).status_code == 404


def test_what_is_served_may_load_from_this_page_alone(client: TestClient) -> None:
    answer = client.get(f"/{TOKEN}/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["../server.py", "..%2fserver.py", "%2e%2e/server.py", "/etc/passwd", "", "katex"])
def test_only_the_pages_own_files_are_served(client: TestClient, path: str) -> None:
    assert client.get(f"/{TOKEN}/static/{path}").status_code == 404


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("nothing", {}),
        ("problem", {"id": "made/9"}),
        ("problem", {}),
        ("responses", {"id": "made/0", "source": 7}),
        ("responses", {"id": "made/0", "source": "x"}),
        ("responses", {"id": "made/0", "source": 0, "fold": "x"}),
        ("responses", {"id": "made/0", "source": 0, "offset": -1}),
        ("audit", {"reader": "anna", "run": "no"}),
        ("tokens", {"id": "made/0", "source": 0, "index": 0}),
    ],
    ids=str,
)
def test_what_cannot_be_answered_is_one_line(client: TestClient, name: str, asked: dict[str, Any]) -> None:
    answer = client.get(f"/{TOKEN}/api/{name}", params=asked)
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "body", ["{", "[]", "{}", '{"said": "right", "source": 0}', "x" * 70_000], ids=lambda b: b[:20]
)
def test_a_label_that_is_none_is_refused(client: TestClient, body: str) -> None:
    assert client.post(f"/{TOKEN}/api/label", content=body).status_code == 400


# -- what there is to see ------------------------------------------------------------------------------------------


def test_the_numbers_of_every_problem_are_those_of_move37_show(client: TestClient, store: RunStore) -> None:
    found = get(client, "overview")
    assert [source["model"] for source in found["sources"]] == ["base", "rl"]
    at = {name: place for place, name in enumerate(found["columns"])}
    for number, model in enumerate(("base", "rl")):
        for row, seen in zip(found["counts"][number], problems_seen(store, Wanted()), strict=True):
            counted = seen.models[model]
            assert [row[at[name]] for name in ("correct", "incorrect", "unscored", "truncated")] == [
                counted.correct, counted.incorrect, counted.unscored, counted.truncated
            ]  # fmt: skip
            assert row[at["samples"]] == counted.scored + counted.unscored + counted.unjudged == 4
    base, rl = found["counts"]
    assert [row[at["texts"]] for row in base] == [3, 4, 2]
    assert [row[at["answers"]] for row in rl] == [2, 1, 1]
    assert [row[at["differ"]] for row in base] == [1, 0, 0]
    assert [row[at["flaky"]] for row in rl] == [1, 0, 0]
    assert found["tags"] == [{"level": "1"}, {}, {}]
    assert found["questions"][0] == [["t", "What is "], ["m", "1 + 1", False, False], ["t", "?"]]


def test_equal_responses_and_equal_answers_are_folded_with_their_count(client: TestClient, store: RunStore) -> None:
    found = get(client, "responses", id="made/0", source=0)
    assert [(each["count"], each["indices"], each["outcome"]) for each in found["responses"]] == [
        (2, [0, 1], "correct"),
        (1, [2], "incorrect"),
        (1, [3], "incorrect"),
    ]
    assert found["responses"][0]["pieces"] == [["t", "It is "], ["m", "2", False, True], ["t", "."]]
    assert found["responses"][2]["finish"] == "length"
    assert found["answers"] == [["2", "correct", 2, "2"], ["3", "incorrect", 1, "3"]]
    assert len(samples_seen(store, PROBLEMS[0], Wanted(models=("base",)))) == found["groups"]
    by_answer = get(client, "responses", id="made/1", source=0, fold="answer")
    assert [(each["answer"], each["count"], each["different"]) for each in by_answer["responses"]] == [
        ("4", 1, 1),
        ("5", 2, 2),
        (None, 1, 1),
    ]
    assert get(client, "responses", id="made/1", source=0, fold="none")["groups"] == 4


@pytest.mark.parametrize(
    ("asked", "indices"),
    [
        ({"outcome": "correct"}, [0]),
        ({"outcome": "unjudged"}, [3]),
        ({"answer": "5"}, [1, 2]),
        ({"text": "FI"}, [1]),
        ({"order": "index"}, [0, 1, 2, 3]),
        ({"order": "longest"}, [0, 1, 3, 2]),
        ({"offset": 1, "limit": 2}, [1, 2]),
    ],
    ids=str,
)
def test_responses_are_chosen_and_ordered(client: TestClient, asked: dict[str, Any], indices: list[int]) -> None:
    found = get(client, "responses", id="made/1", source=0, **asked)
    assert [each["index"] for each in found["responses"]] == indices


def test_a_text_is_found_in_any_case_with_how_many_samples_of_each_model_have_it(client: TestClient) -> None:
    assert get(client, "search", text="KÜSSE")["found"] == {"made/2": [0, 2]}
    assert get(client, "search", text="it is $2$.")["found"] == {"made/0": [2, 0]}
    assert get(client, "search", text="2 + 2")["found"] == {"made/1": [0, 0]}
    assert get(client, "search", text=".*")["found"] == {}


def test_other_graders_stand_beside(client: TestClient) -> None:
    said = get(client, "responses", id="made/0", source=0)["responses"][0]["beside"]
    assert [(each["by"], each["outcome"]) for each in said] == [("exact", "incorrect")]


def test_images_are_served_and_what_could_hold_a_script_is_not(tmp_path: Path) -> None:
    drawing = ImagePart.of(b"<svg onload='alert(1)'/>", "image/svg+xml")
    problem = Problem("p", "?", (), "made", "math", images=(ImagePart.of(PIXEL, "image/png"), drawing))
    room = Room([made_run(tmp_path / "images", [problem], {"base": [[("x", True, "x")]]}).folder])
    client = TestClient(application(room, TOKEN, PORT, "anna"), base_url=f"http://localhost:{PORT}")
    png, svg = problem.images
    assert get(client, "problem", id="p")["images"] == [png.digest]
    assert client.get(f"/{TOKEN}/image/{png.digest}").content == PIXEL
    assert client.get(f"/{TOKEN}/image/{svg.digest}").status_code == 404
    assert client.get(f"/{TOKEN}/image/..%2f..").status_code == 404


def test_a_run_can_be_looked_at_while_it_goes_on(client: TestClient, store: RunStore, room: Room) -> None:
    before = get(client, "version")["version"]
    with store.writing(), store.appending_samples("rl") as samples:
        samples.add(Sample("made/0", 4, "brand new", FinishReason.STOP, 2, None, 1))
    room._looked = time.monotonic() - 60
    assert get(client, "version")["version"] == before + 1
    assert get(client, "search", text="brand new")["found"] == {"made/0": [0, 1]}
    assert get(client, "responses", id="made/0", source=1)["outcomes"] == {"correct": 4, "unjudged": 1}


def test_several_runs_stand_side_by_side(store: RunStore, tmp_path: Path) -> None:
    other = made_run(tmp_path / "later", PROBLEMS[:2], {"rl": [[("2", True, "2")], [("4", True, "4")]]})
    room = Room([store.folder, other.folder])
    found = room.overview()
    assert [(s["run"], s["model"]) for s in found["sources"]] == [("run", "base"), ("run", "rl"), ("later", "rl")]
    assert found["counts"][2][2] is None
    assert responses(room.source(2).files, PROBLEMS[1], Asked())["responses"][0]["outcome"] == "correct"


def test_problems_that_are_shown_to_be_lost_are_marked(tmp_path: Path) -> None:
    right, wrong = [("2", True, "2")] * 64, [("3", False, "3")] * 64
    written: Mapping[str, Sequence[Sequence[Response]]] = {"base": [right, right, wrong], "rl": [wrong, right, right]}
    room = Room([made_run(tmp_path / "lost", PROBLEMS, written).folder])
    room.copy_soon()
    assert room._copying is not None
    room._copying.join()
    assert room.overview()["shown"] == {"lost/rl": [[2], [0]]}


@pytest.mark.parametrize("what", ["counts alone", "no run"])
def test_what_cannot_be_looked_at_is_one_line(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "run"
    if what == "counts alone":
        shutil.copytree(Path(__file__).parent / "runs_of_05bb719" / "counts", folder)
    with pytest.raises(InputError, match=r"no samples to look at|not a run folder"):
        Room([folder])


@pytest.mark.slow
def test_tokens_are_shaded_where_the_run_kept_them_and_the_tokenizer_is_there(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    model = save_model(tmp_path / "model")
    ids = tuple(3 + ALPHABET.index(each) for each in "abc")
    segments = (Segment("assistant", "abc", ids, True, (-0.1, -2.0, -5.0)),)
    store = empty_run(tmp_path / "run", 1, ("base",), engine="transformers", path=str(model))
    with store.writing():
        store.add_problems(PROBLEMS[:1])
        with store.appending_samples("base") as samples:
            samples.add(Sample("made/0", 0, "abc", FinishReason.STOP, 3, -7.1, 1, segments))
    room = Room([store.folder])
    files = room.source(0).files
    assert shaded_tokens(files, PROBLEMS[0], 0) == [["a", -0.1], ["b", -2.0], ["c", -5.0]]
    shutil.rmtree(model)
    with pytest.raises(InputError, match="tokens cannot be read"):
        shaded_tokens(files, PROBLEMS[0], 0)


# -- copies --------------------------------------------------------------------------------------------------------


def test_copies_hold_the_rows_of_their_parts_and_go_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "LARGE_BYTES", 1)
    monkeypatch.setattr(copies, "COPY_BYTES", 30_000)
    monkeypatch.setattr(copies, "GROUP_BYTES", 500)
    parts = SAMPLES.parts(tmp_path / "parts")
    rows = [(f"p{i % 7}", i // 7, f"text {i} " * 20, "stop", 3, None, i, i, None, None) for i in range(500)]
    frame = pl.DataFrame(rows, SAMPLES.columns, orient="row")
    parts.append(frame[:300])
    parts.append(frame[250:])  # fifty keys stand in both, with equal content
    sorted_parts = SortedParts(parts, tmp_path / "copies")
    columns = ["problem_id", "index", "text"]

    def check() -> None:
        for problem in ("p0", "p6"):
            found = sorted_parts.of_problem(problem, ["text"])
            assert found.equals(frame.filter(pl.col("problem_id") == problem).select(columns).sort("index"))
        assert sorted_parts.of_problem("nobody", ["text"]).columns == columns
        everything = sorted_parts.scan(columns).unique().sort("problem_id", "index").collect()
        assert everything.equals(frame.select(columns).sort("problem_id", "index"))

    check()
    sorted_parts.refresh()
    (merged,) = (tmp_path / "copies").iterdir()  # two of like size
    assert sum(1 for _ in merged.rglob("*.parquet")) > 2
    check()
    parts.compact()
    check()  # the new part has no copy yet
    sorted_parts.refresh()
    assert not merged.exists()
    assert len(list((tmp_path / "copies").iterdir())) == 1
    check()


@pytest.mark.slow
def test_copies_of_like_size_are_merged_and_what_is_no_copy_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "LARGE_BYTES", 1)
    parts, folder = SAMPLES.parts(tmp_path / "parts"), tmp_path / "copies"
    rows = [(f"p{i % 5}", i // 5, f"text {i}", "stop", 3, None, i, i, None, None) for i in range(640)]
    frame = pl.DataFrame(rows, SAMPLES.columns, orient="row")
    sorted_parts = SortedParts(parts, folder)
    for at in range(0, 640, 10):
        parts.append(frame[at : at + 10])
        if at % 40 == 0:
            sorted_parts.refresh()
            assert len(list(folder.iterdir())) <= 7  # log2 of 64
    files = [*folder.rglob("*.parquet")]
    (folder / "part-000001-abcdabcd").mkdir()
    frame[:10].write_parquet(folder / "part-000001-abcdabcd" / "0000.parquet")  # as another version made it
    again = SortedParts(parts, folder)
    assert again.of_problem("p3", ["text"])["text"].to_list() == [f"text {i}" for i in range(3, 640, 5)]
    monkeypatch.setattr(copies, "MERGED_UP_TO", 1000)
    again.refresh()
    assert not (folder / "part-000001-abcdabcd").exists()
    assert not any(file.exists() for file in files)
    # Who looked before the copies were merged finds the rows all the same.
    assert sorted_parts.of_problem("p3", ["text"])["text"].to_list() == [f"text {i}" for i in range(3, 640, 5)]


def test_without_a_cache_copies_are_made_for_one_look(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVE37_CACHE", "off")
    room = Room([store.folder])
    cache = room._cache
    assert cache.exists()
    room.close()
    assert not cache.exists()


def test_copies_of_a_run_that_is_gone_are_removed(store: RunStore) -> None:
    cache = Path(os.environ["MOVE37_CACHE"]) / "view"
    Room([store.folder]).close()
    gone = cache / "feed"
    gone.mkdir()
    (gone / "run.txt").write_text(str(store.folder / "nowhere"))
    Room([store.folder]).close()
    assert [path.name for path in cache.iterdir()] != []
    assert not gone.exists()


# -- texts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain", [["t", "plain"]]),
        ("a $x$ b", [["t", "a "], ["m", "x", False, False], ["t", " b"]]),
        ("costs $5 and $6", [["t", "costs $5 and $6"]]),
        (r"\[x\]\(y\)$$z$$", [["m", "x", True, False], ["m", "y", False, False], ["m", "z", True, False]]),
        (r"so \boxed{\frac{1}{2}}!", [["t", "so "], ["m", r"\boxed{\frac{1}{2}}", False, False], ["t", "!"]]),
        (r"open \boxed{ and \[ and $$", [["t", r"open \boxed{ and \[ and $$"]]),
        (
            "```python\nx = 1\n```",
            [["c", "python", [["n", "x"], ["", " "], ["o", "="], ["", " "], ["mi", "1"], ["", "\n"]]]],
        ),
        ("```\n<b>", [["c", "", [["", "<b>"]]]]),
        ("\x1b[31m\u202eevil", [["t", "\\x1b[31m\\x202eevil"]]),
        ("", []),
    ],
)
def test_a_text_is_taken_apart(text: str, pieces: list[Any]) -> None:
    found = pieces_of(text)
    for each in found:  # Pygments tells white space apart or not, by version
        if each[0] == "c":
            each[2] = [["", value] if kind == "w" else [kind, value] for kind, value in each[2]]
    assert found == pieces


def test_the_judged_answer_is_marked_where_it_stands_last() -> None:
    assert pieces_of("7, no: 7.", "7") == [["t", "7, no: "], ["a", "7"], ["t", "."]]
    assert pieces_of(r"so $\boxed{7}$", "7")[1] == ["m", r"\boxed{7}", False, True]
    assert pieces_of("none", "7") == [["t", "none"]]
    assert shortened("7 " + "x" * 100 + " 7", "7", 10, 10)[-1] == ["a", "7"]
    assert ["gap", 84] in shortened("7 " + "x" * 100 + " 7", "7", 10, 10)


def test_a_program_without_a_fence_is_code() -> None:
    assert pieces_of("def f():\n    return 1\n", None, is_program=True)[0][:2] == ["c", "python"]
    assert pieces_of("The function is simple.", None, is_program=True) == [["t", "The function is simple."]]


@pytest.mark.parametrize("unit", ["$", "$$", "\\[", "\\boxed{", "```", "$x", "\\(", "{", "`"])
def test_taking_apart_a_hostile_text_takes_no_longer_than_its_length(unit: str) -> None:
    began = time.process_time()
    pieces_of(unit * 30_000, "x")
    assert time.process_time() - began < 2


# -- the copy ------------------------------------------------------------------------------------------------------


def test_a_copy_has_all_numbers_and_as_many_responses_as_fit(store: RunStore, tmp_path: Path) -> None:
    room = Room([store.folder])
    done = export_copy(room, tmp_path / "copy", 5)
    assert (done.problems, done.left_out) == (3, 0)
    data = {path.stem: path.read_text() for path in (tmp_path / "copy" / "data").iterdir()}
    assert set(data) == {"overview", "problem-0", "problem-1", "problem-2"}
    first = json.loads(data["problem-0"].partition(",")[2].rpartition(")")[0])
    assert [len(each["responses"]) for each in first["responses"]] == [3, 2]
    assert (tmp_path / "copy" / "image" / PROBLEMS[1].images[0].digest).read_bytes() == PIXEL
    small = export_copy(room, tmp_path / "copy", (done.bytes - 1000) / 1e6)  # over the old one
    assert small.left_out > 0
    assert small.responses + small.left_out == done.responses
    assert small.bytes <= done.bytes - 1000
    with pytest.raises(InputError, match="--max-mb"):
        export_copy(room, tmp_path / "copy", 0.5)


def test_a_copy_takes_no_folder_that_holds_something_else(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="something else"):
        export_copy(Room([store.folder]), store.folder)


def test_the_command_writes_a_copy(store: RunStore, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["view", str(store.folder), "--export", str(tmp_path / "copy"), "--json"])
    assert json.loads(done.stdout)["problems"] == 3
    assert (tmp_path / "copy" / "index.html").is_file()


# -- labels --------------------------------------------------------------------------------------------------------


def test_a_label_through_the_page_is_in_the_run(client: TestClient, store: RunStore, room: Room) -> None:
    body = {"source": 1, "id": "made/0", "index": 2, "said": "invalid", "note": "no reason given"}
    assert client.post(f"/{TOKEN}/api/label", json=body).json() == {"settled": True}
    assert store.labels("rl") == ["audit@1", "math@1", "reader-anna@1"]
    room._looked = time.monotonic() - 60
    said = get(client, "responses", id="made/0", source=1, fold="none")["responses"][2]["beside"]
    assert [(each["reader"], each["outcome"], each["note"]) for each in said] == [
        ("anna", "incorrect", "no reason given")
    ]
    assert get(client, "readings")["runs"][0]["words"].startswith("anna: 0 valid, 1 invalid, 0 unsure")


@pytest.mark.slow
def test_an_audit_is_read_blind_in_its_order_until_the_first_valid_chain(tmp_path: Path) -> None:
    run = judged_run(sums_study(tmp_path, n=6, problems=8), tmp_path / "sums")
    room = Room([run.folder])
    client = TestClient(application(room, TOKEN, PORT, "anna"), base_url=f"http://127.0.0.1:{PORT}")
    assert get(client, "audit", reader="anna") == {"begun": False}
    state = client.post(f"/{TOKEN}/api/begin", json={"reader": "anna"}).json()
    assert state["begun"]
    text = json.dumps(state)
    assert '"base"' not in text
    assert '"rl"' not in text
    sets, order = {}, []
    while "item" in state:
        item = state["item"]
        order.append(item["name"])
        said = "valid" if len(order) % 2 else "invalid"
        sets.setdefault(item["set"], []).append(said)
        client.post(f"/{TOKEN}/api/label", json={"reader": "anna", "item": item["name"], "said": said})
        state = get(client, "audit", reader="anna")
    assert (state["owed"], state["read"]) == (0, len(order))
    assert all("valid" not in said[:-1] for said in sets.values())
    assert len(sets) == state["sets"]
    # Another reader begins from the start, and the audit of the report has what the first one said.
    assert get(client, "audit", reader="ben")["owed"] == state["items"]
    audit = pipeline.analyse_run(run).models[0].audit
    assert audit is not None
    assert audit.open == 0
    assert audit.read > 0


def test_a_reader_has_a_name_that_can_be_one() -> None:
    assert default_reader()
    assert isinstance(CliRunner().invoke(app, ["view", "x", "--reader", "a/b"]).exception, InputError)


def test_a_label_of_a_sample_that_was_made_again_does_not_stand(tmp_path: Path) -> None:
    store = empty_run(tmp_path / "run", 1, ("base",))
    sample = Sample(PROBLEMS[0].id, 0, "old", FinishReason.STOP, 1, None, 1)
    with store.writing():
        store.add_problems(PROBLEMS[:1])
        with store.appending_samples("base") as samples:
            samples.add(sample)
    say(store, [Label("anna", "base", PROBLEMS[0].id, 0, Said.VALID)])
    shutil.rmtree(tmp_path / "run" / "samples")
    with store.writing(), store.appending_samples("base") as samples:
        samples.add(replace(sample, text="new"))
    assert Room([store.folder]).readings()[0]["words"].endswith("shows samples to label")
