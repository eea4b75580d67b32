"""The recurrence on an accelerator: is it right, how fast is it, and what bounds it.

``python -m benchmarks.cuda [--part NAME ...] [--device cpu] [--quick] [--json FILE]``: in under 8 minutes on an H100,
with nothing but torch, triton, numpy, scipy and safetensors. On a CPU it tries out its own code, in small.

Ratios, by name:

``gru_over_cudnn:HIDDENxSTEPS-PRECISION``
    A layer there and back, over `torch.nn.GRU`'s, which computes another function of as many products.
``gru_over_plain:HIDDENxSTEPS-PRECISION``
    The same layer, over plain operations captured as a graph: where it is above 1, kernels are not worth having.
``update_over_nn_gru:SHAPE-PRECISION``
    An update, over that of the same network with `torch.nn.GRU` and `torch.optim.RMSprop`, eager, in TF32 or under
    autocast to bfloat16, whichever is faster.
``step_over_floor:HIDDENxSTEPS-PRECISION``
    A layer and step, over the longest of: its weights' bytes from the device's memory, its products, the bytes of
    weights that are not kept on the chip from the L2 cache to one program, and the latency of a step with hardly any of
    all that.
``side_by_side:RUNS``
    The time of a run's update with so many side by side, over that of one alone.
"""

from __future__ import annotations

import argparse
import itertools
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.cuda_clock import Clock, device_here, floors
from benchmarks.cuda_correct import correct_rows
from benchmarks.cuda_memory import memory_rows
from benchmarks.cuda_speed import Bench, generation_rows, recurrence_rows, same_bytes_rows, side_rows, update_rows
from benchmarks.harness import Row, arguments, machine, render_table, report
from longsong.config import Precision
from longsong.model.kernels import kernels_available
from longsong.training.device import available_threads, device_name
from longsong.units import human_bytes

__all__ = ["PARTS", "main"]

_MEMORY = 40 << 30
_RATE = 16_000


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    hiddens: tuple[int, ...] = (199, 256)
    lengths: tuple[int, ...] = (50, 100, 1000, 4000)
    wide: tuple[tuple[int, int], ...] = ((512, 100), (1024, 100))
    shapes: tuple[tuple[int, int], ...] = ((40, 1000), (4000, 50), (1000, 100), (40, 50))
    runs: tuple[int, ...] = (1, 2, 4, 8, 16)
    shape: tuple[int, int] = (100, 100)
    hidden: int = 256
    sound: tuple[int, int] = (40, 1000)
    samples: int = 30 * _RATE
    updates: int = 50
    largest: int = 160_000_000
    rounds: int = 9
    batch: int = 128

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Hidden units and steps of layers: each of the post's widths with each length, and wider ones."""
        return [*itertools.product(self.hiddens, self.lengths), *self.wide]


FULL = Scale()
QUICK = Scale((16,), (5, 10), ((24, 5),), ((10, 5), (20, 3)), (1, 2), (10, 5), 16, (10, 5), 200, 6, 300_000, 2, 9)

Columns = Mapping[str, tuple[str, Callable[[Any], str]]]


@dataclass(frozen=True)
class Found:
    """What a part gives: its table, and how its rows are ratios."""

    columns: Columns
    rows: Callable[[], Iterator[dict[str, Any]]]
    ratios: Callable[[list[dict[str, Any]]], dict[str, float]] = lambda rows: {}


def _number(digits: int) -> Callable[[float], str]:
    return lambda value: f"{value:,.{digits}f}"


