"""The dev cost as described of runs whose dev split, or its units, are otherwise (D07, D12), computed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isclose
from pathlib import Path

import numpy as np

from longsong.audit.revaluate import TOLERANCE, LeftOutError, Workload, batch_costs, dev_batches
from longsong.audit.run import Run
from longsong.audit.song import NotHereError, SeenSong, see_song

__all__ = ["DescribedCosts"]


@dataclass
class DescribedCosts:
    """Computes dev costs of one experiment's runs on the dev split as described.

    Attributes
    ----------
    runs : Path
        The experiment's folder.
    workload : Workload
        What may be spent.
    """

    runs: Path
    workload: Workload = field(default_factory=lambda: Workload(left=2e10, largest=4e9))
    _songs: dict[str, SeenSong | None] = field(default_factory=dict)

    def faults(self, stated: float, run: Run, described: Run) -> Iterator[str]:
        """Say where the cost of a run's best parameters on the dev split as described is not what is stated.

        Nothing is said where the song is not on this machine, or where it takes too long: then it is believed.

        Parameters
        ----------
        stated : float
        run : Run
            Complete; its samples are normalised, and its state is carried, as it was trained.
        described : Run
            The one of the same random seed that is as described; its examples are taken, and its scale.

        Raises
        ------
        RunError
            The song is altered, or the parameters cannot be read.
        """
        song = self._song(run)
        if song is None:
            return
        try:
            cost = self._cost(run, described, song)
        except LeftOutError:
            return
        if not isclose(stated, cost, rel_tol=TOLERANCE):
            yield f"its described_cost is {stated!r}, and its parameters give {cost:.7g} on the dev split as described"

    def _song(self, run: Run) -> SeenSong | None:
        shards = run.of("song.shards")
        if shards not in self._songs:
            try:
                self._songs[shards] = see_song(shards, self.runs)
            except NotHereError:
                self._songs[shards] = None
        return self._songs[shards]

    def _cost(self, run: Run, described: Run, song: SeenSong) -> float:
        units = {key: run.of(f"song.{key}") for key in ("scale", "offset")}
        asked = replace(described, config=described.config | {"song": described.config["song"] | units})
        recurrence, seq = run.of("model.recurrence"), described.of("data.seq")
        work = float(run.parameter_count) * described.of("data.dev_examples") * seq
        self.workload.spend(work, run, "its dev cost as described")
        parameters = run.parameters("best", described.of("data.frame"))
        span = seq if recurrence == "time" else described.of("data.batch")
        batches = dev_batches(described, run.summary["best"]["epoch"])
        costs = [batch_costs(asked, song, indices, parameters, recurrence, span)[1] for indices in batches]
        return float(np.mean(costs) * (described.of("song.scale") / units["scale"]) ** 2)
