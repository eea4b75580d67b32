"""The element-wise work of a step in operations of torch: on any device, and where nothing can be compiled."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["PlainGRU", "PlainLSTM", "PlainRNN"]


class PlainGRU:
    """Steps of a GRU over buffers (`longsong.model.fused.gru`)."""

    def __init__(
        self,
        gates: Tensor,
        candidate: Tensor,
        product: Tensor,
        h: Tensor,
        d_h: Tensor | None,
        d_product: Tensor | None,
    ) -> None:
        halves = (gate.unbind(0) for gate in gates.chunk(2, dim=-1))
        self._steps = list(zip(*halves, candidate.unbind(0), product.unbind(0), strict=True))
        self._gates, self._h = gates.unbind(0), h.unbind(0)
        if d_h is not None and d_product is not None:
            self._d_h, self._d_product, self._scratch = d_h.unbind(0), d_product, torch.empty_like(d_product)

    def reset(self, t: int) -> None:
        """Make both gates of step t, and the state that the reset gate lets through."""
        _, r, _, product = self._steps[t]
        self._gates[t].sigmoid_()
        torch.mul(r, self._h[t], out=product)

    def update(self, t: int) -> None:
        """Make the candidate and the new state of step t."""
        u, _, candidate, _ = self._steps[t]
        torch.lerp(self._h[t], candidate.tanh_(), u, out=self._h[t + 1])

    def back_update(self, t: int) -> None:
        """Take the gradient of the new state to that of the update gate, of the candidate, and of what is kept."""
        u, _, c, _ = self._steps[t]
        d, scratch = self._d_h[t + 1], self._scratch
        torch.sub(c, self._h[t], out=scratch).mul_(d)
        through = d * u
        d.sub_(through)
        _through_tanh(through, c)
        _through_sigmoid(scratch, u)

    def back_reset(self, t: int) -> None:
        """Take the gradient of the reset state to that of the reset gate and, with what is kept, of the old state."""
        _, r, _, _ = self._steps[t]
        self._d_h[t].add_(self._d_h[t + 1]).addcmul_(self._d_product, r)
        torch.mul(self._d_product, self._h[t], out=self._scratch)
        _through_sigmoid(self._scratch, r)


class PlainLSTM:
    """Steps of a peephole LSTM over buffers (`longsong.model.fused.lstm`)."""

    def __init__(
        self,
        gates: Tensor,
        h: Tensor,
        cells: Tensor,
        d_h: Tensor | None,
        d_cells: Tensor | None,
        p_in: Tensor,
        p_forget: Tensor,
        p_out: Tensor,
    ) -> None:
        self._gates = list(zip(*(gate.unbind(0) for gate in gates.chunk(4, dim=-1)), strict=True))
        self._h, self._cells = h.unbind(0), cells.unbind(0)
        if d_h is not None and d_cells is not None:
            self._d_h, self._d_cells = d_h.unbind(0), d_cells
        self._peepholes = p_in, p_forget, p_out

    def advance(self, t: int) -> None:
        """Make gates, cell and state of step t."""
        into, keep, candidate, out = self._gates[t]
        p_in, p_forget, p_out = self._peepholes
        old, new = self._cells[t], self._cells[t + 1]
        into.addcmul_(old, p_in).sigmoid_()
        keep.addcmul_(old, p_forget).sigmoid_()
        candidate.tanh_()
        torch.mul(keep, old, out=new).addcmul_(into, candidate)
        out.addcmul_(new, p_out).sigmoid_()
        torch.mul(out, new.tanh(), out=self._h[t + 1])

    def back(self, t: int) -> None:
        """Take the gradients of state and cell of step t to those before it."""
        into, keep, candidate, out = self._gates[t]
        p_in, p_forget, p_out = self._peepholes
        old, new, d = self._cells[t], self._cells[t + 1], self._d_cells
        squashed = new.tanh()
        d_h = self._d_h[t + 1]
        d_out = d_h * squashed
        through = d_h * out
        _through_sigmoid(d_out, out)
        _through_tanh(through, squashed)
        d.add_(squashed).addcmul_(out, p_out)
        d_into, d_keep, d_candidate = d * candidate, d * old, d * into
        d.mul_(keep)
        _through_sigmoid(d_into, into)
        _through_sigmoid(d_keep, keep)
        _through_tanh(d_candidate, candidate)
        d.addcmul_(into, p_in).addcmul_(keep, p_forget)


class PlainRNN:
    """Steps of a simple recurrent network over buffers (`longsong.model.fused.rnn`)."""

    def __init__(self, linear: Tensor, h: Tensor, d_h: Tensor | None) -> None:
        self._linear, self._h = linear.unbind(0), h.unbind(0)
        if d_h is not None:
            self._d_h = d_h.unbind(0)

    def advance(self, t: int) -> None:
        """Make the new state of step t."""
        torch.tanh(self._linear[t], out=self._h[t + 1])

    def back(self, t: int) -> None:
        """Take the gradient of the new state to that before its tanh."""
        state = self._h[t + 1]
        torch.mul(state, state, out=self._linear[t]).neg_().add_(1).mul_(self._d_h[t + 1])


def _through_sigmoid(gradient: Tensor, gate: Tensor) -> None:
    """Overwrite a gate by the gradient of what it is the sigmoid of."""
    torch.ops.aten.sigmoid_backward.grad_input(gradient, gate, grad_input=gate)


def _through_tanh(gradient: Tensor, squashed: Tensor) -> None:
    """Overwrite a tanh by the gradient of what it is the tanh of."""
    torch.ops.aten.tanh_backward.grad_input(gradient, squashed, grad_input=squashed)
