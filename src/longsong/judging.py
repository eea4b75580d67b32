"""What can be said of a run's sounds without listening: figures of the sound, and of how far it can be predicted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from longsong.audit.baselines import baseline_costs
from longsong.audit.horizon import horizon_figures
from longsong.audit.song_statistics import song_statistics
from longsong.audit.sound import sound_figures
from longsong.errors import ConfigError, RunError
from longsong.generation import generate_carry
from longsong.progress import Progress
from longsong.training.record import read_summary, write_summary
from longsong.training.splits import Splits
from streams import DataStream, StreamsError

if TYPE_CHECKING:
    from longsong.runs import Run

__all__ = ["judge_prediction", "judge_run", "judge_sound"]

_MOST_ROWS = 32
_MOST_SECONDS = 1.0
"""Of sound that is predicted freely: after that a sound of its own is heard, not the song's."""


def judge_sound(run: Run, samples: NDArray[np.int16], *, quiet: bool = False) -> dict[str, Any]:
    """Give the figures of a sound that a run made, against the song that it was trained on.

    Statistics of the song are computed the first time, and kept beside the runs.

    Parameters
    ----------
    run : Run
    samples : ndarray, shape (n,), int16
    quiet : bool
        Report no progress.

    Returns
    -------
    dict
        As `longsong.audit.sound.sound_figures`. Where the song is not here nothing is compared with it, and
        ``without_song`` says why.
    """
    rate, frame = run.record.song["sample_rate"], run.record.data.frame
    try:
        splits = run.splits()
    except (RunError, StreamsError) as error:
        return sound_figures(samples, rate, frame) | {"without_song": str(error)}
    song = splits.song
    try:
        with Progress("reading the song's statistics", len(song), "samples", quiet=quiet) as progress:
            train = run.record.data.train_samples or len(song)
            statistics = song_statistics(run.folder.parent, song, train, progress.update)
    except ConfigError as error:  # a train split shorter than what is compared
        return sound_figures(samples, rate, frame) | {"without_song": str(error)}
    return sound_figures(samples, rate, frame, statistics, song)


def judge_run(run: Run) -> None:
    """Put what `judge_prediction` gives into the summary of a run, unless it is there."""
    summary = read_summary(run.folder)
    if summary is not None and "prediction" not in summary:
        write_summary(run.folder, summary | {"prediction": judge_prediction(run)})


def judge_prediction(run: Run) -> dict[str, Any] | None:
    """Give how well a run predicts the dev split: ahead, and beside predictors that have learnt nothing.

    From the first half of each of some dev examples the network goes on, its own predictions fed back and its state
    carried; beside that it is given the true frames.

    Returns
    -------
    dict or None
        ``horizon``, as `longsong.audit.horizon.horizon_figures`, None where an example has one frame; ``baselines``, as
        `longsong.audit.baselines.baseline_costs`. None where the song is not here, or its dev split holds no example.
    """
    try:
        splits = run.splits()
    except (RunError, StreamsError):
        return None
    stream = splits.dev_stream()
    if stream is None:
        return None
    baselines = baseline_costs(_epoch(splits.train_stream(run.record.training.seed)), _epoch(stream))
    return {"horizon": _horizon(run, splits), "baselines": baselines}


def _horizon(run: Run, splits: Splits) -> dict[str, Any] | None:
    seq, frame, rate = run.record.data.seq, run.record.data.frame, run.record.song["sample_rate"]
    half = seq // 2
    if half == 0 or run.record.model.recurrence == "batch":
        return None
    rows = min(_MOST_ROWS, len(splits.dev))
    inputs, targets = splits.dev.read(np.arange(rows) * len(splits.dev) // rows)
    ahead = min(seq - half + 1, max(1, int(_MOST_SECONDS * rate) // frame))
    given = torch.from_numpy(np.array(inputs)).to(run.parameters)
    free = torch.cat(list(generate_carry(run.network, run.parameters, given[:, :half], ahead)))
    forced = run.predict(inputs[:, : half - 1 + ahead])[:, half - 1 :]
    sought = targets[:, half - 1 : half - 1 + ahead]
    return horizon_figures(free.cpu().numpy(), forced.swapaxes(0, 1), sought.swapaxes(0, 1), rate)


def _epoch(stream: DataStream) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    return iter(stream.get_epoch_iterator())
