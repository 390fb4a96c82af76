"""Verdicts on steps, the exact value of a state, VinePPO's credit, and learnt values against known ones."""

from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest

from move37.analyses.learnt_values import learnt_values
from move37.config import VerificationConfig
from move37.countdown import TIERS, Fault, Oracle, Puzzle, Split, find_fault, plays
from move37.errors import InputError, VerifierError
from move37.lab import checkpoint_folder
from move37.types import Outcome, Problem
from move37.verifiers.options import make_verifier
from move37.worlds.countdown_steps import judged_steps

PUZZLE = Puzzle((7, 2, 4, 11), 11)


def steps_of(chain: str) -> list[tuple[str, Fault | None, bool]]:
    return [(chain[s.start : s.end], s.fault, s.can_reach) for s in judged_steps(Oracle(PUZZLE), chain)]


def test_every_step_is_judged_up_to_the_first_fault() -> None:
    assert steps_of("7+4=11;11*2=22;22-11=11") == [
        ("7+4=11", None, True),
        ("11*2=22", None, True),
        ("22-11=11", None, True),
    ]
    assert steps_of("7*11=77;77+4=81;9+9=18") == [
        ("7*11=77", None, False),
        ("77+4=81", None, False),
        ("9+9=18", Fault.NOT_AVAILABLE, False),
    ]
    assert steps_of("7+4=12;2+2=4") == [("7+4=12", Fault.ARITHMETIC, False)]
    assert steps_of("2-7=0") == [("2-7=0", Fault.ARITHMETIC, False)]
    assert steps_of("7-7=0") == [("7-7=0", Fault.NOT_AVAILABLE, False)]


def test_a_state_has_a_value_exactly_where_some_right_chain_goes_on_from_it() -> None:
    """Against all right chains, listed: what is worth nothing is the beginning of none of them."""
    for puzzle, chain in islice(plays(TIERS["in-pretraining"], Split.TRAINING, Random(3)), 6):
        oracle = Oracle(puzzle)
        begun = {part for right in oracle.chains() for part in _beginnings(right)}
        for right in islice(oracle.chains(), 20):
            assert all(step.can_reach and step.fault is None for step in judged_steps(oracle, right))
        for wrong, _ in ((chain.replace("+", "*", 1), 0), (chain, 1)):
            for step in judged_steps(oracle, wrong):
                if step.fault is None and not step.can_reach:
                    assert wrong[: step.end] not in begun


def _beginnings(chain: str) -> list[str]:
    parts = chain.split(";")
    return [";".join(parts[: count + 1]) for count in range(len(parts))]


def test_the_first_fault_is_the_checkers() -> None:
    for chain in ("7+4=11;11*2=22", "7+4=12", "9+1=10", "11*11=121", "7*11=77;77*2=154"):
        faults = [step.fault for step in judged_steps(Oracle(PUZZLE), chain) if step.fault is not None]
        found = find_fault(PUZZLE, chain)
        assert faults == ([] if found is Fault.TARGET else [found])


def test_the_verifier_gives_verdicts_on_steps_where_it_is_asked_to() -> None:
    problem = Problem(
        "p", PUZZLE.question, (), "countdown", "countdown", metadata={"numbers": [7, 2, 4, 11], "target": 11}
    )
    plain = make_verifier("countdown")
    assert plain.version == "1"
    assert plain.verify(problem, "7+4=11").steps is None
    for asked, scores in (("rules", [None, None]), ("values", [0.0, 0.0])):
        settings = VerificationConfig(options={"countdown": {"steps": asked}})
        judge = make_verifier("countdown", settings)
        assert judge.version == f"1+steps={asked}"
        verdict = judge.verify(problem, "7*11=77;77+4=80")
        assert verdict.outcome is Outcome.INCORRECT
        assert verdict.steps is not None
        assert [step.outcome for step in verdict.steps] == [Outcome.CORRECT, Outcome.INCORRECT]
        assert [step.score for step in verdict.steps] == scores
        assert [step.span for step in verdict.steps] == [(0, 7), (8, 15)]


# ---- Learnt values


def test_learnt_values_are_measured_against_known_ones() -> None:
    known = np.array([0.0, 0.0, 1.0, 1.0])
    perfect = learnt_values(known, known)
    assert (perfect.explained_variance, perfect.bias, perfect.separation) == (1.0, 0.0, 1.0)
    constant = learnt_values(np.full(4, 0.7), known)
    assert constant.explained_variance == pytest.approx(0)
    assert constant.bias == pytest.approx(0.2)
    assert constant.separation == 0.5
    halves = learnt_values(np.array([0.1, 0.3, 0.2, 0.9]), known, groups=2)
    assert halves.separation == pytest.approx(3 / 4)
    assert halves.mean_known.tolist() == pytest.approx([0.5, 0.5])
    assert halves.mean_learnt.tolist() == pytest.approx([0.15, 0.6])
    assert np.isnan(learnt_values(np.array([0.1, 0.2]), np.ones(2)).separation)
    with pytest.raises(InputError, match="one of each for every state"):
        learnt_values(np.zeros(3), np.zeros(2))


