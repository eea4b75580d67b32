"""The page to listen to what runs make in every way, side by side; it works offline, from any folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longsong.errors import ConfigError, RunError
from longsong.files import write_text
from longsong.report.sound_view import SoundView
from longsong.report.templating import render

__all__ = ["HeardRun", "HeardSound", "LeftOut", "refuse_other_page", "write_listening_page"]

_TEMPLATE, _PAGE = "listening.html.j2", "index.html"
_MARK = "longsong listen"
"""In the page, to tell it from a page that is somebody else's."""


@dataclass(frozen=True)
class HeardSound:
    """A sound of a run, or of its song.

    Attributes
    ----------
    view : SoundView
    of : str
        What it follows: an id of the post's claims or of the 2016 code's differences, or nothing.
    done : str
        What was done, in a sentence or two.
    figures : list of (str, str)
        Names and values.
    notes : list of str
        What is wrong with the sound, if anything.
    """

    view: SoundView
    of: str
    done: str
    figures: list[tuple[str, str]]
    notes: list[str]


@dataclass(frozen=True)
class LeftOut:
    """A sound that there is not.

    Attributes
    ----------
    title, reason : str
    """

    title: str
    reason: str


@dataclass(frozen=True)
class HeardRun:
    """A run, and all that is to be heard of it.

    Attributes
    ----------
    name, title : str
        The name of its folder, and what it is for people.
    facts : list of (str, str)
        Names and values.
    sounds : list of HeardSound
    left_out : list of LeftOut
    """

    name: str
    title: str
    facts: list[tuple[str, str]]
    sounds: list[HeardSound]
    left_out: list[LeftOut]


def refuse_other_page(folder: Path) -> None:
    """Raise `ConfigError` where the page would take the place of one that `longsong listen` did not write."""
    page = folder / _PAGE
    try:
        with page.open("rb") as file:
            if _MARK.encode() not in file.read(4096):
                raise ConfigError(f"{page} is there and is no page of `{_MARK}`; give another --output")
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"{page} cannot be read ({error.strerror}); give another --output") from error


def write_listening_page(folder: Path, runs: Sequence[HeardRun], *, unfinished: int = 0) -> Path:
    """Write ``index.html`` into a folder that holds the sounds.

    The same runs give the same bytes.

    Parameters
    ----------
    folder : Path
        Has to be there; the sounds are named from it.
    runs : sequence of HeardRun
    unfinished : int
        How many more were asked for, and are not on the page yet.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SpaceError, RunError
        As `longsong.files.write_text`.
    """
    page = folder / _PAGE
    legend = next((sound.view for run in runs for sound in run.sounds), None)
    write_text(page, render(_TEMPLATE, runs=runs, legend=legend, unfinished=unfinished, mark=_MARK))
    return page
