"""All that an audit looks at: the runs' folders, `grid.json`, and the songs behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from longsong.audit.regenerate import Regenerated, SeenSeed, regenerate, see_seed
from longsong.audit.revaluate import DevCost, Workload, revaluate
from longsong.audit.run import Run
from longsong.audit.song import SeenSong, see_song
from longsong.errors import RunError
from longsong.fields import GRID, GRID_RUN, require
from longsong.files import read_json, sha256_of

__all__ = ["Evidence"]

_T = TypeVar("_T")


@dataclass(eq=False)
class Evidence:
    """What a folder of runs holds.

    Attributes
    ----------
    root : Path
        The folder of runs.
    runs : tuple of Run
        All runs whose ``config.json`` can be read, by name.
    grid : dict or None
        ``grid.json``, checked; None where there is none.
    problems : tuple of str
        What could not be read, one sentence each.
    """

    root: Path
    runs: tuple[Run, ...]
    grid: dict[str, Any] | None
    problems: tuple[str, ...]
    _songs: dict[tuple[str, str], SeenSong | RunError] = field(default_factory=dict, repr=False)
    _costs: dict[tuple[str, str], DevCost | RunError] = field(default_factory=dict, repr=False)
    _seeds: dict[str, SeenSeed | RunError] = field(default_factory=dict, repr=False)
    _sounds: dict[str, Regenerated | RunError] = field(default_factory=dict, repr=False)
    _digests: dict[Path, str] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, root: Path) -> Evidence:
        """Look into a folder of runs.

        Raises
        ------
        RunError
            There is no such folder.
        """
        root = Path(root)
        if not root.is_dir():
            raise RunError(f"there is no folder {root}; give the folder of runs, such as runs/")
        problems: list[str] = []
        grid = _grid(root, problems)
        planned = {entry["name"]: entry for entry in grid["runs"]} if grid else {}
        runs: list[Run] = []
        for path in sorted(root.glob("*/config.json")):
            entry = planned.get(path.parent.name, {})
            try:
                run = Run.open(path.parent, entry.get("group", "single"), entry.get("set", "post"))
                if run.complete:
                    _ = run.summary
                runs.append(run)
            except RunError as error:
                problems.append(str(error))
        return cls(root, tuple(runs), grid, tuple(problems))

    @cached_property
    def complete(self) -> tuple[Run, ...]:
        """The runs whose training came to its end; only these bear witness."""
        return tuple(run for run in self.runs if run.complete)

    @cached_property
    def described(self) -> tuple[Run, ...]:
        """Complete runs that are to be as the post describes: not of the 2016 code's own set."""
        return tuple(run for run in self.complete if run.set != "code")

    @cached_property
    def sounding(self) -> tuple[Run, ...]:
        """Complete runs that something was generated from."""
        return tuple(run for run in self.complete if run.has_sound)

    def song(self, run: Run) -> SeenSong:
        """Give the song of a run, read once; raises `RunError` where it cannot be seen."""
        key = (run.of("song.shards"), run.of("song.digest"))
        if key not in self._songs:
            try:
                seen = see_song(key[0], self.root)
                if seen.digest != key[1]:
                    raise RunError(
                        f"the samples in {seen.folder} have the digest {seen.digest[:12]}…, not "
                        f"{key[1][:12]}… as {run.name} has it"
                    )
                self._songs[key] = seen
            except RunError as error:
                self._songs[key] = error
        return _given(self._songs[key])

    @cached_property
    def _workload(self) -> Workload:
        return Workload()

    def dev_cost(self, run: Run, recurrence: str | None = None) -> DevCost:
        """Compute a run's best dev cost again, once; raises `RunError` where that cannot be done.

        Parameters
        ----------
        run : Run
            A complete run.
        recurrence : {'time', 'batch'}, optional
            The axis of the recurrence; the run's own if not given.
        """
        key = (run.name, recurrence or run.of("model.recurrence"))
        if key not in self._costs:
            try:
                self._costs[key] = revaluate(run, self.song(run), key[1], self._workload)
            except RunError as error:
                self._costs[key] = error
        return _given(self._costs[key])

    def seed(self, run: Run) -> SeenSeed:
        """Read the seed of a run's sound again, once; raises as `dev_cost`."""
        if run.name not in self._seeds:
            try:
                self._seeds[run.name] = see_seed(run, self.song(run))
            except RunError as error:
                self._seeds[run.name] = error
        return _given(self._seeds[run.name])

    def regenerated(self, run: Run) -> Regenerated:
        """Compute the first predictions of a run's sound again, once; raises as `dev_cost`."""
        if run.name not in self._sounds:
            try:
                self._sounds[run.name] = regenerate(run, self.seed(run))
            except RunError as error:
                self._sounds[run.name] = error
        return _given(self._sounds[run.name])

    def sha256(self, path: Path) -> str:
        """Give a file's SHA-256, computed once."""
        if path not in self._digests:
            self._digests[path] = sha256_of(path)
        return self._digests[path]

    def shown(self, path: Path) -> str:
        """Give a path as a row names it: from the folder of runs where it lies in it."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.as_posix()


def _given(found: _T | RunError) -> _T:
    if isinstance(found, RunError):
        raise found
    return found


def _grid(root: Path, problems: list[str]) -> dict[str, Any] | None:
    path = root / "grid.json"
    if not path.exists():
        return None
    try:
        grid = read_json(path, "longsong.grid", 1)
        require(grid, GRID, str(path))
        for number, entry in enumerate(grid["runs"]):
            require(entry, GRID_RUN, f"{path}, run {number}")
    except RunError as error:
        problems.append(str(error))
        return None
    return grid
