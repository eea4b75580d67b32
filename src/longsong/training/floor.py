"""The floor of an update: its matrix products, and nothing else.

No way of computing the network does without them, so that how far an update is above its floor says how much there is
left to gain. What is counted follows from the equations (FACTS section 4), whatever the form that computes them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from longsong.model import Network

__all__ = ["Floor", "Kind", "Product", "Role", "measure_floor", "products_of_update"]

Kind = Literal["input", "recurrence", "output"]
Role = Literal["forward", "backward", "weights"]

_KINDS: dict[str, Kind] = {"input_to_hidden.W": "input", "hidden_to_output.W": "output"}
"""Of weights that are not a recurrent layer's."""

_MOST_STEPS = 200
"""Steps that are measured of a longer sequence: every product takes time in proportion to its steps."""

_MOST_BYTES = 1 << 28
"""What one operand of a measured product may take."""


@dataclass(frozen=True)
class Product:
    """A matrix product of an update, (m, k) by (k, n), made so many times.

    Attributes
    ----------
    name : str
        The weight that it belongs to.
    m, k, n : int
    times : int
        One for each step where the next one waits for it, else one over all steps.
    kind : {'input', 'recurrence', 'output'}
        The part of the network: the input layer, the recurrent layers with their forks, the output layer.
    role : {'forward', 'backward', 'weights'}
        Whether it gives what the weight computes, the gradient of what the weight is given, or that of the weight.
    """

    name: str
    m: int
    k: int
    n: int
    times: int
    kind: Kind
    role: Role

    @property
    def flops(self) -> int:
        """Multiplications and additions, all times together."""
        return 2 * self.m * self.k * self.n * self.times


def products_of_update(network: Network, steps: int, rows: int) -> list[Product]:
    """Give all matrix products of an update: forward, and full back-propagation.

    Parameters
    ----------
    network : Network
    steps, rows : int
        Along the axis of the recurrence, and beside it: the sequence and the mini-batch, or (D01) the reverse.

    Returns
    -------
    list of Product
        Three for each weight, in the order of the network's parameters; two for the input layer, since nobody asks
        for the gradient of the song.
    """
    cells = tuple(f"{network.config.cell}{layer}." for layer in range(network.config.layers))
    found = []
    for name, shape in network.shapes.items():
        if len(shape) != 2:
            continue
        (k, n), kind = shape, _KINDS.get(name, "recurrence")
        # Products with a state wait for each other; those with the inputs of a layer are one.
        times = steps if name.startswith(cells) else 1
        m = rows * steps // times
        found.append(Product(name, m, k, n, times, kind, "forward"))
        if kind != "input":
            found.append(Product(name, m, n, k, times, kind, "backward"))
        found.append(Product(name, k, rows * steps, n, 1, kind, "weights"))
    return found


def measure_floor(
    network: Network,
    steps: int,
    rows: int,
    dtype: torch.dtype = torch.float32,
    rounds: int = 3,
    *,
    device: torch.device | str = "cpu",
) -> dict[Kind, float]:
    """Measure how long the matrix products of an update take alone, on the threads that torch has now.

    Parameters
    ----------
    network : Network
    steps, rows : int
        As for `products_of_update`.
    dtype : torch.dtype
        Of the operands and the sums.
    rounds : int
        How often; at least 1, beside one that warms up.
    device : device or str

    Returns
    -------
    dict of str to float
        Seconds by kind; medians.
    """
    floor = Floor(network, steps, rows, dtype, device=device)
    floor.seconds()
    found = [floor.seconds() for _ in range(rounds)]
    return {kind: statistics.median(one[kind] for one in found) for kind in found[0]}


class Floor:
    """The matrix products of an update over buffers that are there already.

    A recurrence is measured as it runs, its products in turns: each reads what was just made, and writes to the place
    of its step in a buffer over all steps, which the way back will need; the way back writes over the same gradient at
    each step. Of a sequence that is longer than a few hundred steps a part is measured, and counted as often as it
    fits.

    Parameters
    ----------
    network, steps, rows, dtype, device
        As for `measure_floor`.

    Attributes
    ----------
    measured_steps : int
        How many steps are made.
    """

    def __init__(
        self,
        network: Network,
        steps: int,
        rows: int,
        dtype: torch.dtype = torch.float32,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        widest = max(max(shape) for shape in network.shapes.values())
        fitting = _MOST_BYTES // (rows * widest * dtype.itemsize)
        self.measured_steps = max(1, min(steps, _MOST_STEPS, fitting))
        self._scale = steps / self.measured_steps
        self._buffers = _Buffers(dtype, torch.device(device))
        self._work: list[tuple[Kind, Callable[[], None]]] = []
        in_turns: dict[tuple[str, Role], list[Product]] = {}
        for product in products_of_update(network, self.measured_steps, rows):
            if product.times > 1:
                in_turns.setdefault((product.name.partition(".")[0], product.role), []).append(product)
            else:
                self._work.append((product.kind, self._whole(product)))
        for (_, role), products in in_turns.items():
            self._work.append(("recurrence", self._in_turns(products, kept=role == "forward")))

    def seconds(self) -> dict[Kind, float]:
        """Make all products once; gives seconds by kind, of all steps."""
        found: dict[Kind, float] = {"input": 0.0, "recurrence": 0.0, "output": 0.0}
        for kind, make in self._work:
            self._buffers.wait()
            begun = time.perf_counter()
            make()
            self._buffers.wait()
            found[kind] += time.perf_counter() - begun
        return {kind: taken * self._scale for kind, taken in found.items()}

    def _whole(self, product: Product) -> Callable[[], None]:
        """Give a product over all steps; the operand that has no steps in it is as the parameters or states lie."""
        take = self._buffers.take
        if product.role == "weights":
            left = take("left", product.k, product.m).t()
            right = take("right", product.k, product.n)
        else:
            left = take("left", product.m, product.k)
            right = self._weight(product)
        out = take("out", product.m, product.n)

        def make() -> None:
            torch.mm(left, right, out=out)

        return make

    def _in_turns(self, products: Iterable[Product], *, kept: bool) -> Callable[[], None]:
        """Give the products of a recurrence, one of each at each step."""
        take, steps = self._buffers.take, self.measured_steps
        each = []
        for product in products:
            left, right = take("step", product.m, product.k), self._weight(product)
            whole = take("out", (steps if kept else 1) * product.m, product.n)
            outs = whole.view(-1, product.m, product.n).unbind(0)
            each.append((left, right, outs if kept else outs * steps))

        def make() -> None:
            for step in range(steps):
                for left, right, outs in each:
                    torch.mm(left, right, out=outs[step])

        return make

    def _weight(self, product: Product) -> Tensor:
        if product.role == "backward":
            return self._buffers.take("right", product.n, product.k).t()
        return self._buffers.take("right", product.k, product.n)


class _Buffers:
    """Matrices by their part in a product; those of one part and shape are one, since all products come in turn."""

    def __init__(self, dtype: torch.dtype, device: torch.device) -> None:
        self._dtype, self._device = dtype, device
        self._generator = torch.Generator(device).manual_seed(1)
        self._there: dict[tuple[str, int, int], Tensor] = {}

    def take(self, part: str, rows: int, columns: int) -> Tensor:
        """Give the matrix of that part and shape; of numbers in [-1, 1], as states are."""
        key = part, rows, columns
        if key not in self._there:
            made = torch.empty(rows, columns, dtype=self._dtype, device=self._device)
            self._there[key] = made.uniform_(-1, 1, generator=self._generator)
        return self._there[key]

    def wait(self) -> None:
        """Return when the device has made what it was asked for."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
