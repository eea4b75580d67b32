"""How fast the recurrence, updates and sounds are on a device, beside the same network with `torch.nn.GRU`."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.cuda_clock import Clock
from benchmarks.cuda_correct import PRECISIONS
from longsong.config import Device, Elementwise, ExecutionConfig, ModelConfig, Precision, TrainingConfig
from longsong.generation import generate_post
from longsong.model import Network
from longsong.model.captured import Repeated
from longsong.model.fused import CudaLanes, FusedGradient, Products, products_of
from longsong.model.fused.gradient import LAYERS as CELLS
from longsong.model.fused.layer import run_backward, run_forward
from longsong.model.fused.weights import weights_of
from longsong.reported import BATCH, LAYERS
from longsong.training.determinism import determined
from longsong.training.enqueued_updates import EnqueuedUpdates
from longsong.training.optimiser import RMSProp

__all__ = ["Bench", "generation_rows", "recurrence_rows", "same_bytes_rows", "side_rows", "update_rows"]

OPTIMISER = TrainingConfig()
_ROTATED = _REPEATED = 3
_MOST_PLAIN_STEPS = 100
"""Plain operations are hundreds of thousands in a long sequence, and take as long a step as in a short one."""


@dataclass(frozen=True)
class Bench:
    """Where it is measured, and how much.

    Attributes
    ----------
    clock : Clock
    elementwise : {'kernel', 'plain', 'compiled'}
        Of ours.
    rounds : int
        How often anything is timed.
    batch : int
        Rows of a mini-batch.
    """

    clock: Clock
    elementwise: Elementwise
    rounds: int
    batch: int = BATCH

    @property
    def device(self) -> torch.device:
        """The device."""
        return self.clock.device

    def frames(self, seq: int, frame: int, seed: int = 1, rows: int | None = None) -> tuple[Tensor, Tensor]:
        """Draw inputs and targets, each of shape (rows, seq, frame): one buffer seen twice."""
        generator = torch.Generator(self.device).manual_seed(seed)
        frames = torch.empty(rows or self.batch, seq + 1, frame, device=self.device)
        frames.uniform_(-1, 1, generator=generator)
        return frames[:, :-1], frames[:, 1:]

    def updates(self, network: Network, products: Products, *, aside: bool = True) -> tuple[EnqueuedUpdates, Tensor]:
        """Give updates of a new network, and its parameters."""
        parameters = network.initial_parameters(1).to(self.device, torch.float32)
        optimiser = RMSProp(
            torch.zeros_like(parameters),
            learning_rate=OPTIMISER.learning_rate,
            decay=OPTIMISER.rmsprop_decay,
            step_clip=OPTIMISER.step_clip,
        )
        aside = aside and self.device.type == "cuda" and self.elementwise == "kernel"
        lanes = CudaLanes(self.device, network.config.layers) if aside else None
        form = FusedGradient(network, products=products, elementwise=self.elementwise, lanes=lanes)
        return EnqueuedUpdates(parameters, optimiser, form, print), parameters


def recurrence_rows(bench: Bench, sizes: Iterable[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Time one layer there and back, weight gradients included, without the products of its inputs' layer below.

    cuDNN's is `torch.nn.GRU`, one layer, there and back, in float32 with TF32, and in bfloat16. Plain operations are
    ours where there are no kernels, captured as well: of wide layers, whose weights each program of a kernel reads
    anew at each step, they may be the faster ones.

    Parameters
    ----------
    bench : Bench
    sizes : iterable of (int, int)
        Hidden units and steps.
    """
    for hidden, steps in sizes:
        peers = {
            f"cudnn_{name}": _seconds_of_peer_layer(bench, hidden, steps, name) for name in ("float32", "bfloat16")
        }
        for precision in PRECISIONS:
            seconds = _seconds_of_layer(bench, hidden, steps, precision, bench.elementwise)
            peer = peers["cudnn_bfloat16" if precision == "bfloat16" else "cudnn_float32"]
            short = steps <= _MOST_PLAIN_STEPS
            plain = _seconds_of_layer(bench, hidden, steps, precision, "plain") if short else None
            yield {
                "hidden": hidden,
                "steps": steps,
                "precision": precision,
                "microseconds_a_step": seconds / steps * 1e6,
                "peer_microseconds_a_step": None if peer is None else peer / steps * 1e6,
                "over_peer": None if peer is None else seconds / peer,
                "plain_microseconds_a_step": None if plain is None else plain / steps * 1e6,
                "over_plain": None if plain is None else seconds / plain,
            }


