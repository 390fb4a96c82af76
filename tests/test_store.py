"""The run folder: nothing lost, nothing twice, every oddity named."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from move37.config import parse_study
from move37.counts import StoppingPlan, Tally
from move37.errors import ConfigError, InputError, StoreError
from move37.evidence import RunEvidence
from move37.owed import in_shares
from move37.parts import Appender, PartFolder
from move37.schema import problem_digest, sample_rows, samples_of
from move37.store import ModelRecord, RunStore
from move37.types import FinishReason, ImagePart, Message, Outcome, Problem, Prompt, Sample, Segment, Verdict

ROWS = {"problem_id": pl.String, "index": pl.Int32, "text": pl.String}
KEY = ("problem_id", "index")


def rows(*values: tuple[str, int, str]) -> pl.DataFrame:
    return pl.DataFrame(list(values), schema=ROWS, orient="row")


def parts_in(folder: Path) -> PartFolder:
    return PartFolder(folder, ROWS, KEY)


def some_samples(problem: str, count: int, text: str = "text") -> list[Sample]:
    return [Sample(problem, i, f"{text} {i}", FinishReason.STOP, 3, -1.5, 7) for i in range(count)]


def filled_store(folder: Path, count: int = 4) -> RunStore:
    store = RunStore(folder)
    with store.writing(), store.appending_samples("base") as writer:
        for sample in some_samples("p", count):
            writer.add(sample)
    return store


def study(**changes: object):
    return parse_study({"name": "x", "problems": {"benchmark": "gsm8k"}, "models": {"a": {"path": "w"}}} | changes)


class TestParts:
    def test_what_is_appended_is_read_back_in_order(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path / "s")
        parts.append(rows(("a", 0, "x"), ("a", 1, "y")))
        parts.append(rows(("b", 0, "z")))
        assert parts.read().rows() == [("a", 0, "x"), ("a", 1, "y"), ("b", 0, "z")]
        assert parts.read(["text"]).to_series().to_list() == ["x", "y", "z"]

    def test_a_folder_that_is_not_there_is_empty(self, tmp_path: Path) -> None:
        assert parts_in(tmp_path / "none").read().is_empty()

    def test_an_unfinished_file_is_not_seen(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        parts.append(rows(("a", 0, "x")))
        (tmp_path / ".unfinished-part-000002-00000000.parquet").write_bytes(b"PAR1 half")
        assert parts.read().height == 1

    def test_a_part_cut_in_half_is_named(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        parts.append(rows(*(("a", i, "x" * 50) for i in range(100))))
        (path,) = parts.files()
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(StoreError, match=f"{path.name}: torn part .* move it away and run again"):
            parts.read()

    def test_a_part_damaged_in_the_middle_is_named(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        rng = np.random.default_rng(0)
        parts.append(rows(*(("a", i, rng.bytes(40).hex()) for i in range(2000))))
        (path,) = parts.files()
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 4000] = bytes(4000)
        path.write_bytes(bytes(content))
        with pytest.raises(StoreError, match=path.name):
            parts.read()

    def test_a_foreign_file_is_named(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        parts.append(rows(("a", 0, "x")))
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(StoreError, match="notes.txt: foreign file in a run folder; move it away"):
            parts.read()

    def test_a_parquet_file_with_other_columns_is_named(self, tmp_path: Path) -> None:
        pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "part-000001-00000000.parquet")
        with pytest.raises(StoreError, match="part-000001-00000000.parquet: foreign file: its columns are x"):
            parts_in(tmp_path).read()

    def test_equal_rows_that_stand_twice_count_once(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        parts.append(rows(("a", 0, "x"), ("a", 1, "y")))
        parts.append(rows(("a", 1, "y"), ("a", 2, "z")))
        assert parts.read().rows() == [("a", 0, "x"), ("a", 1, "y"), ("a", 2, "z")]
        parts.compact()
        assert len(parts.files()) == 1
        assert parts.read().height == 3

    def test_one_key_with_two_contents_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        parts.append(rows(("a", 0, "x"), ("b", 5, "y")))
        parts.append(rows(("b", 5, "not y")))
        with pytest.raises(StoreError, match=r"1 keys stand here twice with different content \(b 5\)"):
            parts.read()

    def test_sparse_indices_are_checked_too(self, tmp_path: Path) -> None:
        # An index of 2e9 would need a table of 2 GB: the check must take the other way.
        parts = parts_in(tmp_path)
        parts.append(rows(("a", 2_000_000_000, "x"), ("a", 1, "y")))
        assert parts.read().height == 2
        parts.append(rows(("a", 2_000_000_000, "other")))
        with pytest.raises(StoreError, match="a 2000000000"):
            parts.read()

    def test_compaction_keeps_every_row_and_merges_small_parts(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        for i in range(9):
            parts.append(rows(("a", i, str(i))))
        before = parts.read().rows()
        parts.compact()
        assert len(parts.files()) == 1
        assert parts.read().rows() == before
        parts.append(rows(("a", 9, "9")))
        assert parts.read().height == 10

    def test_the_appender_writes_when_enough_rows_have_come_together(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        with Appender(parts, max_rows=2, max_seconds=1e9) as appender:
            for i in range(5):
                appender.add(("a", i, "x"))
            assert parts.read().height == 4  # two whole parts; the fifth row is in flight
        assert parts.read().height == 5

    def test_the_appender_writes_what_it_holds_when_the_block_fails(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path)
        with pytest.raises(KeyboardInterrupt), Appender(parts) as appender:
            appender.add(("a", 0, "x"))
            raise KeyboardInterrupt
        assert parts.read().height == 1

    def test_what_comes_after_rows_that_could_not_be_written_is_not_written_either(self, tmp_path: Path) -> None:
        # As where the disk has room for a part of verdicts, and none for the part of samples that they are about.
        samples, verdicts = parts_in(tmp_path / "samples" / "base"), parts_in(tmp_path / "verdicts")
        (tmp_path / "samples").touch()  # a file: no folder can be made in it
        with (
            pytest.raises(StoreError, match="cannot be written"),
            Appender(samples) as first,
            Appender(verdicts, after=first) as then,
        ):
            first.add(("a", 0, "x"))
            then.add(("a", 0, "x"))
            first.flush()
        assert verdicts.files() == []
        (tmp_path / "samples").unlink()

    def test_rows_that_could_not_be_written_are_kept_for_the_next_attempt(self, tmp_path: Path) -> None:
        parts = parts_in(tmp_path / "samples" / "base")
        (tmp_path / "samples").touch()
        with Appender(parts) as appender:
            appender.add(("a", 0, "x"))
            with pytest.raises(StoreError, match="cannot be written: Not a directory"):
                appender.flush()
            (tmp_path / "samples").unlink()
        assert parts.read().rows() == [("a", 0, "x")]


class TestRun:
    def test_owed_are_the_indices_that_are_not_there(self, tmp_path: Path) -> None:
        store = filled_store(tmp_path, 2)
        assert store.owed("base", ["p", "q"], StoppingPlan((4,), 1)) == {"p": range(2, 4), "q": range(4)}
        assert store.owed("base", ["p"], StoppingPlan((2,), 1)) == {}

    def test_what_is_owed_beside_a_plan_begins_where_it_is_told_to(self, tmp_path: Path) -> None:
        store = filled_store(tmp_path, 6)
        assert store.lacking("base", ["p", "q"], range(4, 8)) == {"p": range(6, 8), "q": range(4, 8)}
        store.samples("base").drop(pl.col("index") == 4)
        assert store.lacking("base", ["p"], range(4, 8)) == {"p": [4, 6, 7]}
        assert store.lacking("base", ["p"], range(5, 6)) == {}

    def test_what_is_owed_is_asked_for_in_shares_of_the_same_order(self) -> None:
        owed = {"p": range(3), "q": [1, 4], "r": range(7)}
        shares = [{"p": range(3), "q": [1]}, {"q": [4], "r": range(3)}, {"r": range(3, 7)}]
        assert list(in_shares(owed, 4)) == shares
        assert list(in_shares(owed, 3)) == [
            {"p": range(3)},
            {"q": [1, 4], "r": range(1)},
            *({"r": range(a, a + 3)} for a in (1, 4)),
        ]
        assert list(in_shares(owed, 100)) == [owed]
        assert list(in_shares({}, 4)) == []

    def test_a_hundred_million_owed_samples_take_no_memory(self, tmp_path: Path) -> None:
        store, ids = filled_store(tmp_path, 6), ["p", *map(str, range(499))]
        owed = store.owed("base", ids, StoppingPlan((200_000,), 1))
        assert sum(map(len, owed.values())) == 500 * 200_000 - 6
        assert all(type(indices) is range for indices in owed.values())
        assert sum(len(share) > 0 for share in in_shares(owed, 2**18)) == 382

    def test_a_gap_between_samples_is_owed_and_not_as_many_at_the_end(self, tmp_path: Path) -> None:
        store = filled_store(tmp_path, 4)
        store.samples("base").drop(pl.col("index").is_in([0, 2]))
        assert store.owed("base", ["p"], StoppingPlan((4,), 1)) == {"p": [0, 2]}

    def test_problems_come_back_as_they_went_in(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        problem = Problem("b/1", "1+1?", ("2", "two"), "b", "exact", {"level": "1"}, {"entry": {"x": [1, None]}})
        store.add_problems([problem])
        assert store.problems() == (problem,)
        store.add_problems([problem])
        assert len(store.problems()) == 1

    def test_images_and_messages_come_back_and_cost_nothing_where_there_are_none(self, tmp_path: Path) -> None:
        (tmp_path / "plot.png").write_bytes(b"not really a picture")
        images = ImagePart.of(b"GIF89a", "image/gif"), ImagePart.at(tmp_path / "plot.png")
        seen = Problem("a", "What do you see?", ("1",), "b", "exact", images=images)
        plain = Problem("b", "1?", ("1",), "b", "exact")
        messages = Message.of("system", "Look."), Message.of("user", "What do you see?", images)
        prompts = Prompt("a", "Look. What do you see?", (), "chat", messages), Prompt("b", "1?", (), "completion")
        store = RunStore(tmp_path / "run")
        store.adopt(study())
        store.add_problems([seen, plain])
        store.record_model("m", ModelRecord({}, prompts))
        store = RunStore.open(tmp_path / "run")
        assert store.problems() == (seen, plain)
        assert [image.read() for image in store.problems()[0].images] == [b"GIF89a", b"not really a picture"]
        assert [each.messages for each in store.model_record("m").prompts] == [messages, ()]
        assert pl.read_parquet(tmp_path / "run" / "problems.parquet")["images"].null_count() == 1
        # An image is part of what a verdict is about; without one the digest is what it was before there were images.
        other = replace(seen, images=images[:1])
        assert len({problem_digest(each) for each in (seen, other, replace(seen, images=()))}) == 3
        assert problem_digest(plain) == 9017101990948417059

    def test_a_known_id_with_another_question_is_refused(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        store.add_problems([Problem("b/1", "1+1?", ("2",), "b", "exact")])
        with pytest.raises(StoreError, match="problem b/1 is already here with another question"):
            store.add_problems([Problem("b/1", "1+2?", ("3",), "b", "exact")])

    def test_a_tally_counts_the_three_outcomes_and_the_truncated(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        outcomes = [Outcome.CORRECT, Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNSCORED]
        with (
            store.writing(),
            store.appending_samples("base") as samples,
            store.appending_verdicts("exact@1", "base", samples) as writer,
        ):
            for i, outcome in enumerate(outcomes):
                sample = Sample("p", i, "", FinishReason.LENGTH if i in (1, 2) else FinishReason.STOP)
                samples.add(sample)
                writer.add(sample, Verdict(outcome, "because"))
            store.set_current_labels({"exact": "exact@1"})
        tally = RunEvidence(store).tally("base")
        assert isinstance(tally, Tally)
        assert (tally.correct[0], tally.incorrect[0], tally.unscored[0], tally.truncated[0]) == (2, 1, 1, 2)
        assert tally.n[0] == 3  # unscored is not part of n
        ended = RunEvidence(store).tally_not_truncated("base")
        assert ended is not None
        assert (ended.correct[0], ended.n[0]) == (1, 1)
        assert RunEvidence(store).correct_among_truncated("base") == 1  # index 1: cut off, and right

    def test_a_model_without_verdicts_is_told_what_to_run(self, tmp_path: Path) -> None:
        store = filled_store(tmp_path)
        with pytest.raises(InputError, match="'base' has no verdicts yet; run `move37 verify"):
            RunEvidence(store).tally("base")

    def test_regrading_writes_beside_and_the_pointer_decides(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        sample = Sample("p", 0, "", FinishReason.STOP)
        with store.writing():
            with store.appending_samples("base") as samples:
                samples.add(sample)
            for label, outcome in (("exact@1", Outcome.INCORRECT), ("math@1", Outcome.CORRECT)):
                with store.appending_verdicts(label, "base") as writer:
                    writer.add(sample, Verdict(outcome, "because", "4"))
            store.set_current_labels({"exact": "exact@1"})
            assert isinstance(judged := RunEvidence(store).tally("base"), Tally)
            assert judged.correct[0] == 0
            store.set_current_labels({"exact": "math@1"})
            assert isinstance(judged := RunEvidence(store).tally("base"), Tally)
            assert judged.correct[0] == 1
        assert store.labels("base") == ["exact@1", "math@1"]
        assert RunEvidence(store).reasons("base") == [("correct", "because", 1)]
        assert RunEvidence(store).answers("base").rows() == [("p", "4", True, 1)]

    def test_only_unverified_samples_are_handed_out(self, tmp_path: Path) -> None:
        store = filled_store(tmp_path, 3)
        with store.writing():
            with store.appending_verdicts("exact@1", "base") as writer:
                writer.add(some_samples("p", 2)[1], Verdict(Outcome.CORRECT, "matches"))
            assert store.count_unverified("exact@1", "base", ["p"]) == 2
            assert [s.index for s in store.unverified("exact@1", "base", ["p"])] == [0, 2]
            assert list(store.unverified("exact@1", "base", ["other"])) == []

    def test_pooling_is_a_union_by_key(self, tmp_path: Path) -> None:
        store, other = filled_store(tmp_path / "a", 2), filled_store(tmp_path / "b", 5)
        with store.writing():
            assert store.absorb_samples("base", other.samples("base").scan(), "b") == 3
            assert store.absorb_samples("base", other.samples("base").scan(), "b") == 0
        assert store.owed("base", ["p"], StoppingPlan((5,), 1)) == {}

    def test_pooling_refuses_other_content_under_a_key_and_copies_nothing(self, tmp_path: Path) -> None:
        store = filled_store(tmp_path, 2)
        other = sample_rows(some_samples("p", 3, text="other"))
        with pytest.raises(StoreError, match=r"2 samples of 'base' differ .*\(p 0; p 1\)"):
            store.absorb_samples("base", other, "elsewhere")
        assert store.samples("base").read().height == 2

    def test_two_writers_are_refused(self, tmp_path: Path) -> None:
        with (
            RunStore(tmp_path).writing(),
            pytest.raises(StoreError, match="another process is writing"),
            RunStore(tmp_path).writing(),
        ):
            pass

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
    def test_a_lock_that_a_killed_writer_left_to_a_process_it_was_starting_is_waited_for(self, tmp_path: Path) -> None:
        reading, writing = os.pipe()
        writer = os.fork()
        if writer == 0:
            with RunStore(tmp_path).writing():
                if os.fork() == 0:  # has the lock, too, until it is another program: here, for a while
                    os.write(writing, b"x")
                    time.sleep(0.3)
                    os._exit(0)
                signal.pause()
        os.read(reading, 1)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        with pytest.raises(StoreError, match="another process"), RunStore(tmp_path).writing(linger_seconds=0):
            pass
        with RunStore(tmp_path).writing(linger_seconds=30):
            pass

    def test_a_killed_writers_leftovers_are_removed(self, tmp_path: Path) -> None:
        store = filled_store(tmp_path)
        leftover = tmp_path / "samples" / "base" / ".unfinished-x"
        leftover.write_text("half")
        with store.writing():
            assert not leftover.exists()

    def test_changed_weights_are_refused(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        prompt = Prompt("p", "1+1?", (), "completion")
        store.record_model("base", ModelRecord({"weights": "aa"}, (prompt,)))
        store.record_model("base", ModelRecord({"weights": "aa"}, (prompt,)))
        with pytest.raises(ConfigError, match=r"models\.base: its samples in .* weights aa, and now it has weights bb"):
            store.record_model("base", ModelRecord({"weights": "bb"}, (prompt,)))

    def test_a_changed_prompt_is_refused(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        store.record_model("base", ModelRecord({}, (Prompt("p", "1+1?", (), "completion"),)))
        with pytest.raises(ConfigError, match=r"models\.base: the prompt of p is not the one that it was sampled with"):
            store.record_model("base", ModelRecord({}, (Prompt("p", "1+1 = ?", (), "completion"),)))

    def test_a_study_may_grow_but_not_change_its_law(self, tmp_path: Path) -> None:
        store = RunStore(tmp_path)
        store.adopt(study(sampling={"n": 4}))
        store.adopt(study(sampling={"n": 8}))  # more samples: allowed
        with pytest.raises(ConfigError, match=r"sampling.temperature: differs from what .* was made with"):
            store.adopt(study(sampling={"n": 8, "temperature": 1.0}))
        assert store.study().sampling.n == 8

    def test_counts_contradict_samples(self, tmp_path: Path) -> None:
        zero = np.zeros(1, dtype=np.int64)
        with pytest.raises(StoreError, match="'base' has samples already"):
            filled_store(tmp_path).add_counts(Tally("base", ("p",), zero, zero + 1, zero, zero))

    def test_not_a_run_folder_is_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="not a run folder"):
            RunStore.open(tmp_path)

    def test_a_damaged_config_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"name": ')
        with pytest.raises(StoreError, match="config.json: not valid JSON"):
            RunStore.open(tmp_path).study()


def test_a_part_is_on_the_disk_before_it_has_its_name_and_then_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a power cut leaves a whole part or none; no test cuts the power, and tests/conftest.py syncs nothing."""
    folder, synced = tmp_path / "parts", []

    def sync(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, bool(list(folder.glob("part-*")))))

    monkeypatch.setattr(os, "fsync", sync)
    parts_in(folder).append(rows(("p", 0, "text")))
    [part] = parts_in(folder).files()
    assert synced == [(part.stat().st_ino, False), (folder.stat().st_ino, True)]


