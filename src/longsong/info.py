"""What is in a folder of shards, and which of the post's configurations it is long enough for."""

from __future__ import annotations

import math
from pathlib import Path

import streams
from longsong.reported import BATCH, FRAMES, SEQUENCES
from longsong.units import human_bytes, human_time

__all__ = ["describe"]


def describe(shards: Path | str) -> str:
    """Describe a song in shards: length, statistics, sources, shards with digests, examples of each shape.

    Parameters
    ----------
    shards : Path or str
        Folder or URL, as `longsong shard` wrote it.

    Returns
    -------
    str
        Plain text of several lines, no wider than 100 columns as long as the names are not.

    Raises
    ------
    streams.StreamsError
        The shards cannot be used.
    """
    song = streams.Song.open(shards)
    parts = [_song(song), _sources(song), _shards(song), _examples(song)]
    return "\n\n".join("\n".join(lines) for lines in parts)


def _song(song: streams.Song) -> list[str]:
    statistics, samples, rate = song.statistics, len(song), song.sample_rate
    train = streams.train_samples(samples)
    rms = math.sqrt(statistics.sum_of_squares / statistics.count)
    peak = max(-statistics.minimum, statistics.maximum)
    return [
        f"{song.where}",
        f"  length     {samples:,} samples, {human_time(samples / rate)} ({samples / rate:,.3f} s)",
        f"  rate       {rate:,} Hz",
        f"  train      the first {train:,} samples, {human_time(train / rate)}",
        f"  dev        the last {samples - train:,} samples, {human_time((samples - train) / rate)}",
        f"  minimum    {statistics.minimum:,}",
        f"  maximum    {statistics.maximum:,}",
        f"  mean       {statistics.mean:.4f}",
        f"  deviation  {statistics.standard_deviation:.4f} (standard)",
        f"  RMS        {rms:.4f} ({_decibels(rms)} of full scale)",
        f"  peak       {peak:,} ({_decibels(peak)} of full scale)",
        f"  digest     {song.digest}",
    ]


def _sources(song: streams.Song) -> list[str]:
    lines = ["sources"]
    for entry in song.index.source:
        name, start, samples = entry.get("name", "?"), entry.get("start"), entry.get("samples")
        lines.append(f"  {name}")
        if isinstance(start, int) and isinstance(samples, int):
            seconds = start / song.sample_rate, (start + samples) / song.sample_rate
            lines.append(f"    from {seconds[0]:,.3f} s to {seconds[1]:,.3f} s of the song")
        kind = [entry.get("format"), _unit(entry, "sample_rate", "Hz"), _unit(entry, "channels", "channels")]
        lines.append("    " + ", ".join(str(word) for word in kind if word))
        if "sha256" in entry:
            lines.append(f"    sha256 {entry['sha256']}")
    command = song.index.made_by.get("command")
    if isinstance(command, list):
        lines.append(f"  made by: {' '.join(map(str, command))}")
    return lines


def _shards(song: streams.Song) -> list[str]:
    shards = song.index.shards
    total = sum(shard.bytes for shard in shards)
    blocks = f"in {song.index.encoding} blocks of {song.index.block_samples:,} samples"
    lines = [f"shards: {len(shards)}, {human_bytes(total)}, {blocks}"]
    lines.append(f"  {'file':<15} {'samples':>12}  sha256")
    return lines + [f"  {shard.name:<15} {shard.samples:>12,}  {shard.sha256}" for shard in shards]


def _examples(song: streams.Song) -> list[str]:
    """Count examples and updates for the grid of P03 by P04 (FACTS section 5)."""
    train = streams.train_samples(len(song))
    lines = [
        f"examples of the post's configurations (mini-batches of {BATCH})",
        f"  {'frame':>6} {'seq':>6} {'s an example':>14} {'train':>10} {'dev':>10} {'updates an epoch':>18}",
    ]
    for frame in FRAMES:
        for seq in SEQUENCES:
            shape = {"frame": frame, "seq": seq}
            examples = len(streams.Windows(song, **shape, stop=train, normalise="none"))
            dev = len(streams.Windows(song, **shape, start=train, normalise="none"))
            seconds = frame * seq / song.sample_rate
            updates = f"{-(-examples // BATCH):,}" if examples else "does not fit"
            lines.append(f"  {frame:>6} {seq:>6} {seconds:>14,.3f} {examples:>10,} {dev:>10,} {updates:>18}")
    return lines


def _unit(entry: dict[str, object], key: str, unit: str) -> str:
    value = entry.get(key)
    return f"{value:,} {unit}" if isinstance(value, int) else ""


def _decibels(level: float) -> str:
    return f"{20 * math.log10(level / 32768):.2f} dB" if level > 0 else "silence"
