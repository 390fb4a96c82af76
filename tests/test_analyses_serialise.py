"""analyses.json goes out and comes back: typed objects, NaN, formats, torn files."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from move37.analyses.details import ModelData
from move37.analyses.findings import find
from move37.analyses.serialise import FORMAT, findings_json, load_findings
from move37.errors import StoreError
from move37.estimates.settings import BandSettings
from tests.test_analyses_clusters import models, said, tally


def unequal(one: Any, two: Any, path: str = "findings") -> list[str]:
    """Paths at which two results differ in type, shape or value; NaN equals NaN."""
    if type(one) is not type(two):
        return [f"{path}: {type(one)} {type(two)}"]
    if is_dataclass(one) and not isinstance(one, type):
        return [x for f in fields(one) for x in unequal(getattr(one, f.name), getattr(two, f.name), f"{path}.{f.name}")]
    if isinstance(one, dict):
        if one.keys() != two.keys():
            return [f"{path}: {list(one)} {list(two)}"]
        return [x for key in one for x in unequal(one[key], two[key], f"{path}.{key}")]
    if isinstance(one, tuple):
        if len(one) != len(two):
            return [f"{path}: {len(one)} {len(two)}"]
        return [x for a, b in zip(one, two, strict=True) for x in unequal(a, b, path)]
    if isinstance(one, np.ndarray):
        same = one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
        return [] if same else [f"{path}: {one.dtype} {two.dtype}"]
    return (
        [] if one == two or (isinstance(one, float) and np.isnan(one) and np.isnan(two)) else [f"{path}: {one} {two}"]
    )


def written(folder: Path, value: Any) -> Path:
    path = folder / "analyses.json"
    path.write_text(json.dumps(value, allow_nan=False))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fixed", "stopped"])
def test_findings_come_back_as_they_were_field_by_field(kind: str, tmp_path: Path):
    findings = said(models(kind), 1)
    recorded = findings_json(findings)
    assert list(recorded)[:2] == ["format", "move37"]
    again = load_findings(written(tmp_path, recorded))
    assert unequal(findings, again) == []
    assert findings_json(again) == recorded


def test_what_does_not_exist_is_nan_again(tmp_path: Path):
    # One problem: no standard error, no critical value.
    findings = find([ModelData(tally("base", np.array([0.5]), 1)), ModelData(tally("rl", np.array([0.6]), 2))])
    again = load_findings(written(tmp_path, findings_json(findings)))
    assert np.isnan(again.comparisons[0].difference.band.critical_value)
    assert unequal(findings, again) == []


def test_a_file_from_before_the_format_is_read(tmp_path: Path):
    findings = find([ModelData(tally("m", np.array([0.2, 0.9]), 1))], BandSettings(draws=1000))
    old = findings_json(findings)
    del old["format"], old["move37"], old["audits"][0]["correct_among_truncated"]
    assert unequal(findings, load_findings(written(tmp_path, old))) == []


@pytest.mark.parametrize(
    ("content", "said_so"),
    [
        (json.dumps({"format": FORMAT + 1, "move37": "9.9"}), f"format {FORMAT + 1}, written by move37 9.9; this is"),
        ('{"format": 1, "curves": [', "not valid JSON"),
        ("[1, 2]", "no findings in it"),
        ('{"format": "one"}', "no findings in it"),
        ('{"format": 1}', "no curves"),
        ('{"format": 1, "curves": 3}', "move37 analyse"),
    ],
)
def test_other_files_are_refused_in_one_line(content: str, said_so: str, tmp_path: Path):
    path = tmp_path / "analyses.json"
    path.write_text(content)
    with pytest.raises(StoreError) as error:
        load_findings(path)
    assert said_so in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(StoreError, match="no such file"):
        load_findings(tmp_path / "analyses.json")
