"""Dev costs, computed again from parameters and shards, so that their meaning can be read off (P05, P11, D01).

The same predictions are compared with the frames at three places (the input itself, one frame later, two
later). Where the reported cost agrees with one of them, times one of four ways of adding up, the run has
said what its target and its cost are, whatever its files claim. Computed with the state carried along the other
axis, or begun anew within the sequence, the same parameters tell along what and how far it was carried (D01, P19).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.network import run_steps
from longsong.audit.passes import first_samples
from longsong.audit.run import Run
from longsong.audit.song import SeenSong
from longsong.errors import RunError

__all__ = [
    "TOLERANCE",
    "DevCost",
    "LeftOutError",
    "NoCostError",
    "Workload",
    "batch_costs",
    "dev_batches",
    "dev_cost_after",
    "frames_of",
    "fuel_order",
    "revaluate",
]

TOLERANCE = 1e-3
"""How far a cost may be from the one computed again: float32 on another device, TF32 included."""

DEV_SEED = 1
"""Seed of the dev split's own order (FACTS section 4)."""

_OFFSETS = (0, 1, 2)


class LeftOutError(RunError):
    """Computing it again takes longer than an audit spends; no fault of the run."""


class NoCostError(RunError):
    """A run that has dev examples has no dev cost on record to compute again."""


@dataclass
class Workload:
    """Multiplications that an audit may still spend; large runs are left out, and it says so.

    Attributes
    ----------
    left : float
        In all.
    largest : float
        On one run.
    """

    left: float = 2e11
    largest: float = 6e10

    def spend(self, work: float, run: Run, what: str) -> None:
        """Take `work` off, which is for `what` of a run.

        Raises
        ------
        LeftOutError
            It is more than there is left, or more than one run may take.
        """
        most = min(self.left, self.largest)
        if work > most:
            raise LeftOutError(
                f"{run.name}: computing {what} again takes {work:.1e} multiplications, more than this audit spends "
                f"({most:.1e})"
            )
        self.left -= work


@dataclass(frozen=True)
class DevCost:
    """A dev cost, reported and computed again.

    Attributes
    ----------
    epoch : int
        After which epoch.
    reported : float
        What ``metrics.jsonl`` has.
    recurrence : {'time', 'batch'}
        The axis that the state was carried along when it was computed again.
    span : int
        Steps after which the state began anew.
    computed : dict of int to float
        The mean of squares, by how many frames later the target was taken.
    ways : dict of str to float
        What a mean is multiplied by where a cost is added up otherwise.
    """

    epoch: int
    reported: float
    recurrence: str
    span: int
    computed: dict[int, float]
    ways: dict[str, float]

    @property
    def offset(self) -> int | None:
        """The target's distance in frames that explains the reported cost; None if none does."""
        return self._explained[0]

    @property
    def way(self) -> str | None:
        """How the cost was added up: ``mean``, ``sum over ...``; None if no way explains it."""
        return self._explained[1]

    @property
    def error(self) -> float:
        """Relative difference between the reported cost and what explains it best."""
        return self._explained[2]

    @property
    def away(self) -> float:
        """Relative difference of the reported cost from the mean of squares one frame later."""
        return _relative(self.reported, self.computed[1])

    @property
    def _explained(self) -> tuple[int | None, str | None, float]:
        found = [
            (_relative(self.reported, factor * value), offset, way)
            for way, factor in self.ways.items()
            for offset, value in self.computed.items()
        ]
        error, offset, way = min(found, key=lambda one: one[0])
        return (offset, way, error) if error <= TOLERANCE else (None, None, error)


def _relative(reported: float, computed: float) -> float:
    return abs(reported / computed - 1) if computed else abs(reported)


def fuel_order(examples: int, batch: int, seed: int, epochs: int) -> list[NDArray[np.int64]]:
    """Give Fuel's mini-batches of all epochs, computed here a second time (FACTS section 5).

    Returns
    -------
    list of ndarray, shape (up to batch,), int64
    """
    random = np.random.RandomState(seed)
    batches: list[NDArray[np.int64]] = []
    for _ in range(epochs):
        order = np.arange(examples, dtype=np.int64)
        random.shuffle(order)
        batches += [order[start : start + batch] for start in range(0, examples, batch)]
    return batches


def revaluate(run: Run, song: SeenSong, recurrence: str, span: int, workload: Workload) -> DevCost:
    """Compute a run's best dev cost again.

    Parameters
    ----------
    run : Run
        A complete run.
    song : SeenSong
        Its song.
    recurrence : {'time', 'batch'}
        The axis to carry the state along.
    span : int
        Steps after which the state begins anew; the run's own is a whole sequence, or a whole mini-batch.
    workload : Workload
        What the audit may still spend.

    Raises
    ------
    LeftOutError
        It would take too long.
    NoCostError
        There are dev examples, and no dev cost on record.
    RunError
        There is no dev example, or the parameters cannot be read.
    """
    epoch = run.summary["best"]["epoch"]
    best = partial(run.parameters, "best", run.of("data.frame"))
    return dev_cost_after(epoch, best, run, song, recurrence, span, workload, "its dev cost")


