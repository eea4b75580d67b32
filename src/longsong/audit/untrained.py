"""What the later script of 2016 generated from: an untrained pair of linear maps, and nothing between them (D02)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from longsong.audit.first_updates import draw_parameters, setting
from longsong.audit.network import expected_shapes
from longsong.audit.regenerate import SeenSeed, allowed, away_from, fit_levels, moves_with, seed_as_seen
from longsong.audit.run import Run

__all__ = ["of_untrained_maps"]


def of_untrained_maps(run: Run, seed: SeenSeed) -> bool:
    """Tell whether a sound begins with what untrained linear maps of the run's random seed make of its seed.

    What else the sound's record says was done as in 2016 (predictions fed back upside down, the first of them dropped)
    is done too, and whether it was stretched is found out.

    Parameters
    ----------
    run : Run
        One with a sound.
    seed : SeenSeed
        Of the sound.

    Returns
    -------
    bool
        False as well for silence, which is, to within rounding, what maps that make next to nothing of the seed give.

    Raises
    ------
    RunError
        Its configuration lacks what is needed, or the wav cannot be read.
    """
    prediction = _first_heard(run, seed)
    wav = run.wav.data[seed.left :]
    for piece in (prediction[-1], prediction.reshape(-1)):
        for gain, shift in ((1.0, 0.0), fit_levels(wav[: len(piece)], piece)):
            away = away_from(wav, 0, piece, gain, shift)
            if gain > 0 and away <= allowed(gain) and moves_with(wav, piece):
                return True
    return False


def _first_heard(run: Run, seed: SeenSeed) -> NDArray[np.float64]:
    """Give the first prediction that is not dropped, in sample levels, shape (seq, frame)."""
    shapes = expected_shapes(run.of("model.cell"), run.of("data.frame"), run.of("model.hidden"), run.of("model.layers"))
    # The biases of an untrained network are 0.
    p = draw_parameters(shapes, run.of("training.seed"), setting(run, "model", "init_width"))
    into, out = p["input_to_hidden.W"], p["hidden_to_output.W"]
    switches = run.generated.get("as_coded") or ()
    y = seed_as_seen(run, seed.samples).astype(np.float64)[0]
    lowest, highest = np.inf, -np.inf
    for number in range(1 + len(y) * ("drop-seq" in switches)):
        if number and "upside-down" in switches:
            lowest, highest = min(lowest, y.min()), max(highest, y.max())
            y = highest - (highest - lowest) * (y - y.min()) / ((y.max() - y.min()) or 1.0)
        y = y @ into @ out
    levels: NDArray[np.float64] = (y - run.of("song.offset")) / run.of("song.scale")
    return levels
