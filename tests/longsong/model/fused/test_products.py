"""Matrix products into memory that is there already."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from longsong.experiments.parity import largest_error
from longsong.model.fused import Bfloat16Products, Products, TensorFloat32Products, has_bfloat16
from longsong.model.fused import products as module

NATIVE = pytest.mark.skipif(not has_bfloat16(), reason="this processor has no instructions for bfloat16")
WAYS = [
    pytest.param(Products(), torch.float32, id="float32"),
    pytest.param(Products(), torch.float64, id="float64"),
    pytest.param(Bfloat16Products(native=False), torch.float32, id="rounded"),
    pytest.param(Bfloat16Products(native=True), torch.float32, id="native", marks=NATIVE),
]


def operands(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give a, b, a bias and what is in `out`; a is transposed in memory, as in gradients of weights."""
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    return drawn(300, 41).t(), drawn(300, 23), drawn(23), drawn(41, 23)


def exactly(products: Products, a: Tensor, b: Tensor) -> Tensor:
    """Give the product in float64, of operands that are rounded first where they are to be."""
    if isinstance(products, Bfloat16Products):
        a, b = a.to(torch.bfloat16), b.to(torch.bfloat16)
    return a.double() @ b.double()


@pytest.mark.parametrize(("products", "dtype"), WAYS)
def test_each_product_is_that_of_its_operands(products, dtype):
    a, b, bias, before = operands(dtype)
    product, within = exactly(products, a, b), 8 * torch.finfo(dtype).eps
    written, added, affine = (before.clone() for _ in range(3))
    with products.active():
        products.multiply(a, b, written)
        products.add(a, b, added)
        products.affine(a, b, bias, affine)
    assert largest_error(written, product) <= within
    assert largest_error(added, before.double() + product) <= within
    assert largest_error(affine, bias.double() + product) <= within


@pytest.mark.parametrize("products", [Bfloat16Products(), Bfloat16Products(native=False)], ids=["native", "rounded"])
@pytest.mark.parametrize(
    "shape", [(1, 4, 4), (1, 256, 512), (16, 16, 16), (3, 100, 50), (1024, 16, 99), (128, 33, 256)]
)
def test_whatever_their_size(products, shape):
    rows, inner, columns = shape
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn(part, generator=generator) for part in ((rows, inner), (inner, columns)))
    out = torch.empty(rows, columns)
    with products.active():
        products.multiply(a, b, out)
    assert largest_error(out, exactly(products, a, b)) <= 8 * torch.finfo(torch.float32).eps
    assert largest_error(out, a.double() @ b.double()) > 1e-4


@pytest.mark.parametrize(("products", "dtype"), WAYS[2:])
def test_operands_are_rounded_to_bfloat16_and_sums_are_not(products, dtype):
    a, b, _, out = operands(dtype)
    with products.active():
        products.multiply(a, b, out)
    assert largest_error(out, a.double() @ b.double()) > 1e-4
    assert not torch.equal(out, out.to(torch.bfloat16).float())


@pytest.mark.parametrize("native", [False, True])
def test_the_precision_of_others_products_is_left_as_it_was(native):
    before = torch.get_float32_matmul_precision()
    with Bfloat16Products(native).active():
        assert torch.get_float32_matmul_precision() == ("medium" if native else "highest")
    assert torch.get_float32_matmul_precision() == before
    with pytest.raises(RuntimeError), Bfloat16Products(native).active():
        torch.mm(torch.ones(2, 3), torch.ones(2, 3))
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize(("products", "takes"), [(Products(), "highest"), (TensorFloat32Products(), "high")])
@pytest.mark.parametrize("before", ["highest", "medium"])
def test_what_float32_means_is_said_by_the_products_alone(products, takes, before):
    was = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(before)
    try:
        with products.active():
            assert torch.get_float32_matmul_precision() == takes
        assert torch.get_float32_matmul_precision() == before
    finally:
        torch.set_float32_matmul_precision(was)


def test_by_default_they_are_native_where_the_processor_can():
    assert Bfloat16Products().native == has_bfloat16()


@pytest.mark.parametrize(
    ("flags", "can"),
    [
        ("flags\t: fpu sse2 avx2 avx512f avx512_vnni", False),
        ("flags\t: fpu avx512f avx512_bf16", True),
        ("flags\t: fpu amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("Features\t: fp asimd", False),
        (None, False),
    ],
)
def test_instructions_are_seen_by_the_processors_flags(flags, can, tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"processor\t: 0\n{flags}\n")
    monkeypatch.setattr(module, "Path", lambda path: cpuinfo if path == "/proc/cpuinfo" else Path(path))
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert has_bfloat16.__wrapped__() is can


def test_operands_on_another_device_are_rounded_here_whatever_the_processor_has(monkeypatch):
    given = []
    monkeypatch.setattr(torch, "mm", lambda a, b, out: given.extend((a, b)))
    here, elsewhere = (torch.ones(1024, 1024, device=device) for device in ("cpu", "meta"))
    for operand in (here, elsewhere):
        Bfloat16Products(native=True).multiply(operand, operand, torch.empty_like(operand))
    assert given[0] is here
    assert given[2] is not elsewhere
    assert given[2].dtype == torch.float32
