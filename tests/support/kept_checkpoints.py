"""A complete run that has all its checkpoints still, as versions left it that did not remove them at its end."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from training_runs import config

import longsong
from longsong.generated import generate_into
from longsong.generating import Generating
from longsong.training import trainer

__all__ = ["train_and_keep_all"]


def train_and_keep_all(shards: Path, out: Path) -> Path:
    """Train to the end and generate half a second; each of the four epochs has a checkpoint, as has the beginning."""
    with mock.patch.object(trainer, "remove_older"):
        run = longsong.train(config(shards, out), quiet=True, keep_checkpoints=9)
    generate_into(longsong.load_run(run), how=Generating(0.5), quiet=True)
    return run
