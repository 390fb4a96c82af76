"""Models compared from counts alone: no run, no table library, no verifier. `pipeline.py` does it for runs."""

from collections.abc import Sequence
from pathlib import Path

from move37.analyses.details import ModelData
from move37.analyses.extrapolation import difference_at_k
from move37.analyses.findings import Facts, find
from move37.analyses.pairing import with_shared_ids
from move37.analyses.serialise import findings_json
from move37.config import AnalysisConfig
from move37.errors import InputError
from move37.estimates.settings import BandSettings
from move37.files import write_json
from move37.importers.counts import load_counts
from move37.report import ReportContext
from move37.report.page import write_report
from move37.report.settings import analysis_rows
from move37.results import CountsCompared, Labels


def compare_counts(
    base: Path,
    others: Path | Sequence[Path],
    settings: AnalysisConfig,
    out: Path | None = None,
    at_k: int | None = None,
    labels: Labels | None = None,
) -> CountsCompared:
    """Compare files of counts, every one with the first. With `out`, the report and analyses.json are written there.

    `at_k` asks for the difference of one pair at one k, also beyond n; past twice n the answer is a refusal with
    bounds. `labels` are names for people.
    """
    labels = labels or Labels()
    paths = [base, *([others] if isinstance(others, Path) else others)]
    names = labels.of_models(len(paths))
    first, *rest = (load_counts(path, name) for path, name in zip(paths, names, strict=True))
    known = [ModelData(first), *(ModelData(with_shared_ids(first, each)[1]) for each in rest)]
    facts = Facts(beyond=out is not None and settings.beyond)
    findings = find(known, band_of(settings), facts)
    at = page = None
    if at_k is not None:
        if len(known) != 2:
            raise InputError(f"--at-k: asks about one pair, and {len(known)} files were given")
        base_tally, rl_tally = (each.tally for each in known)
        at = difference_at_k(base_tally, rl_tally, at_k, settings.confidence)
    if out is not None:
        write_json(out / "analyses.json", findings_json(findings))
        sources = tuple((f"{name}: counts", str(path)) for name, path in zip(names, paths, strict=True))
        context = ReportContext(
            title=labels.title or f"{', '.join(names[1:])} against {names[0]}",
            note=labels.note or "Made from counts of correct samples; no sample was seen.",
            settings=(*sources, *analysis_rows(settings)),
            prompts=(),
            command=f"move37 compare {' '.join(map(str, paths))}{labels.as_options()} --out {out}",
        )
        page = write_report(findings, context, out)
    return CountsCompared(findings, at, page)


def band_of(settings: AnalysisConfig) -> BandSettings:
    """What all intervals depend on."""
    return BandSettings(settings.confidence, settings.draws, settings.seed, settings.monte_carlo_error, settings.target)
