"""`multiprocessing` and pools of processes for a script: threads, which gives the same results for functions that share
nothing. What the standard library makes of semaphores of the system, which a sandbox has none of, is of threads' too.

Loaded for programs whose text asks for it. A context (`get_context`) is the real one, which can start nothing.
"""

import concurrent.futures
import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from importlib import import_module
from types import SimpleNamespace
from typing import Any

_POOL_THREADS = 4
_LOCKS = ("Lock", "RLock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier")


def become_threads() -> None:
    concurrent.futures.__dict__["ProcessPoolExecutor"] = ProcessPoolExecutor
    import_module("multiprocessing.pool").__dict__["ThreadPool"] = _Pool
    multiprocessing.__dict__.update({name: getattr(threading, name) for name in _LOCKS} | _INSTEAD)


class ProcessPoolExecutor(ThreadPoolExecutor):
    def __init__(self, max_workers=None, mp_context=None, initializer=None, initargs=(), **_):
        super().__init__(max_workers or _POOL_THREADS, initializer=initializer, initargs=initargs)

    def map(self, fn, *iterables, timeout=None, chunksize=1):
        return super().map(fn, *iterables, timeout=timeout)


class Process(threading.Thread):
    def __init__(self, group=None, target=None, name=None, args=(), kwargs=None, *, daemon=None):
        super().__init__(None, target, name, args, kwargs, daemon=daemon)

    exitcode = property(lambda self: None if self.is_alive() else 0)
    pid = property(lambda self: self.native_id)
    terminate = kill = close = lambda self: None


class Queue(queue.Queue):
    close = join_thread = cancel_join_thread = lambda self: None


def _value(kind: Any, value: Any = 0, *, lock: Any = None) -> Any:
    lock = threading.RLock()
    return SimpleNamespace(value=value, get_lock=lambda: lock, get_obj=lambda: value)


class _Array(list[Any]):
    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self._lock = threading.RLock()

    def get_lock(self) -> Any:
        return self._lock

    def get_obj(self) -> "_Array":
        return self


def _array(kind: Any, given: int | Iterable[Any], *, lock: Any = None) -> _Array:
    return _Array([0] * given if isinstance(given, int) else given)


class _Manager:
    dict, list, Namespace, Queue = dict, list, SimpleNamespace, Queue
    Value, Array = staticmethod(_value), staticmethod(_array)
    start = shutdown = lambda self: None

    def __getattr__(self, name: str) -> Any:
        return getattr(multiprocessing, name)  # its locks and pools

    def __enter__(self) -> "_Manager":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Later:
    """`AsyncResult`."""

    def __init__(self, future: Future[Any], callback: Callable[..., Any] | None) -> None:
        self._future = future
        if callback:
            future.add_done_callback(lambda done: done.exception() or callback(done.result()))

    def get(self, timeout: float | None = None) -> Any:
        return self._future.result(timeout)

    def wait(self, timeout: float | None = None) -> None:
        concurrent.futures.wait([self._future], timeout)

    def ready(self) -> bool:
        return self._future.done()

    def successful(self) -> bool:
        return self._future.exception() is None


class _Pool:
    """`multiprocessing.Pool` on an executor."""

    def __init__(self, processes: Any = None, initializer: Any = None, initargs: Any = (), *_: Any, **__: Any) -> None:
        self._executor: Executor = ProcessPoolExecutor(processes, None, initializer, initargs)

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False)

    def apply(self, function: Callable[..., Any], args: Sequence[Any] = (), kwds: dict[str, Any] | None = None) -> Any:
        return self._executor.submit(function, *args, **(kwds or {})).result()

    def apply_async(
        self, function: Callable[..., Any], args: Sequence[Any] = (), kwds: Any = None, callback: Any = None, *_: Any
    ) -> _Later:
        return _Later(self._executor.submit(function, *args, **(kwds or {})), callback)

    def map(self, function: Callable[..., Any], items: Iterable[Any], chunksize: int | None = None) -> list[Any]:
        return list(self._executor.map(function, items))

    def imap(self, function: Callable[..., Any], items: Iterable[Any], chunksize: int = 1) -> Iterator[Any]:
        return self._executor.map(function, items)

    imap_unordered = imap

    def starmap(
        self, function: Callable[..., Any], items: Iterable[Sequence[Any]], chunksize: int | None = None
    ) -> list[Any]:
        return list(self._executor.map(lambda args: function(*args), items))

    def map_async(
        self, function: Callable[..., Any], items: Iterable[Any], chunksize: Any = None, callback: Any = None, *_: Any
    ) -> _Later:
        return _Later(self._executor.submit(lambda: [function(each) for each in items]), callback)

    def starmap_async(
        self, function: Callable[..., Any], items: Iterable[Any], chunksize: Any = None, callback: Any = None, *_: Any
    ) -> _Later:
        return self.map_async(lambda args: function(*args), items, chunksize, callback)

    def close(self) -> None:
        self._executor.shutdown(wait=False)

    def join(self) -> None:
        self._executor.shutdown(wait=True)

    terminate = close


_INSTEAD = {
    "Process": Process,
    "Pool": _Pool,
    **dict.fromkeys(("Queue", "JoinableQueue", "SimpleQueue"), Queue),
    **dict.fromkeys(("Value", "RawValue"), _value),
    **dict.fromkeys(("Array", "RawArray"), _array),
    "Manager": _Manager,
    "set_start_method": lambda method, force=False: None,
}
