"""Does an engine keep the contract of `move37.engines.Engine`?"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from move37.config import ModelConfig, SamplingConfig
from move37.engines import Engine
from move37.engines.metering import Unsure
from move37.errors import ConfigError, EngineError
from move37.seeds import sample_seed
from move37.testing.claims import require
from move37.types import FinishReason, ImagePart, Message, Prompt, Request, Sample

QUESTIONS = ("what is 2 and 2?", "a", "name a prime number that is larger than 100.")

_HOT = SamplingConfig(temperature=1.0, top_p=1.0, max_new_tokens=24)
_MANNERS = ((1.0, 1.0, ()), (0.7, 0.8, ("e",)), (0.0, 1.0, ()), (1.6, 0.5, ()))
"""Temperature, top-p and stop strings under which tokens are asked for."""

ROUNDING = 1e-3
"""By how much a response's log-probability may differ where other samples run beside it."""


def check_engine(
    engine: Engine, texts: Sequence[str] = QUESTIONS, sees_images: bool = False, keeps_tokens: bool = True
) -> None:
    """Raises AssertionError unless `engine`, which is loaded and stays so, continues prompts as its contract says.

    `texts` are prompts that it can continue. Checked: one sample for each request, of the request's seed, no longer
    than asked, with a finish reason that is true; finite log-probabilities, and kept tokens that sum to them; a seed
    gives the same sample alone and beside others, if the engine says so, and another seed another one; stop strings
    end a response; tokens of a prompt are counted, or said to be unknown; an image is refused where it is not seen,
    and so are kept tokens where the engine has none (`keeps_tokens`); the identity is text.
    """
    _check_identity(engine)
    _check_rendering(engine, texts, sees_images)
    _check_samples(engine, texts)
    _check_seeds(engine, texts)
    _check_stop_strings(engine, texts)
    for manner in _MANNERS if keeps_tokens else ():
        _check_kept_tokens(engine, texts, *manner)
    if not keeps_tokens:
        _check_no_kept_tokens(engine, texts)
    require(list(engine.generate([], _HOT)) == [], "no requests have to give no samples")


def _asked(texts: Sequence[str], n: int, stop: tuple[str, ...] = (), run_seed: int = 0) -> list[Request]:
    """n requests for every text, prompt by prompt."""
    prompts = [Prompt(f"p{number}", text, stop, "completion") for number, text in enumerate(texts)]
    return [
        Request(each, index, sample_seed(run_seed, "m", each.problem_id, index))
        for each in prompts
        for index in range(n)
    ]


def _by_key(samples: Any) -> dict[tuple[str, int], Sample]:
    return {(sample.problem_id, sample.index): sample for sample in samples}


def _check_identity(engine: Engine) -> None:
    identity = engine.identity()
    for key, value in identity.items():
        said = isinstance(key, str) and isinstance(value, str) and bool(value)
        require(said, f"identity has to hold texts, not {key!r}: {value!r}")
    json.dumps(dict(identity))
    promised = "reproduce" if engine.seed_reproduces_sample else "do not reproduce"
    given = identity.get("seeds")
    require(given == promised, f"identity()['seeds'] has to be {promised!r} (use seeds_statement), not {given!r}")
    model = ModelConfig(path="x", engine="x", options={"no_such_option": 1})
    try:
        type(engine).load(model)
    except ConfigError as error:
        line = str(error)
        require(
            "no_such_option" in line and "\n" not in line, f"an unknown option is refused without its name: {line!r}"
        )
    else:
        raise AssertionError("an unknown option has to be refused with ConfigError (use parse_options)")


def _check_rendering(engine: Engine, texts: Sequence[str], sees_images: bool) -> None:
    for text in texts:
        count = engine.count_tokens(Prompt("p", text, (), "completion"))
        unknown = count is None and isinstance(engine, Unsure) and bool(engine.unchecked())
        counted = isinstance(count, int) and count > 0
        require(counted or unknown, f"count_tokens has to give a number of tokens, or say why not, not {count!r}")
    require(
        engine.context_length is None or engine.context_length > 0,
        f"context_length has to be a number of tokens or None, not {engine.context_length!r}",
    )
    if sees_images:
        return
    message = Message.of("user", texts[0], (ImagePart.of(b"bytes", "image/png"),))
    prompt = Prompt("p", texts[0], (), "completion", (message,))
    for what, ask in (
        ("render_prompt", lambda: engine.render_prompt([message])),
        ("generate", lambda: list(engine.generate([Request(prompt, 0, 0)], _HOT))),
    ):
        try:
            ask()
        except ConfigError as error:
            require("image" in str(error), f"{what} refuses an image without saying so: {error}")
        else:
            raise AssertionError(f"{what} has to refuse an image with ConfigError (use refuse_images)")


