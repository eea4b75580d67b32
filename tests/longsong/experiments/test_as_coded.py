"""The experiment of the 2016 code's ways, with a tiny network: its runs, its numbers, and how it goes on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from run_folders import edit
from small_song import tune, write_shards
from training_runs import CPU, final_bytes, metrics_without_times

import longsong
from longsong.audit.as_coded_file import load_as_coded, write_as_coded
from longsong.audit.checks_code_training import (
    example_counts,
    forget_bias,
    mean_subtracted,
    overlap,
    recurrence_axis,
)
from longsong.audit.checks_resuming import resuming
from longsong.audit.evidence import Evidence
from longsong.audit.verdicts import Verdict
from longsong.cli import main
from longsong.config import Switch, TrainingSwitch
from longsong.errors import BusyError, ConfigError, RunError
from longsong.experiments import as_coded
from longsong.experiments.as_coded import measure_as_coded, shards_of
from longsong.experiments.as_coded_ways import Experiment, ways_of_training
from longsong.experiments.described_cost import described_cost
from longsong.files import write_json
from longsong.training.record import read_record, read_summary
from longsong.training.run_lock import only_here

SMALL = Experiment(frame=20, seq=5, hidden=8, epochs=2, seconds=0.02, execution=CPU)
WAYS = ["described", *get_args(TrainingSwitch), "forget-bias-in-force", "all"]


class PowerCutError(Exception):
    """Stands for a kill: nothing in memory outlives it."""


def killed_here(config, epochs, **_):
    """Do what `train_until_killed` does, without the seconds that a process takes."""

    def cut(epoch):
        if epoch == epochs:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        longsong.train(config, quiet=True, on_epoch=cut)


def no_measurement(monkeypatch):
    """Leave out the seconds that it takes to know how long it will take."""
    expected = type("Expected", (), {"training": lambda self, way: 1.0, "generating": lambda self, way: 1.0})
    monkeypatch.setattr(as_coded, "expected_seconds", lambda *_: expected())


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    root = tmp_path_factory.mktemp("experiment")
    shards = write_shards(root / "shards" / "tune", tune(31_600) + 500)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(as_coded, "train_until_killed", killed_here)
        no_measurement(patch)
        return measure_as_coded(root / "runs", SMALL, shards=shards, command=["longsong", "audit"], quiet=True)


@pytest.fixture
def patched(monkeypatch):
    monkeypatch.setattr(as_coded, "train_until_killed", killed_here)
    no_measurement(monkeypatch)


def runs_of(measured, way):
    return [measured.path.parent / run.run for run in measured.trained(way).runs]


def shards_in(measured):
    return read_record(runs_of(measured, "described")[0]).song["shards"]


def again(measured, **options):
    return measure_as_coded(measured.path.parents[2], SMALL, shards=Path(shards_in(measured)), quiet=True, **options)


def test_every_way_is_a_run_of_its_own_with_each_seed(measured):
    assert [way.name for way in measured.training] == WAYS
    assert [way.name for way in measured.generating] == ["described", *get_args(Switch), "all"]
    for way in measured.training:
        due = get_args(TrainingSwitch) if way.name == "all" else [way.name] if way.name in WAYS[1:6] else []
        assert way.switches == list(due)
        for seed, (run, folder) in enumerate(zip(way.runs, runs_of(measured, way.name), strict=True), 1):
            record, summary = read_record(folder), read_summary(folder)
            config = longsong.RunConfig(Path(), record.data, record.model, record.training)
            assert config.as_coded == tuple(due)
            assert record.model.forget_bias == (1.0 if way.name == "forget-bias-in-force" else 0.0)
            assert (record.training.seed, summary["epochs"]) == (seed, 2)
            assert summary["starts"] == (2 if "bare-resume" in due else 1)
            assert run.dev_cost == summary["best"]["dev_cost"]
            assert run.over_mean == run.dev_cost / summary["cost_of_mean"]
            assert (measured.path.parent / run.wav).exists()
    assert load_as_coded(measured.path) == measured


def test_each_way_changes_what_it_should(measured):
    described = runs_of(measured, "described")
    for name in WAYS[1:]:
        same = [
            final_bytes(one) == final_bytes(other)
            for one, other in zip(runs_of(measured, name), described, strict=True)
        ]
        assert same == [name == "forget-bias"] * 3
    assert measured.forget_bias_changes_nothing
    half = len(metrics_without_times(described[0])) // 2
    for one, other in zip(runs_of(measured, "bare-resume"), described, strict=True):
        assert metrics_without_times(one)[:half] == metrics_without_times(other)[:half]


def test_costs_are_taken_on_one_dev_split_too(measured):
    for name in WAYS:
        for run in measured.trained(name).runs:
            if name in ("described", "recurrence", "bare-resume", "forget-bias", "forget-bias-in-force"):
                assert run.described_cost == run.dev_cost  # to the last bit: the same examples in the same order
                assert run.described_over_mean == run.over_mean
            elif name == "mean-shift":  # one offset is as good as another, but for rounding
                assert run.described_cost == pytest.approx(run.dev_cost, rel=1e-5)
            else:
                assert run.described_cost != pytest.approx(run.dev_cost, rel=1e-3)


@pytest.mark.parametrize("name", ["overlap", "mean-shift", "all"])
def test_a_cost_as_described_that_is_not_its_parameters_is_named(measured, tmp_path, name):
    folder = shutil.copytree(measured.path.parent, tmp_path / "runs" / "as-coded" / "SHAPE")
    found = load_as_coded(folder / measured.path.name)

    def better(run):
        cost = run.described_cost * 0.99
        return replace(run, described_cost=cost, described_over_mean=run.described_over_mean * 0.99)

    ways = [replace(way, runs=[*map(better, way.runs)]) if way.name == name else way for way in found.training]
    write_as_coded(replace(found, training=ways))
    with pytest.raises(RunError, match=f"{name}-s1: its described_cost is .*, and its parameters give"):
        load_as_coded(found.path)
    shutil.move(shards_in(measured), tmp_path / "away")
    try:
        assert load_as_coded(found.path).training == ways  # believed: the song is not here
    finally:
        shutil.move(tmp_path / "away", shards_in(measured))


def test_the_cost_as_described_is_brought_to_the_scale_as_described(measured, tmp_path):
    folder = runs_of(measured, "described")[0]
    run, described = longsong.load_run(folder), longsong.load_run(folder).splits()
    song = dict(run.record.song)
    # The same function on samples that are half as large: its weights in twice as large, those out half.
    named = run.network.named(run.parameters.clone())
    named["input_to_hidden.W"] *= 2
    named["hidden_to_output.W"] /= 2
    named["hidden_to_output.b"] /= 2
    song |= {"scale": song["scale"] / 2, "offset": song["offset"] / 2}
    halved = replace(run, record=replace(run.record, song=song), parameters=run.network.flat(named))
    assert described_cost(halved, described) == pytest.approx(described_cost(run, described), rel=1e-5)


def test_sounds_are_of_one_length_and_from_one_seed(measured):
    records = {}
    for way in measured.generating:
        wav = measured.path.parent / way.wav
        records[way.name] = json.loads(wav.with_suffix(".json").read_text())
        due = list(get_args(Switch)) if way.name == "all" else [] if way.name == "described" else [way.name]
        assert records[way.name]["as_coded"] == way.switches == due
        assert records[way.name]["seed"]["source"] == ("train" if "train-seed" in due else "dev")
    described = records["described"]
    assert {record["samples"] for record in records.values()} <= {320, 400}  # whole sequences end with a sequence
    starts = {record["seed"]["start"] for record in records.values() if record["seed"]["source"] == "dev"}
    assert starts == {described["seed"]["start"]}
    for way in measured.training:
        for folder in runs_of(measured, way.name):
            made = [json.loads(path.read_text()) for path in folder.glob("generated*.json")]
            assert described["seed"] in [record["seed"] for record in made]


@pytest.mark.usefixtures("patched")
def test_what_is_done_is_not_done_again(measured, monkeypatch):
    def stamps():
        return {path: path.stat().st_mtime_ns for path in measured.path.parent.rglob("*") if path != measured.path}

    before = stamps()
    monkeypatch.setattr(as_coded, "train_until_killed", None)
    found = again(measured)
    assert {path for path, stamp in stamps().items() if path.is_file() and stamp != before.get(path)} == set()
    assert (found.training, found.generating) == (measured.training, measured.generating)


@pytest.mark.usefixtures("patched")
def test_it_goes_on_where_it_was_stopped(measured, tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    shutil.copytree(measured.path.parents[1], runs / "as-coded")
    folder = runs / "as-coded" / measured.path.parent.name
    for name in ("all-s2", "bare-resume-s3", "described-s1"):
        shutil.rmtree(folder / name)
    (folder / "as_coded.json").unlink()

    # Stopped once before the kill and once after it: neither may count as the kill.
    def stopped(config, epochs, **_):
        killed_here(config, epochs)
        raise KeyboardInterrupt

    monkeypatch.setattr(as_coded, "train_until_killed", stopped)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            measure_as_coded(runs, SMALL, shards=Path(shards_in(measured)), quiet=True)
    monkeypatch.setattr(as_coded, "train_until_killed", killed_here)
    found = measure_as_coded(runs, SMALL, shards=Path(shards_in(measured)), quiet=True)
    for way, before in zip(found.training, measured.training, strict=True):
        for run, other in zip(way.runs, before.runs, strict=True):
            assert (run.parameters_sha256, run.dev_cost, run.described_cost) == (
                other.parameters_sha256,
                other.dev_cost,
                other.described_cost,
            )
            assert run.sound == other.sound


@pytest.mark.usefixtures("patched")
def test_an_experiment_that_another_process_makes_is_left_alone(measured, tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    shutil.copytree(measured.path.parents[1], runs / "as-coded")
    folder = runs / "as-coded" / measured.path.parent.name
    monkeypatch.setattr(as_coded, "train", lambda *_, **__: pytest.fail("trained"))
    with only_here(folder), pytest.raises(BusyError, match=f"another process makes the experiment in {folder}"):
        measure_as_coded(runs, SMALL, shards=Path(shards_in(measured)), quiet=True)


@pytest.mark.usefixtures("patched")
def test_a_run_that_another_process_trains_is_not_removed(measured, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(measured.path.parents[1], runs / "as-coded")
    run = runs / "as-coded" / measured.path.parent.name / "bare-resume-s1"
    (run / "summary.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with only_here(run), pytest.raises(BusyError, match="bare-resume-s1 is being trained by another process"):
        measure_as_coded(runs, SMALL, shards=Path(shards_in(measured)), quiet=True)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.usefixtures("patched")
def test_a_run_that_was_stopped_elsewhere_is_no_kill_in_the_middle(measured, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(measured.path.parents[1], runs / "as-coded")
    path = runs / "as-coded" / measured.path.parent.name / "bare-resume-s1" / "summary.json"
    edit(path, starts=3)
    with pytest.raises(RunError, match="bare-resume-s1 was started 3 times"):
        measure_as_coded(runs, SMALL, shards=Path(shards_in(measured)), quiet=True)


def test_the_audit_sees_each_switch_in_the_runs(measured):
    evidence = Evidence.load(measured.path.parent)

    def one(run):
        return replace(evidence, runs=(run,))

    def ways(check, verdict):
        return {run.name.rpartition("-s")[0] for run in evidence.complete if check(one(run)).verdict is verdict}

    assert ways(recurrence_axis, Verdict.REPRODUCED) == {"recurrence", "all"}
    assert ways(overlap, Verdict.DIFFERS) == {"overlap", "all"}
    assert ways(resuming, Verdict.REPRODUCED) == {"bare-resume", "all"}
    assert ways(mean_subtracted, Verdict.REPRODUCED) == {"mean-shift", "all"}
    assert ways(forget_bias, Verdict.DIFFERS) == {"forget-bias-in-force"}
    assert ways(example_counts, Verdict.DIFFERS) == set(WAYS)  # from 2016: all are counted rightly
    (run,) = (run for run in evidence.complete if run.name == "overlap-s1")
    dev = run.of("data.dev_examples")
    assert f"{dev} of {dev} dev examples share train audio" in overlap(one(run)).text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"seeds": 2}, "seeds is 2"),
        ({"epochs": 1}, "epochs is 1"),
        ({"seconds": 0.0}, "seconds must be greater than 0"),
        ({"frame": 5, "seq": 5}, "no half"),
        ({"cell": "gpu"}, "cell must be one of"),
    ],
)
def test_experiments_that_cannot_be_are_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        Experiment(**settings)


def test_an_rnn_has_no_forget_bias_that_works():
    assert "forget-bias-in-force" not in {way.name for way in ways_of_training("rnn")}
    assert Experiment(cell="rnn").cell == "rnn"


def test_the_song_is_that_of_the_runs(measured, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    with pytest.raises(RunError, match="holds no run whose song could be taken"):
        shards_of(runs)
    shutil.copytree(runs_of(measured, "described")[0], runs / "one")
    assert shards_of(runs) == Path(shards_in(measured))
    shutil.copytree(runs / "one", runs / "two")
    config = json.loads((runs / "two" / "config.json").read_text())
    config["song"] |= {"digest": "0" * 64, "name": "another"}
    write_json(runs / "two" / "config.json", config, sealed=True)
    with pytest.raises(ConfigError, match=r"2 songs \(another, tune\)"):
        shards_of(runs)
    for name in ("one", "two"):
        config["song"]["shards"] = "nowhere/else"
        write_json(runs / name / "config.json", config, sealed=True)
    with pytest.raises(RunError, match="nowhere/else, are not here"):
        shards_of(runs)


def test_a_song_without_a_dev_example_is_refused(measured, tmp_path):
    with pytest.raises(ConfigError, match="holds no example of 100x100"):
        measure_as_coded(tmp_path, Experiment(frame=100, seq=100), shards=Path(shards_in(measured)), quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_options_without_the_experiment_are_refused(measured, capsys):
    assert main(["audit", str(measured.path.parent), "--hidden", "10"]) == 2
    assert "hidden is 10, which is of --as-coded alone" in capsys.readouterr().err


@pytest.mark.usefixtures("patched")
def test_the_command_prints_the_tables(measured, capsys):
    words = "--frame 20 --seq 5 --hidden 8 --epochs 2 --seconds 0.02 --device cpu --threads 1 --as-coded --shards"
    assert main(["audit", str(measured.path.parents[2]), *words.split(), str(shards_in(measured))]) == 0
    said = capsys.readouterr()
    for name in (*WAYS, *get_args(Switch)):
        assert name in said.out
    assert "every seed gives the very same bytes" in " ".join(said.out.split())
    assert "24 runs, 0 of them left" in said.err
