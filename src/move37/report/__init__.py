"""Result objects -> figures, one self-contained HTML page, markdown and CSV. Computes nothing."""

from dataclasses import dataclass


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
