"""The logic of the kernels, where there is no device: a process of its own, in which Triton interprets them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("interpreted.py")
NOT_RUN = 5


def run_tests(**environment: str) -> subprocess.CompletedProcess[str]:
    # With one thread, as other tests run beside it; not a worker of pytest-xdist itself.
    outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = outer | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"} | environment
    options = ["-p", "no:cacheprovider", "-W", "ignore::RuntimeWarning:triton", "-rs"]
    command = [sys.executable, "-m", "pytest", *options, str(TESTS)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_in_tritons_interpreter():
    ended = run_tests()
    if ended.returncode == NOT_RUN:
        pytest.skip(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_where_triton_is_missing_it_is_said_and_none_is_run(tmp_path):
    (tmp_path / "triton.py").write_text("raise ImportError('it is for another machine')\n")
    ended = run_tests(PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    assert ended.returncode == NOT_RUN, ended.stdout + ended.stderr
    assert "Triton is not here (it is for another machine)" in ended.stdout
