"""What holds for all tests."""

from __future__ import annotations

import os

# Read by OpenBLAS when numpy is first imported: on a machine that does other things as well, its threads
# wait for each other many times longer than small products take.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
