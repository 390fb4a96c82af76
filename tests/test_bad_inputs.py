"""Bad input through the front door: each case gives one line that says what to do, and the right exit code.

`python -m tests.test_bad_inputs` prints the table of cases and lines.
"""

import contextlib
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from move37.cli import main
from move37.store import RunStore
from tests.studies import sums_study

Build = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Case:
    name: str
    build: Build
    line: str
    """A pattern that the whole line on standard error matches."""
    code: int = 2


def run(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `move37 arguments...`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), mock.patch.object(sys, "argv", ["move37"]):
        sys.argv += arguments
        with pytest.raises(SystemExit) as exit:
            main()
    return int(exit.value.code or 0), out.getvalue(), err.getvalue()


def study(**changes: str) -> Build:
    """`move37 run` of the sums study, with lines replaced: study(n="n = 0")."""

    def build(folder: Path) -> list[str]:
        path = sums_study(folder)
        text = path.read_text()
        for key, line in changes.items():
            text = re.sub(rf"(?m)^{re.escape(key)} = .*$", lambda _, line=line: line, text, count=1)
        path.write_text(text)
        return ["run", str(path), "--out", str(folder / "run")]

    return build


def added(text: str) -> Build:
    def build(folder: Path) -> list[str]:
        path = sums_study(folder)
        path.write_text(path.read_text() + "\n" + text)
        return ["run", str(path), "--out", str(folder / "run")]

    return build


def problems(content: str) -> Build:
    def build(folder: Path) -> list[str]:
        path = sums_study(folder)
        (folder / "sums.jsonl").write_text(content)
        return ["run", str(path), "--out", str(folder / "run")]

    return build


def counts(base: str, rl: str = '{"id": "a", "c": 1, "n": 8}\n', *options: str) -> Build:
    def build(folder: Path) -> list[str]:
        (folder / "base.jsonl").write_text(base)
        (folder / "rl.jsonl").write_text(rl)
        return ["compare", str(folder / "base.jsonl"), str(folder / "rl.jsonl"), *options]

    return build


def imported(content: str, format: str = "paper", model: str = "base", **before: str) -> Build:
    """`move37 import` of a file, after the files of `before` were imported under their names."""

    def build(folder: Path) -> list[str]:
        def command(name: str, text: str) -> list[str]:
            path = folder / f"{name}.jsonl"
            path.write_text(text)
            where = ["--benchmark", "math500", "--out", str(folder / "run")]
            return ["import", format if name == "new" else "paper", str(path), "--model", name, *where]

        for name, text in before.items():
            code, _, error = run(command(name, text))
            assert code == 0, error
        arguments = command("new", content)
        arguments[arguments.index("--model") + 1] = model
        return arguments

    return build


def after(stage: str, *commands: str, spoil: Callable[[Path], object] | None = None) -> Build:
    """A command on a run folder that got as far as `stage`, after something was spoilt in it."""

    def build(folder: Path) -> list[str]:
        path, target = sums_study(folder), folder / "run"
        for name in ("sample", "verify", "analyse")[: ("start", "sample", "verify", "analyse").index(stage)]:
            code, _, error = run([name, str(path if name == "sample" else target), *_out(name, target)])
            assert code == 0, error
        if spoil is not None:
            spoil(target)
        return [part.format(run=target, study=path, folder=folder) for part in commands]

    return build


def _out(name: str, target: Path) -> list[str]:
    return ["--out", str(target)] if name == "sample" else []


def part(run: Path) -> Path:
    return next((run / "samples" / "base").glob("part-*"))


def cut_in_half(run: Path) -> None:
    path = part(run)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_seed(run: Path) -> None:
    """A second run beside the first, made with another seed."""
    path = run.parent / "study.toml"
    path.write_text(path.read_text().replace("seed = 3", "seed = 4"))
    assert run_command(["sample", str(path), "--out", str(run.parent / "other")]) == 0


def run_command(arguments: list[str]) -> int:
    return run(arguments)[0]


