"""From the recipe to the gradient: all of `recipe.loss`, and tokens that are not the model's own, by plain loops."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from move37.training.algorithms import Advantages, Needs  # noqa: E402
from move37.training.batches import Batch, Rollout, make_batch  # noqa: E402
from move37.training.loop import Trainer  # noqa: E402
from move37.training.policy import Metrics, Policy, UpdateBatch  # noqa: E402
from move37.training.records import Silent  # noqa: E402
from move37.types import Outcome, Verdict  # noqa: E402
from move37.verification import VerifierPool  # noqa: E402
from tests.plain_training import Constants, gradient_held, kl, plain_gradient, read, texts_of  # noqa: E402
from tests.test_training import recipe_of, relative_error  # noqa: E402
from tests.tiny_models import save_model  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_workers", "one_thread")]

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("problems") / "letters.jsonl"
    path.write_text("".join(json.dumps({"question": f"say {c}:", "answer": c}) + "\n" for c in "abcd"))
    return path


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("policy"), initializer_range=0.1)


def rows_of(values_BT: Any, batch: Batch) -> list[Any]:
    return [values_BT[row, own] for row, (_, _, own) in enumerate(texts_of(batch))]


# ---- Tokens that are not the model's own

HOLES = {
    "none": lambda row, length: [True] * length,
    "inside": lambda row, length: [not 0 < place < length - 1 for place in range(length)],
    "at the end": lambda row, length: [place == 0 or place < length - 2 for place in range(length)],
    "at the start": lambda row, length: [place > 1 or place == length - 1 for place in range(length)],
    "several": lambda row, length: [(place + row) % 3 > 0 for place in range(length)],
    "whole responses": lambda row, length: [row % 2 == 0] * length,
}


def holed_batch(holes: str, device: str = "cpu", odd: bool = False) -> Batch:
    """Twelve responses of 1 to 8 tokens, many of which begin alike. `odd` puts what must not matter in the holes."""
    generator = torch.Generator().manual_seed(0)
    lengths = [1, 8, 5, 7, 6, 1, 3, 8, 4, 6, 2, 7]
    tokens = [torch.randint(3, 5, (length,), generator=generator).tolist() for length in lengths]
    logprobs = [(-torch.rand(length, generator=generator) - 3).tolist() for length in lengths]
    own = [HOLES[holes](row, length) for row, length in enumerate(lengths)]
    if odd:
        logprobs = [
            [a if b else float("nan") for a, b in zip(x, y, strict=True)] for x, y in zip(logprobs, own, strict=True)
        ]
    groups = [row % 3 for row in range(12)]
    return make_batch([[3, 4], [4, 4, 3, 3, 3], [3]], groups, tokens, logprobs, [1.0, 0.0] * 6, device, own=own)


def update_batch_on(policy: Policy, batch: Batch) -> tuple[UpdateBatch, Constants]:
    """Random advantages on the own tokens, old log-probabilities near the present ones, and the same as plain lists."""
    generator = torch.Generator().manual_seed(1)

    def noise(scale: float) -> Any:
        return (torch.randn(batch.own_BT.shape, generator=generator) * scale).to(policy.device) * batch.own_BT

    now_BT, advantages_BT = policy.logprobs(batch), noise(1.0)
    old_BT, reference_BT, values_BT = now_BT + noise(0.3), now_BT + noise(0.3), noise(0.1)
    update = UpdateBatch(batch, Advantages(advantages_BT, noise(0.5)), old_BT, reference_BT, values_BT)
    returns_BT = update.advantages.returns_BT
    lists = [rows_of(each, batch) for each in (old_BT, advantages_BT, reference_BT, values_BT, returns_BT)]
    return update, Constants(*lists)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("critic", ["none", "own", "shared"])
@pytest.mark.parametrize(("kind", "recomputes"), [("llama", False), ("gpt2", False), ("gpt2", True)])
@pytest.mark.parametrize("holes", list(HOLES))
def test_tokens_of_others_are_read_and_not_learnt_from(
    holes: str, kind: str, recomputes: bool, critic: str, device: str, tmp_path: Path, letters: Path
) -> None:
    """With states shared (llama) and without (gpt2), prompts read once and with every response."""
    policy = Policy(
        recipe_of(
            save_model(tmp_path, kind, initializer_range=0.1),
            letters,
            "grpo" if critic == "none" else "ppo",
            loss={"kl_coefficient": 0.05, "entropy_coefficient": 0.01, "dual_clip": 1.1},
            optimizer={"shared_critic": critic == "shared", "micro_batch_tokens": 20},
            model={"device": device, "gradient_checkpointing": recomputes},
        ),
        Needs(critic=critic != "none"),
    )
    if policy.critic is not None:
        torch.nn.init.normal_(policy.critic.output.weight, generator=torch.Generator(policy.device).manual_seed(2))
    batch = holed_batch(holes, device)
    update, fixed = update_batch_on(policy, batch)
    scored_BT = policy.logprobs(batch)
    values_BT = policy.values(batch) if policy.critic is not None else None
    for row, text in enumerate(texts_of(batch)):
        with torch.no_grad():
            logprobs, _, values = read(policy, *text)
        torch.testing.assert_close(scored_BT[row, text[2]], logprobs, rtol=0, atol=1e-5)
        assert (values is None) == (values_BT is None)
        if values_BT is not None:
            torch.testing.assert_close(values_BT[row, text[2]], values, rtol=0, atol=1e-5)
    assert scored_BT[~batch.own_BT].abs().sum() == 0
    policy.optimizer.zero_grad(set_to_none=True)
    metrics = Metrics()
    policy.accumulate(update, torch.arange(12, device=policy.device), metrics)
    made = gradient_held(policy)
    expected = plain_gradient(policy, batch, fixed, list(range(12)))
    assert relative_error(made, expected) < (1e-5 if device == "cuda" else 3e-6)
    assert metrics.figures()["trained_tokens"] == int(batch.own_BT.sum())


@pytest.mark.parametrize("holes", list(HOLES))
def test_what_stands_in_the_holes_of_log_probabilities_and_credit_changes_nothing(
    holes: str, llama: Path, letters: Path
) -> None:
    """Sequence ratios, the sampler's gap, clipped shares and skipping see the own tokens alone."""
    loss = {"ratio": "sequence", "aggregation": "seq-mean-token-mean"}
    policy = Policy(recipe_of(llama, letters, loss=loss, optimizer={"max_logprob_gap": 50}), Needs())
    made = []
    for odd in (False, True):
        batch = holed_batch(holes, odd=odd)
        update, _ = update_batch_on(policy, batch)
        advantages_BT = update.advantages.advantages_BT.clone()
        advantages_BT[batch.groups_B == 0] = 0
        if odd:
            advantages_BT = torch.where(batch.own_BT, advantages_BT, 7.0)
            update = replace(update, old_logprobs_BT=torch.where(batch.own_BT, update.old_logprobs_BT, 3.0))
        metrics = Metrics()
        policy.optimizer.zero_grad(set_to_none=True)
        policy.accumulate(
            replace(update, advantages=Advantages(advantages_BT)), torch.arange(12), metrics, is_first=True
        )
        made.append((gradient_held(policy), metrics.figures()))
    assert torch.equal(made[0][0], made[1][0])
    assert made[0][1] == made[1][1]


