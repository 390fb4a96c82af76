"""How values cross between a program and its tests: plain data as JSON, everything else as a numbered handle.

Plain data are None, booleans, numbers (also Decimal, Fraction, complex, NumPy scalars), text, bytes, dates, range, and
lists, tuples, sets, deques and dictionaries (also Counter and OrderedDict) of them; any other subclass crosses as its
base, so an overridden `__eq__` stays behind.
Builtin types and functions cross by name, so that a test may pass `int`. Every other object stays where it is and a
handle crosses, which its owner resolves. Handles equal nothing.

Reading is total: whatever the other side sends, the result is a value or `MalformedError`. Not pickle, not marshal, not
eval: bytes from a program must not be able to do anything.
"""

import builtins
import json
import os
import struct
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from importlib import import_module
from typing import Any

LONGEST_MESSAGE = 32 << 20
"""Bytes of one message; a larger one ends the connection."""
_LARGEST_PLAIN_INT = 1 << 1024
_HEADER = struct.Struct("!I")

Refer = Callable[[Any], Any]
"""Makes a handle, as JSON, of an object that is not plain data."""
Resolve = Callable[[Any], Any]
"""The object that a handle from the other side stands for."""


class MalformedError(Exception):
    """The other side sent what is no message, or a message that is too long."""