def _seconds_of_layer(bench: Bench, hidden: int, steps: int, precision: Precision, elementwise: Elementwise) -> float:
    network = Network(ModelConfig(cell="gru", hidden=hidden, layers=1), 1)
    parameters = network.initial_parameters(1).to(bench.device, torch.float32)
    gradient = network.named(torch.zeros_like(parameters))
    products, rows = products_of(precision), bench.batch
    layer = CELLS["gru"](0, hidden, products, elementwise)

    def new(*shape: int) -> Tensor:
        return torch.empty(shape, device=bench.device).uniform_(-1, 1)

    states = [new(steps + 1, rows, hidden)]
    kept = {name: new(steps, rows, width * hidden) for name, width in layer.widths.items()}
    d_h, many = new(steps + 1, rows, hidden), [new(steps, rows, hidden) for _ in range(_ROTATED)]

    def work(e: Tensor) -> None:
        p = weights_of(network, parameters, products)
        run_forward(layer, p, e, states, kept)
        run_backward(layer, p, gradient, e, states, kept, [d_h], d_h[1:])

    # As in an update, which is captured: launches one by one may take longer than what they launch.
    with products.active():
        return bench.clock.seconds([Repeated(partial(work, e), bench.device) for e in many], bench.rounds, warm=3)


def _seconds_of_peer_layer(bench: Bench, hidden: int, steps: int, name: str) -> float | None:
    if bench.device.type != "cuda" and name == "bfloat16":
        return None
    dtype = torch.bfloat16 if name == "bfloat16" else torch.float32
    layer = nn.GRU(hidden, hidden).to(bench.device, dtype)
    many = [
        torch.rand(steps, bench.batch, hidden, device=bench.device).to(dtype).requires_grad_() for _ in range(_ROTATED)
    ]
    d_h = torch.rand(steps, bench.batch, hidden, device=bench.device).to(dtype)

    def work(e: Tensor) -> None:
        layer(e)[0].backward(d_h)

    return bench.clock.seconds([partial(work, e) for e in many], bench.rounds)


def update_rows(bench: Bench, shapes: tuple[tuple[int, int], ...], hidden: int) -> Iterator[dict[str, Any]]:
    """Time updates: ours as they are trained, and those of the same network with `torch.nn.GRU`, in its faster way."""
    for frame, seq in shapes:
        batches = [bench.frames(seq, frame, seed) for seed in range(_ROTATED)]
        peer = min(_seconds_of_peer(bench, frame, hidden, batches, rounded=rounded) for rounded in (False, True))
        for precision in PRECISIONS:
            network = Network(ModelConfig(cell="gru", hidden=hidden, layers=LAYERS), frame)
            updates, _ = bench.updates(network, products_of(precision))

            def work(batch: tuple[Tensor, Tensor], updates: EnqueuedUpdates = updates) -> None:
                updates.begin(*batch)
                for _ in updates.finished(wait=False):
                    pass

            seconds = bench.clock.seconds([partial(work, batch) for batch in batches], bench.rounds)
            yield {
                "shape": f"{frame}x{seq}",
                "hidden": hidden,
                "precision": precision,
                "milliseconds": seconds * 1000,
                "microseconds_a_layer_and_step": seconds / (LAYERS * seq) * 1e6,
                "peer_milliseconds": peer * 1000,
                "over_peer": seconds / peer,
            }


def _seconds_of_peer(
    bench: Bench, frame: int, hidden: int, batches: list[tuple[Tensor, Tensor]], *, rounded: bool
) -> float:
    if rounded and bench.device.type != "cuda":
        return float("inf")
    encode, decode = nn.Linear(frame, hidden).to(bench.device), nn.Linear(hidden, frame).to(bench.device)
    layers = nn.GRU(hidden, hidden, LAYERS).to(bench.device)
    parameters = [p for module in (encode, layers, decode) for p in module.parameters()]
    optimiser = torch.optim.RMSprop(parameters, lr=OPTIMISER.learning_rate, alpha=OPTIMISER.rmsprop_decay)

    def work(batch: tuple[Tensor, Tensor]) -> None:
        steps, wanted = (part.transpose(0, 1) for part in batch)
        optimiser.zero_grad()
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=rounded):
            predicted = decode(layers(encode(steps))[0])
        nn.functional.mse_loss(predicted.float(), wanted).backward()
        optimiser.step()

    with products_of("tf32").active():
        return bench.clock.seconds([partial(work, batch) for batch in batches], bench.rounds)