def test_the_reward_is_on_the_last_own_token_and_nowhere_without_one() -> None:
    own = [[True, False, True, False], [False, False], [True, True, True]]
    batch = make_batch([[3]], [0, 0, 0], [[3, 3, 3, 3], [4, 4], [3, 4, 3]], rewards=[1.0, 2.0, 3.0], own=own)
    assert batch.token_rewards_BT.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 3, 0]]
    assert batch.lengths_B.tolist() == [4, 2, 3]
    assert batch.own_lengths_B.tolist() == [2, 0, 3]


def test_rows_that_are_not_as_long_as_their_responses_are_refused() -> None:
    wrong: dict[str, Any]
    for wrong in ({"own": [[True], [True]]}, {"logprobs": [[-1.0, -1.0]]}, {"own": [[True, True], [True, True]]}):
        with pytest.raises(ValueError, match="one value per token"):
            make_batch([[3]], [0, 0], [[3, 4], [3]], **wrong)


# ---- From the recipe to every update of a step

TRAINER = {"old_logprobs": "trainer"}
UPDATES = {"mini_batches": 2, "epochs": 2}
WIRING: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "dapo": ("dapo", {"buffer_share": 0.0}, {}, {}),
    "dapo, old from the trainer": ("dapo", {"buffer_share": 0.0}, {}, TRAINER),
    "dr_grpo": ("grpo", {"scale": "none"}, {"aggregation": "seq-mean-token-sum-norm"}, {}),
    "mean of means": ("grpo", {}, {"aggregation": "seq-mean-token-mean", "clip_low": 0.1}, {}),
    "mean of sums": ("grpo", {}, {"aggregation": "seq-mean-token-sum", "clip_high": 0.1}, {}),
    "rloo per sequence": ("rloo", {}, {"ratio": "sequence", "aggregation": "seq-mean-token-mean"}, {}),
    "ppo, shared critic": ("ppo", {}, {"value_clip": 0.02, "value_coefficient": 0.3}, {"shared_critic": True}),
    "ppo, own critic": ("ppo", {}, {"value_clip": 0.02}, {}),
    "dual clip": ("grpo", {}, {"dual_clip": 1.3}, {}),
    "k2 in the loss": ("grpo", {}, {"kl_coefficient": 0.3, "kl_estimator": "k2"}, {}),
    "k3 in the loss": ("grpo", {}, {"kl_coefficient": 0.3}, {}),
    "entropy": ("grpo", {}, {"entropy_coefficient": 0.1}, {}),
    "remax": ("remax", {}, {}, {}),
    **{
        f"{estimator} in the reward of {name}": (
            name,
            {},
            {"kl_coefficient": 0.3, "kl_in": "reward", "kl_estimator": estimator},
            {},
        )
        for estimator in ("k1", "k2", "k3")
        for name in ("rloo", "ppo")
    },
}


