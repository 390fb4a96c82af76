"""Settings are strict: each wrong study is refused with one line that names the key."""

import json
from pathlib import Path

import pytest

from move37.config import (
    AnalysisConfig,
    ProblemsConfig,
    StudyConfig,
    changed_keys,
    from_options,
    load_study,
    parse_study,
    resolved_json,
)
from move37.errors import ConfigError

GOOD = {
    "name": "study",
    "problems": {"benchmark": "gsm8k"},
    "models": {"base": {"path": "org/base"}, "rl": {"path": "org/rl", "temperature": 1.0}},
}

REFUSED = [
    ({"name": None}, "name: input should be a valid string (given: None)"),
    ({"name": "a/b"}, "name: string should match pattern"),
    ({"name": ".."}, "name: string should match pattern"),
    ({"problems": None}, "problems: input should be a valid tuple"),
    ({"problems": []}, "problems: tuple should have at least 1 item"),
    ({"sampling": {"temprature": 1}}, "sampling.temprature: unknown key; did you mean 'temperature'?"),
    (
        {"sampling": {"zzz": 1}},
        "sampling.zzz: unknown key (known: n, stop, ",
    ),
    ({"sampling": {"n": 0}}, "sampling.n: input should be greater than or equal to 1 (given: 0)"),
    ({"sampling": {"n": 1.5}}, "sampling.n: input should be a valid integer"),
    ({"sampling": {"temperature": -0.1}}, "sampling.temperature: input should be greater than or equal to 0"),
    ({"sampling": {"temperature": float("nan")}}, "sampling.temperature: input should be a finite number"),
    ({"sampling": {"top_p": 0}}, "sampling.top_p: input should be greater than 0 (given: 0)"),
    ({"sampling": {"max_new_tokens": "many"}}, "sampling.max_new_tokens: input should be a valid integer"),
    ({"models": {"base": {"pth": "w"}}}, "models.base.pth: unknown key; did you mean 'path'?"),
    ({"models": {"base": {}}}, "models.base: path: a model has a path, or a recipe"),
    ({"models": {"a/b": {"path": "w"}}}, "models: 'a/b' cannot be a folder name; rename the model"),
    ({"analysis": {"base": "bse"}}, "analysis.base: no model 'bse' (models: base, rl)"),
    ({"analysis": {"confidence": 1}}, "analysis.confidence: input should be less than 1 (given: 1)"),
    ({"analysis": {"draws": 10}}, "analysis.draws: input should be greater than or equal to 1000 (given: 10)"),
    ({"problems": {"benchmark": "jsonl"}}, "problems.0: path: benchmark = 'jsonl' needs the path of the file"),
    (
        {"problems": {"benchmark": "gsm8k", "fields": {"question": "q"}}},
        "problems.0: fields: only benchmark = 'jsonl' takes a field mapping",
    ),
    (
        {"problems": {"benchmark": "gsm8k", "size": 7}},
        "problems.0: size: only generated problems (reasoning-gym:<task>, countdown) take it",
    ),
    (
        {"problems": {"benchmark": "reasoning-gym:chain_sum", "path": "x"}},
        "problems.0: path: reasoning-gym problems are generated, not read",
    ),
    ({"problems": {"benchmark": "gsm8k", "limit": 0}}, "problems.0.limit: input should be greater than or equal to 1"),
    ({"verification": {"workers": 0}}, "verification.workers: input should be greater than or equal to 1"),
    ({"modles": {}}, "modles: unknown key; did you mean 'models'?"),
]


@pytest.mark.parametrize(("change", "line"), REFUSED, ids=[line.split(":")[0] for _, line in REFUSED])
def test_a_wrong_study_is_refused_with_a_line_that_names_the_key(change: dict, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_study(GOOD | change, "study.toml")
    assert str(caught.value).startswith(f"study.toml: {line}")
    assert "\n" not in str(caught.value)


def test_defaults_are_the_reference_protocol() -> None:
    sampling = parse_study(GOOD).sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_new_tokens) == (0.6, 0.95, 16_384)
    assert sampling.template == "qwen-boxed"


def test_a_resolved_study_reads_back_as_itself() -> None:
    study = parse_study(GOOD)
    assert parse_study(json.loads(resolved_json(study))) == study


def test_a_models_own_settings_override_the_studys() -> None:
    study = parse_study(GOOD)
    assert study.sampling_of("base").temperature == 0.6
    assert study.sampling_of("rl").temperature == 1.0
    assert study.sampling_of("rl").top_p == 0.95


def test_the_first_model_is_the_base_unless_another_is_named() -> None:
    assert parse_study(GOOD).base_model() == "base"
    assert parse_study(GOOD | {"analysis": {"base": "rl"}}).base_model() == "rl"


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"seed": 1}, ["seed"]),
        ({"sampling": {"n": 512}}, []),
        ({"sampling": {"top_p": 1.0}}, ["sampling.top_p"]),
        ({"problems": {"benchmark": "math500"}}, []),  # the store compares the problems themselves
        ({"problems": [{"benchmark": "gsm8k"}, {"benchmark": "math500"}]}, []),
        ({"models": {"base": {"path": "org/other"}}}, ["models.base.path"]),
        ({"models": {"base": {"path": "org/base", "options": {"batch_size": 4}}}}, []),
        ({"verification": {"workers": 7}, "analysis": {"confidence": 0.9}, "note": "x"}, []),
    ],
)
def test_only_a_change_of_law_stands_against_continuing(change: dict, keys: list[str]) -> None:
    assert changed_keys(parse_study(GOOD), parse_study(GOOD | change)) == keys


