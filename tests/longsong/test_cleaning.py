"""What can go is said, and goes only when asked for; what a resume and the report need stays."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from damage import flip
from kept_checkpoints import train_and_keep_all
from training_runs import config, final_bytes, train

import longsong
from longsong.cleaning import KINDS, clean, find_items
from longsong.cli import main
from longsong.errors import ConfigError, RunError
from longsong.folder_lock import sole_owner
from longsong.integrity import damages, set_aside
from longsong.training.run_lock import only_here


class _StoppedError(Exception):
    """The power failed."""


@pytest.fixture(scope="module")
def made(shards, tmp_path_factory) -> Path:
    """A complete run, and one that was stopped with three checkpoints."""
    runs = tmp_path_factory.mktemp("runs")
    train(shards, runs / "whole")

    def stop(epoch: int) -> None:
        if epoch == 3:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        longsong.train(config(shards, runs / "stopped"), quiet=True, on_epoch=stop, keep_checkpoints=3)
    return runs


@pytest.fixture
def runs(made, tmp_path):
    """With what processes leave that are killed, long ago and just now, and something of the user's own."""
    runs = shutil.copytree(made, tmp_path / "runs")
    long_ago = time.time() - 24 * 3600
    for name in (
        "whole/.config.json.1-0.part",
        "whole/generated.1.partial.wav",
        "stopped/checkpoints/.update-00000012.partial/parameters.safetensors",
        ".grid.json.1-0.part",
    ):
        path = runs / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 1000)
        os.utime(path, (long_ago, long_ago))
        os.utime(path.parent, (long_ago, long_ago))
    (runs / "whole/generated.2.partial.wav").write_bytes(b"it is being written")
    (runs / "damaged/gone-1").mkdir(parents=True)
    (runs / "damaged/gone-1/metrics.jsonl").write_bytes(b"y" * 400)
    (runs / "damaged/gone-1/why.txt").write_bytes(b"z" * 100)
    (runs / "whole/notes.txt").write_text("mine")
    return runs


def names(items, root: Path) -> set[str]:
    return {item.path.relative_to(root).as_posix() for item in items}


