"""Audio files to shards: several files in order are one song."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from longsong.audio import RESAMPLER, SAMPLE_RATE, AudioInfo, probe, read_blocks
from longsong.config import ENCODINGS, samples_in, whole
from longsong.errors import AudioError, ConfigError
from longsong.files import sha256_of
from longsong.progress import Progress
from longsong.space import require_space
from longsong.units import human_count, human_time
from longsong.version import __version__
from streams import Song, StreamsError, WriteError
from streams.index import BYTES_PER_SAMPLE, INDEX_NAME, Index
from streams.writer import BLOCK_SAMPLES, BLOCKS_PER_SHARD, ShardWriter

__all__ = ["shard_song"]

# What a block costs beside its samples (headers, padding, its entry in the index), and what a shard does.
_BYTES_PER_BLOCK, _BYTES_PER_SHARD = 4096, 16_384


def shard_song(
    files: Sequence[Path],
    out: Path,
    *,
    sample_rate: int = SAMPLE_RATE,
    seconds: float | None = None,
    block_samples: int = BLOCK_SAMPLES,
    blocks_per_shard: int = BLOCKS_PER_SHARD,
    encoding: str = ENCODINGS[0],
    quiet: bool = False,
) -> Path:
    """Decode files, one after the other, into one folder of shards (``docs/shards.md``).

    All files are looked at before anything is written. Memory does not grow with the length of the song; the
    same files and settings give the same bytes. A folder that holds the shards of the same files and settings
    already is left as it is. What goes wrong, or an interrupt, leaves nothing behind.

    Parameters
    ----------
    files : sequence of Path
        Audio files, in the order of the song.
    out : Path
        The folder of the shards.
    sample_rate : int
        Hz; 16,000 is the 2016 song's (FACTS section 2).
    seconds : float or None
        Take the first so many of the song. A song that is shorter is taken whole, which is said.
    block_samples, blocks_per_shard : int
        Samples of a member, and members of a shard.
    encoding : {'npy', 'flac'}
        As they are, or without loss in about half the bytes.
    quiet : bool
        Report no progress.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    AudioError
        A file cannot be read, is not audio, is empty, cut short or damaged, or not finite.
    ConfigError
        No file, or a number that cannot be.
    SpaceError
        There is too little room, with the bytes needed and free; found out before anything is written.
    streams.WriteError
        `out` holds something else, or may not be written.
    """
    out = Path(out)
    files = [Path(file) for file in files]
    limit = _checked_limit(files, sample_rate, seconds, block_samples, blocks_per_shard)
    if encoding not in ENCODINGS:
        raise ConfigError(f"encoding must be one of {', '.join(ENCODINGS)}, not {encoding!r}")
    infos = [probe(file) for file in files]
    expected = _expected_samples(infos, sample_rate, limit)
    made_by = _made_by(files, sample_rate, seconds, block_samples, blocks_per_shard, encoding)
    source: list[dict[str, Any]] = [_source(file, info) for file, info in zip(files, infos, strict=True)]
    with Progress(f"sharding {out.name}", expected, "samples", quiet=quiet) as progress:
        if _is_done(out, sample_rate, source, made_by):
            progress.say(f"{out} holds the shards of this song already; nothing to do")
            return out
        require_space(out, _bytes_needed(expected or 0, block_samples, blocks_per_shard))
        with ShardWriter(
            out,
            sample_rate=sample_rate,
            source=source,
            made_by=made_by,
            block_samples=block_samples,
            blocks_per_shard=blocks_per_shard,
            encoding=encoding,
        ) as writer:
            samples = _write(writer, files, source, sample_rate, limit, progress)
        if limit is not None and samples < limit:
            progress.say(
                f"the song is {human_time(samples / sample_rate)} long, shorter than the "
                f"{human_time(limit / sample_rate)} asked for: it was taken whole"
            )
        progress.say(f"{out}: {human_count(samples)} samples, {human_time(samples / sample_rate)} at {sample_rate} Hz")
    return out


def _checked_limit(
    files: Sequence[Path], sample_rate: int, seconds: float | None, block_samples: int, blocks_per_shard: int
) -> int | None:
    """Check the arguments; give the samples to take at most."""
    whole("sample rate", sample_rate)
    whole("block samples", block_samples)
    whole("blocks per shard", blocks_per_shard)
    if not files:
        raise ConfigError("no audio file was given; name at least one")
    if seconds is None:
        return None
    return samples_in(seconds, sample_rate)


def _expected_samples(infos: Sequence[AudioInfo], sample_rate: int, limit: int | None) -> int | None:
    """Give the length of the song in samples, as far as the files tell; None where one does not."""
    total = 0
    for info in infos:
        if info.frames is None:
            return limit
        total += -(-info.frames * sample_rate // info.sample_rate)
    return total if limit is None else min(total, limit)


def _bytes_needed(samples: int, block_samples: int, blocks_per_shard: int) -> int:
    blocks = -(-samples // block_samples)
    shards = -(-blocks // blocks_per_shard)
    return BYTES_PER_SAMPLE * samples + _BYTES_PER_BLOCK * blocks + _BYTES_PER_SHARD * shards


def _source(file: Path, info: AudioInfo) -> dict[str, Any]:
    """Say where samples come from, without saying where on this machine that is."""
    return {
        "name": info.name,
        "bytes": info.bytes,
        "sha256": sha256_of(file),
        "sample_rate": info.sample_rate,
        "channels": info.channels,
        "frames": info.frames,
        "format": info.format,
    }


def _made_by(
    files: Sequence[Path],
    sample_rate: int,
    seconds: float | None,
    block_samples: int,
    blocks_per_shard: int,
    encoding: str,
) -> dict[str, Any]:
    """Say how the shards are made: in the same words wherever they are written."""
    import soundfile

    command = ["longsong", "shard", *(file.name for file in files)]
    if seconds is not None:
        command += ["--seconds", f"{seconds:.12g}"]
    if encoding != ENCODINGS[0]:
        command += ["--encoding", encoding]
    return {
        "command": command,
        "settings": {
            "seconds": None if seconds is None else float(seconds),
            "sample_rate": sample_rate,
            "block_samples": block_samples,
            "blocks_per_shard": blocks_per_shard,
            "encoding": encoding,
            "downmix": "mean",
            "resampler": f"soxr {RESAMPLER}",
        },
        "versions": {
            "longsong": __version__,
            "libsndfile": soundfile.__libsndfile_version__,
            **{name: version(name) for name in ("numpy", "soundfile", "soxr", "webdataset")},
        },
    }


def _is_done(out: Path, sample_rate: int, source: list[dict[str, Any]], made_by: dict[str, Any]) -> bool:
    """Say whether `out` holds what is asked for; raise where it holds other shards.

    Versions do not count: shards are not made again because a library was updated.
    """
    if not (out / INDEX_NAME).exists():
        return False  # what else may lie there is the writer's to refuse
    try:
        index: Index = Song.open(out).index
    except StreamsError as error:
        raise WriteError(
            f"{out} holds shards that cannot be used ({error}); remove it, or choose another folder"
        ) from error
    digests = [entry.get("sha256") for entry in index.source]
    if digests != [entry["sha256"] for entry in source]:
        names = ", ".join(str(entry.get("name")) for entry in index.source) or "something else"
        raise WriteError(f"{out} holds the shards of another song ({names}); remove it, or choose another folder")
    if index.sample_rate != sample_rate or index.made_by.get("settings") != made_by["settings"]:
        there = index.made_by.get("settings")
        there = there if isinstance(there, dict) else {}
        odd = [name for name, value in made_by["settings"].items() if there.get(name) != value]
        raise WriteError(
            f"{out} holds the shards of this song with other settings: "
            + ", ".join(f"{name} {there.get(name)!r} and not {made_by['settings'][name]!r}" for name in odd)
            + "; remove it, or choose another folder"
        )
    return True


def _write(
    writer: ShardWriter,
    files: Sequence[Path],
    source: list[dict[str, Any]],
    sample_rate: int,
    limit: int | None,
    progress: Progress,
) -> int:
    """Decode the files into the writer, note in `source` where each lies in the song, and give its length."""
    done = 0
    for file, entry in zip(files, source, strict=True):
        entry["start"] = done
        if limit is None or done < limit:
            for block in read_blocks(file, sample_rate):
                taken = block if limit is None else block[: limit - done]
                writer.write(taken)
                done += len(taken)
                progress.update(done, file.name)
                if done == limit:
                    break
        entry["samples"] = done - entry["start"]
    if done == 0:
        raise AudioError(f"{', '.join(map(str, files))}: no samples; take other files")
    return done
