"""A recurrent layer over a whole sequence as one function that torch's autograd can differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from longsong.config import Cell, Elementwise, ModelConfig, choice, whole
from longsong.errors import ConfigError
from longsong.model.cell import Parameters, Shapes
from longsong.model.fused.gradient import LAYERS
from longsong.model.fused.layer import FusedLayer, run_backward, run_forward
from longsong.model.fused.openmp import compiled_available
from longsong.model.fused.products import Products
from longsong.model.fused.weights import Weights
from longsong.model.kernels import kernels_available
from longsong.model.network import Network

__all__ = ["recurrence"]


def recurrence(
    cell: Cell,
    e: Tensor,
    parameters: Parameters,
    states: Sequence[Tensor],
    *,
    layer: int = 0,
    elementwise: Elementwise = "plain",
    products: Products | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Run a layer over a whole sequence.

    The same numbers as a `longsong.model.cell.RecurrentCell` that is forked and stepped, by the loops of
    `longsong.model.fused`, for networks that are put together in another way than `longsong.model.Network`. To train
    that one, `longsong.model.fused.FusedGradient` needs no autograd, and less memory.

    Differentiable once, in `e`, every parameter and every state. All activations are kept for it, in buffers of their
    own; where a graph is retained and walked back through again, they are computed again.

    Parameters
    ----------
    cell : {'gru', 'lstm', 'rnn'}
    e : Tensor, shape (steps, rows, hidden), float32 or float64
        Inputs of the layer; they may lie in memory in any way.
    parameters : mapping of str to Tensor
        By the names of the 2016 stack (FACTS section 4). Others than this layer's are not looked at; nor are initial
        states, which are given by `states`.
    states : sequence of Tensor, each of shape (rows, hidden)
        What to begin with, h first.
    layer : int
        Which layer this is, from 0; part of its parameters' names.
    elementwise : {'compiled', 'kernel', 'plain'}
        How what is no matrix product is done (`longsong.config.ExecutionConfig`).
    products : Products, optional
        How matrices are multiplied.

    Returns
    -------
    h : Tensor, shape (steps, rows, hidden)
        The state after each step.
    states : list of Tensor, each of shape (rows, hidden)
        After the last step, h first.

    Raises
    ------
    ConfigError
        There is no such cell, no step or no row, a parameter is missing, tensors are of different types or of shapes
        that do not go together, or compiled loops or kernels are asked for and cannot be had; on the way back: a
        gradient is asked for that can be differentiated again.
    """
    if e.ndim != 3 or not e.numel():
        raise ConfigError(
            f"inputs of a layer must be of shape (steps, rows, hidden), none of them 0, not {tuple(e.shape)}"
        )
    rows, hidden = e.shape[1:]
    whole("layer", layer, least=0)
    shapes = Network(ModelConfig(cell=cell, hidden=hidden, layers=layer + 1), frame=1).cells[layer].shapes()
    products = products or Products()
    _require_elementwise(elementwise, e)
    fused = LAYERS[cell](layer, hidden, products, elementwise)
    names = tuple(name for name in shapes if name not in fused.states)
    _require_like(e, "parameter", {name: parameters.get(name) for name in names}, shapes)
    if len(states) != len(fused.states):
        raise ConfigError(f"the state of cell {cell} has {len(fused.states)} tensors, not {len(states)}: give each")
    _require_like(
        e, "state for", dict(zip(fused.states, states, strict=True)), dict.fromkeys(fused.states, (rows, hidden))
    )
    h, *after = _Recurrence.apply(  # type: ignore[no-untyped-call]
        _Task(fused, products, names), e, *states, *(parameters[name] for name in names)
    )
    return h, after


def _require_elementwise(elementwise: Elementwise, e: Tensor) -> None:
    """Raise where the loops would take memory for what it is not: compiled ones cannot see what a buffer holds."""
    choice("elementwise", elementwise, Elementwise)
    if e.dtype not in (torch.float32, torch.float64):
        raise ConfigError(f"inputs of a layer must be float32 or float64, not {e.dtype}: convert them")
    if elementwise == "plain":
        return
    if elementwise == "kernel":
        lacking = kernels_available(e.device, e.dtype)
    else:
        lacking = (
            compiled_available() if e.device.type == "cpu" else f"inputs are on {e.device}, and they work on the CPU"
        )
    if lacking is not None:
        raise ConfigError(f"elementwise {elementwise} cannot be had: {lacking}; take plain")


