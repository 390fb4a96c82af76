"""The colours of a report: one dictionary for light, one for dark; charts and text name them, never use them.

A chart's colours are CSS variables (`var(--model-0)`), so the same drawing follows the reader's light or dark setting
without being drawn again; a picture file gets the values put in (`with_colours`). The base is always colour 0 and the
first RL model colour 1. The series colours are told apart with the common forms of colour blindness, are the same in
light and dark, and have at least 3:1 contrast with both backgrounds; dashes and point shapes say the same again.
"""

import re

SERIES = ("#2b7bba", "#c4620e", "#17866b", "#b0568f", "#7a6fd0", "#8a7a1e")
DASHES = ([6, 3], [1, 0], [1, 0], [2, 2], [8, 2, 2, 2], [4, 4])
SHAPES = ("square", "circle", "triangle-up", "diamond", "cross", "triangle-down")
"""By position: the base, the first RL model, and so on; later models begin again."""

OUTLINES = {
    "square": "M10 3h6v6h-6z",
    "circle": "M13 2.5a3.5 3.5 0 1 0 .01 0z",
    "triangle-up": "M13 2l4 7h-8z",
    "diamond": "M13 1.5l4 4.5-4 4.5-4-4.5z",
    "cross": "M11.8 2h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8v-2.4h2.8z",
    "triangle-down": "M13 10l4-7h-8z",
}
"""The shapes as SVG paths in the middle of a legend's line, 26 x 12."""

_SERIES = {f"model-{i}": colour for i, colour in enumerate(SERIES)}

LIGHT = {
    "ink": "#1d2126",
    "muted": "#5b6470",
    "rule": "#d9dde2",
    "grid": "#eceef1",
    "paper": "#ffffff",
    "panel": "#f6f7f9",
    "accent": "#1f68a3",
    "warn": "#9a6700",
    "warn-panel": "#fff8e6",
    "heat": "#1f6f8b",
    **_SERIES,
}
DARK = {
    "ink": "#e4e7eb",
    "muted": "#9aa4b0",
    "rule": "#333a43",
    "grid": "#262c34",
    "paper": "#14181d",
    "panel": "#1b2027",
    "accent": "#6cb0e6",
    "warn": "#e3b341",
    "warn-panel": "#2a2412",
    "heat": "#4fb3cf",
    **_SERIES,
}


def variable(name: str) -> str:
    """The CSS that names a colour."""
    return f"var(--{name})"


def series(position: int) -> str:
    """The CSS that names the colour of the model at `position`."""
    return variable(f"model-{position % len(SERIES)}")


def with_colours(text: str, colours: dict[str, str]) -> str:
    """`text` with every `var(--name)` replaced by its value."""
    return re.sub(r"var\(--([a-z0-9-]+)\)", lambda match: colours[match[1]], text)


def declarations(colours: dict[str, str]) -> str:
    """The colours as CSS custom properties."""
    return " ".join(f"--{name}: {value};" for name, value in colours.items())
