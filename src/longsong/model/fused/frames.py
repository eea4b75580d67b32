"""The layers of frames: the linear map in, and the linear map out together with its cost, in pieces over time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from longsong.model.cell import Parameters
from longsong.model.fused.layer import add_column_sums, flat
from longsong.model.fused.products import Products
from longsong.model.fused.workspace import Workspace

__all__ = ["FrameLayers"]

_PIECE_BYTES, _LARGE_PIECE_BYTES = 1 << 23, 1 << 27
"""Of frames that stand in memory at once; one step of them, where that is more. The large ones are worth the launches
of an accelerator, the others stay in the caches of a CPU."""


class FrameLayers:
    """Input and output layer (FACTS section 4) over the steps of a segment.

    Frames are of shape (steps, rows, frame) and may lie in memory in any way; hidden vectors are of shape (steps, rows,
    hidden), C-contiguous.

    Parameters
    ----------
    products : Products
    large_pieces : bool
        Many frames at once.
    """

    def __init__(self, products: Products, *, large_pieces: bool = False) -> None:
        self._products = products
        self._piece_bytes = _LARGE_PIECE_BYTES if large_pieces else _PIECE_BYTES

    def encode(self, p: Parameters, x: Tensor, e: Tensor, workspace: Workspace) -> None:
        """Write the first layer's inputs to `e`."""
        for some, frames in self._pieces(x, workspace):
            self._products.affine(frames, p["input_to_hidden.W"], p["input_to_hidden.b"], flat(e[some]))

    def add_input_gradient(self, gradient: Parameters, x: Tensor, d_e: Tensor, workspace: Workspace) -> None:
        """Add the gradients of the input layer's parameters, from that of its outputs."""
        for some, frames in self._pieces(x, workspace):
            self._products.add(frames.t(), flat(d_e[some]), gradient["input_to_hidden.W"])
        add_column_sums(flat(d_e), gradient["input_to_hidden.b"])

    def cost(self, p: Parameters, h: Tensor, y: Tensor, workspace: Workspace) -> Tensor:
        """Give the sum over every element of (prediction - target)^2; float64, of no dimension."""
        total = h.new_zeros((), dtype=torch.float64)
        for _, _, d_y in self._differences(p, h, y, workspace):
            total += _sum_of_squares(d_y)
        return total

    def costs_of_rows(self, p: Parameters, h: Tensor, y: Tensor, workspace: Workspace) -> Tensor:
        """Give the sum of squares over all elements of each row, shape (rows,), float64."""
        _, rows, frame = y.shape
        total = h.new_zeros(rows, dtype=torch.float64)
        for _, _, d_y in self._differences(p, h, y, workspace):
            total += torch.linalg.vector_norm(d_y.view(-1, rows, frame), dim=2).double().square_().sum(0)
        return total

    def cost_and_gradient(
        self, p: Parameters, gradient: Parameters, h: Tensor, y: Tensor, d_h: Tensor, workspace: Workspace
    ) -> Tensor:
        """Give the sum of squares; add half of its gradient for the output layer, and write that for `h` to `d_h`."""
        total = h.new_zeros((), dtype=torch.float64)
        weights = p["hidden_to_output.W"].t()
        for some, states, d_y in self._differences(p, h, y, workspace):
            total += _sum_of_squares(d_y)
            d_sums = self._products.operand(d_y)
            self._products.multiply(d_sums, weights, flat(d_h[some]))
            self._products.add(states.t(), d_sums, gradient["hidden_to_output.W"])
            add_column_sums(d_y, gradient["hidden_to_output.b"])
        return total

    def rows_at_once(self, frame: int, itemsize: int) -> int:
        """Give how many rows of a step are no more frames than are held at once anyway; 1 at least."""
        return max(1, self._piece_bytes // (frame * itemsize))

    def workspace_bytes(self, rows: int, steps: int, frame: int, itemsize: int) -> int:
        """Give the bytes of the one buffer of frames; beside a large one stand operands that are made of it."""
        size = itemsize * frame * rows * self._steps_at_once(rows, steps, frame, itemsize)
        return size * 3 // 2 if self._piece_bytes > _PIECE_BYTES else size

    def _differences(
        self, p: Parameters, h: Tensor, y: Tensor, workspace: Workspace
    ) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Give states and predictions less targets, some steps after the other, as rows of matrices."""
        for some, frames in self._steps(y):
            states, d_y = self._products.operand(flat(h[some])), workspace.take("frames", *frames.shape)
            self._products.affine(states, p["hidden_to_output.W"], p["hidden_to_output.b"], flat(d_y))
            yield some, states, flat(d_y.sub_(frames))

    def _pieces(self, x: Tensor, workspace: Workspace) -> Iterator[tuple[slice, Tensor]]:
        """Give frames, some steps after the other, as rows of a matrix."""
        for some, frames in self._steps(x):
            rounded = self._products.operand(frames)
            if rounded is frames:
                rounded = workspace.take("frames", *frames.shape).copy_(frames)
            yield some, flat(rounded)

    def _steps(self, frames: Tensor) -> Iterator[tuple[slice, Tensor]]:
        steps, rows, frame = frames.shape
        at_once = self._steps_at_once(rows, steps, frame, frames.element_size())
        for first in range(0, steps, at_once):
            some = slice(first, min(first + at_once, steps))
            yield some, frames[some]

    def _steps_at_once(self, rows: int, steps: int, frame: int, itemsize: int) -> int:
        return min(steps, max(1, self._piece_bytes // (rows * frame * itemsize)))


def _sum_of_squares(d_y: Tensor) -> Tensor:
    every = d_y.view(-1)
    return torch.dot(every, every)
