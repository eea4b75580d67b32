"""The first predictions behind a sound, computed again from parameters and seed, and looked for in the wav.

Where they stand in the file, and whether they stand there as predicted, tells how the file was joined
(P14, D03), what was fed back (P12, D04), whether it was stretched (D13), and that it was this network that
spoke (D02).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.network import predict, product_of, run_steps
from longsong.audit.run import Run
from longsong.audit.song import SeenSong
from longsong.audit.wavs import Wav, seed_left_in, similarity
from longsong.errors import RunError

__all__ = [
    "SHOWN",
    "Regenerated",
    "SeenSeed",
    "allowed",
    "away_from",
    "fit_levels",
    "moves_with",
    "precision_of",
    "regenerate",
    "see_seed",
    "seed_as_seen",
]

_LEVELS = 2.0
"""Sample levels that a generated sample may be from the one computed again (it is rounded to int16)."""
_ROUNDINGS = 3.0
"""How many times the difference that rounding its operands makes a sample may be off for that: products that are put
together otherwise are rounded in other places."""
_LONGEST_SEQ = 1000
"""Frames of a sequence that the audit predicts step by step; longer ones take it too long."""
SHOWN = 3
"""Predictions that are looked for, one behind the other; `longsong.audit.replay` follows them further."""

Samples = NDArray[np.int16]
Floats = NDArray[Any]

_PIECES: dict[str, Callable[[Floats], Floats]] = {
    "last-frame": lambda prediction: prediction[-1],
    "whole-sequence": lambda prediction: prediction.reshape(-1),
    "first-frame": lambda prediction: prediction[0],
}
"""What of a predicted sequence, shape (seq, frame), is put end to end."""


@dataclass(frozen=True)
class SeenSeed:
    """A seed, read again, and what is left of it in the sound (P13).

    Attributes
    ----------
    samples : ndarray, shape (seq * frame,), int16
        The seed.
    left : int
        Samples at the start of the wav that are the seed's own, bit for bit.
    similarity : float
        Normalised correlation of the wav's start with the seed.
    """

    samples: Samples
    left: int
    similarity: float


@dataclass(frozen=True)
class Regenerated:
    """What the start of a sound turned out to be.

    Attributes
    ----------
    join : {'last-frame', 'whole-sequence', 'first-frame', None}
        What of the first prediction stands in the wav; None where nothing does.
    gain : float
        What the prediction was multiplied by; 1 where it was not stretched.
    feedback : {'plain', 'upside-down', None}
        What the second prediction was made from: the first, or D04's image of it. None where neither
        explains the wav.
    followed : int
        Predictions, the first included, that were found one behind the other; at most `SHOWN`.
    largest : float
        Largest difference between the wav and the predictions found, in sample levels; of the first
        prediction, where it was not found.
    rounding : float
        Sample levels that may be due to operands which are rounded to bfloat16; 0 where they are not.
    next_away, turned_away : float
        Sample levels between the wav and a second prediction that is made from the first as it is, and from the first
        turned upside down; 0 where no second one stands in the wav, or none was looked for.
    """

    join: str | None
    gain: float
    feedback: str | None
    followed: int
    largest: float
    rounding: float = 0.0
    next_away: float = 0.0
    turned_away: float = 0.0


def see_seed(run: Run, song: SeenSong) -> SeenSeed:
    """Read a sound's seed again, from the song or from its own wav, and look for it in the sound.

    Raises
    ------
    RunError
        Seed or wav cannot be read.
    """
    generated, seed = run.generated, run.generated["seed"]
    start, stop = seed.get("start"), seed.get("stop")
    length = generated["frame"] * generated["seq"]
    if seed["source"] == "wav":
        own = Wav.open(Path(str(seed.get("file"))))
        if own.sample_rate != song.sample_rate:
            raise RunError(f"{own.path} has {own.sample_rate} Hz and was resampled: its samples cannot be compared")
        samples = own.data[-length:]
    elif isinstance(start, int) and isinstance(stop, int) and 0 <= start < stop <= song.samples:
        samples = song.song[start:stop]
    else:
        raise RunError(f"{run.name}: its seed at samples {start!r} to {stop!r} is not in the song")
    if len(samples) != length:
        raise RunError(f"{run.name}: its seed has {len(samples):,} samples, not frame x seq = {length:,}")
    wav = run.wav.data
    return SeenSeed(samples, seed_left_in(wav, samples, generated["frame"]), similarity(wav, samples))


def regenerate(run: Run, seed: SeenSeed) -> Regenerated:
    """Compute the first predictions of a run's sound again and look for them behind what is left of the seed.

    Raises
    ------
    RunError
        Parameters or wav cannot be read, or the sequence is too long to be computed again here.
    """
    generated = run.generated
    if generated["seq"] > _LONGEST_SEQ:
        raise RunError(
            f"{run.name}: sequences of {generated['seq']:,} steps are too long for the audit to predict again"
        )
    again = _Predictor(run, seed.samples)
    wav = run.wav.data[seed.left :]
    first = again.levels(again.first)
    rounding = again.rounding()
    join, gain, shift, away = _join(wav, first, rounding)
    if join is None:
        return Regenerated(None, gain, None, 0, away, rounding)
    best = Regenerated(join, gain, None, 1, away, rounding)
    aways = {}
    for way in ("carry",) if generated["mode"] == "carry" else ("plain", "upside-down"):
        most = allowed(gain, rounding)
        followed, largest, aways[way] = _follow(wav, again.predictions(way), join, gain, shift, most)
        if followed > best.followed:
            best = Regenerated(join, gain, "plain" if way == "carry" else way, followed, largest, rounding)
    return replace(best, next_away=next(iter(aways.values())), turned_away=aways.get("upside-down", 0.0))


def seed_as_seen(run: Run, seed: Samples) -> NDArray[np.float32]:
    """Normalise a seed in float32, as in training; shape (1, seq, frame)."""
    samples = seed.astype(np.float32) * np.float32(run.of("song.scale")) + np.float32(run.of("song.offset"))
    return samples.reshape(1, run.generated["seq"], run.generated["frame"])


def precision_of(run: Run) -> str:
    """Give the precision that a run's sound was computed in; older records name none, and mean the run's."""
    return str(run.generated.get("precision", run.of("execution.precision")))


class _Predictor:
    """The run's network, fed its seed."""

    def __init__(self, run: Run, seed: Samples) -> None:
        generated = run.generated
        self.scale, self.offset = run.of("song.scale"), run.of("song.offset")
        self.recurrence = run.of("model.recurrence")
        found = run.parameters("best" if generated["parameters"] == "best" else "last", generated["frame"])
        self.parameters = {name: tensor.astype(np.float64) for name, tensor in found.items()}
        self.seed = seed_as_seen(run, seed).astype(np.float64)
        self.product = product_of(precision_of(run))
        self.first = predict(self.parameters, self.seed, self.recurrence, self.product)

    def rounding(self) -> float:
        """Give the levels by which the first prediction may be off because operands are rounded."""
        if self.product is np.matmul:
            return 0.0
        exact = predict(self.parameters, self.seed, self.recurrence)
        return _ROUNDINGS * float(np.abs(self.levels(exact) - self.levels(self.first)).max())

    def levels(self, prediction: Floats) -> Floats:
        """Undo the normalisation: (1, seq, frame) to sample levels, shape (seq, frame)."""
        levels: Floats = (prediction[0] - self.offset) / self.scale
        return levels

    def predictions(self, way: str) -> Iterator[Floats]:
        """Give the first predictions, in sample levels, as `way` feeds them back, one after the other.

        ``plain``: the prediction; ``upside-down``: D04's image of it; ``carry``: the state is kept and only
        the last frame goes in, so that each further prediction has a single frame.
        """
        yield self.levels(self.first)
        if way == "carry":
            yield from self._carried()
            return
        last, lowest, highest = self.first, np.inf, -np.inf
        for _ in range(1, SHOWN):
            if way == "upside-down":
                lowest, highest = min(lowest, last.min()), max(highest, last.max())
                spread = float(last.max() - last.min()) or 1.0
                last = highest - (highest - lowest) * (last - last.min()) / spread
            last = predict(self.parameters, last, self.recurrence, self.product)
            yield self.levels(last)

    def _carried(self) -> Iterator[Floats]:
        made: list[Floats] = []

        def steps() -> Iterator[Floats]:
            yield from self.seed.swapaxes(0, 1)
            while True:
                yield made[-1]

        for step, prediction in enumerate(run_steps(self.parameters, steps(), self.product)):
            made = [prediction]
            if step >= self.seed.shape[1]:
                yield self.levels(prediction[None])
            if step == self.seed.shape[1] + SHOWN - 2:
                return


