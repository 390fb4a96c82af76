"""The laptop-sized world: its rules, its oracle, its problems, its tokenizer, its pretraining, and the shipped base.

Tests over random draws use fixed seeds, so they pass or fail for good; the stated chances are for a new seed.
"""

import json
import subprocess
import sys
from collections import Counter
from itertools import islice, permutations, product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from move37 import countdown
from move37.config import ModelConfig, ProblemsConfig, SamplingConfig, from_options
from move37.countdown import (
    TIERS,
    Fault,
    Oracle,
    Puzzle,
    Split,
    Tier,
    distinct_plays,
    find_chain,
    find_fault,
    play,
    plays,
)
from move37.errors import ConfigError, InputError, Move37Error, UnknownNameError
from move37.lab import checkpoint_folder, shipped_checkpoints
from move37.lab import countdown as teacher
from move37.lab.countdown import teach
from move37.problems import load_problems
from move37.types import FinishReason, Outcome, Problem, Sample, Verdict
from move37.verification import VerifierPool, validate
from move37.verifiers.countdown import CountdownVerifier

pytestmark = pytest.mark.usefixtures("kept_workers")

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "studies" / "countdown-pretraining.toml"
EXAMPLE = Puzzle((7, 2, 4, 11), 11)


def problems(benchmark: str = "countdown", **keys: Any) -> tuple[Problem, ...]:
    return load_problems([ProblemsConfig.model_validate({"benchmark": benchmark, **keys})])


# -- the rules ---------------------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_is_right() -> None:
    assert EXAMPLE.question == "7,2,4,11=11:"
    assert find_fault(EXAMPLE, "7+4=11;11*2=22;22-11=11") is None


@pytest.mark.parametrize(
    ("chain", "fault"),
    [
        ("11-4=7;7+4=11", Fault.NOT_AVAILABLE),  # the only 4 was used
        ("7+7=14;14-2=12", Fault.NOT_AVAILABLE),  # there is one 7
        ("7+4=11;11+2=13;13-2=11", Fault.NOT_AVAILABLE),  # the 2 was used
        ("5+6=11", Fault.NOT_AVAILABLE),
        ("7+4=12;12-2=10", Fault.ARITHMETIC),
        ("2-7=5;4+7=11", Fault.ARITHMETIC),  # 2 - 7 is -5
        ("7*11=77;77*2=154", Fault.OUT_OF_RANGE),
        ("7+4=11;11-11=0", Fault.OUT_OF_RANGE),  # two 11s are there by then, and 0 is below 1
        ("7+4=11;11-2=9", Fault.TARGET),
        ("7+4=11;11*2=22", Fault.TARGET),  # 11 was passed on the way, 22 is where it ends
    ],
)
def test_the_first_breach_of_the_rules_is_named(chain: str, fault: Fault) -> None:
    assert find_chain(chain) == chain
    assert find_fault(EXAMPLE, chain) is fault


@pytest.mark.parametrize("chain", ["7+4=11", "4+7=11", "7*2=14;14+4=18;18-7=11"])
def test_numbers_may_be_left_over_but_not_taken_twice(chain: str) -> None:
    # The third takes 7 again after 7*2.
    assert find_fault(EXAMPLE, chain) == (Fault.NOT_AVAILABLE if chain.startswith("7*2") else None)


@pytest.mark.parametrize(
    ("text", "chain"),
    [
        ("7+4=11$", "7+4=11"),
        (" 7+4=11 $\n", "7+4=11"),
        ("7+4=11;11*2=22", "7+4=11;11*2=22"),
        ("7+4=11;", None),
        ("7+4=11$7", None),
        ("7 + 4 = 11", None),
        ("07+4=11", None),
        ("7+4", None),
        ("7/1=7", None),
        ("7-8=-1", None),
        ("٧+4=11", None),  # an Arabic seven
        ("the answer is 7+4=11", None),
        ("$", None),
        ("", None),
    ],
)
def test_a_response_is_a_chain_and_nothing_else_or_no_answer(text: str, chain: str | None) -> None:
    assert find_chain(text) == chain


