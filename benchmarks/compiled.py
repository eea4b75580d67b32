"""What Triton makes of the kernels for a device that need not be here: registers, spills, shared memory.

``python -m benchmarks.compiled [--hidden N ...] [--json FILE]`` compiles each kernel for an H100 (sm_90) by the very
call that a training makes, and asks the assembler. What is spilled goes through memory at each step.

Ratios, by name:

``shared_over_there_is``
    The most shared memory that any kernel takes, over what a program may have on an H100.
``registers_over_there_are``
    The same of the registers of a thread.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import machine, render_table, report
from longsong.config import Cell, ModelConfig
from longsong.model.fused.gradient import LAYERS
from longsong.model.fused.layer import run_backward, run_forward
from longsong.model.fused.products import Bfloat16Products, Products
from longsong.model.fused.weights import weights_of
from longsong.model.network import Network

__all__ = ["compiled_rows", "main"]

_CAPABILITY, _WARP = 90, 32
_MOST_SHARED, _MOST_REGISTERS = 227 << 10, 255
_KEPT = re.compile(r"^ {4}\S+ = ttg\.local_alloc %\S+ : \(tensor<(\d+)x(\d+)xbf16", re.MULTILINE)
_COLUMNS = {
    "cell": ("cell", str),
    "way": ("way", str),
    "hidden": ("hidden", str),
    "operands": ("operands", str),
    "registers": ("registers", str),
    "spilled": ("bytes spilled", str),
    "shared": ("shared memory", lambda size: f"{size / 1024:.0f} KiB"),
    "kept": ("of it weights that stay", lambda size: f"{size / 1024:.0f} KiB"),
}


def main() -> None:
    """Compile what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 199, 256, 512, 1024], metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    rows = [row for hidden in options.hidden for row in compiled_rows(hidden)]
    rows += step_rows()
    print(render_table(rows, _COLUMNS))
    over = {
        "shared_over_there_is": max(row["shared"] for row in rows) / _MOST_SHARED,
        "registers_over_there_are": max(row["registers"] for row in rows) / _MOST_REGISTERS,
    }
    print()
    report(options.json, machine(("torch", "triton")), rows, over)


def compiled_rows(hidden: int, cells: Sequence[Cell] = ("gru", "lstm", "rnn")) -> Iterator[dict[str, Any]]:
    """Compile the kernels of each cell, each way, with either operands."""
    for cell in cells:
        for products in (Bfloat16Products(native=False), Products()):
            calls = _calls(cell, hidden, products)
            for way, call in zip(("there", "back"), calls, strict=True):
                yield {
                    "cell": cell,
                    "way": way,
                    "hidden": hidden,
                    "operands": str(products.operands).removeprefix("torch."),
                    **_compiled(*call),
                }


def step_rows() -> Iterator[dict[str, Any]]:
    """Compile the kernels of the optimiser's step."""
    from longsong.model.kernels import rmsprop

    size, blocks = 2 * rmsprop.BLOCK, 2
    vectors = [torch.zeros(size) for _ in range(4)]
    numbers = torch.zeros((), dtype=torch.float64), torch.zeros(()), torch.zeros(6, dtype=torch.float64)
    calls: list[Call] = []
    with _recorded(rmsprop, ("_prepare", "_decide", "_apply"), calls):
        rmsprop.rmsprop_step(*vectors, torch.zeros(3, blocks), *numbers, decay=0.9, floor=1e-5, clip=1.0)
    for kernel, arguments, named in calls:
        yield {"cell": "step", "way": kernel.fn.__name__.strip("_"), **_compiled(kernel, arguments, named)}


Call = tuple[Any, tuple[Any, ...], dict[str, Any]]


class _Recorder:
    """Stands for a kernel, and keeps what it is called with."""

    def __init__(self, kernel: Any, calls: list[Call]) -> None:
        self._kernel, self._calls = kernel, calls

    def __getitem__(self, grid: object) -> Any:
        return lambda *arguments, **named: self._calls.append((self._kernel, arguments, named))


def _module(cell: Cell) -> Any:
    from longsong.model.kernels import gru, lstm, rnn

    return {"gru": gru, "lstm": lstm, "rnn": rnn}[cell]


def _calls(cell: Cell, hidden: int, products: Products) -> list[Call]:
    """Give what a layer calls on its way there, and back."""
    calls: list[Call] = []
    layer = LAYERS[cell](0, hidden, products, "kernel")
    network = Network(ModelConfig(cell=cell, hidden=hidden, layers=1), 1)
    p = weights_of(network, torch.zeros(network.size), products)
    steps, rows = 2, 16
    states = [torch.zeros(steps + 1, rows, hidden) for _ in layer.states]
    kept = {name: torch.zeros(steps, rows, width * hidden) for name, width in layer.widths.items()}
    d_states = [torch.zeros(steps + 1, rows, hidden), *(torch.zeros(rows, hidden) for _ in layer.states[1:])]
    e = torch.zeros(steps, rows, hidden)
    with _recorded(_module(cell), ("_forward", "_backward"), calls):
        run_forward(layer, p, e, states, kept)
        run_backward(layer, p, network.named(torch.zeros(network.size)), e, states, kept, d_states, e)
    return calls


@contextmanager
def _recorded(module: Any, names: Sequence[str], calls: list[Call]) -> Iterator[None]:
    kernels = {name: getattr(module, name) for name in names}
    for name, kernel in kernels.items():
        setattr(module, name, _Recorder(kernel, calls))
    try:
        yield
    finally:
        for name, kernel in kernels.items():
            setattr(module, name, kernel)


_TYPES = {torch.bfloat16: "*bf16", torch.float32: "*fp32", torch.float64: "*fp64"}


def _compiled(kernel: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, int]:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    options = {name: named[name] for name in ("num_warps", "enable_fp_fusion")}
    constants = {name: value for name, value in named.items() if name not in options}
    signature, aligned, constant = {}, {}, {}
    given = dict(zip(kernel.arg_names, arguments, strict=False))
    for place, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name], constant[(place,)] = "constexpr", constants[name]
        elif isinstance(given[name], torch.Tensor):
            signature[name] = _TYPES[given[name].dtype]
            aligned[(place,)] = [["tt.divisibility", 16]]
        else:
            signature[name] = "i32" if isinstance(given[name], int) else "fp32"
    source = ASTSource(kernel, signature, constexprs=constant, attrs=aligned)
    made = triton.compile(source, target=GPUTarget("cuda", _CAPABILITY, _WARP), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        tool = next(Path(triton.__file__).parent.rglob("cuobjdump"))
        said = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", said)
    if found is None:
        sys.exit(f"cuobjdump says nothing of registers: {said!r}")
    # What is laid into shared memory in the body of the function itself, and not in its loops.
    kept = sum(int(one[1]) * int(one[2]) * 2 for one in _KEPT.finditer(made.asm["ttgir"]))
    return {"registers": int(found[1]), "spilled": int(found[2]), "shared": int(made.metadata.shared), "kept": kept}


if __name__ == "__main__":
    main()
