"""How fast sound is generated: step by step, on a wavefront, and with carried state.

``python -m benchmarks.generate [--quick] [--json FILE]`` generates the post's way, in turns, in one process: by the
plain loop of steps without autograd, by ours, and by the matrix products of ours alone (the same products over the same
memory, with the rows that the front has at each moment, and nothing else). What ours gives is held against the plain
loop before it is timed. Of the plain loop a few iterations are timed, and counted as often as there are frames.

Ratios, by name:

``wavefront_over_step:PRECISION:SHAPE``
    How many times as fast as the plain loop in float32.
``wavefront_over_floor:PRECISION:SHAPE``
    The products' time over ours: 1 would be nothing but products.
``bfloat16_over_float32:SHAPE``
    How many times as fast, where the processor has instructions for products in bfloat16.
``carry_over_realtime:FRAME``
    Seconds of sound in a second.
``carry_crossfade_over_realtime:FRAME``
    The same with frames joined by a crossfade.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from benchmarks.generate_candidates import Candidate, Carry, Floor, StepByStep, Task, Wavefront
from benchmarks.harness import arguments, available_cores, interleaved, machine, render_table, report
from longsong.generation import Crossfade

__all__ = ["main", "ratios"]

PACKAGES = ("torch", "numpy", "numba")
SAMPLE_RATE = 16_000

COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "title": ("generating", str),
    "shape": ("shape", str),
    "seconds_of_sound": ("sound, s", lambda value: f"{value:.2f}"),
    "seconds": ("takes, s", lambda value: f"{value:.3f}"),
    "over_realtime": ("times real time", lambda value: f"{value:.2f}"),
    "over_step": ("over step by step", lambda value: f"{value:.2f}"),
    "over_floor": ("over the floor", lambda value: f"{value:.3f}"),
}


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes
    ----------
    frames, lengths : tuple of int
        Samples in a frame, frames in a sequence.
    steps : int
        Steps of all iterations together that are generated of each shape, more or less.
    rounds : int
    """

    frames: tuple[int, ...] = (40, 100, 1000)
    lengths: tuple[int, ...] = (50, 100, 1000)
    steps: int = 200_000
    rounds: int = 5


FULL = Scale()
QUICK = Scale(frames=(40,), lengths=(50, 100), steps=60_000, rounds=3)


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    torch.set_num_threads(available_cores())
    scale = QUICK if options.quick else FULL
    candidates: list[Candidate] = [StepByStep()]
    candidates += [kind(precision) for precision in ("float32", "bfloat16") for kind in (Wavefront, Floor)]
    candidates += [Carry(), Carry(Crossfade, "carry crossfade", "carried state, crossfade")]
    left_out = {candidate.name: reason for candidate in candidates if (reason := candidate.missing())}
    here = [candidate for candidate in candidates if candidate.name not in left_out]
    described = {**machine(PACKAGES), "threads": torch.get_num_threads(), "hidden": options.hidden}
    described["left_out"] = left_out
    print(f"{described['processor']}, {described['threads']} threads, hidden {options.hidden}")
    for candidate in candidates:
        if candidate.name in left_out:
            print(f"left out: {candidate.title}; {left_out[candidate.name]}")
    rows: list[dict[str, Any]] = []
    try:
        for frame in scale.frames:
            for seq in scale.lengths:
                task = Task(frame, seq, options.hidden, max(2 * seq, scale.steps // seq))
                found = _measure(task, here, scale.rounds)
                rows += found
                print("\n" + render_table(found, COLUMNS), flush=True)
    finally:  # minutes of figures are not lost with the shape that fails
        print()
        report(options.json, described, rows, ratios(rows))


def _measure(task: Task, candidates: list[Candidate], rounds: int) -> list[dict[str, Any]]:
    """Time all candidates at a shape, in turns."""
    measures = {candidate.name: candidate.open(task) for candidate in candidates}
    for measure in measures.values():
        measure()
    found = {name: median(seconds) for name, seconds in interleaved(measures, rounds).items()}
    step, rows = found["step by step"], []
    for candidate in candidates:
        seconds = found[candidate.name]
        sound = task.frames * task.frame / SAMPLE_RATE
        row: dict[str, Any] = {
            "candidate": candidate.name,
            "title": candidate.title,
            "shape": task.shape,
            "frame": task.frame,
            "seq": task.seq,
            "hidden": task.hidden,
            "precision": candidate.precision,
            "seconds_of_sound": sound,
            "seconds": seconds,
            "over_realtime": sound / seconds,
            "over_step": step / seconds,
        }
        if candidate.name.startswith("wavefront") and (floor := found.get(f"floor {candidate.precision}")):
            row["over_floor"] = floor / seconds
        rows.append(row)
    return rows


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Give the ratios, by the names that the module says."""
    found: dict[str, float] = {}
    for row in rows:
        if row["candidate"].startswith("wavefront"):
            found[f"wavefront_over_step:{row['precision']}:{row['shape']}"] = row["over_step"]
            if "over_floor" in row:
                found[f"wavefront_over_floor:{row['precision']}:{row['shape']}"] = row["over_floor"]
    seconds = {(row["candidate"], row["shape"]): row["seconds"] for row in rows}
    for candidate, shape in seconds:
        if candidate == "wavefront bfloat16":
            found[f"bfloat16_over_float32:{shape}"] = (
                seconds["wavefront float32", shape] / seconds["wavefront bfloat16", shape]
            )
    for frame in sorted({row["frame"] for row in rows}):
        for name in ("carry", "carry crossfade"):
            carried = [row["over_realtime"] for row in rows if (row["candidate"], row["frame"]) == (name, frame)]
            if carried:
                found[f"{name.replace(' ', '_')}_over_realtime:{frame}"] = min(carried)
    return found


def _options() -> argparse.Namespace:
    parser = arguments((__doc__ or "").partition("\n")[0])
    parser.add_argument("--hidden", type=int, default=256, metavar="N", help="units in a layer (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
