"""What fits: the rows and steps that are computed at once, so that a run stays below its memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from longsong.config import DataConfig, ExecutionConfig
from longsong.errors import ConfigError, SpaceError
from longsong.model import Network
from longsong.training.footprint import Work, least_memory, standing_bytes, working_bytes
from longsong.training.memory import free_memory, resident_bytes, total_memory
from longsong.units import human_bytes

__all__ = ["BYTES_AN_UPDATE", "SECOND_TIME", "Plan", "bytes_on_disk", "choose_memory", "make_plan", "plan_of"]

BYTES_AN_UPDATE = 768
"""What an update adds to ``metrics.jsonl`` and TensorBoard together, rounded up; a test writes some."""

_SHARE_OF_FREE = 0.75
_BYTES_OF_RECORDS = 1 << 20  # configuration, summary, how sounds were made, and evaluations: mostly some 100 KB

# Both from docs/LOG.md, rounded: updates of 1 to 1024 rows, with and without segments, on a CPU.
_ROWS_FOR_NOTHING = 16
"""A step takes as long as if it had so many rows more: the share of its time that does not depend on them."""

SECOND_TIME = 1.25
"""What an update takes with its states computed a second time, over what it takes without."""

_MEBIBYTE = 1 << 20
_MANY_MEBIBYTES = 10 << 10
_MARGIN_MEBIBYTES = 16  # what the process holds differs by some from one start to the next


def bytes_on_disk(parameters: int, itemsize: int, updates: int, keep_checkpoints: int = 1) -> int:
    """Give the bytes that a run may take on the disk at once, without its sound.

    Parameters and optimiser of each checkpoint that is kept, and of one that is being written beside them; the best
    parameters; the metrics, and what TensorBoard shows of them.

    Parameters
    ----------
    parameters, itemsize : int
        Of the network, and of each of them in bytes.
    updates : int
        Of the whole run.
    keep_checkpoints : int
        How many stay.
    """
    return (2 * keep_checkpoints + 3) * parameters * itemsize + updates * BYTES_AN_UPDATE + _BYTES_OF_RECORDS


def choose_memory(asked: int | None, device: torch.device) -> int:
    """Give the bytes that a run may hold: what is asked for, or three quarters of what is free beside what is held.

    Raises
    ------
    ConfigError
        More is asked for than there is.
    """
    if asked is None:
        held = resident_bytes() if device.type == "cpu" else 0
        return held + int(_SHARE_OF_FREE * free_memory(device))
    there = total_memory(device)
    if asked > there:
        raise ConfigError(f"memory {human_bytes(asked)} is more than the {human_bytes(there)} there are; give less")
    return asked


@dataclass(frozen=True)
class Plan:
    """How an update is split, and the memory that a run takes then.

    Attributes
    ----------
    rows, steps : int
        Of a mini-batch (`Work.rows_and_steps`).
    micro_batch, segment : int
        Rows computed at once, and steps whose states stand in memory at once.
    parts : dict of str to int
        Bytes by what they are for.
    """

    rows: int
    steps: int
    micro_batch: int
    segment: int
    parts: dict[str, int]

    @property
    def bytes(self) -> int:
        """The peak of memory, in bytes."""
        return sum(self.parts.values())

    @property
    def micro_batches(self) -> list[int]:
        """The rows of each piece that is computed at once."""
        full, rest = divmod(self.rows, self.micro_batch)
        return [self.micro_batch] * full + [rest] * (rest > 0)

    @property
    def pieces(self) -> float:
        """How many times as long as its first micro-batch an update takes."""
        rows = self.rows + _ROWS_FOR_NOTHING * len(self.micro_batches)
        return rows / (self.micro_batch + _ROWS_FOR_NOTHING)

    @property
    def effort(self) -> float:
        """The time of an update, up to a factor."""
        again = SECOND_TIME if self.segment < self.steps else 1.0
        return again * self.pieces * (self.micro_batch + _ROWS_FOR_NOTHING)

    def describe(self) -> str:
        """Give the plan in words, such as ``3.1 GiB, 4 micro-batches, segments of 500 steps``."""
        words = [human_bytes(self.bytes)]
        if len(self.micro_batches) > 1:
            words.append(f"{len(self.micro_batches)} micro-batches")
        if self.segment < self.steps:
            words.append(f"segments of {self.segment:,} steps")
        return ", ".join(words)


def make_plan(
    data: DataConfig, network: Network, execution: ExecutionConfig, work: Work, device: torch.device, memory: int
) -> Plan:
    """Choose micro-batches and segments that stay below a memory, in the least time.

    Nothing is split where all fits. Else states are computed a second time, in the longest segments that fit, or
    fewer rows are computed at once, whichever takes less time, or both. The choice follows from shapes and bytes
    alone, from no measured time, so that it is the same each time.

    Parameters
    ----------
    data : DataConfig
    network : Network
    execution : ExecutionConfig
        Its micro-batch and segment are taken where they are given.
    work : Work
    device : device
    memory : int
        Bytes.

    Raises
    ------
    SpaceError
        Not even the smallest pieces fit; the message says the least that works.
    """
    rows, steps = work.rows_and_steps(data, network.config)
    standing = standing_bytes(data, network, execution, work, device, memory)
    fused = execution.form == "fused"
    segments = _choices(execution.segment, steps) if fused else [steps]

    def plans(micro_batch: int) -> Iterator[Plan]:
        """Give the plans of a micro-batch, from the longest segments on, for as long as shorter ones take less."""
        least = None
        for segment in segments:
            split = replace(execution, micro_batch=micro_batch, segment=segment if fused else None)
            working = working_bytes(data, network, split, rows, steps)
            if least is not None and working > least:
                return
            least = working
            yield Plan(rows, steps, micro_batch, segment, {"an update": working, **standing})

    best: Plan | None = None
    for micro_batch in _choices(execution.micro_batch, rows):
        for plan in plans(micro_batch):
            if best is not None and plan.effort >= best.effort:
                break  # shorter segments take as long, or longer
            if plan.bytes <= memory:
                best = plan
                break
    if best is not None:
        return best
    least = min(plans(_choices(execution.micro_batch, rows)[-1]), key=lambda plan: plan.bytes)
    least = replace(least, parts=least_memory(least.parts, work))
    raise SpaceError(_refusal(data, network, execution, least, memory))


def plan_of(data: DataConfig, network: Network, execution: ExecutionConfig, work: Work) -> Plan:
    """Give the plan that a run was started with, from its record; whether it fits is not asked again."""
    device = torch.device(execution.device)
    rows, steps = work.rows_and_steps(data, network.config)
    memory = choose_memory(None, device) if execution.memory is None else execution.memory
    working = working_bytes(data, network, execution, rows, steps)
    standing = standing_bytes(data, network, execution, work, device, memory)
    micro_batch, segment = min(execution.micro_batch or rows, rows), min(execution.segment or steps, steps)
    return Plan(rows, steps, micro_batch, segment, {"an update": working, **standing})


def _choices(asked: int | None, most: int) -> list[int]:
    """Give the sizes of pieces that share `most` evenly, from all of it down to 1; or what is asked for."""
    if asked is not None:
        return [min(asked, most)]
    sizes, size = [most], most
    while size > 1:
        pieces = -(-most // (size - 1))  # the fewest that are smaller
        size = -(-most // pieces)
        sizes.append(size)
    return sizes


def _refusal(data: DataConfig, network: Network, execution: ExecutionConfig, least: Plan, memory: int) -> str:
    parts = ", ".join(f"{human_bytes(size)} for {name}" for name, size in least.parts.items())
    mebibytes = -(-least.bytes // _MEBIBYTE) + _MARGIN_MEBIBYTES
    enough = f"{mebibytes}MiB" if mebibytes < _MANY_MEBIBYTES else f"{-(-mebibytes // 1024)}GiB"
    pieces = "pieces asked for take" if execution.micro_batch or execution.segment else "smallest pieces take"
    return (
        f"{data.frame}x{data.seq} with hidden {network.config.hidden} does not fit in {human_bytes(memory)}: its "
        f"{pieces} {human_bytes(least.bytes)} ({parts}); give --memory {enough} or more, or take a shorter "
        "sequence, smaller frame or fewer hidden units"
    )