def test_a_changed_template_of_the_users_own_stands_against_continuing() -> None:
    def with_text(text: str) -> StudyConfig:
        return parse_study(GOOD | {"sampling": {"template": "mine"}, "templates": {"mine": {"text": text}}})

    assert changed_keys(with_text("{{ question }}"), with_text("Q: {{ question }}")) == ["templates.mine"]


class TestFiles:
    def write(self, folder: Path, text: str) -> Path:
        path = folder / "study.toml"
        path.write_text(text)
        return path

    def test_relative_paths_are_relative_to_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "p.jsonl").write_text("{}")
        (tmp_path / "weights").mkdir()
        text = 'name = "x"\n[problems]\nbenchmark = "jsonl"\npath = "p.jsonl"\n[models.base]\npath = "weights"'
        study = load_study(self.write(tmp_path, text))
        assert study.problems[0].path == tmp_path / "p.jsonl"
        assert study.models["base"].path == str(tmp_path / "weights")

    def test_a_hub_name_stays_a_hub_name(self, tmp_path: Path) -> None:
        text = 'name = "x"\n[problems]\nbenchmark = "gsm8k"\n[models.base]\npath = "Qwen/Qwen2.5-7B"'
        assert load_study(self.write(tmp_path, text)).models["base"].path == "Qwen/Qwen2.5-7B"

    def test_a_missing_problem_file_is_named(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 'name = "x"\n[problems]\nbenchmark = "gsm8k"\npath = "none.jsonl"')
        with pytest.raises(ConfigError, match="problems.0.path: no such file or folder: none.jsonl"):
            load_study(path)

    def test_a_missing_model_folder_is_named(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, 'name = "x"\n[problems]\nbenchmark = "gsm8k"\n[models.base]\npath = "./none"')
        with pytest.raises(ConfigError, match=r"models.base.path: no such file or folder: ./none"):
            load_study(path)

    def test_a_missing_study_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="none.toml: no such study file"):
            load_study(tmp_path / "none.toml")

    def test_broken_toml_is_named_with_its_line(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"study.toml: not valid TOML: .*line 2"):
            load_study(self.write(tmp_path, 'name = "x"\nproblems = ]\n'))

    def test_a_binary_file_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "study.toml"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="study.toml: cannot be read"):
            load_study(path)

    def test_options_of_a_command_are_checked_alike(self) -> None:
        with pytest.raises(ConfigError, match="path: benchmark = 'jsonl' needs the path"):
            from_options(ProblemsConfig, benchmark="jsonl", path=None)
        with pytest.raises(ConfigError, match="confidence: input should be less than 1"):
            from_options(AnalysisConfig, confidence=95.0)


@pytest.mark.parametrize("address", ["ray://head:10001", "10.0.0.7:6379", "head.local:6379", "[::1]:6379"])
def test_the_address_of_a_cluster_is_an_executor(address: str) -> None:
    study = parse_study(GOOD | {"sampling": {"executor": address}})
    assert (study.sampling.executor, study.cluster.address) == ("ray", address)
    assert parse_study(json.loads(resolved_json(study))) == study
    with pytest.raises(ConfigError, match=r"sampling\.executor: .*, and cluster\.address is another \(other:1\)"):
        parse_study(GOOD | {"sampling": {"executor": address}, "cluster": {"address": "other:1"}})


def test_models_may_have_bases_of_their_own() -> None:
    models = {name: {"path": name} for name in ("b1", "r1", "b7")}
    models |= {"r7": {"path": "r7", "base": "b7"}, "r7-cold": {"path": "r7", "arm_of": "r7", "temperature": 0.2}}
    study = parse_study(GOOD | {"models": models})
    assert study.base_models() == ("b1", "b7")
    assert list(study.against("b1").models) == ["b1", "r1"]
    part = study.against("b7")
    assert (list(part.models), part.base_model()) == (["b7", "r7", "r7-cold"], "b7")
    for base in ("none", "r7", "r7-cold"):
        wrong = models | {"r7": {"path": "r7", "base": base}, "r1": {"path": "r1", "base": "b1"}}
        if base == "r7-cold":
            wrong |= {"r7-cold": {"path": "r7", "base": "b7"}}
        with pytest.raises(ConfigError, match=rf"models\.r7\.base: '{base}' is no other model that is a base itself"):
            parse_study(GOOD | {"models": wrong})


def test_a_folder_that_is_gone_may_be_written_as_it_was() -> None:
    """A relative path is resolved where the folder is there."""
    study = parse_study(GOOD)
    was, now, other = (
        study.model_copy(update={"models": {"m": study.models["base"].model_copy(update={"path": path})}})
        for path in ("/data/runs/step-2", "runs/step-2", "uns/step-2")
    )
    assert changed_keys(was, now) == []
    assert changed_keys(was, other) == ["models.m.path"]
