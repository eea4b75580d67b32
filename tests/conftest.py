"""What holds for all tests."""

from __future__ import annotations

import os

# Read when numpy and torch are first imported: on a machine that does other things as well, the threads of OpenBLAS
# and OpenMP wait for each other many times longer than small products take (docs/decisions/005-openmp-spinning.md).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several that share the cores (`pytest -n`)
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# No test depends on how long it takes; the rest is as the profile in force has it (with CI set, the same examples
# each time).
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")
