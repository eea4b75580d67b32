"""Lies in records of experiments, every digest in them made to fit: ``as_coded.json``, ``curves-2016.json``, P09."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit_lies import Scene, lie
from run_folders import Spec, comparison, dump, edit, edit_metrics, read, write_run

from longsong.audit.as_coded import AsCoded, TrainedRun
from longsong.audit.curves_record import count_examples
from longsong.audit.original_song import ORIGINAL_SONG
from longsong.files import sha256_of


@dataclass(frozen=True)
class RecordLie:
    """One lie.

    Attributes
    ----------
    name : str
    tell : callable
        Gives the record that is to be written instead of a good one; files of its runs may be altered on the way.
    says : str
        A pattern of what the reader says of it.
    """

    name: str
    tell: Callable[[Any], Any]
    says: str

    def __str__(self) -> str:
        return self.name


AS_CODED_LIES: list[RecordLie] = []
CURVES_LIES: list[RecordLie] = []


def _enter(lies: list[RecordLie], says: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def enter(tell: Callable[[Any], Any]) -> Callable[[Any], Any]:
        lies.append(RecordLie(tell.__name__.replace("_", " "), tell, says))
        return tell

    return enter


def _with_runs(found: AsCoded, way: str, change: Callable[[TrainedRun], TrainedRun]) -> AsCoded:
    """Give the record with each run of a way changed."""
    return replace(
        found,
        training=[
            replace(one, runs=[change(run) for run in one.runs]) if one.name == way else one for one in found.training
        ],
    )


def _said(**values: Any) -> Callable[[AsCoded], AsCoded]:
    return lambda found: _with_runs(found, "recurrence", lambda run: replace(run, **values))


for _name, _values in {
    "parameters_sha256": {"parameters_sha256": "0" * 64},
    "best_sha256": {"best_sha256": "0" * 64},
    "over_mean": {"over_mean": 0.1},
    "described_over_mean": {"described_over_mean": 0.1},
    "seconds_per_update": {"seconds_per_update": 1e-9},
    "best_epoch": {"best_epoch": 3},
    "updates": {"updates": 1},
    "starts": {"starts": 7},
}.items():
    AS_CODED_LIES.append(RecordLie(f"{_name} of a run", _said(**_values), f"says {_name} is|no .*{_name}"))


@_enter(AS_CODED_LIES, "says seed is 2, and its files have 1")
def seeds_that_are_exchanged(found: AsCoded) -> AsCoded:
    return _with_runs(found, "recurrence", lambda run: replace(run, seed={1: 2, 2: 1}.get(run.seed, run.seed)))


@_enter(AS_CODED_LIES, "its described_cost is 0.0001, and its data are as described")
def cost_as_described_with_its_ratio(found: AsCoded) -> AsCoded:
    def change(run: TrainedRun) -> TrainedRun:
        return replace(run, described_cost=1e-4, described_over_mean=1e-4 * run.over_mean / run.dev_cost)

    return _with_runs(found, "recurrence", change)


@_enter(AS_CODED_LIES, r"says switches is \['recurrence'\], and its files have \[\]")
def runs_as_described_passed_off_as_another_way(found: AsCoded) -> AsCoded:
    described, recurrence, *others = found.training
    return replace(found, training=[described, replace(recurrence, runs=described.runs), *others])


@_enter(AS_CODED_LIES, r"recurrence is \['recurrence'\], and it says \[\]")
def switch_left_out(found: AsCoded) -> AsCoded:
    described, recurrence, *others = found.training
    return replace(found, training=[described, replace(recurrence, switches=[]), *others])


@_enter(AS_CODED_LIES, r"says switches is \['forget-bias'\], and its files have \['forget-bias', 'mean-shift'\]")
def one_switch_more_in_a_run(found: AsCoded) -> AsCoded:
    folder = found.path.parent
    edit(folder / "forget-bias-s2" / "config.json", data__mean_shift=True)
    name = "forget-bias-s2/config.json"

    def change(run: TrainedRun) -> TrainedRun:
        return replace(run, files=run.files | {name: sha256_of(folder / name)}) if run.seed == 2 else run

    return _with_runs(found, "forget-bias", change)


@_enter(AS_CODED_LIES, "recurrence-s1: cell must be one of gru, lstm, rnn, not 'foo'")
def a_cell_that_is_no_cell(found: AsCoded) -> AsCoded:
    folder = found.path.parent
    edit(folder / "recurrence-s1" / "config.json", model__cell="foo")
    name = "recurrence-s1/config.json"

    def change(run: TrainedRun) -> TrainedRun:
        return replace(run, files=run.files | {name: sha256_of(folder / name)}) if run.seed == 1 else run

    return _with_runs(found, "recurrence", change)


@_enter(AS_CODED_LIES, "says hidden is 200, and its files have 9")
def another_width(found: AsCoded) -> AsCoded:
    return replace(found, configuration=found.configuration | {"hidden": 200})


@_enter(AS_CODED_LIES, "says song is 'cd")
def another_song(found: AsCoded) -> AsCoded:
    return replace(found, song=found.song | {"digest": "cd" * 32})


@_enter(AS_CODED_LIES, "there is no digest of recurrence-s1/checkpoints/best.safetensors")
def file_that_is_not_named(found: AsCoded) -> AsCoded:
    def change(run: TrainedRun) -> TrainedRun:
        return replace(run, files={name: of for name, of in run.files.items() if "best" not in name})

    return _with_runs(found, "recurrence", change)


@_enter(AS_CODED_LIES, "which is not in its folder")
def file_outside_of_the_folder(found: AsCoded) -> AsCoded:
    return _with_runs(found, "recurrence", lambda run: replace(run, files=run.files | {"../../x": "0" * 64}))


@_enter(AS_CODED_LIES, "it says sound is")
def figures_of_a_sound(found: AsCoded) -> AsCoded:
    return _with_runs(found, "recurrence", lambda run: replace(run, sound=replace(run.sound, clipped_share=0.9)))


@_enter(AS_CODED_LIES, "says seconds_per_update is")
def seconds_in_record_and_summary(found: AsCoded) -> AsCoded:
    for run in (1, 2, 3):
        edit(found.path.parent / f"recurrence-s{run}" / "summary.json", seconds_per_update=1e-9)
    return _said(seconds_per_update=1e-9)(found)


@_enter(AS_CODED_LIES, "says dev_cost is")
def dev_cost_in_record_and_summary(found: AsCoded) -> AsCoded:
    folder = found.path.parent
    for run in (1, 2, 3):
        edit(folder / f"recurrence-s{run}" / "summary.json", best__dev_cost=1e-9)

    def change(run: TrainedRun) -> TrainedRun:
        of = run.over_mean / run.dev_cost
        return replace(run, dev_cost=1e-9, over_mean=1e-9 * of, described_cost=1e-9, described_over_mean=1e-9 * of)

    return _with_runs(found, "recurrence", change)


@_enter(AS_CODED_LIES, "says iterations is 70, and its files have 7")
def iterations_of_a_sound(found: AsCoded) -> AsCoded:
    (stretch,) = found.generating
    return replace(found, generating=[replace(stretch, iterations=70)])


@_enter(AS_CODED_LIES, r"says switches is \['untrained'\], and its files have \['stretch'\]")
def way_of_a_sound(found: AsCoded) -> AsCoded:
    (stretch,) = found.generating
    return replace(found, generating=[replace(stretch, name="untrained", switches=["untrained"])])


@_enter(AS_CODED_LIES, "was generated from described-s2, and not from described-s1")
def run_of_a_sound(found: AsCoded) -> AsCoded:
    (stretch,) = found.generating
    return replace(found, generating=[replace(stretch, run="described-s2")])


CURVES_RUN = "20x5-gru-8-s1-as-coded-recurrence"


def _edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change ``curves-2016.json``."""
    found = read(path)
    change(found)
    dump(path, found)


