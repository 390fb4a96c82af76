"""A stand-in for drawing the figures of a report, which takes most of its time: they are made, and not drawn.

For tests of what a report says and of which files it has. That figures can be drawn is tests/test_report.py's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def nothing_drawn() -> Iterator[None]:
    import vl_convert

    svg = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    with (
        patch.object(vl_convert, "vegalite_to_svg", lambda spec: svg),
        patch.object(vl_convert, "svg_to_png", lambda svg, scale: b"a picture"),
    ):
        yield
