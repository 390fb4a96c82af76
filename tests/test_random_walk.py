"""A run folder under everything that a user may do to it, in random order, with a model that never repeats itself.

After each step either every verdict that counts is that of the text and of the reference that stand there, and the
analyses are those of a run made at once from the same samples, or a command refused in one line that names a key or a
file. `MOVE37_WALKS=300 pytest tests/test_random_walk.py` walks further than CI does.
"""

import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from move37 import imports, pipeline
from move37.config import ModelConfig, SamplingConfig, load_study
from move37.engines.scripted import Options, ScriptedEngine
from move37.errors import Move37Error
from move37.evidence import RunEvidence
from move37.files import read_json
from move37.schema import sample_rows, samples_of
from move37.store import ModelRecord, RunStore
from move37.types import FinishReason, Sample
from tests.studies import sums_study

pytestmark = pytest.mark.usefixtures("kept_workers")

WALKS, STEPS = int(os.environ.get("MOVE37_WALKS", "12")), 14
REFUSAL = re.compile(r".*(?:/|problems|models|sampling|analysis|verification|name).*")  # . is anything but a new line


class Killed(BaseException):
    """What ends a process in the middle of its work, as far as the code that is running can tell."""


class Restless(ScriptedEngine):
    """A fake whose texts are new each time, right half of the time, and which may be killed at its work."""

    random = random.Random(0)
    lives: int | None = None

    @classmethod
    def load(cls, model: ModelConfig) -> "Restless":
        return cls(model.path, Options())

    def generate(self, requests: Any, sampling: SamplingConfig) -> Iterator[Sample]:
        for request in requests:
            if Restless.lives is not None:
                Restless.lives -= 1
                if Restless.lives < 0:
                    raise Killed
            draw = self.random.random()
            right = self._part(request.prompt).answer if draw < 0.5 else str(-int(draw * 10))
            finish = FinishReason.LENGTH if draw > 0.9 else FinishReason.STOP
            text = f"{self.random.random()}: the answer is \\boxed{{{right}}}"
            yield Sample(request.prompt.problem_id, request.index, text, finish, 5, -1.0, request.seed)


