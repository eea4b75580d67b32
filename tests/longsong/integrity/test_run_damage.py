"""Whatever happens to a file of a run is found, named, and made good by making it again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from damage import WAYS, cut, flip, lengthen, remove
from planned_grids import planned_grid
from training_runs import final_bytes, metrics_without_times, train

import longsong
from longsong.errors import BusyError, CheckpointError
from longsong.files import sha256_of, write_json
from longsong.generated import generate_into
from longsong.generating import Generating
from longsong.grid_file import write_grid
from longsong.integrity import damages, set_aside, set_files_aside
from longsong.integrity.run_damage import inspect_run, is_run
from longsong.training.checkpoint_files import read_state, write_state
from longsong.training.run_lock import only_here

PARTS = {
    "config.json": "configuration",
    "summary.json": "summary",
    "metrics.jsonl": "metrics",
    "checkpoints/update-00000012/parameters.safetensors": "checkpoint",
    "checkpoints/update-00000012/optimiser.safetensors": "checkpoint",
    "checkpoints/update-00000012/state.json": "checkpoint",
    "checkpoints/best.safetensors": "best",
    "generated-0.5s.wav": "sound",
    "generated-0.5s.json": "sound",
}


def test_nothing_is_found_where_nothing_is_damaged(complete_run, stopped_run, tmp_path):
    assert damages(complete_run) == damages(stopped_run) == damages(tmp_path) == damages(tmp_path / "none") == []
    assert set_aside(complete_run) is set_aside(tmp_path) is set_aside(tmp_path / "none") is None
    assert [folder.name for folder in inspect_run(stopped_run).usable] == ["update-00000003", "update-00000006"]
    assert len(list(complete_run.glob("checkpoints/update-*"))) == 1


@pytest.mark.parametrize("damage", WAYS)
@pytest.mark.parametrize("name", PARTS)
def test_each_file_is_named_with_what_is_wrong(complete_run, copied, name, damage):
    run = copied(complete_run)
    damage(run / name)
    found = damages(run)
    if damage is remove and name in ("summary.json", "generated-0.5s.json"):
        # Not complete, or not heard: as it is until that is written.
        assert found == []
        return
    assert [one.part for one in found] == [PARTS[name]]
    assert str(run) in str(found[0])
    assert Path(name).name in str(found[0])
    if damage is cut and name.endswith((".safetensors", ".wav")):
        assert "is cut short: it has" in str(found[0])


@pytest.mark.parametrize("damage", [flip, cut, remove])
@pytest.mark.parametrize("name", PARTS)
def test_what_is_damaged_is_put_aside_and_made_again(complete_run, shards, copied, name, damage):
    run = copied(complete_run)
    damage(run / name)
    there = (run / name).exists()
    content = (run / name).read_bytes() if there else b""
    done = set_aside(run)
    if done is not None:
        assert done.folder.parent == run.parent / "damaged"
        assert (
            name in (done.folder / "why.txt").read_text()
            or name.split("/")[-2] in (done.folder / "why.txt").read_text()
        )
        kept = done.folder / run.name / name if done.begins_anew else done.folder / name
        assert not there or kept.read_bytes() == content  # nothing is lost that was there
        assert done.begins_anew == (
            PARTS[name] in ("configuration", "metrics", "checkpoint") or run_needs_all(run, name)
        )
    train(shards, run)
    generate_into(longsong.load_run(run), how=Generating(0.5), quiet=True)
    assert final_bytes(run) == final_bytes(complete_run)
    assert metrics_without_times(run) == metrics_without_times(complete_run)
    assert sha256_of(run / "generated-0.5s.wav") == sha256_of(complete_run / "generated-0.5s.wav")
    assert damages(run) == []
    assert set_aside(run) is None


def run_needs_all(run: Path, name: str) -> bool:
    return name.endswith("best.safetensors") and not (run / "checkpoints").exists()


def test_a_complete_run_without_any_checkpoint_is_not_whole(complete_run, copied, shards):
    run = copied(complete_run)
    remove(run / "checkpoints/update-00000012")
    (damage,) = damages(run)
    assert (damage.path, damage.part) == (run / "checkpoints", "checkpoint")
    assert "holds no checkpoint" in str(damage)
    assert set_aside(run).begins_anew
    train(shards, run)
    assert final_bytes(run) == final_bytes(complete_run)


def test_all_that_is_damaged_is_named_in_the_order_of_what_depends_on_what(complete_run, copied):
    run = copied(complete_run)
    for name in PARTS:
        flip(run / name)
    # What else vouches for metrics and best parameters is damaged too.
    assert [damage.part for damage in damages(run)] == ["configuration", "checkpoint", "summary", "sound"]
    copied_again = shutil.copytree(complete_run, run.with_name("again"))
    for name in PARTS.keys() - {"summary.json"}:
        flip(copied_again / name)
    found = [damage.part for damage in damages(copied_again)]
    assert found == ["configuration", "checkpoint", "metrics", "best", "sound"]


def test_before_its_first_epoch_ends_a_run_needs_no_best_parameters(run_with_all, complete_run, copied, shards):
    run = copied(run_with_all)
    for update in (3, 6, 9, 12):
        remove(run / f"checkpoints/update-{update:08d}")
    for name in ("summary.json", "checkpoints/best.safetensors", "checkpoints/best.json"):
        remove(run / name)
    assert damages(run) == []
    assert [folder.name for folder in inspect_run(run).usable] == ["update-00000000"]
    train(shards, run)
    assert final_bytes(run) == final_bytes(complete_run)


def test_what_is_a_run_is_told_by_its_files(complete_run, copied, tmp_path):
    run = copied(complete_run)
    (run / "checkpoints/config.json").write_text("{}")
    assert is_run(run)  # whatever else lies in it
    grid = tmp_path / "grid"
    (grid / "checkpoints").mkdir(parents=True)
    (grid / "config.json").write_text("{}")
    write_grid(grid, planned_grid())
    assert not is_run(grid)
    assert damages(grid) == []
    assert set_aside(grid) is None


def test_a_run_goes_on_from_the_checkpoint_before(stopped_run, complete_run, shards, copied):
    run = copied(stopped_run)
    flip(run / "checkpoints/update-00000006/optimiser.safetensors")
    with pytest.raises(CheckpointError, match="--set-aside"):
        train(shards, run)
    done = set_aside(run)
    assert not done.begins_anew
    assert (done.folder / "checkpoints/update-00000006/optimiser.safetensors").exists()
    assert damages(run) == []
    train(shards, run)
    assert final_bytes(run) == final_bytes(complete_run)
    assert metrics_without_times(run) == metrics_without_times(complete_run)


def test_metrics_that_are_whole_up_to_an_older_checkpoint_are_gone_on_with(stopped_run, complete_run, shards, copied):
    run = copied(stopped_run)
    older = json.loads((run / "checkpoints/update-00000003/state.json").read_text())["metrics_bytes"]
    metrics = (run / "metrics.jsonl").read_bytes()
    damaged = metrics[:older] + metrics[older:].replace(b"0.", b"1.", 1)
    (run / "metrics.jsonl").write_bytes(damaged)
    assert [str(one) for one in damages(run)] == [
        f"{run / 'metrics.jsonl'} is altered, by what {run / 'checkpoints/update-00000006/state.json'} says"
    ]
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl is altered"):
        train(shards, run)
    done = set_aside(run)
    assert not done.begins_anew
    assert (done.folder / "metrics.jsonl").read_bytes() == damaged
    assert [path.name for path in sorted(run.glob("checkpoints/update-*"))] == ["update-00000003"]
    train(shards, run)
    assert metrics_without_times(run) == metrics_without_times(complete_run)
    assert final_bytes(run) == final_bytes(complete_run)


def test_what_is_behind_the_checkpoint_is_written_again_and_is_no_damage(stopped_run, shards, copied, complete_run):
    run = copied(stopped_run)
    lengthen(run / "metrics.jsonl")
    assert damages(run) == []
    train(shards, run)
    assert metrics_without_times(run) == metrics_without_times(complete_run)


def lengthen_past_the_last_checkpoint(run: Path) -> None:
    lengthen(run / "metrics.jsonl")


def flip_after_an_older_checkpoint(run: Path) -> None:
    metrics = run / "metrics.jsonl"
    older = read_state(run / "checkpoints/update-00000009")["metrics_bytes"]
    content = bytearray(metrics.read_bytes())
    content[older] ^= 1
    metrics.write_bytes(content)


def flip_the_last_checkpoint(run: Path) -> None:
    flip(run / "checkpoints/update-00000012/parameters.safetensors")


def lose_the_last_checkpoint(run: Path) -> None:
    remove(run / "checkpoints/update-00000012")


class TestACompleteRunThatHasToGoOn:
    @pytest.mark.parametrize(
        ("damage", "named", "left"),
        [
            (lengthen_past_the_last_checkpoint, "metrics", 12),
            (flip_after_an_older_checkpoint, "metrics", 9),
            (flip_the_last_checkpoint, "checkpoint", 9),
            (lose_the_last_checkpoint, "checkpoint", 6),
        ],
    )
    def test_it_is_complete_no_more_and_made_complete_again(self, run_with_all, copied, shards, damage, named, left):
        run = copied(run_with_all)
        assert damages(run) == []
        damage(run)
        assert [one.part for one in damages(run)] == [named]
        done = set_aside(run)
        assert not done.begins_anew
        assert not (run / "summary.json").exists()  # else nobody would train it
        assert (done.folder / "summary.json").read_bytes() == (run_with_all / "summary.json").read_bytes()
        assert max(run.glob("checkpoints/update-*")).name == f"update-{left:08d}"
        train(shards, run)
        assert final_bytes(run)["parameters.safetensors"] == sha256_of(
            run_with_all / "checkpoints/update-00000012/parameters.safetensors"
        )
        assert metrics_without_times(run) == metrics_without_times(run_with_all)
        assert damages(run) == []

    def test_a_whole_checkpoint_that_is_another_than_its_summarys_is_named(self, run_with_all, copied):
        run = copied(run_with_all)
        lose_the_last_checkpoint(run)
        (damage,) = damages(run)
        assert damage.path == run / "checkpoints/update-00000009"
        assert str(damage) == f"{damage.path} is another than the one that {run / 'summary.json'} is of"
        assert damage.path not in inspect_run(run).usable


class TestBestParametersOfARunThatIsNotComplete:
    def test_those_of_an_epoch_whose_checkpoint_was_not_written_are_whole(
        self, stopped_run, complete_run, copied, shards
    ):
        run = copied(stopped_run)
        later = complete_run / "checkpoints/update-00000012/parameters.safetensors"
        (run / "checkpoints/best.safetensors").write_bytes(later.read_bytes())
        record = {"format": "longsong.best", "version": 1, "epoch": 3, "dev_cost": 0.1, "sha256": sha256_of(later)}
        write_json(run / "checkpoints/best.json", record, sealed=True)
        assert damages(run) == []
        flip(run / "checkpoints/best.safetensors")
        assert [one.part for one in damages(run)] == ["best"]
        assert not set_aside(run).begins_anew
        assert damages(run) == []  # they come again
        train(shards, run)
        assert final_bytes(run) == final_bytes(complete_run)

    @pytest.mark.parametrize("damage", WAYS)
    def test_those_that_the_checkpoint_has_too_are_taken_from_it(
        self, stopped_run, complete_run, copied, shards, damage
    ):
        run, best = copied(stopped_run), sha256_of(stopped_run / "checkpoints/best.safetensors")
        remove(run / "checkpoints/update-00000006")
        assert best == sha256_of(run / "checkpoints/update-00000003/parameters.safetensors")
        damage(run / "checkpoints/best.safetensors")
        assert [one.part for one in damages(run)] == ["best"]
        assert not set_aside(run).begins_anew
        assert sha256_of(run / "checkpoints/best.safetensors") == best
        train(shards, run)
        assert final_bytes(run) == final_bytes(complete_run)

    def test_where_only_an_older_checkpoint_has_them_the_run_goes_on_from_that(
        self, stopped_run, complete_run, copied, shards
    ):
        run, best = copied(stopped_run), sha256_of(stopped_run / "checkpoints/best.safetensors")
        assert best != sha256_of(run / "checkpoints/update-00000006/parameters.safetensors")
        flip(run / "checkpoints/best.safetensors")
        done = set_aside(run)
        assert not done.begins_anew
        assert (done.folder / "checkpoints/update-00000006").is_dir()
        assert sha256_of(run / "checkpoints/best.safetensors") == best
        assert damages(run) == []
        train(shards, run)
        assert final_bytes(run) == final_bytes(complete_run)

    def test_of_a_run_of_before_there_was_a_record_only_the_length_is_known(self, stopped_run, complete_run, copied):
        run = copied(stopped_run)
        (run / "checkpoints/best.json").unlink()
        flip(run / "checkpoints/best.safetensors")
        assert damages(run) == []
        cut(run / "checkpoints/best.safetensors")
        assert [one.part for one in damages(run)] == ["best"]


def test_runs_of_before_are_read(complete_run, copied, tmp_path):
    """Without seals, without the digest of the metrics in the checkpoint."""
    run = copied(complete_run)
    for path in (run / "config.json", run / "summary.json", run / "generated-0.5s.json"):
        found = json.loads(path.read_text())
        del found["rest_sha256"]
        path.write_text(json.dumps(found))
    (run / "checkpoints/best.json").unlink()
    assert damages(run) == []
    assert longsong.load_run(run).epoch > 0
    (state,) = run.glob("checkpoints/update-*/state.json")
    kept = read_state(state.parent)
    del kept["metrics_sha256"]
    write_state(state.parent, kept)
    assert damages(run) == []
    flip(run / "metrics.jsonl")
    assert [one.part for one in damages(run)] == ["metrics"]
    assert set_aside(run).begins_anew  # what no digest is of is not believed


def test_a_run_at_work_is_left_alone(complete_run, copied):
    run = copied(complete_run)
    flip(run / "metrics.jsonl")
    with only_here(run), pytest.raises(BusyError):
        set_aside(run)
    assert (run / "metrics.jsonl").exists()
    assert not (run.parent / "damaged").exists()


def test_what_is_damaged_beside_the_runs_is_put_aside_and_the_rest_left(tmp_path):
    write_grid(tmp_path, planned_grid())
    (tmp_path / "notes.txt").write_text("somebody's")
    assert set_files_aside(tmp_path) == []
    text = (tmp_path / "grid.json").read_text()
    (tmp_path / "grid.json").write_text(text[: len(text) // 2])
    (aside,) = set_files_aside(tmp_path)
    assert not (tmp_path / "grid.json").exists()
    assert (aside.folder / "grid.json").read_text() == text[: len(text) // 2]
    assert "cut short" in (aside.folder / "why.txt").read_text()
    assert (tmp_path / "notes.txt").exists()
