"""How the threads of numerical libraries wait. Importing this loads none of them."""

import os


def let_threads_sleep() -> None:
    """Let idle OpenMP threads sleep after about 40 us of spinning instead of 6 ms. To be called before torch is loaded.

    Where another program has a core, two threads may spend those 6 ms on the core that is left, waiting for each
    other at every operator: a training step of 1.5 s took up to 60 s so. What the environment says already stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
