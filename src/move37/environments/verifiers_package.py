"""An environment package of `verifiers` by its name: `environment = "verifiers:NAME"`.

What the package's `load_environment` gives (verifiers up to 0.3) answers the model's turns: tools of a `ToolEnv` are
called as the model writes them,

    <tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>      <tool_response>3</tool_response>

and any other `MultiTurnEnv` says its next message. Its stop conditions end the episode; a single-turn one has nothing
to say. An episode is told anew for every turn (`setup_state`, then each of the model's turns in order), so nothing is
kept between turns; an environment that draws something of its own while it answers is told differently each time, and
is no good here. What the state holds of the problem (answer, info) comes from the package's own data set, by the text
of its prompt. In a ChatML prompt messages are framed as its template does, elsewhere they stand on lines of their own.

Verdicts stay those of the problem's verifier here: rubrics of the package are not asked.
"""

import asyncio
import json
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from move37.environments.tools import CALLED, FAILED
from move37.errors import InputError, MissingExtraError
from move37.types import FinishReason, Prompt, Sample, Segment

_OPENS, _CLOSES = "<tool_call>", "</tool_call>"
_CHATML = "<|im_start|>"


class VerifiersPackage:
    """See the module."""

    def __init__(self, name: str) -> None:
        """Raises MissingExtraError, InputError."""
        self._name = name
        self._package = _loaded(name)

    @staticmethod
    def origin(name: str) -> dict[str, str]:
        """Version of the package, where it is an installed one."""
        try:
            return {"package": f"{name} {version(name)}"}
        except PackageNotFoundError:
            return {"package": name}

    def __deepcopy__(self, memo: Any) -> "VerifiersPackage":
        return VerifiersPackage(self._name)

    @property
    def stops(self) -> tuple[str, ...]:
        """The end of a tool call, where there are tools."""
        return (_CLOSES,) if self._package.has_tools else ()

    def after(self, prompt: Prompt, sample: Sample) -> tuple[Segment, ...] | None:
        if sample.finish_reason is FinishReason.LENGTH or self._package.is_single_turn:
            return None
        turns = [segment.text for segment in sample.trajectory.segments if segment.own]
        said = asyncio.run(self._package.answer(prompt, turns))
        if said is None:
            return None
        text, failed = said
        return (Segment(FAILED if failed else CALLED, text, own=False),)


class _Package:
    """A loaded environment, asked for one answer at a time."""

    def __init__(self, environment: Any, legacy: Any) -> None:
        self._environment, self._vf = environment, legacy
        self.has_tools = hasattr(environment, "tool_map")
        self.is_single_turn = isinstance(environment, legacy.SingleTurnEnv)
        self._failures: list[Exception] = []
        if self.has_tools:
            said = environment.error_formatter
            environment.error_formatter = lambda error: self._failures.append(error) or said(error)

    async def answer(self, prompt: Prompt, turns: list[str]) -> tuple[str, bool] | None:
        """What follows the last of the model's turns, and whether a call in it failed; None where nothing does."""
        environment = self._environment
        state = await environment.init_state(self._row(prompt), self._vf.ClientConfig(), "move37", {})
        state = await environment.setup_state(state) or state
        messages = list(state["prompt"])
        answered: list[Any] = []
        for number, turn in enumerate(turns):
            mine = self._message(turn, number)
            state["trajectory"].append({"prompt": messages, "completion": [mine], "is_truncated": False})
            messages = [*messages, mine]
            self._failures.clear()
            if await environment.is_completed(state):
                return None
            answered = list(await environment.env_response(messages, state))
            if state.get("final_env_response") is not None:
                return None
            messages = [*messages, *answered]
        text = "\n".join(_text_of(message) for message in answered)
        return _framed(text, prompt.text, self.has_tools), bool(self._failures)

    def _row(self, prompt: Prompt) -> dict[str, Any]:
        """The row of the package's data whose prompt this is; without one, the prompt alone."""
        found = [row for text, row in self._rows if text and text in prompt.text]
        if found:
            return dict(max(found, key=lambda row: len(_asked(row))))
        return {"prompt": [{"role": "user", "content": prompt.text}], "answer": "", "info": {}, "example_id": 0}

    @cached_property
    def _rows(self) -> list[tuple[str, dict[str, Any]]]:
        sources = [self._environment.build_dataset, self._environment.build_eval_dataset]
        rows = [dict(row) for source in sources for row in source() or ()]
        return [(_asked(row), row) for row in rows]

    def _message(self, turn: str, number: int) -> Any:
        """The model's turn as a message, with the call that it ends with."""
        if not self.has_tools or _OPENS not in turn:
            return self._vf.AssistantMessage(content=turn)
        before, _, written = turn.rpartition(_OPENS)
        try:
            call = json.loads(written.removesuffix(_CLOSES))
            name, arguments = str(call["name"]), json.dumps(call.get("arguments") or {})
        except (ValueError, KeyError, TypeError, AttributeError):
            name, arguments = "", written  # no JSON: the environment says so to the model
        calls = [self._vf.ToolCall(id=f"call_{number}", name=name, arguments=arguments)]
        return self._vf.AssistantMessage(content=before, tool_calls=calls)


@lru_cache(maxsize=8)
def _loaded(name: str) -> _Package:
    try:
        import verifiers  # type: ignore[import-not-found]
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"environment 'verifiers:{name}' needs the package 'verifiers': pip install 'verifiers<0.4'"
        ) from error
    if not hasattr(verifiers, "load_environment"):
        raise InputError(
            f"environment 'verifiers:{name}': verifiers {version('verifiers')} loads no environments by name any more "
            "(it has tasksets and harnesses); pip install 'verifiers<0.4'"
        )
    try:
        environment = verifiers.load_environment(name)
    except Exception as error:  # a package of somebody else's may raise anything
        raise InputError(f"environment 'verifiers:{name}': {' '.join(str(error).split())}") from error
    legacy: Any = verifiers
    if not isinstance(environment, legacy.MultiTurnEnv):
        raise InputError(f"environment 'verifiers:{name}': a {type(environment).__name__} takes no turns")
    return _Package(environment, legacy)


def _asked(row: dict[str, Any]) -> str:
    """The last message of a row's prompt."""
    prompt = row.get("prompt")
    last = prompt[-1] if isinstance(prompt, list) and prompt else {"content": prompt}
    content = last.get("content") if isinstance(last, dict) else getattr(last, "content", None)
    return content if isinstance(content, str) else ""


def _text_of(message: Any) -> str:
    role = message["role"] if isinstance(message, dict) else message.role
    content = message["content"] if isinstance(message, dict) else message.content
    text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())
    return f"<tool_response>\n{text}\n</tool_response>" if role == "tool" else text


def _framed(text: str, prompt: str, closes_call: bool) -> str:
    """A message between two of the model's turns, as the model reads it."""
    end = _CLOSES if closes_call else ""
    if _CHATML in prompt:
        return f"{end}<|im_end|>\n{_CHATML}user\n{text}<|im_end|>\n{_CHATML}assistant\n"
    return f"{end}\n{text}\n"
