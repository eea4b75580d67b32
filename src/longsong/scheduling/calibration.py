"""How fast this machine is with so many runs side by side, measured by so many workers at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.errors import RunError, SpaceError
from longsong.estimate import Costs, Estimate, Speed
from longsong.scheduling.pool import Pool
from longsong.scheduling.sharing import Sharing
from longsong.scheduling.tasks import Measurement
from longsong.scheduling.watch import PATIENCE, Watch
from longsong.scheduling.watched import Watched
from longsong.scheduling.workers import Worker

__all__ = ["Calibration"]

_ATTEMPTS = 3
"""As of a run: what happens to machines happens to their measurement too."""

_SECONDS_BETWEEN_ROUNDS = 0.02


class Calibration:
    """Estimates of runs, from a measurement of each kind of network that is made when it is first needed.

    Parameters
    ----------
    pool : Pool
    execution : ExecutionConfig
        With the device and the precision.
    say : callable
        Takes a line before each measurement.
    patience : float
        Seconds without work after which a worker hangs (`longsong.scheduling.watch`).
    """

    def __init__(
        self, pool: Pool, execution: ExecutionConfig, say: Callable[[str], None], *, patience: float = PATIENCE
    ) -> None:
        self._pool, self._execution, self._say, self._patience = pool, execution, say, patience
        self._costs: dict[tuple[str, int, int], Costs] = {}

    def estimate(
        self, sharing: Sharing, model: ModelConfig, data: DataConfig, examples: tuple[int, int], epochs: int, sound: int
    ) -> Estimate:
        """Estimate a run beside others.

        Parameters
        ----------
        sharing : Sharing
        model : ModelConfig
        data : DataConfig
        examples : tuple of int
            Train and dev.
        epochs : int
        sound : int
            Samples that are generated.

        Raises
        ------
        SpaceError
            Its updates do not fit in the memory of all slots.
        """
        speed_of = partial(Speed.of, model, self._measured(sharing, model))

        def with_slots(slots: int) -> Estimate:
            execution = replace(self._execution, device=sharing.device, memory=sharing.memory_of(slots))
            speed = speed_of(execution)
            training, sounding = speed.training_seconds(data, *examples, epochs), speed.generation_seconds(data, sound)
            return Estimate(training + sounding, sounding, slots)

        *fewer, all_slots = sharing.sizes()
        for slots in fewer:
            with suppress(SpaceError):
                return with_slots(slots)
        return with_slots(all_slots)

    def _measured(self, sharing: Sharing, model: ModelConfig) -> Costs:
        key = (model.cell, model.hidden, sharing.slots)
        if key not in self._costs:
            self._costs[key] = self._measure(sharing, model)
        return self._costs[key]

    def _measure(self, sharing: Sharing, model: ModelConfig) -> Costs:
        threads = sharing.threads(1)
        beside = f"{sharing.slots} side by side, each " if sharing.slots > 1 else ""
        self._say(
            f"measuring how fast {model.cell} with {model.hidden} hidden units is here ({beside}{threads} threads)"
        )
        execution = replace(self._execution, device=sharing.device, threads=threads)
        task = Measurement(model, execution).to_json() | {"threads": threads}
        for _ in range(_ATTEMPTS - 1):
            try:
                return Costs.mean(self._at_once(task, sharing.slots, threads))
            except RunError as error:
                self._say(f"{error}; it is measured again")
        try:
            return Costs.mean(self._at_once(task, sharing.slots, threads))
        except RunError as error:
            raise RunError(
                f"this machine's speed could not be measured, {_ATTEMPTS} times: {error}; mend that, start again"
            ) from error

    def _at_once(self, task: dict[str, Any], slots: int, threads: int) -> list[Any]:
        """Give what so many workers tell, all at it at once; raises RunError where one is lost, hangs or fails."""
        workers = [self._pool.take(threads) for _ in range(slots)]
        told: list[Any] = []
        try:
            for worker in workers:
                worker.give(task)
            told += self._told(workers)
        finally:
            for worker in workers:
                if len(told) == len(workers):
                    self._pool.give_back(worker, threads)
                else:
                    worker.kill()
                    worker.close()
        return told

    def _told(self, workers: Sequence[Worker]) -> list[Any]:
        """Wait until all have told their costs."""
        begun = time.monotonic()
        waiting = [Watched(worker, Watch(begun, patience=self._patience)) for worker in workers]
        told: list[Any] = []
        while waiting:
            time.sleep(_SECONDS_BETWEEN_ROUNDS)
            now = time.monotonic()
            for one in list(waiting):
                ended = one.worker.ended()  # asked first: what it said before its end is then all there
                said = {message["say"]: message for message in one.messages(now)}
                if "measured" in said:
                    told.append(said["measured"]["costs"])
                    waiting.remove(one)
                elif "failed" in said:
                    raise RunError(said["failed"]["reason"])
                elif ended or (ended := one.hung(now)):
                    raise RunError(": ".join(filter(None, [ended, " ".join(one.worker.log()[-500:].split())])))
        return told
