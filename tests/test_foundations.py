"""Types, errors, seeds and registries: what every layer stands on."""

import pickle

import numpy as np
import pytest

from move37 import errors
from move37.counts import Estimate, Tally
from move37.errors import MissingExtraError, Move37Error, UnknownNameError
from move37.registry import Registry
from move37.seeds import analysis_seed, sample_seed


def every_error() -> list[type[Move37Error]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Move37Error)]


class TestErrors:
    @pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
    def test_every_error_survives_pickling(self, kind: type[Move37Error]) -> None:
        restored = pickle.loads(pickle.dumps(kind("study.toml: what to do")))
        assert type(restored) is kind
        assert str(restored) == "study.toml: what to do"

    def test_usage_errors_exit_with_2_and_run_errors_with_1(self) -> None:
        for kind in every_error():
            assert kind.exit_code == (2 if issubclass(kind, errors.UsageError) else 1)

    def test_the_tree_at_the_top_of_the_file_names_every_class(self) -> None:
        assert errors.__doc__ is not None
        for kind in every_error():
            assert kind.__name__ in errors.__doc__


class TestSeeds:
    def test_every_part_of_the_key_changes_the_seed(self) -> None:
        seeds = {
            sample_seed(0, "base", "p", 0),
            sample_seed(1, "base", "p", 0),
            sample_seed(0, "rl", "p", 0),
            sample_seed(0, "base", "q", 0),
            sample_seed(0, "base", "p", 1),
            analysis_seed(0, "band"),
        }
        assert len(seeds) == 6

    def test_parts_cannot_run_into_each_other(self) -> None:
        assert sample_seed(0, "a", "bc", 0) != sample_seed(0, "ab", "c", 0)
        assert sample_seed(1, "1", "p", 0) != sample_seed(11, "", "p", 0)

    def test_a_seed_is_the_same_in_every_process_and_version(self) -> None:
        # Written down once: a change here would make every stored run irreproducible.
        assert sample_seed(0, "base", "gsm8k/0", 0) == FIRST_SEED
        assert 0 <= FIRST_SEED < 2**63


FIRST_SEED = 8963295137142222138


class TestRegistry:
    registry = Registry(
        "fruit", {"apple": "fractions:Fraction", "pear": "no_such_package:Pear"}, extras={"pear": "orchard"}
    )

    def test_a_name_loads_its_class(self) -> None:
        assert self.registry.load("apple").__name__ == "Fraction"

    def test_an_unknown_name_lists_the_known_ones_and_the_closest(self) -> None:
        with pytest.raises(UnknownNameError) as caught:
            self.registry.load("aple")
        assert str(caught.value) == "unknown fruit 'aple'; did you mean 'apple'? (known: apple, pear)"

    def test_a_missing_package_names_the_line_that_installs_it(self) -> None:
        with pytest.raises(MissingExtraError, match=r"needs the package 'no_such_package': pip install 'move37\[orch"):
            self.registry.load("pear")


class TestTally:
    def test_n_are_the_scored_samples(self) -> None:
        one = np.array([1, 0])
        tally = Tally("m", ("a", "b"), one, one + 1, one * 5, one * 0)
        assert tally.n.tolist() == [3, 1]
        assert tally.problems == 2

    def test_a_wrong_shape_is_refused(self) -> None:
        one = np.array([1])
        with pytest.raises(ValueError, match=r"correct: expected int64 of shape \(2,\)"):
            Tally("m", ("a", "b"), one, one, one, one)

    def test_negative_counts_are_refused(self) -> None:
        one = np.array([1])
        with pytest.raises(ValueError, match="incorrect: counts cannot be negative"):
            Tally("m", ("a",), one, -one, one, one)


class TestEstimate:
    def estimate(self, value: float, error: float | None) -> Estimate:
        return Estimate("pass@8", value, error, 0.7, 0.9, 0.95, "chen2021", "population", 30, (128, 128))

    def test_printing_rounds_to_two_digits_of_the_error(self) -> None:
        assert (
            str(self.estimate(0.78953, 0.0123)) == "pass@8 = 0.790 ± 0.012 [0.700, 0.900] 95% (population, 30 problems)"
        )
        assert str(self.estimate(0.78953, 0.00036)).startswith("pass@8 = 0.78953 ± 0.00036")

    def test_without_an_error_four_digits_are_shown(self) -> None:
        assert str(self.estimate(0.78953, None)) == "pass@8 = 0.7895"
