"""The grid: a table for each width and cell, what each of its places shows, and where it leads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from run_folders import RATE, Spec, dump, edit, read, write_grid, write_run, write_song

from longsong.audit.evidence import Evidence
from longsong.report.grid_view import GridCell, GridTable, view_grids
from longsong.report.run_view import RunView, view_run
from longsong.reported import FRAMES, SEQUENCES
from streams import train_samples


def viewed(runs: Path) -> tuple[list[GridTable], float | None, list[RunView]]:
    (runs / "report").mkdir(exist_ok=True)
    evidence = Evidence.load(runs)
    views = [view_run(run, runs / "report") for run in evidence.complete]
    tables, best = view_grids(evidence, views)
    return tables, best, views


def place(table: GridTable, frame: int, seq: int) -> GridCell:
    return dict(table.rows)[frame][table.seqs.index(seq)]


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two widths, two cells, three random seeds of one shape; one of them is of a comparison."""
    root = tmp_path_factory.mktemp("grid")
    song = write_song(root / "shards" / "tones", seconds=8)
    runs = root / "runs"
    runs.mkdir()
    specs = [Spec(40, 50, seed=seed, group="comparison", aim=aim) for seed, aim in ((2, 0.5), (3, 0.9))]
    specs += [Spec(40, 50, aim=0.7), Spec(40, 100, hidden=256, aim=0.8), Spec(50, 50, cell="lstm", aim=0.6)]
    for spec in specs:
        write_run(runs, song, spec)
    write_grid(runs, song, specs, [(40, 100), (40_000, 10_000)])
    return runs


def test_each_width_and_cell_has_its_table(several: Path) -> None:
    tables, _, _ = viewed(several)
    assert [table.title for table in tables] == [
        "GRU, 199 units in each layer",
        "GRU, 256 units in each layer",
        "LSTM, 199 units in each layer",
    ]
    assert [frame for frame, _ in tables[0].rows] == list(FRAMES)
    assert tables[0].seqs == list(SEQUENCES)


def test_a_place_leads_to_the_grids_own_run_and_tells_of_all_seeds(several: Path) -> None:
    tables, best, views = viewed(several)
    cell = place(tables[0], 40, 50)
    assert cell.run == "40x50-gru-199-s1"
    ratios = {view.seed: view.ratio for view in views if (view.cell, view.hidden, view.seq) == ("GRU", 199, 50)}
    assert cell.value == f"{ratios[1]:.3f}"
    assert cell.notes[-1] == f"3 seeds: {ratios[2]:.3f}\N{EN DASH}{ratios[3]:.3f}"
    assert best == min(view.ratio for view in views if view.ratio is not None) == ratios[2]


def test_the_best_has_the_deepest_colour_and_what_learnt_less_a_paler_one(several: Path) -> None:
    tables, best, views = viewed(several)
    assert best is not None
    for table in tables:
        for _, cells in table.rows:
            for cell in cells:
                if cell.run:
                    (ratio,) = (view.ratio for view in views if view.name == cell.run)
                    assert ratio is not None
                    assert cell.heat == pytest.approx(max(0.0, (1 - ratio) / (1 - best)), abs=1e-3)


def test_where_there_is_no_run_it_says_why(several: Path, made: Path) -> None:
    table = viewed(several)[0][0]
    assert place(table, 40, 100).value == "not run"
    assert place(table, 40, 100).notes == ["about 10 s"]
    assert place(table, 40_000, 10_000) == GridCell(
        "does not fit", ["needs 25,000\N{NO-BREAK SPACE}s"], state="does not fit"
    )
    assert place(table, 50, 100).value == "\N{EN DASH}"
    assert "Not run: a longer sequence than profile demo runs; --all runs it." in table.notes
    assert f"There are {train_samples(8 * RATE) / RATE:.2f} s of song to train on." in table.notes
    short = place(viewed(made)[0][0], 1000, 50)
    assert (short.state, short.value) == ("no dev example", "no dev example")
    assert re.fullmatch(r"train cost \d\.\d{4}", *short.notes)


def test_runs_as_the_2016_code_did_are_in_no_grid(runs: Path) -> None:
    name = "40x50-gru-199-s1"
    edit(runs / name / "config.json", model__recurrence="batch")
    tables, best, views = viewed(runs)
    assert all(cell.run != name for table in tables for _, cells in table.rows for cell in cells)
    (view,) = (view for view in views if view.name == name)
    assert view.title == "40 \N{MULTIPLICATION SIGN} 50, GRU 199, seed 1, as coded: recurrence"
    assert best is not None
    assert best != view.ratio


def test_configurations_of_the_2016_code_stand_apart(runs: Path) -> None:
    grid = read(runs / "grid.json")
    for entry in grid["runs"]:
        if entry["name"] == "40x50-gru-199-s1":
            entry["set"] = "code"
    dump(runs / "grid.json", grid)
    titles = [table.title for table in viewed(runs)[0]]
    assert titles[-1] == "GRU, 199 units in each layer, configurations of the 2016 code"
