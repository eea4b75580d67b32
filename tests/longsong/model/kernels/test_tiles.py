"""Pieces of products: whole, no more than there is room for, and zeros where there is nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longsong.errors import ConfigError
from longsong.model.kernels.tiles import ROWS, padded, padded_apart, precision_of, programs, tiles_of


@given(inner=st.integers(1, 4096), columns=st.integers(1, 4096), together=st.sampled_from([1, 2, 4]))
def test_pieces_cover_the_product_and_little_more(inner, columns, together):
    tiles = tiles_of(inner, columns, together=together)
    for size, whole, block in (
        (inner, tiles.inner, tiles.block_inner),
        (columns, tiles.columns, tiles.block_columns),
    ):
        assert whole % block == 0
        assert size <= whole < size + block
        assert block & (block - 1) == 0
        assert block >= 16  # the least that Triton multiplies
    assert tiles.block_columns * together <= 256
    # Weights of float32 for all pieces at once, in shared memory.
    assert tiles.block_inner * tiles.block_columns * together * 4 * (tiles.stages - 1) <= 227 << 10


def test_behind_weights_there_are_zeros():
    weights = torch.arange(1.0, 13).view(2, 6)
    found = padded(weights, 3, 8, torch.bfloat16)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found[:2, :6].float(), weights)
    assert not found[2:].any()
    assert not found[:, 6:].any()
    apart = padded_apart(weights, 2, 4, 3, torch.float32)
    assert torch.equal(
        apart, torch.tensor([[1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0], [7, 8, 0, 0, 9, 10, 0, 0, 11, 12, 0, 0]])
    )


def test_every_row_has_a_program():
    assert [programs(rows, 1) for rows in (1, ROWS, ROWS + 1, 128)] == [(1,), (1,), (2,), (8,)]
    with pytest.raises(ConfigError, match="4,000,000 rows of 1,024 numbers are more than a kernel takes"):
        programs(4_000_000, 1024)


def test_float32_is_multiplied_as_torch_does_it(monkeypatch):
    for allowed, expected in (("highest", "ieee"), ("high", "tf32")):
        monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda allowed=allowed: allowed)
        assert precision_of(torch.float32) == expected
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert precision_of(torch.bfloat16) == "ieee"
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert precision_of(torch.bfloat16) == "widened"
