"""What memory there is, and what this process holds of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["PeakMemory", "free_memory", "resident_bytes", "total_memory"]


def total_memory(device: torch.device) -> int:
    """Give the bytes of memory that the device has, and that this process may use: a container may have less."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    import psutil

    return int(min(psutil.virtual_memory().total, *_of_groups(lambda limit, used: limit)))


def free_memory(device: torch.device) -> int:
    """Give the bytes of memory that are free on the device (MemAvailable), and that this process may take."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(min(psutil.virtual_memory().available, *_of_groups(lambda limit, used: max(limit - used, 0))))


def resident_bytes() -> int:
    """Give the bytes of memory that this process holds now, mapped files included."""
    import psutil

    return int(psutil.Process().memory_info().rss)


class PeakMemory:
    """The most memory that is held from now on: by this process, or on a CUDA device by what it put there.

    Parameters
    ----------
    device : device
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._begun = device, True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        try:
            _CLEAR.write_text("5", encoding="ascii")  # proc(5): the peak of resident memory begins anew
        except OSError:
            self._begun = False

    def bytes(self) -> int | None:
        """Give the peak in bytes; None where the system does not tell it."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        if not self._begun:
            return None
        try:
            status = _STATUS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) << 10 if found else None


def _of_groups(measure: Callable[[int, int], float]) -> list[float]:
    """Measure limit and use of each control group with a limit that this process is in; infinite where there is none.

    Parameters
    ----------
    measure : callable
        Turns limit and use, in bytes, into what is asked for.
    """
    found = [math.inf, math.inf]
    for version in _VERSIONS:
        for group in version.groups():
            try:
                limit = (group / version.limit).read_text(encoding="ascii").strip()
                used = int((group / version.used).read_text(encoding="ascii"))
                statistics = (group / "memory.stat").read_text(encoding="ascii")
            except (OSError, ValueError):
                continue
            if limit.isdigit():
                # Cached pages of files count as used until somebody wants their place.
                cached = dict(line.split(maxsplit=1) for line in statistics.splitlines()).get(version.cached, "0")
                found.append(measure(int(limit), used - int(cached)))
    return found


@dataclass(frozen=True)
class _Version:
    """How one version of Linux's control groups names its files."""

    root: Path
    member: re.Pattern[str]
    limit: str
    used: str
    cached: str

    def groups(self) -> list[Path]:
        """Give the folders of this process's group and of all that it lies in."""
        try:
            lines = _MEMBERSHIP.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        inside = next((match[1] for line in lines if (match := self.member.fullmatch(line))), None)
        if inside is None:
            return []
        # What lies outside of a container cannot be seen in it: its own group is then the root.
        group = self.root / inside.lstrip("/")
        return [folder for folder in (group, *group.parents) if folder.is_relative_to(self.root)]


_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_MEMBERSHIP = Path("/proc/self/cgroup")
_FILES = Path("/sys/fs/cgroup")
_VERSIONS = (
    _Version(_FILES, re.compile(r"0::(.*)"), "memory.max", "memory.current", "inactive_file"),
    _Version(
        _FILES / "memory",
        re.compile(r"\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)"),
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
