"""The network of FACTS section 4 in plain numpy, written apart from the code that trains.

The audit computes predictions a second time, from the parameters on disk, so that a reported cost or a
generated frame does not rest on the word of the program that made it. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.errors import RunError

__all__ = [
    "Parameters",
    "Product",
    "State",
    "advance",
    "cell_of",
    "expected_shapes",
    "initial_states",
    "layers_of",
    "predict",
    "product_of",
    "recurrent_parameters",
    "run_steps",
    "sigma",
]

Array = NDArray[Any]
Parameters = Mapping[str, Array]
Product = Callable[[Array, Array], Array]
State = tuple[Array, ...]
"""What a layer carries from step to step, shape (rows, hidden) each: its state, and an LSTM's cells."""

_MARKS = {"gru": "gru0.state_to_gates", "lstm": "lstm0.W_state", "rnn": "rnn0.W"}


def cell_of(names: Iterable[str]) -> str:
    """Tell the cell, ``gru``, ``lstm`` or ``rnn``, from the parameters' names.

    Raises
    ------
    RunError
        The names are those of no network of FACTS section 4.
    """
    held = set(names)
    for cell, mark in _MARKS.items():
        if mark in held:
            return cell
    raise RunError(
        f"the parameters have none of {', '.join(_MARKS.values())}: they are no GRU, LSTM or RNN; train again"
    )


def layers_of(names: Iterable[str]) -> int:
    """Count the recurrent layers by their initial states."""
    return sum(1 for name in names if name.endswith(".initial_state"))


def recurrent_parameters(cell: str, hidden: int) -> int:
    """Count the parameters of one recurrent layer, its input's linear map included (FACTS section 4).

    GRU: 3 h (h + 1) for the input, 3 h^2 recurrent, h initial; LSTM: 4 h (h + 1), 4 h^2, 3 h peepholes,
    2 h initial; RNN: h (h + 1), h^2, h.
    """
    return sum(int(np.prod(shape)) for shape in _layer_shapes(cell, 0, hidden).values())


def expected_shapes(cell: str, frame: int, hidden: int, layers: int) -> dict[str, tuple[int, ...]]:
    """Give the name and shape of every parameter that the network of FACTS section 4 has."""
    shapes: dict[str, tuple[int, ...]] = {
        "input_to_hidden.W": (frame, hidden),
        "input_to_hidden.b": (hidden,),
        "hidden_to_output.W": (hidden, frame),
        "hidden_to_output.b": (frame,),
    }
    for layer in range(layers):
        shapes |= _layer_shapes(cell, layer, hidden)
    return shapes


def _layer_shapes(cell: str, n: int, h: int) -> dict[str, tuple[int, ...]]:
    if cell == "gru":
        return {
            f"fork{n}/fork_linear{n}.W": (h, h),
            f"fork{n}/fork_linear{n}.b": (h,),
            f"fork{n}/fork_gates{n}.W": (h, 2 * h),
            f"fork{n}/fork_gates{n}.b": (2 * h,),
            f"gru{n}.state_to_gates": (h, 2 * h),
            f"gru{n}.state_to_state": (h, h),
            f"gru{n}.initial_state": (h,),
        }
    width = 4 * h if cell == "lstm" else h
    linear: dict[str, tuple[int, ...]] = {f"linear{n}.W": (h, width), f"linear{n}.b": (width,)}
    if cell == "rnn":
        return linear | {f"rnn{n}.W": (h, h), f"rnn{n}.initial_state": (h,)}
    peepholes: dict[str, tuple[int, ...]] = {f"lstm{n}.W_cell_to_{gate}": (h,) for gate in ("in", "forget", "out")}
    states: dict[str, tuple[int, ...]] = {f"lstm{n}.initial_state": (h,), f"lstm{n}.initial_cells": (h,)}
    return linear | {f"lstm{n}.W_state": (h, 4 * h)} | peepholes | states


def product_of(precision: str) -> Product:
    """Give the matrix product that a network of this precision makes.

    Of ``bfloat16`` and ``tf32`` the operands are rounded to so many bits, to the nearest and of two as near to the even
    one, and nothing else is.
    """
    dropped = _DROPPED.get(precision)
    if dropped is None:
        return np.matmul
    return lambda a, b: _rounded(a, dropped).astype(a.dtype) @ _rounded(b, dropped).astype(b.dtype)


_DROPPED = {"bfloat16": 16, "tf32": 13}
"""Of the 23 bits behind the leading one of a float32 number."""


def _rounded(x: Array, dropped: int) -> Array:
    bits = x.astype(np.float32).view(np.uint32)
    odd = (bits >> np.uint32(dropped)) & np.uint32(1)
    half, mask = np.uint32((1 << dropped - 1) - 1), np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    rounded: Array = ((bits + half + odd) & mask).view(np.float32)
    return rounded


