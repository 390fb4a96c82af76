"""The settings of an analysis, and the versions behind its numbers, as rows of the report."""

import platform
from importlib.metadata import PackageNotFoundError, version

import move37
from move37.config import AnalysisConfig

PACKAGES = ("numpy", "scipy", "polars", "math-verify")
"""What numbers depend on; the last two are not there where counts alone are compared."""


def analysis_rows(settings: AnalysisConfig) -> tuple[tuple[str, str], ...]:
    """(name, value) of the band, its target, and the versions that are installed."""
    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)) is not None)
    band = f"{settings.confidence:.0%} simultaneous, {settings.draws:,} multiplier draws, seed {settings.seed}"
    return (
        ("band", band),
        (
            "bands are for",
            "fresh samples of these problems" if settings.target == "benchmark" else "problems like these",
        ),
        ("versions", f"move37 {move37.__version__}, Python {platform.python_version()}, {packages}"),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
