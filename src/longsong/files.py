"""Files that appear whole or not at all: written beside, synced, renamed; read with their kind checked.

Every JSON file of a run begins with ``"format"`` and ``"version"`` (``docs/formats.md``). A newer version
is refused by name, never guessed at. Those that nothing else vouches for are sealed: they end with the digest of the
rest, and one of which a digit was altered is refused.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import reprlib
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from longsong.errors import RunError, SpaceError, UnreadableError, VersionError

__all__ = [
    "LARGEST_JSON",
    "is_part",
    "os_errors_named",
    "read_json",
    "read_matching",
    "reading_named",
    "remove_parts",
    "require_writable",
    "rest_sha256",
    "says_format",
    "sha256_of",
    "sync_folder",
    "write_bytes",
    "write_json",
    "write_text",
]

_CHUNK = 1 << 20
_SEAL = "rest_sha256"
LARGEST_JSON = 1 << 28
"""Bytes of a JSON file that are read at most: beyond that it is none that longsong wrote."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all.

    The bytes go to a file beside `path`, are synced to the disk, and take its name; the folder is synced
    after that. Whatever goes wrong, `path` holds what it held before and nothing is left beside it.

    Parameters
    ----------
    path : Path
        Where to; its folder has to be there.
    content : bytes
        What to write.

    Raises
    ------
    SpaceError
        The disk is full, or the folder may not be written to; the message names the path.
    RunError
        The folder is not there, or the path is that of a folder.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        with contextlib.suppress(OSError):  # renamed by now, or never made
            beside.unlink()


def is_part(path: Path) -> bool:
    """Say whether a file, by its name, was being written beside another when its process was killed."""
    return path.name.startswith(".") and path.name.endswith(".part")


def remove_parts(folder: Path) -> None:
    """Remove such files; only where no other process writes into the folder."""
    for path in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            path.unlink()


