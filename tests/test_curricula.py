"""Which problems a step asks: the contract, and that each curriculum goes where its card says."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from move37.config import ProblemsConfig
from move37.errors import ConfigError, InputError
from move37.lab import checkpoint_folder
from move37.problems import load_problems
from move37.testing import check_curriculum
from move37.training.curricula import CURRICULA, Counts
from move37.training.recipe import TrainConfig, build_curriculum, parse_recipe
from move37.types import FinishReason, Outcome, Problem, Sample, Verdict

PROBLEMS = [
    Problem(f"p{i}", f"question {i}", ("1",), "own", "math", {"tier": "easy" if i < 20 else "hard"}) for i in range(40)
]
OPTIONS: dict[str, dict[str, Any]] = {"ladder": {"rungs": ("easy", "hard")}}


def made(name: str, **options: Any) -> Any:
    kind = CURRICULA.load(name)
    return kind(kind.Options(**OPTIONS.get(name, {}) | options), PROBLEMS, 0)


@pytest.mark.parametrize("name", CURRICULA.names)
def test_every_curriculum_keeps_the_contract(name: str) -> None:
    check_curriculum(CURRICULA.load(name), PROBLEMS, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("weight", ["variance", "maxrl", "group"])
def test_every_way_to_weigh_a_belief_keeps_the_contract(weight: str) -> None:
    check_curriculum(CURRICULA.load("edge_posterior"), PROBLEMS, weight=weight, group=4)


def test_a_curriculum_that_forgets_what_it_saw_is_found_out() -> None:
    kind = CURRICULA.load("edge_posterior")

    class Forgetful(kind):
        def state(self) -> dict[str, Any]:
            return super().state() | {"seen": np.zeros((len(PROBLEMS), 2)).tolist()}

    with pytest.raises(AssertionError, match="go on as the one that was saved"):
        check_curriculum(Forgetful, PROBLEMS)


def test_uniform_asks_every_problem_once_in_a_pass() -> None:
    curriculum = made("uniform")
    taken = [problem.id for step in range(8) for problem in curriculum.take(10, step)]
    assert Counter(taken[:40]) == Counter(taken[40:]) == Counter(problem.id for problem in PROBLEMS)
    assert taken[:40] != taken[40:]


def solve_rates() -> np.ndarray:
    """Half of the problems hopeless, a quarter solved one time in two, a quarter always."""
    return np.repeat([0.0, 0.5, 1.0], [20, 10, 10])


def after_training(curriculum: Any, steps: int = 30) -> Counter[str]:
    """How often each kind of problem is asked once the curriculum has seen `steps` steps."""
    generator, rates = np.random.default_rng(5), solve_rates()
    for step in range(steps):
        counts: Counts = {
            problem.id: (int(generator.binomial(16, rates[int(problem.id[1:])])), 16)
            for problem in curriculum.take(8, step)
        }
        curriculum.observe(counts)
    later = [problem.id for step in range(steps, steps + 200) for problem in curriculum.take(4, step)]
    names = {0.0: "never", 0.5: "sometimes", 1.0: "always"}
    return Counter(names[float(rates[int(each[1:])])] for each in later)


def test_a_belief_about_solve_rates_finds_the_edge() -> None:
    asked = after_training(made("edge_posterior", floor=0.0, decay=1.0))
    assert asked["sometimes"] > 0.7 * asked.total()  # a quarter of the problems
    with_floor = after_training(made("edge_posterior", floor=0.5, decay=1.0))
    assert asked["never"] < with_floor["never"] < 0.4 * with_floor.total()


def test_what_a_solve_rate_is_worth_is_what_the_rules_amount_to() -> None:
    p = np.array([0.0, 0.05, 0.5, 0.9, 1.0])
    assert made("edge_posterior").worth(p) == pytest.approx(p * (1 - p))
    maxrl = made("edge_posterior", weight="maxrl", group=8).worth(p)
    assert maxrl == pytest.approx(1 - (1 - p) ** 8 - p)
    assert maxrl.argmax() == 2
    assert maxrl[1] > maxrl[3]  # rare successes weigh more than rare failures
    assert made("edge_posterior", weight="group", group=2).worth(p) == pytest.approx(2 * p * (1 - p))


def test_the_filter_keeps_what_is_solved_sometimes_and_not_often() -> None:
    curriculum = made("edge_filter")
    assert [curriculum.keeps(right, 4) for right in range(5)] == [False, True, True, False, False]
    assert not curriculum.keeps(0, 0)
    with pytest.raises(ValueError, match="above low"):
        made("edge_filter", low=0.6, high=0.5)


def test_the_ladder_climbs_where_it_is_solved_and_steps_back_where_nothing_is() -> None:
    curriculum = made("ladder", below=0.25)

    def step(number: int, right: int) -> set[str]:
        taken = curriculum.take(8, number)
        curriculum.observe({problem.id: (right, 4) for problem in taken})
        return {problem.tags["tier"] for problem in taken}

    assert step(0, 1) == {"easy"}
    assert step(1, 4) == {"easy"}  # 4 of 4 after 1 of 4: (.25 * .7 + 1) / 1.7 = .69 of the faded share
    assert step(2, 0) == {"easy", "hard"}  # two of eight from the rung behind; nothing right: back again
    assert step(3, 2) == {"easy"}


def test_options_that_cannot_be_are_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="no problem has the tag tier = 'unheard'"):
        made("ladder", rungs=("easy", "unheard"))
    with pytest.raises(InputError, match="both numbers of a Beta belief are above 0"):
        made("edge_posterior", prior=(0.0, 1.0))


def test_more_problems_than_there_are_come_again() -> None:
    for name in CURRICULA.names:
        taken = Counter(problem.id for problem in made(name).take(90, 0))
        assert taken.total() == 90, name


# ---- In a training


def recipe(name: str, options: dict[str, Any], **changes: Any) -> TrainConfig:
    problems = [
        {"benchmark": f"countdown:{tier}", "size": 12, "options": {"split": "training"}}
        for tier in ("in-pretraining", "edge")
    ]
    raw = {
        "name": name,
        "steps": 3,
        "curriculum": {"name": name, "options": options},
        "model": {"path": str(checkpoint_folder("countdown-base")), "device": "cpu", "threads": 1},
        "problems": problems,
        "rollout": {"prompts": 4, "responses": 4, "max_new_tokens": 24, "template": "completion"},
        "optimizer": {"learning_rate": 1e-3},
        "checkpoints": {"every": 1},
    }
    return parse_recipe(raw | changes)


IN_TRAINING: dict[str, dict[str, Any]] = {
    "edge_filter": {"high": 0.75},
    "edge_posterior": {},
    "ladder": {"rungs": ["in-pretraining", "edge"], "up": 0.05},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_TRAINING)
def test_a_training_that_was_stopped_asks_and_learns_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from move37.training.loop import train

    asked = recipe(name, IN_TRAINING[name])
    whole = train(asked, tmp_path / "whole")
    train(asked.model_copy(update={"steps": 1}), tmp_path / "stopped")
    resumed = train(asked, tmp_path / "stopped")
    one, other = (load_file(run.model / "model.safetensors") for run in (whole, resumed))
    assert all(torch.equal(one[key], other[key]) for key in one)
    states = [(run.run / "state" / "step-000003" / "state.json").read_text() for run in (whole, resumed)]
    assert states[0] == states[1]


def test_uniform_asks_what_trainings_always_asked() -> None:
    """The order of a pass comes from the training's seed by the name that it always had."""
    problems = load_problems((ProblemsConfig(benchmark="countdown", size=6, options={"split": "training"}),))
    taken = build_curriculum(recipe("uniform", {}), problems).take(6, 0)
    from move37.seeds import analysis_seed

    order = np.random.default_rng(analysis_seed(0, "order of training pass 0")).permutation(6)
    assert [problem.id for problem in taken] == [problems[i].id for i in order]


