"""The best that a linear map does from one frame to the next, fitted by least squares.

It is fitted to the frames that begin at every sample, not to those of the examples alone: a song gives as many as it
has samples, so that frames of thousands of samples can be fitted from minutes of it, and the sums over them cost little
more than a Fourier transform. This is the covariance method of linear prediction (Makhoul, "Linear prediction: a
tutorial review", 1975, doi:10.1109/PROC.1975.9792), one frame ahead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.config import whole
from longsong.errors import ConfigError, NotFiniteError

__all__ = ["LARGEST_FRAME", "LinearPredictor", "fit_linear_predictor"]

LARGEST_FRAME = 4096
"""Samples in a frame up to which the normal equations are solved: 128 MiB of float64, a few of them at once."""

_RIDGE = np.finfo(np.float64).eps
_LARGEST_RIDGE = 1e-3
_ROWS_AT_ONCE = 256
"""Rows of a covariance that are computed together."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearPredictor:
    """The best linear map from a frame to the next, in the sense of least squares on the frames it was fitted to.

    Attributes
    ----------
    mean, next_mean : ndarray, shape (frame,), float64
        Of a frame, and of the one after it.
    factor : ndarray, shape (frame, frame), float64, or None
        Lower factor (Cholesky) of the covariance of a frame; None where frames never change.
    cross : ndarray, shape (frame, frame), float64
        Covariance of a frame with the next.
    frames : int
        How many it was fitted to.
    ridge : float
        What was added to the diagonal of the covariance, as a share of the diagonal's mean.
    """

    mean: Floats
    next_mean: Floats
    factor: Floats | None
    cross: Floats
    frames: int
    ridge: float

    def predict(self, inputs: NDArray[Any]) -> Floats:
        """Give predictions of the frames after `inputs`; both of shape (frames, frame).

        The map itself is not made: it would take longer than to solve for the frames that are asked for.

        Raises
        ------
        ConfigError
            The frames have another size.
        """
        from scipy.linalg import cho_solve

        if inputs.ndim != 2 or inputs.shape[1] != len(self.mean):
            raise ConfigError(f"frames have the shape {inputs.shape}, not (frames, {len(self.mean)}); give such")
        if self.factor is None:
            return np.broadcast_to(self.next_mean, inputs.shape)
        centred = inputs - self.mean
        solved = cho_solve((self.factor, True), centred.T, overwrite_b=True, check_finite=False).T
        return np.asarray(solved @ self.cross + self.next_mean)


def fit_linear_predictor(runs: Iterable[NDArray[Any]], frame: int) -> LinearPredictor | None:
    """Fit a linear predictor of a frame from the one before by least squares.

    The normal equations are added up in float64, means removed, and solved by Cholesky's factors. Where these are
    not of full rank (music without high frequencies, digital silence), the least ridge is added that makes them so,
    tried from the machine's precision on, ten times as much each time.

    Parameters
    ----------
    runs : iterable of ndarray, each of shape (samples,)
        Runs of samples. Taken are the frames that begin at every sample and are followed by another.
    frame : int
        Samples in a frame.

    Returns
    -------
    LinearPredictor or None
        None where there are no more frames than samples in one, so that any noise could be fitted; and for frames of
        more than 4096 samples.

    Raises
    ------
    ConfigError
        `frame` is less than 1, or a run is not of one dimension.
    NotFiniteError
        A number is not finite.
    """
    whole("frame", frame)
    if frame > LARGEST_FRAME:
        return None
    sums = _Sums(frame)
    for samples in runs:
        if samples.ndim != 1:
            raise ConfigError(f"a run of samples has the shape {samples.shape}; give (samples,)")
        if not np.isfinite(samples).all():
            raise NotFiniteError("a sample is not finite; look at the song's normalisation")
        sums.add(samples.astype(np.float64))
    return sums.solve() if sums.frames > frame + 1 else None


class _Sums:
    """Sums over the frames that begin at every sample, and the one after each.

    With n frames in a run x, the sum of products ``C[i, j]`` of samples i and j of a frame (beyond its end: of the
    next) follows from the one before along the diagonal: ``C[i+1, j+1] = C[i, j] + x[n+i] x[n+j] - x[i] x[j]``. The
    first row is a correlation.
    """

    def __init__(self, frame: int) -> None:
        self._frame = frame
        self.frames = 0
        self._shift: float | None = None
        self._first, self._totals = np.zeros(2 * frame), np.zeros(2 * frame)
        self._begins: list[Floats] = []
        self._ends: list[Floats] = []

    def add(self, samples: Floats) -> None:
        """Add a run, shape (samples,)."""
        from scipy.fft import irfft, next_fast_len, rfft

        both = 2 * self._frame
        frames = len(samples) - both + 1
        if frames < 1:
            return
        if self._shift is None:  # a first guess of the mean, so that the products do not cancel
            self._shift = float(samples.mean())
        x = samples - self._shift
        size = next_fast_len(len(x), real=True)  # the last frame ends with the run: nothing comes round
        spectrum = rfft(x, size, workers=2) * rfft(x[:frames], size, workers=2).conj()
        self._first += irfft(spectrum, size, workers=2)[:both]
        sums = np.concatenate([[0.0], np.cumsum(x)])
        self._totals += sums[frames : frames + both] - sums[:both]
        self._begins.append(x[: both - 1].copy())
        self._ends.append(x[frames:].copy())
        self.frames += frames

    def solve(self) -> LinearPredictor:
        """Give the predictor with the least ridge that the equations can be solved with."""
        from scipy.linalg import LinAlgError, cho_factor

        frame, means = self._frame, self._totals / self.frames
        covariance = self._covariance(means)
        cross = np.ascontiguousarray(covariance[:, frame:])
        diagonal = np.einsum("ii->i", covariance[:, :frame])
        mean, plain, ridge = float(diagonal.mean()), diagonal.copy(), 0.0
        factor = None
        # What rounding leaves of frames that never change is no variance.
        while mean > _RIDGE * self._first[0] / self.frames:
            diagonal[:] = plain + ridge * mean
            try:
                factor = cho_factor(covariance[:, :frame], lower=True, check_finite=False)[0]
                break
            except LinAlgError:
                ridge = max(10 * ridge, _RIDGE)
                if ridge > _LARGEST_RIDGE:
                    raise NotFiniteError(
                        f"the normal equations of {self.frames} frames cannot be solved; look at the song's numbers"
                    ) from None
        shift = self._shift or 0.0
        return LinearPredictor(means[:frame] + shift, means[frame:] + shift, factor, cross, self.frames, ridge)

    def _covariance(self, means: Floats) -> Floats:
        """Give the covariance of a frame with itself and the next, shape (frame, 2 frame)."""
        frame, begins, ends = self._frame, np.array(self._begins), np.array(self._ends)
        found = np.empty((frame, 2 * frame))
        found[0] = self._first
        for at in range(0, frame - 1, _ROWS_AT_ONCE):
            rows = slice(at, min(at + _ROWS_AT_ONCE, frame - 1))
            found[at + 1 : rows.stop + 1, 1:] = ends[:, rows].T @ ends - begins[:, rows].T @ begins
        for i in range(frame - 1):
            found[i + 1, 1:] += found[i, :-1]
            found[i + 1, 0] = found[0, i + 1]
        found /= self.frames
        for at in range(0, frame, _ROWS_AT_ONCE):
            rows = slice(at, at + _ROWS_AT_ONCE)
            found[rows] -= np.outer(means[:frame][rows], means)
        return found