def side_rows(bench: Bench, many: tuple[int, ...], shape: tuple[int, int], hidden: int) -> Iterator[dict[str, Any]]:
    """Time runs side by side: each with a stream of its own, their updates enqueued in turns."""
    frame, seq = shape
    one: float | None = None
    for runs in many:
        network = Network(ModelConfig(cell="gru", hidden=hidden, layers=LAYERS), frame)
        products = products_of("bfloat16")
        sets = [
            (_Lane(bench.device), bench.updates(network, products)[0], *bench.frames(seq, frame, n))
            for n in range(runs)
        ]
        seconds = bench.clock.seconds([partial(_side_by_side, bench.device, sets)], bench.rounds)
        one = one or seconds
        yield {
            "runs": runs,
            "shape": f"{frame}x{seq}",
            "hidden": hidden,
            "milliseconds": seconds * 1000,
            "milliseconds_a_run": seconds * 1000 / runs,
            "of_one_after_the_other": seconds / runs / one,
        }


class _Lane:
    """A stream for each run, or none where there are no streams."""

    def __init__(self, device: torch.device) -> None:
        on_cuda = device.type == "cuda"
        self.stream = torch.cuda.Stream(device) if on_cuda else None  # type: ignore[no-untyped-call]


def _side_by_side(device: torch.device, sets: list[tuple[_Lane, EnqueuedUpdates, Tensor, Tensor]]) -> None:
    """Begin an update of each run in its stream, and have the current stream wait for all of them."""
    for lane, updates, x, y in sets:
        if lane.stream is not None:
            lane.stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(lane.stream):  # of None it is a block without effect
            updates.begin(x, y)
    for lane, updates, _, _ in sets:
        if lane.stream is not None:
            torch.cuda.current_stream(device).wait_stream(lane.stream)
        for _ in updates.finished(wait=False):
            pass


def generation_rows(bench: Bench, shape: tuple[int, int], hidden: int, samples: int) -> Iterator[dict[str, Any]]:
    """Time a sound in the post's way."""
    frame, seq = shape
    network = Network(ModelConfig(cell="gru", hidden=hidden, layers=LAYERS), frame)
    parameters = network.initial_parameters(1).to(bench.device, torch.float32)
    (seeds, _), frames = bench.frames(seq, frame, rows=1), -(-samples // frame)
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    for precision in precisions:
        products = products_of(precision)

        def work(products: Products = products) -> None:
            for _ in generate_post(network, parameters, seeds, frames, products=products, elementwise="plain"):
                pass

        seconds = bench.clock.seconds([work], 1, warm=0)
        yield {
            "shape": f"{frame}x{seq}",
            "hidden": hidden,
            "samples": samples,
            "precision": precision,
            "seconds": seconds,
        }


def same_bytes_rows(bench: Bench, shape: tuple[int, int], hidden: int, updates: int) -> Iterator[dict[str, Any]]:
    """Train from the same beginning again: are bytes the same with layers in turn, and side by side; what is lost."""
    frame, seq = shape
    batches = [bench.frames(seq, frame, seed) for seed in range(_ROTATED)]
    kind: Device = "cuda" if bench.device.type == "cuda" else "cpu"
    network = Network(ModelConfig(cell="gru", hidden=hidden, layers=LAYERS), frame)
    for way, deterministic in (("--deterministic", True), ("layers side by side", False)):
        ended, seconds = [], []
        for _ in range(_REPEATED):
            with determined(ExecutionConfig(device=kind, deterministic=deterministic)):
                made, parameters = bench.updates(network, products_of("bfloat16"), aside=not deterministic)
                bench.clock.wait()

                def work(made: EnqueuedUpdates = made) -> None:
                    for number in range(updates):
                        made.begin(*batches[number % len(batches)])
                        for _ in made.finished(wait=False):
                            pass
                    for _ in made.finished(wait=True):
                        pass

                seconds.append(bench.clock.seconds([work], 1, warm=0))
            ended.append(parameters.clone())
        yield {
            "way": way,
            "updates": updates,
            "same_bytes": all(torch.equal(one, ended[0]) for one in ended),
            "milliseconds": statistics.median(seconds) / updates * 1000,
        }


Rows = Callable[[], Iterator[dict[str, Any]]]
