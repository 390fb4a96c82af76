"""What responses start from: the contract, where each explorer goes, the prefix in the loss, resuming bit for bit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from move37.countdown import Fault, Puzzle, find_chain, find_fault
from move37.errors import ConfigError, InputError
from move37.lab import checkpoint_folder
from move37.testing import check_explorer
from move37.training.explorers import EXPLORERS, Attempt, FixedRow
from move37.training.explorers.evolution import Archive
from move37.training.recipe import TrainConfig, parse_recipe
from move37.types import Outcome, Problem, StepVerdict, Verdict
from move37.worlds.recombining import recombined

PROBLEMS = [
    Problem(
        f"p{i}", f"question {i}", (f"first {i};second;third",), "own", "exact", {"tier": "easy" if i < 6 else "hard"}
    )
    for i in range(12)
]
SEVERAL: dict[str, Any] = {
    "members": [{"name": "replay", "options": {"per_step": 2}}, {"name": "hints", "options": {"start": 0.6}}]
}
PUCT = json.loads((Path(__file__).parent / "golden" / "puct.json").read_text())


def made(name: str, **options: Any) -> Any:
    kind = EXPLORERS.load(name)
    return kind(kind.Options(**options), PROBLEMS)


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def attempts(problem: Problem, right: int, of: int, prefix: str = "", text: str = "abcdefgh") -> list[Attempt]:
    return [Attempt(problem, prefix, f"{text}{number}", number < right, True) for number in range(of)]


@pytest.mark.parametrize("name", EXPLORERS.names)
def test_every_explorer_keeps_the_contract(name: str) -> None:
    check_explorer(EXPLORERS.load(name), PROBLEMS, **(SEVERAL if name == "several" else {}))


def test_an_explorer_that_forgets_is_found_out() -> None:
    class Forgetful(EXPLORERS.load("replay")):
        def state(self) -> dict[str, Any]:
            return super().state() | {"bank": {}}

    with pytest.raises(AssertionError, match="go on as the one that was saved"):
        check_explorer(Forgetful, PROBLEMS)


# ---- Where each goes


def test_own_prefixes_help_what_fails_and_handicap_what_is_easy() -> None:
    explorer, (hard, easy, middle) = made("own_prefixes", move=0.5), PROBLEMS[:3]
    explorer.observe([*attempts(hard, 1, 8), *attempts(easy, 7, 8), *attempts(middle, 4, 8)])
    hard_start, easy_start, middle_start = explorer.starts([hard, easy, middle], draw())
    assert hard_start == "abcd"  # half of its one right response, abcdefgh0
    assert easy_start == "abcd"  # of its wrong one, abcdefgh7
    assert middle_start == ""
    explorer.observe(attempts(hard, 8, 8, prefix="abcd", text="efgh"))
    assert explorer.starts([hard], draw()) == [""]  # it is solved from there: the share is back at 0
    assert made("own_prefixes").starts([hard], draw()) == [""]


def test_a_problem_that_was_never_solved_waits_at_no_share() -> None:
    explorer = made("own_prefixes", move=0.5)
    for _ in range(3):
        explorer.observe(attempts(PROBLEMS[0], 0, 4))
    explorer.observe(attempts(PROBLEMS[0], 1, 4))
    assert explorer.known["p0"]["share"] == 0.5


def test_hints_grow_where_a_tier_fails_and_fade_where_it_is_solved() -> None:
    explorer = made("hints", start=0.5, move=0.25, spread=1.0)
    easy, hard = PROBLEMS[0], PROBLEMS[9]
    assert explorer.starts([easy], draw()) == ["first 0;se"]  # half of 20 characters
    explorer.observe([*attempts(easy, 4, 4), *attempts(hard, 0, 4)])
    assert explorer.levels == {"easy": 0.25, "hard": 0.75}
    lengths = [len(start) for start in explorer.starts([easy, hard], draw())]
    assert lengths == [5, 15]
    cut = made("hints", start=0.8, spread=0.25)
    drawn = {len(cut.starts([easy], draw(seed))[0]) for seed in range(40)}
    assert min(drawn) >= 4
    assert max(drawn) <= 16
    assert len(drawn) > 8  # at any character


def test_hints_come_from_a_file_or_from_a_worlds_solver(tmp_path: Path) -> None:
    file = tmp_path / "strong.jsonl"
    file.write_text('{"question": "question 3", "response": "a longer way"}\n')
    explorer = made("hints", source="file", file=file, start=0.5, spread=1.0)
    assert explorer.starts([PROBLEMS[3], PROBLEMS[4]], draw()) == ["a long", ""]
    puzzle = Problem("c", "3,4=7:", ("4+3=7",), "countdown", "countdown", metadata={"numbers": [3, 4], "target": 7})
    kind = EXPLORERS.load("hints")
    for source in ("shortest", "any"):
        solver = kind(kind.Options(source=source, start=0.95, spread=1.0), [puzzle])
        assert solver.starts([puzzle], draw())[0] in ("3+4=7", "4+3=7")
    with pytest.raises(InputError, match="none of the 12 problems has a solution"):
        made("hints", source="any")
    for options in ({"source": "file"}, {"low": 0.5, "high": 0.4}, {"start": 0.9, "most": 0.5}):
        with pytest.raises(ValueError, match="file|above low|at most most"):
            made("hints", **options)


def test_replay_gives_every_way_of_a_problem_the_same_weight_and_no_prefixed_one() -> None:
    explorer = made("replay", per_step=300, credit=0.5, ways=2)
    assert explorer.rows(draw()) == []
    explorer.observe(attempts(PROBLEMS[0], 1, 4, text="x") * 5 + attempts(PROBLEMS[1], 3, 4, text="y"))
    explorer.observe(attempts(PROBLEMS[2], 4, 4, prefix="z"))
    assert explorer.bank == {"p0": ["x0"], "p1": ["y1", "y2"]}
    rows = explorer.rows(draw())
    shares = {text: sum(row.text == text for row in rows) / 300 for text in ("x0", "y1", "y2")}
    assert shares == pytest.approx({"x0": 0.5, "y1": 0.25, "y2": 0.25}, abs=0.08)
    assert {row.credit for row in rows} == {0.5}


def test_rehearsal_is_of_the_first_steps_alone(tmp_path: Path) -> None:
    explorer = made("replay", first_steps=2)
    for step in range(4):
        explorer.observe(attempts(PROBLEMS[step], 1, 2))
    assert list(explorer.bank) == ["p0", "p1"]
    file = tmp_path / "base.jsonl"
    file.write_text('{"question": "question 1", "response": "known"}\n{"question": "other", "response": "x"}\n')
    assert made("replay", file=file).bank == {"p1": ["known"]}
    file.write_text('{"question": "other", "response": "x"}\n')
    with pytest.raises(InputError, match="no response to any of the problems"):
        made("replay", file=file)


def test_evolution_picks_the_states_that_the_authors_sampler_picks() -> None:
    archive = Archive()
    for step in PUCT["steps"]:
        picked = archive.pick(step["count"], PUCT["c"])
        # Theirs gives fewer where lineages run out, ours then begins again.
        assert picked[: len(step["picked"])] == step["picked"]
        best: dict[int, float] = {}
        for parent, value in step["children"]:
            best[parent] = max(value, best.get(parent, 0.0))
        for parent, value in best.items():
            archive.tried(parent, value)
        for parent, value in step["children"]:
            archive.add(parent, f"code {archive.made}", value)
        archive.shrink(PUCT["size"])
        assert sorted(archive.nodes) == step["left"]


def test_evolution_goes_on_from_what_came_far_and_repairs_what_was_sound() -> None:
    explorer, problem = made("evolution", c=0.1), PROBLEMS[0]
    assert explorer.starts([problem] * 3, draw()) == ["", "", ""]
    near = Attempt(problem, "", "1+1=2;2+2=5", False, True, sound=6)
    far = Attempt(problem, "", "nonsense", False, True, sound=0)
    explorer.observe([far, near])
    assert explorer.starts([problem], draw()) == ["1+1=2;"]  # cut before its wrong step
    explorer.observe([Attempt(problem, "1+1=2;", "2+2=4", True, True)])
    (start,) = explorer.starts([problem], draw())
    assert start.startswith("1+1=2;")
    assert 6 < len(start) < 11


PUZZLE = Problem("c", "3,4,5,6=77:", (), "countdown", "countdown", metadata={"numbers": [3, 4, 5, 6], "target": 77})


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("3+4=7;5*", "5+6=11;11-3=8", "3+4=7;5+6=11;"),
        ("3+4=7", "7*6=42;5+6=11;11*7=77", "3+4=7;7*6=42;"),  # 6 is used up, so 5+6 is not there any more
        ("3+4=7;", "5+6=11;7*11=77", "3+4=7;5+6=11;7*11=77"),
        ("3+4=7;", "3*5=15;4+3=7", None),
        ("3+4=8;5+6=11;", "5+6=11", None),  # its one whole step is wrong
        ("", "5+6=11", None),
    ],
)
def test_two_beginnings_are_put_together_by_the_rules_of_the_world(one: str, other: str, together: str | None) -> None:
    found = recombined(PUZZLE, one, other)
    assert found == together
    if found is not None:
        chain = find_chain(found.rstrip(";"))
        assert chain is not None
        assert find_fault(Puzzle.of(PUZZLE.metadata), chain) in (None, Fault.TARGET)
    assert recombined(PROBLEMS[0], one, other) is None


def test_evolution_recombines_states_of_which_neither_came_from_the_other() -> None:
    kind = EXPLORERS.load("evolution")
    explorer = kind(kind.Options(recombine=1.0), [PUZZLE])
    assert explorer.starts([PUZZLE], draw()) == [""]
    for step in ("3+4=7", "5+6=11"):
        explorer.observe([Attempt(PUZZLE, "", f"{step};9+9=18", False, True, len(step) + 1)])
    (start,) = explorer.starts([PUZZLE], draw())
    assert start in ("3+4=7;5+6=11;", "5+6=11;3+4=7;")
    archive = explorer.archives["c"]
    child = next(node for node in archive.nodes.values() if node.text == start)
    assert sorted(child.parents) == [0, 1, 2]
    explorer.observe([Attempt(PUZZLE, start, "7*11=77", True, True)])  # it is a state like any other
    assert child.tries == 1
    assert child.best == 1.0
    again = kind(kind.Options(recombine=1.0), [PUZZLE])
    again.load(json.loads(json.dumps(explorer.state())))
    assert again.starts([PUZZLE] * 3, draw(1)) == explorer.starts([PUZZLE] * 3, draw(1))


def test_several_explorers_give_the_first_start_there_is_and_all_rows() -> None:
    hints = {"name": "hints", "options": {"start": 0.5, "spread": 1.0}}
    explorer = made("several", members=[{"name": "own_prefixes", "options": {"move": 0.5}}, {"name": "replay"}, hints])
    explorer.observe([*attempts(PROBLEMS[0], 1, 8), *attempts(PROBLEMS[1], 2, 4)])
    assert explorer.starts(PROBLEMS[:2], draw()) == ["abcd", "first 1;se"]
    assert len(explorer.rows(draw())) == 96
    with pytest.raises(ValueError, match="unknown explorer 'hint'"):
        made("several", members=[{"name": "hint"}])
    with pytest.raises(ValueError, match="high"):
        made("several", members=[{"name": "hints", "options": {"low": 0.9}}])


# ---- In the trainer


def recipe(explorer: str, options: dict[str, Any], **changes: Any) -> TrainConfig:
    raw = {
        "name": explorer,
        "steps": 3,
        "explorer": {"name": explorer, "options": options},
        "model": {"path": str(checkpoint_folder("countdown-base")), "device": "cpu", "threads": 1},
        "problems": {"benchmark": "countdown", "size": 4, "options": {"split": "training"}},
        "rollout": {"prompts": 4, "responses": 4, "max_new_tokens": 24, "template": "completion"},
        "optimizer": {"learning_rate": 1e-3},
        "checkpoints": {"every": 1},
    }
    return parse_recipe(raw | changes)


IN_TRAINING: dict[str, dict[str, Any]] = {
    "own_prefixes": {"move": 0.5},
    "hints": {"start": 0.6},
    "replay": {"per_step": 6},
    "evolution": {"recombine": 0.5},
    "several": SEVERAL,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_TRAINING)
def test_a_training_that_was_stopped_goes_on_as_one_that_was_not(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from move37.training.loop import train

    asked = recipe(name, IN_TRAINING[name])
    whole = train(asked, tmp_path / "whole")
    train(asked.model_copy(update={"steps": 2}), tmp_path / "stopped")
    resumed = train(asked, tmp_path / "stopped")
    one, other = (load_file(run.model / "model.safetensors") for run in (whole, resumed))
    assert all(torch.equal(one[key], other[key]) for key in one)
    states = [(run.run / "state" / "step-000003" / "state.json").read_text() for run in (whole, resumed)]
    assert states[0] == states[1]
    assert json.loads(states[0])["explorer"]
    steps = [json.loads(line) for line in (whole.run / "log.jsonl").read_text().splitlines()]
    figure = "fixed_rows" if name == "replay" else "prefixed"
    assert any(step.get(figure, 0) > 0 for step in steps)
    assert not [warning for warning in whole.warnings if "explorer" in warning]


@pytest.mark.slow
def test_a_training_whose_explorer_had_nothing_to_give_says_so(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from move37.training.loop import train

    asked = recipe("own_prefixes", {}, steps=1)  # every problem is asked once
    [warning] = train(asked, tmp_path / "once").warnings
    assert warning.startswith("the explorer own_prefixes gave no response a beginning and added no rows")
    assert train(recipe("fresh", {}, steps=1), tmp_path / "fresh").warnings == ()


def test_a_prefix_is_read_and_judged_and_not_learnt_from(tmp_path: Path) -> None:
    """One step on hinted slots: verdicts are on prefix and response; the gradient is that of the response alone."""
    torch = pytest.importorskip("torch")
    from move37.training.batches import batch_of
    from move37.training.loop import Trainer
    from move37.training.policy import Metrics
    from move37.training.records import Clock, Silent
    from move37.verification import VerifierPool
    from tests.plain_training import gradient_held

    asked = recipe("hints", {"start": 0.6, "spread": 0.9}, algorithm={"name": "weighted_reinforce"})
    with VerifierPool(asked.verification) as pool:
        trainer = Trainer(asked, tmp_path / "run", pool, Silent())
        rollouts = trainer._collect(Clock())
        update = trainer._credit(rollouts, {})
    assert update is not None
    policy, tokenizer = trainer.policy, trainer.policy.tokenizer
    batch = batch_of(rollouts.kept)
    references = {problem.id: problem.references[0] for problem in trainer.problems}
    total, count = torch.zeros(()), 0
    for row, rollout in enumerate(rollouts.kept):
        assert rollout.prefix
        assert references[rollout.problem.id].startswith(rollout.prefix)
        assert rollout.text == rollout.prefix + rollout.made.sample.text
        chain = find_chain(rollout.text)
        right = chain is not None and find_fault(Puzzle.of(rollout.problem.metadata), chain) is None
        assert rollout.is_correct == right
        prompt = tokenizer(rollout.problem.question + rollout.prefix, add_special_tokens=False)["input_ids"]
        assert list(rollout.made.prompt_ids) == prompt
        response = list(rollout.made.token_ids)
        logits = policy.model(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
        chosen = logits.log_softmax(-1)[torch.arange(len(response)), torch.tensor(response)]
        advantage = update.advantages.advantages_BT[row, : len(response)]
        total = total - (advantage * (chosen - chosen.detach()).exp()).sum()
        count += len(response)
    assert any(rollout.is_correct for rollout in rollouts.kept)
    assert int(batch.own_BT.sum()) == count
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total / count, parameters)])
    policy.optimizer.zero_grad(set_to_none=True)
    policy.accumulate(update, torch.arange(len(batch)), Metrics(), is_first=True)
    found = gradient_held(policy)
    assert float(expected.norm()) > 0
    assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_rows_of_a_fixed_credit_have_the_gradient_of_their_log_likelihood(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from move37.problems import load_problems
    from move37.rollouts import template_of
    from move37.training.algorithms import Needs
    from move37.training.fixed_rows import with_fixed_rows
    from move37.training.policy import Metrics, Policy
    from move37.training.prompts import AskedPrompts
    from tests.plain_training import gradient_held

    asked = recipe("replay", {})
    policy, problems = Policy(asked, Needs()), load_problems(asked.problems)
    prompts = AskedPrompts(None, template_of("completion", {}), policy.engine)
    rows = [
        FixedRow(problem, problem.references[0], credit) for problem, credit in zip(problems, (1, 2, 0.5), strict=False)
    ]
    update = with_fixed_rows(None, rows, policy, prompts, needs_reference=False)
    twice = with_fixed_rows(update, rows, policy, prompts, needs_reference=False)
    assert len(twice.batch) == 6
    assert torch.equal(twice.batch.groups_B, torch.tensor([0, 1, 2, 3, 4, 5]))
    total, count = torch.zeros(()), 0
    for row in rows:
        ids = policy.tokenizer(row.problem.question + row.text, add_special_tokens=False)["input_ids"] + [1]
        first = len(row.problem.question)
        logprobs = policy.model(input_ids=torch.tensor([ids])).logits[0, first - 1 : -1].log_softmax(-1)
        total = total - row.credit * logprobs[torch.arange(len(ids) - first), torch.tensor(ids[first:])].sum()
        count += len(ids) - first
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total / count, parameters)])
    for made_of, size in ((update, 3), (twice, 6)):
        policy.optimizer.zero_grad(set_to_none=True)
        policy.accumulate(made_of, torch.arange(size), Metrics(), is_first=True)
        found = gradient_held(policy)
        assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_a_prefix_is_cut_where_it_leaves_no_room(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from move37.problems import load_problems
    from move37.training.algorithms import Needs
    from move37.training.policy import Policy
    from move37.training.rollouts import PromptSlot, RolloutWorker
    from move37.verification import VerifierPool

    asked = recipe("hints", {}, rollout={"max_new_tokens": 100, "template": "completion"})
    (problem, *_) = load_problems(asked.problems)
    with VerifierPool(asked.verification) as pool:
        worker = RolloutWorker(asked, Policy(asked, Needs()).engine, pool)
        kept = worker.with_room(PromptSlot(0, problem, "1" * 60)).prefix
    assert len(kept) == 128 - 100 - len(problem.question)


def test_how_far_a_response_is_sound_is_read_from_verdicts_on_its_steps() -> None:
    from move37.training.steps import sound_length

    steps = (StepVerdict(Outcome.CORRECT, span=(0, 5)), StepVerdict(Outcome.INCORRECT, span=(6, 11)))
    verdict = Verdict(Outcome.INCORRECT, "", "1+1=2;2+2=5", steps=steps)
    assert sound_length("so: 1+1=2;2+2=5", verdict) == 10
    assert sound_length("so: 1+1=2", Verdict(Outcome.CORRECT, "", "1+1=2", steps=steps[:1])) == 9
    assert sound_length("1+1=2", Verdict(Outcome.CORRECT, "", "1+1=2")) is None


def test_what_cannot_be_together_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="explorer.name: replay adds rows of a fixed credit"):
        recipe("replay", {}, algorithm={"name": "ppo"})
    with pytest.raises(ConfigError, match="explorer.options.high: .*above low"):
        recipe("hints", {"low": 0.9})
    from move37.training.recipe import anchored_recipe

    raw = recipe("hints", {}).model_dump(mode="json") | {"imitation": None}
    raw["explorer"] = {"name": "hints", "options": {"source": "file", "file": "missing.jsonl"}}
    with pytest.raises(ConfigError, match="explorer.options.file"):
        anchored_recipe(raw, tmp_path, "recipe")
