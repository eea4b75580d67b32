"""How like its song a sound is, over a second, beside how like itself the song is (P22)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longsong.audit.coarse_search import Pattern
from longsong.audit.copying import COPIED, copy_figures
from longsong.audit.song import SeenSong
from longsong.audit.song_excerpt import middle_of_dev
from longsong.audit.song_statistics import compute_song_statistics
from longsong.errors import ConfigError

__all__ = ["Alike", "Likeness"]


@dataclass(frozen=True)
class Alike:
    """What of a sound is like a song.

    Attributes
    ----------
    correlation : float
        The highest of a second of it with a place in the train split; negative where it is turned over.
    share : float
        Of its seconds, those that are like the train split by `COPIED` or more.
    """

    correlation: float
    share: float


@dataclass(frozen=True)
class Likeness:
    """The train split of a song, to look for copies in.

    Attributes
    ----------
    song : SeenSong
    train_samples : int
        Where it ends.
    pattern : Pattern or None
        Of it; None where it is shorter than one window of the spectrum.
    own : Alike or None
        Of the middle of the dev split: music repeats itself. None where there is no second of that.
    """

    song: SeenSong
    train_samples: int
    pattern: Pattern | None
    own: Alike | None

    @classmethod
    def of(cls, song: SeenSong, train_samples: int) -> Likeness:
        """Compute it from the samples: what is kept beside the runs (``song-statistics-*.npz``) is not evidence."""
        train = min(train_samples, song.samples)
        try:
            pattern = compute_song_statistics(song.song, train).pattern
        except ConfigError:
            return cls(song, train, None, None)
        alone = cls(song, train, pattern, None)
        place = middle_of_dev(song.samples, train, song.sample_rate)
        own = None if place is None else alone.of_sound(song.song[place.start : place.stop])
        return cls(song, train, pattern, own)

    def of_sound(self, samples: NDArray[np.int16]) -> Alike | None:
        """Look for the seconds of a sound in the train split.

        Parameters
        ----------
        samples : ndarray, shape (n,), int16
            At the song's sample rate.

        Returns
        -------
        Alike or None
            None where there is nothing to look for (silence), or to look in.
        """
        if self.pattern is None or not len(samples):
            return None
        found = copy_figures(samples, self.song.song, self.train_samples, self.pattern)
        if found["highest"] is None:
            return None
        return Alike(float(found["highest"]["correlation"]), float(found["copied_share"]))

    def copied(self, found: Alike) -> str:
        """Say in a few words with numbers why a sound is a copy; empty where it is none.

        It is one where a second of it, or more of its seconds, are as like the train split as no copy is by chance
        (`COPIED`), and more so than those of the song's own dev split. Without any of those `undecided` says so.
        """
        own = self.own
        if own is None:
            return ""
        if abs(found.correlation) > max(COPIED, abs(own.correlation)):
            return (
                f"a second of it has the correlation {found.correlation:.3f} with a place in the song (the song's own "
                f"dev split has {own.correlation:.3f})"
            )
        if found.share > own.share:
            return (
                f"{found.share:.0%} of its seconds have a correlation of {COPIED} or more with the song, where "
                f"{own.share:.0%} of those of the song's own dev split have"
            )
        return ""

    def undecided(self, found: Alike) -> str:
        """Say in a few words with numbers why it cannot be told whether a sound is a copy; empty where it can.

        A network that has learnt the tones of a song is as like it as a copy: how alike the music's own seconds are is
        known only where the dev split has one.
        """
        if self.own is not None or abs(found.correlation) < COPIED:
            return ""
        seconds = (self.song.samples - self.train_samples) / self.song.sample_rate
        return (
            f"a second of it has the correlation {found.correlation:.3f} with a place in the song, and the dev split "
            f"of {seconds:.2f} s has no second of sound that would tell how alike that music is by itself"
        )
