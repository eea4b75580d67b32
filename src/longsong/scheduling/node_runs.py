"""A run on a machine that shares no folder with its scheduler: fetched before it begins, kept as it goes on."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from longsong.errors import LongsongError
from longsong.scheduling.run_storage import RunKeeper, StoredRun, extent_of, files_of
from longsong.scheduling.storage_writing import open_writable
from streams.errors import StorageError

__all__ = ["KeptRun"]

_SECONDS_BETWEEN_LOOKS = 0.5
_COPY = ".kept"


class KeptRun:
    """One attempt at a run, in a folder of its own.

    Parameters
    ----------
    storage : str
        The place of all runs.
    name : str
    number : int
        Of this attempt, greater than of those before (`longsong.scheduling.run_storage`).
    scratch : Path
        An empty folder for it.
    tell : callable
        Called with what is done (``fetching``, ``keeping``), and the number of files that are there, and of all.
    """

    def __init__(
        self, storage: str, name: str, number: int, scratch: Path, tell: Callable[[str, int, int], object]
    ) -> None:
        place = open_writable(storage)
        self.folder = scratch / name
        self._stored, self._keeper, self._tell = StoredRun(place, name), RunKeeper(place, name, number), tell
        self._copy = scratch / _COPY
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._kept = (False, -1)

    def fetch(self) -> None:
        """Fetch what is kept of it, and begin to keep each checkpoint; raises as `StoredRun.fetch`."""
        self._stored.fetch(self.folder, lambda done, of: self._tell("fetching", done, of))
        self._kept = self._state()
        self._looking.start()

    def finish(self) -> None:
        """Keep it as it is now that nobody writes into it any more.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        self._over.set()
        if self._looking.is_alive():
            self._looking.join()
        if self.folder.exists():
            self._keeper.keep(self.folder, lambda done, of: self._tell("keeping", done, of))

    def _state(self) -> tuple[bool, int]:
        return extent_of(files_of(self.folder))[:2]

    def _look(self) -> None:
        """Keep it whenever there is a new checkpoint; one that cannot be kept is passed over, the next may be."""
        while not self._over.wait(_SECONDS_BETWEEN_LOOKS):
            with suppress(StorageError, LongsongError, OSError):
                state = self._state()
                if state != self._kept and state[1] >= 0 and self._copied(state):
                    self._keeper.keep(self._copy)
                    self._kept = state

    def _copied(self, state: tuple[bool, int]) -> bool:
        """Copy the folder while the run goes on in it; says whether the copy is whole."""
        shutil.rmtree(self._copy, ignore_errors=True)
        for path in files_of(self.folder):
            target = self._copy / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / path, target)
        # A checkpoint is removed when a newer one is there: while this is the newest, none of its files is.
        return self._state() == state
