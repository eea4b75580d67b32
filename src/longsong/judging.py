"""What can be said of a run's sounds without listening: figures of the sound, and of how far it can be predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from longsong.audit.baselines import baseline_costs
from longsong.audit.horizon import PREDICTION_FORMAT, PREDICTION_VERSION, horizon_figures
from longsong.audit.linear_prediction import LARGEST_FRAME, fit_linear_predictor
from longsong.audit.song_excerpt import kept_excerpt_figures
from longsong.audit.song_statistics import SongStatistics, song_statistics
from longsong.audit.sound import sound_figures
from longsong.errors import LongsongError, RunError
from longsong.generation import generate_carry
from longsong.progress import Progress
from longsong.training.forms import make_gradient
from longsong.training.outcomes import log_figures
from longsong.training.record import read_summary, write_summary
from longsong.training.splits import Splits
from streams import StreamsError, Windows

if TYPE_CHECKING:
    from longsong.runs import Run

__all__ = ["Judge", "judge_prediction", "judge_run"]

_MOST_ROWS, _MOST_LEAD_IN = 32, 500
"""Examples that are predicted ahead, and frames of each that come before."""
_MOST_SECONDS = 1.0
"""Of sound that is predicted freely: after that a sound of its own is heard, not the song's."""

_MOST_SAMPLES = 1 << 21
"""Of the dev split that costs are taken of: 131 s at 16 kHz."""
_MOST_PRODUCTS = 1 << 33
"""Multiplications for them, by the network and by the linear predictor: a second or so."""
_FITTED_RUNS, _FITTED_SAMPLES = 32, 1 << 22
"""Runs of the train split that the linear predictor is fitted to, and samples in all of them: 4 min at 16 kHz."""


@dataclass(frozen=True)
class _Song:
    """The song that a run was trained on, and what its sounds are held against."""

    splits: Splits
    statistics: SongStatistics
    figures: dict[str, Any] | None


class Judge:
    """Gives figures of a run's sounds, against the song that it was trained on.

    The song is opened once, with the first sound. Its statistics, and the figures of an excerpt of it, are computed
    the first time that any run asks for them, and kept beside the runs.

    Parameters
    ----------
    run : Run
    quiet : bool
        Report no progress.
    """

    def __init__(self, run: Run, *, quiet: bool = False) -> None:
        self._run, self._quiet = run, quiet
        self._rate: int = run.record.song["sample_rate"]

    def figures(self, samples: NDArray[np.int16]) -> dict[str, Any]:
        """Give the figures of a sound, shape (n,), int16.

        Returns
        -------
        dict
            As `longsong.audit.sound.sound_figures`; and ``song``, as `longsong.audit.song_excerpt.excerpt_figures`.
            Where the song is not here, or cannot be read, nothing is compared with it, ``song`` is None, and
            ``without_song`` says why.
        """
        frame = self._run.record.data.frame
        try:
            song = self._song
            compared = sound_figures(samples, self._rate, frame, song.statistics, song.splits.song)
            return compared | {"song": song.figures}
        except (LongsongError, StreamsError) as error:
            return sound_figures(samples, self._rate, frame) | {"song": None, "without_song": str(error)}

    @cached_property
    def _song(self) -> _Song:
        splits = self._run.splits()
        song, folder, data = splits.song, self._run.folder.parent, splits.data
        with Progress("reading the song's statistics", len(song), "samples", quiet=self._quiet) as progress:
            statistics = song_statistics(folder, song, data.train_samples or len(song), progress.update)
        return _Song(splits, statistics, kept_excerpt_figures(folder, song, statistics, data.frame))


def judge_run(run: Run) -> None:
    """Put what `judge_prediction` gives into the summary of a run and its TensorBoard, unless it is there."""
    summary = read_summary(run.folder)
    if summary is None:
        return
    due, found = _header(run), summary.get("prediction")
    if isinstance(found, dict) and {key: found.get(key) for key in due} == due:
        return
    prediction = judge_prediction(run)
    write_summary(run.folder, summary | {"prediction": prediction})
    if prediction is not None:
        log_figures(run.folder, "prediction", prediction, run.epoch)


