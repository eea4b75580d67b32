"""Cost and gradient of one mini-batch in plain numpy, by back-propagation through time (FACTS section 4).

Written apart from the code that trains, as `longsong.audit.network` is, so that a first update can be computed a
second time from nothing but a seed and the song (P20). It keeps the states of all steps: it is for mini-batches
that are small enough for that, and `longsong.audit.first_updates` says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.network import cell_of, layers_of, sigma

__all__ = ["cost_and_gradient"]

Array = NDArray[Any]
Parameters = Mapping[str, Array]
Gradient = dict[str, Array]
Back = Callable[[Array], tuple[Array, Gradient]]
"""Takes the gradient of a layer's states; gives that of its inputs, and of its parameters."""


def cost_and_gradient(p: Parameters, inputs: Array, targets: Array, recurrence: str = "time") -> tuple[float, Gradient]:
    """Give the mean of squares of one mini-batch, and its gradient.

    Parameters
    ----------
    p : mapping of str to ndarray
        Parameters by the names of FACTS section 7.
    inputs, targets : ndarray, shape (batch, seq, frame)
        Normalised frames.
    recurrence : {'time', 'batch'}
        The axis that the state is carried along.

    Returns
    -------
    cost : float
        Mean over every element of (prediction - target)^2.
    gradient : dict of str to ndarray
        As `p`, name for name and shape for shape.
    """
    cell, layers = cell_of(p), layers_of(p)
    axis = 1 if recurrence == "time" else 0
    x, t = (np.ascontiguousarray(np.moveaxis(part, axis, 0)) for part in (inputs, targets))  # (steps, rows, frame)
    forward = {"gru": _gru, "lstm": _lstm, "rnn": _rnn}[cell]
    e = x @ p["input_to_hidden.W"] + p["input_to_hidden.b"]
    backs: list[Back] = []
    for n in range(layers):
        e, back = forward(p, n, e)
        backs.append(back)
    error = e @ p["hidden_to_output.W"] + p["hidden_to_output.b"] - t
    gradient = _linear("hidden_to_output", e, d_y := 2 * error / error.size)
    d = d_y @ p["hidden_to_output.W"].T
    for back in reversed(backs):
        d, own = back(d)
        gradient |= own
    gradient |= _linear("input_to_hidden", x, d)
    return float(np.mean(np.square(error), dtype=np.float64)), gradient


def _linear(name: str, x: Array, d: Array) -> Gradient:
    """Give the gradients of a linear map's weight and bias, from its inputs and that of its outputs."""
    return {f"{name}.W": _product(x, d), f"{name}.b": _sum(d)}


def _product(x: Array, d: Array) -> Array:
    """Sum x^T d over steps and rows."""
    found: Array = x.reshape(-1, x.shape[-1]).T @ d.reshape(-1, d.shape[-1])
    return found


def _sum(d: Array) -> Array:
    """Sum over steps and rows."""
    found: Array = d.sum(axis=(0, 1))
    return found


def _gru(p: Parameters, n: int, e: Array) -> tuple[Array, Back]:
    steps, rows, hidden = e.shape
    linear, gates = f"fork{n}/fork_linear{n}", f"fork{n}/fork_gates{n}"
    S_g, S_h = p[f"gru{n}.state_to_gates"], p[f"gru{n}.state_to_state"]
    linear_part, g = e @ p[f"{linear}.W"] + p[f"{linear}.b"], e @ p[f"{gates}.W"] + p[f"{gates}.b"]
    h, u, r, c = (np.empty((steps, rows, hidden), e.dtype) for _ in range(4))
    before = np.empty_like(h)  # the state that each step began with
    state = np.tile(p[f"gru{n}.initial_state"], (rows, 1))
    for k in range(steps):
        before[k] = state
        both = sigma(state @ S_g + g[k])
        u[k], r[k] = both[:, :hidden], both[:, hidden:]
        c[k] = np.tanh((r[k] * state) @ S_h + linear_part[k])
        state = h[k] = u[k] * c[k] + (1 - u[k]) * state

    def back(d_h: Array) -> tuple[Array, Gradient]:
        d_l, d_g = np.empty_like(linear_part), np.empty_like(g)
        d = np.zeros((rows, hidden), e.dtype)
        for k in reversed(range(steps)):
            d = d + d_h[k]
            d_l[k] = d * u[k] * (1 - c[k] ** 2)
            reset = d_l[k] @ S_h.T
            d_g[k, :, :hidden] = d * (c[k] - before[k]) * u[k] * (1 - u[k])
            d_g[k, :, hidden:] = reset * before[k] * r[k] * (1 - r[k])
            d = d * (1 - u[k]) + reset * r[k] + d_g[k] @ S_g.T
        own = _linear(linear, e, d_l) | _linear(gates, e, d_g)
        own[f"gru{n}.state_to_gates"] = _product(before, d_g)
        own[f"gru{n}.state_to_state"] = _product(r * before, d_l)
        own[f"gru{n}.initial_state"] = d.sum(axis=0)
        return d_l @ p[f"{linear}.W"].T + d_g @ p[f"{gates}.W"].T, own

    return h, back


