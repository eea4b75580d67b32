"""LSTM and RNN against GRU: what is compared, what follows, and how the lies about it are noticed (P08, P09)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_folders import Spec, comparison, copy, edit, read, write_run

from longsong.audit import checks_comparison
from longsong.audit.cell_groups import groups_of_cells
from longsong.audit.cells import CellComparison, Comparisons, Told, compare_cells
from longsong.audit.checks_comparison import comparable, no_difference
from longsong.audit.evidence import Evidence
from longsong.audit.side_by_side import SideBySide, write_cells
from longsong.audit.statistics import paired


def measured(runs: Path, lstm: float, **changes) -> None:
    """Write what an update took side by side: the LSTM `lstm` times the GRU's seconds, in fifteen rounds."""
    config = read(runs / "40x50-gru-199-s1" / "config.json")
    gru = 3 * (1.0, 1.1, 0.9, 3.0, 1.0)
    given = {
        "frame": 40,
        "seq": 50,
        "hidden": 199,
        "layers": 2,
        "recurrence": "time",
        "precision": "float32",
        "examples": min(128, config["data"]["train_examples"]),
        "device_name": "an abacus",
        "threads": 2,
        "seconds": {"gru": gru, "lstm": tuple(lstm * one for one in gru), "rnn": tuple(0.5 * one for one in gru)},
    }
    write_cells(runs / "cells.json", [SideBySide(**(given | changes))])


def made(differences: tuple[float, ...], over_mean: tuple[float, float] = (0.7, 0.7)) -> CellComparison:
    return CellComparison("lstm", "40x50", paired(differences), 20, 10, 1.5, None, "", over_mean, over_mean, ())


@pytest.mark.parametrize(
    ("differences", "told", "says"),
    [
        ((0.001, -0.001, 0.0), Told.ALIKE, "LSTM and GRU do equally well, to within 5%."),
        ((0.02, 0.021, 0.022), Told.ALIKE, "a small difference that was seen."),
        ((0.2, 0.21, 0.22), Told.APART, "The GRU does better than the LSTM, by more than 5%."),
        ((-0.2, -0.21, -0.22), Told.APART, "The LSTM does better than the GRU, by more than 5%."),
        ((0.04, 0.05, 0.06), Told.OPEN, "The GRU does better; 3 seeds do not tell whether by more than 5%."),
        ((0.3, -0.3, 0.0), Told.OPEN, "3 seeds do not tell whether LSTM or GRU does better."),
    ],
)
def test_the_sentence_follows_from_the_interval(differences, told, says):
    one = made(differences)
    assert one.told is told
    assert one.sentence().endswith(says)


def test_two_that_have_not_learnt_tell_nothing():
    assert made((0.2, 0.21, 0.22), (0.99, 0.99)).told is Told.NOTHING
    assert made((0.2, 0.21, 0.22), (0.99, 0.97)).told is Told.APART


