"""What every page has beside its content: styles, the drawing library, its security policy, and JSON within scripts."""

import hashlib
import json
from base64 import b64encode
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from markupsafe import Markup

from move37.errors import StoreError
from move37.files import write_atomically
from move37.paths import cache_folder
from move37.report import palette


def asset(name: str) -> str:
    """The text of a file beside this one."""
    return files("move37.report").joinpath(name).read_text(encoding="utf-8")


def style_sheet() -> str:
    """The styles with the colours of both schemes."""
    light, dark = palette.declarations(palette.LIGHT), palette.declarations(palette.DARK)
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n" + asset("page.css")
    )


def policy(scripts: list[str], pictures: bool = False) -> str:
    """No request at all, no script but these; pictures that are in the page itself, where there are some."""
    digests = (b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    images = "img-src data:; " if pictures else ""
    own = f"style-src 'unsafe-inline'; script-src {allowed}; {images}"
    return f"default-src 'none'; {own}base-uri 'none'; form-action 'none'"


def json_in_script(value: dict[str, Any]) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def drawing_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    vl-convert takes two to three seconds of processor time to join them, so the script is kept in the cache folder,
    by vl-convert's version, with its digest before it. Where nothing can be kept it is made each time.
    """
    import vl_convert

    path = _kept_in(f"vega-{version('vl-convert-python')}.js")
    if path is not None and (kept := _read(path)):
        return kept
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    script = script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    if path is not None:
        with suppress(StoreError):  # a home that cannot be written: the next report makes it again
            write_atomically(path, f"{_digest(script)}\n{script}".encode())
    return script


def _kept_in(name: str) -> Path | None:
    try:
        folder = cache_folder()
    except RuntimeError:  # no home
        return None
    return None if folder is None else folder / name


def _read(path: Path) -> str | None:
    """The script that was kept; None where it is not there, or another than was written."""
    try:
        digest, _, script = path.read_bytes().decode().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return script if script and digest == _digest(script) else None


def _digest(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()
