"""`executor = "ray"`: engines and, if wanted, verifying processes are actors of a Ray cluster.

Requests go to one engine in this process (`ClusterEngine`), which has the actors, and come back as they end; so to the
rollouts this is the local executor. Environments of several turns, stopping plans and the run folder stay here.
"""

from move37.cluster.engine import ClusterEngine
from move37.cluster.workforce import ClusterWorkforce
from move37.config import ClusterConfig, ModelConfig, VerificationConfig
from move37.executors import MadeT
from move37.executors.local import LocalExecutor


class RayExecutor(LocalExecutor[MadeT]):
    """See the module, and `executors.Placing`."""

    @staticmethod
    def open(model: ModelConfig, settings: ClusterConfig) -> ClusterEngine:
        return ClusterEngine.open(model, settings)

    @staticmethod
    def workforce(verification: VerificationConfig, settings: ClusterConfig) -> ClusterWorkforce | None:
        """None: verification stays on this machine."""
        if not settings.verifiers:
            return None
        return ClusterWorkforce(settings.verifiers, verification.timeout_seconds, settings)