@pytest.mark.parametrize(("numbers", "target"), [((3, 0), 3), ((3, 4), 100), ((3, 4), 0), ((), 5)])
def test_a_puzzle_outside_the_rules_is_refused(numbers: tuple[int, ...], target: int) -> None:
    with pytest.raises(ValueError, match="a countdown puzzle has numbers from 1 on and a target in 1..99, not"):
        Puzzle(numbers, target)


def test_forward_play_takes_every_allowed_move_equally_often() -> None:
    # Of 2 and 3: 2+3, 3+2, 2*3, 3*2 and 3-2; 2-3 would be -1. So each has probability 1/5. Standard deviation of a
    # count among 5000: sqrt(5000 / 5 * 4 / 5) = 28.3; beyond 5.5 of them with probability 4e-8, five counts 2e-7.
    rng = Random(0)
    played = [play((2, 3), rng) for _ in range(5000)]
    counts = Counter(step[0] for step in played if step is not None)
    assert set(counts) == {"2+3=5", "3+2=5", "2*3=6", "3*2=6", "3-2=1"}
    assert all(abs(count - 1000) < 5.5 * 28.3 for count in counts.values())


def test_a_play_that_gets_stuck_is_no_puzzle() -> None:
    assert play((50, 50), Random(0)) is None  # 100, 0 and 2500 are all outside 1..99


@pytest.mark.parametrize("tier", TIERS)
def test_every_play_is_right_and_ends_at_the_target(tier: str) -> None:
    for puzzle, chain in islice(plays(TIERS[tier], Split.TRAINING, Random(1)), 50):
        assert len(puzzle.numbers) == TIERS[tier].numbers
        assert all(1 <= number <= 12 for number in puzzle.numbers)
        assert find_chain(chain) == chain
        assert find_fault(puzzle, chain) is None
        assert chain.count("=") == TIERS[tier].numbers - 1


def test_the_two_halves_are_told_by_content_in_any_order() -> None:
    made = list(islice(plays(Tier(4), Split.EVALUATION, Random(2)), 100))
    for puzzle, _ in made:
        assert {Puzzle(order, puzzle.target).split for order in permutations(puzzle.numbers)} == {Split.EVALUATION}
    # One in 8 belongs to the evaluation half.
    every = [Puzzle((a, b), t).split for a in range(1, 13) for b in range(a, 13) for t in range(1, 100)]
    # 78 pairs * 99 targets = 7722 puzzles, 965 expected, standard deviation sqrt(7722 * 7) / 8 = 29.
    assert abs(every.count(Split.EVALUATION) - 965) < 5 * 29


# -- the oracle --------------------------------------------------------------------------------------------------


def chains_by_brute_force(puzzle: Puzzle) -> set[str]:
    """Every text over all positions and operators that the checker accepts: nothing is shared with the oracle."""
    right: set[str] = set()

    def extend(available: list[int], steps: list[str]) -> None:
        for i, j in permutations(range(len(available)), 2):
            for operator, result in zip(
                "+-*",
                (available[i] + available[j], available[i] - available[j], available[i] * available[j]),
                strict=True,
            ):
                chain = [*steps, f"{available[i]}{operator}{available[j]}={result}"]
                if find_chain(";".join(chain)) and find_fault(puzzle, ";".join(chain)) is None:
                    right.add(";".join(chain))
                extend([n for k, n in enumerate(available) if k not in (i, j)] + [result], chain)

    extend(list(puzzle.numbers), [])
    return right


