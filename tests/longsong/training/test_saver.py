"""Checkpoints written in the background: the same as if they had been waited for, and no failure lost."""

from __future__ import annotations

import threading

import pytest
import torch

from longsong.config import ModelConfig
from longsong.errors import SpaceError
from longsong.model import Network
from longsong.training import checkpoint as checkpoints
from longsong.training.checkpoint import Best, Checkpoint
from longsong.training.saver import Saver

NETWORK = Network(ModelConfig(hidden=3), 4)


def checkpoint(update: int) -> Checkpoint:
    return Checkpoint("abc", torch.full((NETWORK.size,), float(update)), torch.ones(NETWORK.size), 0.1, update=update)


def test_what_changes_while_it_is_written_is_not_in_it(tmp_path, monkeypatch):
    go_on = threading.Event()
    write_state = checkpoints.write_state

    def slow(path, state):
        assert go_on.wait(10)
        write_state(path, state)

    monkeypatch.setattr(checkpoints, "write_state", slow)
    saver, at = Saver(tmp_path, NETWORK, ""), checkpoint(1)
    saver.save(at, best=False)
    saver.check()  # nothing is known yet
    assert checkpoints.load_latest(tmp_path, NETWORK) is None
    at.parameters.zero_()
    at.mean_square.zero_()
    at.update, at.learning_rate = 2, 7.0
    go_on.set()
    saver.wait()
    found = checkpoints.load_latest(tmp_path, NETWORK)
    assert (found.update, found.learning_rate) == (1, 0.1)
    assert torch.equal(found.parameters, torch.ones(NETWORK.size))
    assert torch.equal(found.mean_square, torch.ones(NETWORK.size))


def test_they_come_in_order_and_know_the_digest_of_the_best(tmp_path):
    folder = tmp_path / "checkpoints"
    saver = Saver(folder, NETWORK, "")
    for update, best in ((1, False), (2, True), (3, False), (4, True), (5, False)):
        at = checkpoint(update)
        at.best = Best(update, 0.5)
        saver.save(at, best=best)
    digest = saver.wait()
    assert [path.name for path in sorted(folder.iterdir())] == ["best.json", "best.safetensors", "update-00000005"]
    assert checkpoints.load_latest(folder, NETWORK).best == Best(5, 0.5, digest)
    assert torch.equal(checkpoints.load_best(tmp_path, NETWORK, digest), checkpoint(4).parameters)
    # Another start knows it from the checkpoint.
    again = Saver(folder, NETWORK, digest)
    again.save(checkpoint(6), best=False)
    assert again.wait() == digest


@pytest.mark.parametrize("asked", ["check", "save", "wait"])
def test_a_checkpoint_that_cannot_be_written_is_told_once(tmp_path, monkeypatch, asked):
    saver = Saver(tmp_path, NETWORK, "")
    saver.save(checkpoint(1), best=False)
    saver.wait()
    with monkeypatch.context() as patched:

        def full(path, content):
            raise OSError(28, "No space left on device")

        patched.setattr(checkpoints, "write_bytes", full)
        saver.save(checkpoint(2), best=False)
        while not saver._writing.done():
            pass
    with pytest.raises(SpaceError, match="no room"):
        {"check": saver.check, "wait": saver.wait, "save": lambda: saver.save(checkpoint(3), best=False)}[asked]()
    saver.wait()
    assert checkpoints.load_latest(tmp_path, NETWORK).update == 1