def _metrics_fit(path: Path) -> None:
    """Put the digest of the metrics on record again."""

    def change(found: dict[str, Any]) -> None:
        for run in found["shapes"][0]["runs"]:
            run["metrics_sha256"] = sha256_of(path.parent / run["folder"] / "metrics.jsonl")

    _edited(path, change)


@_enter(CURVES_LIES, "it says 'This is the song of 2016.', and by the statistics it names")
def the_song_of_2016(path: Path) -> None:
    _edited(path, lambda found: found.update(is_original=True, recognised="This is the song of 2016."))


@_enter(CURVES_LIES, "its song.samples is 31600, and 174224000 by the record")
def statistics_of_the_song_of_2016(path: Path) -> None:
    song = ORIGINAL_SONG
    train, dev = count_examples(20, 5, song.samples, song.train_samples)

    def change(found: dict[str, Any]) -> None:
        found["song"] |= {"samples": song.samples, "minimum": song.minimum, "maximum": song.maximum}
        known = song.recognise(song.sample_rate, song.samples, song.minimum, song.maximum)
        found |= {"is_original": True, "recognised": known.text}
        found["shapes"][0] |= _counted(train, dev)

    _edited(path, change)


@_enter(CURVES_LIES, "its song in .* has samples 31600, and 31700 by the record")
def length_of_the_song_in_record_and_runs(path: Path) -> None:
    longer = 31_700
    counts = _counted(*count_examples(20, 5, longer))

    def change(found: dict[str, Any]) -> None:
        song = found["song"]
        song["samples"] = longer
        known = ORIGINAL_SONG.recognise(song["sample_rate"], longer, song["minimum"], song["maximum"])
        found["recognised"] = known.text
        found["shapes"][0] |= counts

    _edited(path, change)
    for run in path.parent.glob("*/config.json"):
        edit(run, song__samples=longer, **{f"data__{key}": value for key, value in counts.items()})


