"""How fast an update is, beside its peers and beside the products that it cannot do without; and in what memory.

``python -m benchmarks.train [--quick] [--json FILE]`` compares updates (forward, backward, optimiser) of a mini-batch
of 128, in turns, in one process: ours, the same network with `torch.nn.GRU` and with Keras' GRU, and the floor. It then
times a step in sequences of several lengths and an update of several widths, takes the peak memory of every shape of
the post in a process of its own, and times epochs of the whole trainer. ``requirements.txt`` beside this file has the
peers; what cannot run here is left out and named. The numbers of ours are held against the reference before they are
timed.

Ratios, by name:

``time_over_nn_gru:PRECISION:SHAPE:HIDDEN``, ``..._over_floor:...``, ``..._over_reference:...``, ``..._over_keras:...``
    Of the medians of an update.
``times_faster_than_2016:1000x100:199``
    Than Theano 1.0.5: what that took over `torch.nn.GRU` on another machine, over what ours takes of it here.
``step_time_LENGTH_over_SHORTEST``
    Of ours, per step.
``peak_over_budget:SHAPE``, ``peak_over_estimate:SHAPE``
    Resident memory of one update (VmHWM).
``updates_share:SHAPE``, ``updates_share_beside_dev:SHAPE``
    Of an epoch; of what of an epoch is no evaluation.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks import train_compare, train_lengths, train_memory, train_plots, train_share
from benchmarks.harness import arguments, available_cores, machine, render_table, report
from benchmarks.train_peers import Candidate, KerasGRU, Ours, ProductsAlone, Task, TorchGRU, elementwise
from longsong.model.fused import compiled_available
from longsong.reported import WIDTHS
from longsong.units import parse_bytes

__all__ = ["main", "times_faster_than_2016"]

PARTS = ("compare", "length", "width", "memory", "share")
PACKAGES = ("torch", "numpy", "numba", "keras", "matplotlib")

SECONDS_OF_2016 = 4.03
"""Of an update of 1000x100 with hidden 199 on the original stack, in float64, on 2 cores (issue 4)."""

SECONDS_OF_NN_GRU_THERE = (0.74, 0.81)
"""Of a network with `torch.nn.GRU` in float32, on the same machine (issue 4): from, to."""


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes
    ----------
    shapes, widths : tuple
        Of the comparison.
    lengths, lengths_batch
        Steps and examples of sequences of several lengths.
    hidden : tuple of int
        Widths of an update at `width_shape`.
    memory_shapes : tuple or None
        None for all of the post.
    share_shapes, share_hours
        Of the trainer as a whole.
    rounds : train_compare.Plan
    """

    shapes: tuple[tuple[int, int], ...] = ((40, 50), (40, 1000), (100, 1000), (1000, 100), (4000, 50), (800, 1000))
    widths: tuple[int, ...] = WIDTHS
    lengths: tuple[int, ...] = (100, 1000, 10_000)
    lengths_batch: int | None = None
    hidden: tuple[int, ...] = (64, 128, 199, 256, 512, 1024, 2048)
    memory_shapes: tuple[tuple[int, int], ...] | None = None
    share_shapes: tuple[tuple[int, int], ...] = ((40, 50), (4000, 50))
    share_hours: float = 3.0
    rounds: train_compare.Plan = field(default_factory=train_compare.Plan)


WIDTH_SHAPE = (40, 50)
FULL = Scale()
QUICK = Scale(
    shapes=((40, 50),),
    widths=(199,),
    lengths=(100, 1000),
    lengths_batch=16,
    hidden=(64, 128, 199),
    memory_shapes=((40, 50), (40_000, 10_000)),
    share_shapes=((1000, 50),),
    share_hours=0.25,
    rounds=train_compare.Plan(seconds=2.0, too_slow=5.0),
)


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    torch.set_num_threads(available_cores())
    scale = QUICK if options.quick else FULL
    candidates = [Ours("float32"), Ours("bfloat16"), Ours("reference"), TorchGRU(), KerasGRU(), ProductsAlone()]
    left_out = {candidate.name: reason for candidate in candidates if (reason := candidate.missing())}
    here = [candidate for candidate in candidates if candidate.name not in left_out]
    described = {
        **machine(PACKAGES),
        "threads": torch.get_num_threads(),
        "elementwise": elementwise(),
        "left_out": left_out,
    }
    print(f"{described['processor']}, {described['threads']} threads, torch {described['packages']['torch']}")
    if (lacking := compiled_available()) is not None:
        print(f"the element-wise work of ours is not compiled: {lacking}")
    for candidate in candidates:
        if candidate.name in left_out:
            print(f"left out: {candidate.title}; {left_out[candidate.name]}")

    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.work) as folder:
        parts = _parts(options, scale, here, Path(folder))
        try:
            for part in options.parts:
                found, compared, columns = parts[part]()
                rows += [{"part": part, **row} for row in found]
                ratios = compared | ratios  # what two parts have measured is told of the first
                print("\n" + render_table(found, columns), flush=True)
                _plot(options.plots, part, found)
        finally:  # hours of figures are not lost with the part that fails
            print()
            report(options.json, described, rows, ratios)