_SIZE = {"hidden": ("hidden", str), "steps": ("steps", str), "precision": ("precision", str)}
COLUMNS: dict[str, Columns] = {
    "correct": {
        "cell": ("cell", str),
        **_SIZE,
        "rows": ("rows", str),
        "layers": ("layers", str),
        "cost_error": ("cost off by", "{:.1e}".format),
        "gradient_error": ("gradient off by", "{:.1e}".format),
        "right": ("right", lambda right: "yes" if right else "NO"),
    },
    "floors": {"name": ("floor", str), "value": ("", str)},
    "recurrence": {
        **_SIZE,
        "microseconds_a_step": ("us a step", _number(2)),
        "peer_microseconds_a_step": ("cuDNN's", _number(2)),
        "over_peer": ("over cuDNN", _number(2)),
        "plain_microseconds_a_step": ("plain operations'", _number(2)),
        "over_plain": ("over these", _number(2)),
    },
    "update": {
        "shape": ("shape", str),
        "hidden": ("hidden", str),
        "precision": ("precision", str),
        "milliseconds": ("ms", _number(3)),
        "microseconds_a_layer_and_step": ("us a layer and step", _number(2)),
        "peer_milliseconds": ("torch.nn.GRU's ms", _number(3)),
        "over_peer": ("over it", _number(2)),
    },
    "side": {
        "runs": ("runs", str),
        "shape": ("shape", str),
        "milliseconds": ("ms for all", _number(3)),
        "milliseconds_a_run": ("ms a run", _number(3)),
        "of_one_after_the_other": ("of one alone", _number(2)),
    },
    "same": {
        "way": ("way", str),
        "updates": ("updates", str),
        "same_bytes": ("same bytes", lambda same: "yes" if same else "no"),
        "milliseconds": ("ms an update", _number(3)),
    },
    "generate": {
        "shape": ("shape", str),
        "precision": ("precision", str),
        "samples": ("samples", _number(0)),
        "seconds": ("seconds", _number(2)),
    },
    "memory": {
        "shape": ("shape", str),
        "rows": ("rows", str),
        "micro_batch": ("at once", str),
        "segment": ("segment", str),
        "planned": ("planned", human_bytes),
        "measured": ("measured", human_bytes),
        "finite": ("finite", lambda finite: "yes" if finite else "NO"),
    },
}
PARTS = tuple(COLUMNS)


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    device = options.device
    lacking = kernels_available(device, torch.float32)
    print(f"{device_name(device)}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    if lacking is not None:
        print(f"the recurrence in plain operations: {lacking}")
    scale = QUICK if options.quick else FULL
    bench = Bench(Clock(device), "plain" if lacking else "kernel", scale.rounds, scale.batch)
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    described = machine(("torch", "triton")) | {"device": device_name(device), "cuda": torch.version.cuda}
    measured: dict[str, float] = {}
    failed: list[str] = []
    try:
        for part in options.part:
            begun = time.monotonic()
            try:
                found = list(_rows(part, bench, scale, quick=options.quick))
            except Exception:  # the other parts are worth their time all the same
                traceback.print_exc()
                failed.append(part)
                continue
            if part == "floors":
                measured = {row["name"]: row["number"] for row in found}
            rows += [{"part": part, **row} for row in found]
            ratios |= _ratios(part, found, measured, bench)
            print(f"\n{part} ({time.monotonic() - begun:.0f} s)\n{render_table(found, COLUMNS[part])}", flush=True)
    finally:
        print()
        report(options.json, described, rows, ratios)
    if failed:
        print(f"failed: {', '.join(failed)}")
    if failed or any(row.get("right") is False for row in rows):
        raise SystemExit(1)


def _rows(part: str, bench: Bench, scale: Scale, *, quick: bool) -> Iterator[dict[str, Any]]:
    device, hidden = bench.device, scale.hidden
    if part == "correct":
        at_once = available_threads() if device.type == "cuda" else 1
        return correct_rows(device, bench.elementwise, quick=quick, at_once=at_once)
    if part == "floors":
        return _floor_rows(bench, scale, quick=quick)
    if part == "recurrence":
        return recurrence_rows(bench, scale.sizes)
    if part == "update":
        return update_rows(bench, scale.shapes, hidden)
    if part == "side":
        return side_rows(bench, scale.runs, scale.shape, hidden)
    if part == "same":
        return same_bytes_rows(bench, scale.shape, hidden, scale.updates)
    if part == "generate":
        return generation_rows(bench, scale.sound, hidden, scale.samples)
    return memory_rows(device, bench.elementwise, _MEMORY, hidden, largest=scale.largest)


def _floor_rows(bench: Bench, scale: Scale, *, quick: bool) -> Iterator[dict[str, Any]]:
    found = floors(bench.clock, quick=quick)
    yield {
        "name": "bytes_per_second",
        "number": found["bytes_per_second"],
        "value": f"{found['bytes_per_second'] / 1e12:.2f} TB/s of a copy, read and written",
    }
    for name in ("float32", "tf32", "bfloat16"):
        yield {"name": name, "number": found[name], "value": f"{found[name] / 1e12:.1f} T operations a second"}
    if bench.elementwise == "kernel" and bench.device.type == "cuda":
        from benchmarks.cuda_stream import l2_bytes_per_second

        rate = l2_bytes_per_second(bench.clock)
        yield {"name": "l2", "number": rate, "value": f"{rate / 1e9:.0f} GB/s from the L2 cache to one program"}
    # Of 16 units and one program: barriers, latencies and launches, and next to no work.
    small = Bench(bench.clock, bench.elementwise, bench.rounds, 16)
    steps = max(scale.lengths)
    (row,) = (row for row in recurrence_rows(small, [(16, steps)]) if row["precision"] == "float32")
    yield {
        "name": "latency",
        "number": row["microseconds_a_step"] / 1e6,
        "value": f"{row['microseconds_a_step']:.2f} us a step of 16 units and 16 rows, there and back",
    }


def _ratios(part: str, rows: list[dict[str, Any]], measured: Mapping[str, float], bench: Bench) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        if part == "recurrence":
            name = f"{row['hidden']}x{row['steps']}-{row['precision']}"
            if row["over_peer"] is not None:
                found[f"gru_over_cudnn:{name}"] = row["over_peer"]
            if row["over_plain"] is not None:
                found[f"gru_over_plain:{name}"] = row["over_plain"]
            if measured:
                floor = _floor_of_a_step(row["hidden"], row["precision"], measured, bench.device)
                found[f"step_over_floor:{name}"] = row["microseconds_a_step"] / 1e6 / floor
        if part == "update":
            found[f"update_over_nn_gru:{row['shape']}-{row['precision']}"] = row["over_peer"]
        if part == "side":
            found[f"side_by_side:{row['runs']}"] = row["of_one_after_the_other"]
    return found


def _floor_of_a_step(hidden: int, precision: Precision, measured: Mapping[str, float], device: torch.device) -> float:
    """Give the seconds of a layer and step there and back, at least: weights read twice, or products, or latency."""
    weights = 3 * hidden * hidden
    size = 2 if precision == "bfloat16" else 4
    # There, back, and the gradients of the weights: each as many products.
    operations = 3 * 2 * 128 * weights
    read = 2 * weights * size / measured["bytes_per_second"]
    streamed = 0.0
    if "l2" in measured:
        from benchmarks.cuda_stream import streamed_bytes

        streamed = streamed_bytes(hidden, precision, device) / measured["l2"]
    return max(read, streamed, operations / measured[precision], measured["latency"])


def _options() -> argparse.Namespace:
    parser = arguments(__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--device", type=device_here, default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
