"""Does an importer keep the contract of `move37.importers.Importer`?"""

import tempfile
from collections import Counter
from pathlib import Path

from move37.errors import InputError
from move37.identity import content_id
from move37.importers import Importer
from move37.importers.heads import Head
from move37.importers.joining import Gathered, gather
from move37.importers.logs import Reading
from move37.testing.claims import require


def check_importer(
    importer: Importer, path: Path, model: str = "base", benchmark: str = "math500", torn: bool = True
) -> None:
    """Raises AssertionError unless `importer` reads `path`, one of its files with one log, as its contract says.

    Checked: it claims the file; samples or counts, never both, the same when read twice; one sample per problem and
    index; problems have the content ids that benchmarks give; what the other tool reported is about samples that are
    there; an empty file, one cut short (unless `torn` is false: its format has no end) and one that is not there are
    refused with one line that begins with their path.
    """
    require(importer.claims(Head(path)), "the importer does not claim its own file, so `auto` cannot find it")
    gathered = _gathered(importer, path, model, benchmark)
    if gathered.counts is not None:
        require(not gathered.samples, "there are samples and counts; give one of the two")
        require(gathered.counts.model == model, f"the counts are of {gathered.counts.model!r}, not of {model!r}")
    else:
        _check_samples(gathered, benchmark)
        again = _gathered(importer, path, model, benchmark)
        require(again.samples == gathered.samples, "the same file gives other samples when it is read again")
    _check_refusals(importer, path, model, benchmark, torn)


def _gathered(importer: Importer, path: Path, model: str, benchmark: str) -> Gathered:
    logs = importer.logs([path], Reading(benchmark))
    require(len(logs) == 1, f"there are {len(logs)} logs in the file; the contract is checked on a file with one")
    return gather(logs[0], model, benchmark)


def _check_samples(gathered: Gathered, benchmark: str) -> None:
    require(bool(gathered.samples), "there are neither samples nor counts")
    keys = Counter((sample.problem_id, sample.index) for sample in gathered.samples)
    twice = [key for key, count in keys.items() if count > 1]
    require(not twice, f"two samples have the key {twice[:1]}")
    for problem in gathered.problems:
        expected = content_id(benchmark, problem.question)
        given = problem.id.partition("#")[0]
        require(given == expected, f"problem {problem.id!r} has to have the id of its content, {expected!r}")
    for score, verdicts in gathered.reported.items():
        unknown = set(verdicts) - set(keys)
        require(not unknown, f"{score} is reported of a sample that is not there: {sorted(unknown)[:1]}")


def _check_refusals(importer: Importer, path: Path, model: str, benchmark: str, torn: bool) -> None:
    whole = path.read_bytes()
    spoilt = [("empty", b""), *([("cut short", whole[:-9])] if torn else []), ("missing", None)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for what, content in spoilt:
            copy.unlink(missing_ok=True)
            if content is not None:
                copy.write_bytes(content)
            try:
                _gathered(importer, copy, model, benchmark)
            except InputError as error:
                line = str(error)
                require("\n" not in line, f"a file that is {what} is refused with more than one line: {line!r}")
                require(line.startswith(str(copy)), f"the refusal of a file that is {what} has to begin with its path")
            else:
                raise AssertionError(f"a file that is {what} has to be refused with an InputError, but was read")