def _write_forever(folder: str) -> None:
    store = RunStore(Path(folder))
    with store.writing(), store.appending_samples("base") as writer:
        writer.appender._limits = (50, 2**25, 1e9)
        for i in range(10_000_000):
            writer.add(Sample("p", i, "x" * 100, FinishReason.STOP))


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_whole_parts_only(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    rng = np.random.default_rng(0)
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        process = context.Process(target=_write_forever, args=(str(folder),))
        process.start()
        parts = RunStore(folder).samples("base")
        while process.is_alive() and len(list(parts.folder.glob("part-*"))) < 3:
            process.join(0.01)
        process.join(float(rng.uniform(0, 0.2)))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        indices = parts.read(["index"]).to_series().sort().to_list()
        assert indices == list(range(len(indices)))  # a prefix, each once: only what was in flight is lost
        assert len(indices) >= 150


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small tmpfs needs root")
def test_a_full_disk_is_named_and_nothing_before_is_lost(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"this machine does not allow mounting: {mounted.stderr.decode().strip()}")
    try:
        store = RunStore(tmp_path / "run")
        rng = np.random.default_rng(0)
        with (
            pytest.raises(StoreError, match="the disk is full; everything finished before is kept, make room"),
            store.writing(),
            store.appending_samples("base") as writer,
        ):
            writer.appender._limits = (200, 2**25, 1e9)
            for i in range(100_000):
                writer.add(Sample("p", i, rng.bytes(100).hex(), FinishReason.STOP))
        indices = store.samples("base").read(["index"]).to_series().sort().to_list()
        assert indices == list(range(len(indices)))
        assert len(indices) >= 200
        assert not list(store.folder.rglob(".unfinished*"))
    finally:
        subprocess.run([shutil.which("umount") or "umount", str(tmp_path)], check=True)


def test_the_package_imports_without_torch_or_plotting() -> None:
    code = "import sys, move37; print([m for m in ('torch', 'altair', 'polars', 'transformers') if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


class TestKeptTokens:
    KEPT = (
        Segment("assistant", "Let me look.", (5, 6), True, (-0.5, -0.25)),
        Segment("tool", "42", (7,), False),
        Segment("assistant", "It is 42.", (8, 9, 2), True, (-1.0, -0.125, -0.0625)),
    )

    def stored(self, folder: Path, *samples: Sample) -> RunStore:
        store = RunStore(folder)
        with store.writing(), store.appending_samples("base") as writer:
            for sample in samples:
                writer.add(sample)
        return store

    def test_segments_with_their_tokens_are_read_back_as_they_were(self, tmp_path: Path) -> None:
        sample = Sample("p", 0, "It is 42.", FinishReason.STOP, 5, -1.9375, 7, self.KEPT)
        plain = Sample("p", 1, "no", FinishReason.STOP, 1, -1.0, 8)
        store = self.stored(tmp_path, sample, plain)
        back = list(store.unverified("exact@1", "base", ["p"]))
        assert back == [sample, plain]
        assert back[0].token_ids == (5, 6, 8, 9, 2)  # the tool's token is not the model's own
        assert sum(back[0].logprobs or ()) == sample.logprob

    def test_rows_with_segments_stand_compaction_and_equal_copies(self, tmp_path: Path) -> None:
        sample = Sample("p", 0, "It is 42.", FinishReason.STOP, 5, -1.9375, 7, self.KEPT)
        store = self.stored(tmp_path, sample)
        store.samples("base").append(sample_rows([sample]).collect())
        store.compact()
        assert list(samples_of(store.samples("base").read())) == [sample]
        other = sample_rows([Sample("p", 0, "It is 43.", FinishReason.STOP, 5, -1.9375, 7)]).collect()
        store.samples("base").append(other)
        with pytest.raises(StoreError, match="stand here twice with different content"):
            store.samples("base").read()

    def test_pooling_takes_tokens_along_and_does_not_ask_for_them(self, tmp_path: Path) -> None:
        sample = Sample("p", 0, "It is 42.", FinishReason.STOP, 5, -1.9375, 7, self.KEPT)
        store = self.stored(tmp_path, Sample("p", 0, "It is 42.", FinishReason.STOP, 5, -1.9375, 7))
        new = Sample("p", 1, "It is 42.", FinishReason.STOP, 5, -1.9375, 7, self.KEPT)
        assert store.absorb_samples("base", sample_rows([sample, new]), "other") == 1
        assert [each.segments for each in samples_of(store.samples("base").read())] == [None, self.KEPT]
