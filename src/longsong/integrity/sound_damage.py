"""Sounds in a folder, each compared with what its record says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from longsong.errors import RunError, UnreadableError
from longsong.integrity.damage import Damage, compare
from longsong.sound_record import read_sound_record

__all__ = ["sound_damages"]

_HEAD_OF_WAV = 44  # bytes, at least


def sound_damages(run: Path) -> Iterator[Damage]:
    """Find the sounds of a run that are not as they were generated, and records that are not as they were written.

    A wav without a record is none of these: it was being generated when its process was killed.
    """
    for record in sorted([*run.glob("generated*.json"), *run.glob("generated/generated*.json")]):
        wav = record.with_suffix(".wav")
        try:
            found = read_sound_record(record)
        except UnreadableError:
            raise
        except RunError as error:
            yield Damage(record, "sound", str(error))
            continue
        damage = compare(wav, "sound", found["sha256"], record, _HEAD_OF_WAV + 2 * found["samples"])
        if damage is not None:
            yield damage