@pytest.mark.parametrize(
    ("puzzle", "chains"),
    [
        (Puzzle((3, 5), 15), ["3*5=15", "5*3=15"]),
        (Puzzle((3, 5), 2), ["5-3=2"]),
        (Puzzle((4, 4), 8), ["4+4=8"]),
        # One step: 2*3 in two orders. Two steps: after 1*2, 1*3, 2*3, 1+3 or 2+3 (two orders each) a last step in
        # two orders, 5 * 4 = 20; after 1+2 (two orders) only 3+3, whose two orders are one text: 2. Together 24.
        (
            Puzzle((1, 2, 3), 6),
            ["2*3=6", "3*2=6"]
            + [f"{a};{b}" for a in ("1*2=2", "2*1=2") for b in ("2*3=6", "3*2=6")]
            + [f"{a};{b}" for a in ("1*3=3", "3*1=3") for b in ("2*3=6", "3*2=6")]
            + [f"{a};{b}" for a in ("2*3=6", "3*2=6") for b in ("1*6=6", "6*1=6")]
            + [f"{a};3+3=6" for a in ("1+2=3", "2+1=3")]
            + [f"{a};{b}" for a in ("1+3=4", "3+1=4") for b in ("2+4=6", "4+2=6")]
            + [f"{a};{b}" for a in ("2+3=5", "3+2=5") for b in ("1+5=6", "5+1=6")],
        ),
        (Puzzle((1, 1), 50), []),
    ],
)
def test_the_oracle_lists_the_right_chains_of_a_small_puzzle(puzzle: Puzzle, chains: list[str]) -> None:
    oracle = Oracle(puzzle)
    assert sorted(oracle.chains()) == sorted(chains)
    assert oracle.count() == len(chains)


def test_the_oracle_knows_every_chain_that_the_checker_accepts_and_no_other() -> None:
    made = [
        *islice(plays(Tier(3), Split.TRAINING, Random(3)), 20),
        *islice(plays(Tier(4), Split.TRAINING, Random(3)), 3),
    ]
    for puzzle, chain in [*made, (Puzzle((6, 6, 6, 6), 24), "6+6=12;6+6=12;12+12=24")]:
        listed = list(Oracle(puzzle).chains())
        assert chain in listed
        assert len(listed) == len(set(listed)) == Oracle(puzzle).count()
        assert set(listed) == chains_by_brute_force(puzzle)


@pytest.mark.parametrize(
    ("puzzle", "steps"),
    [
        (Puzzle((1, 2, 3), 6), 1),  # 2*3
        (Puzzle((1, 2, 3), 9), 2),  # 1+2=3; 3*3=9
        (Puzzle((1, 1, 1, 1), 4), 3),  # only all four ones make 4, as 1+1=2; 1+1=2; 2+2=4
        (Puzzle((1, 1, 1), 4), None),
    ],
)
def test_the_shortest_right_chain_has_so_many_steps(puzzle: Puzzle, steps: int | None) -> None:
    assert Oracle(puzzle).fewest_steps() == steps
    lengths = [chain.count("=") for chain in Oracle(puzzle).chains()]
    assert min(lengths, default=None) == steps


def test_the_oracle_draws_all_right_chains_equally_often() -> None:
    oracle, rng = Oracle(Puzzle((1, 2, 3), 6)), Random(4)
    every = list(oracle.chains())
    draws = 500 * len(every)
    counts = Counter(oracle.draw(rng) for _ in range(draws))
    assert set(counts) == set(every)
    # Binomial with mean 500 and standard deviation below sqrt(500) = 22.4; 5.5 of them: 4e-8 for each chain.
    assert all(abs(count - 500) < 5.5 * 22.4 for count in counts.values())


def test_the_oracle_says_when_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="1,1=50: has no solution"):
        Oracle(Puzzle((1, 1), 50)).draw(Random(0))


# -- problems ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
def test_a_problem_carries_its_puzzle_its_tier_and_how_many_steps_it_needs(tier: str) -> None:
    for problem in problems(f"countdown:{tier}", size=25, seed=5):
        puzzle = Puzzle.of(problem.metadata)
        assert (problem.question, problem.benchmark, problem.verifier) == (puzzle.question, "countdown", "countdown")
        assert json.loads(json.dumps(problem.metadata)) == problem.metadata
        steps = min(chain.count("=") for chain in islice(Oracle(puzzle).chains(), 1_000_000))
        assert problem.tags == {"tier": tier, "split": "evaluation", "steps": str(steps)}
        assert steps >= TIERS[tier].fewest_steps