ROW = '{"id": "a", "c": 1, "n": 8}\n'
PAPER = '{"idx": 0, "question": "1+1?", "gt": "2", "code": ["\\\\boxed{2}", "3"], "score": [true, false]}\n'

CASES = [
    # The study file.
    Case("no such study", lambda f: ["run", str(f / "x.toml")], r".*x\.toml: no such study file"),
    Case("broken TOML", study(name='name = "sums'), r".*study\.toml: not valid TOML: .*line 2.*"),
    Case("unknown key", study(temperature="temprature = 1.0"), r".*sampling\.temprature: unknown key; did you .*"),
    Case("unknown table", added("[smapling]\nn = 2"), r".*smapling: unknown key; did you mean 'sampling'\?"),
    Case("n = 0", study(n="n = 0"), r".*sampling\.n: input should be greater than or equal to 1 \(given: 0\)"),
    Case("n = 2e9", study(n="n = 2000000000"), r".*sampling\.n: .*less than or equal to 1000000 .*"),
    Case("a number of 5000 digits", study(n=f"n = {'9' * 5000}"), r".*study\.toml: not usable TOML: .*"),
    Case("a thousand brackets", study(n=f"n = {'[' * 3000}"), r".*study\.toml: not usable TOML: .*"),
    Case("negative temperature", study(temperature="temperature = -1"), r".*sampling\.temperature: .*"),
    Case("temperature nan", study(temperature="temperature = nan"), r".*sampling\.temperature: .* finite number.*"),
    Case("top-p above one", study(top_p="top_p = 1.5"), r".*sampling\.top_p: .* less than or equal to 1.*"),
    Case("text for a number", study(max_new_tokens='max_new_tokens = "x"'), r".*sampling\.max_new_tokens: .*integer.*"),
    Case("unknown benchmark", study(benchmark='benchmark = "gsmk8"'), r".*unknown benchmark 'gsmk8'; did you mean.*"),
    Case("unknown engine", study(engine='engine = "transformer"'), r".*unknown engine 'transformer'; did you mean .*"),
    Case("unknown template", study(template='template = "boxed"'), r".*unknown template 'boxed' \(known: qwen-boxed.*"),
    Case("unknown verifier", study(verifier='verifier = "maths"'), r".*unknown verifier 'maths'; did you mean .*"),
    Case(
        "unknown engine option",
        study(**{"options.accuracy": "options.accurracy = 0.4"}),
        r".*options\.accurracy: unknown key; did you mean 'accuracy'.*",
    ),
    Case(
        "impossible engine option",
        study(**{"options.accuracy": "options.accuracy = 2"}),
        r".*options\.accuracy: input should be less than or equal to 1.*",
    ),
    Case(
        "missing model folder",
        lambda f: _edited(f, 'path = "scripted base"', 'path = "./none"'),
        r".*models\.base\.path: no such file or folder: \./none",
    ),
    Case(
        "template without the question",
        lambda f: _with_template(f, 'text = "Solve it."'),
        r".*templates\.mine\.text: \{\{ question \}\} does not appear in it",
    ),
    Case(
        "empty stop string",
        lambda f: _with_template(f, 'text = "{{ question }}"\nstop = [""]'),
        r".*templates\.mine\.stop: an empty stop string would end every response at once",
    ),
    Case("no such base model", study(draws='base = "bse"'), r".*analysis\.base: no model 'bse' \(models: base, rl\)"),
    # Problems.
    Case("missing problem file", study(path='path = "none.jsonl"'), r".*problems\.0\.path: no such file or folder: .*"),
    Case("empty problem file", problems(""), r".*sums\.jsonl: .*(empty|no rows|no problems).*"),
    Case("torn line", problems('{"question": "a", "answer": "1"}\n{"question": "b", "ans'), r".*sums\.jsonl:2: .*"),
    Case("missing field", problems('{"question": "a", "gold": "1"}\n'), r".*sums\.jsonl:1: .*answer.*"),
    Case("answer NaN", problems('{"question": "a", "answer": NaN}\n'), r".*sums\.jsonl:1: .*"),
    Case("empty question", problems('{"question": " ", "answer": "1"}\n'), r".*sums\.jsonl:1: .*"),
    Case(
        "one question, two answers",
        problems('{"question": "a", "answer": "1"}\n{"question": "a", "answer": "2"}\n'),
        r".*sums\.jsonl.*",
    ),
    Case(
        "a benchmark with rows missing",
        lambda f: ["validate", "gsm8k", "--path", str(_file(f, '{"question": "a", "answer": "#### 1"}\n'))],
        r".*1 rows, but gsm8k has 1319.*",
    ),
    Case(
        "no hub",
        lambda f: ["validate", "math500"],
        r".*math500: .* cannot be loaded from the Hugging Face hub .* give path = a local file or folder",
    ),
    Case(
        "unknown task",
        lambda f: ["validate", "reasoning-gym:chain_sums"],
        r".*chain_sums.*chain_sum.*",
    ),
    Case("unknown benchmark to validate", lambda f: ["validate", "aime"], r"unknown benchmark 'aime'; did you mean.*"),
    # Run folders.
    Case("sample without a run", lambda f: ["sample", str(f)], r".*not a run folder \(no config\.json\).*"),
    Case("verify without a run", lambda f: ["verify", str(f / "none")], r".*not a run folder.*"),
    Case("analyse before verify", after("sample", "analyse", "{run}"), r".*no verdicts yet; run `move37 verify .*`"),
    Case(
        "continue with another law",
        after("sample", "run", "{study}", "--out", "{run}", spoil=lambda r: _reseed(r)),
        r".*seed: differs from what .* was made with; use another --out folder, or the old value",
    ),
    Case("a torn part", after("sample", "verify", "{run}", spoil=cut_in_half), r".*part-.*: torn part .*", 1),
    Case(
        "a foreign file",
        after("sample", "verify", "{run}", spoil=lambda r: (part(r).parent / "x.txt").write_text("")),
        r".*x\.txt: foreign file in a run folder; move it away",
        1,
    ),
    Case(
        "a damaged config",
        after("sample", "verify", "{run}", spoil=lambda r: (r / "config.json").write_text("{")),
        r".*config\.json: not valid JSON.*",
        1,
    ),
    Case(
        "damaged problems",
        after("sample", "verify", "{run}", spoil=lambda r: (r / "problems.parquet").write_text("x")),
        r".*problems\.parquet: damaged; move it away and run again, it will be made again",
        1,
    ),
    Case("unknown regrader", after("sample", "verify", "{run}", "--verifier", "mth"), r".*unknown verifier 'mth'.*"),
    Case("pool with no run", after("sample", "pool", "{run}", "{folder}"), r".*not a run folder.*"),
    Case(
        "pool with another seed",
        after("sample", "pool", "{run}", "{folder}/other", spoil=other_seed),
        r".*seed: the runs were made with different values; they cannot be pooled",
    ),
    # Counts.
    Case("no such counts", lambda f: ["compare", str(f / "a.jsonl"), str(f / "b.jsonl")], r".*a\.jsonl: no such.*"),
    Case("empty counts", counts(""), r".*base\.jsonl: .*(empty|no rows).*"),
    Case("counts not JSON", counts("a,1,8\n"), r".*base\.jsonl:1: .*JSON.*"),
    Case("more right than sampled", counts('{"id": "a", "c": 9, "n": 8}\n'), r".*base\.jsonl:1: .*9.*8.*"),
    Case("negative count", counts('{"id": "a", "c": -1, "n": 8}\n'), r".*base\.jsonl:1: .*-1.*"),
    Case("count NaN", counts('{"id": "a", "c": NaN, "n": 8}\n'), r".*base\.jsonl:1: .*c.*"),
    Case("half a count", counts('{"id": "a", "c": 0.5, "n": 8}\n'), r".*base\.jsonl:1: .*0\.5.*"),
    Case("count without n", counts('{"id": "a", "c": 1}\n'), r".*base\.jsonl:1: .*'?n'?.*"),
    Case("duplicate id", counts(ROW + ROW), r".*base\.jsonl:2: .*a.*"),
    Case("other problems", counts('{"id": "b", "c": 1, "n": 8}\n'), r".*lacks 1 problem \([ab]\).*same problems"),
    Case(
        "counts that their plan cannot have made",
        counts('{"id": "a", "c": 1, "n": 3, "stop_successes": 2, "n_max": 8}\n'),
        r".*base\.jsonl:1: c = 1 at n = 3 is not where this plan stops \(stop at 2 correct or at 8 .*",
    ),
    Case("confidence in percent", counts(ROW, ROW, "--confidence", "95"), r"confidence: input should be less than 1.*"),
    Case("too few draws", counts(ROW, ROW, "--draws", "10"), r"draws: .* greater than or equal to 1000.*"),
    # Imports.
    Case("unknown format", imported(PAPER, format="papr"), r".*unknown importer 'papr'; did you mean 'paper'\?.*"),
    Case("no responses", imported('{"idx": 0, "question": "a", "gt": "1"}\n'), r".*new\.jsonl:1: .*code.*"),
    Case("scores that do not fit", imported(PAPER.replace("[true, false]", "[true]")), r".*new\.jsonl:1: .*score.*"),
    Case(
        "a model name that is taken",
        imported(PAPER, model="rl", rl=PAPER.replace("3", "4")),
        r".*there is a model 'rl' already; import this one under another name",
    ),
    Case("a model name with a slash", imported(PAPER, model="a/b"), r"models: 'a/b' cannot be a folder name.*"),
    Case(
        "samples of no problem",
        imported('{"problem_id": "math500/nope", "response": "2"}\n', format="jsonl"),
        r"1 problem ids have samples but no question in the file.*\(first: math500/nope\); give the rows their .*",
    ),
    # The command line itself.
    Case(
        "unknown registry",
        lambda f: ["list", "engine"],
        r".*no registry 'engine' \(registries: engines, environments, executors, verifiers, .*\)",
    ),
    Case("unknown command", lambda f: ["smaple"], r".*No such command 'smaple'.*"),
    Case("unknown option", lambda f: ["demo", "--fast"], r".*No such option: --fast.*"),
    Case("missing argument", lambda f: ["run"], r"run: give a study file, or --base, .*"),
]


