"""A whole sound computed again, prediction by prediction, and held against its wav (P12).

The first predictions alone would let a sound be anything after them. A prediction needs the whole one before it, but
its step t needs no more of that than step t: so that all predictions advance side by side, each a step behind the one
before it, and a product is of as many rows as a sequence has frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.network import Product, advance, initial_states, product_of
from longsong.audit.regenerate import Regenerated, SeenSeed, allowed, away_from, fit_levels, precision_of, seed_as_seen
from longsong.audit.run import Run

__all__ = ["Replayed", "last_frames", "predictions_due", "replay", "work_of_a_prediction"]

_ROUNDING = 10.0
"""How many times further than two replays that round otherwise are apart a sound may be, to have been rounded off."""

Floats = NDArray[Any]


@dataclass(frozen=True)
class Replayed:
    """How far a sound is what its network makes of its seed.

    Attributes
    ----------
    due : int
        Predictions that the whole sound takes.
    asked : int
        Predictions that were computed again, if none before them was another.
    followed : int
        Those that stand in the wav, one behind the other from the first.
    largest : float
        Their largest difference from the wav, in sample levels.
    away : float
        That of the first one that does not stand in it; 0 where all do.
    rounded_off : bool
        Whether rounding alone explains that: computed in float32, and in float64 (with operands rounded to bfloat16
        where the sound's were), the prediction differs about as much. Nothing can be said of the sound from there on.
    """

    due: int
    asked: int
    followed: int
    largest: float
    away: float = 0.0
    rounded_off: bool = False

    @property
    def whole(self) -> bool:
        """Whether all of the sound was followed."""
        return self.followed == self.due

    @property
    def broken(self) -> bool:
        """Whether a prediction is another than its network makes."""
        return self.followed < self.asked and not self.rounded_off


def predictions_due(run: Run, seed: SeenSeed) -> int:
    """Count the predictions that a run's sound is made of, behind what is left of its seed."""
    frame = run.generated["frame"]
    return int(-(-(run.wav.samples - seed.left) // frame))


def work_of_a_prediction(run: Run) -> float:
    """Give the multiplications that one more prediction of a run takes."""
    steps = run.generated["seq"] if run.of("model.recurrence") == "time" else 1
    return float(run.parameter_count) * steps


def replay(run: Run, seed: SeenSeed, found: Regenerated, count: int) -> Replayed:
    """Compute the first `count` predictions of a sound again, and compare each with its place in the wav.

    Parameters
    ----------
    run : Run
    seed : SeenSeed
    found : Regenerated
        Of a sound that is joined of last frames, its predictions fed back as they are.
    count : int
        At least 1; no more are computed than the sound takes.

    Raises
    ------
    RunError
        Parameters or wav cannot be read.
    """
    wav, frame = run.wav.data[seed.left :], run.generated["frame"]
    due = predictions_due(run, seed)
    asked = min(count, due)
    pieces: Iterable[Floats] = _levels(run, seed, asked, np.float64, product_of(precision_of(run)))
    gain, shift = 1.0, 0.0
    if found.gain != 1.0:
        pieces, gain, shift = _stretched(wav, list(pieces))
    largest, most = 0.0, allowed(gain, found.rounding)
    for number, piece in enumerate(pieces):
        away = away_from(wav, number * frame, piece, gain, shift)
        if away > most:
            (rounded,) = islice(_levels(run, seed, number + 1, np.float32, np.matmul), number, None)
            spread = gain * float(np.abs(rounded - piece).max())
            return Replayed(due, asked, number, largest, away, away <= most + _ROUNDING * spread)
        largest = max(largest, away)
    return Replayed(due, asked, asked, largest)


def _stretched(wav: Floats, pieces: list[Floats]) -> tuple[list[Floats], float, float]:
    """Find how predictions were stretched, which is known the better the more of them are looked at.

    Those that do not fit into int16 were cut off before they were stretched, or not at all; what was cut off after that
    tells nothing of how.

    Returns
    -------
    pieces : list of ndarray, shape (frame,)
        As they were before they were stretched.
    gain, shift : float
    """
    ways = []
    for before in (pieces, [np.clip(piece, -32768, 32767) for piece in pieces]):
        every = np.concatenate(before)[: len(wav)]
        there = wav[: len(every)]
        inside = (there > -32768) & (there < 32767)
        gain, shift = fit_levels(there[inside], every[inside]) if inside.any() else (1.0, 0.0)
        ways.append((away_from(wav, 0, every, gain, shift), before, gain, shift))
    _, pieces, gain, shift = min(ways, key=lambda way: way[0])
    return pieces, gain, shift


def _levels(
    run: Run, seed: SeenSeed, count: int, dtype: type[np.float32] | type[np.float64], product: Product
) -> Iterator[Floats]:
    """Give the last frames of the first predictions in sample levels, shape (frame,) each."""
    which = "best" if run.generated["parameters"] == "best" else "last"
    found = run.parameters(which, run.generated["frame"])
    parameters = {name: tensor.astype(dtype) for name, tensor in found.items()}
    frames = seed_as_seen(run, seed.samples)[0].astype(dtype)
    scale, offset = run.of("song.scale"), run.of("song.offset")
    for made in last_frames(parameters, frames, count, run.of("model.recurrence"), product):
        yield (made.astype(np.float64) - offset) / scale


def last_frames(
    parameters: Mapping[str, Floats],
    seed: Floats,
    count: int,
    recurrence: str = "time",
    product: Product = np.matmul,
) -> Iterator[Floats]:
    """Predict, feed the prediction back, and again: give the last frame of each.

    Parameters
    ----------
    parameters : mapping of str to ndarray
        By the names of FACTS section 7.
    seed : ndarray, shape (seq, frame)
        Normalised.
    count : int
        Predictions.
    recurrence : {'time', 'batch'}
        The axis of the state; where it is not time, no frame depends on those before it, and last ones follow from
        last ones alone.
    product : callable
        Multiplies matrices.

    Yields
    ------
    ndarray, shape (frame,)
        Normalised.
    """
    if recurrence != "time":
        seed = seed[-1:]
    seq, states, made = len(seed), initial_states(parameters, 0), seed[:0]
    for tick in range(seq + count - 1):
        if tick < count:  # one more prediction begins
            begun = initial_states(parameters, 1)
            states = [
                tuple(np.concatenate(pair) for pair in zip(layer, new, strict=True))
                for layer, new in zip(states, begun, strict=True)
            ]
        # The first prediction takes the seed, and each other one what the one before it made a tick ago.
        inputs = np.concatenate([seed[tick : tick + 1], made])[: len(states[0][0])]
        made, states = advance(parameters, inputs, states, product)
        if tick >= seq - 1:  # the oldest has come to its last frame
            yield made[0]
            states = [tuple(tensor[1:] for tensor in layer) for layer in states]
