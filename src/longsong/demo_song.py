"""An embedded song of any length, so that everything can be tried without music of one's own.

It is slow, tonal music: pads, a bass, a bell that plays and varies a motif, a harp and a soft pulse in some
sections, in keys that change. The same seed gives the same samples, and a song of N seconds is exactly the
beginning of every longer one: there is no fade at its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from longsong.config import samples_in, whole
from longsong.demo_instruments import Hall, Signal, longest, render
from longsong.demo_score import BARS_PER_SECTION, BEATS_PER_BAR, Score
from longsong.errors import ConfigError
from longsong.progress import Progress
from longsong.space import require_space
from longsong.wav import SAMPLE_RATE, Samples, write_wav_blocks

__all__ = ["SAMPLE_RATE", "demo_blocks", "write_demo_song"]

_KNEE, _CEILING = 0.6, 0.9  # of full scale: where the limiter begins, and what no sample exceeds


def demo_blocks(seconds: float, seed: int = 1) -> Iterator[Samples]:
    """Play the demo song bar by bar, in memory that does not grow with its length.

    Parameters
    ----------
    seconds : float
        Length; the song has ``round(16000 * seconds)`` samples, at least one.
    seed : int
        0 or above; another seed is another song.

    Yields
    ------
    ndarray, shape (n,), int16
        Consecutive samples at 16 kHz, mono.

    Raises
    ------
    ConfigError
        `seconds` is not above 0 or not finite, or `seed` is negative.
    """
    return _bars(_samples(seconds, seed), Score(seed))


def write_demo_song(path: Path, seconds: float, seed: int = 1, *, quiet: bool = False) -> None:
    """Write the demo song as a wav of 16 bits (RF64 above 4 GiB), whole or not at all.

    Parameters
    ----------
    path : Path
        Where to; its name ends in ``.wav``.
    seconds, seed
        As `demo_blocks`.
    quiet : bool
        Report no progress.

    Raises
    ------
    ConfigError
        As `demo_blocks`, or a name that does not end in ``.wav``.
    SpaceError
        There is too little room for it, checked first; or it may not be written there.
    RunError
        Its folder is not there.
    """
    path = Path(path)
    total = _samples(seconds, seed)
    if path.suffix.lower() != ".wav":
        raise ConfigError(f"the demo song is written as wav; end the name {str(path)!r} in .wav")
    require_space(path, 2 * total)

    with Progress(f"playing {path.name}", total, "samples", quiet=quiet) as progress:
        write_wav_blocks(path, _counted(_bars(total, Score(seed)), progress), total, SAMPLE_RATE)


def _counted(blocks: Iterator[Samples], progress: Progress) -> Iterator[Samples]:
    for block in blocks:
        yield block
        progress.advance(len(block))


def _samples(seconds: float, seed: int) -> int:
    whole("seed", seed, 0, 2**64 - 1)
    return samples_in(seconds, SAMPLE_RATE)


def _bars(total: int, score: Score) -> Iterator[Samples]:
    """Play bars until `total` samples are given; notes that ring on are kept for the bars after."""
    beat = score.seconds_per_beat * SAMPLE_RATE  # in samples
    bar_samples = round(beat * BEATS_PER_BAR)
    ringing = np.zeros(bar_samples + longest(BEATS_PER_BAR * score.seconds_per_beat), np.float32)
    hall = Hall()
    bar = done = 0
    while done < total:
        for note in score.notes(bar):
            sound = render(note, score.seconds_per_beat)
            start = int(note.beat * beat)
            ringing[start : start + len(sound)] += sound
        dry = ringing[:bar_samples] * _dynamics(score, bar, bar_samples)
        block = _limited(hall(dry))[: total - done]
        yield block
        done += len(block)
        bar += 1
        ringing[:-bar_samples] = ringing[bar_samples:].copy()
        ringing[-bar_samples:] = 0


def _dynamics(score: Score, bar: int, bar_samples: int) -> Signal:
    """Give the loudness over a bar, shape (bar_samples,): each section swells and sinks at its own level."""
    across = (bar % BARS_PER_SECTION + np.linspace(0, 1, bar_samples, endpoint=False)) / BARS_PER_SECTION
    swell = 0.55 + 0.45 * np.sin(np.pi * across) ** 2
    return (score.section(bar).level * swell).astype(np.float32)


def _limited(sound: Signal) -> Samples:
    """Turn sound into int16; above the knee it bends, so that it never reaches the ceiling."""
    knee, room = np.float32(_KNEE), np.float32(_CEILING - _KNEE)
    over = np.maximum(np.abs(sound) - knee, 0) / room
    limited = np.where(over > 0, np.copysign(knee + room * (over / (1 + over)), sound), sound)
    samples: Samples = np.rint(limited * 32768).astype(np.int16)
    return samples
