"""The problems of a recipe as a reward: each response is judged by its problem's own verifier, found by id.

What trainers are handed (`handover/`): a file of problems with all that verifiers read, and this object over it, which
has TRL's signature when it is called and verl's as `compute_score`. A response is cut at the template's stop strings,
as ours are; text behind them is not part of an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from move37.config import VerificationConfig, from_options
from move37.errors import InputError
from move37.handover.problems import read_problems
from move37.rewards import Completion, OwnWorkers, text_of, value_of, verl_score
from move37.types import Outcome, Problem, Verdict
from move37.verifiers.options import make_verifier


class ProblemRewards:
    """1 and 0 by default (`correct`, `incorrect`); None for TRL where there is no verdict. `close` ends the workers."""

    def __init__(
        self,
        file: Path,
        stop: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        correct: float = 1.0,
        incorrect: float = 0.0,
    ) -> None:
        """`settings`: those of a recipe's [verification]. Raises InputError for a file that holds no problems."""
        self.problems = read_problems(Path(file))
        self._stop = tuple(stop)
        self._settings = from_options(VerificationConfig, **(settings or {}))
        self._verifiers = {
            name: make_verifier(name, self._settings)
            for name in dict.fromkeys(problem.verifier for problem in self.problems.values())
        }
        self._values = {Outcome.CORRECT: correct, Outcome.INCORRECT: incorrect}
        self._workers = OwnWorkers(self._settings)
        self.__name__ = "move37"  # TRL logs a reward under its function's name

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Completion],
        problem_id: Sequence[str],
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """TRL's signature. The reason of each verdict is logged beside the completion, where TRL logs those."""
        if not len(prompts) == len(completions) == len(problem_id):
            raise InputError(f"{len(prompts)} prompts, {len(completions)} completions and {len(problem_id)} ids")
        verdicts = self.verdicts(list(zip(problem_id, map(text_of, completions), strict=True)))
        if log_extra is not None:
            log_extra("problem_id", list(problem_id))
            log_extra("reason", [verdict.reason for verdict in verdicts])
        return [value_of(verdict, self._values) for verdict in verdicts]

    def compute_score(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: Any = None,
        extra_info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """verl's signature: {"score", "acc", "unscored", "reason"} of one response; `extra_info` holds the id."""
        [verdict] = self.verdicts([((extra_info or {}).get("id", ""), solution_str)])
        return verl_score(verdict, self._values)

    def verdicts(self, responses: Sequence[tuple[str, str]]) -> list[Verdict]:
        """The verdicts on (problem id, response), in their order. Raises InputError for an id that is not there."""
        asked = [(self._problem(id), self._cut(text)) for id, text in responses]
        found: dict[int, Verdict] = {}
        for name, verifier in self._verifiers.items():
            places = [place for place, (problem, _) in enumerate(asked) if problem.verifier == name]
            found |= zip(places, self._workers.verdicts(verifier, [asked[place] for place in places]), strict=True)
        return [found[place] for place in range(len(asked))]

    def _problem(self, problem_id: str) -> Problem:
        if problem_id not in self.problems:
            raise InputError(f"no problem {problem_id!r} in the file; the trainer's rows are of another recipe")
        return self.problems[problem_id]

    def _cut(self, text: str) -> str:
        return text[: min((at for each in self._stop if (at := text.find(each)) >= 0), default=len(text))]

    def close(self) -> None:
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Overlong:
    """A reward of TRL with DAPO's soft penalty: 0 up to `limit` - `buffer` tokens, then linear down to -`penalty`.

    No verdict stays none: a second reward function would make it a wrong answer.
    """

    def __init__(self, reward: Callable[..., list[float | None]], limit: int, buffer: int, penalty: float) -> None:
        self._reward, self._limit, self._buffer, self._penalty = reward, limit, buffer, penalty
        self.__name__ = getattr(reward, "__name__", "reward")

    def __call__(self, completion_ids: Sequence[Sequence[int]], **given: Any) -> list[float | None]:
        rewards = self._reward(completion_ids=completion_ids, **given)
        paid = (
            min(0.0, (self._limit - self._buffer - len(ids)) / self._buffer * self._penalty) for ids in completion_ids
        )
        return [None if reward is None else reward + pays for reward, pays in zip(rewards, paid, strict=True)]
