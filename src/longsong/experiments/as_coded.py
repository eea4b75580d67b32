"""The ways of the 2016 code, each alone and all together: what they do to the dev cost, the sound and the time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from longsong.audit.as_coded import AsCoded, GeneratedWay, SoundFigures, TrainedRun, TrainedWay
from longsong.audit.as_coded_file import AS_CODED_FILE, write_as_coded
from longsong.audit.as_coded_runs import RUN_FILES
from longsong.config import RunConfig
from longsong.errors import BusyError, ConfigError, RunError
from longsong.experiments.as_coded_sounds import sound_of, way_of_generating
from longsong.experiments.as_coded_time import TimeLeft, expected_seconds
from longsong.experiments.as_coded_ways import Experiment, Way, ways_of_generating, ways_of_training
from longsong.experiments.described_cost import described_cost, described_seed
from longsong.experiments.killed import train_until_killed
from longsong.files import os_errors_named, sha256_of
from longsong.places import find_shards
from longsong.runs import Run, load_run
from longsong.training import train
from longsong.training.record import read_record, read_summary
from longsong.training.run_lock import only_here
from longsong.training.splits import Splits
from longsong.units import human_time
from streams.storage import is_remote

__all__ = ["measure_as_coded", "shards_of"]

_FOLDER = "as-coded"


def measure_as_coded(
    runs: Path,
    experiment: Experiment | None = None,
    *,
    shards: Path | str | None = None,
    command: Sequence[str] = (),
    quiet: bool = False,
) -> AsCoded:
    """Train and generate in every way of the 2016 code, and say what each does.

    What is done is not done again: stopped and called again, it goes on. Runs are ordinary ones, in
    ``RUNS/as-coded/CONFIGURATION/WAY-sSEED``, and ``as_coded.json`` stands beside them.

    Parameters
    ----------
    runs : Path
        Folder of runs.
    experiment : Experiment, optional
        The configuration; by default a small one.
    shards : Path or str, optional
        The song; by default that of the runs.
    command : sequence of str
        The words of the command that asks for it.
    quiet : bool
        Report no progress.

    Returns
    -------
    AsCoded

    Raises
    ------
    ConfigError
        The song has no dev example of that frame and sequence, or there are runs of several songs.
    RunError
        There is no run to take the song from, or one in the experiment's folder is of another song or configuration.
    BusyError
        Another process makes this very experiment, or trains one of its runs.
    longsong.errors.LongsongError, streams.StreamsError
        As `longsong.training.train`.
    KeyboardInterrupt
        Stopped by the user; the same call goes on.
    """
    work = _Work(Path(runs), experiment or Experiment(), shards, list(command), quiet)
    with ExitStack() as stack:
        try:
            stack.enter_context(only_here(work.folder))
        except BusyError as error:
            raise BusyError(
                f"another process makes the experiment in {work.folder}; wait for it, and call this again, which makes "
                "only what is left"
            ) from error
        found = work.measure()
        write_as_coded(found)
    return found


def shards_of(runs: Path) -> Path | str:
    """Find the shards of the song that the runs in a folder were trained on.

    Raises
    ------
    RunError
        There is no run, or the shards are not here.
    ConfigError
        They are of several songs.
    """
    songs: dict[str, dict[str, Any]] = {}
    for path in sorted(runs.glob("*/config.json")):
        song = dict(read_record(path.parent).song)
        songs[song["digest"]] = song
    if not songs:
        raise RunError(f"{runs} holds no run whose song could be taken; give --shards, or train a run first")
    if len(songs) > 1:
        names = ", ".join(sorted(song["name"] for song in songs.values()))
        raise ConfigError(f"{runs} holds runs of {len(songs)} songs ({names}); say which one by --shards")
    (song,) = songs.values()
    named = str(song["shards"])
    found = find_shards(named, runs) or (named if is_remote(named) else None)
    if found is None:
        raise RunError(f"the shards of {song['name']}, {named}, are not here; put them back, or give --shards")
    return found


class _Work:
    """One call."""

    def __init__(
        self, runs: Path, experiment: Experiment, shards: Path | str | None, command: list[str], quiet: bool
    ) -> None:
        self.experiment, self.command, self.quiet = experiment, command, quiet
        self.shards = shards or shards_of(runs)
        self.folder = runs / _FOLDER / experiment.name
        self.ways = ways_of_training(experiment.cell)
        described = experiment.config(self.shards, self.ways[0], 1)
        self.described = Splits.open(self.shards, described.data)
        if not len(self.described.dev):
            raise ConfigError(
                f"the dev split of {self.described.song.where} holds no example of {experiment.frame}x"
                f"{experiment.seq}, so there is no dev cost to compare; give a smaller --frame or --seq"
            )
        with os_errors_named(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def measure(self) -> AsCoded:
        """Do all that is left, and put together what came of it."""
        seeds = range(1, self.experiment.seeds + 1)
        of_training = [(way, seed) for seed in seeds for way in self.ways]
        of_generating = ways_of_generating()
        expected = expected_seconds(self.experiment, self.described, self.folder)
        left = [
            expected.training(way) for way, seed in of_training if not (self._run(way, seed) / "summary.json").exists()
        ]
        left += [expected.generating(way) for way in of_generating]
        self._say(
            f"{len(of_training)} runs, {len(left) - len(of_generating)} of them left, and {len(of_generating)} sounds "
            f"of the first: about {human_time(sum(left))} on this machine"
        )
        clock = TimeLeft(sum(left))
        trained: dict[tuple[str, int], TrainedRun] = {}
        for number, (way, seed) in enumerate(of_training, 1):
            new = not (self._run(way, seed) / "summary.json").exists()
            trained[way.name, seed] = self._train(way, seed, f"run {number} of {len(of_training)}: {way.name}-s{seed}")
            if new:
                self._say(f"{way.name}-s{seed}: {clock.done(expected.training(way))}")
        run = load_run(self._run(self.ways[0], 1))
        generated = []
        for number, way in enumerate(of_generating, 1):
            label = f"sound {number} of {len(of_generating)}: {way.name}"
            generated.append(self._generate(run, way, label))
            self._say(f"{label}: {clock.done(expected.generating(way))}")
        return AsCoded(
            path=self.folder / AS_CODED_FILE,
            command=self.command,
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            song=dict(run.record.song),
            configuration=self.experiment.to_json(),
            machine=dict(run.record.machine)
            | {"precision": run.record.execution.precision, "threads": run.record.execution.threads},
            training=[TrainedWay(**way.words(), runs=[trained[way.name, seed] for seed in seeds]) for way in self.ways],
            generating=generated,
        )

    def _run(self, way: Way, seed: int) -> Path:
        return self.folder / f"{way.name}-s{seed}"

    def _train(self, way: Way, seed: int, label: str) -> TrainedRun:
        """Train a run to its end where it is not, generate from it, and read what came of it."""
        folder = self._run(way, seed)
        config = self.experiment.config(self.shards, way, seed, folder)
        if way.killed and read_summary(folder) is None:
            self._kill_in_the_middle(config, label)
        train(config, command=self.command, quiet=self.quiet, label=label)
        summary = read_summary(folder) or {}
        if way.killed and summary["starts"] != 2:
            raise RunError(
                f"{folder} was started {summary['starts']} times, and is to be killed once in its middle; remove it "
                "and start again"
            )
        run = load_run(folder)
        wav, record = sound_of(run, described_seed(run, self.described), self.experiment.seconds, (), self.quiet, label)
        cost, described = summary["best"]["dev_cost"], described_cost(run, self.described)
        files = [folder / name for name in RUN_FILES] + [wav, wav.with_suffix(".json")]
        return TrainedRun(
            seed=seed,
            run=folder.name,
            dev_cost=cost,
            over_mean=cost / summary["cost_of_mean"],
            described_cost=described,
            described_over_mean=described / self.described.baselines()["cost_of_mean"],
            best_epoch=summary["best"]["epoch"],
            updates=summary["updates"],
            starts=summary["starts"],
            seconds_per_update=summary["seconds_per_update"],
            parameters_sha256=summary["parameters_sha256"],
            best_sha256=summary["best"]["sha256"],
            wav=wav.relative_to(self.folder).as_posix(),
            sound=SoundFigures.of(record["sound"]),
            files=self._digests(files),
        )

    def _kill_in_the_middle(self, config: RunConfig, label: str) -> None:
        """Train the first half of the epochs, and be killed there."""
        folder = config.folder
        if folder.exists():
            # It stopped elsewhere, and would go on from there as bare as from the middle: begin again.
            with only_here(folder):  # what another process trains is not removed
                if (folder / "config.json").exists():
                    read_record(folder)
                shutil.rmtree(folder)
        train_until_killed(
            config, self.experiment.epochs // 2, command=self.command, quiet=self.quiet, label=f"{label}, to be killed"
        )

    def _generate(self, run: Run, way: Way, label: str) -> GeneratedWay:
        wav, record = way_of_generating(run, way, self.described, self.experiment.seconds, self.quiet, label)
        return GeneratedWay(
            **way.words(),
            run=run.folder.name,
            wav=wav.relative_to(self.folder).as_posix(),
            iterations=record["iterations"],
            sound=SoundFigures.of(record["sound"]),
            files=self._digests([wav, wav.with_suffix(".json")]),
        )

    def _digests(self, files: Sequence[Path]) -> dict[str, str]:
        return {path.relative_to(self.folder).as_posix(): sha256_of(path) for path in files}

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)
