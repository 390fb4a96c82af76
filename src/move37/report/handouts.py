"""What the links of a page hand out: files beside it, or, where the page is a single file, what it holds itself.

A page holds each file once, at the first link to it; the others lead there (`page.js` makes that one step). Large
tables are held compressed, as .csv.gz, which pandas, Polars and spreadsheets' importers open as they are.
"""

import gzip
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup, escape

_MEDIA = {".csv": "text/csv", ".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json"}
_COMPRESSED_FROM = 100_000
"""Bytes of a table or of JSON."""


class Handouts:
    """Links to files by name, without their folder. `files` are the files by their path beside the page."""

    def __init__(self, files: Mapping[str, bytes], single_file: bool) -> None:
        self._paths = {Path(name).name: name for name in files}
        self._files = files if single_file else None
        self._held: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def link(self, name: str, text: str) -> Markup:
        """An element that hands out the file. Raises KeyError for one that is not there."""
        path = self._paths[name]
        if self._files is None:
            return Markup('<a href="{}">{}</a>').format(path, text)
        if name in self._held:
            return Markup('<a href="#file-{}" data-file="{}">{}</a>').format(name, name, text)
        self._held.add(name)
        media, as_name, data = _MEDIA[Path(name).suffix], name, self._files[path]
        if media in ("text/csv", "application/json") and len(data) >= _COMPRESSED_FROM:
            media, as_name, data = "application/gzip", f"{name}.gz", gzip.compress(data, mtime=0)
        held = f"data:{media};base64,{b64encode(data).decode()}"
        ident, shown = escape(f"file-{name}"), escape(as_name)
        return Markup(f'<a id="{ident}" href="{held}" download="{shown}">{escape(text)}</a>')
