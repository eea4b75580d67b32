"""What is asked of torch where the same bytes are asked for: on CUDA, in the block, and no longer."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import torch
from training_runs import train

from longsong.config import ExecutionConfig, ModelConfig
from longsong.errors import ConfigError
from longsong.model import Network
from longsong.training import forms
from longsong.training.determinism import determined
from longsong.training.record import read_record

ASKED = ExecutionConfig(device="cuda", deterministic=True)


def enabled() -> tuple[bool, bool, bool]:
    """Say what torch is asked for: one way for each operation, a warning alone, memory that is filled when taken."""
    fills = torch.utils.deterministic.fill_uninitialized_memory
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(), fills


@pytest.mark.parametrize("warn_only", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_it_holds_in_the_block_and_is_set_back(monkeypatch, before, warn_only):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    torch.use_deterministic_algorithms(before, warn_only=warn_only)
    was = enabled()
    try:
        with determined(ASKED):
            assert enabled() == (True, False, False)
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert enabled() == was
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("execution", [replace(ASKED, deterministic=False), replace(ASKED, device="cpu")])
def test_elsewhere_nothing_is_asked(execution):
    with determined(execution):
        assert enabled() == (False, False, True)


def test_layers_go_side_by_side_without_it(monkeypatch):
    made = []
    monkeypatch.setattr(forms, "CudaLanes", lambda device, lanes: made.append(lanes))
    network = Network(ModelConfig(hidden=3, layers=2), 4)
    kernel = replace(ASKED, elementwise="kernel", deterministic=False)
    for execution, lanes in (
        (kernel, [2]),
        (replace(kernel, deterministic=True), []),
        (replace(kernel, elementwise="plain"), []),
        (replace(kernel, device="cpu"), []),
    ):
        made.clear()
        forms.make_gradient(network, execution)
        assert made == lanes


def test_a_run_keeps_it_and_one_without_has_no_word_of_it(shards, tmp_path):
    asked = train(shards, tmp_path / "asked", execution=replace(ASKED, device="cpu"))
    other = train(shards, tmp_path / "other")
    assert read_record(asked).execution.deterministic
    assert not read_record(other).execution.deterministic
    assert "deterministic" not in json.loads((other / "config.json").read_text())["execution"]


def test_it_is_yes_or_no():
    with pytest.raises(ConfigError, match="deterministic must be true or false, not 'yes'"):
        ExecutionConfig(deterministic="yes")


def test_what_is_promised_is_said():
    cuda = torch.device("cuda")
    said = [
        forms.describe_form(replace(ASKED, elementwise="kernel", deterministic=one), cuda, 1) for one in (True, False)
    ]
    assert said[0].endswith("the same seed gives the same bytes on this device")
    assert said[1].endswith("last bits may differ from one time to the next (--deterministic)")
