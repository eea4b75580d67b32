"""Seconds of an update with LSTM, GRU and RNN, measured side by side: in turns, in one process (P08)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from longsong.audit.bounds import load_evidence
from longsong.audit.cell_groups import groups_of_cells
from longsong.audit.run import Run
from longsong.audit.side_by_side import CELLS_FILE, LEAST_ROUNDS, SideBySide, write_cells
from longsong.errors import ConfigError, RunError
from longsong.model import Network
from longsong.places import find_shards
from longsong.progress import Progress
from longsong.training import torch_batches
from longsong.training.device import DTYPES, available_threads, device_name, find_device
from longsong.training.forms import make_gradient, require_form
from longsong.training.optimiser import RMSProp
from longsong.training.record import RunRecord, read_record
from longsong.training.splits import Splits
from longsong.training.updater import Updater

__all__ = ["MOST_SECONDS", "measure_cells"]

MOST_SECONDS = 30.0
"""What a configuration is measured for, beyond that."""

_WARM_UP = 2  # rounds that are not counted: buffers are made, loops are compiled, and on CUDA graphs are captured
_MOST_ROUNDS = 51


def measure_cells(
    runs: Path,
    *,
    most_seconds: float = MOST_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
    quiet: bool = False,
) -> Path:
    """Measure an update with each cell in all configurations that runs compare, and write ``cells.json``.

    Each cell is computed as its run was, by precision, form and pieces; all on the first mini-batch of the song. In
    each round every cell makes one update, and each round begins with another cell.

    Parameters
    ----------
    runs : Path
        The folder of runs.
    most_seconds : float
        For one configuration; the least number of rounds is made in any case.
    clock : callable
        Gives seconds.
    quiet : bool
        Show no progress.

    Returns
    -------
    Path
        ``cells.json``, in `runs`.

    Raises
    ------
    ConfigError
        No two complete runs differ in nothing but the cell.
    RunError
        The song's shards are not here, or are of another song.
    DeviceError
        The runs were computed on a device that is not here.
    """
    found = []
    groups = [_one_of_each(cells) for cells in groups_of_cells(load_evidence(runs))]
    groups = [cells for cells in groups if "gru" in cells and len(cells) > 1]
    if not groups:
        raise ConfigError(
            f"{runs} holds no runs that differ in nothing but the cell; make them with longsong reproduce, or give "
            "another folder"
        )
    with Progress("measuring cells side by side", len(groups), "configurations", quiet=quiet) as progress:
        for cells in groups:
            found.append(_measure(cells, runs, most_seconds, clock))
            progress.advance(1)
    path = runs / CELLS_FILE
    write_cells(path, found)
    return path


def _one_of_each(cells: Mapping[str, Mapping[int, Run]]) -> dict[str, Run]:
    """Give a run of each cell, that of the lowest seed."""
    return {cell: by_seed[min(by_seed)] for cell, by_seed in sorted(cells.items()) if by_seed}


def _measure(cells: dict[str, Run], runs: Path, most_seconds: float, clock: Callable[[], float]) -> SideBySide:
    records = {cell: read_record(run.folder) for cell, run in cells.items()}
    gru = records["gru"]
    device = find_device(gru.execution.device)
    threads = min(gru.execution.threads or available_threads(), available_threads())
    torch.set_num_threads(threads)
    batch = _mini_batch(gru, runs, device)
    updaters = {cell: _updater(record, cells[cell], device) for cell, record in records.items()}
    seconds: dict[str, list[float]] = {cell: [] for cell in cells}
    names = list(cells)
    begun = clock()
    for number in range(_WARM_UP + _MOST_ROUNDS):
        for cell in names[number % len(names) :] + names[: number % len(names)]:
            started = clock()
            updaters[cell].update(*batch)  # gives its cost as a number: the device has made it by then
            if number >= _WARM_UP:
                seconds[cell].append(clock() - started)
        if number + 1 >= _WARM_UP + LEAST_ROUNDS and clock() - begun > most_seconds:
            break
    return SideBySide(
        frame=gru.data.frame,
        seq=gru.data.seq,
        hidden=gru.model.hidden,
        layers=gru.model.layers,
        recurrence=gru.model.recurrence,
        precision=gru.execution.precision,
        examples=len(batch[0]),
        device_name=device_name(device),
        threads=threads,
        seconds={cell: tuple(times) for cell, times in seconds.items()},
    )


def _mini_batch(record: RunRecord, runs: Path, device: torch.device) -> tuple[Tensor, Tensor]:
    """Give inputs and targets of the first mini-batch that a run trained on."""
    shards = find_shards(record.song["shards"], runs)
    if shards is None:
        raise RunError(
            f"the shards {record.song['shards']} are not here; put a copy of the folder beside the runs, or shard the "
            "song again"
        )
    splits = Splits.open(shards, record.data)
    if splits.song.digest != record.song["digest"]:
        raise RunError(
            f"the samples in {shards} have the digest {splits.song.digest[:12]}…, not {record.song['digest'][:12]}… "
            "as the runs have it; shard that song again"
        )
    stream = splits.train_stream(record.training.seed)
    inputs, targets = next(iter(torch_batches(stream, device, DTYPES[record.execution.precision])))
    return inputs.clone(), targets.clone()  # what a stream gives is its own memory


def _updater(record: RunRecord, run: Run, device: torch.device) -> Updater:
    """Give what made a run's updates, before the first."""
    require_form(record.execution, device, run.folder)
    network = Network(record.model, record.data.frame)
    dtype = DTYPES[record.execution.precision]
    parameters = network.initial_parameters(record.training.seed).to(device, dtype)
    optimiser = RMSProp(
        torch.zeros_like(parameters),
        learning_rate=record.training.learning_rate,
        decay=record.training.rmsprop_decay,
        step_clip=record.training.step_clip,
    )
    return Updater(network, parameters, optimiser, make_gradient(network, record.execution))
