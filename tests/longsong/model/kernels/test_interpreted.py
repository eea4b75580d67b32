"""The logic of the kernels, where there is no device: a process of its own, in which Triton interprets them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("interpreted.py")
NOT_RUN = 5


def test_in_tritons_interpreter():
    # With one thread, as other tests run beside it; not a worker of pytest-xdist itself.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    options = ["-p", "no:cacheprovider", "-W", "ignore::RuntimeWarning:triton", "-rs"]
    command = [sys.executable, "-m", "pytest", *options, str(TESTS)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode == NOT_RUN:
        pytest.skip(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
