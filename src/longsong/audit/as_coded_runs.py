"""Whether the runs and sounds that ``as_coded.json`` names are what it says of them: nothing of it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from math import isclose
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from longsong.audit.as_coded import AsCoded, GeneratedWay, SoundFigures, TrainedRun, TrainedWay
from longsong.audit.described_costs import DescribedCosts
from longsong.audit.run import Run
from longsong.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from longsong.errors import LongsongError
from longsong.files import sha256_of
from longsong.sound_record import read_sound_record
from longsong.switches import DESCRIBED, FORGET_BIAS, IN_FORCE, TOGETHER, deviations_of

__all__ = ["RUN_FILES", "faults_of"]

_SAME = 1e-9
"""How far a number may be from one that was computed of the same numbers."""
_SAME_COST = 1e-6
"""How far the cost as described may be from the reported one, where data and units are as described."""
_OTHER_DATA = frozenset({"overlap", "mean-shift"})
"""Switches that alter the dev split, or its units."""
RUN_FILES = ("config.json", "metrics.jsonl", "checkpoints/best.safetensors")
"""Of a run, whose digests are on record."""


def faults_of(found: AsCoded) -> Iterator[str]:
    """Give what of the record is not so by the files of its runs, one sentence each, the first found first.

    Held against them are each run's configuration (its switches and no other, the song, the shape, the random seed),
    its costs and seconds by summary and metrics, the digests of its parameters, and the figures of each sound by the
    record beside the wav.
    """
    folder = found.path.parent
    if not found.training or found.training[0].name != DESCRIBED:
        yield f"its first way is not {DESCRIBED!r}, with which all others are compared"
        return
    described: dict[int, Run] = {}
    costs = DescribedCosts(folder)
    for way in found.training:
        if way.switches != (due := _switches(way.name, "training")):
            yield f"{way.name} is {due or 'no switch'}, and it says {way.switches}"
        for one in way.runs:
            due_files = {f"{one.run}/{name}" for name in RUN_FILES} | _sound_files(one.wav)
            yield from _of_files(folder, one.run, one.files, due_files)
            try:
                run = Run.open(folder / _inside(one.run))
                as_described = described.setdefault(one.seed, run)
                faults = chain(
                    _of_run(found, way, one, run, as_described), _of_cost(way, one, run, as_described, costs)
                )
                yield from (f"{one.run}: {fault}" for fault in faults)
                yield from _of_sound(folder, one.wav, [], None, one.sound)
            except LongsongError as error:
                yield f"{one.run}: {error}"
    first = found.training[0].runs[0].run
    for made in found.generating:
        yield from _of_generating(folder, made, first)


def _switches(name: str, stage: Any) -> list[str]:
    """Give what a way of this name has on."""
    every = [str(one.name) for one in deviations_of(stage)]
    if name == TOGETHER:
        return every
    return [name] if name in every else []


def _of_run(found: AsCoded, way: TrainedWay, one: TrainedRun, run: Run, described: Run) -> Iterator[str]:
    """Hold the numbers of one run against its files, and those of the run as described of its seed."""
    for kind in ("metrics", "parameters", "best"):
        if altered := run.altered(kind):
            yield altered
    yield from _of_config(found, way, one, run)
    summary, updates, cost_of_mean = run.summary, run.metrics.updates, described.summary["cost_of_mean"]
    costs = [cost for cost, epoch in run.metrics.evaluations.rows("dev_cost", "epoch") if epoch and cost == cost]
    if not costs or not updates or summary["cost_of_mean"] <= 0 or cost_of_mean <= 0:
        yield f"{len(updates)} updates, {len(costs)} dev costs, and {summary['cost_of_mean']} of predicting the mean"
        return
    due = {
        "dev_cost": min(costs),
        "over_mean": min(costs) / summary["cost_of_mean"],
        "described_over_mean": one.described_cost / cost_of_mean,
        "best_epoch": summary["best"]["epoch"],
        "updates": len(updates),
        "starts": summary["starts"],
        "seconds_per_update": float(np.median(updates.column("seconds"))),
        "parameters_sha256": run.sha256(run.last_parameters),
        "best_sha256": run.sha256(run.best_parameters),
    }
    yield from _unlike({key: getattr(one, key) for key in due}, due)


def _of_cost(way: TrainedWay, one: TrainedRun, run: Run, described: Run, costs: DescribedCosts) -> Iterator[str]:
    """Hold the cost as described against the reported one where data and units are the same; else compute it again."""
    if _OTHER_DATA & set(way.switches):
        yield from costs.faults(one.described_cost, run, described)
    elif not isclose(one.described_cost, one.dev_cost, rel_tol=_SAME_COST):
        yield f"its described_cost is {one.described_cost!r}, and its data are as described: {one.dev_cost!r}"


def _of_config(found: AsCoded, way: TrainedWay, one: TrainedRun, run: Run) -> Iterator[str]:
    """Hold the way and the experiment's configuration against the run's."""
    data, model = DataConfig.from_json(run.config["data"]), ModelConfig.from_json(run.config["model"])
    training = TrainingConfig.from_json(run.config["training"])
    is_on = [str(name) for name in RunConfig(Path(), data, model, training).as_coded]
    stated = {key: found.configuration[key] for key in ("frame", "seq", "batch", "cell", "hidden", "layers", "epochs")}
    forget_bias = FORGET_BIAS if way.name == IN_FORCE else 0.0
    yield from _unlike(
        {**stated, "switches": sorted(way.switches), "seed": one.seed, "forget_bias": forget_bias}
        | {"song": found.song["digest"]},
        {
            "frame": data.frame,
            "seq": data.seq,
            "batch": data.batch,
            "cell": model.cell,
            "hidden": model.hidden,
            "layers": model.layers,
            "epochs": training.epochs,
            "switches": sorted(is_on),
            "seed": training.seed,
            "forget_bias": model.forget_bias,
            "song": run.of("song.digest"),
        },
    )


def _of_generating(folder: Path, made: GeneratedWay, first: str) -> Iterator[str]:
    if made.switches != (due := _switches(made.name, "generating")):
        yield f"{made.name} is {due or 'no switch'}, and it says {made.switches}"
    if made.run != first:
        yield f"{made.name} was generated from {made.run}, and not from {first}"
    yield from _of_files(folder, made.name, made.files, _sound_files(made.wav))
    try:
        yield from _of_sound(folder, made.wav, made.switches, made.iterations, made.sound)
    except LongsongError as error:
        yield f"{made.name}: {error}"


def _of_sound(
    folder: Path, wav: str, switches: list[str], iterations: int | None, sound: SoundFigures
) -> Iterator[str]:
    """Hold the figures of a sound against the record beside its wav."""
    path = folder / _inside(wav)
    record = read_sound_record(path.with_suffix(".json"))
    try:
        figures = SoundFigures.of(record["sound"])
    except (KeyError, TypeError, AttributeError) as error:
        yield f"{wav}: its record has no figures of the sound ({error!r})"
        return
    stated: dict[str, Any] = {"sha256": sha256_of(path), "switches": switches, "sound": sound}
    due: dict[str, Any] = {"sha256": record["sha256"], "switches": record.get("as_coded", []), "sound": figures}
    if iterations is not None:
        stated["iterations"], due["iterations"] = iterations, record["iterations"]
    yield from (f"{wav}: {fault}" for fault in _unlike(stated, due))


def _of_files(folder: Path, name: str, files: Mapping[str, str], due: set[str]) -> Iterator[str]:
    """Name the files that were altered since, and those that are not named."""
    if missing := sorted(due - set(files)):
        yield f"{name}: there is no digest of {missing[0]}"
    for file, digest in files.items():
        try:
            if sha256_of(folder / _inside(file)) != digest:
                yield f"{folder / file} was altered since"
        except LongsongError as error:
            yield str(error)


def _sound_files(wav: str) -> set[str]:
    return {wav, PurePosixPath(wav).with_suffix(".json").as_posix()}


def _unlike(stated: Mapping[str, Any], due: Mapping[str, Any]) -> Iterator[str]:
    """Name the values that are not what they have to be."""
    for key, value in due.items():
        held = stated[key]
        numbers = isinstance(value, float) and isinstance(held, (int, float))
        if not (isclose(held, value, rel_tol=_SAME) if numbers else held == value):
            yield f"it says {key} is {held!r}, and its files have {value!r}"


def _inside(name: str) -> str:
    """Give a path back; raise unless it stays in the folder that it is from."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise LongsongError(f"it names {name!r}, which is not in its folder")
    return name
