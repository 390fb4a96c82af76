"""Problems x owed sample indices -> Samples.

Which samples are owed is the store's knowledge, how a prompt is continued is the engine's. Here is what lies between:
requests with their seeds in an order that lets an engine prefill each prompt once, the check that prompt and response
fit the model's context before a single token is made, and the check that an engine delivers each sample once.
Stopping plans other than a fixed n are left out.
"""

from collections.abc import Iterator, Mapping, Sequence

from move37.config import SamplingConfig
from move37.engines import Engine
from move37.errors import ConfigError, EngineError, Move37Error
from move37.seeds import sample_seed
from move37.types import Prompt, Request, Sample


def owed_requests(
    prompts: Sequence[Prompt], owed: Mapping[str, Sequence[int]], run_seed: int, model: str
) -> list[Request]:
    """One request per owed sample, prompt by prompt, each with the seed that belongs to its key."""
    return [
        Request(prompt, index, sample_seed(run_seed, model, prompt.problem_id, index))
        for prompt in prompts
        for index in owed.get(prompt.problem_id, ())
    ]


def check_context(engine: Engine, prompts: Sequence[Prompt], sampling: SamplingConfig, model: str) -> None:
    """Refuse settings under which a response would be cut short in silence. Raises ConfigError."""
    if engine.context_length is None:
        return
    lengths = {prompt.problem_id: engine.count_tokens(prompt.text) for prompt in prompts}
    room = engine.context_length - max(lengths.values(), default=0)
    if room < sampling.max_new_tokens:
        longest = max(lengths, key=lambda problem: lengths[problem])
        raise ConfigError(
            f"sampling.max_new_tokens: {sampling.max_new_tokens} tokens do not fit {model!r}: its context is "
            f"{engine.context_length} and the longest prompt ({longest}) takes {lengths[longest]}; "
            f"ask for at most {max(room, 0)}"
        )


def sample(engine: Engine, requests: Sequence[Request], sampling: SamplingConfig, model: str) -> Iterator[Sample]:
    """The engine's samples as they finish, each checked against what was asked. Raises EngineError."""
    open_keys = {(request.prompt.problem_id, request.index) for request in requests}
    if not requests:
        return
    try:
        for made in engine.generate(requests, sampling):
            key = (made.problem_id, made.index)
            if key not in open_keys:
                raise EngineError(f"{model!r}: the engine returned a sample that it does not owe: {key[0]} {key[1]}")
            open_keys.remove(key)
            yield made
    except Move37Error:
        raise
    except Exception as error:
        first = str(error).splitlines()[0] if str(error) else ""
        raise EngineError(f"{model!r}: the engine failed while sampling: {type(error).__name__}: {first}") from error
    if open_keys:
        raise EngineError(f"{model!r}: the engine finished without {len(open_keys)} of the samples that it owes")
