"""Tools: what a call gives, episodes of several turns, and that what a tool wrote is read and not learnt from."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest

from move37.config import anchored_name
from move37.engines import Completion
from move37.environments import ENVIRONMENTS
from move37.environments.calculator import Calculator
from move37.environments.tools import FAILED, ToolEnvironment, ToolError, tool_use
from move37.errors import ConfigError, InputError, MissingExtraError
from move37.rollouts import Where, roll_out
from move37.testing import check_environment
from move37.types import FinishReason, Prompt, Request, Sample, Segment
from tests.peer_environments import ROOT, interpreter, run_in

PROMPT = Prompt("p", "What is 12 times 7? ", ("\n",), "completion")


class Spelling(ToolEnvironment):
    """A tool that a random model calls often: at every "a" it gets a fixed text."""

    opens: ClassVar[str] = ""
    closes: ClassVar[str] = "a"
    most_calls: ClassVar[int] = 2

    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        called = sum(not segment.own for segment in sample.trajectory.segments)
        if called >= self.most_calls or sample.finish_reason is FinishReason.LENGTH:
            return None
        return (Segment("tool", "abc ", own=False),)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("12*7", "84"),
        (" 3*(4+5)/2 ", "13.5"),
        ("2**10 - 1", "1023"),
        ("-7 // 2", "-4"),
        ("1/3", "0.333333333333"),
        ("10**30", "1" + "0" * 30),
    ],
)
def test_the_calculator_calculates(expression: str, result: str) -> None:
    assert Calculator().call(expression) == result


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("1/0", "division by zero"),
        ("9**9**9", "too large"),
        ("(-8)**0.5", "no real number"),
        ("10.0**400", "too large"),
        ("import os", "no expression"),
        ("__import__('os')", "no expression"),
        ("x+1", "no expression"),
        ("True+1", "no expression"),
        ("", "no expression"),
        ("1+" * 400 + "1", "more than 500 characters"),
        ("(" * 240 + ")" * 240, "no expression"),
        ("1e999", "not finite"),
    ],
)
def test_what_the_calculator_cannot_do_it_says(expression: str, reason: str) -> None:
    with pytest.raises(ToolError, match=reason):
        Calculator().call(expression)


def said(text: str, finish: FinishReason = FinishReason.STOP, segments: Any = None) -> Sample:
    return Sample("p", 0, text, finish, 3, -1.0, 0, segments)


def result_of(tool: ToolEnvironment, text: str) -> Segment:
    added = tool.after(PROMPT, said(text))
    assert added is not None
    (result,) = added
    return result


def test_a_call_is_answered_and_everything_else_ends_the_episode() -> None:
    calculator = Calculator()
    answer = result_of(calculator, "I need <calc>12*7")
    assert (answer.role, answer.text, answer.own) == ("tool", "</calc><result>84</result>", False)
    failure = result_of(calculator, "<calc>12/0")
    assert (failure.role, failure.text) == (FAILED, "</calc><result>error: division by zero</result>")
    assert calculator.after(PROMPT, said("the answer is 84")) is None
    assert calculator.after(PROMPT, said("<calc>12*7", FinishReason.LENGTH)) is None
    turns = (Segment("assistant", "<calc>1"), answer) * calculator.most_calls
    assert calculator.after(PROMPT, said("<calc>1+1", segments=(*turns, Segment("assistant", "<calc>1+1")))) is None

    class Talkative(Calculator):
        most_characters = 5

        def call(self, argument: str) -> str:
            return "x" * 50

    assert result_of(Talkative(), "<calc>1").text == "</calc><result>xxxxx ...</result>"


@pytest.mark.parametrize("name", ["calculator"])
def test_tools_keep_the_contract(name: str) -> None:
    check_environment(ENVIRONMENTS.load(name)())


# ---- A calculator in the laptop world


def test_the_step_calculator_completes_steps_and_the_response_is_the_whole_chain() -> None:
    calculator = ENVIRONMENTS.load("step_calculator")()
    check_environment(calculator)
    assert calculator.after(PROMPT, said("7+4"))[0].text == "=11"
    assert calculator.after(PROMPT, said(";2-11"))[0].text == "=-9"
    for over in ("", "7+4;", ";7", "7+4=11"):
        assert calculator.after(PROMPT, said(over)) is None
    assert calculator.after(PROMPT, said("7+4", FinishReason.LENGTH)) is None
    seen: list[Request] = []

    def generate(asked: Sequence[Request]) -> Iterator[Sample]:
        for request in asked:
            seen.append(request)
            turn = ("7+4", ";11*2", "")[len(seen) - 1]
            yield Sample(request.prompt.problem_id, request.index, turn, FinishReason.STOP, 3, -1.0)

    (made,) = roll_out(generate, [Request(PROMPT, 0, 1)], "base", Where("step_calculator"))
    assert made.text == "7+4=11;11*2=22"
    assert seen[-1].prompt.text == PROMPT.text + "7+4=11;11*2=22"
    assert tool_use(made) == (3, 2, 0)


@pytest.mark.slow
def test_a_model_with_a_calculator_beside_the_same_without_and_what_the_report_says_of_it(tmp_path: Path) -> None:
    """The study of the tool world in small: pass@k with tools is a comparison of two models of one study."""
    pytest.importorskip("torch")
    from move37.config import parse_study
    from move37.countdown import Fault, Puzzle, find_chain, find_fault
    from move37.lab import checkpoint_folder
    from move37.pipeline import run_study
    from move37.store import RunStore

    base = {"path": str(checkpoint_folder("countdown-base")), "options": {"device": "cpu", "threads": 1}}
    study = parse_study(
        {
            "name": "tools",
            "problems": {"benchmark": "countdown:edge", "size": 4},
            "sampling": {"n": 8, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 48, "template": "completion"},
            "models": {"base": base, "with-calculator": base | {"environment": "step_calculator"}},
        }
    )
    done = run_study(study, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    puzzles = {problem.id: Puzzle.of(problem.metadata) for problem in store.problems()}
    faults: dict[str, list[Any]] = {"base": [], "with-calculator": []}
    for name, found in faults.items():
        for sample in store.samples(name).scan().collect().iter_rows(named=True):
            chain = find_chain(sample["text"])
            found.append(chain and find_fault(puzzles[sample["problem_id"]], chain))
    wrong = {name: found.count(Fault.ARITHMETIC) for name, found in faults.items()}
    assert wrong["with-calculator"] < wrong["base"]  # none but where the model writes on behind a result
    assert "with-calculator takes " in done.reported.report.read_text()
    (row,) = (done.reported.report.parent / "tables" / "tools.csv").read_text().splitlines()[1:]
    model, samples, turns, calls, failed, calling, *_ = row.split(",")
    assert (model, samples, failed, calling) == ("with-calculator", "32", "0.0", "1.0")
    assert 1 < float(calls) < float(turns) <= float(calls) + 1


# ---- Search over a local corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    rows = [{"title": "Neon", "text": "Neon boils at 27 kelvin. " + "It is a noble gas. " * 60}, {"text": "Tin melts."}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "deep" / "metals.md").write_text("Iron boils at 3134 kelvin.\n\nGold is\nyellow.\n")
    (folder / "picture.png").write_bytes(b"\x00")
    return folder


def test_a_search_gives_the_passages_that_fit_best(corpus: Path) -> None:
    made = ENVIRONMENTS.load(f"search:{corpus}")()
    check_environment(made)
    neon, iron = made.call(" boiling point of neon? boils ").split("\n")
    assert neon.startswith("Neon: Neon boils at 27 kelvin.")
    assert len(neon) == len("Neon: ") + 600 + len(" ...")
    assert iron == "metals: Iron boils at 3134 kelvin."
    assert made.call("YELLOW") == "metals: Gold is yellow."
    assert made.call('tin" OR gold NEAR(') == "Tin melts.\nmetals: Gold is yellow."  # words, not SQLite's own grammar
    assert made.call("argon") == "nothing was found"
    with pytest.raises(ToolError, match="no words"):
        made.call(" ?! ")
    assert result_of(made, "I look it up: <search>yellow").text == "</search><result>metals: Gold is yellow.</result>"


def test_another_corpus_is_another_environment(corpus: Path) -> None:
    name = f"search:{corpus}"
    before, made = ENVIRONMENTS.origin(name), ENVIRONMENTS.load(name)()
    (corpus / "more.txt").write_text("Argon boils at 87 kelvin.")
    assert ENVIRONMENTS.origin(name) != before
    assert made.call("argon") == "more: Argon boils at 87 kelvin."


def test_a_corpus_that_cannot_be_searched_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "fine"}\n{"question": "no text"}\n')
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "image.png").write_bytes(b"")
    for place, words in (
        ("bad.jsonl", "bad.jsonl: line 2: a passage is a row with a text"),
        ("empty.txt", "there is no passage in it"),
        ("image.png", "no file of passages there"),
        ("nowhere.txt", "no file of passages there"),
    ):
        with pytest.raises(InputError, match=words):
            ENVIRONMENTS.load(f"search:{tmp_path / place}")()
    with pytest.raises(InputError, match="say which file or folder it searches, as search:NAME"):
        ENVIRONMENTS.load("search")
    assert anchored_name("search:empty.txt", tmp_path, "rollout.environment") == f"search:{tmp_path / 'empty.txt'}"
    with pytest.raises(ConfigError, match=r"rollout.environment: no such file or folder: other.txt"):
        anchored_name("search:other.txt", tmp_path, "rollout.environment")


# ---- Environment packages of verifiers


def test_a_package_of_verifiers_needs_verifiers() -> None:
    if find_spec("verifiers") is not None:
        pytest.skip("verifiers is installed here")
    with pytest.raises(MissingExtraError, match="pip install 'verifiers<0.4'"):
        ENVIRONMENTS.load("verifiers:my-sums")()


@pytest.mark.peer
@pytest.mark.slow
def test_packages_of_verifiers_answer_by_name(tmp_path: Path) -> None:
    found = run_in("verifiers-0.3", "verifiers_tools.py", str(tmp_path))
    assert found["tools"]["use"] == [4, 3, 2]  # one without an argument and one that is no JSON fail
    assert "</tool_call>\n<tool_response>\n42\n</tool_response>\n" in found["tools"]["read"]
    assert found["tools"]["last"] == "42"
    assert found["chat"]["read"].endswith(
        "}</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\n42\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    # Its own data set says which number it thinks of, and its state is told anew at every turn.
    assert found["guess"]["read"].endswith("50\nguess 1: more\n90\nguess 2: less\n")
    assert found["guess"]["use"] == [3, 2, 0]
    assert found["missing"].startswith("environment 'verifiers:nowhere': Could not import 'nowhere'")


@pytest.mark.peer
@pytest.mark.slow
def test_verifiers_that_load_nothing_by_name_are_refused() -> None:
    code = "from move37.environments import ENVIRONMENTS; ENVIRONMENTS.load('verifiers:my-sums')()"
    done = subprocess.run(
        [str(interpreter("verifiers")), "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert "loads no environments by name any more" in done.stderr.splitlines()[-1]


def scripted(turns: Sequence[str], seen: list[Request]) -> Any:
    """A model that says these turns, whatever it is asked."""

    def generate(asked: Sequence[Request]) -> Iterator[Sample]:
        for request in asked:
            number = request.prompt.text.count("<result>")
            seen.append(request)
            yield Sample(request.prompt.problem_id, request.index, turns[number], FinishReason.STOP, 3, -1.0)

    return generate


def test_an_episode_with_a_calculator_stops_at_its_tags_and_is_counted() -> None:
    seen: list[Request] = []
    turns = ("<calc>12*7", "then <calc>84/0", "it is 84")
    (made,) = roll_out(scripted(turns, seen), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert {request.prompt.stop for request in seen} == {("\n", "</calc>")}
    assert seen[-1].prompt.text == (
        PROMPT.text
        + "<calc>12*7</calc><result>84</result>then <calc>84/0</calc><result>error: division by zero</result>"
    )
    assert (made.text, made.tokens, made.logprob) == ("it is 84", 9, -3.0)
    assert tool_use(made) == (3, 2, 1)


def test_an_episode_without_room_for_its_next_turn_ends_as_cut() -> None:
    where = Where("calculator", has_room=lambda prompt: len(prompt.text) < 60)
    turns = ("<calc>12*7", "then <calc>84+1", "it is 85")
    (made,) = roll_out(scripted(turns, []), [Request(PROMPT, 0, 1)], "base", where)
    assert made.finish_reason is FinishReason.LENGTH
    assert made.text == "then <calc>84+1"
    assert tool_use(made) == (2, 1, 0)


def test_turns_become_one_completion_whose_own_tokens_are_those_that_were_drawn() -> None:
    ids = {"<calc>1+1": (5, 6), "2": (7,)}

    def turn(prompt_ids: tuple[int, ...], text: str) -> Completion:
        logprobs = tuple(-0.5 * token for token in ids[text])
        return Completion(said(text), prompt_ids, ids[text], logprobs)

    def completions(second_prompt: tuple[int, ...]) -> Any:
        def generate(asked: Sequence[Request]) -> Iterator[Completion]:
            for request in asked:
                first = "<result>" not in request.prompt.text
                yield turn((1, 2), "<calc>1+1") if first else turn(second_prompt, "2")

        return generate

    (made,) = roll_out(completions((1, 2, 5, 6, 9, 9)), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert made.prompt_ids == (1, 2)
    assert made.token_ids == (5, 6, 9, 9, 7)
    assert made.own == (True, True, False, False, True)
    assert made.logprobs == (-2.5, -3.0, 0.0, 0.0, -3.5)
    assert made.sample.text == "2"
    (made,) = roll_out(completions((1, 2, 5, 9, 9)), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert (made.token_ids, made.own) == ((5, 9, 9, 7), (True, False, False, True))  # 6 was its end token
    # Read again, the first turn is cut into other tokens: they are attended to, and nothing is learnt from them.
    (made,) = roll_out(completions((1, 2, 4, 4, 4, 9)), [Request(PROMPT, 0, 1)], "base", Where("calculator"))
    assert made.own == (False, False, False, False, True)
    assert made.token_ids == (4, 4, 4, 9, 7)
    assert made.logprobs == (0.0, 0.0, 0.0, 0.0, -3.5)


@pytest.mark.slow
def test_the_gradient_of_episodes_is_that_of_the_models_own_tokens_read_with_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real model samples turns between which a tool writes; each episode is then read whole, plainly."""
    torch = pytest.importorskip("torch")
    from move37.training.loop import Trainer
    from move37.training.policy import Metrics
    from move37.training.recipe import parse_recipe
    from move37.training.records import Clock, Silent, sampling_figures
    from move37.verification import VerifierPool
    from tests.plain_training import gradient_held
    from tests.tiny_models import save_model

    monkeypatch.setitem(ENVIRONMENTS.table, "spelling", "tests.test_tools:Spelling")  # type: ignore[arg-type]
    rows = [{"question": f"say {letter}:", "answer": letter} for letter in "bcd"]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = parse_recipe(
        {
            "name": "tools",
            "algorithm": {"name": "weighted_reinforce"},
            "model": {"path": str(save_model(tmp_path / "m", initializer_range=0.1)), "device": "cpu", "threads": 1},
            "problems": {"benchmark": "jsonl", "path": str(tmp_path / "rows.jsonl"), "verifier": "exact"},
            "rollout": {
                "prompts": 3,
                "responses": 4,
                "max_new_tokens": 30,
                "template": "completion",
                "environment": "spelling",
            },
        }
    )
    with VerifierPool(asked.verification) as pool:
        trainer = Trainer(asked, tmp_path / "run", pool, Silent())
        rollouts = trainer._collect(Clock())
        update = trainer._credit(rollouts, {})
    assert update is not None
    figures = sampling_figures(rollouts.everything)
    assert 1 < figures["turns"] <= 3
    assert figures["tool_calls"] == pytest.approx(figures["turns"] - 1)
    policy, total, count, as_drawn = trainer.policy, torch.zeros(()), 0, []
    for row, rollout in enumerate(rollouts.kept):
        made, own = rollout.made, rollout.made.own or (True,) * len(rollout.made.token_ids)
        written = policy.tokenizer.decode([t for t, mine in zip(made.token_ids, own, strict=True) if not mine])
        # The tool's "a" is the model's own, which wrote it, unless its turn ended with an end token.
        as_drawn.append(written.replace("abc", "bc").replace(" ", "") == "bc" * (tool_use(made.sample).turns - 1))
        logits = policy.model(input_ids=torch.tensor([[*made.prompt_ids, *made.token_ids]])).logits
        every = logits[0, len(made.prompt_ids) - 1 : -1].log_softmax(-1)
        for place, (token, mine) in enumerate(zip(made.token_ids, own, strict=True)):
            if mine:
                assert float(every[place, token]) == pytest.approx(made.logprobs[place], abs=1e-4)
                total = total - float(update.advantages.advantages_BT[row, place]) * every[place, token]
                count += 1
    # A random model also draws special tokens within a turn, which no text keeps: such turns are not learnt from.
    assert any(as_drawn)
    parameters = [p for p in policy.model.parameters() if p.requires_grad]
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total / count, parameters)])
    policy.optimizer.zero_grad(set_to_none=True)
    policy.accumulate(update, torch.arange(len(update.batch)), Metrics(), is_first=True)
    assert float((gradient_held(policy) - expected).norm() / expected.norm()) < 1e-4


@pytest.mark.slow
def test_the_interpreter_runs_programs_in_the_sandbox() -> None:
    from move37.environments.python import Python

    python = Python()
    assert python.call("print(6*7)") == "42"
    with pytest.raises(ToolError, match="raised an exception"):
        python.call("1/0")
    with pytest.raises(ToolError, match="raised an exception"):
        python.call("import socket; socket.create_connection(('127.0.0.1', 9))")