def _with_template(folder: Path, template: str) -> list[str]:
    path = sums_study(folder)
    text = path.read_text().replace('template = "completion"', 'template = "mine"')
    path.write_text(f"{text}\n[templates.mine]\n{template}\n")
    return ["run", str(path), "--out", str(folder / "run")]


def _edited(folder: Path, old: str, new: str) -> list[str]:
    path = sums_study(folder)
    path.write_text(path.read_text().replace(old, new))
    return ["run", str(path), "--out", str(folder / "run")]


def _file(folder: Path, content: str) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(content)
    return path


def _reseed(run: Path) -> None:
    path = run.parent / "study.toml"
    path.write_text(path.read_text().replace("seed = 3", "seed = 4"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_gives_one_line_that_says_what_to_do(case: Case, tmp_path: Path) -> None:
    code, out, error = run(case.build(tmp_path))
    lines = error.splitlines()
    assert len(lines) == 1, error
    assert re.fullmatch(f"move37: {case.line}", lines[0]), lines[0]
    assert code == case.code
    assert out == ""


def test_there_are_at_least_forty_cases_with_a_name_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


def test_json_output_holds_the_error_too(tmp_path: Path) -> None:
    code, out, error = run(["sample", str(tmp_path), "--json"])
    assert code == 2
    answer = json.loads(out)
    assert answer["command"] == "sample"
    assert answer["ok"] is False
    assert answer["error"] == error.strip().removeprefix("move37: ")


def test_another_writer_is_named(tmp_path: Path) -> None:
    arguments = after("sample", "verify", "{run}")(tmp_path)
    with RunStore(tmp_path / "run").writing():
        code, _, error = run(arguments)
    assert code == 1
    assert "another process is writing to this run; wait for it" in error


if __name__ == "__main__":
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            code, _, error = run(case.build(Path(folder)))
        print(f"{case.name:36} {code}  {error.strip().replace(folder, '')}")
