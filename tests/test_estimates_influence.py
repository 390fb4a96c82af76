"""Leaving out problems by their sums is leaving them out: against bands made anew, with clusters and without."""

import numpy as np
import pytest

from move37.estimates import influence
from move37.estimates.bands import population_error
from move37.estimates.influence import Units, none_stands
from move37.estimates.settings import INDEPENDENT, Design

DESIGNS = {"alone": INDEPENDENT, "clusters": Design(clusters=np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7]))}


def rows() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(12, 4))


@pytest.mark.parametrize("name", DESIGNS)
def test_without_each_unit_mean_and_error_are_those_of_the_rest(name: str) -> None:
    design, values = DESIGNS[name], rows()
    units = Units.of(values, design)
    mean, error = units.without_each()
    for unit in range(len(units.sizes)):
        kept = units.unit_of != unit
        assert mean[unit] == pytest.approx(values[kept].mean(axis=0), abs=1e-12)
        assert error[unit] == pytest.approx(population_error(values[kept], design.select(kept)), rel=1e-9)


@pytest.mark.parametrize("name", DESIGNS)
def test_without_the_first_units_of_an_order(name: str) -> None:
    design, values = DESIGNS[name], rows()
    units = Units.of(values, design)
    order = np.argsort(units.deviations(2))
    ((mean, error),) = units.without_first(order[:-2])
    for taken in range(1, len(order) - 1):
        kept = ~np.isin(units.unit_of, order[:taken])
        assert mean[taken - 1] == pytest.approx(values[kept].mean(axis=0), abs=1e-12)
        assert error[taken - 1] == pytest.approx(population_error(values[kept], design.select(kept)), rel=1e-9)


def test_units_that_are_alike_share_a_row_and_blocks_of_them_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kind_of = np.array([0, 2, 1, 1, 0, 2, 2, 1, 0, 1])
    distinct = rows()[:3]
    few, each = Units.of(distinct, kind_of=kind_of), Units.of(distinct[kind_of])
    assert few.deviations(1) == pytest.approx(each.deviations(1))
    for together, alone in zip(few.without_each(), each.without_each(), strict=True):
        assert together[kind_of] == pytest.approx(alone)
    ((mean, error),) = each.without_first(np.arange(8))
    monkeypatch.setattr(influence, "_BLOCK_ELEMENTS", 12)
    blocks = list(few.without_first(np.arange(8)))
    assert [len(block[0]) for block in blocks] == [3, 3, 2]
    assert np.concatenate([block[0] for block in blocks]) == pytest.approx(mean)
    assert np.concatenate([block[1] for block in blocks]) == pytest.approx(error)


def test_none_stands_looks_at_one_side_only() -> None:
    mean, half = np.array([[0.2, -0.1], [0.2, -0.3], [0.0, 0.1]]), np.full((3, 2), 0.15)
    assert none_stands(mean, half, 1) == [False, False, True]
    assert none_stands(mean, half, -1) == [True, False, True]
