"""A run's first update, computed again in float64 from its seed and the song: cost, gradient, RMSProp, clipping (P20).

Nothing of it is taken from what the run wrote but its configuration. The initial parameters are drawn again (or are
the best ones of the run that it started from), the first mini-batch is put together again in Fuel's order, and the
optimiser of FACTS section 4 makes its step. The cost of the second mini-batch then tells whether that step was taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from longsong.audit.gradient import cost_and_gradient
from longsong.audit.network import expected_shapes, predict
from longsong.audit.revaluate import Workload, frames_of, fuel_order
from longsong.audit.run import Run
from longsong.audit.song import SeenSong
from longsong.errors import RunError

__all__ = [
    "FLOOR",
    "FirstUpdate",
    "Step",
    "draw_parameters",
    "first_update",
    "initial_parameters",
    "rmsprop_step",
    "setting",
]

FLOOR = 1e-5
"""The least root mean square that RMSProp divides a gradient by (FACTS section 4)."""
_PASSES = 4
"""Times that all weights are multiplied by: forward, twice back, and forward again for the second cost."""

Floats = NDArray[np.float64]
Named = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Step:
    """One step of RMSProp from rest, and what it is made of.

    Attributes
    ----------
    gradient_norm : float
        L2 norm of the gradient that it was made from.
    unclipped, norm : float
        L2 norm of the step before and after step clipping.
    floor_share : float
        Share of the entries that were divided by the floor.
    step : ndarray, shape (parameters,), float64
        What is taken off the parameters.
    """

    gradient_norm: float
    unclipped: float
    norm: float
    floor_share: float
    step: Floats


@dataclass(frozen=True)
class FirstUpdate:
    """What the first update of a run has to be.

    Attributes
    ----------
    cost : float
        Of the first mini-batch at the initial parameters.
    step : Step
        The step that follows from its gradient.
    next_cost : float or None
        Of the second mini-batch after that step; None where there is none.
    gradient : ndarray, shape (parameters,), float64
    learning_rate, decay, clip : float
        The optimiser's, by the run's configuration.
    """

    cost: float
    step: Step
    next_cost: float | None
    gradient: Floats
    learning_rate: float
    decay: float
    clip: float

    def with_gradient_scaled(self, scale: float) -> Step:
        """Give the step that a gradient `scale` times as large makes: what clipping the gradient leads to."""
        return rmsprop_step(scale * self.gradient, self.learning_rate, self.decay, self.clip)


def rmsprop_step(gradient: Floats, learning_rate: float, decay: float, clip: float) -> Step:
    """Make RMSProp's first step, from a mean square of 0, and clip the step (FACTS section 4)."""
    root = np.sqrt((1 - decay) * np.square(gradient))
    step = learning_rate * gradient / np.maximum(root, FLOOR)
    unclipped = float(np.linalg.norm(step))
    if unclipped > clip:
        step *= clip / unclipped
    return Step(
        gradient_norm=float(np.linalg.norm(gradient)),
        unclipped=unclipped,
        norm=min(unclipped, clip),
        floor_share=float(np.mean(root < FLOOR)),
        step=step,
    )


def first_update(run: Run, song: SeenSong, workload: Workload, source: Run | None = None) -> FirstUpdate:
    """Compute a run's first update again.

    Parameters
    ----------
    run : Run
        A complete run.
    song : SeenSong
        Its song.
    workload : Workload
        What the audit may still spend.
    source : Run, optional
        The run that it started from, if it did.

    Raises
    ------
    LeftOutError
        It would take too long.
    RunError
        The run started from parameters that are not here, or its configuration lacks what is needed.
    """
    learning_rate, decay, clip = (
        setting(run, "training", name) for name in ("learning_rate", "rmsprop_decay", "step_clip")
    )
    batch, frame, seq = run.of("data.batch"), run.of("data.frame"), run.of("data.seq")
    examples, recurrence = run.of("data.train_examples"), run.of("model.recurrence")
    shapes = expected_shapes(run.of("model.cell"), frame, run.of("model.hidden"), run.of("model.layers"))
    size = sum(int(np.prod(shape)) for shape in shapes.values())
    workload.spend(_PASSES * float(size) * min(batch, examples) * seq, run, "its first update")
    parameters = {name: p.astype(np.float64) for name, p in initial_parameters(run, source).items()}

    def mini_batch(indices: NDArray[np.int64]) -> tuple[Floats, Floats]:
        frames = frames_of(run, song, "train", indices, 1).astype(np.float64)
        return frames[:, :-1], frames[:, 1:]

    order = fuel_order(examples, batch, run.of("training.seed"), min(2, run.of("training.epochs")))
    cost, named = cost_and_gradient(parameters, *mini_batch(order[0]), recurrence)
    gradient: Floats = np.concatenate([named[name].reshape(-1) for name in shapes])
    step = rmsprop_step(gradient, learning_rate, decay, clip)
    after = _added(parameters, shapes, -step.step)
    next_cost = None
    if len(order) > 1:
        inputs, targets = mini_batch(order[1])
        next_cost = float(np.mean(np.square(predict(after, inputs, recurrence) - targets)))
    return FirstUpdate(cost, step, next_cost, gradient, learning_rate, decay, clip)