def everything(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_can_go_is_found_and_counted(runs):
    found = find_items(runs)
    assert names(found.items, runs) == {
        "stopped/checkpoints/update-00000003", "stopped/checkpoints/update-00000006",
        "stopped/checkpoints/.update-00000012.partial", "whole/.config.json.1-0.part", "whole/generated.1.partial.wav",
        ".grid.json.1-0.part", "damaged",
    }  # fmt: skip
    older = [*runs.glob("stopped/checkpoints/update-0000000[36]/*")]
    assert found.by_kind() == {
        "checkpoints": (2, sum(path.stat().st_size for path in older)),
        "half-written": (4, 4000),
        "damaged": (1, 500),
    }
    assert found.bytes + found.kept == sum(map(len, everything(runs).values()))


def test_what_others_keep_in_a_folder_of_that_name_stays(runs):
    for name in ("damaged/mine/notes.txt", "whole/damaged/notes.txt"):
        (runs / name).parent.mkdir(parents=True)
        (runs / name).write_text("mine")
    found = find_items(runs)
    assert {name for name in names(found.items, runs) if "damaged" in name} == {"damaged/gone-1"}


def test_nothing_goes_that_was_not_asked_for(runs, capsys):
    before = everything(runs)
    assert main(["clean", str(runs), "--list"]) == 0
    said = capsys.readouterr().out
    assert everything(runs) == before
    assert "would be freed; --yes removes it" in said
    assert all(KINDS[kind] in said for kind in ("checkpoints", "half-written", "damaged"))
    assert str(runs / "stopped/checkpoints/update-00000003") in said


def test_after_it_runs_go_on_and_are_read_as_before(runs, made, shards, capsys):
    before = everything(runs)
    gone = find_items(runs, events=True)
    assert main(["clean", str(runs), "--yes", "--events"]) == 0
    assert "freed; " in capsys.readouterr().out
    after = everything(runs)
    assert set(before) - set(after) == {
        name for name in before if any((runs / name).is_relative_to(item.path) for item in gone.items)
    }
    assert all(before[name] == content for name, content in after.items())
    assert {"whole/notes.txt", "whole/generated.2.partial.wav"} <= set(after)
    assert not [name for name in after if name.startswith("whole/events")]
    assert [name for name in after if name.startswith("stopped/events")]  # it is not complete
    assert damages(runs / "whole") == damages(runs / "stopped") == []
    assert longsong.load_run(runs / "whole").epoch == longsong.load_run(made / "whole").epoch
    train(shards, runs / "stopped")
    assert final_bytes(runs / "stopped") == final_bytes(made / "whole")


@pytest.mark.parametrize("keep", [1, 2, 3, 9])
def test_so_many_checkpoints_stay(runs, keep):
    clean(find_items(runs, keep_checkpoints=keep))
    left = [path.name for path in sorted(runs.glob("stopped/checkpoints/update-*"))]
    assert left == [f"update-{update:08d}" for update in (3, 6, 9)][-keep:]


@pytest.mark.parametrize("keep", [1, 2, 9])
def test_of_a_complete_run_the_last_checkpoint_stays_whatever_is_asked_for(shards, tmp_path, keep):
    run = train_and_keep_all(shards, tmp_path / "run")
    clean(find_items(run, keep_checkpoints=keep))
    assert [path.name for path in run.glob("checkpoints/update-*")] == ["update-00000012"]
    assert damages(run) == []


def test_a_run_whose_summary_is_damaged_is_not_taken_for_complete(shards, tmp_path):
    run = train_and_keep_all(shards, tmp_path / "run")
    events = {path.name for path in run.glob("events.out.tfevents.*")}
    assert events <= names(find_items(run, events=True).items, run)
    flip(run / "summary.json")
    assert names(find_items(run, keep_checkpoints=3, events=True).items, run) == {
        "checkpoints/update-00000000", "checkpoints/update-00000003",
    }  # fmt: skip


def test_a_checkpoint_that_is_being_written_stays(runs):
    (runs / "stopped/checkpoints/.update-00000015.partial").mkdir()
    assert "stopped/checkpoints/.update-00000015.partial" not in names(find_items(runs).items, runs)


def test_a_folder_of_that_name_in_which_nothing_was_put_aside_stays(runs):
    (runs / "whole/damaged").mkdir()
    assert "whole/damaged" not in names(find_items(runs).items, runs)


def test_where_a_newer_checkpoint_is_damaged_the_older_ones_stay(runs, shards, made):
    flip(runs / "stopped/checkpoints/update-00000009/parameters.safetensors")
    assert not find_items(runs).by_kind().get("checkpoints")
    set_aside(runs / "stopped")
    assert names(find_items(runs / "stopped").items, runs) == {
        "stopped/checkpoints/update-00000003",
        "stopped/checkpoints/.update-00000012.partial",
    }


def test_a_run_at_work_is_not_touched(runs, capsys):
    with only_here(runs / "stopped"):
        found = find_items(runs)
        assert not [item for item in found.items if item.run == runs / "stopped"]
        assert found.busy == (runs / "stopped",)
    found = find_items(runs)
    before = everything(runs / "stopped")
    with only_here(runs / "stopped"):  # it began after that
        gone = clean(found)
        assert runs / "stopped" in gone.busy
    assert everything(runs / "stopped") == before
    assert gone.bytes < found.bytes
    assert gone.bytes + gone.kept == found.bytes + found.kept


def test_a_folder_that_reproduce_works_on_is_not_touched(runs, capsys):
    with sole_owner(runs):
        before = everything(runs)
        assert main(["clean", str(runs), "--yes"]) == 0
        assert everything(runs) == before
    said = capsys.readouterr()
    assert "is at work; nothing of it is touched" in said.err
    assert "0 B  freed" in said.out


def test_bad_input(tmp_path, runs):
    with pytest.raises(RunError, match="there is no folder"):
        find_items(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="holds no run"):
        find_items(tmp_path / "empty")
    with pytest.raises(ConfigError, match="keep-checkpoints"):
        find_items(runs, keep_checkpoints=0)
    with pytest.raises(ConfigError, match="keep-checkpoints"):
        longsong.train(config(tmp_path, tmp_path / "x"), keep_checkpoints=0)
