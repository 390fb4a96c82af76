"""Figures as picture files: SVG and PNG with their titles, in the colours of one scheme.

Each figure is drawn once: the drawing names its colours (CSS variables), so a page can show it in light and dark, and a
file gets the values put in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from move37.files import write_atomically
from move37.report import palette

if TYPE_CHECKING:  # Altair takes half a second to load: only when a report is made
    from move37.report.drawing import Figure

_WIDTH = 720
_SCALE = 2.0
_STEMS = re.compile(
    r"(curves|exact|trajectory|(difference|accuracy|transition|tokens|chances|perplexity)(-\d+)?)\.(png|svg)"
)


def drawing(figure: Figure) -> str:
    """SVG text with the title, whose colours are still CSS variables, with ids that are its own and always the same."""
    import vl_convert

    titled = figure.spec | {"title": {"text": figure.title, "subtitle": figure.subtitle}}
    svg = vl_convert.vegalite_to_svg(titled | {"background": palette.variable("paper"), "width": _WIDTH})
    numbers: dict[str, int] = {}
    return re.sub(r"\bclip\d+\b", lambda m: f"{figure.stem}-clip-{numbers.setdefault(m[0], len(numbers))}", svg)


def coloured(svg: str, dark: bool = False) -> tuple[str, bytes]:
    """A drawing in the colours of one scheme, as SVG and as PNG (two pixels per unit)."""
    import vl_convert

    svg = palette.with_colours(svg, palette.DARK if dark else palette.LIGHT)
    return svg, vl_convert.svg_to_png(svg, scale=_SCALE)


def write_picture(figure: Figure, path: Path, dark: bool = False) -> None:
    """Draw `figure` to `path`.svg and `path`.png, light or dark. Raises StoreError."""
    svg, png = coloured(drawing(figure), dark)
    write_atomically(path.with_name(f"{path.name}.svg"), svg.encode())
    write_atomically(path.with_name(f"{path.name}.png"), png)


def remove_stale(folder: Path, stems: Iterable[str]) -> None:
    """Remove what an earlier report drew and this one has not; other files stay."""
    kept = {*stems}
    for path in folder.iterdir() if folder.is_dir() else ():
        if _STEMS.fullmatch(path.name) and path.stem not in kept:
            path.unlink()
