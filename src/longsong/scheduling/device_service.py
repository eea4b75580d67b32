"""NVIDIA's Multi-Process Service, with which kernels of several processes run on a device at the same time.

Without it processes take turns on a device, and runs side by side gain little there: each leaves most of it idle.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from longsong.config import Device

__all__ = ["device_service"]

_CONTROL = "nvidia-cuda-mps-control"
_PIPES, _LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
_SECONDS_TO_BEGIN, _SECONDS_TO_TRY, _SECONDS_TO_END = 0.5, 60.0, 20.0
_TRIED = "import torch; assert torch.ones(2, device='cuda').sum().item() == 2"


@contextmanager
def device_service(
    device: Device, say: Callable[[str], None], on_start: Callable[[int], None] | None = None
) -> Iterator[Mapping[str, str]]:
    """Have processes share a CUDA device at the same time in this block, where that can be had.

    The service is this block's own, and ends with it; the device's settings stay as they are. Where somebody else's is
    set in the environment, that is used, and left running.

    Parameters
    ----------
    device : {'cpu', 'cuda'}
    say : callable
        Takes a line where it cannot be had.
    on_start : callable, optional
        Called with the pid of the service.

    Yields
    ------
    mapping of str to str
        What the processes need in their environment.

    Source: NVIDIA, "Multi-Process Service".
    """
    if device != "cuda" or _PIPES in os.environ:
        yield {}
        return
    control = shutil.which(_CONTROL)
    if control is None:
        say(f"runs side by side take turns on the device: {_CONTROL} is not here")
        yield {}
        return
    # A short path: its pipes are sockets.
    with tempfile.TemporaryDirectory(prefix="longsong-mps-") as folder:
        own = {_PIPES: str(Path(folder, "pipes")), _LOGS: str(Path(folder, "logs"))}
        for path in own.values():
            Path(path).mkdir()
        service = subprocess.Popen(  # noqa: S603 - NVIDIA's own program, by the name that it is installed under
            [control, "-f"],
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the scheduler
        )
        if on_start is not None:
            on_start(service.pid)
        try:
            if (lacking := _lacking(service, own)) is not None:
                say(f"runs side by side take turns on the device: {_CONTROL} {lacking}")
            yield own if lacking is None else {}
        finally:
            _end(service, control, own)


def _lacking(service: subprocess.Popen[bytes], own: Mapping[str, str]) -> str | None:
    """Say why the service is of no use; None where a process computes through it."""
    try:
        service.wait(_SECONDS_TO_BEGIN)
        return f"ended with status {service.returncode}"
    except subprocess.TimeoutExpired:
        pass  # it goes on, as it should
    try:
        tried = subprocess.run(  # noqa: S603 - words of this file
            [sys.executable, "-c", _TRIED],
            env=os.environ | own,
            capture_output=True,
            timeout=_SECONDS_TO_TRY,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"does not answer within {_SECONDS_TO_TRY:g} s"
    return None if tried.returncode == 0 else "is there, and nothing computes through it"


def _end(service: subprocess.Popen[bytes], control: str, own: Mapping[str, str]) -> None:
    """Ask the service to end, which waits for its processes; make it end where it does not."""
    if service.poll() is not None:
        return
    try:
        subprocess.run(  # noqa: S603 - the same
            [control],
            input=b"quit\n",
            env=os.environ | own,
            timeout=_SECONDS_TO_END,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        service.wait(_SECONDS_TO_END)
    except (OSError, subprocess.TimeoutExpired):
        service.kill()
        service.wait()
