"""Which intervals of a study of fixed problems speak of other problems all the same? One caution that names them.

`analysis.target = "benchmark"` asks how fresh samples of these problems would differ. Curves, differences, families, RL
models against each other, strata, training seeds, Delta_SE and Bayes@N beside avg@n answer that. What cannot is named
here, part by part, as far as it is there: how token counts, shares of problems or votes vary with the samples of one
problem is not known, or not from so few samples. A test walks over every interval of analyses.json and finds each
either for these problems or in this list (`tests/test_analyses_target.py`).
"""

from collections.abc import Callable

from move37.analyses import Findings
from move37.estimates.settings import BENCHMARK, Target

PARTS: dict[str, tuple[str, Callable[[Findings], bool]]] = {
    "models.reliability": ("measures and areas", lambda f: any(model.reliability for model in f.models)),
    "pairs.differences": ("differences of measures and areas", lambda f: any(pair.differences for pair in f.pairs)),
    "models.coverage": ("Cover@tau", lambda f: any(model.coverage for model in f.models)),
    "pairs.coverage": ("differences of Cover@tau", lambda f: any(pair.coverage for pair in f.pairs)),
    "pairs.support": ("support kept, gained and lost", lambda f: bool(f.pairs)),
    "pairs.tokens": ("token budgets", lambda f: any(pair.tokens for pair in f.pairs)),
    "models.unscored": ("brackets of unscored samples", lambda f: any(model.unscored for model in f.models)),
    "pairs.unscored": ("what the unscored do to differences", lambda f: any(pair.unscored for pair in f.pairs)),
    "models.beyond": ("curves beyond the samples", lambda f: any(model.beyond for model in f.models)),
    "pairs.beyond": ("differences beyond the samples", lambda f: any(pair.beyond for pair in f.pairs)),
    "pairs.deconvolved": ("problems by chance", lambda f: any(pair.deconvolved for pair in f.pairs)),
    "pairs.diversity": ("different answers", lambda f: any(pair.diversity for pair in f.pairs)),
    "pairs.format": ("format and content", lambda f: any(pair.format for pair in f.pairs)),
    "perplexities": ("perplexities", lambda f: bool(f.perplexities)),
    "zero_set": ("shares of the zero set", lambda f: f.zero_set is not None),
    "arms": ("several ways of asking", lambda f: f.arms is not None),
    "parity": ("training against more tries", lambda f: any(each.uses is not None for each in f.parity)),
    "contamination": ("partial questions", lambda f: bool(f.contamination)),
    "readings": ("readings of pictures", lambda f: bool(f.readings)),
    "decision": ("the decision", lambda f: f.decision is not None),
}
"""Parts whose intervals are for problems like these, whatever the target, by path: name, and whether it is there."""


def other_target_cautions(findings: Findings, target: Target) -> list[str]:
    """Nothing where the study is about problems like these anyway."""
    if target != BENCHMARK:
        return []
    named = [name for name, is_there in PARTS.values() if is_there(findings)]
    cautions = []
    if named:
        cautions.append(
            'analysis.target is "benchmark": bands are for fresh samples of these problems and no others. For problems '
            f"like these all the same: {', '.join(named)}"
        )
    if findings.comparisons and findings.decision is None:
        cautions.append(
            'analysis.target is "benchmark": under which other readings a gain or a loss stands (fragility) is left '
            "out, for it is about problems like these"
        )
    return cautions
