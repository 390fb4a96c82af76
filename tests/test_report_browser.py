"""The page in a real browser, opened from disk without a network: drawn, quiet, and no wider than the screen.

Headless Chromium is driven through its own driver (the W3C WebDriver protocol over HTTP), so that no package is
needed. Every name resolves to nothing, and the log of all requests is read.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from move37.analyses.details import ModelData
from move37.analyses.findings import Facts, find
from move37.estimates.settings import BandSettings
from move37.report.page import write_report
from move37.report.pdf import browser as browser_on_path
from move37.report.pdf import write_pdf
from move37.types import Problem
from tests.test_report import CONTEXT, DRAWS, hostile_context, hostile_findings, tally

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="needs chromium and chromedriver on the PATH"),
]

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
SCREENS = [(360, "light"), (400, "dark"), (1440, "light"), (1440, "dark")]


class Browser:
    """One session of headless Chromium."""

    def __init__(self, address: str, profile: Path) -> None:
        self._address = address
        options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={profile}"]}
        always = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": always}})
        self._session = f"/session/{answer['sessionId']}"

    def screen(self, width: int, scheme: str, media: str = "screen") -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
        )
        self.command(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def open(self, page: Path) -> None:
        """Open a page from disk and wait until it says that every figure is drawn."""
        self.requests()  # forget what the browser's own start page did
        self.console()
        self._call("POST", f"{self._session}/url", {"url": page.as_uri()})
        for _ in range(300):
            if self.script("return document.documentElement.dataset.drawn"):
                return
            time.sleep(0.1)
        raise AssertionError(f"not drawn within 30 seconds; console: {self.console()}")

    def unfold(self) -> None:
        """Open every fold, and wait until the figures in them are drawn."""
        self.script("document.querySelectorAll('details').forEach(each => { each.open = true })")
        for _ in range(300):
            if self.script("return [...document.querySelectorAll('.plot')].every(each => each.querySelector('svg'))"):
                return
            time.sleep(0.1)
        raise AssertionError(f"not drawn within 30 seconds; console: {self.console()}")

    def script(self, text: str) -> Any:
        return self._call("POST", f"{self._session}/execute/sync", {"script": text, "args": []})

    def command(self, name: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._call("POST", f"{self._session}/goog/cdp/execute", {"cmd": name, "params": parameters})

    def point_at(self, x: float, y: float) -> None:
        for step in (0, 2):
            self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x + step, y=y)

    def console(self) -> list[str]:
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for since the last call, by pages (not by the browser's own)."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent if not each["documentURL"].startswith("chrome:")]

    def close(self) -> None:
        self._call("DELETE", self._session)

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return self._call("POST", f"{self._session}/se/log", {"type": kind})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._address + path, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise AssertionError(error.read().decode()[:1000]) from error


@contextmanager
def driver() -> Iterator[str]:
    """Start the driver on a free port and give its address."""
    assert DRIVER is not None
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = (re.search(r"started successfully on port (\d+)", line) for line in process.stdout)
            port = next(match[1] for match in found if match)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with driver() as address:
        session = Browser(address, tmp_path_factory.mktemp("profile"))
        yield session
        session.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models with long names, 1,024 samples, tokens, subsets, seeds, guessers: everything that could be wide."""
    rng = np.random.default_rng(37)
    chances = rng.beta(0.4, 0.8, 60)
    names = ("Qwen2.5-7B", "Qwen2.5-7B-GRPO-step-150-of-the-long-run", "Qwen2.5-7B-DAPO")
    powers = (1.0, 0.5, 0.6)
    tallies = [
        tally(name, rng.binomial(1024, chances**power).tolist(), 1024, unscored=unscored)
        for name, power, unscored in zip(names, powers, (0, 3, 0), strict=True)
    ]
    ids = tallies[0].problem_ids
    evidence = [
        ModelData(each, tokens_by_problem=dict.fromkeys(ids, 400.0 + 300 * i)) for i, each in enumerate(tallies)
    ]
    subsets = ("counting and probability", "intermediate algebra", "number theory")
    problems = [
        Problem(name, "?", (str(i % 7),), "sums", "math", tags={"subset": subsets[i % 3]}) for i, name in enumerate(ids)
    ]
    facts = Facts(problems=problems, strata=("subset",), runs={"GRPO or DAPO": names[1:]})
    return write_report(
        find(evidence, BandSettings(draws=DRAWS), facts=facts), CONTEXT, tmp_path_factory.mktemp("report")
    )


