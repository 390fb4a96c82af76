"""What the links of a page hand out: files beside it, or, where the page is a single file, what it holds itself.

A page holds each file once, at the first link to it; the others lead there (`page.js` makes that one step). Large
tables are held compressed, as .csv.gz, which pandas and Polars open as they are. So that a page can be mailed it holds
4 MB of files at most, the smaller ones first; of the others it says that they are in its folder.
"""

import gzip
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup, escape

_MEDIA = {".csv": "text/csv", ".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json"}
_COMPRESSED_FROM = 100_000
"""Bytes of a table or of JSON."""
_HELD = 4_000_000
"""Bytes of all files in a page, as its links write them."""


class Handouts:
    """Links to files by name, without their folder. `files` are the files by their path beside the page."""

    def __init__(self, files: Mapping[str, bytes], single_file: bool) -> None:
        self._paths = {Path(name).name: name for name in files}
        self._single_file = single_file
        self._held = _held(files) if single_file else {}
        self._linked: set[str] = set()

    def link(self, name: str, text: str) -> Markup:
        """An element that hands out the file. Raises KeyError for one that is not there."""
        path = self._paths[name]
        if not self._single_file:
            return Markup('<a href="{}">{}</a>').format(path, text)
        if name not in self._held:
            return Markup("{} (in the folder of this page: {})").format(text, path)
        if name in self._linked:
            return Markup('<a href="#file-{}" data-file="{}">{}</a>').format(name, name, text)
        self._linked.add(name)
        as_name, address = self._held[name]
        ident, shown = escape(f"file-{name}"), escape(as_name)
        return Markup(f'<a id="{ident}" href="{address}" download="{shown}">{escape(text)}</a>')


def _held(files: Mapping[str, bytes]) -> dict[str, tuple[str, str]]:
    """(name that it is saved under, address) of each file that the page has room for."""
    found = sorted((_address(Path(path).name, data) for path, data in files.items()), key=lambda each: len(each[2]))
    held: dict[str, tuple[str, str]] = {}
    room = _HELD
    for name, as_name, address in found:
        room -= len(address)
        if room < 0:
            break
        held[name] = as_name, address
    return held


def _address(name: str, data: bytes) -> tuple[str, str, str]:
    """The file's name, the one that it is saved under, and its content as an address."""
    media, as_name = _MEDIA[Path(name).suffix], name
    if media in ("text/csv", "application/json") and len(data) >= _COMPRESSED_FROM:
        media, as_name, data = "application/gzip", f"{name}.gz", gzip.compress(data, mtime=0)
    return name, as_name, f"data:{media};base64,{b64encode(data).decode()}"