def plain_advantages(recipe: Any, rewards: list[Any], groups: list[int], values: list[Any] | None) -> list[Any]:
    """From the rewards of every token, one list per response."""
    name, options = recipe.algorithm.name, recipe.algorithm.options
    if name == "remax":
        greedy = [float(greedy_outcome_of(group) is Outcome.CORRECT) for group in groups]
        return [torch.full((len(row),), float(row.sum()) - base) for row, base in zip(rewards, greedy, strict=True)]
    if name == "ppo":
        assert values is not None
        left = [torch.stack([row[place:].sum() for place in range(len(row))]) for row in rewards]
        advantages = [a - v for a, v in zip(left, values, strict=True)]
        flat = torch.cat(advantages)
        return [(row - flat.mean()) / (flat.var() + 1e-8).sqrt() for row in advantages]
    sums = [float(row.sum()) for row in rewards]
    made = []
    for place, row in enumerate(rewards):
        others = [r for i, r in enumerate(sums) if groups[i] == groups[place] and i != place]
        every = torch.tensor([sums[place], *others])
        worth = sums[place] - (sum(others) / len(others) if name == "rloo" else float(every.mean()))
        if name == "dapo" or (name == "grpo" and options.get("scale") != "none"):
            worth /= float(every.std()) + 1e-6
        made.append(torch.full((len(row),), worth))
    return made


def outcome_of(group: int, index: int) -> Outcome:
    """One response of every prompt has no verdict, at least one is right and one wrong."""
    if index == 5:
        return Outcome.UNSCORED
    return Outcome.CORRECT if (index + group) % (2 + group % 2) == 0 else Outcome.INCORRECT


