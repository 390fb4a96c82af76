"""Step rewards compared: the exhaustive solver's against PPO's critic against PRIME's implicit reward.

    python bench/step_rewards.py --out runs/step-rewards                          four methods, three seeds
    python bench/step_rewards.py --out runs/step-rewards --steps 2 --seeds 1 --problems 4 --states 64      a try

GRPO (no step reward), `oracle-steps` (exact values), `ppo` (a learned critic) and `prime`, trained from one base on the
same problems; what is there is not made again. The first table is what that did to exact pass@1 and pass@256, over
seeds (`move37 bench`). The second is of the values themselves, of states between steps in fresh responses of each
trained policy to puzzles of the evaluation half: PPO's critic, and PRIME's sigmoid(beta times the sum of rewards so
far), each against
    reachable   can the target still be reached? (the solver: 1 or 0)
    chance      the policy's own exact chance of success from there (`lab/exact_states.py`)
and, beside them, how well `reachable` itself stands for `chance`. Explained variance is 1 for perfect values, 0 for a
constant; bias is learned - known; separation is the chance that the better of two states has the higher value;
calibration lists the mean learned and known values in ten groups of equal size.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from move37.analyses.learnt_values import LearntValues, learnt_values
from move37.config import ProblemsConfig, SamplingConfig
from move37.countdown import Oracle, Puzzle
from move37.engines import DistributionReader
from move37.lab.exact import puzzle_truths
from move37.lab.exact_states import chance_from
from move37.methods import BenchSettings, Contender, load_contender, run_bench, write_page
from move37.problems import load_problems
from move37.prompting import find_template, render_prompt
from move37.terminal_board import board_page, board_sentence
from move37.training.batches import batch_of
from move37.training.critic_check import known_states
from move37.training.implicit_rewards import implied_values
from move37.training.loop import Trainer
from move37.training.policy import Policy
from move37.training.recipe import TrainConfig
from move37.training.records import Silent
from move37.training.rollouts import PromptSlot
from move37.verification import VerifierPool

ROOT = Path(__file__).parents[1] / "studies"
METHODS = ("algorithms/grpo", "methods/oracle-steps", "algorithms/ppo", "methods/prime")
JUDGED = {"countdown": {"steps": "values"}}


def contenders() -> Iterator[Contender]:
    """The methods, all with verdicts on steps: they go into the log and change no reward but the oracle's own."""
    for name in METHODS:
        found = load_contender(ROOT / f"{name}.toml")
        (recipe,) = found.stages
        judged = recipe.verification.model_copy(update={"options": JUDGED, "workers": 1})
        yield replace(found, stages=(recipe.model_copy(update={"verification": judged}),))


def values_of(recipe: TrainConfig, folder: Path, puzzles: int, states: int) -> dict[str, LearntValues]:
    """Of a finished training: its values against what is known, on fresh responses to `puzzles` puzzles."""
    with VerifierPool(recipe.verification) as pool:
        trainer = Trainer(recipe, folder, pool, Silent())
        trainer.begin()
        problems = load_problems([ProblemsConfig(benchmark="countdown", size=puzzles, seed=1)])
        slots = [PromptSlot(number, problem) for number, problem in enumerate(problems)]
        worker, policy = trainer.rollout_worker, trainer.policy
        made = worker.sample(slots, max(1, states // (2 * puzzles)), "step rewards")
        rollouts = worker.verify([(slot, each) for slot in slots for each in made[slot.group]])
        template = find_template(recipe.rollout.template, {})
        asked = [(Oracle(Puzzle.of(p.metadata)), render_prompt(p, template)) for p in problems]
        sampling = SamplingConfig(temperature=recipe.rollout.temperature, top_p=1.0, max_new_tokens=64)
        assert isinstance(policy.engine, DistributionReader)
        truths = list(puzzle_truths(policy.engine, asked, sampling, recipe.name))
        batch = batch_of(rollouts, policy.device)
        learnt_BT = learnt_of(policy, batch)
        found = list(known_states(rollouts, batch, policy.engine.tokenizer))
        logprobs_BT = batch.behaviour_logprobs_BT.double().cumsum(-1)
        policy.close()
    if not found:
        return {}
    reach = np.array([state.score for state in found])
    chance = np.array(
        [
            chance_from(truths[rollouts[s.row].group], s.text, float(logprobs_BT[s.row, s.place - 1]) if s.place else 0)
            for s in found
        ]
    )
    compared = {"reachable for chance": learnt_values(reach, chance)}
    if learnt_BT is not None:
        learnt = np.array([float(learnt_BT[state.row, state.place]) for state in found])
        compared |= {"learned for reachable": learnt_values(learnt, reach)}
        compared |= {"learned for chance": learnt_values(learnt, chance)}
    return compared


def learnt_of(policy: Policy, batch: Any) -> Any:
    """Values of states, (B, T): the critic's, or those that the implicit reward implies; None where nothing learns."""
    if policy.critic is not None:
        return policy.values(batch)
    if policy.implicit_reward is not None:
        rewards_BT = policy.implicit_reward.scores(batch, batch.behaviour_logprobs_BT)
        return implied_values(rewards_BT, policy.implicit_reward.beta)
    return None


def kept_values(recipe: TrainConfig, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """`values_of`, kept beside the training."""
    place = folder / f"values-{args.problems}-{args.states}.json"
    if not place.exists():
        found = values_of(recipe, folder, args.problems, args.states)
        plain = {name: {k: np.asarray(v).tolist() for k, v in asdict(each).items()} for name, each in found.items()}
        place.write_text(json.dumps(plain))
    return json.loads(place.read_text())


def show_values(rows: list[tuple[str, int, dict[str, Any]]]) -> None:
    print("\n| method, seed | values | states | explained | bias | separation | learned / known |")
    print("|---|---|---|---|---|---|---|")
    for method, seed, compared in rows:
        for name, of in compared.items():
            pairs = zip(of["mean_learnt"], of["mean_known"], strict=True)
            groups = " ".join(f"{learnt:.2f}/{known:.2f}" for learnt, known in pairs)
            figures = f"{of['explained_variance']:.2f} | {of['bias']:+.3f} | {of['separation']:.2f}"
            print(f"| {method}, {seed} | {name} | {of['states']} | {figures} | {groups} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--problems", type=int, default=30, help="puzzles of each tier, and of the values")
    parser.add_argument("--states", type=int, default=1000, help="about how many states are compared of a training")
    args = parser.parse_args()
    methods = list(contenders())
    tiers = ("in-pretraining", "edge")
    settings = BenchSettings(tiers=tiers, problems=args.problems, seeds=args.seeds, steps=args.steps)
    done = run_bench(methods, settings, args.out)
    print(board_page(done))
    print(board_sentence(done.board))
    write_page(done, board_page(done))
    rows = []
    for method in methods:
        for seed in range(args.seeds):
            (recipe,) = method.at(seed)
            recipe = recipe if args.steps is None else recipe.model_copy(update={"steps": args.steps})
            rows.append((method.name, seed, kept_values(recipe, args.out / method.key / f"seed-{seed}", args)))
    show_values(rows)


if __name__ == "__main__":
    main()
