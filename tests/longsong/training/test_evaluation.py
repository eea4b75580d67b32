"""The dev split in groups: the mini-batches of its stream, none lost, none moved."""

from __future__ import annotations

import pytest
import torch

from longsong.config import DataConfig
from longsong.training import evaluation
from longsong.training.evaluation import DevGroups
from longsong.training.feed import torch_batches
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


@pytest.mark.parametrize("together", [1, 3, 100])
def test_so_they_are_on_another_device(shards, monkeypatch, together):
    monkeypatch.setattr(evaluation, "_MOST_ELSEWHERE", together)
    monkeypatch.setattr(evaluation, "torch_batches", lambda stream, _, dtype: torch_batches(stream, CPU, dtype))
    grouped, alone = streams_of(shards, 32)
    found, numbers = [], []
    for inputs, targets, rows in DevGroups(grouped, torch.device("meta"), torch.float32):
        found += zip(torch.split(inputs, rows), torch.split(targets, rows), strict=True)
        numbers.append(len(rows))
    for pair, expected in zip(found, alone.get_epoch_iterator(), strict=True):
        for part, expected_part in zip(pair, expected, strict=True):
            assert torch.equal(part, torch.from_numpy(expected_part.copy()))
    assert numbers == [min(together, 10 - first) for first in range(0, 10, together)]
    assert grouped.state_dict() == alone.state_dict()


def test_large_mini_batches_come_one_by_one(shards, monkeypatch):
    stream, _ = streams_of(shards, 32)
    one = 4 * 32 * 6 * 20
    for most, expected in ((one - 1, 1), (one, 1), (3 * one, 3)):
        monkeypatch.setattr(evaluation, "BYTES_TOGETHER", most)
        assert max(len(sizes) for _, _, sizes in DevGroups(stream, CPU, torch.float32)) == expected


@pytest.mark.parametrize("prefetch", [0, 2])
def test_what_was_begun_is_given_once(shards, prefetch):
    begun, alone = streams_of(shards, 32)
    begun.prefetch = prefetch
    groups = DevGroups(begun, CPU, torch.float32)
    for _ in range(2):
        groups.begin()
        groups.begin()
        found = torch.cat([inputs.clone() for inputs, _, _ in groups])
        expected = [torch.from_numpy(inputs.copy()) for inputs, _ in alone.get_epoch_iterator()]
        assert torch.equal(found, torch.cat(expected))
        assert begun.state_dict() == alone.state_dict()


def test_what_fails_while_it_is_read_ahead_fails_where_it_is_asked_for(shards, monkeypatch):
    stream, _ = streams_of(shards, 32)
    groups = DevGroups(stream, CPU, torch.float32)

    def failing(self, indices):
        raise OSError("the disk is gone")

    monkeypatch.setattr(type(stream.windows), "read_frames", failing)
    groups.begin()
    with pytest.raises(OSError, match="the disk is gone"):
        list(groups)
