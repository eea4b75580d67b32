"""What each way of the 2016 code does, as the page shows it: tables, sentences, and sounds to compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from longsong.audit.as_coded import AsCoded
from longsong.audit.as_coded_table import configuration_of, sentences_of, tables_of
from longsong.files import os_errors_named
from longsong.report.problems import Problems
from longsong.report.run_view import SPECTROGRAMS
from longsong.report.sound_view import SoundView, view_sound
from longsong.report.table import Table
from longsong.switches import DESCRIBED

__all__ = ["AsCodedView", "WaySound", "view_as_coded"]


@dataclass(frozen=True)
class WaySound:
    """The sound of a way.

    Attributes
    ----------
    view : SoundView
    ids : str
        The rows of the audit that it is of, such as ``D01``; empty for none.
    does : str
        What the way does, in a sentence.
    """

    view: SoundView
    ids: str
    does: str


@dataclass(frozen=True)
class AsCodedView:
    """The experiment of one configuration.

    Attributes
    ----------
    configuration : str
        What was trained, in a line.
    tables : list of Table
    sentences : list of str
        What follows.
    trained, generated : list of WaySound
        Of the first random seed: networks trained in each way; and one network that generates in each way.
    problems : list of str
        Sounds that cannot be read.
    """

    configuration: str
    tables: list[Table]
    sentences: list[str]
    trained: list[WaySound]
    generated: list[WaySound]
    problems: list[str]


def view_as_coded(found: AsCoded, page: Path) -> AsCodedView:
    """Take what the page, in the folder `page`, shows of an experiment; spectrograms are drawn into that folder."""
    problems = Problems()
    pictures = page / SPECTROGRAMS
    with os_errors_named(pictures):
        pictures.mkdir(exist_ok=True)
    folder = found.path.parent

    def sounds(stage: str, ways: list[tuple[str, list[str], str, str]]) -> list[WaySound]:
        found = []
        for name, ids, does, wav in ways:
            picture = pictures / f"as-coded-{folder.name}-{stage}-{name}.png"
            title = f"{stage} {'as ' if name == DESCRIBED else ''}{name.replace('-', ' ')}"
            view = problems.read(partial(view_sound, folder / wav, title=title, page=page, picture=picture))
            if view is not None:
                found.append(WaySound(view, ", ".join(ids), does))
        return found

    return AsCodedView(
        configuration=configuration_of(found),
        tables=[Table(caption, rows[0], rows[1:]) for caption, rows in tables_of(found)],
        sentences=sentences_of(found),
        trained=sounds("trained", [(way.name, way.ids, way.does, way.runs[0].wav) for way in found.training]),
        generated=sounds("generated", [(way.name, way.ids, way.does, way.wav) for way in found.generating]),
        problems=problems.said,
    )
