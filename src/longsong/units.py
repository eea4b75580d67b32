"""Numbers as people read them; the unit is in each name."""

from __future__ import annotations

__all__ = ["human_bytes", "human_count", "human_time"]


def human_time(seconds: float) -> str:
    """Give a duration as ``9 s``, ``2 min 5 s`` or ``3 h 1 min``.

    Parameters
    ----------
    seconds : float
        A duration, in seconds.
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def human_bytes(count: float) -> str:
    """Give a number of bytes with a binary unit: ``512 B``, ``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def human_count(count: float) -> str:
    """Give a count as ``950``, ``12,345`` or ``174.2 M``."""
    if abs(count) < 1e6:
        return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.1f}"
    for limit, suffix in ((1e9, "M"), (1e12, "G"), (float("inf"), "T")):
        if abs(count) < limit:
            return f"{count / (limit / 1e3 if limit != float('inf') else 1e12):,.1f} {suffix}"
    raise AssertionError