def initial_parameters(run: Run, source: Run | None = None) -> dict[str, NDArray[Any]]:
    """Give the parameters that a run had before its first update, in the precision of its own network.

    Parameters
    ----------
    run : Run
    source : Run, optional
        The run that it started from, if it did.

    Returns
    -------
    dict of str to ndarray, float32 or float64

    Raises
    ------
    RunError
        Its configuration lacks what is needed, it started from another run than `source`, or the parameters of that
        cannot be read, were altered, or are of another shape.
    """
    dtype = np.float64 if run.of("execution.precision") == "float64" else np.float32
    shapes = expected_shapes(run.of("model.cell"), run.of("data.frame"), run.of("model.hidden"), run.of("model.layers"))
    if source is not None:
        if altered := source.altered("best"):
            raise RunError(f"{run.name} started from {source.name}, whose {altered}")
        held = source.parameters("best", run.of("data.frame"))
        if {name: tensor.shape for name, tensor in held.items()} != shapes:
            raise RunError(f"{run.name} started from {source.name}, whose parameters are of another shape")
        return {name: tensor.astype(dtype) for name, tensor in held.items()}
    if (start_from := run.of("training.start_from")) is not None:
        raise RunError(f"{run.name} started from the parameters of {start_from}, which is not among these runs")
    parameters = draw_parameters(shapes, run.of("training.seed"), setting(run, "model", "init_width"))
    if run.config["model"].get("forget_bias"):  # younger than the first runs
        _keep_more(parameters, run.of("model.hidden"), setting(run, "model", "forget_bias"))
    return {name: tensor.astype(dtype) for name, tensor in parameters.items()}


def draw_parameters(shapes: Mapping[str, tuple[int, ...]], seed: int, width: float) -> dict[str, Floats]:
    """Draw initial parameters again: weights from U[-width, width], biases and initial states 0.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Of all parameters.
    seed : int
        Of ``numpy.random.default_rng``.
    width : float

    Returns
    -------
    dict of str to ndarray, float64
        They are drawn in this order: the input's map, each layer from below (its maps, then what acts on the state),
        the output's map; the two halves of a GRU's gates one after the other.
    """
    random = np.random.default_rng(seed)
    drawn: dict[str, Floats] = {}
    for name in sorted(shapes, key=_place):
        shape = shapes[name]
        if name.endswith((".b", ".initial_state", ".initial_cells")):
            drawn[name] = np.zeros(shape)
        elif name.endswith(".state_to_gates"):
            half = (shape[0], shape[1] // 2)
            drawn[name] = np.hstack([random.uniform(-width, width, half) for _ in range(2)])
        else:
            drawn[name] = random.uniform(-width, width, shape)
    return drawn


_WITHIN = (
    "fork_linear", "fork_gates", "linear", "state_to_state", "state_to_gates", "W_state", "W_cell_to_in",
    "W_cell_to_forget", "W_cell_to_out", "rnn",
)  # fmt: skip
"""Weights of a layer in the order in which they are drawn."""


def _place(name: str) -> tuple[int, int, int]:
    """Give where a parameter stands in the order of drawing: part of the network, layer, weight."""
    if name.startswith("input_to_hidden"):
        return 0, 0, 0
    if name.startswith("hidden_to_output"):
        return 2, 0, 0
    layer = int("".join(c for c in name.split("/")[0].split(".")[0] if c.isdigit()))
    return 1, layer, next((k for k, part in enumerate(_WITHIN) if part in name), len(_WITHIN))


def _keep_more(p: dict[str, Floats], hidden: int, bias: float) -> None:
    """Begin with gates that keep more of the state: of a GRU less update, of an LSTM more of the forget gate."""
    for name, tensor in p.items():
        if name.startswith("fork") and name.endswith(".b") and "gates" in name:
            tensor[:hidden] -= bias
        elif name.startswith("linear") and name.endswith(".b"):
            tensor[hidden : 2 * hidden] += bias


def setting(run: Run, section: str, name: str) -> float:
    """Give a number of a run's configuration that not every version of it has; raises `RunError` where it is none."""
    value = run.config[section].get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise RunError(f"{run.path('config.json')} has {section}.{name} = {value!r}, which is no number; train again")
    return float(value)


def _added(p: Named, shapes: Mapping[str, tuple[int, ...]], flat: Floats) -> dict[str, Floats]:
    """Add a flat vector, in the order of `shapes`, to parameters by name."""
    found, at = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        found[name], at = p[name] + flat[at : at + size].reshape(shape), at + size
    return found
