"""Draw src/move37/worlds/glyphs.png again: the digits in which the drawn worlds write, a row for each font.

    python scripts/draw_glyphs.py FOLDER_OF_TTF_FILES

The fonts are those that matplotlib ships (`matplotlib/mpl-data/fonts/ttf`): DejaVu (free to use and change), STIX (SIL
Open Font License) and Computer Modern (AMS, SIL Open Font License). The sheet is kept and not the fonts, because what a
font looks like depends on the version of FreeType, and the drawn worlds are the same everywhere, byte for byte.
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from move37.worlds.drawing import CHARACTERS, FONTS, GLYPH, SHEET


def main(fonts: Path) -> None:
    width, height = GLYPH
    sheet = Image.new("L", (width * len(CHARACTERS), height * len(FONTS)))
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(FONTS):
        font = ImageFont.truetype(str(fonts / f"{name}.ttf"), _size(fonts / f"{name}.ttf"))
        for column, character in enumerate(CHARACTERS):
            left, top, right, bottom = draw.textbbox((0, 0), character, font=font)
            x = column * width + (width - (right - left)) // 2 - left
            y = row * height + (height - (bottom - top)) // 2 - top
            draw.text((x, y), character, fill=255, font=font)
    sheet.save(SHEET, optimize=True)
    print(f"{SHEET}: {SHEET.stat().st_size} bytes")


def _size(path: Path) -> int:
    """The largest size at which every character fits its cell."""
    size = 8
    while True:
        font = ImageFont.truetype(str(path), size + 1)
        boxes = [font.getbbox(character) for character in CHARACTERS]
        if any(box[2] - box[0] > GLYPH[0] or box[3] - box[1] > GLYPH[1] for box in boxes):
            return size
        size += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
