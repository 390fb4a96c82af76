"""Pictures of reports for docs/gallery.md: the first screen at 1440 px, light and dark, from pages on this disk.

python -m tests.gallery demo=runs/demo/report.html deepscaler=report/report.html

Each NAME=PAGE becomes docs/images/gallery-NAME.png and gallery-NAME-dark.png. Needs chromium, chromedriver and Pillow;
the driver is that of tests/test_report_browser.py.
"""

import base64
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.test_report_browser import Browser, driver

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT, SHOWN, COLOURS = 1440, 900, 1080, 96
"""The screen, the width of the picture, and its colours: some 60 kB."""


def photograph(browser: Browser, page: Path, scheme: str) -> Image.Image:
    """The first screen of the page, drawn."""
    browser.screen(WIDTH, scheme)
    browser.command("Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False)
    browser.open(page.resolve())
    shot = browser.command("Page.captureScreenshot", format="png")["data"]
    return Image.open(io.BytesIO(base64.b64decode(shot))).convert("RGB")


def main(wanted: list[str]) -> None:
    with driver() as address, tempfile.TemporaryDirectory() as profile:
        browser = Browser(address, Path(profile))
        for name, page in (each.split("=", 1) for each in wanted):
            for scheme, ending in (("light", ""), ("dark", "-dark")):
                picture = photograph(browser, Path(page), scheme)
                small = picture.resize((SHOWN, SHOWN * HEIGHT // WIDTH), Image.Resampling.LANCZOS)
                path = IMAGES / f"gallery-{name}{ending}.png"
                small.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
                print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
