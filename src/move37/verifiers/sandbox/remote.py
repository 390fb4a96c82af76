"""What the tests hold of a program: things that stay in its process, which can be called, read and iterated.

A `Remote` equals no data, whatever the program says of it, so that an object which claims to equal everything passes
nothing. What the tests may want of real objects and cannot be had of one elsewhere (its class, its arithmetic, whether
it equals another of the program's) is no verdict about the program: it raises `InexpressibleError`, and such tests run
another way or not at all.
"""

import builtins
import signal
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, NoReturn

from .ahead import Call
from .wire import MUTABLE, Link, MalformedError, as_base, by_name, decode, encode, within

SECONDS_TO_READ = 2.0
"""CPU seconds in which a result must have become a value."""
SOON_READ_BYTES = 16 << 10
"""Up to which a message is read without looking at the time: in a few hundredths of a second whatever it is."""
MOST_TAKEN = 256
"""Items of an iterator that are asked for at once."""
_PLAIN = (
    type(None),
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    list,
    tuple,
    set,
    frozenset,
    dict,
    range,
    deque,
    slice,
)
_LATE = "ellipsis dict_keys dict_values dict_items Decimal Fraction date time timedelta ndarray"
_PLAIN_NAMES = frozenset(_LATE.split())
"""Types of data: nothing that stays in the program's process equals a value of one."""


class ProgramEndedError(BaseException):
    """The program's process is gone or talks nonsense. Not an Exception: no test may catch it."""


class InexpressibleError(BaseException):
    """The tests need what does not cross: the instrument's limit, not the program's fault."""


