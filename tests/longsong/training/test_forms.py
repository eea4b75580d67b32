"""Which form a run is computed by: chosen once, kept, and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from longsong.config import ExecutionConfig, ModelConfig
from longsong.errors import ConfigError
from longsong.model import Network
from longsong.model.fused import Bfloat16Products, FusedGradient, Products, TensorFloat32Products, products_of
from longsong.model.reference import ReferenceGradient
from longsong.training import forms
from longsong.training.forms import (
    choose_elementwise,
    describe_fallback,
    describe_form,
    make_gradient,
    require_form,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
EXECUTION = ExecutionConfig(device="cpu", threads=2)
FEW, MANY = 1_000, 1_000_000


@pytest.fixture
def available(monkeypatch):
    """Have the compiled loops there, or not, for a reason."""
    monkeypatch.setattr(forms, "compiled_available", lambda: None)
    return lambda reason: monkeypatch.setattr(forms, "compiled_available", lambda: reason)


def gradient_of(execution: ExecutionConfig) -> torch.Tensor:
    network = Network(ModelConfig(hidden=7), 5)
    parameters = network.initial_parameters(1).to(torch.float32)
    x = torch.linspace(-1, 1, 6 * 9 * 5).view(6, 9, 5)
    return make_gradient(network, execution).cost_and_gradient(parameters, x, x.flip(0))[1].clone()


def test_each_form_is_made_as_the_record_says():
    network = Network(ModelConfig(hidden=7), 5)
    reference = make_gradient(network, replace(EXECUTION, form="reference", micro_batch=3))
    assert isinstance(reference, ReferenceGradient)
    assert reference.micro_batch == 3
    fused = make_gradient(network, replace(EXECUTION, micro_batch=3, segment=4))
    assert isinstance(fused, FusedGradient)
    assert (fused.micro_batch, fused.segment) == (3, 4)


def test_each_choice_computes_the_same_gradient_in_another_way():
    expected = gradient_of(replace(EXECUTION, form="reference"))
    others = [
        EXECUTION,
        replace(EXECUTION, elementwise="compiled"),
        replace(EXECUTION, micro_batch=4),
        replace(EXECUTION, segment=2),
        replace(EXECUTION, precision="bfloat16"),
    ]
    found = [gradient_of(execution) for execution in others]
    for execution, gradient in zip(others, found, strict=True):
        tolerance = 2e-2 if execution.precision == "bfloat16" else 2e-5
        assert (gradient - expected).abs().max() <= tolerance * expected.abs().max()
    assert not torch.equal(found[0], found[-1])


def test_compiled_where_it_pays_and_can_be_had(available):
    assert choose_elementwise(EXECUTION, CPU, MANY) == "compiled"
    assert choose_elementwise(EXECUTION, CPU, FEW) == "plain"
    assert choose_elementwise(replace(EXECUTION, elementwise="plain"), CPU, MANY) == "plain"
    assert choose_elementwise(replace(EXECUTION, elementwise="compiled"), CPU, FEW) == "compiled"
    assert choose_elementwise(replace(EXECUTION, form="reference"), CPU, MANY) is None
    available("no compiler grows here")
    assert choose_elementwise(EXECUTION, CPU, MANY) == "plain"
    with pytest.raises(ConfigError, match="compiled cannot be had: no compiler grows here"):
        choose_elementwise(replace(EXECUTION, elementwise="compiled"), CPU, MANY)


@pytest.fixture
def kernels(monkeypatch):
    """Have kernels there, or not, for a reason."""
    monkeypatch.setattr(forms, "kernels_available", lambda device, dtype: None)
    return lambda reason: monkeypatch.setattr(forms, "kernels_available", lambda device, dtype: reason)


def test_kernels_on_cuda_where_they_can_be_had(kernels):
    on_cuda, kernel = replace(EXECUTION, device="cuda"), replace(EXECUTION, device="cuda", elementwise="kernel")
    assert choose_elementwise(on_cuda, CUDA, FEW) == "kernel"
    assert choose_elementwise(EXECUTION, CPU, FEW) == "plain"
    assert choose_elementwise(kernel, CUDA, FEW) == "kernel"
    assert choose_elementwise(replace(on_cuda, elementwise="plain"), CUDA, FEW) == "plain"
    require_form(kernel, CUDA, Path("runs/x"))
    assert "with a kernel for each layer's steps" in describe_form(kernel, CUDA, FEW)
    kernels("no Triton swims here")
    assert choose_elementwise(on_cuda, CUDA, FEW) == "plain"
    said = describe_form(replace(on_cuda, elementwise="plain"), CUDA, FEW)
    assert said.startswith("CUDA, float32, the fused form with plain element-wise work (no Triton swims here); ")
    with pytest.raises(ConfigError, match="kernel cannot be had: no Triton swims here; leave it out, or take plain"):
        choose_elementwise(kernel, CUDA, FEW)
    with pytest.raises(ConfigError, match=r"started with a kernel for each layer's steps, .* no Triton swims here"):
        require_form(kernel, CUDA, Path("runs/x"))


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_what_products_are_made_in_is_said(precision, kernels):
    kernel = replace(EXECUTION, device="cuda", elementwise="kernel", precision=precision)
    assert describe_form(kernel, CUDA, FEW).startswith(f"CUDA, {precision}, the fused")
    said = {"float32": Products, "tf32": TensorFloat32Products, "bfloat16": Bfloat16Products}[precision]
    assert type(products_of(precision)) is said


def test_why_a_grid_goes_without_kernels_is_said_once(kernels):
    cuda = replace(EXECUTION, device="cuda")
    assert describe_fallback(cuda, CUDA) is None
    kernels("no Triton swims here")
    said = "steps are computed one by one, and many times more slowly: no Triton swims here"
    assert describe_fallback(cuda, CUDA) == said
    for other in (replace(cuda, elementwise="plain"), replace(cuda, form="reference")):
        assert describe_fallback(other, CUDA) is None
    assert describe_fallback(EXECUTION, CPU) is None


def test_loops_are_not_compiled_for_cuda():
    with pytest.raises(ConfigError, match="compiled for the CPU alone, not cuda"):
        choose_elementwise(replace(EXECUTION, elementwise="compiled"), CUDA, MANY)


def test_what_was_compiled_is_gone_on_with_compiled_or_not_at_all(available):
    compiled = replace(EXECUTION, elementwise="compiled")
    require_form(compiled, CPU, Path("runs/x"))
    available("no compiler grows here")
    with pytest.raises(ConfigError, match=r"runs/x was started with compiled.*no compiler grows here"):
        require_form(compiled, CPU, Path("runs/x"))
    require_form(replace(EXECUTION, elementwise="plain"), CPU, Path("runs/x"))


def test_what_is_said(available, monkeypatch):
    plain = replace(EXECUTION, elementwise="plain")
    assert describe_form(plain, CPU, FEW).startswith("2 threads, float32, the fused form with plain element-wise work;")
    assert "same bytes" in describe_form(plain, CPU, FEW)
    assert describe_form(replace(plain, threads=1), CPU, FEW).startswith("1 thread, ")
    assert "the reference form" in describe_form(replace(EXECUTION, form="reference"), CPU, MANY)
    assert "work (" not in describe_form(plain, CPU, MANY)
    available("no compiler grows here")
    assert "plain element-wise work (no compiler grows here)" in describe_form(plain, CPU, MANY)
    assert "no compiler" not in describe_form(plain, CPU, FEW)
    for there, emulated in ((True, False), (False, True)):
        monkeypatch.setattr(forms, "has_bfloat16", lambda there=there: there)
        said = describe_form(replace(plain, precision="bfloat16"), CPU, FEW)
        assert ("this processor has no instructions" in said) == emulated
        assert "bfloat16" in said
