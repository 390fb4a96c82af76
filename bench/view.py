"""Claim: with 10^6 samples of 500 problems (1 kB each) the reading room shows its first page, filters and finds a text
in under a second, goes to the next problem in under a tenth of one, and takes under 1 GB of memory.

    python bench/view.py [SAMPLES [FOLDER]]      the run is kept in FOLDER and used again

Headless Chromium asks for the page and presses the keys (tests/test_view_browser.py drives it the same way). The text
search is asked of the server, as the page asks it. The room runs in a process of its own, and so is its memory.
"""

import json
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))

from move37.schema import SAMPLES, VERDICTS, problem_digest, sample_digest
from move37.store import RunStore
from move37.types import Problem
from move37.view.room import Room
from move37.view.server import serve
from tests.processes import processor_seconds
from tests.reading_runs import empty_run
from tests.test_report_browser import Browser, driver

SAMPLES_IN_ALL = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
PROBLEMS, MODELS, PER_PART = 500, ("base", "rl"), 50_000


def make(folder: Path) -> RunStore:
    """Texts with the redundancy of prose; every tenth response is one that was given before."""
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoin shrdlu", k=rng.randint(2, 9))) for _ in range(5000)]
    pool = [" ".join(rng.choices(words, k=200))[:960] for _ in range(2000)]
    per_problem = SAMPLES_IN_ALL // PROBLEMS // len(MODELS)
    problems = [Problem(f"made/{i:04d}", f"What is {i} + {i}?", (str(2 * i),), "made", "math") for i in range(PROBLEMS)]
    digests = {problem.id: problem_digest(problem) for problem in problems}
    store = empty_run(folder, per_problem, MODELS)
    with store.writing():
        store.add_problems(problems)
        for model in MODELS:
            samples, verdicts = [], []
            # In the order in which samples come: every problem once, then again.
            for at in range(per_problem * PROBLEMS):
                index, place = divmod(at, PROBLEMS)
                problem, number = problems[place].id, at if at % 10 else place
                answer = str(2 * place if rng.random() < (place + 20) / (PROBLEMS + 40) else number % 50)
                text = f"{pool[number * 7 % 2000]} {number:012d} The answer is {answer}."
                samples.append((problem, index, text, "stop", 250, -80.5, at, sample_digest(text, "stop"), None, None))
                right = "correct" if answer == str(2 * place) else "incorrect"
                said = (problem, index, right, "matches", answer, False, samples[-1][7], digests[problem], None, None)
                verdicts.append(said)
                if len(samples) == PER_PART:
                    store.samples(model).append(pl.DataFrame(samples, SAMPLES.columns, orient="row"))
                    store.verdicts("math@1", model).append(pl.DataFrame(verdicts, VERDICTS.columns, orient="row"))
                    samples, verdicts = [], []
            store.samples(model).append(pl.DataFrame(samples, SAMPLES.columns, orient="row"))
            store.verdicts("math@1", model).append(pl.DataFrame(verdicts, VERDICTS.columns, orient="row"))
            store.seal("math@1", model)
    return store


def room_of(folder: Path, answers: Connection) -> None:
    began = time.perf_counter()
    room = Room([folder])
    opened = time.perf_counter() - began
    room.copy_soon()
    assert room._copying is not None
    if answers.recv() == "copied":
        room._copying.join()
        answers.send((opened, time.perf_counter() - began))
    serve(room, 0, "reader", answers.send)


def seconds(do: Callable[[], object], server: int, rounds: int = 5) -> str:
    """Wall time, and the server's processor time, which other work on the machine does not lengthen."""
    taken, used = [], []
    for _ in range(rounds):
        began, before = time.perf_counter(), processor_seconds(server)
        do()
        taken.append(time.perf_counter() - began)
        used.append(processor_seconds(server) - before)
    middle, slowest = statistics.median(taken), max(taken)
    return f"median {middle:.3f} s, slowest {slowest:.3f} s of {rounds}; server {statistics.median(used):.2f} s"


def drawn(browser: Browser, part: str, then: str = "1") -> None:
    for _ in range(3000):
        if browser.script(
            f"return (document.documentElement.dataset.drawn ?? '').includes({json.dumps(part)}) && {then}"
        ):
            return
        time.sleep(0.005)
    raise AssertionError(f"not drawn: {part}; {browser.console()}")


def measure(address: str, server: int, profile: Path) -> None:
    def ask(name: str) -> dict[str, object]:
        with urlopen(f"{address}api/{name}") as answer:
            return json.load(answer)

    print("the numbers of all problems:", seconds(lambda: ask("overview"), server))
    texts = iter(["000000123456", "answer is 44", "thr", "nowhere in it", "a", "The answer", "sha", "et et"])
    print("search, another text each time:", seconds(lambda: ask(f"search?text={quote(next(texts))}"), server, 8))
    with driver() as driven:
        browser = Browser(driven, profile)
        try:
            browser.screen(1440, "light")

            def first_page() -> None:
                browser.command("Page.navigate", url="about:blank")
                browser.command("Page.navigate", url=address)
                drawn(browser, "p=")

            print("first page, with a problem and its responses:", seconds(first_page, server))
            pills = iter([2, 3, 4, 1, 2])

            def press(what: str) -> None:
                browser.script(f"document.querySelector('#pills [data-key=\"{what}\"]').click()")

            def filtered() -> None:
                pill = next(pills)
                press(str(pill))
                pressed = f"document.querySelector('#pills [data-key=\"{pill}\"]').ariaPressed === 'true'"
                drawn(browser, "", pressed)

            print("filter:", seconds(filtered, server))
            press("1")

            def following() -> None:
                before = browser.script("return location.hash")
                browser.script("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'n', bubbles: true}))")
                moved = f"location.hash !== {json.dumps(before)}"
                drawn(browser, "p=", f"{moved} && document.documentElement.dataset.drawn === location.hash")

            print("next problem, with the first 40 responses:", seconds(following, server, 20))
        finally:
            browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "run"
        if not run.exists():
            make(run)
        size = sum(path.stat().st_size for path in run.rglob("*.parquet")) / 1e6
        print(f"{SAMPLES_IN_ALL:,} samples, {size:.0f} MB")
        here, there = multiprocessing.get_context("spawn").Pipe()
        child = multiprocessing.get_context("spawn").Process(target=room_of, args=(run, there), daemon=True)
        child.start()
        here.send("copied")
        opened, copied = here.recv()
        print(f"opened in {opened:.2f} s; copies made in the background in {copied:.0f} s")
        address = here.recv()
        assert child.pid is not None
        measure(address, child.pid, folder / "profile")
        status = Path(f"/proc/{child.pid}/status").read_text()
        print("server:", *[line for line in status.split("\n") if line.startswith(("VmHWM", "VmRSS"))])
        child.terminate()
        child.join()


if __name__ == "__main__":
    main()
