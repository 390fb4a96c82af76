"""The samples of one call: those that wait to begin, those in the making, those that have ended.

Samples in the making (the active sequences) are rows of arrays, so that a step of the decode loop does nothing in
Python for each of them.

When those that wait begin is a matter of speed alone. A free batch slot is filled at once, unless samples have much in
common: then those of one prompt wait until they can begin together, because one that begins later shares nothing with
them. They do not wait longer than a response takes: where one response in a hundred is fifty times as long as the
others, slots would stand idle for it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from move37.engines.transformers_text import Before, ResponseText
from move37.types import FinishReason, Request

_SHARING_PAYS = 0.75
"""Branches per sample below which waiting pays: the lab's base made 1.8 times the tokens a second, its pupil 1.5."""


class Response(NamedTuple):
    """A response that has ended.

    `logprob` is the model's own of the whole. `logprobs` are by token: under the model itself, or under the sampling
    distribution where a completion was asked for (`Completion.logprobs`).
    """

    request: Request
    tokens: list[int]
    logprob: float
    logprobs: list[float]
    reason: FinishReason


class Waiting:
    """Requests that have not begun, in their order. True while there are any."""

    def __init__(self, requests: Sequence[Request], slots: int) -> None:
        self._prompts = deque(deque(same) for _, same in groupby(requests, key=lambda request: request.prompt.content))
        self._slots = slots
        self._branches = self._samples = 0
        self._steps_waited = self._responses = self._tokens = 0

    def __bool__(self) -> bool:
        return bool(self._prompts)

    def take(self, free: int) -> list[list[Request]]:
        """The requests that begin now in `free` slots, those of one prompt together."""
        taken = []
        while free and self._prompts:
            same = self._prompts[0]
            together = min(len(same), self._slots)
            if together > free and self._rather_wait():
                self._steps_waited += 1
                break
            begun = [same.popleft() for _ in range(min(together, free))]
            taken.append(begun)
            free, self._steps_waited = free - len(begun), 0
            if not same:
                self._prompts.popleft()
        return taken

    def _rather_wait(self) -> bool:
        shares = self._branches < _SHARING_PAYS * self._samples
        return shares and self._steps_waited * self._responses < self._tokens

    def stepped(self, branches: int, samples: int) -> None:
        """A step was made for so many samples, in so many shared-prefix branches."""
        self._branches += branches
        self._samples += samples

    def ended(self, responses: Sequence[Response]) -> None:
        self._responses += len(responses)
        self._tokens += sum(len(response.tokens) for response in responses)


class ActiveSequences:
    """Responses in the making, one to a batch slot.

    `live` has the slots of those that go on, `branches` the branch of the cache that each follows.
    """

    def __init__(self, slots: int, limit: int) -> None:
        self._requests: list[Request | None] = [None] * slots
        self._tokens = np.zeros((slots, limit), dtype=np.int32)
        self._kept = np.zeros((slots, limit))
        self._uniforms = np.zeros((slots, limit))
        self._logprobs = np.zeros(slots)
        self._counts = np.zeros(slots, dtype=np.int64)
        self._free = list(range(slots))
        self.live = np.zeros(0, dtype=np.int64)
        self.branches = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.live)

    def open(self, requests: Sequence[Request], branch: int) -> None:
        """Begin a response to each of the requests, all from `branch`."""
        slots = [self._free.pop() for _ in requests]
        for slot, request in zip(slots, requests, strict=True):
            self._requests[slot] = request
            self._uniforms[slot] = _uniforms(request.seed, self._uniforms.shape[1])
        self._counts[slots], self._logprobs[slots] = 0, 0.0
        self.live = np.concatenate([self.live, np.array(slots, dtype=np.int64)])
        self.branches = np.concatenate([self.branches, np.full(len(slots), branch)])

    def uniforms(self) -> Tensor:
        """What decides every live sequence's next token, float64."""
        return torch.from_numpy(self._uniforms[self.live, self._counts[self.live]])

    def note(self, tokens: NDArray[np.int64], logprobs: NDArray[np.float64], kept: NDArray[np.float64]) -> None:
        """Add every live sequence's newest token, with its log-probability under the model and the one to keep."""
        places = self.live, self._counts[self.live]
        self._tokens[places], self._kept[places] = tokens, kept
        self._logprobs[self.live] += logprobs
        self._counts[self.live] += 1

    def at(self, place: int) -> tuple[str, int]:
        """Which problem a live sequence answers, and how many tokens it has."""
        slot = int(self.live[place])
        request = self._requests[slot]
        assert request is not None
        return request.prompt.problem_id, int(self._counts[slot])

    def full(self) -> NDArray[np.bool_]:
        """Which live sequences have as many tokens as they may."""
        return self._counts[self.live] >= self._tokens.shape[1]

    def stopped(self, text: ResponseText, before: Mapping[tuple[str, ...], Before]) -> NDArray[np.bool_]:
        """Which live sequences have just completed a stop string. `before`: what stands there, by prompt content."""
        found = np.zeros(len(self.live), dtype=np.bool_)
        for place, slot in enumerate(self.live.tolist()):
            request = self._requests[slot]
            if request is not None and request.prompt.stop:
                made = self._tokens[slot, : self._counts[slot]]
                found[place] = text.stops(made, request.prompt.stop, before[request.prompt.content])
        return found

    def close(self, place: int, reason: FinishReason) -> Response:
        """The response of a live sequence that has ended; its slot is free as soon as `keep` has let go of it."""
        slot = int(self.live[place])
        request, self._requests[slot] = self._requests[slot], None
        assert request is not None
        self._free.append(slot)
        made = slice(0, int(self._counts[slot]))
        tokens, kept = self._tokens[slot, made].tolist(), self._kept[slot, made].tolist()
        return Response(request, tokens, float(self._logprobs[slot]), kept, reason)

    def keep(self, places: NDArray[np.bool_], branches: NDArray[np.int64]) -> None:
        """Go on with these of the live sequences, at these branches."""
        self.live, self.branches = self.live[places], branches


def _uniforms(seed: int, count: int) -> NDArray[np.float64]:
    """The sequence's own uniforms in [0, 1). Raw generator output, whose stream numpy promises not to change."""
    raw = np.asarray(np.random.PCG64(seed).random_raw(count), dtype=np.uint64)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