def _join(wav: Samples, first: Floats, rounding: float) -> tuple[str | None, float, float, float]:
    """Find the first predicted sequence in the wav: as it is, or, failing that, stretched.

    Returns
    -------
    join : str or None
    gain, shift : float
        How it was stretched.
    away : float
        The largest difference, in levels.
    """
    pieces = {join: _PIECES[join](first) for join in _PIECES}
    closest = np.inf
    for join, piece in pieces.items():
        away = away_from(wav, 0, piece, 1.0, 0.0)
        if away <= allowed(1.0, rounding):
            return join, 1.0, 0.0, away
        closest = min(closest, away)
    for join, piece in pieces.items():
        gain, shift = fit_levels(wav[: len(piece)], piece)
        away = away_from(wav, 0, piece, gain, shift)
        if gain > 0 and away <= allowed(gain, rounding) and moves_with(wav, piece):
            return join, gain, shift, away
    return None, 1.0, 0.0, float(closest)


def fit_levels(wav: Samples, piece: Floats) -> tuple[float, float]:
    """Give the gain and shift that bring `piece` closest to the wav, by least squares."""
    if len(wav) < len(piece) or float(np.ptp(piece)) == 0.0:
        return 1.0, 0.0
    centred = piece - piece.mean()
    gain = float(centred @ wav.astype(np.float64) / (centred @ centred))
    return gain, float(wav.mean() - gain * piece.mean())