@pytest.mark.parametrize(
    ("tier", "question", "chain"),
    [
        ("in-pretraining", "9,9,2,4=27:", "2+4=6;9-6=3;3*9=27"),
        ("edge", "10,1,2,9,9=78:", "1+9=10;10*9=90;2+10=12;90-12=78"),
        ("beyond", "4,7,12,6,10,7=99:", "7+12=19;19+4=23;10*7=70;23+70=93;93+6=99"),
    ],
)
def test_the_first_problem_of_seed_0_stays_what_it_is_on_every_python(tier: str, question: str, chain: str) -> None:
    [problem] = problems(f"countdown:{tier}", size=1)
    assert (problem.question, problem.references) == (question, (chain,))


@pytest.mark.slow
def test_every_reference_passes_the_verifier() -> None:
    made = [problem for tier in TIERS for problem in problems(f"countdown:{tier}", size=20)]
    assert validate(made) == []


def test_problems_depend_on_the_seed_alone_and_more_of_them_begin_with_the_same() -> None:
    few, many = problems(size=10, seed=3), problems(size=40, seed=3)
    assert many[:10] == few == problems("countdown:in-pretraining", size=10, seed=3)
    assert problems(size=10, seed=4) != few


@pytest.mark.slow
def test_what_is_trained_on_is_never_evaluated_whatever_the_seeds() -> None:
    def contents(split: str, seed: int) -> set[tuple[tuple[int, ...], int]]:
        made = problems(size=400, seed=seed, options={"split": split})
        assert len({p.id for p in made}) == 400
        found = {(Puzzle.of(p.metadata).available, p.metadata["target"]) for p in made}
        assert len(found) == 400  # not even a permutation comes twice
        return found

    training = contents("training", 0) | contents("training", 1)
    evaluation = contents("evaluation", 0) | contents("evaluation", 1)
    assert not training & evaluation
    # Two seeds of one half do meet now and then: the ids are by content, so a study would notice.
    assert {p.id for p in problems(size=400)} & {p.id for p in problems(size=800)} == {p.id for p in problems(size=400)}


@pytest.fixture(scope="module")
def pairs() -> list[Puzzle]:
    """All evaluation puzzles of two numbers, as the generator finds them."""
    return [puzzle for puzzle, _ in distinct_plays(Tier(2), Split.EVALUATION, Random(0))]


