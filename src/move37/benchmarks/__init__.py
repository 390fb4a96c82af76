"""Benchmarks turn rows of a published data set into Problems. The contract is `move37.testing.check_benchmark`.

A benchmark gives every problem, in the order of the data set, with unique ids; `limit` and a verifier of the
user's choice are applied afterwards, in `problems.py`. References are alternatives, without `$` or `\\boxed`.
"""

from collections.abc import Mapping
from typing import Protocol

from move37.config import ProblemsConfig
from move37.registry import Registry
from move37.types import Problem


class Benchmark(Protocol):
    """One object; from outside the table a class that is made without arguments will do."""

    @property
    def name(self) -> str: ...

    @property
    def verifier(self) -> str:
        """The name of the verifier that judges its answers."""
        ...

    @property
    def expected_counts(self) -> Mapping[int, str]:
        """The numbers of problems that the published set may have, each with what that version is. Empty: any."""
        ...

    def load(self, source: ProblemsConfig) -> tuple[Problem, ...]:
        """All problems. Raises InputError for a file, ConfigError for a key, MissingExtraError without a package."""
        ...


BENCHMARKS = Registry(
    "benchmark",
    {
        "aime24": "move37.benchmarks.math_sets:AIME24",
        "aime25": "move37.benchmarks.math_sets:AIME25",
        "hmmt25": "move37.benchmarks.math_sets:HMMT25",
        "beyond-aime": "move37.benchmarks.math_sets:BEYOND_AIME",
        "amc23": "move37.benchmarks.math_sets:AMC23",
        "math500": "move37.benchmarks.math_sets:MATH500",
        "minerva": "move37.benchmarks.math_sets:MINERVA",
        "olympiadbench": "move37.benchmarks.math_sets:OLYMPIADBENCH",
        "gsm8k": "move37.benchmarks.math_sets:GSM8K",
        "math-beyond": "move37.benchmarks.math_sets:MATH_BEYOND",
        "gpqa-diamond": "move37.benchmarks.gpqa:GPQA_DIAMOND",
        "humaneval": "move37.benchmarks.programs:HUMANEVAL",
        "humaneval-plus": "move37.benchmarks.programs:HUMANEVAL_PLUS",
        "mbpp": "move37.benchmarks.programs:MBPP",
        "mbpp-plus": "move37.benchmarks.programs:MBPP_PLUS",
        "livecodebench": "move37.benchmarks.livecodebench:LIVECODEBENCH",
        "reasoning-gym": "move37.benchmarks.reasoning_gym:REASONING_GYM",
        "countdown": "move37.benchmarks.countdown:COUNTDOWN",
        "paths": "move37.benchmarks.worlds:PATHS",
        "parity": "move37.benchmarks.worlds:PARITY",
        "two-strategies": "move37.benchmarks.worlds:TWO_STRATEGIES",
        "visual-countdown": "move37.benchmarks.worlds:VISUAL_COUNTDOWN",
        "drawn-geometry": "move37.benchmarks.worlds:DRAWN_GEOMETRY",
        "mathvista": "move37.benchmarks.visual_sets:MATHVISTA",
        "mathvision": "move37.benchmarks.visual_sets:MATHVISION",
        "mathvision-testmini": "move37.benchmarks.visual_sets:MATHVISION_TESTMINI",
        "geometry3k": "move37.benchmarks.visual_sets:GEOMETRY3K",
        "mmmu": "move37.benchmarks.visual_sets:MMMU",
        "jsonl": "move37.benchmarks.jsonl:JSONL",
    },
    extras={"reasoning-gym": "gym"},
    methods=("load",),
)
