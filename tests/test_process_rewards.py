"""PRIME and TreeRL: the authors' own code, a plain computation through a model, and resuming bit for bit."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.errors import ConfigError  # noqa: E402
from move37.lab import checkpoint_folder  # noqa: E402
from move37.testing import check_algorithm  # noqa: E402
from move37.training.algorithms import ALGORITHMS, AdvantageInputs  # noqa: E402
from move37.training.batches import Branch, batch_of, make_batch  # noqa: E402
from move37.training.forks import tree_inputs  # noqa: E402
from move37.training.implicit_rewards import implicit_loss, implied_values  # noqa: E402
from move37.training.loop import Trainer, train  # noqa: E402
from move37.training.recipe import TrainConfig, parse_recipe  # noqa: E402
from move37.training.records import Clock, Silent  # noqa: E402
from move37.verification import VerifierPool  # noqa: E402

GOLDEN = json.loads((Path(__file__).parent / "golden" / "process.json").read_text())


def made(name: str, **options: Any) -> Any:
    kind = ALGORITHMS.load(name)
    return kind(kind.Options(**options))


@pytest.mark.parametrize(
    ("name", "options"),
    [("prime", {}), ("prime", {"scale": "none", "update": "before"}), ("tree_rl", {}), ("tree_rl", {"shared": "none"})],
)
def test_both_keep_the_contract(name: str, options: dict[str, Any]) -> None:
    check_algorithm(ALGORITHMS.load(name), **options)


# ---- Against the authors' code


@pytest.mark.parametrize("case", GOLDEN["prime"], ids=["first", "second"])
def test_primes_loss_its_gradient_and_its_credit_are_the_authors(case: dict[str, Any]) -> None:
    logprobs = torch.tensor(case["logprobs"], dtype=torch.float64, requires_grad=True)
    mask = torch.arange(logprobs.shape[1]) < torch.tensor(case["lengths"])[:, None]
    rewards = (logprobs - torch.tensor(case["reference"], dtype=torch.float64)) * mask
    right = torch.tensor(case["right"], dtype=torch.float64)
    loss = implicit_loss(rewards, right, 0.05)
    loss.backward()
    assert logprobs.grad is not None
    assert loss.item() == pytest.approx(case["loss"], rel=1e-6)
    assert torch.allclose(logprobs.grad, torch.tensor(case["gradient"], dtype=torch.float64), rtol=1e-5, atol=1e-9)
    outcome = torch.zeros(mask.shape, dtype=torch.float64)
    outcome.scatter_(1, torch.tensor(case["lengths"])[:, None] - 1, right[:, None])
    groups = torch.arange(len(right)) // 4
    inputs = AdvantageInputs(outcome, groups, mask, 6, implicit_rewards_BT=rewards.detach())
    found = made("prime").advantages(inputs).advantages_BT
    theirs = torch.tensor(case["advantages"], dtype=torch.float64) * mask
    assert torch.allclose(found, theirs, rtol=1e-4, atol=1e-5)


class Leaf:
    """As much of a rollout as the trees are read from."""

    def __init__(self, branch: Branch | None) -> None:
        self.branch = branch


@pytest.mark.parametrize("case", GOLDEN["trees"], ids=["sqrt", "uniform", "none", "sqrt again"])
def test_the_credit_of_a_tree_is_the_authors(case: dict[str, Any]) -> None:
    branches: list[Branch] = []
    for number, (left, at, _) in enumerate(case["responses"]):
        branches.append(Branch(number, at, branches[left] if left >= 0 else None))
    lengths = [at + own for _, at, own in case["responses"]]
    batch = make_batch([(1,)], [0] * len(lengths), [[2] * length for length in lengths], rewards=case["rewards"])
    trees = tree_inputs([Leaf(branch) for branch in branches], batch)  # type: ignore[misc]
    inputs = AdvantageInputs(batch.token_rewards_BT.double(), batch.groups_B, batch.own_BT, 12, **trees)
    style = case["style"].replace("original", "none")
    found = made("tree_rl", shared=style).advantages(inputs).advantages_BT
    for row, theirs in enumerate(case["credit"]):
        assert found[row, : lengths[row]].tolist() == pytest.approx(theirs, abs=1e-6)


def test_a_response_of_no_tree_is_worth_its_outcome_twice_and_equal_rewards_nothing() -> None:
    batch = make_batch([(1,)], [0, 0, 0], [[2, 2]] * 3, rewards=[1.0, 0.0, 0.0])
    trees = tree_inputs([Leaf(None)] * 3, batch)  # type: ignore[list-item]
    found = made("tree_rl").advantages(
        AdvantageInputs(batch.token_rewards_BT, batch.groups_B, batch.own_BT, 2, **trees)
    )
    assert found.advantages_BT[:, 0].tolist() == pytest.approx([2.0, -1.0, -1.0])
    zero = AdvantageInputs(torch.zeros(3, 2), batch.groups_B, batch.own_BT, 2, **trees)
    assert not made("tree_rl").advantages(zero).advantages_BT.any()


# ---- In the trainer


def recipe(name: str, options: dict[str, Any] | None = None, **changes: Any) -> TrainConfig:
    raw = {
        "name": "process",
        "steps": 3,
        "algorithm": {"name": name, "options": options or {}},
        "model": {"path": str(checkpoint_folder("countdown-base")), "device": "cpu", "threads": 1},
        "problems": {"benchmark": "countdown", "size": 4, "options": {"split": "training"}},
        "rollout": {"prompts": 4, "responses": 3, "max_new_tokens": 24, "template": "completion"},
        "optimizer": {"learning_rate": 1e-3},
        "checkpoints": {"every": 1},
    }
    return parse_recipe(raw | changes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prime", "tree_rl"])
def test_a_training_that_was_stopped_goes_on_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    asked = recipe(name)
    whole = train(asked, tmp_path / "whole")
    train(asked.model_copy(update={"steps": 1}), tmp_path / "stopped")
    resumed = train(asked, tmp_path / "stopped")
    one, other = (torch.load(run.run / "state" / "step-000003" / "state.pt") for run in (whole, resumed))
    assert one.keys() == other.keys()
    assert ("implicit_reward" in one) == (name == "prime")
    models = [(one["model"], other["model"])]
    if name == "prime":
        models.append((one["implicit_reward"]["model"], other["implicit_reward"]["model"]))
        moved = one["implicit_reward"]["model"]
        assert any(not torch.equal(moved[key], one["model"][key]) for key in one["model"])  # it learns apart
    assert all(torch.equal(left[key], right[key]) for left, right in models for key in left)
    logs = [(run.run / "log.jsonl").read_text().splitlines() for run in (whole, resumed)]
    steps = [[json.loads(line) for line in log] for log in logs]
    if name == "prime":
        assert [step["implicit_loss"] for step in steps[0]] == [step["implicit_loss"] for step in steps[1]]
    else:
        assert all(step["responses"] == 4 * 3 * 5 for step in steps[0])
        assert all(step["sampled_tokens"] < step["responses"] * step["length_mean"] for step in steps[0])


@pytest.mark.slow
@pytest.mark.parametrize("update", ["after", "before"])
def test_implicit_rewards_and_their_update_are_those_of_a_plain_model(update: str, tmp_path: Path) -> None:
    """Each response read alone, with its prompt, by a copy of the start model that is then updated by hand."""
    asked = recipe("prime", {"update": update, "learning_rate": 1e-3})
    with VerifierPool(asked.verification) as pool:
        trainer = Trainer(asked, tmp_path / "run", pool, Silent())
        rollouts = trainer._collect(Clock())
        plain = deepcopy(trainer.policy.model)

        def plain_logprobs(model: Any) -> list[Any]:
            rows = []
            for rollout in rollouts.kept:
                ids, prompt = list(rollout.made.token_ids), list(rollout.made.prompt_ids)
                logits = model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
                rows.append(logits.log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)])
            return rows

        reference = [row.detach() for row in plain_logprobs(plain)]
        weights = list(plain.parameters())
        optimizer = torch.optim.AdamW(weights, lr=1e-3, weight_decay=0.0)
        sums = torch.stack([(own - of).sum() for own, of in zip(plain_logprobs(plain), reference, strict=True)])
        right = torch.tensor([float(rollout.is_correct) for rollout in rollouts.kept])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(0.05 * sums, right)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 10.0)
        optimizer.step()
        figures: dict[str, Any] = {}
        trainer._credit(rollouts, figures)
        assert figures["implicit_loss"] == pytest.approx(loss.item(), rel=1e-4)
        batch = batch_of(rollouts.kept)
        found, _ = trainer.policy.implicit_rewards(batch, batch.behaviour_logprobs_BT)
    if update == "before":
        return  # the second call has learnt twice: what it says is checked by the first's loss and by the other case
    for row, (own, of) in enumerate(zip(plain_logprobs(plain), reference, strict=True)):
        assert found[row, : len(own)].tolist() == pytest.approx((own - of).tolist(), abs=2e-3)
    assert float(found.abs().max()) > 0.01
    values = implied_values(found, 0.05)
    assert torch.equal(values[:, 0], torch.full_like(values[:, 0], 0.5))


@pytest.mark.slow
def test_trees_are_grown_where_the_model_was_least_sure(tmp_path: Path) -> None:
    asked = recipe("tree_rl", {"places": 2, "branches": 2, "rounds": 2})
    with VerifierPool(asked.verification) as pool:
        trainer = Trainer(asked, tmp_path / "run", pool, Silent())
        rollouts = trainer._collect(Clock())
        batch_inputs: dict[str, Any] = {}
        update = trainer._credit(rollouts, batch_inputs)
    assert update is not None
    everything: list[Any] = rollouts.everything
    assert len(everything) == 4 * 3 * (1 + 2 * 2 + 2 * 2)
    by_number = {rollout.branch.number: rollout for rollout in everything}
    assert len(by_number) == len(everything)
    for rollout in everything:
        left = rollout.branch.left
        if left is None:
            continue
        other, at = by_number[left.number], rollout.branch.at
        assert rollout.group == other.group
        assert rollout.made.token_ids[:at] == other.made.token_ids[:at]
        assert rollout.made.logprobs[:at] == other.made.logprobs[:at]
        tokenizer = trainer.policy.tokenizer
        assert rollout.text == tokenizer.decode(list(rollout.made.token_ids), skip_special_tokens=True)
    for root in (rollout for rollout in everything if rollout.branch == Branch(rollout.branch.number)):
        number, logprobs = root.branch.number, root.made.logprobs
        forks = [r.branch for r in everything if r.branch.left is not None and r.branch.left.number == number]
        left = {fork.at for fork in forks if fork.number < 12 + 4 * 12}  # of the first round
        assert sorted(logprobs[at] for at in left) == sorted(logprobs)[:2]
    assert bool(update.advantages.advantages_BT.any())


def test_what_cannot_be_together_is_refused_in_one_line() -> None:
    raw = recipe("tree_rl").model_dump(mode="json", exclude_unset=True)
    raw["rollout"]["environment"] = "calculator"
    with pytest.raises(ConfigError, match="tree_rl forks responses of one turn"):
        parse_recipe(raw)
    with pytest.raises(ConfigError, match="prime counts right and wrong"):
        recipe("prime", rewards=[{"verifier": "exact"}])