def _require_like(e: Tensor, what: str, tensors: dict[str, Tensor | None], shapes: Shapes) -> None:
    for name, tensor in tensors.items():
        if tensor is None:
            raise ConfigError(f"there is no {what} {name}: give it, of shape {shapes[name]}")
        if tuple(tensor.shape) != shapes[name]:
            raise ConfigError(f"the {what} {name} must be of shape {shapes[name]}, not {tuple(tensor.shape)}")
        if (tensor.dtype, tensor.device) != (e.dtype, e.device):
            raise ConfigError(
                f"the {what} {name} is {tensor.dtype} on {tensor.device}, inputs are {e.dtype} on {e.device}: "
                "convert one of them"
            )


@dataclass(frozen=True)
class _Task:
    """What is no tensor: the layer, how it multiplies, and the names of its parameters without the initial states."""

    layer: FusedLayer
    products: Products
    names: tuple[str, ...]


class _Recurrence(torch.autograd.Function):
    """Of a task, inputs, states before and parameters: h of all steps, then the states after the last."""

    @staticmethod
    def forward(ctx: Any, task: _Task, e: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        layer, (steps, rows, hidden) = task.layer, e.shape
        before, weights = tensors[: len(layer.states)], tensors[len(layer.states) :]
        e, weights = e.contiguous(), tuple(weight.contiguous() for weight in weights)
        states = [e.new_empty(steps + 1, rows, hidden) for _ in before]
        for tensor, first in zip(states, before, strict=True):
            tensor[0].copy_(first)
        kept = [e.new_empty(steps, rows, width * hidden) for width in layer.widths.values()]
        _forward(task, e, weights, states, kept)
        ctx.task, ctx.walked_back = task, False
        ctx.save_for_backward(e, *weights, *states, *kept)
        # Copies: what is given away may be written to.
        return states[0][1:].clone(), *(tensor[-1].clone() for tensor in states)

    @staticmethod
    def backward(ctx: Any, d_h: Tensor, *d_after: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise ConfigError(
                "create_graph=True asks for gradients that can be differentiated again, and those of recurrence() "
                "cannot; leave it out, or take the reference cells (longsong.model.Network)"
            )
        task, layer = ctx.task, ctx.task.layer
        e, *saved = ctx.saved_tensors
        weights = saved[: len(task.names)]
        # The buffers are written to below, for which autograd would refuse a second way back but for `data`.
        buffers = [tensor.data for tensor in saved[len(task.names) :]]
        states, kept = buffers[: len(layer.states)], buffers[len(layer.states) :]
        if ctx.walked_back:
            _forward(task, e, weights, states, kept)
        ctx.walked_back = True
        d_states = [d_h.new_empty(states[0].shape), *(tensor.clone() for tensor in d_after[1:])]
        d_states[0][1:].copy_(d_h)
        d_states[0][-1].add_(d_after[0])
        gradient = {
            name: torch.zeros_like(weight, memory_format=torch.contiguous_format)
            for name, weight in zip(task.names, weights, strict=True)
        }
        d_e = d_states[0][1:] if ctx.needs_input_grad[1] else None
        with task.products.active():
            run_backward(layer, _named(task, weights), gradient, e, states, _kept(task, kept), d_states, d_e)
        return None, d_e, d_states[0][0], *d_states[1:], *gradient.values()


def _forward(
    task: _Task, e: Tensor, weights: Sequence[Tensor], states: Sequence[Tensor], kept: Sequence[Tensor]
) -> None:
    with task.products.active():
        run_forward(task.layer, _named(task, weights), e, list(states), _kept(task, kept))


def _named(task: _Task, weights: Sequence[Tensor]) -> Weights:
    return Weights(dict(zip(task.names, weights, strict=True)))


def _kept(task: _Task, kept: Sequence[Tensor]) -> dict[str, Tensor]:
    return dict(zip(task.layer.widths, kept, strict=True))
