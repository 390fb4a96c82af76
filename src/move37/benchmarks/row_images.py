"""The images of a row: what files and the Hugging Face hub put where an image should be.

Bytes with the name they came from ({"bytes": ..., "path": ...}, as Parquet files of the hub hold them), the name of a
file beside the rows, a data URL, or a list of these. Addresses on the web are refused: what stands there may change.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from move37.images import measured
from move37.rows import Row, brief
from move37.types import ImagePart

_UNKNOWN = "application/octet-stream"
"""Until `measured` has looked at the bytes."""


def images_of(row: Row, keys: tuple[str, ...], folder: Path | None) -> tuple[ImagePart, ...]:
    """The images under the first of `keys` that the row has; names of files are relative to `folder`.

    Raises InputError for what is no image, with the row's place.
    """
    given = row.find(*keys)
    if given is None:
        return ()
    listed = given if isinstance(given, list) else [given]
    return tuple(image for each in listed for image in _image(row, each, folder))


def _image(row: Row, given: Any, folder: Path | None) -> Iterator[ImagePart]:
    if given is None:
        return
    if isinstance(given, Mapping) and isinstance(given.get("bytes"), bytes):
        given = given["bytes"]
    elif isinstance(given, Mapping):
        given = given.get("path") or given.get("url") or given.get("image_url") or ""
    if isinstance(given, bytes):
        image = ImagePart.of(given, _UNKNOWN)
    elif isinstance(given, str) and given.startswith("data:"):
        image = ImagePart.of(_decoded(row, given), _UNKNOWN)
    elif isinstance(given, str) and given and "://" not in given:
        path = (folder or Path()) / given
        try:
            image = ImagePart.of(path.read_bytes(), _UNKNOWN)
        except OSError as error:
            raise row.error(f"image {path} cannot be read ({error.strerror or error})") from None
        yield ImagePart(image.digest, measured(image, row.place).media_type, path=str(path))
        return
    else:
        raise row.error(f"expected an image (bytes, the name of a local file or a data URL), found {brief(given)!r}")
    yield measured(image, row.place)


def _decoded(row: Row, address: str) -> bytes:
    header, _, content = address.partition(",")
    try:
        if not header.endswith(";base64"):
            raise ValueError
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise row.error("a data URL that is not in base64") from None