def _lstm(p: Parameters, n: int, e: Array) -> tuple[Array, Back]:
    steps, rows, hidden = e.shape
    W = p[f"lstm{n}.W_state"]
    p_in, p_forget, p_out = (p[f"lstm{n}.W_cell_to_{gate}"] for gate in ("in", "forget", "out"))
    a = e @ p[f"linear{n}.W"] + p[f"linear{n}.b"]
    h, c, i, f, g, o, h_before, c_before = (np.empty((steps, rows, hidden), e.dtype) for _ in range(8))
    state, cell = (np.tile(p[f"lstm{n}.initial_{what}"], (rows, 1)) for what in ("state", "cells"))
    for k in range(steps):
        h_before[k], c_before[k] = state, cell
        a_in, a_forget, a_cell, a_out = np.split(state @ W + a[k], 4, axis=1)
        i[k], f[k] = sigma(a_in + cell * p_in), sigma(a_forget + cell * p_forget)
        g[k] = np.tanh(a_cell)
        cell = c[k] = f[k] * cell + i[k] * g[k]
        o[k] = sigma(a_out + cell * p_out)
        state = h[k] = o[k] * np.tanh(cell)

    def back(d_h: Array) -> tuple[Array, Gradient]:
        d_a = np.empty_like(a)
        d_in, d_forget, d_cell, d_out = np.split(d_a, 4, axis=2)  # views of it
        d_state, d_c = np.zeros((rows, hidden), e.dtype), np.zeros((rows, hidden), e.dtype)
        for k in reversed(range(steps)):
            d, shape = d_state + d_h[k], np.tanh(c[k])
            d_out[k] = d * shape * o[k] * (1 - o[k])
            d_c = d_c + d * o[k] * (1 - shape**2) + d_out[k] * p_out
            d_in[k] = d_c * g[k] * i[k] * (1 - i[k])
            d_forget[k] = d_c * c_before[k] * f[k] * (1 - f[k])
            d_cell[k] = d_c * i[k] * (1 - g[k] ** 2)
            d_c = d_c * f[k] + d_in[k] * p_in + d_forget[k] * p_forget
            d_state = d_a[k] @ W.T
        own = _linear(f"linear{n}", e, d_a)
        own[f"lstm{n}.W_state"] = _product(h_before, d_a)
        own[f"lstm{n}.W_cell_to_in"] = _sum(d_in * c_before)
        own[f"lstm{n}.W_cell_to_forget"] = _sum(d_forget * c_before)
        own[f"lstm{n}.W_cell_to_out"] = _sum(d_out * c)
        own[f"lstm{n}.initial_state"], own[f"lstm{n}.initial_cells"] = d_state.sum(axis=0), d_c.sum(axis=0)
        return d_a @ p[f"linear{n}.W"].T, own

    return h, back


def _rnn(p: Parameters, n: int, e: Array) -> tuple[Array, Back]:
    steps, rows, hidden = e.shape
    W, a = p[f"rnn{n}.W"], e @ p[f"linear{n}.W"] + p[f"linear{n}.b"]
    h, before = np.empty_like(e), np.empty_like(e)
    state = np.tile(p[f"rnn{n}.initial_state"], (rows, 1))
    for k in range(steps):
        before[k] = state
        state = h[k] = np.tanh(state @ W + a[k])

    def back(d_h: Array) -> tuple[Array, Gradient]:
        d_a, d = np.empty_like(a), np.zeros((rows, hidden), e.dtype)
        for k in reversed(range(steps)):
            d_a[k] = (d + d_h[k]) * (1 - h[k] ** 2)
            d = d_a[k] @ W.T
        own = _linear(f"linear{n}", e, d_a) | {f"rnn{n}.W": _product(before, d_a)}
        own[f"rnn{n}.initial_state"] = d.sum(axis=0)
        return d_a @ p[f"linear{n}.W"].T, own

    return h, back
