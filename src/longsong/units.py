"""Numbers as people read them; the unit is in each name."""

from __future__ import annotations

import re

__all__ = ["human_bytes", "human_count", "human_seconds", "human_time", "parse_bytes", "parse_time"]

_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def human_time(seconds: float) -> str:
    """Give a duration as ``4.1 ms``, ``9.2 s``, ``2 min 5 s`` or ``3 h 1 min``.

    Parameters
    ----------
    seconds : float
        A duration, in seconds.
    """
    if 0 < seconds < 0.0995:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def human_seconds(seconds: float) -> str:
    """Give a length of sound in seconds, such as ``25,000 s``, ``6.25 s`` or ``0.031 s``."""
    return f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:.3g} s"


def human_bytes(count: float) -> str:
    """Give a number of bytes with a binary unit: ``512 B``, ``1.5 MiB``."""
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def parse_bytes(text: str) -> int:
    """Read a number of bytes, such as ``500000``, ``20GiB`` or ``1.5 GB``.

    Raises
    ------
    ValueError
        It is none, or less than a byte.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)\s*", text, flags=re.IGNORECASE | re.ASCII)
    unit = _BYTES.get((match[2] or "B").upper()) if match else None
    size = int(float(match[1]) * unit) if match and unit else 0
    if size < 1:
        raise ValueError(f"{text!r} is no number of bytes: give one such as 500000, 20GiB or 1.5GB")
    return size


def parse_time(text: str) -> float:
    """Read a duration, such as ``90``, ``45m``, ``2h`` or ``1h30m``, as seconds.

    Raises
    ------
    ValueError
        It is none, or nothing long.
    """
    part = r"(\d{1,9}(?:\.\d{1,9})?)\s*(d|h|min|m|s|)\s*"
    found = re.findall(part, text.strip(), flags=re.IGNORECASE | re.ASCII)
    whole = re.fullmatch(f"(?:{part})+", text.strip(), flags=re.IGNORECASE | re.ASCII)
    seconds = sum(float(number) * _SECONDS[unit.lower()] for number, unit in found) if whole else 0.0
    units = [unit for _, unit in found]
    if not seconds > 0 or (len(units) > 1 and (len(set(units)) < len(units) or "" in units)):
        raise ValueError(f"{text!r} is no duration: give one such as 45m, 2h or 1h30m")
    return seconds


def human_count(count: float) -> str:
    """Give a count as ``950``, ``12,345`` or ``174.2 M``."""
    if abs(count) < 1e6:
        return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.1f}"
    return _scaled(count / 1e6, 1000, ("M", "G", "T"), digits=True)


def _scaled(count: float, step: int, units: tuple[str, ...], *, digits: bool = False) -> str:
    """Divide by `step` until what is left is below it; the first unit has digits where `digits` says so."""
    for unit in units[:-1]:
        if abs(count) < step:
            return f"{count:.1f} {unit}" if digits else f"{count:.0f} {unit}"
        count, digits = count / step, True
    return f"{count:,.1f} {units[-1]}"
