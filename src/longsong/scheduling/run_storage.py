"""Run folders in storage that the machines of a cluster share: always whole there, whoever is killed.

A run is a folder there. Its files lie in it under names that say who kept them and what they hold; a list of them is
written last, and what no list names any more is removed after that. A reader takes the newest list.

Who keeps a run has a number. Lists of a higher number are newer, so that a machine which everybody takes for lost
cannot put an old state over a new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from longsong.files import is_part, os_errors_named, sha256_of, sync_folder
from longsong.scheduling.storage_writing import WritableStorage
from streams.errors import StorageError
from streams.retries import RetryableError
from streams.shard import is_member_name

__all__ = ["Extent", "RunFiles", "RunKeeper", "StoredRun", "extent_of", "files_of"]

_LIST = re.compile(r"(\d{20})-(\d{8})-([0-9a-f]{16})\.json")
_UPDATES = re.compile(r"checkpoints/update-(\d+)/state\.json")
_LOG = "log.txt"  # `longsong.training.record.LOG`, which takes seconds to import, as all that computes
_MOST_BYTES = 1 << 20
_READINGS = 5

Extent = tuple[bool, int, int]
"""How far a run is: whether its training is complete, the update of its checkpoint (-1: none), its number of files."""


@dataclass(frozen=True)
class RunFiles:
    """What a run holds, by a list.

    Attributes
    ----------
    keeper, number : int
        Who wrote it, and how many that had written before.
    files : dict of str to (int, str)
        Size and sha256 by path.
    """

    keeper: int
    number: int
    files: dict[str, tuple[int, str]]

    @property
    def extent(self) -> Extent:
        """How far the run is."""
        return extent_of(self.files)

    def to_bytes(self) -> bytes:
        """Give the list as it is written."""
        return json.dumps({"format": "longsong.run-files", "version": 1, "files": self.files}, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, keeper: int, number: int, content: bytes, where: str) -> RunFiles:
        """Read a list, or raise StorageError where it is none."""
        try:
            found = json.loads(content)
            if (found["format"], found["version"]) != ("longsong.run-files", 1):
                raise ValueError(f"format {found['format']!r}, version {found['version']!r}")
            files = {str(path): (int(size), str(sha256)) for path, (size, sha256) in found["files"].items()}
            for path, (size, sha256) in files.items():
                if not is_member_name(path) or size < 0 or not re.fullmatch("[0-9a-f]{64}", sha256):
                    raise ValueError(f"{path!r}")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StorageError(f"{where}: is no list of a run's files ({error}); remove that folder") from error
        return cls(keeper, number, files)


def extent_of(paths: Iterable[str]) -> Extent:
    """Say how far a run with these files is: the greater, the further."""
    named = list(paths)
    updates = [int(found[1]) for path in named if (found := _UPDATES.fullmatch(path))]
    return "summary.json" in named, max(updates, default=-1), len(named)


def files_of(folder: Path) -> list[str]:
    """Give the paths of a run's files within its folder, in order.

    Not what is being written, not the log of a failure, which is of one attempt, and nothing that a link names.
    """
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not is_part(Path(name))]
    paths = [path.relative_to(folder).as_posix() for path in found if path.is_file() and not path.is_symlink()]
    return [path for path in paths if path != _LOG]


class StoredRun:
    """One run in storage.

    Parameters
    ----------
    storage : WritableStorage
        The place of all runs.
    name : str
    """

    def __init__(self, storage: WritableStorage, name: str) -> None:
        self.name, self._place = name, storage.within(name)

    def newest(self) -> RunFiles | None:
        """Give the newest list; None where there is none.

        Raises
        ------
        StorageError
            The storage cannot be read, or its list is altered.
        """
        for reading in range(_READINGS):
            lists = sorted(name for name in self._place.names() if _LIST.fullmatch(name))
            for name in reversed(lists):
                keeper, number, digest = _LIST.fullmatch(name).groups()  # type: ignore[union-attr]
                try:
                    content = self._place.read(name, _MOST_BYTES)
                except StorageError:
                    if reading + 1 == _READINGS:
                        raise
                    break  # there is a newer one by now, and this was removed
                # A place where files do not appear whole may hold half of one; the one before is still there then.
                if hashlib.sha256(content).hexdigest().startswith(digest):
                    return RunFiles.from_bytes(int(keeper), int(number), content, self._place.where(name))
            else:
                break
        return None

    def fetch(self, folder: Path, on_file: Callable[[int, int], object] | None = None) -> bool:
        """Write the run's files into a folder that is empty or not there; says whether there were any.

        Parameters
        ----------
        folder : Path
            It is whole once this has returned.
        on_file : callable, optional
            Called with the number of files that are there, and of all.

        Raises
        ------
        StorageError
            The storage cannot be read, or a file is not as it was written.
        longsong.errors.LongsongError
            The folder cannot be written to.
        """
        for reading in range(_READINGS):
            newest = self.newest()
            if newest is None:
                return False
            try:
                for done, (path, (size, sha256)) in enumerate(newest.files.items()):
                    self._fetch_file(_blob(newest.keeper, sha256), folder / path, size, sha256)
                    if on_file is not None:
                        on_file(done + 1, len(newest.files))
            except StorageError:
                again = self.newest()
                if again is None or (again.keeper, again.number) == (newest.keeper, newest.number):
                    raise
                if reading + 1 == _READINGS:
                    raise
                continue  # it was removed, because there is a newer state
            for extra in set(files_of(folder)) - newest.files.keys():  # of an older state, begun above
                (folder / extra).unlink()
            _remove_empty(folder)
            return True
        return False

    def _fetch_file(self, name: str, path: Path, size: int, sha256: str) -> None:
        failures = 0
        while True:
            try:
                return self._fetch_once(name, path, size, sha256)
            except RetryableError as error:
                failures += 1
                self._place.retries.wait(failures, error)

    def _fetch_once(self, name: str, path: Path, size: int, sha256: str) -> None:
        digest, there = hashlib.sha256(), 0
        with os_errors_named(path), self._place.stream(name) as incoming:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for chunk in incoming:
                    there += len(chunk)
                    if there > size:
                        break
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(path.parent)
        if there != size or digest.hexdigest() != sha256:
            raise StorageError(f"{self._place.where(name)}: is not as it was written; remove {self._place.name}")


class RunKeeper:
    """Keeps one run in storage as it goes on.

    Parameters
    ----------
    storage : WritableStorage
        The place of all runs.
    run : str
        Its name.
    number : int
        Greater than that of whoever kept the run before.
    """

    def __init__(self, storage: WritableStorage, run: str, number: int) -> None:
        self._place, self._number = storage.within(run), number
        self._kept: dict[str, str] = {}  # lists and files by name, of this keeper
        self._lists = 0

    def keep(self, folder: Path, on_file: Callable[[int, int], object] | None = None) -> None:
        """Make the run there what it is in a folder that nobody writes into meanwhile.

        Parameters
        ----------
        folder : Path
        on_file : callable, optional
            Called with the number of files that are there, and of all.

        Raises
        ------
        StorageError
            It cannot be written.
        longsong.errors.RunError
            The folder cannot be read.
        """
        paths = files_of(folder)
        files = {}
        for done, path in enumerate(paths):
            sha256 = sha256_of(folder / path)
            name = _blob(self._number, sha256)
            if name not in self._kept:
                self._place.write_file(name, folder / path)
                self._kept[name] = "file"
            files[path] = ((folder / path).stat().st_size, sha256)
            if on_file is not None:
                on_file(done + 1, len(paths))
        written = RunFiles(self._number, self._lists, files)
        content = written.to_bytes()
        name = f"{self._number:020d}-{self._lists:08d}-{hashlib.sha256(content).hexdigest()[:16]}.json"
        self._place.write(name, content)
        if not self._lists:
            self._remove_older()
        self._lists += 1
        needed = {name, *(_blob(self._number, sha256) for _, sha256 in files.values())}
        # Lists first: one that is there must not name what is not.
        for old in sorted(self._kept.keys() - needed, key=lambda old: self._kept[old] != "list"):
            self._place.remove(old)
            del self._kept[old]
        self._kept[name] = "list"

    def _remove_older(self) -> None:
        """Remove what keepers before this one have kept."""
        older = [name for name in self._place.names() if name[:20].isdigit() and int(name[:20]) < self._number]
        for name in sorted(older, key=lambda name: not _LIST.fullmatch(name)):
            self._place.remove(name)


def _blob(keeper: int, sha256: str) -> str:
    return f"{keeper:020d}-{sha256}"


def _remove_empty(folder: Path) -> None:
    for place in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(place.iterdir()):
            place.rmdir()
