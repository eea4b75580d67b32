"""Buffers by name."""

from __future__ import annotations

import torch
from torch_work import TorchWork

from longsong.model.fused.workspace import Workspace


def test_a_name_gives_the_same_memory_for_whatever_fits():
    workspace = Workspace(torch.empty(0))
    large = workspace.take("gates", 4, 3, 2)
    small = workspace.take("gates", 5, 2)
    assert (large.shape, small.shape) == ((4, 3, 2), (5, 2))
    assert large.is_contiguous()
    assert small.is_contiguous()
    assert small.data_ptr() == large.data_ptr()
    assert workspace.take("cells", 5, 2).data_ptr() != large.data_ptr()
    assert len(workspace) == 24 + 10


def test_what_is_too_small_is_given_up_before_more_is_taken():
    # Both at once would be twice the memory that is said to be needed.
    like = torch.empty(0)
    with TorchWork(like) as counted:
        workspace = Workspace(like)
        for size in (1000, 1500, 2000):
            workspace.take("d_h", size)
    assert counted.peak == 2000 * torch.float32.itemsize
    assert len(workspace) == 2000


def test_buffers_are_of_the_type_that_was_asked_for():
    workspace = Workspace(torch.empty(0, dtype=torch.float64))
    assert workspace.take("e", 3).dtype == torch.float64
    assert workspace.fits(torch.ones(7, dtype=torch.float64))
    assert not workspace.fits(torch.ones(7))