def greedy_outcome_of(group: int) -> Outcome:
    """Right, none, wrong, right: without a verdict there is no baseline, and the prompt leaves the step."""
    return (Outcome.CORRECT, Outcome.UNSCORED, Outcome.INCORRECT, Outcome.CORRECT)[group]


@pytest.mark.parametrize("case", list(WIRING))
def test_every_update_of_a_step_has_the_gradient_that_the_recipe_asks_for(
    case: str, llama: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step of the trainer, four updates; the sampler's log-probabilities are off by so much that clipping bites."""
    algorithm, options, loss, optimizer = WIRING[case]
    optimizer = {"learning_rate": 2e-2, "max_logprob_gap": 20, "gradient_norm": 1e9, **UPDATES, **optimizer}
    rollout = {"max_new_tokens": 5, "temperature": 0.8}
    recipe = recipe_of(llama, letters, algorithm, options, loss=loss, optimizer=optimizer, rollout=rollout, steps=1)
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, tmp_path / "run", pool, Silent())
        policy, kept = trainer.policy, []
        sample = trainer.rollout_worker.sample
        generator = torch.Generator().manual_seed(3)

        def shaken(*args: Any) -> Any:
            made = sample(*args)
            noise = {id(t): 0.5 * torch.randn(len(t.logprobs), generator=generator) for ts in made.values() for t in ts}
            return {
                group: [
                    replace(t, logprobs=tuple(a + float(b) for a, b in zip(t.logprobs, noise[id(t)], strict=True)))
                    for t in of
                ]
                for group, of in made.items()
            }

        def verify(made: Any) -> Any:
            counts: dict[int, int] = {}
            rollouts = []
            greedy = len(made) == len({slot.group for slot, _ in made})  # one response per prompt
            for slot, completion in made:
                index = counts[slot.group] = counts.get(slot.group, -1) + 1
                outcome = greedy_outcome_of(slot.group) if greedy else outcome_of(slot.group, index)
                rollouts.append(Rollout(slot.problem, slot.group, completion, Verdict(outcome, "", "")))
            if greedy:
                unscored = {r.group for r in rollouts if r.verdict.outcome is Outcome.UNSCORED}
                kept[:] = [r for r in kept if r.group not in unscored]
            else:
                kept.extend(r for r in rollouts if r.verdict.outcome is not Outcome.UNSCORED)
            return rollouts

        monkeypatch.setattr(trainer.rollout_worker, "sample", shaken)
        monkeypatch.setattr(trainer.rollout_worker, "verify", verify)
        update, step, seen = policy.update, policy.step, []

        def checked_update(update_batch: UpdateBatch, number: int) -> Any:
            numbers = list(dict.fromkeys(r.group for r in kept))
            plain = make_batch(
                list({r.group: r.made.prompt_ids for r in kept}.values()),
                [numbers.index(r.group) for r in kept],
                [r.made.token_ids for r in kept],
            )
            fixed = constants(recipe, policy, plain, kept)
            parts = [[i for i, r in enumerate(kept) if numbers.index(r.group) % 2 == part] for part in (0, 1)] * 2

            def checked_step(metrics: Metrics) -> None:
                expected = plain_gradient(policy, plain, fixed, parts[len(seen)])
                seen.append(relative_error(gradient_held(policy), expected))
                step(metrics)

            monkeypatch.setattr(policy, "step", checked_step)
            return update(update_batch, number)

        monkeypatch.setattr(policy, "update", checked_update)
        trainer.begin()
        trainer.step()
    assert len(seen) == 4
    assert max(seen) < 2e-4, seen
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert record["clip_share"] > 0.05


