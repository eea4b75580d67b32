"""Folders for work that is kept elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from longsong.errors import SpaceError
from longsong.scheduling.scratch import scratch_folder


def test_each_has_its_own_which_is_gone_after(tmp_path):
    root = tmp_path / "scratch"
    with scratch_folder(root) as one, scratch_folder(root) as other:
        assert one != other
        (one / "run").mkdir()
        (one / "run/metrics.jsonl").write_text("{}")
        assert root.stat().st_mode & 0o77 == 0
    assert not list(root.iterdir())


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(tmp_path):
    root = tmp_path / "scratch"
    code = f"""
import sys, time
from pathlib import Path
sys.path[:0] = {sys.path!r}
from longsong.scheduling.scratch import scratch_folder
with scratch_folder(Path({str(root)!r})) as folder:
    (folder / "file").write_text("left")
    print(folder, flush=True)
    time.sleep(1000)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    left = Path(process.stdout.readline().strip())
    with scratch_folder(root) as mine:
        assert (left / "file").exists()
        (mine / "file").write_text("mine")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with scratch_folder(root):
            assert not left.exists()
            assert (mine / "file").exists()


def test_a_place_that_is_another_s_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "scratch").symlink_to(tmp_path / "theirs")
    with pytest.raises(SpaceError, match="belongs to another user"), scratch_folder(tmp_path / "scratch"):
        pass
