"""Whether the runs that ``curves-2016.json`` names are what it says, and were made as those of 2016: by their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np

from longsong.audit.cost_curves import AS_CODED, AS_DESCRIBED
from longsong.audit.curves_record import CurvesRecord, ShapeRecord, Trained, count_examples, what_cannot_be
from longsong.audit.original_song import OriginalSong
from longsong.audit.run import Run
from longsong.audit.song import NotHereError, SeenSong, see_song
from longsong.config import DataConfig, ModelConfig, Recurrence, RunConfig, TrainingConfig
from longsong.errors import ConfigError
from longsong.reported import BATCH, EPOCHS, LAYERS, SETTINGS, WIDTHS

__all__ = ["AS_IN_2016", "AXES", "TrainedIn2016", "faults_of_curves", "unlike_2016"]

AXES: dict[str, Recurrence] = {AS_DESCRIBED: "time", AS_CODED: "batch"}
"""The axis of the recurrence, by way."""

_SAME = 1e-5
"""How far the cost of predicting the mean may be from the one computed again: of normalised float32 samples, or not."""
_PIECE = 1 << 22
_COUNTS = ("frame", "seq", "batch", "train_examples", "dev_examples", "updates_per_epoch")
_STATISTICS = ("digest", "samples", "sample_rate", "minimum", "maximum")


@dataclass(frozen=True)
class TrainedIn2016:
    """How the runs of 2016 were made whose curves there are.

    Attributes
    ----------
    hidden, layers, batch, epochs : int
    cell, normalise : str
    settings : mapping of str to float
        Of initial weights and optimiser, by their names in ``config.json``.
    """

    hidden: int = WIDTHS[0]
    layers: int = LAYERS
    batch: int = BATCH
    epochs: int = EPOCHS
    cell: str = "gru"
    normalise: str = "minmax"
    settings: Mapping[str, float] = field(default_factory=lambda: SETTINGS)

    def of_config(self) -> dict[str, Any]:
        """Give all of it by the names of ``config.json``."""
        return {
            "model.hidden": self.hidden,
            "model.layers": self.layers,
            "model.cell": self.cell,
            "data.batch": self.batch,
            "data.normalise": self.normalise,
            "training.epochs": self.epochs,
            **self.settings,
        }


AS_IN_2016 = TrainedIn2016()


def unlike_2016(run: Run, trained: TrainedIn2016) -> list[str]:
    """Say in what a run was made otherwise than those of 2016, each in a few words with numbers."""
    due = trained.of_config()
    return [f"{key} {run.of(key)} (2016: {value})" for key, value in due.items() if run.of(key) != value]


def faults_of_curves(record: CurvesRecord, folder: Path, original: OriginalSong) -> Iterator[str]:
    """Give what of the record is not so, one sentence each.

    Held against the files of each run are its song, its shape and mini-batch, its way, how many examples, updates and
    dev costs it has; whether it is the song of 2016 is recognised again. Where the song's shards are here, its
    statistics and what predicting the mean costs are computed from its samples.

    Parameters
    ----------
    record : CurvesRecord
    folder : Path
        Where the names of its runs are from.
    original : OriginalSong
        What the song of 2016 is recognised by.

    Raises
    ------
    RunError
        A run or the song cannot be read.
    """
    song = record.song
    known = original.recognise(song["sample_rate"], song["samples"], song["minimum"], song["maximum"])
    if (record.is_original, record.recognised) != (known.same, known.text):
        yield f"it says '{record.recognised}', and by the statistics it names: '{known.text}'"
        return
    split = original.train_samples if known.same else None
    seen: SeenSong | None = None
    for shape in record.shapes:
        yield from _of_shape(shape, song, split)
        for trained in shape.runs:
            run = Run.open(folder / trained.folder)
            try:
                yield from (f"{trained.folder}: {fault}" for fault in _of_run(run, shape, trained, song))
            except ConfigError as error:
                yield f"{trained.folder}: {error}"
            if seen is None:
                seen = _song_of(run, folder)
            if seen is not None:
                yield from (f"{trained.folder}: {fault}" for fault in _of_song(run, trained, song, seen))


def _of_shape(shape: ShapeRecord, song: Mapping[str, Any], split: int | None) -> Iterator[str]:
    """Count examples and updates again."""
    train, dev = count_examples(shape.frame, shape.seq, song["samples"], split)
    due = {
        "train_examples": train,
        "dev_examples": dev,
        "updates_per_epoch": -(-train // shape.batch),
        "cannot": what_cannot_be(shape.frame, shape.seq, song["samples"], song["sample_rate"], split),
    }
    for key, value in due.items():
        if getattr(shape, key) != value:
            yield f"{shape.shape} has {key} {getattr(shape, key)!r}, and the song's length gives {value!r}"


def _of_run(run: Run, shape: ShapeRecord, trained: Trained, song: Mapping[str, Any]) -> Iterator[str]:
    """Hold a run's configuration and metrics against the record."""
    data, model = DataConfig.from_json(run.config["data"]), ModelConfig.from_json(run.config["model"])
    training = TrainingConfig.from_json(run.config["training"])
    ways = RunConfig(Path(), data, model, training).as_coded
    due = {f"song.{key}": song[key] for key in _STATISTICS}
    due |= {f"data.{key}": getattr(shape, key) for key in _COUNTS}
    due |= {"model.recurrence": AXES.get(trained.way), "training.start_from": None}
    for key, value in due.items():
        if run.of(key) != value:
            yield f"its {key} is {run.of(key)!r}, and {value!r} by the record"
    if set(ways) - {"recurrence"}:
        yield f"it is {', '.join(ways)}, and {trained.way} by the record"
    updates, evaluated = (lines.column("update").tolist() for lines in (run.metrics.updates, run.metrics.evaluations))
    every = training.epochs * shape.updates_per_epoch
    if len(updates) != every or updates != list(range(1, every + 1)):
        yield f"it has {len(updates):,} updates, and {every:,} in {training.epochs} epochs are due"
    due_at = range(0, every + 1, max(shape.updates_per_epoch, 1))
    if len(evaluated) != len(due_at) or evaluated != list(due_at):
        yield f"it has {len(evaluated):,} evaluations, where {len(due_at):,} are due, the first before any update"