def test_runs_are_paired_where_they_differ_in_cell_and_seed_alone(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    assert [sorted(cells) for cells in groups_of_cells(Evidence.load(runs))] == [["gru", "lstm", "rnn"]]
    for section, key, value in (("training", "learning_rate", 0.004), ("data", "example_shift", 1000)):
        other = copy(compared, tmp_path / key)
        path = other / "40x50-lstm-199-s2" / "config.json"
        edit(path, **{f"{section}__{key}": value})
        assert len(groups_of_cells(Evidence.load(other))) == 2
        assert [one.cell for one in compare_cells(Evidence.load(other)).rows] == ["rnn"]
    edit(runs / "40x50-lstm-199-s2" / "config.json", data__example_shift=None)  # as if it were not there
    assert len(compare_cells(Evidence.load(runs)).rows) == 2


def test_parameters_are_counted(compared: Path) -> None:
    lstm, rnn = compare_cells(Evidence.load(compared)).rows
    # FACTS section 4, by hand: in, out, and two layers of GRU or LSTM.
    hidden, frame = 199, 40
    ends = frame * hidden + hidden + hidden * frame + frame
    gru = 3 * hidden**2 + 3 * hidden + 3 * hidden**2 + hidden
    own = 4 * hidden**2 + 4 * hidden + 4 * hidden**2 + 3 * hidden + 2 * hidden
    assert (lstm.parameters, lstm.gru_parameters) == (ends + 2 * own, ends + 2 * gru)
    assert rnn.parameters < lstm.gru_parameters
    assert f"{lstm.parameters:,} parameters" in lstm.sentence()


def test_the_row_says_first_what_came_of_it_and_speaks_of_the_lstm_alone(compared: Path) -> None:
    row = comparable(Evidence.load(compared))
    first = (
        "LSTM and GRU do equally well in 1 of 1 configuration in which one of them has learnt, and the GRU is faster"
    )
    assert row.text.startswith(f"{first} in 1. ")
    assert row.text.count("parameters, ") == 1
    assert "RNN" not in row.text
    assert [one["cell"] for one in row.numbers["comparisons"]] == ["lstm", "rnn"]  # for the page's table


@pytest.mark.parametrize(("device", "said"), [("an abacus", True), ("2 cores", False)])
def test_another_device_than_that_of_the_runs_is_said(compared: Path, tmp_path: Path, device: str, said: bool) -> None:
    runs = copy(compared, tmp_path / "runs")
    measured(runs, 1.7, device_name=device)
    text = comparable(Evidence.load(runs)).text
    assert f"side by side on {device}" in text
    assert ("another device than the runs' 2 cores" in text) == said


def test_seconds_are_those_measured_side_by_side(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    (before, _) = compare_cells(Evidence.load(runs)).rows
    assert before.beside is None
    assert before.slower == pytest.approx(1.3)
    assert "one after the other" in before.sentence()
    measured(runs, 1.7)
    (after, _) = compare_cells(Evidence.load(runs)).rows
    assert after.slower == pytest.approx(1.7)
    assert after.seconds == pytest.approx(1.3)
    assert "1.70 times its seconds per update, side by side on an abacus" in after.sentence()
    assert "(median of 15 rounds" in after.sentence()
    assert runs / "cells.json" in after.files


def test_seconds_of_another_configuration_are_not_taken(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    measured(runs, 1.7, seq=100)
    assert compare_cells(Evidence.load(runs)).rows[0].beside is None


def test_a_gru_that_is_slower_side_by_side_turns_the_row(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    measured(runs, 1.7)
    assert comparable(Evidence.load(runs)).verdict == "reproduced"
    measured(runs, 0.9)
    found = comparable(Evidence.load(runs))
    assert (found.verdict, found.by) == ("differs", "the GRU faster in 0 of 1")
    assert "takes less time per update in 0 (measured side by side)" in found.text
    assert runs / "cells.json" in found.files


def test_seconds_that_were_edited_turn_the_row(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    measured(runs, 1.7)
    found = read(runs / "cells.json")
    found["configurations"][0]["median_seconds"]["gru"] = 0.1
    edit(runs / "cells.json", configurations=found["configurations"])
    evidence = Evidence.load(runs)
    assert comparable(evidence).verdict == "differs"
    assert "cells.json is altered" in comparable(evidence).text
    assert no_difference(evidence).verdict == "reproduced"


def test_a_gru_with_more_parameters_turns_the_row(song: Path, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        for cell in ("gru", "lstm"):
            # Of the LSTM a file with fewer parameters than its name says, as of one that was cut.
            spec = Spec(40, 50, cell=cell, seed=seed, aim=0.7 + 0.001 * seed, group="comparison")
            run = write_run(tmp_path, song, spec)
            if cell == "lstm":
                _make_smaller(run)
    found = comparable(Evidence.load(tmp_path))
    assert found.verdict == "differs"
    assert "fewer parameters in 0" in found.text
    assert "times the parameters" in found.by


def _make_smaller(run: Path) -> None:
    from run_folders import rehash
    from safetensors.numpy import load_file, save_file

    path = next(run.glob("checkpoints/update-*")) / "parameters.safetensors"
    save_file({name: tensor[:1] for name, tensor in load_file(path).items()}, path)
    rehash(run)


def test_no_more_than_five_per_cent_has_to_be_shown(song: Path, tmp_path: Path) -> None:
    for spec in comparison(0.045, ("gru", "lstm")):
        write_run(tmp_path, song, spec)
    found = comparable(Evidence.load(tmp_path))
    assert found.verdict == "no evidence yet"
    assert "3 seeds do not tell whether by more than 5%" in found.text
    assert found.numbers["cannot be told yet"] == 1


def test_an_interval_that_is_wide_tells_no_difference(song: Path, tmp_path: Path) -> None:
    for spec in comparison(cells=("gru", "lstm")):
        wide = 0.2 * (spec.seed - 2) if spec.cell == "lstm" else 0.0
        write_run(tmp_path, song, replace(spec, aim=spec.aim * (1 + wide)))
    found = no_difference(Evidence.load(tmp_path))
    assert found.verdict == "no evidence yet"
    assert "nor would they tell a difference of 5%" in found.text
    assert found.numbers["configurations_that_cannot_tell"] == 1


def test_one_configuration_that_cannot_tell_is_enough(compared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (made((0.001, -0.001, 0.0)), made((0.3, -0.3, 0.0)))
    monkeypatch.setattr(checks_comparison, "compare_cells", lambda _: Comparisons(rows, ()))
    found = no_difference(Evidence.load(compared))
    assert (found.verdict, found.numbers["configurations_that_cannot_tell"]) == ("no evidence yet", 1)
    rows = (*rows, made((0.02, 0.021, 0.022)))
    found = no_difference(Evidence.load(compared))
    assert (found.verdict, found.by) == ("differs", "40x50: +2.10% (+1.85% to +2.35%)")


def both_say(runs: Path, says: str) -> None:
    """See that both rows turn, and say why."""
    for check in (comparable, no_difference):
        found = check(Evidence.load(runs))
        assert found.verdict == "differs"
        assert says in found.by


def test_two_runs_of_one_cell_and_seed_are_refused(compared: Path, song: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    spec = next(one for one in comparison() if (one.cell, one.seed) == ("lstm", 2))
    write_run(tmp_path, song, replace(spec, aim=0.6)).rename(runs / "better")
    both_say(runs, "40x50-lstm-199-s2 and better are 2 runs of the LSTM with random seed 2 in one configuration")


def test_a_copy_under_another_seed_is_refused(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    copy(runs / "40x50-lstm-199-s1", runs / "40x50-lstm-199-s4")
    copy(runs / "40x50-gru-199-s1", runs / "40x50-gru-199-s4")
    for cell in ("lstm", "gru"):
        edit(runs / f"40x50-{cell}-199-s4" / "config.json", training__seed=4)
    both_say(runs, "1 of 40x50-gru-199-s4 and 40x50-gru-199-s1 is a copy")


@pytest.mark.parametrize("cost", [0, 1e-9, 0.9])
def test_a_cost_of_the_mean_that_is_not_the_songs_turns_the_rows(compared: Path, tmp_path: Path, cost: float) -> None:
    runs = copy(compared, tmp_path / "runs")
    edit(runs / "40x50-lstm-199-s2" / "summary.json", cost_of_mean=cost)
    both_say(runs, "40x50-lstm-199-s2: predicting the mean costs")


def test_without_the_song_a_cost_of_the_mean_of_zero_is_named(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    for path in runs.glob("*/config.json"):
        edit(path, song__shards="nowhere")
    assert no_difference(Evidence.load(runs)).verdict == "reproduced"
    edit(runs / "40x50-lstm-199-s2" / "summary.json", cost_of_mean=0.0)
    both_say(runs, "predicting the mean costs 0 on its dev split")


def test_seconds_that_are_not_those_of_the_metrics_turn_the_rows(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    edit(runs / "40x50-gru-199-s3" / "summary.json", seconds_per_update=1e-6)
    both_say(runs, "40x50-gru-199-s3: its summary has 1e-06 seconds for an update, its metrics a median of 0.5")