def predict(p: Parameters, inputs: Array, recurrence: str = "time", product: Product = np.matmul) -> Array:
    """Predict the next frame at each step of each example.

    Parameters
    ----------
    p : mapping of str to ndarray
        Parameters by the names of FACTS section 7.
    inputs : ndarray, shape (batch, seq, frame)
        Normalised frames.
    recurrence : {'time', 'batch'}
        The axis that the state is carried along: the sequence, or the mini-batch (D01).
    product : callable
        Multiplies matrices (`product_of`).

    Returns
    -------
    ndarray, shape (batch, seq, frame)
    """
    axis = 1 if recurrence == "time" else 0
    return np.stack(list(run_steps(p, np.moveaxis(inputs, axis, 0), product)), axis=axis)


def run_steps(p: Parameters, steps: Iterable[Array], product: Product = np.matmul) -> Iterator[Array]:
    """Advance the network step by step; memory does not grow with their number.

    Parameters
    ----------
    steps : iterable of ndarray, shape (rows, frame)
        The inputs of each step.
    product : callable
        Multiplies matrices.

    Yields
    ------
    ndarray, shape (rows, frame)
        The prediction of each step.
    """
    states: list[State] = []
    for x in steps:
        y, states = advance(p, x, states or initial_states(p, len(x)), product)
        yield y


def initial_states(p: Parameters, rows: int) -> list[State]:
    """Give the state that each layer begins with, its trainable initial one in every row."""
    cell = cell_of(p)
    return [
        tuple(
            np.tile(p[name], (rows, 1))
            for name in (f"{cell}{n}.initial_state", f"{cell}{n}.initial_cells")
            if name in p
        )
        for n in range(layers_of(p))
    ]


def advance(
    p: Parameters, x: Array, states: Sequence[State], product: Product = np.matmul
) -> tuple[Array, list[State]]:
    """Make one step of each row.

    Parameters
    ----------
    p : mapping of str to ndarray
        Parameters by the names of FACTS section 7.
    x : ndarray, shape (rows, frame)
    states : sequence of State
        Of each layer before the step.
    product : callable
        Multiplies matrices.

    Returns
    -------
    ndarray, shape (rows, frame)
        The predictions.
    list of State
        Of each layer after it.
    """
    step = {"gru": _gru, "lstm": _lstm, "rnn": _rnn}[cell_of(p)]
    e = product(x, p["input_to_hidden.W"]) + p["input_to_hidden.b"]
    after = []
    for n, state in enumerate(states):
        state = step(p, n, e, state, product)
        after.append(state)
        e = state[0]
    return product(e, p["hidden_to_output.W"]) + p["hidden_to_output.b"], after


def sigma(x: Array) -> Array:
    """Give the logistic function, by tanh: it cannot overflow."""
    y: Array = 0.5 * np.tanh(0.5 * x) + 0.5
    return y


def _gru(p: Parameters, n: int, e: Array, state: State, product: Product) -> State:
    (h,) = state
    hidden = h.shape[1]
    driven = product(e, p[f"fork{n}/fork_gates{n}.W"]) + p[f"fork{n}/fork_gates{n}.b"]
    gates = sigma(product(h, p[f"gru{n}.state_to_gates"]) + driven)
    update, reset = gates[:, :hidden], gates[:, hidden:]
    linear = product(e, p[f"fork{n}/fork_linear{n}.W"]) + p[f"fork{n}/fork_linear{n}.b"]
    candidate = np.tanh(product(reset * h, p[f"gru{n}.state_to_state"]) + linear)
    return (update * candidate + (1 - update) * h,)


def _lstm(p: Parameters, n: int, e: Array, state: State, product: Product) -> State:
    h, c = state
    a = product(h, p[f"lstm{n}.W_state"]) + product(e, p[f"linear{n}.W"]) + p[f"linear{n}.b"]
    a_in, a_forget, a_cell, a_out = np.split(a, 4, axis=1)
    i = sigma(a_in + c * p[f"lstm{n}.W_cell_to_in"])
    f = sigma(a_forget + c * p[f"lstm{n}.W_cell_to_forget"])
    c = f * c + i * np.tanh(a_cell)
    o = sigma(a_out + c * p[f"lstm{n}.W_cell_to_out"])
    return o * np.tanh(c), c


def _rnn(p: Parameters, n: int, e: Array, state: State, product: Product) -> State:
    (h,) = state
    return (np.tanh(product(h, p[f"rnn{n}.W"]) + product(e, p[f"linear{n}.W"]) + p[f"linear{n}.b"]),)
