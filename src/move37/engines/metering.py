"""What sampling costs, and what each copy of a model is doing: figures that an engine may have beside its samples.

A budget is hard: a call begins only if what was spent, what calls under way may still cost at most, and what this one
may cost at most fit it together. A call that failed after it was sent may have been charged for although nothing
arrived: it counts with the most that it can have cost. Money is in the unit of the prices, whatever that is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from threading import RLock
from typing import Any, Protocol, runtime_checkable

from move37.types import Prompt

_MILLION = 1_000_000
_AHEAD = 0.01
"""Share of the budget that is written down as spent before it is: what a killed process may lose of it, at most."""


@dataclass(frozen=True, slots=True)
class Price:
    """Of a million tokens each. `cached_prompt`: of a prompt that the server recalled; None: as of any other."""

    prompt: float = 0.0
    completion: float = 0.0
    cached_prompt: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, as the server counts them. `cached` of the `prompt` tokens were recalled."""

    prompt: int
    completion: int
    cached: int = 0


class PromptTokens:
    """At most how many tokens each prompt has: the server's own count where it has answered one, else a bound.

    A `bound` that is a guess (a server's template may add to a prompt what it likes) is raised by the most that the
    server has added to any; until it has answered once nothing is sure.
    """

    def __init__(self, bound: Callable[[Prompt], int], is_sure: bool) -> None:
        self._bound, self.is_sure = bound, is_sure
        self._counted: dict[tuple[str, ...], int] = {}
        self._added = 0

    def most(self, prompt: Prompt) -> int:
        return self._counted.get(prompt.content) or self._bound(prompt) + self._added

    def learn(self, prompt: Prompt, counted: int) -> None:
        self._counted[prompt.content] = max(counted, self._counted.get(prompt.content, 0))
        self._added = max(self._added, counted - self._bound(prompt))
        self.is_sure = True


class Spending:
    """What a model's samples have cost. `reserved` is what calls under way may cost at most.

    With `keep_with` it is written down, and always before it is spent: a process that is killed has written at least
    what it may have cost. May be used from several threads.
    """

    def __init__(self, price: Price, budget: float | None = None) -> None:
        self.price, self.budget = price, budget
        self.spent = 0.0
        """By the server's own count of tokens."""
        self._spent_before = 0.0
        self.lost = 0.0
        """At most, for calls of which no answer arrived."""
        self.reserved = 0.0
        self.prompt_tokens = self.completion_tokens = 0
        self._write: Callable[[Mapping[str, Any]], object] | None = None
        self._written = 0.0
        self._lock = RLock()

    def most(self, prompt_tokens: int, new_tokens: int) -> float:
        """What a call costs at most."""
        dearest = max(self.price.prompt, self.price.cached_prompt or 0.0)
        return (prompt_tokens * dearest + new_tokens * self.price.completion) / _MILLION

    @property
    def spent_here(self) -> float:
        """What this process spent."""
        return self.spent - self._spent_before

    @property
    def left(self) -> float | None:
        """What calls that were not begun may cost; None without a budget."""
        return None if self.budget is None else self.budget - self.spent - self.lost - self.reserved

    def allows(self, most: float) -> bool:
        return self.left is None or most <= self.left

    def reserve(self, most: float) -> None:
        with self._lock:
            self.reserved += most
            if self.budget is not None and self.spent + self.lost + self.reserved > self._written:
                self.save(_AHEAD * self.budget)

    def settle(self, most: float, usage: Usage | None, may_cost: bool = False) -> None:
        """A call for which `most` was reserved has ended: with an answer, or without one that may be charged for."""
        with self._lock:
            self.reserved = max(0.0, self.reserved - most)
            if usage is None:
                self.lost += most if may_cost else 0.0
                return
            cached = self.price.prompt if self.price.cached_prompt is None else self.price.cached_prompt
            fresh = usage.prompt - usage.cached
            made = usage.completion * self.price.completion
            self.spent += (fresh * self.price.prompt + usage.cached * cached + made) / _MILLION
            self.prompt_tokens += usage.prompt
            self.completion_tokens += usage.completion

    def record(self, ahead: float = 0.0) -> dict[str, Any]:
        """What was spent so far; calls under way at their most, and `ahead` of them."""
        figures = {"spent": self.spent, "lost": self.lost, "reserved": self.reserved + ahead, "budget": self.budget}
        return {**figures, "prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}

    def save(self, ahead: float = 0.0) -> None:
        """Write the record down, if anybody keeps it."""
        with self._lock:
            if self._write is not None:
                self._write(self.record(ahead))
            self._written = self.spent + self.lost + self.reserved + ahead

    def keep_with(self, write: Callable[[Mapping[str, Any]], object], earlier: Mapping[str, Any]) -> None:
        """Write records with `write` from now on. `earlier` is the last one of the process before, or empty.

        What that one had under way when it ended may have been charged for.
        """
        self._write = write
        self._spent_before = float(earlier.get("spent", 0.0))
        self.spent += float(earlier.get("spent", 0.0))
        self.lost += float(earlier.get("lost", 0.0)) + float(earlier.get("reserved", 0.0))
        self.prompt_tokens += int(earlier.get("prompt_tokens", 0))
        self.completion_tokens += int(earlier.get("completion_tokens", 0))


@runtime_checkable
class Named(Protocol):
    """An engine that is told, with each answer, which model made it: one name for all samples of a model.

    It refuses another; `answered_as` is set before sampling where an earlier process knew it.
    """

    answered_as: str | None


@dataclass(frozen=True, slots=True)
class Replica:
    """One copy of the model, or one server of it. `failures` counts calls that failed, by kind."""

    name: str
    in_flight: int
    limit: int
    """Calls that may be in flight at present."""
    answered: int
    failures: Mapping[str, int]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


@runtime_checkable
class Metered(Protocol):
    """An engine whose samples cost money. None: no price was given."""

    @property
    def spending(self) -> Spending | None: ...


@runtime_checkable
class Replicated(Protocol):
    def replicas(self) -> Sequence[Replica]:
        """What each copy of the model is doing now; may be called from another thread."""
        ...


@runtime_checkable
class Unsure(Protocol):
    def unchecked(self) -> Sequence[str]:
        """What the engine cannot know of a prompt's room in the context, one line each; empty where it knows all."""
        ...
