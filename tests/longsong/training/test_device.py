"""Devices: what is there, and what is not."""

from __future__ import annotations

import pytest
import torch

from longsong.errors import ConfigError, DeviceError
from longsong.training.device import available_threads, device_name, find_device, require_precision


def test_the_cpu_is_always_there_and_has_a_name():
    assert find_device("cpu") == torch.device("cpu")
    assert len(device_name(torch.device("cpu"))) > 2
    assert available_threads() >= 1


def test_tf32_is_of_cuda():
    require_precision("tf32", torch.device("cuda"))
    require_precision("bfloat16", torch.device("cpu"))
    with pytest.raises(ConfigError, match="tf32 is of CUDA devices, not of cpu; take float32, or bfloat16"):
        require_precision("tf32", torch.device("cpu"))


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto").type == find_device("cuda").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto").type == "cpu"
    with pytest.raises(DeviceError, match="'cuda' is not there"):
        find_device("cuda")
