"""The switches: each is named once, explained where it is looked for, and changes one thing."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest

from longsong.cli import main
from longsong.config import DataConfig, ModelConfig, RunConfig, Switch, TrainingConfig, TrainingSwitch
from longsong.errors import ConfigError
from longsong.listening_ways import WAYS
from longsong.switches import DEVIATIONS, deviations_of, format_switches, switch_on

CONFIG = RunConfig(Path("song"), DataConfig(100, 50))
CHANGES = {
    "recurrence": {"model.recurrence": "batch"},
    "overlap": {"data.example_shift": 2500},
    "bare-resume": {"training.bare_resume": True},
    "mean-shift": {"data.mean_shift": True},
    "forget-bias": {"model.named_forget_bias": 1.0},
}


def values(config):
    return {
        f"{part}.{key}": value
        for part in ("data", "model", "training", "execution")
        for key, value in getattr(config, part).to_json().items()
    }


def test_every_switch_is_explained_once():
    names = [one.name for one in DEVIATIONS]
    assert sorted(names) == sorted((*get_args(TrainingSwitch), *get_args(Switch)))
    assert {one.name for one in deviations_of("training")} == set(get_args(TrainingSwitch))
    assert len({one.id for one in DEVIATIONS}) == len(DEVIATIONS) == len({one.does for one in DEVIATIONS})
    explained = {way.name: (way.of, way.done.split(": ", 1)[1]) for way in WAYS if way.as_coded}
    assert explained == {one.name: (one.id, f"{one.does}.") for one in deviations_of("generating")}


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_a_switch_changes_one_setting_and_nothing_else(count):
    before = values(CONFIG)
    for names in combinations(CHANGES, count):
        found = switch_on(CONFIG, names)
        due = {key: value for name in names for key, value in CHANGES[name].items()}
        assert {key: value for key, value in values(found).items() if value != before[key]} == due
        assert found.as_coded == names
        assert found.name == "-".join(["100x50-gru-199-s1", *(["as-coded", *names] if names else [])])


def test_what_is_on_stays_on():
    both = switch_on(switch_on(CONFIG, ["recurrence"]), ["mean-shift"])
    assert both.as_coded == ("recurrence", "mean-shift")


@pytest.mark.parametrize(
    ("config", "names", "named"),
    [
        (CONFIG, ["stretch"], "as-coded must be one of recurrence, .*, not 'stretch'"),
        (replace(CONFIG, data=DataConfig(5, 5)), ["overlap"], "5 x 5 samples have no half"),
        (replace(CONFIG, data=DataConfig(4, 5, normalise="stdev")), ["mean-shift"], "normalise is 'stdev'"),
    ],
)
def test_what_cannot_be_switched_on_is_refused(config, names, named):
    with pytest.raises(ConfigError, match=named):
        switch_on(config, names)


@pytest.mark.parametrize("width", [60, 100])
def test_the_table_explains_all_within_its_columns(width):
    table = format_switches(width)
    assert max(map(len, table.splitlines())) <= width
    words = " ".join(table.split())
    for one in DEVIATIONS:
        assert f"{one.name} {one.id} {one.does}" in words


def test_the_commands_say_the_same(capsys):
    assert main(["as-coded", "--list"]) == 0
    listed = capsys.readouterr().out
    helps = {}
    for command in ("train", "generate"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        helps[command] = " ".join(capsys.readouterr().out.split())
    for one in DEVIATIONS:
        assert one.id in listed
        # Words may be broken at hyphens where the help is.
        assert one.does.replace("- ", "-") in helps["train" if one.stage == "training" else "generate"].replace(
            "- ", "-"
        )
    with pytest.raises(SystemExit, match="2"):
        main(["as-coded"])
    assert "--list" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_forget_bias_in_force_is_named_in_the_runs_name(cell):
    config = replace(CONFIG, model=ModelConfig(cell=cell, forget_bias=1.0))
    assert config.name == f"100x50-{cell}-199-s1-forget-bias-1"
    assert config.as_coded == ()


@pytest.mark.parametrize(
    ("kind", "setting", "named"),
    [
        (DataConfig, {"example_shift": 3}, "example-shift is 3"),
        (DataConfig, {"example_shift": 20}, "example-shift is 20"),
        (DataConfig, {"example_shift": 0}, "example-shift must be a whole number"),
        (ModelConfig, {"cell": "rnn", "forget_bias": 1.0}, "an rnn has no gate"),
        (ModelConfig, {"forget_bias": float("nan")}, "forget-bias must be a finite number"),
    ],
)
def test_settings_that_cannot_be_are_refused(kind, setting, named):
    with pytest.raises(ConfigError, match=named):
        kind(**({"frame": 4, "seq": 5} if kind is DataConfig else {}), **setting)


@pytest.mark.parametrize("section", [DataConfig(4, 5), ModelConfig(), TrainingConfig()])
def test_files_that_are_older_than_the_switches_have_them_off(section):
    new = section.to_json()
    old = {key: value for key, value in new.items() if key not in type(section)._later}
    assert len(old) < len(new)
    assert type(section).from_json(old) == section
