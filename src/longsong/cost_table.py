"""What configurations cost, as text: a table, and what it stands on."""

from __future__ import annotations

from longsong.config import ExecutionConfig
from longsong.cost_plan import CostPlan, Row
from longsong.cost_time import whole_grid
from longsong.units import human_bytes, human_count, human_time

__all__ = ["format_plan"]

_COLUMNS = (
    "shape", "hidden", "train", "dev", "updates", "steps", "operations", "in+out", "parameters", "memory", "disk",
    "update", "one device", "shared",
)  # fmt: skip


def format_plan(plan: CostPlan) -> str:
    """Lay a plan out as text: the song, a line for each configuration, the whole grid, and what it stands on."""
    song, count = plan.song, plan.devices.count
    lines = [
        f"{song.samples / song.sample_rate / 3600:,.6g} hours at {song.sample_rate:,} Hz: {human_count(song.samples)} "
        f"samples, {song.shards:,} shards, {human_bytes(song.shard_bytes())} as int16, about "
        f"{human_bytes(song.shard_bytes(plan.flac_ratio))} as FLAC; index.json about {human_bytes(song.index_bytes())} "
        f"and {human_bytes(song.index_bytes(plan.flac_ratio))}",
        "",
    ]
    cells = [_COLUMNS, *(_cells(row, plan.execution) for row in plan.rows)]
    shown = [cell if count > 1 else cell[:-1] for cell in cells]  # one device shares with none
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in shown]
    notes: dict[str, list[str]] = {}
    for row in plan.rows:
        for said in row.said:
            notes.setdefault(said, []).append(f"{row.load.name} ({row.load.model.hidden})")
    lines += ["", *(f"{', '.join(names)}: {said}" for said, names in notes.items())]
    if plan.times:
        side_by_side, shared = whole_grid(plan.times, count)
        whole = f"all {len(plan.times)} runs that fit: {human_time(side_by_side)}"
        if count > 1:
            whole += f" with {count} runs side by side; {human_time(shared)} in turn, each on all {count} devices"
        lines += ["", whole]
    return "\n".join([*lines, "", *plan.assumptions()])


def _cells(row: Row, execution: ExecutionConfig) -> tuple[str, ...]:
    load, time = row.load, row.time
    operations = load.operations()
    timed = ["-"] * 3 if time is None else [human_time(time.update), human_time(time.alone), human_time(time.shared)]
    return (
        load.name,
        str(load.model.hidden),
        human_count(load.train),
        human_count(load.dev),
        human_count(load.updates),
        human_count(load.steps),
        f"{operations['recurrence']:.2e}",
        f"{operations['input'] + operations['output']:.2e}",
        human_count(load.parameters),
        "-" if row.plan is None else human_bytes(row.plan.bytes),
        human_bytes(load.disk_bytes(execution)) if load.train else "-",
        *timed,
    )
