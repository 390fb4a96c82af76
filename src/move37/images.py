"""What the bytes of an image say: its format and its size; and its pixels, as every model gets them.

Formats are recognised by content, never by name. Pixels are turned as the photograph says, and what is transparent
stands on white: drawings with black strokes on nothing would be black on black otherwise. Left out: resizing, which is
each model's processor's own (`engines/transformers_images.py`), and further frames of moving images.
"""

import io
from dataclasses import replace
from typing import Any

from move37.errors import InputError, MissingExtraError
from move37.types import ImagePart

FORMATS = {
    "PNG": ("image/png", ".png"),
    "JPEG": ("image/jpeg", ".jpg"),
    "WEBP": ("image/webp", ".webp"),
    "GIF": ("image/gif", ".gif"),
    "BMP": ("image/bmp", ".bmp"),
}
"""What is read, with its media type and the suffix of its file."""
_SUFFIXES = dict(FORMATS.values())
_ORIENTATION, _LYING = 0x0112, 5
"""A photograph's own tag, and the value from which on width and height are exchanged."""


def file_name(image: ImagePart) -> str:
    """Under which an image is kept: its digest, with the suffix of its format."""
    return image.digest + _SUFFIXES.get(image.media_type, "")


def measured(image: ImagePart, owner: str) -> ImagePart:
    """The image with its format and its size in pixels, of its header alone.

    Raises InputError, which begins with the `owner`, for bytes that are no image or of another format.
    """
    if image.width is not None:
        return image
    opened = _opened(image, owner)
    width, height = opened.size
    if "exif" in opened.info and opened.getexif().get(_ORIENTATION, 1) >= _LYING:
        width, height = height, width
    return replace(image, media_type=FORMATS[opened.format][0], width=width, height=height)


def pixels(image: ImagePart, owner: str) -> Any:
    """A PIL image in RGB. Raises InputError, which begins with the `owner`, where it cannot be decoded."""
    opened = _opened(image, owner)
    from PIL import Image, ImageOps

    try:
        upright = ImageOps.exif_transpose(opened)
        if upright.has_transparency_data:
            shown = upright.convert("RGBA")
            paper = Image.new("RGBA", shown.size, "white")
            return Image.alpha_composite(paper, shown).convert("RGB")
        return upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{owner}: image {image.digest[:12]} cannot be decoded ({error}); replace its file") from error


def _opened(image: ImagePart, owner: str) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{owner}: has an image, which needs Pillow: pip install 'move37[vision]'") from error
    try:
        data = image.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{owner}: {error}") from error
    try:
        return Image.open(io.BytesIO(data), formats=list(FORMATS))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        known = ", ".join(FORMATS)
        what = image.path or f"image {image.digest[:12]}"
        raise InputError(f"{owner}: {what} is no whole image of a known format ({known})") from error