def constants(recipe: Any, policy: Policy, batch: Batch, kept: list[Any]) -> Constants:
    """What holds for the whole step, from the rollouts and the weights as they are before it."""
    with torch.no_grad():
        now = [read(policy, *text) for text in texts_of(batch)]
    start = [logprobs for logprobs, _, _ in now]  # before the first step the policy is the start model
    old = start if recipe.optimizer.old_logprobs == "trainer" else [torch.tensor(r.made.logprobs) for r in kept]
    rewards = []
    for place, rollout in enumerate(kept):
        row = torch.zeros(len(rollout.made.token_ids))
        row[-1] = 1.0 if rollout.verdict.outcome is Outcome.CORRECT else 0.0
        if recipe.loss.kl_coefficient and recipe.loss.kl_in == "reward":
            row -= recipe.loss.kl_coefficient * kl(old[place], start[place], recipe.loss.kl_estimator)
        rewards.append(row)
    values = [each for _, _, each in now] if policy.critic is not None else None
    advantages = plain_advantages(recipe, rewards, [r.group for r in kept], values)
    returns = [torch.stack([row[i:].sum() for i in range(len(row))]) for row in rewards]
    return Constants(old, advantages, start, values, returns)


def test_greedy_rollouts_are_the_most_probable_tokens_and_others_are_drawn_at_the_temperature(
    llama: Path, letters: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(llama, letters, "remax", rollout={"temperature": 1.3, "max_new_tokens": 6})
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, tmp_path / "run", pool, Silent())
        sample, made = trainer.rollout_worker.sample, {1: [], 8: []}

        def watched(slots: Any, n: int, purpose: str, greedy: bool = False) -> Any:
            found = sample(slots, n, purpose, greedy)
            made[n] += [completion for of in found.values() for completion in of]
            return found

        trainer.rollout_worker.sample = watched  # type: ignore[method-assign]
        trainer.begin()
        weights = {name: value.clone() for name, value in trainer.policy.model.state_dict().items()}
        trainer.step()
    trainer.policy.model.load_state_dict(weights)
    assert (len(made[1]), len(made[8])) == (4, 32)

    def logits(completion: Any) -> Any:
        ids = torch.tensor([[*completion.prompt_ids, *completion.token_ids]])
        return trainer.policy.model(input_ids=ids).logits[0, len(completion.prompt_ids) - 1 : -1]

    for each in made[1]:
        assert logits(each).argmax(-1).tolist() == list(each.token_ids)
    for each in made[8]:
        drawn_from = (logits(each) / 1.3).log_softmax(-1)
        expected = drawn_from.gather(1, torch.tensor(each.token_ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(each.logprobs), expected, rtol=0, atol=1e-5)
    assert len({each.token_ids for each in made[8]}) > 16  # nearly uniform over 43 tokens


# ---- What is not known is not a wrong answer


def test_the_figures_of_a_step_and_of_an_evaluation_are_over_what_has_a_verdict(
    llama: Path, letters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five responses to each prompt two are right, two are wrong and one has no verdict."""
    order = (Outcome.CORRECT, Outcome.UNSCORED, Outcome.INCORRECT, Outcome.CORRECT, Outcome.INCORRECT)
    held_out = tmp_path / "held-out.jsonl"
    held_out.write_text(json.dumps({"question": "say z:", "answer": "z"}) + "\n")
    evaluation = {
        "problems": {"benchmark": "jsonl", "path": str(held_out), "verifier": "exact"},
        "n": 5,
        "k": [1, 4, 5],
    }
    recipe = recipe_of(llama, letters, steps=1, rollout={"responses": 5}, evaluation=evaluation)
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, tmp_path / "run", pool, Silent())

        def verify(made: Any) -> Any:
            outcomes = [Verdict(order[place % 5], "", "") for place in range(len(made))]
            return [Rollout(slot.problem, slot.group, c, v) for (slot, c), v in zip(made, outcomes, strict=True)]

        monkeypatch.setattr(trainer.rollout_worker, "verify", verify)
        trainer.begin()
        trainer.step()
    first, step, _ = map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
    assert step["accuracy"] == step["reward"] == 0.5
    assert step["unscored"] == pytest.approx(0.2)
    assert step["groups_mixed"] == 1
    assert first["unscored"] == pytest.approx(0.2)
    # 2 of 4: pass@1 = 1/2, pass@4 = 1; of five there are not enough.
    assert (first["pass@1"], first["pass@4"], first["pass@5"]) == (0.5, 1.0, None)
