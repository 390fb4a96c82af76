"""The contract tests of `move37.testing`: every member of ours keeps them, and each finds what is not kept."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from move37.benchmarks import BENCHMARKS
from move37.config import ModelConfig, ProblemsConfig, SamplingConfig
from move37.engines.scripted import ScriptedEngine
from move37.importers import IMPORTERS
from move37.testing import check_algorithm, check_benchmark, check_engine, check_importer
from move37.training.algorithms import ALGORITHMS, AdvantageInputs, Advantages
from move37.types import FinishReason, Request, Sample

# ---- engines; that ours keep it is tests/test_engines.py's


class Twice(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        yield from super().generate(requests, sampling)
        yield from super().generate(requests[:1], sampling)


class Deaf(ScriptedEngine):
    """All randomness from nowhere."""

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        alike = [replace(request, seed=1) for request in requests]
        for sample, asked in zip(super().generate(alike, sampling), requests, strict=True):
            yield replace(sample, seed=asked.seed)


class Crowded(ScriptedEngine):
    """A sample depends on how many run beside it."""

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        for sample in super().generate(requests, sampling):
            yield replace(sample, text=f"{sample.text} {len(requests)}")


class Endless(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        yield from super().generate(requests, sampling.model_copy(update={"max_new_tokens": 400}))


class Overstepping(ScriptedEngine):
    """Stop strings stay in the text."""

    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        bare = [replace(request, prompt=replace(request.prompt, stop=())) for request in requests]
        yield from super().generate(bare, sampling)


class Forgetful(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        yield from super().generate(requests, sampling.model_copy(update={"keep_tokens": False}))


class Certain(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        for sample in super().generate(requests, sampling):
            yield replace(sample, logprob=0.5)


class Vague(ScriptedEngine):
    def generate(self, requests: Sequence[Request], sampling: SamplingConfig) -> Iterator[Sample]:
        for sample in super().generate(requests, sampling):
            yield replace(sample, finish_reason=FinishReason.UNKNOWN)


class Boastful(ScriptedEngine):
    seed_reproduces_sample = False

    def identity(self) -> dict[str, str]:
        return dict(super().identity()) | {"seeds": "reproduce"}


class Careless(ScriptedEngine):
    @classmethod
    def load(cls, model: ModelConfig) -> ScriptedEngine:
        return super().load(model.model_copy(update={"options": {}}))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Twice, "exactly one sample"),
        (Deaf, "another seed has to give other samples"),
        (Crowded, "another sample where others run beside it"),
        (Endless, "tokens, and at most 9 were asked for"),
        (Overstepping, "stands in a response"),
        (Forgetful, "no token ids and log-probabilities although keep_tokens asks"),
        (Certain, "the log-probability of .* is 0.5"),
        (Vague, "the finish reason of"),
        (Boastful, "has to be 'do not reproduce'"),
        (Careless, "an unknown option has to be refused"),
    ],
)
def test_an_engine_that_breaks_its_contract(kind: type[ScriptedEngine], said: str) -> None:
    engine = ScriptedEngine.load.__func__(kind, ModelConfig(path="x", options={"length": 12}))  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match=said):
        check_engine(engine)


# ---- algorithms


@pytest.mark.parametrize("name", ALGORITHMS.names)
def test_every_algorithm_keeps_its_contract(name: str) -> None:
    check_algorithm(ALGORITHMS.load(name))


def test_an_algorithm_keeps_it_under_its_options_too() -> None:
    check_algorithm(ALGORITHMS.load("reinforce_pp"), baseline=True)
    check_algorithm(ALGORITHMS.load("grpo"), scale="none")


class Plain:
    """The reward at every token of a response: correct, until `spoil` is given something to do."""

    class Options(ALGORITHMS.load("rloo").Options):
        spoil: str = ""

    needs = ALGORITHMS.load("rloo").needs
    loss_defaults: ClassVar[dict[str, Any]] = {}

    def __init__(self, options: Any) -> None:
        self._spoil = options.spoil

    def advantages(self, inputs: AdvantageInputs) -> Advantages:
        given = inputs.rewards_B[:, None] * inputs.mask_BT
        match self._spoil:
            case "off the mask":
                given = given + 1
            case "not finite":
                given = given / 0
            case "order":
                given = given * (1 + 0 * given).cumsum(0)
            case "groups":
                given = given * inputs.groups_B[:, None]
            case "in place":
                inputs.token_rewards_BT.add_(1)
            case "gradient":
                given = given.requires_grad_()
            case "returns":
                return Advantages(given, given)
            case "noise":
                assert inputs.values_BT is not None
                given = given + inputs.values_BT.sum(-1, keepdim=True) * inputs.mask_BT
            case "width":
                return Advantages(given[:, :3])
        return Advantages(given)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("off the mask", "have to be 0 off the mask"),
        ("not finite", "is not finite"),
        ("order", "depend on the order of the responses"),
        ("groups", "depend on the numbers of the groups"),
        ("in place", "token_rewards_BT was changed in place"),
        ("gradient", "has a gradient"),
        ("returns", "returns exactly where needs.critic"),
        ("noise", "depend on what stands off the mask"),
        ("width", r"has the shape \(8, 3\)"),
    ],
)
def test_an_algorithm_that_breaks_its_contract(spoil: str, said: str) -> None:
    check_algorithm(Plain)
    with pytest.raises(AssertionError, match=said):
        check_algorithm(Plain, spoil=spoil)


def test_loss_defaults_have_to_be_keys_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plain, "loss_defaults", {"clip_hi": 0.3})
    with pytest.raises(AssertionError, match="does not know: \\['clip_hi'\\]"):
        check_algorithm(Plain)


# ---- benchmarks


def rows(folder: Path) -> ProblemsConfig:
    path = folder / "sums.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i} + 1?", "answer": str(i + 1)}) + "\n" for i in range(3)))
    return ProblemsConfig(benchmark="jsonl", path=path)


@pytest.mark.slow
def test_benchmarks_of_ours_keep_their_contract(tmp_path: Path) -> None:
    check_benchmark(BENCHMARKS.load("jsonl"), rows(tmp_path))
    check_benchmark(BENCHMARKS.load("countdown"), ProblemsConfig(benchmark="countdown:edge", size=5))


class Sloppy:
    name, verifier = "sloppy", "math"
    expected_counts: ClassVar[dict[int, str]] = {}
    spoil: ClassVar[str] = ""
    loads = 0

    def load(self, source: ProblemsConfig) -> Any:
        if self.spoil == "missing path":
            assert source.path is not None
            folder = next(each for each in (source.path, *source.path.parents) if each.name.startswith("test_"))
            source = source.model_copy(update={"path": folder / "sums.jsonl"})
        first, *rest = BENCHMARKS.load("jsonl").load(source)
        type(self).loads += 1
        match self.spoil:
            case "ids":
                return first, replace(rest[0], id=first.id)
            case "again":
                return (replace(first, question=f"{self.loads}"), *rest)
            case "metadata":
                return (replace(first, metadata={"at": Path("x")}), *rest)
            case "tags":
                return (replace(first, tags={"level": 3}), *rest)  # type: ignore[dict-item]
            case "question":
                return (replace(first, question=" "), *rest)
        return (first, *rest)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("ids", "two problems have the id"),
        ("again", "other problems when it is loaded again"),
        ("metadata", "metadata has to be JSON values"),
        ("tags", "tags have to be texts"),
        ("question", "no question"),
        ("missing path", "a path that is not there has to be refused"),
        ("count", r"3 problems, and expected_counts has \[4\]"),
    ],
)
def test_a_benchmark_that_breaks_its_contract(
    spoil: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_benchmark(Sloppy, rows(tmp_path), references=False)
    monkeypatch.setattr(Sloppy, "spoil", spoil)
    monkeypatch.setattr(Sloppy, "expected_counts", {4: "the whole"} if spoil == "count" else {})
    with pytest.raises(AssertionError, match=said):
        check_benchmark(Sloppy, rows(tmp_path), references=False)


@pytest.mark.slow
def test_a_benchmark_whose_references_do_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_text(json.dumps({"question": "1 + 1?", "answer": "2"}) + "\n")
    source = ProblemsConfig(benchmark="jsonl", path=path, verifier="math")
    monkeypatch.setattr("move37.verifiers.math.MathVerifier.format_answer", lambda self, problem, reference: "3")
    with pytest.raises(AssertionError, match=r"1 references do not pass the verifier \(first: "):
        check_benchmark(BENCHMARKS.load("jsonl"), source)


# ---- importers


def test_importers_of_ours_keep_their_contract(tmp_path: Path) -> None:
    samples = [
        {
            "question": f"{i} + 1?",
            "answer": str(i + 1),
            "response": f"\\boxed{{{i + j}}}",
            "index": j,
            "correct": j == 1,
        }
        for i in range(3)
        for j in range(2)
    ]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
    check_importer(IMPORTERS.load("jsonl")(), tmp_path / "samples.jsonl")
    counts = [{"id": f"p{i}", "c": i, "n": 8} for i in range(3)]
    (tmp_path / "counts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in counts))
    check_importer(IMPORTERS.load("counts")(), tmp_path / "counts.jsonl")