class Walk:
    """A project with a study, a problem file and a run, and the steps that may be taken in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = Restless.random = random.Random(seed)
        self.base, self.moves = folder, 0
        self.project = folder / "project"
        self.project.mkdir()
        stop = self.random.choice(["{ successes = 0 }", "{ successes = 2, batch = 2 }"])
        sums_study(self.project, n=4, problems=4, verifier="exact", stop=stop)
        self.run = self.project / "run"
        self.said: list[str] = []
        self.checked: object = None
        """What the run held when it was last looked at."""

    def steps(self) -> list[Any]:
        often = [self.sample, self.sample, self.verify, self.report, self.whole_run]
        return [
            *often,
            self.sample_and_be_killed,
            self.lose_a_file,
            self.damage_a_file,
            self.follow_the_advice,
            self.edit_n,
            self.edit_problems,
            self.rename,
            self.regrade,
            self.pool,
        ]

    def take(self) -> None:
        step = self.random.choice(self.steps())
        try:
            step()
            self.said.append(step.__name__)
        except Move37Error as error:
            self.refused(step.__name__, error)
        self.check()

    # -- what a user does --------------------------------------------------------------------------------------------

    def _started(self) -> RunStore:
        return pipeline.start_run(load_study(self.project / "study.toml"), self.run)

    def sample(self) -> None:
        pipeline.sample_run(self._started(), verify=self.random.random() < 0.5)

    def whole_run(self) -> None:
        store = self._started()
        pipeline.sample_run(store, verify=True)
        pipeline.verify_run(store)
        pipeline.analyse_run(store)

    def sample_and_be_killed(self) -> None:
        Restless.lives = self.random.randrange(12)
        try:
            self.sample()
        except Killed:
            pass
        finally:
            Restless.lives = None

    def verify(self) -> None:
        pipeline.verify_run(RunStore.open(self.run))

    def regrade(self) -> None:
        pipeline.verify_run(RunStore.open(self.run), "numeric")
        pipeline.verify_run(RunStore.open(self.run))

    def report(self) -> None:
        pipeline.analyse_run(RunStore.open(self.run))

    def _files(self) -> list[Path]:
        return sorted(
            path for path in self.run.rglob("*") if path.is_file() and path.name not in (".lock", "config.json")
        )

    def lose_a_file(self) -> None:
        if files := self._files():
            self.random.choice(files).unlink()

    def damage_a_file(self) -> None:
        if files := self._files():
            path = self.random.choice(files)
            path.write_bytes(path.read_bytes()[: int(path.stat().st_size * self.random.random())])

    def follow_the_advice(self) -> None:
        """Move away what the last refusal named, if it told to."""
        told = [line for line in self.said if "move it away" in line]
        if told:
            path = Path(told[-1].split(": refused: ")[1].split(": ")[0])
            path.unlink(missing_ok=True)

    def edit_n(self) -> None:
        study = self.project / "study.toml"
        study.write_text(re.sub(r"(?m)^n = \d+", f"n = {self.random.choice([2, 4, 6])}", study.read_text()))

    def edit_problems(self) -> None:
        path = self.project / "sums.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        kind = self.random.choice(["add", "correct", "correct", "remove", "ask"])
        place = self.random.randrange(len(rows))
        if kind == "add":
            rows.append({"question": f"What is {self.random.randrange(99)} + 1000?", "answer": "5"})
        elif kind == "correct":
            rows[place]["answer"] = str(-self.random.randrange(9, 12)) if self.random.random() < 0.5 else "7"
        elif kind == "remove" and len(rows) > 1:
            del rows[place]
        else:
            rows[place]["question"] += " Say it."
        before = path.read_text()
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        if kind in ("remove", "ask"):  # refused: then the user puts it back
            try:
                self._started()
            except Move37Error:
                path.write_text(before)
                raise

    def rename(self) -> None:
        self.moves += 1
        if self.random.random() < 0.5:
            new = self.base / f"project {self.moves}"
            self.project.rename(new)
            self.run = new / self.run.name
            self.project = new
        elif self.run.exists():
            self.run = self.run.rename(self.project / f"run [{self.moves}]*")

    def pool(self) -> None:
        """With a run of the same study on another machine: what both have differs, and that is refused."""
        other = self.base / f"other {self.moves}"
        shutil.rmtree(other, ignore_errors=True)
        if self.random.random() < 0.5 and self.run.exists():
            shutil.copytree(self.run, other)
        else:
            pipeline.sample_run(pipeline.start_run(load_study(self.project / "study.toml"), other))
        imports.pool_runs(self.run, [other])

    # -- what must be true -------------------------------------------------------------------------------------------

    def check(self) -> None:
        if not (self.run / "config.json").exists() or self._content() == self.checked:
            return  # where the step was refused or did nothing, the same would be found again
        self.checked = self._content()
        try:
            store = RunStore.open(self.run)
            evidence = RunEvidence(store)
            for model in store.models():
                for label, rows in evidence.verdicts(model, ["problem_id", "index", "answer", "outcome", "truncated"]):
                    self._check_verdicts(store, model, label, evidence.collect(model, rows))
            found = self._analyses(store)
        except Move37Error as error:
            self.refused("report", error)
            return
        if not any("have no verdict yet" in warning for warning in found["warnings"]):  # then the report says so
            at_once = self._analyses(self._made_at_once(store))
            # Another grader may have looked at some samples only, and its agreement says at how many.
            assert without_agreements(found) == without_agreements(at_once), self.said

    def _content(self) -> object:
        """Whatever the analyses may be made of: every file but the log, and the analyses themselves."""
        made = ("analyses.json", "log.jsonl")
        files = [path for path in sorted(self.run.rglob("*")) if path.is_file() and path.name not in made]
        return [(str(path.relative_to(self.run)), path.read_bytes()) for path in files]

    def refused(self, step: str, error: Move37Error) -> None:
        """A refusal is one line that names a key or a file."""
        self.said.append(f"{step}: refused: {error}")
        assert REFUSAL.fullmatch(str(error)), str(error)

    def _check_verdicts(self, store: RunStore, model: str, label: str, rows: pl.DataFrame) -> None:
        samples = {(s.problem_id, s.index): s for s in samples_of(store.samples(model).read())}
        references = {problem.id: problem.references[0] for problem in store.problems()}
        for problem, index, answer, outcome, truncated in rows.rows():
            sample = samples[problem, index]
            (boxed,) = re.findall(r"\\boxed\{(.*?)\}", sample.text)
            assert answer == boxed, (self.said, label)
            assert (outcome == "correct") == (boxed == references[problem]), (self.said, label)
            assert truncated == (sample.finish_reason is FinishReason.LENGTH), (self.said, label)

    def _analyses(self, store: RunStore) -> Any:
        pipeline.analyse_run(store)
        return read_json(store.folder / "analyses.json")

    def _made_at_once(self, store: RunStore) -> RunStore:
        """A run of the same study with the same samples, that nothing ever happened to."""
        folder = self.base / "at once"
        shutil.rmtree(folder, ignore_errors=True)
        fresh = RunStore(folder)
        with fresh.writing():
            fresh.adopt(store.study())
            fresh.add_problems(store.problems())
            for model in store.models():
                fresh.record_model(model, ModelRecord({}, ()))
                samples = list(samples_of(store.samples(model).read()))
                fresh.samples(model).append(sample_rows(samples).collect())
        pipeline.verify_run(fresh)
        return fresh


def without_agreements(found: Any) -> Any:
    return {key: value for key, value in found.items() if key != "agreements"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(WALKS))
def test_whatever_is_done_to_a_run_it_tells_the_truth_or_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("move37.engines.scripted.ScriptedEngine", Restless)
    walk = Walk(tmp_path, seed)
    walk.whole_run()
    for _ in range(STEPS):
        walk.take()
