"""The service by which processes share a device: begun, used, ended; or done without, and said so."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from longsong.scheduling import device_service as module
from longsong.scheduling.device_service import device_service

ACTED = """#!/bin/sh
# Acts the control program: -f is the service, and lives until it is told to quit; else it takes words.
if [ "$1" = -f ]; then
  {begin}
  while [ ! -e "$CUDA_MPS_PIPE_DIRECTORY/quit" ]; do sleep 0.05; done
else
  read word; {told}
fi
"""


@pytest.fixture
def acted(tmp_path, monkeypatch):
    """Give what puts a control program there that acts so."""
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "_TRIED", "import os; assert os.environ['CUDA_MPS_PIPE_DIRECTORY']")

    def write(*, begin: str = ":", told: str = 'touch "$CUDA_MPS_PIPE_DIRECTORY/$word"') -> None:
        path = tmp_path / "nvidia-cuda-mps-control"
        path.write_text(ACTED.format(begin=begin, told=told))
        path.chmod(0o755)

    return write


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_it_lives_as_long_as_the_block(acted):
    acted()
    said: list[str] = []
    pids: list[int] = []
    with device_service("cuda", said.append, pids.append) as environment:
        folders = [Path(path) for path in environment.values()]
        assert set(environment) == {"CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"}
        assert all(folder.is_dir() for folder in folders)
        assert alive(pids[0])
    assert not alive(pids[0])
    assert not any(folder.exists() for folder in folders)
    assert said == []


def test_one_that_does_not_end_is_ended(acted, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS_TO_END", 0.2)
    acted(told=":")
    pids: list[int] = []
    begun = time.monotonic()
    with device_service("cuda", print, pids.append):
        pass
    assert not alive(pids[0])
    assert time.monotonic() - begun < 10


def test_one_that_does_not_begin_is_done_without(acted):
    acted(begin="exit 3")
    said: list[str] = []
    with device_service("cuda", said.append) as environment:
        assert environment == {}
    assert said == ["runs side by side take turns on the device: nvidia-cuda-mps-control ended with status 3"]


@pytest.mark.parametrize(
    ("tried", "said"),
    [
        ("raise SystemExit(1)", "is there, and nothing computes through it"),
        ("import time; time.sleep(9)", "within 0.3 s"),
    ],
)
def test_one_that_does_not_serve_is_done_without(acted, monkeypatch, tried, said):
    monkeypatch.setattr(module, "_TRIED", tried)
    monkeypatch.setattr(module, "_SECONDS_TO_TRY", 0.3 if "sleep" in tried else 60.0)
    acted()
    lines: list[str] = []
    pids: list[int] = []
    with device_service("cuda", lines.append, pids.append) as environment:
        assert environment == {}
    (line,) = lines
    assert said in line
    assert not alive(pids[0])


def test_where_there_is_none_that_is_said(monkeypatch):
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    said: list[str] = []
    with device_service("cuda", said.append) as environment:
        assert environment == {}
    assert said == ["runs side by side take turns on the device: nvidia-cuda-mps-control is not here"]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_processor_needs_none_and_somebody_else_s_is_used(acted, monkeypatch, device):
    acted(begin="exit 3")
    if device == "cuda":
        monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/somewhere")
    said: list[str] = []
    with device_service(device, said.append) as environment:
        assert environment == {}
    assert said == []


def test_workers_have_it_in_their_environment(tmp_path):
    from longsong.scheduling.workers import LocalWorkers

    worker = LocalWorkers(environment={"CUDA_MPS_PIPE_DIRECTORY": "/somewhere"}).start(1)
    try:
        there = Path(f"/proc/{worker.pid}/environ").read_bytes().split(b"\0")
        assert b"CUDA_MPS_PIPE_DIRECTORY=/somewhere" in there
    finally:
        worker.close()
