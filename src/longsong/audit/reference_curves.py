"""The cost curves of 2016, and what predicting the mean cost on that song (FACTS sections 2 and 8).

The costs stand in ``curves_2016/`` beside this file, with where they are from and how exact they are.
"""

from __future__ import annotations

import csv
import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import fsum
from typing import Any

from longsong.audit.original_song import ORIGINAL_SONG, OriginalSong
from longsong.audit.song import examples_that_fit
from longsong.errors import ConfigError
from longsong.reported import BATCH

__all__ = [
    "CostOfMean",
    "Estimate",
    "ReadCurve",
    "ReferenceCurves",
    "cost_of_mean_2016",
    "load_reference_curves",
    "reference_origin",
]

_FOLDER = "curves_2016"
_ORIGIN = "origin"


@dataclass(frozen=True)
class ReadCurve:
    """A curve that was read off a picture.

    Attributes
    ----------
    updates : tuple of int
        Positions, rising.
    costs : tuple of float
    reading_error : float
        How far a cost may be off.
    file, sha256 : str
        Where it stands, and what that file holds.
    """

    updates: tuple[int, ...]
    costs: tuple[float, ...]
    reading_error: float
    file: str
    sha256: str


@dataclass(frozen=True)
class ReferenceCurves:
    """The curves of one shape.

    Attributes
    ----------
    frame, seq : int
    train : ReadCurve
        At update k the cost of its mini-batch before that update, from 1 on.
    dev : ReadCurve
        At update k the cost after that update; at 0 that of a network that was not trained.
    """

    frame: int
    seq: int
    train: ReadCurve
    dev: ReadCurve

    @property
    def shape(self) -> str:
        """As ``1000x100``."""
        return f"{self.frame}x{self.seq}"


@dataclass(frozen=True)
class Estimate:
    """A number that was derived, and how far it may be off."""

    value: float
    error: float


@dataclass(frozen=True)
class CostOfMean:
    """What predicting the mean of the train split costs, by split.

    Attributes
    ----------
    train, dev : Estimate
    silence : float
        What level 0 is after normalising; its square is taken off.
    """

    train: Estimate
    dev: Estimate
    silence: float


@cache
def load_reference_curves() -> tuple[ReferenceCurves, ...]:
    """Read the curves of 2016 that come with the package: 1000x100, 4000x50.

    Raises
    ------
    ConfigError
        The package was altered; the message names the file.
    """
    folder = files("longsong.audit").joinpath(_FOLDER)
    found = []
    for name, entry in _table().items():
        if name == _ORIGIN:
            continue
        train, dev = (
            _read(one["file"], folder.joinpath(one["file"]).read_bytes(), one["reading_error"])
            for one in (entry["train"], entry["dev"])
        )
        found.append(ReferenceCurves(entry["frame"], entry["seq"], train, dev))
    return tuple(found)


def reference_origin() -> dict[str, Any]:
    """Say where the curves are from: repository, folder, date, and what was in force."""
    return dict(_table()[_ORIGIN])


def cost_of_mean_2016(
    references: Sequence[ReferenceCurves] | None = None, song: OriginalSong = ORIGINAL_SONG
) -> CostOfMean:
    """Derive what predicting the mean cost on the song of 2016, which no file says.

    Two assumptions. A network whose weights are drawn from U[-0.04, 0.04] predicts about zero, so that its first
    cost is the mean of the targets' squares (a run's own ``first_dev_cost`` over its ``cost_of_zero`` shows how good
    that is). And the recording's mean is level 0, which the normalisation of [minimum, maximum] to [-1, 1] puts at
    ``m = -(maximum + minimum) / (maximum - minimum)``: predicting it costs m^2 less than predicting zero.

    The dev cost at update 0 is exact where the dev split is one mini-batch (4000x50: 71 examples); where the last
    mini-batch is a short one, its examples count for more than the others (1000x100: 128 and 14), and it is not used.
    The first train cost is that of 128 of 1,600 or 800 examples; the mean over the shapes is taken.

    Parameters
    ----------
    references : sequence of ReferenceCurves, optional
        Those of the package if not given.
    song : OriginalSong
        What they were made with.

    Returns
    -------
    CostOfMean
        An error is that of reading, half the range over the shapes, and m^2: the recording's mean may lie anywhere
        where its square is not above 2 m^2.

    Raises
    ------
    ConfigError
        There is no reference.
    """
    found = load_reference_curves() if references is None else tuple(references)
    if not found:
        raise ConfigError("there are no reference curves to take a cost from; give at least one")
    silence = -(song.maximum + song.minimum) / (song.maximum - song.minimum)
    whole = [one for one in found if _dev_examples(one, song) <= BATCH] or list(found)
    train, dev = (_first(curves, silence**2) for curves in ([one.train for one in found], [one.dev for one in whole]))
    return CostOfMean(train, dev, silence)


def _table() -> dict[str, Any]:
    text = files("longsong.audit").joinpath(_FOLDER, "origin.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _first(curves: Sequence[ReadCurve], square_of_mean: float) -> Estimate:
    first = [one.costs[0] for one in curves]
    reading = max(one.reading_error for one in curves)
    half_range = (max(first) - min(first)) / 2
    return Estimate(fsum(first) / len(first) - square_of_mean, reading + half_range + square_of_mean)


def _dev_examples(one: ReferenceCurves, song: OriginalSong) -> int:
    return examples_that_fit(one.frame, one.seq, song.train_samples, song.samples, song.samples)


def _read(name: str, content: bytes, reading_error: float) -> ReadCurve:
    """Read ``update,cost`` lines."""
    head, *rows = csv.reader(content.decode("ascii").splitlines())
    try:
        updates, costs = tuple(int(row[0]) for row in rows), tuple(float(row[1]) for row in rows)
    except (ValueError, IndexError) as error:
        raise ConfigError(f"{_FOLDER}/{name} is altered ({error}); install the package again") from error
    if head != ["update", "cost"] or not rows or list(updates) != sorted(set(updates)):
        raise ConfigError(f"{_FOLDER}/{name} is altered: no costs over rising updates; install the package again")
    return ReadCurve(updates, costs, reading_error, f"{_FOLDER}/{name}", hashlib.sha256(content).hexdigest())
