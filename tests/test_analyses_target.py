"""With `analysis.target = "benchmark"` every interval of analyses.json is for these problems, or is named as not so."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from move37.analyses.between import between_models
from move37.analyses.other_target import PARTS
from move37.analyses.serialise import findings_json
from move37.counts import Tally
from move37.estimates.benchmark import served
from move37.estimates.settings import BandSettings
from tests.constructed_runs import World, study
from tests.test_analyses_clusters import models
from tests.test_sentences import CROSSING

ENDS = re.compile(r"(^|_)(lower|upper|interval|rarely|nearly_always)$")
"""Fields that are an end of an interval, or both."""
NOT_OF_PROBLEMS = {
    "grader_errors": "shares of corrupted answers",
    "models.false_solves": "the limit of a share of corrupted answers",
    "models.corrected": "over the range of the verifier's errors",
    "models.chains": "over the range of the judge's errors",
    "models.audit": "a share of these samples",
}
WORLDS = {
    "everything": World(
        CROSSING, target="benchmark", models=2, beyond=True, unscored=0.1, fresh=8, corrupted=0.02, judge=(0.9, 0.2),
        answered=(0.2, 0.9), arm=1.2,
    ),
    "audited": World(CROSSING, target="benchmark", false_accepts=0.01),
    "decided": World(CROSSING, target="benchmark", decided=True),
}  # fmt: skip


def intervals(value: Any, path: str = "", target: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Path of every interval without indices, and the target that the nearest object around it names."""
    if isinstance(value, list):
        for each in value:
            yield from intervals(each, path, target)
    if isinstance(value, dict):
        target = value.get("target", target)
        for key, each in value.items():
            here = f"{path}.{key}".lstrip(".")
            if ENDS.search(key) and each not in (None, []):
                yield here, target
            else:
                yield from intervals(each, here, target)


def part_of(path: str) -> str | None:
    return next((part for part in (*PARTS, *NOT_OF_PROBLEMS) if path == part or path.startswith(f"{part}.")), None)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_every_interval_is_for_these_problems_or_named(name: str):
    found = study(WORLDS[name], seed=2).findings
    named = " ".join(each for each in found.warnings if each.startswith("analysis.target"))
    seen = set()
    for path, target in intervals(findings_json(found)):
        part = part_of(path)
        assert target == "benchmark" or part is not None, path
        if target != "benchmark" and part in PARTS:
            assert PARTS[part][0] in named, (path, named)
            seen.add(part)
    assert "models.reliability" in seen
    if name == "everything":
        lacking = {"perplexities", "parity", "contamination", "decision", "readings"}
        assert set(PARTS) - seen <= lacking
    assert ("fragility" in named) == (name != "decided")
    assert found.between is None or all(pair.target == "benchmark" for pair in found.between.pairs)
    assert not any(pair.fragility for pair in found.comparisons)


def test_a_study_of_problems_like_these_has_no_such_caution():
    found = study(World(CROSSING), seed=2).findings
    assert not [each for each in found.warnings if "analysis.target" in each]
    assert all(each.difference.target == "population" for each in found.comparisons)


@pytest.mark.parametrize("kind", ["fixed", "stopped"])
def test_rl_models_against_each_other_hold_for_fresh_samples_of_these_problems(kind: str):
    base, one, two = models(kind)
    settings = BandSettings(draws=2000, target="benchmark")
    found = between_models([base, one, two], settings)
    likewise = between_models([base, one, two], BandSettings(draws=2000))
    for here, there in zip(found.pairs, likewise.pairs, strict=True):
        assert (here.base, here.rl) == (there.base, there.rl)
        assert here.band.mean == pytest.approx(there.band.mean)
        last = len(here.k)
        assert here.unserved == tuple(range(served(last) + 1, last + 1))
        assert here.band.standard_error[0] > 0
    # Three pairs of one k or two cannot need a larger critical value than six normals that know nothing of each other.
    assert 1.96 < found.critical_value < 2.75


def test_its_band_holds_what_fresh_samples_of_these_problems_would_show():
    # 150 studies of the same 60 problems by three models: at .95 fewer than 133 come about with a chance of 2e-4.

    rng = np.random.default_rng(3)
    p = rng.beta(0.5, 0.7, 60)
    chances = {"a": p, "b": p**0.8, "c": np.clip(1.3 * p, 0, 1)}
    n, zeros = 32, np.zeros(60, dtype=np.int64)
    k = np.arange(1, 5)[:, None]
    truth = {name: (1 - (1 - each) ** k).mean(axis=1) for name, each in chances.items()}
    held = 0
    for _ in range(150):
        made = []
        for name, each in chances.items():
            right = rng.binomial(n, each)
            made.append(Tally(name, tuple(f"p{i}" for i in range(60)), right, n - right, zeros, zeros))
        found = between_models(made, BandSettings(draws=500, target="benchmark"))
        inside = [
            (pair.reported[0][:4] <= gap) & (gap <= pair.reported[1][:4])
            for pair in found.pairs
            for gap in (truth[pair.rl] - truth[pair.base],)
        ]
        held += bool(np.all(inside))
    assert held >= 133
