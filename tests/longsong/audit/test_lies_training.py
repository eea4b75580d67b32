"""Each lie about data and training turns the rows that it concerns, and no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_folders import (
    Spec,
    comparison,
    copy,
    dump,
    edit,
    edit_metrics,
    read,
    rewrite_parameters,
    write_run,
    write_song,
)

from longsong.audit import audit

Turned = Callable[[Path], dict[str, str]]
Rewrite = Callable[[Spec], Path]
BASE = Spec(40, 50)
NAME = "40x50-gru-199-s1"


def test_honest_runs_bear_the_claims_out(honest_audit: Any) -> None:
    verdicts = {row.id: row.verdict.value for row in honest_audit.rows}
    reproduced = {id for id, verdict in verdicts.items() if verdict == "reproduced"}
    assert reproduced == {
        "P01", "P02", "P05", "P06", "P07", "P10", "P11", "P12", "P13", "P14", "P15", "D06", "D07",
    }  # fmt: skip
    assert {id for id, verdict in verdicts.items() if verdict == "no evidence yet"} == {"P03", "P04", "P08", "P09"}
    assert verdicts["P16"] == "cannot be"
    assert {id for id, verdict in verdicts.items() if verdict == "differs"} == {
        f"D{n:02}" for n in range(1, 16) if n not in (6, 7)
    }


@pytest.mark.parametrize(
    ("lie", "rows"),
    [
        ({"epochs": 29}, {"P07": "differs"}),
        ({"batch": 127}, {"P06": "differs"}),
        ({"layers": 3}, {"P10": "differs"}),
        ({"hidden": 128}, {"P10": "no evidence yet"}),
        ({"cost_factor": 40.0 * 50.0}, {"P11": "differs"}),
        ({"cost_factor": 50.0}, {"P11": "differs"}),
        ({"target": 0}, {"P05": "differs"}),
        ({"target": 2}, {"P05": "differs"}),
        ({"recurrence": "batch"}, {"D01": "reproduced"}),
        ({"normalise": "stdev"}, {"D05": "reproduced"}),
        ({"offset_shift": -0.06}, {"D12": "reproduced"}),
        ({"evaluate_each_update": True}, {"D11": "reproduced"}),
    ],
    ids=str,
)
def test_run_made_otherwise(
    lie: dict[str, Any], rows: dict[str, str], rewrite: Rewrite, runs: Path, turned: Turned
) -> None:
    rewrite(replace(BASE, **lie))
    assert turned(runs) == rows


def test_axis_of_the_recurrence_denied(rewrite: Rewrite, runs: Path, turned: Turned) -> None:
    run = rewrite(replace(BASE, recurrence="batch"))
    edit(run / "config.json", model__recurrence="time")
    rows = turned(runs)
    assert rows["D01"] == "reproduced"
    assert "dev cost is that of the other axis" in audit(runs).row("D01").text


def test_order_that_is_not_fuels(runs: Path, turned: Turned) -> None:
    digest = "0" * 64
    edit_metrics(runs / NAME, lambda line: line | {"indices_sha256": digest} if line.get("update") == 7 else line)
    assert turned(runs) == {"P06": "differs"}
    assert "update 7" in audit(runs).row("P06").text


def test_update_left_out(runs: Path, turned: Turned) -> None:
    edit_metrics(runs / NAME, lambda line: None if line.get("update") == 5 and "seconds" in line else line)
    assert turned(runs) == {"P06": "differs"}


def test_metric_edited_by_hand(runs: Path, turned: Turned) -> None:
    edit_metrics(
        runs / NAME, lambda line: line | {"train_cost": 1e-3} if line.get("update") == 9 else line, keep_digest=True
    )
    assert turned(runs) == {"P06": "differs", "P07": "differs", "P11": "differs"}
    assert "metrics.jsonl was altered" in audit(runs).row("P07").text


def test_dev_cost_edited_by_hand_digest_and_all(runs: Path, turned: Turned) -> None:
    def better(line: dict[str, Any]) -> dict[str, Any]:
        return line | {"dev_cost": 0.9 * line["dev_cost"]} if line["kind"] == "dev" and line["epoch"] == 30 else line

    edit_metrics(runs / NAME, better)
    assert turned(runs) == {"P05": "differs", "P11": "differs"}


def test_learning_rate_that_starts_again(runs: Path, turned: Turned) -> None:
    edit_metrics(runs / NAME, lambda line: line | {"learning_rate": 0.002} if line["epoch"] == 20 else line)
    assert turned(runs) == {"D10": "reproduced"}


def test_learning_rate_not_in_the_checkpoint(runs: Path, turned: Turned) -> None:
    (state,) = (runs / NAME / "checkpoints").glob("update-*/state.json")
    edit(state, learning_rate=0.002)
    assert turned(runs) == {"D10": "reproduced"}


def test_optimiser_without_a_state(runs: Path, turned: Turned) -> None:
    from safetensors.numpy import load_file, save_file

    (path,) = (runs / NAME / "checkpoints").glob("update-*/optimiser.safetensors")
    held = load_file(path)
    path.unlink()
    save_file({name: tensor for name, tensor in held.items() if name != "gru1.state_to_state"}, path)
    assert turned(runs) == {"D10": "reproduced"}


def test_parameters_altered_on_disk(runs: Path, turned: Turned) -> None:
    (path,) = (runs / NAME / "checkpoints").glob("update-*/parameters.safetensors")
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.unlink()
    path.write_bytes(bytes(held))
    assert turned(runs) == {"P02": "differs", "P10": "differs"}


def test_best_parameters_of_another_network(runs: Path, turned: Turned) -> None:
    from safetensors.numpy import load_file, save_file

    path = runs / NAME / "checkpoints" / "best.safetensors"
    held = load_file(path)
    path.unlink()
    save_file(held | {"hidden_to_output.W": -held["hidden_to_output.W"]}, path)
    rows = turned(runs)
    assert set(rows) == {"P02", "P05", "P10", "P11", "P14", "D02"}


def test_output_of_another_frame(runs: Path, turned: Turned) -> None:
    def wider(p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        W, b = p["hidden_to_output.W"], p["hidden_to_output.b"]
        return p | {"hidden_to_output.W": np.hstack([W, W[:, :1]]), "hidden_to_output.b": np.append(b, b[:1])}

    rewrite_parameters(runs / NAME, wider)
    assert turned(runs) == {"P02": "differs"}


def test_parameters_counted_wrongly(runs: Path, turned: Turned) -> None:
    edit(runs / NAME / "summary.json", parameters=496_240)
    assert turned(runs) == {"P10": "differs"}


def test_forget_bias_in_force(runs: Path, turned: Turned) -> None:
    config = read(runs / NAME / "config.json")
    config["model"]["forget_bias"] = 1.0
    dump(runs / NAME / "config.json", config)
    assert turned(runs) == {"D06": "differs"}


def test_forget_bias_among_the_parameters(runs: Path, turned: Turned) -> None:
    rewrite_parameters(runs / NAME, lambda p: p | {"forget_bias0": np.ones(199, np.float32)})
    assert turned(runs)["D06"] == "differs"


def test_examples_counted_wrongly(runs: Path, turned: Turned) -> None:
    edit(runs / NAME / "config.json", data__train_examples=145)
    assert turned(runs) == {"P05": "differs", "P06": "differs", "D08": "reproduced"}


def test_examples_that_overlap(runs: Path, turned: Turned) -> None:
    edit(runs / NAME / "config.json", data__hop=1000)
    assert turned(runs)["D07"] == "differs"


def test_configuration_said_not_to_fit(runs: Path, turned: Turned) -> None:
    grid = read(runs / "grid.json")
    entry = next(entry for entry in grid["runs"] if entry["frame"] == 100 and entry["seq"] == 100)
    entry |= {"state": "does not fit", "train_examples": 0}
    dump(runs / "grid.json", grid)
    assert turned(runs) == {"P04": "differs"}


def test_two_songs(runs: Path, song: Path, turned: Turned, tmp_path: Path) -> None:
    other = write_song(tmp_path / "other", seed=4)
    write_run(runs, other, Spec(100, 50))
    assert turned(runs) == {"P01": "differs"}


def test_two_frames_swapped_in_a_shard(runs: Path, tmp_path: Path, turned: Turned) -> None:
    use_own_shards(runs, tmp_path)
    (shard,) = (tmp_path / "shards" / "tones").glob("*.tar")
    held = bytearray(shard.read_bytes())
    held[4096:4176], held[8192:8272] = held[8192:8272], held[4096:4176]
    shard.unlink()
    shard.write_bytes(bytes(held))
    rows = turned(runs)
    assert rows["P01"] == "differs"
    assert all(verdict == "no evidence yet" for id, verdict in rows.items() if id != "P01")


def test_shards_that_are_not_here_are_no_lie(runs: Path, tmp_path: Path, turned: Turned) -> None:
    use_own_shards(runs, tmp_path)
    (tmp_path / "shards").rename(tmp_path / "away")
    rows = turned(runs)
    assert set(rows.values()) == {"no evidence yet"}
    assert set(rows) == {"P01", "P05", "P11", "P12", "P13", "P14", "D02", "D04", "D09"}


def test_data_stored_for_each_configuration(runs: Path, tmp_path: Path, turned: Turned) -> None:
    use_own_shards(runs, tmp_path)
    (tmp_path / "shards" / "tones" / "40x50.npy").write_bytes(bytes(16 * 320_000))
    assert turned(runs) == {"D09": "reproduced"}


def use_own_shards(runs: Path, tmp_path: Path) -> None:
    """Let all runs name the copy of the shards that belongs to the test."""
    for path in runs.glob("*/config.json"):
        edit(path, song__shards=str(tmp_path / "shards" / "tones"))


@pytest.mark.parametrize(
    ("above", "rows"),
    [
        (0.0, {"P08": "reproduced", "P09": "reproduced"}),
        (0.04, {"P08": "reproduced", "P09": "differs"}),
        (0.2, {"P08": "differs", "P09": "differs"}),
    ],
)
def test_lstm_against_gru(above: float, rows: dict[str, str], song: Path, tmp_path: Path) -> None:
    for spec in comparison(above, ("gru", "lstm")):
        write_run(tmp_path, song, spec)
    found = audit(tmp_path)
    assert {id: found.row(id).verdict.value for id in rows} == rows
    (compared,) = found.row("P08").numbers["comparisons"]
    assert compared["relative_difference"] == pytest.approx(above, abs=0.01)
    assert compared["seconds_per_update_over_gru"] == pytest.approx(1.3)


def test_cells_that_have_learnt_nothing_bear_no_witness(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    for path in runs.glob("*/summary.json"):
        edit(path, cost_of_mean=1.01 * read(path)["best"]["dev_cost"])
    found = audit(runs)
    for id in ("P08", "P09"):
        assert found.row(id).verdict == "no evidence yet"
        assert "neither has learnt" in found.row(id).text


def test_checkpoints_that_nobody_went_on_from_do_not_show_resuming(runs: Path) -> None:
    for path in runs.glob("*/summary.json"):
        edit(path, starts=1)
    row = audit(runs).row("D10")
    assert row.verdict == "no evidence yet"
    assert "was not shown" in row.text


def test_gru_that_is_slower(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    for path in runs.glob("*-gru-*/summary.json"):
        edit(path, seconds_per_update=1.0)
    found = audit(runs)
    assert found.row("P08").verdict == "differs"
    assert found.row("P09").verdict == "reproduced"


def test_best_cost_that_is_not_in_the_metrics(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    edit(runs / "40x50-lstm-199-s2" / "summary.json", best__dev_cost=0.01)
    found = audit(runs)
    assert {found.row(id).verdict.value for id in ("P08", "P09")} == {"differs"}
    assert "40x50-lstm-199-s2" in found.row("P08").text


def test_two_seeds_are_not_enough(compared: Path, tmp_path: Path) -> None:
    runs = copy(compared, tmp_path / "runs")
    shutil.rmtree(runs / "40x50-lstm-199-s3")
    assert audit(runs).row("P08").verdict == "no evidence yet"