def judge_prediction(run: Run) -> dict[str, Any] | None:
    """Give how well a run predicts the dev split: at once, ahead, and beside predictors that have learnt nothing.

    The costs are those of some examples, spread evenly over the dev split: as many as are predicted in a second or so.
    The linear predictor is fitted to runs of samples that are spread evenly over the train split. The dev cost in the
    run's metrics is that of all of the split, as the mean of means of mini-batches: it differs a little.

    Returns
    -------
    dict or None
        ``format``, ``version``; ``parameters`` and ``epoch``, which parameters these are; ``examples`` of
        ``dev_examples`` that the costs are of; ``cost``, the network's own, None where it is not finite;
        ``baselines``, as `longsong.audit.baselines.baseline_costs`; ``horizon``, as
        `longsong.audit.horizon.horizon_figures`: after the first half of an example (or its first 500 frames) the
        network goes on from its own predictions, beside that it is given the true frames. That is None where an example
        has one frame, and where the recurrence runs over the mini-batch (D01).
        None in all where the song cannot be read, or its dev split holds no example.

    Raises
    ------
    NotFiniteError
        A number of the song is not finite.
    """
    try:
        splits = run.splits()
        if not len(splits.dev):
            return None
        chosen = _spread(len(splits.dev), _affordable(run, splits.dev))
        mini_batches = list(_mini_batches(splits.dev, chosen, splits.data.batch))
        predictor = fit_linear_predictor(_normalised_runs(splits), splits.dev.frame)
        return {
            **_header(run),
            "examples": len(chosen),
            "dev_examples": len(splits.dev),
            "cost": _network_cost(run, mini_batches),
            "baselines": baseline_costs(mini_batches, predictor),
            "horizon": _horizon(run, splits.dev, chosen),
        }
    except (RunError, StreamsError):
        return None


def _header(run: Run) -> dict[str, Any]:
    """Say what predicts, and in which form it is told."""
    return {
        "format": PREDICTION_FORMAT,
        "version": PREDICTION_VERSION,
        "parameters": run.which,
        "epoch": run.epoch,
    }


def _affordable(run: Run, dev: Windows) -> int:
    """Give the number of examples that costs are taken of, by what the products of a frame cost; one or more."""
    solving = dev.frame**2 if dev.frame <= LARGEST_FRAME else 0
    frames = min(_MOST_SAMPLES // dev.frame, _MOST_PRODUCTS // max(run.network.size, solving))
    return max(1, frames // dev.seq)


def _spread(there: int, most: int) -> NDArray[np.int64]:
    """Choose `most` of so many examples, evenly."""
    chosen = min(there, most)
    return np.arange(chosen) * there // chosen


def _mini_batches(
    windows: Windows, chosen: NDArray[np.int64], batch: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    for at in range(0, len(chosen), batch):
        yield windows.read(chosen[at : at + batch])


def _normalised_runs(splits: Splits) -> Iterator[NDArray[np.float32]]:
    """Give runs of samples that are spread evenly over the train split; all of it, where it is not longer."""
    whole = splits.data.train_samples or len(splits.song)
    length, starts = whole, [0]
    if whole > _FITTED_SAMPLES:
        length = _FITTED_SAMPLES // _FITTED_RUNS
        starts = [number * (whole - length) // (_FITTED_RUNS - 1) for number in range(_FITTED_RUNS)]
    for at in starts:
        normalised = np.empty(length, np.float32)
        splits.train.normaliser.apply(splits.song[at : at + length], normalised)
        yield normalised


def _network_cost(run: Run, mini_batches: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> float | None:
    """Give the mean squared difference of a network's predictions; None where it is not finite."""
    # The form that sound is generated with; to compile its loops would take longer than they do.
    execution = replace(run.record.execution, form="fused", precision=run.precision, elementwise="plain")
    form = make_gradient(run.network, execution)
    total = samples = 0.0
    for mini_batch in mini_batches:
        inputs, targets = (torch.from_numpy(array).to(run.parameters) for array in mini_batch)
        total += form.cost(run.parameters, inputs, targets) * targets.numel()
        samples += targets.numel()
    return total / samples if np.isfinite(total) else None


def _horizon(run: Run, dev: Windows, chosen: NDArray[np.int64]) -> dict[str, Any] | None:
    """Predict ahead from some examples; `chosen` are as many as are in memory at once."""
    rate, lead_in = run.record.song["sample_rate"], min(dev.seq // 2, _MOST_LEAD_IN)
    if lead_in == 0 or run.record.model.recurrence == "batch":
        return None
    inputs, targets = dev.read(_spread(len(dev), min(_MOST_ROWS, len(chosen))))
    ahead = min(dev.seq - lead_in + 1, max(1, int(_MOST_SECONDS * rate) // dev.frame))
    given = torch.from_numpy(inputs[:, :lead_in]).to(run.parameters)
    free = torch.cat(list(generate_carry(run.network, run.parameters, given, ahead))).cpu().numpy()
    forced = run.predict(inputs[:, : lead_in - 1 + ahead])[:, lead_in - 1 :].swapaxes(0, 1)
    sought = targets[:, lead_in - 1 : lead_in - 1 + ahead].swapaxes(0, 1)
    return horizon_figures(free, forced, sought, rate)
