"""move37: does RLVR give a language model moves it did not have, or does it only play known moves more often?

    import move37 as m

`m.compare(base, rl)`, `m.open_run(path)`, `m.plan(...)` and `m.verify(...)` are in `api.py`, and loaded when they are
used (`__init__.pyi` has their types). To read the code, start at `pipeline.py`. Importing this package loads no torch
and no plotting library.
"""

__version__ = "0.1.0"
_API = ("Found", "Outcome", "Planned", "Run", "compare", "open_run", "plan", "verify")


def __getattr__(name: str) -> object:
    if name not in _API:
        raise AttributeError(f"module 'move37' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("move37.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
