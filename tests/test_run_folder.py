"""The run folder does not lie: verdicts are of the text that stands there, runs known by what they were made from."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from move37 import imports, pipeline
from move37.config import ModelConfig, SamplingConfig, load_study
from move37.engines.scripted import Options, ScriptedEngine
from move37.errors import ConfigError, Move37Error, StoreError, UnknownNameError
from move37.evidence import RunEvidence
from move37.schema import samples_of
from move37.store import RunStore
from move37.types import FinishReason, Sample
from tests import studies
from tests.studies import judged_run

pytestmark = pytest.mark.usefixtures("kept_workers")


def sums_study(folder: Path, **settings: Any) -> Path:
    """A study of two scripted models on sums, judged by the verifier that is ready soonest."""
    return studies.sums_study(folder, verifier="exact", **settings)


class Moody(ScriptedEngine):
    """A fake that does not repeat itself: right at first, and wrong from the moment that `mood` says so."""

    mood = "right"
    draws = count()

    @classmethod
    def load(cls, model: ModelConfig) -> "Moody":
        return cls(model.path, Options())

    def generate(self, requests: Any, sampling: SamplingConfig) -> Iterator[Sample]:
        for request in requests:
            answer = self._part(request.prompt).answer if self.mood == "right" else "-1"
            text = f"Draft {next(self.draws)}: \\boxed{{{answer}}}"
            yield Sample(request.prompt.problem_id, request.index, text, FinishReason.STOP, 4, -1.0, request.seed)


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> type[Moody]:
    monkeypatch.setattr("move37.engines.scripted.ScriptedEngine", Moody)
    monkeypatch.setattr(Moody, "mood", "right")
    return Moody


def analyses(store: RunStore) -> Any:
    pipeline.analyse_run(store)
    return json.loads((store.folder / "analyses.json").read_text())


def right(store: RunStore, model: str = "base") -> int:
    return int(RunEvidence(RunStore.open(store.folder)).tally(model).correct.sum())  # type: ignore[union-attr]


def edited(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


class TestVerdictsAreOfTheTextThatStandsThere:
    @pytest.mark.slow
    @pytest.mark.parametrize("lost", ["deleted", "torn, then moved away as the message says"])
    @pytest.mark.parametrize("judged_at_once", [True, False])
    def test_samples_made_again_are_judged_again(
        self, tmp_path: Path, moody: type[Moody], lost: str, judged_at_once: bool
    ) -> None:
        store = judged_run(sums_study(tmp_path), tmp_path / "run")
        assert right(store) == 48
        (part,) = store.samples("base").files()
        if lost == "deleted":
            part.unlink()
        else:
            part.write_bytes(part.read_bytes()[:-40])
            with pytest.raises(StoreError, match="move it away and run again"):
                pipeline.sample_run(RunStore.open(store.folder))
            part.rename(tmp_path / "away.parquet")
        moody.mood = "wrong"
        again = pipeline.start_run(load_study(tmp_path / "study.toml"), store.folder)
        pipeline.sample_run(again, verify=judged_at_once)
        if not judged_at_once:
            with pytest.raises(Move37Error, match="has no verdicts yet; run `move37 verify"):
                pipeline.analyse_run(again)
            pipeline.verify_run(again)
        assert right(store) == 0
        assert right(store, "rl") == 48

    def test_texts_edited_in_place_are_judged_again(self, tmp_path: Path) -> None:
        store = judged_run(sums_study(tmp_path), tmp_path / "run")
        before = right(store, "rl")
        assert right(store) > 0
        for text in ("\\boxed{-1}", "\\boxed{-2}"):
            (part,) = store.samples("base").files()
            # As whoever edits a part does: the digests of the old texts stay.
            pl.read_parquet(part).with_columns(text=pl.lit(text)).write_parquet(part)
            again = RunStore.open(store.folder)
            with pytest.raises(Move37Error, match="has no verdicts yet; run `move37 verify"):
                pipeline.analyse_run(again)
            pipeline.verify_run(again)
            assert (right(store), right(store, "rl")) == (0, before)

    def test_samples_that_are_gone_count_no_longer(self, tmp_path: Path) -> None:
        store = judged_run(sums_study(tmp_path), tmp_path / "run")
        shutil.rmtree(store.folder / "samples" / "rl")
        assert RunStore.open(store.folder).models() == ("base",)

    @pytest.mark.slow
    def test_a_damaged_part_of_verdicts_is_moved_away_and_made_again(self, tmp_path: Path) -> None:
        store = judged_run(sums_study(tmp_path), tmp_path / "run")
        before = analyses(store)
        (part,) = (store.folder / "verdicts").glob("exact@*/base/*.parquet")
        part.write_bytes(part.read_bytes()[:100])
        with pytest.raises(StoreError, match="move it away and run again"):
            pipeline.analyse_run(RunStore.open(store.folder))
        part.unlink()
        pipeline.verify_run(RunStore.open(store.folder))
        assert analyses(RunStore.open(store.folder)) == before

    @pytest.mark.slow
    def test_a_run_that_lost_its_problems_is_given_them_again(self, tmp_path: Path) -> None:
        study = sums_study(tmp_path)
        store = judged_run(study, tmp_path / "run")
        before = analyses(store)
        (store.folder / "problems.parquet").unlink()
        with pytest.raises(StoreError, match=r"problems\.parquet: missing"):
            pipeline.analyse_run(RunStore.open(store.folder))
        assert analyses(pipeline.start_run(load_study(study), store.folder)) == before

    def test_tallies_need_not_look_twice(self, tmp_path: Path) -> None:
        store = judged_run(sums_study(tmp_path), tmp_path / "run")
        (label,) = store.labels("base")
        assert store._all_stand(label, "base")

    @pytest.mark.parametrize("damaged", ["{", "[]", '{"LABEL": 3}'])
    def test_a_damaged_note_of_what_was_looked_through_is_made_again(self, tmp_path: Path, damaged: str) -> None:
        store = judged_run(sums_study(tmp_path), tmp_path / "run")
        (label,), before = store.labels("base"), analyses(store)
        (store.folder / "verdicts" / "standing.json").write_text(damaged.replace("LABEL", label))
        again = RunStore.open(store.folder)
        assert not again._all_stand(label, "base")
        assert analyses(again) == before
        pipeline.verify_run(again)
        assert again._all_stand(label, "base")


class TestContentDecidesNotPaths:
    def test_a_renamed_project_goes_on(self, tmp_path: Path) -> None:
        (tmp_path / "here").mkdir()
        store = judged_run(sums_study(tmp_path / "here", n=4), tmp_path / "here" / "run")
        before = store.samples("base").read().sort("problem_id", "index")
        (tmp_path / "here").rename(tmp_path / "there")
        edited(tmp_path / "there" / "study.toml", ("n = 4", "n = 6"))
        run = tmp_path / "there" / "run"
        done = pipeline.sample_run(pipeline.start_run(load_study(tmp_path / "there" / "study.toml"), run))
        assert done.sampled == {"base": 12, "rl": 12}
        after = RunStore.open(run).samples("base").read().sort("problem_id", "index")
        assert after.join(before, on=["problem_id", "index"], how="semi").equals(before)

    @pytest.mark.slow
    def test_runs_of_one_study_made_in_two_folders_are_pooled(self, tmp_path: Path) -> None:
        runs = []
        for place, model in (("one", "base"), ("two", "rl")):
            (tmp_path / place).mkdir()
            study = load_study(sums_study(tmp_path / place))
            mine = study.model_copy(update={"models": {model: study.models[model]}})
            runs.append(pipeline.start_run(mine, tmp_path / place / "run"))
            pipeline.sample_run(runs[-1])
        imports.pool_runs(runs[0].folder, [runs[1].folder])
        pooled = RunStore.open(runs[0].folder)
        assert pooled.study().base_model() == "base"
        pipeline.verify_run(pooled)
        apart = judged_run(sums_study(tmp_path), tmp_path / "whole")
        assert analyses(pooled) == analyses(apart)

    def test_runs_on_other_problems_are_not_pooled(self, tmp_path: Path) -> None:
        runs = []
        for place, problems in (("one", 6), ("two", 5)):
            (tmp_path / place).mkdir()
            runs.append(judged_run(sums_study(tmp_path / place, problems=problems), tmp_path / place / "run"))
        with pytest.raises(StoreError, match="1 problems are only in one of the two runs"):
            imports.pool_runs(runs[0].folder, [runs[1].folder])

    @pytest.mark.slow
    def test_a_corrected_reference_is_taken_up(self, tmp_path: Path) -> None:
        study = sums_study(tmp_path)
        store = judged_run(study, tmp_path / "run")
        before = right(store)
        edited(tmp_path / "sums.jsonl", ('"answer": "2"', '"answer": "-77"'))
        solved = RunEvidence(store).tally("base").select(np.array([i for i, p in enumerate(store.problems())]))
        again = judged_run(study, tmp_path / "run")
        assert {p.references for p in again.problems() if p.question == "What is 0 + 2?"} == {("-77",)}
        assert right(again) < before
        assert solved.problems == 6
        fresh = judged_run(study, tmp_path / "fresh")
        assert analyses(again) == analyses(fresh)

    @pytest.mark.slow
    def test_a_row_that_was_added_is_taken_up(self, tmp_path: Path) -> None:
        study = sums_study(tmp_path, problems=5)
        judged_run(study, tmp_path / "run")
        sums_study(tmp_path, problems=7)
        assert analyses(judged_run(study, tmp_path / "run")) == analyses(judged_run(study, tmp_path / "fresh"))

    @pytest.mark.parametrize("change", ["row removed", "question edited"])
    def test_a_problem_that_is_gone_is_refused_by_its_key(self, tmp_path: Path, change: str) -> None:
        study = sums_study(tmp_path)
        store = judged_run(study, tmp_path / "run")
        before = (store.folder / "config.json").read_bytes()
        if change == "row removed":
            sums_study(tmp_path, n=4, problems=5)
        else:
            edited(tmp_path / "sums.jsonl", ("What is 0 + 2?", "What is 0 + 3?"))
        with pytest.raises(
            ConfigError, match="problems: 1 problems of .* are not there any more, or ask something else"
        ):
            pipeline.start_run(load_study(study), tmp_path / "run")
        assert (store.folder / "config.json").read_bytes() == before

    @pytest.mark.parametrize(
        ("old", "new", "key"),
        [
            (
                "options.accuracy = 0.7",
                "options.accuracy = 0.1",
                r"models\.rl: .* accuracy 0\.7, and now it has accuracy 0\.1",
            ),
            ("temperature = 1.0", "temperature = 0.5", r"sampling\.temperature"),
            ('path = "scripted RL"', 'path = "another"', r"models\.rl\.path"),
        ],
    )
    def test_what_changes_the_sampling_distribution_is_refused_by_its_key(
        self, tmp_path: Path, old: str, new: str, key: str
    ) -> None:
        study = sums_study(tmp_path)
        judged_run(study, tmp_path / "run")
        edited(study, (old, new), ("n = 8", "n = 9"))
        with pytest.raises(ConfigError, match=key):
            judged_run(study, tmp_path / "run")

    @pytest.mark.slow
    def test_what_does_not_may_change(self, tmp_path: Path) -> None:
        study = sums_study(tmp_path)
        judged_run(study, tmp_path / "run")
        edited(
            study,
            ("options.accuracy = 0.7", "options.accuracy = 0.7\noptions.delay_seconds = 0.0001"),
            ("n = 8", "n = 9"),
        )
        assert right(judged_run(study, tmp_path / "run")) > 0


class TestKeptTokens:
    @pytest.mark.slow
    def test_a_study_that_asks_for_tokens_has_them_and_nothing_else_is_other(self, tmp_path: Path) -> None:
        study = sums_study(tmp_path, n=4)
        without = judged_run(study, tmp_path / "without")
        edited(study, ("n = 4", "n = 4\nkeep_tokens = true"))
        store = judged_run(study, tmp_path / "run")
        assert without.samples("rl").read(["segments"])["segments"].is_null().all()
        kept = list(samples_of(store.samples("rl").read()))
        plain = {(each.problem_id, each.index): each for each in samples_of(without.samples("rl").read())}
        for sample in kept:
            assert sample.logprobs is not None
            assert len(sample.token_ids or ()) == len(sample.logprobs) == sample.tokens
            assert sum(sample.logprobs) == pytest.approx(sample.logprob)
            assert replace(sample, segments=None) == plain[sample.problem_id, sample.index]
        assert analyses(store) == analyses(without)


class TestNames:
    @pytest.mark.slow
    @pytest.mark.parametrize("model", ["qwen[7b]", "a*b?", "with space", "ünïcode 模型", "-dash", "{curly}", "50%"])
    def test_a_model_may_be_called_as_its_makers_call_it(self, tmp_path: Path, model: str) -> None:
        study = sums_study(tmp_path, n=4)
        edited(study, ("[models.rl]", f"[models.{json.dumps(model, ensure_ascii=False)}]"))
        plain = analyses(judged_run(sums_study_named(tmp_path / "plain"), tmp_path / "plain" / "run"))
        store = judged_run(study, tmp_path / "run")
        assert store.models() == ("base", model)
        assert store.labels(model) == store.labels("base")
        assert pipeline.verify_run(store, "numeric").verified[model].total() == 24
        assert json.loads(json.dumps(analyses(store)))["curves"][0] == plain["curves"][0]

    @pytest.mark.slow
    @pytest.mark.parametrize("folder", ["run [1]", "all*", "what?", "a" * 250, "模型"])
    def test_a_run_may_stand_anywhere(self, tmp_path: Path, folder: str) -> None:
        store = judged_run(sums_study(tmp_path, n=4), tmp_path / folder)
        assert pipeline.sample_run(store).sampled == {}
        pipeline.verify_run(store, "numeric")
        assert right(store) > 0

    @pytest.mark.slow
    @pytest.mark.parametrize("junk", [".DS_Store", "._part-000001-00000000.parquet", ".ipynb_checkpoints/x"])
    def test_what_a_desktop_leaves_is_not_looked_at(self, tmp_path: Path, junk: str) -> None:
        store = judged_run(sums_study(tmp_path, n=4), tmp_path / "run")
        before = analyses(store)
        for folder in [path for path in store.folder.rglob("*") if path.is_dir()] + [store.folder]:
            (folder / junk).parent.mkdir(exist_ok=True)
            (folder / junk).write_bytes(b"\0\0\0\1Bud1")
        again = RunStore.open(store.folder)
        pipeline.sample_run(again)
        pipeline.verify_run(again)
        assert analyses(again) == before

    @pytest.mark.parametrize("name", ["m" * 300, "two\nlines", " padded", "nul\0", "a/b"])
    def test_a_name_that_cannot_be_a_folder_is_refused_before_anything_is_made(self, tmp_path: Path, name: str) -> None:
        study = sums_study(tmp_path)
        edited(study, ("[models.rl]", f"[models.{json.dumps(name)}]"))
        with pytest.raises(ConfigError, match="models: "):
            load_study(study)


def sums_study_named(folder: Path) -> Path:
    folder.mkdir()
    return sums_study(folder, n=4)


class TestWhatIsNoLongerNamed:
    @pytest.mark.slow
    def test_a_model_that_the_study_names_no_longer_is_said(self, tmp_path: Path) -> None:
        study = sums_study(tmp_path)
        judged_run(study, tmp_path / "run")
        edited(study, ("[models.rl]", "[models.renamed]"))
        found = analyses(judged_run(study, tmp_path / "run"))
        assert [curve["model"] for curve in found["curves"]] == ["base", "renamed"]
        assert (
            "rl has samples or counts in this run, and the study names it no longer: it is left out"
            in found["warnings"]
        )

    @pytest.mark.slow
    @pytest.mark.parametrize("stop", ["{ successes = 0 }", "{ successes = 2, batch = 2 }"])
    def test_a_lowered_n_is_said_and_gives_what_a_run_made_at_once_gives(self, tmp_path: Path, stop: str) -> None:
        study = sums_study(tmp_path, n=8, stop=stop)
        judged_run(study, tmp_path / "run")
        edited(study, ("n = 8", "n = 4"))
        found = analyses(judged_run(study, tmp_path / "run"))
        fresh = analyses(judged_run(study, tmp_path / "fresh"))
        said = [warning for warning in found["warnings"] if "beyond what the study asks for" in warning]
        assert said
        found["warnings"] = [warning for warning in found["warnings"] if warning not in said]
        assert {k: v for k, v in found.items() if k != "warnings"} == {
            k: v for k, v in fresh.items() if k != "warnings"
        }


REFLECTING = '''
from move37.types import Segment

class Reflecting:
    """Asks once more."""

    def after(self, prompt, sample):
        if "Sure?" in prompt.text:
            return None
        return (Segment("user", " Sure? ", own=False),)
'''


class TestClassesOfOnesOwn:
    """An environment beside the study; an engine in a file goes the same way."""

    def study(self, folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        (folder / "mine.py").write_text(REFLECTING)
        study = sums_study(folder, n=4)
        edited(study, ("n = 4", 'n = 4\nenvironment = "mine.py:Reflecting"'))
        return study

    def test_a_study_names_its_environment_and_samples_keep_every_turn(self, tmp_path: Path) -> None:
        store = judged_run(self.study(tmp_path), tmp_path / "run")
        for sample in samples_of(store.samples("rl").read()):
            turns = [segment.role for segment in sample.trajectory.segments]
            assert turns == ["assistant", "user", "assistant"]
            assert sample.trajectory.segments[-1].text == sample.text
        assert "environment_file" in store.model_record("rl").identity

    @pytest.mark.slow
    def test_a_renamed_folder_goes_on_and_an_edited_file_is_refused(self, tmp_path: Path) -> None:
        judged_run(self.study(tmp_path / "here"), tmp_path / "here" / "run")
        (tmp_path / "here").rename(tmp_path / "there")
        study, run = tmp_path / "there" / "study.toml", tmp_path / "there" / "run"
        edited(study, ("n = 4", "n = 5"))
        assert pipeline.sample_run(pipeline.start_run(load_study(study), run)).sampled == {"base": 6, "rl": 6}
        edited(study, ("n = 5", "n = 6"))
        edited(study.parent / "mine.py", (" Sure? ", " Sure? Really? "))
        with pytest.raises(ConfigError, match=r"models\.base: its samples in .* were made with environment_file"):
            pipeline.sample_run(pipeline.start_run(load_study(study), run))

    @pytest.mark.slow
    def test_another_environment_is_refused_and_another_executor_is_not(self, tmp_path: Path) -> None:
        study = self.study(tmp_path)
        judged_run(study, tmp_path / "run")
        edited(study, ('environment = "mine.py:Reflecting"', 'executor = "move37.executors.local:LocalExecutor"'))
        with pytest.raises(ConfigError, match=r"^sampling\.environment: differs"):
            pipeline.start_run(load_study(study), tmp_path / "run")
        edited(study, ("executor =", 'environment = "mine.py:Reflecting"\nexecutor ='), ("n = 4", "n = 5"))
        assert pipeline.sample_run(pipeline.start_run(load_study(study), tmp_path / "run")).sampled["rl"] == 6

    @pytest.mark.parametrize("key", ["environment", "executor"])
    def test_an_unknown_name_is_refused_before_anything_is_made(self, tmp_path: Path, key: str) -> None:
        study = sums_study(tmp_path, n=4)
        edited(study, ("n = 4", f'n = 4\n{key} = "loca"'))
        with pytest.raises(UnknownNameError, match=f"unknown {key} 'loca'.* \\(known: "):
            pipeline.start_run(load_study(study), tmp_path / "run")
        assert not (tmp_path / "run").exists()
