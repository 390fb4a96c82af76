"""The question of a row: a text, or a chat of one user's message with a message of the system before it at most.

Chats stand there as TRL and verl have them: lists of {"role", "content"}, whose content is a text or a list of parts
({"type": "text", "text": ...} and {"type": "image"}, the place of the row's next image). Tables that went through CSV
or pandas hold them as texts, in JSON or as Python writes a list: that is a chat too, not a question about brackets.
"""

import json
import re
from ast import literal_eval
from collections.abc import Mapping
from typing import Any

from move37.rows import Row

_CHAT = re.compile(r"""\s*\[\s*\{\s*(['"])(?:role|content)\1\s*:""")
_IMAGE = "<image>"
_ONE_TURN = "expected a text, or a chat of one user's message with a system message before it at most"


def asked(row: Row, key: str) -> tuple[str, str | None]:
    """The question and the message of the system before it; None where there is none, which is not an empty one.

    Raises InputError for several turns.
    """
    given = row.require(key)
    if isinstance(given, str) and _CHAT.match(given):
        given = _read(row, key, given)
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        return row.text(key), None
    roles = [each.get("role") for each in given]
    if roles not in (["user"], ["system", "user"]):
        raise row.error(f"{key!r}: {_ONE_TURN}, found the roles {', '.join(map(str, roles)) or 'none'}")
    texts = [_text(row, key, each.get("content")) for each in given]
    return Row({key: texts[-1]}, row.place).text(key), texts[0] if len(texts) == 2 else None


def _read(row: Row, key: str, text: str) -> Any:
    for read in (json.loads, literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise row.error(f"{key!r}: a chat written down as text, and it cannot be read; store it as a list of messages")


def _text(row: Row, key: str, content: Any) -> str:
    """A message's content as one text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return "".join(_part(row, key, part) for part in parts)


def _part(row: Row, key: str, part: Any) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return part["text"]
    held = {name for name, value in part.items() if value is not None} if isinstance(part, Mapping) else set()
    if held == {"type"} and part["type"] == "image":
        return _IMAGE
    raise row.error(
        f"{key!r}: {_ONE_TURN}; the content of a message is a text, or parts of text and "
        '{"type": "image"} for each of the row\'s \'images\''
    )
