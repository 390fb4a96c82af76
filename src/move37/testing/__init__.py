"""Contract tests for whoever writes a member of a registry of their own: plain functions, no test framework.

    from move37.testing import check_verifier
    check_verifier(MyVerifier(), [problem], wrong="a response with another answer")

Each raises AssertionError with one sentence that says what is not kept. move37's own tests call them for its own
members. Importing this loads no torch.
"""

from move37.testing.algorithms import check_algorithm
from move37.testing.benchmarks import check_benchmark
from move37.testing.curricula import check_curriculum
from move37.testing.engines import check_engine
from move37.testing.explorers import check_explorer
from move37.testing.importers import check_importer
from move37.testing.policy_losses import check_policy_loss
from move37.testing.rollouts import check_environment, check_executor
from move37.testing.verifiers import check_verifier

__all__ = [
    "check_algorithm",
    "check_benchmark",
    "check_curriculum",
    "check_engine",
    "check_environment",
    "check_executor",
    "check_explorer",
    "check_importer",
    "check_policy_loss",
    "check_verifier",
]