def _counted(train: int, dev: int) -> dict[str, int]:
    return {"train_examples": train, "dev_examples": dev, "updates_per_epoch": -(-train // 128)}


@_enter(CURVES_LIES, "20x5 has dev_examples 24, and the song's length gives 25")
def number_of_dev_examples(path: Path) -> None:
    _edited(path, lambda found: found["shapes"][0].update(dev_examples=24))


@_enter(CURVES_LIES, "20x5 has updates_per_epoch 4, and the song's length gives 3")
def updates_of_an_epoch(path: Path) -> None:
    _edited(path, lambda found: found["shapes"][0].update(updates_per_epoch=4))


@_enter(CURVES_LIES, "its model.recurrence is 'batch', and 'time' by the record")
def ways_that_are_exchanged(path: Path) -> None:
    def change(found: dict[str, Any]) -> None:
        one, other = found["shapes"][0]["runs"]
        one["way"], other["way"] = other["way"], one["way"]
        found["shapes"][0]["runs"] = [other, one]

    _edited(path, change)


@_enter(CURVES_LIES, "its model.recurrence is 'batch', and None by the record")
def a_way_of_no_name(path: Path) -> None:
    _edited(path, lambda found: found["shapes"][0]["runs"][1].update(way="as it pleases"))


@_enter(CURVES_LIES, "it is recurrence, mean-shift, and as coded by the record")
def one_switch_more(path: Path) -> None:
    edit(path.parent / CURVES_RUN / "config.json", data__mean_shift=True)


@_enter(CURVES_LIES, "cell must be one of gru, lstm, rnn, not 'foo'")
def a_cell_that_is_none(path: Path) -> None:
    edit(path.parent / CURVES_RUN / "config.json", model__cell="foo")


@_enter(CURVES_LIES, "its training.start_from is 'x', and None by the record")
def a_run_that_began_elsewhere(path: Path) -> None:
    edit(path.parent / CURVES_RUN / "config.json", training__start_from="x")


@_enter(CURVES_LIES, "it has 4 evaluations, where 5 are due")
def a_dev_cost_left_out(path: Path) -> None:
    edit_metrics(path.parent / CURVES_RUN, lambda one: None if (one["kind"], one["epoch"]) == ("dev", 2) else one)
    _metrics_fit(path)


@_enter(CURVES_LIES, "it has 11 updates, and 12 in 4 epochs are due")
def an_update_left_out(path: Path) -> None:
    def change(one: dict[str, Any]) -> dict[str, Any] | None:
        return None if (one["kind"], one["update"]) == ("update", 5) else one

    edit_metrics(path.parent / CURVES_RUN, change)
    _metrics_fit(path)


@_enter(CURVES_LIES, "predicting the mean of its train split is said to cost 9, computed again 0")
def cost_of_the_mean_of_the_train_split(path: Path) -> None:
    _edited(path, lambda found: found["shapes"][0]["runs"][1].update(train_cost_of_mean=9.0))


@_enter(CURVES_LIES, "predicting the mean of its dev split is said to cost 9, computed again 0")
def cost_of_the_mean_of_the_dev_split(path: Path) -> None:
    edit(path.parent / CURVES_RUN / "summary.json", cost_of_mean=9.0)


def _of(cell: str, seed: int) -> Spec:
    return next(one for one in comparison() if (one.cell, one.seed) == (cell, seed))


@lie(
    "P09",
    dict.fromkeys(("P08", "P09"), "no evidence yet"),
    base="compared",
    says="nor would they tell a difference of 5%",
)
def an_interval_that_is_wide(scene: Scene) -> None:
    for seed, wide in ((1, 0.8), (3, 1.2)):
        spec = _of("lstm", seed)
        shutil.rmtree(scene.runs / spec.name)
        write_run(scene.runs, scene.song, replace(spec, aim=spec.aim * wide))


@lie(
    "P09",
    dict.fromkeys(("P08", "P09"), "differs"),
    base="compared",
    says="are 2 runs of the LSTM with random seed 2 in one configuration",
)
def two_runs_of_one_cell_and_seed(scene: Scene) -> None:
    write_run(scene.tmp, scene.song, replace(_of("lstm", 2), aim=0.6)).rename(scene.runs / "better")
