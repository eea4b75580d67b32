"""How the windows of a shape lie in a song: how many, where, over which borders, and what is left over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import streams
from longsong.reported import BATCH
from longsong.units import human_bytes, human_time

__all__ = ["describe_windows"]


def describe_windows(
    shards: Path | str, frame: int, seq: int, *, hop: int | None = None, start: int = 0, stop: int | None = None
) -> str:
    """Say how the examples of one shape lie in a range of a song (`streams.Windows`).

    Parameters
    ----------
    shards : Path or str
        Folder or URL.
    frame, seq, hop, start, stop
        As for `streams.Windows`, in samples and frames.

    Returns
    -------
    str
        Plain text of several lines.

    Raises
    ------
    streams.StreamsError
        The shards or the numbers cannot be.
    """
    song = streams.Song.open(shards)
    windows = streams.Windows(song, frame, seq, hop, start, stop, normalise="none")
    rate, inputs, batch = song.sample_rate, windows.frame * windows.seq, BATCH
    span = inputs + windows.frame
    lines = [
        f"{song.where}: {windows.frame} x {windows.seq}, hop {windows.hop:,}, "
        f"samples {windows.start:,} to {windows.stop:,}",
        f"  example    {inputs:,} samples of inputs ({inputs / rate:,.3f} s), {span:,} with the last target frame",
        f"  examples   {len(windows):,}",
    ]
    if not len(windows):
        missing = min(windows.stop - windows.start - inputs, len(song) - windows.start - span)
        return "\n".join([*lines, f"  none fits: {-missing:,} samples are missing for the first"])
    first, end = windows.samples_of(0, len(windows))
    updates = -(-len(windows) // batch)
    relation = (
        "they follow each other"
        if windows.hop == inputs
        else f"neighbours share {inputs - windows.hop:,} samples of inputs"
        if windows.hop < inputs
        else f"{windows.hop - inputs:,} samples lie between the inputs of neighbours"
    )
    last = end - span
    left = windows.stop - (last + inputs)
    blocks = _crossing(windows, song.index.starts[1:-1])
    shards_too = _crossing(windows, np.array([shard.start for shard in song.index.shards[1:]], dtype=np.int64))
    lines += [
        f"  they       {relation}",
        f"  first      samples {first:,} to {first + span:,}",
        f"  last       samples {last:,} to {end:,}",
        f"  left over  {left:,} samples of the range behind the inputs of the last ({human_time(left / rate)})",
        f"  updates    {updates:,} an epoch of mini-batches of {batch}, "
        f"the last of {len(windows) - (updates - 1) * batch}",
        f"  borders    {blocks:,} examples reach over a border of blocks, {shards_too:,} over one of shards",
        f"  memory     {human_bytes(4 * batch * span)} a mini-batch; the order of an epoch as Fuel shuffles it: "
        f"{human_bytes(8 * len(windows))}",
    ]
    return "\n".join(lines)


def _crossing(windows: streams.Windows, borders: NDArray[np.int64]) -> int:
    """Count the examples that reach over one border or more; without a look at each, since there may be 10**9."""
    if not len(borders):
        return 0
    span = windows.frame * (windows.seq + 1)
    # Of the border before sample b: the examples that begin before it and end behind it.
    first = -((windows.start + span - 1 - borders) // windows.hop)
    last = (borders - 1 - windows.start) // windows.hop
    first, last = np.clip(first, 0, len(windows)), np.clip(last, -1, len(windows) - 1)
    after = np.concatenate([[0], last[:-1] + 1])  # those of the borders before are counted already
    return int(np.maximum(0, last + 1 - np.maximum(first, after)).sum())
