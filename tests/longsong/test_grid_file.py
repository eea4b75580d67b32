"""`grid.json`: names in it are those of folders in the same folder, and what was altered is refused."""

from __future__ import annotations

import json

import pytest
from planned_grids import planned_grid, planned_run

from longsong.errors import RunError
from longsong.files import write_json
from longsong.grid_file import read_grid, write_grid

RUN = planned_run(estimated_seconds=1.5)
GRID = planned_grid(RUN)


def test_what_is_written_is_read(tmp_path):
    write_grid(tmp_path, GRID)
    assert {key: read_grid(tmp_path)[key] for key in GRID} == GRID


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../other", "/etc", "a/b", "a/../b", "./a", "a/", "a\0b", 3, None, ["a"]],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    head = {"format": "longsong.grid", "version": 1}
    write_json(tmp_path / "grid.json", {**head, **GRID, "runs": [{**RUN, "name": name}]})
    with pytest.raises(RunError, match="altered"):
        read_grid(tmp_path)


def test_a_digit_that_was_altered_is_noticed(tmp_path):
    write_grid(tmp_path, GRID)
    path = tmp_path / "grid.json"
    path.write_text(path.read_text().replace("1.5", "2.5"))
    with pytest.raises(RunError, match="rest_sha256"):
        read_grid(tmp_path)


def test_a_grid_of_before_there_were_seals_is_read(tmp_path):
    write_grid(tmp_path, GRID)
    found = json.loads((tmp_path / "grid.json").read_text())
    del found["rest_sha256"]
    (tmp_path / "grid.json").write_text(json.dumps(found))
    assert read_grid(tmp_path)["runs"] == [RUN]