def _check_samples(engine: Engine, texts: Sequence[str]) -> None:
    settings = _HOT.model_copy(update={"max_new_tokens": 9})
    requests = _asked(texts, 8)
    made = list(engine.generate(requests, settings))
    keys = Counter((sample.problem_id, sample.index) for sample in made)
    expected = Counter((request.prompt.problem_id, request.index) for request in requests)
    require(keys == expected, "every request has to get exactly one sample, of its problem and index")
    seeds = {(request.prompt.problem_id, request.index): request.seed for request in requests}
    for sample in made:
        key = (sample.problem_id, sample.index)
        require(sample.seed == seeds[key], f"the sample {key} has another seed than its request")
        finish = (FinishReason.STOP, FinishReason.LENGTH)
        require(sample.finish_reason in finish, f"the finish reason of {key} is {sample.finish_reason!r}")
        if sample.tokens is not None:
            require(1 <= sample.tokens <= 9, f"{key} has {sample.tokens} tokens, and at most 9 were asked for")
            cut = sample.finish_reason is FinishReason.LENGTH
            require(not cut or sample.tokens == 9, f"{key} is said to be cut off, after {sample.tokens} of 9 tokens")
        if sample.logprob is not None:
            right = math.isfinite(sample.logprob) and sample.logprob <= 0
            require(right, f"the log-probability of {key} is {sample.logprob}")


def _check_seeds(engine: Engine, texts: Sequence[str]) -> None:
    alone, beside = (_by_key(engine.generate(_asked(texts, n), _HOT)) for n in (2, 6))
    other = _by_key(engine.generate(_asked(texts, 6, run_seed=1), _HOT))
    differ = any(other[key].text != sample.text for key, sample in beside.items())
    require(differ, "another seed has to give other samples: all randomness comes from the request's seed")
    if not engine.seed_reproduces_sample:
        return
    for key, sample in alone.items():
        again = beside[key]
        require(replace(again, logprob=sample.logprob) == sample, f"{key} is another sample where others run beside it")
        if sample.logprob is not None and again.logprob is not None:
            near = abs(sample.logprob - again.logprob) <= ROUNDING
            require(near, f"the log-probability of {key} depends on what runs beside it")


def _check_stop_strings(engine: Engine, texts: Sequence[str]) -> None:
    free = [sample.text for sample in engine.generate(_asked(texts, 8), _HOT)]
    pairs = Counter(text[place : place + 2] for text in free for place in range(len(text) - 1))
    if not pairs:
        return
    stop = pairs.most_common(1)[0][0]
    stopped = list(engine.generate(_asked(texts, 8, stop=(stop, "zzzz")), _HOT))
    require(not any(stop in sample.text for sample in stopped), f"the stop string {stop!r} stands in a response")
    ended = sum(sample.finish_reason is FinishReason.STOP for sample in stopped)
    require(ended > 0, f"no response ended at the stop string {stop!r}")


def _check_no_kept_tokens(engine: Engine, texts: Sequence[str]) -> None:
    settings = _HOT.model_copy(update={"keep_tokens": True})
    try:
        list(engine.generate(_asked(texts, 1), settings))
    except (ConfigError, EngineError) as error:
        require("keep_tokens" in str(error), f"keep_tokens is refused without its name: {error}")
    else:
        raise AssertionError("keep_tokens has to be refused where there are no token ids")


def _check_kept_tokens(
    engine: Engine, texts: Sequence[str], temperature: float, top_p: float, stop: tuple[str, ...]
) -> None:
    settings = SamplingConfig(temperature=temperature, top_p=top_p, max_new_tokens=24)
    requests = _asked(texts, 4, stop)
    kept = _by_key(engine.generate(requests, settings.model_copy(update={"keep_tokens": True})))
    for key, sample in kept.items():
        ids, logprobs = sample.token_ids, sample.logprobs
        if ids is None or logprobs is None:
            raise AssertionError(f"{key} has no token ids and log-probabilities although keep_tokens asks for them")
        alike = len(ids) == len(logprobs) == sample.tokens
        require(alike, f"{key}: {len(ids)} token ids, {len(logprobs)} log-probabilities, {sample.tokens} tokens")
        total = sample.logprob is not None and abs(sum(logprobs) - sample.logprob) <= 1e-6
        require(total, f"{key}: the log-probabilities sum to {sum(logprobs)}, and the sample's is {sample.logprob}")
        own = "".join(segment.text for segment in sample.trajectory.segments if segment.own)
        require(own == sample.text, f"{key}: the segments hold another text than the sample")
    if not engine.seed_reproduces_sample:
        return
    plain = _by_key(engine.generate(requests, settings))
    for key, sample in kept.items():
        require(plain[key].segments is None, f"{key} keeps tokens that nobody asked for")
        require(replace(sample, segments=None) == plain[key], f"{key} is another sample when tokens are kept")
