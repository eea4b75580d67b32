"""Room on the disk, asked for before it is needed."""

from __future__ import annotations

import shutil

import pytest

from longsong.errors import SpaceError
from longsong.space import free_bytes, require_space


def test_free_bytes_of_what_is_not_there_yet_are_those_of_its_disk(tmp_path):
    assert free_bytes(tmp_path / "a" / "b" / "c") == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)


def test_what_fits_passes(tmp_path):
    require_space(tmp_path / "a", 1000)


def test_what_does_not_fit_is_refused_with_both_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 0, 40_000_000))
    require_space(tmp_path / "a", 20_000_000)
    with pytest.raises(SpaceError, match=r"needs .*30,000,000 bytes.*40,000,000 bytes"):
        require_space(tmp_path / "a", 30_000_000)
