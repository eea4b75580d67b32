"""`generated.json`, and the record beside any other sound: how a wav was made (``docs/formats.md``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from longsong.fields import GENERATED, require
from longsong.files import read_json

__all__ = ["SOUND_FORMAT", "SOUND_VERSION", "read_sound_record"]

SOUND_FORMAT, SOUND_VERSION = "longsong.generated", 1


def read_sound_record(path: Path) -> dict[str, Any]:
    """Read the record of a sound.

    Returns
    -------
    dict
        With what `longsong.fields.GENERATED` asks of it, and what else is there.

    Raises
    ------
    RunError
        There is none, or it is cut short or altered.
    UnreadableError, VersionError
        The system does not give it; a newer version wrote it.
    """
    found = read_json(path, SOUND_FORMAT, SOUND_VERSION)
    require(found, GENERATED, str(path))
    return found
