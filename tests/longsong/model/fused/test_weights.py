"""Operands of an update are rounded once, and give what operands that are rounded for each product give."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from fused_cases import CELLS, Case, errors, worst
from tensor_cores import emulate_tensor_cores
from torch.utils._python_dispatch import TorchDispatchMode

from longsong.model.fused import Bfloat16Products, FusedGradient, Products
from longsong.model.fused.lanes import InTurn
from longsong.model.fused.wavefront import chunks_of
from longsong.model.fused.weights import weights_of


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("lanes", [None, InTurn()], ids=["in turn", "side by side"])
def test_as_when_each_product_rounds_its_own(cell, lanes, monkeypatch):
    case = Case(cell, hidden=20, seq=9)
    arguments = case.parameters().float(), *case.mini_batch(torch.float32)
    pieces = {"segment": 4, "micro_batch": 3}
    sought = FusedGradient(case.network, products=Bfloat16Products(native=False), **pieces)
    sought_update, sought_cost = sought.cost_and_gradient(*arguments), sought.cost(*arguments)
    emulate_tensor_cores(monkeypatch)
    form = FusedGradient(case.network, products=Bfloat16Products(native=False), lanes=lanes, **pieces)
    # Sums of float32 numbers in another order, at the most.
    assert worst(errors(case.network, form.cost_and_gradient(*arguments), sought_update, of_largest=True)) <= (1e-5,)
    assert form.cost(*arguments) == pytest.approx(sought_cost, rel=1e-5)


def test_what_is_no_matrix_is_left_as_it_is(monkeypatch):
    case = Case("lstm")
    parameters = case.parameters().float()
    exact = case.network.named(parameters)
    assert all(weight is not None and weight.dtype == torch.float32 for weight in exact.values())
    for found in (weights_of(case.network, parameters, each) for each in (Products(), Bfloat16Products())):
        assert all(torch.equal(found[name], exact[name]) for name in exact)
    emulate_tensor_cores(monkeypatch)
    found = weights_of(case.network, parameters, Bfloat16Products())
    for name, tensor in exact.items():
        sought = tensor.bfloat16() if tensor.ndim == 2 else tensor
        assert found[name].dtype == sought.dtype
        assert torch.equal(found[name], sought), name


class Launches(TorchDispatchMode):
    """Counts what an accelerator would be told to do.

    Taking memory and looking at it in another way is nothing, nor are the float32 operands of emulated products.
    """

    free = frozenset(
        {"empty", "new_empty", "empty_like", "view", "_unsafe_view", "reshape", "alias", "detach", "as_strided"}
        | {"t", "transpose", "permute", "unflatten", "unsqueeze", "expand"}
        | {"slice", "select", "split", "split_with_sizes", "unbind"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.__name__.partition(".")[0]
        if name not in self.free and (kwargs or {}).get("dtype") != torch.float32:
            self.seen[name] += 1
        return function(*args, **(kwargs or {}))


class Kernel:
    """Stands for one of Triton's, and is counted."""

    def __init__(self, seen: Counter[str]) -> None:
        self.seen = seen

    def __getitem__(self, grid: object) -> Any:
        return lambda *arguments, **options: self.seen.update(["kernel"])


@pytest.mark.parametrize(("seq", "most"), [(50, 115), (1000, 360)])
def test_an_update_is_few_launches(seq, most, monkeypatch):
    kernels = pytest.importorskip("longsong.model.kernels.gru", reason="Triton is not here")
    emulate_tensor_cores(monkeypatch)
    case = Case("gru", hidden=16, frame=40, seq=seq, batch=4)
    parameters, (inputs, targets) = case.parameters().float(), case.mini_batch(torch.float32)
    form = FusedGradient(case.network, products=Bfloat16Products(), elementwise="kernel", lanes=InTurn())
    with Launches() as launches:
        for name in ("_forward", "_backward"):
            monkeypatch.setattr(kernels, name, Kernel(launches.seen))
        form.enqueue(parameters, inputs, targets)
    assert launches.seen["kernel"] == 4 * len(chunks_of(seq))
    assert launches.seen.total() <= most
