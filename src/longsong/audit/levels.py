"""How loud a sound is, second by second; and when it collapsed, if it did.

Levels are in dBFS, where 0 is the RMS of a sine of full scale (AES17).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.short_time import FULL_SCALE, int16_row

__all__ = ["QUIET_DBFS", "CollapseTally", "collapse", "dbfs", "level_figures", "root_mean_square"]

QUIET_DBFS = -60.0
"""Under this a stretch of sound counts as silent."""

_LEVEL_SECONDS = 1.0
_QUIET_SECONDS = 0.05
_COLLAPSE_SECONDS = 0.01
_LEAST_COLLAPSE_SECONDS = 0.5
"""Music may end with a rest: a collapse lasts longer."""

_HIGHEST, _LOWEST = 32767, -32768

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]


def dbfs(rms: float) -> float | None:
    """Give an RMS in int16 steps as dBFS; None for digital silence, which has no level."""
    return 20 * math.log10(rms * math.sqrt(2) / FULL_SCALE) if rms > 0 else None


def root_mean_square(samples: NDArray[Any]) -> float:
    """Give the RMS of samples in a row, in their own unit."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def level_figures(samples: Samples, sample_rate: int) -> dict[str, Any]:
    """Give RMS, peak and crest over time, DC, and how much is silent or clipped.

    The stretches that are looked at have the same length whatever the model's frame is, so that configurations
    compare.

    Parameters
    ----------
    samples : ndarray, shape (n,), int16
    sample_rate : int
        Hz.

    Returns
    -------
    dict
        ``rms_dbfs``, ``peak`` (share of full scale) and ``crest`` (peak over RMS; a sine has 1.414, a square wave
        1) of all; ``over_time``, the same of each second; ``dc``, the mean as a share of full scale;
        ``quiet_share``, of stretches of 50 ms under -60 dBFS; ``clipped_share``, of samples at either end of int16,
        and ``longest_clip``, the most of them in a row. A level or crest of digital silence is None.

    Raises
    ------
    ConfigError
        `samples` are not int16 in a row.
    """
    int16_row(samples)
    clipped = (samples == _HIGHEST) | (samples == _LOWEST)
    quiet = _rms_of_stretches(samples, _whole(_QUIET_SECONDS * sample_rate)) < _quiet_rms()
    return {
        **_levels(samples),
        "over_time": {
            "seconds": _LEVEL_SECONDS,
            **_in_columns([_levels(part) for part in _stretches(samples, _whole(_LEVEL_SECONDS * sample_rate))]),
        },
        "dc": float(samples.mean(dtype=np.float64)) / FULL_SCALE,
        "quiet_share": float(quiet.mean()),
        "clipped_share": float(clipped.mean()),
        "longest_clip": _longest_run(clipped),
    }


def collapse(samples: Samples, sample_rate: int) -> dict[str, Any] | None:
    """Say from when on a sound, shape (n,), int16, is dead; as `CollapseTally`, which also says what is raised."""
    tally = CollapseTally(sample_rate)
    tally.add(samples)
    return tally.result()


class CollapseTally:
    """Says from when on a sound is silent, constant or at full scale for the rest of it; it may come in pieces.

    It is looked at in stretches of 10 ms: *silent* ones have an RMS under -60 dBFS; *constant* ones do not, but would
    without the level that the sound ends at; and of those at *full scale* at least half of the
    samples are the largest or least that int16 holds. A rest at the end that is shorter than half a second is none.

    Parameters
    ----------
    sample_rate : int
        Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate, self._length = sample_rate, _whole(_COLLAPSE_SECONDS * sample_rate)
        self._rest = np.empty(0, np.int16)
        self._tallied: list[Floats] = []

    def add(self, samples: Samples) -> None:
        """Take the next samples, shape (n,), int16.

        Raises
        ------
        ConfigError
            `samples` are not int16 in a row.
        """
        int16_row(samples)
        whole = np.concatenate([self._rest, samples])
        stop = len(whole) // self._length * self._length
        self._tallied.append(_tally(whole[:stop].reshape(-1, self._length)))
        self._rest = whole[stop:].copy()

    def result(self) -> dict[str, Any] | None:
        """Give ``second``, and ``kind``, ``silent``, ``constant`` or ``full scale``; None of a sound that lives."""
        rest = [_tally(self._rest[None])] if len(self._rest) else []
        count, total, squares, at_full = np.concatenate([*self._tallied, *rest], axis=1)
        end, least = total[-1] / count[-1], _quiet_rms() ** 2
        silent = squares / count < least
        constant = squares / count - 2 * end * (total / count) + end * end < least
        full = at_full / count >= 0.5
        # A constant may stand at full scale, and silence is constant: the first that is true of the end names it.
        for kind, found in (("full scale", full), ("silent", silent), ("constant", constant)):
            if found[-1]:
                alive = np.flatnonzero(~(silent | constant | full))
                start = (int(alive[-1]) + 1) * self._length if len(alive) else 0
                samples = int(count.sum())
                if samples - start < min(_LEAST_COLLAPSE_SECONDS * self._rate, samples):
                    return None
                return {"second": start / self._rate, "kind": kind}
        return None


def _tally(stretches: Samples) -> Floats:
    """Give, of each stretch, how many samples it has, their sum, that of their squares, and how many are full."""
    numbers = stretches.astype(np.float64)
    full = (stretches == _HIGHEST) | (stretches == _LOWEST)
    count = np.full(len(stretches), float(stretches.shape[1]))
    return np.stack([count, numbers.sum(1), np.square(numbers).sum(1), full.sum(1).astype(np.float64)])


def _quiet_rms() -> float:
    return float(10 ** (QUIET_DBFS / 20) * FULL_SCALE / math.sqrt(2))


def _whole(samples: float) -> int:
    return max(1, round(samples))


def _stretches(samples: Samples, length: int) -> list[Samples]:
    """Cut into stretches of `length`, the last as long as is left."""
    return [samples[at : at + length] for at in range(0, len(samples), length)]


def _rms_of_stretches(samples: Samples, length: int) -> Floats:
    return np.array([root_mean_square(part) for part in _stretches(samples, length)])


def _levels(samples: Samples) -> dict[str, float | None]:
    rms, peak = root_mean_square(samples), float(np.abs(samples.astype(np.int32)).max())
    return {"rms_dbfs": dbfs(rms), "peak": peak / FULL_SCALE, "crest": peak / rms if rms > 0 else None}


def _in_columns(rows: list[dict[str, float | None]]) -> dict[str, list[float | None]]:
    return {key: [row[key] for row in rows] for key in rows[0]}


def _longest_run(mask: NDArray[np.bool_]) -> int:
    """Count the most True in a row."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return int((ends[1::2] - ends[::2]).max(initial=0))
