"""Comparisons for which something is trained or timed: `longsong audit RUNS --curves`, and `--cells`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from longsong.arguments import command_words, local
from longsong.errors import ConfigError

__all__ = ["add_comparisons", "compare"]


def add_comparisons(parser: argparse.ArgumentParser) -> None:
    """Add the options of `longsong audit` that compare with 2016, and the cells with each other."""
    add = parser.add_argument
    add("--cells", action="store_true", help="time an update with LSTM, GRU and RNN side by side first (P08)")
    add("--curves", action="store_true", help="train 1000x100 and 4000x50 and compare their curves with those of 2016")
    add("--song", type=local, nargs="+", metavar="FILE", help="with --curves: another song, such as that of 2016")


def compare(a: argparse.Namespace) -> bool:
    """Make the comparisons that are asked for; says whether the audit of the runs is to follow.

    Raises
    ------
    ConfigError
        A song is given, and nothing that it is for.
    """
    if a.song and not a.curves:
        raise ConfigError(f"song is {a.song[0]}, and is for --curves alone; add that, or leave it out")
    if a.cells:
        _compare_cells(a)
    if a.curves:
        _compare_curves(a)
    return not a.song


def _compare_cells(a: argparse.Namespace) -> None:
    """Time the cells side by side."""
    from longsong.experiments.cells import measure_cells

    print(f"measured side by side: {measure_cells(a.runs)}")


def _compare_curves(a: argparse.Namespace) -> None:
    """Train what the curves of 2016 are compared with, and compare."""
    from longsong.experiments.as_coded import shards_of
    from longsong.experiments.curves_2016 import compare_with_2016
    from longsong.reproduce import prepare_song

    shards: Path | str
    if a.song:
        # Whole, whatever its length: the curves of 2016 are of a whole song.
        shards = prepare_song(a.song, "full", None, Path("shards"))
        folder = a.runs / f"curves-2016-{shards.name}"
    else:
        shards, folder = shards_of(a.runs), a.runs / "curves-2016"
    found = compare_with_2016(
        shards,
        a.runs,
        folder=folder,
        command=command_words(a),
        say=lambda line: print(line, file=sys.stderr),
    )
    print("\n".join(found.lines()))
