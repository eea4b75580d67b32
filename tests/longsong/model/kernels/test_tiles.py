"""Pieces of products: whole, no more than there is room for, and zeros where there is nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from longsong.errors import ConfigError
from longsong.model.kernels.tiles import _SCRATCH as SCRATCH
from longsong.model.kernels.tiles import ROWS, constants_of, padded, programs, tiles_of

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
    @given(hidden=st.integers(1, 4096), matrices=st.integers(1, 4), data=st.data())
    def holds(hidden: int, matrices: int, data: st.DataObject) -> None:
        together = data.draw(st.sampled_from([n for n in (1, 2, 4) if n <= matrices]))
        most = data.draw(st.sampled_from([128, 256]))
        tiles = tiles_of(hidden, matrices, CUDA, operands, together=together, most=most)
        for whole, block in ((tiles.inner, tiles.block_inner), (tiles.side, tiles.block_columns)):
            assert whole % block == 0
            assert hidden <= whole < max(hidden + block, 2 * hidden + 1) or whole == 16
            assert block & (block - 1) == 0
            assert block >= 16  # the least that Triton multiplies
        assert tiles.inner <= tiles.side
        assert 0 <= tiles.kept <= matrices
        taken = SCRATCH + tiles.kept * tiles.side**2 * operands.itemsize
        if tiles.kept:
            assert tiles.block_columns == tiles.side <= 256
            assert operands == torch.bfloat16
            assert taken <= shared
        if tiles.kept < matrices:
            assert tiles.block_columns * together <= most
            piece = tiles.block_inner * (tiles.block_columns * together + ROWS) * operands.itemsize
            assert tiles.stages >= 2
            assert taken + piece * (tiles.stages - 1) <= shared or tiles.stages == 2

    holds()


def test_what_fits_stays_on_the_chip(monkeypatch):
    bfloat16, float32 = torch.bfloat16, torch.float32
    # Of the three matrices of the post's sizes the one that is multiplied first; of smaller ones all.
    found = {hidden: tiles_of(hidden, 3, CPU, bfloat16).kept for hidden in (16, 128, 199, 256, 257)}
    assert found == {16: 3, 128: 3, 199: 1, 256: 1, 257: 0}
    assert tiles_of(128, 4, CPU, bfloat16, together=4).kept == 4
    assert tiles_of(256, 4, CPU, bfloat16, together=4).kept == 0  # its pieces are of 64 columns
    assert tiles_of(16, 3, CPU, float32).kept == 0
    on_device(monkeypatch, A100)
    assert [tiles_of(hidden, 3, CUDA, bfloat16).kept for hidden in (128, 256)] == [3, 0]
    on_device(monkeypatch, CARD)
    assert [tiles_of(hidden, 3, CUDA, bfloat16).kept for hidden in (64, 128, 256)] == [3, 1, 0]
    assert tiles_of(256, 3, CUDA, bfloat16).stages == 5
    assert tiles_of(256, 3, CUDA, float32).stages == 5


def test_a_device_that_does_not_say_keeps_little(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace())
    assert tiles_of(16, 3, CUDA, torch.bfloat16).kept == 3
    tiles = tiles_of(256, 3, CUDA, torch.bfloat16)
    assert (tiles.kept, tiles.stages) == (0, 2)


def test_behind_weights_there_are_zeros():
    weights = torch.arange(1.0, 13).view(2, 6)[:, :4]  # of two matrices, in another's memory
    found = padded(weights, 4, torch.bfloat16, {})
    assert found.dtype == torch.bfloat16
    assert found.shape == (2, 4, 4)
    assert torch.equal(found[:, :2, :2].float(), torch.tensor([[[1.0, 2], [7, 8]], [[3, 4], [9, 10]]]))
    assert not found[:, 2:].any()
    assert not found[:, :, 2:].any()
    turned = padded(weights, 4, torch.float32, {}, transposed=True)
    assert torch.equal(turned, found.float().transpose(1, 2))
    assert torch.equal(padded(weights, 2, torch.float32, {}), found[:, :2, :2].float())


def test_weights_are_laid_out_once():
    weights, laid_out = torch.arange(1.0, 10).view(3, 3), {}
    first = padded(weights, 4, torch.float32, laid_out)
    assert padded(weights, 4, torch.float32, laid_out) is first
    assert padded(weights, 4, torch.float32, laid_out, transposed=True) is not first
    assert padded(weights, 8, torch.float32, laid_out).shape == (1, 8, 8)
    assert padded(weights, 4, torch.float32, {}) is not first


def test_every_row_has_a_program():
    assert [programs(rows, 1) for rows in (1, ROWS, ROWS + 1, 128)] == [(1,), (1,), (2,), (8,)]
    with pytest.raises(ConfigError, match="4,000,000 rows of 1,024 numbers are more than a kernel takes"):
        programs(4_000_000, 1024)
    most = ((1 << 31) - 1) // 1024 - ROWS  # those of the last program that are not there count too
    assert programs(most, 1024) == (-(-most // ROWS),)
    with pytest.raises(ConfigError, match="--micro-batch"):
        programs(most + 1, 1024)


def test_float32_is_multiplied_as_torch_does_it(monkeypatch):
    def precision(operands: torch.dtype) -> str:
        return constants_of(tiles_of(16, 1, CPU, operands), operands)["PRECISION"]

    for allowed, expected in (("highest", "ieee"), ("high", "tf32")):
        monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda allowed=allowed: allowed)
        assert precision(torch.float32) == expected
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert precision(torch.bfloat16) == "ieee"
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert precision(torch.bfloat16) == "widened"
