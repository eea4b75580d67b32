"""`longsong plan`: what the configurations of the post would cost on a song of any length."""

from __future__ import annotations

import argparse
import json
from typing import get_args

from longsong.arguments import count, size, widths
from longsong.config import Cell, Device, ExecutionConfig, ModelConfig, Precision
from longsong.reported import BATCH, EPOCHS, FRAMES, LAYERS, SEQUENCES, WIDTHS

__all__ = ["add_plan", "plan"]

_ETHERNET = 10**10 // 8
"""Bytes a second of 10-gigabit Ethernet (IEEE 802.3ae), its headers not counted: a slow way between accelerators."""

_EFFICIENCY = 0.5
_LAUNCH_SECONDS = 1e-5
_FLAC_RATIO = 0.46
"""Of five minutes of real music, and of the demo song (docs/scaling.md)."""
_MEASURING_SECONDS = 20.0
_MOST_HOURS = 100_000
"""Eleven years: what is beyond is a slip of the hand."""


def add_plan(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong plan`."""
    add = parser.add_argument
    add("--hours", type=float, required=True, metavar="H", help="length of the song")
    add("--hidden", type=widths, default=WIDTHS, metavar="N,N", help="hidden units (default: the post's)")
    add("--devices", type=count, default=1, metavar="D", help="how many, each like the one here (default: %(default)s)")
    add("--frame", type=count, metavar="N", help="samples in a frame (default: each of the post's)")
    add("--seq", type=count, metavar="N", help="frames in a sequence (default: each of the post's)")
    add("--cell", choices=get_args(Cell), default=ModelConfig().cell, help="default: %(default)s")
    add("--layers", type=count, default=LAYERS, metavar="N", help="default: %(default)s")
    add("--epochs", type=count, default=EPOCHS, metavar="N", help="default: %(default)s")
    add("--batch", type=count, default=BATCH, metavar="N", help="examples in a mini-batch (default: %(default)s)")
    add("--precision", choices=get_args(Precision), default=ExecutionConfig().precision, help="default: %(default)s")
    add("--device", choices=get_args(Device), default="auto", help="what is measured here (default: %(default)s)")
    add("--memory", type=size, metavar="SIZE", help="that a run may hold (default: 3/4 of what is free here)")
    add("--sample-rate", type=count, default=16_000, metavar="HZ", help="of the shards (default: %(default)s, as 2016)")
    add(
        "--flac-ratio",
        type=float,
        default=_FLAC_RATIO,
        metavar="X",
        help="bytes as FLAC over those of the samples; depends on the song (default: %(default)s, about that of music)",
    )
    add(
        "--bandwidth",
        type=size,
        default=_ETHERNET,
        metavar="SIZE",
        help="bytes a second between devices that share a run, such as 300GB (default: 1.25GB, 10-gigabit Ethernet)",
    )
    add(
        "--measuring",
        type=float,
        default=_MEASURING_SECONDS,
        metavar="SECONDS",
        help="that measuring a wide network may take; wider ones are extended by operations (default: %(default)s)",
    )
    add(
        "--peak",
        type=float,
        metavar="FLOPS",
        help="model an accelerator that is not here, by the operations a second of its data sheet, such as 67e12",
    )
    add(
        "--efficiency",
        type=float,
        default=_EFFICIENCY,
        metavar="X",
        help="share of the peak that products reach; a guess, with no measurement behind it (default: %(default)s)",
    )
    add(
        "--launch",
        type=float,
        default=_LAUNCH_SECONDS,
        metavar="SECONDS",
        help="from one kernel to the next; a guess: of eager PyTorch some 5 to 20 microseconds are reported "
        "(default: %(default)s)",
    )
    add(
        "--step",
        type=float,
        metavar="SECONDS",
        help="of a layer there and back on that accelerator, of the width and precision that are planned, such as "
        "10e-6; `python -m benchmarks.cuda` measures it (default: as without Triton, each operation a kernel)",
    )
    add("--json", action="store_true", help="give it as JSON")


def plan(a: argparse.Namespace) -> None:
    """Say what the configurations cost."""
    import torch

    from longsong.config import DataConfig, finite, samples_in
    from longsong.cost_model import SongSize
    from longsong.cost_plan import Devices, make_cost_plan
    from longsong.cost_steps import Accelerator, measure
    from longsong.cost_table import format_plan
    from longsong.cost_time import measure_reading
    from longsong.errors import ConfigError
    from longsong.training.device import available_threads, find_device, require_precision
    from longsong.training.plan import choose_memory

    hours = finite("hours", a.hours, above=0, most=_MOST_HOURS)
    finite("flac-ratio", a.flac_ratio, above=0, most=2)
    finite("efficiency", a.efficiency, above=0, most=1)
    finite("launch", a.launch, least=0)
    finite("measuring", a.measuring, least=0)
    models = [ModelConfig(cell=a.cell, hidden=hidden, layers=a.layers) for hidden in dict.fromkeys(a.hidden)]
    song = SongSize(samples_in(hours * 3600, a.sample_rate), a.sample_rate)
    shapes = [
        DataConfig(frame, seq, a.batch)
        for frame in ((a.frame,) if a.frame else FRAMES)
        for seq in ((a.seq,) if a.seq else SEQUENCES)
    ]
    if a.step is not None:
        finite("step", a.step, above=0)
    if a.peak is None:
        if a.step is not None:
            raise ConfigError(f"--step {a.step:g} is of an accelerator that is not here; give its --peak too")
        device = find_device(a.device)
        require_precision(a.precision, device)
        devices = Devices(a.devices, device, choose_memory(a.memory, device), a.bandwidth)
    else:
        if a.memory is None or a.device == "cpu":
            raise ConfigError(
                f"--peak {a.peak:g} is of an accelerator that is not here; give its --memory too, and no --device cpu"
            )
        accelerator = Accelerator(finite("peak", a.peak, above=0), a.efficiency, a.launch, a.step)
        devices = Devices(a.devices, torch.device("cuda"), a.memory, a.bandwidth, accelerator)
    execution = ExecutionConfig(device="cuda" if devices.device.type == "cuda" else "cpu", precision=a.precision)
    torch.set_num_threads(available_threads())
    found = make_cost_plan(
        song,
        shapes,
        models,
        a.epochs,
        execution,
        devices,
        measure=lambda model: measure(model, execution, a.measuring),
        measure_reading=measure_reading,
        flac_ratio=a.flac_ratio,
    )
    print(json.dumps(found.to_json(), indent=2, ensure_ascii=False) if a.json else format_plan(found))
