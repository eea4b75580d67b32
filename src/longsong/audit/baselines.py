"""Costs that a network has to beat for its own to mean anything (P11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.linear_prediction import LinearPredictor
from longsong.errors import ConfigError, NotFiniteError

__all__ = ["baseline_costs"]

_VALUES_AT_ONCE = 1 << 20
"""Numbers of inputs, and of targets, that are held as float64: 8 MiB of each."""

MiniBatches = Iterable[tuple[NDArray[Any], NDArray[Any]]]
Floats = NDArray[np.float64]


def baseline_costs(examples: MiniBatches, predictor: LinearPredictor | None = None) -> dict[str, Any]:
    """Give the costs of predicting without a network, in the numbers that a network sees.

    Parameters
    ----------
    examples : iterable of (ndarray, ndarray), each of shape (batch, seq, frame)
        Inputs and targets to take the costs of.
    predictor : LinearPredictor, optional
        Fitted to the train split.

    Returns
    -------
    dict
        ``frames``; and the mean over all of their samples of the squared difference to the target: ``zero``,
        predicting zero; ``repeat``, predicting the input frame again; ``linear``, by `predictor`, with
        ``linear_frames`` and ``linear_ridge`` as it has them. These three are None without one.

    Raises
    ------
    ConfigError
        A mini-batch does not have two arrays of one such shape, of the predictor's frame; or there is none.
    NotFiniteError
        A number is not finite.
    """
    frames = samples = 0
    sums = dict.fromkeys(("zero", "repeat", "linear"), 0.0)
    for inputs, targets in _frames_of(examples):
        frames, samples = frames + len(targets), samples + targets.size
        sums["zero"] += float(np.square(targets).sum())
        sums["repeat"] += float(np.square(inputs - targets).sum())
        if predictor is not None:
            sums["linear"] += float(np.square(predictor.predict(inputs) - targets).sum())
    if not frames:
        raise ConfigError("there is no frame to take the baselines of; give a dev split with one example or more")
    costs: dict[str, Any] = {"frames": frames, **{name: total / samples for name, total in sums.items()}}
    if predictor is None:
        return costs | dict.fromkeys(("linear", "linear_frames", "linear_ridge"))
    return costs | {"linear_frames": predictor.frames, "linear_ridge": predictor.ridge}


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