@pytest.mark.slow
def test_distinct_puzzles_end_when_there_are_no_more(pairs: list[Puzzle]) -> None:
    # Two numbers have one step: all results in 1..99 of a+b, a*b and |a-b|, the evaluation half of them.
    every = {
        (tuple(sorted(pair)), result)
        for pair in product(range(1, 13), repeat=2)
        for result in (pair[0] + pair[1], pair[0] * pair[1], abs(pair[0] - pair[1]))
        if 1 <= result <= 99 and Puzzle(pair, result).split is Split.EVALUATION
    }
    # The rarest has probability 1/144 * 1/6 a play before halving; 20,000 plays miss it with probability e^-23.
    assert {(puzzle.available, puzzle.target) for puzzle in pairs} == every
    assert len(pairs) == len(every)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "kind", "message"),
    [
        (
            {"benchmark": "countdown:hard"},
            UnknownNameError,
            f"unknown countdown tier 'hard' (known: {', '.join(TIERS)})",
        ),
        (
            {"options": {"tier": "edge"}},
            ConfigError,
            "problems.options.tier: countdown has no such option (known: split)",
        ),
        (
            {"options": {"split": "test"}},
            ConfigError,
            "problems.options.split: 'test' is neither 'training' nor 'evaluation'",
        ),
        ({"path": "x"}, ConfigError, "path: countdown problems are generated, not read"),
        (
            {"benchmark": "countdown:pairs", "size": 100_000},
            InputError,
            "problems.size: countdown:pairs has only about {count} different evaluation problems; ask for fewer",
        ),
    ],
)
def test_bad_usage_is_one_line(
    keys: dict[str, Any],
    kind: type[Move37Error],
    message: str,
    pairs: list[Puzzle],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from move37.config import parse_study

    if keys.get("benchmark") == "countdown:pairs":  # a tier small enough to be used up
        monkeypatch.setitem(countdown.TIERS, "pairs", Tier(2))  # type: ignore[arg-type]
        message = message.format(count=len(pairs))
    with pytest.raises(kind) as caught:
        load_problems(parse_study({"name": "s", "problems": {"benchmark": "countdown", **keys}}).problems)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_problem_without_a_puzzle_is_unscored() -> None:
    asked = Problem("made-up/1", "2+2", ("4",), "made-up", "countdown")
    assert CountdownVerifier().verify(asked, "2+2=4") == Verdict(
        Outcome.UNSCORED, "no numbers and target in the problem"
    )


# -- the teacher -------------------------------------------------------------------------------------------------


def test_the_teachers_samples_are_right_varied_and_repeatable() -> None:
    asked = problems(size=20, seed=6, options={"split": "training"})
    taught = list(teach(asked, chains=8, seed=1))
    assert [(s.problem_id, s.index) for s in taught] == [(p.id, i) for p in asked for i in range(8)]
    assert taught == list(teach(asked, chains=8, seed=1)) != list(teach(asked, chains=8, seed=2))
    by_id = {problem.id: problem for problem in asked}
    with VerifierPool() as pool:
        verdicts = dict(pool.verify(CountdownVerifier(), ((by_id[s.problem_id], s.text, s) for s in taught)))
    assert {verdict.outcome for verdict in verdicts.values()} == {Outcome.CORRECT}
    assert {sample.finish_reason for sample in taught} == {FinishReason.STOP}
    # The least number of chains of these 20 problems is above 1, and most have dozens.
    assert len({(s.problem_id, s.text) for s in taught}) > 100


def test_lessons_are_right_chains_of_the_training_half(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lessons.jsonl"
    teacher.main(["--tier", "edge", "--problems", "5", "--chains", "3", "--seed", "2", "--out", str(path)])
    assert capsys.readouterr().out == f"15 right chains for 5 problems written to {path}\n"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    asked = problems("countdown:edge", size=5, seed=2, options={"split": "training"})
    assert [row["question"] for row in rows] == [problem.question for problem in asked for _ in range(3)]
    puzzles = {problem.question: Puzzle.of(problem.metadata) for problem in asked}
    assert {find_fault(puzzles[row["question"]], row["response"]) for row in rows} == {None}


def test_an_unknown_tier_ends_the_teachers_command_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        teacher.main(["--tier", "hard", "--out", str(tmp_path / "lessons.jsonl")])
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"unknown countdown tier 'hard' (known: {', '.join(TIERS)})\n"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "a/1: no countdown problem (numbers and target are missing in its metadata)"),
        ({"numbers": [1, 1], "target": 50}, "a/1: 1,1=50: has no solution, so there is nothing to teach"),
    ],
)
def test_what_cannot_be_taught_is_refused(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        list(teach([Problem("a/1", "1,1=50:", (), "a", "countdown", metadata=metadata)], chains=1))
    assert str(caught.value) == message


# -- the tokenizer and the pretraining ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """As another program would load it: from its folder."""
    pytest.importorskip("transformers", reason="the [local] extra is not installed")
    from transformers import AutoTokenizer

    from move37.lab.tokenizer import make_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    make_tokenizer(128).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def test_every_character_is_one_token_and_the_end_mark_ends(tokenizer: Any) -> None:
    text = "12,3=15:12+3=15$"
    tokens = tokenizer(text)["input_ids"]
    assert len(tokens) == len(text) == 16
    assert tokens[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(tokens) == text
    assert tokenizer.decode(tokens, skip_special_tokens=True) == text[:-1]
    assert len(tokenizer) == 20  # ten digits, three operators, "=;,:", and <pad>, $, <unk>


def test_prompt_and_response_are_the_same_tokens_apart_and_together(tokenizer: Any) -> None:
    prompt, response = "12,3=15:", "12+3=15$"
    apart = tokenizer(prompt)["input_ids"] + tokenizer(response)["input_ids"]
    assert apart == tokenizer(prompt + response)["input_ids"]


def test_a_character_of_no_world_does_not_vanish(tokenizer: Any) -> None:
    assert tokenizer("1 a2")["input_ids"].count(tokenizer.unk_token_id) == 2


TINY = {"width": 16, "layers": 1, "heads": 2, "feed_forward": 16, "batch_size": 8, "rows": 3, "steps": 6}


def recipe(**changes: Any) -> Any:
    pytest.importorskip("transformers", reason="the [local] extra is not installed")
    from move37.lab.pretraining import PretrainingConfig

    return PretrainingConfig.model_validate({**TINY, "save_every": 2, **changes})


def test_pretraining_texts_are_right_chains_of_the_training_half_new_at_every_step() -> None:
    from move37.lab.pretraining import pretraining_texts

    texts = [text for step in range(20) for text in pretraining_texts(recipe(), step)]
    assert len(set(texts)) == len(texts) == 160
    for question, chain in texts:
        numbers, target = question.removesuffix(":").split("=")
        puzzle = Puzzle(tuple(map(int, numbers.split(","))), int(target))
        assert chain.endswith("$")
        assert find_fault(puzzle, chain.removesuffix("$")) is None
        assert puzzle.split is Split.TRAINING


def test_a_mixture_has_its_share_of_texts_of_the_other_tier() -> None:
    from move37.lab.pretraining import pretraining_texts

    mixed = recipe(mixture={"edge": 0.25, "six": 0.05}, batch_size=500)
    texts = [text for step in range(8) for text in pretraining_texts(mixed, step)]
    numbers = Counter(question.count(",") + 1 for question, _ in texts)
    assert set(numbers) == {4, 5, 6}
    # 4,000 texts: the standard deviations of the counts are 27.4 and 13.8.
    assert abs(numbers[5] - 1000) < 4 * 27.4
    assert abs(numbers[6] - 200) < 4 * 13.8


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero_as_a_cosine() -> None:
    pytest.importorskip("torch", reason="the [local] extra is not installed")
    from move37.lab.pretraining_loop import learning_rate

    plan = recipe(steps=1000, warmup_steps=100, peak_learning_rate=0.002)
    # 1/100 of the peak; the peak; half way down the cosine (step 550 of 100..1000); a quarter: (1 + cos 45°) / 2.
    expected = {0: 0.00002, 99: 0.002, 100: 0.002, 550: 0.001, 325: 0.002 * (1 + 0.5**0.5) / 2, 1000: 0.0}
    assert {step: learning_rate(plan, step, 1000) for step in expected} == pytest.approx(expected, abs=1e-12)


def test_the_gradient_is_of_the_mean_over_the_chains_tokens_however_many_rows_go_together(tokenizer: Any) -> None:
    import torch

    from move37.lab.pretraining import accumulate, encode, make_model

    texts = [("1,2=3:", "1+2=3$"), ("12,11=1:", "12-11=1$"), ("3,3=9:", "3*3=9$")]
    tokens, learned = encode(tokenizer, texts)
    assert learned.sum(1).tolist() == [6, 8, 6]  # the chains with their end mark
    gradients, losses = [], []
    for rows in (1, 2, 3):
        model = make_model(recipe())
        weights: list[Any] = list(model.parameters())
        losses.append(accumulate(model, tokens, learned, rows))
        gradients.append(torch.cat([weight.grad.flatten() for weight in weights]))
    # By hand, text by text and without padding: minus the log-probabilities of the 20 tokens, over 20.
    total = 0.0
    for question, chain in texts:
        ids = torch.tensor([tokenizer(question + chain)["input_ids"]])
        logprobs = make_model(recipe())(input_ids=ids).logits[0].log_softmax(-1).detach()
        total -= sum(float(logprobs[t - 1, ids[0, t]]) for t in range(len(question), ids.shape[1]))
    assert losses == pytest.approx([total / 20] * 3, rel=1e-5)
    for other in gradients[1:]:
        assert torch.allclose(other, gradients[0], rtol=1e-4, atol=1e-7)


class PlugPulledError(Exception):
    """Somebody pulled the plug."""


def test_a_pretraining_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    plan = recipe()
    from move37.lab.pretraining import pretrain

    def stop(step: int, loss: float) -> None:
        if step == 5:
            raise PlugPulledError

    whole: list[float] = []
    pretrain(plan, tmp_path / "whole", lambda step, loss: whole.append(loss))
    with pytest.raises(PlugPulledError):
        pretrain(plan, tmp_path / "stopped", stop)
    assert not (tmp_path / "stopped" / "model.safetensors").exists()
    rest: list[float] = []
    pretrain(plan, tmp_path / "stopped", lambda step, loss: rest.append(loss))
    assert rest == whole[4:]  # the state of step 4 was the last one that was kept
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "stopped")]
    assert weights[0] == weights[1]


