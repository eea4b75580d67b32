"""How fast this machine is with so many runs side by side, measured by so many workers at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.errors import RunError, SpaceError
from longsong.estimate import Costs, Estimate, Speed
from longsong.scheduling.pool import Pool
from longsong.scheduling.sharing import Sharing
from longsong.scheduling.tasks import Measurement
from longsong.scheduling.workers import Worker

__all__ = ["Calibration"]

_ATTEMPTS = 3
"""As of a run: what happens to machines happens to their measurement too."""


class Calibration:
    """Estimates of runs, from a measurement of each kind of network that is made when it is first needed.

    Parameters
    ----------
    pool : Pool
    execution : ExecutionConfig
        With the device and the precision.
    say : callable
        Takes a line before each measurement.
    """

    def __init__(self, pool: Pool, execution: ExecutionConfig, say: Callable[[str], None]) -> None:
        self._pool, self._execution, self._say = pool, execution, say
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
        costs = self._measured(sharing, model)
        for slots in sharing.sizes():
            execution = replace(self._execution, device=sharing.device, memory=sharing.memory_of(slots))
            speed = Speed.of(model, costs, execution)
            try:
                training = speed.training_seconds(data, *examples, epochs)
            except SpaceError:
                if slots == sharing.sizes()[-1]:
                    raise
                continue
            sounding = speed.generation_seconds(data, sound)
            return Estimate(training + sounding, sounding, slots)
        raise AssertionError("a sharing has a largest size")

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
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return Costs.mean(self._at_once(task, sharing.slots, threads))
            except RunError as error:
                if attempt == _ATTEMPTS:
                    raise RunError(
                        f"this machine's speed could not be measured, {attempt} times: {error}; mend that, start again"
                    ) from error
                self._say(f"{error}; it is measured again")
        raise AssertionError("the last attempt gives costs, or raises")

    def _at_once(self, task: dict[str, Any], slots: int, threads: int) -> list[Any]:
        """Give what so many workers tell, all at it at once; raises RunError where one of them is lost or fails."""
        workers = [self._pool.take(threads) for _ in range(slots)]
        told: list[Any] = []
        try:
            for worker in workers:
                worker.give(task)
            told += [self._told(worker) for worker in workers]
        finally:
            for worker in workers:
                if len(told) == len(workers):
                    self._pool.give_back(worker, threads)
                else:
                    worker.kill()
                    worker.close()
        return told

    @staticmethod
    def _told(worker: Worker) -> Any:
        while True:
            ended = worker.ended()
            said = {one["say"]: one for one in worker.messages()}
            if "measured" in said:
                return said["measured"]["costs"]
            if "failed" in said:
                raise RunError(said["failed"]["reason"])
            if ended:
                raise RunError(f"{ended}: {' '.join(worker.log()[-500:].split())}")
            time.sleep(0.02)
