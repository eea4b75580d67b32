"""Products of matrices in one thread: those of a recurrence's steps are too small for several.

OpenBLAS, which numpy's wheels bring along, lets its threads wait for each other by spinning. On a machine whose cores
have other work too, the steps of a sequence then take ten times as long and more. numpy has no way to say so at run
time (numpy pull request 13136), so that the library is asked itself; where there is none, nothing changes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

__all__ = ["one_thread", "threads"]

_PREFIXES, _SUFFIXES = ("scipy_openblas", "openblas"), ("64_", "")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let numpy compute products in one thread, and afterwards in as many as before."""
    before = threads()
    if before is None:
        yield
        return
    _set_threads(1)
    try:
        yield
    finally:
        _set_threads(before)


def threads() -> int | None:
    """Give in how many threads numpy computes products; None where that cannot be told."""
    found = _functions()
    return None if found is None else int(found[0]())


def _set_threads(count: int) -> None:
    found = _functions()
    if found is not None:
        found[1](count)


@cache
def _functions() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer] | None:
    """Find what gives and what sets the number of threads of the OpenBLAS in numpy's wheel."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            try:
                library = ctypes.CDLL(str(path))  # loaded already, with numpy
            except OSError:
                continue
            for prefix in _PREFIXES:
                for suffix in _SUFFIXES:
                    names = [f"{prefix}_{verb}_num_threads{suffix}" for verb in ("get", "set")]
                    if all(hasattr(library, name) for name in names):
                        return getattr(library, names[0]), getattr(library, names[1])
    return None
