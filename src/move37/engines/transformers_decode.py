"""The decode loop: many requests through a fixed number of batch slots, what they have in common computed once.

A prompt is read once for all of its samples, and samples that have drawn the same tokens so far go on as one branch: a
branch is a text, not a sample. Of the tokens of 1024 samples of the lab's base 18 % are computed, 3 % after 100 steps
of GRPO (python bench/sharing.py), and each is the sample that it would be alone. A sample that ends frees its slot, the
next request (of any prompt) takes it, and when none is left the batch shrinks. One step of the loop is

    admit   requests into free slots       -> their first logits, from the prompt
    draw    one token for every sample     -> samples that ended leave, with their slot
    branch  each into its next texts       -> a branch for each distinct one
    forward one step of all branches       -> their next logits

Between two steps samples are rows of arrays: nothing is done in Python per sample and token unless one may end in a
stop string. How a model is called is `transformers_forward.py`'s.

Why not transformers' own continuous batching (5.23): it runs on a CPU, but slower than plain `generate`
(bench/engine.py), draws all samples from one global generator, and knows no stop strings. Speculative decoding,
chunked prefill and several devices are left out.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from move37.config import SamplingConfig
from move37.engines import Completion
from move37.engines.transformers_cache import BranchCache, SlotMemory
from move37.engines.transformers_draw import distribution_logprobs, draw
from move37.engines.transformers_forward import Forward, ReadPrompt
from move37.engines.transformers_sequences import ActiveSequences, Response, Waiting
from move37.engines.transformers_text import ResponseText
from move37.errors import EngineError
from move37.types import FinishReason, Request, Sample, Segment


class DecodeLoop:
    """One call of an engine's `generate`. `prompts` has the token ids of every prompt that is asked for, by content.

    Raises EngineError, while it runs, where the model's probabilities are not finite.
    """

    def __init__(
        self,
        forward: Forward,
        text: ResponseText,
        end_tokens: frozenset[int],
        prompts: Mapping[tuple[str, ...], Sequence[int]],
        requests: Sequence[Request],
        slots: int,
        sampling: SamplingConfig,
        memory: SlotMemory,
    ) -> None:
        self._text = text
        self._before = {shown: text.before(tokens) for shown, tokens in prompts.items()}
        self._ends = np.array(sorted(end_tokens), dtype=np.int64)
        self._prompts = prompts
        self._requests, self._waiting = requests, Waiting(requests, slots)
        self._slots = slots
        self._sampling = sampling
        self._has_stops = any(request.prompt.stop for request in requests)
        longest = max(map(len, prompts.values()), default=0)
        self._cache = BranchCache(slots, longest, sampling.max_new_tokens, len(requests) <= slots, memory)
        self._sequences = ActiveSequences(slots, sampling.max_new_tokens)
        self._forward, self._device = forward, forward.model.device
        self._keeps_distribution = False
        self._logits: Tensor | None = None
        self._newest = np.zeros(0, dtype=np.int64)
        self._last_read: tuple[tuple[str, ...], ReadPrompt] | None = None

    def run(self) -> Iterator[Sample]:
        """Samples as they end. Inference mode is never on while the caller is at work between two of them."""
        for response in self._ending():
            yield self._sample(response)

    def completions(self) -> Iterator[Completion]:
        """Samples with their tokens, as they end. The sampling distribution must have no nucleus (top_p = 1)."""
        self._keeps_distribution = True
        for response in self._ending():
            prompt = self._prompts[response.request.prompt.content]
            ids = prompt if isinstance(prompt, tuple) else tuple(prompt)  # one with images stays what it is
            yield Completion(self._sample(response), ids, tuple(response.tokens), tuple(response.logprobs))

    def _ending(self) -> Iterator[Response]:
        while self._waiting or self._sequences:
            self._admit()
            yield from self._draw()
            if self._sequences:
                self._step()
        self._cache.release()

    @torch.inference_mode()
    def _admit(self) -> None:
        groups = self._waiting.take(self._slots - len(self._sequences))
        if not groups:
            return
        logits = [] if self._logits is None else [self._logits]
        shown = [requests[0].prompt.content for requests in groups]
        for requests, prompt in zip(groups, self._read(shown), strict=True):
            self._sequences.open(requests, len(self._cache.lengths))
            self._cache.admit(prompt.states, prompt.offset)
            logits.append(prompt.logits)
        self._logits = logits[0] if len(logits) == 1 else torch.cat(logits)

    def _read(self, shown: Sequence[tuple[str, ...]]) -> Iterator[ReadPrompt]:
        """The prompts in order; one that was the last of the call before is not read again."""
        known = self._last_read
        if shown and known is not None and known[0] == shown[0]:
            yield known[1]
            shown = shown[1:]
        for each, prompt in zip(shown, self._forward.read([self._prompts[each] for each in shown]), strict=True):
            self._last_read = each, prompt
            yield prompt

    @torch.inference_mode()
    def _draw(self) -> list[Response]:
        assert self._logits is not None
        sequences, logits, temperature = self._sequences, self._logits, self._sampling.temperature
        rows, uniforms = torch.from_numpy(sequences.branches).to(self._device), sequences.uniforms().to(self._device)
        drawn, logprobs = draw(logits, rows, uniforms, temperature, self._sampling.top_p)
        asked = self._keeps_distribution and temperature not in (0, 1)
        kept = distribution_logprobs(logits, rows, drawn, temperature) if asked else logprobs
        made = torch.stack([drawn.double(), logprobs, kept]).cpu().numpy()  # waits for a GPU once
        tokens = made[0].astype(np.int64)
        sequences.note(tokens, self._sound(made[1]), made[2])
        stops = np.isin(tokens, self._ends)
        if self._has_stops:
            stops |= sequences.stopped(self._text, self._before)
        ended = stops | sequences.full()
        responses = [
            sequences.close(place, FinishReason.STOP if stops[place] else FinishReason.LENGTH)
            for place in np.flatnonzero(ended).tolist()
        ]
        self._waiting.ended(responses)
        self._branch(tokens, ~ended)
        return responses

    def _sound(self, logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Raises EngineError where the model gave nothing to draw by: what was drawn says nothing about it."""
        broken = np.flatnonzero(~np.isfinite(logprobs))
        if len(broken):
            problem, made = self._sequences.at(int(broken[0]))
            narrow = self._forward.model.dtype == torch.float16
            raise EngineError(
                f"problem {problem}: the model's probabilities are not finite at token {made + 1} of the response: its "
                "weights are broken or have diverged"
                + (", or float16 is too narrow for it: set options.dtype to bfloat16 or float32" if narrow else "")
            )
        return logprobs

    def _branch(self, tokens: NDArray[np.int64], going: NDArray[np.bool_]) -> None:
        """Give every distinct text of the sequences that go on a branch of its own, from the one that it continues."""
        assert self._logits is not None
        rows, vocabulary = self._logits.shape
        texts, follows = np.unique(self._sequences.branches[going] * vocabulary + tokens[going], return_inverse=True)
        was = self._cache.branch(np.bincount(texts // vocabulary, minlength=rows))
        places = np.argsort(was, kind="stable")  # new branches in the order of `texts`: by what they were
        self._sequences.keep(going, places[follows])
        self._newest = np.empty_like(texts)
        self._newest[places] = texts % vocabulary
        self._logits = None

    @torch.inference_mode()
    def _step(self) -> None:
        self._waiting.stepped(len(self._newest), len(self._sequences))
        positions = self._cache.before_step()
        tokens = np.pad(self._newest, (0, len(positions) - len(self._newest)))
        self._logits = self._forward.step(tokens, positions, self._cache)[: len(self._newest)]
        self._cache.after_step()

    def _sample(self, response: Response) -> Sample:
        request, tokens = response.request, response.tokens
        said = tokens[:-1] if tokens[-1] in self._ends else tokens
        text = self._text.visible(said, request.prompt.stop, self._before[request.prompt.content])
        segments = None
        if self._sampling.keep_tokens and not self._keeps_distribution:
            segments = (Segment("assistant", text, tuple(tokens), True, tuple(response.logprobs)),)
        return Sample(
            request.prompt.problem_id,
            request.index,
            text,
            response.reason,
            len(tokens),
            response.logprob,
            request.seed,
            segments,
        )
