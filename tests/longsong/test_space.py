"""Room on the disk, asked for before it is needed."""

from __future__ import annotations

import shutil

import pytest

from longsong.errors import SpaceError
from longsong.space import bytes_of, free_bytes, require_space


def test_free_bytes_of_what_is_not_there_yet_are_those_of_its_disk(tmp_path):
    assert free_bytes(tmp_path / "a" / "b" / "c") == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)


def test_what_fits_passes(tmp_path):
    require_space(tmp_path / "a", 1000)


def test_what_does_not_fit_is_refused_with_both_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 40_000_000))
    require_space(tmp_path / "a", 20_000_000)
    with pytest.raises(SpaceError, match=r"needs .*30,000,000 bytes.*40,000,000 bytes"):
        require_space(tmp_path / "a", 30_000_000)


def test_bytes_of_a_folder_are_those_of_all_files_in_it_and_of_links_themselves(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(bytes(1000))
    (tmp_path / "a" / "b" / "two").write_bytes(bytes(234))
    (tmp_path / "a" / "link").symlink_to("b/two")
    assert bytes_of(tmp_path / "a") == 1234 + len("b/two")
    assert bytes_of(tmp_path / "a" / "one") == 1000
    (tmp_path / "around").symlink_to("a")
    assert bytes_of(tmp_path / "around") == len("a")
    assert bytes_of(tmp_path / "none") == 0
