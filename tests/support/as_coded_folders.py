"""Experiments on the 2016 code's ways as `longsong audit RUNS --as-coded` leaves them, made without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from run_folders import Spec, dump, edit, edit_metrics, read, write_run, write_song

from longsong.audit.as_coded import AsCoded, GeneratedWay, SoundFigures, TrainedRun, TrainedWay
from longsong.audit.as_coded_file import AS_CODED_FILE, write_as_coded
from longsong.files import sha256_of
from longsong.switches import FORGET_BIAS

SOUND = SoundFigures(-20.0, 0.1, 0.0, None, 1.5, 8.0, 90.0)
IDS = {"recurrence": ["D01"], "forget-bias": ["D06"]}
SPEC = Spec(40, 50, hidden=9, epochs=3)
_COURSE = {1: 2.0, 2: 1.0, 3: 1.5}  # dev costs over the lowest, by epoch


def write_experiment(folder: Path, costs: Mapping[str, Sequence[float]], silent: tuple[str, ...] = ()) -> AsCoded:
    """Write runs of each way and seed, a sound that was stretched, and ``as_coded.json``.

    Parameters
    ----------
    folder : Path
    costs : mapping of str to sequence of float
        For each way, as described first, the lowest dev costs over predicting the mean, by seed.
    silent : tuple of str
        Runs whose sound has no level.
    """
    shards = folder / "song" / "tones"
    if not shards.exists():
        write_song(shards, seconds=6.0)
    training = []
    for name, over_mean in costs.items():
        switches = [] if name == "described" else [name]
        runs = [_run(folder, shards, name, seed, over, silent) for seed, over in enumerate(over_mean, 1)]
        training.append(TrainedWay(name, switches, IDS.get(name, []), f"does {name}", runs))
    run = folder / "described-s1"
    (run / "stretched.wav").write_bytes((run / "generated.wav").read_bytes())
    record = read(run / "generated.json") | {"as_coded": ["stretch"], "iterations": 7}
    dump(run / "stretched.json", record)
    wav = "described-s1/stretched.wav"
    files = _digests(folder, [wav, "described-s1/stretched.json"])
    stretch = GeneratedWay("stretch", ["stretch"], ["D13"], "stretches", run.name, wav, 7, SOUND, files)
    config = read(run / "config.json")
    shape = {"frame": 40, "seq": 50, "cell": "gru", "hidden": 9, "layers": 2, "epochs": 3, "batch": 128, "seeds": 3}
    found = AsCoded(
        path=folder / AS_CODED_FILE,
        command=["longsong", "audit"],
        ended="2026-01-01T00:00:00+00:00",
        song=config["song"],
        configuration=shape | {"seconds": 1.0},
        machine={"device_name": "2 cores", "torch": "2", "precision": "float32", "threads": 2},
        training=training,
        generating=[stretch],
    )
    write_as_coded(found)
    return found


def _run(folder: Path, shards: Path, way: str, seed: int, over_mean: float, silent: tuple[str, ...]) -> TrainedRun:
    recurrence = "batch" if way == "recurrence" else "time"
    run = write_run(folder, shards, replace(SPEC, seed=seed, recurrence=recurrence)).rename(folder / f"{way}-s{seed}")
    if way == "forget-bias":
        edit(run / "config.json", model__named_forget_bias=FORGET_BIAS)
    cost = over_mean * read(run / "summary.json")["cost_of_mean"]

    def line(one: dict[str, Any]) -> dict[str, Any]:
        if one["kind"] == "update":
            return one | {"seconds": 0.1 * seed}
        return one | {"dev_cost": _COURSE.get(one["epoch"], 9.0) * cost}

    edit_metrics(run, line)
    edit(run / "summary.json", best__epoch=2, best__dev_cost=cost, seconds_per_update=0.1 * seed)
    sound = replace(SOUND, rms_dbfs=None) if run.name in silent else SOUND
    edit(run / "generated.json", sound=_all_figures(sound), as_coded=[])
    summary = read(run / "summary.json")
    names = ("config.json", "metrics.jsonl", "checkpoints/best.safetensors", "generated.wav", "generated.json")
    return TrainedRun(
        seed=seed,
        run=run.name,
        dev_cost=cost,
        over_mean=cost / summary["cost_of_mean"],
        described_cost=cost,
        described_over_mean=cost / summary["cost_of_mean"],
        best_epoch=2,
        updates=summary["updates"],
        starts=summary["starts"],
        seconds_per_update=0.1 * seed,
        parameters_sha256=summary["parameters_sha256"],
        best_sha256=summary["best"]["sha256"],
        wav=f"{run.name}/generated.wav",
        sound=sound,
        files=_digests(folder, [f"{run.name}/{name}" for name in names]),
    )


def _all_figures(sound: SoundFigures) -> dict[str, Any]:
    """Give the figures of a sound as ``generated.json`` has them, as far as the experiment takes them."""
    held = asdict(sound)
    return {
        "levels": {key: held[key] for key in ("rms_dbfs", "clipped_share", "quiet_share")},
        "collapse": None,
        "borders": {"step_ratio": held["border_step_ratio"]},
        "spectrum": {"log_spectral_distance": held["spectral_distance"], "frechet_log_mel": held["frechet_log_mel"]},
    }


def _digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in names}
