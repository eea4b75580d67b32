"""Are the kernels right on this device: cost and gradient against float64 on the CPU, with poisoned memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, get_args

import torch

from longsong.config import Cell, Elementwise, ModelConfig, Precision
from longsong.experiments.parity import largest_error
from longsong.model import Network
from longsong.model.fused import CudaLanes, FusedGradient, products_of

__all__ = ["PRECISIONS", "correct_rows"]

PRECISIONS: dict[Precision, float] = {"float32": 2e-5, "tf32": 2e-2, "bfloat16": 4e-2}
"""What products are made in, and how far gradients may be off."""

_FRAME, _LAYERS = 40, 2
_CASES = ((1, 3, 5), (199, 7, 33), (256, 20, 128), (1024, 2, 16))
"""Hidden units, steps, rows."""
_LEAST_ROUNDED, _IN_TF32 = 16, (199, 256)


@contextmanager
def _poisoned() -> Iterator[None]:
    """Fill all memory that is taken in this block with what is not a number."""
    before, fills = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = fills
        torch.use_deterministic_algorithms(before)


def correct_rows(
    device: torch.device, elementwise: Elementwise, *, quick: bool, at_once: int = 1
) -> Iterator[dict[str, Any]]:
    """Compare updates with float64: of each cell, precision and shape, layers in turn and side by side.

    Several cases at once go in processes of their own: on CUDA most of the time kernels are compiled.
    """
    cases = [(cell, *case) for cell in get_args(Cell) for case in (_CASES[:2] if quick else _CASES)]
    if at_once == 1:
        for case in cases:
            yield from _rows_of_case(device, elementwise, *case)
        return
    with ProcessPoolExecutor(min(len(cases), at_once), mp_context=multiprocessing.get_context("spawn")) as processes:
        for found in [processes.submit(_list_of_case, str(device), elementwise, *case) for case in cases]:
            yield from found.result()


def _list_of_case(
    device: str, elementwise: Elementwise, cell: Cell, hidden: int, steps: int, rows: int
) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    return list(_rows_of_case(torch.device(device), elementwise, cell, hidden, steps, rows))


def _rows_of_case(
    device: torch.device, elementwise: Elementwise, cell: Cell, hidden: int, steps: int, rows: int
) -> Iterator[dict[str, Any]]:
    network = Network(ModelConfig(cell=cell, hidden=hidden, layers=_LAYERS, init_width=hidden**-0.5), _FRAME)
    seed = torch.seed() % (1 << 32)
    parameters = network.initial_parameters(seed)
    frames = torch.rand(rows, steps + 1, _FRAME, dtype=torch.float64) * 2 - 1
    cost, gradient = FusedGradient(network).cost_and_gradient(parameters, frames[:, :-1], frames[:, 1:])
    sought = network.named(gradient)
    for precision, allowed in PRECISIONS.items():
        if hidden < _LEAST_ROUNDED and precision != "float32":
            continue  # a gradient of one unit may be nothing but rounding
        if precision == "tf32" and hidden not in _IN_TF32:
            continue  # each kernel takes seconds to compile
        for aside in (False, True) if device.type == "cuda" else (False,):
            lanes = CudaLanes(device, _LAYERS) if aside else None
            there = frames.to(device, torch.float32)
            form = FusedGradient(network, products=products_of(precision), elementwise=elementwise, lanes=lanes)
            with _poisoned():
                found_cost, flat = form.cost_and_gradient(
                    parameters.to(device, torch.float32), there[:, :-1], there[:, 1:]
                )
            found = network.named(flat.cpu())
            if hidden < _LEAST_ROUNDED:  # of one unit a tensor may cancel out: in parts of all gradients
                error = largest_error(flat.cpu(), gradient)
            else:
                error = max(largest_error(found[name], sought[name]) for name in sought)
            yield {
                "cell": cell,
                "hidden": hidden,
                "steps": steps,
                "rows": rows,
                "precision": precision,
                "layers": "side by side" if aside else "in turn",
                "seed": seed,
                "cost_error": abs(found_cost / cost - 1),
                "gradient_error": error,
                "allowed": allowed,
                "right": error <= allowed and abs(found_cost / cost - 1) <= allowed,
            }
