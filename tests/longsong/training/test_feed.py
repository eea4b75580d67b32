"""From arrays to tensors: the same numbers, once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from longsong.training.feed import tensors

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_and_targets_are_views_of_one_copy(dtype):
    buffer = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    ((inputs, targets),) = tensors([(buffer[:, :-1], buffer[:, 1:])], CPU, dtype)
    assert inputs.dtype == dtype
    np.testing.assert_array_equal(inputs.numpy(), buffer[:, :-1])
    np.testing.assert_array_equal(targets.numpy(), buffer[:, 1:])
    assert inputs.untyped_storage().data_ptr() == targets.untyped_storage().data_ptr()
    buffer[:] = 0  # a stream may use its memory again
    assert inputs.all()


def test_two_arrays_of_their_own_are_refused():
    inputs = np.zeros((3, 4, 2), np.float32)
    with pytest.raises(ValueError, match="one buffer"):
        next(tensors([(inputs, inputs.copy())], CPU, torch.float32))