Part = tuple[list[dict[str, Any]], dict[str, float], Mapping[str, tuple[str, Callable[[Any], str]]]]


def _parts(
    options: argparse.Namespace, scale: Scale, here: list[Candidate], work: Path
) -> dict[str, Callable[[], Part]]:
    """Give what measures each part: its rows, ratios and columns."""

    def compared() -> Part:
        shapes, widths = options.shapes or scale.shapes, options.hidden or scale.widths
        tasks = [Task(*shape, hidden) for shape in shapes for hidden in widths]
        found = train_compare.compare(tasks, here, scale.rounds)
        return found, train_compare.ratios_of(found) | times_faster_than_2016(found), train_compare.COLUMNS

    def lengths() -> Part:
        found = train_lengths.measure_lengths(scale.lengths, batch=scale.lengths_batch, memory=options.budget)
        return found, train_lengths.ratios_of_lengths(found), train_lengths.COLUMNS

    def widths() -> Part:
        tasks = [Task(*WIDTH_SHAPE, hidden) for hidden in scale.hidden]
        few = [candidate for candidate in here if candidate.name in ("float32", "nn_gru", "floor")]
        found = train_compare.compare(tasks, few, scale.rounds)
        return found, train_compare.ratios_of(found), train_compare.COLUMNS

    def memory() -> Part:
        plan = train_memory.MemoryPlan(
            options.memory,
            tuple(options.shapes or scale.memory_shapes or train_memory.MemoryPlan.shapes),
            options.memory_hidden,
            tuple(options.cells),
            options.at_most,
        )
        found = train_memory.measure_memory(work, plan)
        return found, train_memory.ratios_of_memory(found), train_memory.COLUMNS

    def share() -> Part:
        shapes = options.shapes or scale.share_shapes
        found = train_share.measure_shares(work, shapes, hidden=options.memory_hidden, hours=scale.share_hours)
        return found, train_share.ratios_of_shares(found), train_share.COLUMNS

    return {"compare": compared, "length": lengths, "width": widths, "memory": memory, "share": share}


def times_faster_than_2016(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Set ours against the original stack, by way of `torch.nn.GRU`, which both were timed beside."""
    there = SECONDS_OF_2016 / (sum(SECONDS_OF_NN_GRU_THERE) / 2)
    return {
        f"times_faster_than_2016:{row['shape']}:{row['hidden']}": there / row["over_nn_gru"]
        for row in rows
        if (row["candidate"], row["shape"], row["hidden"]) == ("float32", "1000x100", 199) and "over_nn_gru" in row
    }


def _plot(folder: Path | None, part: str, rows: list[dict[str, Any]]) -> None:
    draw = {"length": train_plots.draw_lengths, "width": train_plots.draw_widths}.get(part)
    if folder is not None and draw is not None:
        folder.mkdir(parents=True, exist_ok=True)
        draw(folder / f"train-{part}.svg", rows)


def _shape(word: str) -> tuple[int, int]:
    frame, _, seq = word.partition("x")
    return int(frame), int(seq)


def _options() -> argparse.Namespace:
    parser = arguments((__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--shapes", nargs="+", type=_shape, metavar="FRAMExSEQ", help="of compare, memory and share")
    parser.add_argument("--hidden", nargs="+", type=int, metavar="N", help="of compare")
    parser.add_argument(
        "--budget", type=parse_bytes, metavar="BYTES", help="of ours in length; by default the trainer's own choice"
    )
    parser.add_argument("--memory", type=parse_bytes, default=6 << 30, metavar="BYTES", help="the budget of memory")
    parser.add_argument("--memory-hidden", type=int, default=256, metavar="N", help="of memory and share")
    parser.add_argument("--cells", nargs="+", choices=("gru", "lstm", "rnn"), default=["gru"], help="of memory")
    parser.add_argument("--at-most", type=float, metavar="SECONDS", help="that one shape of memory may take")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where to put songs (under 1 GB), removed at the end")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="where to draw length and width, as SVG")
    return parser.parse_args()


if __name__ == "__main__":
    main()
