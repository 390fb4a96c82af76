"""Pictures of the drawn worlds: grey, small, the same byte for byte wherever and whenever they are drawn.

A `Canvas` is some shade of paper on which digits are written in one of several fonts and lines are drawn. What is drawn
depends on the random numbers of the caller alone (`Random.random`, whose stream Python promises not to change).

Decisions. Digits come from a sheet that was drawn once (`scripts/draw_glyphs.py`) and are resized by Pillow's integer
arithmetic: FreeType draws a font otherwise in every version. PNG files are written here, uncompressed: compressors
differ between versions, too, and the bytes of an image are its name. Pillow is imported when something is drawn.
Left out: colours, rotations, and fonts that a model is not shown in pretraining.
"""

import zlib
from functools import cache
from pathlib import Path
from random import Random
from struct import pack
from typing import TYPE_CHECKING, Any

from move37.errors import MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

CHARACTERS = "0123456789?"
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono-Bold", "STIXGeneral", "cmr10", "cmss10")
GLYPH = 28, 36
"""Width and height of a cell of the sheet."""
SHEET = Path(__file__).parent / "glyphs.png"
MEDIA_TYPE = "image/png"

_FINE = 4
"""Lines are drawn so many times larger and reduced."""
Point = tuple[float, float]
Mark = tuple[str, Point]
"""Digits, and where their middle is."""


class Canvas:
    """A picture in the making; `rng` decides paper, ink and fonts. Raises MissingExtraError without Pillow."""

    def __init__(self, width: int, height: int, rng: Random) -> None:
        self._images = _pillow()
        self.size, self._rng = (width, height), rng
        self.marks: list[Mark] = []
        """What was written, in its order."""
        self._image: Image = self._images.new("L", self.size, _between(rng, 225, 255))

    def ink(self) -> int:
        """A dark shade."""
        return _between(self._rng, 0, 60)

    def faint(self) -> int:
        """A shade that nothing which counts is drawn in."""
        return _between(self._rng, 150, 195)

    def write(self, text: str, middle: Point, height: int, ink: int) -> None:
        """Write digits around a point, each `height` pixels high, in a font of their own."""
        self.marks.append((text, middle))
        glyphs = _glyphs()[int(self._rng.random() * len(FONTS))]
        stretch = 0.85 + 0.25 * self._rng.random()
        shapes = []
        for character in text:
            glyph = glyphs[CHARACTERS.index(character)]
            width = max(2, round(glyph.width * height / glyph.height * stretch))
            shapes.append(glyph.resize((width, height), self._images.Resampling.BOX))
        total = sum(shape.width for shape in shapes) + len(shapes) - 1
        x, y = round(middle[0] - total / 2), round(middle[1] - height / 2)
        for shape in shapes:
            self._image.paste(ink, (x, y), shape)
            x += shape.width + 1

    def outline(self, points: list[Point], ink: int, width: float = 1.0, closed: bool = True) -> None:
        """Draw the lines from point to point."""
        self._lines(points, ink, width, closed, filled=None)

    def fill(self, points: list[Point], shade: int) -> None:
        """Fill the area within the points."""
        self._lines(points, shade, 0, closed=True, filled=shade)

    def distract(self, most: int) -> None:
        """Up to so many faint lines and dots that mean nothing."""
        width, height = self.size
        for _ in range(int(self._rng.random() * (most + 1))):
            x, y = self._rng.random() * width, self._rng.random() * height
            if self._rng.random() < 0.5:
                self._image.paste(self.faint(), (int(x), int(y), int(x) + 2, int(y) + 2))
            else:
                dx, dy = ((self._rng.random() - 0.5) * 40 for _ in range(2))
                self.outline([(x, y), (x + dx, y + dy)], self.faint(), closed=False)

    def png(self) -> bytes:
        """The picture as a file."""
        return png(self.size, self.grey())

    def grey(self) -> bytes:
        """Its pixels, a byte each, row by row."""
        return self._image.tobytes()

    def _lines(self, points: list[Point], ink: int, width: float, closed: bool, filled: int | None) -> None:
        from PIL import ImageDraw

        large = self._images.new("L", (self.size[0] * _FINE, self.size[1] * _FINE))
        draw = ImageDraw.Draw(large)
        fine = [(round(x * _FINE), round(y * _FINE)) for x, y in points]
        if filled is not None:
            draw.polygon(fine, fill=255)
        else:
            draw.line([*fine, *fine[:1]] if closed else fine, fill=255, width=round(width * _FINE))
        self._image.paste(ink, (0, 0), large.reduce(_FINE))


def png(size: tuple[int, int], grey: bytes) -> bytes:
    """A grey picture, a byte a pixel, row by row, as a PNG file without compression."""
    width, height = size
    rows = b"".join(b"\0" + grey[start : start + width] for start in range(0, width * height, width))
    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", _stored(rows)) + _chunk(b"IEND", b"")


def jitter(rng: Random, most: float) -> float:
    """Somewhere between -most and most."""
    return (2 * rng.random() - 1) * most


def _between(rng: Random, least: int, most: int) -> int:
    return least + int(rng.random() * (most - least + 1))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))


def _stored(data: bytes) -> bytes:
    """A zlib stream of blocks that are stored as they are (RFC 1950, RFC 1951 3.2.4)."""
    parts = [data[start : start + 0xFFFF] for start in range(0, len(data), 0xFFFF)] or [b""]
    blocks = [
        pack("<BHH", place == len(parts) - 1, len(part), len(part) ^ 0xFFFF) + part for place, part in enumerate(parts)
    ]
    return b"\x78\x01" + b"".join(blocks) + pack(">I", zlib.adler32(data))


@cache
def _glyphs() -> list[list["Image"]]:
    """The characters of every font, without the paper around them but as high as the font's highest digit."""
    sheet, (width, height) = _pillow().open(SHEET).convert("L"), GLYPH
    fonts = []
    for row in range(len(FONTS)):
        cells = [
            sheet.crop((column * width, row * height, (column + 1) * width, (row + 1) * height))
            for column in range(len(CHARACTERS))
        ]
        fonts.append([cell.crop(cell.getbbox()) for cell in cells])
    return fonts


def _pillow() -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingExtraError("drawn worlds need the package 'pillow': pip install 'move37[vision]'") from error
    return Image
