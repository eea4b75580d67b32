"""The sound of the demo song: six instruments and a hall, in plain NumPy.

Phases are counted in 32-bit integers, which wrap by themselves and never drift; tones are read from tables.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from longsong.demo_score import Instrument, Note
from longsong.wav import SAMPLE_RATE

__all__ = ["Hall", "longest", "render"]

Signal = npt.NDArray[np.float32]

_TABLE_BITS = 13
_HIGHEST = 7_500  # Hz; nothing sounds above, close below half the rate

# Amplitudes of the harmonics of each instrument's table.
_HARMONICS: dict[Instrument, tuple[float, ...]] = {
    "pad": (1.0, 0.45, 0.28, 0.14, 0.08, 0.04),
    "bass": (1.0, 0.5, 0.22, 0.1, 0.05),
}
# A struck string's harmonics die away each at its own pace: (multiple, amplitude, seconds to 1/e).
_STRUCK: dict[Instrument, tuple[tuple[int, float, float], ...]] = {
    "bell": ((1, 1.0, 1.1), (2, 0.5, 0.7), (3, 0.12, 0.4), (4, 0.22, 0.25)),
    "harp": ((1, 1.0, 0.4), (2, 0.4, 0.25), (3, 0.2, 0.12)),
}
_RING = {"bell": 3.2, "harp": 1.2, "drum": 0.25, "brush": 0.12}  # seconds until they are silent
_ATTACK, _RELEASE = 1.1, 2.2  # seconds, of pad and bass
_GAIN: dict[Instrument, float] = {
    "pad": 0.034,
    "bass": 0.12,
    "bell": 0.13,
    "harp": 0.1,
    "drum": 0.24,
    "brush": 0.08,
}
_DETUNED = (-4.0, 3.0)  # cents, of the pad's two strings


def longest(seconds_held: float) -> int:
    """Give the most samples that a note held for `seconds_held` can sound."""
    return int((max(_RING.values()) + seconds_held + _RELEASE) * SAMPLE_RATE)


def render(note: Note, seconds_per_beat: float) -> Signal:
    """Play one note.

    Parameters
    ----------
    note : Note
        Its beat does not matter here.
    seconds_per_beat : float
        The tempo.

    Returns
    -------
    ndarray, shape (samples,), float32
        From its start to the end of what rings on.
    """
    gain = np.float32(_GAIN[note.instrument] * note.level)
    if note.instrument == "brush":
        return _brush() * gain
    if note.instrument == "drum":
        return _drum() * gain
    if note.instrument in _STRUCK:
        return _struck(note.instrument, note.pitch) * gain
    held = int(note.beats * seconds_per_beat * SAMPLE_RATE)
    envelope = _swell(held)
    sound = np.zeros(len(envelope), np.float32)
    for cents in _DETUNED if note.instrument == "pad" else (0.0,):
        sound += _oscillate(_HARMONICS[note.instrument], note.pitch + cents / 100, len(envelope))
    sound *= envelope
    sound *= gain
    return sound


class Hall:
    """Reverberation: four delay lines that feed each other, the echoes duller each time.

    The lines' lengths have no common divisor; they are mixed by a Householder reflection, which keeps the
    energy, and each is damped by the mean of neighbouring samples. It is the same whatever the lengths of
    the pieces that it is given.
    """

    _DELAYS = (1021, 1327, 1619, 1973)  # samples
    _FEEDBACK = 0.86
    _WET = 0.3

    def __init__(self) -> None:
        self._lines = [np.zeros(delay + 1, np.float32) for delay in self._DELAYS]

    def __call__(self, dry: Signal) -> Signal:
        """Add the hall to the next piece of sound, shape (samples,), float32."""
        step = self._DELAYS[0]
        return np.concatenate([self._part(dry[at : at + step]) for at in range(0, len(dry), step)])

    def _part(self, dry: Signal) -> Signal:
        """Add the hall to no more samples than the shortest line holds."""
        count = len(dry)
        echoes = np.stack([(line[:count] + line[1 : count + 1]) * np.float32(0.5) for line in self._lines])
        total: Signal = echoes.sum(axis=0, dtype=np.float32)
        fed = (echoes - total * np.float32(0.5)) * np.float32(self._FEEDBACK) + dry
        for place, line in enumerate(self._lines):
            line[: len(line) - count] = line[count:].copy()
            line[len(line) - count :] = fed[place]
        return dry + total * np.float32(self._WET)


def _oscillate(harmonics: tuple[float, ...], pitch: float, count: int) -> Signal:
    """Sound a pitch (MIDI number) from phase 0; harmonics beyond what the rate can carry are left out."""
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    table = _table(harmonics[: int(_HIGHEST / hertz)])
    step = np.uint32(round(hertz / SAMPLE_RATE * 2**32))
    phase = _counter(1 << (count - 1).bit_length())[:count] * step
    phase >>= np.uint32(32 - _TABLE_BITS)
    return table.take(phase)


@lru_cache(maxsize=8)
def _counter(count: int) -> npt.NDArray[np.uint32]:
    return np.arange(count, dtype=np.uint32)


@lru_cache(maxsize=16)
def _table(harmonics: tuple[float, ...]) -> Signal:
    """One period with these amplitudes of its harmonics."""
    phase = 2 * np.pi * np.arange(1 << _TABLE_BITS) / (1 << _TABLE_BITS)
    period = np.zeros(len(phase))
    for n, amplitude in enumerate(harmonics, start=1):
        period += amplitude * np.sin(n * phase)
    return period.astype(np.float32)


@lru_cache(maxsize=16)
def _swell(held: int) -> Signal:
    """The envelope of pad and bass: a slow rise, and a slow fall after `held` samples."""
    attack, release = int(_ATTACK * SAMPLE_RATE), int(_RELEASE * SAMPLE_RATE)
    envelope = np.ones(held + release)
    rise = min(attack, held)
    envelope[:rise] = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / attack)
    envelope[held:] = envelope[held - 1] * (0.5 + 0.5 * np.cos(np.pi * np.arange(release) / release))
    return envelope.astype(np.float32)


@lru_cache(maxsize=64)
def _struck(instrument: Instrument, pitch: float) -> Signal:
    """A struck string; each pitch is made once."""
    decays = _decays(instrument)
    sound = np.zeros(decays.shape[1], np.float32)
    for (multiple, _, _), decay in zip(_STRUCK[instrument], decays, strict=True):
        sound += _oscillate((1.0,), pitch + 12 * float(np.log2(multiple)), len(sound)) * decay
    return sound


@lru_cache(maxsize=4)
def _decays(instrument: Instrument) -> Signal:
    """Envelopes of a struck string's harmonics, shape (harmonics, samples): 5 ms up, then down to 0."""
    count = int(_RING[instrument] * SAMPLE_RATE)
    seconds = np.arange(count) / SAMPLE_RATE
    edges = np.clip(seconds / 0.005, 0, 1) * np.clip((count - np.arange(count)) / (0.2 * count), 0, 1)
    rows = [amplitude * np.exp(-seconds / tau) * edges for _, amplitude, tau in _STRUCK[instrument]]
    return np.asarray(rows, np.float32)


@lru_cache(maxsize=1)
def _drum() -> Signal:
    """A soft drum: a low tone that sinks as it dies away."""
    seconds = np.arange(int(_RING["drum"] * SAMPLE_RATE)) / SAMPLE_RATE
    turns = 52 * seconds + 1.4 * (1 - np.exp(-seconds / 0.04))
    end = np.clip((_RING["drum"] - seconds) / 0.05, 0, 1)
    return (np.sin(2 * np.pi * turns) * np.exp(-seconds / 0.08) * end).astype(np.float32)


@lru_cache(maxsize=1)
def _brush() -> Signal:
    """A brush: a breath of noise, the same each time, that fades."""
    seconds = np.arange(int(_RING["brush"] * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal(len(seconds))
    smooth = (noise + np.roll(noise, 1) + np.roll(noise, 2)) / 3
    end = np.clip((_RING["brush"] - seconds) / 0.05, 0, 1) * np.clip(seconds / 0.01, 0, 1)
    return (smooth * np.exp(-seconds / 0.04) * end).astype(np.float32)