def test_the_chance_from_a_state_is_that_of_the_right_chains_that_begin_so() -> None:
    from move37.lab.exact import PuzzleTruth
    from move37.lab.exact_states import chance_from

    chains = ("7+4=11", "7+4=11;11*2=22;22-11=11", "7-4=3;3+2=5")
    truth = PuzzleTruth(0.0, 0.0, chains, np.log([0.02, 0.04, 0.1]), 0, 0)
    assert chance_from(truth, "7+4=11", float(np.log(0.5))) == pytest.approx(0.06 / 0.5)
    assert chance_from(truth, "7+4=11;11*2=22", float(np.log(0.05))) == pytest.approx(0.8)
    assert chance_from(truth, "7-4=3", float(np.log(0.1))) == 1.0
    assert chance_from(truth, "7+4=1", -1.0) == 0.0  # not a whole step of any


# ---- In the trainer


def recipe(options: dict[str, Any], verification: dict[str, Any] | None = None) -> Any:
    from move37.training.recipe import parse_recipe

    raw: dict[str, Any] = {
        "name": "vine",
        "algorithm": {"name": "vine_ppo", "options": options},
        "model": {"path": str(checkpoint_folder("countdown-base")), "device": "cpu", "threads": 1},
        "problems": {"benchmark": "countdown", "size": 3, "options": {"split": "training"}},
        "rollout": {"prompts": 3, "responses": 3, "max_new_tokens": 32, "template": "completion"},
        "verification": verification or {},
    }
    return parse_recipe(raw)


def collected(asked: Any, folder: Path) -> tuple[Any, Any]:
    from move37.training.loop import Trainer
    from move37.training.records import Clock, Silent
    from move37.verification import VerifierPool

    with VerifierPool(asked.verification) as pool:
        trainer = Trainer(asked, folder / "run", pool, Silent())
        rollouts = trainer._collect(Clock())
        return rollouts.kept, trainer._credit(rollouts, {})


def test_gains_of_a_response_sum_to_its_reward_less_the_prompts_value(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    kept, update = collected(recipe({"rollouts": 4, "separator": ";"}), tmp_path)
    means: dict[int, list[float]] = {}
    for rollout in kept:
        means.setdefault(rollout.group, []).append(rollout.reward)
    for row, rollout in enumerate(kept):
        text, gains = rollout.made.sample.text, update.advantages.advantages_BT[row]
        # One character is one token: a step's tokens have one gain, its separator included.
        first, total = 0, 0.0
        for part in text.split(";"):
            last = min(first + len(part) + 1, len(rollout.made.token_ids))
            assert len(set(gains[first:last].tolist())) == 1
            total += float(gains[first])
            first = last
        group = means[rollout.group]
        assert total == pytest.approx(rollout.reward - sum(group) / len(group), abs=1e-6)


@pytest.mark.slow
def test_the_oracles_verdicts_blame_the_step_that_lost_the_game(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = {"rollouts": 0, "separator": ";"}
    kept, update = collected(recipe(options, {"options": {"countdown": {"steps": "values"}}}), tmp_path)
    for row, rollout in enumerate(kept):
        gains = update.advantages.advantages_BT[row, : len(rollout.made.token_ids)]
        if rollout.is_correct:
            assert not gains.any()
        else:
            assert float(gains.min()) == -1
            (places,) = (gains == -1).nonzero(as_tuple=True)
            assert len(places) == int(places[-1] - places[0]) + 1  # one step alone
    with pytest.raises(VerifierError, match="judges no steps; ask it to"):
        collected(recipe(options), tmp_path / "other")


def test_a_critic_is_measured_against_rewards_and_against_the_oracle(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from move37.training.batches import batch_of
    from move37.training.critic_check import critic_figures, oracle_figures

    asked = recipe({"rollouts": 0}, {"options": {"countdown": {"steps": "values"}}})
    kept, _ = collected(asked, tmp_path)
    batch = batch_of(kept)
    known = batch.rewards_B[:, None].expand(batch.own_BT.shape).contiguous()
    perfect = critic_figures(known, batch)
    assert perfect["critic_bias"] == 0
    assert perfect.get("critic_explained", 1.0) == 1

    class OneCharacterAToken:
        all_special_ids: tuple[int, ...] = ()
        added_tokens_decoder: ClassVar[dict[int, Any]] = {}

        def decode(self, ids: list[int], **_: Any) -> str:
            return "x" * len(ids)

    values = torch.zeros(batch.own_BT.shape)
    scores = []
    for row, rollout in enumerate(kept):
        for step in (rollout.verdict.steps or ())[:-1] if rollout.verdict.answer is not None else ():
            values[row, step.span[1]] = step.score
            scores.append(step.score)
    found = oracle_figures(values, kept, batch, OneCharacterAToken())  # type: ignore[arg-type]
    assert scores
    assert found["critic_oracle_bias"] == 0
    shifted = oracle_figures(values + 0.25, kept, batch, OneCharacterAToken())  # type: ignore[arg-type]
    assert shifted["critic_oracle_bias"] == pytest.approx(0.25)


def test_where_steps_end_is_found_in_texts_of_all_kinds() -> None:
    pytest.importorskip("torch")
    from move37.training.step_values import ends_of_steps

    assert ends_of_steps("a;b;c", ";") == [2, 4]
    assert ends_of_steps("a;b;", ";") == [2]
    assert ends_of_steps("", ";") == []
    assert ends_of_steps("one\n\ntwo", "\n\n") == [5]
