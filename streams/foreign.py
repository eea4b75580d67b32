"""An index for a folder of tars that someone else wrote, so that they can be read as a song."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.checks import whole
from streams.durable import write_durably, write_errors_named
from streams.errors import ForeignShardError, IndexFileError
from streams.foreign_song import LARGEST_RATE, ForeignSong
from streams.index import INDEX_NAME, LARGEST_INDEX, Index, parse_index
from streams.shard import is_file_name

__all__ = ["index_folder"]

_PACKED_TAR = re.compile(r".*\.(tar\.\w+|tgz|tbz2?|txz|tzst)", re.IGNORECASE)


def index_folder(
    folder: Path,
    *,
    sample_rate: int | None = None,
    made_by: dict[str, Any],
    progress: Callable[[int], None] | None = None,
) -> Index:
    """Write the `index.json` of a folder of tars that hold one song, block after block.

    The tars count in the order of their names, and the members as they stand in the tar. Members called
    ``.npy`` (one dimension of int16 little-endian), ``.wav`` or ``.flac`` (one channel of 16 bits) are blocks of
    the song, all of them of one kind; others are not looked at, but for a ``.json`` of the same key: where it
    says ``start``, ``samples`` or ``sample_rate``, that has to be so. Names that begin with a dot count for
    nothing, as with WebDataset. Every tar is read once, whole; memory holds a member at most, and only where it
    is packed.

    Parameters
    ----------
    folder : Path
        Holds the tars, uncompressed, and no `index.json` yet.
    sample_rate : int, optional
        In Hz; needed where the members do not say it.
    made_by : dict
        Command and versions that make the index.
    progress : callable, optional
        Called with the number of samples that were read so far.

    Returns
    -------
    Index
        What was written.

    Raises
    ------
    ForeignShardError
        What lies in the folder cannot be read as one song; the message names tar and member.
    WriteError
        `index.json` cannot be written there.
    """
    folder = Path(folder)
    if sample_rate is not None:
        sample_rate = whole("sample_rate", sample_rate, ForeignShardError, at_least=1, at_most=LARGEST_RATE)
    _check_not_indexed(folder)
    song = ForeignSong(sample_rate, progress)
    for path in _tars(folder):
        song.add(path)
    index = song.index(folder, made_by)
    try:
        data = index.to_bytes()
    except (TypeError, ValueError) as error:
        raise ForeignShardError(f"{folder}: made_by has to be plain JSON: {error}") from error
    if len(data) > LARGEST_INDEX:
        raise ForeignShardError(f"{folder}: {len(index.starts) - 1} members, too many for an index; make longer ones")
    path = folder / INDEX_NAME
    try:
        index = parse_index(data, str(path))
    except IndexFileError as error:
        raise ForeignShardError(f"{folder}: no index can be made of it ({error})") from error
    _check_not_indexed(folder)
    with write_errors_named(folder):
        write_durably(path, data)
    return index


def _check_not_indexed(folder: Path) -> None:
    if (folder / INDEX_NAME).exists():
        raise ForeignShardError(f"{folder / INDEX_NAME}: is there already; remove it to have the tars indexed anew")


def _tars(folder: Path) -> list[Path]:
    """Give the tars of a folder in order of name; refuse names of which that order may not be meant."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise ForeignShardError(f"{folder}: cannot be read ({error.strerror}); give a folder of tars") from error
    if packed := [name for name in names if _PACKED_TAR.fullmatch(name)]:
        raise ForeignShardError(
            f"{folder / packed[0]}: compressed; unpack it to a .tar, so that samples can be read in place"
        )
    tars = [name for name in names if name.endswith(".tar") and not name.startswith(".")]
    if not tars:
        raise ForeignShardError(f"{folder}: no .tar in it; give a folder of tars")
    for name in tars:
        if not is_file_name(name):
            raise ForeignShardError(f"{folder / name}: rename it; a name has letters, digits, '.', '_' and '-' only")
    # Names of one length, be their numbers decimal or not, leave no doubt.
    meant = tars if len({len(name) for name in tars}) == 1 else sorted(tars, key=_with_numbers)
    for name, other in zip(tars, meant, strict=True):
        if name != other:
            raise ForeignShardError(
                f"{folder}: is {name} or {other} first? write the numbers in the names with the same count of digits"
            )
    return [folder / name for name in tars]


def _with_numbers(name: str) -> list[tuple[int, str]]:
    """Give a key that sorts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", name)]
