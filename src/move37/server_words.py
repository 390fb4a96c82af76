"""What a server says, made readable: JSON however it is written, the message in the body of an error, the key cut out.

Of each refusal the words say what kind it is: servers agree neither on statuses nor on codes.
Left out: what a user should do about it, which depends on who asked (`engines/openai_refusals.py`).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

STOPPED = ("stop", "stop_sequence", "end_turn", "eos", "eos_token")
LIMITED = ("length", "max_tokens", "max_output_tokens", "model_length")
"""Why a response ended, in small letters: it was whole, or the limit on tokens ended it."""
_SHOWN = 300
"""Characters of what a server said that are shown."""
_READ = 20_000
"""Characters of it that are looked at."""
_HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_STARRED = re.compile(r"([\w-]*)(?:\*{2,}|\.{3}|…)([\w-]*)")
_FILTERED = re.compile(
    r"content[_ -]?(?:filter|policy|management)|usage polic|responsible_?ai|data_inspection|moderation|flagged"
    r"|sensitive (?:content|words)",
    re.IGNORECASE,
)
_SPENT = re.compile(
    r"insufficient[ _](?:quota|credit|balance|fund)|exceeded your current quota|out of credits|credit balance"
    r"|payment required|billing[ _](?:hard[ _]limit|not[ _]active)|key limit exceeded",
    re.IGNORECASE,
)
_FEWEST_KEPT = 4
"""Characters of a key that a starred word has to show before it is taken for the key."""


def read_json(content: bytes | str) -> Any:
    """What a body holds. Half characters, which a limit on tokens leaves, are marked. Raises ValueError for no JSON."""
    text = content if isinstance(content, str) else content.decode("utf-8-sig")
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _whole_characters(value) if _HALF_A_CHARACTER.search(text) else value


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(each) for each in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(each) for key, each in value.items()}
    return value


def error_in(body: str) -> Any:
    """The body of an error, read; of a page its title, and of other text its beginning."""
    try:
        return read_json(body[:_READ])
    except ValueError:
        title = _TITLE.search(body[:_READ])
        return title[1] if title else body[:_READ]


def message_in(body: str) -> str:
    """What the body of an error says in words, else all of it, in one line."""
    return one_line(message_of(error_in(body)) or body)


def message_of(error: Any) -> str:
    """The message of an error that was read; empty where it says nothing in words."""
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return "; ".join(filter(None, map(message_of, error)))
    if not isinstance(error, Mapping):
        return ""
    said = next(
        (found for key in ("error", "message", "detail", "msg", "errors") if (found := message_of(error.get(key)))), ""
    )
    place = error.get("loc")  # of a field that is refused
    if said and isinstance(place, list):
        said = f"{'.'.join(map(str, place))}: {said}"
    about = error.get("metadata")  # what another server said that stands behind this one
    behind = message_of(about.get("raw")) if isinstance(about, Mapping) else ""
    return f"{said} ({behind})" if said and behind else said or behind


def words_of(error: Any) -> str:
    """The message of an error and the names that it gives to its kind, without what it repeats of a request."""
    return one_line(" ".join([message_of(error), *_labels(error)]))


def _labels(error: Any) -> list[str]:
    if not isinstance(error, Mapping):
        return []
    own = [str(error[key]) for key in ("code", "type", "param", "status") if isinstance(error.get(key), (str, int))]
    return own + [label for key in ("error", "innererror", "metadata") for label in _labels(error.get(key))]


def one_line(text: str) -> str:
    return " ".join(text[:_READ].split())


def text_of(content: Any) -> str:
    """The text of a message's content, which may be a list of parts. Raises TypeError for what is no text."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "".join(map(text_of, content))
    if isinstance(content, Mapping):
        return text_of(next(content[key] for key in ("text", "thinking", "summary", "content") if key in content))
    raise TypeError


def without_key(text: str, key: str | None) -> str:
    """One line that may be shown and kept: no key in it, also none that the server has starred out in part."""
    line = one_line(text)
    if key:
        line = line.replace(key, "***")
        line = _STARRED.sub(lambda found: "***" if _is_part_of(key, found[1], found[2]) else found[0], line)
    return line[:_SHOWN]


def _is_part_of(key: str, beginning: str, end: str) -> bool:
    return len(beginning) + len(end) >= _FEWEST_KEPT and key.startswith(beginning) and key.endswith(end)


def is_filtered(words: str) -> bool:
    """Whether a refusal is about what the prompt, or the response, says."""
    return bool(_FILTERED.search(words))


def is_spent(words: str) -> bool:
    """Whether a refusal is about money: waiting does not help."""
    return bool(_SPENT.search(words))
