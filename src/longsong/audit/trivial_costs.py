"""What predictions without a network cost on the targets of a run, summed exactly from the song (P11, P21)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from longsong.audit.passes import first_samples
from longsong.audit.revaluate import LeftOutError
from longsong.audit.run import Run
from longsong.audit.song import SeenSong
from longsong.errors import RunError

__all__ = ["TrivialCosts", "trivial_costs"]

_PIECE = 1 << 22
_SONGS = 50
"""Examples that overlap hold the song several times; as many times as this are summed, and no more."""


@dataclass(frozen=True)
class TrivialCosts:
    """Means of squares over all samples of the targets of one split, in the numbers that the network sees.

    Attributes
    ----------
    split : {'dev', 'train'}
        Of which: the dev split, or the train split where there is no dev example.
    zero, mean, repeat : float
        Of predicting zero, the mean of the train split, and each frame to be the one before.
    squares : ndarray, shape (examples,), float64
        Of predicting zero, of each example alone.
    """

    split: str
    zero: float
    mean: float
    repeat: float
    squares: NDArray[np.float64]

    @property
    def least(self) -> tuple[str, float]:
        """The name and the cost of the best prediction that tells something of the song: the mean, or repeating."""
        found = {"predicting the mean": self.mean, "repeating the last frame": self.repeat}
        return min(found.items(), key=lambda one: one[1])


def trivial_costs(run: Run, song: SeenSong, mean: float | None = None) -> TrivialCosts:
    """Compute the costs of predicting without a network, example by example, wherever the examples lie.

    Parameters
    ----------
    run : Run
    song : SeenSong
        Its song.
    mean : float, optional
        The mean of the train split's samples; computed if not given.

    Raises
    ------
    LeftOutError
        The examples hold the song too many times over.
    RunError
        There is no example, or one does not lie in the song.
    """
    frame, length = run.of("data.frame"), run.of("data.frame") * run.of("data.seq")
    split = "dev" if len(first_samples(run, "dev")) else "train"
    starts = first_samples(run, split)
    if not len(starts):
        raise RunError(f"{run.name} can have no example of {length:,} samples, by the song's length")
    if int(starts.max()) + length + frame > song.samples:
        raise RunError(f"{run.name}: the song ends before the last target of its {split} split")
    if len(starts) * length > _SONGS * song.samples:
        raise LeftOutError(
            f"{run.name}: its {len(starts):,} {split} examples overlap so much that they hold the song "
            f"{len(starts) * length / song.samples:,.0f} times"
        )
    # Sums of whole numbers: of the samples, of their squares, and of those of their differences to a frame before.
    first, second, apart = (np.zeros(len(starts), np.int64) for _ in range(3))
    for number, start in enumerate(map(int, starts)):
        for at in range(start, start + length, _PIECE):
            both = song.song[at : min(at + _PIECE, start + length) + frame].astype(np.int64)
            targets = both[frame:]
            difference = targets - both[:-frame]
            first[number] += targets.sum()
            second[number] += targets @ targets
            apart[number] += difference @ difference
    scale, offset = run.of("song.scale"), run.of("song.offset")
    squares = (scale * scale * second + 2 * scale * offset * first) / length + offset * offset
    zero = float(squares.mean())
    centre = scale * (song.mean_of(run.of("data.train_samples")) if mean is None else mean) + offset
    of_targets = scale * float(first.mean()) / length + offset
    return TrivialCosts(
        split=split,
        zero=zero,
        mean=zero - 2 * centre * of_targets + centre * centre,
        repeat=scale * scale * float(apart.mean()) / length,
        squares=squares,
    )
