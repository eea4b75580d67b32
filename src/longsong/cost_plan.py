"""What the configurations of the post cost on a song of any length: put together, as sentences and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from longsong.config import DataConfig, ExecutionConfig, ModelConfig
from longsong.cost_model import SongSize, Workload, breaking_points, order_bytes, plan_memory, workload
from longsong.cost_steps import Accelerator, Measured
from longsong.cost_time import RunTime, ranks_of, run_time, share_of_rank, whole_grid
from longsong.errors import SpaceError
from longsong.training.device import DTYPES, device_name
from longsong.training.plan import BYTES_AN_UPDATE, Plan
from longsong.units import human_bytes, human_time

__all__ = ["CostPlan", "Devices", "Row", "make_cost_plan"]


@dataclass(frozen=True)
class Devices:
    """What computes.

    Attributes
    ----------
    count : int
    device : device
        Of what kind; need not be here.
    memory : int
        Bytes that a run may hold on each.
    bandwidth : float
        Bytes a second between any two of them.
    accelerator : Accelerator or None
        What is known of one that is not here; None for this machine.
    """

    count: int
    device: torch.device
    memory: int
    bandwidth: float
    accelerator: Accelerator | None = None


@dataclass(frozen=True)
class Row:
    """One configuration.

    Attributes
    ----------
    load : Workload
    plan : Plan or None
        Of memory; None where the run cannot be.
    time : RunTime or None
    said : tuple of str
        What does not go as in short runs, or why it cannot be.
    """

    load: Workload
    plan: Plan | None
    time: RunTime | None
    said: tuple[str, ...]

    def to_json(self, execution: ExecutionConfig) -> dict[str, Any]:
        """Give it as plain JSON values; bytes, seconds and counts."""
        load = self.load
        return {
            "frame": load.data.frame,
            "seq": load.data.seq,
            "cell": load.model.cell,
            "hidden": load.model.hidden,
            "train_examples": load.train,
            "dev_examples": load.dev,
            "updates_per_epoch": load.updates_per_epoch,
            "updates": load.updates,
            "steps": load.steps,
            "operations": load.operations(),
            "parameters": load.parameters,
            "memory_bytes": None if self.plan is None else self.plan.bytes,
            "memory": None if self.plan is None else dict(self.plan.parts),
            "micro_batch": None if self.plan is None else self.plan.micro_batch,
            "segment": None if self.plan is None else self.plan.segment,
            "order_bytes": order_bytes(load),
            "disk_bytes": load.disk_bytes(execution),
            "seconds": None if self.time is None else asdict(self.time),
            "said": list(self.said),
        }


@dataclass(frozen=True)
class CostPlan:
    """All configurations.

    Attributes
    ----------
    song : SongSize
    flac_ratio : float
    execution : ExecutionConfig
    devices : Devices
    measured : dict of int to Measured
        By hidden units; empty for an accelerator that is not here.
    reading : float
        Seconds for each sample that a run spends on the song beside its updates, here.
    rows : list of Row
    """

    song: SongSize
    flac_ratio: float
    execution: ExecutionConfig
    devices: Devices
    measured: Mapping[int, Measured]
    reading: float
    rows: Sequence[Row]

    @property
    def times(self) -> list[RunTime]:
        """Of the configurations that can be."""
        return [row.time for row in self.rows if row.time is not None]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON values."""
        song, devices = self.song, self.devices
        side_by_side, shared = whole_grid(self.times, devices.count)
        return {
            "song": {
                "hours": song.samples / song.sample_rate / 3600,
                "samples": song.samples,
                "sample_rate": song.sample_rate,
                "shards": song.shards,
                "shard_bytes": {"npy": song.shard_bytes(), "flac": song.shard_bytes(self.flac_ratio)},
                "index_bytes": {"npy": song.index_bytes(), "flac": song.index_bytes(self.flac_ratio)},
                "seconds_a_run": self.reading * song.samples,
            },
            "devices": {
                "count": devices.count,
                "kind": devices.device.type,
                "memory": devices.memory,
                "bandwidth": devices.bandwidth,
                "accelerator": None if devices.accelerator is None else asdict(devices.accelerator),
                "measured": {
                    str(hidden): {"hidden": list(one.hidden), "error": one.error, "costs": one.costs.to_json()}
                    for hidden, one in self.measured.items()
                },
            },
            "grid": {"seconds_side_by_side": side_by_side, "seconds_shared": shared},
            "runs": [row.to_json(self.execution) for row in self.rows],
            "assumptions": self.assumptions(),
        }

    def assumptions(self) -> list[str]:
        """Say what the figures stand on, in sentences."""
        devices, said = self.devices, []
        if devices.accelerator is None:
            said.append(f"Times are of {device_name(devices.device)}, measured just now, with whatever else it does.")
            for hidden, one in sorted(self.measured.items()):
                said += _of_width(hidden, one)
        else:
            a = devices.accelerator
            said.append(
                f"Times are NOT measured. They are those of a device of {a.peak:.3g} operations a second, of which "
                f"{a.efficiency:.0%} are reached, with {a.launch_seconds * 1e6:g} microseconds for each kernel; "
                + (
                    "kernels were counted as they are where there is no Triton, one for each operation of torch, and "
                    "neither overlap each other nor run as one graph. With it a layer's steps are one kernel, and "
                    "several times faster: give --step."
                    if a.step_seconds is None
                    else f"a step of all layers takes {a.step_seconds * 1e6:g} microseconds there and back, of however "
                    "many rows and units. Sounds are made by kernels for each operation of torch."
                )
            )
            said.append(f"The peak is to be that of products in {self.execution.precision}, with float32 sums.")
        if devices.count > 1:
            said += [
                f"{devices.count} devices are as fast as one each. Side by side each has a run of its own, and the "
                "longest run that is left begins next.",
                f"Shared, each has its rows of every mini-batch of {self.rows[0].load.data.batch}; after every update "
                f"the gradient is added up over {human_bytes(devices.bandwidth)} a second between any two, each byte "
                "sent and received 2 (n - 1) / n times; the sound is made by one of them.",
            ]
        said += [
            "Operations are those of the matrix products, 2 for each multiplication and its addition, without what is "
            "computed a second time where memory is short; the times have that as a quarter more.",
            f"Memory is what a run would plan for one process with {human_bytes(devices.memory)}. Not in it: the "
            f"shuffled order of an epoch, 8 bytes an example, at most {_largest_order(self.rows)} here.",
            "Disk is checkpoints, sound, and "
            f"{BYTES_AN_UPDATE:,} bytes an update. FLAC takes {self.flac_ratio:.2f} of the bytes of the samples.",
            "Beside its updates each run reads the song twice, for checksums before and baselines after, which takes "
            f"{human_time(self.reading * self.song.samples)} from the page cache of this machine, and longer from a "
            "slower disk. It is in no time above.",
        ]
        return said


