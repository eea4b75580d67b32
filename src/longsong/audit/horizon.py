"""How far ahead a network predicts: cost by horizon, of its own predictions fed back against the true frames given.

Fed with true frames (teacher forcing: Williams and Zipser, 1989, doi:10.1162/neco.1989.1.2.270) each prediction is one
frame ahead; free running, that of horizon h rests on h - 1 predictions of the network's own, as when it generates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.config import whole
from longsong.errors import ConfigError, NotFiniteError

__all__ = ["PREDICTION_FORMAT", "PREDICTION_VERSION", "cost_by_horizon", "horizon_figures"]

PREDICTION_FORMAT, PREDICTION_VERSION = "longsong.prediction", 1
"""Of what `longsong.judging.judge_prediction` gives, these figures among it."""

_EXPLODED = 1e15
"""From here on a prediction counts as not finite: its square and those of its costs have to be numbers too."""

Numbers = NDArray[Any]
Floats = NDArray[np.float64]


def cost_by_horizon(predictions: Numbers, targets: Numbers) -> tuple[Floats, Floats]:
    """Give the cost at each horizon, and how sure it is.

    Parameters
    ----------
    predictions, targets : ndarray, shape (horizons, rows, frame)
        At [h - 1, row] the frame h ahead of that row's seed.

    Returns
    -------
    ndarray, shape (horizons,), float64
        Mean squared difference over rows and samples.
    ndarray, shape (horizons,), float64
        Its standard error over the rows; nan where there is one row.

    Raises
    ------
    ConfigError
        The shapes do not agree, or are empty.
    NotFiniteError
        A number is not finite; the message says at which horizon first.
    """
    _require_shapes(predictions, targets)
    horizons, rows, _ = predictions.shape
    costs = np.empty((horizons, rows))
    for at, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):  # one horizon in float64
        costs[at] = np.square(prediction.astype(np.float64) - target).mean(1)
    if not np.isfinite(costs).all():
        first = int(np.flatnonzero(~np.isfinite(costs).all(1))[0]) + 1
        raise NotFiniteError(f"a prediction or target of horizon {first} is not finite; give fewer horizons")
    error = costs.std(1, ddof=1) / np.sqrt(rows) if rows > 1 else np.full(horizons, np.nan)
    return costs.mean(1), error


def horizon_figures(free: Numbers, forced: Numbers, targets: Numbers, sample_rate: int) -> dict[str, Any]:
    """Compare free running with teacher forcing, horizon by horizon.

    Parameters
    ----------
    free, forced, targets : ndarray, shape (horizons, rows, frame)
        Predictions with the network's own fed back, predictions with the true frames given, and the true frames; in
        the numbers that the network sees.
    sample_rate : int
        Hz.

    Returns
    -------
    dict
        Lists with one value for each horizon: ``seconds`` ahead (the end of the frame), ``free``, ``forced``, and
        ``zero``, the cost of predicting zero there; ``free_error`` and ``forced_error``, standard errors over the
        rows (None where there is one row). ``rows``; ``useful_seconds``, up to where free running costs less
        than predicting zero, counted from the start without a gap: 0 where it never does; and ``exploded_seconds``,
        the end of the first frame in which a prediction is not finite, None where all are. The lists end before it.

    Raises
    ------
    ConfigError, NotFiniteError
        As `cost_by_horizon`, the latter of targets alone; also where `sample_rate` is less than 1.
    """
    whole("sample-rate", sample_rate)
    _require_shapes(free, targets)
    _require_shapes(forced, targets)
    horizons, rows, frame = targets.shape
    finite = min(_finite_horizons(free), _finite_horizons(forced))
    exploded = None if finite == horizons else (finite + 1) * frame / sample_rate
    if finite == 0:
        lists: dict[str, Any] = {name: [] for name in ("seconds", "free", "forced", "zero")}
        lists |= dict.fromkeys(("free_error", "forced_error"), None if rows == 1 else [])
        return {"rows": rows, **lists, "useful_seconds": 0.0, "exploded_seconds": exploded}
    free, forced, targets = (array[:finite] for array in (free, forced, targets))
    free_cost, free_error = cost_by_horizon(free, targets)
    forced_cost, forced_error = cost_by_horizon(forced, targets)
    zero_cost, _ = cost_by_horizon(np.zeros_like(targets), targets)
    seconds = np.arange(1, finite + 1) * (frame / sample_rate)
    beaten = np.flatnonzero(free_cost >= zero_cost)
    useful = int(beaten[0]) if len(beaten) else finite
    return {
        "rows": rows,
        "seconds": seconds.tolist(),
        "free": free_cost.tolist(),
        "free_error": None if rows == 1 else free_error.tolist(),
        "forced": forced_cost.tolist(),
        "forced_error": None if rows == 1 else forced_error.tolist(),
        "zero": zero_cost.tolist(),
        "useful_seconds": useful * frame / sample_rate,
        "exploded_seconds": exploded,
    }


def _require_shapes(predictions: Numbers, targets: Numbers) -> None:
    if predictions.ndim != 3 or predictions.shape != targets.shape or 0 in predictions.shape:
        raise ConfigError(
            f"predictions have the shape {predictions.shape} and targets {targets.shape}; give (horizons, rows, frame) "
            "of both, none of them 0"
        )


def _finite_horizons(predictions: Numbers) -> int:
    """Count the horizons before the first with a prediction that is not finite, or as good as not."""
    broken = [not (np.abs(frames) < _EXPLODED).all() for frames in predictions]
    return broken.index(True) if True in broken else len(broken)