FIGURES = """
return [...document.querySelectorAll('.plot')].map(plot => ({
  stem: plot.dataset.stem,
  width: plot.querySelector('svg')?.getBoundingClientRect().width,
  lines: plot.querySelectorAll('.mark-line path').length,
  areas: plot.querySelectorAll('.mark-area path').length,
  rects: plot.querySelectorAll('.mark-rect path').length,
  texts: [...plot.querySelectorAll('text')].map(text => text.textContent),
}))
"""


@pytest.fixture(scope="module", params=SCREENS, ids=lambda screen: f"{screen[0]}-{screen[1]}")
def width(browser: Browser, page: Path, request: pytest.FixtureRequest) -> int:
    """The width of the screen on which the page is open."""
    browser.screen(*request.param)
    browser.open(page)
    return request.param[0]


def test_every_figure_is_drawn_without_a_complaint_or_a_request(browser: Browser, page: Path, width: int) -> None:
    browser.unfold()
    figures = {figure["stem"]: figure for figure in browser.script(FIGURES)}
    pairs = [f"{name}-{number}" for number in (1, 2) for name in ("difference", "accuracy", "transition")]
    assert list(figures) == ["curves", *pairs, "tokens-1", "tokens-2"]  # in the order of the page
    assert figures["curves"]["lines"] == 3 + 2  # two guessers
    assert {"uniform guessing", "answer prior"} <= set(figures["curves"]["texts"])
    assert figures["curves"]["areas"] == 3
    for number in (1, 2):
        assert figures[f"difference-{number}"]["areas"] == 1
        assert figures[f"difference-{number}"]["lines"] == 1
        assert figures[f"tokens-{number}"]["areas"] == 1
        assert figures[f"tokens-{number}"]["lines"] == 1
        assert figures[f"accuracy-{number}"]["rects"] == 22  # 11 bins of two models
        counts = [int(text) for text in figures[f"transition-{number}"]["texts"] if re.fullmatch(r"\d+", text)]
        # Every problem is counted once; the bins of both axes are named by whole numbers, 0 to 100.
        assert sum(counts) == 60 + 2 * sum(range(0, 101, 10))
    assert browser.console() == []
    assert browser.requests() == [page.as_uri()]


def test_the_page_is_no_wider_than_the_screen(browser: Browser, width: int) -> None:
    assert browser.script("return document.documentElement.scrollWidth") == width
    browser.unfold()
    assert browser.script("return document.documentElement.scrollWidth") == width
    for figure in browser.script(FIGURES):
        assert 200 < figure["width"] <= width


COLOURS = """
const style = node => getComputedStyle(node);
const label = document.querySelector('.plot .mark-text.role-axis-label text');
return [style(document.body).backgroundColor, style(document.body).color, style(label).fill];
"""


def test_page_and_charts_follow_light_and_dark_without_being_loaded_again(browser: Browser, page: Path) -> None:
    browser.screen(1440, "light")
    browser.open(page)
    light = browser.script(COLOURS)
    browser.screen(1440, "dark")
    dark = browser.script(COLOURS)
    assert light == ["rgb(255, 255, 255)", "rgb(29, 33, 38)", "rgb(91, 100, 112)"]
    assert dark == ["rgb(20, 24, 29)", "rgb(228, 231, 235)", "rgb(154, 164, 176)"]


def test_paper_is_white_whatever_the_screen_is(browser: Browser, page: Path) -> None:
    browser.screen(1440, "dark")
    browser.open(page)
    browser.screen(1440, "dark", media="print")
    assert browser.script(COLOURS)[0] == "rgb(255, 255, 255)"


TOOLTIP = "const tip = document.getElementById('vg-tooltip-element'); return tip && tip.innerText"


