"""Checkpoints: whole or not at all, and of the right network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from longsong.config import ModelConfig
from longsong.errors import CheckpointError, SpaceError
from longsong.model import Network
from longsong.training import checkpoint as checkpoints
from longsong.training import checkpoint_files
from longsong.training.checkpoint import Best, Checkpoint

NETWORK = Network(ModelConfig(hidden=3), 4)


def at_update(update: int, dtype: torch.dtype = torch.float32) -> Checkpoint:
    generator = torch.Generator().manual_seed(update)
    parameters, mean_square = torch.randn(2, NETWORK.size, generator=generator).to(dtype)
    return Checkpoint(
        song_digest="abc",
        parameters=parameters,
        mean_square=mean_square,
        learning_rate=0.002 * 0.97**update,
        update=update,
        epoch=1,
        train_stream={"epoch": 1, "position": 2},
        metrics_bytes=99,
        best=Best(1, 0.25, "def"),
    )


def save(folder: Path, checkpoint: Checkpoint, **best: str | None) -> str:
    best = best or {"best_sha256": checkpoint.best.sha256}
    return checkpoints.pack(NETWORK, checkpoint, **best).write(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_saved_is_loaded_bit_for_bit_and_only_the_newest_is_kept(tmp_path, dtype):
    assert checkpoints.load_latest(tmp_path, NETWORK) is None
    for update in (1, 2, 10):
        save(tmp_path, at_update(update, dtype))
        loaded, saved = checkpoints.load_latest(tmp_path, NETWORK), at_update(update, dtype)
        assert torch.equal(loaded.parameters, saved.parameters)
        assert torch.equal(loaded.mean_square, saved.mean_square)
        assert loaded.parameters.dtype == dtype
        tensors = ("parameters", "mean_square")
        assert {k: v for k, v in vars(loaded).items() if k not in tensors} == {
            k: v for k, v in vars(saved).items() if k not in tensors
        }
        assert [path.name for path in tmp_path.iterdir()] == [f"update-{update:08d}"]


def test_a_disk_that_fills_up_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, at_update(1))

    def full(path: Path, obj: object, *, sealed: bool = False) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "write_json", full)
    with pytest.raises(SpaceError, match="update-00000002"):
        save(tmp_path, at_update(2))
    assert [path.name for path in tmp_path.iterdir()] == ["update-00000001"]
    assert checkpoints.load_latest(tmp_path, NETWORK).update == 1


def test_the_parameters_of_another_network_are_refused_by_name(tmp_path):
    save(tmp_path, at_update(1))
    for model, frame, named in (
        (ModelConfig(hidden=4), 4, r"\(3,\) there and \(4,\) here|there and"),
        (ModelConfig(hidden=3, cell="rnn"), 4, "of another network"),
        (ModelConfig(hidden=3), 5, "of another network"),
    ):
        with pytest.raises(CheckpointError, match=named):
            checkpoints.load_latest(tmp_path, Network(model, frame))


def test_best_parameters(tmp_path):
    folder = tmp_path / "checkpoints"
    digest = save(folder, at_update(3), best_sha256=None)
    assert torch.equal(checkpoints.load_best(tmp_path, NETWORK, digest), at_update(3).parameters)
    assert checkpoints.load_latest(folder, NETWORK).best == Best(1, 0.25, digest)
    # They stay where later ones are no better.
    assert save(folder, at_update(4), best_sha256=digest) == digest
    assert checkpoints.load_latest(folder, NETWORK).best == Best(1, 0.25, digest)
    assert torch.equal(checkpoints.load_best(tmp_path, NETWORK, digest), at_update(3).parameters)
    with pytest.raises(CheckpointError, match="sha256"):
        checkpoints.load_best(tmp_path, NETWORK, "0" * 64)
    checkpoints.best_file(tmp_path).write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="cut short or altered"):
        checkpoints.load_best(tmp_path, NETWORK)
    checkpoints.best_file(tmp_path).unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoints.load_best(tmp_path, NETWORK)