def test_a_state_of_another_recipe_is_not_mixed_in(tmp_path: Path) -> None:
    plan = recipe()
    from move37.lab.pretraining import pretrain

    pretrain(plan, tmp_path)
    with pytest.raises(ConfigError) as caught:
        pretrain(recipe(seed=1), tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'pretraining-state.pt'}: the state of another recipe; give another --out, or remove the file "
        "to start anew"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "recipe.toml: no such recipe"),
        ("steps = [", "recipe.toml: not valid TOML: "),
        ("step = 5", "recipe.toml: step: unknown key; did you mean 'steps'?"),
        ("steps = 0", "recipe.toml: steps: input should be greater than or equal to 1 (given: 0)"),
        ("tier = 'hard'", f"tier: unknown countdown tier 'hard' (known: {', '.join(TIERS)})"),
        ("mixture.hard = 0.1", f"mixture: unknown countdown tier 'hard' (known: {', '.join(TIERS)})"),
        ("mixture.edge = 0", "mixture.edge: input should be greater than 0 (given: 0)"),
        ("mixture.edge = 1", "mixture: shares of other tiers that leave some of the texts to 'in-pretraining'"),
        ("mixture.in-pretraining = 0.1", "mixture: shares of other tiers that leave"),
        ("heads = 3", "heads: 3 heads do not divide the width of 128 into even parts"),
        ("width = 12\nheads = 4", "heads: 4 heads do not divide the width of 12 into even parts"),
        # Six numbers take at least 14 characters, five steps at least 29: no text fits into 32.
        ("tier = 'beyond'\ncontext = 32\nbatch_size = 4\nlayers = 1", "context: a text of tier 'beyond' has"),
    ],
)
def test_a_bad_recipe_ends_the_command_with_one_line(
    tmp_path: Path, text: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe()
    from move37.lab.pretraining import main

    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SystemExit) as caught:
        main([str(path), "--out", str(tmp_path / "out")])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


