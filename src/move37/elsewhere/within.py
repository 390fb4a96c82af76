"""The boundary watched from within a training: samples of an evaluation are written down, and looked at."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from move37.errors import InputError
from move37.exporters.written import write_rows
from move37.watch import Watch, Watched, WatchRequest
from move37.watch.page import write_page
from move37.watch.shown import header, rows

METRICS = "metrics.jsonl"
RUN = "run"


class BoundaryWithin:
    """Takes the responses of one evaluation after the other. A look that fails is told, and the training goes on."""

    def __init__(self, folder: Path, tell: Callable[[str], None] = print, framework: str = "verl") -> None:
        self.folder, self._tell, self._framework = folder, tell, framework
        self._watch = Watch(WatchRequest(folder, folder / RUN, verifier="reported"))

    def take(self, step: int, responses: Sequence[Mapping[str, Any]], measured: Mapping[str, float]) -> Watched | None:
        """Rows as verl's validation dumps have them, and what the trainer measured of them."""
        write_rows(self.folder / f"{step}.jsonl", ({**row, "step": step} for row in responses))
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"framework": self._framework, "step": step, **measured}) + "\n")
        return self.look()

    def look(self) -> Watched | None:
        """What is there by now; None where there is nothing new, or nothing that can be read."""
        try:
            found = self._watch.look()
        except InputError as error:
            self._tell(f"move37: {error}")
            return None
        if found is not None:
            write_page(found)
            self._tell("move37  " + "  ".join(map(" ".join, zip(header(found), rows(found)[-1], strict=True))))
        return found
