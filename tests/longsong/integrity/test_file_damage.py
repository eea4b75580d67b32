"""What lies beside runs: each kind of file that is ours is looked at, and nothing else is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from damage import cut, flip, remove
from PIL import Image
from planned_grids import planned_grid

from longsong.audit.curves_record import CURVES_FILE, CurvesRecord, ShapeRecord, Trained
from longsong.files import sha256_of, write_json
from longsong.grid_file import write_grid
from longsong.integrity import set_files_aside
from longsong.integrity.file_damage import file_damage

NAMES = [
    "grid.json", "cells.json", "parity.json", "as_coded.json", "curves-2016.json", "audit.json",
    "song-excerpt-40.json", "song-statistics-abc.npz",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_bears_the_name_of_one_of_ours_has_to_be_one(tmp_path, name):
    (tmp_path / name).write_text("{")
    damage = file_damage(tmp_path / name)
    assert (damage.path, damage.part) == (tmp_path / name, "other")
    assert str(tmp_path / name) in str(damage)


@pytest.mark.parametrize("name", NAMES)
def test_a_link_of_that_name_leads_to_what_is_somebody_elses(tmp_path, name):
    (tmp_path / "theirs").write_text("{")
    (tmp_path / name).symlink_to(tmp_path / "theirs")
    assert file_damage(tmp_path / name) is None


@pytest.fixture
def heard(tmp_path) -> Path:
    """A sealed record of a kind that has no name of its own, with its sound and a picture of that."""
    (tmp_path / "song.wav").write_bytes(bytes(range(256)))
    record = {"format": "longsong.excerpt-of-a-song", "version": 1, "sha256": sha256_of(tmp_path / "song.wav")}
    write_json(tmp_path / "song.json", record, sealed=True)
    content = io.BytesIO()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(content, "PNG")
    (tmp_path / "song.png").write_bytes(content.getvalue())
    return tmp_path


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_sound_is_held_to_its_record(heard, damage):
    assert file_damage(heard / "song.json") is None
    damage(heard / "song.wav")
    found = file_damage(heard / "song.json")
    assert found.path == heard / "song.wav"
    assert "is altered: its sha256 is" in str(found)


def test_a_sound_that_is_not_there_is_none_that_is_altered(heard):
    remove(heard / "song.wav")
    assert file_damage(heard / "song.json") is None


def test_a_picture_is_ours_beside_its_sound_and_in_a_pages_folder(heard):
    picture = heard / "song.png"
    assert file_damage(picture) is None
    cut(picture)
    assert file_damage(picture).path == picture
    remove(heard / "song.wav")
    assert file_damage(picture) is None  # by nothing it is known to be ours
    (heard / "index.html").touch()
    assert file_damage(picture).path == picture
    (heard / "pictures").mkdir()
    picture.rename(heard / "pictures/song.png")
    assert file_damage(heard / "pictures/song.png") is not None


def test_curves_are_those_of_the_metrics_that_are_there(tmp_path):
    metrics = tmp_path / "run/metrics.jsonl"
    metrics.parent.mkdir()
    metrics.write_text('{"update": 1}\n')
    song = {"digest": "cd" * 32, "samples": 9, "sample_rate": 4, "minimum": -8, "maximum": 8}
    trained = Trained("as coded", "run", sha256_of(metrics), 0.2)
    record = CurvesRecord(song, False, "Another.", (ShapeRecord(20, 5, 128, 290, 25, 3, "", (trained,)),))
    write_json(tmp_path / CURVES_FILE, record.to_json({}))
    assert file_damage(tmp_path / CURVES_FILE) is None
    flip(metrics)
    assert "was altered since" in str(file_damage(tmp_path / CURVES_FILE))
    remove(metrics)
    assert str(metrics) in str(file_damage(tmp_path / CURVES_FILE))


def test_what_is_being_written_and_what_is_a_folder_are_left(tmp_path):
    write_grid(tmp_path, planned_grid())
    part = tmp_path / ".song-excerpt-40.json.77-0.part"
    part.write_text('{"format": "longsong.song-excerpt", "rest')
    also = tmp_path / ".events.out.tfevents.1.77-0.part"
    also.write_text("{")
    (tmp_path / "cells.json").mkdir()
    assert set_files_aside(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} == {"grid.json", "cells.json", part.name, also.name}


def test_of_what_is_put_aside_in_one_second_each_has_its_own_folder(tmp_path):
    for name in NAMES:
        (tmp_path / name).write_text("{")
    found = set_files_aside(tmp_path)
    assert len({aside.folder for aside in found}) == len(NAMES)
    for content in ("[", "{"):  # again and again
        (tmp_path / "grid.json").write_text(content)
        found += set_files_aside(tmp_path)
    assert len({aside.folder for aside in found}) == len(NAMES) + 2
    assert [(aside.folder / "grid.json").read_text() for aside in found[-2:]] == ["[", "{"]


def test_json_that_is_too_long_is_looked_at_by_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr("longsong.integrity.file_damage.LARGEST_JSON", 10)
    (tmp_path / "a.json").write_text('{"format": "longsong.a", "version": 1, "rest_sha256": 1}')
    assert file_damage(tmp_path / "a.json") is None
    monkeypatch.undo()
    assert "rest_sha256" in str(file_damage(tmp_path / "a.json"))
