"""An index for a folder of tars that something else wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from longsong.progress import Progress
from longsong.units import human_count, human_time
from longsong.version import __version__
from streams.foreign import index_folder
from streams.index import INDEX_NAME

__all__ = ["index_tars"]


def index_tars(
    folder: Path, sample_rate: int | None = None, *, command: Sequence[str] = (), quiet: bool = False
) -> Path:
    """Write the ``index.json`` of a folder of tars that hold the blocks of one song, so that it can be streamed.

    Parameters
    ----------
    folder : Path
        Tars in the order of their names, with npy, wav or flac members in the order of the song
        (`streams.foreign.index_folder` says what is refused).
    sample_rate : int or None
        In Hz, where the members do not say it.
    command : sequence of str
        The words of the command that asks for it.
    quiet : bool
        Report no progress.

    Returns
    -------
    Path
        The index.

    Raises
    ------
    streams.StreamsError
        The tars are no such song, or the index cannot be written.
    """
    made_by = {"command": list(command), "versions": {"longsong": __version__}}
    with Progress(f"indexing {folder.name}", None, "samples", quiet=quiet) as progress:
        index = index_folder(folder, sample_rate=sample_rate, made_by=made_by, progress=progress.update)
        progress.say(
            f"{folder}: {human_count(index.samples)} samples in {len(index.shards)} shards, "
            f"{human_time(index.samples / index.sample_rate)} at {index.sample_rate} Hz"
        )
    return folder / INDEX_NAME