# -- the shipped base --------------------------------------------------------------------------------------------


def test_the_shipped_base_was_made_by_the_recipe_of_the_repository() -> None:
    recipe()
    from move37.lab.pretraining import PretrainingConfig, load_recipe

    folder = checkpoint_folder("countdown-base")
    assert PretrainingConfig.model_validate_json((folder / "recipe.json").read_text()) == load_recipe(RECIPE)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000_000


def test_only_shipped_checkpoints_have_a_folder() -> None:
    assert shipped_checkpoints() == (
        "calculator-base",
        "countdown-base",
        "parity-base",
        "paths-base",
        "two-strategies-base",
        "visual-countdown-base",
    )
    with pytest.raises(InputError) as caught:
        checkpoint_folder("countdown-rl")
    known = "calculator-base, countdown-base, parity-base, paths-base, two-strategies-base, visual-countdown-base"
    assert str(caught.value) == f"no shipped checkpoint 'countdown-rl' (known: {known})"


def test_rules_and_teacher_need_no_torch() -> None:
    program = "import sys, move37.lab.countdown, move37.benchmarks.countdown; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"


@pytest.fixture(scope="module")
def base() -> Any:
    recipe()
    from move37.engines import ENGINES

    return ENGINES.load("transformers").load(
        from_options(ModelConfig, path=str(checkpoint_folder("countdown-base")), options={"threads": 1})
    )