def require_writable(folder: Path) -> None:
    """Raise unless files can be made in `folder`, or, where it is not there yet, in the nearest folder above it.

    Raises
    ------
    SpaceError
        The folder may not be written to, or its disk is full.
    RunError
        It is not a folder.
    """
    there = Path(folder).absolute()
    while not there.exists():
        there = there.parent
    probe = there / f".{os.getpid()}-{secrets.token_hex(4)}.part"
    with os_errors_named(folder):
        try:
            probe.touch(exist_ok=False)
        finally:
            with contextlib.suppress(OSError):  # not made
                probe.unlink()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all; raises as `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, obj: Any, *, sealed: bool = False) -> None:
    """Write `obj` to `path` as JSON that people can read, whole or not at all.

    Keys stay in the order given, so that the same object gives the same bytes.

    Parameters
    ----------
    path : Path
        Where to.
    obj : Any
        Anything that JSON holds; numbers have to be finite.
    sealed : bool
        Let the object, a mapping, end with ``"rest_sha256"``: the digest of the rest of it. `read_json` refuses the
        file then where anything in it is not as it was written.

    Raises
    ------
    RunError
        A number is not finite (JSON has no word for it); also as `write_bytes`.
    SpaceError
        As `write_bytes`.
    """
    try:
        if sealed:
            obj = {key: value for key, value in obj.items() if key != _SEAL}
            # As it will be read: keys that are numbers here are text there.
            obj[_SEAL] = rest_sha256(json.loads(json.dumps(obj, allow_nan=False)))
        text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise RunError(f"{path} cannot be written: {error}; give null where a number is not finite") from error
    write_text(path, text + "\n")


def read_matching(
    path: Path, format: str, version: int, wanted: Mapping[str, Any], beside: Path | None = None
) -> dict[str, Any] | None:
    """Read a JSON file that says what is wanted, of a file beside it that is as it was written; None if there is none.

    Parameters
    ----------
    path, format, version
        As of `read_json`.
    wanted : mapping
        What has to stand in it.
    beside : Path or None
        The file whose digest it has as ``"sha256"``.

    Raises
    ------
    UnreadableError, VersionError
        One of them is not given by the system, or was written by a newer version: it may say so.
    """
    try:
        record = read_json(path, format, version)
        if any(record.get(key) != value for key, value in wanted.items()):
            return None
        return record if beside is None or record.get("sha256") == sha256_of(beside) else None
    except UnreadableError:
        raise
    except RunError:
        return None


def says_format(path: Path, format: str, version: int) -> bool:
    """Say whether a JSON file calls itself one of a kind, in a version that is known, be it as it was sealed or not."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return False
    held = found.get("version") if isinstance(found, dict) and found.get("format") == format else None
    return isinstance(held, int) and 1 <= held <= version


def read_json(path: Path, format: str, version: int) -> dict[str, Any]:
    """Read a JSON file of a named kind.

    Parameters
    ----------
    path : Path
        The file.
    format : str
        What its ``"format"`` must be, such as ``longsong.run``.
    version : int
        The newest version that the caller can read.

    Returns
    -------
    dict
        What the file holds, ``"format"`` and ``"version"`` included, and without the seal of `write_json`.

    Raises
    ------
    RunError
        The file is missing, is cut short, not JSON or larger than any that is written, is of another kind, or is not as
        it was sealed.
    UnreadableError, VersionError
        The system does not give it; it was written by a newer version.
    """
    path = Path(path)
    with reading_named(path), path.open("rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise RunError(f"{path} has more than {LARGEST_JSON} bytes, as none that longsong wrote; make it again")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:  # undecodable bytes are a ValueError too
        raise RunError(f"{path} is cut short or not JSON ({len(content)} bytes: {error}); make it again") from error
    kind = found.get("format") if isinstance(found, dict) else None
    if not isinstance(found, dict) or kind != format:
        raise RunError(f"{path} is of format {reprlib.repr(kind)}, not {format!r}; check that it is the right file")
    held = found.get("version")
    if not isinstance(held, int) or isinstance(held, bool) or held < 1:
        raise RunError(f"{path} has the version {reprlib.repr(held)}, which is none; make it again")
    if held > version:
        raise VersionError(
            f"{path} was written by a newer version ({format} {reprlib.repr(held)}; this one reads up to {version}); "
            "update longsong"
        )
    if not _as_sealed(found):
        raise RunError(f"{path} is altered: it is not what its rest_sha256 is of; make it again")
    return found


@contextlib.contextmanager
def reading_named(path: Path) -> Iterator[None]:
    """Turn the system's errors while `path` is read into ones that name it and the remedy.

    Raises
    ------
    RunError
        There is none, or it is no file.
    UnreadableError
        It is there, and the system does not give it.
    """
    try:
        _require_regular(path)
        yield
    except FileNotFoundError:
        raise RunError(f"there is no {path}; make it again, or check the folder's name") from None
    except OSError as error:
        raise UnreadableError(
            f"{path} cannot be read ({error.strerror or error}); check its permissions, and the disk"
        ) from error


def _require_regular(path: Path) -> None:
    """Raise where a path is none of a file: a device has no end, and of a pipe somebody may wait for ever."""
    if path.exists() and not path.is_file():
        raise RunError(f"{path} is no file, and cannot be read; check the folder's name, or remove it")


def _as_sealed(found: dict[str, Any]) -> bool:
    """Take the seal off an object, if it has one; says whether the rest is as it was sealed."""
    kept = found.pop(_SEAL, None)
    try:
        return kept is None or kept == rest_sha256(found)
    except RecursionError:  # nested as no such file is
        return False


def rest_sha256(rest: Mapping[str, Any]) -> str:
    """Give the digest of a JSON object, whatever the order of its keys: what a file says of the rest of itself."""
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file as 64 hexadecimal digits, read in pieces of 1 MiB.

    Raises
    ------
    RunError, UnreadableError
        As `reading_named`.
    """
    digest = hashlib.sha256()
    with reading_named(Path(path)), Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def os_errors_named(path: Path) -> Iterator[None]:
    """Turn the system's errors inside the block into ones that name `path` and the remedy.

    Raises
    ------
    SpaceError, RunError
        As `write_bytes`.
    """
    try:
        yield
    except OSError as error:
        raise _named(error, path) from error


def _named(error: OSError, path: Path) -> RunError | SpaceError:
    """Turn the system's error into one that names the path and the remedy."""
    if error.errno in _NO_ROOM:
        return SpaceError(f"no room left on the disk for {path}; free some, or write elsewhere")
    if error.errno in _NOT_ALLOWED:
        return SpaceError(f"no permission to write {path}; change it, or write elsewhere")
    if error.errno == errno.ENOENT:
        return RunError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
    return RunError(f"{path} cannot be written: {error.strerror}; check the path")


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that a rename in it outlives a power cut (not every file system can)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