def _follow(
    wav: Samples, predictions: Iterator[Floats], join: str, gain: float, shift: float, most: float
) -> tuple[int, float, float]:
    """Count the predictions that stand one behind the other; give their largest difference, and that of the second."""
    at, largest, followed, second = 0, 0.0, 0, 0.0
    for number, prediction in enumerate(predictions):
        piece = _PIECES[join](prediction)
        if at >= len(wav):
            break
        away = away_from(wav, at, piece, gain, shift)
        second = away if number == 1 else second
        if away > most:
            break
        followed, largest, at = followed + 1, max(largest, away), at + len(piece)
    return followed, largest, second


def allowed(gain: float, rounding: float = 0.0) -> float:
    """Give the levels that a sound may be from its predictions multiplied by `gain`: their rounding grows with it."""
    return (_LEVELS + rounding) * max(1.0, gain)


def moves_with(wav: Samples, piece: Floats) -> bool:
    """Tell whether half of what a wav moves by, or more, is a piece: silence is, to within rounding, any by nothing."""
    return similarity(wav[: len(piece)], piece) ** 2 >= 1 / 2


def away_from(wav: Samples, at: int, piece: Floats, gain: float, shift: float) -> float:
    """Give the largest difference of the wav from a piece due at `at`; infinite where the wav is over."""
    there = wav[at : at + len(piece)]
    if len(there) == 0:
        return float("inf")
    due = np.clip(piece[: len(there)] * gain + shift, -32768, 32767)
    return float(np.abs(there - due).max())