class Link:
    """One end of a stream of messages, each a JSON value."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = b""

    def send(self, message: Any) -> None:
        """Raises OSError when the other end is gone, MalformedError if the message is too long."""
        body = json.dumps(message, separators=(",", ":")).encode()
        if len(body) > LONGEST_MESSAGE:
            raise MalformedError(f"a message of {len(body)} bytes")
        rest = memoryview(_HEADER.pack(len(body)) + body)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def receive(self) -> Any:
        """The next message. Raises EOFError at the end, MalformedError for anything that is no message."""
        (length,) = _HEADER.unpack(self._exactly(_HEADER.size))
        if length > LONGEST_MESSAGE:
            raise MalformedError(f"a message of {length} bytes")
        try:
            return json.loads(self._exactly(length))
        except (ValueError, RecursionError) as error:
            raise MalformedError(f"no JSON: {type(error).__name__}") from None

    def close(self) -> None:
        os.close(self._descriptor)

    def _exactly(self, length: int) -> bytes:
        if len(self._read) < length:
            parts, there = [self._read], len(self._read)
            while there < length:
                try:
                    part = os.read(self._descriptor, 1 << 16)
                except ConnectionResetError:
                    part = b""
                if not part:
                    raise EOFError
                parts.append(part)
                there += len(part)
            self._read = b"".join(parts)
        taken, self._read = self._read[:length], self._read[length:]
        return taken


def encode(value: Any, refer: Refer) -> Any:
    """The value as JSON. Raises RecursionError for what contains itself, and whatever `refer` raises."""
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is float:
        return value
    if kind is int:
        return value if -_LARGEST_PLAIN_INT < value < _LARGEST_PLAIN_INT else {"int": hex(value)}
    if kind is list:
        return [encode(item, refer) for item in value]
    pack = _PACK.get(kind)
    if pack is not None:
        return pack(value, refer)
    late = _PACK_LATE.get((kind.__module__, kind.__name__))
    if late is not None:
        return late(value, refer)
    for base, plain in _BASES:
        if isinstance(value, base):
            return encode(plain(value), refer)
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and getattr(builtins, name, None) is value:
        return {"builtin": name}
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == ():
        return encode(value.item(), refer)
    return {"handle": refer(value)}


def decode(data: Any, resolve: Resolve) -> Any:
    """The value that `encode` was given. Raises MalformedError for what it cannot have made, NameError where `resolve`
    knows no such name."""
    try:
        return _decode(data, resolve)
    except (MalformedError, NameError):
        raise
    except Exception as error:  # a program may send anything
        raise MalformedError(f"no value: {type(error).__name__}") from None


def _decode(data: Any, resolve: Resolve) -> Any:
    if type(data) is list:
        return [_decode(item, resolve) for item in data]
    if type(data) is not dict:
        return data
    [(tag, body)] = data.items()
    if tag == "handle":
        return resolve(body)
    return _UNPACK[tag](body, resolve)


def _items(value: Any, refer: Refer) -> list[Any]:
    return [encode(item, refer) for item in value]


def _builtin(name: str) -> Any:
    value = getattr(builtins, name)
    if name.startswith("_") or not (isinstance(value, type) or callable(value)):
        raise MalformedError(f"no builtin: {name[:40]!r}")
    return value


_PACK: dict[type, Callable[[Any, Refer], Any]] = {
    tuple: lambda value, refer: {"tuple": _items(value, refer)},
    dict: lambda value, refer: {"dict": [[encode(k, refer), encode(v, refer)] for k, v in value.items()]},
    set: lambda value, refer: {"set": _items(value, refer)},
    frozenset: lambda value, refer: {"frozenset": _items(value, refer)},
    deque: lambda value, refer: {"deque": _items(value, refer)},
    range: lambda value, refer: {"range": _items((value.start, value.stop, value.step), refer)},
    bytes: lambda value, refer: {"bytes": value.hex()},
    bytearray: lambda value, refer: {"bytearray": value.hex()},
    complex: lambda value, refer: {"complex": [value.real, value.imag]},
    type(...): lambda value, refer: {"...": None},
}
_PACK_LATE: dict[tuple[str, str], Callable[[Any, Refer], Any]] = {
    ("decimal", "Decimal"): lambda value, refer: {"Decimal": str(value)},
    ("fractions", "Fraction"): lambda value, refer: {"Fraction": _items((value.numerator, value.denominator), refer)},
    ("collections", "Counter"): lambda value, refer: {"Counter": encode(dict(dict.items(value)), refer)},
    ("collections", "OrderedDict"): lambda value, refer: {"OrderedDict": encode(dict(dict.items(value)), refer)},
    ("datetime", "date"): lambda value, refer: {"date": value.isoformat()},
    ("datetime", "datetime"): lambda value, refer: {"datetime": value.isoformat()},
    ("datetime", "timedelta"): lambda value, refer: {"timedelta": [value.days, value.seconds, value.microseconds]},
}
"""Types whose modules are imported only where they are used."""
_UNPACK: dict[str, Callable[[Any, Resolve], Any]] = {
    "int": lambda body, resolve: int(body, 16),
    "tuple": lambda body, resolve: tuple(_decode(item, resolve) for item in body),
    "dict": lambda body, resolve: {_decode(k, resolve): _decode(v, resolve) for k, v in body},
    "set": lambda body, resolve: {_decode(item, resolve) for item in body},
    "frozenset": lambda body, resolve: frozenset(_decode(item, resolve) for item in body),
    "deque": lambda body, resolve: deque(_decode(item, resolve) for item in body),
    "range": lambda body, resolve: range(*(_decode(n, resolve) for n in body)),
    "bytes": lambda body, resolve: bytes.fromhex(body),
    "bytearray": lambda body, resolve: bytearray.fromhex(body),
    "complex": lambda body, resolve: complex(*body),
    "Decimal": lambda body, resolve: import_module("decimal").Decimal(body),
    "Fraction": lambda body, resolve: import_module("fractions").Fraction(*(_decode(n, resolve) for n in body)),
    "Counter": lambda body, resolve: Counter(dict(_decode(body, resolve))),
    "OrderedDict": lambda body, resolve: OrderedDict(dict(_decode(body, resolve))),
    "date": lambda body, resolve: import_module("datetime").date.fromisoformat(body),
    "datetime": lambda body, resolve: import_module("datetime").datetime.fromisoformat(body),
    "timedelta": lambda body, resolve: import_module("datetime").timedelta(*body),
    "builtin": lambda body, resolve: _builtin(body),
    "...": lambda body, resolve: ...,
}
_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (bool, bool),
    (int, int.__pos__),
    (float, float.__pos__),
    (str, str.__str__),
    (list, lambda value: [*list.__iter__(value)]),
    (tuple, lambda value: (*tuple.__iter__(value),)),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: {*set.__iter__(value)}),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
    (bytes, lambda value: bytes(memoryview(value))),
    (deque, lambda value: deque(deque.__iter__(value))),
    (complex, complex.__pos__),
)
"""What a subclass crosses as, by the methods of the base: a subclass may have overridden its own."""