def judged(engine: Any, tier: str, size: int, n: int) -> list[tuple[Sample, Verdict]]:
    """The engine's samples at temperature 1 with their verdicts, along the path of any study."""
    from move37.prompting import TEMPLATES, render_prompt
    from move37.rollouts import Room, check_room, owed_requests, roll_out

    asked = {problem.id: problem for problem in problems(f"countdown:{tier}", size=size, seed=7)}
    settings = from_options(SamplingConfig, n=n, temperature=1.0, top_p=1.0, max_new_tokens=48, template="completion")
    prompts = [render_prompt(problem, TEMPLATES["completion"]) for problem in asked.values()]
    check_room(engine, prompts, Room("sampling", settings.max_new_tokens), "base")
    requests = owed_requests(prompts, dict.fromkeys(asked, range(n)), 0, "base")
    samples = roll_out(lambda asked: engine.generate(asked, settings), requests, "base")
    with VerifierPool() as pool:
        return list(pool.verify(CountdownVerifier(), ((asked[s.problem_id], s.text, s) for s in samples)))


@pytest.mark.slow
def test_the_shipped_base_has_wide_support_and_low_accuracy_on_puzzles_it_never_saw(base: Any) -> None:
    assert int(base.identity()["parameters"]) < 1_000_000
    verdicts = judged(base, "in-pretraining", size=40, n=16)
    right = [sample for sample, verdict in verdicts if verdict.outcome is Outcome.CORRECT]
    assert {verdict.outcome for _, verdict in verdicts} == {Outcome.CORRECT, Outcome.INCORRECT}
    assert {sample.finish_reason for sample, _ in verdicts} == {FinishReason.STOP}
    # Over 150 problems pass@1 was .186; over 40 its standard error is about .03.
    assert 0.08 < len(right) / len(verdicts) < 0.29
    # With 16 tries .775 of 150 problems were solved; over 40 the standard error is below .07.
    assert len({sample.problem_id for sample in right}) / 40 > 0.5
    assert len({(s.problem_id, s.text) for s in right}) > 0.5 * len(right)  # many chains, not one again and again


@pytest.mark.slow
def test_what_needs_four_steps_is_beyond_the_shipped_base_which_writes_three(base: Any) -> None:
    verdicts = judged(base, "beyond", size=20, n=16)
    assert {verdict.outcome for _, verdict in verdicts} == {Outcome.INCORRECT}
    assert sum(sample.text.count("=") == 3 for sample, _ in verdicts) > 0.95 * len(verdicts)


def test_the_grpo_recipe_trains_the_shipped_base_on_problems_that_its_evaluation_never_asks() -> None:
    recipe()
    from move37.training.recipe import load_recipe

    plan = load_recipe(ROOT / "studies" / "countdown-grpo.toml")
    assert Path(plan.model.path) == checkpoint_folder("countdown-base")
    trained, evaluated = (
        {problem.id for problem in load_problems(s)} for s in (plan.problems, plan.evaluation.problems)
    )
    assert (len(trained), len(evaluated), len(trained & evaluated)) == (2000, 50, 0)
