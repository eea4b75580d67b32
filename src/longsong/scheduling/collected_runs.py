"""The scheduler's own folder of runs, and the storage that the machines of a cluster keep them in."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from longsong.files import os_errors_named, sync_folder
from longsong.scheduling.run_storage import Extent, RunKeeper, StoredRun, extent_of, files_of
from longsong.scheduling.storage_writing import WritableStorage

__all__ = ["CollectedRuns"]

_STAGING = ".collecting"


class CollectedRuns:
    """Runs in a folder here, as far as they are in storage, and the other way round.

    All methods raise StorageError where the storage cannot be used, and LongsongError where the folder cannot.

    Parameters
    ----------
    storage : WritableStorage
        The place of all runs.
    out : Path
        The folder of runs.
    """

    def __init__(self, storage: WritableStorage, out: Path) -> None:
        self._storage, self._out = storage, out

    def collect(self, run: str) -> None:
        """Put a run's folder here in place of what is here of it, whole."""
        staging, here = self._out / _STAGING / run, self._out / run
        before = staging.with_name(f"{run}.before")
        try:
            if not StoredRun(self._storage, run).fetch(staging):
                return
            with os_errors_named(here):
                if here.exists():
                    here.replace(before)
                staging.replace(here)
                sync_folder(self._out)
        finally:
            for left in staging, before:
                shutil.rmtree(left, ignore_errors=True)

    def collect_further(self) -> list[str]:
        """Collect the runs that are further there than here; gives their names."""
        shutil.rmtree(self._out / _STAGING, ignore_errors=True)
        found = []
        for run in self._storage.names(folders=True):
            there = StoredRun(self._storage, run).newest()
            if there is not None and there.extent > self._extent(run):
                self.collect(run)
                found.append(run)
        shutil.rmtree(self._out / _STAGING, ignore_errors=True)
        return found

    def offer(self, run: str) -> int:
        """Keep a run in storage where it is further here than there.

        Returns
        -------
        int
            The number of the keeper that comes next: greater than that of any before, whatever their clocks said.
        """
        here, there = self._extent(run), StoredRun(self._storage, run).newest()
        number = max(time.time_ns(), 0 if there is None else there.keeper + 1)
        if here[1] >= 0 and (there is None or there.extent < here):
            RunKeeper(self._storage, run, number).keep(self._out / run)
        return number + 1

    def _extent(self, run: str) -> Extent:
        folder = self._out / run
        return extent_of(files_of(folder)) if folder.is_dir() else (False, -1, 0)
