"""All that an audit looks at: the runs' folders, `grid.json`, and the songs behind them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from longsong.audit.first_updates import FirstUpdate, first_update, initial_parameters
from longsong.audit.planned import believed_set, checked_grid, of_the_code_alone
from longsong.audit.regenerate import Regenerated, SeenSeed, regenerate, see_seed
from longsong.audit.revaluate import DevCost, LeftOutError, Workload, dev_cost_after, revaluate
from longsong.audit.run import Run
from longsong.audit.shared_samples import Shared, SongWindows, longest_shared
from longsong.audit.song import SeenSong, see_song
from longsong.audit.trivial_costs import TrivialCosts, trivial_costs
from longsong.errors import RunError
from longsong.files import sha256_of
from longsong.places import find_shards

__all__ = ["Evidence"]

_T = TypeVar("_T")

_EXACT = 1e-5
"""A dev cost that agrees to this was computed as here: float32 on the same kind of device agrees to 1e-7."""
_BETTER = 10.0
"""How many times better another way has to explain a dev cost to be believed instead of the run's own."""


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
    _costs: dict[tuple[str, str, int], DevCost | RunError] = field(default_factory=dict, repr=False)
    _ends: dict[tuple[str, str], DevCost | RunError] = field(default_factory=dict, repr=False)
    _trivial: dict[str, TrivialCosts | RunError] = field(default_factory=dict, repr=False)
    _means: dict[tuple[str, int], float] = field(default_factory=dict, repr=False)
    _updates: dict[tuple[str, str], FirstUpdate | RunError] = field(default_factory=dict, repr=False)
    _seeds: dict[str, SeenSeed | RunError] = field(default_factory=dict, repr=False)
    _sounds: dict[str, Regenerated | RunError] = field(default_factory=dict, repr=False)
    _windows: dict[str, SongWindows] = field(default_factory=dict, repr=False)
    _shared: dict[str, Shared] = field(default_factory=dict, repr=False)
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
        problems: list[str] = [
            f"{path} cannot be looked into; check its permissions"
            for path in sorted(root.iterdir())
            if path.is_dir() and not os.access(path, os.R_OK | os.X_OK)
        ]
        grid = checked_grid(root, problems)
        planned = {entry["name"]: entry for entry in grid["runs"]} if grid else {}
        runs: list[Run] = []
        for path in sorted(root.glob("*/config.json")):
            entry = planned.get(path.parent.name, {})
            try:
                run = Run.open(path.parent, entry.get("group", "single"))
                run.set = believed_set(run, entry.get("set"))
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
        """Complete runs that are to be as the post describes.

        All but those of the 2016 code's own set, as far as the post has no such configuration.
        """
        return tuple(run for run in self.complete if not of_the_code_alone(run))

    @cached_property
    def sounding(self) -> tuple[Run, ...]:
        """Complete runs that something was generated from."""
        return tuple(run for run in self.complete if run.has_sound)

    @cached_property
    def without_sound(self) -> str:
        """Say that there is no sound to look at, and why; names those of complete runs that have another name."""
        if self.sounding:
            return (
                f"Of {len(self.sounding)} sounds there is none to look at: they were made otherwise, or the shards and "
                "parameters to compute them again are not here."
            )
        others = [
            f"{run.name}/{path.name}" for run in self.complete for path in sorted(run.folder.glob("generated-*.wav"))
        ]
        if not others:
            return "There is no generated.wav yet."
        named = f"{', '.join(others[:3])}{', ...' if len(others) > 3 else ''}"
        return f"There is no generated.wav yet; what has another name ({named}) was made otherwise, and is no evidence."

    @cached_property
    def shards_away(self) -> tuple[str, ...]:
        """The places of shards that complete runs name and that are not on this machine."""
        named = dict.fromkeys(run.of("song.shards") for run in self.complete)
        return tuple(shards for shards in named if find_shards(shards, self.root) is None)

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

    @cached_property
    def _workload_otherwise(self) -> Workload:
        """What may be spent on what a run would report if it were made otherwise."""
        return Workload(left=6e10, largest=4e9)

    @cached_property
    def _workload_updates(self) -> Workload:
        return Workload(left=1.2e11, largest=3e10)

    @cached_property
    def _workload_updates_otherwise(self) -> Workload:
        """What may be spent on a first update with the state carried otherwise."""
        return Workload(left=6e10, largest=3e10)

    def dev_cost(self, run: Run) -> DevCost:
        """Compute a run's best dev cost again, once; raises `RunError` where that cannot be done.

        Where it is not what the run reports, to well within the rounding of its own device, the state is carried
        otherwise too: over the mini-batch (or along time, where the run says over the mini-batch), begun anew in
        the middle of each sequence, and at each frame. What explains the reported cost ten times better is given.
        """
        own = self._cost(run, run.of("model.recurrence"), None, self._workload)
        if own.error <= _EXACT:
            return own
        best = own
        for recurrence, span in self.otherwise(run):
            found = self._cost(run, recurrence, span, self._workload)
            if found.offset is not None and found.error * _BETTER <= min(own.error, best.error * _BETTER):
                best = found
        return best

    def dev_cost_otherwise(self, run: Run, recurrence: str, span: int | None = None) -> DevCost:
        """Compute a run's best dev cost as it would be with its state carried otherwise; raises as `dev_cost`.

        Parameters
        ----------
        run : Run
            A complete run.
        recurrence : {'time', 'batch'}
            The axis of the recurrence.
        span : int, optional
            Steps after which the state begins anew; those of the whole axis if not given.
        """
        return self._cost(run, recurrence, span, self._workload_otherwise)

    @staticmethod
    def otherwise(run: Run) -> list[tuple[str, int | None]]:
        """Give the other ways that a run's state could have been carried: axis, and steps to where it begins anew."""
        own, seq = run.of("model.recurrence"), run.of("data.seq")
        return [("batch" if own == "time" else "time", None), (own, max(1, seq // 2)), (own, 1)]

    @cached_property
    def _workload_ends(self) -> Workload:
        """What may be spent on the dev costs before training and after its end."""
        return Workload(left=6e10, largest=4e9)

    def dev_cost_at(self, run: Run, when: Literal["first", "last"]) -> DevCost:
        """Compute the dev cost before a run's first update, or after its last, again, once; raises as `dev_cost`.

        The state is carried as explains the best dev cost. The parameters before the first update are drawn again.
        """
        if (run.name, when) not in self._ends:
            try:
                best, song = self.dev_cost(run), self.song(run)
                epoch, parameters = run.of("training.epochs"), partial(run.parameters, "last", run.of("data.frame"))
                if when == "first":
                    epoch, parameters = 0, partial(initial_parameters, run, self.source(run))
                what = f"its {when} dev cost"
                self._ends[run.name, when] = dev_cost_after(
                    epoch, parameters, run, song, best.recurrence, best.span, self._workload_ends, what
                )
            except RunError as error:
                self._ends[run.name, when] = error
        return _given(self._ends[run.name, when])

    def trivial(self, run: Run) -> TrivialCosts:
        """Compute what predictions without a network cost on a run's examples, once; raises as `dev_cost`."""
        if run.name not in self._trivial:
            try:
                song = self.song(run)
                train = min(run.of("data.train_samples"), song.samples)
                if (song.digest, train) not in self._means:
                    self._means[song.digest, train] = song.mean_of(train)
                self._trivial[run.name] = trivial_costs(run, song, self._means[song.digest, train])
            except RunError as error:
                self._trivial[run.name] = error
        return _given(self._trivial[run.name])

    def source(self, run: Run) -> Run | None:
        """Give the run that a run started from, by the folder's name; None where there is none among these."""
        start_from = run.of("training.start_from")
        if start_from is None:
            return None
        name = Path(start_from).name
        return next((one for one in self.complete if one.name == name and one is not run), None)

    def _cost(self, run: Run, recurrence: str, span: int | None, workload: Workload) -> DevCost:
        if span is None:
            span = run.of("data.seq") if recurrence == "time" else run.of("data.batch")
        key = (run.name, recurrence, span)
        if key not in self._costs:
            try:
                self._costs[key] = revaluate(run, self.song(run), recurrence, span, workload)
            except LeftOutError:
                raise
            except RunError as error:
                self._costs[key] = error
        return _given(self._costs[key])

    def first_update(self, run: Run, recurrence: str | None = None) -> FirstUpdate:
        """Compute a run's first update again, from its seed (or what it started from) and the song alone, once.

        Parameters
        ----------
        run : Run
            A complete run.
        recurrence : {'time', 'batch'}, optional
            The axis to carry the state along; the run's own if not given.

        Raises as `dev_cost`.
        """
        axis = recurrence or run.of("model.recurrence")
        key = (run.name, axis)
        if key not in self._updates:
            made = replace(run, config=run.config | {"model": run.config["model"] | {"recurrence": axis}})
            own = axis == run.of("model.recurrence")
            workload = self._workload_updates if own else self._workload_updates_otherwise
            try:
                self._updates[key] = first_update(made, self.song(run), workload, self.source(run))
            except RunError as error:
                self._updates[key] = error
        return _given(self._updates[key])

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

    def shared(self, run: Run) -> Shared:
        """Find the longest run of samples that a run's sound shares with its song, once; raises as `dev_cost`.

        What is left of the seed at its start was not generated (P13), and is left out.
        """
        if run.name not in self._shared:
            song, left = self.song(run), self.seed(run).left
            if song.digest not in self._windows:
                self._windows[song.digest] = SongWindows.of(song)
            found = longest_shared(run.wav.data[left:], song, self._windows[song.digest])
            self._shared[run.name] = replace(found, at=found.at + left)
        return self._shared[run.name]

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
