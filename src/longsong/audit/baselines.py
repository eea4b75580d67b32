"""Costs that a network has to beat for its own to mean anything (P11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.config import whole
from longsong.errors import ConfigError, NotFiniteError

__all__ = ["LARGEST_FRAME", "LinearPredictor", "baseline_costs", "fit_linear_predictor"]

LARGEST_FRAME = 4096
"""Samples in a frame up to which the normal equations are solved: 128 MiB of float64, a few of them at once."""

_VALUES_AT_ONCE = 1 << 20
"""Numbers of inputs, and of targets, that are held as float64: 8 MiB of each."""
_RIDGE = np.finfo(np.float64).eps
_LARGEST_RIDGE = 1e-3

MiniBatches = Iterable[tuple[NDArray[Any], NDArray[Any]]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LinearPredictor:
    """The best linear map from a frame to the next, in the sense of least squares on the frames it was fitted to.

    Attributes
    ----------
    weights : ndarray, shape (frame, frame), float64
    bias : ndarray, shape (frame,), float64
    frames : int
        How many it was fitted to.
    ridge : float
        What was added to the diagonal of the inputs' covariance, as a share of the diagonal's mean.
    """

    weights: Floats
    bias: Floats
    frames: int
    ridge: float

    def predict(self, inputs: NDArray[Any]) -> Floats:
        """Give predictions of the shape of `inputs`, (..., frame)."""
        return np.asarray(inputs @ self.weights + self.bias)


def baseline_costs(train: MiniBatches, dev: MiniBatches, most_frames: int = 1 << 16) -> dict[str, Any]:
    """Give the costs of predicting without a network, in the numbers that a network sees.

    Parameters
    ----------
    train : iterable of (ndarray, ndarray), each of shape (batch, seq, frame)
        Inputs and targets of the train split, to fit the linear predictor to; read only as far as needed. Shuffled,
        so that the frames used are of all of the split.
    dev : iterable of (ndarray, ndarray), each of shape (batch, seq, frame)
        Inputs and targets to take the costs of.
    most_frames : int
        Frames that the linear predictor is fitted to at most.

    Returns
    -------
    dict
        ``frames``, of the dev split; and the mean over all of their samples of the squared difference to the target:
        ``zero``, predicting zero; ``repeat``, predicting the input frame again; ``linear``, by
        `fit_linear_predictor`, with ``linear_frames`` and ``linear_ridge`` as it has them. These three are None
        where that gives none.

    Raises
    ------
    ConfigError
        A mini-batch does not have two arrays of one such shape, all of one frame; or there is none in either split.
    NotFiniteError
        A number is not finite.
    """
    predictor = fit_linear_predictor(train, most_frames)
    frames = samples = 0
    sums = dict.fromkeys(("zero", "repeat", "linear"), 0.0)
    for inputs, targets in _frames_of(dev):
        frames, samples = frames + len(targets), samples + targets.size
        sums["zero"] += float(np.square(targets).sum())
        sums["repeat"] += float(np.square(inputs - targets).sum())
        if predictor is not None:
            if len(predictor.bias) != targets.shape[1]:
                raise ConfigError(
                    f"frames of the dev split have {targets.shape[1]} samples and of the train split "
                    f"{len(predictor.bias)}; give both of one frame"
                )
            sums["linear"] += float(np.square(predictor.predict(inputs) - targets).sum())
    if not frames:
        raise ConfigError("there is no frame to take the baselines of; give a dev split with one example or more")
    costs: dict[str, Any] = {"frames": frames, **{name: total / samples for name, total in sums.items()}}
    if predictor is None:
        return costs | dict.fromkeys(("linear", "linear_frames", "linear_ridge"))
    return costs | {"linear_frames": predictor.frames, "linear_ridge": predictor.ridge}


def fit_linear_predictor(train: MiniBatches, most_frames: int = 1 << 16) -> LinearPredictor | None:
    """Fit a linear predictor of the target frame from the input frame by least squares.

    The normal equations are added up in float64, means removed, and solved by Cholesky's factors. Where these are
    not of full rank (music without high frequencies, digital silence), the least ridge is added that makes them so,
    tried from the machine's precision on, ten times as much each time.

    Parameters
    ----------
    train : iterable of (ndarray, ndarray), each of shape (batch, seq, frame)
        Inputs and targets; no more mini-batches are taken than hold `most_frames`.
    most_frames : int
        1 or more.

    Returns
    -------
    LinearPredictor or None
        None where there are no more frames than samples in one, so that any noise could be fitted; and for frames of
        more than 4096 samples.

    Raises
    ------
    ConfigError, NotFiniteError
        As `baseline_costs`.
    """
    whole("most-frames", most_frames)
    equations: _NormalEquations | None = None
    for inputs, targets in _frames_of(train):
        if inputs.shape[1] > LARGEST_FRAME:
            return None
        if equations is None:
            equations = _NormalEquations(inputs.mean(0), targets.mean(0))
        left = most_frames - equations.frames
        equations.add(inputs[:left], targets[:left])
        if equations.frames == most_frames:
            break
    if equations is None:
        raise ConfigError("there is no frame to fit a linear predictor to; give a train split with one example or more")
    return equations.solve() if equations.frames > len(equations.x) + 1 else None


class _NormalEquations:
    """Sums over frames, less a first guess of their means so that the products do not cancel."""

    def __init__(self, shift_x: Floats, shift_y: Floats) -> None:
        n = len(shift_x)
        self._shift_x, self._shift_y = shift_x, shift_y
        self.frames = 0
        self.x, self._y = np.zeros(n), np.zeros(n)
        self._xx, self._xy = np.zeros((n, n)), np.zeros((n, n))

    def add(self, inputs: Floats, targets: Floats) -> None:
        """Add frames, each of shape (frames, frame)."""
        if inputs.shape[1] != len(self.x):
            raise ConfigError(f"frames have {inputs.shape[1]} samples and had {len(self.x)}; give all of one frame")
        x, y = inputs - self._shift_x, targets - self._shift_y
        self.frames += len(x)
        self.x += x.sum(0)
        self._y += y.sum(0)
        self._xx += x.T @ x
        self._xy += x.T @ y

    def solve(self) -> LinearPredictor:
        """Give the predictor with the least ridge that the equations can be solved with."""
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        x, y = self.x / self.frames, self._y / self.frames
        covariance = self._xx / self.frames - np.outer(x, x)
        cross = self._xy / self.frames - np.outer(x, y)
        mean = float(np.trace(covariance)) / len(x)
        ridge = 0.0
        weights = np.zeros_like(cross)  # of inputs that never change
        while mean > 0:
            try:
                factor = cho_factor(covariance + np.eye(len(x)) * (ridge * mean), lower=True)
                weights = cho_solve(factor, cross)
                break
            except LinAlgError:
                ridge = max(10 * ridge, _RIDGE)
                if ridge > _LARGEST_RIDGE:
                    raise NotFiniteError(
                        f"the normal equations of {self.frames} frames cannot be solved; look at the song's numbers"
                    ) from None
        bias = y + self._shift_y - (x + self._shift_x) @ weights
        return LinearPredictor(weights, bias, self.frames, ridge)


def _frames_of(batches: MiniBatches) -> Iterator[tuple[Floats, Floats]]:
    """Give inputs and targets as rows of float64, shape (frames, frame), a bounded number of frames at a time."""
    for inputs, targets in batches:
        if inputs.ndim != 3 or inputs.shape != targets.shape or inputs.shape[2] == 0:
            raise ConfigError(
                f"a mini-batch has inputs of shape {inputs.shape} and targets of {targets.shape}; give (batch, seq, "
                "frame) of both"
            )
        rows_x, rows_y = (array.reshape(-1, array.shape[2]) for array in (inputs, targets))
        at_once = max(1, _VALUES_AT_ONCE // rows_x.shape[1])
        for at in range(0, len(rows_x), at_once):
            x, y = (rows[at : at + at_once].astype(np.float64) for rows in (rows_x, rows_y))
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                raise NotFiniteError("a frame holds a number that is not finite; look at the song's normalisation")
            yield x, y
