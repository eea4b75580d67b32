"""Checkers that every stream must pass; for the tests of streams, ours and yours.

A stream is a `DataStream` or a transformer. What these checkers ask for together: what is given follows from
the state alone, and neither the number of ranks nor that of threads changes anything.
"""

from streams.testing.checkers import (
    check_exactly_once,
    check_moves,
    check_ranks,
    check_resumes_anywhere,
    check_workers,
)

__all__ = ["check_exactly_once", "check_moves", "check_ranks", "check_resumes_anywhere", "check_workers"]
