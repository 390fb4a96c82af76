"""Problems with images: from a file of the user's own into the run folder, with their formats, sizes and limits."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from move37.analyses.details import ModelData
from move37.analyses.findings import find
from move37.config import ProblemsConfig, StudyConfig
from move37.errors import InputError
from move37.identity import content_id
from move37.images import measured, pixels
from move37.problems import load_problems
from move37.prompting import with_images
from move37.report import ReportContext
from move37.report.page import write_report
from move37.store import RunStore
from move37.thumbnails import thumbnails
from move37.types import ImagePart, Problem, TextPart
from tests.test_analyses import tally
from tests.tiny_vision import picture


def rows(tmp_path: Path, *written: dict) -> ProblemsConfig:
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in written))
    return ProblemsConfig(benchmark="jsonl", path=path)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def test_images_of_rows(tmp_path: Path) -> None:
    wide, high = picture(30, 20), picture(20, 40, seed=1)
    assert wide.data is not None
    assert high.data is not None
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "wide.jpg").write_bytes(wide.data)  # the bytes are a PNG, whatever the name says
    address = "data:image/webp;base64," + base64.b64encode(high.data).decode()
    source = rows(
        tmp_path,
        {"question": "How wide?", "answer": 30, "image": "plots/wide.jpg"},
        {"question": "Which is larger, <image 2> or <image>?", "answer": "2", "images": ["plots/wide.jpg", address]},
        {"question": "Nothing to see?", "answer": "yes"},
    )
    one, two, none = load_problems([source])
    assert [(each.media_type, each.width, each.height) for each in two.images] == [
        ("image/png", 30, 20),
        ("image/png", 20, 40),
    ]
    assert one.images[0].path == str(tmp_path / "plots" / "wide.jpg")
    assert (one.images[0], two.images) == (wide, (wide, high))
    assert none.images == ()
    assert one.id == content_id("jsonl", "How wide?", (wide,)) != content_id("jsonl", "How wide?")


def test_parquet_as_on_the_hub(tmp_path: Path) -> None:
    image = picture(12, 9)
    table = pl.DataFrame({"question": ["?"], "answer": ["1"], "images": [[{"bytes": image.data, "path": "a.png"}]]})
    table.write_parquet(tmp_path / "set.parquet")
    (problem,) = load_problems([ProblemsConfig(benchmark="jsonl", path=tmp_path / "set.parquet")])
    assert problem.images == (image,)
    assert (problem.images[0].width, problem.images[0].height) == (12, 9)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("gone.png", "own.jsonl:1: image .*gone.png cannot be read"),
        ("https://example.org/a.png", "own.jsonl:1: expected an image"),
        ("data:image/png;base64,AAAA", "own.jsonl:1: image .* is no whole image of a known format"),
        ("data:image/png,raw", "own.jsonl:1: a data URL that is not in base64"),
        (7, "own.jsonl:1: expected an image"),
    ],
)
def test_what_is_no_image(tmp_path: Path, image: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_problems([rows(tmp_path, {"question": "?", "answer": "1", "image": image})])


def test_limits_refuse_with_the_id(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture(40, 30, number).data or b"")
    source = rows(tmp_path, {"question": "?", "answer": "1", "images": [f"{number}.png" for number in range(3)]})
    (problem,) = load_problems([source.model_copy(update={"max_images": 3, "max_pixels": 1200})])
    with pytest.raises(InputError, match=rf"{problem.id}: 3 images, and problems.max_images is 2"):
        load_problems([source.model_copy(update={"max_images": 2})])
    with pytest.raises(InputError, match=rf"{problem.id}: an image of 40 x 30 pixels, and problems.max_pixels is 1199"):
        load_problems([source.model_copy(update={"max_pixels": 1199})])


def test_a_run_keeps_every_image_once(tmp_path: Path) -> None:
    one, two = (measured(picture(8, 8, seed), "p") for seed in (0, 1))
    problems = [
        Problem(name, name, ("1",), "b", "math", images=images)
        for name, images in (("a", (one,)), ("b", (two, one)), ("c", ()))
    ]
    store = RunStore(tmp_path / "run")
    with store.writing():
        store.adopt(StudyConfig(name="seen", problems=(ProblemsConfig(benchmark="gsm8k"),)))
        store.take_problems(problems, "b")
    kept = sorted(path.name for path in (tmp_path / "run" / "images").iterdir())
    assert kept == sorted(f"{image.digest}.png" for image in (one, two))
    moved = (tmp_path / "run").rename(tmp_path / "elsewhere")
    again = RunStore.open(moved).problems()
    assert list(again) == problems
    assert [each.read() for each in again[1].images] == [two.data, one.data]
    assert (again[0].images[0].width, again[0].images[0].data) == (8, None)
    (moved / "images" / kept[0]).write_bytes(b"another")
    with pytest.raises(ValueError, match="holds another image"):
        [image.read() for problem in again for image in problem.images]


def test_pixels_are_upright_on_white() -> None:
    drawing = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    drawing.putpixel((0, 0), (0, 0, 0, 255))
    part = ImagePart.of(saved(drawing, "PNG"), "image/png")
    assert [pixels(part, "p").getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (255, 255, 255)]
    photograph, exif = Image.new("RGB", (30, 10)), Image.Exif()
    exif[0x0112] = 6
    turned = measured(ImagePart.of(saved(photograph, "JPEG", exif=exif), "?"), "p")
    assert (turned.media_type, turned.width, turned.height) == ("image/jpeg", 10, 30)
    assert pixels(turned, "p").size == (10, 30)
    cut = ImagePart.of(saved(Image.effect_noise((90, 90), 9), "PNG")[:2000], "image/png")
    assert measured(cut, "p").width == 90
    with pytest.raises(InputError, match=r"p: image \w+ cannot be decoded"):
        pixels(cut, "p")


def test_images_stand_where_the_question_marks_them() -> None:
    one, two, three = (picture(4, 4, seed) for seed in range(3))
    cases = {
        "what?": [one, two, three, "what?"],
        "<image>a<image>b<image>": [one, "a", two, "b", three],
        "a <image 2> b <image1>": [three, "a ", two, " b ", one],
        "<image 1> and <image 1> again": [two, three, one, " and ", one, " again"],
        "<image>x": [two, three, one, "x"],
    }
    for text, expected in cases.items():
        parts = with_images("user", text, (one, two, three)).content
        assert [part.text if isinstance(part, TextPart) else part for part in parts] == expected, text
    plain = with_images("user", "the tag <image> of HTML", ())
    assert plain.content == (TextPart("the tag <image> of HTML"),)
    assert replace(plain, role="user") == plain


def test_thumbnails_keep_to_their_budget() -> None:
    problems = [
        Problem(name, name, ("1",), "b", "math", images=(picture(500, 250, seed),)) for seed, name in enumerate("abcd")
    ]
    found = thumbnails([*problems, Problem("t", "t", ("1",), "b", "math")], "c")
    assert [(each.problem_id, each.width, each.height) for each in found] == [
        ("c", 320, 160), ("a", 72, 36), ("b", 72, 36), ("d", 72, 36)
    ]  # fmt: skip
    few = thumbnails(problems, None, budget=len(found[1].address) + len(found[2].address))
    assert [each.problem_id for each in few] == ["a", "b"]
    gone = replace(problems[0], images=(ImagePart("0" * 32, "image/png", path="/gone.png"),))
    assert thumbnails([gone], None) == ()


@pytest.mark.slow
def test_a_page_has_each_thumbnail_once(tmp_path: Path) -> None:
    """However often its problem is named."""
    found = thumbnails([Problem("<p>", "q", ("1",), "b", "math", images=(picture(50, 25),))], "<p>")
    findings = find([ModelData(tally("base", [1, 0], 4)), ModelData(tally("rl", [0, 2], 4))])
    context = ReportContext("t", "", (), (("chat", "what?", ()),), "move37 report", thumbnails=found)
    page = write_report(findings, context, tmp_path).read_text()
    assert "img-src data:;" in page
    assert page.count(found[0].address) == 1
    assert 'class="picture picture-0" role="img" aria-label="image of &lt;p&gt;"' in page
