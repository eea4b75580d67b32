"""Pieces of products: whole, no more than there is room for, and zeros where there is nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longsong.errors import ConfigError
from longsong.model.kernels.tiles import _SCRATCH as SCRATCH
from longsong.model.kernels.tiles import ROWS, Room, padded, precision_of, programs

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
H100, A100, CARD = 227 << 10, 163 << 10, 99 << 10
"""Shared memory of a program on devices that one may meet."""


@pytest.fixture(params=[H100, A100, CARD], ids=["H100", "A100", "card"])
def shared(request, monkeypatch) -> int:
    on_device(monkeypatch, request.param)
    return request.param


def on_device(monkeypatch, shared: int) -> None:
    properties = SimpleNamespace(shared_memory_per_block_optin=shared)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)


@pytest.mark.parametrize("operands", [torch.bfloat16, torch.float32])
def test_pieces_cover_their_products_and_fit_together(shared, operands):
    sizes, parts = st.integers(1, 4096), st.sampled_from([1, 4])

    @given(products=st.lists(st.tuples(sizes, sizes, parts), min_size=1, max_size=3))
    def holds(products: list[tuple[int, int, int]]) -> None:
        room, taken = Room(CUDA, operands), SCRATCH
        for inner, columns, many in products:
            tiles = room.tiles_of(inner, columns, parts=many)
            for size, whole, block in (
                (inner, tiles.inner, tiles.block_inner),
                (columns, tiles.columns, tiles.block_columns),
            ):
                assert whole % block == 0
                assert size <= whole < max(size + block, 2 * size)
                assert block & (block - 1) == 0
                assert block >= 16  # the least that Triton multiplies
            piece = tiles.block_inner * tiles.block_columns * many * operands.itemsize
            if tiles.kept:
                assert (tiles.block_inner, tiles.block_columns) == (tiles.inner, tiles.columns)
                assert operands == torch.bfloat16
                taken += piece
                assert taken <= shared
            else:
                assert tiles.block_columns * many <= 256
                on_their_way = (piece + tiles.block_inner * ROWS * 4) * (tiles.stages - 1)
                assert tiles.stages >= 2
                assert taken + on_their_way <= shared or tiles.stages == 2

    holds()


def test_a_matrix_of_the_posts_size_stays_on_an_h100(monkeypatch):
    for hidden in (199, 256):
        room = Room(CPU, torch.bfloat16)
        assert room.tiles_of(hidden, hidden).kept
        assert not room.tiles_of(hidden, 2 * hidden).kept
    room = Room(CPU, torch.bfloat16)
    assert all(room.tiles_of(128, columns).kept for columns in (128, 256))
    assert not Room(CPU, torch.float32).tiles_of(16, 16).kept
    on_device(monkeypatch, CARD)
    room = Room(CUDA, torch.bfloat16)
    assert not room.tiles_of(256, 256).kept
    assert room.tiles_of(256, 512).stages == 5
    assert Room(CUDA, torch.float32).tiles_of(256, 512).stages == 3


def test_a_device_that_does_not_say_keeps_nothing(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace())
    tiles = Room(CUDA, torch.bfloat16).tiles_of(16, 16)
    assert not tiles.kept
    assert tiles.stages >= 2


def test_behind_weights_there_are_zeros():
    weights = torch.arange(1.0, 13).view(2, 6)
    found = padded(weights, 3, 8, torch.bfloat16, {})
    assert found.dtype == torch.bfloat16
    assert torch.equal(found[:2, :6].float(), weights)
    assert not found[2:].any()
    assert not found[:, 6:].any()
    apart = padded(weights, 2, 4, torch.float32, {}, parts=3)
    assert torch.equal(
        apart, torch.tensor([[1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0], [7, 8, 0, 0, 9, 10, 0, 0, 11, 12, 0, 0]])
    )


def test_weights_are_laid_out_once():
    weights, laid_out = torch.arange(1.0, 10).view(3, 3), {}
    first = padded(weights, 4, 4, torch.float32, laid_out)
    assert padded(weights, 4, 4, torch.float32, laid_out) is first
    assert torch.equal(padded(weights.t(), 4, 4, torch.float32, laid_out), first.t())
    assert padded(weights, 4, 8, torch.float32, laid_out).shape == (4, 8)
    assert padded(weights, 4, 4, torch.float32, {}) is not first


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
