"""What a report says of exact chances: every model in words while they are few, one sentence and a table for many."""

import numpy as np
import pytest

from move37.analyses.curves import ModelCurve, model_curve
from move37.analyses.exact_truth import ExactFindings, KnownModel, exact_findings
from move37.counts import Tally
from move37.estimates.settings import BandSettings
from move37.report.exact_figures import exact_curves_figure
from move37.report.exact_section import FEW, curves_sentences, curves_table, models_table

M, N = 60, 16
IDS = tuple(f"p{i}" for i in range(M))


def world(models: int) -> tuple[ExactFindings, list[ModelCurve]]:
    """Models whose samples are drawn from their chances, but for the last one's: far more of them are right."""
    known, curves = [], []
    rng = np.random.default_rng(37)
    for m in range(models):
        name = f"rl-{m}" if m else "base"
        chances = rng.uniform(0.05, 0.3, M)
        seen = chances + 0.5 if m == models - 1 else chances
        right = rng.binomial(N, seen)
        none = np.zeros(M, dtype=np.int64)
        chains = tuple(("1+1=2",) for _ in IDS)
        logs = np.log(chances)
        alone = tuple(logs[:, None])
        known.append(KnownModel(name, IDS, logs, np.full(M, -np.inf), np.zeros(M), chains, alone, 1.0, 1.0, 48))
        tally = Tally(name, IDS, right, N - right, none, none)
        curves.append(model_curve(tally, BandSettings(draws=2000)))
    found = exact_findings(known, curves)
    assert found is not None
    return found, curves


def test_few_models_have_a_sentence_each_and_their_bands() -> None:
    found, curves = world(3)
    said = curves_sentences(found)
    assert len(said) == 1 + 3 + 3
    assert said[1].startswith("base: the computed curve lies inside the sampled band at every k")
    assert said[3].startswith("rl-2: the computed curve leaves the sampled band")
    figure = exact_curves_figure(found, curves, "exact")
    assert "bands: sampled" in figure.subtitle
    assert "area" in str(figure.spec)


def test_many_models_are_one_sentence_and_a_row_each() -> None:
    found, curves = world(FEW + 3)
    said = curves_sentences(found)
    assert len(said) == 2
    assert f"for {FEW + 2} of {FEW + 3} models, not for rl-{FEW + 2}; the largest distances are" in said[1]
    table = models_table(found)
    assert [row[1] for row in table.rows] == [*["yes"] * (FEW + 2), "no"]
    rarest = min(found.models[1].log10_p)
    assert float(str(table.rows[1][3])) == pytest.approx(rarest, abs=0.05)
    assert len(curves_table(found).rows) == 2 * (FEW + 3)  # computed, and sampled
    figure = exact_curves_figure(found, curves, "exact")
    assert "thick: base" in figure.subtitle
    assert "area" not in str(figure.spec)
