"""Why there are no kernels is said, and that is all that happens."""

from __future__ import annotations

import sys

import pytest
import torch

from longsong.model.kernels import availability, kernels_available

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def forgotten():
    """Have nothing remembered of what was tried before, or here."""
    availability._lacking.cache_clear()
    yield
    availability._lacking.cache_clear()


def test_on_a_processor(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert kernels_available(CPU, torch.float32) == "kernels are for CUDA devices, not for cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a device here")
def test_where_the_device_is_missing():
    pytest.importorskip("triton")
    said = kernels_available(torch.device("cuda"), torch.float32)
    assert said is not None
    assert said.startswith("Triton does not work here (")
    assert "\n" not in said


def test_where_triton_is_missing(monkeypatch):
    monkeypatch.delitem(sys.modules, "longsong.model.kernels.probe", raising=False)
    monkeypatch.setitem(sys.modules, "triton", None)
    said = kernels_available(torch.device("cuda"), torch.float32)
    assert said is not None
    assert said.startswith("Triton is not here (")


@pytest.mark.parametrize(("added", "expected"), [(1, None), (2, "Triton computes 0 + 1 wrongly here")])
def test_what_a_kernel_computes_is_looked_at(monkeypatch, added, expected):
    pytest.importorskip("triton")
    from longsong.model.kernels import probe

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(probe, "add_one", lambda numbers: numbers.add_(added))
    assert kernels_available(CPU, torch.float32) == expected
