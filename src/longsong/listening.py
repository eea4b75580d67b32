"""All ways of generating from some runs, beside the song itself, into a folder with a page to listen to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.config import CacheConfig, samples_in
from longsong.errors import ConfigError, NotFiniteError, RunError
from longsong.files import os_errors_named, read_matching, require_writable, sha256_of, write_json
from longsong.generated import generate_into, read_generated
from longsong.generating import GENERATED_SECONDS, Seed
from longsong.judging import Judge
from longsong.listening_ways import WAYS, Way
from longsong.report.listening_page import HeardRun, HeardSound, LeftOut, refuse_other_page, write_listening_page
from longsong.report.sound_figures import figures_in_words
from longsong.report.sound_view import view_sound
from longsong.runs import Run, load_run
from longsong.training.record import read_summary
from longsong.units import human_seconds
from longsong.wav import write_wav

__all__ = ["listen"]

_FOLDER = "listening"
_MADE_FROM, _MADE_FROM_VERSION = "longsong.made-from", 1
_EXCERPT, _EXCERPT_VERSION = "longsong.excerpt", 1
_SONG = "song"


def listen(
    runs: Sequence[Path | str],
    output: Path | None = None,
    seconds: float = GENERATED_SECONDS,
    *,
    shards: Path | str | None = None,
    cache: CacheConfig | None = None,
    quiet: bool = False,
) -> Path:
    """Generate in every way from each run, and write a page that plays all of it side by side.

    What is there already, and whole, is kept; started again after a stop it goes on where it was. The folder can be
    moved or copied as it is.

    Parameters
    ----------
    runs : sequence of path
        Folders of trained runs, with names that differ.
    output : Path or None
        The folder; it need not be there. None for ``listening`` beside the runs.
    seconds : float
        Length of each sound. Where whole sequences are written about that much is, the beginning.
    shards : Path, str or None
        The song's folder or URL; None for that which each run was trained on.
    cache : CacheConfig or None
        Where shards of a URL are kept.
    quiet : bool
        Report no progress.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ConfigError
        No run is given, or two of one name; `seconds` or `output` cannot be.
    RunError
        A run is missing or not trained to its end, or its song is not here.
    SpaceError
        The folder cannot be written to.
    KeyboardInterrupt
        Stopped by the user; the page has the runs that are complete by then.
    """
    loaded = [load_run(run, shards=shards, cache=cache) for run in runs]
    folder = _refuse_unfit(loaded, output, seconds)
    with os_errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    page, heard, titles = folder / "index.html", [], _titles(loaded)
    try:
        for number, run in enumerate(loaded):
            count = f"{number + 1} of {len(loaded)}"
            heard.append(_Listening(run, folder, seconds, titles[number], count, quiet).heard())
            page = write_listening_page(folder, heard, unfinished=len(loaded) - number - 1)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; {folder} keeps every sound that is whole, and the same command makes the others"
        ) from None
    return page


def _refuse_unfit(runs: Sequence[Run], output: Path | None, seconds: float) -> Path:
    """Give the folder to write to, or raise before anything is generated."""
    if not runs:
        raise ConfigError("no run is given; give the folders of one or more trained runs")
    names = [_name(run) for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{names.count(name)} of the runs are called {name}; give runs with different names")
    for run in runs:
        samples_in(seconds, run.record.song["sample_rate"])
    parents = {run.folder.resolve().parent for run in runs}
    if output is None and len(parents) > 1:
        raise ConfigError(f"the runs lie in {len(parents)} folders; say with --output which folder to write")
    folder = output or runs[0].folder.parent / _FOLDER
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"output is {folder}, which is no folder; give another")
    if any((folder / _name(run)).resolve() == run.folder.resolve() for run in runs):
        raise ConfigError(f"output is {folder}, the folder of the runs themselves; give another")
    refuse_other_page(folder)
    require_writable(folder)
    return folder


def _titles(runs: Sequence[Run]) -> list[str]:
    """Give titles that tell runs apart: what they are, and where that is the same their names too."""
    titles = []
    for run in runs:
        record = run.record
        shape = f"{record.data.frame:,} \N{MULTIPLICATION SIGN} {record.data.seq:,}"
        titles.append(f"{shape}, {record.model.cell.upper()} {record.model.hidden}, seed {record.training.seed}")
    return [
        f"{title}, {_name(run)}" if titles.count(title) > 1 else title for title, run in zip(titles, runs, strict=True)
    ]


def _name(run: Run) -> str:
    return run.folder.resolve().name


@dataclass(frozen=True)
class _Listening:
    """One run that is listened to; the fields are as the parameters of `listen`.

    Attributes
    ----------
    title : str
        Of the run, for people.
    count : str
        Which run of how many, for the progress.
    """

    run: Run
    page: Path
    seconds: float
    title: str
    count: str
    quiet: bool

    def heard(self) -> HeardRun:
        """Make what is not there yet, and give all of it."""
        self._begin()
        seed = self.run.song_seed()
        sounds: list[HeardSound] = []
        left_out: list[LeftOut] = []
        for found in (self._song(seed), *(self._way(way, seed) for way in WAYS)):
            if isinstance(found, LeftOut):
                left_out.append(found)
            else:
                sounds.append(found)
        return HeardRun(_name(self.run), self.title, self._facts(seed), sounds, left_out)

    @property
    def _folder(self) -> Path:
        return self.page / _name(self.run)

    def _begin(self) -> None:
        """Make the folder, and forget sounds of a run of that name that was trained anew since."""
        best, digest = self._summary["best"], self.run.record.song["digest"]
        identity = {"parameters_sha256": best["sha256"], "song_digest": digest}
        path = self._folder / "made-from.json"
        with os_errors_named(self._folder):
            self._folder.mkdir(exist_ok=True)
            if read_matching(path, _MADE_FROM, _MADE_FROM_VERSION, identity) is None:
                for name in (_SONG, *(way.name for way in WAYS)):
                    self._wav(name).unlink(missing_ok=True)
                write_json(path, {"format": _MADE_FROM, "version": _MADE_FROM_VERSION, **identity})

    @cached_property
    def _summary(self) -> dict[str, Any]:
        found = read_summary(self.run.folder)
        if found is None:
            raise RunError(f"{self.run.folder} has lost its summary.json since it was loaded; train it again")
        return found

    def _wav(self, name: str) -> Path:
        return self._folder / f"{name}.wav"

    def _song(self, seed: Seed) -> HeardSound | LeftOut:
        """Give the song itself from where the seed ends, for as long as it lasts."""
        title, wav = "the song itself", self._wav(_SONG)
        song = self.run.splits().song
        start = seed.origin["stop"]
        stop = min(start + samples_in(self.seconds, song.sample_rate), len(song))
        if stop == start:
            return LeftOut(title, "it ends where the seed does.")
        wanted = {"song_digest": song.digest, "start": start, "stop": stop, "sample_rate": song.sample_rate}
        record = read_matching(wav.with_suffix(".json"), _EXCERPT, _EXCERPT_VERSION, wanted, wav)
        if record is None:
            samples: NDArray[np.int16] = song[start:stop]
            write_wav(wav, samples, song.sample_rate)
            made = {**wanted, "sound": Judge(self.run, quiet=self.quiet).figures(samples), "sha256": sha256_of(wav)}
            record = {"format": _EXCERPT, "version": _EXCERPT_VERSION, **made}
            write_json(wav.with_suffix(".json"), record)
        split = "dev split" if seed.origin["source"] == "dev" else "song"
        done = f"What the {split} goes on with after the seed: the sound that a perfect network would have to equal."
        return self._sound(wav, title, "", done, record)

    def _way(self, way: Way, seed: Seed) -> HeardSound | LeftOut:
        """Give what is generated in a way; generate it where it is not there."""
        run, wav = self.run, self._wav(way.name)
        how = way.how(self.seconds, len(seed.frames))
        try:
            if "train-seed" in way.as_coded:
                seed = run.seed_for(how)
            asked = run.sounds([seed], how)
        except ConfigError as error:  # the run, or its song, has not what this way needs
            return LeftOut(way.title, f"{error}.")
        wanted = {
            "mode": how.mode,
            "join": how.join,
            "guards": how.guards,
            "as_coded": list(how.as_coded),
            "samples": asked.samples,
            "sample_rate": asked.sample_rate,
            "parameters": run.which,
            "precision": run.precision,
            "seed": seed.origin,
            "stopped": False,
        }
        record = read_generated(wav, wanted)
        if record is None:
            label = f"{_name(run)} ({self.count}): {way.title}"
            if not wav.with_suffix(".json").exists():
                wav.unlink(missing_ok=True)  # without its record: of a process that was killed between the two
            try:
                record = generate_into(run, wav, seed=seed, how=how, quiet=self.quiet, label=label)[1].record
            except NotFiniteError as error:
                return LeftOut(way.title, f"{error}.")
        return self._sound(wav, way.title, way.of, way.in_words(self.seconds, len(seed.frames)), record)

    def _sound(self, wav: Path, title: str, of: str, done: str, record: Mapping[str, Any]) -> HeardSound:
        notes = [str(note) for note in record.get("notes", [])]
        view = view_sound(wav, title=title, page=self.page)
        return HeardSound(view, of, done, figures_in_words(record.get("sound") or {}), notes)

    def _facts(self, seed: Seed) -> list[tuple[str, str]]:
        record, summary = self.run.record, self._summary
        rate, origin = record.song["sample_rate"], seed.origin
        facts = [("song", str(record.song["name"])), ("trained", f"{summary['updates']:,} updates")]
        best, mean = summary["best"]["dev_cost"], summary["cost_of_mean"]
        if best is not None and mean > 0:
            facts.append(("best dev cost over that of predicting the mean", f"{best / mean:.3f}"))
        begins, ends = (f"{origin[end] / rate:,.1f}" for end in ("start", "stop"))
        length = human_seconds((origin["stop"] - origin["start"]) / rate)
        facts.append(
            (
                "seed",
                f"{origin['source']} example {origin['example']}: {length}, from second {begins} to {ends} of the song",
            )
        )
        return facts
