"""A copy of the reading room that needs no server: a folder of a bounded size that opens from disk and can be mailed.

The same page, with its data in small scripts beside it (a page on disk may load scripts, not JSON). All problems and
their numbers are in it. Of the responses, each problem has an equal share of the room: in turn for each model the next
one in the page's order, right ones first, the middle of long ones left out; what did not fit is counted on the page.
Left out: searching in responses, whole long responses, tokens, and labelling, which need the run.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from move37.errors import InputError, StoreError
from move37.files import write_atomically
from move37.types import Problem
from move37.view.responses import Asked, responses
from move37.view.room import Room
from move37.view.server import IMAGES, STATIC, problem_shown

INDEX = "index.html"
MARK = '<meta name="move37-copy" content="">'
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; font-src 'self' file:; img-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)
MEGABYTES = 50
MOST_GROUPS = 200
"""Different responses of one model to one problem that are looked at."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was written."""

    page: Path
    problems: int
    responses: int
    """Different ones, per model and problem, that are in it."""
    left_out: int
    bytes: int

    def __str__(self) -> str:
        rest = f" ({self.left_out:,} more did not fit; --max-mb)" if self.left_out else ""
        return (
            f"{self.problems:,} problems with {self.responses:,} different responses{rest} in "
            f"{self.bytes / 1e6:.1f} MB: {self.page}"
        )


def export_copy(room: Room, out: Path, megabytes: float = MEGABYTES) -> Copied:
    """Write a copy of at most so many megabytes (10^6 bytes) to `out`. Raises InputError for a folder that holds
    something else and where not even the numbers fit, StoreError where it cannot be written."""
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / INDEX).is_file())):
        raise InputError(f"{out}: holds something else than a copy; give a folder that is new or empty")
    shutil.rmtree(out / "data", ignore_errors=True)
    try:
        shutil.copytree(STATIC, out / "static", dirs_exist_ok=True, ignore=shutil.ignore_patterns(INDEX))
        (out / "data").mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written to ({error.strerror or error})") from error
    page = (STATIC / INDEX).read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    write_atomically(out / INDEX, page.replace("<!--copy-->", f"{policy}\n{MARK}").encode())
    overview = _script("overview", room.overview() | {"version": 0, "reader": ""})
    write_atomically(out / "data" / "overview.js", overview)
    left = megabytes * 1e6 - _size(out)
    problems = list(room.known.problems.values())
    if left < 0:
        raise InputError(f"--max-mb {megabytes:g}: the page and the numbers alone take {_size(out) / 1e6:.1f} MB")
    written = skipped = 0
    for number, problem in enumerate(problems):
        # What others did not need goes to those that come after them.
        script, kept, lost = _problem_script(room, number, problem, left / (len(problems) - number))
        written, skipped, left = written + kept, skipped + lost, left - len(script)
        if script:
            write_atomically(out / "data" / f"problem-{number}.js", script)
        left -= _images(problem, out / "image", left)
    return Copied(out / INDEX, len(problems), written, skipped, _size(out))


def _problem_script(room: Room, number: int, problem: Problem, room_left: float) -> tuple[bytes, int, int]:
    """The script of one problem in so many bytes, how many responses are in it, and how many are not."""
    name = f"problem-{number}"
    every = [responses(source.files, problem, Asked(limit=MOST_GROUPS)) for source in room.known.sources]
    shown = problem_shown(problem, room)
    lists: list[list[dict[str, Any]]] = [[] for _ in every]
    kept = [each | {"responses": chosen} for each, chosen in zip(every, lists, strict=True)]
    used = len(_script(name, {"problem": shown, "responses": kept}))
    if used > room_left:  # a long prompt
        shown |= {"prompts": []}
        used = len(_script(name, {"problem": shown, "responses": kept}))
    for place, response in _in_turn([each["responses"] for each in every]):
        response["indices"] = response["indices"][:20]
        size = len(_json(response)) + 1
        if used + size <= room_left:
            lists[place].append(response)
            used += size
    lost = 0
    for each, whole, chosen in zip(kept, every, lists, strict=True):
        left = whole["groups"] - len(chosen)
        each |= {"left": left}
        lost += left
    return _script(name, {"problem": shown, "responses": kept}), sum(map(len, lists)), lost


def _in_turn(lists: list[list[dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for row in zip_longest(*lists):
        yield from ((place, response) for place, response in enumerate(row) if response is not None)


def _images(problem: Problem, folder: Path, left: float) -> int:
    """Copy the images that fit; how many bytes they took."""
    used = 0
    for image in problem.images:
        try:
            data = image.read() if image.media_type in IMAGES else b""
        except (OSError, ValueError):
            continue  # its file is gone: the page shows its description
        if data and used + len(data) <= left and re.fullmatch(r"[0-9a-f]+", image.digest):
            write_atomically(folder / image.digest, data)
            used += len(data)
    return used


def _script(name: str, value: dict[str, Any]) -> bytes:
    return b"move37Data(" + _json(name) + b"," + _json(value) + b");\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
