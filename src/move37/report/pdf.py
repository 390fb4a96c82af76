"""report.html -> report.pdf, by a Chromium that is installed. The page's own styles decide what is printed."""

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from move37.errors import InputError, RunError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_SECONDS = 120


def browser() -> str:
    """The path of a Chromium. Raises InputError where there is none."""
    found = next((path for path in map(shutil.which, _NAMES) if path), None)
    if found is None:
        raise InputError("--pdf: no Chromium on the PATH (chromium or google-chrome); print report.html from a browser")
    return found


def write_pdf(page: Path, printer: str) -> Path:
    """Print a page beside itself. Raises RunError where the browser does not."""
    path = page.with_suffix(".pdf")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's own sandbox refuses to start then
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            printer,
            "--headless=new",
            "--disable-gpu",
            "--no-pdf-header-footer",
            "--virtual-time-budget=10000",
            f"--user-data-dir={profile}",
            *(["--no-sandbox"] if is_root else []),
            f"--print-to-pdf={path.resolve()}",
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise RunError(f"{printer}: did not print {page} within {_SECONDS} seconds") from None
    if done.returncode or not path.is_file():
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise RunError(f"{printer}: did not print {page}: {last}")
    return path