def tooltip_over(browser: Browser, stem: str, across: float, down: float) -> str:
    box = browser.script(
        f"const plot = document.querySelector('[data-stem={stem}] svg'); plot.scrollIntoView({{block: 'center'}});"
        "const box = plot.getBoundingClientRect(); return [box.x, box.y, box.width, box.height]"
    )
    browser.point_at(box[0] + across * box[2], box[1] + down * box[3])
    for _ in range(50):
        text = browser.script(TOOLTIP)
        if text:
            return text
        time.sleep(0.1)
    raise AssertionError(f"no tooltip over {stem}")


def test_pointing_at_a_curve_shows_every_model_at_that_k(browser: Browser, page: Path) -> None:
    browser.screen(1440, "light")
    browser.open(page)
    text = tooltip_over(browser, "curves", 0.5, 0.4)
    assert re.match(r"k\s+\d+\s", text)
    assert "Qwen2.5-7B-DAPO" in text
    assert len(re.findall(r"\d+\.\d+% \(\d+\.\d+ to \d+\.\d+%\)", text)) == 3
    assert "undefined" not in text
    difference = tooltip_over(browser, "difference-1", 0.5, 0.4)
    assert re.search(r"95% band\s+[+−0]", difference)
    assert re.search(r"established\s+(gain|loss|undetermined)", difference)
    browser.unfold()
    tokens = tooltip_over(browser, "tokens-1", 0.5, 0.4)
    assert re.search(r"tokens\s+[\d,]+\s", tokens)
    assert re.search(r"95% band\s+[+−0]", tokens)


def test_a_users_text_runs_nothing_in_the_browser(browser: Browser, tmp_path: Path) -> None:
    hostile = write_report(hostile_findings(), hostile_context(), tmp_path)
    browser.screen(1440, "light")
    browser.open(hostile)
    browser.unfold()
    assert browser.script("return document.querySelectorAll('.plot svg').length") == 5
    assert "window.broken = 1" in tooltip_over(browser, "curves", 0.4, 0.4)
    assert browser.script("return window.broken === undefined")
    assert browser.script("return document.querySelectorAll('img').length") == 0
    assert browser.console() == []
    assert browser.requests() == [hostile.as_uri()]


def test_without_scripts_each_figure_is_a_drawing(browser: Browser, page: Path) -> None:
    browser.screen(1440, "light")
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    drawings: list[int] = []
    try:
        browser.command("Page.navigate", url=page.as_uri())
        for _ in range(100):
            root = browser.command("DOM.getDocument", depth=0)["root"]["nodeId"]
            drawings = browser.command("DOM.querySelectorAll", nodeId=root, selector=".still svg")["nodeIds"]
            if len(drawings) == 9:
                break
            time.sleep(0.1)
        assert len(drawings) == 9
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


def test_the_first_screen_answers_without_scrolling(browser: Browser, page: Path) -> None:
    """At 1440 x 900: the title, the picture, four answers with their numbers; and nothing of the page is half empty."""
    browser.command("Emulation.setDeviceMetricsOverride", width=1440, height=900, deviceScaleFactor=1, mobile=False)
    browser.open(page)
    ends = (
        "return [...document.querySelectorAll('h1, #curves svg, .answer')].map(e => e.getBoundingClientRect().bottom)"
    )
    bottoms = browser.script(ends)
    assert len(bottoms) >= 1 + 1 + 4
    assert max(bottoms) <= 900
    assert browser.script("return document.querySelector('.answers').getBoundingClientRect().left") > 700


def test_a_link_into_a_fold_opens_it(browser: Browser, page: Path) -> None:
    browser.screen(1440, "light")
    browser.open(page)
    assert not browser.script("return document.getElementById('more').open")
    browser.script("location.hash = '#reliability'")
    for _ in range(50):
        if browser.script("return document.getElementById('more').open"):
            return
        time.sleep(0.1)
    raise AssertionError("the fold is still closed")


def test_a_report_prints_on_eight_pages_at_most(page: Path) -> None:
    printed = write_pdf(page, browser_on_path())
    assert printed == page.with_suffix(".pdf")
    assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", printed.read_bytes())) <= 8
