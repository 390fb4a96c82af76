"""Result objects -> figures, one self-contained HTML page, markdown and CSV. Computes nothing.

`words/first_screen.py` has the title and the four answers, `summary.py` says them in words (`technical.py` in the
field's terms), `sections.py` arranges every further finding, and `words/` holds the sentences. `figures.py` and
`token_figure.py` make the pictures; `tables.py`, `details.py` and `extrapolation.py` make what a reader sees of the
numbers, `exports.py` and `further_csv.py` all of their digits, `report_json.py` what is said for programs; `page.py`
joins them (`write_report`). The drawing libraries are loaded only when a page is made.
"""

from dataclasses import dataclass

from move37.report.summary import Summary, summaries, summary_sentences
from move37.thumbnails import Thumbnail

__all__ = ["ReportContext", "Summary", "summaries", "summary_sentences"]


@dataclass(frozen=True, slots=True)
class Example:
    """A response to the example prompt, as it was judged; a long one without its middle."""

    problem_id: str
    index: int
    model: str
    outcome: str
    reason: str
    answer: str | None
    text: str


@dataclass(frozen=True)
class ReportContext:
    """What a report says beside its findings: where the numbers come from."""

    title: str
    note: str
    settings: tuple[tuple[str, str], ...]
    """(name, value) rows: models, sampling, problems, verifier, versions."""
    prompts: tuple[tuple[str, str, tuple[str, ...]], ...]
    """(template name, an example prompt in full, stop strings)."""
    command: str
    """The command that makes this report again."""
    samples: str = ""
    """Where a copy of the reading room lies, as the page links to it; empty: nowhere."""
    thumbnails: tuple[Thumbnail, ...] = ()
    """Of problems with images; the first ones are the example's."""
    examples: tuple[Example, ...] = ()
    """A right and a wrong response to the example prompt, where there are both."""
    readers: tuple[str, ...] = ()
    """Who called how many chains valid, and how far readers agree, in sentences."""