def _song_of(run: Run, folder: Path) -> SeenSong | None:
    """Read the song; None where its shards are not here."""
    try:
        return see_song(run.of("song.shards"), folder)
    except NotHereError:
        return None


def _of_song(run: Run, trained: Trained, song: Mapping[str, Any], seen: SeenSong) -> Iterator[str]:
    """Hold statistics and the costs of predicting the mean against the samples."""
    for key in _STATISTICS:
        if getattr(seen, key) != song[key]:
            yield f"its song in {seen.folder} has {key} {getattr(seen, key)!r}, and {song[key]!r} by the record"
            return
    stated = {"train": trained.train_cost_of_mean}
    if run.of("data.dev_examples"):
        stated["dev"] = run.summary["cost_of_mean"]
    for split, cost in stated.items():
        due = _cost_of_mean(run, seen, split)
        if not isclose(cost, due, rel_tol=_SAME):
            yield f"predicting the mean of its {split} split is said to cost {cost:.6g}, computed again {due:.6g}"


def _cost_of_mean(run: Run, song: SeenSong, split: str) -> float:
    """Compute what predicting the mean of the train split costs on the targets of a split, which lie end to end."""
    frame, train = run.of("data.frame"), run.of("data.train_samples")
    count = run.of(f"data.{split}_examples") * frame * run.of("data.seq")
    start = frame + (train if split == "dev" else 0)
    first = second = 0
    for at in range(start, start + count, _PIECE):
        samples = song.song[at : min(at + _PIECE, start + count)].astype(np.int64)
        first, second = first + int(samples.sum()), second + int(samples @ samples)
    mean = song.mean_of(train)
    return float(run.of("song.scale") ** 2 * (second / count - 2 * mean * first / count + mean * mean))
