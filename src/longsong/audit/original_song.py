"""Knowing the song of 2016 by its statistics, as its digest is not known (FACTS section 2)."""

from __future__ import annotations

from dataclasses import dataclass

from longsong.reported import SONG_SECONDS

__all__ = ["ORIGINAL_SONG", "OriginalSong", "Recognition"]


@dataclass(frozen=True)
class Recognition:
    """Whether a song is the one of 2016.

    Attributes
    ----------
    same : bool
        Every statistic is as far as that is known.
    text : str
        One sentence with the numbers: all of them, or those that are not.
    """

    same: bool
    text: str


@dataclass(frozen=True)
class OriginalSong:
    """What is known of the song of 2016, and how far a copy of it may be off.

    Attributes
    ----------
    sample_rate : int
        Hz; exact.
    samples : int
        Its length, known to the second.
    minimum, maximum : int
        Of its int16 samples, as noted in the code of 2016.
    train_samples : int
        Of its train split, from its start.
    samples_within : float
        A share of `samples`: copies begin and end otherwise by seconds.
    level_within : float
        A share of ``maximum - minimum``: peaks depend on the decoder.
    """

    sample_rate: int = 16_000
    samples: int = SONG_SECONDS * 16_000
    minimum: int = -8936
    maximum: int = 9124
    train_samples: int = 160_000_000
    samples_within: float = 0.001
    level_within: float = 0.01

    def recognise(self, sample_rate: int, samples: int, minimum: int, maximum: int) -> Recognition:
        """Compare the statistics of a song with those of 2016.

        Parameters
        ----------
        sample_rate : int
            Hz.
        samples : int
            Its length.
        minimum, maximum : int
            Of its samples, as int16.
        """
        level = self.level_within * (self.maximum - self.minimum)
        # What, how many, how many in 2016, and how far off that may be.
        seen = (
            ("a rate of", sample_rate, self.sample_rate, 0.0, " Hz"),
            ("a length of", samples, self.samples, self.samples_within * self.samples, " samples"),
            ("a minimum of", minimum, self.minimum, level, ""),
            ("a maximum of", maximum, self.maximum, level, ""),
        )
        off = [
            f"{what} {here:,}{unit} (2016: {there:,}{f', to within {within:,.0f}' if within else ''})"
            for what, here, there, within, unit in seen
            if abs(here - there) > within
        ]
        if off:
            return Recognition(False, f"This is not the song of 2016: it has {', '.join(off)}.")
        has = ", ".join(f"{what} {here:,}{unit}" for what, here, _, _, unit in seen)
        return Recognition(True, f"By its statistics this is the song of 2016: it has {has}.")


ORIGINAL_SONG = OriginalSong()
