"""The dev split in groups: the mini-batches of its stream, none lost, none moved."""

from __future__ import annotations

import pytest
import torch

from longsong.config import DataConfig
from longsong.training import evaluation
from longsong.training.evaluation import DevGroups
from longsong.training.splits import Splits

CPU = torch.device("cpu")


def streams_of(shards, batch: int):
    """Two streams of the same examples in the same order."""
    splits = Splits.open(shards, DataConfig(20, 5, batch=batch))
    return splits.train_stream(3), splits.train_stream(3)


@pytest.mark.parametrize("together", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_groups_are_the_mini_batches_of_the_stream(shards, monkeypatch, together, dtype):
    monkeypatch.setattr(evaluation, "_MOST_TOGETHER", together)
    grouped, alone = streams_of(shards, 32)
    groups = DevGroups(grouped, CPU, dtype)
    for _ in range(2):  # each epoch in its own order
        expected = [(inputs.copy(), targets.copy()) for inputs, targets in alone.get_epoch_iterator()]
        found, sizes = [], []
        for inputs, targets, rows in groups:
            assert inputs.dtype == dtype
            assert inputs.data_ptr() + inputs.element_size() * 20 == targets.data_ptr()
            found += zip(torch.split(inputs.clone(), rows), torch.split(targets.clone(), rows), strict=True)
            sizes.append(len(rows))
        assert len(found) == len(expected) == 10
        for pair, expected_pair in zip(found, expected, strict=True):
            for part, expected_part in zip(pair, expected_pair, strict=True):
                assert torch.equal(part, torch.from_numpy(expected_part).to(dtype))
        assert sizes == [min(together, 10 - first) for first in range(0, 10, together)]
        assert grouped.state_dict() == alone.state_dict()


def test_large_mini_batches_come_one_by_one(shards, monkeypatch):
    stream, _ = streams_of(shards, 32)
    one = 4 * 32 * 6 * 20
    for most, expected in ((one - 1, 1), (one, 1), (3 * one, 3)):
        monkeypatch.setattr(evaluation, "BYTES_TOGETHER", most)
        assert max(len(sizes) for _, _, sizes in DevGroups(stream, CPU, torch.float32)) == expected
