"""Compiled loops on torch's threads, and where they cannot be had."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from fused_cases import CELLS, Case, errors, worst

from longsong.model.fused import FusedGradient, compiled_available
from longsong.model.fused import openmp as module
from longsong.model.fused.openmp import Team

needs_openmp = pytest.mark.skipif(module.openmp() is None, reason="torch's OpenMP runtime is not libgomp here")


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_without_numba_the_reason_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "numba cannot be imported" in compiled_available.__wrapped__()


def test_without_an_openmp_runtime_the_reason_is_said(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(module, "openmp", lambda: None)
    assert "libgomp" in compiled_available.__wrapped__()


def test_where_no_maps_are_to_be_read_there_is_no_runtime(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Path", lambda _: tmp_path / "maps")
    assert module.openmp.__wrapped__() is None
    (tmp_path / "maps").write_text("7f00-7f01 r-xp 0 08:01 1 /usr/lib/libc.so.6\n7f02-7f03 rw-p 0 00:00 0\n")
    assert module.openmp.__wrapped__() is None
    gone = tmp_path / "torch/libgomp.so.1"
    (tmp_path / "maps").write_text(f"7f00-7f01 r-xp 0 08:01 1 {gone}\n")
    assert module.openmp.__wrapped__() is None


@needs_openmp
def test_buffers_that_do_not_lie_in_one_piece_are_refused():
    with pytest.raises(ValueError, match="one piece"):
        Team({}, 3, 2, [torch.zeros(4, 3, 2), None, torch.zeros(4, 2, 3).transpose(1, 2)])


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("cell", CELLS)
def test_any_number_of_threads_shares_the_rows_out_without_a_gap(cell, elementwise):
    case = Case(cell, hidden=6, seq=5, batch=7)
    plain = FusedGradient(case.network).cost_and_gradient(case.parameters(), *case.mini_batch())
    for number in (1, 2, 3, 5, 7, 8):
        torch.set_num_threads(number)
        form = FusedGradient(case.network, elementwise=elementwise)
        found = form.cost_and_gradient(case.parameters(), *case.mini_batch())
        assert worst(errors(case.network, found, plain)) <= (1e-12,), number
