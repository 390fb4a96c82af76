"""verl 0.9: a logger named "move37", which says after every validation where the boundary stands.

    export VERL_USE_EXTERNAL_MODULES=move37.elsewhere.verl_logger
    ... trainer.validation_data_dir=validation trainer.logger='[console,wandb,move37]'

verl imports this file when it is imported itself; that adds the logger. After a validation it reads verl's own dump,
and hands the figures (`boundary/pass@8`, `boundary/lost`, ...) to the other loggers at the same step; the page is
`<validation_data_dir>/run/watch.html`. The reward's verdict decides ("acc" of the dump).
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verl.utils.tracking import Tracking  # type: ignore[import-not-found]

from move37.elsewhere.within import BoundaryWithin
from move37.watch.shown import figures

NAME = "move37"
_PATIENCE_SECONDS = 30.0


class BoundaryLogger:
    """One of verl's loggers. The dump is written by a thread, so a look waits for it, though not for ever."""

    def __init__(self, folder: Path, tracking: Any) -> None:
        self._within, self._tracking = BoundaryWithin(folder), tracking

    def log(self, data: Mapping[str, Any], step: int) -> None:
        if not any(name.startswith(("val-core/", "val-aux/")) for name in data):
            return
        end = time.monotonic() + _PATIENCE_SECONDS
        while not (dump := self._within.folder / f"{step}.jsonl").exists() and time.monotonic() < end:
            time.sleep(0.2)
        while _grows(dump) and time.monotonic() < end:
            pass
        found = self._within.look()
        others = [name for name in self._tracking.logger if name != NAME]
        if found is not None and others:
            self._tracking.log(data=figures(found), step=step, backend=others)


def _grows(path: Path) -> bool:
    size = path.stat().st_size if path.exists() else -1
    time.sleep(0.2)
    return path.exists() and path.stat().st_size != size


def _with_ours(begin: Any) -> Any:
    def __init__(self: Any, *args: Any, config: Any = None, **named: Any) -> None:  # noqa: N807
        begin(self, *args, config=config, **named)
        wanted = named.get("default_backend", args[2] if len(args) > 2 else ())
        folder = (config or {}).get("trainer", {}).get("validation_data_dir")
        if NAME in wanted and folder:
            self.logger[NAME] = BoundaryLogger(Path(folder), self)

    return __init__


if NAME not in Tracking.supported_backend:
    Tracking.supported_backend = [*Tracking.supported_backend, NAME]
    Tracking.__init__ = _with_ours(Tracking.__init__)
