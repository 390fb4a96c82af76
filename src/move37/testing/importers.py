"""Does an importer keep the contract of `move37.importers.Importer`?"""

import tempfile
from collections import Counter
from pathlib import Path

from move37.errors import InputError
from move37.identity import content_id
from move37.importers import Imported, Importer
from move37.testing.claims import require


def check_importer(importer: Importer, path: Path, model: str = "base", benchmark: str = "math500") -> None:
    """Raises AssertionError unless `importer` reads `path`, one of its files, as its contract says.

    Checked: samples or counts, never both, the same when read twice; one sample per problem and index; problems have
    the content ids that benchmarks give; what the other tool reported is about samples that are there; an empty file,
    one cut short and one that is not there are refused with one line that begins with their path.
    """
    imported = importer.load(path, model, benchmark)
    require(isinstance(imported, Imported), f"load has to return an Imported, not {type(imported).__name__}")
    if imported.counts is not None:
        require(not imported.samples, "there are samples and counts; give one of the two")
        require(imported.counts.model == model, f"the counts are of {imported.counts.model!r}, not of {model!r}")
    else:
        _check_samples(imported, benchmark)
        again = importer.load(path, model, benchmark)
        require(again.samples == imported.samples, "the same file gives other samples when it is read again")
    if path.is_file():
        _check_refusals(importer, path, model, benchmark)


def _check_samples(imported: Imported, benchmark: str) -> None:
    require(bool(imported.samples), "there are neither samples nor counts")
    keys = Counter((sample.problem_id, sample.index) for sample in imported.samples)
    twice = [key for key, count in keys.items() if count > 1]
    require(not twice, f"two samples have the key {twice[:1]}")
    for problem in imported.problems:
        expected = content_id(benchmark, problem.question)
        given = problem.id.partition("#")[0]
        require(given == expected, f"problem {problem.id!r} has to have the id of its content, {expected!r}")
    unknown = set(imported.reported) - set(keys)
    require(not unknown, f"a score is reported of a sample that is not there: {sorted(unknown)[:1]}")


def _check_refusals(importer: Importer, path: Path, model: str, benchmark: str) -> None:
    whole = path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for what, content in (("empty", b""), ("cut short", whole[:-9]), ("missing", None)):
            copy.unlink(missing_ok=True)
            if content is not None:
                copy.write_bytes(content)
            try:
                importer.load(copy, model, benchmark)
            except InputError as error:
                line = str(error)
                require("\n" not in line, f"a file that is {what} is refused with more than one line: {line!r}")
                require(line.startswith(str(copy)), f"the refusal of a file that is {what} has to begin with its path")
            else:
                raise AssertionError(f"a file that is {what} has to be refused with an InputError, but was read")
