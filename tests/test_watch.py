"""A training that runs elsewhere, watched: verl's dumps, TRL's completions, prime-rl's traces, checkpoints."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from move37 import pipeline
from move37.analyses.boundary import FIRST_VISIT
from move37.cli import app
from move37.errors import InputError
from move37.evidence import RunEvidence
from move37.imports import ImportRequest, import_logs
from move37.store import RunStore
from move37.terminal_watch import follow
from move37.watch import Watch, Watched, WatchRequest
from move37.watch.metrics import framework_of, metrics_of
from move37.watch.page import PAGE
from move37.watch.shown import figures, header, rows, sentences
from move37.watch.steps import checkpoints, sampled_steps
from tests.dumps import PROBLEMS, N, outcomes, verl_dump, verl_validation
from tests.peer_environments import interpreter, run_in


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Validations after 0, 10 and 20 steps, and verl's own log beside."""
    folder = tmp_path_factory.mktemp("training")
    verl_validation(folder / "validation")
    logged = [
        {"step": step, "data": {"actor/entropy": 0.5 - step / 100, "val-core/sums/acc/best@8/mean": 0.7, "lr": 1}}
        for step in (0, 10, 20)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in logged))
    return folder


@pytest.fixture(scope="module")
def watched(training: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    request = WatchRequest(training / "validation", tmp_path_factory.mktemp("run") / "run", verifier="reported")
    found = Watch(request).look()
    assert found is not None
    return found


@pytest.mark.slow
def test_figures_are_those_of_a_study_of_the_same_samples(watched: Watched, training: Path, tmp_path: Path) -> None:
    """The same dumps imported into a run of their own and analysed as every study is."""
    names = ImportRequest((training / "validation",), "verl", benchmark="sums", verifier="reported")
    import_logs(names, tmp_path / "run")
    findings = pipeline.analyse_run(RunStore.open(tmp_path / "run"))
    assert findings.family is not None
    for step, curve in zip(watched.boundary.steps, findings.curves, strict=True):
        assert curve.model == f"step-{step.step}"
        assert step.pass_at_k == tuple(curve.pass_at_k[k - 1] for k in step.k)
    for step, member, pair in zip(
        watched.boundary.steps[1:], findings.family.members, findings.comparisons, strict=True
    ):
        against, (lower, upper) = step.against_first, member.reported
        assert against is not None
        theirs = tuple((member.band.mean[k - 1], lower[k - 1], upper[k - 1]) for k in step.k)
        assert against.at == theirs
        assert (against.gained, against.lost) == (pair.solvable.rl_only, pair.solvable.base_only)


def test_solved_gained_and_lost_by_hand(watched: Watched) -> None:
    first, last = outcomes(0).any(1), outcomes(20).any(1)
    step = watched.boundary.steps[-1]
    assert step.solved == last.sum()
    assert step.against_first is not None
    assert (step.against_first.gained, step.against_first.lost) == ((last & ~first).sum(), (first & ~last).sum())
    assert (step.problems, step.n) == (PROBLEMS, (N, N))


def test_entropy_length_and_the_frameworks_number_stand_beside(watched: Watched) -> None:
    table = dict(zip(header(watched), zip(*rows(watched), strict=True), strict=True))
    assert table["step"] == ("0", "10", "20")
    assert table["entropy"] == ("0.500", "0.400", "0.300")
    assert table["characters"] == ("16", "16", "17")  # 16.4, 16.5, 16.5
    assert table["verl's best@8"] == ("0.700", "0.700", "0.700")
    said = " ".join(sentences(watched))
    assert "with 1 of 4 right and k = 4 it is .684" in said
    assert "Differences are from step 0 on the same problems" in said


def test_figures_for_a_trainers_own_loggers(watched: Watched) -> None:
    found = figures(watched)
    step = watched.boundary.steps[-1]
    assert found["boundary/pass@1"] == step.pass_at_k[0]
    assert step.against_first is not None
    assert found["boundary/pass@8/lower"] == step.against_first.at[-1][1]
    assert found["boundary/lost"] == step.against_first.lost


@pytest.mark.slow
def test_a_look_brings_in_what_is_new_and_waits_for_what_is_being_written(tmp_path: Path) -> None:
    folder = tmp_path / "validation"
    watch = Watch(WatchRequest(folder.parent, tmp_path / "run", verifier="reported"))
    assert watch.look() is None
    verl_validation(folder, (0,))
    first = watch.look()
    assert first is not None
    assert watch.look() is None
    whole = verl_dump(folder / "10.jsonl", outcomes(10), 10).read_text()
    (folder / "10.jsonl").write_text(whole[: len(whole) // 2])  # cut within a line
    assert watch.look() is None
    with pytest.raises(InputError, match=r"10\.jsonl"):  # still the same: nobody is writing it
        watch.look()
    (folder / "10.jsonl").write_text(whole)
    second = watch.look()
    assert second is not None
    assert [step.step for step in second.boundary.steps] == [0, 10]
    # Another watch of the same folder goes on from the run that is there.
    again = Watch(WatchRequest(folder.parent, tmp_path / "run", verifier="reported")).look()
    assert again is not None
    assert again.boundary == second.boundary


@pytest.mark.slow
def test_the_command_writes_a_page_and_prints_the_table(
    training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    arguments = ["watch", str(training / "validation"), "--out", str(tmp_path / "run"), "--k", "1", "--k", "8"]
    app([*arguments, "--once"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "verl's best@8" in shown
    page = (tmp_path / "run" / PAGE).read_text()
    assert page.count("<svg") == 5
    assert 'http-equiv="refresh"' not in page
    assert "<script" not in page
    app([*arguments, "--json"], standalone_mode=False)
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [step["step"] for step in said["boundary"]["steps"]] == [0, 10, 20]
    # By our own verifier this time (gts are in the dumps): the same verdicts.
    evidence = RunEvidence(RunStore.open(tmp_path / "run"))
    assert int(evidence.fixed_tally("step-20").correct.sum()) == outcomes(20).sum()


@pytest.mark.slow
def test_following_looks_again_and_again(training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(training / "validation", tmp_path / "validation")
    watch = Watch(WatchRequest(tmp_path / "validation", tmp_path / "run", verifier="reported"))
    last = follow(watch, every=0.01, once=False, rounds=2)
    assert last is not None
    assert "step 20" in capsys.readouterr().out


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no step with samples in it yet; checkpoints without samples need --study"):
        app(["watch", str(tmp_path), "--out", str(tmp_path / "run"), "--once"], standalone_mode=False)
    with pytest.raises(InputError, match="no such folder"):
        app(["watch", str(tmp_path / "no"), "--out", str(tmp_path / "run"), "--once"], standalone_mode=False)


def test_completions_of_trl_are_compared_with_their_first_visit(tmp_path: Path) -> None:
    for step, problems in ((1, range(20)), (2, range(20, 40)), (3, range(10, 30))):
        table = pl.DataFrame(
            {
                "step": [step] * 80,
                "prompt": [f"What is {p}+1?" for p in problems for _ in range(4)],
                "completion": ["\\boxed{1}"] * 80,
                "move37": [float((p + place + step) % 3 == 0) for p in problems for place in range(4)],
                "advantage": [0.0] * 80,
            }
        )
        path = tmp_path / "completions" / f"completions_{step:05d}.parquet"
        path.parent.mkdir(exist_ok=True)
        table.write_parquet(path)
    found = Watch(WatchRequest(tmp_path / "completions", tmp_path / "run", verifier="reported")).look()
    assert found is not None
    assert (found.framework, found.boundary.paired_with) == ("trl", FIRST_VISIT)
    assert [step.against_first is not None for step in found.boundary.steps] == [False, False, True]
    said = " ".join(sentences(found))
    assert "other problems at every step" in said
    assert "TRL logs the mean reward" in said


def test_evaluations_are_told_from_what_is_trained_on(tmp_path: Path) -> None:
    trace = {
        "id": "t",
        "env": {"id": "sums"},
        "traces": [
            {
                "task": {"type": "sums", "key": "0"},
                "nodes": [{"message": {"role": "user", "content": "1+1?"}, "sampled": False}],
                "rewards": {"correct": 1.0},
            }
        ],
    }
    for place in ("train/all", "train/effective", "eval/all", "eval/effective"):
        file = tmp_path / "rollouts" / "step_5" / place / "traces.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(trace) + "\n")
    found = sampled_steps(tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in found[5].files] == ["rollouts/step_5/eval/all/traces.jsonl"]


def test_what_frameworks_log_of_themselves(tmp_path: Path) -> None:
    history = [{"step": 2, "entropy": 0.3, "completions/mean_length": 20.5, "reward": 0.25, "reward_std": 0.4}]
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    found = metrics_of(tmp_path / "completions")
    assert (found[2].entropy, found[2].length, found[2].own) == (0.3, 20.5, {"reward": 0.25})
    (tmp_path / "metrics.jsonl").write_text('{"framework": "trl", "step": 2}\n{"step": 3, "ent')
    assert framework_of(tmp_path) == "trl"


def test_checkpoints_are_found_by_their_steps(tmp_path: Path) -> None:
    for name in ("checkpoints/step-000010", "checkpoint-20", "global_step_30/actor/huggingface", "state/step-40"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        if "state" not in name:
            (folder / "model.safetensors").write_bytes(b"")
            (folder / "tokenizer_config.json").write_text("{}")
    assert list(checkpoints(tmp_path)) == [10, 20, 30]


def test_what_verl_could_not_judge_is_unscored(tmp_path: Path) -> None:
    path = verl_dump(tmp_path / "0.jsonl", outcomes(0), 0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0] |= {"acc": 0.0, "score": 0.0, "unscored": 1.0}
    path.write_text("".join(json.dumps(row) + "\n" for row in lines))
    found = Watch(WatchRequest(tmp_path, tmp_path / "run", verifier="reported")).look()
    assert found is not None
    assert found.boundary.steps[0].unscored == 1


@pytest.mark.slow
@pytest.mark.peer
def test_verls_own_number_and_our_logger_within_verl(training: Path, watched: Watched, tmp_path: Path) -> None:
    interpreter("verl")
    shutil.copytree(training / "validation", tmp_path / "dumps")
    found = run_in("verl", "verl_watch.py", str(tmp_path))
    # 1,000 draws of verl's (a standard deviation of .015 for one problem) around 1 - (3/4)^4.
    assert found["quarter"] == pytest.approx(1 - 0.75**4, abs=0.05)
    for step in watched.boundary.steps:
        theirs = found["verl"][str(step.step)]
        assert theirs[f"mean@{N}"] == pytest.approx(step.pass_at_k[0])
        for k, ours in zip(step.k[1:], step.resampled[1:], strict=True):
            assert theirs[f"best@{k}/mean"] == pytest.approx(ours, abs=0.02)
            assert theirs[f"best@{k}/mean"] < step.pass_at_k[step.k.index(k)]
    handed = found["handed"]["20"]
    expected = figures(replace(watched))
    assert {name: handed[name] for name in expected} == pytest.approx(expected)