def make_cost_plan(
    song: SongSize,
    shapes: Sequence[DataConfig],
    models: Sequence[ModelConfig],
    epochs: int,
    execution: ExecutionConfig,
    devices: Devices,
    *,
    measure: Callable[[ModelConfig], Measured],
    measure_reading: Callable[[], float],
    flac_ratio: float,
) -> CostPlan:
    """Put together what all configurations cost.

    Parameters
    ----------
    song : SongSize
    shapes : sequence of DataConfig
    models : sequence of ModelConfig
        Of different widths.
    epochs : int
    execution : ExecutionConfig
    devices : Devices
    measure : callable
        Measures a network; not asked where the costs follow from what `devices` says of an accelerator.
    measure_reading : callable
        As `longsong.cost_time.measure_reading`.
    flac_ratio : float
        As for `SongSize.shard_bytes`.
    """
    # All plans before the first measurement: what that leaves in this process, no run will hold.
    planned = [
        _planned(workload(song, data, model, epochs), execution, devices, flac_ratio)
        for model in models
        for data in shapes
    ]
    measured: dict[int, Measured] = {}
    if devices.accelerator is None:
        measured = {model.hidden: measure(model) for model in models}
    rows = []
    for load, plans, said in planned:
        if plans is None:
            rows.append(Row(load, None, None, tuple(said)))
            continue
        accelerator = devices.accelerator
        costs = measured[load.model.hidden].costs if accelerator is None else accelerator.costs(load.model)
        itemsize = DTYPES[execution.precision].itemsize
        time = run_time(load, costs, *plans, ranks_of(load, devices.count), itemsize, devices.bandwidth)
        rows.append(Row(load, plans[0], time, tuple(said)))
    return CostPlan(song, flac_ratio, execution, devices, measured, measure_reading(), rows)


def _planned(
    load: Workload, execution: ExecutionConfig, devices: Devices, flac_ratio: float
) -> tuple[Workload, tuple[Plan, Plan] | None, list[str]]:
    """Give the plans of one process and of a rank, or None where the run cannot be, and what there is to say."""
    said = breaking_points(load, flac_ratio)
    if not load.train:
        return load, None, said
    try:
        rank = share_of_rank(load, ranks_of(load, devices.count))
        plans = [plan_memory(one, execution, devices.device, devices.memory) for one in (load, rank)]
    except SpaceError as error:
        return load, None, [*said, str(error)]
    return load, (plans[0], plans[1]), said


def _of_width(hidden: int, measured: Measured) -> list[str]:
    if measured.hidden == (hidden,):
        return [f"{hidden} hidden units: measured."]
    widths = " and ".join(map(str, measured.hidden))
    how = f"{hidden} hidden units: extended by operations from {measured.hidden[-1]}"
    if measured.error is None:
        return [f"{how}, which was measured."]
    narrow, wide = measured.hidden
    return [
        f"{how}; {widths} were measured, and from {narrow} alone an update of {wide} would have been said to take "
        f"{measured.error:.2f} of what it takes."
    ]


def _largest_order(rows: Sequence[Row]) -> str:
    return human_bytes(max(order_bytes(row.load) for row in rows))