class Connection:
    """Asks the program to do things. `expected`: exceptions beyond `Exception` that the tests name themselves."""

    def __init__(self, link: Link, expected: Collection[str] = ()) -> None:
        self.link, self.expected = link, expected
        self.ended = ""
        """Why there is no more to hear from the program."""
        self.inexpressible = ""
        """What the tests needed and could not have."""
        self.asked = False
        """Whether the tests asked for anything."""
        self.own = set[str]()
        """Classes whose values came without what they can do beyond being data."""
        self._lent: list[tuple[Any, Any]] = []
        """Copies of what the program's names are bound to, and how they came."""
        self._known: dict[Any, Remote] = {}
        self._ahead: list[Call] = []
        """Calls that the program makes without being asked again, the next one last."""

    def load(self, sources: list[str], names: list[str], ahead: Sequence[Call] = ()) -> list[str]:
        """Run the program; those of `names` that it binds to data. `ahead`: calls that the tests will make first."""
        calls = [[call.name, *call.encoded] for call in ahead]
        reply = self._ask({"load": sources, "names": names, "ahead": calls})
        loaded = reply.get("loaded")
        bound = [name for name in names if isinstance(loaded, list) and name in loaded]
        if reply.get("ahead") is True:
            self._ahead = [*reversed(ahead)]
            if bound or not ahead:
                self._end("sends malformed data")
        return bound

    def named(self, remote: "Remote") -> Any:
        """What the program binds a name to, where that is data."""
        value = self.do("name", remote)
        if isinstance(value, MUTABLE):
            self._lent.append((value, encode(value, self._send)))
        return value

    def do(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        self.asked = True
        if any(encode(value, self._send) != before for value, before in self._lent):
            self.cannot("a change of what the program binds a name to")
        if self._is_next(operation, args, kwargs):
            return self._done_ahead()
        self._skip_ahead()
        try:
            message = {
                "do": operation,
                "args": [encode(each, self._send) for each in args],
                "kwargs": {key: encode(each, self._send) for key, each in kwargs.items()},
            }
            sent = within([*args, *kwargs.values()])
        except RecursionError:
            self.cannot("an object that contains itself")
        reply = self._ask(message)
        try:
            value, changed = reply.get("value"), reply.get("changed")
            if not changed and not isinstance(value, dict | list):
                return value
            with self._time_to_read():
                for each in changed or ():
                    decode(each, self.remote, sent, own=self.own)
                return decode(value, self.remote, sent, own=self.own)
        except Exception:
            self._end("sends malformed data")

    def _is_next(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether it is the next call that was asked for beforehand."""
        if not self._ahead or operation != "call" or kwargs:
            return False
        call, (target, *given) = self._ahead[-1], args
        return given == call.args and target is self._known.get(call.name)

    def _skip_ahead(self) -> None:
        """Of calls that the tests do not make after all: one has failed, and its message asks for something else."""
        while self._ahead:
            self._ahead.pop()
            self._received()

    def _done_ahead(self) -> Any:
        """What the next call that was asked for beforehand gave."""
        self._ahead.pop()
        reply = self._hear()
        value = reply.get("value")
        try:
            with self._time_to_read():
                return decode(value, self.remote, own=self.own)
        except Exception:
            self._end("sends malformed data")

    def remote(self, place: Any) -> "Remote":
        """The same for the same object."""
        if type(place) is not int and type(place) is not str:
            raise MalformedError("no handle")
        if place not in self._known:
            self._known[place] = Remote(self, place)
        return self._known[place]

    def cannot(self, what: str) -> NoReturn:
        self.inexpressible = self.inexpressible or what
        raise InexpressibleError(what)

    def _send(self, value: Any) -> Any:
        if type(value) is Remote:
            return {"handle": object.__getattribute__(value, "_place")}
        sent = by_name(value)
        if sent is None and type(value) is not defaultdict:
            sent = as_base(value, self._send)
        return sent if sent is not None else self.cannot(f"a {type(value).__name__} as an argument")

    def _ask(self, message: Any) -> dict[str, Any]:
        if self.ended:
            raise ProgramEndedError
        try:
            self.link.send(message)
        except OSError:
            self._end("ends early")
        except MalformedError:
            self._end("sends malformed data")
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        """What the program says next. Raises what it raised."""
        reply = self._received()
        if "raised" in reply:
            self._raise(reply)
        return reply

    def _received(self) -> dict[str, Any]:
        if self.ended:
            raise ProgramEndedError
        try:
            reply = self.link.receive()
        except (EOFError, OSError):
            self._end("ends early")
        except MalformedError:
            self._end("sends malformed data")
        if not isinstance(reply, dict):
            self._end("sends malformed data")
        if "raised" in reply or reply.get("last") is True:
            self._ahead.clear()
        return reply

    def _raise(self, reply: dict[str, Any]) -> NoReturn:
        """Raise here what the program raised there, as the nearest builtin exception."""
        names = reply["raised"] if isinstance(reply["raised"], list) else []
        found = (getattr(builtins, name, None) for name in names if isinstance(name, str))
        kind = next((each for each in found if isinstance(each, type) and issubclass(each, BaseException)), Exception)
        name = names[0] if names and isinstance(names[0], str) and names[0].isidentifier() else "Exception"
        if kind.__name__ not in self.expected:
            if issubclass(kind, StopIteration | StopAsyncIteration):
                kind = RuntimeError  # inside a test's `map` or `zip` it would end the tests quietly
            if not issubclass(kind, Exception):
                self._end("exits" if issubclass(kind, SystemExit) else f"raises {name[:60]}")
        if name != kind.__name__:
            self.own.add(name[:60])
        error = self._made(kind, reply)
        self._give(error, reply.get("attributes"))
        error.raised_by_program = name[:60]  # type: ignore[attr-defined]
        raise error

    def _made(self, kind: type[BaseException], reply: dict[str, Any]) -> BaseException:
        """The exception with the arguments that it had there, where they are data, else with its message. It says there
        what it is by itself, or what the program's own class says."""
        said = str(reply.get("message", ""))
        try:
            with self._time_to_read():
                args = decode(reply.get("args"), self.remote)
            if isinstance(args, list) and not any(type(each) is Remote for each in args):
                made = kind(*args)
                return made if not self.own or str(made) == said else _saying(kind, said)(*args)
        except Exception:
            pass
        try:
            return kind(said)
        except TypeError:
            if kind.__name__ in self.expected:
                self.cannot("an exception that holds what is no data")
            return ValueError(said)

    def _give(self, error: BaseException, attributes: Any) -> None:
        """Give an exception what it had there beside its arguments."""
        with suppress(Exception), self._time_to_read():
            for name, value in dict(decode(attributes, self.remote)).items() if attributes else ():
                if not hasattr(error, name) and not name.startswith("_"):
                    setattr(error, name, value)

    def _end(self, why: str) -> NoReturn:
        self.ended = why
        raise ProgramEndedError

    def _time_to_read(self) -> AbstractContextManager[None]:
        return nullcontext() if self.link.received_bytes <= SOON_READ_BYTES else _limited_time()


@contextmanager
def _limited_time() -> Iterator[None]:
    """Bound the time that data can take to become values: the keys of a dictionary may be chosen to collide."""
    signal.signal(signal.SIGVTALRM, _stop_reading)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_TO_READ)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _stop_reading(number: int, frame: Any) -> NoReturn:
    raise MalformedError("takes too long to read")


def _saying(kind: type[BaseException], said: str) -> type[BaseException]:
    return type(kind.__name__, (kind,), {"__str__": lambda _: said})


class Remote:
    """Something in the program's process, known here by its name or number."""

    __slots__ = ("_connection", "_place")

    def __init__(self, connection: Connection, place: str | int) -> None:
        object.__setattr__(self, "_connection", connection)
        object.__setattr__(self, "_place", place)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return _do(self, "call", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        place = object.__getattribute__(self, "_place")
        if name == "__name__" and isinstance(place, str):
            return place
        if name.startswith("__") and name.endswith("__"):
            _connection(self).asked = True
            raise AttributeError(name)  # copy, pickle and NumPy look for their protocols
        return _do(self, "get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _do(self, "set", name, value)

    def __delattr__(self, name: str) -> None:
        _do(self, "delete", name)

    def __getitem__(self, key: Any) -> Any:
        return _do(self, "getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _do(self, "setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        _do(self, "delitem", key)

    def __contains__(self, item: Any) -> bool:
        return any(item is each or item == each for each in self)  # its own may say yes to everything

    def __iter__(self) -> Any:
        found = _do(self, "iter")
        return _Items(found) if type(found) is Remote else iter(found)

    def __next__(self) -> Any:
        items, at_end = _do(self, "take", 1)
        if items or not at_end:
            return items[0]
        raise StopIteration

    def __len__(self) -> int:
        return _do(self, "len")

    def __bool__(self) -> bool:
        return _do(self, "truth") is True

    def __str__(self) -> str:
        return _text(_do(self, "str"))

    def __repr__(self) -> str:
        return _text(_do(self, "repr"))

    def __format__(self, form: str) -> str:
        return _text(_do(self, "format", form))

    def __int__(self) -> int:
        return _do(self, "int")

    def __float__(self) -> float:
        return _do(self, "float")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if issubclass(type(other), _PLAIN) or type(other).__name__ in _PLAIN_NAMES:
            return False
        return _connection(self).cannot(f"whether an object of the program's equals a {type(other).__name__}")

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return _connection(self).cannot("the hash of an object of the program's")

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _connection(self).cannot("the class of an object of the program's")

    def __deepcopy__(self, memo: Any) -> "Remote":
        return self.__copy__()

    def __copy__(self) -> "Remote":
        """A function or a class is its own copy."""
        if isinstance(object.__getattribute__(self, "_place"), str):
            return self
        return _connection(self).cannot("a copy of an object of the program's")


def _connection(remote: Remote) -> Connection:
    return object.__getattribute__(remote, "_connection")


def _do(remote: Remote, operation: str, /, *args: Any, **kwargs: Any) -> Any:
    return _connection(remote).do(operation, remote, *args, **kwargs)


def _text(said: Any) -> str:
    """What a program says a thing is as text. Raises TypeError as the builtin does."""
    if type(said) is not str:
        raise TypeError("returned non-string")
    return said


class _Items:
    """The items of an iterator of the program's, more and more of them at a time."""

    def __init__(self, iterator: Remote) -> None:
        self._iterator, self._items = iterator, iter(())
        self._most, self._at_end = 1, False

    def __iter__(self) -> "_Items":
        return self

    def __next__(self) -> Any:
        for item in self._items:
            return item
        if self._at_end:
            raise StopIteration
        items, self._at_end = _do(self._iterator, "take", self._most)
        self._items, self._most = iter(items), min(2 * self._most, MOST_TAKEN)
        return next(self)


def _inexpressible(operation: str) -> Callable[..., Any]:
    def method(self: Remote, *_: Any) -> NoReturn:
        _connection(self).cannot(f"{operation} of an object of the program's")

    return method


_ARITHMETIC = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or"
_NO_DATA = (
    "lt le gt ge neg pos abs invert round trunc floor ceil complex bytes reversed index "
    "enter exit aenter aexit await aiter anext instancecheck subclasscheck mro_entries set_name"
)
for _name in (*_NO_DATA.split(), *(f"{side}{name}" for name in _ARITHMETIC.split() for side in ("", "r", "i"))):
    setattr(Remote, f"__{_name}__", _inexpressible(f"__{_name}__"))
