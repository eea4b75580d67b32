"""Which normalisation a run's numbers are, by the song, whatever its configuration calls it (D05, D12)."""

from __future__ import annotations

from math import isclose

from longsong.audit.evidence import Evidence
from longsong.audit.run import Run
from longsong.errors import RunError

__all__ = ["EXACT", "is_by_deviation"]

EXACT = 1e-6
"""Float32 keeps seven digits: ends of a range agree to this."""


def is_by_deviation(evidence: Evidence, run: Run) -> bool:
    """Tell whether samples are divided by the song's standard deviation, and nothing is added to them.

    Where the song is not here, the run's own numbers of it stand in for it: P01 says that it is not.
    """
    try:
        deviation = evidence.song(run).standard_deviation
    except RunError:
        deviation = float(run.of("song.standard_deviation"))
    scale, offset = run.of("song.scale"), run.of("song.offset")
    return deviation > 0 and isclose(scale, 1 / deviation, rel_tol=EXACT) and abs(offset) <= EXACT
