"""What another tool said of the samples that it made: verdicts beside ours, under "reported@<format>:<score>".

They are shown beside ours in every report. They count themselves where somebody names them as the verifier: "reported"
for the one score that all models have, or the label in full.
"""

from collections.abc import Sequence

from move37.errors import InputError
from move37.store import REPORTED, RunStore

_LONGEST = 180
"""Bytes of a label: it is the name of a folder."""


def label_of_score(format_name: str, score: str) -> str:
    """ "reported@lm-eval:exact_match,strict-match"; a score that is just called so has no name behind the format."""
    label = f"{REPORTED}@{format_name}" + ("" if score == "score" else f":{score}")
    return label.replace("/", "_").replace("\0", "_").encode()[:_LONGEST].decode(errors="ignore").rstrip()


def is_reported(verifier: str) -> bool:
    """Whether the name of a verifier stands for what another tool said."""
    return verifier == REPORTED or verifier.startswith(f"{REPORTED}@")


def reported_label(store: RunStore, models: Sequence[str], verifier: str) -> str:
    """The label that `verifier` stands for. Raises InputError unless all models have verdicts under it.

    Of several it is the one that judges most samples, and of those the first by name.
    """
    with_samples = [model for model in models if store.samples(model).files()]
    by_model = [{each for each in store.labels(model) if is_reported(each)} for model in with_samples]
    common = set.intersection(*by_model) if by_model else set()
    if verifier in common:
        return verifier
    if verifier != REPORTED or not common:
        each = "; ".join(
            f"{model}: {', '.join(sorted(labels)) or 'none'}"
            for model, labels in zip(with_samples, by_model, strict=True)
        )
        raise InputError(f"--verifier {verifier}: no score of that name that every model has ({each or 'no samples'})")
    counts = {label: sum(store.verdicts(label, m).count() for m in with_samples) for label in common}
    return min(common, key=lambda label: (-counts[label], label))
