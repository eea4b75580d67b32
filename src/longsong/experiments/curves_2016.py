"""Training what the cost curves of 2016 are compared with: as described and as coded, on the user's song.

1000x100 and 4000x50, hidden 199, mini-batches of 128, 30 epochs: the shapes whose plots the repository of 2016 holds.
As coded, the recurrence runs over the mini-batch (D01), as it did when those plots were made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import streams
from longsong.audit.curves import CurvesAudit, compare_curves
from longsong.audit.curves_record import (
    CURVES_FILE,
    CurvesRecord,
    ShapeRecord,
    Trained,
    count_examples,
    what_cannot_be,
)
from longsong.audit.curves_runs import AS_IN_2016, AXES, TrainedIn2016
from longsong.audit.original_song import ORIGINAL_SONG, OriginalSong
from longsong.audit.reference_curves import ReferenceCurves, load_reference_curves
from longsong.config import DataConfig, ExecutionConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.errors import CheckpointError
from longsong.files import os_errors_named, sha256_of, write_json
from longsong.progress import print_line
from longsong.reported import BATCH, EPOCHS, LAYERS, WIDTHS
from longsong.training import train
from longsong.training.record import RunRecord, read_record, read_summary
from longsong.training.splits import Splits
from longsong.units import human_time

__all__ = ["Setting", "compare_with_2016"]

_SEED = 1  # Fuel's own, with which the order of 2016 was drawn


@dataclass(frozen=True)
class Setting:
    """What the shapes have in common.

    Attributes
    ----------
    hidden, batch, epochs : int
    execution : ExecutionConfig
    """

    hidden: int = WIDTHS[0]
    batch: int = BATCH
    epochs: int = EPOCHS
    execution: ExecutionConfig = field(default_factory=ExecutionConfig)


@dataclass(frozen=True)
class _Work:
    """A run to be made."""

    way: str
    config: RunConfig
    samples: int  # that are computed in all, which is what time goes with


def compare_with_2016(
    shards: Path | str,
    runs: Path,
    *,
    folder: Path | None = None,
    setting: Setting | None = None,
    references: Sequence[ReferenceCurves] | None = None,
    original: OriginalSong = ORIGINAL_SONG,
    trained: TrainedIn2016 = AS_IN_2016,
    command: Sequence[str] = (),
    say: Callable[[str], None] = print_line,
    quiet: bool = False,
) -> CurvesAudit:
    """Train what is left of the runs, compare their curves with those of 2016, and write ``curves-2016.json``.

    A run of `runs` that is the same already is not made again. On the song of 2016 the train split is as long as it
    was then, whatever the length of the copy.

    Parameters
    ----------
    shards : Path or str
        Folder or URL of the song.
    runs : Path
        The folder of the song's runs.
    folder : Path, optional
        Where what is trained here is written, and the comparison; ``curves-2016`` in `runs` if not given.
    setting : Setting, optional
        As in 2016 if not given.
    references : sequence of ReferenceCurves, optional
        Those of the package if not given.
    original : OriginalSong
        What the song of 2016 is recognised by.
    trained : TrainedIn2016
        How the runs of 2016 were made, to say what is made otherwise.
    command : sequence of str
        The words of the command, for the records of the runs.
    say : callable
        Takes lines on how far it is.
    quiet : bool
        Show no progress of single runs.

    Returns
    -------
    CurvesAudit

    Raises
    ------
    longsong.errors.LongsongError, streams.StreamsError
        The song, the device, the disk or an earlier run cannot be used.
    KeyboardInterrupt
        Stopped by the user; called again, it goes on.
    """
    folder = runs / "curves-2016" if folder is None else folder
    setting, found = setting or Setting(), load_reference_curves() if references is None else tuple(references)
    song = streams.Song.open(shards)
    statistics = song.statistics
    known = original.recognise(song.sample_rate, len(song), statistics.minimum, statistics.maximum)
    split = original.train_samples if known.same else None
    say(known.text)
    shapes = [_shape(one, song, split, setting) for one in found]
    for shape in shapes:
        if shape.cannot:
            say(shape.cannot)
    plan = [(shape, _works(shape, shards, split, setting, folder)) for shape in shapes]
    with os_errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    making = _Training(runs, folder, [work for _, works in plan for work in works], command, say, quiet)
    record = CurvesRecord(
        song={
            "shards": song.where if song.fetches else str(shards),
            "digest": song.digest,
            "samples": len(song),
            "sample_rate": song.sample_rate,
            "minimum": statistics.minimum,
            "maximum": statistics.maximum,
        },
        is_original=known.same,
        recognised=known.text,
        shapes=tuple(replace(shape, runs=tuple(making.make(work) for work in works)) for shape, works in plan),
    )
    audited = compare_curves(record, folder, found, original, trained)
    write_json(folder / CURVES_FILE, audited.to_json(), sealed=True)
    return audited


def _shape(reference: ReferenceCurves, song: streams.Song, split: int | None, setting: Setting) -> ShapeRecord:
    frame, seq = reference.frame, reference.seq
    train_examples, dev_examples = count_examples(frame, seq, len(song), split)
    cannot = what_cannot_be(frame, seq, len(song), song.sample_rate, split)
    an_epoch = -(-train_examples // setting.batch)
    return ShapeRecord(frame, seq, setting.batch, train_examples, dev_examples, an_epoch, cannot)


def _works(shape: ShapeRecord, shards: Path | str, split: int | None, setting: Setting, folder: Path) -> list[_Work]:
    """Give the runs of a shape; none where there is no train example."""
    if not shape.train_examples:
        return []
    # An evaluation computes the way forward alone, an update the way back too, which takes about twice as long.
    passes = 3 * setting.epochs * shape.train_examples + (setting.epochs + 1) * shape.dev_examples
    found = []
    for way, recurrence in AXES.items():
        config = RunConfig(
            shards=shards,
            data=DataConfig(shape.frame, shape.seq, setting.batch, train_samples=split),
            model=ModelConfig(hidden=setting.hidden, layers=LAYERS, recurrence=recurrence),
            training=TrainingConfig(epochs=setting.epochs, seed=_SEED),
            execution=setting.execution,
        )
        found.append(_Work(way, replace(config, out=folder / config.name), passes * shape.frame * shape.seq))
    return found


class _Training:
    """Makes runs one after the other, and says how long the others will take."""

    def __init__(
        self,
        runs: Path,
        folder: Path,
        works: Sequence[_Work],
        command: Sequence[str],
        say: Callable[[str], None],
        quiet: bool,
    ) -> None:
        self.runs, self.folder, self.command, self.say, self.quiet = runs, folder, command, say, quiet
        self.works, self.number = list(works), 0
        self.seconds = 0.0
        self.samples = 0

    def make(self, work: _Work) -> Trained:
        """Make a run, or take the one that is there."""
        self.number += 1
        of = f"{self.number} of {len(self.works)}"
        name = f"{work.config.data.frame}x{work.config.data.seq} {work.way}"
        splits = Splits.open(work.config.shards, work.config.data)
        run = self._there(work, splits)
        if run is None:
            started = time.monotonic()
            run = train(work.config, command=self.command, quiet=self.quiet, label=f"curve {of}: {name}")
            took = time.monotonic() - started
            self.seconds, self.samples = self.seconds + took, self.samples + work.samples
            self.say(f"{name}: took {human_time(took)}; {self._left()}")
        else:
            self.say(f"{name}: there already, {run}")
        return Trained(
            work.way,
            # Not through symbolic links: the folder of runs may be moved as a whole.
            Path(os.path.relpath(run.absolute(), self.folder.absolute())).as_posix(),
            sha256_of(run / "metrics.jsonl"),
            replace(splits, dev=splits.train).baselines()["cost_of_mean"],
        )

    def _there(self, work: _Work, splits: Splits) -> Path | None:
        """Give a complete run that is this one, of those trained here or of the song's other runs."""
        config = work.config
        asked = RunRecord(
            song={"digest": splits.song.digest},
            data=splits.data,
            counts=splits.counts,
            model=config.model,
            training=config.training,
            parameters=0,
            execution=config.execution,
            machine={},
            made_by={},
        )
        for run in (config.folder, self.runs / config.name):
            if read_summary(run) is None:
                continue
            try:
                read_record(run).refuse_another(asked, run)
                return run
            except CheckpointError:
                if run == config.folder:
                    raise
        return None

    def _left(self) -> str:
        rest = self.works[self.number :]
        if not rest:
            return "none left"
        seconds = sum(work.samples for work in rest) * self.seconds / self.samples
        return f"{len(rest)} left, about {human_time(seconds)} where none is there already"
