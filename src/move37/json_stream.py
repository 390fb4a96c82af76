"""Items of a large JSON file, one at a time: a list's, an object's members, and those of a list or object one level in.

The whole file is never in memory, only the item that is being read. What JSON writers in Python add to JSON (NaN,
Infinity) is read too.
Left out: what the items mean, deeper nesting (`json.loads` reads that).
"""

import json
from collections.abc import Collection, Iterator
from typing import Any, TextIO

CHUNK = 2**20
"""Characters that are read at once; an item longer than that takes several."""
_SPACE = " \t\n\r"


class TornError(ValueError):
    """The text is no JSON from some place on, which the message names; `cut`: it ends there."""

    def __init__(self, what: str, cut: bool) -> None:
        super().__init__(what)
        self.cut = cut


def stream_json(text: TextIO, into: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    """(name, value) of each member of an object, ("", item) of each item of a list.

    A member whose name is in `into` and that is a list comes item by item, each under its name; one that is an object
    comes as (name, (key, value)) for each of its own members. Raises TornError where the text is no JSON or ends early,
    and UnicodeDecodeError as `text` does.
    """
    reader = _Reader(text)
    opening = reader.next_character()
    if opening == "[":
        for value in reader.items("]", reader.value):
            yield "", value
    elif opening == "{":
        yield from _members(reader, into)
    else:
        raise reader.torn("Expecting a list or an object")
    if reader.peek():
        raise reader.torn("Extra data")


def _members(reader: "_Reader", into: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name in reader.items("}", reader.name):
        if name in into and reader.peek() == "[":
            reader.next_character()
            for value in reader.items("]", reader.value):
                yield name, value
        elif name in into and reader.peek() == "{":
            reader.next_character()
            for key in reader.items("}", reader.name):
                yield name, (key, reader.value())
        else:
            yield name, reader.value()


class _Reader:
    def __init__(self, text: TextIO) -> None:
        self._text, self._buffer, self._place = text, "", 0
        self._lines, self._column = 0, 0
        """Of what was read and dropped: its line ends, and the characters after the last of them."""
        self._ended = False
        self._decoder = json.JSONDecoder()

    def torn(self, what: str, place: int | None = None) -> TornError:
        """The error to raise about what stands at `place` of the buffer, which is the next character otherwise."""
        place = self._place if place is None else place
        before = self._buffer[:place]
        lines, column = self._lines + before.count("\n"), place - (before.rfind("\n") + 1)
        column += 1 + (0 if "\n" in before else self._column)
        where = f"line {lines + 1} column {column}" if lines else f"column {column}"
        return TornError(f"{what}, {where}", place >= len(self._buffer) - 1 and not self._more(1))

    def peek(self) -> str:
        """The next character that is no white space; nothing at the end."""
        while True:
            while self._place < len(self._buffer) and self._buffer[self._place] in _SPACE:
                self._place += 1
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if not self._more(CHUNK):
                return ""

    def next_character(self) -> str:
        found = self.peek()
        self._place += len(found)
        return found

    def items(self, closing: str, read: Any) -> Iterator[Any]:
        """What `read` reads, once for each item, up to `closing`."""
        if self.peek() == closing:
            self.next_character()
            return
        while True:
            yield read()
            found = self.next_character()
            if found == closing:
                return
            if found != ",":
                raise self.torn("Expecting ',' delimiter", self._place - len(found))

    def name(self) -> str:
        """The name of a member, and the colon after it."""
        found = self.value()
        if not isinstance(found, str):
            raise self.torn("Expecting property name enclosed in double quotes")
        if self.next_character() != ":":
            raise self.torn("Expecting ':' delimiter")
        return found

    def value(self) -> Any:
        """One whole value."""
        if not self.peek():
            raise self.torn("Expecting value")
        wanted = CHUNK
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._place)
            except json.JSONDecodeError as error:
                if self._more(wanted):
                    wanted *= 2  # or a long item would be begun again too often
                    continue
                # A text without its end is found at its beginning.
                raise self.torn(error.msg, len(self._buffer) if "Unterminated" in error.msg else error.pos) from None
            if end < len(self._buffer) or not self._more(wanted):  # a number may go on in the next chunk
                self._refuse_half_characters(value, end)
                self._place = end
                self._forget()
                return value

    def _refuse_half_characters(self, value: Any, end: int) -> None:
        """An escaped surrogate is fine in pairs, but half a pair is no text in UTF-8."""
        if "\\ud" in self._buffer[self._place : end].lower():
            try:
                json.dumps(value, ensure_ascii=False).encode("utf-8")
            except UnicodeEncodeError:
                raise self.torn("half of a character, an unpaired surrogate such as \\ud83d: remove it") from None

    def _more(self, characters: int) -> bool:
        if self._ended:
            return False
        read = self._text.read(characters)
        self._ended = not read
        self._buffer += read
        return bool(read)

    def _forget(self) -> None:
        if self._place < CHUNK:
            return
        gone = self._buffer[: self._place]
        ends = gone.count("\n")
        self._column = len(gone) - gone.rfind("\n") - 1 if ends else self._column + len(gone)
        self._lines += ends
        self._buffer, self._place = self._buffer[self._place :], 0