def dev_cost_after(
    epoch: int,
    parameters: Callable[[], Mapping[str, NDArray[Any]]],
    run: Run,
    song: SeenSong,
    recurrence: str,
    span: int,
    workload: Workload,
    what: str,
) -> DevCost:
    """Compute the dev cost that a run reports after an epoch again, from the parameters that it had then.

    Parameters
    ----------
    epoch : int
        0 for the cost before the first update.
    parameters : callable
        Gives them by name; called where there is work left for it.
    run, song, recurrence, span, workload
        As of `revaluate`.
    what : str
        What is computed, in words.

    Raises
    ------
    LeftOutError, NoCostError, RunError
        As `revaluate`.
    """
    evaluations = run.metrics.evaluations
    costs_then = evaluations.column("dev_cost")[evaluations.column("epoch") == epoch]
    if not run.of("data.dev_examples"):
        raise RunError(f"{run.name} has no dev cost, as it has no dev example")
    if not len(costs_then) or np.isnan(costs_then[-1]):
        raise NoCostError(f"{run.name} has no dev cost after epoch {epoch}, though it has dev examples")
    if epoch > run.of("training.epochs"):
        raise RunError(f"{run.name} has a dev cost of epoch {epoch}, and {run.of('training.epochs')} epochs")
    frame, seq = run.of("data.frame"), run.of("data.seq")
    workload.spend(float(run.parameter_count) * run.of("data.dev_examples") * seq, run, what)
    held = parameters()
    costs = [batch_costs(run, song, indices, held, recurrence, span) for indices in dev_batches(run, epoch)]
    computed = {offset: float(np.mean([cost[offset] for cost in costs])) for offset in costs[0]}
    ways = {
        "mean": 1.0,
        "sum over the frame": float(frame),
        "sum over the sequence": float(seq),
        "sum over the example": float(frame * seq),
    }
    return DevCost(epoch, float(costs_then[-1]), recurrence, span, computed, ways)


def dev_batches(run: Run, epoch: int) -> list[NDArray[np.int64]]:
    """Give the examples of each dev mini-batch of the evaluation after an epoch, in Fuel's order of their own."""
    examples, batch = run.of("data.dev_examples"), run.of("data.batch")
    per_evaluation = -(-examples // batch)
    return fuel_order(examples, batch, DEV_SEED, epoch + 1)[-per_evaluation:]


def frames_of(run: Run, song: SeenSong, split: str, indices: NDArray[np.int64], more: int) -> NDArray[np.float32]:
    """Give the frames of some examples of a split as the run's network sees them.

    Parameters
    ----------
    split : {'train', 'dev'}
    indices : ndarray, shape (examples,), int64
    more : int
        Frames beyond the sequence; where the song ends before, as many as all of them have.

    Returns
    -------
    ndarray, shape (examples, seq + `more` or less, frame), float32
    """
    frame, seq = run.of("data.frame"), run.of("data.seq")
    starts = first_samples(run, split)
    if int(indices.max()) >= len(starts):
        raise RunError(f"{run.name} has no example {int(indices.max())} in its {split} split; train again")
    starts = starts[indices]
    frames = min(seq + more, (song.samples - int(starts.max())) // frame)
    if frames <= seq:
        raise RunError(f"{run.name}: the song ends before the last target of its split")
    scale, offset = run.of("song.scale"), run.of("song.offset")
    found = [song.normalised(int(at), int(at) + frames * frame, scale, offset) for at in starts]
    return np.stack(found).reshape(len(starts), frames, frame)


def batch_costs(
    run: Run,
    song: SeenSong,
    indices: NDArray[np.int64],
    parameters: Mapping[str, NDArray[Any]],
    recurrence: str,
    span: int,
) -> dict[int, float]:
    """Give the mean of squares of one mini-batch of the dev split, by the target's distance in frames.

    Parameters
    ----------
    run : Run
        Whose dev examples, and normalisation, are meant.
    song : SeenSong
    indices : ndarray, shape (examples,), int64
    parameters : mapping
        By name.
    recurrence, span
        As of `revaluate`.
    """
    seq = run.of("data.seq")
    # One frame more than inputs and targets, for the target two frames later, where the song has it.
    frames = frames_of(run, song, "dev", indices, max(_OFFSETS))
    offsets = [offset for offset in _OFFSETS if seq + offset <= frames.shape[1]]
    axis = 1 if recurrence == "time" else 0
    count = seq if axis == 1 else len(indices)
    sums = dict.fromkeys(offsets, 0.0)
    for first in range(0, count, span):
        steps = range(first, min(first + span, count))
        inputs = (_at(frames[:, :seq], step, axis) for step in steps)
        for step, prediction in zip(steps, run_steps(parameters, inputs), strict=True):
            for offset in offsets:
                target = _at(frames[:, offset : offset + seq], step, axis)
                sums[offset] += float(np.square(prediction - target, dtype=np.float64).sum())
    return {offset: total / frames[:, :seq].size for offset, total in sums.items()}


def _at(frames: NDArray[np.float32], step: int, axis: int) -> NDArray[np.float32]:
    """Give the frames of one step of the recurrence, shape (rows, frame)."""
    return frames[:, step] if axis == 1 else frames[step]