def test_a_recipe_checks_the_curriculum_that_it_names() -> None:
    with pytest.raises(ConfigError, match="curriculum.options.high: .*above low"):
        recipe("edge_filter", {"low": 0.9, "high": 0.5})
    with pytest.raises(ConfigError, match="rollout.refill_rounds would change nothing"):
        recipe("uniform", {}, rollout={"refill_rounds": 3})
    assert recipe("edge_filter", {}, rollout={"refill_rounds": 3}).rollout.refill_rounds == 3


def test_a_group_is_kept_by_all_that_was_sampled_and_forks_are_no_draws_of_their_own() -> None:
    pytest.importorskip("torch")
    from move37.engines import Completion
    from move37.training.batches import Branch, Rollout
    from move37.training.loop import _counts

    def rollout(right: bool, own: bool = True, branch: Branch | None = None) -> Rollout:
        made = Completion(Sample("p0", 0, "x", FinishReason.STOP), (1,), (2,), (-1.0,), (own,))
        outcome = Outcome.CORRECT if right else Outcome.INCORRECT
        return Rollout(PROBLEMS[0], 5, made, Verdict(outcome, "", "x"), branch=branch)

    root = Branch(0)
    sampled = [
        rollout(True, branch=root),
        rollout(False, own=False),  # nothing of it is learnt from, and the prompt was answered wrongly all the same
        rollout(True, branch=Branch(1, 1, root)),
    ]
    assert _counts(sampled, by=lambda each: each.group) == {5: (1, 2)}
    assert _counts(sampled) == {"p0": (1, 2)}
