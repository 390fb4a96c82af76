"""The program that samples for a training in a process, and on a GPU, of its own: `training/samplers.py` starts it.

Its weights are those that were pushed last, in a file. The messages are those of `vllm_child.py`; a request and a
completion are pickled as they are.
"""

import os
import pickle
import sys
import threading
from collections import deque
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import torch

from move37.config import SamplingConfig
from move37.engines import TrainableSettings
from move37.engines.transformers import TransformersEngine
from move37.engines.vllm_child import listen, reason_of

_TOGETHER = 64
"""Completions that are handed over at once."""


class Server:
    """An engine and what it was told to do."""

    def __init__(self, channel: Connection, inbox: "SimpleQueue[dict[str, Any]]") -> None:
        self._channel, self._inbox = channel, inbox
        self._waiting: deque[dict[str, Any]] = deque()
        opening = inbox.get()
        self._engine = TransformersEngine.load_to_train(opening["path"], TrainableSettings(**opening["settings"]))
        self._tell({"opened": {}})

    def serve(self) -> None:
        """Do what comes, until the other end is closed."""
        while True:
            message = self._waiting.popleft() if self._waiting else self._inbox.get()
            if message["do"] == "sample":
                self._sample(message["jobs"], SamplingConfig.model_validate(message["sampling"]))
            elif message["do"] == "weights":
                self._engine.model.load_state_dict(torch.load(message["folder"], mmap=True, weights_only=True))
                self._tell({"updated": 1})
            elif message["do"] == "drop":
                self._tell({"dropped": 1})

    def _sample(self, jobs: list[tuple[int, Any]], sampling: SamplingConfig) -> None:
        places = {(request.prompt.problem_id, request.index): place for place, request in jobs}
        made: list[tuple[int, Any]] = []
        with self._engine.sampling_layout(min(len(jobs), 64)):
            for each in self._engine.completions([request for _, request in jobs], sampling):
                made.append((places[each.sample.problem_id, each.sample.index], each))
                if len(made) >= _TOGETHER:
                    self._tell({"made": made})
                    made = []
                    if self._is_dropped():
                        return
        self._tell({"made": made})

    def _is_dropped(self) -> bool:
        """Whether what was asked is wanted no longer; what else was asked meanwhile is then forgotten too."""
        while not self._inbox.empty():
            self._waiting.append(self._inbox.get())
        if not any(message["do"] == "drop" for message in self._waiting):
            return False
        while self._waiting[0]["do"] != "drop":
            self._waiting.popleft()
        return True

    def _tell(self, message: dict[str, Any]) -> None:
        self._channel.send_bytes(pickle.dumps(message, 4))


def main() -> None:
    if os.getpgrp() != os.getpid():
        raise SystemExit("a part of move37, which starts it in a process group of its own")
    channel, inbox = Connection(int(sys.argv[1])), SimpleQueue[dict[str, Any]]()
    threading.Thread(target=listen, args=(channel, inbox), daemon=True).start()
    try:
        Server(channel, inbox).serve()
    except Exception as error:
        channel.send_bytes(pickle.dumps({"failed": reason_of(error)}, 4))
        raise


if __name__ == "__main__":
    main()
