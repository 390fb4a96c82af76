"""The reference study's tables: what follows from them, checked by hand."""

import json

import pytest
from typer.testing import CliRunner

from move37.analyses.published import ALGORITHMS, BASE, FOUR_WAY, SIZES, recomputed
from move37.commands import app


def test_every_printed_delta_se_follows_from_the_other_columns() -> None:
    found = recomputed()
    assert len(found.gaps) == len(ALGORITHMS) * len(SIZES) == 18
    assert found.exceptions == ()
    (grpo,) = [gap for gap in found.gaps if (gap.algorithm, gap.problems) == ("GRPO", "MATH500")]
    assert grpo.computed == pytest.approx(96.2 - 74.4)
    # sqrt(.962 x .038 / 500 + .744 x .256 / 500) = .02131
    assert grpo.error == pytest.approx(2.131, abs=1e-3)


def test_a_number_that_does_not_follow_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASE, "MATH500", (34.5, 95.2))  # type: ignore[arg-type]
    assert {gap.problems for gap in recomputed().exceptions} == {"MATH500"}


def test_the_four_way_tables_have_the_sizes_of_their_sets_and_exact_tests() -> None:
    found = {each.problems: each for each in recomputed().four_way}
    assert sum(FOUR_WAY["AIME24"][1:]) == 30
    assert sum(FOUR_WAY["MATH500"][1:]) == 500
    assert found["AIME24"].p == pytest.approx(2 * 0.5**4)  # 4 to none
    assert found["LiveCodeBench (a part)"].p == pytest.approx(2 * (1 + 5) / 2**5)  # 4 to 1
    # 18 to 5 of 23: twice the binomial tail of at most 5.
    assert found["MATH500"].p == pytest.approx(2 * sum([1, 23, 253, 1771, 8855, 33649]) / 2**23)
    assert found["AIME24"].base_pass_at_k == pytest.approx(23 / 30)
    assert found["AIME24"].fewest == 6
    assert found["AIME24"].never_solved_bound == pytest.approx(1 - 0.05 ** (1 / 1024))


def test_the_replication_crosses_and_grpo_goes_on_losing() -> None:
    found = recomputed()
    assert found.crossing == (8, 16)
    test = [each for each in found.steps if each.problems == "Omni-MATH test"]
    assert [each.at_k for each in test] == pytest.approx([-0.8, -2.5, -5.2])
    assert [each.at_1 for each in test] == sorted(each.at_1 for each in test)


def test_the_command_prints_all_of_it() -> None:
    printed = CliRunner().invoke(app, ["published", "--json"])
    assert printed.exit_code == 0
    written = json.loads(printed.stdout)
    assert written["exceptions"] == []
    assert len(written["gaps"]) == 18
    assert "as printed" in CliRunner().invoke(app, ["published"]).stdout
