"""``curves-2016.json``: what was trained to compare cost curves with those of 2016, and what could not be."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import streams
from longsong.audit.song import examples_that_fit
from longsong.errors import RunError
from longsong.fields import CONFIG, GENERATED, SUMMARY, Fields, require
from longsong.files import read_json
from longsong.units import human_seconds

__all__ = ["CURVES_FILE", "CurvesRecord", "ShapeRecord", "Trained", "count_examples", "least_samples", "what_cannot_be"]

CURVES_FILE = "curves-2016.json"
"""In the folder of the runs that it names."""

_FORMAT, _VERSION = "longsong.curves-2016", 2
"""Version 2 has the mini-batch of each shape; those before it were written as version 1 with and without it."""
_REMEDY = "run longsong audit RUNS --curves again, which trains nothing that is there"

_FIELDS: Fields = {
    **{f"song.{key}": CONFIG[f"song.{key}"] for key in ("digest", "samples", "sample_rate", "minimum", "maximum")},
    "is_original": GENERATED["stretched"],
}
_OF_SHAPE: Fields = {
    **{key: CONFIG[f"data.{key}"] for key in ("frame", "seq", "batch", "train_examples", "dev_examples")},
    "updates_per_epoch": CONFIG["data.updates_per_epoch"],
}
_OF_RUN: Fields = {
    "way": CONFIG["song.name"],
    "folder": CONFIG["song.name"],
    "metrics_sha256": SUMMARY["metrics_sha256"],
    "train_cost_of_mean": CONFIG["training.learning_rate"],
}


@dataclass(frozen=True)
class Trained:
    """A run of a shape.

    Attributes
    ----------
    way : {'as described', 'as coded'}
    folder : str
        From the folder of ``curves-2016.json``.
    metrics_sha256 : str
        Digest of its ``metrics.jsonl``.
    train_cost_of_mean : float
        What predicting the mean of the train split costs there; ``summary.json`` has that of the dev split.
    """

    way: str
    folder: str
    metrics_sha256: str
    train_cost_of_mean: float


@dataclass(frozen=True)
class ShapeRecord:
    """A shape on a song.

    Attributes
    ----------
    frame, seq : int
    batch : int
        Examples in a mini-batch.
    train_examples, dev_examples, updates_per_epoch : int
    cannot : str
        What cannot be on this song, in a sentence with numbers; empty where all can.
    runs : tuple of Trained
    """

    frame: int
    seq: int
    batch: int
    train_examples: int
    dev_examples: int
    updates_per_epoch: int
    cannot: str
    runs: tuple[Trained, ...] = ()

    @property
    def shape(self) -> str:
        """As ``1000x100``."""
        return f"{self.frame}x{self.seq}"

    @property
    def jumps(self) -> str:
        """Why the dev cost jumps from one evaluation to the next, in a sentence; empty where nothing makes it."""
        short = self.dev_examples % self.batch
        if self.dev_examples < self.batch or not short:
            return ""
        return (
            f"As in 2016, the last dev mini-batch counts as much as a full one: with {short:,} of "
            f"{self.dev_examples:,} dev examples in it, others at each evaluation, the dev cost jumps."
        )


@dataclass(frozen=True)
class CurvesRecord:
    """All that was trained on a song.

    Attributes
    ----------
    song : mapping
        ``name``, ``shards``, ``digest``, ``samples``, ``sample_rate``, ``minimum``, ``maximum``.
    is_original : bool
        Whether it is the song of 2016, by its statistics.
    recognised : str
        Why, in a sentence with numbers.
    shapes : tuple of ShapeRecord
    """

    song: Mapping[str, Any]
    is_original: bool
    recognised: str
    shapes: tuple[ShapeRecord, ...]

    def to_json(self, made_by: Mapping[str, Any]) -> dict[str, Any]:
        """Give the record as values that JSON holds."""
        return {"format": _FORMAT, "version": _VERSION, "made_by": dict(made_by), **asdict(self)}

    @classmethod
    def read(cls, path: Path) -> CurvesRecord:
        """Read the record from the file.

        Raises
        ------
        RunError
            It is missing, cut short, altered, or of a newer or an older version.
        """
        found = read_json(path, _FORMAT, _VERSION)
        if found["version"] < _VERSION:
            raise RunError(
                f"{path} was written by an older longsong ({_FORMAT} {found['version']}; this one reads {_VERSION}); "
                f"{_REMEDY}"
            )
        try:
            shapes = tuple(
                ShapeRecord(**(entry | {"runs": tuple(Trained(**run) for run in entry["runs"])}))
                for entry in found["shapes"]
            )
            record = cls(dict(found["song"]), found["is_original"], str(found["recognised"]), shapes)
            require(asdict(record), _FIELDS, str(path))
            for shape in record.shapes:
                require(asdict(shape), _OF_SHAPE, str(path))
                for run in shape.runs:
                    require(asdict(run), _OF_RUN, str(path))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path} is altered ({error}); {_REMEDY}") from error
        names = [run.folder for shape in record.shapes for run in shape.runs]
        if not all(_beside(name) for name in names):
            raise RunError(f"{path} names runs in other places ({names}); {_REMEDY}")
        return record


def _beside(name: str) -> bool:
    """Say whether a name is that of a folder beside the record, or beside the folder of that."""
    *above, last = PurePosixPath(name).parts or ("",)
    return above in ([], [".."]) and last not in ("", "..", "/")


def count_examples(frame: int, seq: int, samples: int, train_samples: int | None = None) -> tuple[int, int]:
    """Count the train and dev examples of a song of so many samples.

    Parameters
    ----------
    frame, seq, samples : int
    train_samples : int, optional
        Of the train split; the fraction of 2016 if not given.
    """
    split = streams.train_samples(samples) if train_samples is None else train_samples
    return examples_that_fit(frame, seq, 0, split, samples), examples_that_fit(frame, seq, split, samples, samples)


def least_samples(frame: int, seq: int) -> tuple[int, int]:
    """Give how long a song has to be for one train example, and for one dev example, in samples."""
    longest = frame * seq
    while not count_examples(frame, seq, longest)[1]:
        longest *= 2
    train, dev = (
        bisect_left(range(longest), 1, key=lambda samples: count_examples(frame, seq, samples)[split])
        for split in (0, 1)
    )
    return train, dev


def what_cannot_be(frame: int, seq: int, samples: int, sample_rate: int, train_samples: int | None = None) -> str:
    """Say what a song is too short for, with numbers; nothing where it is long enough.

    Parameters
    ----------
    frame, seq, samples : int
    sample_rate : int
        Hz.
    train_samples : int, optional
        As for `count_examples`.
    """
    train, dev = count_examples(frame, seq, samples, train_samples)
    if train and dev:
        return ""
    for_train, for_dev = (human_seconds(least / sample_rate) for least in least_samples(frame, seq))
    here = human_seconds(samples / sample_rate)
    if not train:
        return (
            f"{frame}x{seq} cannot be trained on this song: it has {here}, and one train example needs {for_train}, "
            f"one dev example {for_dev}."
        )
    return (
        f"A dev cost of {frame}x{seq} cannot be on this song: it has {here}, and one dev example needs {for_dev}; "
        f"{train:,} train example{'' if train == 1 else 's'} can be trained on."
    )
