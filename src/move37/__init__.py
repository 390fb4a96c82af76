"""move37: does RLVR give a language model moves it did not have, or does it only play known moves more often?

    import move37 as m

`m.compare(base, rl)`, `m.open_run(path)`, `m.plan(...)` and `m.verify(...)` are in `api.py`, and loaded when they are
used. To read the code, start at `pipeline.py`. Importing this package loads no torch and no plotting library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from move37.api import Found, Outcome, Planned, Run, compare, open_run, plan, verify

__version__ = "0.1.0"
__all__ = ["Found", "Outcome", "Planned", "Run", "__version__", "compare", "open_run", "plan", "verify"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'move37' has no attribute {name!r}")
    from move37 import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
