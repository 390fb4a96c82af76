"""The reading room in a real browser: read and labelled by key, quiet, for everybody, and harmed by nothing in it."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from move37 import pipeline
from move37.labels import labels_in
from move37.store import RunStore
from move37.types import ImagePart, Problem
from move37.view.export import export_copy
from move37.view.room import Room
from move37.view.server import STATIC, application
from tests.reading_runs import Response, made_run
from tests.test_report_browser import CHROMIUM, DRIVER, Browser, driver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver on the PATH"),
]

TOKEN = "a-secret"
MODELS = ("base", "rl")
PNG = ImagePart.of((STATIC / "icon.png").read_bytes(), "image/png")
PROBLEMS = [
    Problem(f"made/{i}", f"What is ${i} + {i}$, in words or in figures?", (str(2 * i),), "made", "math",
            tags={"level": str(i % 2)}, images=(PNG,) if i == 1 else ())
    for i in range(6)
]  # fmt: skip
CODE = "```python\nprint(1 + 1)\n```\nso it is \\boxed{2}"
WRITTEN: Mapping[str, Sequence[Sequence[Response]]] = {
    "base": [
        [("it is 0", True, "0"), ("it is 0", True, "0"), ("I guess 1", False, "1"), ("on and on ...", False, None)],
        [(CODE, True, "2"), ("it is 3", False, "3"), ("it is 4", False, "4"), ("it is 5", False, "5")],
        [("6", False, "6")] * 4,
        [("6", True, "6")] * 3 + [("7", False, "7")],
        [("8", True, "8")] + [("9", False, "9")] * 3,
        [("no", None, None)] * 4,
    ],
    "rl": [
        [("0", True, "0")] * 4,
        [("2", True, "2")] * 4,
        [("4", True, "4")] * 2 + [("5", False, "5")] * 2,
        [("7", False, "7")] * 4,
        [("8", True, "8")] * 4,
        [("no", False, "no")] * 4,
    ],
}  # fmt: skip
EVIL = "<script>window.broken = 1</script><img src=x onerror='window.broken = 1'><a href='javascript:broken=1'>x</a>"
HOSTILE: list[Response] = [
    (EVIL, True, EVIL),
    ("x" * 10_000_000 + " $7$ the end", False, "7"),
    ("\x00\x1b[31mred\r\x07\u202eesrever\u2066 שלום עולם مرحبا \ufeff\U000e0041", False, "\u202e"),
    (r"$\frac{1$ $\href{javascript:window.broken=1}{x}$ $\def\x{\x\x}\x$ $\includegraphics{http://127.0.0.1:9/x.png}$ "
     r"$\htmlStyle{position:fixed}{x}$ $$\begin{matrix}$$ " + "$" + "{" * 3000 + "$", False, r"\frac{1"),
    ("```html\n" + EVIL + "\n```\n" + "<!--" * 500, False, "<!--"),
    ("A" * 5000 + "\u0301" * 5000, False, "A"),
    ("", False, ""),
]  # fmt: skip


class Page(Browser):
    """A browser on the reading room."""

    def visit(self, address: str) -> None:
        self.command("Page.navigate", url="about:blank")
        self.requests()
        self.console()
        self.command("Page.navigate", url=address)
        self.until("document.documentElement.dataset.drawn !== undefined")

    def until(self, condition: str) -> None:
        for _ in range(600):
            if self.script(f"return Boolean({condition})"):
                return
            time.sleep(0.05)
        raise AssertionError(f"never: {condition}; console: {self.console()}")

    def press(self, key: str) -> None:
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "")
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text: str) -> None:
        self.command("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        return self.script(f"return document.querySelector({selector!r})?.innerText ?? ''")

    def count(self, selector: str) -> int:
        return self.script(f"return document.querySelectorAll({selector!r}).length")

    def size(self, width: int, scheme: str) -> None:
        self.screen(width, scheme)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with driver() as address:
        session = Page(address, tmp_path_factory.mktemp("profile"))
        yield session
        session.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOVE37_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def store(cache: None, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return made_run(tmp_path_factory.mktemp("view") / "run", PROBLEMS, WRITTEN)


@pytest.fixture(scope="module")
def address(store: RunStore) -> Iterator[str]:
    with_hostile = made_run(
        store.folder.parent / "hostile",
        [Problem("evil", EVIL, (EVIL,), "x", "math", tags={EVIL: EVIL})],
        {"evil": [HOSTILE]},
    )
    room = Room([store.folder, with_hostile.folder])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        config = uvicorn.Config(application(room, TOKEN, port, "anna"), log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{port}/{TOKEN}/"
        server.should_exit = True
        thread.join()
    room.close()


def test_the_first_page_shows_problems_and_the_first_ones_responses_and_asks_nobody_else(
    browser: Page, address: str
) -> None:
    browser.size(1440, "light")
    browser.visit(address)
    browser.until("document.querySelectorAll('.column').length === 2")
    assert browser.text("#title").startswith("Samples · run")
    assert browser.text("#list li a").split("\n") == [
        "What is 0+0", "0+0, in words or in figures?", "base", "2 of 4", "rl", "4 of 4"
    ] or "2 of 4" in browser.text("#list li a")  # fmt: skip
    assert browser.text(".column h3") == "base: 2 of 4 right, 3 different responses"
    assert browser.text("article .times") == "2×"
    assert browser.text("article mark") == "0"
    assert browser.console() == []
    asked = browser.requests()
    assert len(asked) > 5
    assert [each for each in asked if not each.startswith(address)] == []


def test_pills_filters_and_search_choose_problems(browser: Page, address: str) -> None:
    browser.size(1440, "light")
    browser.visit(address)
    pills = browser.script("return [...document.querySelectorAll('#pills button')].map(each => each.innerText)")
    assert pills == ["all 6", "base only 1", "rl only 1", "both 3", "neither 1"]
    for key, found in (("2", ["made/3"]), ("3", ["made/2"]), ("5", ["made/5"])):
        browser.press(key)
        browser.until(f"document.querySelectorAll('#list li').length === {len(found)}")
        browser.press("n")
        browser.until(f"location.hash.includes({found[0].replace('/', '%2F')!r})")
    browser.press("1")
    for asked, count in (("kind=unscored", 1), ("kind=truncated", 1), ("tag=level=1", 3), ("from=90", 0)):
        name, _, value = asked.partition("=")
        browser.script(f"App.go({{kind: '', tag: '', from: '', to: '', {name}: {value!r}}})")
        browser.until(f"document.querySelectorAll('#list li').length === {count}")
    browser.script("App.go({from: '20', to: '60', of: 0, tag: ''})")
    browser.until("document.querySelectorAll('#list li').length === 3")
    browser.script("App.go({from: '', to: ''})")
    browser.press("/")
    browser.type("I GUESS")
    browser.until("document.querySelector('#found').innerText === '1 of 6 problems'")
    assert "1 found" in browser.text("#list li a")


def test_everything_can_be_reached_by_key_and_every_place_has_an_address(browser: Page, address: str) -> None:
    browser.size(1440, "light")
    browser.visit(f"{address}#p=made%2F1&s=0.2")
    browser.until("document.querySelector('article[aria-current]')?.response.index === 2")
    assert browser.count(".head img") == 1
    browser.press("k")
    browser.until("document.querySelector('article[aria-current]').response.index === 1")
    browser.press("l")
    browser.until("location.hash.includes('s=1.0')")
    browser.press("n")
    browser.until("location.hash.includes('made%2F2')")
    browser.press("p")
    browser.until("document.querySelector('code .nb')?.innerText === 'print'")
    browser.press("a")
    browser.until("location.hash.includes('fold=answer')")
    browser.press("?")
    browser.until("document.querySelector('#help').open")
    browser.press("n")  # keys are the dialog's now
    browser.script("document.querySelector('#help form button').click()")
    assert "made%2F1" in browser.script("return location.hash")


def test_a_label_by_key_is_in_the_store_and_changes_cot_pass_at_k(browser: Page, address: str, store: RunStore) -> None:
    browser.size(1440, "light")
    browser.visit(f"{address}#p=made%2F2")
    browser.until("document.querySelectorAll('.column').length === 2")
    for key in "jl":
        browser.press(key)
    browser.until("location.hash.includes('s=1.0')")
    browser.press("v")
    browser.until("document.querySelector('#status').innerText.includes('saved')")
    said = [(each.model, each.problem_id, each.index, each.said) for each in labels_in(store) if each.reader == "anna"]
    assert said == [("rl", "made/2", 0, "valid")]
    assert browser.text("article[aria-current] .label") == "anna: valid"
    chains = pipeline.analyse_run(store).models[1].chains
    assert chains is not None
    assert chains.accepted[0] == pytest.approx(1 / 4 / 6)  # one of four samples of one of six problems
    browser.press("c")
    browser.until("document.querySelector('#note').open")
    browser.type("adds twice")
    browser.script("document.querySelector('#note form').requestSubmit()")
    browser.until("document.querySelector('article[aria-current] .label').innerText.includes('adds twice')")
    browser.press("i")
    browser.until("document.querySelector('article[aria-current] .label').innerText === 'anna: invalid · adds twice'")
    chains = pipeline.analyse_run(store).models[1].chains
    assert chains is not None
    assert chains.accepted[0] == 0
    browser.press("z")
    browser.until("document.querySelectorAll('article .label').length === 0")
    assert labels_in(store) == []


def test_an_audit_is_read_by_key_without_the_models_names(browser: Page, address: str, store: RunStore) -> None:
    browser.size(1440, "light")
    browser.visit(address)
    browser.press("b")
    browser.until("document.querySelector('#main button')?.innerText === 'Begin'")
    browser.script("document.querySelector('#main button').click()")
    browser.until("document.querySelector('article[aria-current]') !== null")
    assert "Read as anna: 0 of" in browser.text("#main")
    read = 0
    while browser.count("article[aria-current]"):
        shown = browser.text("body")
        assert not any(name in shown.split() for name in MODELS)
        browser.press("i" if read % 2 else "v")
        read += 1
        browser.until(f"document.querySelector('#main').innerText.includes('Read as anna: {read} of')")
    assert "Everything is read" in browser.text("#main")
    browser.until("document.querySelector('#main pre') !== null")
    assert len(labels_in(store)) == read > 3


def test_what_comes_late_is_not_drawn_over_what_was_asked_for_since(browser: Page, address: str) -> None:
    browser.size(1440, "light")
    browser.visit(address)
    browser.until("document.querySelectorAll('.column').length === 2")
    browser.script(
        "const ask = window.fetch; window.late = 0;"
        "window.fetch = (...asked) => ask(...asked).then(found => !String(asked[0]).includes('made%2F4') ? found :"
        " new Promise(done => setTimeout(() => { window.late += 1; done(found); }, 400)));"
    )
    browser.script("location.hash = 'p=made%2F4'")
    browser.press("b")
    browser.until("document.querySelector('#main h2') !== null && document.querySelectorAll('.column').length === 0")
    browser.until("window.late === 3")
    time.sleep(0.1)
    assert browser.count(".column") == 0
    browser.press("b")
    browser.until("document.querySelectorAll('.column').length === 2")


def test_hostile_samples_harm_nothing(browser: Page, address: str) -> None:
    browser.size(1440, "light")
    browser.visit(f"{address}#p=evil&m=2")
    browser.until("document.querySelectorAll('article').length === 7")
    browser.script("document.querySelector('article .maths.block').scrollIntoView()")
    browser.until("document.querySelectorAll('.maths.broken').length >= 4")
    browser.script("document.querySelector('article button.whole').click()")
    browser.until("document.querySelector('button.whole')?.innerText === '9,900,012 characters more'")
    assert browser.script("return window.broken === undefined")
    assert browser.count(".text img, .text script, .text a[href^='javascript'], main iframe") == 0
    browser.script("document.querySelector('article .text').scrollIntoView()")  # what is off the screen is not laid out
    browser.until(f"document.querySelector('article .text').innerText === {json.dumps(EVIL)}")
    shown = browser.script("return document.querySelector('#main').textContent")
    assert "\\x1b[31mred\\x0d\\x07\\x202eesrever" in shown
    assert not {"\u202e", "\u2066", "\x1b", "\x00"}.intersection(shown)
    assert browser.script("return document.documentElement.scrollWidth") == 1440
    assert browser.console() == []
    assert [each for each in browser.requests() if not each.startswith(address)] == []


@pytest.mark.parametrize(("width", "scheme"), [(400, "light"), (400, "dark"), (820, "light"), (1440, "dark")])
def test_every_screen_is_wide_enough_and_nothing_serious_is_in_the_way_of_anybody(
    browser: Page, address: str, width: int, scheme: str
) -> None:
    axe = (files("axe_core_python") / "axe.min.js").read_text()
    browser.size(width, scheme)
    for place in ("", "#p=made%2F1&s=0.0", "#p=evil&m=2", "#blind=run"):
        browser.visit(f"{address}{place}")
        browser.script("document.querySelector('#more-filters').open = true")
        if not place:
            browser.press("?")
        assert browser.script("return document.documentElement.scrollWidth") == width
        browser.script(axe)
        found: list[dict[str, Any]] = browser.script("return axe.run().then(found => found.violations)")
        serious = [
            (each["id"], each["nodes"][0]["html"][:200], each["nodes"][0]["failureSummary"])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_a_copy_opens_from_disk(browser: Page, store: RunStore, tmp_path: Path) -> None:
    done = export_copy(Room([store.folder]), tmp_path / "copy")
    browser.size(1440, "light")
    browser.visit(f"{done.page.as_uri()}#p=made%2F1")
    browser.until("document.querySelectorAll('.column').length === 2")
    assert browser.text(".column h3") == "base: 1 of 4 right, 4 different responses"
    assert browser.count(".katex") > 3
    assert browser.script("return document.querySelector('.head img').naturalWidth") == 32
    assert browser.count("article button") == 0
    browser.press("3")
    browser.until("document.querySelectorAll('#list li').length === 1")
    browser.press("n")
    browser.until("location.hash.includes('made%2F2')")
    browser.until("document.querySelector('.column h3').innerText === 'base: 0 of 4 right, 1 different response'")
    browser.script("location.hash = '#m=base,rl&c=20-30,90-100'")  # as a heat map's cell links here
    browser.until("document.querySelectorAll('#list li').length === 2")
    assert "base 20–30 %, rl 90–100 %" in browser.text("#pills")
    browser.script("location.hash = '#q=i+GUESS'")
    browser.until("document.querySelectorAll('#list li').length === 1")
    assert "1 found" in browser.text("#list li")
    folder = done.page.parent.as_uri()
    assert browser.console() == []
    assert [each for each in browser.requests() if not each.startswith(folder)] == []


def test_a_click_on_a_cell_of_a_drawn_heat_map_lists_its_problems(browser: Page, cache: None, tmp_path: Path) -> None:
    # Right ones of 10 by base and rl: two problems in one cell, one that stays in its bin, one never right by base.
    right = {"made/0": (1, 8), "made/1": (1, 8), "made/2": (5, 5), "made/3": (0, 10), "made/4": (10, 0)}
    problems = [Problem(name, f"What is {name}?", ("1",), "made", "math") for name in right]
    written = {
        model: [[("1", True, "1")] * of[side] + [("2", False, "2")] * (10 - of[side]) for of in right.values()]
        for side, model in enumerate(("base", "rl"))
    }
    store = made_run(tmp_path / "run", problems, written)
    export_copy(Room([store.folder]), store.folder / "view")
    page = pipeline.report_run(store).report
    browser.size(1440, "light")
    unfolded = """
        for (let each = document.querySelector('.plot[data-cells]'); each; each = each.parentElement) each.open = true;
    """
    centres = """
        const plot = document.querySelector('.plot[data-cells]');
        plot.scrollIntoView({ block: 'center' });
        return [...plot.querySelectorAll('.mark-rect path')].map(path => path.getBoundingClientRect())
          .map(box => [box.x + box.width / 2, box.y + box.height / 2, Math.round(box.width)]);
    """
    listed = "return [...document.querySelectorAll('#list li')].map(each => each.innerText).join(' ')"
    found = []
    for number in range(4):  # cells are drawn first, the outlines of the diagonal over them
        browser.open(page)
        browser.script(unfolded)
        browser.until("document.querySelector('.plot[data-cells] .mark-rect path')")
        x, y, _ = browser.script(centres)[number]
        for kind in ("mousePressed", "mouseReleased"):
            browser.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        browser.until("document.querySelector('#list li') !== null && location.hash.includes('c=')")
        shown = browser.script(listed)
        found.append({name for name in right if f"What is {name}?" in shown})
    assert sorted(map(sorted, found)) == [["made/0", "made/1"], ["made/2"], ["made/3"], ["made/4"]]
    assert browser.console() == []
