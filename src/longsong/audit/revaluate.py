"""The best dev cost, computed again from parameters and shards, so that its meaning can be read off (P05, P11, D01).

The same predictions are compared with the frames at three places (the input itself, one frame later, two
later). Where the reported cost agrees with one of them, times one of four ways of adding up, the run has
said what its target and its cost are, whatever its files claim.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.network import run_steps
from longsong.audit.run import Run
from longsong.audit.song import SeenSong
from longsong.errors import RunError

__all__ = ["TOLERANCE", "DevCost", "Workload", "fuel_order", "revaluate"]

TOLERANCE = 1e-3
"""How far a cost may be from the one computed again: float32 on another device, TF32 included."""

DEV_SEED = 1
"""Seed of the dev split's own order (FACTS section 4)."""

_OFFSETS = (0, 1, 2)
_TOTAL_WORK = 2e11
_LARGEST_WORK = 6e10


@dataclass
class Workload:
    """Multiplications that an audit may still spend on costs; large runs are left out, and it says so."""

    left: float = field(default=_TOTAL_WORK)

    def spend(self, work: float, run: Run) -> None:
        """Take `work` off.

        Raises
        ------
        RunError
            It is more than there is left, or more than one run may take.
        """
        if work > min(self.left, _LARGEST_WORK):
            raise RunError(
                f"{run.name}: computing its dev cost again takes {work:.1e} multiplications, more than this "
                f"audit spends ({min(self.left, _LARGEST_WORK):.1e})"
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
    recurrence : str
        The axis that the state was carried along when it was computed again.
    computed : dict of int to float
        The mean of squares, by how many frames later the target was taken.
    ways : dict of str to float
        What a mean is multiplied by where a cost is added up otherwise.
    """

    epoch: int
    reported: float
    recurrence: str
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
        """Relative difference between the reported cost and the mean of squares one frame later."""
        return abs(self.reported / self.computed[1] - 1) if self.computed[1] else abs(self.reported)

    @property
    def _explained(self) -> tuple[int | None, str | None]:
        for way, factor in self.ways.items():
            for offset in (1, 0, 2):
                value = self.computed.get(offset)
                if value is not None and abs(self.reported - factor * value) <= TOLERANCE * factor * value:
                    return offset, way
        return None, None


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


def revaluate(run: Run, song: SeenSong, recurrence: str, workload: Workload) -> DevCost:
    """Compute a run's best dev cost again.

    Parameters
    ----------
    run : Run
        A complete run.
    song : SeenSong
        Its song.
    recurrence : {'time', 'batch'}
        The axis to carry the state along.
    workload : Workload
        What the audit may still spend.

    Raises
    ------
    RunError
        There is no dev example, the parameters cannot be read, or it would take too long.
    """
    examples, batch = run.of("data.dev_examples"), run.of("data.batch")
    epoch = run.summary["best"]["epoch"]
    lines = [line for line in run.metrics.evaluations if line["epoch"] == epoch]
    if not examples or not lines or lines[-1]["dev_cost"] is None:
        raise RunError(f"{run.name} has no dev cost, as it has no dev example")
    frame, seq = run.of("data.frame"), run.of("data.seq")
    workload.spend(float(run.parameter_count) * examples * seq, run)
    parameters = run.parameters("best", frame)
    per_evaluation = -(-examples // batch)
    order = fuel_order(examples, batch, DEV_SEED, epoch + 1)[-per_evaluation:]
    costs = [_batch_costs(run, song, indices, parameters, recurrence) for indices in order]
    computed = {offset: float(np.mean([cost[offset] for cost in costs])) for offset in costs[0]}
    ways = {
        "mean": 1.0,
        "sum over the frame": float(frame),
        "sum over the sequence": float(seq),
        "sum over the example": float(frame * seq),
    }
    return DevCost(epoch, float(lines[-1]["dev_cost"]), recurrence, computed, ways)


def _batch_costs(
    run: Run,
    song: SeenSong,
    indices: NDArray[np.int64],
    parameters: dict[str, NDArray[Any]],
    recurrence: str,
) -> dict[int, float]:
    """Give the mean of squares of one mini-batch, by the target's distance in frames."""
    frame, seq, hop = run.of("data.frame"), run.of("data.seq"), run.of("data.hop")
    starts = run.of("data.train_samples") + indices * hop
    scale, offset_ = run.of("song.scale"), run.of("song.offset")
    # One frame more than inputs and targets, for the target two frames later, where the song has it.
    furthest = min(seq + 2, (song.samples - int(starts.max())) // frame)
    runs = [song.normalised(int(at), int(at) + furthest * frame, scale, offset_) for at in starts]
    frames: NDArray[Any] = np.stack(runs).reshape(len(starts), furthest, frame)
    offsets = [offset for offset in _OFFSETS if seq + offset <= furthest]
    if 1 not in offsets:
        raise RunError(f"{run.name}: the song ends before the last target of its dev split")
    axis = 1 if recurrence == "time" else 0
    steps = (frames[:, :seq].take(step, axis=axis) for step in range(seq if axis == 1 else len(starts)))
    sums = dict.fromkeys(offsets, 0.0)
    for step, prediction in enumerate(run_steps(parameters, steps)):
        for offset in offsets:
            target = frames[:, offset : offset + seq].take(step, axis=axis)
            sums[offset] += float(np.square(prediction - target, dtype=np.float64).sum())
    return {offset: total / (len(starts) * seq * frame) for offset, total in sums.items()}
